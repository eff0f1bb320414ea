/* SPDX-License-Identifier: MIT */
/* rsvp_wire.c: see rsvp_wire.h. */
#include "rsvp_wire.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "measure.h"

#define BUFFER_BYTES (64 << 20)
#define SNAP_BYTES 512
#define PROTOCOL_OFFSET 9
#define DESTINATION_OFFSET 16
#define RSVP_PROTOCOL 46
#define COMMON_HEADER_BYTES 8
#define SESSION 0x0101 /* class 1, IPv4 */

int wire_open(const char *namespace, const char *device)
{
	/* Only who listens to everything hears what leaves. */
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	const int yes = 1, room = BUFFER_BYTES;
	int fd;

	enter_namespace(namespace);
	at.sll_ifindex = must_call((int)if_nametoindex(device) - 1, device) + 1;
	fd = must_call(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)), "AF_PACKET");
	must_call(bind(fd, (struct sockaddr *)&at, sizeof(at)), device);
	enter_namespace("-");
	must_call(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)),
		  "SO_RCVBUFFORCE");
	must_call(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof(yes)), "SO_TIMESTAMPNS");
	return fd;
}

static uint16_t u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void read_session(const uint8_t *rsvp, size_t len, struct wire_message *message)
{
	for (size_t at = COMMON_HEADER_BYTES; at + 12 <= len && u16(rsvp + at) >= 4;
	     at += u16(rsvp + at)) {
		if (u16(rsvp + at + 2) != SESSION)
			continue;
		memcpy(&message->address, rsvp + at + 4, sizeof(message->address));
		message->port = u16(rsvp + at + 10);
		return;
	}
}

static bool read_packet(const uint8_t *packet, size_t len, struct wire_message *message)
{
	size_t head = (size_t)(packet[0] & 15) * 4;

	if (len < head + COMMON_HEADER_BYTES)
		return false;
	if (packet[PROTOCOL_OFFSET] == IPPROTO_UDP) {
		message->kind = WIRE_DATAGRAM;
		memcpy(&message->address, packet + DESTINATION_OFFSET, sizeof(message->address));
		message->port = u16(packet + head + 2);
		return true;
	}
	message->kind = packet[head + 1];
	read_session(packet + head, len - head, message);
	return packet[PROTOCOL_OFFSET] == RSVP_PROTOCOL;
}

static uint64_t stamp_of(struct msghdr *head)
{
	const struct cmsghdr *item = CMSG_FIRSTHDR(head);
	struct timespec stamp;

	if (!item || item->cmsg_type != SO_TIMESTAMPNS)
		die("a packet came without its time");
	memcpy(&stamp, CMSG_DATA(item), sizeof(stamp));
	return (uint64_t)stamp.tv_sec * 1000000000u + (uint64_t)stamp.tv_nsec;
}

bool wire_next(int wire, int timeout_ms, struct wire_message *ret_message)
{
	struct pollfd readable = { .fd = wire, .events = POLLIN };
	struct sockaddr_ll from;
	uint8_t packet[SNAP_BYTES];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
	} control;

	for (;;) {
		struct iovec iov = { packet, sizeof(packet) };
		struct msghdr head = { .msg_name = &from,
				       .msg_namelen = sizeof(from),
				       .msg_iov = &iov,
				       .msg_iovlen = 1,
				       .msg_control = control.bytes,
				       .msg_controllen = sizeof(control.bytes) };
		ssize_t len = recvmsg(wire, &head, MSG_DONTWAIT);

		if (len < 0) {
			if (timeout_ms == 0 || poll(&readable, 1, timeout_ms) <= 0)
				return false;
			continue;
		}
		*ret_message =
			(struct wire_message){ .leaves = from.sll_pkttype == PACKET_OUTGOING };
		if (from.sll_protocol != htons(ETH_P_IP) || len < 20 ||
		    !read_packet(packet, (size_t)len, ret_message))
			continue;
		ret_message->stamp_ns = stamp_of(&head);
		return true;
	}
}
