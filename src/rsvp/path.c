/* SPDX-License-Identifier: MIT */
/* path.c: Paths that arrive, and those that leave (spec/rsvp.md §8.2, §8.3; RFC 2209). */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- leaving ---- */

uint8_t rsvp_path_ttl(const struct path *path)
{
	if (path->up->app)
		return path->ttl;
	return path->ttl > 0 ? (uint8_t)(path->ttl - 1) : 0;
}

/* What this node and the link add to the advertisement (RFC 2210 §3.3). */
static struct rsvp_adspec_hop advertise(const struct interface *interface, const struct path *path)
{
	const struct rsvp_interface *info = &interface->info;

	return (struct rsvp_adspec_hop){
		.broken = path->non_rsvp || !info->enforced,
		.bandwidth = (float)info->bandwidth_bps / 8.0f,
		.latency_us = info->latency_us,
		.mtu = info->mtu,
		.c_bytes = info->error_c_bytes,
		.d_us = info->error_d_us,
		.guaranteed = { .offered = info->enforced },
		.controlled_load = { .offered = true },
		.null = { .offered = true },
	};
}

static void put_adspec(struct rsvp_writer *writer, const struct interface *interface,
		       const struct path *path)
{
	uint8_t buf[RSVP_ADSPEC_MAX + RSVP_ADSPEC_GROWTH];
	struct rsvp_adspec_hop hop = advertise(interface, path);
	struct rsvp_object object;
	size_t position = 0, len;
	const uint8_t *adspec = rsvp_carried_adspec(path->carried, &len);

	if (len == 0 || rsvp_object_next(adspec, len, &position, &object) != 1)
		return;
	rsvp_put_raw(writer, buf, rsvp_compose_adspec(&object, &hop, buf));
}

/* The first node that polices says that nobody further on need to (RFC 2205 §3.8, R-086). */
static uint8_t session_flags(const struct interface *interface, const struct path *path)
{
	return path->e_police && !interface->info.enforced ? RSVP_SESSION_E_POLICE : 0;
}

/* Whom a Path reaches, if it is one, and has been heard. */
static struct neighbour *next_neighbour(const struct rsvp *rsvp, const struct out *out)
{
	if (out->next_hop.family == AF_UNSPEC)
		return NULL;
	return rsvp_neighbour_find(rsvp, out->ifindex, &out->next_hop);
}

static void send_path(struct rsvp *rsvp, const struct path *path, struct out *out, bool trigger)
{
	const struct interface *interface = rsvp_interface_usable(rsvp, out->ifindex);
	const struct sender *sender = path->sender;
	const struct session *session = sender->key.session;
	uint8_t ttl = rsvp_path_ttl(path);
	struct rsvp_writer writer;
	struct rsvp_hop own;
	const uint8_t *data;
	size_t len;

	if (ttl == 0 || !interface || !rsvp_own_hop(rsvp, out->ifindex, session->key.family, &own))
		return;
	rsvp_begin(rsvp, &writer, RSVP_PATH, ttl);
	rsvp_put_session(&writer, &session->key, session_flags(interface, path));
	rsvp_put_hop(&writer, &own);
	rsvp_put_time_values(&writer, interface->refresh_ms);
	data = rsvp_carried_policy(path->carried, &len);
	rsvp_put_raw(&writer, data, len);
	data = rsvp_carried_kept(path->carried, &len);
	rsvp_put_raw(&writer, data, len);
	rsvp_put_sender(&writer, &sender->key.sender, &path->tspec);
	put_adspec(&writer, interface, path);
	rsvp_advert_begin(rsvp, &out->advert, ID_OUT, next_neighbour(rsvp, out), trigger,
			  &out->repeats);
	rsvp_send_path(rsvp, &writer, out, ttl);
}

static void send_out(struct rsvp *rsvp, struct out *out, bool trigger)
{
	send_path(rsvp, out->sender->path, out, trigger);
	rsvp_advert_set_timer(rsvp, &out->advert, &out->refresh, TIMER_OUT, out->ifindex,
			      &out->repeats);
}

void rsvp_path_refresh(struct rsvp *rsvp, struct out *out)
{
	send_out(rsvp, out, false);
}

void rsvp_path_announce_out(struct rsvp *rsvp, struct out *out)
{
	out->repeats = RSVP_REPEATS;
	send_out(rsvp, out, true);
}

void rsvp_path_announce(struct rsvp *rsvp, struct sender *sender)
{
	struct out *out;

	LL_FOREACH(sender->outs, out)
		rsvp_path_announce_out(rsvp, out);
}

/* ---- arriving ---- */

/* What is the matter with what has come, as against what was there. */
struct change {
	bool new_path, hop, tspec, other;
};

static bool is_any(const struct change *change)
{
	return change->new_path || change->hop || change->tspec || change->other;
}

static struct path *find_path(const struct sender *sender, uint32_t in_ifindex)
{
	bool multicast = rsvp_session_is_multicast(sender->key.session);
	struct path *path;

	/* Data of a unicast session comes one way at a time: who speaks last is the previous hop. */
	if (!multicast)
		return sender->paths;
	LL_FOREACH(sender->paths, path) {
		if (path->in_ifindex == in_ifindex)
			return path;
	}
	return NULL;
}

static struct path *add_path(struct rsvp *rsvp, struct sender *sender, struct neighbour *neighbour,
			     const struct rsvp_hop *hop, uint32_t in_ifindex)
{
	struct path *path = calloc(1, sizeof(*path));
	struct up *up;

	if (!path)
		return NULL;
	up = rsvp_up_get(sender->key.session, hop, in_ifindex, NULL);
	if (!up) {
		free(path);
		return NULL;
	}
	path->sender = sender;
	path->in_ifindex = in_ifindex;
	path->neighbour = neighbour;
	rsvp_neighbour_hold(rsvp, neighbour);
	rsvp_path_attach(path, up);
	LL_APPEND(sender->paths, path);
	return path;
}

/* False: there is no memory for the new previous hop, and the old one stays. */
static bool move_path(struct rsvp *rsvp, struct path *path, struct neighbour *neighbour,
		      const struct rsvp_hop *hop, uint32_t in_ifindex)
{
	struct up *up;

	if (path->in_ifindex == in_ifindex && memcmp(&path->up->hop, hop, sizeof(*hop)) == 0)
		return false;
	up = rsvp_up_get(path->sender->key.session, hop, in_ifindex, NULL);
	if (!up)
		return false;
	rsvp_path_detach(rsvp, path);
	rsvp_path_attach(path, up);
	rsvp_neighbour_hold(rsvp, neighbour);
	rsvp_neighbour_release(rsvp, path->neighbour);
	path->neighbour = neighbour;
	path->in_ifindex = in_ifindex;
	return true;
}

static void set_path(struct rsvp *rsvp, struct path *path, const struct rsvp_arrival *arrival,
		     const struct rsvp_message *message, struct change *change)
{
	uint64_t storage[CARRIED_MAX / sizeof(uint64_t) + 1];
	struct carried *carried = (struct carried *)storage;
	uint8_t ttl = arrival->udp ? message->send_ttl : arrival->ttl;
	bool non_rsvp = ttl != message->send_ttl;
	bool e_police = message->session_flags & RSVP_SESSION_E_POLICE;

	if (memcmp(&path->tspec, &message->tspec, sizeof(path->tspec)) != 0) {
		path->tspec = message->tspec;
		change->tspec = true;
	}
	rsvp_carried_read(message, true, carried);
	if (!rsvp_carried_equal(path->carried, carried) &&
	    rsvp_carried_store(&path->carried, carried) == 0)
		change->other = true;
	change->other |= path->non_rsvp != non_rsvp || path->e_police != e_police;
	path->non_rsvp = non_rsvp;
	path->e_police = e_police;
	path->ttl_loss = non_rsvp ? (uint8_t)(message->send_ttl - ttl) : 0;
	path->ttl = ttl;
	path->udp = arrival->udp;
}

void rsvp_sender_retune(struct rsvp *rsvp, struct sender *sender)
{
	struct install *install, *next;

	DL_FOREACH_SAFE(sender->installs, install, next)
		rsvp_install_retune(rsvp, install);
	/* Also where it does not go any more. */
	DL_FOREACH_SAFE(sender->key.session->installs, install, next)
		rsvp_install_retune(rsvp, install);
}

static void act_on(struct rsvp *rsvp, struct path *path, const struct change *change)
{
	struct sender *sender = path->sender;

	if (!is_any(change))
		return;
	/* With the previous hop may have changed where data should come from, and go to. */
	if (change->new_path || change->hop)
		rsvp_sender_route(rsvp, sender, !change->new_path);
	else if (sender->path == path)
		rsvp_path_announce(rsvp, sender);
	rsvp_app_path_event(rsvp, sender, path);
	if (change->hop || change->new_path) {
		rsvp_up_dirty(rsvp, path->up, WHY_CHANGE);
		rsvp_ups_recheck(rsvp, sender->key.session);
	}
	if (change->tspec || change->new_path)
		rsvp_sender_retune(rsvp, sender);
	if (change->new_path)
		rsvp_app_fulfil(rsvp, sender->key.session);
}

static uint8_t code_of(int error, uint8_t conflict)
{
	return error == -EADDRINUSE ? conflict : RSVP_ERROR_SYSTEM;
}

/* The sender, new or not; NULL: it was answered why not. */
static struct sender *get_sender(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
				 const struct rsvp_message *message)
{
	struct session *session;
	struct sender *sender;
	struct rsvp_error error = { 0 };
	int r;

	r = rsvp_session_get(rsvp, &message->session, &session);
	if (r == 0) {
		r = rsvp_sender_get(rsvp, session, &message->sender, &sender);
		if (r == 0)
			return sender;
		rsvp_session_put(rsvp, session);
		error.code = code_of(r, RSVP_ERROR_SRC_PORTS);
	} else {
		error.code = code_of(r, RSVP_ERROR_DST_PORTS);
	}
	rsvp_count_one(rsvp, r == -EADDRINUSE ? RSVP_COUNT_BAD_PORTS : RSVP_COUNT_LIMITED);
	rsvp_path_err_answer(rsvp, arrival, message, &error);
	return NULL;
}

static struct path *get_path(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			     struct neighbour *neighbour, const struct rsvp_message *message,
			     struct change *change)
{
	struct sender *sender = get_sender(rsvp, arrival, message);
	struct path *path = sender ? find_path(sender, arrival->ifindex) : NULL;

	if (!sender)
		return NULL;
	if (path && path->up->app) {
		/* Nobody else speaks for a sender on this node. */
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_HOP);
		return NULL;
	}
	if (path) {
		change->hop = move_path(rsvp, path, neighbour, &message->hop, arrival->ifindex);
		return path;
	}
	if (rsvp_neighbour_has_room(rsvp, neighbour))
		path = add_path(rsvp, sender, neighbour, &message->hop, arrival->ifindex);
	if (!path) {
		static const struct rsvp_error error = { .code = RSVP_ERROR_SYSTEM };

		rsvp_count_one(rsvp, RSVP_COUNT_LIMITED);
		rsvp_path_err_answer(rsvp, arrival, message, &error);
		if (!sender->paths)
			rsvp_sender_free(rsvp, sender);
		return NULL;
	}
	change->new_path = true;
	return path;
}

void rsvp_path_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       struct neighbour *neighbour, const struct rsvp_message *message)
{
	const struct interface *interface = rsvp_interface_find(rsvp, arrival->ifindex);
	struct change change = { 0 };
	struct rsvp_error error;
	struct path *path;

	if (rsvp_consent_to_path(rsvp, arrival, message, &error) < 0) {
		rsvp_path_err_answer(rsvp, arrival, message, &error);
		return;
	}
	path = get_path(rsvp, arrival, neighbour, message, &change);
	if (!path)
		return;
	set_path(rsvp, path, arrival, message, &change);
	rsvp_set_timer(rsvp, &path->cleanup, TIMER_PATH,
		       rsvp_lifetime_us(interface, message->refresh_ms));
	rsvp_path_heard(rsvp, path, neighbour, message, is_any(&change));
	act_on(rsvp, path, &change);
}
