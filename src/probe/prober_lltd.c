/* SPDX-License-Identifier: MIT */
/* prober_lltd.c: the LLTD nodes of a prober's interfaces. */
#include "probe/prober_internal.h"

/* ---- what a node needs of the host ---- */

static int on_send(void *user_data, const struct lltd_frame *frames, unsigned n)
{
	const struct interface *interface = user_data;
	const struct prober_ports *ports = &interface->prober->ports;

	return ports->send_frames(ports->user_data, interface->link.ifindex, frames, n);
}

static uint64_t on_stamp_ns(void *user_data)
{
	const struct prober_ports *ports = &((struct interface *)user_data)->prober->ports;

	return ports->stamp_ns(ports->user_data);
}

static uint32_t on_random(void *user_data)
{
	const struct prober_ports *ports = &((struct interface *)user_data)->prober->ports;

	return ports->random(ports->user_data);
}

static void on_counts(void *user_data, struct lltd_counts *ret_counts)
{
	const struct interface *interface = user_data;
	const struct prober_ports *ports = &interface->prober->ports;

	ports->counts(ports->user_data, interface->link.ifindex, ret_counts);
}

struct lltd *prober_lltd_new(struct interface *interface)
{
	const struct lltd_ports ports = {
		.user_data = interface,
		.send = on_send,
		.stamp_ns = on_stamp_ns,
		.random = on_random,
		.counts = on_counts,
	};
	struct lltd_config config = interface->prober->config.lltd;

	config.mac = interface->link.mac;
	config.link_bps = interface->link.rate_bps;
	return lltd_new(&ports, &config);
}
