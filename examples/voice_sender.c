/* SPDX-License-Identifier: MIT */
/*
 * voice_sender.c: a program that sends voice, and asks for quality of service through qos2.h.
 *
 *	voice_sender [-e END] [-n PACKETS] [-i] [-f FD] ADDRESS:PORT[=TYPE]...
 *
 * One socket sends 160 bytes every 20 ms to each destination: PACKETS times before anything is asked for,
 * PACKETS times with each destination in a flow of its TYPE (none: not asked for), and PACKETS times after
 * the flows were ended as END says:
 *
 *	remove   QOSRemoveSocketFromFlow for each flow
 *	handle   QOSCloseHandle: everything that the handle has added
 *	socket   close() of the socket; a new one with the same address goes on sending
 *	none     not at all: it sends until it is killed
 *
 * With -i a line on standard input is waited for before each step. With -f the socket is descriptor FD.
 * Each packet says, in words, in which of the three it was sent, so that a listener can compare its mark.
 */
#include <errno.h>
#include <netdb.h>
#include <qos2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DESTINATIONS_MAX 16
#define PACKET_BYTES 160
#define NOT_ASKED_FOR (-1)

struct destination {
	const char *name;
	struct sockaddr_storage address;
	socklen_t address_len;
	int type; /* QOS_TRAFFIC_TYPE, or NOT_ASKED_FOR */
	QOS_FLOWID flow;
};

static struct destination destinations[DESTINATIONS_MAX];
static int n_destinations;
static int packets = 50;
static bool interactive;
static int fd = -1;
static HANDLE qos;

static void fail(const char *what)
{
	fprintf(stderr, "voice_sender: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void fail_qos(const char *what, const struct destination *d)
{
	fprintf(stderr, "voice_sender: %s%s%s: error %u\n", what, d ? " " : "", d ? d->name : "",
		(unsigned)GetLastError());
	exit(1);
}

/* ---- the command line ---- */

static int parse_type(const char *name)
{
	static const char *const names[] = { "best-effort", "background", "excellent-effort",
					     "audio-video", "voice",	  "control" };

	for (int i = 0; i < 6; i++) {
		if (strcmp(name, names[i]) == 0)
			return i;
	}
	if (strcmp(name, "none") == 0)
		return NOT_ASKED_FOR;
	fprintf(stderr, "voice_sender: %s is no traffic type\n", name);
	exit(2);
}

/* ADDRESS:PORT[=TYPE], an IPv6 address in brackets */
static void parse_destination(char *text)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_DGRAM };
	struct destination *d = &destinations[n_destinations];
	char *type = strchr(text, '='), *port, *host;
	struct addrinfo *found;

	if (type)
		*type++ = '\0';
	d->name = strdup(text);
	d->type = type ? parse_type(type) : QOSTrafficTypeVoice;
	port = strrchr(text, ':');
	if (!port || n_destinations == DESTINATIONS_MAX) {
		fprintf(stderr, "voice_sender: %s is not ADDRESS:PORT, or one too many\n", text);
		exit(2);
	}
	*port++ = '\0';
	host = text[0] == '[' ? text + 1 : text;
	host[strcspn(host, "]")] = '\0';
	if (getaddrinfo(host, port, &hints, &found) != 0) {
		fprintf(stderr, "voice_sender: %s is not ADDRESS:PORT\n", d->name);
		exit(2);
	}
	memcpy(&d->address, found->ai_addr, found->ai_addrlen);
	d->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	n_destinations++;
}

/* ---- sending ---- */

static void send_packets(const char *when, int count)
{
	struct timespec pause = { .tv_nsec = 20000000 };

	for (int i = 0; i < count; i++) {
		for (struct destination *d = destinations; d < destinations + n_destinations; d++) {
			char packet[PACKET_BYTES] = { 0 };

			snprintf(packet, sizeof(packet), "%s %d", when, i);
			/* Nobody may be listening: that is no reason to stop. */
			if (sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&d->address,
				   d->address_len) < 0 &&
			    errno != ECONNREFUSED)
				fail(d->name);
		}
		nanosleep(&pause, NULL);
	}
}

static void step(const char *what)
{
	char line[16];

	puts(what);
	fflush(stdout);
	if (interactive && !fgets(line, sizeof(line), stdin))
		exit(1);
}

/* ---- quality of service ---- */

static void ask(void)
{
	QOS_VERSION version = { 1, 0 };

	if (!QOSCreateHandle(&version, &qos))
		fail_qos("QOSCreateHandle", NULL);
	for (struct destination *d = destinations; d < destinations + n_destinations; d++) {
		if (d->type == NOT_ASKED_FOR)
			continue;
		d->flow = 0; /* a new one */
		if (!QOSAddSocketToFlow(qos, (SOCKET)fd, (PSOCKADDR)&d->address,
					(QOS_TRAFFIC_TYPE)d->type, QOS_NON_ADAPTIVE_FLOW, &d->flow))
			fail_qos("QOSAddSocketToFlow", d);
	}
}

static void end_by_remove(void)
{
	for (struct destination *d = destinations; d < destinations + n_destinations; d++) {
		if (d->flow != 0 && !QOSRemoveSocketFromFlow(qos, (SOCKET)fd, d->flow, 0))
			fail_qos("QOSRemoveSocketFromFlow", d);
	}
}

static void end_by_handle(void)
{
	if (!QOSCloseHandle(qos))
		fail_qos("QOSCloseHandle", NULL);
	qos = NULL;
}

/* The new socket takes the address of the old one: for a rule about addresses they would be the same. */
static void end_by_socket(void)
{
	struct sockaddr_storage local;
	socklen_t local_len = sizeof(local);
	int family;

	if (getsockname(fd, (struct sockaddr *)&local, &local_len) < 0)
		fail("getsockname");
	family = local.ss_family;
	close(fd);
	fd = socket(family, SOCK_DGRAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, local_len) < 0)
		fail("the second socket");
}

static const struct {
	const char *name;
	void (*end)(void);
	const char *call;
} ends[] = {
	{ "remove", end_by_remove, "QOSRemoveSocketFromFlow" },
	{ "handle", end_by_handle, "QOSCloseHandle" },
	{ "socket", end_by_socket, "close" },
	{ "none", NULL, NULL },
};

static int parse_end(const char *name)
{
	for (int i = 0; i < (int)(sizeof(ends) / sizeof(ends[0])); i++) {
		if (strcmp(name, ends[i].name) == 0)
			return i;
	}
	fprintf(stderr, "voice_sender: -e remove, handle, socket or none\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int option, end = 0;

	while ((option = getopt(argc, argv, "e:n:if:")) != -1) {
		switch (option) {
		case 'e':
			end = parse_end(optarg);
			break;
		case 'n':
			packets = atoi(optarg);
			break;
		case 'i':
			interactive = true;
			break;
		case 'f':
			fd = atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	while (optind < argc)
		parse_destination(argv[optind++]);
	if (n_destinations == 0) {
		fprintf(stderr, "usage: voice_sender [-e END] [-n PACKETS] [-i] [-f FD] "
				"ADDRESS:PORT[=TYPE]...\n");
		return 2;
	}
	if (fd < 0)
		fd = socket(destinations[0].address.ss_family, SOCK_DGRAM, 0);
	if (fd < 0)
		fail("socket");

	step("before QOSAddSocketToFlow");
	send_packets("before", packets);
	ask();
	step("QOSAddSocketToFlow");
	send_packets("during", packets);
	while (!ends[end].end)
		send_packets("during", packets);
	step(ends[end].call);
	ends[end].end();
	send_packets("after", packets);
	return 0;
}
