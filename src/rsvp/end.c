/* SPDX-License-Identifier: MIT */
/*
 * end.c: the one way out. Tears, timeouts, releases, applications and interfaces that go: all of them end path
 * state with rsvp_path_end() and reservations with rsvp_resv_end(), and with nothing else.
 */
#include "rsvp/internal.h"

#include <stdlib.h>

/* ---- reservations ---- */

static void make_dirty(struct rsvp *rsvp, const struct resv *resv, struct sender *sender,
		       unsigned why)
{
	struct session *session = resv->install->session;

	if (why == 0)
		return;
	rsvp_install_dirty(rsvp, resv->install);
	if (sender) {
		rsvp_ups_dirty(rsvp, session, sender, why);
		return;
	}
	if (!resv->filters)
		rsvp_ups_dirty(rsvp, session, NULL, why);
	for (uint32_t i = 0; i < resv->n_filters; i++)
		rsvp_ups_dirty(rsvp, session, resv->filters[i].sender, why);
}

static void remove_filter(struct rsvp *rsvp, struct resv *resv, const struct sender *sender)
{
	for (uint32_t i = 0; i < resv->n_filters; i++) {
		if (resv->filters[i].sender != sender)
			continue;
		if (resv->filters[i].listed)
			rsvp_forget_heard(rsvp, &resv->heard);
		resv->filters[i--] = resv->filters[--resv->n_filters];
	}
	rsvp_resv_set_timer(rsvp, resv);
}

static void free_resv(struct rsvp *rsvp, struct resv *resv)
{
	rsvp_stop_timer(rsvp, &resv->cleanup);
	rsvp_forget_heard(rsvp, &resv->heard);
	rsvp_neighbour_release(rsvp, resv->neighbour);
	DL_DELETE(resv->install->resvs, resv);
	resv->install->session->n_resvs--;
	rsvp->sizes.reservations--;
	if (resv->filters != &resv->one)
		free(resv->filters);
	free(resv->carried);
	free(resv->cut);
	free(resv->scope);
	free(resv);
}

void rsvp_resv_end(struct rsvp *rsvp, struct resv *resv, struct sender *sender, unsigned why)
{
	struct install *install = resv->install;

	make_dirty(rsvp, resv, sender, why);
	if (sender && resv->n_filters > 1)
		remove_filter(rsvp, resv, sender);
	else
		free_resv(rsvp, resv);
	if (install->resvs)
		rsvp_install_retune(rsvp, install);
	else
		rsvp_install_free(rsvp, install);
}

void rsvp_resv_expire(struct rsvp *rsvp, struct resv *resv)
{
	rsvp_count_one(rsvp, RSVP_COUNT_TIMEOUTS_RESV);
	for (uint32_t i = 0; resv->n_filters > 1 && i < resv->n_filters;) {
		if (resv->filters[i].expires_us <= rsvp->now_us)
			rsvp_resv_end(rsvp, resv, resv->filters[i].sender, WHY_TEAR);
		else
			i++;
	}
	if (resv->n_filters > 1)
		return;
	if ((resv->filters ? resv->filters[0].expires_us : resv->one.expires_us) <= rsvp->now_us)
		rsvp_resv_end(rsvp, resv, NULL, WHY_TEAR);
}

/* ---- path state ---- */

static bool is_reached(const struct install *install)
{
	const struct sender *sender;

	DL_FOREACH(install->session->senders, sender) {
		if (!sender->doomed && rsvp_install_reaches(install, sender))
			return true;
	}
	return false;
}

/* With the last sender goes a WF reservation. Upstream nobody is told: the path is gone there. */
static void end_shared(struct rsvp *rsvp, struct install *install, struct sender *sender)
{
	struct resv *resv, *next;

	if (install->session->style == RSVP_STYLE_WF && is_reached(install)) {
		rsvp_install_retune(rsvp, install);
		return;
	}
	DL_FOREACH_SAFE(install->resvs, resv, next) {
		if (rsvp_resv_has(resv, sender))
			rsvp_resv_end(rsvp, resv, resv->filters ? sender : NULL, 0);
	}
}

static void end_reservations(struct rsvp *rsvp, struct sender *sender)
{
	struct install *install, *next;
	struct resv *resv, *next_resv;

	DL_FOREACH_SAFE(sender->installs, install, next)
		DL_FOREACH_SAFE(install->resvs, resv, next_resv)
			rsvp_resv_end(rsvp, resv, NULL, 0);
	DL_FOREACH_SAFE(sender->key.session->installs, install, next)
		end_shared(rsvp, install, sender);
}

void rsvp_path_end(struct rsvp *rsvp, struct path *path)
{
	struct sender *sender = path->sender;
	bool last = sender->paths == path && !path->next;
	struct out *out, *next;

	rsvp_app_path_lost(rsvp, sender, path);
	if (sender->path == path) {
		LL_FOREACH_SAFE(sender->outs, out, next) {
			rsvp_path_tear_send(rsvp, path, out);
			if (!last)
				rsvp_out_free(rsvp, sender, out);
		}
	}
	if (last) {
		sender->doomed = true;
		end_reservations(rsvp, sender);
		while (sender->outs)
			rsvp_out_free(rsvp, sender, sender->outs);
	}
	if (sender->path == path)
		sender->path = NULL;
	rsvp_stop_timer(rsvp, &path->cleanup);
	id_map_remove(rsvp, &rsvp->heard_ids, &path->heard);
	LL_DELETE(sender->paths, path);
	rsvp_path_detach(rsvp, path);
	rsvp_ups_recheck(rsvp, sender->key.session);
	rsvp_neighbour_release(rsvp, path->neighbour);
	free(path->carried);
	free(path);
	if (last)
		rsvp_sender_free(rsvp, sender);
}

/* ---- interfaces ---- */

static void end_installs(struct rsvp *rsvp, struct install *installs, uint32_t ifindex)
{
	struct install *install, *next;
	struct resv *resv, *next_resv;

	DL_FOREACH_SAFE(installs, install, next) {
		if (install->local || install->ifindex != ifindex)
			continue;
		DL_FOREACH_SAFE(install->resvs, resv, next_resv)
			rsvp_resv_end(rsvp, resv, NULL, WHY_TEAR);
	}
}

static void end_paths(struct rsvp *rsvp, struct sender *sender, uint32_t ifindex)
{
	struct path *path, *next;

	LL_FOREACH_SAFE(sender->paths, path, next) {
		if (!path->up->app && path->in_ifindex == ifindex)
			rsvp_path_end(rsvp, path);
	}
}

void rsvp_interface_end(struct rsvp *rsvp, uint32_t ifindex, bool in)
{
	struct session *session, *next_session;
	struct sender *sender, *next;
	struct out *out;

	HASH_ITER(hh, rsvp->sessions, session, next_session)
		end_installs(rsvp, session->installs, ifindex);
	HASH_ITER(hh, rsvp->senders, sender, next) {
		end_installs(rsvp, sender->installs, ifindex);
		out = rsvp_sender_out(sender, ifindex);
		if (out)
			rsvp_out_free(rsvp, sender, out);
	}
	/* Who is upstream on other interfaces hears of what has ended, before its paths end. */
	rsvp_flush(rsvp);
	HASH_ITER(hh, rsvp->senders, sender, next) {
		if (in)
			end_paths(rsvp, sender, ifindex);
	}
}
