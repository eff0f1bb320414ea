/* SPDX-License-Identifier: MIT */
/* packet.c: see packet.h. */
#include "packet.h"

#include <netinet/in.h>
#include <string.h>

#define TCP 6
#define UDP 17
#define TCP_HEADER 20
#define UDP_HEADER 8
#define FRAGMENT 44
#define ESP 50
#define AH 51
#define AH_LEN 12
#define END_OF_EXTENSIONS 255

static void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

uint16_t packet_sum(const uint8_t *header, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put_checksum(uint8_t *header)
{
	put16(header + 10, 0);
	put16(header + 10, (uint16_t)~packet_sum(header, (header[0] & 0x0fu) * 4u));
}

void packet_destination(int version, uint8_t last_octet, uint8_t ret_addr[static 16])
{
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 192, 0, 2, 0 };
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8 };

	memcpy(ret_addr, version == 4 ? v4 : v6, 16);
	ret_addr[15] = last_octet;
}

void packet_source(int version, uint8_t last_octet, uint8_t ret_addr[static 16])
{
	packet_destination(version, last_octet, ret_addr);
}

static uint8_t protocol_of(const struct packet_options *options)
{
	return options->protocol ? options->protocol : UDP;
}

static uint8_t *put_link(struct packet *packet, int version, unsigned vlan_tags)
{
	uint8_t *at = packet->data + 12;

	memset(packet->data, 0x02, 12);
	for (unsigned i = 0; i < vlan_tags; i++, at += 4) {
		put16(at, i + 1 < vlan_tags ? 0x88a8 : 0x8100);
		put16(at + 2, 0xa000 + i);
	}
	put16(at, version == 4 ? 0x0800 : 0x86dd);
	packet->ip = (size_t)(at + 2 - packet->data);
	return at + 2;
}

static uint8_t *put_ports(uint8_t *at, const struct packet_options *options)
{
	put16(at, options->source_port ? options->source_port : PACKET_SOURCE_PORT);
	put16(at + 2, options->port);
	return at + 4;
}

static uint8_t *put_udp(uint8_t *at, const struct packet_options *options)
{
	at = put_ports(at, options);
	put16(at, UDP_HEADER + options->payload_len);
	put16(at + 2, 0);
	return at + 4;
}

static uint8_t *put_tcp(uint8_t *at, const struct packet_options *options)
{
	uint8_t *header = at;
	unsigned len = TCP_HEADER + 4 * options->tcp_option_words;

	memset(header, 1, len); /* options: no operation */
	put_ports(header, options);
	header[12] = (uint8_t)(len / 4 << 4);
	return header + len;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

/* SPI and sequence number. */
static uint8_t *put_esp(uint8_t *at, const struct packet_options *options)
{
	put32(at, options->spi);
	put32(at + 4, 1);
	return at + 8;
}

/* As the last header: what is under it is of no interest. */
static uint8_t *put_ah(uint8_t *at, uint8_t next, const struct packet_options *options)
{
	memset(at, 0, AH_LEN);
	at[0] = next;
	at[1] = AH_LEN / 4 - 2;
	put32(at + 4, options->spi);
	return at + AH_LEN;
}

static uint8_t *put_transport(uint8_t *at, const struct packet_options *options)
{
	if (options->fragment_offset == 0 && protocol_of(options) == UDP)
		at = put_udp(at, options);
	else if (options->fragment_offset == 0 && protocol_of(options) == TCP)
		at = put_tcp(at, options);
	else if (options->fragment_offset == 0 && protocol_of(options) == ESP)
		at = put_esp(at, options);
	else if (options->fragment_offset == 0 && protocol_of(options) == AH)
		at = put_ah(at, IPPROTO_NONE, options);
	for (unsigned i = 0; i < options->payload_len; i++)
		*at++ = (uint8_t)(i * 7);
	return at;
}

static uint8_t source_octet_of(const struct packet_options *options)
{
	return options->source_octet ? options->source_octet : PACKET_SOURCE_OCTET;
}

static void build_ipv4(struct packet *packet, const struct packet_options *options)
{
	uint8_t *header = put_link(packet, 4, options->vlan_tags), *end, addr[16];
	unsigned len = 20 + 4 * options->ipv4_option_words;

	memset(header, 1, len); /* options: no operation */
	header[0] = (uint8_t)(0x40 | len / 4);
	header[1] = options->tos;
	put16(header + 4, options->id);
	put16(header + 6, (options->more_fragments ? 0x2000u : 0) | options->fragment_offset);
	header[8] = 64;
	header[9] = protocol_of(options);
	packet_source(4, source_octet_of(options), addr);
	memcpy(header + 12, addr + 12, 4);
	packet_destination(4, options->last_octet, addr);
	memcpy(header + 16, addr + 12, 4);
	end = put_transport(header + len, options);
	put16(header + 2, (unsigned)(end - header));
	put_checksum(header);
	packet->len = (size_t)(end - packet->data);
}

/* 8 bytes each, AH 12. */
static uint8_t *put_extension(uint8_t *at, uint8_t type, const struct packet_options *options)
{
	if (type == AH)
		return put_ah(at, protocol_of(options), options);
	memset(at, 0, 8);
	at[0] = protocol_of(options);
	return at + 8;
}

static uint8_t *put_chain(uint8_t *first, uint8_t *at, const struct packet_options *options)
{
	uint8_t *type_of_this = first;

	for (const uint8_t *type = options->extensions; type && *type != END_OF_EXTENSIONS;
	     type++) {
		*type_of_this = *type;
		type_of_this = at;
		at = put_extension(at, *type, options);
	}
	if (options->id) {
		*type_of_this = FRAGMENT;
		at[0] = protocol_of(options);
		at[1] = 0;
		put16(at + 2,
		      (unsigned)options->fragment_offset << 3 | (options->more_fragments ? 1 : 0));
		put16(at + 4, options->id >> 16);
		put16(at + 6, options->id & 0xffff);
		at += 8;
	}
	return at;
}

static void build_ipv6(struct packet *packet, const struct packet_options *options)
{
	uint8_t *header = put_link(packet, 6, options->vlan_tags), *end;

	memset(header, 0, 40);
	put16(header, 0x6000u | (unsigned)options->tos << 4 | (options->flow_label >> 16 & 0x0f));
	put16(header + 2, options->flow_label & 0xffff);
	header[6] = protocol_of(options);
	header[7] = 64;
	packet_source(6, source_octet_of(options), header + 8);
	packet_destination(6, options->last_octet, header + 24);
	end = put_transport(put_chain(header + 6, header + 40, options), options);
	put16(header + 4, (unsigned)(end - header) - 40);
	packet->len = (size_t)(end - packet->data);
}

void packet_build(struct packet *packet, int version, const struct packet_options *options)
{
	memset(packet, 0, sizeof(*packet));
	packet->version = version;
	if (version == 4)
		build_ipv4(packet, options);
	else
		build_ipv6(packet, options);
}

uint8_t packet_tos(const struct packet *packet)
{
	const uint8_t *header = packet->data + packet->ip;

	return packet->version == 4 ? header[1] : (uint8_t)(header[0] << 4 | header[1] >> 4);
}

void packet_set_tos(struct packet *packet, uint8_t tos)
{
	uint8_t *header = packet->data + packet->ip;

	if (packet->version == 4) {
		header[1] = tos;
		put_checksum(header);
	} else {
		header[0] = (uint8_t)((header[0] & 0xf0) | tos >> 4);
		header[1] = (uint8_t)((header[1] & 0x0f) | tos << 4);
	}
}
