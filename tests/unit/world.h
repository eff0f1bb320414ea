/* SPDX-License-Identifier: MIT */
/*
 * world.h: an engine in a world of its own for tests: a fake datapath, a clock that stands still, a
 * route that is what the test says, and a record of what owners were told.
 */
#ifndef GW_TESTS_WORLD_H
#define GW_TESTS_WORLD_H

#include "engine/engine.h"
#include "fake_datapath.h"

#define WORLD_RECORDS 4096

#define UID_ROOT 0
#define UID_USER 1000
#define UID_OTHER 1001
#define UID_OPERATOR 500 /* not root, but the host counts it among the administrators */

struct world_completion {
	const struct owner *owner;
	uint64_t token; /* or the number of the request */
	bool is_request;
	int status;
	bool granted;
	bool has_path;
	struct gw_path_info path;
};

struct world_event {
	const struct owner *owner;
	struct engine_flow_event event;
	size_t n_marks; /* that stood when it was told */
};

struct world {
	struct engine *engine;
	struct fake_datapath datapath;
	uint64_t now_us;

	int route_error;
	bool on_link;
	uint32_t ifindex; /* that all routes lead through; 0: that which the last byte of the address says */
	unsigned routes_asked;
	bool descriptors; /* requests bring them: number 1000 + cookie */

	int group_error;
	uint64_t last_group;
	uint64_t ended_groups[64];
	size_t n_ended_groups;

	struct world_completion completions[WORLD_RECORDS];
	size_t n_completions;
	struct world_event events[WORLD_RECORDS];
	size_t n_events;
};

/* One world at a time. `config` NULL: the defaults. */
struct world *world_new(const struct engine_config *config);

/* The same with another fake_datapath_ops_... */
struct world *world_new_with(const struct engine_config *config, const struct datapath_ops *ops);

/* Frees it; everything that the engine held must be gone from the datapath. */
void world_free(struct world *world);

/* All owners go, and nothing is left of what they had: the usual end of a test. */
void world_end(struct world *world);

/* Turns the clock. */
void world_pass(struct world *world, uint64_t us);

struct owner *world_owner(struct world *world, uint32_t uid);

/* The owner goes, and all that it had. */
void world_remove_owner(struct world *world, struct owner *owner);

/* A UDP socket without peer. The cookie is its name. */
struct engine_socket world_socket(uint64_t cookie);
struct engine_socket world_connected_socket(uint64_t cookie, const struct address *peer);

struct address world_address(const char *host, uint16_t port);

/* Adds to a new flow; returns its identifier. Fails the test if that fails. */
uint32_t world_add(struct world *world, struct owner *owner, uint64_t cookie,
		   const struct address *destination, enum gw_class traffic_class, uint32_t flags);
void world_attach(struct world *world, struct owner *owner, uint32_t id, uint64_t cookie,
		  const struct address *destination);

/* How often the owner was told of a flow's end (event type), or a request's (token). */
size_t world_events_of(const struct world *world, const struct owner *owner,
		       enum gw_event_type type, uint32_t flow_id);
size_t world_completions_of(const struct world *world, uint64_t token, int status);
void world_forget(struct world *world); /* what was told so far */

/*
 * Checks the engine's books against each other and against the datapath: in each slot stands the
 * newest flow that claims it, and nothing else stands anywhere; each flow in force that needs a
 * meter has it, and what is booked of links is the sum of what is reserved.
 */
void world_check(const struct world *world);

/* No flow, entry, socket, path, request or mark is left; owners may be. */
void world_check_empty(const struct world *world);

#endif
