/* SPDX-License-Identifier: MIT */
/*
 * fuzz_rsvp_node.c: a node of RSVP among neighbours that send whatever they like, while time passes, routes and
 * interfaces change, traffic control refuses and applications come and go. What it sends is well-formed, it does not
 * answer one message with very many, and in the end nothing is left installed.
 *
 * What nobody could guess is put into messages where a step says so: digests, identifiers to be acknowledged, cookies.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "rsvp/integrity.h"
#include "rsvp/message.h"
#include "rsvp/rsvp.h"
#include "rsvp/writer.h"

#define STEPS_MAX 300
#define HAPPENINGS 0x80
#define INTERFACES 4
#define APPS 4
#define SENT_MAX 20000 /* in one step */

struct world {
	struct rsvp *rsvp;
	struct rsvp_app *apps[APPS];
	uint64_t now_us;
	uint64_t last_handle;
	unsigned installed, sent, route, refuse;
	uint32_t random;
	uint64_t sequence; /* of what neighbours sign */
	/* What the node has sent last. */
	struct rsvp_message_id id;
	struct rsvp_challenge challenge;
	struct rsvp_diagnosis *diagnosis;
};

static struct world world;

/* ---- ports ---- */

/* Errors and confirmations carry what others have sent, understood or not. */
static void port_send(void *user_data, const struct rsvp_packet *packet)
{
	struct rsvp_complaint complaint;
	struct rsvp_message message;
	uint8_t type = packet->data[1];

	(void)user_data;
	require(packet->len >= RSVP_HEADER_LEN && packet->len <= RSVP_MESSAGE_MAX);
	require(packet->ttl > 0 && packet->data[4] == packet->ttl);
	require(packet->destination.family != AF_UNSPEC);
	if (type == RSVP_PATH || type == RSVP_RESV || type == RSVP_PATH_TEAR ||
	    type == RSVP_RESV_TEAR || type >= RSVP_BUNDLE) {
		require(rsvp_message_parse(packet->data, packet->len, &rsvp_limits_default,
					   &message, &complaint) == 0);
		if (rsvp_message_has(&message, RSVP_CLASS_MESSAGE_ID))
			world.id = message.message_id;
		if (type == RSVP_CHALLENGE)
			world.challenge = message.challenge;
	}
	require(++world.sent < SENT_MAX);
}

static int port_route(void *user_data, const struct address *destination,
		      const struct address *source, struct rsvp_route *ret_route)
{
	unsigned choice = world.route;

	(void)user_data;
	(void)source;
	if (choice % 8 == 7)
		return -1;
	*ret_route =
		(struct rsvp_route){ .local = (choice >> 3 & 1) || destination->addr[15] == 1 };
	if (address_is_multicast(destination)) {
		ret_route->in_ifindex = choice >> 4 & 3;
		for (uint32_t i = 1; i <= INTERFACES; i++) {
			if (i != ret_route->in_ifindex && (choice >> 5 ^ i) % 3 != 0)
				ret_route->out[ret_route->n_out++] = i;
		}
	} else if (choice % 8 != 6) {
		ret_route->n_out = 1;
		ret_route->out[0] = 1 + choice % INTERFACES;
		ret_route->gateway.addr[15] = (uint8_t)(choice >> 6);
	}
	return 0;
}

static int port_tc_reserve(void *user_data, const struct rsvp_tc_request *request, uint64_t *handle,
			   struct rsvp_error *ret_error)
{
	(void)user_data;
	require(request->n_filters > 0 || request->style == RSVP_STYLE_WF);
	require(flowspec_check(&request->flowspec) == 0);
	if (world.refuse && request->flowspec.tspec.M % 2) {
		ret_error->code = (uint8_t)world.refuse;
		ret_error->value = RSVP_ADMISSION_BANDWIDTH;
		ret_error->missing_bps = 4000;
		return -1;
	}
	if (*handle == 0) {
		*handle = ++world.last_handle;
		world.installed++;
	}
	return 0;
}

static void port_tc_release(void *user_data, uint64_t handle)
{
	(void)user_data;
	require(handle > 0 && handle <= world.last_handle && world.installed > 0);
	world.installed--;
}

static void port_event(void *user_data, void *app_data, const struct rsvp_event *event)
{
	(void)user_data;
	require(app_data == &world);
	require(event->type >= RSVP_EVENT_PATH && event->type <= RSVP_EVENT_CONFIRM);
	require(event->n_senders == 0 || event->senders);
}

static int port_policy(void *user_data, const struct rsvp_policy_question *question,
		       struct rsvp_error *ret_error)
{
	(void)user_data;
	(void)ret_error;
	require(question->policy_len == 0 || question->policy);
	return world.refuse > RSVP_ERROR_ADMISSION && question->tspec ? -1 : 0;
}

static void port_diagnosis(void *user_data, void *data, const struct rsvp_hop_report *hop,
			   int status)
{
	(void)user_data;
	require(data == &world && status <= 0);
	if (!hop)
		world.diagnosis = NULL;
}

/* Like a keyed digest in that all of the message goes into it. */
static void port_digest(void *user_data, enum rsvp_digest kind, const uint8_t *key, size_t key_len,
			const uint8_t *data, size_t len, uint8_t *ret_digest)
{
	uint64_t sum = kind;

	(void)user_data;
	for (size_t i = 0; i < key_len; i++)
		sum = (sum ^ key[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ data[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < rsvp_digest_len(kind); i++) {
		sum = sum * UINT64_C(6364136223846793005) + 1;
		ret_digest[i] = (uint8_t)(sum >> 56);
	}
}

static uint32_t port_random(void *user_data)
{
	(void)user_data;
	return world.random = world.random * 1664525u + 1013904223u;
}

/* ---- steps ---- */

static struct address own_address(uint16_t family, uint8_t net, uint8_t number)
{
	struct address address = { .family = family };

	if (family == AF_INET)
		memcpy(address.addr, (const uint8_t[]){ [10] = 0xff, 0xff, 10, 0, net, number },
		       16);
	else
		memcpy(address.addr, (const uint8_t[]){ 0xfd, [14] = net, number }, 16);
	return address;
}

static void set_interface(uint32_t ifindex, unsigned detail)
{
	struct rsvp_interface interface;

	rsvp_interface_default(&interface);
	interface.ifindex = ifindex;
	interface.up = !(detail & 1);
	interface.enabled = !(detail & 2);
	interface.enforced = detail & 4;
	interface.mtu = detail & 8 ? 600 : 1500;
	interface.refresh_ms = detail & 16 ? 1000 : 30000;
	interface.udp = detail & 32;
	interface.address4 = own_address(AF_INET, (uint8_t)ifindex, 1);
	interface.address6 = own_address(AF_INET6, (uint8_t)ifindex, 1);
	require(rsvp_interface_set(world.rsvp, &interface, world.now_us) == 0);
}

static const uint8_t secret[] = "fuzz";
static const uint8_t key_id[RSVP_KEY_ID_LEN] = { 0, 0, 0, 0, 0, 1 };

/* None, or one of each kind; some ask who is new where it is in its sequence. */
static void set_keys(unsigned detail)
{
	struct rsvp_key key = { .kind = (detail >> 1) % 3, .secret_len = sizeof(secret) };

	memcpy(key.id, key_id, sizeof(key_id));
	memcpy(key.secret, secret, sizeof(secret));
	key.challenge = detail & 8;
	key.ifindex = detail & 16 ? 1 : 0;
	key.valid_until_us = detail & 32 ? world.now_us + 30000000 : 0;
	require(rsvp_keys_set(world.rsvp, &key, detail & 1) == 0);
}

/* With INTEGRITY behind the header, of each kind as the step says. */
static size_t sign(unsigned what, const uint8_t *data, size_t len, uint8_t *buf, size_t capacity)
{
	const struct rsvp_signer signer = {
		.digest = port_digest,
		.kind = (what >> 5) % 3,
		.secret = secret,
		.secret_len = sizeof(secret),
	};
	struct rsvp_writer writer;

	rsvp_writer_start(&writer, buf, capacity, (enum rsvp_type)data[1], data[0] & 0xf, data[4]);
	rsvp_put_integrity(&writer, true, key_id, ++world.sequence, rsvp_digest_len(signer.kind));
	rsvp_put_raw(&writer, data + RSVP_HEADER_LEN, len - RSVP_HEADER_LEN);
	if (rsvp_writer_finish(&writer, &len) < 0)
		return 0;
	require(rsvp_sign(&signer, buf, len) == 0);
	return len;
}

/* What only who has heard the node can know. */
static void fill_in(uint8_t *data, size_t len)
{
	struct rsvp_object object;
	size_t position = RSVP_HEADER_LEN;

	while (rsvp_object_next(data, len, &position, &object) == 1) {
		uint8_t *at = data + position - object.len;

		if (object.class_num == RSVP_CLASS_MESSAGE_ID_ACK && object.len == 12) {
			put32(at + 4, world.id.epoch);
			put32(at + 8, world.id.id);
		} else if (object.class_num == RSVP_CLASS_CHALLENGE && object.len == 20) {
			memcpy(at + 6, world.challenge.key_id, sizeof(world.challenge.key_id));
			put32(at + 12, (uint32_t)(world.challenge.cookie >> 32));
			put32(at + 16, (uint32_t)world.challenge.cookie);
		}
	}
}

/* Length and checksum are set right, or nearly everything would end there. */
static void message(unsigned what, unsigned detail, const uint8_t *data, size_t len)
{
	bool six = detail & 0x80;
	uint16_t family = six ? AF_INET6 : AF_INET;
	uint32_t ifindex = 1 + detail % INTERFACES;
	struct rsvp_arrival arrival = {
		.ifindex = ifindex,
		.source = own_address(family, (uint8_t)ifindex, 9),
		.destination = own_address(family, (uint8_t)ifindex, 1),
		.destination_is_local = !(detail & 0x40),
		.ttl = (uint8_t)(detail & 0x20 ? 59 : 60),
		.udp = detail & 0x10,
	};
	size_t room = len + 64;
	uint8_t *copy = malloc(room), *signed_copy = NULL;

	require(copy);
	memcpy(copy, data, len);
	if (what & 2 && len >= RSVP_HEADER_LEN)
		fill_in(copy, len);
	if (what & 4)
		arrival.destination.addr[six ? 0 : 12] = six ? 0xff : 232;
	if (what & 1 && len >= RSVP_HEADER_LEN) {
		signed_copy = malloc(room);
		require(signed_copy);
		len = sign(what, copy, len, signed_copy, room);
		free(copy);
		/* Of the length that it has, so that reading past it is seen. */
		copy = malloc(len > 0 ? len : 1);
		require(copy);
		memcpy(copy, signed_copy, len);
		free(signed_copy);
	}
	if (len >= RSVP_HEADER_LEN && !(what & 1) && !(detail & 8)) {
		copy[0] = (uint8_t)(0x10 | (copy[0] & 0xf));
		copy[2] = copy[3] = 0;
		copy[6] = (uint8_t)(len >> 8);
		copy[7] = (uint8_t)len;
	}
	rsvp_receive(world.rsvp, &arrival, copy, len, world.now_us);
	free(copy);
}

static struct rsvp_session some_session(unsigned detail)
{
	uint16_t family = detail & 1 ? AF_INET6 : AF_INET;
	struct address destination = own_address(family, 9, (uint8_t)(1 + (detail >> 2) % 3));
	struct rsvp_session session = { .family = family, .protocol = IPPROTO_UDP, .port = 5004 };

	if (detail & 2 && family == AF_INET)
		destination.addr[12] = 232;
	else if (detail & 2)
		destination.addr[0] = 0xff;
	memcpy(session.address, destination.addr, sizeof(session.address));
	return session;
}

static struct rsvp_sender some_sender(const struct rsvp_session *session, unsigned detail)
{
	struct address source = own_address(session->family, (uint8_t)(1 + detail % INTERFACES),
					    detail & 8 ? 9 : 1);
	struct rsvp_sender sender = { .family = session->family, .id = 6000 + (detail >> 4) % 3 };

	memcpy(sender.address, source.addr, sizeof(sender.address));
	return sender;
}

static const struct rsvp_tspec some_tspec = { .r = 1000, .b = 1000, .p = 2000, .m = 64, .M = 500 };

static void app_reserve(struct rsvp_app *app, const struct rsvp_session *session, unsigned detail)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_WF, RSVP_STYLE_SE };
	struct rsvp_flowspec flowspecs[2] = { { .tspec = some_tspec,
						.service = FLOWSPEC_CONTROLLED_LOAD } };
	struct rsvp_sender senders[2] = { some_sender(session, detail),
					  some_sender(session, detail + 1) };
	struct rsvp_reserve_request request = {
		.style = styles[detail % 3],
		.confirm = detail & 64,
		.n_flows = detail % 3 == 1 ? 1 : 1 + (detail >> 7 & 1),
		.flowspecs = flowspecs,
		.senders = senders,
		.dscp = detail & 32 ? 46 : 0xff,
	};

	flowspecs[0].tspec.M += detail % 3;
	flowspecs[1] = flowspecs[0];
	rsvp_app_reserve(world.rsvp, app, &request, world.now_us);
}

static void application(unsigned what, unsigned detail)
{
	struct rsvp_app **app = &world.apps[what % APPS];
	struct rsvp_session session = some_session(what % APPS * 5 + 1);
	struct rsvp_sender_request request = {
		.tspec = some_tspec,
		.offers_controlled_load = true,
		.offers_guaranteed = detail & 1,
		.sender = some_sender(&session, detail & ~8u),
	};

	if (!*app &&
	    rsvp_app_open(world.rsvp, &session, detail & 4 ? 2 : 0, &world, app, world.now_us) < 0)
		return;
	switch (what / APPS % 5) {
	case 0:
		rsvp_app_send(world.rsvp, *app, &request, world.now_us);
		break;
	case 1:
		app_reserve(*app, &session, detail);
		break;
	case 2:
		rsvp_app_send(world.rsvp, *app, NULL, world.now_us);
		break;
	case 3:
		rsvp_app_reserve(world.rsvp, *app, NULL, world.now_us);
		break;
	case 4:
		rsvp_app_close(world.rsvp, *app, world.now_us);
		*app = NULL;
		break;
	}
}

static void diagnose(unsigned detail)
{
	struct rsvp_session session = some_session(detail);
	const struct rsvp_diagnose_request request = {
		.session = session,
		.sender = some_sender(&session, detail),
		.last_hop = own_address(session.family, 1, detail & 64 ? 9 : 1),
		.data = &world,
	};

	if (world.diagnosis && detail & 128) {
		rsvp_diagnose_cancel(world.rsvp, world.diagnosis);
		world.diagnosis = NULL;
	} else if (!world.diagnosis) {
		rsvp_diagnose(world.rsvp, &request, &world.diagnosis, world.now_us);
	}
}

static void pass_time(unsigned detail)
{
	world.now_us += (uint64_t)(detail & 0x7f) * (detail & 0x80 ? 3000000 : 50000);
	rsvp_tick(world.rsvp, world.now_us);
	require(rsvp_next_deadline_us(world.rsvp) > world.now_us);
}

static void happening(unsigned what, unsigned detail)
{
	struct address prefix = own_address(AF_INET, 9, 0);

	switch (what % 8) {
	case 0:
	case 1:
		pass_time(detail);
		break;
	case 2:
		world.route = detail;
		if (detail & 1)
			prefix.family = AF_UNSPEC;
		rsvp_routes_changed(world.rsvp, &prefix, 24, world.now_us);
		break;
	case 3:
		set_interface(1 + detail % INTERFACES, detail >> 2);
		break;
	case 4:
		if (detail % 4 == 0)
			rsvp_interface_remove(world.rsvp, 1 + detail / 4 % INTERFACES,
					      world.now_us);
		break;
	case 5:
		if (detail & 0x80)
			set_keys(detail);
		else if (detail & 0x40)
			diagnose(detail << 2);
		else
			world.refuse = detail & 1 ? RSVP_ERROR_ADMISSION + (detail >> 1 & 1) : 0;
		break;
	default:
		application(what, detail);
	}
}

static void begin(void)
{
	struct rsvp_ports ports = {
		.send = port_send,
		.route = port_route,
		.tc_reserve = port_tc_reserve,
		.tc_release = port_tc_release,
		.event = port_event,
		.random = port_random,
		.policy = port_policy,
		.diagnosis = port_diagnosis,
		.digest = port_digest,
	};
	struct rsvp_config config;

	world = (struct world){ .now_us = 1000000, .random = 1 };
	rsvp_config_default(&config);
	config.max_sessions = 40;
	config.max_senders_per_session = 10;
	config.max_reservations_per_session = 20;
	config.max_neighbours = 20;
	config.reduces_preempted = true;
	world.rsvp = rsvp_new(&ports, &config, world.now_us);
	require(world.rsvp);
	for (uint32_t i = 1; i <= INTERFACES; i++)
		set_interface(i, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_steps steps = { data, size, HAPPENINGS, STEPS_MAX, 0 };
	struct fuzz_step step;

	begin();
	while (fuzz_step_next(&steps, &step)) {
		struct rsvp_sizes sizes;

		world.sent = 0;
		if (step.what >= HAPPENINGS)
			happening(step.what, step.detail);
		else
			message(step.what, step.detail, step.data, step.len);
		sizes = rsvp_sizes(world.rsvp);
		require(sizes.sessions <= 40 && sizes.senders <= 400);
		require(sizes.installed == world.installed && sizes.neighbours <= 20);
	}
	world.sent = 0;
	world.rsvp = rsvp_free(world.rsvp, world.now_us);
	require(world.installed == 0);
	return 0;
}
