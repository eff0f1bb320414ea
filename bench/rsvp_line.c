/* SPDX-License-Identifier: MIT */
/* rsvp_line.c: see rsvp_line.h. */
#include "rsvp_line.h"

#include "measure.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct line_mail {
	size_t room, len;
	uint8_t *data;
};

/* Before each message. */
struct envelope {
	struct rsvp_arrival arrival;
	size_t len;
};

#define HOST_INTERFACE 1
#define SENDER_SIDE 1 /* interfaces of the router */
#define RECEIVER_SIDE 2

/* 10.0.1.1 - 10.0.1.2 router 10.0.2.1 - 10.0.2.2 */
static struct address address_of(uint8_t net, uint8_t host)
{
	return (struct address){
		.addr = { [10] = 0xff, 0xff, 10, 0, net, host },
		.family = AF_INET,
	};
}

static bool is_on(const struct address *address, uint8_t net)
{
	return address->addr[14] == net;
}

/* ---- ports ---- */

static void send_mail(void *user_data, const struct rsvp_packet *packet)
{
	struct line_node *from = user_data;
	bool to_receiver = from->place == LINE_SENDER ||
			   (from->place == LINE_ROUTER &&
			    (packet->ifindex == RECEIVER_SIDE || is_on(&packet->destination, 2)));
	struct line_node *to = from + (to_receiver ? 1 : -1);
	const struct envelope envelope = {
		.arrival = {
			.ifindex = to->place != LINE_ROUTER ? HOST_INTERFACE :
				   to_receiver		    ? SENDER_SIDE :
							      RECEIVER_SIDE,
			.source = packet->source,
			.destination = packet->destination,
			.destination_is_local = to->place != LINE_ROUTER || !packet->router_alert,
			.ttl = packet->ttl,
			.router_alert = packet->router_alert,
		},
		.len = packet->len,
	};
	struct line_mail *mail = to->mail;

	if (mail->len + sizeof(envelope) + packet->len > mail->room)
		die("more messages wait than there is room for");
	memcpy(mail->data + mail->len, &envelope, sizeof(envelope));
	memcpy(mail->data + mail->len + sizeof(envelope), packet->data, packet->len);
	mail->len += (sizeof(envelope) + packet->len + 7) & ~(size_t)7;
}

static int find_route(void *user_data, const struct address *destination,
		      const struct address *source, struct rsvp_route *ret_route)
{
	const struct line_node *node = user_data;

	*ret_route = (struct rsvp_route){ 0 };
	if (node->place == LINE_RECEIVER) {
		ret_route->local = true;
		return 0;
	}
	ret_route->n_out = 1;
	ret_route->out[0] = node->place == LINE_SENDER ? HOST_INTERFACE : RECEIVER_SIDE;
	if (node->place == LINE_SENDER)
		ret_route->gateway = address_of(1, 2);
	return 0;
}

static int take_reservation(void *user_data, const struct rsvp_tc_request *request,
			    uint64_t *handle, struct rsvp_error *ret_error)
{
	struct line_node *node = user_data;

	if (*handle == 0)
		*handle = ++node->line->handles;
	return 0;
}

static void drop_reservation(void *user_data, uint64_t handle)
{
}

static void hear(void *user_data, void *app_data, const struct rsvp_event *event)
{
	struct line_node *node = user_data;

	node->line->n_events += event->type == RSVP_EVENT_RESV && event->flowspec;
}

static uint32_t draw(void *user_data)
{
	struct line_node *node = user_data;
	uint64_t *x = &node->line->random;

	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (uint32_t)(*x >> 32);
}

/* ---- the line ---- */

static void add_interface(const struct line_node *node, uint32_t ifindex, uint8_t net, uint8_t host,
			  bool reduce_refreshes)
{
	struct rsvp_interface interface;

	rsvp_interface_default(&interface);
	interface.ifindex = ifindex;
	interface.address4 = address_of(net, host);
	interface.enforced = true;
	interface.reduce_refreshes = reduce_refreshes;
	must(rsvp_interface_set(node->rsvp, &interface, node->line->now_us), "rsvp_interface_set");
}

static void add_node(struct line *line, unsigned place, size_t room)
{
	struct line_node *node = &line->nodes[place];
	const struct rsvp_ports ports = {
		.user_data = node,
		.send = send_mail,
		.route = find_route,
		.tc_reserve = take_reservation,
		.tc_release = drop_reservation,
		.event = hear,
		.random = draw,
	};
	struct rsvp_config config;

	node->line = line;
	node->place = place;
	node->mail = calloc(1, sizeof(*node->mail));
	if (!node->mail)
		die("no memory");
	node->mail->room = room;
	node->mail->data = malloc(room);
	if (!node->mail->data)
		die("no memory");
	/* All of it is there from now on, so that it is not counted later. */
	memset(node->mail->data, 1, room);
	rsvp_config_default(&config);
	/* Everything comes at once here. */
	config.messages_per_s_per_neighbour = 10000000;
	node->rsvp = rsvp_new(&ports, &config, line->now_us);
	if (!node->rsvp)
		die("no memory");
}

struct line *line_new(bool reduce_refreshes, size_t room)
{
	struct line *line = calloc(1, sizeof(*line));

	if (!line)
		die("no memory");
	line->now_us = 1000000;
	line->random = UINT64_C(88172645463325252);
	for (unsigned i = 0; i < LINE_NODES; i++)
		add_node(line, i, room);
	add_interface(&line->nodes[LINE_SENDER], HOST_INTERFACE, 1, 1, reduce_refreshes);
	add_interface(&line->nodes[LINE_ROUTER], SENDER_SIDE, 1, 2, reduce_refreshes);
	add_interface(&line->nodes[LINE_ROUTER], RECEIVER_SIDE, 2, 1, reduce_refreshes);
	add_interface(&line->nodes[LINE_RECEIVER], HOST_INTERFACE, 2, 2, reduce_refreshes);
	return line;
}

struct line *line_free(struct line *line)
{
	/* Tears that nobody will read. */
	for (unsigned i = 0; i < LINE_NODES; i++) {
		for (unsigned k = 0; k < LINE_NODES; k++)
			line->nodes[k].mail->len = 0;
		rsvp_free(line->nodes[i].rsvp, line->now_us);
	}
	for (unsigned i = 0; i < LINE_NODES; i++) {
		free(line->nodes[i].mail->data);
		free(line->nodes[i].mail);
	}
	free(line);
	return NULL;
}

void line_open(struct line *line, uint32_t i)
{
	static const struct rsvp_flowspec flowspec = {
		.tspec = { .r = 10000, .b = 3000, .p = 20000, .m = 64, .M = 1400 },
		.service = FLOWSPEC_CONTROLLED_LOAD,
	};
	const struct address destination = address_of(2, 2), source = address_of(1, 1);
	struct rsvp_session session = {
		.family = AF_INET,
		.port = (uint16_t)(1 + i / 2),
		.protocol = i % 2 ? IPPROTO_UDP : IPPROTO_TCP,
	};
	struct rsvp_sender_request sending = {
		.sender = { .family = AF_INET, .id = 5000 },
		.tspec = flowspec.tspec,
		.offers_guaranteed = true,
		.offers_controlled_load = true,
	};
	const struct rsvp_reserve_request reserving = {
		.style = RSVP_STYLE_FF,
		.n_flows = 1,
		.flowspecs = &flowspec,
		.senders = &sending.sender,
		.dscp = 0xff,
	};
	const struct line_node *sender = &line->nodes[LINE_SENDER];
	const struct line_node *receiver = &line->nodes[LINE_RECEIVER];
	struct rsvp_app *app;

	memcpy(session.address, destination.addr, sizeof(session.address));
	memcpy(sending.sender.address, source.addr, sizeof(source.addr));
	must(rsvp_app_open(receiver->rsvp, &session, 0, NULL, &app, line->now_us), "rsvp_app_open");
	must(rsvp_app_reserve(receiver->rsvp, app, &reserving, line->now_us), "rsvp_app_reserve");
	must(rsvp_app_open(sender->rsvp, &session, 0, NULL, &app, line->now_us), "rsvp_app_open");
	must(rsvp_app_send(sender->rsvp, app, &sending, line->now_us), "rsvp_app_send");
}

uint64_t line_work(struct line *line, unsigned place)
{
	const struct line_node *node = &line->nodes[place];
	struct line_mail *mail = node->mail;
	struct envelope envelope;
	uint64_t n = 0;

	for (size_t at = 0; at < mail->len; n++) {
		memcpy(&envelope, mail->data + at, sizeof(envelope));
		rsvp_receive(node->rsvp, &envelope.arrival, mail->data + at + sizeof(envelope),
			     envelope.len, line->now_us);
		at += (sizeof(envelope) + envelope.len + 7) & ~(size_t)7;
	}
	mail->len = 0;
	return n;
}

void line_tick(struct line *line, unsigned place)
{
	rsvp_tick(line->nodes[place].rsvp, line->now_us);
}
