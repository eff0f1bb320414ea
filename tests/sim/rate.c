/* SPDX-License-Identifier: MIT */
/* rate.c: see judge.h: how many messages a network sends, beside how many it must and may. */
#include "complaint.h"
#include "expect.h"
#include "judge.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is due ---- */

/* How state is refreshed: with the whole message in each R, or (RFC 2961) by a mention in a summary. */
enum refresh { IN_FULL, PERHAPS_SUMMED, SUMMED, REFRESH_COUNT };

/* Who sends summaries, to whom: to each of its addresses. */
struct pair {
	uint32_t from, from_interface, to, to_interface, family;
};

struct due {
	uint64_t paths[REFRESH_COUNT], resvs[REFRESH_COUNT];
	size_t n_pairs;
	struct pair *pairs;
};

static uint64_t sum_of(const uint64_t counts[static REFRESH_COUNT])
{
	return counts[IN_FULL] + counts[PERHAPS_SUMMED] + counts[SUMMED];
}

static void add_pair(struct due *due, const struct pair *pair)
{
	for (size_t i = 0; i < due->n_pairs; i++)
		if (memcmp(&due->pairs[i], pair, sizeof(*pair)) == 0)
			return;
	due->pairs = realloc(due->pairs, (due->n_pairs + 1) * sizeof(*pair));
	if (!due->pairs)
		abort();
	due->pairs[due->n_pairs++] = *pair;
}

static bool can_reduce(const struct net *net, const struct pair *pair)
{
	return net->nodes[pair->from]->setting.reduce_refreshes &&
	       net->nodes[pair->to]->setting.reduce_refreshes;
}

static bool are_adjacent(const struct net *net, const struct pair *pair)
{
	return net->nodes[pair->from]->interfaces[pair->from_interface].link ==
	       net->nodes[pair->to]->interfaces[pair->to_interface].link;
}

/* Who gets Paths that the node sends there. False: nobody, or many. */
static bool find_next(const struct expect *expect, const struct expect_path *path,
		      uint32_t interface, struct pair *ret_pair)
{
	for (uint32_t i = 0; i < expect->n_paths && !expect->multicast; i++) {
		const struct expect_path *next = &expect->paths[i];

		if (next->sender != path->sender || next->hop_node != path->node ||
		    next->hop_interface != interface)
			continue;
		*ret_pair = (struct pair){ path->node, interface, next->node, next->in_interface,
					   expect->session.family };
		return true;
	}
	return false;
}

/* Who reserves is heard, and so it is known what it can do. */
static bool is_heard(const struct expect *expect, const struct pair *pair)
{
	for (uint32_t i = 0; i < expect->n_resvs; i++) {
		const struct expect_resv *resv = &expect->resvs[i];

		if (resv->node == pair->from && resv->interface == pair->from_interface &&
		    resv->from_node == pair->to)
			return true;
	}
	return false;
}

static void count_paths(const struct expect *expect, const struct expect_path *path,
			struct due *due)
{
	const struct net *net = expect->net;
	struct pair pair;

	for (uint32_t i = 0; i < NET_INTERFACES_MAX; i++) {
		if (!(path->out >> i & 1))
			continue;
		if (!find_next(expect, path, i, &pair) || !are_adjacent(net, &pair) ||
		    !can_reduce(net, &pair)) {
			due->paths[IN_FULL]++;
		} else if (!is_heard(expect, &pair)) {
			due->paths[PERHAPS_SUMMED]++;
		} else {
			due->paths[SUMMED]++;
			add_pair(due, &pair);
		}
	}
}

static void count_resv(const struct expect *expect, const struct expect_resv *resv, struct due *due)
{
	const struct pair pair = { resv->from_node, resv->from_interface, resv->node,
				   resv->interface, expect->session.family };

	if (!can_reduce(expect->net, &pair)) {
		due->resvs[IN_FULL]++;
	} else if (!are_adjacent(expect->net, &pair)) {
		due->resvs[PERHAPS_SUMMED]++; /* acknowledgements may come from another address */
	} else {
		due->resvs[SUMMED]++;
		add_pair(due, &pair);
	}
}

/* One Resv for each neighbour, whatever it asks for. */
static bool is_first_of_neighbour(const struct expect *expect, uint32_t i)
{
	const struct expect_resv *a = &expect->resvs[i];

	for (uint32_t k = 0; k < i; k++) {
		const struct expect_resv *b = &expect->resvs[k];

		if (a->node == b->node && a->interface == b->interface &&
		    a->from_node == b->from_node)
			return false;
	}
	return true;
}

/* As expect.h sees it. */
static struct due count_due(struct net *net)
{
	const struct net_app **first = NULL;
	size_t n = judge_sessions(net, &first);
	struct due due = { 0 };

	for (size_t i = 0; i < n; i++) {
		struct expect expect;

		expect_session(net, &first[i]->session, &expect);
		for (uint32_t k = 0; k < expect.n_paths; k++)
			count_paths(&expect, &expect.paths[k], &due);
		for (uint32_t k = 0; k < expect.n_resvs; k++)
			if (is_first_of_neighbour(&expect, k))
				count_resv(&expect, &expect.resvs[k], &due);
		expect_free(&expect);
	}
	free(first);
	return due;
}

/* ---- what is sent ---- */

struct sent {
	uint64_t types[32];
};

static struct sent count_sent(const struct net *net)
{
	struct sent sent = { 0 };

	for (uint32_t i = 0; i < net->n_nodes; i++)
		for (unsigned type = 0; type < 32; type++)
			sent.types[type] += net->nodes[i]->sent[type];
	return sent;
}

static struct sent run(struct net *net, uint64_t for_us)
{
	struct sent before = count_sent(net), after;

	net_run_for(net, for_us);
	after = count_sent(net);
	for (unsigned type = 0; type < 32; type++)
		after.types[type] -= before.types[type];
	return after;
}

static double cycles_of(const struct net *net, uint64_t for_us)
{
	return (double)for_us / (double)(net->nodes[0]->setting.refresh_ms * MS);
}

/* ---- judging ---- */

static bool judge_count(const char *name, uint64_t count, double least, double most)
{
	if ((double)count <= most && (double)count >= least)
		return true;
	return complain(NULL, "%llu %s are not within %.0f and %.0f", (unsigned long long)count,
			name, least, most);
}

#define FULL_EVERY 24 /* R: as rsvp_config_default() has it */

/* Each comes 0.5 to 1.5 R after the one before it; what summaries mention, that many times as seldom. */
static bool judge_refreshes(const char *name, uint64_t count,
			    const uint64_t due[static REFRESH_COUNT], double cycles)
{
	double each = 2 * cycles + 1, seldom = 2 * cycles / FULL_EVERY + 1;

	return judge_count(name, count, (double)due[IN_FULL] * (cycles / 1.5 - 1),
			   (double)(due[IN_FULL] + due[PERHAPS_SUMMED]) * each +
				   (double)due[SUMMED] * seldom);
}

/* Each pair sends what it has in one message, once in 0.5 to 1 R. */
static bool judge_summaries(const struct sent *sent, const struct due *due, double cycles)
{
	uint64_t perhaps = due->paths[PERHAPS_SUMMED] + due->resvs[PERHAPS_SUMMED];
	double each = 2 * cycles + 1, other = (double)perhaps * each;
	bool good;

	good = judge_count("summaries", sent->types[RSVP_SREFRESH],
			   (double)due->n_pairs * (cycles - 1),
			   (double)due->n_pairs * each + other);
	/* Each is acknowledged; so is what nobody has acknowledged yet. */
	return judge_count("acknowledgements", sent->types[RSVP_ACK], 0,
			   (double)(sent->types[RSVP_SREFRESH] + due->n_pairs) + other) &&
	       good;
}

bool judge_rate(struct net *net, uint64_t for_us)
{
	double cycles = cycles_of(net, for_us);
	struct due due = count_due(net);
	struct sent sent = run(net, for_us);
	bool good, reduced;

	good = judge_refreshes("Paths", sent.types[RSVP_PATH], due.paths, cycles);
	good &= judge_refreshes("Resvs", sent.types[RSVP_RESV], due.resvs, cycles);
	good &= judge_summaries(&sent, &due, cycles);
	reduced = due.n_pairs + due.paths[PERHAPS_SUMMED] + due.resvs[PERHAPS_SUMMED] > 0;
	good &= judge_count("Bundles", sent.types[RSVP_BUNDLE], 0,
			    reduced ? (double)(sent.types[RSVP_PATH] + sent.types[RSVP_RESV]) : 0);
	for (unsigned type = 0; type < 32; type++) {
		if (type != RSVP_PATH && type != RSVP_RESV && type != RSVP_SREFRESH &&
		    type != RSVP_ACK && type != RSVP_BUNDLE && sent.types[type] > 0)
			good = complain(NULL, "%llu messages of type %u where nothing happens",
					(unsigned long long)sent.types[type], type);
	}
	free(due.pairs);
	return good;
}

bool judge_no_storm(struct net *net, uint64_t for_us)
{
	double each = 2 * cycles_of(net, for_us) + 1, most;
	struct due due = count_due(net);
	struct sent sent = run(net, for_us);
	uint64_t sum = 0;

	for (unsigned type = 0; type < 32; type++)
		sum += sent.types[type];
	/* Each refused request may be told to its receivers, and made again. */
	most = (double)(sum_of(due.paths) + 3 * sum_of(due.resvs)) * each;
	/* What changes where refreshes are reduced is acknowledged, and may leave in a Bundle; summaries are, too. */
	if (due.n_pairs > 0)
		most = 2 * most + (double)(2 * due.n_pairs) * each;
	free(due.pairs);
	if ((double)sum <= most)
		return true;
	return complain(NULL, "%llu messages are more than %.0f", (unsigned long long)sum, most);
}
