/* SPDX-License-Identifier: MIT */
/*
 * items.h: between the runner and its support only.
 */
#ifndef QWAVE_ITEMS_H
#define QWAVE_ITEMS_H

#include "conformance.h"

#define ROLE_SKIP 77 /* exit status of a role that cannot do its part here */

/* Closes what the item has kept. */
void drop_kept(void);

#endif
