/* SPDX-License-Identifier: MIT */
/* rsvp_trace.c: `greenwave rsvp trace` and `greenwave rsvp ping`: what goes over the wire, and what a path knows. */
#include <errno.h>
#include <string.h>

#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/rsvp.h"

/* ---- trace ---- */

struct trace_options {
	struct option_interface interface;
	struct option_number count;
	bool json;
};

static const struct option_def trace_option_defs[] = {
	{ "interface", OPTION_INTERFACE, offsetof(struct trace_options, interface), "INTERFACE",
	  "only what goes through this one" },
	{ "count", OPTION_NUMBER, offsetof(struct trace_options, count), "NUMBER",
	  "end after so many messages" },
	{ "json", OPTION_FLAG, offsetof(struct trace_options, json), NULL,
	  "one JSON object a line" },
	{ 0 },
};

struct trace {
	const struct trace_options *options;
	uint32_t shown;
};

static int trace_event(const struct gw_event *event, void *user_data)
{
	struct trace *trace = user_data;
	const struct trace_options *options = trace->options;
	int r;

	if (event->type != GW_EVENT_RSVP_MESSAGE)
		return -1;
	if (options->interface.given && strncmp(event->rsvp->interface, options->interface.name,
						sizeof(event->rsvp->interface)) != 0)
		return -1;
	r = rsvp_show_event(event, options->json);
	if (r < 0)
		return r == -EPIPE ? CLI_FINE : host_report("rsvp trace", r);
	trace->shown++;
	return options->count.given && trace->shown == options->count.value ? CLI_FINE : -1;
}

static int trace_execute(const struct cli_command *command, int argc, char **argv)
{
	struct trace_options options = { 0 };
	struct trace trace = { .options = &options };
	struct rsvp_stay stay = { .what = command->name,
				  .on_event = trace_event,
				  .user_data = &trace };
	int status, r;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = host_open_daemon(&stay.gw);
	if (status != CLI_FINE)
		return status;
	r = gw_rsvp_watch(stay.gw);
	status = r < 0 ? rsvp_report(command->name, r) : rsvp_stay(&stay);
	gw_close(stay.gw);
	return status;
}

const struct cli_command command_rsvp_trace = {
	.name = "rsvp trace",
	.operands = "",
	.summary = "show the messages that this host sends and receives",
	.description = "For administrators. Each message with its objects; Ctrl-C ends it.",
	.options = trace_option_defs,
	.execute = trace_execute,
};

/* ---- ping ---- */

#define PING_TOKEN 1
#define PING_US UINT64_C(60000000) /* the daemon gives up long before */

struct ping_options {
	struct option_endpoint to, from;
	struct option_protocol protocol;
	struct option_number hops;
	bool json;
};

static const struct option_def ping_option_defs[] = {
	{ "to", OPTION_ENDPOINT, offsetof(struct ping_options, to), "ADDR:PORT",
	  "the session: where the data goes" },
	{ "from", OPTION_ENDPOINT, offsetof(struct ping_options, from), "ADDR:PORT",
	  "the sender, whose path it is" },
	{ "protocol", OPTION_PROTOCOL, offsetof(struct ping_options, protocol), "PROTOCOL",
	  "of the data: udp (if not said otherwise), tcp or a number" },
	{ "hops", OPTION_NUMBER, offsetof(struct ping_options, hops), "NUMBER",
	  "no farther than this; at most 255" },
	{ "json", OPTION_FLAG, offsetof(struct ping_options, json), NULL,
	  "one JSON object a line" },
	{ 0 },
};

struct ping {
	const struct ping_options *options;
	uint32_t hops;
};

static int ping_ended(const struct ping *ping, int status)
{
	if (status == 0 && ping->hops > 0)
		return CLI_FINE;
	if (status == 0 || status == -ETIMEDOUT)
		cli_error("rsvp ping: nobody answered");
	else if (status == -ENODATA)
		cli_error("rsvp ping: the answer is not complete");
	else
		return host_report("rsvp ping", status);
	return CLI_FAILED;
}

static int ping_event(const struct gw_event *event, void *user_data)
{
	struct ping *ping = user_data;
	int r;

	if (event->token != PING_TOKEN)
		return -1;
	if (event->type == GW_EVENT_COMPLETED)
		return ping_ended(ping, event->status);
	if (event->type != GW_EVENT_RSVP_HOP)
		return -1;
	ping->hops++;
	r = rsvp_show_event(event, ping->options->json);
	if (r < 0)
		return r == -EPIPE ? CLI_FINE : host_report("rsvp ping", r);
	return -1;
}

static int check_ping(const struct ping_options *options)
{
	const char *wrong = NULL;

	if (!options->to.given)
		wrong = "--to is needed";
	else if (!options->from.given)
		wrong = "--from is needed";
	else if (options->from.address.ss_family != options->to.address.ss_family)
		wrong = "--from and --to are of different versions of IP";
	else if (options->hops.value > 255)
		wrong = "--hops is more than 255";
	if (wrong)
		cli_error("rsvp ping: %s", wrong);
	return wrong ? CLI_MISUSE : CLI_FINE;
}

static int ping_execute(const struct cli_command *command, int argc, char **argv)
{
	struct ping_options options = { 0 };
	struct ping ping = { .options = &options };
	struct gw_rsvp_question question = { .size = sizeof(question), .token = PING_TOKEN };
	struct rsvp_stay stay = { .what = command->name,
				  .duration_us = PING_US,
				  .on_event = ping_event,
				  .user_data = &ping,
				  .late = CLI_FAILED };
	int status, r;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = check_ping(&options);
	if (status != CLI_FINE)
		return status;
	status = host_open_daemon(&stay.gw);
	if (status != CLI_FINE)
		return status;
	question.destination = options.to.address;
	question.source = options.from.address;
	question.protocol = options.protocol.given ? options.protocol.value : IPPROTO_UDP;
	question.max_hops = options.hops.value;
	r = gw_rsvp_diagnose(stay.gw, &question);
	if (r == -EINVAL) {
		cli_error("rsvp ping: RSVP has no such session: ports need a protocol that has "
			  "them, and it needs ports");
		status = CLI_MISUSE;
	} else if (r == -EOPNOTSUPP) {
		cli_error("rsvp ping: the daemon does not speak RSVP, or cannot ask about paths");
		status = CLI_FAILED;
	} else {
		status = r < 0 ? rsvp_report(command->name, r) : rsvp_stay(&stay);
	}
	gw_close(stay.gw);
	return status;
}

const struct cli_command command_rsvp_ping = {
	.name = "rsvp ping",
	.operands = "",
	.summary = "ask every router of a path what it knows of a session",
	.description =
		"From this host, the receiver, to the sender. Each hop that answers is shown. The exit\n"
		"status is 1 if the answer is not complete.",
	.options = ping_option_defs,
	.execute = ping_execute,
};
