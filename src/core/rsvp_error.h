/* SPDX-License-Identifier: MIT */
/* rsvp_error.h: what the error codes of RSVP (RFC 2205 App. B and what came after it) are called. */
#ifndef GW_CORE_RSVP_ERROR_H
#define GW_CORE_RSVP_ERROR_H

#include <stdint.h>

/* NULL: no such code is registered. */
const char *rsvp_error_name(uint8_t code);

#endif
