/* SPDX-License-Identifier: MIT */
/*
 * handover.h: the links that the administrator has handed over (`link eth0 { rate = ... }`), each with a
 * schedule of ours (schedule.h) for as long as the interface is there: one that does not exist yet is waited
 * for, one that comes back is taken again, and one whose queue somebody replaces is reported, and taken back
 * only by `force`. Needs no eBPF; with it, the classifier hangs at the roots.
 *
 * There is no event loop inside: see kernel.h. One thread. Functions return 0 or a negative errno.
 */
#ifndef GW_DATAPATH_HANDOVER_H
#define GW_DATAPATH_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "datapath/kernel/schedule.h"

struct handover;

struct handover_link {
	char name[16];
	uint64_t rate_bps;
	uint32_t reservable_percent;
	bool force;
};

enum handover_state {
	HANDOVER_WAITING, /* no such interface yet, or any more */
	HANDOVER_SCHEDULED,
	HANDOVER_REFUSED,  /* the interface is there, but not ours to schedule: `text` says why */
	HANDOVER_REPLACED, /* it was, and somebody has put another queue there */
};

struct handover_report {
	struct handover_link link;
	uint32_t ifindex; /* 0: HANDOVER_WAITING */
	uint32_t lost; /* of a change to HANDOVER_WAITING: the interface that is this link no more; or 0 */
	enum handover_state state;
	const char *text;	   /* why, for people; or "" */
	struct schedule *schedule; /* of HANDOVER_SCHEDULED */
};

struct handover_config {
	const struct handover_link *links; /* copied */
	size_t n_links;
	/* Where the queues that were taken over by force are kept in files until they are given back. */
	const char *state_folder;
	/* Program of the classifier at each root, or -1: none (then classes are found by skb->priority). */
	int classifier_fd;
	/*
	 * A link is scheduled from now on, or not any more (its schedule has gone then). Also called with other
	 * figures after a change, and already by handover_open(). Classes of the pool that were given out went with the old schedule, unless
	 * `adopted`.
	 */
	void (*changed)(void *user_data, const struct handover_report *report);
	void *user_data;
};

/*
 * Takes over what there is. A link that refuses is no error here: see handover_visit(). -ENOMEM, or why
 * interfaces cannot be watched.
 */
int handover_open(const struct handover_config *config, struct handover **ret_handover);

/* `restore`: every link gets back exactly what it had; else our trees stay and work on. Returns NULL. */
struct handover *handover_close(struct handover *handover, bool restore);

/*
 * Other links, rates and shares (SIGHUP): in place where a link stays, with no packet of a running flow lost.
 * Links that are not named any more are given back. A link that cannot take its new figures keeps the old ones,
 * and its text says so.
 */
int handover_reconfigure(struct handover *handover, const struct handover_link *links,
			 size_t n_links);

/* Readable when interfaces or queues change; then, and every few seconds, call handover_event(). */
int handover_fd(const struct handover *handover);
int handover_event(struct handover *handover);

/* To be called about every 100 ms while it returns true: classes that drain are found empty. */
bool handover_tick(struct handover *handover);

/* The schedule of a link, or NULL. */
struct schedule *handover_schedule(const struct handover *handover, uint32_t ifindex);

/*
 * What a packet on the link has beyond its IP bytes, for the class that it is charged to: the Ethernet header,
 * preamble, check sequence and gap, and a VLAN's tag. A veth counts as the Ethernet that it stands for.
 */
uint32_t handover_overhead_bytes(const struct handover *handover, uint32_t ifindex);

/* Every configured link, in the order of the configuration. */
void handover_visit(const struct handover *handover,
		    void (*visit)(void *user_data, const struct handover_report *report),
		    void *user_data);

#endif
