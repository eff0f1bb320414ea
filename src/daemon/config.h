/* SPDX-License-Identifier: MIT */
/*
 * config.h: the daemon's configuration, greenwave.conf(5). A configuration is read as a whole or not at all,
 * so that a reload with an error in it leaves the old one in force.
 */
#ifndef GW_DAEMON_CONFIG_H
#define GW_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/class.h"

#define CONFIG_DEFAULT_PATH "/etc/greenwave/greenwave.conf"

#define CONFIG_FILE_MAX (256 * 1024) /* bytes */
#define CONFIG_NAMES_MAX 64	     /* items of one list */
#define CONFIG_NAME_SIZE 64	     /* bytes of one name, with the final 0 */

struct config_names {
	size_t count;
	char name[CONFIG_NAMES_MAX][CONFIG_NAME_SIZE];
};

#define CONFIG_LINKS_MAX 256
#define CONFIG_LINK_RATE_MIN_BPS UINT64_C(64000)
#define CONFIG_LINK_RATE_MAX_BPS UINT64_C(10000000000000)
#define CONFIG_LINK_SHARE_DEFAULT 75

/* A link that is handed over. */
struct config_link {
	char name[16];
	uint64_t rate_bps;
	uint32_t reservable_percent;
	bool reservable_is_set; /* else it is the default */
	bool force;		/* take it, whoever has set it up */
};

struct config {
	struct mark_profile marking;
	struct config_names administrators; /* groups; root always is one */
	struct config_names interfaces;	    /* where packets are marked; none: everywhere */
	uint32_t max_flows_per_user;	    /* does not bind root */
	uint32_t max_flows;
	uint32_t max_clients_per_user; /* open handles; does not bind root */
	uint32_t max_clients;
	/*
	 * spec/qwave.md §6.3 "control DSCP marking requests from applications": calls succeed, but marks
	 * stay as if every class were best effort.
	 */
	bool marks_ignored;
	size_t n_links;
	struct config_link links[CONFIG_LINKS_MAX]; /* in the order of the file */
};

/* Called for each error, in the order of lines. `line` 0: the file as a whole. */
typedef void (*config_error_fn)(const char *file, int line, const char *message, void *user);

/* What holds without a file. NULL: no memory. */
struct config *config_default(void);

/*
 * Reads a file. `path` NULL is CONFIG_DEFAULT_PATH, and then a missing file means the defaults.
 * Every other failure has been told to `on_error` at least once: -EINVAL for errors in the text, else why
 * the file could not be read.
 */
int config_load(const char *path, struct config **ret_config, config_error_fn on_error, void *user);

/* The same for text in memory; `name` stands for the file's name in errors. */
int config_parse_buffer(const char *name, const char *text, size_t len, struct config **ret_config,
			config_error_fn on_error, void *user);

/* NULL is allowed. Always returns NULL. */
struct config *config_free(struct config *config);

#endif
