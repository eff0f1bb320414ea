/* SPDX-License-Identifier: MIT */
/*
 * qos_ends.c: from the end of a QoS socket to its tear on the wire. Two hosts, each with a daemon; a socket at the near
 * one sends and receives, and what it does in both directions is reserved. Then it ends in one of several ways, and the
 * time is that of the packet on the cable, stamped by the kernel: of the last, if there are two.
 *
 *     qos_ends COUNT KILLS NEAR SOCKET FAR SOCKET ADDRESS ADDRESS DEVICE
 *
 * NEAR and FAR are network namespaces with the sockets of their daemons, then their addresses, and the device of FAR at
 * the end of the cable.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "measure.h"
#include "qos_far.h"
#include "qos_socket.h"
#include "rsvp_wire.h"

#define FIRST_PORT 2000
#define PATIENCE_MS 5000
#define WARM_UP 5

struct scene {
	const char *near, *near_daemon;
	const char *near_address, *far_address;
	int wire;
	uint16_t port; /* of both ends; another one each time, as tears go out twice */
};

static struct scene scene;

static uint64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the cable ---- */

/* Until each of these kinds has come of the present port; when the last one did. */
static uint64_t wait_for(const unsigned *kinds, size_t n)
{
	unsigned missing = (1u << n) - 1;
	struct wire_message message;

	for (;;) {
		if (!wire_next(scene.wire, PATIENCE_MS, &message))
			die("what should go over the cable does not: port %u", scene.port);
		if (message.port != scene.port)
			continue;
		for (size_t i = 0; i < n; i++) {
			/* Path and Resv of either end; tears of the near one, which do not leave here. */
			if (message.kind == kinds[i] &&
			    (kinds[i] < WIRE_PATH_TEAR || !message.leaves))
				missing &= ~(1u << i);
		}
		if (missing == 0)
			return message.stamp_ns;
	}
}

/* Both ends know that both directions are reserved when both Resv have passed. */
static void wait_until_reserved(uint32_t near)
{
	struct wire_message message;
	bool there = false, back = false;

	while (!there || !back) {
		if (!wire_next(scene.wire, PATIENCE_MS, &message))
			die("nothing is reserved: port %u", scene.port);
		if (message.port == scene.port && message.kind == WIRE_RESV) {
			there = there || message.address != near;
			back = back || message.address == near;
		}
	}
}

/* ---- the near end ---- */

static SOCKET begin_near(const struct sockaddr_in *near, const struct sockaddr_in *far)
{
	SOCKET s = qos_socket_open(near, far);

	qos_socket_set(s, SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD, QOS_FAR_RATE);
	return s;
}

static void do_closesocket(SOCKET s)
{
	closesocket(s);
}

static void do_close(SOCKET s)
{
	close((int)s);
}

static void do_shutdown_send(SOCKET s)
{
	shutdown((int)s, SD_SEND);
}

static void do_shutdown_receive(SOCKET s)
{
	shutdown((int)s, SD_RECEIVE);
}

static void do_disconnect(SOCKET s)
{
	WSAConnect(s, NULL, 0, NULL, NULL, NULL, NULL);
}

static void do_no_traffic(SOCKET s)
{
	qos_socket_set(s, SERVICETYPE_NOTRAFFIC, SERVICETYPE_NOTRAFFIC, QOS_FAR_RATE);
}

/* What an application's own packet takes. */
static void do_send(SOCKET s)
{
	send((int)s, "", 1, 0);
}

static const struct ending {
	const char *id;
	void (*end)(SOCKET s);
	unsigned messages[2];
	size_t n_messages;
} endings[] = {
	{ "datagram", do_send, { WIRE_DATAGRAM }, 1 },
	{ "closesocket", do_closesocket, { WIRE_PATH_TEAR, WIRE_RESV_TEAR }, 2 },
	{ "close", do_close, { WIRE_PATH_TEAR, WIRE_RESV_TEAR }, 2 },
	{ "shutdown-send", do_shutdown_send, { WIRE_PATH_TEAR }, 1 },
	{ "shutdown-receive", do_shutdown_receive, { WIRE_RESV_TEAR }, 1 },
	{ "disconnect", do_disconnect, { WIRE_PATH_TEAR, WIRE_RESV_TEAR }, 2 },
	{ "no-traffic", do_no_traffic, { WIRE_PATH_TEAR, WIRE_RESV_TEAR }, 2 },
};
#define N_ENDINGS (sizeof(endings) / sizeof(endings[0]))

static double end_us(const struct ending *ending)
{
	const struct sockaddr_in near = ipv4_address(scene.near_address, ++scene.port);
	const struct sockaddr_in far = ipv4_address(scene.far_address, scene.port);
	struct qos_far far_end = qos_far_begin(&near, &far);
	SOCKET s = begin_near(&near, &far);
	uint64_t begin;
	double us;

	wait_until_reserved(near.sin_addr.s_addr);
	begin = real_ns();
	ending->end(s);
	us = (double)(wait_for(ending->messages, ending->n_messages) - begin) / 1000;
	if (ending->end != do_closesocket && ending->end != do_close)
		closesocket(s);
	qos_far_end(&far_end);
	return us;
}

/* They take turns, so that all of them have the machine as it is. */
static void measure_endings(size_t count)
{
	struct series us[N_ENDINGS] = { 0 };

	enter_namespace(scene.near);
	qos_start(scene.near_daemon);
	for (size_t round = 0; round < count + WARM_UP; round++) {
		for (size_t i = 0; i < N_ENDINGS; i++) {
			double one_us = end_us(&endings[i]);

			if (round >= WARM_UP)
				series_add(&us[i], one_us);
		}
	}
	for (size_t i = 0; i < N_ENDINGS; i++)
		report(endings[i].id, "us", &us[i], NULL);
}

/* ---- kill -9 ---- */

static _Noreturn void live(const struct sockaddr_in *near, const struct sockaddr_in *far)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_namespace(scene.near);
	qos_start(scene.near_daemon);
	begin_near(near, far);
	pause();
	_exit(0);
}

static double kill_us(void)
{
	static const unsigned tears[] = { WIRE_PATH_TEAR, WIRE_RESV_TEAR };
	const struct sockaddr_in near = ipv4_address(scene.near_address, ++scene.port);
	const struct sockaddr_in far = ipv4_address(scene.far_address, scene.port);
	struct qos_far far_end = qos_far_begin(&near, &far);
	pid_t pid = must_call(fork(), "fork");
	uint64_t begin;
	double us;

	if (pid == 0)
		live(&near, &far);
	wait_until_reserved(near.sin_addr.s_addr);
	begin = real_ns();
	kill(pid, SIGKILL);
	us = (double)(wait_for(tears, 2) - begin) / 1000;
	waitpid(pid, NULL, 0);
	qos_far_end(&far_end);
	return us;
}

static void measure_kills(size_t count)
{
	struct series us = { 0 };

	for (size_t i = 0; i < count; i++)
		series_add(&us, kill_us());
	report("kill", "us", &us, NULL);
}

int main(int argc, char **argv)
{
	if (argc != 10)
		die("usage: qos_ends COUNT KILLS NEAR SOCKET FAR SOCKET ADDRESS ADDRESS DEVICE");
	scene = (struct scene){ .near = argv[3],
				.near_daemon = argv[4],
				.near_address = argv[7],
				.far_address = argv[8],
				.port = FIRST_PORT };
	scene.wire = wire_open(argv[5], argv[9]);
	qos_far_open(argv[5], argv[6]);
	/* These first: their processes have a provider of their own. */
	measure_kills(strtoul(argv[2], NULL, 10));
	measure_endings(strtoul(argv[1], NULL, 10));
	return EXIT_SUCCESS;
}
