/* SPDX-License-Identifier: MIT */
/* tables.c: see tables.h. */
#include "datapath/kernel/tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "core/class.h"

#define MODULE "kernel"

#define BATCH 1024

/* Longer ones of a later version are not looked at. */
#define SETTINGS_LEN_MAX 256

_Static_assert(GW_BAND_CLASS_CONTROL == GW_CLASS_CONTROL, "the program has no other header");

/* An event of 40 bytes with its header for every fourth socket, should they all close at once. */
#define CLOSES_BYTES_PER_SOCKET 10
#define CLOSES_BYTES_MIN (64u << 10)

static const char *const names[TABLE_COUNT] = {
	[TABLE_SOCKETS] = "sockets",   [TABLE_DESTS] = "dests",	  [TABLE_GROUPS] = "groups",
	[TABLE_TUPLES] = "tuples",     [TABLE_METERS] = "meters", [TABLE_BUCKETS] = "buckets",
	[TABLE_FRAGS] = "frags",       [TABLE_LINKS] = "links",	  [TABLE_STATS] = "stats",
	[TABLE_SETTINGS] = "settings", [TABLE_CLOSES] = "closes",
};

/* As many as there may be sockets; or flows, of which a router has no sockets. */
static const enum table sized_by_sockets[] = { TABLE_SOCKETS, TABLE_DESTS, TABLE_TUPLES,
					       TABLE_METERS, TABLE_BUCKETS };

void tables_init(struct tables *tables)
{
	*tables = (struct tables){ 0 };
	for (int i = 0; i < TABLE_COUNT; i++)
		tables->fd[i] = -1;
}

void tables_close(struct tables *tables)
{
	if (tables->settings)
		munmap((void *)tables->settings, sizeof(*tables->settings));
	for (int i = 0; i < TABLE_COUNT; i++)
		closep(&tables->fd[i]);
	tables_init(tables);
}

void tables_resize(struct bpf_object *object, uint32_t max_sockets)
{
	uint32_t closes_bytes = CLOSES_BYTES_MIN;

	while (closes_bytes < (uint64_t)max_sockets * CLOSES_BYTES_PER_SOCKET &&
	       closes_bytes < 1u << 30)
		closes_bytes *= 2;
	for (size_t i = 0; i < sizeof(sized_by_sockets) / sizeof(sized_by_sockets[0]); i++)
		bpf_map__set_max_entries(bpf_object__find_map_by_name(object,
								      names[sized_by_sockets[i]]),
					 max_sockets);
	bpf_map__set_max_entries(bpf_object__find_map_by_name(object, names[TABLE_CLOSES]),
				 closes_bytes);
}

static int map_settings(struct tables *tables)
{
	void *memory = mmap(NULL, sizeof(*tables->settings), PROT_READ | PROT_WRITE, MAP_SHARED,
			    tables->fd[TABLE_SETTINGS], 0);

	if (memory == MAP_FAILED)
		return -errno;
	tables->settings = memory;
	return 0;
}

static bool same_shape(const struct bpf_map *wanted, int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == bpf_map__type(wanted) &&
	       info.key_size == bpf_map__key_size(wanted) &&
	       info.value_size == bpf_map__value_size(wanted) &&
	       info.max_entries == bpf_map__max_entries(wanted) &&
	       info.map_flags == bpf_map__map_flags(wanted);
}

static void drop_all_but(struct tables *tables, enum table kept)
{
	for (int i = 0; i < TABLE_COUNT; i++) {
		if (i == (int)kept)
			continue;
		closep(&tables->fd[i]);
		tables->fd[i] = -1;
	}
}

/* How many of the maps that are pinned are as wanted; their descriptors are kept. */
static int open_fitting(struct tables *tables, const struct bpf_object *object,
			const struct pins *pins)
{
	int fitting = 0;

	for (int i = 0; i < TABLE_COUNT; i++) {
		_cleanup_(closep) int fd = pins_get(pins, names[i]);

		if (fd < 0 || !same_shape(bpf_object__find_map_by_name(object, names[i]), fd))
			continue;
		tables->fd[i] = steal_fd(&fd);
		fitting++;
	}
	return fitting;
}

/* Of any version: as much as each has, in the place where each has it. -ENOENT: nothing is pinned. */
static int read_identity(const struct pins *pins, struct gw_settings *ret_settings)
{
	_cleanup_(closep) int fd = pins_get(pins, names[TABLE_SETTINGS]);
	_Alignas(struct gw_settings) char value[SETTINGS_LEN_MAX];
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);
	const uint32_t zero = 0;
	int r;

	if (fd < 0)
		return fd;
	r = bpf_obj_get_info_by_fd(fd, &info, &len);
	if (r < 0)
		return r;
	if (info.type != BPF_MAP_TYPE_ARRAY || info.key_size != sizeof(zero) ||
	    info.value_size < GW_SETTINGS_IDENTITY_LEN || info.value_size > sizeof(value))
		return -EINVAL;
	r = bpf_map_lookup_elem(fd, &zero, value);
	if (r < 0)
		return r;
	memset(ret_settings, 0, sizeof(*ret_settings));
	memcpy(ret_settings, value, GW_SETTINGS_IDENTITY_LEN);
	return 0;
}

void tables_adopt(struct tables *tables, const struct bpf_object *object, const struct pins *pins,
		  uint64_t netns_cookie)
{
	struct gw_settings found;
	int r = read_identity(pins, &found), fitting;

	if (r == -ENOENT)
		return;
	if (r < 0 || found.netns_cookie != netns_cookie) {
		log_notice(MODULE,
			   "removed what is pinned here, but not for this network namespace");
		return;
	}
	fitting = open_fitting(tables, object, pins);
	if (found.abi == GW_BPF_ABI && fitting == TABLE_COUNT && map_settings(tables) == 0) {
		/* 0 is what an entry would have that nobody wrote. */
		tables->settings->generation = tables->settings->generation % UINT16_MAX + 1;
		tables->adopted = true;
		return;
	}
	log_notice(
		MODULE,
		"an earlier daemon left maps of version %u, %d of %d as this one (version %d) has "
		"them: they are replaced, and the marks in them end",
		found.abi, fitting, TABLE_COUNT, GW_BPF_ABI);
	drop_all_but(tables, TABLE_LINKS);
}

int tables_create(struct tables *tables, const struct bpf_object *object, const struct pins *pins,
		  uint64_t netns_cookie)
{
	int r;

	for (int i = 0; i < TABLE_COUNT; i++) {
		if (tables->fd[i] >= 0)
			continue;
		tables->fd[i] = fcntl(bpf_map__fd(bpf_object__find_map_by_name(object, names[i])),
				      F_DUPFD_CLOEXEC, 3);
		if (tables->fd[i] < 0)
			return -errno;
	}
	r = map_settings(tables);
	if (r < 0)
		return r;
	tables->settings->abi = GW_BPF_ABI;
	tables->settings->generation = 1;
	tables->settings->netns_cookie = netns_cookie;
	for (int i = 0; i < TABLE_COUNT; i++) {
		r = pins_put(pins, names[i], tables->fd[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

int tables_share(const struct tables *tables, struct bpf_object *object)
{
	int r = 0;

	for (int i = 0; i < TABLE_COUNT && r == 0; i++)
		if (tables->fd[i] >= 0)
			r = bpf_map__reuse_fd(bpf_object__find_map_by_name(object, names[i]),
					      tables->fd[i]);
	return r;
}

int tables_read_stats(const struct tables *tables, uint64_t ret_counters[static GW_STAT_COUNT])
{
	_cleanup_(freep) struct gw_stats *stats = NULL;
	int cpus = libbpf_num_possible_cpus();
	const uint32_t zero = 0;
	int r;

	if (cpus < 0)
		return cpus;
	stats = calloc((size_t)cpus, sizeof(*stats));
	if (!stats)
		return -ENOMEM;
	r = bpf_map_lookup_elem(tables->fd[TABLE_STATS], &zero, stats);
	if (r < 0)
		return r;
	memset(ret_counters, 0, GW_STAT_COUNT * sizeof(ret_counters[0]));
	for (int cpu = 0; cpu < cpus; cpu++)
		for (int i = 0; i < GW_STAT_COUNT; i++)
			ret_counters[i] += stats[cpu].count[i];
	return 0;
}

/* Kernels before 5.6, and maps without the batch operation: one call for each entry. */
static int visit_singly(int fd, void *keys, void *values, uint32_t key_size, table_visit_fn *visit,
			void *user_data)
{
	char *key = keys, *next = key + key_size;
	bool more = bpf_map_get_next_key(fd, NULL, key) == 0;

	while (more) {
		/* First on, then look: the visitor may delete what it sees. */
		more = bpf_map_get_next_key(fd, key, next) == 0;
		if (bpf_map_lookup_elem(fd, key, values) == 0)
			visit(user_data, key, values);
		memcpy(key, next, key_size);
	}
	return 0;
}

int table_visit(int fd, uint32_t key_size, uint32_t value_size, table_visit_fn *visit,
		void *user_data)
{
	_cleanup_(freep) char *keys = calloc(BATCH, key_size);
	_cleanup_(freep) char *values = calloc(BATCH, value_size);
	uint32_t position, count;
	bool begun = false;
	int r;

	if (!keys || !values)
		return -ENOMEM;
	do {
		count = BATCH;
		r = bpf_map_lookup_batch(fd, begun ? &position : NULL, &position, keys, values,
					 &count, NULL);
		if (r < 0 && r != -ENOENT) {
			if (!begun)
				return visit_singly(fd, keys, values, key_size, visit, user_data);
			return r;
		}
		begun = true;
		for (uint32_t i = 0; i < count; i++)
			visit(user_data, keys + (size_t)i * key_size,
			      values + (size_t)i * value_size);
	} while (r == 0);
	return 0;
}
