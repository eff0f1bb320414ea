/* SPDX-License-Identifier: MIT */
/*
 * options.c: reads command line options by a table. Stricter than getopt_long(): names are not
 * abbreviated and options stand before operands, so that `greenwave run` never takes an option of
 * the program.
 */
#include "cli/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
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

struct unit {
	const char *name; /* NULL ends the table */
	uint64_t factor;
};

/* A decimal number and a unit: more than nothing and a whole number of the smallest unit. */
static int read_quantity(const char *text, const struct unit *units, uint64_t *ret_value)
{
	uint64_t number, scale;
	int r = read_decimal(&text, &number, &scale);

	if (r < 0)
		return r;
	for (; units->name; units++) {
		if (strcmp(text, units->name) != 0)
			continue;
		if (number == 0 || __builtin_mul_overflow(number, units->factor, &number) ||
		    number % scale != 0)
			return -ERANGE;
		*ret_value = number / scale;
		return 0;
	}
	return -EINVAL;
}

int options_parse_rate(const char *text, uint64_t *ret_rate_bps)
{
	static const struct unit units[] = {
		{ "bit", 1 }, { "kbit", 1000 }, { "Mbit", 1000000 }, { "Gbit", 1000000000 }, { 0 },
	};

	return read_quantity(text, units, ret_rate_bps);
}

static const struct unit times[] = {
	{ "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "min", 60000000 }, { 0 },
};

int options_parse_duration(const char *text, uint64_t *ret_us)
{
	return read_quantity(text, times, ret_us);
}

int options_parse_seconds(const char *text, uint64_t *ret_us)
{
	static const struct unit seconds[] = { { "", 1000000 }, { 0 } };
	int r = read_quantity(text, seconds, ret_us);

	return r == -EINVAL ? read_quantity(text, times, ret_us) : r;
}

static const struct option_def *find(const struct option_def *defs, const char *name,
				     size_t name_len)
{
	for (; defs->name; defs++)
		if (strlen(defs->name) == name_len && strncmp(defs->name, name, name_len) == 0)
			return defs;
	return NULL;
}

static int dashes_of(const struct option_def *def)
{
	return def->name[1] == '\0' ? 1 : 2;
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

/* Below, packets stand for minutes; above there is no link. */
#define RATE_MIN_BPS UINT64_C(1000)
#define RATE_MAX_BPS UINT64_C(1000000000000)

/* What is wrong with it, or NULL. */
static const char *judge_rate(const char *text, uint64_t *ret_rate_bps)
{
	int r = options_parse_rate(text, ret_rate_bps);

	if (text[0] == '-' && text[1] >= '0' && text[1] <= '9')
		return "is negative";
	if (r == -EINVAL)
		return "is no rate: a number with bit, kbit, Mbit or Gbit is needed";
	if (text[strspn(text, "0.")] < '1' || text[strspn(text, "0.")] > '9')
		return "is no rate at all";
	if (r < 0 || *ret_rate_bps < RATE_MIN_BPS || *ret_rate_bps > RATE_MAX_BPS)
		return "is out of range: 1kbit to 1000Gbit";
	return NULL;
}

static bool read_rate(const char *text, struct option_rate *value, char *error)
{
	const char *wrong = judge_rate(text, &value->rate_bps);

	if (wrong)
		snprintf(error, OPTION_ERROR_LEN, "'%.40s' %s", text, wrong);
	else if (value->rate_bps == GW_RATE_MINIMUM)
		value->rate_bps--; /* this number would stand for something else */
	value->given = !wrong;
	return value->given;
}

static bool read_port(const char *text, in_port_t *ret_port)
{
	size_t len = strspn(text, "0123456789");
	long port = len > 0 && len < 6 && text[len] == '\0' ? strtol(text, NULL, 10) : 0;

	*ret_port = htons((uint16_t)port);
	return port >= 1 && port <= UINT16_MAX;
}

int options_parse_endpoint(const char *text, struct sockaddr_storage *ret_address)
{
	bool bracketed = *text == '[';
	const char *colon = strchr(text, ':'), *end = NULL, *port = NULL;
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in in = { .sin_family = AF_INET };
	char host[INET6_ADDRSTRLEN];

	if (bracketed)
		end = strchr(++text, ']');
	else if (colon && !strchr(colon + 1, ':'))
		end = colon; /* one colon: no IPv6 address */
	else
		end = text + strlen(text);
	if (!end || (size_t)(end - text) >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	end += bracketed;
	if (*end != '\0' && *end != ':')
		return -EINVAL;
	if (*end == ':')
		port = end + 1;
	*ret_address = (struct sockaddr_storage){ 0 };
	if (!bracketed && inet_pton(AF_INET, host, &in.sin_addr) == 1) {
		if (port && !read_port(port, &in.sin_port))
			return -EINVAL;
		memcpy(ret_address, &in, sizeof(in));
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6.sin6_addr) != 1)
		return -EINVAL;
	if (port && !read_port(port, &in6.sin6_port))
		return -EINVAL;
	memcpy(ret_address, &in6, sizeof(in6));
	return 0;
}

static bool read_endpoint(const char *text, struct option_endpoint *value, char *error)
{
	value->given = options_parse_endpoint(text, &value->address) == 0;
	if (!value->given)
		snprintf(error, OPTION_ERROR_LEN,
			 "'%.60s' is no address: 192.0.2.1, 192.0.2.1:5060, 2001:db8::1 or "
			 "[2001:db8::1]:5060",
			 text);
	return value->given;
}

static bool read_protocol(const char *text, struct option_protocol *value, char *error)
{
	size_t len = strspn(text, "0123456789");

	value->value = 0;
	if (strcmp(text, "tcp") == 0)
		value->value = IPPROTO_TCP;
	else if (strcmp(text, "udp") == 0)
		value->value = IPPROTO_UDP;
	else if (len > 0 && len < 4 && text[len] == '\0')
		value->value = atoi(text);
	value->given = value->value >= 1 && value->value <= 255;
	if (!value->given)
		snprintf(error, OPTION_ERROR_LEN,
			 "'%.40s' is no protocol: tcp, udp or a number from 1 to 255", text);
	return value->given;
}

static bool read_interface(const char *text, struct option_interface *value, char *error)
{
	value->given = *text != '\0' && strlen(text) < sizeof(value->name);
	if (value->given)
		strcpy(value->name, text);
	else
		snprintf(error, OPTION_ERROR_LEN, "'%.40s' is no name of an interface", text);
	return value->given;
}

static bool read_endpoints(const char *text, struct option_endpoints *value, char *error)
{
	struct option_endpoint one;

	if (value->count == OPTION_ENDPOINTS_MAX) {
		snprintf(error, OPTION_ERROR_LEN, "'%.60s' is one address too many: %d are allowed",
			 text, OPTION_ENDPOINTS_MAX);
		return false;
	}
	if (!read_endpoint(text, &one, error))
		return false;
	value->addresses[value->count++] = one.address;
	return true;
}

static bool read_number(const char *text, struct option_number *value, char *error)
{
	size_t len = strspn(text, "0123456789");
	unsigned long long number = 0;

	if (len > 0 && len < 11 && text[len] == '\0')
		number = strtoull(text, NULL, 10);
	value->value = (uint32_t)number;
	value->given = number >= 1 && number <= UINT32_MAX;
	if (!value->given)
		snprintf(error, OPTION_ERROR_LEN, "'%.40s' is no number from 1 to %u", text,
			 UINT32_MAX);
	return value->given;
}

static bool read_duration(const char *text, struct option_duration *value, bool seconds,
			  char *error)
{
	int r = seconds ? options_parse_seconds(text, &value->us)
			: options_parse_duration(text, &value->us);

	value->given = r == 0;
	if (r == -EINVAL)
		snprintf(error, OPTION_ERROR_LEN,
			 "'%.40s' is no duration: a number with us, ms, s or min is needed", text);
	else if (r < 0)
		snprintf(error, OPTION_ERROR_LEN, "'%.40s' is out of range", text);
	return value->given;
}

static bool read_style(const char *text, struct option_style *value, char *error)
{
	value->given = true;
	if (strcmp(text, "ff") == 0)
		value->value = GW_RSVP_FF;
	else if (strcmp(text, "wf") == 0)
		value->value = GW_RSVP_WF;
	else if (strcmp(text, "se") == 0)
		value->value = GW_RSVP_SE;
	else
		value->given = false;
	if (!value->given)
		snprintf(error, OPTION_ERROR_LEN, "'%.40s' is no style; there are wf, ff, se",
			 text);
	return value->given;
}

static bool read_service(const char *text, struct option_service *value, char *error)
{
	value->given = true;
	if (strcmp(text, "controlled-load") == 0)
		value->value = GW_RSVP_CONTROLLED_LOAD;
	else if (strcmp(text, "guaranteed") == 0)
		value->value = GW_RSVP_GUARANTEED;
	else
		value->given = false;
	if (!value->given)
		snprintf(error, OPTION_ERROR_LEN,
			 "'%.40s' is no service; there are controlled-load, guaranteed", text);
	return value->given;
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
	case OPTION_ENDPOINT:
		return read_endpoint(text, value, error);
	case OPTION_PROTOCOL:
		return read_protocol(text, value, error);
	case OPTION_INTERFACE:
		return read_interface(text, value, error);
	case OPTION_ENDPOINTS:
		return read_endpoints(text, value, error);
	case OPTION_NUMBER:
		return read_number(text, value, error);
	case OPTION_DURATION:
		return read_duration(text, value, false, error);
	case OPTION_SECONDS:
		return read_duration(text, value, true, error);
	case OPTION_STYLE:
		return read_style(text, value, error);
	case OPTION_SERVICE:
		return read_service(text, value, error);
	}
	return false;
}

/* Reads the option at argv[*i] and, if it needs one, the value after it. */
static bool read_option(const struct option_def *defs, int argc, char **argv, int *i, void *values,
			char *error)
{
	int dashes = argv[*i][1] == '-' ? 2 : 1;
	const char *name = argv[*i] + dashes;
	size_t name_len = strcspn(name, "=");
	const char *value = name[name_len] == '=' ? name + name_len + 1 : NULL;
	const struct option_def *def = find(defs, name, name_len);

	if (!def || dashes != dashes_of(def)) {
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

		snprintf(left, sizeof(left), "%.*s%s%s%s", dashes_of(defs), "--", defs->name,
			 defs->argument ? " " : "", defs->argument ? defs->argument : "");
		fprintf(out, "  %-20s %s\n", left, defs->help);
	}
	fprintf(out, "  %-20s %s\n", "--help", "print this");
}
