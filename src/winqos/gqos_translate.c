/* SPDX-License-Identifier: MIT */
/* gqos_translate.c: see gqos_translate.h (spec/gqos.md §5.3, §6, §10). */
#include "winqos/gqos_translate.h"

#include <stdlib.h>
#include <string.h>

#include "winqos/gqos_policy.h"

#define DEFAULT_MIN_BYTES 128
#define DEFAULT_MAX_BYTES 1500
#define BITS 8u

/* ---- what is owned ---- */

static const struct gw_qos_direction nothing = { .latency_us = UINT32_MAX, .slack_us = UINT32_MAX };

/* Leaves what it was copied from without it. `next` NULL: nothing comes in its place. */
static void replace_sending(struct gw_qos *qos, struct gw_qos *next)
{
	struct gw_qos none = { .sending = nothing, .dscp = -1, .priority = -1 };

	if (!next)
		next = &none;
	free((void *)qos->sending_policy);
	qos->sending = next->sending;
	qos->destination = next->destination;
	qos->dscp = next->dscp;
	qos->priority = next->priority;
	qos->excess = next->excess;
	qos->shaping_bps = next->shaping_bps;
	qos->sending_policy = next->sending_policy;
	qos->sending_policy_len = next->sending_policy_len;
	next->sending_policy = NULL;
}

static void replace_receiving(struct gw_qos *qos, struct gw_qos *next)
{
	struct gw_qos none = { .receiving = nothing };

	if (!next)
		next = &none;
	free((void *)qos->flows);
	free((void *)qos->receiving_policy);
	qos->receiving = next->receiving;
	qos->style = next->style;
	qos->confirm = next->confirm;
	qos->n_flows = next->n_flows;
	qos->flows = next->flows;
	qos->receiving_policy = next->receiving_policy;
	qos->receiving_policy_len = next->receiving_policy_len;
	next->flows = NULL;
	next->receiving_policy = NULL;
}

void gqos_native_end(struct gqos_native *native, unsigned directions)
{
	if (directions & GW_QOS_SENDING)
		replace_sending(&native->qos, NULL);
	if (directions & GW_QOS_RECEIVING)
		replace_receiving(&native->qos, NULL);
}

void gqos_native_clear(struct gqos_native *native)
{
	gqos_native_end(native, GW_QOS_SENDING | GW_QOS_RECEIVING);
}

void gqos_native_init(struct gqos_native *native)
{
	*native = (struct gqos_native){ .qos.size = sizeof(native->qos) };
	gqos_native_clear(native);
}

void gqos_native_merge(struct gqos_native *native, struct gqos_native *next)
{
	if (next->qos.sending.service == GW_QOS_KEEP)
		native->qos.sending.flags |= next->qos.sending.flags;
	else
		replace_sending(&native->qos, &next->qos);
	if (next->qos.receiving.service == GW_QOS_KEEP)
		native->qos.receiving.flags |= next->qos.receiving.flags;
	else
		replace_receiving(&native->qos, &next->qos);
	gqos_native_clear(next);
}

/* NULL for nothing; *failed if memory is out. */
static void *copy_bytes(const void *bytes, size_t length, bool *failed)
{
	void *copy = length > 0 ? malloc(length) : NULL;

	if (copy)
		memcpy(copy, bytes, length);
	else if (length > 0)
		*failed = true;
	return copy;
}

int gqos_native_copy(const struct gqos_native *native, struct gqos_native *ret_copy)
{
	struct gqos_native copy = *native;
	struct gw_qos *qos = &copy.qos;
	bool failed = false;

	qos->sending_policy = copy_bytes(qos->sending_policy, qos->sending_policy_len, &failed);
	qos->receiving_policy =
		copy_bytes(qos->receiving_policy, qos->receiving_policy_len, &failed);
	qos->flows = copy_bytes(qos->flows, qos->n_flows * sizeof(*qos->flows), &failed);
	if (failed) {
		gqos_native_clear(&copy);
		return WSAENOBUFS;
	}
	*ret_copy = copy;
	return 0;
}

/* ---- flowspecs ---- */

static struct gw_tspec tspec_of(const FLOWSPEC *flowspec)
{
	ULONG rate = gqos_number(flowspec->TokenRate), peak = gqos_number(flowspec->PeakBandwidth);
	struct gw_tspec tspec = { .size = sizeof(tspec) };

	/* Without a rate the other bounds have no effect, but for a qualitative sender's packets. */
	tspec.max_bytes = gqos_number(flowspec->MaxSduSize);
	if (rate == 0 || rate == POSITIVE_INFINITY_RATE)
		return tspec;
	tspec.rate_bps = (uint64_t)rate * BITS;
	tspec.depth_bytes = gqos_number(flowspec->TokenBucketSize);
	/* Of a closing flowspec the numbers are not checked; a peak below the rate is none. */
	if (peak != POSITIVE_INFINITY_RATE && peak >= rate)
		tspec.peak_bps = (uint64_t)peak * BITS;
	tspec.min_bytes = gqos_number(flowspec->MinimumPolicedSize);
	if (tspec.min_bytes == 0 && tspec.max_bytes > 0 && tspec.max_bytes < DEFAULT_MIN_BYTES)
		tspec.min_bytes = tspec.max_bytes;
	return tspec;
}

static uint64_t default_bucket(const struct gw_tspec *tspec)
{
	uint64_t largest = tspec->max_bytes > 0 ? tspec->max_bytes : DEFAULT_MAX_BYTES;
	uint64_t tenth = tspec->rate_bps / BITS / 10;

	return tenth > largest ? tenth : largest;
}

static struct gw_qos_direction direction_of(const FLOWSPEC *flowspec)
{
	struct gw_qos_direction direction = nothing;

	direction.service = (enum gw_qos_service)gqos_service(flowspec);
	if (gqos_has_modifier(flowspec, SERVICE_NO_QOS_SIGNALING))
		direction.flags |= GW_QOS_NO_SIGNALLING;
	if (gqos_has_modifier(flowspec, SERVICE_NO_TRAFFIC_CONTROL))
		direction.flags |= GW_QOS_NO_TRAFFIC_CONTROL;
	if (direction.service != GW_QOS_NONE && direction.service != GW_QOS_KEEP)
		direction.tspec = tspec_of(flowspec);
	return direction;
}

static struct gw_qos_direction sending_of(const FLOWSPEC *flowspec)
{
	struct gw_qos_direction direction = direction_of(flowspec);

	if (direction.tspec.rate_bps > 0 && direction.tspec.depth_bytes == 0)
		direction.tspec.depth_bytes = default_bucket(&direction.tspec);
	return direction;
}

static struct gw_qos_direction receiving_of(const FLOWSPEC *flowspec)
{
	struct gw_qos_direction direction = direction_of(flowspec);

	if (direction.tspec.rate_bps == 0)
		direction.tspec = (struct gw_tspec){ .size = sizeof(direction.tspec) };
	if (direction.service != GW_QOS_GUARANTEED)
		return direction;
	direction.slack_us = flowspec->DelayVariation; /* not stated: the same number */
	if (direction.tspec.rate_bps == 0 && flowspec->Latency != 0 &&
	    flowspec->Latency < MODERATELY_DELAY_SENSITIVE)
		direction.latency_us = flowspec->Latency;
	return direction;
}

/* ---- reservations ---- */

static int filter_to_sender(const RSVP_FILTERSPEC *from, const struct gqos_socket *socket,
			    struct gw_rsvp_sender *ret_sender)
{
	RSVP_FILTERSPEC filter;
	ULONG flow_label;
	int error;

	memcpy(&filter, from, sizeof(filter));
	error = gqos_check_filter(&filter, socket->family, &ret_sender->address, &flow_label);
	ret_sender->form = flow_label ? GW_RSVP_FLOW_LABEL : GW_RSVP_PORTS;
	ret_sender->id = flow_label;
	return error;
}

/* 0: nothing that could be reserved. */
static uint32_t rsvp_service(enum gw_qos_service service)
{
	switch (service) {
	case GW_QOS_CONTROLLED_LOAD:
		return GW_RSVP_CONTROLLED_LOAD;
	case GW_QOS_GUARANTEED:
		return GW_RSVP_GUARANTEED;
	case GW_QOS_QUALITATIVE:
		return GW_RSVP_NULL_SERVICE;
	case GW_QOS_NONE:
	case GW_QOS_BEST_EFFORT:
	case GW_QOS_EITHER:
	case GW_QOS_KEEP:
	case GW_QOS_NETWORK_CONTROL:
		break;
	}
	return 0;
}

/* The filters of one descriptor, each a flow of its own; what is reserved stands in the first. */
static int descriptor_to_flows(const FLOWDESCRIPTOR *descriptor, const struct gqos_socket *socket,
			       struct gw_rsvp_flow *flows)
{
	const unsigned char *filters = (const unsigned char *)descriptor->FilterList;
	struct gw_qos_direction reserved = receiving_of(&descriptor->FlowSpec);
	int error = 0;

	for (ULONG i = 0; i < descriptor->NumFilters && !error; i++) {
		const void *filter = filters + i * sizeof(RSVP_FILTERSPEC);

		error = filter_to_sender(filter, socket, &flows[i].sender);
		flows[i].tspec = reserved.tspec;
		flows[i].slack_us = reserved.slack_us == UINT32_MAX ? 0 : reserved.slack_us;
		flows[i].service = rsvp_service(reserved.service);
		if (reserved.service == GW_QOS_GUARANTEED)
			flows[i].rate_bps = reserved.tspec.rate_bps;
	}
	return error;
}

static int check_filters(const FLOWDESCRIPTOR *descriptor, ULONG style)
{
	if (style == RSVP_FIXED_FILTER_STYLE
		    ? descriptor->NumFilters != 1
		    : descriptor->NumFilters == 0 || descriptor->NumFilters > GQOS_FILTERS_MAX)
		return WSA_QOS_EFILTERCOUNT;
	return descriptor->FilterList ? 0 : WSA_QOS_EFLOWDESC;
}

/* Copies a descriptor, which may lie anywhere, with the type that its flowspec stands for. */
static int read_descriptor(const RSVP_RESERVE_INFO *reservation, ULONG i, const FLOWSPEC *receiving,
			   FLOWDESCRIPTOR *ret_descriptor)
{
	const unsigned char *list = (const unsigned char *)reservation->FlowDescList;
	int error;

	memcpy(ret_descriptor, list + i * sizeof(*ret_descriptor), sizeof(*ret_descriptor));
	error = check_filters(ret_descriptor, reservation->Style);
	if (!error)
		error = gqos_check_descriptor(&ret_descriptor->FlowSpec, receiving,
					      reservation->Style);
	if (gqos_service(&ret_descriptor->FlowSpec) == SERVICETYPE_NOCHANGE)
		ret_descriptor->FlowSpec.ServiceType = receiving->ServiceType;
	return error;
}

static int translate_flows(const RSVP_RESERVE_INFO *reservation, const FLOWSPEC *receiving,
			   const struct gqos_socket *socket, struct gw_qos *qos)
{
	struct gw_rsvp_flow *flows;
	FLOWDESCRIPTOR descriptor;
	ULONG n = 0;
	int error = 0;

	flows = calloc(GQOS_FILTERS_MAX, sizeof(*flows));
	if (!flows)
		return WSAENOBUFS;
	/* By the styles' rules there are no more filters in all than there is room for. */
	for (ULONG i = 0; i < reservation->NumFlowDesc && !error; i++) {
		error = read_descriptor(reservation, i, receiving, &descriptor);
		if (!error)
			error = descriptor_to_flows(&descriptor, socket, flows + n);
		n += descriptor.NumFilters;
	}
	if (error) {
		free(flows);
		return error;
	}
	qos->flows = flows;
	qos->n_flows = n;
	return 0;
}

/* A filter that names another sender than the peer would reserve for nobody. */
static bool names_peer(const struct gw_qos *qos, const struct gqos_socket *socket)
{
	const struct sockaddr_in *given = (const struct sockaddr_in *)&qos->flows->sender.address;
	const struct sockaddr_in *peer = (const struct sockaddr_in *)&socket->peer;
	const struct sockaddr_in6 *given6 = (const struct sockaddr_in6 *)given;
	const struct sockaddr_in6 *peer6 = (const struct sockaddr_in6 *)peer;

	if (given->sin_port != peer->sin_port)
		return false;
	if (socket->family == AF_INET)
		return given->sin_addr.s_addr == peer->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&given6->sin6_addr, &peer6->sin6_addr);
}

static uint32_t style_of(ULONG style)
{
	static const uint32_t styles[] = {
		[RSVP_DEFAULT_STYLE] = 0,
		[RSVP_WILDCARD_STYLE] = GW_RSVP_WF,
		[RSVP_FIXED_FILTER_STYLE] = GW_RSVP_FF,
		[RSVP_SHARED_EXPLICIT_STYLE] = GW_RSVP_SE,
	};

	return styles[style];
}

static int translate_reservation(const RSVP_RESERVE_INFO *reservation, const FLOWSPEC *receiving,
				 const struct gqos_socket *socket, struct gw_qos *qos)
{
	bool is_default;
	int error = gqos_check_style(reservation, socket, &is_default);

	if (error)
		return error;
	qos->confirm = reservation->ConfirmRequest != 0;
	if (is_default)
		return 0;
	qos->style = style_of(reservation->Style);
	if (reservation->Style == RSVP_WILDCARD_STYLE)
		return 0;
	error = translate_flows(reservation, receiving, socket, qos);
	if (!error && socket->connected && !names_peer(qos, socket))
		return WSA_QOS_EPSFILTERSPEC;
	return error;
}

/* ---- all of it ---- */

static int translate_policy(const struct gqos_objects *objects, struct gw_qos *qos)
{
	const RSVP_POLICY_INFO *of_reservation =
		objects->has_reservation ? objects->reservation.PolicyElementList : NULL;
	void *policy = NULL;
	size_t length = 0;
	int error = 0;

	if (objects->policy.length > 0)
		error = gqos_policy_write(&objects->policy, &policy, &length);
	qos->sending_policy = policy;
	qos->sending_policy_len = length;
	if (error)
		return error;
	if (of_reservation) {
		error = gqos_policy_write_at(of_reservation, &policy, &length);
	} else if (length > 0) {
		bool failed = false;

		policy = copy_bytes(policy, length, &failed);
		if (failed)
			return WSAENOBUFS;
	}
	if (error)
		return error;
	qos->receiving_policy = policy;
	qos->receiving_policy_len = length;
	return 0;
}

static void translate_marks(const struct gqos_objects *objects, struct gw_qos *qos)
{
	/* As the system's own TCP is marked: not at all. */
	qos->dscp = objects->tcp_traffic ? 0 : objects->dscp;
	qos->priority = objects->tcp_traffic ? 0 : objects->priority;
	if (objects->has_sd_mode)
		qos->excess = (enum gw_qos_excess)(GW_QOS_EXCESS_BORROW + objects->sd_mode);
	qos->shaping_bps = (uint64_t)objects->shaping_rate * BITS;
}

/* Any destination: there is no session of that, but traffic control. */
static int translate_destination(const struct gqos_objects *objects,
				 const struct gqos_socket *socket, struct gw_qos *qos)
{
	bool any;
	int error;

	error = gqos_check_destination(&objects->destination, socket, &qos->destination, &any);
	if (!error && any)
		qos->sending.flags |= GW_QOS_NO_SIGNALLING;
	return error;
}

static int translate_objects(const QOS *qos, const struct gqos_socket *socket,
			     struct gqos_native *native)
{
	struct gqos_objects objects;
	int error;

	error = gqos_objects_read(&qos->ProviderSpecific, &objects);
	if (!error)
		error = gqos_check_objects(qos, &objects);
	if (!error)
		error = translate_policy(&objects, &native->qos);
	if (!error && objects.has_reservation)
		error = translate_reservation(&objects.reservation, &qos->ReceivingFlowspec, socket,
					      &native->qos);
	if (!error)
		error = gqos_check_binding(qos, socket);
	if (!error && objects.has_destination)
		error = translate_destination(&objects, socket, &native->qos);
	if (!error)
		translate_marks(&objects, &native->qos);
	return error;
}

/* Objects belong to the direction that uses them, and go with it if it is not set. */
static void drop_unused(struct gw_qos *qos)
{
	struct gw_qos_direction sending = qos->sending, receiving = qos->receiving;
	struct sockaddr_storage destination = qos->destination;

	if (sending.service == GW_QOS_NONE || sending.service == GW_QOS_KEEP) {
		replace_sending(qos, NULL);
		qos->sending = sending;
		/* Which of many sessions is to end (§16.2, E8). */
		if (sending.service == GW_QOS_NONE)
			qos->destination = destination;
	}
	if (receiving.service == GW_QOS_NONE || receiving.service == GW_QOS_KEEP ||
	    receiving.service == GW_QOS_BEST_EFFORT) {
		replace_receiving(qos, NULL);
		qos->receiving = receiving;
	}
}

int gqos_translate(const QOS *qos, const struct gqos_socket *socket, struct gqos_native *ret_native)
{
	struct gqos_native native;
	int error;

	error = gqos_check_flowspecs(qos);
	if (error)
		return error;
	gqos_native_init(&native);
	native.qos.sending = sending_of(&qos->SendingFlowspec);
	native.qos.receiving = receiving_of(&qos->ReceivingFlowspec);
	error = translate_objects(qos, socket, &native);
	if (error) {
		gqos_native_clear(&native);
		return error;
	}
	drop_unused(&native.qos);
	*ret_native = native;
	return 0;
}
