/* SPDX-License-Identifier: MIT */
/*
 * send_cost.c: what one send costs the sender, by several ways of marking, in slices that take turns with
 * slices of an unmarked send.
 *
 *     send_cost ROUNDS SLICE LANE...
 *
 * A lane's WHERE is the address to send to. The first lane is the one that the others are compared with.
 * KIND is "plain", "setsockopt", or "flow:PATH": in a flow of the daemon whose socket is PATH.
 *
 * The time is the processor's for the sender's thread; on a veth, that includes what the receiving side does.
 */
#include <greenwave.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "measure.h"

#define PORT 9009
#define PAYLOAD_BYTES 64
#define WARM_UP_ROUNDS 5
#define VOICE_TOS (56 << 2)

struct sender {
	struct lane lane;
	int fd;
	struct gw *gw;
	struct series ns;     /* per packet */
	struct series ratios; /* to the unmarked slice just beside */
};

static void open_flow(struct sender *sender, const char *path)
{
	const struct gw_open_options how = { .size = sizeof(how),
					     .mode = GW_MODE_DAEMON,
					     .socket_path = path };
	const struct gw_flow_options voice = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	uint32_t id;

	must(gw_open(&sender->gw, &how), path);
	must(gw_flow_add(sender->gw, sender->fd, NULL, 0, &voice, &id), "gw_flow_add");
}

static void open_sender(struct sender *sender)
{
	const struct lane *lane = &sender->lane;
	const int tos = VOICE_TOS;
	struct sockaddr_in peer;

	if (!lane->where)
		die("lane %s: where to?", lane->id);
	peer = ipv4_address(lane->where, PORT);
	enter_namespace(lane->namespace);
	sender->fd = udp_socket();
	must_call(connect(sender->fd, (struct sockaddr *)&peer, sizeof(peer)), "connect");
	enter_namespace("-");
	if (strncmp(lane->kind, "flow:", 5) == 0)
		open_flow(sender, lane->kind + 5);
	else if (strcmp(lane->kind, "setsockopt") == 0)
		must_call(setsockopt(sender->fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), "IP_TOS");
	else if (strcmp(lane->kind, "plain") != 0)
		die("lane %s: no such kind", lane->id);
}

static double slice_ns(const struct sender *sender, size_t packets)
{
	static const char payload[PAYLOAD_BYTES];
	uint64_t begin = thread_cpu_ns();

	for (size_t i = 0; i < packets; i++)
		must_call((int)send(sender->fd, payload, sizeof(payload), 0), "send");
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
	size_t rounds, packets, n = 0;

	if (argc < 5 || (size_t)argc - 3 > sizeof(senders) / sizeof(senders[0]))
		die("usage: send_cost ROUNDS SLICE LANE LANE...");
	rounds = strtoul(argv[1], NULL, 10);
	packets = strtoul(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++, n++) {
		senders[n].lane = lane_parse(argv[i]);
		open_sender(&senders[n]);
	}
	for (size_t round = 0; round < rounds + WARM_UP_ROUNDS; round++)
		for (size_t i = 1; i < n; i++)
			pair(&senders[0], &senders[i], packets, round % 2, round >= WARM_UP_ROUNDS);
	for (size_t i = 0; i < n; i++)
		report(senders[i].lane.id, "ns", &senders[i].ns, i > 0 ? &senders[i].ratios : NULL);
	/* What holds the flows ends with us. */
	return EXIT_SUCCESS;
}
