/* SPDX-License-Identifier: MIT */
/*
 * fmt.h: what greenwave.h describes, as text for people and as JSON for programs. Every command
 * prints through these, so that a flow looks the same everywhere.
 */
#ifndef GW_CLI_FMT_H
#define GW_CLI_FMT_H

#include <greenwave.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* "192.0.2.1:5060", "[2001:db8::1]:5060"; NULL if the address is none. Otherwise returns `buf`. */
#define FMT_ADDRESS_LEN 80
const char *fmt_address(const struct sockaddr_storage *address, char buf[static FMT_ADDRESS_LEN]);

/* "64kbit", "1.5Mbit": rounded to three decimals, for people. Returns `buf`. */
#define FMT_RATE_LEN 32
const char *fmt_rate(uint64_t rate_bps, char buf[static FMT_RATE_LEN]);

const char *fmt_protocol(int32_t protocol);
const char *fmt_class(enum gw_class traffic_class);
const char *fmt_path_state(enum gw_path_state state);
const char *fmt_event_name(enum gw_event_type type); /* NULL for events that are about no flow */

/*
 * Copies text that others chose (a program's name) so that it can do a terminal no harm: every byte
 * that is not printable ASCII becomes '?'. `text` need not be terminated within `text_size`.
 * Returns `buf`.
 */
const char *fmt_plain(const char *text, size_t text_size, char *buf, size_t buf_size);

/* ---- JSON; each returns NULL if out of memory ---- */

/* A string of any bytes; what is not UTF-8 is replaced by '?'. NULL or "" gives null. */
json_t *fmt_json_text(const char *text);

json_t *fmt_json_record(const struct gw_flow_record *record);
json_t *fmt_json_event(const struct gw_event *event);

/* Writes the value on one line, with the line end, and releases it. 0, or -ENOMEM for NULL. */
int fmt_json_print(FILE *out, json_t *value);

/*
 * Likewise one value of an array that is written value by value, since the whole of it as one value would take many times
 * its memory; without the line end, and with a comma if `more` come. 1: nobody takes the output any more, which is
 * reported when the tool ends.
 */
int fmt_json_print_item(FILE *out, json_t *value, bool more);

/* ---- text ---- */

/*
 * Writes a sentence and the line end, where `indent` characters stand before it already; breaks it
 * between words so that lines stay below FMT_WIDTH, and indents what follows alike.
 */
#define FMT_WIDTH 80
void fmt_wrapped(FILE *out, int indent, const char *text);

/* One line of what happened to a flow, with the line end. */
void fmt_event_print(FILE *out, const struct gw_event *event);

/* Aligned columns as wide as their contents. */
struct fmt_table_style {
	int width;	  /* longest line, 0: no limit */
	const char *head; /* terminal sequences around the heading, or "" */
	const char *head_end;
	const char *line_end;
};
extern const struct fmt_table_style fmt_table_plain;

void fmt_records_print(FILE *out, const struct gw_flow_record *records, size_t count,
		       const struct fmt_table_style *style);

#endif
