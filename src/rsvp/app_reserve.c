/* SPDX-License-Identifier: MIT */
/*
 * app_reserve.c: what applications on this node reserve. What is wanted of senders that are not there yet is kept
 * and asked for when they come (spec/rsvp.md §8.14).
 */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- what is wanted ---- */

static bool is_good(const struct rsvp *rsvp, const struct rsvp_app *app,
		    const struct rsvp_reserve_request *request)
{
	bool wildcard = request->style == RSVP_STYLE_WF;
	unsigned n_flowspecs = request->style == RSVP_STYLE_FF ? request->n_flows : 1;

	if (request->style != RSVP_STYLE_WF && request->style != RSVP_STYLE_FF &&
	    request->style != RSVP_STYLE_SE)
		return false;
	if (request->n_flows == 0 || request->n_flows > (wildcard ? 1 : FLOWS_MAX))
		return false;
	for (unsigned i = 0; i < n_flowspecs; i++) {
		if (flowspec_check(&request->flowspecs[i]) < 0)
			return false;
	}
	for (unsigned i = 0; !wildcard && i < request->n_flows; i++) {
		if (!rsvp_sender_fits(&app->session->key, &request->senders[i]))
			return false;
	}
	return request->dscp == 0xff || request->dscp < 64;
}

static int carry(const struct rsvp *rsvp, const struct rsvp_reserve_request *request,
		 struct carried **slot)
{
	uint64_t storage[CARRIED_MAX / sizeof(uint64_t) + 1];
	struct carried *carried = (struct carried *)storage;
	struct rsvp_object object;
	size_t position = 0;
	int r = 0;

	*carried = (struct carried){ 0 };
	if (request->policy && request->policy_len > rsvp->limits.policy_bytes)
		return -EINVAL;
	if (request->policy && request->policy_len > 0) {
		while ((r = rsvp_object_next(request->policy, request->policy_len, &position,
					     &object)) == 1) {
			if (object.class_num != RSVP_CLASS_POLICY_DATA)
				return -EINVAL;
		}
		memcpy(carried->data, request->policy, request->policy_len);
		carried->policy_len = (uint16_t)request->policy_len;
	}
	if (request->dscp != 0xff) {
		uint8_t *dclass = carried->data + carried->policy_len;

		put32(dclass + 4, (uint32_t)request->dscp << 2);
		carried->kept_len =
			(uint16_t)rsvp_encode_header(dclass, 8, RSVP_CLASS_DCLASS, RSVP_CTYPE_ONLY);
	}
	return r < 0 ? -EINVAL : rsvp_carried_store(slot, carried);
}

static void free_want(struct app_want *want)
{
	if (want)
		free(want->carried);
	free(want);
}

static int make_want(const struct rsvp *rsvp, const struct rsvp_reserve_request *request,
		     struct app_want **ret_want)
{
	struct app_want *want;
	int r;

	want = calloc(1, sizeof(*want) + request->n_flows * sizeof(want->flows[0]));
	if (!want)
		return -ENOMEM;
	want->style = request->style;
	want->confirm = request->confirm;
	want->n_flows = request->n_flows;
	for (unsigned i = 0; i < request->n_flows; i++) {
		want->flows[i].flowspec = request->flowspecs[want->style == RSVP_STYLE_FF ? i : 0];
		if (want->style != RSVP_STYLE_WF)
			want->flows[i].sender = request->senders[i];
	}
	r = carry(rsvp, request, &want->carried);
	if (r < 0) {
		free_want(want);
		return r;
	}
	*ret_want = want;
	return 0;
}

/* ---- asking for it ---- */

static struct sender *find_sender(const struct rsvp *rsvp, const struct rsvp_app *app,
				  const struct rsvp_sender *key)
{
	struct sender *sender = rsvp_sender_find(rsvp, app->session, key);

	return sender && sender->paths && rsvp_sender_local_path(sender, app->ifindex) ? sender
										       : NULL;
}

static void tell_refusal(struct rsvp *rsvp, const struct rsvp_app *app, const struct app_flow *flow,
			 const struct rsvp_error *error)
{
	struct rsvp_event event = {
		.type = RSVP_EVENT_RESV_ERROR,
		.session = app->session->key,
		.style = app->want->style,
		.flowspec = &flow->flowspec,
		.n_senders = app->want->style == RSVP_STYLE_WF ? 0 : 1,
		.senders = &flow->sender,
		.error = *error,
		.dscp = 0xff,
	};

	rsvp->ports.event(rsvp->ports.user_data, app->data, &event);
}

static void ask(struct rsvp *rsvp, struct rsvp_app *app, const struct app_flow *flow,
		struct sender **senders, unsigned n_senders)
{
	struct request request = {
		.session = app->session,
		.ifindex = app->ifindex,
		.app = app,
		.style = app->want->style,
		.flowspec = &flow->flowspec,
		.senders = n_senders > 0 ? senders : NULL,
		.n_senders = n_senders,
		.carried = app->want->carried,
		.confirm = app->want->confirm,
	};
	struct rsvp_error error;

	if (rsvp_reserve(rsvp, &request, &error) < 0)
		tell_refusal(rsvp, app, flow, &error);
	else
		app->want->asked |= app->want->confirm;
}

static bool has_any_sender(const struct rsvp_app *app)
{
	const struct sender *sender;

	DL_FOREACH(app->session->senders, sender) {
		if (sender->paths && rsvp_sender_local_path(sender, app->ifindex))
			return true;
	}
	return false;
}

static void fulfil(struct rsvp *rsvp, struct rsvp_app *app)
{
	struct app_want *want = app->want;
	struct sender *senders[FLOWS_MAX];
	unsigned n = 0;

	if (app->session->n_resvs > 0 && app->session->style != want->style) {
		struct rsvp_error error = { .code = RSVP_ERROR_STYLE_CONFLICT,
					    .value = app->session->style };

		tell_refusal(rsvp, app, &want->flows[0], &error);
		return;
	}
	rsvp->confirming.receiver = (struct address){ 0 };
	rsvp->confirming.serial++;
	for (unsigned i = 0; want->style != RSVP_STYLE_WF && i < want->n_flows; i++) {
		senders[n] = find_sender(rsvp, app, &want->flows[i].sender);
		if (senders[n] && want->style == RSVP_STYLE_FF)
			ask(rsvp, app, &want->flows[i], &senders[n], 1);
		else if (senders[n])
			n++;
	}
	if (n > 0 || (want->style == RSVP_STYLE_WF && has_any_sender(app)))
		ask(rsvp, app, &want->flows[0], senders, n);
	rsvp_flush(rsvp);
	if (want->asked)
		want->confirm = false;
}

void rsvp_app_fulfil(struct rsvp *rsvp, struct session *session)
{
	struct rsvp_app *app;

	DL_FOREACH(session->apps, app) {
		if (app->want)
			fulfil(rsvp, app);
	}
}

/* ---- what is no longer wanted ---- */

static bool is_wanted(const struct app_want *want, const struct sender *sender)
{
	for (unsigned i = 0; i < want->n_flows; i++) {
		if (rsvp_sender_equal(&want->flows[i].sender, &sender->key.sender))
			return true;
	}
	return false;
}

static struct resv *find_own(const struct rsvp_app *app, const struct sender *sender,
			     enum rsvp_style style)
{
	struct install *install =
		rsvp_install_find(app->session, sender, style, true, app->ifindex);

	return install ? rsvp_resv_find(install, NULL, app) : NULL;
}

/* Ends what it has, except for what `keep` wants too. */
static void end_unwanted(struct rsvp *rsvp, struct rsvp_app *app, enum rsvp_style style,
			 const struct app_want *keep)
{
	struct sender *sender;
	struct resv *resv;

	if (style == RSVP_STYLE_WF) {
		resv = find_own(app, NULL, style);
		if (resv && !keep)
			rsvp_resv_end(rsvp, resv, NULL, WHY_TEAR);
		return;
	}
	DL_FOREACH(app->session->senders, sender) {
		resv = find_own(app, sender, style);
		if (resv && rsvp_resv_has(resv, sender) && !(keep && is_wanted(keep, sender)))
			rsvp_resv_end(rsvp, resv, sender, WHY_TEAR);
	}
}

void rsvp_app_release(struct rsvp *rsvp, struct rsvp_app *app)
{
	if (!app->want)
		return;
	end_unwanted(rsvp, app, app->want->style, NULL);
	free_want(app->want);
	app->want = NULL;
	rsvp_flush(rsvp);
}

static bool others_reserve(const struct rsvp_app *app)
{
	const struct rsvp_app *other;

	/* Its own may be of another style: they end first. */
	DL_FOREACH(app->session->apps, other) {
		if (other != app && other->want)
			return true;
	}
	return app->session->n_resvs > 0 && !app->want;
}

int rsvp_app_reserve(struct rsvp *rsvp, struct rsvp_app *app,
		     const struct rsvp_reserve_request *request, uint64_t now_us)
{
	struct app_want *want;
	int r;

	rsvp->now_us = now_us;
	if (!request) {
		rsvp_app_release(rsvp, app);
		return 0;
	}
	if (!is_good(rsvp, app, request))
		return -EINVAL;
	if (others_reserve(app) && app->session->n_resvs > 0 &&
	    app->session->style != request->style)
		return -EBUSY;
	r = make_want(rsvp, request, &want);
	if (r < 0)
		return r;
	if (app->want && app->want->style != want->style)
		rsvp_app_release(rsvp, app);
	if (app->want)
		end_unwanted(rsvp, app, want->style, want);
	free_want(app->want);
	app->want = want;
	fulfil(rsvp, app);
	return 0;
}
