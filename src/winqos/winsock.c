/* SPDX-License-Identifier: MIT */
/*
 * winsock.c: the Winsock spellings of starting, making and closing a socket, over the sockets of this system. A SOCKET
 * is a descriptor.
 */
#include "winqos/winsock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/gqos.h"
#include "winqos/socket_table.h"
#include "winqos/transfer.h"
#include "winqos/winsock_catalog.h"

#define LEAF_FLAGS (WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF)

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
	return winsock_fail_with(errmap_winsock(r));
}

int winsock_fail_with(DWORD error)
{
	fail_with(error);
	return SOCKET_ERROR;
}

int winsock_posix_fail(int r)
{
	winsock_fail(r);
	errno = -r;
	return -1;
}

bool winsock_is_datagram(int fd)
{
	socklen_t length = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == SOCK_DGRAM;
}

int winsock_check_qos(int fd, const QOS *qos)
{
	if (!qos)
		return 0;
	if (!winsock_is_started())
		return WSANOTINITIALISED;
	return socket_is_qos(fd) ? winsock_qos_error(gqos_check((SOCKET)fd, qos)) : WSAEOPNOTSUPP;
}

int winsock_qos_error(int error)
{
	return error == WSA_QOS_ADMISSION_FAILURE ? WSAEOPNOTSUPP : error;
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

bool winsock_is_started(void)
{
	return atomic_load(&startups) > 0;
}

static void end_qos(int fd)
{
	gqos_end((SOCKET)fd, GQOS_BOTH, false);
	gqos_closing((SOCKET)fd);
}

int WSAAPI WSACleanup(void)
{
	unsigned started = atomic_load(&startups);

	do {
		if (started == 0)
			return winsock_fail_with(WSANOTINITIALISED);
	} while (!atomic_compare_exchange_weak(&startups, &started, started - 1));
	if (started == 1)
		socket_visit_qos(end_qos);
	return 0;
}

/* ---- sockets ---- */

int winsock_avoid_zero(int fd)
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

static bool are_flags_valid(const struct catalog_entry *wanted, DWORD flags)
{
	DWORD leaf = flags & LEAF_FLAGS;

	if (flags & ~(DWORD)(WSA_FLAG_OVERLAPPED | LEAF_FLAGS))
		return false;
	return leaf == 0 || (leaf == LEAF_FLAGS && (wanted->type & 0xf) == SOCK_DGRAM);
}

/* Lets an entry speak where the caller has not. */
static int apply_entry(const DWORD *id, struct catalog_entry *wanted)
{
	struct catalog_entry entry;
	int r = catalog_find(*id, &entry);

	if (r < 0)
		return r;
	if (wanted->family > 0 && wanted->family != entry.family)
		return -EAFNOSUPPORT;
	if (wanted->type > 0 && wanted->type != entry.type)
		return -EPROTOTYPE;
	if (wanted->protocol > 0 && wanted->protocol != entry.protocol)
		return -EPROTONOSUPPORT;
	*wanted = entry;
	return 0;
}

/* Enters what there is to remember about a new socket. */
static int remember(int fd, bool qos, DWORD flags)
{
	struct socket_entry *entry;

	if (!qos && !(flags & LEAF_FLAGS))
		return 0;
	entry = socket_entry_make(fd);
	if (!entry)
		return -ENOMEM;
	atomic_store(&entry->qos, qos);
	atomic_store(&entry->flags, flags);
	socket_entry_put(entry);
	return 0;
}

/* `id`: of an entry of the catalog; NULL: none. A descriptor, or a negative errno. */
static int open_socket(struct catalog_entry wanted, const DWORD *id, GROUP group, DWORD flags)
{
	int fd, r = id ? apply_entry(id, &wanted) : 0;

	if (r < 0)
		return r;
	if (group || !are_flags_valid(&wanted, flags))
		return -EINVAL;
	fd = socket(wanted.family, wanted.type | SOCK_CLOEXEC, wanted.protocol);
	if (fd < 0)
		return -errno;
	fd = winsock_avoid_zero(fd);
	r = fd < 0 ? fd : remember(fd, wanted.qos, flags);
	if (r < 0 && fd >= 0)
		close(fd);
	return r < 0 ? r : fd;
}

static SOCKET make_socket(int af, int type, int protocol, const DWORD *id, GROUP group, DWORD flags)
{
	int fd = open_socket((struct catalog_entry){ af, type, protocol, false }, id, group, flags);

	if (fd < 0) {
		winsock_fail(fd);
		return INVALID_SOCKET;
	}
	return (SOCKET)fd;
}

SOCKET WSAAPI WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo,
			 GROUP g, DWORD dwFlags)
{
	return make_socket(af, type, protocol,
			   lpProtocolInfo ? &lpProtocolInfo->dwCatalogEntryId : NULL, g, dwFlags);
}

SOCKET WSAAPI WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			 GROUP g, DWORD dwFlags)
{
	return make_socket(af, type, protocol,
			   lpProtocolInfo ? &lpProtocolInfo->dwCatalogEntryId : NULL, g, dwFlags);
}

static int duplicate(SOCKET s, const void *info)
{
	int fd = winsock_fd(s);

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (!info)
		return winsock_fail(-EFAULT);
	return winsock_fail(socket_is_qos(fd) ? -EINVAL : -EOPNOTSUPP);
}

int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOA lpProtocolInfo)
{
	return duplicate(s, lpProtocolInfo);
}

int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo)
{
	return duplicate(s, lpProtocolInfo);
}

int WSAAPI closesocket(SOCKET s)
{
	int fd = winsock_fd(s);

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	socket_table_close(fd);
	transfer_cancel_socket(fd);
	/* EINTR, the one failure left, has closed it as well. */
	close(fd);
	return 0;
}
