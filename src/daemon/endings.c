/* SPDX-License-Identifier: MIT */
/* endings.c: sockets that the kernel has seen end, for the engine; also when there was no room to report them. */
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/time.h"
#include "daemon/marker.h"

#define RESYNC_US USEC_PER_SEC

static void end_socket(struct marker *marker, uint64_t cookie, unsigned directions,
		       enum end_reason reason)
{
	engine_end_socket(host_engine(marker->host), cookie, directions, reason, time_now_us());
}

static void report_close(void *user_data, const struct gw_close *close)
{
	static const unsigned directions_of[] = {
		[SHUT_RD] = DIRECTION_RECEIVE,
		[SHUT_WR] = DIRECTION_SEND,
		[SHUT_RDWR] = DIRECTION_BOTH,
	};

	switch ((enum gw_close_cause)close->cause) {
	case GW_CLOSE_RELEASED:
		end_socket(user_data, close->cookie, DIRECTION_BOTH, END_CLOSED);
		return;
	case GW_CLOSE_SHUTDOWN:
		if (close->how <= SHUT_RDWR)
			end_socket(user_data, close->cookie, directions_of[close->how],
				   END_SHUTDOWN);
		return;
	case GW_CLOSE_DISCONNECT:
		end_socket(user_data, close->cookie, DIRECTION_BOTH, END_DISCONNECTED);
		return;
	}
}

/* Reports were lost: whoever has no entry in the kernel any more has ended meanwhile. */
struct lost_sockets {
	struct kernel_datapath *kernel;
	uint64_t *cookies;
	size_t n, room;
};

/* Without memory for all, those that come next are found the next time. */
static int collect_lost(uint64_t cookie, int family, int protocol, const struct address *local,
			const struct address *peer, void *user_data)
{
	struct lost_sockets *lost = user_data;
	uint64_t *grown;

	(void)family;
	(void)protocol;
	(void)local;
	(void)peer;
	if (kernel_datapath_contains(lost->kernel, cookie))
		return 0;
	if (lost->n == lost->room) {
		grown = reallocarray(lost->cookies, 2 * lost->room + 64, sizeof(*grown));
		if (!grown)
			return 1;
		lost->cookies = grown;
		lost->room = 2 * lost->room + 64;
	}
	lost->cookies[lost->n++] = cookie;
	return 0;
}

static void resync_closes(struct marker *marker)
{
	struct lost_sockets lost = { .kernel = marker->kernel };

	engine_each_socket(host_engine(marker->host), collect_lost, &lost);
	for (size_t i = 0; i < lost.n; i++)
		end_socket(marker, lost.cookies[i], DIRECTION_BOTH, END_CLOSED);
	free(lost.cookies);
	marker->resynced_us = time_now_us();
}

void marker_on_resync(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;

	(void)fd;
	(void)what;
	resync_closes(marker);
	host_schedule(marker->host);
}

/* It takes long, and a program that shuts sockets down as fast as it can has us lose reports at any time. */
static void resync_soon(struct marker *marker)
{
	uint64_t now_us = time_now_us(), due_us = marker->resynced_us + RESYNC_US;
	struct timeval wait;

	if (now_us >= due_us) {
		resync_closes(marker);
		return;
	}
	if (event_pending(marker->resync, EV_TIMEOUT, NULL))
		return;
	wait = (struct timeval){ .tv_sec = (time_t)((due_us - now_us) / USEC_PER_SEC),
				 .tv_usec = (suseconds_t)((due_us - now_us) % USEC_PER_SEC) };
	event_add(marker->resync, &wait);
}

void marker_on_close(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;
	bool lost = false;

	(void)fd;
	(void)what;
	kernel_datapath_poll(marker->kernel, report_close, marker, &lost);
	if (lost)
		resync_soon(marker);
	host_schedule(marker->host);
}
