/* SPDX-License-Identifier: MIT */
/*
 * capture.c: TOS bytes of TCP packets, which no socket option shows, from a raw socket.
 */
#include <errno.h>
#include <netinet/ip.h>
#include <poll.h>
#include <string.h>

#include "conformance.h"

#define ARRIVAL_MS 10000

struct capture new_capture(in_port_t port, bool from)
{
	struct capture capture = { socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP), port,
				   from };

	if (capture.fd < 0 && (errno == EPERM || errno == EACCES))
		item_skip("raw sockets are not permitted");
	keep(capture.fd);
	return capture;
}

static bool is_of_kind(const struct tcphdr *tcp, size_t payload, enum capture_kind kind)
{
	switch (kind) {
	case CAPTURE_SYN:
		return tcp->syn;
	case CAPTURE_ACK:
		return tcp->ack && !tcp->syn && !tcp->fin && !tcp->rst && payload == 0;
	case CAPTURE_DATA:
		return payload > 0;
	}
	return false;
}

int captured_byte(struct capture *capture, enum capture_kind kind)
{
	struct pollfd readable = { .fd = capture->fd, .events = POLLIN };
	unsigned char packet[65536];

	while (poll(&readable, 1, ARRIVAL_MS) == 1) {
		ssize_t n = recv(capture->fd, packet, sizeof(packet), 0);
		struct iphdr ip;
		struct tcphdr tcp;
		size_t headers;

		CHECK(n >= (ssize_t)(sizeof(ip) + sizeof(tcp)));
		memcpy(&ip, packet, sizeof(ip));
		memcpy(&tcp, packet + 4 * ip.ihl, sizeof(tcp));
		headers = 4u * ip.ihl + 4u * tcp.doff;
		if ((capture->from ? tcp.source : tcp.dest) == capture->port &&
		    is_of_kind(&tcp, (size_t)n - headers, kind))
			return ip.tos;
	}
	item_failed(__FILE__, __LINE__, "no such packet was seen");
}
