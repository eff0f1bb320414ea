/* SPDX-License-Identifier: MIT */
/*
 * address.c: see address.h. Socket addresses arrive from applications, at any alignment and with
 * any length, and are copied out before they are looked at.
 */
#include "core/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const uint8_t v4_mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static_assert(sizeof(struct address) == 24, "padding would break comparing and hashing by bytes");

static const uint8_t *v4_bytes(const struct address *address)
{
	return address->addr + sizeof(v4_mapped_prefix);
}

static void set_v4(struct address *address, const void *bytes)
{
	address->family = AF_INET;
	memcpy(address->addr, v4_mapped_prefix, sizeof(v4_mapped_prefix));
	memcpy(address->addr + sizeof(v4_mapped_prefix), bytes, 4);
}

static int read_v4(const struct sockaddr *sa, socklen_t len, struct address *ret_address)
{
	struct address address = { 0 };
	struct sockaddr_in sin;

	if (len < sizeof(sin))
		return -EINVAL;
	memcpy(&sin, sa, sizeof(sin));

	set_v4(&address, &sin.sin_addr);
	address.port = ntohs(sin.sin_port);
	*ret_address = address;
	return 0;
}

static int read_v6(const struct sockaddr *sa, socklen_t len, struct address *ret_address)
{
	struct address address = { 0 };
	struct sockaddr_in6 sin6;

	if (len < sizeof(sin6))
		return -EINVAL;
	memcpy(&sin6, sa, sizeof(sin6));

	if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr)) {
		set_v4(&address, sin6.sin6_addr.s6_addr + sizeof(v4_mapped_prefix));
	} else {
		address.family = AF_INET6;
		memcpy(address.addr, &sin6.sin6_addr, sizeof(address.addr));
		/* Only there does the scope tell two hosts apart; elsewhere it would break
		 * equality. */
		if (address_is_link_local(&address))
			address.scope = sin6.sin6_scope_id;
	}
	address.port = ntohs(sin6.sin6_port);
	*ret_address = address;
	return 0;
}

int address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct address *ret_address)
{
	sa_family_t family;

	if (len < offsetof(struct sockaddr, sa_family) + sizeof(family))
		return -EINVAL;
	memcpy(&family, (const char *)sa + offsetof(struct sockaddr, sa_family), sizeof(family));

	if (family == AF_INET)
		return read_v4(sa, len, ret_address);
	if (family == AF_INET6)
		return read_v6(sa, len, ret_address);
	return -EAFNOSUPPORT;
}

void address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret_sockaddr)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };

	/* By copying: the storage is of another type, and the compiler may rely on that. */
	memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
	if (address->family == AF_INET) {
		sin.sin_port = htons(address->port);
		memcpy(&sin.sin_addr, v4_bytes(address), sizeof(sin.sin_addr));
		memcpy(ret_sockaddr, &sin, sizeof(sin));
	} else if (address->family == AF_INET6) {
		sin6.sin6_port = htons(address->port);
		sin6.sin6_scope_id = address->scope;
		memcpy(&sin6.sin6_addr, address->addr, sizeof(sin6.sin6_addr));
		memcpy(ret_sockaddr, &sin6, sizeof(sin6));
	}
}

bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool address_is_unspecified(const struct address *address)
{
	static const uint8_t zero[16];

	if (address->family == AF_INET)
		return memcmp(v4_bytes(address), zero, 4) == 0;
	return memcmp(address->addr, zero, sizeof(zero)) == 0;
}

bool address_is_multicast(const struct address *address)
{
	static const uint8_t limited_broadcast[4] = { 255, 255, 255, 255 };

	if (address->family == AF_INET)
		return (v4_bytes(address)[0] & 0xf0) == 0xe0 ||
		       memcmp(v4_bytes(address), limited_broadcast, sizeof(limited_broadcast)) == 0;
	return address->family == AF_INET6 && address->addr[0] == 0xff;
}

bool address_is_link_local(const struct address *address)
{
	const uint8_t *a = address->addr;
	uint8_t multicast_scope;

	if (address->family != AF_INET6)
		return false;
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return true;
	/* RFC 4291 §2.7: 1 is interface-local, 2 is link-local. */
	multicast_scope = a[1] & 0x0f;
	return a[0] == 0xff && (multicast_scope == 1 || multicast_scope == 2);
}

const char *address_format(const struct address *address, char buf[static ADDRESS_TEXT_LEN])
{
	char host[INET6_ADDRSTRLEN];

	if (address->family == AF_INET) {
		inet_ntop(AF_INET, v4_bytes(address), host, sizeof(host));
		snprintf(buf, ADDRESS_TEXT_LEN, "%s:%u", host, address->port);
	} else if (address->family == AF_INET6) {
		inet_ntop(AF_INET6, address->addr, host, sizeof(host));
		if (address->scope != 0)
			snprintf(buf, ADDRESS_TEXT_LEN, "[%s%%%u]:%u", host, address->scope,
				 address->port);
		else
			snprintf(buf, ADDRESS_TEXT_LEN, "[%s]:%u", host, address->port);
	} else {
		snprintf(buf, ADDRESS_TEXT_LEN, "none");
	}
	return buf;
}
