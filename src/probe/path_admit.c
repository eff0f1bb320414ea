/* SPDX-License-Identifier: MIT */
/*
 * path_admit.c: whether a flow may send at a rate (spec/qwave.md §5.5). Of the same spare bandwidth two hosts that
 * send to one sink must not both take what there is once, and they cannot talk about it. So a wish waits for a random
 * moment; then the host sends, for a short time, what the flow would send (a claim), so that others can see it, and
 * looks itself. If there was room for it all the time the flow is admitted. If another host claimed too, both find
 * that there was not, and try again at another random moment, until the time is up.
 *
 * What was admitted on this host counts for a while as if it were there, until it can be seen on the path.
 */
#include "probe/path_internal.h"

#include <errno.h>
#include <stdlib.h>

#define WISH_US (2 * US_PER_S)
#define TURN_US (400 * US_PER_MS)
#define CLAIM_US (150 * US_PER_MS)
#define CLAIM_PACKETS 40
#define CLAIM_LONGEST_US (500 * US_PER_MS)
/* The last ones of its probes are still on their way. */
#define SETTLE_US (30 * US_PER_MS)
#define GRANT_US (5 * US_PER_S)
/* Longer than this nobody waits where there is room for all. */
#define ROOM_PACKETS 6.0
#define ROOM_MIN_NS 10e6
/* Until the claim's packets are there. */
#define CLAIM_BEGINS_US (20 * US_PER_MS)
/* Of what should be left, a part may be missing by chance; of less than that all of it. */
#define LEFT_MIN 0.08
#define LEFT_DOUBT 2.5

/* ---- what is taken already ---- */

static uint64_t granted_bps(const struct path *path, uint64_t now_us)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < GRANTS_MAX; i++) {
		if (now_us < path->grants[i].until_us)
			sum += path->grants[i].bps;
	}
	return sum;
}

static void grant(struct path *path, uint64_t bps, uint64_t now_us)
{
	struct grant *oldest = &path->grants[0];

	for (unsigned i = 1; i < GRANTS_MAX; i++) {
		if (path->grants[i].until_us < oldest->until_us)
			oldest = &path->grants[i];
	}
	/* With all of them taken the oldest one counts on in the new one. */
	if (now_us < oldest->until_us)
		bps += oldest->bps;
	*oldest = (struct grant){ bps, now_us + GRANT_US };
}

static uint64_t more_bps(const struct path_wish *wish)
{
	return wish->wanted_bps > wish->current_bps ? wish->wanted_bps - wish->current_bps : 0;
}

/* Whether there is room as far as measurements say. */
static bool fits(const struct path *path, const struct path_wish *wish, uint64_t now_us)
{
	uint64_t free_bps, granted = granted_bps(path, now_us);

	if (wish->wanted_bps > path->capacity.bps || path->state == PATH_CONGESTED)
		return false;
	return path_free_now(path, now_us, &free_bps) && free_bps >= granted &&
	       more_bps(wish) <= free_bps - granted;
}

/* Where there is no room: it may not; unless measurements contradict each other, so that nobody knows. */
static int refusal(const struct path *path)
{
	return capacity_is_disputed(&path->capacity) ? -EAGAIN : -EBUSY;
}

/* ---- wishes ---- */

static void answer(struct path *path, struct wish *wish, int status, uint64_t now_us)
{
	if (status == 0)
		grant(path, more_bps(&wish->wish), now_us);
	DL_DELETE(path->wishes, wish);
	path->n_wishes--;
	path->ports.admitted(path->ports.user_data, path->data, wish->wish.data, status);
	free(wish);
}

/* Not while our own trains fill the path. */
static void wait_for_turn(struct path *path, struct wish *wish, uint64_t now_us)
{
	uint64_t from_us = path->filled_until_us > now_us ? path->filled_until_us : now_us;

	if (from_us > now_us + TURN_US)
		from_us = now_us + TURN_US;
	wish->state = WISH_WAITING;
	wish->turn_us = from_us + path->ports.random(path->ports.user_data) % TURN_US;
}

static uint32_t claim_us(const struct path *path)
{
	uint64_t us = CLAIM_PACKETS * path_packet_ns(path) / NS_PER_US;

	if (us < CLAIM_US)
		us = CLAIM_US;
	return (uint32_t)(us < CLAIM_LONGEST_US ? us : CLAIM_LONGEST_US);
}

/* The answer is there in time even if the last claim begins just before. */
static uint64_t last_turn_us(const struct path *path, const struct wish *wish)
{
	return wish->ends_us - claim_us(path) - SETTLE_US;
}

/* Where nothing can claim, measurements alone decide. */
static void begin_claim(struct path *path, struct wish *wish, uint64_t now_us)
{
	struct path_experiment claim = {
		.method = path->method,
		.kind = PATH_CLAIM,
		.packet_bytes = TRAIN_PACKET_BYTES,
		.rate_bps = more_bps(&wish->wish),
		/* Until there is an answer, so that the flow can follow at once. */
		.duration_us = claim_us(path) + 2 * SETTLE_US,
	};
	int r;

	if (!fits(path, &wish->wish, now_us)) {
		wait_for_turn(path, wish, now_us);
		return;
	}
	r = path_start(path, &claim);
	if (r == -EBUSY) {
		wait_for_turn(path, wish, now_us);
		return;
	}
	if (r < 0) {
		answer(path, wish, 0, now_us);
		return;
	}
	path->load.claimed_bits += claim.rate_bps * claim.duration_us / US_PER_S;
	wish->state = WISH_CLAIMING;
	wish->claimed_us = now_us;
	wish->left_share =
		(double)(path->available_bps - more_bps(&wish->wish)) / (double)path->capacity.bps;
	wish->turn_us = now_us + claim_us(path) + SETTLE_US;
}

/*
 * Whether the path was no busier than with the claim alone, and nobody had to wait for long. Where the claim alone would
 * take nearly all, only waiting shows another one.
 */
static bool was_there_room(const struct path *path, const struct wish *wish, uint64_t now_us)
{
	uint64_t packet_ns = path_packet_ns(path);
	double limit_ns = ROOM_PACKETS * (double)packet_ns;
	double left = wish->left_share;
	struct spare_view view;

	if (limit_ns < ROOM_MIN_NS)
		limit_ns = ROOM_MIN_NS;
	if (!spare_look(&path->spare, (now_us - wish->claimed_us - CLAIM_BEGINS_US) * NS_PER_US,
			packet_ns, now_us * NS_PER_US, &view))
		return false;
	return view.lost == 0 && view.waited_mean_ns < limit_ns &&
	       (left < LEFT_MIN || view.idle >= left / LEFT_DOUBT);
}

static void end_claim(struct path *path, struct wish *wish, uint64_t now_us)
{
	path_stop(path, PATH_CLAIM);
	if (was_there_room(path, wish, now_us))
		answer(path, wish, 0, now_us);
	else
		wait_for_turn(path, wish, now_us);
}

static void tick_wish(struct path *path, struct wish *wish, uint64_t now_us)
{
	if (path->support == SUPPORT_NO) {
		answer(path, wish, -EOPNOTSUPP, now_us);
		return;
	}
	if (wish->state == WISH_CLAIMING) {
		if (now_us >= wish->turn_us)
			end_claim(path, wish, now_us);
		return;
	}
	if (now_us >= last_turn_us(path, wish))
		answer(path, wish, refusal(path), now_us);
	else if (now_us >= wish->turn_us && !path->running[PATH_CLAIM])
		begin_claim(path, wish, now_us);
}

void path_admit_tick(struct path *path, uint64_t now_us)
{
	struct wish *wish, *next;

	DL_FOREACH_SAFE(path->wishes, wish, next)
		tick_wish(path, wish, now_us);
}

uint64_t path_admit_deadline_us(const struct path *path)
{
	uint64_t deadline_us = UINT64_MAX;
	const struct wish *wish;

	DL_FOREACH(path->wishes, wish) {
		/* Not before the claim of another one has ended. */
		if (wish->state == WISH_CLAIMING || !path->running[PATH_CLAIM])
			deadline_us = path_earlier(deadline_us, wish->turn_us);
		if (wish->state == WISH_WAITING)
			deadline_us = path_earlier(deadline_us, last_turn_us(path, wish));
	}
	return deadline_us;
}

void path_admit_end(struct path *path, int status)
{
	struct wish *wish, *next;

	DL_FOREACH_SAFE(path->wishes, wish, next)
		answer(path, wish, status, 0);
}

int path_admit(struct path *path, const struct path_wish *wish, uint64_t now_us)
{
	struct wish *new;

	if (!path->config.on_link || path->support == SUPPORT_NO)
		return -EOPNOTSUPP;
	if (more_bps(wish) == 0)
		return 0;
	if (path->capacity.bps > 0 && wish->wanted_bps > path->capacity.bps)
		return refusal(path);
	/* What is known to be too much need not wait, nor be claimed. */
	if (path->available_known && !fits(path, wish, now_us))
		return refusal(path);
	if (path->n_wishes >= WISHES_MAX)
		return -EBUSY;
	new = calloc(1, sizeof(*new));
	if (!new)
		return -ENOMEM;
	new->wish = *wish;
	new->ends_us = now_us + WISH_US;
	wait_for_turn(path, new, now_us);
	DL_APPEND(path->wishes, new);
	path->n_wishes++;
	return -EINPROGRESS;
}

void path_cancel(struct path *path, const void *wish_data)
{
	struct wish *wish, *next;

	DL_FOREACH_SAFE(path->wishes, wish, next) {
		if (wish->wish.data != wish_data)
			continue;
		if (wish->state == WISH_CLAIMING)
			path_stop(path, PATH_CLAIM);
		DL_DELETE(path->wishes, wish);
		path->n_wishes--;
		free(wish);
	}
}
