/* SPDX-License-Identifier: MIT */
/* questions.c: see questions.h. */
#include "daemon/rsvp/questions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/rsvp/records.h"

#define QUESTIONS_PER_USER 8u /* at a time; does not bind root */

struct question {
	struct questions *all;
	struct owner *owner;
	uint64_t token;
	struct rsvp_session session;
	struct rsvp_asking *asking;
	struct question *prev, *next;
};

static void forget(struct question *question)
{
	DL_DELETE(question->all->list, question);
	free(question);
}

static void complete(const struct question *question, int status)
{
	server_signal(question->all->server, question->owner, GW_EVENT_COMPLETED, question->token,
		      status, NULL);
}

static void on_answer(void *user_data, const struct rsvp_hop_report *hop, int status)
{
	struct question *question = user_data;
	struct rsvp_record out;

	if (!hop) {
		complete(question, status);
		forget(question);
		return;
	}
	record_of_hop(&question->session, hop, &out);
	server_signal(question->all->server, question->owner, GW_EVENT_RSVP_HOP, question->token, 0,
		      &out.record);
}

static bool is_used(const struct questions *questions, const struct owner *owner, uint64_t token)
{
	const struct question *question;

	DL_FOREACH(questions->list, question) {
		if (question->owner == owner && question->token == token)
			return true;
	}
	return false;
}

static bool user_is_full(const struct questions *questions, const struct owner *owner)
{
	uint32_t uid = owner_info(owner)->uid;
	const struct question *question;
	unsigned n = 0;

	DL_FOREACH(questions->list, question)
		n += owner_info(question->owner)->uid == uid;
	return uid != 0 && n >= QUESTIONS_PER_USER;
}

static struct rsvp_diagnose_request request_of(const struct signalling_question *asked)
{
	const struct address *to = &asked->session.destination, *from = &asked->source;
	struct rsvp_diagnose_request request = {
		.session = { .family = to->family,
			     .port = to->port,
			     .protocol = asked->session.protocol,
			     .form = RSVP_FORM_PORTS },
		.sender = { .family = from->family, .form = RSVP_FORM_PORTS, .id = from->port },
		.max_hops = asked->max_hops < UINT8_MAX ? (uint8_t)asked->max_hops : UINT8_MAX,
	};

	memcpy(request.session.address, to->addr, sizeof(request.session.address));
	memcpy(request.sender.address, from->addr, sizeof(request.sender.address));
	return request;
}

int questions_ask(struct questions *questions, struct owner *owner,
		  const struct signalling_question *asked)
{
	const struct rsvp_diagnose_request request = request_of(asked);
	struct question *question;
	int r;

	if (is_used(questions, owner, asked->token))
		return -EBUSY;
	if (user_is_full(questions, owner))
		return -ENOBUFS;
	question = calloc(1, sizeof(*question));
	if (!question)
		return -ENOMEM;
	question->all = questions;
	question->owner = owner;
	question->token = asked->token;
	question->session = request.session;
	r = rsvp_daemon_ask(questions->daemon, &request, on_answer, question, &question->asking);
	if (r < 0) {
		free(question);
		return r;
	}
	DL_APPEND(questions->list, question);
	return 0;
}

void questions_owner_gone(struct questions *questions, const struct owner *owner)
{
	struct question *question, *next;

	DL_FOREACH_SAFE(questions->list, question, next) {
		if (question->owner != owner)
			continue;
		rsvp_daemon_ask_no_more(question->asking);
		forget(question);
	}
}

void questions_end(struct questions *questions)
{
	while (questions->list) {
		rsvp_daemon_ask_no_more(questions->list->asking);
		complete(questions->list, -ECANCELED);
		forget(questions->list);
	}
}
