/* SPDX-License-Identifier: MIT */
/*
 * error.c: PathErr and ResvErr, made and passed on (spec/rsvp.md §8.5, §8.10, §10). Nothing but Path and Resv is
 * ever answered with an error.
 */
#include "rsvp/internal.h"

static void put_all(struct rsvp_writer *writer, const struct rsvp_message *message,
		    enum rsvp_class class_num)
{
	struct rsvp_object object;
	size_t position = 0;

	while (rsvp_message_has(message, class_num) &&
	       rsvp_message_next(message, class_num, &position, &object))
		rsvp_put_object(writer, &object);
}

static void put_kept(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	struct rsvp_object object;
	size_t position = 0;

	while (message->n_kept > 0 && rsvp_message_next_kept(message, &position, &object))
		rsvp_put_object(writer, &object);
}

/* ---- PathErr ---- */

static void put_sender(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	put_all(writer, message, RSVP_CLASS_SENDER_TEMPLATE);
	put_all(writer, message, RSVP_CLASS_SENDER_TSPEC);
	put_all(writer, message, RSVP_CLASS_ADSPEC);
}

void rsvp_path_err_answer(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct rsvp_message *message, const struct rsvp_error *error)
{
	struct rsvp_error_spec spec = { .code = error->code, .value = error->value };
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (!rsvp_own_hop(rsvp, arrival->ifindex, message->session.family, &own))
		return;
	spec.node = own.address;
	rsvp_begin(rsvp, &writer, RSVP_PATH_ERR, rsvp->config.hop_ttl);
	rsvp_put_session(&writer, &message->session, 0);
	rsvp_put_error(&writer, &spec);
	rsvp_put_raw(&writer, error->policy, error->policy_len);
	put_sender(&writer, message);
	rsvp_send_to_hop(rsvp, &writer, arrival->ifindex, &message->hop.address, NULL);
}

static void pass_path_err(struct rsvp *rsvp, const struct path *path,
			  const struct rsvp_message *message)
{
	struct rsvp_writer writer;

	rsvp_begin(rsvp, &writer, RSVP_PATH_ERR, rsvp->config.hop_ttl);
	rsvp_put_session(&writer, &message->session, 0);
	rsvp_put_error(&writer, &message->error);
	put_all(&writer, message, RSVP_CLASS_POLICY_DATA);
	put_kept(&writer, message);
	put_sender(&writer, message);
	rsvp_send_to_hop(rsvp, &writer, path->up->ifindex, &path->up->hop.address, NULL);
}

/* From where Paths of the sender go to, and nowhere else (spec §16.7). */
void rsvp_path_err_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *message)
{
	struct session *session = rsvp_session_find(rsvp, &message->session);
	struct sender *sender = session ? rsvp_sender_find(rsvp, session, &message->sender) : NULL;
	struct out *out = sender ? rsvp_sender_out(sender, arrival->ifindex) : NULL;

	if (!out || !sender->path) {
		rsvp_count_one(rsvp, RSVP_COUNT_NO_STATE);
		return;
	}
	if (rsvp_same_host(&message->error.node, &out->next_hop))
		rsvp_advert_answered(rsvp, &out->advert);
	if (sender->path->up->app)
		rsvp_app_path_error(rsvp, sender->path->up->app, sender, &message->error);
	else
		pass_path_err(rsvp, sender->path, message);
}

/* ---- ResvErr, made ---- */

static void put_flow(struct rsvp_writer *writer, const struct rsvp_flow *flow)
{
	if (flow->flowspec_object.data)
		rsvp_put_object(writer, &flow->flowspec_object);
	if (flow->filter_object.data)
		rsvp_put_object(writer, &flow->filter_object);
}

/* The descriptor in question, or (of FF the first of) all that were asked for. */
static void put_flows_of(struct rsvp_writer *writer, const struct rsvp_message *message,
			 const struct rsvp_flow *in_question)
{
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;
	bool first = true;

	if (in_question) {
		put_flow(writer, in_question);
		return;
	}
	while (rsvp_flow_next(message, &iter, &flow)) {
		if (first)
			put_flow(writer, &flow);
		else if (message->style == RSVP_STYLE_SE)
			rsvp_put_object(writer, &flow.filter_object);
		first = false;
	}
}

/* The interface by which whoever sent the Resv is reached: the one that it reserves on. */
static uint32_t way_back(const struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			 const struct rsvp_message *message)
{
	if (message->hop.lih != 0 && rsvp_interface_usable(rsvp, message->hop.lih))
		return message->hop.lih;
	return arrival->ifindex;
}

void rsvp_resv_err_answer(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct rsvp_message *message, const struct rsvp_flow *flow,
			  const struct rsvp_error *error)
{
	struct rsvp_error_spec spec = { error->node, error->flags, error->code, error->value };
	uint32_t ifindex = way_back(rsvp, arrival, message);
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (!rsvp_own_hop(rsvp, ifindex, message->session.family, &own))
		return;
	if (spec.node.family == AF_UNSPEC)
		spec.node = own.address;
	rsvp_begin(rsvp, &writer, RSVP_RESV_ERR, rsvp->config.hop_ttl);
	rsvp_put_session(&writer, &message->session, 0);
	rsvp_put_hop(&writer, &own);
	rsvp_put_error(&writer, &spec);
	put_all(&writer, message, RSVP_CLASS_SCOPE);
	rsvp_put_raw(&writer, error->policy, error->policy_len);
	put_all(&writer, message, RSVP_CLASS_STYLE);
	put_flows_of(&writer, message, flow);
	rsvp_send_to_hop(rsvp, &writer, ifindex, &message->hop.address, NULL);
}

/* ---- ResvErr, to who made a reservation ---- */

static bool is_in_scope(const struct rsvp_object *scope, const struct rsvp_sender *sender)
{
	struct address listed, address;
	unsigned n = rsvp_scope_count(scope);

	address = rsvp_sender_host(sender);
	for (unsigned i = 0; i < n; i++) {
		rsvp_scope_get(scope, i, &listed);
		if (memcmp(listed.addr, address.addr, sizeof(listed.addr)) == 0)
			return true;
	}
	return false;
}

/* Those of the senders in the scope of the cause whose data goes that way. False: none. */
static bool put_scope(struct rsvp_writer *writer, const struct resv *resv,
		      const struct rsvp_message *cause)
{
	const struct rsvp_object *scope = &cause->object[RSVP_CLASS_SCOPE];
	struct address senders[SCOPE_MAX];
	const struct sender *sender;
	unsigned n = 0;

	if (resv->filters || !scope->data)
		return true;
	DL_FOREACH(resv->install->session->senders, sender) {
		if (n < SCOPE_MAX && rsvp_install_reaches(resv->install, sender) &&
		    is_in_scope(scope, &sender->key.sender))
			senders[n++] = rsvp_sender_host(&sender->key.sender);
	}
	n = rsvp_sort_addresses(senders, n);
	if (n > 0)
		rsvp_put_scope(writer, senders, n);
	return n > 0;
}

void rsvp_resv_err_send(struct rsvp *rsvp, const struct resv *resv, const struct rsvp_error *error,
			const struct rsvp_flowspec *flowspec, const struct rsvp_message *cause)
{
	struct rsvp_error_spec spec = { error->node, error->flags, error->code, error->value };
	const struct session *session = resv->install->session;
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (resv->app) {
		rsvp_app_resv_error(rsvp, resv, error, flowspec ? flowspec : &resv->flowspec);
		return;
	}
	if (!rsvp_own_hop(rsvp, resv->install->ifindex, session->key.family, &own))
		return;
	if (spec.node.family == AF_UNSPEC)
		spec.node = own.address;
	rsvp_begin(rsvp, &writer, RSVP_RESV_ERR, rsvp->config.hop_ttl);
	rsvp_put_session(&writer, &session->key, 0);
	rsvp_put_hop(&writer, &own);
	rsvp_put_error(&writer, &spec);
	if (cause && !put_scope(&writer, resv, cause))
		return;
	if (cause) {
		put_all(&writer, cause, RSVP_CLASS_POLICY_DATA);
		put_kept(&writer, cause);
	}
	rsvp_put_raw(&writer, error->policy, error->policy_len);
	rsvp_put_style(&writer, session->style);
	rsvp_put_flowspec(&writer, flowspec ? flowspec : &resv->flowspec);
	for (uint32_t i = 0; i < resv->n_filters && i < FLOWS_MAX; i++)
		rsvp_put_filter(&writer, &resv->filters[i].sender->key.sender);
	rsvp_send_to_hop(rsvp, &writer, resv->install->ifindex, &resv->hop.address, NULL);
}

/* ---- ResvErr, arriving ---- */

/* One that is on its way to those whose request it is about. */
struct refusal {
	struct rsvp *rsvp;
	const struct rsvp_arrival *arrival;
	const struct rsvp_message *message;
	struct up *up;
	bool blockades; /* admission control has failed */
	struct rsvp_flowspec flowspec;
	bool has_flowspec;
};

/* Who asked for less than what was refused is not to blame, as long as what it has stands. */
static bool is_blameless(const struct refusal *refusal, const struct resv *resv)
{
	return refusal->blockades && refusal->has_flowspec &&
	       (refusal->message->error.flags & RSVP_ERROR_IN_PLACE) &&
	       flowspec_order(&refusal->flowspec, &resv->flowspec) == FLOWSPEC_GREATER;
}

static void pass_to(const struct refusal *refusal, const struct resv *resv)
{
	const struct rsvp_error_spec *spec = &refusal->message->error;
	struct rsvp_error error = {
		.code = spec->code,
		.flags = spec->flags,
		.value = spec->value,
		.node = spec->node,
	};
	const struct install *install = resv->install;

	if ((!install->local && install->ifindex == refusal->arrival->ifindex) ||
	    is_blameless(refusal, resv))
		return;
	if (resv->app && refusal->has_flowspec &&
	    flowspec_order(&refusal->flowspec, &resv->flowspec) == FLOWSPEC_GREATER)
		error.flags |= RSVP_ERROR_NOT_GUILTY;
	rsvp_resv_err_send(refusal->rsvp, resv, &error,
			   refusal->has_flowspec ? &refusal->flowspec : NULL, refusal->message);
}

static void pass_to_all(const struct refusal *refusal, const struct install *installs,
			const struct sender *sender)
{
	const struct install *install;
	const struct resv *resv;

	DL_FOREACH(installs, install) {
		DL_FOREACH(install->resvs, resv) {
			if (!sender || rsvp_resv_has(resv, sender))
				pass_to(refusal, resv);
		}
	}
}

/* Each reservation that has one of the filters hears of it, once. */
static void pass_explicit(const struct refusal *refusal)
{
	const struct session *session = refusal->up->session;
	const struct install *install;
	const struct resv *resv;

	DL_FOREACH(session->installs, install) {
		DL_FOREACH(install->resvs, resv) {
			struct rsvp_flow_iter iter = { 0 };
			struct rsvp_flow flow;
			bool has = false;

			while (!has && rsvp_flow_next(refusal->message, &iter, &flow)) {
				struct sender *sender =
					rsvp_sender_find(refusal->rsvp, session, &flow.sender);

				has = sender && rsvp_resv_has(resv, sender);
			}
			if (has)
				pass_to(refusal, resv);
		}
	}
}

static void blockade_sender(struct refusal *refusal, struct sender *sender)
{
	if (refusal->blockades && refusal->has_flowspec && sender->path &&
	    sender->path->up == refusal->up)
		rsvp_blockade_set(refusal->rsvp, &sender->blockade, refusal->up,
				  &refusal->flowspec);
}

static void take_flow(struct refusal *refusal, const struct rsvp_flow *flow)
{
	if (!flow->flowspec_object.data || flow->error_code != 0)
		return;
	refusal->flowspec = flow->flowspec;
	refusal->has_flowspec = true;
}

/* What is smaller is asked for at once; then whoever is to blame hears of it. */
static void process(struct refusal *refusal)
{
	struct session *session = refusal->up->session;
	struct sender *sender = NULL;
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;

	while (rsvp_flow_next(refusal->message, &iter, &flow)) {
		take_flow(refusal, &flow);
		if (session->style == RSVP_STYLE_WF)
			break;
		sender = rsvp_sender_find(refusal->rsvp, session, &flow.sender);
		if (sender)
			blockade_sender(refusal, sender);
	}
	if (session->style == RSVP_STYLE_WF && refusal->blockades && refusal->has_flowspec)
		rsvp_blockade_set(refusal->rsvp, &refusal->up->blockade, refusal->up,
				  &refusal->flowspec);
	if (refusal->blockades)
		rsvp_up_update(refusal->rsvp, refusal->up, WHY_REFUSED);
	if (session->style == RSVP_STYLE_SE)
		pass_explicit(refusal);
	else if (session->style == RSVP_STYLE_WF)
		pass_to_all(refusal, session->installs, NULL);
	else if (sender)
		pass_to_all(refusal, sender->installs, sender);
}

void rsvp_resv_err_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *message)
{
	struct session *session = rsvp_session_find(rsvp, &message->session);
	struct refusal refusal = {
		.rsvp = rsvp,
		.arrival = arrival,
		.message = message,
		.up = session ? rsvp_up_find(session, &message->hop.address) : NULL,
		.blockades = message->error.code == RSVP_ERROR_ADMISSION,
	};

	if (!refusal.up || session->n_resvs == 0 || session->style != message->style) {
		rsvp_count_one(rsvp, RSVP_COUNT_NO_STATE);
		return;
	}
	if (rsvp_same_host(&message->error.node, &refusal.up->hop.address))
		rsvp_advert_answered(rsvp, &refusal.up->advert);
	process(&refusal);
}
