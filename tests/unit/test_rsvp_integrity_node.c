/* SPDX-License-Identifier: MIT */
/* test_rsvp_integrity_node.c: two nodes on a link with keys, and whoever else speaks there (R-245..R-257). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <nettle/hmac.h>

#include "rsvp/integrity.h"
#include "rsvp/message.h"
#include "rsvp/rsvp.h"
#include "rsvp/writer.h"

#define S UINT64_C(1000000)
#define QUEUE 256

struct packet {
	unsigned to;
	struct address source, destination;
	uint8_t ttl;
	size_t len;
	uint8_t data[1500];
};

struct node {
	struct pair *pair;
	unsigned number;
	struct rsvp *rsvp;
	struct rsvp_app *app;
	struct address address;
};

struct pair {
	uint64_t now_us;
	uint32_t random;
	struct node nodes[2];
	struct packet queue[QUEUE];
	unsigned n, taken;
	bool holds; /* packets stay where they are */
};

static struct address host(uint8_t number)
{
	struct address address = { .family = AF_INET };

	address.addr[10] = address.addr[11] = 0xff;
	address.addr[12] = 10;
	address.addr[15] = number;
	return address;
}

static void port_send(void *user_data, const struct rsvp_packet *packet)
{
	struct node *node = user_data;
	struct pair *pair = node->pair;
	struct packet *copy = &pair->queue[pair->n];

	assert_true(pair->n < QUEUE && packet->len <= sizeof(copy->data));
	copy->to = 1 - node->number;
	copy->source = packet->source.family == AF_UNSPEC ? node->address : packet->source;
	copy->destination = packet->destination;
	copy->ttl = packet->ttl;
	copy->len = packet->len;
	memcpy(copy->data, packet->data, packet->len);
	pair->n++;
}

static int port_route(void *user_data, const struct address *destination,
		      const struct address *source, struct rsvp_route *ret_route)
{
	struct node *node = user_data;

	(void)source;
	*ret_route = (struct rsvp_route){ 0 };
	if (memcmp(destination->addr, node->address.addr, 16) == 0) {
		ret_route->local = true;
	} else {
		ret_route->n_out = 1;
		ret_route->out[0] = 1;
	}
	return 0;
}

static int port_reserve(void *user_data, const struct rsvp_tc_request *request, uint64_t *handle,
			struct rsvp_error *ret_error)
{
	(void)user_data;
	(void)request;
	(void)ret_error;
	*handle = 1;
	return 0;
}

static void port_release(void *user_data, uint64_t handle)
{
	(void)user_data;
	(void)handle;
}

static void port_event(void *user_data, void *app_data, const struct rsvp_event *event)
{
	(void)user_data;
	(void)app_data;
	(void)event;
}

static uint32_t port_random(void *user_data)
{
	struct node *node = user_data;

	node->pair->random = node->pair->random * 1664525u + 1013904223u;
	return node->pair->random;
}

static void port_digest(void *user_data, enum rsvp_digest kind, const uint8_t *key, size_t key_len,
			const uint8_t *data, size_t len, uint8_t *ret_digest)
{
	struct hmac_sha256_ctx sha256;
	struct hmac_md5_ctx md5;

	(void)user_data;
	if (kind == RSVP_DIGEST_HMAC_MD5) {
		hmac_md5_set_key(&md5, key_len, key);
		hmac_md5_update(&md5, len, data);
		hmac_md5_digest(&md5, MD5_DIGEST_SIZE, ret_digest);
	} else {
		hmac_sha256_set_key(&sha256, key_len, key);
		hmac_sha256_update(&sha256, len, data);
		hmac_sha256_digest(&sha256, SHA256_DIGEST_SIZE, ret_digest);
	}
}

static void start(struct pair *pair, unsigned number)
{
	struct node *node = &pair->nodes[number];
	const struct rsvp_ports ports = {
		.user_data = node,
		.send = port_send,
		.route = port_route,
		.tc_reserve = port_reserve,
		.tc_release = port_release,
		.event = port_event,
		.random = port_random,
		.digest = port_digest,
	};
	struct rsvp_interface interface;
	struct rsvp_config config;

	rsvp_config_default(&config);
	config.started_s = (uint32_t)(1000000 + pair->now_us / S);
	node->pair = pair;
	node->number = number;
	node->address = host((uint8_t)(number + 1));
	node->app = NULL;
	node->rsvp = rsvp_new(&ports, &config, pair->now_us);
	assert_non_null(node->rsvp);
	rsvp_interface_default(&interface);
	interface.ifindex = 1;
	interface.address4 = node->address;
	assert_int_equal(rsvp_interface_set(node->rsvp, &interface, pair->now_us), 0);
}

static void make_pair(struct pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	pair->now_us = 1000 * S;
	pair->random = 1;
	start(pair, 0);
	start(pair, 1);
}

static void end_pair(struct pair *pair)
{
	for (unsigned i = 0; i < 2; i++)
		rsvp_free(pair->nodes[i].rsvp, pair->now_us);
}

static void arrive(struct pair *pair, const struct packet *packet)
{
	struct node *node = &pair->nodes[packet->to];
	const struct rsvp_arrival arrival = {
		.ifindex = 1,
		.source = packet->source,
		.destination = packet->destination,
		.destination_is_local = memcmp(packet->destination.addr, node->address.addr, 16) ==
					0,
		.ttl = packet->ttl,
	};

	rsvp_receive(node->rsvp, &arrival, packet->data, packet->len, pair->now_us);
}

static void deliver(struct pair *pair)
{
	while (!pair->holds && pair->taken < pair->n) {
		struct packet packet = pair->queue[pair->taken++];

		arrive(pair, &packet);
	}
	if (pair->taken == pair->n && !pair->holds)
		pair->taken = pair->n = 0;
}

static void run(struct pair *pair, uint64_t for_us)
{
	uint64_t until_us = pair->now_us + for_us, next_us, other_us;

	deliver(pair);
	for (;;) {
		next_us = rsvp_next_deadline_us(pair->nodes[0].rsvp);
		other_us = rsvp_next_deadline_us(pair->nodes[1].rsvp);
		if (other_us < next_us)
			next_us = other_us;
		if (next_us > until_us)
			break;
		pair->now_us = next_us > pair->now_us ? next_us : pair->now_us + 1;
		rsvp_tick(pair->nodes[0].rsvp, pair->now_us);
		rsvp_tick(pair->nodes[1].rsvp, pair->now_us);
		deliver(pair);
	}
	pair->now_us = until_us;
}

static struct rsvp_key make_key(uint8_t id, enum rsvp_digest kind)
{
	struct rsvp_key key = { .id = { id }, .kind = kind, .secret = "secret", .secret_len = 6 };

	key.secret[5] = id;
	return key;
}

static void set_key(struct pair *pair, unsigned number, const struct rsvp_key *key)
{
	assert_int_equal(rsvp_keys_set(pair->nodes[number].rsvp, key, key ? 1 : 0), 0);
}

/* Node 0 sends to node 1. */
static void start_sending(struct pair *pair, float rate)
{
	struct rsvp_sender_request request = {
		.tspec = { .r = rate, .b = 1500, .p = 100000, .m = 64, .M = 1500 },
		.offers_controlled_load = true,
	};
	struct node *node = &pair->nodes[0];
	struct rsvp_session session = { .family = AF_INET, .port = 5000, .protocol = 17 };

	memcpy(session.address, pair->nodes[1].address.addr, 16);
	if (!node->app)
		assert_int_equal(
			rsvp_app_open(node->rsvp, &session, 0, NULL, &node->app, pair->now_us), 0);
	request.sender.id = 6000;
	assert_int_equal(rsvp_app_send(node->rsvp, node->app, &request, pair->now_us), 0);
}

static uint32_t senders_at(const struct pair *pair, unsigned number)
{
	return rsvp_sizes(pair->nodes[number].rsvp).senders;
}

static uint64_t count(const struct pair *pair, unsigned number, enum rsvp_counter counter)
{
	return rsvp_count(pair->nodes[number].rsvp, counter);
}

static void parse(const struct packet *packet, struct rsvp_message *message)
{
	struct rsvp_complaint complaint;

	assert_int_equal(rsvp_message_parse(packet->data, packet->len, &rsvp_limits_default,
					    message, &complaint),
			 0);
}

/* both sides have the key; the object is first, of 36 bytes with MD5. R-245 to neighbours: shown. */
static void signed_path(enum rsvp_digest kind, size_t object_len)
{
	struct rsvp_key key = make_key(1, kind);
	struct rsvp_message message;
	struct pair pair;

	make_pair(&pair);
	set_key(&pair, 0, &key);
	set_key(&pair, 1, &key);
	start_sending(&pair, 1000);
	parse(&pair.queue[0], &message);
	assert_ptr_equal(message.object[RSVP_CLASS_INTEGRITY].data, message.data + RSVP_HEADER_LEN);
	assert_int_equal(message.object[RSVP_CLASS_INTEGRITY].len, object_len);
	assert_true(message.integrity.handshake);
	run(&pair, S);
	assert_int_equal(senders_at(&pair, 1), 1);
	run(&pair, 600 * S);
	assert_int_equal(senders_at(&pair, 1), 1);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_BAD_INTEGRITY), 0);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_REPLAYED), 0);
	end_pair(&pair);
}

static void test_signed(void **state)
{
	(void)state;
	signed_path(RSVP_DIGEST_HMAC_MD5, 36);
	signed_path(RSVP_DIGEST_HMAC_SHA256, 52);
}

/* without INTEGRITY, with another secret, or with a bit changed: nothing happens, nobody is known. */
static void test_unsigned_is_dropped(void **state)
{
	struct rsvp_key key = make_key(1, RSVP_DIGEST_HMAC_MD5), wrong = key;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	set_key(&pair, 1, &key);
	start_sending(&pair, 1000);
	run(&pair, S);
	assert_int_equal(senders_at(&pair, 1), 0);
	assert_true(count(&pair, 1, RSVP_COUNT_BAD_INTEGRITY) >= 1);
	assert_int_equal(rsvp_sizes(pair.nodes[1].rsvp).neighbours, 0);
	wrong.secret[0] ^= 1;
	set_key(&pair, 0, &wrong);
	start_sending(&pair, 2000);
	run(&pair, S);
	assert_int_equal(senders_at(&pair, 1), 0);
	set_key(&pair, 0, &key);
	pair.holds = true;
	start_sending(&pair, 3000);
	pair.queue[pair.n - 1].data[RSVP_HEADER_LEN + 40] ^= 1;
	rsvp_set_checksum(pair.queue[pair.n - 1].data, pair.queue[pair.n - 1].len);
	pair.holds = false;
	deliver(&pair);
	assert_int_equal(senders_at(&pair, 1), 0);
	assert_int_equal(rsvp_sizes(pair.nodes[1].rsvp).neighbours, 0);
	start_sending(&pair, 4000);
	deliver(&pair);
	assert_int_equal(senders_at(&pair, 1), 1);
	end_pair(&pair);
}

/* what comes twice counts once; what comes late, within the window, too. */
static void test_replay(void **state)
{
	struct rsvp_key key = make_key(1, RSVP_DIGEST_HMAC_MD5);
	struct packet first, second;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	set_key(&pair, 0, &key);
	set_key(&pair, 1, &key);
	pair.holds = true;
	start_sending(&pair, 1000);
	start_sending(&pair, 2000);
	first = pair.queue[0];
	second = pair.queue[1];
	pair.n = 0;
	arrive(&pair, &second);
	arrive(&pair, &first);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_REPLAYED), 0);
	arrive(&pair, &first);
	arrive(&pair, &second);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_REPLAYED), 2);
	end_pair(&pair);
}

/* a sender that starts anew is above what it was before; a tear that is repeated has a number of its own. */
static void test_restart_and_tear(void **state)
{
	struct rsvp_key key = make_key(1, RSVP_DIGEST_HMAC_MD5);
	struct pair pair;

	(void)state;
	make_pair(&pair);
	set_key(&pair, 0, &key);
	set_key(&pair, 1, &key);
	for (unsigned i = 0; i < 40; i++)
		start_sending(&pair, 1000 + (float)i);
	run(&pair, 2 * S);
	pair.holds = true;
	pair.nodes[0].rsvp = rsvp_free(pair.nodes[0].rsvp, pair.now_us);
	pair.n = pair.taken = 0;
	pair.holds = false;
	start(&pair, 0);
	set_key(&pair, 0, &key);
	start_sending(&pair, 5000);
	run(&pair, 5 * S);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_REPLAYED), 0);
	assert_int_equal(rsvp_app_send(pair.nodes[0].rsvp, pair.nodes[0].app, NULL, pair.now_us),
			 0);
	run(&pair, 5 * S);
	assert_int_equal(senders_at(&pair, 1), 0);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_REPLAYED), 0);
	assert_int_equal(rsvp_count_type(pair.nodes[0].rsvp, RSVP_PATH_TEAR, true), 2);
	end_pair(&pair);
}

/* keys of other neighbours do not count. */
static void test_key_of_neighbour(void **state)
{
	struct rsvp_key key = make_key(1, RSVP_DIGEST_HMAC_MD5), of_other = key;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	set_key(&pair, 0, &key);
	of_other.neighbour = host(9);
	set_key(&pair, 1, &of_other);
	start_sending(&pair, 1000);
	run(&pair, S);
	assert_int_equal(senders_at(&pair, 1), 0);
	of_other.neighbour = host(1);
	set_key(&pair, 1, &of_other);
	start_sending(&pair, 2000);
	run(&pair, S);
	assert_int_equal(senders_at(&pair, 1), 1);
	end_pair(&pair);
}

/* who is not known is asked, and its messages count once it has answered; not what was recorded before. */
static void test_challenge(void **state)
{
	struct rsvp_key key = make_key(1, RSVP_DIGEST_HMAC_MD5), asks = key;
	struct packet recorded;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	asks.challenge = true;
	set_key(&pair, 0, &key);
	set_key(&pair, 1, &asks);
	pair.holds = true;
	start_sending(&pair, 1000);
	recorded = pair.queue[0];
	pair.holds = false;
	deliver(&pair);
	assert_int_equal(senders_at(&pair, 1), 0);
	assert_int_equal(rsvp_count_type(pair.nodes[1].rsvp, RSVP_CHALLENGE, true), 1);
	assert_int_equal(rsvp_count_type(pair.nodes[0].rsvp, RSVP_RESPONSE, true), 1);
	assert_int_equal(count(&pair, 0, RSVP_COUNT_CHALLENGED), 1);
	arrive(&pair, &recorded);
	assert_int_equal(senders_at(&pair, 1), 0);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_REPLAYED), 1);
	run(&pair, S); /* the Path once more */
	assert_int_equal(senders_at(&pair, 1), 1);
	end_pair(&pair);
}

/* a Response that nobody asked for, or with another cookie, changes nothing. */
static void test_wrong_cookie(void **state)
{
	struct rsvp_key key = make_key(1, RSVP_DIGEST_HMAC_MD5), asks = key;
	struct packet challenge, response;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	asks.challenge = true;
	set_key(&pair, 0, &key);
	set_key(&pair, 1, &asks);
	start_sending(&pair, 1000);
	pair.holds = true;
	arrive(&pair, &pair.queue[0]);
	challenge = pair.queue[1];
	assert_int_equal(challenge.data[1], RSVP_CHALLENGE);
	pair.n = 0;
	challenge.data[challenge.len - 1] ^= 1; /* of the cookie */
	rsvp_set_checksum(challenge.data, challenge.len);
	arrive(&pair, &challenge);
	response = pair.queue[0];
	assert_int_equal(response.data[1], RSVP_RESPONSE);
	pair.n = 0;
	arrive(&pair, &response);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_BAD_INTEGRITY), 1);
	start_sending(&pair, 2000);
	arrive(&pair, &pair.queue[0]);
	assert_int_equal(senders_at(&pair, 1), 0);
	end_pair(&pair);
}

/* who does not answer challenges is not asked. */
static void test_no_handshake(void **state)
{
	struct rsvp_key key = make_key(1, RSVP_DIGEST_HMAC_MD5), asks = key;
	const struct rsvp_message_id id = { 1, 2, 0 };
	struct packet packet = { .to = 1, .ttl = 63 };
	struct rsvp_signer signer = { port_digest, NULL, RSVP_DIGEST_HMAC_MD5, key.secret, 6 };
	struct rsvp_writer writer;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	asks.challenge = true;
	set_key(&pair, 1, &asks);
	packet.source = host(1);
	packet.destination = host(2);
	rsvp_writer_start(&writer, packet.data, sizeof(packet.data), RSVP_ACK, 0, 63);
	rsvp_put_integrity(&writer, false, key.id, 1, 16);
	rsvp_put_ack(&writer, RSVP_CTYPE_ACK, &id);
	assert_int_equal(rsvp_writer_finish(&writer, &packet.len), 0);
	assert_int_equal(rsvp_sign(&signer, packet.data, packet.len), 0);
	arrive(&pair, &packet);
	assert_int_equal(rsvp_count_type(pair.nodes[1].rsvp, RSVP_CHALLENGE, true), 0);
	assert_int_equal(rsvp_sizes(pair.nodes[1].rsvp).neighbours, 1);
	end_pair(&pair);
}

static uint8_t key_used(struct pair *pair, float rate)
{
	struct rsvp_message message;
	struct packet packet;

	pair->n = pair->taken = 0;
	start_sending(pair, rate);
	packet = pair->queue[0];
	parse(&packet, &message);
	deliver(pair);
	return message.integrity.key_id[0];
}

/* from one key to the next without a gap; the last one stays, and it shows. */
static void test_roll_over(void **state)
{
	struct rsvp_key keys[2] = { make_key(1, RSVP_DIGEST_HMAC_MD5),
				    make_key(2, RSVP_DIGEST_HMAC_SHA256) };
	struct pair pair;

	(void)state;
	make_pair(&pair);
	keys[0].valid_until_us = pair.now_us + 20 * S;
	keys[1].valid_from_us = pair.now_us + 10 * S;
	keys[1].valid_until_us = pair.now_us + 30 * S;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rsvp_keys_set(pair.nodes[i].rsvp, keys, 2), 0);
	assert_int_equal(key_used(&pair, 1000), 1);
	run(&pair, 15 * S);
	assert_int_equal(key_used(&pair, 2000), 2);
	run(&pair, 10 * S);
	assert_int_equal(key_used(&pair, 3000), 2);
	assert_int_equal(count(&pair, 0, RSVP_COUNT_EXPIRED_KEY), 0);
	run(&pair, 10 * S);
	assert_int_equal(key_used(&pair, 4000), 2);
	assert_true(count(&pair, 0, RSVP_COUNT_EXPIRED_KEY) >= 1);
	assert_true(count(&pair, 1, RSVP_COUNT_EXPIRED_KEY) >= 1);
	assert_int_equal(senders_at(&pair, 1), 1);
	assert_int_equal(count(&pair, 1, RSVP_COUNT_BAD_INTEGRITY), 0);
	end_pair(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signed),		 cmocka_unit_test(test_unsigned_is_dropped),
		cmocka_unit_test(test_replay),		 cmocka_unit_test(test_restart_and_tear),
		cmocka_unit_test(test_key_of_neighbour), cmocka_unit_test(test_challenge),
		cmocka_unit_test(test_wrong_cookie),	 cmocka_unit_test(test_no_handshake),
		cmocka_unit_test(test_roll_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
