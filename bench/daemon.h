/* SPDX-License-Identifier: MIT */
/* daemon.h: what the measuring programs ask of a daemon alike. All of these end the program on failure. */
#ifndef GW_BENCH_DAEMON_H
#define GW_BENCH_DAEMON_H

#include <greenwave.h>
#include <netinet/in.h>
#include <stdint.h>

/* A handle at the daemon whose socket this is, and no other host. */
struct gw *daemon_open(const char *socket_path);

/* Of datagrams: a session, a reservation in it for one sender, and what that sender says of itself. */
uint32_t daemon_session(struct gw *gw, const struct sockaddr_in *destination);
void daemon_reserve(struct gw *gw, uint32_t session, const struct sockaddr_in *sender,
		    uint64_t rate_bps);
void daemon_offer(struct gw *gw, uint32_t session, const struct sockaddr_in *sender,
		  uint64_t rate_bps);

/* What the handle was told so far is of no interest. */
void daemon_drain(struct gw *gw);

#endif
