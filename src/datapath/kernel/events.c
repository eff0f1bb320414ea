/* SPDX-License-Identifier: MIT */
/* events.c: see events.h. */
#include "datapath/kernel/events.h"

#include <bpf/libbpf.h>
#include <errno.h>

#define EVENTS_PER_TURN 256u /* then the others */

static int on_event(void *user_data, void *data, size_t size)
{
	struct events *events = user_data;

	if (size >= sizeof(struct gw_close))
		events->report(events->user_data, data);
	return --events->turn > 0 ? 0 : -EINTR;
}

int events_open(struct events *events, const struct tables *tables)
{
	events->ring = ring_buffer__new(tables->fd[TABLE_CLOSES], on_event, events, NULL);
	if (!events->ring)
		return -errno;
	events->lost = tables->settings->lost;
	return 0;
}

void events_close(struct events *events)
{
	ring_buffer__free(events->ring);
	events->ring = NULL;
}

int events_fd(const struct events *events)
{
	return ring_buffer__epoll_fd(events->ring);
}

int events_poll(struct events *events, const struct tables *tables, kernel_close_fn *report,
		void *user_data, bool *ret_lost)
{
	uint64_t lost;
	int r;

	events->report = report;
	events->user_data = user_data;
	events->turn = EVENTS_PER_TURN;
	/* What is left keeps the descriptor readable. */
	r = ring_buffer__consume(events->ring);
	if (r < 0 && r != -EINTR)
		return r;
	lost = tables->settings->lost;
	*ret_lost = lost != events->lost;
	events->lost = lost;
	return 0;
}
