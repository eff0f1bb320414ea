/* SPDX-License-Identifier: MIT */
/* probe_chart.c: one figure of a path over time, in plain characters. */
#include <string.h>

#include "cli/fmt.h"
#include "cli/probe.h"

#define WIDTH 64
#define HEIGHT 8
#define LABEL 10 /* of what the top is */

#define GREEN "\033[32m"
#define RED "\033[31m"
#define PLAIN "\033[0m"

struct column {
	bool known, congested;
	unsigned rows; /* filled */
};

/* How many rows a value fills: more than nothing is seen. */
static unsigned rows_of(double value, uint64_t top)
{
	double rows = top > 0 ? value * HEIGHT / (double)top : 0;
	unsigned whole = rows < HEIGHT ? (unsigned)rows : HEIGHT;

	return whole < rows && whole < HEIGHT ? whole + 1 : whole;
}

/* The mean of the samples of each column; where there is none, what was seen last. */
static void fill(const struct probe *probe, enum probe_figure figure, uint64_t top,
		 struct column columns[static WIDTH])
{
	double width_us = (double)(probe->took_us > 0 ? probe->took_us : 1) / WIDTH;
	size_t next = 0;

	memset(columns, 0, WIDTH * sizeof(columns[0]));
	for (unsigned c = 0; c < WIDTH; c++) {
		struct column *column = &columns[c];
		bool first = true;
		double sum = 0;
		unsigned n = 0;

		if (c > 0)
			*column = columns[c - 1];
		for (; next < probe->n_samples; next++) {
			const struct probe_sample *sample = &probe->samples[next];
			uint64_t value;

			if (c + 1 < WIDTH && (double)sample->time_us >= width_us * (c + 1))
				break;
			if (first)
				*column = (struct column){ 0 };
			first = false;
			column->congested |= sample->state == PROBE_CONGESTED;
			if (probe_value(sample, figure, &value)) {
				sum += (double)value;
				n++;
			}
		}
		if (n > 0) {
			column->known = true;
			column->rows = rows_of(sum / n, top);
		}
	}
}

static void print_line(FILE *out, const struct column columns[static WIDTH], unsigned row,
		       bool colour)
{
	const char *now = PLAIN;
	unsigned width = WIDTH;

	while (width > 0 && (!columns[width - 1].known || columns[width - 1].rows < row))
		width--; /* no blanks at the end of the line */
	for (unsigned c = 0; c < width; c++) {
		bool filled = columns[c].known && columns[c].rows >= row;
		const char *wanted = columns[c].congested ? RED : GREEN;

		if (colour && filled && strcmp(now, wanted) != 0)
			fputs(now = wanted, out);
		fputc(!filled ? ' ' : columns[c].congested ? '!' : '#', out);
	}
	if (strcmp(now, PLAIN) != 0)
		fputs(PLAIN, out);
	fputc('\n', out);
}

void probe_chart(FILE *out, const struct probe *probe, enum probe_figure figure, uint64_t top,
		 bool colour)
{
	char label[FMT_RATE_LEN], end[PROBE_TIME_LEN];
	struct column columns[WIDTH];
	const char *text;

	fill(probe, figure, top, columns);
	text = figure == PROBE_RTT ? probe_time(top, label) : probe_rate(top, label);
	for (unsigned row = HEIGHT; row > 0; row--) {
		fprintf(out, "%*.*s |", LABEL, LABEL, row == HEIGHT ? text : "");
		print_line(out, columns, row, colour);
	}
	fprintf(out, "%*s +", LABEL, "0");
	for (unsigned c = 0; c < WIDTH; c++)
		fputc('-', out);
	snprintf(end, sizeof(end), "%.1f s", (double)probe->took_us / 1e6);
	fprintf(out, "\n%*s  0 s%*s\n", LABEL, "", WIDTH - 3, end);
}
