/* SPDX-License-Identifier: MIT */
/*
 * sockets.h: real sockets and links for tests, and running a program's tests once more as nobody.
 */
#ifndef GW_TESTS_SOCKETS_H
#define GW_TESTS_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

/* Skips the running test if `family` is AF_INET6 and loopback has none. */
void need_family(int family);

/* A UDP socket, bound to loopback and a port of its choice. Its peer, if it has one, is a port where nobody listens. */
int udp_bound(int family);
int udp_connected(int family); /* the kernel has chosen its port */
int udp_bound_connected(int family);
void udp_connect(int fd, int family);

/* Sends the datagram that makes the kernel choose a port. */
void udp_send(int fd, int family);

/* Both ends of a connection over loopback. */
void tcp_pair(int family, int *ret_client, int *ret_server);

void disconnect(int fd);

/*
 * Whether the kernel calls a link of this network namespace running within that time. It says so up to a second after
 * both ends of a cable are up, by its own choice, and may drop what is sent before.
 */
bool link_is_running(const char *name, unsigned timeout_s);

uint64_t cookie_of(int fd);

/* `run` here, and if we are root in a child that is nobody. Nonzero if either failed. */
int run_also_as_nobody(int (*run)(void));

#endif
