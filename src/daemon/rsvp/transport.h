/* SPDX-License-Identifier: MIT */
/*
 * transport.h: RSVP messages on the wire (spec/rsvp.md §2): one raw socket of IP protocol 46 for each family, which
 * also gets what passes through with the router alert, and, if asked for, one of UDP port 1698.
 *
 * A packet that nobody has to understand stays one: whatever it is, it is a message with how it arrived, or it is
 * counted as malformed.
 */
#ifndef GW_DAEMON_RSVP_TRANSPORT_H
#define GW_DAEMON_RSVP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "rsvp/rsvp.h"

enum transport_socket {
	TRANSPORT_RAW4,
	TRANSPORT_RAW6,
	TRANSPORT_ALERT6, /* what passes through: Linux gives it to sockets of no protocol, whole */
	TRANSPORT_UDP4,
	TRANSPORT_UDP6,
};
#define TRANSPORT_SOCKETS 5

/* Without `destination_is_local` of the arrival, which depends on more than the packet. */
struct transport_message {
	struct rsvp_arrival arrival;
	const uint8_t *data; /* of RSVP */
	size_t len;
	uint8_t tos;
	/* As they were: IPv4 options, or the hop-by-hop header. */
	const uint8_t *options;
	size_t options_len;
};

struct transport;

/* -EPERM without CAP_NET_RAW. A host without IPv6 does without. */
int transport_new(struct transport **ret_transport);
struct transport *transport_free(struct transport *transport);

/* -1: there is none. */
int transport_fd(const struct transport *transport, enum transport_socket socket);

/* Opens or closes the port of UDP. -EADDRINUSE: somebody else has it. */
int transport_set_udp(struct transport *transport, bool on);

/* The mark of all that is sent; 0 to 63. */
void transport_set_dscp(struct transport *transport, uint8_t dscp);

/* The priority of packets sent from now on: their place in the queue of the link. */
#define TRANSPORT_PRIORITY_USUAL 7 /* with those that keep a network alive */
void transport_set_priority(struct transport *transport, uint32_t priority);

/* The group that RSVP's own messages to a link are sent to: 224.0.0.14, ff02::e. */
struct address transport_group(int family);

/*
 * What is sent to the group on the interface arrives. It may be joined several times, and is left after as many.
 * -ENOBUFS: too many.
 */
int transport_join(struct transport *transport, const struct address *group, uint32_t ifindex);
void transport_leave(struct transport *transport, const struct address *group, uint32_t ifindex);
bool transport_is_member(const struct transport *transport, const struct address *group,
			 uint32_t ifindex);

/* Gives what has arrived to `take`, at most so many messages; true: there may be more. */
bool transport_receive(struct transport *transport, enum transport_socket socket, unsigned most,
		       void (*take)(void *user_data, const struct transport_message *message),
		       void *user_data);

/* 0, or why it could not leave. */
int transport_send(struct transport *transport, const struct rsvp_packet *packet);

/* As a router would have: one TTL less, and all else as it was. -ETIME: it has come to its end. */
int transport_forward(struct transport *transport, const struct transport_message *message);

struct transport_counters {
	uint64_t received, malformed, sent, failed, forwarded;
};
const struct transport_counters *transport_counters(const struct transport *transport);

/*
 * The message in an IPv4 packet as a raw socket gives it; that in what an IPv6 socket gives, a packet or what is
 * in it, with `hop_by_hop` as it was told beside (or NULL). -EBADMSG: there is none.
 */
int transport_parse4(const uint8_t *packet, size_t len, struct transport_message *ret_message);
int transport_parse6(const uint8_t *packet, size_t len, const uint8_t *hop_by_hop,
		     size_t hop_by_hop_len, struct transport_message *message);

#endif
