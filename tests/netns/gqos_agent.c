/* SPDX-License-Identifier: MIT */
/*
 * gqos_agent.c: a program with QoS sockets that does what it is told, line by line, and prints what came of it as
 * JSON: {"done": CODE, "began": TIME, "ended": TIME} for each line, 0 or a Winsock error, and what FD_QOS tells at any
 * time: {"socket": N, "at": TIME, "qos": CODE, "ext1": .., "ext2": .., "sending": RATE, "receiving": RATE}.
 *
 *	socket N udp4|udp6|tcp4|tcp6     bind N ADDRESS PORT         listen N            accept N FROM [ASK]
 *	connect N ADDRESS PORT [ASK]     disconnect N                shutdown N HOW      senddisconnect N
 *	recvdisconnect N                 close N                     plainclose N        patience N MS
 *	join N ADDRESS PORT ROLES [ASK]  leave N ADDRESS             qos N ASK           dup N FROM
 *	send N BYTES [ADDRESS PORT]      receive N                   cleanup N           bequeath N
 *	disinherit N
 *
 * ASK is as in gqos_ask.h; with accept, a condition function answers it. A child that is bequeathed all sockets,
 * whatever N is, holds them until it is disinherited, or this program is gone.
 */
#include <winsock2.h>
#include <qossp.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gqos_ask.h"

#define SLOTS 1024
#define WORDS 32

static struct {
	SOCKET socket;
	WSAEVENT event;
} slots[SLOTS];

static struct {
	pid_t pid;
	int pipe;
} heir;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

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
	print("{\"socket\": %d, \"at\": %.6f, \"qos\": %u, \"ext1\": %u, \"ext2\": %u, "
	      "\"sending\": %u, \"receiving\": %u}\n",
	      slot, now(), status.StatusCode, status.ExtendedStatus1, status.ExtendedStatus2,
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

/* ---- sockets ---- */

static int take(int slot, SOCKET s)
{
	if (s == INVALID_SOCKET)
		return WSAGetLastError();
	slots[slot].socket = s;
	slots[slot].event = WSACreateEvent();
	return error_of(WSAEventSelect(s, slots[slot].event, FD_QOS | FD_CONNECT | FD_ACCEPT));
}

static void forget(int slot)
{
	WSACloseEvent(slots[slot].event);
	slots[slot].event = NULL;
}

/* Sockets with selected events do not block. */
static void wait_for(int slot, short what)
{
	struct pollfd fd = { .fd = (int)slots[slot].socket, .events = what };

	poll(&fd, 1, 10000);
}

static int do_socket(int slot, char **words, int n)
{
	int wanted = strncmp(words[0], "tcp", 3) == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	int family = words[0][3] == '6' ? AF_INET6 : AF_INET;
	DWORD leaf = wanted == IPPROTO_UDP ? WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF
					   : 0;
	WSAPROTOCOL_INFOA catalog[32];
	DWORD size = sizeof(catalog);

	n = WSAEnumProtocolsA(NULL, catalog, &size);
	for (int i = 0; i < n; i++) {
		if (catalog[i].iProtocol == wanted && catalog[i].iAddressFamily == family &&
		    (catalog[i].dwServiceFlags1 & XP1_QOS_SUPPORTED))
			return take(slot, WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
						     FROM_PROTOCOL_INFO, &catalog[i], 0,
						     WSA_FLAG_OVERLAPPED | leaf));
	}
	return -1;
}

static int do_bind(int slot, char **words, int n)
{
	struct sockaddr_storage address;
	socklen_t length = ask_address(words[0], words[1], &address);
	int s = (int)slots[slot].socket, on = 1;

	if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
		return errno;
	return error_of(bind(s, (struct sockaddr *)&address, length));
}

static int do_listen(int slot, char **words, int n)
{
	return error_of(listen((int)slots[slot].socket, 5));
}

static int answer_condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS qos, LPQOS group_qos,
			    LPWSABUF callee, LPWSABUF callee_data, GROUP *group, DWORD_PTR data)
{
	const struct ask *ask = (const struct ask *)data;

	if (qos)
		*qos = ask->qos;
	return qos ? CF_ACCEPT : CF_REJECT;
}

static int do_accept(int slot, char **words, int n)
{
	int listener = atoi(words[0]);
	struct ask ask;

	wait_for(listener, POLLIN);
	if (n == 1)
		return take(slot, WSAAccept(slots[listener].socket, NULL, NULL, NULL, 0));
	ask_read(&ask, words + 1, n - 1);
	return take(slot, WSAAccept(slots[listener].socket, NULL, NULL, answer_condition,
				    (DWORD_PTR)&ask));
}

static int do_connect(int slot, char **words, int n)
{
	struct sockaddr_storage address;
	int length = (int)ask_address(words[0], words[1], &address), r;
	struct ask ask;

	if (n > 2)
		ask_read(&ask, words + 2, n - 2);
	r = error_of(WSAConnect(slots[slot].socket, (struct sockaddr *)&address, length, NULL, NULL,
				n > 2 ? &ask.qos : NULL, NULL));
	if (r == WSAEWOULDBLOCK) {
		wait_for(slot, POLLOUT);
		r = 0;
	}
	return r;
}

static int do_disconnect(int slot, char **words, int n)
{
	return error_of(WSAConnect(slots[slot].socket, NULL, 0, NULL, NULL, NULL, NULL));
}

static int do_shutdown(int slot, char **words, int n)
{
	return error_of(shutdown((int)slots[slot].socket, atoi(words[0])));
}

static int do_senddisconnect(int slot, char **words, int n)
{
	return error_of(WSASendDisconnect(slots[slot].socket, NULL));
}

static int do_recvdisconnect(int slot, char **words, int n)
{
	return error_of(WSARecvDisconnect(slots[slot].socket, NULL));
}

static int do_close(int slot, char **words, int n)
{
	int r = error_of(closesocket(slots[slot].socket));

	forget(slot);
	return r;
}

static int do_plainclose(int slot, char **words, int n)
{
	int r = close((int)slots[slot].socket) == 0 ? 0 : errno;

	forget(slot);
	return r;
}

/* How long what was sent may go without an answer until the connection is given up. */
static int do_patience(int slot, char **words, int n)
{
	unsigned int ms = (unsigned int)atoi(words[0]);

	return setsockopt((int)slots[slot].socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
			  sizeof(ms)) == 0
		       ? 0
		       : errno;
}

/* ---- groups ---- */

static int do_join(int slot, char **words, int n)
{
	struct sockaddr_storage group;
	int length = (int)ask_address(words[0], words[1], &group);
	struct ask ask;

	if (n > 3)
		ask_read(&ask, words + 3, n - 3);
	return WSAJoinLeaf(slots[slot].socket, (struct sockaddr *)&group, length, NULL, NULL,
			   n > 3 ? &ask.qos : NULL, NULL, (DWORD)atoi(words[2])) == INVALID_SOCKET
		       ? WSAGetLastError()
		       : 0;
}

static int do_leave(int slot, char **words, int n)
{
	struct ip_mreqn request = { 0 };

	if (inet_pton(AF_INET, words[0], &request.imr_multiaddr) != 1)
		exit(2);
	return setsockopt((int)slots[slot].socket, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request,
			  sizeof(request)) == 0
		       ? 0
		       : errno;
}

/* ---- QoS, data, and other holders ---- */

static int do_qos(int slot, char **words, int n)
{
	struct ask ask;
	DWORD bytes;

	ask_read(&ask, words, n);
	return error_of(WSAIoctl(slots[slot].socket, SIO_SET_QOS, &ask.qos, sizeof(ask.qos), NULL,
				 0, &bytes, NULL, NULL));
}

static int do_send(int slot, char **words, int n)
{
	static char data[65536];
	struct sockaddr_storage to;
	socklen_t length = n > 2 ? ask_address(words[1], words[2], &to) : 0;

	return sendto((int)slots[slot].socket, data, (size_t)atoi(words[0]), MSG_NOSIGNAL,
		      n > 2 ? (struct sockaddr *)&to : NULL, length) < 0
		       ? errno
		       : 0;
}

/* All that is there. */
static int do_receive(int slot, char **words, int n)
{
	static char data[65536];

	while (recv((int)slots[slot].socket, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	return 0;
}

static int do_dup(int slot, char **words, int n)
{
	slots[slot].socket = (SOCKET)dup((int)slots[atoi(words[0])].socket);
	return 0;
}

static int do_bequeath(int slot, char **words, int n)
{
	int ends[2];
	char byte;

	if (pipe(ends) != 0)
		return errno;
	heir.pid = fork();
	if (heir.pid == 0) {
		close(ends[1]);
		(void)!read(ends[0], &byte, 1);
		_exit(0);
	}
	close(ends[0]);
	heir.pipe = ends[1];
	return heir.pid < 0 ? errno : 0;
}

static int do_disinherit(int slot, char **words, int n)
{
	close(heir.pipe);
	return waitpid(heir.pid, NULL, 0) == heir.pid ? 0 : errno;
}

static int do_cleanup(int slot, char **words, int n)
{
	return error_of(WSACleanup());
}

/* ---- the loop ---- */

static const struct command {
	const char *name;
	int (*run)(int slot, char **words, int n);
	int least; /* words after the slot */
} commands[] = {
	{ "socket", do_socket, 1 },
	{ "bind", do_bind, 2 },
	{ "listen", do_listen, 0 },
	{ "accept", do_accept, 1 },
	{ "connect", do_connect, 2 },
	{ "disconnect", do_disconnect, 0 },
	{ "shutdown", do_shutdown, 1 },
	{ "senddisconnect", do_senddisconnect, 0 },
	{ "recvdisconnect", do_recvdisconnect, 0 },
	{ "close", do_close, 0 },
	{ "plainclose", do_plainclose, 0 },
	{ "patience", do_patience, 1 },
	{ "join", do_join, 3 },
	{ "leave", do_leave, 1 },
	{ "qos", do_qos, 4 },
	{ "send", do_send, 1 },
	{ "receive", do_receive, 0 },
	{ "dup", do_dup, 1 },
	{ "bequeath", do_bequeath, 0 },
	{ "disinherit", do_disinherit, 0 },
	{ "cleanup", do_cleanup, 0 },
};

static int obey(char **words, int n)
{
	int slot = n > 1 ? atoi(words[1]) : -1;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (slot >= 0 && slot < SLOTS && n >= 2 + commands[i].least &&
		    strcmp(words[0], commands[i].name) == 0)
			return commands[i].run(slot, words + 2, n - 2);
	}
	exit(2);
}

static void take_line(char *line)
{
	char *words[WORDS], *rest = line;
	double began;
	int n = 0, r;

	while (n < WORDS && (words[n] = strsep(&rest, " \n")))
		n += words[n][0] != '\0';
	if (n == 0)
		return;
	began = now();
	r = obey(words, n);
	print("{\"done\": %d, \"began\": %.6f, \"ended\": %.6f}\n", r, began, now());
}

static void look_at_all(struct pollfd *fds)
{
	for (int i = 0; i < SLOTS; i++)
		if (fds[i].revents)
			look(i);
}

int main(void)
{
	static char buf[65536];
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
		look_at_all(fds + 1);
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
