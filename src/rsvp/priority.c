/* SPDX-License-Identifier: MIT */
/*
 * priority.c: the priorities of reservations, for the day when there is not room for all (RFC 3181): what
 * POLICY_DATA says of them, and what they are where reservations are merged.
 */
#include "rsvp/internal.h"

/* ---- of one ---- */

static bool is_for_us(const struct rsvp *rsvp, const struct rsvp_policy *policy)
{
	struct address destination;

	return !rsvp_policy_destination(policy, &destination) ||
	       rsvp_address_is_local(rsvp, &destination);
}

static uint16_t higher(uint16_t a, uint16_t b)
{
	return a > b ? a : b;
}

static void add(struct rsvp_preemption *sum, const struct rsvp_preemption *one)
{
	sum->strategy = sum->strategy > one->strategy ? sum->strategy : one->strategy;
	sum->preemption = higher(sum->preemption, one->preemption);
	sum->defending = higher(sum->defending, one->defending);
}

/* An empty element says that what was there before it is no more. */
static void add_elements(const struct rsvp_policy *policy, struct rsvp_preemption *sum)
{
	struct rsvp_policy_element element;
	struct rsvp_preemption found;
	size_t position = 0;

	while (rsvp_policy_next(policy, &position, &element)) {
		if (element.type != RSVP_POLICY_PREEMPTION)
			continue;
		if (element.len == 0)
			*sum = (struct rsvp_preemption){ 0 };
		else if (rsvp_read_preemption(&element, &found) == 0)
			add(sum, &found);
	}
}

struct rsvp_preemption rsvp_priorities_of(const struct rsvp *rsvp, const struct carried *carried)
{
	struct rsvp_preemption priorities = { 0 };
	struct rsvp_policy policy;
	struct rsvp_object object;
	size_t position = 0, len;
	const uint8_t *data = rsvp_carried_policy(carried, &len);

	while (data && rsvp_object_next(data, len, &position, &object) == 1) {
		if (rsvp_read_policy(&object, &policy) == 0 && is_for_us(rsvp, &policy))
			add_elements(&policy, &priorities);
	}
	return priorities;
}

/* ---- of several ---- */

/* What is less than another does not show in what is merged of them. */
static bool contributes(const struct install *install, const struct resv *resv)
{
	const struct resv *other;

	DL_FOREACH(install->resvs, other) {
		if (flowspec_order(&resv->flowspec, &other->flowspec) == FLOWSPEC_LESS)
			return false;
	}
	return true;
}

struct rsvp_preemption rsvp_priorities_merged(const struct install *install)
{
	struct rsvp_preemption merged = { 0 };
	const struct resv *resv;

	DL_FOREACH(install->resvs, resv) {
		if (resv->priorities.strategy != RSVP_MERGE_HIGHEST_QOS ||
		    contributes(install, resv))
			add(&merged, &resv->priorities);
	}
	return merged;
}

bool rsvp_priorities_agree(const struct install *install)
{
	const struct resv *resv;
	bool strict = false, same = true;

	DL_FOREACH(install->resvs, resv) {
		strict |= resv->priorities.strategy == RSVP_MERGE_EQUAL_ONLY;
		same &= flowspec_same(&resv->flowspec, &install->resvs->flowspec);
	}
	return same || !strict;
}

/* ---- errors ---- */

struct rsvp_error rsvp_priorities_error(struct rsvp *rsvp, struct rsvp_preemption priorities,
					uint8_t error, uint16_t value)
{
	size_t len = rsvp_policy_begin(rsvp->refusal, sizeof(rsvp->refusal), NULL, 0);

	priorities.error = error;
	if (priorities.strategy == 0)
		priorities.strategy = RSVP_MERGE_HIGHEST_QOS;
	len = rsvp_policy_add_preemption(rsvp->refusal, sizeof(rsvp->refusal), len, &priorities);
	return (struct rsvp_error){
		.code = RSVP_ERROR_POLICY,
		.value = value,
		.policy = rsvp->refusal,
		.policy_len = rsvp_policy_end(rsvp->refusal, len),
	};
}
