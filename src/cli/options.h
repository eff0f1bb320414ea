/* SPDX-License-Identifier: MIT */
/*
 * options.h: typed tables of options. One table says how an option is read, where its value goes
 * and how the help describes it, so the three cannot drift apart.
 */
#ifndef GW_CLI_OPTIONS_H
#define GW_CLI_OPTIONS_H

#include <greenwave.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

enum option_type {
	OPTION_FLAG,	  /* bool */
	OPTION_CLASS,	  /* struct option_class */
	OPTION_RATE,	  /* struct option_rate */
	OPTION_ENDPOINT,  /* struct option_endpoint */
	OPTION_PROTOCOL,  /* struct option_protocol */
	OPTION_INTERFACE, /* struct option_interface */
	OPTION_ENDPOINTS, /* struct option_endpoints: may stand several times */
	OPTION_NUMBER,	  /* struct option_number */
	OPTION_DURATION,  /* struct option_duration */
	OPTION_SECONDS,	  /* the same; a number alone is seconds */
	OPTION_STYLE,	  /* struct option_style */
	OPTION_SERVICE	  /* struct option_service */
};

struct option_class {
	bool given;
	enum gw_class value;
};

struct option_rate {
	bool given;
	uint64_t rate_bps;
};

struct option_endpoint {
	bool given;
	struct sockaddr_storage address; /* port 0: any */
};

struct option_protocol {
	bool given;
	int value; /* IPPROTO_... */
};

struct option_interface {
	bool given;
	char name[IF_NAMESIZE];
};

#define OPTION_ENDPOINTS_MAX GW_RSVP_FLOWS_MAX

struct option_endpoints {
	uint32_t count;
	struct sockaddr_storage addresses[OPTION_ENDPOINTS_MAX];
};

struct option_number {
	bool given;
	uint32_t value; /* 1 or more */
};

struct option_duration {
	bool given;
	uint64_t us; /* 1 or more */
};

struct option_style {
	bool given;
	enum gw_rsvp_style value;
};

struct option_service {
	bool given;
	enum gw_rsvp_service value;
};

struct option_def {
	const char *name; /* without the dashes, one for a single letter; NULL ends the table */
	enum option_type type;
	size_t offset;	      /* of the value, in the structure that the command passes */
	const char *argument; /* how the help names the value; NULL for a flag */
	const char *help;
};

enum options_result {
	OPTIONS_READ,
	OPTIONS_HELP, /* --help or -h stood among them */
	OPTIONS_WRONG
};

#define OPTION_ERROR_LEN 160

/*
 * Reads options from argv[0] on, up to "--" or the first operand, whose index goes to *ret_operand.
 * `values` is zeroed by the caller. OPTIONS_WRONG writes what is wrong, without a line end, to
 * `error`.
 */
enum options_result options_read(const struct option_def *defs, int argc, char **argv, void *values,
				 int *ret_operand, char error[static OPTION_ERROR_LEN]);

/* One line per option, for the help. */
void options_print(FILE *out, const struct option_def *defs);

/* Reads "64kbit", "2.5Gbit": more than nothing and a whole number of bits. -EINVAL, -ERANGE. */
int options_parse_rate(const char *text, uint64_t *ret_rate_bps);

/* Reads "20us", "500ms", "1.5s", "2min": more than nothing and whole microseconds. -EINVAL, -ERANGE. */
int options_parse_duration(const char *text, uint64_t *ret_us);

/* The same, and "1.5" is seconds. */
int options_parse_seconds(const char *text, uint64_t *ret_us);

/* Reads "192.0.2.1", "192.0.2.1:5060", "2001:db8::1", "[2001:db8::1]:5060". -EINVAL. */
int options_parse_endpoint(const char *text, struct sockaddr_storage *ret_address);

#endif
