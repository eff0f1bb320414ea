/* SPDX-License-Identifier: MIT */
/*
 * run.c: `greenwave run`, a prefix like nice(1). The daemon moves this process into a control group
 * of its own, then the program takes the process over. Its children are born into the group, so
 * nothing has to be loaded into them: static programs are covered like any other.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/host.h"

struct run_options {
	struct option_class traffic_class;
	struct option_rate rate;
	bool strict;
};

static const struct option_def run_option_defs[] = {
	{ "class", OPTION_CLASS, offsetof(struct run_options, traffic_class), "CLASS",
	  "best-effort, background, excellent-effort, audio-video, voice or control" },
	{ "rate", OPTION_RATE, offsetof(struct run_options, rate), "RATE",
	  "keep all that the program sends together to a rate, as 64kbit or 2.5Mbit" },
	{ "strict", OPTION_FLAG, offsetof(struct run_options, strict), NULL,
	  "do not run the program if it cannot be marked; always so with --rate" },
	{ 0 },
};

/* The daemon notes who asks, and lists are to name the program. Executing it sets the same name. */
static void take_name(const char *program)
{
	const char *slash = strrchr(program, '/');

	prctl(PR_SET_NAME, slash ? slash + 1 : program);
}

/* Puts this process under the class and the rate. The handle must live until the program has started. */
static int enter_flow(const struct run_options *options, struct gw **ret_gw, bool *ret_reached)
{
	struct gw_flow_options flow =
		GW_FLOW_OPTIONS(.traffic_class = options->traffic_class.value,
				.rate_bps = options->rate.given ? options->rate.rate_bps : 0);
	uint32_t id;
	int r;

	*ret_reached = false;
	r = host_open(GW_MODE_DAEMON, "run", ret_gw);
	if (r < 0)
		return r;
	*ret_reached = true;
	return gw_run_self(*ret_gw, &flow, &id);
}

static int refuse(int error, bool reached, bool rate, const char *program)
{
	if (!reached)
		return host_report_open(error);
	if (error == -EOPNOTSUPP) {
		cli_error("%s is not run: the daemon cannot %s (see greenwave doctor)", program,
			  rate ? "keep programs to a rate here" : "mark programs");
		return CLI_FAILED;
	}
	return host_report(rate ? "cannot keep the program to a rate" : "cannot mark the program",
			   error);
}

static void warn_unmarked(int error, bool reached, const char *program)
{
	if (!reached)
		cli_error("cannot reach a daemon at %s (%s): running %s unmarked",
			  host_socket_path(), strerror(-error), program);
	else if (error == -EOPNOTSUPP)
		cli_error("the daemon cannot mark programs on this host: running %s unmarked",
			  program);
	else
		cli_error("cannot mark the program (%s): running %s unmarked", strerror(-error),
			  program);
}

static int execute_program(char **program)
{
	int error;

	execvp(program[0], program);
	error = errno;
	cli_error("run: cannot execute '%s': %s", program[0], strerror(error));
	return error == ENOENT ? CLI_NOT_FOUND : CLI_CANNOT_EXECUTE;
}

static int check_options(const struct run_options *options, int operand, int argc)
{
	if (!options->traffic_class.given) {
		cli_error("run: --class is needed");
		return CLI_MISUSE;
	}
	if (operand >= argc) {
		cli_error("run: no program is given");
		return CLI_MISUSE;
	}
	return CLI_FINE;
}

static int run_execute(const struct cli_command *command, int argc, char **argv)
{
	struct run_options options = { 0 };
	struct gw *gw = NULL;
	bool reached;
	int status, operand, r;

	operand = cli_options(command, argc, argv, &options, &status);
	if (operand < 0)
		return status;
	status = check_options(&options, operand, argc);
	if (status != CLI_FINE)
		return status;

	take_name(argv[operand]);
	r = enter_flow(&options, &gw, &reached);
	/* Who sets a rate protects something from the program: it must not run without. */
	if (r < 0 && (options.strict || options.rate.given)) {
		status = refuse(r, reached, options.rate.given, argv[operand]);
	} else {
		if (r < 0)
			warn_unmarked(r, reached, argv[operand]);
		status = execute_program(argv + operand);
	}
	gw_close(gw);
	return status;
}

const struct cli_command command_run = {
	.name = "run",
	.operands = "[--] PROGRAM [ARGUMENT...]",
	.summary = "run a program with all its traffic in a class, at a rate if wished",
	.description =
		"Everything that the program and its children send is marked, until the last of\n"
		"them has ended. Without a daemon it runs unmarked, after a warning; with --rate it\n"
		"does not run then. The exit status is the program's; 126: it cannot be executed,\n"
		"127: it is not found.",
	.options = run_option_defs,
	.execute = run_execute,
};
