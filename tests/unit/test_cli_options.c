/* SPDX-License-Identifier: MIT */
/* Option tables of the command line tool: what is read, what is refused, and in which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>

#include "cli/options.h"

struct values {
	bool json;
	bool strict;
	struct option_class traffic_class;
	struct option_rate rate;
	struct option_endpoint to;
	struct option_protocol protocol;
	struct option_interface out;
};

static const struct option_def defs[] = {
	{ "json", OPTION_FLAG, offsetof(struct values, json), NULL, "as JSON" },
	{ "strict", OPTION_FLAG, offsetof(struct values, strict), NULL, "be strict" },
	{ "class", OPTION_CLASS, offsetof(struct values, traffic_class), "CLASS", "the class" },
	{ "rate", OPTION_RATE, offsetof(struct values, rate), "RATE", "the rate" },
	{ "to", OPTION_ENDPOINT, offsetof(struct values, to), "ADDR", "the address" },
	{ "protocol", OPTION_PROTOCOL, offsetof(struct values, protocol), "PROTOCOL",
	  "its number" },
	{ "out", OPTION_INTERFACE, offsetof(struct values, out), "INTERFACE", "the interface" },
	{ 0 },
};

static struct values values;
static int operand;
static char error[OPTION_ERROR_LEN];

#define READ(...) read_args((char *[]){ __VA_ARGS__, NULL })

static enum options_result read_args(char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	memset(&values, 0, sizeof(values));
	operand = -1;
	error[0] = '\0';
	return options_read(defs, argc, argv, &values, &operand, error);
}

static void reads_values(void **state)
{
	assert_int_equal(READ("--class", "voice", "--rate=64kbit", "--strict"), OPTIONS_READ);
	assert_int_equal(operand, 4);
	assert_true(values.traffic_class.given);
	assert_int_equal(values.traffic_class.value, GW_CLASS_VOICE);
	assert_true(values.rate.given);
	assert_int_equal(values.rate.rate_bps, 64000);
	assert_true(values.strict);
	assert_false(values.json);

	assert_int_equal(READ("--class=best-effort"), OPTIONS_READ);
	assert_true(values.traffic_class.given);
	assert_int_equal(values.traffic_class.value, GW_CLASS_BEST_EFFORT);
}

/* `greenwave run` must leave the program's own options alone, with and without "--". */
static void stops_at_the_program(void **state)
{
	assert_int_equal(READ("--strict", "ls", "--json"), OPTIONS_READ);
	assert_int_equal(operand, 1);
	assert_false(values.json);

	assert_int_equal(READ("--strict", "--", "--json"), OPTIONS_READ);
	assert_int_equal(operand, 2);
	assert_false(values.json);

	/* A lone dash is an operand. */
	assert_int_equal(READ("-"), OPTIONS_READ);
	assert_int_equal(operand, 0);

	assert_int_equal(READ("ls", "--help"), OPTIONS_READ);
	assert_int_equal(READ("--help"), OPTIONS_HELP);
	assert_int_equal(READ("--json", "-h"), OPTIONS_HELP);
}

static void refuses_misuse(void **state)
{
	assert_int_equal(READ("--bogus"), OPTIONS_WRONG);
	assert_string_equal(error, "there is no option '--bogus'");
	assert_int_equal(READ("-j"), OPTIONS_WRONG);
	assert_string_equal(error, "there is no option '-j'");
	/* No abbreviations: a later option would change what they mean. */
	assert_int_equal(READ("--cla", "voice"), OPTIONS_WRONG);
	assert_int_equal(READ("--jsonx"), OPTIONS_WRONG);

	assert_int_equal(READ("--class"), OPTIONS_WRONG);
	assert_string_equal(error, "--class needs a value: CLASS");
	assert_int_equal(READ("--json=yes"), OPTIONS_WRONG);
	assert_string_equal(error, "--json takes no value");

	assert_int_equal(READ("--class", "Voice"), OPTIONS_WRONG);
	assert_string_equal(error, "'Voice' is no class; there are best-effort, background, "
				   "excellent-effort, audio-video, voice, control");
	assert_false(values.traffic_class.given);
	assert_int_equal(READ("--class="), OPTIONS_WRONG);

	assert_int_equal(READ("--rate", "fast"), OPTIONS_WRONG);
	assert_int_equal(READ("--rate", "0kbit"), OPTIONS_WRONG);
	assert_string_equal(error, "'0kbit' is no rate at all");
	assert_false(values.rate.given);
}

/* What is wrong may be of any length. */
static void long_texts_are_cut(void **state)
{
	char text[4096];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(READ("--class", text), OPTIONS_WRONG);
	assert_true(strlen(error) < OPTION_ERROR_LEN);
	assert_non_null(strstr(error, ", control"));
	assert_int_equal(READ("--rate", text), OPTIONS_WRONG);
	memcpy(text, "--", 2);
	assert_int_equal(READ(text), OPTIONS_WRONG);
	assert_true(strlen(error) < OPTION_ERROR_LEN);
}

static void rates(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t rate_bps;
	} cases[] = {
		{ "1bit", 0, 1 },
		{ "64kbit", 0, 64000 },
		{ "10Mbit", 0, 10000000 },
		{ "2.5Gbit", 0, 2500000000 },
		{ "0.001kbit", 0, 1 },
		{ "18446744073709551615bit", 0, UINT64_MAX },
		{ "18446744073709551616bit", -ERANGE, 0 },
		{ "18446744074Gbit", -ERANGE, 0 },
		{ "0bit", -ERANGE, 0 },
		{ "0.5bit", -ERANGE, 0 }, /* no whole number of bits */
		{ "1.00000000000000000000000001kbit", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "64", -EINVAL, 0 },
		{ "kbit", -EINVAL, 0 },
		{ "64 kbit", -EINVAL, 0 },
		{ " 64kbit", -EINVAL, 0 },
		{ "64kbit ", -EINVAL, 0 },
		{ "64Kbit", -EINVAL, 0 },
		{ "64mbit", -EINVAL, 0 },
		{ "-1kbit", -EINVAL, 0 },
		{ "+1kbit", -EINVAL, 0 },
		{ "0x10kbit", -EINVAL, 0 },
		{ "1e3bit", -EINVAL, 0 },
		{ ".5kbit", -EINVAL, 0 },
		{ "5.kbit", -EINVAL, 0 },
		{ "1.2.3kbit", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t rate_bps = 0;

		if (options_parse_rate(cases[i].text, &rate_bps) != cases[i].r ||
		    rate_bps != cases[i].rate_bps)
			fail_msg("%s", cases[i].text);
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t us;
	} cases[] = {
		{ "1us", 0, 1 },
		{ "500ms", 0, 500000 },
		{ "1.5s", 0, 1500000 },
		{ "0.001ms", 0, 1 },
		{ "2min", 0, 120000000 },
		{ "0s", -ERANGE, 0 },
		{ "0.5us", -ERANGE, 0 },
		{ "18446744073709551615s", -ERANGE, 0 },
		{ "99999999999999999999s", -ERANGE, 0 },
		{ "10", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "10 s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1h", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t us = 0;

		if (options_parse_duration(cases[i].text, &us) != cases[i].r || us != cases[i].us)
			fail_msg("%s", cases[i].text);
	}
}

/* Where seconds are meant, a number alone is so many of them. */
static void seconds(void **state)
{
	static const struct {
		const char *text;
		int r;
		uint64_t us;
	} cases[] = {
		{ "10", 0, 10000000 }, { "0.25", 0, 250000 }, { "2s", 0, 2000000 },
		{ "20ms", 0, 20000 },  { "0", -ERANGE, 0 },   { "0ms", -ERANGE, 0 },
		{ "10 ", -EINVAL, 0 }, { "", -EINVAL, 0 },    { "ten", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t us = 0;

		if (options_parse_seconds(cases[i].text, &us) != cases[i].r || us != cases[i].us)
			fail_msg("%s", cases[i].text);
	}
}

/* Options that may stand several times, and numbers. */
static void many_and_numbers(void **state)
{
	struct {
		struct option_endpoints from;
		struct option_number count;
	} given = { 0 };
	const struct option_def many_defs[] = {
		{ "from", OPTION_ENDPOINTS, offsetof(__typeof__(given), from), "ADDR", "" },
		{ "count", OPTION_NUMBER, offsetof(__typeof__(given), count), "N", "" },
		{ 0 },
	};
	char *argv[2 * (OPTION_ENDPOINTS_MAX + 1)];

	for (int i = 0; i <= OPTION_ENDPOINTS_MAX; i++) {
		argv[2 * i] = (char *)"--from";
		argv[2 * i + 1] = (char *)"192.0.2.1:7";
	}
	assert_int_equal(options_read(many_defs, 2 * OPTION_ENDPOINTS_MAX, argv, &given, &operand,
				      error),
			 OPTIONS_READ);
	assert_int_equal(given.from.count, OPTION_ENDPOINTS_MAX);
	assert_int_equal(given.from.addresses[OPTION_ENDPOINTS_MAX - 1].ss_family, AF_INET);
	given.from.count = 0;
	assert_int_equal(options_read(many_defs, 2 * OPTION_ENDPOINTS_MAX + 2, argv, &given,
				      &operand, error),
			 OPTIONS_WRONG);
	assert_string_equal(error, "'192.0.2.1:7' is one address too many: 128 are allowed");
	assert_int_equal(options_read(many_defs, 1, (char *[]){ (char *)"--count=4294967295" },
				      &given, &operand, error),
			 OPTIONS_READ);
	assert_int_equal(given.count.value, UINT32_MAX);
	assert_int_equal(options_read(many_defs, 1, (char *[]){ (char *)"--count=0x10" }, &given,
				      &operand, error),
			 OPTIONS_WRONG);
}

static void endpoints(void **state)
{
	static const struct {
		const char *text, *host;
		int family, port; /* family 0: refused */
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", AF_INET, 0 },
		{ "192.0.2.1:5060", "192.0.2.1", AF_INET, 5060 },
		{ "192.0.2.1:65535", "192.0.2.1", AF_INET, 65535 },
		{ "2001:db8::1", "2001:db8::1", AF_INET6, 0 },
		{ "[2001:db8::1]", "2001:db8::1", AF_INET6, 0 },
		{ "[2001:db8::1]:1", "2001:db8::1", AF_INET6, 1 },
		{ "::", "::", AF_INET6, 0 },
		{ "" },
		{ ":5060" },
		{ "192.0.2.1:" },
		{ "192.0.2.1:0" },
		{ "192.0.2.1:65536" },
		{ "192.0.2.1:-1" },
		{ "192.0.2.1:5060 " },
		{ "192.0.2.256" },
		{ "192.0.2" },
		{ "[192.0.2.1]:5060" },
		{ "[2001:db8::1" },
		{ "[2001:db8::1]5060" },
		{ "[2001:db8::1]:" },
		{ "2001:db8::1:2:3:4:5:6:7" },
		{ "example.org" },
		{ "1111111111111111111111111111111111111111111111111111111111111" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_storage address = { 0 };
		int r = options_parse_endpoint(cases[i].text, &address);
		struct sockaddr_in6 in6;
		struct sockaddr_in in;
		char host[INET6_ADDRSTRLEN];

		if (cases[i].family == 0) {
			if (r != -EINVAL)
				fail_msg("%s", cases[i].text);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(address.ss_family, cases[i].family);
		memcpy(&in, &address, sizeof(in));
		memcpy(&in6, &address, sizeof(in6));
		assert_int_equal(ntohs(in.sin_port), cases[i].port); /* at the same place in both */
		inet_ntop(address.ss_family,
			  address.ss_family == AF_INET ? (const void *)&in.sin_addr
						       : &in6.sin6_addr,
			  host, sizeof(host));
		assert_string_equal(host, cases[i].host);
	}
	assert_int_equal(READ("--to", "nowhere"), OPTIONS_WRONG);
	assert_string_equal(error,
			    "'nowhere' is no address: 192.0.2.1, 192.0.2.1:5060, 2001:db8::1 "
			    "or [2001:db8::1]:5060");
	assert_false(values.to.given);
}

static void protocols_and_interfaces(void **state)
{
	static char *const wrong[] = { "", "0", "256", "1000", "-1", "6x", "TCP", "sctp" };

	assert_int_equal(READ("--protocol", "tcp", "--out", "eth0"), OPTIONS_READ);
	assert_int_equal(values.protocol.value, 6);
	assert_string_equal(values.out.name, "eth0");
	assert_int_equal(READ("--protocol=udp"), OPTIONS_READ);
	assert_int_equal(values.protocol.value, 17);
	assert_int_equal(READ("--protocol=255"), OPTIONS_READ);
	assert_int_equal(values.protocol.value, 255);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(READ("--protocol", wrong[i]), OPTIONS_WRONG);
		assert_non_null(
			strstr(error, "is no protocol: tcp, udp or a number from 1 to 255"));
		assert_false(values.protocol.given);
	}
	assert_int_equal(READ("--out", "fifteen-letters"), OPTIONS_READ);
	assert_int_equal(READ("--out", "sixteen-letters!"), OPTIONS_WRONG);
	assert_string_equal(error, "'sixteen-letters!' is no name of an interface");
	assert_int_equal(READ("--out", ""), OPTIONS_WRONG);
}

/* The help is made of the same table. */
static void help_names_all(void **state)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	options_print(out, defs);
	fclose(out);
	assert_string_equal(text, "  --json               as JSON\n"
				  "  --strict             be strict\n"
				  "  --class CLASS        the class\n"
				  "  --rate RATE          the rate\n"
				  "  --to ADDR            the address\n"
				  "  --protocol PROTOCOL  its number\n"
				  "  --out INTERFACE      the interface\n"
				  "  --help               print this\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_values),	  cmocka_unit_test(stops_at_the_program),
		cmocka_unit_test(refuses_misuse), cmocka_unit_test(long_texts_are_cut),
		cmocka_unit_test(rates),	  cmocka_unit_test(durations),
		cmocka_unit_test(seconds),	  cmocka_unit_test(many_and_numbers),
		cmocka_unit_test(endpoints),	  cmocka_unit_test(protocols_and_interfaces),
		cmocka_unit_test(help_names_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
