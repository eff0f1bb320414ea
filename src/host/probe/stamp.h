/* SPDX-License-Identifier: MIT */
/*
 * stamp.h: when something was received, by the kernel's stamp where there is one. The kernel stamps with the time of
 * day, which may be set; experiments reckon with the clock that only goes on.
 */
#ifndef GW_HOST_STAMP_H
#define GW_HOST_STAMP_H

#include <stdint.h>
#include <sys/socket.h>

uint64_t stamp_now_ns(void);

/* Between the two clocks; good for what was stamped in the last moments. */
struct stamp_clock {
	uint64_t now_ns;
	int64_t from_epoch_ns;
};

void stamp_clock_read(struct stamp_clock *ret_clock);

/* Of a message with its ancillary data; the time of `clock` where there is no stamp, or none that can be. */
uint64_t stamp_of(const struct stamp_clock *clock, struct msghdr *message);

/* Switches stamps on. -errno: there are none. */
int stamp_enable(int fd);

#endif
