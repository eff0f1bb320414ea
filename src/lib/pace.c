/* SPDX-License-Identifier: MIT */
/*
 * pace.c: datagrams that are kept to the rate of their flow before they are sent. Where marks are options of
 * sockets nothing in the kernel delays UDP, so whoever sends asks here first (GW_FLOW_PACES): a bucket for each
 * flow, which all of its sockets share (spec/qwave.md §7.2). What the engine has accepted becomes effective here
 * when its answer is there.
 *
 * One table for the process, by descriptor, because who sends knows no more than that. That the descriptor still
 * is the socket it was, its cookie tells.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>
#include <utlist.h>

#include "core/address.h"
#include "core/bucket.h"
#include "lib/client.h"
#include "lib/options.h"

#define NSEC_PER_SEC UINT64_C(1000000000)
#define BURST_NS UINT64_C(10000000)
#define ASK_AGAIN_NS UINT64_C(20000000) /* so that a new rate is soon obeyed */
/* Links whose packets are longer exist, but a burst of two of those would be a long one. */
#define MTU_BYTES 1500u
#define UDP_HEADER_BYTES 8u
#define IPV4_HEADER_BYTES 20u
#define IPV6_HEADER_BYTES 40u
#define IPV6_FRAGMENT_BYTES 8u

struct paced_socket {
	int fd;
	uint64_t cookie;
	bool ipv6; /* its packets */
	struct paced_flow *flow;
	struct paced_socket *prev, *next; /* of the flow */
	UT_hash_handle hh;
};

struct paced_flow {
	const struct gw *gw;
	uint32_t id;
	bool active; /* it has a rate */
	enum gw_shaping shaping;
	int32_t excess_dscp; /* -1: like the rest */
	struct bucket_rule rule;
	struct bucket bucket;
	struct paced_socket *sockets;
	struct paced_flow *prev, *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static struct paced_flow *flows;
static struct paced_socket *sockets; /* by descriptor; of several, the latest is found */
static atomic_uint n_active;

static void lock_for_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void survive_fork(void)
{
	pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* ---- the table; lock held ---- */

static struct paced_flow *flow_find(const struct gw *gw, uint32_t id)
{
	struct paced_flow *flow;

	DL_FOREACH(flows, flow) {
		if (flow->gw == gw && flow->id == id)
			return flow;
	}
	return NULL;
}

static struct paced_flow *flow_new(const struct gw *gw, uint32_t id)
{
	struct paced_flow *flow = calloc(1, sizeof(*flow));

	if (!flow)
		return NULL;
	flow->gw = gw;
	flow->id = id;
	DL_PREPEND(flows, flow);
	return flow;
}

static void flow_activate(struct paced_flow *flow, bool active)
{
	if (flow->active == active)
		return;
	flow->active = active;
	if (active)
		atomic_fetch_add_explicit(&n_active, 1, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&n_active, 1, memory_order_relaxed);
}

static void socket_free(struct paced_socket *paced)
{
	HASH_DEL(sockets, paced);
	DL_DELETE(paced->flow->sockets, paced);
	free(paced);
}

static void flow_free(struct paced_flow *flow)
{
	flow_activate(flow, false);
	while (flow->sockets)
		socket_free(flow->sockets);
	DL_DELETE(flows, flow);
	free(flow);
}

/* What its packets will be: those to an IPv4 address are IPv4 on any socket. */
static bool sends_ipv6(int fd, const struct address *destination)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t len = sizeof(peer);
	struct address address;

	if (destination)
		return destination->family == AF_INET6;
	if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0) {
		len = sizeof(peer);
		(void)getsockname(fd, (struct sockaddr *)&peer, &len);
	}
	return address_from_sockaddr((struct sockaddr *)&peer, len, &address) == 0 &&
	       address.family == AF_INET6;
}

static bool is_datagram(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM;
}

static struct paced_socket *socket_of(const struct paced_flow *flow, uint64_t cookie)
{
	struct paced_socket *paced;

	DL_FOREACH(flow->sockets, paced) {
		if (paced->cookie == cookie)
			return paced;
	}
	return NULL;
}

/* Sockets that had the number before. */
static void forget_earlier(int fd, uint64_t cookie)
{
	struct paced_socket *paced;

	for (;;) {
		HASH_FIND_INT(sockets, &fd, paced);
		if (!paced || paced->cookie == cookie)
			return;
		socket_free(paced);
	}
}

static int socket_add(struct paced_flow *flow, int fd, const struct address *destination)
{
	uint64_t cookie = socket_cookie(fd);
	struct paced_socket *paced = socket_of(flow, cookie);

	if (paced || cookie == 0 || !is_datagram(fd))
		return 0;
	forget_earlier(fd, cookie);
	paced = calloc(1, sizeof(*paced));
	if (!paced)
		return -ENOMEM;
	*paced = (struct paced_socket){
		.fd = fd, .cookie = cookie, .ipv6 = sends_ipv6(fd, destination), .flow = flow
	};
	HASH_ADD_INT(sockets, fd, paced);
	if (!paced->hh.tbl) {
		free(paced);
		return -ENOMEM;
	}
	DL_APPEND(flow->sockets, paced);
	return 0;
}

/* ---- what the verbs on flows tell ---- */

int pace_add(const struct gw *gw, uint32_t id, int fd, const struct address *destination,
	     uint32_t flow_flags)
{
	struct paced_flow *flow;
	int r = 0;

	if (!(gw->host_flags & MSG_HOST_NEEDS_FDS))
		return 0;
	pthread_mutex_lock(&lock);
	flow = flow_find(gw, id);
	if (!flow && (flow_flags & GW_FLOW_PACES)) {
		flow = flow_new(gw, id);
		r = flow ? 0 : -ENOMEM;
	}
	if (flow)
		r = socket_add(flow, fd, destination);
	if (r < 0 && flow && !flow->sockets)
		flow_free(flow);
	pthread_mutex_unlock(&lock);
	return r;
}

void pace_drop(const struct gw *gw, uint32_t id, uint64_t cookie)
{
	struct paced_flow *flow;
	struct paced_socket *paced;

	pthread_mutex_lock(&lock);
	flow = flow_find(gw, id);
	paced = flow && cookie ? socket_of(flow, cookie) : NULL;
	if (paced)
		socket_free(paced);
	if (flow && cookie == 0)
		flow_free(flow);
	pthread_mutex_unlock(&lock);
}

void pace_end(const struct gw *gw)
{
	struct paced_flow *flow, *next;

	pthread_mutex_lock(&lock);
	DL_FOREACH_SAFE(flows, flow, next) {
		if (flow->gw == gw)
			flow_free(flow);
	}
	pthread_mutex_unlock(&lock);
}

bool pace_knows(const struct gw *gw, uint32_t id)
{
	bool known;

	pthread_mutex_lock(&lock);
	known = flow_find(gw, id) != NULL;
	pthread_mutex_unlock(&lock);
	return known;
}

bool pace_marks_excess(const struct gw *gw, uint32_t id)
{
	const struct paced_flow *flow;
	bool marks;

	pthread_mutex_lock(&lock);
	flow = flow_find(gw, id);
	marks = flow && flow->active && flow->shaping == GW_SHAPE_MARK_CONFORMANT;
	pthread_mutex_unlock(&lock);
	return marks;
}

void pace_set_excess(const struct gw *gw, uint32_t id, int32_t excess_dscp)
{
	struct paced_flow *flow;

	pthread_mutex_lock(&lock);
	flow = flow_find(gw, id);
	if (flow)
		flow->excess_dscp = excess_dscp;
	pthread_mutex_unlock(&lock);
}

void pace_set_rate(const struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		   int32_t excess_dscp)
{
	const struct bucket_spec spec = {
		.rate_bps = rate_bps,
		.depth_bytes = bucket_depth_bytes(rate_bps, BURST_NS, 2 * MTU_BYTES),
	};
	struct bucket_rule rule;
	struct paced_flow *flow;
	bool limited = rate_bps != GW_RATE_NONE && rate_bps != GW_RATE_MINIMUM &&
		       bucket_rule_make(&spec, &rule) == 0;

	pthread_mutex_lock(&lock);
	flow = flow_find(gw, id);
	if (flow && limited) {
		if (flow->active)
			bucket_rerate(&flow->bucket, &flow->rule, &rule, now_ns());
		else
			flow->bucket = (struct bucket){ 0 };
		flow->rule = rule;
		flow->shaping = shaping;
		flow->excess_dscp = excess_dscp;
	}
	if (flow)
		flow_activate(flow, limited);
	pthread_mutex_unlock(&lock);
}

/* ---- asking ---- */

/* On the wire, where a long datagram is several packets. */
static uint64_t wire_bytes(bool ipv6, size_t payload_bytes)
{
	uint64_t header = ipv6 ? IPV6_HEADER_BYTES : IPV4_HEADER_BYTES;
	uint64_t body = (uint64_t)payload_bytes + UDP_HEADER_BYTES, each;

	if (header + body <= MTU_BYTES)
		return header + body;
	if (ipv6)
		header += IPV6_FRAGMENT_BYTES;
	each = (MTU_BYTES - header) & ~UINT64_C(7);
	return body + (body + each - 1) / each * header;
}

static void ask(struct paced_socket *paced, size_t payload_bytes, struct gw_pacing *pacing)
{
	struct paced_flow *flow = paced->flow;
	uint64_t bytes = wire_bytes(paced->ipv6, payload_bytes), now = now_ns(), at;

	if (bucket_take(&flow->rule, &flow->bucket, bytes, now))
		return;
	if (flow->shaping == GW_SHAPE_MARK_CONFORMANT) {
		pacing->dscp = flow->excess_dscp;
		return;
	}
	at = bucket_conforms_at_ns(&flow->bucket, &flow->rule, bytes);
	pacing->wait_ns = at > now + ASK_AGAIN_NS ? ASK_AGAIN_NS : at > now ? at - now : 1;
}

int gw_pace(int fd, size_t payload_bytes, struct gw_pacing *ret_pacing)
{
	struct gw_pacing pacing = { .size = sizeof(pacing), .dscp = -1 };
	struct paced_socket *paced;

	if (!ret_pacing || fd < 0 || payload_bytes > UINT16_MAX)
		return -EINVAL;
	if (atomic_load_explicit(&n_active, memory_order_relaxed) > 0) {
		pthread_mutex_lock(&lock);
		HASH_FIND_INT(sockets, &fd, paced);
		if (paced && paced->flow->active && socket_cookie(fd) == paced->cookie)
			ask(paced, payload_bytes, &pacing);
		pthread_mutex_unlock(&lock);
	}
	return options_write(&pacing, sizeof(pacing), ret_pacing);
}
