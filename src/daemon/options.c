/* SPDX-License-Identifier: MIT */
/*
 * options.c: the command line of greenwaved.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"

static const char usage_text[] =
	"usage: greenwaved [-c FILE] [-s SOCKET] [-f] [-d MODULES]\n"
	"       greenwaved --check [-c FILE]\n"
	"\n"
	"Serves quality of service to the programs of one network namespace.\n"
	"\n"
	"  -c, --config FILE    configuration (default /etc/greenwave/greenwave.conf)\n"
	"  -s, --socket SOCKET  where programs connect (default /run/greenwave/socket)\n"
	"  -f, --foreground     stay in the foreground; print \"ready\" once it serves\n"
	"      --check          report every error in the configuration, and stop\n"
	"  -d, --debug MODULES  log more: \"all\", or names with commas, as \"engine,kernel\"\n"
	"  -h, --help           this text\n"
	"      --version        the version\n"
	"\n"
	"SIGTERM ends it and everything it has set up; SIGHUP reads the configuration again.\n";

static int misuse(const char *what, const char *which)
{
	fprintf(stderr, "greenwaved: %s%s\n", what, which);
	return -EINVAL;
}

int options_parse(int argc, char **argv, struct daemon_options *ret_options)
{
	enum { OPTION_CHECK = 256, OPTION_VERSION };
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "check", no_argument, NULL, OPTION_CHECK },
		{ "debug", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, OPTION_VERSION },
		{ 0 },
	};
	struct daemon_options o = { .socket_path = "/run/greenwave/socket" };
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:s:fd:h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			o.config_path = optarg;
			break;
		case 's':
			o.socket_path = optarg;
			break;
		case 'f':
			o.foreground = true;
			break;
		case 'd':
			if (log_set_debug(optarg) < 0)
				return misuse("not a list of modules: ", optarg);
			break;
		case OPTION_CHECK:
			o.check = true;
			break;
		case 'h':
			fputs(usage_text, stdout);
			return 1;
		case OPTION_VERSION:
			puts("greenwaved " GW_VERSION);
			return 1;
		case ':':
			return misuse("this option needs a value: ", argv[optind - 1]);
		default:
			return misuse("unknown option: ", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return misuse("unexpected argument: ", argv[optind]);
	*ret_options = o;
	return 0;
}
