/* SPDX-License-Identifier: MIT */
/*
 * schedule.c: see schedule.h. Here: building the tree, taking it away, and watching over its root.
 *
 *   root  4757:      packets without a class go to best effort
 *   `- 4757:1        the link's rate
 *      |- 4757:10..15   the bands, by traffic class; see plan.c for their shares
 *      `- 4757:100..    the pool
 *
 * While the tree is being built packets pass through its root unscheduled, so nothing is lost.
 */
#include "datapath/kernel/schedule.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/kernel/schedule_internal.h"

static void say(struct schedule_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct schedule_text *text, const char *format, ...)
{
	va_list arguments;

	if (!text)
		return;
	va_start(arguments, format);
	vsnprintf(text->text, sizeof(text->text), format, arguments);
	va_end(arguments);
}

static bool is_ours(const struct foreign *root)
{
	return root->handle == SCHEDULE_HANDLE && strcmp(root->kind, HTB_KIND) == 0;
}

/* The kernel's own default has no handle, and comes back when another root goes. */
static bool is_default(const struct foreign *root)
{
	return root->handle == 0;
}

static struct schedule *free_schedule(struct schedule *schedule)
{
	tc_close(&schedule->tc);
	pool_free(&schedule->pool);
	free(schedule->foreign);
	free(schedule);
	return NULL;
}

DEFINE_CLEANUP(struct schedule *, free_schedule);

/* --- Building --------------------------------------------------------------------------------- */

/* The first kind that the kernel has, found by using it, serves the other bands too. */
static int create_band_leaf(struct schedule *schedule, enum gw_class traffic_class)
{
	static const struct qdisc_kind *const choice[] = { &qdisc_fq_codel, &qdisc_fq,
							   &qdisc_pfifo };
	const struct queue_size size = plan_band_queue(&schedule->plan);
	const struct leaf leaf = plan_leaf_of_band(traffic_class);
	int r = leaf_create_splitter(schedule, &leaf, &size);

	if (r < 0)
		return r;
	if (schedule->leaf)
		return leaf_create_queue(schedule, &leaf, schedule->leaf, &size);
	r = -ENOENT;
	for (size_t i = 0; i < sizeof(choice) / sizeof(choice[0]) && r == -ENOENT; i++) {
		r = leaf_create_queue(schedule, &leaf, choice[i], &size);
		if (r == 0)
			schedule->leaf = choice[i];
	}
	return r;
}

static int create_bands(struct schedule *schedule)
{
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++) {
		struct htb_class band = plan_band(&schedule->plan, c);
		int r = htb_class_create(&schedule->htb, &band);

		if (r == 0)
			r = create_band_leaf(schedule, c);
		if (r < 0)
			return r;
	}
	return 0;
}

static int create_pool(struct schedule *schedule)
{
	const struct queue_size size = plan_pool_queue(&schedule->plan, 0);

	for (uint32_t i = 0; i < schedule->pool.size; i++) {
		uint32_t minor = PLAN_POOL + i;
		struct htb_class idle = plan_idle(&schedule->plan, minor);
		struct leaf leaf = plan_leaf_of_pool(minor);
		int r = htb_class_create(&schedule->htb, &idle);

		if (r == 0)
			r = leaf_create_splitter(schedule, &leaf, &size);
		if (r == 0)
			r = leaf_create_queue(schedule, &leaf, &qdisc_pfifo, &size);
		if (r < 0)
			return r;
		schedule->pool.classes[i].split_bytes = size.split_bytes;
		pool_put_free(&schedule->pool, i);
	}
	return 0;
}

static int create_classes(struct schedule *schedule)
{
	const struct htb_class link = plan_link(&schedule->plan);
	int r = htb_class_create(&schedule->htb, &link);

	if (r == 0)
		r = create_bands(schedule);
	if (r == 0)
		r = create_pool(schedule);
	return r;
}

/* Whichever of its own or of somebody else's is there. */
static void delete_root(struct schedule *schedule)
{
	struct qdisc_place place = { .ifindex = schedule->htb.ifindex, .parent = TC_H_ROOT };
	struct foreign root;

	if (foreign_read(&schedule->tc, place.ifindex, &root) < 0 || is_default(&root))
		return;
	place.handle = root.handle;
	(void)qdisc_delete(&schedule->tc, &place);
}

/* The link gets back what it had before us. */
static int restore(struct schedule *schedule, struct schedule_text *text)
{
	const struct foreign_tree *foreign = schedule->foreign;
	int r;

	if (!foreign)
		return htb_delete(&schedule->htb);
	r = foreign_tree_restore(&schedule->tc, schedule->htb.ifindex, foreign);
	if (r == -EBADMSG) {
		say(text, "%s %" PRIx32 ": was put back, but is not quite what it was",
		    foreign->root.kind, foreign->root.handle >> 16);
	} else if (r < 0) {
		say(text, "%s %" PRIx32 ": could not be put back (%s); the link has its default",
		    foreign->root.kind, foreign->root.handle >> 16, strerror(-r));
		delete_root(schedule);
	}
	return r;
}

static int build(struct schedule *schedule, bool replace, struct schedule_text *text)
{
	int r = htb_create(&schedule->htb, schedule_class_of(GW_CLASS_BEST_EFFORT), replace);

	if (r == -ENOENT) {
		say(text, "the kernel has no HTB");
		return -EOPNOTSUPP;
	}
	if (r == -EEXIST) {
		say(text, "someone else has just set this link up");
		return -EBUSY;
	}
	if (r < 0)
		return r;
	r = create_classes(schedule);
	if (r < 0)
		restore(schedule, text);
	return r;
}

/* --- Taking over ------------------------------------------------------------------------------ */

static int remember(struct schedule *schedule, const struct schedule_config *config,
		    const struct foreign *root, struct schedule_text *text)
{
	struct foreign_words words;
	int r;

	if (!config->force) {
		say(text, "%s %" PRIx32 ": is set up there by someone else", root->kind,
		    root->handle >> 16);
		return -EBUSY;
	}
	r = foreign_tree_read(&schedule->tc, config->ifindex, &schedule->foreign, &words);
	if (r == -EOPNOTSUPP || r == -E2BIG) {
		say(text, "%s %" PRIx32 ": is left alone, for it could not be put back: %s",
		    root->kind, root->handle >> 16, words.text);
		return -EBUSY;
	}
	if (r == 0 && config->keep)
		r = config->keep(config->user_data, schedule->foreign,
				 foreign_tree_size(schedule->foreign));
	if (r < 0)
		say(text, "%s %" PRIx32 ": could not be kept to be given back (%s)", root->kind,
		    root->handle >> 16, strerror(-r));
	return r;
}

static int recall(struct schedule *schedule, const void *bytes, size_t len)
{
	int r;

	if (!bytes)
		return 0;
	r = foreign_tree_from_bytes(bytes, len, &schedule->foreign);
	return r == 0 && is_ours(&schedule->foreign->root) ? -EINVAL : r;
}

static int take_over(struct schedule *schedule, const struct schedule_config *config,
		     struct schedule_text *text)
{
	struct foreign root;
	int r = foreign_read(&schedule->tc, config->ifindex, &root);

	if (r < 0)
		return r;
	if (is_ours(&root)) {
		r = recall(schedule, config->foreign, config->foreign_len);
		if (r < 0)
			return r;
		r = schedule_adopt(schedule, &root);
		if (r != -ENOENT)
			return r;
		r = htb_delete(&schedule->htb);
		if (r == 0)
			r = build(schedule, false, text);
		return r;
	}
	if (!is_default(&root)) {
		r = remember(schedule, config, &root, text);
		if (r < 0)
			return r;
	}
	return build(schedule, schedule->foreign, text);
}

int schedule_open(const struct schedule_config *config, struct schedule **ret_schedule,
		  struct schedule_text *ret_text)
{
	_cleanup_(free_schedulep) struct schedule *schedule = calloc(1, sizeof(*schedule));
	uint32_t size = config->pool_size > 0 ? config->pool_size : SCHEDULE_POOL_DEFAULT;
	int r;

	say(ret_text, "%s", "");
	if (!schedule)
		return -ENOMEM;
	if (size > SCHEDULE_POOL_MAX)
		return -EINVAL;
	schedule->config = *config;
	schedule->config.foreign = NULL;
	schedule->config.keep = NULL;
	r = plan_make(config, &schedule->plan);
	if (r == 0)
		r = pool_init(&schedule->pool, size);
	if (r == 0)
		r = tc_open(&schedule->tc);
	if (r < 0)
		return r;
	schedule->htb = (struct htb){
		.tc = &schedule->tc,
		.ifindex = config->ifindex,
		.handle = SCHEDULE_HANDLE,
	};
	r = take_over(schedule, config, ret_text);
	if (r < 0)
		return r;
	*ret_schedule = steal_ptr(&schedule);
	return 0;
}

int schedule_give_back(uint32_t ifindex, const void *foreign, size_t foreign_len,
		       struct schedule_text *ret_text)
{
	_cleanup_(free_schedulep) struct schedule *schedule = calloc(1, sizeof(*schedule));
	struct foreign root;
	int r;

	say(ret_text, "%s", "");
	if (!schedule)
		return -ENOMEM;
	r = tc_open(&schedule->tc);
	if (r == 0)
		r = foreign_read(&schedule->tc, ifindex, &root);
	if (r < 0)
		return r;
	if (!is_ours(&root) || root.default_minor != schedule_class_of(GW_CLASS_BEST_EFFORT))
		return -ENOENT;
	schedule->htb = (struct htb){
		.tc = &schedule->tc,
		.ifindex = ifindex,
		.handle = SCHEDULE_HANDLE,
	};
	r = recall(schedule, foreign, foreign_len);
	return r < 0 ? r : restore(schedule, ret_text);
}

/* --- Later ------------------------------------------------------------------------------------ */

static bool link_exists(const struct schedule *schedule)
{
	char name[IF_NAMESIZE];

	return if_indextoname(schedule->htb.ifindex, name);
}

int schedule_check(struct schedule *schedule, struct schedule_text *ret_text)
{
	struct foreign root;
	int r = foreign_read(&schedule->tc, schedule->htb.ifindex, &root);

	say(ret_text, "%s", "");
	if (r < 0 || is_ours(&root))
		return r;
	if (!is_default(&root)) {
		say(ret_text, "%s %" PRIx32 ": has been set up there by someone else", root.kind,
		    root.handle >> 16);
		return -EBUSY;
	}
	/* No root at all: the link is down, or there is none. */
	if (root.kind[0] == 0 && !link_exists(schedule))
		return -ENODEV;
	say(ret_text, "someone else has taken the queueing discipline away");
	return -ENOENT;
}

struct schedule *schedule_close(struct schedule *schedule, bool put_back,
				struct schedule_text *ret_text)
{
	say(ret_text, "%s", "");
	if (!schedule)
		return NULL;
	/* What others have put there since is theirs. */
	if (put_back && schedule_check(schedule, ret_text) == 0)
		restore(schedule, ret_text);
	return free_schedule(schedule);
}

int schedule_apply(struct schedule *schedule, const struct plan *plan)
{
	const struct htb_class link = plan_link(plan);
	const struct queue_size size = plan_band_queue(plan);
	int r = htb_class_change(&schedule->htb, &link);

	for (enum gw_class c = 0; r == 0 && c < GW_CLASS_COUNT; c++) {
		struct htb_class band = plan_band(plan, c);
		struct leaf leaf = plan_leaf_of_band(c);

		r = leaf_change_splitter(schedule, &leaf, &size);
		if (r == 0)
			r = leaf_change_queue(schedule, &leaf, schedule->leaf, &size);
		if (r == 0)
			r = htb_class_change(&schedule->htb, &band);
	}
	for (uint32_t i = 0; r == 0 && i < schedule->pool.size; i++) {
		struct htb_class c = pool_wanted(schedule, plan, i);

		r = pool_settle_leaf(schedule, plan, i, schedule->pool.classes[i].demand.ceil_bps);
		if (r == 0 && schedule->pool.classes[i].state != POOL_STATE_KEPT)
			r = htb_class_change(&schedule->htb, &c);
	}
	return r;
}

static int set_figures(struct schedule *schedule, const struct schedule_config *config)
{
	struct plan plan;
	int r = plan_make(config, &plan);

	if (r < 0)
		return r;
	r = schedule_apply(schedule, &plan);
	if (r < 0) {
		(void)schedule_apply(schedule, &schedule->plan);
		return r;
	}
	schedule->config = *config;
	schedule->plan = plan;
	return 0;
}

int schedule_set_rate(struct schedule *schedule, uint64_t rate_bps, uint32_t reservable_percent)
{
	struct schedule_config config = schedule->config;

	config.rate_bps = rate_bps;
	config.reservable_percent = reservable_percent;
	return set_figures(schedule, &config);
}

int schedule_set_mtu(struct schedule *schedule, uint32_t mtu)
{
	struct schedule_config config = schedule->config;

	config.mtu = mtu;
	return set_figures(schedule, &config);
}

bool schedule_adopted(const struct schedule *schedule)
{
	return schedule->adopted;
}

const void *schedule_foreign(const struct schedule *schedule, size_t *ret_len)
{
	*ret_len = schedule->foreign ? foreign_tree_size(schedule->foreign) : 0;
	return schedule->foreign;
}

uint32_t schedule_class_of(enum gw_class traffic_class)
{
	return PLAN_BANDS + traffic_class;
}
