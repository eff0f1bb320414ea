/* SPDX-License-Identifier: MIT */
/*
 * ws2spi.h: the entry points of Winsock providers that programs use around QoS. Names are of 16 bits a character here.
 */
#ifndef GW_WIN_WS2SPI_H
#define GW_WIN_WS2SPI_H

#include "winsock2.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#ifndef WSPAPI
#define WSPAPI
#endif

/* As WSAGetQOSByName() (winsock2.h), with its error in *lpErrno, and lengths in bytes as always. */
BOOL WSPAPI WSPGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_WS2SPI_H */
