/* SPDX-License-Identifier: MIT */
/* complaint.c: see complaint.h. */
#include "complaint.h"

#include "rsvp/format.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(const struct net_node *node)
{
	static const char *const kinds[] = { "host", "router", "plain router" };

	if (node)
		fprintf(stderr, "%.3f s, %s %u: ", (double)node->net->now_us / 1e6,
			kinds[node->kind], node->index);
}

bool complain(const struct net_node *node, const char *format, ...)
{
	va_list arguments;

	begin(node);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return false;
}

bool complain_session(const struct net_node *node, const struct rsvp_session *session,
		      const char *format, ...)
{
	char text[RSVP_TEXT_LEN];
	va_list arguments;

	begin(node);
	fprintf(stderr, "session %s: ", rsvp_session_format(session, text));
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return false;
}

const char *flowspec_text(const struct rsvp_flowspec *flowspec, char buf[static FLOWSPEC_TEXT_LEN])
{
	const struct rsvp_tspec *t = &flowspec->tspec;

	snprintf(buf, FLOWSPEC_TEXT_LEN, "service %u r %g b %g p %g m %u M %u R %g S %u",
		 flowspec->service, (double)t->r, (double)t->b, (double)t->p, t->m, t->M,
		 (double)flowspec->R, flowspec->S);
	return buf;
}

bool complain_tc(const struct net_node *node, const struct rsvp_tc_request *request,
		 const char *what)
{
	char text[FLOWSPEC_TEXT_LEN], sender[RSVP_TEXT_LEN] = "any sender";

	if (request->n_filters > 0)
		rsvp_sender_format(&request->filters[0].sender, sender);
	return complain_session(node, &request->session,
				"interface %u, %s, %s (%u filters), %s: %s", request->ifindex,
				rsvp_style_name(request->style), sender, request->n_filters,
				flowspec_text(&request->flowspec, text), what);
}

bool complain_resv(const struct seen_resv *resv, const char *what)
{
	const struct rsvp_reservation_info *info = &resv->info;
	char flowspec[FLOWSPEC_TEXT_LEN], hop[ADDRESS_TEXT_LEN], session[RSVP_TEXT_LEN];
	char sender[RSVP_TEXT_LEN] = "any sender";

	if (info->n_senders > 0)
		rsvp_sender_format(&info->senders[0], sender);
	return complain(NULL,
			"node %u: session %s: reservation of %s on interface %u, %s, %s (%u "
			"filters), %s: %s",
			resv->node, rsvp_session_format(&info->session, session),
			address_format(&info->next_hop.address, hop), info->out_ifindex,
			rsvp_style_name(info->style), sender, info->n_senders,
			flowspec_text(&info->flowspec, flowspec), what);
}

bool complain_sender(const struct seen_sender *sender, const char *what)
{
	const struct rsvp_sender_info *info = &sender->info;
	char text[RSVP_TEXT_LEN], hop[ADDRESS_TEXT_LEN], session[RSVP_TEXT_LEN];

	return complain(NULL, "node %u: session %s: sender %s from %s on interface %u: %s",
			sender->node, rsvp_session_format(&info->session, session),
			rsvp_sender_format(&info->sender, text),
			address_format(&info->previous_hop.address, hop), info->in_ifindex, what);
}

static int compare(const void *a, const void *b)
{
	return memcmp(&(*(const struct net_app *const *)a)->session,
		      &(*(const struct net_app *const *)b)->session, sizeof(struct rsvp_session));
}

size_t judge_sessions(const struct net *net, const struct net_app ***ret_first)
{
	const struct net_app *app, **first;
	size_t n = 0, kept = 0;

	for (app = net->apps; app; app = app->all_next)
		n += app->app != NULL;
	first = malloc((n + 1) * sizeof(struct net_app *));
	if (!first)
		abort();
	n = 0;
	for (app = net->apps; app; app = app->all_next)
		if (app->app)
			first[n++] = app;
	qsort(first, n, sizeof(struct net_app *), compare);
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || compare(&first[kept - 1], &first[i]) != 0)
			first[kept++] = first[i];
	*ret_first = first;
	return kept;
}
