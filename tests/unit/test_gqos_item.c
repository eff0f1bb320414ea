/* SPDX-License-Identifier: MIT */
/*
 * test_gqos_item.c: what programs are told of events of RSVP (spec/gqos.md §9.4, §12.2, §12.3, §14; each test names
 * the items that it proves).
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "gqos_lists.h"
#include "winqos/gqos.h"
#include "winqos/gqos_item.h"
#include "winqos/gqos_object.h"

static struct gqos_senders senders;
static struct gqos_item *item;
static struct gw_rsvp_sender sender;
static _Alignas(8) unsigned char answer[65536];

static int tear_down(void **state)
{
	free(item);
	item = NULL;
	gqos_senders_clear(&senders);
	return 0;
}

static void put_address(struct sockaddr_storage *address, const char *text, USHORT port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)address;

	memset(address, 0, sizeof(*address));
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	inet_pton(AF_INET, text, &in->sin_addr);
}

/* A sender at this address, of the session 192.0.2.9:5000 */
static struct gw_rsvp_record path_from(const char *address)
{
	struct gw_rsvp_record record = {
		.size = sizeof(record),
		.kind = GW_RSVP_SENDER,
		.n_senders = 1,
		.senders = &sender,
		.tspec = { .rate_bps = 8000, .depth_bytes = 680, .min_bytes = 64, .max_bytes = 340 },
		.path = { .known = 1,
			  .services = GW_RSVP_OFFER_CONTROLLED_LOAD,
			  .hops = 3,
			  .latency_us = 70,
			  .bandwidth_bps = 80000,
			  .mtu = 1400 },
	};

	put_address(&sender.address, address, 4000);
	put_address(&record.destination, "192.0.2.9", 5000);
	return record;
}

static struct gqos_item *tell(enum gw_event_type type, struct gw_rsvp_record *record)
{
	const QOS requested = qos_of(SERVICETYPE_GUARANTEED, SERVICETYPE_QUALITATIVE);
	const struct gw_event event = { .size = sizeof(event), .type = type, .rsvp = record };

	free(item);
	item = gqos_item_new(&event, &requested, &senders);
	return item;
}

/* The answer, and the object of a type in it. */
static const void *answer_object(QOS *ret_qos, ULONG type, ULONG *ret_length)
{
	struct gqos_object object;
	struct gqos_list list;

	assert_true(gqos_item_size(item) <= sizeof(answer));
	gqos_item_write(item, answer);
	memcpy(ret_qos, answer, sizeof(*ret_qos));
	/* G-182: behind the structure, in the same buffer */
	assert_ptr_equal(ret_qos->ProviderSpecific.buf, answer + sizeof(QOS));
	assert_int_equal(gqos_item_size(item), sizeof(QOS) + ret_qos->ProviderSpecific.len);
	assert_int_equal(gqos_list_begin(&ret_qos->ProviderSpecific, &list), 0);
	do {
		assert_int_equal(gqos_list_next(&list, &object), 0);
		assert_int_equal((uintptr_t)object.bytes % 8, 0);
		if (object.type == type) {
			*ret_length = object.length;
			return object.bytes;
		}
	} while (object.type != QOS_OBJECT_END_OF_LIST);
	return NULL;
}

/* ---- good news ---- */

/* G-173 */
static void senders_come_with_their_tspec(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");
	const RSVP_STATUS_INFO *status;
	const FLOWSPEC *flowspec;
	ULONG length;
	QOS qos;

	assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	assert_int_equal(item->code, WSA_QOS_SENDERS);
	assert_int_equal(item->direction, GQOS_RECEIVING);
	assert_false(item->failure);
	status = answer_object(&qos, RSVP_OBJECT_STATUS_INFO, &length);
	assert_ptr_equal(status, answer + sizeof(QOS)); /* the first */
	assert_int_equal(status->StatusCode, WSA_QOS_SENDERS);
	assert_int_equal(status->ExtendedStatus1, 0);
	assert_int_equal(status->ExtendedStatus2, 0);
	flowspec = &qos.ReceivingFlowspec;
	assert_int_equal(flowspec->TokenRate, 1000);
	assert_int_equal(flowspec->TokenBucketSize, 680);
	assert_int_equal(flowspec->PeakBandwidth, POSITIVE_INFINITY_RATE);
	assert_int_equal(flowspec->MinimumPolicedSize, 64);
	assert_int_equal(flowspec->MaxSduSize, 340);
	assert_int_equal(flowspec->Latency, QOS_NOT_SPECIFIED);
	assert_int_equal(flowspec->DelayVariation, QOS_NOT_SPECIFIED);
	assert_int_equal(flowspec->ServiceType, SERVICETYPE_CONTROLLEDLOAD);
	assert_int_equal(qos.SendingFlowspec.ServiceType, SERVICETYPE_NOCHANGE);
}

static void numbers_are_rounded_and_clamped(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");

	record.tspec.rate_bps = 8003;
	record.tspec.peak_bps = 8004;
	assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	assert_int_equal(item->flowspec.TokenRate, 1000);
	assert_int_equal(item->flowspec.PeakBandwidth, 1001);
	record.tspec.rate_bps = UINT64_MAX;
	record.tspec.peak_bps = UINT64_MAX;
	record.tspec.depth_bytes = 0xfffffffe;
	assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	assert_int_equal(item->flowspec.TokenRate, 0xfffffffd);
	assert_int_equal(item->flowspec.PeakBandwidth, POSITIVE_INFINITY_RATE);
	assert_int_equal(item->flowspec.TokenBucketSize, 0xfffffffd);
}

/* §9.4 */
static void offers_are_service_types(void **state)
{
	const struct {
		uint32_t services;
		ULONG type;
	} offers[] = {
		{ 0, SERVICETYPE_GENERAL_INFORMATION },
		{ GW_RSVP_OFFER_GUARANTEED, SERVICETYPE_GUARANTEED },
		{ GW_RSVP_OFFER_CONTROLLED_LOAD, SERVICETYPE_CONTROLLEDLOAD },
		{ GW_RSVP_OFFER_GUARANTEED | GW_RSVP_OFFER_CONTROLLED_LOAD,
		  SERVICETYPE_GENERAL_INFORMATION },
		{ GW_RSVP_OFFER_NULL, SERVICETYPE_QUALITATIVE },
	};

	for (size_t i = 0; i < sizeof(offers) / sizeof(*offers); i++) {
		struct gw_rsvp_record record = path_from("192.0.2.1");

		record.path.services = offers[i].services;
		assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
		assert_int_equal(item->flowspec.ServiceType, offers[i].type);
	}
}

/* G-175 */
static void services_end_where_the_adspec_ends(void **state)
{
	for (uint32_t services = 0; services < 8; services++) {
		struct gw_rsvp_record record = path_from("192.0.2.1");
		const unsigned char *at;
		const RSVP_ADSPEC *adspec;
		ULONG length, n = 0;
		QOS qos;

		record.path.services = services;
		record.path.broken = services & 1;
		record.path.c_total_bytes = 1;
		record.path.d_since_us = 4;
		assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
		adspec = answer_object(&qos, RSVP_OBJECT_ADSPEC, &length);
		assert_non_null(adspec);
		assert_int_equal(adspec->GeneralParams.IntServAwareHopCount, 3);
		assert_int_equal(adspec->GeneralParams.PathBandwidthEstimate, 10000);
		assert_int_equal(adspec->GeneralParams.MinimumLatency, 70);
		assert_int_equal(adspec->GeneralParams.PathMTU, 1400);
		assert_int_equal(adspec->GeneralParams.Flags, services & 1);
		at = (const unsigned char *)adspec->Services;
		for (; n < adspec->NumberOfServices; n++) {
			const CONTROL_SERVICE *service = (const CONTROL_SERVICE *)at;

			assert_true(service->Length >= sizeof(*service));
			if (service->Service == SERVICETYPE_GUARANTEED) {
				assert_int_equal(service->Guaranteed.CTotal, 1);
				assert_int_equal(service->Guaranteed.DSum, 4);
			}
			at += service->Length;
		}
		assert_int_equal(n, __builtin_popcount(services));
		assert_ptr_equal(at, (const unsigned char *)adspec + length);
	}
}

static void paths_without_adspec_have_none(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");
	ULONG length;
	QOS qos;

	record.path = (struct gw_rsvp_path){ 0 };
	assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	assert_null(answer_object(&qos, RSVP_OBJECT_ADSPEC, &length));
}

/* G-176: the list ends with its end, and the length covers it */
static void lists_end(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");
	const ULONG *end;
	ULONG length;
	QOS qos;

	assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	answer_object(&qos, 0, &length);
	end = (const ULONG *)(answer + gqos_item_size(item) - 8);
	assert_int_equal(end[0], QOS_OBJECT_END_OF_LIST);
	assert_int_equal(end[1], 8);
}

static void known_senders_are_listed(void **state)
{
	struct gw_rsvp_record record;
	const ULONG *list;
	ULONG length;
	QOS qos;

	record = path_from("192.0.2.1");
	tell(GW_EVENT_RSVP_PATH, &record);
	record = path_from("192.0.2.2");
	tell(GW_EVENT_RSVP_PATH, &record);
	record = path_from("192.0.2.1"); /* changed */
	tell(GW_EVENT_RSVP_PATH, &record);
	list = answer_object(&qos, RSVP_OBJECT_FILTERSPEC_LIST, &length);
	assert_int_equal(length, 16 + 2 * sizeof(RSVP_FILTERSPEC));
	assert_int_equal(list[2], 2);
	for (int i = 0; i < 2; i++) {
		RSVP_FILTERSPEC filter;

		memcpy(&filter, &list[4] + 6 * i, sizeof(filter));
		assert_int_equal(filter.Type, FILTERSPECV4);
		assert_int_equal(filter.FilterSpecV4.Port, htons(4000));
		assert_int_equal(filter.FilterSpecV4.Address.AddrBytes[3], i + 1);
	}
}

/* More than are told, and more than are remembered, are no harm. */
static void there_may_be_many_senders(void **state)
{
	struct gw_rsvp_record record;
	char address[32];

	for (int i = 0; i < 5000; i++) {
		snprintf(address, sizeof(address), "10.0.%d.%d", i / 250, i % 250 + 1);
		record = path_from(address);
		assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	}
	assert_true(gqos_item_size(item) < 4096);
	record.flags = GW_RSVP_GONE;
	assert_null(tell(GW_EVENT_RSVP_PATH, &record));
}

static void only_the_last_sender_is_missed(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");

	tell(GW_EVENT_RSVP_PATH, &record);
	record = path_from("192.0.2.2");
	tell(GW_EVENT_RSVP_PATH, &record);
	record.flags = GW_RSVP_GONE;
	assert_null(tell(GW_EVENT_RSVP_PATH, &record));
	record = path_from("192.0.2.1");
	record.flags = GW_RSVP_GONE;
	assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	assert_int_equal(item->code, WSA_QOS_NO_SENDERS);
	assert_int_equal(item->direction, GQOS_RECEIVING);
	/* What the program had asked for, so that it may hand the answer back. */
	assert_int_equal(item->flowspec.ServiceType, SERVICETYPE_QUALITATIVE);
}

/* Each group for itself, and all addresses of the host together. */
static void senders_are_counted_by_what_is_received(void **state)
{
	struct gw_rsvp_record to_us = path_from("192.0.2.1"), to_us_too = to_us, first = to_us,
			      second = to_us;

	put_address(&to_us_too.destination, "192.0.2.10", 5000);
	put_address(&first.destination, "239.0.0.1", 5000);
	put_address(&second.destination, "239.0.0.2", 5000);
	tell(GW_EVENT_RSVP_PATH, &to_us);
	tell(GW_EVENT_RSVP_PATH, &to_us_too);
	tell(GW_EVENT_RSVP_PATH, &first);
	tell(GW_EVENT_RSVP_PATH, &second);
	to_us.flags = to_us_too.flags = first.flags = second.flags = GW_RSVP_GONE;
	assert_non_null(tell(GW_EVENT_RSVP_PATH, &first));
	assert_null(tell(GW_EVENT_RSVP_PATH, &to_us));
	assert_non_null(tell(GW_EVENT_RSVP_PATH, &to_us_too));
	assert_non_null(tell(GW_EVENT_RSVP_PATH, &second));
}

static struct gw_rsvp_record reservation(uint32_t service)
{
	return (struct gw_rsvp_record){
		.size = sizeof(struct gw_rsvp_record),
		.kind = GW_RSVP_RESERVATION,
		.service = service,
		.tspec = { .rate_bps = 8000, .depth_bytes = 680, .min_bytes = 64, .max_bytes = 340 },
		.rate_bps = 16000,
		.slack_us = 300,
	};
}

/* G-174 */
static void receivers_come_with_what_is_reserved(void **state)
{
	const struct {
		uint32_t service;
		ULONG type, variation;
	} services[] = {
		{ GW_RSVP_CONTROLLED_LOAD, SERVICETYPE_CONTROLLEDLOAD, QOS_NOT_SPECIFIED },
		{ GW_RSVP_GUARANTEED, SERVICETYPE_GUARANTEED, 300 },
		{ GW_RSVP_NULL_SERVICE, SERVICETYPE_QUALITATIVE, QOS_NOT_SPECIFIED },
	};

	for (size_t i = 0; i < 3; i++) {
		struct gw_rsvp_record record = reservation(services[i].service);
		ULONG length;
		QOS qos;

		assert_non_null(tell(GW_EVENT_RSVP_RESV, &record));
		assert_int_equal(item->code, WSA_QOS_RECEIVERS);
		answer_object(&qos, 0, &length);
		assert_int_equal(qos.ReceivingFlowspec.ServiceType, SERVICETYPE_NOCHANGE);
		assert_int_equal(qos.SendingFlowspec.ServiceType, services[i].type);
		/* r, not R */
		assert_int_equal(qos.SendingFlowspec.TokenRate, 1000);
		assert_int_equal(qos.SendingFlowspec.DelayVariation, services[i].variation);
	}
}

static void the_end_of_a_reservation_is_told(void **state)
{
	struct gw_rsvp_record record = { .size = sizeof(record), .flags = GW_RSVP_GONE };

	assert_non_null(tell(GW_EVENT_RSVP_RESV, &record));
	assert_int_equal(item->code, WSA_QOS_NO_RECEIVERS);
	assert_int_equal(item->direction, GQOS_SENDING);
	assert_int_equal(item->flowspec.ServiceType, SERVICETYPE_GUARANTEED);
	assert_int_equal(item->flowspec.TokenRate, 125000);
}

static void confirmations_are_told(void **state)
{
	struct gw_rsvp_record record = reservation(GW_RSVP_CONTROLLED_LOAD);

	assert_non_null(tell(GW_EVENT_RSVP_CONFIRM, &record));
	assert_int_equal(item->code, WSA_QOS_REQUEST_CONFIRMED);
	assert_int_equal(item->direction, GQOS_RECEIVING);
	assert_false(item->failure);
}

/* ---- failures ---- */

/* The mapping of §12.2; G-170, G-171, G-172 are its rows for 1/2, 2/53, 5 and 21/3 */
static void errors_have_three_numbers(void **state)
{
	static const struct {
		uint8_t code;
		uint16_t value;
		ULONG status, group, fine;
	} errors[] = {
		{ 1, 0, 11010, 56100, 56101 },
		{ 1, 1, 11010, 56100, 56102 },
		{ 1, 2, 11010, 56100, 56103 },
		{ 1, 3, 11010, 56100, 56104 },
		{ 1, 0x8001, 11010, 56100, 56105 },
		{ 1, 0x8003, 11010, 56100, 56106 },
		{ 1, 77, 11010, 56100, 56101 },
		{ 2, 0, 11011, 56200, 56200 },
		{ 2, 53, 11011, 56200, 56253 },
		{ 2, 64, 11011, 56200, 56264 },
		{ 2, 65, 11011, 56200, 56200 },
		{ 2, 99, 11011, 56200, 56299 },
		{ 2, 0xffff, 11011, 56200, 56200 },
		{ 3, 0, 11015, 56300, 56301 },
		{ 4, 0, 11015, 56300, 56302 },
		{ 5, 0, 11012, 56300, 56303 },
		{ 6, 0, 11012, 56300, 56304 },
		{ 7, 0, 11015, 56300, 56305 },
		{ 8, 0, 11015, 56300, 56306 },
		{ 9, 0, 11013, 56300, 56307 },
		{ 12, 0, 11010, 56300, 56308 },
		{ 13, 5, 11015, 56300, 56309 },
		{ 14, 5, 11015, 56300, 56310 },
		{ 20, 0, 11015, 56400, 56400 },
		{ 20, 3, 11015, 56400, 56403 },
		{ 20, 4, 11015, 56400, 56400 },
		{ 21, 1, 11014, 56700, 56701 },
		{ 21, 3, 11014, 56700, 56703 },
		{ 21, 4, 11014, 56700, 56704 },
		{ 21, 9, 11014, 56700, 56700 },
		{ 22, 1, 11014, 56500, 56501 },
		{ 22, 13, 11014, 56500, 56513 },
		{ 22, 99, 11014, 56500, 56501 },
		{ 23, 2, 11015, 56600, 56602 },
		{ 23, 0, 11015, 56600, 56601 },
		{ 11, 0, 11015, 0xffffffff, 0xffffffff },
		{ 255, 0, 11015, 0xffffffff, 0xffffffff },
	};

	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		struct gw_rsvp_record record = reservation(GW_RSVP_CONTROLLED_LOAD);
		const RSVP_STATUS_INFO *status;
		ULONG length;
		QOS qos;

		record.kind = GW_RSVP_ERROR;
		record.error_code = errors[i].code;
		record.error_value = errors[i].value;
		assert_non_null(tell(GW_EVENT_RSVP_RESV_ERROR, &record));
		assert_int_equal(item->code, errors[i].status);
		assert_int_equal(item->direction, GQOS_RECEIVING);
		assert_true(item->failure);
		status = answer_object(&qos, RSVP_OBJECT_STATUS_INFO, &length);
		assert_int_equal(status->StatusCode, errors[i].status);
		assert_int_equal(status->ExtendedStatus1, errors[i].group);
		assert_int_equal(status->ExtendedStatus2, errors[i].fine);
		/* What was refused. */
		assert_int_equal(qos.ReceivingFlowspec.TokenRate, 1000);
		assert_int_equal(qos.SendingFlowspec.ServiceType, SERVICETYPE_NOCHANGE);
	}
}

static void senders_hear_of_refused_paths(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");

	record.kind = GW_RSVP_ERROR;
	record.error_code = 2;
	assert_non_null(tell(GW_EVENT_RSVP_PATH_ERROR, &record));
	assert_int_equal(item->direction, GQOS_SENDING);
	assert_int_equal(item->flowspec.ServiceType, SERVICETYPE_GUARANTEED);
}

static void failures_bring_their_policy(void **state)
{
	static const uint8_t policy[] = { 0, 20, 14,  1,   0,	8,   0,	  0,   0,   12,
					  0, 3,	 'v', 'o', 'i', 'c', 'e', 'x', 'y', 'z' };
	struct gw_rsvp_record record = reservation(GW_RSVP_CONTROLLED_LOAD);
	const RSVP_POLICY_INFO *info;
	ULONG length;
	QOS qos;

	record.error_code = 2;
	record.policy = policy;
	record.policy_len = sizeof(policy);
	assert_non_null(tell(GW_EVENT_RSVP_RESV_ERROR, &record));
	info = answer_object(&qos, RSVP_OBJECT_POLICY_INFO, &length);
	assert_int_equal(info->NumPolicyElement, 1);
	assert_int_equal(info->PolicyElement[0].Len, 12);
	assert_int_equal(info->PolicyElement[0].Type, PE_TYPE_APPID);
	assert_memory_equal((const unsigned char *)info + 16, "voicexyz", 8);
}

static void broken_signalling_is_a_failure(void **state)
{
	const QOS requested = qos_of(SERVICETYPE_GUARANTEED, SERVICETYPE_QUALITATIVE);

	item = gqos_item_new_broken(GQOS_RECEIVING, &requested);
	assert_int_equal(item->code, WSA_QOS_GENERIC_ERROR);
	assert_true(item->failure);
	assert_int_equal(item->flowspec.ServiceType, SERVICETYPE_QUALITATIVE);
}

/* What SIO_GET_QOS tells may be handed back (§6): nothing in it is refused. */
static void answers_may_be_handed_back(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");
	struct gqos_objects objects;
	ULONG length;
	QOS qos;

	assert_non_null(tell(GW_EVENT_RSVP_PATH, &record));
	answer_object(&qos, 0, &length);
	assert_int_equal(gqos_objects_read(&qos.ProviderSpecific, &objects), 0);
}

static void other_events_are_not_told(void **state)
{
	struct gw_rsvp_record record = path_from("192.0.2.1");

	assert_null(tell(GW_EVENT_RSVP_MESSAGE, &record));
	assert_null(tell(GW_EVENT_FLOW_ENDED, &record));
	assert_null(tell(GW_EVENT_RSVP_PATH, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(senders_come_with_their_tspec, tear_down),
		cmocka_unit_test_teardown(numbers_are_rounded_and_clamped, tear_down),
		cmocka_unit_test_teardown(offers_are_service_types, tear_down),
		cmocka_unit_test_teardown(services_end_where_the_adspec_ends, tear_down),
		cmocka_unit_test_teardown(paths_without_adspec_have_none, tear_down),
		cmocka_unit_test_teardown(lists_end, tear_down),
		cmocka_unit_test_teardown(known_senders_are_listed, tear_down),
		cmocka_unit_test_teardown(there_may_be_many_senders, tear_down),
		cmocka_unit_test_teardown(only_the_last_sender_is_missed, tear_down),
		cmocka_unit_test_teardown(senders_are_counted_by_what_is_received, tear_down),
		cmocka_unit_test_teardown(receivers_come_with_what_is_reserved, tear_down),
		cmocka_unit_test_teardown(the_end_of_a_reservation_is_told, tear_down),
		cmocka_unit_test_teardown(confirmations_are_told, tear_down),
		cmocka_unit_test_teardown(errors_have_three_numbers, tear_down),
		cmocka_unit_test_teardown(senders_hear_of_refused_paths, tear_down),
		cmocka_unit_test_teardown(failures_bring_their_policy, tear_down),
		cmocka_unit_test_teardown(broken_signalling_is_a_failure, tear_down),
		cmocka_unit_test_teardown(answers_may_be_handed_back, tear_down),
		cmocka_unit_test_teardown(other_events_are_not_told, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
