/* SPDX-License-Identifier: MIT */
/*
 * packet.h: builds packets for the tests and computes what marking must make of them, independently
 * of the code under test: the IPv4 checksum anew over the whole header, not from a difference.
 */
#ifndef GW_TEST_PACKET_H
#define GW_TEST_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define PACKET_MAX 2048
#define ETHERNET_HEADER 14

struct packet {
	size_t len;
	size_t ip; /* offset of the IP header */
	int version;
	uint8_t data[PACKET_MAX];
};

/* What stands between the IP header and the payload; a piece of the IPv6 chain, or IPv4 options. */
struct packet_options {
	unsigned vlan_tags;
	uint8_t tos;
	uint32_t flow_label;
	uint16_t port;	    /* destination */
	uint8_t last_octet; /* of the destination address */
	unsigned ipv4_option_words;
	const uint8_t *extensions; /* types of IPv6 extension headers, ended by 255 */
	unsigned payload_len;
	uint16_t fragment_offset; /* in units of 8 bytes */
	int more_fragments;
	uint32_t id;	      /* of the datagram; not 0 makes IPv6 carry a fragment header */
	uint8_t protocol;     /* 0: UDP; TCP, or one without ports */
	uint16_t source_port; /* 0: PACKET_SOURCE_PORT */
	uint8_t source_octet; /* the last of the source address; 0: 1 */
	unsigned tcp_option_words;
	uint32_t spi; /* of ESP and AH, wherever they stand */
};

#define PACKET_PORT 5004
#define PACKET_LAST_OCTET 7
#define PACKET_SOURCE_PORT 40000
#define PACKET_SOURCE_OCTET 1

/* A whole datagram or segment to 192.0.2.<last octet> or 2001:db8::<last octet>, or a fragment of one. */
void packet_build(struct packet *packet, int version, const struct packet_options *options);

/* Addresses as they must stand in the maps: 16 bytes. */
void packet_source(int version, uint8_t last_octet, uint8_t ret_addr[static 16]);
void packet_destination(int version, uint8_t last_octet, uint8_t ret_addr[static 16]);

uint8_t packet_tos(const struct packet *packet);
void packet_set_tos(struct packet *packet, uint8_t tos);

/* Sum over the IPv4 header as a receiver does it; 0xffff if the checksum is right. */
uint16_t packet_sum(const uint8_t *header, size_t len);

#endif
