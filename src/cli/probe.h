/* SPDX-License-Identifier: MIT */
/* probe.h: what the parts of `greenwave probe` share: what is seen of a path, sample by sample, and how it is shown. */
#ifndef GW_CLI_PROBE_H
#define GW_CLI_PROBE_H

#include <greenwave.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/fmt.h"

enum probe_state {
	PROBE_UNKNOWN,
	PROBE_UNCONGESTED,
	PROBE_CONGESTED,
};
const char *probe_state_name(enum probe_state state);

struct probe_sample {
	uint64_t time_us; /* since the path answered */
	struct gw_path_info info;
	enum probe_state state;
};

/* The path has become congested, or it is not any more. */
struct probe_change {
	uint64_t time_us;
	enum probe_state state;
};

enum probe_end {
	PROBE_COMPLETE,
	PROBE_INTERRUPTED, /* by a signal */
	PROBE_STOPPED,	   /* the other end does not answer any more */
};

#define PROBE_CHANGES_MAX 256 /* later ones are not kept */

struct probe {
	/* what is wanted */
	const char *host;
	char address[80]; /* of the host, as text */
	uint64_t duration_us, interval_us;

	/* who measures */
	struct gw *gw;
	enum gw_mode mode;
	uint32_t flow;
	int signals; /* endings_watch() */

	/* what is seen */
	struct probe_sample *samples;
	size_t n_samples, samples_max;
	struct probe_change changes[PROBE_CHANGES_MAX];
	size_t n_changes;
	enum probe_state state;
	uint64_t began_us; /* of the clock; 0: nothing yet */
	uint64_t took_us;
	enum probe_end end;

	/* what was asked for at last */
	bool fresh_pending;
	int fresh_answer;
	struct gw_path_info fresh;
};

/*
 * Measures until the time is over, a signal comes or the other end is silent. 0; -ENODATA: there was a signal before
 * anything was known; -ETIMEDOUT, -EOPNOTSUPP: nobody has answered; or why it failed.
 */
int probe_measure(struct probe *probe);

/* ---- seeing what is in the samples ---- */

enum probe_figure {
	PROBE_CAPACITY, /* bit/s */
	PROBE_SPARE,	/* bit/s */
	PROBE_RTT,	/* us */
};

/* False if the sample does not have it. */
bool probe_value(const struct probe_sample *sample, enum probe_figure figure, uint64_t *ret_value);

struct probe_spread {
	bool known;
	uint64_t min, median, max;
};
struct probe_spread probe_spread(const struct probe *probe, enum probe_figure figure);

/* The last one that is known; false if none is. */
bool probe_last(const struct probe *probe, enum probe_figure figure, uint64_t *ret_value);

/* ---- showing ---- */

/* A line on the terminal that takes the place of the one before; nothing on anything else. */
void probe_progress(const struct probe *probe, uint64_t now_us);
void probe_progress_end(void);

void probe_print(FILE *out, const struct probe *probe, bool colour);
json_t *probe_json(const struct probe *probe);

/* "9.88Mbit": more than three digits would claim too much. Returns `buf`. */
const char *probe_rate(uint64_t bps, char buf[static FMT_RATE_LEN]);

/* "1.25ms"; returns `buf`. */
#define PROBE_TIME_LEN 24
const char *probe_time(uint64_t us, char buf[static PROBE_TIME_LEN]);

/* A figure over time, at most `top` high; no more than 80 columns. */
void probe_chart(FILE *out, const struct probe *probe, enum probe_figure figure, uint64_t top,
		 bool colour);

#endif
