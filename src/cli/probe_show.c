/* SPDX-License-Identifier: MIT */
/* probe_show.c: what was seen of a path, as text and as JSON, and how far the measurement is. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/fmt.h"
#include "cli/probe.h"

/* ---- figures ---- */

const char *probe_state_name(enum probe_state state)
{
	static const char *const names[] = {
		[PROBE_UNKNOWN] = "unknown",
		[PROBE_UNCONGESTED] = "uncongested",
		[PROBE_CONGESTED] = "congested",
	};

	return names[state];
}

bool probe_value(const struct probe_sample *sample, enum probe_figure figure, uint64_t *ret_value)
{
	const struct gw_path_info *info = &sample->info;

	switch (figure) {
	case PROBE_CAPACITY:
		*ret_value = info->capacity_bps;
		return info->capacity_known;
	case PROBE_SPARE:
		*ret_value = info->available_bps;
		return info->available_known;
	case PROBE_RTT:
		*ret_value = info->rtt_us;
		return info->rtt_known;
	}
	return false;
}

bool probe_last(const struct probe *probe, enum probe_figure figure, uint64_t *ret_value)
{
	for (size_t i = probe->n_samples; i-- > 0;)
		if (probe_value(&probe->samples[i], figure, ret_value))
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct probe_spread probe_spread(const struct probe *probe, enum probe_figure figure)
{
	uint64_t *values = calloc(probe->n_samples + 1, sizeof(*values));
	struct probe_spread spread = { 0 };
	uint64_t capacity, most = UINT64_MAX;
	size_t n = 0;

	/* The capacity is the last one: before, more may have been spare of one that was thought to be more. */
	if (figure == PROBE_SPARE && probe_last(probe, PROBE_CAPACITY, &capacity))
		most = capacity;
	for (size_t i = 0; values && i < probe->n_samples; i++) {
		if (!probe_value(&probe->samples[i], figure, &values[n]))
			continue;
		if (values[n] > most)
			values[n] = most;
		n++;
	}
	if (n > 0) {
		qsort(values, n, sizeof(*values), compare);
		spread = (struct probe_spread){ true, values[0], values[(n - 1) / 2],
						values[n - 1] };
	}
	free(values);
	return spread;
}

const char *probe_time(uint64_t us, char buf[static PROBE_TIME_LEN])
{
	if (us < 1000)
		snprintf(buf, PROBE_TIME_LEN, "%" PRIu64 "us", us);
	else if (us < 1000000)
		snprintf(buf, PROBE_TIME_LEN, "%.3gms", (double)us / 1e3);
	else
		snprintf(buf, PROBE_TIME_LEN, "%.3gs", (double)us / 1e6);
	return buf;
}

const char *probe_rate(uint64_t bps, char buf[static FMT_RATE_LEN])
{
	uint64_t unit = 1;

	while (bps / unit >= 1000)
		unit *= 10;
	return fmt_rate((bps + unit / 2) / unit * unit, buf);
}

static const char *value_text(uint64_t value, enum probe_figure figure,
			      char buf[static FMT_RATE_LEN])
{
	_Static_assert(FMT_RATE_LEN >= PROBE_TIME_LEN, "either fits");
	return figure == PROBE_RTT ? probe_time(value, buf) : probe_rate(value, buf);
}

/* ---- progress ---- */

static bool has_progress(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDERR_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0;
}

void probe_progress(const struct probe *probe, uint64_t now_us)
{
	char capacity[FMT_RATE_LEN] = "?", spare[FMT_RATE_LEN] = "?", rtt[FMT_RATE_LEN] = "?";
	uint64_t value;

	if (!has_progress())
		return;
	if (probe->n_samples == 0) {
		fprintf(stderr, "\rwaiting for %.40s to answer ...\033[K", probe->address);
		return;
	}
	if (probe_last(probe, PROBE_CAPACITY, &value))
		probe_rate(value, capacity);
	if (probe_last(probe, PROBE_SPARE, &value))
		probe_rate(value, spare);
	if (probe_last(probe, PROBE_RTT, &value))
		probe_time(value, rtt);
	fprintf(stderr, "\r%.0f of %.0f s: capacity %s, spare %s, round trip %s%s\033[K",
		(double)(now_us - probe->began_us) / 1e6, (double)probe->duration_us / 1e6,
		capacity, spare, rtt, probe->state == PROBE_CONGESTED ? ", congested" : "");
}

void probe_progress_end(void)
{
	if (has_progress())
		fputs("\r\033[K", stderr);
}

/* ---- text ---- */

static void print_figure(FILE *out, const struct probe *probe, const char *name,
			 enum probe_figure figure)
{
	struct probe_spread spread = probe_spread(probe, figure);
	char median[FMT_RATE_LEN], min[FMT_RATE_LEN], max[FMT_RATE_LEN];

	if (!spread.known) {
		fprintf(out, "  %-16s not known\n", name);
		return;
	}
	value_text(spread.median, figure, median);
	value_text(spread.min, figure, min);
	value_text(spread.max, figure, max);
	if (strcmp(min, max) == 0)
		fprintf(out, "  %-16s %s\n", name, median);
	else
		fprintf(out, "  %-16s %-10s between %s and %s\n", name, median, min, max);
}

static void print_state(FILE *out, const struct probe *probe)
{
	bool congested = false;

	fprintf(out, "  %-16s %s\n", "now", probe_state_name(probe->state));
	for (size_t i = 0; i < probe->n_changes; i++) {
		const struct probe_change *change = &probe->changes[i];

		if (change->state == PROBE_CONGESTED)
			fprintf(out, "  %-16s from %.1f s", "congested",
				(double)change->time_us / 1e6);
		else if (congested)
			fprintf(out, " to %.1f s\n", (double)change->time_us / 1e6);
		congested = change->state == PROBE_CONGESTED;
	}
	if (congested)
		fprintf(out, " on\n");
}

static bool was_congested(const struct probe *probe)
{
	for (size_t i = 0; i < probe->n_samples; i++)
		if (probe->samples[i].state == PROBE_CONGESTED)
			return true;
	return false;
}

static void print_capacity(FILE *out, const struct probe *probe)
{
	char buf[FMT_RATE_LEN];
	uint64_t value;

	if (probe_last(probe, PROBE_CAPACITY, &value))
		fprintf(out, "  %-16s %-10s the narrowest link on the way\n", "capacity",
			probe_rate(value, buf));
	else
		fprintf(out, "  %-16s not known\n", "capacity");
}

void probe_print(FILE *out, const struct probe *probe, bool colour)
{
	struct probe_spread rtt = probe_spread(probe, PROBE_RTT);
	uint64_t capacity = 0;

	fprintf(out, "path to %s%s%s%s, seen for %.1f s by the %s\n\n", probe->host,
		strcmp(probe->host, probe->address) != 0 ? " (" : "",
		strcmp(probe->host, probe->address) != 0 ? probe->address : "",
		strcmp(probe->host, probe->address) != 0 ? ")" : "", (double)probe->took_us / 1e6,
		probe->mode == GW_MODE_EMBEDDED ? "embedded engine" : "daemon");
	print_capacity(out, probe);
	print_figure(out, probe, "spare", PROBE_SPARE);
	print_figure(out, probe, "round trip", PROBE_RTT);
	print_state(out, probe);
	if (probe_spread(probe, PROBE_SPARE).known &&
	    probe_last(probe, PROBE_CAPACITY, &capacity)) {
		fprintf(out, "\nspare bandwidth, of the capacity\n");
		probe_chart(out, probe, PROBE_SPARE, capacity, colour);
	}
	if (rtt.known) {
		fprintf(out, "\nround trip\n");
		probe_chart(out, probe, PROBE_RTT, rtt.max, colour);
	}
	if (was_congested(probe))
		fprintf(out, "\n!: congested\n");
}

/* ---- JSON ---- */

static json_t *json_known(bool known, uint64_t value)
{
	return known ? json_integer((json_int_t)value) : json_null();
}

static json_t *json_spread(const struct probe_spread *spread)
{
	if (!spread->known)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "min", (json_int_t)spread->min, "median",
			 (json_int_t)spread->median, "max", (json_int_t)spread->max);
}

static json_t *json_samples(const struct probe *probe)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < probe->n_samples; i++) {
		const struct probe_sample *sample = &probe->samples[i];
		const struct gw_path_info *info = &sample->info;
		/* clang-format off */
		json_t *item = json_pack("{s:f, s:o, s:o, s:o, s:s}",
			"time", (double)sample->time_us / 1e6,
			"capacity_bps", json_known(info->capacity_known, info->capacity_bps),
			"available_bps", json_known(info->available_known, info->available_bps),
			"rtt_us", json_known(info->rtt_known, info->rtt_us),
			"state", probe_state_name(sample->state));
		/* clang-format on */

		if (json_array_append_new(list, item) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *json_changes(const struct probe *probe)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < probe->n_changes; i++) {
		json_t *item = json_pack("{s:f, s:s}", "time",
					 (double)probe->changes[i].time_us / 1e6, "state",
					 probe_state_name(probe->changes[i].state));

		if (json_array_append_new(list, item) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

json_t *probe_json(const struct probe *probe)
{
	static const char *const ends[] = {
		[PROBE_COMPLETE] = "complete",
		[PROBE_INTERRUPTED] = "interrupted",
		[PROBE_STOPPED] = "stopped-answering",
	};
	struct probe_spread spare = probe_spread(probe, PROBE_SPARE),
			    rtt = probe_spread(probe, PROBE_RTT);
	uint64_t capacity = 0;
	bool known = probe_last(probe, PROBE_CAPACITY, &capacity);

	/* clang-format off */
	return json_pack("{s:o, s:s, s:s, s:f, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}",
		"host", fmt_json_text(probe->host),
		"address", probe->address,
		"mode", probe->mode == GW_MODE_EMBEDDED ? "embedded" : "daemon",
		"seconds", (double)probe->took_us / 1e6,
		"end", ends[probe->end],
		"capacity_bps", json_known(known, capacity),
		"available_bps", json_known(spare.known, spare.median),
		"rtt_us", json_known(rtt.known, rtt.median),
		"state", probe_state_name(probe->state),
		"available_spread_bps", json_spread(&spare),
		"rtt_spread_us", json_spread(&rtt),
		"changes", json_changes(probe),
		"samples", json_samples(probe));
	/* clang-format on */
}
