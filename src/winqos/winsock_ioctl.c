/* SPDX-License-Identifier: MIT */
/*
 * winsock_ioctl.c: WSAIoctl(): which codes there are, who may use them, and how what they do is completed. What those of
 * QoS do is behind gqos.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "winqos/errmap.h"
#include "winqos/gqos.h"
#include "winqos/overlapped.h"
#include "winqos/socket_table.h"
#include "winqos/transfer.h"
#include "winqos/winsock.h"

#include <qossp.h>

#define SIO_CHK_QOS_AS_COMMENTED \
	0xD8000001 /* the number that the Windows header names (spec/gqos.md A10) */

static bool is_qos_code(DWORD code)
{
	switch (code) {
	case SIO_GET_QOS:
	case SIO_GET_GROUP_QOS:
	case SIO_SET_QOS:
	case SIO_SET_GROUP_QOS:
	case SIO_CHK_QOS:
	case SIO_CHK_QOS_AS_COMMENTED:
		return true;
	default:
		return false;
	}
}

static int get_extension(const struct gqos_ioctl *ioctl, DWORD *ret_size)
{
	static const GUID transmit_packets_id = WSAID_TRANSMITPACKETS;
	LPFN_TRANSMITPACKETS function = transmit_packets;

	if (!ioctl->in || ioctl->in_size < sizeof(GUID) || !ioctl->out ||
	    ioctl->out_size < sizeof(function))
		return WSAEFAULT;
	if (memcmp(ioctl->in, &transmit_packets_id, sizeof(GUID)) != 0)
		return WSAEINVAL;
	memcpy(ioctl->out, &function, sizeof(function));
	*ret_size = sizeof(function);
	return 0;
}

/* In the order of spec/gqos.md §7.5. */
static int check(SOCKET s, DWORD code)
{
	if (is_qos_code(code) && !winsock_is_started())
		return WSANOTINITIALISED;
	if (winsock_fd(s) < 0)
		return WSAENOTSOCK;
	if (is_qos_code(code) && !socket_is_qos((int)s))
		return WSAENOPROTOOPT;
	return 0;
}

static int control(const struct gqos_ioctl *ioctl, DWORD *ret_size)
{
	switch (ioctl->code) {
	case SIO_GET_EXTENSION_FUNCTION_POINTER:
		return get_extension(ioctl, ret_size);
	case SIO_GET_GROUP_QOS:
	case SIO_SET_GROUP_QOS:
		return WSAEOPNOTSUPP;
	default:
		break;
	}
	if (!is_qos_code(ioctl->code))
		return WSAEOPNOTSUPP;
	socket_settle((int)ioctl->s);
	return gqos_ioctl(ioctl, ret_size);
}

int WSAAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
		    LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
		    LPWSAOVERLAPPED lpOverlapped,
		    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine)
{
	struct notify notify;
	const struct gqos_ioctl ioctl = { .s = s,
					  .code = dwIoControlCode,
					  .in = lpvInBuffer,
					  .in_size = cbInBuffer,
					  .out = lpvOutBuffer,
					  .out_size = cbOutBuffer,
					  .has_size = lpcbBytesReturned || lpOverlapped,
					  .overlapped = lpOverlapped,
					  .notify = &notify };
	DWORD size = 0;
	int error;

	error = check(s, dwIoControlCode);
	/* Those of QoS have their own order of checks. */
	if (!error && !ioctl.has_size && !is_qos_code(dwIoControlCode))
		error = WSAEFAULT;
	if (error)
		return winsock_fail_with((DWORD)error);
	error = (int)notify_of(lpOverlapped, lpCompletionRoutine, &notify);
	if (error)
		return winsock_fail_with((DWORD)error);

	error = control(&ioctl, &size);
	if (error) {
		if (error != WSA_IO_PENDING)
			notify_drop(&notify);
		return winsock_fail_with((DWORD)error);
	}
	if (lpcbBytesReturned)
		*lpcbBytesReturned = size;
	overlapped_succeed(lpOverlapped, &notify, size, 0);
	return 0;
}

int WSAAPI ioctlsocket(SOCKET s, long cmd, unsigned long *argp)
{
	int fd = winsock_fd(s), value, r;

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (!argp)
		return winsock_fail(-EFAULT);
	if (cmd != FIONBIO && cmd != FIONREAD && cmd != SIOCATMARK)
		return winsock_fail(-EINVAL);
	value = *argp != 0;
	r = ioctl(fd, (unsigned long)cmd, &value) < 0 ? winsock_fail(-errno) : 0;
	if (r == 0 && cmd != FIONBIO)
		*argp = (unsigned long)value;
	return r;
}
