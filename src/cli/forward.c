/* SPDX-License-Identifier: MIT */
/*
 * forward.c: `greenwave forward`, for routers: packets by their addresses, in a class and at a rate for as long as
 * the tool runs, or a command that it starts.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/endings.h"
#include "cli/host.h"

struct forward_options {
	struct option_class traffic_class;
	struct option_rate rate;
	struct option_endpoint from;
	struct option_endpoint to;
	struct option_protocol protocol;
	struct option_interface out;
};

static const struct option_def forward_option_defs[] = {
	{ "class", OPTION_CLASS, offsetof(struct forward_options, traffic_class), "CLASS",
	  "best-effort, background, excellent-effort, audio-video, voice or control" },
	{ "to", OPTION_ENDPOINT, offsetof(struct forward_options, to), "ADDR[:PORT]",
	  "where the packets go; without a port, any" },
	{ "protocol", OPTION_PROTOCOL, offsetof(struct forward_options, protocol), "PROTOCOL",
	  "tcp, udp or a number" },
	{ "out", OPTION_INTERFACE, offsetof(struct forward_options, out), "INTERFACE",
	  "that they leave through" },
	{ "from", OPTION_ENDPOINT, offsetof(struct forward_options, from), "ADDR[:PORT]",
	  "where they come from; without it, anywhere" },
	{ "rate", OPTION_RATE, offsetof(struct forward_options, rate), "RATE",
	  "keep them to a rate, as 64kbit or 2.5Mbit" },
	{ 0 },
};

/* ---- the flow ---- */

static int report_tuple(int error, const struct forward_options *options)
{
	switch (error) {
	case -ENODEV:
		cli_error("forward: there is no interface '%s'", options->out.name);
		return CLI_FAILED;
	case -EEXIST:
		cli_error("forward: another flow has the same packets");
		return CLI_FAILED;
	case -EXDEV:
		cli_error("forward: the daemon serves another network namespace");
		return CLI_FAILED;
	case -EINVAL:
		cli_error(
			"forward: there are no such packets: ports need a protocol that has them, "
			"addresses must be of hosts, those of --to may be groups");
		return CLI_MISUSE;
	case -EOPNOTSUPP:
		cli_error("forward: the daemon cannot tell such packets apart here (see greenwave "
			  "doctor)");
		return CLI_FAILED;
	default:
		return host_report("forward", error);
	}
}

static int report_rate(int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		cli_error("forward: the daemon cannot keep such packets to a rate here (see "
			  "greenwave doctor)");
		return CLI_FAILED;
	case -EDQUOT:
		cli_error("forward: the link does not have that rate");
		return CLI_FAILED;
	default:
		return host_report("forward: cannot set the rate", error);
	}
}

static int make_flow(struct gw *gw, const struct forward_options *options, uint32_t *ret_id)
{
	struct gw_flow_options flow =
		GW_FLOW_OPTIONS(.traffic_class = options->traffic_class.value);
	struct gw_tuple tuple = {
		.size = sizeof(tuple),
		.source = options->from.address,
		.destination = options->to.address,
		.protocol = options->protocol.value,
	};
	int r;

	strcpy(tuple.interface, options->out.name);
	r = gw_flow_add_tuple(gw, &tuple, &flow, ret_id);
	if (r < 0)
		return report_tuple(r, options);
	if (!options->rate.given)
		return CLI_FINE;
	r = gw_flow_set_rate(gw, *ret_id, options->rate.rate_bps, GW_SHAPE_AND_MARK, 0);
	return r < 0 ? report_rate(r) : CLI_FINE;
}

/* ---- staying ---- */

struct stay {
	struct gw *gw;
	uint32_t id;
	int signals; /* signalfd */
	pid_t child; /* 0: none */
};

static pid_t start_command(char **command, const sigset_t *mask)
{
	pid_t child = fork();
	int error;

	if (child != 0)
		return child;
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	error = errno;
	cli_error("forward: cannot execute '%s': %s", command[0], strerror(error));
	_exit(error == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_EXECUTE);
}

/* Returns the exit status when it is time to leave, or -1. */
static int take_signal(struct stay *stay)
{
	struct signalfd_siginfo info;
	int status;

	if (read(stay->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return -1;
	if (info.ssi_signo == SIGCHLD) {
		if (stay->child == 0 || waitpid(stay->child, &status, WNOHANG) != stay->child)
			return -1;
		return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	}
	if (stay->child == 0)
		return CLI_FINE;
	/* What comes from the terminal, the child has got as well. */
	if (info.ssi_code != SI_KERNEL)
		kill(stay->child, (int)info.ssi_signo);
	return -1;
}

/* Takes what has come. The exit status when the flow has ended, or -1. */
static int take_events(struct stay *stay)
{
	struct gw_event event = { .size = sizeof(event) };
	int r;

	while ((r = gw_event_next(stay->gw, 0, &event)) > 0) {
		if (event.type == GW_EVENT_DISCONNECTED)
			return host_report("forward", -ESHUTDOWN);
		if (event.type == GW_EVENT_FLOW_ENDED && event.flow.id == stay->id) {
			cli_error("forward: the daemon has ended the flow: %.*s",
				  (int)sizeof(event.reason), event.reason);
			return CLI_FAILED;
		}
		event.size = sizeof(event);
	}
	return r < 0 ? host_report("forward", r) : -1;
}

/* A command that runs is left to run, without its flow; then its own status counts all the same. */
static int stay(struct stay *stay)
{
	struct pollfd fds[] = {
		{ .fd = stay->signals, .events = POLLIN },
		{ .fd = gw_event_fd(stay->gw), .events = POLLIN },
	};
	int status = -1;

	while (status < 0) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return host_report("forward", -errno);
		if (fds[0].revents)
			status = take_signal(stay);
		if (status < 0 && fds[1].revents && fds[1].fd >= 0) {
			status = take_events(stay);
			if (status >= 0 && stay->child != 0) {
				fds[1].fd = -1;
				status = -1;
			}
		}
	}
	return status;
}

static int hold(struct gw *gw, uint32_t id, char **command)
{
	struct stay here = { .gw = gw, .id = id };
	sigset_t before;
	int status;

	here.signals = endings_watch(true, &before);
	if (here.signals < 0)
		return host_report("forward", here.signals);
	if (*command) {
		here.child = start_command(command, &before);
		if (here.child < 0) {
			status = host_report("forward: cannot start the command", -errno);
			close(here.signals);
			return status;
		}
	} else {
		printf("flow %" PRIu32 " is in force; Ctrl-C ends it\n", id);
	}
	status = *command || cli_flush_output() ? stay(&here) : CLI_FAILED;
	close(here.signals);
	return status;
}

/* ---- the command ---- */

static int check_options(const struct forward_options *options)
{
	const char *missing = NULL;

	if (!options->traffic_class.given)
		missing = "class";
	else if (!options->to.given)
		missing = "to";
	else if (!options->protocol.given)
		missing = "protocol";
	else if (!options->out.given)
		missing = "out";
	if (missing) {
		cli_error("forward: --%s is needed", missing);
		return CLI_MISUSE;
	}
	if (options->from.given &&
	    options->from.address.ss_family != options->to.address.ss_family) {
		cli_error("forward: --from and --to are of different versions of IP");
		return CLI_MISUSE;
	}
	return CLI_FINE;
}

static int forward_execute(const struct cli_command *command, int argc, char **argv)
{
	struct forward_options options = { 0 };
	int status, operand, r;
	struct gw *gw;
	uint32_t id;

	operand = cli_options(command, argc, argv, &options, &status);
	if (operand < 0)
		return status;
	status = check_options(&options);
	if (status != CLI_FINE)
		return status;
	r = host_open(GW_MODE_DAEMON, "forward", &gw);
	if (r < 0)
		return host_report_open(r);
	status = make_flow(gw, &options, &id);
	if (status == CLI_FINE)
		status = hold(gw, id, argv + operand);
	gw_close(gw);
	return status;
}

const struct cli_command command_forward = {
	.name = "forward",
	.operands = "[[--] COMMAND [ARGUMENT...]]",
	.summary = "put packets that this host forwards into a class, at a rate if wished",
	.description =
		"For administrators. Addresses are those with which the packets leave, after address\n"
		"translation. It is in force until the tool is interrupted or, if a command is given,\n"
		"until that ends; then the exit status is the command's.",
	.options = forward_option_defs,
	.execute = forward_execute,
};
