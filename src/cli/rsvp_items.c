/* SPDX-License-Identifier: MIT */
/* rsvp_items.c: copies of what gw_rsvp_list() shows, in an order in which each session's things stand together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/rsvp.h"

static void read_address(const struct sockaddr_storage *from, union rsvp_address *ret_address)
{
	memcpy(ret_address, from, sizeof(*ret_address));
}

int rsvp_item_read(const struct gw_rsvp_record *record, struct rsvp_item *ret_item)
{
	struct rsvp_item item = {
		.kind = record->kind,
		.flags = record->flags,
		.protocol = record->protocol,
		.form = record->form,
		.uid = record->uid,
		.pid = record->pid,
		.n_sources = record->n_senders,
		.style = record->style,
		.service = record->service,
		.tspec = record->tspec,
		.rate_bps = record->rate_bps,
		.slack_us = record->slack_us,
		.dscp = record->dscp,
		.expires_ms = record->expires_ms,
		.value = record->value,
		.received = record->received,
		.sent = record->sent,
		.dropped = record->dropped,
	};

	read_address(&record->destination, &item.destination);
	read_address(&record->hop, &item.hop);
	memcpy(item.interface, record->interface, sizeof(item.interface));
	memcpy(item.name, record->name, sizeof(item.name));
	if (item.n_sources > 0) {
		item.sources = calloc(item.n_sources, sizeof(item.sources[0]));
		if (!item.sources)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < item.n_sources; i++) {
		read_address(&record->senders[i].address, &item.sources[i].address);
		item.sources[i].form = record->senders[i].form;
		item.sources[i].id = record->senders[i].id;
	}
	*ret_item = item;
	return 0;
}

void rsvp_item_free(struct rsvp_item *item)
{
	free(item->sources);
	item->sources = NULL;
}

static int take(const struct gw_rsvp_record *record, void *user_data)
{
	struct rsvp_items *items = user_data;

	if (items->count == items->room) {
		size_t room = items->room ? items->room * 2 : 16;
		struct rsvp_item *more = reallocarray(items->items, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		items->items = more;
		items->room = room;
	}
	if (rsvp_item_read(record, &items->items[items->count]) < 0)
		return -ENOMEM;
	items->count++;
	return 0;
}

int rsvp_items_fetch(struct gw *gw, uint32_t kinds, struct rsvp_items *ret_items)
{
	int r;

	*ret_items = (struct rsvp_items){ 0 };
	r = gw_rsvp_list(gw, kinds, take, ret_items);
	if (r == 0 && ret_items->count > 0)
		qsort(ret_items->items, ret_items->count, sizeof(ret_items->items[0]),
		      rsvp_item_compare);
	return r;
}

void rsvp_items_free(struct rsvp_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		rsvp_item_free(&items->items[i]);
	free(items->items);
	*items = (struct rsvp_items){ 0 };
}

/* ---- order ---- */

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* By family, then the address as people read it, then the port. */
static int compare_addresses(const union rsvp_address *a, const union rsvp_address *b)
{
	int order = compare_numbers(a->any.sa_family, b->any.sa_family);

	if (order != 0 || a->any.sa_family == AF_UNSPEC)
		return order;
	if (a->any.sa_family == AF_INET) {
		order = memcmp(&a->in.sin_addr, &b->in.sin_addr, sizeof(a->in.sin_addr));
		return order ? order
			     : compare_numbers(ntohs(a->in.sin_port), ntohs(b->in.sin_port));
	}
	order = memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr));
	if (order == 0)
		order = compare_numbers(ntohs(a->in6.sin6_port), ntohs(b->in6.sin6_port));
	return order ? order : compare_numbers(a->in6.sin6_scope_id, b->in6.sin6_scope_id);
}

static int compare_sources(const struct rsvp_item *a, const struct rsvp_item *b)
{
	uint32_t n = a->n_sources < b->n_sources ? a->n_sources : b->n_sources;
	int order = 0;

	for (uint32_t i = 0; i < n && order == 0; i++) {
		order = compare_addresses(&a->sources[i].address, &b->sources[i].address);
		if (order == 0)
			order = compare_numbers(a->sources[i].id, b->sources[i].id);
	}
	return order;
}

static int compare_sessions(const struct rsvp_item *a, const struct rsvp_item *b)
{
	int order = compare_addresses(&a->destination, &b->destination);

	if (order == 0)
		order = compare_numbers((uint64_t)a->protocol, (uint64_t)b->protocol);
	return order ? order : compare_numbers(a->form, b->form);
}

int rsvp_item_compare(const void *a, const void *b)
{
	const struct rsvp_item *one = a, *two = b;
	int order = compare_sessions(one, two);

	if (order == 0)
		order = compare_numbers(one->kind, two->kind);
	if (order == 0)
		order = strncmp(one->interface, two->interface, sizeof(one->interface));
	if (order == 0)
		order = compare_addresses(&one->hop, &two->hop);
	if (order == 0)
		order = compare_numbers((uint64_t)one->pid, (uint64_t)two->pid);
	if (order == 0)
		order = strncmp(one->name, two->name, sizeof(one->name));
	/* Of one hop a session has several only with fixed filters: then the sender tells them apart. */
	if (order == 0 && (one->kind == GW_RSVP_SENDER || one->style == GW_RSVP_FF))
		order = compare_sources(one, two);
	return order;
}

bool rsvp_item_same_session(const struct rsvp_item *a, const struct rsvp_item *b)
{
	return compare_sessions(a, b) == 0;
}

bool rsvp_item_same(const struct rsvp_item *a, const struct rsvp_item *b)
{
	return rsvp_item_compare(a, b) == 0 && a->flags == b->flags && a->style == b->style &&
	       a->service == b->service && a->rate_bps == b->rate_bps &&
	       a->slack_us == b->slack_us && a->dscp == b->dscp && a->n_sources == b->n_sources &&
	       compare_sources(a, b) == 0 && a->tspec.rate_bps == b->tspec.rate_bps &&
	       a->tspec.depth_bytes == b->tspec.depth_bytes &&
	       a->tspec.peak_bps == b->tspec.peak_bps && a->tspec.min_bytes == b->tspec.min_bytes &&
	       a->tspec.max_bytes == b->tspec.max_bytes;
}
