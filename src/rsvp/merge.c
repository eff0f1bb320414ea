/* SPDX-License-Identifier: MIT */
/*
 * merge.c: what is asked of a previous hop: the merge of what is installed for the senders behind it (spec/rsvp.md
 * §8.8; RFC 2205 §2.2, §3.5, RFC 2209). It is made anew whenever something may have changed, and goes out if it
 * says something else than the last time; what it no longer says is torn, if it was ended.
 */
#include "rsvp/internal.h"

/* ---- dirt ---- */

void rsvp_up_dirty(struct rsvp *rsvp, struct up *up, unsigned why)
{
	if (!up)
		return;
	if (up->why == 0)
		LL_PREPEND2(rsvp->dirty, up, dirty_next);
	up->why |= (uint8_t)why;
}

void rsvp_ups_dirty(struct rsvp *rsvp, struct session *session, struct sender *sender, unsigned why)
{
	struct path *path;
	struct up *up;

	if (!sender) {
		DL_FOREACH(session->ups, up)
			rsvp_up_dirty(rsvp, up, why);
		return;
	}
	LL_FOREACH(sender->paths, path)
		rsvp_up_dirty(rsvp, path->up, why);
}

void rsvp_install_dirty(struct rsvp *rsvp, const struct install *install)
{
	if (!install->sender)
		rsvp_ups_dirty(rsvp, install->session, NULL, WHY_CHANGE);
}

/* Where refreshes come in full, the next one says what has become of it. */
static void recheck(struct rsvp *rsvp, struct up *up)
{
	const struct interface *interface = rsvp_interface_find(rsvp, up->ifindex);
	uint32_t refresh_ms = interface ? interface->refresh_ms : 30000;

	if (up->advert.condition != ADVERT_SUMMARY ||
	    (wheel_is_set(&up->refresh.wheel) &&
	     up->refresh.wheel.due_us <= rsvp->now_us + refresh_ms * US_PER_MS * 3 / 2))
		return;
	rsvp_set_timer(rsvp, &up->refresh, TIMER_UP, rsvp_jitter_us(rsvp, refresh_ms));
}

void rsvp_ups_recheck(struct rsvp *rsvp, struct session *session)
{
	struct up *up;

	DL_FOREACH(session->ups, up)
		recheck(rsvp, up);
}

/* ---- merging ---- */

/* Who sends does not receive that itself: `app` is the sender, or NULL if it is on another node. */
static bool is_of_others(const struct install *install, const struct rsvp_app *app)
{
	const struct resv *resv;

	DL_FOREACH(install->resvs, resv) {
		if (!app || resv->app != app)
			return true;
	}
	return false;
}

bool rsvp_install_goes_via(const struct install *install, const struct path *path)
{
	const struct sender *sender = path->sender;

	if (!install->resvs || (install->sender && install->sender != sender))
		return false;
	if (install->local)
		return rsvp_sender_local_path(sender, install->ifindex) == path &&
		       is_of_others(install, path->up->app);
	return sender->path == path && (path->up->app || install->ifindex != path->in_ifindex) &&
	       rsvp_sender_out(sender, install->ifindex);
}

/*
 * What is not blockaded is merged upward. If all of it is, the smallest is asked for, so that the state upstream
 * stays alive; not in answer to the refusal itself, though.
 */
struct tally {
	unsigned n, n_free;
	struct rsvp_flowspec upper, lower;
};

static void add(struct tally *tally, const struct rsvp_flowspec *flowspec, bool blockaded)
{
	if (!blockaded && tally->n_free++ == 0)
		tally->upper = *flowspec;
	else if (!blockaded)
		flowspec_merge(&tally->upper, flowspec, &tally->upper);
	if (tally->n++ == 0)
		tally->lower = *flowspec;
	else
		flowspec_lower_bound(&tally->lower, flowspec, &tally->lower);
}

static bool settle(const struct tally *tally, unsigned why, struct merged *merged)
{
	merged->lower = tally->n_free == 0;
	merged->flowspec = merged->lower ? tally->lower : tally->upper;
	return tally->n_free > 0 || (tally->n > 0 && why != WHY_REFUSED);
}

bool rsvp_merge_path(const struct path *path, struct merged *merged)
{
	struct sender *sender = path->sender;
	struct tally tally = { 0 };
	struct install *install;

	DL_FOREACH(sender->installs, install) {
		install->merged = rsvp_install_goes_via(install, path);
		install->blockaded = rsvp_blockades(sender->blockade, &install->flowspec);
		if (install->merged)
			add(&tally, &install->flowspec, install->blockaded);
	}
	return settle(&tally, WHY_CHANGE, merged);
}

/* What is wanted of the paths of a previous hop by a WF install. */
static void want_all(struct up *up, struct install *install)
{
	struct path *path;

	install->blockaded = rsvp_blockades(up->blockade, &install->flowspec);
	DL_FOREACH2(up->paths, path, up_next) {
		if (!rsvp_install_goes_via(install, path))
			continue;
		path->wanted = true;
		install->merged = true;
	}
}

static void want_of(struct up *up, struct install *install, const struct resv *resv)
{
	struct path *path;

	for (uint32_t i = 0; i < resv->n_filters; i++) {
		struct sender *sender = resv->filters[i].sender;

		LL_FOREACH(sender->paths, path) {
			if (path->up != up || !rsvp_install_goes_via(install, path))
				continue;
			path->wanted = true;
			install->merged = true;
			install->blockaded |= rsvp_blockades(sender->blockade, &install->flowspec);
		}
	}
}

static bool merge_shared(struct up *up, unsigned why, struct merged *merged)
{
	bool wildcard = up->session->style == RSVP_STYLE_WF;
	struct tally tally = { 0 };
	struct install *install;
	struct resv *resv;

	DL_FOREACH(up->session->installs, install) {
		install->merged = false;
		install->blockaded = false;
		if (wildcard) {
			want_all(up, install);
		} else {
			DL_FOREACH(install->resvs, resv)
				want_of(up, install, resv);
		}
		if (install->merged)
			add(&tally, &install->flowspec, install->blockaded);
	}
	return settle(&tally, why, merged);
}

/* Marks the paths that are asked for. How many these are; -1: all is blockaded, and nothing is to be done. */
static int merge(struct up *up, unsigned why, struct merged *merged)
{
	struct path *path;
	int n = 0;

	DL_FOREACH2(up->paths, path, up_next)
		path->wanted = path->confirmed = path->held = false;
	if (up->session->n_resvs > 0 && up->session->style == RSVP_STYLE_FF) {
		DL_FOREACH2(up->paths, path, up_next)
			path->wanted = rsvp_merge_path(path, merged);
	} else if (!merge_shared(up, why, merged) && why == WHY_REFUSED) {
		return -1;
	}
	DL_FOREACH2(up->paths, path, up_next)
		n += path->wanted;
	return n;
}

/* ---- confirmations ---- */

static bool exceeds_all(const struct resv *resv, const struct install *installs)
{
	const struct install *install;
	const struct resv *other;

	DL_FOREACH(installs, install) {
		if (!install->merged)
			continue;
		DL_FOREACH(install->resvs, other) {
			if (other != resv &&
			    flowspec_order(&resv->flowspec, &other->flowspec) != FLOWSPEC_GREATER)
				return false;
		}
	}
	return true;
}

/*
 * The request that exceeds all others goes on; one that does not change anything is confirmed here; what is
 * blockaded is not confirmed at all. True: it goes on.
 */
static bool weigh_confirmation(struct rsvp *rsvp, const struct up *up, struct install *installs,
			       bool lower)
{
	struct install *install;
	struct resv *resv;
	bool goes_on = false;

	DL_FOREACH(installs, install) {
		if (!install->merged || install->blockaded || lower)
			continue;
		DL_FOREACH(install->resvs, resv) {
			if (resv->confirming != rsvp->confirming.serial)
				continue;
			if (!up->app && exceeds_all(resv, installs)) {
				goes_on = true;
			} else {
				resv->confirming = 0;
				rsvp_confirm_answer(rsvp, resv);
			}
		}
	}
	return goes_on;
}

/* Of how many of the wanted paths a confirmation is asked for: all, or in FF some. */
static int weigh_confirmations(struct rsvp *rsvp, struct up *up, const struct merged *merged, int n)
{
	struct merged of_path;
	struct path *path;
	int confirmed = 0;

	if (up->session->style != RSVP_STYLE_FF)
		return weigh_confirmation(rsvp, up, up->session->installs, merged->lower) ? n : 0;
	DL_FOREACH2(up->paths, path, up_next) {
		if (!path->wanted || !rsvp_merge_path(path, &of_path))
			continue;
		path->confirmed =
			weigh_confirmation(rsvp, up, path->sender->installs, of_path.lower);
		confirmed += path->confirmed;
	}
	return confirmed;
}

/* ---- telling ---- */

/* Chooses the next ones, as many as go into one message. False: there are none left. */
static bool choose(struct up *up, struct path **cursor, bool confirmed_only)
{
	struct path *path;
	unsigned n = 0;

	DL_FOREACH2(up->paths, path, up_next)
		path->chosen = false;
	for (path = *cursor; path && n < FLOWS_MAX; path = path->up_next) {
		path->chosen = path->wanted && !path->held && (!confirmed_only || path->confirmed);
		n += path->chosen;
	}
	*cursor = path;
	return n > 0;
}

static uint64_t digest_all(struct rsvp *rsvp, struct up *up, const struct merged *merged)
{
	struct path *cursor = up->paths;
	struct rsvp_writer writer;
	uint64_t digest = 1;

	while (choose(up, &cursor, false))
		digest = digest * 31 + rsvp_resv_make(rsvp, up, merged, NULL, &writer);
	return digest ? digest : 1;
}

/* True: there was something to send. */
static bool send_chosen(struct rsvp *rsvp, struct up *up, const struct merged *merged,
			const struct address *confirm, bool confirmed_only,
			const struct advert *advert)
{
	struct path *cursor = up->paths;
	struct rsvp_writer writer;
	bool any = false;

	while (choose(up, &cursor, confirmed_only)) {
		any = true;
		if (rsvp_resv_make(rsvp, up, merged, confirm, &writer) != 0)
			rsvp_send_resv(rsvp, &writer, up, advert);
		confirm = NULL;
	}
	return any;
}

/* FF: senders of whom everything is refused are part of what is asked for, but not in answer to that. */
static void hold_refused(struct up *up)
{
	struct merged of_path;
	struct path *path;

	DL_FOREACH2(up->paths, path, up_next)
		path->held = rsvp_merge_path(path, &of_path) && of_path.lower;
}

/* One identifier stands for all that is asked for, so it must be in one message. */
static const struct advert *begin_advert(struct rsvp *rsvp, struct up *up, bool trigger)
{
	struct neighbour *neighbour = rsvp_neighbour_find(rsvp, up->ifindex, &up->hop.address);
	bool whole = true;
	const struct path *path;
	unsigned n = 0;

	DL_FOREACH2(up->paths, path, up_next) {
		n += path->wanted;
		whole &= !path->wanted || !path->held;
	}
	whole &= n <= FLOWS_MAX;
	rsvp_advert_begin(rsvp, &up->advert, ID_UP, whole ? neighbour : NULL, trigger,
			  &up->repeats);
	return &up->advert;
}

static bool send_all(struct rsvp *rsvp, struct up *up, const struct merged *merged,
		     const struct address *confirm, bool trigger)
{
	return send_chosen(rsvp, up, merged, confirm, false, begin_advert(rsvp, up, trigger));
}

static const struct address *confirm_address(const struct rsvp *rsvp, const struct up *up,
					     struct rsvp_hop *own)
{
	if (rsvp->confirming.receiver.family != AF_UNSPEC)
		return &rsvp->confirming.receiver;
	return rsvp_own_hop(rsvp, up->ifindex, up->session->key.family, own) ? &own->address : NULL;
}

static void set_timer(struct rsvp *rsvp, struct up *up)
{
	rsvp_advert_set_timer(rsvp, &up->advert, &up->refresh, TIMER_UP, up->ifindex, &up->repeats);
}

static void tell(struct rsvp *rsvp, struct up *up, unsigned why, const struct merged *merged, int n)
{
	uint64_t digest = digest_all(rsvp, up, merged);
	bool changed = digest != up->digest;
	struct rsvp_hop own;
	struct path *path;
	int confirmed = 0;
	bool sent = false;

	if (up->session->style == RSVP_STYLE_FF && why == WHY_REFUSED)
		hold_refused(up);
	if (why & WHY_CONFIRM)
		confirmed = weigh_confirmations(rsvp, up, merged, n);
	if (confirmed == n)
		sent = send_all(rsvp, up, merged, confirm_address(rsvp, up, &own), true);
	else if (confirmed > 0)
		sent = send_chosen(rsvp, up, merged, confirm_address(rsvp, up, &own), true, NULL);
	if (confirmed < n && (changed || (why & WHY_REFRESH)))
		sent |= send_all(rsvp, up, merged, NULL, changed);
	DL_FOREACH2(up->paths, path, up_next)
		path->reserved |= path->wanted;
	up->digest = digest;
	/* What goes to and fro between refusals comes with R, and not sooner. */
	if (changed && sent && (why & ~(WHY_REFRESH | WHY_REFUSED)))
		up->repeats = RSVP_REPEATS;
	if (((changed || confirmed == n) && sent) || (why & WHY_REFRESH))
		set_timer(rsvp, up);
}

static void tell_app(struct rsvp *rsvp, struct up *up, unsigned why, const struct merged *merged)
{
	uint64_t digest = digest_all(rsvp, up, merged);
	struct path *path = up->paths;

	if (digest != up->digest) {
		up->digest = digest;
		rsvp_app_resv_event(rsvp, up, merged);
	}
	path->reserved = true;
	if (why & WHY_CONFIRM)
		weigh_confirmations(rsvp, up, merged, 1);
}

/* Nothing is reserved any more. */
static void fall_silent(struct rsvp *rsvp, struct up *up)
{
	if (up->app && up->digest != 0)
		rsvp_app_resv_event(rsvp, up, NULL);
	up->digest = 0;
	up->repeats = 0;
	rsvp_stop_timer(rsvp, &up->refresh);
	rsvp_advert_end(rsvp, &up->advert);
}

/* What was asked for and is no longer. Of WF there is only all or nothing. */
static void tear_lost(struct rsvp *rsvp, struct up *up, int n_wanted)
{
	struct path *path;
	bool any = false;

	DL_FOREACH2(up->paths, path, up_next) {
		path->chosen = path->reserved && !path->wanted;
		any |= path->chosen;
		path->reserved &= path->wanted;
	}
	if (any && !up->app && (n_wanted == 0 || up->session->style != RSVP_STYLE_WF))
		rsvp_resv_tear_send(rsvp, up);
}

void rsvp_up_update(struct rsvp *rsvp, struct up *up, unsigned why)
{
	struct merged merged;
	int n;

	merged.scoped = false; /* the rest is large, and not looked at before it is set */
	n = merge(up, why, &merged);
	if (n < 0)
		return;
	if (n > 0 && up->session->style == RSVP_STYLE_WF && !rsvp_scope_make(up, &merged)) {
		struct path *path;

		/* Whatever is asked for comes back to where it was. */
		DL_FOREACH2(up->paths, path, up_next)
			path->wanted = false;
		n = 0;
	}
	if (why & WHY_TEAR)
		tear_lost(rsvp, up, n);
	if (n == 0 && why != WHY_REFUSED)
		fall_silent(rsvp, up);
	else if (n > 0 && up->app)
		tell_app(rsvp, up, why, &merged);
	else if (n > 0)
		tell(rsvp, up, why, &merged, n);
}
