/* SPDX-License-Identifier: MIT */
/* resv_receive.c: what a Resv asks for, descriptor by descriptor (spec/rsvp.md §8.6). */
#include "rsvp/internal.h"

/* A Resv on its way through: where it came from, and what it is for. */
struct asking {
	struct rsvp *rsvp;
	const struct rsvp_arrival *arrival;
	const struct rsvp_message *message;
	struct interface *interface; /* where it asks for something */
	struct request request;
	bool in_part; /* not all of it has become state */
	struct sender *senders[FLOWS_MAX];
};

static void refuse(struct asking *asking, const struct rsvp_flow *flow, uint8_t code,
		   uint16_t value)
{
	struct rsvp_error error = { .code = code, .value = value };

	asking->in_part = true;
	rsvp_resv_err_answer(asking->rsvp, asking->arrival, asking->message, flow, &error);
}

/* The LIH is what this node gave out with its Path: the interface that the Path left by. */
static struct interface *interface_of(const struct rsvp *rsvp, const struct rsvp_arrival *arrival,
				      const struct rsvp_message *message)
{
	uint32_t lih = message->hop.lih;

	return rsvp_interface_usable(rsvp, lih ? lih : arrival->ifindex);
}

/* The sender that a filter names, if its data goes that way. */
static struct sender *match(const struct asking *asking, const struct rsvp_sender *filter)
{
	struct sender *sender = rsvp_sender_find(asking->rsvp, asking->request.session, filter);

	return sender && rsvp_sender_out(sender, asking->interface->info.ifindex) ? sender : NULL;
}

/* What can be said of a flowspec before anything is done. True: it is fine. */
static bool check_flowspec(struct asking *asking, const struct rsvp_flow *flow,
			   const struct rsvp_flow *answer_to)
{
	if (flow->error_code != 0) {
		refuse(asking, answer_to, flow->error_code, flow->error_value);
		return false;
	}
	if (flow->flowspec.tspec.M > asking->interface->info.mtu) {
		refuse(asking, answer_to, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_MTU);
		return false;
	}
	return true;
}

static void reserve(struct asking *asking, const struct rsvp_flow *flow,
		    const struct rsvp_flow *answer_to)
{
	struct rsvp_error error;

	asking->request.flowspec = &flow->flowspec;
	if (rsvp_reserve(asking->rsvp, &asking->request, &error) == 0)
		return;
	asking->in_part = true;
	rsvp_resv_err_answer(asking->rsvp, asking->arrival, asking->message, answer_to, &error);
}

/* Each descriptor stands for itself. */
static void ask_fixed(struct asking *asking)
{
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;

	while (rsvp_flow_next(asking->message, &iter, &flow)) {
		asking->senders[0] = match(asking, &flow.sender);
		asking->request.n_senders = 1;
		if (!asking->senders[0])
			refuse(asking, &flow, RSVP_ERROR_NO_SENDER, 0);
		else if (check_flowspec(asking, &flow, &flow))
			reserve(asking, &flow, &flow);
	}
}

static bool is_listed(const struct asking *asking, const struct sender *sender)
{
	for (unsigned i = 0; i < asking->request.n_senders; i++) {
		if (asking->senders[i] == sender)
			return true;
	}
	return false;
}

/* Filters without a sender are left out. */
static void ask_explicit(struct asking *asking)
{
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow, first = { 0 };
	struct sender *sender;

	while (rsvp_flow_next(asking->message, &iter, &flow)) {
		sender = match(asking, &flow.sender);
		asking->in_part |= !sender;
		if (sender && !is_listed(asking, sender))
			asking->senders[asking->request.n_senders++] = sender;
		first = flow;
	}
	if (asking->request.n_senders == 0)
		refuse(asking, NULL, RSVP_ERROR_NO_SENDER, 0);
	else if (check_flowspec(asking, &first, NULL))
		reserve(asking, &first, NULL);
}

/* Every sender whose data goes that way. */
static void ask_wildcard(struct asking *asking)
{
	struct rsvp_flow_iter iter = { 0 };
	struct sender *sender;
	struct rsvp_flow flow;

	asking->request.senders = NULL;
	if (!rsvp_flow_next(asking->message, &iter, &flow))
		return;
	DL_FOREACH(asking->request.session->senders, sender) {
		if (rsvp_sender_out(sender, asking->interface->info.ifindex))
			break;
	}
	if (!sender)
		refuse(asking, NULL, RSVP_ERROR_NO_SENDER, 0);
	else if (check_flowspec(asking, &flow, NULL))
		reserve(asking, &flow, NULL);
}

static void ask(struct asking *asking)
{
	switch (asking->message->style) {
	case RSVP_STYLE_FF:
		ask_fixed(asking);
		break;
	case RSVP_STYLE_SE:
		ask_explicit(asking);
		break;
	case RSVP_STYLE_WF:
		ask_wildcard(asking);
		break;
	case RSVP_STYLE_NONE:
		break;
	}
}

/* The confirmation is asked for in the message at hand, and for what it has changed. */
static void ask_confirmed(struct asking *asking)
{
	struct rsvp *rsvp = asking->rsvp;

	rsvp->confirming.receiver = asking->message->confirm;
	rsvp->confirming.serial++;
	asking->request.confirm = asking->message->confirm.family != AF_UNSPEC;
	ask(asking);
	/* The rest is asked for again with each refresh, so it must come in full. */
	if (asking->in_part && asking->request.id)
		rsvp_forget_id(rsvp, asking->request.neighbour, asking->request.id->epoch,
			       asking->request.id->id);
	rsvp_flush(rsvp);
}

void rsvp_resv_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       struct neighbour *neighbour, const struct rsvp_message *message)
{
	uint64_t storage[CARRIED_MAX / sizeof(uint64_t) + 1];
	struct carried *carried = (struct carried *)storage;
	struct asking asking;

	asking.rsvp = rsvp;
	asking.arrival = arrival;
	asking.message = message;
	asking.in_part = false;
	asking.interface = interface_of(rsvp, arrival, message);
	if (!asking.interface) {
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_HOP);
		return;
	}
	asking.request = (struct request){
		.session = rsvp_session_find(rsvp, &message->session),
		.ifindex = asking.interface->info.ifindex,
		.hop = &message->hop,
		.neighbour = neighbour,
		.style = message->style,
		.senders = asking.senders,
		.carried = carried,
		.scope = message->style == RSVP_STYLE_WF &&
					 rsvp_message_has(message, RSVP_CLASS_SCOPE)
				 ? &message->object[RSVP_CLASS_SCOPE]
				 : NULL,
		.id = rsvp_message_id_of(message),
		.lifetime_us = rsvp_lifetime_us(asking.interface, message->refresh_ms),
	};
	if (!asking.request.session || !asking.request.session->senders) {
		refuse(&asking, NULL, RSVP_ERROR_NO_PATH, 0);
		return;
	}
	if (asking.request.session->n_resvs > 0 &&
	    asking.request.session->style != message->style) {
		refuse(&asking, NULL, RSVP_ERROR_STYLE_CONFLICT, asking.request.session->style);
		return;
	}
	rsvp_carried_read(message, false, carried);
	ask_confirmed(&asking);
}
