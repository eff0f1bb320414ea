/* SPDX-License-Identifier: MIT */
/*
 * gqos_ask.h: what words ask for of the QoS of a socket, as the calls of Winsock take it.
 *
 *	SERVICE RATE SERVICE RATE [to ADDRESS PORT] [style S] [confirm] [from ADDRESS PORT]... [sends-as NAME]
 *		[receives-as NAME]
 *
 * First what is sent, then what is received. A service is the number of its type with its flags, a rate bytes a second;
 * 0: not specified. `from` names a sender of a style that lists them; a name is that of the application (policy).
 */
#ifndef GW_TESTS_GQOS_ASK_H
#define GW_TESTS_GQOS_ASK_H

#include <winsock2.h>
#include <qospol.h>
#include <qossp.h>

#define ASK_SENDERS 8

struct ask_policy {
	union {
		RSVP_POLICY_INFO info;
		unsigned char room[128];
	};
};

/* What `qos` and its objects point to is in here: it must stay where it is. */
struct ask {
	QOS qos;
	unsigned char objects[512];
	struct sockaddr_storage destination;
	struct ask_policy receiver;
	RSVP_FILTERSPEC filters[ASK_SENDERS];
	FLOWDESCRIPTOR flows[ASK_SENDERS];
};

/* The address that words name; its length. */
socklen_t ask_address(const char *host, const char *port, struct sockaddr_storage *ret_address);

/* Words that make no sense end the program. */
void ask_read(struct ask *ret_ask, char **words, int n);

#endif
