/* SPDX-License-Identifier: MIT */
/*
 * prober_path.c: the paths of a prober: they are opened and closed, used, linger, and are found again. What a path
 * (path.h) wants to be done goes to the protocols from here, and what it says goes to whoever has it open.
 */
#include "probe/prober_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REFRESH_US (5 * US_PER_S)
#define LOOK_US (250 * US_PER_MS)

/* ---- what a path wants ---- */

static int on_start(void *user_data, void *data, const struct path_experiment *experiment)
{
	struct prober_path *path = data;
	struct run *run = &path->runs[experiment->kind];
	uint64_t now_us = path->prober->now_us;
	int r;

	if (path->interface && !path->interface->link.running)
		return -EOPNOTSUPP;
	run->experiment = *experiment;
	/* A train alone may be by the other one, where this one's are too short. */
	if (experiment->kind != PATH_TRAIN || experiment->method == PATH_LLTD)
		path->by_lltd = experiment->method == PATH_LLTD;
	r = experiment->method == PATH_LLTD ? prober_lltd_start(run, now_us)
					    : prober_qlpb_start(run, now_us);
	run->wanted = r == 0;
	return r;
}

static void on_stop(void *user_data, void *data, enum path_kind kind)
{
	struct prober_path *path = data;
	struct run *run = &path->runs[kind];

	run->wanted = false;
	if (run->experiment.method == PATH_LLTD)
		prober_lltd_stop(run);
	else
		prober_qlpb_stop(run);
}

static void on_event(void *user_data, void *data, enum path_event event)
{
	struct prober_path *path = data;
	const struct prober_ports *ports = &path->prober->ports;

	/* Who comes back knows nothing of a session: that is left, and begun anew. */
	if (event == PATH_EVENT_UNSUPPORTED) {
		path->by_lltd = false;
		prober_lltd_wake(path);
	}
	if (path->open)
		ports->event(ports->user_data, path->data, event);
}

static void forget_wish(struct prober_path *path, struct wish *wish)
{
	DL_DELETE(path->wishes, wish);
	free(wish);
}

static void on_admitted(void *user_data, void *data, void *wish_data, int status)
{
	struct prober_path *path = data;
	const struct prober_ports *ports = &path->prober->ports;
	struct wish *wish = wish_data;
	uint64_t token = wish->token;

	forget_wish(path, wish);
	ports->admitted(ports->user_data, path->data, token, status);
}

static uint32_t on_random(void *user_data)
{
	const struct prober *prober = user_data;

	return prober->ports.random(prober->ports.user_data);
}

bool prober_take_train(struct run *run, const struct probe_train *train)
{
	struct prober_path *path = run->path;
	uint64_t now_us = prober_now(path->prober);
	bool enough = true;

	if (run->experiment.kind == PATH_PACED)
		path_paced(path->path, train, now_us);
	else
		enough = path_train(path->path, train, now_us);
	prober_settle(path);
	return enough;
}

void prober_run_ended(struct run *run, int status)
{
	struct prober_path *path = run->path;

	run->wanted = false;
	path_finished(path->path, run->experiment.kind, status, prober_now(path->prober));
	prober_settle(path);
}

/* ---- time ---- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void end_refresh(struct prober_path *path)
{
	const struct prober_ports *ports = &path->prober->ports;

	path->refresh_ends_us = UINT64_MAX;
	ports->refreshed(ports->user_data, path->data);
}

void prober_settle(struct prober_path *path)
{
	struct prober *prober = path->prober;
	uint64_t due_us;

	if (path->refresh_ends_us != UINT64_MAX && path_is_fresh(path->path))
		end_refresh(path);
	due_us = earlier(path_deadline_us(path->path), path->look_us);
	due_us = earlier(due_us, path->lltd.timer_us);
	due_us = earlier(due_us, path->refresh_ends_us);
	due_us = earlier(due_us, path->leaves_us);
	/* Not in the turn that is under way: whatever it waits for is not there yet. */
	if (due_us <= prober->now_us)
		due_us = prober->now_us + 1;
	if (due_us == UINT64_MAX)
		wheel_stop(&prober->wheel, &path->timer);
	else
		wheel_set(&prober->wheel, &path->timer, due_us);
}

void prober_tick_path(struct prober_path *path, uint64_t now_us)
{
	if (now_us >= path->leaves_us) {
		prober_forget_path(path);
		return;
	}
	if (now_us >= path->look_us) {
		path->look_us = now_us + LOOK_US;
		prober_look(path, now_us);
		prober_lltd_follow(path, now_us);
	}
	if (now_us >= path_deadline_us(path->path))
		path_tick(path->path, now_us);
	if (now_us >= path->lltd.timer_us)
		prober_lltd_tick(path, now_us);
	if (now_us >= path->refresh_ends_us)
		end_refresh(path);
	prober_settle(path);
}

/* ---- opening and closing ---- */

void prober_forget_path(struct prober_path *path)
{
	struct prober *prober = path->prober;

	path_free(path->path);
	prober_lltd_leave(path);
	wheel_stop(&prober->wheel, &path->timer);
	DL_DELETE(prober->closed, path);
	HASH_DEL(prober->paths, path);
	free(path);
}

static struct path_key key_of(const struct prober_target *target)
{
	struct path_key key = { .destination = target->destination, .ifindex = target->ifindex };

	key.destination.port = 0;
	return key;
}

static int start_path(struct prober_path *path, uint64_t now_us)
{
	struct prober *prober = path->prober;
	const struct path_ports ports = {
		.user_data = prober,
		.start = on_start,
		.stop = on_stop,
		.event = on_event,
		.admitted = on_admitted,
		.random = on_random,
	};
	struct path_config config = { .on_link = path->on_link };

	if (path->interface)
		config.own_link_bps = path->interface->link.rate_bps;
	config.methods[PATH_QLPB] = prober->config.initiator;
	config.methods[PATH_LLTD] = prober->config.initiator && prober->ports.send_frames;
	path->path = path_new(&ports, &config, path, now_us);
	return path->path ? 0 : -ENOMEM;
}

static int new_path(struct prober *prober, const struct prober_target *target,
		    struct prober_path **ret_path, uint64_t now_us)
{
	struct prober_path *path;

	if (HASH_COUNT(prober->paths) >= prober->config.max_paths) {
		if (!prober->closed)
			return -ENOBUFS;
		prober_forget_path(prober->closed);
	}
	path = calloc(1, sizeof(*path));
	if (!path)
		return -ENOMEM;
	path->prober = prober;
	path->key = key_of(target);
	path->on_link = target->on_link;
	path->interface = prober_interface(prober, target->ifindex);
	path->look_us = path->refresh_ends_us = path->leaves_us = UINT64_MAX;
	path->lltd.timer_us = UINT64_MAX;
	for (unsigned kind = 0; kind < PATH_KIND_COUNT; kind++)
		path->runs[kind].path = path;
	if (start_path(path, now_us) < 0) {
		free(path);
		return -ENOMEM;
	}
	HASH_ADD(hh, prober->paths, key, sizeof(path->key), path);
	*ret_path = path;
	return 0;
}

int prober_open(struct prober *prober, const struct prober_target *target, void *data,
		struct prober_path **ret_path, uint64_t now_us)
{
	struct path_key key = key_of(target);
	struct prober_path *path;
	int r;

	now_us = prober_at(prober, now_us);
	HASH_FIND(hh, prober->paths, &key, sizeof(key), path);
	if (path && path->open)
		return -EALREADY;
	/* A router has come in between, or gone: that is another path. */
	if (path && path->on_link != target->on_link) {
		prober_forget_path(path);
		path = NULL;
	}
	if (path) {
		DL_DELETE(prober->closed, path);
		path->leaves_us = UINT64_MAX;
	} else {
		r = new_path(prober, target, &path, now_us);
		if (r < 0)
			return r;
	}
	path->open = true;
	path->data = data;
	prober_settle(path);
	*ret_path = path;
	return 0;
}

void prober_close(struct prober *prober, struct prober_path *path, uint64_t now_us)
{
	now_us = prober_at(prober, now_us);
	path->open = false;
	path->data = NULL;
	while (path->wishes)
		prober_forget(prober, path, path->wishes->token);
	prober_forget_sockets(path);
	path->refresh_ends_us = UINT64_MAX;
	path->leaves_us = now_us + PATH_LINGER_US;
	DL_APPEND(prober->closed, path);
	prober_set_users(prober, path, 0, 0, now_us);
}

/* ---- users ---- */

void prober_set_users(struct prober *prober, struct prober_path *path, unsigned trackers,
		      unsigned flows, uint64_t now_us)
{
	now_us = prober_at(prober, now_us);
	path->used = trackers > 0 || flows > 0;
	path_set_users(path->path, trackers, flows, now_us);
	if (!path->used)
		path->look_us = UINT64_MAX;
	else if (path->look_us == UINT64_MAX)
		path->look_us = now_us;
	/* A station for which nothing is left to do is left. */
	if (!path->used && path->lltd.station && path->lltd.station->state == STATION_IDLE)
		path->lltd.timer_us = now_us;
	prober_settle(path);
}

int prober_refresh(struct prober *prober, struct prober_path *path, uint64_t now_us)
{
	struct path_fundamentals known;

	now_us = prober_at(prober, now_us);
	if (path->refresh_ends_us != UINT64_MAX)
		return -EAGAIN;
	if (path_fundamentals(path->path, now_us, &known) == -EOPNOTSUPP)
		return -EOPNOTSUPP;
	path->refresh_ends_us = now_us + REFRESH_US;
	path_refresh(path->path, now_us);
	prober_settle(path);
	return 0;
}

/* ---- admission ---- */

int prober_admit(struct prober *prober, struct prober_path *path, uint64_t current_bps,
		 uint64_t wanted_bps, uint64_t token, uint64_t now_us)
{
	struct wish *wish = calloc(1, sizeof(*wish));
	int r;

	if (!wish)
		return -ENOMEM;
	wish->token = token;
	DL_APPEND(path->wishes, wish);
	now_us = prober_at(prober, now_us);
	r = path_admit(path->path, &(struct path_wish){ current_bps, wanted_bps, wish }, now_us);
	if (r != -EINPROGRESS)
		forget_wish(path, wish);
	prober_settle(path);
	return r;
}

void prober_forget(struct prober *prober, struct prober_path *path, uint64_t token)
{
	struct wish *wish, *next;

	DL_FOREACH_SAFE(path->wishes, wish, next) {
		if (wish->token != token)
			continue;
		path_cancel(path->path, wish);
		forget_wish(path, wish);
	}
	prober_settle(path);
}

/* ---- asking ---- */

const struct path *prober_path(const struct prober_path *path)
{
	return path->path;
}
