/* SPDX-License-Identifier: MIT */
/*
 * host.h: the way to whoever serves flows: opening a handle, and turning the errors of greenwave.h
 * into one line and an exit status.
 */
#ifndef GW_CLI_HOST_H
#define GW_CLI_HOST_H

#include <greenwave.h>

/* The socket that the library uses, for messages. */
const char *host_socket_path(void);

/* gw_open() with just these; `api` is what `greenwave list` shows. */
int host_open(enum gw_mode mode, const char *api, struct gw **ret_gw);

/* The exit status for an error of gw_open() in daemon mode. */
int host_open_status(int error);

/* Reports why gw_open() in daemon mode failed; returns the exit status. */
int host_report_open(int error);

/* Opens the daemon's handle. CLI_FINE, or it has reported why not and returns the exit status. */
int host_open_daemon(struct gw **ret_gw);

/* Reports the failure of a later call, `what` being what was tried; returns the exit status. */
int host_report(const char *what, int error);

#endif
