/* SPDX-License-Identifier: MIT */
/*
 * gqos_seam.c: a provider that has no QoS to give (gqos.h). Its functions give way to others of their names.
 */
#include "winqos/gqos.h"

#define WEAK __attribute__((weak))

WEAK int gqos_check(SOCKET s, const QOS *qos)
{
	return WSAEOPNOTSUPP;
}

WEAK int gqos_set(SOCKET s, const QOS *qos)
{
	return WSAEOPNOTSUPP;
}

WEAK bool gqos_requested(SOCKET s, QOS *ret_qos)
{
	return false;
}

WEAK void gqos_look(SOCKET s)
{
}

WEAK void gqos_end(SOCKET s, unsigned directions, bool shut)
{
}

WEAK int gqos_join(SOCKET s, const struct sockaddr *group, socklen_t group_len, unsigned directions,
		   const QOS *qos)
{
	return qos ? WSAEOPNOTSUPP : 0;
}

WEAK void gqos_leave(SOCKET s, const struct sockaddr *group, socklen_t group_len)
{
}

WEAK void gqos_inherit(SOCKET listener, SOCKET accepted, const QOS *from_condition)
{
}

WEAK void gqos_closing(SOCKET s)
{
}

WEAK int gqos_ioctl(const struct gqos_ioctl *ioctl, DWORD *ret_size)
{
	return WSAEOPNOTSUPP;
}

WEAK int gqos_pending_code(SOCKET s)
{
	return 0;
}

WEAK int gqos_event_fd(void)
{
	return -1;
}

WEAK void gqos_dispatch(void)
{
}
