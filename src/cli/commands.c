/* SPDX-License-Identifier: MIT */
/*
 * commands.c: the table of commands, how one is chosen, and the help that the tables give.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"

static const struct cli_command *const commands[] = {
	&command_run,	 &command_forward, &command_list, &command_watch, &command_status,
	&command_doctor, &command_probe,   &command_rsvp, &command_help,
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct cli_command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

void cli_error(const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(stderr, "greenwave: %s\n", line); /* in one piece, whoever else writes there */
}

/* Why output was first found unwritable: the stream itself forgets, and drops what it held. */
static int output_error;

bool cli_flush_output(void)
{
	if (!ferror(stdout))
		errno = 0; /* otherwise it may still tell why */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (output_error == 0)
		output_error = errno != 0 ? errno : EIO;
	return false;
}

int cli_finish_output(int status)
{
	if (cli_flush_output() || output_error == EPIPE)
		return status;
	cli_error("cannot write the output: %s", strerror(output_error));
	return CLI_FAILED;
}

static void print_command_help(const struct cli_command *command)
{
	printf("greenwave %s%s%s%s: %s\n\n%s\n\n", command->name,
	       command->options->name ? " [OPTION...]" : "", *command->operands ? " " : "",
	       command->operands, command->summary, command->description);
	options_print(stdout, command->options);
}

static void print_help(void)
{
	puts("greenwave [COMMAND]: quality of service for programs and their sockets\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
	puts("\nWithout a command it lists. `greenwave help COMMAND` says more; see greenwave(1).\n"
	     "Exit status: 0 fine, 1 failed, 2 misuse, 3 no daemon, 4 denied.");
}

int cli_options(const struct cli_command *command, int argc, char **argv, void *values,
		int *ret_exit)
{
	char error[OPTION_ERROR_LEN];
	int operand = 0;

	switch (options_read(command->options, argc, argv, values, &operand, error)) {
	case OPTIONS_HELP:
		print_command_help(command);
		*ret_exit = CLI_FINE;
		return -1;
	case OPTIONS_WRONG:
		cli_error("%s: %s", command->name, error);
		*ret_exit = CLI_MISUSE;
		return -1;
	case OPTIONS_READ:
		break;
	}
	if (!*command->operands && operand < argc) {
		cli_error("%s: nothing may follow the options, but '%s' does", command->name,
			  argv[operand]);
		*ret_exit = CLI_MISUSE;
		return -1;
	}
	return operand;
}

static int help_execute(const struct cli_command *command, int argc, char **argv)
{
	const struct cli_command *topic;
	int status;
	int operand = cli_options(command, argc, argv, NULL, &status);

	if (operand < 0)
		return status;
	if (operand == argc) {
		print_help();
		return CLI_FINE;
	}
	topic = find_command(argv[operand]);
	if (!topic) {
		cli_error("help: there is no command '%s'", argv[operand]);
		return CLI_MISUSE;
	}
	if (operand + 1 < argc) {
		cli_error("help: one command at a time");
		return CLI_MISUSE;
	}
	print_command_help(topic);
	return CLI_FINE;
}

static const struct option_def no_options[] = { { 0 } };

const struct cli_command command_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.summary = "tell what a command does",
	.description = "Without a command it names them all.",
	.options = no_options,
	.execute = help_execute,
};

int cli_main(int argc, char **argv)
{
	const struct cli_command *command;

	if (argc < 2)
		return cli_finish_output(command_list.execute(&command_list, 0, NULL));

	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_help();
		return cli_finish_output(CLI_FINE);
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("greenwave %s\n", gw_version());
		return cli_finish_output(CLI_FINE);
	}
	command = find_command(argv[1]);
	if (!command) {
		cli_error("there is no %s '%s'; `greenwave --help` names them all",
			  argv[1][0] == '-' ? "option" : "command", argv[1]);
		return CLI_MISUSE;
	}
	return cli_finish_output(command->execute(command, argc - 2, argv + 2));
}
