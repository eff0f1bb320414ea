/* SPDX-License-Identifier: MIT */
/*
 * doctor.c: `greenwave doctor`, what of this host greenwave can use, what each absence costs, and
 * what to do about it. The daemon has tried every mechanism by using it, so its word is taken;
 * without a daemon only what can be seen from here is checked.
 */
#include <errno.h>
#include <string.h>

#include "cli/checks.h"
#include "cli/cli.h"
#include "cli/fmt.h"
#include "cli/host.h"

struct doctor_options {
	bool json;
};

static const struct option_def doctor_option_defs[] = {
	{ "json", OPTION_FLAG, offsetof(struct doctor_options, json), NULL, "one JSON object" },
	{ 0 },
};

/* ---- JSON ---- */

static json_t *json_check(const struct check *check)
{
	return json_pack("{s:s, s:b, s:o, s:o}", "name", check->name, "present", check->present,
			 "note", fmt_json_text(check->note), "next", fmt_json_text(check->next));
}

static int print_json(const struct checks *checks, int open_error)
{
	json_t *items = json_array(), *limitations = json_array();
	/* clang-format off */
	json_t *root = json_pack("{s:{s:b, s:s, s:o}, s:o, s:o}",
		"daemon",
			"reachable", open_error == 0,
			"socket", host_socket_path(),
			"error", fmt_json_text(open_error < 0 ? strerror(-open_error) : NULL),
		"checks", items,
		"limitations", limitations);
	/* clang-format on */
	int r = root ? 0 : -ENOMEM;

	for (size_t i = 0; i < checks->count && r == 0; i++)
		r = json_array_append_new(items, json_check(&checks->items[i]));
	for (size_t i = 0; i < checks->facts.count && r == 0; i++)
		if (checks->facts.items[i].kind == GW_FACT_LIMITATION)
			r = json_array_append_new(limitations,
						  fmt_json_text(checks->facts.items[i].value));
	if (r == 0)
		return fmt_json_print(stdout, root);
	json_decref(root);
	return -ENOMEM;
}

/* ---- text ---- */

static void print_check(const struct check *check, int width)
{
	static const char next[] = "next: ";
	int indent = 11 + width;

	printf("%-7s  %-*s%s", check->present ? "ok" : "MISSING", *check->note ? width : 0,
	       check->name, *check->note ? "  " : "");
	fmt_wrapped(stdout, indent, check->note);
	if (check->next) {
		printf("%*s%s", indent, "", next);
		fmt_wrapped(stdout, indent + (int)strlen(next), check->next);
	}
}

static void print_text(const struct checks *checks)
{
	bool heading = false;
	size_t width = 0, missing = 0;

	for (size_t i = 0; i < checks->count; i++)
		if (strlen(checks->items[i].name) > width)
			width = strlen(checks->items[i].name);
	for (size_t i = 0; i < checks->count; i++) {
		print_check(&checks->items[i], (int)width);
		missing += !checks->items[i].present;
	}
	for (size_t i = 0; i < checks->facts.count; i++) {
		if (checks->facts.items[i].kind != GW_FACT_LIMITATION)
			continue;
		if (!heading)
			puts("\nwhat cannot be done here");
		heading = true;
		fputs("  ", stdout);
		fmt_wrapped(stdout, 2, checks->facts.items[i].value);
	}
	if (missing > 0)
		printf("\n%zu of %zu missing\n", missing, checks->count);
	else
		puts("\nall well");
}

/* ---- the command ---- */

static int doctor_execute(const struct cli_command *command, int argc, char **argv)
{
	struct doctor_options options = { 0 };
	struct checks checks = { 0 };
	struct gw *gw = NULL;
	int status, open_error, r;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;

	open_error = host_open(GW_MODE_DAEMON, "greenwave", &gw);
	r = open_error < 0 ? checks_without_daemon(&checks, open_error)
			   : checks_with_daemon(&checks, gw);
	gw_close(gw);
	if (r == 0 && options.json)
		r = print_json(&checks, open_error);
	else if (r == 0)
		print_text(&checks);
	checks_free(&checks);
	if (r < 0)
		return host_report("cannot examine this host", r);
	return open_error < 0 ? host_open_status(open_error) : CLI_FINE;
}

const struct cli_command command_doctor = {
	.name = "doctor",
	.operands = "",
	.summary = "examine this host: what is found, what is missing, what to do",
	.description =
		"Something missing is no failure: greenwave does what the host allows. Where rsvp\n"
		"is missing, QoS sockets have traffic control here, and nothing is signalled. The\n"
		"exit status is 3 if no daemon is reachable.",
	.options = doctor_option_defs,
	.execute = doctor_execute,
};
