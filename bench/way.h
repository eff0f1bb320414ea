/* SPDX-License-Identifier: MIT */
/*
 * way.h: one way for an application to begin and to end a service for a socket. The programs that measure
 * differ in what they do with it: control_cost.c, datagram_cost.c.
 */
#ifndef GW_BENCH_WAY_H
#define GW_BENCH_WAY_H

#include "measure.h"

struct way {
	const char *kind;
	/*
	 * In the lane's namespace, for one socket. `destination` NULL: that of the connected socket. Returns what
	 * `begin` and `end` are given. Ends the program on failure, as these do.
	 */
	void *(*open)(const struct lane *lane, int fd, const struct sockaddr_in *destination);
	void (*begin)(void *state);
	void (*end)(void *state); /* NULL: there is only one request */
};

/* Through greenwave.h. WHERE: the daemon's socket, or "embedded". */
extern const struct way way_native;
/* The same through qos2.h, as a program written for Windows does it. */
extern const struct way way_qwave;
/* The least that asking another process can cost: two messages and their answers, a descriptor with the first. */
extern const struct way way_bare;
/* The half of it: one message with a descriptor, and its answer. */
extern const struct way way_message;
/* QOSSetFlow(): the class of a flow, another one each time. */
extern const struct way way_setflow;
/* SIO_SET_QOS: what a QoS socket sends, another rate each time. PEER: to whom. */
extern const struct way way_gqos;
/* One method call with a descriptor through a bus daemon. WHERE: the address of the bus. */
extern const struct way way_dbus;
/* No service: the socket's own option. */
extern const struct way way_setsockopt;

/* Ends the program if there is none. */
const struct way *way_find(const char *kind);

/* Prints the kinds of those that were built. */
void way_list(void);

/* calloc() that ends the program. */
void *way_state(size_t size);

#endif
