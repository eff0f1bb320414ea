/* SPDX-License-Identifier: MIT */
/*
 * probe_agent.c: a host that measures paths, with nothing around it: commands on standard input are calls of the
 * engine's table, answers and what happens are objects on standard output, one a line.
 *
 *     probe_agent [sink] [initiator] [frames]
 *
 *     open NAME ADDRESS INTERFACE [far]     users NAME TRACKERS FLOWS     refresh NAME     info NAME     close NAME
 *     admit NAME CURRENT WANTED TOKEN     forget NAME TOKEN     socket NAME PORT ADDRESS PORT     facts     end
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <inttypes.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "host/probe/frames.h"
#include "host/probe/measurer.h"

#define PATHS 32
#define NAME_LEN 16

/* The engine's side of a path. */
struct flow_path {
	char name[NAME_LEN];
	struct measured *measured;
};

static struct event_base *base;
static struct measurer *measurer;
static struct flow_path paths[PATHS];

static const struct measuring *calls(void)
{
	return measurer_table(measurer);
}

/* ---- what happens ---- */

static void on_event(void *user_data, struct flow_path *path, enum measuring_event event,
		     uint64_t now_us)
{
	static const char *const names[] = { "state",	 "measured",  "refreshed",
					     "priority", "supported", "unsupported" };
	static const char *const states[] = { "unknown", "uncongested", "congested" };

	(void)user_data;
	printf("{\"event\": \"%s\", \"path\": \"%s\", \"state\": \"%s\", \"time\": %" PRIu64 "}\n",
	       names[event], path->name, states[calls()->state(calls()->user_data, path->measured)],
	       now_us);
}

static void on_admitted(void *user_data, struct flow_path *path, uint64_t token, int status,
			uint64_t now_us)
{
	(void)user_data;
	(void)now_us;
	printf("{\"event\": \"admitted\", \"path\": \"%s\", \"token\": %" PRIu64
	       ", \"status\": %d}\n",
	       path->name, token, status);
}

static void on_trouble(void *user_data, const char *what)
{
	(void)user_data;
	printf("{\"event\": \"trouble\", \"what\": \"%s\"}\n", what);
}

/* ---- commands ---- */

static void answer(int status)
{
	printf("{\"status\": %d}\n", status);
}

static struct flow_path *find(const char *name)
{
	for (unsigned i = 0; i < PATHS; i++)
		if (strcmp(paths[i].name, name) == 0)
			return &paths[i];
	fprintf(stderr, "no path %s\n", name);
	exit(2);
}

static struct address parse(const char *text, unsigned port, uint32_t ifindex)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)port),
				     .sin6_scope_id = ifindex };
	struct address address = { 0 };

	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1)
		address_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &address);
	else if (inet_pton(AF_INET6, text, &sin6.sin6_addr) == 1)
		address_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &address);
	return address;
}

static void open_path(const char *name, const char *text, const char *device, bool far)
{
	struct measuring_target target = { .ifindex = if_nametoindex(device), .on_link = !far };
	struct flow_path *path = find("");
	int r;

	target.destination = parse(text, 0, target.ifindex);
	snprintf(path->name, sizeof(path->name), "%s", name);
	r = calls()->open(calls()->user_data, &target, path, &path->measured, time_now_us());
	if (r < 0)
		path->name[0] = '\0';
	answer(r);
}

static void close_path(struct flow_path *path)
{
	calls()->close(calls()->user_data, path->measured, time_now_us());
	path->name[0] = '\0';
	answer(0);
}

static void tell_info(const struct flow_path *path)
{
	struct gw_path_info info = { .size = sizeof(info) };
	int r = calls()->fundamentals(calls()->user_data, path->measured, &info, time_now_us());

	printf("{\"status\": %d, \"capacity\": %" PRIu64 ", \"available\": %" PRId64
	       ", \"rtt_us\": %u, \"may_tag\": %d}\n",
	       r, info.capacity_bps, info.available_known ? (int64_t)info.available_bps : -1,
	       info.rtt_us, calls()->may_tag(calls()->user_data, path->measured));
}

/* A TCP connection of some other program here, by its addresses; its cookie is the number before them. */
static void add_socket(struct flow_path *path, uint64_t cookie, const char *local,
		       unsigned local_port, const char *peer, unsigned peer_port)
{
	struct measuring_socket socket = { .cookie = cookie, .protocol = IPPROTO_TCP };

	socket.local = parse(local, local_port, 0);
	socket.peer = parse(peer, peer_port, 0);
	socket.family = socket.local.family;
	answer(calls()->add_socket(calls()->user_data, path->measured, &socket));
}

static bool first_fact;

static void visit(const struct msg_fact *fact, void *visit_data)
{
	(void)visit_data;
	printf("%s\"%s\": [\"%s\", \"%s\"]", first_fact ? "" : ", ", fact->name, fact->value,
	       fact->note);
	first_fact = false;
}

static void tell_facts(void)
{
	first_fact = true;
	printf("{");
	const struct fact_visitor visitor = { .visit = visit };

	measurer_facts(measurer, &visitor);
	printf("}\n");
}

static void obey(const char *line)
{
	char name[NAME_LEN], text[64], other[64];
	uint64_t a, b, token;
	unsigned x, y;

	if (sscanf(line, "open %15s %63s %63s", name, text, other) == 3)
		open_path(name, text, other, strstr(line, " far"));
	else if (sscanf(line, "close %15s", name) == 1)
		close_path(find(name));
	else if (sscanf(line, "users %15s %u %u", name, &x, &y) == 3)
		calls()->set_users(calls()->user_data, find(name)->measured, x, y, time_now_us()),
			answer(0);
	else if (sscanf(line, "refresh %15s", name) == 1)
		answer(calls()->refresh(calls()->user_data, find(name)->measured, time_now_us()));
	else if (sscanf(line, "info %15s", name) == 1)
		tell_info(find(name));
	else if (sscanf(line, "admit %15s %" SCNu64 " %" SCNu64 " %" SCNu64, name, &a, &b,
			&token) == 4)
		answer(calls()->admit(calls()->user_data, find(name)->measured,
				      &(struct measuring_wish){ a, b, token }, time_now_us()));
	else if (sscanf(line, "forget %15s %" SCNu64, name, &token) == 2)
		calls()->forget_wish(calls()->user_data, find(name)->measured, token), answer(0);
	else if (sscanf(line, "socket %15s %" SCNu64 " %63s %u %63s %u", name, &token, text, &x,
			other, &y) == 6)
		add_socket(find(name), token, text, x, other, y);
	else if (strncmp(line, "facts", 5) == 0)
		tell_facts();
	else
		event_base_loopbreak(base);
}

/* Commands come one at a time, each after the answer to the one before. */
static void on_command(evutil_socket_t fd, short what, void *user_data)
{
	char line[256];
	ssize_t n = read(fd, line, sizeof(line) - 1);

	(void)what;
	(void)user_data;
	line[n > 0 ? n : 0] = '\0';
	obey(line);
}

int main(int argc, char **argv)
{
	struct measurer_options options = { .frames_fd = -1,
					    .event = on_event,
					    .admitted = on_admitted,
					    .on_trouble = on_trouble };
	struct event *commands;
	int r;

	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	base = options.base = event_base_new();
	prober_config_default(&options.config);
	options.config.sink = options.config.initiator = false;
	for (int i = 1; i < argc; i++) {
		options.config.sink |= strcmp(argv[i], "sink") == 0;
		options.config.initiator |= strcmp(argv[i], "initiator") == 0;
		if (strcmp(argv[i], "frames") == 0 && frames_open(&options.frames_fd) < 0)
			return 3;
	}
	r = measurer_new(&options, &measurer);
	answer(r);
	if (r < 0)
		return EXIT_FAILURE;
	commands = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_command, NULL);
	event_add(commands, NULL);
	event_base_dispatch(base);
	event_free(commands);
	measurer_free(measurer);
	event_base_free(base);
	if (options.frames_fd >= 0)
		close(options.frames_fd);
	return EXIT_SUCCESS;
}
