/* SPDX-License-Identifier: MIT */
/*
 * The Win32 and Winsock surface of Microsoft's qWAVE sample in a program of our own: a sender
 * and a receiver in one process, over loopback. The sender puts its connected socket into an adaptive
 * flow, asks for the path's estimates, sets a rate, and sends bursts with TransmitPackets; one loop
 * waits for the timer, the finished sends and the finished receives.
 *
 * It must compile against include/win alone. Linked and run it exits 0 when every datagram of the
 * bursts has arrived, 1 on a failure, 77 (skipped) where no engine can be reached.
 */
#include <winsock2.h>
#include <mswsock.h>
#include <stdlib.h>
#include <stdio.h>
#include <qos2.h>

#define PAYLOAD_BYTES 1200
#define BURST_PACKETS 8
#define BURSTS 5
#define RATE_BPS 4000000
#define TIMER_100NS (-2000000) /* 200 ms from now */
#define TIMER_MS 200
#define PATIENCE_TICKS 50
#define QUERY_TRIES 15
#define EXIT_SKIP 77

struct receiver {
	SOCKET s;
	OVERLAPPED pending;
	CHAR data[PAYLOAD_BYTES];
	ULONG datagrams;
};

struct sender {
	SOCKET s;
	ADDRESS_FAMILY family;
	LPFN_TRANSMITPACKETS transmit;
	LPTRANSMIT_PACKETS_ELEMENT elements;
	WSAOVERLAPPED pending;
	CHAR data[PAYLOAD_BYTES];
	ULONG bursts;
};

static VOID fail(__in PCHAR what)
{
	printf("%s failed (%d)\n", what, GetLastError());
	exit(1);
}

static HANDLE auto_reset_event(VOID)
{
	HANDLE event = CreateEvent(NULL, FALSE, FALSE, NULL);

	if (event == NULL)
		fail("CreateEvent");
	return event;
}

static VOID post_receive(__inout struct receiver *r)
{
	DWORD flags = 0, bytes;
	WSABUF buffer;

	buffer.len = sizeof(r->data);
	buffer.buf = (PCHAR)r->data;
	if (WSARecv(r->s, &buffer, 1, &bytes, &flags, &r->pending, NULL) != 0 &&
	    WSAGetLastError() != WSA_IO_PENDING)
		fail("WSARecv");
}

/* A dual-stack socket on a port of the system's choice, with one receive posted. */
static USHORT open_receiver(__out struct receiver *r)
{
	SOCKADDR_IN6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	socklen_t length = sizeof(address);
	BOOL v6_only = FALSE;

	ZeroMemory(r, sizeof(*r));
	r->s = WSASocket(AF_INET6, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
	if (r->s == INVALID_SOCKET)
		fail("WSASocket");
	if (setsockopt(r->s, IPPROTO_IPV6, IPV6_V6ONLY, (PCHAR)&v6_only, sizeof(v6_only)) ==
		    SOCKET_ERROR ||
	    bind(r->s, (PSOCKADDR)&address, sizeof(address)) != NO_ERROR ||
	    getsockname(r->s, (PSOCKADDR)&address, &length) != NO_ERROR)
		fail("bind");
	r->pending.hEvent = auto_reset_event();
	post_receive(r);
	return address.sin6_port;
}

static VOID open_sender(__out struct sender *s, __in PCHAR destination, USHORT port)
{
	GUID transmit_packets = WSAID_TRANSMITPACKETS;
	SOCKADDR_STORAGE address;
	INT length = sizeof(address);
	DWORD bytes;

	ZeroMemory(s, sizeof(*s));
	if (WSAStringToAddressA(destination, AF_INET, NULL, (LPSOCKADDR)&address, &length) !=
	    ERROR_SUCCESS) {
		length = sizeof(address);
		if (WSAStringToAddressA(destination, AF_INET6, NULL, (LPSOCKADDR)&address,
					&length) != ERROR_SUCCESS)
			fail("WSAStringToAddress");
	}
	SS_PORT((PSOCKADDR)&address) = port;
	s->family = address.ss_family;
	s->s = WSASocket(s->family, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
	if (s->s == INVALID_SOCKET)
		fail("WSASocket");
	if (WSAConnect(s->s, (PSOCKADDR)&address, sizeof(address), NULL, NULL, NULL, NULL) !=
	    NO_ERROR)
		fail("WSAConnect");
	if (WSAIoctl(s->s, SIO_GET_EXTENSION_FUNCTION_POINTER, &transmit_packets, sizeof(GUID),
		     &s->transmit, sizeof(PVOID), &bytes, NULL, NULL) == SOCKET_ERROR)
		fail("WSAIoctl");
	s->elements = (LPTRANSMIT_PACKETS_ELEMENT)HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY,
							    sizeof(TRANSMIT_PACKETS_ELEMENT) *
								    BURST_PACKETS);
	if (s->elements == NULL)
		fail("HeapAlloc");
	for (ULONG i = 0; i < BURST_PACKETS; i++) {
		s->elements[i].dwElFlags = TP_ELEMENT_MEMORY | TP_ELEMENT_EOP;
		s->elements[i].pBuffer = s->data;
		s->elements[i].cLength = sizeof(s->data);
	}
	s->pending.hEvent = auto_reset_event();
}

/* Whether the path has estimates; polls while there are none yet (spec/qwave.md §5.6). */
static BOOL has_estimates(HANDLE qos, QOS_FLOWID flow)
{
	QOS_FLOW_FUNDAMENTALS known;

	for (int tries = 0; tries < QUERY_TRIES; tries++) {
		ULONG size = sizeof(known);

		if (QOSQueryFlow(qos, flow, QOSQueryFlowFundamentals, &size, &known, 0, NULL)) {
			if (known.BottleneckBandwidthSet && known.AvailableBandwidthSet)
				return TRUE;
		} else if (GetLastError() == ERROR_NOT_SUPPORTED) {
			return FALSE;
		} else if (GetLastError() != ERROR_NO_DATA) {
			fail("QOSQueryFlow");
		}
		Sleep(1000);
	}
	printf("the path stayed undecided\n");
	exit(1);
}

static HANDLE open_flow(__in const struct sender *s, __out QOS_FLOWID *flow)
{
	QOS_VERSION version = { 1, 0 };
	QOS_FLOWRATE_OUTGOING rate;
	HANDLE qos;

	if (QOSCreateHandle(&version, &qos) == FALSE) {
		if (GetLastError() != ERROR_SERVICE_DEPENDENCY_FAIL)
			fail("QOSCreateHandle");
		printf("SKIP: no engine can be reached\n");
		exit(EXIT_SKIP);
	}
	*flow = 0;
	if (QOSAddSocketToFlow(qos, s->s, NULL, QOSTrafficTypeExcellentEffort, 0, flow) == FALSE)
		fail("QOSAddSocketToFlow");
	rate.Bandwidth = QOS_ADD_OVERHEAD(s->family, IPPROTO_UDP, PAYLOAD_BYTES, RATE_BPS);
	rate.ShapingBehavior = QOSShapeAndMark;
	rate.Reason = QOSFlowRateNotApplicable;
	/* A host without a shaper says so, and the stream goes out at its own pace. */
	if (QOSSetFlow(qos, *flow, QOSSetOutgoingRate, sizeof(rate), &rate, 0, NULL) == FALSE &&
	    GetLastError() != ERROR_NOT_SUPPORTED)
		fail("QOSSetFlow");
	return qos;
}

static VOID send_burst(__inout struct sender *s)
{
	if (s->transmit(s->s, s->elements, BURST_PACKETS, 0xFFFFFFFF, &s->pending,
			TF_USE_KERNEL_APC) == FALSE &&
	    WSAGetLastError() != ERROR_IO_PENDING)
		fail("TransmitPackets");
	s->bursts++;
}

static HANDLE start_timer(VOID)
{
	HANDLE timer = CreateWaitableTimer(NULL, FALSE, NULL);
	LARGE_INTEGER due;

	if (timer == NULL)
		fail("CreateWaitableTimer");
	due.QuadPart = TIMER_100NS;
	if (SetWaitableTimer(timer, &due, TIMER_MS, NULL, NULL, FALSE) == FALSE)
		fail("SetWaitableTimer");
	return timer;
}

/* Sends the bursts, one after the other, until all their datagrams are in. */
static VOID run(__inout struct sender *s, __inout struct receiver *r)
{
	HANDLE objects[3];
	DWORD bytes, flags;
	int ticks = 0;

	objects[0] = start_timer();
	objects[1] = s->pending.hEvent;
	objects[2] = r->pending.hEvent;
	send_burst(s);
	while (r->datagrams < BURSTS * BURST_PACKETS) {
		switch (WaitForMultipleObjects(ARRAYSIZE(objects), (PHANDLE)objects, FALSE,
					       INFINITE)) {
		case WAIT_OBJECT_0:
			if (++ticks > PATIENCE_TICKS) {
				printf("only %u datagrams arrived\n", r->datagrams);
				exit(1);
			}
			break;
		case WAIT_OBJECT_0 + 1:
			if (!WSAGetOverlappedResult(s->s, &s->pending, &bytes, FALSE, &flags))
				fail("WSAGetOverlappedResult");
			if (s->bursts < BURSTS)
				send_burst(s);
			break;
		case WAIT_OBJECT_0 + 2:
			if (!WSAGetOverlappedResult(r->s, &r->pending, &bytes, FALSE, &flags))
				fail("WSAGetOverlappedResult");
			if (bytes != PAYLOAD_BYTES)
				fail("a whole datagram");
			r->datagrams++;
			post_receive(r);
			break;
		default:
			fail("WaitForMultipleObjects");
		}
	}
	CloseHandle(objects[0]);
}

/* What the sample does once it has estimates; here only the calls' shape matters. */
static VOID watch_congestion(HANDLE qos, QOS_FLOWID flow)
{
	OVERLAPPED congested;
	DWORD bytes;

	ZeroMemory(&congested, sizeof(congested));
	congested.hEvent = auto_reset_event();
	if (QOSNotifyFlow(qos, flow, QOSNotifyCongested, NULL, NULL, 0, &congested) == FALSE) {
		if (GetLastError() != ERROR_IO_PENDING)
			fail("QOSNotifyFlow");
		QOSCancel(qos, &congested);
		GetOverlappedResult(qos, &congested, &bytes, TRUE);
	}
	CloseHandle(congested.hEvent);
}

int _cdecl main(__in int argc, __in_ecount(argc) char *argv[])
{
	static struct receiver r;
	static struct sender s;
	QOS_FLOWID flow;
	WSADATA wsa;
	HANDLE qos;

	if (WSAStartup(MAKEWORD(2, 2), &wsa) != 0)
		fail("WSAStartup");
	open_sender(&s, argc > 1 ? argv[1] : "127.0.0.1", open_receiver(&r));
	qos = open_flow(&s, &flow);
	if (has_estimates(qos, flow))
		watch_congestion(qos, flow);
	run(&s, &r);
	if (QOSCloseHandle(qos) == FALSE)
		fail("QOSCloseHandle");
	closesocket(s.s);
	closesocket(r.s);
	WSACleanup();
	printf("%u datagrams in %u bursts\n", r.datagrams, s.bursts);
	return 0;
}
