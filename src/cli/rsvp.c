/* SPDX-License-Identifier: MIT */
/*
 * rsvp.c: `greenwave rsvp`: what RSVP knows on this host, and the way to its other commands.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/rsvp.h"

struct show_options {
	bool json;
};

static const struct option_def show_option_defs[] = {
	{ "json", OPTION_FLAG, offsetof(struct show_options, json), NULL, "one JSON object" },
	{ 0 },
};

int rsvp_report(const char *what, int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		cli_error("%s: the daemon does not speak RSVP: its configuration needs "
			  "rsvp { enabled = true }",
			  what);
		return CLI_FAILED;
	case -EXDEV:
		cli_error("%s: the daemon serves another network namespace", what);
		return CLI_FAILED;
	case -ENOBUFS:
		cli_error("%s: there are too many sessions or flows", what);
		return CLI_FAILED;
	default:
		return host_report(what, error);
	}
}

/* ---- sessions ---- */

#define SHOWN                                                                   \
	(GW_RSVP_KIND_BIT(GW_RSVP_SESSION) | GW_RSVP_KIND_BIT(GW_RSVP_SENDER) | \
	 GW_RSVP_KIND_BIT(GW_RSVP_RESERVATION))

static int append_item(const struct rsvp_item *item, json_t *programs, json_t *senders,
		       json_t *reservations)
{
	if (item->kind == GW_RSVP_SESSION)
		return json_array_append_new(programs, json_pack("{s:i, s:I}", "pid", item->pid,
								 "uid", (json_int_t)item->uid));
	if (item->kind == GW_RSVP_SENDER)
		return json_array_append_new(senders, rsvp_json_sender(item));
	return json_array_append_new(reservations, rsvp_json_reservation(item));
}

/* The session of the first item, with all that belongs to it; their number goes to *ret_count. */
static json_t *json_of_session(const struct rsvp_item *items, size_t count, size_t *ret_count)
{
	json_t *programs = json_array(), *senders = json_array(), *reservations = json_array();
	json_t *session = json_object();
	int r = rsvp_json_session(session, &items[0]);
	size_t n = 0;

	r |= json_object_set_new(session, "senders", senders) |
	     json_object_set_new(session, "reservations", reservations) |
	     json_object_set_new(session, "programs", programs);
	for (; r == 0 && n < count && rsvp_item_same_session(&items[0], &items[n]); n++)
		r = append_item(&items[n], programs, senders, reservations);
	*ret_count = n;
	if (r == 0)
		return session;
	json_decref(session);
	return NULL;
}

/* Session by session: all of a large router as one JSON value would take many times its memory. */
static int print_json(const struct rsvp_items *list)
{
	size_t n;
	int r = 0;

	fputs("{\"sessions\":[", stdout);
	for (size_t i = 0; r == 0 && i < list->count; i += n) {
		json_t *session = json_of_session(&list->items[i], list->count - i, &n);

		r = fmt_json_print_item(stdout, session, i + n < list->count);
	}
	if (r == 0)
		fputs("]}\n", stdout);
	return r < 0 ? r : 0;
}

static void print_text(const struct rsvp_items *list)
{
	if (list->count == 0)
		puts("no sessions");
	for (size_t i = 0; i < list->count; i++) {
		const struct rsvp_item *item = &list->items[i];

		if (i == 0 || !rsvp_item_same_session(item, item - 1)) {
			rsvp_print_session(stdout, item);
			putchar('\n');
		}
		if (item->kind == GW_RSVP_SESSION) {
			printf("  program %" PRId32 " of user %" PRIu32 "\n", item->pid, item->uid);
			continue;
		}
		fputs("  ", stdout);
		rsvp_print_item(stdout, item);
		if (item->expires_ms > 0)
			printf(" expires in %" PRIu64 " s", (item->expires_ms + 500) / 1000);
		putchar('\n');
	}
}

/* Fetches what a command shows, and prints it in one of two ways. */
static int show(const struct cli_command *command, int argc, char **argv, uint32_t kinds,
		int (*json)(const struct rsvp_items *list),
		void (*text)(const struct rsvp_items *list))
{
	struct show_options options = { 0 };
	struct rsvp_items list;
	struct gw *gw;
	int status, r;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = host_open_daemon(&gw);
	if (status != CLI_FINE)
		return status;
	r = rsvp_items_fetch(gw, kinds, &list);
	gw_close(gw);
	if (r >= 0 && options.json)
		r = json(&list);
	else if (r >= 0)
		text(&list);
	rsvp_items_free(&list);
	return r < 0 ? rsvp_report(command->name, r) : CLI_FINE;
}

/* ---- neighbours ---- */

/* The numbers of a neighbour's column "CAN": what it can do. */
static const struct {
	uint32_t flag;
	const char *name;
} abilities[] = {
	{ GW_RSVP_REDUCES, "refresh_reduction" },
	{ GW_RSVP_UDP, "udp" },
	{ GW_RSVP_AUTHENTIC, "authenticated" },
};

static int print_neighbours_json(const struct rsvp_items *list)
{
	json_t *neighbours = json_array();
	int r = neighbours ? 0 : -1;

	for (size_t i = 0; i < list->count && r == 0; i++) {
		const struct rsvp_item *item = &list->items[i];
		struct sockaddr_storage hop = { 0 };
		char host[80];
		json_t *neighbour;

		memcpy(&hop, &item->hop, sizeof(item->hop));
		neighbour = json_pack("{s:o, s:o, s:I, s:I, s:I}", "address",
				      fmt_json_text(rsvp_fmt_host(&hop, host)), "interface",
				      fmt_json_text(item->interface), "received",
				      (json_int_t)item->received, "sent", (json_int_t)item->sent,
				      "dropped", (json_int_t)item->dropped);
		for (size_t k = 0; k < sizeof(abilities) / sizeof(abilities[0]); k++)
			r |= json_object_set_new(neighbour, abilities[k].name,
						 json_boolean(item->flags & abilities[k].flag));
		r |= json_array_append_new(neighbours, neighbour);
	}
	if (r < 0) {
		json_decref(neighbours);
		return -ENOMEM;
	}
	return fmt_json_print(stdout, json_pack("{s:o}", "neighbours", neighbours));
}

static void print_neighbours_text(const struct rsvp_items *list)
{
	if (list->count == 0)
		puts("no neighbours");
	for (size_t i = 0; i < list->count; i++) {
		const struct rsvp_item *item = &list->items[i];
		struct sockaddr_storage hop = { 0 };
		char host[80];
		const char *address;

		memcpy(&hop, &item->hop, sizeof(item->hop));
		address = rsvp_fmt_host(&hop, host);
		printf("%-39s %-15.16s received %" PRIu64 " sent %" PRIu64 " dropped %" PRIu64,
		       address ? address : "-", item->interface, item->received, item->sent,
		       item->dropped);
		for (size_t k = 0; k < sizeof(abilities) / sizeof(abilities[0]); k++)
			if (item->flags & abilities[k].flag)
				printf(" %s", abilities[k].name);
		putchar('\n');
	}
}

static int neighbours_execute(const struct cli_command *command, int argc, char **argv)
{
	return show(command, argc, argv, GW_RSVP_KIND_BIT(GW_RSVP_NEIGHBOUR), print_neighbours_json,
		    print_neighbours_text);
}

const struct cli_command command_rsvp_neighbours = {
	.name = "rsvp neighbours",
	.operands = "",
	.summary = "show who speaks RSVP with this host",
	.description = "For administrators.",
	.options = show_option_defs,
	.execute = neighbours_execute,
};

/* ---- counters ---- */

static int print_counters_json(const struct rsvp_items *list)
{
	json_t *counters = json_object();
	int r = counters ? 0 : -1;

	for (size_t i = 0; i < list->count && r == 0; i++)
		r = json_object_set_new(counters, list->items[i].name,
					json_integer((json_int_t)list->items[i].value));
	if (r < 0) {
		json_decref(counters);
		return -ENOMEM;
	}
	return fmt_json_print(stdout, json_pack("{s:o}", "counters", counters));
}

static void print_counters_text(const struct rsvp_items *list)
{
	int width = 0;

	for (size_t i = 0; i < list->count; i++)
		if ((int)strlen(list->items[i].name) > width)
			width = (int)strlen(list->items[i].name);
	for (size_t i = 0; i < list->count; i++)
		printf("%-*s  %" PRIu64 "\n", width, list->items[i].name, list->items[i].value);
}

static int counters_execute(const struct cli_command *command, int argc, char **argv)
{
	return show(command, argc, argv, GW_RSVP_KIND_BIT(GW_RSVP_COUNTER), print_counters_json,
		    print_counters_text);
}

const struct cli_command command_rsvp_counters = {
	.name = "rsvp counters",
	.operands = "",
	.summary = "show what RSVP has counted",
	.description = "Messages by kind, and those that were dropped, by the reason.",
	.options = show_option_defs,
	.execute = counters_execute,
};

/* ---- the command ---- */

static const struct cli_command *const subcommands[] = {
	&command_rsvp_neighbours, &command_rsvp_counters, &command_rsvp_watch, &command_rsvp_send,
	&command_rsvp_receive,	  &command_rsvp_trace,	  &command_rsvp_ping,
};

static int rsvp_execute(const struct cli_command *command, int argc, char **argv)
{
	/* Without the operands, of which the table of options knows nothing. */
	struct cli_command plain = *command;

	plain.operands = "";
	if (argc == 0 || argv[0][0] == '-') {
		bool help = argc > 0 &&
			    (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);

		return show(help ? command : &plain, argc, argv, SHOWN, print_json, print_text);
	}
	for (size_t i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++)
		if (strcmp(subcommands[i]->name + strlen("rsvp "), argv[0]) == 0)
			return subcommands[i]->execute(subcommands[i], argc - 1, argv + 1);
	cli_error("rsvp: there is no command '%s'; `greenwave rsvp --help` names them all",
		  argv[0]);
	return CLI_MISUSE;
}

const struct cli_command command_rsvp = {
	.name = "rsvp",
	.operands = "[COMMAND [OPTION...]]",
	.summary = "show reservations that are signalled, and signal some",
	.description =
		"Without a command it shows sessions with their senders and reservations: your own\n"
		"programs'; root and the administrators' groups see all. Commands:\n\n"
		"  neighbours  show who speaks RSVP with this host\n"
		"  counters    show what RSVP has counted\n"
		"  watch       show senders and reservations as they come, change and end\n"
		"  send        be a sender to a session, and show what is reserved for it\n"
		"  receive     reserve in a session, and show what becomes of it\n"
		"  trace       show the messages that this host sends and receives\n"
		"  ping        ask every router of a path what it knows of a session\n\n"
		"`greenwave rsvp COMMAND --help` says more.",
	.options = show_option_defs,
	.execute = rsvp_execute,
};
