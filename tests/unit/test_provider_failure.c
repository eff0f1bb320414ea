/* SPDX-License-Identifier: MIT */
/*
 * test_provider_failure.c: a change fails at each point in turn where it can: the signalling, the datapath, memory.
 * What stood before stands after, nothing of it is torn, and the next try succeeds (gqos.md §5.5; G-050, G-252, E23).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "provider_world.h"
#include "scarce_memory.h"

#define MBIT UINT64_C(1000000)

/* ---- what is tried; each from the same beginning ---- */

static struct provider_world *pw;
static struct engine_socket connected, plain;
static struct address to, other, group, second_group;

static void known_sender(void)
{
	pw->known = to;
	pw->known_tspec = tspec_of(MBIT);
}

static int ask(const struct engine_socket *socket, const struct provider_request *request)
{
	return provider_set(pw->provider, pw->owner, socket, request, 0);
}

static int ask_both(const struct engine_socket *socket, uint64_t rate_bps)
{
	struct provider_request request =
		request_both(GW_QOS_CONTROLLED_LOAD, rate_bps, GW_QOS_CONTROLLED_LOAD);

	return ask(socket, &request);
}

static void nothing_before(void)
{
}

static int verb_first(void)
{
	return ask_both(&connected, MBIT);
}

/* The socket is known; when it is asked of, it has a peer, and all of its parts are new. */
static void known_before(void)
{
	struct engine_socket unbound = connected;

	unbound.peer = (struct address){ 0 };
	unbound.local = world_address("0.0.0.0", 0);
	assert_int_equal(provider_look(pw->provider, pw->owner, &unbound, 0), 0);
}

static void both_before(void)
{
	assert_int_equal(ask_both(&connected, MBIT), 0);
}

static int verb_change(void)
{
	struct provider_request request =
		request_both(GW_QOS_GUARANTEED, 2 * MBIT, GW_QOS_GUARANTEED);

	return ask(&connected, &request);
}

static int verb_flags(void)
{
	struct provider_request request = request_nothing();

	request.qos.sending.flags = GW_QOS_NO_SIGNALLING;
	request.qos.receiving.flags = GW_QOS_NO_SIGNALLING;
	return ask(&connected, &request);
}

/* One direction ends in a call that begins the other anew: it fails, and neither has happened. */
static int verb_end_and_change(void)
{
	struct provider_request request = request_both(GW_QOS_NONE, 0, GW_QOS_GUARANTEED);

	return ask(&connected, &request);
}

static void named_before(void)
{
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);

	request.destination = to;
	assert_int_equal(ask(&plain, &request), 0);
}

static int verb_named(void)
{
	struct provider_request request =
		request_both(GW_QOS_CONTROLLED_LOAD, 2 * MBIT, GW_QOS_CONTROLLED_LOAD);

	request.destination = other;
	return ask(&plain, &request);
}

static int join(const struct address *address)
{
	struct provider_request request =
		request_both(GW_QOS_CONTROLLED_LOAD, MBIT, GW_QOS_CONTROLLED_LOAD);

	return provider_join(pw->provider, pw->owner, &plain, address,
			     GW_QOS_SENDING | GW_QOS_RECEIVING, &request, 0);
}

static void group_before(void)
{
	assert_int_equal(join(&group), 0);
}

static int verb_join(void)
{
	return join(&second_group);
}

static void groups_before(void)
{
	assert_int_equal(join(&group), 0);
	assert_int_equal(join(&second_group), 0);
}

static int verb_change_groups(void)
{
	struct provider_request request =
		request_both(GW_QOS_GUARANTEED, 3 * MBIT, GW_QOS_GUARANTEED);

	return ask(&plain, &request);
}

static void sending_before(void)
{
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);

	assert_int_equal(ask(&connected, &request), 0);
}

static int verb_reserve(void)
{
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);

	return reserve(pw, &to, IPPROTO_UDP, &connected.local, &service);
}

struct verb {
	const char *name;
	void (*before)(void);
	int (*happens)(void);
};

static const struct verb verbs[] = {
	{ "first", nothing_before, verb_first },
	{ "first of a known socket", known_before, verb_first },
	{ "change", both_before, verb_change },
	{ "flags", both_before, verb_flags },
	{ "end and change", both_before, verb_end_and_change },
	{ "named", named_before, verb_named },
	{ "join", group_before, verb_join },
	{ "change groups", groups_before, verb_change_groups },
	{ "reserve", sending_before, verb_reserve },
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void begin(const struct verb *verb)
{
	pw = provider_world_new();
	to = world_address("203.0.113.7", 5004);
	other = world_address("203.0.113.8", 5004);
	group = world_address("239.1.1.1", 5004);
	second_group = world_address("239.1.1.2", 5004);
	connected = udp_connected(1, "203.0.113.7", 5004);
	plain = udp_socket(2);
	known_sender();
	verb->before();
	provider_run(pw->provider, 0);
	forget(pw);
}

/* ---- what stands ---- */

/* No padding: compared as bytes. */
struct standing {
	uint64_t sessions, sends, reserves;
	uint64_t offered, wanted, styles, services;
	uint64_t marks, meters, metered, reserved, dscps, flows;
};

static struct standing look(void)
{
	struct standing standing = { .marks = pw->world->datapath.n_marks,
				     .meters = pw->world->datapath.n_meters };

	for (unsigned i = 0; i < FAKE_SESSIONS; i++) {
		const struct fake_session *session = &pw->signalling.sessions[i];

		standing.sessions += session->id != 0;
		if (session->sends) {
			standing.sends++;
			standing.offered += session->offer.tspec.rate_bps;
			standing.services += session->offer.services;
		}
		if (session->reserves) {
			standing.reserves++;
			standing.wanted += session->flows[0].tspec.rate_bps;
			standing.styles += session->request.style + 100u * session->request.service;
		}
	}
	for (size_t i = 0; i < standing.meters; i++) {
		standing.metered += pw->world->datapath.meters[i].meter.bucket.rate_bps;
		standing.reserved += pw->world->datapath.meters[i].meter.reserved_bps;
	}
	for (size_t i = 0; i < standing.marks; i++)
		standing.dscps += pw->world->datapath.marks[i].treatment.mark.dscp;
	standing.flows = engine_flows_in_force(pw->world->engine);
	return standing;
}

/* Nothing has changed, and the same succeeds now. */
static void check_failed(const struct verb *verb, const struct standing *before)
{
	struct standing after = look();

	world_check(pw->world);
	assert_memory_equal(&after, before, sizeof(after));
	/* Only what the call itself had begun may be torn. */
	assert_true(pw->signalling.path_tears <= pw->signalling.paths);
	assert_true(pw->signalling.resv_tears <= pw->signalling.resvs);
	pw->signalling.error = 0;
	pw->world->datapath.fail_at = 0;
	assert_int_equal(verb->happens(), 0);
}

/* ---- who fails ---- */

static void test_signalling_fails(void **state)
{
	struct standing before;
	int r;

	(void)state;
	for (size_t i = 0; i < N_VERBS; i++) {
		for (unsigned at = 0;; at++) {
			bool reached;

			begin(&verbs[i]);
			before = look();
			pw->signalling.error = -ENOBUFS;
			pw->signalling.error_after = at;
			r = verbs[i].happens();
			reached = pw->signalling.error == 0;
			if (r < 0) {
				print_message("%s, call %u\n", verbs[i].name, at);
				assert_int_equal(r, -ENOBUFS);
				check_failed(&verbs[i], &before);
			}
			pw->signalling.error = 0;
			provider_world_free(pw);
			if (!reached)
				break;
		}
	}
}

static void test_datapath_fails(void **state)
{
	struct standing before;
	int r;

	(void)state;
	for (size_t i = 0; i < N_VERBS; i++) {
		for (unsigned at = 1;; at++) {
			bool reached;

			begin(&verbs[i]);
			before = look();
			fake_fail(&pw->world->datapath, at, 1, -EIO);
			r = verbs[i].happens();
			reached = pw->world->datapath.fail_at == 0;
			if (r < 0) {
				print_message("%s, call %u\n", verbs[i].name, at);
				assert_int_equal(r, -EIO);
				check_failed(&verbs[i], &before);
			}
			pw->world->datapath.fail_at = 0;
			provider_world_free(pw);
			if (!reached)
				break;
		}
	}
}

static void test_memory_runs_out(void **state)
{
	struct standing before;
	int r;

	(void)state;
	for (size_t i = 0; i < N_VERBS; i++) {
		for (unsigned at = 1;; at++) {
			begin(&verbs[i]);
			before = look();
			memory_failed = false;
			memory_fails_at = at;
			r = verbs[i].happens();
			memory_fails_at = 0;
			if (r < 0) {
				assert_int_equal(r, -ENOMEM);
				assert_true(memory_failed);
				check_failed(&verbs[i], &before);
			}
			provider_world_free(pw);
			if (!memory_failed)
				break;
		}
	}
}

/* Validation comes before everything: of a request with one direction that cannot be, neither begins. */
static void test_half_a_request(void **state)
{
	struct provider_request request;
	struct standing before, after;

	(void)state;
	begin(&verbs[1]);
	before = look();
	request = request_both(GW_QOS_NONE, 0, GW_QOS_EITHER);
	assert_int_equal(ask(&connected, &request), -EINVAL);
	request = request_both(GW_QOS_CONTROLLED_LOAD, 0, GW_QOS_NONE);
	assert_int_equal(ask(&connected, &request), -EINVAL);
	after = look();
	assert_memory_equal(&after, &before, sizeof(after));
	expect_messages(pw, 0, 0, 0, 0);
	provider_world_free(pw);
}

/* What is reserved later, when nobody waits for an answer, fails as an event. */
static void test_late_failure_is_told(void **state)
{
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct gw_tspec tspec = tspec_of(MBIT);

	(void)state;
	begin(&verbs[0]);
	pw->known = (struct address){ 0 };
	assert_int_equal(ask(&plain, &request), 0);
	pw->signalling.error = -EBUSY;
	hear_path(pw, &plain.local, &to, &tspec, NULL);
	assert_int_equal(told_of(pw, 2, GW_EVENT_RSVP_RESV_ERROR, false), 1);
	assert_int_equal(pw->told[1].record.error_code, 5); /* another style here already */
	/* With the next change of what is heard it is asked for again. */
	tspec.rate_bps = 2 * MBIT;
	hear_path(pw, &plain.local, &to, &tspec, NULL);
	expect_messages(pw, 0, 0, 1, 0);
	provider_world_free(pw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signalling_fails),     cmocka_unit_test(test_datapath_fails),
		cmocka_unit_test(test_memory_runs_out),	     cmocka_unit_test(test_half_a_request),
		cmocka_unit_test(test_late_failure_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
