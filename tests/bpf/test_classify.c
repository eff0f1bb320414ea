/* SPDX-License-Identifier: MIT */
/* test_classify.c: which packets go where at the root of a scheduled link, by their tag and without one. */
#include <bpf/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/classify.skel.h"
#include "mark_world.h"

#define UDP 17
#define ICMPV6 58
#define CONTROL GW_BAND(5)
#define HOP_LIMIT 7 /* where it stands in an IPv6 header */

static int run_on(const struct bpf_program *program, const struct packet *packet)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->data,
		    .data_size_in = (uint32_t)packet->len);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	return (int)opts.retval;
}

/* The class, by the code as it is; and the verdict, by the program that is hung up at links. */
static unsigned class_of(const struct packet *packet)
{
	struct classify_bpf *classify = classify_bpf__open_and_load();
	int action, minor;

	assert_non_null(classify);
	action = run_on(classify->progs.classify, packet);
	classify_bpf__destroy(classify);
	run->bss->run_tag = 0;
	minor = run_on(run->progs.run_classify, packet);
	assert_int_equal(action, minor ? ACTION_OK : ACTION_UNSPEC);
	return (unsigned)minor;
}

static void put_ethertype(struct packet *packet, unsigned type)
{
	packet->data[packet->ip - 2] = (uint8_t)(type >> 8);
	packet->data[packet->ip - 1] = (uint8_t)type;
}

static void build(struct packet *packet, int version, uint8_t protocol, unsigned vlan_tags)
{
	const struct packet_options options = {
		.port = PACKET_PORT,
		.last_octet = PACKET_LAST_OCTET,
		.payload_len = 60,
		.protocol = protocol,
		.vlan_tags = vlan_tags,
	};

	packet_build(packet, version, &options);
}

static void test_tagged(void **state)
{
	struct packet packet;

	build(&packet, 4, UDP, 0);
	for (unsigned minor = 1; minor <= GW_TAG_MINOR; minor += 13) {
		run->bss->run_tag = GW_TAG | minor;
		assert_int_equal(run_on(run->progs.run_classify, &packet), minor);
	}
	/* What others keep in that field is no tag. */
	run->bss->run_tag = 0x12;
	assert_int_equal(run_on(run->progs.run_classify, &packet), 0);
	/* And a tag goes before what the packet is. */
	put_ethertype(&packet, 0x0806);
	run->bss->run_tag = GW_TAG | 0x123;
	assert_int_equal(run_on(run->progs.run_classify, &packet), 0x123);
}

static void test_plain(void **state)
{
	struct packet packet;

	for (unsigned tags = 0; tags <= 2; tags++) {
		for (int version = 4; version <= 6; version += 2) {
			build(&packet, version, UDP, tags);
			assert_int_equal(class_of(&packet), 0);
		}
		put_ethertype(&packet, 0x8847); /* MPLS */
		assert_int_equal(class_of(&packet), 0);
	}
}

static void test_what_keeps_links_alive(void **state)
{
	static const unsigned types[] = { 0x0806, 0x8809, 0x888e, 0x88cc };
	struct packet packet;

	for (unsigned tags = 0; tags <= 2; tags++) {
		build(&packet, 4, UDP, tags);
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
			put_ethertype(&packet, types[i]);
			assert_int_equal(class_of(&packet), CONTROL);
		}
	}
}

/* RFC 4861: types 133 to 137, with the hop limit of a neighbour. */
static void test_neighbour_discovery(void **state)
{
	struct packet packet;

	for (unsigned tags = 0; tags <= 2; tags++) {
		build(&packet, 6, ICMPV6, tags);
		for (unsigned type = 130; type < 140; type++) {
			int is = type >= 133 && type <= 137;

			packet.data[packet.ip + 40] = (uint8_t)type;
			packet.data[packet.ip + HOP_LIMIT] = 255;
			assert_int_equal(class_of(&packet), is ? CONTROL : 0);
			packet.data[packet.ip + HOP_LIMIT] = 254;
			assert_int_equal(class_of(&packet), 0);
		}
	}
	build(&packet, 6, UDP, 0);
	packet.data[packet.ip + 40] = 135;
	packet.data[packet.ip + HOP_LIMIT] = 255;
	assert_int_equal(class_of(&packet), 0);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		WORLD_CASE(test_tagged),
		WORLD_CASE(test_plain),
		WORLD_CASE(test_what_keeps_links_alive),
		WORLD_CASE(test_neighbour_discovery),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return run_mark_tests(tests);
}
