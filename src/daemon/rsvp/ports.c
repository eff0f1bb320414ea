/* SPDX-License-Identifier: MIT */
/* ports.c: what the node asks of the host: sending, routes, traffic control, random numbers, digests. */
#include <errno.h>
#include <fcntl.h>
#include <nettle/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <utlist.h>

#include "base/time.h"
#include "daemon/rsvp/rsvp_internal.h"

/* ---- sending ---- */

static void send_one(struct rsvp_daemon *daemon, const struct rsvp_packet *packet)
{
	const struct rsvp_link *link = rsvp_link_find(daemon, packet->ifindex);
	char text[ADDRESS_TEXT_LEN];
	int r;

	/* On a link that is handed over all else may have to wait, or what is reserved would end for want of refreshes. */
	transport_set_priority(daemon->transport, link && link->told.enforced
							  ? daemon->control_class
							  : TRANSPORT_PRIORITY_USUAL);
	r = transport_send(daemon->transport, packet);

	if (r < 0)
		log_limited(&daemon->complaints, time_now_us(), LOG_LEVEL_DEBUG, RSVP_MODULE,
			    "to %s: %s", address_format(&packet->destination, text), strerror(-r));
}

/*
 * Where there are nodes that only have UDP, others on the same link may have more: they get it as ever, and ignore the
 * copy by its port (RFC 2205 App. C).
 */
static void port_send(void *user_data, const struct rsvp_packet *packet)
{
	struct rsvp_daemon *daemon = user_data;
	struct rsvp_packet one = *packet;

	if (daemon->tap)
		daemon->tap(daemon->tap_data, true, packet->ifindex, &packet->source,
			    &packet->destination, packet->data, packet->len);
	if (!packet->udp || packet->destination.port != 0) {
		send_one(daemon, packet);
		return;
	}
	one.udp = false;
	send_one(daemon, &one);
	one.udp = true;
	one.destination.port = RSVP_UDP_PORT_COPIES;
	one.ttl = 1; /* who is farther away would take the wrong one for its previous hop */
	/* UDP has no alert by which it could be taken out on the way, and so no need for another's name. */
	if (one.foreign_source)
		one.source = (struct address){ 0 };
	send_one(daemon, &one);
}

/* ---- routes ---- */

static bool is_member_anywhere(const struct rsvp_daemon *daemon, const struct address *group)
{
	const struct rsvp_local *local;

	DL_FOREACH(daemon->locals, local) {
		if (local->group.family == group->family &&
		    memcmp(local->group.addr, group->addr, sizeof(group->addr)) == 0)
			return true;
	}
	return false;
}

/* Is somebody in charge of forwarding multicasts here? */
static bool forwards_groups(int family)
{
	const char *path = family == AF_INET ? "/proc/sys/net/ipv4/conf/all/mc_forwarding"
					     : "/proc/sys/net/ipv6/conf/all/mc_forwarding";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char value = '0';

	if (fd < 0)
		return false;
	if (read(fd, &value, 1) != 1)
		value = '0';
	close(fd);
	return value == '1';
}

/* By the tree of the kernel's multicast routing, made by whichever daemon. */
static bool route_by_tree(struct rsvp_daemon *daemon, const struct address *group,
			  const struct address *source, struct rsvp_route *route)
{
	struct route_group tree;
	int r;

	r = route_group_lookup(daemon->route, group, source, &tree);
	if (r == -ENOENT)
		r = route_group_lookup(daemon->route, group, NULL, &tree);
	if (r < 0)
		return false;
	route->in_ifindex = tree.in_ifindex;
	for (unsigned i = 0; i < tree.n_out && route->n_out < RSVP_OUT_MAX; i++) {
		/* (*,G) names all of its links. */
		if (tree.out[i] != tree.in_ifindex)
			route->out[route->n_out++] = tree.out[i];
	}
	return true;
}

static void route_group(struct rsvp_daemon *daemon, const struct address *group,
			const struct address *source, struct rsvp_route *route)
{
	struct route_query query = { .destination = group, .source = source };
	struct route_result result;
	bool known = source->family != AF_UNSPEC;
	bool ours = known && interfaces_own(daemon->interfaces, source);

	route->local = is_member_anywhere(daemon, group);
	if (known && route_by_tree(daemon, group, source, route))
		return;
	/* What others send goes no further from a host, and from a router only as the tree says. */
	if ((known && !ours) || forwards_groups(group->family))
		return;
	if (route_lookup(daemon->route, &query, &result) == 0 && !result.local) {
		route->out[0] = result.ifindex;
		route->n_out = 1;
	}
}

static int port_route(void *user_data, const struct address *destination,
		      const struct address *source, struct rsvp_route *ret_route)
{
	const struct route_query query = { .destination = destination };
	struct rsvp_daemon *daemon = user_data;
	struct route_result result;

	*ret_route = (struct rsvp_route){ 0 };
	if (address_is_multicast(destination)) {
		route_group(daemon, destination, source, ret_route);
		return 0;
	}
	if (route_lookup(daemon->route, &query, &result) < 0)
		return 0; /* nowhere, until a route comes */
	ret_route->local = result.local;
	if (!result.local && result.ifindex != 0) {
		ret_route->out[0] = result.ifindex;
		ret_route->n_out = 1;
		ret_route->gateway = result.gateway;
	}
	return 0;
}

/* ---- traffic control ---- */

static int port_tc_reserve(void *user_data, const struct rsvp_tc_request *request, uint64_t *handle,
			   struct rsvp_error *ret_error)
{
	struct rsvp_daemon *daemon = user_data;
	const struct rsvp_link *link = rsvp_link_find(daemon, request->ifindex);
	int r;

	r = traffic_reserve(daemon->traffic, request, handle, ret_error, time_now_us());
	if (r < 0 && link)
		ret_error->node = request->session.family == AF_INET ? link->told.address4
								     : link->told.address6;
	return r;
}

static void port_tc_release(void *user_data, uint64_t handle)
{
	struct rsvp_daemon *daemon = user_data;

	traffic_release(daemon->traffic, handle, time_now_us());
}

/* ---- the rest ---- */

static void port_event(void *user_data, void *app_data, const struct rsvp_event *event)
{
	struct rsvp_local *local = app_data;

	(void)user_data;
	local->on_event(local->user_data, event);
}

static void port_diagnosis(void *user_data, void *data, const struct rsvp_hop_report *hop,
			   int status)
{
	struct rsvp_asking *asking = data;

	(void)user_data;
	asking->on_answer(asking->user_data, hop, status);
	if (!hop)
		free(asking);
}

static bool is_own(const void *user_data, const struct address *address)
{
	const struct rsvp_daemon *daemon = user_data;

	return interfaces_own(daemon->interfaces, address);
}

static int port_policy(void *user_data, const struct rsvp_policy_question *question,
		       struct rsvp_error *ret_error)
{
	struct rsvp_daemon *daemon = user_data;
	const struct rsvp_link *link = rsvp_link_find(daemon, question->ifindex);
	const struct consent consent = {
		.config = daemon->config,
		.interface = link ? link->name : "",
		.is_own = is_own,
		.user_data = daemon,
	};
	int r = consent_ask(&consent, question, daemon->refusal, ret_error);

	if (r < 0 && link)
		ret_error->node = question->session.family == AF_INET ? link->told.address4
								      : link->told.address6;
	return r;
}

static uint64_t port_wall_us(void *user_data)
{
	(void)user_data;
	return time_epoch_us();
}

static uint32_t port_random(void *user_data)
{
	struct rsvp_daemon *daemon = user_data;
	uint32_t number;

	if (daemon->n_random < sizeof(number)) {
		/* At most so many bytes are always given, and at once. */
		if (getrandom(daemon->random, sizeof(daemon->random), 0) !=
		    (ssize_t)sizeof(daemon->random))
			return (uint32_t)time_now_us();
		daemon->n_random = sizeof(daemon->random);
	}
	daemon->n_random -= sizeof(number);
	memcpy(&number, daemon->random + daemon->n_random, sizeof(number));
	return number;
}

static void port_digest(void *user_data, enum rsvp_digest kind, const uint8_t *key, size_t key_len,
			const uint8_t *data, size_t len, uint8_t *ret_digest)
{
	union {
		struct hmac_md5_ctx md5;
		struct hmac_sha1_ctx sha1;
		struct hmac_sha256_ctx sha256;
	} context;

	(void)user_data;
	switch (kind) {
	case RSVP_DIGEST_HMAC_MD5:
		hmac_md5_set_key(&context.md5, key_len, key);
		hmac_md5_update(&context.md5, len, data);
		hmac_md5_digest(&context.md5, MD5_DIGEST_SIZE, ret_digest);
		break;
	case RSVP_DIGEST_HMAC_SHA1:
		hmac_sha1_set_key(&context.sha1, key_len, key);
		hmac_sha1_update(&context.sha1, len, data);
		hmac_sha1_digest(&context.sha1, SHA1_DIGEST_SIZE, ret_digest);
		break;
	case RSVP_DIGEST_HMAC_SHA256:
		hmac_sha256_set_key(&context.sha256, key_len, key);
		hmac_sha256_update(&context.sha256, len, data);
		hmac_sha256_digest(&context.sha256, SHA256_DIGEST_SIZE, ret_digest);
		break;
	}
	explicit_bzero(&context, sizeof(context));
}

void rsvp_ports_of(struct rsvp_daemon *daemon, struct rsvp_ports *ret_ports)
{
	*ret_ports = (struct rsvp_ports){
		.user_data = daemon,
		.send = port_send,
		.route = port_route,
		.tc_reserve = port_tc_reserve,
		.tc_release = port_tc_release,
		.event = port_event,
		.random = port_random,
		.policy = port_policy,
		.wall_us = port_wall_us,
		.diagnosis = port_diagnosis,
		.digest = port_digest,
	};
}
