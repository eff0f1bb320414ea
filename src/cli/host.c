/* SPDX-License-Identifier: MIT */
/*
 * host.c: opens the daemon and explains why it did not work. Only the daemon knows of other
 * programs' flows: an embedded engine of our own process would truthfully report none, which nobody
 * wants to know.
 */
#include "cli/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

const char *host_socket_path(void)
{
	const char *path = getenv("GREENWAVE_SOCKET");

	return path && *path ? path : "/run/greenwave/socket";
}

int host_open(enum gw_mode mode, const char *api, struct gw **ret_gw)
{
	struct gw_open_options options = { .size = sizeof(options), .mode = mode, .api = api };

	return gw_open(ret_gw, &options);
}

int host_open_status(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return CLI_DENIED;
	case -EINVAL:
	case -ENAMETOOLONG:
	case -EPROTONOSUPPORT: /* a daemon of another version */
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
		return CLI_FAILED;
	default: /* what connect(2) says when nobody answers */
		return CLI_NO_DAEMON;
	}
}

int host_report_open(int error)
{
	int status = host_open_status(error);

	if (status == CLI_NO_DAEMON)
		cli_error("no daemon at %s: %s", host_socket_path(), strerror(-error));
	else
		cli_error("cannot reach the daemon at %s: %s", host_socket_path(),
			  strerror(-error));
	return status;
}

int host_open_daemon(struct gw **ret_gw)
{
	int r = host_open(GW_MODE_DAEMON, "greenwave", ret_gw);

	return r < 0 ? host_report_open(r) : CLI_FINE;
}

int host_report(const char *what, int error)
{
	switch (error) {
	case -ESHUTDOWN:
		cli_error("%s: the daemon went away", what);
		return CLI_NO_DAEMON;
	case -EACCES:
	case -EPERM:
		cli_error("%s: denied", what);
		return CLI_DENIED;
	default:
		cli_error("%s: %s", what, strerror(-error));
		return CLI_FAILED;
	}
}
