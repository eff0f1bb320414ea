/* SPDX-License-Identifier: MIT */
/*
 * watch.c: `greenwave watch`. On a terminal a live table: an event only says that something
 * changed, then the flows are listed anew, at most some times a second; so what is shown is always
 * what the daemon says. Elsewhere, and with --json, one line per event.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/records.h"
#include "cli/screen.h"

#define REDRAW_MIN_MS 100
/* A long list is drawn rarely: drawing may take this share of the time. */
#define REDRAW_REST_FACTOR 10
#define LOST_EVERY_MS 1000  /* losses are told together, not one by one */
#define PATHS_EVERY_MS 1000 /* no event tells what is free on paths */

struct watch_options {
	bool json;
};

static const struct option_def watch_option_defs[] = {
	{ "json", OPTION_FLAG, offsetof(struct watch_options, json), NULL,
	  "one JSON object a line" },
	{ 0 },
};

struct watch {
	struct gw *gw;
	bool json;
	bool live;

	/* lines only */
	uint64_t lost;	     /* events, not told yet */
	uint64_t lost_at_ms; /* not before */

	/* live only */
	char *last_event; /* a line, or NULL */
	size_t last_event_len;
	bool dirty;
	bool has_paths;
	uint64_t redraw_at_ms; /* not before */
	uint64_t look_at_ms;   /* even if nothing is told, where there are paths */
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- the live table ---- */

static int remember_event(struct watch *watch, const struct gw_event *event)
{
	FILE *line;

	free(watch->last_event);
	watch->last_event = NULL;
	line = open_memstream(&watch->last_event, &watch->last_event_len);
	if (!line)
		return -ENOMEM;
	fmt_event_print(line, event);
	if (fclose(line) != 0)
		return -ENOMEM;
	watch->last_event[strcspn(watch->last_event, "\n")] = '\0';
	watch->dirty = true;
	return 0;
}

static void print_frame(FILE *frame, const struct watch *watch, const struct records *records,
			int columns)
{
	struct fmt_table_style style = {
		.width = columns,
		.head = "\033[1m",
		.head_end = "\033[0m",
		.line_end = SCREEN_LINE_END,
	};

	fprintf(frame, "%zu flow%s", records->total, records->total == 1 ? "" : "s");
	if (records->count < records->total)
		fprintf(frame, ", the first %zu shown", records->count);
	fprintf(frame, "; Ctrl-C ends" SCREEN_LINE_END "\n" SCREEN_LINE_END "\n");
	fmt_records_print(frame, records->items, records->count, &style);
	/* The last line has no line feed: it would scroll a full screen. */
	fprintf(frame, SCREEN_LINE_END "\n%.*s" SCREEN_LINE_END, columns,
		watch->last_event ? watch->last_event : "nothing has happened yet");
}

static bool has_paths(const struct records *records)
{
	for (size_t i = 0; i < records->count; i++)
		if (records->items[i].path_state != GW_PATH_NONE)
			return true;
	return false;
}

static int redraw(struct watch *watch)
{
	uint64_t start_ms = now_ms(), took_ms, rest_ms;
	struct records records;
	char *text = NULL;
	size_t text_len = 0;
	int rows, columns, r;
	FILE *frame;

	screen_size(&rows, &columns);
	/* Two lines above the table, its heading, two below. */
	r = records_fetch(watch->gw, 0, rows > 6 ? (size_t)rows - 5 : 1, &records);
	if (r >= 0) {
		frame = open_memstream(&text, &text_len);
		if (frame)
			print_frame(frame, watch, &records, columns);
		r = frame && fclose(frame) == 0 ? 0 : -ENOMEM;
	}
	if (r >= 0)
		screen_draw(text, text_len);
	free(text);
	watch->has_paths = has_paths(&records);
	records_free(&records);

	took_ms = now_ms() - start_ms;
	watch->dirty = false;
	rest_ms = took_ms * REDRAW_REST_FACTOR;
	watch->redraw_at_ms = now_ms() + (rest_ms > REDRAW_MIN_MS ? rest_ms : REDRAW_MIN_MS);
	watch->look_at_ms = now_ms() + (rest_ms > PATHS_EVERY_MS ? rest_ms : PATHS_EVERY_MS);
	return r;
}

/* ---- lines ---- */

static int print_line(const struct watch *watch, const struct gw_event *event)
{
	int r = 0;

	if (watch->json)
		r = fmt_json_print(stdout, fmt_json_event(event));
	else
		fmt_event_print(stdout, event);
	if (r < 0)
		return r;
	/* A reader waits for each line. */
	return cli_flush_output() ? 0 : -EPIPE;
}

static void report_lost(struct watch *watch, bool now)
{
	if (watch->lost == 0 || (!now && now_ms() < watch->lost_at_ms))
		return;
	cli_error("watch: %" PRIu64 " events were lost: they came faster than they were read",
		  watch->lost);
	watch->lost = 0;
	watch->lost_at_ms = now_ms() + LOST_EVERY_MS;
}

/* ---- events ---- */

static int take_event(struct watch *watch, const struct gw_event *event)
{
	switch (event->type) {
	case GW_EVENT_FLOW_ADDED:
	case GW_EVENT_FLOW_CHANGED:
	case GW_EVENT_FLOW_ENDED:
		return watch->live ? remember_event(watch, event) : print_line(watch, event);
	case GW_EVENT_LOST:
		watch->dirty = true;
		if (!watch->live)
			watch->lost += event->lost;
		report_lost(watch, false);
		return 0;
	case GW_EVENT_DISCONNECTED:
		return -ESHUTDOWN;
	case GW_EVENT_COMPLETED:
	case GW_EVENT_RSVP_PATH:
	case GW_EVENT_RSVP_RESV:
	case GW_EVENT_RSVP_PATH_ERROR:
	case GW_EVENT_RSVP_RESV_ERROR:
	case GW_EVENT_RSVP_CONFIRM:
	case GW_EVENT_RSVP_MESSAGE:
	case GW_EVENT_RSVP_HOP:
		return 0;
	}
	return 0; /* a kind that a newer library knows */
}

/* Takes what has come, without waiting. */
static int take_events(struct watch *watch)
{
	struct gw_event event = { .size = sizeof(event) };
	int r;

	while ((r = gw_event_next(watch->gw, 0, &event)) > 0) {
		r = take_event(watch, &event);
		if (r < 0)
			return r;
		event.size = sizeof(event);
		if (watch->live && now_ms() >= watch->redraw_at_ms)
			return 0; /* a flood must not keep the screen from being drawn */
	}
	return r;
}

static int wait_for_events(struct watch *watch, bool *ret_resized)
{
	/* Of standard output only POLLERR is of interest: the reader has left. */
	struct pollfd fds[] = {
		{ .fd = gw_event_fd(watch->gw), .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	uint64_t now = now_ms();
	int timeout_ms = -1, r;

	if (watch->live && watch->has_paths && now >= watch->look_at_ms)
		watch->dirty = true;
	if (watch->live && watch->dirty)
		timeout_ms = watch->redraw_at_ms > now ? (int)(watch->redraw_at_ms - now) : 0;
	else if (watch->live && watch->has_paths)
		timeout_ms = (int)(watch->look_at_ms - now);
	else if (watch->lost > 0)
		timeout_ms = watch->lost_at_ms > now ? (int)(watch->lost_at_ms - now) : 0;
	r = screen_poll(fds, 2, timeout_ms, ret_resized);
	if (r < 0)
		return r;
	return fds[1].revents & (POLLERR | POLLHUP | POLLNVAL) ? -EPIPE : 0;
}

static int watch_loop(struct watch *watch)
{
	bool resized = false;
	int r;

	for (;;) {
		r = take_events(watch);
		if (r < 0)
			return r;
		report_lost(watch, false);
		if (watch->live && (resized || (watch->dirty && now_ms() >= watch->redraw_at_ms))) {
			r = redraw(watch);
			if (r < 0)
				return r;
		}
		r = wait_for_events(watch, &resized);
		if (r < 0)
			return r;
	}
}

static int watch_report(int error)
{
	if (error == -EPIPE)
		return CLI_FINE; /* the reader had enough, or cli_finish_output() reports */
	return host_report("watch", error);
}

static int watch_execute(const struct cli_command *command, int argc, char **argv)
{
	struct watch_options options = { 0 };
	struct watch watch = { .dirty = true };
	int status, r;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = host_open_daemon(&watch.gw);
	if (status != CLI_FINE)
		return status;
	watch.json = options.json;
	watch.live = !options.json && screen_available();

	r = gw_watch(watch.gw);
	if (r >= 0) {
		screen_catch_signals();
		if (watch.live)
			screen_enter();
		r = watch_loop(&watch);
		report_lost(&watch, true);
		if (watch.live)
			screen_leave();
	}
	gw_close(watch.gw);
	free(watch.last_event);
	return watch_report(r);
}

const struct cli_command command_watch = {
	.name = "watch",
	.operands = "",
	.summary = "show flows as they come, change and end",
	.description = "On a terminal a live table, elsewhere one line per event. Ctrl-C ends it.",
	.options = watch_option_defs,
	.execute = watch_execute,
};
