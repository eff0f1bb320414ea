/* SPDX-License-Identifier: MIT */
/*
 * transfer.c: overlapped socket operations without a thread.
 *
 * A transfer that cannot finish at once waits in a list, in posting order; its socket is polled by
 * whoever waits for its event, and then every transfer of that socket that can go on does, oldest
 * first for each direction. The transfer lock is held over the system calls, none of which blocks.
 */
#include "winqos/transfer_internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <utlist.h>

#include "winqos/errmap.h"
#include "winqos/overlapped.h"
#include "winqos/netevents.h"
#include "winqos/paced.h"
#include "winqos/socket_table.h"
#include "winqos/winsock.h"

#define LOOK_AGAIN_NS 1000000u /* when a socket is full whose transfers wait by time */

static pthread_mutex_t transfer_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct transfer *transfers;

void transfer_lock(void)
{
	pthread_mutex_lock(&transfer_mutex);
}

void transfer_unlock(void)
{
	pthread_mutex_unlock(&transfer_mutex);
}

void transfer_forget_all_locked(void)
{
	transfers = NULL;
}

static void transfer_destroy(struct object *object)
{
	struct transfer *transfer = (struct transfer *)object;

	operation_fini(&transfer->operation);
	if (transfer->timer_fd >= 0)
		close(transfer->timer_fd);
	free(transfer);
}

static void unqueue_locked(struct transfer *transfer)
{
	if (transfer->queued)
		DL_DELETE(transfers, transfer);
	transfer->queued = false;
}

/*
 * Windows keeps a message's flags inside the OVERLAPPED, too; the offset means nothing to sockets.
 */
static void keep_flags(struct transfer *transfer)
{
	transfer->operation.flags = (DWORD)transfer->receive.flags;
	transfer->operation.overlapped->Offset = transfer->operation.flags;
}

static void transfer_complete_locked(struct transfer *transfer, DWORD error, DWORD bytes)
{
	unqueue_locked(transfer);
	if (!transfer->sending)
		keep_flags(transfer);
	operation_complete(&transfer->operation, error, bytes);
}

/* The oldest transfer of the same direction that waits before this one, or NULL. */
static const struct transfer *find_elder_locked(const struct transfer *transfer)
{
	const struct transfer *elder;

	DL_FOREACH(transfers, elder) {
		if (elder == transfer)
			return NULL;
		if (elder->fd == transfer->fd && elder->sending == transfer->sending)
			return elder;
	}
	return NULL;
}

static void set_timer(const struct transfer *transfer, uint64_t wait_ns)
{
	const struct itimerspec time = { .it_value.tv_nsec =
						 (long)(wait_ns > 0 ? wait_ns : LOOK_AGAIN_NS) };

	timerfd_settime(transfer->timer_fd, 0, &time, NULL);
}

/* Before it is published: it is to wait by time. */
static int hold_back(struct transfer *transfer, uint64_t wait_ns)
{
	struct operation *operation = &transfer->operation;

	transfer->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (transfer->timer_fd < 0)
		return -errno;
	set_timer(transfer, wait_ns);
	transfer->wait_ns = wait_ns;
	operation->notify_source.fd = operation->done_source.fd = transfer->timer_fd;
	operation->notify_source.poll_events = operation->done_source.poll_events = POLLIN;
	return 0;
}

/*
 * One that already waits for the socket to be writable, because that was full, cannot begin to wait by time: it is
 * sent as soon as there is room.
 */
ssize_t transfer_send_message(struct transfer *transfer, const struct msghdr *message, int flags)
{
	bool waits_for_room = transfer->operation.state == OPERATION_PENDING &&
			      transfer->timer_fd < 0;
	ssize_t n;

	if (!waits_for_room)
		return paced_send(transfer->fd, message, flags, &transfer->wait_ns);
	n = sendmsg(transfer->fd, message, flags | MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/*
 * Lets a transfer go on; true if it is over. A datagram that did not fit is a failure with bytes.
 */
static bool step_locked(struct transfer *transfer)
{
	ssize_t n = transfer->go_on(transfer, MSG_DONTWAIT);
	bool truncated = n >= 0 && !transfer->sending && (transfer->receive.flags & MSG_TRUNC);

	if (n == -EAGAIN)
		return false;
	if (n < 0)
		transfer_complete_locked(transfer, errmap_winsock((int)n), 0);
	else
		transfer_complete_locked(transfer, truncated ? WSAEMSGSIZE : ERROR_SUCCESS,
					 (DWORD)n);
	return true;
}

static void transfer_ready(struct object *object)
{
	int fd = ((struct transfer *)object)->fd;
	struct transfer *transfer, *next;
	bool blocked[2] = { false, false };
	uint64_t wait_ns = 0;

	transfer_lock();
	DL_FOREACH_SAFE(transfers, transfer, next) {
		bool sending = transfer->sending;

		if (transfer->fd != fd)
			continue;
		if (!blocked[sending]) {
			if (step_locked(transfer))
				continue; /* it is freed */
			blocked[sending] = true;
			if (sending)
				wait_ns = transfer->wait_ns;
		}
		if (transfer->timer_fd >= 0)
			set_timer(transfer, wait_ns);
	}
	transfer_unlock();
}

void transfer_cancel_socket(int fd)
{
	struct transfer *transfer, *next;

	transfer_lock();
	DL_FOREACH_SAFE(transfers, transfer, next) {
		if (transfer->fd == fd)
			transfer_complete_locked(transfer, WSA_OPERATION_ABORTED, 0);
	}
	transfer_unlock();
}

struct transfer *transfer_new(int fd, OVERLAPPED *overlapped,
			      LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, bool sending)
{
	struct transfer *transfer;
	struct notify notify;
	DWORD error;

	error = notify_of(overlapped, routine, &notify);
	if (error) {
		fail_with(error);
		return NULL;
	}
	transfer = calloc(1, sizeof(*transfer));
	if (!transfer) {
		notify_drop(&notify);
		fail_with(WSA_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	operation_init(&transfer->operation, NULL, overlapped, &notify, fd,
		       sending ? POLLOUT : POLLIN, transfer_ready, transfer_destroy);
	transfer->fd = fd;
	transfer->timer_fd = -1;
	transfer->sending = sending;
	return transfer;
}

ssize_t transfer_begin(struct transfer *transfer)
{
	struct operation *operation = &transfer->operation;
	const struct transfer *elder;
	ssize_t n = -EAGAIN;

	transfer_lock();
	DL_APPEND(transfers, transfer);
	transfer->queued = true;
	elder = find_elder_locked(transfer);
	if (!elder)
		n = transfer->go_on(transfer, MSG_DONTWAIT);
	if (n == -EAGAIN && (elder ? elder->timer_fd >= 0 : transfer->wait_ns > 0)) {
		int r = hold_back(transfer, elder ? elder->wait_ns : transfer->wait_ns);

		n = r < 0 ? r : -EAGAIN;
	}
	if (n == -EAGAIN) {
		operation_publish(operation);
		operation_accept(operation);
		n = -EINPROGRESS;
	} else {
		unqueue_locked(transfer);
	}
	transfer_unlock();
	return n;
}

/* ---- WSARecv ---- */

static ssize_t receive_step(struct transfer *transfer, int flags)
{
	struct sockaddr *from = transfer->receive.from;
	struct msghdr message = { .msg_name = from,
				  .msg_namelen = from ? (socklen_t)*transfer->receive.from_len : 0,
				  .msg_iov = transfer->receive.iov,
				  .msg_iovlen = transfer->receive.count };
	ssize_t n;

	do {
		n = recvmsg(transfer->fd, &message, transfer->receive.flags | flags);
	} while (n < 0 && errno == EINTR && (flags & MSG_DONTWAIT));
	if (n < 0)
		return -errno;
	transfer->receive.flags = message.msg_flags & ~MSG_CMSG_CLOEXEC;
	if (from)
		*transfer->receive.from_len = (INT)message.msg_namelen;
	return n;
}

/* What the call answers for a message that is there; a datagram that did not fit is a failure. */
static int received(struct transfer *transfer, DWORD bytes, LPDWORD ret_bytes, LPDWORD ret_flags)
{
	struct operation *operation = &transfer->operation;
	bool truncated = transfer->receive.flags & MSG_TRUNC;

	if (ret_bytes)
		*ret_bytes = bytes;
	*ret_flags = (DWORD)transfer->receive.flags;
	if (truncated) {
		fail_with(WSAEMSGSIZE);
		return SOCKET_ERROR;
	}
	if (operation->overlapped)
		keep_flags(transfer);
	operation_succeed(operation, bytes);
	return 0;
}

static int receive_failed(ssize_t n)
{
	fail_with(n == -EINPROGRESS ? WSA_IO_PENDING : errmap_winsock((int)n));
	return SOCKET_ERROR;
}

int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
		       LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, struct sockaddr *lpFrom,
		       LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
		       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	struct transfer *transfer;
	int fd = winsock_fd(s);
	ssize_t n;
	int r;

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (!lpBuffers || !lpFlags || !lpFrom != !lpFromlen || (lpFromlen && *lpFromlen < 0))
		return winsock_fail(-EFAULT);
	if (dwBufferCount == 0 || dwBufferCount > TRANSFER_MAX_BUFFERS)
		return winsock_fail(-EINVAL);

	socket_settle(fd);
	transfer = transfer_new(fd, lpOverlapped, lpCompletionRoutine, false);
	if (!transfer)
		return SOCKET_ERROR;
	transfer->go_on = receive_step;
	transfer->receive.count = dwBufferCount;
	transfer->receive.flags = (int)(*lpFlags & MSG_PEEK);
	transfer->receive.from = lpFrom;
	transfer->receive.from_len = lpFromlen;
	for (DWORD i = 0; i < dwBufferCount; i++)
		transfer->receive.iov[i] = (struct iovec){ lpBuffers[i].buf, lpBuffers[i].len };

	n = lpOverlapped ? transfer_begin(transfer) : receive_step(transfer, 0);
	r = n < 0 ? receive_failed(n) : received(transfer, (DWORD)n, lpNumberOfBytesRecvd, lpFlags);
	object_unref(&transfer->operation.object);
	netevents_reenable(fd, FD_READ | FD_OOB);
	return r;
}

int WSAAPI WSARecv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
		   LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	return WSARecvFrom(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, NULL, NULL,
			   lpOverlapped, lpCompletionRoutine);
}

/* ---- WSASendTo ---- */

BOOL transfer_transmitted(struct transfer *transfer, ssize_t n)
{
	struct operation *operation = &transfer->operation;

	if (n == -EINPROGRESS)
		return fail_with(WSA_IO_PENDING);
	if (n < 0)
		return fail_with(errmap_winsock((int)n));
	operation_succeed(operation, (DWORD)n);
	return TRUE;
}

static ssize_t send_step(struct transfer *transfer, int flags)
{
	struct msghdr message = { .msg_name = transfer->send.to_len ? &transfer->send.to : NULL,
				  .msg_namelen = transfer->send.to_len,
				  .msg_iov = transfer->send.iov,
				  .msg_iovlen = transfer->send.count };
	ssize_t n;

	do {
		n = transfer_send_message(transfer, &message, transfer->send.flags | flags);
	} while (n == -EINTR);
	return n;
}

int transfer_send(int fd, const struct msghdr *message, int flags, LPWSAOVERLAPPED overlapped,
		  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPDWORD ret_bytes)
{
	struct transfer *transfer;
	ssize_t n;

	if (message->msg_namelen > sizeof(transfer->send.to))
		return winsock_fail(-EFAULT);
	transfer = transfer_new(fd, overlapped, routine, true);
	if (!transfer)
		return SOCKET_ERROR;
	transfer->go_on = send_step;
	transfer->send.count = message->msg_iovlen;
	transfer->send.flags = flags;
	transfer->send.to_len = message->msg_namelen;
	memcpy(transfer->send.iov, message->msg_iov, message->msg_iovlen * sizeof(struct iovec));
	if (message->msg_namelen > 0)
		memcpy(&transfer->send.to, message->msg_name, message->msg_namelen);
	n = transfer_begin(transfer);
	if (n >= 0 && ret_bytes)
		*ret_bytes = (DWORD)n;
	n = transfer_transmitted(transfer, n) ? 0 : SOCKET_ERROR;
	object_unref(&transfer->operation.object);
	return (int)n;
}

/* ---- results ---- */

BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
				   BOOL fWait, LPDWORD lpdwFlags)
{
	DWORD error;

	if (winsock_fd(s) < 0)
		return fail_with(WSAENOTSOCK);
	if (!lpOverlapped || !lpcbTransfer || !lpdwFlags)
		return fail_with(WSAEFAULT);
	error = overlapped_result(lpOverlapped, fWait, lpcbTransfer);
	if (error != ERROR_IO_INCOMPLETE)
		*lpdwFlags = lpOverlapped->Offset;
	return error ? fail_with(error) : TRUE;
}
