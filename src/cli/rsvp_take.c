/* SPDX-License-Identifier: MIT */
/* rsvp_take.c: `greenwave rsvp send` and `greenwave rsvp receive`: taking part in a session from the command line. */
#include <errno.h>
#include <string.h>

#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/rsvp.h"

/* What both have. The first members of each command's options. */
struct take_options {
	struct option_endpoint to;
	struct option_protocol protocol;
	struct option_interface interface;
	struct option_rate rate, peak;
	struct option_number burst, min, max;
	struct option_duration duration;
	bool json;
};

#define TAKE_OPTION_DEFS(structure)                                                                \
	{ "to", OPTION_ENDPOINT, offsetof(structure, take.to), "ADDR:PORT",                        \
	  "the session: where the data goes" },                                                    \
		{ "protocol", OPTION_PROTOCOL, offsetof(structure, take.protocol), "PROTOCOL",     \
		  "of the data: udp (if not said otherwise), tcp or a number" },                   \
		{ "interface", OPTION_INTERFACE, offsetof(structure, take.interface), "INTERFACE", \
		  "through which data of a group goes" },                                          \
		{ "rate", OPTION_RATE, offsetof(structure, take.rate), "RATE",                     \
		  "the rate of the token bucket, as 64kbit or 2.5Mbit, with IP headers" },         \
		{ "burst", OPTION_NUMBER, offsetof(structure, take.burst), "BYTES",                \
		  "its depth; 100 ms of the rate" },                                               \
		{ "peak", OPTION_RATE, offsetof(structure, take.peak), "RATE",                     \
		  "no faster than this" },                                                         \
		{ "min", OPTION_NUMBER, offsetof(structure, take.min), "BYTES",                    \
		  "smaller packets count as this; 128" },                                          \
		{ "max", OPTION_NUMBER, offsetof(structure, take.max), "BYTES",                    \
		  "the largest packet; 1500" },                                                    \
		{ "duration", OPTION_DURATION, offsetof(structure, take.duration), "TIME",         \
		  "ends after it, as 30s or 5min; else with Ctrl-C" },                             \
	{                                                                                          \
		"json", OPTION_FLAG, offsetof(structure, take.json), NULL,                         \
			"one JSON object a line"                                                   \
	}

struct send_options {
	struct take_options take;
	struct option_endpoint from;
};

struct receive_options {
	struct take_options take;
	struct option_endpoints from;
	struct option_style style;
	struct option_service service;
	struct option_rate reserve;
	struct option_duration slack;
	struct option_number dscp;
	bool confirm;
};

static const struct option_def send_option_defs[] = {
	TAKE_OPTION_DEFS(struct send_options),
	{ "from", OPTION_ENDPOINT, offsetof(struct send_options, from), "ADDR[:PORT]",
	  "the sender; else this host's address, with the session's port" },
	{ 0 },
};

static const struct option_def receive_option_defs[] = {
	TAKE_OPTION_DEFS(struct receive_options),
	{ "from", OPTION_ENDPOINTS, offsetof(struct receive_options, from), "ADDR[:PORT]",
	  "a sender to reserve for, with its port; may stand several times" },
	{ "style", OPTION_STYLE, offsetof(struct receive_options, style), "STYLE",
	  "wf, ff or se; wf without --from, else ff" },
	{ "service", OPTION_SERVICE, offsetof(struct receive_options, service), "SERVICE",
	  "controlled-load (if not said otherwise) or guaranteed" },
	{ "reserve", OPTION_RATE, offsetof(struct receive_options, reserve), "RATE",
	  "guaranteed: what is reserved, --rate or more, for less delay" },
	{ "slack", OPTION_DURATION, offsetof(struct receive_options, slack), "TIME",
	  "guaranteed: how much more delay would do" },
	{ "dscp", OPTION_NUMBER, offsetof(struct receive_options, dscp), "DSCP",
	  "that senders are asked to mark with, 1 to 63" },
	{ "confirm", OPTION_FLAG, offsetof(struct receive_options, confirm), NULL,
	  "ask to be told that it is in place" },
	{ 0 },
};

/* ---- what both do ---- */

static int misuse(const struct cli_command *command, const char *what)
{
	cli_error("%s: %s", command->name, what);
	return CLI_MISUSE;
}

static bool has_port(const struct sockaddr_storage *address)
{
	struct sockaddr_in6 in6; /* the port stands in the same place */

	memcpy(&in6, address, sizeof(in6));
	return in6.sin6_port != 0;
}

static void set_port(struct sockaddr_storage *address, const struct sockaddr_storage *other)
{
	struct sockaddr_in6 in6, from;

	memcpy(&in6, address, sizeof(in6));
	memcpy(&from, other, sizeof(from));
	in6.sin6_port = from.sin6_port;
	memcpy(address, &in6, sizeof(in6));
}

static int protocol_of(const struct take_options *options)
{
	return options->protocol.given ? options->protocol.value : IPPROTO_UDP;
}

static int check_take(const struct cli_command *command, const struct take_options *options)
{
	int protocol = protocol_of(options);
	bool ports = protocol == IPPROTO_UDP || protocol == IPPROTO_TCP;

	if (!options->to.given)
		return misuse(command, "--to is needed");
	if (!options->rate.given)
		return misuse(command, "--rate is needed");
	if (ports && !has_port(&options->to.address))
		return misuse(command, "--to needs a port");
	if (options->peak.given && options->peak.rate_bps < options->rate.rate_bps)
		return misuse(command, "--peak is less than --rate");
	if (options->min.given &&
	    options->min.value > (options->max.given ? options->max.value : 1500))
		return misuse(command, "--min is more than --max");
	return CLI_FINE;
}

static struct gw_tspec tspec_of(const struct take_options *options)
{
	return (struct gw_tspec){
		.size = sizeof(struct gw_tspec),
		.rate_bps = options->rate.rate_bps,
		.depth_bytes = options->burst.value,
		.peak_bps = options->peak.rate_bps,
		.min_bytes = options->min.value,
		.max_bytes = options->max.value,
	};
}

static int report_take(const struct cli_command *command, int error,
		       const struct take_options *options)
{
	switch (error) {
	case -ENODEV:
		cli_error("%s: there is no interface '%s'", command->name, options->interface.name);
		return CLI_FAILED;
	case -EINVAL:
		return misuse(command,
			      "RSVP has no such session, sender or reservation: ports need a "
			      "protocol that has them, and it needs ports; rates and sizes have "
			      "limits");
	case -EADDRINUSE:
		cli_error("%s: there is a session of this destination with other kinds of ports",
			  command->name);
		return CLI_FAILED;
	case -EADDRNOTAVAIL:
		cli_error("%s: --from is no address of this host", command->name);
		return CLI_FAILED;
	default:
		return rsvp_report(command->name, error);
	}
}

static int open_session(struct gw *gw, const struct take_options *options, uint32_t *ret_id)
{
	const struct sockaddr_storage *to = &options->to.address;

	return gw_rsvp_open(gw, (const struct sockaddr *)to, sizeof(*to), protocol_of(options),
			    options->interface.given ? options->interface.name : NULL, ret_id);
}

/* Opens the session, asks for something in it, and stays. */
static int take_part(const struct cli_command *command, const struct take_options *options,
		     int (*ask)(struct gw *gw, uint32_t id, const struct take_options *options))
{
	struct rsvp_stay stay = { .what = command->name, .json = options->json };
	uint32_t id;
	int status, r;

	status = host_open_daemon(&stay.gw);
	if (status != CLI_FINE)
		return status;
	stay.duration_us = options->duration.given ? options->duration.us : 0;
	r = open_session(stay.gw, options, &id);
	if (r == 0)
		r = ask(stay.gw, id, options);
	status = r < 0 ? report_take(command, r, options) : rsvp_stay(&stay);
	gw_close(stay.gw); /* with the tears */
	return status;
}

/* ---- send ---- */

static int ask_to_send(struct gw *gw, uint32_t id, const struct take_options *options)
{
	const struct send_options *send = (const struct send_options *)options;
	struct gw_rsvp_offer offer = { .size = sizeof(offer), .tspec = tspec_of(options) };

	if (send->from.given)
		offer.source = send->from.address;
	else
		offer.source.ss_family = options->to.address.ss_family; /* any address of it */
	if (!has_port(&offer.source))
		set_port(&offer.source, &options->to.address);
	return gw_rsvp_send(gw, id, &offer);
}

static int send_execute(const struct cli_command *command, int argc, char **argv)
{
	struct send_options options = { 0 };
	int status;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = check_take(command, &options.take);
	if (status != CLI_FINE)
		return status;
	if (options.from.given &&
	    options.from.address.ss_family != options.take.to.address.ss_family)
		return misuse(command, "--from and --to are of different versions of IP");
	return take_part(command, &options.take, ask_to_send);
}

const struct cli_command command_rsvp_send = {
	.name = "rsvp send",
	.operands = "",
	.summary = "be a sender to a session, and show what is reserved for it",
	.description =
		"Says with PATH messages what is sent to the session; it sends no data. Reservations and\n"
		"errors are shown as they come. At the end it says with a tear that nothing is sent.",
	.options = send_option_defs,
	.execute = send_execute,
};

/* ---- receive ---- */

static int check_receive(const struct cli_command *command, const struct receive_options *options)
{
	bool all = options->style.given && options->style.value == GW_RSVP_WF;

	if (all && options->from.count > 0)
		return misuse(command, "--style wf is for all senders, and has no --from");
	if (options->style.given && !all && options->from.count == 0)
		return misuse(command, "--from is needed: of --style ff and se, at least one");
	for (uint32_t i = 0; i < options->from.count; i++) {
		if (options->from.addresses[i].ss_family != options->take.to.address.ss_family)
			return misuse(command, "--from and --to are of different versions of IP");
		if (has_port(&options->take.to.address) && !has_port(&options->from.addresses[i]))
			return misuse(command, "--from needs the port of the sender");
	}
	if ((options->reserve.given || options->slack.given) &&
	    (!options->service.given || options->service.value != GW_RSVP_GUARANTEED))
		return misuse(command, "--reserve and --slack are of --service guaranteed");
	if (options->reserve.given && options->reserve.rate_bps < options->take.rate.rate_bps)
		return misuse(command, "--reserve is less than --rate");
	if (options->slack.given && options->slack.us > UINT32_MAX)
		return misuse(command, "--slack is too much: 71 minutes");
	if (options->dscp.given && options->dscp.value > 63)
		return misuse(command, "--dscp is more than 63");
	return CLI_FINE;
}

static int ask_to_receive(struct gw *gw, uint32_t id, const struct take_options *options)
{
	const struct receive_options *receive = (const struct receive_options *)options;
	struct gw_rsvp_flow flows[OPTION_ENDPOINTS_MAX] = { 0 };
	struct gw_rsvp_request request = {
		.size = sizeof(request),
		.style = receive->from.count > 0 ? GW_RSVP_FF : GW_RSVP_WF,
		.service = GW_RSVP_CONTROLLED_LOAD,
		.flags = receive->confirm ? GW_RSVP_CONFIRM : 0,
		.dscp = receive->dscp.given ? (int32_t)receive->dscp.value : -1,
		.n_flows = receive->from.count > 0 ? receive->from.count : 1,
		.flows = flows,
	};

	if (receive->style.given)
		request.style = receive->style.value;
	if (receive->service.given)
		request.service = receive->service.value;
	for (uint32_t i = 0; i < request.n_flows; i++) {
		if (receive->from.count > 0)
			flows[i].sender.address = receive->from.addresses[i];
		flows[i].tspec = tspec_of(options);
		flows[i].rate_bps = receive->reserve.rate_bps;
		flows[i].slack_us = (uint32_t)receive->slack.us;
	}
	return gw_rsvp_reserve(gw, id, &request);
}

static int receive_execute(const struct cli_command *command, int argc, char **argv)
{
	struct receive_options options = { 0 };
	int status;

	if (cli_options(command, argc, argv, &options, &status) < 0)
		return status;
	status = check_take(command, &options.take);
	if (status == CLI_FINE)
		status = check_receive(command, &options);
	if (status != CLI_FINE)
		return status;
	return take_part(command, &options.take, ask_to_receive);
}

const struct cli_command command_rsvp_receive = {
	.name = "rsvp receive",
	.operands = "",
	.summary = "reserve in a session, and show what becomes of it",
	.description =
		"Reserves for data of the session that this host receives, now or as soon as a sender is\n"
		"heard of. Senders, errors and the confirmation are shown as they come. At the end the\n"
		"reservation is torn down.",
	.options = receive_option_defs,
	.execute = receive_execute,
};
