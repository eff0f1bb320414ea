/* SPDX-License-Identifier: MIT */
/*
 * adspec.h: the advertisement of a path, which the sender begins and every hop adds its own to (RFC 2210 §3.3,
 * RFC 2212, RFC 2215, RFC 2997; spec/rsvp.md §9). Hops compose the object as it came, so what they do not know
 * goes on, marked as not composed.
 */
#ifndef GW_RSVP_ADSPEC_H
#define GW_RSVP_ADSPEC_H

#include "rsvp/intserv.h"

/* What a hop adds for one service. */
struct rsvp_adspec_offer {
	bool offered;
	/* Values of the service that differ from those of the hop in general. */
	bool has_bandwidth, has_latency, has_mtu;
	float bandwidth;
	uint32_t latency_us, mtu;
};

struct rsvp_adspec_hop {
	bool broken;	     /* a hop before this one, or this link, knows no IntServ */
	float bandwidth;     /* bytes/s; 0: not known */
	uint32_t latency_us; /* UINT32_MAX: not known */
	uint32_t mtu;
	uint32_t c_bytes, d_us; /* error terms of the guaranteed service */
	bool reshapes;		/* then the terms begin anew behind it */
	struct rsvp_adspec_offer guaranteed, controlled_load, null;
};

/* Longer objects are refused, so that what composing adds always fits. */
#define RSVP_ADSPEC_MAX 4096

/* Most that composing adds: an empty block that is filled, and overrides of three services. */
#define RSVP_ADSPEC_GROWTH (8 * 4 + 3 * 3 * 8)
#define RSVP_ADSPEC_MADE_MAX (88 + RSVP_ADSPEC_GROWTH)

/*
 * -EPROTONOSUPPORT: a C-Type that is not known. -EINVAL: malformed: nested lengths, no general block first,
 * blocks or parameters out of order (error 21, sub-code 5).
 */
int rsvp_read_adspec(const struct rsvp_object *object, struct rsvp_adspec *ret_adspec);

/* The first one, of a sender with these services: nothing is composed yet. RSVP_ADSPEC_MADE_MAX bytes. */
size_t rsvp_encode_adspec(uint8_t *buf, bool guaranteed, bool controlled_load, bool null);

/*
 * The object that leaves a hop, of one that rsvp_read_adspec() accepts. `buf` holds RSVP_ADSPEC_GROWTH bytes more
 * than the object. Returns the length.
 */
size_t rsvp_compose_adspec(const struct rsvp_object *object, const struct rsvp_adspec_hop *hop,
			   uint8_t *buf);

#endif
