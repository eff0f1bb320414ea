/* SPDX-License-Identifier: MIT */
/* seen.c: see seen.h. */
#include "seen.h"

#include <stdlib.h>
#include <string.h>

struct collector {
	struct seen *seen;
	uint32_t node;
};

static void *grown(void *memory, size_t count, size_t size)
{
	/* Doubles with every power of two. */
	if (count & (count - 1))
		return memory;
	memory = realloc(memory, (count ? 2 * count : 1) * size);
	if (!memory)
		abort();
	return memory;
}

static int see_sender(void *user_data, const struct rsvp_sender_info *info)
{
	struct collector *collector = user_data;
	struct seen *seen = collector->seen;

	seen->senders = grown(seen->senders, seen->n_senders, sizeof(*seen->senders));
	seen->senders[seen->n_senders++] =
		(struct seen_sender){ .node = collector->node, .info = *info };
	return 0;
}

static int see_resv(void *user_data, const struct rsvp_reservation_info *info)
{
	struct collector *collector = user_data;
	size_t len = info->n_senders * sizeof(*info->senders);
	struct seen *seen = collector->seen;
	struct seen_resv *resv;

	seen->resvs = grown(seen->resvs, seen->n_resvs, sizeof(*seen->resvs));
	resv = &seen->resvs[seen->n_resvs++];
	*resv = (struct seen_resv){ .node = collector->node, .info = *info };
	if (len > 0) {
		struct rsvp_sender *senders = malloc(len);

		if (!senders)
			abort();
		memcpy(senders, info->senders, len);
		resv->info.senders = senders;
	}
	return 0;
}

static int compare_senders(const void *a, const void *b)
{
	return memcmp(&((const struct seen_sender *)a)->info.session,
		      &((const struct seen_sender *)b)->info.session, sizeof(struct rsvp_session));
}

static int compare_resvs(const void *a, const void *b)
{
	return memcmp(&((const struct seen_resv *)a)->info.session,
		      &((const struct seen_resv *)b)->info.session, sizeof(struct rsvp_session));
}

void seen_collect(const struct net *net, uint32_t node, struct seen *ret_seen)
{
	const struct rsvp_visitor visitor = { .sender = see_sender, .reservation = see_resv };
	struct collector collector = { .seen = ret_seen };

	*ret_seen = (struct seen){ 0 };
	for (uint32_t i = 0; i < net->n_nodes; i++) {
		uint64_t position = 0;

		collector.node = i;
		if (net->nodes[i]->rsvp && (node == NET_NONE || node == i))
			rsvp_visit(net->nodes[i]->rsvp, &visitor, &position, &collector);
	}
	if (ret_seen->n_senders > 0)
		qsort(ret_seen->senders, ret_seen->n_senders, sizeof(*ret_seen->senders),
		      compare_senders);
	if (ret_seen->n_resvs > 0)
		qsort(ret_seen->resvs, ret_seen->n_resvs, sizeof(*ret_seen->resvs), compare_resvs);
}

void seen_free(struct seen *seen)
{
	for (size_t i = 0; i < seen->n_resvs; i++)
		if (seen->resvs[i].info.n_senders > 0)
			free((void *)seen->resvs[i].info.senders);
	free(seen->resvs);
	free(seen->senders);
	*seen = (struct seen){ 0 };
}

struct seen_sender *seen_senders_of(const struct seen *seen, const struct rsvp_session *session,
				    size_t *ret_count)
{
	size_t low = 0, high = seen->n_senders, end;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (memcmp(&seen->senders[middle].info.session, session, sizeof(*session)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	end = low;
	while (end < seen->n_senders &&
	       rsvp_session_equal(&seen->senders[end].info.session, session))
		end++;
	*ret_count = end - low;
	return seen->senders + low;
}

struct seen_resv *seen_resvs_of(const struct seen *seen, const struct rsvp_session *session,
				size_t *ret_count)
{
	size_t low = 0, high = seen->n_resvs, end;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (memcmp(&seen->resvs[middle].info.session, session, sizeof(*session)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	end = low;
	while (end < seen->n_resvs && rsvp_session_equal(&seen->resvs[end].info.session, session))
		end++;
	*ret_count = end - low;
	return seen->resvs + low;
}
