/* SPDX-License-Identifier: MIT */
/*
 * gqos_check.h: what a QOS structure may say, in the order in which Windows complains (spec/gqos.md §5, §6, §7.5, §10).
 * Without a system call: what must be known of the socket is passed in.
 */
#ifndef GW_WINQOS_GQOS_CHECK_H
#define GW_WINQOS_GQOS_CHECK_H

#include "winqos/gqos_object.h"

struct gqos_socket {
	int family; /* AF_INET, AF_INET6 */
	bool stream, bound, connected;
	struct sockaddr_storage peer; /* if connected */
};

#define GQOS_FILTERS_MAX 99 /* of one descriptor, and descriptors of one reservation (§10) */

/* The primary type, and its modifiers. */
static inline ULONG gqos_service(const FLOWSPEC *flowspec)
{
	return flowspec->ServiceType & 0xffff;
}

static inline bool gqos_has_modifier(const FLOWSPEC *flowspec, ULONG modifier)
{
	return (flowspec->ServiceType & modifier) == modifier;
}

/* Whether anything is signalled for a type, unless a modifier forbids it. */
bool gqos_signals(const FLOWSPEC *flowspec);

/* 0 for what is not stated. */
ULONG gqos_number(ULONG number);

/* Both flowspecs: WSA_QOS_ESERVICETYPE of either, then WSA_QOS_EFLOWSPEC. */
int gqos_check_flowspecs(const QOS *qos);

/* Objects that need more than themselves to be judged: WSA_QOS_ESDMODEOBJ. */
int gqos_check_objects(const QOS *qos, const struct gqos_objects *objects);

/*
 * The style and the counts of a reservation for a socket of this kind, without following its pointers, which may be
 * followed then. *ret_default: the style is the socket's own and the descriptors do not matter.
 */
int gqos_check_style(const RSVP_RESERVE_INFO *reservation, const struct gqos_socket *socket,
		     bool *ret_default);

/* One descriptor's flowspec, beside that of the receiving direction, in a style: WSA_QOS_EPSFLOWSPEC. */
int gqos_check_descriptor(const FLOWSPEC *flowspec, const FLOWSPEC *receiving, ULONG style);

/* A filter, whose address is copied: WSA_QOS_EFILTERTYPE, WSA_QOS_EPSFILTERSPEC. */
int gqos_check_filter(const RSVP_FILTERSPEC *filter, int family,
		      struct sockaddr_storage *ret_address, ULONG *ret_flow_label);

/*
 * QOS_OBJECT_DESTADDR: its address is copied; AF_UNSPEC: it is the peer and says nothing new. *ret_any: traffic control
 * for any destination. WSAEFAULT, WSAEAFNOSUPPORT, WSAEINVAL.
 */
int gqos_check_destination(const QOS_DESTADDR *destination, const struct gqos_socket *socket,
			   struct sockaddr_storage *ret_address, bool *ret_any);

/* Whether the socket can begin to send with such QoS: WSAEINVAL. */
int gqos_check_binding(const QOS *qos, const struct gqos_socket *socket);

#endif
