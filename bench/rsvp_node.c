/* SPDX-License-Identifier: MIT */
/*
 * rsvp_node.c: what an RSVP router costs, with messages in memory: new sessions, refreshes of many of them, memory,
 * and the time from a first Path to the sender's RESV event.
 *
 *     rsvp_node SESSIONS SECONDS reduced|full
 */
#include "measure.h"
#include "rsvp_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND_US UINT64_C(1000000)
#define STEP_US 10000
#define MAIL_PER_SESSION 512
#define WAYS 1000

static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long long pages;

	if (!file || fscanf(file, "%*u %llu", &pages) != 1)
		die("/proc/self/statm cannot be read");
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void report_one(const char *id, const char *unit, double value)
{
	struct series series = { 0 };

	series_add(&series, value);
	report(id, unit, &series, NULL);
	free(series.values);
}

static struct line *new_line(uint32_t n_sessions, bool reduced)
{
	return line_new(reduced, (size_t)MAIL_PER_SESSION * n_sessions + (1 << 20));
}

/* All Paths, then all Resvs; only the router's part is measured. */
static struct line *open_all(uint32_t n_sessions, bool reduced)
{
	struct line *line = new_line(n_sessions, reduced);
	uint64_t cpu_ns = 0, begin, before;
	double bytes;

	for (uint32_t i = 0; i < n_sessions; i++)
		line_open(line, i);
	before = resident_bytes();
	begin = thread_cpu_ns();
	line_work(line, LINE_ROUTER);
	cpu_ns += thread_cpu_ns() - begin;
	bytes = (double)(resident_bytes() - before);
	line_work(line, LINE_RECEIVER);
	before = resident_bytes();
	begin = thread_cpu_ns();
	line_work(line, LINE_ROUTER);
	cpu_ns += thread_cpu_ns() - begin;
	bytes += (double)(resident_bytes() - before);
	line_work(line, LINE_SENDER);
	if (line->n_events != n_sessions)
		die("%llu of %u sessions are reserved", (unsigned long long)line->n_events,
		    n_sessions);
	report_one("new", "sessions/s", n_sessions / ((double)cpu_ns / 1e9));
	report_one("memory", "bytes", bytes / n_sessions);
	return line;
}

/* One step of everybody. Adds what the router does to *cpu_ns. */
static void step(struct line *line, uint64_t *cpu_ns)
{
	uint64_t begin;

	line->now_us += STEP_US;
	line_tick(line, LINE_SENDER);
	line_tick(line, LINE_RECEIVER);
	line_work(line, LINE_SENDER);
	line_work(line, LINE_RECEIVER);
	begin = thread_cpu_ns();
	line_work(line, LINE_ROUTER);
	line_tick(line, LINE_ROUTER);
	*cpu_ns += thread_cpu_ns() - begin;
}

static uint64_t count_messages(const struct line *line)
{
	const struct rsvp *router = line->nodes[LINE_ROUTER].rsvp;

	return rsvp_count(router, RSVP_COUNT_RECEIVED) + rsvp_count(router, RSVP_COUNT_SENT);
}

static void refresh_all(struct line *line, uint32_t n_sessions, unsigned seconds)
{
	struct series share = { 0 }, each = { 0 };
	uint64_t unmeasured = 0;

	/* What is sent soon after the beginning is over, and refreshes have spread. */
	while (line->now_us < 100 * SECOND_US)
		step(line, &unmeasured);
	for (unsigned i = 0; i < seconds; i++) {
		uint64_t cpu_ns = 0, before = count_messages(line);

		for (unsigned k = 0; k < SECOND_US / STEP_US; k++)
			step(line, &cpu_ns);
		series_add(&share, (double)cpu_ns / 1e7);
		if (count_messages(line) > before)
			series_add(&each,
				   (double)cpu_ns / 1e3 / (double)(count_messages(line) - before));
	}
	if (rsvp_sizes(line->nodes[LINE_ROUTER].rsvp).installed != n_sessions)
		die("sessions were lost");
	report("share", "%", &share, NULL);
	report("message", "us", &each, NULL);
}

/* From the call of the sender to its event, over two hops; nothing waits. */
static void measure_way(void)
{
	struct line *line = new_line(WAYS, false);
	struct series us = { 0 };

	for (uint32_t i = 0; i < WAYS; i++) {
		uint64_t begin = wall_ns();

		line_open(line, i);
		line_work(line, LINE_ROUTER);
		line_work(line, LINE_RECEIVER);
		line_work(line, LINE_ROUTER);
		line_work(line, LINE_SENDER);
		series_add(&us, (double)(wall_ns() - begin) / 1e3);
	}
	if (line->n_events != WAYS)
		die("senders did not hear of reservations");
	line_free(line);
	report("way", "us", &us, NULL);
}

int main(int argc, char **argv)
{
	uint32_t n_sessions;
	struct line *line;

	if (argc != 4)
		die("usage: rsvp_node SESSIONS SECONDS reduced|full");
	n_sessions = (uint32_t)strtoul(argv[1], NULL, 10);
	line = open_all(n_sessions, strcmp(argv[3], "reduced") == 0);
	refresh_all(line, n_sessions, (unsigned)strtoul(argv[2], NULL, 10));
	line_free(line);
	measure_way();
	return EXIT_SUCCESS;
}
