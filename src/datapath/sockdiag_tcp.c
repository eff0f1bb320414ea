/* SPDX-License-Identifier: MIT */
/*
 * sockdiag_tcp.c: reads struct tcp_info (see sockdiag.h); in a file of its own because the C library and the kernel each
 * have a header for it, and only the kernel's has all of it.
 */
#include "datapath/sockdiag.h"

#include <errno.h>
#include <linux/tcp.h>
#include <string.h>

#define BITS_PER_BYTE 8
#define UNKNOWN_RTT UINT32_MAX

/* Kernels have appended to it over the years; what one does not know is 0. */
int sockdiag_read_tcp(const void *info, size_t len, struct sockdiag_tcp *ret_tcp)
{
	struct tcp_info tcp = { 0 };

	if (!info || len < offsetof(struct tcp_info, tcpi_delivered))
		return -ENODATA;
	memcpy(&tcp, info, len < sizeof(tcp) ? len : sizeof(tcp));
	*ret_tcp = (struct sockdiag_tcp){
		.rtt_us = tcp.tcpi_rtt,
		.min_rtt_us = tcp.tcpi_min_rtt == UNKNOWN_RTT ? 0 : tcp.tcpi_min_rtt,
		.segments_sent = tcp.tcpi_data_segs_out,
		.segments_retransmitted = tcp.tcpi_total_retrans,
		.marked = tcp.tcpi_delivered_ce,
		.delivery_rate_bps = tcp.tcpi_delivery_rate * BITS_PER_BYTE,
		.app_limited = tcp.tcpi_delivery_rate_app_limited,
	};
	return 0;
}
