/* SPDX-License-Identifier: MIT */
/* kernel.c: see kernel.h. Puts the parts together, in the order in which one needs the other. */
#include "datapath/kernel/kernel.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "datapath/kernel/facts.h"
#include "datapath/kernel/kernel_internal.h"
#include "datapath/kernel/probe.h"

#define MODULE "kernel"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

static int print_debug(enum libbpf_print_level level, const char *format, va_list arguments)
{
	char text[512];

	if (!log_enabled(LOG_LEVEL_DEBUG, MODULE))
		return 0;
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	log_debug(MODULE, "%s", text);
	return 0;
}

/*
 * An inode number comes round again when its namespace has gone; a cookie does not, but is young
 * (5.14).
 */
static int identify_namespace(struct kernel_datapath *datapath)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(datapath->netns_cookie);
	struct stat st;

	if (fd < 0 || stat("/proc/thread-self/ns/net", &st) < 0)
		return -errno;
	datapath->namespace_inode = st.st_ino;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &datapath->netns_cookie, &len) < 0)
		datapath->netns_cookie = 0;
	return 0;
}

static void note(struct kernel_datapath *datapath, struct kernel_facts *facts,
		 enum kernel_mechanism mechanism, int error)
{
	datapath->present[mechanism] = error == 0;
	facts_set(facts, mechanism, error);
}

/* Every hook that a host may refuse; what is attached but does not fire counts as missing. */
static int open_hooks(struct kernel_datapath *datapath, struct kernel_facts *facts)
{
	struct probe_result probe;
	int outcome[HOOK_COUNT];
	int r;

	outcome[HOOK_RELEASE] = programs_attach_release(&datapath->programs, &datapath->tables,
							&datapath->pins, datapath->cgroup.fd);
	outcome[HOOK_STATE] =
		programs_attach_state(&datapath->programs, &datapath->tables, &datapath->pins);
	programs_attach_entries(&datapath->programs, &datapath->tables, &datapath->pins, outcome);
	r = probe_hooks(&datapath->tables, &datapath->events, &probe);
	if (r < 0)
		return r;
	for (int i = 0; i < HOOK_COUNT; i++)
		if (outcome[i] == 0 && !probe.seen[i])
			outcome[i] = -EBADMSG;

	note(datapath, facts, KERNEL_SOCK_RELEASE, outcome[HOOK_RELEASE]);
	note(datapath, facts, KERNEL_STATE_TRACEPOINT, outcome[HOOK_STATE]);
	note(datapath, facts, KERNEL_FENTRY_SHUTDOWN, outcome[HOOK_SHUTDOWN]);
	note(datapath, facts, KERNEL_FENTRY_DISCONNECT,
	     outcome[HOOK_UDP_DISCONNECT] < 0 ? outcome[HOOK_UDP_DISCONNECT]
					      : outcome[HOOK_TCP_DISCONNECT]);
	note(datapath, facts, KERNEL_SOCK_DIAG, probe.sockdiag);
	return 0;
}

static bool group_is_known(void *user_data, uint64_t group)
{
	struct kernel_datapath *datapath = user_data;
	struct gw_verdict verdict;

	return kernel_group_verdict(datapath, group, &verdict) == 0;
}

/* Where the mark program looks for groups. */
static void note_group_levels(struct kernel_datapath *datapath)
{
	datapath->tables.settings->group_levels = groups_levels(datapath->groups);
}

static int open_groups(struct kernel_datapath *datapath)
{
	struct groups_config config = {
		.root = &datapath->cgroup,
		.namespace_inode = datapath->namespace_inode,
		.n_known = datapath->tables.settings->groups,
		.is_known = group_is_known,
		.user_data = datapath,
	};
	int level;
	int r = programs_current_level(&level);

	if (r == 0)
		r = cgroup_root_level(&datapath->cgroup, level, &config.root_level);
	if (r == 0)
		r = groups_open(&config, &datapath->groups);
	if (r == 0)
		note_group_levels(datapath);
	return r;
}

struct link_outcome {
	bool attached;
	int error;
};

static void on_link(void *user_data, const struct kernel_link *link)
{
	struct link_outcome *outcome = user_data;

	if (link->attached)
		outcome->attached = true;
	else if (link->error < 0)
		outcome->error = link->error;
}

/* One that refuses us is that interface's affair; all of them is ours. */
static int open_links(struct kernel_datapath *datapath, const struct kernel_config *config)
{
	const struct links_config links = {
		.pins = &datapath->pins,
		.map = datapath->tables.fd[TABLE_LINKS],
		.programs = {
			.ethernet = datapath->programs.mark_ethernet,
			.other = datapath->programs.mark_other,
		},
		.interfaces = config->interfaces,
		.only_clsact = config->only_clsact,
	};
	struct link_outcome outcome = { 0 };
	int r = probe_mark(&datapath->programs, &datapath->tables);

	if (r == 0)
		r = links_open(&links, &datapath->links);
	if (r < 0)
		return r;
	links_visit(datapath->links, on_link, &outcome);
	return outcome.attached ? 0 : outcome.error;
}

static void on_handover(void *user_data, const struct handover_report *report)
{
	struct kernel_datapath *datapath = user_data;

	/* First there is room, then it is filled. */
	if (datapath->link_changed)
		datapath->link_changed(datapath->user_data, report);
	shaper_link_changed(&datapath->shaper, report);
}

static int open_handover(struct kernel_datapath *datapath, const struct kernel_config *config)
{
	const struct handover_config handover = {
		.links = config->links,
		.n_links = config->n_links,
		.state_folder = config->state_folder,
		.classifier_fd = datapath->programs.classify,
		.changed = on_handover,
		.user_data = datapath,
	};
	int r;

	datapath->link_changed = config->link_changed;
	datapath->tick_wanted = config->tick_wanted;
	datapath->user_data = config->user_data;
	r = shaper_init(&datapath->shaper, &datapath->tables);
	if (r == 0)
		r = handover_open(&handover, &datapath->handover);
	datapath->shaper.handover = datapath->handover;
	return r;
}

/* Queues come and go. */
void kernel_datapath_update_facts(struct kernel_datapath *datapath, struct kernel_facts *facts)
{
	note(datapath, facts, KERNEL_DEPARTURE_TIMES,
	     kernel_departing_links(datapath).departs > 0 ? 0 : -EOPNOTSUPP);
}

static void note_shaping(struct kernel_datapath *datapath, struct kernel_facts *facts)
{
	int r = datapath->programs.classify < 0 ? -EOPNOTSUPP : probe_htb();

	note(datapath, facts, KERNEL_CLASS_SHAPING, r);
	kernel_datapath_update_facts(datapath, facts);
}

static int open_parts(struct kernel_datapath *datapath, const struct kernel_config *config,
		      struct kernel_facts *facts)
{
	uint32_t max_sockets = config->max_sockets ? config->max_sockets
						   : KERNEL_DEFAULT_MAX_SOCKETS;
	int r = pins_open(&datapath->pins, datapath->namespace_inode);

	note(datapath, facts, KERNEL_BPFFS, r);
	if (r == -EBUSY)
		return r;

	r = programs_load_mark(&datapath->programs, &datapath->tables, &datapath->pins, max_sockets,
			       datapath->netns_cookie);
	if (r == 0)
		r = events_open(&datapath->events, &datapath->tables);
	note(datapath, facts, KERNEL_BPF, r);
	if (r < 0)
		return r;
	entries_init(&datapath->entries, &datapath->tables);
	metered_init(&datapath->metered, &datapath->entries);

	r = cgroup_root_open(&datapath->cgroup);
	if (r == 0)
		r = open_groups(datapath);
	note(datapath, facts, KERNEL_CGROUP2, r);

	r = open_hooks(datapath, facts);
	if (r < 0)
		return r;
	r = open_links(datapath, config);
	note(datapath, facts, KERNEL_TC_EGRESS, r);
	if (r < 0)
		return r;
	note(datapath, facts, KERNEL_TCX, links_use_tcx(datapath->links) ? 0 : -EOPNOTSUPP);
	note_shaping(datapath, facts);
	return open_handover(datapath, config);
}

static struct kernel_datapath *let_go(struct kernel_datapath *datapath, bool remove)
{
	if (!datapath)
		return NULL;
	/* Packets are not sent into classes any more when these go. */
	links_close(datapath->links, remove);
	handover_close(datapath->handover, remove);
	shaper_free(&datapath->shaper);
	metered_free(&datapath->metered);
	groups_close(datapath->groups, remove);
	events_close(&datapath->events);
	entries_free(&datapath->entries);
	programs_close(&datapath->programs);
	tables_close(&datapath->tables);
	pins_close(&datapath->pins, remove);
	closep(&datapath->cgroup.fd);
	free(datapath);
	return NULL;
}

int kernel_datapath_open(const struct kernel_config *config, struct kernel_facts *ret_facts,
			 struct kernel_datapath **ret_datapath)
{
	struct kernel_datapath *datapath = calloc(1, sizeof(*datapath));
	int r;

	facts_init(ret_facts);
	if (!datapath)
		return -ENOMEM;
	datapath->cgroup.fd = -1;
	datapath->pins.lock_fd = -1;
	tables_init(&datapath->tables);
	programs_init(&datapath->programs);
	libbpf_set_print(print_debug);

	r = identify_namespace(datapath);
	if (r == 0)
		r = open_parts(datapath, config, ret_facts);
	if (r < 0) {
		/* What an earlier daemon left is not ours to end for a failure of our own. */
		let_go(datapath, !datapath->tables.adopted);
		return r;
	}
	*ret_datapath = datapath;
	return 0;
}

struct kernel_datapath *kernel_datapath_close(struct kernel_datapath *datapath)
{
	return let_go(datapath, true);
}

struct kernel_datapath *kernel_datapath_abandon(struct kernel_datapath *datapath)
{
	return let_go(datapath, false);
}

bool kernel_datapath_has(const struct kernel_datapath *datapath, enum kernel_mechanism mechanism)
{
	return datapath->present[mechanism];
}

bool kernel_datapath_adopted(const struct kernel_datapath *datapath)
{
	return datapath->tables.adopted;
}

/* --- Questions and time ----------------------------------------------------------------------- */

int kernel_datapath_tick(struct kernel_datapath *datapath)
{
	bool drains = handover_tick(datapath->handover);

	return shaper_tick(&datapath->shaper) || drains ? SHAPER_TICK_MS : -1;
}

bool kernel_datapath_contains(struct kernel_datapath *datapath, uint64_t cookie)
{
	struct gw_socket entry;

	return bpf_map_lookup_elem(datapath->tables.fd[TABLE_SOCKETS], &cookie, &entry) == 0;
}

int kernel_datapath_counters(struct kernel_datapath *datapath,
			     uint64_t ret_counters[static GW_STAT_COUNT])
{
	return tables_read_stats(&datapath->tables, ret_counters);
}

int kernel_datapath_sweep(struct kernel_datapath *datapath, kernel_keep_group_fn *keep,
			  void *user_data)
{
	int entries = entries_sweep(&datapath->entries, keep, user_data);
	int meters = entries < 0 ? entries : shaper_sweep(&datapath->shaper);

	return meters < 0 ? meters : entries + meters;
}

/* --- Interfaces, endings, groups -------------------------------------------------------------- */

int kernel_datapath_link_fd(const struct kernel_datapath *datapath)
{
	return links_fd(datapath->links);
}

int kernel_datapath_link_event(struct kernel_datapath *datapath)
{
	return links_event(datapath->links);
}

void kernel_datapath_visit_links(const struct kernel_datapath *datapath,
				 void (*visit)(void *user_data, const struct kernel_link *link),
				 void *user_data)
{
	links_visit(datapath->links, visit, user_data);
}

int kernel_datapath_reconfigure(struct kernel_datapath *datapath, const struct handover_link *links,
				size_t n_links)
{
	return handover_reconfigure(datapath->handover, links, n_links);
}

int kernel_datapath_handover_fd(const struct kernel_datapath *datapath)
{
	return handover_fd(datapath->handover);
}

int kernel_datapath_handover_event(struct kernel_datapath *datapath)
{
	return handover_event(datapath->handover);
}

void kernel_datapath_visit_handover(const struct kernel_datapath *datapath,
				    void (*visit)(void *user_data,
						  const struct handover_report *report),
				    void *user_data)
{
	handover_visit(datapath->handover, visit, user_data);
}

int kernel_datapath_event_fd(const struct kernel_datapath *datapath)
{
	return events_fd(&datapath->events);
}

static void on_close(void *user_data, const struct gw_close *event)
{
	struct kernel_datapath *datapath = user_data;

	if (event->cause == GW_CLOSE_RELEASED)
		metered_forget(&datapath->metered, event->cookie);
	datapath->report_close(datapath->report_user_data, event);
}

int kernel_datapath_poll(struct kernel_datapath *datapath, kernel_close_fn *report, void *user_data,
			 bool *ret_lost)
{
	datapath->report_close = report;
	datapath->report_user_data = user_data;
	return events_poll(&datapath->events, &datapath->tables, on_close, datapath, ret_lost);
}

int kernel_group_create(struct kernel_datapath *datapath, pid_t pid, uint64_t *ret_group)
{
	int r = datapath->groups ? groups_create(datapath->groups, pid, ret_group) : -EOPNOTSUPP;

	if (r == 0)
		note_group_levels(datapath);
	return r;
}

int kernel_group_event_fd(const struct kernel_datapath *datapath)
{
	return datapath->groups ? groups_fd(datapath->groups) : -1;
}

int kernel_group_dispatch(struct kernel_datapath *datapath,
			  void (*emptied)(void *user_data, uint64_t group), void *user_data)
{
	return datapath->groups ? groups_dispatch(datapath->groups, emptied, user_data)
				: -EOPNOTSUPP;
}

int kernel_group_remove(struct kernel_datapath *datapath, uint64_t group)
{
	int r = datapath->groups ? groups_remove(datapath->groups, group) : -EOPNOTSUPP;

	if (r == 0)
		note_group_levels(datapath);
	return r;
}

int kernel_group_verdict(struct kernel_datapath *datapath, uint64_t group,
			 struct gw_verdict *ret_verdict)
{
	struct gw_group entry;
	int r = bpf_map_lookup_elem(datapath->tables.fd[TABLE_GROUPS], &group, &entry);

	if (r < 0)
		return r;
	*ret_verdict = entry.verdict;
	return 0;
}

int kernel_group_meter(struct kernel_datapath *datapath, uint64_t group,
		       struct datapath_meter *ret_meter)
{
	const struct gw_meter *entry;
	struct gw_verdict verdict;
	int r = kernel_group_verdict(datapath, group, &verdict);

	if (r < 0)
		return r;
	entry = verdict.flags & GW_VERDICT_METERED
			? meters_inherited(&datapath->shaper.meters, verdict.flow_id)
			: NULL;
	if (!entry)
		return -ENOENT;
	meters_read_back(entry, ret_meter);
	ret_meter->flow_id = verdict.flow_id;
	ret_meter->traffic_class = (enum gw_class)verdict.traffic_class;
	return 0;
}

pid_t kernel_group_process(const struct kernel_datapath *datapath, uint64_t group)
{
	return datapath->groups ? groups_process(datapath->groups, group) : 0;
}

void kernel_group_visit(struct kernel_datapath *datapath,
			void (*visit)(void *user_data, uint64_t group, bool populated),
			void *user_data)
{
	if (datapath->groups)
		groups_visit(datapath->groups, visit, user_data);
}
