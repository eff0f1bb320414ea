/* SPDX-License-Identifier: MIT */
/*
 * test_winsock_accept.c: accept() and WSAAccept() with its condition function (spec/gqos.md §7.3), with a provider of the
 * test's own.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>

#include "fake_gqos.h"
#include "last_error.h"

static struct {
	SOCKET listener;
	int client;
	struct sockaddr_in address, client_address;
} net;

/* What the condition function does, and what it was called with. */
static struct {
	int answer;
	unsigned calls;
	DWORD_PTR data;
	struct sockaddr_in caller, callee;
	bool had_qos;
	ULONG set_rate;	     /* in its own copy; 0: it does not */
	ULONG listener_rate; /* on the listener; 0: it does not */
	pthread_t thread;
} condition;

static int CALLBACK decide(LPWSABUF caller, LPWSABUF caller_data, LPQOS qos, LPQOS group_qos,
			   LPWSABUF callee, LPWSABUF callee_data, GROUP *group, DWORD_PTR data)
{
	condition.calls++;
	condition.data = data;
	condition.thread = pthread_self();
	assert_int_equal(caller->len, sizeof(condition.caller));
	memcpy(&condition.caller, caller->buf, sizeof(condition.caller));
	assert_int_equal(callee->len, sizeof(condition.callee));
	memcpy(&condition.callee, callee->buf, sizeof(condition.callee));
	assert_int_equal(caller_data->len, 0);
	assert_int_equal(callee_data->len, 0);
	assert_null(group_qos);
	assert_int_equal(*group, 0);
	condition.had_qos = qos != NULL;
	if (qos && condition.set_rate)
		qos->SendingFlowspec.TokenRate = condition.set_rate;
	if (condition.listener_rate)
		fake_gqos.requested.SendingFlowspec.TokenRate = condition.listener_rate;
	return condition.answer;
}

static void connect_client(void)
{
	socklen_t length = sizeof(net.client_address);

	net.client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(net.client, (struct sockaddr *)&net.address, length), 0);
	assert_int_equal(getsockname(net.client, (struct sockaddr *)&net.client_address, &length),
			 0);
}

static void listen_with(SOCKET s)
{
	socklen_t length = sizeof(net.address);

	net.listener = s;
	net.address = (struct sockaddr_in){ .sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind((int)s, (struct sockaddr *)&net.address, length), 0);
	assert_int_equal(getsockname((int)s, (struct sockaddr *)&net.address, &length), 0);
	assert_int_equal(listen((int)s, 5), 0);
	connect_client();
}

static int setup(void **state)
{
	WSADATA data;

	fake_gqos_reset();
	memset(&condition, 0, sizeof(condition));
	listen_with(qos_socket(AF_INET, SOCK_STREAM, 0));
	assert_asked("look %d,", (int)net.listener); /* bind() */
	return WSAStartup(MAKEWORD(2, 2), &data);
}

static int teardown(void **state)
{
	closesocket(net.listener);
	close(net.client);
	return WSACleanup();
}

static bool is_enabled(SOCKET s)
{
	DWORD bytes;
	bool enabled = WSAIoctl(s, SIO_SET_QOS, NULL, 0, NULL, 0, &bytes, NULL, NULL) == 0;

	fake_gqos.log[0] = '\0';
	return enabled;
}

static void assert_refused(DWORD error)
{
	SetLastError(SENTINEL);
	assert_true(WSAAccept(net.listener, NULL, NULL, decide, 0) == INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), error);
}

/* G-030; G-117: what of it is the surface's */
static void what_is_accepted_is_as_its_listener(void **state)
{
	int fd = accept((int)net.listener, NULL, NULL);
	SOCKET s;

	assert_true(fd >= 0);
	assert_asked("inherit %d %d,", (int)net.listener, fd);
	assert_false(fake_gqos.was_inherited);
	assert_true(is_enabled((SOCKET)fd));
	closesocket((SOCKET)fd);
	close(net.client);
	connect_client();
	fake_gqos.log[0] = '\0';
	s = WSAAccept(net.listener, NULL, NULL, NULL, 0);
	assert_true(s != INVALID_SOCKET);
	assert_asked("inherit %d %d,", (int)net.listener, (int)s);
	assert_int_equal(fcntl((int)s, F_GETFD), FD_CLOEXEC);
	assert_true(is_enabled(s));
	closesocket(s);
}

static void plain_listeners_have_none_to_give(void **state)
{
	int fd;

	closesocket(net.listener);
	close(net.client);
	listen_with(WSASocket(AF_INET, SOCK_STREAM, 0, NULL, 0, 0));
	fake_gqos.log[0] = '\0';
	fake_gqos.has_requested = true;
	fd = (int)WSAAccept(net.listener, NULL, NULL, decide, 0);
	assert_true(fd >= 0);
	assert_false(condition.had_qos);
	assert_asked("%s", "");
	assert_false(is_enabled((SOCKET)fd));
	close(fd);
}

/* G-120 */
static void the_function_sees_both_addresses(void **state)
{
	struct sockaddr_in peer;
	INT length = sizeof(peer);
	SOCKET s;

	s = WSAAccept(net.listener, (struct sockaddr *)&peer, &length, decide, 0x123456789abc);
	assert_true(s != INVALID_SOCKET);
	assert_int_equal(condition.calls, 1);
	assert_true(pthread_equal(condition.thread, pthread_self()));
	assert_true(condition.data == 0x123456789abc);
	assert_memory_equal(&condition.caller, &net.client_address, sizeof(peer));
	assert_memory_equal(&condition.callee, &net.address, sizeof(peer));
	assert_memory_equal(&peer, &net.client_address, sizeof(peer));
	assert_int_equal(length, sizeof(peer));
	/* QoS has not been set on the listener. */
	assert_false(condition.had_qos);
	assert_false(fake_gqos.was_inherited);
	closesocket(s);
}

/* G-118, G-121: what of them is the surface's */
static void the_function_changes_what_is_inherited(void **state)
{
	SOCKET s;

	fake_gqos.has_requested = true;
	fake_gqos.requested.SendingFlowspec.TokenRate = 1000;
	condition.set_rate = 2000;
	s = WSAAccept(net.listener, NULL, NULL, decide, 0);
	assert_true(s != INVALID_SOCKET);
	assert_asked("inherit %d %d,", (int)net.listener, (int)s);
	assert_true(condition.had_qos && fake_gqos.was_inherited);
	assert_int_equal(fake_gqos.inherited.SendingFlowspec.TokenRate, 2000);
	assert_int_equal(fake_gqos.requested.SendingFlowspec.TokenRate, 1000);
	closesocket(s);
}

/* The client's connection ends with a reset. */
static void assert_reset(void)
{
	struct pollfd poll_fd = { .fd = net.client, .events = POLLIN };
	char byte;

	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	assert_int_equal(recv(net.client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
}

/* G-115 */
static void a_connection_is_rejected(void **state)
{
	condition.answer = CF_REJECT;
	assert_refused(WSAECONNREFUSED);
	assert_asked("%s", "");
	assert_reset();
}

static void other_answers_are_wrong(void **state)
{
	condition.answer = 3;
	assert_refused(WSAEINVAL);
	assert_asked("%s", "");
	assert_reset();
}

/* G-116 */
static void a_connection_is_left_for_later(void **state)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);
	int fd, second;

	fake_gqos.has_requested = true;
	condition.answer = CF_DEFER;
	for (unsigned i = 1; i <= 2; i++) {
		assert_refused(WSATRY_AGAIN);
		assert_int_equal(condition.calls, i);
		assert_memory_equal(&condition.caller, &net.client_address, sizeof(peer));
	}
	assert_asked("%s", "");
	/* It goes before one that has come since. */
	second = net.client;
	connect_client();
	fd = accept((int)net.listener, (struct sockaddr *)&peer, &length);
	assert_true(fd >= 0);
	assert_true(peer.sin_port != net.client_address.sin_port);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	assert_asked("inherit %d %d,", (int)net.listener, fd);
	assert_true(is_enabled((SOCKET)fd));
	assert_int_equal(send(second, "x", 1, 0), 1);
	assert_int_equal(recv(fd, &peer, 1, 0), 1);
	closesocket((SOCKET)fd);
	close(second);
	/* With the flags of whoever accepts it. */
	assert_refused(WSATRY_AGAIN);
	fd = accept4((int)net.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	closesocket((SOCKET)fd);
	close(net.client);
	connect_client();
	assert_refused(WSATRY_AGAIN);
	condition.answer = CF_ACCEPT;
	fd = (int)WSAAccept(net.listener, NULL, NULL, decide, 0);
	assert_true(fd >= 0);
	assert_memory_equal(&condition.caller, &net.client_address, sizeof(peer));
	assert_true(fake_gqos.was_inherited);
	closesocket((SOCKET)fd);
}

static void what_is_left_for_later_still_is_an_event(void **state)
{
	WSAEVENT event = WSACreateEvent();
	WSANETWORKEVENTS events;

	condition.answer = CF_DEFER;
	assert_int_equal(WSAEventSelect(net.listener, event, FD_ACCEPT), 0);
	assert_int_equal(WSAEnumNetworkEvents(net.listener, event, &events), 0);
	assert_int_equal(events.lNetworkEvents, FD_ACCEPT);
	assert_refused(WSATRY_AGAIN);
	assert_int_equal(WaitForSingleObject(event, 0), WAIT_OBJECT_0);
	assert_int_equal(WSAEnumNetworkEvents(net.listener, event, &events), 0);
	assert_int_equal(events.lNetworkEvents, FD_ACCEPT);
	closesocket((SOCKET)accept((int)net.listener, NULL, NULL));
	assert_int_equal(WaitForSingleObject(event, 0), WAIT_TIMEOUT);
	CloseHandle(event);
}

/* Nobody will ever accept it. */
static void closing_the_listener_closes_what_was_left(void **state)
{
	struct pollfd poll_fd = { .fd = net.client, .events = POLLIN };

	condition.answer = CF_DEFER;
	assert_refused(WSATRY_AGAIN);
	closesocket(net.listener);
	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	net.listener = INVALID_SOCKET;
}

static void arguments(void **state)
{
	struct sockaddr_in peer;
	INT length = 4;

	SetLastError(SENTINEL);
	assert_true(WSAAccept(INVALID_SOCKET, NULL, NULL, NULL, 0) == INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	assert_true(WSAAccept(net.listener, (struct sockaddr *)&peer, &length, NULL, 0) ==
		    INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	assert_true(WSAAccept(net.listener, (struct sockaddr *)&peer, NULL, NULL, 0) ==
		    INVALID_SOCKET);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	/* The connection has not been taken. */
	closesocket(WSAAccept(net.listener, NULL, NULL, NULL, 0));
	assert_int_equal(fcntl((int)net.listener, F_SETFL, O_NONBLOCK), 0);
	assert_refused(WSAEWOULDBLOCK);
	assert_int_equal(accept((int)net.listener, NULL, NULL), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_int_equal(condition.calls, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_accepted_is_as_its_listener),
		TEST(plain_listeners_have_none_to_give),
		TEST(the_function_sees_both_addresses),
		TEST(the_function_changes_what_is_inherited),
		TEST(a_connection_is_rejected),
		TEST(other_answers_are_wrong),
		TEST(a_connection_is_left_for_later),
		TEST(what_is_left_for_later_still_is_an_event),
		TEST(closing_the_listener_closes_what_was_left),
		TEST(arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
