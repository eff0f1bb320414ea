/* SPDX-License-Identifier: MIT */
/*
 * judge.c: see judge.h: books, silence and single receivers. What a settled network is stands in settled.c, how
 * often it refreshes what it has in rate.c.
 */
#include "judge.h"

#include "complaint.h"
#include "expect.h"
#include "seen.h"

#include <stdlib.h>
#include <string.h>

uint64_t judge_settling_us(const struct net *net)
{
	const struct rsvp_interface *setting = &net->nodes[0]->setting;
	uint64_t lifetime_us =
		(2 * setting->lifetime_factor + 1) * UINT64_C(3) * setting->refresh_ms * MS / 4;

	/* State that nobody refreshes goes; what followed from it goes after it; blockades have ended. */
	return 2 * lifetime_us + setting->blockade_factor * setting->refresh_ms * MS +
	       net->converge_us + net->notify_us + 6 * setting->settle_ms * MS + 10 * SECOND;
}

/* ---- books ---- */

static bool same_place(const struct seen_resv *resv, const struct rsvp_tc_request *request)
{
	if (resv->info.next_hop.address.family == AF_UNSPEC ||
	    resv->info.out_ifindex != request->ifindex || resv->info.style != request->style ||
	    !rsvp_session_equal(&resv->info.session, &request->session))
		return false;
	return request->style != RSVP_STYLE_FF ||
	       (resv->info.n_senders == 1 &&
		rsvp_sender_equal(&resv->info.senders[0], &request->filters[0].sender));
}

static bool is_filter_of(const struct rsvp_sender *sender, const struct seen_resv *resv)
{
	for (unsigned i = 0; i < resv->info.n_senders; i++)
		if (rsvp_sender_equal(sender, &resv->info.senders[i]))
			return true;
	return false;
}

/* One entry of traffic control beside those who asked for it. */
static bool judge_entry(const struct net_node *node, const struct rsvp_tc_request *request,
			struct seen *seen)
{
	struct rsvp_flowspec merged = { 0 };
	uint32_t n_filters = 0;
	bool any = false, good = true;

	for (size_t i = 0; i < seen->n_resvs; i++) {
		struct seen_resv *resv = &seen->resvs[i];

		if (!same_place(resv, request))
			continue;
		resv->expected = true;
		if (!any)
			merged = resv->info.flowspec;
		else if (flowspec_merge(&merged, &resv->info.flowspec, &merged) < 0)
			abort();
		any = true;
	}
	for (unsigned k = 0; k < request->n_filters; k++)
		for (size_t i = 0; i < seen->n_resvs; i++)
			if (same_place(&seen->resvs[i], request) &&
			    is_filter_of(&request->filters[k].sender, &seen->resvs[i])) {
				n_filters++;
				break;
			}
	if (!any)
		return complain_tc(node, request, "nobody asks for what traffic control has");
	if (!flowspec_same(&merged, &request->flowspec))
		good = complain_tc(node, request,
				   "is not the least upper bound of what is asked for");
	if (n_filters != request->n_filters)
		good = complain_tc(node, request, "has a sender that nobody asks for");
	return good;
}

static bool judge_lines(const struct net_node *node)
{
	bool good = true;

	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		const struct ledger_line *line = &node->interfaces[i].line;
		double sum = 0;
		uint32_t count = 0;

		for (uint32_t k = 0; k < node->ledger.room; k++) {
			const struct ledger_entry *entry = &node->ledger.entries[k];

			if (!entry->used || entry->line != line)
				continue;
			sum += ledger_rate(&entry->request.flowspec);
			count++;
		}
		if (sum != line->reserved_bytes_per_s || count != line->count)
			good = complain(node,
					"interface %u: %g bytes/s of %u reservations are not "
					"%g of %u",
					i + 1, sum, count, line->reserved_bytes_per_s, line->count);
		if (sum > line->reservable_bytes_per_s)
			good = complain(node, "interface %u: %g bytes/s are more than %g", i + 1,
					sum, line->reservable_bytes_per_s);
	}
	return good;
}

static bool judge_node_books(const struct net *net, const struct net_node *node)
{
	struct rsvp_sizes sizes = rsvp_sizes(node->rsvp);
	bool good = true;
	struct seen seen;

	seen_collect(net, node->index, &seen);
	for (uint32_t i = 0; i < node->ledger.room; i++)
		if (node->ledger.entries[i].used)
			good &= judge_entry(node, &node->ledger.entries[i].request, &seen);
	for (size_t i = 0; i < seen.n_resvs; i++)
		if (!seen.resvs[i].expected &&
		    seen.resvs[i].info.next_hop.address.family != AF_UNSPEC)
			good = complain_resv(&seen.resvs[i], "is not known to traffic control");
	if (sizes.installed != node->ledger.count)
		good = complain(node, "says that %u are installed, traffic control has %u",
				sizes.installed, node->ledger.count);
	seen_free(&seen);
	return judge_lines(node) && good;
}

bool judge_books(struct net *net)
{
	bool good = true;

	for (uint32_t i = 0; i < net->n_nodes; i++)
		if (net->nodes[i]->rsvp)
			good &= judge_node_books(net, net->nodes[i]);
	return good;
}

/* ---- silence ---- */

bool judge_quiet(struct net *net)
{
	bool good = true;
	struct seen seen;

	seen_collect(net, NET_NONE, &seen);
	for (size_t i = 0; i < seen.n_senders; i++)
		good = complain_sender(&seen.senders[i], "is still there");
	for (size_t i = 0; i < seen.n_resvs; i++)
		good = complain_resv(&seen.resvs[i], "is still there");
	seen_free(&seen);
	for (uint32_t i = 0; i < net->n_nodes; i++) {
		const struct net_node *node = net->nodes[i];
		struct rsvp_sizes sizes;

		if (!node->rsvp)
			continue;
		sizes = rsvp_sizes(node->rsvp);
		if (sizes.sessions || sizes.senders || sizes.reservations || sizes.installed ||
		    sizes.blockades)
			good = complain(node,
					"has %u sessions, %u senders, %u reservations, %u "
					"installed, %u blockades",
					sizes.sessions, sizes.senders, sizes.reservations,
					sizes.installed, sizes.blockades);
		if (node->ledger.count > 0)
			good = complain(node, "traffic control has %u reservations",
					node->ledger.count);
		if (rsvp_next_deadline_us(node->rsvp) != UINT64_MAX)
			good = complain(node, "waits for something");
	}
	return good;
}

/* ---- one receiver ---- */

static bool is_reserved_at(const struct net_node *node, uint32_t interface,
			   const struct net_app *receiver, const struct net_app *sender)
{
	unsigned flow = 0;

	while (receiver->style == RSVP_STYLE_FF && flow + 1 < receiver->n_flows &&
	       !rsvp_sender_equal(&receiver->senders[flow], &sender->sending.sender))
		flow++;
	for (uint32_t i = 0; i < node->ledger.room; i++) {
		const struct ledger_entry *entry = &node->ledger.entries[i];
		bool listed = entry->used && entry->request.n_filters == 0;

		if (!entry->used || entry->line != &node->interfaces[interface].line ||
		    !rsvp_session_equal(&entry->request.session, &receiver->session))
			continue;
		for (unsigned k = 0; k < entry->request.n_filters; k++)
			listed |= rsvp_sender_equal(&entry->request.filters[k].sender,
						    &sender->sending.sender);
		if (listed && entry->rate >= ledger_rate(&receiver->flowspecs[flow]))
			return true;
	}
	return false;
}

bool judge_receiver(struct net *net, const struct net_app *receiver, const struct net_app *sender)
{
	const struct expect_path *path = NULL;
	struct expect expect;
	bool good = true;

	expect_session(net, &receiver->session, &expect);
	for (uint32_t i = 0; i < expect.n_senders; i++)
		if (expect.senders[i].app == sender)
			path = expect_local_path(&expect, i, receiver->node);
	if (!path)
		good = complain(net->nodes[receiver->node],
				"data of the sender does not come here");
	while (path && path->hop_node != NET_NONE) {
		const struct net_node *node = net->nodes[path->hop_node];
		uint32_t number = path->sender;

		if (!is_reserved_at(node, path->hop_interface, receiver, sender))
			good = complain(node,
					"interface %u: nothing, or not enough, is reserved for "
					"the receiver at node %u",
					path->hop_interface + 1, receiver->node);
		path = NULL;
		for (uint32_t i = 0; i < expect.n_paths; i++)
			if (expect.paths[i].sender == number &&
			    expect.paths[i].node == node->index && expect.paths[i].forwards)
				path = &expect.paths[i];
	}
	expect_free(&expect);
	return good;
}
