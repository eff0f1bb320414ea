/* SPDX-License-Identifier: MIT */
/*
 * socket.c: managed sockets, their destinations, and which flow's treatment stands in the datapath for each.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"

struct sock *sock_find(struct engine *engine, uint64_t cookie)
{
	struct sock *sock;

	HASH_FIND(hh, engine->socks, &cookie, sizeof(cookie), sock);
	return sock;
}

static struct sock *sock_obtain(struct engine *engine, const struct engine_socket *socket)
{
	struct sock *sock = sock_find(engine, socket->cookie);

	if (sock)
		return sock;
	sock = calloc(1, sizeof(*sock));
	if (!sock)
		return NULL;
	sock->cookie = socket->cookie;
	sock->family = socket->family;
	sock->protocol = socket->protocol;
	sock->local = socket->local;
	sock->peer = socket->peer;
	sock->bound_ifindex = (uint32_t)socket->bound_ifindex;
	HASH_ADD(hh, engine->socks, cookie, sizeof(sock->cookie), sock);
	if (!sock->hh.tbl) {
		free(sock);
		return NULL;
	}
	sock->added = engine->counters.entries_added;
	engine->n_socks[socket->family == AF_INET6][socket->protocol == IPPROTO_TCP]++;
	return sock;
}

/* Its addresses have changed, or become known. */
void sock_renew(struct engine *engine, const struct engine_socket *socket)
{
	struct sock *sock = sock_find(engine, socket->cookie);

	if (!sock)
		return;
	sock->local = socket->local;
	sock->peer = socket->peer;
	sock->bound_ifindex = (uint32_t)socket->bound_ifindex;
}

static void sock_release(struct engine *engine, struct sock *sock)
{
	if (sock->slots)
		return;
	if (sock->closing)
		DL_DELETE2(engine->closing, sock, close_prev, close_next);
	if (engine->next_sock == sock)
		engine->next_sock = sock->hh.next;
	engine->n_socks[sock->family == AF_INET6][sock->protocol == IPPROTO_TCP]--;
	HASH_DEL(engine->socks, sock);
	free(sock);
}

static struct slot *slot_new(struct engine *engine, struct sock *sock, const struct slot_key *key)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	if (!slot)
		return NULL;
	slot->key = *key;
	slot->sock = sock;
	HASH_ADD(hh, engine->slots, key, sizeof(slot->key), slot);
	if (!slot->hh.tbl) {
		free(slot);
		return NULL;
	}
	DL_APPEND(sock->slots, slot);
	return slot;
}

static struct slot_key slot_key(uint64_t cookie, const struct address *destination)
{
	struct slot_key key = { .cookie = cookie };

	if (destination)
		key.destination = *destination;
	return key;
}

struct slot *slot_find(struct engine *engine, uint64_t cookie, const struct address *destination)
{
	struct slot_key key = slot_key(cookie, destination);
	struct slot *slot;

	HASH_FIND(hh, engine->slots, &key, sizeof(key), slot);
	return slot;
}

int slot_obtain(struct engine *engine, const struct engine_socket *socket,
		const struct address *destination, struct slot **ret_slot)
{
	struct slot_key key = slot_key(socket->cookie, destination);
	struct slot *slot = slot_find(engine, socket->cookie, destination);
	struct sock *sock;

	if (!slot) {
		sock = sock_obtain(engine, socket);
		if (!sock)
			return -ENOMEM;
		slot = slot_new(engine, sock, &key);
		if (!slot) {
			sock_release(engine, sock);
			return -ENOMEM;
		}
	}
	*ret_slot = slot;
	return 0;
}

void slot_release(struct engine *engine, struct slot *slot)
{
	struct sock *sock = slot->sock;

	if (slot->entries)
		return;
	HASH_DEL(engine->slots, slot);
	DL_DELETE(sock->slots, slot);
	free(slot);
	sock_release(engine, sock);
}

void slot_target(const struct engine *engine, const struct slot *slot,
		 struct datapath_target *ret_target)
{
	const struct sock *sock = slot->sock;

	*ret_target = (struct datapath_target){
		.cookie = sock->cookie,
		.fd = engine->ports.descriptor(engine->ports.user_data, sock->cookie),
		.family = sock->family,
		.protocol = sock->protocol,
		.any_destination = slot->key.destination.family == AF_UNSPEC,
		.end_on = (sock->n_watches == 0 ? TARGET_END_ON_SHUTDOWN : TARGET_WATCHED) |
			  (sock->n_keep == 0 ? TARGET_END_ON_DISCONNECT : 0),
		.destination = slot->key.destination,
	};
}

int slot_route(struct engine *engine, const struct slot *slot, struct engine_route *ret_route)
{
	const struct sock *sock = slot->sock;
	const struct engine_socket socket = {
		.fd = engine->ports.descriptor(engine->ports.user_data, sock->cookie),
		.cookie = sock->cookie,
		.family = sock->family,
		.protocol = sock->protocol,
		.local = sock->local,
		.peer = sock->peer,
		.bound_ifindex = (int)sock->bound_ifindex,
	};

	return engine->ports.route(engine->ports.user_data, &slot->key.destination, &socket,
				   ret_route);
}

void slot_clear(struct engine *engine, struct slot *slot)
{
	struct datapath_target target;

	if (!slot->in_force)
		return;
	slot_target(engine, slot, &target);
	engine->ports.datapath->clear(engine->ports.datapath_data, &target);
	slot->in_force = NULL;
}

/* One that only watches is as good as any other that does. */
static struct entry *slot_newest_claim(const struct slot *slot)
{
	struct entry *entry = slot->entries ? slot->entries->slot_prev : NULL; /* the last */
	struct entry *watches = NULL;

	while (entry && (!flow_claims(entry->flow) || entry->flow->watches)) {
		if (entry->flow->watches)
			watches = entry;
		entry = entry == slot->entries ? NULL : entry->slot_prev;
	}
	return entry ? entry : watches;
}

bool slot_is_full(const struct engine *engine, const struct slot *slot)
{
	return slot && slot->n_entries >= engine->config.max_flows_per_socket;
}

void slot_take_out(struct slot *slot, struct entry *entry)
{
	DL_DELETE2(slot->entries, entry, slot_prev, slot_next);
	slot->n_entries--;
	slot->sock->n_watches -= entry->flow->watches;
}

/*
 * Puts into the datapath what should stand there. `reapply`: also if it is the same flow as before, because
 * its settings have changed. On failure the datapath is as it was.
 */
int slot_refresh(struct engine *engine, struct slot *slot, bool reapply)
{
	struct entry *claim = slot_newest_claim(slot);
	struct datapath_treatment treatment;
	struct datapath_target target;
	int r;

	if (claim == slot->in_force && !(claim && reapply))
		return 0;
	if (!claim) {
		slot_clear(engine, slot);
		return 0;
	}
	slot_target(engine, slot, &target);
	flow_treatment(engine, claim->flow, &treatment);
	r = engine->ports.datapath->apply(engine->ports.datapath_data, &target, &treatment);
	if (r < 0)
		return r;
	slot->in_force = claim;
	return 0;
}

/*
 * Takes an entry out of its slot. An earlier flow of the same socket and destination comes back; if it cannot,
 * nothing stands there any more.
 */
void slot_drop(struct engine *engine, struct slot *slot, struct entry *entry)
{
	slot_take_out(slot, entry);
	if (slot_refresh(engine, slot, false) < 0)
		slot_clear(engine, slot);
}
