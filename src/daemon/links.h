/* SPDX-License-Identifier: MIT */
/*
 * links.h: the links that are handed over, as far as they are the daemon's: from the configuration to the
 * datapath, and what becomes of them to the log, to admission control and to `greenwave status`.
 */
#ifndef GW_DAEMON_LINKS_H
#define GW_DAEMON_LINKS_H

#include "daemon/config.h"
#include "datapath/kernel/handover.h"
#include "engine/engine.h"
#include "proto/fact.h"

/* Fills as many as the configuration has and returns their number. */
size_t links_of_config(const struct config *config,
		       struct handover_link ret_links[static CONFIG_LINKS_MAX]);

/* Where queues that were taken over by force are kept: a folder for each network namespace. */
#define LINKS_FOLDER_LEN 64
const char *links_folder(char buf[static LINKS_FOLDER_LEN]);

/* Says in the log what has become of a link. */
void links_log(const struct handover_report *report);

/* What may be reserved on the link from now on. */
void links_admit(struct engine *engine, const struct config *config,
		 const struct handover_report *report);

/* Tells the line of the link in `greenwave status`. */
void links_tell(const struct handover_report *report, struct engine *engine,
		const struct fact_visitor *visitor);

#endif
