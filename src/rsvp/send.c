/* SPDX-License-Identifier: MIT */
/* send.c: the one place where messages leave (spec/rsvp.md §2.1). */
#include "rsvp/internal.h"

#include <errno.h>

void rsvp_begin(struct rsvp *rsvp, struct rsvp_writer *writer, enum rsvp_type type, uint8_t ttl)
{
	rsvp_writer_start(writer, rsvp->buf, sizeof(rsvp->buf), type, 0, ttl);
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
		.udp = interface && interface->info.udp,
		.data = writer->buf,
	};

	if (rsvp_writer_finish(writer, &packet.len) < 0)
		return -EMSGSIZE;
	if (departure->neighbour) {
		departure->neighbour->sent++;
		packet.udp |= departure->neighbour->udp;
		/* The way back to it may be another one than it spoke by. */
		if (departure->neighbour->far)
			packet.ifindex = 0;
	}
	rsvp_count_one(rsvp, RSVP_COUNT_SENT);
	rsvp->types[1][writer->buf[1] & 31]++;
	rsvp->ports.send(rsvp->ports.user_data, &packet);
	if (ret_packet)
		*ret_packet = packet;
	return 0;
}

int rsvp_send_to_hop(struct rsvp *rsvp, struct rsvp_writer *writer, uint32_t ifindex,
		     const struct address *hop, struct rsvp_packet *ret_packet)
{
	struct departure departure = {
		.ifindex = ifindex,
		.destination = *hop,
		.ttl = rsvp->config.hop_ttl,
		.neighbour = rsvp_neighbour_find(rsvp, ifindex, hop),
	};
	struct rsvp_hop own;

	if (!rsvp_own_hop(rsvp, ifindex, hop->family, &own))
		return -ENODEV;
	departure.source = own.address;
	return rsvp_send(rsvp, writer, &departure, ret_packet);
}

int rsvp_send_along(struct rsvp *rsvp, struct rsvp_writer *writer, const struct sender *sender,
		    uint32_t ifindex, uint8_t ttl, struct rsvp_packet *ret_packet)
{
	struct departure departure = {
		.ifindex = ifindex,
		.ttl = ttl,
		.router_alert = true,
	};

	departure.source = rsvp_sender_host(&sender->key.sender);
	departure.destination = rsvp_session_host(&sender->key.session->key);
	departure.foreign_source = !rsvp_address_is_local(rsvp, &departure.source);
	return rsvp_send(rsvp, writer, &departure, ret_packet);
}
