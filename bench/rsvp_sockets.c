/* SPDX-License-Identifier: MIT */
/*
 * rsvp_sockets.c: what signalling takes between programs: near and far host, a router between, each with its daemon.
 *
 *     rsvp_sockets NEAR SOCKET FAR SOCKET SENDER RECEIVER SESSIONS ROUTER
 *
 * NEAR and FAR are the hosts' network namespaces, SENDER and RECEIVER their addresses, ROUTER the daemon's process. The
 * receiver has reserved before senders are heard of. First they begin one by one, each from its call to the event of its
 * reservation; then SESSIONS at once.
 */
#include <greenwave.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "measure.h"

#define PORT 1024
#define WAYS 400
#define RATE_BPS 64000
#define PATIENCE_MS 10000

struct host {
	struct gw *gw;
	const char *namespace, *socket;
};

static struct host near_host, far_host;
static struct sockaddr_in sender, receiver;

static void open_host(struct host *host)
{
	enter_namespace(host->namespace);
	host->gw = daemon_open(host->socket);
}

static uint32_t open_session(const struct host *host, uint16_t port)
{
	struct sockaddr_in to = receiver;

	to.sin_port = htons(port);
	return daemon_session(host->gw, &to);
}

static struct sockaddr_in sender_at(uint16_t port)
{
	struct sockaddr_in from = sender;

	from.sin_port = htons(port);
	return from;
}

static void reserve(uint16_t port)
{
	const struct sockaddr_in from = sender_at(port);

	daemon_reserve(far_host.gw, open_session(&far_host, port), &from, RATE_BPS);
}

static void begin_sending(uint32_t id, uint16_t port)
{
	const struct sockaddr_in from = sender_at(port);

	daemon_offer(near_host.gw, id, &from, RATE_BPS);
}

/* How many senders have heard of their reservation: those that wait_ms brings, and what is there with it. */
static unsigned take_reservations(int wait_ms)
{
	struct gw_event event = { .size = sizeof(event) };
	unsigned n = 0;
	int r;

	while ((r = gw_event_next(near_host.gw, n == 0 ? wait_ms : 0, &event)) > 0) {
		if (event.type == GW_EVENT_LOST)
			die("events were lost");
		n += event.type == GW_EVENT_RSVP_RESV;
		gw_event_release(&event);
		event.size = sizeof(event);
	}
	must(r, "gw_event_next");
	return n;
}

static void measure_way(void)
{
	struct series us = { 0 };

	for (uint16_t i = 0; i < WAYS; i++) {
		uint32_t id = open_session(&near_host, (uint16_t)(PORT + i));
		uint64_t begin;

		reserve((uint16_t)(PORT + i));
		begin = wall_ns();
		begin_sending(id, (uint16_t)(PORT + i));
		if (take_reservations(PATIENCE_MS) != 1)
			die("a sender did not hear of its reservation");
		series_add(&us, (double)(wall_ns() - begin) / 1e3);
		daemon_drain(far_host.gw);
	}
	report("way-sockets", "us", &us, NULL);
}

/* How long a process has run so far. */
static uint64_t process_cpu_ns(const char *pid)
{
	char path[64], line[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof(line), file))
		die("%s cannot be read", path);
	fclose(file);
	return strtoull(line, NULL, 10);
}

static void measure_many(uint32_t sessions, const char *router)
{
	uint32_t *ids = calloc(sessions, sizeof(*ids));
	uint64_t begin, cpu_ns;
	double seconds;
	unsigned n = 0;

	if (!ids)
		die("no memory");
	for (uint32_t i = 0; i < sessions; i++) {
		ids[i] = open_session(&near_host, (uint16_t)(PORT + WAYS + i));
		reserve((uint16_t)(PORT + WAYS + i));
	}
	daemon_drain(far_host.gw);
	cpu_ns = process_cpu_ns(router);
	begin = wall_ns();
	for (uint32_t i = 0; i < sessions; i++) {
		begin_sending(ids[i], (uint16_t)(PORT + WAYS + i));
		n += take_reservations(0);
		daemon_drain(far_host.gw);
	}
	while (n < sessions) {
		unsigned more = take_reservations(PATIENCE_MS);

		if (more == 0)
			die("%u of %" PRIu32 " sessions are reserved", n, sessions);
		n += more;
	}
	seconds = (double)(wall_ns() - begin) / 1e9;
	cpu_ns = process_cpu_ns(router) - cpu_ns;
	report_count("new-sockets", "sessions/s", (uint64_t)(sessions / seconds));
	report_count("new-sockets-router", "sessions/s",
		     (uint64_t)(sessions / ((double)cpu_ns / 1e9)));
	free(ids);
}

int main(int argc, char **argv)
{
	if (argc != 9)
		die("usage: rsvp_sockets NEAR SOCKET FAR SOCKET SENDER RECEIVER SESSIONS ROUTER");
	near_host = (struct host){ .namespace = argv[1], .socket = argv[2] };
	far_host = (struct host){ .namespace = argv[3], .socket = argv[4] };
	sender = ipv4_address(argv[5], 0);
	receiver = ipv4_address(argv[6], 0);
	open_host(&near_host);
	open_host(&far_host);
	measure_way();
	measure_many((uint32_t)strtoul(argv[7], NULL, 10), argv[8]);
	gw_close(near_host.gw);
	gw_close(far_host.gw);
	return EXIT_SUCCESS;
}
