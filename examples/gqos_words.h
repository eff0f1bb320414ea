/* SPDX-License-Identifier: MIT */
/*
 * gqos_words.h: what gqos_sender and gqos_receiver share: their options, making QoS sockets, saying what happens to them
 * in words, the stream itself, and every way to end its service.
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
#include <unistd.h>

#define PACKET_BYTES 1000 /* with the headers of IP and UDP, as rates count them */

static const char *program;

/* What the command line says; the heads of the programs tell what it means. */
static struct {
	const char *transport, *local, *peer, *ending;
	SERVICETYPE service;
	ULONG rate;
	bool both, confirm;
	unsigned long seconds;
	struct sockaddr_storage address;
	socklen_t address_len;
} options = { .transport = "udp",
	      .ending = "close",
	      .service = SERVICETYPE_CONTROLLEDLOAD,
	      .rate = QOS_NOT_SPECIFIED };

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

static bool is_tcp(void)
{
	return strcmp(options.transport, "tcp") == 0;
}

static bool is_group(void)
{
	return strcmp(options.transport, "multicast") == 0;
}

static void parse_options(int argc, char **argv, const char *known)
{
	int option;

	program = argv[0];
	while ((option = getopt(argc, argv, known)) != -1) {
		if (option == 't')
			options.transport = optarg;
		else if (option == 's')
			options.service = service_named(optarg);
		else if (option == 'r')
			options.rate = (ULONG)strtoul(optarg, NULL, 10);
		else if (option == 'l')
			options.local = optarg;
		else if (option == 'p')
			options.peer = optarg;
		else if (option == 'b')
			options.both = true;
		else if (option == 'c')
			options.confirm = true;
		else if (option == 'n')
			options.seconds = strtoul(optarg, NULL, 10);
		else if (option == 'e')
			options.ending = optarg;
		else
			misused("the head of its source tells of the options");
	}
	if (optind + 1 != argc || options.rate == 0)
		misused("one address, and a rate");
	options.address_len = address_named(argv[optind], &options.address);
}

static SOCKET open_qos_socket(void)
{
	return qos_socket(options.address.ss_family, is_tcp() ? IPPROTO_TCP : IPPROTO_UDP,
			  is_group() ? WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF : 0);
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

/* What a program that sends says of that; what it wants of it, one that receives. */
static FLOWSPEC what_is_sent(void)
{
	FLOWSPEC flowspec = flowspec_of(options.service, options.rate);

	if (options.rate == QOS_NOT_SPECIFIED)
		flowspec.TokenRate = 250000;
	flowspec.MaxSduSize = PACKET_BYTES;
	return flowspec;
}

static FLOWSPEC nothing(void)
{
	return flowspec_of(SERVICETYPE_NOTRAFFIC, QOS_NOT_SPECIFIED);
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

#define ENDINGS                                                                          \
	"close, shutdown-send, shutdown-receive, shutdown-both, disconnect, unconnect, " \
	"no-sending, no-receiving, best-effort, exit or abort"

/* Ends service in the way that is named. False: the socket is closed. */
static bool end_service(SOCKET s, const char *how)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

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
	else if (strcmp(how, "unconnect") == 0)
		connect((int)s, &nobody, sizeof(nobody));
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

/* ---- the stream ---- */

/* What the rate allows since the start. */
static void send_some(SOCKET s, uint64_t elapsed_ms, uint64_t *sent)
{
	static const char packet[PACKET_BYTES];
	const struct sockaddr *to = is_group() ? (const struct sockaddr *)&options.address : NULL;
	size_t headers = options.address.ss_family == AF_INET6 ? 48 : 28;

	while (*sent + PACKET_BYTES <= elapsed_ms * what_is_sent().TokenRate / 1000) {
		if (sendto((int)s, packet, sizeof(packet) - headers, MSG_NOSIGNAL, to,
			   to ? options.address_len : 0) < 0)
			return; /* full, or shut down: later, or never */
		*sent += PACKET_BYTES;
	}
}

/* False: the peer has closed. */
static bool receive_some(SOCKET s, uint64_t *received)
{
	size_t headers = options.address.ss_family == AF_INET6 ? 48 : 28;
	char buffer[65536];
	ssize_t n;

	while ((n = recv((int)s, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		*received += (uint64_t)n + (is_tcp() ? 0 : headers);
	return n != 0 || !is_tcp();
}

/* Sends, receives, and says what FD_QOS tells, until service has ended. */
static void run(SOCKET s, bool sends, bool receives)
{
	uint64_t begun = now_ms(), sent = 0, received = 0;
	uint64_t end = options.seconds ? begun + 1000 * options.seconds : UINT64_MAX;
	WSAEVENT event = select_events(s, FD_QOS | FD_READ | FD_CLOSE);
	bool open = true, ended = false;
	WSANETWORKEVENTS events;

	setvbuf(stdin, NULL, _IONBF, 0); /* what poll() does not see is not there */
	if (sends)
		printf("sending\n");
	if (receives)
		printf("receiving\n");
	fflush(stdout);
	while (open && !(ended && now_ms() > end + 1000)) {
		WSAWaitForMultipleEvents(1, &event, FALSE, 5, FALSE);
		if (WSAEnumNetworkEvents(s, event, &events) == 0 &&
		    (events.lNetworkEvents & FD_QOS))
			say_news(s);
		if (sends)
			send_some(s, now_ms() - begun, &sent);
		if (receives && !receive_some(s, &received) && !ended && end == UINT64_MAX)
			end = now_ms();
		if (!ended && now_ms() >= end) {
			ended = true;
			open = end_service(s, options.ending);
		}
		if (open)
			open = obey_input(s);
	}
	if (sends)
		printf("sent %llu bytes\n", (unsigned long long)sent);
	if (receives)
		printf("received %llu bytes\n", (unsigned long long)received);
	WSACloseEvent(event);
}

#endif
