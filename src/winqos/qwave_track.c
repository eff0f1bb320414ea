/* SPDX-License-Identifier: MIT */
/*
 * qwave_track.c: announcing hosts that will receive flows (spec/qwave.md §5.9, §5.10).
 */
#include "winqos/errmap.h"
#include "winqos/qwave.h"

static BOOL track(HANDLE handle, const struct sockaddr *host, DWORD flags,
		  int (*verb)(struct gw *gw, const struct sockaddr *host, socklen_t host_len))
{
	QOS_REF qos = qos_get(handle);
	socklen_t length;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (flags || !host)
		return fail_with(ERROR_INVALID_PARAMETER);
	length = qos_address_length(host);
	if (!length || qos_address_unspecified(host) || qos_address_group(host))
		return fail_with(ERROR_INVALID_PARAMETER);
	return qos_result(verb(qos->gw, host, length));
}

BOOL WINAPI QOSStartTrackingClient(HANDLE QOSHandle, PSOCKADDR DestAddr, DWORD Flags)
{
	return track(QOSHandle, DestAddr, Flags, gw_track_start);
}

BOOL WINAPI QOSStopTrackingClient(HANDLE QOSHandle, PSOCKADDR DestAddr, DWORD Flags)
{
	return track(QOSHandle, DestAddr, Flags, gw_track_stop);
}
