/* SPDX-License-Identifier: MIT */
/* gqos_ioctl.c: the QoS codes of WSAIoctl() (spec/gqos.md §7.5, §7.7, §13). */
#include <string.h>

#include "winqos/gqos_host.h"
#include "winqos/gqos_socket.h"

#define SIO_CHK_QOS_ALIAS 0xD8000001 /* what the comment of the Windows header says (§18, A10) */

static int set(const struct gqos_ioctl *ioctl)
{
	QOS qos;

	if (!ioctl->in || ioctl->in_size < sizeof(qos))
		return WSAEFAULT;
	memcpy(&qos, ioctl->in, sizeof(qos)); /* it may lie anywhere */
	return gqos_set(ioctl->s, &qos);
}

static int call_query(struct gw *gw, int fd, void *argument)
{
	return gw_qos_query(gw, fd, argument);
}

static DWORD line_rate_kbps(const struct gw_qos_info *info)
{
	uint64_t rate_kbps = info->link_bps / 1000;

	if (info->link_bps == 0)
		return INFO_NOT_AVAILABLE;
	return rate_kbps < INFO_NOT_AVAILABLE ? (DWORD)rate_kbps : INFO_NOT_AVAILABLE - 1;
}

/* Whether what was asked for may be sent while nothing is reserved for it. */
static bool may_send_unreserved(const struct gw_qos_info *info)
{
	return info->max_unreserved_bps == 0 ||
	       info->sending.tspec.rate_bps <= info->max_unreserved_bps;
}

static bool is_question(DWORD selector)
{
	return selector >= ALLOWED_TO_SEND_DATA && selector <= END_TO_END_QOSABILITY;
}

/* `info` NULL: the engine is out of reach. */
static DWORD answer(DWORD selector, const struct gw_qos_info *info)
{
	if (selector == ALLOWED_TO_SEND_DATA)
		return !info || may_send_unreserved(info);
	if (!info)
		return selector == ABLE_TO_RECV_RSVP ? 0 : INFO_NOT_AVAILABLE;
	switch (selector) {
	case ABLE_TO_RECV_RSVP:
		return info->signals != 0;
	case LINE_RATE:
		return line_rate_kbps(info);
	case LOCAL_TRAFFIC_CONTROL:
		return info->traffic_control != 0;
	case LOCAL_QOSABILITY:
		return info->signals != 0 && info->traffic_control != 0;
	default:
		return info->end_to_end; /* the numbers are the same */
	}
}

int gqos_ask(const struct gqos_ioctl *ioctl, DWORD *ret_size)
{
	struct gw_qos_info info = { .size = sizeof(info) };
	DWORD selector, said;
	bool known;

	if (!ioctl->in || ioctl->in_size < sizeof(selector) || !ioctl->out ||
	    ioctl->out_size < sizeof(said) || !ioctl->has_size)
		return WSAEFAULT;
	memcpy(&selector, ioctl->in, sizeof(selector));
	if (!is_question(selector))
		return WSAEINVAL;
	known = !gqos_host_call(call_query, (int)ioctl->s, &info);
	said = answer(selector, known ? &info : NULL);
	memcpy(ioctl->out, &said, sizeof(said));
	*ret_size = sizeof(said);
	return 0;
}

int gqos_ioctl(const struct gqos_ioctl *ioctl, DWORD *ret_size)
{
	*ret_size = 0;
	switch (ioctl->code) {
	case SIO_SET_QOS:
		return set(ioctl);
	case SIO_GET_QOS:
		return gqos_get(ioctl, ret_size);
	case SIO_CHK_QOS:
	case SIO_CHK_QOS_ALIAS:
		return gqos_ask(ioctl, ret_size);
	default:
		return WSAEOPNOTSUPP; /* groups of sockets, which Windows keeps for later (§7.7) */
	}
}
