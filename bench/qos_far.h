/* SPDX-License-Identifier: MIT */
/* qos_far.h: the other end of a QoS socket's sessions, at a daemon of its own: it reserves, and sends. */
#ifndef GW_BENCH_QOS_FAR_H
#define GW_BENCH_QOS_FAR_H

#include <netinet/in.h>
#include <stdint.h>

#define QOS_FAR_RATE 8000 /* bytes a second, that the socket is to send */

struct qos_far {
	uint32_t receives, sends; /* sessions */
};

/* Opens a handle at a daemon; there is one. All of these end the program on failure. */
void qos_far_open(const char *namespace, const char *daemon_socket);

/* Reserves what `near` will send to `far`, and offers the same back. */
struct qos_far qos_far_begin(const struct sockaddr_in *near, const struct sockaddr_in *far);
void qos_far_end(const struct qos_far *far);

#endif
