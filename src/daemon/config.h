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

#include "core/address.h"
#include "core/class.h"
#include "engine/provider.h"

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

/* RSVP in UDP, for neighbours that cannot send IP protocol 46 (RFC 2205 App. C). */
enum config_rsvp_udp {
	CONFIG_RSVP_UDP_OFF,
	CONFIG_RSVP_UDP_LISTEN, /* to those who have been heard to use it */
	CONFIG_RSVP_UDP_ON,
};

/* How RSVP is spoken on an interface. */
struct config_rsvp_interface {
	char name[16]; /* "": on all that have no section of their own */
	uint32_t refresh_ms, settle_ms, lifetime_factor, blockade;
	uint32_t latency_us; /* UINT32_MAX: not known */
	uint32_t max_alerts_per_s;
	enum config_rsvp_udp udp;
	bool reduces_refreshes, router_alert;
};

enum config_digest { CONFIG_HMAC_MD5, CONFIG_HMAC_SHA1, CONFIG_HMAC_SHA256 };

#define CONFIG_SECRET_MAX 64 /* bytes */

struct config_rsvp_key {
	char name[16];
	uint64_t id; /* 48 bits */
	enum config_digest algorithm;
	uint8_t secret[CONFIG_SECRET_MAX];
	size_t secret_len;
	char interface[16];		     /* "": every one */
	struct address neighbour;	     /* AF_UNSPEC: every one */
	int64_t valid_from_s, valid_until_s; /* since 1970; 0: always */
	bool challenge;
};

/* "192.0.2.0/24", "2001:db8::1" */
struct config_prefix {
	struct address address; /* AF_UNSPEC: every one */
	unsigned bits;
};

#define CONFIG_IDENTITY_MAX 256 /* bytes, with the end */

/* What neighbours may ask for: the first rule that is about it decides. */
struct config_rsvp_rule {
	char name[16];
	bool accept;
	char interface[16]; /* "": every one */
	struct config_prefix neighbour, session, sender;
	char user[CONFIG_IDENTITY_MAX], application[CONFIG_IDENTITY_MAX]; /* "": whoever it is */
	uint64_t max_rate_bps;						  /* of a reservation */
	uint32_t max_priority;
};

struct config_rsvp {
	bool enabled;
	struct config_names names; /* interfaces; none: every one but loopback */
	struct config_rsvp_interface usual;
	size_t n_interfaces;
	struct config_rsvp_interface interfaces[CONFIG_LINKS_MAX];
	size_t n_keys;
	struct config_rsvp_key keys[CONFIG_LINKS_MAX];
	size_t n_rules;
	struct config_rsvp_rule rules[CONFIG_LINKS_MAX]; /* in the order of the file */
	bool rejects_others;				 /* what no rule is about */
	uint32_t max_sessions, max_senders_per_session, max_reservations_per_session;
	uint32_t max_state_per_neighbour, max_neighbours, max_messages_per_s;
	bool require_checksum;
	uint8_t dscp; /* of messages */
};

/* Measuring paths: to other hosts, and for other hosts. */
struct config_probe {
	bool initiator, sink;
	struct config_names interfaces; /* none: every one but loopback */
	uint32_t max_sessions, max_sessions_per_host;
	uint32_t max_answers_per_s, max_answers_per_s_per_host;
};

struct config {
	struct mark_profile marking;
	struct config_names administrators; /* groups; root always is one */
	struct config_names interfaces;	    /* where packets are marked; none: everywhere */
	uint32_t max_flows_per_user;	    /* does not bind root */
	uint32_t max_flows;
	uint32_t max_reserved_per_user; /* percent of what is reservable on a link; does not bind root */
	uint32_t max_clients_per_user; /* open handles; does not bind root */
	uint32_t max_clients;
	/*
	 * spec/qwave.md §6.3 "control DSCP marking requests from applications": calls succeed, but marks
	 * stay as if every class were best effort.
	 */
	bool marks_ignored;
	size_t n_links;
	struct config_link links[CONFIG_LINKS_MAX]; /* in the order of the file */
	struct config_rsvp rsvp;
	struct provider_config gqos;
	struct config_probe probe;
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
