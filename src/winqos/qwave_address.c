/* SPDX-License-Identifier: MIT */
/*
 * qwave_address.c: reading an address that comes without its length, and telling a host that can be
 * tracked (spec/qwave.md §5.3, §5.9).
 */
#include <netinet/in.h>

#include "winqos/qwave.h"

socklen_t qos_address_length(const struct sockaddr *address)
{
	switch (address->sa_family) {
	case AF_INET:
		return sizeof(struct sockaddr_in);
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr))
			return 0;
		return sizeof(struct sockaddr_in6);
	default:
		return 0;
	}
}

bool qos_address_unspecified(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

bool qos_address_group(const struct sockaddr *address)
{
	uint32_t ip;

	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)address)->sin6_addr);
	ip = ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr);
	return IN_MULTICAST(ip) || ip == INADDR_BROADCAST;
}
