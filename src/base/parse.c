/* SPDX-License-Identifier: MIT */
/*
 * parse.c: see parse.h. Numbers are read digit by digit: strtoul() and strtod() take blanks, signs and
 * whatever the locale calls a decimal point.
 */
#include "base/parse.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct unit {
	const char *name;
	uint64_t factor;
};

struct dscp_name {
	const char *name;
	uint8_t dscp;
};

static const struct dscp_name dscp_names[] = {
	/* RFC 2474 §4 */
	{ "DF", 0 },
	{ "BE", 0 },
	{ "CS0", 0 },
	{ "CS1", 8 },
	{ "CS2", 16 },
	{ "CS3", 24 },
	{ "CS4", 32 },
	{ "CS5", 40 },
	{ "CS6", 48 },
	{ "CS7", 56 },
	/* RFC 2597 §6 */
	{ "AF11", 10 },
	{ "AF12", 12 },
	{ "AF13", 14 },
	{ "AF21", 18 },
	{ "AF22", 20 },
	{ "AF23", 22 },
	{ "AF31", 26 },
	{ "AF32", 28 },
	{ "AF33", 30 },
	{ "AF41", 34 },
	{ "AF42", 36 },
	{ "AF43", 38 },
	/* RFC 3246 §2.7, RFC 5865 §3, RFC 8622 §6 */
	{ "EF", 46 },
	{ "VA", 44 },
	{ "LE", 1 },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* value * 10 + digit, or false if that does not fit. */
static bool append_digit(uint64_t *value, char digit)
{
	return !__builtin_mul_overflow(*value, UINT64_C(10), value) &&
	       !__builtin_add_overflow(*value, (uint64_t)(digit - '0'), value);
}

/* Reads digits, at least one, up to the first character that is none. */
static int read_digits(const char **text, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t value = 0;
	bool fits = true;

	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++)
		fits = fits && append_digit(&value, *p);
	*text = p;
	*ret_value = value;
	return fits ? 0 : -ERANGE;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	uint64_t value = 0;
	int r;

	r = read_digits(&text, &value);
	if (r == -EINVAL || *text != '\0')
		return -EINVAL;
	if (r < 0 || value < min || value > max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value)
{
	uint64_t value;
	int r;

	r = parse_u64(text, min, max, &value);
	if (r < 0)
		return r;
	*ret_value = (uint32_t)value;
	return 0;
}

static int find_unit(const struct unit *units, size_t count, const char *name, uint64_t *ret_factor)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(units[i].name, name) == 0) {
			*ret_factor = units[i].factor;
			return 0;
		}
	}
	return -EINVAL;
}

/*
 * Adds the fraction `digits`, up to `end`, of `factor` to *value. Each digit counts a tenth of what the one
 * before it did; once that is no longer whole, only zeros may follow.
 */
static int add_fraction(const char *digits, const char *end, uint64_t factor, uint64_t *value)
{
	for (; digits < end; digits++) {
		if (factor % 10 != 0) {
			if (*digits != '0')
				return -EINVAL;
			continue;
		}
		factor /= 10;
		if (__builtin_add_overflow(*value, (uint64_t)(*digits - '0') * factor, value))
			return -ERANGE;
	}
	return 0;
}

/* A number, possibly with a fraction, followed by one of the units; the result counts the smallest unit. */
static int parse_scaled(const char *text, const struct unit *units, size_t count,
			uint64_t *ret_value)
{
	const char *fraction = NULL, *fraction_end = NULL;
	uint64_t value = 0, factor;
	int r, whole;

	whole = read_digits(&text, &value);
	if (whole == -EINVAL)
		return -EINVAL;
	if (*text == '.') {
		fraction = ++text;
		while (is_digit(*text))
			text++;
		fraction_end = text;
		if (fraction == fraction_end)
			return -EINVAL;
	}
	r = find_unit(units, count, text, &factor);
	if (r < 0)
		return r;
	if (whole < 0 || __builtin_mul_overflow(value, factor, &value))
		return -ERANGE;
	r = add_fraction(fraction, fraction_end, factor, &value);
	if (r < 0)
		return r;
	*ret_value = value;
	return 0;
}

int parse_rate(const char *text, uint64_t *ret_rate_bps)
{
	static const struct unit units[] = {
		{ "bit", 1 },
		{ "kbit", 1000 },
		{ "Mbit", 1000 * 1000 },
		{ "Gbit", 1000 * 1000 * 1000 },
	};
	uint64_t rate_bps;
	int r;

	r = parse_scaled(text, units, COUNT_OF(units), &rate_bps);
	if (r < 0)
		return r;
	if (rate_bps == 0)
		return -ERANGE;
	*ret_rate_bps = rate_bps;
	return 0;
}

int parse_duration(const char *text, uint64_t *ret_duration_us)
{
	static const struct unit units[] = {
		{ "ms", 1000 },
		{ "s", 1000 * 1000 },
		{ "min", 60 * 1000 * 1000 },
	};

	return parse_scaled(text, units, COUNT_OF(units), ret_duration_us);
}

int parse_share(const char *text, uint32_t *ret_percent)
{
	uint64_t percent = 0;
	int r;

	r = read_digits(&text, &percent);
	if (r == -EINVAL || strcmp(text, "%") != 0)
		return -EINVAL;
	if (r < 0 || percent > 100)
		return -ERANGE;
	*ret_percent = (uint32_t)percent;
	return 0;
}

int parse_switch(const char *text, bool *ret_on)
{
	static const struct {
		const char *word;
		bool on;
	} words[] = {
		{ "yes", true }, { "true", true },   { "on", true },
		{ "no", false }, { "false", false }, { "off", false },
	};

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		if (strcmp(words[i].word, text) == 0) {
			*ret_on = words[i].on;
			return 0;
		}
	}
	return -EINVAL;
}

/* strcasecmp() for names in plain ASCII: in a Turkish locale "dI" is not "di". */
static bool same_name(const char *upper, const char *text)
{
	for (; *upper; upper++, text++) {
		char c = *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text;

		if (c != *upper)
			return false;
	}
	return *text == '\0';
}

int parse_dscp(const char *text, uint8_t *ret_dscp)
{
	uint32_t number;
	int r;

	for (size_t i = 0; i < COUNT_OF(dscp_names); i++) {
		if (same_name(dscp_names[i].name, text)) {
			*ret_dscp = dscp_names[i].dscp;
			return 0;
		}
	}
	r = parse_u32(text, 0, 63, &number);
	if (r < 0)
		return r;
	*ret_dscp = (uint8_t)number;
	return 0;
}
