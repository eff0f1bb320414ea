/* SPDX-License-Identifier: MIT */
/* mark_world.c: see mark_world.h. */
#include "mark_world.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SKIP 77
#define BEGIN_NS 10000000000000u
#define KEY_MAX 64

struct mark_run_bpf *run;

/* --- Maps ------------------------------------------------------------------------------------- */

void world_put(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

static void empty(const struct bpf_map *map)
{
	char key[KEY_MAX];

	while (bpf_map_get_next_key(bpf_map__fd(map), NULL, key) == 0)
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(map), key), 0);
}

int world_setup(void **state)
{
	const struct bpf_map *maps[] = { run->maps.sockets, run->maps.tuples,  run->maps.groups,
					 run->maps.meters,  run->maps.buckets, run->maps.frags,
					 run->maps.links };

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		empty(maps[i]);
	world_settings(0, 0);
	run->bss->run_cookie = WORLD_COOKIE;
	run->bss->run_clock_ns = BEGIN_NS;
	return 0;
}

void world_settings(uint32_t tuples, uint32_t tuple_kinds)
{
	const struct gw_settings settings = { .tuples = tuples, .tuple_kinds = tuple_kinds };
	const uint32_t zero = 0;

	world_put(run->maps.settings, &zero, &settings);
}

struct gw_verdict world_verdict(uint8_t flags)
{
	return (struct gw_verdict){
		.flow_id = WORLD_FLOW,
		.flags = GW_VERDICT_VALID | GW_VERDICT_SET_DSCP | GW_VERDICT_SET_PRIORITY | flags,
		.dscp = WORLD_DSCP,
		.priority = WORLD_PRIORITY,
		.traffic_class = WORLD_CLASS,
	};
}

void world_put_socket(const struct gw_verdict *verdict)
{
	const struct gw_socket entry = { .any_verdict = *verdict, .generation = 1 };
	const uint64_t cookie = WORLD_COOKIE;

	world_put(run->maps.sockets, &cookie, &entry);
}

void world_put_meter(const struct gw_meter *meter)
{
	const struct gw_bucket bucket = { 0 };
	const uint32_t flow_id = WORLD_FLOW;

	world_put(run->maps.buckets, &flow_id, &bucket);
	world_put(run->maps.meters, &flow_id, meter);
}

void world_put_link(uint32_t flags)
{
	const struct gw_link link = { .flags = flags };
	const uint32_t ifindex = WORLD_IFINDEX;

	world_put(run->maps.links, &ifindex, &link);
}

struct gw_bucket world_bucket(void)
{
	const uint32_t flow_id = WORLD_FLOW;
	struct gw_bucket bucket;

	assert_int_equal(bpf_map_lookup_elem_flags(bpf_map__fd(run->maps.buckets), &flow_id,
						   &bucket, BPF_F_LOCK),
			 0);
	return bucket;
}

struct gw_meter world_meter(enum gw_meter_action action, const struct bucket_spec *spec)
{
	struct gw_meter meter = {
		.action = action,
		.excess = { .flow_id = WORLD_FLOW,
			    .flags = GW_VERDICT_VALID | GW_VERDICT_SET_DSCP |
				     GW_VERDICT_SET_PRIORITY,
			    .traffic_class = 1 },
	};

	assert_int_equal(bucket_rule_make(spec, &meter.rule), 0);
	return meter;
}

uint64_t world_stat(enum gw_stat stat)
{
	int cpus = libbpf_num_possible_cpus();
	struct gw_stats *stats = calloc((size_t)cpus, sizeof(*stats));
	const uint32_t zero = 0;
	uint64_t sum = 0;

	assert_non_null(stats);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(run->maps.stats), &zero, stats), 0);
	for (int i = 0; i < cpus; i++)
		sum += stats[i].count[stat];
	free(stats);
	return sum;
}

/* --- Packets ---------------------------------------------------------------------------------- */

void world_build(struct packet *packet, int version, uint8_t protocol, unsigned payload_len)
{
	const struct packet_options options = {
		.port = PACKET_PORT,
		.last_octet = PACKET_LAST_OCTET,
		.payload_len = payload_len,
		.protocol = protocol,
	};

	packet_build(packet, version, &options);
}

struct passed world_send(const struct sent *sent)
{
	struct __sk_buff context = {
		.gso_segs = sent->gso_segs,
		.gso_size = sent->gso_size,
		.tstamp = sent->tstamp,
	};
	struct passed passed = { .packet = *sent->packet };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = sent->packet->data,
		    .data_size_in = (uint32_t)sent->packet->len, .data_out = passed.packet.data,
		    .data_size_out = sizeof(passed.packet.data), .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .ctx_out = &context,
		    .ctx_size_out = sizeof(context));

	run->bss->run_tag = sent->tag;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(run->progs.run_tagged), &opts), 0);
	assert_int_equal(opts.data_size_out, sent->packet->len);
	passed.action = (int)opts.retval;
	passed.priority = context.priority;
	passed.tstamp = context.tstamp;
	passed.tag = run->bss->run_tag;
	return passed;
}

struct passed world_send_packet(const struct packet *packet)
{
	const struct sent sent = { .packet = packet };

	return world_send(&sent);
}

int run_mark_tests(int (*tests)(void))
{
	int r;

	run = mark_run_bpf__open_and_load();
	if (!run) {
		r = errno;
		if (r == EPERM || r == EACCES) {
			printf("SKIP: loading eBPF programs is not permitted here\n");
			return SKIP;
		}
		fprintf(stderr, "cannot load the programs: %s\n", strerror(r));
		return 1;
	}
	r = tests();
	mark_run_bpf__destroy(run);
	return r;
}
