/* SPDX-License-Identifier: MIT */
/*
 * status.c: `greenwave status`, who serves programs here and what it has to say about itself.
 * Without a daemon that is the engine which programs then carry inside themselves.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/records.h"

struct status_options {
	bool json;
};

static const struct option_def status_option_defs[] = {
	{ "json", OPTION_FLAG, offsetof(struct status_options, json), NULL, "one JSON object" },
	{ 0 },
};

static const char *mode_name(enum gw_mode mode)
{
	return mode == GW_MODE_EMBEDDED ? "embedded" : "daemon";
}

/* ---- JSON ---- */

static json_t *json_counter(const char *value)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0')
		return fmt_json_text(value);
	return json_integer((json_int_t)number);
}

/* Where the facts go. */
struct fact_lists {
	json_t *mechanisms, *counters, *limitations, *links;
};

static int add_fact(const struct fact *fact, const struct fact_lists *lists)
{
	switch (fact->kind) {
	case GW_FACT_MECHANISM:
		return json_object_set_new(lists->mechanisms, fact->name,
					   json_pack("{s:b, s:o}", "present",
						     strcmp(fact->value, "yes") == 0, "note",
						     fmt_json_text(fact->note)));
	case GW_FACT_COUNTER:
		return json_object_set_new(lists->counters, fact->name, json_counter(fact->value));
	case GW_FACT_LIMITATION:
		return json_array_append_new(lists->limitations, fmt_json_text(fact->value));
	case GW_FACT_LINK:
		return json_object_set_new(lists->links, fact->name,
					   json_pack("{s:s, s:o}", "state", fact->value, "note",
						     fmt_json_text(fact->note)));
	}
	return 0; /* a kind that a newer library knows */
}

static int print_json(const struct gw_status *status, const struct facts *facts)
{
	const struct fact_lists lists = { json_object(), json_object(), json_array(),
					  json_object() };
	/* clang-format off */
	json_t *root = json_pack("{s:s, s:s, s:I, s:{s:I, s:o}, s:o, s:o, s:o}",
		"mode", mode_name(status->mode),
		"version", status->version,
		"flows", (json_int_t)status->flows,
		"kernel",
			"entries", (json_int_t)status->kernel_entries,
			"mechanisms", lists.mechanisms,
		"counters", lists.counters,
		"limitations", lists.limitations,
		"links", lists.links);
	/* clang-format on */

	if (!root)
		return -ENOMEM;
	for (size_t i = 0; i < facts->count; i++) {
		if (add_fact(&facts->items[i], &lists) < 0) {
			json_decref(root);
			return -ENOMEM;
		}
	}
	return fmt_json_print(stdout, root);
}

/* ---- text ---- */

/* Why it is the embedded engine that answers: a user who expected the daemon reads this first. */
static void print_no_daemon(void)
{
	struct gw *daemon;
	int r = host_open(GW_MODE_DAEMON, "greenwave", &daemon);

	if (r < 0) {
		printf("No daemon is reachable at %s (%s).\n", host_socket_path(), strerror(-r));
		puts("Programs use the engine inside themselves; this is what it offers:\n");
	} else {
		const char *mode = getenv("GREENWAVE_MODE");

		gw_close(daemon);
		if (mode && *mode && strcmp(mode, "auto") != 0)
			puts("A daemon runs, but GREENWAVE_MODE asks for the engine inside a program.\n");
		else
			puts("The daemon serves another network namespace. Here programs use the "
			     "engine inside\nthemselves:\n");
	}
}

static size_t count_kind(const struct facts *facts, enum gw_fact_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < facts->count; i++)
		count += facts->items[i].kind == kind;
	return count;
}

static int name_width(const struct facts *facts, enum gw_fact_kind kind)
{
	size_t width = 0;

	for (size_t i = 0; i < facts->count; i++)
		if (facts->items[i].kind == kind && strlen(facts->items[i].name) > width)
			width = strlen(facts->items[i].name);
	return (int)width;
}

static void print_kind(const struct facts *facts, enum gw_fact_kind kind, const char *heading)
{
	int width = name_width(facts, kind);

	if (count_kind(facts, kind) == 0)
		return;
	printf("\n%s\n", heading);
	for (size_t i = 0; i < facts->count; i++) {
		const struct fact *fact = &facts->items[i];

		if (fact->kind != kind)
			continue;
		if (kind == GW_FACT_LIMITATION) {
			fputs("  ", stdout);
			fmt_wrapped(stdout, 2, fact->value);
		} else {
			printf("  %-*s  %s%s", width, fact->name, fact->value,
			       *fact->note ? "  " : "");
			fmt_wrapped(stdout, width + 4 + (int)strlen(fact->value) + 2, fact->note);
		}
	}
}

static void print_text(const struct gw_status *status, const struct facts *facts)
{
	if (status->mode == GW_MODE_EMBEDDED)
		print_no_daemon();
	printf("mode            %s\n", mode_name(status->mode));
	printf("version         %s\n", status->version);
	printf("flows           %" PRIu64 "\n", status->flows);
	printf("kernel entries  %" PRIu64 "\n", status->kernel_entries);
	print_kind(facts, GW_FACT_MECHANISM, "mechanisms");
	print_kind(facts, GW_FACT_LINK, "links");
	print_kind(facts, GW_FACT_COUNTER, "counters");
	print_kind(facts, GW_FACT_LIMITATION, "what it cannot do");
}

/* ---- the command ---- */

static int report_open(int error)
{
	if (error == -ELIBACC) {
		cli_error("no daemon at %s, and the embedded engine is not installed",
			  host_socket_path());
		return CLI_NO_DAEMON;
	}
	if (error == -EINVAL) {
		cli_error("status: GREENWAVE_MODE must be auto, daemon or embedded");
		return CLI_FAILED;
	}
	return host_report_open(error);
}

static int status_execute(const struct cli_command *command, int argc, char **argv)
{
	struct status_options options = { 0 };
	struct gw_status status = { .size = sizeof(status) };
	struct facts facts = { 0 };
	struct gw *gw;
	int exit, r;

	if (cli_options(command, argc, argv, &options, &exit) < 0)
		return exit;
	r = host_open(GW_MODE_AUTO, "greenwave", &gw);
	if (r < 0)
		return report_open(r);

	r = gw_status(gw, &status);
	if (r >= 0)
		r = facts_fetch(gw, &facts);
	gw_close(gw);
	if (r >= 0 && options.json)
		r = print_json(&status, &facts);
	else if (r >= 0)
		print_text(&status, &facts);
	facts_free(&facts);
	return r < 0 ? host_report("cannot read the status", r) : CLI_FINE;
}

const struct cli_command command_status = {
	.name = "status",
	.operands = "",
	.summary = "show who serves programs here, its figures and what it cannot do",
	.description =
		"Asks the daemon; without one, the engine that programs then use themselves.",
	.options = status_option_defs,
	.execute = status_execute,
};
