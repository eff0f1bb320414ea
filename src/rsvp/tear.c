/* SPDX-License-Identifier: MIT */
/*
 * tear.c: PathTear and ResvTear, both ways (spec/rsvp.md §8.4, §8.9; RFC 2205 §3.1.5, §3.1.6). What goes out goes
 * once more, identical, half a second later, unless what it ended has begun anew.
 */
#include "rsvp/internal.h"

#include <stdlib.h>

#define REPEAT_AFTER_US (US_PER_S / 2)
/* Tears that wait; more are sent only once. */
#define REPEATS_MAX 65536u

/* ---- once more ---- */

void rsvp_repeat_free(struct rsvp *rsvp, struct repeat *repeat)
{
	rsvp_stop_timer(rsvp, &repeat->timer);
	DL_DELETE(rsvp->repeats, repeat);
	rsvp->n_repeats--;
	free(repeat);
}

static void repeat_later(struct rsvp *rsvp, const struct rsvp_packet *packet)
{
	struct repeat *repeat;

	if (rsvp->ending || rsvp->n_repeats >= REPEATS_MAX)
		return;
	repeat = calloc(1, sizeof(*repeat) + packet->len);
	if (!repeat)
		return;
	repeat->packet = *packet;
	memcpy(repeat->data, packet->data, packet->len);
	repeat->packet.data = repeat->data;
	DL_APPEND(rsvp->repeats, repeat);
	rsvp->n_repeats++;
	rsvp_set_timer(rsvp, &repeat->timer, TIMER_REPEAT, REPEAT_AFTER_US);
}

static bool is_reserved(const struct rsvp *rsvp, const struct session *session,
			const struct rsvp_message *message, const struct address *hop)
{
	struct address bare = *hop;
	const struct up *up;
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;
	struct sender *sender;

	bare.port = 0; /* of UDP */
	up = rsvp_up_find(session, &bare);
	if (!up || up->digest == 0)
		return false;
	if (message->style == RSVP_STYLE_WF)
		return true;
	while (rsvp_flow_next(message, &iter, &flow)) {
		sender = rsvp_sender_find(rsvp, session, &flow.sender);
		if (sender && sender->path && sender->path->up == up && sender->path->reserved)
			return true;
	}
	return false;
}

static bool has_begun_anew(const struct rsvp *rsvp, const struct repeat *repeat)
{
	struct rsvp_complaint complaint;
	struct rsvp_message message;
	struct session *session;

	if (rsvp_message_parse(repeat->packet.data, repeat->packet.len, &rsvp->limits, &message,
			       &complaint) < 0)
		return true;
	session = rsvp_session_find(rsvp, &message.session);
	if (!session)
		return false;
	if (message.type == RSVP_PATH_TEAR)
		return rsvp_sender_find(rsvp, session, &message.sender);
	return is_reserved(rsvp, session, &message, &repeat->packet.destination);
}

void rsvp_repeat_tear(struct rsvp *rsvp, struct repeat *repeat)
{
	if (!has_begun_anew(rsvp, repeat) && rsvp_interface_usable(rsvp, repeat->packet.ifindex) &&
	    rsvp_key_renew(rsvp, &repeat->packet, repeat->data, repeat->packet.len)) {
		rsvp_bundle_flush(rsvp);
		rsvp_count_one(rsvp, RSVP_COUNT_SENT);
		rsvp->types[1][repeat->data[1] & 31]++;
		rsvp->ports.send(rsvp->ports.user_data, &repeat->packet);
	}
	rsvp_repeat_free(rsvp, repeat);
}

/* ---- leaving ---- */

/* What the tear that is being passed on has of unknown classes goes along. */
void rsvp_put_passed(struct rsvp *rsvp, struct rsvp_writer *writer)
{
	struct rsvp_object object;
	size_t position = 0;

	if (!rsvp->passing || rsvp->passing->n_kept == 0)
		return;
	while (rsvp_message_next_kept(rsvp->passing, &position, &object))
		rsvp_put_object(writer, &object);
}

void rsvp_path_tear_send(struct rsvp *rsvp, const struct path *path, const struct out *out)
{
	const struct sender *sender = path->sender;
	const struct session *session = sender->key.session;
	uint8_t ttl = rsvp_path_ttl(path);
	struct rsvp_packet packet;
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (ttl == 0 || !rsvp_own_hop(rsvp, out->ifindex, session->key.family, &own))
		return;
	rsvp_begin(rsvp, &writer, RSVP_PATH_TEAR, ttl);
	rsvp_put_session(&writer, &session->key, 0);
	rsvp_put_hop(&writer, &own);
	rsvp_put_passed(rsvp, &writer);
	rsvp_put_sender(&writer, &sender->key.sender, &path->tspec);
	if (rsvp_send_along(rsvp, &writer, sender, out->ifindex, ttl, &packet) == 0)
		repeat_later(rsvp, &packet);
}

static struct path *put_chosen(struct rsvp_writer *writer, struct path *path)
{
	for (unsigned n = 0; path && n < FLOWS_MAX; path = path->up_next) {
		if (!path->chosen)
			continue;
		rsvp_put_filter(writer, &path->sender->key.sender);
		n++;
	}
	while (path && !path->chosen)
		path = path->up_next;
	return path;
}

void rsvp_resv_tear_send(struct rsvp *rsvp, struct up *up)
{
	const struct session *session = up->session;
	struct path *path = up->paths;
	struct rsvp_packet packet;
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (!rsvp_own_hop(rsvp, up->ifindex, session->key.family, &own))
		return;
	own.lih = up->hop.lih;
	while (path) {
		rsvp_begin(rsvp, &writer, RSVP_RESV_TEAR, rsvp->config.hop_ttl);
		rsvp_put_session(&writer, &session->key, 0);
		rsvp_put_hop(&writer, &own);
		rsvp_put_passed(rsvp, &writer);
		rsvp_put_style(&writer, session->style);
		path = session->style == RSVP_STYLE_WF ? NULL : put_chosen(&writer, path);
		if (rsvp_send_to_hop(rsvp, &writer, up->ifindex, &up->hop.address, &packet) == 0)
			repeat_later(rsvp, &packet);
	}
}

/* ---- arriving ---- */

static struct path *find_path(const struct sender *sender, const struct rsvp_arrival *arrival,
			      const struct rsvp_hop *hop)
{
	bool multicast = rsvp_session_is_multicast(sender->key.session);
	struct path *path;

	LL_FOREACH(sender->paths, path) {
		if (!path->up->app && memcmp(&path->up->hop, hop, sizeof(*hop)) == 0 &&
		    (!multicast || path->in_ifindex == arrival->ifindex))
			return path;
	}
	return NULL;
}

void rsvp_path_tear_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			    const struct rsvp_message *message)
{
	struct session *session = rsvp_session_find(rsvp, &message->session);
	struct sender *sender = session ? rsvp_sender_find(rsvp, session, &message->sender) : NULL;
	struct path *path = sender ? find_path(sender, arrival, &message->hop) : NULL;

	if (!path) {
		rsvp_count_one(rsvp, RSVP_COUNT_NO_STATE);
		return;
	}
	rsvp->passing = message;
	rsvp_path_end(rsvp, path);
	rsvp->passing = NULL;
}

/* Ends what the message names of it; false: there is no such thing. */
static bool tear_flow(struct rsvp *rsvp, const struct session *session,
		      const struct rsvp_message *message, uint32_t ifindex, struct sender *sender)
{
	struct install *install;
	struct resv *resv;

	if (message->style != RSVP_STYLE_WF && !sender)
		return false;
	install = rsvp_install_find(session, sender, message->style, false, ifindex);
	resv = install ? rsvp_resv_find(install, &message->hop, NULL) : NULL;
	if (!resv || (sender && !rsvp_resv_has(resv, sender)))
		return false;
	rsvp_resv_end(rsvp, resv, sender, WHY_TEAR);
	return true;
}

void rsvp_resv_tear_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			    const struct rsvp_message *message)
{
	uint32_t ifindex = message->hop.lih ? message->hop.lih : arrival->ifindex;
	struct session *session = rsvp_session_find(rsvp, &message->session);
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;
	struct sender *sender;
	bool any = false;

	if (session && session->n_resvs > 0 && session->style == message->style) {
		rsvp->passing = message;
		while (rsvp_flow_next(message, &iter, &flow)) {
			sender = message->style == RSVP_STYLE_WF
					 ? NULL
					 : rsvp_sender_find(rsvp, session, &flow.sender);
			any |= tear_flow(rsvp, session, message, ifindex, sender);
		}
		rsvp_flush(rsvp);
		rsvp->passing = NULL;
	}
	if (!any)
		rsvp_count_one(rsvp, RSVP_COUNT_NO_STATE);
}
