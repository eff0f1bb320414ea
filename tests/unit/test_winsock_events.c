/* SPDX-License-Identifier: MIT */
/*
 * test_winsock_events.c: network events, over loopback, and FD_QOS with a provider of the test's own.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>

#include "fake_gqos.h"
#include "last_error.h"

#define UNTOUCHED 4711
#define SOON_MS 5000 /* of what is to happen; that nothing does, is known at once */

struct fixture {
	struct sockaddr_in address; /* of the listener */
	SOCKET listener, client, server;
	WSAEVENT event;
};

static int setup(void **state)
{
	static struct fixture f;
	socklen_t length = sizeof(f.address);
	WSADATA data;

	fake_gqos_reset();
	f.address = (struct sockaddr_in){ .sin_family = AF_INET,
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	f.listener = qos_socket(AF_INET, SOCK_STREAM, 0);
	f.client = WSASocket(AF_INET, SOCK_STREAM, 0, NULL, 0, 0);
	f.server = INVALID_SOCKET;
	f.event = WSACreateEvent();
	*state = &f;
	assert_int_equal(bind((int)f.listener, (struct sockaddr *)&f.address, length), 0);
	assert_int_equal(getsockname((int)f.listener, (struct sockaddr *)&f.address, &length), 0);
	return WSAStartup(MAKEWORD(2, 2), &data);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	closesocket(f->listener);
	closesocket(f->client);
	closesocket(f->server);
	WSACloseEvent(f->event);
	return WSACleanup();
}

static void connect_both(struct fixture *f)
{
	assert_int_equal(listen((int)f->listener, 5), 0);
	assert_int_equal(
		connect((int)f->client, (struct sockaddr *)&f->address, sizeof(f->address)), 0);
	f->server = (SOCKET)accept((int)f->listener, NULL, NULL);
	assert_true(f->server != INVALID_SOCKET);
}

/* What is recorded; every other error is left alone. */
static long take(SOCKET s, WSAEVENT event, WSANETWORKEVENTS *ret_events)
{
	for (int i = 0; i < FD_MAX_EVENTS; i++)
		ret_events->iErrorCode[i] = UNTOUCHED;
	assert_int_equal(WSAEnumNetworkEvents(s, event, ret_events), 0);
	for (int i = 0; i < FD_MAX_EVENTS; i++) {
		if (!(ret_events->lNetworkEvents & (1 << i)))
			assert_int_equal(ret_events->iErrorCode[i], UNTOUCHED);
	}
	return ret_events->lNetworkEvents;
}

/* The event gets set, and this is why. */
static WSANETWORKEVENTS expect(struct fixture *f, SOCKET s, long wanted)
{
	WSANETWORKEVENTS events;

	assert_int_equal(WSAWaitForMultipleEvents(1, &f->event, FALSE, SOON_MS, FALSE),
			 WSA_WAIT_EVENT_0);
	assert_int_equal(take(s, f->event, &events), wanted);
	return events;
}

static void expect_nothing(struct fixture *f, SOCKET s)
{
	WSANETWORKEVENTS events;

	assert_int_equal(WSAWaitForMultipleEvents(1, &f->event, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT);
	assert_int_equal(take(s, f->event, &events), 0);
}

static void say(SOCKET s, const char *text)
{
	assert_int_equal(send((int)s, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* ---- data ---- */

static void data_is_told_of_once(void **state)
{
	struct fixture *f = *state;
	char byte;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ | FD_CLOSE), 0);
	assert_true(fcntl((int)f->server, F_GETFL) & O_NONBLOCK);
	expect_nothing(f, f->server);
	say(f->client, "ab");
	assert_int_equal(expect(f, f->server, FD_READ).iErrorCode[FD_READ_BIT], 0);
	/* It is still there, and more comes. */
	expect_nothing(f, f->server);
	say(f->client, "c");
	expect_nothing(f, f->server);
	/* Who reads hears of the rest at once. */
	assert_int_equal(recv((int)f->server, &byte, 1, 0), 1);
	expect(f, f->server, FD_READ);
	assert_int_equal(recvfrom((int)f->server, &byte, 1, 0, NULL, NULL), 1);
	expect(f, f->server, FD_READ);
	assert_int_equal(recv((int)f->server, &byte, 1, 0), 1);
	expect_nothing(f, f->server);
	say(f->client, "d");
	expect(f, f->server, FD_READ);
}

static void overlapped_receives_ask_for_more(void **state)
{
	struct fixture *f = *state;
	char byte;
	WSABUF buffer = { 1, &byte };
	DWORD bytes, flags = 0;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ), 0);
	say(f->client, "ab");
	expect(f, f->server, FD_READ);
	assert_int_equal(WSARecv(f->server, &buffer, 1, &bytes, &flags, NULL, NULL), 0);
	expect(f, f->server, FD_READ);
}

static void data_goes_before_the_end(void **state)
{
	struct fixture *f = *state;
	char text[8];

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ | FD_CLOSE), 0);
	say(f->client, "ab");
	assert_int_equal(shutdown((int)f->client, SD_SEND), 0);
	expect(f, f->server, FD_READ);
	expect_nothing(f, f->server);
	assert_int_equal(recv((int)f->server, text, sizeof(text), 0), 2);
	assert_int_equal(expect(f, f->server, FD_CLOSE).iErrorCode[FD_CLOSE_BIT], 0);
	assert_int_equal(recv((int)f->server, text, sizeof(text), 0), 0);
	expect_nothing(f, f->server);
	/* When both directions have ended, too. */
	assert_int_equal(shutdown((int)f->server, SD_SEND), 0);
	expect_nothing(f, f->server);
}

static void the_end_alone_is_told_with_data_unread(void **state)
{
	struct fixture *f = *state;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_CLOSE), 0);
	say(f->client, "ab");
	expect_nothing(f, f->server);
	assert_int_equal(shutdown((int)f->client, SD_SEND), 0);
	expect(f, f->server, FD_CLOSE);
	expect_nothing(f, f->server);
}

static void a_lost_connection_is_an_error(void **state)
{
	const struct linger reset = { .l_onoff = 1 };
	struct fixture *f = *state;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ | FD_CLOSE), 0);
	setsockopt((int)f->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	closesocket(f->client);
	assert_int_equal(expect(f, f->server, FD_CLOSE).iErrorCode[FD_CLOSE_BIT], WSAECONNRESET);
	expect_nothing(f, f->server);
}

/* Also of data that nobody has read. */
static void a_lost_connection_is_told_beside_unread_data(void **state)
{
	const struct linger reset = { .l_onoff = 1 };
	struct fixture *f = *state;
	char text[8];

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ | FD_CLOSE), 0);
	say(f->client, "ab");
	expect(f, f->server, FD_READ);
	setsockopt((int)f->client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	closesocket(f->client);
	recv((int)f->server, text, sizeof(text), 0);
	recv((int)f->server, text, sizeof(text), 0);
	expect(f, f->server, FD_CLOSE);
	expect_nothing(f, f->server);
}

static void room_is_told_of_after_it_was_missed(void **state)
{
	struct fixture *f = *state;
	static char block[1 << 20];
	ssize_t n, sent = 0;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->client, f->event, FD_WRITE), 0);
	expect(f, f->client, FD_WRITE);
	say(f->client, "a");
	expect_nothing(f, f->client);
	while ((n = send((int)f->client, block, sizeof(block), 0)) > 0)
		sent += n;
	assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
	expect_nothing(f, f->client);
	while (sent >= 0 && (n = recv((int)f->server, block, sizeof(block), MSG_DONTWAIT)) > 0)
		sent -= n;
	expect(f, f->client, FD_WRITE);
}

static void datagrams(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in to = f->address;
	socklen_t length = sizeof(to);
	SOCKET from = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0);
	SOCKET s = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0);
	char text[8];

	to.sin_port = 0;
	assert_int_equal(bind((int)s, (struct sockaddr *)&to, length), 0);
	assert_int_equal(getsockname((int)s, (struct sockaddr *)&to, &length), 0);
	assert_int_equal(WSAEventSelect(s, f->event, FD_READ | FD_WRITE), 0);
	expect(f, s, FD_WRITE);
	for (int i = 0; i < 2; i++)
		sendto((int)from, "same", 4, 0, (struct sockaddr *)&to, length);
	/* Two alike, read one at a time. */
	expect(f, s, FD_READ);
	expect_nothing(f, s);
	assert_int_equal(recv((int)s, text, sizeof(text), 0), 4);
	expect(f, s, FD_READ);
	assert_int_equal(recv((int)s, text, sizeof(text), 0), 4);
	expect_nothing(f, s);
	closesocket(from);
	closesocket(s);
}

/* An error that waits in a datagram socket polls ready, whatever is asked: nobody may spin on it. */
static void datagrams_with_an_error(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in nobody = f->address;
	SOCKET s = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0);
	struct pollfd poll_fd = { .fd = gw_win_event_fd(f->event), .events = POLLIN };
	char byte;

	nobody.sin_port = htons(1);
	assert_int_equal(connect((int)s, (struct sockaddr *)&nobody, sizeof(nobody)), 0);
	assert_int_equal(WSAEventSelect(s, f->event, FD_READ), 0);
	say(s, "x");
	expect(f, s, FD_READ);
	expect_nothing(f, s);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	assert_int_equal(recv((int)s, &byte, 1, 0), -1);
	assert_int_equal(WSAGetLastError(), WSAECONNREFUSED);
	expect_nothing(f, s);
	closesocket(s);
}

/* ---- connections ---- */

static void connections_arrive(void **state)
{
	struct fixture *f = *state;
	WSAEVENT client_event = WSACreateEvent();
	WSANETWORKEVENTS events;

	/* Before there is anything to poll. */
	assert_int_equal(WSAEventSelect(f->listener, f->event, FD_ACCEPT | FD_READ | FD_CLOSE), 0);
	assert_int_equal(WSAEventSelect(f->client, client_event, FD_CONNECT | FD_WRITE), 0);
	expect_nothing(f, f->listener);
	assert_int_equal(listen((int)f->listener, 5), 0);
	expect_nothing(f, f->listener);
	assert_error(WSAConnect(f->client, (struct sockaddr *)&f->address, sizeof(f->address), NULL,
				NULL, NULL, NULL),
		     WSAEWOULDBLOCK);
	expect(f, f->listener, FD_ACCEPT);
	expect_nothing(f, f->listener);
	assert_int_equal(WaitForSingleObject(client_event, SOON_MS), WAIT_OBJECT_0);
	assert_int_equal(take(f->client, client_event, &events), FD_CONNECT | FD_WRITE);
	assert_int_equal(events.iErrorCode[FD_CONNECT_BIT], 0);
	f->server = (SOCKET)accept((int)f->listener, NULL, NULL);
	assert_true(f->server != INVALID_SOCKET);
	/* What is selected for the listener is for the connection, too. */
	assert_true(fcntl((int)f->server, F_GETFL) & O_NONBLOCK);
	expect_nothing(f, f->server);
	say(f->client, "a");
	expect(f, f->server, FD_READ);
	CloseHandle(client_event);
}

static void accepting_one_tells_of_the_next(void **state)
{
	struct fixture *f = *state;
	int others[2];

	assert_int_equal(listen((int)f->listener, 5), 0);
	for (int i = 0; i < 2; i++) {
		others[i] = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(
			connect(others[i], (struct sockaddr *)&f->address, sizeof(f->address)), 0);
	}
	assert_int_equal(WSAEventSelect(f->listener, f->event, FD_ACCEPT), 0);
	expect(f, f->listener, FD_ACCEPT);
	f->server = WSAAccept(f->listener, NULL, NULL, NULL, 0);
	expect(f, f->listener, FD_ACCEPT);
	closesocket(f->server);
	f->server = WSAAccept(f->listener, NULL, NULL, NULL, 0);
	assert_true(f->server != INVALID_SOCKET);
	expect_nothing(f, f->listener);
	close(others[0]);
	close(others[1]);
}

static void connections_fail(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in nobody = f->address;

	nobody.sin_port = htons(1);
	assert_int_equal(WSAEventSelect(f->client, f->event, FD_CONNECT | FD_READ | FD_CLOSE), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			connect((int)f->client, (struct sockaddr *)&nobody, sizeof(nobody)), -1);
		assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
		assert_int_equal(expect(f, f->client, FD_CONNECT).iErrorCode[FD_CONNECT_BIT],
				 WSAECONNREFUSED);
		expect_nothing(f, f->client);
	}
	assert_int_equal(listen((int)f->listener, 5), 0);
	connect((int)f->client, (struct sockaddr *)&f->address, sizeof(f->address));
	assert_int_equal(expect(f, f->client, FD_CONNECT).iErrorCode[FD_CONNECT_BIT], 0);
}

/* ---- QoS ---- */

static int get_qos(SOCKET s)
{
	DWORD bytes;

	return WSAIoctl(s, SIO_GET_QOS, NULL, 0, NULL, 0, &bytes, NULL, NULL);
}

/* G-163, G-164, G-165, G-166, G-169 */
static void news_of_qos(void **state)
{
	struct fixture *f = *state;
	SOCKET s = f->listener;
	WSANETWORKEVENTS events;

	assert_int_equal(WSAEventSelect(s, f->event, FD_QOS | FD_GROUP_QOS), 0);
	expect_nothing(f, s);
	fake_gqos_news((int)s, WSA_QOS_SENDERS);
	/* The waiting itself takes it in; the code is not 0, other elements are untouched (take()). */
	events = expect(f, s, FD_QOS);
	assert_int_equal(events.iErrorCode[FD_QOS_BIT], WSA_QOS_SENDERS);
	fake_gqos_news((int)s, WSA_QOS_NO_SENDERS);
	expect_nothing(f, s);
	/* One is taken from the queue, and another is there. */
	assert_int_equal(get_qos(s), 0);
	events = expect(f, s, FD_QOS);
	assert_int_equal(events.iErrorCode[FD_QOS_BIT], WSA_QOS_NO_SENDERS);
	/* A failed one enables as well. */
	fake_gqos.ioctl_result = WSAENOBUFS;
	assert_error(get_qos(s), WSAENOBUFS);
	expect(f, s, FD_QOS);
	/* Nothing is left. */
	fake_gqos.ioctl_result = fake_gqos.pending_code = 0;
	assert_int_equal(get_qos(s), 0);
	expect_nothing(f, s);
	fake_gqos_news((int)s, WSA_QOS_RECEIVERS);
	assert_int_equal(take(s, NULL, &events), FD_QOS);
	assert_int_equal(WaitForSingleObject(f->event, 0), WAIT_OBJECT_0);
}

/* G-167 */
static void news_from_before_the_selection(void **state)
{
	struct fixture *f = *state;

	fake_gqos_news((int)f->listener, WSA_QOS_SENDERS);
	gqos_dispatch();
	assert_int_equal(WSAEventSelect(f->listener, f->event, FD_READ), 0);
	expect_nothing(f, f->listener);
	assert_int_equal(WSAEventSelect(f->listener, f->event, FD_QOS), 0);
	expect(f, f->listener, FD_QOS);
}

static void news_wake_loops_of_others(void **state)
{
	struct fixture *f = *state;
	struct pollfd poll_fd = { .fd = gw_win_event_fd(f->event), .events = POLLIN };

	assert_int_equal(WSAEventSelect(f->listener, f->event, FD_QOS), 0);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	fake_gqos_news((int)f->listener, WSA_QOS_SENDERS);
	assert_int_equal(poll(&poll_fd, 1, SOON_MS), 1);
	expect(f, f->listener, FD_QOS);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	/* The provider has lost its engine and found another. */
	close(fake_gqos.event_fd);
	fake_gqos.event_fd = 0;
	netevents_renew_qos();
	assert_int_equal(get_qos(f->listener), 0);
	expect(f, f->listener, FD_QOS);
	fake_gqos.pending_code = 0;
	assert_int_equal(get_qos(f->listener), 0);
	fake_gqos_news((int)f->listener, WSA_QOS_NO_SENDERS);
	assert_int_equal(poll(&poll_fd, 1, SOON_MS), 1);
	expect(f, f->listener, FD_QOS);
}

static void news_wait_for_accepted_sockets(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(WSAEventSelect(f->listener, f->event, FD_QOS), 0);
	fake_gqos.pending_code = WSA_QOS_SENDERS;
	connect_both(f);
	expect(f, f->server, FD_QOS);
}

/* A socket that is not QoS-enabled has none. */
static void no_news_for_plain_sockets(void **state)
{
	struct fixture *f = *state;

	fake_gqos.pending_code = WSA_QOS_SENDERS;
	assert_int_equal(WSAEventSelect(f->client, f->event, FD_QOS), 0);
	expect_nothing(f, f->client);
}

/* ---- selecting ---- */

static void a_selection_replaces_the_one_before(void **state)
{
	struct fixture *f = *state;
	WSAEVENT other = WSACreateEvent();
	WSANETWORKEVENTS events;

	connect_both(f);
	say(f->client, "a");
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ), 0);
	assert_int_equal(WaitForSingleObject(f->event, 0), WAIT_OBJECT_0);
	ResetEvent(f->event);
	assert_int_equal(WSAEventSelect(f->server, other, FD_READ | FD_WRITE), 0);
	assert_int_equal(WaitForSingleObject(f->event, 0), WAIT_TIMEOUT);
	assert_int_equal(WaitForSingleObject(other, 0), WAIT_OBJECT_0);
	assert_int_equal(take(f->server, other, &events), FD_READ | FD_WRITE);
	assert_int_equal(WSAEventSelect(f->server, NULL, 0), 0);
	assert_int_equal(take(f->server, other, &events), 0);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ), 0);
	assert_int_equal(WSAAsyncSelect(f->server, NULL, 0, 0), 0);
	assert_int_equal(take(f->server, f->event, &events), 0);
	assert_int_equal(WaitForSingleObject(f->event, 0), WAIT_TIMEOUT);
	CloseHandle(other);
}

static void one_loop_for_many(void **state)
{
	struct fixture *f = *state;
	WSAEVENT events[2] = { f->event, WSACreateEvent() };
	WSANETWORKEVENTS found;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, events[0], FD_READ), 0);
	assert_int_equal(WSAEventSelect(f->client, events[1], FD_READ), 0);
	say(f->server, "x");
	assert_int_equal(WSAWaitForMultipleEvents(2, events, FALSE, SOON_MS, FALSE),
			 WSA_WAIT_EVENT_0 + 1);
	assert_int_equal(take(f->client, events[1], &found), FD_READ);
	say(f->client, "y");
	assert_int_equal(WSAWaitForMultipleEvents(2, events, FALSE, SOON_MS, FALSE),
			 WSA_WAIT_EVENT_0);
	/* All sockets of one event. */
	assert_int_equal(WSAEventSelect(f->client, events[0], FD_READ), 0);
	ResetEvent(events[0]);
	CloseHandle(events[1]);
	assert_int_equal(take(f->server, NULL, &found), FD_READ);
	assert_int_equal(take(f->client, NULL, &found), FD_READ);
}

static void closed_sockets_are_forgotten(void **state)
{
	struct fixture *f = *state;
	int fd;

	connect_both(f);
	fd = (int)f->server;
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ | FD_CLOSE), 0);
	close(fd); /* not closesocket() */
	assert_int_equal(socket(AF_INET, SOCK_DGRAM, 0), fd);
	assert_int_equal(WaitForSingleObject(f->event, 20), WAIT_TIMEOUT);
	expect_nothing(f, (SOCKET)fd);
	assert_int_equal(WSAEventSelect((SOCKET)fd, f->event, FD_WRITE), 0);
	expect(f, (SOCKET)fd, FD_WRITE);
}

static void events_may_be_closed_first(void **state)
{
	struct fixture *f = *state;
	WSAEVENT other = WSACreateEvent();
	WSANETWORKEVENTS events;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, other, FD_READ), 0);
	CloseHandle(other);
	say(f->client, "a");
	assert_int_equal(take(f->server, NULL, &events), FD_READ);
}

static void selections_are_not_a_childs(void **state)
{
	struct fixture *f = *state;
	pid_t child;
	int status;

	connect_both(f);
	assert_int_equal(WSAEventSelect(f->server, f->event, FD_READ), 0);
	child = fork();
	if (child == 0) {
		bool right = WaitForSingleObject(f->event, 0) == WAIT_TIMEOUT;

		say(f->client, "a");
		right = right && WaitForSingleObject(f->event, 20) == WAIT_TIMEOUT &&
			WSAEventSelect(f->server, f->event, FD_READ) == 0 &&
			WaitForSingleObject(f->event, 0) == WAIT_OBJECT_0;
		_exit(right ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	expect(f, f->server, FD_READ);
}

static void arguments(void **state)
{
	struct fixture *f = *state;
	WSANETWORKEVENTS events;
	HANDLE timer = CreateWaitableTimer(NULL, TRUE, NULL);

	assert_error(WSAEventSelect(INVALID_SOCKET, f->event, FD_READ), WSAENOTSOCK);
	assert_error(WSAEventSelect(f->client, NULL, FD_READ), WSAEINVAL);
	assert_error(WSAEventSelect(f->client, timer, FD_READ), WSAEINVAL);
	assert_error(WSAEventSelect(f->client, f->event, 0x400), WSAEINVAL);
	assert_error(WSAEnumNetworkEvents(INVALID_SOCKET, NULL, &events), WSAENOTSOCK);
	assert_error(WSAEnumNetworkEvents(f->client, NULL, NULL), WSAEFAULT);
	assert_error(WSAEnumNetworkEvents(f->client, timer, &events), WSAEINVAL);
	assert_error(WSAAsyncSelect(INVALID_SOCKET, NULL, 0, FD_READ), WSAENOTSOCK);
	/* G-168 cannot be: there are no windows, and no messages to them */
	assert_error(WSAAsyncSelect(f->client, NULL, 0, FD_READ), WSAEINVAL);
	CloseHandle(timer);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(data_is_told_of_once),
		TEST(overlapped_receives_ask_for_more),
		TEST(data_goes_before_the_end),
		TEST(the_end_alone_is_told_with_data_unread),
		TEST(a_lost_connection_is_an_error),
		TEST(a_lost_connection_is_told_beside_unread_data),
		TEST(room_is_told_of_after_it_was_missed),
		TEST(datagrams),
		TEST(datagrams_with_an_error),
		TEST(connections_arrive),
		TEST(accepting_one_tells_of_the_next),
		TEST(connections_fail),
		TEST(news_of_qos),
		TEST(news_from_before_the_selection),
		TEST(news_wake_loops_of_others),
		TEST(news_wait_for_accepted_sockets),
		TEST(no_news_for_plain_sockets),
		TEST(a_selection_replaces_the_one_before),
		TEST(one_loop_for_many),
		TEST(closed_sockets_are_forgotten),
		TEST(events_may_be_closed_first),
		TEST(selections_are_not_a_childs),
		TEST(arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
