/* SPDX-License-Identifier: MIT */
/*
 * marker.c: the daemon's datapath. In the kernel, by eBPF, where that can be had; else by socket options. And
 * the way back: what the kernel sees of sockets, interfaces, links and programs that end goes to the engine.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/time.h"
#include "daemon/links.h"
#include "daemon/marker.h"
#include "datapath/kernel/schedule.h"

#define RETRY_SECONDS 5 /* for interfaces that refused our filter */
#define DRAIN_MS 100	/* classes are looked at as often until they are empty */

/* A predecessor that has been told to stop may need a moment more. */
#define BUSY_PAUSE_MS 20
#define BUSY_ATTEMPTS 25

/* ---- from the kernel to the engine ---- */

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

/* ---- links that are handed over, and rates ---- */

static void admit(void *user_data, const struct handover_report *report)
{
	struct marker *marker = user_data;

	links_admit(host_engine(marker->host), marker->config, report);
	if (marker->links_changed)
		marker->links_changed(marker->links_changed_data);
}

void marker_on_links(struct marker *marker, void (*changed)(void *user_data), void *user_data)
{
	marker->links_changed = changed;
	marker->links_changed_data = user_data;
}

/* The first are there before the engine is: see marker_start(). */
static void link_changed(void *user_data, const struct handover_report *report)
{
	struct marker *marker = user_data;

	links_log(report);
	if (marker->host)
		admit(marker, report);
}

/* Sockets name their classes themselves, so each has to hear of another one. */
static void link_changed_without_kernel(void *user_data, const struct handover_report *report)
{
	struct marker *marker = user_data;

	classes_links_changed(marker->classes);
	link_changed(user_data, report);
	if (marker->host)
		engine_reapply(host_engine(marker->host));
}

static void log_waiting(void *user_data, const struct handover_report *report)
{
	(void)user_data;
	if (report->state == HANDOVER_WAITING)
		links_log(report);
}

static void visit_handover(struct marker *marker,
			   void (*visit)(void *user_data, const struct handover_report *report))
{
	if (marker->kernel)
		kernel_datapath_visit_handover(marker->kernel, visit, marker);
	else if (marker->handover)
		handover_visit(marker->handover, visit, marker);
}

static void on_handover(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;
	int r;

	(void)fd;
	(void)what;
	r = marker->kernel ? kernel_datapath_handover_event(marker->kernel)
			   : handover_event(marker->handover);
	if (r < 0)
		log_debug("link", "links: %s", strerror(-r));
}

static void tick_in(struct marker *marker, int wait_ms)
{
	const struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

	if (wait_ms >= 0 && marker->tick && !event_pending(marker->tick, EV_TIMEOUT, NULL))
		event_add(marker->tick, &wait);
}

static void on_tick(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;

	(void)fd;
	(void)what;
	if (marker->kernel)
		tick_in(marker, kernel_datapath_tick(marker->kernel));
	else if (handover_tick(marker->handover))
		tick_in(marker, DRAIN_MS);
}

static void tick_wanted(void *user_data, int wait_ms)
{
	tick_in(user_data, wait_ms);
}

int marker_reconfigure(struct marker *marker, const struct config *config)
{
	struct handover_link links[CONFIG_LINKS_MAX];
	size_t n_links = links_of_config(config, links);
	int r = 0;

	marker->config = config;
	if (marker->kernel)
		r = kernel_datapath_reconfigure(marker->kernel, links, n_links);
	else if (marker->handover)
		r = handover_reconfigure(marker->handover, links, n_links);
	visit_handover(marker, admit); /* also if only who has set a share has changed */
	return r;
}

/* ---- life ---- */

/* -EBUSY: another daemon serves this namespace. Everything else is an answer of the kernel, and kept as such. */
static int open_kernel(struct marker *marker, const struct config *config)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * 1000000L };
	const char *interfaces[CONFIG_NAMES_MAX + 1] = { NULL };
	struct handover_link links[CONFIG_LINKS_MAX];
	char folder[LINKS_FOLDER_LEN];
	struct kernel_config kernel_config = {
		.max_sockets = config->max_flows,
		.links = links,
		.n_links = links_of_config(config, links),
		.state_folder = links_folder(folder),
		.link_changed = link_changed,
		.tick_wanted = tick_wanted,
		.user_data = marker,
	};
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

/* Without a classifier packets find their classes by the priority of their sockets. */
static int open_sockets(struct marker *marker, const struct config *config)
{
	struct handover_link links[CONFIG_LINKS_MAX];
	char folder[LINKS_FOLDER_LEN];
	const struct handover_config handover_config = {
		.links = links,
		.n_links = links_of_config(config, links),
		.state_folder = links_folder(folder),
		.classifier_fd = -1,
		.changed = link_changed_without_kernel,
		.user_data = marker,
	};
	struct socket_classes port;
	int r;

	marker->socket = socket_datapath_new();
	marker->classes = classes_new();
	if (!marker->socket || !marker->classes)
		return -ENOMEM;
	r = handover_open(&handover_config, &marker->handover);
	if (r < 0) {
		log_warning("link", "no link can be scheduled: %s", strerror(-r));
		return 0;
	}
	classes_set_handover(marker->classes, marker->handover);
	port = classes_port(marker->classes);
	socket_datapath_set_classes(marker->socket, &port);
	return 0;
}

int marker_new(struct event_base *base, const struct config *config, struct marker **ret_marker)
{
	struct marker *marker = calloc(1, sizeof(*marker));
	int r;

	if (!marker)
		return -ENOMEM;
	marker->base = base;
	marker->config = config;
	r = open_kernel(marker, config);
	if (r >= 0 && !marker->kernel)
		r = open_sockets(marker, config);
	if (r < 0) {
		marker_free(marker);
		return r;
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

static int watch_links(struct marker *marker)
{
	int fd = marker->kernel ? kernel_datapath_handover_fd(marker->kernel)
				: handover_fd(marker->handover);

	marker->tick = evtimer_new(marker->base, on_tick, marker);
	if (!marker->tick)
		return -ENOMEM;
	return watch(marker, fd, on_handover, &marker->on_handover);
}

static void on_retry(evutil_socket_t fd, short what, void *user_data)
{
	struct marker *marker = user_data;

	if (marker->kernel)
		on_link(fd, what, marker);
	on_handover(fd, what, marker);
	on_tick(fd, what, marker);
}

/* Every few seconds, what has failed before is tried again. */
static int retry_sometimes(struct marker *marker)
{
	struct timeval every = { .tv_sec = RETRY_SECONDS };

	marker->retry = event_new(marker->base, -1, EV_PERSIST, on_retry, marker);
	return marker->retry && event_add(marker->retry, &every) == 0 ? 0 : -ENOMEM;
}

static int watch_kernel(struct marker *marker)
{
	int r;

	r = watch(marker, kernel_datapath_event_fd(marker->kernel), marker_on_close,
		  &marker->on_close);
	if (r >= 0)
		r = watch(marker, kernel_datapath_link_fd(marker->kernel), on_link,
			  &marker->on_link);
	if (r >= 0)
		r = watch(marker, kernel_group_event_fd(marker->kernel), on_group,
			  &marker->on_group);
	if (r < 0)
		return r;
	marker->resync = evtimer_new(marker->base, marker_on_resync, marker);
	return marker->resync ? 0 : -ENOMEM;
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
	visit_handover(marker, log_waiting); /* all else was a change, and is in the log */
	visit_handover(marker, admit);
	if (marker->kernel) {
		take_over(marker);
		r = watch_kernel(marker);
	}
	if (r >= 0 && (marker->kernel || marker->handover))
		r = watch_links(marker);
	if (r >= 0 && (marker->kernel || marker->handover))
		r = retry_sometimes(marker);
	if (r >= 0 && watch_sockets(marker) < 0)
		log_warning(
			"kernel",
			"sock_diag cannot be used: some endings are noticed late or not at all");
	return r;
}

void marker_stop(struct marker *marker)
{
	struct event **events[] = { &marker->on_close,	  &marker->on_link, &marker->on_group,
				    &marker->on_handover, &marker->tick,    &marker->retry,
				    &marker->resync };

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
	classes_free(marker->classes);
	handover_close(marker->handover, true);
	free(marker);
	return NULL;
}

/* ---- programs ---- */

uint32_t marker_control_class(void)
{
	return SCHEDULE_HANDLE | schedule_class_of(GW_CLASS_CONTROL);
}

int marker_group_create(struct marker *marker, pid_t pid, uint64_t *ret_group)
{
	return marker->kernel ? kernel_group_create(marker->kernel, pid, ret_group) : -EOPNOTSUPP;
}

void marker_group_end(struct marker *marker, uint64_t group)
{
	if (marker->kernel)
		kernel_group_remove(marker->kernel, group);
}
