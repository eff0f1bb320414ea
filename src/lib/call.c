/* SPDX-License-Identifier: MIT */
/*
 * call.c: requests and their replies, between many threads and one connection.
 */
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "lib/client.h"

/* A thread that waits for the reply with its serial; lives on that thread's stack. */
struct waiter {
	uint32_t serial;
	struct reply *reply;
	struct placed *placed; /* to be settled with the reply */
	bool done;
	uint64_t after; /* when it came, so many callbacks had begun */
	struct waiter *prev, *next;
};

/* A callback that is running; lives on its thread's stack. */
struct telling {
	pthread_t thread;
	uint64_t number;
	struct telling *prev, *next;
};

static int send_request(const struct gw *gw, const struct msg *request, const int *fds,
			size_t n_fds, int flags)
{
	unsigned char buf[MSG_MAX];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MSG_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = buf };
	struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1 };
	long len = msg_encode(request, buf, sizeof(buf));

	if (len < 0)
		return (int)len;
	iov.iov_len = (size_t)len;
	if (n_fds > 0) {
		struct cmsghdr *head;

		memset(&control, 0, CMSG_SPACE(n_fds * sizeof(int)));
		packet.msg_control = control.bytes;
		packet.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		head = CMSG_FIRSTHDR(&packet);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
	}
	while (sendmsg(gw->fd, &packet, MSG_NOSIGNAL | flags) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* ---- routing what has been read; lock held ---- */

static void settle(struct gw *gw, struct waiter *waiter, uint32_t flow_id)
{
	if (waiter->placed)
		placed_settle(gw, waiter->placed, flow_id);
	waiter->placed = NULL;
}

static void connection_lost(struct gw *gw)
{
	if (gw->lost)
		return;
	gw->lost = true;
	if (!gw->ending && !gw->on_event)
		event_push(gw, &(struct gw_event){ .size = sizeof(struct gw_event),
						   .type = GW_EVENT_DISCONNECTED,
						   .status = -ESHUTDOWN });
}

static void route_reply(struct gw *gw, const struct msg *msg, const void *buf, size_t len)
{
	struct waiter *waiter;

	DL_FOREACH(gw->waiters, waiter) {
		if (waiter->serial != msg->head.serial)
			continue;
		waiter->reply->len = len;
		/* The reader's own reply lies in its buffer already. */
		if (buf != waiter->reply->buf)
			memcpy(waiter->reply->buf, buf, len);
		/* Anew, because byte fields point into the buffer. */
		waiter->done = msg_decode(waiter->reply->buf, len, &waiter->reply->msg) == 0;
		waiter->after = gw->n_begun;
		if (waiter->done && waiter->reply->msg.head.status >= 0)
			settle(gw, waiter, waiter->reply->msg.flow_id);
		return;
	}
}

/*
 * Gives an event to the callback, if there is one, with the lock dropped meanwhile, and releases it; else to the queue.
 */
static void deliver_event(struct gw *gw, struct gw_event *event)
{
	struct telling telling = { .thread = pthread_self() };

	if (!gw->on_event) {
		if (event_push(gw, event) < 0)
			gw_event_release(event);
		return;
	}
	telling.number = ++gw->n_begun;
	DL_APPEND(gw->tellings, &telling);
	pthread_mutex_unlock(&gw->lock);
	gw->on_event(event, gw->user_data);
	pthread_mutex_lock(&gw->lock);
	gw_event_release(event);
	DL_DELETE(gw->tellings, &telling);
	gw->n_told++;
	pthread_cond_broadcast(&gw->changed);
}

/*
 * What came before a reply must have been told when the call returns: who has removed a flow finds its requests
 * completed. A call from inside a callback cannot wait for that.
 */
static void wait_for_tellings(struct gw *gw, uint64_t after)
{
	const struct telling *telling;

	DL_FOREACH(gw->tellings, telling) {
		if (pthread_equal(telling->thread, pthread_self()))
			return;
	}
	while (gw->tellings && gw->tellings->number <= after)
		pthread_cond_wait(&gw->changed, &gw->lock);
}

static void route(struct gw *gw, const void *buf, ssize_t len)
{
	struct gw_event event;
	struct msg msg;

	if (len <= 0 || msg_decode(buf, (size_t)len, &msg) < 0) {
		bool told = gw->lost || gw->ending;

		connection_lost(gw);
		if (!told && gw->on_event)
			deliver_event(gw, &(struct gw_event){ .size = sizeof(event),
							      .type = GW_EVENT_DISCONNECTED,
							      .status = -ESHUTDOWN });
		return;
	}
	if (rate_moves_on(gw, &msg))
		return;
	if (msg.head.type != MSG_EVENT) {
		route_reply(gw, &msg, buf, (size_t)len);
		return;
	}
	event_from_msg(&msg, buf, (size_t)len, &event);
	if (event.type == GW_EVENT_FLOW_ENDED)
		placed_ended(gw, event.flow.id);
	deliver_event(gw, &event);
}

/* Reads one message into `buf` and routes it. Lock held, and dropped while reading. */
static bool read_step(struct gw *gw, void *buf, int timeout_ms)
{
	struct pollfd readable = { .fd = gw->fd, .events = POLLIN };
	ssize_t n = -1;
	int saved;

	gw->reading = true;
	pthread_mutex_unlock(&gw->lock);
	if (timeout_ms < 0 || poll(&readable, 1, timeout_ms) != 0)
		n = recv(gw->fd, buf, MSG_MAX, timeout_ms < 0 ? 0 : MSG_DONTWAIT);
	else
		errno = EAGAIN;
	saved = errno;
	pthread_mutex_lock(&gw->lock);
	gw->reading = false;
	pthread_cond_broadcast(&gw->changed); /* someone else may read now */
	if (n < 0 && (saved == EINTR || saved == EAGAIN))
		return saved == EINTR;
	route(gw, buf, n);
	pthread_cond_broadcast(&gw->changed);
	return true;
}

static bool wait_for_reader(struct gw *gw, int timeout_ms)
{
	struct timespec until;

	if (timeout_ms < 0)
		return pthread_cond_wait(&gw->changed, &gw->lock) == 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	return pthread_cond_timedwait(&gw->changed, &gw->lock, &until) == 0;
}

bool client_wait_step(struct gw *gw, int timeout_ms)
{
	unsigned char buf[MSG_MAX];

	if (gw->lost || gw->ended)
		return false;
	/* Who does not want to wait does not come near a condition variable: some cannot. */
	if (gw->reading)
		return timeout_ms != 0 && wait_for_reader(gw, timeout_ms);
	return read_step(gw, buf, timeout_ms);
}

/* ---- calls ---- */

static int call_begin(struct gw *gw, struct waiter *waiter, struct msg *request, bool last_call)
{
	int r = 0;

	pthread_mutex_lock(&gw->lock);
	if (gw->ended || (gw->ending && !last_call))
		r = -ECANCELED;
	else if (gw->lost)
		r = -ESHUTDOWN;
	if (r == 0) {
		waiter->serial = request->head.serial = client_serial(gw);
		DL_APPEND(gw->waiters, waiter);
	} else {
		settle(gw, waiter, 0);
	}
	pthread_mutex_unlock(&gw->lock);
	return r;
}

/*
 * A call that had begun when the handle's end did may be sent only after remove_placed() has removed its flow,
 * and before MSG_END. That its flow does not exist is then the end's doing, and no answer to what was asked.
 */
static int call_finish(struct gw *gw, struct waiter *waiter, int sent, bool last_call)
{
	int r = sent;

	pthread_mutex_lock(&gw->lock);
	while (sent == 0 && !waiter->done && !gw->lost && !gw->ended) {
		if (gw->reading)
			wait_for_reader(gw, -1);
		else
			read_step(gw, waiter->reply->buf, -1);
	}
	DL_DELETE(gw->waiters, waiter);
	settle(gw, waiter, 0);
	if (waiter->done) {
		wait_for_tellings(gw, waiter->after);
		r = waiter->reply->msg.head.status;
		if (r == -ENOENT && gw->ending && !last_call)
			r = -ECANCELED;
	} else if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET && sent != -ENOTCONN)
		r = sent; /* -ETOOMANYREFS, -EBADF for a bad descriptor to pass, -EMSGSIZE */
	else
		r = gw->ending ? -ECANCELED : -ESHUTDOWN;
	pthread_mutex_unlock(&gw->lock);
	return r;
}

static int call_on(struct gw *gw, struct msg *request, const int *fds, size_t n_fds,
		   struct placed *placed, struct reply *reply, bool last_call)
{
	struct waiter waiter = { .reply = reply, .placed = placed };
	int r;

	r = call_begin(gw, &waiter, request, last_call);
	if (r < 0)
		return r;
	return call_finish(gw, &waiter, send_request(gw, request, fds, n_fds, 0), last_call);
}

int client_call(struct gw *gw, struct msg *request, const int *fds, size_t n_fds,
		struct reply *reply)
{
	if (client_is_inherited(gw))
		return -ECHILD;
	return call_on(gw, request, fds, n_fds, NULL, reply, false);
}

int client_change(struct gw *gw, struct msg *request, const int *copies, size_t n_copies,
		  struct reply *reply)
{
	struct waiter waiter = { .reply = reply };
	int r, sent = 0;

	r = call_begin(gw, &waiter, request, false);
	if (r == 0)
		sent = send_request(gw, request, copies, n_copies, 0);
	placed_close(copies, n_copies);
	return r < 0 ? r : call_finish(gw, &waiter, sent, false);
}

int client_send(struct gw *gw, struct msg *request, const int *copies, size_t n_copies)
{
	int r = send_request(gw, request, copies, n_copies, MSG_DONTWAIT);

	placed_close(copies, n_copies);
	return r;
}

uint32_t client_serial(struct gw *gw)
{
	if (++gw->next_serial == 0)
		gw->next_serial = 1;
	return gw->next_serial;
}

int client_add(struct gw *gw, struct msg *request, int fd, struct placed *placed,
	       struct reply *reply)
{
	return call_on(gw, request, &fd, 1, placed, reply, false);
}

/*
 * Only who has CAP_NET_ADMIN can set this option of a socket. It is not tried in vain: a refusal would be
 * noted in the logs of some systems. A descriptor that proves it to the host, or -1.
 */
static int net_admin_proof(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };
	_cleanup_(closep) int fd = -1;
	const int yes = 1;

	if (geteuid() == 0 || syscall(SYS_capget, &header, data) < 0 ||
	    !(data[0].effective & 1u << CAP_NET_ADMIN))
		return -1;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_DEBUG, &yes, sizeof(yes)) < 0)
		return -1;
	return steal_fd(&fd);
}

int client_hello(struct gw *gw, const char *api)
{
	_cleanup_(closep) int proof = net_admin_proof();
	struct msg request = REQUEST(MSG_HELLO);
	struct timeval forever = { 0 };
	uint64_t started_us;
	struct reply reply;
	ssize_t n;
	int r;

	MSG_SET(&request, TAG_PROTOCOL, protocol, MSG_PROTOCOL);
	strncpy(request.api, api, sizeof(request.api) - 1);
	request.present |= CODEC_BIT(TAG_API);
	r = send_request(gw, &request, &proof, proof >= 0 ? 1 : 0, 0);
	if (r < 0)
		return r;
	/* The socket's own time limit still holds; with it, any signal interrupts, and it begins anew. */
	started_us = time_now_us();
	do
		n = recv(gw->fd, reply.buf, sizeof(reply.buf), 0);
	while (n < 0 && errno == EINTR && time_now_us() - started_us < ANSWER_US);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -ETIMEDOUT : -errno;
	if (n == 0)
		return -ECONNREFUSED;
	r = msg_decode(reply.buf, (size_t)n, &reply.msg);
	if (r < 0)
		return r;
	if (reply.msg.head.status < 0)
		return reply.msg.head.status;
	gw->host_flags = reply.msg.host_flags;
	if (setsockopt(gw->fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever)) < 0 ||
	    setsockopt(gw->fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever)) < 0)
		return -errno;
	return 0;
}

int client_last_call(struct gw *gw, struct msg *request, const int *fds, size_t n_fds,
		     struct reply *reply)
{
	return call_on(gw, request, fds, n_fds, NULL, reply, true);
}

/* Removes each flow that must have its descriptors at hand then. */
static void remove_placed(struct gw *gw)
{
	int fds[MSG_MAX_FDS];
	struct reply reply;
	uint32_t id;

	while ((id = placed_next(gw)) != 0) {
		struct msg request = REQUEST(MSG_REMOVE);
		size_t n = placed_collect(gw, id, fds);

		MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
		client_last_call(gw, &request, fds, n, &reply);
		placed_close(fds, n);
		placed_drop(gw, id, 0);
	}
}

void client_end(struct gw *gw)
{
	struct msg request;
	int fds[MSG_MAX_FDS];
	struct reply reply;
	bool ours;
	size_t n;
	int r;

	pthread_mutex_lock(&gw->lock);
	ours = !gw->ending;
	gw->ending = true;
	while (!ours && !gw->ended) /* another thread is at it: its end is ours */
		pthread_cond_wait(&gw->changed, &gw->lock);
	pthread_mutex_unlock(&gw->lock);
	if (!ours)
		return;
	pace_end(gw);
	remove_placed(gw);
	/* Those that are being added at this moment are not removed by name, but their marks go as well. */
	do {
		request = (struct msg)REQUEST(MSG_END);
		n = placed_collect(gw, 0, fds);
		r = client_last_call(gw, &request, fds, n, &reply);
		placed_close(fds, n);
	} while (r == -EAGAIN); /* that was a part of it: others had their turn */
	pthread_mutex_lock(&gw->lock);
	gw->ended = true;
	pthread_cond_broadcast(&gw->changed);
	pthread_mutex_unlock(&gw->lock);
	/* Wakes a thread that is in recv(). */
	shutdown(gw->fd, SHUT_RDWR);
}
