/* SPDX-License-Identifier: MIT */
/*
 * reduce.c: refresh reduction as far as it concerns neighbours and what they have advertised: who can do it, which
 * of their messages are out of order, and which state an identifier stands for (spec/rsvp.md §12; RFC 2961 §2, §4).
 */
#include "rsvp/internal.h"

#include <stdlib.h>

/* ---- neighbours ---- */

struct reduction *rsvp_reduction_get(struct neighbour *neighbour)
{
	if (!neighbour->reduction) {
		neighbour->reduction = calloc(1, sizeof(*neighbour->reduction));
		if (neighbour->reduction)
			neighbour->reduction->neighbour = neighbour;
	}
	return neighbour->reduction;
}

void rsvp_reduction_free(struct rsvp *rsvp, struct neighbour *neighbour)
{
	if (!neighbour->reduction)
		return;
	rsvp_stop_timer(rsvp, &neighbour->reduction->ack);
	rsvp_stop_timer(rsvp, &neighbour->reduction->srefresh);
	free(neighbour->reduction);
	neighbour->reduction = NULL;
}

bool rsvp_may_reduce(const struct rsvp *rsvp, const struct neighbour *neighbour)
{
	const struct interface *interface;

	if (!neighbour || !neighbour->reduces || neighbour->rejects_ids)
		return false;
	interface = rsvp_interface_usable(rsvp, neighbour->key.ifindex);
	return interface && interface->info.reduce_refreshes;
}

/* These come from nodes that need not be next to this one. */
static bool comes_from_afar(uint8_t type)
{
	return type == RSVP_RESV_CONF || type == RSVP_DREQ || type == RSVP_DREP ||
	       type == RSVP_CHALLENGE || type == RSVP_RESPONSE;
}

void rsvp_watch_reduction(struct neighbour *neighbour, const struct rsvp_message *message)
{
	if (!comes_from_afar(message->type))
		neighbour->reduces = message->flags & RSVP_HEADER_REDUCES;
}

uint8_t rsvp_header_flags(const struct rsvp *rsvp, uint32_t ifindex)
{
	const struct interface *interface = rsvp_interface_find(rsvp, ifindex);

	return !interface || interface->info.reduce_refreshes ? RSVP_HEADER_REDUCES : 0;
}

/* ---- MESSAGE_ID rejected: 13, and the class in question (R-236) ---- */

static bool is_about_ids(const struct rsvp_message *message)
{
	return message->error.code == RSVP_ERROR_UNKNOWN_CLASS &&
	       message->error.value >> 8 == RSVP_CLASS_MESSAGE_ID;
}

static bool give_up_ids(struct advert *advert)
{
	if (!advert->link.neighbour)
		return false;
	advert->link.neighbour->rejects_ids = true;
	return true;
}

static bool path_is_rejected(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			     const struct rsvp_message *message)
{
	struct session *session = rsvp_session_find(rsvp, &message->session);
	struct sender *sender = session ? rsvp_sender_find(rsvp, session, &message->sender) : NULL;
	struct out *out = sender ? rsvp_sender_out(sender, arrival->ifindex) : NULL;

	if (!out || !give_up_ids(&out->advert))
		return false;
	rsvp_path_announce_out(rsvp, out);
	return true;
}

static bool resv_is_rejected(struct rsvp *rsvp, const struct rsvp_message *message)
{
	struct session *session = rsvp_session_find(rsvp, &message->session);
	struct up *up = session ? rsvp_up_find(session, &message->hop.address) : NULL;

	if (!up || !give_up_ids(&up->advert))
		return false;
	up->repeats = RSVP_REPEATS;
	rsvp_up_update(rsvp, up, WHY_REFRESH);
	return true;
}

bool rsvp_ids_are_rejected(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *message)
{
	if (message->type == RSVP_PATH_ERR && is_about_ids(message))
		return path_is_rejected(rsvp, arrival, message);
	if (message->type == RSVP_RESV_ERR && is_about_ids(message))
		return resv_is_rejected(rsvp, message);
	return false;
}

/* ---- order ---- */

static bool is_older(uint32_t id, uint32_t than)
{
	return (int32_t)(than - id) > 0;
}

static bool link_is_newer(const struct id_link *link, const struct rsvp_message_id *id)
{
	return link->neighbour && link->epoch == id->epoch && is_older(id->id, link->id);
}

static bool path_is_newer(const struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct session *session, const struct rsvp_message *message)
{
	const struct sender *sender = rsvp_sender_find(rsvp, session, &message->sender);
	const struct path *path;

	if (!sender)
		return false;
	LL_FOREACH(sender->paths, path) {
		if (path->in_ifindex == arrival->ifindex &&
		    link_is_newer(&path->heard, &message->message_id))
			return true;
	}
	return false;
}

static bool install_is_newer(const struct install *installs, const struct rsvp_message *message)
{
	const struct install *install;
	const struct resv *resv;

	DL_FOREACH(installs, install) {
		DL_FOREACH(install->resvs, resv) {
			if (!resv->app &&
			    memcmp(&resv->hop, &message->hop, sizeof(resv->hop)) == 0 &&
			    link_is_newer(&resv->heard, &message->message_id))
				return true;
		}
	}
	return false;
}

static bool resv_is_newer(const struct rsvp *rsvp, const struct session *session,
			  const struct rsvp_message *message)
{
	struct rsvp_flow_iter iter = { 0 };
	const struct sender *sender;
	struct rsvp_flow flow;

	if (message->style != RSVP_STYLE_FF)
		return install_is_newer(session->installs, message);
	while (rsvp_flow_next(message, &iter, &flow)) {
		sender = rsvp_sender_find(rsvp, session, &flow.sender);
		if (sender && install_is_newer(sender->installs, message))
			return true;
	}
	return false;
}

static bool state_is_newer(const struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *message)
{
	const struct session *session = rsvp_session_find(rsvp, &message->session);

	if (!session)
		return false;
	if (message->type == RSVP_PATH || message->type == RSVP_PATH_TEAR)
		return path_is_newer(rsvp, arrival, session, message);
	if (message->type == RSVP_RESV || message->type == RSVP_RESV_TEAR)
		return resv_is_newer(rsvp, session, message);
	return false;
}

/* R-225..R-228 */
bool rsvp_is_in_order(const struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		      struct neighbour *neighbour, const struct rsvp_message *message)
{
	const struct rsvp_message_id *id = &message->message_id;
	struct reduction *reduction;

	if (!rsvp_message_has(message, RSVP_CLASS_MESSAGE_ID))
		return true;
	reduction = rsvp_reduction_get(neighbour);
	if (!reduction)
		return true;
	if (!reduction->heard || reduction->epoch != id->epoch ||
	    !is_older(id->id, reduction->largest)) {
		reduction->heard = true;
		reduction->epoch = id->epoch;
		reduction->largest = id->id;
		return true;
	}
	return !state_is_newer(rsvp, arrival, message);
}

/* ---- what identifiers stand for ---- */

void rsvp_forget_id(struct rsvp *rsvp, struct neighbour *neighbour, uint32_t epoch, uint32_t id)
{
	struct id_link *link;

	while ((link = id_map_find(rsvp, &rsvp->heard_ids, neighbour, epoch, id, NULL)))
		id_map_remove(rsvp, &rsvp->heard_ids, link);
}

void rsvp_forget_heard(struct rsvp *rsvp, const struct id_link *link)
{
	if (link->neighbour)
		rsvp_forget_id(rsvp, link->neighbour, link->epoch, link->id);
}

/* One without an identifier that changes something leaves nothing that the old one could stand for. */
static void hear(struct rsvp *rsvp, struct id_link *link, struct neighbour *neighbour,
		 enum id_kind kind, const struct rsvp_message_id *id, bool changed)
{
	if (id)
		id_map_put(rsvp, &rsvp->heard_ids, link, neighbour, kind, id->epoch, id->id);
	else if (changed)
		rsvp_forget_heard(rsvp, link);
}

const struct rsvp_message_id *rsvp_message_id_of(const struct rsvp_message *message)
{
	return rsvp_message_has(message, RSVP_CLASS_MESSAGE_ID) ? &message->message_id : NULL;
}

void rsvp_path_heard(struct rsvp *rsvp, struct path *path, struct neighbour *neighbour,
		     const struct rsvp_message *message, bool changed)
{
	path->refresh_ms = message->refresh_ms;
	hear(rsvp, &path->heard, neighbour, ID_PATH, rsvp_message_id_of(message), changed);
}

static bool is_among(const struct request *request, const struct sender *sender)
{
	for (unsigned i = 0; i < request->n_senders; i++) {
		if (request->senders[i] == sender)
			return true;
	}
	return false;
}

void rsvp_resv_heard(struct rsvp *rsvp, struct resv *resv, const struct request *request,
		     bool changed)
{
	if (resv->app)
		return;
	resv->lifetime_us = request->lifetime_us;
	hear(rsvp, &resv->heard, request->neighbour, ID_RESV, request->id, changed);
	for (uint32_t i = 0; request->id && i < resv->n_filters; i++)
		resv->filters[i].listed = is_among(request, resv->filters[i].sender);
}

/* As if the message had come again. */
bool rsvp_path_touch(struct rsvp *rsvp, struct path *path)
{
	const struct interface *interface = rsvp_interface_find(rsvp, path->in_ifindex);

	if (interface)
		rsvp_set_timer(rsvp, &path->cleanup, TIMER_PATH,
			       rsvp_lifetime_us(interface, path->refresh_ms));
	return interface;
}

/* Where data of nobody goes any more, the message would have been refused. */
static bool is_wanted(const struct resv *resv)
{
	const struct sender *sender;

	DL_FOREACH(resv->install->session->senders, sender) {
		if (rsvp_install_reaches(resv->install, sender))
			return true;
	}
	return false;
}

bool rsvp_resv_touch(struct rsvp *rsvp, struct resv *resv)
{
	uint64_t expires_us = rsvp->now_us + resv->lifetime_us;
	bool all = resv->filters || is_wanted(resv);

	if (!resv->filters && all)
		resv->one.expires_us = expires_us;
	for (uint32_t i = 0; i < resv->n_filters; i++) {
		struct filter *filter = &resv->filters[i];

		if (!filter->listed)
			continue;
		if (rsvp_install_reaches(resv->install, filter->sender))
			filter->expires_us = expires_us;
		else
			all = false;
	}
	rsvp_resv_set_timer(rsvp, resv);
	return all;
}
