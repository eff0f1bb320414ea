/* SPDX-License-Identifier: MIT */
/*
 * throttle.h: a descriptor on which strangers can make us work: it is read so often a second, and rests otherwise,
 * while the kernel throws away what does not fit into its buffer. Then a flood costs a bounded share of one processor.
 */
#ifndef GW_HOST_THROTTLE_H
#define GW_HOST_THROTTLE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "probe/limit.h"

struct throttle {
	struct event *readable; /* NULL: none */
	struct event *again;
	struct probe_limit limit;
	uint32_t per_s;
	uint64_t rests; /* so often */
};

/* `callback` gets `user_data`; it takes leave for each thing that it reads. -ENOMEM. */
int throttle_start(struct throttle *throttle, struct event_base *base, int fd, uint32_t per_s,
		   event_callback_fn callback, void *user_data);
void throttle_stop(struct throttle *throttle);

/* Whether one more thing may be read; else the descriptor rests for a moment. */
bool throttle_take(struct throttle *throttle, uint64_t now_us);
/* For other reasons, such as that there are no descriptors left. */
void throttle_rest(struct throttle *throttle, uint32_t rest_ms);

#endif
