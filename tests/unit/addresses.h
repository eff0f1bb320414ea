/* SPDX-License-Identifier: MIT */
/* addresses.h: addresses as tests name them. */
#ifndef GW_TESTS_ADDRESSES_H
#define GW_TESTS_ADDRESSES_H

#include "core/address.h"

/* Of either family, "192.0.2.1" or "2001:db8::1". Fails the test if it is none. */
struct address address_named(const char *host, uint16_t port);

#endif
