/* SPDX-License-Identifier: MIT */
/* gqos_check.c: see gqos_check.h. */
#include "winqos/gqos_check.h"

#include <string.h>

#define NETWORK_ORDER_LABEL_BITS 20

/* ---- service types (§4.2, §5.1) ---- */

static bool has_legal_modifiers(ULONG type)
{
	switch (type & ~0xffffu) {
	case 0:
	case SERVICE_NO_TRAFFIC_CONTROL:
	case SERVICE_NO_QOS_SIGNALING:
	case SERVICE_NO_TRAFFIC_CONTROL | SERVICE_NO_QOS_SIGNALING:
		return true;
	default:
		return false;
	}
}

static bool is_service(const FLOWSPEC *flowspec, bool sending)
{
	if (!has_legal_modifiers(flowspec->ServiceType))
		return false;
	switch (gqos_service(flowspec)) {
	case SERVICETYPE_NOTRAFFIC:
	case SERVICETYPE_BESTEFFORT:
	case SERVICETYPE_CONTROLLEDLOAD:
	case SERVICETYPE_GUARANTEED:
	case SERVICETYPE_NOCHANGE:
	case SERVICETYPE_QUALITATIVE:
		return true;
	case SERVICETYPE_GENERAL_INFORMATION:
	case SERVICETYPE_NETWORK_CONTROL:
		return sending;
	default:
		return false;
	}
}

bool gqos_signals(const FLOWSPEC *flowspec)
{
	switch (gqos_service(flowspec)) {
	case SERVICETYPE_NOTRAFFIC:
	case SERVICETYPE_BESTEFFORT:
	case SERVICETYPE_NOCHANGE:
		return false;
	default:
		return true;
	}
}

/* ---- flowspecs (§5.3) ---- */

ULONG gqos_number(ULONG number)
{
	return number == QOS_NOT_SPECIFIED ? 0 : number;
}

static bool is_rate(ULONG rate)
{
	return rate != 0 && rate != QOS_NOT_SPECIFIED && rate != POSITIVE_INFINITY_RATE;
}

/* What contradicts itself whoever says it; what is not stated contradicts nothing. */
static bool is_consistent(const FLOWSPEC *flowspec)
{
	ULONG peak = flowspec->PeakBandwidth, min = flowspec->MinimumPolicedSize;

	/* The two marks of "no limit" are the largest numbers there are. */
	if (is_rate(flowspec->TokenRate) && peak < flowspec->TokenRate)
		return false;
	return min == QOS_NOT_SPECIFIED || min <= flowspec->MaxSduSize;
}

static bool can_send(const FLOWSPEC *flowspec)
{
	switch (gqos_service(flowspec)) {
	case SERVICETYPE_NOTRAFFIC:
	case SERVICETYPE_BESTEFFORT:
	case SERVICETYPE_NOCHANGE:
		return true;
	case SERVICETYPE_QUALITATIVE:
		return !is_rate(flowspec->TokenRate) || is_consistent(flowspec);
	default:
		return is_rate(flowspec->TokenRate) && flowspec->TokenBucketSize != 0 &&
		       flowspec->MinimumPolicedSize != 0 && is_consistent(flowspec);
	}
}

/* Zeros are as good as QOS_NOT_SPECIFIED: "only the service type is needed" (§5.3). Hints are no latencies (§4.3). */
static bool has_latency(const FLOWSPEC *flowspec)
{
	return flowspec->Latency != 0 && flowspec->Latency < MODERATELY_DELAY_SENSITIVE;
}

static bool can_receive(const FLOWSPEC *flowspec)
{
	ULONG rate = flowspec->TokenRate;
	FLOWSPEC stated = *flowspec;

	if (!gqos_signals(flowspec))
		return true;
	if (rate == POSITIVE_INFINITY_RATE)
		return false;
	if (!is_rate(rate))
		return true; /* and then no other bound has an effect */
	if (gqos_service(flowspec) == SERVICETYPE_GUARANTEED && has_latency(flowspec))
		return false;
	if (stated.PeakBandwidth == 0)
		stated.PeakBandwidth = QOS_NOT_SPECIFIED;
	if (stated.MaxSduSize == 0)
		stated.MaxSduSize = QOS_NOT_SPECIFIED;
	return is_consistent(&stated);
}

int gqos_check_flowspecs(const QOS *qos)
{
	if (!is_service(&qos->SendingFlowspec, true) || !is_service(&qos->ReceivingFlowspec, false))
		return WSA_QOS_ESERVICETYPE;
	if (!can_send(&qos->SendingFlowspec) || !can_receive(&qos->ReceivingFlowspec))
		return WSA_QOS_EFLOWSPEC;
	return 0;
}

int gqos_check_objects(const QOS *qos, const struct gqos_objects *objects)
{
	const FLOWSPEC *sending = &qos->SendingFlowspec;
	bool shaped = objects->sd_mode == TC_NONCONF_SHAPE && objects->shaping_rate != 0;

	/* Those of a direction that ends, or stays as it is, are not used. */
	if (!objects->has_sd_mode || objects->sd_mode == TC_NONCONF_BORROW || shaped ||
	    gqos_service(sending) == SERVICETYPE_NOTRAFFIC ||
	    gqos_service(sending) == SERVICETYPE_NOCHANGE)
		return 0;
	return is_rate(sending->TokenRate) ? 0 : WSA_QOS_ESDMODEOBJ;
}

/* A type of its own only where each sender has a reservation of its own (§10). */
static bool is_descriptor_service(const FLOWSPEC *flowspec, const FLOWSPEC *receiving, ULONG style)
{
	if (gqos_service(flowspec) == SERVICETYPE_NOCHANGE ||
	    gqos_service(flowspec) == gqos_service(receiving))
		return has_legal_modifiers(flowspec->ServiceType);
	return style == RSVP_FIXED_FILTER_STYLE && gqos_signals(flowspec) &&
	       is_service(flowspec, false);
}

int gqos_check_descriptor(const FLOWSPEC *flowspec, const FLOWSPEC *receiving, ULONG style)
{
	FLOWSPEC own = *flowspec;

	if (!is_descriptor_service(flowspec, receiving, style))
		return WSA_QOS_EPSFLOWSPEC;
	if (gqos_service(flowspec) == SERVICETYPE_NOCHANGE)
		own.ServiceType = receiving->ServiceType;
	/* A latency would have to be met by each sender by itself. */
	if (!can_receive(&own) ||
	    (gqos_service(&own) == SERVICETYPE_GUARANTEED && has_latency(&own)))
		return WSA_QOS_EPSFLOWSPEC;
	return 0;
}

/* ---- styles (§10) ---- */

static int check_fixed(const RSVP_RESERVE_INFO *reservation, bool has_peer, bool *ret_default)
{
	ULONG count = reservation->NumFlowDesc;

	if (has_peer && count > 1)
		return WSA_QOS_EFILTERSTYLE;
	if ((!has_peer && count == 0) || count > GQOS_FILTERS_MAX)
		return WSA_QOS_EFLOWCOUNT;
	*ret_default = count == 0;
	return count > 0 && !reservation->FlowDescList ? WSA_QOS_EFLOWDESC : 0;
}

int gqos_check_style(const RSVP_RESERVE_INFO *reservation, const struct gqos_socket *socket,
		     bool *ret_default)
{
	bool has_peer = socket->stream || socket->connected;

	*ret_default = reservation->Style == RSVP_DEFAULT_STYLE;
	switch (reservation->Style) {
	case RSVP_DEFAULT_STYLE:
		return 0;
	case RSVP_WILDCARD_STYLE:
		if (has_peer)
			return WSA_QOS_EFILTERSTYLE;
		return reservation->NumFlowDesc != 0 ? WSA_QOS_EFLOWCOUNT : 0;
	case RSVP_FIXED_FILTER_STYLE:
		return check_fixed(reservation, has_peer, ret_default);
	case RSVP_SHARED_EXPLICIT_STYLE:
		if (has_peer)
			return WSA_QOS_EFILTERSTYLE;
		if (reservation->NumFlowDesc != 1)
			return WSA_QOS_EFLOWCOUNT;
		return reservation->FlowDescList ? 0 : WSA_QOS_EFLOWDESC;
	default:
		return WSA_QOS_EFILTERSTYLE;
	}
}

static bool read_ipv6(const void *address, USHORT port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = port };

	memcpy(&in6.sin6_addr, address, sizeof(in6.sin6_addr));
	memcpy(ret_address, &in6, sizeof(in6));
	return !IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr);
}

static bool read_ipv4(const RSVP_FILTERSPEC_V4 *filter, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = filter->Port };

	in.sin_addr.s_addr = filter->Address.Addr;
	memcpy(ret_address, &in, sizeof(in));
	return in.sin_addr.s_addr != htonl(INADDR_ANY);
}

int gqos_check_filter(const RSVP_FILTERSPEC *filter, int family,
		      struct sockaddr_storage *ret_address, ULONG *ret_flow_label)
{
	int type = (int)filter->Type; /* the program may have put anything there */
	const UCHAR *label = filter->FilterSpecV6Flow.FlowLabel;
	bool named;

	memset(ret_address, 0, sizeof(*ret_address));
	*ret_flow_label = 0;
	if (type == FILTERSPECV4 && family == AF_INET) {
		named = filter->FilterSpecV4.Port != 0 &&
			read_ipv4(&filter->FilterSpecV4, ret_address);
	} else if (type == FILTERSPECV6 && family == AF_INET6) {
		named = filter->FilterSpecV6.Port != 0 &&
			read_ipv6(&filter->FilterSpecV6.Address, filter->FilterSpecV6.Port,
				  ret_address);
	} else if (type == FILTERSPECV6_FLOW && family == AF_INET6) {
		*ret_flow_label = (ULONG)label[0] << 16 | (ULONG)label[1] << 8 | label[2];
		named = *ret_flow_label != 0 && *ret_flow_label >> NETWORK_ORDER_LABEL_BITS == 0 &&
			read_ipv6(&filter->FilterSpecV6Flow.Address, 0, ret_address);
	} else {
		return WSA_QOS_EFILTERTYPE;
	}
	return named ? 0 : WSA_QOS_EPSFILTERSPEC;
}

/* ---- addresses (§6, §7.5) ---- */

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (a->ss_family != b->ss_family || a4->sin_port != b4->sin_port)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

static bool is_unspecified(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static bool is_any(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET &&
	       ((const struct sockaddr_in *)address)->sin_addr.s_addr == ANY_DEST_ADDR;
}

int gqos_check_destination(const QOS_DESTADDR *destination, const struct gqos_socket *socket,
			   struct sockaddr_storage *ret_address, bool *ret_any)
{
	size_t size = socket->family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6);
	struct sockaddr_storage address = { 0 };

	if (!destination->SocketAddress ||
	    destination->SocketAddressLength < sizeof(address.ss_family))
		return WSAEFAULT;
	memcpy(&address.ss_family, destination->SocketAddress, sizeof(address.ss_family));
	if (address.ss_family != socket->family)
		return WSAEAFNOSUPPORT;
	if (destination->SocketAddressLength < size)
		return WSAEFAULT;
	memcpy(&address, destination->SocketAddress, size);

	*ret_any = is_any(&address);
	*ret_address = address;
	if (socket->stream || socket->connected) {
		if (!socket->connected || !same_address(&address, &socket->peer))
			return WSAEINVAL;
		ret_address->ss_family = AF_UNSPEC;
		return 0;
	}
	/* The port stands at the same place in both families. */
	if (!*ret_any &&
	    (((struct sockaddr_in *)&address)->sin_port == 0 || is_unspecified(&address)))
		return WSAEINVAL;
	return 0;
}

int gqos_check_binding(const QOS *qos, const struct gqos_socket *socket)
{
	if (socket->stream || socket->bound || !gqos_signals(&qos->SendingFlowspec))
		return 0;
	return WSAEINVAL;
}
