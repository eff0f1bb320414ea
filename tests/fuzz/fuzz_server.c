/* SPDX-License-Identifier: MIT */
/*
 * fuzz_server.c: four clients say whatever they like. Each request is answered once, at once or later, or its client
 * is thrown out; nobody sees another's flows; and when all have gone, no mark is left, and no path is measured.
 *
 * A step is a message, by its first byte of one of them, its detail the number of descriptors; or something happens.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/server.h"
#include "fuzz.h"
#include "../unit/fake_datapath.h"
#include "../unit/fake_measuring.h"
#include "../unit/fake_signalling.h"

#define CLIENTS 4
#define STEPS_MAX 400
#define HAPPENINGS 0xf0
#define MEASUREMENTS 0xfc
#define LINKS 4 /* 0: not known */

static const uint32_t uids[CLIENTS] = { 1000, 1000, 1001, 0 };

struct world {
	struct fake_datapath datapath;
	struct fake_signalling signalling;
	struct fake_measuring measuring;
	struct server *server;
	struct owner *clients[CLIENTS];
	uint64_t now_us;
	uint64_t groups;
	int in_hand; /* the client whose request is being handled */
	int waiting; /* requests that will be answered later */
};

static struct world world;

/* ---- ports ---- */

static int port_identify(void *user_data, int fd, bool cookie_only,
			 struct engine_socket *ret_socket)
{
	(void)user_data;
	(void)cookie_only;
	if (fd % 16 == 15)
		return -ENOTSOCK;
	*ret_socket = (struct engine_socket){
		.fd = fd,
		.cookie = (uint64_t)fd % 16 + 1,
		.family = fd & 1 ? AF_INET6 : AF_INET,
		.protocol = fd & 2 ? IPPROTO_TCP : IPPROTO_UDP,
	};
	if (fd & 4)
		ret_socket->peer = (struct address){ .family = AF_INET,
						     .port = 7,
						     .addr = { [10] = 0xff, 0xff, 192, 0, 2, 1 } };
	return 0;
}

static int port_route(void *user_data, const struct address *destination,
		      const struct engine_socket *socket, struct engine_route *ret_route)
{
	(void)user_data;
	(void)socket;
	if (destination->addr[15] == 99)
		return -ENETUNREACH;
	ret_route->on_link = destination->addr[15] & 1;
	ret_route->ifindex = destination->addr[15] % LINKS;
	return 0;
}

static bool port_is_administrator(void *user_data, const struct owner *owner)
{
	(void)user_data;
	return owner_info(owner)->uid == 0;
}

static int port_group_create(void *user_data, const struct owner *owner, uint64_t *ret_group)
{
	(void)user_data;
	(void)owner;
	*ret_group = ++world.groups;
	return 0;
}

static void port_group_end(void *user_data, uint64_t group)
{
	(void)user_data;
	require(group > 0 && group <= world.groups);
}

static void check_records(const struct owner *owner, const void *buf, size_t len)
{
	struct gw_flow_record record;
	struct codec_bytes nested;
	size_t position = 0;
	int r;

	while ((r = msg_next(buf, len, TAG_RECORD, &position, &nested)) == 1) {
		require(record_decode(&nested, &record) == 0);
		require(owner_info(owner)->uid == 0 || record.uid == owner_info(owner)->uid);
		require(record.id != 0);
	}
	require(r == 0);
}

static void port_send_event(void *user_data, struct owner *owner, const void *buf, size_t len,
			    bool must_arrive)
{
	struct msg message;

	(void)user_data;
	require(msg_decode(buf, len, &message) == 0);
	if (message.head.type != MSG_EVENT) {
		require(world.waiting-- > 0 && must_arrive);
		require(message.head.type == MSG_SET_RATE || message.head.type == MSG_QUERY_PATH ||
			message.head.type == MSG_TRACK_START);
		return;
	}
	require(message.head.serial == 0);
	check_records(owner, buf, len);
}

static uint64_t port_wall_clock(void *user_data)
{
	(void)user_data;
	return world.now_us;
}

static void port_facts(void *user_data, const struct fact_visitor *visitor)
{
	struct msg_fact fact = { .name = "fuzz", .value = "yes" };

	(void)user_data;
	visitor->visit(&fact, visitor->visit_data);
}

/* ---- steps ---- */

static void connect_client(int client)
{
	struct engine_owner_info info = { .uid = uids[client], .pid = client + 1 };

	require(server_connect(world.server, &info, &world, &world.clients[client]) == 0);
}

static void throw_out(int client)
{
	server_disconnect(world.server, world.clients[client], world.now_us);
	require(fake_signalling_count(&world.signalling, world.clients[client]) == 0);
	connect_client(client);
}

static void message(int client, unsigned n_fds, const uint8_t *data, size_t size)
{
	struct msg request, reply;
	const char *why = NULL;
	const void *bytes = NULL;
	int fds[MSG_MAX_FDS];
	long len;

	n_fds %= 5;
	for (unsigned i = 0; i < n_fds; i++)
		fds[i] = (int)(size + i * 3) % 32;
	len = server_handle(world.server, world.clients[client], data, size, fds, n_fds,
			    world.now_us, &bytes, &why);
	if (len < 0) {
		require((len == -EBADMSG || len == -EPROTO) && why);
		throw_out(client);
		return;
	}
	if (len == 0) {
		world.waiting++;
		return;
	}
	require(len <= (long)MSG_MAX && msg_decode(bytes, (size_t)len, &reply) == 0);
	require(msg_decode(data, size, &request) == 0);
	require(reply.head.type == request.head.type && reply.head.serial == request.head.serial);
	require(reply.head.status <= 0);
	check_records(world.clients[client], bytes, (size_t)len);
}

/* A link is handed over, changed, or taken back. */
static void set_link(unsigned detail)
{
	struct admission_link_config config = { .rate_bps = (1 + detail / 8) * 100000,
						.share = 75 };

	require(engine_set_link(server_engine(world.server), 1 + detail % (LINKS - 1),
				detail & 4 ? NULL : &config) == 0);
}

/* Something comes of the measurements of a path, or they begin, or end. */
static void measurement(unsigned what, unsigned detail)
{
	static const int statuses[] = { 0, -EBUSY, -EAGAIN, -EOPNOTSUPP };
	struct engine *engine = server_engine(world.server);
	struct measured *measured = &world.measuring.paths[detail % 8];

	if (what == 0) {
		engine_set_measuring(engine, detail & 1 ? &world.measuring.table : NULL,
				     world.now_us);
		return;
	}
	if (!measured->open)
		return;
	measured->state = (enum measuring_state)(detail / 8 % 3);
	measured->fundamentals_status = detail & 0x80 ? 0 : -ENODATA;
	measured->attainable_bps = UINT64_C(1) << detail % 64;
	measured->admit_status = detail & 0x40 ? -EINPROGRESS : statuses[detail / 16 % 4];
	if (what == 1)
		engine_path_event(engine, measured->path, (enum measuring_event)(detail / 8 % 5),
				  world.now_us);
	else if (measured->n_wishes > 0)
		engine_path_admitted(
			engine, measured->path,
			measured->wishes[(measured->n_wishes - 1) % FAKE_WISHES].wish.token,
			statuses[detail / 8 % 4], world.now_us);
}

/*
 * What is not said but happens: sockets close, programs end, time passes, clients leave, links change, the datapath
 * refuses, paths are measured.
 */
static void happening(unsigned what, unsigned detail)
{
	static const enum end_reason reasons[] = { END_CLOSED, END_SHUTDOWN, END_DISCONNECTED };
	struct engine *engine = server_engine(world.server);

	if (what >= MEASUREMENTS) {
		measurement((what - MEASUREMENTS) % 3, detail);
		return;
	}
	switch (what % 6) {
	case 0:
		engine_end_socket(engine, detail % 16 + 1, detail >> 6, reasons[detail % 3],
				  world.now_us);
		break;
	case 1:
		engine_end_group(engine, detail, END_GROUP_EMPTY, world.now_us);
		break;
	case 2:
		world.now_us += (uint64_t)detail * 100000;
		engine_tick(engine, world.now_us);
		break;
	case 3:
		throw_out((int)(detail % CLIENTS));
		break;
	case 4:
		set_link(detail);
		break;
	case 5:
		fake_fail(&world.datapath, 1 + detail % 8, 1 + detail / 8 % 3, -EIO);
		break;
	}
}

static void begin(void)
{
	struct server_ports ports = {
		.datapath = &fake_datapath_ops,
		.datapath_data = &world.datapath,
		.route = port_route,
		.is_administrator = port_is_administrator,
		.group_create = port_group_create,
		.group_end = port_group_end,
		.identify = port_identify,
		.send_event = port_send_event,
		.wall_clock_us = port_wall_clock,
		.facts = port_facts,
	};
	struct engine_config config;

	world.datapath.n_marks = 0;
	world.datapath.n_meters = 0;
	fake_fail(&world.datapath, 0, 0, 0);
	world.now_us = 1;
	world.groups = 0;
	engine_config_default(&config);
	config.max_flows_per_user = 20;
	config.max_flows = 50;
	config.max_ops_per_owner = 5;
	world.server = server_new(&ports, &config, GW_MODE_DAEMON, "0");
	require(world.server);
	fake_signalling_init(&world.signalling);
	world.signalling.n_records = 500; /* some pages */
	server_set_signalling(world.server, &world.signalling.port, 0);
	fake_measuring_init(&world.measuring);
	world.waiting = 0;
	for (int i = 0; i < CLIENTS; i++)
		connect_client(i);
}

/* Programs have no client, and may still run. */
static void require_nothing_booked(uint32_t ifindex)
{
	struct admission_books books;

	admission_books(engine_admission(server_engine(world.server)), ifindex, &books);
	require(books.holdings == 0 && books.reserved_bps == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_steps steps = { data, size, HAPPENINGS, STEPS_MAX, 0 };
	struct fuzz_step step;

	begin();
	while (fuzz_step_next(&steps, &step)) {
		if (step.what >= HAPPENINGS) {
			happening(step.what, step.detail);
			continue;
		}
		message((int)(step.what % CLIENTS), step.detail, step.data, step.len);
		require(world.datapath.n_marks <= 50 + 50);
	}
	for (int i = 0; i < CLIENTS; i++)
		throw_out(i);
	while (engine_next_deadline_us(server_engine(world.server)) == 0)
		engine_tick(server_engine(world.server), world.now_us);
	for (uint32_t i = 1; i < LINKS; i++)
		require_nothing_booked(i);
	require(fake_measured_open(&world.measuring) == 0);
	world.server = server_free(world.server);
	require(world.datapath.n_marks == 0);
	require(world.datapath.n_meters == 0);
	return 0;
}
