/* SPDX-License-Identifier: MIT */
/* transmit.c: TransmitPackets(): many packets in one transfer (transfer_internal.h). */
#include <errno.h>
#include <poll.h>

#include "winqos/errmap.h"
#include "winqos/paced.h"
#include "winqos/transfer_internal.h"
#include "winqos/winsock.h"

/* How many elements, from `first` on, make one packet. */
static DWORD packet_elements(const TRANSMIT_PACKETS_ELEMENT *elements, DWORD count, DWORD first)
{
	DWORD end = first;

	while (end < count && !(elements[end].dwElFlags & TP_ELEMENT_EOP))
		end++;
	return (end < count ? end + 1 : count) - first;
}

/* Fills the vector of one packet, without what of it a stream has taken already; its length. */
static size_t packet_vector(const struct transfer *transfer, DWORD elements, struct iovec *iov)
{
	size_t skip = transfer->transmit.offset, length = 0;

	for (DWORD i = 0; i < elements; i++) {
		const TRANSMIT_PACKETS_ELEMENT *element =
			&transfer->transmit.elements[transfer->transmit.next + i];
		size_t skipped = skip < element->cLength ? skip : element->cLength;

		iov[i] = (struct iovec){ (char *)element->pBuffer + skipped,
					 element->cLength - skipped };
		skip -= skipped;
		length += iov[i].iov_len;
	}
	return length;
}

static ssize_t transmit_step(struct transfer *transfer, int flags)
{
	while (transfer->transmit.next < transfer->transmit.count) {
		struct iovec iov[TRANSFER_MAX_BUFFERS];
		DWORD elements = packet_elements(transfer->transmit.elements,
						 transfer->transmit.count, transfer->transmit.next);
		struct msghdr message = { .msg_iov = iov, .msg_iovlen = elements };
		size_t length = packet_vector(transfer, elements, iov);
		ssize_t n;

		do {
			n = transfer_send_message(transfer, &message, flags);
		} while (n == -EINTR);
		if (n < 0)
			return n;
		transfer->transmit.sent += (size_t)n;
		transfer->transmit.offset += (size_t)n;
		if ((size_t)n == length) {
			transfer->transmit.next += elements;
			transfer->transmit.offset = 0;
		}
	}
	return (ssize_t)transfer->transmit.sent;
}

/* 0, or why the elements cannot be sent. */
static int check_elements(const TRANSMIT_PACKETS_ELEMENT *elements, DWORD count)
{
	DWORD in_packet = 0;

	if (!elements || count == 0)
		return -EINVAL;
	for (DWORD i = 0; i < count; i++) {
		if (elements[i].dwElFlags & TP_ELEMENT_FILE)
			return -EOPNOTSUPP;
		if ((elements[i].dwElFlags & ~TP_ELEMENT_EOP) != TP_ELEMENT_MEMORY)
			return -EINVAL;
		if (++in_packet > TRANSFER_MAX_BUFFERS)
			return -EMSGSIZE;
		if (elements[i].dwElFlags & TP_ELEMENT_EOP)
			in_packet = 0;
	}
	return 0;
}

/* Without an OVERLAPPED the call blocks, whatever the socket's own mode. */
static ssize_t transmit_blocking(struct transfer *transfer)
{
	struct pollfd writable = { .fd = transfer->fd, .events = POLLOUT };
	ssize_t n;

	while ((n = transmit_step(transfer, 0)) == -EAGAIN) {
		if (transfer->wait_ns > 0)
			paced_wait(transfer->wait_ns);
		else
			poll(&writable, 1, -1);
	}
	return n;
}

BOOL PASCAL transmit_packets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
			     DWORD nElementCount, DWORD nSendSize, LPOVERLAPPED lpOverlapped,
			     DWORD dwFlags)
{
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof(peer);
	struct transfer *transfer;
	int fd = winsock_fd(hSocket);
	BOOL sent;
	int r;

	if (fd < 0)
		return fail_with(WSAENOTSOCK);
	if (dwFlags & ~(DWORD)(TF_USE_SYSTEM_THREAD | TF_USE_KERNEL_APC))
		return fail_with(WSAEINVAL);
	r = check_elements(lpPacketArray, nElementCount);
	if (r == 0 && getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0)
		r = -errno;
	if (r < 0)
		return fail_with(errmap_winsock(r));

	transfer = transfer_new(fd, lpOverlapped, NULL, true);
	if (!transfer)
		return FALSE;
	transfer->go_on = transmit_step;
	transfer->transmit.elements = lpPacketArray;
	transfer->transmit.count = nElementCount;
	sent = transfer_transmitted(transfer, lpOverlapped ? transfer_begin(transfer)
							   : transmit_blocking(transfer));
	object_unref(&transfer->operation.object);
	return sent;
}
