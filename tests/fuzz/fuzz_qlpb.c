/* SPDX-License-Identifier: MIT */
/*
 * fuzz_qlpb.c: a host that speaks MS-QLPB, as a sink and as an initiator, among others that send whatever they like
 * over UDP and TCP, while time passes, connections come and go and its own packets do not always leave. What it
 * sends is well-formed, it does not answer with more than it was sent, it keeps no more than it may, each experiment
 * ends once, and in the end nothing is left.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "base/bytes.h"
#include "probe/qlpb.h"

#define STEPS_MAX 400
#define HAPPENINGS 0x80
#define CONNECTIONS_MAX 64
#define EXPERIMENTS_MAX 8
#define SESSIONS_MAX 6
#define INITIATOR_PORT 49876

/* As the host would know it. */
struct connection {
	uint32_t id;
	bool open, ours;
};

struct experiment {
	bool running;
	uint32_t id;
	uint32_t gaps, trains;
};

static struct {
	struct qlpb *qlpb;
	uint64_t now_us;
	struct connection connections[CONNECTIONS_MAX];
	struct experiment experiments[EXPERIMENTS_MAX];
	uint8_t question[QLPB_GAP_LEN]; /* the last one */
	uint32_t first_train;		/* sequence number of the last train that left */
	uint64_t in_bytes, out_bytes;	/* of what others ask, and what they are answered */
	unsigned send_room;		/* so many datagrams leave, then one does not */
	bool write_fails, connect_fails;
	uint32_t random;
} world;

/* ---- ports ---- */

static void look_at_probe(const struct qlpb_datagram *datagram)
{
	struct qlpb_probe probe;

	require(datagram->socket == QLPB_SOCKET_PROBE);
	require(qlpb_read_probe(datagram->data, datagram->len, &probe) == 0);
	require(probe.initiator_port == INITIATOR_PORT);
	if (probe.id == QLPB_ID_PACKET_PAIR && probe.flag)
		world.first_train = probe.sequence;
}

static void look_at_gap(const struct qlpb_datagram *datagram)
{
	struct qlpb_gap gap;

	require(datagram->socket == QLPB_SOCKET_SERVICE);
	require(qlpb_read_gap(datagram->data, datagram->len, &gap) == 0);
	if (gap.id == QLPB_ID_GAP_REQUEST) {
		require(datagram->len == QLPB_GAP_LEN);
		require(gap.sink_received_100ns == 0 && gap.sink_sent_100ns == 0);
		memcpy(world.question, datagram->data, QLPB_GAP_LEN);
	} else {
		require(gap.sink_sent_100ns >= gap.sink_received_100ns);
		world.out_bytes += datagram->len;
	}
}

static int port_send(void *user_data, const struct qlpb_datagram *datagrams, unsigned n)
{
	(void)user_data;
	require(n > 0 && n <= QLPB_TRAIN_MAX);
	for (unsigned i = 0; i < n; i++) {
		const struct qlpb_datagram *datagram = &datagrams[i];

		require(datagram->hop_limit == 1 && datagram->dont_fragment);
		require(datagram->destination.port == QLPB_PORT && datagram->len <= 1472);
		require(!address_is_multicast(&datagram->destination));
		if (world.send_room-- == 0)
			return i > 0 ? (int)i : -ENOBUFS;
		if (datagram->data[3] == 1)
			look_at_probe(datagram);
		else
			look_at_gap(datagram);
	}
	return (int)n;
}

static struct connection *find(uint32_t id)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		if (world.connections[i].open && world.connections[i].id == id)
			return &world.connections[i];
	}
	return NULL;
}

static bool keep(uint32_t id, bool ours)
{
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++) {
		if (world.connections[i].open)
			continue;
		world.connections[i] = (struct connection){ id, true, ours };
		return true;
	}
	return false;
}

static int port_connect(void *user_data, uint32_t connection, const struct address *sink,
			uint32_t ifindex)
{
	(void)user_data;
	(void)ifindex;
	require(sink->port == QLPB_PORT && !find(connection));
	return !world.connect_fails && keep(connection, true) ? 0 : -ECONNREFUSED;
}

static void look_at_message(const uint8_t *data, size_t len)
{
	struct qlpb_summary summary;
	enum qlpb_id id;
	uint8_t flags;

	world.out_bytes += len;
	require(qlpb_read_header(data, len, &id, &flags) == 0);
	if (id == QLPB_ID_PACKET_PAIR_SUMMARY) {
		require(qlpb_read_summary(data, len, &summary) == 0);
		require(len == qlpb_summary_len(summary.n_deltas) && summary.n_deltas > 0);
	} else {
		require(len == QLPB_HEADER_LEN);
		require(id == QLPB_ID_SUCCESS || id == QLPB_ID_ROUTE_CHECK_SUMMARY);
	}
}

static int port_write(void *user_data, uint32_t connection, const uint8_t *data, size_t len)
{
	struct connection *it = find(connection);

	(void)user_data;
	require(it && len > 0);
	if (world.write_fails)
		return -EPIPE;
	if (!it->ours)
		look_at_message(data, len);
	return 0;
}

static void port_close(void *user_data, uint32_t connection)
{
	struct connection *it = find(connection);

	(void)user_data;
	require(it);
	it->open = false;
}

static uint64_t port_stamp_ns(void *user_data)
{
	(void)user_data;
	return world.now_us * 1000 + world.random % 1000;
}

static uint32_t port_random(void *user_data)
{
	(void)user_data;
	return world.random = world.random * 1664525u + 1013904223u;
}

static void port_link(void *user_data, uint32_t ifindex, struct qlpb_link *ret_link)
{
	(void)user_data;
	*ret_link =
		(struct qlpb_link){ .rate_bps = ifindex * UINT64_C(1000000000), .wireless = true };
}

static bool port_on_link(void *user_data, const struct address *address, uint32_t ifindex)
{
	(void)user_data;
	(void)ifindex;
	return address->addr[15] != 4;
}

static struct experiment *running(void *data)
{
	struct experiment *experiment = data;

	require(experiment >= world.experiments &&
		experiment < world.experiments + EXPERIMENTS_MAX && experiment->running);
	return experiment;
}

static bool port_train(void *user_data, void *data, const struct probe_train *train)
{
	uint64_t sum_ns = 0;

	(void)user_data;
	require(train->n_gaps == train->n_sent - 1 && train->n_sent <= QLPB_TRAIN_MAX);
	for (unsigned i = 0; i < train->n_gaps; i++)
		sum_ns += train->gaps_ns[i];
	require(sum_ns < UINT64_C(1000000000000));
	require(++running(data)->trains <= 3);
	return world.random & 1;
}

static void port_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	(void)user_data;
	require(gap->sequence == running(data)->gaps++);
}

static void port_finished(void *user_data, void *data, const struct qlpb_result *result)
{
	(void)user_data;
	require(result->status <= 0);
	running(data)->running = false;
}

/* ---- steps ---- */

static struct address host_address(unsigned number, uint16_t port, bool six)
{
	struct address address = { .port = port };

	if (six) {
		address.family = AF_INET6;
		address.addr[0] = 0xfd;
	} else {
		address.family = AF_INET;
		memcpy(address.addr, (const uint8_t[]){ [10] = 0xff, 0xff, 10 }, 13);
	}
	if (number == 7) /* a group, and nobody */
		memset(address.addr + (six ? 0 : 12), port & 1 ? 0xff : 0, 4);
	address.addr[15] = (uint8_t)number;
	return address;
}

/*
 * Detail: 0x07 who sends, 0x08 from another port than 2177, 0x10 IPv6, 0x20 not to this host alone, 0x40 what cannot
 * be guessed is right.
 */
static void datagram(unsigned detail, uint8_t *data, size_t len)
{
	bool six = detail & 0x10;
	uint16_t port = detail & 0x08 ? 50123 : QLPB_PORT;
	struct qlpb_arrival arrival = {
		.ifindex = 1,
		.source = host_address(detail & 7, port, six),
		.destination = host_address(9, QLPB_PORT, six),
		.unicast = !(detail & 0x20),
		.received_ns = world.now_us * 1000,
	};

	if (detail & 0x40 && len >= 16 && data[0] == QLPB_ID_GAP_REPLY) {
		/* An older question too, in the first of the bytes that are replaced. */
		uint32_t back = data[4] % 4;

		memcpy(data + 4, world.question + 4, 12);
		put32(data + 4, get32(data + 4) - back);
		put64(data + 8, get64(data + 8) - back * 10000);
	} else if (detail & 0x40 && len >= 6) {
		put16(data + 4, INITIATOR_PORT);
	}
	if (len > 0 && data[0] != QLPB_ID_GAP_REPLY)
		world.in_bytes += len;
	qlpb_receive(world.qlpb, &arrival, data, len, world.now_us);
}

/* Detail: which connection; 0x80: the sequence number of a summary is that of the last train. */
static void segment(unsigned detail, uint8_t *data, size_t len)
{
	struct connection *connection = &world.connections[detail % CONNECTIONS_MAX];

	if (detail & 0x80 && len >= 8)
		put32(data + 4, world.first_train);
	if (!connection->open)
		return;
	if (!connection->ours)
		world.in_bytes += len;
	qlpb_received(world.qlpb, connection->id, data, len, world.now_us);
}

static void somebody_connects(unsigned detail)
{
	struct address remote = host_address(detail & 7, INITIATOR_PORT, detail & 0x10);
	uint32_t id;

	if (qlpb_accept(world.qlpb, &remote, 1, &id, world.now_us) < 0)
		return;
	if (!keep(id, false))
		qlpb_closed(world.qlpb, id, -EMFILE, world.now_us);
}

static void start(unsigned detail)
{
	struct qlpb_request request = {
		.kind = (enum qlpb_kind)(detail & 3),
		.sink = host_address(detail >> 2 & 3, 0, detail & 0x10),
		.train_size = detail & 0x20 ? 2 + (detail >> 6) * 31 : 0,
		.count = detail & 0x40 ? 20 : 0,
		.flood_bytes = 40000,
	};

	for (unsigned i = 0; i < EXPERIMENTS_MAX; i++) {
		struct experiment *experiment = &world.experiments[i];

		if (experiment->running)
			continue;
		*experiment = (struct experiment){ .running = true };
		request.data = experiment;
		if (qlpb_start(world.qlpb, &request, &experiment->id, world.now_us) < 0)
			experiment->running = false;
		return;
	}
}

/* Nothing is told of it any more. */
static void cancel(struct experiment *experiment)
{
	qlpb_cancel(world.qlpb, experiment->id);
	experiment->running = false;
}

static void pass_time(unsigned detail)
{
	world.now_us += (uint64_t)(detail & 0x3f) << (detail >> 6) * 4;
	qlpb_tick(world.qlpb, world.now_us);
	require(qlpb_deadline_us(world.qlpb) > world.now_us);
}

static void end_connection(struct connection *connection, int error)
{
	if (!connection->open)
		return;
	connection->open = false;
	qlpb_closed(world.qlpb, connection->id, error, world.now_us);
}

static void happening(unsigned what, unsigned detail)
{
	struct connection *connection = &world.connections[detail % CONNECTIONS_MAX];

	switch (what % 9) {
	case 0:
		pass_time(detail);
		break;
	case 1:
		somebody_connects(detail);
		break;
	case 2:
		start(detail);
		break;
	case 3:
		if (connection->open)
			qlpb_connected(world.qlpb, connection->id, INITIATOR_PORT, world.now_us);
		break;
	case 4:
		end_connection(connection, detail & 0x80 ? -ECONNREFUSED : 0);
		break;
	case 5:
		qlpb_writable(world.qlpb, connection->id, world.now_us);
		break;
	case 6:
		world.connect_fails = detail & 1;
		world.write_fails = detail & 2;
		world.send_room = detail & 4 ? detail >> 3 : UINT32_MAX;
		break;
	case 7:
		world.now_us += (uint64_t)detail * 1000000;
		pass_time(1);
		break;
	case 8:
		cancel(&world.experiments[detail % EXPERIMENTS_MAX]);
		break;
	}
}

static void begin(void)
{
	struct qlpb_ports ports = {
		.send = port_send,
		.connect = port_connect,
		.write = port_write,
		.close = port_close,
		.stamp_ns = port_stamp_ns,
		.random = port_random,
		.link = port_link,
		.on_link = port_on_link,
		.train = port_train,
		.gap = port_gap,
		.finished = port_finished,
	};
	struct qlpb_config config;

	memset(&world, 0, sizeof(world));
	world.now_us = 1000000;
	world.random = 1;
	world.send_room = UINT32_MAX;
	qlpb_config_default(&config);
	config.max_sessions = SESSIONS_MAX;
	config.discard_max_bytes = 1000;
	world.qlpb = qlpb_new(&ports, &config);
	require(world.qlpb);
}

static void step(unsigned what, unsigned detail, const uint8_t *data, size_t len)
{
	/* Exactly as large as it is, so that the sanitizer sees each byte too many. */
	uint8_t *copy = malloc(len > 0 ? len : 1);

	require(copy);
	memcpy(copy, data, len);
	if (what & 0x40)
		segment(detail, copy, len);
	else
		datagram(detail, copy, len);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_steps steps = { data, size, HAPPENINGS, STEPS_MAX, 0 };
	struct fuzz_step next;

	begin();
	while (fuzz_step_next(&steps, &next)) {
		struct qlpb_sizes sizes;

		if (next.what >= HAPPENINGS)
			happening(next.what, next.detail);
		else
			step(next.what, next.detail, next.data, next.len);
		sizes = qlpb_sizes(world.qlpb);
		require(sizes.sessions <= SESSIONS_MAX && sizes.experiments <= EXPERIMENTS_MAX);
		require(world.out_bytes <= world.in_bytes);
	}
	world.qlpb = qlpb_free(world.qlpb, world.now_us);
	for (unsigned i = 0; i < CONNECTIONS_MAX; i++)
		require(!world.connections[i].open);
	for (unsigned i = 0; i < EXPERIMENTS_MAX; i++)
		require(!world.experiments[i].running);
	return 0;
}
