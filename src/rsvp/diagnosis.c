/* SPDX-License-Identifier: MIT */
/*
 * diagnosis.c: asking: a request for what every hop of a path knows of a session, and the replies to it, which may
 * come in several parts (RFC 2745 §4.1, §4.3).
 */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

#define WAIT_US (2 * US_PER_S)
#define TRIES 3
#define DIAGNOSES_MAX 64u
#define FRAGMENTS_MAX 32u
#define REQUEST_MAX 512

struct fragment {
	struct fragment *next;
	uint16_t offset;
	size_t len;
	uint8_t data[];
};

struct rsvp_diagnosis {
	struct rsvp_diagnosis *prev, *next;
	struct timer timer;
	struct rsvp_diagnose_request request;
	struct address last_hop;
	uint32_t id;
	unsigned tries, n_fragments;
	uint16_t offset;	    /* of what has not been told yet */
	struct fragment *fragments; /* that have come before their turn */
};

/* ---- ends ---- */

static void drop_fragments(struct rsvp_diagnosis *diagnosis)
{
	struct fragment *fragment, *next;

	LL_FOREACH_SAFE(diagnosis->fragments, fragment, next)
		free(fragment);
	diagnosis->fragments = NULL;
	diagnosis->n_fragments = 0;
}

void rsvp_diagnose_cancel(struct rsvp *rsvp, struct rsvp_diagnosis *diagnosis)
{
	rsvp_stop_timer(rsvp, &diagnosis->timer);
	drop_fragments(diagnosis);
	DL_DELETE(rsvp->diagnoses, diagnosis);
	rsvp->n_diagnoses--;
	free(diagnosis);
}

static void finish(struct rsvp *rsvp, struct rsvp_diagnosis *diagnosis, int status)
{
	void *data = diagnosis->request.data;

	rsvp_diagnose_cancel(rsvp, diagnosis);
	rsvp->ports.diagnosis(rsvp->ports.user_data, data, NULL, status);
}

void rsvp_diagnoses_end(struct rsvp *rsvp)
{
	while (rsvp->diagnoses)
		finish(rsvp, rsvp->diagnoses, -ECANCELED);
}

/* ---- asking ---- */

bool rsvp_source_towards(struct rsvp *rsvp, const struct address *to, struct address *ret_source)
{
	static const struct address none;
	const struct interface *interface;
	struct rsvp_route route = { 0 };

	if (rsvp->ports.route(rsvp->ports.user_data, to, &none, &route) < 0 || route.n_out == 0)
		return false;
	interface = rsvp_interface_usable(rsvp, route.out[0]);
	if (!interface || rsvp_interface_address(interface, to->family)->family != to->family)
		return false;
	*ret_source = *rsvp_interface_address(interface, to->family);
	return true;
}

/* This node, if data of the sender comes to it; else the host that the session is for. */
static int choose_last_hop(const struct rsvp *rsvp, const struct rsvp_diagnose_request *request,
			   struct address *ret_last_hop)
{
	const struct session *session = rsvp_session_find(rsvp, &request->session);
	const struct sender *sender = session ? rsvp_sender_find(rsvp, session, &request->sender)
					      : NULL;
	const struct path *path = sender ? rsvp_sender_local_path(sender, 0) : NULL;
	const struct interface *interface;
	struct address host;

	if (request->last_hop.family != AF_UNSPEC) {
		*ret_last_hop = request->last_hop;
		return 0;
	}
	interface = path && !path->up->app ? rsvp_interface_find(rsvp, path->in_ifindex) : NULL;
	host = interface ? *rsvp_interface_address(interface, request->session.family)
			 : rsvp_session_host(&request->session);
	if (!rsvp_is_host(&host))
		return -EDESTADDRREQ;
	*ret_last_hop = host;
	return 0;
}

static void put_request(struct rsvp_writer *writer, const struct rsvp_diagnosis *diagnosis,
			const struct address *own, uint16_t mtu)
{
	const struct rsvp_diagnose_request *request = &diagnosis->request;
	const struct rsvp_hop hop = { .address = *own };
	struct rsvp_diagnostic diagnostic = {
		.max_hops = request->max_hops,
		.request_id = diagnosis->id,
		.path_mtu = mtu,
		.last_hop = diagnosis->last_hop,
		.sender = request->sender,
		.requester = { .family = own->family, .form = RSVP_FORM_PORTS },
	};

	memcpy(diagnostic.requester.address, own->addr, sizeof(own->addr));
	rsvp_put_session(writer, &request->session, 0);
	rsvp_put_hop(writer, &hop);
	rsvp_put_diagnostic(writer, &diagnostic);
}

#define MTU_AT_FIRST 1500

/* This node is the last hop itself. */
static void ask_here(struct rsvp *rsvp, struct rsvp_diagnosis *diagnosis)
{
	const struct rsvp_arrival arrival = {
		.source = diagnosis->last_hop,
		.destination = diagnosis->last_hop,
		.destination_is_local = true,
		.ttl = UINT8_MAX,
	};
	struct rsvp_complaint complaint;
	struct rsvp_message message;
	struct rsvp_writer writer;
	uint8_t buf[REQUEST_MAX];
	size_t len;

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_DREQ, 0, rsvp->config.hop_ttl);
	put_request(&writer, diagnosis, &diagnosis->last_hop, MTU_AT_FIRST);
	if (rsvp_writer_finish(&writer, &len) == 0 &&
	    rsvp_message_parse(buf, len, &rsvp->limits, &message, &complaint) == 0)
		rsvp_diagnose_here(rsvp, &arrival, &message);
}

static void ask_there(struct rsvp *rsvp, struct rsvp_diagnosis *diagnosis)
{
	struct departure departure = {
		.destination = diagnosis->last_hop,
		.ttl = rsvp->config.hop_ttl,
	};
	struct rsvp_writer writer;

	if (!rsvp_source_towards(rsvp, &diagnosis->last_hop, &departure.source))
		return;
	rsvp_begin(rsvp, &writer, RSVP_DREQ, departure.ttl);
	put_request(&writer, diagnosis, &departure.source, MTU_AT_FIRST);
	rsvp_send(rsvp, &writer, &departure, NULL);
}

/* Its time has come: the first, or nothing has come for a while. */
void rsvp_diagnosis_expire(struct rsvp *rsvp, struct timer *timer)
{
	struct rsvp_diagnosis *diagnosis =
		(struct rsvp_diagnosis *)((char *)timer - offsetof(struct rsvp_diagnosis, timer));

	if (diagnosis->offset > 0 || diagnosis->fragments) {
		finish(rsvp, diagnosis, -ENODATA);
		return;
	}
	if (diagnosis->tries++ == TRIES) {
		finish(rsvp, diagnosis, -ETIMEDOUT);
		return;
	}
	diagnosis->id = rsvp->ports.random(rsvp->ports.user_data);
	rsvp_set_timer(rsvp, &diagnosis->timer, TIMER_DIAGNOSIS, WAIT_US);
	if (rsvp_address_is_local(rsvp, &diagnosis->last_hop))
		ask_here(rsvp, diagnosis);
	else
		ask_there(rsvp, diagnosis);
}

int rsvp_diagnose(struct rsvp *rsvp, const struct rsvp_diagnose_request *request,
		  struct rsvp_diagnosis **ret_diagnosis, uint64_t now_us)
{
	struct rsvp_diagnosis *diagnosis;
	struct address last_hop;
	int r;

	rsvp->now_us = now_us;
	if (!rsvp->ports.diagnosis)
		return -EOPNOTSUPP;
	if (!rsvp_sender_fits(&request->session, &request->sender))
		return -EINVAL;
	r = choose_last_hop(rsvp, request, &last_hop);
	if (r < 0)
		return r;
	if (last_hop.family != request->session.family)
		return -EINVAL;
	if (rsvp->n_diagnoses >= DIAGNOSES_MAX)
		return -ENOBUFS;
	diagnosis = calloc(1, sizeof(*diagnosis));
	if (!diagnosis)
		return -ENOMEM;
	diagnosis->request = *request;
	diagnosis->last_hop = last_hop;
	DL_APPEND(rsvp->diagnoses, diagnosis);
	rsvp->n_diagnoses++;
	/* Nobody is told anything before this returns. */
	rsvp_set_timer(rsvp, &diagnosis->timer, TIMER_DIAGNOSIS, 0);
	*ret_diagnosis = diagnosis;
	return 0;
}

/* ---- being answered ---- */

struct report {
	struct rsvp_hop_report hop;
	struct rsvp_sender_tspec tspec;
	struct rsvp_flowspec flowspec;
	struct rsvp_sender senders[FLOWS_MAX];
};

static void take_object(struct report *report, const struct rsvp_object *object)
{
	switch (object->class_num) {
	case RSVP_CLASS_SENDER_TSPEC:
		if (rsvp_read_sender_tspec(object, &report->tspec) == 0)
			report->hop.tspec = &report->tspec.tspec;
		break;
	case RSVP_CLASS_FLOWSPEC:
		if (rsvp_read_flowspec(object, &report->flowspec) == 0)
			report->hop.flowspec = &report->flowspec;
		break;
	case RSVP_CLASS_STYLE:
		(void)rsvp_read_style(object, &report->hop.style);
		break;
	case RSVP_CLASS_FILTER_SPEC:
		if (report->hop.n_senders < FLOWS_MAX &&
		    rsvp_read_sender(object, &report->senders[report->hop.n_senders]) == 0)
			report->hop.n_senders++;
		break;
	default:
		break;
	}
}

static struct address known(const struct address *address)
{
	return address_is_unspecified(address) ? (struct address){ 0 } : *address;
}

static void tell(struct rsvp *rsvp, const struct rsvp_diagnosis *diagnosis,
		 const struct rsvp_object *object)
{
	struct rsvp_diag_response response;
	struct report report = { 0 };
	struct rsvp_object inner;
	size_t position = 0;

	if (rsvp_read_diag_response(object, &response) < 0)
		return;
	report.hop = (struct rsvp_hop_report){
		.in = known(&response.in),
		.out = known(&response.out),
		.previous = known(&response.previous),
		.ttl_loss = response.d_ttl,
		.merged = response.merged,
		.error = response.error,
		.lifetime_factor = response.k,
		.refresh_s = response.timer_s,
		.arrival_ntp = response.arrival_ntp,
		.senders = report.senders,
	};
	while (rsvp_object_next(response.objects, response.objects_len, &position, &inner) == 1)
		take_object(&report, &inner);
	rsvp->ports.diagnosis(rsvp->ports.user_data, diagnosis->request.data, &report.hop, 0);
}

/* The part whose turn it is. True: that was the last. */
static bool tell_part(struct rsvp *rsvp, struct rsvp_diagnosis *diagnosis,
		      const struct rsvp_message *message, const struct rsvp_diagnostic *diagnostic)
{
	struct rsvp_object object;
	size_t position = 0;

	while (rsvp_message_has(message, RSVP_CLASS_DIAG_RESPONSE) &&
	       rsvp_message_next(message, RSVP_CLASS_DIAG_RESPONSE, &position, &object)) {
		tell(rsvp, diagnosis, &object);
		diagnosis->offset = (uint16_t)(diagnosis->offset + object.len);
	}
	return !diagnostic->more_fragments;
}

static void keep(struct rsvp_diagnosis *diagnosis, uint16_t offset, const uint8_t *data, size_t len)
{
	struct fragment *fragment;

	if (diagnosis->n_fragments >= FRAGMENTS_MAX)
		return;
	fragment = malloc(sizeof(*fragment) + len);
	if (!fragment)
		return;
	fragment->offset = offset;
	fragment->len = len;
	memcpy(fragment->data, data, len);
	LL_PREPEND(diagnosis->fragments, fragment);
	diagnosis->n_fragments++;
}

static struct rsvp_diagnosis *find(const struct rsvp *rsvp, uint32_t id)
{
	struct rsvp_diagnosis *diagnosis;

	DL_FOREACH(rsvp->diagnoses, diagnosis) {
		if (diagnosis->tries > 0 && diagnosis->id == id)
			return diagnosis;
	}
	return NULL;
}

/* 1: that was the last part, 0: there is more to come, -1: it is not a part whose turn it is. */
static int take(struct rsvp *rsvp, struct rsvp_diagnosis *diagnosis, const uint8_t *data,
		size_t len)
{
	struct rsvp_diagnostic diagnostic;
	struct rsvp_complaint complaint;
	struct rsvp_message message;

	if (rsvp_message_parse(data, len, &rsvp->limits, &message, &complaint) < 0 ||
	    rsvp_read_diagnostic(&message.object[RSVP_CLASS_DIAGNOSTIC], &diagnostic) < 0 ||
	    diagnostic.fragment_offset != diagnosis->offset)
		return -1;
	return tell_part(rsvp, diagnosis, &message, &diagnostic);
}

static struct fragment *take_next(struct rsvp_diagnosis *diagnosis)
{
	struct fragment *fragment;

	LL_FOREACH(diagnosis->fragments, fragment) {
		if (fragment->offset != diagnosis->offset)
			continue;
		LL_DELETE(diagnosis->fragments, fragment);
		diagnosis->n_fragments--;
		return fragment;
	}
	return NULL;
}

void rsvp_diagnosis_receive(struct rsvp *rsvp, const uint8_t *data, size_t len)
{
	struct rsvp_diagnostic diagnostic;
	struct rsvp_diagnosis *diagnosis;
	struct rsvp_complaint complaint;
	struct rsvp_message message;
	struct fragment *fragment;
	int r;

	if (rsvp_message_parse(data, len, &rsvp->limits, &message, &complaint) < 0 ||
	    rsvp_read_diagnostic(&message.object[RSVP_CLASS_DIAGNOSTIC], &diagnostic) < 0)
		return;
	diagnosis = find(rsvp, diagnostic.request_id);
	if (!diagnosis || diagnostic.fragment_offset < diagnosis->offset ||
	    !rsvp_session_equal(&message.session, &diagnosis->request.session)) {
		rsvp_count_one(rsvp, RSVP_COUNT_NO_STATE);
		return;
	}
	rsvp_set_timer(rsvp, &diagnosis->timer, TIMER_DIAGNOSIS, WAIT_US);
	if (diagnostic.fragment_offset > diagnosis->offset) {
		keep(diagnosis, diagnostic.fragment_offset, data, len);
		return;
	}
	r = take(rsvp, diagnosis, data, len);
	while (r == 0 && (fragment = take_next(diagnosis))) {
		r = take(rsvp, diagnosis, fragment->data, fragment->len);
		free(fragment);
	}
	if (r == 1)
		finish(rsvp, diagnosis, 0);
}
