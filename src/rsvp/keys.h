/* SPDX-License-Identifier: MIT */
/*
 * keys.h: the keys of a node, and whom it has heard with each of them (RFC 2747, spec/rsvp.md §13). What it does
 * with them is in keys.c and challenge.c. Only for internal.h.
 */
#ifndef GW_RSVP_KEYS_H
#define GW_RSVP_KEYS_H

#include "rsvp/integrity.h"

/* Who has sent something authentic with the key. */
struct peer {
	struct {
		struct address address;
		uint32_t ifindex;
	} key;
	struct key *with;
	struct rsvp_replay replay;
	struct rsvp_handshake handshake;
	struct timer timer; /* asked: no Response has come */
	UT_hash_handle hh;
};

struct key {
	struct rsvp_key info;
	uint64_t sequence; /* of the last message that was signed with it */
	struct peer *peers;
	struct key *prev, *next;
};

/* Challenges that are answered: anybody can send one. */
struct challenge_limit {
	uint64_t since_us;
	unsigned n;
};

#endif
