/* SPDX-License-Identifier: MIT */
/* rsvp_daemon.c: see rsvp_daemon.h. Life, and what happens on the event loop. */
#include "daemon/rsvp/rsvp_daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "daemon/rsvp/rsvp_internal.h"
#include "engine/signalling.h"

/* What one turn of the event loop takes of messages, so that everybody else has theirs. */
#define MESSAGES_PER_TURN 256

/* After anything that may have come from outside: what programs want done about it, and when to look again. */
static void settle(struct rsvp_daemon *daemon)
{
	server_run_signals(host_server(daemon->host), time_now_us());
	rsvp_daemon_schedule(daemon);
}

/* ---- messages ---- */

/* The group of the link, and those that programs have joined, mean this node too. */
static bool is_local(const struct rsvp_daemon *daemon, const struct rsvp_arrival *arrival)
{
	if (address_is_multicast(&arrival->destination))
		return transport_is_member(daemon->transport, &arrival->destination,
					   arrival->ifindex);
	return interfaces_own(daemon->interfaces, &arrival->destination);
}

static bool is_wanted(struct rsvp_daemon *daemon, const struct rsvp_arrival *arrival)
{
	struct rsvp_link *link = rsvp_link_find(daemon, arrival->ifindex);

	if (arrival->udp && !(link && link->udp_heard)) {
		daemon->unwanted++;
		return false;
	}
	if (arrival->router_alert && link && !rsvp_link_takes_alert(link, time_now_us())) {
		daemon->alerts_dropped++;
		return false;
	}
	return true;
}

static void take_message(void *user_data, const struct transport_message *message)
{
	struct rsvp_daemon *daemon = user_data;
	struct rsvp_arrival arrival = message->arrival;

	if (!is_wanted(daemon, &arrival))
		return;
	if (daemon->tap)
		daemon->tap(daemon->tap_data, false, arrival.ifindex, &arrival.source,
			    &arrival.destination, message->data, message->len);
	arrival.destination_is_local = is_local(daemon, &arrival);
	if (rsvp_receive(daemon->node, &arrival, message->data, message->len, time_now_us()) ==
	    RSVP_FORWARD)
		(void)transport_forward(daemon->transport, message);
}

static void on_socket(evutil_socket_t fd, short what, void *user_data)
{
	struct rsvp_daemon *daemon = user_data;

	(void)what;
	for (enum transport_socket i = 0; i < TRANSPORT_SOCKETS; i++)
		if (transport_fd(daemon->transport, i) == fd)
			(void)transport_receive(daemon->transport, i, MESSAGES_PER_TURN,
						take_message, daemon);
	settle(daemon);
}

/* ---- time ---- */

void rsvp_daemon_schedule(struct rsvp_daemon *daemon)
{
	uint64_t due_us = rsvp_next_deadline_us(daemon->node), now_us, wait_us;
	struct timeval wait;

	/* Too early is no harm: then nothing is due, and the next time is the right one. */
	if (due_us >= daemon->armed_us)
		return;
	daemon->armed_us = due_us;
	now_us = time_now_us();
	wait_us = due_us > now_us ? due_us - now_us : 0;
	wait.tv_sec = (time_t)(wait_us / USEC_PER_SEC);
	wait.tv_usec = (suseconds_t)(wait_us % USEC_PER_SEC);
	event_add(daemon->on_time, &wait);
}

static void on_time(evutil_socket_t fd, short what, void *user_data)
{
	struct rsvp_daemon *daemon = user_data;

	(void)fd;
	(void)what;
	daemon->armed_us = UINT64_MAX;
	rsvp_tick(daemon->node, time_now_us());
	settle(daemon);
}

/* ---- interfaces and routes ---- */

static void interface_changed(void *user_data, const struct interface *interface)
{
	rsvp_link_update(user_data, interface);
}

static void interface_gone(void *user_data, uint32_t ifindex)
{
	rsvp_link_gone(user_data, ifindex);
}

static void routes_changed(void *user_data, const struct address *prefix, unsigned prefix_bits)
{
	const struct address everything = { 0 };
	struct rsvp_daemon *daemon = user_data;

	rsvp_routes_changed(daemon->node, prefix ? prefix : &everything, prefix_bits,
			    time_now_us());
}

/* Those that receivers on every address have sessions for, and senders may have. */
static void tell_addresses(struct rsvp_daemon *daemon)
{
	const struct address *addresses;
	size_t n;

	addresses = interfaces_addresses(daemon->interfaces, &n);
	server_set_addresses(host_server(daemon->host), addresses, n, time_now_us());
	if (rsvp_addresses_set(daemon->node, addresses, n, time_now_us()) < 0)
		log_limited(&daemon->complaints, time_now_us(), LOG_LEVEL_ERROR, RSVP_MODULE,
			    "addresses: no memory");
}

static void on_interfaces(evutil_socket_t fd, short what, void *user_data)
{
	struct rsvp_daemon *daemon = user_data;
	int r;

	(void)fd;
	(void)what;
	r = interfaces_dispatch(daemon->interfaces);
	if (r < 0)
		log_limited(&daemon->complaints, time_now_us(), LOG_LEVEL_WARNING, RSVP_MODULE,
			    "interfaces: %s", strerror(-r));
	tell_addresses(daemon);
	settle(daemon);
}

static uint32_t mtu_of(void *user_data, uint32_t ifindex)
{
	const struct rsvp_daemon *daemon = user_data;
	const struct interface *interface = interfaces_find(daemon->interfaces, ifindex);

	return interface ? interface->mtu : 0;
}

static int reserve_socket(void *user_data, const struct signalling_session *session,
			  const struct address *source, const struct engine_service *service,
			  struct admission_refusal *ret_refusal, uint64_t now_us)
{
	const struct rsvp_daemon *daemon = user_data;

	return server_reserve_socket(host_server(daemon->host), session, source, service,
				     ret_refusal, now_us);
}

static unsigned share_sockets(void *user_data, const struct provider_shared *shared,
			      uint64_t now_us)
{
	const struct rsvp_daemon *daemon = user_data;

	return server_share_sockets(host_server(daemon->host), shared, now_us);
}

static void on_links(evutil_socket_t fd, short what, void *user_data)
{
	struct rsvp_daemon *daemon = user_data;

	(void)fd;
	(void)what;
	rsvp_links_update_all(daemon);
	settle(daemon);
}

/* Whoever tells is in the middle of changing them. */
void rsvp_daemon_links_changed(struct rsvp_daemon *daemon)
{
	event_active(daemon->on_links, EV_TIMEOUT, 0);
}

/* ---- life ---- */

static struct rsvp_config limits_of(const struct config_rsvp *config)
{
	struct rsvp_config limits;

	rsvp_config_default(&limits);
	limits.max_sessions = config->max_sessions;
	limits.max_senders_per_session = config->max_senders_per_session;
	limits.max_reservations_per_session = config->max_reservations_per_session;
	limits.max_state_per_neighbour = config->max_state_per_neighbour;
	limits.max_neighbours = config->max_neighbours;
	limits.messages_per_s_per_neighbour = config->max_messages_per_s;
	limits.require_checksum = config->require_checksum;
	return limits;
}

static int open_node(struct rsvp_daemon *daemon)
{
	struct rsvp_config limits = limits_of(daemon->config);
	struct rsvp_ports ports;

	limits.started_s = (uint32_t)(time_epoch_us() / USEC_PER_SEC);
	rsvp_ports_of(daemon, &ports);
	daemon->node = rsvp_new(&ports, &limits, time_now_us());
	return daemon->node ? 0 : -ENOMEM;
}

/* It tells of all that there is at once, so the node must be there. */
static int open_interfaces(struct rsvp_daemon *daemon)
{
	const struct interfaces_events events = {
		.changed = interface_changed,
		.gone = interface_gone,
		.routes = routes_changed,
		.user_data = daemon,
	};

	return interfaces_new(&events, &daemon->interfaces);
}

static int watch(struct rsvp_daemon *daemon, int fd, event_callback_fn callback,
		 struct event **ret_event)
{
	if (fd < 0)
		return 0;
	*ret_event = event_new(daemon->base, fd, EV_READ | EV_PERSIST, callback, daemon);
	return *ret_event && event_add(*ret_event, NULL) == 0 ? 0 : -ENOMEM;
}

static void unwatch(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

/* Opens or closes the port of UDP, and watches it. */
static void update_udp(struct rsvp_daemon *daemon)
{
	static const enum transport_socket sockets[] = { TRANSPORT_UDP4, TRANSPORT_UDP6 };
	int r;

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++)
		unwatch(&daemon->on_socket[sockets[i]]);
	r = transport_set_udp(daemon->transport, rsvp_config_wants_udp(daemon->config));
	for (size_t i = 0; r >= 0 && i < sizeof(sockets) / sizeof(sockets[0]); i++)
		r = watch(daemon, transport_fd(daemon->transport, sockets[i]), on_socket,
			  &daemon->on_socket[sockets[i]]);
	if (r < 0)
		log_error(RSVP_MODULE, "UDP port %d: %s", RSVP_UDP_PORT, strerror(-r));
}

static int watch_all(struct rsvp_daemon *daemon)
{
	int r = 0;

	for (enum transport_socket i = 0; i < TRANSPORT_UDP4 && r >= 0; i++)
		r = watch(daemon, transport_fd(daemon->transport, i), on_socket,
			  &daemon->on_socket[i]);
	if (r >= 0)
		r = watch(daemon, interfaces_fd(daemon->interfaces), on_interfaces,
			  &daemon->on_interfaces);
	update_udp(daemon);
	return r;
}

static int open_parts(struct rsvp_daemon *daemon)
{
	const struct traffic_ports traffic_ports = {
		.user_data = daemon,
		.mtu_of = mtu_of,
		.reserve_socket = reserve_socket,
		.share_sockets = share_sockets,
	};
	int r;

	daemon->on_time = evtimer_new(daemon->base, on_time, daemon);
	daemon->on_links = evtimer_new(daemon->base, on_links, daemon);
	if (!daemon->on_time || !daemon->on_links)
		return -ENOMEM;
	r = transport_new(&daemon->transport);
	if (r < 0)
		return r;
	transport_set_dscp(daemon->transport, daemon->config->dscp);
	r = route_new(&daemon->route);
	if (r >= 0)
		r = traffic_new(host_engine(daemon->host), &traffic_ports, &daemon->traffic);
	if (r >= 0)
		r = open_node(daemon);
	if (r >= 0)
		r = rsvp_daemon_set_keys(daemon);
	if (r >= 0)
		r = open_interfaces(daemon);
	if (r >= 0)
		r = watch_all(daemon);
	if (r >= 0)
		r = rsvp_clock_watch(daemon);
	if (r >= 0)
		tell_addresses(daemon);
	return r;
}

int rsvp_daemon_new(struct event_base *base, struct host *host, const struct config_rsvp *config,
		    uint32_t control_class, struct rsvp_daemon **ret_daemon)
{
	struct rsvp_daemon *daemon;
	int r;

	daemon = calloc(1, sizeof(*daemon));

	if (!daemon)
		return -ENOMEM;
	daemon->base = base;
	daemon->host = host;
	daemon->config = config;
	daemon->control_class = control_class;
	daemon->armed_us = UINT64_MAX;
	daemon->clock_fd = -1;
	daemon->complaints = (struct log_limit)LOG_LIMIT(10, 10 * USEC_PER_SEC);
	r = open_parts(daemon);
	if (r < 0) {
		rsvp_daemon_free(daemon);
		return r;
	}
	rsvp_daemon_schedule(daemon);
	*ret_daemon = daemon;
	return 0;
}

struct rsvp_daemon *rsvp_daemon_free(struct rsvp_daemon *daemon)
{
	if (!daemon)
		return NULL;
	while (daemon->locals)
		rsvp_daemon_close(daemon->locals);
	if (daemon->node)
		rsvp_free(daemon->node, time_now_us());
	for (int i = 0; i < TRANSPORT_SOCKETS; i++)
		unwatch(&daemon->on_socket[i]);
	unwatch(&daemon->on_interfaces);
	unwatch(&daemon->on_time);
	unwatch(&daemon->on_links);
	rsvp_clock_end(daemon);
	rsvp_links_free(daemon);
	interfaces_free(daemon->interfaces);
	traffic_free(daemon->traffic, time_now_us());
	route_free(daemon->route);
	transport_free(daemon->transport);
	free(daemon);
	return NULL;
}

static bool same_rules(const struct config_rsvp *a, const struct config_rsvp *b)
{
	return a->rejects_others == b->rejects_others && a->n_rules == b->n_rules &&
	       memcmp(a->rules, b->rules, a->n_rules * sizeof(a->rules[0])) == 0;
}

int rsvp_daemon_reconfigure(struct rsvp_daemon *daemon, const struct config_rsvp *config)
{
	const struct rsvp_config before = limits_of(daemon->config), now = limits_of(config);
	int r;

	if (memcmp(&before, &now, sizeof(now)) != 0)
		log_warning("config", "rsvp: limits take effect when the daemon is started anew");
	if (!same_rules(daemon->config, config))
		rsvp_policy_changed(daemon->node);
	daemon->config = config;
	r = rsvp_daemon_set_keys(daemon);
	if (r < 0)
		return r;
	transport_set_dscp(daemon->transport, config->dscp);
	update_udp(daemon);
	rsvp_daemon_links_changed(daemon);
	return 0;
}

/* ---- seeing ---- */

const struct rsvp *rsvp_daemon_node(const struct rsvp_daemon *daemon)
{
	return daemon->node;
}

const char *rsvp_daemon_interface_name(const struct rsvp_daemon *daemon, uint32_t ifindex,
				       char buf[static RSVP_INTERFACE_NAME_LEN])
{
	const struct rsvp_link *link = rsvp_link_find(daemon, ifindex);

	snprintf(buf, RSVP_INTERFACE_NAME_LEN, "%s", link ? link->name : "");
	return buf;
}

uint32_t rsvp_daemon_interface_index(const struct rsvp_daemon *daemon, const char *name)
{
	const struct rsvp_link *link;

	for (link = daemon->links; link; link = link->next)
		if (strcmp(link->name, name) == 0)
			return link->ifindex;
	return 0;
}

void rsvp_daemon_set_tap(struct rsvp_daemon *daemon, rsvp_daemon_tap tap, void *user_data)
{
	daemon->tap = tap;
	daemon->tap_data = user_data;
}
