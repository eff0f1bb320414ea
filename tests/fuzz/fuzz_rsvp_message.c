/* SPDX-License-Identifier: MIT */
/*
 * fuzz_rsvp_message.c: any bytes are no RSVP message, or one that can be written again, and then means the same
 * . Its text is never longer than its buffer.
 */
#include <errno.h>
#include <stdlib.h>

#include "../unit/rsvp_again.h"
#include "fuzz.h"
#include "rsvp/adspec.h"
#include "rsvp/format.h"
#include "rsvp/policy.h"
#include "rsvp/writer.h"

static int parse(const uint8_t *data, size_t len, struct rsvp_message *ret_message)
{
	struct rsvp_complaint complaint;
	int r = rsvp_message_parse(data, len, &rsvp_limits_default, ret_message, &complaint);

	require(r == 0 || r == -EPROTONOSUPPORT || r == -EBADMSG || r == -EMSGSIZE ||
		r == -EOPNOTSUPP);
	if (r < 0) {
		require(complaint.reason != RSVP_REASON_NONE);
		require(complaint.answer == (r == -EOPNOTSUPP));
	}
	return r;
}

static void require_same_flows(const struct rsvp_message *a, const struct rsvp_message *b)
{
	struct rsvp_flow_iter iter_a = { 0 }, iter_b = { 0 };
	struct rsvp_flow flow_a, flow_b;

	require(a->n_flows == b->n_flows);
	while (rsvp_flow_next(a, &iter_a, &flow_a)) {
		require(rsvp_flow_next(b, &iter_b, &flow_b));
		require(rsvp_sender_equal(&flow_a.sender, &flow_b.sender));
		require(flow_a.error_code == flow_b.error_code);
		require(flow_a.error_code != 0 ||
			flowspec_same(&flow_a.flowspec, &flow_b.flowspec));
	}
	require(!rsvp_flow_next(b, &iter_b, &flow_b));
}

/* What the next hop would see of it. */
static void try_adspec(const struct rsvp_message *message)
{
	static const struct rsvp_adspec_hop hop = {
		.latency_us = 100,
		.mtu = 1500,
		.c_bytes = 1500,
		.d_us = 12,
		.guaranteed = { .offered = true, .has_mtu = true, .mtu = 1400 },
		.null = { .offered = true, .has_latency = true, .latency_us = 7 },
	};
	static uint8_t buf[RSVP_ADSPEC_MAX + RSVP_ADSPEC_GROWTH];
	const struct rsvp_object *object = &message->object[RSVP_CLASS_ADSPEC];
	struct rsvp_object composed;
	struct rsvp_adspec after;
	size_t position = 0, len;

	if (message->type != RSVP_PATH || !object->data)
		return;
	len = rsvp_compose_adspec(object, &hop, buf);
	require(len <= object->len + (size_t)RSVP_ADSPEC_GROWTH);
	require(rsvp_object_next(buf, len, &position, &composed) == 1 && position == len);
	require(len > RSVP_ADSPEC_MAX || rsvp_read_adspec(&composed, &after) == 0);
}

static void try_policy(const struct rsvp_message *message)
{
	struct rsvp_policy_element element;
	struct rsvp_attribute attribute;
	struct rsvp_policy policy;
	struct rsvp_object object;
	size_t position = 0;

	while (rsvp_message_next(message, RSVP_CLASS_POLICY_DATA, &position, &object)) {
		size_t at = 0;

		if (rsvp_read_policy(&object, &policy) < 0)
			continue;
		while (rsvp_policy_next(&policy, &at, &element)) {
			size_t inner = 0;

			while (rsvp_attribute_next(&element, &inner, &attribute) == 1)
				require(attribute.len <= element.len);
		}
	}
}

static void try_message(const uint8_t *data, size_t len)
{
	static uint8_t buf[RSVP_MESSAGE_MAX];
	static char text[512];
	struct rsvp_message message, again;
	size_t again_len;
	int r = parse(data, len, &message);

	if (r < 0 && r != -EOPNOTSUPP)
		return;
	require(rsvp_message_format(&message, text, sizeof(text)) < sizeof(text));
	try_policy(&message);
	if (r < 0)
		return;
	try_adspec(&message);
	again_len = rsvp_again(&message, buf, sizeof(buf));
	require(again_len > 0 && again_len <= len);
	require(parse(buf, again_len, &again) == 0);
	require(message.type == again.type && message.flags == again.flags);
	require(rsvp_session_equal(&message.session, &again.session));
	require(rsvp_sender_equal(&message.sender, &again.sender));
	require(memcmp(&message.hop, &again.hop, sizeof(message.hop)) == 0);
	require(memcmp(&message.tspec, &again.tspec, sizeof(message.tspec)) == 0);
	require(message.refresh_ms == again.refresh_ms && message.style == again.style);
	require(message.n_kept == again.n_kept);
	require_same_flows(&message, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[RSVP_MESSAGE_MAX];

	try_message(data, size);
	/* And as if its length and checksum were right, or hardly any would be looked into. */
	if (size < RSVP_HEADER_LEN || size > sizeof(buf))
		return 0;
	memcpy(buf, data, size);
	buf[0] = (uint8_t)(RSVP_VERSION << 4 | (buf[0] & 0xf));
	put16(buf + 6, (uint16_t)size);
	rsvp_set_checksum(buf, size);
	try_message(buf, size);
	return 0;
}
