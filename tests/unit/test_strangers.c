/* SPDX-License-Identifier: MIT */
/*
 * test_strangers.c: a host and clients that mean it harm: descriptors that take as long to close as their sender likes,
 * messages that look like the end. All in one thread: whatever holds up one client's message holds up the test.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/time.h"
#include "fake_datapath.h"
#include "host/host.h"
#include "proto/msg.h"

#define LINGER_S 15
#define AT_ONCE_US (10 * USEC_PER_SEC)

static struct fake_datapath datapath;
static struct event_base *base;
static struct host *host;
static bool administrator;

/* The last client that asked for a group. */
static int groups_made;

static bool is_administrator(void *user_data, const struct connection *connection)
{
	(void)user_data;
	administrator = connection_has_net_admin(connection);
	return administrator;
}

static int group_create(void *user_data, const struct connection *connection, uint64_t *ret_group)
{
	(void)user_data;
	(void)connection;
	*ret_group = (uint64_t)++groups_made;
	return 0;
}

static int start_host(void **state)
{
	struct host_options options = {
		.mode = GW_MODE_DAEMON,
		.datapath = &fake_datapath_ops,
		.datapath_data = &datapath,
		.strangers = true,
		.max_clients = 1000,
		.max_clients_per_user = 1000,
		.is_administrator = is_administrator,
		.group_create = group_create,
	};

	(void)state;
	memset(&datapath, 0, sizeof(datapath));
	groups_made = 0;
	base = options.base = event_base_new();
	engine_config_default(&options.engine);
	return host_new(&options, &host);
}

static int stop_host(void **state)
{
	(void)state;
	host = host_free(host);
	event_base_free(base);
	return 0;
}

/* ---- clients ---- */

static int connect_to_host(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	host_accept(host, pair[1]);
	return pair[0];
}

static int try_send(int client, const void *buf, size_t len, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(253 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)buf, len };
	struct msghdr head = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds > 0) {
		head.msg_control = control.bytes;
		head.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
	}
	return sendmsg(client, &head, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void request(int client, struct msg *message, const int *fds, size_t n_fds)
{
	unsigned char buf[256];
	long len = msg_encode(message, buf, sizeof(buf));

	assert_true(len > 0);
	assert_int_equal(try_send(client, buf, (size_t)len, fds, n_fds), 0);
}

static void greet(int client, const int *fds, size_t n_fds)
{
	struct msg hello = { .head.type = MSG_HELLO, .api = "stranger" };

	MSG_SET(&hello, TAG_PROTOCOL, protocol, MSG_PROTOCOL);
	hello.present |= CODEC_BIT(TAG_API);
	request(client, &hello, fds, n_fds);
}

static void ask_to_add(int client, const int *fds, size_t n_fds)
{
	struct msg add = { .head.type = MSG_ADD };

	MSG_SET(&add, TAG_FLOW_ID, flow_id, 0);
	MSG_SET(&add, TAG_CLASS, traffic_class, GW_CLASS_VOICE);
	MSG_SET(&add, TAG_FLAGS, flags, 0);
	MSG_SET(&add, TAG_DSCP, dscp, GW_DSCP_FROM_CLASS);
	request(client, &add, fds, n_fds);
}

/* Lets the host do what there is to do. */
static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* The next message of the host, or -ECONNRESET; 1: none within the time. */
static int answer(int client, uint64_t within_us)
{
	uint64_t until_us = time_now_us() + within_us;
	unsigned char buf[MSG_MAX];
	struct msg reply;
	ssize_t n;

	do {
		turn();
		n = recv(client, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0 && !(n < 0 && errno == EAGAIN))
			return -ECONNRESET;
		if (n < 0)
			usleep(1000);
	} while (n < 0 && time_now_us() < until_us);
	if (n < 0)
		return 1;
	assert_int_equal(msg_decode(buf, (size_t)n, &reply), 0);
	return reply.head.status;
}

static int greeted(void)
{
	int client = connect_to_host();

	greet(client, NULL, 0);
	assert_int_equal(answer(client, AT_ONCE_US), 0);
	return client;
}

/* ---- what is slow to close ---- */

/* A TCP connection whose other end, *ret_peer, does not read what is on its way, and that lingers over it. */
static int lingering(int *ret_peer)
{
	const struct linger linger = { 1, LINGER_S };
	const int small = 2048;
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);
	static char bytes[65536];

	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	*ret_peer = accept(listener, NULL, NULL);
	assert_true(*ret_peer >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

/* The sender's copy is the last but the one on its way. Closing it first would linger here. */
static void send_lingering(int client, void (*send_it)(int client, const int *fds, size_t n_fds),
			   int *ret_peer)
{
	int fd = lingering(ret_peer);

	send_it(client, &fd, 1);
	close(fd);
}

static void is_served(int client)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ask_to_add(client, &fd, 1);
	assert_int_equal(answer(client, AT_ONCE_US), 0);
	close(fd);
}

static void lingering_socket(void **state)
{
	uint64_t started_us = time_now_us();
	int client = greeted(), other = greeted(), peer;

	(void)state;
	send_lingering(client, ask_to_add, &peer);
	turn();
	is_served(other);
	assert_true(time_now_us() - started_us < AT_ONCE_US);
	/* Its own reply comes once all is closed: when the peer has gone. */
	close(peer);
	assert_int_equal(answer(client, 3 * LINGER_S * USEC_PER_SEC), 0);
	is_served(client);
	close(client);
	close(other);
	turn();
}

static void as_a_greeting(int client, const int *fds, size_t n_fds)
{
	assert_int_equal(try_send(client, "nonsense", 8, fds, n_fds), 0);
}

static void as_nothing(int client, const int *fds, size_t n_fds)
{
	assert_int_equal(try_send(client, "", 0, fds, n_fds), 0);
}

/* In a socket's queue that is on its way itself. */
static void in_a_parcel(int client, const int *fds, size_t n_fds)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	as_a_greeting(pair[0], fds, n_fds);
	ask_to_add(client, &pair[1], 1);
	close(pair[0]);
	close(pair[1]);
}

/* What is left unread when a connection ends is not waited for either, nor what is more than there may be. */
static void lingering_and_unread(void **state)
{
	static void (*const ways[])(int client, const int *fds,
				    size_t n_fds) = { as_a_greeting, as_nothing, in_a_parcel };
	uint64_t started_us = time_now_us();
	int other = greeted(), peer[9], n = 0;

	(void)state;
	for (int first = 0; first < 3; first++) {
		for (size_t way = 0; way < 3; way++) {
			int client = first == 2 ? greeted() : connect_to_host();

			if (first == 0)
				as_nothing(client, NULL, 0); /* which looks like the end */
			else if (first == 1)
				as_a_greeting(client, NULL, 0);
			send_lingering(client, ways[way], &peer[n++]);
			close(client);
		}
	}
	for (int i = 0; i < 20; i++)
		turn();
	is_served(other);
	assert_true(time_now_us() - started_us < AT_ONCE_US);
	while (n > 0)
		close(peer[--n]);
	close(other);
	turn();
}

/* A connection that is turned away brings its messages along. */
static void lingering_at_the_door(void **state)
{
	struct engine_config config;
	uint64_t started_us;
	int pair[2], peer, inside[100];

	(void)state;
	engine_config_default(&config);
	host_reconfigure(host, &config, 0, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (int i = 0; i < 100; i++) /* what is reserved for root */
		inside[i] = connect_to_host();
	send_lingering(pair[0], as_a_greeting, &peer);
	close(pair[0]);
	started_us = time_now_us();
	host_accept(host, pair[1]);
	for (int i = 0; i < 20; i++)
		turn();
	assert_true(time_now_us() - started_us < AT_ONCE_US);
	close(peer);
	for (int i = 0; i < 100; i++)
		close(inside[i]);
}

static int count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* As many descriptors as the kernel carries, and of all kinds: none of them stays. */
static void many_descriptors(void **state)
{
	int before = count_descriptors(), fds[253], pipes[2], other = greeted();

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	for (size_t n = 1; n <= 253; n += 84) {
		int client = greeted();

		for (size_t i = 0; i < n; i++)
			fds[i] = pipes[i % 2];
		ask_to_add(client, fds, n);
		assert_int_equal(answer(client, AT_ONCE_US), n <= 128 ? -ENOTSOCK : -ECONNRESET);
		close(client);
		is_served(other);
	}
	close(pipes[0]);
	close(pipes[1]);
	close(other);
	for (int i = 0; i < 1000 && count_descriptors() > before; i++) {
		usleep(1000);
		turn();
	}
	assert_int_equal(count_descriptors(), before);
}

/* ---- who asks ---- */

static bool is_taken_for_administrator(const int *proof)
{
	struct msg set = { .head.type = MSG_ENUMERATE };
	int client = connect_to_host(), r;

	greet(client, proof, proof ? 1 : 0);
	assert_int_equal(answer(client, AT_ONCE_US), 0);
	MSG_SET(&set, TAG_FLOW_ID, flow_id, 0);
	request(client, &set, NULL, 0);
	r = answer(client, AT_ONCE_US);
	close(client);
	turn();
	assert_true(r == 0 || r == -EACCES);
	return r == 0;
}

static void proof_of_a_capability(void **state)
{
	int plain = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const int yes = 1;

	(void)state;
	assert_false(is_taken_for_administrator(NULL));
	assert_false(is_taken_for_administrator(&plain));
	assert_false(is_taken_for_administrator(&null));
	if (setsockopt(plain, SOL_SOCKET, SO_DEBUG, &yes, sizeof(yes)) == 0)
		assert_true(is_taken_for_administrator(&plain));
	close(plain);
	close(null);
}

static void ask_to_run(int client)
{
	struct msg run = { .head.type = MSG_RUN };

	MSG_SET(&run, TAG_CLASS, traffic_class, GW_CLASS_VOICE);
	MSG_SET(&run, TAG_FLAGS, flags, 0);
	MSG_SET(&run, TAG_DSCP, dscp, GW_DSCP_FROM_CLASS);
	request(client, &run, NULL, 0);
}

/* A process that has a connection cannot have the one moved that had opened it. */
static void run_by_another_process(void **state)
{
	int client = greeted();
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		ask_to_run(client);
		_exit(0);
	}
	assert_int_equal(answer(client, AT_ONCE_US), -EPERM);
	assert_int_equal(groups_made, 0);
	ask_to_run(client);
	assert_int_equal(answer(client, AT_ONCE_US), 0);
	assert_int_equal(groups_made, 1);
	close(client);
	turn();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start_host, stop_host)
	const struct CMUnitTest tests[] = {
		TEST(lingering_socket), TEST(lingering_and_unread),  TEST(lingering_at_the_door),
		TEST(many_descriptors), TEST(proof_of_a_capability), TEST(run_by_another_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
