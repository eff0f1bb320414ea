/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of core/class: the tables of marks, by class and profile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/class.h"

static void assert_mark(struct mark mark, int dscp, int priority)
{
	assert_int_equal(mark.set_dscp, dscp != DSCP_NONE);
	assert_int_equal(mark.dscp, dscp != DSCP_NONE ? dscp : 0);
	assert_int_equal(mark.set_priority, priority != 0);
	assert_int_equal(mark.priority, priority);
}

/* The table behind Q-077..Q-082 and Q-092. Best effort writes nothing. */
static void test_windows_profile(void **state)
{
	static const struct {
		enum gw_class traffic_class;
		int dscp, byte, priority;
	} table[] = {
		{ GW_CLASS_BEST_EFFORT, DSCP_NONE, 0x00, 0 },
		{ GW_CLASS_BACKGROUND, 8, 0x20, 2 },
		{ GW_CLASS_EXCELLENT_EFFORT, 40, 0xa0, 5 },
		{ GW_CLASS_AUDIO_VIDEO, 40, 0xa0, 5 },
		{ GW_CLASS_VOICE, 56, 0xe0, 7 },
		{ GW_CLASS_CONTROL, 56, 0xe0, 7 },
	};

	(void)state;
	assert_int_equal(sizeof(table) / sizeof(table[0]), GW_CLASS_COUNT);
	for (size_t i = 0; i < GW_CLASS_COUNT; i++) {
		struct mark mark = class_mark(&mark_profile_windows, table[i].traffic_class);

		assert_mark(mark, table[i].dscp, table[i].priority);
		assert_int_equal(mark.dscp << 2, table[i].byte);
	}
}

static void test_rfc4594_profile(void **state)
{
	static const int dscp[GW_CLASS_COUNT] = { DSCP_NONE, 8, 18, 34, 46, 40 };
	static const int priority[GW_CLASS_COUNT] = { 0, 2, 5, 5, 7, 7 };

	(void)state;
	for (int i = 0; i < GW_CLASS_COUNT; i++)
		assert_mark(class_mark(&mark_profile_rfc4594, (enum gw_class)i), dscp[i],
			    priority[i]);
}

static void test_profile_find(void **state)
{
	(void)state;
	assert_ptr_equal(mark_profile_find("windows"), &mark_profile_windows);
	assert_ptr_equal(mark_profile_find("rfc4594"), &mark_profile_rfc4594);
	assert_null(mark_profile_find("Windows"));
	assert_null(mark_profile_find(""));
}

/* It replaces the class's own, zero included, and leaves 802.1p alone (spec/qwave.md §5.5). */
static void test_explicit_dscp(void **state)
{
	(void)state;
	for (int dscp = 0; dscp <= DSCP_MAX; dscp++) {
		struct mark mark =
			class_mark_with_dscp(&mark_profile_windows, GW_CLASS_VOICE, (uint8_t)dscp);

		assert_mark(mark, dscp, 7);
	}
	assert_mark(class_mark_with_dscp(&mark_profile_windows, GW_CLASS_BEST_EFFORT, 46), 46, 0);
}

/* spec/qwave.md §7.3 */
static void test_nonconformant(void **state)
{
	(void)state;
	for (int i = 0; i < GW_CLASS_COUNT; i++) {
		enum gw_class traffic_class = (enum gw_class)i;
		struct mark mark = class_mark_nonconformant(&mark_profile_windows, traffic_class);

		assert_int_equal(mark.dscp, traffic_class == GW_CLASS_BACKGROUND ? 8 : 0);
		assert_int_equal(mark.priority, traffic_class == GW_CLASS_BACKGROUND ? 2 : 0);
		assert_int_equal(mark.set_dscp, traffic_class != GW_CLASS_BEST_EFFORT);
		assert_int_equal(mark.set_priority, traffic_class != GW_CLASS_BEST_EFFORT);
	}
}

static void test_names(void **state)
{
	static const char *const names[GW_CLASS_COUNT] = {
		"best-effort", "background", "excellent-effort", "audio-video", "voice", "control"
	};
	enum gw_class traffic_class = GW_CLASS_CONTROL;

	(void)state;
	for (uint32_t i = 0; i < GW_CLASS_COUNT; i++) {
		assert_true(class_is_valid(i));
		assert_string_equal(class_name((enum gw_class)i), names[i]);
		assert_int_equal(class_parse(names[i], &traffic_class), 0);
		assert_int_equal(traffic_class, i);
	}
	assert_false(class_is_valid(GW_CLASS_COUNT));
	assert_false(class_is_valid(UINT32_MAX));
	assert_null(class_name((enum gw_class)GW_CLASS_COUNT));

	traffic_class = GW_CLASS_VOICE;
	assert_int_equal(class_parse("Control", &traffic_class), -EINVAL);
	assert_int_equal(class_parse("", &traffic_class), -EINVAL);
	assert_int_equal(class_parse("control ", &traffic_class), -EINVAL);
	assert_int_equal(traffic_class, GW_CLASS_VOICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_windows_profile), cmocka_unit_test(test_rfc4594_profile),
		cmocka_unit_test(test_profile_find),	cmocka_unit_test(test_explicit_dscp),
		cmocka_unit_test(test_nonconformant),	cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
