/* SPDX-License-Identifier: MIT */
/*
 * measure.h: hosts that measure a path over one bottleneck (bottleneck.h) by probe/path, under a virtual clock. What
 * experiments see is what a sink would say: times of its own clock, which is off and drifts, stamped with some
 * noise, in steps of 100 ns. Nothing else is told.
 */
#ifndef GW_SIM_MEASURE_H
#define GW_SIM_MEASURE_H

#include "bottleneck.h"
#include "probe/path.h"

#define MEASURE_HOSTS 4
#define MEASURE_FLIGHT 4096
#define MEASURE_MS UINT64_C(1000000)
#define MEASURE_S UINT64_C(1000000000)

struct measure_plan {
	struct bottleneck_plan link;
	uint64_t host_bps;	/* at which trains leave */
	uint64_t back_delay_ns; /* of answers */
	uint64_t noise_ns;	/* of stamps, at most */
	uint64_t late_ns;	/* of the host's timers, at most */
	double busy;		/* of them, so many are later, as others have the processor, */
	uint64_t busy_ns;	/* at most so much */
	uint64_t batch_ns;	/* the sink takes packets so often only; 0: each */
	uint64_t warm_ns;   /* the first packet is so much slower, and none after three seconds */
	double astray;	    /* of the sink's stamps, so many are off, */
	uint64_t astray_ns; /* at most so much, to either side */
	int64_t offset_ns;  /* of the sink's clock */
	double ppm;
	bool deaf; /* there is no sink */
	bool mute; /* it does not answer gaps */
	uint64_t own_link_bps, sink_link_bps;
};

struct measure_flight {
	struct probe_gap gap;
	uint64_t back_ns; /* when the answer is there */
};

struct measure_host {
	struct measure *measure;
	unsigned number;
	struct path *path;
	struct dice dice;

	/* gaps */
	bool gaps;
	uint64_t gap_ns, interval_ns, vary_ns, heard_ns;
	unsigned gaps_left;
	uint32_t sequence;
	struct measure_flight flight[MEASURE_FLIGHT];
	unsigned flight_first, flight_n;
	uint64_t train_ns; /* when its summary is there; 0: none is under way */
	unsigned train_packets;
	bool train_fails;
	uint64_t train_gaps[512];
	uint64_t refuse_ns; /* when a deaf sink is noticed; 0: never */
	enum path_kind refused;
	uint64_t claim_ends_ns;
	/* a paced train */
	unsigned paced_packets, paced_sent, paced_lead;
	uint64_t paced_next_ns, paced_interval_ns; /* of its packets */
	uint64_t paced_first_ns, paced_last_ns;	   /* as they left */
	uint64_t paced_held_ns;			   /* who was held up longest */
	uint64_t paced_arrives_ns, paced_stamp_ns;
	uint64_t paced_gaps[512];
	uint64_t paced_done_ns; /* when its summary is there; 0: none is */

	/* what the path said */
	unsigned events[PATH_EVENT_UNSUPPORTED + 1];
	uint64_t event_ns[PATH_EVENT_UNSUPPORTED + 1]; /* the last one of each */
	int admitted;				       /* 1: nothing was said */
	uint64_t admitted_ns;
	uint64_t started[PATH_KIND_COUNT];
	unsigned started_by[PATH_METHOD_COUNT][PATH_KIND_COUNT];
	enum path_method method;
};

struct measure {
	struct measure_plan plan;
	struct bottleneck link;
	uint64_t now_ns;
	unsigned n_hosts;
	struct measure_host hosts[MEASURE_HOSTS];
	bool methods[PATH_METHOD_COUNT];
	bool forbidden[PATH_METHOD_COUNT]; /* start() says -EPERM */
};

extern const struct measure_plan measure_plan_default;

void measure_start(struct measure *measure, const struct measure_plan *plan, unsigned n_hosts,
		   uint64_t seed);
/* Those of its path. */
void measure_ports(struct measure_host *host, struct path_ports *ret_ports);
void measure_end(struct measure *measure);
void measure_run(struct measure *measure, uint64_t ns);
uint64_t measure_now_us(const struct measure *measure);
/* Share of the link that others take. */
void measure_cross(struct measure *measure, enum bottleneck_kind kind, double share);

#endif
