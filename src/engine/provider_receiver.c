/* SPDX-License-Identifier: MIT */
/*
 * provider_receiver.c: what a part receives: it hears of senders, and reserves for those that it wants (spec/gqos.md
 * §8.2). Nothing is reserved before Path has come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/provider_internal.h"

/* ---- what is wanted ---- */

static bool receives(const struct part *part)
{
	return (part->directions & DIRECTION_RECEIVE) && !(part->qsock->shut & DIRECTION_RECEIVE) &&
	       qsock_can_signal(part->qsock);
}

static bool is_asked(const struct receiving *receiving)
{
	return receiving && service_is_signalled(receiving->direction.service);
}

static bool hears(const struct part *part, const struct receiving *receiving)
{
	return receives(part) && (is_asked(receiving) || part->qsock->hears);
}

static bool reserves(const struct part *part, const struct receiving *receiving)
{
	return receives(part) && is_asked(receiving) &&
	       !(receiving->direction.flags & GW_QOS_NO_SIGNALLING);
}

bool part_hears(const struct part *part)
{
	return hears(part, part->receiving);
}

/* A connected socket receives from its peer alone. */
bool part_matches(const struct part *part, const struct heard *heard)
{
	const struct address *peer = &part->qsock->socket.peer;

	return part->kind != PART_LOCAL || peer->family == AF_UNSPEC ||
	       (peer->family == heard->address.family && peer->port == heard->address.port &&
		memcmp(peer->addr, heard->address.addr, sizeof(peer->addr)) == 0);
}

/* ---- reserving ---- */

static int ask(struct part *part, const struct gw_rsvp_request *request)
{
	struct provider *provider = part->qsock->provider;
	const struct signalling *signalling = provider->signalling;

	return signalling->reserve(signalling->user_data, part_owner(part), part->session, request,
				   provider->now_us);
}

/* What is kept is compared with later wishes; what it pointed to belongs to what was asked. */
static void wish_put(struct part *part, struct wish *wish)
{
	free(part->wish);
	part->wish = wish;
	if (!wish)
		return;
	wish->request.policy = NULL;
	wish->request.policy_len = 0;
}

static void withdraw(struct part *part)
{
	if (!part->wish)
		return;
	wish_put(part, NULL);
	ask(part, NULL);
}

/* Reserves what is wanted of those that are heard now. `again`: also if it is the same as before. */
static int fulfil(struct part *part, bool again, struct wish_refusal *ret_refusal)
{
	struct wish *wish;
	int r;

	r = wish_make(part, &wish, ret_refusal);
	if (r < 0)
		return r;
	if (!wish) {
		withdraw(part);
		return 0;
	}
	if (!again && part->wish && wish_equal(wish, part->wish)) {
		free(wish);
		return 0;
	}
	r = ask(part, &wish->request);
	if (r < 0) {
		free(wish);
		return r;
	}
	wish_put(part, wish);
	return 0;
}

/* Nobody waits for an answer: it is an event. */
static void tell_refusal(const struct part *part, const struct wish_refusal *refusal, int error)
{
	if (refusal->error_code != 0)
		tell_error(part, GW_EVENT_RSVP_RESV_ERROR, refusal->error_code,
			   refusal->error_value);
	else if (error == -EBUSY) /* others of this host have another style */
		tell_error(part, GW_EVENT_RSVP_RESV_ERROR, ERROR_STYLE, 0);
	else
		tell_error(part, GW_EVENT_RSVP_RESV_ERROR, ERROR_SYSTEM, 0);
}

void receiver_run(struct part *part)
{
	struct wish_refusal refusal;
	int r;

	if (part->session == 0 || !reserves(part, part->receiving))
		return;
	r = fulfil(part, false, &refusal);
	if (r < 0)
		tell_refusal(part, &refusal, r);
}

void receiver_due(struct part *part)
{
	if (part->due)
		return;
	part->due = true;
	DL_APPEND2(part->qsock->provider->due, part, due_prev, due_next);
}

/* ---- the two steps ---- */

/* That no rate is great enough is the network's answer, not a mistake in the question (§5.3). */
static bool is_answer(const struct wish_refusal *refusal)
{
	return refusal->error_code == ERROR_ADMISSION;
}

/* Those who were heard while nobody asked for them are told now. */
static void tell_all(struct part *part)
{
	struct heard *heard;

	DL_FOREACH(part->heard, heard) {
		if (!heard->told && part_matches(part, heard))
			tell_heard(part, heard);
	}
}

static bool has_policy(const struct receiving *receiving)
{
	return receiving && receiving->policy_len > 0;
}

/* A confirmation is asked for once each time that the program asks (§10). */
static int begin_reserving(struct part *part, const struct receiving *before)
{
	const struct receiving *receiving = part->receiving;
	bool asked_anew = receiving != before, again;
	struct wish_refusal refusal;
	int r;

	if (asked_anew)
		part->confirming = receiving->confirm;
	again = receiving->confirm || has_policy(receiving) || has_policy(before);
	r = fulfil(part, asked_anew && again, &refusal);
	if (r < 0 && is_answer(&refusal)) {
		tell_refusal(part, &refusal, r);
		return 0;
	}
	return r;
}

int receiver_begin(struct part *part, struct receiving *receiving)
{
	struct receiving *before = part->receiving;
	bool confirming = part->confirming;
	bool opened = false;
	int r = 0;

	part->receiving = receiving; /* already when it is told who is there */
	if (hears(part, receiving) && part->session == 0) {
		r = part_open(part);
		opened = r == 0;
	}
	/* Who only listens does without. */
	if (r < 0 && !reserves(part, receiving))
		r = 0;
	if (r == 0 && part->session != 0 && reserves(part, receiving))
		r = begin_reserving(part, before);
	if (r < 0) {
		part->receiving = before;
		part->confirming = confirming;
		if (opened)
			part_close(part);
		return r;
	}
	receiving_ref(receiving);
	receiving_unref(before);
	if (part->session != 0 && hears(part, receiving))
		tell_all(part);
	return 0;
}

void receiver_settle(struct part *part)
{
	struct heard *heard;

	if (!reserves(part, part->receiving))
		part->confirming = false;
	if (part->session != 0 && !part_hears(part) && !part->sent) {
		part_close(part);
		return;
	}
	if (!reserves(part, part->receiving))
		withdraw(part);
	if (part_hears(part))
		return;
	/* The session goes on for what is sent. Who wants to receive again is told as if it were new (§16.6). */
	DL_FOREACH(part->heard, heard)
		heard->told = false;
}

void receiver_forget(struct part *part)
{
	wish_put(part, NULL);
	heard_forget(part);
}
