/* SPDX-License-Identifier: MIT */
/*
 * foreign_tree.c: see foreign_tree.h. The kernel tells classes and queues of one hash bucket newest first, so
 * they are asked for in the reverse order, as far as parents come before what hangs below them: then
 * they are told in the old order again.
 */
#include "datapath/kernel/foreign_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/kernel/foreign_filter.h"
#include "datapath/kernel/htb.h"
#include "datapath/kernel/tc.h"

#define REQUEST_LEN 16384
#define ITEMS_MAX 20000
/* The tables that the kernel makes for the priorities of u32 are numbered in this way. */
#define U32_FIRST_TABLE 0x80000000u
#define U32_TABLE_STEP 0x100000u

enum treatment {
	UNKNOWN,
	PLAIN,	     /* its classes come by themselves, if it has any */
	WITH_CLASSES /* that have been made one by one, and may have filters */
};

static const struct {
	const char *kind;
	enum treatment treatment;
} kinds[] = {
	{ "htb", WITH_CLASSES }, { "hfsc", WITH_CLASSES },
	{ "drr", WITH_CLASSES }, { "prio", PLAIN },
	{ "mq", PLAIN },	 { "tbf", PLAIN },
	{ "pfifo", PLAIN },	 { "bfifo", PLAIN },
	{ "pfifo_fast", PLAIN }, { "pfifo_head_drop", PLAIN },
	{ "fq_codel", PLAIN },	 { "fq", PLAIN },
	{ "codel", PLAIN },	 { "sfq", PLAIN },
	{ "cake", PLAIN },	 { "pie", PLAIN },
	{ "fq_pie", PLAIN },	 { "noqueue", PLAIN },
};

static enum treatment treatment_of(const char *kind)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].treatment;
	return UNKNOWN;
}

/* One request, and what its place among the others follows from. */
struct item {
	struct nlmsghdr *request;
	struct tcmsg at;
	char kind[QDISC_KIND_LEN];
	struct foreign_filter filter;
	uint32_t group; /* filters: the number of the kernel's own table */
	size_t sequence;
	bool taken;
};

struct collection {
	uint32_t ifindex;
	struct item *items;
	size_t count, room;
	size_t bytes;
	int error;
	struct foreign_words *words;
};

static void free_collection(struct collection *collection)
{
	for (size_t i = 0; i < collection->count; i++)
		free(collection->items[i].request);
	free(collection->items);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static int refuse(struct collection *collection, const char *kind, uint32_t handle, const char *why)
{
	snprintf(collection->words->text, sizeof(collection->words->text), "%s %" PRIx32 ":%s%s%s",
		 kind, TC_H_MAJ(handle) >> 16, "", why[0] ? " " : "", why);
	return -EOPNOTSUPP;
}

/* A dump that was disturbed begins anew. */
static bool is_there(const struct collection *collection, const struct nlmsghdr *request)
{
	for (size_t i = 0; i < collection->count; i++)
		if (collection->items[i].request->nlmsg_len == request->nlmsg_len &&
		    memcmp(collection->items[i].request, request, request->nlmsg_len) == 0)
			return true;
	return false;
}

static int keep(struct collection *collection, const struct nlmsghdr *request, struct item item)
{
	struct item *items = collection->items;

	if (is_there(collection, request))
		return 0;
	collection->bytes += NLMSG_ALIGN(request->nlmsg_len);
	if (collection->bytes > FOREIGN_TREE_MAX || collection->count >= ITEMS_MAX)
		return -E2BIG;
	if (collection->count == collection->room) {
		collection->room = 2 * collection->room + 16;
		items = realloc(items, collection->room * sizeof(*items));
		if (!items)
			return -ENOMEM;
		collection->items = items;
	}
	item.sequence = collection->count;
	item.request = malloc(request->nlmsg_len);
	if (!item.request)
		return -ENOMEM;
	memcpy(item.request, request, request->nlmsg_len);
	items[collection->count++] = item;
	return 0;
}

struct attributes {
	const char *kind;
	const struct nlattr *options;
	const struct nlattr *chain;
	bool size_table;
};

static int on_attribute(const struct nlattr *attribute, void *user_data)
{
	struct attributes *attributes = user_data;

	switch (mnl_attr_get_type(attribute)) {
	case TCA_KIND:
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			attributes->kind = mnl_attr_get_str(attribute);
		break;
	case TCA_OPTIONS:
		attributes->options = attribute;
		break;
	case TCA_CHAIN:
		attributes->chain = attribute;
		break;
	case TCA_STAB:
		attributes->size_table = true;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static bool put_attribute(struct nlmsghdr *request, const struct nlattr *attribute)
{
	return !attribute || mnl_attr_put_check(request, REQUEST_LEN, attribute->nla_type,
						mnl_attr_get_payload_len(attribute),
						mnl_attr_get_payload(attribute));
}

static int copy_filter(struct collection *collection, struct nlmsghdr *request,
		       const struct attributes *attributes, struct item *item)
{
	const char *why;
	int r = foreign_filter_copy(request, REQUEST_LEN, attributes->kind, item->at.tcm_handle,
				    attributes->options, &item->filter, &why);
	char name[64];

	if (r != -EOPNOTSUPP)
		return r;
	snprintf(name, sizeof(name), "filter %s below", attributes->kind);
	return refuse(collection, name, item->at.tcm_parent, why);
}

static int copy_options(struct collection *collection, struct nlmsghdr *request,
			const struct attributes *attributes, struct item *item)
{
	struct nlattr *options = mnl_nlmsg_get_payload_tail(request);

	if (request->nlmsg_type == RTM_NEWTFILTER)
		return put_attribute(request, attributes->chain)
			       ? copy_filter(collection, request, attributes, item)
			       : -EMSGSIZE;
	if (attributes->size_table)
		return refuse(collection, attributes->kind, item->at.tcm_handle,
			      "with a size table");
	if (!put_attribute(request, attributes->options))
		return -EMSGSIZE;
	if (attributes->options && request->nlmsg_type == RTM_NEWQDISC &&
	    strcmp(attributes->kind, HTB_KIND) == 0)
		htb_make_request_of(mnl_attr_get_payload(options),
				    mnl_attr_get_payload_len(options));
	return 0;
}

/* The request that makes what a dump tells of. */
static int add(struct collection *collection, const struct nlmsghdr *message,
	       const struct tcmsg *at)
{
	_Alignas(8) char buffer[REQUEST_LEN] = { 0 };
	struct attributes attributes = { .kind = "" };
	struct item item = { .at = *at };
	bool root = message->nlmsg_type == RTM_NEWQDISC && at->tcm_parent == TC_H_ROOT;
	struct nlmsghdr *request;
	int r;

	mnl_attr_parse(message, sizeof(*at), on_attribute, &attributes);
	item.at.tcm_ifindex = 0;
	if (message->nlmsg_type != RTM_NEWTFILTER)
		item.at.tcm_info = 0;
	/* Classes without a parent have the root. */
	if (message->nlmsg_type == RTM_NEWTCLASS && at->tcm_parent == TC_H_ROOT)
		item.at.tcm_parent = TC_H_MAJ(at->tcm_handle);
	snprintf(item.kind, sizeof(item.kind), "%s", attributes.kind);
	if (message->nlmsg_type == RTM_NEWTCLASS && treatment_of(item.kind) != WITH_CLASSES)
		return 0;
	if (message->nlmsg_type == RTM_NEWQDISC && treatment_of(item.kind) == UNKNOWN)
		return refuse(collection, item.kind, at->tcm_handle, "");
	request = tc_begin(buffer, message->nlmsg_type,
			   NLM_F_CREATE | (root ? NLM_F_REPLACE : NLM_F_EXCL), &item.at);
	mnl_attr_put_strz(request, TCA_KIND, item.kind);
	r = copy_options(collection, request, &attributes, &item);
	return r < 0 ? r : keep(collection, request, item);
}

static bool is_wanted(const struct nlmsghdr *message, const struct tcmsg *at)
{
	switch (message->nlmsg_type) {
	case RTM_NEWQDISC:
		/* Those of no handle come by themselves; the clsact hook is no queue. */
		return at->tcm_handle != 0 && at->tcm_parent != TC_H_INGRESS;
	case RTM_NEWTCLASS:
		return TC_H_MIN(at->tcm_handle) != 0;
	case RTM_NEWTFILTER:
		return at->tcm_handle != 0;
	default:
		return false;
	}
}

static int on_message(const struct nlmsghdr *message, void *user_data)
{
	struct collection *collection = user_data;
	struct tcmsg at;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(at))
		return MNL_CB_OK;
	memcpy(&at, mnl_nlmsg_get_payload(message), sizeof(at));
	if (collection->error == 0 && (uint32_t)at.tcm_ifindex == collection->ifindex &&
	    is_wanted(message, &at))
		collection->error = add(collection, message, &at);
	return MNL_CB_OK;
}

static int dump(struct tc *tc, struct collection *collection, uint16_t type, uint32_t parent)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)collection->ifindex,
		.tcm_parent = parent,
	};
	char buffer[256] = { 0 };
	int r = tc_talk(tc, tc_begin(buffer, type, NLM_F_DUMP, &payload), on_message, collection);

	return r < 0 ? r : collection->error;
}

/* --- Order ------------------------------------------------------------------------------------ */

static bool is_of(const struct item *item, uint16_t type)
{
	return item->request->nlmsg_type == type;
}

/* Its parent, a class or a queue, is made before it; or it is the root. */
static bool has_parent(const struct collection *collection, const struct item *item)
{
	if (item->at.tcm_parent == TC_H_ROOT)
		return true;
	for (size_t i = 0; i < collection->count; i++) {
		const struct item *other = &collection->items[i];

		if (!other->taken || is_of(other, RTM_NEWTFILTER))
			continue;
		if (other->at.tcm_handle == item->at.tcm_parent)
			return true;
		/* Classes that come by themselves are not in the collection. */
		if (is_of(other, RTM_NEWQDISC) && treatment_of(other->kind) == PLAIN &&
		    other->at.tcm_handle == TC_H_MAJ(item->at.tcm_parent))
			return true;
	}
	return false;
}

static void append(struct foreign_tree *tree, struct item *item)
{
	memcpy(tree->requests + tree->len, item->request, item->request->nlmsg_len);
	tree->len += NLMSG_ALIGN(item->request->nlmsg_len);
	item->taken = true;
}

static void append_queues(struct foreign_tree *tree, struct collection *collection)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = collection->count; i > 0; i--) {
			struct item *item = &collection->items[i - 1];

			if (item->taken || is_of(item, RTM_NEWTFILTER) ||
			    !has_parent(collection, item))
				continue;
			append(tree, item);
			more = true;
		}
	}
}

/* The kernel's own table of the priority to which a filter of u32 belongs. */
static uint32_t group_of(const struct collection *collection, const struct item *item)
{
	for (size_t i = 0; i < collection->count; i++) {
		const struct item *other = &collection->items[i];

		if (other->filter.root && other->at.tcm_parent == item->at.tcm_parent &&
		    other->at.tcm_info == item->at.tcm_info)
			return other->at.tcm_handle;
	}
	return 0;
}

static int compare_filters(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	uint32_t x_queue = TC_H_MAJ(x->at.tcm_parent), y_queue = TC_H_MAJ(y->at.tcm_parent);

	if (x_queue != y_queue)
		return x_queue < y_queue ? -1 : 1;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	/* Tables first, for others refer to them; they are told newest first too. */
	if (x->filter.table != y->filter.table)
		return x->filter.table ? -1 : 1;
	return (x->sequence > y->sequence) == !x->filter.table ? 1 : -1;
}

/* The kernel will number its tables as they are made, for a queue and all its classes together. */
static int check_tables(struct collection *collection)
{
	uint32_t queue = 0, next = U32_FIRST_TABLE;

	for (size_t i = 0; i < collection->count; i++) {
		const struct item *item = &collection->items[i];

		if (!item->filter.root)
			continue;
		if (TC_H_MAJ(item->at.tcm_parent) != queue)
			next = U32_FIRST_TABLE;
		queue = TC_H_MAJ(item->at.tcm_parent);
		if (item->at.tcm_handle != next)
			return refuse(collection, "filter u32 below", queue,
				      "with numbers that the kernel has given");
		next += U32_TABLE_STEP;
	}
	return 0;
}

static int append_filters(struct foreign_tree *tree, struct collection *collection)
{
	int r;

	for (size_t i = 0; i < collection->count; i++)
		if (strcmp(collection->items[i].kind, "u32") == 0)
			collection->items[i].group = group_of(collection, &collection->items[i]);
	qsort(collection->items, collection->count, sizeof(struct item), compare_filters);
	r = check_tables(collection);
	for (size_t i = 0; r == 0 && i < collection->count; i++) {
		struct item *item = &collection->items[i];

		if (is_of(item, RTM_NEWTFILTER) && !item->filter.root)
			append(tree, item);
	}
	return r;
}

/* --- The whole -------------------------------------------------------------------------------- */

static int collect(struct tc *tc, struct collection *collection)
{
	int r = dump(tc, collection, RTM_GETQDISC, 0);
	size_t parents;

	if (r == 0)
		r = dump(tc, collection, RTM_GETTCLASS, 0);
	parents = collection->count;
	for (size_t i = 0; r == 0 && i < parents; i++)
		r = dump(tc, collection, RTM_GETTFILTER, collection->items[i].at.tcm_handle);
	return r;
}

int foreign_tree_read(struct tc *tc, uint32_t ifindex, struct foreign_tree **ret_tree,
		      struct foreign_words *ret_words)
{
	_cleanup_(free_collection) struct collection collection = { .ifindex = ifindex,
								    .words = ret_words };
	_cleanup_(freep) struct foreign_tree *tree = NULL;
	struct foreign root;
	int r = foreign_read(tc, ifindex, &root);

	ret_words->text[0] = 0;
	if (r == 0)
		r = collect(tc, &collection);
	if (r == -E2BIG)
		snprintf(ret_words->text, sizeof(ret_words->text),
			 "more than %u KiB of classes and filters", FOREIGN_TREE_MAX >> 10);
	if (r < 0)
		return r;
	tree = calloc(1, sizeof(*tree) + collection.bytes);
	if (!tree)
		return -ENOMEM;
	tree->root = root;
	append_queues(tree, &collection);
	for (size_t i = 0; i < collection.count; i++)
		if (!collection.items[i].taken && !is_of(&collection.items[i], RTM_NEWTFILTER))
			return refuse(&collection, collection.items[i].kind,
				      collection.items[i].at.tcm_handle, "without a parent");
	r = append_filters(tree, &collection);
	if (r < 0)
		return r;
	*ret_tree = steal_ptr(&tree);
	return 0;
}

size_t foreign_tree_size(const struct foreign_tree *tree)
{
	return sizeof(*tree) + tree->len;
}

static bool is_request(const struct nlmsghdr *request, size_t left)
{
	return left >= sizeof(*request) && request->nlmsg_len <= left &&
	       request->nlmsg_len >= NLMSG_HDRLEN + sizeof(struct tcmsg) &&
	       request->nlmsg_len <= REQUEST_LEN &&
	       (request->nlmsg_type == RTM_NEWQDISC || request->nlmsg_type == RTM_NEWTCLASS ||
		request->nlmsg_type == RTM_NEWTFILTER);
}

int foreign_tree_from_bytes(const void *bytes, size_t len, struct foreign_tree **ret_tree)
{
	_cleanup_(freep) struct foreign_tree *tree = NULL;
	struct nlmsghdr request;
	size_t at = 0;

	if (len < sizeof(*tree) || len > sizeof(*tree) + FOREIGN_TREE_MAX)
		return -EINVAL;
	tree = malloc(len);
	if (!tree)
		return -ENOMEM;
	memcpy(tree, bytes, len);
	if (len != foreign_tree_size(tree) || tree->len == 0 || !foreign_is_sound(&tree->root))
		return -EINVAL;
	while (at < tree->len) {
		if (tree->len - at < sizeof(request))
			return -EINVAL;
		memcpy(&request, tree->requests + at, sizeof(request));
		if (!is_request(&request, tree->len - at))
			return -EINVAL;
		at += NLMSG_ALIGN(request.nlmsg_len);
	}
	if (at != tree->len)
		return -EINVAL;
	*ret_tree = steal_ptr(&tree);
	return 0;
}

static int replay(struct tc *tc, uint32_t ifindex, const struct foreign_tree *tree)
{
	_Alignas(8) char buffer[REQUEST_LEN];
	struct nlmsghdr *request = (struct nlmsghdr *)buffer;
	struct tcmsg *at;
	int r = 0;

	for (size_t i = 0; r == 0 && i < tree->len; i += NLMSG_ALIGN(request->nlmsg_len)) {
		memcpy(buffer, tree->requests + i, sizeof(*request));
		memcpy(buffer, tree->requests + i, request->nlmsg_len);
		at = mnl_nlmsg_get_payload(request);
		at->tcm_ifindex = (int)ifindex;
		r = tc_change(tc, request);
	}
	return r;
}

static uint32_t length_at(const struct foreign_tree *tree, size_t at)
{
	struct nlmsghdr request;

	memcpy(&request, tree->requests + at, sizeof(request));
	return request.nlmsg_len;
}

/* In whichever order: how classes are told depends on how many there once were. */
static bool contains(const struct foreign_tree *tree, const struct foreign_tree *part)
{
	for (size_t i = 0; i < part->len; i += NLMSG_ALIGN(length_at(part, i))) {
		size_t k = 0, len = length_at(part, i);

		while (k < tree->len && (length_at(tree, k) != len ||
					 memcmp(tree->requests + k, part->requests + i, len) != 0))
			k += NLMSG_ALIGN(length_at(tree, k));
		if (k >= tree->len)
			return false;
	}
	return true;
}

int foreign_tree_restore(struct tc *tc, uint32_t ifindex, const struct foreign_tree *tree)
{
	_cleanup_(freep) struct foreign_tree *now = NULL;
	struct foreign_words words;
	int r = replay(tc, ifindex, tree);

	if (r < 0)
		return r;
	r = foreign_tree_read(tc, ifindex, &now, &words);
	if (r < 0)
		return r == -EOPNOTSUPP || r == -E2BIG ? -EBADMSG : r;
	return now->len == tree->len && contains(now, tree) ? 0 : -EBADMSG;
}
