/* SPDX-License-Identifier: MIT */
/*
 * path_news.c: what a program hears of the path to a host, and when.
 *
 *     path_news SOCKET ADDRESS
 *
 * An adaptive flow to the address, by the daemon at SOCKET. When the path is known it says "ready". From then on it asks
 * to be told when the path is congested and, when it is, that it is not any more, and prints one line of JSON for each:
 * which, when (seconds of the monotonic clock), and how long after the daemon had sent it (microseconds). It ends when its
 * standard input does.
 */
#include <errno.h>
#include <greenwave.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "measure.h"

#define PORT 9
#define PATIENCE_S 30
#define AGAIN_US 100000

static struct gw *gw;
static uint32_t flow;

static uint64_t epoch_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void open_flow(const char *socket_path, const char *address)
{
	const struct gw_flow_options options = GW_FLOW_OPTIONS(.flags = GW_FLOW_ADAPTIVE);
	const struct sockaddr_in peer = ipv4_address(address, PORT);

	gw = daemon_open(socket_path);
	must(gw_flow_add(gw, udp_socket(), (const struct sockaddr *)&peer, sizeof(peer), &options,
			 &flow),
	     "gw_flow_add");
}

static void wait_until_known(void)
{
	uint64_t end_ns = wall_ns() + PATIENCE_S * UINT64_C(1000000000);
	struct gw_path_info info;
	int r;

	do {
		memset(&info, 0, sizeof(info));
		info.size = sizeof(info);
		r = gw_flow_query_path(gw, flow, 0, &info);
		if (r < 0 && r != -ENODATA)
			must(r, "gw_flow_query_path");
		if (wall_ns() > end_ns)
			die("nothing becomes known of the path");
		usleep(AGAIN_US);
	} while (r < 0 || !info.capacity_known || !info.available_known);
	puts("ready");
	fflush(stdout);
}

/* Prints what has happened; `sent_us`: 0 if the condition held when it was asked for. */
static void print_news(enum gw_condition condition, uint64_t sent_us)
{
	uint64_t now_ns = epoch_ns();

	printf("{\"congested\": %s, \"at\": %.6f, \"late_us\": ",
	       condition == GW_CONDITION_CONGESTED ? "true" : "false", (double)wall_ns() / 1e9);
	if (sent_us == 0)
		puts("null}");
	else
		printf("%.1f}\n", (double)now_ns / 1e3 - (double)sent_us);
	fflush(stdout);
}

static enum gw_condition other(enum gw_condition condition)
{
	return condition == GW_CONDITION_CONGESTED ? GW_CONDITION_UNCONGESTED
						   : GW_CONDITION_CONGESTED;
}

/* The token is the condition. */
static void ask(enum gw_condition condition)
{
	int r;

	while ((r = gw_flow_notify(gw, flow, condition, 0, (uint64_t)condition)) == 0) {
		print_news(condition, 0);
		condition = other(condition);
	}
	must(r, "gw_flow_notify");
}

static void take_events(void)
{
	struct gw_event event = { .size = sizeof(event) };
	int r;

	while ((r = gw_event_next(gw, 0, &event)) > 0) {
		if (event.type == GW_EVENT_COMPLETED) {
			must(event.status, "what was asked for");
			print_news((enum gw_condition)event.token, event.time_us);
			ask(other((enum gw_condition)event.token));
		}
		event.size = sizeof(event);
	}
	must(r, "gw_event_next");
}

int main(int argc, char **argv)
{
	struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .events = POLLIN } };

	if (argc != 3)
		die("usage: path_news SOCKET ADDRESS");
	open_flow(argv[1], argv[2]);
	wait_until_known();
	fds[1].fd = gw_event_fd(gw);
	ask(GW_CONDITION_CONGESTED);
	do {
		must_call(poll(fds, 2, -1), "poll");
		take_events();
	} while (!fds[0].revents);
	gw_close(gw);
	return 0;
}
