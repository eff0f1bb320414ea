/* SPDX-License-Identifier: MIT */
/*
 * rsvp.h: what the parts of `greenwave rsvp` share: copies of what gw_rsvp_list() shows, how they look, and staying
 * until it is time to leave.
 */
#ifndef GW_CLI_RSVP_H
#define GW_CLI_RSVP_H

#include <greenwave.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>

#include "cli/cli.h"

extern const struct cli_command command_rsvp_neighbours;
extern const struct cli_command command_rsvp_counters;
extern const struct cli_command command_rsvp_watch;
extern const struct cli_command command_rsvp_send;
extern const struct cli_command command_rsvp_receive;
extern const struct cli_command command_rsvp_trace;
extern const struct cli_command command_rsvp_ping;

/* Reports the failure of a call about RSVP; returns the exit status. */
int rsvp_report(const char *what, int error);

/* ---- rsvp_items.c ---- */

/* A fifth of a sockaddr_storage: a router has very many. */
union rsvp_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct rsvp_source {
	union rsvp_address address;
	uint32_t form, id;
};

/* What is kept of a record; see struct gw_rsvp_record. */
struct rsvp_item {
	enum gw_rsvp_kind kind;
	uint32_t flags;
	union rsvp_address destination, hop;
	int32_t protocol;
	uint32_t form;
	uint32_t uid;
	int32_t pid;
	struct rsvp_source *sources;
	uint32_t n_sources;
	uint32_t style, service;
	struct gw_tspec tspec;
	uint64_t rate_bps;
	uint32_t slack_us;
	int32_t dscp;
	char interface[16];
	uint64_t expires_ms;
	char name[48];
	uint64_t value, received, sent, dropped;
};

struct rsvp_items {
	struct rsvp_item *items;
	size_t count, room;
};

/* -ENOMEM; rsvp_item_free() is due after success. */
int rsvp_item_read(const struct gw_rsvp_record *record, struct rsvp_item *ret_item);
void rsvp_item_free(struct rsvp_item *item);

/* All of the kinds, those of one session together. rsvp_items_free() is due either way. */
int rsvp_items_fetch(struct gw *gw, uint32_t kinds, struct rsvp_items *ret_items);
void rsvp_items_free(struct rsvp_items *items);

/* The order of a list: first by session. 0: the same thing, though it may have changed. */
int rsvp_item_compare(const void *a, const void *b);
bool rsvp_item_same_session(const struct rsvp_item *a, const struct rsvp_item *b);
bool rsvp_item_same(const struct rsvp_item *a, const struct rsvp_item *b); /* and has not changed */

/* ---- rsvp_fmt.c ---- */

/* An address without its port; NULL if it is none. Otherwise returns `buf`. */
const char *rsvp_fmt_host(const struct sockaddr_storage *address, char buf[static 80]);

/* Members are added to `object`; 0, or -1 if memory is short. */
int rsvp_json_session(json_t *object, const struct rsvp_item *item);
json_t *rsvp_json_sender(const struct rsvp_item *item);
json_t *rsvp_json_reservation(const struct rsvp_item *item);
json_t *rsvp_json_event(const struct gw_event *event);

void rsvp_print_session(FILE *out, const struct rsvp_item *item);
/* "sender ...", "reservation ...", without a line end. */
void rsvp_print_item(FILE *out, const struct rsvp_item *item);
/* With the line end. -ENOMEM. */
int rsvp_print_event(FILE *out, const struct gw_event *event);
void rsvp_print_time(FILE *out, uint64_t time_us);

/* ---- rsvp_stay.c ---- */

struct rsvp_stay {
	struct gw *gw;
	const char *what;     /* the command, for errors */
	uint64_t duration_us; /* 0: until a signal */
	/* CLI_FINE and the like to leave with that status, -1 to stay; NULL: every event is printed. */
	int (*on_event)(const struct gw_event *event, void *user_data);
	void *user_data;
	bool json;
	int late; /* what is returned once the time is over: an exit status, or -1 to go on */
};

/* Prints events of RSVP until it is time to leave. Returns the exit status. */
int rsvp_stay(const struct rsvp_stay *stay);

/* One event on standard output. 0, or a negative errno. */
int rsvp_show_event(const struct gw_event *event, bool json);

#endif
