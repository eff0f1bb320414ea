/* SPDX-License-Identifier: MIT */
/* probing.h: a host that measures paths: its engine, and a measurer for it. For greenwaved and the embedded engine. */
#ifndef GW_HOST_PROBING_H
#define GW_HOST_PROBING_H

#include "host/host.h"
#include "host/probe/measurer.h"

struct probing;

struct probing_options {
	struct event_base *base;
	struct host *host;
	struct prober_config config;
	int frames_fd; /* as of struct measurer_options */
	void *user_data;
	bool (*is_allowed)(void *user_data, const char *interface); /* likewise */
	void (*on_trouble)(void *user_data, const char *what);	    /* or NULL */
};

int probing_new(const struct probing_options *options, struct probing **ret_probing);
/* Before the host goes; paths count from now on as such that cannot be measured. */
struct probing *probing_free(struct probing *probing);

void probing_facts(struct probing *probing, const struct fact_visitor *visitor);

#endif
