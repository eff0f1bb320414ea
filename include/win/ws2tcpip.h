/* SPDX-License-Identifier: MIT */
/*
 * ws2tcpip.h: what Windows sources expect beside winsock2.h for TCP/IP.
 *
 * getaddrinfo(), inet_pton() and their kin are the C library's, declared by winsock2.h.
 */
#ifndef GW_WIN_WS2TCPIP_H
#define GW_WIN_WS2TCPIP_H

#include "winsock2.h"

typedef struct addrinfo ADDRINFOA, *PADDRINFOA, ADDRINFO, *LPADDRINFO;

#ifndef InetPton
#define InetPtonA inet_pton
#define InetNtopA inet_ntop
#define InetPton InetPtonA
#define InetNtop InetNtopA
#endif

/* The port of an address of either family, as an lvalue in network byte order. */
#ifndef SS_PORT
#define SS_PORT(address) (((PSOCKADDR_IN)(address))->sin_port)
#endif

#endif /* GW_WIN_WS2TCPIP_H */
