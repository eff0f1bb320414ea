/* SPDX-License-Identifier: MIT */
/*
 * consent.c: whether policy lets be what neighbours ask for (RFC 2750 §4.3). Whose programs on this node may ask
 * for what, the host has seen to before.
 */
#include "rsvp/internal.h"

static int ask(struct rsvp *rsvp, const struct rsvp_policy_question *question,
	       struct rsvp_error *ret_error)
{
	*ret_error = (struct rsvp_error){ .value = RSVP_POLICY_ERROR_REJECT };
	if (rsvp->ports.policy(rsvp->ports.user_data, question, ret_error) == 0)
		return 0;
	ret_error->code = RSVP_ERROR_POLICY;
	return -1;
}

static void set_policy(struct rsvp_policy_question *question, const struct carried *carried)
{
	const uint8_t *policy = rsvp_carried_policy(carried, &question->policy_len);

	if (question->policy_len > 0)
		question->policy = policy;
}

void rsvp_policy_changed(struct rsvp *rsvp)
{
	id_map_clear(rsvp, &rsvp->heard_ids);
}

int rsvp_consent_to_path(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			 const struct rsvp_message *message, struct rsvp_error *ret_error)
{
	uint64_t storage[CARRIED_MAX / sizeof(uint64_t) + 1];
	struct carried *carried = (struct carried *)storage;
	struct rsvp_policy_question question = {
		.session = message->session,
		.ifindex = arrival->ifindex,
		.neighbour = message->hop.address,
		.sender = &message->sender,
		.tspec = &message->tspec.tspec,
	};

	if (!rsvp->ports.policy)
		return 0;
	rsvp_carried_read(message, false, carried);
	set_policy(&question, carried);
	return ask(rsvp, &question, ret_error);
}

int rsvp_consent_to_resv(struct rsvp *rsvp, const struct request *request,
			 struct rsvp_error *ret_error)
{
	struct rsvp_policy_question question = {
		.session = request->session->key,
		.ifindex = request->ifindex,
		.style = request->style,
		.flowspec = request->flowspec,
	};

	if (!rsvp->ports.policy || request->app)
		return 0;
	question.neighbour = request->hop->address;
	if (request->style == RSVP_STYLE_FF)
		question.sender = &request->senders[0]->key.sender;
	set_policy(&question, request->carried);
	return ask(rsvp, &question, ret_error);
}
