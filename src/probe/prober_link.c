/* SPDX-License-Identifier: MIT */
/*
 * prober_link.c: the interfaces of a prober: each that has stations has an LLTD node, and when one changes, nothing
 * that was measured through it counts any more.
 */
#include "probe/prober_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Beyond that, paths are measured without what is known of their interface. */
#define INTERFACES_MAX 64

struct interface *prober_interface(const struct prober *prober, uint32_t ifindex)
{
	struct interface *interface;

	HASH_FIND(hh, prober->interfaces, &ifindex, sizeof(ifindex), interface);
	return interface;
}

static bool is_same(const struct prober_link *a, const struct prober_link *b)
{
	return a->running == b->running && a->rate_bps == b->rate_bps &&
	       a->has_stations == b->has_stations && a->tags == b->tags &&
	       lltd_mac_equal(&a->mac, &b->mac);
}

static struct interface *new_interface(struct prober *prober, uint32_t ifindex)
{
	struct interface *interface = calloc(1, sizeof(*interface));
	struct prober_path *path, *next;

	if (!interface)
		return NULL;
	interface->prober = prober;
	interface->link.ifindex = ifindex;
	HASH_ADD(hh, prober->interfaces, link.ifindex, sizeof(ifindex), interface);
	HASH_ITER(hh, prober->paths, path, next) {
		if (path->key.ifindex == ifindex)
			path->interface = interface;
	}
	return interface;
}

static void reset_paths(struct interface *interface, uint64_t now_us)
{
	struct prober *prober = interface->prober;
	struct prober_path *path, *next;

	HASH_ITER(hh, prober->paths, path, next) {
		if (path->interface != interface)
			continue;
		path_reset(path->path, interface->link.rate_bps, now_us);
		prober_settle(path);
	}
}

/* What it has counted stays. */
static void end_node(struct interface *interface)
{
	if (!interface->lltd)
		return;
	for (int i = 0; i < LLTD_COUNT_COUNT; i++)
		interface->prober->lltd_gone[i] +=
			lltd_counter(interface->lltd, (enum lltd_counter)i);
	interface->lltd = lltd_free(interface->lltd);
}

uint64_t prober_lltd_counter(const struct prober *prober, enum lltd_counter counter)
{
	uint64_t sum = prober->lltd_gone[counter];
	const struct interface *interface;

	for (interface = prober->interfaces; interface; interface = interface->hh.next)
		if (interface->lltd)
			sum += lltd_counter(interface->lltd, counter);
	return sum;
}

/* What it was is forgotten; it speaks LLTD if it can. 0, or -ENOMEM: it does not. */
static int renew_node(struct interface *interface)
{
	const struct prober *prober = interface->prober;

	end_node(interface);
	if (!interface->link.has_stations || !prober->ports.send_frames)
		return 0;
	interface->lltd = prober_lltd_new(interface);
	return interface->lltd ? 0 : -ENOMEM;
}

int prober_set_link(struct prober *prober, const struct prober_link *link, uint64_t now_us)
{
	struct interface *interface = prober_interface(prober, link->ifindex);
	struct prober_link before;
	int r = 0;

	if (interface && is_same(&interface->link, link))
		return 0;
	now_us = prober_at(prober, now_us);
	if (!interface && HASH_COUNT(prober->interfaces) >= INTERFACES_MAX)
		return -ENOBUFS;
	if (!interface)
		interface = new_interface(prober, link->ifindex);
	if (!interface)
		return -ENOMEM;
	before = interface->link;
	interface->link = *link;
	if (interface->lltd && link->has_stations && lltd_mac_equal(&before.mac, &link->mac))
		lltd_link_changed(interface->lltd, link->rate_bps);
	else
		r = renew_node(interface);
	reset_paths(interface, now_us);
	return r;
}

static void free_interface(struct interface *interface)
{
	struct prober *prober = interface->prober;
	struct prober_path *path, *next;

	end_node(interface);
	HASH_ITER(hh, prober->paths, path, next) {
		if (path->interface == interface)
			path->interface = NULL;
	}
	HASH_DEL(prober->interfaces, interface);
	free(interface);
}

void prober_remove_link(struct prober *prober, uint32_t ifindex, uint64_t now_us)
{
	struct interface *interface = prober_interface(prober, ifindex);

	if (!interface)
		return;
	now_us = prober_at(prober, now_us);
	/* Who goes on asking for its paths hears that nobody answers. */
	interface->link.running = false;
	reset_paths(interface, now_us);
	free_interface(interface);
}

void prober_free_interfaces(struct prober *prober)
{
	struct interface *interface, *next;

	HASH_ITER(hh, prober->interfaces, interface, next)
		free_interface(interface);
}
