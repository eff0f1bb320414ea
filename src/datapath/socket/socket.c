/* SPDX-License-Identifier: MIT */
/*
 * socket.c: see socket.h. What is kept of sockets and flows is in records.h.
 *
 * | event            | no other target       | others of the same flow | some of another flow |
 * |------------------|-----------------------|-------------------------|----------------------|
 * | apply, same mark | saved, written        | written                 | written              |
 * | apply, new mark  | saved, written        | written, holds for all  | -EOPNOTSUPP          |
 * | clear            | restored, record goes | mark stays              | mark stays           |
 */
#include "datapath/socket/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "datapath/identity.h"
#include "datapath/queue.h"
#include "datapath/socket/records.h"

#define PRIORITY_MAX_UNPRIVILEGED 6

struct socket_datapath *socket_datapath_new(void)
{
	return calloc(1, sizeof(struct socket_datapath));
}

struct socket_datapath *socket_datapath_free(struct socket_datapath *datapath)
{
	if (datapath) {
		while (datapath->sockets)
			records_remove_socket(datapath, datapath->sockets);
		while (datapath->meters)
			records_remove_meter(datapath, datapath->meters);
		pacing_free(&datapath->pacing);
		free(datapath);
	}
	return NULL;
}

void socket_datapath_set_classes(struct socket_datapath *datapath,
				 const struct socket_classes *classes)
{
	datapath->classes = *classes;
}

/* ---- marks ---- */

static bool mark_equal(const struct mark *a, const struct mark *b)
{
	return a->set_dscp == b->set_dscp && a->set_priority == b->set_priority &&
	       (!a->set_dscp || a->dscp == b->dscp) &&
	       (!a->set_priority || a->priority == b->priority);
}

static bool wish_equal(const struct wish *a, const struct wish *b)
{
	return mark_equal(&a->mark, &b->mark) && a->class_priority == b->class_priority &&
	       a->paced_bps == b->paced_bps;
}

/*
 * Puts the mark on the socket, in place of the one before. An empty mark restores the application's
 * values. A priority above 6 that we may not give back to the application must not be lost: then
 * nothing is written.
 */
static int write_mark(int fd, struct marked_socket *s, const struct wish *wish)
{
	const struct mark *mark = &wish->mark;
	bool set_priority = mark->set_priority || wish->class_priority;
	struct socket_options current, own, marked;
	int r;

	r = socket_options_read(fd, s->family, &current);
	if (r < 0)
		return r;
	own = socket_options_own(&current, &s->saved, &s->written);
	marked = socket_options_marked(&own, s->family, mark);
	if (wish->class_priority)
		marked.priority = (int)wish->class_priority;

	if ((mark->set_dscp || set_priority) && own.priority == current.priority &&
	    own.priority > PRIORITY_MAX_UNPRIVILEGED &&
	    !socket_priority_permitted(fd, own.priority))
		return -EOPNOTSUPP;
	if (mark->set_priority && !wish->class_priority &&
	    marked.priority > PRIORITY_MAX_UNPRIVILEGED && marked.priority != current.priority &&
	    !socket_priority_permitted(fd, marked.priority))
		marked.priority = PRIORITY_MAX_UNPRIVILEGED;

	r = socket_options_write(fd, s->family, &current, &marked);
	if (r < 0)
		return r;

	s->saved = own;
	s->written.dscp = mark->set_dscp ? mark->dscp : -1;
	s->written.priority = set_priority ? marked.priority : -1;
	return 0;
}

static int write_pacing(struct socket_datapath *datapath, int fd, const struct marked_socket *s,
			uint64_t paced_bps)
{
	if (paced_bps)
		return pacing_set(&datapath->pacing, fd, s->cookie, paced_bps);
	pacing_clear(&datapath->pacing, fd, s->cookie);
	return 0;
}

/* Both, or neither. */
static int write_wish(struct socket_datapath *datapath, int fd, struct marked_socket *s,
		      const struct wish *wish)
{
	int r = write_pacing(datapath, fd, s, wish->paced_bps);

	if (r < 0)
		return r;
	r = write_mark(fd, s, wish);
	if (r < 0) {
		(void)write_pacing(datapath, fd, s, s->wish.paced_bps);
		return r;
	}
	s->wish = *wish;
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

/* ---- rates ---- */

/* How many sockets a flow has, beside this one. */
static unsigned count_sockets(const struct socket_datapath *datapath, uint32_t flow_id,
			      const struct marked_socket *besides)
{
	const struct marked_socket *s;
	unsigned n = 0;

	for (s = datapath->sockets; s; s = s->hh.next)
		n += s != besides && s->targets->flow_id == flow_id;
	return n;
}

static bool links_are_fq(const struct datapath_meter *meter)
{
	for (unsigned i = 0; i < meter->n_links; i++) {
		if (!queue_is_fq(meter->links[i]))
			return false;
	}
	return meter->n_links > 0;
}

/* What becomes of a rate at this socket. */
static int meter_wish(const struct socket_datapath *datapath, const struct meter *meter,
		      const struct datapath_target *target, const struct marked_socket *s,
		      struct wish *wish)
{
	bool tcp = target->protocol == IPPROTO_TCP;

	if (meter->class_priority) {
		wish->class_priority = meter->class_priority;
		return 0;
	}
	if (meter->asked.owner_paces && !tcp)
		return 0;
	if (meter->asked.excess != DATAPATH_EXCESS_DELAY || (!tcp && !links_are_fq(&meter->asked)))
		return -EOPNOTSUPP;
	if (count_sockets(datapath, meter->flow_id, s) >= meter->parts)
		return -EOPNOTSUPP;
	wish->paced_bps = meter->asked.bucket.rate_bps / meter->parts;
	return 0;
}

static int make_wish(struct socket_datapath *datapath, const struct datapath_target *target,
		     const struct datapath_treatment *treatment, const struct marked_socket *s,
		     struct wish *ret_wish)
{
	const struct socket_classes *classes = &datapath->classes;
	struct wish wish = { .mark = treatment->mark };
	const struct meter *meter;
	uint32_t band;
	int r;

	if (treatment->metered) {
		meter = records_find_meter(datapath, treatment->flow_id);
		r = meter ? meter_wish(datapath, meter, target, s, &wish) : -ENOENT;
		if (r < 0)
			return r;
	}
	if (!wish.class_priority && classes->band_of &&
	    classes->band_of(classes->user_data, target, treatment->traffic_class, &band) == 0)
		wish.class_priority = band;
	*ret_wish = wish;
	return 0;
}

/* Whether the socket can do that for this target. */
static int check_apply(const struct datapath_target *target, uint32_t flow_id,
		       const struct wish *wish, const struct marked_socket *s,
		       const struct target *t)
{
	bool changes = !s || !wish_equal(&s->wish, wish);

	if (s && changes && shared_with_other_flow(s, t, flow_id))
		return -EOPNOTSUPP;
	if (target->fd < 0)
		return changes ? -EOPNOTSUPP : 0;
	return is_socket(target->fd, target->cookie) ? 0 : -ENOENT;
}

/* ---- the port ---- */

/* The last target has gone. If the socket is out of reach it keeps its mark, or is no more. */
static void release_socket(struct socket_datapath *datapath, struct marked_socket *s, int fd)
{
	static const struct wish nothing;

	if (is_socket(fd, s->cookie))
		write_wish(datapath, fd, s, &nothing);
	records_remove_socket(datapath, s);
}

static void socket_clear(void *data, const struct datapath_target *target)
{
	struct socket_datapath *datapath = data;
	struct target_key key = records_key(target);
	struct target *t = records_find_target(datapath, &key);
	struct marked_socket *s;

	if (!t)
		return;
	s = records_find_socket(datapath, target->cookie);
	records_remove_target(datapath, s, t);
	if (!s->targets)
		release_socket(datapath, s, target->fd);
}

static int socket_apply(void *data, const struct datapath_target *target,
			const struct datapath_treatment *treatment)
{
	struct socket_datapath *datapath = data;
	struct target_key key = records_key(target);
	struct marked_socket *s = records_find_socket(datapath, target->cookie);
	struct target *t = records_find_target(datapath, &key), *added = NULL;
	struct wish wish;
	int r;

	if (target->cookie == 0)
		return -EOPNOTSUPP;
	if (treatment->watched) { /* whose end is seen here is not for us to say */
		socket_clear(data, target);
		return 0;
	}
	r = make_wish(datapath, target, treatment, s, &wish);
	if (r == 0)
		r = check_apply(target, treatment->flow_id, &wish, s, t);
	if (r < 0)
		return r;

	if (!s)
		s = records_add_socket(datapath, target->cookie, target->family);
	if (!s)
		return -ENOMEM;
	if (!t)
		t = added = records_add_target(datapath, s, &key);

	r = -ENOMEM;
	if (t)
		r = target->fd >= 0 ? write_wish(datapath, target->fd, s, &wish) : 0;
	if (r < 0) {
		if (added)
			records_remove_target(datapath, s, added);
		if (!s->targets)
			records_remove_socket(datapath, s);
		return r;
	}

	t->flow_id = treatment->flow_id;
	return 0;
}

static int socket_meter(void *data, const struct datapath_meter *asked)
{
	struct socket_datapath *datapath = data;
	const struct socket_classes *classes = &datapath->classes;
	struct meter *meter = records_find_meter(datapath, asked->flow_id);
	bool known = meter;
	unsigned sockets;
	uint32_t priority = 0;
	int r;

	if (asked->excess == DATAPATH_EXCESS_DROP || asked->reserved_bps > 0 ||
	    (asked->excess == DATAPATH_EXCESS_REMARK && !asked->owner_paces))
		return -EOPNOTSUPP;
	if (!meter)
		meter = records_add_meter(datapath, asked->flow_id);
	if (!meter)
		return -ENOMEM;
	r = -ENODATA;
	if (asked->excess == DATAPATH_EXCESS_DELAY && classes->class_of)
		r = classes->class_of(classes->user_data, asked, &priority);
	if (r < 0 && r != -ENODATA) {
		if (!known)
			records_remove_meter(datapath, meter);
		return r;
	}
	if (r == -ENODATA && meter->class_priority)
		classes->class_end(classes->user_data, meter->flow_id);
	meter->class_priority = r == 0 ? priority : 0;
	meter->asked = *asked;
	sockets = count_sockets(datapath, asked->flow_id, NULL);
	meter->parts = sockets > 0 ? sockets : 1;
	return 0;
}

static void socket_meter_end(void *data, uint32_t flow_id)
{
	struct meter *meter = records_find_meter(data, flow_id);

	if (meter)
		records_remove_meter(data, meter);
}

static enum gw_shaping_method socket_shaping(void *data, uint32_t flow_id,
					     const struct datapath_target *target)
{
	const struct meter *meter = records_find_meter(data, flow_id);

	(void)target;
	if (!meter || meter->asked.excess != DATAPATH_EXCESS_DELAY)
		return GW_SHAPING_NONE;
	return meter->class_priority ? GW_SHAPING_CLASS : GW_SHAPING_PACED;
}

static int socket_meter_read(void *data, uint32_t flow_id,
			     struct datapath_meter_counters *ret_counters)
{
	(void)ret_counters;
	return records_find_meter(data, flow_id) ? -EOPNOTSUPP : -ENOENT;
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
	.meter = socket_meter,
	.meter_end = socket_meter_end,
	.shaping = socket_shaping,
	.meter_read = socket_meter_read,
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
		"Rates are kept to by TCP sockets, each to an equal part of its flow's, and by UDP "
		"sockets where the queue of the link is fq; elsewhere by programs that pace their "
		"datagrams (gw_pace), as those of qos2.h do. Nothing is policed or reserved.",
		NULL,
	};

	return limitations;
}
