/* SPDX-License-Identifier: MIT */
/* fuzz_msg.c: any bytes are no message, or one that can be written again and is then the same. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "proto/qos.h"
#include "proto/signal.h"

static void try_records(const uint8_t *data, size_t size)
{
	static unsigned char buf[MSG_MAX], buf_again[MSG_MAX];
	struct gw_flow_record record, again;
	struct codec_bytes nested, copy;
	size_t position = 0;
	int r;

	while ((r = msg_next(data, size, TAG_RECORD, &position, &nested)) == 1) {
		long len;
		size_t at = 0;

		if (record_decode(&nested, &record) < 0)
			continue;
		memset(buf, 0, 12);
		len = record_append(&record, buf, 12, sizeof(buf));
		require(len > 0);
		require(msg_next(buf, (size_t)len, TAG_RECORD, &at, &copy) == 1);
		require(record_decode(&copy, &again) == 0);
		/* As they travel: between the members of a structure may be anything. */
		require(again.id == record.id && again.dropped_bytes == record.dropped_bytes &&
			again.shaping == record.shaping && again.metered == record.metered);
		memset(buf_again, 0, 12);
		require(record_append(&again, buf_again, 12, sizeof(buf_again)) == len);
		require(memcmp(buf, buf_again, (size_t)len) == 0);
	}
	require(r == 0 || r == -EBADMSG);
}

static void try_facts(const uint8_t *data, size_t size)
{
	struct codec_bytes nested;
	struct msg_fact fact;
	size_t position = 0;

	while (msg_next(data, size, TAG_FACT, &position, &nested) == 1) {
		if (fact_decode(&nested, &fact) < 0)
			continue;
		require(strnlen(fact.name, sizeof(fact.name)) < sizeof(fact.name));
		require(strnlen(fact.value, sizeof(fact.value)) < sizeof(fact.value));
		require(strnlen(fact.note, sizeof(fact.note)) < sizeof(fact.note));
	}
}

/* The same bytes may be any of the three. What is written again is read as the same, and travels as the same. */
static void try_signals(const uint8_t *data, size_t size)
{
	static unsigned char buf[MSG_MAX], buf_again[MSG_MAX];
	static struct signal_record record, record_again;
	static struct signal_request request;
	struct gw_rsvp_offer offer;
	struct codec_bytes nested, copy = { .data = buf };
	size_t position = 0;

	while (msg_next(data, size, TAG_RSVP, &position, &nested) == 1) {
		long len;

		if (signal_offer_decode(&nested, &offer) == 0)
			require(signal_offer_encode(&offer, buf, sizeof(buf)) >= 0);
		if (signal_request_decode(&nested, &request) == 0)
			require(signal_request_encode(&request.request, buf, sizeof(buf)) >= 0);
		if (signal_record_decode(&nested, &record) < 0)
			continue;
		require(!record.record.text && record.text.len <= size);
		len = signal_record_encode(&record.record, buf, sizeof(buf));
		require(len >= 0);
		copy.len = (size_t)len;
		require(signal_record_decode(&copy, &record_again) == 0);
		require(record_again.record.n_senders == record.record.n_senders);
		require(signal_record_encode(&record_again.record, buf_again, sizeof(buf_again)) ==
			len);
		require(memcmp(buf, buf_again, (size_t)len) == 0);
	}
}

/* The QoS of sockets, and what is known of it: what was understood is written as it was, and understood again. */
static void try_qos(const uint8_t *data, size_t size)
{
	static unsigned char buf[MSG_MAX], buf_again[MSG_MAX];
	static struct qos_request request, request_again;
	struct codec_bytes whole = { data, size }, copy = { .data = buf };
	struct gw_qos_info info;
	long len;

	if (qos_info_decode(&whole, &info) == 0)
		require(qos_info_encode(&info, buf, sizeof(buf)) >= 0);
	if (size > SIGNAL_MAX || qos_decode(&whole, &request) < 0)
		return;
	len = qos_encode(&request.qos, buf, sizeof(buf));
	require(len >= 0);
	copy.len = (size_t)len;
	require(qos_decode(&copy, &request_again) == 0);
	require(request_again.qos.n_flows == request.qos.n_flows);
	require(qos_encode(&request_again.qos, buf_again, sizeof(buf_again)) == len);
	require(memcmp(buf, buf_again, (size_t)len) == 0);
}

static bool same_bytes(const struct codec_bytes *a, const struct codec_bytes *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned char buf[MSG_MAX];
	struct msg message, again;
	long len;
	int r;

	try_records(data, size);
	try_facts(data, size);
	try_signals(data, size);
	try_qos(data, size);
	r = msg_decode(data, size, &message);
	require(r == 0 || r == -EBADMSG);
	if (r < 0)
		return 0;
	len = msg_encode(&message, buf, sizeof(buf));
	require(len > 0 && (size_t)len <= size);
	require(msg_decode(buf, (size_t)len, &again) == 0);
	require(same_bytes(&message.ids, &again.ids));
	require(same_bytes(&message.record, &again.record));
	require(same_bytes(&message.fact, &again.fact));
	require(same_bytes(&message.rsvp, &again.rsvp));
	require(same_bytes(&message.qos, &again.qos));
	message.ids = again.ids;
	message.record = again.record;
	message.fact = again.fact;
	message.rsvp = again.rsvp;
	message.qos = again.qos;
	require(memcmp(&message, &again, sizeof(message)) == 0);
	return 0;
}
