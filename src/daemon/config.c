/* SPDX-License-Identifier: MIT */
/*
 * config.c: reads greenwave.conf(5) in two passes over one text, guided by the same tables of keys: the
 * structure first (config_check.c), then libconfuse parses what is left and hands each value to the reader
 * that the table names.
 */
#include "daemon/config.h"

#include <assert.h>
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "daemon/config_internal.h"

/* ---- errors ---- */

void config_problem(struct reader *rd, int line, const char *format, ...)
{
	va_list ap;

	if (rd->problems_count < CONFIG_PROBLEMS_MAX) {
		struct problem *p = &rd->problems[rd->problems_count];

		p->line = line;
		p->order = rd->problems_count;
		va_start(ap, format);
		vsnprintf(p->message, sizeof(p->message), format, ap);
		va_end(ap);
	}
	rd->problems_count++;
}

static int compare_problems(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void tell_problems(struct reader *rd, config_error_fn on_error, void *user)
{
	size_t told = rd->problems_count < CONFIG_PROBLEMS_MAX ? rd->problems_count
							       : CONFIG_PROBLEMS_MAX;
	char rest[64];

	qsort(rd->problems, told, sizeof(rd->problems[0]), compare_problems);
	for (size_t i = 0; i < told; i++)
		on_error(rd->file, rd->problems[i].line, rd->problems[i].message, user);
	if (rd->problems_count > told) {
		snprintf(rest, sizeof(rest), "%zu more errors", rd->problems_count - told);
		on_error(rd->file, 0, rest, user);
	}
}

const char *config_prefix(const struct section *section, const char *title,
			  char buf[static CONFIG_PREFIX_SIZE])
{
	if (!section->name)
		buf[0] = '\0';
	else if (title && *title)
		snprintf(buf, CONFIG_PREFIX_SIZE, "%s %s: ", section->name, title);
	else
		snprintf(buf, CONFIG_PREFIX_SIZE, "%s: ", section->name);
	return buf;
}

/* ---- second pass: libconfuse ---- */

/* Its callbacks have no argument of the caller's. Set only while it runs. */
static _Thread_local struct reader *current;

__attribute__((format(printf, 2, 0))) static void on_syntax_error(cfg_t *cfg, const char *format,
								  va_list ap)
{
	char message[200];

	vsnprintf(message, sizeof(message), format, ap);
	config_problem(current, cfg->line, "%s", message);
}

/* Tells if the item that has just come into a list should not be there. */
static void check_item(cfg_t *cfg, const cfg_opt_t *opt, const char *prefix, const char *value)
{
	if (opt->nvalues > CONFIG_NAMES_MAX) {
		if (opt->nvalues == CONFIG_NAMES_MAX + 1)
			config_problem(current, cfg->line, "%s%s: expected at most %d names",
				       prefix, opt->name, CONFIG_NAMES_MAX);
		return;
	}
	for (unsigned int i = 0; i + 1 < opt->nvalues; i++) {
		if (strcmp(opt->values[i]->string, value) == 0) {
			config_problem(current, cfg->line, "%s%s: \"%s\" is listed twice", prefix,
				       opt->name, value);
			return;
		}
	}
}

/* Always accepts, so that parsing goes on and finds the next error. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct section *section = config_section(cfg->name);
	const struct key *key = config_key(section, opt->name);
	char prefix[CONFIG_PREFIX_SIZE];
	int r;

	config_prefix(section, cfg->title, prefix);
	r = key->read(current->config, key, value);
	if (r < 0)
		config_problem(current, cfg->line, "%s%s: expected %s, not \"%s\"", prefix,
			       key->name, key->expected, value);
	else if (key->shape == SHAPE_LIST)
		check_item(cfg, opt, prefix, value);
	*(const char **)result = value;
	return 0;
}

static void free_options(cfg_opt_t *options)
{
	for (cfg_opt_t *opt = options; opt && opt->name; opt++)
		free_options(opt->subopts);
	free(options);
}

static cfg_opt_t option_of(const struct key *key, cfg_opt_t *suboptions)
{
	switch (key->shape) {
	case SHAPE_VALUE:
		return (cfg_opt_t)CFG_STR_CB(key->name, NULL, CFGF_NODEFAULT, on_value);
	case SHAPE_LIST:
		return (cfg_opt_t)CFG_STR_LIST_CB(key->name, (char *)key->initial, CFGF_NONE,
						  on_value);
	case SHAPE_SECTION:
		return (cfg_opt_t)CFG_SEC(key->name, suboptions, CFGF_NODEFAULT);
	case SHAPE_TITLED:
		return (cfg_opt_t)CFG_SEC(key->name, suboptions, CFGF_MULTI | CFGF_TITLE);
	}
	return (cfg_opt_t)CFG_END();
}

/* The table of a section in libconfuse's form, with the one of the two forms of `marking` that is in use. */
static cfg_opt_t *make_options(const struct reader *rd, const struct section *section)
{
	cfg_opt_t *options = calloc(section->count + 1, sizeof(*options));
	size_t n = 0;

	for (size_t i = 0; options && i < section->count; i++) {
		const struct key *key = &section->keys[i];
		cfg_opt_t *suboptions = NULL;

		if (strcmp(key->name, "marking") == 0 &&
		    config_is_section(key->shape) != rd->marking_is_section)
			continue;
		if (config_is_section(key->shape)) {
			suboptions = make_options(rd, key->section);
			if (!suboptions) {
				free_options(options);
				return NULL;
			}
		}
		options[n++] = option_of(key, suboptions);
	}
	return options;
}
DEFINE_CLEANUP(cfg_opt_t *, free_options);

void config_take_names(cfg_t *cfg, const char *name, struct config_names *names)
{
	unsigned int count = cfg_size(cfg, name);

	assert(count <= CONFIG_NAMES_MAX);
	names->count = count;
	for (unsigned int i = 0; i < count; i++)
		snprintf(names->name[i], sizeof(names->name[i]), "%s", cfg_getnstr(cfg, name, i));
}

/* Every value has been read once, and found well. */
static void take_link(cfg_t *section, struct config_link *link)
{
	const char *share = cfg_getstr(section, "reservable"),
		   *force = cfg_getstr(section, "force");

	snprintf(link->name, sizeof(link->name), "%s", cfg_title(section));
	parse_rate(cfg_getstr(section, "rate"), &link->rate_bps);
	link->reservable_percent = CONFIG_LINK_SHARE_DEFAULT;
	link->reservable_is_set = share && parse_share(share, &link->reservable_percent) == 0;
	if (force)
		parse_switch(force, &link->force);
}

static void take_links(cfg_t *cfg, struct config *config)
{
	unsigned int count = cfg_size(cfg, "link");

	assert(count <= CONFIG_LINKS_MAX);
	for (unsigned int i = 0; i < count; i++)
		take_link(cfg_getnsec(cfg, "link", i), &config->links[config->n_links++]);
}

static int parse_values(struct reader *rd, const char *text)
{
	_cleanup_(free_optionsp) cfg_opt_t *options = make_options(rd, &config_root);
	cfg_t *cfg;

	if (!options)
		return -ENOMEM;
	current = rd;
	cfg = cfg_init(options, CFGF_NONE);
	if (!cfg) {
		current = NULL;
		return -ENOMEM;
	}
	cfg_set_error_function(cfg, on_syntax_error);
	if (cfg_parse_buf(cfg, text) != CFG_SUCCESS && rd->problems_count == 0)
		config_problem(rd, cfg->line, "out of memory, or not understood");
	if (rd->problems_count == 0) {
		config_take_names(cfg, "administrators", &rd->config->administrators);
		config_take_names(cfg, "interfaces", &rd->config->interfaces);
		take_links(cfg, rd->config);
		if (cfg_size(cfg, "probe") > 0)
			config_probe_take(cfg_getsec(cfg, "probe"), &rd->config->probe);
		if (cfg_size(cfg, "rsvp") > 0)
			config_rsvp_take(cfg_getsec(cfg, "rsvp"), &rd->config->rsvp);
	}
	cfg_free(cfg);
	current = NULL;
	return 0;
}

/* ---- what config.h offers ---- */

struct config *config_default(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->marking = mark_profile_windows;
	config->administrators =
		(struct config_names){ .count = 1, .name = { CONFIG_DEFAULT_GROUP } };
	config->max_flows_per_user = 10000;
	config->max_flows = 131072;
	config->max_reserved_per_user = 100;
	config->max_clients_per_user = 1024;
	config->max_clients = 8192;
	config_rsvp_default(&config->rsvp);
	config_probe_default(&config->probe);
	provider_config_default(&config->gqos);
	return config;
}

struct config *config_free(struct config *config)
{
	if (config)
		explicit_bzero(config->rsvp.keys, sizeof(config->rsvp.keys));
	free(config);
	return NULL;
}
DEFINE_CLEANUP(struct config *, config_free);

/* Tells one error about the file as a whole and passes it on. */
static int fail_file(const char *file, int error, config_error_fn on_error, void *user)
{
	on_error(file, 0, strerror(-error), user);
	return error;
}

/* Ends the text before a statement that makes no sense: what stands before it has values to judge. */
static void cut(struct reader *rd)
{
	char *end = rd->statement;

	assert(rd->depth <= CONFIG_DEPTH_MAX);
	for (unsigned int i = 0; i < rd->depth; i++)
		*end++ = '}';
	*end = '\0';
}

/* Both passes over `text`, which ends with 0, is `len` long, and has room to close sections. */
static int read_text(struct reader *rd, char *text, size_t len)
{
	if (!config_check(rd, text))
		cut(rd);
	else if (rd->at < text + len)
		config_problem(rd, rd->line, "unexpected byte 0x00");
	return parse_values(rd, text);
}

int config_parse_buffer(const char *name, const char *text, size_t len, struct config **ret_config,
			config_error_fn on_error, void *user)
{
	_cleanup_(config_freep) struct config *config = config_default();
	_cleanup_(freep) struct reader *rd = calloc(1, sizeof(*rd));
	_cleanup_(freep) char *copy = NULL;
	int r;

	if (len > CONFIG_FILE_MAX)
		return fail_file(name, -EFBIG, on_error, user);
	copy = malloc(len + CONFIG_DEPTH_MAX + 1);
	if (!config || !rd || !copy)
		return fail_file(name, -ENOMEM, on_error, user);
	memcpy(copy, text, len);
	copy[len] = '\0';

	rd->config = config;
	rd->file = name;
	r = read_text(rd, copy, len);
	if (r < 0)
		return fail_file(name, r, on_error, user);
	if (rd->problems_count > 0) {
		tell_problems(rd, on_error, user);
		return -EINVAL;
	}
	*ret_config = steal_ptr(&config);
	return 0;
}

/* Reads up to `room` bytes. */
static int read_file(const char *path, char *buf, size_t room, size_t *ret_len)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf + len, room - len);
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	} while (n != 0 && len < room);
	*ret_len = len;
	return 0;
}

int config_load(const char *path, struct config **ret_config, config_error_fn on_error, void *user)
{
	const char *file = path ? path : CONFIG_DEFAULT_PATH;
	size_t room = CONFIG_FILE_MAX + 1; /* one more, to see that a file is too long */
	_cleanup_(freep) char *text = malloc(room);
	size_t len = 0;
	int r;

	r = text ? read_file(file, text, room, &len) : -ENOMEM;
	if (r < 0 && !(r == -ENOENT && !path))
		return fail_file(file, r, on_error, user);
	return config_parse_buffer(file, text, len, ret_config, on_error, user);
}
