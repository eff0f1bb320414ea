/* SPDX-License-Identifier: MIT */
/* rsvp.c: see rsvp.h: a node's beginning, time and end. */
#include "rsvp/internal.h"

#include <stdlib.h>

void rsvp_config_default(struct rsvp_config *ret_config)
{
	*ret_config = (struct rsvp_config){
		.max_sessions = 131072,
		.max_senders_per_session = 1024,
		.max_reservations_per_session = 1024,
		.max_state_per_neighbour = 524288,
		.max_neighbours = 4096,
		.messages_per_s_per_neighbour = 50000,
		.hop_ttl = 63,
		.full_refresh_every = 24,
		.multicast_ack_ms = 250,
		.integrity_window = 32,
	};
}

/* ---- digests ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t rsvp_digest64(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t digest = seed ^ UINT64_C(0x9e3779b97f4a7c15) ^ len;
	uint64_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		digest = mix(digest ^ word, UINT64_C(0xd6e8feb86659fd93));
	}
	word = 0;
	if (len > 0)
		memcpy(&word, p, len);
	return mix(digest ^ word, UINT64_C(0xa0761d6478bd642f) ^ seed);
}

/* ---- time ---- */

void rsvp_set_timer(struct rsvp *rsvp, struct timer *timer, enum timer_kind kind, uint64_t after_us)
{
	timer->kind = kind;
	wheel_set(&rsvp->wheel, &timer->wheel, rsvp->now_us + after_us);
}

void rsvp_stop_timer(struct rsvp *rsvp, struct timer *timer)
{
	wheel_stop(&rsvp->wheel, &timer->wheel);
}

uint64_t rsvp_jitter_us(struct rsvp *rsvp, uint32_t refresh_ms)
{
	uint64_t refresh_us = refresh_ms * US_PER_MS;
	uint64_t random = rsvp->ports.random(rsvp->ports.user_data);

	return refresh_us / 2 + (refresh_us / 1024 * (random >> 22));
}

/* At 0.5 s and 2 s after the first. */
uint64_t rsvp_repeat_after_us(uint8_t repeats_left)
{
	return repeats_left >= RSVP_REPEATS ? US_PER_S / 2 : 3 * US_PER_S / 2;
}

#define REFRESH_MIN_MS 1000u
#define REFRESH_MAX_MS 3600000u

/* (K + 0.5) * 1.5 * R, with an R that can be taken seriously. */
uint64_t rsvp_lifetime_us(const struct interface *interface, uint32_t refresh_ms)
{
	uint64_t r = refresh_ms;

	if (r < REFRESH_MIN_MS)
		r = REFRESH_MIN_MS;
	if (r > REFRESH_MAX_MS)
		r = REFRESH_MAX_MS;
	return (2 * UINT64_C(1) * interface->info.lifetime_factor + 1) * 3 * r * US_PER_MS / 4;
}

static void expire(struct rsvp *rsvp, struct timer *timer)
{
	switch ((enum timer_kind)timer->kind) {
	case TIMER_OUT:
		rsvp_path_refresh(rsvp, CONTAINER(timer, struct out, refresh));
		break;
	case TIMER_PATH:
		rsvp_count_one(rsvp, RSVP_COUNT_TIMEOUTS_PATH);
		rsvp_path_end(rsvp, CONTAINER(timer, struct path, cleanup));
		break;
	case TIMER_UP:
		rsvp_up_update(rsvp, CONTAINER(timer, struct up, refresh), WHY_REFRESH);
		break;
	case TIMER_RESV:
		rsvp_resv_expire(rsvp, CONTAINER(timer, struct resv, cleanup));
		break;
	case TIMER_BLOCKADE:
		rsvp_blockade_expire(rsvp, CONTAINER(timer, struct blockade, timer));
		break;
	case TIMER_REPEAT:
		rsvp_repeat_tear(rsvp, CONTAINER(timer, struct repeat, timer));
		break;
	case TIMER_ACK:
		rsvp_ack_due(rsvp, CONTAINER(timer, struct reduction, ack));
		break;
	case TIMER_SREFRESH:
		rsvp_srefresh_due(rsvp, CONTAINER(timer, struct reduction, srefresh));
		break;
	case TIMER_CHALLENGE:
		rsvp_challenge_due(rsvp, CONTAINER(timer, struct peer, timer));
		break;
	case TIMER_SETTLE:
		rsvp_settled(rsvp);
		break;
	case TIMER_SLEW:
		rsvp_slew(rsvp, CONTAINER(timer, struct interface, slew));
		break;
	case TIMER_DIAGNOSIS:
		rsvp_diagnosis_expire(rsvp, timer);
		break;
	}
}

void rsvp_flush(struct rsvp *rsvp)
{
	while (rsvp->dirty) {
		struct up *up = rsvp->dirty;
		unsigned why = up->why;

		rsvp->dirty = up->dirty_next;
		up->dirty_next = NULL;
		up->why = 0;
		rsvp_up_update(rsvp, up, why);
	}
}

uint64_t rsvp_next_deadline_us(const struct rsvp *rsvp)
{
	return wheel_next_us(&rsvp->wheel);
}

void rsvp_tick(struct rsvp *rsvp, uint64_t now_us)
{
	struct wheel_timer *timer;

	rsvp->now_us = now_us;
	rsvp->collecting = true;
	while ((timer = wheel_take(&rsvp->wheel, now_us))) {
		expire(rsvp, CONTAINER(timer, struct timer, wheel));
		rsvp_flush(rsvp);
	}
	rsvp_bundle_flush(rsvp);
	rsvp->collecting = false;
}

/* ---- life ---- */

struct rsvp *rsvp_new(const struct rsvp_ports *ports, const struct rsvp_config *config,
		      uint64_t now_us)
{
	struct rsvp *rsvp = calloc(1, sizeof(*rsvp));

	if (!rsvp)
		return NULL;
	rsvp->ports = *ports;
	rsvp->config = *config;
	rsvp->limits = rsvp_limits_default;
	rsvp->limits.require_checksum = config->require_checksum;
	rsvp->now_us = now_us;
	rsvp->seed = (uint64_t)ports->random(ports->user_data) << 32;
	rsvp->seed |= ports->random(ports->user_data);
	rsvp->epoch = ports->random(ports->user_data) & RSVP_EPOCH_MASK;
	rsvp->last_id = ports->random(ports->user_data);
	rsvp->started_us = now_us;
	wheel_init(&rsvp->wheel, now_us);
	return rsvp;
}

/* Reservations first: with the paths gone there would be nobody to tell. */
static void end_session(struct rsvp *rsvp, struct session *session)
{
	struct install *install, *next_install;
	struct sender *sender, *next_sender;
	struct rsvp_app *app, *next_app;
	struct resv *resv, *next_resv;

	DL_FOREACH_SAFE(session->installs, install, next_install)
		DL_FOREACH_SAFE(install->resvs, resv, next_resv)
			rsvp_resv_end(rsvp, resv, NULL, WHY_TEAR);
	DL_FOREACH(session->senders, sender)
		DL_FOREACH_SAFE(sender->installs, install, next_install)
			DL_FOREACH_SAFE(install->resvs, resv, next_resv)
				rsvp_resv_end(rsvp, resv, NULL, WHY_TEAR);
	rsvp_flush(rsvp);
	/* As long as there are applications, the session stays; else it goes with the last path. */
	DL_FOREACH(session->apps, app)
		rsvp_app_sender_end(rsvp, app);
	next_app = session->apps;
	sender = session->senders;
	while (sender) {
		next_sender = sender->next;
		while (sender->paths->next)
			rsvp_path_end(rsvp, sender->paths->next);
		rsvp_path_end(rsvp, sender->paths);
		sender = next_sender;
	}
	for (app = next_app; app; app = next_app) {
		next_app = app->next;
		rsvp_app_close(rsvp, app, rsvp->now_us);
	}
}

struct rsvp *rsvp_free(struct rsvp *rsvp, uint64_t now_us)
{
	struct interface *interface, *next_interface;
	struct neighbour *neighbour, *next_neighbour;
	struct session *session, *next_session;

	if (!rsvp)
		return NULL;
	rsvp->now_us = now_us;
	rsvp->ending = true;
	rsvp_diagnoses_end(rsvp);
	HASH_ITER(hh, rsvp->sessions, session, next_session)
		end_session(rsvp, session);
	while (rsvp->repeats)
		rsvp_repeat_free(rsvp, rsvp->repeats);
	HASH_ITER(hh, rsvp->interfaces, interface, next_interface) {
		HASH_DEL(rsvp->interfaces, interface);
		free(interface);
	}
	free(rsvp->addresses);
	HASH_ITER(hh, rsvp->neighbours, neighbour, next_neighbour) {
		HASH_DEL(rsvp->neighbours, neighbour);
		rsvp_reduction_free(rsvp, neighbour);
		free(neighbour);
	}
	rsvp_keys_free(rsvp);
	id_map_free(&rsvp->sent_ids);
	id_map_free(&rsvp->heard_ids);
	slots_free(&rsvp->slots);
	free(rsvp->bundle);
	free(rsvp);
	return NULL;
}
