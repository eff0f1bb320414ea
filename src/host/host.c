/* SPDX-License-Identifier: MIT */
/*
 * host.c: the server of an engine behind an event loop: its ports, its clock, its connections' table.
 */
#include "host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "datapath/identity.h"
#include "datapath/link.h"
#include "host/internal.h"
#include "host/parting.h"

/* ---- ports ---- */

static int port_identify(void *user_data, int fd, bool cookie_only,
			 struct engine_socket *ret_socket)
{
	struct host *host = user_data;
	struct socket_identity identity;
	int r;

	*ret_socket = (struct engine_socket){ .fd = fd };
	if (cookie_only)
		return socket_cookie_read(fd, &ret_socket->cookie);
	r = socket_identity_read(fd, &identity);
	if (r < 0)
		return r;
	/* Its packets would never pass our programs. */
	if (identity.netns_cookie != host->netns_cookie && identity.netns_cookie &&
	    host->netns_cookie)
		return -EXDEV;
	ret_socket->cookie = identity.cookie;
	ret_socket->family = identity.family;
	ret_socket->protocol = identity.protocol;
	ret_socket->local = identity.local;
	ret_socket->peer = identity.peer;
	ret_socket->bound_ifindex = (int)identity.bound_ifindex;
	/* That TCP receives nothing more may be the peer's doing. */
	ret_socket->shut = identity.protocol == IPPROTO_TCP ? identity.ended & DIRECTION_SEND
							    : identity.ended;
	return 0;
}

static int port_route(void *user_data, const struct address *destination,
		      const struct engine_socket *socket, struct engine_route *ret_route)
{
	struct host *host = user_data;
	struct route_query query = { .destination = destination };
	struct route_result result;
	struct address source;
	int r;

	if (socket) {
		query.ifindex = (uint32_t)socket->bound_ifindex;
		if (socket->local.family == destination->family)
			query.source = &socket->local;
		if (query.ifindex == 0 && address_is_multicast(destination) &&
		    socket_multicast_read(socket->fd, destination->family, &query.ifindex,
					  &source) == 0 &&
		    source.family != AF_UNSPEC)
			query.source = &source;
	}
	r = route_lookup(host->route, &query, &result);
	if (r < 0)
		return r;
	ret_route->on_link = result.on_link;
	ret_route->ifindex = result.ifindex;
	return 0;
}

static uint32_t port_link_mtu(void *user_data, uint32_t ifindex)
{
	const struct host *host = user_data;

	return link_mtu(route_socket(host->route), ifindex);
}

static uint64_t port_link_speed_bps(void *user_data, uint32_t ifindex)
{
	(void)user_data;
	return link_speed_bps(ifindex);
}

static bool port_is_administrator(void *user_data, const struct owner *owner)
{
	struct host *host = user_data;
	struct connection *connection = owner_host_data(owner);

	if (!connection)
		return false;
	if (!host->options.is_administrator)
		return connection->peer.uid == 0;
	return host->options.is_administrator(host->options.user_data, connection);
}

static void port_vouch(void *user_data, struct owner *owner, int fd)
{
	struct connection *connection = owner_host_data(owner);
	int debug = 0;
	socklen_t len = sizeof(debug);

	(void)user_data;
	/* A socket that nobody without CAP_NET_ADMIN, and in no user namespace but the first, could have made so. */
	if (connection && getsockopt(fd, SOL_SOCKET, SO_DEBUG, &debug, &len) == 0 && debug)
		connection->net_admin = true;
}

static int port_group_create(void *user_data, const struct owner *owner, uint64_t *ret_group)
{
	struct connection *connection = owner_host_data(owner);
	struct host *host = user_data;

	if (!host->options.group_create)
		return -EOPNOTSUPP;
	/*
	 * Only whom we know to be the one who asks, and alive, is moved: the connection may have been handed on, and
	 * the number of a process comes round again. 0 is a process that cannot be seen from here.
	 */
	if (!connection || connection->peer.pid <= 0 || !connection_peer_runs(connection) ||
	    connection->speaker != connection->peer.pid)
		return -EPERM;
	return host->options.group_create(host->options.user_data, connection, ret_group);
}

static void port_group_end(void *user_data, uint64_t group)
{
	struct host *host = user_data;

	if (host->options.group_end)
		host->options.group_end(host->options.user_data, group);
}

static void port_refused(void *user_data, const struct owner *owner, uint32_t flow_id,
			 const char *why)
{
	struct host *host = user_data;

	if (host->options.on_refusal)
		host->options.on_refusal(host->options.user_data, owner_info(owner), flow_id, why);
}

static void port_send_event(void *user_data, struct owner *owner, const void *buf, size_t len,
			    bool must_arrive)
{
	struct connection *connection = owner_host_data(owner);

	(void)user_data;
	if (connection)
		connection_send_event(connection, buf, len, must_arrive);
}

static uint64_t port_wall_clock(void *user_data)
{
	(void)user_data;
	return time_epoch_us();
}

static void port_facts(void *user_data, const struct fact_visitor *visitor)
{
	struct host *host = user_data;

	if (host->options.facts)
		host->options.facts(host->options.user_data, visitor);
}

/* ---- the clock ---- */

void host_schedule(struct host *host)
{
	uint64_t deadline_us = engine_next_deadline_us(server_engine(host->server));
	uint64_t now_us = time_now_us();
	uint64_t wait_us;
	struct timeval wait;

	if (deadline_us == host->scheduled_us)
		return;
	host->scheduled_us = deadline_us;
	if (deadline_us == UINT64_MAX) {
		event_del(host->tick);
		return;
	}
	wait_us = deadline_us > now_us ? deadline_us - now_us : 0;
	wait.tv_sec = (time_t)(wait_us / USEC_PER_SEC);
	wait.tv_usec = (suseconds_t)(wait_us % USEC_PER_SEC);
	event_add(host->tick, &wait);
}

static void on_tick(evutil_socket_t fd, short what, void *user_data)
{
	struct host *host = user_data;

	(void)fd;
	(void)what;
	host->scheduled_us = UINT64_MAX - 1;
	engine_tick(server_engine(host->server), time_now_us());
	host_schedule(host);
}

/* ---- life ---- */

int host_new(const struct host_options *options, struct host **ret_host)
{
	struct server_ports ports = {
		.datapath = options->datapath,
		.datapath_data = options->datapath_data,
		.route = port_route,
		.link_mtu = port_link_mtu,
		.link_speed_bps = port_link_speed_bps,
		.is_administrator = port_is_administrator,
		.vouch = port_vouch,
		.group_create = port_group_create,
		.group_end = port_group_end,
		.identify = port_identify,
		.send_event = port_send_event,
		.refused = port_refused,
		.wall_clock_us = port_wall_clock,
		.facts = port_facts,
	};
	struct host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	host->options = *options;
	host->scheduled_us = UINT64_MAX;
	netns_cookie_read(&host->netns_cookie);
	r = route_new(&host->route);
	if (r >= 0 && options->strangers)
		r = partings_new(options->base, &host->partings);
	if (r < 0) {
		host_free(host);
		return r;
	}
	ports.user_data = host;
	host->server = server_new(&ports, &options->engine, options->mode, GW_VERSION);
	host->tick = host->server ? evtimer_new(options->base, on_tick, host) : NULL;
	if (!host->tick) {
		host_free(host);
		return -ENOMEM;
	}
	*ret_host = host;
	return 0;
}

struct host *host_free(struct host *host)
{
	if (!host)
		return NULL;
	if (host->server)
		engine_stop(server_engine(host->server));
	while (host->connections)
		connection_close(host->connections);
	partings_free(host->partings);
	while (host->users)
		user_drop(host, host->users);
	server_free(host->server);
	if (host->tick)
		event_free(host->tick);
	route_free(host->route);
	free(host);
	return NULL;
}

struct engine *host_engine(struct host *host)
{
	return server_engine(host->server);
}

struct server *host_server(struct host *host)
{
	return host->server;
}

void host_reconfigure(struct host *host, const struct engine_config *engine, uint32_t max_clients,
		      uint32_t max_clients_per_user)
{
	host->options.max_clients = max_clients;
	host->options.max_clients_per_user = max_clients_per_user;
	engine_reconfigure(server_engine(host->server), engine);
}

void host_complain(struct host *host, const struct ucred *peer, const char *why)
{
	if (host->options.on_complaint)
		host->options.on_complaint(host->options.user_data, peer, why);
}
