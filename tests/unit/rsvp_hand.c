/* SPDX-License-Identifier: MIT */
/* rsvp_hand.c: see rsvp_hand.h. */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define N_SENDERS 3

static uint32_t in_interface(unsigned sender)
{
	return sender == 1 ? 2 : 1;
}

void hand_make(struct hand *hand, uint16_t family)
{
	struct address group = sim_group(family, 1), address;

	*hand = (struct hand){ .sim = sim_new(11), .ttl = 60 };
	sim_node(hand->sim);
	for (unsigned i = 1; i <= HAND_LINKS; i++) {
		unsigned node = sim_plain_node(hand->sim);

		sim_connect(hand->sim, HAND_R, node);
		hand->neighbours[i] = (struct rsvp_hop){ sim_address(hand->sim, node, 1, family),
							 i <= 2 ? 100 + i : i };
	}
	sim_join(hand->sim, 3, &group);
	sim_join(hand->sim, 4, &group);
	hand->rsvp = sim_rsvp(hand->sim, HAND_R);
	hand->session = sim_session(&group, 5004);
	for (unsigned i = 0; i < N_SENDERS; i++) {
		address = hand->neighbours[in_interface(i)].address;
		hand->senders[i] = sim_sender(&address, (uint16_t)(6000 + i));
	}
}

void hand_free(struct hand *hand)
{
	sim_free(hand->sim);
}

static struct address host_of(const uint8_t bytes[16], uint16_t family)
{
	struct address address = { .family = family };

	memcpy(address.addr, bytes, sizeof(address.addr));
	return address;
}

struct letter {
	struct rsvp_writer writer;
	uint8_t buf[RSVP_MESSAGE_MAX];
};

static void begin(struct hand *hand, struct letter *letter, enum rsvp_type type, uint32_t ifindex)
{
	rsvp_writer_start(&letter->writer, letter->buf, sizeof(letter->buf), type, 0, hand->ttl);
	rsvp_put_session(&letter->writer, &hand->session, 0);
	if (ifindex != 0)
		rsvp_put_hop(&letter->writer, &hand->neighbours[ifindex]);
}

static void put_extra(struct hand *hand, struct letter *letter)
{
	rsvp_put_raw(&letter->writer, hand->extra, hand->extra_len);
	hand->extra = NULL;
	hand->extra_len = 0;
}

static void post_along(struct hand *hand, struct letter *letter, unsigned i)
{
	struct address source = host_of(hand->senders[i].address, hand->senders[i].family);
	struct address destination = host_of(hand->session.address, hand->session.family);
	size_t len;

	assert_int_equal(rsvp_writer_finish(&letter->writer, &len), 0);
	sim_inject(hand->sim, HAND_R, in_interface(i), &source, &destination, hand->ttl,
		   letter->buf, len);
}

static void post(struct hand *hand, struct letter *letter, uint32_t ifindex)
{
	struct address own = sim_address(hand->sim, HAND_R, ifindex, hand->session.family);
	size_t len;

	assert_int_equal(rsvp_writer_finish(&letter->writer, &len), 0);
	sim_inject(hand->sim, HAND_R, ifindex, &hand->neighbours[ifindex].address, &own, hand->ttl,
		   letter->buf, len);
}

void hand_path(struct hand *hand, unsigned i, float rate)
{
	struct rsvp_sender_tspec tspec = { .tspec = sim_tspec(rate) };
	struct letter letter;

	begin(hand, &letter, RSVP_PATH, in_interface(i));
	rsvp_put_time_values(&letter.writer, 30000);
	put_extra(hand, &letter);
	rsvp_put_sender(&letter.writer, &hand->senders[i], &tspec);
	post_along(hand, &letter, i);
}

void hand_path_tear(struct hand *hand, unsigned i)
{
	struct letter letter;

	begin(hand, &letter, RSVP_PATH_TEAR, in_interface(i));
	put_extra(hand, &letter);
	rsvp_put_sender(&letter.writer, &hand->senders[i], NULL);
	post_along(hand, &letter, i);
}

static struct rsvp_error_spec error_of(struct hand *hand, uint32_t ifindex, uint8_t code,
				       uint16_t value, uint8_t flags)
{
	return (struct rsvp_error_spec){ hand->neighbours[ifindex].address, flags, code, value };
}

void hand_path_err(struct hand *hand, uint32_t ifindex, unsigned i, uint8_t code, uint16_t value)
{
	struct rsvp_sender_tspec tspec = { .tspec = sim_tspec(1000) };
	struct rsvp_error_spec error = error_of(hand, ifindex, code, value, 0);
	struct letter letter;

	begin(hand, &letter, RSVP_PATH_ERR, 0);
	rsvp_put_error(&letter.writer, &error);
	put_extra(hand, &letter);
	rsvp_put_sender(&letter.writer, &hand->senders[i], &tspec);
	post(hand, &letter, ifindex);
}

static void put_filters(struct hand *hand, struct letter *letter, const struct hand_resv *resv,
			bool with_flowspec)
{
	bool first = true;

	if (resv->style == RSVP_STYLE_WF && with_flowspec)
		rsvp_put_flowspec(&letter->writer, &resv->flowspec);
	for (unsigned i = 0; i < N_SENDERS && resv->style != RSVP_STYLE_WF; i++) {
		if (!(resv->senders & 1u << i))
			continue;
		if (with_flowspec && (first || resv->style == RSVP_STYLE_FF))
			rsvp_put_flowspec(&letter->writer, &resv->flowspec);
		first = false;
		rsvp_put_filter(&letter->writer, &hand->senders[i]);
	}
}

void hand_resv(struct hand *hand, uint32_t ifindex, const struct hand_resv *resv)
{
	struct letter letter;

	begin(hand, &letter, RSVP_RESV, ifindex);
	rsvp_put_time_values(&letter.writer, 30000);
	if (resv->confirm)
		rsvp_put_confirm(&letter.writer, &hand->neighbours[ifindex].address);
	if (resv->n_scope > 0)
		rsvp_put_scope(&letter.writer, resv->scope, resv->n_scope);
	put_extra(hand, &letter);
	rsvp_put_style(&letter.writer, resv->option ? resv->option : resv->style);
	put_filters(hand, &letter, resv, true);
	post(hand, &letter, ifindex);
}

void hand_ask(struct hand *hand, uint32_t ifindex, enum rsvp_style style, float rate,
	      unsigned senders)
{
	hand_resv(hand, ifindex,
		  &(struct hand_resv){ .style = style,
				       .flowspec = sim_controlled_load(rate),
				       .senders = senders });
}

void hand_resv_tear(struct hand *hand, uint32_t ifindex, enum rsvp_style style, unsigned senders)
{
	struct hand_resv resv = { .style = style, .senders = senders };
	struct letter letter;

	begin(hand, &letter, RSVP_RESV_TEAR, ifindex);
	put_extra(hand, &letter);
	rsvp_put_style(&letter.writer, style);
	put_filters(hand, &letter, &resv, false);
	post(hand, &letter, ifindex);
}

void hand_resv_err(struct hand *hand, uint32_t ifindex, const struct hand_resv *resv, uint8_t code,
		   uint16_t value, uint8_t flags)
{
	struct rsvp_error_spec error = error_of(hand, ifindex, code, value, flags);
	struct letter letter;

	begin(hand, &letter, RSVP_RESV_ERR, ifindex);
	rsvp_put_error(&letter.writer, &error);
	if (resv->n_scope > 0)
		rsvp_put_scope(&letter.writer, resv->scope, resv->n_scope);
	put_extra(hand, &letter);
	rsvp_put_style(&letter.writer, resv->style);
	put_filters(hand, &letter, resv, true);
	post(hand, &letter, ifindex);
}

size_t hand_sent(const struct hand *hand, uint8_t type, uint32_t ifindex)
{
	return sim_sent(hand->sim, HAND_R, type, ifindex);
}

void hand_last(const struct hand *hand, uint8_t type, uint32_t ifindex,
	       struct rsvp_message *ret_message)
{
	assert_non_null(sim_last_sent(hand->sim, HAND_R, type, ifindex, ret_message));
}

struct rsvp_flow hand_flow(const struct rsvp_message *message, unsigned i)
{
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;

	do
		assert_true(rsvp_flow_next(message, &iter, &flow));
	while (i-- > 0);
	return flow;
}

unsigned hand_senders(const struct hand *hand, const struct rsvp_message *message)
{
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;
	unsigned bits = 0;

	while (rsvp_flow_next(message, &iter, &flow)) {
		for (unsigned i = 0; i < N_SENDERS; i++) {
			if (rsvp_sender_equal(&flow.sender, &hand->senders[i]))
				bits |= 1u << i;
		}
	}
	return bits;
}
