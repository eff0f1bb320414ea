/* SPDX-License-Identifier: MIT */
/*
 * scenario.h: a random network in which senders and receivers come and go and things go wrong, all from one seed.
 * What there may be of each is in the plan; the rest is chance.
 */
#ifndef GW_SIM_SCENARIO_H
#define GW_SIM_SCENARIO_H

#include "net.h"
#include "topology.h"

/* Kinds of things that happen, and how often beside each other. */
enum deed {
	DEED_SEND,    /* a sender comes, or sends something else */
	DEED_STOP,    /* a sender goes */
	DEED_RESERVE, /* a receiver comes, or wants something else */
	DEED_RELEASE, /* a receiver goes */
	DEED_CRASH,   /* of a host or a router; it comes back later */
	DEED_RETURN,
	DEED_RESTART, /* of what speaks RSVP there */
	DEED_CUT,     /* a link */
	DEED_MEND,
	DEED_COST, /* of a link changes, and routes with it */
	DEED_COUNT
};

/* Who reduces refreshes (RFC 2961). */
enum scenario_reduction { SCENARIO_PLAIN, SCENARIO_MIXED, SCENARIO_REDUCED };

#define SCENARIO_SESSIONS_MAX 1024
#define SCENARIO_HOSTS_MAX 512

struct scenario_plan {
	uint32_t weights[DEED_COUNT];
	uint32_t routers_min, routers_max, hosts_min, hosts_max, sessions_min, sessions_max;
	double loss, duplicate, reorder; /* at most, while things happen */
	double plain, two_homes;	 /* at most */
	double multicast;		 /* share of sessions */
	double crashed_apps;   /* share of applications that do not come back with their host */
	uint32_t refresh_ms;   /* 0: chance */
	enum rsvp_style style; /* NONE: chance */
	enum scenario_reduction reduction;
	double udp_only; /* share of the hosts that have nothing but UDP */
	bool keyed;	 /* messages are signed, and half of the time nodes challenge each other */
	double room;	 /* bytes/s on each link; 0: everything fits */
	unsigned shapes; /* mask of those there may be; 0: all */
};

extern const struct scenario_plan scenario_plan_default;

/* One session, and its application on each host. */
struct scenario_session {
	struct rsvp_session session;
	bool multicast;
	enum rsvp_style style;
	enum flowspec_service service;
	uint16_t family;
	uint32_t receiver;     /* unicast: host */
	struct net_app **apps; /* of each host; NULL: none */
};

struct scenario {
	struct scenario_plan plan;
	struct net *net;
	struct topology topology;
	struct dice dice;
	uint32_t n_sessions;
	struct scenario_session *sessions;
	uint64_t refresh_us;
	bool judges_seldom; /* the books: not after every deed, but after some */
};

struct scenario *scenario_new(uint64_t seed, const struct scenario_plan *plan);
struct scenario *scenario_free(struct scenario *scenario);

/* So many things happen, on average one in `every_us`, with what goes wrong on links. False: the books are wrong. */
bool scenario_storm(struct scenario *scenario, unsigned deeds, uint64_t every_us);
/* Everything works again, and settles. */
void scenario_calm(struct scenario *scenario);
/* Everybody goes: some take leave, some do not; then it is quiet. */
void scenario_end(struct scenario *scenario);

struct rsvp_tspec scenario_tspec(struct dice *dice);
struct rsvp_flowspec scenario_flowspec(struct dice *dice, enum flowspec_service service);
/* The sender that a host is, if it sends. */
struct rsvp_sender scenario_sender(const struct scenario *scenario,
				   const struct scenario_session *session, uint32_t host);

#endif
