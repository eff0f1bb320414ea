/* SPDX-License-Identifier: MIT */
/* throttle.c: see throttle.h. */
#include "host/probe/throttle.h"

#include <errno.h>

#define REST_MS 10

static void on_again(evutil_socket_t fd, short what, void *user_data)
{
	struct throttle *throttle = user_data;

	(void)fd;
	(void)what;
	event_add(throttle->readable, NULL);
}

void throttle_stop(struct throttle *throttle)
{
	if (throttle->readable)
		event_free(throttle->readable);
	if (throttle->again)
		event_free(throttle->again);
	throttle->readable = throttle->again = NULL;
}

int throttle_start(struct throttle *throttle, struct event_base *base, int fd, uint32_t per_s,
		   event_callback_fn callback, void *user_data)
{
	throttle->per_s = per_s;
	throttle->readable = event_new(base, fd, EV_READ | EV_PERSIST, callback, user_data);
	throttle->again = evtimer_new(base, on_again, throttle);
	if (throttle->readable && throttle->again && event_add(throttle->readable, NULL) == 0)
		return 0;
	throttle_stop(throttle);
	return -ENOMEM;
}

void throttle_rest(struct throttle *throttle, uint32_t rest_ms)
{
	const struct timeval rest = { .tv_sec = rest_ms / 1000,
				      .tv_usec = (suseconds_t)(rest_ms % 1000) * 1000 };

	throttle->rests++;
	/* Without its timer it would rest for ever. */
	if (event_add(throttle->again, &rest) == 0)
		event_del(throttle->readable);
}

bool throttle_take(struct throttle *throttle, uint64_t now_us)
{
	/* A tenth of a second's worth may come at once. */
	if (probe_limit_take(&throttle->limit, throttle->per_s, throttle->per_s / 10 + 1, now_us))
		return true;
	throttle_rest(throttle, REST_MS);
	return false;
}
