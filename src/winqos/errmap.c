/* SPDX-License-Identifier: MIT */
/*
 * errmap.c: the one table between errno, Win32 codes, Winsock codes and NTSTATUS values
 * (spec/qwave.md §3), and the last error of each thread.
 */
#include "winqos/errmap.h"

#include <errno.h>
#include <winsock2.h>

struct mapping {
	int error; /* errno */
	DWORD win32;
	DWORD winsock;
};

/* clang-format off */
static const struct mapping mappings[] = {
	{ EPERM,           ERROR_ACCESS_DENIED,                  WSAEACCES },
	{ ENOENT,          ERROR_NOT_FOUND,                      WSAEINVAL },
	{ EINTR,           ERROR_OPERATION_ABORTED,              WSAEINTR },
	{ EIO,             ERROR_IO_DEVICE,                      WSAENETDOWN },
	{ E2BIG,           ERROR_INVALID_PARAMETER,              WSAEINVAL },
	{ EBADF,           ERROR_INVALID_PARAMETER,              WSAENOTSOCK },
	{ ECHILD,          ERROR_INVALID_HANDLE,                 WSAENOTSOCK },
	{ EAGAIN,          ERROR_RETRY,                          WSAEWOULDBLOCK },
	{ ENOMEM,          ERROR_NOT_ENOUGH_MEMORY,              WSAENOBUFS },
	{ EACCES,          ERROR_ACCESS_DENIED,                  WSAEACCES },
	{ EFAULT,          ERROR_INVALID_PARAMETER,              WSAEFAULT },
	{ EBUSY,           ERROR_BUSY,                           WSAEINVAL },
	{ EEXIST,          ERROR_ALREADY_EXISTS,                 WSAEINVAL },
	{ EXDEV,           ERROR_NOT_SUPPORTED,                  WSAEOPNOTSUPP },
	{ ENODEV,          ERROR_ADAP_HDW_ERR,                   WSAENETDOWN },
	{ EINVAL,          ERROR_INVALID_PARAMETER,              WSAEINVAL },
	{ ENFILE,          ERROR_NO_SYSTEM_RESOURCES,            WSAEMFILE },
	{ EMFILE,          ERROR_NO_SYSTEM_RESOURCES,            WSAEMFILE },
	{ ENOSPC,          ERROR_NO_SYSTEM_RESOURCES,            WSAENOBUFS },
	{ EPIPE,           ERROR_UNEXP_NET_ERR,                  WSAESHUTDOWN },
	{ ENODATA,         ERROR_NO_DATA,                        WSANO_DATA },
	{ ENOTSOCK,        ERROR_INVALID_PARAMETER,              WSAENOTSOCK },
	{ EDESTADDRREQ,    ERROR_INVALID_PARAMETER,              WSAEDESTADDRREQ },
	{ EMSGSIZE,        ERROR_INVALID_PARAMETER,              WSAEMSGSIZE },
	{ EPROTOTYPE,      ERROR_NOT_SUPPORTED,                  WSAEPROTOTYPE },
	{ ENOPROTOOPT,     ERROR_NOT_SUPPORTED,                  WSAENOPROTOOPT },
	{ EPROTONOSUPPORT, ERROR_NOT_SUPPORTED,                  WSAEPROTONOSUPPORT },
	{ ESOCKTNOSUPPORT, ERROR_NOT_SUPPORTED,                  WSAESOCKTNOSUPPORT },
	{ EOPNOTSUPP,      ERROR_NOT_SUPPORTED,                  WSAEOPNOTSUPP },
	{ EPFNOSUPPORT,    ERROR_NOT_SUPPORTED,                  WSAEPFNOSUPPORT },
	{ EAFNOSUPPORT,    ERROR_NOT_SUPPORTED,                  WSAEAFNOSUPPORT },
	{ EADDRINUSE,      ERROR_INVALID_PARAMETER,              WSAEADDRINUSE },
	{ EADDRNOTAVAIL,   ERROR_INVALID_PARAMETER,              WSAEADDRNOTAVAIL },
	{ ENETDOWN,        ERROR_ADAP_HDW_ERR,                   WSAENETDOWN },
	{ ENETUNREACH,     ERROR_HOST_UNREACHABLE,               WSAENETUNREACH },
	{ ENETRESET,       ERROR_UNEXP_NET_ERR,                  WSAENETRESET },
	{ ECONNABORTED,    ERROR_UNEXP_NET_ERR,                  WSAECONNABORTED },
	{ ECONNRESET,      ERROR_UNEXP_NET_ERR,                  WSAECONNRESET },
	{ ENOBUFS,         ERROR_NO_SYSTEM_RESOURCES,            WSAENOBUFS },
	{ EISCONN,         ERROR_INVALID_PARAMETER,              WSAEISCONN },
	{ ENOTCONN,        ERROR_INVALID_PARAMETER,              WSAENOTCONN },
	{ ESHUTDOWN,       ERROR_DEVICE_REINITIALIZATION_NEEDED, WSAESHUTDOWN },
	{ ETOOMANYREFS,    ERROR_NO_SYSTEM_RESOURCES,            WSAETOOMANYREFS },
	{ ETIMEDOUT,       ERROR_TIMEOUT,                        WSAETIMEDOUT },
	{ ECONNREFUSED,    ERROR_CONNECTION_REFUSED,             WSAECONNREFUSED },
	{ EHOSTDOWN,       ERROR_HOST_UNREACHABLE,               WSAEHOSTDOWN },
	{ EHOSTUNREACH,    ERROR_HOST_UNREACHABLE,               WSAEHOSTUNREACH },
	{ EALREADY,        ERROR_BUSY,                           WSAEALREADY },
	/* Winsock reports a connect() under way on a non-blocking socket so. */
	{ EINPROGRESS,     ERROR_BUSY,                           WSAEWOULDBLOCK },
	{ EDQUOT,          ERROR_NETWORK_BUSY,                   WSAENOBUFS },
	{ ECANCELED,       ERROR_OPERATION_ABORTED,              WSA_OPERATION_ABORTED },
};

static const struct {
	DWORD error;
	DWORD status;
} statuses[] = {
	{ ERROR_SUCCESS,                        (DWORD)STATUS_SUCCESS },
	{ ERROR_NOT_SUPPORTED,                  (DWORD)STATUS_NOT_SUPPORTED },
	{ ERROR_NETWORK_BUSY,                   (DWORD)STATUS_NETWORK_BUSY },
	{ ERROR_OPERATION_ABORTED,              (DWORD)STATUS_CANCELLED },
	{ ERROR_DEVICE_REINITIALIZATION_NEEDED, (DWORD)STATUS_REINITIALIZATION_NEEDED },
	{ ERROR_NOT_FOUND,                      (DWORD)STATUS_NOT_FOUND },
	{ ERROR_RETRY,                          (DWORD)STATUS_RETRY },
	{ ERROR_NO_SYSTEM_RESOURCES,            (DWORD)STATUS_INSUFFICIENT_RESOURCES },
};
/* clang-format on */

/* An error without an NTSTATUS of its own travels in the low 16 bits of one, as Windows does it. */
#define STATUS_FROM_WIN32 0xC0070000u

static _Thread_local DWORD last_error;

static const struct mapping *find(int r)
{
	for (size_t i = 0; i < ARRAYSIZE(mappings); i++) {
		if (mappings[i].error == -r)
			return &mappings[i];
	}
	return NULL;
}

DWORD errmap_win32(int r)
{
	const struct mapping *mapping = find(r);

	return mapping ? mapping->win32 : ERROR_GEN_FAILURE;
}

DWORD errmap_open(int r)
{
	DWORD error = errmap_win32(r);

	switch (error) {
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_NO_SYSTEM_RESOURCES:
		return error;
	case ERROR_INVALID_PARAMETER: /* of the environment, not of the caller (§5.1) */
		return ERROR_GEN_FAILURE;
	default:
		return ERROR_SERVICE_DEPENDENCY_FAIL;
	}
}

DWORD errmap_winsock(int r)
{
	const struct mapping *mapping = find(r);

	return mapping ? mapping->winsock : WSAEINVAL;
}

ULONG_PTR errmap_status(DWORD error)
{
	for (size_t i = 0; i < ARRAYSIZE(statuses); i++) {
		if (statuses[i].error == error)
			return statuses[i].status;
	}
	return STATUS_FROM_WIN32 | (error & 0xffff);
}

DWORD errmap_from_status(ULONG_PTR status)
{
	for (size_t i = 0; i < ARRAYSIZE(statuses); i++) {
		if (statuses[i].status == (DWORD)status)
			return statuses[i].error;
	}
	return status & 0xffff;
}

BOOL fail_with(DWORD error)
{
	last_error = error;
	return FALSE;
}

DWORD WINAPI GetLastError(VOID)
{
	return last_error;
}

VOID WINAPI SetLastError(DWORD dwErrCode)
{
	last_error = dwErrCode;
}

int WSAAPI WSAGetLastError(void)
{
	return (int)last_error;
}

void WSAAPI WSASetLastError(int iError)
{
	last_error = (DWORD)iError;
}
