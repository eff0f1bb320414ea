/* SPDX-License-Identifier: MIT */
/* evidence.c: see evidence.h. */
#include "host/probe/evidence.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* A table that cannot grow is an error like any other. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "datapath/link.h"
#include "datapath/neighbour.h"
#include "datapath/queue_stats.h"
#include "datapath/radio.h"
#include "datapath/route.h"
#include "datapath/sockdiag.h"

/* However many paths want to know. */
#define QUEUE_US (200 * USEC_PER_MSEC)
/* Rates of classes change when an administrator says so. */
#define RATE_US (5 * USEC_PER_SEC)

/* The kernel asks three times, a second apart, and remembers for a while that nobody has answered. */
#define ASKED_US (5 * USEC_PER_SEC)
#define ASKED_MAX 64

struct flow_socket {
	struct sockdiag_query query;
	unsigned users;
	UT_hash_handle hh; /* by query.cookie */
};

struct queue {
	uint32_t ifindex;
	uint64_t read_us; /* 0: never */
	bool known;
	struct queue_stats stats;
	uint64_t classes_us; /* 0: never */
	uint64_t classes_bps;
	UT_hash_handle hh;
};

/* For whose station we have had the kernel ask. */
struct asked {
	struct address address;
	uint32_t ifindex;
	uint64_t at_us;
};

struct evidence {
	struct netlink *rtnl;
	struct route *route;
	struct sockdiag *sockdiag; /* NULL: the kernel tells nothing of sockets */
	struct flow_socket *sockets;
	struct queue *queues;
	struct asked asked[ASKED_MAX];
	unsigned next_asked;
};

/* ---- life ---- */

struct evidence *evidence_free(struct evidence *evidence)
{
	struct flow_socket *socket, *next_socket;
	struct queue *queue, *next_queue;

	if (!evidence)
		return NULL;
	HASH_ITER(hh, evidence->sockets, socket, next_socket) {
		HASH_DEL(evidence->sockets, socket);
		free(socket);
	}
	HASH_ITER(hh, evidence->queues, queue, next_queue) {
		HASH_DEL(evidence->queues, queue);
		free(queue);
	}
	sockdiag_free(evidence->sockdiag);
	route_free(evidence->route);
	netlink_free(evidence->rtnl);
	free(evidence);
	return NULL;
}

DEFINE_CLEANUP(struct evidence *, evidence_free);

int evidence_new(struct evidence **ret_evidence)
{
	_cleanup_(evidence_freep) struct evidence *evidence = calloc(1, sizeof(*evidence));
	int r;

	if (!evidence)
		return -ENOMEM;
	r = netlink_new(NETLINK_ROUTE, &evidence->rtnl);
	if (r == 0)
		r = route_new(&evidence->route);
	if (r < 0)
		return r;
	if (sockdiag_new(&evidence->sockdiag) < 0)
		evidence->sockdiag = NULL;
	*ret_evidence = steal_ptr(&evidence);
	return 0;
}

/* ---- connections ---- */

static struct flow_socket *find_socket(const struct evidence *evidence, uint64_t cookie)
{
	struct flow_socket *socket;

	HASH_FIND(hh, evidence->sockets, &cookie, sizeof(cookie), socket);
	return socket;
}

int evidence_add_socket(struct evidence *evidence, const struct measuring_socket *socket)
{
	struct flow_socket *added = find_socket(evidence, socket->cookie);

	if (added) {
		added->users++;
		return 0;
	}
	added = calloc(1, sizeof(*added));
	if (!added)
		return -ENOMEM;
	added->users = 1;
	added->query = (struct sockdiag_query){ .cookie = socket->cookie,
						.family = socket->family,
						.protocol = socket->protocol,
						.local = socket->local,
						.remote = socket->peer };
	HASH_ADD(hh, evidence->sockets, query.cookie, sizeof(added->query.cookie), added);
	if (added->hh.tbl)
		return 0;
	free(added);
	return -ENOMEM;
}

void evidence_remove_socket(struct evidence *evidence, uint64_t cookie)
{
	struct flow_socket *socket = find_socket(evidence, cookie);

	if (!socket || --socket->users > 0)
		return;
	HASH_DEL(evidence->sockets, socket);
	free(socket);
}

bool evidence_has_tcp(const struct evidence *evidence)
{
	return evidence->sockdiag && sockdiag_probe(evidence->sockdiag, AF_INET, IPPROTO_TCP) == 0;
}

bool evidence_tcp(struct evidence *evidence, uint64_t cookie, struct passive_tcp *ret_tcp)
{
	const struct flow_socket *socket = find_socket(evidence, cookie);
	struct sockdiag_tcp tcp;

	if (!socket || !evidence->sockdiag ||
	    sockdiag_ask_tcp(evidence->sockdiag, &socket->query, &tcp) < 0)
		return false;
	*ret_tcp = (struct passive_tcp){
		.rtt_us = tcp.rtt_us,
		.min_rtt_us = tcp.min_rtt_us,
		.segments_sent = tcp.segments_sent,
		.segments_retransmitted = tcp.segments_retransmitted,
		.marked = tcp.marked,
		.delivery_rate_bps = tcp.delivery_rate_bps,
		.app_limited = tcp.app_limited,
	};
	return true;
}

/* ---- queues and counters ---- */

static struct queue *obtain_queue(struct evidence *evidence, uint32_t ifindex)
{
	struct queue *queue;

	HASH_FIND(hh, evidence->queues, &ifindex, sizeof(ifindex), queue);
	if (queue)
		return queue;
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return NULL;
	queue->ifindex = ifindex;
	HASH_ADD(hh, evidence->queues, ifindex, sizeof(queue->ifindex), queue);
	if (queue->hh.tbl)
		return queue;
	free(queue);
	return NULL;
}

void evidence_forget_link(struct evidence *evidence, uint32_t ifindex)
{
	struct queue *queue;

	HASH_FIND(hh, evidence->queues, &ifindex, sizeof(ifindex), queue);
	if (!queue)
		return;
	HASH_DEL(evidence->queues, queue);
	free(queue);
}

/* Where the queue keeps to no rate, the link does. */
static uint64_t rate_of(struct evidence *evidence, struct queue *queue, uint64_t now_us)
{
	struct qlpb_link link = { 0 };

	if (queue->stats.rate_bps > 0)
		return queue->stats.rate_bps;
	if (queue->classes_us > 0 && now_us - queue->classes_us < RATE_US)
		return queue->classes_bps;
	queue->classes_us = now_us;
	if (!queue->stats.rate_of_classes ||
	    queue_classes_rate(evidence->rtnl, queue->ifindex, queue->stats.handle,
			       &queue->classes_bps) < 0 ||
	    queue->classes_bps == 0) {
		evidence_link(queue->ifindex, &link);
		queue->classes_bps = link.wireless ? 0 : link.rate_bps;
	}
	return queue->classes_bps;
}

bool evidence_queue(struct evidence *evidence, uint32_t ifindex, struct passive_queue *ret_queue,
		    uint64_t now_us)
{
	struct queue *queue = obtain_queue(evidence, ifindex);
	uint32_t handle;

	if (!queue)
		return false;
	if (queue->read_us == 0 || now_us - queue->read_us >= QUEUE_US) {
		handle = queue->stats.handle;
		queue->known = queue_stats_read(evidence->rtnl, ifindex, &queue->stats) == 0;
		queue->read_us = now_us;
		if (queue->stats.handle != handle)
			queue->classes_us = 0;
	}
	if (!queue->known)
		return false;
	*ret_queue = (struct passive_queue){
		.backlog_bytes = queue->stats.backlog_bytes,
		.bytes = queue->stats.bytes,
		.packets = queue->stats.packets,
		.drops = queue->stats.drops,
		.marked = queue->stats.marked,
		.rate_bps = rate_of(evidence, queue, now_us),
	};
	return true;
}

void evidence_counts(struct evidence *evidence, uint32_t ifindex, struct lltd_counts *ret_counts)
{
	struct link_counts counts = { 0 };

	(void)link_counts_read(evidence->rtnl, ifindex, &counts);
	*ret_counts = (struct lltd_counts){
		.bytes_received = counts.bytes_received,
		.packets_received = counts.packets_received,
		.bytes_sent = counts.bytes_sent,
		.packets_sent = counts.packets_sent,
	};
}

/* ---- stations ---- */

static struct asked *find_asked(struct evidence *evidence, const struct address *address,
				uint32_t ifindex)
{
	for (unsigned i = 0; i < ASKED_MAX; i++) {
		struct asked *asked = &evidence->asked[i];

		if (asked->at_us > 0 && asked->ifindex == ifindex &&
		    address_equal(&asked->address, address))
			return asked;
	}
	return NULL;
}

/* Once in a while: what the kernel knows of failures may be older than the host that is there now. */
static int ask(struct evidence *evidence, const struct address *address, uint32_t ifindex,
	       uint64_t now_us)
{
	struct asked *asked = find_asked(evidence, address, ifindex);

	if (asked && now_us - asked->at_us < ASKED_US)
		return -EHOSTUNREACH;
	if (neighbour_resolve(evidence->rtnl, address, ifindex) < 0)
		return -EOPNOTSUPP;
	if (!asked)
		asked = &evidence->asked[evidence->next_asked++ % ASKED_MAX];
	*asked = (struct asked){ *address, ifindex, now_us };
	return -EAGAIN;
}

int evidence_station(struct evidence *evidence, const struct address *address, uint32_t ifindex,
		     struct lltd_mac *ret_mac, uint64_t now_us)
{
	struct address host = *address;
	int r = neighbour_lookup(evidence->rtnl, address, ifindex, ret_mac->octets);

	host.port = 0;
	if (r == -ENOENT || r == -EHOSTUNREACH)
		return ask(evidence, &host, ifindex, now_us);
	return r == 0 || r == -EAGAIN ? r : -EOPNOTSUPP;
}

/* ---- ways and links ---- */

bool evidence_is_neighbour(struct evidence *evidence, const struct address *address,
			   uint32_t ifindex)
{
	return route_is_neighbour(evidence->route, address, ifindex);
}

uint32_t evidence_way_to(struct evidence *evidence, const struct address *address)
{
	const struct route_query query = { .destination = address };
	struct route_result result;

	if (address->scope != 0)
		return address->scope;
	return route_lookup(evidence->route, &query, &result) < 0 ? 0 : result.ifindex;
}

void evidence_link(uint32_t ifindex, struct qlpb_link *ret_link)
{
	char name[IFNAMSIZ];

	*ret_link = (struct qlpb_link){ 0 };
	if (!if_indextoname(ifindex, name))
		return;
	ret_link->wireless = radio_read(name, &ret_link->rate_bps);
	if (!ret_link->wireless)
		ret_link->rate_bps = link_speed_bps(ifindex);
}
