/* SPDX-License-Identifier: MIT */
/*
 * reserve.c: reservations of flows, and the books that they are entered in (admission.h).
 *
 * The books are kept in bits per second of the link, as a scheduled Ethernet counts them: each IP packet takes 38
 * bytes more there. How much that is in all depends on the packets: they count as long as the flow says its
 * shortest are (m), or else its longest (M), or else as full ones (RFC 2211, RFC 2212: r * (1 + h / m)).
 */
#include <assert.h>
#include <errno.h>

#include "core/rate.h"
#include "engine/internal.h"

#define FULL_PACKET_BYTES 1500u
#define LINK_OVERHEAD_BYTES 38u /* addresses and type 14, CRC 4, preamble 8, gap 12 */

/* A depth that nobody has chosen. */
#define RESERVED_DEPTH_NS UINT64_C(100000000)

/* ---- the books ---- */

static uint64_t rate_to_book(const struct datapath_meter *meter)
{
	uint32_t packet_bytes = meter->bucket.min_bytes;

	if (packet_bytes == 0)
		packet_bytes = meter->bucket.max_bytes;
	if (packet_bytes == 0 || packet_bytes > FULL_PACKET_BYTES)
		packet_bytes = FULL_PACKET_BYTES;
	return rate_on_link(meter->reserved_bps, packet_bytes, LINK_OVERHEAD_BYTES);
}

/* The holding on a link, or an empty one. */
static struct admission_holding *holding_for(struct holdings *holdings, uint32_t ifindex)
{
	struct admission_holding *empty = NULL;

	for (unsigned i = 0; i < HOLDINGS_MAX; i++) {
		struct admission_holding *held = &holdings->held[i];

		if (held->link && admission_holding_ifindex(held) == ifindex)
			return held;
		if (!held->link && !empty)
			empty = held;
	}
	/* At most DATAPATH_METER_LINKS are settled, and as many can come. */
	assert(empty);
	return empty;
}

int holdings_grow(struct engine *engine, struct holdings *holdings, const struct meter_links *links,
		  const struct datapath_meter *meter, uint32_t booked_as,
		  struct admission_refusal *ret_refusal)
{
	uint64_t rate_bps = rate_to_book(meter);

	for (unsigned i = 0; i < links->n; i++) {
		struct admission_holding *held = holding_for(holdings, links->ifindexes[i]);
		int r;

		r = admission_commit(engine->admission, links->ifindexes[i], booked_as,
				     rate_bps > held->rate_bps ? rate_bps : held->rate_bps, held,
				     ret_refusal);
		if (r < 0)
			return r == -ERANGE ? -EINVAL : r;
	}
	return 0;
}

void holdings_settle(struct engine *engine, struct holdings *holdings,
		     const struct meter_links *links, const struct datapath_meter *meter)
{
	uint64_t rate_bps = rate_to_book(meter);

	for (unsigned i = 0; i < HOLDINGS_MAX; i++) {
		struct admission_holding *held = &holdings->held[i];
		uint32_t ifindex = admission_holding_ifindex(held);
		bool stays = false;

		for (unsigned j = 0; j < links->n; j++)
			stays |= ifindex == links->ifindexes[j];
		if (!stays)
			admission_release(engine->admission, held);
		else if (rate_bps < held->rate_bps)
			admission_commit(engine->admission, ifindex, held->traffic_class, rate_bps,
					 held, NULL);
	}
}

/* What was grown becomes smaller again, which is never refused. */
void holdings_restore(struct engine *engine, struct holdings *holdings,
		      const struct holdings *before)
{
	for (unsigned i = 0; i < HOLDINGS_MAX; i++) {
		struct admission_holding *held = &holdings->held[i];
		const struct admission_holding *was = &before->held[i];

		if (was->link)
			admission_commit(engine->admission, admission_holding_ifindex(was),
					 was->traffic_class, was->rate_bps, held, NULL);
		else
			admission_release(engine->admission, held);
	}
}

void holdings_links(const struct holdings *holdings, struct meter_links *ret_links)
{
	*ret_links = (struct meter_links){ 0 };
	for (unsigned i = 0; i < HOLDINGS_MAX; i++) {
		if (holdings->held[i].link && ret_links->n < DATAPATH_METER_LINKS)
			ret_links->ifindexes[ret_links->n++] =
				admission_holding_ifindex(&holdings->held[i]);
	}
}

void enforced_links(const struct engine *engine, struct meter_links *ret_links)
{
	struct admission_books books;
	uint32_t ifindex = 0;

	*ret_links = (struct meter_links){ 0 };
	while (ret_links->n < DATAPATH_METER_LINKS &&
	       (ifindex = admission_next_link(engine->admission, ifindex)) != 0) {
		admission_books(engine->admission, ifindex, &books);
		if (books.enforced)
			ret_links->ifindexes[ret_links->n++] = ifindex;
	}
}

int engine_set_link(struct engine *engine, uint32_t ifindex,
		    const struct admission_link_config *config)
{
	if (config)
		return admission_link_enforce(engine->admission, ifindex, config);
	admission_link_release(engine->admission, ifindex);
	return 0;
}

struct admission *engine_admission(struct engine *engine)
{
	return engine->admission;
}

/* ---- one user's share ---- */

static uint64_t flow_reserved_bps(const struct flow *flow, uint32_t ifindex)
{
	const struct holdings *booked = flow->metering ? flow->metering->booked : NULL;

	for (unsigned i = 0; booked && i < HOLDINGS_MAX; i++) {
		if (admission_holding_ifindex(&booked->held[i]) == ifindex)
			return booked->held[i].rate_bps;
	}
	return 0;
}

static uint64_t others_reserved_bps(const struct flow *flow, uint32_t ifindex)
{
	const struct flow *other;
	uint64_t sum_bps = 0;

	DL_FOREACH2(flow->owner->user->flow_list, other, user_next) {
		if (other != flow)
			sum_bps += flow_reserved_bps(other, ifindex);
	}
	return sum_bps;
}

int user_share_check(const struct engine *engine, const struct flow *flow,
		     const struct datapath_meter *meter, const struct meter_links *links,
		     struct admission_refusal *ret_refusal)
{
	uint32_t share = engine->config.max_reserved_per_user;
	struct admission_refusal refusal = {
		.rule = ADMISSION_RULE_USER,
		.set_by = ADMISSION_SET_BY_CONFIGURATION,
		.share = share,
	};
	struct admission_books books;

	if (flow->owner->user->uid == 0 || share >= 100 || meter->reserved_bps == 0)
		return 0;
	refusal.asked_bps = rate_to_book(meter);
	for (unsigned i = 0; i < links->n; i++) {
		admission_books(engine->admission, links->ifindexes[i], &books);
		/* What does not grow is not refused. */
		if (!books.enforced ||
		    refusal.asked_bps <= flow_reserved_bps(flow, links->ifindexes[i]))
			continue;
		refusal.limit_bps = rate_share(books.limit_bps, share);
		refusal.reserved_bps = others_reserved_bps(flow, links->ifindexes[i]);
		if (refusal.reserved_bps + refusal.asked_bps <= refusal.limit_bps)
			continue;
		if (ret_refusal)
			*ret_refusal = refusal;
		return -EDQUOT;
	}
	return 0;
}

/* ---- reserving ---- */

static int bucket_complete(const struct bucket_spec *given, struct bucket_spec *ret_bucket)
{
	struct bucket_spec bucket = *given;
	uint32_t full_bytes = bucket.max_bytes != 0 ? bucket.max_bytes : FULL_PACKET_BYTES;
	struct bucket_rule rule;

	if (bucket.rate_bps > ADMISSION_RATE_MAX_BPS)
		return -EINVAL;
	if (bucket.depth_bytes == 0)
		bucket.depth_bytes = bucket_depth_bytes(bucket.rate_bps, RESERVED_DEPTH_NS,
							2 * (uint64_t)full_bytes);
	if (bucket_rule_make(&bucket, &rule) < 0)
		return -EINVAL;
	*ret_bucket = bucket;
	return 0;
}

static int release(struct engine *engine, struct flow *flow)
{
	struct flow_settings settings = flow->settings;

	if (settings.reserved.rate_bps == 0)
		return 0; /* and nothing changes */
	settings.reserved = (struct bucket_spec){ 0 };
	settings.reserved_bps = 0;
	settings.booked_as = 0;
	settings.excess = GW_EXCESS_DROP;
	return flow_change(engine, flow, &settings, NULL, NULL);
}

int engine_reserve_service(struct engine *engine, struct owner *owner, uint32_t flow_id,
			   const struct engine_service *service,
			   struct admission_refusal *ret_refusal, uint64_t now_us)
{
	const struct bucket_spec *bucket = &service->bucket;
	struct flow_settings settings;
	struct meter_links links;
	struct flow *flow;
	int r;

	(void)now_us;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (service->excess > GW_EXCESS_BEST_EFFORT || !class_is_valid(service->traffic_class) ||
	    service->booked_as >= ADMISSION_CLASS_COUNT ||
	    service->reserved_bps > ADMISSION_RATE_MAX_BPS)
		return -EINVAL;
	if (bucket->rate_bps == 0)
		return release(engine, flow);
	settings = flow->settings;
	r = bucket_complete(bucket, &settings.reserved);
	if (r < 0)
		return r;
	if ((flow->flags & GW_FLOW_ADAPTIVE) || !engine->ports.datapath->meter)
		return -EOPNOTSUPP;
	settings.reserved_bps = service->reserved_bps > settings.reserved.rate_bps
					? service->reserved_bps
					: settings.reserved.rate_bps;
	settings.booked_as = service->booked_as;
	settings.traffic_class = service->traffic_class;
	settings.excess = service->excess;
	settings.rate_bps = 0;
	settings.shaping = GW_SHAPE_ONLY;
	settings.rate_reason = 0;
	settings.rate_cleared = false;
	flow_links(engine, flow, &links);
	return flow_change(engine, flow, &settings, &links, ret_refusal);
}

int engine_reserve(struct engine *engine, struct owner *owner, uint32_t flow_id,
		   const struct bucket_spec *bucket, enum gw_excess excess,
		   struct admission_refusal *ret_refusal, uint64_t now_us)
{
	struct engine_service service = { .bucket = *bucket, .excess = excess };
	struct flow *flow;
	int r;

	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	service.traffic_class = flow->settings.traffic_class;
	return engine_reserve_service(engine, owner, flow_id, &service, ret_refusal, now_us);
}
