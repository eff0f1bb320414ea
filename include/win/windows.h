/* SPDX-License-Identifier: MIT */
/*
 * windows.h: the Windows types, error values and wait functions that programs need around QoS.
 *
 * Not an emulation of Windows: it holds what programs that use qos2.h and winsock2.h touch on the
 * way. The scalar types have their Windows widths on every target; above all, DWORD, ULONG and LONG
 * are 32 bits wide and never `long`.
 *
 * Rules that hold for every function of these headers:
 *
 *  - Errors: a BOOL function returns exactly TRUE (1) or FALSE (0); the reason of a failure is read
 *    with GetLastError(). Success leaves the last error untouched. The last error is one value per
 *    thread, and WSAGetLastError() reads the same one.
 *  - Threads: every function may be called from any thread, also on one handle at the same time.
 *  - Handles are entries of a table, not pointers: a wrong or closed value is refused with
 *    ERROR_INVALID_HANDLE and never dereferenced. They are close-on-exec, and useless to a child
 *    after fork().
 *  - The library starts no thread to complete overlapped operations. A completion that arrives from
 *    the engine or a socket is taken in by whichever thread next waits on the event, asks for the
 *    result or tests HasOverlappedIoCompleted(). Until then OVERLAPPED.Internal may still read
 *    STATUS_PENDING, so a program must not spin on that field alone.
 */
#ifndef GW_WIN_WINDOWS_H
#define GW_WIN_WINDOWS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sal.h"

/* libjpeg leaves INT16 and INT32 to us when it sees this name. */
#ifndef _BASETSD_H_
#define _BASETSD_H_
#endif

/*
 * Calling conventions: none here.
 */
#ifndef WINAPI
#define WINAPI
#endif
#ifndef WINAPIV
#define WINAPIV
#endif
#ifndef APIENTRY
#define APIENTRY
#endif
#ifndef CALLBACK
#define CALLBACK
#endif
#ifndef PASCAL
#define PASCAL
#endif
#ifndef FAR
#define FAR
#endif
#ifndef CONST
#define CONST const
#endif
#ifndef __cdecl
#define __cdecl
#endif
#ifndef _cdecl
#define _cdecl
#endif
#ifndef __stdcall
#define __stdcall
#endif

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/*
 * Scalar types. ULONG and UINT32 are one underlying type on purpose, so that a source with its own
 * `typedef UINT32 QOS_FLOWID;` still compiles.
 */
typedef void VOID, *PVOID, *LPVOID;
typedef const void *LPCVOID;

typedef char CHAR, *PCHAR, *PSTR, *LPSTR;
typedef const char *PCSTR, *LPCSTR;
typedef signed char INT8, *PINT8;
typedef unsigned char UCHAR, *PUCHAR, BYTE, *PBYTE, *LPBYTE, UINT8, *PUINT8, BOOLEAN, *PBOOLEAN;

typedef short SHORT, *PSHORT, INT16, *PINT16;
typedef unsigned short USHORT, *PUSHORT, WORD, *PWORD, *LPWORD, UINT16, *PUINT16;

typedef int BOOL, *PBOOL, *LPBOOL, INT, *PINT, *LPINT, LONG, *PLONG, *LPLONG, INT32, *PINT32,
	LONG32;
typedef unsigned int UINT, *PUINT, *LPUINT, ULONG, *PULONG, *LPULONG, DWORD, *PDWORD, *LPDWORD,
	UINT32, *PUINT32, ULONG32, DWORD32;

typedef long long LONGLONG, *PLONGLONG, INT64, *PINT64, LONG64;
typedef unsigned long long ULONGLONG, *PULONGLONG, UINT64, *PUINT64, ULONG64, DWORDLONG, DWORD64;

typedef intptr_t INT_PTR, *PINT_PTR, LONG_PTR, *PLONG_PTR, SSIZE_T, *PSSIZE_T;
typedef uintptr_t UINT_PTR, *PUINT_PTR, ULONG_PTR, *PULONG_PTR, DWORD_PTR, *PDWORD_PTR, SIZE_T,
	*PSIZE_T;

/* 16 bits wide as on Windows; wchar_t and L"" are not, u"" is. */
#ifdef __cplusplus
typedef char16_t WCHAR;
#else
typedef unsigned short WCHAR;
#endif
typedef WCHAR *PWCHAR, *PWSTR, *LPWSTR;
typedef const WCHAR *PCWSTR, *LPCWSTR;

typedef float FLOAT;
typedef double DOUBLE;
typedef LONG NTSTATUS, *PNTSTATUS;

/* Results of COM and of delayed loading: negative is failure. */
typedef LONG HRESULT;
#ifndef S_OK
#define S_OK ((HRESULT)0)
#define S_FALSE ((HRESULT)1)
#define E_FAIL ((HRESULT)0x80004005)
#endif
#ifndef SUCCEEDED
#define SUCCEEDED(result) ((HRESULT)(result) >= 0)
#define FAILED(result) ((HRESULT)(result) < 0)
#endif

/* Never NULL and never INVALID_HANDLE_VALUE when valid. */
typedef void *HANDLE, **PHANDLE, **LPHANDLE;
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

/* For programs that look functions up at run time: what dlopen() and dlsym() return. */
typedef HANDLE HINSTANCE, HMODULE;

/* There are no windows: a name for parameters. */
typedef HANDLE HWND;
typedef INT_PTR(WINAPI *FARPROC)(void);

typedef struct _GUID {
	ULONG Data1;
	USHORT Data2;
	USHORT Data3;
	UCHAR Data4[8];
} GUID, *LPGUID;

typedef union _LARGE_INTEGER {
	__extension__ struct {
		DWORD LowPart;
		LONG HighPart;
	};
	struct {
		DWORD LowPart;
		LONG HighPart;
	} u;
	LONGLONG QuadPart;
} LARGE_INTEGER, *PLARGE_INTEGER;

typedef struct _SECURITY_ATTRIBUTES {
	DWORD nLength;
	LPVOID lpSecurityDescriptor;
	BOOL bInheritHandle;
} SECURITY_ATTRIBUTES, *PSECURITY_ATTRIBUTES, *LPSECURITY_ATTRIBUTES;

/*
 * Small helpers that Windows sources take for granted.
 */
#ifndef ARRAYSIZE
#define ARRAYSIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif
#ifndef ZeroMemory
#define ZeroMemory(p, n) memset((p), 0, (n))
#define FillMemory(p, n, c) memset((p), (c), (n))
#define CopyMemory(d, s, n) memcpy((d), (s), (n))
#define MoveMemory(d, s, n) memmove((d), (s), (n))
#endif
#ifndef UNREFERENCED_PARAMETER
#define UNREFERENCED_PARAMETER(p) ((void)(p))
#endif
#ifndef MAKEWORD
#define MAKEWORD(low, high) ((WORD)(((BYTE)(low)) | (WORD)((WORD)(BYTE)(high) << 8)))
#define MAKELONG(low, high) ((LONG)(((WORD)(low)) | (DWORD)((DWORD)(WORD)(high) << 16)))
#define LOWORD(v) ((WORD)((DWORD_PTR)(v)&0xffff))
#define HIWORD(v) ((WORD)(((DWORD_PTR)(v) >> 16) & 0xffff))
#define LOBYTE(v) ((BYTE)((DWORD_PTR)(v)&0xff))
#define HIBYTE(v) ((BYTE)(((DWORD_PTR)(v) >> 8) & 0xff))
#endif

/*
 * Error values (spec/qwave.md §3, and the few that waiting and handles add).
 */
#define NO_ERROR 0
#define ERROR_SUCCESS 0
#define ERROR_INVALID_FUNCTION 1
#define ERROR_TOO_MANY_OPEN_FILES 4
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_OUTOFMEMORY 14
#define ERROR_GEN_FAILURE 31
#define ERROR_NOT_SUPPORTED 50
#define ERROR_NETWORK_BUSY 54
#define ERROR_ADAP_HDW_ERR 57
#define ERROR_UNEXP_NET_ERR 59
#define ERROR_BAD_NET_NAME 67
#define ERROR_INVALID_PARAMETER 87
#define ERROR_CALL_NOT_IMPLEMENTED 120
#define ERROR_INSUFFICIENT_BUFFER 122
#define ERROR_BUSY 170
#define ERROR_ALREADY_EXISTS 183
#define ERROR_NO_DATA 232
#define ERROR_MORE_DATA 234
#define ERROR_SYSTEM_POWERSTATE_TRANSITION 782
#define ERROR_SYSTEM_POWERSTATE_COMPLEX_TRANSITION 783
#define ERROR_OPERATION_ABORTED 995
#define ERROR_IO_INCOMPLETE 996
#define ERROR_IO_PENDING 997
#define ERROR_INVALID_FLAGS 1004
#define ERROR_SERVICE_DEPENDENCY_FAIL 1068
#define ERROR_IO_DEVICE 1117
#define ERROR_DEVICE_REINITIALIZATION_NEEDED 1164
#define ERROR_NOT_FOUND 1168
#define ERROR_CONNECTION_REFUSED 1225
#define ERROR_HOST_UNREACHABLE 1232
#define ERROR_RETRY 1237
#define ERROR_ACCESS_DISABLED_BY_POLICY 1260
#define ERROR_NO_SYSTEM_RESOURCES 1450
#define ERROR_TIMEOUT 1460
#define ERROR_RESOURCE_DISABLED 4309

/*
 * NTSTATUS values as they stand in OVERLAPPED.Internal. The field is pointer-wide and the status is
 * stored zero-extended: compare with (DWORD)overlapped->Internal.
 */
#define STATUS_SUCCESS ((NTSTATUS)0x00000000)
#define STATUS_WAIT_0 0x00000000
#define STATUS_ABANDONED_WAIT_0 0x00000080
#define STATUS_USER_APC 0x000000C0
#define STATUS_TIMEOUT 0x00000102
#define STATUS_PENDING 0x00000103
#define STATUS_INSUFFICIENT_RESOURCES ((NTSTATUS)0xC000009A)
#define STATUS_NOT_SUPPORTED ((NTSTATUS)0xC00000BB)
#define STATUS_NETWORK_BUSY ((NTSTATUS)0xC00000BF)
#define STATUS_CANCELLED ((NTSTATUS)0xC0000120)
#define STATUS_NOT_FOUND ((NTSTATUS)0xC0000225)
#define STATUS_RETRY ((NTSTATUS)0xC000022D)
#define STATUS_REINITIALIZATION_NEEDED ((NTSTATUS)0xC0000287)

/*
 * Waiting.
 */
#define INFINITE 0xFFFFFFFF
#define WAIT_OBJECT_0 0x00000000
#define WAIT_ABANDONED 0x00000080
#define WAIT_ABANDONED_0 0x00000080
#define WAIT_IO_COMPLETION 0x000000C0
#define WAIT_TIMEOUT 258
#define WAIT_FAILED 0xFFFFFFFF
#define MAXIMUM_WAIT_OBJECTS 64

/* The calling thread's last error; functions that succeed do not change it. Cannot fail. */
DWORD WINAPI GetLastError(VOID);
VOID WINAPI SetLastError(DWORD dwErrCode);

/*
 * Suspends the calling thread for at least that many milliseconds; INFINITE never returns. SleepEx()
 * that is alertable returns WAIT_IO_COMPLETION once it has run completion routines, else 0.
 */
VOID WINAPI Sleep(DWORD dwMilliseconds);
DWORD WINAPI SleepEx(DWORD dwMilliseconds, BOOL bAlertable);

/*
 * CreateEvent() makes an event: a flag that threads can wait for. A manual-reset event stays set
 * until ResetEvent(), releasing every waiter; an auto-reset one releases one waiter and is reset by
 * that. Events are private to the process: the attributes are ignored, and a name other than NULL
 * is refused with ERROR_NOT_SUPPORTED. The caller owns the handle and ends it with CloseHandle().
 *
 * Returns NULL on failure: ERROR_NOT_SUPPORTED (name given), ERROR_NO_SYSTEM_RESOURCES (no
 * descriptor left), ERROR_NOT_ENOUGH_MEMORY.
 */
HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCSTR lpName);
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCWSTR lpName);
#ifndef CreateEvent
#ifdef UNICODE
#define CreateEvent CreateEventW
#else
#define CreateEvent CreateEventA
#endif
#endif

/* Set or reset an event. ERROR_INVALID_HANDLE: not a live event. */
BOOL WINAPI SetEvent(HANDLE hEvent);
BOOL WINAPI ResetEvent(HANDLE hEvent);

/*
 * A pollable descriptor for an event or a waitable timer, for programs with a poll loop of their
 * own. It polls readable when the object may be set, or when an overlapped operation whose
 * OVERLAPPED holds this event may have completed; WaitForSingleObject(h, 0) then confirms, takes
 * the completion in, and resets an auto-reset object. The descriptor belongs to the handle: do not
 * read, write or close it; it ends with CloseHandle(). Returns -1 with ERROR_INVALID_HANDLE for
 * anything else.
 */
int gw_win_event_fd(HANDLE hEvent);

/*
 * For a host that waits in a thread of its own for all overlapped operations of the process, in poll(2) and nowhere
 * else. The descriptor polls readable when one of them may have ended. gw_win_poll() then takes in what has come, and
 * says whether any has ended since it was last asked: HasOverlappedIoCompleted() and GetOverlappedResult() tell which,
 * without waiting. It is called until it returns FALSE. It never blocks, not for a condition variable either, and calls
 * nobody back. The descriptor belongs to the process: do not read, write or close it. -1 with the error of the system,
 * if it has no descriptors left.
 */
int gw_win_poll_fd(VOID);
BOOL WINAPI gw_win_poll(VOID);

/*
 * Closes an event or a waitable timer. A QOS handle is closed with QOSCloseHandle() and a socket
 * with closesocket(): CloseHandle() refuses both with ERROR_INVALID_HANDLE. An event must not be
 * closed while an overlapped operation that names it is pending.
 */
BOOL WINAPI CloseHandle(HANDLE hObject);

/*
 * Wait until an object, one of them, or all of them at once are set, for at most dwMilliseconds (0
 * only tests). Success resets the auto-reset objects that satisfied the wait: with bWaitAll FALSE
 * the one whose index is returned (the lowest, if several are set), with bWaitAll TRUE all of them,
 * and none before all are set.
 *
 * Return WAIT_OBJECT_0 + index, WAIT_TIMEOUT, or WAIT_FAILED with ERROR_INVALID_HANDLE (not a live
 * object) or ERROR_INVALID_PARAMETER (count 0 or above MAXIMUM_WAIT_OBJECTS, NULL array, or a
 * handle given twice with bWaitAll).
 *
 * An alertable wait is where the completion routines of the calling thread's operations
 * (WSARecv(), WSASend(), WSAIoctl()) are run, and nowhere else: those whose operations are over, oldest
 * first, before it returns WAIT_IO_COMPLETION. Objects that are set go before them.
 */
DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds);
DWORD WINAPI WaitForSingleObjectEx(HANDLE hHandle, DWORD dwMilliseconds, BOOL bAlertable);
DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				    DWORD dwMilliseconds);
DWORD WINAPI WaitForMultipleObjectsEx(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				      DWORD dwMilliseconds, BOOL bAlertable);

/*
 * Waitable timers. The due time is in units of 100 ns: negative counts from now, positive is
 * absolute since 1601-01-01 UTC. lPeriod 0 fires once, otherwise again every lPeriod milliseconds.
 * Completion routines are not offered: pfnCompletionRoutine must be NULL (ERROR_NOT_SUPPORTED).
 * fResume is ignored. Names and attributes as with CreateEvent().
 *
 * CreateWaitableTimer() fails as CreateEvent() does. SetWaitableTimer(): ERROR_INVALID_HANDLE,
 * ERROR_INVALID_PARAMETER (no due time, negative period), ERROR_NOT_SUPPORTED.
 */
typedef VOID(CALLBACK *PTIMERAPCROUTINE)(LPVOID lpArgToCompletionRoutine, DWORD dwTimerLowValue,
					 DWORD dwTimerHighValue);

HANDLE WINAPI CreateWaitableTimerA(LPSECURITY_ATTRIBUTES lpTimerAttributes, BOOL bManualReset,
				   LPCSTR lpTimerName);
HANDLE WINAPI CreateWaitableTimerW(LPSECURITY_ATTRIBUTES lpTimerAttributes, BOOL bManualReset,
				   LPCWSTR lpTimerName);
#ifndef CreateWaitableTimer
#ifdef UNICODE
#define CreateWaitableTimer CreateWaitableTimerW
#else
#define CreateWaitableTimer CreateWaitableTimerA
#endif
#endif
BOOL WINAPI SetWaitableTimer(HANDLE hTimer, const LARGE_INTEGER *lpDueTime, LONG lPeriod,
			     PTIMERAPCROUTINE pfnCompletionRoutine, LPVOID lpArgToCompletionRoutine,
			     BOOL fResume);

/*
 * The state of one overlapped operation (spec/qwave.md §4.5). The memory belongs to the caller and
 * must stay in place until the operation has completed. Internal is STATUS_PENDING while it runs
 * and its NTSTATUS afterwards, InternalHigh the bytes transferred. hEvent is reset when the
 * operation is accepted and set when it completes, also when it completes at once. 32 bytes on
 * 64-bit targets.
 */
typedef struct _OVERLAPPED {
	ULONG_PTR Internal;
	ULONG_PTR InternalHigh;
	__extension__ union {
		__extension__ struct {
			DWORD Offset;
			DWORD OffsetHigh;
		};
		PVOID Pointer;
	};
	HANDLE hEvent;
} OVERLAPPED, *LPOVERLAPPED;

/*
 * The result of an overlapped operation: TRUE and the bytes transferred, or FALSE and its error.
 * With bWait it blocks until the operation completes, on hEvent or, where that is NULL, on hFile;
 * an operation that has completed already returns at once even if an auto-reset event was consumed
 * before. Without bWait a pending operation gives ERROR_IO_INCOMPLETE. Other errors:
 * ERROR_INVALID_PARAMETER (NULL pointer), ERROR_INVALID_HANDLE (to wait for), or the operation's
 * own, above all ERROR_OPERATION_ABORTED.
 */
BOOL WINAPI GetOverlappedResult(HANDLE hFile, LPOVERLAPPED lpOverlapped,
				LPDWORD lpNumberOfBytesTransferred, BOOL bWait);

/*
 * Whether an overlapped operation has completed; never blocks, changes no last error. Windows tests
 * Internal directly. Here nothing writes Internal behind the program's back (see the top of this
 * file), so the test is a call that takes in what has arrived first: a loop on it ends.
 */
BOOL WINAPI gw_win_overlapped_completed(LPOVERLAPPED lpOverlapped);
#ifndef HasOverlappedIoCompleted
#define HasOverlappedIoCompleted(lpOverlapped) gw_win_overlapped_completed(lpOverlapped)
#endif

/*
 * The process heap: the C library's. HeapAlloc() returns NULL when out of memory (the last error is
 * not set, as on Windows); HeapFree() accepts NULL. Both refuse a heap that is not
 * GetProcessHeap()'s, with ERROR_INVALID_HANDLE.
 */
#define HEAP_NO_SERIALIZE 0x00000001
#define HEAP_ZERO_MEMORY 0x00000008

HANDLE WINAPI GetProcessHeap(VOID);
LPVOID WINAPI HeapAlloc(HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes);
BOOL WINAPI HeapFree(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_WINDOWS_H */
