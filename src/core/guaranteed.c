/* SPDX-License-Identifier: MIT */
/* guaranteed.c: see guaranteed.h. All is done in double precision and rounded toward the safe side. */
#include "core/guaranteed.h"

#include <errno.h>
#include <math.h>

#define US_PER_S 1e6
#define TERM_MAX (1u << 28)

static double d_s(const struct guaranteed_terms *terms)
{
	return (double)terms->d_us / US_PER_S;
}

/* What may come at the peak rate beyond the first packet. A bucket smaller than M holds that packet only. */
static double burst_bytes(const struct rsvp_tspec *tspec)
{
	return fmax((double)tspec->b - (double)tspec->M, 0.0);
}

double guaranteed_delay_s(const struct rsvp_tspec *tspec, double R,
			  const struct guaranteed_terms *total)
{
	double packet = ((double)tspec->M + total->c_bytes) / R + d_s(total);
	double p = (double)tspec->p, r = (double)tspec->r;

	if (isinf(p))
		return ((double)tspec->b + total->c_bytes) / R + d_s(total);
	if (R >= p)
		return packet;
	return burst_bytes(tspec) / R * ((p - R) / (p - r)) + packet;
}

/* The exact rate; guaranteed_rate() then finds the float that is not below it. */
static double rate_for(const struct rsvp_tspec *tspec, double left_s, double c_bytes)
{
	double p = (double)tspec->p, r = (double)tspec->r, M = (double)tspec->M;
	double peak_s, rate;

	if (isinf(p))
		return ((double)tspec->b + c_bytes) / left_s;
	if (p > r) {
		peak_s = burst_bytes(tspec) / (p - r);
		rate = (p * peak_s + M + c_bytes) / (left_s + peak_s);
		if (rate < p)
			return rate;
	}
	return fmax((M + c_bytes) / left_s, p);
}

int guaranteed_rate(const struct rsvp_tspec *tspec, double delay_s,
		    const struct guaranteed_terms *total, float *ret_R)
{
	double left_s = delay_s - d_s(total);
	double exact;
	float R;

	if (!(left_s > 0))
		return -EDOM;
	exact = fmax(rate_for(tspec, left_s, total->c_bytes), (double)tspec->r);
	R = (float)exact;
	if ((double)R < exact)
		R = nextafterf(R, INFINITY);
	if (!isfinite(R))
		return -EDOM;
	*ret_R = R;
	return 0;
}

/* Whole microseconds, rounded down, within what the wire can say. */
static uint32_t whole_us(double time_us)
{
	if (!(time_us > 0))
		return 0;
	return time_us >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)time_us;
}

uint32_t guaranteed_slack_us(const struct rsvp_tspec *tspec, double R, double delay_s,
			     const struct guaranteed_terms *total)
{
	return whole_us((delay_s - guaranteed_delay_s(tspec, R, total)) * US_PER_S);
}

void guaranteed_spend_slack(const struct rsvp_flowspec *flowspec, uint32_t ctot_bytes,
			    uint32_t spend_us, float *ret_R, uint32_t *ret_S)
{
	double bytes = (double)flowspec->tspec.b + ctot_bytes;
	double Rin = (double)flowspec->R, before_s = bytes / Rin;
	double spend_s = (double)(spend_us < flowspec->S ? spend_us : flowspec->S) / US_PER_S;
	double exact = fmax(bytes / (before_s + spend_s), (double)flowspec->tspec.r);
	float Rout = (float)exact;

	if ((double)Rout < exact)
		Rout = nextafterf(Rout, INFINITY);
	if (Rout > flowspec->R)
		Rout = flowspec->R;
	*ret_R = Rout;
	*ret_S = whole_us((double)flowspec->S - (bytes / (double)Rout - before_s) * US_PER_S);
}

double guaranteed_buffer_bytes(const struct rsvp_tspec *tspec, double R,
			       const struct guaranteed_terms *since)
{
	double p = (double)tspec->p, r = (double)tspec->r, M = (double)tspec->M;
	double wait_s = since->c_bytes / R + d_s(since);
	double peak_s, rate;

	if (isinf(p))
		return (double)tspec->b + since->c_bytes + d_s(since) * R;
	if (!(p > r)) /* no burst: what comes in at r is there for as long as it may wait */
		return M + wait_s * r;
	peak_s = burst_bytes(tspec) / (p - r);
	rate = peak_s < wait_s ? r : p > R ? R : p;
	return M + peak_s * (p - rate) + wait_s * rate;
}

double guaranteed_reshaper_bytes(const struct rsvp_tspec *tspec,
				 const struct guaranteed_terms *since)
{
	return (double)tspec->b + since->c_bytes + d_s(since) * (double)tspec->r;
}

static uint32_t bounded_term(double value)
{
	if (!(value < TERM_MAX))
		return TERM_MAX;
	return value < 1 ? 1 : (uint32_t)ceil(value);
}

struct guaranteed_terms guaranteed_local_terms(uint32_t mtu_bytes, uint64_t link_bps,
					       uint32_t tick_us)
{
	double packet_us = (double)mtu_bytes * 8 * US_PER_S / (double)link_bps;

	return (struct guaranteed_terms){
		.c_bytes = bounded_term(mtu_bytes),
		.d_us = bounded_term(packet_us + tick_us),
	};
}
