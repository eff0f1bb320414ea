/* SPDX-License-Identifier: MIT */
/*
 * rsvp_watch.c: `greenwave rsvp watch`. Of sessions that are not one's own nobody tells events: what there is is listed
 * once a second and compared with what was there before. What comes and goes in between is not seen.
 */
#include <errno.h>
#include <time.h>

#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/rsvp.h"
#include "cli/screen.h"

#define PERIOD_US UINT64_C(1000000)
/* A router with very many sessions is asked less often: listing may take this share of the time. */
#define REST_FACTOR 10
#define WATCHED (GW_RSVP_KIND_BIT(GW_RSVP_SENDER) | GW_RSVP_KIND_BIT(GW_RSVP_RESERVATION))

struct watch_options {
	bool json;
};

static const struct option_def watch_option_defs[] = {
	{ "json", OPTION_FLAG, offsetof(struct watch_options, json), NULL,
	  "one JSON object a line" },
	{ 0 },
};

static uint64_t clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static json_t *json_change(const struct rsvp_item *item, const char *event)
{
	bool sender = item->kind == GW_RSVP_SENDER;
	json_t *object = json_pack("{s:f, s:s}", "time", (double)clock_us(CLOCK_REALTIME) / 1e6,
				   "event", event);
	int r = object ? rsvp_json_session(object, item) : -1;

	if (r == 0)
		r = json_object_set_new(object, sender ? "sender" : "reservation",
					sender ? rsvp_json_sender(item)
					       : rsvp_json_reservation(item));
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

static int print_change(const struct rsvp_item *item, const char *what, bool json)
{
	char event[32];

	snprintf(event, sizeof(event), "%s-%s",
		 item->kind == GW_RSVP_SENDER ? "sender" : "reservation", what);
	if (json)
		return fmt_json_print(stdout, json_change(item, event));
	rsvp_print_time(stdout, clock_us(CLOCK_REALTIME));
	printf("%-19s ", event);
	rsvp_print_session(stdout, item);
	fputs(" ", stdout);
	rsvp_print_item(stdout, item);
	putchar('\n');
	return 0;
}

/* Both are in the same order. */
static int print_changes(const struct rsvp_items *before, const struct rsvp_items *now, bool json)
{
	size_t i = 0, k = 0;
	int r = 0;

	while (r == 0 && (i < before->count || k < now->count)) {
		const struct rsvp_item *old = i < before->count ? &before->items[i] : NULL;
		const struct rsvp_item *new = k < now->count ? &now->items[k] : NULL;
		int order = !old ? 1 : !new ? -1 : rsvp_item_compare(old, new);

		if (order < 0)
			r = print_change(old, "ended", json);
		else if (order > 0)
			r = print_change(new, "added", json);
		else if (!rsvp_item_same(old, new))
			r = print_change(new, "changed", json);
		i += order <= 0;
		k += order >= 0;
	}
	return r;
}

/* Lists anew, and tells the difference. */
static int look(struct gw *gw, struct rsvp_items *before, bool json)
{
	struct rsvp_items now;
	int r = rsvp_items_fetch(gw, WATCHED, &now);

	if (r >= 0)
		r = print_changes(before, &now, json);
	if (r < 0) {
		rsvp_items_free(&now);
		return r;
	}
	rsvp_items_free(before);
	*before = now;
	return cli_flush_output() ? 0 : -EPIPE;
}

static int watch_loop(struct gw *gw, bool json, struct rsvp_items *before)
{
	struct rsvp_stay rest = { .gw = gw, .what = "rsvp watch", .late = -1 };
	uint64_t started_us = clock_us(CLOCK_MONOTONIC);
	int r = rsvp_items_fetch(gw, WATCHED, before), status;

	while (r == 0) {
		rest.duration_us = (clock_us(CLOCK_MONOTONIC) - started_us) * REST_FACTOR;
		if (rest.duration_us < PERIOD_US)
			rest.duration_us = PERIOD_US;
		status = rsvp_stay(&rest);
		if (status >= 0)
			return status;
		started_us = clock_us(CLOCK_MONOTONIC);
		r = look(gw, before, json);
	}
	return r == -EPIPE ? CLI_FINE : rsvp_report("rsvp watch", r);
}

static int watch_execute(const struct cli_command *command, int argc, char **argv)
{
	struct watch_options options = { 0 };
	struct rsvp_items before = { 0 };
	struct gw *gw;
	int status;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = host_open_daemon(&gw);
	if (status != CLI_FINE)
		return status;
	screen_catch_signals(); /* while it lists; while it rests, they are waited for */
	status = watch_loop(gw, options.json, &before);
	rsvp_items_free(&before);
	gw_close(gw);
	return status;
}

const struct cli_command command_rsvp_watch = {
	.name = "rsvp watch",
	.operands = "",
	.summary = "show senders and reservations as they come, change and end",
	.description = "One line for each change, found by looking once a second. Ctrl-C ends it.",
	.options = watch_option_defs,
	.execute = watch_execute,
};
