/* SPDX-License-Identifier: MIT */
/* probe_whole.c: whole probers on hosts of the simulated net: see probe_net.h. Frames of raw sockets, and paths. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe_internal.h"

#define IFINDEX 1

static struct lltd_mac mac_of(const struct probe_host *host)
{
	return (struct lltd_mac){ { 2, 0, 0, 0, 0, (uint8_t)(host->number + 1) } };
}

static struct probe_host *find_mac(struct probe_net *net, const uint8_t *octets)
{
	for (unsigned i = 0; i < net->n_hosts; i++) {
		struct lltd_mac mac = mac_of(&net->hosts[i]);

		if (memcmp(mac.octets, octets, sizeof(mac.octets)) == 0)
			return &net->hosts[i];
	}
	return NULL;
}

/* ---- frames ---- */

static void send_frame(struct probe_host *host, const struct lltd_frame *frame)
{
	struct probe_host *to = find_mac(host->net, frame->data);
	struct probe_packet *packet;

	host->n_frames_sent++;
	host->frame_out_bytes += frame->len;
	if (host->net->watcher.frame)
		host->net->watcher.frame(host, frame);
	if (!to || host->dead)
		return;
	packet = calloc(1, sizeof(*packet) + frame->len);
	if (!packet)
		abort();
	packet->from = packet->claims = host->number;
	packet->to = to->number;
	packet->bytes = (uint32_t)frame->len - LLTD_LINK_HEADER_LEN;
	packet->frame = true;
	packet->len = frame->len;
	memcpy(packet->data, frame->data, frame->len);
	if (frame->data[12] == 0x81)
		packet->priority = frame->data[14] >> 5;
	probe_link_send(&host->up, packet);
}

static int on_send_frames(void *user_data, uint32_t ifindex, const struct lltd_frame *frames,
			  unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		send_frame(user_data, &frames[i]);
	return (int)n;
}

void probe_whole_receive(struct probe_host *host, const struct probe_packet *packet)
{
	struct lltd *lltd = host->prober ? prober_lltd(host->prober, IFINDEX) : NULL;

	if (lltd)
		lltd_receive(lltd, packet->data, packet->len, packet->stamp_ns,
			     probe_host_now_us(host));
}

static void on_counts(void *user_data, uint32_t ifindex, struct lltd_counts *ret_counts)
{
	const struct probe_host *host = user_data;

	*ret_counts = (struct lltd_counts){
		.bytes_received = host->down.carried_bytes,
		.bytes_sent = host->up.carried_bytes,
	};
}

/* A neighbour that is not there does not answer. */
static int on_station(void *user_data, const struct address *address, uint32_t ifindex,
		      struct lltd_mac *ret_mac)
{
	struct probe_host *host = user_data, *to = probe_net_find(host->net, address);

	if (!to || to->dead)
		return -EAGAIN;
	*ret_mac = mac_of(to);
	return 0;
}

/* ---- paths ---- */

static bool on_tcp(void *user_data, uint64_t cookie, struct passive_tcp *ret_tcp)
{
	const struct probe_host *host = user_data;

	return host->net->watcher.tcp && host->net->watcher.tcp(cookie, ret_tcp);
}

static bool on_queue(void *user_data, uint32_t ifindex, struct passive_queue *ret_queue)
{
	return false;
}

static void on_event(void *user_data, void *data, enum path_event event)
{
	const struct probe_host *host = user_data;

	if (host->net->watcher.event)
		host->net->watcher.event(data, event);
}

static void on_refreshed(void *user_data, void *data)
{
	const struct probe_host *host = user_data;

	if (host->net->watcher.refreshed)
		host->net->watcher.refreshed(data);
}

static void on_admitted(void *user_data, void *data, uint64_t token, int status)
{
	const struct probe_host *host = user_data;

	if (host->net->watcher.admitted)
		host->net->watcher.admitted(data, token, status);
}

struct prober *probe_whole_new(struct probe_host *host)
{
	const struct prober_link link = {
		.ifindex = IFINDEX,
		.running = true,
		.rate_bps = host->plan.link.rate_bps,
		.has_stations = true,
		.tags = true,
		.mac = mac_of(host),
	};
	struct qlpb_ports qlpb;
	struct prober_ports ports;
	struct prober *prober;

	probe_host_ports(host, &qlpb);
	ports = (struct prober_ports){
		.user_data = host,
		.send = qlpb.send,
		.connect = qlpb.connect,
		.write = qlpb.write,
		.close = qlpb.close,
		.link = qlpb.link,
		.on_link = qlpb.on_link,
		.send_frames = host->plan.raw ? on_send_frames : NULL,
		.counts = on_counts,
		.station = on_station,
		.stamp_ns = qlpb.stamp_ns,
		.random = qlpb.random,
		.tcp = on_tcp,
		.queue = on_queue,
		.event = on_event,
		.refreshed = on_refreshed,
		.admitted = on_admitted,
	};
	prober = prober_new(&ports, &host->plan.prober, probe_host_now_us(host));
	if (!prober || prober_set_link(prober, &link, probe_host_now_us(host)) < 0)
		abort();
	return prober;
}
