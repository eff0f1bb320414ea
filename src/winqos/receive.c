/* SPDX-License-Identifier: MIT */
/* receive.c: recv() and recvfrom() of programs with network events: whoever reads asks to hear of more. */
#include <errno.h>

#include "winqos/netevents.h"
#include "winqos/socket_table.h"
#include "winqos/winsock.h"

ssize_t gw_win_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			socklen_t *from_len)
{
	ssize_t n;
	int error;

	socket_settle(fd);
	n = recvfrom(fd, buf, len, flags, from, from_len);
	error = n < 0 ? errno : 0;
	netevents_reenable(fd, FD_READ | FD_OOB);
	return error ? winsock_posix_fail(-error) : n;
}

ssize_t gw_win_recv(int fd, void *buf, size_t len, int flags)
{
	return gw_win_recvfrom(fd, buf, len, flags, NULL, NULL);
}
