/* SPDX-License-Identifier: MIT */
/* app.c: applications of a simulated network: what they ask for, and what they hear. */
#include "net_internal.h"

#include "net_routes.h"
#include "rsvp/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- hearing ---- */

static void hear_of_sender(struct net_app *app, const struct rsvp_event *event)
{
	uint32_t i = 0;

	while (i < app->n_known && !rsvp_sender_equal(&app->known[i].sender, &event->sender))
		i++;
	if (event->gone) {
		if (i < app->n_known)
			app->known[i] = app->known[--app->n_known];
		return;
	}
	if (i == app->n_known) {
		app->known = realloc(app->known, (i + 1) * sizeof(*app->known));
		if (!app->known)
			abort();
		app->n_known++;
	}
	app->known[i] = (struct net_app_sender){ event->sender, event->tspec };
}

static void hear_of_error(struct net_app *app, const struct rsvp_event *event)
{
	app->last_error = event->error;
	app->last_not_guilty = event->error.flags & RSVP_ERROR_NOT_GUILTY;
	app->refused += event->error.code == RSVP_ERROR_ADMISSION;
}

static void trace(const struct net_app *app, const struct rsvp_event *event)
{
	static const char *const names[] = { "?",	   "PATH",	 "RESV",
					     "PATH_ERROR", "RESV_ERROR", "CONFIRM" };
	char session[RSVP_TEXT_LEN], sender[RSVP_TEXT_LEN];

	if (app->net->trace)
		fprintf(stderr, "%.6f EVENT %s%s at %u: %s, %s\n", (double)app->net->now_us / 1e6,
			names[event->type], event->gone ? " gone" : "", app->node,
			rsvp_session_format(&event->session, session),
			rsvp_sender_format(&event->sender, sender));
}

void net_app_event(void *user_data, void *app_data, const struct rsvp_event *event)
{
	struct net_app *app = app_data;

	if (event->type < RSVP_EVENT_PATH || event->type > RSVP_EVENT_CONFIRM ||
	    !rsvp_session_equal(&event->session, &app->session))
		abort();
	trace(app, event);
	app->events[event->type]++;
	switch (event->type) {
	case RSVP_EVENT_PATH:
		hear_of_sender(app, event);
		break;
	case RSVP_EVENT_RESV:
		app->reserved = event->flowspec != NULL;
		if (app->reserved)
			app->reserved_flowspec = *event->flowspec;
		break;
	case RSVP_EVENT_PATH_ERROR:
	case RSVP_EVENT_RESV_ERROR:
		hear_of_error(app, event);
		break;
	case RSVP_EVENT_CONFIRM:
		break;
	}
}

static void forget(struct net_app *app)
{
	free(app->known);
	app->known = NULL;
	app->n_known = 0;
	app->reserved = false;
}

/* ---- asking ---- */

static struct net_node *node_of(const struct net_app *app)
{
	return app->net->nodes[app->node];
}

static void must(int r)
{
	if (r < 0)
		abort();
}

static void ask_to_send(struct net_app *app)
{
	struct net_node *node = node_of(app);

	if (!app->app)
		return;
	must(rsvp_app_send(node->rsvp, app->app, app->sends ? &app->sending : NULL,
			   app->net->now_us));
	net_rearm(node);
	if (!app->sends)
		app->reserved = false;
}

static void ask_to_reserve(struct net_app *app)
{
	struct net_node *node = node_of(app);
	const struct rsvp_reserve_request request = {
		.style = app->style,
		.confirm = app->confirm,
		.n_flows = app->style == RSVP_STYLE_WF ? 1 : app->n_flows,
		.flowspecs = app->flowspecs,
		.senders = app->senders,
		.dscp = 0xff,
	};

	if (!app->app)
		return;
	must(rsvp_app_reserve(node->rsvp, app->app, app->receives ? &request : NULL,
			      app->net->now_us));
	net_rearm(node);
}

static void appear(struct net_app *app)
{
	struct net_node *node = node_of(app);

	if (!node->rsvp || !app->open)
		return;
	must(rsvp_app_open(node->rsvp, &app->session, 0, app, &app->app, app->net->now_us));
	net_rearm(node);
	if (app->sends)
		ask_to_send(app);
	if (app->receives)
		ask_to_reserve(app);
}

struct net_app *net_app_open(struct net *net, uint32_t node, const struct rsvp_session *session)
{
	struct net_app *app = calloc(1, sizeof(*app));

	if (!app)
		abort();
	app->net = net;
	app->node = node;
	app->session = *session;
	app->open = true;
	app->stays = true;
	app->next = net->nodes[node]->apps;
	net->nodes[node]->apps = app;
	app->all_next = net->apps;
	net->apps = app;
	appear(app);
	return app;
}

static void set_member(struct net_app *app, bool member)
{
	struct address group;

	rsvp_session_address(&app->session, &group);
	if (!address_is_multicast(&group) || app->member == member)
		return;
	app->member = member;
	if (member)
		routes_join(app->net, net_group_of(&group), app->node);
	else
		routes_leave(app->net, net_group_of(&group), app->node);
	net_routing_later(app->net, false);
}

void net_app_close(struct net_app *app)
{
	struct net_node *node = node_of(app);

	app->open = false;
	app->sends = false;
	app->receives = false;
	app->joins = false;
	if (app->app) {
		rsvp_app_close(node->rsvp, app->app, app->net->now_us);
		net_rearm(node);
		app->app = NULL;
	}
	set_member(app, false);
	forget(app);
}

void net_app_send(struct net_app *app, uint16_t port, const struct rsvp_tspec *tspec)
{
	app->sends = tspec != NULL;
	if (tspec)
		app->sending = (struct rsvp_sender_request){
			.sender = net_sender(app->net, app->node, app->session.family, port),
			.tspec = *tspec,
			.offers_guaranteed = true,
			.offers_controlled_load = true,
		};
	ask_to_send(app);
}

static void set_flows(struct net_app *app, enum rsvp_style style,
		      const struct rsvp_flowspec *flowspecs, unsigned n_flowspecs,
		      const struct rsvp_sender *senders, unsigned n_senders)
{
	if (n_flowspecs > NET_FLOWS_MAX || n_senders > NET_FLOWS_MAX)
		abort();
	app->receives = true;
	app->style = style;
	app->n_flows = n_senders;
	memcpy(app->flowspecs, flowspecs, n_flowspecs * sizeof(*flowspecs));
	if (n_senders > 0)
		memcpy(app->senders, senders, n_senders * sizeof(*senders));
	ask_to_reserve(app);
}

void net_app_reserve_wf(struct net_app *app, const struct rsvp_flowspec *flowspec)
{
	set_flows(app, RSVP_STYLE_WF, flowspec, 1, NULL, 0);
}

void net_app_reserve_se(struct net_app *app, const struct rsvp_flowspec *flowspec, unsigned n,
			const struct rsvp_sender *senders)
{
	set_flows(app, RSVP_STYLE_SE, flowspec, 1, senders, n);
}

void net_app_reserve_ff(struct net_app *app, const struct rsvp_flowspec *flowspecs, unsigned n,
			const struct rsvp_sender *senders)
{
	set_flows(app, RSVP_STYLE_FF, flowspecs, n, senders, n);
}

void net_app_release(struct net_app *app)
{
	app->receives = false;
	ask_to_reserve(app);
}

void net_app_join(struct net_app *app)
{
	app->joins = true;
	if (node_of(app)->rsvp)
		set_member(app, true);
}

/* ---- the node comes and goes ---- */

void net_apps_return(struct net_node *node)
{
	for (struct net_app *app = node->apps; app; app = app->next) {
		if (!app->open)
			continue;
		if (!app->stays) {
			net_app_close(app);
			continue;
		}
		appear(app);
		set_member(app, app->joins);
	}
}

void net_apps_lose(struct net_node *node)
{
	for (struct net_app *app = node->apps; app; app = app->next) {
		if (!app->app)
			continue;
		app->app = NULL;
		set_member(app, false);
		forget(app);
	}
}

void net_free_apps(struct net *net)
{
	while (net->apps) {
		struct net_app *app = net->apps;

		net->apps = app->all_next;
		free(app->known);
		free(app);
	}
}
