/* SPDX-License-Identifier: MIT */
/* send.c: the one place where messages leave (spec/rsvp.md §2.1), and get what stands first in them. */
#include "rsvp/internal.h"

#include <errno.h>

void rsvp_begin(struct rsvp *rsvp, struct rsvp_writer *writer, enum rsvp_type type, uint8_t ttl)
{
	rsvp_writer_start(writer, rsvp->buf + FRONT_MAX, RSVP_MESSAGE_MAX - FRONT_MAX, type, 0,
			  ttl);
}

bool rsvp_own_hop(const struct rsvp *rsvp, uint32_t ifindex, uint16_t family,
		  struct rsvp_hop *ret_hop)
{
	const struct interface *interface = rsvp_interface_usable(rsvp, ifindex);

	if (!interface || rsvp_interface_address(interface, family)->family != family)
		return false;
	*ret_hop = (struct rsvp_hop){
		.address = *rsvp_interface_address(interface, family),
		.lih = ifindex,
	};
	return true;
}

/* ---- what stands first ---- */

#define LOWER_HEADERS 48u /* IPv6 and UDP */
#define ACK_ROOM_MIN 512u

static bool takes_acks(uint8_t type)
{
	return (type >= RSVP_PATH && type <= RSVP_RESV_CONF) || type == RSVP_ACK ||
	       type == RSVP_SREFRESH;
}

/* Acknowledgements go along with what is addressed to the neighbour itself, as far as the MTU allows. */
static void put_acks(struct rsvp *rsvp, struct rsvp_writer *front, size_t body_len,
		     const struct departure *departure, const struct interface *interface)
{
	size_t mtu = interface && interface->info.mtu > ACK_ROOM_MIN ? interface->info.mtu
								     : ACK_ROOM_MIN;
	size_t used = LOWER_HEADERS + front->len + body_len;

	if (!departure->neighbour || !takes_acks(front->buf[1]) || used >= mtu ||
	    memcmp(departure->destination.addr, departure->neighbour->key.address.addr,
		   sizeof(departure->destination.addr)) != 0)
		return;
	rsvp_ack_put(rsvp, departure->neighbour, front, mtu - used);
}

/* INTEGRITY, acknowledgements, MESSAGE_ID, in that order. */
static void put_front(struct rsvp *rsvp, struct rsvp_writer *writer,
		      const struct departure *departure, const struct interface *interface,
		      struct key *key)
{
	uint8_t flags = rsvp_header_flags(rsvp, departure->ifindex);
	struct rsvp_message_id id;
	uint8_t buf[FRONT_MAX];
	struct rsvp_writer front;
	size_t added;

	rsvp_writer_start(&front, buf, sizeof(buf), writer->buf[1], flags, writer->buf[4]);
	if (key)
		rsvp_key_put(rsvp, key, &front);
	put_acks(rsvp, &front, writer->len, departure, interface);
	if (rsvp_advert_id(departure->advert, &id))
		rsvp_put_message_id(&front, &id);
	added = front.len - RSVP_HEADER_LEN;
	writer->buf -= added;
	writer->capacity += added;
	writer->len += added;
	memcpy(writer->buf, buf, front.len);
}

/* ---- in UDP ---- */

/* RSVP-ENCAPSULATION, of the link. */
static const struct address group4 = { .addr = { [10] = 0xff, 0xff, 224, 0, 0, 14 },
				       .family = AF_INET };
static const struct address group6 = { .addr = { 0xff, 0x02, [15] = 0x0e }, .family = AF_INET6 };

/*
 * A host that has nothing but UDP leaves it to the routers of the link to send on what goes further, and asks no
 * router on the way to look at it.
 */
static void encapsulate(const struct departure *departure, struct rsvp_packet *packet)
{
	packet->udp = true;
	packet->router_alert = false;
	packet->foreign_source = false;
	if (address_is_multicast(&packet->destination)) {
		packet->destination = packet->destination.family == AF_INET ? group4 : group6;
		packet->ttl = 1;
	} else if (departure->next_hop.family != AF_UNSPEC) {
		packet->destination = departure->next_hop;
	}
	packet->destination.port = RSVP_UDP_PORT;
}

static bool is_wanted_in_udp(const struct interface *interface, const struct neighbour *neighbour)
{
	return (interface && (interface->info.udp || interface->udp_heard)) ||
	       (neighbour && neighbour->udp);
}

/* ---- leaving ---- */

static void launch(struct rsvp *rsvp, const struct rsvp_packet *packet,
		   const struct departure *departure)
{
	rsvp_count_one(rsvp, RSVP_COUNT_SENT);
	rsvp->types[1][packet->data[1] & 31]++;
	if (departure->neighbour)
		departure->neighbour->sent++;
	if (departure->bundled && rsvp->collecting && packet->ifindex != 0 &&
	    packet->destination.port == 0 && rsvp_may_reduce(rsvp, departure->neighbour) &&
	    rsvp_bundle_add(rsvp, departure->neighbour, packet))
		return;
	rsvp_bundle_flush(rsvp);
	rsvp->ports.send(rsvp->ports.user_data, packet);
}

static struct key *key_of(struct rsvp *rsvp, const struct departure *departure, uint8_t type)
{
	static const struct address none;

	if (!rsvp->keys || departure->key || type == RSVP_CHALLENGE)
		return departure->key;
	return rsvp_key_to(rsvp, departure->ifindex,
			   departure->neighbour ? &departure->neighbour->key.address : &none);
}

int rsvp_send(struct rsvp *rsvp, struct rsvp_writer *writer, const struct departure *departure,
	      struct rsvp_packet *ret_packet)
{
	const struct interface *interface = rsvp_interface_find(rsvp, departure->ifindex);
	struct rsvp_packet packet = {
		.ifindex = departure->ifindex,
		.source = departure->source,
		.destination = departure->destination,
		.ttl = departure->ttl,
		.router_alert = departure->router_alert,
		.foreign_source = departure->foreign_source,
		.udp = is_wanted_in_udp(interface, departure->neighbour),
	};
	struct key *key;

	if (writer->overflow)
		return -EMSGSIZE;
	key = key_of(rsvp, departure, writer->buf[1]);
	put_front(rsvp, writer, departure, interface, key);
	if (rsvp_writer_finish(writer, &packet.len) < 0)
		return -EMSGSIZE;
	packet.data = writer->buf;
	/* The way back to it may be another one than it spoke by. */
	if (departure->by_routes ||
	    (departure->neighbour && departure->neighbour->far && !departure->router_alert))
		packet.ifindex = 0;
	if (interface && interface->info.udp_only)
		encapsulate(departure, &packet);
	if (key)
		rsvp_key_sign(rsvp, key, writer->buf, packet.len);
	launch(rsvp, &packet, departure);
	if (ret_packet)
		*ret_packet = packet;
	return 0;
}

static int send_to_hop(struct rsvp *rsvp, struct rsvp_writer *writer, struct departure *departure,
		       struct rsvp_packet *ret_packet)
{
	struct rsvp_hop own;

	if (!rsvp_own_hop(rsvp, departure->ifindex, departure->destination.family, &own))
		return -ENODEV;
	departure->source = own.address;
	departure->ttl = rsvp->config.hop_ttl;
	departure->neighbour =
		rsvp_neighbour_find(rsvp, departure->ifindex, &departure->destination);
	return rsvp_send(rsvp, writer, departure, ret_packet);
}

int rsvp_send_to_hop(struct rsvp *rsvp, struct rsvp_writer *writer, uint32_t ifindex,
		     const struct address *hop, struct rsvp_packet *ret_packet)
{
	struct departure departure = {
		.ifindex = ifindex,
		.destination = *hop,
		.bundled = !ret_packet,
	};

	return send_to_hop(rsvp, writer, &departure, ret_packet);
}

int rsvp_send_resv(struct rsvp *rsvp, struct rsvp_writer *writer, const struct up *up,
		   const struct advert *advert)
{
	struct departure departure = {
		.ifindex = up->ifindex,
		.destination = up->hop.address,
		.bundled = true,
		.advert = advert,
	};

	return send_to_hop(rsvp, writer, &departure, NULL);
}

static struct departure along(const struct rsvp *rsvp, const struct sender *sender,
			      uint32_t ifindex, uint8_t ttl)
{
	struct departure departure = {
		.ifindex = ifindex,
		.ttl = ttl,
		.router_alert = true,
	};
	const struct out *out = rsvp_sender_out(sender, ifindex);

	departure.source = rsvp_sender_host(&sender->key.sender);
	departure.destination = rsvp_session_host(&sender->key.session->key);
	departure.foreign_source = !rsvp_address_is_local(rsvp, &departure.source);
	if (out && out->next_hop.family != AF_UNSPEC) {
		departure.neighbour = rsvp_neighbour_find(rsvp, ifindex, &out->next_hop);
		departure.next_hop = out->next_hop;
	}
	return departure;
}

int rsvp_send_path(struct rsvp *rsvp, struct rsvp_writer *writer, const struct out *out,
		   uint8_t ttl)
{
	struct departure departure = along(rsvp, out->sender, out->ifindex, ttl);

	departure.advert = &out->advert;
	/* A bundle goes to the neighbour; where that does not answer, the Path may find somebody else. */
	departure.bundled = out->advert.condition == ADVERT_SUMMARY || out->repeats == RSVP_REPEATS;
	return rsvp_send(rsvp, writer, &departure, NULL);
}

int rsvp_send_along(struct rsvp *rsvp, struct rsvp_writer *writer, const struct sender *sender,
		    uint32_t ifindex, uint8_t ttl, struct rsvp_packet *ret_packet)
{
	struct departure departure = along(rsvp, sender, ifindex, ttl);

	return rsvp_send(rsvp, writer, &departure, ret_packet);
}
