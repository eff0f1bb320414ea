/* SPDX-License-Identifier: MIT */
/* fuzz.h: what libFuzzer, and replay.c in its place, expect of a target, and what targets share. */
#ifndef GW_TESTS_FUZZ_H
#define GW_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require(bool holds)
{
	if (!holds)
		abort();
}

/* An input that is a run of steps: what, a detail, the length of what follows in two bytes, and that. */
struct fuzz_steps {
	const uint8_t *data;
	size_t size;
	unsigned bare_from; /* what is said by this number or a higher one takes nothing along */
	unsigned most;	    /* steps; more take time and show nothing else */
	size_t position;
};

struct fuzz_step {
	unsigned what, detail;
	const uint8_t *data;
	size_t len;
};

static inline bool fuzz_step_next(struct fuzz_steps *steps, struct fuzz_step *ret_step)
{
	const uint8_t *head = steps->data + steps->position;
	size_t left = steps->size - steps->position, len;

	if (steps->most == 0 || left < 4)
		return false;
	steps->most--;
	left -= 4;
	len = head[0] < steps->bare_from ? head[2] | (size_t)head[3] << 8 : 0;
	if (len > left)
		len = left;
	*ret_step = (struct fuzz_step){ head[0], head[1], head + 4, len };
	steps->position += 4 + len;
	return true;
}

#endif
