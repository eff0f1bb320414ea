/* SPDX-License-Identifier: MIT */
/*
 * send.c: the calls that send, Winsock's own and those it shares with POSIX. They differ from the C library's in
 * that they keep to the rate of the socket's flow where nothing in the kernel does, and that they set the last
 * error beside errno.
 */
#include <errno.h>

#include "winqos/netevents.h"
#include "winqos/paced.h"
#include "winqos/socket_table.h"
#include "winqos/transfer.h"
#include "winqos/winsock.h"

static ssize_t send_now(int fd, const struct msghdr *message, int flags)
{
	ssize_t n;

	socket_settle(fd);
	n = paced_send_blocking(fd, message, flags);
	if (n == -EAGAIN)
		netevents_reenable(fd, FD_WRITE);
	return n;
}

ssize_t gw_win_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr message = { .msg_name = (void *)(uintptr_t)to,
				  .msg_namelen = to ? to_len : 0,
				  .msg_iov = &iov,
				  .msg_iovlen = 1 };
	ssize_t n = send_now(fd, &message, flags);

	return n < 0 ? winsock_posix_fail((int)n) : n;
}

ssize_t gw_win_send(int fd, const void *buf, size_t len, int flags)
{
	return gw_win_sendto(fd, buf, len, flags, NULL, 0);
}

int WSAAPI WSASendTo(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		     DWORD dwFlags, const struct sockaddr *lpTo, int iTolen,
		     LPWSAOVERLAPPED lpOverlapped,
		     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	struct iovec iov[TRANSFER_MAX_BUFFERS];
	struct msghdr message = { .msg_name = (void *)(uintptr_t)lpTo,
				  .msg_iov = iov,
				  .msg_iovlen = dwBufferCount };
	int fd = winsock_fd(s);
	ssize_t n;

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (!lpBuffers || (!lpOverlapped && !lpNumberOfBytesSent) || (lpTo && iTolen < 0))
		return winsock_fail(-EFAULT);
	if (dwBufferCount == 0 || dwBufferCount > TRANSFER_MAX_BUFFERS)
		return winsock_fail(-EINVAL);

	message.msg_namelen = lpTo ? (socklen_t)iTolen : 0;
	for (DWORD i = 0; i < dwBufferCount; i++)
		iov[i] = (struct iovec){ lpBuffers[i].buf, lpBuffers[i].len };
	if (lpOverlapped)
		return transfer_send(fd, &message, (int)dwFlags, lpOverlapped, lpCompletionRoutine,
				     lpNumberOfBytesSent);
	n = send_now(fd, &message, (int)dwFlags);
	if (n < 0)
		return winsock_fail((int)n);
	*lpNumberOfBytesSent = (DWORD)n;
	return 0;
}

int WSAAPI WSASend(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		   DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	return WSASendTo(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, NULL, 0,
			 lpOverlapped, lpCompletionRoutine);
}
