/* SPDX-License-Identifier: MIT */
/*
 * test_priority_tag.c: which packets leave with a priority tag (spec/qwave.md §6.2), in the kernel's own words: the tag
 * that the device is to put into the frame. Proves Q-090 in the datapath.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "mark_world.h"

#define VLAN 0x10000 /* mark_run.bpf.c: there is one */
#define VLAN_OF(priority) (VLAN | (uint32_t)(priority) << 13)

struct run {
	const struct bpf_program *program;
	uint32_t vlan, tag; /* before */
	uint32_t gso_segs, gso_size;
};

/* The tag that it has now. What is in the frame itself is as it was but for the mark. */
static uint32_t vlan_after(const struct run *is, const struct packet *packet, bool marked)
{
	struct packet wanted = *packet, got = *packet;
	struct __sk_buff context = { .gso_segs = is->gso_segs, .gso_size = is->gso_size };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet->data,
		    .data_size_in = (uint32_t)packet->len, .data_out = got.data,
		    .data_size_out = sizeof(got.data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context));

	if (marked)
		packet_set_tos(&wanted, WORLD_DSCP << 2);
	run->bss->run_vlan = is->vlan;
	run->bss->run_tag = is->tag;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(is->program), &opts), 0);
	assert_int_equal((int)opts.retval, ACTION_UNSPEC);
	assert_int_equal(opts.data_size_out, wanted.len);
	assert_memory_equal(got.data, wanted.data, wanted.len);
	return run->bss->run_vlan;
}

static uint32_t ethernet(const struct packet *packet)
{
	const struct run is = { .program = run->progs.run_vlan_ethernet };

	return vlan_after(&is, packet, true);
}

static void put_tagging(uint8_t priority)
{
	struct gw_verdict verdict = world_verdict(GW_VERDICT_TAG);

	verdict.priority = priority;
	world_put_socket(&verdict);
}

/* VLAN 0, and each priority. */
static void test_every_priority(void **state)
{
	struct packet packet;

	for (int version = 4; version <= 6; version += 2) {
		world_build(&packet, version, IPPROTO_UDP, 32);
		for (uint8_t priority = 0; priority < 8; priority++) {
			put_tagging(priority);
			assert_int_equal(ethernet(&packet), VLAN_OF(priority));
		}
	}
}

static void test_only_with_the_flag(void **state)
{
	const struct gw_verdict verdict = world_verdict(0);
	struct packet packet;

	world_build(&packet, 4, IPPROTO_UDP, 32);
	world_put_socket(&verdict);
	assert_int_equal(ethernet(&packet), 0);
	put_tagging(WORLD_PRIORITY);
	assert_int_equal(ethernet(&packet), VLAN_OF(WORLD_PRIORITY));
	world_put_socket(&verdict);
	assert_int_equal(ethernet(&packet), 0);
}

/* Where the link tags by itself, where there is no Ethernet, and below a link that has been passed. */
static void test_not_on_these_links(void **state)
{
	struct run is = { .program = run->progs.run_vlan_other };
	struct packet packet;

	world_build(&packet, 4, IPPROTO_UDP, 32);
	put_tagging(WORLD_PRIORITY);
	assert_int_equal(vlan_after(&is, &packet, true), 0);
	is = (struct run){ .program = run->progs.run_vlan_ethernet, .tag = WORLD_TAG };
	assert_int_equal(vlan_after(&is, &packet, true), 0);
	world_put_link(GW_LINK_UNTAGGED);
	assert_int_equal(ethernet(&packet), 0);
	world_put_link(GW_LINK_EDT);
	assert_int_equal(ethernet(&packet), VLAN_OF(WORLD_PRIORITY));
}

/* Of the device, or in the frame already. */
static void test_not_twice(void **state)
{
	struct run is = { .program = run->progs.run_vlan_ethernet, .vlan = VLAN_OF(3) | 7 };
	const struct packet_options options = { .port = PACKET_PORT,
						.last_octet = PACKET_LAST_OCTET,
						.payload_len = 32,
						.protocol = IPPROTO_UDP,
						.vlan_tags = 1 };
	struct packet packet;

	put_tagging(WORLD_PRIORITY);
	world_build(&packet, 4, IPPROTO_UDP, 32);
	assert_int_equal(vlan_after(&is, &packet, true), VLAN_OF(3) | 7);
	packet_build(&packet, 4, &options);
	assert_int_equal(ethernet(&packet), 0);
}

/* A packet that is segmented further down has one tag, for all of them; its lengths are as they were. */
static void test_segments(void **state)
{
	struct run is = { .program = run->progs.run_vlan_ethernet, .gso_segs = 2, .gso_size = 500 };
	struct packet packet;

	put_tagging(WORLD_PRIORITY);
	world_build(&packet, 4, IPPROTO_UDP, 1000);
	assert_int_equal(vlan_after(&is, &packet, true), VLAN_OF(WORLD_PRIORITY));
}

/* The class on a scheduled link is told by other means. */
static void test_class_stays(void **state)
{
	struct packet packet;

	world_build(&packet, 4, IPPROTO_UDP, 32);
	put_tagging(WORLD_PRIORITY);
	ethernet(&packet);
	assert_int_equal(run->bss->run_tag, WORLD_TAG);
}

/* The excess has a tag only if it is said so, and its own priority in it. */
static void test_excess(void **state)
{
	const struct bucket_spec spec = { .rate_bps = 8000, .depth_bytes = 100 };
	struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED | GW_VERDICT_TAG);
	struct gw_meter meter = world_meter(GW_METER_REMARK, &spec);
	struct run is = { .program = run->progs.run_vlan_ethernet };
	struct packet packet;

	world_build(&packet, 4, IPPROTO_UDP, 200);
	world_put_socket(&verdict);
	world_put_meter(&meter);
	assert_int_equal(vlan_after(&is, &packet, false), 0);
	meter.excess.flags |= GW_VERDICT_TAG;
	meter.excess.priority = 2;
	world_put_meter(&meter);
	assert_int_equal(vlan_after(&is, &packet, false), VLAN_OF(2));
}

static int tests(void)
{
	const struct CMUnitTest cases[] = {
		WORLD_CASE(test_every_priority),
		WORLD_CASE(test_only_with_the_flag),
		WORLD_CASE(test_not_on_these_links),
		WORLD_CASE(test_not_twice),
		WORLD_CASE(test_segments),
		WORLD_CASE(test_class_stays),
		WORLD_CASE(test_excess),
	};

	return cmocka_run_group_tests(cases, NULL, NULL);
}

int main(void)
{
	return run_mark_tests(tests);
}
