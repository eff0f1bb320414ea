/* SPDX-License-Identifier: MIT */
/*
 * test_mark.c: runs the marking code in the kernel on packets of our own making and compares what
 * comes out byte for byte. Proves Q-086 (ECN survives) and Q-087 (flow label unchanged), Q-088 and
 * Q-089 in the datapath.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/gw_bpf.h"
#include "mark_run.skel.h"
#include "packet.h"

#define SKIP 77
#define COOKIE 4711
#define OTHER_COOKIE 4712
#define GENERATION 3
#define DSCP 46
#define PRIORITY 5
#define ROOT_GROUP 1 /* the id of the hierarchy's root */

#define HOP_BY_HOP 0
#define ROUTING 43
#define AH 51
#define DESTINATION_OPTIONS 60
#define END 255

static struct mark_run_bpf *run;

/* --- Helpers ---------------------------------------------------------------------------------- */

static const struct packet_options plain = {
	.port = PACKET_PORT,
	.last_octet = PACKET_LAST_OCTET,
	.flow_label = 0xabcde,
	.payload_len = 32,
};

static struct gw_verdict verdict(uint8_t dscp)
{
	return (struct gw_verdict){
		.flow_id = 1,
		.flags = GW_VERDICT_VALID | GW_VERDICT_SET_DSCP | GW_VERDICT_SET_PRIORITY,
		.dscp = dscp,
		.priority = PRIORITY,
	};
}

static struct gw_dest destination(int version, uint8_t last_octet, uint16_t port)
{
	struct gw_dest dest = { .set = 1, .port = __builtin_bswap16(port) };

	packet_destination(version, last_octet, dest.addr);
	return dest;
}

static void put_socket(uint64_t cookie, const struct gw_socket *entry)
{
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(run->maps.sockets), &cookie, entry, BPF_ANY), 0);
}

static void put_first(int version, uint8_t dscp)
{
	const struct gw_socket entry = {
		.first = destination(version, PACKET_LAST_OCTET, PACKET_PORT),
		.first_verdict = verdict(dscp),
		.generation = GENERATION,
	};

	put_socket(COOKIE, &entry);
}

static void put_any(uint8_t dscp)
{
	const struct gw_socket entry = { .any_verdict = verdict(dscp), .generation = GENERATION };

	put_socket(COOKIE, &entry);
}

static struct gw_settings *settings(void)
{
	static struct gw_settings value;

	return &value;
}

static void put_groups(uint32_t groups)
{
	const uint32_t zero = 0;

	settings()->groups = groups;
	settings()->group_levels = 1u << 0;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(run->maps.settings), &zero, settings(),
					     BPF_ANY),
			 0);
}

static int clear_tables(void **state)
{
	const uint64_t cookies[] = { COOKIE, OTHER_COOKIE }, group = ROOT_GROUP;

	for (size_t i = 0; i < 2; i++)
		bpf_map_delete_elem(bpf_map__fd(run->maps.sockets), &cookies[i]);
	bpf_map_delete_elem(bpf_map__fd(run->maps.groups), &group);
	put_groups(0);
	run->bss->run_cookie = COOKIE;
	return 0;
}

/* Sends it through a program; the packet becomes what came out. Returns the priority. */
static uint32_t pass_through(const struct bpf_program *program, struct packet *packet)
{
	uint8_t out[PACKET_MAX + 64];
	struct __sk_buff context = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->data,
		    .data_size_in = (uint32_t)packet->len, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	assert_int_equal((int)opts.retval, -1);
	assert_int_equal(opts.data_size_out, packet->len);
	memcpy(packet->data, out, packet->len);
	return context.priority;
}

static void expect_same(const struct packet *got, const struct packet *wanted)
{
	assert_int_equal(got->len, wanted->len);
	assert_memory_equal(got->data, wanted->data, got->len);
}

static void expect_marked_by(const struct bpf_program *program, const struct packet *packet,
			     uint8_t dscp)
{
	struct packet got = *packet, wanted = *packet;

	packet_set_tos(&wanted, (uint8_t)(dscp << 2 | (packet_tos(packet) & 3)));
	assert_int_equal(pass_through(program, &got), PRIORITY);
	expect_same(&got, &wanted);
}

static void expect_marked(const struct packet *packet, uint8_t dscp)
{
	expect_marked_by(run->progs.run_ethernet, packet, dscp);
}

static void expect_untouched_by(const struct bpf_program *program, const struct packet *packet)
{
	struct packet got = *packet;

	assert_int_equal(pass_through(program, &got), 0);
	expect_same(&got, packet);
}

static void expect_untouched(const struct packet *packet)
{
	expect_untouched_by(run->progs.run_ethernet, packet);
}

/* --- The header ------------------------------------------------------------------------------- */

/* every mark over every byte that can have been there before. */
static void every_mark_over_every_byte(int version)
{
	struct packet_options options = plain;
	struct packet packet;

	for (unsigned dscp = 0; dscp < 64; dscp++) {
		put_first(version, (uint8_t)dscp);
		for (unsigned before = 0; before < 256; before++) {
			options.tos = (uint8_t)before;
			packet_build(&packet, version, &options);
			expect_marked(&packet, (uint8_t)dscp);
		}
	}
}

static void test_every_mark_ipv4(void **state)
{
	every_mark_over_every_byte(4);
}

static void test_every_mark_ipv6(void **state)
{
	every_mark_over_every_byte(6);
}

/* RFC 1624: sums near the wrap-around, reached through the identification. */
static void test_every_checksum(void **state)
{
	struct packet_options options = plain;
	struct packet packet;

	put_first(4, DSCP);
	for (unsigned id = 0; id < 65536; id += 5) {
		options.id = id;
		options.tos = (uint8_t)(id * 31);
		packet_build(&packet, 4, &options);
		expect_marked(&packet, DSCP);
	}
}

static void test_flow_labels(void **state)
{
	static const uint32_t labels[] = { 0, 1, 0x0ffff, 0x10000, 0x80000, 0xfffff };
	struct packet_options options = plain;
	struct packet packet;

	put_first(6, DSCP);
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		options.flow_label = labels[i];
		options.tos = 0xff;
		packet_build(&packet, 6, &options);
		expect_marked(&packet, DSCP);
	}
}

static void test_ipv4_options(void **state)
{
	struct packet_options options = plain;
	struct packet packet;

	put_first(4, DSCP);
	for (options.ipv4_option_words = 0; options.ipv4_option_words <= 10;
	     options.ipv4_option_words++) {
		packet_build(&packet, 4, &options);
		expect_marked(&packet, DSCP);
	}
}

static void test_only_priority_or_only_dscp(void **state)
{
	struct gw_socket entry = { .any_verdict = verdict(DSCP) };
	struct packet packet, wanted, got;

	packet_build(&packet, 4, &plain);
	entry.any_verdict.flags = GW_VERDICT_VALID | GW_VERDICT_SET_PRIORITY;
	put_socket(COOKIE, &entry);
	got = packet;
	assert_int_equal(pass_through(run->progs.run_ethernet, &got), PRIORITY);
	expect_same(&got, &packet);

	entry.any_verdict.flags = GW_VERDICT_VALID | GW_VERDICT_SET_DSCP;
	put_socket(COOKIE, &entry);
	got = wanted = packet;
	packet_set_tos(&wanted, DSCP << 2);
	assert_int_equal(pass_through(run->progs.run_ethernet, &got), 0);
	expect_same(&got, &wanted);
}

/* --- Around the header ------------------------------------------------------------------------ */

static void test_vlan_tags(void **state)
{
	struct packet_options options = plain;
	struct packet packet;

	for (int version = 4; version <= 6; version += 2) {
		put_first(version, DSCP);
		for (options.vlan_tags = 1; options.vlan_tags <= 2; options.vlan_tags++) {
			packet_build(&packet, version, &options);
			expect_marked(&packet, DSCP);
		}
		packet_build(&packet, version, &options);
		expect_untouched(&packet);
	}
}

static void test_extension_headers(void **state)
{
	static const uint8_t chains[][9] = {
		{ HOP_BY_HOP, END },
		{ ROUTING, END },
		{ AH, END },
		{ HOP_BY_HOP, DESTINATION_OPTIONS, ROUTING, AH, DESTINATION_OPTIONS, END },
		{ DESTINATION_OPTIONS, DESTINATION_OPTIONS, DESTINATION_OPTIONS,
		  DESTINATION_OPTIONS, DESTINATION_OPTIONS, DESTINATION_OPTIONS,
		  DESTINATION_OPTIONS, DESTINATION_OPTIONS, END },
	};
	struct packet_options options = plain;
	struct packet packet;

	put_first(6, DSCP);
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		options.extensions = chains[i];
		packet_build(&packet, 6, &options);
		expect_marked(&packet, DSCP);
	}
}

/* Longer than anybody sends: no port is found, so only a verdict for every destination holds. */
static void test_too_many_extension_headers(void **state)
{
	static const uint8_t chain[] = { HOP_BY_HOP, 60, 60, 60, 60, 60, 60, 60, 60, 60, 60, END };
	struct packet_options options = plain;
	struct packet packet;

	options.extensions = chain;
	packet_build(&packet, 6, &options);
	put_first(6, DSCP);
	expect_untouched(&packet);
	put_any(DSCP);
	expect_marked(&packet, DSCP);
}

/* The program for links without an Ethernet header finds the network header wherever it is. */
static void test_header_found_by_length(void **state)
{
	struct packet_options options = plain;
	struct packet packet;

	for (int version = 4; version <= 6; version += 2) {
		put_first(version, DSCP);
		packet_build(&packet, version, &options);
		expect_marked_by(run->progs.run_other, &packet, DSCP);
		/*
		 * Something behind the packet: what begins that far from the end is not its header.
		 */
		packet.len += 6;
		expect_untouched_by(run->progs.run_other, &packet);
	}
}

/* A whole packet inside one with as much behind it as makes the inner one look like it. */
static void test_header_not_where_length_says(void **state)
{
	struct packet_options options = plain;
	struct packet outer, inner;

	options.payload_len = 60;
	packet_build(&outer, 4, &options);
	options.payload_len = 60 - 28;
	options.tos = 0x20;
	packet_build(&inner, 4, &options);
	memcpy(outer.data + outer.ip + 28, inner.data + inner.ip, 60);
	outer.len += 28;
	put_any(DSCP);
	expect_untouched_by(run->progs.run_other, &outer);
	expect_marked(&outer, DSCP);
}

/* --- Who is meant ----------------------------------------------------------------------------- */

/* */
static void test_only_this_destination_of_this_socket(void **state)
{
	struct packet_options options = plain;
	struct packet packet;

	for (int version = 4; version <= 6; version += 2) {
		put_first(version, DSCP);
		options = plain;
		options.port++;
		packet_build(&packet, version, &options);
		expect_untouched(&packet);
		options = plain;
		options.last_octet++;
		packet_build(&packet, version, &options);
		expect_untouched(&packet);

		packet_build(&packet, version, &plain);
		expect_marked(&packet, DSCP);
		run->bss->run_cookie = OTHER_COOKIE;
		expect_untouched(&packet);
		run->bss->run_cookie = COOKIE;
	}
}

static void test_further_destinations(void **state)
{
	struct gw_destval value = { .verdict = verdict(10), .generation = GENERATION };
	struct gw_destkey key = { .cookie = COOKIE, .dest = destination(4, 9, PACKET_PORT) };
	int dests = bpf_map__fd(run->maps.dests);
	struct packet_options options = plain;
	struct gw_socket entry = {
		.first = destination(4, PACKET_LAST_OCTET, PACKET_PORT),
		.first_verdict = verdict(DSCP),
		.any_verdict = verdict(22),
		.more = 1,
		.generation = GENERATION,
	};
	struct packet first, further, other;

	packet_build(&first, 4, &options);
	options.last_octet = 9;
	packet_build(&further, 4, &options);
	options.last_octet = 10;
	packet_build(&other, 4, &options);

	put_socket(COOKIE, &entry);
	assert_int_equal(bpf_map_update_elem(dests, &key, &value, BPF_ANY), 0);
	expect_marked(&first, DSCP);
	expect_marked(&further, 10);
	expect_marked(&other, 22);

	/* Left by a daemon before this one. */
	value.generation--;
	assert_int_equal(bpf_map_update_elem(dests, &key, &value, BPF_ANY), 0);
	expect_marked(&further, 22);

	/* Not announced, so not looked for. */
	value.generation++;
	assert_int_equal(bpf_map_update_elem(dests, &key, &value, BPF_ANY), 0);
	entry.more = 0;
	put_socket(COOKIE, &entry);
	expect_marked(&further, 22);
	assert_int_equal(bpf_map_delete_elem(dests, &key), 0);
}

/* A destination that is to be left alone does not fall back to the verdict for all. */
static void test_left_alone(void **state)
{
	const struct gw_socket entry = {
		.first = destination(4, PACKET_LAST_OCTET, PACKET_PORT),
		.first_verdict = { .flags = GW_VERDICT_VALID },
		.any_verdict = verdict(DSCP),
	};
	struct packet packet;

	put_socket(COOKIE, &entry);
	packet_build(&packet, 4, &plain);
	expect_untouched(&packet);
}

static void test_group(void **state)
{
	const struct gw_group group = { .verdict = verdict(34) };
	const uint64_t id = ROOT_GROUP;
	struct packet packet;

	packet_build(&packet, 6, &plain);
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(run->maps.groups), &id, &group, BPF_ANY),
			 0);
	expect_untouched(&packet);
	put_groups(1);
	expect_marked(&packet, 34);
	/* The socket's own flow goes before that of its group. */
	put_first(6, DSCP);
	expect_marked(&packet, DSCP);
}

static void test_link_local(void **state)
{
	static const uint8_t addresses[][16] = {
		{ 0xfe, 0x80, [15] = 1 },
		{ 0xfe, 0xbf, [15] = 1 },
		{ 0xff, 0x02, [15] = 0xfb },
		{ 0xff, 0x11, [15] = 1 },
	};
	struct gw_socket entry = {
		.first = destination(6, 0, PACKET_PORT),
		.first_verdict = verdict(DSCP),
	};
	struct packet packet;

	packet_build(&packet, 6, &plain);
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		memcpy(packet.data + packet.ip + 24, addresses[i], 16);
		memcpy(entry.first.addr, addresses[i], 16);
		entry.first.scope = 1; /* test runs happen on the loopback interface */
		put_socket(COOKIE, &entry);
		expect_marked(&packet, DSCP);
		entry.first.scope = 2;
		put_socket(COOKIE, &entry);
		expect_untouched(&packet);
	}
}

/* --- Fragments -------------------------------------------------------------------------------- */

static void fragments(int version)
{
	struct packet_options options = plain;
	struct packet first, later, foreign, reused;

	options.id = 77;
	options.more_fragments = 1;
	packet_build(&first, version, &options);
	options.fragment_offset = 5;
	packet_build(&later, version, &options);
	options.id = 78;
	packet_build(&foreign, version, &options);
	/* The same identification again, in a datagram to another port. */
	options.id = 77;
	options.fragment_offset = 0;
	options.port++;
	packet_build(&reused, version, &options);

	put_first(version, DSCP);
	expect_untouched(&later);
	expect_marked(&first, DSCP);
	expect_marked(&later, DSCP);
	expect_marked(&later, DSCP);
	expect_untouched(&foreign);
	expect_untouched(&reused);
	expect_untouched(&later);
}

static void test_fragments_ipv4(void **state)
{
	fragments(4);
}

static void test_fragments_ipv6(void **state)
{
	fragments(6);
}

static void test_fragments_of_any_destination(void **state)
{
	struct packet_options options = plain;
	struct packet later;

	options.id = 99;
	options.fragment_offset = 5;
	put_any(DSCP);
	for (int version = 4; version <= 6; version += 2) {
		packet_build(&later, version, &options);
		expect_marked(&later, DSCP);
	}
}

/* --- Hostile ---------------------------------------------------------------------------------- */

static void test_truncated(void **state)
{
	static const uint8_t chain[] = { HOP_BY_HOP, AH, DESTINATION_OPTIONS, END };
	struct packet_options options = plain;
	struct packet whole, part;

	options.extensions = chain;
	options.ipv4_option_words = 3;
	for (int version = 4; version <= 6; version += 2) {
		put_any(DSCP);
		packet_build(&whole, version, &options);
		/* Newer kernels do not run programs on less than the fixed header. */
		for (size_t len = whole.ip + (version == 4 ? 20 : 40); len < whole.len; len++) {
			part = whole;
			part.len = len;
			expect_untouched(&part);
			expect_untouched_by(run->progs.run_other, &part);
		}
	}
}

/*
 * Whatever the header says: the length stays, nothing but the mark changes, ECN and flow label
 * stay, and an IPv4 sum that was right before is right after (and one that was wrong is wrong by
 * the same amount).
 */
static void expect_harmless(const struct packet *before, const struct packet *after)
{
	const uint8_t *old = before->data + before->ip, *new = after->data + after->ip;
	struct packet restored = *after;

	if (memcmp(before->data, after->data, before->len) == 0)
		return;
	assert_int_equal(packet_tos(after) >> 2, DSCP);
	assert_int_equal(packet_tos(after) & 3, packet_tos(before) & 3);
	assert_int_equal(old[0] >> 4, before->version);
	if (before->version == 4) {
		assert_int_equal(packet_sum(old, 20), packet_sum(new, 20));
		memcpy(restored.data + before->ip, old, 2);
		memcpy(restored.data + before->ip + 10, old + 10, 2);
	} else {
		assert_int_equal(old[1] & 0x0f, new[1] & 0x0f);
		memcpy(restored.data + before->ip, old, 2);
	}
	expect_same(&restored, before);
}

static void test_hostile(void **state)
{
	struct packet_options options = plain;
	struct packet packet, got;
	unsigned seed = 1;

	print_message("seed %u\n", seed);
	srand(seed);
	put_any(DSCP);
	for (int i = 0; i < 40000; i++) {
		options.vlan_tags = (unsigned)rand() % 3;
		options.tos = (uint8_t)rand();
		packet_build(&packet, i % 2 ? 4 : 6, &options);
		for (int changes = rand() % 4; changes >= 0; changes--)
			packet.data[packet.ip + (size_t)rand() % 44] = (uint8_t)rand();
		got = packet;
		pass_through(i % 4 < 2 ? run->progs.run_ethernet : run->progs.run_other, &got);
		expect_harmless(&packet, &got);
	}
}

/* A packet of another protocol stays as it is even for a socket with a mark for all. */
static void test_other_protocols(void **state)
{
	static const uint16_t types[] = { 0x0806, 0x8847, 0x8863, 0x88cc };
	struct packet packet;

	put_any(DSCP);
	packet_build(&packet, 4, &plain);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		packet.data[12] = (uint8_t)(types[i] >> 8);
		packet.data[13] = (uint8_t)types[i];
		expect_untouched(&packet);
		expect_untouched_by(run->progs.run_other, &packet);
	}
}

/* --- Counters and cost ------------------------------------------------------------------------ */

static uint64_t counter(enum gw_stat stat)
{
	int cpus = libbpf_num_possible_cpus();
	struct gw_stats *stats = calloc((size_t)cpus, sizeof(*stats));
	const uint32_t zero = 0;
	uint64_t sum = 0;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(run->maps.stats), &zero, stats), 0);
	for (int i = 0; i < cpus; i++)
		sum += stats[i].count[stat];
	free(stats);
	return sum;
}

static void test_counters(void **state)
{
	uint64_t packets = counter(GW_STAT_PACKETS), managed = counter(GW_STAT_MANAGED);
	uint64_t rewritten = counter(GW_STAT_REWRITTEN);
	struct packet packet;

	put_first(4, DSCP);
	packet_build(&packet, 4, &plain);
	pass_through(run->progs.run_ethernet, &packet);
	pass_through(run->progs.run_ethernet, &packet); /* marked already */
	run->bss->run_cookie = OTHER_COOKIE;
	pass_through(run->progs.run_ethernet, &packet);
	assert_int_equal(counter(GW_STAT_PACKETS) - packets, 3);
	assert_int_equal(counter(GW_STAT_MANAGED) - managed, 2);
	assert_int_equal(counter(GW_STAT_REWRITTEN) - rewritten, 1);
}

static unsigned best_ns(const struct bpf_program *program, struct packet *packet)
{
	unsigned best = UINT32_MAX;

	for (int round = 0; round < 10; round++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->data,
			    .data_size_in = (uint32_t)packet->len, .repeat = 100000);

		assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
		if (opts.duration < best)
			best = opts.duration;
	}
	return best;
}

/* Not judged here: the machine is shared. Printed for whoever compares. */
static void test_print_cost(void **state)
{
	struct packet packet;

	run->bss->other_cookie = OTHER_COOKIE;
	for (int version = 4; version <= 6; version += 2) {
		struct gw_socket entry = {
			.first = destination(version, PACKET_LAST_OCTET, PACKET_PORT),
			.first_verdict = verdict(10),
		};

		clear_tables(NULL);
		packet_build(&packet, version, &plain);
		print_message("IPv%d ns/packet: empty program %u", version,
			      best_ns(run->progs.run_nothing, &packet));
		print_message(", not managed %u", best_ns(run->progs.run_ethernet, &packet));
		put_first(version, DSCP);
		print_message(", marked already %u", best_ns(run->progs.run_ethernet, &packet));
		put_socket(OTHER_COOKIE, &entry);
		print_message(", rewritten twice %u\n", best_ns(run->progs.run_twice, &packet));
	}
}

static int open_programs(void)
{
	int r;

	run = mark_run_bpf__open();
	if (!run)
		return -errno;
	r = mark_run_bpf__load(run);
	if (r < 0)
		mark_run_bpf__destroy(run);
	return r;
}

#define CASE(function) cmocka_unit_test_setup(function, clear_tables)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_every_mark_ipv4),
		CASE(test_every_mark_ipv6),
		CASE(test_every_checksum),
		CASE(test_flow_labels),
		CASE(test_ipv4_options),
		CASE(test_only_priority_or_only_dscp),
		CASE(test_vlan_tags),
		CASE(test_extension_headers),
		CASE(test_too_many_extension_headers),
		CASE(test_header_found_by_length),
		CASE(test_header_not_where_length_says),
		CASE(test_only_this_destination_of_this_socket),
		CASE(test_further_destinations),
		CASE(test_left_alone),
		CASE(test_group),
		CASE(test_link_local),
		CASE(test_fragments_ipv4),
		CASE(test_fragments_ipv6),
		CASE(test_fragments_of_any_destination),
		CASE(test_truncated),
		CASE(test_hostile),
		CASE(test_other_protocols),
		CASE(test_counters),
		CASE(test_print_cost),
	};
	int r = open_programs();

	if (r == -EPERM || r == -EACCES) {
		printf("SKIP: loading eBPF programs is not permitted here\n");
		return SKIP;
	}
	if (r < 0) {
		fprintf(stderr, "cannot load the programs: %s\n", strerror(-r));
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	mark_run_bpf__destroy(run);
	return r;
}
