/* SPDX-License-Identifier: MIT */
/* handover_internal.h: what the parts of the handover share; see handover.h. */
#ifndef GW_DATAPATH_HANDOVER_INTERNAL_H
#define GW_DATAPATH_HANDOVER_INTERNAL_H

#include "datapath/kernel/handover.h"
#include "datapath/kernel/iface.h"
#include "datapath/kernel/tc.h"
#include "datapath/kernel/watch.h"

/* One link of the configuration. */
struct handed {
	struct handover_link link;
	struct iface iface; /* that bears its name now; ifindex 0: none */
	enum handover_state state;
	struct schedule_text text;
	struct schedule *schedule;
	uint32_t ifindex; /* that the schedule, or the last attempt at one, is of */
	uint32_t mtu;	  /* that the schedule reckons with */
	struct attempts attempts;
	bool gone;     /* the interface, since the last look; its successor may have its number */
	bool look;     /* its root may have changed, or an attempt is to be made again */
	bool classify; /* the classifier may be missing */
	bool unclassified; /* for sure, and the text says so */
	bool kept;	   /* by the reconfiguration under way */
};

struct handover {
	struct tc tc;
	struct mnl_socket *watch;
	struct handed **links;
	size_t n_links;
	char *state_folder;
	int classifier_fd;
	void (*changed)(void *user_data, const struct handover_report *report);
	void *user_data;
};

struct handover_report handed_report(const struct handed *handed);
void handed_tell(const struct handover *handover, const struct handed *handed);

/* First all that is lost, then all that can be taken: names may have changed hands. */
void handed_settle_loss(struct handover *handover, struct handed *handed);
void handed_settle(struct handover *handover, struct handed *handed);

/* Other figures; those that cannot be had stay as they are, and the text says so. */
void handed_change(struct handover *handover, struct handed *handed,
		   const struct handover_link *link);

/* Lets go of the schedule, if there is one. */
void handed_give_back(const struct handover *handover, struct handed *handed, bool restore);

/* A tree of a daemon before us, on a link that is not configured. */
void handed_give_back_orphan(const struct handover *handover, uint32_t ifindex, const char *name);

#endif
