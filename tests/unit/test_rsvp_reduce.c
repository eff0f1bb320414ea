/* SPDX-License-Identifier: MIT */
/* test_rsvp_reduce.c: refresh reduction between nodes, and against neighbours played by hand (R-220..R-244). */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- a line of nodes ---- */

struct line {
	struct sim *sim;
	struct rsvp_sender sender;
	struct sim_app *from, *to;
};

static void make_line(struct line *line, unsigned n_sessions)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	struct address source, destination;
	struct rsvp_session session;

	line->sim = sim_new(7);
	sim_line(line->sim, 3);
	source = sim_address(line->sim, 0, 1, AF_INET);
	destination = sim_address(line->sim, 2, 1, AF_INET);
	line->sender = sim_sender(&source, 6000);
	for (unsigned i = 0; i < n_sessions; i++) {
		session = sim_session(&destination, (uint16_t)(5000 + i));
		line->from = sim_open(line->sim, 0, &session);
		line->to = sim_open(line->sim, 2, &session);
		sim_reserve(line->to, RSVP_STYLE_FF, &flowspec, &line->sender, 1, false);
		sim_send(line->from, &line->sender, 1000);
	}
}

static size_t all_sent(const struct line *line, uint8_t type)
{
	return sim_sent(line->sim, 0, type, 0) + sim_sent(line->sim, 1, type, 0) +
	       sim_sent(line->sim, 2, type, 0);
}

static const struct sim_packet *parsed(const struct sim *sim, size_t i,
				       struct rsvp_message *message)
{
	const struct sim_packet *packet = sim_packet(sim, i);
	struct rsvp_complaint complaint;

	assert_int_equal(rsvp_message_parse(packet->data, packet->packet.len, &rsvp_limits_default,
					    message, &complaint),
			 0);
	return packet;
}

/* all messages say it; none has a MESSAGE_ID before the neighbour has said so. */
static void test_announced(void **state)
{
	struct rsvp_message message;
	struct line line;
	uint32_t epochs[3] = { 0 };

	(void)state;
	make_line(&line, 1);
	sim_run(line.sim, 300 * SIM_S);
	assert_false(sim_n_packets(line.sim) == 0);
	for (size_t i = 0; i < sim_n_packets(line.sim); i++) {
		const struct sim_packet *packet = parsed(line.sim, i, &message);

		assert_int_equal(message.flags & RSVP_HEADER_REDUCES, RSVP_HEADER_REDUCES);
		if (packet->type == RSVP_ACK)
			assert_false(rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID));
		if (!rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID))
			continue;
		if (epochs[packet->node] == 0)
			epochs[packet->node] = message.message_id.epoch;
		assert_int_equal(message.message_id.epoch, epochs[packet->node]);
	}
	parsed(line.sim, 0, &message);
	assert_int_equal(message.type, RSVP_PATH);
	assert_false(rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID));
	assert_int_not_equal(epochs[0], epochs[1]);
	sim_restart(line.sim, 1);
	sim_forget(line.sim);
	sim_run(line.sim, 60 * SIM_S);
	assert_non_null(sim_last_sent(line.sim, 1, RSVP_RESV, 0, &message));
	if (rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID))
		assert_int_not_equal(message.message_id.epoch, epochs[1]); /* */
	sim_free(line.sim);
}

/* once it is acknowledged, summaries keep all state alive, and in full it goes out only rarely. */
static void test_summaries(void **state)
{
	struct line line;

	(void)state;
	make_line(&line, 20);
	sim_run(line.sim, 100 * SIM_S);
	sim_forget(line.sim);
	sim_run(line.sim, 240 * SIM_S);
	assert_int_equal(all_sent(&line, RSVP_PATH), 0);
	assert_int_equal(all_sent(&line, RSVP_RESV), 0);
	assert_true(all_sent(&line, RSVP_SREFRESH) >= 4 * 8);
	assert_true(all_sent(&line, RSVP_SREFRESH) <= 4 * 17);
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).reservations, 20);
	sim_forget(line.sim);
	sim_run(line.sim, 1400 * SIM_S);
	assert_true(all_sent(&line, RSVP_PATH) >= 40); /* in full, from time to time */
	for (unsigned node = 0; node < 3; node++) {
		assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, node)).reservations, 20);
		assert_int_equal(rsvp_count(sim_rsvp(line.sim, node), RSVP_COUNT_TIMEOUTS_PATH), 0);
		assert_int_equal(rsvp_count(sim_rsvp(line.sim, node), RSVP_COUNT_TIMEOUTS_RESV), 0);
	}
	sim_free(line.sim);
}

/* what is new has a greater identifier, what is not new the same. */
static void test_identifiers(void **state)
{
	uint32_t last[3] = { 0 };
	struct rsvp_message message;
	unsigned n_new = 0;
	struct line line;

	(void)state;
	make_line(&line, 5);
	sim_run(line.sim, 100 * SIM_S);
	sim_forget(line.sim);
	sim_send(line.from, &line.sender, 2000);
	sim_run(line.sim, 10 * SIM_S);
	sim_send(line.from, &line.sender, 3000);
	sim_run(line.sim, 10 * SIM_S);
	for (size_t i = 0; i < sim_n_packets(line.sim); i++) {
		const struct sim_packet *packet = parsed(line.sim, i, &message);

		if (packet->type != RSVP_PATH)
			continue;
		assert_true(rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID));
		assert_true(message.message_id.flags & RSVP_ID_ACK_DESIRED);
		if (last[packet->node] != 0)
			assert_true((int32_t)(message.message_id.id - last[packet->node]) > 0);
		last[packet->node] = message.message_id.id;
		n_new++;
	}
	assert_int_equal(n_new, 4);
	sim_free(line.sim);
}

/* a node that has begun anew says that it does not know, and gets everything in full. */
static void test_restart(void **state)
{
	struct line line;

	(void)state;
	make_line(&line, 20);
	sim_run(line.sim, 100 * SIM_S);
	sim_restart(line.sim, 1);
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).reservations, 0);
	sim_run(line.sim, 65 * SIM_S);
	assert_true(rsvp_count(sim_rsvp(line.sim, 1), RSVP_COUNT_UNKNOWN_ID) >= 20);
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).senders, 20);
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).reservations, 20);
	sim_free(line.sim);
}

/* a neighbour that no longer can gets no more summaries, and no state is lost. */
static void test_cleared(void **state)
{
	struct line line;

	(void)state;
	make_line(&line, 20);
	sim_run(line.sim, 100 * SIM_S);
	for (uint32_t ifindex = 1; ifindex <= 2; ifindex++) {
		sim_interface(line.sim, 1, ifindex)->reduce_refreshes = false;
		sim_interface_apply(line.sim, 1, ifindex);
	}
	sim_run(line.sim, 60 * SIM_S);
	sim_forget(line.sim);
	sim_run(line.sim, 300 * SIM_S);
	assert_int_equal(all_sent(&line, RSVP_SREFRESH), 0);
	assert_int_equal(all_sent(&line, RSVP_BUNDLE), 0);
	assert_true(all_sent(&line, RSVP_PATH) >= 200);
	for (unsigned node = 0; node < 3; node++)
		assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, node)).reservations, 20);
	sim_free(line.sim);
}

/* With loss, everything is there in the end, and stays. */
static void test_loss(void **state)
{
	struct line line;

	(void)state;
	make_line(&line, 50);
	sim_link_set_loss(line.sim, 0, 20);
	sim_link_set_loss(line.sim, 1, 20);
	sim_run(line.sim, 120 * SIM_S);
	for (unsigned i = 0; i < 20; i++) {
		sim_run(line.sim, 30 * SIM_S);
		assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 0)).reservations, 50);
	}
	assert_true(rsvp_count(sim_rsvp(line.sim, 2), RSVP_COUNT_RETRANSMITTED) > 0);
	sim_free(line.sim);
}

/* ---- by hand: the neighbour on an interface of the router ---- */

static void send_by_hand(struct hand *hand, uint32_t ifindex, struct rsvp_writer *writer)
{
	struct address own = sim_address(hand->sim, HAND_R, ifindex, AF_INET);
	size_t len;

	assert_int_equal(rsvp_writer_finish(writer, &len), 0);
	sim_inject(hand->sim, HAND_R, ifindex, &hand->neighbours[ifindex].address, &own, 63,
		   writer->buf, len);
}

/* An empty Srefresh would be malformed; an Ack of something says that the neighbour can. */
static void announce(struct hand *hand, uint32_t ifindex, uint8_t flags)
{
	const struct rsvp_message_id none = { .epoch = 0xabcdef, .id = 1 };
	struct rsvp_writer writer;
	uint8_t buf[256];

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_ACK, flags, 63);
	rsvp_put_ack(&writer, RSVP_CTYPE_ACK, &none);
	send_by_hand(hand, ifindex, &writer);
}

static void acknowledge(struct hand *hand, uint32_t ifindex, uint8_t ctype,
			const struct rsvp_message_id *id)
{
	struct rsvp_writer writer;
	uint8_t buf[256];

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_ACK, RSVP_HEADER_REDUCES, 63);
	rsvp_put_ack(&writer, ctype, id);
	send_by_hand(hand, ifindex, &writer);
}

static void make_hand(struct hand *hand)
{
	hand_make(hand, AF_INET);
	announce(hand, 1, RSVP_HEADER_REDUCES);
	hand_path(hand, 0, 5000);
	announce(hand, 1, RSVP_HEADER_REDUCES); /* the Path by hand did not */
	sim_run(hand->sim, 10 * SIM_S);
	sim_forget(hand->sim);
	hand_ask(hand, 3, RSVP_STYLE_FF, 1000, 1);
}

/* at 0, 0.5 and 1.5 s, then no more until R. */
static void test_retransmission(void **state)
{
	uint64_t times[8], start;
	struct rsvp_message message;
	struct hand hand;
	uint32_t id = 0;
	size_t n = 0;

	(void)state;
	make_hand(&hand);
	start = sim_now(hand.sim);
	sim_run(hand.sim, 14 * SIM_S);
	for (size_t i = 0; i < sim_n_packets(hand.sim); i++) {
		const struct sim_packet *packet = parsed(hand.sim, i, &message);

		if (packet->type != RSVP_RESV || n == 8)
			continue;
		times[n++] = packet->time_us;
		assert_true(message.message_id.flags & RSVP_ID_ACK_DESIRED);
		assert_true(id == 0 || id == message.message_id.id);
		id = message.message_id.id;
	}
	assert_int_equal(n, 3);
	assert_int_equal(times[0], start);
	assert_in_range(times[1] - start, 500 * SIM_MS, 510 * SIM_MS);
	assert_in_range(times[2] - start, 1500 * SIM_MS, 1520 * SIM_MS);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_RETRANSMITTED), 2);
	sim_forget(hand.sim);
	sim_run(hand.sim, 40 * SIM_S); /* and as RFC 2205 says */
	assert_true(hand_sent(&hand, RSVP_RESV, 1) >= 1);
	hand_free(&hand);
}

/* an Ack ends it, a NACK brings the message again, one of another epoch nothing. */
static void test_ack_and_nack(void **state)
{
	struct rsvp_message_id id, other;
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_hand(&hand);
	hand_last(&hand, RSVP_RESV, 1, &message);
	id = other = message.message_id;
	acknowledge(&hand, 1, RSVP_CTYPE_ACK, &id);
	sim_forget(hand.sim);
	sim_run(hand.sim, 80 * SIM_S);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 0);
	assert_true(hand_sent(&hand, RSVP_SREFRESH, 1) >= 2);
	hand_last(&hand, RSVP_SREFRESH, 1, &message);
	assert_int_equal(get32(message.object[RSVP_CLASS_MESSAGE_ID_LIST].data + 8), id.id);
	other.epoch ^= 1;
	acknowledge(&hand, 1, RSVP_CTYPE_NACK, &other);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 0);
	acknowledge(&hand, 1, RSVP_CTYPE_NACK, &id);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(message.message_id.id, id.id);
	hand_free(&hand);
}

/* who refuses the class gets the message without it, now and from now on. */
static void test_class_refused(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_FF,
				  .flowspec = sim_controlled_load(1000),
				  .senders = 1 };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_hand(&hand);
	sim_forget(hand.sim);
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_UNKNOWN_CLASS, RSVP_CLASS_MESSAGE_ID << 8 | 1, 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_false(rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID));
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), 0);
	announce(&hand, 1, RSVP_HEADER_REDUCES);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 2000, 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_false(rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID));
	hand_free(&hand);
}

/* A Path of sender 0 with an identifier, as the neighbour on interface 1 would send it. */
static size_t make_path(struct hand *hand, uint8_t *buf, size_t capacity,
			const struct rsvp_message_id *id, float rate)
{
	struct rsvp_sender_tspec tspec = { .tspec = sim_tspec(rate) };
	struct rsvp_writer writer;
	size_t len = 0;

	rsvp_writer_start(&writer, buf, capacity, RSVP_PATH, RSVP_HEADER_REDUCES, 63);
	rsvp_put_message_id(&writer, id);
	rsvp_put_session(&writer, &hand->session, 0);
	rsvp_put_hop(&writer, &hand->neighbours[1]);
	rsvp_put_time_values(&writer, 30000);
	rsvp_put_sender(&writer, &hand->senders[0], &tspec);
	assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
	return len;
}

static void inject_path(struct hand *hand, const uint8_t *data, size_t len)
{
	struct address source, destination;

	rsvp_sender_address(&hand->senders[0], &source);
	rsvp_session_address(&hand->session, &destination);
	source.port = destination.port = 0;
	sim_inject(hand->sim, HAND_R, 1, &source, &destination, 63, data, len);
}

static void path_by_hand(struct hand *hand, uint32_t epoch, uint32_t id, uint8_t flags, float rate)
{
	const struct rsvp_message_id message_id = { epoch, id, flags };
	uint8_t buf[512];

	inject_path(hand, buf, make_path(hand, buf, sizeof(buf), &message_id, rate));
}

static float rate_sent(struct hand *hand)
{
	struct rsvp_message message;

	hand_last(hand, RSVP_PATH, 3, &message);
	return message.tspec.tspec.r;
}

/* R-225..R-228: what is older than the state is dropped, over the wrap too; not what is of another epoch. */
static void test_order(void **state)
{
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	path_by_hand(&hand, 1, 0xfffffff0u, 0, 1000);
	assert_true(rate_sent(&hand) == 1000);
	path_by_hand(&hand, 1, 5, 0, 2000); /* is newer */
	assert_true(rate_sent(&hand) == 2000);
	path_by_hand(&hand, 1, 0xfffffff1u, 0, 3000);
	assert_true(rate_sent(&hand) == 2000);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_OUT_OF_ORDER), 1);
	path_by_hand(&hand, 2, 1, 0, 4000);
	assert_true(rate_sent(&hand) == 4000);
	hand_path_tear(&hand, 0);
	path_by_hand(&hand, 2, 0xffffff00u, 0, 5000); /* there is nothing that is newer */
	assert_true(rate_sent(&hand) == 5000);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_OUT_OF_ORDER), 1);
	hand_free(&hand);
}

/* acknowledged if asked to, once, soon; R-230: not if it is malformed. */
static void test_acknowledges(void **state)
{
	const struct rsvp_message_id id = { 1, 8, RSVP_ID_ACK_DESIRED };
	struct rsvp_message message;
	struct hand hand;
	uint8_t buf[512];
	size_t len;

	(void)state;
	hand_make(&hand, AF_INET);
	path_by_hand(&hand, 1, 7, 0, 1000);
	sim_run(hand.sim, SIM_S);
	assert_int_equal(hand_sent(&hand, RSVP_ACK, 1), 0);
	len = make_path(&hand, buf, sizeof(buf), &id, 1000);
	put16(buf + 8, 14); /* no length of an object */
	rsvp_set_checksum(buf, len);
	inject_path(&hand, buf, len);
	sim_run(hand.sim, SIM_S);
	assert_int_equal(hand_sent(&hand, RSVP_ACK, 1), 0);
	path_by_hand(&hand, 1, 8, RSVP_ID_ACK_DESIRED, 2000);
	sim_run(hand.sim, SIM_S);
	assert_int_equal(hand_sent(&hand, RSVP_ACK, 1), 1);
	hand_last(&hand, RSVP_ACK, 1, &message);
	assert_int_equal(get32(message.object[RSVP_CLASS_MESSAGE_ID_ACK].data + 8), 8);

	/* With what goes there anyway: before the MESSAGE_ID. */
	sim_forget(hand.sim);
	path_by_hand(&hand, 1, 9, RSVP_ID_ACK_DESIRED, 3000);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID_ACK));
	assert_true(rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID));
	assert_true(message.object[RSVP_CLASS_MESSAGE_ID_ACK].data <
		    message.object[RSVP_CLASS_MESSAGE_ID].data);
	sim_run(hand.sim, 100 * SIM_MS);
	assert_int_equal(hand_sent(&hand, RSVP_ACK, 1), 0);
	hand_free(&hand);
}

static void srefresh_by_hand(struct hand *hand, const struct rsvp_listed_id *ids, size_t n_ids)
{
	struct rsvp_writer writer;
	uint8_t buf[512];

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_SREFRESH, RSVP_HEADER_REDUCES, 63);
	rsvp_put_id_list(&writer, RSVP_LIST_IDS, 1, ids, n_ids);
	send_by_hand(hand, 1, &writer);
}

/* each identifier stands for its state; one that stands for nothing is said to. */
static void test_srefresh_received(void **state)
{
	struct rsvp_listed_id ids[2] = { { .id = 7 }, { .id = 77 } };
	const struct rsvp_object *nack;
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	path_by_hand(&hand, 1, 7, 0, 1000);
	for (unsigned i = 0; i < 20; i++) {
		sim_run(hand.sim, 60 * SIM_S);
		srefresh_by_hand(&hand, ids, 1);
		assert_int_equal(rsvp_sizes(hand.rsvp).senders, 1);
	}
	sim_forget(hand.sim);
	srefresh_by_hand(&hand, ids, 2);
	sim_run(hand.sim, 100 * SIM_MS);
	hand_last(&hand, RSVP_ACK, 1, &message);
	nack = &message.object[RSVP_CLASS_MESSAGE_ID_ACK];
	assert_int_equal(nack->ctype, RSVP_CTYPE_NACK);
	assert_int_equal(get32(nack->data + 4) & 0xffffff, 1);
	assert_int_equal(get32(nack->data + 8), 77);
	sim_run(hand.sim, 200 * SIM_S);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 0); /* nobody refreshes it any more */
	hand_free(&hand);
}

/* A Resv in FF of senders by their bits, with an identifier; of a neighbour on interface 3. */
static void resv_by_hand(struct hand *hand, const struct rsvp_message_id *id, float rate,
			 unsigned senders)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(rate);
	struct rsvp_writer writer;
	uint8_t buf[512];

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_RESV, RSVP_HEADER_REDUCES, 63);
	if (id)
		rsvp_put_message_id(&writer, id);
	rsvp_put_session(&writer, &hand->session, 0);
	rsvp_put_hop(&writer, &hand->neighbours[3]);
	rsvp_put_time_values(&writer, 30000);
	rsvp_put_style(&writer, RSVP_STYLE_FF);
	for (unsigned i = 0; i < 3; i++) {
		if (!(senders >> i & 1))
			continue;
		rsvp_put_flowspec(&writer, &flowspec);
		rsvp_put_filter(&writer, &hand->senders[i]);
	}
	send_by_hand(hand, 3, &writer);
}

/* Whether the identifier stands for state: who mentions it in a summary hears otherwise. */
static bool is_known(struct hand *hand, const struct rsvp_message_id *id)
{
	const struct rsvp_listed_id listed = { .id = id->id };
	struct rsvp_writer writer;
	uint8_t buf[128];

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_SREFRESH, RSVP_HEADER_REDUCES, 63);
	rsvp_put_id_list(&writer, RSVP_LIST_IDS, id->epoch, &listed, 1);
	sim_forget(hand->sim);
	send_by_hand(hand, 3, &writer);
	sim_run(hand->sim, SIM_S);
	return hand_sent(hand, RSVP_ACK, 3) == 0;
}

/* what was sent to many is acknowledged within a quarter of a second, and not always after the same time. */
static void test_multicast_delay(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	for (uint32_t id = 1; id <= 20; id++) {
		uint64_t begin = sim_now(hand.sim), after_us;
		const struct sim_packet *ack;

		path_by_hand(&hand, 1, id, RSVP_ID_ACK_DESIRED, 1000);
		sim_run(hand.sim, SIM_S);
		ack = sim_last_sent(hand.sim, HAND_R, RSVP_ACK, 1, &message);
		assert_non_null(ack);
		after_us = ack->time_us - begin;
		least = after_us < least ? after_us : least;
		most = after_us > most ? after_us : most;
	}
	assert_int_equal(hand_sent(&hand, RSVP_ACK, 1), 20);
	assert_true(most <= 260 * SIM_MS);
	assert_true(most - least > 50 * SIM_MS);
	hand_free(&hand);
}

static size_t nacks_to_list(struct hand *hand, uint32_t ifindex, const struct address *group)
{
	struct rsvp_listed_id listed = { .id = 77, .group = *group };
	struct rsvp_writer writer;
	uint8_t buf[128];

	rsvp_sender_address(&hand->senders[0], &listed.source);
	listed.source.port = listed.group.port = 0;
	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_SREFRESH, RSVP_HEADER_REDUCES, 63);
	rsvp_put_id_list(&writer, RSVP_LIST_GROUP4, 1, &listed, 1);
	sim_forget(hand->sim);
	send_by_hand(hand, ifindex, &writer);
	sim_run(hand->sim, SIM_S);
	return hand_sent(hand, RSVP_ACK, ifindex);
}

/* only who forwards data of that source to that group asks for what it does not know. */
static void test_multicast_list(void **state)
{
	struct address group, other = sim_group(AF_INET, 99);
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	rsvp_session_address(&hand.session, &group);
	assert_int_equal(nacks_to_list(&hand, 1, &group), 1);
	assert_int_equal(nacks_to_list(&hand, 2, &group), 0); /* its data comes by interface 1 */
	assert_int_equal(nacks_to_list(&hand, 1, &other), 0); /* nobody listens */
	hand_free(&hand);
}

/* an identifier stands for all that its message asked for, or for nothing. */
static void test_in_part(void **state)
{
	const struct rsvp_message_id refused = { 1, 7, 0 }, whole = { 1, 8, 0 }, next = { 1, 9, 0 };
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	hand_path(&hand, 0, 5000);
	resv_by_hand(&hand, &refused, 1000, 1 | 2); /* the second sender is not there yet */
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), 1);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	assert_false(is_known(&hand, &refused));
	hand_path(&hand, 1, 5000);
	resv_by_hand(&hand, &whole, 1000, 1 | 2);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 2);
	assert_true(is_known(&hand, &whole));
	/* With one of its senders goes part of what it asked for. */
	hand_path_tear(&hand, 1);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	assert_false(is_known(&hand, &whole));
	/* So it does when somebody says something else of one of them, and does not say by which identifier. */
	hand_path(&hand, 1, 5000);
	resv_by_hand(&hand, &next, 1000, 1 | 2);
	assert_true(is_known(&hand, &next));
	resv_by_hand(&hand, NULL, 2000, 2);
	assert_false(is_known(&hand, &next));
	hand_free(&hand);
}

/* What is refreshed by summaries does not go on to say what is no longer so: here, that there is a SCOPE. */
static void test_rechecked(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	announce(&hand, 1, RSVP_HEADER_REDUCES);
	hand_path(&hand, 0, 5000);
	announce(&hand, 1, RSVP_HEADER_REDUCES);
	hand_path(&hand, 1, 5000);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(rsvp_message_has(&message, RSVP_CLASS_SCOPE));
	acknowledge(&hand, 1, RSVP_CTYPE_ACK, &message.message_id);
	hand_path_tear(&hand, 1); /* with it goes the second previous hop */
	sim_forget(hand.sim);
	for (unsigned i = 0; i < 5; i++) {
		sim_run(hand.sim, 10 * SIM_S);
		hand_path(&hand, 0, 5000);
		announce(&hand, 1, RSVP_HEADER_REDUCES);
		hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	}
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_false(rsvp_message_has(&message, RSVP_CLASS_SCOPE));
	hand_free(&hand);
}

/* RFC 2961 §4.6: an error of the neighbour says as well as an acknowledgement that the message has come. */
static void test_implicit_ack(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_FF,
				  .flowspec = sim_controlled_load(1000),
				  .senders = 1 };
	struct hand hand;

	(void)state;
	make_hand(&hand);
	sim_forget(hand.sim);
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_NO_SENDER, 0, 0);
	sim_run(hand.sim, 10 * SIM_S);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 0);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_RETRANSMITTED), 0);
	sim_run(hand.sim, 40 * SIM_S); /* it is not left to summaries, though */
	assert_true(hand_sent(&hand, RSVP_RESV, 1) >= 1);
	assert_int_equal(hand_sent(&hand, RSVP_SREFRESH, 1), 0);
	hand_free(&hand);
}

/* what is in a Bundle is as if it had come alone; a Bundle in it spoils it. */
static void test_bundle_received(void **state)
{
	const struct rsvp_message_id id = { 1, 7, 0 };
	struct rsvp_writer writer;
	uint8_t buf[1024], path[512];
	struct hand hand;
	size_t len;

	(void)state;
	hand_make(&hand, AF_INET);
	len = make_path(&hand, path, sizeof(path), &id, 1000);
	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_BUNDLE, RSVP_HEADER_REDUCES, 63);
	rsvp_put_raw(&writer, path, len);
	path[1] = RSVP_BUNDLE;
	rsvp_put_raw(&writer, path, len);
	send_by_hand(&hand, 1, &writer);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 0);
	path[1] = RSVP_PATH;
	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_BUNDLE, RSVP_HEADER_REDUCES, 63);
	rsvp_put_raw(&writer, path, len);
	rsvp_put_raw(&writer, path, len);
	send_by_hand(&hand, 1, &writer);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 1);
	assert_true(rate_sent(&hand) == 1000);
	hand_free(&hand);
}

/* Bundles go to neighbours that can, addressed to them, and nobody alerts routers on the way. */
static void test_bundle_sent(void **state)
{
	struct rsvp_message message;
	const struct sim_packet *packet;
	struct address next;
	struct line line;

	(void)state;
	make_line(&line, 40);
	sim_run(line.sim, 100 * SIM_S);
	sim_forget(line.sim);
	sim_restart(line.sim, 1); /* all are asked for again */
	sim_run(line.sim, 65 * SIM_S);
	assert_true(all_sent(&line, RSVP_BUNDLE) > 0);
	packet = sim_last_sent(line.sim, 0, RSVP_BUNDLE, 0, &message);
	assert_non_null(packet);
	next = sim_address(line.sim, 1, 1, AF_INET);
	assert_memory_equal(packet->packet.destination.addr, next.addr, sizeof(next.addr));
	assert_false(packet->packet.router_alert);
	assert_true(packet->packet.len <= 1500);
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).reservations, 40);
	sim_free(line.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announced),	cmocka_unit_test(test_summaries),
		cmocka_unit_test(test_identifiers),	cmocka_unit_test(test_restart),
		cmocka_unit_test(test_cleared),		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_retransmission),	cmocka_unit_test(test_ack_and_nack),
		cmocka_unit_test(test_class_refused),	cmocka_unit_test(test_order),
		cmocka_unit_test(test_acknowledges),	cmocka_unit_test(test_srefresh_received),
		cmocka_unit_test(test_multicast_delay), cmocka_unit_test(test_multicast_list),
		cmocka_unit_test(test_in_part),		cmocka_unit_test(test_rechecked),
		cmocka_unit_test(test_implicit_ack),	cmocka_unit_test(test_bundle_received),
		cmocka_unit_test(test_bundle_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
