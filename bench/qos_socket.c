/* SPDX-License-Identifier: MIT */
/* qos_socket.c: see qos_socket.h. */
#include "qos_socket.h"

#include <stdlib.h>
#include <string.h>

#include "measure.h"

#define ENTRIES_MAX 16

static WSAPROTOCOL_INFOA entry; /* of the catalog: UDP, IPv4, with QoS */

void qos_start(const char *daemon_socket)
{
	WSAPROTOCOL_INFOA entries[ENTRIES_MAX];
	DWORD size = sizeof(entries);
	WSADATA data;
	int n;

	setenv("GREENWAVE_MODE", "daemon", 1);
	setenv("GREENWAVE_SOCKET", daemon_socket, 1);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		die("WSAStartup failed");
	n = WSAEnumProtocolsA(NULL, entries, &size);
	for (int i = 0; i < n; i++) {
		if (entries[i].iProtocol == IPPROTO_UDP && entries[i].iAddressFamily == AF_INET &&
		    (entries[i].dwServiceFlags1 & XP1_QOS_SUPPORTED)) {
			entry = entries[i];
			return;
		}
	}
	die("there are no QoS sockets");
}

SOCKET qos_socket_open(const struct sockaddr_in *local, const struct sockaddr_in *peer)
{
	SOCKET s = WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &entry, 0,
			      WSA_FLAG_OVERLAPPED);

	if (s == INVALID_SOCKET)
		die("WSASocket: error %d", WSAGetLastError());
	if (local)
		must_call(bind((int)s, (const struct sockaddr *)local, sizeof(*local)), "bind");
	if (peer)
		must_call(connect((int)s, (const struct sockaddr *)peer, sizeof(*peer)), "connect");
	return s;
}

static FLOWSPEC flowspec(SERVICETYPE type, ULONG rate)
{
	FLOWSPEC flowspec;

	memset(&flowspec, 0xff, sizeof(flowspec)); /* QOS_NOT_SPECIFIED, all of it */
	flowspec.ServiceType = type;
	flowspec.TokenRate = rate;
	return flowspec;
}

void qos_socket_set(SOCKET s, SERVICETYPE sending, SERVICETYPE receiving, ULONG rate)
{
	QOS qos = { .SendingFlowspec = flowspec(sending, rate),
		    .ReceivingFlowspec = flowspec(receiving, QOS_NOT_SPECIFIED) };
	DWORD size;

	if (WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &size, NULL, NULL) != 0)
		die("SIO_SET_QOS: error %d", WSAGetLastError());
}
