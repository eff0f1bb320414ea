/* SPDX-License-Identifier: MIT */
/* upstream.c: the Resv to a previous hop, and the SCOPE in it (spec/rsvp.md §8.8; RFC 2205 §3.4). */
#include "rsvp/internal.h"

#include <stdlib.h>

/* ---- SCOPE ---- */

static int compare_addresses(const void *a, const void *b)
{
	return memcmp(((const struct address *)a)->addr, ((const struct address *)b)->addr, 16);
}

unsigned rsvp_sort_addresses(struct address *addresses, unsigned n)
{
	unsigned kept = 0;

	qsort(addresses, n, sizeof(*addresses), compare_addresses);
	for (unsigned i = 0; i < n; i++) {
		if (kept == 0 || compare_addresses(&addresses[kept - 1], &addresses[i]) != 0)
			addresses[kept++] = addresses[i];
	}
	return kept;
}

static bool scope_lists(const uint8_t *scope, const struct address *sender)
{
	struct rsvp_object object;
	struct address listed;
	size_t position = 0;
	unsigned n;

	if (rsvp_object_next(scope, get16(scope), &position, &object) != 1)
		return false;
	n = rsvp_scope_count(&object);
	for (unsigned i = 0; i < n; i++) {
		rsvp_scope_get(&object, i, &listed);
		if (memcmp(listed.addr, sender->addr, sizeof(listed.addr)) == 0)
			return true;
	}
	return false;
}

/* Whether somebody downstream asks for this sender, and not only for what comes back to it. */
static bool in_scope(const struct path *path, const struct address *sender)
{
	const struct install *install;
	const struct resv *resv;

	DL_FOREACH(path->sender->key.session->installs, install) {
		if (!rsvp_install_goes_via(install, path))
			continue;
		DL_FOREACH(install->resvs, resv) {
			if (!resv->scope || scope_lists(resv->scope, sender))
				return true;
		}
	}
	return false;
}

/* More than one previous hop, or somebody downstream has more than one. */
static bool needs_scope(const struct up *up)
{
	const struct install *install;
	const struct up *other;
	const struct resv *resv;

	DL_FOREACH(up->session->ups, other) {
		if (other != up && !other->app)
			return true;
	}
	DL_FOREACH(up->session->installs, install) {
		DL_FOREACH(install->resvs, resv) {
			if (resv->scope)
				return true;
		}
	}
	return false;
}

bool rsvp_scope_make(const struct up *up, struct merged *merged)
{
	struct address sender;
	struct path *path;

	merged->n_scope = 0;
	merged->scoped = !up->app && needs_scope(up);
	if (!merged->scoped)
		return true;
	DL_FOREACH2(up->paths, path, up_next) {
		sender = rsvp_sender_host(&path->sender->key.sender);
		if (path->wanted && merged->n_scope < SCOPE_MAX && in_scope(path, &sender))
			merged->scope[merged->n_scope++] = sender;
	}
	merged->n_scope = rsvp_sort_addresses(merged->scope, merged->n_scope);
	return merged->n_scope > 0;
}

/* ---- what the reservations bring along ---- */

/* Within what receivers take of one message (spec §16.3). */
struct gathered {
	size_t policy_bytes;
	unsigned n_kept;
	size_t kept_at, kept_bytes;
};

static void put_policy(struct rsvp *rsvp, struct rsvp_writer *writer, const struct resv *resv,
		       struct gathered *gathered)
{
	size_t len;
	const uint8_t *policy = rsvp_carried_policy(resv->carried, &len);

	if (len == 0 || gathered->policy_bytes + len > rsvp->limits.policy_bytes)
		return;
	rsvp_put_raw(writer, policy, len);
	gathered->policy_bytes += len;
}

static bool is_gathered(const struct rsvp_writer *writer, const struct gathered *gathered,
			const struct rsvp_object *object)
{
	struct rsvp_object other;
	size_t position = 0;

	while (rsvp_object_next(writer->buf + gathered->kept_at, gathered->kept_bytes, &position,
				&other) == 1) {
		if (other.len == object->len && memcmp(other.data, object->data, other.len) == 0)
			return true;
	}
	return false;
}

/* Each that is different, once. */
static void put_kept(struct rsvp *rsvp, struct rsvp_writer *writer, const struct resv *resv,
		     struct gathered *gathered)
{
	struct rsvp_object object;
	size_t position = 0, len;
	const uint8_t *kept = rsvp_carried_kept(resv->carried, &len);

	while (len > 0 && rsvp_object_next(kept, len, &position, &object) == 1) {
		if (gathered->n_kept >= rsvp->limits.kept ||
		    gathered->kept_bytes + object.len > rsvp->limits.kept_bytes ||
		    writer->overflow || is_gathered(writer, gathered, &object))
			continue;
		rsvp_put_object(writer, &object);
		gathered->n_kept++;
		gathered->kept_bytes += object.len;
	}
}

typedef void put_fn(struct rsvp *rsvp, struct rsvp_writer *writer, const struct resv *resv,
		    struct gathered *gathered);

static void put_of(struct rsvp *rsvp, struct rsvp_writer *writer, struct install *installs,
		   struct gathered *gathered, put_fn *put)
{
	struct install *install;
	struct resv *resv;

	DL_FOREACH(installs, install) {
		if (!install->merged)
			continue;
		DL_FOREACH(install->resvs, resv)
			put(rsvp, writer, resv, gathered);
	}
}

static void put_from_all(struct rsvp *rsvp, struct rsvp_writer *writer, const struct up *up,
			 struct gathered *gathered, put_fn *put)
{
	struct path *path;

	if (up->session->style != RSVP_STYLE_FF) {
		put_of(rsvp, writer, up->session->installs, gathered, put);
		return;
	}
	DL_FOREACH2(up->paths, path, up_next) {
		if (path->chosen)
			put_of(rsvp, writer, path->sender->installs, gathered, put);
	}
}

/* ---- the message ---- */

static void put_flows(struct rsvp_writer *writer, const struct up *up, const struct merged *merged)
{
	enum rsvp_style style = up->session->style;
	struct merged of_path;
	struct path *path;

	if (style != RSVP_STYLE_FF)
		rsvp_put_flowspec(writer, &merged->flowspec);
	if (style == RSVP_STYLE_WF)
		return;
	DL_FOREACH2(up->paths, path, up_next) {
		if (!path->chosen)
			continue;
		if (style == RSVP_STYLE_FF) {
			rsvp_merge_path(path, &of_path);
			rsvp_put_flowspec(writer, &of_path.flowspec);
		}
		rsvp_put_filter(writer, &path->sender->key.sender);
	}
}

uint64_t rsvp_resv_make(struct rsvp *rsvp, struct up *up, const struct merged *merged,
			const struct address *confirm, struct rsvp_writer *writer)
{
	const struct interface *interface = rsvp_interface_find(rsvp, up->ifindex);
	struct gathered gathered = { 0 };
	struct rsvp_hop own = { 0 };
	size_t content_at;

	rsvp_begin(rsvp, writer, RSVP_RESV, rsvp->config.hop_ttl);
	rsvp_put_session(writer, &up->session->key, 0);
	if (!up->app) {
		if (!interface || !rsvp_own_hop(rsvp, up->ifindex, up->session->key.family, &own))
			return 0;
		own.lih = up->hop.lih;
		rsvp_put_hop(writer, &own);
		rsvp_put_time_values(writer, interface->refresh_ms);
	}
	if (confirm)
		rsvp_put_confirm(writer, confirm);
	content_at = writer->len;
	if (merged->scoped && up->session->style == RSVP_STYLE_WF)
		rsvp_put_scope(writer, merged->scope, merged->n_scope);
	put_from_all(rsvp, writer, up, &gathered, put_policy);
	gathered.kept_at = writer->len;
	put_from_all(rsvp, writer, up, &gathered, put_kept);
	rsvp_put_style(writer, up->session->style);
	put_flows(writer, up, merged);
	if (writer->overflow)
		return 0;
	return rsvp_digest64(rsvp->seed, writer->buf + content_at, writer->len - content_at) | 1;
}
