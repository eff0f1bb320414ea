/* SPDX-License-Identifier: MIT */
/* confirm.c: ResvConf (spec/rsvp.md §8.11, §11; RFC 2205 §2.6). A confirmation is no guarantee. */
#include "rsvp/internal.h"

#include <errno.h>

/* ---- its way ---- */

/*
 * By the routing table, unless this host, or who is next, has nothing but UDP: that must be known before. False: there
 * is no way now.
 */
static bool set_way(struct rsvp *rsvp, struct departure *departure)
{
	const struct address *next = &departure->destination;
	static const struct address none;
	const struct interface *interface;
	struct neighbour *neighbour;
	struct rsvp_route route = { 0 };

	if (rsvp->ports.route(rsvp->ports.user_data, next, &none, &route) < 0 || route.n_out == 0)
		return false;
	if (route.gateway.family != AF_UNSPEC)
		next = &route.gateway;
	interface = rsvp_interface_find(rsvp, route.out[0]);
	neighbour = rsvp_neighbour_find(rsvp, route.out[0], next);
	if (!(interface && interface->info.udp_only) && !(neighbour && neighbour->udp))
		return true;
	departure->ifindex = route.out[0];
	departure->neighbour = neighbour;
	departure->next_hop = *next;
	return true;
}

/* ---- made ---- */

static void put_flow(struct rsvp_writer *writer, const struct resv *resv)
{
	rsvp_put_style(writer, resv->install->session->style);
	rsvp_put_flowspec(writer, &resv->flowspec);
	for (uint32_t i = 0; i < resv->n_filters && i < FLOWS_MAX; i++)
		rsvp_put_filter(writer, &resv->filters[i].sender->key.sender);
}

void rsvp_confirm_answer(struct rsvp *rsvp, const struct resv *resv)
{
	const struct session *session = resv->install->session;
	struct departure departure = {
		.destination = rsvp->confirming.receiver,
		.ttl = rsvp->config.hop_ttl,
		.router_alert = true,
	};
	struct rsvp_error_spec error = { .code = RSVP_ERROR_CONFIRMATION };
	const struct interface *interface;
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (resv->app) {
		rsvp_app_confirm(rsvp, resv);
		return;
	}
	interface = rsvp_interface_find(rsvp, resv->install->ifindex);
	if (!rsvp_own_hop(rsvp, resv->install->ifindex, session->key.family, &own))
		return;
	error.node = own.address;
	departure.source = own.address;
	if (!set_way(rsvp, &departure) && interface->info.udp_only)
		return;
	rsvp_begin(rsvp, &writer, RSVP_RESV_CONF, departure.ttl);
	rsvp_put_session(&writer, &session->key, 0);
	rsvp_put_error(&writer, &error);
	rsvp_put_confirm(&writer, &departure.destination);
	put_flow(&writer, resv);
	rsvp_send(rsvp, &writer, &departure, NULL);
}

/* ---- arriving ---- */

static void put_all(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	struct rsvp_object object;
	size_t position = 0;

	while (message->n_kept > 0 && rsvp_message_next_kept(message, &position, &object))
		rsvp_put_object(writer, &object);
	rsvp_put_object(writer, &message->object[RSVP_CLASS_STYLE]);
	position = message->flows_at;
	while (rsvp_object_next(message->data, message->len, &position, &object) == 1) {
		if (object.class_num == RSVP_CLASS_FLOWSPEC ||
		    object.class_num == RSVP_CLASS_FILTER_SPEC)
			rsvp_put_object(writer, &object);
	}
}

/* One hop nearer to the receiver; a loop on the way ends with the TTL. */
static void pass_on(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		    const struct rsvp_message *message)
{
	struct departure departure = {
		.destination = message->confirm,
		.router_alert = true,
	};
	uint8_t ttl = arrival->udp ? message->send_ttl : arrival->ttl;
	struct rsvp_writer writer;

	if (ttl <= 1)
		return;
	departure.ttl = (uint8_t)(ttl - 1);
	rsvp_begin(rsvp, &writer, RSVP_RESV_CONF, departure.ttl);
	rsvp_put_session(&writer, &message->session, 0);
	rsvp_put_error(&writer, &message->error);
	rsvp_put_confirm(&writer, &message->confirm);
	put_all(&writer, message);
	set_way(rsvp, &departure);
	rsvp_send(rsvp, &writer, &departure, NULL);
}

static bool is_to(const struct rsvp_arrival *arrival, const struct rsvp_message *message)
{
	if (arrival->destination.family == AF_UNSPEC || arrival->udp)
		return true; /* it came in a Bundle, or was for this router to send on */
	return arrival->destination.family == message->confirm.family &&
	       memcmp(arrival->destination.addr, message->confirm.addr,
		      sizeof(message->confirm.addr)) == 0;
}

void rsvp_confirm_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct rsvp_message *message)
{
	if (!is_to(arrival, message))
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_HOP);
	else if (rsvp_address_is_local(rsvp, &message->confirm))
		rsvp_app_confirmed(rsvp, message);
	else
		pass_on(rsvp, arrival, message);
}
