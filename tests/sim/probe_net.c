/* SPDX-License-Identifier: MIT */
/* probe_net.c: see probe_net.h: the hosts, and what they send over UDP. */
#include "probe_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct probe_host_plan probe_host_plan_default = {
	.up = { .rate_bps = 100000000, .delay_ns = 50000, .queue_bytes = 200000 },
	.down = { .rate_bps = 100000000, .delay_ns = 50000, .queue_bytes = 200000 },
	.clock_offset_ns = 1000000000,
	.config = { .sink = true,
		    .initiator = true,
		    .max_sessions = 32,
		    .max_sessions_per_host = 4,
		    .max_experiments = 64,
		    .echoes_per_s = 4000,
		    .echoes_per_s_per_host = 1000 },
	.link = { .rate_bps = 100000000 },
};

/* ---- time ---- */

uint64_t probe_host_stamp_ns(const struct probe_host *host)
{
	double drift_ns = (double)host->net->now_ns * host->plan.clock_ppm * 1e-6;

	return host->plan.clock_offset_ns + host->net->now_ns + (uint64_t)(int64_t)drift_ns;
}

uint64_t probe_host_now_us(const struct probe_host *host)
{
	return probe_host_stamp_ns(host) / 1000;
}

uint64_t probe_host_net_ns(const struct probe_host *host, uint64_t stamp_ns)
{
	double since_ns = (double)(int64_t)(stamp_ns - host->plan.clock_offset_ns);

	return since_ns <= 0 ? 0 : (uint64_t)(since_ns / (1 + host->plan.clock_ppm * 1e-6)) + 1;
}

static uint64_t late_ns(struct probe_host *host)
{
	return (uint64_t)(dice_unit(&host->dice) * (double)host->plan.late_ns);
}

uint64_t probe_host_sees_ns(struct probe_host *host)
{
	uint64_t ns = host->net->now_ns + late_ns(host);

	if (ns < host->busy_until_ns)
		ns = host->busy_until_ns;
	return host->busy_until_ns = ns;
}

void probe_host_called(struct probe_host *host)
{
	uint64_t deadline_us = host->prober ? prober_deadline_us(host->prober)
					    : qlpb_deadline_us(host->qlpb);
	uint64_t ns;

	if (deadline_us == UINT64_MAX) {
		queue_cancel(&host->net->queue, &host->tick);
		return;
	}
	ns = probe_host_net_ns(host, deadline_us * 1000);
	if (ns < host->net->now_ns)
		ns = host->net->now_ns;
	queue_set(&host->net->queue, &host->tick, ns + late_ns(host));
}

static void on_tick(struct event *event)
{
	struct probe_host *host =
		(struct probe_host *)((char *)event - offsetof(struct probe_host, tick));

	if (host->prober)
		prober_tick(host->prober, probe_host_now_us(host));
	else
		qlpb_tick(host->qlpb, probe_host_now_us(host));
	probe_host_called(host);
}

/* ---- packets ---- */

struct probe_host *probe_net_find(struct probe_net *net, const struct address *address)
{
	for (unsigned i = 0; i < net->n_hosts; i++) {
		const struct probe_host *host = &net->hosts[i];

		if (memcmp(host->address.addr, address->addr, 16) == 0 ||
		    memcmp(host->other.addr, address->addr, 16) == 0)
			return &net->hosts[i];
	}
	return NULL;
}

static uint32_t ip_overhead(const struct probe_net *net)
{
	return net->six ? 48 : 28;
}

static struct probe_packet *packet_new(const struct probe_host *from, const struct probe_host *to,
				       const uint8_t *data, size_t len)
{
	struct probe_packet *packet = calloc(1, sizeof(*packet) + len);

	if (!packet)
		abort();
	packet->from = packet->claims = from->number;
	packet->to = to->number;
	packet->bytes = (uint32_t)len + ip_overhead(from->net);
	packet->destination_port = QLPB_PORT;
	packet->len = len;
	memcpy(packet->data, data, len);
	return packet;
}

static int send_one(struct probe_host *host, const struct qlpb_datagram *datagram)
{
	struct probe_host *to = probe_net_find(host->net, &datagram->destination);
	struct probe_packet *packet;

	if (!to)
		return -EHOSTUNREACH;
	if (host->dead)
		return 0;
	if (datagram->len + ip_overhead(host->net) > 1500)
		return -EMSGSIZE;
	if (host->net->spy)
		host->net->spy(host->net, host, datagram);
	packet = packet_new(host, to, datagram->data, datagram->len);
	packet->priority = datagram->priority;
	packet->dscp = datagram->dscp;
	packet->source_port = datagram->socket == QLPB_SOCKET_SERVICE
				      ? QLPB_PORT
				      : (uint16_t)(50000 + host->number);
	host->n_sent++;
	host->udp_out_bytes += datagram->len;
	if (datagram->data[0] == QLPB_ID_GAP_REPLY)
		host->n_echoes_sent++;
	probe_link_send(&host->up, packet);
	return 0;
}

static void forward(struct probe_packet *packet)
{
	probe_link_send(&packet->link->net->hosts[packet->to].down, packet);
}

static void hand_in_datagram(struct probe_host *host, const struct probe_packet *packet)
{
	struct qlpb_arrival arrival = {
		.ifindex = 1,
		.source = host->net->hosts[packet->claims].address,
		.destination = host->address,
		.unicast = true,
		.dscp = packet->dscp,
		.priority = packet->priority,
		.received_ns = packet->stamp_ns,
	};

	arrival.source.port = packet->source_port;
	host->udp_in_bytes += packet->len;
	if (packet->len > 0 && packet->data[0] == QLPB_ID_GAP_REQUEST)
		host->n_echoes_asked++;
	qlpb_receive(host->qlpb, &arrival, packet->data, packet->len, probe_host_now_us(host));
}

static void hand_in(struct event *event)
{
	struct probe_packet *packet = (struct probe_packet *)event;
	struct probe_host *host = &packet->link->net->hosts[packet->to];

	if (packet->frame && !host->dead)
		probe_whole_receive(host, packet);
	else if (!host->dead)
		hand_in_datagram(host, packet);
	free(packet);
	probe_host_called(host);
}

static void deliver(struct probe_packet *packet)
{
	struct probe_host *host = &packet->link->net->hosts[packet->to];
	uint64_t stamp_ns = probe_host_stamp_ns(host), every_ns = host->plan.coalesce_ns;
	uint64_t sees_ns = probe_host_sees_ns(host);

	if (every_ns > 0) {
		stamp_ns += every_ns - stamp_ns % every_ns;
		sees_ns += every_ns;
		host->busy_until_ns = sees_ns;
	}
	packet->stamp_ns = stamp_ns;
	packet->event.happen = hand_in;
	queue_set(&host->net->queue, &packet->event, sees_ns);
}

/* ---- ports ---- */

static int port_send(void *user_data, const struct qlpb_datagram *datagrams, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int r = send_one(user_data, &datagrams[i]);

		if (r < 0)
			return i > 0 ? (int)i : r;
	}
	return (int)n;
}

static int port_connect(void *user_data, uint32_t connection, const struct address *sink,
			uint32_t ifindex)
{
	struct probe_host *host = user_data, *to = probe_net_find(host->net, sink);

	return to ? probe_tcp_connect(host, connection, to) : -EHOSTUNREACH;
}

static int port_write(void *user_data, uint32_t connection, const uint8_t *data, size_t len)
{
	return probe_tcp_write(user_data, connection, data, len);
}

static void port_close(void *user_data, uint32_t connection)
{
	probe_tcp_close(user_data, connection);
}

static uint64_t port_stamp_ns(void *user_data)
{
	return probe_host_stamp_ns(user_data);
}

static uint32_t port_random(void *user_data)
{
	struct probe_host *host = user_data;

	return (uint32_t)dice_next(&host->dice);
}

static void port_link(void *user_data, uint32_t ifindex, struct qlpb_link *ret_link)
{
	struct probe_host *host = user_data;

	*ret_link = host->plan.link;
}

static bool port_on_link(void *user_data, const struct address *address, uint32_t ifindex)
{
	struct probe_host *host = user_data;

	return probe_net_find(host->net, address) != NULL;
}

static bool port_train(void *user_data, void *data, const struct probe_train *train)
{
	struct probe_host *host = user_data;

	return host->net->watcher.train && host->net->watcher.train(data, train);
}

static void port_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	struct probe_host *host = user_data;

	if (host->net->watcher.gap)
		host->net->watcher.gap(data, gap);
}

static void port_finished(void *user_data, void *data, const struct qlpb_result *result)
{
	struct probe_host *host = user_data;

	if (host->net->watcher.finished)
		host->net->watcher.finished(data, result);
}

void probe_host_ports(struct probe_host *host, struct qlpb_ports *ret_ports)
{
	*ret_ports = (struct qlpb_ports){
		.user_data = host,
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
}

static void node_new(struct probe_host *host)
{
	struct qlpb_ports ports;

	if (host->plan.whole) {
		host->prober = probe_whole_new(host);
		host->qlpb = prober_qlpb(host->prober);
		return;
	}
	probe_host_ports(host, &ports);
	host->qlpb = qlpb_new(&ports, &host->plan.config);
	if (!host->qlpb)
		abort();
}

static void node_free(struct probe_host *host)
{
	if (host->prober)
		host->prober = prober_free(host->prober, probe_host_now_us(host));
	else
		qlpb_free(host->qlpb, probe_host_now_us(host));
	host->qlpb = NULL;
}

/* ---- the net ---- */

struct probe_net *probe_net_new(uint64_t seed)
{
	struct probe_net *net = calloc(1, sizeof(*net));

	if (!net)
		abort();
	net->dice = (struct dice){ seed };
	net->six = dice_chance(&net->dice, 0.5);
	return net;
}

static struct address address_of(uint32_t number, bool six)
{
	struct address address = { .family = six ? AF_INET6 : AF_INET };

	if (six)
		memcpy(address.addr, (const uint8_t[]){ 0xfd }, 1);
	else
		memcpy(address.addr, (const uint8_t[]){ [10] = 0xff, 0xff, 10 }, 13);
	address.addr[15] = (uint8_t)(number + 1);
	return address;
}

struct probe_host *probe_net_host(struct probe_net *net, const struct probe_host_plan *plan)
{
	struct probe_host *host = &net->hosts[net->n_hosts];

	if (net->n_hosts == PROBE_NET_HOSTS)
		abort();
	host->net = net;
	host->number = net->n_hosts++;
	host->plan = *plan;
	host->dice = dice_fork(&net->dice);
	host->tick.happen = on_tick;
	host->next_port = 40000;
	host->address = address_of(host->number, net->six);
	host->other = address_of(host->number, !net->six);
	probe_link_start(&host->up, net, dice_fork(&net->dice), &plan->up, forward);
	probe_link_start(&host->down, net, dice_fork(&net->dice), &plan->down, deliver);
	node_new(host);
	return host;
}

/* Packets and segments that are on their way are in the queue of events. */
static void stop(struct probe_net *net)
{
	for (unsigned i = 0; i < net->n_hosts; i++) {
		queue_cancel(&net->queue, &net->hosts[i].tick);
		probe_link_free(&net->hosts[i].up);
		probe_link_free(&net->hosts[i].down);
	}
}

struct probe_net *probe_net_free(struct probe_net *net)
{
	struct event *event;

	net->watcher = (struct probe_watcher){ 0 };
	for (unsigned i = 0; i < net->n_hosts; i++)
		node_free(&net->hosts[i]);
	stop(net);
	while ((event = queue_take(&net->queue, UINT64_MAX)))
		free(event);
	queue_free(&net->queue);
	probe_tcp_free(net);
	free(net);
	return NULL;
}

void probe_net_run(struct probe_net *net, uint64_t ns)
{
	uint64_t until_ns = net->now_ns + ns;
	struct event *event;

	while ((event = queue_take(&net->queue, until_ns))) {
		net->now_ns = event->time_us;
		event->happen(event);
	}
	net->now_ns = until_ns;
}

int probe_host_start(struct probe_host *host, const struct probe_host *sink,
		     struct qlpb_request request, uint32_t *ret_experiment)
{
	int r;

	request.sink = sink->address;
	request.ifindex = 1;
	r = qlpb_start(host->qlpb, &request, ret_experiment, probe_host_now_us(host));
	probe_host_called(host);
	return r;
}

void probe_host_cancel(struct probe_host *host, uint32_t experiment)
{
	qlpb_cancel(host->qlpb, experiment);
	probe_host_called(host);
}

void probe_host_restart(struct probe_host *host)
{
	node_free(host);
	node_new(host);
	probe_host_called(host);
}

void probe_host_forge(struct probe_host *host, const struct probe_host *claims,
		      const struct probe_host *to, uint16_t source_port, const uint8_t *data,
		      size_t len)
{
	struct probe_packet *packet = packet_new(host, to, data, len);

	packet->claims = claims->number;
	packet->source_port = source_port;
	probe_link_send(&host->up, packet);
}
