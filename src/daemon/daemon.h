/* SPDX-License-Identifier: MIT */
/*
 * daemon.h: the parts of greenwaved, and what they share. main.c starts them in order and stops them in
 * reverse.
 */
#ifndef GW_DAEMON_DAEMON_H
#define GW_DAEMON_DAEMON_H

#include <event2/event.h>
#include <stdbool.h>

#include "daemon/config.h"
#include "host/host.h"

struct daemon_options {
	const char *config_path; /* NULL: the default one, which may be missing */
	const char *socket_path;
	bool foreground;
	bool check; /* read the configuration, say what is wrong with it, and stop */
};

/* ---- options.c: the command line ---- */

/* 0: go on. 1: done (help, version). -EINVAL: misuse, told. */
int options_parse(int argc, char **argv, struct daemon_options *ret_options);

/* ---- listener.c: the socket that clients connect to ---- */

struct listener;

/* -EADDRINUSE: another daemon serves this socket. */
int listener_new(struct event_base *base, const char *path, struct host *host,
		 struct listener **ret_listener);
struct listener *listener_free(struct listener *listener); /* and removes the socket */

/* ---- credentials.c: who is an administrator ---- */

struct administrators;

/* Looks the groups up; `on_missing` is told of those that do not exist. */
int administrators_new(const struct config_names *groups, void (*on_missing)(const char *group),
		       struct administrators **ret_administrators);
struct administrators *administrators_free(struct administrators *administrators);

/* Root, who has proved to have CAP_NET_ADMIN, or a member of one of the groups (spec/qwave.md §13). */
bool administrators_contain(const struct administrators *administrators,
			    const struct connection *connection);

/* ---- marker.c: the datapath, and what the kernel tells of sockets that end ---- */

struct marker;

/*
 * Never fails for want of eBPF: then marks are socket options, and the facts say why. -EBUSY: another daemon
 * serves this network namespace.
 */
int marker_new(struct event_base *base, const struct config *config, struct marker **ret_marker);
const struct datapath_ops *marker_ops(const struct marker *marker);
void *marker_datapath(struct marker *marker);
bool marker_has_kernel(const struct marker *marker);

/* Connects the endings to the engine, takes over what an earlier daemon left, and removes the rest of it. */
int marker_start(struct marker *marker, struct host *host);
void marker_stop(struct marker *marker); /* before the host goes */

/* Other links, rates and shares; `config` is kept from then on. What could not be done is in the log. */
int marker_reconfigure(struct marker *marker, const struct config *config);
struct marker *marker_free(struct marker *marker);

/* The priority of packets (SO_PRIORITY) with which they go with control on links that are handed over. */
uint32_t marker_control_class(void);

/* Is told whenever what can be reserved on some link may have changed; NULL: not any more. */
void marker_on_links(struct marker *marker, void (*changed)(void *user_data), void *user_data);

int marker_group_create(struct marker *marker, pid_t pid, uint64_t *ret_group);
void marker_group_end(struct marker *marker, uint64_t group);
void marker_facts(struct marker *marker, const struct fact_visitor *visitor);

/* ---- sandbox.c: only the rights it needs ---- */

void sandbox_raise_limits(void);

/*
 * Once everything is loaded. `raw`: packets of protocols that the kernel does not speak are sent, too. -errno if
 * rights could not be dropped; it must not serve then.
 */
int sandbox_enter(bool raw);

/* ---- notify.c: telling whoever started us ---- */

/* Leaves the terminal: the caller goes on in the background, its parent waits for notify_ready(). */
int notify_detach(void);
void notify_ready(bool foreground);
void notify_state(const char *state); /* "STOPPING=1", "RELOADING=1" ... */

#endif
