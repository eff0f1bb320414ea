/* SPDX-License-Identifier: MIT */
/*
 * winsock.c: the Winsock spellings of making, connecting, controlling and closing a socket, over
 * the sockets of this system. A SOCKET is a descriptor.
 */
#include "winqos/winsock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/overlapped.h"
#include "winqos/transfer.h"

int winsock_fd(SOCKET s)
{
	socklen_t length = sizeof(int);
	int type;

	if (s > INT_MAX || getsockopt((int)s, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return -1;
	return (int)s;
}

int winsock_fail(int r)
{
	fail_with(errmap_winsock(r));
	return SOCKET_ERROR;
}

/* ---- starting ---- */

static atomic_uint startups;

int WSAAPI WSAStartup(WORD wVersionRequired, LPWSADATA lpWSAData)
{
	const WORD newest = MAKEWORD(2, 2);

	if (LOBYTE(wVersionRequired) == 0)
		return WSAVERNOTSUPPORTED;
	if (!lpWSAData)
		return WSAEFAULT;

	memset(lpWSAData, 0, sizeof(*lpWSAData));
	lpWSAData->wVersion = LOBYTE(wVersionRequired) > 2 ? newest : wVersionRequired;
	if (LOBYTE(wVersionRequired) == 2 && HIBYTE(wVersionRequired) > 2)
		lpWSAData->wVersion = newest;
	lpWSAData->wHighVersion = newest;
	strcpy(lpWSAData->szDescription, "greenwave " GW_VERSION);
	strcpy(lpWSAData->szSystemStatus, "Running");

	atomic_fetch_add(&startups, 1);
	return 0;
}

int WSAAPI WSACleanup(void)
{
	unsigned started = atomic_load(&startups);

	do {
		if (started == 0) {
			fail_with(WSANOTINITIALISED);
			return SOCKET_ERROR;
		}
	} while (!atomic_compare_exchange_weak(&startups, &started, started - 1));
	return 0;
}

/* ---- sockets ---- */

/* Moves a socket away from descriptor 0, which to QOSRemoveSocketFromFlow() means no socket. */
static int avoid_zero(int fd)
{
	int moved;

	if (fd != 0)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, 1);
	if (moved < 0)
		moved = -errno;
	close(fd);
	return moved;
}

static SOCKET make_socket(int af, int type, int protocol, bool has_info, GROUP group, DWORD flags)
{
	int fd;

	if (has_info)
		fd = -EPROTONOSUPPORT;
	else if (group || (flags & ~(DWORD)WSA_FLAG_OVERLAPPED))
		fd = -EINVAL;
	else if ((fd = socket(af, type | SOCK_CLOEXEC, protocol)) < 0)
		fd = -errno;
	else
		fd = avoid_zero(fd);
	if (fd < 0) {
		winsock_fail(fd);
		return INVALID_SOCKET;
	}
	return (SOCKET)fd;
}

SOCKET WSAAPI WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo,
			 GROUP g, DWORD dwFlags)
{
	return make_socket(af, type, protocol, lpProtocolInfo != NULL, g, dwFlags);
}

SOCKET WSAAPI WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			 GROUP g, DWORD dwFlags)
{
	return make_socket(af, type, protocol, lpProtocolInfo != NULL, g, dwFlags);
}

int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
		      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS)
{
	int fd = winsock_fd(s);

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (lpGQOS)
		return winsock_fail(-EINVAL);
	if (lpSQOS)
		return winsock_fail(-EOPNOTSUPP);
	if (!name || namelen < (int)sizeof(name->sa_family))
		return winsock_fail(-EFAULT);
	/* Callers pass the size of a sockaddr_storage. */
	if (name->sa_family == AF_INET && namelen > (int)sizeof(struct sockaddr_in))
		namelen = sizeof(struct sockaddr_in);
	else if (name->sa_family == AF_INET6 && namelen > (int)sizeof(struct sockaddr_in6))
		namelen = sizeof(struct sockaddr_in6);
	return connect(fd, name, (socklen_t)namelen) < 0 ? winsock_fail(-errno) : 0;
}

int WSAAPI closesocket(SOCKET s)
{
	int fd = winsock_fd(s);

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	transfer_cancel_socket(fd);
	/* EINTR, the one failure left, has closed it as well. */
	close(fd);
	return 0;
}

/* ---- control ---- */

static int get_extension(const void *in, DWORD in_size, void *out, DWORD out_size, DWORD *ret_size)
{
	static const GUID transmit_packets_id = WSAID_TRANSMITPACKETS;
	LPFN_TRANSMITPACKETS function = transmit_packets;

	if (!in || in_size < sizeof(GUID) || !out || out_size < sizeof(function))
		return -EFAULT;
	if (memcmp(in, &transmit_packets_id, sizeof(GUID)) != 0)
		return -EINVAL;
	memcpy(out, &function, sizeof(function));
	*ret_size = sizeof(function);
	return 0;
}

static int control(DWORD code, const void *in, DWORD in_size, void *out, DWORD out_size,
		   DWORD *ret_size)
{
	switch (code) {
	case SIO_GET_EXTENSION_FUNCTION_POINTER:
		return get_extension(in, in_size, out, out_size, ret_size);
	case SIO_GET_QOS:
	case SIO_GET_GROUP_QOS:
	case SIO_SET_QOS:
	case SIO_SET_GROUP_QOS:
		return -ENOPROTOOPT; /* no socket is QoS-enabled in the sense of spec/gqos.md */
	default:
		return -EOPNOTSUPP;
	}
}

int WSAAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
		    LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
		    LPWSAOVERLAPPED lpOverlapped,
		    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	struct notify notify;
	DWORD error, size = 0;
	int r;

	if (winsock_fd(s) < 0)
		return winsock_fail(-ENOTSOCK);
	if (!lpcbBytesReturned)
		return winsock_fail(-EFAULT);
	error = notify_of(lpOverlapped, lpCompletionRoutine, &notify);
	if (error) {
		fail_with(error);
		return SOCKET_ERROR;
	}
	r = control(dwIoControlCode, lpvInBuffer, cbInBuffer, lpvOutBuffer, cbOutBuffer, &size);
	if (r < 0) {
		notify_drop(&notify);
		return winsock_fail(r);
	}
	*lpcbBytesReturned = size;
	overlapped_succeed(lpOverlapped, &notify, size, 0);
	return 0;
}
