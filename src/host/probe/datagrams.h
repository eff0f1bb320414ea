/* SPDX-License-Identifier: MIT */
/*
 * datagrams.h: the UDP sockets of MS-QLPB (spec/probing.md §1), for both families: one bound to port 2177, one to a
 * port of its own that sends probes and hears nothing.
 */
#ifndef GW_HOST_DATAGRAMS_H
#define GW_HOST_DATAGRAMS_H

#include <event2/event.h>
#include <stdbool.h>

#include "probe/qlpb.h"

struct datagrams;

struct datagrams_options {
	struct event_base *base;
	void *user_data;
	void (*arrived)(void *user_data, const struct qlpb_arrival *arrival, const uint8_t *data,
			size_t len, uint64_t now_us);
	/* After some of them. */
	void (*settled)(void *user_data, uint64_t now_us);
};

/* With no socket open. */
int datagrams_new(const struct datagrams_options *options, struct datagrams **ret_datagrams);
struct datagrams *datagrams_free(struct datagrams *datagrams);

/*
 * Opens what is not open. 0; or a negative errno, of what could not be opened first: -EADDRINUSE: somebody else has
 * port 2177. A family that this host does not speak is no error.
 */
int datagrams_open(struct datagrams *datagrams);
void datagrams_close(struct datagrams *datagrams);

bool datagrams_has(const struct datagrams *datagrams, enum qlpb_socket socket, int family);
bool datagrams_has_stamps(const struct datagrams *datagrams);

/* As of struct qlpb_ports. -ENOTCONN: there is no such socket. */
int datagrams_send(struct datagrams *datagrams, const struct qlpb_datagram *items, unsigned n);

/* How often reading has rested because too much came. */
uint64_t datagrams_rests(const struct datagrams *datagrams);

#endif
