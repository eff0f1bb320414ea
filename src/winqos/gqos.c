/* SPDX-License-Identifier: MIT */
/*
 * gqos.c: what a program sets, joins and ends (gqos.h, spec/gqos.md §7, §16). The engine is asked first; what is kept
 * here changes when it has agreed, so that a call that fails has changed nothing.
 */
#include "winqos/gqos.h"

#include "winqos/gqos_host.h"
#include "winqos/gqos_socket.h"
#include "winqos/gqos_state.h"

/* ---- calls into the engine ---- */

static int call_set(struct gw *gw, int fd, void *argument)
{
	return gw_qos_set(gw, fd, argument);
}

static int call_look(struct gw *gw, int fd, void *argument)
{
	return gw_qos_look(gw, fd, NULL);
}

struct joining {
	const struct sockaddr *group;
	socklen_t group_len;
	uint32_t directions;
	const struct gw_qos *qos;
};

static int call_join(struct gw *gw, int fd, void *argument)
{
	const struct joining *joining = argument;

	return gw_qos_join(gw, fd, joining->group, joining->group_len, joining->directions,
			   joining->qos);
}

/* ---- setting ---- */

static int translate(SOCKET s, const QOS *qos, struct gqos_native *ret_native)
{
	struct gqos_socket facts;

	if (!gqos_socket_read((int)s, &facts))
		return WSAENOTSOCK;
	return gqos_translate(qos, &facts, ret_native);
}

int gqos_check(SOCKET s, const QOS *qos)
{
	struct gqos_native native;
	int error = translate(s, qos, &native);

	if (!error)
		gqos_native_clear(&native);
	return error;
}

/* What is told of a socket from now on finds its state. *ret_shut: directions that cannot begin. */
static int prepare(int fd, unsigned *ret_shut)
{
	const struct gqos_state *state;

	gqos_lock();
	state = gqos_state_make_locked(fd);
	*ret_shut = state ? state->shut : 0;
	gqos_unlock();
	return state ? 0 : WSAENOBUFS;
}

static bool begins_shut(const QOS *qos, unsigned shut)
{
	return ((shut & GQOS_SENDING) && gqos_signals(&qos->SendingFlowspec)) ||
	       ((shut & GQOS_RECEIVING) && gqos_signals(&qos->ReceivingFlowspec));
}

/* One session of several ends: what was asked of the others goes on. */
static bool ends_one(const struct gqos_native *native)
{
	enum gw_qos_service service = native->qos.sending.service;

	return (service == GW_QOS_NONE || service == GW_QOS_BEST_EFFORT) &&
	       native->qos.destination.ss_family != AF_UNSPEC;
}

static void note_direction(FLOWSPEC *requested, const FLOWSPEC *flowspec)
{
	const ULONG modifiers = SERVICE_NO_TRAFFIC_CONTROL | SERVICE_NO_QOS_SIGNALING;

	if (gqos_service(flowspec) == SERVICETYPE_NOCHANGE)
		requested->ServiceType |= flowspec->ServiceType & modifiers;
	else
		*requested = *flowspec;
}

/* The items of a direction that the program has ended vanish (§12.2). */
static unsigned ended_by(const QOS *qos)
{
	ULONG sending = gqos_service(&qos->SendingFlowspec);
	ULONG receiving = gqos_service(&qos->ReceivingFlowspec);
	unsigned ended = 0;

	if (sending == SERVICETYPE_NOTRAFFIC || sending == SERVICETYPE_BESTEFFORT)
		ended |= GQOS_SENDING;
	if (receiving == SERVICETYPE_NOTRAFFIC || receiving == SERVICETYPE_BESTEFFORT)
		ended |= GQOS_RECEIVING;
	return ended;
}

/* The engine has taken it: `native` is taken over. */
static void note_set(int fd, const QOS *qos, struct gqos_native *native)
{
	bool one = ends_one(native);
	struct gqos_state *state;

	if (one)
		native->qos.sending = (struct gw_qos_direction){ .service = GW_QOS_KEEP };
	gqos_lock();
	state = gqos_state_of_fd_locked(fd);
	if (state) {
		state->set = true;
		state->broken = 0;
		gqos_state_discard_locked(state,
					  ended_by(qos) & (one ? GQOS_RECEIVING : GQOS_BOTH));
		if (!one)
			note_direction(&state->requested.SendingFlowspec, &qos->SendingFlowspec);
		note_direction(&state->requested.ReceivingFlowspec, &qos->ReceivingFlowspec);
		gqos_native_merge(&state->native, native);
	}
	gqos_unlock();
	gqos_native_clear(native);
}

int gqos_set(SOCKET s, const QOS *qos)
{
	struct gqos_native native;
	unsigned shut;
	int error;

	error = translate(s, qos, &native);
	if (error)
		return error;
	error = prepare((int)s, &shut);
	if (!error && begins_shut(qos, shut))
		error = WSAESHUTDOWN;
	if (!error)
		error = gqos_host_call(call_set, (int)s, &native.qos);
	if (error)
		gqos_native_clear(&native);
	else
		note_set((int)s, qos, &native);
	return error;
}

bool gqos_requested(SOCKET s, QOS *ret_qos)
{
	const struct gqos_state *state;
	bool set;

	gqos_lock();
	state = gqos_state_of_fd_locked((int)s);
	set = state && state->set;
	if (set)
		*ret_qos = state->requested;
	gqos_unlock();
	return set;
}

void gqos_look(SOCKET s)
{
	unsigned shut;

	/* What cannot be begun now is looked at again with the next call about the socket. */
	if (!prepare((int)s, &shut))
		gqos_host_call(call_look, (int)s, NULL);
}

/* ---- ending ---- */

void gqos_end(SOCKET s, unsigned directions, bool shut)
{
	uint32_t how = directions | (shut ? GW_QOS_SHUT : 0);
	struct gqos_host *host = gqos_host_get_open();
	struct gqos_state *state;

	/* Without a connection nothing has begun. */
	if (host)
		gw_qos_end(host->gw, (int)s, how);
	gqos_host_put(host);

	gqos_lock();
	state = shut ? gqos_state_make_locked((int)s) : gqos_state_of_fd_locked((int)s);
	if (state) {
		gqos_state_end_locked(state, directions);
		if (shut)
			state->shut |= directions;
	}
	gqos_unlock();
}

void gqos_closing(SOCKET s)
{
	struct gqos_get *done = NULL;
	struct gqos_state *state;

	gqos_lock();
	state = gqos_state_of_fd_locked((int)s);
	if (state)
		gqos_state_drop_locked(state, &done);
	gqos_unlock();
	gqos_gets_release(done);
}

/* ---- groups ---- */

/* What is told of a socket that has asked for nothing but in its groups speaks of that. */
static void note_group(int fd, const QOS *qos, unsigned directions)
{
	struct gqos_state *state;

	gqos_lock();
	state = gqos_state_of_fd_locked(fd);
	if (state && !state->set && (directions & GQOS_SENDING))
		note_direction(&state->requested.SendingFlowspec, &qos->SendingFlowspec);
	if (state && !state->set && (directions & GQOS_RECEIVING))
		note_direction(&state->requested.ReceivingFlowspec, &qos->ReceivingFlowspec);
	gqos_unlock();
}

int gqos_join(SOCKET s, const struct sockaddr *group, socklen_t group_len, unsigned directions,
	      const QOS *qos)
{
	struct joining joining = { group, group_len, directions, NULL };
	struct gqos_native native;
	unsigned shut;
	int error = 0;

	gqos_native_init(&native);
	if (qos) {
		error = translate(s, qos, &native);
		joining.qos = &native.qos;
	}
	if (error)
		return error;
	error = prepare((int)s, &shut);
	if (!error && qos && begins_shut(qos, shut))
		error = WSAESHUTDOWN;
	if (!error)
		error = gqos_host_call(call_join, (int)s, &joining);
	if (!error && qos)
		note_group((int)s, qos, directions);
	gqos_native_clear(&native);
	return error;
}

void gqos_leave(SOCKET s, const struct sockaddr *group, socklen_t group_len)
{
	struct gqos_host *host = gqos_host_get_open();

	if (host)
		gw_qos_leave(host->gw, (int)s, group, group_len);
	gqos_host_put(host);
}

/* ---- accepting ---- */

/* What the listener has asked for; false if nothing, or memory is out. */
static bool read_listener(int fd, QOS *ret_requested, struct gqos_native *ret_native)
{
	const struct gqos_state *state;
	bool set;

	gqos_lock();
	state = gqos_state_of_fd_locked(fd);
	set = state && state->set && gqos_native_copy(&state->native, ret_native) == 0;
	if (set)
		*ret_requested = state->requested;
	gqos_unlock();
	return set;
}

/* What a condition function has written is no part of the call's arguments: what is wrong with it leaves it out. */
static void apply_condition(SOCKET accepted, const QOS *from_condition, QOS *requested,
			    struct gqos_native *native)
{
	QOS plain = *from_condition;
	struct gqos_native next;

	plain.ProviderSpecific = (WSABUF){ 0 }; /* not used there (§7.3) */
	if (translate(accepted, &plain, &next))
		return;
	note_direction(&requested->SendingFlowspec, &plain.SendingFlowspec);
	note_direction(&requested->ReceivingFlowspec, &plain.ReceivingFlowspec);
	gqos_native_merge(native, &next);
}

void gqos_inherit(SOCKET listener, SOCKET accepted, const QOS *from_condition)
{
	struct gqos_native native;
	QOS requested = { 0 };
	bool set;

	set = read_listener((int)listener, &requested, &native);
	if (!set)
		gqos_native_init(&native);
	if (from_condition) {
		set = true;
		apply_condition(accepted, from_condition, &requested, &native);
	}
	if (set) {
		unsigned shut;

		set = !prepare((int)accepted, &shut) &&
		      !gqos_host_call(call_set, (int)accepted, &native.qos);
	}
	if (set) {
		note_set((int)accepted, &requested, &native);
	} else {
		gqos_native_clear(&native);
		gqos_look(accepted);
	}
}

/* ---- events ---- */

int gqos_pending_code(SOCKET s)
{
	const struct gqos_state *state;
	int code = 0;

	gqos_lock();
	state = gqos_state_of_fd_locked((int)s);
	if (state && state->items)
		code = (int)state->items->code;
	gqos_unlock();
	return code;
}

int gqos_event_fd(void)
{
	struct gqos_host *host;
	int fd = -1;

	if (gqos_host_get(&host) == 0) {
		fd = gw_event_fd(host->gw);
		gqos_host_put(host);
	}
	return fd;
}

void gqos_dispatch(void)
{
	struct gqos_host *host = gqos_host_get_open();

	if (host)
		gqos_host_dispatch(&host->object);
	gqos_host_put(host);
}
