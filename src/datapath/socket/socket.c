/* SPDX-License-Identifier: MIT */
/*
 * socket.c: see socket.h. Two tables: the sockets that have a mark, each with its targets in a
 * list, and the targets by (socket, destination), so that a server with thousands of destinations
 * on one socket finds each at once.
 *
 * | event            | no other target       | others of the same flow | some of another flow |
 * |------------------|-----------------------|-------------------------|----------------------|
 * | apply, same mark | saved, written        | written                 | written              |
 * | apply, new mark  | saved, written        | written, holds for all  | -EOPNOTSUPP          |
 * | clear            | restored, record goes | mark stays              | mark stays           |
 */
#include "datapath/socket/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Short memory is an error of the call, not the end of the application. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "datapath/identity.h"
#include "datapath/socket/options.h"

#define PRIORITY_MAX_UNPRIVILEGED 6

/* No padding: hashed by bytes. */
struct target_key {
	uint64_t cookie;
	struct address destination;
	uint64_t any_destination;
};

struct target {
	struct target_key key;
	uint32_t flow_id;
	struct target *prev, *next; /* of the same socket */
	UT_hash_handle hh;
};

/* Owns its targets, and exists while it has some. */
struct marked_socket {
	uint64_t cookie;
	int family;
	struct mark mark;	     /* as asked for */
	struct written_mark written; /* as it was granted */
	struct socket_options saved; /* the application's own values */
	struct target *targets;
	UT_hash_handle hh;
};

struct socket_datapath {
	struct marked_socket *sockets;
	struct target *targets;
};

_Static_assert(sizeof(struct target_key) == 40, "padding would break hashing by bytes");

/* ---- tables ---- */

static struct marked_socket *find_socket(struct socket_datapath *datapath, uint64_t cookie)
{
	struct marked_socket *s;

	HASH_FIND(hh, datapath->sockets, &cookie, sizeof(cookie), s);
	return s;
}

static struct marked_socket *add_socket(struct socket_datapath *datapath, uint64_t cookie,
					int family)
{
	struct marked_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cookie = cookie;
	s->family = family;
	s->written = WRITTEN_NOTHING;
	HASH_ADD(hh, datapath->sockets, cookie, sizeof(s->cookie), s);
	if (!s->hh.tbl) {
		free(s);
		return NULL;
	}
	return s;
}

static struct target_key key_of(const struct datapath_target *target)
{
	struct target_key key = { .cookie = target->cookie,
				  .any_destination = target->any_destination };

	if (!target->any_destination)
		key.destination = target->destination;
	return key;
}

static struct target *find_target(struct socket_datapath *datapath, const struct target_key *key)
{
	struct target *t;

	HASH_FIND(hh, datapath->targets, key, sizeof(*key), t);
	return t;
}

static struct target *add_target(struct socket_datapath *datapath, struct marked_socket *s,
				 const struct target_key *key)
{
	struct target *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->key = *key;
	HASH_ADD(hh, datapath->targets, key, sizeof(t->key), t);
	if (!t->hh.tbl) {
		free(t);
		return NULL;
	}
	DL_APPEND(s->targets, t);
	return t;
}

static void remove_target(struct socket_datapath *datapath, struct marked_socket *s,
			  struct target *t)
{
	DL_DELETE(s->targets, t);
	HASH_DEL(datapath->targets, t);
	free(t);
}

static void remove_socket(struct socket_datapath *datapath, struct marked_socket *s)
{
	while (s->targets)
		remove_target(datapath, s, s->targets);
	HASH_DEL(datapath->sockets, s);
	free(s);
}

struct socket_datapath *socket_datapath_new(void)
{
	return calloc(1, sizeof(struct socket_datapath));
}

struct socket_datapath *socket_datapath_free(struct socket_datapath *datapath)
{
	if (datapath) {
		while (datapath->sockets)
			remove_socket(datapath, datapath->sockets);
		free(datapath);
	}
	return NULL;
}

/* ---- marks ---- */

static bool mark_equal(const struct mark *a, const struct mark *b)
{
	return a->set_dscp == b->set_dscp && a->set_priority == b->set_priority &&
	       (!a->set_dscp || a->dscp == b->dscp) &&
	       (!a->set_priority || a->priority == b->priority);
}

/*
 * Puts the mark on the socket, in place of the one before. An empty mark restores the application's
 * values. A priority above 6 that we may not give back to the application must not be lost: then
 * nothing is written.
 */
static int write_mark(int fd, struct marked_socket *s, const struct mark *mark)
{
	struct socket_options current, own, marked;
	int r;

	r = socket_options_read(fd, s->family, &current);
	if (r < 0)
		return r;
	own = socket_options_own(&current, &s->saved, &s->written);
	marked = socket_options_marked(&own, s->family, mark);

	if ((mark->set_dscp || mark->set_priority) && own.priority == current.priority &&
	    own.priority > PRIORITY_MAX_UNPRIVILEGED &&
	    !socket_priority_permitted(fd, own.priority))
		return -EOPNOTSUPP;
	if (mark->set_priority && marked.priority > PRIORITY_MAX_UNPRIVILEGED &&
	    marked.priority != current.priority && !socket_priority_permitted(fd, marked.priority))
		marked.priority = PRIORITY_MAX_UNPRIVILEGED;

	r = socket_options_write(fd, s->family, &current, &marked);
	if (r < 0)
		return r;

	s->mark = *mark;
	s->saved = own;
	s->written.dscp = mark->set_dscp ? mark->dscp : -1;
	s->written.priority = mark->set_priority ? marked.priority : -1;
	return 0;
}

/* A descriptor is a number that may mean another socket by now. */
static bool is_socket(int fd, uint64_t cookie)
{
	uint64_t found;

	return fd >= 0 && socket_cookie_read(fd, &found) == 0 && found == cookie;
}

static bool shared_with_other_flow(const struct marked_socket *s, const struct target *target,
				   uint32_t flow_id)
{
	const struct target *t;

	DL_FOREACH(s->targets, t) {
		if (t != target && t->flow_id != flow_id)
			return true;
	}
	return false;
}

/* Whether the socket can get the mark for this target. */
static int check_apply(const struct datapath_target *target,
		       const struct datapath_treatment *treatment, const struct marked_socket *s,
		       const struct target *t)
{
	bool changes = !s || !mark_equal(&s->mark, &treatment->mark);

	if (target->cookie == 0)
		return -EOPNOTSUPP;
	if (s && changes && shared_with_other_flow(s, t, treatment->flow_id))
		return -EOPNOTSUPP;
	if (target->fd < 0)
		return changes ? -EOPNOTSUPP : 0;
	return is_socket(target->fd, target->cookie) ? 0 : -ENOENT;
}

/* ---- the port ---- */

static int socket_apply(void *data, const struct datapath_target *target,
			const struct datapath_treatment *treatment)
{
	struct socket_datapath *datapath = data;
	struct target_key key = key_of(target);
	struct marked_socket *s = find_socket(datapath, target->cookie);
	struct target *t = find_target(datapath, &key), *added = NULL;
	int r;

	r = check_apply(target, treatment, s, t);
	if (r < 0)
		return r;

	if (!s)
		s = add_socket(datapath, target->cookie, target->family);
	if (!s)
		return -ENOMEM;
	if (!t)
		t = added = add_target(datapath, s, &key);

	r = -ENOMEM;
	if (t)
		r = target->fd >= 0 ? write_mark(target->fd, s, &treatment->mark) : 0;
	if (r < 0) {
		if (added)
			remove_target(datapath, s, added);
		if (!s->targets)
			remove_socket(datapath, s);
		return r;
	}

	t->flow_id = treatment->flow_id;
	return 0;
}

/* The last target has gone. If the socket is out of reach it keeps its mark, or is no more. */
static void release_socket(struct socket_datapath *datapath, struct marked_socket *s, int fd)
{
	static const struct mark nothing;

	if (is_socket(fd, s->cookie))
		write_mark(fd, s, &nothing);
	remove_socket(datapath, s);
}

static void socket_clear(void *data, const struct datapath_target *target)
{
	struct socket_datapath *datapath = data;
	struct target_key key = key_of(target);
	struct target *t = find_target(datapath, &key);
	struct marked_socket *s;

	if (!t)
		return;
	s = find_socket(datapath, target->cookie);
	remove_target(datapath, s, t);
	if (!s->targets)
		release_socket(datapath, s, target->fd);
}

/* The kernel keeps a socket's options, not entries of ours. */
static uint64_t socket_count(void *data)
{
	(void)data;
	return 0;
}

const struct datapath_ops socket_datapath_ops = {
	.apply = socket_apply,
	.clear = socket_clear,
	.count = socket_count,
	.needs_descriptor = true,
};

const char *const *socket_datapath_limitations(void)
{
	static const char *const limitations[] = {
		"Marks apply to everything that a socket sends, not only to the flow's destination; "
		"a flow that needs another mark on a socket marked by a different flow is refused.",
		"The local priority (802.1p) is at most 6 unless the marking process has "
		"CAP_NET_ADMIN.",
		"A program that sets IP_TOS, IPV6_TCLASS or SO_PRIORITY itself, on the socket or on "
		"a message, overrides the mark.",
		"A socket whose descriptor is not at hand when its flow ends, as when its owner has "
		"died and another process still holds it, keeps its mark until it closes.",
		"A program as a whole cannot be marked.",
		NULL,
	};

	return limitations;
}
