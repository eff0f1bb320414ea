/* SPDX-License-Identifier: MIT */
/*
 * config_internal.h: what the parts of the configuration share: the tables of keys (config_keys.c), which
 * guide the check of the structure (config_check.c) and the reading of the values (config.c).
 */
#ifndef GW_DAEMON_CONFIG_INTERNAL_H
#define GW_DAEMON_CONFIG_INTERNAL_H

#include "daemon/config.h"

struct cfg_t; /* of libconfuse */

#define CONFIG_KEYS_MAX 24		   /* of one section */
#define CONFIG_PROBLEMS_MAX 50		   /* told of one file */
#define CONFIG_TITLED_MAX CONFIG_LINKS_MAX /* sections with titles */
#define CONFIG_PREFIX_SIZE (CONFIG_NAME_SIZE + 24)
#define CONFIG_DEFAULT_GROUP "netdev" /* Debian's group of those who may configure networks */

struct problem {
	int line;
	size_t order; /* of finding, among those of one line */
	char message[512];
};

/* One reading of one file. */
#define CONFIG_DEPTH_MAX 2 /* rsvp { interface eth0 { */

struct reader {
	struct config *config;
	const char *file;
	char *at; /* the next character of the first pass */
	int line;
	char *statement;    /* begins here; if it makes no sense, nothing after it does */
	unsigned int depth; /* so many sections are open there */
	bool marking_is_section;
	size_t problems_count; /* may exceed CONFIG_PROBLEMS_MAX */
	struct problem problems[CONFIG_PROBLEMS_MAX];
	size_t titled_count;
	struct {
		const struct key *key;
		char title[CONFIG_NAME_SIZE];
	} titled[CONFIG_TITLED_MAX];
};

enum shape {
	SHAPE_VALUE,   /* name = VALUE */
	SHAPE_LIST,    /* name = {VALUE, ...} */
	SHAPE_SECTION, /* name { ... } */
	SHAPE_TITLED   /* name TITLE { ... }, several times; titles look like names of interfaces */
};

struct key {
	const char *name;
	enum shape shape;
	/* Reads one value, or one item of a list. */
	int (*read)(struct config *config, const struct key *key, const char *text);
	const char *expected;	       /* by `read` */
	const char *initial;	       /* of a list */
	const struct section *section; /* of SHAPE_SECTION and SHAPE_TITLED */
	const char *title_expected;    /* of SHAPE_TITLED, if it is not an interface */
	const char *instead;	       /* the key that may stand in its place, but not beside it */
	uint64_t min, max;
	size_t offset; /* in struct config, of what `read` writes there: config_member() */
	bool required;
	bool not_empty; /* of a list, if it is given */
};

struct section {
	const char *name; /* NULL: the root */
	const struct key *keys;
	size_t count;
};

/* ---- config_keys.c ---- */

extern const struct section config_root;
extern const struct section config_marking;

/* By libconfuse's name of it; the root if there is none. */
const struct section *config_section(const char *name);

/* The first key of that name (`marking` has two); NULL if there is none. */
const struct key *config_key(const struct section *section, const char *name);

bool config_is_section(enum shape shape);

/* The name of an interface in words, and whether `text` could be one. */
#define CONFIG_INTERFACE_EXPECTED \
	"the name of an interface (1 to 15 bytes, no \"/\", \":\" or blank)"
bool config_is_interface(const char *text);

/* Readers that write to the member of the key: a uint32_t, a bool. */
int config_read_count(struct config *config, const struct key *key, const char *text);
int config_read_switch(struct config *config, const struct key *key, const char *text);

/* Readers that only check. */
int config_check_count(struct config *config, const struct key *key, const char *text);
int config_check_switch(struct config *config, const struct key *key, const char *text);
int config_check_duration(struct config *config, const struct key *key, const char *text);
int config_check_interface(struct config *config, const struct key *key, const char *text);

#define CONFIG_SECTION(name_, keys_)                                                          \
	{                                                                                     \
		.name = (name_), .keys = (keys_), .count = sizeof(keys_) / sizeof((keys_)[0]) \
	}

#define CONFIG_RANGE(min_, max_) \
	.min = (min_), .max = (max_), .expected = "a number from " #min_ " to " #max_

#define CONFIG_INTERFACES_KEY                                                              \
	{                                                                                  \
		.name = "interfaces", .shape = SHAPE_LIST, .read = config_check_interface, \
		.expected = CONFIG_INTERFACE_EXPECTED, .initial = "{}", .not_empty = true  \
	}

static inline void *config_member(struct config *config, const struct key *key)
{
	return (char *)config + key->offset;
}

/* ---- config_probe.c ---- */

extern const struct section config_probe;

void config_probe_default(struct config_probe *ret_probe);
/* What its keys cannot put in place themselves. */
void config_probe_take(struct cfg_t *section, struct config_probe *probe);

/* ---- config_gqos.c ---- */

extern const struct section config_gqos;
extern const struct section config_gqos_dscp;
extern const struct section config_gqos_priority;

/* ---- config_rsvp.c ---- */

extern const struct section config_rsvp;
extern const struct section config_rsvp_interface;
extern const struct section config_rsvp_key;

/* "192.0.2.1", "2001:db8::1" */
int config_parse_host(const char *text, struct address *ret_address);

void config_rsvp_default(struct config_rsvp *ret_rsvp);

/* The values of the section; each has been read once, and found well. */
void config_rsvp_take(struct cfg_t *section, struct config_rsvp *rsvp);

/* ---- config_check.c ---- */

/*
 * Checks the structure of the text, tells every problem, and blanks out what libconfuse must not see.
 * False: the text cannot be parsed any further.
 */
bool config_check(struct reader *rd, char *text);

/* ---- config.c ---- */

void config_problem(struct reader *rd, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void config_take_names(struct cfg_t *cfg, const char *name, struct config_names *names);

/* "policy: " or "link eth0: ", for the front of a message; "" for the root. Returns `buf`. */
const char *config_prefix(const struct section *section, const char *title,
			  char buf[static CONFIG_PREFIX_SIZE]);

/* ---- config_rules.c ---- */

extern const struct section config_rsvp_rule;

void config_rules_take(struct cfg_t *section, struct config_rsvp *rsvp);

#endif
