/* SPDX-License-Identifier: MIT */
/*
 * test_qwave_calls.c: arguments of the qWAVE functions, the order in which they are judged, and
 * what reaches the engine, which is a fake here. Q-027..Q-031, Q-034, Q-035, Q-040..Q-048,
 * Q-053..Q-056, Q-064..Q-071, Q-096..Q-104, Q-112..Q-117, Q-123, Q-126..Q-146, Q-178..Q-183,
 * Q-191..Q-196, Q-211, Q-220, Q-231.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <qos2.h>

#include "last_error.h"

#define UNKNOWN 77

static HANDLE h;
static int udp4;

static int setup(void **state)
{
	QOS_VERSION version = { 1, 0 };

	fake_reset();
	udp4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return QOSCreateHandle(&version, &h) ? 0 : -1;
}

static int teardown(void **state)
{
	QOSCloseHandle(h);
	close(udp4);
	return 0;
}

/* Exactly as long as the family says: a byte read beyond is a finding of the sanitizer. */
static PSOCKADDR address4(const char *text, unsigned port)
{
	struct sockaddr_in *address = calloc(1, sizeof(*address));

	assert_non_null(address);
	address->sin_family = AF_INET;
	address->sin_port = htons((in_port_t)port);
	assert_int_equal(inet_pton(AF_INET, text, &address->sin_addr), 1);
	return (PSOCKADDR)address;
}

static PSOCKADDR address6(const char *text, unsigned port)
{
	struct sockaddr_in6 *address = calloc(1, sizeof(*address));

	assert_non_null(address);
	address->sin6_family = AF_INET6;
	address->sin6_port = htons((in_port_t)port);
	assert_int_equal(inet_pton(AF_INET6, text, &address->sin6_addr), 1);
	return (PSOCKADDR)address;
}

/* ---- Add ---- */

static BOOL add(SOCKET s, PSOCKADDR to, int type, DWORD flags, PQOS_FLOWID id)
{
	BOOL added = QOSAddSocketToFlow(h, s, to, (QOS_TRAFFIC_TYPE)type, flags, id);

	free(to);
	return added;
}

static void add_makes_a_flow(void **state)
{
	QOS_FLOWID id = 0;

	assert_succeeds(add((SOCKET)udp4, address4("192.0.2.1", 5000), 4, 2, &id)); /* */
	assert_int_equal(id, FAKE_FLOW);
	assert_string_equal(fake.call, "add");
	assert_int_equal(fake.fd, udp4);
	assert_int_equal(fake.traffic_class, GW_CLASS_VOICE);
	assert_int_equal(fake.destination_len, sizeof(struct sockaddr_in));
	assert_int_equal(fake.flags, GW_FLOW_KEEP_ON_DISCONNECT | GW_FLOW_KEEP_WHEN_CLOSED |
					     GW_FLOW_REQUIRE_DESTINATION | GW_FLOW_PACES);

	id = 0;
	assert_succeeds(add((SOCKET)udp4, NULL, 0, 0, &id)); /* */
	assert_true(fake.flags & GW_FLOW_ADAPTIVE);
	assert_int_equal(fake.destination_len, 0);
}

static void every_type_has_its_class(void **state)
{
	for (int type = 0; type <= 5; type++) {
		QOS_FLOWID id = 0;

		assert_succeeds(add((SOCKET)udp4, NULL, type, 2, &id));
		assert_int_equal(fake.traffic_class, type);
	}
}

static void destinations_are_checked(void **state)
{
	static const char *const wrong6[] = { "::ffff:192.0.2.1", "::" };
	struct sockaddr unix_address = { .sa_family = AF_UNIX }, none = { .sa_family = AF_UNSPEC };
	QOS_FLOWID id = 0;

	assert_fails(add((SOCKET)udp4, address4("192.0.2.1", 0), 4, 2, &id), 87); /* */
	assert_fails(add((SOCKET)udp4, address4("0.0.0.0", 9), 4, 2, &id), 87);	  /* */
	assert_fails(QOSAddSocketToFlow(h, (SOCKET)udp4, &unix_address, QOSTrafficTypeVoice, 2,
					&id),
		     87); /* */
	assert_fails(QOSAddSocketToFlow(h, (SOCKET)udp4, &none, QOSTrafficTypeVoice, 2, &id), 87);
	for (size_t i = 0; i < ARRAYSIZE(wrong6); i++) /* */
		assert_fails(add((SOCKET)udp4, address6(wrong6[i], 9), 4, 2, &id), 87);
	assert_null(fake.call);
	assert_succeeds(add((SOCKET)udp4, address6("fe80::1", 9), 4, 2, &id));
	assert_int_equal(fake.destination_len, sizeof(struct sockaddr_in6));
	/* the socket's family, and whether it is one, is the engine's to see. */
	fake.result = -EINVAL;
	id = 0;
	assert_fails(add((SOCKET)udp4, address6("fe80::1", 9), 4, 2, &id), 87);
}

static void sockets_pointers_types_and_flags_are_checked(void **state)
{
	static const DWORD wrong_flags[] = { 0x1, 0x4, 0x80000000, 0x3 };
	QOS_FLOWID id = 0;

	assert_fails(add(INVALID_SOCKET, NULL, 4, 2, &id), 87); /* */
	assert_fails(add((SOCKET)1 << 32, NULL, 4, 2, &id), 87);
	assert_fails(add((SOCKET)udp4, NULL, 4, 2, NULL), 87); /* */
	assert_fails(add((SOCKET)udp4, NULL, 6, 2, &id), 87);  /* */
	assert_fails(add((SOCKET)udp4, NULL, -1, 2, &id), 87);
	for (size_t i = 0; i < ARRAYSIZE(wrong_flags); i++) /* */
		assert_fails(add((SOCKET)udp4, NULL, 4, wrong_flags[i], &id), 87);
	assert_null(fake.call);
	assert_int_equal(id, 0);
}

/* What the engine says about the socket and the way to the destination. */
static void add_translates_what_the_engine_says(void **state)
{
	static const struct {
		int error;
		DWORD code;
	} rows[] = {
		{ EDESTADDRREQ, 87 }, { EINVAL, 87 },	  { ENOTSOCK, 87 },
		{ EAFNOSUPPORT, 50 }, { EOPNOTSUPP, 50 }, { ENETUNREACH, 1232 },
		{ ENOBUFS, 1450 },    { ENETDOWN, 57 },	  { EXDEV, 50 },
		{ ESHUTDOWN, 1164 },  { ECANCELED, 995 }, { ENOMEM, 8 },
	};

	for (size_t i = 0; i < ARRAYSIZE(rows); i++) { /* */
		QOS_FLOWID id = 0;

		fake.result = -rows[i].error;
		assert_fails(add((SOCKET)udp4, NULL, 4, 2, &id), rows[i].code);
		assert_int_equal(id, 0);
	}
}

static void add_joins_a_flow(void **state)
{
	QOS_FLOWID id = FAKE_FLOW;

	assert_succeeds(add((SOCKET)udp4, address4("192.0.2.1", 9), 99, 2, &id)); /* */
	assert_string_equal(fake.call, "attach");
	assert_int_equal(fake.id, FAKE_FLOW);
	assert_int_equal(fake.flags, GW_FLOW_REQUIRE_DESTINATION);
	assert_int_equal(id, FAKE_FLOW);
	assert_fails(add((SOCKET)udp4, NULL, 4, 0, &id), 87); /* */
	fake.result = -EINVAL;				      /* an adaptive flow */
	id = FAKE_ADAPTIVE;
	assert_fails(add((SOCKET)udp4, NULL, 4, 2, &id), 87);
	id = UNKNOWN;
	assert_fails(add((SOCKET)udp4, NULL, 4, 2, &id), 1168); /* */
	assert_fails(add((SOCKET)udp4, NULL, 4, 0, &id), 1168);
	assert_int_equal(id, UNKNOWN);
}

/* ---- Remove ---- */

static void remove_takes_a_socket_or_all(void **state)
{
	assert_succeeds(QOSRemoveSocketFromFlow(h, (SOCKET)udp4, FAKE_FLOW, 0)); /* */
	assert_string_equal(fake.call, "detach");
	assert_int_equal(fake.fd, udp4);
	assert_succeeds(QOSRemoveSocketFromFlow(h, 0, FAKE_FLOW, 0)); /* */
	assert_string_equal(fake.call, "remove");
	assert_fails(QOSRemoveSocketFromFlow(h, (SOCKET)udp4, UNKNOWN, 0), 1168); /* */
	assert_fails(QOSRemoveSocketFromFlow(h, 0, 0, 0), 1168);
}

static void remove_checks_flags_and_sockets(void **state)
{
	static const int no_socket[] = { EBADF, ENOTSOCK, EAFNOSUPPORT, ENOENT };

	assert_fails(QOSRemoveSocketFromFlow(h, (SOCKET)udp4, FAKE_FLOW, 1), 87); /* */
	assert_null(fake.call);
	assert_fails(QOSRemoveSocketFromFlow(h, INVALID_SOCKET, FAKE_FLOW, 0), 1168); /* */
	for (size_t i = 0; i < ARRAYSIZE(no_socket); i++) {
		fake.result = -no_socket[i];
		assert_fails(QOSRemoveSocketFromFlow(h, (SOCKET)udp4, FAKE_FLOW, 0), 1168);
	}
	fake.result = -ECANCELED;
	assert_fails(QOSRemoveSocketFromFlow(h, 0, FAKE_FLOW, 0), 995);
}

/* ---- Set ---- */

static BOOL set(QOS_FLOWID id, int operation, ULONG size, const void *value, DWORD flags)
{
	return QOSSetFlow(h, id, (QOS_SET_FLOW)operation, size, (PVOID)value, flags, NULL);
}

static void set_passes_each_value(void **state)
{
	QOS_FLOWRATE_OUTGOING rate = { 1ull << 40, QOSUseNonConformantMarkings,
				       QOSFlowRateUserCaused };
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeBackground;
	DWORD dscp = 63;

	assert_succeeds(set(FAKE_FLOW, QOSSetTrafficType, 4, &type, 0));
	assert_string_equal(fake.call, "set_class");
	assert_int_equal(fake.traffic_class, GW_CLASS_BACKGROUND);
	assert_succeeds(set(FAKE_FLOW, QOSSetOutgoingDSCPValue, 4, &dscp, 0)); /* */
	assert_string_equal(fake.call, "set_dscp");
	assert_int_equal(fake.value, 63);
	assert_succeeds(set(FAKE_ADAPTIVE, QOSSetOutgoingRate, 16, &rate, 0));
	assert_string_equal(fake.call, "set_rate");
	assert_true(fake.rate_bps == 1ull << 40);
	assert_int_equal(fake.value, GW_SHAPE_MARK_CONFORMANT << 8 | 4);
	for (int reason = 0; reason <= 4; reason++) { /* */
		rate.Reason = (QOS_FLOWRATE_REASON)reason;
		assert_succeeds(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0));
	}
}

static void set_checks_sizes(void **state)
{
	static const struct {
		int operation;
		ULONG size;
	} wrong[] = {
		{ QOSSetTrafficType, 2 },	{ QOSSetTrafficType, 8 },	/* */
		{ QOSSetOutgoingRate, 12 },	{ QOSSetOutgoingRate, 24 },	/* */
		{ QOSSetOutgoingDSCPValue, 1 }, { QOSSetOutgoingDSCPValue, 2 }, /* */
		{ QOSSetOutgoingDSCPValue, 8 },
	};
	UINT64 value[4] = { 0 };

	for (size_t i = 0; i < ARRAYSIZE(wrong); i++) {
		assert_fails(set(FAKE_FLOW, wrong[i].operation, wrong[i].size, value, 0), 87);
		/* The flow is looked up first. */
		assert_fails(set(UNKNOWN, wrong[i].operation, wrong[i].size, value, 0), 1168);
	}
	assert_null(fake.call);
}

static void set_checks_values(void **state)
{
	QOS_FLOWRATE_OUTGOING rate = { 1000000, QOSShapeAndMark, QOSFlowRateNotApplicable };
	QOS_TRAFFIC_TYPE type = (QOS_TRAFFIC_TYPE)6;
	DWORD dscp = 64;

	assert_fails(set(FAKE_FLOW, QOSSetTrafficType, 4, &type, 0), 87); /* */
	type = (QOS_TRAFFIC_TYPE)-1;
	assert_fails(set(FAKE_FLOW, QOSSetTrafficType, 4, &type, 0), 87);
	assert_fails(set(FAKE_FLOW, QOSSetOutgoingDSCPValue, 4, &dscp, 0), 87); /* */
	dscp = 0xcccccc28; /* a byte, read as four */
	assert_fails(set(FAKE_FLOW, QOSSetOutgoingDSCPValue, 4, &dscp, 0), 87);
	rate.ShapingBehavior = (QOS_SHAPING)3; /* */
	assert_fails(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0), 87);
	rate.ShapingBehavior = QOSShapeAndMark;
	rate.Reason = (QOS_FLOWRATE_REASON)5;
	assert_fails(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0), 87);
	assert_null(fake.call);
}

static void set_checks_the_rest(void **state)
{
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeVoice;
	DWORD dscp = 46;

	assert_fails(set(FAKE_FLOW, QOSSetTrafficType, 4, NULL, 0), 87); /* */
	assert_fails(set(FAKE_FLOW, 3, 4, &type, 0), 87);		 /* */
	assert_fails(set(FAKE_FLOW, -1, 4, &type, 0), 87);
	assert_fails(set(FAKE_FLOW, QOSSetTrafficType, 4, &type, 1), 87); /* */
	assert_null(fake.call);
	assert_fails(set(UNKNOWN, QOSSetTrafficType, 4, &type, 0), 1168); /* */
	assert_fails(set(0, QOSSetTrafficType, 4, &type, 0), 1168);
	fake.result = -EACCES;
	assert_fails(set(FAKE_FLOW, QOSSetOutgoingDSCPValue, 4, &dscp, 0), 5); /* */
	fake.result = -EOPNOTSUPP;
	assert_fails(set(FAKE_ADAPTIVE, QOSSetOutgoingDSCPValue, 4, &dscp, 0), 50); /* */
	fake.result = -EDQUOT;
	dscp = 0;
	assert_fails(set(FAKE_FLOW, QOSSetOutgoingDSCPValue, 4, &dscp, 0), 54);
}

/* ---- Query ---- */

static BOOL query(QOS_FLOWID id, int operation, PULONG size, PVOID buffer, DWORD flags)
{
	return QOSQueryFlow(h, id, (QOS_QUERY_FLOW)operation, size, buffer, flags, NULL);
}

static void query_reads_priority(void **state)
{
	QOS_PACKET_PRIORITY priority;
	ULONG size = sizeof(priority);

	assert_succeeds(query(FAKE_FLOW, QOSQueryPacketPriority, &size, &priority, 0)); /* */
	assert_int_equal(size, 16);
	assert_int_equal(priority.ConformantDSCPValue, 40);
	assert_int_equal(priority.NonConformantDSCPValue, 8);
	assert_int_equal(priority.ConformantL2Value, 5);
	assert_int_equal(priority.NonConformantL2Value, 2);
}

static UINT64 rate_of(QOS_FLOWID id)
{
	ULONG size = sizeof(UINT64);
	UINT64 rate = 1;

	assert_succeeds(query(id, QOSQueryOutgoingRate, &size, &rate, 0));
	assert_int_equal(size, 8);
	return rate;
}

/* Q-129..Q-131: a refusal changes nothing; each reason has the code that spec/qwave.md §5.5 gives it. */
static void rates_are_accepted_or_refused(void **state)
{
	static const struct {
		int result;
		DWORD error;
	} cases[] = {
		{ -EOPNOTSUPP, 50 }, /* nothing here can shape the flow */
		{ -EDQUOT, 54 },     /* the path does not have it */
		{ -EINVAL, 87 },     { -ENOMEM, 8 },	   { -EAGAIN, 1237 },
		{ -ENOSPC, 1450 },   { -ESHUTDOWN, 1164 },
	};
	QOS_FLOWRATE_OUTGOING rate = { 5100000, QOSShapeAndMark, QOSFlowRateNotApplicable };

	assert_true(rate_of(FAKE_FLOW) == 0);
	assert_succeeds(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0));
	assert_true(rate_of(FAKE_FLOW) == 5100000);
	rate.Bandwidth = 20000000;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.result = cases[i].result;
		assert_fails(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0), cases[i].error);
		assert_true(rate_of(FAKE_FLOW) == 5100000);
	}
	fake.result = 0;
	rate.Bandwidth = UINT64_MAX; /* only 32 bits of ones are special */
	assert_succeeds(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0));
	assert_true(rate_of(FAKE_FLOW) == UINT64_MAX);
	rate.Bandwidth = QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH;
	assert_succeeds(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0));
	assert_true(fake.rate_bps == GW_RATE_MINIMUM);
	rate.Bandwidth = 0;
	assert_succeeds(set(FAKE_FLOW, QOSSetOutgoingRate, 16, &rate, 0));
	assert_true(rate_of(FAKE_FLOW) == 0);
}

static void query_reads_fundamentals(void **state)
{
	QOS_FLOW_FUNDAMENTALS fundamentals, expected = { 0 };
	ULONG size = sizeof(fundamentals);

	assert_fails(query(FAKE_FLOW, QOSQueryFlowFundamentals, &size, &fundamentals, 0),
		     50); /* */
	assert_fails(query(FAKE_ADAPTIVE, QOSQueryFlowFundamentals, &size, &fundamentals, 0),
		     232); /* */
	fake.path_result = -EOPNOTSUPP;
	assert_fails(query(FAKE_ADAPTIVE, QOSQueryFlowFundamentals, &size, &fundamentals, 0),
		     50); /* */
	fake.path_result = 0;
	fake.path = (struct gw_path_info){ .capacity_known = 7,
					   .capacity_bps = 10000000,
					   .available_bps = 99, /* but not known */
					   .rtt_known = 1,
					   .rtt_us = 1500 };
	memset(&fundamentals, 0xff, sizeof(fundamentals));
	assert_succeeds(query(FAKE_ADAPTIVE, QOSQueryFlowFundamentals, &size, &fundamentals, 0));
	assert_int_equal(size, 40); /* */
	expected.BottleneckBandwidthSet = expected.RTTSet = TRUE;
	expected.BottleneckBandwidth = 10000000;
	expected.RTT = 1500;
	assert_memory_equal(&fundamentals, &expected, sizeof(expected));
}

static void query_flags(void **state)
{
	QOS_FLOW_FUNDAMENTALS fundamentals;
	ULONG size = sizeof(fundamentals);

	fake.path_result = -EAGAIN;
	assert_fails(query(FAKE_ADAPTIVE, QOSQueryFlowFundamentals, &size, &fundamentals,
			   QOS_QUERYFLOW_FRESH),
		     1237); /* */
	assert_int_equal(fake.path_flags, GW_PATH_FRESH);
	fake.path_result = -ETIMEDOUT;
	assert_fails(query(FAKE_ADAPTIVE, QOSQueryFlowFundamentals, &size, &fundamentals, 1), 1460);
	assert_succeeds(
		query(FAKE_FLOW, QOSQueryPacketPriority, &size, &fundamentals, 1)); /* */
	assert_fails(query(FAKE_FLOW, QOSQueryPacketPriority, &size, &fundamentals, 2),
		     87); /* */
	assert_fails(query(FAKE_FLOW, QOSQueryPacketPriority, &size, &fundamentals, 3), 87);
}

static void query_sizes(void **state)
{
	static const ULONG sizes[] = { 40, 16, 8 };
	unsigned char buffer[64], untouched[64];
	ULONG size;

	fake.path_result = 0;
	memset(untouched, 0xee, sizeof(untouched));
	for (int operation = 0; operation <= 2; operation++) {
		QOS_FLOWID id = operation == 0 ? FAKE_ADAPTIVE : FAKE_FLOW;

		memset(buffer, 0xee, sizeof(buffer));
		size = sizes[operation] - 1; /* */
		assert_fails(query(id, operation, &size, buffer, 0), 122);
		assert_int_equal(size, sizes[operation]);
		assert_memory_equal(buffer, untouched, sizeof(buffer));
		size = sizeof(buffer); /* */
		assert_succeeds(query(id, operation, &size, buffer, 0));
		assert_int_equal(size, sizes[operation]);
		assert_memory_equal(buffer + size, untouched, sizeof(buffer) - size);
		size = 0; /* */
		assert_fails(query(id, operation, &size, NULL, 0), 122);
		assert_int_equal(size, sizes[operation]);
		assert_fails(query(id, operation, &size, NULL, 0), 87);
		assert_fails(query(id, operation, NULL, buffer, 0), 87);
		/* The flow is looked up first, and a failure leaves the size. */
		size = 1; /* */
		assert_fails(query(UNKNOWN, operation, &size, buffer, 0), 1168);
		assert_int_equal(size, 1);
	}
	size = sizeof(buffer); /* */
	assert_fails(query(FAKE_FLOW, 3, &size, buffer, 0), 87);
	assert_fails(query(FAKE_FLOW, -1, &size, buffer, 0), 87);
}

/* ---- Notify, Cancel: arguments ---- */

static BOOL notify(QOS_FLOWID id, int operation, PULONG size, PVOID buffer, DWORD flags,
		   OVERLAPPED *ov)
{
	return QOSNotifyFlow(h, id, (QOS_NOTIFY_FLOW)operation, size, buffer, flags, ov);
}

static void notify_arguments(void **state)
{
	UINT64 target = 6000000;
	ULONG size = sizeof(target);
	OVERLAPPED ov = { 0 };

	assert_fails(notify(FAKE_ADAPTIVE, 0, &size, NULL, 0, &ov), 87); /* */
	assert_fails(notify(FAKE_ADAPTIVE, 0, NULL, &target, 0, &ov), 87);
	assert_fails(notify(FAKE_ADAPTIVE, 1, &size, &target, 0, &ov), 87);
	assert_fails(notify(FAKE_ADAPTIVE, 2, NULL, &target, 0, &ov), 87); /* */
	assert_fails(notify(FAKE_ADAPTIVE, 2, &size, NULL, 0, &ov), 87);
	assert_fails(notify(FAKE_ADAPTIVE, 3, NULL, NULL, 0, &ov), 87); /* */
	assert_fails(notify(FAKE_ADAPTIVE, 0, NULL, NULL, 1, &ov), 87);
	size = 4;
	assert_fails(notify(UNKNOWN, 2, &size, &target, 0, &ov), 1168);
	assert_int_equal(size, 4);
	assert_fails(notify(FAKE_ADAPTIVE, 2, &size, &target, 0, &ov), 122);
	assert_int_equal(size, 8);
	ov.hEvent = (HANDLE)(uintptr_t)0xdeadbeec;
	assert_fails(notify(FAKE_ADAPTIVE, 0, NULL, NULL, 0, &ov), 6);
	assert_null(fake.call);
	ov.hEvent = NULL;
	fake.notify_result = -EOPNOTSUPP; /* */
	assert_fails(notify(FAKE_FLOW, 0, NULL, NULL, 0, &ov), 50);
	assert_fails(notify(FAKE_FLOW, 2, &size, &target, 0, &ov), 50);
	fake.notify_result = -EINVAL; /* no more than the flow has */
	assert_fails(notify(FAKE_ADAPTIVE, 2, &size, &target, 0, &ov), 87);
	fake.notify_result = -EEXIST;
	assert_fails(notify(FAKE_ADAPTIVE, 0, NULL, NULL, 0, &ov), 183);
	assert_fails(notify(UNKNOWN, 0, NULL, NULL, 0, &ov), 1168);
	assert_int_equal(ov.Internal, 0);
}

static void notify_takes_a_larger_buffer(void **state)
{
	UINT64 target[2] = { 6000000, ~0ull };
	ULONG size = sizeof(target);

	fake.notify_result = 0;
	assert_succeeds(notify(FAKE_ADAPTIVE, 2, &size, target, 0, NULL));
	assert_int_equal(fake.rate_bps, 6000000);
	assert_int_equal(size, sizeof(target)); /* nothing is written */
}

static void cancel_arguments(void **state)
{
	OVERLAPPED ov = { 0 };

	assert_fails(QOSCancel(h, NULL), 87);  /* */
	assert_fails(QOSCancel(h, &ov), 1168); /* */
}

/* ---- tracking ---- */

static BOOL start_tracking(PSOCKADDR to, DWORD flags)
{
	BOOL started = QOSStartTrackingClient(h, to, flags);

	free(to);
	return started;
}

static void tracking_arguments(void **state)
{
	static const char *const wrong[] = { "0.0.0.0", "224.0.0.1", "239.1.2.3",
					     "255.255.255.255" };
	static const char *const wrong6[] = { "::", "ff02::1", "::ffff:192.0.2.1" };
	struct sockaddr unix_address = { .sa_family = AF_UNIX };
	PSOCKADDR to = address4("192.0.2.1", 0);

	assert_fails(QOSStartTrackingClient(h, NULL, 0), 87); /* */
	assert_fails(QOSStopTrackingClient(h, NULL, 0), 87);
	assert_fails(QOSStartTrackingClient(h, &unix_address, 0), 87);
	for (size_t i = 0; i < ARRAYSIZE(wrong); i++)
		assert_fails(start_tracking(address4(wrong[i], 1), 0), 87);
	for (size_t i = 0; i < ARRAYSIZE(wrong6); i++)
		assert_fails(start_tracking(address6(wrong6[i], 1), 0), 87);
	assert_fails(QOSStartTrackingClient(h, to, 1), 87); /* */
	assert_fails(QOSStopTrackingClient(h, to, 1), 87);
	assert_null(fake.call);
	assert_succeeds(QOSStartTrackingClient(h, to, 0)); /* without a port, too */
	assert_string_equal(fake.call, "track_start");
	assert_int_equal(fake.destination_len, sizeof(struct sockaddr_in));
	assert_succeeds(QOSStopTrackingClient(h, to, 0));
	assert_string_equal(fake.call, "track_stop");
	fake.result = -EOPNOTSUPP; /* */
	assert_fails(QOSStartTrackingClient(h, to, 0), 50);
	fake.result = -EHOSTUNREACH; /* */
	assert_fails(QOSStartTrackingClient(h, to, 0), 1232);
	fake.result = -ENOENT; /* */
	assert_fails(QOSStopTrackingClient(h, to, 0), 1168);
	free(to);
}

/* ---- Enumerate ---- */

static void enumerate_sizes(void **state)
{
	QOS_FLOWID ids[4] = { 9, 9, 9, 9 };
	ULONG size = 0;

	assert_succeeds(QOSEnumerateFlows(h, &size, NULL)); /* */
	assert_int_equal(size, 0);
	assert_fails(QOSEnumerateFlows(h, NULL, ids), 87); /* */

	fake.n_ids = 3;
	fake.ids[0] = 5;
	fake.ids[1] = 6;
	fake.ids[2] = 70000;
	assert_fails(QOSEnumerateFlows(h, &size, NULL), 122); /* */
	assert_int_equal(size, 12);
	assert_fails(QOSEnumerateFlows(h, &size, NULL), 87);
	size = 11; /* */
	assert_fails(QOSEnumerateFlows(h, &size, ids), 122);
	assert_int_equal(size, 12);
	assert_int_equal(ids[0], 9);
	size = sizeof(ids); /* */
	assert_succeeds(QOSEnumerateFlows(h, &size, ids));
	assert_int_equal(size, 12);
	assert_memory_equal(ids, fake.ids, 12);
	assert_int_equal(ids[3], 9);

	fake.result = -EACCES; /* before the size */
	size = 0;
	assert_fails(QOSEnumerateFlows(h, &size, NULL), 5);
	assert_int_equal(size, 0);
}

/* ---- health ---- */

/*
 * The daemon is gone: every function says so, but argument errors go before; closing works (§4.2,
 * §14).
 */
static void a_dead_engine_is_1164(void **state)
{
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeVoice;
	PSOCKADDR to = address4("192.0.2.1", 1);
	OVERLAPPED ov = { 0 };
	QOS_FLOWID id = 0;
	ULONG size = 0;

	fake.health = fake.result = -ESHUTDOWN;
	assert_fails(add((SOCKET)udp4, NULL, 4, 2, &id), 1164);
	id = FAKE_FLOW;
	assert_fails(add((SOCKET)udp4, NULL, 4, 2, &id), 1164);
	assert_fails(add((SOCKET)udp4, NULL, 4, 0, &id), 1164);
	assert_fails(QOSRemoveSocketFromFlow(h, 0, FAKE_FLOW, 0), 1164);
	assert_fails(QOSRemoveSocketFromFlow(h, INVALID_SOCKET, FAKE_FLOW, 0), 1164);
	assert_fails(set(FAKE_FLOW, QOSSetTrafficType, 4, &type, 0), 1164);
	assert_fails(set(FAKE_FLOW, QOSSetTrafficType, 5, &type, 0), 1164);
	assert_fails(set(FAKE_FLOW, QOSSetTrafficType, 4, NULL, 0), 87);
	assert_fails(query(FAKE_FLOW, QOSQueryOutgoingRate, &size, NULL, 0), 1164);
	assert_int_equal(size, 0);
	assert_fails(notify(FAKE_ADAPTIVE, 0, NULL, NULL, 0, &ov), 1164);
	assert_fails(QOSStartTrackingClient(h, to, 0), 1164);
	assert_fails(QOSEnumerateFlows(h, &size, NULL), 1164);
	assert_succeeds(QOSCloseHandle(h));
	free(to);
}

#define qwave_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		qwave_test(add_makes_a_flow),
		qwave_test(every_type_has_its_class),
		qwave_test(destinations_are_checked),
		qwave_test(sockets_pointers_types_and_flags_are_checked),
		qwave_test(add_translates_what_the_engine_says),
		qwave_test(add_joins_a_flow),
		qwave_test(remove_takes_a_socket_or_all),
		qwave_test(remove_checks_flags_and_sockets),
		qwave_test(set_passes_each_value),
		qwave_test(set_checks_sizes),
		qwave_test(set_checks_values),
		qwave_test(set_checks_the_rest),
		qwave_test(query_reads_priority),
		qwave_test(rates_are_accepted_or_refused),
		qwave_test(query_reads_fundamentals),
		qwave_test(query_flags),
		qwave_test(query_sizes),
		qwave_test(notify_arguments),
		qwave_test(notify_takes_a_larger_buffer),
		qwave_test(cancel_arguments),
		qwave_test(tracking_arguments),
		qwave_test(enumerate_sizes),
		qwave_test(a_dead_engine_is_1164),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
