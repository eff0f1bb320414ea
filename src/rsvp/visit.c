/* SPDX-License-Identifier: MIT */
/* visit.c: what the node has, for those who look, and what it has counted. */
#include "rsvp/internal.h"

/* One on its way through the records of a session, or through the neighbours: the first ones are known already. */
struct walk {
	const struct rsvp *rsvp;
	const struct rsvp_visitor *visitor;
	void *user_data;
	uint64_t skip, index; /* index: of the record at hand */
};

static bool is_known(struct walk *walk)
{
	if (walk->index >= walk->skip)
		return false;
	walk->index++;
	return true;
}

/* What was not taken is at hand again the next time. */
static int taken(struct walk *walk, int r)
{
	walk->index += r == 0;
	return r;
}

static int visit_sender(struct walk *walk, const struct sender *sender)
{
	const struct path *path;
	int r;

	LL_FOREACH(sender->paths, path) {
		struct rsvp_sender_info info = {
			.session = sender->key.session->key,
			.sender = sender->key.sender,
			.tspec = path->tspec.tspec,
			.previous_hop = path->up->hop,
			.in_ifindex = path->in_ifindex,
			.local = path->up->app,
			.non_rsvp_hop = path->non_rsvp,
			.expires_us = path->up->app ? UINT64_MAX : path->cleanup.wheel.due_us,
		};

		if (is_known(walk))
			continue;
		r = taken(walk, walk->visitor->sender(walk->user_data, &info));
		if (r != 0)
			return r;
	}
	return 0;
}

static bool is_blockaded(const struct resv *resv)
{
	const struct session *session = resv->install->session;
	const struct up *up;

	for (uint32_t i = 0; i < resv->n_filters; i++) {
		if (rsvp_blockades(resv->filters[i].sender->blockade, &resv->install->flowspec))
			return true;
	}
	if (resv->filters)
		return false;
	DL_FOREACH(session->ups, up) {
		if (rsvp_blockades(up->blockade, &resv->install->flowspec))
			return true;
	}
	return false;
}

static int visit_resv(struct walk *walk, const struct resv *resv)
{
	const struct install *install = resv->install;
	const struct interface *interface =
		install->local ? NULL : rsvp_interface_find(walk->rsvp, install->ifindex);
	struct rsvp_sender senders[FLOWS_MAX];
	struct rsvp_reservation_info info = {
		.session = install->session->key,
		.style = install->session->style,
		.flowspec = resv->flowspec,
		.next_hop = resv->hop,
		.out_ifindex = install->local ? 0 : install->ifindex,
		.installed = install->handle != 0,
		.enforced = install->handle != 0 && interface && interface->info.enforced,
		.blockaded = is_blockaded(resv),
		.senders = senders,
		.expires_us = resv->app ? UINT64_MAX : resv->cleanup.wheel.due_us,
	};

	for (; info.n_senders < resv->n_filters && info.n_senders < FLOWS_MAX; info.n_senders++)
		senders[info.n_senders] = resv->filters[info.n_senders].sender->key.sender;
	return taken(walk, walk->visitor->reservation(walk->user_data, &info));
}

static int visit_installs(struct walk *walk, const struct install *installs)
{
	const struct install *install;
	const struct resv *resv;
	int r;

	DL_FOREACH(installs, install) {
		DL_FOREACH(install->resvs, resv) {
			if (is_known(walk))
				continue;
			r = visit_resv(walk, resv);
			if (r != 0)
				return r;
		}
	}
	return 0;
}

static int visit_session(struct walk *walk, const struct session *session)
{
	const struct sender *sender;
	int r = 0;

	DL_FOREACH(session->senders, sender) {
		if (walk->visitor->sender)
			r = visit_sender(walk, sender);
		if (r == 0 && walk->visitor->reservation)
			r = visit_installs(walk, sender->installs);
		if (r != 0)
			return r;
	}
	return walk->visitor->reservation ? visit_installs(walk, session->installs) : 0;
}

static int visit_neighbours(struct walk *walk)
{
	const struct neighbour *neighbour;
	int r;

	for (neighbour = walk->rsvp->neighbours; neighbour; neighbour = neighbour->hh.next) {
		struct rsvp_neighbour_info info = {
			.address = neighbour->key.address,
			.ifindex = neighbour->key.ifindex,
			.reduces_refreshes = rsvp_may_reduce(walk->rsvp, neighbour),
			.udp = neighbour->udp,
			.authenticated = neighbour->authenticated,
			.received = neighbour->received,
			.sent = neighbour->sent,
			.dropped = neighbour->dropped,
		};

		if (is_known(walk))
			continue;
		r = taken(walk, walk->visitor->neighbour(walk->user_data, &info));
		if (r != 0)
			return r;
	}
	return 0;
}

/* A position: the slot of a session and the record in it; behind all slots, the neighbour. */
#define INDEX_BITS 24
#define INDEX_MASK ((UINT64_C(1) << INDEX_BITS) - 1)
#define AT_NEIGHBOURS (UINT64_C(1) << 60)

static int visit_sessions(struct walk *walk, uint64_t *position)
{
	const struct slots *slots = &walk->rsvp->slots;
	int r;

	for (uint64_t slot = *position >> INDEX_BITS; slot < slots->n; slot++) {
		if (!slots->at[slot])
			continue;
		walk->index = 0;
		walk->skip = slot == *position >> INDEX_BITS ? *position & INDEX_MASK : 0;
		r = visit_session(walk, slots->at[slot]);
		if (r != 0) {
			*position = slot << INDEX_BITS | walk->index;
			return r;
		}
	}
	*position = AT_NEIGHBOURS;
	return 0;
}

int rsvp_visit(const struct rsvp *rsvp, const struct rsvp_visitor *visitor, uint64_t *position,
	       void *user_data)
{
	struct walk walk = { .rsvp = rsvp, .visitor = visitor, .user_data = user_data };
	int r = 0;

	if (*position < AT_NEIGHBOURS && (visitor->sender || visitor->reservation))
		r = visit_sessions(&walk, position);
	if (r != 0 || !visitor->neighbour)
		return r;
	walk.index = 0;
	walk.skip = *position >= AT_NEIGHBOURS ? *position - AT_NEIGHBOURS : 0;
	r = visit_neighbours(&walk);
	*position = AT_NEIGHBOURS + walk.index;
	return r;
}

const char *rsvp_counter_name(enum rsvp_counter counter)
{
	static const char *const names[RSVP_COUNT_COUNT] = {
		[RSVP_COUNT_RECEIVED] = "received",
		[RSVP_COUNT_SENT] = "sent",
		[RSVP_COUNT_FORWARDED] = "forwarded",
		[RSVP_COUNT_BAD_CHECKSUM] = "bad-checksum",
		[RSVP_COUNT_BAD_VERSION] = "bad-version",
		[RSVP_COUNT_BAD_LENGTH] = "bad-length",
		[RSVP_COUNT_BAD_TYPE] = "bad-type",
		[RSVP_COUNT_BAD_OBJECT] = "bad-object",
		[RSVP_COUNT_UNKNOWN_OBJECT] = "unknown-object",
		[RSVP_COUNT_BAD_HOP] = "bad-hop",
		[RSVP_COUNT_BAD_PORTS] = "bad-ports",
		[RSVP_COUNT_NO_STATE] = "no-state",
		[RSVP_COUNT_BAD_INTEGRITY] = "bad-integrity",
		[RSVP_COUNT_REPLAYED] = "replayed",
		[RSVP_COUNT_OUT_OF_ORDER] = "out-of-order",
		[RSVP_COUNT_LIMITED] = "limited",
		[RSVP_COUNT_DISABLED] = "disabled",
		[RSVP_COUNT_TIMEOUTS_PATH] = "path-timeouts",
		[RSVP_COUNT_TIMEOUTS_RESV] = "resv-timeouts",
		[RSVP_COUNT_RETRANSMITTED] = "retransmitted",
		[RSVP_COUNT_UNKNOWN_ID] = "unknown-id",
		[RSVP_COUNT_EXPIRED_KEY] = "expired-key",
		[RSVP_COUNT_CHALLENGED] = "challenged",
	};

	return counter < RSVP_COUNT_COUNT ? names[counter] : NULL;
}

uint64_t rsvp_count(const struct rsvp *rsvp, enum rsvp_counter counter)
{
	return counter < RSVP_COUNT_COUNT ? rsvp->counts[counter] : 0;
}

uint64_t rsvp_count_type(const struct rsvp *rsvp, uint8_t message_type, bool sent)
{
	return message_type < 32 ? rsvp->types[sent][message_type] : 0;
}

struct rsvp_sizes rsvp_sizes(const struct rsvp *rsvp)
{
	return rsvp->sizes;
}
