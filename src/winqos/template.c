/* SPDX-License-Identifier: MIT */
/*
 * template.c: see template.h. The text of a template is
 *
 *	greenwave template 1
 *	name NAME
 *	sending TOKENRATE BUCKET PEAK LATENCY VARIATION SERVICETYPE MAXSDU MINPOLICED
 *	receiving the same
 *	objects HEXADECIMAL
 *
 * in this order, numbers decimal, the last line left out if there are none.
 */
#include "winqos/template.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "winqos/gqos_object.h"

#define FLOWSPEC_NUMBERS (sizeof(FLOWSPEC) / sizeof(ULONG))

/* ---- built in ---- */

/* §15: packets a second times their size with 20 bytes of headers; two of them in the bucket; peak twice the rate. */
static const struct {
	const char *name;
	ULONG rate, bucket, peak, max, min;
} builtins[] = {
	{ "G-711", 8500, 680, 17000, 340, 340 },       { "G-723.1", 1467, 88, 2934, 44, 44 },
	{ "G-729", 2000, 80, 4000, 40, 40 },	       { "H263QCIF", 8500, 3000, 17000, 1500, 128 },
	{ "H263CIF", 50000, 6000, 100000, 1500, 128 }, { "H261QCIF", 8500, 3000, 17000, 1500, 128 },
	{ "H261CIF", 50000, 6000, 100000, 1500, 128 }, { "GSM6.10", 2650, 106, 5300, 53, 53 },
};

/* As qosname.h of Windows spells them. */
static const struct {
	const char *name, *meant;
} aliases[] = { { "G711", "G-711" }, { "G723.1", "G-723.1" }, { "G729", "G-729" } };

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

bool template_is_named(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

const char *template_builtin_name(size_t i)
{
	return i < sizeof(builtins) / sizeof(*builtins) ? builtins[i].name : NULL;
}

static const char *meant_by(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++) {
		if (template_is_named(name, aliases[i].name))
			return aliases[i].meant;
	}
	return name;
}

bool template_builtin(const char *name, struct template *ret_template)
{
	name = meant_by(name);
	for (size_t i = 0; i < sizeof(builtins) / sizeof(*builtins); i++) {
		const FLOWSPEC flowspec = {
			.TokenRate = builtins[i].rate,
			.TokenBucketSize = builtins[i].bucket,
			.PeakBandwidth = builtins[i].peak,
			.Latency = QOS_NOT_SPECIFIED,
			.DelayVariation = QOS_NOT_SPECIFIED,
			.ServiceType = SERVICETYPE_CONTROLLEDLOAD,
			.MaxSduSize = builtins[i].max,
			.MinimumPolicedSize = builtins[i].min,
		};

		if (!template_is_named(name, builtins[i].name))
			continue;
		memset(ret_template, 0, sizeof(*ret_template));
		strcpy(ret_template->name, builtins[i].name);
		ret_template->sending = ret_template->receiving = flowspec;
		return true;
	}
	return false;
}

/* ---- making ---- */

static bool is_name(const char *name)
{
	size_t length = strnlen(name, TEMPLATE_NAME_MAX + 1);

	if (length == 0 || length > TEMPLATE_NAME_MAX)
		return false;
	for (; *name; name++) {
		if (iscntrl((unsigned char)*name))
			return false; /* it would not be one line */
	}
	return true;
}

int template_make(const char *name, const QOS *qos, struct template *ret_template)
{
	const WSABUF *buffer = &qos->ProviderSpecific;
	struct gqos_objects objects;
	int error;

	if (!is_name(name))
		return WSAEINVAL;
	if (buffer->len > TEMPLATE_OBJECTS_MAX)
		return WSAENOBUFS;
	error = gqos_objects_read(buffer, &objects);
	if (error)
		return error;
	if (objects.has_destination ||
	    (objects.has_reservation &&
	     (objects.reservation.FlowDescList || objects.reservation.PolicyElementList)))
		return WSAEINVAL;

	memset(ret_template, 0, sizeof(*ret_template));
	strcpy(ret_template->name, name);
	ret_template->sending = qos->SendingFlowspec;
	ret_template->receiving = qos->ReceivingFlowspec;
	ret_template->objects_length = buffer->len;
	if (buffer->len > 0)
		memcpy(ret_template->objects, buffer->buf, buffer->len);
	return 0;
}

/* ---- writing ---- */

static size_t write_flowspec(const char *what, const FLOWSPEC *flowspec, char *text)
{
	ULONG numbers[FLOWSPEC_NUMBERS];
	size_t length = strlen(what);

	memcpy(text, what, length);
	memcpy(numbers, flowspec, sizeof(numbers));
	for (size_t i = 0; i < FLOWSPEC_NUMBERS; i++)
		length += (size_t)sprintf(text + length, " %u", numbers[i]);
	text[length++] = '\n';
	return length;
}

size_t template_write(const struct template *template, char *text)
{
	size_t length = (size_t)sprintf(text, "greenwave template 1\nname %s\n", template->name);

	length += write_flowspec("sending", &template->sending, text + length);
	length += write_flowspec("receiving", &template->receiving, text + length);
	if (template->objects_length == 0)
		return length;
	length += (size_t)sprintf(text + length, "objects ");
	for (ULONG i = 0; i < template->objects_length; i++)
		length += (size_t)sprintf(text + length, "%02x", template->objects[i]);
	text[length++] = '\n';
	return length;
}

_Static_assert(2 * TEMPLATE_OBJECTS_MAX + TEMPLATE_NAME_MAX + 2 * 100 + 100 < TEMPLATE_TEXT_MAX,
	       "the longest text has room");

/* ---- reading ---- */

struct reader {
	const char *at, *end;
};

/* The rest of the next line, which begins with this word and a blank; NULL if it does not. */
static const char *read_line(struct reader *reader, const char *word, size_t *ret_length)
{
	size_t word_length = strlen(word), left = (size_t)(reader->end - reader->at);
	const char *end = left > 0 ? memchr(reader->at, '\n', left) : NULL;
	const char *rest;

	if (!end || (size_t)(end - reader->at) < word_length + 1 ||
	    memcmp(reader->at, word, word_length) != 0 || reader->at[word_length] != ' ')
		return NULL;
	rest = reader->at + word_length + 1;
	*ret_length = (size_t)(end - rest);
	reader->at = end + 1;
	return rest;
}

/* A number, and the one blank before it unless it is the first. */
static bool read_number(const char **at, const char *end, bool first, ULONG *ret_number)
{
	unsigned long long number = 0;
	const char *digits;

	if (!first && (*at == end || *(*at)++ != ' '))
		return false;
	for (digits = *at; *at < end && **at >= '0' && **at <= '9' && *at - digits < 10; (*at)++)
		number = 10 * number + (unsigned)(**at - '0');
	*ret_number = (ULONG)number;
	return *at > digits && number <= UINT32_MAX;
}

static bool read_flowspec(struct reader *reader, const char *what, FLOWSPEC *ret_flowspec)
{
	ULONG numbers[FLOWSPEC_NUMBERS];
	size_t length;
	const char *at = read_line(reader, what, &length), *end;

	if (!at)
		return false;
	end = at + length;
	for (size_t i = 0; i < FLOWSPEC_NUMBERS; i++) {
		if (!read_number(&at, end, i == 0, &numbers[i]))
			return false;
	}
	memcpy(ret_flowspec, numbers, sizeof(numbers));
	return at == end;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_objects(struct reader *reader, struct template *template)
{
	size_t length;
	const char *text = read_line(reader, "objects", &length);

	if (!text || length % 2 != 0 || length / 2 > TEMPLATE_OBJECTS_MAX)
		return false;
	template->objects_length = (ULONG)(length / 2);
	for (size_t i = 0; i < length / 2; i++) {
		int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		template->objects[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static bool read_name(struct reader *reader, char *name)
{
	size_t length;
	const char *text = read_line(reader, "name", &length);

	if (!text || length > TEMPLATE_NAME_MAX)
		return false;
	memcpy(name, text, length);
	name[length] = '\0';
	return strlen(name) == length && is_name(name);
}

/* What stands in the file is as little trusted as what a program installs. */
static bool is_installable(const struct template *template)
{
	struct template again;
	const QOS qos = {
		.SendingFlowspec = template->sending,
		.ReceivingFlowspec = template->receiving,
		.ProviderSpecific = { template->objects_length, (CHAR *)template->objects },
	};

	return template_make(template->name, &qos, &again) == 0;
}

int template_read(const char *text, size_t length, struct template *ret_template)
{
	struct reader reader = { text, text + length };
	struct template template = { .objects_length = 0 };
	const char *version;
	size_t version_length;

	version = read_line(&reader, "greenwave template", &version_length);
	if (!version || version_length != 1 || *version != '1')
		return -EBADMSG;
	if (!read_name(&reader, template.name) ||
	    !read_flowspec(&reader, "sending", &template.sending) ||
	    !read_flowspec(&reader, "receiving", &template.receiving))
		return -EBADMSG;
	if (reader.at != reader.end && !read_objects(&reader, &template))
		return -EBADMSG;
	if (reader.at != reader.end || !is_installable(&template))
		return -EBADMSG;
	*ret_template = template;
	return 0;
}
