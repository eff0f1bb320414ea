/* SPDX-License-Identifier: MIT */
/*
 * diagnose.c: a request for what is known of a path, as it passes through this node: it adds what it knows and hands
 * it on to the previous hop, or sends it all back (RFC 2745 §4; spec/rsvp.md §15).
 */
#include "rsvp/internal.h"

/* Nodes that a reply finds its way back by. */
#define ROUTE_MAX 64
#define OBJECTS_MAX 1024 /* of one answer */
#define FILTERS_MAX 16

struct asked {
	struct rsvp *rsvp;
	const struct rsvp_arrival *arrival;
	const struct rsvp_message *message;
	struct rsvp_diagnostic diagnostic;
	const struct path *path; /* NULL: there is none */
	const struct install *install;
	uint32_t out_ifindex; /* 0: data goes no further */
	struct rsvp_diag_response response;
	struct rsvp_writer objects;
	uint8_t buf[OBJECTS_MAX];
	struct address route[ROUTE_MAX];
	unsigned n_route, pointer;
};

/* ---- what is known here ---- */

static void find_state(struct asked *asked)
{
	const struct session *session = rsvp_session_find(asked->rsvp, &asked->message->session);
	const struct install *install;
	const struct sender *sender;
	uint32_t lih = asked->message->hop.lih;

	if (lih != 0 && rsvp_interface_usable(asked->rsvp, lih))
		asked->out_ifindex = lih;
	sender = session ? rsvp_sender_find(asked->rsvp, session, &asked->diagnostic.sender) : NULL;
	if (!sender || !sender->paths)
		return;
	asked->path = sender->path ? sender->path : sender->paths;
	if (session->n_resvs == 0)
		return;
	DL_FOREACH(session->style == RSVP_STYLE_FF ? sender->installs : session->installs,
		   install) {
		bool there = asked->out_ifindex == 0
				     ? install->local
				     : !install->local && install->ifindex == asked->out_ifindex;

		if (there && rsvp_install_reaches(install, sender))
			asked->install = install;
	}
}

static bool is_merged(const struct path *path)
{
	const struct session *session = path->sender->key.session;
	const struct install *install;
	const struct resv *resv;
	unsigned n = 0;

	if (session->n_resvs < 2)
		return false;
	DL_FOREACH(session->style == RSVP_STYLE_FF ? path->sender->installs : session->installs,
		   install) {
		DL_FOREACH(install->resvs, resv)
			n += rsvp_resv_has(resv, path->sender);
	}
	return n > 1;
}

/* What was chosen; if nothing was, what tells most about a reservation. */
static bool selects(const struct asked *asked, uint8_t class_num, uint8_t ctype)
{
	const struct rsvp_object *select = &asked->message->object[RSVP_CLASS_DIAG_SELECT];

	if (select->data)
		return rsvp_diag_selects(select, class_num, ctype);
	return class_num != RSVP_CLASS_ADSPEC && class_num != RSVP_CLASS_POLICY_DATA;
}

static void put_path(struct asked *asked)
{
	uint8_t buf[RSVP_OBJECT_SMALL];
	const uint8_t *data;
	size_t len;

	if (selects(asked, RSVP_CLASS_SENDER_TSPEC, RSVP_CTYPE_INTSERV))
		rsvp_put_raw(&asked->objects, buf,
			     rsvp_encode_sender_tspec(buf, &asked->path->tspec));
	if (selects(asked, RSVP_CLASS_ADSPEC, RSVP_CTYPE_INTSERV)) {
		data = rsvp_carried_adspec(asked->path->carried, &len);
		rsvp_put_raw(&asked->objects, data, len);
	}
	if (selects(asked, RSVP_CLASS_POLICY_DATA, RSVP_CTYPE_ONLY)) {
		data = rsvp_carried_policy(asked->path->carried, &len);
		rsvp_put_raw(&asked->objects, data, len);
	}
}

static void put_filters(struct asked *asked)
{
	const struct resv *resv = asked->install->resvs;
	uint32_t n = resv->n_filters < FILTERS_MAX ? resv->n_filters : FILTERS_MAX;

	for (uint32_t i = 0; i < n; i++)
		rsvp_put_filter(&asked->objects, &resv->filters[i].sender->key.sender);
}

static void put_reservation(struct asked *asked)
{
	if (selects(asked, RSVP_CLASS_STYLE, RSVP_CTYPE_ONLY))
		rsvp_put_style(&asked->objects, asked->install->session->style);
	if (selects(asked, RSVP_CLASS_FLOWSPEC, RSVP_CTYPE_INTSERV))
		rsvp_put_flowspec(&asked->objects, &asked->install->flowspec);
	if (selects(asked, RSVP_CLASS_FILTER_SPEC, 0) ||
	    selects(asked, RSVP_CLASS_FILTER_SPEC,
		    asked->message->session.family == AF_INET ? 1 : 2))
		put_filters(asked);
}

static void put_objects(struct asked *asked)
{
	rsvp_writer_start(&asked->objects, asked->buf, sizeof(asked->buf), RSVP_DREQ, 0, 0);
	if (asked->path)
		put_path(asked);
	if (asked->install && asked->install->resvs)
		put_reservation(asked);
	asked->response.objects = asked->buf + RSVP_HEADER_LEN;
	asked->response.objects_len = asked->objects.len - RSVP_HEADER_LEN;
	if (!asked->objects.overflow)
		return;
	asked->response.objects_len = 0;
	asked->response.error = RSVP_DIAG_TOO_BIG;
}

/* The 32 bits in the middle of the time since 1900. */
static uint32_t ntp_time(const struct rsvp *rsvp)
{
	uint64_t us = rsvp->ports.wall_us ? rsvp->ports.wall_us(rsvp->ports.user_data)
					  : rsvp->now_us;
	uint64_t seconds = us / US_PER_S + UINT64_C(2208988800);

	return (uint32_t)(seconds << 16) | (uint32_t)((us % US_PER_S << 16) / US_PER_S);
}

static void answer(struct asked *asked)
{
	struct rsvp_diag_response *response = &asked->response;
	const struct path *path = asked->path;
	const struct interface *interface;
	uint16_t family = asked->message->session.family;

	response->arrival_ntp = ntp_time(asked->rsvp);
	response->in.family = response->out.family = response->previous.family = family;
	interface = rsvp_interface_find(asked->rsvp, asked->out_ifindex);
	if (interface)
		response->out = *rsvp_interface_address(interface, family);
	if (!path) {
		response->error = RSVP_DIAG_NO_PATH;
		return;
	}
	response->merged = is_merged(path);
	response->d_ttl = path->ttl_loss;
	if (!path->up->app)
		response->previous = path->up->hop.address;
	interface = path->up->app ? NULL : rsvp_interface_find(asked->rsvp, path->in_ifindex);
	if (!interface)
		return;
	response->in = *rsvp_interface_address(interface, family);
	response->k = (uint8_t)(interface->info.lifetime_factor & 0xf);
	response->timer_s = (uint16_t)(interface->refresh_ms / 1000 < UINT16_MAX
					       ? interface->refresh_ms / 1000
					       : UINT16_MAX);
}

/* ---- the way back ---- */

static void read_route(struct asked *asked)
{
	const struct rsvp_object *route = &asked->message->object[RSVP_CLASS_ROUTE];
	unsigned n;

	if (!route->data)
		return;
	asked->pointer = rsvp_route_pointer(route);
	n = rsvp_route_count(route);
	while (asked->n_route < ROUTE_MAX && asked->n_route < n &&
	       asked->n_route < asked->pointer) {
		rsvp_route_get(route, asked->n_route, &asked->route[asked->n_route]);
		asked->n_route++;
	}
	if (n > ROUTE_MAX)
		asked->response.error = RSVP_DIAG_ROUTE_TOO_BIG;
	asked->pointer = asked->n_route;
}

/* A reply comes back to this node, too. */
static void extend_route(struct asked *asked)
{
	if (!asked->message->object[RSVP_CLASS_ROUTE].data)
		return;
	if (asked->n_route >= ROUTE_MAX) {
		asked->response.error = RSVP_DIAG_ROUTE_TOO_BIG;
		return;
	}
	asked->route[asked->n_route++] = asked->arrival->destination;
	asked->pointer = asked->n_route;
}

/* To who asked, or to the node before it on the way back. */
static void send_reply(struct rsvp *rsvp, struct rsvp_writer *writer, const struct address *to,
		       const struct rsvp_diagnostic *diagnostic, bool last)
{
	struct departure departure = {
		.destination = *to,
		.ttl = rsvp->config.hop_ttl,
	};
	size_t len;

	if (rsvp_address_is_local(rsvp, to)) {
		if (rsvp_writer_finish(writer, &len) == 0)
			rsvp_diagnosis_receive(rsvp, writer->buf, len);
		return;
	}
	if (!rsvp_is_host(to) || !rsvp_source_towards(rsvp, to, &departure.source))
		return;
	if (last)
		departure.destination.port = (uint16_t)diagnostic->requester.id;
	rsvp_send(rsvp, writer, &departure, NULL);
}

/* ---- the message ---- */

/* DIAG_RESPONSE objects of the message, as they are; how many bytes they are. */
static size_t put_responses(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	struct rsvp_object object;
	size_t position = 0, bytes = 0;

	while (rsvp_message_has(message, RSVP_CLASS_DIAG_RESPONSE) &&
	       rsvp_message_next(message, RSVP_CLASS_DIAG_RESPONSE, &position, &object)) {
		if (writer)
			rsvp_put_object(writer, &object);
		bytes += object.len;
	}
	return bytes;
}

static void begin_reply(struct asked *asked, struct rsvp_writer *writer, unsigned pointer)
{
	rsvp_begin(asked->rsvp, writer, RSVP_DREP, asked->rsvp->config.hop_ttl);
	rsvp_put_session(writer, &asked->message->session, 0);
	rsvp_put_diagnostic(writer, &asked->diagnostic);
	if (asked->message->object[RSVP_CLASS_ROUTE].data)
		rsvp_put_route(writer, (uint8_t)pointer, asked->route, asked->n_route);
}

/* The address of who asks, or the node that the route's pointer says. */
static struct address next_back(const struct rsvp_diagnostic *diagnostic,
				const struct address *route, unsigned pointer)
{
	return pointer > 0 ? route[pointer - 1] : rsvp_sender_host(&diagnostic->requester);
}

/* What has been gathered before this node goes back already, for with its answer it would be too long. */
static void send_partly(struct asked *asked, size_t gathered)
{
	struct address to = next_back(&asked->diagnostic, asked->route, asked->pointer);
	struct rsvp_writer writer;

	asked->diagnostic.more_fragments = true;
	begin_reply(asked, &writer, asked->pointer);
	put_responses(&writer, asked->message);
	send_reply(asked->rsvp, &writer, &to, &asked->diagnostic, asked->pointer == 0);
	asked->diagnostic.more_fragments = false;
	asked->diagnostic.fragment_offset =
		(uint16_t)(asked->diagnostic.fragment_offset + gathered);
}

static bool goes_on(const struct asked *asked)
{
	const struct rsvp_diagnostic *diagnostic = &asked->diagnostic;

	return asked->path && !asked->path->up->app && diagnostic->hop_count < UINT8_MAX &&
	       (diagnostic->max_hops == 0 || diagnostic->hop_count < diagnostic->max_hops) &&
	       asked->response.error != RSVP_DIAG_ROUTE_TOO_BIG;
}

/* -1: the interface to the previous hop is not there. */
static int begin_request(struct asked *asked, struct rsvp_writer *writer)
{
	const struct up *up = asked->path->up;
	struct rsvp_hop own;

	if (!rsvp_own_hop(asked->rsvp, up->ifindex, asked->message->session.family, &own))
		return -1;
	own.lih = up->hop.lih;
	rsvp_begin(asked->rsvp, writer, RSVP_DREQ, asked->rsvp->config.hop_ttl);
	rsvp_put_session(writer, &asked->message->session, 0);
	rsvp_put_hop(writer, &own);
	rsvp_put_diagnostic(writer, &asked->diagnostic);
	if (rsvp_message_has(asked->message, RSVP_CLASS_DIAG_SELECT))
		rsvp_put_object(writer, &asked->message->object[RSVP_CLASS_DIAG_SELECT]);
	if (rsvp_message_has(asked->message, RSVP_CLASS_ROUTE))
		rsvp_put_route(writer, (uint8_t)asked->pointer, asked->route, asked->n_route);
	return 0;
}

/* With the responses so far (gathered) or without. False: it is longer than the path takes. */
static bool make(struct asked *asked, struct rsvp_writer *writer, bool on, unsigned back,
		 bool gathered)
{
	size_t ip_len = asked->message->session.family == AF_INET ? 20 : 40;

	if (on)
		begin_request(asked, writer);
	else
		begin_reply(asked, writer, back);
	if (gathered)
		put_responses(writer, asked->message);
	rsvp_put_diag_response(writer, &asked->response);
	return !writer->overflow && writer->len + ip_len <= asked->diagnostic.path_mtu;
}

static void pass_on(struct asked *asked)
{
	struct rsvp *rsvp = asked->rsvp;
	size_t gathered = put_responses(NULL, asked->message);
	bool on = goes_on(asked);
	unsigned before = asked->pointer, back;
	struct rsvp_writer writer;
	struct rsvp_hop own;
	struct address to;

	if (on &&
	    !rsvp_own_hop(rsvp, asked->path->up->ifindex, asked->message->session.family, &own))
		on = false;
	if (on)
		extend_route(asked);
	on = on && goes_on(asked);
	back = before;
	to = next_back(&asked->diagnostic, asked->route, back);
	if (!make(asked, &writer, on, back, true)) {
		unsigned with_own = asked->pointer;

		asked->pointer = before;
		if (gathered > 0)
			send_partly(asked, gathered);
		asked->pointer = with_own;
		if (!make(asked, &writer, on, back, false)) {
			asked->response.error = RSVP_DIAG_TOO_BIG;
			asked->response.objects_len = 0;
			make(asked, &writer, on, back, false);
		}
	}
	if (on)
		rsvp_send_to_hop(rsvp, &writer, asked->path->up->ifindex,
				 &asked->path->up->hop.address, NULL);
	else
		send_reply(rsvp, &writer, &to, &asked->diagnostic, back == 0);
}

/* ---- arriving ---- */

static void lower_mtu(struct asked *asked)
{
	const struct interface *interface =
		asked->path ? rsvp_interface_find(asked->rsvp, asked->path->in_ifindex) : NULL;

	if (interface && interface->info.mtu < asked->diagnostic.path_mtu)
		asked->diagnostic.path_mtu = (uint16_t)interface->info.mtu;
}

void rsvp_diagnose_here(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			const struct rsvp_message *message)
{
	struct asked asked = { .rsvp = rsvp, .arrival = arrival, .message = message };

	if (rsvp_read_diagnostic(&message->object[RSVP_CLASS_DIAGNOSTIC], &asked.diagnostic) < 0)
		return;
	if (asked.diagnostic.hop_count < UINT8_MAX)
		asked.diagnostic.hop_count++;
	find_state(&asked);
	lower_mtu(&asked);
	answer(&asked);
	put_objects(&asked);
	read_route(&asked);
	pass_on(&asked);
}

/* As it came, one hop nearer to where it is going. */
static void forward(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		    const struct rsvp_message *message, const struct address *to)
{
	struct departure departure = {
		.source = arrival->source,
		.destination = *to,
		.foreign_source = true,
		.router_alert = arrival->router_alert,
	};
	struct rsvp_writer writer;

	if (arrival->ttl <= 1 || !rsvp_is_host(to))
		return;
	departure.ttl = (uint8_t)(arrival->ttl - 1);
	rsvp_begin(rsvp, &writer, RSVP_DREQ, departure.ttl);
	rsvp_put_raw(&writer, message->data + RSVP_HEADER_LEN, message->len - RSVP_HEADER_LEN);
	rsvp_send(rsvp, &writer, &departure, NULL);
}

void rsvp_dreq_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       const struct rsvp_message *message)
{
	struct rsvp_diagnostic diagnostic;
	struct address requester;

	if (rsvp_read_diagnostic(&message->object[RSVP_CLASS_DIAGNOSTIC], &diagnostic) < 0)
		return;
	requester = rsvp_sender_host(&diagnostic.requester);
	if (!rsvp_is_host(&requester))
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_HOP);
	else if (!arrival->destination_is_local)
		forward(rsvp, arrival, message, &arrival->destination);
	else if (!rsvp_message_has(message, RSVP_CLASS_DIAG_RESPONSE) &&
		 diagnostic.fragment_offset == 0 && diagnostic.hop_count == 0 &&
		 !rsvp_address_is_local(rsvp, &diagnostic.last_hop))
		forward(rsvp, arrival, message, &diagnostic.last_hop);
	else
		rsvp_diagnose_here(rsvp, arrival, message);
}

/* One node further back, or it is for this one. */
void rsvp_drep_receive(struct rsvp *rsvp, const struct rsvp_message *message)
{
	struct asked asked = { .rsvp = rsvp, .message = message };
	struct rsvp_writer writer;
	struct address to;

	if (rsvp_read_diagnostic(&message->object[RSVP_CLASS_DIAGNOSTIC], &asked.diagnostic) < 0)
		return;
	to = rsvp_sender_host(&asked.diagnostic.requester);
	if (rsvp_address_is_local(rsvp, &to)) {
		rsvp_diagnosis_receive(rsvp, message->data, message->len);
		return;
	}
	read_route(&asked);
	if (asked.pointer == 0) {
		rsvp_count_one(rsvp, RSVP_COUNT_NO_STATE);
		return;
	}
	to = next_back(&asked.diagnostic, asked.route, asked.pointer - 1);
	begin_reply(&asked, &writer, asked.pointer - 1);
	put_responses(&writer, message);
	send_reply(rsvp, &writer, &to, &asked.diagnostic, asked.pointer == 1);
}
