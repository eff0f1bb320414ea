/* SPDX-License-Identifier: MIT */
/*
 * test_gqos_check.c: what a QOS structure may say of a socket, and what it becomes (spec/gqos.md §4.2, §5.3, §6, §10;
 * each test names the items that it proves).
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "gqos_lists.h"
#include "winqos/gqos_translate.h"

static const struct gqos_socket tcp = { .family = AF_INET, .stream = true };
static const struct gqos_socket udp = { .family = AF_INET, .bound = true };
static const struct gqos_socket udp6 = { .family = AF_INET6, .bound = true };
static struct gqos_native native;

static struct gqos_socket connected_to(const char *address, USHORT port)
{
	struct gqos_socket socket = { .family = AF_INET, .bound = true, .connected = true };
	struct sockaddr_in *peer = (struct sockaddr_in *)&socket.peer;

	peer->sin_family = AF_INET;
	peer->sin_port = htons(port);
	inet_pton(AF_INET, address, &peer->sin_addr);
	return socket;
}

/* Into `native`, which is empty before. */
static int translate(QOS qos, const struct gqos_socket *socket)
{
	gqos_native_clear(&native);
	return gqos_translate(&qos, socket, &native);
}

static int send_with(FLOWSPEC sending)
{
	QOS qos = qos_of(0, SERVICETYPE_NOCHANGE);

	qos.SendingFlowspec = sending;
	return translate(qos, &udp);
}

static int receive_with(FLOWSPEC receiving)
{
	QOS qos = qos_of(SERVICETYPE_NOCHANGE, 0);

	qos.ReceivingFlowspec = receiving;
	return translate(qos, &udp);
}

static int set_up(void **state)
{
	gqos_native_init(&native);
	return 0;
}

static int tear_down(void **state)
{
	gqos_native_clear(&native);
	return 0;
}

/* ---- service types ---- */

/* G-040, G-041, G-053, G-070 */
static void service_types_have_directions(void **state)
{
	const struct {
		ULONG type;
		bool sends, receives;
	} types[] = {
		{ SERVICETYPE_NOTRAFFIC, true, true },
		{ SERVICETYPE_BESTEFFORT, true, true },
		{ SERVICETYPE_CONTROLLEDLOAD, true, true },
		{ SERVICETYPE_GUARANTEED, true, true },
		{ SERVICETYPE_NETWORK_UNAVAILABLE, false, false },
		{ SERVICETYPE_GENERAL_INFORMATION, true, false },
		{ SERVICETYPE_NOCHANGE, true, true },
		{ 7, false, false },
		{ 8, false, false },
		{ SERVICETYPE_NONCONFORMING, false, false },
		{ SERVICETYPE_NETWORK_CONTROL, true, false },
		{ 0xb, false, false },
		{ 0xc, false, false },
		{ SERVICETYPE_QUALITATIVE, true, true },
		{ 0xe, false, false },
		{ 0x20, false, false },
		{ SERVICE_BESTEFFORT, false, false },
		{ SERVICE_CONTROLLEDLOAD, false, false },
		{ SERVICE_GUARANTEED, false, false },
		{ SERVICE_QUALITATIVE, false, false },
		{ 0x80000002, false, false },
		{ 0x01000002, false, false },
		{ 0xffffffff, false, false },
		{ 0x00010002, false, false },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		int sent = send_with(flowspec_with_rate(types[i].type, 1000));

		assert_int_equal(sent, types[i].sends ? 0 : WSA_QOS_ESERVICETYPE);
		if (!sent)
			assert_int_equal(native.qos.sending.service, types[i].type);
		assert_int_equal(receive_with(flowspec_unspecified(types[i].type)),
				 types[i].receives ? 0 : WSA_QOS_ESERVICETYPE);
	}
}

/* §5.2: none of these combinations may be refused */
static void modifiers_go_with_every_type(void **state)
{
	const ULONG types[] = { SERVICETYPE_NOTRAFFIC,	    SERVICETYPE_BESTEFFORT,
				SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_GUARANTEED,
				SERVICETYPE_QUALITATIVE,    SERVICETYPE_NOCHANGE };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		const ULONG none = SERVICE_NO_QOS_SIGNALING, no_tc = SERVICE_NO_TRAFFIC_CONTROL;

		assert_int_equal(send_with(flowspec_with_rate(types[i] | none, 1000)), 0);
		assert_int_equal(native.qos.sending.flags, GW_QOS_NO_SIGNALLING);
		assert_int_equal(send_with(flowspec_with_rate(types[i] | no_tc, 1000)), 0);
		assert_int_equal(native.qos.sending.flags, GW_QOS_NO_TRAFFIC_CONTROL);
		assert_int_equal(receive_with(flowspec_unspecified(types[i] | none | no_tc)), 0);
		assert_int_equal(native.qos.receiving.flags,
				 GW_QOS_NO_SIGNALLING | GW_QOS_NO_TRAFFIC_CONTROL);
		assert_int_equal(native.qos.receiving.service, types[i]);
	}
}

/* ---- flowspecs ---- */

/* G-033..G-035, G-038 */
static void what_is_sent_needs_numbers(void **state)
{
	const ULONG types[] = { SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_GUARANTEED,
				SERVICETYPE_GENERAL_INFORMATION, SERVICETYPE_NETWORK_CONTROL };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		const FLOWSPEC good = flowspec_with_rate(types[i], 1000);
		FLOWSPEC bad[8];

		for (size_t j = 0; j < 8; j++)
			bad[j] = good;
		bad[0].TokenRate = 0;
		bad[1].TokenRate = QOS_NOT_SPECIFIED;
		bad[2].TokenRate = POSITIVE_INFINITY_RATE;
		bad[3].PeakBandwidth = 999;
		bad[4].PeakBandwidth = 0;
		bad[5].TokenBucketSize = 0;
		bad[6].MinimumPolicedSize = 0;
		bad[7].MaxSduSize = 99;
		bad[7].MinimumPolicedSize = 100;
		assert_int_equal(send_with(good), 0);
		for (size_t j = 0; j < 8; j++)
			assert_int_equal(send_with(bad[j]), WSA_QOS_EFLOWSPEC);
	}
}

static void numbers_become_bits(void **state)
{
	FLOWSPEC flowspec = { .TokenRate = 1000,
			      .TokenBucketSize = 680,
			      .PeakBandwidth = 2000,
			      .Latency = 5,
			      .DelayVariation = 6,
			      .ServiceType = SERVICETYPE_CONTROLLEDLOAD,
			      .MaxSduSize = 340,
			      .MinimumPolicedSize = 64 };
	const struct gw_tspec *tspec = &native.qos.sending.tspec;

	assert_int_equal(send_with(flowspec), 0);
	assert_int_equal(tspec->rate_bps, 8000);
	assert_int_equal(tspec->depth_bytes, 680);
	assert_int_equal(tspec->peak_bps, 16000);
	assert_int_equal(tspec->min_bytes, 64);
	assert_int_equal(tspec->max_bytes, 340);
	assert_int_equal(native.qos.sending.latency_us, UINT32_MAX);
	assert_int_equal(native.qos.sending.slack_us, UINT32_MAX);

	flowspec.PeakBandwidth = POSITIVE_INFINITY_RATE;
	assert_int_equal(send_with(flowspec), 0);
	assert_int_equal(tspec->peak_bps, 0);
	flowspec.PeakBandwidth = QOS_NOT_SPECIFIED;
	assert_int_equal(send_with(flowspec), 0);
	assert_int_equal(tspec->peak_bps, 0);

	/* Largest rate that there is: no overflow. */
	assert_int_equal(send_with(flowspec_with_rate(SERVICETYPE_GUARANTEED, 0xfffffffd)), 0);
	assert_int_equal(tspec->rate_bps, 0xfffffffdull * 8);
}

static void what_is_not_stated_has_defaults(void **state)
{
	FLOWSPEC flowspec = flowspec_with_rate(SERVICETYPE_CONTROLLEDLOAD, 1000);
	const struct gw_tspec *tspec = &native.qos.sending.tspec;

	assert_int_equal(send_with(flowspec), 0);
	assert_int_equal(tspec->max_bytes, 0);
	assert_int_equal(tspec->min_bytes, 0);
	assert_int_equal(tspec->depth_bytes, 1500);
	flowspec.TokenRate = 1000000;
	assert_int_equal(send_with(flowspec), 0);
	assert_int_equal(tspec->depth_bytes, 100000);
	flowspec.MaxSduSize = 100;
	assert_int_equal(send_with(flowspec), 0);
	assert_int_equal(tspec->min_bytes, 100);
}

/* G-042 */
static void qualitative_senders_need_none(void **state)
{
	const FLOWSPEC zeroed = { .ServiceType = SERVICETYPE_QUALITATIVE };

	assert_int_equal(send_with(flowspec_unspecified(SERVICETYPE_QUALITATIVE)), 0);
	assert_int_equal(native.qos.sending.tspec.rate_bps, 0);
	assert_int_equal(send_with(zeroed), 0);
}

/* G-230: whatever its numbers */
static void closing_flowspecs_are_not_looked_at(void **state)
{
	const ULONG types[] = { SERVICETYPE_NOTRAFFIC, SERVICETYPE_BESTEFFORT,
				SERVICETYPE_NOCHANGE };

	for (size_t i = 0; i < 3; i++) {
		FLOWSPEC zeroed = { .ServiceType = types[i] };
		FLOWSPEC odd = { 1000, 0, 1, 5, 5, types[i], 10, 20 };

		assert_int_equal(send_with(zeroed), 0);
		assert_int_equal(receive_with(zeroed), 0);
		assert_int_equal(send_with(odd), 0);
		assert_int_equal(receive_with(odd), 0);
	}
}

/* §5.4 */
static void best_effort_may_have_a_rate(void **state)
{
	assert_int_equal(send_with(flowspec_with_rate(SERVICETYPE_BESTEFFORT, 1000)), 0);
	assert_int_equal(native.qos.sending.tspec.rate_bps, 8000);
	assert_int_equal(send_with(flowspec_unspecified(SERVICETYPE_BESTEFFORT)), 0);
	assert_int_equal(native.qos.sending.tspec.rate_bps, 0);
}

static void what_is_received_needs_no_numbers(void **state)
{
	const ULONG types[] = { SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_GUARANTEED,
				SERVICETYPE_QUALITATIVE };

	for (size_t i = 0; i < 3; i++) {
		const FLOWSPEC zeroed = { .ServiceType = types[i] };
		FLOWSPEC bounds = { QOS_NOT_SPECIFIED, 1,	 1,  QOS_NOT_SPECIFIED,
				    QOS_NOT_SPECIFIED, types[i], 10, 20 };

		assert_int_equal(receive_with(flowspec_unspecified(types[i])), 0);
		assert_int_equal(native.qos.receiving.tspec.rate_bps, 0);
		assert_int_equal(receive_with(zeroed), 0);
		/* Without a rate the bounds have no effect. */
		assert_int_equal(receive_with(bounds), 0);
		assert_int_equal(native.qos.receiving.tspec.max_bytes, 0);
	}
}

/* G-044 */
static void guarantees_have_a_rate_or_a_latency(void **state)
{
	const struct gw_qos_direction *receiving = &native.qos.receiving;
	FLOWSPEC flowspec = flowspec_with_rate(SERVICETYPE_GUARANTEED, 1000);

	assert_int_equal(receive_with(flowspec), 0);
	assert_int_equal(receiving->tspec.rate_bps, 8000);
	assert_int_equal(receiving->slack_us, UINT32_MAX);
	assert_int_equal(receiving->latency_us, UINT32_MAX);

	flowspec.DelayVariation = 300;
	assert_int_equal(receive_with(flowspec), 0);
	assert_int_equal(receiving->slack_us, 300);

	flowspec.Latency = 20000;
	assert_int_equal(receive_with(flowspec), WSA_QOS_EFLOWSPEC);
	/* Hints for slow links are no latencies. */
	flowspec.Latency = HIGHLY_DELAY_SENSITIVE;
	assert_int_equal(receive_with(flowspec), 0);
	assert_int_equal(receiving->latency_us, UINT32_MAX);

	flowspec.TokenRate = QOS_NOT_SPECIFIED;
	flowspec.Latency = 20000;
	assert_int_equal(receive_with(flowspec), 0);
	assert_int_equal(receiving->latency_us, 20000);
	assert_int_equal(receiving->slack_us, 300);
	assert_int_equal(receiving->tspec.rate_bps, 0);

	flowspec = flowspec_with_rate(SERVICETYPE_CONTROLLEDLOAD, 1000);
	flowspec.PeakBandwidth = 999;
	assert_int_equal(receive_with(flowspec), WSA_QOS_EFLOWSPEC);
}

/* §7.5: who complains first */
static void checks_have_an_order(void **state)
{
	struct list list = { 0 };
	QOS qos;

	list_add_number(&list, 9999, 0);
	qos = qos_with(qos_of(7, 7), &list);
	assert_int_equal(translate(qos, &tcp), WSA_QOS_ESERVICETYPE);
	qos.SendingFlowspec.ServiceType = SERVICETYPE_CONTROLLEDLOAD;
	qos.SendingFlowspec.TokenRate = 0;
	assert_int_equal(translate(qos, &tcp), WSA_QOS_ESERVICETYPE);
	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_CONTROLLEDLOAD;
	assert_int_equal(translate(qos, &tcp), WSA_QOS_EFLOWSPEC);
	qos.SendingFlowspec.TokenRate = 1000;
	assert_int_equal(translate(qos, &tcp), WSA_QOS_EUNKNOWNPSOBJ);
}

/* ---- objects ---- */

static int send_with_object(SERVICETYPE type, ULONG rate, ULONG object, ULONG number)
{
	struct list list = { 0 };
	QOS qos = qos_of(type, SERVICETYPE_NOCHANGE);

	qos.SendingFlowspec.TokenRate = rate;
	list_add_number(&list, object, number);
	return translate(qos_with(qos, &list), &udp);
}

/* What is to be shaped or discarded needs a rate */
static void modes_need_a_rate(void **state)
{
	const ULONG unstated = QOS_NOT_SPECIFIED;

	for (ULONG mode = 0; mode <= 2; mode++) {
		assert_int_equal(send_with_object(SERVICETYPE_GUARANTEED, 1000, QOS_OBJECT_SD_MODE,
						  mode),
				 0);
		assert_int_equal(native.qos.excess, GW_QOS_EXCESS_BORROW + mode);
		assert_int_equal(send_with_object(SERVICETYPE_QUALITATIVE, unstated,
						  QOS_OBJECT_SD_MODE, mode),
				 mode == 0 ? 0 : WSA_QOS_ESDMODEOBJ);
		assert_int_equal(send_with_object(SERVICETYPE_NOTRAFFIC, unstated,
						  QOS_OBJECT_SD_MODE, mode),
				 0);
		assert_int_equal(native.qos.excess, GW_QOS_EXCESS_DEFAULT);
	}
}

/* G-087 */
static void objects_become_marks_and_rates(void **state)
{
	struct list list = { 0 };

	assert_int_equal(
		send_with_object(SERVICETYPE_GUARANTEED, 1000, QOS_OBJECT_SHAPING_RATE, 900), 0);
	assert_int_equal(native.qos.shaping_bps, 7200);
	assert_int_equal(native.qos.dscp, -1);
	assert_int_equal(native.qos.excess, GW_QOS_EXCESS_DEFAULT);
	assert_int_equal(send_with_object(SERVICETYPE_BESTEFFORT, 0, QOS_OBJECT_DS_CLASS, 0x2e), 0);
	assert_int_equal(native.qos.dscp, 0x2e);
	assert_int_equal(send_with_object(SERVICETYPE_BESTEFFORT, 0, QOS_OBJECT_SHAPING_RATE, 5),
			 0);
	assert_int_equal(native.qos.priority, 5);

	list_add_number(&list, QOS_OBJECT_DS_CLASS, 0x2e);
	list_add(&list, (ULONG[2]){ QOS_OBJECT_TCP_TRAFFIC, 8 }, 8);
	assert_int_equal(translate(qos_with(qos_of(SERVICETYPE_CONTROLLEDLOAD, 0), &list), &udp),
			 0);
	assert_int_equal(native.qos.dscp, 0);
	assert_int_equal(native.qos.priority, 0);
}

static struct sockaddr_in address_of(const char *text, USHORT port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, text, &in.sin_addr);
	return in;
}

static int send_to(const void *address, ULONG length, const struct gqos_socket *socket,
		   SERVICETYPE type)
{
	const QOS_DESTADDR destination = { { QOS_OBJECT_DESTADDR, sizeof(destination) },
					   address,
					   length };
	struct list list = { 0 };

	list_add(&list, &destination, sizeof(destination));
	return translate(qos_with(qos_of(type, SERVICETYPE_NOCHANGE), &list), socket);
}

/* G-088 */
static void destinations_are_checked(void **state)
{
	const SERVICETYPE cl = SERVICETYPE_CONTROLLEDLOAD;
	struct sockaddr_in to = address_of("192.0.2.1", 5000), nowhere = to, no_port = to;
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(5000) };
	struct sockaddr_in any = to;

	assert_int_equal(send_to(&to, sizeof(to), &udp, cl), 0);
	assert_memory_equal(&native.qos.destination, &to, sizeof(to));
	assert_int_equal(native.qos.sending.flags, 0);
	assert_int_equal(send_to(NULL, sizeof(to), &udp, cl), WSAEFAULT);
	assert_int_equal(send_to(&to, 1, &udp, cl), WSAEFAULT);
	assert_int_equal(send_to(&to, sizeof(to) - 1, &udp, cl), WSAEFAULT);
	assert_int_equal(send_to(&to6, sizeof(to6), &udp, cl), WSAEAFNOSUPPORT);
	assert_int_equal(send_to(&to, sizeof(to), &udp6, cl), WSAEAFNOSUPPORT);
	assert_int_equal(send_to(&to6, sizeof(to6) - 1, &udp6, cl), WSAEFAULT);
	assert_int_equal(send_to(&to6, sizeof(to6), &udp6, cl), WSAEINVAL);
	to6.sin6_addr = in6addr_loopback;
	assert_int_equal(send_to(&to6, sizeof(to6), &udp6, cl), 0);
	no_port.sin_port = 0;
	assert_int_equal(send_to(&no_port, sizeof(to), &udp, cl), WSAEINVAL);
	nowhere.sin_addr.s_addr = 0;
	assert_int_equal(send_to(&nowhere, sizeof(to), &udp, cl), WSAEINVAL);

	/* Any destination: traffic control alone. */
	any.sin_addr.s_addr = ANY_DEST_ADDR;
	any.sin_port = 0;
	assert_int_equal(send_to(&any, sizeof(any), &udp, cl), 0);
	assert_int_equal(native.qos.sending.flags, GW_QOS_NO_SIGNALLING);
}

/* G-089 */
static void connected_sockets_have_their_destination(void **state)
{
	const struct gqos_socket connected = connected_to("192.0.2.1", 5000);
	struct sockaddr_in peer = address_of("192.0.2.1", 5000);
	struct sockaddr_in other = address_of("192.0.2.2", 5000);
	struct sockaddr_in other_port = address_of("192.0.2.1", 5001);
	const SERVICETYPE cl = SERVICETYPE_CONTROLLEDLOAD;

	assert_int_equal(send_to(&peer, sizeof(peer), &connected, cl), 0);
	assert_int_equal(native.qos.destination.ss_family, AF_UNSPEC);
	assert_int_equal(send_to(&other, sizeof(other), &connected, cl), WSAEINVAL);
	assert_int_equal(send_to(&other_port, sizeof(other), &connected, cl), WSAEINVAL);
	assert_int_equal(send_to(&peer, sizeof(peer), &tcp, cl), WSAEINVAL);

	assert_int_equal(send_to(&other, sizeof(other), &udp, SERVICETYPE_NOTRAFFIC), 0);
	assert_int_equal(native.qos.sending.service, GW_QOS_NONE);
	assert_memory_equal(&native.qos.destination, &other, sizeof(other));
}

/* G-108: what only receives is kept until it is bound, and TCP always is */
static void senders_must_be_bound(void **state)
{
	const struct gqos_socket unbound = { .family = AF_INET };
	const ULONG types[] = { SERVICETYPE_CONTROLLEDLOAD,
				SERVICETYPE_CONTROLLEDLOAD | SERVICE_NO_QOS_SIGNALING };

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(translate(qos_of(types[i], 0), &unbound), WSAEINVAL);
		assert_int_equal(translate(qos_of(0, types[i]), &unbound), 0);
		assert_int_equal(translate(qos_of(types[i], 0), &tcp), 0);
	}
}

static void policy_goes_with_its_direction(void **state)
{
	const struct {
		ULONG head[3];
		USHORT length, type;
		char text[4];
	} of_both = { { RSVP_OBJECT_POLICY_INFO, 20, 1 }, 8, PE_TYPE_APPID, "both" },
	  of_resv = { { RSVP_OBJECT_POLICY_INFO, 20, 1 }, 8, PE_TYPE_APPID, "resv" };
	const RSVP_RESERVE_INFO reservation = { { RSVP_OBJECT_RESERVE_INFO, sizeof(reservation) },
						RSVP_DEFAULT_STYLE,
						1,
						(RSVP_POLICY_INFO *)&of_resv,
						0,
						NULL };
	struct list list = { 0 };
	QOS qos;

	list_add(&list, &of_both, sizeof(of_both));
	qos = qos_with(qos_of(SERVICETYPE_QUALITATIVE, SERVICETYPE_QUALITATIVE), &list);
	assert_int_equal(translate(qos, &udp), 0);
	assert_int_equal(native.qos.sending_policy_len, 16);
	assert_memory_equal((const char *)native.qos.sending_policy + 12, "both", 4);
	assert_memory_equal((const char *)native.qos.receiving_policy + 12, "both", 4);
	assert_int_equal(native.qos.confirm, 0);

	list_add(&list, &reservation, sizeof(reservation));
	qos = qos_with(qos, &list);
	assert_int_equal(translate(qos, &udp), 0);
	assert_memory_equal((const char *)native.qos.sending_policy + 12, "both", 4);
	assert_memory_equal((const char *)native.qos.receiving_policy + 12, "resv", 4);
	assert_int_equal(native.qos.confirm, 1);

	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_NOTRAFFIC;
	assert_int_equal(translate(qos, &udp), 0);
	assert_null(native.qos.receiving_policy);
	assert_int_equal(native.qos.confirm, 0);
}

/* G-092 */
static void bad_policy_is_refused_wherever_it_is(void **state)
{
	struct {
		ULONG head[3];
		USHORT length, type;
		char text[4];
	} bad = { { RSVP_OBJECT_POLICY_INFO, 20, 1 }, 3, PE_TYPE_APPID, "text" };
	const RSVP_RESERVE_INFO reservation = { { RSVP_OBJECT_RESERVE_INFO, sizeof(reservation) },
						RSVP_DEFAULT_STYLE,
						0,
						(RSVP_POLICY_INFO *)&bad,
						0,
						NULL };
	struct list direct = { 0 }, pointed = { 0 };
	QOS qos = qos_of(SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_CONTROLLEDLOAD);

	list_add(&direct, &bad, sizeof(bad));
	list_add(&pointed, &reservation, sizeof(reservation));
	assert_int_equal(translate(qos_with(qos, &direct), &udp), WSA_QOS_EPOLICYOBJ);
	assert_int_equal(translate(qos_with(qos, &pointed), &udp), WSA_QOS_EPOLICYOBJ);
	bad.length = 8;
	bad.type = 4;
	assert_int_equal(translate(qos_with(qos, &pointed), &udp), WSA_QOS_RESERVED_PETYPE);
	bad.type = PE_TYPE_APPID;
	bad.head[0] = QOS_OBJECT_SD_MODE;
	assert_int_equal(translate(qos_with(qos, &pointed), &udp), WSA_QOS_EPOLICYOBJ);
}

/* ---- reservations ---- */

struct reservation {
	RSVP_RESERVE_INFO info;
	FLOWDESCRIPTOR descriptors[128];
	RSVP_FILTERSPEC filters[128];
};

/* Descriptors of one filter each, for 192.0.2.1:1, 192.0.2.2:2 and so on. */
static void reserve(struct reservation *r, ULONG style, ULONG count)
{
	memset(r, 0, sizeof(*r));
	r->info.ObjectHdr = (QOS_OBJECT_HDR){ RSVP_OBJECT_RESERVE_INFO, sizeof(r->info) };
	r->info.Style = style;
	r->info.NumFlowDesc = count;
	r->info.FlowDescList = r->descriptors;
	for (ULONG i = 0; i < 128; i++) {
		struct sockaddr_in sender = address_of("192.0.2.0", (USHORT)(i + 1));

		r->filters[i].Type = FILTERSPECV4;
		r->filters[i].FilterSpecV4.Address.Addr =
			htonl(ntohl(sender.sin_addr.s_addr) + i + 1);
		r->filters[i].FilterSpecV4.Port = sender.sin_port;
		r->descriptors[i].FlowSpec = flowspec_unspecified(SERVICETYPE_NOCHANGE);
		r->descriptors[i].NumFilters = 1;
		r->descriptors[i].FilterList = &r->filters[i];
	}
}

static int receive_from(const struct reservation *r, const struct gqos_socket *socket)
{
	struct list list = { 0 };

	list_add(&list, &r->info, sizeof(r->info));
	return translate(qos_with(qos_of(SERVICETYPE_NOCHANGE, SERVICETYPE_CONTROLLEDLOAD), &list),
			 socket);
}

/* G-144, G-146, G-148, G-149, G-151, G-154 */
static void styles_have_counts_and_sockets(void **state)
{
	const struct gqos_socket connected = connected_to("192.0.2.1", 1);
	const struct {
		ULONG style, count;
		int on_udp, on_peer;
	} cases[] = {
		{ RSVP_DEFAULT_STYLE, 0, 0, 0 },
		{ RSVP_WILDCARD_STYLE, 0, 0, WSA_QOS_EFILTERSTYLE },
		{ RSVP_WILDCARD_STYLE, 1, WSA_QOS_EFLOWCOUNT, WSA_QOS_EFILTERSTYLE },
		{ RSVP_FIXED_FILTER_STYLE, 0, WSA_QOS_EFLOWCOUNT, 0 },
		{ RSVP_FIXED_FILTER_STYLE, 1, 0, 0 },
		{ RSVP_FIXED_FILTER_STYLE, 3, 0, WSA_QOS_EFILTERSTYLE },
		{ RSVP_FIXED_FILTER_STYLE, 100, WSA_QOS_EFLOWCOUNT, WSA_QOS_EFILTERSTYLE },
		{ RSVP_FIXED_FILTER_STYLE, 0xffffffff, WSA_QOS_EFLOWCOUNT, WSA_QOS_EFILTERSTYLE },
		{ RSVP_SHARED_EXPLICIT_STYLE, 0, WSA_QOS_EFLOWCOUNT, WSA_QOS_EFILTERSTYLE },
		{ RSVP_SHARED_EXPLICIT_STYLE, 1, 0, WSA_QOS_EFILTERSTYLE },
		{ RSVP_SHARED_EXPLICIT_STYLE, 2, WSA_QOS_EFLOWCOUNT, WSA_QOS_EFILTERSTYLE },
		{ 4, 0, WSA_QOS_EFILTERSTYLE, WSA_QOS_EFILTERSTYLE },
		{ 0xffffffff, 0, WSA_QOS_EFILTERSTYLE, WSA_QOS_EFILTERSTYLE },
	};
	static struct reservation r;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		reserve(&r, cases[i].style, cases[i].count);
		assert_int_equal(receive_from(&r, &udp), cases[i].on_udp);
		assert_int_equal(receive_from(&r, &connected), cases[i].on_peer);
	}
	reserve(&r, RSVP_FIXED_FILTER_STYLE, 1);
	r.info.FlowDescList = NULL;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EFLOWDESC);
	reserve(&r, RSVP_FIXED_FILTER_STYLE, 1);
	r.descriptors[0].FilterList = NULL;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EFLOWDESC);
	reserve(&r, RSVP_FIXED_FILTER_STYLE, 2);
	r.descriptors[1].NumFilters = 2;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EFILTERCOUNT);
	r.descriptors[1].NumFilters = 0;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EFILTERCOUNT);
	/* Another sender than the peer. */
	reserve(&r, RSVP_FIXED_FILTER_STYLE, 1);
	r.filters[0].FilterSpecV4.Port = htons(9);
	assert_int_equal(receive_from(&r, &connected), WSA_QOS_EPSFILTERSPEC);
}

static void fixed_filters_have_a_flow_each(void **state)
{
	static struct reservation r;

	reserve(&r, RSVP_FIXED_FILTER_STYLE, 3);
	r.descriptors[1].FlowSpec.TokenRate = 2000;
	r.descriptors[2].FlowSpec = flowspec_with_rate(SERVICETYPE_CONTROLLEDLOAD, 3000);
	assert_int_equal(receive_from(&r, &udp), 0);
	assert_int_equal(native.qos.style, GW_RSVP_FF);
	assert_int_equal(native.qos.n_flows, 3);
	for (ULONG i = 0; i < 3; i++) {
		const struct gw_rsvp_flow *flow = &native.qos.flows[i];
		const struct sockaddr_in *in = (const struct sockaddr_in *)&flow->sender.address;

		assert_int_equal(in->sin_family, AF_INET);
		assert_int_equal(in->sin_port, r.filters[i].FilterSpecV4.Port);
		assert_int_equal(in->sin_addr.s_addr, r.filters[i].FilterSpecV4.Address.Addr);
		assert_int_equal(flow->tspec.rate_bps, i == 0 ? 0 : (i + 1) * 8000);
	}
}

/* §10: a type of its own, if it can be received; else that of the receiving flowspec. */
static void fixed_filters_may_have_a_type_each(void **state)
{
	static const struct {
		ULONG type;
		int result;
		uint32_t service;
	} types[] = {
		{ SERVICETYPE_NOCHANGE, 0, GW_RSVP_CONTROLLED_LOAD },
		{ SERVICETYPE_CONTROLLEDLOAD, 0, GW_RSVP_CONTROLLED_LOAD },
		{ SERVICETYPE_GUARANTEED, 0, GW_RSVP_GUARANTEED },
		{ SERVICETYPE_QUALITATIVE, 0, GW_RSVP_NULL_SERVICE },
		{ SERVICETYPE_GENERAL_INFORMATION, WSA_QOS_EPSFLOWSPEC, 0 },
		{ SERVICETYPE_NETWORK_CONTROL, WSA_QOS_EPSFLOWSPEC, 0 },
		{ SERVICETYPE_NOTRAFFIC, WSA_QOS_EPSFLOWSPEC, 0 },
		{ SERVICETYPE_BESTEFFORT, WSA_QOS_EPSFLOWSPEC, 0 },
		{ SERVICETYPE_GUARANTEED | 0x80000000, WSA_QOS_EPSFLOWSPEC, 0 },
	};
	static struct reservation r;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		reserve(&r, RSVP_FIXED_FILTER_STYLE, 2);
		r.descriptors[1].FlowSpec = flowspec_with_rate(types[i].type, 3000);
		assert_int_equal(receive_from(&r, &udp), types[i].result);
		if (types[i].result)
			continue;
		assert_int_equal(native.qos.flows[0].service, GW_RSVP_CONTROLLED_LOAD);
		assert_int_equal(native.qos.flows[1].service, types[i].service);
		assert_int_equal(native.qos.flows[1].rate_bps,
				 types[i].type == SERVICETYPE_GUARANTEED ? 24000 : 0);
	}
	/* What is shared has one type. */
	reserve(&r, RSVP_SHARED_EXPLICIT_STYLE, 1);
	r.descriptors[0].FlowSpec = flowspec_with_rate(SERVICETYPE_GUARANTEED, 3000);
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EPSFLOWSPEC);
}

/* G-150 */
static void explicit_senders_share(void **state)
{
	static struct reservation r;

	reserve(&r, RSVP_SHARED_EXPLICIT_STYLE, 1);
	r.descriptors[0].NumFilters = 3;
	r.descriptors[0].FlowSpec.TokenRate = 1000;
	assert_int_equal(receive_from(&r, &udp), 0);
	assert_int_equal(native.qos.style, GW_RSVP_SE);
	assert_int_equal(native.qos.n_flows, 3);
	assert_int_equal(native.qos.flows[0].tspec.rate_bps, 8000);
	r.descriptors[0].NumFilters = 99;
	assert_int_equal(receive_from(&r, &udp), 0);
	assert_int_equal(native.qos.n_flows, 99);
	r.descriptors[0].NumFilters = 100;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EFILTERCOUNT);
	r.descriptors[0].NumFilters = 0;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EFILTERCOUNT);
}

/* G-152 */
static void filters_suit_the_family(void **state)
{
	const struct {
		int type, on_v4, on_v6;
	} types[] = {
		{ 0, WSA_QOS_EFILTERTYPE, WSA_QOS_EFILTERTYPE },
		{ FILTERSPECV4, 0, WSA_QOS_EFILTERTYPE },
		{ FILTERSPECV6, WSA_QOS_EFILTERTYPE, 0 },
		{ FILTERSPECV6_FLOW, WSA_QOS_EFILTERTYPE, 0 },
		{ FILTERSPECV4_GPI, WSA_QOS_EFILTERTYPE, WSA_QOS_EFILTERTYPE },
		{ FILTERSPECV6_GPI, WSA_QOS_EFILTERTYPE, WSA_QOS_EFILTERTYPE },
		{ FILTERSPEC_END, WSA_QOS_EFILTERTYPE, WSA_QOS_EFILTERTYPE },
		{ 9, WSA_QOS_EFILTERTYPE, WSA_QOS_EFILTERTYPE },
	};
	static struct reservation r;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		RSVP_FILTERSPEC *filter = &r.filters[0];

		reserve(&r, RSVP_FIXED_FILTER_STYLE, 1);
		memcpy(&filter->Type, &types[i].type, sizeof(int));
		assert_int_equal(receive_from(&r, &udp), types[i].on_v4);
		memset(&filter->FilterSpecV6, 1, sizeof(filter->FilterSpecV6));
		if (types[i].type == FILTERSPECV6_FLOW)
			memcpy(filter->FilterSpecV6Flow.FlowLabel, "\x0a\xbc\xde", 3);
		assert_int_equal(receive_from(&r, &udp6), types[i].on_v6);
		if (types[i].type == FILTERSPECV6_FLOW)
			assert_int_equal(native.qos.flows[0].sender.id, 0xabcde);
	}
	reserve(&r, RSVP_FIXED_FILTER_STYLE, 1);
	r.filters[0].FilterSpecV4.Port = 0;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EPSFILTERSPEC);
	reserve(&r, RSVP_FIXED_FILTER_STYLE, 1);
	r.filters[0].FilterSpecV4.Address.Addr = 0;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EPSFILTERSPEC);
}

/* G-155 */
static void descriptors_have_good_flowspecs(void **state)
{
	static struct reservation r;

	reserve(&r, RSVP_SHARED_EXPLICIT_STYLE, 1);
	r.descriptors[0].FlowSpec = flowspec_with_rate(SERVICETYPE_CONTROLLEDLOAD, 1000);
	r.descriptors[0].FlowSpec.PeakBandwidth = 10;
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EPSFLOWSPEC);
	r.descriptors[0].FlowSpec = flowspec_unspecified(SERVICETYPE_GUARANTEED);
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EPSFLOWSPEC);
	r.descriptors[0].FlowSpec = flowspec_unspecified(SERVICETYPE_CONTROLLEDLOAD | 0x80000000);
	assert_int_equal(receive_from(&r, &udp), WSA_QOS_EPSFLOWSPEC);
}

/* What a sender says of a reservation is judged, and has no effect */
static void senders_reserve_nothing(void **state)
{
	static struct reservation r;
	struct list list = { 0 };
	QOS qos;

	reserve(&r, RSVP_FIXED_FILTER_STYLE, 1);
	r.info.ConfirmRequest = 1;
	list_add(&list, &r.info, sizeof(r.info));
	qos = qos_with(qos_of(SERVICETYPE_CONTROLLEDLOAD, SERVICETYPE_NOTRAFFIC), &list);
	assert_int_equal(translate(qos, &udp), 0);
	assert_int_equal(native.qos.confirm, 0);
	assert_int_equal(native.qos.n_flows, 0);
	r.descriptors[0].NumFilters = 0;
	assert_int_equal(translate(qos, &udp), WSA_QOS_EFILTERCOUNT);
}

/* ---- what is kept ---- */

static void directions_are_merged_by_themselves(void **state)
{
	struct gqos_native kept, copy;
	static struct reservation r;

	reserve(&r, RSVP_FIXED_FILTER_STYLE, 2);
	assert_int_equal(receive_from(&r, &udp), 0);
	gqos_native_init(&kept);
	gqos_native_merge(&kept, &native);
	assert_int_equal(kept.qos.n_flows, 2);
	assert_int_equal(kept.qos.sending.service, GW_QOS_NONE);

	assert_int_equal(translate(qos_of(SERVICETYPE_GUARANTEED,
					  SERVICETYPE_NOCHANGE | SERVICE_NO_QOS_SIGNALING),
				   &udp),
			 0);
	gqos_native_merge(&kept, &native);
	assert_int_equal(kept.qos.sending.service, GW_QOS_GUARANTEED);
	assert_int_equal(kept.qos.receiving.service, GW_QOS_CONTROLLED_LOAD);
	assert_int_equal(kept.qos.receiving.flags, GW_QOS_NO_SIGNALLING);
	assert_int_equal(kept.qos.n_flows, 2);

	assert_int_equal(gqos_native_copy(&kept, &copy), 0);
	gqos_native_end(&kept, GW_QOS_RECEIVING);
	assert_int_equal(kept.qos.receiving.service, GW_QOS_NONE);
	assert_null(kept.qos.flows);
	assert_int_equal(kept.qos.sending.service, GW_QOS_GUARANTEED);
	assert_int_equal(copy.qos.n_flows, 2);
	assert_int_equal(copy.qos.flows[1].sender.form, GW_RSVP_PORTS);
	gqos_native_clear(&copy);
	gqos_native_clear(&kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(service_types_have_directions),
		cmocka_unit_test(modifiers_go_with_every_type),
		cmocka_unit_test(what_is_sent_needs_numbers),
		cmocka_unit_test(numbers_become_bits),
		cmocka_unit_test(what_is_not_stated_has_defaults),
		cmocka_unit_test(qualitative_senders_need_none),
		cmocka_unit_test(closing_flowspecs_are_not_looked_at),
		cmocka_unit_test(best_effort_may_have_a_rate),
		cmocka_unit_test(what_is_received_needs_no_numbers),
		cmocka_unit_test(guarantees_have_a_rate_or_a_latency),
		cmocka_unit_test(checks_have_an_order),
		cmocka_unit_test(modes_need_a_rate),
		cmocka_unit_test(objects_become_marks_and_rates),
		cmocka_unit_test(destinations_are_checked),
		cmocka_unit_test(connected_sockets_have_their_destination),
		cmocka_unit_test(senders_must_be_bound),
		cmocka_unit_test(policy_goes_with_its_direction),
		cmocka_unit_test(bad_policy_is_refused_wherever_it_is),
		cmocka_unit_test(styles_have_counts_and_sockets),
		cmocka_unit_test(fixed_filters_have_a_flow_each),
		cmocka_unit_test(fixed_filters_may_have_a_type_each),
		cmocka_unit_test(explicit_senders_share),
		cmocka_unit_test(filters_suit_the_family),
		cmocka_unit_test(descriptors_have_good_flowspecs),
		cmocka_unit_test(senders_reserve_nothing),
		cmocka_unit_test(directions_are_merged_by_themselves),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
