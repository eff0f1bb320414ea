/* SPDX-License-Identifier: MIT */
/*
 * bundle.c: messages to one neighbour that leave in one go leave in one Bundle (spec/rsvp.md §12; RFC 2961 §3), in
 * the order in which they were made: whatever cannot be bundled sends on its way what was waiting.
 */
#include "rsvp/internal.h"

#include <stdlib.h>

#define MTU_MIN 576u
#define LOWER_HEADERS 48u /* IPv6 and UDP */

static void count(struct rsvp *rsvp, uint8_t type)
{
	rsvp_count_one(rsvp, RSVP_COUNT_SENT);
	rsvp->types[1][type & 31]++;
}

void rsvp_bundle_flush(struct rsvp *rsvp)
{
	struct bundle *bundle = rsvp->bundle;
	struct rsvp_packet packet;

	if (!bundle || bundle->n == 0)
		return;
	packet = bundle->first;
	packet.data = bundle->buf + RSVP_HEADER_LEN;
	if (bundle->n > 1) {
		uint8_t *header = bundle->buf;

		memset(header, 0, RSVP_HEADER_LEN);
		header[0] = RSVP_VERSION << 4 | RSVP_HEADER_REDUCES;
		header[1] = RSVP_BUNDLE;
		header[4] = rsvp->config.hop_ttl;
		put16(header + 6, (uint16_t)bundle->len);
		rsvp_set_checksum(header, bundle->len);
		packet.source = bundle->source;
		packet.destination = bundle->neighbour;
		packet.ttl = rsvp->config.hop_ttl;
		packet.router_alert = false;
		packet.foreign_source = false;
		packet.data = header;
		packet.len = bundle->len;
		count(rsvp, RSVP_BUNDLE);
	}
	bundle->n = 0;
	rsvp->ports.send(rsvp->ports.user_data, &packet);
}

static size_t capacity_on(const struct interface *interface)
{
	size_t mtu = interface->info.mtu > MTU_MIN ? interface->info.mtu : MTU_MIN;

	return mtu - LOWER_HEADERS < BUNDLE_MAX ? mtu - LOWER_HEADERS : BUNDLE_MAX;
}

static bool is_for(const struct bundle *bundle, const struct neighbour *neighbour)
{
	return bundle->n > 0 && bundle->ifindex == neighbour->key.ifindex &&
	       address_equal(&bundle->neighbour, &neighbour->key.address);
}

/* False: the interface has no address to send it from. */
static bool start(struct rsvp *rsvp, const struct neighbour *neighbour,
		  const struct rsvp_packet *packet)
{
	const struct interface *interface = rsvp_interface_usable(rsvp, neighbour->key.ifindex);
	struct bundle *bundle = rsvp->bundle;
	struct rsvp_hop own;

	if (!interface ||
	    !rsvp_own_hop(rsvp, neighbour->key.ifindex, neighbour->key.address.family, &own))
		return false;
	bundle->first = *packet;
	bundle->neighbour = neighbour->key.address;
	bundle->source = own.address;
	bundle->ifindex = neighbour->key.ifindex;
	bundle->capacity = capacity_on(interface);
	bundle->len = RSVP_HEADER_LEN;
	return true;
}

bool rsvp_bundle_add(struct rsvp *rsvp, const struct neighbour *neighbour,
		     const struct rsvp_packet *packet)
{
	struct bundle *bundle;

	if (!rsvp->bundle)
		rsvp->bundle = calloc(1, sizeof(*rsvp->bundle));
	bundle = rsvp->bundle;
	if (!bundle)
		return false;
	if (!is_for(bundle, neighbour) || bundle->len + packet->len > bundle->capacity) {
		rsvp_bundle_flush(rsvp);
		if (!start(rsvp, neighbour, packet) || bundle->len + packet->len > bundle->capacity)
			return false;
	}
	memcpy(bundle->buf + bundle->len, packet->data, packet->len);
	bundle->len += packet->len;
	bundle->n++;
	return true;
}
