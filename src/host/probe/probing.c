/* SPDX-License-Identifier: MIT */
/* probing.c: see probing.h. */
#include "host/probe/probing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"

struct probing {
	struct probing_options options;
	struct measurer *measurer;
};

static void on_event(void *user_data, struct flow_path *path, enum measuring_event event,
		     uint64_t now_us)
{
	struct host *host = ((struct probing *)user_data)->options.host;

	engine_path_event(host_engine(host), path, event, now_us);
	host_schedule(host);
}

static void on_admitted(void *user_data, struct flow_path *path, uint64_t token, int status,
			uint64_t now_us)
{
	struct host *host = ((struct probing *)user_data)->options.host;

	engine_path_admitted(host_engine(host), path, token, status, now_us);
	host_schedule(host);
}

static bool is_allowed(void *user_data, const char *interface)
{
	const struct probing *probing = user_data;

	return !probing->options.is_allowed ||
	       probing->options.is_allowed(probing->options.user_data, interface);
}

static void on_trouble(void *user_data, const char *what)
{
	const struct probing *probing = user_data;

	if (probing->options.on_trouble)
		probing->options.on_trouble(probing->options.user_data, what);
}

struct probing *probing_free(struct probing *probing)
{
	if (!probing)
		return NULL;
	if (probing->measurer) {
		engine_set_measuring(host_engine(probing->options.host), NULL, time_now_us());
		host_schedule(probing->options.host);
	}
	measurer_free(probing->measurer);
	free(probing);
	return NULL;
}

DEFINE_CLEANUP(struct probing *, probing_free);

int probing_new(const struct probing_options *options, struct probing **ret_probing)
{
	_cleanup_(probing_freep) struct probing *probing = calloc(1, sizeof(*probing));
	struct measurer_options measurer = {
		.base = options->base,
		.config = options->config,
		.frames_fd = options->frames_fd,
		.user_data = probing,
		.event = on_event,
		.admitted = on_admitted,
		.is_allowed = is_allowed,
		.on_trouble = on_trouble,
	};
	int r;

	if (!probing)
		return -ENOMEM;
	probing->options = *options;
	r = measurer_new(&measurer, &probing->measurer);
	if (r < 0)
		return r;
	engine_set_measuring(host_engine(options->host), measurer_table(probing->measurer),
			     time_now_us());
	host_schedule(options->host);
	*ret_probing = steal_ptr(&probing);
	return 0;
}

void probing_facts(struct probing *probing, const struct fact_visitor *visitor)
{
	measurer_facts(probing->measurer, visitor);
}
