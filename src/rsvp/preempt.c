/* SPDX-License-Identifier: MIT */
/*
 * preempt.c: who makes room for whom when an interface has not enough of it for all (RFC 3181 §4, RFC 4495): those
 * that defend themselves with less than the newcomer's priority, the lowest of them first, and nobody if that is
 * not enough.
 */
#include "rsvp/internal.h"

#include <math.h>
#include <stdlib.h>

/* ---- who has what ---- */

static uint64_t rate_bps(const struct rsvp_tc_request *request)
{
	const struct rsvp_flowspec *flowspec = &request->flowspec;
	double bits = 0;

	if (flowspec->service == FLOWSPEC_GUARANTEED)
		bits = ceil((double)flowspec->R * 8);
	else if (flowspec->service == FLOWSPEC_CONTROLLED_LOAD)
		bits = ceil((double)request->tspec.r * 8);
	return bits < 1e18 ? (uint64_t)bits : (uint64_t)1e18;
}

void rsvp_book(struct rsvp *rsvp, struct install *install, const struct rsvp_tc_request *request)
{
	struct interface *interface = rsvp_interface_find(rsvp, install->ifindex);

	install->booked_bps = rate_bps(request);
	install->defending = request->defending_priority;
	if (interface && !install->booked_prev)
		DL_APPEND2(interface->booked, install, booked_prev, booked_next);
}

void rsvp_unbook(struct rsvp *rsvp, struct install *install)
{
	struct interface *interface = rsvp_interface_find(rsvp, install->ifindex);

	if (interface && install->booked_prev)
		DL_DELETE2(interface->booked, install, booked_prev, booked_next);
	install->booked_prev = install->booked_next = NULL;
}

/* ---- who goes ---- */

struct choice {
	struct install **installs; /* the lowest first */
	size_t n;
	uint64_t freed_bps;
};

static bool yields(const struct install *install, const struct install *to, uint16_t preemption)
{
	return install != to && install->booked_bps > 0 && install->defending < preemption;
}

/* The lowest; of the same, the largest, for then fewer are hit. */
static int compare(const void *a, const void *b)
{
	const struct install *x = *(struct install *const *)a, *y = *(struct install *const *)b;

	if (x->defending != y->defending)
		return x->defending < y->defending ? -1 : 1;
	if (x->booked_bps != y->booked_bps)
		return x->booked_bps > y->booked_bps ? -1 : 1;
	return 0;
}

/* As many as it takes, from the lowest on; then whoever turns out not to be needed is spared, the highest first. */
static void narrow(struct choice *choice, uint64_t missing_bps)
{
	size_t n = 0, kept = 0;

	choice->freed_bps = 0;
	while (choice->freed_bps < missing_bps)
		choice->freed_bps += choice->installs[n++]->booked_bps;
	for (size_t i = n; i-- > 0;) {
		if (choice->freed_bps - choice->installs[i]->booked_bps < missing_bps)
			continue;
		choice->freed_bps -= choice->installs[i]->booked_bps;
		choice->installs[i] = NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (choice->installs[i])
			choice->installs[kept++] = choice->installs[i];
	}
	choice->n = kept;
}

/* False: there are not enough of them. */
static bool choose(const struct interface *interface, const struct install *to, uint16_t preemption,
		   uint64_t missing_bps, struct choice *choice)
{
	struct install *install;
	uint64_t all_bps = 0;
	size_t n = 0;

	DL_FOREACH2(interface->booked, install, booked_next) {
		if (!yields(install, to, preemption))
			continue;
		all_bps += install->booked_bps;
		n++;
	}
	if (all_bps < missing_bps)
		return false;
	choice->installs = calloc(n, sizeof(struct install *));
	if (!choice->installs)
		return false;
	choice->n = 0;
	DL_FOREACH2(interface->booked, install, booked_next) {
		if (yields(install, to, preemption))
			choice->installs[choice->n++] = install;
	}
	qsort(choice->installs, choice->n, sizeof(struct install *), compare);
	narrow(choice, missing_bps);
	return true;
}

/* ---- what becomes of them ---- */

/* Downstream hears that it is gone, upstream that it is torn. */
static void displace(struct rsvp *rsvp, struct install *install, const struct rsvp_error *error)
{
	struct resv *resv, *next;

	DL_FOREACH_SAFE(install->resvs, resv, next) {
		rsvp_resv_err_send(rsvp, resv, error, NULL, NULL);
		rsvp_resv_end(rsvp, resv, NULL, WHY_TEAR);
	}
}

/* So that it takes no more than that. False: it does not already, or there is no memory to remember what it was. */
static bool cut(struct resv *resv, float rate)
{
	struct rsvp_flowspec *flowspec = &resv->flowspec;

	if (flowspec->tspec.r <= rate && flowspec->R <= rate)
		return false;
	if (!resv->cut) {
		resv->cut = malloc(sizeof(*resv->cut));
		if (!resv->cut)
			return false;
		*resv->cut = *flowspec;
	}
	if (flowspec->tspec.r > rate)
		flowspec->tspec.r = rate;
	if (flowspec->R > rate)
		flowspec->R = rate;
	return true;
}

/*
 * Some of it may stay: downstream hears how much, and upstream is asked for as much. False: there is no
 * memory for that.
 */
static bool reduce(struct rsvp *rsvp, struct install *install, uint64_t to_bps,
		   struct rsvp_error error)
{
	float rate = (float)to_bps / 8.0f;
	struct rsvp_error refused;
	struct resv *resv;
	bool any = false;

	error.value = RSVP_POLICY_ERROR_PARTLY_PREEMPTED;
	error.flags = RSVP_ERROR_IN_PLACE;
	/* Not more than there is, however that is rounded. */
	if ((double)rate * 8 > (double)to_bps)
		rate = nextafterf(rate, 0.0f);
	DL_FOREACH(install->resvs, resv) {
		if (!cut(resv, rate))
			continue;
		rsvp_resv_err_send(rsvp, resv, &error, NULL, NULL);
		any = true;
	}
	rsvp_install_update(rsvp, install, &refused);
	rsvp_ups_dirty(rsvp, install->session, install->sender, WHY_CHANGE);
	return any;
}

/* Bytes/s, below which nothing is worth keeping: no Tspec may have less (RFC 2211 §5). */
#define REDUCED_MIN_BPS 8u

bool rsvp_preempt(struct rsvp *rsvp, const struct install *install, const struct rsvp_error *error)
{
	struct interface *interface = rsvp_interface_find(rsvp, install->ifindex);
	struct rsvp_preemption priorities = rsvp_priorities_merged(install);
	struct rsvp_error to_them;
	struct choice choice;
	uint64_t left_bps;

	if (error->code != RSVP_ERROR_ADMISSION || error->value != RSVP_ADMISSION_BANDWIDTH ||
	    error->missing_bps == 0 || priorities.preemption == 0 || !interface ||
	    !choose(interface, install, priorities.preemption, error->missing_bps, &choice))
		return false;
	to_them = rsvp_priorities_error(rsvp, priorities, RSVP_PREEMPTION_PREEMPTED,
					RSVP_POLICY_ERROR_PREEMPTED);
	left_bps = choice.freed_bps - error->missing_bps;
	for (size_t i = 0; i < choice.n; i++) {
		bool may_stay = i == choice.n - 1 && rsvp->config.reduces_preempted &&
				left_bps >= REDUCED_MIN_BPS;

		if (!may_stay || !reduce(rsvp, choice.installs[i], left_bps, to_them))
			displace(rsvp, choice.installs[i], &to_them);
	}
	free(choice.installs);
	return true;
}
