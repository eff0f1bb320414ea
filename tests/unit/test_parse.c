/* SPDX-License-Identifier: MIT */
/* test_parse.c: base/parse: every form that is taken, and the near misses that are not. */
#include "base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct sample {
	const char *text;
	int r;
	uint64_t value;
};

#define UNTOUCHED UINT64_C(0x5eed5eed5eed5eed)

/* Runs one parser over its samples; a failure must leave the result alone. */
static void check_samples(int (*parse)(const char *, uint64_t *), const struct sample *samples,
			  size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = UNTOUCHED;
		int r = parse(samples[i].text, &value);

		if (r != samples[i].r || value != (r < 0 ? UNTOUCHED : samples[i].value))
			fail_msg("\"%s\": %d, %" PRIu64, samples[i].text, r, value);
	}
}

static int parse_any_u64(const char *text, uint64_t *ret_value)
{
	return parse_u64(text, 0, UINT64_MAX, ret_value);
}

static int parse_5_to_10(const char *text, uint64_t *ret_value)
{
	return parse_u64(text, 5, 10, ret_value);
}

static void numbers(void **state)
{
	static const struct sample any[] = {
		{ "0", 0, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
		{ "007", 0, 7 },
		{ "", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "1.0", -EINVAL, 0 },
		{ "99999999999999999999999999x", -EINVAL, 0 },
		{ "\xd9\xa1", -EINVAL, 0 }, /* a digit, but not one of ours */
	};
	static const struct sample bounded[] = {
		{ "4", -ERANGE, 0 },
		{ "5", 0, 5 },
		{ "10", 0, 10 },
		{ "11", -ERANGE, 0 },
	};
	uint32_t u32 = 17;

	check_samples(parse_any_u64, any, COUNT_OF(any));
	check_samples(parse_5_to_10, bounded, COUNT_OF(bounded));

	assert_int_equal(parse_u32("4294967296", 0, UINT32_MAX, &u32), -ERANGE);
	assert_int_equal(u32, 17);
	assert_int_equal(parse_u32("4294967295", 0, UINT32_MAX, &u32), 0);
	assert_int_equal(u32, UINT32_MAX);
}

static void rates(void **state)
{
	static const struct sample samples[] = {
		{ "1bit", 0, 1 },
		{ "64kbit", 0, 64000 },
		{ "100Mbit", 0, 100000000 },
		{ "2.5Gbit", 0, 2500000000 },
		{ "0.001kbit", 0, 1 },
		{ "1.000000001Gbit", 0, 1000000001 },
		{ "1.0bit", 0, 1 },
		{ "18446744073Gbit", 0, UINT64_C(18446744073000000000) },
		{ "18446744073.709551615Gbit", 0, UINT64_MAX },
		{ "18446744073.709551616Gbit", -ERANGE, 0 },
		{ "18446744074Gbit", -ERANGE, 0 },
		{ "99999999999999999999bit", -ERANGE, 0 },
		{ "0bit", -ERANGE, 0 },
		{ "0.0Mbit", -ERANGE, 0 },
		{ "0.0001kbit", -EINVAL, 0 }, /* a tenth of a bit */
		{ "1.5bit", -EINVAL, 0 },
		{ "100", -EINVAL, 0 },
		{ "100M", -EINVAL, 0 },
		{ "100mbit", -EINVAL, 0 },
		{ "100MBit", -EINVAL, 0 },
		{ "100 Mbit", -EINVAL, 0 },
		{ "100Mbit ", -EINVAL, 0 },
		{ "100Mbits", -EINVAL, 0 },
		{ "1Kibit", -EINVAL, 0 },
		{ ".5Mbit", -EINVAL, 0 },
		{ "1.Mbit", -EINVAL, 0 },
		{ "1,5Mbit", -EINVAL, 0 },
		{ "1.2.3Mbit", -EINVAL, 0 },
		{ "-1Mbit", -EINVAL, 0 },
		{ "Mbit", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
	};

	check_samples(parse_rate, samples, COUNT_OF(samples));
}

static void rates_do_not_ask_the_locale(void **state)
{
	static const struct sample samples[] = {
		{ "1.5Mbit", 0, 1500000 },
		{ "1,5Mbit", -EINVAL, 0 },
	};

	/* Any locale with a decimal comma would do; without one this repeats the C locale. */
	if (!setlocale(LC_ALL, "de_DE.UTF-8"))
		print_message("no German locale here\n");
	check_samples(parse_rate, samples, COUNT_OF(samples));
	setlocale(LC_ALL, "C");
}

static void durations(void **state)
{
	static const struct sample samples[] = {
		{ "0s", 0, 0 },
		{ "30s", 0, 30000000 },
		{ "500ms", 0, 500000 },
		{ "1.5ms", 0, 1500 },
		{ "0.001ms", 0, 1 },
		{ "2min", 0, 120000000 },
		{ "0.5min", 0, 30000000 },
		{ "0.0001ms", -EINVAL, 0 },
		{ "18446744073709551615ms", -ERANGE, 0 },
		{ "30", -EINVAL, 0 },
		{ "30 s", -EINVAL, 0 },
		{ "30sec", -EINVAL, 0 },
		{ "30S", -EINVAL, 0 },
		{ "1us", -EINVAL, 0 },
		{ "1h", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
	};

	check_samples(parse_duration, samples, COUNT_OF(samples));
}

static int parse_share_u64(const char *text, uint64_t *ret_value)
{
	uint32_t percent = 1234;
	int r = parse_share(text, &percent);

	if (r < 0)
		assert_int_equal(percent, 1234);
	else
		*ret_value = percent;
	return r;
}

static void shares(void **state)
{
	static const struct sample samples[] = {
		{ "0%", 0, 0 },
		{ "75%", 0, 75 },
		{ "100%", 0, 100 },
		{ "101%", -ERANGE, 0 },
		{ "99999999999999999999%", -ERANGE, 0 },
		{ "75", -EINVAL, 0 },
		{ "0.75", -EINVAL, 0 },
		{ "75 %", -EINVAL, 0 },
		{ "75%%", -EINVAL, 0 },
		{ "%", -EINVAL, 0 },
		{ "-1%", -EINVAL, 0 },
	};

	check_samples(parse_share_u64, samples, COUNT_OF(samples));
}

static int parse_switch_u64(const char *text, uint64_t *ret_value)
{
	bool on = false;
	int r = parse_switch(text, &on);

	if (r == 0)
		*ret_value = on;
	return r;
}

static void switches(void **state)
{
	static const struct sample samples[] = {
		{ "yes", 0, 1 },       { "true", 0, 1 },       { "on", 0, 1 },
		{ "no", 0, 0 },	       { "false", 0, 0 },      { "off", 0, 0 },
		{ "1", -EINVAL, 0 },   { "True", -EINVAL, 0 }, { "", -EINVAL, 0 },
		{ "on ", -EINVAL, 0 },
	};

	check_samples(parse_switch_u64, samples, COUNT_OF(samples));
}

static int parse_dscp_u64(const char *text, uint64_t *ret_value)
{
	uint8_t dscp = 99;
	int r = parse_dscp(text, &dscp);

	if (r < 0)
		assert_int_equal(dscp, 99);
	else
		*ret_value = dscp;
	return r;
}

static void dscps(void **state)
{
	static const struct sample samples[] = {
		{ "0", 0, 0 },		{ "46", 0, 46 },	 { "63", 0, 63 },
		{ "64", -ERANGE, 0 },	{ "EF", 0, 46 },	 { "ef", 0, 46 },
		{ "Va", 0, 44 },	{ "LE", 0, 1 },		 { "DF", 0, 0 },
		{ "BE", 0, 0 },		{ "AF14", -EINVAL, 0 },	 { "AF44", -EINVAL, 0 },
		{ "AF1", -EINVAL, 0 },	{ "AF411", -EINVAL, 0 }, { "CS8", -EINVAL, 0 },
		{ "CS", -EINVAL, 0 },	{ "", -EINVAL, 0 },	 { "EF ", -EINVAL, 0 },
		{ "0x2e", -EINVAL, 0 }, { "-1", -EINVAL, 0 },	 { "e", -EINVAL, 0 },
	};
	char name[8];
	uint8_t dscp;

	check_samples(parse_dscp_u64, samples, COUNT_OF(samples));

	/* RFC 2474 §4.2.2: class selector x is x << 3. RFC 2597 §6: AFxy is 8x + 2y. */
	for (int x = 0; x <= 7; x++) {
		snprintf(name, sizeof(name), "CS%d", x);
		assert_int_equal(parse_dscp(name, &dscp), 0);
		assert_int_equal(dscp, x << 3);
	}
	for (int x = 1; x <= 4; x++) {
		for (int y = 1; y <= 3; y++) {
			snprintf(name, sizeof(name), "AF%d%d", x, y);
			assert_int_equal(parse_dscp(name, &dscp), 0);
			assert_int_equal(dscp, 8 * x + 2 * y);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(rates),
		cmocka_unit_test(rates_do_not_ask_the_locale),
		cmocka_unit_test(durations),
		cmocka_unit_test(shares),
		cmocka_unit_test(switches),
		cmocka_unit_test(dscps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
