/* SPDX-License-Identifier: MIT */
/*
 * srefresh.c: summary refreshes, both ways (spec/rsvp.md §12; RFC 2961 §5). Of what a neighbour has acknowledged,
 * every identifier goes out within R, as many in one message as one MTU holds, and the messages evenly over R.
 */
#include "rsvp/internal.h"

#include <utlist.h>

/* ---- leaving ---- */

#define IDS_MAX 512

/* Addresses of IP, UDP, headers, a MESSAGE_ID, and INTEGRITY with the longest digest. */
#define OVERHEAD (40u + 8u + RSVP_HEADER_LEN + 8u + 12u + 20u + RSVP_DIGEST_MAX)
#define MTU_MIN 576u

static unsigned ids_per_message(const struct interface *interface)
{
	uint32_t mtu = interface && interface->info.mtu > MTU_MIN ? interface->info.mtu : MTU_MIN;
	uint32_t n = (mtu - OVERHEAD) / 4;

	return n < IDS_MAX ? n : IDS_MAX;
}

static uint32_t refresh_on(const struct rsvp *rsvp, const struct reduction *reduction)
{
	const struct interface *interface =
		rsvp_interface_find(rsvp, reduction->neighbour->key.ifindex);

	return interface ? interface->refresh_ms : 30000;
}

/* All of it goes round once in [R/2, R], R being what the neighbour knows. */
static uint64_t interval_us(struct rsvp *rsvp, const struct reduction *reduction)
{
	const struct interface *interface =
		rsvp_interface_find(rsvp, reduction->neighbour->key.ifindex);
	uint32_t refresh_ms = reduction->refresh_ms;
	unsigned each = ids_per_message(interface);
	uint64_t round_us;

	if (interface && interface->refresh_ms < refresh_ms)
		refresh_ms = interface->refresh_ms;
	round_us = refresh_ms * US_PER_MS / 4 + rsvp_jitter_us(rsvp, refresh_ms) / 2;
	return round_us / ((reduction->n_adverts + each - 1) / each);
}

bool rsvp_srefresh_add(struct rsvp *rsvp, struct advert *advert)
{
	struct reduction *reduction = rsvp_reduction_get(advert->link.neighbour);
	uint64_t after_us;

	if (!reduction)
		return false;
	if (reduction->n_adverts == 0)
		reduction->refresh_ms = refresh_on(rsvp, reduction);
	DL_APPEND(reduction->adverts, advert);
	reduction->n_adverts++;
	after_us = interval_us(rsvp, reduction);
	if (!wheel_is_set(&reduction->srefresh.wheel) ||
	    reduction->srefresh.wheel.due_us > rsvp->now_us + after_us)
		rsvp_set_timer(rsvp, &reduction->srefresh, TIMER_SREFRESH, after_us);
	return true;
}

void rsvp_srefresh_remove(struct rsvp *rsvp, struct advert *advert)
{
	struct reduction *reduction = advert->link.neighbour->reduction;

	DL_DELETE(reduction->adverts, advert);
	if (--reduction->n_adverts == 0)
		rsvp_stop_timer(rsvp, &reduction->srefresh);
	if (reduction->n_stale > reduction->n_adverts)
		reduction->n_stale = reduction->n_adverts;
}

/* The next ones, which become the last. */
static unsigned take(struct reduction *reduction, unsigned most, struct rsvp_listed_id *ids)
{
	unsigned n = 0;

	while (n < most && n < reduction->n_adverts) {
		struct advert *advert = reduction->adverts;

		DL_DELETE(reduction->adverts, advert);
		DL_APPEND(reduction->adverts, advert);
		ids[n++].id = advert->link.id;
	}
	return n;
}

/* The answer to it shows that the neighbour is there: it has nothing to refresh itself where nobody reserves. */
static void send_some(struct rsvp *rsvp, struct reduction *reduction,
		      const struct interface *interface)
{
	const struct neighbour *neighbour = reduction->neighbour;
	struct rsvp_message_id own = { rsvp->epoch, ++rsvp->last_id, RSVP_ID_ACK_DESIRED };
	struct rsvp_listed_id ids[IDS_MAX];
	struct rsvp_writer writer;
	unsigned n = take(reduction, ids_per_message(interface), ids);

	rsvp_begin(rsvp, &writer, RSVP_SREFRESH, rsvp->config.hop_ttl);
	rsvp_put_message_id(&writer, &own);
	rsvp_put_id_list(&writer, RSVP_LIST_IDS, rsvp->epoch, ids, n);
	rsvp_send_to_hop(rsvp, &writer, neighbour->key.ifindex, &neighbour->key.address, NULL);
}

/* Refreshes in full, soon but not all at once. */
static void dismiss_some(struct rsvp *rsvp, struct reduction *reduction,
			 const struct interface *interface)
{
	unsigned n = ids_per_message(interface);

	while (n-- > 0 && reduction->adverts) {
		if (reduction->n_stale > 0)
			reduction->n_stale--;
		rsvp_advert_dismiss(rsvp, reduction->adverts,
				    rsvp_jitter_us(rsvp, reduction->refresh_ms) / 4);
	}
}

/* With another R everything is something new, as of the next time that it goes out. */
static void follow_refresh(struct rsvp *rsvp, struct reduction *reduction)
{
	uint32_t refresh_ms = refresh_on(rsvp, reduction);

	if (reduction->refresh_ms == refresh_ms || reduction->n_stale > 0)
		return;
	reduction->refresh_ms = refresh_ms;
	reduction->n_stale = reduction->n_adverts;
}

void rsvp_srefresh_due(struct rsvp *rsvp, struct reduction *reduction)
{
	struct neighbour *neighbour = reduction->neighbour;
	const struct interface *interface = rsvp_interface_usable(rsvp, neighbour->key.ifindex);
	bool silent = interface && rsvp->now_us - neighbour->credit_us >
					   rsvp_lifetime_us(interface, interface->refresh_ms);

	/* It has stopped to answer, or to announce that it can. */
	if (silent)
		neighbour->reduces = false;
	follow_refresh(rsvp, reduction);
	if (reduction->n_stale > 0 || !rsvp_may_reduce(rsvp, neighbour))
		dismiss_some(rsvp, reduction, interface);
	else
		send_some(rsvp, reduction, interface);
	if (reduction->n_adverts > 0)
		rsvp_set_timer(rsvp, &reduction->srefresh, TIMER_SREFRESH,
			       interval_us(rsvp, reduction));
}

/* ---- arriving ---- */

/* A longer list is more than one MTU, and no more than this of it is answered. */
#define NACKS_MAX 2048

struct hearing {
	struct rsvp *rsvp;
	const struct rsvp_arrival *arrival;
	struct neighbour *neighbour;
	uint32_t epoch;
	unsigned n_nacks;
};

/* False: what the identifier stands for is not known, or not all of it is as it was. */
static bool refresh(struct hearing *hearing, uint32_t id)
{
	struct rsvp *rsvp = hearing->rsvp;
	struct id_link *link = NULL;
	bool any = false, all = true;

	while ((link = id_map_find(rsvp, &rsvp->heard_ids, hearing->neighbour, hearing->epoch, id,
				   link))) {
		any = true;
		if (link->kind == ID_PATH)
			all &= rsvp_path_touch(rsvp, CONTAINER(link, struct path, heard));
		else
			all &= rsvp_resv_touch(rsvp, CONTAINER(link, struct resv, heard));
	}
	return any && all;
}

/* Of a list for many: only who would forward the data has to know the sender. */
static bool would_forward(const struct hearing *hearing, const struct rsvp_listed_id *id)
{
	const struct address *group =
		id->group.family != AF_UNSPEC ? &id->group : &hearing->arrival->destination;
	struct rsvp *rsvp = hearing->rsvp;
	struct rsvp_route route = { 0 };
	static const struct address none;

	if (id->source.family == AF_UNSPEC)
		return true;
	if (rsvp->ports.route(rsvp->ports.user_data, group,
			      address_is_multicast(group) ? &id->source : &none, &route) < 0)
		return false;
	if (route.in_ifindex != 0 && route.in_ifindex != hearing->arrival->ifindex)
		return false;
	return route.n_out > 0 || route.local;
}

static void hear_list(struct hearing *hearing, const struct rsvp_object *object)
{
	unsigned n = rsvp_id_list_count(object);
	struct rsvp_listed_id id;

	if (rsvp_check_id_list(object, &hearing->epoch) < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		rsvp_id_list_get(object, i, &id);
		if (refresh(hearing, id.id) || hearing->n_nacks >= NACKS_MAX ||
		    !would_forward(hearing, &id))
			continue;
		hearing->n_nacks++;
		rsvp_count_one(hearing->rsvp, RSVP_COUNT_UNKNOWN_ID);
		rsvp_ack_owe(hearing->rsvp, hearing->neighbour, RSVP_CTYPE_NACK, hearing->epoch,
			     id.id, 0);
	}
}

void rsvp_srefresh_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   struct neighbour *neighbour, const struct rsvp_message *message)
{
	struct hearing hearing = { .rsvp = rsvp, .arrival = arrival, .neighbour = neighbour };
	struct rsvp_object object;
	size_t position = 0;

	while (rsvp_message_next(message, RSVP_CLASS_MESSAGE_ID_LIST, &position, &object))
		hear_list(&hearing, &object);
}
