/* SPDX-License-Identifier: MIT */
/*
 * provider_ask.c: what programs ask: whether it can be, before anything is changed, and copies of it that stay. What
 * was left out of what is sent is filled in here (spec/gqos.md §5.3).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/bucket.h"
#include "engine/provider_internal.h"

#define MAX_BYTES 1500u
#define MIN_BYTES 128u
#define DEPTH_NS UINT64_C(100000000)

bool service_is_signalled(enum gw_qos_service service)
{
	return service != GW_QOS_NONE && service != GW_QOS_BEST_EFFORT && service != GW_QOS_KEEP;
}

enum gw_rsvp_service service_reserved(enum gw_qos_service service)
{
	if (service == GW_QOS_GUARANTEED)
		return GW_RSVP_GUARANTEED;
	return service == GW_QOS_QUALITATIVE ? GW_RSVP_NULL_SERVICE : GW_RSVP_CONTROLLED_LOAD;
}

bool address_is_loopback(const struct address *address)
{
	static const uint8_t six[16] = { [15] = 1 };

	return address->family == AF_INET ? address->addr[12] == 127
					  : memcmp(address->addr, six, sizeof(six)) == 0;
}

/* ANY_DEST_ADDR: traffic control for whatever the socket sends (§6). */
bool address_is_everywhere(const struct address *address)
{
	return address->family == AF_INET && address->addr[12] == 255 && address->addr[13] == 255 &&
	       address->addr[14] == 255 && address->addr[15] == 255;
}

/* ---- whether it can be ---- */

static bool tspec_is_good(const struct gw_tspec *tspec)
{
	uint32_t max_bytes = tspec->max_bytes ? tspec->max_bytes : MAX_BYTES;

	return (tspec->peak_bps == 0 || tspec->peak_bps >= tspec->rate_bps) &&
	       tspec->min_bytes <= max_bytes && tspec->rate_bps <= ADMISSION_RATE_MAX_BPS;
}

static int check_sending(const struct provider *provider, const struct owner *owner,
			 const struct gw_qos *qos)
{
	const struct gw_qos_direction *asked = &qos->sending;
	bool needs_rate = qos->excess == GW_QOS_EXCESS_SHAPE ||
			  qos->excess == GW_QOS_EXCESS_DISCARD;

	if (asked->service == GW_QOS_NONE || asked->service == GW_QOS_KEEP)
		return 0;
	if (qos->dscp < -1 || qos->dscp > DSCP_MAX || qos->priority < -1 || qos->priority > 7 ||
	    qos->excess > GW_QOS_EXCESS_DISCARD)
		return -EINVAL;
	if (asked->service != GW_QOS_BEST_EFFORT && asked->service != GW_QOS_QUALITATIVE)
		needs_rate = true;
	if ((needs_rate && asked->tspec.rate_bps == 0) || !tspec_is_good(&asked->tspec))
		return -EINVAL;
	if (qos->shaping_bps > ADMISSION_RATE_MAX_BPS)
		return -EINVAL;
	if (asked->service == GW_QOS_NETWORK_CONTROL &&
	    !owner_is_administrator(provider->engine, owner))
		return -EACCES;
	return 0;
}

static int check_numbers(const struct gw_qos_direction *asked)
{
	bool latency = asked->latency_us != UINT32_MAX;

	if (asked->service == GW_QOS_GUARANTEED && latency && asked->tspec.rate_bps != 0)
		return -EINVAL;
	return tspec_is_good(&asked->tspec) ? 0 : -EINVAL;
}

static bool sender_is_named(const struct gw_rsvp_flow *flow, struct address *ret_address)
{
	return address_from_sockaddr((const struct sockaddr *)&flow->sender.address,
				     sizeof(flow->sender.address), ret_address) == 0 &&
	       ret_address->port != 0 && flow->sender.form == GW_RSVP_PORTS;
}

/* Each sender of a fixed filter may have a service of its own. */
static bool service_fits(const struct gw_qos *qos, uint32_t service)
{
	if (service == 0 || service == (uint32_t)service_reserved(qos->receiving.service))
		return true;
	return qos->style == GW_RSVP_FF &&
	       (service == GW_RSVP_GUARANTEED || service == GW_RSVP_CONTROLLED_LOAD ||
		service == GW_RSVP_NULL_SERVICE);
}

/* §10: which styles a socket can have. */
static int check_style(const struct gw_qos *qos, const struct engine_socket *socket)
{
	bool one_peer = socket->protocol == IPPROTO_TCP || socket->peer.family != AF_UNSPEC;
	struct address sender;

	if (qos->n_flows > GW_RSVP_FLOWS_MAX || (qos->n_flows > 0 && !qos->flows))
		return -EINVAL;
	for (uint32_t i = 0; i < qos->n_flows; i++) {
		if (!sender_is_named(&qos->flows[i], &sender) ||
		    !tspec_is_good(&qos->flows[i].tspec) ||
		    !service_fits(qos, qos->flows[i].service))
			return -EINVAL;
		if (one_peer && socket->peer.family != AF_UNSPEC &&
		    !address_equal(&sender, &socket->peer))
			return -EINVAL;
	}
	switch (qos->style) {
	case 0:
		return qos->n_flows == 0 ? 0 : -EINVAL;
	case GW_RSVP_WF:
		return qos->n_flows == 0 && !one_peer ? 0 : -EINVAL;
	case GW_RSVP_FF:
		return one_peer ? (qos->n_flows <= 1 ? 0 : -EINVAL) : (qos->n_flows ? 0 : -EINVAL);
	case GW_RSVP_SE:
		return qos->n_flows > 0 && !one_peer ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int check_receiving(const struct gw_qos *qos, const struct engine_socket *socket)
{
	const struct gw_qos_direction *asked = &qos->receiving;
	int r;

	if (asked->service == GW_QOS_EITHER || asked->service == GW_QOS_NETWORK_CONTROL)
		return -EINVAL;
	if (!service_is_signalled(asked->service))
		return 0;
	r = check_numbers(asked);
	return r < 0 ? r : check_style(qos, socket);
}

static int check_destination(const struct engine_socket *socket,
			     const struct provider_request *request)
{
	const struct address *destination = &request->destination;
	bool sends = service_is_signalled(request->qos.sending.service);

	/* The sender is told by its port. */
	if (sends && socket->protocol == IPPROTO_UDP && socket->local.port == 0)
		return -EINVAL;
	if (destination->family == AF_UNSPEC)
		return 0;
	if ((destination->port == 0 && !address_is_everywhere(destination)) ||
	    address_is_unspecified(destination))
		return -EINVAL;
	if (socket->family == AF_INET && destination->family != AF_INET)
		return -EAFNOSUPPORT;
	if (socket->protocol == IPPROTO_TCP && socket->peer.family == AF_UNSPEC)
		return -EINVAL;
	if (socket->peer.family != AF_UNSPEC && !address_equal(destination, &socket->peer))
		return -EINVAL;
	return 0;
}

/* Nothing is signalled to this host itself: an error only if the administrator wants it to be one (A38). */
static int check_loopback(const struct provider *provider, const struct engine_socket *socket,
			  const struct provider_request *request)
{
	const struct address *to = socket->peer.family != AF_UNSPEC ? &socket->peer
								    : &request->destination;

	return provider->config.refuses_loopback && to->family != AF_UNSPEC &&
			       address_is_loopback(to) &&
			       service_is_signalled(request->qos.sending.service)
		       ? -ENETUNREACH
		       : 0;
}

int ask_check(const struct provider *provider, const struct owner *owner,
	      const struct engine_socket *socket, const struct provider_request *request)
{
	const uint32_t known_flags = GW_QOS_NO_SIGNALLING | GW_QOS_NO_TRAFFIC_CONTROL;
	const struct gw_qos *qos = &request->qos;
	int r;

	if (socket->protocol != IPPROTO_TCP && socket->protocol != IPPROTO_UDP)
		return -EDESTADDRREQ;
	if ((qos->sending.flags | qos->receiving.flags) & ~known_flags)
		return -EINVAL;
	r = check_sending(provider, owner, qos);
	if (r == 0)
		r = check_receiving(qos, socket);
	if (r == 0)
		r = check_destination(socket, request);
	return r < 0 ? r : check_loopback(provider, socket, request);
}

/* ---- copies ---- */

static void complete_tspec(struct gw_tspec *tspec)
{
	if (tspec->max_bytes == 0)
		tspec->max_bytes = MAX_BYTES;
	if (tspec->min_bytes == 0)
		tspec->min_bytes = tspec->max_bytes < MIN_BYTES ? tspec->max_bytes : MIN_BYTES;
	if (tspec->rate_bps != 0 && tspec->depth_bytes == 0)
		tspec->depth_bytes =
			bucket_depth_bytes(tspec->rate_bps, DEPTH_NS, tspec->max_bytes);
	tspec->size = sizeof(*tspec);
}

struct sending *sending_new(const struct gw_qos *qos)
{
	size_t policy_len = qos->sending_policy ? qos->sending_policy_len : 0;
	struct sending *sending = calloc(1, sizeof(*sending) + policy_len);

	if (!sending)
		return NULL;
	sending->refs = 1;
	sending->direction = qos->sending;
	/* Numbers of a direction that ends mean nothing (§16.6). */
	if (qos->sending.service == GW_QOS_NONE)
		sending->direction.tspec = (struct gw_tspec){ 0 };
	else
		complete_tspec(&sending->direction.tspec);
	sending->dscp = qos->dscp;
	sending->priority = qos->priority;
	sending->excess = qos->excess;
	sending->shaping_bps = qos->shaping_bps;
	sending->policy_len = policy_len;
	if (policy_len > 0)
		memcpy(sending->policy, qos->sending_policy, policy_len);
	return sending;
}

struct sending *sending_with_flags(const struct sending *sending, uint32_t flags)
{
	struct sending *copy = malloc(sizeof(*copy) + sending->policy_len);

	if (!copy)
		return NULL;
	memcpy(copy, sending, sizeof(*copy) + sending->policy_len);
	copy->refs = 1;
	copy->direction.flags |= flags;
	return copy;
}

struct sending *sending_ref(struct sending *sending)
{
	if (sending)
		sending->refs++;
	return sending;
}

void sending_unref(struct sending *sending)
{
	if (sending && --sending->refs == 0)
		free(sending);
}

/* Whether Path would say the same. */
bool sending_equal(const struct sending *a, const struct sending *b)
{
	const struct gw_tspec *s = &a->direction.tspec, *t = &b->direction.tspec;

	return a->direction.service == b->direction.service && s->rate_bps == t->rate_bps &&
	       s->depth_bytes == t->depth_bytes && s->peak_bps == t->peak_bps &&
	       s->min_bytes == t->min_bytes && s->max_bytes == t->max_bytes &&
	       a->policy_len == b->policy_len && memcmp(a->policy, b->policy, a->policy_len) == 0;
}

static struct receiving *receiving_alloc(uint32_t n_flows, size_t policy_len)
{
	struct receiving *receiving;

	receiving =
		calloc(1, sizeof(*receiving) + n_flows * sizeof(receiving->flows[0]) + policy_len);
	if (!receiving)
		return NULL;
	receiving->refs = 1;
	receiving->n_flows = n_flows;
	receiving->policy_len = policy_len;
	receiving->policy = (unsigned char *)(receiving->flows + n_flows);
	return receiving;
}

static void receiving_fill(struct receiving *receiving, const struct gw_rsvp_flow *flows,
			   const void *policy)
{
	if (receiving->n_flows > 0)
		memcpy(receiving->flows, flows, receiving->n_flows * sizeof(flows[0]));
	if (receiving->policy_len > 0)
		memcpy(receiving->flows + receiving->n_flows, policy, receiving->policy_len);
}

struct receiving *receiving_new(const struct gw_qos *qos)
{
	bool wants = service_is_signalled(qos->receiving.service);
	size_t policy_len = wants && qos->receiving_policy ? qos->receiving_policy_len : 0;
	struct receiving *receiving = receiving_alloc(wants ? qos->n_flows : 0, policy_len);

	if (!receiving)
		return NULL;
	receiving->direction = qos->receiving;
	if (!wants)
		receiving->direction.tspec = (struct gw_tspec){ 0 };
	receiving->style = wants ? qos->style : 0;
	receiving->confirm = wants && qos->confirm;
	receiving_fill(receiving, qos->flows, qos->receiving_policy);
	return receiving;
}

struct receiving *receiving_with_flags(const struct receiving *receiving, uint32_t flags)
{
	struct receiving *copy = receiving_alloc(receiving->n_flows, receiving->policy_len);

	if (!copy)
		return NULL;
	copy->direction = receiving->direction;
	copy->direction.flags |= flags;
	copy->style = receiving->style;
	copy->confirm = receiving->confirm;
	receiving_fill(copy, receiving->flows, receiving->policy);
	return copy;
}

struct receiving *receiving_ref(struct receiving *receiving)
{
	if (receiving)
		receiving->refs++;
	return receiving;
}

void receiving_unref(struct receiving *receiving)
{
	if (receiving && --receiving->refs == 0)
		free(receiving);
}
