/* SPDX-License-Identifier: MIT */
/* consent.c: see consent.h. */
#include "daemon/rsvp/consent.h"

#include <errno.h>
#include <string.h>

#include "rsvp/policy.h"

/* Of attributes: what a locator or a credential is written in, and why an identity was not accepted (RFC 3182). */
#define SUBTYPE_ASCII 1
#define ERROR_INSUFFICIENT_PRIVILEGES 3

struct asked {
	const struct consent *consent;
	const struct rsvp_policy_question *question;
};

/* ---- what its policy says ---- */

/* Nonzero of `look` ends the search, and is returned. */
typedef int (*look_at)(const struct rsvp_policy_element *element, const void *user_data);

static int look_through(const struct asked *asked, enum rsvp_policy_type type, look_at look,
			const void *user_data)
{
	const struct rsvp_policy_question *question = asked->question;
	struct rsvp_policy_element element;
	struct address destination;
	struct rsvp_policy policy;
	struct rsvp_object object;
	size_t position = 0;

	while (question->policy &&
	       rsvp_object_next(question->policy, question->policy_len, &position, &object) == 1) {
		size_t at = 0;

		if (rsvp_read_policy(&object, &policy) < 0 ||
		    (rsvp_policy_destination(&policy, &destination) &&
		     !asked->consent->is_own(asked->consent->user_data, &destination)))
			continue;
		while (rsvp_policy_next(&policy, &at, &element)) {
			int r = element.type == type ? look(&element, user_data) : 0;

			if (r != 0)
				return r;
		}
	}
	return 0;
}

/* Ends of text that some write. */
static size_t trimmed(const uint8_t *text, size_t len)
{
	while (len > 0 && (text[len - 1] == '\0' || text[len - 1] == ' '))
		len--;
	return len;
}

static bool is_text(const uint8_t *text, size_t len, const char *wanted)
{
	len = trimmed(text, len);
	return len == strlen(wanted) && memcmp(text, wanted, len) == 0;
}

/* One of the parts between commas: "APP=x, VER=1.0" (RFC 2872). */
static bool has_part(const uint8_t *text, size_t len, const char *wanted)
{
	while (len > 0) {
		const uint8_t *comma = memchr(text, ',', len);
		size_t part = comma ? (size_t)(comma - text) : len;

		if (is_text(text, part, wanted))
			return true;
		part += comma ? 1 : 0;
		text += part;
		len -= part;
		while (len > 0 && *text == ' ') {
			text++;
			len--;
		}
	}
	return false;
}

static bool is_ascii(const struct rsvp_attribute *attribute)
{
	return attribute->subtype == SUBTYPE_ASCII &&
	       (attribute->type == RSVP_ATTRIBUTE_LOCATOR ||
		attribute->type == RSVP_ATTRIBUTE_CREDENTIAL);
}

static int names_user(const struct rsvp_policy_element *element, const void *user_data)
{
	struct rsvp_attribute attribute;
	size_t position = 0;

	while (rsvp_attribute_next(element, &position, &attribute) == 1)
		if (is_ascii(&attribute) && is_text(attribute.value, attribute.len, user_data))
			return 1;
	return 0;
}

static int names_application(const struct rsvp_policy_element *element, const void *user_data)
{
	struct rsvp_attribute attribute;
	size_t position = 0;

	while (rsvp_attribute_next(element, &position, &attribute) == 1)
		if (is_ascii(&attribute) && has_part(attribute.value, attribute.len, user_data))
			return 1;
	return 0;
}

static int is_there(const struct rsvp_policy_element *element, const void *user_data)
{
	(void)user_data;
	return element->len > 0;
}

/* Defending is the higher one. */
static int claims_more(const struct rsvp_policy_element *element, const void *user_data)
{
	const uint32_t *limit = user_data;
	struct rsvp_preemption preemption;

	return rsvp_read_preemption(element, &preemption) == 0 && preemption.defending > *limit;
}

/* ---- rules ---- */

static bool is_within(const struct config_prefix *prefix, uint16_t family, const uint8_t addr[16])
{
	unsigned bits = prefix->bits + (prefix->address.family == AF_INET ? 96 : 0),
		 whole = bits / 8;
	uint8_t rest = (uint8_t)(0xff00 >> bits % 8);

	if (prefix->address.family == AF_UNSPEC)
		return true;
	return prefix->address.family == family && memcmp(prefix->address.addr, addr, whole) == 0 &&
	       (bits % 8 == 0 || ((prefix->address.addr[whole] ^ addr[whole]) & rest) == 0);
}

/* Of several senders at once, and of whoever sends, nothing is known. */
static bool is_of_sender(const struct config_prefix *prefix, const struct rsvp_sender *sender)
{
	if (prefix->address.family == AF_UNSPEC)
		return true;
	return sender && is_within(prefix, sender->family, sender->address);
}

static bool is_about(const struct config_rsvp_rule *rule, const struct asked *asked)
{
	const struct rsvp_policy_question *question = asked->question;

	if (rule->interface[0] != '\0' && strcmp(rule->interface, asked->consent->interface) != 0)
		return false;
	if (!is_within(&rule->neighbour, question->neighbour.family, question->neighbour.addr) ||
	    !is_within(&rule->session, question->session.family, question->session.address) ||
	    !is_of_sender(&rule->sender, question->sender))
		return false;
	if (rule->user[0] != '\0' && !look_through(asked, RSVP_POLICY_USER, names_user, rule->user))
		return false;
	return rule->application[0] == '\0' ||
	       look_through(asked, RSVP_POLICY_APPLICATION, names_application, rule->application);
}

/* What is set aside, in bits a second. */
static double rate_of(const struct rsvp_flowspec *flowspec)
{
	if (!flowspec || flowspec->service == FLOWSPEC_NULL)
		return 0;
	return 8.0 *
	       (double)(flowspec->service == FLOWSPEC_GUARANTEED ? flowspec->R : flowspec->tspec.r);
}

static bool exceeds(const struct config_rsvp_rule *rule, const struct asked *asked)
{
	if (rule->max_rate_bps != UINT64_MAX &&
	    rate_of(asked->question->flowspec) > (double)rule->max_rate_bps)
		return true;
	return look_through(asked, RSVP_POLICY_PREEMPTION, claims_more, &rule->max_priority) != 0;
}

/* ---- answers ---- */

/* Who said who it is learns that this is not enough. */
static void explain(const struct asked *asked, uint8_t buf[static CONSENT_POLICY_MAX],
		    struct rsvp_error *error)
{
	static const uint8_t reason[] = { 0, 0, 0, ERROR_INSUFFICIENT_PRIVILEGES };
	uint8_t attribute[16];
	size_t len;

	if (!look_through(asked, RSVP_POLICY_USER, is_there, NULL))
		return;
	len = rsvp_attribute_add(attribute, sizeof(attribute), 0, RSVP_ATTRIBUTE_ERROR, 0, reason,
				 sizeof(reason));
	error->policy_len = rsvp_policy_begin(buf, CONSENT_POLICY_MAX, NULL, 0);
	error->policy_len = rsvp_policy_add(buf, CONSENT_POLICY_MAX, error->policy_len,
					    RSVP_POLICY_USER, attribute, len);
	error->policy_len = rsvp_policy_end(buf, error->policy_len);
	error->policy = buf;
}

int consent_ask(const struct consent *consent, const struct rsvp_policy_question *question,
		uint8_t policy[static CONSENT_POLICY_MAX], struct rsvp_error *ret_error)
{
	const struct config_rsvp *config = consent->config;
	const struct asked asked = { consent, question };

	for (size_t i = 0; i < config->n_rules; i++) {
		const struct config_rsvp_rule *rule = &config->rules[i];

		if (!is_about(rule, &asked))
			continue;
		if (rule->accept && !exceeds(rule, &asked))
			return 0;
		ret_error->value = rule->accept ? RSVP_POLICY_ERROR_EXCEEDED
						: RSVP_POLICY_ERROR_REJECT;
		explain(&asked, policy, ret_error);
		return -EACCES;
	}
	if (!config->rejects_others)
		return 0;
	ret_error->value = RSVP_POLICY_ERROR_REJECT;
	explain(&asked, policy, ret_error);
	return -EACCES;
}
