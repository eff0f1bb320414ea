/* SPDX-License-Identifier: MIT */
/*
 * gqos_agent.c: a program with QoS sockets that does what it is told, line by line, and prints what came of it as
 * JSON: {"done": CODE} for each line, 0 or a Winsock error, and what FD_QOS tells at any time:
 * {"socket": N, "qos": CODE, "ext1": .., "ext2": .., "sending": RATE, "receiving": RATE}.
 *
 *	socket N udp4|udp6|tcp4|tcp6        bind N ADDRESS PORT        listen N        accept N FROM
 *	connect N ADDRESS PORT              disconnect N               shutdown N HOW  close N
 *	join N ADDRESS PORT ROLES           dup N FROM                 send N BYTES    receive N
 *	qos N SERVICE RATE SERVICE RATE [to ADDRESS PORT] [style S] [confirm]
 *
 * A service is the number of its type with its flags, a rate bytes a second; 0: not specified.
 */
#include <winsock2.h>
#include <qossp.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 64
#define WORDS 16

static struct {
	SOCKET socket;
	WSAEVENT event;
} slots[SLOTS];

static void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	fflush(stdout);
}

static int error_of(int result)
{
	return result == 0 ? 0 : WSAGetLastError();
}

static socklen_t address(const char *host, const char *port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(host, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)atoi(port));
		if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
			exit(2);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		exit(2);
	return sizeof(*in);
}

/* ---- what is told ---- */

static void tell(int slot, const QOS *qos)
{
	const char *at = qos->ProviderSpecific.buf, *end = at + qos->ProviderSpecific.len;
	RSVP_STATUS_INFO status = { 0 };
	QOS_OBJECT_HDR head;

	while ((size_t)(end - at) >= sizeof(head)) {
		memcpy(&head, at, sizeof(head));
		if (head.ObjectType == QOS_OBJECT_END_OF_LIST)
			break;
		if (head.ObjectType == RSVP_OBJECT_STATUS_INFO)
			memcpy(&status, at, sizeof(status));
		at += head.ObjectLength;
	}
	print("{\"socket\": %d, \"qos\": %u, \"ext1\": %u, \"ext2\": %u, \"sending\": %u, "
	      "\"receiving\": %u}\n",
	      slot, status.StatusCode, status.ExtendedStatus1, status.ExtendedStatus2,
	      qos->SendingFlowspec.TokenRate, qos->ReceivingFlowspec.TokenRate);
}

static void look(int slot)
{
	WSANETWORKEVENTS events;
	union {
		QOS qos;
		char room[65536];
	} out;
	DWORD bytes;

	if (WSAEnumNetworkEvents(slots[slot].socket, slots[slot].event, &events) != 0 ||
	    !(events.lNetworkEvents & FD_QOS))
		return;
	while (WSAIoctl(slots[slot].socket, SIO_GET_QOS, NULL, 0, &out, sizeof(out), &bytes, NULL,
			NULL) == 0 &&
	       bytes > 0)
		tell(slot, &out.qos);
}

/* ---- what is done ---- */

static int take(int slot, SOCKET s)
{
	if (s == INVALID_SOCKET)
		return WSAGetLastError();
	slots[slot].socket = s;
	slots[slot].event = WSACreateEvent();
	return error_of(WSAEventSelect(s, slots[slot].event, FD_QOS | FD_CONNECT | FD_ACCEPT));
}

/* Sockets with selected events do not block. */
static void wait_for(int slot, short what)
{
	struct pollfd fd = { .fd = (int)slots[slot].socket, .events = what };

	poll(&fd, 1, 10000);
}

static int connect_to(int slot, const struct sockaddr_storage *a, socklen_t len)
{
	SOCKET s = slots[slot].socket;
	int r = error_of(
		WSAConnect(s, (const struct sockaddr *)a, (int)len, NULL, NULL, NULL, NULL));

	if (r == WSAEWOULDBLOCK) {
		wait_for(slot, POLLOUT);
		r = 0;
	}
	return r;
}

static int accept_from(int slot, int listener)
{
	wait_for(listener, POLLIN);
	return take(slot, WSAAccept(slots[listener].socket, NULL, NULL, NULL, 0));
}

static int open_socket(int slot, const char *kind)
{
	int wanted = strncmp(kind, "tcp", 3) == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	int family = kind[3] == '6' ? AF_INET6 : AF_INET;
	WSAPROTOCOL_INFOA catalog[32];
	DWORD size = sizeof(catalog);
	int n = WSAEnumProtocolsA(NULL, catalog, &size);

	for (int i = 0; i < n; i++) {
		if (catalog[i].iProtocol != wanted || catalog[i].iAddressFamily != family ||
		    !(catalog[i].dwServiceFlags1 & XP1_QOS_SUPPORTED))
			continue;
		return take(slot, WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
					     FROM_PROTOCOL_INFO, &catalog[i], 0,
					     WSA_FLAG_OVERLAPPED |
						     (wanted == IPPROTO_UDP
							      ? WSA_FLAG_MULTIPOINT_C_LEAF |
									WSA_FLAG_MULTIPOINT_D_LEAF
							      : 0)));
	}
	return -1;
}

static FLOWSPEC flowspec(const char *service, const char *rate)
{
	uint32_t number = (uint32_t)strtoul(rate, NULL, 0);

	return (FLOWSPEC){
		.TokenRate = number ? number : QOS_NOT_SPECIFIED,
		.TokenBucketSize = number ? 10000 : QOS_NOT_SPECIFIED,
		.PeakBandwidth = QOS_NOT_SPECIFIED,
		.Latency = QOS_NOT_SPECIFIED,
		.DelayVariation = QOS_NOT_SPECIFIED,
		.ServiceType = (uint32_t)strtoul(service, NULL, 0),
		.MaxSduSize = QOS_NOT_SPECIFIED,
		.MinimumPolicedSize = QOS_NOT_SPECIFIED,
	};
}

static int set(int slot, char **words, int n)
{
	struct {
		QOS_DESTADDR destination;
		RSVP_RESERVE_INFO reserve;
	} objects = { .reserve.ObjectHdr = { RSVP_OBJECT_RESERVE_INFO,
					     sizeof(RSVP_RESERVE_INFO) } };
	struct sockaddr_storage to;
	QOS qos = { .SendingFlowspec = flowspec(words[0], words[1]),
		    .ReceivingFlowspec = flowspec(words[2], words[3]) };
	char *first = (char *)&objects.reserve;
	DWORD bytes;

	for (int i = 4; i < n; i++) {
		if (strcmp(words[i], "to") == 0) {
			objects.destination = (QOS_DESTADDR){
				.ObjectHdr = { QOS_OBJECT_DESTADDR, sizeof(QOS_DESTADDR) },
				.SocketAddress = (struct sockaddr *)&to,
				.SocketAddressLength = address(words[i + 1], words[i + 2], &to),
			};
			first = (char *)&objects;
			i += 2;
		} else if (strcmp(words[i], "style") == 0) {
			objects.reserve.Style = (ULONG)atoi(words[++i]);
		} else if (strcmp(words[i], "confirm") == 0) {
			objects.reserve.ConfirmRequest = 1;
		}
	}
	qos.ProviderSpecific.buf = first;
	qos.ProviderSpecific.len = (ULONG)((char *)(&objects + 1) - first);
	return error_of(WSAIoctl(slots[slot].socket, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0,
				 &bytes, NULL, NULL));
}

static int send_bytes(int slot, size_t len)
{
	static char data[65536];

	return send((int)slots[slot].socket, data, len, 0) < 0 ? WSAGetLastError() : 0;
}

static int receive_bytes(int slot)
{
	static char data[65536];

	return recv((int)slots[slot].socket, data, sizeof(data), 0) < 0 ? WSAGetLastError() : 0;
}

static int end_slot(int slot)
{
	int r = error_of(closesocket(slots[slot].socket));

	WSACloseEvent(slots[slot].event);
	slots[slot].event = NULL;
	return r;
}

static int obey(char **words, int n)
{
	struct sockaddr_storage a;
	int slot = n > 1 ? atoi(words[1]) : 0;
	int s = (int)slots[slot].socket;
	socklen_t len = n > 3 && strspn(words[0], "bindcojet") == strlen(words[0])
				? address(words[2], words[3], &a)
				: 0;

	if (strcmp(words[0], "socket") == 0)
		return open_socket(slot, words[2]);
	if (strcmp(words[0], "bind") == 0)
		return error_of(bind(s, (struct sockaddr *)&a, len));
	if (strcmp(words[0], "listen") == 0)
		return error_of(listen(s, 5));
	if (strcmp(words[0], "accept") == 0)
		return accept_from(slot, atoi(words[2]));
	if (strcmp(words[0], "connect") == 0)
		return connect_to(slot, &a, len);
	if (strcmp(words[0], "disconnect") == 0)
		return error_of(WSAConnect(slots[slot].socket, NULL, 0, NULL, NULL, NULL, NULL));
	if (strcmp(words[0], "shutdown") == 0)
		return error_of(shutdown(s, atoi(words[2])));
	if (strcmp(words[0], "close") == 0)
		return end_slot(slot);
	if (strcmp(words[0], "plainclose") == 0)
		return close(s) == 0 ? 0 : errno;
	if (strcmp(words[0], "dup") == 0) {
		slots[slot].socket = (SOCKET)dup((int)slots[atoi(words[2])].socket);
		return 0;
	}
	if (strcmp(words[0], "join") == 0)
		return WSAJoinLeaf(slots[slot].socket, (struct sockaddr *)&a, (int)len, NULL, NULL,
				   NULL, NULL, (DWORD)atoi(words[4])) == INVALID_SOCKET
			       ? WSAGetLastError()
			       : 0;
	if (strcmp(words[0], "send") == 0)
		return send_bytes(slot, (size_t)atoi(words[2]));
	if (strcmp(words[0], "receive") == 0)
		return receive_bytes(slot);
	if (strcmp(words[0], "qos") == 0 && n >= 6)
		return set(slot, words + 2, n - 2);
	exit(2);
}

/* ---- the loop ---- */

static void take_line(char *line)
{
	char *words[WORDS], *rest = line;
	int n = 0;

	while (n < WORDS && (words[n] = strsep(&rest, " \n")))
		n += words[n][0] != '\0';
	if (n > 0)
		print("{\"done\": %d}\n", obey(words, n));
}

int main(void)
{
	static char buf[4096];
	size_t used = 0;
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return 1;
	for (;;) {
		struct pollfd fds[SLOTS + 1] = { { .fd = STDIN_FILENO, .events = POLLIN } };
		char *end;
		ssize_t got;

		for (int i = 0; i < SLOTS; i++)
			fds[i + 1] = (struct pollfd){
				.fd = slots[i].event ? gw_win_event_fd(slots[i].event) : -1,
				.events = POLLIN,
			};
		if (poll(fds, SLOTS + 1, -1) < 0)
			return 1;
		for (int i = 0; i < SLOTS; i++)
			if (fds[i + 1].revents)
				look(i);
		if (!fds[0].revents)
			continue;
		got = read(STDIN_FILENO, buf + used, sizeof(buf) - 1 - used);
		if (got <= 0)
			break;
		used += (size_t)got;
		buf[used] = '\0';
		while ((end = strchr(buf, '\n'))) {
			*end = '\0';
			take_line(buf);
			used -= (size_t)(end + 1 - buf);
			memmove(buf, end + 1, used + 1);
		}
	}
	WSACleanup();
	return 0;
}
