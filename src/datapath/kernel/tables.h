/* SPDX-License-Identifier: MIT */
/*
 * tables.h: the BPF maps of gw_bpf.h: made, or taken over from an earlier daemon, and shared by all
 * programs.
 */
#ifndef GW_DATAPATH_TABLES_H
#define GW_DATAPATH_TABLES_H

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/gw_bpf.h"
#include "datapath/kernel/pins.h"

enum table {
	TABLE_SOCKETS,
	TABLE_DESTS,
	TABLE_GROUPS,
	TABLE_TUPLES,
	TABLE_METERS,
	TABLE_BUCKETS,
	TABLE_FRAGS,
	TABLE_LINKS,
	TABLE_STATS,
	TABLE_SETTINGS,
	TABLE_CLOSES,
	TABLE_COUNT
};

struct tables {
	int fd[TABLE_COUNT];
	volatile struct gw_settings *settings; /* the kernel's own memory */
	bool adopted;
};

void tables_init(struct tables *tables);
void tables_close(struct tables *tables);

/* Sets the sizes that are not fixed in the object. */
void tables_resize(struct bpf_object *object, uint32_t max_sockets);

/*
 * Takes over the pinned maps if they are all there, are just as the (not yet loaded) object wants
 * them, and belong to this network namespace: `adopted`. If they are of another version or size, at
 * least `links` is taken over: what hangs at the interfaces has to be cleaned up by somebody.
 */
void tables_adopt(struct tables *tables, const struct bpf_object *object, const struct pins *pins,
		  uint64_t netns_cookie);

/* Takes the maps that loading the object has made beside those taken over, and pins them all. */
int tables_create(struct tables *tables, const struct bpf_object *object, const struct pins *pins,
		  uint64_t netns_cookie);

/* Makes an object that is about to be loaded use the maps there are. */
int tables_share(const struct tables *tables, struct bpf_object *object);

/* The sums over all CPUs. */
int tables_read_stats(const struct tables *tables, uint64_t ret_counters[static GW_STAT_COUNT]);

/* Calls for every entry of a hash map; the visitor may delete the entry. Negative errno. */
typedef void table_visit_fn(void *user_data, const void *key, const void *value);
int table_visit(int fd, uint32_t key_size, uint32_t value_size, table_visit_fn *visit,
		void *user_data);

/* The kernel's word for a full hash map is another than ours. */
static inline int table_error(int r)
{
	return r == -E2BIG ? -ENOSPC : r;
}

#endif
