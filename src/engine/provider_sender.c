/* SPDX-License-Identifier: MIT */
/*
 * provider_sender.c: what a part sends: Path, and the flow of the engine, in its transitional form or the one that a
 * reservation gives it (spec/gqos.md §11.2).
 *
 * | asked            | before a reservation                    | with one                               |
 * |------------------|-----------------------------------------|----------------------------------------|
 * | controlled load  | best effort, excess goes on             | its class and mark, excess goes on     |
 * | guaranteed       | best effort, excess waits               | its class and mark, R set aside,       |
 * |                  |                                         | excess waits                           |
 * | either           | as controlled load                      | as what is reserved                    |
 * | qualitative      | best effort, excess goes on             | the same, with the mark asked for      |
 * | network control  | its class and mark, excess goes on      | the same, with what is reserved        |
 * | best effort      | what was asked for, if anything was     |                                        |
 *
 * Where the host signals nothing (§17), or the administrator wants it so (A46), classes and marks are there at once.
 */
#include <errno.h>

#include "engine/provider_internal.h"

/* ---- what is wanted ---- */

static bool asks_of_best_effort(const struct sending *sending)
{
	return sending->direction.tspec.rate_bps != 0 || sending->dscp >= 0 ||
	       sending->priority >= 0 || sending->excess != GW_QOS_EXCESS_DEFAULT ||
	       sending->shaping_bps != 0;
}

bool sender_wants_flow(const struct part *part, const struct sending *sending)
{
	const struct address *peer = &part->qsock->socket.peer;

	if (!sending || (sending->direction.flags & GW_QOS_NO_TRAFFIC_CONTROL) ||
	    address_is_loopback(&part->destination))
		return false;
	/* Of a connected socket the engine tells its peer only. */
	if (peer->family != AF_UNSPEC && !address_equal(peer, &part->destination))
		return false;
	if (sending->direction.service == GW_QOS_BEST_EFFORT)
		return asks_of_best_effort(sending);
	return service_is_signalled(sending->direction.service);
}

static bool wants_path(const struct part *part, const struct sending *sending)
{
	return sending && service_is_signalled(sending->direction.service) &&
	       !(sending->direction.flags & GW_QOS_NO_SIGNALLING) &&
	       qsock_can_signal(part->qsock) && !address_is_loopback(&part->destination) &&
	       !address_is_everywhere(&part->destination);
}

/* ---- what the flow is like ---- */

enum form { FORM_BEST_EFFORT, FORM_CONTROLLED_LOAD, FORM_GUARANTEED, FORM_NETWORK_CONTROL };

static bool is_offered(const struct sending *sending, const struct engine_service *service)
{
	switch (sending->direction.service) {
	case GW_QOS_CONTROLLED_LOAD:
		return service->booked_as == ADMISSION_CONTROLLED_LOAD;
	case GW_QOS_GUARANTEED:
		return service->booked_as == ADMISSION_GUARANTEED;
	case GW_QOS_EITHER:
	case GW_QOS_NETWORK_CONTROL:
		return service->bucket.rate_bps != 0;
	case GW_QOS_QUALITATIVE:
		return service->bucket.rate_bps == 0;
	case GW_QOS_NONE:
	case GW_QOS_BEST_EFFORT:
	case GW_QOS_KEEP:
		break;
	}
	return false;
}

static bool is_reserved(const struct part *part, const struct sending *sending)
{
	return part->reserved && wants_path(part, sending) && is_offered(sending, &part->service);
}

/* What it comes to be in the end, or would. */
static enum form form_asked(const struct part *part, const struct sending *sending)
{
	const struct provider *provider = part->qsock->provider;

	switch (sending->direction.service) {
	case GW_QOS_CONTROLLED_LOAD:
		return FORM_CONTROLLED_LOAD;
	case GW_QOS_GUARANTEED:
		return FORM_GUARANTEED;
	case GW_QOS_EITHER:
		if (is_reserved(part, sending) && part->service.booked_as == ADMISSION_GUARANTEED)
			return FORM_GUARANTEED;
		return !provider->signalling && provider->config.either_is_guaranteed
			       ? FORM_GUARANTEED
			       : FORM_CONTROLLED_LOAD;
	case GW_QOS_NETWORK_CONTROL:
		return FORM_NETWORK_CONTROL;
	case GW_QOS_QUALITATIVE:
	case GW_QOS_NONE:
	case GW_QOS_BEST_EFFORT:
	case GW_QOS_KEEP:
		break;
	}
	return FORM_BEST_EFFORT;
}

static void set_marks(const struct part *part, const struct sending *sending, enum form form,
		      struct flow_settings *settings)
{
	static const enum gw_class classes[] = {
		[FORM_BEST_EFFORT] = GW_CLASS_BEST_EFFORT,
		[FORM_CONTROLLED_LOAD] = GW_CLASS_AUDIO_VIDEO,
		[FORM_GUARANTEED] = GW_CLASS_VOICE,
		[FORM_NETWORK_CONTROL] = GW_CLASS_CONTROL,
	};
	const struct provider_config *config = &part->qsock->provider->config;
	const struct provider_marks *rows[] = {
		[FORM_BEST_EFFORT] = &config->best_effort,
		[FORM_CONTROLLED_LOAD] = &config->controlled_load,
		[FORM_GUARANTEED] = &config->guaranteed,
		[FORM_NETWORK_CONTROL] = &config->network_control,
	};

	settings->traffic_class = classes[form];
	settings->marks = (struct flow_marks){
		.set = true,
		.dscp = rows[form]->dscp,
		.priority = rows[form]->priority,
		.excess_dscp = config->excess.dscp,
		.excess_priority = config->excess.priority,
	};
	/* What the receivers ask for gives way to the program's own (§6). */
	if (is_reserved(part, sending) && part->resv.stands && part->resv.dscp >= 0)
		settings->marks.dscp = (uint8_t)part->resv.dscp;
	if (sending->dscp >= 0)
		settings->marks.dscp = (uint8_t)sending->dscp;
	if (sending->priority >= 0)
		settings->marks.priority = (uint8_t)sending->priority;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A peak of 0 is none. */
static uint64_t least_peak(uint64_t a, uint64_t b)
{
	return a == 0 || b == 0 ? a + b : least(a, b);
}

/* Never more than the program has asked for (§11.2). */
static void set_bucket(const struct part *part, const struct sending *sending,
		       struct flow_settings *settings)
{
	const struct gw_tspec *tspec = &sending->direction.tspec;
	const struct engine_service *service = &part->service;
	bool reserved = is_reserved(part, sending);
	struct bucket_spec bucket = {
		.rate_bps = tspec->rate_bps,
		.depth_bytes = tspec->depth_bytes,
		.peak_bps = tspec->peak_bps,
		.min_bytes = tspec->min_bytes,
		.max_bytes = tspec->max_bytes,
	};

	if (reserved && part->lender != 0 && service->bucket.rate_bps != 0)
		settings->lender = part->lender;
	if (bucket.rate_bps == 0 || settings->lender != 0)
		return;
	if (reserved && service->bucket.rate_bps != 0) {
		bucket.rate_bps = least(bucket.rate_bps, service->bucket.rate_bps);
		if (service->bucket.depth_bytes != 0)
			bucket.depth_bytes = least(bucket.depth_bytes, service->bucket.depth_bytes);
		bucket.peak_bps = least_peak(bucket.peak_bps, service->bucket.peak_bps);
		if (service->bucket.max_bytes != 0)
			bucket.max_bytes =
				(uint32_t)least(bucket.max_bytes, service->bucket.max_bytes);
		bucket.min_bytes = (uint32_t)least(bucket.min_bytes, bucket.max_bytes);
		settings->reserved_bps = service->reserved_bps > bucket.rate_bps
						 ? service->reserved_bps
						 : bucket.rate_bps;
		settings->booked_as = service->booked_as;
	}
	if (bucket.peak_bps != 0 && bucket.peak_bps < bucket.rate_bps)
		bucket.peak_bps = bucket.rate_bps;
	settings->reserved = bucket;
}

static void set_excess(const struct sending *sending, enum form form,
		       struct flow_settings *settings)
{
	enum gw_qos_excess excess = sending->excess;

	if (excess == GW_QOS_EXCESS_DEFAULT)
		excess = form == FORM_GUARANTEED ? GW_QOS_EXCESS_SHAPE : GW_QOS_EXCESS_BORROW;
	settings->excess = excess == GW_QOS_EXCESS_DISCARD ? GW_EXCESS_DROP : GW_EXCESS_BEST_EFFORT;
	settings->excess_waits = excess == GW_QOS_EXCESS_SHAPE;
	if (!settings->excess_waits || settings->reserved.rate_bps == 0)
		return;
	/* What waits, waits for this rate alone. */
	if (sending->shaping_bps != 0)
		settings->reserved.rate_bps = sending->shaping_bps;
	settings->reserved.peak_bps = 0;
}

/* Where nothing is signalled no reservation will ever come (§17). */
static bool marks_wait(const struct part *part)
{
	const struct provider *provider = part->qsock->provider;

	return provider->signalling && !provider->config.marks_at_once;
}

static struct flow_settings make_settings(const struct part *part, const struct sending *sending)
{
	struct flow_settings settings = { .dscp = GW_DSCP_FROM_CLASS };
	enum form form = form_asked(part, sending), marked = form;

	if (form != FORM_NETWORK_CONTROL && !is_reserved(part, sending) && marks_wait(part))
		marked = FORM_BEST_EFFORT;
	set_marks(part, sending, marked, &settings);
	set_bucket(part, sending, &settings);
	set_excess(sending, form, &settings);
	return settings;
}

/* ---- the flow ---- */

struct flow *sender_flow(const struct part *part)
{
	struct flow *flow;

	if (part->flow_id == 0 || flow_find_own(part->qsock->provider->engine, part_owner(part),
						part->flow_id, &flow) < 0)
		return NULL;
	return flow;
}

/* Where nothing keeps packets to a rate, they are only marked. */
int sender_flow_set(const struct part *part, struct flow *flow, const struct sending *sending,
		    struct admission_refusal *ret_refusal)
{
	struct engine *engine = part->qsock->provider->engine;
	struct flow_settings settings = make_settings(part, sending);
	struct meter_links links = { 0 };
	int r = -EOPNOTSUPP;

	if (settings.reserved.rate_bps == 0 || engine->ports.datapath->meter) {
		if (settings.reserved.rate_bps != 0)
			flow_links(engine, flow, &links);
		r = flow_change(engine, flow, &settings, &links, ret_refusal);
	}
	if (r != -EOPNOTSUPP || settings.reserved.rate_bps == 0)
		return r;
	settings.reserved = (struct bucket_spec){ 0 };
	settings.reserved_bps = 0;
	settings.booked_as = 0;
	return flow_change(engine, flow, &settings, &links, ret_refusal);
}

static void end_flow(struct part *part)
{
	struct provider *provider = part->qsock->provider;

	if (part->flow_id != 0)
		engine_remove(provider->engine, part_owner(part), part->flow_id, provider->now_us);
	part->flow_id = 0;
}

static int add_flow(struct part *part, const struct sending *sending)
{
	const struct flow_request request = { .traffic_class = GW_CLASS_BEST_EFFORT,
					      .dscp = GW_DSCP_FROM_CLASS };
	struct provider *provider = part->qsock->provider;
	const struct engine_socket *socket = &part->qsock->socket;
	bool named = socket->peer.family == AF_UNSPEC && !address_is_everywhere(&part->destination);
	int r;

	part->flow_id = 0;
	r = engine_add(provider->engine, part_owner(part), socket,
		       named ? &part->destination : NULL, &request, &part->flow_id,
		       provider->now_us);
	if (r == 0)
		r = sender_flow_set(part, sender_flow(part), sending, NULL);
	if (r < 0)
		end_flow(part);
	return r;
}

void sender_refresh(struct part *part)
{
	struct flow *flow = sender_flow(part);

	if (flow && sender_wants_flow(part, part->sending))
		sender_flow_set(part, flow, part->sending, NULL);
}

/* ---- Path ---- */

static uint32_t services_of(enum gw_qos_service service)
{
	switch (service) {
	case GW_QOS_CONTROLLED_LOAD:
		return GW_RSVP_OFFER_CONTROLLED_LOAD;
	case GW_QOS_GUARANTEED:
		return GW_RSVP_OFFER_GUARANTEED;
	case GW_QOS_QUALITATIVE:
		return GW_RSVP_OFFER_NULL;
	case GW_QOS_EITHER:
	case GW_QOS_NETWORK_CONTROL:
	case GW_QOS_NONE:
	case GW_QOS_BEST_EFFORT:
	case GW_QOS_KEEP:
		break;
	}
	return GW_RSVP_OFFER_CONTROLLED_LOAD | GW_RSVP_OFFER_GUARANTEED;
}

/* Bound to every address, it is the one that the routes choose. */
static struct address source_of(const struct part *part)
{
	const struct address *local = &part->qsock->socket.local;
	struct address source = { .family = part->destination.family, .port = local->port };

	if (local->family == source.family && !address_is_unspecified(local) &&
	    !address_is_multicast(local))
		source = *local;
	return source;
}

/* What others have reserved for it already is told from within, of what is sent by then. */
static int send_offer(struct part *part, struct sending *sending, const struct address *source,
		      const struct gw_rsvp_offer *offer)
{
	const struct provider *provider = part->qsock->provider;
	const struct signalling *signalling = provider->signalling;
	uint32_t max_bytes_before = part->sent_max_bytes;
	struct address source_before = part->source;
	struct sending *before = part->sent;
	int r;

	part->sent = sending_ref(sending);
	part->sent_max_bytes = offer->tspec.max_bytes;
	part->source = *source;
	r = signalling->send(signalling->user_data, part_owner(part), part->session, offer,
			     provider->now_us);
	if (r < 0) {
		sending_unref(part->sent);
		part->sent = before;
		part->sent_max_bytes = max_bytes_before;
		part->source = source_before;
		return r;
	}
	sending_unref(before);
	return 0;
}

/* M is no more than the interface takes in one packet (§5.3, §9.1). */
static uint32_t max_bytes_of(const struct part *part, const struct sending *sending)
{
	const struct provider *provider = part->qsock->provider;
	uint32_t ifindex = provider_link_to(provider, &part->qsock->socket, &part->destination);
	uint32_t mtu = ifindex ? provider->ports.link_mtu(provider->ports.user_data, ifindex) : 0;
	uint32_t max_bytes = sending->direction.tspec.max_bytes;

	return mtu != 0 && mtu < max_bytes ? mtu : max_bytes;
}

static int advertise(struct part *part, struct sending *sending)
{
	struct address source = source_of(part);
	struct gw_rsvp_offer offer = {
		.size = sizeof(offer),
		.tspec = sending->direction.tspec,
		.services = services_of(sending->direction.service),
		.policy = sending->policy_len > 0 ? sending->policy : NULL,
		.policy_len = sending->policy_len,
	};
	bool opened = part->session == 0;
	int r = 0;

	offer.tspec.max_bytes = max_bytes_of(part, sending);
	if (offer.tspec.min_bytes > offer.tspec.max_bytes)
		offer.tspec.min_bytes = offer.tspec.max_bytes;
	if (part->sent && sending_equal(part->sent, sending) &&
	    part->sent_max_bytes == offer.tspec.max_bytes && address_equal(&part->source, &source))
		return 0;
	if (opened)
		r = part_open(part);
	if (r < 0)
		return r;
	address_to_sockaddr(&source, &offer.source);
	r = send_offer(part, sending, &source, &offer);
	if (r < 0 && opened)
		part_close(part);
	return r;
}

void sender_forget(struct part *part)
{
	sending_unref(part->sent);
	part->sent = NULL;
	part->reserved = part->refused = false;
	part->lender = 0;
	part->resv.stands = false;
}

static void retract(struct part *part)
{
	struct provider *provider = part->qsock->provider;
	const struct signalling *signalling = provider->signalling;

	if (!part_hears(part)) {
		part_close(part);
		return;
	}
	sender_forget(part);
	signalling->send(signalling->user_data, part_owner(part), part->session, NULL,
			 provider->now_us);
}

/* ---- the two steps ---- */

static int begin_flow(struct part *part, const struct sending *sending)
{
	struct flow *flow = sender_flow(part);

	if (!sender_wants_flow(part, sending))
		return 0;
	return flow ? sender_flow_set(part, flow, sending, NULL) : add_flow(part, sending);
}

int sender_begin(struct part *part, struct sending *sending)
{
	struct engine *engine = part->qsock->provider->engine;
	struct flow *flow = sender_flow(part);
	struct flow_settings before;
	int r;

	if (flow)
		before = flow->settings;
	r = begin_flow(part, sending);
	if (r < 0)
		return r;
	if (wants_path(part, sending))
		r = advertise(part, sending);
	if (r < 0) {
		if (flow)
			flow_change(engine, flow, &before, NULL, NULL);
		else
			end_flow(part);
		return r;
	}
	sending_ref(sending);
	sending_unref(part->sending);
	part->sending = sending;
	if (part->reserved)
		sender_refresh(part); /* it stood already, or was changed on the way */
	return 0;
}

void sender_settle(struct part *part)
{
	if (part->sent && !wants_path(part, part->sending))
		retract(part);
	if (!sender_wants_flow(part, part->sending))
		end_flow(part);
}
