/* SPDX-License-Identifier: MIT */
/*
 * probe.c: `greenwave probe`, what the path to a host can carry. It is an adaptive flow like any program's, through the
 * public interface alone: on a socket of our own, by which nothing is ever sent.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/endings.h"
#include "cli/host.h"
#include "cli/probe.h"

#define TIME_US UINT64_C(10000000)
#define TIME_MIN_US UINT64_C(500000)
#define TIME_MAX_US UINT64_C(3600000000)
#define INTERVAL_US UINT64_C(500000)
#define INTERVAL_MIN_US UINT64_C(50000)

struct probe_options {
	struct option_duration time, interval;
	bool ipv4, ipv6;
	bool json;
};

static const struct option_def probe_option_defs[] = {
	{ "time", OPTION_SECONDS, offsetof(struct probe_options, time), "TIME",
	  "how long, once the path answers; 10s if not given" },
	{ "interval", OPTION_SECONDS, offsetof(struct probe_options, interval), "TIME",
	  "between two looks at it; 500ms if not given" },
	{ "4", OPTION_FLAG, offsetof(struct probe_options, ipv4), NULL, "IPv4 only" },
	{ "6", OPTION_FLAG, offsetof(struct probe_options, ipv6), NULL, "IPv6 only" },
	{ "json", OPTION_FLAG, offsetof(struct probe_options, json), NULL, "one JSON object" },
	{ 0 },
};

static int misuse(const char *what)
{
	cli_error("probe: %s", what);
	return CLI_MISUSE;
}

/* Options may stand on both sides of the host. */
static int read_options(const struct cli_command *command, int argc, char **argv,
			struct probe_options *options, const char **ret_host)
{
	int status, operand = cli_options(command, argc, argv, options, &status);

	if (operand < 0)
		return status;
	if (operand == argc)
		return misuse("which HOST?");
	*ret_host = argv[operand++];
	argc -= operand;
	argv += operand;
	operand = cli_options(command, argc, argv, options, &status);
	if (operand < 0) {
		*ret_host = NULL; /* help, perhaps */
		return status;
	}
	if (operand < argc)
		return misuse("one HOST at a time");
	if (options->ipv4 && options->ipv6)
		return misuse("-4 and -6 exclude each other");
	if (options->time.given &&
	    (options->time.us < TIME_MIN_US || options->time.us > TIME_MAX_US))
		return misuse("--time is out of range: 500ms to 60min");
	if (options->interval.given && options->interval.us < INTERVAL_MIN_US)
		return misuse("--interval is out of range: 50ms at least");
	if (options->interval.given &&
	    options->interval.us > (options->time.given ? options->time.us : TIME_US))
		return misuse("--interval is longer than --time");
	return CLI_FINE;
}

/* ---- the host ---- */

static const char *resolve_error(int error)
{
	return error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
}

/* A socket that is connected to the first address of the host that there is a way to. */
static int connect_to(const char *host, int family, char *address, size_t address_size)
{
	/* The port is of no interest: whoever measures uses its own. */
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found, *one;
	int error = getaddrinfo(host, "9", &hints, &found), fd = -1, r = 0;

	if (error != 0) {
		cli_error("probe: %s: %s", host, resolve_error(error));
		return -ENOENT;
	}
	for (one = found; one && fd < 0; one = one->ai_next) {
		getnameinfo(one->ai_addr, one->ai_addrlen, address, (socklen_t)address_size, NULL,
			    0, NI_NUMERICHOST);
		fd = socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) == 0)
			break;
		r = -errno;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd >= 0)
		return fd;
	cli_error("probe: no way to %s (%s): %s", host, address, strerror(-r));
	return r;
}

/* ---- who measures ---- */

static int open_host(struct probe *probe)
{
	struct gw_status status = { .size = sizeof(status) };
	int r = host_open(GW_MODE_AUTO, "greenwave", &probe->gw);

	if (r == -ELIBACC) {
		cli_error("probe: no daemon at %s, and no engine to measure with is installed",
			  host_socket_path());
		return CLI_NO_DAEMON;
	}
	if (r < 0)
		return host_report_open(r);
	r = gw_status(probe->gw, &status);
	if (r < 0)
		return host_report("probe", r);
	probe->mode = status.mode;
	return CLI_FINE;
}

static int report(const struct probe *probe, int error)
{
	switch (error) {
	case -ENODATA:
		cli_error("probe: ended before anything was known of the path to %s",
			  probe->address);
		return CLI_FAILED;
	case -EOPNOTSUPP:
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
		cli_error(
			"probe: nobody at %s takes part in measurements; there must run "
			"`greenwaved` with `probe { sink = true }`, and nothing may block port 2177",
			probe->address);
		return CLI_FAILED;
	default:
		return host_report("probe", error);
	}
}

static int report_untracked(const struct probe *probe, int error)
{
	if (error != -EOPNOTSUPP)
		return report(probe, error);
	cli_error("probe: %s cannot be measured from here: it is behind a router, or this host "
		  "itself, or measuring is switched off (`probe { initiator = true }`)",
		  probe->address);
	return CLI_FAILED;
}

/* Who is there is asked first: that tells a host behind a router from one that does not answer. */
static int begin(struct probe *probe, int fd)
{
	struct gw_flow_options options = GW_FLOW_OPTIONS(.flags = GW_FLOW_ADAPTIVE);
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);
	int r;

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
		return host_report("probe", -errno);
	probe_progress(probe, 0);
	r = gw_track_start(probe->gw, (struct sockaddr *)&peer, peer_len);
	if (r < 0) {
		probe_progress_end();
		return report_untracked(probe, r);
	}
	r = gw_flow_add(probe->gw, fd, NULL, 0, &options, &probe->flow);
	return r < 0 ? report(probe, r) : CLI_FINE;
}

static bool has_colour(void)
{
	const char *terminal = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && terminal && *terminal && strcmp(terminal, "dumb") != 0 &&
	       !(no && *no);
}

static int show(const struct probe *probe, bool json)
{
	if (!json)
		probe_print(stdout, probe, has_colour());
	else if (fmt_json_print(stdout, probe_json(probe)) < 0)
		return host_report("probe", -ENOMEM);
	if (probe->end != PROBE_STOPPED)
		return CLI_FINE;
	cli_error("probe: %s does not answer any more", probe->address);
	return CLI_FAILED;
}

static int run(struct probe *probe, int fd, bool json)
{
	int status = begin(probe, fd), r;

	if (status != CLI_FINE)
		return status;
	probe->signals = endings_watch(false, NULL);
	if (probe->signals < 0)
		return host_report("probe", probe->signals);
	r = probe_measure(probe);
	close(probe->signals);
	return r < 0 ? report(probe, r) : show(probe, json);
}

static int probe_execute(const struct cli_command *command, int argc, char **argv)
{
	struct probe_options options = { 0 };
	struct probe probe = { 0 };
	int status = read_options(command, argc, argv, &options, &probe.host), fd;

	if (status != CLI_FINE || !probe.host)
		return status;
	probe.duration_us = options.time.given ? options.time.us : TIME_US;
	probe.interval_us = options.interval.given	      ? options.interval.us
			    : probe.duration_us < INTERVAL_US ? probe.duration_us
							      : INTERVAL_US;
	fd = connect_to(probe.host,
			options.ipv4   ? AF_INET
			: options.ipv6 ? AF_INET6
				       : AF_UNSPEC,
			probe.address, sizeof(probe.address));
	if (fd < 0)
		return CLI_FAILED;
	status = open_host(&probe);
	if (status == CLI_FINE)
		status = run(&probe, fd, options.json);
	gw_close(probe.gw);
	close(fd);
	free(probe.samples);
	return status;
}

const struct cli_command command_probe = {
	.name = "probe",
	.operands = "HOST",
	.summary = "measure what the path to a host can carry",
	.description =
		"Shows how much the narrowest link on the way carries, how much of that is free, and how\n"
		"long a packet takes there and back. HOST must be on a link of this host, and must take\n"
		"part, as `greenwaved` does unless told not to. Ctrl-C ends it with what is known.",
	.options = probe_option_defs,
	.execute = probe_execute,
};
