/* SPDX-License-Identifier: MIT */
/*
 * server_seen.c: the requests that look at flows and at the host. Long answers come in pages: the application
 * says where the last one ended, so nothing is kept here for a slow reader, and others have their turn between.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/server_internal.h"

#define IDS_PER_PAGE 4096u
#define FLOWS_PER_PAGE 4096
#define COUNT_REST_FACTOR 50 /* counting may take a fiftieth of the time */

int server_on_enumerate(struct call *call)
{
	struct engine *engine = call->server->engine;
	uint32_t ids[IDS_PER_PAGE], id = call->request->flow_id;
	size_t n = 0;
	long r;

	if (!engine_view_of(engine, call->owner).everything)
		return -EACCES;
	while (n < IDS_PER_PAGE && (id = engine_next_flow_id(engine, id)) != 0)
		ids[n++] = id;
	if (n == IDS_PER_PAGE)
		MSG_SET(&call->reply, TAG_MORE, more, 1);
	call->reply.ids = (struct codec_bytes){ ids, n * sizeof(ids[0]) };
	call->reply.present |= CODEC_BIT(TAG_IDS);
	/* Written here, while `ids` lives. */
	r = msg_encode(&call->reply, call->server->out, sizeof(call->server->out));
	call->len = r;
	return r < 0 ? (int)r : 0;
}

/*
 * A page of the list: records from a place on, until the message is full or enough flows have been looked at.
 * The place is a flow, the last that has been shown whole, and a token: how many records of which flow after it
 * have been shown too.
 */
struct list_page {
	unsigned char records[MSG_MAX - 256];
	size_t len;
	uint64_t skip; /* records of the flow in hand that an earlier page has shown */
	uint64_t seen; /* records of the flow in hand */
	bool closed;
};

static int list_visit(const struct gw_flow_record *record, void *user_data)
{
	struct list_page *page = user_data;
	long len;

	if (page->seen++ < page->skip || (record->state == GW_FLOW_CLOSED && !page->closed))
		return 0;
	len = record_append(record, page->records, page->len, sizeof(page->records));
	if (len < 0)
		return 1; /* full: the next page begins with this one */
	page->len = (size_t)len;
	return 0;
}

int server_on_list(struct call *call)
{
	struct engine *engine = call->server->engine;
	struct engine_view view = engine_view_of(engine, call->owner);
	struct list_page page = { .closed = call->request->flags & GW_LIST_CLOSED };
	uint32_t after = call->request->flow_id, id;
	uint64_t token = call->request->token;
	long len;

	for (int n = 0; (id = engine_next_flow_id_of(engine, &view, after)) != 0; n++) {
		/* It may have ended since the last page; then nothing of the next one is skipped. */
		page.skip = token >> 32 == id ? token & UINT32_MAX : 0;
		page.seen = token = 0;
		if (n < FLOWS_PER_PAGE &&
		    engine_flow_records(engine, &view, id, list_visit, &page) > 0)
			token = (uint64_t)id << 32 | (page.seen - 1);
		if (n == FLOWS_PER_PAGE || token != 0) {
			MSG_SET(&call->reply, TAG_MORE, more, 1);
			MSG_SET(&call->reply, TAG_FLOW_ID, flow_id, after);
			MSG_SET(&call->reply, TAG_TOKEN, token, token);
			break;
		}
		after = id;
	}
	len = msg_encode(&call->reply, call->server->out, sizeof(call->server->out));
	if (len < 0 || (size_t)len + page.len > sizeof(call->server->out))
		return -EMSGSIZE;
	memcpy(call->server->out + len, page.records, page.len);
	call->len = len + (long)page.len;
	return 0;
}

/* Counting looks at the whole table. Only administrators may have that done as often as they like. */
static uint64_t count_entries(struct call *call)
{
	const struct server_ports *ports = &call->server->ports;
	struct count *last = &call->server->last_count;
	uint64_t started_us;

	if (!engine_view_of(call->server->engine, call->owner).everything &&
	    call->now_us < last->good_until_us)
		return last->entries;
	started_us = ports->wall_clock_us(ports->user_data);
	last->entries = ports->datapath->count(ports->datapath_data);
	last->good_until_us =
		call->now_us +
		COUNT_REST_FACTOR * (ports->wall_clock_us(ports->user_data) - started_us);
	return last->entries;
}

int server_on_status(struct call *call)
{
	struct server *server = call->server;

	MSG_SET(&call->reply, TAG_MODE, mode, (uint32_t)server->mode);
	memcpy(call->reply.version, server->version, sizeof(call->reply.version));
	call->reply.present |= CODEC_BIT(TAG_VERSION);
	MSG_SET(&call->reply, TAG_COUNT, count, engine_flows_in_force(server->engine));
	MSG_SET(&call->reply, TAG_ENTRIES, entries, count_entries(call));
	return 0;
}

/* A page of facts, likewise. */
struct fact_page {
	unsigned char facts[MSG_MAX - 256];
	size_t len;
	uint64_t skip;
	uint64_t seen;
	bool full;
};

static void fact_visit(const struct msg_fact *fact, void *user_data)
{
	struct fact_page *page = user_data;
	long len;

	if (page->full || page->seen++ < page->skip)
		return;
	len = fact_append(fact, page->facts, page->len, sizeof(page->facts));
	if (len < 0) {
		page->full = true;
		page->seen--;
		return;
	}
	page->len = (size_t)len;
}

static void visit_counters(const struct engine_counters *counters,
			   const struct fact_visitor *visitor)
{
	char name[48];

	fact_tell_counter(visitor, "flows-added", counters->flows_added);
	fact_tell_counter(visitor, "flows-ended", counters->flows_ended);
	fact_tell_counter(visitor, "sockets-added", counters->entries_added);
	fact_tell_counter(visitor, "refused-limit", counters->refused_limit);
	fact_tell_counter(visitor, "refused-policy", counters->refused_policy);
	fact_tell_counter(visitor, "refused-datapath", counters->refused_datapath);
	fact_tell_counter(visitor, "refused-admission", counters->refused_admission);
	fact_tell_counter(visitor, "requests-started", counters->ops_started);
	fact_tell_counter(visitor, "requests-completed", counters->ops_completed);
	fact_tell_counter(visitor, "requests-canceled", counters->ops_canceled);
	for (int reason = 0; reason < END_REASON_COUNT; reason++) {
		snprintf(name, sizeof(name), "ended-%s", end_reason_name((enum end_reason)reason));
		fact_tell_counter(visitor, name, counters->ended_by[reason]);
	}
}

int server_on_facts(struct call *call)
{
	struct server *server = call->server;
	struct fact_page page = { .skip = call->request->count };
	const struct fact_visitor visitor = { fact_visit, &page };
	long len;

	server->ports.facts(server->ports.user_data, &visitor);
	visit_counters(engine_counters(server->engine), &visitor);
	if (page.full) {
		MSG_SET(&call->reply, TAG_MORE, more, 1);
		MSG_SET(&call->reply, TAG_COUNT, count, page.seen);
	}
	len = msg_encode(&call->reply, server->out, sizeof(server->out));
	if (len < 0 || (size_t)len + page.len > sizeof(server->out))
		return -EMSGSIZE;
	memcpy(server->out + len, page.facts, page.len);
	call->len = len + (long)page.len;
	return 0;
}

int server_on_watch(struct call *call)
{
	return owner_watch(call->server->engine, call->owner);
}
