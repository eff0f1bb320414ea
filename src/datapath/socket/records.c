/* SPDX-License-Identifier: MIT */
/* records.c: see records.h. */
#include "datapath/socket/records.h"

#include <stdlib.h>
#include <utlist.h>

_Static_assert(sizeof(struct target_key) == 40, "padding would break hashing by bytes");

struct marked_socket *records_find_socket(struct socket_datapath *datapath, uint64_t cookie)
{
	struct marked_socket *s;

	HASH_FIND(hh, datapath->sockets, &cookie, sizeof(cookie), s);
	return s;
}

struct marked_socket *records_add_socket(struct socket_datapath *datapath, uint64_t cookie,
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

struct target_key records_key(const struct datapath_target *target)
{
	struct target_key key = { .cookie = target->cookie,
				  .any_destination = target->any_destination };

	if (!target->any_destination)
		key.destination = target->destination;
	return key;
}

struct target *records_find_target(struct socket_datapath *datapath, const struct target_key *key)
{
	struct target *t;

	HASH_FIND(hh, datapath->targets, key, sizeof(*key), t);
	return t;
}

struct target *records_add_target(struct socket_datapath *datapath, struct marked_socket *s,
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

void records_remove_target(struct socket_datapath *datapath, struct marked_socket *s,
			   struct target *t)
{
	DL_DELETE(s->targets, t);
	HASH_DEL(datapath->targets, t);
	free(t);
}

void records_remove_socket(struct socket_datapath *datapath, struct marked_socket *s)
{
	while (s->targets)
		records_remove_target(datapath, s, s->targets);
	HASH_DEL(datapath->sockets, s);
	pacing_forget(&datapath->pacing, s->cookie);
	free(s);
}

struct meter *records_find_meter(struct socket_datapath *datapath, uint32_t flow_id)
{
	struct meter *meter;

	HASH_FIND(hh, datapath->meters, &flow_id, sizeof(flow_id), meter);
	return meter;
}

struct meter *records_add_meter(struct socket_datapath *datapath, uint32_t flow_id)
{
	struct meter *meter = calloc(1, sizeof(*meter));

	if (!meter)
		return NULL;
	meter->flow_id = flow_id;
	HASH_ADD(hh, datapath->meters, flow_id, sizeof(meter->flow_id), meter);
	if (!meter->hh.tbl) {
		free(meter);
		return NULL;
	}
	return meter;
}

void records_remove_meter(struct socket_datapath *datapath, struct meter *meter)
{
	if (meter->class_priority)
		datapath->classes.class_end(datapath->classes.user_data, meter->flow_id);
	HASH_DEL(datapath->meters, meter);
	free(meter);
}
