/* SPDX-License-Identifier: MIT */
/* qos_socket.h: QoS sockets of Winsock, for the programs that measure them. All of it ends the program on failure. */
#ifndef GW_BENCH_QOS_SOCKET_H
#define GW_BENCH_QOS_SOCKET_H

#include <winsock2.h>

/* The daemon that this process asks, by the path of its socket; before anything else, and once. */
void qos_start(const char *daemon_socket);

/* Of UDP, bound and connected: an address that is NULL is left to the kernel, or to nobody. */
SOCKET qos_socket_open(const struct sockaddr_in *local, const struct sockaddr_in *peer);

/* Asks for types of service; what is sent, at that many bytes a second. */
void qos_socket_set(SOCKET s, SERVICETYPE sending, SERVICETYPE receiving, ULONG rate);

#endif
