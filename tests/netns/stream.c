/* SPDX-License-Identifier: MIT */
/*
 * stream.c: traffic that can be judged. Each of these ends by itself or on SIGTERM (the sink also when its
 * standard input closes), and then prints one line of JSON about what it did.
 *
 *     stream send [-r BITS] [-l BYTES] [-n COUNT] [-d SECONDS] [-g SEGMENTS] [-b BYTES] [-f FD]...
 *                 [ADDRESS PORT]
 *         Datagrams at an exact rate (BITS/s of IP; 0: as fast as they are taken), through the given connected
 *         sockets in turn, or one of its own. Each begins with its number and the time of sending. -g: so many
 *         at once, for the kernel to cut (UDP_SEGMENT). -b: so much may wait in the kernel for each socket; with
 *         enough of it nothing makes the sender wait, and what a queue has no room for is lost.
 *     stream bulk [-d SECONDS] [-c CONNECTIONS] [-f FD]... [ADDRESS PORT]
 *         TCP connections, all as fast as they can.
 *     stream sink ADDRESS PORT
 *         Takes what TCP connections send. Prints "ready" first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKETS_MAX 64
#define DATAGRAM_MAX 65000
#define SECOND_NS 1000000000LL
#define UDP_SEGMENT 103
#define MAGIC "GWst"

/* What a datagram begins with, in the byte order of the machine: nobody else reads it. */
struct stamp {
	char magic[4];
	uint32_t number;
	int64_t sent_ns; /* CLOCK_REALTIME, as the kernel stamps what arrives */
};

struct wish {
	int64_t rate_bps;
	size_t payload_bytes;
	uint64_t count; /* 0: no limit */
	int64_t duration_ns;
	unsigned segments;
	int send_buffer_bytes; /* 0: as it is */
	unsigned connections;
	int fds[SOCKETS_MAX];
	unsigned n_fds;
	struct sockaddr_storage to;
	socklen_t to_len; /* 0: no address */
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

_Noreturn static void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn static void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "%s%s\n", errno ? ": " : "", errno ? strerror(errno) : "");
	exit(1);
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void read_address(struct wish *wish, const char *address, const char *port)
{
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&wish->to;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&wish->to;

	if (inet_pton(AF_INET6, address, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)atoi(port));
		wish->to_len = sizeof(*v6);
	} else {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		if (inet_pton(AF_INET, address, &v4->sin_addr) != 1)
			die("no address: %s", address);
		wish->to_len = sizeof(*v4);
	}
}

static struct wish read_wish(int argc, char **argv)
{
	struct wish wish = { .payload_bytes = 1000, .segments = 1, .connections = 1 };
	int option;

	while ((option = getopt(argc, argv, "r:l:n:d:g:b:c:f:")) != -1) {
		if (option == 'r')
			wish.rate_bps = atoll(optarg);
		else if (option == 'l')
			wish.payload_bytes = strtoul(optarg, NULL, 10);
		else if (option == 'n')
			wish.count = strtoull(optarg, NULL, 10);
		else if (option == 'd')
			wish.duration_ns = (int64_t)(atof(optarg) * SECOND_NS);
		else if (option == 'g')
			wish.segments = (unsigned)atoi(optarg);
		else if (option == 'b')
			wish.send_buffer_bytes = atoi(optarg);
		else if (option == 'c')
			wish.connections = (unsigned)atoi(optarg);
		else if (option == 'f' && wish.n_fds < SOCKETS_MAX)
			wish.fds[wish.n_fds++] = atoi(optarg);
		else
			die("no such option");
	}
	if (optind + 2 == argc)
		read_address(&wish, argv[optind], argv[optind + 1]);
	else if (wish.n_fds == 0)
		die("where to?");
	if (wish.payload_bytes < sizeof(struct stamp) || wish.segments < 1 ||
	    wish.payload_bytes * wish.segments > DATAGRAM_MAX)
		die("no such size");
	return wish;
}

/* Our own sockets, unless some were given. */
static void open_sockets(struct wish *wish, int type, unsigned n)
{
	if (wish->n_fds > 0)
		return;
	for (; wish->n_fds < n && wish->n_fds < SOCKETS_MAX; wish->n_fds++) {
		int fd = socket(wish->to.ss_family, type | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&wish->to, wish->to_len) < 0)
			die("connect");
		wish->fds[wish->n_fds] = fd;
	}
}

/* ---- datagrams ---- */

static size_t header_bytes(int fd)
{
	struct sockaddr_storage local = { 0 };
	socklen_t len = sizeof(local);
	struct in6_addr *address = &((struct sockaddr_in6 *)&local)->sin6_addr;

	if (getsockname(fd, (struct sockaddr *)&local, &len) < 0)
		die("getsockname");
	return local.ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(address) ? 48 : 28;
}

struct sending {
	uint64_t datagrams;
	uint64_t refused; /* of those: the kernel said no */
	int64_t late_ns;  /* the most that we were woken too late: the machine was busy */
	int64_t longest_send_ns;
	int64_t begin_ns, end_ns;
};

/* Waits for the time; how late it is then is the machine's fault. False: told to stop. */
static bool wait_until(int64_t due_ns, struct sending *done)
{
	struct timespec due = { due_ns / SECOND_NS, due_ns % SECOND_NS };
	int64_t late_ns;

	if (now_ns(CLOCK_MONOTONIC) >= due_ns)
		return !stopped;
	if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
		return false;
	late_ns = now_ns(CLOCK_MONOTONIC) - due_ns;
	if (late_ns > done->late_ns)
		done->late_ns = late_ns;
	return !stopped;
}

static void send_once(const struct wish *wish, int fd, struct sending *done)
{
	static char buffer[DATAGRAM_MAX];
	int64_t before = now_ns(CLOCK_MONOTONIC), took;

	for (unsigned i = 0; i < wish->segments; i++) {
		struct stamp stamp = { MAGIC, (uint32_t)(done->datagrams + i),
				       now_ns(CLOCK_REALTIME) };

		memcpy(buffer + i * wish->payload_bytes, &stamp, sizeof(stamp));
	}
	if (send(fd, buffer, wish->payload_bytes * wish->segments, 0) < 0) {
		if (errno == EINTR)
			return;
		if (errno != ENOBUFS && errno != EAGAIN)
			die("send");
		done->refused += wish->segments;
	}
	done->datagrams += wish->segments;
	took = now_ns(CLOCK_MONOTONIC) - before;
	if (took > done->longest_send_ns)
		done->longest_send_ns = took;
}

static void prepare(const struct wish *wish)
{
	int size = (int)wish->payload_bytes, room = wish->send_buffer_bytes;

	for (unsigned i = 0; i < wish->n_fds; i++) {
		if (wish->segments > 1 &&
		    setsockopt(wish->fds[i], IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
			die("UDP_SEGMENT");
		if (room > 0 &&
		    setsockopt(wish->fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
			die("SO_SNDBUFFORCE");
	}
}

static void do_send(struct wish *wish)
{
	struct sending done = { .begin_ns = now_ns(CLOCK_MONOTONIC) };
	double gap_ns = 0;
	size_t headers;

	open_sockets(wish, SOCK_DGRAM, 1);
	headers = header_bytes(wish->fds[0]);
	prepare(wish);
	if (wish->rate_bps > 0)
		gap_ns = (double)(wish->payload_bytes + headers) * wish->segments * 8 * SECOND_NS /
			 (double)wish->rate_bps;
	done.end_ns = done.begin_ns;
	for (uint64_t i = 0; !stopped && (wish->count == 0 || done.datagrams < wish->count); i++) {
		if (wish->duration_ns > 0 && done.end_ns - done.begin_ns >= wish->duration_ns)
			break;
		if (!wait_until(done.begin_ns + (int64_t)(gap_ns * (double)i), &done))
			break;
		send_once(wish, wish->fds[i % wish->n_fds], &done);
		done.end_ns = now_ns(CLOCK_MONOTONIC);
	}
	printf("{\"datagrams\": %llu, \"refused\": %llu, \"late_ms\": %.3f, "
	       "\"longest_send_ms\": %.3f, \"seconds\": %.6f}\n",
	       (unsigned long long)done.datagrams, (unsigned long long)done.refused,
	       (double)done.late_ns / 1e6, (double)done.longest_send_ns / 1e6,
	       (double)(done.end_ns - done.begin_ns) / 1e9);
}

/* ---- streams ---- */

static void do_bulk(struct wish *wish)
{
	static const char data[1 << 16];
	const struct linger at_once = { .l_onoff = 1 };
	struct pollfd polls[SOCKETS_MAX];
	int64_t begin_ns = now_ns(CLOCK_MONOTONIC);
	uint64_t bytes = 0;

	open_sockets(wish, SOCK_STREAM, wish->connections);
	for (unsigned i = 0; i < wish->n_fds; i++) {
		polls[i] = (struct pollfd){ .fd = wish->fds[i], .events = POLLOUT };
		fcntl(wish->fds[i], F_SETFL, O_NONBLOCK);
	}
	while (!stopped &&
	       (wish->duration_ns == 0 || now_ns(CLOCK_MONOTONIC) - begin_ns < wish->duration_ns)) {
		if (poll(polls, wish->n_fds, 50) < 0)
			continue;
		for (unsigned i = 0; i < wish->n_fds; i++) {
			ssize_t n = polls[i].revents
					    ? send(wish->fds[i], data, sizeof(data), MSG_NOSIGNAL)
					    : 0;

			if (n < 0 && errno != EAGAIN && errno != EINTR)
				die("send");
			bytes += n > 0 ? (uint64_t)n : 0;
		}
	}
	printf("{\"bytes\": %llu, \"seconds\": %.6f}\n", (unsigned long long)bytes,
	       (double)(now_ns(CLOCK_MONOTONIC) - begin_ns) / 1e9);
	/* What is still queued is of no interest. */
	for (unsigned i = 0; i < wish->n_fds; i++) {
		setsockopt(wish->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(wish->fds[i]);
	}
}

static int open_listener(const struct wish *wish)
{
	int fd = socket(wish->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int yes = 1;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)&wish->to, wish->to_len) < 0 ||
	    listen(fd, SOCKETS_MAX) < 0)
		die("listen");
	return fd;
}

/* Returns what the connection gave; ends it at its end. */
static uint64_t drain(struct pollfd *connection)
{
	static char buffer[1 << 18];
	ssize_t n = recv(connection->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

	if (n > 0)
		return (uint64_t)n;
	if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		close(connection->fd);
		connection->fd = -1;
	}
	return 0;
}

static void do_sink(struct wish *wish)
{
	struct pollfd polls[2 + SOCKETS_MAX] = { { .fd = open_listener(wish), .events = POLLIN },
						 { .fd = STDIN_FILENO, .events = POLLIN } };
	int64_t first_ns = 0, last_ns = 0;
	uint64_t bytes = 0, more;
	unsigned n = 2;

	printf("ready\n");
	fflush(stdout);
	while (!stopped && !polls[1].revents) {
		if (poll(polls, n, -1) < 0)
			continue;
		if (polls[0].revents && n < 2 + SOCKETS_MAX)
			polls[n++] = (struct pollfd){ .fd = accept4(polls[0].fd, NULL, NULL,
								    SOCK_CLOEXEC),
						      .events = POLLIN };
		for (unsigned i = 2; i < n; i++) {
			more = polls[i].revents ? drain(&polls[i]) : 0;
			bytes += more;
			if (more) {
				last_ns = now_ns(CLOCK_MONOTONIC);
				first_ns = first_ns ? first_ns : last_ns;
			}
		}
		while (n > 2 && polls[n - 1].fd < 0)
			n--;
	}
	printf("{\"bytes\": %llu, \"seconds\": %.6f}\n", (unsigned long long)bytes,
	       (double)(last_ns - first_ns) / 1e9);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = stop };
	struct wish wish;

	if (argc < 2)
		die("usage: stream send|bulk|sink ...");
	sigaction(SIGTERM, &action, NULL);
	wish = read_wish(argc - 1, argv + 1);
	if (strcmp(argv[1], "send") == 0)
		do_send(&wish);
	else if (strcmp(argv[1], "bulk") == 0)
		do_bulk(&wish);
	else if (strcmp(argv[1], "sink") == 0)
		do_sink(&wish);
	else
		die("no such task: %s", argv[1]);
	return 0;
}
