/* SPDX-License-Identifier: MIT */
/* radio.h: whether an interface is a wireless one, and how fast its radio is now. No privilege. */
#ifndef GW_DATAPATH_RADIO_H
#define GW_DATAPATH_RADIO_H

#include <stdbool.h>
#include <stdint.h>

/* *ret_rate_bps is that of the physical layer; 0: not known. */
bool radio_read(const char *name, uint64_t *ret_rate_bps);

#endif
