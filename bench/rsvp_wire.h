/* SPDX-License-Identifier: MIT */
/* rsvp_wire.h: what goes over a cable, with the kernel's own time: RSVP messages, and datagrams. */
#ifndef GW_BENCH_RSVP_WIRE_H
#define GW_BENCH_RSVP_WIRE_H

#include <stdbool.h>
#include <stdint.h>

enum { WIRE_PATH = 1, WIRE_RESV = 2, WIRE_PATH_TEAR = 5, WIRE_RESV_TEAR = 6, WIRE_DATAGRAM = 256 };

struct wire_message {
	unsigned kind;	   /* WIRE_*, or the number of another RSVP message */
	bool leaves;	   /* the end that is listened to sends it */
	uint16_t port;	   /* of the session's destination; of a datagram, the destination's */
	uint32_t address;  /* likewise, in network order */
	uint64_t stamp_ns; /* CLOCK_REALTIME */
};

/* Listens at one end of a cable. Ends the program on failure. */
int wire_open(const char *namespace, const char *device);

/* The next message; false: none in that time. */
bool wire_next(int wire, int timeout_ms, struct wire_message *ret_message);

#endif
