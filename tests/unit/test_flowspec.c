/* SPDX-License-Identifier: MIT */
/* test_flowspec.c: the arithmetic on Tspecs and Rspecs against numbers worked out by hand, and its laws. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/flowspec.h"
#include "core/guaranteed.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct rsvp_tspec plain = { 125000, 8000, 250000, 64, 1500 };

static struct rsvp_tspec with_r(float r)
{
	struct rsvp_tspec tspec = plain;

	tspec.r = r;
	return tspec;
}

static struct rsvp_tspec with_b(float b)
{
	struct rsvp_tspec tspec = plain;

	tspec.b = b;
	return tspec;
}

static struct rsvp_tspec with_p(float p)
{
	struct rsvp_tspec tspec = plain;

	tspec.p = p;
	return tspec;
}

static struct rsvp_tspec with_sizes(uint32_t m, uint32_t M)
{
	struct rsvp_tspec tspec = plain;

	tspec.m = m;
	tspec.M = M;
	return tspec;
}

static struct rsvp_flowspec guaranteed(struct rsvp_tspec tspec, float R, uint32_t S)
{
	return (struct rsvp_flowspec){
		.tspec = tspec, .R = R, .S = S, .service = FLOWSPEC_GUARANTEED
	};
}

static struct rsvp_flowspec controlled(struct rsvp_tspec tspec)
{
	return (struct rsvp_flowspec){ .tspec = tspec, .service = FLOWSPEC_CONTROLLED_LOAD };
}

static struct rsvp_flowspec null_service(uint32_t M)
{
	return (struct rsvp_flowspec){ .tspec = { .M = M }, .service = FLOWSPEC_NULL };
}

/* R-194..R-197: what is no number, negative, zero, too small or too large is refused; p may be infinite. */
static void test_tspec_bounds(void **state)
{
	const struct rsvp_tspec fine[] = { plain,
					   with_r(1),
					   with_r(40e12f),
					   with_b(1),
					   with_b(250e9f),
					   with_p(INFINITY),
					   with_p(1),
					   with_p(40e12f),
					   with_sizes(1, 1),
					   with_sizes(64, 64) };
	const struct rsvp_tspec bad[] = { with_r(NAN),	      with_r(-1),	 with_r(-0.0f),
					  with_r(0),	      with_r(INFINITY),	 with_r(0.99f),
					  with_r(41e12f),     with_b(NAN),	 with_b(-1),
					  with_b(-0.0f),      with_b(INFINITY),	 with_b(0.5f),
					  with_b(251e9f),     with_p(NAN),	 with_p(-1),
					  with_p(-0.0f),      with_p(-INFINITY), with_p(41e12f),
					  with_sizes(0, 10),  with_sizes(0, 0),	 with_sizes(11, 10),
					  with_r(FLT_MIN / 2) };

	for (size_t i = 0; i < N(fine); i++)
		assert_int_equal(tspec_check(&fine[i]), 0);
	for (size_t i = 0; i < N(bad); i++)
		assert_int_equal(tspec_check(&bad[i]), -EINVAL);
}

/* */
static void test_flowspec_bounds(void **state)
{
	const struct rsvp_flowspec fine[] = {
		guaranteed(plain, 125000, 0),
		guaranteed(with_p(125000), 1e9f, UINT32_MAX),
		guaranteed(with_p(INFINITY), 125000, 0),
		controlled(plain),
		controlled(with_p(1)),
		null_service(1500),
	};
	const struct rsvp_flowspec bad[] = {
		guaranteed(plain, 124999, 0),
		guaranteed(plain, NAN, 0),
		guaranteed(plain, INFINITY, 0),
		guaranteed(with_p(124999), 125000, 0),
		guaranteed(with_r(0), 125000, 0),
		controlled(with_b(NAN)),
		null_service(0),
	};
	struct rsvp_flowspec other = controlled(plain);

	for (size_t i = 0; i < N(fine); i++)
		assert_int_equal(flowspec_check(&fine[i]), 0);
	for (size_t i = 0; i < N(bad); i++)
		assert_int_equal(flowspec_check(&bad[i]), -EINVAL);
	other.service = 7;
	assert_int_equal(flowspec_check(&other), -EOPNOTSUPP);
}

/* more is more r, b, p, M; less m. */
static void test_order(void **state)
{
	const struct rsvp_tspec more[] = { with_r(125001),	 with_b(8001),
					   with_p(250001),	 with_p(INFINITY),
					   with_sizes(63, 1500), with_sizes(64, 1501) };
	struct rsvp_tspec mixed = with_r(125001);
	struct rsvp_flowspec a, b;

	assert_int_equal(tspec_order(&plain, &plain), FLOWSPEC_EQUAL);
	for (size_t i = 0; i < N(more); i++) {
		assert_int_equal(tspec_order(&more[i], &plain), FLOWSPEC_GREATER);
		assert_int_equal(tspec_order(&plain, &more[i]), FLOWSPEC_LESS);
	}
	mixed.b = 7999;
	assert_int_equal(tspec_order(&mixed, &plain), FLOWSPEC_INCOMPARABLE);
	assert_int_equal(tspec_order(&plain, &mixed), FLOWSPEC_INCOMPARABLE);

	a = guaranteed(plain, 200000, 10);
	b = guaranteed(plain, 200000, 20);
	assert_int_equal(flowspec_order(&a, &b), FLOWSPEC_GREATER);
	b = guaranteed(plain, 200001, 20);
	assert_int_equal(flowspec_order(&a, &b), FLOWSPEC_INCOMPARABLE);
	b = guaranteed(with_r(1), 200001, 10);
	assert_int_equal(flowspec_order(&a, &b), FLOWSPEC_INCOMPARABLE);
	b = controlled(plain);
	assert_int_equal(flowspec_order(&a, &b), FLOWSPEC_INCOMPATIBLE);
	a = null_service(1500);
	b = null_service(1400);
	assert_int_equal(flowspec_order(&a, &b), FLOWSPEC_GREATER);
}

static void assert_tspec(struct rsvp_tspec is, float r, float b, float p, uint32_t m, uint32_t M)
{
	assert_true(is.r == r && is.b == b && is.p == p);
	assert_int_equal(is.m, m);
	assert_int_equal(is.M, M);
}

/* R-201..R-203, R-207 */
static void test_combining(void **state)
{
	const struct rsvp_tspec a = { 100, 2000, 400, 50, 1500 }, b = { 200, 1000, 300, 60, 1400 };
	const struct rsvp_tspec smaller = { 100, 1000, 300, 60, 1400 };
	const struct rsvp_tspec unbounded = { 1, 1, INFINITY, 1, 1 };

	assert_tspec(tspec_merge(&a, &b), 200, 2000, 400, 50, 1400);
	assert_tspec(tspec_least_common(&a, &b), 200, 2000, 400, 50, 1500);
	assert_tspec(tspec_sum(&a, &b), 300, 3000, 700, 50, 1500);
	assert_true(isinf(tspec_sum(&a, &unbounded).p));
	assert_tspec(tspec_minimum(&a, &b), 100, 2000, 300, 50, 1400);
	assert_tspec(tspec_minimum(&a, &smaller), 100, 1000, 300, 60, 1400);
	assert_tspec(tspec_minimum(&smaller, &a), 100, 1000, 300, 60, 1400);
	/* More is asked for than the senders send: theirs is installed, with the m and M of both. */
	assert_tspec(tspec_installed(&a, &smaller), 100, 1000, 300, 50, 1400);
	assert_tspec(tspec_installed(&a, &b), 100, 2000, 300, 50, 1400);
	/* 50 + 25 bytes on the link for 50 of IP. */
	assert_tspec(tspec_with_overhead(&a, 25), 150, 3000, 600, 50, 1500);
}

/* */
static void test_merging_flowspecs(void **state)
{
	struct rsvp_flowspec a = guaranteed(plain, 200000, 10), b = guaranteed(plain, 300000, 20);
	struct rsvp_flowspec controlled_load = controlled(plain), merged, before;

	assert_int_equal(flowspec_merge(&a, &b, &merged), 0);
	assert_true(merged.R == 300000);
	assert_int_equal(merged.S, 10);
	assert_int_equal(flowspec_lower_bound(&a, &b, &merged), 0);
	assert_true(merged.R == 200000);
	assert_int_equal(merged.S, 20);

	before = merged;
	assert_int_equal(flowspec_merge(&a, &controlled_load, &merged), -EINVAL);
	assert_int_equal(flowspec_lower_bound(&controlled_load, &b, &merged), -EINVAL);
	assert_true(flowspec_same(&merged, &before));

	a = null_service(1500);
	b = null_service(1400);
	assert_int_equal(flowspec_merge(&a, &b, &merged), 0);
	assert_true(flowspec_same(&merged, &b));
}

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static struct rsvp_flowspec draw_flowspec(void)
{
	struct rsvp_tspec tspec = { .r = (float)(1 + draw(4)), .b = (float)(1 + draw(4)) };

	tspec.p = draw(4) ? tspec.r + (float)draw(3) : INFINITY;
	tspec.m = 1 + draw(3);
	tspec.M = tspec.m + draw(3);
	return guaranteed(tspec, tspec.r + (float)draw(3), draw(3));
}

/* Merging in any order and grouping, or twice, is the same; and the order is one. */
static void test_laws(void **state)
{
	for (seed = 1; seed < 20000; seed++) {
		struct rsvp_flowspec a = draw_flowspec(), b = draw_flowspec(), c = draw_flowspec();
		struct rsvp_flowspec ab, ba, ab_c, bc, a_bc, aa;
		enum flowspec_order order = flowspec_order(&a, &b);
		uint64_t kept = seed;

		assert_int_equal(flowspec_check(&a), 0);
		flowspec_merge(&a, &b, &ab);
		flowspec_merge(&b, &a, &ba);
		flowspec_merge(&ab, &c, &ab_c);
		flowspec_merge(&b, &c, &bc);
		flowspec_merge(&a, &bc, &a_bc);
		flowspec_merge(&a, &a, &aa);
		assert_true(flowspec_same(&ab, &ba));
		assert_true(flowspec_same(&ab_c, &a_bc));
		assert_true(flowspec_same(&aa, &a));

		/* All but M, of which the smallest is taken, covers both. */
		ab.tspec.M = a.tspec.M > b.tspec.M ? a.tspec.M : b.tspec.M;
		assert_in_range(flowspec_order(&ab, &a), FLOWSPEC_EQUAL, FLOWSPEC_GREATER);
		assert_in_range(flowspec_order(&ab, &b), FLOWSPEC_EQUAL, FLOWSPEC_GREATER);

		assert_int_equal(order == FLOWSPEC_EQUAL, flowspec_same(&a, &b));
		if (order == FLOWSPEC_GREATER) {
			assert_int_equal(flowspec_order(&b, &a), FLOWSPEC_LESS);
			flowspec_lower_bound(&a, &b, &ab);
			assert_true(ab.R == b.R &&
				    tspec_order(&ab.tspec, &b.tspec) == FLOWSPEC_EQUAL);
		}
		if (order <= FLOWSPEC_GREATER && flowspec_order(&b, &c) <= FLOWSPEC_GREATER)
			assert_in_range(flowspec_order(&a, &c), FLOWSPEC_EQUAL, FLOWSPEC_GREATER);
		seed = kept;
	}
}

static void assert_near(double is, double should_be)
{
	if (fabs(is - should_be) > 1e-9 * fabs(should_be))
		fail_msg("%.12g instead of %.12g", is, should_be);
}

/* r 100, b 1100, p 300, M 100; C 50, D 0.25 s. */
static void test_delay(void **state)
{
	const struct rsvp_tspec bursty = { 100, 1100, 300, 64, 100 };
	const struct rsvp_tspec unbounded = { 100, 1100, INFINITY, 64, 100 };
	const struct rsvp_tspec even = { 100, 1100, 100, 64, 100 };
	const struct rsvp_tspec shallow = { 100, 50, 300, 64, 100 };
	const struct guaranteed_terms terms = { 50, 250000 };

	/* (1000 / 200) * (100 / 200) + 150 / 200 + 0.25 */
	assert_near(guaranteed_delay_s(&bursty, 200, &terms), 3.5);
	assert_near(guaranteed_delay_s(&bursty, 100, &terms), 11.75);
	assert_near(guaranteed_delay_s(&bursty, 300, &terms), 0.75);
	assert_near(guaranteed_delay_s(&bursty, 600, &terms), 0.5);
	assert_near(guaranteed_delay_s(&unbounded, 200, &terms), 6.0);
	assert_near(guaranteed_delay_s(&even, 100, &terms), 1.75);
	assert_near(guaranteed_delay_s(&shallow, 200, &terms), 1.0);
}

/* The rate for a delay keeps it, and no lower one would (unless it is r already). */
static void test_rate_for_delay(void **state)
{
	const struct rsvp_tspec tspecs[] = { { 100, 1100, 300, 64, 100 },
					     { 100, 1100, INFINITY, 64, 100 },
					     { 100, 1100, 100, 64, 100 },
					     { 125000, 8000, 250000, 64, 1500 } };
	const struct guaranteed_terms terms = { 3000, 240 };
	const double delays[] = { 0.001, 0.02, 0.1, 1, 3.25, 12, 1000 };
	float R = 7;

	for (size_t i = 0; i < N(tspecs); i++) {
		for (size_t k = 0; k < N(delays); k++) {
			assert_int_equal(guaranteed_rate(&tspecs[i], delays[k], &terms, &R), 0);
			assert_true(R >= tspecs[i].r);
			assert_true(guaranteed_delay_s(&tspecs[i], (double)R, &terms) <=
				    delays[k] * (1 + 1e-12));
			if (R > tspecs[i].r)
				assert_true(guaranteed_delay_s(&tspecs[i], (double)R * (1 - 1e-6),
							       &terms) > delays[k]);
		}
	}
	R = 7;
	assert_int_equal(guaranteed_rate(&tspecs[0], 0.00024, &terms, &R), -EDOM);
	assert_int_equal(guaranteed_rate(&tspecs[0], NAN, &terms, &R), -EDOM);
	assert_true(R == 7);
	/* r meets 12 s with 0.25 s to spare. */
	assert_int_equal(guaranteed_slack_us(&tspecs[0], 100, 12,
					     &(struct guaranteed_terms){ 50, 250000 }),
			 250000);
	assert_int_equal(guaranteed_slack_us(&tspecs[0], 100, 1,
					     &(struct guaranteed_terms){ 50, 250000 }),
			 0);
}

/* */
static void test_slack(void **state)
{
	const struct rsvp_tspec tspec = { 100, 1100, 300, 64, 100 };
	struct rsvp_flowspec in = guaranteed(tspec, 400, 3000000);
	float R, again;
	uint32_t S, S_again;

	/* 1200 / 400 = 3 s; with 3 s more 200 do. */
	guaranteed_spend_slack(&in, 100, 3000000, &R, &S);
	assert_true(R == 200);
	assert_int_equal(S, 0);
	guaranteed_spend_slack(&in, 100, 3000000, &again, &S_again);
	assert_true(R == again && S == S_again);
	guaranteed_spend_slack(&in, 100, 0, &R, &S);
	assert_true(R == 400);
	assert_int_equal(S, 3000000);
	/* Never below r: 12 s at 100, so 9 of the 20 s are spent. */
	in.S = 20000000;
	guaranteed_spend_slack(&in, 100, UINT32_MAX, &R, &S);
	assert_true(R == 100);
	assert_int_equal(S, 11000000);

	for (seed = 1; seed < 5000; seed++) {
		uint64_t kept = seed;
		uint32_t ctot = draw(5000), spend;

		in = guaranteed(tspec, 100 + (float)draw(100000) / 7, draw(10000000));
		spend = draw(10000000);
		guaranteed_spend_slack(&in, ctot, spend, &R, &S);
		assert_true(R >= tspec.r && R <= in.R);
		assert_true(S + 1e6 * (1100.0 + ctot) / (double)R <=
			    in.S + 1e6 * (1100.0 + ctot) / (double)in.R + 1e-3);
		seed = kept;
	}
}

static void test_buffers(void **state)
{
	const struct rsvp_tspec bursty = { 100, 1100, 300, 64, 100 };
	const struct rsvp_tspec unbounded = { 100, 1100, INFINITY, 64, 100 };
	const struct guaranteed_terms little = { 200, 1000000 }, much = { 200, 9000000 };
	struct guaranteed_terms local;

	assert_near(guaranteed_buffer_bytes(&unbounded, 200, &little), 1100 + 200 + 200);
	/* The peak lasts 5 s, the wait 1 + 1 or 1 + 9. */
	assert_near(guaranteed_buffer_bytes(&bursty, 200, &little), 100 + 5 * 100 + 2 * 200);
	assert_near(guaranteed_buffer_bytes(&bursty, 400, &little), 100 + 1.5 * 300);
	assert_near(guaranteed_buffer_bytes(&bursty, 200, &much), 100 + 5 * 200 + 10 * 100);
	assert_near(guaranteed_reshaper_bytes(&bursty, &little), 1100 + 200 + 100);

	local = guaranteed_local_terms(1500, 10000000, 10);
	assert_int_equal(local.c_bytes, 1500);
	assert_int_equal(local.d_us, 1210);
	local = guaranteed_local_terms(0, 0, 0);
	assert_int_equal(local.c_bytes, 1);
	assert_int_equal(local.d_us, 1u << 28);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tspec_bounds),
		cmocka_unit_test(test_flowspec_bounds),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_combining),
		cmocka_unit_test(test_merging_flowspecs),
		cmocka_unit_test(test_laws),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_rate_for_delay),
		cmocka_unit_test(test_slack),
		cmocka_unit_test(test_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
