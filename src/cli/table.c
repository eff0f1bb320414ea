/* SPDX-License-Identifier: MIT */
/*
 * table.c: flows as aligned columns. The records are walked twice, once to measure and once to
 * print, so that a hundred thousand of them need no copy as text.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "cli/fmt.h"

#define COLUMNS 14
#define PATH_COLUMNS 2 /* the last ones: only if a flow has a path */
#define CELL_LEN FMT_ADDRESS_LEN

static const char *const headings[COLUMNS] = {
	"ID",	"PID",	"PROGRAM", "PROTO", "LOCAL", "DESTINATION", "CLASS",
	"DSCP", "RATE", "SHAPING", "STATE", "API",   "PATH",	    "FREE",
};

/* Numbers stand right. */
static const bool right_aligned[COLUMNS] = {
	[0] = true, [1] = true, [7] = true, [8] = true, [13] = true
};

struct row {
	char cell[COLUMNS][CELL_LEN];
};

const struct fmt_table_style fmt_table_plain = { .head = "", .head_end = "", .line_end = "" };

static void set(struct row *row, int column, const char *text)
{
	snprintf(row->cell[column], CELL_LEN, "%s", text && *text ? text : "-");
}

static void fill_row(const struct gw_flow_record *record, struct row *row)
{
	const char *state = gw_flow_state_name(record->state);
	char buf[CELL_LEN], rate[FMT_RATE_LEN];

	snprintf(row->cell[0], CELL_LEN, "%" PRIu32, record->id);
	snprintf(row->cell[1], CELL_LEN, "%" PRId32, record->pid);
	set(row, 2, fmt_plain(record->comm, sizeof(record->comm), buf, sizeof(buf)));
	set(row, 3, fmt_protocol(record->protocol));
	set(row, 4, fmt_address(&record->local, buf));
	set(row, 5, fmt_address(&record->destination, buf));
	set(row, 6, fmt_class(record->traffic_class));
	snprintf(buf, sizeof(buf), "%" PRId32, record->dscp);
	set(row, 7, record->dscp < 0 ? "-" : buf);
	set(row, 8, record->rate_bps == 0 ? "-" : fmt_rate(record->rate_bps, rate));
	set(row, 9, gw_shaping_method_name(record->shaping));
	set(row, 10, state ? state : "unknown");
	set(row, 11, fmt_plain(record->api, sizeof(record->api), buf, sizeof(buf)));
	set(row, 12,
	    record->path_state == GW_PATH_NONE ? NULL : fmt_path_state(record->path_state));
	set(row, 13,
	    record->path.available_known ? fmt_rate(record->path.available_bps, rate) : NULL);
}

/* How many columns there are. */
static int count_columns(const struct gw_flow_record *records, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (records[i].path_state != GW_PATH_NONE)
			return COLUMNS;
	return COLUMNS - PATH_COLUMNS;
}

static void measure(const struct gw_flow_record *records, size_t count, int widths[COLUMNS])
{
	struct row row;

	for (int c = 0; c < COLUMNS; c++)
		widths[c] = (int)strlen(headings[c]);
	for (size_t i = 0; i < count; i++) {
		fill_row(&records[i], &row);
		for (int c = 0; c < COLUMNS; c++)
			if ((int)strlen(row.cell[c]) > widths[c])
				widths[c] = (int)strlen(row.cell[c]);
	}
}

/* All cells are ASCII: bytes are columns, and cutting a line cuts no character. */
static void print_row(FILE *out, const struct row *row, const int widths[COLUMNS], int columns,
		      int limit)
{
	char line[COLUMNS * (CELL_LEN + 2)];
	size_t used = 0;

	for (int c = 0; c < columns; c++) {
		int width = right_aligned[c] ? widths[c] : -widths[c];

		if (c == columns - 1 && !right_aligned[c])
			width = 0; /* no blanks at the end of the line */
		used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%*s",
					 c > 0 ? "  " : "", width, row->cell[c]);
	}
	if (limit > 0 && used > (size_t)limit)
		line[limit] = '\0';
	fputs(line, out);
}

void fmt_records_print(FILE *out, const struct gw_flow_record *records, size_t count,
		       const struct fmt_table_style *style)
{
	int widths[COLUMNS], columns = count_columns(records, count);
	struct row row;

	measure(records, count, widths);
	for (int c = 0; c < COLUMNS; c++)
		set(&row, c, headings[c]);
	fputs(style->head, out);
	print_row(out, &row, widths, columns, style->width);
	fprintf(out, "%s%s\n", style->head_end, style->line_end);
	for (size_t i = 0; i < count; i++) {
		fill_row(&records[i], &row);
		print_row(out, &row, widths, columns, style->width);
		fprintf(out, "%s\n", style->line_end);
	}
}
