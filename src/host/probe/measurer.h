/* SPDX-License-Identifier: MIT */
/*
 * measurer.h: measures paths for an engine (engine/measuring.h): a prober, which knows what to measure and how, with
 * the sockets, clocks and figures of the kernel that it needs, on an event loop. greenwaved answers those who measure
 * paths to this host, too, if it is told to.
 *
 * Nothing is sent, and no port is taken, before somebody has a path measured; a sink takes its ports at once.
 */
#ifndef GW_HOST_MEASURER_H
#define GW_HOST_MEASURER_H

#include <event2/event.h>

#include "engine/measuring.h"
#include "probe/prober.h"
#include "proto/fact.h"

struct measurer;

struct measurer_options {
	struct event_base *base;
	struct prober_config config;
	int frames_fd; /* of frames_open(), which stays the caller's; -1: no LLTD */

	/* What happens to paths, for the engine: see measuring.h. Not from within a function of the table. */
	void *user_data;
	void (*event)(void *user_data, struct flow_path *path, enum measuring_event event,
		      uint64_t now_us);
	void (*admitted)(void *user_data, struct flow_path *path, uint64_t token, int status,
			 uint64_t now_us);
	/* NULL: all are, but loopback. By others nothing is measured, and nobody answered. */
	bool (*is_allowed)(void *user_data, const char *interface);
	/* Something does not work as it should, for the log; may be NULL. */
	void (*on_trouble)(void *user_data, const char *what);
};

int measurer_new(const struct measurer_options *options, struct measurer **ret_measurer);
/* Tells nothing of what ends by it. Paths that are open are gone. */
struct measurer *measurer_free(struct measurer *measurer);

/* For the engine; good as long as the measurer. */
const struct measuring *measurer_table(const struct measurer *measurer);

/* What works and what does not, what that costs, and what has been counted. */
void measurer_facts(struct measurer *measurer, const struct fact_visitor *visitor);

#endif
