/* SPDX-License-Identifier: MIT */
/* app_event.c: what applications are told (RFC 2205 §3.11.1; spec/rsvp.md §8.14). */
#include "rsvp/internal.h"

static void tell(struct rsvp *rsvp, const struct rsvp_app *app, const struct rsvp_event *event)
{
	rsvp->ports.event(rsvp->ports.user_data, app->data, event);
}

/* ---- to receivers ---- */

static const struct rsvp_adspec *read_adspec(const struct path *path, struct rsvp_adspec *adspec)
{
	struct rsvp_object object;
	size_t position = 0, len;
	const uint8_t *data = rsvp_carried_adspec(path->carried, &len);

	if (len == 0 || rsvp_object_next(data, len, &position, &object) != 1 ||
	    rsvp_read_adspec(&object, adspec) < 0)
		return NULL;
	return adspec;
}

void rsvp_app_tell_path(struct rsvp *rsvp, const struct rsvp_app *app, const struct path *path,
			bool gone)
{
	const struct sender *sender = path->sender;
	struct rsvp_adspec adspec;
	struct rsvp_event event = {
		.type = RSVP_EVENT_PATH,
		.gone = gone,
		.session = sender->key.session->key,
		.sender = sender->key.sender,
		.tspec = path->tspec.tspec,
		.non_rsvp_hop = path->non_rsvp,
		.dscp = 0xff,
	};

	/* Who sends does not hear itself. */
	if (path->up->app == app)
		return;
	event.adspec = read_adspec(path, &adspec);
	event.policy = rsvp_carried_policy(path->carried, &event.policy_len);
	if (event.policy_len == 0)
		event.policy = NULL;
	tell(rsvp, app, &event);
}

void rsvp_app_path_event(struct rsvp *rsvp, struct sender *sender, const struct path *path)
{
	struct rsvp_app *app;

	DL_FOREACH(sender->key.session->apps, app) {
		if (rsvp_sender_local_path(sender, app->ifindex) == path)
			rsvp_app_tell_path(rsvp, app, path, false);
	}
}

static unsigned senders_of(const struct resv *resv, struct rsvp_sender *senders)
{
	unsigned n = 0;

	for (; n < resv->n_filters && n < FLOWS_MAX; n++)
		senders[n] = resv->filters[n].sender->key.sender;
	return n;
}

/* By which way its data comes when that path is gone; NULL: it comes no more. */
static const struct path *path_instead(const struct sender *sender, const struct path *path)
{
	if (sender->path && sender->path != path)
		return sender->path;
	return sender->paths != path ? sender->paths : path->next;
}

void rsvp_app_path_lost(struct rsvp *rsvp, struct sender *sender, const struct path *path)
{
	const struct path *instead = path_instead(sender, path);
	struct rsvp_app *app;

	DL_FOREACH(sender->key.session->apps, app) {
		if (rsvp_sender_local_path(sender, app->ifindex) == path)
			rsvp_app_tell_path(rsvp, app, instead ? instead : path, !instead);
	}
}

/* Of a reservation of an application, with the senders that it has. */
static void tell_of_resv(struct rsvp *rsvp, const struct resv *resv, enum rsvp_event_type type,
			 const struct rsvp_error *error, const struct rsvp_flowspec *flowspec)
{
	const struct session *session = resv->install->session;
	struct rsvp_sender senders[FLOWS_MAX];
	struct rsvp_event event = {
		.type = type,
		.session = session->key,
		.style = session->style,
		.flowspec = flowspec,
		.n_senders = senders_of(resv, senders),
		.senders = senders,
		.dscp = 0xff,
	};

	if (error)
		event.error = *error;
	tell(rsvp, resv->app, &event);
}

void rsvp_app_resv_error(struct rsvp *rsvp, const struct resv *resv, const struct rsvp_error *error,
			 const struct rsvp_flowspec *flowspec)
{
	tell_of_resv(rsvp, resv, RSVP_EVENT_RESV_ERROR, error, flowspec);
}

void rsvp_app_confirm(struct rsvp *rsvp, const struct resv *resv)
{
	tell_of_resv(rsvp, resv, RSVP_EVENT_CONFIRM, NULL, &resv->flowspec);
}

static bool wants(const struct rsvp_app *app, const struct rsvp_message *message,
		  const struct rsvp_sender *senders, unsigned n_senders)
{
	const struct app_want *want = app->want;

	if (!want || !want->asked || want->style != message->style)
		return false;
	if (want->style == RSVP_STYLE_WF)
		return true;
	for (unsigned i = 0; i < want->n_flows; i++) {
		for (unsigned j = 0; j < n_senders; j++) {
			if (rsvp_sender_equal(&want->flows[i].sender, &senders[j]))
				return true;
		}
	}
	return false;
}

void rsvp_app_confirmed(struct rsvp *rsvp, const struct rsvp_message *message)
{
	struct session *session = rsvp_session_find(rsvp, &message->session);
	struct rsvp_sender senders[FLOWS_MAX];
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flowspec flowspec = { 0 };
	struct rsvp_event event = {
		.type = RSVP_EVENT_CONFIRM,
		.session = message->session,
		.style = message->style,
		.flowspec = &flowspec,
		.senders = senders,
		.dscp = 0xff,
	};
	struct rsvp_flow flow;
	struct rsvp_app *app;

	event.error.node = message->error.node;
	while (rsvp_flow_next(message, &iter, &flow)) {
		flowspec = flow.flowspec;
		if (flow.sender.family != AF_UNSPEC && event.n_senders < FLOWS_MAX)
			senders[event.n_senders++] = flow.sender;
	}
	if (!session) {
		rsvp_count_one(rsvp, RSVP_COUNT_NO_STATE);
		return;
	}
	DL_FOREACH(session->apps, app) {
		if (wants(app, message, senders, event.n_senders))
			tell(rsvp, app, &event);
	}
}

/* ---- to senders ---- */

static void take_carried(const struct install *installs, struct rsvp_event *event)
{
	const struct install *install;
	const struct resv *resv;

	DL_FOREACH(installs, install) {
		if (!install->merged)
			continue;
		DL_FOREACH(install->resvs, resv) {
			if (event->dscp == 0xff)
				event->dscp = rsvp_carried_dscp(resv->carried);
			if (event->policy_len == 0)
				event->policy =
					rsvp_carried_policy(resv->carried, &event->policy_len);
		}
	}
	if (event->policy_len == 0)
		event->policy = NULL;
}

void rsvp_app_resv_event(struct rsvp *rsvp, struct up *up, const struct merged *merged)
{
	const struct sender *sender = up->paths->sender;
	const struct session *session = up->session;
	struct merged of_path;
	struct rsvp_event event = {
		.type = RSVP_EVENT_RESV,
		.gone = !merged,
		.session = session->key,
		.sender = sender->key.sender,
		.style = session->style,
		.n_senders = 1,
		.senders = &sender->key.sender,
		.dscp = 0xff,
	};

	if (merged && session->style == RSVP_STYLE_FF) {
		rsvp_merge_path(up->paths, &of_path);
		event.flowspec = &of_path.flowspec;
		take_carried(sender->installs, &event);
	} else if (merged) {
		event.flowspec = &merged->flowspec;
		take_carried(session->installs, &event);
	}
	tell(rsvp, up->app, &event);
}

void rsvp_app_path_error(struct rsvp *rsvp, const struct rsvp_app *app, const struct sender *sender,
			 const struct rsvp_error_spec *spec)
{
	struct rsvp_event event = {
		.type = RSVP_EVENT_PATH_ERROR,
		.session = sender->key.session->key,
		.sender = sender->key.sender,
		.error = { spec->code, spec->flags, spec->value, spec->node },
		.dscp = 0xff,
	};

	tell(rsvp, app, &event);
}
