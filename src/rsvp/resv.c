/* SPDX-License-Identifier: MIT */
/*
 * resv.c: reservations that next hops and applications ask for (spec/rsvp.md §8.6; RFC 2209). Each is as it was
 * before if traffic control refuses what it asks for.
 */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- finding ---- */

struct install *rsvp_install_find(const struct session *session, const struct sender *sender,
				  enum rsvp_style style, bool local, uint32_t ifindex)
{
	struct install *install;

	DL_FOREACH(style == RSVP_STYLE_FF ? sender->installs : session->installs, install) {
		if (install->local == local && install->ifindex == ifindex)
			return install;
	}
	return NULL;
}

struct resv *rsvp_resv_find(const struct install *install, const struct rsvp_hop *hop,
			    const struct rsvp_app *app)
{
	struct resv *resv;

	DL_FOREACH(install->resvs, resv) {
		if (app ? resv->app == app
			: !resv->app && memcmp(&resv->hop, hop, sizeof(*hop)) == 0)
			return resv;
	}
	return NULL;
}

static struct filter *find_filter(const struct resv *resv, const struct sender *sender)
{
	for (uint32_t i = 0; i < resv->n_filters; i++) {
		if (resv->filters[i].sender == sender)
			return &resv->filters[i];
	}
	return NULL;
}

bool rsvp_resv_has(const struct resv *resv, const struct sender *sender)
{
	return !resv->filters || find_filter(resv, sender);
}

bool rsvp_install_reaches(const struct install *install, const struct sender *sender)
{
	if (install->local)
		return rsvp_sender_local_path(sender, install->ifindex);
	return rsvp_sender_out(sender, install->ifindex);
}

/* ---- time ---- */

void rsvp_resv_set_timer(struct rsvp *rsvp, struct resv *resv)
{
	uint64_t first_us = resv->one.expires_us;

	if (resv->app)
		return;
	for (uint32_t i = 0; i < resv->n_filters; i++) {
		if (i == 0 || resv->filters[i].expires_us < first_us)
			first_us = resv->filters[i].expires_us;
	}
	rsvp_set_timer(rsvp, &resv->cleanup, TIMER_RESV,
		       first_us > rsvp->now_us ? first_us - rsvp->now_us : 0);
}

static void restart(struct rsvp *rsvp, struct resv *resv, const struct request *request)
{
	uint64_t expires_us = rsvp->now_us + request->lifetime_us;

	if (request->lifetime_us == 0)
		return;
	if (!resv->filters)
		resv->one.expires_us = expires_us;
	for (unsigned i = 0; i < request->n_senders; i++)
		find_filter(resv, request->senders[i])->expires_us = expires_us;
	rsvp_resv_set_timer(rsvp, resv);
}

/* ---- changing, with a way back ---- */

/* What a reservation was before. */
struct before {
	struct rsvp_flowspec flowspec;
	struct carried *carried;
	uint8_t *scope;
	struct filter *filters, one;
	uint32_t n_filters;
	struct rsvp_preemption priorities;
};

static struct before remember(const struct resv *resv)
{
	return (struct before){ resv->flowspec, resv->carried,	 resv->scope,	  resv->filters,
				resv->one,	resv->n_filters, resv->priorities };
}

/* What was put in place of it is freed. */
static void restore(struct resv *resv, const struct before *before)
{
	if (resv->carried != before->carried)
		free(resv->carried);
	if (resv->scope != before->scope)
		free(resv->scope);
	if (resv->filters != before->filters && resv->filters != &resv->one)
		free(resv->filters);
	resv->flowspec = before->flowspec;
	resv->carried = before->carried;
	resv->scope = before->scope;
	resv->filters = before->filters;
	resv->one = before->one;
	resv->n_filters = before->n_filters;
	resv->priorities = before->priorities;
}

static void forget(const struct resv *resv, const struct before *before)
{
	if (resv->carried != before->carried)
		free(before->carried);
	if (resv->scope != before->scope)
		free(before->scope);
	if (resv->filters != before->filters && before->filters != &resv->one)
		free(before->filters);
}

/* Adds what is not there; the old array stays for the way back. */
static int add_filters(struct resv *resv, const struct request *request, bool *changed)
{
	struct filter *filters;
	unsigned n_new = 0;

	for (unsigned i = 0; i < request->n_senders; i++)
		n_new += !find_filter(resv, request->senders[i]);
	if (n_new == 0)
		return 0;
	*changed = true;
	if (resv->n_filters == 0 && n_new == 1) {
		resv->one = (struct filter){ request->senders[0], UINT64_MAX };
		resv->filters = &resv->one;
		resv->n_filters = 1;
		return 0;
	}
	filters = malloc((resv->n_filters + n_new) * sizeof(*filters));
	if (!filters)
		return -ENOMEM;
	if (resv->n_filters > 0)
		memcpy(filters, resv->filters, resv->n_filters * sizeof(*filters));
	resv->filters = filters;
	for (unsigned i = 0; i < request->n_senders; i++) {
		if (!find_filter(resv, request->senders[i]))
			filters[resv->n_filters++] =
				(struct filter){ request->senders[i], UINT64_MAX };
	}
	return 0;
}

static bool same_scope(const uint8_t *scope, const struct rsvp_object *object)
{
	if (!scope || !object)
		return !scope && !object;
	return get16(scope) == object->len && memcmp(scope, object->data, object->len) == 0;
}

static int set_scope(struct resv *resv, const struct rsvp_object *object, bool *changed)
{
	uint8_t *scope = NULL;

	if (same_scope(resv->scope, object))
		return 0;
	if (object) {
		scope = malloc(object->len);
		if (!scope)
			return -ENOMEM;
		memcpy(scope, object->data, object->len);
	}
	resv->scope = scope;
	*changed = true;
	return 0;
}

static int set_carried(const struct rsvp *rsvp, struct resv *resv, const struct carried *carried,
		       bool *changed)
{
	struct carried *copy = NULL;

	if (rsvp_carried_equal(resv->carried, carried))
		return 0;
	if (rsvp_carried_store(&copy, carried) < 0)
		return -ENOMEM;
	resv->carried = copy;
	resv->priorities = rsvp_priorities_of(rsvp, copy);
	*changed = true;
	return 0;
}

/* What was preempted of it is not asked for again until it asks for something else (RFC 4495). */
static bool is_repeated(const struct resv *resv, const struct request *request)
{
	return resv->cut && flowspec_same(resv->cut, request->flowspec);
}

static int apply(const struct rsvp *rsvp, struct resv *resv, const struct request *request,
		 bool *changed)
{
	int r;

	if (!is_repeated(resv, request) && !flowspec_same(&resv->flowspec, request->flowspec)) {
		resv->flowspec = *request->flowspec;
		*changed = true;
	}
	r = add_filters(resv, request, changed);
	if (r == 0)
		r = set_scope(resv, request->scope, changed);
	if (r == 0)
		r = set_carried(rsvp, resv, request->carried, changed);
	return r;
}

/* ---- what is there for it ---- */

static struct install *get_install(struct rsvp *rsvp, const struct request *request)
{
	struct sender *sender = request->style == RSVP_STYLE_FF ? request->senders[0] : NULL;
	bool local = request->app;
	struct install *install = rsvp_install_find(request->session, sender, request->style, local,
						    request->ifindex);

	if (install)
		return install;
	install = calloc(1, sizeof(*install));
	if (!install)
		return NULL;
	install->session = request->session;
	install->sender = sender;
	install->ifindex = request->ifindex;
	install->local = local;
	if (sender)
		DL_APPEND(sender->installs, install);
	else
		DL_APPEND(request->session->installs, install);
	return install;
}

static struct resv *add_resv(struct rsvp *rsvp, struct install *install,
			     const struct request *request)
{
	struct session *session = request->session;
	struct resv *resv;

	if (session->n_resvs >= rsvp->config.max_reservations_per_session ||
	    !rsvp_neighbour_has_room(rsvp, request->neighbour)) {
		rsvp_count_one(rsvp, RSVP_COUNT_LIMITED);
		return NULL;
	}
	resv = calloc(1, sizeof(*resv));
	if (!resv)
		return NULL;
	resv->install = install;
	resv->app = request->app;
	if (request->hop)
		resv->hop = *request->hop;
	resv->neighbour = request->neighbour;
	rsvp_neighbour_hold(rsvp, request->neighbour);
	DL_APPEND(install->resvs, resv);
	session->n_resvs++;
	session->style = (uint8_t)request->style;
	rsvp->sizes.reservations++;
	return resv;
}

/* Services of one session, or of one sender where reservations are distinct, cannot be mixed. */
static bool services_differ(const struct request *request, const struct resv *of)
{
	const struct install *install, *installs = request->session->installs;
	const struct resv *resv;

	if (request->style == RSVP_STYLE_FF)
		installs = request->senders[0]->installs;
	DL_FOREACH(installs, install) {
		DL_FOREACH(install->resvs, resv) {
			if (resv != of && resv->flowspec.service != request->flowspec->service)
				return true;
		}
	}
	return false;
}

/* Takes back what was added for a request that failed. */
static void drop_new(struct rsvp *rsvp, struct install *install, struct resv *resv)
{
	if (resv) {
		DL_DELETE(install->resvs, resv);
		install->session->n_resvs--;
		rsvp->sizes.reservations--;
		rsvp_neighbour_release(rsvp, resv->neighbour);
		free(resv);
	}
	if (!install->resvs)
		rsvp_install_free(rsvp, install);
}

static int fail(struct rsvp_error *error, uint8_t code, uint16_t value)
{
	*error = (struct rsvp_error){ .code = code, .value = value };
	return -1;
}

/* What is in its way goes, if it may. */
static int install(struct rsvp *rsvp, const struct resv *resv, struct rsvp_error *ret_error)
{
	if (!rsvp_priorities_agree(resv->install)) {
		*ret_error = rsvp_priorities_error(rsvp, resv->priorities,
						   RSVP_PREEMPTION_HETEROGENEOUS,
						   RSVP_POLICY_ERROR_MERGE);
		return -1;
	}
	while (rsvp_install_update(rsvp, resv->install, ret_error) < 0) {
		if (!rsvp_preempt(rsvp, resv->install, ret_error))
			return -1;
	}
	return 0;
}

static int change_resv(struct rsvp *rsvp, struct resv *resv, const struct request *request,
		       bool *changed, struct rsvp_error *ret_error)
{
	struct before before = remember(resv);

	if (apply(rsvp, resv, request, changed) < 0) {
		restore(resv, &before);
		return fail(ret_error, RSVP_ERROR_SYSTEM, 0);
	}
	if (*changed && install(rsvp, resv, ret_error) < 0) {
		restore(resv, &before);
		return -1;
	}
	forget(resv, &before);
	if (!is_repeated(resv, request)) {
		free(resv->cut);
		resv->cut = NULL;
	}
	return 0;
}

static void make_dirty(struct rsvp *rsvp, const struct request *request,
		       const struct install *install, bool changed)
{
	unsigned why = (changed ? WHY_CHANGE : 0) | (request->confirm ? WHY_CONFIRM : 0);

	if (why == 0)
		return;
	if (changed)
		rsvp_install_dirty(rsvp, install);
	if (!request->senders)
		rsvp_ups_dirty(rsvp, request->session, NULL, why);
	for (unsigned i = 0; i < request->n_senders; i++)
		rsvp_ups_dirty(rsvp, request->session, request->senders[i], why);
}

int rsvp_reserve(struct rsvp *rsvp, const struct request *request, struct rsvp_error *ret_error)
{
	struct install *install = get_install(rsvp, request);
	struct resv *resv, *added = NULL;
	bool changed = false;

	if (!install)
		return fail(ret_error, RSVP_ERROR_SYSTEM, 0);
	resv = rsvp_resv_find(install, request->hop, request->app);
	if (!resv) {
		resv = added = add_resv(rsvp, install, request);
		changed = true;
	}
	if (!resv) {
		drop_new(rsvp, install, NULL);
		return fail(ret_error, RSVP_ERROR_SYSTEM, 0);
	}
	if (services_differ(request, resv)) {
		if (added)
			drop_new(rsvp, install, added);
		return fail(ret_error, RSVP_ERROR_TRAFFIC, RSVP_TRAFFIC_CONFLICT);
	}
	if (rsvp_consent_to_resv(rsvp, request, ret_error) < 0) {
		if (added)
			drop_new(rsvp, install, added);
		else
			ret_error->flags |= RSVP_ERROR_IN_PLACE;
		return -1;
	}
	if (change_resv(rsvp, resv, request, &changed, ret_error) < 0) {
		if (added)
			drop_new(rsvp, install, added);
		return -1;
	}
	resv->confirming = request->confirm ? rsvp->confirming.serial : 0;
	restart(rsvp, resv, request);
	rsvp_resv_heard(rsvp, resv, request, changed);
	make_dirty(rsvp, request, install, changed);
	return 0;
}
