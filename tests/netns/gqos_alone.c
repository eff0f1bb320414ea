/* SPDX-License-Identifier: MIT */
/*
 * gqos_alone.c: a program with one QoS socket, on a host that signals nothing: what it may still rely on (spec/gqos.md
 * §17). Namespace tests run it: `gqos_alone ADDRESS PORT SERVICE [TEXT]` says what it sends to there, asks what there is
 * to know, sends the text, and ends. 0: everything was as it should be; else the last line says what was not.
 */
#include <winsock2.h>
#include <qossp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE 50000 /* bytes a second */

static void expect(const char *what, long is, long wanted)
{
	if (is == wanted)
		return;
	printf("%s: %ld, not %ld\n", what, is, wanted);
	exit(1);
}

static SOCKET open_socket(void)
{
	WSAPROTOCOL_INFOA info[16];
	DWORD size = sizeof(info);
	int count = WSAEnumProtocolsA(NULL, info, &size);
	struct sockaddr_in any = { .sin_family = AF_INET };
	SOCKET s = INVALID_SOCKET;

	for (int i = 0; i < count && s == INVALID_SOCKET; i++) {
		if ((info[i].dwServiceFlags1 & XP1_QOS_SUPPORTED) &&
		    info[i].iAddressFamily == AF_INET && info[i].iSocketType == SOCK_DGRAM)
			s = WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
				       &info[i], 0, WSA_FLAG_OVERLAPPED);
	}
	expect("WSASocket", s == INVALID_SOCKET, 0);
	expect("bind", bind(s, (struct sockaddr *)&any, sizeof(any)), 0);
	return s;
}

static FLOWSPEC flowspec(ULONG service, ULONG rate)
{
	return (FLOWSPEC){
		rate,	 QOS_NOT_SPECIFIED, QOS_NOT_SPECIFIED, QOS_NOT_SPECIFIED, QOS_NOT_SPECIFIED,
		service, QOS_NOT_SPECIFIED, QOS_NOT_SPECIFIED
	};
}

static DWORD ask(SOCKET s, DWORD selector)
{
	DWORD said = 7, size = 0;

	expect("SIO_CHK_QOS",
	       WSAIoctl(s, SIO_CHK_QOS, &selector, sizeof(selector), &said, sizeof(said), &size,
			NULL, NULL),
	       0);
	return said;
}

/* G-257: at once nothing, in no bytes; later nothing either, until the socket is closed. */
static void nothing_is_told(SOCKET s)
{
	char room[1024];
	OVERLAPPED waiting = { .hEvent = WSACreateEvent() };
	DWORD size = 7;

	expect("SIO_GET_QOS",
	       WSAIoctl(s, SIO_GET_QOS, NULL, 0, room, sizeof(room), &size, NULL, NULL), 0);
	expect("its length", size, 0);
	expect("SIO_GET_QOS, overlapped",
	       WSAIoctl(s, SIO_GET_QOS, NULL, 0, room, sizeof(room), &size, &waiting, NULL), -1);
	expect("its error", WSAGetLastError(), WSA_IO_PENDING);
	expect("waiting for it", WaitForSingleObject(waiting.hEvent, 200), WAIT_TIMEOUT);
	expect("closesocket", closesocket(s), 0);
	expect("waiting for its end", WaitForSingleObject(waiting.hEvent, 5000), WAIT_OBJECT_0);
	expect("its end", GetOverlappedResult(NULL, &waiting, &size, FALSE), FALSE);
	expect("its last error", (long)GetLastError(), WSA_OPERATION_ABORTED);
	WSACloseEvent(waiting.hEvent);
}

int main(int argc, char **argv)
{
	struct sockaddr_in peer = { .sin_family = AF_INET };
	QOS qos = { .ReceivingFlowspec = flowspec(SERVICETYPE_GUARANTEED, QOS_NOT_SPECIFIED) };
	WSADATA data;
	SOCKET s;

	if (argc != 5)
		return 2;
	expect("WSAStartup", WSAStartup(MAKEWORD(2, 2), &data), 0);
	s = open_socket();
	peer.sin_addr.s_addr = inet_addr(argv[1]);
	peer.sin_port = htons((u_short)atoi(argv[2]));
	qos.SendingFlowspec = flowspec((ULONG)atoi(argv[3]), RATE);
	expect("WSAConnect",
	       WSAConnect(s, (struct sockaddr *)&peer, sizeof(peer), NULL, NULL, &qos, NULL), 0);
	expect("send", send(s, argv[4], (int)strlen(argv[4]), 0), (long)strlen(argv[4]));
	expect("ABLE_TO_RECV_RSVP", ask(s, ABLE_TO_RECV_RSVP), 0);
	expect("LOCAL_QOSABILITY", ask(s, LOCAL_QOSABILITY), 0);
	expect("ALLOWED_TO_SEND_DATA", ask(s, ALLOWED_TO_SEND_DATA), 1);
	printf("traffic control: %u, link: %u kbit/s\n", (unsigned)ask(s, LOCAL_TRAFFIC_CONTROL),
	       (unsigned)ask(s, LINE_RATE));
	nothing_is_told(s);
	expect("WSACleanup", WSACleanup(), 0);
	return 0;
}
