/* SPDX-License-Identifier: MIT */
/* main.c: the entry of the command line tool; commands.c does the rest and can be tested. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
