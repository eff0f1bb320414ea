/* SPDX-License-Identifier: MIT */
/*
 * cli.h: what the parts of the command line tool share: the exit statuses, the shape of a command,
 * and the one way to say something on standard error.
 */
#ifndef GW_CLI_CLI_H
#define GW_CLI_CLI_H

#include "cli/options.h"

/* Fixed: scripts rely on them. `greenwave run` otherwise gives the program's own. */
enum cli_exit {
	CLI_FINE = 0,
	CLI_FAILED = 1,
	CLI_MISUSE = 2,
	CLI_NO_DAEMON = 3,
	CLI_DENIED = 4,
	CLI_CANNOT_EXECUTE = 126, /* as shells do */
	CLI_NOT_FOUND = 127
};

struct cli_command {
	const char *name;
	const char *operands; /* how the help names what follows the options; "" if nothing may */
	const char *summary;
	const char *description;
	const struct option_def *options;
	/* Gets the arguments after the command's name; returns an exit status. */
	int (*execute)(const struct cli_command *command, int argc, char **argv);
};

extern const struct cli_command command_run;
extern const struct cli_command command_forward;
extern const struct cli_command command_list;
extern const struct cli_command command_watch;
extern const struct cli_command command_status;
extern const struct cli_command command_doctor;
extern const struct cli_command command_probe;
extern const struct cli_command command_rsvp;
extern const struct cli_command command_help;

/* The whole tool, as main() gets it. */
int cli_main(int argc, char **argv);

/*
 * Reads the options of a command. Returns the index of the first operand, or a negative number when
 * the command is over: help was printed, or the misuse was reported; then *ret_exit is the exit
 * status.
 */
int cli_options(const struct cli_command *command, int argc, char **argv, void *values,
		int *ret_exit);

/* One line on standard error, after the tool's name. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Flushes standard output. False if it cannot be written: then the command ends and leaves it to
 * cli_finish_output() to say so.
 */
bool cli_flush_output(void);

/*
 * Flushes standard output and says what to exit with: `status`, or CLI_FAILED if it could not be
 * written. A reader that left (EPIPE) had enough: that is no failure and is not reported.
 */
int cli_finish_output(int status);

#endif
