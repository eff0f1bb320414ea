/* SPDX-License-Identifier: MIT */
/*
 * open.c: the life of a handle, and the names of things.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/class.h"
#include "lib/client.h"
#include "lib/options.h"

static int make_event_fd(struct gw *gw)
{
	struct epoll_event readable = { .events = EPOLLIN };

	gw->queue_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gw->queue_fd < 0)
		return -errno;
	gw->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (gw->epoll_fd < 0)
		return -errno;
	if (epoll_ctl(gw->epoll_fd, EPOLL_CTL_ADD, gw->queue_fd, &readable) < 0 ||
	    epoll_ctl(gw->epoll_fd, EPOLL_CTL_ADD, gw->fd, &readable) < 0)
		return -errno;
	return 0;
}

static void make_lock(struct gw *gw)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&gw->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&gw->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void client_free(struct gw *gw)
{
	if (gw->epoll_fd >= 0)
		close(gw->epoll_fd);
	if (gw->queue_fd >= 0)
		close(gw->queue_fd);
	if (gw->fd >= 0)
		close(gw->fd);
	event_free_all(gw);
	rate_free_all(gw);
	placed_free_all(gw);
	pace_end(gw);
	free(gw);
}

int gw_open(struct gw **ret_gw, const struct gw_open_options *options)
{
	struct gw_open_options o = { .size = sizeof(o) };
	struct gw *gw;
	int r;

	if (!ret_gw)
		return -EINVAL;
	r = options_read(options, &o, sizeof(o));
	if (r < 0)
		return r;
	if ((unsigned)o.mode > GW_MODE_EMBEDDED ||
	    (o.api && (o.api[0] == '\0' || strlen(o.api) > 15)))
		return -EINVAL;
	gw = calloc(1, sizeof(*gw));
	if (!gw)
		return -ENOMEM;
	gw->fd = gw->epoll_fd = gw->queue_fd = -1;
	gw->pid = getpid();
	gw->on_event = o.on_event;
	gw->user_data = o.user_data;
	make_lock(gw);
	r = client_open(gw, &o, o.api ? o.api : "native");
	if (r >= 0)
		r = make_event_fd(gw);
	if (r < 0) {
		client_free(gw);
		return r;
	}
	*ret_gw = gw;
	return 0;
}

void gw_end(struct gw *gw)
{
	/* A forked child has no business with its parent's connection. */
	if (gw && !client_is_inherited(gw))
		client_end(gw);
}

struct gw *gw_close(struct gw *gw)
{
	if (!gw)
		return NULL;
	gw_end(gw);
	client_free(gw);
	return NULL;
}

const char *gw_class_name(enum gw_class traffic_class)
{
	return class_is_valid(traffic_class) ? class_name(traffic_class) : NULL;
}

int gw_class_parse(const char *name, enum gw_class *ret_class)
{
	return name && ret_class ? class_parse(name, ret_class) : -EINVAL;
}

const char *gw_flow_state_name(enum gw_flow_state state)
{
	switch (state) {
	case GW_FLOW_ACTIVE:
		return "active";
	case GW_FLOW_UNMARKED:
		return "unmarked";
	case GW_FLOW_SHADOWED:
		return "shadowed";
	case GW_FLOW_CLOSED:
		return "closed";
	case GW_FLOW_WAITING:
		return "waiting";
	case GW_FLOW_TRANSITIONAL:
		return "transitional";
	case GW_FLOW_RESERVED:
		return "reserved";
	}
	return NULL;
}

const char *gw_path_state_name(enum gw_path_state state)
{
	switch (state) {
	case GW_PATH_NONE:
		return "none";
	case GW_PATH_UNKNOWN:
		return "unknown";
	case GW_PATH_UNCONGESTED:
		return "uncongested";
	case GW_PATH_CONGESTED:
		return "congested";
	case GW_PATH_UNSUPPORTED:
		return "unsupported";
	}
	return NULL;
}

const char *gw_shaping_method_name(enum gw_shaping_method method)
{
	switch (method) {
	case GW_SHAPING_NONE:
		return NULL;
	case GW_SHAPING_PACED:
		return "paced";
	case GW_SHAPING_EDT:
		return "edt";
	case GW_SHAPING_CLASS:
		return "class";
	case GW_SHAPING_POLICED:
		return "policed";
	}
	return NULL;
}

const char *gw_version(void)
{
	return GW_VERSION;
}
