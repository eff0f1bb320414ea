/* SPDX-License-Identifier: MIT */
/*
 * way_gqos.c: what a QoS socket of Winsock sends is described anew, at another rate each time: traffic control changes,
 * and Path goes out. The socket is one of its own, to the lane's peer.
 */
#include <stdlib.h>

#include "qos_socket.h"
#include "way.h"

#define PORT 9
#define RATE 50000

struct gqos {
	SOCKET socket;
	ULONG turn;
};

static void *gqos_open(const struct lane *lane, int fd, const struct sockaddr_in *destination)
{
	const struct sockaddr_in peer = ipv4_address(lane->peer ? lane->peer : "", PORT);
	struct gqos *gqos = way_state(sizeof(*gqos));

	(void)fd;
	(void)destination;
	qos_start(lane->where);
	gqos->socket = qos_socket_open(NULL, &peer);
	return gqos;
}

static void gqos_begin(void *state)
{
	struct gqos *gqos = state;

	gqos->turn ^= 1;
	qos_socket_set(gqos->socket, SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_NOCHANGE,
		       RATE + gqos->turn * RATE);
}

const struct way way_gqos = { .kind = "gqos", .open = gqos_open, .begin = gqos_begin };
