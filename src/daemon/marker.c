/* SPDX-License-Identifier: MIT */
/*
 * marker.c: the daemon's datapath. In the kernel, by eBPF, where that can be had; else by socket options. And
 * the way back: what the kernel sees of sockets, interfaces and programs that end goes to the engine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/time.h"
#include "daemon/daemon.h"
#include "datapath/kernel/kernel.h"
#include "datapath/socket/socket.h"
#include "host/endwatch.h"

#define RETRY_SECONDS 5 /* for interfaces that refused our filter */
#define RESYNC_US USEC_PER_SEC

/* A predecessor that has been told to stop may need a moment more. */
#define BUSY_PAUSE_MS 20
#define BUSY_ATTEMPTS 25

struct marker {
	struct event_base *base;
	struct kernel_datapath *kernel; /* or NULL, then: */
	struct socket_datapath *socket;
	struct kernel_facts facts;
	char why_no_kernel[64];
	struct host *host;
	struct endwatch *endwatch;
	struct event *on_close;
	struct event *on_link;
	struct event *on_group;
	struct event *retry;
	struct event *resync;
	uint64_t resynced_us; /* when it was done last */
};

/* ---- from the kernel to the engine ---- */

static void end_socket(struct marker *marker, uint64_t cookie, unsigned directions,
		       enum end_reason reason)
{
	engine_end_socket(host_engine(marker->host), cookie, directions, reason, time_now_us());
}

static void report_close(void *user_data, const struct gw_close *close)
{
	static const unsigned directions_of[] = {
		[SHUT_RD] = DIRECTION_RECEIVE,
		[SHUT_WR] = DIRECTION_SEND,
		[SHUT_RDWR] = DIRECTION_BOTH,
	};

	switch ((enum gw_close_cause)close->cause) {
	case GW_CLOSE_RELEASED:
		end_socket(user_data, close->cookie, DIRECTION_BOTH, END_CLOSED);
		return;
	case GW_CLOSE_SHUTDOWN:
		if (close->how <= SHUT_RDWR)
			end_socket(user_data, close->cookie, directions_of[close->how],
				   END_SHUTDOWN);
		return;
	case GW_CLOSE_DISCONNECT:
		end_socket(user_data, close->cookie, DIRECTION_BOTH, END_DISCONNECTED);
		return;
	}
}

/* Reports were lost: whoever has no entry in the kernel any more has ended meanwhile. */
struct lost_sockets {
	struct kernel_datapath *kernel;
	uint64_t *cookies;
	size_t n, room;
};

/* Without memory for all, those that come next are found the next time. */
static int collect_lost(uint64_t cookie, int family, int protocol, const struct address *local,
			const struct address *peer, void *user_data)
{
	struct lost_sockets *lost = user_data;
	uint64_t *grown;

	(void)family;
	(void)protocol;
	(void)local;
	(void)peer;
	if (kernel_datapath_contains(lost->kernel, cookie))
		return 0;
	if (lost->n == lost->room) {
		grown = reallocarray(lost->cookies, 2 * lost->room + 64, sizeof(*grown));
		if (!grown)
			return 1;
		lost->cookies = grown;
		lost->room = 2 * lost->room + 64;
	}
	lost->cookies[lost->n++] = cookie;
	return 0;
}

static void resync_closes(struct marker *marker)
{
	struct lost_sockets lost = { .kernel = marker->kernel };

	engine_each_socket(host_engine(marker->host), collect_lost, &lost);
	for (size_t i = 0; i < lost.n; i++)
		end_socket(marker, lost.cookies[i], DIRECTION_BOTH, END_CLOSED);
	free(lost.cookies);
	marker->resynced_us = time_now_us();
}

static void on_resync(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;

	(void)fd;
	(void)what;
	resync_closes(marker);
	host_schedule(marker->host);
}

/* It takes long, and a program that shuts sockets down as fast as it can has us lose reports at any time. */
static void resync_soon(struct marker *marker)
{
	uint64_t now_us = time_now_us(), due_us = marker->resynced_us + RESYNC_US;
	struct timeval wait;

	if (now_us >= due_us) {
		resync_closes(marker);
		return;
	}
	if (event_pending(marker->resync, EV_TIMEOUT, NULL))
		return;
	wait = (struct timeval){ .tv_sec = (time_t)((due_us - now_us) / USEC_PER_SEC),
				 .tv_usec = (suseconds_t)((due_us - now_us) % USEC_PER_SEC) };
	event_add(marker->resync, &wait);
}

static void on_close(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;
	bool lost = false;

	(void)fd;
	(void)what;
	kernel_datapath_poll(marker->kernel, report_close, marker, &lost);
	if (lost)
		resync_soon(marker);
	host_schedule(marker->host);
}

static void on_link(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;
	int r;

	(void)fd;
	(void)what;
	r = kernel_datapath_link_event(marker->kernel);
	if (r < 0)
		log_debug("kernel", "interfaces: %s", strerror(-r));
}

static void group_emptied(void *user_data, uint64_t group)
{
	struct marker *marker = user_data;

	engine_end_group(host_engine(marker->host), group, END_GROUP_EMPTY, time_now_us());
	/* Its flow may have ended earlier, when the group could not go yet. */
	kernel_group_remove(marker->kernel, group);
}

static void on_group(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;

	(void)fd;
	(void)what;
	kernel_group_dispatch(marker->kernel, group_emptied, marker);
}

/* ---- what an earlier daemon has left ---- */

/* Whoever has started it then, it is the program's own user's now. */
static struct engine_owner_info describe_group(const struct marker *marker, uint64_t group)
{
	struct engine_owner_info info = { .pid = kernel_group_process(marker->kernel, group),
					  .comm = "(adopted)" };
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)info.pid);
	if (info.pid > 0 && stat(path, &st) == 0)
		info.uid = st.st_uid;
	host_process_name(info.pid, info.comm);
	return info;
}

static void adopt_group(void *user_data, uint64_t group, bool populated)
{
	struct marker *marker = user_data;
	struct engine_owner_info info = describe_group(marker, group);
	struct datapath_treatment treatment;
	struct gw_verdict verdict;
	int r = -ENOENT;

	if (populated && kernel_group_verdict(marker->kernel, group, &verdict) == 0) {
		treatment = (struct datapath_treatment){
			.traffic_class = (enum gw_class)verdict.traffic_class,
			.mark = {
				.set_dscp = verdict.flags & GW_VERDICT_SET_DSCP,
				.set_priority = verdict.flags & GW_VERDICT_SET_PRIORITY,
				.dscp = verdict.dscp,
				.priority = verdict.priority,
			},
		};
		r = engine_adopt_group(host_engine(marker->host), group, &treatment, &info,
				       time_now_us());
	}
	if (r < 0)
		kernel_group_remove(marker->kernel, group);
}

static bool keep_group(void *user_data, uint64_t group)
{
	struct marker *marker = user_data;

	return engine_has_group(host_engine(marker->host), group);
}

/* Programs go on as they were. Sockets' owners have lost their handles with the earlier daemon: their flows end. */
static void take_over(struct marker *marker)
{
	int swept;

	if (!kernel_datapath_adopted(marker->kernel))
		return;
	kernel_group_visit(marker->kernel, adopt_group, marker);
	swept = kernel_datapath_sweep(marker->kernel, keep_group, marker);
	if (swept != 0)
		log_notice("kernel",
			   "took over from an earlier daemon, removed %d entries without an owner",
			   swept);
}

/* ---- life ---- */

/* -EBUSY: another daemon serves this namespace. Everything else is an answer of the kernel, and kept as such. */
static int open_kernel(struct marker *marker, const struct config *config)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * 1000000L };
	const char *interfaces[CONFIG_NAMES_MAX + 1] = { NULL };
	struct kernel_config kernel_config = { .max_sockets = config->max_flows };
	int r;

	for (size_t i = 0; i < config->interfaces.count; i++)
		interfaces[i] = config->interfaces.name[i];
	if (config->interfaces.count > 0)
		kernel_config.interfaces = interfaces;
	for (int attempt = 0; attempt <= BUSY_ATTEMPTS; attempt++) {
		r = kernel_datapath_open(&kernel_config, &marker->facts, &marker->kernel);
		if (r != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	if (r < 0)
		snprintf(marker->why_no_kernel, sizeof(marker->why_no_kernel), "%s", strerror(-r));
	return r == -EBUSY ? r : 0;
}

int marker_new(struct event_base *base, const struct config *config, struct marker **ret_marker)
{
	struct marker *marker = calloc(1, sizeof(*marker));
	int r;

	if (!marker)
		return -ENOMEM;
	marker->base = base;
	r = open_kernel(marker, config);
	if (r < 0) {
		free(marker);
		return r;
	}
	if (!marker->kernel)
		marker->socket = socket_datapath_new();
	if (!marker->kernel && !marker->socket) {
		free(marker);
		return -ENOMEM;
	}
	*ret_marker = marker;
	return 0;
}

const struct datapath_ops *marker_ops(const struct marker *marker)
{
	return marker->kernel ? &kernel_datapath_ops : &socket_datapath_ops;
}

void *marker_datapath(struct marker *marker)
{
	return marker->kernel ? (void *)marker->kernel : (void *)marker->socket;
}

bool marker_has_kernel(const struct marker *marker)
{
	return marker->kernel;
}

static int watch(struct marker *marker, int fd, event_callback_fn callback,
		 struct event **ret_event)
{
	if (fd < 0)
		return 0;
	*ret_event = event_new(marker->base, fd, EV_READ | EV_PERSIST, callback, marker);
	return *ret_event && event_add(*ret_event, NULL) == 0 ? 0 : -ENOMEM;
}

static int watch_kernel(struct marker *marker)
{
	struct timeval every = { .tv_sec = RETRY_SECONDS };
	int r;

	r = watch(marker, kernel_datapath_event_fd(marker->kernel), on_close, &marker->on_close);
	if (r >= 0)
		r = watch(marker, kernel_datapath_link_fd(marker->kernel), on_link,
			  &marker->on_link);
	if (r >= 0)
		r = watch(marker, kernel_group_event_fd(marker->kernel), on_group,
			  &marker->on_group);
	if (r < 0)
		return r;
	marker->resync = evtimer_new(marker->base, on_resync, marker);
	if (!marker->resync)
		return -ENOMEM;
	marker->retry = event_new(marker->base, -1, EV_PERSIST, on_link, marker);
	return marker->retry && event_add(marker->retry, &every) == 0 ? 0 : -ENOMEM;
}

/* What the kernel's hooks do not see is looked for through sock_diag. */
static int watch_sockets(struct marker *marker)
{
	struct endwatch_options options = {
		.base = marker->base,
		.host = marker->host,
		.closes = !marker->kernel ||
			  !kernel_datapath_has(marker->kernel, KERNEL_SOCK_RELEASE),
		.shutdowns = !marker->kernel ||
			     !kernel_datapath_has(marker->kernel, KERNEL_FENTRY_SHUTDOWN),
		.disconnects = !marker->kernel ||
			       !kernel_datapath_has(marker->kernel, KERNEL_FENTRY_DISCONNECT),
	};

	if (!options.closes && !options.shutdowns && !options.disconnects)
		return 0;
	return endwatch_new(&options, &marker->endwatch);
}

int marker_start(struct marker *marker, struct host *host)
{
	int r = 0;

	marker->host = host;
	if (marker->kernel) {
		take_over(marker);
		r = watch_kernel(marker);
	}
	if (r >= 0 && watch_sockets(marker) < 0)
		log_warning(
			"kernel",
			"sock_diag cannot be used: some endings are noticed late or not at all");
	return r;
}

void marker_stop(struct marker *marker)
{
	struct event **events[] = { &marker->on_close, &marker->on_link, &marker->on_group,
				    &marker->retry, &marker->resync };

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (*events[i])
			event_free(*events[i]);
		*events[i] = NULL;
	}
	marker->endwatch = endwatch_free(marker->endwatch);
}

struct marker *marker_free(struct marker *marker)
{
	if (!marker)
		return NULL;
	kernel_datapath_close(marker->kernel);
	socket_datapath_free(marker->socket);
	free(marker);
	return NULL;
}

/* ---- programs ---- */

int marker_group_create(struct marker *marker, pid_t pid, uint64_t *ret_group)
{
	return marker->kernel ? kernel_group_create(marker->kernel, pid, ret_group) : -EOPNOTSUPP;
}

void marker_group_end(struct marker *marker, uint64_t group)
{
	if (marker->kernel)
		kernel_group_remove(marker->kernel, group);
}

/* ---- facts ---- */

static void fact(void (*visit)(const struct msg_fact *fact, void *visit_data), void *visit_data,
		 enum gw_fact_kind kind, const char *name, const char *value, const char *note)
{
	struct msg_fact fact = { .kind = kind };

	snprintf(fact.name, sizeof(fact.name), "%s", name);
	snprintf(fact.value, sizeof(fact.value), "%s", value);
	snprintf(fact.note, sizeof(fact.note), "%s", note);
	visit(&fact, visit_data);
}

static void packet_facts(struct marker *marker,
			 void (*visit)(const struct msg_fact *fact, void *visit_data),
			 void *visit_data)
{
	static const char *const names[GW_STAT_COUNT] = {
		[GW_STAT_PACKETS] = "packets-seen",
		[GW_STAT_MANAGED] = "packets-managed",
		[GW_STAT_REWRITTEN] = "packets-marked",
		[GW_STAT_FRAGMENTS] = "fragments-matched",
	};
	uint64_t counters[GW_STAT_COUNT];
	char value[32];

	if (kernel_datapath_counters(marker->kernel, counters) < 0)
		return;
	for (int i = 0; i < GW_STAT_COUNT; i++) {
		snprintf(value, sizeof(value), "%llu", (unsigned long long)counters[i]);
		fact(visit, visit_data, GW_FACT_COUNTER, names[i], value, "");
	}
}

/* Without eBPF nobody has tried sock_diag but us. */
static void note_sock_diag(struct marker *marker)
{
	struct kernel_fact *mechanism = &marker->facts.mechanism[KERNEL_SOCK_DIAG];

	mechanism->present = marker->endwatch;
	snprintf(mechanism->note, sizeof(mechanism->note), "%s",
		 marker->endwatch ? "sockets that end are found by asking for their state"
				  : "not there: flows of closed sockets stay listed");
}

void marker_facts(struct marker *marker,
		  void (*visit)(const struct msg_fact *fact, void *visit_data), void *visit_data)
{
	if (!marker->kernel)
		note_sock_diag(marker);
	for (int i = 0; i < KERNEL_MECHANISM_COUNT; i++) {
		const struct kernel_fact *mechanism = &marker->facts.mechanism[i];

		fact(visit, visit_data, GW_FACT_MECHANISM, mechanism->name,
		     mechanism->present ? "yes" : "no", mechanism->note);
	}
	if (marker->kernel) {
		packet_facts(marker, visit, visit_data);
		return;
	}
	for (const char *const *limitation = socket_datapath_limitations(); *limitation;
	     limitation++)
		fact(visit, visit_data, GW_FACT_LIMITATION, "without-bpf", *limitation,
		     marker->why_no_kernel);
}
