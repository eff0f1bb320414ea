/* SPDX-License-Identifier: MIT */
/*
 * test_gqos_events.c: how a program hears of its QoS: FD_QOS and SIO_GET_QOS through the calls of Winsock, with the
 * engine played (spec/gqos.md §12; each test names the items that it proves).
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "gqos_lists.h"
#include "winqos/gqos.h"

static SOCKET s;
static WSAEVENT event;
static _Alignas(8) unsigned char answer[4096];
static DWORD answered;
static struct gw_rsvp_sender sender;
static struct gw_rsvp_record record;

static int set_up(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	WSAPROTOCOL_INFOA entries[16];
	DWORD size = sizeof(entries);
	WSADATA data;
	int n, i = 0;

	fake_reset();
	fake_qos_reset();
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return -1;
	n = WSAEnumProtocolsA(NULL, entries, &size);
	while (i < n &&
	       !(entries[i].iProtocol == IPPROTO_UDP && entries[i].iAddressFamily == AF_INET &&
		 (entries[i].dwServiceFlags1 & XP1_QOS_SUPPORTED)))
		i++;
	if (i >= n)
		return -1;
	s = WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &entries[i], 0,
		       WSA_FLAG_OVERLAPPED);
	event = WSACreateEvent();
	if (s == INVALID_SOCKET || event == WSA_INVALID_EVENT)
		return -1;
	return bind((int)s, (struct sockaddr *)&address, sizeof(address));
}

static int tear_down(void **state)
{
	closesocket(s);
	/* The next test opens its own engine. */
	if (fake.last) {
		fake_post(fake.last, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
		gqos_dispatch();
	}
	WSACloseEvent(event);
	WSACleanup();
	return 0;
}

static void set_types(SERVICETYPE sending, SERVICETYPE receiving)
{
	QOS qos = qos_of(sending, receiving);

	assert_int_equal(
		WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &answered, NULL, NULL), 0);
}

/* A new sender has come: a record for each, since they are read later. */
static void send_signal(enum gw_event_type type, struct gw_rsvp_record *told)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&sender.address;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0xc0000201);
	*told = (struct gw_rsvp_record){ .size = sizeof(*told),
					 .n_senders = 1,
					 .senders = &sender };
	told->tspec.rate_bps = 8000;
	told->destination.ss_family = AF_INET;
	fake_signal(fake.last, type, (int)s, told);
}

static long get_events(int *ret_error)
{
	WSANETWORKEVENTS events;

	memset(&events, 0x55, sizeof(events));
	assert_int_equal(WSAEnumNetworkEvents(s, event, &events), 0);
	for (int i = 0; i < FD_MAX_EVENTS; i++) {
		if (i != FD_QOS_BIT)
			assert_int_equal(events.iErrorCode[i], 0x55555555); /* untouched */
	}
	*ret_error = events.iErrorCode[FD_QOS_BIT];
	return events.lNetworkEvents;
}

static int get(DWORD size)
{
	if (WSAIoctl(s, SIO_GET_QOS, NULL, 0, answer, size, &answered, NULL, NULL) == 0)
		return 0;
	return WSAGetLastError();
}

/* G-163: the code, which is never 0; and no other entry is touched */
static void fd_qos_has_the_code(void **state)
{
	int error;

	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(WSAEventSelect(s, event, FD_QOS), 0);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT);
	send_signal(GW_EVENT_RSVP_PATH, &record);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, FALSE), WSA_WAIT_EVENT_0);
	assert_int_equal(get_events(&error), FD_QOS);
	assert_int_equal(error, WSA_QOS_SENDERS);
}

/* G-164, G-165, G-166 */
static void fd_qos_is_recorded_once(void **state)
{
	struct gw_rsvp_record second;
	int error;

	set_types(SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(WSAEventSelect(s, event, FD_QOS), 0);
	send_signal(GW_EVENT_RSVP_PATH, &record);
	assert_int_equal(get_events(&error), FD_QOS);
	send_signal(GW_EVENT_RSVP_RESV, &second);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 50, FALSE), WSA_WAIT_TIMEOUT);
	assert_int_equal(get_events(&error), 0);

	/* A call that fails enables it again, and what waits is recorded at once. */
	assert_int_equal(get(16), WSAENOBUFS);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE), WSA_WAIT_EVENT_0);
	assert_int_equal(get_events(&error), FD_QOS);
	assert_int_equal(error, WSA_QOS_SENDERS);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(get_events(&error), FD_QOS);
	assert_int_equal(error, WSA_QOS_RECEIVERS);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(get_events(&error), 0);
	assert_int_equal(get(sizeof(answer)), WSAEWOULDBLOCK);
}

/* G-167: selected later */
static void fd_qos_may_be_selected_later(void **state)
{
	int error;

	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	send_signal(GW_EVENT_RSVP_PATH, &record);
	assert_int_equal(WSAEventSelect(s, event, FD_QOS), 0);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 1000, FALSE), WSA_WAIT_EVENT_0);
	assert_int_equal(get_events(&error), FD_QOS);
	assert_int_equal(error, WSA_QOS_SENDERS);
}

/* G-179 */
static void waiting_gets_complete_with_the_next_change(void **state)
{
	WSAOVERLAPPED overlapped = { .hEvent = event };
	DWORD flags;

	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(WSAIoctl(s, SIO_GET_QOS, NULL, 0, answer, sizeof(answer), NULL,
				  &overlapped, NULL),
			 SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_false(WSAGetOverlappedResult(s, &overlapped, &answered, FALSE, &flags));
	assert_int_equal(WSAGetLastError(), WSA_IO_INCOMPLETE);
	send_signal(GW_EVENT_RSVP_PATH, &record);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, FALSE), WSA_WAIT_EVENT_0);
	assert_true(WSAGetOverlappedResult(s, &overlapped, &answered, FALSE, &flags));
	assert_int_equal(answered, sizeof(QOS) + ((QOS *)answer)->ProviderSpecific.len);
}

static DWORD routine_error, routine_bytes;
static unsigned routine_calls;

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags)
{
	routine_error = error;
	routine_bytes = bytes;
	routine_calls++;
}

/* A completion routine runs in an alertable wait alone. */
static void routines_run_in_alertable_waits(void **state)
{
	WSAOVERLAPPED overlapped = { 0 };

	routine_calls = 0;
	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(WSAIoctl(s, SIO_GET_QOS, NULL, 0, answer, sizeof(answer), NULL,
				  &overlapped, routine),
			 SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	send_signal(GW_EVENT_RSVP_PATH, &record);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 20, FALSE), WSA_WAIT_TIMEOUT);
	assert_int_equal(routine_calls, 0);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 5000, TRUE),
			 WSA_WAIT_IO_COMPLETION);
	assert_int_equal(routine_calls, 1);
	assert_int_equal(routine_error, 0);
	assert_int_equal(routine_bytes, sizeof(QOS) + ((QOS *)answer)->ProviderSpecific.len);
}

/* G-181, G-245 */
static void closing_aborts_what_waits(void **state)
{
	WSAOVERLAPPED overlapped = { .hEvent = event };
	DWORD bytes;

	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(WSAIoctl(s, SIO_GET_QOS, NULL, 0, answer, sizeof(answer), NULL,
				  &overlapped, NULL),
			 SOCKET_ERROR);
	assert_int_equal(shutdown((int)s, SD_BOTH), 0);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT);
	assert_int_equal(closesocket(s), 0);
	assert_int_equal(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE), WSA_WAIT_EVENT_0);
	assert_false(GetOverlappedResult(NULL, &overlapped, &bytes, FALSE));
	assert_int_equal(GetLastError(), WSA_OPERATION_ABORTED);
}

/* G-242, through the calls of the program */
static void shut_sockets_send_no_more(void **state)
{
	QOS qos = qos_of(SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_NOCHANGE);

	assert_int_equal(shutdown((int)s, SD_SEND), 0);
	assert_int_equal(WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &answered, NULL,
				  NULL),
			 SOCKET_ERROR);
	assert_int_equal(WSAGetLastError(), WSAESHUTDOWN);
	set_types(SERVICETYPE_NOCHANGE, SERVICETYPE_CONTROLLEDLOAD);
}

/* §16.2, E26: a daemon that stops says so, and then its connection is gone: the program hears of that once. */
static void the_end_of_signalling_is_told_once(void **state)
{
	struct gw_rsvp_record sending, receiving;
	int error;

	set_types(SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(WSAEventSelect(s, event, FD_QOS), 0);
	send_signal(GW_EVENT_RSVP_PATH_ERROR, &sending);
	sending.error_code = 23;
	fake_post(fake.last, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
	assert_int_equal(get_events(&error), FD_QOS);
	assert_int_equal(error, WSA_QOS_GENERIC_ERROR);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(((QOS *)answer)->SendingFlowspec.ServiceType, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(((QOS *)answer)->ReceivingFlowspec.ServiceType,
			 SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get(sizeof(answer)), WSAEWOULDBLOCK);

	/* What is said of one life of it is not true of the next. */
	set_types(SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD);
	send_signal(GW_EVENT_RSVP_RESV_ERROR, &receiving);
	receiving.error_code = 23;
	assert_int_equal(get_events(&error), FD_QOS);
	assert_int_equal(get(sizeof(answer)), 0);
	set_types(SERVICETYPE_NOCHANGE, SERVICETYPE_CONTROLLEDLOAD);
	fake_post(fake.last, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
	assert_int_equal(get_events(&error), FD_QOS);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(get(sizeof(answer)), WSAEWOULDBLOCK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fd_qos_has_the_code),
		TEST(fd_qos_is_recorded_once),
		TEST(fd_qos_may_be_selected_later),
		TEST(waiting_gets_complete_with_the_next_change),
		TEST(routines_run_in_alertable_waits),
		TEST(closing_aborts_what_waits),
		TEST(shut_sockets_send_no_more),
		TEST(the_end_of_signalling_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
