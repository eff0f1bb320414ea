/* SPDX-License-Identifier: MIT */
/*
 * support.c: sockets on loopback, marks that arrived, handles that an item leaves behind, and
 * children.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "items.h"

#define KEEP_MAX 256
#define ARRIVAL_MS 10000

static HANDLE kept_handles[KEEP_MAX], kept_events[KEEP_MAX];
static int kept_fds[KEEP_MAX];
static unsigned n_handles, n_events, n_fds;

bool is_embedded(void)
{
	const char *mode = getenv("GREENWAVE_MODE");

	return mode && strcmp(mode, "embedded") == 0;
}

bool is_privileged(void)
{
	return geteuid() == 0;
}

double clock_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- what items leave behind ---- */

HANDLE new_handle(void)
{
	QOS_VERSION version = { 1, 0 };
	HANDLE h = NULL;

	EXPECT_TRUE(QOSCreateHandle(&version, &h));
	CHECK(n_handles < KEEP_MAX);
	kept_handles[n_handles++] = h;
	return h;
}

HANDLE new_event(BOOL manual_reset)
{
	HANDLE event = CreateEvent(NULL, manual_reset, FALSE, NULL);

	CHECK(event && n_events < KEEP_MAX);
	kept_events[n_events++] = event;
	return event;
}

int keep(int fd)
{
	if (fd < 0)
		item_failed(__FILE__, __LINE__, "no descriptor: %s", strerror(errno));
	CHECK(n_fds < KEEP_MAX);
	kept_fds[n_fds++] = fd;
	return fd;
}

/* What the item has closed itself is refused here, which does no harm. */
void drop_kept(void)
{
	while (n_handles > 0)
		QOSCloseHandle(kept_handles[--n_handles]);
	while (n_events > 0)
		CloseHandle(kept_events[--n_events]);
	while (n_fds > 0)
		close(kept_fds[--n_fds]);
}

/* ---- sockets ---- */

static void ask_for_marks(int fd, int family)
{
	int on = 1;

	if (family == AF_INET)
		CHECK(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)) == 0);
	else
		CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)) == 0);
}

struct sink new_sink_at(const char *address)
{
	struct sink sink = { .length = sizeof(struct sockaddr_in) };

	memset(&sink.in6, 0, sizeof(sink.in6));
	sink.any.sa_family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (sink.any.sa_family == AF_INET6) {
		sink.length = sizeof(sink.in6);
		CHECK(inet_pton(AF_INET6, address, &sink.in6.sin6_addr) == 1);
	} else {
		CHECK(inet_pton(AF_INET, address, &sink.in.sin_addr) == 1);
	}
	sink.fd = socket(sink.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sink.fd < 0 && errno == EAFNOSUPPORT)
		item_skip("no IPv6 here");
	keep(sink.fd);
	if (bind(sink.fd, &sink.any, sink.length) < 0)
		item_skip("cannot bind to %s: %s", address, strerror(errno));
	CHECK(getsockname(sink.fd, &sink.any, &sink.length) == 0);
	ask_for_marks(sink.fd, sink.any.sa_family);
	return sink;
}

struct sink new_sink(int family)
{
	return new_sink_at(family == AF_INET ? "127.0.0.1" : "::1");
}

struct sink silent_host(void)
{
	struct sink sink = { .length = sizeof(sink.in), .fd = -1 };
	const char *net = getenv("GW_SILENT_NET");

	if (!net)
		item_skip("needs hosts on the link that answer nothing, in GW_SILENT_NET");
	sink.in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(5000) };
	CHECK(inet_pton(AF_INET, net, &sink.in.sin_addr) == 1);
	sink.in.sin_addr.s_addr |= htonl(item_number());
	return sink;
}

PSOCKADDR address_of(struct sink *sink)
{
	return &sink->any;
}

struct sockaddr_in6 mapped(const struct sink *sink)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = sink->in.sin_port };

	address.sin6_addr.s6_addr[10] = address.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&address.sin6_addr.s6_addr[12], &sink->in.sin_addr, 4);
	return address;
}

int udp_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		item_skip("no IPv6 here");
	return keep(fd);
}

int connected_socket(const struct sink *sink)
{
	int fd = udp_socket(sink->any.sa_family);

	CHECK(connect(fd, &sink->any, sink->length) == 0);
	return fd;
}

int tcp_listener(struct sockaddr_in *ret_address)
{
	int fd = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	socklen_t length = sizeof(*ret_address);

	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->sin_family = AF_INET;
	ret_address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(bind(fd, (struct sockaddr *)ret_address, sizeof(*ret_address)) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)ret_address, &length) == 0);
	CHECK(listen(fd, 4) == 0);
	return fd;
}

/* ---- marks ---- */

static int find_byte(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		int traffic_class;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			return *(unsigned char *)CMSG_DATA(c);
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			memcpy(&traffic_class, CMSG_DATA(c), sizeof(traffic_class));
			return traffic_class;
		}
	}
	return -1;
}

int byte_received(struct sink *sink)
{
	struct pollfd readable = { .fd = sink->fd, .events = POLLIN };
	char text[64];
	union {
		struct cmsghdr align;
		char bytes[256];
	} control;
	struct iovec iov = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int byte;

	if (poll(&readable, 1, ARRIVAL_MS) != 1)
		item_failed(__FILE__, __LINE__, "a datagram did not arrive");
	CHECK(recvmsg(sink->fd, &message, 0) >= 0);
	byte = find_byte(&message);
	CHECK(byte >= 0);
	return byte;
}

int byte_sent(int fd, struct sink *sink)
{
	if (send(fd, "x", 1, 0) != 1)
		item_failed(__FILE__, __LINE__, "send: %s", strerror(errno));
	return byte_received(sink);
}

int byte_sent_to(int fd, struct sink *sink, const void *address, socklen_t length)
{
	if (sendto(fd, "x", 1, 0, address, length) != 1)
		item_failed(__FILE__, __LINE__, "sendto: %s", strerror(errno));
	return byte_received(sink);
}

/* ---- calls ---- */

QOS_FLOWID add_flow(HANDLE h, int fd, PSOCKADDR to, QOS_TRAFFIC_TYPE type, DWORD flags)
{
	QOS_FLOWID id = 0;

	EXPECT_TRUE(QOSAddSocketToFlow(h, (SOCKET)fd, to, type, flags, &id));
	CHECK(id != 0);
	return id;
}

BOOL set_type(HANDLE h, QOS_FLOWID id, int type)
{
	return QOSSetFlow(h, id, QOSSetTrafficType, sizeof(type), &type, 0, NULL);
}

BOOL set_dscp(HANDLE h, QOS_FLOWID id, DWORD dscp)
{
	return QOSSetFlow(h, id, QOSSetOutgoingDSCPValue, sizeof(dscp), &dscp, 0, NULL);
}

BOOL set_rate(HANDLE h, QOS_FLOWID id, UINT64 bandwidth, int shaping, int reason)
{
	QOS_FLOWRATE_OUTGOING rate = { bandwidth, (QOS_SHAPING)shaping,
				       (QOS_FLOWRATE_REASON)reason };

	return QOSSetFlow(h, id, QOSSetOutgoingRate, sizeof(rate), &rate, 0, NULL);
}

BOOL query_rate(HANDLE h, QOS_FLOWID id, UINT64 *ret_rate)
{
	ULONG size = sizeof(*ret_rate);

	return QOSQueryFlow(h, id, QOSQueryOutgoingRate, &size, ret_rate, 0, NULL);
}

BOOL query_priority(HANDLE h, QOS_FLOWID id, QOS_PACKET_PRIORITY *ret_priority)
{
	ULONG size = sizeof(*ret_priority);

	return QOSQueryFlow(h, id, QOSQueryPacketPriority, &size, ret_priority, 0, NULL);
}

/* ---- children ---- */

struct child start_child(const char *role, const char *argument)
{
	struct child child;
	int in[2], out[2];

	CHECK(pipe(in) == 0 && pipe(out) == 0);
	fflush(stdout);
	child.pid = fork();
	CHECK(child.pid >= 0);
	if (child.pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		closefrom(3);
		execl("/proc/self/exe", "qwave_conformance", "--role", role, argument,
		      (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	child.in = in[1];
	child.out = out[0];
	return child;
}

void child_line(struct child *child, char *line, int size)
{
	int n = 0;

	while (n < size - 1 && read(child->out, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	if (n == 0)
		item_failed(__FILE__, __LINE__, "the other process said nothing");
}

int end_child(struct child *child, bool kill_it)
{
	int status;

	if (kill_it)
		kill(child->pid, SIGKILL);
	close(child->in);
	CHECK(waitpid(child->pid, &status, 0) == child->pid);
	close(child->out);
	return status;
}

void run_child(const char *role, const char *argument)
{
	struct child child = start_child(role, argument);
	char said[512] = "";
	ssize_t n, length = 0;
	int status;

	while (length < (ssize_t)sizeof(said) - 1 &&
	       (n = read(child.out, said + length, sizeof(said) - 1 - (size_t)length)) > 0)
		length += n;
	said[strcspn(said, "\n")] = '\0';
	status = end_child(&child, false);
	if (WIFEXITED(status) && WEXITSTATUS(status) == ROLE_SKIP)
		item_skip("%s", said);
	if (status != 0)
		item_failed(__FILE__, __LINE__, "in the other process: %s", said);
}
