/* SPDX-License-Identifier: MIT */
/*
 * agent.c: a program with sockets and flows of its own, told by a test what to do. Each message on standard
 * input, a SOCK_SEQPACKET socket, is one command in words; a descriptor may come with it. Each is answered by
 * one message. Calls of qos2.h are answered with what they returned, the last error, and what they wrote.
 */
#include "agent.h"

#include <arpa/inet.h>
#include <errno.h>
#include <greenwave.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HANDLES_MAX 16

static HANDLE handles[HANDLES_MAX];
static struct gw *native;
static char answer[32768];

void say(const char *format, ...)
{
	size_t len = strlen(answer);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(answer + len, sizeof(answer) - len, format, arguments);
	va_end(arguments);
}

long long number(const struct command *c, int i)
{
	return i < c->argc ? strtoll(c->argv[i], NULL, 0) : 0;
}

const struct sockaddr *address(const struct command *c, int i, struct sockaddr_storage *storage)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
	struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
	char *text, *scope;

	if (i + 1 >= c->argc || strcmp(c->argv[i], "-") == 0)
		return NULL;
	memset(storage, 0, sizeof(*storage));
	text = c->argv[i];
	scope = strchr(text, '%');
	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)number(c, i + 1));
		v6->sin6_scope_id = scope ? (uint32_t)strtoul(scope, NULL, 10) : 0;
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)number(c, i + 1));
		if (inet_pton(AF_INET, text, &v4->sin_addr) != 1)
			return NULL;
	}
	return (const struct sockaddr *)storage;
}

static socklen_t address_len(const struct sockaddr *a)
{
	if (!a)
		return 0;
	return a->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

HANDLE *handle_slot(const struct command *c, int i)
{
	return &handles[number(c, i) % HANDLES_MAX];
}

void say_result(BOOL result)
{
	say("%d %u", result, GetLastError() == SENTINEL ? 0 : (unsigned)GetLastError());
}

static void say_system(int result)
{
	say("%d", result < 0 ? -errno : result);
}

/* ---- sockets ---- */

static void do_take(const struct command *c)
{
	say("%d", c->fd);
}

static void do_socket(const struct command *c)
{
	int type = strcmp(c->argv[2], "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;

	say_system(socket(number(c, 1) == 6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
}

static void do_bind(const struct command *c)
{
	struct sockaddr_storage storage;
	const struct sockaddr *a = address(c, 2, &storage);

	say_system(bind((int)number(c, 1), a, address_len(a)));
}

static void do_connect(const struct command *c)
{
	struct sockaddr_storage storage;
	const struct sockaddr *a = address(c, 2, &storage);

	say_system(connect((int)number(c, 1), a, address_len(a)));
}

static void do_disconnect(const struct command *c)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	say_system(connect((int)number(c, 1), &none, sizeof(none)));
}

static void do_send(const struct command *c)
{
	struct sockaddr_storage storage;
	const struct sockaddr *a = address(c, 3, &storage);

	say_system((int)sendto((int)number(c, 1), c->argv[2], strlen(c->argv[2]), MSG_NOSIGNAL, a,
			       address_len(a)));
}

static void do_shutdown(const struct command *c)
{
	say_system(shutdown((int)number(c, 1), (int)number(c, 2)));
}

static void do_close(const struct command *c)
{
	say_system(close((int)number(c, 1)));
}

/* ---- qos2.h ---- */

static void do_create(const struct command *c)
{
	QOS_VERSION version = { 1, 0 };

	say_result(QOSCreateHandle(&version, handle_slot(c, 1)));
}

static void do_close_handle(const struct command *c)
{
	say_result(QOSCloseHandle(*handle_slot(c, 1)));
}

/* handle, socket, address, port, type, flags, flow */
static void do_add(const struct command *c)
{
	struct sockaddr_storage storage;
	QOS_FLOWID flow = (QOS_FLOWID)number(c, 7);
	BOOL result = QOSAddSocketToFlow(*handle_slot(c, 1), (SOCKET)number(c, 2),
					 (PSOCKADDR)address(c, 3, &storage),
					 (QOS_TRAFFIC_TYPE)number(c, 5), (DWORD)number(c, 6),
					 &flow);

	say_result(result);
	say(" %u", (unsigned)flow);
}

static void do_remove(const struct command *c)
{
	say_result(QOSRemoveSocketFromFlow(*handle_slot(c, 1), (SOCKET)number(c, 2),
					   (QOS_FLOWID)number(c, 3), 0));
}

static void do_set_type(const struct command *c)
{
	QOS_TRAFFIC_TYPE type = (QOS_TRAFFIC_TYPE)number(c, 3);

	say_result(QOSSetFlow(*handle_slot(c, 1), (QOS_FLOWID)number(c, 2), QOSSetTrafficType,
			      sizeof(type), &type, 0, NULL));
}

static void do_set_dscp(const struct command *c)
{
	DWORD dscp = (DWORD)number(c, 3);

	say_result(QOSSetFlow(*handle_slot(c, 1), (QOS_FLOWID)number(c, 2), QOSSetOutgoingDSCPValue,
			      sizeof(dscp), &dscp, 0, NULL));
}

/* descriptor, bytes of payload, milliseconds: at 5 Mbit/s, or as fast as the calls let it; how many were sent */
static void do_flood(const struct command *c)
{
	static const char block[1400];
	const size_t payload = (size_t)number(c, 2) % sizeof(block);
	const double gap = (double)payload * 8 / 5e6;
	struct timespec now, began;
	double elapsed = 0, due = 0;
	int sent = 0;

	clock_gettime(CLOCK_MONOTONIC, &began);
	while (elapsed * 1000 < (double)number(c, 3)) {
		if (due > elapsed)
			usleep((useconds_t)((due - elapsed) * 1e6));
		if (send((int)number(c, 1), block, payload, 0) == (ssize_t)payload)
			sent++;
		clock_gettime(CLOCK_MONOTONIC, &now);
		elapsed = (double)(now.tv_sec - began.tv_sec) +
			  (double)(now.tv_nsec - began.tv_nsec) / 1e9;
		due = due + gap > elapsed ? due + gap : elapsed;
	}
	say("%d", sent);
}

/* handle, flow, bits per second, behaviour */
static void do_set_rate(const struct command *c)
{
	QOS_FLOWRATE_OUTGOING rate = {
		.Bandwidth = c->argc > 3 ? strtoull(c->argv[3], NULL, 0) : 0,
		.ShapingBehavior = (QOS_SHAPING)number(c, 4),
		.Reason = QOSFlowRateUserCaused,
	};

	say_result(QOSSetFlow(*handle_slot(c, 1), (QOS_FLOWID)number(c, 2), QOSSetOutgoingRate,
			      sizeof(rate), &rate, 0, NULL));
}

static void do_query_rate(const struct command *c)
{
	UINT64 rate = 0;
	ULONG size = sizeof(rate);

	say_result(QOSQueryFlow(*handle_slot(c, 1), (QOS_FLOWID)number(c, 2), QOSQueryOutgoingRate,
				&size, &rate, 0, NULL));
	say(" %llu", (unsigned long long)rate);
}

static void do_priority(const struct command *c)
{
	QOS_PACKET_PRIORITY priority = { 0 };
	ULONG size = sizeof(priority);

	say_result(QOSQueryFlow(*handle_slot(c, 1), (QOS_FLOWID)number(c, 2),
				QOSQueryPacketPriority, &size, &priority, 0, NULL));
	say(" %u %u", (unsigned)priority.ConformantDSCPValue, (unsigned)priority.ConformantL2Value);
}

static void do_enumerate(const struct command *c)
{
	static QOS_FLOWID ids[2048];
	ULONG size = sizeof(ids);
	BOOL result = QOSEnumerateFlows(*handle_slot(c, 1), &size, ids);

	say_result(result);
	for (ULONG i = 0; result && i < size / sizeof(ids[0]); i++)
		say(" %u", (unsigned)ids[i]);
}

/* As a voice server does for each datagram: handle, socket, address, port, how often. */
static void do_voice_server(const struct command *c)
{
	struct sockaddr_storage storage;
	const struct sockaddr *to = address(c, 3, &storage);
	long long failed = 0;

	for (long long i = 0; i < number(c, 5); i++) {
		QOS_FLOWID flow = 0;
		char payload[32];
		int len = snprintf(payload, sizeof(payload), "datagram-%lld;", i);

		if (!QOSAddSocketToFlow(*handle_slot(c, 1), (SOCKET)number(c, 2), (PSOCKADDR)to,
					QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW, &flow) ||
		    sendto((int)number(c, 2), payload, (size_t)len, 0, to, address_len(to)) < 0 ||
		    !QOSRemoveSocketFromFlow(*handle_slot(c, 1), 0, flow, 0))
			failed++;
	}
	say("%lld", failed);
}

/* ---- greenwave.h ---- */

static void do_open(const struct command *c)
{
	(void)c;
	say("%d", gw_open(&native, NULL));
}

static void do_close_native(const struct command *c)
{
	(void)c;
	native = gw_close(native);
	say("0");
}

/* socket, address, port, class, flags */
static void do_add_native(const struct command *c)
{
	struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = (enum gw_class)number(c, 4),
				.flags = (uint32_t)number(c, 5));
	struct sockaddr_storage storage;
	const struct sockaddr *a = address(c, 2, &storage);
	uint32_t id = 0;

	say("%d", gw_flow_add(native, (int)number(c, 1), a, address_len(a), &options, &id));
	say(" %u", id);
}

/* flow, bits per second, enum gw_excess */
static void do_reserve_native(const struct command *c)
{
	struct gw_tspec tspec = { .size = sizeof(tspec), .rate_bps = (uint64_t)number(c, 2) };

	say("%d", gw_flow_reserve(native, (uint32_t)number(c, 1), tspec.rate_bps ? &tspec : NULL,
				  (enum gw_excess)number(c, 3)));
}

static void do_remove_native(const struct command *c)
{
	say("%d", gw_flow_remove(native, (uint32_t)number(c, 1)));
}

static void do_watch(const struct command *c)
{
	(void)c;
	say("%d", gw_watch(native));
}

static void do_event(const struct command *c)
{
	struct gw_event event = { .size = sizeof(event) };
	int r = gw_event_next(native, (int)number(c, 1), &event);

	say("%d", r);
	if (r > 0)
		say(" %d %u %s", (int)event.type, event.flow.id, event.reason);
}

/* ---- how long after close() the books still show a flow ---- */

static int count_record(const struct gw_flow_record *record, void *user_data)
{
	(void)record;
	++*(int *)user_data;
	return 0;
}

static double microseconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* One round: the time from before close() until a list without the flow has come. */
static double close_round(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct gw_flow_options options = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), flows;
	double start;
	uint32_t id;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 ||
	    gw_flow_add(native, fd, (struct sockaddr *)&to, sizeof(to), &options, &id) < 0)
		return -1;
	start = microseconds_now();
	close(fd);
	do {
		flows = 0;
		if (gw_list(native, 0, count_record, &flows) < 0 ||
		    microseconds_now() - start > 2e6)
			return -1;
	} while (flows > 0);
	return microseconds_now() - start;
}

static void do_close_latency(const struct command *c)
{
	int rounds = (int)number(c, 1);
	double *took = calloc((size_t)rounds, sizeof(*took));

	for (int i = 0; took && i < rounds; i++) {
		took[i] = close_round();
		if (took[i] < 0) {
			say("-1");
			free(took);
			return;
		}
	}
	if (took) {
		qsort(took, (size_t)rounds, sizeof(*took), compare);
		say("0 %.1f %.1f %.1f", took[rounds / 2], took[rounds * 99 / 100],
		    took[rounds - 1]);
	}
	free(took);
}

/* ---- the process ---- */

/* A child ends at once: "exit" runs what is registered for the end of a program, "_exit" does not. */
static void do_fork(const struct command *c)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		if (strcmp(c->argv[1], "exit") == 0)
			exit(0);
		if (strcmp(c->argv[1], "close") == 0)
			QOSCloseHandle(handles[0]);
		_exit(0);
	}
	waitpid(child, &status, 0);
	say("%d", status);
}

static void do_exit(const struct command *c)
{
	exit((int)number(c, 1));
}

/* ---- commands ---- */

static const struct {
	const char *name;
	int words; /* that it needs, its name included */
	void (*run)(const struct command *c);
} commands[] = {
	{ "take", 1, do_take },
	{ "socket", 3, do_socket },
	{ "bind", 4, do_bind },
	{ "connect", 4, do_connect },
	{ "disconnect", 2, do_disconnect },
	{ "send", 3, do_send },
	{ "shutdown", 3, do_shutdown },
	{ "close", 2, do_close },
	{ "create", 2, do_create },
	{ "close-handle", 2, do_close_handle },
	{ "add", 8, do_add },
	{ "remove", 4, do_remove },
	{ "set-type", 4, do_set_type },
	{ "set-dscp", 4, do_set_dscp },
	{ "flood", 4, do_flood },
	{ "set-rate", 5, do_set_rate },
	{ "query-rate", 3, do_query_rate },
	{ "priority", 3, do_priority },
	{ "enumerate", 2, do_enumerate },
	{ "voice-server", 6, do_voice_server },
	{ "open", 1, do_open },
	{ "close-native", 1, do_close_native },
	{ "add-native", 6, do_add_native },
	{ "reserve-native", 4, do_reserve_native },
	{ "remove-native", 2, do_remove_native },
	{ "watch", 1, do_watch },
	{ "event", 2, do_event },
	{ "close-latency", 2, do_close_latency },
	{ "track", 5, do_track },
	{ "untrack", 5, do_untrack },
	{ "fundamentals", 4, do_fundamentals },
	{ "notify", 6, do_notify },
	{ "notified", 3, do_notified },
	{ "cancel", 3, do_cancel },
	{ "fork", 2, do_fork },
	{ "exit", 2, do_exit },
};

static void execute(const struct command *c)
{
	answer[0] = '\0';
	SetLastError(SENTINEL);
	for (size_t i = 0; c->argc > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, c->argv[0]) == 0 && c->argc >= commands[i].words) {
			commands[i].run(c);
			return;
		}
	}
	say("unknown");
}

static bool receive(struct command *c, char *text, size_t size)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { text, size - 1 };
	struct msghdr head = { .msg_iov = &iov,
			       .msg_iovlen = 1,
			       .msg_control = control.bytes,
			       .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(STDIN_FILENO, &head, MSG_CMSG_CLOEXEC);
	struct cmsghdr *item;
	char *save = NULL;

	if (n <= 0)
		return false;
	text[n] = '\0';
	c->fd = -1;
	item = CMSG_FIRSTHDR(&head);
	if (item && item->cmsg_type == SCM_RIGHTS)
		memcpy(&c->fd, CMSG_DATA(item), sizeof(c->fd));
	c->argc = 0;
	for (char *word = strtok_r(text, " ", &save); word && c->argc < WORDS_MAX;
	     word = strtok_r(NULL, " ", &save))
		c->argv[c->argc++] = word;
	return true;
}

int main(void)
{
	struct command c;
	char text[4096];

	signal(SIGPIPE, SIG_IGN);
	while (receive(&c, text, sizeof(text))) {
		execute(&c);
		if (send(STDIN_FILENO, answer, strlen(answer), MSG_NOSIGNAL) < 0)
			return 1;
	}
	return 0;
}
