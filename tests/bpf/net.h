/* SPDX-License-Identifier: MIT */
/*
 * net.h: a network namespace of the test's own, and sockets in it that tell which mark arrived.
 * Failures end the running test.
 */
#ifndef GW_TEST_NET_H
#define GW_TEST_NET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/address.h"

/* Moves this process into a new namespace with loopback up. Negative errno: not permitted. */
int net_enter(void);

/* Runs a command, without a shell's output on success; returns its exit status. */
int net_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- Datagrams -------------------------------------------------------------------------------- */

struct ear {
	int fd;
	struct sockaddr_storage address;
	socklen_t len;
};

/*
 * A UDP socket on the loopback address of the family that reports each packet's TOS or traffic
 * class.
 */
void ear_open(struct ear *ear, int family);
void ear_close(struct ear *ear);

/* The mark byte of the next datagram; -1: none came within a second. */
int ear_hear(const struct ear *ear);

/* A UDP socket of the family, connected to the ear or not. */
int mouth_open(int family, const struct ear *ear);
void mouth_say(int fd, const struct ear *ear); /* NULL: connected */

/* Sends and tells what mark arrived. */
int say_and_hear(int fd, const struct ear *ear);

uint64_t socket_cookie(int fd);
struct address ear_address(const struct ear *ear);

/* --- Packets ---------------------------------------------------------------------------------- */

struct sniffed {
	int count;
	int marked; /* of them, with the mark byte asked for (ECN aside) */
};

/* Sees what leaves through the interface. */
int sniffer_open(const char *interface);

/* Counts what was seen so far of this IP protocol and version. */
struct sniffed sniffer_read(int fd, int version, int protocol, uint8_t mark);

#endif
