/* SPDX-License-Identifier: MIT */
/*
 * way_dbus.c: one method call with a descriptor, and its answer, through a bus daemon: what a service
 * on D-Bus would cost for the first half. The service is another process; it reads the descriptor's
 * socket cookie.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "way.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

#define NAME "org.example.Bench"
#define PATH "/org/example/Bench"

struct dbus {
	sd_bus *bus;
	int fd;
};

static sd_bus *connect_bus(const char *address)
{
	sd_bus *bus;

	must(sd_bus_new(&bus), "sd_bus_new");
	must(sd_bus_set_address(bus, address), "sd_bus_set_address");
	must(sd_bus_set_bus_client(bus, 1), "sd_bus_set_bus_client");
	must(sd_bus_negotiate_fds(bus, 1), "sd_bus_negotiate_fds");
	must(sd_bus_start(bus), "sd_bus_start");
	return bus;
}

static int on_add(sd_bus_message *message, void *user_data, sd_bus_error *ret_error)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);
	int fd;
	int r;

	(void)user_data;
	(void)ret_error;
	r = sd_bus_message_read(message, "h", &fd);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0)
		return -errno;
	return sd_bus_reply_method_return(message, "t", cookie);
}

static const sd_bus_vtable methods[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Add", "h", "t", on_add, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static _Noreturn void serve(const char *address, int ready)
{
	sd_bus *bus;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bus = connect_bus(address);
	must(sd_bus_add_object_vtable(bus, NULL, PATH, NAME, methods, NULL),
	     "sd_bus_add_object_vtable");
	must(sd_bus_request_name(bus, NAME, 0), "sd_bus_request_name");
	must_call((int)write(ready, "", 1), "write");
	for (;;)
		if (sd_bus_process(bus, NULL) == 0)
			sd_bus_wait(bus, UINT64_MAX);
}

static void *dbus_open(const struct lane *lane, int fd, const struct sockaddr_in *destination)
{
	struct dbus *dbus = way_state(sizeof(*dbus));
	int ready[2];
	char byte;

	(void)destination;
	must_call(pipe(ready), "pipe");
	if (must_call(fork(), "fork") == 0)
		serve(lane->where, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		die("the service on the bus did not start");
	close(ready[0]);
	dbus->bus = connect_bus(lane->where);
	dbus->fd = fd;
	return dbus;
}

static void dbus_begin(void *state)
{
	const struct dbus *dbus = state;
	sd_bus_message *reply;

	must(sd_bus_call_method(dbus->bus, NAME, PATH, NAME, "Add", NULL, &reply, "h", dbus->fd),
	     "D-Bus call");
	sd_bus_message_unref(reply);
}

const struct way way_dbus = { .kind = "dbus", .open = dbus_open, .begin = dbus_begin };
