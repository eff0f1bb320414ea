/* SPDX-License-Identifier: MIT */
/*
 * reduce.h: refresh reduction (RFC 2961, spec/rsvp.md §12): what state blocks and neighbours keep for it, and what
 * the files of the node ask of each other. Only for internal.h.
 *
 * State that this node advertises (an out: Path, an up: Resv) is in one of three conditions:
 *
 *   plain      its messages have no MESSAGE_ID: it is repeated and refreshed as RFC 2205 says
 *   sent       its message had a MESSAGE_ID and no acknowledgement has come: it is sent again soon, then each R
 *   summary    the neighbour has acknowledged it: Srefresh mentions its identifier each R, and only from time to
 *              time it goes out in full
 *
 * State that a neighbour has advertised with a MESSAGE_ID is found by neighbour and identifier in constant time.
 */
#ifndef GW_RSVP_REDUCE_H
#define GW_RSVP_REDUCE_H

#include "core/wheel.h"
#include "rsvp/message.h"
#include "rsvp/writer.h"

struct neighbour;
struct rsvp;

#define RSVP_EPOCH_MASK 0xffffffu

/* ---- by neighbour and identifier ---- */

enum id_kind {
	ID_OUT = 1, /* of an advert */
	ID_UP,
	ID_PATH, /* of what a neighbour has advertised */
	ID_RESV,
};

struct id_link {
	struct id_link *next;
	struct neighbour *neighbour; /* NULL: it is in no map */
	uint32_t id;
	uint32_t epoch : 24, kind : 8;
};

struct id_map {
	struct id_link **buckets;
	uint32_t n_buckets, count;
};

/* -ENOMEM: it is in no map then. One that is in the map moves. */
int id_map_put(struct rsvp *rsvp, struct id_map *map, struct id_link *link,
	       struct neighbour *neighbour, enum id_kind kind, uint32_t epoch, uint32_t id);
/* Idempotent. */
void id_map_remove(struct rsvp *rsvp, struct id_map *map, struct id_link *link);
/* The first of that neighbour, epoch and identifier (`after` NULL), or the next. */
struct id_link *id_map_find(const struct rsvp *rsvp, const struct id_map *map,
			    const struct neighbour *neighbour, uint32_t epoch, uint32_t id,
			    const struct id_link *after);
/* Nothing is in it any more. */
void id_map_clear(struct rsvp *rsvp, struct id_map *map);
void id_map_free(struct id_map *map);

/* ---- what is advertised ---- */

enum advert_condition { ADVERT_PLAIN, ADVERT_SENT, ADVERT_SUMMARY };

struct advert {
	struct id_link link;
	struct advert *prev,
		*next; /* summary: of the neighbour, the one longest not mentioned first */
	uint8_t condition;
};

/* ---- what is kept of a neighbour that does refresh reduction ---- */

#define OWED_MAX 96 /* a message of them fits into every MTU */

struct owed {
	uint32_t id;
	uint32_t epoch : 24, ctype : 8;
};

struct reduction {
	struct neighbour *neighbour;
	struct advert *adverts; /* summary */
	uint32_t n_adverts;
	uint32_t n_stale;	 /* first ones of them: the neighbour knows another R of them */
	uint32_t refresh_ms;	 /* R that it knows */
	uint32_t epoch, largest; /* of its identifiers */
	bool heard;		 /* these are known */
	struct timer srefresh, ack;
	uint64_t resend_us; /* when the next state that it does not know may go out in full */
	unsigned n_owed;
	struct owed owed[OWED_MAX];
};

/* Messages to one neighbour that leave together. */
#define BUNDLE_MAX 4096

struct bundle {
	struct rsvp_packet first; /* how it leaves if it stays the only one */
	struct address neighbour, source;
	uint32_t ifindex;
	unsigned n;
	size_t len, capacity;
	uint8_t buf[BUNDLE_MAX];
};

#endif
