/* SPDX-License-Identifier: MIT */
/*
 * rsvp_pcap.c: writes RSVP messages of every kind to standard output as a capture, each in an IP packet, for
 * another program to judge.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "../unit/rsvp_messages.h"
#include "rsvp/object.h"

#define LINKTYPE_RAW 101
#define IP4_HEADER_LEN 20
#define IP6_HEADER_LEN 40

/* The header of a capture and those of its packets are in the machine's own byte order. */
static void write_words(const uint32_t *words, size_t n)
{
	fwrite(words, sizeof(*words), n, stdout);
}

static size_t put_ip4(uint8_t *packet, size_t len)
{
	static const uint8_t addresses[] = { 192, 0, 2, 1, 192, 0, 2, 99 };

	packet[0] = 0x45;
	put16(packet + 2, (uint16_t)(IP4_HEADER_LEN + len));
	packet[8] = 63;
	packet[9] = RSVP_IP_PROTOCOL;
	memcpy(packet + 12, addresses, sizeof(addresses));
	return IP4_HEADER_LEN;
}

static size_t put_ip6(uint8_t *packet, size_t len)
{
	static const uint8_t prefix[] = { 0x20, 0x01, 0x0d, 0xb8 };

	packet[0] = 0x60;
	put16(packet + 4, (uint16_t)len);
	packet[6] = RSVP_IP_PROTOCOL;
	packet[7] = 63;
	memcpy(packet + 8, prefix, sizeof(prefix));
	packet[23] = 1;
	memcpy(packet + 24, prefix, sizeof(prefix));
	packet[39] = 99;
	return IP6_HEADER_LEN;
}

static void write_packet(unsigned number)
{
	uint8_t packet[2048] = { 0 };
	int is_ip6 = rsvp_messages_family(number) == AF_INET6;
	size_t header = is_ip6 ? IP6_HEADER_LEN : IP4_HEADER_LEN;
	size_t len = rsvp_messages_build(number, packet + header, sizeof(packet) - header);
	uint32_t total = (uint32_t)(header + len);

	if (is_ip6)
		put_ip6(packet, len);
	else
		put_ip4(packet, len);
	write_words((const uint32_t[]){ number, 0, total, total }, 4);
	fwrite(packet, 1, total, stdout);
}

int main(void)
{
	write_words((const uint32_t[]){ 0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, LINKTYPE_RAW }, 6);
	for (unsigned i = 0; i < rsvp_messages_count(); i++)
		write_packet(i);
	return fflush(stdout) == 0 ? 0 : 1;
}
