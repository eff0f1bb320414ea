/* SPDX-License-Identifier: MIT */
/*
 * test_lib_rates.c: what rates, reservations and forwarded packets look like to the host: each request with its
 * fields, and with descriptors where TCP sockets have to be paced, or not any more.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <greenwave.h>

#include "proto/msg.h"

#define FLOW 7u

/* ---- a host that answers all, and writes down what it was asked ---- */

struct asked {
	struct msg msg;
	size_t n_fds;
};

static struct {
	char folder[32];
	struct sockaddr_un address;
	int listener;
	pthread_t thread;
	uint32_t host_flags;
	int status; /* of each answer but those to the greeting and the end */
	struct asked asked[600];
	size_t n_asked;
} host;

static struct gw *gw;

static void send_msg(int fd, const struct msg *msg, const struct gw_flow_record *record)
{
	unsigned char buf[MSG_MAX];
	long len = msg_encode(msg, buf, sizeof(buf));

	if (record)
		len = record_append(record, buf, (size_t)len, sizeof(buf));
	if (len < 0 || send(fd, buf, (size_t)len, MSG_NOSIGNAL) != len)
		abort();
}

static void answer(int fd, const struct msg *request)
{
	struct gw_flow_record ended = { .size = sizeof(ended), .id = FLOW };
	struct msg reply = { .head = request->head }, event = { .head.type = MSG_EVENT };

	/* The flow ends by itself just before somebody asks for the status. */
	if (request->head.type == MSG_STATUS) {
		MSG_SET(&event, TAG_EVENT, event, GW_EVENT_FLOW_ENDED);
		send_msg(fd, &event, &ended);
	}
	if (request->head.type == MSG_HELLO)
		MSG_SET(&reply, TAG_HOST_FLAGS, host_flags, host.host_flags);
	else if (request->head.type != MSG_END)
		reply.head.status = host.status;
	MSG_SET(&reply, TAG_FLOW_ID, flow_id, FLOW);
	send_msg(fd, &reply, NULL);
}

static size_t close_passed(struct msghdr *packet)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(packet);
	size_t n = head ? (head->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
		close(fd);
	}
	return n;
}

static void *serve(void *user_data)
{
	int fd = accept4(host.listener, NULL, NULL, SOCK_CLOEXEC);
	unsigned char buf[MSG_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MSG_MAX_FDS * sizeof(int))];
	} control;

	(void)user_data;
	for (;;) {
		struct iovec iov = { buf, sizeof(buf) };
		struct msghdr packet = { .msg_iov = &iov,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &packet, MSG_CMSG_CLOEXEC);
		struct asked *asked = &host.asked[host.n_asked];

		if (n <= 0)
			break;
		asked->n_fds = close_passed(&packet);
		if (msg_decode(buf, (size_t)n, &asked->msg) < 0 ||
		    ++host.n_asked == sizeof(host.asked) / sizeof(host.asked[0]))
			abort();
		answer(fd, &asked->msg);
	}
	close(fd);
	return NULL;
}

static void open_with(uint32_t host_flags)
{
	struct gw_open_options options = { .size = sizeof(options), .mode = GW_MODE_DAEMON };

	memset(&host, 0, sizeof(host));
	strcpy(host.folder, "/tmp/gw-rates-XXXXXX");
	host.host_flags = host_flags;
	host.address.sun_family = AF_UNIX;
	assert_non_null(mkdtemp(host.folder));
	snprintf(host.address.sun_path, sizeof(host.address.sun_path), "%s/socket", host.folder);
	host.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(
		bind(host.listener, (struct sockaddr *)&host.address, sizeof(host.address)), 0);
	assert_int_equal(listen(host.listener, 1), 0);
	assert_int_equal(pthread_create(&host.thread, NULL, serve, NULL), 0);
	options.socket_path = host.address.sun_path;
	assert_int_equal(gw_open(&gw, &options), 0);
}

static void close_all(void)
{
	gw = gw_close(gw);
	pthread_join(host.thread, NULL);
	close(host.listener);
	unlink(host.address.sun_path);
	rmdir(host.folder);
}

static const struct asked *last(void)
{
	return &host.asked[host.n_asked - 1];
}

static void assert_last(enum msg_type type, size_t n_fds)
{
	assert_int_equal(last()->msg.head.type, type);
	assert_int_equal(last()->n_fds, n_fds);
}

static int make_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static uint32_t add(int fd)
{
	uint32_t id;

	assert_int_equal(gw_flow_add(gw, fd, NULL, 0, NULL, &id), 0);
	assert_last(MSG_ADD, 1);
	return id;
}

/* ---- descriptors ---- */

/* from the first rate on, whatever may touch the pacing of the sockets brings them along. */
static void descriptors_of_tcp_sockets(void **state)
{
	int stream = make_socket(SOCK_STREAM), second = make_socket(SOCK_STREAM);
	struct gw_tspec tspec = { .size = sizeof(tspec), .rate_bps = 64000 };
	uint32_t id;

	(void)state;
	open_with(MSG_HOST_RATES);
	id = add(stream);
	assert_int_equal(gw_flow_set_class(gw, id, GW_CLASS_VOICE), 0);
	assert_last(MSG_SET_CLASS, 0);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_last(MSG_REMOVE, 0);

	id = add(stream);
	assert_int_equal(gw_flow_attach(gw, id, second, NULL, 0, 0), 0);
	assert_int_equal(gw_flow_set_rate(gw, id, 1000000, GW_SHAPE_AND_MARK, 3), 0);
	assert_last(MSG_SET_RATE, 2);
	assert_int_equal(gw_flow_set_rate(gw, id, GW_RATE_NONE, GW_SHAPE_ONLY, 0), 0);
	assert_last(MSG_SET_RATE, 2);
	assert_int_equal(gw_flow_reserve(gw, id, &tspec, GW_EXCESS_DROP), 0);
	assert_last(MSG_RESERVE, 2);
	assert_int_equal(gw_flow_detach(gw, id, second), 0);
	assert_last(MSG_DETACH, 1);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_last(MSG_REMOVE, 1);

	id = add(stream);
	assert_int_equal(gw_flow_reserve(gw, id, NULL, GW_EXCESS_DROP), 0);
	assert_last(MSG_RESERVE, 1);
	gw_end(gw);
	assert_int_equal(host.asked[host.n_asked - 2].msg.head.type, MSG_REMOVE);
	assert_int_equal(host.asked[host.n_asked - 2].n_fds, 1);
	assert_last(MSG_END, 0);
	close_all();
	close(stream);
	close(second);
}

/* The kernel sees to UDP sockets itself; flows without a rate end together. */
static void no_descriptors_in_vain(void **state)
{
	int datagram = make_socket(SOCK_DGRAM), stream = make_socket(SOCK_STREAM);
	uint32_t id;

	(void)state;
	open_with(MSG_HOST_RATES);
	id = add(datagram);
	assert_int_equal(gw_flow_set_rate(gw, id, 1000000, GW_SHAPE_AND_MARK, 0), 0);
	assert_last(MSG_SET_RATE, 0);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_last(MSG_REMOVE, 0);
	add(stream);
	gw_end(gw);
	assert_last(MSG_END, 0);
	assert_int_equal(host.asked[host.n_asked - 2].msg.head.type, MSG_ADD);
	close_all();
	close(stream);
	close(datagram);
}

/* A flow that has ended by itself is forgotten when that is told, before anybody takes the event. */
static void descriptors_go_with_the_flow(void **state)
{
	struct gw_status status = { .size = sizeof(status) };
	int stream = make_socket(SOCK_STREAM);
	uint32_t id;

	(void)state;
	open_with(MSG_HOST_RATES);
	id = add(stream);
	assert_int_equal(gw_flow_set_rate(gw, id, 1000000, GW_SHAPE_AND_MARK, 0), 0);
	assert_last(MSG_SET_RATE, 1);
	assert_int_equal(gw_status(gw, &status), 0);
	assert_int_equal(gw_flow_set_rate(gw, id, 2000000, GW_SHAPE_AND_MARK, 0), 0);
	assert_last(MSG_SET_RATE, 0);
	close_all();
	close(stream);
}

/* More sockets than a message carries: the first of them come along. */
static void many_sockets(void **state)
{
	int fds[MSG_MAX_FDS + 10];
	const int n = (int)(sizeof(fds) / sizeof(fds[0]));
	uint32_t id = 0;

	(void)state;
	open_with(MSG_HOST_RATES);
	for (int i = 0; i < n; i++) {
		fds[i] = make_socket(SOCK_STREAM);
		if (i == 0)
			id = add(fds[i]);
		else
			assert_int_equal(gw_flow_attach(gw, id, fds[i], NULL, 0, 0), 0);
	}
	assert_int_equal(gw_flow_set_rate(gw, id, 1000000, GW_SHAPE_AND_MARK, 0), 0);
	assert_last(MSG_SET_RATE, MSG_MAX_FDS);
	assert_int_equal(gw_flow_detach(gw, id, fds[n - 1]), 0); /* which was not among them */
	assert_last(MSG_DETACH, 1);
	close_all();
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/* ---- what is asked ---- */

static void reservations(void **state)
{
	struct gw_tspec tspec = { .size = sizeof(tspec),
				  .rate_bps = 80000,
				  .depth_bytes = 3000,
				  .peak_bps = 160000,
				  .min_bytes = 100,
				  .max_bytes = 1500 };
	const struct msg *m;

	(void)state;
	open_with(MSG_HOST_RATES);
	assert_int_equal(gw_flow_reserve(gw, FLOW, &tspec, GW_EXCESS_BEST_EFFORT), 0);
	assert_last(MSG_RESERVE, 0);
	m = &last()->msg;
	assert_int_equal(m->flow_id, FLOW);
	assert_int_equal(m->rate_bps, 80000);
	assert_int_equal(m->depth_bytes, 3000);
	assert_int_equal(m->peak_bps, 160000);
	assert_int_equal(m->min_bytes, 100);
	assert_int_equal(m->max_bytes, 1500);
	assert_int_equal(m->excess, GW_EXCESS_BEST_EFFORT);
	assert_int_equal(gw_flow_reserve(gw, FLOW, NULL, GW_EXCESS_DROP), 0);
	assert_true(MSG_HAS(&last()->msg, TAG_RATE));
	assert_int_equal(last()->msg.rate_bps, 0);
	host.status = -EDQUOT;
	assert_int_equal(gw_flow_reserve(gw, FLOW, &tspec, GW_EXCESS_DROP), -EDQUOT);

	assert_int_equal(gw_flow_reserve(NULL, FLOW, &tspec, GW_EXCESS_DROP), -EINVAL);
	assert_int_equal(gw_flow_reserve(gw, FLOW, &tspec, (enum gw_excess)3), -EINVAL);
	tspec.rate_bps = 0; /* would give a reservation back */
	assert_int_equal(gw_flow_reserve(gw, FLOW, &tspec, GW_EXCESS_DROP), -EINVAL);
	tspec.size = 1;
	assert_int_equal(gw_flow_reserve(gw, FLOW, &tspec, GW_EXCESS_DROP), -EINVAL);
	close_all();
}

static struct gw_tuple loopback_tuple(void)
{
	struct gw_tuple tuple = { .size = sizeof(tuple),
				  .protocol = IPPROTO_UDP,
				  .interface = "lo" };
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(5060),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memcpy(&tuple.destination, &in, sizeof(in));
	return tuple;
}

static void forwarded_packets(void **state)
{
	struct gw_flow_options options = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	struct gw_tuple tuple = loopback_tuple();
	const struct msg *m;
	uint32_t id = 0;

	(void)state;
	open_with(MSG_HOST_RATES);
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, &options, &id), 0);
	assert_int_equal(id, FLOW);
	assert_last(MSG_ADD_TUPLE, 0);
	m = &last()->msg;
	assert_false(MSG_HAS(m, TAG_SOURCE)); /* any */
	assert_int_equal(m->traffic_class, GW_CLASS_VOICE);
	assert_int_equal(m->dscp, GW_DSCP_FROM_CLASS);
	assert_int_equal(m->address.family, AF_INET);
	assert_int_equal(m->address.port, 5060);
	assert_int_equal(m->ip_protocol, IPPROTO_UDP);
	assert_int_equal(m->ifindex, 1); /* the loopback of every namespace */

	tuple.source = tuple.destination;
	((struct sockaddr_in *)&tuple.source)->sin_port = 0;
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), 0);
	assert_true(MSG_HAS(&last()->msg, TAG_SOURCE));
	assert_int_equal(last()->msg.source.port, 0);
	host.status = -EEXIST;
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -EEXIST);
	close_all();
}

static void malformed_tuples(void **state)
{
	struct gw_flow_options options = GW_FLOW_OPTIONS(.rate_bps = 64000);
	struct gw_tuple tuple = loopback_tuple();
	size_t n_asked;
	uint32_t id;

	(void)state;
	open_with(MSG_HOST_RATES);
	n_asked = host.n_asked;
	assert_int_equal(gw_flow_add_tuple(gw, NULL, NULL, &id), -EINVAL);
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, NULL), -EINVAL);
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, &options, &id), -EINVAL);
	strcpy(tuple.interface, "no-such-link");
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -ENODEV);
	memset(tuple.interface, 'x', sizeof(tuple.interface)); /* not terminated */
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -EINVAL);
	tuple.interface[0] = '\0';
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -EINVAL);
	tuple = loopback_tuple();
	tuple.destination.ss_family = AF_UNIX;
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -EINVAL);
	tuple = loopback_tuple();
	tuple.source.ss_family = AF_UNIX;
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -EINVAL);
	assert_int_equal(host.n_asked, n_asked);
	close_all();
}

/* The old structure had no rate: programs that were built with it get none. */
static void programs(void **state)
{
	struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_BACKGROUND, .rate_bps = 2500000);
	int stream = make_socket(SOCK_STREAM);
	uint32_t id;

	(void)state;
	open_with(MSG_HOST_RATES);
	assert_int_equal(gw_run_self(gw, &options, &id), 0);
	assert_last(MSG_RUN, 0);
	assert_int_equal(last()->msg.rate_bps, 2500000);
	assert_int_equal(last()->msg.traffic_class, GW_CLASS_BACKGROUND);
	options.size = offsetof(struct gw_flow_options, rate_bps);
	assert_int_equal(gw_run_self(gw, &options, &id), 0);
	assert_false(MSG_HAS(&last()->msg, TAG_RATE));
	assert_int_equal(gw_flow_add(gw, stream, NULL, 0, &options, &id), 0);
	options.size = sizeof(options); /* sockets get theirs by gw_flow_set_rate() */
	assert_int_equal(gw_flow_add(gw, stream, NULL, 0, &options, &id), -EINVAL);
	close_all();
	close(stream);
}

/* An older daemon would throw out whoever asks for what it does not know. */
static void older_hosts(void **state)
{
	struct gw_tspec tspec = { .size = sizeof(tspec), .rate_bps = 64000 };
	struct gw_flow_options options = GW_FLOW_OPTIONS(.rate_bps = 64000);
	struct gw_tuple tuple = loopback_tuple();
	size_t n_asked;
	uint32_t id;

	(void)state;
	open_with(0);
	n_asked = host.n_asked;
	assert_int_equal(gw_flow_reserve(gw, FLOW, &tspec, GW_EXCESS_DROP), -EOPNOTSUPP);
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -EOPNOTSUPP);
	assert_int_equal(gw_run_self(gw, &options, &id), -EOPNOTSUPP);
	assert_int_equal(host.n_asked, n_asked);
	close_all();

	/* Interfaces have other numbers in another namespace. */
	open_with(MSG_HOST_RATES | MSG_HOST_ELSEWHERE);
	assert_int_equal(gw_flow_add_tuple(gw, &tuple, NULL, &id), -EXDEV);
	close_all();
}

/* A child is told so, whatever its parent's threads were doing with the handle. */
static void children(void **state)
{
	int stream = make_socket(SOCK_STREAM), status;
	uint32_t id;
	pid_t child;

	(void)state;
	open_with(MSG_HOST_RATES);
	id = add(stream);
	child = fork();
	if (child == 0)
		_exit(gw_flow_set_rate(gw, id, 64000, GW_SHAPE_AND_MARK, 0) == -ECHILD &&
				      gw_flow_reserve(gw, id, NULL, GW_EXCESS_DROP) == -ECHILD &&
				      gw_flow_detach(gw, id, stream) == -ECHILD &&
				      gw_flow_add(gw, stream, NULL, 0, NULL, &id) == -ECHILD
			      ? 0
			      : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close_all();
	close(stream);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(gw_shaping_method_name(GW_SHAPING_PACED), "paced");
	assert_string_equal(gw_shaping_method_name(GW_SHAPING_EDT), "edt");
	assert_string_equal(gw_shaping_method_name(GW_SHAPING_CLASS), "class");
	assert_string_equal(gw_shaping_method_name(GW_SHAPING_POLICED), "policed");
	assert_null(gw_shaping_method_name(GW_SHAPING_NONE));
	assert_null(gw_shaping_method_name((enum gw_shaping_method)5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_of_tcp_sockets),
		cmocka_unit_test(no_descriptors_in_vain),
		cmocka_unit_test(descriptors_go_with_the_flow),
		cmocka_unit_test(many_sockets),
		cmocka_unit_test(reservations),
		cmocka_unit_test(forwarded_packets),
		cmocka_unit_test(malformed_tuples),
		cmocka_unit_test(programs),
		cmocka_unit_test(older_hosts),
		cmocka_unit_test(children),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
