/* SPDX-License-Identifier: MIT */
/*
 * winsock.h: what the files of the Winsock calls share.
 */
#ifndef GW_WINQOS_WINSOCK_H
#define GW_WINQOS_WINSOCK_H

#include <stdbool.h>
#include <winsock2.h>

/* The descriptor of a SOCKET that is an open socket; -1 for anything else. */
int winsock_fd(SOCKET s);

/* SOCKET_ERROR, with the last error that stands for a negative errno; or with that Winsock value. */
int winsock_fail(int r);
int winsock_fail_with(DWORD error);

/* For calls with the C library's names: -1, with errno and the last error set for a negative errno. */
int winsock_posix_fail(int r);

/* Moves a socket away from descriptor 0, which to QOSRemoveSocketFromFlow() means no socket; or a negative errno. */
int winsock_avoid_zero(int fd);

/* Whether WSAStartup() has been called more often than WSACleanup(). */
bool winsock_is_started(void);

bool winsock_is_datagram(int fd);

/*
 * Whether a call may be given these flow specifications for a socket: 0 if there are none, or the Winsock value of
 * what is wrong.
 */
int winsock_check_qos(int fd, const QOS *qos);

/* What such a call says to an error of the provider: WSAEOPNOTSUPP for want of resources (spec/gqos.md A42). */
int winsock_qos_error(int error);

#endif
