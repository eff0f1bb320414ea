/* SPDX-License-Identifier: MIT */
/*
 * gqos_policy.h: policy elements, between the lists of Windows programs (RSVP_POLICY_INFO, host byte order) and the
 * POLICY_DATA objects of RSVP (RFC 2750, network byte order).
 */
#ifndef GW_WINQOS_GQOS_POLICY_H
#define GW_WINQOS_GQOS_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "winqos/gqos_object.h"

/*
 * The one POLICY_DATA object for a list of elements, to be freed; NULL with length 0 for an empty list.
 * WSA_QOS_EPOLICYOBJ, WSA_QOS_RESERVED_PETYPE, WSAENOBUFS.
 */
int gqos_policy_write(const struct gqos_object *object, void **ret_policy, size_t *ret_length);

/* The same for an RSVP_POLICY_INFO that a program points to. */
int gqos_policy_write_at(const RSVP_POLICY_INFO *info, void **ret_policy, size_t *ret_length);

/*
 * The other way: an RSVP_POLICY_INFO of the elements in POLICY_DATA objects, as far as they are well formed, in at most
 * `capacity` bytes. Returns its length, a multiple of 8; 0 if there are none.
 */
size_t gqos_policy_read(const uint8_t *policy, size_t length, unsigned char *info, size_t capacity);

#endif
