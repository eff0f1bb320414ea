/* SPDX-License-Identifier: MIT */
/* gqos_socket.c: see gqos_socket.h. */
#include "winqos/gqos_socket.h"

static int option(int fd, int name)
{
	socklen_t length = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

static bool has_port(const struct sockaddr_storage *address)
{
	/* It stands at the same place in both families. */
	return ((const struct sockaddr_in *)address)->sin_port != 0;
}

bool gqos_socket_read(int fd, struct gqos_socket *ret_socket)
{
	struct gqos_socket facts = { .family = option(fd, SO_DOMAIN) };
	struct sockaddr_storage local = { 0 };
	socklen_t length = sizeof(local);

	if (facts.family != AF_INET && facts.family != AF_INET6)
		return false;
	facts.stream = option(fd, SO_TYPE) == SOCK_STREAM;
	if (getsockname(fd, (struct sockaddr *)&local, &length) == 0)
		facts.bound = has_port(&local);
	length = sizeof(facts.peer);
	facts.connected = getpeername(fd, (struct sockaddr *)&facts.peer, &length) == 0;
	*ret_socket = facts;
	return true;
}
