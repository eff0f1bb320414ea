/* SPDX-License-Identifier: MIT */
/*
 * programs.c: see programs.h. A session of an owner has an identifier; what happens in it is told to the owner under
 * that. Owners that trace hear of every message.
 */
#include "daemon/rsvp/programs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>

#include "base/time.h"
#include "daemon/rsvp/interests.h"
#include "daemon/rsvp/questions.h"
#include "daemon/rsvp/records.h"
#include "engine/signalling.h"
#include "rsvp/format.h"

#define TRACERS_MAX 16
#define TEXT_MAX 16384
#define VISITS_PER_TURN 20000u /* of things that are not shown, so that others have their turn */

struct program {
	uint32_t id;
	struct rsvp_programs *programs;
	struct owner *owner;
	struct rsvp_session session;
	struct rsvp_local *local;
	UT_hash_handle hh;
};

struct rsvp_programs {
	struct signalling port;
	struct server *server;
	struct rsvp_daemon *daemon;
	struct program *sessions; /* by id */
	struct interests interests;
	uint32_t last_id;
	struct questions questions;
	struct owner *tracers[TRACERS_MAX];
	unsigned n_tracers;
};

/* ---- events ---- */

static enum gw_event_type event_type(enum rsvp_event_type type)
{
	switch (type) {
	case RSVP_EVENT_PATH:
		return GW_EVENT_RSVP_PATH;
	case RSVP_EVENT_RESV:
		return GW_EVENT_RSVP_RESV;
	case RSVP_EVENT_PATH_ERROR:
		return GW_EVENT_RSVP_PATH_ERROR;
	case RSVP_EVENT_RESV_ERROR:
		return GW_EVENT_RSVP_RESV_ERROR;
	case RSVP_EVENT_CONFIRM:
		return GW_EVENT_RSVP_CONFIRM;
	}
	return GW_EVENT_RSVP_CONFIRM;
}

static void on_event(void *user_data, const struct rsvp_event *event)
{
	struct program *program = user_data;
	struct rsvp_record out;

	record_of_event(event, &out);
	out.record.id = program->id;
	server_signal(program->programs->server, program->owner, event_type(event->type),
		      program->id, 0, &out.record);
}

/* ---- sessions ---- */

static struct program *find(struct rsvp_programs *programs, const struct owner *owner, uint32_t id)
{
	struct program *program;

	HASH_FIND(hh, programs->sessions, &id, sizeof(id), program);
	return program && program->owner == owner ? program : NULL;
}

static void program_free(struct program *program)
{
	struct rsvp_programs *programs = program->programs;

	interests_remove(&programs->interests, &program->session, owner_info(program->owner)->uid);
	owner_session_end(program->owner);
	HASH_DEL(programs->sessions, program);
	free(program);
}

static void end_program(struct program *program)
{
	rsvp_daemon_close(program->local);
	program_free(program);
}

static int enter(struct rsvp_programs *programs, struct program *program)
{
	struct program *other;

	do {
		program->id = ++programs->last_id;
		HASH_FIND(hh, programs->sessions, &program->id, sizeof(program->id), other);
	} while (program->id == 0 || other);
	HASH_ADD(hh, programs->sessions, id, sizeof(program->id), program);
	return program->hh.tbl ? 0 : -ENOMEM;
}

static int program_new(struct rsvp_programs *programs, struct owner *owner,
		       const struct rsvp_session *session, struct program **ret_program)
{
	uint32_t uid = owner_info(owner)->uid;
	struct program *program;
	int r;

	r = owner_session_begin(owner);
	if (r < 0)
		return r;
	program = calloc(1, sizeof(*program));
	r = program ? interests_add(&programs->interests, session, uid) : -ENOMEM;
	if (r < 0)
		goto fail;
	program->programs = programs;
	program->owner = owner;
	program->session = *session;
	r = enter(programs, program);
	if (r < 0) {
		interests_remove(&programs->interests, session, uid);
		goto fail;
	}
	*ret_program = program;
	return 0;
fail:
	free(program);
	owner_session_end(owner);
	return r;
}

static int port_open(void *user_data, struct owner *owner, const struct signalling_session *asked,
		     uint32_t *ret_id, uint64_t now_us)
{
	struct rsvp_programs *programs = user_data;
	struct rsvp_session session = { .family = asked->destination.family,
					.port = asked->destination.port,
					.protocol = asked->protocol,
					.form = RSVP_FORM_PORTS };
	struct program *program;
	int r;

	(void)now_us;
	memcpy(session.address, asked->destination.addr, sizeof(session.address));
	r = program_new(programs, owner, &session, &program);
	if (r < 0)
		return r;
	r = rsvp_daemon_open(programs->daemon, owner, &session, asked->ifindex, on_event, program,
			     &program->local);
	if (r < 0) {
		program_free(program);
		return r;
	}
	*ret_id = program->id;
	return 0;
}

static int port_send(void *user_data, struct owner *owner, uint32_t id,
		     const struct gw_rsvp_offer *offer, uint64_t now_us)
{
	struct program *program = find(user_data, owner, id);
	struct rsvp_sender_request request = { 0 };
	int r;

	(void)now_us;
	if (!program)
		return -ENOENT;
	if (!offer)
		return rsvp_daemon_send(program->local, NULL);
	r = tspec_from_public(&offer->tspec, &request.tspec);
	if (r < 0)
		return r;
	sender_from_public(&(struct gw_rsvp_sender){ .address = offer->source }, &request.sender);
	request.offers_guaranteed = offer->services & GW_RSVP_OFFER_GUARANTEED;
	request.offers_controlled_load = offer->services & GW_RSVP_OFFER_CONTROLLED_LOAD;
	request.offers_null = offer->services & GW_RSVP_OFFER_NULL;
	request.data_ttl = (uint8_t)offer->data_ttl;
	request.policy = offer->policy;
	request.policy_len = offer->policy_len;
	return rsvp_daemon_send(program->local, &request);
}

static int port_reserve(void *user_data, struct owner *owner, uint32_t id,
			const struct gw_rsvp_request *asked, uint64_t now_us)
{
	struct program *program = find(user_data, owner, id);
	struct rsvp_flowspec flowspecs[GW_RSVP_FLOWS_MAX];
	struct rsvp_sender senders[GW_RSVP_FLOWS_MAX];
	struct rsvp_reserve_request request = { .flowspecs = flowspecs, .senders = senders };
	int r;

	(void)now_us;
	if (!program)
		return -ENOENT;
	if (!asked)
		return rsvp_daemon_reserve(program->local, NULL);
	for (uint32_t i = 0; i < asked->n_flows; i++) {
		r = flowspec_from_public(&asked->flows[i], &flowspecs[i]);
		if (r < 0)
			return r;
		sender_from_public(&asked->flows[i].sender, &senders[i]);
	}
	request.style = (enum rsvp_style)asked->style;
	request.confirm = asked->flags & GW_RSVP_CONFIRM;
	request.n_flows = asked->n_flows;
	request.policy = asked->policy;
	request.policy_len = asked->policy_len;
	request.dscp = asked->dscp < 0 ? 0xff : (uint8_t)asked->dscp;
	return rsvp_daemon_reserve(program->local, &request);
}

static int port_close(void *user_data, struct owner *owner, uint32_t id, uint64_t now_us)
{
	struct program *program = find(user_data, owner, id);

	(void)now_us;
	if (!program)
		return -ENOENT;
	end_program(program);
	return 0;
}

/* ---- tracing ---- */

static void tap(void *user_data, bool sent, uint32_t ifindex, const struct address *source,
		const struct address *destination, const uint8_t *data, size_t len)
{
	struct rsvp_programs *programs = user_data;
	struct gw_rsvp_record record = { .size = sizeof(record),
					 .kind = GW_RSVP_MESSAGE,
					 .flags = sent ? GW_RSVP_OUTGOING : 0,
					 .dscp = -1 };
	struct rsvp_message message = { 0 };
	struct rsvp_complaint complaint;
	char text[TEXT_MAX];

	if (rsvp_message_parse(data, len, &rsvp_limits_default, &message, &complaint) < 0)
		message = (struct rsvp_message){ .data = data,
						 .len = len,
						 .type = len > 1 ? data[1] : 0 };
	if (rsvp_message_format(&message, text, sizeof(text)) >= sizeof(text) - 1)
		record.flags |= GW_RSVP_CUT;
	record.text = text;
	rsvp_daemon_interface_name(programs->daemon, ifindex, record.interface);
	address_to_sockaddr(sent ? destination : source, &record.hop);
	for (unsigned i = 0; i < programs->n_tracers; i++)
		server_signal(programs->server, programs->tracers[i], GW_EVENT_RSVP_MESSAGE, 0, 0,
			      &record);
}

static int port_watch(void *user_data, struct owner *owner)
{
	struct rsvp_programs *programs = user_data;

	for (unsigned i = 0; i < programs->n_tracers; i++) {
		if (programs->tracers[i] == owner)
			return 0;
	}
	if (programs->n_tracers == TRACERS_MAX)
		return -ENOBUFS;
	programs->tracers[programs->n_tracers++] = owner;
	rsvp_daemon_set_tap(programs->daemon, tap, programs);
	return 0;
}

static void stop_tracing(struct rsvp_programs *programs, const struct owner *owner)
{
	for (unsigned i = 0; i < programs->n_tracers; i++) {
		if (programs->tracers[i] != owner)
			continue;
		programs->tracers[i] = programs->tracers[--programs->n_tracers];
		break;
	}
	if (programs->n_tracers == 0)
		rsvp_daemon_set_tap(programs->daemon, NULL, NULL);
}

static void port_owner_gone(void *user_data, struct owner *owner, uint64_t now_us)
{
	struct rsvp_programs *programs = user_data;
	struct program *program, *next;

	(void)now_us;
	stop_tracing(programs, owner);
	questions_owner_gone(&programs->questions, owner);
	HASH_ITER(hh, programs->sessions, program, next) {
		if (program->owner == owner)
			end_program(program);
	}
}

/* ---- seeing ---- */

/*
 * A page of everything: what programs have and counters, which are counted, and skipped where they have been shown;
 * then what the node has, from its own position on.
 */
#define AT_NODE (UINT64_C(1) << 62)

struct page {
	struct rsvp_programs *programs;
	const struct owner *owner;
	const struct engine_view *view;
	uint64_t skip, seen;
	unsigned hidden; /* since the last that was shown */
	uint64_t now_us;
	signalling_visit visit;
	void *visit_data;
};

static bool may_see(const struct page *page, const struct rsvp_session *session)
{
	return page->view->everything ||
	       interests_has(&page->programs->interests, session, page->view->uid);
}

/* Whether the next thing is still to be shown; if it is, it counts as seen. */
static bool is_next(struct page *page)
{
	return page->seen++ >= page->skip;
}

static int show(struct page *page, const struct rsvp_record *out)
{
	page->hidden = 0;
	return page->visit(&out->record, page->visit_data);
}

/* Of those that are counted. */
static int show_next(struct page *page, const struct rsvp_record *out)
{
	int r = show(page, out);

	if (r != 0)
		page->seen--; /* it was not taken */
	return r;
}

/* Looking takes time as well. */
static int hide(struct page *page)
{
	return ++page->hidden < VISITS_PER_TURN ? 0 : -EAGAIN;
}

static int visit_sender(void *user_data, const struct rsvp_sender_info *info)
{
	struct page *page = user_data;
	struct rsvp_record out;

	if (!may_see(page, &info->session))
		return hide(page);
	record_of_sender(page->programs->daemon, info, page->now_us, &out);
	return show(page, &out);
}

static int visit_reservation(void *user_data, const struct rsvp_reservation_info *info)
{
	struct page *page = user_data;
	struct rsvp_record out;

	if (!may_see(page, &info->session))
		return hide(page);
	record_of_reservation(page->programs->daemon, info, page->now_us, &out);
	return show(page, &out);
}

static int visit_neighbour(void *user_data, const struct rsvp_neighbour_info *info)
{
	struct page *page = user_data;
	struct rsvp_record out;

	record_of_neighbour(page->programs->daemon, info, &out);
	return show(page, &out);
}

static int visit_programs(struct page *page)
{
	struct program *program, *next;
	struct rsvp_record out;
	int r = 0;

	HASH_ITER(hh, page->programs->sessions, program, next) {
		const struct engine_owner_info *info = owner_info(program->owner);

		if (!is_next(page) || !may_see(page, &program->session))
			continue;
		record_of_session(&program->session, &out);
		out.record.uid = info->uid;
		out.record.pid = info->pid;
		out.record.id = program->owner == page->owner ? program->id : 0;
		r = show_next(page, &out);
		if (r != 0)
			break;
	}
	return r;
}

static int visit_counter(struct page *page, const char *name, const char *suffix, uint64_t value)
{
	struct rsvp_record out = { .record = { .size = sizeof(out.record),
					       .kind = GW_RSVP_COUNTER,
					       .dscp = -1,
					       .value = value } };

	if (!is_next(page))
		return 0;
	snprintf(out.record.name, sizeof(out.record.name), "%s%s", name, suffix);
	return show_next(page, &out);
}

static int visit_counters(struct page *page)
{
	const struct rsvp *node = rsvp_daemon_node(page->programs->daemon);
	int r = 0;

	for (int i = 0; i < RSVP_COUNT_COUNT && r == 0; i++)
		r = visit_counter(page, rsvp_counter_name((enum rsvp_counter)i), "",
				  rsvp_count(node, (enum rsvp_counter)i));
	for (int type = 0; type < 256 && r == 0; type++) {
		const char *name = rsvp_type_name((uint8_t)type);

		if (!name)
			continue;
		r = visit_counter(page, name, "-received",
				  rsvp_count_type(node, (uint8_t)type, false));
		if (r == 0)
			r = visit_counter(page, name, "-sent",
					  rsvp_count_type(node, (uint8_t)type, true));
	}
	return r;
}

static int port_visit(void *user_data, const struct owner *owner, const struct engine_view *view,
		      uint32_t kinds, uint64_t *position, signalling_visit visit, void *visit_data,
		      uint64_t now_us)
{
	struct rsvp_programs *programs = user_data;
	struct page page = {
		.programs = programs,
		.owner = owner,
		.view = view,
		.skip = *position < AT_NODE ? *position : UINT64_MAX,
		.now_us = now_us,
		.visit = visit,
		.visit_data = visit_data,
	};
	const struct rsvp_visitor visitor = {
		.sender = kinds & GW_RSVP_KIND_BIT(GW_RSVP_SENDER) ? visit_sender : NULL,
		.reservation = kinds & GW_RSVP_KIND_BIT(GW_RSVP_RESERVATION) ? visit_reservation
									     : NULL,
		.neighbour = kinds & GW_RSVP_KIND_BIT(GW_RSVP_NEIGHBOUR) ? visit_neighbour : NULL,
	};
	uint64_t at = *position < AT_NODE ? 0 : *position - AT_NODE;
	int r = 0;

	if (at == 0 && (kinds & GW_RSVP_KIND_BIT(GW_RSVP_SESSION)))
		r = visit_programs(&page);
	if (at == 0 && r == 0 && (kinds & GW_RSVP_KIND_BIT(GW_RSVP_COUNTER)))
		r = visit_counters(&page);
	if (r != 0) {
		*position = page.seen;
		return r;
	}
	r = rsvp_visit(rsvp_daemon_node(programs->daemon), &visitor, &at, &page);
	*position = AT_NODE + at;
	return r;
}

/* ---- asking ---- */

static int port_diagnose(void *user_data, struct owner *owner,
			 const struct signalling_question *question, uint64_t now_us)
{
	struct rsvp_programs *programs = user_data;

	(void)now_us;
	return questions_ask(&programs->questions, owner, question);
}

/* ---- life ---- */

int rsvp_programs_new(struct host *host, struct rsvp_daemon *daemon,
		      struct rsvp_programs **ret_programs)
{
	struct rsvp_programs *programs = calloc(1, sizeof(*programs));

	if (!programs)
		return -ENOMEM;
	programs->server = host_server(host);
	programs->daemon = daemon;
	programs->questions =
		(struct questions){ .server = programs->server, .daemon = programs->daemon };
	programs->port = (struct signalling){
		.user_data = programs,
		.open = port_open,
		.send = port_send,
		.reserve = port_reserve,
		.close = port_close,
		.owner_gone = port_owner_gone,
		.visit = port_visit,
		.watch = port_watch,
		.diagnose = port_diagnose,
	};
	server_set_signalling(programs->server, &programs->port, time_now_us());
	*ret_programs = programs;
	return 0;
}

struct rsvp_programs *rsvp_programs_free(struct rsvp_programs *programs)
{
	struct program *program, *next;

	if (!programs)
		return NULL;
	server_set_signalling(programs->server, NULL, time_now_us());
	rsvp_daemon_set_tap(programs->daemon, NULL, NULL);
	questions_end(&programs->questions);
	HASH_ITER(hh, programs->sessions, program, next)
		end_program(program);
	free(programs);
	return NULL;
}
