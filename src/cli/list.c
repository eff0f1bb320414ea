/* SPDX-License-Identifier: MIT */
/* list.c: `greenwave list`, the flows that the caller may see. */
#include <errno.h>

#include "cli/cli.h"
#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/records.h"

struct list_options {
	bool all;
	bool json;
};

static const struct option_def list_option_defs[] = {
	{ "all", OPTION_FLAG, offsetof(struct list_options, all), NULL,
	  "also flows whose socket is gone" },
	{ "json", OPTION_FLAG, offsetof(struct list_options, json), NULL, "one JSON object" },
	{ 0 },
};

static int print_json(const struct records *records)
{
	int r = 0;

	fputs("{\"flows\":[", stdout);
	for (size_t i = 0; r == 0 && i < records->count; i++)
		r = fmt_json_print_item(stdout, fmt_json_record(&records->items[i]),
					i + 1 < records->count);
	if (r == 0)
		fputs("]}\n", stdout);
	return r < 0 ? r : 0;
}

static void print_text(const struct records *records)
{
	if (records->count == 0)
		puts("no flows");
	else
		fmt_records_print(stdout, records->items, records->count, &fmt_table_plain);
}

static int list_execute(const struct cli_command *command, int argc, char **argv)
{
	struct list_options options = { 0 };
	struct records records;
	struct gw *gw;
	int status, r;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = host_open_daemon(&gw);
	if (status != CLI_FINE)
		return status;

	r = records_fetch(gw, options.all ? GW_LIST_CLOSED : 0, 0, &records);
	gw_close(gw);
	if (r >= 0 && options.json)
		r = print_json(&records);
	else if (r >= 0)
		print_text(&records);
	records_free(&records);
	return r < 0 ? host_report("cannot list the flows", r) : CLI_FINE;
}

const struct cli_command command_list = {
	.name = "list",
	.operands = "",
	.summary = "show the flows of this host",
	.description = "Shows your own flows; root and the administrators' groups see everyone's.",
	.options = list_option_defs,
	.execute = list_execute,
};
