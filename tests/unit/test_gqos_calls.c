/* SPDX-License-Identifier: MIT */
/*
 * test_gqos_calls.c: the provider's calls behind gqos.h: what is set and kept, the queue of each socket, SIO_GET_QOS
 * and SIO_CHK_QOS (spec/gqos.md §7.5, §12, §13, §16.6; each test names the items that it proves).
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "gqos_lists.h"
#include "winqos/gqos.h"
#include "winqos/gqos_item.h"
#include "winqos/overlapped.h"

static int fd;
static _Alignas(8) unsigned char answer[8192];
static DWORD answered;
static struct gw_rsvp_sender sender;

/* A bound UDP socket that blocks. */
static int make_socket(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int made = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(made >= 0);
	assert_int_equal(bind(made, (struct sockaddr *)&address, sizeof(address)), 0);
	return made;
}

static int set_up(void **state)
{
	fake_reset();
	fake_qos_reset();
	fd = make_socket();
	return 0;
}

static int tear_down(void **state)
{
	gqos_closing((SOCKET)fd);
	close(fd);
	/* The next test opens its own engine. */
	if (fake.n_open > fake.n_closed) {
		fake_post(fake.last, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
		gqos_dispatch();
	}
	return 0;
}

static int set_types(SERVICETYPE sending, SERVICETYPE receiving)
{
	const QOS qos = qos_of(sending, receiving);

	return gqos_set((SOCKET)fd, &qos);
}

static int control(DWORD code, const void *in, DWORD in_size, void *out, DWORD out_size)
{
	const struct gqos_ioctl ioctl = { .s = (SOCKET)fd,
					  .code = code,
					  .in = in,
					  .in_size = in_size,
					  .out = out,
					  .out_size = out_size,
					  .has_size = true };

	answered = 77;
	return gqos_ioctl(&ioctl, &answered);
}

static int get(DWORD size)
{
	memset(answer, 0xee, sizeof(answer));
	return control(SIO_GET_QOS, NULL, 0, answer, size);
}

static QOS got(void)
{
	QOS qos;

	memcpy(&qos, answer, sizeof(qos));
	return qos;
}

static ULONG got_code(void)
{
	RSVP_STATUS_INFO status;

	memcpy(&status, answer + sizeof(QOS), sizeof(status));
	return status.StatusCode;
}

/* An answer of the whole size of an SIO_GET_QOS, that is to wait. */
static int get_later_to(OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
			void *out, DWORD size)
{
	struct gqos_ioctl ioctl = { .s = (SOCKET)fd,
				    .code = SIO_GET_QOS,
				    .out = out,
				    .out_size = size,
				    .has_size = true,
				    .overlapped = overlapped };
	struct notify notify;
	int error;

	assert_int_equal(notify_of(overlapped, routine, &notify), 0);
	ioctl.notify = &notify;
	error = gqos_ioctl(&ioctl, &answered);
	if (error != WSA_IO_PENDING)
		notify_drop(&notify);
	return error;
}

static int get_later(OVERLAPPED *overlapped, void *out, DWORD size)
{
	return get_later_to(overlapped, NULL, out, size);
}

static void set_blocking(bool blocking)
{
	assert_int_equal(fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK), 0);
}

/* ---- what the engine tells ---- */

/* Taken in at once: the record need not stay. */
static void tell(enum gw_event_type type, struct gw_rsvp_record record)
{
	record.size = sizeof(record);
	fake_signal(fake.last, type, fd, &record);
	gqos_dispatch();
}

static void tell_sender(const char *address, uint32_t flags)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&sender.address;
	struct gw_rsvp_record record = { .n_senders = 1, .senders = &sender, .flags = flags };

	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	record.tspec.rate_bps = 8000;
	record.destination.ss_family = AF_INET;
	tell(GW_EVENT_RSVP_PATH, record);
}

static void tell_reservation(uint32_t flags)
{
	tell(GW_EVENT_RSVP_RESV,
	     (struct gw_rsvp_record){ .flags = flags, .service = GW_RSVP_CONTROLLED_LOAD });
}

static void tell_error(uint8_t code)
{
	tell(GW_EVENT_RSVP_RESV_ERROR, (struct gw_rsvp_record){ .error_code = code });
}

/* ---- setting ---- */

static void what_is_set_reaches_the_engine(void **state)
{
	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(fake_qos.n_set, 1);
	assert_int_equal(fake_qos.fd, fd);
	assert_int_equal(fake_qos.qos.sending.service, GW_QOS_GUARANTEED);
	assert_int_equal(fake_qos.qos.sending.tspec.rate_bps, 1000000);
	assert_int_equal(fake_qos.qos.receiving.service, GW_QOS_CONTROLLED_LOAD);
	assert_string_equal(fake.last->options.api, "gqos");
}

/* G-050, G-252: of a failed call nothing is left, and a bad one is not even asked for */
static void failed_calls_change_nothing(void **state)
{
	QOS requested;

	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(set_types(7, 0), WSA_QOS_ESERVICETYPE);
	assert_int_equal(fake_qos.n_set, 1);
	fake_qos.result = -EDQUOT;
	assert_int_equal(set_types(0, 0), WSA_QOS_ADMISSION_FAILURE);
	fake_qos.result = -EACCES;
	assert_int_equal(set_types(SERVICETYPE_NETWORK_CONTROL, 0), WSA_QOS_POLICY_FAILURE);
	fake_qos.result = -ENETUNREACH;
	assert_int_equal(set_types(0, 0), WSAENETUNREACH);
	assert_true(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(requested.SendingFlowspec.ServiceType, SERVICETYPE_GUARANTEED);
	assert_int_equal(requested.ReceivingFlowspec.ServiceType, SERVICETYPE_CONTROLLEDLOAD);
}

static void directions_are_kept_by_nochange(void **state)
{
	QOS requested;

	assert_false(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(set_types(SERVICETYPE_NOTRAFFIC,
				   SERVICETYPE_NOCHANGE | SERVICE_NO_QOS_SIGNALING),
			 0);
	assert_true(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(requested.SendingFlowspec.ServiceType, SERVICETYPE_NOTRAFFIC);
	assert_int_equal(requested.ReceivingFlowspec.ServiceType,
			 SERVICETYPE_CONTROLLEDLOAD | SERVICE_NO_QOS_SIGNALING);
}

/* The checks of a call that is yet to be made ask nobody. */
static void checking_asks_nobody(void **state)
{
	const QOS good = qos_of(SERVICETYPE_GUARANTEED, 0), bad = qos_of(7, 0);
	QOS requested;

	assert_int_equal(gqos_check((SOCKET)fd, &good), 0);
	assert_int_equal(gqos_check((SOCKET)fd, &bad), WSA_QOS_ESERVICETYPE);
	assert_int_equal(fake_qos.n_set, 0);
	assert_false(gqos_requested((SOCKET)fd, &requested));
}

/* G-242: what has been shut down does not begin again; the rest does */
static void shut_directions_stay_shut(void **state)
{
	gqos_end((SOCKET)fd, GQOS_SENDING, true);
	assert_int_equal(set_types(SERVICETYPE_CONTROLLEDLOAD, 0), WSAESHUTDOWN);
	assert_int_equal(fake_qos.n_set, 0);
	assert_int_equal(set_types(SERVICETYPE_NOCHANGE, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(set_types(SERVICETYPE_BESTEFFORT, SERVICETYPE_NOCHANGE), 0);
}

static void ends_reach_the_engine(void **state)
{
	QOS requested;

	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD), 0);
	gqos_end((SOCKET)fd, GQOS_SENDING, true);
	assert_int_equal(fake_qos.directions, GW_QOS_SENDING | GW_QOS_SHUT);
	gqos_end((SOCKET)fd, GQOS_BOTH, false);
	assert_int_equal(fake_qos.directions, GW_QOS_SENDING | GW_QOS_RECEIVING);
	assert_true(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(requested.SendingFlowspec.ServiceType, SERVICETYPE_NOTRAFFIC);
	assert_int_equal(requested.ReceivingFlowspec.ServiceType, SERVICETYPE_NOTRAFFIC);
}

static void groups_reach_the_engine(void **state)
{
	struct sockaddr_in group = { .sin_family = AF_INET, .sin_port = htons(5000) };
	const QOS qos = qos_of(SERVICETYPE_GUARANTEED, 0), bad = qos_of(7, 0);
	const struct sockaddr *name = (const struct sockaddr *)&group;

	assert_int_equal(gqos_join((SOCKET)fd, name, sizeof(group), GQOS_SENDING, &bad),
			 WSA_QOS_ESERVICETYPE);
	assert_int_equal(fake_qos.n_join, 0);
	assert_int_equal(gqos_join((SOCKET)fd, name, sizeof(group), GQOS_SENDING, &qos), 0);
	assert_true(fake_qos.has_qos && fake_qos.directions == GW_QOS_SENDING);
	assert_int_equal(gqos_join((SOCKET)fd, name, sizeof(group), GQOS_BOTH, NULL), 0);
	assert_false(fake_qos.has_qos);
	/* What is told speaks of what was asked for in the group. */
	tell_reservation(GW_RSVP_GONE);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(got().SendingFlowspec.ServiceType, SERVICETYPE_GUARANTEED);
	fake_qos.result = -EISCONN;
	assert_int_equal(gqos_join((SOCKET)fd, name, sizeof(group), GQOS_BOTH, NULL), WSAEISCONN);
	gqos_leave((SOCKET)fd, name, sizeof(group));
	assert_int_equal(fake_qos.n_leave, 1);
}

static void accepted_sockets_inherit(void **state)
{
	QOS condition = qos_of(SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_NOCHANGE);
	int accepted = make_socket(), another = make_socket();
	struct list list = { 0 };
	QOS requested, qos;

	/* A listener without QoS: the host hears the senders. */
	gqos_inherit((SOCKET)fd, (SOCKET)accepted, NULL);
	assert_int_equal(fake_qos.n_set, 0);
	assert_int_equal(fake_qos.n_look, 1);

	list_add_number(&list, QOS_OBJECT_DS_CLASS, 12);
	qos = qos_with(qos_of(SERVICETYPE_GUARANTEED, SERVICETYPE_QUALITATIVE), &list);
	assert_int_equal(gqos_set((SOCKET)fd, &qos), 0);
	gqos_inherit((SOCKET)fd, (SOCKET)accepted, NULL);
	assert_int_equal(fake_qos.fd, accepted);
	assert_int_equal(fake_qos.qos.sending.service, GW_QOS_GUARANTEED);
	assert_int_equal(fake_qos.qos.dscp, 12);
	assert_true(gqos_requested((SOCKET)accepted, &requested));
	assert_int_equal(requested.ReceivingFlowspec.ServiceType, SERVICETYPE_QUALITATIVE);

	/* G-119: what the condition function leaves goes on, what it sets has no objects. */
	condition = qos_with(condition, &list);
	gqos_inherit((SOCKET)fd, (SOCKET)another, &condition);
	assert_int_equal(fake_qos.fd, another);
	assert_int_equal(fake_qos.qos.sending.service, GW_QOS_CONTROLLED_LOAD);
	assert_int_equal(fake_qos.qos.dscp, -1);
	assert_int_equal(fake_qos.qos.receiving.service, GW_QOS_QUALITATIVE);
	gqos_closing((SOCKET)accepted);
	gqos_closing((SOCKET)another);
	close(accepted);
	close(another);
}

/* One of several destinations ends: what was asked for the others is still asked for. */
static void one_destination_may_end(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(5000),
				  .sin_addr.s_addr = htonl(0xc0000201) };
	const QOS_DESTADDR destination = { { QOS_OBJECT_DESTADDR, sizeof(destination) },
					   (const struct sockaddr *)&to,
					   sizeof(to) };
	struct list list = { 0 };
	QOS qos, requested;

	list_add(&list, &destination, sizeof(destination));
	qos = qos_with(qos_of(SERVICETYPE_GUARANTEED, SERVICETYPE_NOCHANGE), &list);
	assert_int_equal(gqos_set((SOCKET)fd, &qos), 0);
	tell_reservation(0);
	qos.SendingFlowspec.ServiceType = SERVICETYPE_NOTRAFFIC;
	assert_int_equal(gqos_set((SOCKET)fd, &qos), 0);
	assert_int_equal(fake_qos.qos.sending.service, GW_QOS_NONE);
	assert_memory_equal(&fake_qos.qos.destination, &to, sizeof(to));
	assert_true(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(requested.SendingFlowspec.ServiceType, SERVICETYPE_GUARANTEED);
	assert_int_equal(gqos_pending_code((SOCKET)fd), WSA_QOS_RECEIVERS);
}

/* ---- the queue ---- */

static void items_are_told_in_order(void **state)
{
	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(gqos_pending_code((SOCKET)fd), 0);
	tell_sender("192.0.2.1", 0);
	tell_reservation(0);
	assert_int_equal(gqos_pending_code((SOCKET)fd), WSA_QOS_SENDERS);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(got_code(), WSA_QOS_SENDERS);
	assert_int_equal(answered, sizeof(QOS) + got().ProviderSpecific.len);
	assert_int_equal(gqos_pending_code((SOCKET)fd), WSA_QOS_RECEIVERS);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(got_code(), WSA_QOS_RECEIVERS);
	assert_int_equal(gqos_pending_code((SOCKET)fd), 0);
}

/* Events without the program having asked for anything (§8.3). */
static void senders_are_told_of_to_who_only_listens(void **state)
{
	gqos_look((SOCKET)fd);
	assert_int_equal(fake_qos.n_look, 1);
	tell_sender("192.0.2.1", 0);
	assert_int_equal(gqos_pending_code((SOCKET)fd), WSA_QOS_SENDERS);
}

/* G-177, G-182, G-183: too small an answer says how large it must be; then it is the same item */
static void small_answers_tell_the_size(void **state)
{
	const DWORD sizes[] = { 4, 16, sizeof(QOS), sizeof(QOS) + 8 };
	ULONG needed;

	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	tell_sender("192.0.2.1", 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(get(sizes[i]), WSAENOBUFS);
		memcpy(&needed, answer, sizeof(needed));
		assert_true(needed > sizeof(QOS) && needed < 1024);
		assert_int_equal(answer[4], 0xee);
	}
	assert_int_equal(get(needed - 1), WSAENOBUFS);
	assert_int_equal(get(needed), 0);
	assert_int_equal(got_code(), WSA_QOS_SENDERS);
	assert_int_equal(answered, needed);
	assert_ptr_equal(got().ProviderSpecific.buf, answer + sizeof(QOS));
	assert_int_equal(answer[needed], 0xee);

	assert_int_equal(get(3), WSAEFAULT);
	assert_int_equal(control(SIO_GET_QOS, NULL, 0, NULL, sizeof(answer)), WSAEFAULT);
}

/* G-178, G-184 */
static void nothing_to_tell_would_block(void **state)
{
	set_blocking(false);
	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get(sizeof(answer)), WSAEWOULDBLOCK);
	tell_sender("192.0.2.1", 0);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(get(sizeof(answer)), WSAEWOULDBLOCK);
}

static void blocking_sockets_hear_how_things_stand(void **state)
{
	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(get(sizeof(QOS) - 1), WSAENOBUFS);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(answered, sizeof(QOS));
	assert_int_equal(got().SendingFlowspec.ServiceType, SERVICETYPE_GUARANTEED);
	assert_int_equal(got().SendingFlowspec.TokenRate, 125000);
	assert_int_equal(got().ReceivingFlowspec.ServiceType, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(got().ProviderSpecific.len, 0);
}

/* G-257: with signalling off there is no news */
static void hosts_that_signal_nothing_tell_nothing(void **state)
{
	fake_qos.list_result = -EOPNOTSUPP;
	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(answered, 0);
	set_blocking(false);
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(answered, 0);
}

static void unbound_sockets_have_no_news(void **state)
{
	int bound = fd, tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	fd = tcp;
	set_blocking(false);
	assert_int_equal(get(sizeof(answer)), WSAEWOULDBLOCK);
	assert_int_equal(set_types(0, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(get(sizeof(answer)), WSAEINVAL);
	assert_int_equal(set_types(SERVICETYPE_CONTROLLEDLOAD, 0), 0);
	assert_int_equal(get(sizeof(answer)), WSAENOTCONN);
	gqos_closing((SOCKET)tcp);
	close(tcp);
	fd = bound;
}

/* §12.1: bounded; good news of the same direction goes first, failures stay */
static void the_queue_is_bounded(void **state)
{
	unsigned senders = 0, errors = 0, receivers = 0;
	char address[16];

	set_blocking(false);
	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	tell_reservation(0);
	tell_error(5);
	for (int i = 1; i <= 100; i++) {
		snprintf(address, sizeof(address), "192.0.2.%d", i);
		tell_sender(address, 0);
	}
	while (get(sizeof(answer)) == 0) {
		senders += got_code() == WSA_QOS_SENDERS;
		errors += got_code() == WSA_QOS_BAD_STYLE;
		receivers += got_code() == WSA_QOS_RECEIVERS;
	}
	assert_int_equal(senders, 62);
	assert_int_equal(errors, 1);
	assert_int_equal(receivers, 1);

	/* Only failures: the oldest goes. */
	for (int i = 0; i < 64; i++)
		tell_error(5);
	tell_error(9);
	for (int i = 0; i < 63; i++) {
		assert_int_equal(get(sizeof(answer)), 0);
		assert_int_equal(got_code(), WSA_QOS_BAD_STYLE);
	}
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(got_code(), WSA_QOS_BAD_OBJECT);
	assert_int_equal(get(sizeof(answer)), WSAEWOULDBLOCK);
}

/* What the program ends itself is not told of any more, and what of the other direction waits stays. */
static void items_of_closed_directions_vanish(void **state)
{
	const struct {
		SERVICETYPE sending, receiving;
		int left;
	} closings[] = {
		{ SERVICETYPE_NOTRAFFIC, SERVICETYPE_NOCHANGE, WSA_QOS_SENDERS },
		{ SERVICETYPE_BESTEFFORT, SERVICETYPE_NOCHANGE, WSA_QOS_SENDERS },
		{ SERVICETYPE_NOCHANGE, SERVICETYPE_NOTRAFFIC, WSA_QOS_RECEIVERS },
		{ SERVICETYPE_NOCHANGE, SERVICETYPE_BESTEFFORT, WSA_QOS_RECEIVERS },
		{ SERVICETYPE_NOCHANGE, SERVICETYPE_NOCHANGE, WSA_QOS_SENDERS },
		{ SERVICETYPE_NOTRAFFIC, SERVICETYPE_BESTEFFORT, 0 },
	};

	for (size_t i = 0; i < sizeof(closings) / sizeof(*closings); i++) {
		set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
		tell_sender("192.0.2.1", 0);
		tell_reservation(0);
		assert_int_equal(set_types(closings[i].sending, closings[i].receiving), 0);
		assert_int_equal(gqos_pending_code((SOCKET)fd), closings[i].left);
		gqos_end((SOCKET)fd, GQOS_BOTH, false);
		assert_int_equal(gqos_pending_code((SOCKET)fd), 0);
	}
	/* A direction that has been shut down is not told of later either. */
	gqos_end((SOCKET)fd, GQOS_RECEIVING, true);
	tell_sender("192.0.2.2", 0);
	assert_int_equal(gqos_pending_code((SOCKET)fd), 0);
}

/* ---- overlapped ---- */

/* G-179: as far as the provider goes */
static void waiting_gets_take_items_in_order(void **state)
{
	OVERLAPPED first = { .hEvent = WSACreateEvent() }, second = { .hEvent = WSACreateEvent() };
	_Alignas(8) static unsigned char outs[2][1024];
	DWORD bytes;

	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get_later(&first, outs[0], 1024), WSA_IO_PENDING);
	assert_int_equal(get_later(&second, outs[1], 1024), WSA_IO_PENDING);
	assert_false(GetOverlappedResult(NULL, &first, &bytes, FALSE));
	assert_int_equal(GetLastError(), ERROR_IO_INCOMPLETE);

	tell_sender("192.0.2.1", 0);
	assert_int_equal(WaitForSingleObject(first.hEvent, 0), WAIT_OBJECT_0);
	assert_int_equal(WaitForSingleObject(second.hEvent, 0), WAIT_TIMEOUT);
	assert_true(GetOverlappedResult(NULL, &first, &bytes, FALSE));
	memcpy(answer, outs[0], 1024);
	assert_int_equal(got_code(), WSA_QOS_SENDERS);
	assert_int_equal(bytes, sizeof(QOS) + got().ProviderSpecific.len);
	assert_ptr_equal(got().ProviderSpecific.buf, outs[0] + sizeof(QOS));
	/* It has been told: nothing is left for FD_QOS. */
	assert_int_equal(gqos_pending_code((SOCKET)fd), 0);

	tell_reservation(0);
	assert_int_equal(WaitForSingleObject(second.hEvent, 0), WAIT_OBJECT_0);
	assert_true(GetOverlappedResult(NULL, &second, &bytes, FALSE));
	WSACloseEvent(first.hEvent);
	WSACloseEvent(second.hEvent);
}

static struct {
	unsigned count;
	DWORD error, bytes;
	OVERLAPPED *overlapped;
} routine_calls;

static void CALLBACK on_completion(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped,
				   DWORD flags)
{
	routine_calls.count++;
	routine_calls.error = error;
	routine_calls.bytes = bytes;
	routine_calls.overlapped = overlapped;
}

/*
 * G-180: a completion routine runs in an alertable wait, and only there. Its other half, a completion port without an
 * event, cannot be asked for: there are none here, as windows.h does not declare CreateIoCompletionPort().
 */
static void routines_run_in_alertable_waits(void **state)
{
	OVERLAPPED first = { 0 }, second = { 0 };

	memset(&routine_calls, 0, sizeof(routine_calls));
	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get_later_to(&first, on_completion, answer, sizeof(answer)),
			 WSA_IO_PENDING);
	assert_int_equal(SleepEx(0, TRUE), 0);
	tell_sender("192.0.2.1", 0);
	assert_int_equal(SleepEx(1, FALSE), 0);
	assert_true(HasOverlappedIoCompleted(&first));
	assert_int_equal(routine_calls.count, 0);
	assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(routine_calls.count, 1);
	assert_int_equal(routine_calls.error, 0);
	assert_ptr_equal(routine_calls.overlapped, &first);
	assert_int_equal(got_code(), WSA_QOS_SENDERS);
	assert_int_equal(routine_calls.bytes, sizeof(QOS) + got().ProviderSpecific.len);
	/* The wait itself takes in what comes, and the end of the socket is told likewise. */
	assert_int_equal(get_later_to(&second, on_completion, answer, sizeof(answer)),
			 WSA_IO_PENDING);
	gqos_closing((SOCKET)fd);
	assert_int_equal(routine_calls.count, 1);
	assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(routine_calls.count, 2);
	assert_int_equal(routine_calls.error, WSA_OPERATION_ABORTED);
	assert_ptr_equal(routine_calls.overlapped, &second);
}

/* Who waits for the event takes in what comes; nobody calls gqos_dispatch(). */
static void who_waits_takes_items_in(void **state)
{
	struct gw_rsvp_record record = { .size = sizeof(record), .service = GW_RSVP_GUARANTEED };
	OVERLAPPED overlapped = { .hEvent = WSACreateEvent() };

	set_types(SERVICETYPE_GUARANTEED, 0);
	assert_int_equal(get_later(&overlapped, answer, sizeof(answer)), WSA_IO_PENDING);
	fake_signal(fake.last, GW_EVENT_RSVP_RESV, fd, &record);
	assert_int_equal(WaitForSingleObject(overlapped.hEvent, 5000), WAIT_OBJECT_0);
	assert_int_equal(got_code(), WSA_QOS_RECEIVERS);
	WSACloseEvent(overlapped.hEvent);
}

static void waiting_gets_without_room_leave_the_item(void **state)
{
	OVERLAPPED overlapped = { .hEvent = WSACreateEvent() };
	DWORD bytes;
	ULONG needed;

	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get_later(&overlapped, answer, 16), WSA_IO_PENDING);
	tell_sender("192.0.2.1", 0);
	assert_false(GetOverlappedResult(NULL, &overlapped, &bytes, FALSE));
	assert_int_equal(GetLastError(), WSAENOBUFS);
	memcpy(&needed, answer, sizeof(needed));
	assert_int_equal(get(needed), 0);
	assert_int_equal(got_code(), WSA_QOS_SENDERS);
	WSACloseEvent(overlapped.hEvent);
}

/* G-245: it goes on waiting whatever ends the directions; closesocket() ends it (G-181 in test_winsock.c) */
static void waiting_gets_survive_all_but_closing(void **state)
{
	OVERLAPPED overlapped = { .hEvent = WSACreateEvent() };
	DWORD bytes;

	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get_later(&overlapped, answer, sizeof(answer)), WSA_IO_PENDING);
	assert_int_equal(set_types(0, 0), 0);
	gqos_end((SOCKET)fd, GQOS_BOTH, true);
	assert_int_equal(WaitForSingleObject(overlapped.hEvent, 0), WAIT_TIMEOUT);
	gqos_closing((SOCKET)fd);
	assert_int_equal(WaitForSingleObject(overlapped.hEvent, 0), WAIT_OBJECT_0);
	assert_false(GetOverlappedResult(NULL, &overlapped, &bytes, FALSE));
	assert_int_equal(GetLastError(), WSA_OPERATION_ABORTED);
	WSACloseEvent(overlapped.hEvent);
}

/* A descriptor that was closed by close(2) is another socket's now: nothing of the old one goes on. */
static void descriptors_that_are_used_again_begin_anew(void **state)
{
	OVERLAPPED overlapped = { .hEvent = WSACreateEvent() };
	QOS requested;
	int again;

	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(get_later(&overlapped, answer, sizeof(answer)), WSA_IO_PENDING);
	close(fd);
	again = make_socket();
	assert_int_equal(again, fd);
	assert_false(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(set_types(0, SERVICETYPE_CONTROLLEDLOAD), 0);
	assert_int_equal(WaitForSingleObject(overlapped.hEvent, 0), WAIT_OBJECT_0);
	assert_true(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(requested.SendingFlowspec.ServiceType, SERVICETYPE_NOTRAFFIC);
	WSACloseEvent(overlapped.hEvent);
}

/* ---- the engine ---- */

/* §16.2, E26; and the next call finds another engine */
static void an_engine_that_goes_is_told(void **state)
{
	OVERLAPPED overlapped = { .hEvent = WSACreateEvent() };
	struct gw *first;
	DWORD bytes;
	unsigned opened;
	QOS requested;

	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	first = fake.last;
	assert_int_equal(get_later(&overlapped, answer, sizeof(answer)), WSA_IO_PENDING);
	opened = fake.n_open;
	fake_post(first, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
	gqos_dispatch();
	assert_true(GetOverlappedResult(NULL, &overlapped, &bytes, FALSE));
	assert_int_equal(got_code(), WSA_QOS_GENERIC_ERROR);
	assert_int_equal(got().SendingFlowspec.ServiceType, SERVICETYPE_GUARANTEED);
	assert_int_equal(gqos_pending_code((SOCKET)fd), WSA_QOS_GENERIC_ERROR);
	assert_true(gqos_requested((SOCKET)fd, &requested));
	assert_int_equal(requested.SendingFlowspec.ServiceType, SERVICETYPE_NOTRAFFIC);

	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, 0), 0);
	assert_int_equal(fake.n_open, opened + 1);
	WSACloseEvent(overlapped.hEvent);
}

/* E26: and what it has told is there to be fetched, also when there is no other */
static void what_has_been_told_outlives_the_engine(void **state)
{
	set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD);
	fake_post(fake.last, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
	gqos_dispatch();
	fake.open_result = -ECONNREFUSED;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(get(sizeof(answer)), 0);
		assert_int_equal(got_code(), WSA_QOS_GENERIC_ERROR);
	}
	assert_int_equal(get(sizeof(answer)), WSAENETDOWN);
}

/* Its answer and "shut down" are one number; the connection knows which it was. */
static void a_direction_shut_down_is_no_dead_engine(void **state)
{
	unsigned opened;

	set_types(0, 0);
	opened = fake.n_open;
	fake_qos.result = -ESHUTDOWN;
	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, 0), WSAESHUTDOWN);
	assert_int_equal(fake.n_open, opened);
}

static void without_an_engine_calls_fail(void **state)
{
	int unused = fd;

	/* The one that earlier tests have opened goes. */
	set_types(0, 0);
	fake_post(fake.last, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
	fake.open_result = -ECONNREFUSED;
	gqos_dispatch();
	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, 0), WSAENETDOWN);
	assert_int_equal(get(sizeof(answer)), WSAENETDOWN);
	assert_int_equal(gqos_event_fd(), -1);
	gqos_look((SOCKET)unused);
	gqos_end((SOCKET)unused, GQOS_BOTH, false);
	assert_int_equal(gqos_pending_code((SOCKET)unused), 0);
}

/* A child has a connection of its own, and knows what its listeners have asked for. */
static void children_open_their_own(void **state)
{
	int status;
	pid_t child;

	assert_int_equal(set_types(SERVICETYPE_GUARANTEED, SERVICETYPE_CONTROLLEDLOAD), 0);
	tell_sender("192.0.2.1", 0);
	child = fork();
	if (child == 0) {
		unsigned opened = fake.n_open;
		QOS requested;
		bool good;

		good = gqos_requested((SOCKET)fd, &requested) &&
		       requested.SendingFlowspec.ServiceType == SERVICETYPE_GUARANTEED &&
		       gqos_pending_code((SOCKET)fd) == 0;
		good = good && set_types(0, 0) == 0 && fake.n_open == opened + 1;
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(gqos_pending_code((SOCKET)fd), WSA_QOS_SENDERS);
}

/* ---- other codes ---- */

/* G-078, G-079 */
static void sets_have_a_size(void **state)
{
	struct {
		QOS qos;
		char more[100];
	} in = { .qos = qos_of(SERVICETYPE_GUARANTEED, 0) };

	assert_int_equal(control(SIO_SET_QOS, &in, sizeof(QOS) - 1, NULL, 0), WSAEFAULT);
	assert_int_equal(control(SIO_SET_QOS, NULL, sizeof(QOS), NULL, 0), WSAEFAULT);
	assert_int_equal(fake_qos.n_set, 0);
	assert_int_equal(control(SIO_SET_QOS, &in, sizeof(in), NULL, 0), 0);
	assert_int_equal(control(SIO_SET_QOS, &in, sizeof(QOS), NULL, 0), 0);
	assert_int_equal(answered, 0);
	assert_int_equal(fake_qos.n_set, 2);
}

/* G-077: beside the structure, or in memory of its own */
static void lists_may_lie_anywhere(void **state)
{
	struct list *list = calloc(1, sizeof(*list));
	QOS qos;

	list_add_number(list, QOS_OBJECT_DS_CLASS, 12);
	qos = qos_with(qos_of(SERVICETYPE_GUARANTEED, 0), list);
	assert_int_equal(control(SIO_SET_QOS, &qos, sizeof(qos), NULL, 0), 0);
	free(list); /* it was read during the call only */
	assert_int_equal(fake_qos.qos.dscp, 12);
}

/* G-080 */
static void answers_may_be_set(void **state)
{
	QOS qos;

	set_types(0, SERVICETYPE_CONTROLLEDLOAD);
	tell(GW_EVENT_RSVP_CONFIRM, (struct gw_rsvp_record){ .service = GW_RSVP_CONTROLLED_LOAD,
							     .tspec.rate_bps = 8000,
							     .tspec.max_bytes = 1500 });
	assert_int_equal(get(sizeof(answer)), 0);
	assert_int_equal(control(SIO_SET_QOS, answer, answered, NULL, 0), 0);
	assert_int_equal(fake_qos.qos.receiving.tspec.rate_bps, 8000);
	assert_true(gqos_requested((SOCKET)fd, &qos));
	assert_int_equal(qos.ReceivingFlowspec.TokenRate, 1000);
}

static void groups_of_sockets_are_not_offered(void **state)
{
	const QOS qos = qos_of(SERVICETYPE_GUARANTEED, 0);

	assert_int_equal(control(SIO_SET_GROUP_QOS, &qos, sizeof(qos), NULL, 0), WSAEOPNOTSUPP);
	assert_int_equal(control(SIO_GET_GROUP_QOS, NULL, 0, answer, sizeof(answer)),
			 WSAEOPNOTSUPP);
}

static DWORD ask(DWORD selector)
{
	DWORD said = 77;

	assert_int_equal(control(SIO_CHK_QOS, &selector, sizeof(selector), &said, sizeof(said)), 0);
	assert_int_equal(answered, sizeof(said));
	return said;
}

/* G-185, G-190 */
static void questions_have_numbers(void **state)
{
	DWORD selector, said;

	for (selector = 50001; selector <= 50006; selector++) {
		assert_int_equal(control(SIO_CHK_QOS, &selector, 4, &said, 4), 0);
		assert_int_equal(control(0xD8000001, &selector, 4, &said, 4), 0);
		assert_int_equal(answered, 4);
		assert_int_equal(control(SIO_CHK_QOS, &selector, 3, &said, 4), WSAEFAULT);
		assert_int_equal(control(SIO_CHK_QOS, &selector, 4, &said, 3), WSAEFAULT);
		assert_int_equal(control(SIO_CHK_QOS, NULL, 4, &said, 4), WSAEFAULT);
		assert_int_equal(control(SIO_CHK_QOS, &selector, 4, NULL, 4), WSAEFAULT);
	}
	selector = 50000;
	assert_int_equal(control(SIO_CHK_QOS, &selector, 4, &said, 4), WSAEINVAL);
	selector = 50007;
	assert_int_equal(control(SIO_CHK_QOS, &selector, 4, &said, 4), WSAEINVAL);
}

/* G-186, G-187 */
static void questions_are_answered_by_the_host(void **state)
{
	fake_qos.info = (struct gw_qos_info){ .end_to_end = UINT32_MAX };
	assert_int_equal(ask(ALLOWED_TO_SEND_DATA), 1);
	assert_int_equal(ask(ABLE_TO_RECV_RSVP), 0);
	assert_int_equal(ask(LINE_RATE), 0xffffffff);
	assert_int_equal(ask(LOCAL_TRAFFIC_CONTROL), 0);
	assert_int_equal(ask(LOCAL_QOSABILITY), 0);
	assert_int_equal(ask(END_TO_END_QOSABILITY), 0xffffffff);
	fake_qos.info = (struct gw_qos_info){
		.signals = 1, .traffic_control = 1, .link_bps = 10000000, .end_to_end = 1
	};
	assert_int_equal(ask(ABLE_TO_RECV_RSVP), 1);
	assert_int_equal(ask(LINE_RATE), 10000);
	assert_int_equal(ask(LOCAL_TRAFFIC_CONTROL), 1);
	assert_int_equal(ask(LOCAL_QOSABILITY), 1);
	assert_int_equal(ask(END_TO_END_QOSABILITY), 1);
	fake_qos.query_result = -ENETUNREACH;
	assert_int_equal(ask(ABLE_TO_RECV_RSVP), 0);
	assert_int_equal(ask(LINE_RATE), 0xffffffff);
}

/* G-188: only where it is limited what is sent without a reservation, and to less than was asked for. */
static void sending_is_allowed_up_to_a_limit(void **state)
{
	fake_qos.info = (struct gw_qos_info){ .sending.tspec.rate_bps = 2000000 };
	assert_int_equal(ask(ALLOWED_TO_SEND_DATA), 1);
	fake_qos.info.max_unreserved_bps = 2000000;
	assert_int_equal(ask(ALLOWED_TO_SEND_DATA), 1);
	fake_qos.info.max_unreserved_bps = 1999999;
	assert_int_equal(ask(ALLOWED_TO_SEND_DATA), 0);
	fake_qos.info.sending.tspec.rate_bps = 0;
	assert_int_equal(ask(ALLOWED_TO_SEND_DATA), 1);
	fake_qos.query_result = -ENETUNREACH;
	assert_int_equal(ask(ALLOWED_TO_SEND_DATA), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_set_reaches_the_engine),
		TEST(failed_calls_change_nothing),
		TEST(directions_are_kept_by_nochange),
		TEST(checking_asks_nobody),
		TEST(shut_directions_stay_shut),
		TEST(ends_reach_the_engine),
		TEST(groups_reach_the_engine),
		TEST(accepted_sockets_inherit),
		TEST(one_destination_may_end),
		TEST(items_are_told_in_order),
		TEST(senders_are_told_of_to_who_only_listens),
		TEST(small_answers_tell_the_size),
		TEST(nothing_to_tell_would_block),
		TEST(blocking_sockets_hear_how_things_stand),
		TEST(hosts_that_signal_nothing_tell_nothing),
		TEST(unbound_sockets_have_no_news),
		TEST(the_queue_is_bounded),
		TEST(items_of_closed_directions_vanish),
		TEST(waiting_gets_take_items_in_order),
		TEST(routines_run_in_alertable_waits),
		TEST(who_waits_takes_items_in),
		TEST(waiting_gets_without_room_leave_the_item),
		TEST(waiting_gets_survive_all_but_closing),
		TEST(descriptors_that_are_used_again_begin_anew),
		TEST(an_engine_that_goes_is_told),
		TEST(what_has_been_told_outlives_the_engine),
		TEST(a_direction_shut_down_is_no_dead_engine),
		TEST(without_an_engine_calls_fail),
		TEST(children_open_their_own),
		TEST(sets_have_a_size),
		TEST(lists_may_lie_anywhere),
		TEST(answers_may_be_set),
		TEST(groups_of_sockets_are_not_offered),
		TEST(questions_have_numbers),
		TEST(questions_are_answered_by_the_host),
		TEST(sending_is_allowed_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
