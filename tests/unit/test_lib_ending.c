/* SPDX-License-Identifier: MIT */
/*
 * test_lib_ending.c: the end of a handle under a call of another thread, with a host that answers in the
 * order that is worst. Q-215.
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
#include <unistd.h>
#include <cmocka.h>

#include <greenwave.h>

#include "proto/msg.h"

#define FLOW 7u

static struct gw *gw;

static void reply_to(int fd, const struct msg *request, int status)
{
	struct msg reply = { .head = request->head };
	unsigned char buf[MSG_MAX];
	long len;

	reply.head.status = status;
	if (request->head.type == MSG_HELLO)
		MSG_SET(&reply, TAG_HOST_FLAGS, host_flags, MSG_HOST_NEEDS_FDS);
	if (request->head.type == MSG_ADD)
		MSG_SET(&reply, TAG_FLOW_ID, flow_id, FLOW);
	len = msg_encode(&reply, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(send(fd, buf, (size_t)len, MSG_NOSIGNAL), len);
}

static void *end(void *user_data)
{
	gw_end(user_data);
	return NULL;
}

/*
 * The host. When the flow is there, one thread asks about it and another ends the handle; the question is
 * answered after the removal, as if it had been sent after it.
 */
static void serve(int fd)
{
	struct msg request, question = { 0 };
	pthread_t ending;
	unsigned char buf[MSG_MAX];
	bool removed = false;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		assert_int_equal(msg_decode(buf, (size_t)n, &request), 0);
		if (request.head.type == MSG_QUERY) {
			question = request;
			assert_int_equal(pthread_create(&ending, NULL, end, gw), 0);
			continue;
		}
		reply_to(fd, &request, 0);
		if (request.head.type == MSG_REMOVE) {
			assert_int_equal(question.head.type, MSG_QUERY);
			removed = true;
			reply_to(fd, &question, -ENOENT);
		} else if (request.head.type == MSG_END) {
			break;
		}
	}
	assert_true(removed);
	pthread_join(ending, NULL);
}

struct asking {
	const char *path;
	int result, answer;
};

static void *open_add_and_ask(void *user_data)
{
	struct asking *asking = user_data;
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_DAEMON,
					   .socket_path = asking->path };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct gw_flow_info info = { .size = sizeof(info) };
	uint32_t id;

	asking->result = gw_open(&gw, &options);
	if (asking->result == 0)
		asking->result = gw_flow_add(gw, fd, NULL, 0, NULL, &id);
	asking->answer = gw_flow_query(gw, FLOW, &info);
	return (void *)(intptr_t)fd;
}

static void a_call_that_comes_after_the_removal(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), fd;
	char folder[] = "/tmp/gw-ending-XXXXXX";
	struct asking asking = { .path = address.sun_path };
	pthread_t asker;
	void *socket_fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(pthread_create(&asker, NULL, open_add_and_ask, &asking), 0);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	serve(fd);
	pthread_join(asker, &socket_fd);
	assert_int_equal(asking.result, 0);
	assert_int_equal(asking.answer, -ECANCELED);

	gw_close(gw);
	close((int)(intptr_t)socket_fd);
	close(fd);
	close(listener);
	unlink(address.sun_path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_comes_after_the_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
