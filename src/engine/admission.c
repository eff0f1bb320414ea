/* SPDX-License-Identifier: MIT */
/*
 * admission.c: the books of admission.h.
 */
#include "engine/admission.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>

#include "core/rate.h"

/* Exists while it is enforced or anything is booked on it. */
struct admission_link {
	uint32_t ifindex;
	bool enforced;
	struct admission_link_config config; /* if enforced */
	uint64_t limit_bps;
	uint64_t reserved_bps;
	uint64_t class_bps[ADMISSION_CLASS_COUNT];
	uint32_t class_holdings[ADMISSION_CLASS_COUNT];
	uint32_t holdings;
	uint64_t committed, refused, released;
	UT_hash_handle hh;
};

struct admission {
	struct admission_link *links;
};

struct admission *admission_new(void)
{
	return calloc(1, sizeof(struct admission));
}

static void link_free(struct admission *admission, struct admission_link *link)
{
	HASH_DEL(admission->links, link);
	free(link);
}

struct admission *admission_free(struct admission *admission)
{
	struct admission_link *link, *next;

	if (admission == NULL)
		return NULL;
	HASH_ITER(hh, admission->links, link, next) {
		assert(link->holdings == 0);
		link_free(admission, link);
	}
	free(admission);
	return NULL;
}

static struct admission_link *link_find(const struct admission *admission, uint32_t ifindex)
{
	struct admission_link *link;

	HASH_FIND(hh, admission->links, &ifindex, sizeof(ifindex), link);
	return link;
}

static struct admission_link *link_get(struct admission *admission, uint32_t ifindex)
{
	struct admission_link *link = link_find(admission, ifindex);

	if (link != NULL)
		return link;
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		return NULL;
	link->ifindex = ifindex;
	HASH_ADD(hh, admission->links, ifindex, sizeof(link->ifindex), link);
	if (link->hh.tbl == NULL) { /* the table could not grow */
		free(link);
		return NULL;
	}
	return link;
}

static void link_forget_if_idle(struct admission *admission, struct admission_link *link)
{
	if (!link->enforced && link->holdings == 0)
		link_free(admission, link);
}

int admission_link_enforce(struct admission *admission, uint32_t ifindex,
			   const struct admission_link_config *config)
{
	struct admission_link *link;

	if (ifindex == 0 || config->rate_bps == 0 || config->share > 100)
		return -EINVAL;
	if (config->rate_bps > ADMISSION_RATE_MAX_BPS)
		return -ERANGE;
	link = link_get(admission, ifindex);
	if (link == NULL)
		return -ENOMEM;

	link->enforced = true;
	link->config = *config;
	link->limit_bps = rate_share(config->rate_bps, config->share);
	return 0;
}

void admission_link_release(struct admission *admission, uint32_t ifindex)
{
	struct admission_link *link = link_find(admission, ifindex);

	if (link == NULL)
		return;
	link->enforced = false;
	link->limit_bps = 0;
	link_forget_if_idle(admission, link);
}

/* Fills in why `rate_bps` does not fit beside `others_bps`; false if it does. */
static bool link_refuses(const struct admission_link *link, uint64_t rate_bps, uint64_t others_bps,
			 struct admission_refusal *ret_refusal)
{
	struct admission_refusal refusal = {
		.rule = ADMISSION_RULE_SHARE,
		.set_by = link->config.share_set_by,
		.limit_bps = link->limit_bps,
		.asked_bps = rate_bps,
		.reserved_bps = others_bps,
		.share = link->config.share,
	};

	if (others_bps <= link->limit_bps && rate_bps <= link->limit_bps - others_bps)
		return false;
	if (rate_bps > link->config.rate_bps) {
		refusal.rule = ADMISSION_RULE_RATE;
		refusal.set_by = ADMISSION_SET_BY_CONFIGURATION;
		refusal.limit_bps = link->config.rate_bps;
	}
	if (ret_refusal != NULL)
		*ret_refusal = refusal;
	return true;
}

int admission_ask(struct admission *admission, uint32_t ifindex, uint32_t traffic_class,
		  uint64_t rate_bps, const struct admission_holding *holding,
		  struct admission_refusal *ret_refusal)
{
	const struct admission_link *link;
	uint64_t own_bps = 0;

	if (ifindex == 0 || traffic_class >= ADMISSION_CLASS_COUNT || rate_bps == 0)
		return -EINVAL;
	if (rate_bps > ADMISSION_RATE_MAX_BPS)
		return -ERANGE;

	link = link_find(admission, ifindex);
	if (link == NULL || !link->enforced)
		return 0;
	if (holding != NULL && holding->link == link)
		own_bps = holding->rate_bps;
	/* What does not grow is not refused, not even on a link that is over-committed. */
	if (rate_bps <= own_bps)
		return 0;
	return link_refuses(link, rate_bps, link->reserved_bps - own_bps, ret_refusal) ? -EDQUOT
										       : 0;
}

/* The two that touch the sums. */
static void link_book(struct admission_link *link, const struct admission_holding *holding)
{
	link->reserved_bps += holding->rate_bps;
	link->class_bps[holding->traffic_class] += holding->rate_bps;
	link->class_holdings[holding->traffic_class]++;
	link->holdings++;
}

static void link_unbook(struct admission_link *link, const struct admission_holding *holding)
{
	assert(link->holdings > 0 && link->class_holdings[holding->traffic_class] > 0);
	assert(link->class_bps[holding->traffic_class] >= holding->rate_bps);

	link->reserved_bps -= holding->rate_bps;
	link->class_bps[holding->traffic_class] -= holding->rate_bps;
	link->class_holdings[holding->traffic_class]--;
	link->holdings--;
}

int admission_commit(struct admission *admission, uint32_t ifindex, uint32_t traffic_class,
		     uint64_t rate_bps, struct admission_holding *holding,
		     struct admission_refusal *ret_refusal)
{
	struct admission_link *link, *before = holding->link;
	int r;

	r = admission_ask(admission, ifindex, traffic_class, rate_bps, holding, ret_refusal);
	if (r == -EDQUOT)
		link_find(admission, ifindex)->refused++;
	if (r < 0)
		return r;
	link = link_get(admission, ifindex);
	if (link == NULL)
		return -ENOMEM;

	if (before != NULL)
		link_unbook(before, holding);
	*holding = (struct admission_holding){
		.link = link,
		.rate_bps = rate_bps,
		.traffic_class = traffic_class,
	};
	link_book(link, holding);
	link->committed++;
	if (before != NULL && before != link) {
		before->released++;
		link_forget_if_idle(admission, before);
	}
	return 0;
}

void admission_release(struct admission *admission, struct admission_holding *holding)
{
	struct admission_link *link = holding->link;

	if (link == NULL)
		return;
	link_unbook(link, holding);
	link->released++;
	*holding = (struct admission_holding){ 0 };
	link_forget_if_idle(admission, link);
}

uint32_t admission_holding_ifindex(const struct admission_holding *holding)
{
	return holding->link != NULL ? holding->link->ifindex : 0;
}

void admission_books(const struct admission *admission, uint32_t ifindex,
		     struct admission_books *ret_books)
{
	const struct admission_link *link = link_find(admission, ifindex);

	*ret_books = (struct admission_books){ 0 };
	if (link == NULL)
		return;
	ret_books->enforced = link->enforced;
	ret_books->reserved_bps = link->reserved_bps;
	ret_books->holdings = link->holdings;
	ret_books->committed = link->committed;
	ret_books->refused = link->refused;
	ret_books->released = link->released;
	for (uint32_t i = 0; i < ADMISSION_CLASS_COUNT; i++) {
		ret_books->class_bps[i] = link->class_bps[i];
		ret_books->class_holdings[i] = link->class_holdings[i];
	}
	if (!link->enforced)
		return;
	ret_books->rate_bps = link->config.rate_bps;
	ret_books->limit_bps = link->limit_bps;
	if (link->reserved_bps > link->limit_bps)
		ret_books->over_bps = link->reserved_bps - link->limit_bps;
	else
		ret_books->available_bps = link->limit_bps - link->reserved_bps;
}

uint32_t admission_next_link(const struct admission *admission, uint32_t after)
{
	const struct admission_link *link;
	uint32_t next = 0;

	for (link = admission->links; link != NULL; link = link->hh.next) {
		if (link->ifindex > after && (next == 0 || link->ifindex < next))
			next = link->ifindex;
	}
	return next;
}

static const char *setter_name(enum admission_setter setter)
{
	return setter == ADMISSION_SET_BY_CONFIGURATION ? "configuration" : "default";
}

const char *admission_refusal_format(const struct admission_refusal *refusal,
				     char buf[static ADMISSION_TEXT_LEN])
{
	unsigned long long asked_bps = refusal->asked_bps;
	unsigned long long limit_bps = refusal->limit_bps;
	unsigned long long reserved_bps = refusal->reserved_bps;

	if (refusal->rule == ADMISSION_RULE_RATE)
		(void)snprintf(buf, ADMISSION_TEXT_LEN,
			       "%llu bit/s asked; the link has %llu bit/s (%s)", asked_bps,
			       limit_bps, setter_name(refusal->set_by));
	else if (refusal->rule == ADMISSION_RULE_USER)
		(void)snprintf(buf, ADMISSION_TEXT_LEN,
			       "%llu bit/s asked; %llu of %llu bit/s are reserved by this user "
			       "already; max-reserved-per-user = %u%% (%s)",
			       asked_bps, reserved_bps, limit_bps, refusal->share,
			       setter_name(refusal->set_by));
	else
		(void)snprintf(buf, ADMISSION_TEXT_LEN,
			       "%llu bit/s asked; %llu of %llu bit/s are reserved already; "
			       "reservable = %u%% of the link (%s)",
			       asked_bps, reserved_bps, limit_bps, refusal->share,
			       setter_name(refusal->set_by));
	return buf;
}
