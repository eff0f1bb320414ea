/* SPDX-License-Identifier: MIT */
/* addresses.c: see addresses.h. */
#include "addresses.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

struct address address_named(const char *host, uint16_t port)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct address address;
	int r;

	if (inet_pton(AF_INET, host, &sin.sin_addr) == 1) {
		r = address_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &address);
	} else {
		assert_int_equal(inet_pton(AF_INET6, host, &sin6.sin6_addr), 1);
		r = address_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &address);
	}
	assert_int_equal(r, 0);
	return address;
}
