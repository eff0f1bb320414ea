/* SPDX-License-Identifier: MIT */
/*
 * links.c: what the node is told of interfaces: what the kernel says of them, how the configuration wants RSVP
 * spoken there, and, on links that are handed over, what can be reserved.
 */
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/time.h"
#include "daemon/rsvp/rsvp_internal.h"

/*
 * Delay that the scheduler itself adds to packets of a reservation (RFC 2212: D): the longest packet that may be
 * before them, as large as those that are segmented later, and how late timers may be.
 */
#define LONGEST_PACKET_BITS (UINT64_C(65536) * 8)
#define TIMERS_LATE_US 1000

struct rsvp_link *rsvp_link_find(const struct rsvp_daemon *daemon, uint32_t ifindex)
{
	struct rsvp_link *link;

	DL_FOREACH(daemon->links, link) {
		if (link->ifindex == ifindex)
			return link;
	}
	return NULL;
}

static const struct config_rsvp_interface *config_of(const struct config_rsvp *config,
						     const char *name)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (strcmp(config->interfaces[i].name, name) == 0)
			return &config->interfaces[i];
	return &config->usual;
}

static bool is_enabled(const struct config_rsvp *config, const struct interface *interface)
{
	if (interface->loopback)
		return false;
	for (size_t i = 0; i < config->names.count; i++)
		if (strcmp(config->names.name[i], interface->name) == 0)
			return true;
	return config->names.count == 0;
}

bool rsvp_config_wants_udp(const struct config_rsvp *config)
{
	bool wanted = config->usual.udp != CONFIG_RSVP_UDP_OFF;

	for (size_t i = 0; i < config->n_interfaces; i++)
		wanted |= config->interfaces[i].udp != CONFIG_RSVP_UDP_OFF;
	return wanted;
}

static uint32_t scheduling_delay_us(uint64_t rate_bps)
{
	return (uint32_t)(LONGEST_PACKET_BITS * USEC_PER_SEC / rate_bps) + TIMERS_LATE_US;
}

static void describe(const struct rsvp_daemon *daemon, const struct interface *interface,
		     const struct config_rsvp_interface *config, struct rsvp_interface *ret_info)
{
	struct rsvp_interface info;
	uint64_t limit_bps;

	rsvp_interface_default(&info);
	info.ifindex = interface->ifindex;
	info.up = interface->up;
	info.enabled = is_enabled(daemon->config, interface);
	info.address4 = interface->address4;
	info.address6 = interface->address6;
	info.mtu = interface->mtu;
	info.enforced = traffic_is_enforced(daemon->traffic, interface->ifindex, &limit_bps);
	if (info.enforced && limit_bps > 0) {
		info.bandwidth_bps = limit_bps;
		info.error_c_bytes = interface->mtu;
		info.error_d_us = scheduling_delay_us(limit_bps);
	}
	info.latency_us = config->latency_us;
	info.refresh_ms = config->refresh_ms;
	info.settle_ms = config->settle_ms;
	info.lifetime_factor = config->lifetime_factor;
	info.blockade_factor = config->blockade;
	info.reduce_refreshes = config->reduces_refreshes;
	info.udp = config->udp == CONFIG_RSVP_UDP_ON;
	info.ignore_alert = !config->router_alert;
	*ret_info = info;
}

/* Messages to the link itself: of several neighbours at once, or in UDP. */
static void join(struct rsvp_daemon *daemon, struct rsvp_link *link, bool wanted, int family,
		 bool *joined)
{
	const struct address group = transport_group(family);

	if (wanted == *joined)
		return;
	if (!wanted)
		transport_leave(daemon->transport, &group, link->ifindex);
	else if (transport_join(daemon->transport, &group, link->ifindex) < 0)
		return; /* with the next change it is tried again */
	*joined = wanted;
}

static void tell_node(struct rsvp_daemon *daemon, struct rsvp_link *link,
		      const struct rsvp_interface *info)
{
	int r;

	if (memcmp(info, &link->told, sizeof(*info)) == 0)
		return;
	r = rsvp_interface_set(daemon->node, info, time_now_us());
	if (r < 0)
		log_limited(&daemon->complaints, time_now_us(), LOG_LEVEL_WARNING, RSVP_MODULE,
			    "%s: %s", link->name, strerror(-r));
	else
		link->told = *info;
}

static struct rsvp_link *obtain(struct rsvp_daemon *daemon, uint32_t ifindex)
{
	struct rsvp_link *link = rsvp_link_find(daemon, ifindex);

	if (link)
		return link;
	link = calloc(1, sizeof(*link));
	if (!link)
		return NULL;
	link->ifindex = ifindex;
	DL_APPEND(daemon->links, link);
	return link;
}

void rsvp_link_update(struct rsvp_daemon *daemon, const struct interface *interface)
{
	const struct config_rsvp_interface *config = config_of(daemon->config, interface->name);
	struct rsvp_link *link = obtain(daemon, interface->ifindex);
	struct rsvp_interface info;
	bool wanted;

	if (!link) {
		log_limited(&daemon->complaints, time_now_us(), LOG_LEVEL_ERROR, RSVP_MODULE,
			    "%s: no memory", interface->name);
		return;
	}
	if (strcmp(link->name, interface->name) != 0) {
		/* Keys know it by its name, and nothing must leave without them. */
		memcpy(link->name, interface->name, sizeof(link->name));
		if (rsvp_daemon_set_keys(daemon) < 0)
			return;
	}
	memset(&info, 0, sizeof(info)); /* compared as bytes */
	describe(daemon, interface, config, &info);
	link->max_alerts_per_s = config->max_alerts_per_s;
	link->udp_heard = config->udp != CONFIG_RSVP_UDP_OFF;
	wanted = info.enabled && info.up && interface->multicast;
	join(daemon, link, wanted && info.address4.family != AF_UNSPEC, AF_INET, &link->joined4);
	join(daemon, link, wanted && info.address6.family != AF_UNSPEC, AF_INET6, &link->joined6);
	tell_node(daemon, link, &info);
}

static void forget(struct rsvp_daemon *daemon, struct rsvp_link *link)
{
	join(daemon, link, false, AF_INET, &link->joined4);
	join(daemon, link, false, AF_INET6, &link->joined6);
	DL_DELETE(daemon->links, link);
	free(link);
}

void rsvp_link_gone(struct rsvp_daemon *daemon, uint32_t ifindex)
{
	struct rsvp_link *link = rsvp_link_find(daemon, ifindex);

	if (!link)
		return;
	rsvp_interface_remove(daemon->node, ifindex, time_now_us());
	forget(daemon, link);
}

void rsvp_links_update_all(struct rsvp_daemon *daemon)
{
	const struct interface *interface;

	for (size_t i = 0; (interface = interfaces_at(daemon->interfaces, i)); i++)
		rsvp_link_update(daemon, interface);
}

void rsvp_links_free(struct rsvp_daemon *daemon)
{
	while (daemon->links)
		forget(daemon, daemon->links);
}

bool rsvp_link_takes_alert(struct rsvp_link *link, uint64_t now_us)
{
	uint64_t second = now_us / USEC_PER_SEC;

	if (link->second != second) {
		link->second = second;
		link->alerts = 0;
	}
	if (link->alerts >= link->max_alerts_per_s)
		return false;
	link->alerts++;
	return true;
}
