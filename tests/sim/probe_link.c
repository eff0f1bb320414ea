/* SPDX-License-Identifier: MIT */
/* probe_link.c: see probe_link.h. */
#include "probe_link.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "probe_net.h"

static uint64_t service_ns(const struct probe_link *link, uint32_t bytes)
{
	return (bytes + PROBE_FRAME_OVERHEAD) * UINT64_C(8000000000) / link->plan.rate_bps;
}

static struct probe_packet *take(struct probe_link *link, unsigned class)
{
	struct probe_packet *packet = link->queue[class];

	if (!packet)
		return NULL;
	link->queue[class] = packet->next;
	if (!packet->next)
		link->tail[class] = &link->queue[class];
	link->queued_bytes -= packet->bytes;
	return packet;
}

static void serve(struct probe_link *link)
{
	struct probe_packet *packet = take(link, 1);

	if (!packet)
		packet = take(link, 0);
	link->serving = packet;
	if (packet)
		queue_set(&link->net->queue, &link->served,
			  link->net->now_ns + service_ns(link, packet->bytes));
}

static void arrive(struct event *event)
{
	struct probe_packet *packet = (struct probe_packet *)event;

	packet->link->deliver(packet);
}

static void travel(struct probe_link *link, struct probe_packet *packet)
{
	uint64_t delay_ns = link->plan.delay_ns;

	if (link->plan.jitter_ns > 0)
		delay_ns += (uint64_t)(dice_unit(&link->dice) * (double)link->plan.jitter_ns);
	if (dice_chance(&link->dice, link->plan.reorder)) {
		delay_ns += (uint64_t)(dice_unit(&link->dice) * (double)link->plan.reorder_ns);
	} else {
		/* Jitter alone keeps the order. */
		if (link->net->now_ns + delay_ns < link->last_ns)
			delay_ns = link->last_ns - link->net->now_ns;
		link->last_ns = link->net->now_ns + delay_ns;
	}
	packet->event.happen = arrive;
	queue_set(&link->net->queue, &packet->event, link->net->now_ns + delay_ns);
}

static struct probe_packet *copy_of(const struct probe_packet *packet)
{
	size_t size = sizeof(*packet) + packet->len;
	struct probe_packet *copy = malloc(size);

	if (!copy)
		abort();
	memcpy(copy, packet, size);
	copy->event = (struct event){ 0 };
	return copy;
}

static void on_served(struct event *event)
{
	struct probe_link *link =
		(struct probe_link *)((char *)event - offsetof(struct probe_link, served));
	struct probe_packet *packet = link->serving;

	link->carried_bytes += packet->bytes;
	if (packet->to == UINT32_MAX) {
		free(packet);
	} else if (dice_chance(&link->dice, link->plan.loss)) {
		link->dropped++;
		free(packet);
	} else {
		if (dice_chance(&link->dice, link->plan.duplicate))
			travel(link, copy_of(packet));
		travel(link, packet);
	}
	serve(link);
}

void probe_link_send(struct probe_link *link, struct probe_packet *packet)
{
	const struct probe_link_plan *plan = &link->plan;
	unsigned class = plan->priorities && packet->priority > 0;

	if (link->queued_bytes + packet->bytes > plan->queue_bytes ||
	    (packet->priority > 0 && plan->tagged_max_bytes > 0 &&
	     packet->bytes > plan->tagged_max_bytes)) {
		link->dropped++;
		free(packet);
		return;
	}
	packet->link = link;
	packet->next = NULL;
	*link->tail[class] = packet;
	link->tail[class] = &packet->next;
	link->queued_bytes += packet->bytes;
	if (!link->serving)
		serve(link);
}

/* ---- others' traffic ---- */

/* Acknowledgements and full packets, which make up a mean of 812 octets. */
static uint32_t cross_packet_bytes(struct dice *dice)
{
	static const uint32_t sizes[] = { 40, 40, 576, 1500, 1500, 1216 };

	return sizes[dice_below(dice, sizeof(sizes) / sizeof(sizes[0]))];
}

#define CROSS_MEAN_BYTES 812

static void set_next_arrival(struct probe_link *link)
{
	double mean_ns = (CROSS_MEAN_BYTES + PROBE_FRAME_OVERHEAD) * 8e9 /
			 ((double)link->plan.rate_bps * link->plan.cross);
	double apart_ns = -log(1 - dice_unit(&link->dice)) * mean_ns;

	queue_set(&link->net->queue, &link->arrival, link->net->now_ns + 1 + (uint64_t)apart_ns);
}

static void on_arrival(struct event *event)
{
	struct probe_link *link =
		(struct probe_link *)((char *)event - offsetof(struct probe_link, arrival));
	struct probe_packet *packet = calloc(1, sizeof(*packet));

	if (!packet)
		abort();
	packet->from = packet->to = UINT32_MAX;
	packet->bytes = cross_packet_bytes(&link->dice);
	link->cross_bytes += packet->bytes;
	probe_link_send(link, packet);
	set_next_arrival(link);
}

void probe_link_cross(struct probe_link *link, double share)
{
	link->plan.cross = share;
	queue_cancel(&link->net->queue, &link->arrival);
	if (share > 0)
		set_next_arrival(link);
}

/* ---- coming and going ---- */

void probe_link_start(struct probe_link *link, struct probe_net *net, struct dice dice,
		      const struct probe_link_plan *plan,
		      void (*deliver)(struct probe_packet *packet))
{
	*link = (struct probe_link){
		.net = net,
		.plan = *plan,
		.dice = dice,
		.served = { .happen = on_served },
		.arrival = { .happen = on_arrival },
		.deliver = deliver,
	};
	link->tail[0] = &link->queue[0];
	link->tail[1] = &link->queue[1];
	probe_link_cross(link, plan->cross);
}

void probe_link_free(struct probe_link *link)
{
	struct probe_packet *packet;

	queue_cancel(&link->net->queue, &link->arrival);
	queue_cancel(&link->net->queue, &link->served);
	free(link->serving);
	for (unsigned class = 0; class < 2; class ++) {
		while ((packet = take(link, class)))
			free(packet);
	}
}
