/* SPDX-License-Identifier: MIT */
/* tuples.c: see tuples.h. */
#include "datapath/kernel/tuples.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static int table_fd(const struct tuples *tuples)
{
	return tuples->tables->fd[TABLE_TUPLES];
}

static uint32_t generation(const struct tuples *tuples)
{
	return tuples->tables->settings->generation;
}

static void tell_kinds(const struct tuples *tuples)
{
	uint32_t kinds = 0;

	for (int i = 0; i < GW_WILD_COUNT; i++)
		kinds |= (uint32_t)(tuples->count[i] > 0) << i;
	tuples->tables->settings->tuple_kinds = kinds;
	tuples->tables->settings->tuples = tuples_count(tuples);
}

static void count_kind(void *user_data, const void *key, const void *value)
{
	const struct gw_tuplekey *tuple = key;
	struct tuples *tuples = user_data;

	if (tuple->wild < GW_WILD_COUNT)
		tuples->count[tuple->wild]++;
}

void tuples_init(struct tuples *tuples, const struct tables *tables)
{
	*tuples = (struct tuples){ .tables = tables };
	if (tables->adopted)
		(void)table_visit(table_fd(tuples), sizeof(struct gw_tuplekey),
				  sizeof(struct gw_destval), count_kind, tuples);
	tell_kinds(tuples);
}

int tuples_key(const struct datapath_tuple *tuple, struct gw_tuplekey *ret_key)
{
	struct gw_tuplekey key = {
		.port = htons(tuple->destination.port),
		.ifindex = tuple->ifindex,
		.protocol = (uint8_t)tuple->protocol,
	};

	if (tuple->source.family == AF_UNSPEC && (tuple->source.port != 0 || tuple->spi != 0))
		return -EOPNOTSUPP;
	if (tuple->destination.family == AF_UNSPEC || tuple->ifindex == 0)
		return -EOPNOTSUPP;
	memcpy(key.destination, tuple->destination.addr, sizeof(key.destination));
	if (tuple->source.family == AF_UNSPEC) {
		key.wild |= GW_WILD_SOURCE;
	} else {
		memcpy(key.source, tuple->source.addr, sizeof(key.source));
		key.source_port = htons(tuple->source.port);
		key.spi = htonl(tuple->spi);
		if (tuple->source.port == 0 && tuple->spi == 0)
			key.wild |= GW_WILD_SOURCE_PORT;
	}
	if (tuple->destination.port == 0)
		key.wild |= GW_WILD_PORT;
	*ret_key = key;
	return 0;
}

int tuples_apply(struct tuples *tuples, const struct datapath_tuple *tuple,
		 const struct gw_verdict *verdict)
{
	const struct gw_destval value = { .verdict = *verdict, .generation = generation(tuples) };
	struct gw_tuplekey key;
	int r = tuples_key(tuple, &key);

	if (r < 0)
		return r;
	r = bpf_map_update_elem(table_fd(tuples), &key, &value, BPF_NOEXIST);
	if (r == -EEXIST)
		return table_error(bpf_map_update_elem(table_fd(tuples), &key, &value, BPF_EXIST));
	if (r < 0)
		return table_error(r);
	tuples->count[key.wild]++;
	tell_kinds(tuples);
	return 0;
}

static bool delete_key(struct tuples *tuples, const struct gw_tuplekey *key)
{
	if (bpf_map_delete_elem(table_fd(tuples), key) < 0)
		return false;
	tuples->count[key->wild]--;
	tell_kinds(tuples);
	return true;
}

void tuples_clear(struct tuples *tuples, const struct datapath_tuple *tuple)
{
	struct gw_tuplekey key;

	if (tuples_key(tuple, &key) == 0)
		(void)delete_key(tuples, &key);
}

uint32_t tuples_count(const struct tuples *tuples)
{
	uint32_t count = 0;

	for (int i = 0; i < GW_WILD_COUNT; i++)
		count += tuples->count[i];
	return count;
}

struct sweep {
	struct tuples *tuples;
	int removed;
};

static void sweep_one(void *user_data, const void *key, const void *value)
{
	const struct gw_destval *entry = value;
	struct sweep *sweep = user_data;

	if (entry->generation != generation(sweep->tuples) && delete_key(sweep->tuples, key))
		sweep->removed++;
}

int tuples_sweep(struct tuples *tuples)
{
	struct sweep sweep = { .tuples = tuples };
	int r = table_visit(table_fd(tuples), sizeof(struct gw_tuplekey), sizeof(struct gw_destval),
			    sweep_one, &sweep);

	return r < 0 ? r : sweep.removed;
}
