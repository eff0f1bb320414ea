/* SPDX-License-Identifier: MIT */
/* events.h: reads what the kernel has seen end, from the ring buffer `closes`. */
#ifndef GW_DATAPATH_EVENTS_H
#define GW_DATAPATH_EVENTS_H

#include "datapath/kernel/kernel.h"
#include "datapath/kernel/tables.h"

struct events {
	struct ring_buffer *ring;
	kernel_close_fn *report;
	void *user_data;
	unsigned turn; /* how many more may be reported in this one */
	uint64_t lost; /* as known so far */
};

int events_open(struct events *events, const struct tables *tables);
void events_close(struct events *events);
int events_fd(const struct events *events);
int events_poll(struct events *events, const struct tables *tables, kernel_close_fn *report,
		void *user_data, bool *ret_lost);

#endif
