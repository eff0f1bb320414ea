/* SPDX-License-Identifier: MIT */
/* test_tuples.c: packets that no socket stands for, told by their addresses, whole and in fragments. */
#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "mark_world.h"

#define UDP 17
#define TCP 6
#define ICMP 1
#define ESP 50
#define AH 51
#define ALL_KINDS 0xffu
#define ROOT_GROUP 1

static const struct packet_options plain = {
	.port = PACKET_PORT,
	.last_octet = PACKET_LAST_OCTET,
	.payload_len = 40,
	.protocol = UDP,
};

static struct gw_tuplekey key_of(int version, const struct packet_options *options, uint8_t wild)
{
	struct gw_tuplekey key = {
		.ifindex = WORLD_IFINDEX,
		.protocol = options->protocol,
		.wild = wild,
	};
	bool ports = options->protocol == UDP || options->protocol == TCP;

	packet_destination(version, options->last_octet, key.destination);
	if (!(wild & GW_WILD_SOURCE))
		packet_source(version,
			      options->source_octet ? options->source_octet : PACKET_SOURCE_OCTET,
			      key.source);
	if (ports && !(wild & (GW_WILD_SOURCE | GW_WILD_SOURCE_PORT)))
		key.source_port = __builtin_bswap16(options->source_port ? options->source_port
									 : PACKET_SOURCE_PORT);
	if (ports && !(wild & GW_WILD_PORT))
		key.port = __builtin_bswap16(options->port);
	if (!ports && !(wild & (GW_WILD_SOURCE | GW_WILD_SOURCE_PORT)))
		key.spi = __builtin_bswap32(options->spi);
	return key;
}

static void put_tuple(const struct gw_tuplekey *key, uint8_t dscp)
{
	struct gw_destval value = { .verdict = world_verdict(0) };

	value.verdict.dscp = dscp;
	world_put(run->maps.tuples, key, &value);
}

/* The DSCP that it leaves with; each test's packets come with 0. */
static unsigned dscp_of(int version, const struct packet_options *options)
{
	struct packet packet;
	struct passed passed;

	packet_build(&packet, version, options);
	passed = world_send_packet(&packet);
	assert_int_equal(passed.action, ACTION_UNSPEC);
	assert_int_equal(passed.tag, packet_tos(&passed.packet) ? WORLD_TAG : 0);
	assert_int_equal(passed.priority, packet_tos(&passed.packet) ? WORLD_PRIORITY : 0);
	return packet_tos(&passed.packet) >> 2;
}

static int setup_tuples(void **state)
{
	world_setup(state);
	world_settings(1, ALL_KINDS);
	/* As for a forwarded packet. */
	run->bss->run_cookie = 0;
	return 0;
}

/* What else a packet may be like that is the same but for one thing, and which wildcard leaves that open. */
struct variant {
	struct packet_options options;
	uint8_t open; /* by any of these */
};

static unsigned make_variants(const struct packet_options *of, struct variant ret_variants[8])
{
	unsigned n = 0;
	struct packet_options other = *of;

	other.source_octet = 77;
	ret_variants[n++] = (struct variant){ other, GW_WILD_SOURCE };
	other = *of;
	other.last_octet++;
	ret_variants[n++] = (struct variant){ other, 0 };
	other = *of;
	other.protocol = of->protocol == TCP ? UDP : TCP;
	ret_variants[n++] = (struct variant){ other, 0 };
	other = *of;
	other.source_port = 40001;
	ret_variants[n++] = (struct variant){ other, GW_WILD_SOURCE | GW_WILD_SOURCE_PORT };
	other = *of;
	other.port++;
	ret_variants[n++] = (struct variant){ other, GW_WILD_PORT };
	return n;
}

static void check_kind(int version, uint8_t protocol, uint8_t wild)
{
	struct packet_options options = plain;
	struct variant variants[8];
	struct gw_tuplekey key;
	unsigned n;

	setup_tuples(NULL);
	options.protocol = protocol;
	key = key_of(version, &options, wild);
	assert_int_equal(dscp_of(version, &options), 0);
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(version, &options), 12);
	n = make_variants(&options, variants);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(dscp_of(version, &variants[i].options),
				 wild & variants[i].open ? 12 : 0);

	/* Not announced, so not looked for. */
	world_settings(1, ALL_KINDS & ~(1u << wild));
	assert_int_equal(dscp_of(version, &options), 0);
	world_settings(0, ALL_KINDS);
	assert_int_equal(dscp_of(version, &options), 0);

	/* Another link's. */
	setup_tuples(NULL);
	key.ifindex++;
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(version, &options), 0);
}

static void test_every_kind(void **state)
{
	for (uint8_t wild = 0; wild < GW_WILD_COUNT; wild++) {
		for (int version = 4; version <= 6; version += 2) {
			check_kind(version, UDP, wild);
			check_kind(version, TCP, wild);
		}
	}
}

static void test_lowest_number_first(void **state)
{
	for (int version = 4; version <= 6; version += 2) {
		setup_tuples(NULL);
		for (int wild = GW_WILD_COUNT - 1; wild >= 0; wild--) {
			struct gw_tuplekey key = key_of(version, &plain, (uint8_t)wild);

			put_tuple(&key, (uint8_t)(20 + wild));
			assert_int_equal(dscp_of(version, &plain), 20 + wild);
		}
	}
}

/* A protocol without ports has those of a tuple without ports; and 0 is no wildcard among protocols. */
static void test_without_ports(void **state)
{
	struct packet_options options = plain;
	struct gw_tuplekey key;

	options.protocol = ICMP;
	key = key_of(4, &options, 0);
	key.protocol = 0;
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(4, &options), 0);
	key.protocol = ICMP;
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(4, &options), 12);
}

/* ---- IPsec: R-219 ---- */

/* Of version 6 an AH is an extension header, whatever is under it. */
static void check_spi(int version, const struct packet_options *options, uint8_t protocol)
{
	struct packet_options other = *options, keyed = *options;
	struct gw_tuplekey key;

	keyed.protocol = protocol;
	setup_tuples(NULL);
	key = key_of(version, &keyed, GW_WILD_PORT);
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(version, options), 12);
	/* Each byte of it counts, and where it comes from. */
	for (unsigned bit = 0; bit < 32; bit += 7) {
		other.spi = options->spi ^ 1u << bit;
		assert_int_equal(dscp_of(version, &other), 0);
	}
	other = *options;
	other.source_octet = 77;
	assert_int_equal(dscp_of(version, &other), 0);
	/* Another security association gets another mark; all together a third. */
	other = keyed;
	other.spi ^= 1;
	key = key_of(version, &other, GW_WILD_PORT);
	put_tuple(&key, 14);
	key = key_of(version, &other, GW_WILD_PORT | GW_WILD_SOURCE_PORT);
	put_tuple(&key, 16);
	other = *options;
	assert_int_equal(dscp_of(version, &other), 12);
	other.spi ^= 1;
	assert_int_equal(dscp_of(version, &other), 14);
	other.spi ^= 2;
	assert_int_equal(dscp_of(version, &other), 16);
}

static void test_spi(void **state)
{
	static const uint8_t behind_options[] = { 0, 60, 255 },
			     authenticated[] = { 0, AH, 60, 255 };
	static const uint8_t protocols[] = { ESP, AH };
	struct packet_options options = plain;

	options.spi = 0x12345678;
	for (unsigned i = 0; i < 2; i++) {
		options.protocol = protocols[i];
		check_spi(4, &options, protocols[i]);
		options.ipv4_option_words = 3;
		check_spi(4, &options, protocols[i]);
		options.ipv4_option_words = 0;
		check_spi(6, &options, protocols[i]);
		options.extensions = behind_options;
		check_spi(6, &options, protocols[i]);
		options.extensions = NULL;
	}
	options.extensions = authenticated;
	options.protocol = UDP;
	check_spi(6, &options, AH);
	options.protocol = ESP;
	check_spi(6, &options, ESP);
}

/* What is told by its ports is told so under an AH, too, and this goes first. */
static void test_ports_under_ah(void **state)
{
	static const uint8_t authenticated[] = { AH, 255 };
	struct packet_options options = plain, outer = plain;
	struct gw_tuplekey key;

	options.spi = outer.spi = 7;
	options.extensions = authenticated;
	outer.protocol = AH;
	key = key_of(6, &outer, GW_WILD_PORT);
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(6, &options), 12);
	key = key_of(6, &options, 0);
	put_tuple(&key, 14);
	assert_int_equal(dscp_of(6, &options), 14);
}

static void spi_of_fragments(int version, uint8_t protocol)
{
	struct packet_options first = plain, later;
	struct gw_tuplekey key;

	setup_tuples(NULL);
	first.protocol = protocol;
	first.spi = 4711;
	first.id = 77;
	first.more_fragments = 1;
	later = first;
	later.fragment_offset = 6;
	key = key_of(version, &first, GW_WILD_PORT);
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(version, &later), 0);
	assert_int_equal(dscp_of(version, &first), 12);
	assert_int_equal(dscp_of(version, &later), 12);
	later.id++;
	assert_int_equal(dscp_of(version, &later), 0);
}

static void test_spi_of_fragments(void **state)
{
	for (int version = 4; version <= 6; version += 2) {
		spi_of_fragments(version, ESP);
		spi_of_fragments(version, AH);
	}
}

static void test_spi_is_cut_off(void **state)
{
	struct packet_options options = plain;
	struct packet whole, part;
	struct gw_tuplekey key;

	options.spi = 9;
	options.payload_len = 0;
	for (int version = 4; version <= 6; version += 2) {
		for (options.protocol = ESP; options.protocol <= AH; options.protocol++) {
			setup_tuples(NULL);
			key = key_of(version, &options, GW_WILD_PORT);
			put_tuple(&key, 12);
			packet_build(&whole, version, &options);
			for (size_t len = whole.ip + (version == 4 ? 20 : 40); len < whole.len;
			     len++) {
				part = whole;
				part.len = len;
				assert_memory_equal(world_send_packet(&part).packet.data, part.data,
						    len);
			}
		}
	}
}

static void test_socket_then_tuple_then_group(void **state)
{
	const struct gw_settings settings = {
		.tuples = 1, .tuple_kinds = ALL_KINDS, .groups = 1, .group_levels = 1
	};
	struct gw_group group = { .verdict = world_verdict(0) };
	struct gw_verdict verdict = world_verdict(0);
	struct gw_tuplekey key = key_of(6, &plain, 0);
	const uint64_t id = ROOT_GROUP;
	const uint32_t zero = 0;

	run->bss->run_cookie = WORLD_COOKIE;
	world_put(run->maps.settings, &zero, &settings);
	group.verdict.dscp = 10;
	world_put(run->maps.groups, &id, &group);
	assert_int_equal(dscp_of(6, &plain), 10);
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(6, &plain), 12);
	verdict.dscp = 14;
	world_put_socket(&verdict);
	assert_int_equal(dscp_of(6, &plain), 14);
}

/* --- Fragments -------------------------------------------------------------------------------- */

static void fragments(int version)
{
	struct packet_options first = plain, later, other;
	struct gw_tuplekey key;

	setup_tuples(NULL);
	first.id = 77;
	first.more_fragments = 1;
	later = first;
	later.fragment_offset = 6;
	key = key_of(version, &plain, 0);
	put_tuple(&key, 12);
	assert_int_equal(dscp_of(version, &later), 0);
	assert_int_equal(dscp_of(version, &first), 12);
	assert_int_equal(dscp_of(version, &later), 12);

	/* Another source's datagram of the same identification. */
	other = later;
	other.source_octet = 78;
	assert_int_equal(dscp_of(version, &other), 0);
	other.fragment_offset = 0;
	assert_int_equal(dscp_of(version, &other), 0);
	assert_int_equal(dscp_of(version, &later), 12);

	/* The identification comes round again, to another port. */
	other = first;
	other.port++;
	assert_int_equal(dscp_of(version, &other), 0);
	assert_int_equal(dscp_of(version, &later), 0);
}

static void test_fragments(void **state)
{
	fragments(4);
	fragments(6);
}

/* With any ports, a fragment needs no first one; with some, it does. */
static void test_fragments_of_any_port(void **state)
{
	for (uint8_t wild = 0; wild < GW_WILD_COUNT; wild++) {
		bool any = (wild & GW_WILD_PORT) && (wild & (GW_WILD_SOURCE | GW_WILD_SOURCE_PORT));

		for (int version = 4; version <= 6; version += 2) {
			struct packet_options later = plain;
			struct gw_tuplekey key = key_of(version, &plain, wild);

			setup_tuples(NULL);
			put_tuple(&key, 12);
			later.id = 5;
			later.fragment_offset = 6;
			assert_int_equal(dscp_of(version, &later), any ? 12 : 0);
		}
	}
}

/* What is not whole is not marked. */
static void test_truncated(void **state)
{
	struct packet whole, part;
	struct gw_tuplekey key;

	for (int version = 4; version <= 6; version += 2) {
		setup_tuples(NULL);
		key = key_of(version, &plain, 0);
		put_tuple(&key, 12);
		packet_build(&whole, version, &plain);
		for (size_t len = whole.ip + (version == 4 ? 20 : 40); len < whole.len; len++) {
			part = whole;
			part.len = len;
			assert_memory_equal(world_send_packet(&part).packet.data, part.data, len);
		}
	}
}

/* Tuples and rates together: what a router polices. */
static void test_metered_tuple(void **state)
{
	const struct bucket_spec spec = { .rate_bps = 8000, .depth_bytes = 100 };
	const struct gw_meter meter = world_meter(GW_METER_DROP, &spec);
	struct gw_destval value = { .verdict = world_verdict(GW_VERDICT_METERED) };
	struct gw_tuplekey key = key_of(4, &plain, GW_WILD_SOURCE);
	struct packet packet;

	world_put_meter(&meter);
	world_put(run->maps.tuples, &key, &value);
	packet_build(&packet, 4, &plain);
	assert_int_equal(world_send_packet(&packet).action, ACTION_UNSPEC);
	assert_int_equal(world_send_packet(&packet).action, ACTION_DROP);
	assert_int_equal(world_bucket().conforming_bytes, 68);
	assert_int_equal(world_bucket().dropped_bytes, 68);
}

#define CASE(function) cmocka_unit_test_setup(function, setup_tuples)

static int tests(void)
{
	const struct CMUnitTest all[] = {
		CASE(test_every_kind),
		CASE(test_lowest_number_first),
		CASE(test_without_ports),
		CASE(test_socket_then_tuple_then_group),
		CASE(test_fragments),
		CASE(test_fragments_of_any_port),
		CASE(test_truncated),
		CASE(test_metered_tuple),
		CASE(test_spi),
		CASE(test_ports_under_ah),
		CASE(test_spi_of_fragments),
		CASE(test_spi_is_cut_off),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return run_mark_tests(tests);
}
