/* SPDX-License-Identifier: MIT */
/*
 * hold_flows.c: the crowd. A process with many sockets, each in a flow, that stays until its input ends.
 *
 *     hold_flows NAMESPACE SOCKET ADDRESS FLOWS HANDLES
 *
 * The flows are spread over HANDLES connections to the daemon. The sockets are not connected: so many
 * would not find a local port each.
 */
#include <greenwave.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "measure.h"

#define PORT 9010

static void add_flow(struct gw *gw, const struct sockaddr_in *peer)
{
	const struct gw_flow_options voice = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	uint32_t id;

	must(gw_flow_add(gw, udp_socket(), (const struct sockaddr *)peer, sizeof(*peer), &voice,
			 &id),
	     "gw_flow_add");
}

int main(int argc, char **argv)
{
	struct sockaddr_in peer;
	struct gw **handles;
	size_t flows, n;
	char end;

	if (argc != 6)
		die("usage: hold_flows NAMESPACE SOCKET ADDRESS FLOWS HANDLES");
	peer = ipv4_address(argv[3], PORT);
	flows = strtoul(argv[4], NULL, 10);
	n = strtoul(argv[5], NULL, 10);
	handles = calloc(n, sizeof(struct gw *));
	if (!handles)
		die("out of memory");

	raise_descriptor_limit();
	enter_namespace(argv[1]);
	for (size_t i = 0; i < flows; i++) {
		if (i < n)
			handles[i] = daemon_open(argv[2]);
		add_flow(handles[i % n], &peer);
	}
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &end, 1) > 0)
		;
	/* The process ends as programs do, and the kernel and the daemon clear up after it. */
	return EXIT_SUCCESS;
}
