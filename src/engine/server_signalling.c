/* SPDX-License-Identifier: MIT */
/*
 * server_signalling.c: the requests about reservations that are signalled to others, between their messages and the
 * host's port. What was left out of a Tspec is filled in here, so that every program's means the same.
 */
#include <errno.h>
#include <string.h>

#include "core/bucket.h"
#include "engine/server_internal.h"
#include "engine/signalling.h"
#include "proto/signal.h"

#define DEPTH_NS UINT64_C(100000000)
#define MIN_BYTES 128u
#define MAX_BYTES 1500u
#define RECORD_ROOM 8192u /* of one record in a list */
#define KINDS_LISTED                                                                   \
	(GW_RSVP_KIND_BIT(GW_RSVP_SESSION) | GW_RSVP_KIND_BIT(GW_RSVP_SENDER) |        \
	 GW_RSVP_KIND_BIT(GW_RSVP_RESERVATION) | GW_RSVP_KIND_BIT(GW_RSVP_NEIGHBOUR) | \
	 GW_RSVP_KIND_BIT(GW_RSVP_COUNTER))
#define OFFERS_ALL (GW_RSVP_OFFER_GUARANTEED | GW_RSVP_OFFER_CONTROLLED_LOAD | GW_RSVP_OFFER_NULL)

/* ---- what is asked for ---- */

/* Who has no other service than that without a rate needs to say no more than how long the packets are. */
static int complete_tspec(struct gw_tspec *tspec, bool rate_needed)
{
	if (tspec->max_bytes == 0)
		tspec->max_bytes = MAX_BYTES;
	if (tspec->min_bytes == 0)
		tspec->min_bytes = tspec->max_bytes < MIN_BYTES ? tspec->max_bytes : MIN_BYTES;
	if (tspec->min_bytes > tspec->max_bytes)
		return -EINVAL;
	if (tspec->peak_bps != 0 && tspec->peak_bps < tspec->rate_bps)
		return -EINVAL;
	if (tspec->rate_bps == 0)
		return rate_needed ? -EINVAL : 0;
	if (tspec->depth_bytes == 0)
		tspec->depth_bytes = bucket_depth_bytes(tspec->rate_bps, DEPTH_NS,
							2 * (uint64_t)tspec->max_bytes);
	return 0;
}

static int complete_offer(struct gw_rsvp_offer *offer)
{
	if ((offer->services & ~OFFERS_ALL) || offer->data_ttl > UINT8_MAX)
		return -EINVAL;
	if (offer->services == 0)
		offer->services = GW_RSVP_OFFER_GUARANTEED | GW_RSVP_OFFER_CONTROLLED_LOAD;
	return complete_tspec(&offer->tspec, offer->services != GW_RSVP_OFFER_NULL);
}

static bool is_service(uint32_t service)
{
	return service == GW_RSVP_GUARANTEED || service == GW_RSVP_CONTROLLED_LOAD ||
	       service == GW_RSVP_NULL_SERVICE;
}

static int complete_flow(struct gw_rsvp_flow *flow)
{
	int r = complete_tspec(&flow->tspec, flow->service != GW_RSVP_NULL_SERVICE);

	if (r < 0)
		return r;
	if (flow->service != GW_RSVP_GUARANTEED) {
		flow->rate_bps = flow->slack_us = 0;
		return 0;
	}
	if (flow->rate_bps == 0)
		flow->rate_bps = flow->tspec.rate_bps;
	return flow->rate_bps < flow->tspec.rate_bps ? -EINVAL : 0;
}

static int check_request(const struct gw_rsvp_request *request)
{
	if (!is_service(request->service))
		return -EINVAL;
	if ((request->flags & ~GW_RSVP_CONFIRM) || request->dscp < -1 || request->dscp > 63)
		return -EINVAL;
	switch (request->style) {
	case GW_RSVP_WF:
		return request->n_flows == 1 ? 0 : -EINVAL;
	case GW_RSVP_FF:
	case GW_RSVP_SE:
		return request->n_flows > 0 ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int complete_request(struct signal_request *request)
{
	bool named = request->request.style != GW_RSVP_WF;
	int r = check_request(&request->request);

	for (uint32_t i = 0; i < request->request.n_flows && r == 0; i++) {
		struct gw_rsvp_flow *flow = &request->flows[i];

		if ((flow->sender.address.ss_family != AF_UNSPEC) != named ||
		    flow->sender.form != GW_RSVP_PORTS || flow->sender.id != 0)
			return -EINVAL;
		if (i > 0 && request->request.style == GW_RSVP_SE) { /* one for all */
			flow->tspec = request->flows[0].tspec;
			flow->rate_bps = request->flows[0].rate_bps;
			flow->slack_us = request->flows[0].slack_us;
		}
		if (flow->service == 0)
			flow->service = request->request.service;
		if (!is_service(flow->service) || (flow->service != request->request.service &&
						   request->request.style != GW_RSVP_FF))
			return -EINVAL;
		r = complete_flow(flow);
	}
	return r;
}

/* ---- sessions ---- */

static int session_of(const struct call *call, struct signalling_session *ret_session)
{
	const struct msg *m = call->request;

	if (!call->server->signalling)
		return -EOPNOTSUPP;
	if (owner_info(call->owner)->elsewhere)
		return -EXDEV;
	if (m->address.family == AF_UNSPEC || m->ip_protocol < 1 || m->ip_protocol > UINT8_MAX)
		return -EINVAL;
	*ret_session = (struct signalling_session){
		.destination = m->address,
		.protocol = (uint8_t)m->ip_protocol,
		.ifindex = m->ifindex,
	};
	return 0;
}

int server_on_rsvp_open(struct call *call)
{
	const struct signalling *signalling = call->server->signalling;
	struct signalling_session session;
	uint32_t id;
	int r;

	r = session_of(call, &session);
	if (r == 0)
		r = signalling->open(signalling->user_data, call->owner, &session, &id,
				     call->now_us);
	if (r < 0)
		return r;
	MSG_SET(&call->reply, TAG_SESSION, session, id);
	return 0;
}

int server_on_rsvp_send(struct call *call)
{
	const struct signalling *signalling = call->server->signalling;
	const struct msg *m = call->request;
	struct gw_rsvp_offer offer;
	int r = 0;

	if (!signalling)
		return -EOPNOTSUPP;
	if (!MSG_HAS(m, TAG_RSVP))
		return signalling->send(signalling->user_data, call->owner, m->session, NULL,
					call->now_us);
	r = signal_offer_decode(&m->rsvp, &offer);
	if (r == 0)
		r = complete_offer(&offer);
	if (r < 0)
		return r;
	return signalling->send(signalling->user_data, call->owner, m->session, &offer,
				call->now_us);
}

int server_on_rsvp_reserve(struct call *call)
{
	const struct signalling *signalling = call->server->signalling;
	const struct msg *m = call->request;
	struct signal_request request;
	int r;

	if (!signalling)
		return -EOPNOTSUPP;
	if (!MSG_HAS(m, TAG_RSVP))
		return signalling->reserve(signalling->user_data, call->owner, m->session, NULL,
					   call->now_us);
	r = signal_request_decode(&m->rsvp, &request);
	if (r == 0)
		r = complete_request(&request);
	if (r < 0)
		return r;
	return signalling->reserve(signalling->user_data, call->owner, m->session, &request.request,
				   call->now_us);
}

int server_on_rsvp_close(struct call *call)
{
	const struct signalling *signalling = call->server->signalling;

	if (!signalling)
		return -EOPNOTSUPP;
	return signalling->close(signalling->user_data, call->owner, call->request->session,
				 call->now_us);
}

/* ---- seeing ---- */

struct rsvp_page {
	unsigned char records[SIGNAL_MAX];
	size_t len;
};

static int page_visit(const struct gw_rsvp_record *record, void *user_data)
{
	struct rsvp_page *page = user_data;
	unsigned char nested[RECORD_ROOM];
	long len = signal_record_encode(record, nested, sizeof(nested));

	if (len >= 0)
		len = codec_append(TAG_RSVP, nested, (size_t)len, page->records, page->len,
				   sizeof(page->records));
	if (len < 0)
		return 1; /* full: the next page begins with this one */
	page->len = (size_t)len;
	return 0;
}

int server_on_rsvp_list(struct call *call)
{
	struct server *server = call->server;
	const struct signalling *signalling = server->signalling;
	struct engine_view view = engine_view_of(server->engine, call->owner);
	uint32_t kinds = call->request->flags;
	uint64_t position = call->request->token;
	struct rsvp_page page = { .len = 0 };
	long len;
	int r;

	if (!signalling)
		return -EOPNOTSUPP;
	if (kinds == 0 || (kinds & ~KINDS_LISTED))
		return -EINVAL;
	if ((kinds & GW_RSVP_KIND_BIT(GW_RSVP_NEIGHBOUR)) && !view.everything)
		return -EACCES;
	r = signalling->visit(signalling->user_data, call->owner, &view, kinds, &position,
			      page_visit, &page, call->now_us);
	if (r < 0 && r != -EAGAIN)
		return r;
	if (r != 0) {
		MSG_SET(&call->reply, TAG_MORE, more, 1);
		MSG_SET(&call->reply, TAG_TOKEN, token, position);
	}
	len = msg_encode(&call->reply, server->out, sizeof(server->out));
	if (len < 0 || (size_t)len + page.len > sizeof(server->out))
		return -EMSGSIZE;
	memcpy(server->out + len, page.records, page.len);
	call->len = len + (long)page.len;
	return 0;
}

int server_on_rsvp_watch(struct call *call)
{
	const struct signalling *signalling = call->server->signalling;

	if (!signalling)
		return -EOPNOTSUPP;
	if (!engine_view_of(call->server->engine, call->owner).everything)
		return -EACCES;
	return signalling->watch(signalling->user_data, call->owner);
}

int server_on_rsvp_diagnose(struct call *call)
{
	const struct signalling *signalling = call->server->signalling;
	const struct msg *m = call->request;
	struct signalling_question question = {
		.source = m->source,
		.max_hops = (uint32_t)m->count,
		.token = m->token,
	};
	int r = session_of(call, &question.session);

	if (r < 0)
		return r;
	if (m->source.family != m->address.family || m->count > UINT8_MAX)
		return -EINVAL;
	if (!signalling->diagnose)
		return -EOPNOTSUPP;
	return signalling->diagnose(signalling->user_data, call->owner, &question, call->now_us);
}

/* ---- telling ---- */

void server_set_signalling(struct server *server, const struct signalling *signalling,
			   uint64_t now_us)
{
	server->signalling = signalling;
	provider_set_signalling(server->provider, signalling, now_us);
}

void server_set_addresses(struct server *server, const struct address *addresses, size_t n,
			  uint64_t now_us)
{
	provider_set_addresses(server->provider, addresses, n, now_us);
}

void server_run_signals(struct server *server, uint64_t now_us)
{
	provider_run(server->provider, now_us);
}

static void tell(struct server *server, struct owner *owner, struct msg *event,
		 const struct gw_rsvp_record *record)
{
	unsigned char nested[SIGNAL_MAX], buf[MSG_MAX];
	long len = 0;

	MSG_SET(event, TAG_TIME, time_us, server->ports.wall_clock_us(server->ports.user_data));
	if (record)
		len = signal_record_encode(record, nested, sizeof(nested));
	if (len < 0)
		return;
	if (record)
		MSG_SET(event, TAG_RSVP, rsvp, ((struct codec_bytes){ nested, (size_t)len }));
	len = msg_encode(event, buf, sizeof(buf));
	/* As with any completion: who waits for it would wait for ever. */
	if (len > 0)
		server->ports.send_event(server->ports.user_data, owner, buf, (size_t)len,
					 event->event == GW_EVENT_COMPLETED);
}

void server_signal(struct server *server, struct owner *owner, enum gw_event_type type,
		   uint64_t token, int status, const struct gw_rsvp_record *record)
{
	struct msg event = { .head = { .type = MSG_EVENT, .status = status } };

	if (record && token <= UINT32_MAX &&
	    provider_signalled(server->provider, owner, (uint32_t)token, type, record))
		return;
	MSG_SET(&event, TAG_EVENT, event, (uint32_t)type);
	MSG_SET(&event, TAG_TOKEN, token, token);
	tell(server, owner, &event, record);
}

void server_signal_socket(struct server *server, struct owner *owner, enum gw_event_type type,
			  uint64_t socket, const struct gw_rsvp_record *record)
{
	struct msg event = { .head = { .type = MSG_EVENT } };

	MSG_SET(&event, TAG_EVENT, event, (uint32_t)type);
	MSG_SET(&event, TAG_COOKIE, cookie, socket);
	tell(server, owner, &event, record);
}
