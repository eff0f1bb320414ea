/* SPDX-License-Identifier: MIT */
/*
 * winsock.h: what the files of the Winsock calls share.
 */
#ifndef GW_WINQOS_WINSOCK_H
#define GW_WINQOS_WINSOCK_H

#include <winsock2.h>

/* The descriptor of a SOCKET that is an open socket; -1 for anything else. */
int winsock_fd(SOCKET s);

/* SOCKET_ERROR, with the last error that stands for a negative errno. */
int winsock_fail(int r);

#endif
