/* SPDX-License-Identifier: MIT */
/*
 * ack.c: acknowledgements, both ways (spec/rsvp.md §12; RFC 2961 §4.3 to §4.6). What is owed goes along with the
 * next message to the neighbour, and after a moment in an Ack message of its own.
 */
#include "rsvp/internal.h"

#define DELAY_US 5000

/* ---- owed ---- */

static void send_owed(struct rsvp *rsvp, struct reduction *reduction)
{
	const struct neighbour *neighbour = reduction->neighbour;
	struct rsvp_writer writer;
	unsigned before;

	/* What is owed is put in front of whatever is sent: here, of nothing. */
	do {
		before = reduction->n_owed;
		rsvp_begin(rsvp, &writer, RSVP_ACK, rsvp->config.hop_ttl);
		if (rsvp_send_to_hop(rsvp, &writer, neighbour->key.ifindex, &neighbour->key.address,
				     NULL) < 0)
			reduction->n_owed = 0;
	} while (reduction->n_owed > 0 && reduction->n_owed < before);
	rsvp_stop_timer(rsvp, &reduction->ack);
}

void rsvp_ack_due(struct rsvp *rsvp, struct reduction *reduction)
{
	if (reduction->n_owed > 0)
		send_owed(rsvp, reduction);
}

void rsvp_ack_owe(struct rsvp *rsvp, struct neighbour *neighbour, uint8_t ctype, uint32_t epoch,
		  uint32_t id, uint64_t delay_us)
{
	struct reduction *reduction = rsvp_reduction_get(neighbour);
	uint64_t due_us = rsvp->now_us + delay_us;

	if (!reduction)
		return;
	reduction->owed[reduction->n_owed].id = id;
	reduction->owed[reduction->n_owed].epoch = epoch & RSVP_EPOCH_MASK;
	reduction->owed[reduction->n_owed].ctype = ctype;
	reduction->n_owed++;
	if (reduction->n_owed == OWED_MAX)
		send_owed(rsvp, reduction);
	else if (!wheel_is_set(&reduction->ack.wheel) || reduction->ack.wheel.due_us > due_us)
		rsvp_set_timer(rsvp, &reduction->ack, TIMER_ACK, delay_us);
}

void rsvp_ack_message(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		      struct neighbour *neighbour, const struct rsvp_message *message)
{
	uint64_t delay_us = DELAY_US;

	if (!rsvp_message_has(message, RSVP_CLASS_MESSAGE_ID) ||
	    !(message->message_id.flags & RSVP_ID_ACK_DESIRED))
		return;
	/* Others may have to acknowledge it too. */
	if (address_is_multicast(&arrival->destination))
		delay_us = rsvp->config.multicast_ack_ms * US_PER_MS / 1024 *
			   (rsvp->ports.random(rsvp->ports.user_data) >> 22);
	rsvp_ack_owe(rsvp, neighbour, RSVP_CTYPE_ACK, message->message_id.epoch,
		     message->message_id.id, delay_us);
}

#define ACK_LEN 12

void rsvp_ack_put(struct rsvp *rsvp, struct neighbour *neighbour, struct rsvp_writer *writer,
		  size_t room)
{
	struct reduction *reduction = neighbour ? neighbour->reduction : NULL;
	unsigned n = (unsigned)(room / ACK_LEN);

	if (!reduction)
		return;
	if (n > reduction->n_owed)
		n = reduction->n_owed;
	for (unsigned i = 0; i < n; i++) {
		const struct owed *owed = &reduction->owed[i];

		rsvp_put_ack(writer, owed->ctype,
			     &(struct rsvp_message_id){ .epoch = owed->epoch, .id = owed->id });
	}
	reduction->n_owed -= n;
	memmove(reduction->owed, reduction->owed + n, reduction->n_owed * sizeof(struct owed));
	if (reduction->n_owed == 0)
		rsvp_stop_timer(rsvp, &reduction->ack);
}

/* ---- received ---- */

void rsvp_ack_receive(struct rsvp *rsvp, struct neighbour *neighbour,
		      const struct rsvp_message *message)
{
	struct rsvp_message_id id;
	struct rsvp_object object;
	size_t position = 0;

	if (!rsvp_message_has(message, RSVP_CLASS_MESSAGE_ID_ACK))
		return;
	while (rsvp_message_next(message, RSVP_CLASS_MESSAGE_ID_ACK, &position, &object)) {
		if (rsvp_read_message_id(&object, &id) < 0)
			continue;
		if (object.ctype == RSVP_CTYPE_NACK)
			rsvp_advert_nacked(rsvp, neighbour, id.epoch, id.id);
		else
			rsvp_advert_acked(rsvp, neighbour, id.epoch, id.id);
	}
}
