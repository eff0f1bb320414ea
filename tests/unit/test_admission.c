/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of engine/admission: every rule at its border; thousands of random steps beside a model that
 * adds up a plain list of reservations; and a simulated day of arrivals after which the books are empty.
 *
 * The random parts print their seed when they fail; they are the same each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/admission.h"
#include "scarce_memory.h"

#define MBIT UINT64_C(1000000)
#define VOICE GW_CLASS_VOICE

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t between(uint64_t low, uint64_t high)
{
	return low + next_random() % (high - low + 1);
}

static struct admission_link_config share_of(uint64_t rate_bps, uint32_t share)
{
	return (struct admission_link_config){
		.rate_bps = rate_bps,
		.share = share,
		.share_set_by = share == ADMISSION_SHARE_DEFAULT ? ADMISSION_SET_BY_DEFAULT
								 : ADMISSION_SET_BY_CONFIGURATION,
	};
}

static void enforce(struct admission *admission, uint32_t ifindex, uint64_t rate_bps,
		    uint32_t share)
{
	struct admission_link_config config = share_of(rate_bps, share);

	assert_int_equal(admission_link_enforce(admission, ifindex, &config), 0);
}

static struct admission_books books_of(const struct admission *admission, uint32_t ifindex)
{
	struct admission_books books;

	admission_books(admission, ifindex, &books);
	return books;
}

static void assert_reserved(const struct admission *admission, uint32_t ifindex,
			    uint64_t reserved_bps, uint64_t over_bps)
{
	struct admission_books books = books_of(admission, ifindex);

	assert_int_equal(books.reserved_bps, reserved_bps);
	assert_int_equal(books.over_bps, over_bps);
}

/* ---- the rules ---- */

static void test_limit(void **state)
{
	struct admission *admission = admission_new();
	struct admission_holding a = { 0 }, b = { 0 };
	struct admission_refusal refusal;
	char text[ADMISSION_TEXT_LEN];

	(void)state;
	enforce(admission, 3, 100 * MBIT, ADMISSION_SHARE_DEFAULT);
	assert_int_equal(admission_commit(admission, 3, VOICE, 50 * MBIT, &a, NULL), 0);
	/* To the last bit, and not one more. */
	assert_int_equal(admission_ask(admission, 3, VOICE, 25 * MBIT, NULL, NULL), 0);
	assert_int_equal(admission_commit(admission, 3, ADMISSION_GUARANTEED, 25 * MBIT + 1, &b,
					  &refusal),
			 -EDQUOT);
	assert_null(b.link);
	assert_int_equal(refusal.rule, ADMISSION_RULE_SHARE);
	assert_int_equal(refusal.set_by, ADMISSION_SET_BY_DEFAULT);
	assert_int_equal(refusal.limit_bps, 75 * MBIT);
	assert_int_equal(refusal.asked_bps, 25 * MBIT + 1);
	assert_int_equal(refusal.reserved_bps, 50 * MBIT);
	assert_string_equal(
		admission_refusal_format(&refusal, text),
		"25000001 bit/s asked; 50000000 of 75000000 bit/s are reserved already; "
		"reservable = 75% of the link (default)");
	assert_reserved(admission, 3, 50 * MBIT, 0);
	assert_int_equal(admission_commit(admission, 3, VOICE, 25 * MBIT, &b, NULL), 0);
	assert_int_equal(books_of(admission, 3).available_bps, 0);
	assert_int_equal(admission_ask(admission, 3, VOICE, 1, NULL, NULL), -EDQUOT);

	admission_release(admission, &a);
	admission_release(admission, &a);
	assert_reserved(admission, 3, 25 * MBIT, 0);
	admission_release(admission, &b);
	admission_free(admission);
}

/* What is faster than the link is refused for that, however large the share. */
static void test_faster_than_link(void **state)
{
	struct admission *admission = admission_new();
	struct admission_refusal refusal;
	char text[ADMISSION_TEXT_LEN];

	(void)state;
	enforce(admission, 3, 10 * MBIT, 100);
	assert_int_equal(admission_ask(admission, 3, VOICE, 10 * MBIT, NULL, NULL), 0);
	assert_int_equal(admission_ask(admission, 3, VOICE, 10 * MBIT + 1, NULL, &refusal),
			 -EDQUOT);
	assert_int_equal(refusal.rule, ADMISSION_RULE_RATE);
	assert_int_equal(refusal.set_by, ADMISSION_SET_BY_CONFIGURATION);
	assert_int_equal(refusal.limit_bps, 10 * MBIT);
	assert_string_equal(admission_refusal_format(&refusal, text),
			    "10000001 bit/s asked; the link has 10000000 bit/s (configuration)");

	/* A share that the administrator chose is his; of nothing, nothing. */
	enforce(admission, 3, 10 * MBIT, 0);
	assert_int_equal(admission_ask(admission, 3, VOICE, 1, NULL, &refusal), -EDQUOT);
	assert_int_equal(refusal.rule, ADMISSION_RULE_SHARE);
	assert_int_equal(refusal.set_by, ADMISSION_SET_BY_CONFIGURATION);
	assert_int_equal(refusal.limit_bps, 0);
	admission_free(admission);
}

static void test_misuse(void **state)
{
	struct admission *admission = admission_new();
	struct admission_holding holding = { 0 };
	struct admission_link_config config = share_of(MBIT, 101);

	(void)state;
	assert_int_equal(admission_link_enforce(admission, 3, &config), -EINVAL);
	config = share_of(0, 75);
	assert_int_equal(admission_link_enforce(admission, 3, &config), -EINVAL);
	config = share_of(ADMISSION_RATE_MAX_BPS + 1, 75);
	assert_int_equal(admission_link_enforce(admission, 3, &config), -ERANGE);
	config = share_of(MBIT, 75);
	assert_int_equal(admission_link_enforce(admission, 0, &config), -EINVAL);
	assert_int_equal(admission_next_link(admission, 0), 0);

	assert_int_equal(admission_commit(admission, 0, VOICE, 1, &holding, NULL), -EINVAL);
	assert_int_equal(admission_commit(admission, 3, VOICE, 0, &holding, NULL), -EINVAL);
	assert_int_equal(admission_commit(admission, 3, ADMISSION_CLASS_COUNT, 1, &holding, NULL),
			 -EINVAL);
	assert_int_equal(admission_commit(admission, 3, VOICE, ADMISSION_RATE_MAX_BPS + 1, &holding,
					  NULL),
			 -ERANGE);
	assert_null(holding.link);
	assert_int_equal(admission_next_link(admission, 0), 0);
	assert_null(admission_free(NULL));
	admission_free(admission);
}

/* ---- changes of a holding ---- */

static void test_change(void **state)
{
	struct admission *admission = admission_new();
	struct admission_holding a = { 0 }, b = { 0 };
	struct admission_books books;

	(void)state;
	enforce(admission, 3, 100 * MBIT, 80);
	assert_int_equal(admission_commit(admission, 3, VOICE, 60 * MBIT, &a, NULL), 0);
	assert_int_equal(admission_commit(admission, 3, VOICE, 10 * MBIT, &b, NULL), 0);
	/* What it has is its own: 70 fit in place of 60, 71 do not, and then 60 remain (Q-131's rule). */
	assert_int_equal(admission_ask(admission, 3, VOICE, 70 * MBIT, &a, NULL), 0);
	assert_int_equal(admission_ask(admission, 3, VOICE, 70 * MBIT, NULL, NULL), -EDQUOT);
	assert_int_equal(admission_commit(admission, 3, VOICE, 71 * MBIT, &a, NULL), -EDQUOT);
	assert_int_equal(a.rate_bps, 60 * MBIT);
	assert_reserved(admission, 3, 70 * MBIT, 0);
	assert_int_equal(admission_commit(admission, 3, ADMISSION_GUARANTEED, 70 * MBIT, &a, NULL),
			 0);

	books = books_of(admission, 3);
	assert_int_equal(books.holdings, 2);
	assert_int_equal(books.class_bps[VOICE], 10 * MBIT);
	assert_int_equal(books.class_bps[ADMISSION_GUARANTEED], 70 * MBIT);
	assert_int_equal(books.class_holdings[VOICE], 1);
	assert_int_equal(books.class_holdings[ADMISSION_GUARANTEED], 1);
	assert_int_equal(books.committed, 3);
	assert_int_equal(books.refused, 1);
	admission_release(admission, &a);
	admission_release(admission, &b);
	assert_int_equal(books_of(admission, 3).released, 2);
	admission_free(admission);
}

/* A reservation whose route moves to another link: there as a whole, or still here. */
static void test_move(void **state)
{
	struct admission *admission = admission_new();
	struct admission_holding holding = { 0 };

	(void)state;
	enforce(admission, 3, 100 * MBIT, 50);
	enforce(admission, 4, 10 * MBIT, 50);
	assert_int_equal(admission_commit(admission, 3, VOICE, 20 * MBIT, &holding, NULL), 0);
	assert_int_equal(admission_commit(admission, 4, VOICE, 20 * MBIT, &holding, NULL), -EDQUOT);
	assert_int_equal(admission_holding_ifindex(&holding), 3);
	assert_int_equal(books_of(admission, 4).refused, 1);
	assert_int_equal(admission_commit(admission, 4, VOICE, 5 * MBIT, &holding, NULL), 0);
	assert_int_equal(admission_holding_ifindex(&holding), 4);
	assert_reserved(admission, 3, 0, 0);
	assert_reserved(admission, 4, 5 * MBIT, 0);
	admission_release(admission, &holding);
	assert_int_equal(admission_holding_ifindex(&holding), 0);
	admission_free(admission);
}

/* ---- changes of a link ---- */

/* A slower link keeps its reservations and says by how much they are too many. */
static void test_over_commitment(void **state)
{
	struct admission *admission = admission_new();
	struct admission_holding a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	enforce(admission, 3, 100 * MBIT, 75);
	assert_int_equal(admission_commit(admission, 3, VOICE, 40 * MBIT, &a, NULL), 0);
	assert_int_equal(admission_commit(admission, 3, VOICE, 30 * MBIT, &b, NULL), 0);
	enforce(admission, 3, 80 * MBIT, 75);
	assert_reserved(admission, 3, 70 * MBIT, 10 * MBIT);
	assert_int_equal(books_of(admission, 3).available_bps, 0);
	assert_int_equal(a.rate_bps + b.rate_bps, 70 * MBIT);

	/* Nothing new, nothing more; the same, less and another class are fine. */
	assert_int_equal(admission_commit(admission, 3, VOICE, 1, &c, NULL), -EDQUOT);
	assert_int_equal(admission_commit(admission, 3, VOICE, 40 * MBIT + 1, &a, NULL), -EDQUOT);
	assert_int_equal(admission_commit(admission, 3, GW_CLASS_CONTROL, 40 * MBIT, &a, NULL), 0);
	assert_int_equal(admission_commit(admission, 3, VOICE, 35 * MBIT, &a, NULL), 0);
	assert_reserved(admission, 3, 65 * MBIT, 5 * MBIT);
	admission_release(admission, &b);
	assert_reserved(admission, 3, 35 * MBIT, 0);
	assert_int_equal(admission_commit(admission, 3, VOICE, 25 * MBIT, &c, NULL), 0);

	/* A smaller share does the same, a larger link heals it; an error changes nothing. */
	enforce(admission, 3, 80 * MBIT, 25);
	assert_reserved(admission, 3, 60 * MBIT, 40 * MBIT);
	assert_int_equal(admission_link_enforce(admission, 3,
						&(struct admission_link_config){ .rate_bps = MBIT,
										 .share = 200 }),
			 -EINVAL);
	assert_int_equal(books_of(admission, 3).limit_bps, 20 * MBIT);
	enforce(admission, 3, 1000 * MBIT, 75);
	assert_reserved(admission, 3, 60 * MBIT, 0);
	assert_int_equal(books_of(admission, 3).available_bps, 690 * MBIT);
	admission_release(admission, &a);
	admission_release(admission, &c);
	admission_free(admission);
}

/* A link nobody handed over takes everything, and forgets it. */
static void test_unenforced(void **state)
{
	struct admission *admission = admission_new();
	struct admission_holding a = { 0 }, b = { 0 };
	struct admission_books books;

	(void)state;
	assert_int_equal(admission_commit(admission, 9, VOICE, ADMISSION_RATE_MAX_BPS, &a, NULL),
			 0);
	assert_int_equal(admission_commit(admission, 9, VOICE, ADMISSION_RATE_MAX_BPS, &b, NULL),
			 0);
	books = books_of(admission, 9);
	assert_false(books.enforced);
	assert_int_equal(books.reserved_bps, 2 * ADMISSION_RATE_MAX_BPS);
	assert_int_equal(books.over_bps, 0);
	assert_int_equal(books.available_bps, 0);

	/* Handed over with that on it; then given back. */
	enforce(admission, 9, 100 * MBIT, 75);
	assert_reserved(admission, 9, 2 * ADMISSION_RATE_MAX_BPS,
			2 * ADMISSION_RATE_MAX_BPS - 75 * MBIT);
	assert_int_equal(admission_ask(admission, 9, VOICE, 1, NULL, NULL), -EDQUOT);
	admission_link_release(admission, 9);
	assert_reserved(admission, 9, 2 * ADMISSION_RATE_MAX_BPS, 0);
	assert_int_equal(admission_ask(admission, 9, VOICE, 1, NULL, NULL), 0);

	assert_int_equal(admission_next_link(admission, 0), 9);
	admission_release(admission, &a);
	assert_int_equal(admission_next_link(admission, 0), 9);
	admission_release(admission, &b);
	assert_int_equal(admission_next_link(admission, 0), 0);
	admission_link_release(admission, 9);
	admission_free(admission);
}

static void test_next_link(void **state)
{
	struct admission *admission = admission_new();

	(void)state;
	enforce(admission, 7, MBIT, 75);
	enforce(admission, 2, MBIT, 75);
	enforce(admission, UINT32_MAX, MBIT, 75);
	assert_int_equal(admission_next_link(admission, 0), 2);
	assert_int_equal(admission_next_link(admission, 2), 7);
	assert_int_equal(admission_next_link(admission, 7), UINT32_MAX);
	assert_int_equal(admission_next_link(admission, UINT32_MAX), 0);
	admission_link_release(admission, 7);
	assert_int_equal(admission_next_link(admission, 2), UINT32_MAX);
	admission_free(admission);
}

/* ---- no memory ---- */

/* The first link needs a place and a table of several parts; at each of them nothing is done by halves. */
static void test_memory(void **state)
{
	struct admission_link_config config = share_of(MBIT, 75);
	unsigned failures = 0;
	int r;

	(void)state;
	memory_fails_at = 1;
	assert_null(admission_new());
	do {
		struct admission *admission = admission_new();
		struct admission_holding holding = { 0 };

		memory_fails_at = ++failures;
		r = admission_commit(admission, 3, VOICE, 1, &holding, NULL);
		memory_fails_at = 0;
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(holding.rate_bps, r == 0 ? 1 : 0);
		assert_reserved(admission, 3, holding.rate_bps, 0);
		assert_int_equal(admission_next_link(admission, 0), r == 0 ? 3 : 0);
		admission_release(admission, &holding);

		memory_fails_at = failures;
		assert_int_equal(admission_link_enforce(admission, 3, &config), r);
		memory_fails_at = 0;
		assert_int_equal(books_of(admission, 3).enforced, r == 0);
		/* With memory back it works. */
		assert_int_equal(admission_commit(admission, 3, VOICE, 1, &holding, NULL), 0);
		admission_release(admission, &holding);
		admission_free(admission);
	} while (r != 0);
	assert_true(failures > 2);
}

/* ---- beside a model ---- */

#define SEEDS 40
#define STEPS 2000
#define HOLDINGS 60
#define LINKS 4

struct model {
	struct {
		uint32_t ifindex; /* 0: none */
		uint32_t traffic_class;
		uint64_t rate_bps;
	} held[HOLDINGS];
	struct {
		bool enforced;
		uint64_t rate_bps;
		uint32_t share;
	} links[LINKS + 1];
};

static uint64_t model_sum(const struct model *model, uint32_t ifindex, int but)
{
	uint64_t sum_bps = 0;

	for (int i = 0; i < HOLDINGS; i++) {
		if (i != but && model->held[i].ifindex == ifindex)
			sum_bps += model->held[i].rate_bps;
	}
	return sum_bps;
}

static bool model_admits(const struct model *model, int n, uint32_t ifindex, uint64_t rate_bps)
{
	uint64_t link_bps = model->links[ifindex].rate_bps;

	if (!model->links[ifindex].enforced)
		return true;
	if (model->held[n].ifindex == ifindex && rate_bps <= model->held[n].rate_bps)
		return true;
	return (unsigned __int128)(model_sum(model, ifindex, n) + rate_bps) * 100 <=
	       (unsigned __int128)link_bps * model->links[ifindex].share;
}

static void assert_books(const struct admission *admission, const struct model *model)
{
	for (uint32_t link = 1; link <= LINKS; link++) {
		struct admission_books books = books_of(admission, link);
		uint64_t class_bps[ADMISSION_CLASS_COUNT] = { 0 };
		uint32_t class_holdings[ADMISSION_CLASS_COUNT] = { 0 };
		uint32_t holdings = 0;

		for (int i = 0; i < HOLDINGS; i++) {
			if (model->held[i].ifindex != link)
				continue;
			class_bps[model->held[i].traffic_class] += model->held[i].rate_bps;
			class_holdings[model->held[i].traffic_class]++;
			holdings++;
		}
		assert_memory_equal(books.class_bps, class_bps, sizeof(class_bps));
		assert_memory_equal(books.class_holdings, class_holdings, sizeof(class_holdings));
		assert_int_equal(books.holdings, holdings);
		assert_int_equal(books.reserved_bps, model_sum(model, link, -1));
		assert_int_equal(books.enforced, model->links[link].enforced);
	}
}

static void change_link(struct admission *admission, struct model *model)
{
	uint32_t link = (uint32_t)between(1, LINKS);

	model->links[link].enforced = next_random() % 4 != 0;
	if (!model->links[link].enforced) {
		admission_link_release(admission, link);
		return;
	}
	model->links[link].rate_bps = between(1, 200 * MBIT);
	model->links[link].share = (uint32_t)between(0, 100);
	enforce(admission, link, model->links[link].rate_bps, model->links[link].share);
}

/* False: it was refused. */
static bool change_holding(struct admission *admission, struct model *model,
			   struct admission_holding *holdings)
{
	int n = (int)between(0, HOLDINGS - 1);
	uint32_t link = (uint32_t)between(1, LINKS);
	uint32_t traffic_class = (uint32_t)between(0, ADMISSION_CLASS_COUNT - 1);
	uint64_t rate_bps = between(1, 20 * MBIT);
	int expected = model_admits(model, n, link, rate_bps) ? 0 : -EDQUOT;

	assert_int_equal(admission_ask(admission, link, traffic_class, rate_bps, &holdings[n],
				       NULL),
			 expected);
	assert_int_equal(admission_commit(admission, link, traffic_class, rate_bps, &holdings[n],
					  NULL),
			 expected);
	if (expected != 0)
		return false;
	model->held[n].ifindex = link;
	model->held[n].traffic_class = traffic_class;
	model->held[n].rate_bps = rate_bps;
	return true;
}

static void walk(uint64_t seed)
{
	struct admission *admission = admission_new();
	struct admission_holding holdings[HOLDINGS] = { 0 };
	struct model model = { 0 };
	int granted = 0, refused = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	for (int step = 0; step < STEPS; step++) {
		uint64_t what = next_random() % 16;
		int n = (int)between(0, HOLDINGS - 1);

		if (what == 0) {
			change_link(admission, &model);
		} else if (what < 6) {
			admission_release(admission, &holdings[n]);
			model.held[n].ifindex = 0;
		} else if (change_holding(admission, &model, holdings)) {
			granted++;
		} else {
			refused++;
		}
		assert_books(admission, &model);
	}
	assert_true(granted > STEPS / 10 && refused > STEPS / 100);

	for (int i = 0; i < HOLDINGS; i++)
		admission_release(admission, &holdings[i]);
	memset(model.held, 0, sizeof(model.held));
	assert_books(admission, &model);
	admission_free(admission);
}

static void test_walk(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		walk(seed);
}

/* ---- a day ---- */

#define CALLS 2000

/* 24 hours, an arrival each second or so, for minutes each; at their end the books are empty. */
static void test_day(void **state)
{
	static struct {
		struct admission_holding holding;
		uint64_t ends_s;
	} calls[CALLS];
	struct admission *admission = admission_new();
	uint64_t granted = 0, refused = 0;
	struct admission_books books;

	(void)state;
	random_state = 24;
	memset(calls, 0, sizeof(calls));
	enforce(admission, 3, 100 * MBIT, ADMISSION_SHARE_DEFAULT);
	for (uint64_t now_s = 0; now_s < 86400; now_s++) {
		for (int i = 0; i < CALLS; i++) {
			if (calls[i].holding.link != NULL && calls[i].ends_s <= now_s)
				admission_release(admission, &calls[i].holding);
		}
		/* Busy by day, quiet by night. */
		for (uint64_t n = next_random() % (now_s / 3600 < 8 ? 2 : 5); n > 0; n--) {
			size_t slot = next_random() % CALLS;

			if (calls[slot].holding.link != NULL)
				continue;
			if (admission_commit(admission, 3, (uint32_t)between(0, 7),
					     between(64000, MBIT), &calls[slot].holding,
					     NULL) != 0) {
				refused++;
				continue;
			}
			calls[slot].ends_s = now_s + between(1, 300);
			granted++;
		}
		books = books_of(admission, 3);
		assert_true(books.reserved_bps <= 75 * MBIT);
		assert_int_equal(books.reserved_bps + books.available_bps, 75 * MBIT);
	}
	for (int i = 0; i < CALLS; i++)
		admission_release(admission, &calls[i].holding);

	books = books_of(admission, 3);
	assert_true(granted > 10000 && refused > 10000);
	assert_int_equal(books.committed, granted);
	assert_int_equal(books.refused, refused);
	assert_int_equal(books.released, granted);
	assert_int_equal(books.holdings, 0);
	assert_int_equal(books.reserved_bps, 0);
	for (int i = 0; i < ADMISSION_CLASS_COUNT; i++) {
		assert_int_equal(books.class_bps[i], 0);
		assert_int_equal(books.class_holdings[i], 0);
	}
	admission_free(admission);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit),	   cmocka_unit_test(test_faster_than_link),
		cmocka_unit_test(test_misuse),	   cmocka_unit_test(test_change),
		cmocka_unit_test(test_move),	   cmocka_unit_test(test_over_commitment),
		cmocka_unit_test(test_unenforced), cmocka_unit_test(test_next_link),
		cmocka_unit_test(test_memory),	   cmocka_unit_test(test_walk),
		cmocka_unit_test(test_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
