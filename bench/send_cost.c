/* SPDX-License-Identifier: MIT */
/*
 * send_cost.c: what one send costs the sender, by several ways of marking, in slices that take turns with
 * slices of an unmarked send.
 *
 *     send_cost ROUNDS SLICE SOCKETS LANE...
 *
 * Each lane sends through that many sockets in turn, to the address that is its WHERE. The first lane is the one
 * that the others are compared with.
 * KIND is "plain", "setsockopt", or "flow:PATH": in a flow of the daemon whose socket is PATH.
 *
 * The time is the processor's for the sender's thread; on a veth, that includes what the receiving side does.
 */
#include <greenwave.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "measure.h"

#define PORT 9009
#define PAYLOAD_BYTES 64
#define WARM_UP_ROUNDS 5
#define VOICE_TOS (56 << 2)

struct sender {
	struct lane lane;
	int *fds;
	size_t n_fds;
	size_t next;	      /* of the sockets */
	struct series ns;     /* per packet */
	struct series ratios; /* to the unmarked slice just beside */
};

static void open_flows(const struct sender *sender, const char *path)
{
	const struct gw_flow_options voice = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	struct gw *gw = daemon_open(path); /* for as long as the program lasts */
	uint32_t id;

	for (size_t i = 0; i < sender->n_fds; i++)
		must(gw_flow_add(gw, sender->fds[i], NULL, 0, &voice, &id), "gw_flow_add");
}

static void open_sockets(struct sender *sender, size_t n)
{
	struct sockaddr_in peer;

	if (!sender->lane.where)
		die("lane %s: where to?", sender->lane.id);
	peer = ipv4_address(sender->lane.where, PORT);
	sender->fds = calloc(n, sizeof(int));
	if (!sender->fds)
		die("out of memory");
	for (sender->n_fds = 0; sender->n_fds < n; sender->n_fds++) {
		sender->fds[sender->n_fds] = udp_socket();
		must_call(connect(sender->fds[sender->n_fds], (struct sockaddr *)&peer,
				  sizeof(peer)),
			  "connect");
	}
}

static void open_sender(struct sender *sender, size_t n_sockets)
{
	const struct lane *lane = &sender->lane;
	const int tos = VOICE_TOS;

	enter_namespace(lane->namespace);
	open_sockets(sender, n_sockets);
	enter_namespace("-");
	if (strncmp(lane->kind, "flow:", 5) == 0) {
		open_flows(sender, lane->kind + 5);
	} else if (strcmp(lane->kind, "setsockopt") == 0) {
		for (size_t i = 0; i < n_sockets; i++)
			must_call(setsockopt(sender->fds[i], IPPROTO_IP, IP_TOS, &tos, sizeof(tos)),
				  "IP_TOS");
	} else if (strcmp(lane->kind, "plain") != 0) {
		die("lane %s: no such kind", lane->id);
	}
}

static double slice_ns(struct sender *sender, size_t packets)
{
	static const char payload[PAYLOAD_BYTES];
	uint64_t begin = thread_cpu_ns();

	for (size_t i = 0; i < packets; i++) {
		must_call((int)send(sender->fds[sender->next], payload, sizeof(payload), 0),
			  "send");
		if (++sender->next == sender->n_fds)
			sender->next = 0;
	}
	return (double)(thread_cpu_ns() - begin) / (double)packets;
}

/* Which of the two goes first changes from round to round, so that a drift of the machine favours neither. */
static void pair(struct sender *reference, struct sender *sender, size_t packets,
		 bool reference_first, bool keep)
{
	double base = 0, cost;

	if (reference_first)
		base = slice_ns(reference, packets);
	cost = slice_ns(sender, packets);
	if (!reference_first)
		base = slice_ns(reference, packets);
	if (!keep)
		return;
	series_add(&reference->ns, base);
	series_add(&sender->ns, cost);
	series_add(&sender->ratios, cost / base);
}

int main(int argc, char **argv)
{
	struct sender senders[16] = { 0 };
	size_t rounds, packets, sockets, n = 0;

	if (argc < 6 || (size_t)argc - 4 > sizeof(senders) / sizeof(senders[0]))
		die("usage: send_cost ROUNDS SLICE SOCKETS LANE LANE...");
	rounds = strtoul(argv[1], NULL, 10);
	packets = strtoul(argv[2], NULL, 10);
	sockets = strtoul(argv[3], NULL, 10);
	raise_descriptor_limit();
	for (int i = 4; i < argc; i++, n++) {
		senders[n].lane = lane_parse(argv[i]);
		open_sender(&senders[n], sockets);
	}
	for (size_t round = 0; round < rounds + WARM_UP_ROUNDS; round++)
		for (size_t i = 1; i < n; i++)
			pair(&senders[0], &senders[i], packets, round % 2, round >= WARM_UP_ROUNDS);
	for (size_t i = 0; i < n; i++)
		report(senders[i].lane.id, "ns", &senders[i].ns, i > 0 ? &senders[i].ratios : NULL);
	return EXIT_SUCCESS;
}
