/* SPDX-License-Identifier: MIT */
/*
 * test_lib_daemon.c: libgreenwave and a host of the engine with a socket between them, as with the
 * daemon: clients that die, hang up, talk nonsense or do not listen, and hosts that do.
 */
#include <errno.h>
#include <pthread.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/time.h"
#include "fake_datapath.h"
#include "thread_host.h"

static char socket_path[64];
static struct fake_datapath datapath;
static struct sockaddr_in peer;

/* ---- a daemon in a thread ---- */

static int complaints;

static void on_complaint(void *user_data, const struct ucred *who, const char *why)
{
	(void)user_data;
	(void)who;
	(void)why;
	__atomic_fetch_add(&complaints, 1, __ATOMIC_SEQ_CST);
}

static int start_daemon(void **state)
{
	struct host_options options = {
		.mode = GW_MODE_DAEMON,
		.datapath = &fake_datapath_ops,
		.datapath_data = &datapath,
		.strangers = true,
		.max_clients = 100,
		.max_clients_per_user = 100,
		.on_complaint = on_complaint,
	};

	(void)state;
	memset(&datapath, 0, sizeof(datapath));
	peer = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(9),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	complaints = 0;
	thread_host_new(options, socket_path);
	thread_host_start();
	return 0;
}

static int stop_daemon(void **state)
{
	(void)state;
	thread_host_end();
	assert_int_equal(datapath.n_marks, 0);
	return 0;
}

/* ---- clients ---- */

static int try_open(struct gw **ret_gw)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_DAEMON,
					   .socket_path = socket_path };

	return gw_open(ret_gw, &options);
}

static struct gw *open_daemon(void)
{
	struct gw *gw;

	assert_int_equal(try_open(&gw), 0);
	return gw;
}

static int udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static int add(struct gw *gw, int fd, int port, uint32_t flags, uint32_t *id)
{
	struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE, .flags = flags);

	peer.sin_port = htons((uint16_t)port);
	return gw_flow_add(gw, fd, (struct sockaddr *)&peer, sizeof(peer), &options, id);
}

static uint64_t flows_of(struct gw *gw)
{
	struct gw_status status = { .size = sizeof(status) };

	assert_int_equal(gw_status(gw, &status), 0);
	assert_int_equal(status.mode, GW_MODE_DAEMON);
	assert_int_equal(status.flows, status.kernel_entries);
	return status.flows;
}

/* At once, unless the machine is busy with others. */
static void wait_for_flows(struct gw *gw, uint64_t n)
{
	for (int i = 0; i < 10000 && flows_of(gw) != n; i++)
		usleep(1000);
	assert_int_equal(flows_of(gw), n);
}

static int raw_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static long hello(unsigned char buf[static 256])
{
	struct msg message = { .head = { .type = MSG_HELLO, .serial = 1 } };

	MSG_SET(&message, TAG_PROTOCOL, protocol, MSG_PROTOCOL);
	memcpy(message.api, "raw", 4);
	message.present |= CODEC_BIT(TAG_API);
	return msg_encode(&message, buf, 256);
}

static int introduced_client(void)
{
	unsigned char buf[256];
	int fd = raw_client();
	long len = hello(buf);

	assert_int_equal(send(fd, buf, (size_t)len, 0), len);
	assert_true(recv(fd, buf, sizeof(buf), 0) > 0);
	return fd;
}

/* ---- tests ---- */

/* Once the daemon's thread is idle: not all allocators survive that another thread forks. */
static pid_t fork_quietly(void)
{
	usleep(20000);
	return fork();
}

/* killed, exited, or gone without a word; and Q-229: the socket lives on elsewhere. */
static void clients_that_die(void **state)
{
	struct gw *gw = open_daemon();
	int fd = udp();

	(void)state;
	for (int how = 0; how < 3; how++) {
		int ready[2], status;
		pid_t child;
		char c;

		assert_int_equal(pipe(ready), 0);
		child = fork_quietly();
		if (child == 0) {
			struct gw *own;
			uint32_t id;
			int r = try_open(&own) == 0 && add(own, fd, 9, 0, &id) == 0;

			if (write(ready[1], "", r) != 1)
				_exit(1);
			if (how == 0)
				_exit(0);
			if (how == 1)
				abort();
			for (;;)
				pause();
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &c, 1), 1);
		close(ready[0]);
		if (how == 2) {
			assert_int_equal(flows_of(gw), 1);
			kill(child, SIGKILL);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		wait_for_flows(gw, 0);
	}
	close(fd);
	gw_close(gw);
}

/* A child has no part in its parent's handle: not by using, closing, exiting; it can have its own. */
static void children(void **state)
{
	struct gw *gw = open_daemon();
	int fd = udp(), status;
	uint32_t id;
	pid_t child;

	(void)state;
	assert_int_equal(add(gw, fd, 9, 0, &id), 0);
	child = fork_quietly();
	if (child == 0) {
		struct gw_flow_info info = { .size = sizeof(info) };
		struct gw_event event;
		uint32_t own_id;
		int wrong = 0;

		wrong |= gw_flow_query(gw, id, &info) != -ECHILD;
		wrong |= gw_flow_remove(gw, id) != -ECHILD;
		wrong |= gw_flow_set_class(gw, id, GW_CLASS_VOICE) != -ECHILD;
		wrong |= add(gw, fd, 10, 0, &own_id) != -ECHILD;
		wrong |= gw_event_next(gw, 0, &event) != -ECHILD;
		wrong |= gw_watch(gw) != -ECHILD;
		gw_end(gw);
		gw_close(gw);
		wrong |= try_open(&gw) != 0;
		wrong |= add(gw, fd, 10, 0, &own_id) != 0;
		wrong |= gw_flow_query(gw, own_id, &info) != 0;
		wrong |= gw_flow_query(gw, id, &info) != (geteuid() == 0 ? 0 : -ENOENT);
		wrong |= gw_flow_remove(gw, id) != -ENOENT;
		gw_close(gw);
		_exit(wrong);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	wait_for_flows(gw, 1);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	gw_close(gw);
	close(fd);
}

/* The daemon goes: who waits is told, calls say so, and the handle can be closed. */
static void daemon_that_dies(void **state)
{
	struct gw *gw = open_daemon();
	struct gw_flow_info info = { .size = sizeof(info) };
	struct gw_event event;
	int fd = udp(), disconnected = 0, ended = 0;
	uint32_t id;

	(void)state;
	assert_int_equal(add(gw, fd, 9, 0, &id), 0);
	thread_host_stop();
	while (gw_event_next(gw, 1000, &event) == 1) {
		disconnected += event.type == GW_EVENT_DISCONNECTED;
		if (event.type != GW_EVENT_FLOW_ENDED)
			continue;
		ended++;
		assert_int_equal(event.flow.id, id);
		assert_string_equal(event.reason, "stopped");
	}
	assert_int_equal(ended, 1);
	assert_int_equal(disconnected, 1);
	assert_int_equal(gw_event_next(gw, -1, &event), -ESHUTDOWN);
	assert_int_equal(gw_flow_query(gw, id, &info), -ESHUTDOWN);
	assert_int_equal(add(gw, fd, 9, 0, &id), -ESHUTDOWN);
	gw_end(gw);
	assert_int_equal(gw_flow_query(gw, id, &info), -ECANCELED);
	gw_close(gw);
	close(fd);
}

static bool hangs_up(int fd)
{
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	char c;

	assert_int_equal(poll(&waiting, 1, 10000), 1);
	return recv(fd, &c, 1, 0) <= 0;
}

/* Nonsense ends that connection, and nobody else notices. */
static void clients_that_talk_nonsense(void **state)
{
	static char large[MSG_MAX + 1];
	struct gw *gw = open_daemon();
	unsigned char buf[256];
	int fd = udp(), client;
	uint32_t id;
	long len = hello(buf);

	(void)state;
	assert_int_equal(add(gw, fd, 9, 0, &id), 0);
	client = raw_client();
	assert_int_equal(send(client, "nonsense", 8, 0), 8);
	assert_true(hangs_up(client));
	close(client);
	client = raw_client();
	assert_int_equal(send(client, "no hello at all", 15, 0), 15);
	assert_true(hangs_up(client));
	close(client);
	client = introduced_client();
	assert_int_equal(send(client, large, sizeof(large), 0), (ssize_t)sizeof(large));
	assert_true(hangs_up(client));
	close(client);
	client = introduced_client();
	assert_int_equal(send(client, buf, (size_t)len, 0), len); /* a second hello */
	assert_true(hangs_up(client));
	close(client);
	client = raw_client(); /* leaves without a word */
	close(client);
	assert_int_equal(__atomic_load_n(&complaints, __ATOMIC_SEQ_CST), 4);
	assert_int_equal(flows_of(gw), 1);
	gw_close(gw);
	close(fd);
}

/*
 * One asks and asks and does not listen. It is not read from any more, others are served, and when it
 * listens every answer is there, once and in order.
 */
static void client_that_does_not_listen(void **state)
{
	enum { ASKED = 3000 };
	struct gw *gw = open_daemon();
	int client = introduced_client(), asked = 0, answered = 0, fd = udp();
	uint32_t id;

	(void)state;
	assert_int_equal(add(gw, fd, 9, 0, &id), 0);
	while (asked < ASKED) {
		struct msg request = { .head = { .type = MSG_FACTS,
						 .serial = (uint32_t)asked + 2 } };
		struct pollfd waiting = { .fd = client, .events = POLLOUT };
		unsigned char buf[256];
		long len;

		MSG_SET(&request, TAG_COUNT, count, 0);
		len = msg_encode(&request, buf, sizeof(buf));
		if (poll(&waiting, 1, 200) == 0)
			break; /* both directions are full */
		if (send(client, buf, (size_t)len, MSG_DONTWAIT) == len)
			asked++;
	}
	assert_true(asked > 100);
	assert_int_equal(flows_of(gw), 1);
	assert_int_equal(gw_flow_set_class(gw, id, GW_CLASS_CONTROL), 0);
	while (answered < asked) {
		static unsigned char reply[MSG_MAX];
		struct msg message;
		ssize_t n = recv(client, reply, sizeof(reply), 0);

		assert_true(n > 0);
		assert_int_equal(msg_decode(reply, (size_t)n, &message), 0);
		assert_int_equal(message.head.serial, answered + 2);
		assert_int_equal(message.head.status, 0);
		answered++;
	}
	assert_int_equal(__atomic_load_n(&complaints, __ATOMIC_SEQ_CST), 0);
	/* And it can ask again. */
	close(client);
	gw_close(gw);
	close(fd);
}

/* It does not listen, and is killed for it or leaves: nothing remains of it. */
static void silent_client_that_leaves(void **state)
{
	struct gw *gw = open_daemon();

	(void)state;
	for (int i = 0; i < 5; i++) {
		int client = introduced_client();
		struct msg request = { .head = { .type = MSG_FACTS } };
		unsigned char buf[256];
		long len;

		MSG_SET(&request, TAG_COUNT, count, 0);
		len = msg_encode(&request, buf, sizeof(buf));
		for (int k = 0; k < 500; k++)
			send(client, buf, (size_t)len, MSG_DONTWAIT);
		usleep(10000);
		close(client);
	}
	assert_int_equal(flows_of(gw), 0);
	gw_close(gw);
}

static int check_name(const struct gw_flow_record *record, void *user_data)
{
	assert_string_equal(record->comm, user_data);
	return 0;
}

/* What a program calls itself is shown on the terminals of others. */
static void names_that_are_no_names(void **state)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_DAEMON,
					   .socket_path = socket_path,
					   .api = "\033[2J" };
	char before[16];
	int fd = udp();
	struct gw *gw;
	uint32_t id;

	(void)state;
	assert_int_equal(gw_open(&gw, &options), -EINVAL);
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a\033[2J\xff"), 0);
	gw = open_daemon();
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
	assert_int_equal(add(gw, fd, 9, 0, &id), 0);
	assert_int_equal(gw_list(gw, 0, check_name, "a?[2J?"), 0);
	gw_close(gw);
	close(fd);
}

/* Accepts and never answers. */
static void *accept_only(void *user_data)
{
	int listener = *(int *)user_data;

	return (void *)(intptr_t)accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* A daemon that hangs does not hang its clients; signals neither break off nor prolong the wait. */
static void daemon_that_hangs(void **state)
{
	struct itimerval often = { { 0, 50000 }, { 0, 50000 } }, never = { 0 };
	struct sigaction action = { .sa_handler = on_alarm };
	int listener = thread_host_listen(socket_path);
	uint64_t started_us = time_now_us(), took_us;
	pthread_t thread;
	void *accepted;
	struct gw *gw;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, accept_only, &listener), 0);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	assert_int_equal(try_open(&gw), -ETIMEDOUT);
	setitimer(ITIMER_REAL, &never, NULL);
	took_us = time_now_us() - started_us;
	assert_true(took_us > 3500000 && took_us < 8000000);
	pthread_join(thread, &accepted);
	close((int)(intptr_t)accepted);
	close(listener);
	unlink(socket_path);
}

/* Too many of them: the next is refused, not one that is there. */
/* Root always gets in; of the others nobody may hold more than is left. */
static void too_many_clients(void **state)
{
	const int expected = getuid() == 0 ? 164 : 50;
	struct gw *handles[200], *one_more;
	int n = 0;

	(void)state;
	while (n < 200 && try_open(&handles[n]) == 0)
		n++;
	assert_int_equal(n, expected);
	assert_int_equal(flows_of(handles[0]), 0);
	while (n > 0)
		gw_close(handles[--n]);
	/* Their ends may still be on the way. */
	for (int i = 0; i < 1000 && try_open(&one_more) < 0; i++)
		usleep(10000);
	assert_int_equal(flows_of(one_more), 0);
	gw_close(one_more);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_daemon, stop_daemon)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(clients_that_die),
		TEST(children),
		TEST(daemon_that_dies),
		TEST(clients_that_talk_nonsense),
		TEST(client_that_does_not_listen),
		TEST(silent_client_that_leaves),
		TEST(too_many_clients),
		TEST(names_that_are_no_names),
		cmocka_unit_test(daemon_that_hangs),
	};

	snprintf(socket_path, sizeof(socket_path), "/tmp/gw-test-daemon-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
