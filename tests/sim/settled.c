/* SPDX-License-Identifier: MIT */
/* settled.c: see judge.h: a settled network beside what expect.h makes of it. */
#include "complaint.h"
#include "expect.h"
#include "judge.h"

#include <stdlib.h>
#include <string.h>

struct court {
	struct net *net;
	struct seen seen;
	uint32_t *n_installed; /* of each node: that are expected */
};

/* ---- path state ---- */

static bool same_address(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static bool judge_path(const struct expect *expect, const struct expect_path *path,
		       struct seen_sender *seen, size_t n)
{
	const struct expect_sender *sender = &expect->senders[path->sender];
	struct net *net = expect->net;
	bool local = path->in_interface == NET_NONE, good = true;
	struct address hop;

	for (size_t i = 0; i < n; i++) {
		const struct rsvp_sender_info *info = &seen[i].info;

		if (seen[i].node != path->node ||
		    !rsvp_sender_equal(&info->sender, &sender->sender) ||
		    (!local && info->in_ifindex != path->in_interface + 1))
			continue;
		seen[i].expected = true;
		if (info->local != local)
			good = complain_sender(&seen[i], "is local, or not, and should not");
		if (memcmp(&info->tspec, &sender->app->sending.tspec, sizeof(info->tspec)) != 0)
			good = complain_sender(&seen[i], "has another Tspec than it sends");
		if (local)
			return good;
		hop = net_address(net, path->hop_node, path->hop_interface, expect->session.family);
		if (!same_address(&hop, &info->previous_hop.address))
			good = complain_sender(&seen[i], "comes from another hop than its data");
		return good;
	}
	return complain_session(
		net->nodes[path->node], &expect->session,
		"no state of the path from node %u, which should be on interface %u",
		sender->app->node, path->in_interface + 1);
}

/* ---- reservations ---- */

static bool same_filters(const struct expect *expect, uint64_t filters,
			 const struct rsvp_sender *senders, unsigned n_senders)
{
	if (n_senders != (unsigned)__builtin_popcountll(filters))
		return false;
	for (unsigned i = 0; i < n_senders; i++) {
		bool found = false;

		for (uint32_t k = 0; k < expect->n_senders; k++)
			found |= (filters >> k & 1) &&
				 rsvp_sender_equal(&expect->senders[k].sender, &senders[i]);
		if (!found)
			return false;
	}
	return true;
}

static struct seen_resv *find_resv(const struct expect *expect, const struct expect_resv *resv,
				   struct seen_resv *seen, size_t n)
{
	struct address hop = net_address(expect->net, resv->from_node, resv->from_interface,
					 expect->session.family);

	for (size_t i = 0; i < n; i++) {
		const struct rsvp_reservation_info *info = &seen[i].info;

		if (seen[i].node == resv->node && info->out_ifindex == resv->interface + 1 &&
		    same_address(&info->next_hop.address, &hop) &&
		    (resv->sender == NET_NONE ||
		     same_filters(expect, resv->filters, info->senders, info->n_senders)))
			return &seen[i];
	}
	return NULL;
}

static bool judge_resv(const struct expect *expect, const struct expect_resv *resv,
		       struct seen_resv *seen, size_t n)
{
	struct seen_resv *found = find_resv(expect, resv, seen, n);
	char text[FLOWSPEC_TEXT_LEN];
	bool good = true;

	if (!found)
		return complain_session(expect->net->nodes[resv->node], &expect->session,
					"no reservation of node %u on interface %u: %s",
					resv->from_node, resv->interface + 1,
					flowspec_text(&resv->flowspec, text));
	found->expected = true;
	if (found->info.style != expect->style)
		good = complain_resv(found, "has another style than was asked for");
	if (!same_filters(expect, resv->filters, found->info.senders, found->info.n_senders))
		good = complain_resv(found, "has other senders than were asked for");
	if (!flowspec_same(&found->info.flowspec, &resv->flowspec)) {
		good = complain_resv(found, "is another reservation than the merged one:");
		complain(NULL, "\t%s", flowspec_text(&resv->flowspec, text));
	}
	if (!found->info.installed)
		good = complain_resv(found, "is not installed");
	return good;
}

/* What an application here asks for: `filters` of it; FF: one sender. */
static bool judge_local(const struct expect *expect, const struct net_app *app, uint64_t filters,
			const struct rsvp_flowspec *flowspec, struct seen_resv *seen, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct rsvp_reservation_info *info = &seen[i].info;

		if (seen[i].node != app->node || seen[i].expected ||
		    info->next_hop.address.family != AF_UNSPEC || info->style != app->style ||
		    !flowspec_same(&info->flowspec, flowspec) ||
		    !same_filters(expect, filters, info->senders, info->n_senders))
			continue;
		seen[i].expected = true;
		return true;
	}
	return complain_session(expect->net->nodes[app->node], &expect->session,
				"nothing is reserved for an application here");
}

static bool judge_receiving(const struct expect *expect, const struct net_app *app,
			    struct seen_resv *seen, size_t n)
{
	uint64_t filters = 0;
	bool any = false, good = true;
	unsigned flow;

	for (uint32_t i = 0; i < expect->n_senders; i++) {
		if (!expect_local_path(expect, i, app->node) ||
		    !expect_selects(expect, app, i, &flow))
			continue;
		any = true;
		filters |= UINT64_C(1) << i;
		if (app->style == RSVP_STYLE_FF)
			good &= judge_local(expect, app, UINT64_C(1) << i, &app->flowspecs[flow],
					    seen, n);
	}
	if (!any || app->style == RSVP_STYLE_FF)
		return good;
	return judge_local(expect, app, app->style == RSVP_STYLE_WF ? 0 : filters,
			   &app->flowspecs[0], seen, n);
}

/* ---- traffic control ---- */

/* All that is sent that way by senders of the reservation. */
static struct rsvp_tspec sent_there(const struct expect *expect, const struct expect_resv *resv,
				    uint64_t filters)
{
	struct rsvp_tspec sum = { 0 };
	bool any = false;

	for (uint32_t i = 0; i < expect->n_paths; i++) {
		const struct expect_path *path = &expect->paths[i];
		const struct rsvp_tspec *tspec = &expect->senders[path->sender].app->sending.tspec;

		if (path->node != resv->node || !(path->out >> resv->interface & 1) ||
		    (expect->style != RSVP_STYLE_WF && !(filters >> path->sender & 1)))
			continue;
		sum = any ? tspec_sum(&sum, tspec) : *tspec;
		any = true;
	}
	return sum;
}

static const struct rsvp_tc_request *find_installed(const struct expect *expect,
						    const struct expect_resv *resv)
{
	const struct net_node *node = expect->net->nodes[resv->node];

	for (uint32_t i = 0; i < node->ledger.room; i++) {
		const struct ledger_entry *entry = &node->ledger.entries[i];

		if (entry->used && entry->request.ifindex == resv->interface + 1 &&
		    rsvp_session_equal(&entry->request.session, &expect->session) &&
		    (resv->sender == NET_NONE ||
		     rsvp_sender_equal(&entry->request.filters[0].sender,
				       &expect->senders[resv->sender].sender)))
			return &entry->request;
	}
	return NULL;
}

static bool judge_installed(const struct expect *expect, const struct expect_resv *resv)
{
	const struct net_node *node = expect->net->nodes[resv->node];
	const struct rsvp_tc_request *request = find_installed(expect, resv);
	struct rsvp_sender senders[EXPECT_SENDERS_MAX];
	struct rsvp_flowspec flowspec;
	struct rsvp_tspec sent;
	uint64_t filters;
	bool good = true;

	expect_install(expect, resv->node, resv->interface, resv->sender, &flowspec, &filters);
	if (!request)
		return complain_session(node, &expect->session,
					"nothing is installed on interface %u",
					resv->interface + 1);
	if (request->style != expect->style || !flowspec_same(&request->flowspec, &flowspec))
		good = complain_tc(node, request, "is not what all next hops together ask for");
	for (unsigned i = 0; i < request->n_filters && i < EXPECT_SENDERS_MAX; i++)
		senders[i] = request->filters[i].sender;
	if (!same_filters(expect, filters, senders, request->n_filters))
		good = complain_tc(node, request, "is for other senders than were asked for");
	sent = sent_there(expect, resv, filters);
	sent = tspec_installed(&flowspec.tspec, &sent);
	if (memcmp(&sent, &request->tspec, sizeof(sent)) != 0)
		good = complain_tc(node, request, "is policed to another Tspec than is sent");
	return good;
}

static bool is_first_there(const struct expect *expect, uint32_t i)
{
	const struct expect_resv *a = &expect->resvs[i];

	for (uint32_t k = 0; k < i; k++) {
		const struct expect_resv *b = &expect->resvs[k];

		if (a->node == b->node && a->interface == b->interface && a->sender == b->sender)
			return false;
	}
	return true;
}

/* ---- applications ---- */

static bool judge_sender(const struct expect *expect, uint32_t i)
{
	const struct net_app *app = expect->senders[i].app;
	const struct net_node *node = expect->net->nodes[app->node];
	char heard[FLOWSPEC_TEXT_LEN], reserved[FLOWSPEC_TEXT_LEN];
	struct rsvp_flowspec flowspec;
	bool is_reserved = expect_event(expect, i, &flowspec);

	if (app->reserved != is_reserved)
		return complain_session(node, &expect->session,
					is_reserved
						? "the sender does not know that it has a "
						  "reservation"
						: "the sender thinks that it has a reservation");
	if (is_reserved && !flowspec_same(&app->reserved_flowspec, &flowspec))
		return complain_session(node, &expect->session,
					"the sender thinks that it has %s, but it is %s",
					flowspec_text(&app->reserved_flowspec, heard),
					flowspec_text(&flowspec, reserved));
	return true;
}

static bool knows(const struct net_app *app, const struct expect_sender *sender)
{
	for (uint32_t i = 0; i < app->n_known; i++)
		if (rsvp_sender_equal(&app->known[i].sender, &sender->sender))
			return memcmp(&app->known[i].tspec, &sender->app->sending.tspec,
				      sizeof(struct rsvp_tspec)) == 0;
	return false;
}

static bool judge_knowledge(const struct expect *expect, const struct net_app *app)
{
	const struct net_node *node = expect->net->nodes[app->node];
	bool good = true;
	uint32_t n = 0;

	for (uint32_t i = 0; i < expect->n_senders; i++) {
		if (expect->senders[i].app == app || !expect_local_path(expect, i, app->node))
			continue;
		n++;
		if (!knows(app, &expect->senders[i]))
			good = complain_session(
				node, &expect->session,
				"the receiver does not know the sender at node %u as "
				"it is",
				expect->senders[i].app->node);
	}
	if (app->n_known != n)
		good = complain_session(node, &expect->session,
					"the receiver knows %u senders of %u", app->n_known, n);
	return good;
}

/* ---- all of it ---- */

static bool judge_session(struct court *court, const struct expect *expect)
{
	struct seen_sender *senders;
	struct seen_resv *resvs;
	size_t n_senders, n_resvs;
	bool good = true;

	senders = seen_senders_of(&court->seen, &expect->session, &n_senders);
	resvs = seen_resvs_of(&court->seen, &expect->session, &n_resvs);
	for (uint32_t i = 0; i < expect->n_paths; i++)
		good &= judge_path(expect, &expect->paths[i], senders, n_senders);
	for (uint32_t i = 0; i < expect->n_resvs; i++) {
		good &= judge_resv(expect, &expect->resvs[i], resvs, n_resvs);
		if (!is_first_there(expect, i))
			continue;
		court->n_installed[expect->resvs[i].node]++;
		good &= judge_installed(expect, &expect->resvs[i]);
	}
	for (const struct net_app *app = court->net->apps; app; app = app->all_next) {
		if (!app->app || !rsvp_session_equal(&app->session, &expect->session))
			continue;
		if (app->receives)
			good &= judge_receiving(expect, app, resvs, n_resvs);
		if (app->receives || app->joins)
			good &= judge_knowledge(expect, app);
	}
	for (uint32_t i = 0; i < expect->n_senders; i++)
		good &= judge_sender(expect, i);
	return good;
}

static bool judge_rest(const struct court *court)
{
	const struct net *net = court->net;
	bool good = true;

	for (size_t i = 0; i < court->seen.n_senders; i++)
		if (!court->seen.senders[i].expected)
			good = complain_sender(&court->seen.senders[i], "nobody sends that way");
	for (size_t i = 0; i < court->seen.n_resvs; i++)
		if (!court->seen.resvs[i].expected)
			good = complain_resv(&court->seen.resvs[i], "nobody asks for that");
	for (uint32_t i = 0; i < net->n_nodes; i++)
		if (net->nodes[i]->rsvp && net->nodes[i]->ledger.count != court->n_installed[i])
			good = complain(net->nodes[i],
					"traffic control has %u reservations instead of %u",
					net->nodes[i]->ledger.count, court->n_installed[i]);
	return good;
}

bool judge_settled(struct net *net)
{
	struct court court = { .net = net };
	const struct net_app **first;
	size_t n = judge_sessions(net, &first);
	bool good = true;

	court.n_installed = calloc(net->n_nodes, sizeof(*court.n_installed));
	if (!court.n_installed)
		abort();
	seen_collect(net, NET_NONE, &court.seen);
	for (size_t i = 0; i < n; i++) {
		struct expect expect;

		expect_session(net, &first[i]->session, &expect);
		good &= judge_session(&court, &expect);
		expect_free(&expect);
	}
	good &= judge_rest(&court);
	good &= judge_books(net);
	seen_free(&court.seen);
	free(court.n_installed);
	free(first);
	return good;
}
