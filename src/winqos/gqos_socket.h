/* SPDX-License-Identifier: MIT */
/*
 * gqos_socket.h: what the system knows of a socket, and what the files of the provider's calls share.
 */
#ifndef GW_WINQOS_GQOS_SOCKET_H
#define GW_WINQOS_GQOS_SOCKET_H

#include "winqos/gqos.h"
#include "winqos/gqos_check.h"

/* False for what is no open IP socket. */
bool gqos_socket_read(int fd, struct gqos_socket *ret_socket);

/* SIO_GET_QOS and SIO_CHK_QOS: 0 or the Winsock value of an error (gqos_ioctl()). */
int gqos_get(const struct gqos_ioctl *ioctl, DWORD *ret_size);
int gqos_ask(const struct gqos_ioctl *ioctl, DWORD *ret_size);

#endif
