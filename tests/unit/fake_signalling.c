/* SPDX-License-Identifier: MIT */
/* fake_signalling.c: see fake_signalling.h. */
#include "fake_signalling.h"

#include <errno.h>
#include <string.h>

static int take_error(struct fake_signalling *fake)
{
	int error = fake->error;

	if (error != 0 && fake->error_after > 0) {
		fake->error_after--;
		return 0;
	}
	fake->error = 0;
	return error;
}

static struct fake_session *find(struct fake_signalling *fake, const struct owner *owner,
				 uint32_t id)
{
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		if (id != 0 && fake->sessions[i].id == id && fake->sessions[i].owner == owner)
			return &fake->sessions[i];
	}
	return NULL;
}

static int fake_open(void *user_data, struct owner *owner, const struct signalling_session *session,
		     uint32_t *ret_id, uint64_t now_us)
{
	struct fake_signalling *fake = user_data;
	int r = take_error(fake);

	(void)now_us;
	if (r < 0)
		return r;
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		if (fake->sessions[i].id != 0)
			continue;
		*ret_id = ++fake->last_id;
		fake->sessions[i] =
			(struct fake_session){ .id = *ret_id, .owner = owner, .session = *session };
		if (fake->on_open)
			fake->on_open(fake->on_open_data, owner, *ret_id, session);
		return 0;
	}
	return -ENOBUFS;
}

/* Two cannot send to one destination from the same place: receivers could not tell them apart. */
static bool is_taken(const struct fake_signalling *fake, const struct fake_session *session,
		     const struct gw_rsvp_offer *offer)
{
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		const struct fake_session *other = &fake->sessions[i];

		if (other != session && other->sends &&
		    address_equal(&other->session.destination, &session->session.destination) &&
		    other->session.protocol == session->session.protocol &&
		    memcmp(&other->offer.source, &offer->source, sizeof(offer->source)) == 0)
			return true;
	}
	return false;
}

static int fake_send(void *user_data, struct owner *owner, uint32_t id,
		     const struct gw_rsvp_offer *offer, uint64_t now_us)
{
	struct fake_signalling *fake = user_data;
	struct fake_session *session = find(fake, owner, id);
	int r = take_error(fake);

	(void)now_us;
	if (r < 0 || !session)
		return r < 0 ? r : -ENOENT;
	if (offer && is_taken(fake, session, offer))
		return -EADDRINUSE;
	fake->paths += offer != NULL;
	fake->path_tears += !offer && session->sends;
	session->sends = offer;
	if (!offer)
		return 0;
	session->offer = *offer;
	fake->offer = *offer;
	fake->offer.policy = NULL;
	fake->offer_policy_len = offer->policy_len;
	if (offer->policy_len > 0)
		fake->offer_policy_last = ((const uint8_t *)offer->policy)[offer->policy_len - 1];
	return 0;
}

static int fake_reserve(void *user_data, struct owner *owner, uint32_t id,
			const struct gw_rsvp_request *request, uint64_t now_us)
{
	struct fake_signalling *fake = user_data;
	struct fake_session *session = find(fake, owner, id);
	int r = take_error(fake);

	(void)now_us;
	if (r < 0 || !session)
		return r < 0 ? r : -ENOENT;
	/* Styles do not merge. */
	fake->resv_tears += session->reserves &&
			    (!request || request->style != session->request.style);
	fake->resvs += request != NULL;
	session->reserves = request;
	if (!request)
		return 0;
	session->request = *request;
	session->request.policy = NULL;
	memcpy(session->flows, request->flows, request->n_flows * sizeof(session->flows[0]));
	session->request.flows = session->flows;
	fake->request = *request;
	fake->request.policy = NULL;
	fake->request_policy_len = request->policy_len;
	if (request->policy_len > 0)
		fake->request_policy_last =
			((const uint8_t *)request->policy)[request->policy_len - 1];
	memcpy(fake->flows, request->flows, request->n_flows * sizeof(fake->flows[0]));
	fake->request.flows = fake->flows;
	return 0;
}

static void end(struct fake_signalling *fake, struct fake_session *session)
{
	fake->path_tears += session->sends;
	fake->resv_tears += session->reserves;
	*session = (struct fake_session){ 0 };
}

static int fake_close(void *user_data, struct owner *owner, uint32_t id, uint64_t now_us)
{
	struct fake_session *session = find(user_data, owner, id);

	(void)now_us;
	if (!session)
		return -ENOENT;
	end(user_data, session);
	return 0;
}

static void fake_owner_gone(void *user_data, struct owner *owner, uint64_t now_us)
{
	struct fake_signalling *fake = user_data;

	(void)now_us;
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		if (fake->sessions[i].owner == owner)
			end(fake, &fake->sessions[i]);
	}
	if (fake->watching == owner)
		fake->watching = NULL;
	if (fake->asked == owner)
		fake->asked = NULL;
}

static int fake_visit(void *user_data, const struct owner *owner, const struct engine_view *view,
		      uint32_t kinds, uint64_t *position, signalling_visit visit, void *visit_data,
		      uint64_t now_us)
{
	struct fake_signalling *fake = user_data;
	uint32_t n = 0;

	(void)owner;
	(void)now_us;
	fake->view = *view;
	fake->kinds = kinds;
	fake->n_visits++;
	for (; *position < fake->n_records; (*position)++, n++) {
		struct gw_rsvp_sender sender = { .form = GW_RSVP_PORTS };
		struct sockaddr_in source = { .sin_family = AF_INET };
		struct gw_rsvp_record record = {
			.size = sizeof(record),
			.kind = GW_RSVP_SENDER,
			.flags = GW_RSVP_LOCAL,
			.senders = &sender,
			.n_senders = 1,
			.protocol = IPPROTO_UDP,
			.dscp = -1,
			.rate_bps = *position,
			.interface = "eth0",
		};
		int r;

		if (fake->rest_after > 0 && n == fake->rest_after)
			return -EAGAIN;
		source.sin_port = htons((uint16_t)(*position + 1));
		memcpy(&sender.address, &source, sizeof(source));
		r = visit(&record, visit_data);
		if (r != 0)
			return r;
	}
	return take_error(fake);
}

static int fake_watch(void *user_data, struct owner *owner)
{
	struct fake_signalling *fake = user_data;

	fake->watching = owner;
	return 0;
}

static int fake_diagnose(void *user_data, struct owner *owner,
			 const struct signalling_question *question, uint64_t now_us)
{
	struct fake_signalling *fake = user_data;

	(void)now_us;
	fake->question = *question;
	fake->asked = owner;
	return take_error(fake);
}

void fake_signalling_init(struct fake_signalling *fake)
{
	*fake = (struct fake_signalling){ .port = {
						  .user_data = fake,
						  .open = fake_open,
						  .send = fake_send,
						  .reserve = fake_reserve,
						  .close = fake_close,
						  .owner_gone = fake_owner_gone,
						  .visit = fake_visit,
						  .watch = fake_watch,
						  .diagnose = fake_diagnose,
					  } };
}

struct fake_session *fake_signalling_find(struct fake_signalling *fake,
					  const struct address *destination)
{
	for (size_t i = 0; i < FAKE_SESSIONS; i++) {
		if (fake->sessions[i].id != 0 &&
		    address_equal(&fake->sessions[i].session.destination, destination))
			return &fake->sessions[i];
	}
	return NULL;
}

unsigned fake_signalling_count(const struct fake_signalling *fake, const struct owner *owner)
{
	unsigned n = 0;

	for (size_t i = 0; i < FAKE_SESSIONS; i++)
		n += fake->sessions[i].id != 0 && (!owner || fake->sessions[i].owner == owner);
	return n;
}
