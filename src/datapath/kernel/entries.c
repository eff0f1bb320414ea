/* SPDX-License-Identifier: MIT */
/* entries.c: see entries.h. */
#include "datapath/kernel/entries.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "datapath/kernel/verdict.h"

struct further {
	struct gw_destkey key;
	struct further *prev, *next; /* in the socket's list */
	UT_hash_handle hh;
};

struct further_list {
	uint64_t cookie;
	struct further *head;
	UT_hash_handle hh;
};

/* --- Translation ------------------------------------------------------------------------------ */

static struct gw_dest dest_of(const struct address *address)
{
	struct gw_dest dest = {
		.port = htons(address->port),
		.set = 1,
		.scope = address->scope,
	};

	memcpy(dest.addr, address->addr, sizeof(dest.addr));
	return dest;
}

static struct gw_destkey key_of(const struct datapath_target *target)
{
	return (struct gw_destkey){ .cookie = target->cookie,
				    .dest = dest_of(&target->destination) };
}

static struct gw_verdict verdict_of(const struct datapath_treatment *treatment, bool paced)
{
	struct gw_verdict verdict = {
		.flow_id = treatment->flow_id,
		.flags = GW_VERDICT_VALID,
		.traffic_class = (uint8_t)treatment->traffic_class,
	};

	if (treatment->watched)
		return (struct gw_verdict){ 0 }; /* none: others are looked for */
	verdict_set_mark(&verdict, &treatment->mark);
	if (treatment->metered)
		verdict.flags |= GW_VERDICT_METERED;
	if (treatment->metered && paced)
		verdict.flags |= GW_VERDICT_PACED;
	return verdict;
}

static uint16_t flags_of(const struct datapath_target *target)
{
	return (uint16_t)((target->end_on & TARGET_END_ON_SHUTDOWN ? GW_SOCKET_END_ON_SHUTDOWN
								   : 0) |
			  (target->end_on & TARGET_END_ON_DISCONNECT ? GW_SOCKET_END_ON_DISCONNECT
								     : 0) |
			  (target->end_on & TARGET_WATCHED ? GW_SOCKET_WATCHED : 0));
}

static bool same_dest(const struct gw_dest *a, const struct gw_dest *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool is_vacant(const struct gw_socket *entry)
{
	return !entry->first.set && entry->more == 0 &&
	       !(entry->any_verdict.flags & GW_VERDICT_VALID) &&
	       !(entry->flags & GW_SOCKET_WATCHED);
}

static int table_fd(const struct entries *entries, enum table table)
{
	return entries->tables->fd[table];
}

static uint16_t generation(const struct entries *entries)
{
	return (uint16_t)entries->tables->settings->generation;
}

/* --- Further destinations --------------------------------------------------------------------- */

static struct further_list *find_list(const struct entries *entries, uint64_t cookie)
{
	struct further_list *list;

	HASH_FIND(hh, entries->lists, &cookie, sizeof(cookie), list);
	return list;
}

static struct further *find_further(const struct entries *entries, const struct gw_destkey *key)
{
	struct further *further;

	HASH_FIND(hh, entries->further, key, sizeof(*key), further);
	return further;
}

static int put_dest(const struct entries *entries, const struct gw_destkey *key,
		    const struct gw_verdict *verdict)
{
	const struct gw_destval value = { .verdict = *verdict, .generation = generation(entries) };

	return table_error(
		bpf_map_update_elem(table_fd(entries, TABLE_DESTS), key, &value, BPF_ANY));
}

static struct further_list *make_list(struct entries *entries, uint64_t cookie)
{
	struct further_list *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	list->cookie = cookie;
	HASH_ADD(hh, entries->lists, cookie, sizeof(list->cookie), list);
	return list;
}

static void drop_list(struct entries *entries, struct further_list *list)
{
	HASH_DEL(entries->lists, list);
	free(list);
}

static int make_further(struct entries *entries, const struct gw_destkey *key,
			const struct gw_verdict *verdict)
{
	struct further_list *list = find_list(entries, key->cookie);
	struct further *further = calloc(1, sizeof(*further));
	int r;

	if (further && !list)
		list = make_list(entries, key->cookie);
	r = list && further ? put_dest(entries, key, verdict) : -ENOMEM;
	if (r < 0) {
		if (list && !list->head)
			drop_list(entries, list);
		free(further);
		return r;
	}
	further->key = *key;
	DL_APPEND(list->head, further);
	HASH_ADD(hh, entries->further, key, sizeof(further->key), further);
	return 0;
}

/* Whether it was the socket's last one. */
static bool drop_further(struct entries *entries, struct further *further)
{
	struct further_list *list = find_list(entries, further->key.cookie);

	bpf_map_delete_elem(table_fd(entries, TABLE_DESTS), &further->key);
	DL_DELETE(list->head, further);
	HASH_DEL(entries->further, further);
	free(further);
	if (list->head)
		return false;
	drop_list(entries, list);
	return true;
}

static void drop_all_further(struct entries *entries, uint64_t cookie)
{
	struct further_list *list = find_list(entries, cookie);

	while (list && !drop_further(entries, list->head))
		;
}

/* --- Sockets ---------------------------------------------------------------------------------- */

static int write_socket(const struct entries *entries, uint64_t cookie,
			const struct gw_socket *entry, uint64_t flags)
{
	return table_error(
		bpf_map_update_elem(table_fd(entries, TABLE_SOCKETS), &cookie, entry, flags));
}

/* An entry of an earlier daemon counts as none: its flows have ended with it. */
static int read_socket(const struct entries *entries, uint64_t cookie, struct gw_socket *ret_entry,
		       bool *ret_inherited)
{
	int r = bpf_map_lookup_elem(table_fd(entries, TABLE_SOCKETS), &cookie, ret_entry);

	if (r < 0)
		return r;
	*ret_inherited = ret_entry->generation != generation(entries);
	return 0;
}

static struct gw_socket fresh_entry(const struct entries *entries,
				    const struct datapath_target *target,
				    const struct gw_verdict *verdict)
{
	struct gw_socket entry = { .flags = flags_of(target), .generation = generation(entries) };

	if (target->any_destination) {
		entry.any_verdict = *verdict;
	} else {
		entry.first = dest_of(&target->destination);
		entry.first_verdict = *verdict;
	}
	return entry;
}

static int change_further(struct entries *entries, const struct datapath_target *target,
			  const struct gw_destkey *key, const struct gw_verdict *verdict,
			  struct gw_socket *entry)
{
	uint16_t flags = flags_of(target);
	struct further *further = find_further(entries, key);
	int r = further ? put_dest(entries, key, verdict) : make_further(entries, key, verdict);

	/* First the destination, then the entry that makes the mark program look for it. */
	if (r < 0 || (entry->more && entry->flags == flags))
		return r;
	entry->more = 1;
	entry->flags = flags;
	r = write_socket(entries, target->cookie, entry, BPF_EXIST);
	if (r < 0 && !further)
		drop_further(entries, find_further(entries, key));
	return r;
}

static int change_socket(struct entries *entries, const struct datapath_target *target,
			 const struct gw_verdict *verdict, struct gw_socket *entry)
{
	const struct gw_destkey key = key_of(target);

	if (!target->any_destination &&
	    (find_further(entries, &key) ||
	     (entry->first.set && !same_dest(&entry->first, &key.dest))))
		return change_further(entries, target, &key, verdict, entry);

	entry->flags = flags_of(target);
	if (target->any_destination) {
		entry->any_verdict = *verdict;
	} else {
		entry->first = key.dest;
		entry->first_verdict = *verdict;
	}
	return write_socket(entries, target->cookie, entry, BPF_EXIST);
}

static int make_socket(struct entries *entries, const struct datapath_target *target,
		       const struct gw_verdict *verdict, uint64_t flags)
{
	const struct gw_socket entry = fresh_entry(entries, target, verdict);

	/*
	 * What the socket had before, the kernel has ended; the engine may not have been told yet.
	 */
	drop_all_further(entries, target->cookie);
	return write_socket(entries, target->cookie, &entry, flags);
}

static int apply_socket(struct entries *entries, const struct datapath_target *target,
			const struct gw_verdict *verdict)
{
	bool known = find_list(entries, target->cookie), inherited;
	struct gw_socket entry;
	int r;

	/* The common case: the socket has no entry yet. */
	if (target->fd >= 0 && !known) {
		r = make_socket(entries, target, verdict, BPF_NOEXIST);
		if (r != -EEXIST)
			return r;
	}
	r = read_socket(entries, target->cookie, &entry, &inherited);
	if (r == 0 && inherited)
		r = make_socket(entries, target, verdict, BPF_EXIST);
	else if (r == 0)
		r = change_socket(entries, target, verdict, &entry);
	/*
	 * The kernel has deleted the entry, perhaps just now; the socket itself is alive as long as
	 * we hold it.
	 */
	if (r == -ENOENT && target->fd >= 0)
		r = make_socket(entries, target, verdict, BPF_NOEXIST);
	return r;
}

static void clear_in_entry(struct entries *entries, const struct datapath_target *target,
			   const struct gw_destkey *key)
{
	struct gw_socket entry;
	bool inherited;

	if (read_socket(entries, target->cookie, &entry, &inherited) < 0) {
		drop_all_further(entries, target->cookie);
		return;
	}
	if (inherited)
		return;
	if (target->any_destination) {
		memset(&entry.any_verdict, 0, sizeof(entry.any_verdict));
	} else if (entry.first.set && same_dest(&entry.first, &key->dest)) {
		memset(&entry.first, 0, sizeof(entry.first));
		memset(&entry.first_verdict, 0, sizeof(entry.first_verdict));
	}
	entry.more = find_list(entries, target->cookie) ? 1 : 0;
	entry.flags = flags_of(target);
	if (is_vacant(&entry))
		bpf_map_delete_elem(table_fd(entries, TABLE_SOCKETS), &target->cookie);
	else
		write_socket(entries, target->cookie, &entry, BPF_EXIST);
}

static void clear_socket(struct entries *entries, const struct datapath_target *target)
{
	const struct gw_destkey key = key_of(target);
	struct further *further = target->any_destination ? NULL : find_further(entries, &key);

	/* The entry need change only when its last further destination has gone. */
	if (further && !drop_further(entries, further))
		return;
	clear_in_entry(entries, target, &key);
}

/* --- Groups ----------------------------------------------------------------------------------- */

static int apply_group(struct entries *entries, uint64_t group, const struct gw_verdict *verdict)
{
	const struct gw_group value = { .verdict = *verdict };
	int fd = table_fd(entries, TABLE_GROUPS);
	int r = bpf_map_update_elem(fd, &group, &value, BPF_NOEXIST);

	if (r == 0)
		entries->tables->settings->groups++;
	else if (r == -EEXIST)
		r = bpf_map_update_elem(fd, &group, &value, BPF_EXIST);
	return table_error(r);
}

static bool delete_group(struct entries *entries, uint64_t group)
{
	if (bpf_map_delete_elem(table_fd(entries, TABLE_GROUPS), &group) < 0)
		return false;
	entries->tables->settings->groups--;
	return true;
}

/* --- The port --------------------------------------------------------------------------------- */

int entries_apply(struct entries *entries, const struct datapath_target *target,
		  const struct datapath_treatment *treatment, bool paced)
{
	const struct gw_verdict verdict = verdict_of(treatment, paced);

	if (target->cookie != 0)
		return apply_socket(entries, target, &verdict);
	if (target->group != 0)
		return apply_group(entries, target->group, &verdict);
	return tuples_apply(&entries->tuples, target->tuple, &verdict);
}

void entries_clear(struct entries *entries, const struct datapath_target *target)
{
	if (target->cookie != 0)
		clear_socket(entries, target);
	else if (target->group != 0)
		delete_group(entries, target->group);
	else
		tuples_clear(&entries->tuples, target->tuple);
}

static void count_one(void *user_data, const void *key, const void *value)
{
	uint64_t *count = user_data;

	(*count)++;
}

uint64_t entries_count(const struct entries *entries)
{
	uint64_t count = tuples_count(&entries->tuples);

	table_visit(table_fd(entries, TABLE_SOCKETS), sizeof(uint64_t), sizeof(struct gw_socket),
		    count_one, &count);
	table_visit(table_fd(entries, TABLE_GROUPS), sizeof(uint64_t), sizeof(struct gw_group),
		    count_one, &count);
	return count;
}

struct sweep {
	struct entries *entries;
	kernel_keep_group_fn *keep;
	void *user_data;
	int removed;
};

static void sweep_socket(void *user_data, const void *key, const void *value)
{
	const struct gw_socket *entry = value;
	struct sweep *sweep = user_data;

	if (entry->generation != generation(sweep->entries) &&
	    bpf_map_delete_elem(table_fd(sweep->entries, TABLE_SOCKETS), key) == 0)
		sweep->removed++;
}

/* Of no effect any more, and not counted; they would only fill the table. */
static void sweep_dest(void *user_data, const void *key, const void *value)
{
	const struct gw_destval *entry = value;
	struct sweep *sweep = user_data;

	if (entry->generation != generation(sweep->entries))
		bpf_map_delete_elem(table_fd(sweep->entries, TABLE_DESTS), key);
}

static void sweep_group(void *user_data, const void *key, const void *value)
{
	struct sweep *sweep = user_data;
	uint64_t group;

	memcpy(&group, key, sizeof(group));
	if ((!sweep->keep || !sweep->keep(sweep->user_data, group)) &&
	    delete_group(sweep->entries, group))
		sweep->removed++;
}

int entries_sweep(struct entries *entries, kernel_keep_group_fn *keep, void *user_data)
{
	struct sweep sweep = { .entries = entries, .keep = keep, .user_data = user_data };
	int r = table_visit(table_fd(entries, TABLE_SOCKETS), sizeof(uint64_t),
			    sizeof(struct gw_socket), sweep_socket, &sweep);

	if (r == 0)
		r = table_visit(table_fd(entries, TABLE_DESTS), sizeof(struct gw_destkey),
				sizeof(struct gw_destval), sweep_dest, &sweep);
	if (r == 0)
		r = table_visit(table_fd(entries, TABLE_GROUPS), sizeof(uint64_t),
				sizeof(struct gw_group), sweep_group, &sweep);
	if (r == 0)
		r = tuples_sweep(&entries->tuples);
	return r < 0 ? r : sweep.removed + r;
}

void entries_init(struct entries *entries, const struct tables *tables)
{
	uint32_t groups = 0;
	uint64_t count = 0;

	*entries = (struct entries){ .tables = tables };
	/* A crash may have come between a group's entry and its count. */
	if (tables->adopted && table_visit(tables->fd[TABLE_GROUPS], sizeof(uint64_t),
					   sizeof(struct gw_group), count_one, &count) == 0)
		groups = (uint32_t)count;
	tables->settings->groups = groups;
	tuples_init(&entries->tuples, tables);
}

void entries_free(struct entries *entries)
{
	struct further_list *list, *next_list;
	struct further *further, *next;

	HASH_ITER(hh, entries->further, further, next) {
		HASH_DEL(entries->further, further);
		free(further);
	}
	HASH_ITER(hh, entries->lists, list, next_list)
		drop_list(entries, list);
}
