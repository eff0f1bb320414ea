/* SPDX-License-Identifier: MIT */
/* provider_world.c: see provider_world.h. */
#include "provider_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct provider_world the_world;

/* ---- life ---- */

static void port_tell(void *user_data, struct owner *owner, enum gw_event_type type,
		      uint64_t socket, const struct gw_rsvp_record *record)
{
	struct provider_world *pw = user_data;

	assert_non_null(record);
	assert_true(pw->n_told < TOLD_MAX);
	pw->told[pw->n_told++] = (struct told){ owner, type, socket, *record };
}

static uint32_t port_link_mtu(void *user_data, uint32_t ifindex)
{
	const struct provider_world *pw = user_data;

	assert_int_not_equal(ifindex, 0);
	return pw->link_mtu;
}

static uint64_t port_link_speed_bps(void *user_data, uint32_t ifindex)
{
	const struct provider_world *pw = user_data;

	assert_int_not_equal(ifindex, 0);
	return pw->link_speed_bps;
}

static void path_event(struct provider_world *pw, struct owner *owner, uint32_t id,
		       const struct address *sender, const struct gw_tspec *tspec,
		       const struct gw_rsvp_path *path, uint32_t flags)
{
	struct gw_rsvp_sender named = { .form = GW_RSVP_PORTS };
	struct gw_rsvp_record record = {
		.size = sizeof(record),
		.kind = GW_RSVP_SENDER,
		.flags = flags,
		.id = id,
		.senders = &named,
		.n_senders = 1,
		.dscp = -1,
	};

	address_to_sockaddr(sender, &named.address);
	if (tspec)
		record.tspec = *tspec;
	if (path)
		record.path = *path;
	assert_true(provider_signalled(pw->provider, owner, id, GW_EVENT_RSVP_PATH, &record));
}

static void port_on_open(void *user_data, struct owner *owner, uint32_t id,
			 const struct signalling_session *session)
{
	struct provider_world *pw = user_data;

	(void)session;
	if (pw->known.family != AF_UNSPEC)
		path_event(pw, owner, id, &pw->known, &pw->known_tspec, NULL, 0);
}

struct provider_world *provider_world_new_with(const struct datapath_ops *ops, bool signals)
{
	struct provider_world *pw = &the_world;
	const struct provider_ports ports = {
		.user_data = pw,
		.tell = port_tell,
		.link_mtu = port_link_mtu,
		.link_speed_bps = port_link_speed_bps,
	};
	const struct address own[] = { world_address("127.0.0.1", 0), world_address("192.0.2.1", 0),
				       world_address("198.51.100.1", 0) };

	memset(pw, 0, sizeof(*pw));
	pw->world = world_new_with(NULL, ops);
	assert_non_null(pw->world);
	pw->provider = provider_new(pw->world->engine, &ports);
	assert_non_null(pw->provider);
	fake_signalling_init(&pw->signalling);
	pw->signalling.on_open = port_on_open;
	pw->signalling.on_open_data = pw;
	provider_set_addresses(pw->provider, own, 3, pw->world->now_us);
	if (signals)
		provider_set_signalling(pw->provider, &pw->signalling.port, pw->world->now_us);
	pw->owner = world_owner(pw->world, UID_USER);
	return pw;
}

struct provider_world *provider_world_new(void)
{
	return provider_world_new_with(&fake_datapath_ops, true);
}

void provider_world_free(struct provider_world *pw)
{
	world_check(pw->world);
	provider_free(pw->provider);
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 0);
	world_check_empty(pw->world);
	world_free(pw->world);
}

/* ---- sockets and requests ---- */

struct engine_socket udp_socket(uint64_t cookie)
{
	return world_socket(cookie);
}

struct engine_socket udp_connected(uint64_t cookie, const char *peer, uint16_t port)
{
	struct engine_socket socket = world_socket(cookie);

	socket.peer = world_address(peer, port);
	return socket;
}

struct engine_socket tcp_connected(uint64_t cookie, const char *peer, uint16_t port)
{
	struct engine_socket socket = udp_connected(cookie, peer, port);

	socket.protocol = IPPROTO_TCP;
	return socket;
}

struct provider_request request_nothing(void)
{
	return (struct provider_request){
		.qos = {
			.size = sizeof(struct gw_qos),
			.sending = { .service = GW_QOS_KEEP,
				     .latency_us = UINT32_MAX,
				     .slack_us = UINT32_MAX },
			.receiving = { .service = GW_QOS_KEEP,
				       .latency_us = UINT32_MAX,
				       .slack_us = UINT32_MAX },
			.dscp = -1,
			.priority = -1,
		},
	};
}

struct provider_request request_sending(enum gw_qos_service service, uint64_t rate_bps)
{
	struct provider_request request = request_nothing();

	request.qos.sending.service = service;
	request.qos.sending.tspec.rate_bps = rate_bps;
	return request;
}

struct provider_request request_receiving(enum gw_qos_service service)
{
	struct provider_request request = request_nothing();

	request.qos.receiving.service = service;
	return request;
}

struct provider_request request_both(enum gw_qos_service sending, uint64_t rate_bps,
				     enum gw_qos_service receiving)
{
	struct provider_request request = request_sending(sending, rate_bps);

	request.qos.receiving.service = receiving;
	return request;
}

int set(struct provider_world *pw, const struct engine_socket *socket,
	const struct provider_request *request)
{
	int r = provider_set(pw->provider, pw->owner, socket, request, pw->world->now_us);

	provider_run(pw->provider, pw->world->now_us);
	world_check(pw->world);
	return r;
}

void set_ok(struct provider_world *pw, const struct engine_socket *socket,
	    const struct provider_request *request)
{
	assert_int_equal(set(pw, socket, request), 0);
}

void look_ok(struct provider_world *pw, const struct engine_socket *socket)
{
	assert_int_equal(provider_look(pw->provider, pw->owner, socket, pw->world->now_us), 0);
	provider_run(pw->provider, pw->world->now_us);
	world_check(pw->world);
}

/* ---- the network ---- */

struct gw_tspec tspec_of(uint64_t rate_bps)
{
	return (struct gw_tspec){ .rate_bps = rate_bps,
				  .depth_bytes = 4000,
				  .peak_bps = 2 * rate_bps,
				  .min_bytes = 100,
				  .max_bytes = 1200 };
}

static const struct fake_session *session_at(struct provider_world *pw,
					     const struct address *destination)
{
	const struct fake_session *session = fake_signalling_find(&pw->signalling, destination);

	assert_non_null(session);
	return session;
}

void hear_path(struct provider_world *pw, const struct address *destination,
	       const struct address *sender, const struct gw_tspec *tspec,
	       const struct gw_rsvp_path *path)
{
	const struct fake_session *session = session_at(pw, destination);

	path_event(pw, (struct owner *)session->owner, session->id, sender, tspec, path, 0);
	provider_run(pw->provider, pw->world->now_us);
}

void hear_path_tear(struct provider_world *pw, const struct address *destination,
		    const struct address *sender)
{
	const struct fake_session *session = session_at(pw, destination);

	path_event(pw, (struct owner *)session->owner, session->id, sender, NULL, NULL,
		   GW_RSVP_GONE);
	provider_run(pw->provider, pw->world->now_us);
}

static void event(struct provider_world *pw, const struct address *destination,
		  enum gw_event_type type, const struct gw_rsvp_record *record)
{
	const struct fake_session *session = session_at(pw, destination);

	assert_true(provider_signalled(pw->provider, (struct owner *)session->owner, session->id,
				       type, record));
	provider_run(pw->provider, pw->world->now_us);
	world_check(pw->world);
}

void hear_resv(struct provider_world *pw, const struct address *destination,
	       enum gw_rsvp_service service, uint64_t rate_bps, int32_t dscp)
{
	struct gw_rsvp_record record = {
		.size = sizeof(record),
		.kind = GW_RSVP_RESERVATION,
		.style = GW_RSVP_FF,
		.service = service,
		.tspec = tspec_of(rate_bps),
		.rate_bps = rate_bps,
		.dscp = dscp,
	};

	event(pw, destination, GW_EVENT_RSVP_RESV, &record);
}

void hear_resv_tear(struct provider_world *pw, const struct address *destination)
{
	struct gw_rsvp_record record = { .size = sizeof(record),
					 .kind = GW_RSVP_RESERVATION,
					 .flags = GW_RSVP_GONE,
					 .dscp = -1 };

	event(pw, destination, GW_EVENT_RSVP_RESV, &record);
}

void hear_confirm(struct provider_world *pw, const struct address *destination)
{
	struct gw_rsvp_record record = { .size = sizeof(record),
					 .kind = GW_RSVP_RESERVATION,
					 .dscp = -1 };

	event(pw, destination, GW_EVENT_RSVP_CONFIRM, &record);
}

void hear_resv_error(struct provider_world *pw, const struct address *destination)
{
	struct gw_rsvp_record record = { .size = sizeof(record),
					 .kind = GW_RSVP_ERROR,
					 .error_code = 1,
					 .error_value = 2,
					 .dscp = -1 };

	event(pw, destination, GW_EVENT_RSVP_RESV_ERROR, &record);
}

/* ---- what came of it ---- */

size_t told_of(const struct provider_world *pw, uint64_t socket, enum gw_event_type type, bool gone)
{
	size_t n = 0;

	for (size_t i = 0; i < pw->n_told; i++)
		n += pw->told[i].socket == socket && pw->told[i].type == type &&
		     ((pw->told[i].record.flags & GW_RSVP_GONE) != 0) == gone;
	return n;
}

void forget(struct provider_world *pw)
{
	pw->n_told = 0;
	pw->signalling.paths = pw->signalling.path_tears = 0;
	pw->signalling.resvs = pw->signalling.resv_tears = 0;
}

void expect_messages(const struct provider_world *pw, unsigned paths, unsigned path_tears,
		     unsigned resvs, unsigned resv_tears)
{
	assert_int_equal(pw->signalling.paths, paths);
	assert_int_equal(pw->signalling.path_tears, path_tears);
	assert_int_equal(pw->signalling.resvs, resvs);
	assert_int_equal(pw->signalling.resv_tears, resv_tears);
}

int dscp_to(const struct provider_world *pw, uint64_t cookie, const struct address *destination)
{
	return fake_dscp(&pw->world->datapath, cookie, destination);
}

const struct datapath_meter *meter_to(struct provider_world *pw, uint64_t cookie,
				      const struct address *destination)
{
	const struct fake_mark *mark = fake_find(&pw->world->datapath, cookie, destination);
	const struct fake_meter *meter =
		mark ? fake_meter_of(&pw->world->datapath, mark->treatment.flow_id) : NULL;

	return meter ? &meter->meter : NULL;
}

int reserve(struct provider_world *pw, const struct address *destination, int protocol,
	    const struct address *source, const struct engine_service *service)
{
	const struct signalling_session session = { .destination = *destination,
						    .protocol = (uint8_t)protocol,
						    .ifindex = 2 };
	struct admission_refusal refusal;
	int r = provider_reserve(pw->provider, &session, source, service, &refusal,
				 pw->world->now_us);

	world_check(pw->world);
	return r;
}

struct engine_service service_of(uint32_t booked_as, uint64_t rate_bps)
{
	return (struct engine_service){
		.bucket = { .rate_bps = rate_bps,
			    .depth_bytes = 3000,
			    .min_bytes = 100,
			    .max_bytes = 1200 },
		.reserved_bps = booked_as == ADMISSION_GUARANTEED ? rate_bps + rate_bps / 2 : 0,
		.booked_as = booked_as,
		.traffic_class = GW_CLASS_AUDIO_VIDEO,
	};
}
