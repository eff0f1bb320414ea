/* SPDX-License-Identifier: MIT */
/* message_together.c: what must be in a message together, and what must not. */
#include "rsvp/message_walk.h"

static bool family_fits(const struct rsvp_message *message, uint16_t family)
{
	return family == AF_UNSPEC || message->session.family == AF_UNSPEC ||
	       family == message->session.family;
}

static int check_families(struct walk *walk)
{
	const struct rsvp_message *message = walk->message;
	const struct rsvp_object *scope = &message->object[RSVP_CLASS_SCOPE];
	uint16_t scope_family = AF_UNSPEC;

	if (scope->data && (scope->ctype == 1 || scope->ctype == 2))
		scope_family = scope->ctype == 1 ? AF_INET : AF_INET6;
	if (!family_fits(message, message->hop.address.family) ||
	    !family_fits(message, message->error.node.family) ||
	    !family_fits(message, message->confirm.family) || !family_fits(message, scope_family))
		return refuse(walk, RSVP_REASON_FAMILY, NULL);
	return 0;
}

/* RFC 2205 §3.2 and RFC 2207 §4.1. Nothing can be said of what is not decoded. */
static int check_sender(struct walk *walk, const struct rsvp_sender *sender,
			const struct rsvp_object *object)
{
	const struct rsvp_session *session = &walk->message->session;

	if (session->family == AF_UNSPEC || sender->family == AF_UNSPEC)
		return 0;
	if (!rsvp_sender_fits(session, sender))
		return refuse(walk, RSVP_REASON_FAMILY, object);
	if (sender->form == RSVP_FORM_PORTS && session->port == 0 && sender->id != 0)
		return refuse(walk, RSVP_REASON_PORTS, object);
	return 0;
}

/* What the descriptors of a style look like: how many of each there are, and in which order. */
struct descriptors {
	unsigned flowspecs, filters;
	bool first_is_filter;
	bool lone_flowspec; /* one without a filter of its own behind it */
};

static bool fits_style(const struct descriptors *found, enum rsvp_style style, uint8_t type)
{
	bool may_lack = type == RSVP_RESV_TEAR;

	if (type == RSVP_RESV_ERR && found->flowspecs + found->filters == 0)
		return true;
	switch (style) {
	case RSVP_STYLE_WF:
		return found->filters == 0 && found->flowspecs <= 1 &&
		       (may_lack || found->flowspecs == 1);
	case RSVP_STYLE_SE:
		return found->filters > 0 && found->flowspecs <= 1 && !found->lone_flowspec &&
		       (found->flowspecs == 0 ? may_lack : !found->first_is_filter);
	case RSVP_STYLE_FF:
		return found->filters > 0 && !found->lone_flowspec &&
		       (may_lack || !found->first_is_filter) &&
		       (type != RSVP_RESV_ERR || found->filters == 1);
	case RSVP_STYLE_NONE:
	default:
		return true; /* nothing is known of such a style */
	}
}

static int check_filter(struct walk *walk, const struct rsvp_object *object)
{
	struct rsvp_sender sender = { 0 };

	if (rsvp_read_sender(object, &sender) < 0)
		return 0; /* a C-Type that is not known, which is answered */
	return check_sender(walk, &sender, object);
}

static int check_flows(struct walk *walk)
{
	struct rsvp_message *message = walk->message;
	size_t position = message->flows_at;
	struct descriptors found = { 0 };
	struct rsvp_object object;
	int r;

	if (!message->object[RSVP_CLASS_STYLE].data)
		return 0;
	while (rsvp_object_next(message->data, message->len, &position, &object) == 1) {
		if (object.class_num == RSVP_CLASS_FILTER_SPEC) {
			found.first_is_filter |= found.flowspecs == 0;
			found.lone_flowspec = false;
			found.filters++;
			r = check_filter(walk, &object);
			if (r < 0)
				return r;
		} else if (object.class_num == RSVP_CLASS_FLOWSPEC) {
			if (found.lone_flowspec)
				return refuse(walk, RSVP_REASON_FLOWS, &object);
			found.lone_flowspec = message->style == RSVP_STYLE_FF ||
					      message->style == RSVP_STYLE_SE;
			found.flowspecs++;
		}
	}
	if (!fits_style(&found, message->style, message->type))
		return refuse(walk, RSVP_REASON_FLOWS, NULL);
	if (found.filters > walk->limits->flows)
		return refuse(walk, RSVP_REASON_LIMIT, NULL);
	message->n_flows = found.filters;
	if (message->style == RSVP_STYLE_WF)
		message->n_flows = 1;
	return 0;
}

/* RFC 2961 §5.2: lists of sources go to many, the others to one neighbour. */
static int check_lists(struct walk *walk)
{
	const struct rsvp_message *message = walk->message;
	bool sources = false, others = false;
	struct rsvp_object object;
	size_t position = 0;

	while (rsvp_message_next(message, RSVP_CLASS_MESSAGE_ID_LIST, &position, &object)) {
		if (object.ctype == RSVP_LIST_SOURCE4 || object.ctype == RSVP_LIST_SOURCE6)
			sources = true;
		else
			others = true;
	}
	return sources && others ? refuse(walk, RSVP_REASON_FORBIDDEN, NULL) : 0;
}

int rsvp_walk_end(struct walk *walk)
{
	struct rsvp_message *message = walk->message;
	int r;

	if ((walk->seen & walk->grammar->required) != walk->grammar->required)
		return refuse(walk, RSVP_REASON_MISSING, NULL);
	r = check_families(walk);
	if (r < 0)
		return r;
	r = check_sender(walk, &message->sender, &message->object[RSVP_CLASS_SENDER_TEMPLATE]);
	if (r < 0)
		return r;
	r = check_flows(walk);
	if (r < 0)
		return r;
	r = check_lists(walk);
	if (r < 0)
		return r;
	/* Without a hop that is understood there is nowhere to answer to. */
	if (walk->unanswered && message->hop.address.family == AF_UNSPEC)
		return refuse(walk, walk->complaint->reason, &walk->complaint->object);
	return walk->unanswered ? -EOPNOTSUPP : 0;
}
