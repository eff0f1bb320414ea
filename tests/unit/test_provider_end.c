/* SPDX-License-Identifier: MIT */
/*
 * test_provider_end.c: the closing matrix (gqos.md §16.2, §16.3), row by row: which messages go out, what of traffic
 * control ends, what stays, and that nothing happens twice. Precondition of every row: Path and Resv stand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "provider_world.h"

#define MBIT UINT64_C(1000000)
#define COOKIE 1

enum role { SENDS = 1, RECEIVES = 2, BOTH = 3 };
enum transport { TCP, UDP_CONNECTED, UDP_NAMED, GROUPS };
static const char *const transport_names[] = { "TCP", "UDP connected", "UDP not connected",
					       "groups" };

/* ---- what stands before ---- */

#define PARTS 2 /* destinations of an unconnected socket, and groups */

struct scene {
	struct provider_world *pw;
	enum transport transport;
	enum role role;
	struct engine_socket socket;
	struct address to[PARTS];   /* where it sends */
	struct address from[PARTS]; /* sessions where it receives */
	unsigned n_to, n_from;
};

static struct address host(unsigned n)
{
	return world_address(n == 0 ? "203.0.113.7" : "203.0.113.8", 5004);
}

static struct provider_request request_of(enum role role)
{
	return request_both(role & SENDS ? GW_QOS_CONTROLLED_LOAD : GW_QOS_NONE,
			    role & SENDS ? MBIT : 0,
			    role & RECEIVES ? GW_QOS_CONTROLLED_LOAD : GW_QOS_NONE);
}

static void join_groups(struct scene *scene)
{
	struct provider_request request = request_of(scene->role);

	for (unsigned i = 0; i < PARTS; i++) {
		struct address group = world_address(i == 0 ? "239.1.1.1" : "239.1.1.2", 5004);

		assert_int_equal(provider_join(scene->pw->provider, scene->pw->owner,
					       &scene->socket, &group,
					       GW_QOS_SENDING | GW_QOS_RECEIVING, &request,
					       scene->pw->world->now_us),
				 0);
		scene->to[i] = scene->from[i] = group;
	}
	scene->n_to = scene->role & SENDS ? PARTS : 0;
	scene->n_from = scene->role & RECEIVES ? PARTS : 0;
}

static void set_socket(struct scene *scene)
{
	struct provider_request request = request_of(scene->role);

	scene->n_to = scene->role & SENDS ? (scene->transport == UDP_NAMED ? PARTS : 1) : 0;
	scene->n_from = scene->role & RECEIVES ? 1 : 0;
	scene->from[0] = scene->socket.local;
	for (unsigned i = 0; i == 0 || i < scene->n_to; i++) {
		scene->to[i] = host(i);
		if (scene->transport == UDP_NAMED && (scene->role & SENDS))
			request.destination = scene->to[i];
		set_ok(scene->pw, &scene->socket, &request);
		request.qos.receiving.service = GW_QOS_KEEP;
	}
}

/* Path and Resv stand, at both ends of every session; what was told and sent so far is forgotten. */
static void scene_begin(struct scene *scene, enum transport transport, enum role role)
{
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct gw_tspec tspec = tspec_of(MBIT);
	struct address sender = host(0);
	int protocol = transport == TCP ? IPPROTO_TCP : IPPROTO_UDP;

	*scene = (struct scene){ .pw = provider_world_new(), .transport = transport, .role = role };
	scene->socket = udp_socket(COOKIE);
	scene->socket.protocol = protocol;
	if (transport == TCP || transport == UDP_CONNECTED)
		scene->socket.peer = sender;
	if (transport == GROUPS)
		join_groups(scene);
	else
		set_socket(scene);
	for (unsigned i = 0; i < scene->n_from; i++)
		hear_path(scene->pw, &scene->from[i], &sender, &tspec, NULL);
	for (unsigned i = 0; i < scene->n_to; i++) {
		assert_int_equal(reserve(scene->pw, &scene->to[i], protocol, &scene->socket.local,
					 &service),
				 0);
		hear_resv(scene->pw, &scene->to[i], GW_RSVP_CONTROLLED_LOAD, MBIT, -1);
		assert_int_equal(dscp_to(scene->pw, COOKIE, &scene->to[i]), 0x18);
	}
	expect_messages(scene->pw, scene->n_to, 0, scene->n_from, 0);
	forget(scene->pw);
}

/* ---- what is there after ---- */

static unsigned flows_left(const struct scene *scene)
{
	unsigned n = 0;

	for (unsigned i = 0; i < scene->n_to; i++)
		n += meter_to(scene->pw, COOKIE, &scene->to[i]) != NULL;
	return n;
}

static void standing(const struct scene *scene, unsigned *ret_sent, unsigned *ret_reserved)
{
	*ret_sent = *ret_reserved = 0;
	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		*ret_sent += scene->pw->signalling.sessions[i].sends;
		*ret_reserved += scene->pw->signalling.sessions[i].reserves;
	}
}

/* ---- events ---- */

static void end_socket(struct scene *scene, unsigned directions, enum end_reason reason)
{
	engine_end_socket(scene->pw->world->engine, COOKIE, directions, reason,
			  scene->pw->world->now_us);
}

static void end(struct scene *scene, uint32_t directions)
{
	assert_int_equal(provider_end(scene->pw->provider, scene->pw->owner, &scene->socket,
				      directions, scene->pw->world->now_us),
			 0);
}

static void ask(struct scene *scene, enum gw_qos_service sending, enum gw_qos_service receiving)
{
	struct provider_request request = request_both(sending, 0, receiving);

	set_ok(scene->pw, &scene->socket, &request);
}

static void e1_close(struct scene *scene)
{
	fake_close_socket(&scene->pw->world->datapath, COOKIE);
	end_socket(scene, DIRECTION_BOTH, END_CLOSED);
}

static void e2_shut_send(struct scene *scene)
{
	end_socket(scene, DIRECTION_SEND, END_SHUTDOWN);
}

static void e3_shut_receive(struct scene *scene)
{
	end_socket(scene, DIRECTION_RECEIVE, END_SHUTDOWN);
}

static void e4_shut_both(struct scene *scene)
{
	end_socket(scene, DIRECTION_BOTH, END_SHUTDOWN);
}

static void e5_send_disconnect(struct scene *scene)
{
	end(scene, GW_QOS_SENDING | GW_QOS_SHUT);
}

static void e5_receive_disconnect(struct scene *scene)
{
	end(scene, GW_QOS_RECEIVING | GW_QOS_SHUT);
}

static void e6_connect_null(struct scene *scene)
{
	end(scene, GW_QOS_SENDING | GW_QOS_RECEIVING);
	if (scene->transport == UDP_CONNECTED)
		end_socket(scene, DIRECTION_BOTH, END_DISCONNECTED);
}

static void e7_disconnect(struct scene *scene)
{
	end_socket(scene, DIRECTION_BOTH, END_DISCONNECTED);
}

static void e8_no_traffic(struct scene *scene)
{
	ask(scene, GW_QOS_NONE, GW_QOS_KEEP);
}

static void e9_best_effort(struct scene *scene)
{
	ask(scene, GW_QOS_BEST_EFFORT, GW_QOS_KEEP);
}

static void e10_receive_nothing(struct scene *scene)
{
	ask(scene, GW_QOS_KEEP, GW_QOS_NONE);
}

static void e11_receive_best_effort(struct scene *scene)
{
	ask(scene, GW_QOS_KEEP, GW_QOS_BEST_EFFORT);
}

static void e12_none_none(struct scene *scene)
{
	ask(scene, GW_QOS_NONE, GW_QOS_NONE);
}

static void e12_none_best(struct scene *scene)
{
	ask(scene, GW_QOS_NONE, GW_QOS_BEST_EFFORT);
}

static void e12_best_none(struct scene *scene)
{
	ask(scene, GW_QOS_BEST_EFFORT, GW_QOS_NONE);
}

static void e12_best_best(struct scene *scene)
{
	ask(scene, GW_QOS_BEST_EFFORT, GW_QOS_BEST_EFFORT);
}

static void e14_owner_dies(struct scene *scene)
{
	if (!scene->pw->owner)
		return;
	world_remove_owner(scene->pw->world, scene->pw->owner);
	scene->pw->owner = NULL;
}

static void e17_peer_fin(struct scene *scene)
{
	(void)scene; /* of which nobody is told */
}

static void e24_keep(struct scene *scene)
{
	ask(scene, GW_QOS_KEEP, GW_QOS_KEEP);
}

struct event {
	const char *name;
	void (*happens)(struct scene *scene);
	unsigned ends;	 /* SENDS, RECEIVES */
	bool connection; /* means nothing to others */
};

/* E1 to E12, E14, E17, E18, E24; the rest have tests of their own. */
static const struct event events[] = {
	{ "E1 close", e1_close, BOTH, false },
	{ "E2 shutdown(SD_SEND)", e2_shut_send, SENDS, false },
	{ "E3 shutdown(SD_RECEIVE)", e3_shut_receive, RECEIVES, false },
	{ "E4 shutdown(SD_BOTH)", e4_shut_both, BOTH, false },
	{ "E5 WSASendDisconnect", e5_send_disconnect, SENDS, false },
	{ "E5 WSARecvDisconnect", e5_receive_disconnect, RECEIVES, false },
	{ "E6 WSAConnect(NULL)", e6_connect_null, BOTH, false },
	{ "E7, E18 disconnected", e7_disconnect, BOTH, true },
	{ "E8 sending NOTRAFFIC", e8_no_traffic, SENDS, false },
	{ "E9 sending BESTEFFORT", e9_best_effort, SENDS, false },
	{ "E10 receiving NOTRAFFIC", e10_receive_nothing, RECEIVES, false },
	{ "E11 receiving BESTEFFORT", e11_receive_best_effort, RECEIVES, false },
	{ "E12 NOTRAFFIC, NOTRAFFIC", e12_none_none, BOTH, false },
	{ "E12 NOTRAFFIC, BESTEFFORT", e12_none_best, BOTH, false },
	{ "E12 BESTEFFORT, NOTRAFFIC", e12_best_none, BOTH, false },
	{ "E12 BESTEFFORT, BESTEFFORT", e12_best_best, BOTH, false },
	{ "E14 owner dies", e14_owner_dies, BOTH, false },
	{ "E17 FIN of the peer", e17_peer_fin, 0, false },
	{ "E24 NOCHANGE, NOCHANGE", e24_keep, 0, false },
};

/* The socket itself has not ended: when it does, that will be seen. */
static void check_watched(const struct scene *scene)
{
	const struct fake_mark *mark = fake_find(&scene->pw->world->datapath, COOKIE, NULL);

	assert_non_null(mark);
	assert_true(mark->treatment.watched);
	assert_int_equal(mark->target.end_on, TARGET_WATCHED);
}

static void check_row(const struct event *event, enum transport transport, enum role role)
{
	unsigned ends = event->ends & (unsigned)role, sent, reserved;
	struct scene scene;

	print_message("%s, %s, role %d\n", event->name, transport_names[transport], role);
	scene_begin(&scene, transport, role);
	event->happens(&scene);
	world_check(scene.pw->world);
	expect_messages(scene.pw, 0, ends & SENDS ? scene.n_to : 0, 0,
			ends & RECEIVES ? scene.n_from : 0);
	/* TC goes with what is sent, and stays with it; so does the other direction. */
	assert_int_equal(flows_left(&scene), ends & SENDS ? 0 : scene.n_to);
	standing(&scene, &sent, &reserved);
	assert_int_equal(sent, ends & SENDS ? 0 : scene.n_to);
	assert_int_equal(reserved, ends & RECEIVES ? 0 : scene.n_from);
	/* Sessions in which nothing is left to do are closed; that of a group is one for both directions. */
	for (unsigned i = 0; i < scene.n_to && transport != GROUPS && (ends & SENDS); i++)
		assert_null(fake_signalling_find(&scene.pw->signalling, &scene.to[i]));
	if (event->happens != e1_close && event->happens != e14_owner_dies)
		check_watched(&scene);
	/* The closer is not told of it (G-244). */
	assert_int_equal(scene.pw->n_told, 0);

	/* Again: nothing twice (G-215, G-253). */
	forget(scene.pw);
	event->happens(&scene);
	expect_messages(scene.pw, 0, 0, 0, 0);
	e1_close(&scene);
	expect_messages(scene.pw, 0, sent, 0, reserved);
	assert_int_equal(scene.pw->n_told, 0);
	assert_int_equal(fake_signalling_count(&scene.pw->signalling, NULL), 0);
	world_check_empty(scene.pw->world);
	provider_world_free(scene.pw);
}

/*
 * G-051, G-209..G-214, G-217..G-221, G-223..G-227, G-230, G-235, G-237, G-238, G-241, G-243: what goes out, of each event for
 * each transport and role.
 */
static void test_matrix(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		for (enum transport t = TCP; t <= GROUPS; t++) {
			if (events[i].connection && t > UDP_CONNECTED)
				continue;
			for (int role = SENDS; role <= BOTH; role++)
				check_row(&events[i], t, (enum role)role);
		}
	}
}

/* E13 (G-228, G-229) */
static void test_one_ends_the_other_begins(void **state)
{
	struct scene scene;
	struct provider_request request;
	struct gw_tspec tspec = tspec_of(MBIT);
	struct address sender = host(0);

	(void)state;
	scene_begin(&scene, TCP, SENDS);
	/* Heard, though nothing is wanted (§8.3). */
	hear_path(scene.pw, &scene.socket.local, &sender, &tspec, NULL);
	expect_messages(scene.pw, 0, 0, 0, 0);
	ask(&scene, GW_QOS_NONE, GW_QOS_CONTROLLED_LOAD);
	expect_messages(scene.pw, 0, 1, 1, 0);
	request = request_both(GW_QOS_CONTROLLED_LOAD, MBIT, GW_QOS_NONE);
	set_ok(scene.pw, &scene.socket, &request);
	expect_messages(scene.pw, 1, 1, 1, 1);
	provider_world_free(scene.pw);
}

/* E21, E22 (G-064, G-066, G-251) */
static void test_no_signalling_and_no_traffic_control(void **state)
{
	struct provider_request keep = request_nothing();
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, BOTH);
	keep.qos.sending.flags = keep.qos.receiving.flags = GW_QOS_NO_SIGNALLING;
	set_ok(scene.pw, &scene.socket, &keep);
	expect_messages(scene.pw, 0, 1, 0, 1);
	assert_int_equal(flows_left(&scene), 1);
	assert_int_equal(dscp_to(scene.pw, COOKIE, &scene.to[0]), 0);
	provider_world_free(scene.pw);

	scene_begin(&scene, TCP, BOTH);
	keep.qos.sending.flags = keep.qos.receiving.flags = GW_QOS_NO_TRAFFIC_CONTROL;
	set_ok(scene.pw, &scene.socket, &keep);
	expect_messages(scene.pw, 0, 0, 0, 0);
	assert_int_equal(flows_left(&scene), 0);
	provider_world_free(scene.pw);
}

/* G-232, G-250: again and again, and nothing stays behind. */
static void test_toggled(void **state)
{
	struct provider_request on = request_of(BOTH);
	struct gw_tspec tspec = tspec_of(MBIT);
	struct address sender = host(0);
	struct scene scene;

	(void)state;
	scene_begin(&scene, UDP_CONNECTED, BOTH);
	scene.pw->known = sender;
	scene.pw->known_tspec = tspec;
	for (unsigned i = 0; i < 100; i++) {
		forget(scene.pw);
		e12_none_best(&scene);
		expect_messages(scene.pw, 0, 1, 0, 1);
		set_ok(scene.pw, &scene.socket, &on);
		/* A fresh start: what is known is told as if it were new, and asked for at once. */
		expect_messages(scene.pw, 1, 1, 1, 1);
		assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_PATH, false), 1);
	}
	assert_int_equal(scene.pw->world->datapath.n_meters, 1);
	assert_int_equal(fake_signalling_count(&scene.pw->signalling, NULL), 2);
	provider_world_free(scene.pw);
}

/* G-242: what has been shut down does not begin again; the other direction does. */
static void test_shut_down(void **state)
{
	struct provider_request request = request_of(SENDS);
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, SENDS);
	e2_shut_send(&scene);
	request.qos.receiving.service = GW_QOS_KEEP;
	assert_int_equal(set(scene.pw, &scene.socket, &request), -ESHUTDOWN);
	ask(&scene, GW_QOS_BEST_EFFORT, GW_QOS_CONTROLLED_LOAD);
	e3_shut_receive(&scene);
	assert_int_equal(fake_signalling_count(&scene.pw->signalling, NULL), 0);
	request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	assert_int_equal(set(scene.pw, &scene.socket, &request), -ESHUTDOWN);
	provider_world_free(scene.pw);
}

/* E16 (G-236): the old peer's ends, the new one's begins; the QoS stays. A second sender was heard already. */
static void test_reconnected(void **state)
{
	struct gw_tspec tspec = tspec_of(MBIT);
	struct address second = host(1);
	struct scene scene;

	(void)state;
	scene_begin(&scene, UDP_CONNECTED, BOTH);
	hear_path(scene.pw, &scene.socket.local, &second, &tspec, NULL);
	assert_int_equal(scene.pw->n_told, 0); /* G-138 */
	scene.socket.peer = second;
	look_ok(scene.pw, &scene.socket);
	/* Of one style, so the session ends what it does not want any more. */
	expect_messages(scene.pw, 1, 1, 1, 0);
	assert_null(meter_to(scene.pw, COOKIE, &scene.to[0]));
	assert_non_null(meter_to(scene.pw, COOKIE, &second));
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_PATH, false), 1);
	provider_world_free(scene.pw);
}

/* E16 of one that was not connected: the destination that becomes the peer stays, others end; WF, then FF (G-142). */
static void test_connected_later(void **state)
{
	const struct fake_session *session;
	struct scene scene;

	(void)state;
	scene_begin(&scene, UDP_NAMED, BOTH);
	session = fake_signalling_find(&scene.pw->signalling, &scene.socket.local);
	assert_int_equal(session->request.style, GW_RSVP_WF);
	scene.socket.peer = scene.to[0];
	look_ok(scene.pw, &scene.socket);
	expect_messages(scene.pw, 0, 1, 1, 1);
	assert_int_equal(session->request.style, GW_RSVP_FF);
	assert_int_equal(dscp_to(scene.pw, COOKIE, &scene.to[0]), 0x18);
	assert_null(meter_to(scene.pw, COOKIE, &scene.to[1]));
	provider_world_free(scene.pw);
}

/* A47: WF goes also when the peer has not been heard. */
static void test_connected_to_a_silent_peer(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene, UDP_NAMED, RECEIVES);
	scene.socket.peer = host(1);
	look_ok(scene.pw, &scene.socket);
	expect_messages(scene.pw, 0, 0, 0, 1);
	provider_world_free(scene.pw);
}

/* E19 (G-239) */
static void test_group_left(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene, GROUPS, BOTH);
	for (int again = 0; again < 2; again++)
		assert_int_equal(provider_leave(scene.pw->provider, scene.pw->owner, COOKIE,
						&scene.to[0], scene.pw->world->now_us),
				 0);
	expect_messages(scene.pw, 0, 1, 0, 1);
	assert_null(meter_to(scene.pw, COOKIE, &scene.to[0]));
	assert_int_equal(dscp_to(scene.pw, COOKIE, &scene.to[1]), 0x18);
	provider_world_free(scene.pw);
}

/* E20: the address has gone; the owner is told, each direction once. */
static void test_address_gone(void **state)
{
	const struct address left[] = { world_address("198.51.100.1", 0) };
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, BOTH);
	provider_set_addresses(scene.pw->provider, left, 1, scene.pw->world->now_us);
	expect_messages(scene.pw, 0, 1, 0, 1);
	assert_int_equal(flows_left(&scene), 0);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_PATH_ERROR, false), 1);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_RESV_ERROR, false), 1);
	assert_int_equal(scene.pw->told[0].record.error_code, 23);
	provider_world_free(scene.pw);
}

/* One that was never among those of the host is not lost when they change. */
static void test_other_addresses_gone(void **state)
{
	const struct address left[] = { world_address("192.0.2.1", 0) };
	struct provider_request request = request_of(BOTH);
	struct engine_socket odd = udp_connected(2, "203.0.113.7", 5004);
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, BOTH);
	odd.local = world_address("192.0.2.77", 5000);
	set_ok(scene.pw, &odd, &request);
	forget(scene.pw);
	provider_set_addresses(scene.pw->provider, left, 1, scene.pw->world->now_us);
	expect_messages(scene.pw, 0, 0, 0, 0);
	assert_int_equal(scene.pw->n_told, 0);
	provider_world_free(scene.pw);
}

/* E26: the same when nobody signals any more; what was asked for does not come back with it. */
static void test_signalling_stops(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene, UDP_NAMED, BOTH);
	provider_set_signalling(scene.pw->provider, NULL, scene.pw->world->now_us);
	expect_messages(scene.pw, 0, PARTS, 0, 1);
	assert_int_equal(flows_left(&scene), 0);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_PATH_ERROR, false), 1);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_RESV_ERROR, false), 1);
	provider_set_signalling(scene.pw->provider, &scene.pw->signalling.port,
				scene.pw->world->now_us);
	expect_messages(scene.pw, 0, PARTS, 0, 1);
	provider_world_free(scene.pw);
}

/* The peer ends: nothing ends here but what was for it (G-233; the peer's view in §16.1). */
static void test_peer_ends_and_begins(void **state)
{
	struct gw_tspec tspec = tspec_of(MBIT);
	struct address sender = host(0);
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, BOTH);
	hear_path_tear(scene.pw, &scene.socket.local, &sender);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_PATH, true), 1);
	hear_path(scene.pw, &scene.socket.local, &sender, &tspec, NULL);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_PATH, false), 1);
	assert_int_equal(scene.pw->signalling.resvs, 1);
	assert_int_equal(reserve(scene.pw, &scene.to[0], IPPROTO_TCP, &scene.socket.local, NULL),
			 0);
	hear_resv_tear(scene.pw, &scene.to[0]);
	hear_resv_tear(scene.pw, &scene.to[0]);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_RESV, true), 1);
	assert_int_equal(dscp_to(scene.pw, COOKIE, &scene.to[0]), 0);
	assert_int_equal(scene.pw->signalling.path_tears, 0);
	provider_world_free(scene.pw);
}

/* G-255, §16.8, from A's side: the steps of the worked example. */
static void test_worked_example(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, BOTH);
	e3_shut_receive(&scene);
	expect_messages(scene.pw, 0, 0, 0, 1);
	e9_best_effort(&scene);
	expect_messages(scene.pw, 0, 1, 0, 1);
	/* B's Path may end or begin: A has shut that direction down, and hears of nothing. */
	assert_null(fake_signalling_find(&scene.pw->signalling, &scene.socket.local));
	look_ok(scene.pw, &scene.socket);
	assert_null(fake_signalling_find(&scene.pw->signalling, &scene.socket.local));
	e1_close(&scene);
	expect_messages(scene.pw, 0, 1, 0, 1);
	assert_int_equal(scene.pw->n_told, 0);
	provider_world_free(scene.pw);
}

/* E25 (G-122) and two sockets of one program: one ends, the other does not. */
static void test_sockets_end_alone(void **state)
{
	struct engine_socket other = udp_connected(2, "203.0.113.7", 5004);
	struct provider_request request = request_of(BOTH);
	struct scene scene;
	unsigned sent, reserved;

	(void)state;
	scene_begin(&scene, UDP_CONNECTED, BOTH);
	set_ok(scene.pw, &other, &request);
	forget(scene.pw);
	e1_close(&scene);
	expect_messages(scene.pw, 0, 1, 0, 1);
	standing(&scene, &sent, &reserved);
	assert_int_equal(sent, 1);
	assert_non_null(meter_to(scene.pw, 2, &scene.to[0]));
	provider_world_free(scene.pw);
}

/* E18: the connection is gone, and with it all that was asked; the next one is heard again. */
static void test_another_connection(void **state)
{
	struct provider_request request = request_of(SENDS);
	struct engine_socket between;
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, BOTH);
	scene.pw->known = host(1);
	scene.pw->known_tspec = tspec_of(MBIT);
	e7_disconnect(&scene);
	between = scene.socket;
	between.peer = (struct address){ 0 };
	look_ok(scene.pw, &between);
	assert_int_equal(fake_signalling_count(&scene.pw->signalling, NULL), 0);
	scene.socket.peer = host(1);
	look_ok(scene.pw, &scene.socket);
	assert_int_equal(told_of(scene.pw, COOKIE, GW_EVENT_RSVP_PATH, false), 1);
	expect_messages(scene.pw, 0, 1, 0, 1);
	set_ok(scene.pw, &scene.socket, &request);
	expect_messages(scene.pw, 1, 1, 0, 1);
	provider_world_free(scene.pw);
}

/* A44: another program that has the socket too asks anew; then it is that one's. */
static void test_taken_over(void **state)
{
	struct provider_request request = request_of(SENDS);
	struct owner *first;
	struct scene scene;

	(void)state;
	scene_begin(&scene, TCP, SENDS);
	first = scene.pw->owner;
	scene.pw->owner = world_owner(scene.pw->world, UID_OTHER);
	look_ok(scene.pw, &scene.socket);
	expect_messages(scene.pw, 0, 0, 0, 0);
	set_ok(scene.pw, &scene.socket, &request);
	expect_messages(scene.pw, 1, 1, 0, 0);
	world_remove_owner(scene.pw->world, first);
	expect_messages(scene.pw, 1, 1, 0, 0);
	assert_int_equal(flows_left(&scene), 1);
	provider_world_free(scene.pw);
}

/* E8 and E9 with QOS_DESTADDR, of a socket that sends to a group: not what it is for, and ignored (§16.3). */
static void test_destination_of_a_group_socket(void **state)
{
	static const enum gw_qos_service ends[] = { GW_QOS_NONE, GW_QOS_BEST_EFFORT };
	struct address group = world_address("239.1.2.3", 5004);
	const struct address named[] = { group, world_address("203.0.113.9", 5004) };
	struct provider_world *pw = provider_world_new();
	struct engine_socket socket = udp_socket(1);
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, 1000000);
	struct gw_qos_info info = { .size = sizeof(info) };

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(provider_join(pw->provider, pw->owner, &socket, &group, GW_QOS_SENDING,
				       NULL, pw->world->now_us),
			 0);
	for (size_t i = 0; i < 4; i++) {
		request = request_nothing();
		request.qos.sending.service = ends[i / 2];
		request.destination = named[i % 2];
		set_ok(pw, &socket, &request);
		expect_messages(pw, 1, 0, 0, 0);
		assert_int_equal(dscp_to(pw, 1, &group), 0);
		assert_int_equal(provider_query(pw->provider, pw->owner, &socket, &info), 0);
		assert_int_equal(info.sending.service, GW_QOS_CONTROLLED_LOAD);
	}
	/* Without it, that is the end. */
	request.destination = (struct address){ 0 };
	set_ok(pw, &socket, &request);
	expect_messages(pw, 1, 1, 0, 0);
	provider_world_free(pw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destination_of_a_group_socket),
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_one_ends_the_other_begins),
		cmocka_unit_test(test_no_signalling_and_no_traffic_control),
		cmocka_unit_test(test_toggled),
		cmocka_unit_test(test_shut_down),
		cmocka_unit_test(test_reconnected),
		cmocka_unit_test(test_connected_later),
		cmocka_unit_test(test_connected_to_a_silent_peer),
		cmocka_unit_test(test_group_left),
		cmocka_unit_test(test_address_gone),
		cmocka_unit_test(test_other_addresses_gone),
		cmocka_unit_test(test_signalling_stops),
		cmocka_unit_test(test_peer_ends_and_begins),
		cmocka_unit_test(test_worked_example),
		cmocka_unit_test(test_sockets_end_alone),
		cmocka_unit_test(test_another_connection),
		cmocka_unit_test(test_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
