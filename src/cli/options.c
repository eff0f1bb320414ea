/* SPDX-License-Identifier: MIT */
/*
 * options.c: reads command line options by a table. Stricter than getopt_long(): names are not
 * abbreviated and options stand before operands, so that `greenwave run` never takes an option of
 * the program.
 */
#include "cli/options.h"

#include <errno.h>
#include <string.h>

/* Digits with an optional fraction, as one number and how many of its digits are the fraction's. */
static int read_decimal(const char **text, uint64_t *ret_number, uint64_t *ret_scale)
{
	uint64_t number = 0, scale = 1;
	bool fraction = false;
	const char *p = *text;

	for (; (*p >= '0' && *p <= '9') || (*p == '.' && !fraction); p++) {
		if (*p == '.') {
			if (p == *text || p[1] < '0' || p[1] > '9')
				return -EINVAL;
			fraction = true;
			continue;
		}
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*p - '0'), &number) ||
		    (fraction && __builtin_mul_overflow(scale, 10, &scale)))
			return -ERANGE;
	}
	if (p == *text)
		return -EINVAL;
	*text = p;
	*ret_number = number;
	*ret_scale = scale;
	return 0;
}

int options_parse_rate(const char *text, uint64_t *ret_rate_bps)
{
	static const struct {
		const char *name;
		uint64_t bps;
	} units[] = {
		{ "bit", 1 },
		{ "kbit", 1000 },
		{ "Mbit", 1000000 },
		{ "Gbit", 1000000000 },
	};
	uint64_t number, scale;
	int r = read_decimal(&text, &number, &scale);

	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (number == 0 || __builtin_mul_overflow(number, units[i].bps, &number) ||
		    number % scale != 0)
			return -ERANGE;
		*ret_rate_bps = number / scale;
		return 0;
	}
	return -EINVAL;
}

static const struct option_def *find(const struct option_def *defs, const char *name,
				     size_t name_len)
{
	for (; defs->name; defs++)
		if (strlen(defs->name) == name_len && strncmp(defs->name, name, name_len) == 0)
			return defs;
	return NULL;
}

static bool read_class(const char *text, struct option_class *value, char *error)
{
	if (gw_class_parse(text, &value->value) < 0) {
		int used =
			snprintf(error, OPTION_ERROR_LEN, "'%.30s' is no class; there are", text);

		for (int i = 0; i < GW_CLASS_COUNT && used > 0 && used < OPTION_ERROR_LEN; i++)
			used += snprintf(error + used, OPTION_ERROR_LEN - (size_t)used, "%s %s",
					 i > 0 ? "," : "", gw_class_name((enum gw_class)i));
		return false;
	}
	value->given = true;
	return true;
}

static bool read_rate(const char *text, struct option_rate *value, char *error)
{
	int r = options_parse_rate(text, &value->rate_bps);

	if (r == -ERANGE) {
		snprintf(error, OPTION_ERROR_LEN, "the rate '%.40s' is out of range", text);
		return false;
	}
	if (r < 0) {
		snprintf(error, OPTION_ERROR_LEN,
			 "'%.40s' is no rate: a number with bit, kbit, Mbit or Gbit is needed",
			 text);
		return false;
	}
	value->given = true;
	return true;
}

static bool read_value(const struct option_def *def, const char *text, void *values, char *error)
{
	void *value = (char *)values + def->offset;

	switch (def->type) {
	case OPTION_FLAG:
		*(bool *)value = true;
		return true;
	case OPTION_CLASS:
		return read_class(text, value, error);
	case OPTION_RATE:
		return read_rate(text, value, error);
	}
	return false;
}

/* Reads the option at argv[*i] and, if it needs one, the value after it. */
static bool read_option(const struct option_def *defs, int argc, char **argv, int *i, void *values,
			char *error)
{
	const char *name = argv[*i] + 2;
	size_t name_len = strcspn(name, "=");
	const char *value = name[name_len] == '=' ? name + name_len + 1 : NULL;
	const struct option_def *def = find(defs, name, name_len);

	if (strncmp(argv[*i], "--", 2) != 0 || !def) {
		snprintf(error, OPTION_ERROR_LEN, "there is no option '%.60s'", argv[*i]);
		return false;
	}
	if (!def->argument && value) {
		snprintf(error, OPTION_ERROR_LEN, "--%s takes no value", def->name);
		return false;
	}
	if (def->argument && !value) {
		if (*i + 1 >= argc) {
			snprintf(error, OPTION_ERROR_LEN, "--%s needs a value: %s", def->name,
				 def->argument);
			return false;
		}
		value = argv[++*i];
	}
	return read_value(def, value, values, error);
}

enum options_result options_read(const struct option_def *defs, int argc, char **argv, void *values,
				 int *ret_operand, char error[static OPTION_ERROR_LEN])
{
	int i = 0;

	for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return OPTIONS_HELP;
		if (!read_option(defs, argc, argv, &i, values, error))
			return OPTIONS_WRONG;
	}
	*ret_operand = i;
	return OPTIONS_READ;
}

void options_print(FILE *out, const struct option_def *defs)
{
	for (; defs->name; defs++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", defs->name, defs->argument ? " " : "",
			 defs->argument ? defs->argument : "");
		fprintf(out, "  %-20s %s\n", left, defs->help);
	}
	fprintf(out, "  %-20s %s\n", "--help", "print this");
}
