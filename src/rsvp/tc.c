/* SPDX-License-Identifier: MIT */
/*
 * tc.c: what is installed on an interface for a session: the least upper bound of what is asked for there, no more
 * than the senders say they will send, and who has to police it (spec/rsvp.md §8.7, RFC 2205 §2.2, §3.8).
 */
#include "rsvp/internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- who is in it ---- */

static bool is_member(const struct install *install, const struct sender *sender)
{
	const struct resv *resv;

	if (install->sender)
		return install->sender == sender;
	/* What was asked for by name stays while the reservation does, for routes may come back (spec/rsvp.md §8.12). */
	if (install->session->style == RSVP_STYLE_WF && !rsvp_install_reaches(install, sender))
		return false;
	DL_FOREACH(install->resvs, resv) {
		if (rsvp_resv_has(resv, sender))
			return true;
	}
	return false;
}

/* What its senders send in all, and what has to be known of them. */
struct senders {
	unsigned n, n_filters;
	bool e_police;
	bool any_tspec;
	struct rsvp_tspec tspec;
	struct rsvp_tc_filter *filters; /* WF: none */
};

static void add_sender(struct senders *senders, const struct sender *sender)
{
	const struct path *path = sender->path ? sender->path : sender->paths;

	senders->n++;
	senders->e_police |= path->e_police;
	if (senders->filters)
		senders->filters[senders->n_filters++].sender = sender->key.sender;
	if (!(path->tspec.tspec.r > 0))
		return; /* it only offers the null service */
	senders->tspec = senders->any_tspec ? tspec_sum(&senders->tspec, &path->tspec.tspec)
					    : path->tspec.tspec;
	senders->any_tspec = true;
}

static void gather(const struct install *install, struct senders *senders)
{
	const struct sender *sender;

	if (install->sender) {
		if (!install->sender->doomed)
			add_sender(senders, install->sender);
		return;
	}
	DL_FOREACH(install->session->senders, sender) {
		if (!sender->doomed && is_member(install, sender))
			add_sender(senders, sender);
	}
}

/* ---- what it is ---- */

/* -1: services that cannot be merged. */
static int merge_resvs(const struct install *install, struct rsvp_flowspec *ret_flowspec)
{
	struct rsvp_flowspec flowspec = install->resvs->flowspec;
	const struct resv *resv;

	DL_FOREACH(install->resvs, resv) {
		if (flowspec_merge(&flowspec, &resv->flowspec, &flowspec) < 0)
			return -1;
	}
	*ret_flowspec = flowspec;
	return 0;
}

/* B_Police: elsewhere more is reserved of the same data than goes this way. */
static bool is_branch(const struct install *install, const struct rsvp_flowspec *flowspec)
{
	const struct install *other;

	DL_FOREACH(install->sender ? install->sender->installs : install->session->installs,
		   other) {
		enum flowspec_order order;

		if (other == install || other->local || !other->resvs)
			continue;
		order = flowspec_order(flowspec, &other->flowspec);
		if (order == FLOWSPEC_LESS || order == FLOWSPEC_INCOMPARABLE)
			return true;
	}
	return false;
}

static struct rsvp_tspec policed_to(const struct rsvp_flowspec *flowspec,
				    const struct senders *senders)
{
	if (flowspec->service == FLOWSPEC_NULL || !senders->any_tspec)
		return flowspec->tspec;
	return tspec_installed(&flowspec->tspec, &senders->tspec);
}

static uint64_t digest_of(const struct rsvp *rsvp, const struct rsvp_tc_request *request)
{
	uint64_t digest = rsvp_digest64(rsvp->seed, &request->flowspec, sizeof(request->flowspec));
	uint16_t rest[] = {
		request->police_edge,	     request->police_merge,
		request->police_branch,	     request->preemption_priority,
		request->defending_priority, (uint16_t)request->n_senders,
	};

	digest = rsvp_digest64(digest, &request->tspec, sizeof(request->tspec));
	digest = rsvp_digest64(digest, rest, sizeof(rest));
	return rsvp_digest64(digest, request->filters,
			     request->n_filters * sizeof(*request->filters));
}

static int call(struct rsvp *rsvp, struct install *install, const struct rsvp_tc_request *request,
		struct rsvp_error *ret_error)
{
	uint64_t digest = digest_of(rsvp, request);
	bool in_place = install->handle != 0;
	int r;

	if (in_place && digest == install->digest)
		return 0;
	*ret_error = (struct rsvp_error){ .code = RSVP_ERROR_TRAFFIC_SYSTEM };
	r = rsvp->ports.tc_reserve(rsvp->ports.user_data, request, &install->handle, ret_error);
	if (r < 0) {
		if (in_place)
			ret_error->flags |= RSVP_ERROR_IN_PLACE;
		return -1;
	}
	if (!in_place)
		rsvp->sizes.installed++;
	install->digest = digest;
	rsvp_book(rsvp, install, request);
	return 0;
}

static int update(struct rsvp *rsvp, struct install *install, const struct rsvp_flowspec *flowspec,
		  struct senders *senders, struct rsvp_error *ret_error)
{
	const struct interface *interface = rsvp_interface_find(rsvp, install->ifindex);
	struct rsvp_tc_request request = {
		.ifindex = install->ifindex,
		.session = install->session->key,
		.style = install->session->style,
		.flowspec = *flowspec,
	};
	struct rsvp_preemption priorities;

	gather(install, senders);
	/* All that is left of it is about to end: without filters it would be for everybody. */
	if (install->handle != 0 && senders->filters && senders->n_filters == 0)
		return 0;
	request.tspec = policed_to(flowspec, senders);
	request.police_edge = senders->e_police && interface && interface->info.enforced;
	request.police_merge = !install->sender && senders->n > 1;
	request.police_branch = is_branch(install, flowspec);
	request.n_senders = senders->n;
	request.n_filters = senders->n_filters;
	request.filters = senders->filters;
	priorities = rsvp_priorities_merged(install);
	request.preemption_priority = priorities.preemption;
	request.defending_priority = priorities.defending;
	return call(rsvp, install, &request, ret_error);
}

static unsigned most_filters(const struct install *install)
{
	const struct resv *resv;
	unsigned n = 0;

	DL_FOREACH(install->resvs, resv)
		n += resv->n_filters;
	return n;
}

#define FILTERS_FEW 16

int rsvp_install_update(struct rsvp *rsvp, struct install *install, struct rsvp_error *ret_error)
{
	struct rsvp_tc_filter few[FILTERS_FEW], *many = NULL;
	unsigned n_filters = most_filters(install);
	struct rsvp_flowspec flowspec;
	struct senders senders = { .filters = n_filters > 0 ? few : NULL };
	int r = 0;

	*ret_error =
		(struct rsvp_error){ .code = RSVP_ERROR_TRAFFIC, .value = RSVP_TRAFFIC_CONFLICT };
	if (merge_resvs(install, &flowspec) < 0)
		return -1;
	if (n_filters > FILTERS_FEW) {
		many = malloc(n_filters * sizeof(*many));
		senders.filters = many;
		*ret_error = (struct rsvp_error){ .code = RSVP_ERROR_SYSTEM };
		if (!many)
			return -1;
	}
	if (!install->local)
		r = update(rsvp, install, &flowspec, &senders, ret_error);
	if (r == 0)
		install->flowspec = flowspec;
	free(many);
	return r;
}

void rsvp_install_free(struct rsvp *rsvp, struct install *install)
{
	if (install->handle != 0) {
		rsvp_unbook(rsvp, install);
		rsvp->ports.tc_release(rsvp->ports.user_data, install->handle);
		rsvp->sizes.installed--;
	}
	if (install->sender)
		DL_DELETE(install->sender->installs, install);
	else
		DL_DELETE(install->session->installs, install);
	free(install);
}

void rsvp_install_retune(struct rsvp *rsvp, struct install *install)
{
	struct rsvp_error error;
	struct resv *resv;

	if (!install->resvs || rsvp_install_update(rsvp, install, &error) == 0)
		return;
	DL_FOREACH(install->resvs, resv)
		rsvp_resv_err_send(rsvp, resv, &error, NULL, NULL);
}
