/* SPDX-License-Identifier: MIT */
/* interface.c: what the node knows of its interfaces, and what follows when that changes (spec/rsvp.md §7, §8.12). */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

void rsvp_interface_default(struct rsvp_interface *ret_interface)
{
	*ret_interface = (struct rsvp_interface){
		.up = true,
		.enabled = true,
		.mtu = 1500,
		.latency_us = UINT32_MAX,
		.refresh_ms = 30000,
		.settle_ms = 2000,
		.lifetime_factor = 3,
		.blockade_factor = 3,
		.slew_percent = 30,
		.reduce_refreshes = true,
	};
}

struct interface *rsvp_interface_find(const struct rsvp *rsvp, uint32_t ifindex)
{
	struct interface *interface;

	HASH_FIND_BYHASHVALUE(hh, rsvp->interfaces, &ifindex, sizeof(ifindex), ifindex, interface);
	return interface;
}

struct interface *rsvp_interface_usable(const struct rsvp *rsvp, uint32_t ifindex)
{
	struct interface *interface = rsvp_interface_find(rsvp, ifindex);

	return interface && interface->info.up && interface->info.enabled ? interface : NULL;
}

const struct address *rsvp_interface_address(const struct interface *interface, uint16_t family)
{
	return family == AF_INET ? &interface->info.address4 : &interface->info.address6;
}

bool rsvp_address_is_local(const struct rsvp *rsvp, const struct address *address)
{
	struct interface *interface, *next;

	if (address->family == AF_UNSPEC)
		return false;
	HASH_ITER(hh, rsvp->interfaces, interface, next) {
		if (rsvp_same_host(address, rsvp_interface_address(interface, address->family)))
			return true;
	}
	for (size_t i = 0; i < rsvp->n_addresses; i++) {
		if (rsvp_same_host(address, &rsvp->addresses[i]))
			return true;
	}
	return false;
}

/* Grows by no more than Slew.Max in one R, so that nobody downstream thinks that state was lost. */
static void set_refresh(struct rsvp *rsvp, struct interface *interface)
{
	uint64_t most =
		(uint64_t)interface->refresh_ms * (100 + interface->info.slew_percent) / 100;

	if (interface->refresh_ms == 0 || interface->info.refresh_ms <= most) {
		interface->refresh_ms = interface->info.refresh_ms;
		rsvp_stop_timer(rsvp, &interface->slew);
		return;
	}
	interface->refresh_ms =
		(uint32_t)(most > interface->refresh_ms ? most : interface->refresh_ms + 1);
	rsvp_set_timer(rsvp, &interface->slew, TIMER_SLEW,
		       interface->refresh_ms * US_PER_MS * 3 / 2);
}

void rsvp_slew(struct rsvp *rsvp, struct interface *interface)
{
	set_refresh(rsvp, interface);
}

static int check(const struct rsvp_interface *interface)
{
	if (interface->ifindex == 0 || interface->refresh_ms == 0 ||
	    interface->lifetime_factor == 0)
		return -EINVAL;
	return 0;
}

static struct interface *add(struct rsvp *rsvp, uint32_t ifindex)
{
	struct interface *interface = calloc(1, sizeof(*interface));

	if (!interface)
		return NULL;
	interface->info.ifindex = ifindex;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, rsvp->interfaces, &interface->info.ifindex,
				    sizeof(interface->info.ifindex), ifindex, interface);
	if (!interface->hh.tbl) {
		free(interface);
		return NULL;
	}
	return interface;
}

/* Local senders whose address has gone with the change are torn down (spec §8.12). */
static void end_homeless(struct rsvp *rsvp, const struct address *gone)
{
	struct sender *sender, *next;
	struct address address;

	if (gone->family == AF_UNSPEC || rsvp_address_is_local(rsvp, gone))
		return;
	HASH_ITER(hh, rsvp->senders, sender, next) {
		address = rsvp_sender_host(&sender->key.sender);
		if (rsvp_same_host(&address, gone) && sender->path && sender->path->up->app)
			rsvp_app_sender_end(rsvp, sender->path->up->app);
	}
}

/* Whether Paths that leave there say something else now. */
static bool advertises_anew(const struct rsvp_interface *a, const struct rsvp_interface *b)
{
	return a->mtu != b->mtu || a->enforced != b->enforced ||
	       a->bandwidth_bps != b->bandwidth_bps || a->latency_us != b->latency_us ||
	       a->error_c_bytes != b->error_c_bytes || a->error_d_us != b->error_d_us ||
	       !rsvp_same_host(&a->address4, &b->address4) ||
	       !rsvp_same_host(&a->address6, &b->address6);
}

static void announce_all(struct rsvp *rsvp, uint32_t ifindex)
{
	struct sender *sender, *next;
	struct out *out;

	HASH_ITER(hh, rsvp->senders, sender, next) {
		out = rsvp_sender_out(sender, ifindex);
		if (out)
			rsvp_path_announce_out(rsvp, out);
	}
}

static bool is_usable(const struct rsvp_interface *interface)
{
	return interface->up && interface->enabled;
}

int rsvp_interface_set(struct rsvp *rsvp, const struct rsvp_interface *info, uint64_t now_us)
{
	struct interface *interface = rsvp_interface_find(rsvp, info->ifindex);
	struct rsvp_interface old = { 0 };

	if (check(info) < 0)
		return -EINVAL;
	rsvp->now_us = now_us;
	if (interface)
		old = interface->info;
	else
		interface = add(rsvp, info->ifindex);
	if (!interface)
		return -ENOMEM;
	interface->info = *info;
	set_refresh(rsvp, interface);
	if (is_usable(&old) && !is_usable(info))
		rsvp_interface_end(rsvp, info->ifindex, false);
	else if (is_usable(info) && advertises_anew(&old, info))
		announce_all(rsvp, info->ifindex);
	end_homeless(rsvp, &old.address4);
	end_homeless(rsvp, &old.address6);
	if (is_usable(&old) != is_usable(info))
		rsvp_routes_changed(rsvp, &(struct address){ 0 }, 0, now_us);
	rsvp_flush(rsvp);
	return 0;
}

void rsvp_interface_remove(struct rsvp *rsvp, uint32_t ifindex, uint64_t now_us)
{
	struct interface *interface = rsvp_interface_find(rsvp, ifindex);
	struct rsvp_interface old;

	if (!interface)
		return;
	rsvp->now_us = now_us;
	rsvp_interface_end(rsvp, ifindex, true);
	rsvp_flush(rsvp);
	old = interface->info;
	rsvp_stop_timer(rsvp, &interface->slew);
	HASH_DEL(rsvp->interfaces, interface);
	free(interface);
	end_homeless(rsvp, &old.address4);
	end_homeless(rsvp, &old.address6);
	rsvp_routes_changed(rsvp, &(struct address){ 0 }, 0, now_us);
	rsvp_flush(rsvp);
}

int rsvp_addresses_set(struct rsvp *rsvp, const struct address *addresses, size_t n,
		       uint64_t now_us)
{
	struct address *before = rsvp->addresses, *now = calloc(n > 0 ? n : 1, sizeof(*now));
	size_t n_before = rsvp->n_addresses;

	if (!now)
		return -ENOMEM;
	rsvp->now_us = now_us;
	for (size_t i = 0; i < n; i++)
		now[i] = addresses[i];
	rsvp->addresses = now;
	rsvp->n_addresses = n;
	for (size_t i = 0; i < n_before; i++)
		end_homeless(rsvp, &before[i]);
	free(before);
	rsvp_flush(rsvp);
	return 0;
}
