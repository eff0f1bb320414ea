/* SPDX-License-Identifier: MIT */
/*
 * heap.c: the process heap of Windows programs, which is the C library's.
 */
#include <stdlib.h>
#include <windows.h>

#include "winqos/errmap.h"

/* Its address is the handle: nothing else has that value, and the handle table refuses it. */
static char process_heap;

HANDLE WINAPI GetProcessHeap(VOID)
{
	return &process_heap;
}

LPVOID WINAPI HeapAlloc(HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes)
{
	if (hHeap != &process_heap) {
		fail_with(ERROR_INVALID_HANDLE);
		return NULL;
	}
	/* No bytes are an allocation, too. */
	if (dwBytes == 0)
		dwBytes = 1;
	return dwFlags & HEAP_ZERO_MEMORY ? calloc(1, dwBytes) : malloc(dwBytes);
}

BOOL WINAPI HeapFree(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem)
{
	if (hHeap != &process_heap)
		return fail_with(ERROR_INVALID_HANDLE);
	free(lpMem);
	return TRUE;
}
