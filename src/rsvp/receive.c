/* SPDX-License-Identifier: MIT */
/* receive.c: the one place where messages come in: what is wrong with them is counted, the rest is dealt out. */
#include "rsvp/internal.h"

#include <errno.h>

/* ---- what is refused ---- */

static enum rsvp_counter counter_of(enum rsvp_reason reason)
{
	switch (reason) {
	case RSVP_REASON_VERSION:
		return RSVP_COUNT_BAD_VERSION;
	case RSVP_REASON_CHECKSUM:
		return RSVP_COUNT_BAD_CHECKSUM;
	case RSVP_REASON_LENGTH:
		return RSVP_COUNT_BAD_LENGTH;
	case RSVP_REASON_TYPE:
		return RSVP_COUNT_BAD_TYPE;
	case RSVP_REASON_UNKNOWN_CLASS:
	case RSVP_REASON_UNKNOWN_CTYPE:
		return RSVP_COUNT_UNKNOWN_OBJECT;
	case RSVP_REASON_PORTS:
		return RSVP_COUNT_BAD_PORTS;
	case RSVP_REASON_LIMIT:
		return RSVP_COUNT_LIMITED;
	case RSVP_REASON_NONE:
	case RSVP_REASON_OBJECT:
	case RSVP_REASON_ORDER:
	case RSVP_REASON_MISSING:
	case RSVP_REASON_FORBIDDEN:
	case RSVP_REASON_REPEATED:
	case RSVP_REASON_FAMILY:
	case RSVP_REASON_STYLE:
	case RSVP_REASON_FLOWS:
	case RSVP_REASON_VALUE:
	case RSVP_REASON_COUNT:
		break;
	}
	return RSVP_COUNT_BAD_OBJECT;
}

bool rsvp_is_host(const struct address *address)
{
	if (address->family == AF_UNSPEC || address_is_unspecified(address) ||
	    address_is_multicast(address))
		return false;
	if (address->family == AF_INET)
		return address->addr[12] != 127 && address->addr[12] != 0 &&
		       address->addr[12] < 224;
	return memcmp(address->addr, &in6addr_loopback, sizeof(address->addr)) != 0;
}

/* Whom it is from: the hop that it names, or who sent it. */
static bool origin_is_good(struct rsvp *rsvp, const struct address *origin)
{
	if (rsvp_is_host(origin) && !rsvp_address_is_local(rsvp, origin))
		return true;
	rsvp_count_one(rsvp, RSVP_COUNT_BAD_HOP);
	return false;
}

/*
 * A Path comes from its sender and goes to the session. Between hosts of one link there is nobody who could have
 * changed that (spec §16.6).
 */
static bool path_is_plausible(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			      const struct rsvp_message *message)
{
	struct address sender;

	sender = rsvp_sender_host(&message->sender);
	if (arrival->udp || arrival->source.family == AF_UNSPEC ||
	    memcmp(message->hop.address.addr, sender.addr, sizeof(sender.addr)) != 0 ||
	    memcmp(arrival->source.addr, sender.addr, sizeof(sender.addr)) == 0)
		return !rsvp_address_is_local(rsvp, &sender);
	return false;
}

/* ---- what is done ---- */

static void answer(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		   const struct rsvp_message *message, const struct rsvp_complaint *complaint)
{
	struct rsvp_error error = { .code = complaint->code, .value = complaint->value };

	if (message->session.family == AF_UNSPEC)
		return;
	if (message->type == RSVP_PATH)
		rsvp_path_err_answer(rsvp, arrival, message, &error);
	else if (message->type == RSVP_RESV)
		rsvp_resv_err_answer(rsvp, arrival, message, NULL, &error);
}

static void dispatch(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		     struct neighbour *neighbour, const struct rsvp_message *message)
{
	switch ((enum rsvp_type)message->type) {
	case RSVP_PATH:
		if (path_is_plausible(rsvp, arrival, message))
			rsvp_path_receive(rsvp, arrival, neighbour, message);
		else
			rsvp_count_one(rsvp, RSVP_COUNT_BAD_HOP);
		break;
	case RSVP_RESV:
		rsvp_resv_receive(rsvp, arrival, neighbour, message);
		break;
	case RSVP_PATH_ERR:
		rsvp_path_err_receive(rsvp, arrival, message);
		break;
	case RSVP_RESV_ERR:
		rsvp_resv_err_receive(rsvp, arrival, message);
		break;
	case RSVP_PATH_TEAR:
		rsvp_path_tear_receive(rsvp, arrival, message);
		break;
	case RSVP_RESV_TEAR:
		rsvp_resv_tear_receive(rsvp, arrival, message);
		break;
	case RSVP_RESV_CONF:
		rsvp_confirm_receive(rsvp, arrival, message);
		break;
	case RSVP_SREFRESH:
		rsvp_srefresh_receive(rsvp, arrival, neighbour, message);
		break;
	case RSVP_ACK:
		break;
	case RSVP_DREQ:
		rsvp_dreq_receive(rsvp, arrival, message);
		break;
	case RSVP_DREP:
		rsvp_drep_receive(rsvp, message);
		break;
	case RSVP_BUNDLE:
	case RSVP_CHALLENGE:
	case RSVP_RESPONSE:
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_TYPE);
		break;
	}
}

/* It is what it claims to be. What it acknowledges comes first, so that what it asks for is new. */
static void process(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		    struct neighbour *neighbour, const struct rsvp_message *message)
{
	if (!rsvp_is_in_order(rsvp, arrival, neighbour, message)) {
		rsvp_count_one(rsvp, RSVP_COUNT_OUT_OF_ORDER);
		return;
	}
	rsvp_ack_receive(rsvp, neighbour, message);
	rsvp_ack_message(rsvp, arrival, neighbour, message);
	if (!rsvp_ids_are_rejected(rsvp, arrival, message))
		dispatch(rsvp, arrival, neighbour, message);
}

static void receive_bundle(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *bundle);

/* These are not of a neighbour that one deals with. True: it was one of them. */
static bool receive_other(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct rsvp_message *message)
{
	if (message->type == RSVP_BUNDLE)
		receive_bundle(rsvp, arrival, message);
	else if (message->type == RSVP_CHALLENGE)
		rsvp_challenge_receive(rsvp, arrival, message);
	else
		return message->type == RSVP_RESPONSE;
	return true;
}

/* A Path in UDP says that there are hosts on the link that hear nothing else. */
static void hear_udp(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		     struct neighbour *neighbour, const struct rsvp_message *message)
{
	neighbour->udp = true;
	if (message->type == RSVP_PATH)
		rsvp_interface_find(rsvp, arrival->ifindex)->udp_heard = true;
}

static void receive_one(struct rsvp *rsvp, const struct rsvp_arrival *arrival, const uint8_t *data,
			size_t len)
{
	struct rsvp_complaint complaint;
	struct rsvp_message message;
	const struct address *origin;
	struct neighbour *neighbour;
	int r;

	r = rsvp_message_parse(data, len, &rsvp->limits, &message, &complaint);
	if (r < 0)
		rsvp_count_one(rsvp, counter_of(complaint.reason));
	if (r < 0 && r != -EOPNOTSUPP)
		return;
	rsvp->types[0][message.type & 31]++;
	origin = message.hop.address.family != AF_UNSPEC ? &message.hop.address : &arrival->source;
	if (!origin_is_good(rsvp, origin))
		return;
	if (!rsvp_is_authentic(rsvp, arrival, &message, origin) ||
	    receive_other(rsvp, arrival, &message))
		return;
	neighbour = rsvp_neighbour_get(rsvp, arrival->ifindex, origin);
	if (!neighbour || !rsvp_neighbour_may_send(rsvp, neighbour)) {
		rsvp_count_one(rsvp, RSVP_COUNT_LIMITED);
		return;
	}
	if (arrival->udp)
		hear_udp(rsvp, arrival, neighbour, &message);
	else
		neighbour->far = arrival->ttl != message.send_ttl;
	neighbour->authenticated = rsvp_interface_is_protected(rsvp, arrival->ifindex);
	rsvp_watch_reduction(neighbour, &message);
	if (r == -EOPNOTSUPP)
		answer(rsvp, arrival, &message, &complaint);
	else
		process(rsvp, arrival, neighbour, &message);
}

/*
 * Each message in it is one as any other. It went where it had to go, and what a router that knows no RSVP has taken
 * of the TTL was taken of the Bundle's (RFC 2961 §3.4).
 */
static void receive_bundle(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *bundle)
{
	struct rsvp_arrival inner = *arrival;
	size_t position = 0, len;
	const uint8_t *data;
	uint8_t taken = bundle->send_ttl > arrival->ttl ? (uint8_t)(bundle->send_ttl - arrival->ttl)
							: 0;

	inner.router_alert = false;
	inner.destination = (struct address){ 0 };
	while (rsvp_bundle_next(bundle, &position, &data, &len)) {
		inner.ttl = data[4] > taken ? (uint8_t)(data[4] - taken) : 0;
		receive_one(rsvp, &inner, data, len);
	}
}

/* These are for every hop of the way; the others only for whom they are addressed to (spec §8.1.3). */
static bool concerns_every_hop(uint8_t type)
{
	return type == RSVP_PATH || type == RSVP_SREFRESH || type == RSVP_PATH_TEAR ||
	       type == RSVP_RESV_CONF || type == RSVP_DREQ;
}

enum rsvp_verdict rsvp_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			       const uint8_t *data, size_t len, uint64_t now_us)
{
	const struct interface *interface = rsvp_interface_usable(rsvp, arrival->ifindex);

	rsvp->now_us = now_us;
	rsvp_count_one(rsvp, RSVP_COUNT_RECEIVED);
	if (!interface) {
		rsvp_count_one(rsvp, RSVP_COUNT_DISABLED);
		return RSVP_CONSUMED;
	}
	if (len >= RSVP_HEADER_LEN && !arrival->destination_is_local && !arrival->udp &&
	    (!concerns_every_hop(data[1]) || interface->info.ignore_alert)) {
		rsvp_count_one(rsvp, RSVP_COUNT_FORWARDED);
		return RSVP_FORWARD;
	}
	rsvp->collecting = true;
	receive_one(rsvp, arrival, data, len);
	rsvp_flush(rsvp);
	rsvp_bundle_flush(rsvp);
	rsvp->collecting = false;
	return RSVP_CONSUMED;
}
