/* SPDX-License-Identifier: MIT */
/*
 * provider_events.c: what the signalling tells of the sessions of sockets, and what of it their owners hear: what is
 * new, has changed or is gone. Which of several is the last, owners know (spec/gqos.md §12.2). None of this asks the
 * signalling for anything.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/provider_internal.h"

/* ---- telling ---- */

void tell(const struct part *part, enum gw_event_type type, const struct gw_rsvp_record *record)
{
	const struct provider *provider = part->qsock->provider;

	provider->ports.tell(provider->ports.user_data, part_owner(part), type,
			     part->qsock->socket.cookie, record);
}

static struct gw_rsvp_record record_of(const struct part *part, enum gw_rsvp_kind kind)
{
	struct gw_rsvp_record record = {
		.size = sizeof(record),
		.kind = kind,
		.id = part->session,
		.protocol = part->qsock->socket.protocol,
		.dscp = -1,
	};

	address_to_sockaddr(&part->destination, &record.destination);
	return record;
}

void tell_error(const struct part *part, enum gw_event_type type, uint8_t code, uint16_t value)
{
	struct gw_rsvp_record record = record_of(part, GW_RSVP_ERROR);

	record.error_code = code;
	record.error_value = value;
	tell(part, type, &record);
}

/* From what was kept of it. */
void tell_heard(struct part *part, struct heard *heard)
{
	struct gw_rsvp_record record = record_of(part, GW_RSVP_SENDER);
	struct gw_rsvp_sender sender = { .form = GW_RSVP_PORTS };

	address_to_sockaddr(&heard->address, &sender.address);
	record.senders = &sender;
	record.n_senders = 1;
	record.tspec = heard->tspec;
	record.path = heard->path;
	record.flags = heard->flags;
	heard->told = true;
	tell(part, GW_EVENT_RSVP_PATH, &record);
}

/* ---- senders ---- */

void heard_forget(struct part *part)
{
	struct heard *heard, *next;

	DL_FOREACH_SAFE(part->heard, heard, next) {
		DL_DELETE(part->heard, heard);
		free(heard);
	}
}

static struct heard *heard_find(const struct part *part, const struct address *address)
{
	struct heard *heard;

	DL_FOREACH(part->heard, heard) {
		if (address_equal(&heard->address, address))
			return heard;
	}
	return NULL;
}

static bool is_news(const struct heard *heard, const struct gw_rsvp_record *record)
{
	const struct gw_tspec *a = &heard->tspec, *b = &record->tspec;

	return a->rate_bps != b->rate_bps || a->depth_bytes != b->depth_bytes ||
	       a->peak_bps != b->peak_bps || a->min_bytes != b->min_bytes ||
	       a->max_bytes != b->max_bytes || heard->flags != (record->flags & GW_RSVP_NON_RSVP) ||
	       memcmp(&heard->path, &record->path, sizeof(heard->path)) != 0;
}

static void on_path_gone(struct part *part, struct heard *heard,
			 const struct gw_rsvp_record *record)
{
	bool known = heard->told && part_matches(part, heard);

	DL_DELETE(part->heard, heard);
	free(heard);
	receiver_due(part);
	if (known)
		tell(part, GW_EVENT_RSVP_PATH, record);
}

static void on_path(struct part *part, const struct gw_rsvp_record *record)
{
	bool gone = record->flags & GW_RSVP_GONE, news = true;
	struct address address;
	struct heard *heard;

	if (!(part->directions & DIRECTION_RECEIVE) || record->n_senders == 0 ||
	    address_from_sockaddr((const struct sockaddr *)&record->senders[0].address,
				  sizeof(record->senders[0].address), &address) < 0)
		return;
	heard = heard_find(part, &address);
	if (gone) {
		if (heard)
			on_path_gone(part, heard, record);
		return;
	}
	if (heard) {
		news = is_news(heard, record);
	} else {
		heard = calloc(1, sizeof(*heard));
		if (!heard)
			return; /* the next change of it is as good as its first Path */
		heard->address = address;
		DL_APPEND(part->heard, heard);
	}
	if (!news)
		return;
	heard->tspec = record->tspec;
	heard->path = record->path;
	heard->flags = record->flags & GW_RSVP_NON_RSVP;
	receiver_due(part);
	/* Who wants none of it yet finds it in the list. */
	if (!part_hears(part) || !part_matches(part, heard))
		return;
	heard->told = true;
	tell(part, GW_EVENT_RSVP_PATH, record);
}

/* ---- reservations ---- */

static bool is_same_resv(const struct part *part, const struct gw_rsvp_record *record)
{
	const struct gw_tspec *a = &part->resv.tspec, *b = &record->tspec;

	return part->resv.stands && part->resv.service == record->service &&
	       a->rate_bps == b->rate_bps && a->depth_bytes == b->depth_bytes &&
	       a->peak_bps == b->peak_bps && a->min_bytes == b->min_bytes &&
	       a->max_bytes == b->max_bytes && part->resv.rate_bps == record->rate_bps &&
	       part->resv.slack_us == record->slack_us && part->resv.dscp == record->dscp;
}

static void on_resv(struct part *part, const struct gw_rsvp_record *record)
{
	bool gone = record->flags & GW_RSVP_GONE;

	if (!part->sent || (gone ? !part->resv.stands : is_same_resv(part, record)))
		return;
	part->resv.stands = !gone;
	part->resv.service = record->service;
	part->resv.tspec = record->tspec;
	part->resv.rate_bps = record->rate_bps;
	part->resv.slack_us = record->slack_us;
	part->resv.dscp = gone ? -1 : record->dscp;
	sender_refresh(part); /* the mark that they ask for */
	tell(part, GW_EVENT_RSVP_RESV, record);
}

static void on_confirm(struct part *part, const struct gw_rsvp_record *record)
{
	/* One for each time that it was asked for. */
	if (!part->confirming)
		return;
	part->confirming = false;
	tell(part, GW_EVENT_RSVP_CONFIRM, record);
}

/* ---- all of them ---- */

static struct part *find_part(const struct provider *provider, const struct owner *owner,
			      uint32_t session)
{
	struct part *part = part_by_session(provider, session);

	if (part)
		return part_owner(part) == owner ? part : NULL;
	/* What is known already is told before its identifier is. */
	part = provider->opening;
	return part && part_owner(part) == owner ? part : NULL;
}

bool provider_signalled(struct provider *provider, struct owner *owner, uint32_t session,
			enum gw_event_type type, const struct gw_rsvp_record *record)
{
	struct part *part = find_part(provider, owner, session);

	if (!part)
		return false;
	if (part->closing)
		return true;
	switch (type) {
	case GW_EVENT_RSVP_PATH:
		on_path(part, record);
		break;
	case GW_EVENT_RSVP_RESV:
		on_resv(part, record);
		break;
	case GW_EVENT_RSVP_PATH_ERROR:
		if (part->sent)
			tell(part, type, record);
		break;
	case GW_EVENT_RSVP_RESV_ERROR:
		if (part->receiving && service_is_signalled(part->receiving->direction.service))
			tell(part, type, record);
		break;
	case GW_EVENT_RSVP_CONFIRM:
		on_confirm(part, record);
		break;
	case GW_EVENT_COMPLETED:
	case GW_EVENT_FLOW_ADDED:
	case GW_EVENT_FLOW_CHANGED:
	case GW_EVENT_FLOW_ENDED:
	case GW_EVENT_LOST:
	case GW_EVENT_DISCONNECTED:
	case GW_EVENT_RSVP_MESSAGE:
	case GW_EVENT_RSVP_HOP:
		break;
	}
	return true;
}
