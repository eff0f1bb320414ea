/* SPDX-License-Identifier: MIT */
/*
 * kernel.h: the datapath that marks packets in the kernel: eBPF programs at tc egress of every
 * interface of one network namespace, and hooks that end a socket's entry inside close(). See
 * bpf/gw_bpf.h for the maps.
 *
 * There is no event loop inside: the host watches the descriptors offered here and calls the
 * function named with each. One thread. Functions return 0 or a negative errno.
 *
 * What stands in the kernel is pinned below bpffs, so it outlives this process; the next open
 * adopts it, and kernel_datapath_sweep() then removes what nobody has claimed. A clean close leaves
 * nothing behind.
 */
#ifndef GW_DATAPATH_KERNEL_H
#define GW_DATAPATH_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/gw_bpf.h"
#include "datapath/datapath.h"
#include "datapath/kernel/handover.h"

struct kernel_datapath;

/*
 * Ways of the kernel that may be missing; each is tried out by using it once, versions prove
 * nothing.
 */
enum kernel_mechanism {
	KERNEL_BPF,		  /* maps and programs can be loaded. Without: no kernel datapath */
	KERNEL_BPFFS,		  /* pins survive a crash of the daemon */
	KERNEL_CGROUP2,		  /* control groups: close hook, `greenwave run` */
	KERNEL_TC_EGRESS,	  /* packets are marked. Without: no kernel datapath */
	KERNEL_TCX,		  /* they are marked by a program list of the interface's own */
	KERNEL_SOCK_RELEASE,	  /* entries end inside close() */
	KERNEL_STATE_TRACEPOINT,  /* TCP: end of sending, disconnect, reset */
	KERNEL_FENTRY_SHUTDOWN,	  /* shutdown() of every kind of socket */
	KERNEL_FENTRY_DISCONNECT, /* connect(AF_UNSPEC) of UDP and TCP */
	KERNEL_SOCK_DIAG,	  /* the state of a socket can be asked for */
	KERNEL_CLASS_SHAPING,	/* links can be handed over, and packets find their classes there */
	KERNEL_DEPARTURE_TIMES, /* some link keeps to departure times (fq) */
	KERNEL_MECHANISM_COUNT
};

#define KERNEL_NOTE_LEN 192

struct kernel_fact {
	const char *name;
	bool present;
	char note[KERNEL_NOTE_LEN]; /* how it is used; or why it is missing and what that costs */
};

struct kernel_facts {
	struct kernel_fact mechanism[KERNEL_MECHANISM_COUNT];
};

#define KERNEL_DEFAULT_MAX_SOCKETS 131072

struct kernel_config {
	const char *const
		*interfaces;  /* names, ended by NULL; NULL: every interface, now and later */
	bool only_clsact;     /* mark by a filter that tc(8) shows, even where tcx exists */
	uint32_t max_sockets; /* 0: KERNEL_DEFAULT_MAX_SOCKETS; further destinations the same */

	/* Links that are handed over; copied. Folder and callback as in struct handover_config. */
	const struct handover_link *links;
	size_t n_links;
	const char *state_folder;
	/* For the admission. Called already before kernel_datapath_open() returns. May be NULL. */
	void (*link_changed)(void *user_data, const struct handover_report *report);
	/* Call kernel_datapath_tick() in so many milliseconds from now on. May be NULL. */
	void (*tick_wanted)(void *user_data, int wait_ms);
	void *user_data;
};

/*
 * Serves the network namespace of the calling thread. *ret_facts is filled in any case. -EBUSY:
 * another daemon serves this namespace. -EPERM, -EOPNOTSUPP …: the kernel does not let us, the
 * facts say why.
 */
int kernel_datapath_open(const struct kernel_config *config, struct kernel_facts *ret_facts,
			 struct kernel_datapath **ret_datapath);

/*
 * Takes everything of ours out of the kernel, and gives links that are handed over back. Groups with programs still in them keep their
 * directory.
 */
struct kernel_datapath *kernel_datapath_close(struct kernel_datapath *datapath);

/* Lets go of the descriptors only: what a crash leaves. */
struct kernel_datapath *kernel_datapath_abandon(struct kernel_datapath *datapath);

/* Brings those facts up to date that change while we run. */
void kernel_datapath_update_facts(struct kernel_datapath *datapath, struct kernel_facts *facts);

bool kernel_datapath_has(const struct kernel_datapath *datapath, enum kernel_mechanism mechanism);

/* Whether an earlier daemon's entries were found and taken over. */
bool kernel_datapath_adopted(const struct kernel_datapath *datapath);

/*
 * The port of the engine (datapath.h). A treatment that sets nothing is an entry too: it stops
 * wider ones, and lets the kernel report what becomes of the socket. A socket's entry stands from
 * the first apply, which needs a descriptor, to the last clear. -ENOSPC: the table is full.
 */
extern const struct datapath_ops kernel_datapath_ops;

/*
 * To be called when so many milliseconds have passed, since a meter was made or since the last call: fits classes
 * to the sizes of packets, and sees those empty that drain. Returns when to call again; -1: not until there is
 * another meter.
 */
int kernel_datapath_tick(struct kernel_datapath *datapath);

/* Whether the socket's entry stands in the kernel now. */
bool kernel_datapath_contains(struct kernel_datapath *datapath, uint64_t cookie);

/* Since the maps were made; index is enum gw_stat. */
int kernel_datapath_counters(struct kernel_datapath *datapath,
			     uint64_t ret_counters[static GW_STAT_COUNT]);

/* Whether the group is still wanted; its entry goes otherwise. */
typedef bool kernel_keep_group_fn(void *user_data, uint64_t group);

/*
 * Removes what an earlier daemon left and nobody has applied again since: all such sockets, tuples and meters, and
 * the groups that `keep` does not want (NULL: none). Returns how many entries went, or a negative
 * errno.
 */
int kernel_datapath_sweep(struct kernel_datapath *datapath, kernel_keep_group_fn *keep,
			  void *user_data);

/* --- Interfaces ------------------------------------------------------------------------------- */

struct kernel_link {
	unsigned ifindex;
	const char *name;
	bool attached;
	bool made_clsact; /* the hook was not there before us */
	int error;	  /* negative errno of the last attempt, if not attached */
};

/* Readable when interfaces or their filters change; then call kernel_datapath_link_event(). */
int kernel_datapath_link_fd(const struct kernel_datapath *datapath);

/*
 * Attaches to new interfaces and puts our filter back where somebody has deleted it, at most a few
 * times a minute per interface. Call it every few seconds even without an event, to retry what
 * failed.
 */
int kernel_datapath_link_event(struct kernel_datapath *datapath);

void kernel_datapath_visit_links(const struct kernel_datapath *datapath,
				 void (*visit)(void *user_data, const struct kernel_link *link),
				 void *user_data);

/* --- Links that are handed over (handover.h) -------------------------------------------------- */

/* Other links, rates and shares. Flows keep their meters, and what is guaranteed to them where it can be had. */
int kernel_datapath_reconfigure(struct kernel_datapath *datapath, const struct handover_link *links,
				size_t n_links);

/* Readable when such a link may have changed; then, and every few seconds, call the next. */
int kernel_datapath_handover_fd(const struct kernel_datapath *datapath);
int kernel_datapath_handover_event(struct kernel_datapath *datapath);

/* Every configured one. */
void kernel_datapath_visit_handover(const struct kernel_datapath *datapath,
				    void (*visit)(void *user_data,
						  const struct handover_report *report),
				    void *user_data);

/* --- Endings ---------------------------------------------------------------------------------- */

typedef void kernel_close_fn(void *user_data, const struct gw_close *event);

/* Readable when the kernel has seen something end; then call kernel_datapath_poll(). */
int kernel_datapath_event_fd(const struct kernel_datapath *datapath);

/*
 * Reports what has been seen, or as much of it as takes no long time: the descriptor is readable
 * then as before. One ending may be reported more than once, and for sockets not known
 * any more. *ret_lost: events found no room, so look at every socket with
 * kernel_datapath_contains().
 */
int kernel_datapath_poll(struct kernel_datapath *datapath, kernel_close_fn *report, void *user_data,
			 bool *ret_lost);

/* --- Control groups (`greenwave run`) --------------------------------------------------------- */

/*
 * Makes a control group below the one that process `pid` is in, and moves it there. -EOPNOTSUPP: no
 * cgroup v2, or the process is where that cannot be.
 */
int kernel_group_create(struct kernel_datapath *datapath, pid_t pid, uint64_t *ret_group);

/*
 * Readable when a group may have become empty; then call kernel_group_dispatch(). -1: no cgroup v2.
 */
int kernel_group_event_fd(const struct kernel_datapath *datapath);
int kernel_group_dispatch(struct kernel_datapath *datapath,
			  void (*emptied)(void *user_data, uint64_t group), void *user_data);

/*
 * Removes the directory of an empty group. Its verdict is the engine's: datapath_ops.clear. -EBUSY:
 * not empty.
 */
int kernel_group_remove(struct kernel_datapath *datapath, uint64_t group);

/*
 * Whether the group has a verdict in the kernel; -ENOENT if not. For groups left by an earlier
 * daemon.
 */
int kernel_group_verdict(struct kernel_datapath *datapath, uint64_t group,
			 struct gw_verdict *ret_verdict);

/*
 * The meter that the group's flow has in the kernel; -ENOENT: none. Its flow identifier is that of the verdict, and
 * what was reserved is not told. For the engine to have again what it takes over.
 */
int kernel_group_meter(struct kernel_datapath *datapath, uint64_t group,
		       struct datapath_meter *ret_meter);

/* One process of a group, to tell whose it is; 0: none. */
pid_t kernel_group_process(const struct kernel_datapath *datapath, uint64_t group);

/* Every group of this namespace's daemons, also an earlier one's. */
void kernel_group_visit(struct kernel_datapath *datapath,
			void (*visit)(void *user_data, uint64_t group, bool populated),
			void *user_data);

#endif
