/* SPDX-License-Identifier: MIT */
/*
 * address.h: a transport address in one form for IPv4 and IPv6, fit for comparing, hashing and
 * sending: an IPv4 address is kept as ::ffff:a.b.c.d, exactly as a dual-stack socket and our BPF
 * maps see it.
 */
#ifndef GW_CORE_ADDRESS_H
#define GW_CORE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* No padding: two equal addresses are equal bytes. All zero means "none". */
struct address {
	uint8_t addr[16];
	uint16_t port;	 /* host byte order */
	uint16_t family; /* of the packet: AF_INET, AF_INET6, or AF_UNSPEC for none */
	uint32_t scope;	 /* interface index of a link-local address, else 0 */
};

/*
 * Reads a socket address; `len` bounds what is read. v4-mapped IPv6 becomes AF_INET.
 * -EINVAL: too short for its family. -EAFNOSUPPORT: neither IPv4 nor IPv6.
 */
int address_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct address *ret_address);

/* Writes it as a sockaddr of its family; AF_UNSPEC gives a zeroed one. */
void address_to_sockaddr(const struct address *address, struct sockaddr_storage *ret_sockaddr);

bool address_equal(const struct address *a, const struct address *b);
bool address_is_unspecified(const struct address *address); /* 0.0.0.0 or :: */
bool address_is_multicast(const struct address *address);   /* and limited broadcast */
bool address_is_link_local(const struct address *address);  /* fe80::/10; groups of scope 1, 2 */

/* "192.0.2.1:5060", "[2001:db8::1]:5060", "[fe80::1%2]:5060", "none"; returns `buf`. */
#define ADDRESS_TEXT_LEN 72
const char *address_format(const struct address *address, char buf[static ADDRESS_TEXT_LEN]);

#endif
