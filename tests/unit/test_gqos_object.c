/* SPDX-License-Identifier: MIT */
/* test_gqos_object.c: what may stand in a ProviderSpecific list (spec/gqos.md §6). */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "gqos_lists.h"
#include "winqos/gqos_object.h"
#include "winqos/gqos_policy.h"

static struct gqos_objects objects;

/* From memory of exactly its length, so that the sanitizer sees what is read behind it. */
static int read_list(const struct list *list)
{
	unsigned char *exact = malloc(list->length ? list->length : 1);
	WSABUF buffer = { list->length, (CHAR *)exact };
	int error;

	memcpy(exact, list->bytes, list->length);
	error = gqos_objects_read(&buffer, &objects);
	free(exact);
	return error;
}

static int read_number(ULONG type, ULONG number)
{
	struct list list = { 0 };

	list_add_number(&list, type, number);
	list_end(&list);
	return read_list(&list);
}

/* G-072 */
static void no_list_is_an_empty_one(void **state)
{
	const WSABUF none = { 0, NULL }, promised = { 8, NULL };

	assert_int_equal(gqos_objects_read(&none, &objects), 0);
	assert_int_equal(objects.dscp, -1);
	assert_int_equal(gqos_objects_read(&promised, &objects), WSA_QOS_EPROVSPECBUF);
}

/* G-073 */
static void lengths_must_fit(void **state)
{
	const ULONG lengths[] = { 0, 4, 7, 13, 0xffffffff };

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		const ULONG object[] = { QOS_OBJECT_SD_MODE, lengths[i], 1 };
		struct list list = { 0 };

		list_add(&list, object, sizeof(object));
		assert_int_equal(read_list(&list), WSA_QOS_EPROVSPECBUF);
	}
}

/* G-073: a head that is cut off */
static void rests_must_be_heads(void **state)
{
	for (ULONG cut = 1; cut < 8; cut++) {
		struct list list = { 0 };

		list_add_number(&list, QOS_OBJECT_SD_MODE, 1);
		list.length += cut;
		assert_int_equal(read_list(&list), WSA_QOS_EPROVSPECBUF);
	}
}

/* G-074 */
static void each_type_has_a_least_length(void **state)
{
	const struct {
		ULONG type, least;
	} types[] = {
		{ QOS_OBJECT_SD_MODE, 12 },	     { QOS_OBJECT_SHAPING_RATE, 12 },
		{ QOS_OBJECT_DESTADDR, 24 },	     { QOS_OBJECT_DS_CLASS, 12 },
		{ QOS_OBJECT_TRAFFIC_CLASS, 12 },    { QOS_OBJECT_FRIENDLY_NAME, 520 },
		{ RSVP_OBJECT_RESERVE_INFO, 40 },    { RSVP_OBJECT_POLICY_INFO, 12 },
		{ RSVP_OBJECT_STATUS_INFO, 20 },     { RSVP_OBJECT_ADSPEC, 32 },
		{ RSVP_OBJECT_FILTERSPEC_LIST, 16 }, { 2000, 12 },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		ULONG object[256] = { types[i].type, types[i].least - 4 };
		struct list list = { 0 };

		list_add(&list, object, types[i].least - 4);
		assert_int_equal(read_list(&list), WSA_QOS_EOBJLENGTH);
	}
}

/* G-075, G-096 */
static void unknown_types_are_refused(void **state)
{
	assert_int_equal(read_number(9999, 0), WSA_QOS_EUNKNOWNPSOBJ);
	assert_int_equal(read_number(QOS_OBJECT_DIFFSERV, 0), WSA_QOS_EUNKNOWNPSOBJ);
	assert_int_equal(read_number(0, 0), WSA_QOS_EUNKNOWNPSOBJ);
}

/* G-076 */
static void the_end_is_optional_and_final(void **state)
{
	struct list list = { 0 };

	list_add_number(&list, QOS_OBJECT_DS_CLASS, 10);
	assert_int_equal(read_list(&list), 0);
	assert_int_equal(objects.dscp, 10);

	list_end(&list);
	list_add(&list, "garbage", 7);
	assert_int_equal(read_list(&list), 0);
	assert_int_equal(objects.dscp, 10);
}

/* What SIO_GET_QOS tells may be handed back */
static void answers_are_ignored(void **state)
{
	const RSVP_STATUS_INFO status = { { RSVP_OBJECT_STATUS_INFO, 24 }, 11006, 0, 0 };
	const RSVP_ADSPEC adspec = { .ObjectHdr = { RSVP_OBJECT_ADSPEC, sizeof(adspec) } };
	const ULONG filters[] = { RSVP_OBJECT_FILTERSPEC_LIST, 16, 0, 0 };
	struct list list = { 0 };

	list_add(&list, &status, sizeof(status));
	list_add(&list, &(ULONG){ 0 }, 4);
	list_add(&list, &adspec, sizeof(adspec));
	list_add(&list, filters, sizeof(filters));
	list_end(&list);
	assert_int_equal(read_list(&list), 0);
	assert_false(objects.has_reservation || objects.has_sd_mode || objects.has_destination);
}

/* G-081 */
static void modes_are_three(void **state)
{
	for (ULONG mode = 0; mode <= 2; mode++) {
		assert_int_equal(read_number(QOS_OBJECT_SD_MODE, mode), 0);
		assert_true(objects.has_sd_mode && objects.sd_mode == mode);
	}
	assert_int_equal(read_number(QOS_OBJECT_SD_MODE, 3), WSA_QOS_ESDMODEOBJ);
	assert_int_equal(read_number(QOS_OBJECT_SD_MODE, 4), WSA_QOS_ESDMODEOBJ);
}

/* G-082, G-095 */
static void shaping_rates_were_classes_once(void **state)
{
	assert_int_equal(read_number(QOS_OBJECT_SHAPING_RATE, 0), WSA_QOS_ESHAPERATEOBJ);
	assert_int_equal(read_number(QOS_OBJECT_SHAPING_RATE, 8), 0);
	assert_int_equal(objects.shaping_rate, 8);
	assert_int_equal(objects.priority, -1);
	assert_int_equal(read_number(QOS_OBJECT_SHAPING_RATE, 7), 0);
	assert_int_equal(objects.shaping_rate, 0);
	assert_int_equal(objects.priority, 7);
}

static void marks_have_ranges(void **state)
{
	assert_int_equal(read_number(QOS_OBJECT_DS_CLASS, 0x3f), 0);
	assert_int_equal(objects.dscp, 0x3f);
	assert_int_equal(read_number(QOS_OBJECT_DS_CLASS, 0x40), WSA_QOS_EPROVSPECBUF);
	assert_int_equal(read_number(QOS_OBJECT_TRAFFIC_CLASS, 5), 0);
	assert_int_equal(objects.priority, 5);
	assert_int_equal(read_number(QOS_OBJECT_TRAFFIC_CLASS, 8), WSA_QOS_EPROVSPECBUF);
	assert_int_equal(read_number(2000, 7), 0);
	assert_int_equal(objects.priority, -1);
	assert_int_equal(read_number(2000, 8), WSA_QOS_EPROVSPECBUF);
	assert_int_equal(read_number(2005, 77), 0);
	assert_int_equal(read_number(2006, 77), 0);
}

/* G-090 */
static void the_last_of_a_type_counts(void **state)
{
	struct list list = { 0 };

	list_add_number(&list, QOS_OBJECT_DS_CLASS, 10);
	list_add_number(&list, QOS_OBJECT_SD_MODE, 2);
	list_add_number(&list, QOS_OBJECT_DS_CLASS, 12);
	list_add_number(&list, QOS_OBJECT_SD_MODE, 1);
	assert_int_equal(read_list(&list), 0);
	assert_int_equal(objects.dscp, 12);
	assert_int_equal(objects.sd_mode, 1);
}

/* G-091: objects with pointers, wherever a list of odd lengths puts them */
static void objects_may_begin_anywhere(void **state)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const QOS_DESTADDR destination = { { QOS_OBJECT_DESTADDR, sizeof(destination) },
					   (const struct sockaddr *)&to,
					   sizeof(to) };
	RSVP_RESERVE_INFO reservation = { .ObjectHdr = { RSVP_OBJECT_RESERVE_INFO,
							 sizeof(reservation) },
					  .Style = RSVP_WILDCARD_STYLE };

	for (ULONG odd = 12; odd <= 16; odd++) {
		unsigned char first[16] = { 0 };
		const ULONG head[] = { QOS_OBJECT_SD_MODE, odd, 1 };
		struct list list = { 0 };

		memcpy(first, head, sizeof(head));
		list_add(&list, first, odd);
		list_add(&list, &destination, sizeof(destination));
		list_add(&list, &reservation, sizeof(reservation));
		list_end(&list);
		assert_int_equal(read_list(&list), 0);
		assert_ptr_equal(objects.destination.SocketAddress, &to);
		assert_int_equal(objects.reservation.Style, RSVP_WILDCARD_STYLE);
	}
}

/* ---- policy ---- */

struct element {
	USHORT length, type;
	const char *text;
};

static void add_policy(struct list *list, ULONG count, const struct element *elements, size_t n)
{
	ULONG head[3] = { RSVP_OBJECT_POLICY_INFO, sizeof(head), count };
	ULONG start = list->length;

	list_add(list, head, sizeof(head));
	for (size_t i = 0; i < n; i++) {
		size_t padded = RSVP_BYTE_MULTIPLE((size_t)elements[i].length);
		unsigned char element[64] = { 0 };

		memcpy(element, &elements[i].length, 2);
		memcpy(element + 2, &elements[i].type, 2);
		memcpy(element + 4, elements[i].text, strlen(elements[i].text));
		list_add(list, element, padded);
	}
	head[1] = list->length - start;
	memcpy(list->bytes + start, head, sizeof(head));
}

static int write_policy(const struct list *list, void **ret_policy, size_t *ret_length)
{
	unsigned char *exact = malloc(list->length);
	const struct gqos_object object = { RSVP_OBJECT_POLICY_INFO, exact, list->length };
	int error;

	memcpy(exact, list->bytes, list->length);
	error = gqos_policy_write(&object, ret_policy, ret_length);
	free(exact);
	return error;
}

/* As it stands in PATH and RESV (RFC 2750) */
static void policy_becomes_policy_data(void **state)
{
	static const unsigned char expected[] = { 0, 28, 14,  1,   0,	8,   0,	  0,   0, 12,
						  0, 3,	 'v', 'o', 'i', 'c', 'e', 'x', 0, 0,
						  0, 8,	 192, 0,   'p', 'q', 'r', 's' };
	const struct element elements[] = { { 10, PE_TYPE_APPID, "voicex" }, { 8, 49152, "pqrs" } };
	struct list list = { 0 };
	void *policy;
	size_t length;

	add_policy(&list, 2, elements, 2);
	assert_int_equal(write_policy(&list, &policy, &length), 0);
	assert_int_equal(length, sizeof(expected));
	assert_memory_equal(policy, expected, sizeof(expected));
	free(policy);
}

/* G-092 */
static void policy_must_fit(void **state)
{
	const struct element small = { 3, PE_TYPE_APPID, "" }, large = { 8, PE_TYPE_APPID, "abcd" };
	const ULONG counts[] = { 2, 3, 0xffffffff };
	size_t length = 77;
	void *policy;

	for (size_t i = 0; i < 3; i++) {
		struct list list = { 0 };

		add_policy(&list, counts[i], &large, 1);
		assert_int_equal(write_policy(&list, &policy, &length), WSA_QOS_EPOLICYOBJ);
	}
	for (int cut = 1; cut <= 8; cut++) {
		struct list list = { 0 };

		add_policy(&list, 1, &large, 1);
		list.length -= cut;
		assert_int_equal(write_policy(&list, &policy, &length), WSA_QOS_EPOLICYOBJ);
	}
	struct list list = { 0 };
	add_policy(&list, 1, &small, 1);
	assert_int_equal(write_policy(&list, &policy, &length), WSA_QOS_EPOLICYOBJ);
	list.length = 0;
	add_policy(&list, 1, (struct element[]){ large, large }, 2);
	assert_int_equal(write_policy(&list, &policy, &length), WSA_QOS_EPOLICYOBJ);
	assert_int_equal(length, 77);
}

/* G-092 */
static void reserved_elements_are_refused(void **state)
{
	const struct {
		USHORT type;
		int error;
	} types[] = { { 0, WSA_QOS_RESERVED_PETYPE },
		      { 1, 0 },
		      { 2, 0 },
		      { 3, 0 },
		      { 4, WSA_QOS_RESERVED_PETYPE },
		      { 49152, 0 },
		      { 65535, 0 },
		      { 49151, WSA_QOS_RESERVED_PETYPE } };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		const struct element element = { 8, types[i].type, "abcd" };
		struct list list = { 0 };
		void *policy = NULL;
		size_t length;

		add_policy(&list, 1, &element, 1);
		assert_int_equal(write_policy(&list, &policy, &length), types[i].error);
		free(policy);
	}
}

static void policy_is_read_back(void **state)
{
	const struct element elements[] = { { 12, PE_TYPE_APPID, "voicexyz" },
					    { 8, 49152, "pqrs" } };
	unsigned char info[256];
	struct list list = { 0 };
	void *policy;
	size_t length, read;

	add_policy(&list, 2, elements, 2);
	assert_int_equal(write_policy(&list, &policy, &length), 0);
	read = gqos_policy_read(policy, length, info, sizeof(info));
	assert_int_equal(read, list.length); /* 32: it needs no padding */
	assert_memory_equal(info, list.bytes, list.length);

	/* Cut off anywhere, or without room, it says less, and nothing wrong. */
	for (size_t cut = 0; cut < length; cut++) {
		unsigned char *exact = malloc(cut ? cut : 1);

		memcpy(exact, policy, cut);
		assert_int_equal(gqos_policy_read(exact, cut, info, sizeof(info)), 0);
		free(exact);
	}
	assert_int_equal(gqos_policy_read(policy, length, info, 31), 24);
	assert_int_equal(gqos_policy_read(policy, length, info, 16), 0);
	free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_list_is_an_empty_one),
		cmocka_unit_test(lengths_must_fit),
		cmocka_unit_test(rests_must_be_heads),
		cmocka_unit_test(each_type_has_a_least_length),
		cmocka_unit_test(unknown_types_are_refused),
		cmocka_unit_test(the_end_is_optional_and_final),
		cmocka_unit_test(answers_are_ignored),
		cmocka_unit_test(modes_are_three),
		cmocka_unit_test(shaping_rates_were_classes_once),
		cmocka_unit_test(marks_have_ranges),
		cmocka_unit_test(the_last_of_a_type_counts),
		cmocka_unit_test(objects_may_begin_anywhere),
		cmocka_unit_test(policy_becomes_policy_data),
		cmocka_unit_test(policy_must_fit),
		cmocka_unit_test(reserved_elements_are_refused),
		cmocka_unit_test(policy_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
