/* SPDX-License-Identifier: MIT */
/*
 * transfer.h: overlapped input and output of sockets: WSARecv(), WSASendTo(), and TransmitPackets(), whose
 * completion is how a program learns that a shaper has let its packets go.
 */
#ifndef GW_WINQOS_TRANSFER_H
#define GW_WINQOS_TRANSFER_H

#include <mswsock.h>
#include <sys/socket.h>

/* TransmitPackets(), to be handed out as an extension function. */
BOOL PASCAL transmit_packets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
			     DWORD nElementCount, DWORD nSendSize, LPOVERLAPPED lpOverlapped,
			     DWORD dwFlags);

#define TRANSFER_MAX_BUFFERS 64 /* of one WSARecv() or WSASend(), winsock2.h */

/* WSASendTo() with an OVERLAPPED. The vector and the address of `message` are copied. */
int transfer_send(int fd, const struct msghdr *message, int flags, LPWSAOVERLAPPED overlapped,
		  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, LPDWORD ret_bytes);

/* Completes what is pending on a socket that is about to be closed, with WSA_OPERATION_ABORTED. */
void transfer_cancel_socket(int fd);

/* For fork(): keeps transfers still, and drops them in the child. Taken before the state lock. */
void transfer_lock(void);
void transfer_unlock(void);
void transfer_forget_all_locked(void);

#endif
