/* SPDX-License-Identifier: MIT */
/*
 * errmap.h: how an error of this system becomes a Win32 code, a Winsock code or an NTSTATUS, and
 * the per-thread slot that GetLastError() and WSAGetLastError() read. No other file holds a
 * translation.
 *
 * `r` is a negative errno throughout.
 */
#ifndef GW_WINQOS_ERRMAP_H
#define GW_WINQOS_ERRMAP_H

#include <windows.h>

/* The Win32 code of spec/qwave.md §3; ERROR_GEN_FAILURE for an errno that has no better one. */
DWORD errmap_win32(int r);

/*
 * For QOSCreateHandle(): whatever keeps the engine out of reach is ERROR_SERVICE_DEPENDENCY_FAIL.
 */
DWORD errmap_open(int r);

/* The Winsock code of a failed socket call. */
DWORD errmap_winsock(int r);

/* The NTSTATUS that stands for an error in OVERLAPPED.Internal, zero-extended, and the way back. */
ULONG_PTR errmap_status(DWORD error);
DWORD errmap_from_status(ULONG_PTR status);

/* Sets the last error and returns FALSE, so that failures are one statement. */
BOOL fail_with(DWORD error);

#endif
