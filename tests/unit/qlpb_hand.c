/* SPDX-License-Identifier: MIT */
/* qlpb_hand.c: see qlpb_hand.h. */
#include "qlpb_hand.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "addresses.h"

struct hand hand;

/* ---- ports ---- */

static int port_send(void *user_data, const struct qlpb_datagram *datagrams, unsigned n)
{
	hand.batches[hand.n_sent % HAND_SENT_MAX] = n;
	for (unsigned i = 0; i < n; i++) {
		struct hand_sent *sent = &hand.sent[hand.n_sent];

		if (hand.fail_send_at != 0 && --hand.fail_send_at == 0)
			return i > 0 ? (int)i : hand.send_error;
		assert_true(hand.n_sent < HAND_SENT_MAX);
		assert_true(datagrams[i].len <= sizeof(sent->data));
		sent->at_us = hand.now_us;
		sent->datagram = datagrams[i];
		memcpy(sent->data, datagrams[i].data, datagrams[i].len);
		sent->datagram.data = sent->data;
		hand.n_sent++;
	}
	return (int)n;
}

static int port_connect(void *user_data, uint32_t connection, const struct address *sink,
			uint32_t ifindex)
{
	assert_true(hand.n_connects < HAND_MAX);
	hand.connects[hand.n_connects++] = connection;
	hand.connect_sink = *sink;
	return hand.connect_error;
}

static int port_write(void *user_data, uint32_t connection, const uint8_t *data, size_t len)
{
	struct hand_written *written = &hand.written[hand.n_written % HAND_WRITTEN_MAX];

	assert_false(hand_is_closed(connection));
	if (hand.write_error < 0)
		return hand.write_error;
	written->at_us = hand.now_us;
	written->connection = connection;
	written->len = len < sizeof(written->data) ? len : sizeof(written->data);
	memcpy(written->data, data, written->len);
	hand.n_written++;
	return 0;
}

static void port_close(void *user_data, uint32_t connection)
{
	assert_true(hand.n_closed < HAND_MAX);
	assert_false(hand_is_closed(connection));
	hand.closed[hand.n_closed++] = connection;
}

static uint64_t port_stamp_ns(void *user_data)
{
	return hand.now_us * 1000 + hand.stamp_extra_ns;
}

static uint32_t port_random(void *user_data)
{
	static uint32_t state = 12345;

	return state = state * 1664525u + 1013904223u;
}

static void port_link(void *user_data, uint32_t ifindex, struct qlpb_link *ret_link)
{
	assert_int_equal(ifindex, 7);
	*ret_link = hand.link;
}

static bool port_on_link(void *user_data, const struct address *address, uint32_t ifindex)
{
	hand.on_link_asked++;
	return !hand.off_link;
}

static bool port_train(void *user_data, void *data, const struct probe_train *train)
{
	struct hand_train *kept = &hand.trains[hand.n_trains];

	assert_true(hand.n_trains < HAND_MAX);
	assert_ptr_equal(data, &hand);
	kept->train = *train;
	memcpy(kept->gaps_ns, train->gaps_ns, train->n_gaps * sizeof(*train->gaps_ns));
	kept->train.gaps_ns = kept->gaps_ns;
	hand.n_trains++;
	return hand.satisfied;
}

static void port_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	assert_true(hand.n_gaps < HAND_GAPS_MAX);
	assert_ptr_equal(data, &hand);
	hand.gaps[hand.n_gaps++] = *gap;
}

static void port_finished(void *user_data, void *data, const struct qlpb_result *result)
{
	assert_true(hand.n_results < HAND_MAX);
	hand.result_data[hand.n_results] = data;
	hand.results[hand.n_results++] = *result;
	if (hand.on_finished)
		hand.on_finished(data);
}

static const struct qlpb_ports ports = {
	.send = port_send,
	.connect = port_connect,
	.write = port_write,
	.close = port_close,
	.stamp_ns = port_stamp_ns,
	.random = port_random,
	.link = port_link,
	.on_link = port_on_link,
	.train = port_train,
	.gap = port_gap,
	.finished = port_finished,
};

/* ---- the node ---- */

int hand_setup(void **state)
{
	memset(&hand, 0, sizeof(hand));
	hand.now_us = 1000000;
	qlpb_config_default(&hand.config);
	hand.qlpb = qlpb_new(&ports, &hand.config);
	return hand.qlpb ? 0 : -1;
}

int hand_teardown(void **state)
{
	hand.on_finished = NULL;
	hand.qlpb = qlpb_free(hand.qlpb, hand.now_us);
	return 0;
}

void hand_reopen(void)
{
	qlpb_free(hand.qlpb, hand.now_us);
	hand.qlpb = qlpb_new(&ports, &hand.config);
	assert_non_null(hand.qlpb);
}

struct address hand_address(const char *text, uint16_t port)
{
	return address_named(text, port);
}

void hand_pass(uint64_t us)
{
	uint64_t until_us = hand.now_us + us, deadline_us;

	while ((deadline_us = qlpb_deadline_us(hand.qlpb)) <= until_us) {
		if (deadline_us > hand.now_us)
			hand.now_us = deadline_us;
		qlpb_tick(hand.qlpb, hand.now_us);
		/* Otherwise it asks for the same time again and again. */
		assert_true(qlpb_deadline_us(hand.qlpb) > hand.now_us);
	}
	hand.now_us = until_us;
}

size_t hand_hex(const char *hex, uint8_t *buf, size_t size)
{
	size_t len = 0;

	while (*hex) {
		char digits[3] = { 0 };

		if (*hex == ' ') {
			hex++;
			continue;
		}
		memcpy(digits, hex, 2);
		assert_true(len < size);
		buf[len++] = (uint8_t)strtoul(digits, NULL, 16);
		hex += 2;
	}
	return len;
}

/* ---- what arrives ---- */

void hand_datagram(const char *source, uint16_t port, const uint8_t *data, size_t len)
{
	struct qlpb_arrival arrival = {
		.ifindex = 7,
		.source = hand_address(source, port),
		.destination = hand_address(strchr(source, ':') ? "2001:db8::99" : "192.0.2.99",
					    QLPB_PORT),
		.unicast = true,
		.received_ns = hand.now_us * 1000,
	};
	/* Exactly as large as it is, so that the sanitizer sees each byte too many. */
	uint8_t *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, data, len);
	qlpb_receive(hand.qlpb, &arrival, copy, len, hand.now_us);
	free(copy);
}

void hand_datagram_hex(const char *source, uint16_t port, const char *hex)
{
	uint8_t data[1500];

	hand_datagram(source, port, data, hand_hex(hex, data, sizeof(data)));
}

void hand_receive_hex(uint32_t connection, const char *hex)
{
	uint8_t data[1500];

	qlpb_received(hand.qlpb, connection, data, hand_hex(hex, data, sizeof(data)), hand.now_us);
}

uint32_t hand_accept(const char *remote, uint16_t port)
{
	struct address address = hand_address(remote, port);
	uint32_t connection = 0;

	assert_int_equal(qlpb_accept(hand.qlpb, &address, 7, &connection, hand.now_us), 0);
	assert_int_not_equal(connection, 0);
	return connection;
}

uint32_t hand_session(const char *remote, uint16_t port, enum qlpb_id handshake)
{
	uint32_t connection = hand_accept(remote, port);
	unsigned n = hand.n_written;

	hand_receive_hex(connection,
			 handshake == QLPB_ID_PACKET_PAIR ? "01 00 00 01" : "02 00 00 01");
	assert_int_equal(hand.n_written, n + 1);
	hand_assert_written(n, connection, "1e 00 00 01");
	return connection;
}

void hand_probe(const char *source, enum qlpb_id id, bool flag, unsigned train, uint32_t sequence,
		size_t payload)
{
	uint8_t data[1500] = { 0 };

	qlpb_put_probe(data, &(struct qlpb_probe){
				     .id = id,
				     .flag = flag,
				     .initiator_port = 49876,
				     .train_size = (uint16_t)train,
				     .sequence = sequence,
			     });
	hand_datagram(source, 50123, data, QLPB_PROBE_LEN + payload);
}

/* ---- experiments ---- */

uint32_t hand_experiment(enum qlpb_kind kind, const char *sink)
{
	struct qlpb_request request = {
		.kind = kind,
		.sink = hand_address(sink, 0),
		.ifindex = 7,
		.data = &hand,
		.flood_bytes = 1000000,
	};
	uint32_t experiment = 0;

	assert_int_equal(qlpb_start(hand.qlpb, &request, &experiment, hand.now_us), 0);
	if (kind == QLPB_PROBEGAP)
		return experiment;
	assert_int_equal(hand.connects[hand.n_connects - 1], experiment);
	qlpb_connected(hand.qlpb, experiment, 49876, hand.now_us);
	if (kind != QLPB_FLOOD)
		hand_receive_hex(experiment, "1e 00 00 01");
	return experiment;
}

bool hand_is_closed(uint32_t connection)
{
	for (unsigned i = 0; i < hand.n_closed; i++) {
		if (hand.closed[i] == connection)
			return true;
	}
	return false;
}

void hand_assert_written(unsigned i, uint32_t connection, const char *hex)
{
	uint8_t data[8192];
	size_t len = hand_hex(hex, data, sizeof(data));

	assert_true(i < hand.n_written);
	assert_int_equal(hand.written[i].connection, connection);
	assert_int_equal(hand.written[i].len, len);
	assert_memory_equal(hand.written[i].data, data, len);
}
