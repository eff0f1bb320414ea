/* SPDX-License-Identifier: MIT */
/*
 * control_cost.c: what it costs an application to begin a service for a socket and to end it again, by several
 * ways that take turns.
 *
 *     control_cost ROUNDS SLICE LANE...
 *     control_cost ways                    which KINDs there are
 *
 * The first lane is the one that the others are compared with. KIND is that of one of the ways in way.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "way.h"

#define WARM_UP_ROUNDS 3
#define DISCARD_PORT 9
#define PEER "127.0.0.1"

struct contender {
	struct lane lane;
	const struct way *way;
	void *state;
	struct series us; /* each pair */
	struct series
		ratios; /* mean of a slice to that of the first lane's slice of the same round */
};

static int connected_socket(void)
{
	const struct sockaddr_in peer = ipv4_address(PEER, DISCARD_PORT);
	int fd = udp_socket();

	must_call(connect(fd, (const struct sockaddr *)&peer, sizeof(peer)), "connect");
	return fd;
}

static double pair_us(const struct contender *contender)
{
	uint64_t begin = wall_ns();

	contender->way->begin(contender->state);
	if (contender->way->end)
		contender->way->end(contender->state);
	return (double)(wall_ns() - begin) / 1000;
}

static double slice_us(struct contender *contender, size_t pairs, int keep)
{
	double sum = 0;

	for (size_t i = 0; i < pairs; i++) {
		double us = pair_us(contender);

		sum += us;
		if (keep)
			series_add(&contender->us, us);
	}
	return sum / (double)pairs;
}

static void round_of_all(struct contender *contenders, size_t n, size_t pairs, int keep)
{
	double base = slice_us(&contenders[0], pairs, keep);

	for (size_t i = 1; i < n; i++) {
		double mean = slice_us(&contenders[i], pairs, keep);

		if (keep)
			series_add(&contenders[i].ratios, mean / base);
	}
}

int main(int argc, char **argv)
{
	struct contender contenders[16] = { 0 };
	size_t rounds, pairs, n = 0;

	if (argc == 2 && strcmp(argv[1], "ways") == 0) {
		way_list();
		return EXIT_SUCCESS;
	}
	if (argc < 4 || (size_t)argc - 3 > sizeof(contenders) / sizeof(contenders[0]))
		die("usage: control_cost ROUNDS SLICE LANE...");
	rounds = strtoul(argv[1], NULL, 10);
	pairs = strtoul(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++, n++) {
		struct contender *contender = &contenders[n];

		contender->lane = lane_parse(argv[i]);
		contender->way = way_find(contender->lane.kind);
		enter_namespace(contender->lane.namespace);
		contender->state = contender->way->open(&contender->lane, connected_socket(), NULL);
		enter_namespace("-");
	}
	for (size_t round = 0; round < rounds + WARM_UP_ROUNDS; round++)
		round_of_all(contenders, n, pairs, round >= WARM_UP_ROUNDS);
	for (size_t i = 0; i < n; i++)
		report(contenders[i].lane.id, "us", &contenders[i].us,
		       i > 0 ? &contenders[i].ratios : NULL);
	return EXIT_SUCCESS;
}
