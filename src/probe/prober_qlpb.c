/* SPDX-License-Identifier: MIT */
/*
 * prober_qlpb.c: paths by MS-QLPB: what a path wants is an experiment of the host's node each, and what that sees
 * goes back to the path.
 */
#include "probe/prober_internal.h"

#include <errno.h>

/* ---- what the node needs of the host ---- */

static int on_send(void *user_data, const struct qlpb_datagram *datagrams, unsigned n)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	return ports->send(ports->user_data, datagrams, n);
}

static int on_connect(void *user_data, uint32_t connection, const struct address *sink,
		      uint32_t ifindex)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	return ports->connect(ports->user_data, connection, sink, ifindex);
}

static int on_write(void *user_data, uint32_t connection, const uint8_t *data, size_t len)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	return ports->write(ports->user_data, connection, data, len);
}

static void on_close(void *user_data, uint32_t connection)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	ports->close(ports->user_data, connection);
}

static uint64_t on_stamp_ns(void *user_data)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	return ports->stamp_ns(ports->user_data);
}

static uint32_t on_random(void *user_data)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	return ports->random(ports->user_data);
}

static void on_link_of(void *user_data, uint32_t ifindex, struct qlpb_link *ret_link)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	ports->link(ports->user_data, ifindex, ret_link);
}

static bool on_is_on_link(void *user_data, const struct address *address, uint32_t ifindex)
{
	const struct prober_ports *ports = &((struct prober *)user_data)->ports;

	return ports->on_link(ports->user_data, address, ifindex);
}

/* ---- what experiments have seen ---- */

static bool on_train(void *user_data, void *data, const struct probe_train *train)
{
	return prober_take_train(data, train);
}

static void on_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	struct prober_path *path = ((struct run *)data)->path;

	path_gap(path->path, gap, prober_now(path->prober));
	prober_settle(path);
}

/* Where the link puts no tag on datagrams, all have left without one: that proves nothing of tags. */
static enum probe_priority proven_priority(const struct prober_path *path,
					   const struct qlpb_result *result)
{
	bool tagged = path->interface && path->interface->link.tags;

	return result->priority == PROBE_PRIORITY_SUPPORTED && !tagged ? PROBE_PRIORITY_UNKNOWN
								       : result->priority;
}

static void on_finished(void *user_data, void *data, const struct qlpb_result *result)
{
	struct run *run = data;

	if (result->kind == QLPB_ROUTE_CHECK && result->status == 0)
		path_priority(run->path->path, proven_priority(run->path, result));
	prober_run_ended(run, result->status);
}

int prober_qlpb_new(struct prober *prober)
{
	const struct qlpb_ports ports = {
		.user_data = prober,
		.send = on_send,
		.connect = on_connect,
		.write = on_write,
		.close = on_close,
		.stamp_ns = on_stamp_ns,
		.random = on_random,
		.link = on_link_of,
		.on_link = on_is_on_link,
		.train = on_train,
		.gap = on_gap,
		.finished = on_finished,
	};

	prober->qlpb = qlpb_new(&ports, &prober->config.qlpb);
	return prober->qlpb ? 0 : -ENOMEM;
}

/* ---- what a path wants ---- */

static int fill_in(struct qlpb_request *request, const struct path_experiment *experiment)
{
	switch (experiment->kind) {
	case PATH_ROUTE_CHECK:
		request->kind = QLPB_ROUTE_CHECK;
		return 0;
	case PATH_TRAIN:
		request->kind = QLPB_PACKET_PAIR;
		request->train_size = experiment->packets;
		request->packet_bytes = experiment->packet_bytes;
		return 0;
	case PATH_GAPS:
		request->kind = QLPB_PROBEGAP;
		request->interval_us = experiment->interval_us;
		request->vary_us = experiment->vary_us;
		request->count = experiment->packets;
		return 0;
	case PATH_CLAIM:
		request->kind = QLPB_CLAIM;
		request->packet_bytes = experiment->packet_bytes;
		request->rate_bps = experiment->rate_bps;
		request->duration_us = experiment->duration_us;
		return 0;
	case PATH_PACED:
		request->kind = QLPB_PACKET_PAIR;
		request->train_size = experiment->packets;
		request->packet_bytes = experiment->packet_bytes;
		request->rate_bps = experiment->rate_bps;
		request->lead = experiment->lead;
		return 0;
	case PATH_KIND_COUNT:
		break;
	}
	return -EOPNOTSUPP;
}

int prober_qlpb_start(struct run *run, uint64_t now_us)
{
	const struct prober_path *path = run->path;
	struct qlpb_request request = {
		.sink = path->key.destination,
		.ifindex = path->key.ifindex,
		.data = run,
	};
	int r = fill_in(&request, &run->experiment);

	if (r < 0)
		return r;
	r = qlpb_start(path->prober->qlpb, &request, &run->number, now_us);
	return r == -EINVAL || r == -ENETUNREACH ? -EOPNOTSUPP : r;
}

void prober_qlpb_stop(struct run *run)
{
	qlpb_cancel(run->path->prober->qlpb, run->number);
}
