/* SPDX-License-Identifier: MIT */
/* gqos_host.c: see gqos_host.h. */
#include "winqos/gqos_host.h"

#include <errno.h>
#include <stdlib.h>

#include "winqos/errmap.h"
#include "winqos/gqos_state.h"
#include "winqos/netevents.h"

static struct gqos_host *open_host; /* with a reference; under the GQoS lock */

void gqos_host_put(struct gqos_host *host)
{
	if (host)
		object_unref(&host->object);
}

/* ---- what is told ---- */

/* A daemon that stops says so of each socket, and then is gone: that is told once. */
static void note_broken(struct gqos_state *state, const struct gqos_item *item)
{
	state->broken &= ~item->direction;
	if (item->code == WSA_QOS_GENERIC_ERROR)
		state->broken |= item->direction;
}

static void on_signal(const struct gw_event *event)
{
	struct gqos_get *done = NULL;
	struct gqos_state *state;
	struct gqos_item *item = NULL;
	bool longer = false;
	int fd = -1, code = 0;

	gqos_lock();
	state = gqos_state_find_locked(event->socket);
	if (state)
		item = gqos_item_new(event, &state->requested, &state->senders);
	/* Of a direction that the program has shut down it is told nothing (§12.2). */
	if (item && (item->direction & state->shut)) {
		free(item);
		item = NULL;
	}
	if (item) {
		fd = state->fd;
		code = (int)item->code;
		note_broken(state, item);
		longer = gqos_state_tell_locked(state, item, &done);
	}
	gqos_unlock();

	gqos_gets_release(done);
	if (longer)
		netevents_raise_qos(fd, code);
}

/* ---- when the engine goes ---- */

struct raised {
	int fd;
	int code;
	struct raised *next;
};

struct going {
	struct gqos_get *done;
	struct raised *raised;
};

static bool has_qos(const FLOWSPEC *flowspec)
{
	return flowspec->ServiceType != SERVICETYPE_NOTRAFFIC &&
	       flowspec->ServiceType != SERVICETYPE_BESTEFFORT;
}

static void tell_broken(struct gqos_state *state, unsigned direction, struct going *going)
{
	struct gqos_item *item = gqos_item_new_broken(direction, &state->requested);
	struct raised *raised;
	int code;

	if (!item)
		return;
	code = (int)item->code;
	if (!gqos_state_tell_locked(state, item, &going->done))
		return;
	raised = malloc(sizeof(*raised));
	if (!raised)
		return; /* it is in the queue, and found there */
	*raised = (struct raised){ state->fd, code, going->raised };
	going->raised = raised;
}

/* What it had ends (§16.2, E26), and nothing restarts by itself. What still waits would wait for ever. */
static void end_socket(struct gqos_state *state, void *user_data)
{
	QOS requested = state->requested;
	struct going *going = user_data;

	gqos_senders_clear(&state->senders);
	gqos_native_end(&state->native, GW_QOS_SENDING | GW_QOS_RECEIVING);
	if (has_qos(&requested.SendingFlowspec) && !(state->broken & GQOS_SENDING))
		tell_broken(state, GQOS_SENDING, going);
	if (has_qos(&requested.ReceivingFlowspec) && !(state->broken & GQOS_RECEIVING))
		tell_broken(state, GQOS_RECEIVING, going);
	state->requested.SendingFlowspec.ServiceType = SERVICETYPE_NOTRAFFIC;
	state->requested.ReceivingFlowspec.ServiceType = SERVICETYPE_NOTRAFFIC;
	gqos_state_fail_gets_locked(state, WSAENETDOWN, &going->done);
}

/* The caller holds a reference, so that the connection is not closed from inside itself. */
static void host_lost(struct gqos_host *host)
{
	struct going going = { 0 };
	bool was_open;

	gqos_lock();
	host->lost = true;
	was_open = open_host == host;
	if (was_open) {
		open_host = NULL;
		gqos_state_visit_locked(end_socket, &going);
	}
	gqos_unlock();
	if (!was_open)
		return;

	gqos_gets_release(going.done);
	while (going.raised) {
		struct raised *raised = going.raised;

		going.raised = raised->next;
		netevents_raise_qos(raised->fd, raised->code);
		free(raised);
	}
	netevents_renew_qos();
	gqos_host_put(host);
}

static void on_event(const struct gw_event *event, void *user_data)
{
	if (event->type == GW_EVENT_DISCONNECTED)
		host_lost(user_data);
	else if (event->socket != 0)
		on_signal(event);
}

void gqos_host_dispatch(struct object *object)
{
	struct gqos_host *host = (struct gqos_host *)object;
	struct gw_event event;
	int r;

	object_ref(object);
	do {
		event.size = sizeof(event);
		r = gw_event_next(host->gw, 0, &event);
	} while (r > 0);
	if (r < 0 && r != -EINTR)
		host_lost(host);
	object_unref(object);
}

/* ---- opening ---- */

static void host_destroy(struct object *object)
{
	struct gqos_host *host = (struct gqos_host *)object;

	gw_close(host->gw);
	free(host);
}

/* The connection is the parent's. */
static void forked_locked(void)
{
	open_host = NULL;
}

static int host_new(struct gqos_host **ret_host)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .api = "gqos",
					   .on_event = on_event };
	struct gqos_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	object_init(&host->object, OBJECT_QOS, host_destroy);
	options.user_data = host;
	r = gw_open(&host->gw, &options);
	if (r < 0) {
		free(host);
		return r;
	}
	*ret_host = host;
	return 0;
}

static struct gqos_host *get_open_locked(void)
{
	if (open_host)
		object_ref(&open_host->object);
	return open_host;
}

struct gqos_host *gqos_host_get_open(void)
{
	struct gqos_host *host;

	gqos_lock();
	host = get_open_locked();
	gqos_unlock();
	return host;
}

int gqos_host_get(struct gqos_host **ret_host)
{
	struct gqos_host *host = gqos_host_get_open(), *ours = NULL;
	int r;

	if (!host) {
		r = host_new(&ours);
		if (r < 0)
			return r;
		gqos_lock();
		/* Another thread may have been faster. */
		host = get_open_locked();
		if (!host) {
			gqos_state_set_fork_hook(forked_locked);
			host = open_host = ours;
			object_ref(&host->object);
			ours = NULL;
		}
		gqos_unlock();
		gqos_host_put(ours);
	}
	*ret_host = host;
	return 0;
}

static int error_of(int r)
{
	switch (r) {
	case 0:
		return 0;
	case -EACCES: /* of what is asked for: network control */
	case -EPERM:
		return WSA_QOS_POLICY_FAILURE;
	case -EDQUOT:
		return WSA_QOS_ADMISSION_FAILURE;
	case -EMSGSIZE:
		return WSA_QOS_EPOLICYOBJ;
	default:
		return (int)errmap_winsock(r);
	}
}

int gqos_host_call(gqos_call call, int fd, void *argument)
{
	bool again = true;

	for (;;) {
		struct gqos_host *host;
		int r = gqos_host_get(&host);

		if (r < 0)
			return r == -ENOMEM || r == -ENOBUFS ? WSAENOBUFS : WSAENETDOWN;
		r = call(host->gw, fd, argument);
		/* The same answer as of a direction that is shut down: which one it was, the connection knows. */
		if (r == -ESHUTDOWN)
			gqos_host_dispatch(&host->object);
		gqos_lock();
		again = again && r == -ESHUTDOWN && host->lost;
		gqos_unlock();
		gqos_host_put(host);
		if (!again)
			return error_of(r);
		again = false;
	}
}
