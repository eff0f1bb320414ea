/* SPDX-License-Identifier: MIT */
/* parse.c: the RSVP message in an IP packet, and whether it bears the router alert (RFC 2113, RFC 2711). */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include "daemon/rsvp/transport.h"

#define ALERT4_LEN 4
#define ALERT6_LEN 2

static bool has_alert4(const uint8_t *options, size_t len)
{
	for (size_t at = 0; at < len;) {
		if (options[at] == IPOPT_EOL)
			return false;
		if (options[at] == IPOPT_NOP) {
			at++;
			continue;
		}
		if (len - at < 2 || options[at + 1] < 2 || options[at + 1] > len - at)
			return false;
		if (options[at] == IPOPT_RA && options[at + 1] == ALERT4_LEN)
			return true;
		at += options[at + 1];
	}
	return false;
}

/* Of a hop-by-hop header with its two first bytes. */
static bool has_alert6(const uint8_t *header, size_t len)
{
	for (size_t at = 2; at < len;) {
		if (header[at] == IP6OPT_PAD1) {
			at++;
			continue;
		}
		if (len - at < 2 || header[at + 1] > len - at - 2)
			return false;
		if (header[at] == IP6OPT_ROUTER_ALERT && header[at + 1] == ALERT6_LEN)
			return true;
		at += 2 + (size_t)header[at + 1];
	}
	return false;
}

static struct address address4(const uint8_t *bytes)
{
	struct address address = { .family = AF_INET };

	memset(address.addr + 10, 0xff, 2);
	memcpy(address.addr + 12, bytes, 4);
	return address;
}

static struct address address6(const uint8_t *bytes)
{
	struct address address = { .family = AF_INET6 };

	memcpy(address.addr, bytes, 16);
	return address;
}

int transport_parse4(const uint8_t *packet, size_t len, struct transport_message *ret_message)
{
	struct transport_message message = { 0 };
	size_t header_len;

	if (len < sizeof(struct iphdr) || packet[0] >> 4 != 4)
		return -EBADMSG;
	header_len = (size_t)(packet[0] & 0xf) * 4;
	if (header_len < sizeof(struct iphdr) || header_len > len || packet[9] != RSVP_IP_PROTOCOL)
		return -EBADMSG;
	message.options = packet + sizeof(struct iphdr);
	message.options_len = header_len - sizeof(struct iphdr);
	message.tos = packet[1];
	message.arrival.ttl = packet[8];
	message.arrival.source = address4(packet + 12);
	message.arrival.destination = address4(packet + 16);
	message.arrival.router_alert = has_alert4(message.options, message.options_len);
	message.data = packet + header_len;
	message.len = len - header_len;
	*ret_message = message;
	return 0;
}

/* A whole packet, as the kernel gives it when it passes through: its header, and extension headers. */
static int pass_headers6(const uint8_t *packet, size_t len, struct transport_message *message)
{
	uint8_t next;
	size_t at = sizeof(struct ip6_hdr);

	if (len < at)
		return -EBADMSG;
	next = packet[6];
	message->arrival.ttl = packet[7];
	message->tos = (uint8_t)(packet[0] << 4 | packet[1] >> 4);
	message->arrival.source = address6(packet + 8);
	message->arrival.destination = address6(packet + 24);
	while (next != RSVP_IP_PROTOCOL) {
		size_t step;

		if (next != IPPROTO_HOPOPTS && next != IPPROTO_DSTOPTS && next != IPPROTO_ROUTING)
			return -EBADMSG;
		if (len - at < 8)
			return -EBADMSG;
		step = ((size_t)packet[at + 1] + 1) * 8;
		if (step > len - at)
			return -EBADMSG;
		if (next == IPPROTO_HOPOPTS) {
			message->options = packet + at;
			message->options_len = step;
		}
		next = packet[at];
		at += step;
	}
	message->data = packet + at;
	message->len = len - at;
	return 0;
}

int transport_parse6(const uint8_t *packet, size_t len, const uint8_t *hop_by_hop,
		     size_t hop_by_hop_len, struct transport_message *message)
{
	int r = 0;

	message->options = hop_by_hop;
	message->options_len = hop_by_hop ? hop_by_hop_len : 0;
	message->data = packet;
	message->len = len;
	/* RSVP's own version is 1: nothing of it looks like a header of IPv6. */
	if (len > 0 && packet[0] >> 4 == 6)
		r = pass_headers6(packet, len, message);
	if (r < 0)
		return r;
	message->arrival.router_alert = message->options &&
					has_alert6(message->options, message->options_len);
	return 0;
}
