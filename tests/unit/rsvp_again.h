/* SPDX-License-Identifier: MIT */
/* rsvp_again.h: writes a message anew from what was understood of it. */
#ifndef GW_TESTS_RSVP_AGAIN_H
#define GW_TESTS_RSVP_AGAIN_H

#include "rsvp/message.h"

/*
 * In the order of the RFCs, whatever it was before, without NULL objects and those that are dropped. Opaque objects
 * go as they came. Returns the length; 0: it is longer than `capacity`.
 */
size_t rsvp_again(const struct rsvp_message *message, uint8_t *buf, size_t capacity);

#endif
