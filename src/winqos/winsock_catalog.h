/* SPDX-License-Identifier: MIT */
/* winsock_catalog.h: what the entries of the protocol catalog stand for. */
#ifndef GW_WINQOS_WINSOCK_CATALOG_H
#define GW_WINQOS_WINSOCK_CATALOG_H

#include <stdbool.h>
#include <winsock2.h>

struct catalog_entry {
	int family, type, protocol;
	bool qos; /* its sockets are QoS-enabled */
};

/* By dwCatalogEntryId; -EINVAL if there is none. */
int catalog_find(DWORD id, struct catalog_entry *ret_entry);

#endif
