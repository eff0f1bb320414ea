/* SPDX-License-Identifier: MIT */
/*
 * noise.h: octets that neither compress nor tell anything, for what probes carry (xorshift64*). No secrets are made
 * of it.
 */
#ifndef GW_PROBE_NOISE_H
#define GW_PROBE_NOISE_H

#include <stddef.h>
#include <stdint.h>

/* `state`: anything but 0 at first. */
static inline uint64_t noise_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void noise_fill(uint64_t *state, uint8_t *buf, size_t len)
{
	uint64_t noise = 0;

	for (size_t i = 0; i < len; i++) {
		if (i % 8 == 0)
			noise = noise_next(state);
		buf[i] = (uint8_t)(noise >> i % 8 * 8);
	}
}

/* So that what others send regularly is met at any time of theirs: so much longer than the least. */
static inline uint64_t noise_below(uint64_t *state, uint64_t most)
{
	return most > 0 ? noise_next(state) % most : 0;
}

#endif
