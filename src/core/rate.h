/* SPDX-License-Identifier: MIT */
/*
 * rate.h: rates in the units of those we talk to, converted here and nowhere else. Inside, a rate is a
 * whole number of bits per second; netlink and RSVP count bytes.
 *
 * What does not fit saturates, it never wraps. RATE_UNLIMITED is the top of either unit and stays itself
 * in every conversion.
 */
#ifndef GW_CORE_RATE_H
#define GW_CORE_RATE_H

#include <stdint.h>

#define RATE_UNLIMITED UINT64_MAX

/*
 * Bits per second as bytes per second. Up for what somebody asked for, so that nobody gets less than he
 * asked and a rate of 1 bit/s does not become none; down for what somebody is offered.
 */
uint64_t rate_to_bytes_up(uint64_t rate_bps);
uint64_t rate_to_bytes_down(uint64_t rate_bps);
uint64_t rate_from_bytes(uint64_t bytes_per_s);

/*
 * The two fields of a traffic-control message: struct tc_ratespec has 32 bits of bytes per second, and a
 * rate that does not fit goes into an attribute beside it (TCA_HTB_RATE64, TCA_HTB_CEIL64 ...).
 */
struct rate_netlink {
	uint32_t rate;	 /* bytes per second; all ones if rate64 is needed */
	uint64_t rate64; /* bytes per second; 0: leave the attribute out */
};
struct rate_netlink rate_to_netlink(uint64_t rate_bps);

/*
 * A burst as traffic control wants it: the time that it takes at the rate, in ticks of 64 ns (what the
 * kernel has shown in /proc/net/psched ever since it counts in nanoseconds), rounded up.
 */
#define RATE_NETLINK_TICK_NS 64
uint32_t rate_burst_ticks(uint64_t rate_bps, uint32_t burst_bytes);

/*
 * r, p and R of RSVP: IEEE single precision, bytes per second (RFC 2215 §3.6); b has the same form, in
 * bytes. Positive infinity is RATE_UNLIMITED. Reading rounds to the nearest whole number; -EINVAL for what
 * is negative or no number. Writing gives the nearest single.
 */
int rate_bytes_from_float(float value, uint64_t *ret_value);
float rate_bytes_to_float(uint64_t value);

/* Whole bytes that pass at the rate in the time. */
uint64_t rate_bytes_in(uint64_t rate_bps, uint64_t time_ns);

/* The share of a rate, rounded down. 0 to 100 percent. */
uint64_t rate_share(uint64_t rate_bps, uint32_t percent);

/*
 * What a flow of `rate_bps` of IP takes of a link that adds `overhead_bytes` to each packet, if all its
 * packets are as small as `packet_bytes` (RFC 2211, RFC 2212: scale by 1 + h/m, m being the minimum
 * policed unit; 0 counts as 1). Rounded up.
 */
uint64_t rate_on_link(uint64_t rate_bps, uint32_t packet_bytes, uint32_t overhead_bytes);

#endif
