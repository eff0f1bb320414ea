/* SPDX-License-Identifier: MIT */
/*
 * winsock_address.c: numeric addresses in text, as WSAStringToAddress() reads them: an address with
 * or without a port, IPv6 with a port in brackets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "winqos/winsock.h"

/* Enough for any numeric address with a scope and a port. */
#define TEXT_SIZE 128

static int parse_port(const char *text, in_port_t *ret_port)
{
	unsigned long port;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	port = strtoul(text, &end, 10);
	if (*end || port > 65535)
		return -EINVAL;
	*ret_port = htons((in_port_t)port);
	return 0;
}

/*
 * Splits "address:port", "[address]:port" and "[address]" in place; *ret_port is 0 if there is
 * none. An IPv6 address is told from one with a port by its second colon.
 */
static int split_port(char *text, char **ret_address, in_port_t *ret_port)
{
	char *colon = strchr(text, ':'), *bracket;

	*ret_address = text;
	*ret_port = 0;
	if (text[0] == '[') {
		bracket = strchr(text, ']');
		if (!bracket || (bracket[1] && bracket[1] != ':'))
			return -EINVAL;
		*ret_address = text + 1;
		*bracket = '\0';
		return bracket[1] ? parse_port(bracket + 2, ret_port) : 0;
	}
	if (!colon || strchr(colon + 1, ':'))
		return 0;
	*colon = '\0';
	return parse_port(colon + 1, ret_port);
}

static int parse_address(const char *text, int family, struct sockaddr_storage *ret_address,
			 socklen_t *ret_length)
{
	struct addrinfo hints = { .ai_family = family,
				  .ai_flags = AI_NUMERICHOST,
				  .ai_socktype = SOCK_DGRAM };
	struct addrinfo *found;

	if (getaddrinfo(text, NULL, &hints, &found) != 0)
		return -EINVAL;
	memcpy(ret_address, found->ai_addr, found->ai_addrlen);
	*ret_length = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

INT WSAAPI WSAStringToAddressA(LPSTR AddressString, INT AddressFamily,
			       LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSOCKADDR lpAddress,
			       LPINT lpAddressLength)
{
	struct sockaddr_storage address;
	char copy[TEXT_SIZE], *text;
	socklen_t length;
	in_port_t port;

	if (!AddressString || !lpAddress || !lpAddressLength)
		return winsock_fail(-EFAULT);
	if (lpProtocolInfo || (AddressFamily != AF_INET && AddressFamily != AF_INET6) ||
	    strlen(AddressString) >= sizeof(copy))
		return winsock_fail(-EINVAL);
	strcpy(copy, AddressString);
	if (split_port(copy, &text, &port) < 0 ||
	    parse_address(text, AddressFamily, &address, &length) < 0)
		return winsock_fail(-EINVAL);
	/* The port stands at the same place in both families. */
	((struct sockaddr_in *)&address)->sin_port = port;

	if (*lpAddressLength < (INT)length) {
		*lpAddressLength = (INT)length;
		return winsock_fail(-EFAULT);
	}
	memcpy(lpAddress, &address, length);
	*lpAddressLength = (INT)length;
	return 0;
}
