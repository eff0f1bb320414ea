/* SPDX-License-Identifier: MIT */
/* measure.c: see measure.h. */
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define RECEIVER_PATIENCE_MS 1000

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

void must(int r, const char *what)
{
	if (r < 0)
		die("%s: %s", what, strerror(-r));
}

int must_call(int r, const char *what)
{
	if (r < 0)
		die("%s: %s", what, strerror(errno));
	return r;
}

/* ---- clocks ---- */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- series ---- */

void series_add(struct series *series, double value)
{
	if (series->count == series->room) {
		series->room = series->room ? 2 * series->room : 1024;
		series->values = realloc(series->values, series->room * sizeof(double));
		if (!series->values)
			die("out of memory");
	}
	series->values[series->count++] = value;
}

double series_mean(const struct series *series)
{
	double sum = 0;

	for (size_t i = 0; i < series->count; i++)
		sum += series->values[i];
	return sum / (double)series->count;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double series_quantile(struct series *series, double q)
{
	if (series->count == 0)
		die("nothing was measured");
	qsort(series->values, series->count, sizeof(double), compare);
	return series->values[(size_t)(q * (double)(series->count - 1) + 0.5)];
}

void report(const char *id, const char *unit, struct series *values, struct series *ratios)
{
	double mean = series_mean(values), median = series_quantile(values, 0.5);

	printf("{\"case\": \"%s\", \"unit\": \"%s\", \"count\": %zu, \"median\": %.3f, \"mean\": %.3f, "
	       "\"p99\": %.3f, \"max\": %.3f",
	       id, unit, values->count, median, mean, series_quantile(values, 0.99),
	       series_quantile(values, 1.0));
	if (ratios)
		printf(", \"ratio\": %.4f", series_quantile(ratios, 0.5));
	puts("}");
	fflush(stdout);
}

void report_count(const char *id, const char *unit, uint64_t value)
{
	printf("{\"case\": \"%s\", \"unit\": \"%s\", \"count\": 1, \"value\": %" PRIu64 "}\n", id,
	       unit, value);
	fflush(stdout);
}

/* ---- places ---- */

static int open_namespace(const char *path)
{
	return must_call(open(path, O_RDONLY | O_CLOEXEC), path);
}

void enter_namespace(const char *name)
{
	static int home = -1;
	char path[128];
	int fd;

	if (home < 0)
		home = open_namespace("/proc/thread-self/ns/net");
	if (strcmp(name, "-") == 0) {
		must_call(setns(home, CLONE_NEWNET), "setns");
		return;
	}
	snprintf(path, sizeof(path), "/run/netns/%s", name);
	fd = open_namespace(path);
	must_call(setns(fd, CLONE_NEWNET), "setns");
	close(fd);
}

void raise_descriptor_limit(void)
{
	struct rlimit limit;

	must_call(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	must_call(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

int udp_socket(void)
{
	return must_call(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
}

struct sockaddr_in ipv4_address(const char *address, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1)
		die("not an IPv4 address: %s", address);
	return in;
}

int receiver_open(const char *namespace, uint16_t port, int receive_buffer_bytes)
{
	struct sockaddr_in any = ipv4_address("0.0.0.0", port);
	const int yes = 1;
	int fd;

	enter_namespace(namespace);
	fd = udp_socket();
	enter_namespace("-");
	must_call(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int)),
		  "SO_RCVBUF");
	must_call(setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &yes, sizeof(yes)), "IP_RECVTOS");
	must_call(bind(fd, (struct sockaddr *)&any, sizeof(any)), "bind");
	return fd;
}

static bool receive_one(int fd, int *ret_tos)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char data[2048];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr head = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *item;

	if (poll(&readable, 1, RECEIVER_PATIENCE_MS) <= 0 || recvmsg(fd, &head, MSG_DONTWAIT) < 0)
		return false;
	item = CMSG_FIRSTHDR(&head);
	if (!item || item->cmsg_level != IPPROTO_IP || item->cmsg_type != IP_TOS)
		die("a datagram came without its TOS");
	*ret_tos = *(const uint8_t *)CMSG_DATA(item);
	return true;
}

size_t receiver_count(int fd, size_t expected, uint8_t tos)
{
	size_t count = 0;
	int seen;

	for (size_t i = 0; i < expected && receive_one(fd, &seen); i++)
		count += seen == tos;
	return count;
}

/* ---- lanes ---- */

struct lane lane_parse(const char *text)
{
	char *rest = strdup(text);
	struct lane lane;

	if (!rest)
		die("out of memory");
	lane = (struct lane){ .id = strsep(&rest, ","), .kind = strsep(&rest, ",") };
	lane.namespace = strsep(&rest, ",");
	lane.where = strsep(&rest, ",");
	lane.peer = strsep(&rest, ",");
	if (!lane.namespace)
		die("not a lane: %s", text);
	return lane;
}
