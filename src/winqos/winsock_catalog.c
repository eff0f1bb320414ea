/* SPDX-License-Identifier: MIT */
/*
 * winsock_catalog.c: the protocol catalog (spec/gqos.md §7.1): each protocol plain and, under the same name, with QoS.
 * The plain ones come first, as a search for the first match is to find those.
 */
#include "winqos/winsock_catalog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "winqos/winsock.h"

#define TCP_FLAGS                                                              \
	(XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE | \
	 XP1_EXPEDITED_DATA | XP1_IFS_HANDLES)
#define UDP_FLAGS                                                            \
	(XP1_CONNECTIONLESS | XP1_MESSAGE_ORIENTED | XP1_SUPPORT_BROADCAST | \
	 XP1_SUPPORT_MULTIPOINT | XP1_IFS_HANDLES)

#define FIRST_ENTRY_ID 1001
#define UDP_MAX_PAYLOAD4 65507 /* 65535 without the headers of IPv4 and UDP */
#define UDP_MAX_PAYLOAD6 65527 /* the header of IPv6 is not counted */

struct protocol {
	int family, type, protocol;
	DWORD flags, message_size;
	const char *name;
};

/* clang-format off */
static const struct protocol protocols[] = {
	{ AF_INET,  SOCK_STREAM, IPPROTO_TCP, TCP_FLAGS, 0,                "TCP/IP" },
	{ AF_INET,  SOCK_DGRAM,  IPPROTO_UDP, UDP_FLAGS, UDP_MAX_PAYLOAD4, "UDP/IP" },
	{ AF_INET6, SOCK_STREAM, IPPROTO_TCP, TCP_FLAGS, 0,                "TCP/IPv6" },
	{ AF_INET6, SOCK_DGRAM,  IPPROTO_UDP, UDP_FLAGS, UDP_MAX_PAYLOAD6, "UDP/IPv6" },
};
/* clang-format on */

#define ENTRY_COUNT (2 * ARRAYSIZE(protocols))

static const GUID plain_provider = {
	0x5b1f5c1e, 0x6a3d, 0x4c0e, { 0x9d, 0x2b, 0x47, 0x57, 0x70, 0x6c, 0x61, 0x6e }
};
static const GUID qos_provider = {
	0x5b1f5c1e, 0x6a3d, 0x4c0e, { 0x9d, 0x2b, 0x47, 0x57, 0x72, 0x73, 0x76, 0x70 }
};

static void fill_entry(unsigned index, WSAPROTOCOL_INFOA *info)
{
	const struct protocol *protocol = &protocols[index % ARRAYSIZE(protocols)];
	const bool qos = index >= ARRAYSIZE(protocols);
	const int address_size = protocol->family == AF_INET ? (int)sizeof(struct sockaddr_in)
							     : (int)sizeof(struct sockaddr_in6);

	memset(info, 0, sizeof(*info));
	info->dwServiceFlags1 = protocol->flags | (qos ? XP1_QOS_SUPPORTED : 0);
	info->dwProviderFlags = PFL_MATCHES_PROTOCOL_ZERO;
	info->ProviderId = qos ? qos_provider : plain_provider;
	info->dwCatalogEntryId = FIRST_ENTRY_ID + index;
	info->ProtocolChain.ChainLen = BASE_PROTOCOL;
	info->iVersion = 2;
	info->iAddressFamily = protocol->family;
	info->iMaxSockAddr = info->iMinSockAddr = address_size;
	info->iSocketType = protocol->type;
	info->iProtocol = protocol->protocol;
	info->iNetworkByteOrder = BIGENDIAN;
	info->iSecurityScheme = SECURITY_PROTOCOL_NONE;
	info->dwMessageSize = protocol->message_size;
	snprintf(info->szProtocol, sizeof(info->szProtocol), "%sgreenwave %s", qos ? "RSVP " : "",
		 protocol->name);
}

/* All members before the name are the same in both forms. */
static void widen_entry(const WSAPROTOCOL_INFOA *info, WSAPROTOCOL_INFOW *wide)
{
	memset(wide, 0, sizeof(*wide));
	memcpy(wide, info, offsetof(WSAPROTOCOL_INFOA, szProtocol));
	for (unsigned i = 0; info->szProtocol[i]; i++)
		wide->szProtocol[i] = (WCHAR)info->szProtocol[i];
}

static bool is_listed(const int *list, int protocol)
{
	if (!list)
		return true;
	for (; *list; list++) {
		if (*list == protocol)
			return true;
	}
	return false;
}

/* The indexes of the entries that are asked for. */
static unsigned choose(const int *list, unsigned indexes[ENTRY_COUNT])
{
	unsigned count = 0;

	for (unsigned i = 0; i < ENTRY_COUNT; i++) {
		if (is_listed(list, protocols[i % ARRAYSIZE(protocols)].protocol))
			indexes[count++] = i;
	}
	return count;
}

/* 0 if `size` bytes are there for so many entries. */
static int check_room(unsigned count, size_t entry_size, const void *buffer, LPDWORD size)
{
	const DWORD needed = (DWORD)(count * entry_size);

	if (!size)
		return -EFAULT;
	if (*size < needed) {
		*size = needed;
		return -ENOBUFS;
	}
	return buffer || !needed ? 0 : -EFAULT;
}

int WSAAPI WSAEnumProtocolsA(LPINT lpiProtocols, LPWSAPROTOCOL_INFOA lpProtocolBuffer,
			     LPDWORD lpdwBufferLength)
{
	unsigned indexes[ENTRY_COUNT], count = choose(lpiProtocols, indexes);
	int r = check_room(count, sizeof(*lpProtocolBuffer), lpProtocolBuffer, lpdwBufferLength);

	if (r < 0)
		return winsock_fail(r);
	for (unsigned i = 0; i < count; i++)
		fill_entry(indexes[i], &lpProtocolBuffer[i]);
	return (int)count;
}

int WSAAPI WSAEnumProtocolsW(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
			     LPDWORD lpdwBufferLength)
{
	unsigned indexes[ENTRY_COUNT], count = choose(lpiProtocols, indexes);
	int r = check_room(count, sizeof(*lpProtocolBuffer), lpProtocolBuffer, lpdwBufferLength);
	WSAPROTOCOL_INFOA info;

	if (r < 0)
		return winsock_fail(r);
	for (unsigned i = 0; i < count; i++) {
		fill_entry(indexes[i], &info);
		widen_entry(&info, &lpProtocolBuffer[i]);
	}
	return (int)count;
}

int catalog_find(DWORD id, struct catalog_entry *ret_entry)
{
	const struct protocol *protocol;
	DWORD index = id - FIRST_ENTRY_ID;

	if (index >= ENTRY_COUNT)
		return -EINVAL;
	protocol = &protocols[index % ARRAYSIZE(protocols)];
	*ret_entry = (struct catalog_entry){ .family = protocol->family,
					     .type = protocol->type,
					     .protocol = protocol->protocol,
					     .qos = index >= ARRAYSIZE(protocols) };
	return 0;
}
