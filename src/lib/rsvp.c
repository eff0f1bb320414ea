/* SPDX-License-Identifier: MIT */
/*
 * rsvp.c: reservations that the host signals to others. Each function is one request; what becomes of it is told by
 * events.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "core/rsvp_error.h"
#include "lib/client.h"
#include "lib/options.h"
#include "proto/signal.h"

/* ---- names ---- */

const char *gw_rsvp_style_name(enum gw_rsvp_style style)
{
	switch (style) {
	case GW_RSVP_FF:
		return "FF";
	case GW_RSVP_WF:
		return "WF";
	case GW_RSVP_SE:
		return "SE";
	}
	return NULL;
}

const char *gw_rsvp_service_name(enum gw_rsvp_service service)
{
	switch (service) {
	case GW_RSVP_GUARANTEED:
		return "guaranteed";
	case GW_RSVP_CONTROLLED_LOAD:
		return "controlled-load";
	case GW_RSVP_NULL_SERVICE:
		return "null";
	}
	return NULL;
}

const char *gw_rsvp_error_name(uint8_t code)
{
	return rsvp_error_name(code);
}

/* ---- requests ---- */

/* A handle whose host could understand it. */
static int check_handle(const struct gw *gw)
{
	if (!gw)
		return -EINVAL;
	return gw->host_flags & MSG_HOST_SIGNALS ? 0 : -EOPNOTSUPP;
}

static int read_address(const struct sockaddr *given, socklen_t len, struct address *ret_address)
{
	return given && address_from_sockaddr(given, len, ret_address) == 0 ? 0 : -EINVAL;
}

int gw_rsvp_open(struct gw *gw, const struct sockaddr *destination, socklen_t destination_len,
		 int protocol, const char *interface, uint32_t *ret_id)
{
	struct msg request = REQUEST(MSG_RSVP_OPEN);
	struct reply reply;
	unsigned ifindex;
	int r;

	if (!gw || !ret_id || protocol < 1 || protocol > UINT8_MAX)
		return -EINVAL;
	r = read_address(destination, destination_len, &request.address);
	if (r == 0)
		r = check_handle(gw);
	if (r < 0)
		return r;
	request.present |= CODEC_BIT(TAG_ADDRESS);
	MSG_SET(&request, TAG_IP_PROTOCOL, ip_protocol, protocol);
	if (interface) {
		if (gw->host_flags & MSG_HOST_ELSEWHERE)
			return -EXDEV; /* where interfaces have other numbers */
		ifindex = if_nametoindex(interface);
		if (ifindex == 0)
			return -ENODEV;
		MSG_SET(&request, TAG_INTERFACE, ifindex, ifindex);
	}
	r = client_call(gw, &request, NULL, 0, &reply);
	if (r < 0)
		return r;
	*ret_id = reply.msg.session;
	return 0;
}

/* A request about a session, with a value of `len` bytes (negative: an error) or, if `value` is NULL, without. */
static int session_call(struct gw *gw, enum msg_type type, uint32_t id, const void *value, long len)
{
	struct msg request = REQUEST(type);
	struct reply reply;
	int r = check_handle(gw);

	if (r < 0)
		return r;
	if (len < 0)
		return (int)len;
	MSG_SET(&request, TAG_SESSION, session, id);
	if (value)
		MSG_SET(&request, TAG_RSVP, rsvp, ((struct codec_bytes){ value, (size_t)len }));
	return client_call(gw, &request, NULL, 0, &reply);
}

int gw_rsvp_close(struct gw *gw, uint32_t id)
{
	return session_call(gw, MSG_RSVP_CLOSE, id, NULL, 0);
}

int gw_rsvp_send(struct gw *gw, uint32_t id, const struct gw_rsvp_offer *offer)
{
	struct gw_rsvp_offer o = { 0 };
	unsigned char buf[SIGNAL_MAX];
	struct address source;
	int r;

	if (!offer)
		return session_call(gw, MSG_RSVP_SEND, id, NULL, 0);
	r = options_read(offer, &o, sizeof(o));
	if (r < 0)
		return r;
	if ((o.policy_len > 0 && !o.policy) ||
	    (o.source.ss_family != AF_UNSPEC &&
	     read_address((const struct sockaddr *)&o.source, sizeof(o.source), &source) < 0))
		return -EINVAL;
	return session_call(gw, MSG_RSVP_SEND, id, buf, signal_offer_encode(&o, buf, sizeof(buf)));
}

static int check_flows(const struct gw_rsvp_request *request)
{
	struct address sender;

	if (request->n_flows == 0 || !request->flows ||
	    (request->policy_len > 0 && !request->policy))
		return -EINVAL;
	if (request->n_flows > GW_RSVP_FLOWS_MAX)
		return -ENOBUFS;
	for (uint32_t i = 0; i < request->n_flows; i++) {
		const struct gw_rsvp_flow *flow = &request->flows[i];
		const struct sockaddr_storage *sa = &flow->sender.address;

		if (flow->reserved[0] || flow->reserved[1])
			return -EINVAL;
		if (sa->ss_family != AF_UNSPEC &&
		    read_address((const struct sockaddr *)sa, sizeof(*sa), &sender) < 0)
			return -EINVAL;
	}
	return 0;
}

int gw_rsvp_reserve(struct gw *gw, uint32_t id, const struct gw_rsvp_request *request)
{
	struct gw_rsvp_request q = { .dscp = -1 };
	unsigned char buf[SIGNAL_MAX];
	int r;

	if (!request)
		return session_call(gw, MSG_RSVP_RESERVE, id, NULL, 0);
	r = options_read(request, &q, sizeof(q));
	if (r == 0)
		r = check_flows(&q);
	if (r < 0)
		return r;
	return session_call(gw, MSG_RSVP_RESERVE, id, buf,
			    signal_request_encode(&q, buf, sizeof(buf)));
}

int gw_rsvp_watch(struct gw *gw)
{
	struct msg request = REQUEST(MSG_RSVP_WATCH);
	struct reply reply;
	int r = check_handle(gw);

	return r < 0 ? r : client_call(gw, &request, NULL, 0, &reply);
}

int gw_rsvp_diagnose(struct gw *gw, const struct gw_rsvp_question *question)
{
	struct msg request = REQUEST(MSG_RSVP_DIAGNOSE);
	struct gw_rsvp_question q = { 0 };
	struct reply reply;
	int r;

	if (!gw || !question)
		return -EINVAL;
	r = options_read(question, &q, sizeof(q));
	if (r == 0)
		r = read_address((const struct sockaddr *)&q.destination, sizeof(q.destination),
				 &request.address);
	if (r == 0)
		r = read_address((const struct sockaddr *)&q.source, sizeof(q.source),
				 &request.source);
	if (r == 0)
		r = check_handle(gw);
	if (r < 0)
		return r;
	request.present |= CODEC_BIT(TAG_ADDRESS) | CODEC_BIT(TAG_SOURCE);
	MSG_SET(&request, TAG_IP_PROTOCOL, ip_protocol, q.protocol);
	MSG_SET(&request, TAG_COUNT, count, q.max_hops);
	MSG_SET(&request, TAG_TOKEN, token, q.token);
	return client_call(gw, &request, NULL, 0, &reply);
}

/* ---- seeing ---- */

static int list_page(const struct reply *reply,
		     int (*visit)(const struct gw_rsvp_record *record, void *user_data),
		     void *user_data)
{
	struct signal_record decoded;
	struct codec_bytes nested;
	size_t position = 0;
	int r;

	while ((r = msg_next(reply->buf, reply->len, TAG_RSVP, &position, &nested)) == 1) {
		r = signal_record_decode(&nested, &decoded);
		if (r == 0)
			r = visit(&decoded.record, user_data);
		if (r != 0)
			return r;
	}
	return r;
}

int gw_rsvp_list(struct gw *gw, uint32_t kinds,
		 int (*visit)(const struct gw_rsvp_record *record, void *user_data),
		 void *user_data)
{
	struct msg request = REQUEST(MSG_RSVP_LIST);
	struct reply reply;
	int r = check_handle(gw);

	if (r < 0 || !visit)
		return r < 0 ? r : -EINVAL;
	MSG_SET(&request, TAG_FLAGS, flags, kinds);
	MSG_SET(&request, TAG_TOKEN, token, 0);
	do {
		r = client_call(gw, &request, NULL, 0, &reply);
		if (r == 0)
			r = list_page(&reply, visit, user_data);
		if (r != 0)
			return r;
		request.token = reply.msg.token;
	} while (reply.msg.more);
	return 0;
}

/* ---- events ---- */

struct gw_rsvp_record *rsvp_record_copy(const struct codec_bytes *bytes)
{
	struct signal_record decoded;
	struct gw_rsvp_record *copy;
	size_t senders_size;
	char *at;

	if (signal_record_decode(bytes, &decoded) < 0)
		return NULL;
	senders_size = decoded.record.n_senders * sizeof(decoded.senders[0]);
	copy = malloc(sizeof(*copy) + senders_size + decoded.record.policy_len + decoded.text.len +
		      1);
	if (!copy)
		return NULL;
	*copy = decoded.record;
	at = (char *)(copy + 1);
	if (senders_size > 0)
		copy->senders = memcpy(at, decoded.senders, senders_size);
	at += senders_size;
	if (copy->policy_len > 0)
		copy->policy = memcpy(at, decoded.record.policy, copy->policy_len);
	at += copy->policy_len;
	if (decoded.text.len > 0) {
		copy->text = memcpy(at, decoded.text.data, decoded.text.len);
		at[decoded.text.len] = '\0';
	}
	return copy;
}

void gw_event_release(struct gw_event *event)
{
	if (!event)
		return;
	free(event->rsvp);
	event->rsvp = NULL;
}
