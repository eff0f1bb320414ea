/* SPDX-License-Identifier: MIT */
/*
 * reserve_cost.c: what a program waits for when it reserves a rate for its flow, while others hold reservations.
 *
 *     reserve_cost NAMESPACE SOCKET FLOWS GROUPS ADDRESS...
 *
 * FLOWS sockets hold a reservation each, spread over the addresses (and so over the links that lead there). Then,
 * GROUPS times, some more reserve at the first address and give back what they have; between groups there is time
 * for the classes to drain.
 */
#include <greenwave.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon.h"
#include "measure.h"

#define PORT 9011
#define GROUP 40
#define RATE_BPS 10000
#define PAUSE_US 300000

static struct gw *gw;

static uint32_t add_flow(const char *address)
{
	const struct gw_flow_options options = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	const struct sockaddr_in peer = ipv4_address(address, PORT);
	int fd = udp_socket();
	uint32_t id;

	must(gw_flow_add(gw, fd, (const struct sockaddr *)&peer, sizeof(peer), &options, &id),
	     "gw_flow_add");
	return id;
}

static void reserve(uint32_t id)
{
	const struct gw_tspec tspec = { .size = sizeof(tspec), .rate_bps = RATE_BPS };

	must(gw_flow_reserve(gw, id, &tspec, GW_EXCESS_DROP), "gw_flow_reserve");
}

static void give_back(uint32_t id)
{
	must(gw_flow_reserve(gw, id, NULL, GW_EXCESS_DROP), "gw_flow_reserve");
}

/* Another call to the daemon, which touches no queue. */
static void set_class(uint32_t id)
{
	must(gw_flow_set_class(gw, id, GW_CLASS_VOICE), "gw_flow_set_class");
}

static void measure(const uint32_t *ids, void (*call)(uint32_t id), struct series *us)
{
	for (size_t i = 0; i < GROUP; i++) {
		uint64_t begin = wall_ns();

		call(ids[i]);
		series_add(us, (double)(wall_ns() - begin) / 1000);
	}
}

int main(int argc, char **argv)
{
	struct series reserving = { 0 }, giving_back = { 0 }, calling = { 0 };
	size_t flows, groups, n_addresses = (size_t)argc - 5;
	uint32_t ids[GROUP];

	if (argc < 6)
		die("usage: reserve_cost NAMESPACE SOCKET FLOWS GROUPS ADDRESS...");
	flows = strtoul(argv[3], NULL, 10);
	groups = strtoul(argv[4], NULL, 10);
	raise_descriptor_limit();
	enter_namespace(argv[1]);
	gw = daemon_open(argv[2]);
	for (size_t i = 0; i < flows; i++)
		reserve(add_flow(argv[5 + i % n_addresses]));
	for (size_t i = 0; i < GROUP; i++)
		ids[i] = add_flow(argv[5]);
	for (size_t group = 0; group < groups; group++) {
		measure(ids, set_class, &calling);
		measure(ids, reserve, &reserving);
		measure(ids, give_back, &giving_back);
		usleep(PAUSE_US);
	}
	report("call", "us", &calling, NULL);
	report("reserve", "us", &reserving, NULL);
	report("give-back", "us", &giving_back, NULL);
	return EXIT_SUCCESS;
}
