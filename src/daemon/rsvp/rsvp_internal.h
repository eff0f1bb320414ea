/* SPDX-License-Identifier: MIT */
/*
 * rsvp_internal.h: what the files of this folder share. rsvp_daemon.c: life and events; ports.c: what the node asks of
 * the host; links.c: what the node is told of interfaces; local.c: local applications; facts.c: for those who look.
 */
#ifndef GW_DAEMON_RSVP_RSVP_INTERNAL_H
#define GW_DAEMON_RSVP_RSVP_INTERNAL_H

#include "base/log.h"
#include "daemon/rsvp/consent.h"
#include "daemon/rsvp/rsvp_daemon.h"
#include "daemon/rsvp/traffic.h"
#include "daemon/rsvp/transport.h"
#include "datapath/interfaces.h"
#include "datapath/route.h"

#define RSVP_MODULE "rsvp"

/* What the daemon remembers of an interface. */
struct rsvp_link {
	uint32_t ifindex;
	char name[RSVP_INTERFACE_NAME_LEN];
	struct rsvp_interface told; /* to the node */
	uint32_t max_alerts_per_s;
	uint32_t alerts; /* in the current second */
	uint64_t second;
	bool udp_heard; /* what arrives in UDP is taken */
	bool joined4, joined6;
	struct rsvp_link *prev, *next;
};

struct rsvp_local {
	struct rsvp_daemon *daemon;
	const void *owner;
	struct rsvp_app *app;
	struct rsvp_session session;
	rsvp_local_event on_event;
	void *user_data;
	struct address group; /* AF_UNSPEC: none was joined */
	uint32_t group_ifindex;
	struct rsvp_local *prev, *next;
};

struct rsvp_asking {
	struct rsvp_daemon *daemon;
	struct rsvp_diagnosis *diagnosis;
	rsvp_answer on_answer;
	void *user_data;
};

struct rsvp_daemon {
	struct event_base *base;
	struct host *host;
	const struct config_rsvp *config;
	uint32_t control_class;
	struct transport *transport;
	struct traffic *traffic;
	struct route *route;
	struct interfaces *interfaces;
	struct rsvp *node;
	struct rsvp_link *links;
	struct rsvp_local *locals;
	struct event *on_socket[TRANSPORT_SOCKETS];
	struct event *on_interfaces;
	struct event *on_time;
	struct event *on_links;
	struct event *on_clock;
	int clock_fd;
	uint64_t armed_us; /* when the timer goes off; UINT64_MAX: never */
	rsvp_daemon_tap tap;
	void *tap_data;
	uint64_t alerts_dropped, unwanted; /* beyond the limit; in UDP, where it is not spoken */
	struct log_limit complaints;
	uint8_t refusal[CONSENT_POLICY_MAX]; /* what the last refusal points to */
	uint8_t random[256];
	size_t n_random; /* bytes left */
};

/* After anything was done to the node: it may want to wake at another time. */
void rsvp_daemon_schedule(struct rsvp_daemon *daemon);

/* ports.c */
void rsvp_ports_of(struct rsvp_daemon *daemon, struct rsvp_ports *ret_ports);

/* links.c */
struct rsvp_link *rsvp_link_find(const struct rsvp_daemon *daemon, uint32_t ifindex);
void rsvp_link_update(struct rsvp_daemon *daemon, const struct interface *interface);
void rsvp_link_gone(struct rsvp_daemon *daemon, uint32_t ifindex);
void rsvp_links_update_all(struct rsvp_daemon *daemon);
void rsvp_links_free(struct rsvp_daemon *daemon);

/* Whether one more message with the alert may come in. */
bool rsvp_link_takes_alert(struct rsvp_link *link, uint64_t now_us);

/* Whether the configuration wants the port of UDP open. */
bool rsvp_config_wants_udp(const struct config_rsvp *config);

/* clock.c */
int rsvp_clock_watch(struct rsvp_daemon *daemon);
void rsvp_clock_end(struct rsvp_daemon *daemon);

/* keys.c: those of interfaces that are there. */
int rsvp_daemon_set_keys(struct rsvp_daemon *daemon);

/*
 * A time of the calendar (0: always) as one of the monotonic clock, whose time is now_us when the calendar's is epoch_us;
 * what was before that clock began is as good as its beginning.
 */
uint64_t rsvp_key_time_us(int64_t time_s, uint64_t now_us, uint64_t epoch_us);

#endif
