/* SPDX-License-Identifier: MIT */
/* flowspec.c: see flowspec.h. */
#include "core/flowspec.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define RATE_MIN 1.0f
#define RATE_MAX 40e12f
#define DEPTH_MIN 1.0f
#define DEPTH_MAX 250e9f

static_assert(sizeof(struct rsvp_flowspec) == 32, "padding would break comparing by bytes");

/* Comparisons with a NaN are false, so a NaN is outside of every range; so are both zeros. */
static bool is_within(float value, float min, float max)
{
	return value >= min && value <= max;
}

static bool rate_is_valid(float rate)
{
	return is_within(rate, RATE_MIN, RATE_MAX);
}

static bool peak_is_valid(float peak)
{
	return rate_is_valid(peak) || (isinf(peak) && !signbit(peak));
}

static bool sizes_are_valid(uint32_t m, uint32_t M)
{
	return m > 0 && m <= M;
}

int tspec_check(const struct rsvp_tspec *tspec)
{
	if (!rate_is_valid(tspec->r) || !is_within(tspec->b, DEPTH_MIN, DEPTH_MAX) ||
	    !peak_is_valid(tspec->p) || !sizes_are_valid(tspec->m, tspec->M))
		return -EINVAL;
	return 0;
}

/* RFC 2212, Invocation information: an R below 1 is refused by being below r. */
static int check_guaranteed(const struct rsvp_flowspec *flowspec)
{
	int r = tspec_check(&flowspec->tspec);

	if (r < 0)
		return r;
	if (!(flowspec->tspec.p >= flowspec->tspec.r))
		return -EINVAL;
	if (!isfinite(flowspec->R) || !(flowspec->R >= flowspec->tspec.r))
		return -EINVAL;
	return 0;
}

int flowspec_check(const struct rsvp_flowspec *flowspec)
{
	switch (flowspec->service) {
	case FLOWSPEC_GUARANTEED:
		return check_guaranteed(flowspec);
	case FLOWSPEC_CONTROLLED_LOAD:
		return tspec_check(&flowspec->tspec);
	case FLOWSPEC_NULL:
		return flowspec->tspec.M > 0 ? 0 : -EINVAL;
	default:
		return -EOPNOTSUPP;
	}
}

static enum flowspec_order order_of(bool first_covers, bool second_covers)
{
	if (first_covers)
		return second_covers ? FLOWSPEC_EQUAL : FLOWSPEC_GREATER;
	return second_covers ? FLOWSPEC_LESS : FLOWSPEC_INCOMPARABLE;
}

static bool tspec_covers(const struct rsvp_tspec *a, const struct rsvp_tspec *b)
{
	return a->r >= b->r && a->b >= b->b && a->p >= b->p && a->m <= b->m && a->M >= b->M;
}

static bool flowspec_covers(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b)
{
	return tspec_covers(&a->tspec, &b->tspec) && a->R >= b->R && a->S <= b->S;
}

enum flowspec_order tspec_order(const struct rsvp_tspec *a, const struct rsvp_tspec *b)
{
	return order_of(tspec_covers(a, b), tspec_covers(b, a));
}

enum flowspec_order flowspec_order(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b)
{
	if (a->service != b->service)
		return FLOWSPEC_INCOMPATIBLE;
	return order_of(flowspec_covers(a, b), flowspec_covers(b, a));
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

struct rsvp_tspec tspec_merge(const struct rsvp_tspec *a, const struct rsvp_tspec *b)
{
	return (struct rsvp_tspec){
		.r = fmaxf(a->r, b->r),
		.b = fmaxf(a->b, b->b),
		.p = fmaxf(a->p, b->p),
		.m = min_u32(a->m, b->m),
		.M = min_u32(a->M, b->M),
	};
}

struct rsvp_tspec tspec_least_common(const struct rsvp_tspec *a, const struct rsvp_tspec *b)
{
	struct rsvp_tspec common = tspec_merge(a, b);

	common.M = max_u32(a->M, b->M);
	return common;
}

struct rsvp_tspec tspec_sum(const struct rsvp_tspec *a, const struct rsvp_tspec *b)
{
	return (struct rsvp_tspec){
		.r = a->r + b->r,
		.b = a->b + b->b,
		.p = a->p + b->p,
		.m = min_u32(a->m, b->m),
		.M = max_u32(a->M, b->M),
	};
}

struct rsvp_tspec tspec_minimum(const struct rsvp_tspec *a, const struct rsvp_tspec *b)
{
	if (tspec_covers(a, b))
		return *b;
	if (tspec_covers(b, a))
		return *a;
	return (struct rsvp_tspec){
		.r = fminf(a->r, b->r),
		.b = fmaxf(a->b, b->b),
		.p = fminf(a->p, b->p),
		.m = min_u32(a->m, b->m),
		.M = min_u32(a->M, b->M),
	};
}

struct rsvp_tspec tspec_installed(const struct rsvp_tspec *resv, const struct rsvp_tspec *path)
{
	struct rsvp_tspec installed = tspec_minimum(resv, path);

	installed.m = min_u32(resv->m, path->m);
	installed.M = min_u32(resv->M, path->M);
	return installed;
}

struct rsvp_tspec tspec_with_overhead(const struct rsvp_tspec *tspec, uint32_t header_bytes)
{
	double factor = 1.0 + (double)header_bytes / (double)tspec->m;
	struct rsvp_tspec scaled = *tspec;

	scaled.r = (float)((double)tspec->r * factor);
	scaled.b = (float)((double)tspec->b * factor);
	scaled.p = (float)((double)tspec->p * factor);
	return scaled;
}

int flowspec_merge(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b,
		   struct rsvp_flowspec *ret_flowspec)
{
	if (a->service != b->service)
		return -EINVAL;
	*ret_flowspec = (struct rsvp_flowspec){
		.tspec = tspec_merge(&a->tspec, &b->tspec),
		.R = fmaxf(a->R, b->R),
		.S = min_u32(a->S, b->S),
		.service = a->service,
	};
	return 0;
}

int flowspec_lower_bound(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b,
			 struct rsvp_flowspec *ret_flowspec)
{
	if (a->service != b->service)
		return -EINVAL;
	*ret_flowspec = (struct rsvp_flowspec){
		.tspec = tspec_minimum(&a->tspec, &b->tspec),
		.R = fminf(a->R, b->R),
		.S = max_u32(a->S, b->S),
		.service = a->service,
	};
	return 0;
}

bool flowspec_same(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}
