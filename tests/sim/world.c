/* SPDX-License-Identifier: MIT */
/* world.c: see world.h: nodes, links, time, and what goes between them. Routes are in routes.c. */
#include "world_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DELAY_US 1000

void *sim_grow(void *array, size_t n, size_t *max, size_t size)
{
	if (n < *max)
		return array;
	*max = *max ? *max * 2 : 8;
	array = realloc(array, *max * size);
	assert(array);
	return array;
}

/* xorshift64* */
uint32_t sim_random(struct sim *sim)
{
	sim->random ^= sim->random >> 12;
	sim->random ^= sim->random << 25;
	sim->random ^= sim->random >> 27;
	return (uint32_t)((sim->random * UINT64_C(2685821657736338717)) >> 32);
}

/* ---- what is to happen: a heap by time ---- */

static bool is_before(const struct occurrence *a, const struct occurrence *b)
{
	return a->time_us != b->time_us ? a->time_us < b->time_us : a->serial < b->serial;
}

static void swap(struct occurrence *a, struct occurrence *b)
{
	struct occurrence c = *a;

	*a = *b;
	*b = c;
}

static void push(struct sim *sim, struct occurrence occurrence)
{
	size_t i = sim->n_queue++;

	sim->queue = sim_grow(sim->queue, i, &sim->max_queue, sizeof(*sim->queue));
	occurrence.serial = sim->serial++;
	sim->queue[i] = occurrence;
	for (; i > 0 && is_before(&sim->queue[i], &sim->queue[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&sim->queue[i], &sim->queue[(i - 1) / 2]);
}

static struct occurrence pop(struct sim *sim)
{
	struct occurrence first = sim->queue[0];
	size_t i = 0, child;

	sim->queue[0] = sim->queue[--sim->n_queue];
	for (; (child = 2 * i + 1) < sim->n_queue; i = child) {
		if (child + 1 < sim->n_queue &&
		    is_before(&sim->queue[child + 1], &sim->queue[child]))
			child++;
		if (!is_before(&sim->queue[child], &sim->queue[i]))
			break;
		swap(&sim->queue[child], &sim->queue[i]);
	}
	return first;
}

/* Sees to it that the node is woken in time. */
void sim_schedule(struct sim *sim, unsigned node)
{
	struct node *n = &sim->nodes[node];
	uint64_t deadline_us = n->rsvp ? rsvp_next_deadline_us(n->rsvp) : UINT64_MAX;

	if (deadline_us < sim->now_us)
		deadline_us = sim->now_us;
	if (deadline_us >= n->wake_us)
		return;
	n->wake_us = deadline_us;
	push(sim, (struct occurrence){ .time_us = deadline_us, .node = node });
}

/* ---- packets ---- */

static void deliver(struct sim *sim, const struct attachment *to, const struct rsvp_packet *packet)
{
	struct link *link = &sim->links[to->link];
	struct occurrence occurrence = {
		.time_us = sim->now_us + DELAY_US,
		.node = to->node,
		.ifindex = to->ifindex,
		.packet = *packet,
	};
	unsigned copies = 1;

	if (sim_random(sim) % 100 < link->loss)
		return;
	if (link->twice > 0 && sim_random(sim) % 100 < link->twice)
		copies = 2;
	while (copies-- > 0) {
		if (link->jitter_us > 0)
			occurrence.time_us += sim_random(sim) % link->jitter_us;
		occurrence.data = malloc(packet->len);
		assert(occurrence.data);
		memcpy(occurrence.data, packet->data, packet->len);
		push(sim, occurrence);
	}
}

static void transmit_multicast(struct sim *sim, const struct attachment *from,
			       const struct rsvp_packet *packet)
{
	const struct link *link = &sim->links[from->link];

	for (size_t i = 0; i < link->n_attached; i++) {
		const struct attachment *to = &sim->attachments[link->attached[i]];

		if (to->node != from->node)
			deliver(sim, to, packet);
	}
}

/* Out of the node, by an interface (0: as routes say). */
static void transmit(struct sim *sim, unsigned node, const struct rsvp_packet *packet)
{
	const struct attachment *from = sim_attachment(sim, node, packet->ifindex), *to;
	struct hop hop;

	if (address_is_multicast(&packet->destination)) {
		if (from && sim->links[from->link].up)
			transmit_multicast(sim, from, packet);
		return;
	}
	if (!sim_next_hop(sim, node, &packet->destination, from, &hop))
		return;
	to = &sim->attachments[hop.to];
	deliver(sim, to, packet);
}

static void record(struct sim *sim, unsigned node, const struct rsvp_packet *packet)
{
	struct sim_packet *entry;

	if (!sim->recording)
		return;
	sim->packets =
		sim_grow(sim->packets, sim->n_packets, &sim->max_packets, sizeof(*sim->packets));
	entry = &sim->packets[sim->n_packets++];
	*entry = (struct sim_packet){ sim->now_us, node, *packet, packet->data[1], NULL };
	entry->data = malloc(packet->len);
	assert(entry->data);
	memcpy(entry->data, packet->data, packet->len);
	entry->packet.data = entry->data;
}

/* As a router does with what is not for it. */
static void forward(struct sim *sim, unsigned node, uint32_t ifindex, struct rsvp_packet packet)
{
	struct rsvp_route route;

	if (packet.ttl <= 1)
		return;
	packet.ttl--;
	packet.ifindex = 0;
	if (!address_is_multicast(&packet.destination)) {
		transmit(sim, node, &packet);
		return;
	}
	sim_multicast_route(sim, node, &packet.destination, &packet.source, &route);
	for (unsigned i = 0; i < route.n_out && route.in_ifindex == ifindex; i++) {
		packet.ifindex = route.out[i];
		transmit(sim, node, &packet);
	}
}

static void arrive(struct sim *sim, const struct occurrence *occurrence)
{
	struct node *node = &sim->nodes[occurrence->node];
	struct rsvp_packet packet = occurrence->packet;
	struct rsvp_arrival arrival = {
		.ifindex = occurrence->ifindex,
		.source = packet.source,
		.destination = packet.destination,
		.destination_is_local = sim_is_local(sim, occurrence->node, &packet.destination),
		.ttl = packet.ttl,
		.router_alert = packet.router_alert,
		.udp = packet.udp,
	};
	enum rsvp_verdict verdict = RSVP_FORWARD;

	packet.data = occurrence->data;
	if (node->rsvp && (packet.router_alert || arrival.destination_is_local))
		verdict = rsvp_receive(node->rsvp, &arrival, packet.data, packet.len, sim->now_us);
	if (verdict == RSVP_FORWARD && !arrival.destination_is_local)
		forward(sim, occurrence->node, occurrence->ifindex, packet);
}

static void happen(struct sim *sim, struct occurrence *occurrence)
{
	struct node *node = &sim->nodes[occurrence->node];

	if (occurrence->data) {
		arrive(sim, occurrence);
		free(occurrence->data);
	} else if (occurrence->time_us == node->wake_us) {
		node->wake_us = UINT64_MAX;
		if (node->rsvp)
			rsvp_tick(node->rsvp, sim->now_us);
	}
	sim_schedule(sim, occurrence->node);
}

void sim_run(struct sim *sim, uint64_t for_us)
{
	uint64_t until_us = sim->now_us + for_us;

	while (sim->n_queue > 0 && sim->queue[0].time_us <= until_us) {
		struct occurrence occurrence = pop(sim);

		sim->now_us = occurrence.time_us;
		happen(sim, &occurrence);
	}
	sim->now_us = until_us;
}

uint64_t sim_now(const struct sim *sim)
{
	return sim->now_us;
}

/* ---- ports ---- */

static void port_send(void *user_data, const struct rsvp_packet *packet)
{
	struct node *node = user_data;
	struct rsvp_packet sent = *packet;
	struct address own;

	if (node->mute)
		return;
	if (sent.source.family == AF_UNSPEC) {
		own = sim_address(node->sim, node->number, sent.ifindex ? sent.ifindex : 1,
				  sent.destination.family);
		sent.source = own;
	}
	record(node->sim, node->number, &sent);
	transmit(node->sim, node->number, &sent);
}

static int port_route(void *user_data, const struct address *destination,
		      const struct address *source, struct rsvp_route *ret_route)
{
	struct node *node = user_data;

	node->routes_asked++;
	if (address_is_multicast(destination))
		sim_multicast_route(node->sim, node->number, destination, source, ret_route);
	else
		sim_unicast_route(node->sim, node->number, destination, ret_route);
	return 0;
}

static double reserved_on(const struct node *node, uint32_t ifindex, uint64_t except)
{
	double sum = 0;

	for (size_t i = 0; i < node->n_installed; i++) {
		const struct sim_installed *installed = &node->installed[i];

		if (installed->handle != except && installed->request.ifindex == ifindex)
			sum += (double)installed->request.flowspec.tspec.r;
	}
	return sum;
}

static bool is_refused(struct node *node, const struct rsvp_tc_request *request, uint64_t handle,
		       struct rsvp_error *ret_error)
{
	const struct attachment *at = sim_attachment(node->sim, node->number, request->ifindex);
	double wanted;

	if (node->refuse_code != 0) {
		ret_error->code = node->refuse_code;
		ret_error->value = node->refuse_value;
		return true;
	}
	ret_error->code = RSVP_ERROR_ADMISSION;
	ret_error->value = RSVP_ADMISSION_BANDWIDTH;
	wanted = reserved_on(node, request->ifindex, handle) + (double)request->flowspec.tspec.r;
	if (at->capacity <= 0 || wanted <= at->capacity)
		return false;
	ret_error->missing_bps = (uint64_t)((wanted - at->capacity) * 8);
	return true;
}

static int port_policy(void *user_data, const struct rsvp_policy_question *question,
		       struct rsvp_error *ret_error)
{
	struct node *node = user_data;

	return node->policy ? node->policy(question, ret_error) : 0;
}

static void keep_request(struct sim_installed *installed, const struct rsvp_tc_request *request)
{
	struct rsvp_tc_filter *filters = NULL;

	free((void *)installed->request.filters);
	if (request->n_filters > 0) {
		filters = malloc(request->n_filters * sizeof(*filters));
		assert(filters);
		memcpy(filters, request->filters, request->n_filters * sizeof(*filters));
	}
	installed->request = *request;
	installed->request.filters = filters;
}

static int port_tc_reserve(void *user_data, const struct rsvp_tc_request *request, uint64_t *handle,
			   struct rsvp_error *ret_error)
{
	struct node *node = user_data;
	struct sim_installed *installed = NULL;

	assert(sim_attachment(node->sim, node->number, request->ifindex));
	for (size_t i = 0; i < node->n_installed && *handle != 0; i++) {
		if (node->installed[i].handle == *handle)
			installed = &node->installed[i];
	}
	assert(*handle == 0 || installed);
	if (is_refused(node, request, *handle, ret_error))
		return -1;
	if (!installed) {
		node->installed = sim_grow(node->installed, node->n_installed, &node->max_installed,
					   sizeof(*node->installed));
		installed = &node->installed[node->n_installed++];
		*installed = (struct sim_installed){ .handle = ++node->last_handle };
		*handle = installed->handle;
	} else {
		installed->changes++;
	}
	keep_request(installed, request);
	return 0;
}

static void port_tc_release(void *user_data, uint64_t handle)
{
	struct node *node = user_data;

	for (size_t i = 0; i < node->n_installed; i++) {
		if (node->installed[i].handle != handle)
			continue;
		free((void *)node->installed[i].request.filters);
		node->installed[i] = node->installed[--node->n_installed];
		return;
	}
	assert(!"released what is not installed");
}

static void port_diagnosis(void *user_data, void *data, const struct rsvp_hop_report *hop,
			   int status)
{
	struct sim_diagnosis *diagnosis = data;
	unsigned n = diagnosis->n_hops;

	(void)user_data;
	if (!hop) {
		diagnosis->n_ends++;
		diagnosis->status = status;
		return;
	}
	assert(diagnosis->n_ends == 0 && n < SIM_HOPS);
	diagnosis->hops[n] = *hop;
	diagnosis->hops[n].senders = NULL;
	if (hop->tspec) {
		diagnosis->tspecs[n] = *hop->tspec;
		diagnosis->hops[n].tspec = &diagnosis->tspecs[n];
	}
	if (hop->flowspec) {
		diagnosis->flowspecs[n] = *hop->flowspec;
		diagnosis->hops[n].flowspec = &diagnosis->flowspecs[n];
	}
	diagnosis->n_hops++;
}

int sim_diagnose(struct sim *sim, unsigned node, struct rsvp_diagnose_request request,
		 struct sim_diagnosis *diagnosis)
{
	int r;

	*diagnosis = (struct sim_diagnosis){ 0 };
	request.data = diagnosis;
	r = rsvp_diagnose(sim->nodes[node].rsvp, &request, &diagnosis->diagnosis, sim->now_us);
	sim_schedule(sim, node);
	return r;
}

static void port_event(void *user_data, void *app_data, const struct rsvp_event *event)
{
	struct sim_app *app = app_data;
	struct sim_event *kept;

	app->events = sim_grow(app->events, app->n_events, &app->max_events, sizeof(*app->events));
	kept = &app->events[app->n_events++];
	*kept = (struct sim_event){ .time_us = app->sim->now_us, .event = *event };
	kept->has_flowspec = event->flowspec;
	if (event->flowspec)
		kept->flowspec = *event->flowspec;
	kept->has_adspec = event->adspec;
	if (event->adspec)
		kept->adspec = *event->adspec;
	for (unsigned i = 0; i < event->n_senders && i < SIM_SENDERS; i++)
		kept->senders[i] = event->senders[i];
	kept->policy_len = event->policy_len;
	kept->event.flowspec = NULL;
	kept->event.adspec = NULL;
	kept->event.senders = NULL;
	kept->event.policy = NULL;
}

static uint32_t port_random(void *user_data)
{
	return sim_random(((struct node *)user_data)->sim);
}

/* ---- nodes ---- */

static void start(struct sim *sim, struct node *node)
{
	struct rsvp_ports ports = {
		.user_data = node,
		.send = port_send,
		.route = port_route,
		.tc_reserve = port_tc_reserve,
		.tc_release = port_tc_release,
		.policy = port_policy,
		.diagnosis = port_diagnosis,
		.event = port_event,
		.random = port_random,
	};

	node->rsvp = rsvp_new(&ports, &sim->config, sim->now_us);
	assert(node->rsvp);
}

static unsigned add_node(struct sim *sim, bool plain)
{
	struct node *node;

	assert(sim->n_nodes < SIM_NODES_MAX);
	node = &sim->nodes[sim->n_nodes];
	node->sim = sim;
	node->number = sim->n_nodes++;
	node->wake_us = UINT64_MAX;
	if (!plain)
		start(sim, node);
	return node->number;
}

unsigned sim_node(struct sim *sim)
{
	return add_node(sim, false);
}

unsigned sim_plain_node(struct sim *sim)
{
	return add_node(sim, true);
}

void sim_interface_apply(struct sim *sim, unsigned node, uint32_t ifindex)
{
	const struct attachment *at = sim_attachment(sim, node, ifindex);
	int r;

	if (!sim->nodes[node].rsvp)
		return;
	r = rsvp_interface_set(sim->nodes[node].rsvp, &at->interface, sim->now_us);
	assert(r == 0);
	(void)r;
	sim_schedule(sim, node);
}

static struct sim_app **find_app(struct sim *sim, const struct sim_app *app)
{
	struct sim_app **at = &sim->apps;

	while (*at && *at != app)
		at = &(*at)->next;
	return at;
}

void sim_restart(struct sim *sim, unsigned number)
{
	struct node *node = &sim->nodes[number];

	node->mute = true;
	for (struct sim_app *app = sim->apps; app; app = app->next) {
		if (app->node == number)
			app->app = NULL;
	}
	rsvp_free(node->rsvp, sim->now_us);
	node->mute = false;
	start(sim, node);
	for (unsigned i = 0; i < node->n_attachments; i++)
		sim_interface_apply(sim, number, i + 1);
}

void sim_end(struct sim *sim, unsigned number)
{
	struct node *node = &sim->nodes[number];

	for (struct sim_app *app = sim->apps; app; app = app->next) {
		if (app->node == number)
			app->app = NULL;
	}
	node->rsvp = rsvp_free(node->rsvp, sim->now_us);
}

struct rsvp *sim_rsvp(const struct sim *sim, unsigned node)
{
	return sim->nodes[node].rsvp;
}

unsigned sim_routes_asked(const struct sim *sim, unsigned node)
{
	return sim->nodes[node].routes_asked;
}

void sim_set_capacity(struct sim *sim, unsigned node, uint32_t ifindex, double bytes_per_s)
{
	sim_attachment(sim, node, ifindex)->capacity = bytes_per_s;
}

void sim_set_policy(struct sim *sim, unsigned node, sim_policy_fn *policy)
{
	sim->nodes[node].policy = policy;
}

void sim_refuse(struct sim *sim, unsigned node, uint8_t code, uint16_t value)
{
	sim->nodes[node].refuse_code = code;
	sim->nodes[node].refuse_value = value;
}

size_t sim_n_installed(const struct sim *sim, unsigned node)
{
	return sim->nodes[node].n_installed;
}

const struct sim_installed *sim_installed(const struct sim *sim, unsigned node, size_t i)
{
	assert(i < sim->nodes[node].n_installed);
	return &sim->nodes[node].installed[i];
}

/* ---- life ---- */

struct rsvp_config *sim_config(struct sim *sim)
{
	return &sim->config;
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert(sim);
	sim->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	sim->now_us = 1000 * SIM_S;
	sim->recording = true;
	rsvp_config_default(&sim->config);
	return sim;
}

void sim_free(struct sim *sim)
{
	for (unsigned i = 0; i < sim->n_nodes; i++) {
		struct node *node = &sim->nodes[i];

		node->rsvp = rsvp_free(node->rsvp, sim->now_us);
		assert(node->n_installed == 0);
		free(node->installed);
	}
	while (sim->n_queue > 0)
		free(pop(sim).data);
	while (sim->apps) {
		struct sim_app *next = sim->apps->next;

		free(sim->apps->events);
		free(sim->apps);
		sim->apps = next;
	}
	sim_forget(sim);
	sim_routes_forget(sim);
	for (size_t i = 0; i < sim->n_links; i++)
		free(sim->links[i].attached);
	free(sim->attachments);
	free(sim->members);
	free(sim->packets);
	free(sim->links);
	free(sim->queue);
	free(sim);
}

/* ---- applications ---- */

struct rsvp_session sim_session(const struct address *destination, uint16_t port)
{
	struct rsvp_session session = { .family = destination->family,
					.port = port,
					.protocol = port ? IPPROTO_UDP : IPPROTO_ICMP };

	memcpy(session.address, destination->addr, sizeof(session.address));
	return session;
}

struct address sim_group(uint16_t family, uint8_t number)
{
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 232, 0, 0, 0 };
	static const uint8_t v6[16] = { 0xff, 0x3e };
	struct address group = { .family = family };

	memcpy(group.addr, family == AF_INET ? v4 : v6, sizeof(group.addr));
	group.addr[15] = number;
	return group;
}

struct rsvp_sender sim_sender(const struct address *source, uint16_t port)
{
	struct rsvp_sender sender = { .family = source->family, .id = port };

	memcpy(sender.address, source->addr, sizeof(sender.address));
	return sender;
}

struct rsvp_tspec sim_tspec(float rate)
{
	return (struct rsvp_tspec){ .r = rate, .b = 10000, .p = INFINITY, .m = 64, .M = 1500 };
}

struct rsvp_flowspec sim_controlled_load(float rate)
{
	return (struct rsvp_flowspec){ .tspec = sim_tspec(rate),
				       .service = FLOWSPEC_CONTROLLED_LOAD };
}

struct rsvp_flowspec sim_guaranteed(float rate, float reserved)
{
	return (struct rsvp_flowspec){ .tspec = sim_tspec(rate),
				       .R = reserved,
				       .service = FLOWSPEC_GUARANTEED };
}

struct sim_app *sim_open(struct sim *sim, unsigned node, const struct rsvp_session *session)
{
	struct sim_app *app = calloc(1, sizeof(*app));
	struct address destination = { .family = session->family };
	int r;

	assert(app);
	memcpy(destination.addr, session->address, sizeof(destination.addr));
	app->sim = sim;
	app->node = node;
	app->session = *session;
	app->next = sim->apps;
	sim->apps = app;
	r = rsvp_app_open(sim->nodes[node].rsvp, session, 0, app, &app->app, sim->now_us);
	assert(r == 0);
	(void)r;
	if (address_is_multicast(&destination))
		sim_join(sim, node, &destination);
	sim_schedule(sim, node);
	return app;
}

void sim_close(struct sim_app *app)
{
	struct sim *sim = app->sim;
	struct address destination = { .family = app->session.family };

	memcpy(destination.addr, app->session.address, sizeof(destination.addr));
	if (app->app)
		rsvp_app_close(sim->nodes[app->node].rsvp, app->app, sim->now_us);
	if (address_is_multicast(&destination))
		sim_leave(sim, app->node, &destination);
	sim_schedule(sim, app->node);
	*find_app(sim, app) = app->next;
	free(app->events);
	free(app);
}

void sim_send(struct sim_app *app, const struct rsvp_sender *sender, float rate)
{
	struct sim *sim = app->sim;
	struct rsvp_sender_request request = {
		.tspec = sim_tspec(rate),
		.offers_guaranteed = true,
		.offers_controlled_load = true,
	};
	int r;

	if (sender)
		request.sender = *sender;
	r = rsvp_app_send(sim->nodes[app->node].rsvp, app->app, sender ? &request : NULL,
			  sim->now_us);
	assert(r == 0);
	(void)r;
	sim_schedule(sim, app->node);
}

void sim_reserve(struct sim_app *app, enum rsvp_style style, const struct rsvp_flowspec *flowspec,
		 const struct rsvp_sender *senders, unsigned n_senders, bool confirm)
{
	struct rsvp_flowspec flowspecs[SIM_SENDERS];
	struct sim *sim = app->sim;
	struct rsvp_reserve_request request = {
		.style = style,
		.confirm = confirm,
		.n_flows = style == RSVP_STYLE_WF ? 1 : n_senders,
		.flowspecs = flowspecs,
		.senders = senders,
		.dscp = 0xff,
	};
	int r;

	assert(n_senders <= SIM_SENDERS);
	for (unsigned i = 0; flowspec && (i == 0 || i < n_senders); i++)
		flowspecs[i] = *flowspec;
	r = rsvp_app_reserve(sim->nodes[app->node].rsvp, app->app, flowspec ? &request : NULL,
			     sim->now_us);
	assert(r == 0);
	(void)r;
	sim_schedule(sim, app->node);
}

size_t sim_events(const struct sim_app *app, enum rsvp_event_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < app->n_events; i++)
		n += app->events[i].event.type == type;
	return n;
}

const struct sim_event *sim_last_event(const struct sim_app *app, enum rsvp_event_type type)
{
	for (size_t i = app->n_events; i-- > 0;) {
		if (app->events[i].event.type == type)
			return &app->events[i];
	}
	return NULL;
}

void sim_forget_events(struct sim_app *app)
{
	app->n_events = 0;
}

/* ---- messages ---- */

void sim_record(struct sim *sim, bool on)
{
	sim->recording = on;
}

void sim_forget(struct sim *sim)
{
	for (size_t i = 0; i < sim->n_packets; i++)
		free(sim->packets[i].data);
	sim->n_packets = 0;
}

static bool is_of(const struct sim_packet *packet, unsigned node, uint8_t type, uint32_t ifindex)
{
	return packet->node == node && packet->type == type &&
	       (ifindex == 0 || packet->packet.ifindex == ifindex);
}

size_t sim_sent(const struct sim *sim, unsigned node, uint8_t type, uint32_t ifindex)
{
	size_t n = 0;

	for (size_t i = 0; i < sim->n_packets; i++)
		n += is_of(&sim->packets[i], node, type, ifindex);
	return n;
}

const struct sim_packet *sim_last_sent(const struct sim *sim, unsigned node, uint8_t type,
				       uint32_t ifindex, struct rsvp_message *ret_message)
{
	struct rsvp_complaint complaint;

	for (size_t i = sim->n_packets; i-- > 0;) {
		const struct sim_packet *packet = &sim->packets[i];

		if (!is_of(packet, node, type, ifindex))
			continue;
		if (ret_message) {
			int r = rsvp_message_parse(packet->data, packet->packet.len,
						   &rsvp_limits_default, ret_message, &complaint);

			assert(r == 0);
			(void)r;
		}
		return packet;
	}
	return NULL;
}

size_t sim_n_packets(const struct sim *sim)
{
	return sim->n_packets;
}

const struct sim_packet *sim_packet(const struct sim *sim, size_t i)
{
	assert(i < sim->n_packets);
	return &sim->packets[i];
}

enum rsvp_verdict sim_inject(struct sim *sim, unsigned node, uint32_t ifindex,
			     const struct address *source, const struct address *destination,
			     uint8_t ttl, const uint8_t *data, size_t len)
{
	struct rsvp_arrival arrival = {
		.ifindex = ifindex,
		.source = *source,
		.destination = *destination,
		.destination_is_local = sim_is_local(sim, node, destination),
		.ttl = ttl,
	};
	uint8_t *copy = malloc(len ? len : 1);
	enum rsvp_verdict verdict;

	assert(copy);
	memcpy(copy, data, len);
	verdict = rsvp_receive(sim->nodes[node].rsvp, &arrival, copy, len, sim->now_us);
	free(copy);
	sim_schedule(sim, node);
	return verdict;
}
