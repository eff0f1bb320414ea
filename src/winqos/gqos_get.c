/* SPDX-License-Identifier: MIT */
/*
 * gqos_get.c: SIO_GET_QOS (spec/gqos.md §12.3): the next item of a socket's queue, now, or when there is one; and to a
 * blocking socket without any, how things stand.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "winqos/gqos_host.h"
#include "winqos/gqos_socket.h"
#include "winqos/gqos_state.h"
#include "winqos/netevents.h"

/* The size that is needed takes the place of the answer. */
static int tell_size(const struct gqos_ioctl *ioctl, size_t size)
{
	ULONG needed = (ULONG)size;

	memcpy(ioctl->out, &needed, sizeof(needed));
	return WSAENOBUFS;
}

/* ---- an item ---- */

static int get_item_locked(const struct gqos_ioctl *ioctl, struct gqos_state *state,
			   DWORD *ret_size)
{
	struct gqos_item *item = state->items;
	size_t size = gqos_item_size(item);

	if (ioctl->out_size < size)
		return tell_size(ioctl, size);
	gqos_item_write(item, ioctl->out);
	*ret_size = (DWORD)size;
	free(gqos_state_take_locked(state));
	return 0;
}

/* ---- none, overlapped ---- */

static void get_destroy(struct object *object)
{
	struct gqos_get *get = (struct gqos_get *)object;

	operation_fini(&get->operation);
	free(get);
}

static int wait_locked(const struct gqos_ioctl *ioctl, struct gqos_state *state,
		       struct gqos_host *host)
{
	struct gqos_get *get;

	if (host->lost)
		return WSAENETDOWN;
	get = malloc(sizeof(*get));
	if (!get)
		return WSAENOBUFS;
	operation_init(&get->operation, &host->object, ioctl->overlapped, ioctl->notify,
		       gw_event_fd(host->gw), POLLIN, gqos_host_dispatch, get_destroy);
	get->fd = (int)ioctl->s;
	get->out = ioctl->out;
	get->out_size = ioctl->out_size;
	/* The first reference is the list's. */
	DL_APPEND(state->gets, get);
	operation_publish(&get->operation);
	operation_accept(&get->operation);
	return WSA_IO_PENDING;
}

/* ---- none, at once ---- */

static int visit_nothing(const struct gw_rsvp_record *record, void *user_data)
{
	return 1;
}

/* A host that signals nothing has no news, and says so by no bytes (§17). */
static bool host_signals(struct gqos_host *host)
{
	return gw_rsvp_list(host->gw, GW_RSVP_KIND_BIT(GW_RSVP_SESSION), visit_nothing, NULL) !=
	       -EOPNOTSUPP;
}

static int get_state_locked(const struct gqos_ioctl *ioctl, const struct gqos_state *state,
			    DWORD *ret_size)
{
	QOS qos = state->requested;

	if (ioctl->out_size < sizeof(qos))
		return tell_size(ioctl, sizeof(qos));
	qos.ProviderSpecific = (WSABUF){ .buf = (CHAR *)ioctl->out + sizeof(qos) };
	memcpy(ioctl->out, &qos, sizeof(qos));
	*ret_size = sizeof(qos);
	return 0;
}

/* Nothing can come to a socket that has no address yet. */
static int check_bound(int fd, const QOS *requested)
{
	struct gqos_socket facts;

	if (!gqos_socket_read(fd, &facts))
		return WSAENOTSOCK;
	if (facts.bound || facts.connected)
		return 0;
	if (gqos_signals(&requested->SendingFlowspec))
		return WSAENOTCONN;
	return gqos_signals(&requested->ReceivingFlowspec) ? WSAEINVAL : 0;
}

static int get_nothing_locked(const struct gqos_ioctl *ioctl, struct gqos_state *state,
			      struct gqos_host *host, bool signals, DWORD *ret_size)
{
	int error;

	if (!signals && !ioctl->overlapped) {
		*ret_size = 0;
		return 0;
	}
	error = check_bound((int)ioctl->s, &state->requested);
	if (error)
		return error;
	if (ioctl->overlapped)
		return wait_locked(ioctl, state, host);
	if (fcntl((int)ioctl->s, F_GETFL) & O_NONBLOCK)
		return WSAEWOULDBLOCK;
	return get_state_locked(ioctl, state, ret_size);
}

/* ---- all of it ---- */

/* Without an engine (NULL) nothing comes any more, but what has come is still there. */
static int get(const struct gqos_ioctl *ioctl, struct gqos_host *host, DWORD *ret_size)
{
	struct gqos_state *state;
	bool signals = true;
	int error;

	/* A program that asks before it waits finds what has come. The answer of a call tells of it, too. */
	if (host)
		gqos_host_dispatch(&host->object);
	if (host && !ioctl->overlapped)
		signals = host_signals(host);
	gqos_lock();
	state = gqos_state_make_locked((int)ioctl->s);
	if (!state)
		error = WSAENOBUFS;
	else if (state->items)
		error = get_item_locked(ioctl, state, ret_size);
	else if (!host)
		error = WSAENETDOWN;
	else
		error = get_nothing_locked(ioctl, state, host, signals, ret_size);
	gqos_unlock();
	return error;
}

int gqos_get(const struct gqos_ioctl *ioctl, DWORD *ret_size)
{
	struct gqos_host *host;
	int error;

	if (!ioctl->out || ioctl->out_size < sizeof(ULONG) || !ioctl->has_size) {
		error = WSAEFAULT;
	} else {
		if (gqos_host_get(&host) < 0)
			host = NULL;
		error = get(ioctl, host, ret_size);
		gqos_host_put(host);
	}
	netevents_reenable_qos((int)ioctl->s);
	return error;
}
