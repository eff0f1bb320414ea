/* SPDX-License-Identifier: MIT */
/*
 * owner.c: owners, and the users they are counted against.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/internal.h"
#include "engine/provider.h"

struct user *user_find(const struct engine *engine, uint32_t uid)
{
	struct user *user;

	HASH_FIND(hh, engine->users, &uid, sizeof(uid), user);
	return user;
}

static struct user *user_obtain(struct engine *engine, uint32_t uid)
{
	struct user *user = user_find(engine, uid);

	if (!user) {
		user = calloc(1, sizeof(*user));
		if (!user)
			return NULL;
		user->uid = uid;
		HASH_ADD(hh, engine->users, uid, sizeof(user->uid), user);
		if (!user->hh.tbl) {
			free(user);
			return NULL;
		}
	}
	user->owners++;
	return user;
}

static void user_release(struct engine *engine, struct user *user)
{
	if (--user->owners > 0)
		return;
	HASH_DEL(engine->users, user);
	free(user);
}

struct owner *owner_new(struct engine *engine, const struct engine_owner_info *info)
{
	struct owner *owner = calloc(1, sizeof(*owner));

	if (!owner)
		return NULL;
	owner->user = user_obtain(engine, info->uid);
	if (!owner->user) {
		free(owner);
		return NULL;
	}
	owner->engine = engine;
	owner->info = *info;
	DL_APPEND(engine->owners, owner);
	return owner;
}

bool owner_is_administrator(const struct engine *engine, const struct owner *owner)
{
	return owner->info.host || engine->ports.is_administrator(engine->ports.user_data, owner);
}

int owner_session_begin(struct owner *owner)
{
	struct engine *engine = owner->engine;
	struct user *user = owner->user;

	if (user->uid != 0 && user->sessions >= engine->config.max_flows_per_user) {
		engine->counters.refused_limit++;
		return -ENOBUFS;
	}
	user->sessions++;
	return 0;
}

void owner_session_end(struct owner *owner)
{
	owner->user->sessions--;
}

static void unwatch(struct owner *owner)
{
	if (!owner->watching)
		return;
	owner->watching = false;
	owner->user->watchers--;
	DL_DELETE2(owner->engine->watchers, owner, watch_prev, watch_next);
}

/* The owner has nothing left: engine_end() has seen to that. */
void owner_free(struct owner *owner)
{
	struct engine *engine = owner->engine;

	unwatch(owner);
	if (owner->leaving)
		DL_DELETE2(engine->leaving, owner, leave_prev, leave_next);
	DL_DELETE(engine->owners, owner);
	user_release(engine, owner->user);
	free(owner);
}

int engine_owner_add(struct engine *engine, const struct engine_owner_info *info, void *host_data,
		     struct owner **ret_owner)
{
	struct owner *owner = owner_new(engine, info);

	if (!owner)
		return -ENOMEM;
	owner->host_data = host_data;
	*ret_owner = owner;
	return 0;
}

void engine_owner_remove(struct engine *engine, struct owner *owner, uint64_t now_us)
{
	engine_note_time(engine, now_us);
	owner->host_data = NULL; /* nobody is there to be told */
	owner->closed = true;
	unwatch(owner);
	if (engine->provider)
		provider_owner_gone(engine->provider, owner, now_us);
	end_some(engine, owner, END_OWNER_DIED, ENDS_PER_TURN);
	if (!owner_has_anything(owner)) {
		owner_free(owner);
		return;
	}
	owner->leaving = true;
	DL_APPEND2(engine->leaving, owner, leave_prev, leave_next);
}

unsigned owners_leave(struct engine *engine, unsigned most)
{
	unsigned ended = 0;

	while (engine->leaving && ended < most) {
		struct owner *owner = engine->leaving;

		ended += end_some(engine, owner, END_OWNER_DIED, most - ended);
		if (!owner_has_anything(owner))
			owner_free(owner);
	}
	return ended;
}

int engine_owner_close(struct engine *engine, struct owner *owner, uint64_t now_us)
{
	engine_note_time(engine, now_us);
	owner->closed = true;
	if (engine->provider)
		provider_owner_gone(engine->provider, owner, now_us);
	end_some(engine, owner, END_HANDLE_CLOSED, ENDS_PER_TURN);
	return owner_has_anything(owner) ? -EAGAIN : 0;
}

bool owner_is_closed(const struct owner *owner)
{
	return owner->closed;
}

const struct engine_owner_info *owner_info(const struct owner *owner)
{
	return &owner->info;
}

void *owner_host_data(const struct owner *owner)
{
	return owner->host_data;
}

void owner_set_api(struct owner *owner, const char *api)
{
	snprintf(owner->info.api, sizeof(owner->info.api), "%s", api);
}

struct engine_view engine_view_of(const struct engine *engine, const struct owner *owner)
{
	return (struct engine_view){
		.uid = owner->info.uid,
		.everything = owner_is_administrator(engine, owner),
	};
}

int owner_watch(struct engine *engine, struct owner *owner)
{
	struct user *user = owner->user;

	if (owner->watching)
		return 0;
	if (user->uid != 0 && user->watchers >= engine->config.max_watchers_per_user) {
		engine->counters.refused_limit++;
		return -ENOBUFS;
	}
	user->watchers++;
	owner->watching = true;
	owner->view = engine_view_of(engine, owner);
	DL_APPEND2(engine->watchers, owner, watch_prev, watch_next);
	return 0;
}
