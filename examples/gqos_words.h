/* SPDX-License-Identifier: MIT */
/*
 * gqos_words.h: what gqos_sender and gqos_receiver share: making QoS sockets, saying what happens to them in words, and
 * every way to end their service.
 */
#ifndef GQOS_WORDS_H
#define GQOS_WORDS_H

#include <winsock2.h>
#include <qosobjs.h>
#include <qossp.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *program;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s: error %d\n", program, what, WSAGetLastError());
	exit(1);
}

static void misused(const char *what)
{
	fprintf(stderr, "%s: %s\n", program, what);
	exit(2);
}

/* ---- words ---- */

static const char *status_word(ULONG code)
{
	static const char *const words[] = {
		"receivers",	  "senders",
		"no senders",	  "no receivers",
		"confirmed",	  "admission failure",
		"policy failure", "bad style",
		"bad object",	  "traffic control error",
		"generic error",
	};

	return code >= WSA_QOS_RECEIVERS && code <= WSA_QOS_GENERIC_ERROR
		       ? words[code - WSA_QOS_RECEIVERS]
		       : "unknown";
}

static const struct {
	const char *word;
	SERVICETYPE type;
} services[] = {
	{ "none", SERVICETYPE_NOTRAFFIC },
	{ "best-effort", SERVICETYPE_BESTEFFORT },
	{ "controlled-load", SERVICETYPE_CONTROLLEDLOAD },
	{ "guaranteed", SERVICETYPE_GUARANTEED },
	{ "either", SERVICETYPE_GENERAL_INFORMATION },
	{ "unchanged", SERVICETYPE_NOCHANGE },
	{ "qualitative", SERVICETYPE_QUALITATIVE },
};

static SERVICETYPE service_named(const char *word)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		if (strcmp(services[i].word, word) == 0)
			return services[i].type;
	}
	misused("services are none, best-effort, controlled-load, guaranteed, either and qualitative");
	return 0;
}

static const char *service_word(SERVICETYPE type)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(*services); i++) {
		if (services[i].type == (type & 0xffff))
			return services[i].word;
	}
	return "unknown";
}

static void say_flowspec(const char *direction, const FLOWSPEC *flowspec)
{
	if (flowspec->ServiceType == SERVICETYPE_NOCHANGE)
		return;
	printf(" %s=%s", direction, service_word(flowspec->ServiceType));
	if (flowspec->TokenRate != QOS_NOT_SPECIFIED)
		printf(" rate=%u", flowspec->TokenRate);
}

/* One answer of SIO_GET_QOS: objects are copied out, since they may begin anywhere. */
static void say_answer(const char *answer)
{
	RSVP_STATUS_INFO status;
	QOS_OBJECT_HDR head;
	const char *at;
	QOS qos;

	memcpy(&qos, answer, sizeof(qos));
	memcpy(&status, qos.ProviderSpecific.buf, sizeof(status));
	printf("event %s", status_word(status.StatusCode));
	if (status.ExtendedStatus1)
		printf(" (%u/%u)", status.ExtendedStatus1, status.ExtendedStatus2);
	say_flowspec("sending", &qos.SendingFlowspec);
	say_flowspec("receiving", &qos.ReceivingFlowspec);
	for (at = qos.ProviderSpecific.buf;; at += head.ObjectLength) {
		memcpy(&head, at, sizeof(head));
		if (head.ObjectType == QOS_OBJECT_END_OF_LIST)
			break;
		if (head.ObjectType == RSVP_OBJECT_ADSPEC) {
			RSVP_ADSPEC adspec;

			memcpy(&adspec, at, offsetof(RSVP_ADSPEC, Services));
			printf(" hops=%u mtu=%u%s", adspec.GeneralParams.IntServAwareHopCount,
			       adspec.GeneralParams.PathMTU,
			       adspec.GeneralParams.Flags & AD_FLAG_BREAK_BIT ? " broken" : "");
		}
	}
	printf("\n");
	fflush(stdout);
}

/* Everything that has been told of the socket: SIO_GET_QOS until it would block. */
static void say_news(SOCKET s)
{
	char answer[16384];
	DWORD size;

	while (WSAIoctl(s, SIO_GET_QOS, NULL, 0, answer, sizeof(answer), &size, NULL, NULL) == 0 &&
	       size > sizeof(QOS))
		say_answer(answer);
}

/* ---- sockets ---- */

/* From the entry of the catalog that has QoS. */
static SOCKET qos_socket(int family, int protocol, DWORD flags)
{
	INT protocols[] = { protocol, 0 };
	DWORD size = 0;
	WSAPROTOCOL_INFOA *entries;
	SOCKET s = INVALID_SOCKET;
	int n;

	WSAEnumProtocolsA(protocols, NULL, &size);
	entries = malloc(size);
	n = entries ? WSAEnumProtocolsA(protocols, entries, &size) : SOCKET_ERROR;
	for (int i = 0; i < n && s == INVALID_SOCKET; i++) {
		if (entries[i].iAddressFamily == family &&
		    (entries[i].dwServiceFlags1 & XP1_QOS_SUPPORTED))
			s = WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
				       &entries[i], 0, WSA_FLAG_OVERLAPPED | flags);
	}
	free(entries);
	if (s == INVALID_SOCKET)
		fail("WSASocket");
	return s;
}

/* ADDRESS:PORT, an IPv6 address in brackets */
static socklen_t address_named(const char *text, struct sockaddr_storage *ret_address)
{
	INT length = sizeof(*ret_address);

	memset(ret_address, 0, sizeof(*ret_address));
	if (WSAStringToAddressA((LPSTR)text, *text == '[' ? AF_INET6 : AF_INET, NULL,
				(struct sockaddr *)ret_address, &length) != 0)
		misused("addresses are written 192.0.2.1:5000 or [2001:db8::1]:5000");
	return (socklen_t)length;
}

static WSAEVENT select_events(SOCKET s, long events)
{
	WSAEVENT event = WSACreateEvent();

	if (event == WSA_INVALID_EVENT || WSAEventSelect(s, event, events) != 0)
		fail("WSAEventSelect");
	return event;
}

static FLOWSPEC flowspec_of(SERVICETYPE type, ULONG rate)
{
	FLOWSPEC flowspec;

	memset(&flowspec, 0xff, sizeof(flowspec)); /* QOS_NOT_SPECIFIED, all of it */
	flowspec.ServiceType = type;
	flowspec.TokenRate = rate;
	return flowspec;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- endings ---- */

static void set_types(SOCKET s, SERVICETYPE sending, SERVICETYPE receiving)
{
	QOS qos = { .SendingFlowspec = flowspec_of(sending, QOS_NOT_SPECIFIED),
		    .ReceivingFlowspec = flowspec_of(receiving, QOS_NOT_SPECIFIED) };
	DWORD size;

	if (WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &size, NULL, NULL) != 0)
		fail("SIO_SET_QOS");
}

#define ENDINGS                                                                           \
	"close, shutdown-send, shutdown-receive, shutdown-both, disconnect, no-sending, " \
	"no-receiving, best-effort, exit or abort"

/* Ends service in the way that is named. False: the socket is closed. */
static bool end_service(SOCKET s, const char *how)
{
	printf("ending %s\n", how);
	fflush(stdout);
	if (strcmp(how, "close") == 0)
		return closesocket(s) != 0;
	if (strcmp(how, "shutdown-send") == 0)
		shutdown((int)s, SD_SEND);
	else if (strcmp(how, "shutdown-receive") == 0)
		shutdown((int)s, SD_RECEIVE);
	else if (strcmp(how, "shutdown-both") == 0)
		shutdown((int)s, SD_BOTH);
	else if (strcmp(how, "disconnect") == 0)
		WSAConnect(s, NULL, 0, NULL, NULL, NULL, NULL);
	else if (strcmp(how, "no-sending") == 0)
		set_types(s, SERVICETYPE_NOTRAFFIC, SERVICETYPE_NOCHANGE);
	else if (strcmp(how, "no-receiving") == 0)
		set_types(s, SERVICETYPE_NOCHANGE, SERVICETYPE_NOTRAFFIC);
	else if (strcmp(how, "best-effort") == 0)
		set_types(s, SERVICETYPE_BESTEFFORT, SERVICETYPE_BESTEFFORT);
	else if (strcmp(how, "exit") == 0)
		exit(0);
	else if (strcmp(how, "abort") == 0)
		abort();
	else
		misused("endings are " ENDINGS);
	return true;
}

/* A line of standard input names an ending. False: the socket is closed. */
static bool obey_input(SOCKET s)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	static bool at_end;
	char line[64];

	if (at_end || poll(&input, 1, 0) <= 0)
		return true;
	if (!fgets(line, sizeof(line), stdin)) {
		at_end = true;
		return true;
	}
	line[strcspn(line, "\n")] = '\0';
	return end_service(s, line);
}

#endif
