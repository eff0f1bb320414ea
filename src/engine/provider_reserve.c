/* SPDX-License-Identifier: MIT */
/*
 * provider_reserve.c: what traffic control of the sending host has reserved, and which sockets have it: one of them, by
 * its own flow, or several in common, under the meter of a flow of the host's (spec/gqos.md §11.2).
 */
#include <errno.h>

#include "engine/provider_internal.h"

static bool is_source(const struct part *part, const struct address *source)
{
	if (!part->sent)
		return false;
	if (!source || source->family == AF_UNSPEC)
		return true;
	return part->source.port == source->port &&
	       (address_is_unspecified(&part->source) ||
		memcmp(part->source.addr, source->addr, sizeof(source->addr)) == 0);
}

static bool is_elsewhere(const struct part *part, const struct signalling_session *session)
{
	return part->reserved && part->service_ifindex != session->ifindex;
}

/* What its flow is to be like now; after an error it is as it was. */
static int follow(struct part *part, struct admission_refusal *ret_refusal)
{
	struct flow *flow = sender_flow(part);

	if (!flow || !sender_wants_flow(part, part->sending))
		return 0;
	return sender_flow_set(part, flow, part->sending, ret_refusal);
}

/* ---- of one ---- */

static int find_one(const struct provider *provider, const struct signalling_session *session,
		    const struct address *source, struct part **ret_part)
{
	struct target *target = target_find(provider, &session->destination, session->protocol);
	struct part *part, *found = NULL;

	if (!target)
		return -ENOENT;
	DL_FOREACH2(target->parts, part, target_next) {
		if (!is_source(part, source))
			continue;
		if (found)
			return -ENOENT;
		found = part;
	}
	if (!found || is_elsewhere(found, session))
		return -ENOENT;
	*ret_part = found;
	return 0;
}

/* The one that has it, of however many there are by now. */
static int find_holder(const struct provider *provider, const struct signalling_session *session,
		       const struct address *source, struct part **ret_part)
{
	struct target *target = target_find(provider, &session->destination, session->protocol);
	struct part *part;

	if (!target)
		return -ENOENT;
	DL_FOREACH2(target->parts, part, target_next) {
		if (part->reserved && part->lender == 0 && is_source(part, source) &&
		    !is_elsewhere(part, session)) {
			*ret_part = part;
			return 0;
		}
	}
	return -ENOENT;
}

/* The owner is told once, not each time that the reservation is asked for again. */
static void tell_refusal(struct part *part)
{
	if (!part->refused)
		tell_error(part, GW_EVENT_RSVP_PATH_ERROR, ERROR_ADMISSION, ADMISSION_BANDWIDTH);
	part->refused = true;
}

static void take_back(struct part *part)
{
	part->reserved = part->refused = false;
	part->lender = 0;
	follow(part, NULL);
}

int provider_reserve(struct provider *provider, const struct signalling_session *session,
		     const struct address *source, const struct engine_service *service,
		     struct admission_refusal *ret_refusal, uint64_t now_us)
{
	struct engine_service before;
	struct part *part;
	uint32_t lender;
	bool had;
	int r;

	(void)now_us;
	r = service ? find_one(provider, session, source, &part)
		    : find_holder(provider, session, source, &part);
	if (r < 0)
		return r;
	if (!service) {
		take_back(part);
		return 0;
	}
	had = part->reserved;
	before = part->service;
	lender = part->lender;
	part->reserved = true;
	part->service = *service;
	part->service_ifindex = session->ifindex;
	part->lender = 0;
	r = follow(part, ret_refusal);
	if (r < 0) {
		part->reserved = had;
		part->service = before;
		part->lender = lender;
		if (r == -EDQUOT)
			tell_refusal(part);
		return r;
	}
	part->refused = false;
	return 0;
}

/* ---- of several ---- */

static bool is_covered(const struct part *part, const struct provider_shared *shared)
{
	if (is_elsewhere(part, &shared->session))
		return false;
	for (unsigned i = 0; i < shared->n_sources; i++) {
		if (is_source(part, &shared->sources[i]))
			return true;
	}
	return false;
}

/* What the sockets under one meter have said of the excess. */
struct sharers {
	unsigned n, n_wait, n_drop;
};

static void count_sharer(const struct part *part, struct sharers *sharers)
{
	const struct flow *flow = sender_flow(part);

	if (!flow || flow->settings.lender == 0)
		return;
	sharers->n++;
	sharers->n_wait += flow->settings.excess_waits;
	sharers->n_drop += !flow->settings.excess_waits && flow->settings.excess == GW_EXCESS_DROP;
}

static void lend(struct part *part, const struct provider_shared *shared)
{
	part->reserved = true;
	part->refused = false;
	part->service = shared->service;
	part->service_ifindex = shared->session.ifindex;
	part->lender = shared->flow_id;
	if (follow(part, NULL) < 0)
		take_back(part);
}

/* The meter does with the excess what all of them want; its marks are those of §11.3. */
static void set_lender(const struct provider *provider, const struct provider_shared *shared,
		       const struct sharers *sharers)
{
	struct flow *lender = flow_find(provider->engine, shared->flow_id);
	const struct provider_config *config = &provider->config;
	const struct provider_marks *row = shared->service.booked_as == ADMISSION_GUARANTEED
						   ? &config->guaranteed
						   : &config->controlled_load;
	struct flow_settings settings;

	if (!lender || (sharers->n == 0 && !lender->lends))
		return;
	settings = lender->settings;
	settings.excess_waits = sharers->n > 0 && sharers->n_wait == sharers->n;
	settings.excess = sharers->n > 0 && sharers->n_drop == sharers->n ? GW_EXCESS_DROP
									  : GW_EXCESS_BEST_EFFORT;
	settings.marks = (struct flow_marks){ 0 };
	if (sharers->n > 0)
		settings.marks = (struct flow_marks){
			.set = true,
			.dscp = row->dscp,
			.priority = row->priority,
			.excess_dscp = config->excess.dscp,
			.excess_priority = config->excess.priority,
		};
	flow_change(provider->engine, lender, &settings, NULL, NULL);
	lender->lends = sharers->n > 0;
}

unsigned provider_share(struct provider *provider, const struct provider_shared *shared,
			uint64_t now_us)
{
	const struct signalling_session *session = &shared->session;
	struct target *target = target_find(provider, &session->destination, session->protocol);
	struct sharers sharers = { 0 };
	unsigned n = 0;
	struct part *part;

	(void)now_us;
	DL_FOREACH2(target ? target->parts : NULL, part, target_next) {
		if (is_covered(part, shared))
			lend(part, shared);
		else if (part->lender == shared->flow_id)
			take_back(part);
		n += part->lender == shared->flow_id;
		count_sharer(part, &sharers);
	}
	set_lender(provider, shared, &sharers);
	return n;
}

void provider_meter_ends(struct provider *provider, uint32_t flow_id)
{
	struct qsock *qsock, *next;
	struct part *part;

	HASH_ITER(hh, provider->qsocks, qsock, next) {
		DL_FOREACH(qsock->parts, part) {
			if (part->lender == flow_id)
				take_back(part);
		}
	}
}
