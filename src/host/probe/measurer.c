/* SPDX-License-Identifier: MIT */
/* measurer.c: see measurer.h. The engine's table, the interfaces, the clock. */
#include "host/probe/measurer.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "host/probe/measurer_internal.h"

/* Own radios reach so much of what their physical layer could (spec/probing.md §6.1). */
#define WIRELESS_PERCENT 60

void measurer_trouble(struct measurer *measurer, const char *what)
{
	if (measurer->options.on_trouble)
		measurer->options.on_trouble(measurer->options.user_data, what);
}

void measurer_settle(struct measurer *measurer)
{
	waker_set(measurer->waker, prober_deadline_us(measurer->prober));
	if (measurer->queue)
		event_active(measurer->deliver, EV_TIMEOUT, 0);
}

/* ---- the engine's table ---- */

static int on_open(void *user_data, const struct measuring_target *target, struct flow_path *path,
		   struct measured **ret_measured, uint64_t now_us)
{
	const struct prober_target prober_target = { .destination = target->destination,
						     .ifindex = target->ifindex,
						     .on_link = target->on_link };
	struct measurer *measurer = user_data;
	_cleanup_(freep) struct measured *measured = calloc(1, sizeof(*measured));
	int r;

	if (!measured)
		return -ENOMEM;
	measured->measurer = measurer;
	measured->path = path;
	measurer->n_open++;
	measurer_follow(measurer);
	r = prober_open(measurer->prober, &prober_target, measured, &measured->prober_path, now_us);
	if (r < 0)
		measurer->n_open--;
	measurer_settle(measurer);
	if (r < 0)
		return r;
	*ret_measured = steal_ptr(&measured);
	return 0;
}

static struct measured_socket *find_socket(const struct measured *measured, uint64_t cookie)
{
	struct measured_socket *socket;

	HASH_FIND(hh, measured->sockets, &cookie, sizeof(cookie), socket);
	return socket;
}

static void remove_socket(struct measured *measured, struct measured_socket *socket)
{
	struct measurer *measurer = measured->measurer;

	prober_remove_socket(measurer->prober, measured->prober_path, socket->cookie);
	evidence_remove_socket(measurer->evidence, socket->cookie);
	HASH_DEL(measured->sockets, socket);
	free(socket);
}

static void on_close(void *user_data, struct measured *measured, uint64_t now_us)
{
	struct measurer *measurer = user_data;

	while (measured->sockets)
		remove_socket(measured, measured->sockets);
	prober_close(measurer->prober, measured->prober_path, now_us);
	measurer_forget(measured);
	free(measured);
	measurer->n_open--;
	measurer_settle(measurer);
}

static void on_set_users(void *user_data, struct measured *measured, unsigned trackers,
			 unsigned flows, uint64_t now_us)
{
	struct measurer *measurer = user_data;

	prober_set_users(measurer->prober, measured->prober_path, trackers, flows, now_us);
	measurer_settle(measurer);
}

static int on_add_socket(void *user_data, struct measured *measured,
			 const struct measuring_socket *socket)
{
	struct measurer *measurer = user_data;
	struct measured_socket *added;
	int r;

	if (socket->protocol != IPPROTO_TCP || find_socket(measured, socket->cookie))
		return 0;
	added = calloc(1, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->cookie = socket->cookie;
	HASH_ADD(hh, measured->sockets, cookie, sizeof(added->cookie), added);
	if (!added->hh.tbl) {
		free(added);
		return -ENOMEM;
	}
	r = evidence_add_socket(measurer->evidence, socket);
	if (r == 0)
		r = prober_add_socket(measurer->prober, measured->prober_path, socket->cookie);
	if (r < 0)
		remove_socket(measured, added);
	return r;
}

static void on_remove_socket(void *user_data, struct measured *measured, uint64_t cookie)
{
	struct measured_socket *socket = find_socket(measured, cookie);

	(void)user_data;
	if (socket)
		remove_socket(measured, socket);
}

static int on_fundamentals(void *user_data, const struct measured *measured,
			   struct gw_path_info *ret_info, uint64_t now_us)
{
	struct path_fundamentals known;
	int r = path_fundamentals(prober_path(measured->prober_path), now_us, &known);

	(void)user_data;
	if (r < 0)
		return r == -EAGAIN ? -ENODATA : r;
	ret_info->capacity_known = known.bottleneck_set;
	ret_info->available_known = known.available_set;
	ret_info->rtt_known = known.rtt_set;
	ret_info->capacity_bps = known.bottleneck_set ? known.bottleneck_bps : 0;
	ret_info->available_bps = known.available_set ? known.available_bps : 0;
	ret_info->rtt_us = known.rtt_set ? known.rtt_us : 0;
	return 0;
}

static int on_refresh(void *user_data, struct measured *measured, uint64_t now_us)
{
	struct measurer *measurer = user_data;
	int r = prober_refresh(measurer->prober, measured->prober_path, now_us);

	measurer_settle(measurer);
	return r;
}

static enum measuring_state on_state(void *user_data, const struct measured *measured)
{
	(void)user_data;
	switch (path_state(prober_path(measured->prober_path))) {
	case PATH_CONGESTED:
		return MEASURING_CONGESTED;
	case PATH_UNCONGESTED:
		return MEASURING_UNCONGESTED;
	case PATH_UNKNOWN:
		break;
	}
	return MEASURING_UNKNOWN;
}

static bool on_may_tag(void *user_data, const struct measured *measured)
{
	(void)user_data;
	return path_get_priority(prober_path(measured->prober_path)) == PROBE_PRIORITY_SUPPORTED;
}

static bool on_is_attainable(void *user_data, const struct measured *measured, uint64_t current_bps,
			     uint64_t wanted_bps)
{
	(void)user_data;
	return path_is_attainable(prober_path(measured->prober_path), current_bps, wanted_bps);
}

static int on_admit(void *user_data, struct measured *measured, const struct measuring_wish *asked,
		    uint64_t now_us)
{
	struct measurer *measurer = user_data;
	_cleanup_(freep) struct measured_wish *wish = calloc(1, sizeof(*wish));
	int r;

	if (!wish)
		return -ENOMEM;
	wish->token = asked->token;
	/* Before it is asked, as the answer looks for it. */
	DL_APPEND(measured->wishes, wish);
	r = prober_admit(measurer->prober, measured->prober_path, asked->current_bps,
			 asked->wanted_bps, asked->token, now_us);
	if (r == -EINPROGRESS)
		wish = NULL;
	else
		DL_DELETE(measured->wishes, wish);
	measurer_settle(measurer);
	return r;
}

static void on_forget_wish(void *user_data, struct measured *measured, uint64_t token)
{
	struct measurer *measurer = user_data;
	struct measured_wish *wish, *next;

	prober_forget(measurer->prober, measured->prober_path, token);
	DL_FOREACH_SAFE(measured->wishes, wish, next) {
		if (wish->token != token)
			continue;
		DL_DELETE(measured->wishes, wish);
		free(wish);
	}
	measurer_settle(measurer);
}

static const struct measuring table = {
	.open = on_open,
	.close = on_close,
	.set_users = on_set_users,
	.add_socket = on_add_socket,
	.remove_socket = on_remove_socket,
	.fundamentals = on_fundamentals,
	.refresh = on_refresh,
	.state = on_state,
	.may_tag = on_may_tag,
	.is_attainable = on_is_attainable,
	.admit = on_admit,
	.forget_wish = on_forget_wish,
};

const struct measuring *measurer_table(const struct measurer *measurer)
{
	return &measurer->table;
}

/* ---- interfaces ---- */

static bool allows(const struct measurer *measurer, const struct interface *interface)
{
	const struct measurer_options *options = &measurer->options;

	return !interface->loopback &&
	       (!options->is_allowed || options->is_allowed(options->user_data, interface->name));
}

bool measurer_allows(const struct measurer *measurer, uint32_t ifindex)
{
	const struct interface *interface;

	if (ifindex == 0)
		return true;
	interface = measurer->interfaces ? interfaces_find(measurer->interfaces, ifindex) : NULL;
	return interface && allows(measurer, interface);
}

static void on_link_gone(void *user_data, uint32_t ifindex)
{
	struct measurer *measurer = user_data;

	prober_remove_link(measurer->prober, ifindex, time_now_us());
	evidence_forget_link(measurer->evidence, ifindex);
}

static void on_link_changed(void *user_data, const struct interface *interface)
{
	struct measurer *measurer = user_data;
	struct prober_link link = { .ifindex = interface->ifindex,
				    .running = interface->up,
				    .has_stations = interface->has_station,
				    .tags = interface->vlan };
	struct qlpb_link speed;

	if (!allows(measurer, interface)) {
		on_link_gone(measurer, interface->ifindex); /* it may have got another name */
		return;
	}
	evidence_link(interface->ifindex, &speed);
	link.rate_bps = speed.wireless ? speed.rate_bps / 100 * WIRELESS_PERCENT : speed.rate_bps;
	for (unsigned i = 0; i < sizeof(link.mac.octets); i++)
		link.mac.octets[i] = interface->station[i];
	if (prober_set_link(measurer->prober, &link, time_now_us()) < 0)
		measurer_trouble(measurer, "there are too many interfaces: paths by the last "
					   "ones are measured less well");
}

static void on_routes(void *user_data, const struct address *prefix, unsigned prefix_bits)
{
	(void)user_data;
	(void)prefix;
	(void)prefix_bits;
}

static void on_interfaces(evutil_socket_t fd, short what, void *user_data)
{
	struct measurer *measurer = user_data;

	(void)fd;
	(void)what;
	(void)interfaces_dispatch(measurer->interfaces);
	measurer_tell(measurer, time_now_us());
	measurer_settle(measurer);
}

static int watch_interfaces(struct measurer *measurer)
{
	const struct interfaces_events events = {
		.changed = on_link_changed,
		.gone = on_link_gone,
		.routes = on_routes,
		.user_data = measurer,
	};
	int r = interfaces_new(&events, &measurer->interfaces);

	if (r < 0)
		return r;
	measurer->interfaces_readable = event_new(measurer->options.base,
						  interfaces_fd(measurer->interfaces),
						  EV_READ | EV_PERSIST, on_interfaces, measurer);
	if (!measurer->interfaces_readable || event_add(measurer->interfaces_readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void unwatch_interfaces(struct measurer *measurer)
{
	const struct interface *interface;

	if (measurer->interfaces_readable)
		event_free(measurer->interfaces_readable);
	measurer->interfaces_readable = NULL;
	if (!measurer->interfaces)
		return;
	for (size_t i = 0; (interface = interfaces_at(measurer->interfaces, i)); i++)
		on_link_gone(measurer, interface->ifindex);
	measurer->interfaces = interfaces_free(measurer->interfaces);
}

/* ---- what is open, and when ---- */

static bool is_needed(const struct measurer *measurer)
{
	return measurer->options.config.sink || measurer->n_open > 0 ||
	       prober_sizes(measurer->prober).paths > 0;
}

void measurer_follow(struct measurer *measurer)
{
	bool needed = is_needed(measurer);

	if (!needed) {
		unwatch_interfaces(measurer);
	} else if (!measurer->interfaces && watch_interfaces(measurer) < 0) {
		unwatch_interfaces(measurer);
		measurer_trouble(measurer, "interfaces cannot be watched: no path is measured");
	}
	measurer_ports_follow(measurer, needed);
}

/* ---- the clock ---- */

static void on_time(void *user_data)
{
	struct measurer *measurer = user_data;
	uint64_t now_us = time_now_us();

	prober_tick(measurer->prober, now_us);
	measurer_follow(measurer);
	measurer_tell(measurer, now_us);
	measurer_settle(measurer);
}

static void on_deliver(evutil_socket_t fd, short what, void *user_data)
{
	struct measurer *measurer = user_data;

	(void)fd;
	(void)what;
	measurer_tell(measurer, time_now_us());
	measurer_settle(measurer);
}

/* ---- life ---- */

struct measurer *measurer_free(struct measurer *measurer)
{
	if (!measurer)
		return NULL;
	/* The prober first: it closes what it has open through the ports. */
	measurer->prober = prober_free(measurer->prober, time_now_us());
	if (measurer->interfaces_readable)
		event_free(measurer->interfaces_readable);
	interfaces_free(measurer->interfaces);
	measurer_ports_free(measurer);
	evidence_free(measurer->evidence);
	if (measurer->deliver)
		event_free(measurer->deliver);
	waker_free(measurer->waker);
	free(measurer);
	return NULL;
}

DEFINE_CLEANUP(struct measurer *, measurer_free);

static int prepare(struct measurer *measurer)
{
	struct prober_ports ports;
	int r = waker_new(measurer->options.base, on_time, measurer, &measurer->waker);

	if (r < 0)
		return r;
	measurer->deliver = evtimer_new(measurer->options.base, on_deliver, measurer);
	if (!measurer->deliver)
		return -ENOMEM;
	r = evidence_new(&measurer->evidence);
	if (r == 0)
		r = measurer_ports_new(measurer);
	if (r < 0)
		return r;
	ports = measurer_prober_ports(measurer);
	measurer->prober = prober_new(&ports, &measurer->options.config, time_now_us());
	return measurer->prober ? 0 : -ENOMEM;
}

int measurer_new(const struct measurer_options *options, struct measurer **ret_measurer)
{
	_cleanup_(measurer_freep) struct measurer *measurer = calloc(1, sizeof(*measurer));
	int r;

	if (!measurer)
		return -ENOMEM;
	measurer->options = *options;
	measurer->table = table;
	measurer->table.user_data = measurer;
	r = prepare(measurer);
	if (r < 0)
		return r;
	measurer_follow(measurer);
	measurer_settle(measurer);
	*ret_measurer = steal_ptr(&measurer);
	return 0;
}
