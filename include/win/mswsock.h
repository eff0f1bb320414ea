/* SPDX-License-Identifier: MIT */
/*
 * mswsock.h: TransmitPackets, the Winsock extension that sends a burst of datagrams with one call.
 *
 * Not exported by name: its address comes from WSAIoctl(SIO_GET_EXTENSION_FUNCTION_POINTER) with
 * WSAID_TRANSMITPACKETS, as on Windows.
 */
#ifndef GW_WIN_MSWSOCK_H
#define GW_WIN_MSWSOCK_H

#include "winsock2.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TP_ELEMENT_MEMORY 1 /* pBuffer and cLength */
#define TP_ELEMENT_FILE 2   /* nFileOffset and hFile: not offered */
#define TP_ELEMENT_EOP 4    /* ends a packet */

typedef struct _TRANSMIT_PACKETS_ELEMENT {
	ULONG dwElFlags;
	ULONG cLength;
	__extension__ union {
		__extension__ struct {
			LARGE_INTEGER nFileOffset;
			HANDLE hFile;
		};
		PVOID pBuffer;
	};
} TRANSMIT_PACKETS_ELEMENT, *PTRANSMIT_PACKETS_ELEMENT, *LPTRANSMIT_PACKETS_ELEMENT;

/* Where the work is done on Windows; all are accepted and mean the same here. */
#define TF_USE_DEFAULT_WORKER 0x00
#define TF_USE_SYSTEM_THREAD 0x10
#define TF_USE_KERNEL_APC 0x20

#define WSAID_TRANSMITPACKETS                                          \
	{                                                              \
		0xd9689da0, 0x1f90, 0x11d3,                            \
		{                                                      \
			0x99, 0x71, 0x00, 0xc0, 0x4f, 0x68, 0xc8, 0x76 \
		}                                                      \
	}

/*
 * Sends the packets that the elements make up over a connected socket; an element without
 * TP_ELEMENT_EOP is joined with the next one. nSendSize is a hint and ignored. Elements and buffers
 * must stay in place until the call has completed: at once (TRUE, event set), or, where a shaper
 * holds packets back, later (FALSE, ERROR_IO_PENDING). A NULL lpOverlapped blocks. Errors:
 * WSAENOTSOCK, WSAENOTCONN, WSAEINVAL (unknown flags, no elements), WSAEOPNOTSUPP
 * (TP_ELEMENT_FILE), and the Winsock value of the system's error.
 */
typedef BOOL(PASCAL *LPFN_TRANSMITPACKETS)(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
					   DWORD nElementCount, DWORD nSendSize,
					   LPOVERLAPPED lpOverlapped, DWORD dwFlags);

#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_MSWSOCK_H */
