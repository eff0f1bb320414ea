/* SPDX-License-Identifier: MIT */
/*
 * qos_many.c: many QoS sockets in one process, and one that begins and ends its QoS many times: what they cost, and what
 * is left of them.
 *
 *     qos_many many COUNT NEAR SOCKET FAR SOCKET ADDRESS ADDRESS DEVICE PID
 *     qos_many toggle COUNT NEAR SOCKET FAR SOCKET ADDRESS ADDRESS DEVICE PID
 *
 * NEAR and FAR are network namespaces with the sockets of their daemons, then their addresses, the device of FAR at the
 * end of the cable, and the process of the daemon of NEAR.
 */
#include <greenwave.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "measure.h"
#include "qos_far.h"
#include "qos_socket.h"
#include "rsvp_wire.h"

#define KILLED_PORT 10000 /* of the first socket; those of another process have others */
#define EXITING_PORT 30000
#define TOGGLED_PORT 5000
#define PATIENCE_MS 20000
#define ROUNDS 3
#define SETTLE_US 1500000 /* tears go out twice, half a second apart */

struct scene {
	size_t count;
	const char *near, *near_daemon;
	const char *near_address, *far_address;
	pid_t daemon;
	struct gw *gw; /* looks at the near daemon's books */
	int wire;
};

static struct scene scene;

static void pause_us(unsigned us)
{
	const struct timespec pause = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&pause, NULL);
}

/* ---- books ---- */

static uint64_t resident_bytes(pid_t pid)
{
	char path[64], line[128];
	uint64_t pages = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof(line), file) || sscanf(line, "%*u %" SCNu64, &pages) != 1)
		die("%s cannot be read", path);
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int count_one(const struct gw_rsvp_record *record, void *user_data)
{
	(void)record;
	++*(uint64_t *)user_data;
	return 0;
}

/* Flows, entries in the kernel, and all that is signalled. */
static uint64_t things_left(void)
{
	struct gw_status status = { .size = sizeof(status) };
	uint64_t signalled = 0;

	must(gw_status(scene.gw, &status), "gw_status");
	must(gw_rsvp_list(scene.gw,
			  GW_RSVP_KIND_BIT(GW_RSVP_SESSION) | GW_RSVP_KIND_BIT(GW_RSVP_SENDER) |
				  GW_RSVP_KIND_BIT(GW_RSVP_RESERVATION),
			  count_one, &signalled),
	     "gw_rsvp_list");
	return status.flows + status.kernel_entries + signalled;
}

static void wait_for_no_flows(void)
{
	struct gw_status status = { .size = sizeof(status) };

	do {
		pause_us(200);
		must(gw_status(scene.gw, &status), "gw_status");
	} while (status.flows > 0);
}

static double since_ms(uint64_t begin)
{
	return (double)(wall_ns() - begin) / 1e6;
}

/* ---- many sockets ---- */

static void open_all(uint16_t port, struct series *us)
{
	for (size_t i = 0; i < scene.count; i++) {
		const struct sockaddr_in near =
			ipv4_address(scene.near_address, (uint16_t)(port + i));
		const struct sockaddr_in far =
			ipv4_address(scene.far_address, (uint16_t)(port + i));
		SOCKET s = qos_socket_open(&near, &far);
		uint64_t begin = wall_ns();

		qos_socket_set(s, SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD,
			       QOS_FAR_RATE);
		series_add(us, (double)(wall_ns() - begin) / 1000);
	}
}

/* Ends when it is told to, as programs do: the kernel closes the sockets, and the daemon finds out. */
static _Noreturn void live(uint16_t port, int tell, int wait)
{
	struct series us = { 0 };
	uint64_t before, begin;
	char end;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	raise_descriptor_limit();
	enter_namespace(scene.near);
	qos_start(scene.near_daemon);
	before = resident_bytes(getpid());
	begin = wall_ns();
	open_all(port, &us);
	if (port == KILLED_PORT) {
		report_count("many-open", "ms", (uint64_t)since_ms(begin));
		report("many-set", "us", &us, NULL);
		report_count("many-application", "bytes",
			     (resident_bytes(getpid()) - before) / scene.count);
	}
	must_call((int)write(tell, "", 1), "write");
	must_call((int)read(wait, &end, 1), "read");
	_exit(0);
}

/* From `begin` to the last of the first PathTears, one for each socket. */
static double wait_for_tears(uint16_t port)
{
	bool *torn = calloc(scene.count, sizeof(*torn));
	size_t missing = scene.count;
	struct timespec now;
	uint64_t begin_ns;

	if (!torn)
		die("out of memory");
	clock_gettime(CLOCK_REALTIME, &now);
	begin_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	for (;;) {
		struct wire_message message;
		size_t i;

		if (!wire_next(scene.wire, PATIENCE_MS, &message))
			die("%zu of %zu sockets are not torn down", missing, scene.count);
		i = (size_t)message.port - port;
		if (message.kind != WIRE_PATH_TEAR || i >= scene.count || torn[i])
			continue;
		torn[i] = true;
		if (--missing == 0) {
			free(torn);
			return (double)(message.stamp_ns - begin_ns) / 1e6;
		}
	}
}

static void measure_end(uint16_t port, const char *id, bool killed)
{
	int told[2], ended[2];
	uint64_t before;
	pid_t pid;
	char begun;

	must_call(pipe(told), "pipe");
	must_call(pipe(ended), "pipe");
	before = resident_bytes(scene.daemon);
	pid = must_call(fork(), "fork");
	if (pid == 0)
		live(port, told[1], ended[0]);
	must_call((int)read(told[0], &begun, 1), "read");
	if (killed)
		report_count("many-daemon", "bytes",
			     (resident_bytes(scene.daemon) - before) / scene.count);
	if (killed)
		kill(pid, SIGKILL);
	else
		must_call((int)write(ended[1], "", 1), "write");
	report_count(id, "ms", (uint64_t)(wait_for_tears(port) + 0.5));
	waitpid(pid, NULL, 0);
	wait_for_no_flows();
	for (int i = 0; i < 2; i++) {
		close(told[i]);
		close(ended[i]);
	}
}

static void measure_many(void)
{
	uint64_t before = things_left();

	measure_end(KILLED_PORT, "many-killed", true);
	measure_end(EXITING_PORT, "many-exit", false);
	pause_us(SETTLE_US);
	report_count("many-left", "things", things_left() - before);
}

/* ---- toggling ---- */

struct books {
	uint64_t application, daemon, things;
};

static struct books look(void)
{
	pause_us(SETTLE_US);
	return (struct books){ resident_bytes(getpid()), resident_bytes(scene.daemon),
			       things_left() };
}

static void toggle(SOCKET s, struct series *us)
{
	for (size_t i = 0; i < scene.count; i++) {
		uint64_t begin = wall_ns();

		qos_socket_set(s, SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD,
			       QOS_FAR_RATE);
		qos_socket_set(s, SERVICETYPE_NOTRAFFIC, SERVICETYPE_NOTRAFFIC, QOS_FAR_RATE);
		series_add(us, (double)(wall_ns() - begin) / 1000);
	}
}

/* What is lost is lost in each round; what memory has been used at most grows now and then. */
static void take_growth(uint64_t *least, uint64_t before, uint64_t after)
{
	uint64_t growth = after > before ? after - before : 0;

	if (growth < *least)
		*least = growth;
}

static void measure_toggling(void)
{
	const struct sockaddr_in near = ipv4_address(scene.near_address, TOGGLED_PORT);
	const struct sockaddr_in far = ipv4_address(scene.far_address, TOGGLED_PORT);
	struct books least = { UINT64_MAX, UINT64_MAX, UINT64_MAX }, before, after;
	struct series us = { 0 };
	SOCKET s;

	qos_far_begin(&near, &far);
	enter_namespace(scene.near);
	qos_start(scene.near_daemon);
	s = qos_socket_open(&near, &far);
	for (size_t i = 0; i < ROUNDS * scene.count; i++)
		series_add(&us, 0); /* room for the figures is no growth */
	us.count = 0;
	before = look();
	for (int round = 0; round < ROUNDS; round++) {
		toggle(s, &us);
		after = look();
		take_growth(&least.application, before.application, after.application);
		take_growth(&least.daemon, before.daemon, after.daemon);
		take_growth(&least.things, before.things, after.things);
		before = after;
	}
	report("toggle", "us", &us, NULL);
	report_count("toggle-application", "bytes", least.application);
	report_count("toggle-daemon", "bytes", least.daemon);
	report_count("toggle-left", "things", least.things);
	closesocket(s);
}

int main(int argc, char **argv)
{
	if (argc != 11)
		die("usage: qos_many many|toggle COUNT NEAR SOCKET FAR SOCKET ADDRESS ADDRESS DEVICE PID");
	scene = (struct scene){ .count = strtoul(argv[2], NULL, 10),
				.near = argv[3],
				.near_daemon = argv[4],
				.near_address = argv[7],
				.far_address = argv[8],
				.daemon = (pid_t)strtol(argv[10], NULL, 10) };
	scene.wire = wire_open(argv[5], argv[9]);
	qos_far_open(argv[5], argv[6]);
	enter_namespace(scene.near);
	scene.gw = daemon_open(scene.near_daemon);
	enter_namespace("-");
	if (strcmp(argv[1], "many") == 0)
		measure_many();
	else
		measure_toggling();
	gw_close(scene.gw);
	return EXIT_SUCCESS;
}
