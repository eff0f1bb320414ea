/* SPDX-License-Identifier: MIT */
/*
 * provider_wish.c: what is to be reserved: the style (spec/gqos.md §10), for which of the senders that are heard, and
 * with which numbers (§9.2, §5.3): those asked for, else those of the senders themselves.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/guaranteed.h"
#include "engine/provider_internal.h"

#define TRAFFIC_BAD_FLOWSPEC 3u

/* What was asked of one sender, or of all together; 0: its own. */
struct numbers {
	enum gw_rsvp_service service;
	struct gw_tspec tspec;
	uint64_t rate_bps; /* of the guaranteed service: R */
	uint32_t latency_us, slack_us;
};

/* ---- what was asked ---- */

/* Of the guaranteed service the rate is R: r is the sender's. Of others no bound has effect without a rate. */
static struct numbers numbers_of(const struct receiving *receiving, const struct gw_rsvp_flow *flow)
{
	const struct gw_qos_direction *asked = &receiving->direction;
	struct numbers numbers = {
		.service = flow && flow->service ? (enum gw_rsvp_service)flow->service
						 : service_reserved(asked->service),
		.tspec = flow ? flow->tspec : asked->tspec,
		.latency_us = flow ? UINT32_MAX : asked->latency_us,
		.slack_us = flow ? flow->slack_us : asked->slack_us,
	};

	if (numbers.slack_us == UINT32_MAX)
		numbers.slack_us = 0;
	if (numbers.service == GW_RSVP_GUARANTEED) {
		numbers.rate_bps = flow && flow->rate_bps != 0 ? flow->rate_bps
							       : numbers.tspec.rate_bps;
		numbers.tspec.rate_bps = 0;
	} else if (numbers.tspec.rate_bps == 0) {
		numbers.tspec = (struct gw_tspec){ 0 };
	}
	return numbers;
}

/* ---- the senders ---- */

/* What they send is merged (RFC 2211): the largest of all but m. */
struct merged {
	unsigned n;
	struct gw_tspec tspec;
	uint32_t mtu; /* 0: not known */
};

static uint64_t greatest(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void merge(struct merged *merged, const struct heard *heard)
{
	struct gw_tspec *all = &merged->tspec;
	const struct gw_tspec *one = &heard->tspec;

	if (heard->path.mtu != 0 && (merged->mtu == 0 || heard->path.mtu < merged->mtu))
		merged->mtu = heard->path.mtu;
	if (merged->n++ == 0) {
		*all = *one;
		return;
	}
	all->rate_bps = greatest(all->rate_bps, one->rate_bps);
	all->depth_bytes = greatest(all->depth_bytes, one->depth_bytes);
	all->peak_bps = all->peak_bps == 0 || one->peak_bps == 0
				? 0
				: greatest(all->peak_bps, one->peak_bps);
	all->max_bytes = (uint32_t)greatest(all->max_bytes, one->max_bytes);
	if (one->min_bytes < all->min_bytes)
		all->min_bytes = one->min_bytes;
}

static struct heard *find_heard(const struct part *part, const struct gw_rsvp_flow *flow)
{
	struct address address;
	struct heard *heard;

	if (address_from_sockaddr((const struct sockaddr *)&flow->sender.address,
				  sizeof(flow->sender.address), &address) < 0)
		return NULL;
	DL_FOREACH(part->heard, heard) {
		if (heard->address.family == address.family &&
		    heard->address.port == address.port &&
		    memcmp(heard->address.addr, address.addr, sizeof(address.addr)) == 0)
			return heard;
	}
	return NULL;
}

/* ---- numbers ---- */

static void refuse(struct wish_refusal *ret_refusal, uint8_t code, uint16_t value)
{
	*ret_refusal = (struct wish_refusal){ code, value };
}

static struct gw_tspec complete(const struct gw_tspec *asked, const struct merged *merged)
{
	struct gw_tspec tspec = merged->tspec;

	if (asked->rate_bps != 0)
		tspec.rate_bps = asked->rate_bps;
	if (asked->depth_bytes != 0)
		tspec.depth_bytes = asked->depth_bytes;
	if (asked->peak_bps != 0)
		tspec.peak_bps = asked->peak_bps;
	if (asked->min_bytes != 0)
		tspec.min_bytes = asked->min_bytes;
	if (asked->max_bytes != 0)
		tspec.max_bytes = asked->max_bytes;
	if (merged->mtu != 0 && tspec.max_bytes > merged->mtu)
		tspec.max_bytes = merged->mtu;
	if (tspec.min_bytes > tspec.max_bytes)
		tspec.min_bytes = tspec.max_bytes;
	if (tspec.peak_bps != 0 && tspec.peak_bps < tspec.rate_bps)
		tspec.peak_bps = tspec.rate_bps;
	tspec.size = sizeof(tspec);
	return tspec;
}

static struct rsvp_tspec in_bytes(const struct gw_tspec *tspec)
{
	return (struct rsvp_tspec){
		.r = (float)((double)tspec->rate_bps / 8),
		.b = (float)tspec->depth_bytes,
		.p = tspec->peak_bps ? (float)((double)tspec->peak_bps / 8) : INFINITY,
		.m = tspec->min_bytes,
		.M = tspec->max_bytes,
	};
}

/* The rate that keeps to the latency on the way of one sender (§5.3). */
static int rate_for(const struct gw_tspec *tspec, const struct gw_rsvp_path *path,
		    uint32_t latency_us, uint64_t *ret_rate_bps)
{
	const struct rsvp_tspec bytes = in_bytes(tspec);
	const struct guaranteed_terms total = { path->c_total_bytes, path->d_total_us };
	uint32_t least_us = path->known && path->latency_us != UINT32_MAX ? path->latency_us : 0;
	float rate;
	int r;

	if (latency_us <= least_us)
		return -EDOM;
	r = guaranteed_rate(&bytes, (double)(latency_us - least_us) / 1e6, &total, &rate);
	if (r < 0 || (double)rate * 8 > (double)ADMISSION_RATE_MAX_BPS)
		return -EDOM;
	*ret_rate_bps = greatest((uint64_t)ceil((double)rate * 8), tspec->rate_bps);
	return 0;
}

/* `only` NULL: of all that match, the one that needs most. */
static int set_rate(const struct part *part, const struct heard *only,
		    const struct numbers *numbers, struct gw_rsvp_flow *flow,
		    struct wish_refusal *ret_refusal)
{
	const struct heard *heard;
	uint64_t rate_bps = 0;

	flow->slack_us = numbers->slack_us;
	flow->rate_bps = numbers->rate_bps ? numbers->rate_bps : flow->tspec.rate_bps;
	if (numbers->rate_bps != 0 && numbers->rate_bps < flow->tspec.rate_bps) {
		refuse(ret_refusal, ERROR_TRAFFIC, TRAFFIC_BAD_FLOWSPEC);
		return -EINVAL;
	}
	if (numbers->rate_bps != 0 || numbers->latency_us == UINT32_MAX)
		return 0;
	DL_FOREACH(part->heard, heard) {
		if ((only && heard != only) || !part_matches(part, heard))
			continue;
		if (rate_for(&flow->tspec, &heard->path, numbers->latency_us, &rate_bps) < 0) {
			refuse(ret_refusal, ERROR_ADMISSION, ADMISSION_DELAY);
			return -EINVAL;
		}
		flow->rate_bps = greatest(flow->rate_bps, rate_bps);
	}
	return 0;
}

static int set_numbers(const struct part *part, const struct heard *only,
		       const struct merged *merged, const struct numbers *numbers,
		       struct gw_rsvp_flow *flow, struct wish_refusal *ret_refusal)
{
	flow->service = numbers->service;
	flow->tspec = complete(&numbers->tspec, merged);
	if (numbers->service == GW_RSVP_NULL_SERVICE)
		return 0;
	if (flow->tspec.rate_bps == 0 || flow->tspec.max_bytes == 0) {
		refuse(ret_refusal, ERROR_TRAFFIC, TRAFFIC_BAD_TSPEC);
		return -EINVAL;
	}
	if (flow->tspec.depth_bytes == 0)
		flow->tspec.depth_bytes = flow->tspec.max_bytes;
	if (numbers->service == GW_RSVP_GUARANTEED)
		return set_rate(part, only, numbers, flow, ret_refusal);
	return 0;
}

/* ---- styles ---- */

static int add_sender(const struct part *part, struct wish *wish, const struct heard *heard,
		      const struct numbers *numbers, struct wish_refusal *ret_refusal)
{
	struct gw_rsvp_flow *flow = &wish->flows[wish->request.n_flows++];
	struct merged merged = { 0 };

	merge(&merged, heard);
	address_to_sockaddr(&heard->address, &flow->sender.address);
	return set_numbers(part, heard, &merged, numbers, flow, ret_refusal);
}

/* FF: each that is named, or the peer. */
static int make_fixed(const struct part *part, struct wish *wish, struct wish_refusal *ret_refusal)
{
	const struct receiving *receiving = part->receiving;
	bool peer = part->kind == PART_LOCAL && part->qsock->socket.peer.family != AF_UNSPEC;
	const struct gw_rsvp_flow *asked = receiving->n_flows > 0 ? receiving->flows : NULL;
	struct numbers numbers = numbers_of(receiving, asked);
	struct heard *heard;
	int r;

	if (peer) {
		DL_FOREACH(part->heard, heard) {
			if (part_matches(part, heard))
				return add_sender(part, wish, heard, &numbers, ret_refusal);
		}
		return 0;
	}
	for (uint32_t i = 0; i < receiving->n_flows; i++) {
		heard = find_heard(part, &receiving->flows[i]);
		if (!heard)
			continue;
		numbers = numbers_of(receiving, &receiving->flows[i]);
		r = add_sender(part, wish, heard, &numbers, ret_refusal);
		if (r < 0)
			return r;
	}
	return 0;
}

/* SE: those that are named share what the first descriptor says. */
static int make_explicit(const struct part *part, struct wish *wish,
			 struct wish_refusal *ret_refusal)
{
	const struct receiving *receiving = part->receiving;
	struct numbers numbers = numbers_of(receiving, receiving->flows);
	struct merged merged = { 0 };
	struct gw_rsvp_flow shared = { 0 };
	struct heard *heard;
	int r;

	for (uint32_t i = 0; i < receiving->n_flows; i++) {
		heard = find_heard(part, &receiving->flows[i]);
		if (!heard)
			continue;
		merge(&merged, heard);
		address_to_sockaddr(&heard->address,
				    &wish->flows[wish->request.n_flows++].sender.address);
	}
	if (merged.n == 0)
		return 0;
	r = set_numbers(part, NULL, &merged, &numbers, &shared, ret_refusal);
	for (uint32_t i = 0; i < wish->request.n_flows; i++) {
		shared.sender = wish->flows[i].sender;
		wish->flows[i] = shared;
	}
	return r;
}

static int make_wildcard(const struct part *part, struct wish *wish,
			 struct wish_refusal *ret_refusal)
{
	struct numbers numbers = numbers_of(part->receiving, NULL);
	struct merged merged = { 0 };
	const struct heard *heard;

	DL_FOREACH(part->heard, heard) {
		if (part_matches(part, heard))
			merge(&merged, heard);
	}
	if (merged.n == 0)
		return 0;
	return set_numbers(part, NULL, &merged, &numbers, &wish->flows[wish->request.n_flows++],
			   ret_refusal);
}

static enum gw_rsvp_style style_of(const struct part *part)
{
	/* Whatever was asked for before it had a peer: now it has (§8.3). */
	if (part->kind == PART_LOCAL && part->qsock->socket.peer.family != AF_UNSPEC)
		return GW_RSVP_FF;
	return part->receiving->style ? (enum gw_rsvp_style)part->receiving->style : GW_RSVP_WF;
}

static int make(const struct part *part, struct wish *wish, struct wish_refusal *ret_refusal)
{
	switch (wish->request.style) {
	case GW_RSVP_FF:
		return make_fixed(part, wish, ret_refusal);
	case GW_RSVP_SE:
		return make_explicit(part, wish, ret_refusal);
	case GW_RSVP_WF:
		break;
	}
	return make_wildcard(part, wish, ret_refusal);
}

int wish_make(const struct part *part, struct wish **ret_wish, struct wish_refusal *ret_refusal)
{
	const struct receiving *receiving = part->receiving;
	uint32_t room = receiving->n_flows > 0 ? receiving->n_flows : 1;
	struct wish *wish;
	int r;

	*ret_refusal = (struct wish_refusal){ 0 };
	*ret_wish = NULL;
	if (!part->heard)
		return 0;
	wish = calloc(1, sizeof(*wish) + room * sizeof(wish->flows[0]));
	if (!wish)
		return -ENOMEM;
	wish->request = (struct gw_rsvp_request){
		.size = sizeof(wish->request),
		.style = style_of(part),
		.service = service_reserved(receiving->direction.service),
		.flags = part->confirming ? GW_RSVP_CONFIRM : 0,
		.dscp = -1,
		.flows = wish->flows,
		.policy = receiving->policy_len > 0 ? receiving->policy : NULL,
		.policy_len = receiving->policy_len,
	};
	r = make(part, wish, ret_refusal);
	if (r < 0 || wish->request.n_flows == 0) {
		free(wish);
		return r;
	}
	*ret_wish = wish;
	return 0;
}

static bool same_numbers(const struct gw_rsvp_flow *a, const struct gw_rsvp_flow *b)
{
	return a->service == b->service && a->tspec.rate_bps == b->tspec.rate_bps &&
	       a->tspec.depth_bytes == b->tspec.depth_bytes &&
	       a->tspec.peak_bps == b->tspec.peak_bps && a->tspec.min_bytes == b->tspec.min_bytes &&
	       a->tspec.max_bytes == b->tspec.max_bytes && a->rate_bps == b->rate_bps &&
	       a->slack_us == b->slack_us &&
	       memcmp(&a->sender.address, &b->sender.address, sizeof(a->sender.address)) == 0;
}

/* Whether Resv would say the same; their policies are those of one who asked once. */
bool wish_equal(const struct wish *a, const struct wish *b)
{
	if (a->request.style != b->request.style || a->request.service != b->request.service ||
	    a->request.n_flows != b->request.n_flows)
		return false;
	for (uint32_t i = 0; i < a->request.n_flows; i++) {
		if (!same_numbers(&a->flows[i], &b->flows[i]))
			return false;
	}
	return true;
}
