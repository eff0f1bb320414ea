/* SPDX-License-Identifier: MIT */
/*
 * close_cost.c: from the end of a socket to the end of its marks, and to the daemon's knowing.
 *
 *     close_cost close CLOSES NAMESPACE SOCKET ADDRESS MAP
 *     close_cost queued CLOSES NAMESPACE SOCKET ADDRESS MAP    with packets of the socket still in a queue
 *     close_cost kill KILLS NAMESPACE SOCKET ADDRESS MAP
 *
 * MAP is the pinned table of sockets that the mark program reads: what is not in it is not marked. When the
 * daemon's books are in order is told by its event to a client, so its way here is included. The same
 * ends are measured through the kernel's destroy events, and through the hang-up of a connection.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <greenwave.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "destroy_events.h"
#include "daemon.h"
#include "measure.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

#define PORT 9012
#define PATIENCE_MS 3000
#define QUEUED_PACKETS 100
#define QUEUED_BYTES 1200
#define SEND_BUFFER_BYTES (1 << 20)

struct scene {
	size_t repeat;
	const char *socket_path;
	struct sockaddr_in peer;
	int map;
	struct gw *gw;
};

/* A socket in a flow. */
struct subject {
	int fd;
	uint64_t cookie;
	uint32_t id;
};

static bool is_marked(const struct scene *scene, uint64_t cookie)
{
	char entry[256];

	return bpf_map_lookup_elem(scene->map, &cookie, entry) == 0;
}

static struct subject open_socket(const struct scene *scene)
{
	struct subject subject = { .fd = udp_socket() };
	socklen_t len = sizeof(subject.cookie);

	must_call(connect(subject.fd, (const struct sockaddr *)&scene->peer, sizeof(scene->peer)),
		  "connect");
	must_call(getsockopt(subject.fd, SOL_SOCKET, SO_COOKIE, &subject.cookie, &len),
		  "SO_COOKIE");
	return subject;
}

static struct subject open_flow(const struct scene *scene, struct gw *gw)
{
	const struct gw_flow_options voice = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	struct subject subject = open_socket(scene);

	must(gw_flow_add(gw, subject.fd, NULL, 0, &voice, &subject.id), "gw_flow_add");
	if (!is_marked(scene, subject.cookie))
		die("a flow was added, but its entry is not in the table that was given");
	return subject;
}

static void wait_for_end(struct gw *gw, uint32_t id)
{
	struct gw_event event = { .size = sizeof(event) };

	do {
		if (gw_event_next(gw, PATIENCE_MS, &event) != 1)
			die("the daemon did not tell that flow %u ended", id);
	} while (event.type != GW_EVENT_FLOW_ENDED || event.flow.id != id);
}

static void fill_queue(const struct subject *subject)
{
	static const char payload[QUEUED_BYTES];
	const int room = SEND_BUFFER_BYTES;

	must_call(setsockopt(subject->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)),
		  "SO_SNDBUFFORCE");
	for (int i = 0; i < QUEUED_PACKETS; i++)
		must_call((int)send(subject->fd, payload, sizeof(payload), 0), "send");
}

static double since_us(uint64_t begin)
{
	return (double)(wall_ns() - begin) / 1000;
}

/* ---- close() ---- */

static void measure_closes(const struct scene *scene, bool queued)
{
	struct series call = { 0 }, books = { 0 };
	size_t left = 0;

	for (size_t i = 0; i < scene->repeat; i++) {
		struct subject subject = open_flow(scene, scene->gw);
		uint64_t begin;

		if (queued)
			fill_queue(&subject);
		begin = wall_ns();
		close(subject.fd);
		series_add(&call, since_us(begin));
		left += is_marked(scene, subject.cookie);
		wait_for_end(scene->gw, subject.id);
		series_add(&books, since_us(begin));
	}
	report_count("left", "sockets", left);
	report("call", "us", &call, NULL);
	report("books", "us", &books, NULL);
}

static void measure_bare_closes(const struct scene *scene)
{
	struct series call = { 0 };

	for (size_t i = 0; i < scene->repeat; i++) {
		struct subject subject = open_socket(scene);
		uint64_t begin = wall_ns();

		close(subject.fd);
		series_add(&call, since_us(begin));
	}
	report("bare-call", "us", &call, NULL);
}

static void measure_destroy_events(const struct scene *scene, bool queued)
{
	struct series announced = { 0 };
	int events = destroy_events_open();

	if (events < 0)
		return;
	for (size_t i = 0; i < scene->repeat; i++) {
		struct subject subject = open_socket(scene);
		uint64_t begin;

		if (queued)
			fill_queue(&subject);
		begin = wall_ns();
		close(subject.fd);
		if (!destroy_events_wait(events, subject.cookie, PATIENCE_MS))
			break; /* the kernel has no module that tells of UDP sockets */
		series_add(&announced, since_us(begin));
	}
	close(events);
	if (announced.count > 0)
		report("destroy-event", "us", &announced, NULL);
}

/* ---- kill -9 ---- */

static _Noreturn void live_in_a_flow(const struct scene *scene, int tell)
{
	struct subject subject = open_flow(scene, daemon_open(scene->socket_path));

	must_call((int)write(tell, &subject, sizeof(subject)), "write");
	pause();
	_exit(0);
}

static pid_t start_victim(const struct scene *scene, int tell[2], struct subject *ret_subject)
{
	pid_t pid;

	must_call(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, tell), "socketpair");
	pid = must_call(fork(), "fork");
	if (pid == 0) {
		close(tell[0]);
		live_in_a_flow(scene, tell[1]);
	}
	close(tell[1]);
	if (read(tell[0], ret_subject, sizeof(*ret_subject)) != sizeof(*ret_subject))
		die("the process to be killed did not start");
	return pid;
}

static void end_victim(pid_t pid, const int tell[2])
{
	waitpid(pid, NULL, 0);
	close(tell[0]);
}

static void until_unmarked(const struct scene *scene, const struct subject *subject,
			   int from_victim)
{
	uint64_t begin = wall_ns();

	(void)from_victim;
	while (is_marked(scene, subject->cookie) && since_us(begin) < PATIENCE_MS * 1000.0)
		;
}

static void until_told(const struct scene *scene, const struct subject *subject, int from_victim)
{
	(void)from_victim;
	wait_for_end(scene->gw, subject->id);
}

static void until_hang_up(const struct scene *scene, const struct subject *subject, int from_victim)
{
	char said;

	(void)scene;
	(void)subject;
	if (read(from_victim, &said, sizeof(said)) > 0)
		die("the killed process spoke");
}

static double after_kill_us(const struct scene *scene,
			    void (*until)(const struct scene *scene, const struct subject *subject,
					  int from_victim))
{
	struct subject subject;
	uint64_t begin;
	int tell[2];
	double us;
	pid_t pid = start_victim(scene, tell, &subject);

	begin = wall_ns();
	kill(pid, SIGKILL);
	until(scene, &subject, tell[0]);
	us = since_us(begin);
	end_victim(pid, tell);
	if (until != until_told)
		wait_for_end(scene->gw, subject.id);
	return us;
}

static void measure_kills(const struct scene *scene)
{
	struct series mark = { 0 }, books = { 0 }, hang_up = { 0 };

	must(gw_watch(scene->gw), "gw_watch");
	for (size_t i = 0; i < scene->repeat; i++) {
		series_add(&mark, after_kill_us(scene, until_unmarked));
		series_add(&books, after_kill_us(scene, until_told));
		series_add(&hang_up, after_kill_us(scene, until_hang_up));
	}
	report("mark", "us", &mark, NULL);
	report("books", "us", &books, NULL);
	report("hang-up", "us", &hang_up, NULL);
}

int main(int argc, char **argv)
{
	struct scene scene;

	if (argc != 7)
		die("usage: close_cost close|queued|kill COUNT NAMESPACE SOCKET ADDRESS MAP");
	scene = (struct scene){
		.repeat = strtoul(argv[2], NULL, 10),
		.socket_path = argv[4],
		.peer = ipv4_address(argv[5], PORT),
		.map = must_call(bpf_obj_get(argv[6]), argv[6]),
	};
	enter_namespace(argv[3]);
	scene.gw = daemon_open(scene.socket_path);
	if (strcmp(argv[1], "kill") == 0) {
		measure_kills(&scene);
		return EXIT_SUCCESS;
	}
	measure_closes(&scene, strcmp(argv[1], "queued") == 0);
	measure_bare_closes(&scene);
	measure_destroy_events(&scene, strcmp(argv[1], "queued") == 0);
	return EXIT_SUCCESS;
}
