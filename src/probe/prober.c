/* SPDX-License-Identifier: MIT */
/* prober.c: a prober as a whole: see prober.h. */
#include "probe/prober_internal.h"

#include <stdlib.h>

#define PATHS_MAX 1024
/* Of MS-QLPB at once: each path that flows take has one or two of them. */
#define EXPERIMENTS_MAX 256
/* Of each interface; beyond them MS-QLPB is left. */
#define STATIONS_MAX 64

void prober_config_default(struct prober_config *ret_config)
{
	*ret_config = (struct prober_config){
		.initiator = true,
		.sink = true,
		.max_paths = PATHS_MAX,
	};
	qlpb_config_default(&ret_config->qlpb);
	ret_config->qlpb.max_experiments = EXPERIMENTS_MAX;
	lltd_config_default(&ret_config->lltd);
	ret_config->lltd.max_controlled = STATIONS_MAX;
}

struct prober *prober_new(const struct prober_ports *ports, const struct prober_config *config,
			  uint64_t now_us)
{
	struct prober *prober = calloc(1, sizeof(*prober));

	if (!prober)
		return NULL;
	prober->ports = *ports;
	prober->config = *config;
	prober->config.qlpb.initiator = prober->config.lltd.controller = config->initiator;
	prober->config.qlpb.sink = prober->config.lltd.sink = config->sink;
	prober->now_us = now_us;
	wheel_init(&prober->wheel, now_us);
	if (prober_qlpb_new(prober) < 0) {
		free(prober);
		return NULL;
	}
	return prober;
}

struct prober *prober_free(struct prober *prober, uint64_t now_us)
{
	struct prober_path *path, *next;

	if (!prober)
		return NULL;
	now_us = prober_at(prober, now_us);
	HASH_ITER(hh, prober->paths, path, next) {
		if (path->open)
			prober_close(prober, path, now_us);
		prober_forget_path(path);
	}
	prober_free_interfaces(prober);
	qlpb_free(prober->qlpb, now_us);
	free(prober);
	return NULL;
}

/* ---- time ---- */

uint64_t prober_at(struct prober *prober, uint64_t now_us)
{
	if (now_us > prober->now_us)
		prober->now_us = now_us;
	return prober->now_us;
}

uint64_t prober_now(struct prober *prober)
{
	return prober_at(prober, prober->ports.stamp_ns(prober->ports.user_data) / 1000);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t prober_deadline_us(const struct prober *prober)
{
	uint64_t deadline_us =
		earlier(wheel_next_us(&prober->wheel), qlpb_deadline_us(prober->qlpb));
	const struct interface *interface;

	for (interface = prober->interfaces; interface; interface = interface->hh.next) {
		if (interface->lltd)
			deadline_us = earlier(deadline_us, lltd_deadline_us(interface->lltd));
	}
	return deadline_us;
}

static struct prober_path *path_of(struct wheel_timer *timer)
{
	return (struct prober_path *)((char *)timer - offsetof(struct prober_path, timer));
}

void prober_tick(struct prober *prober, uint64_t now_us)
{
	struct interface *interface;
	struct wheel_timer *timer;

	now_us = prober_at(prober, now_us);
	/* What paths begin, nodes send at once. */
	while ((timer = wheel_take(&prober->wheel, now_us)))
		prober_tick_path(path_of(timer), now_us);
	if (now_us >= qlpb_deadline_us(prober->qlpb))
		qlpb_tick(prober->qlpb, now_us);
	for (interface = prober->interfaces; interface; interface = interface->hh.next) {
		if (interface->lltd && now_us >= lltd_deadline_us(interface->lltd))
			lltd_tick(interface->lltd, now_us);
	}
}

/* ---- nodes ---- */

struct qlpb *prober_qlpb(struct prober *prober)
{
	return prober->qlpb;
}

struct lltd *prober_lltd(struct prober *prober, uint32_t ifindex)
{
	struct interface *interface = prober_interface(prober, ifindex);

	return interface ? interface->lltd : NULL;
}

/* ---- seeing ---- */

struct prober_sizes prober_sizes(const struct prober *prober)
{
	uint32_t paths = HASH_COUNT(prober->paths), closed;
	const struct prober_path *path;

	DL_COUNT(prober->closed, path, closed);
	return (struct prober_sizes){
		.paths = paths,
		.links = HASH_COUNT(prober->interfaces),
		.open = paths - closed,
	};
}
