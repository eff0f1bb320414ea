/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * meter.h: a packet of a flow that has a rate: whether it conforms, and what becomes of it if not.
 *
 * | excess      | class on the link | else, socket paced | else, link keeps  | else           |
 * |             |                   |                    | departure times   |                |
 * |-------------|-------------------|--------------------|-------------------|----------------|
 * | DELAY       | waits in it       | was waiting        | departure time    | bucket, dropped|
 * | DROP, REMARK| bucket            | bucket             | bucket            | bucket         |
 *
 * What waits by the class or the socket conforms by then, and is only counted.
 */
#ifndef GW_METER_H
#define GW_METER_H

#include "maps.h"
#include "parse.h"

/* The tests have their own clock. */
#ifndef meter_clock_ns
#define meter_clock_ns() bpf_ktime_get_ns()
#endif

#define NS_PER_S 1000000000ull
#define BITS_PER_BYTE 8ull

/*
 * How far ahead departures may lie. fq holds 100 packets of a flow and drops further ones in silence,
 * when the clock has moved already: what is dropped must be dropped here.
 */
#define HORIZON_PACKETS 98ull /* a socket's buffer holds 92 datagrams of a usual size */
#define HORIZON_SPREAD 4ull
#define HORIZON_NS (2 * NS_PER_S)
#define MEAN_WEIGHT 8ull

#define IPV4_HEADER_LEN ((__u32)sizeof(struct ipv4_header))
#define IPV6_HEADER_LEN ((__u32)sizeof(struct ipv6_header))
#define UDP_HEADER_LEN 8u
#define TCP_DATA_OFFSET 12u /* the byte of the TCP header whose upper half is its length in words */
#define GSO_BY_FRAGS 0xffffu /* gso_size of SCTP: as its chunks fall */

enum ruling { METER_CONFORMS, METER_EXCESS, METER_DROPPED };

/* A packet of a metered flow. All set: it goes to a function that is verified by itself. */
struct metered {
	__u32 flow_id;
	__u32 flags;	 /* GW_VERDICT_* */
	__u32 offset;	 /* of the IP header */
	__u32 transport; /* offset of what follows it */
	__u32 protocol;
	__u32 again; /* it was under the meter at the link above */
	__u32 pad;
	/* The answer. */
	__u32 minor; /* of its flow's class on the link; 0: there is none */
	struct gw_verdict excess;
};

/* As on the wire. */
struct wire {
	__u64 packets;
	__u64 bytes;
};

/* --- Lengths ---------------------------------------------------------------------------------- */

static __always_inline __u32 transport_header_len(struct __sk_buff *skb,
						  const struct metered *metered)
{
	__u8 offset;

	if (metered->protocol != PROTOCOL_TCP)
		return UDP_HEADER_LEN;
	if (bpf_skb_load_bytes(skb, metered->transport + TCP_DATA_OFFSET, &offset, 1) != 0)
		return 0;
	return (offset >> 4) * 4u;
}

/* A packet that is to be segmented further down. Guests leave it to us to count the segments. */
static __always_inline void measure_gso(struct __sk_buff *skb, const struct metered *metered,
					struct bucket_packet *packet)
{
	__u32 size = skb->gso_size, segments = skb->gso_segs;
	__u32 header = metered->transport - metered->offset + transport_header_len(skb, metered);
	__u32 payload = packet->bytes > header ? packet->bytes - header : 0;

	if (segments == 0)
		segments = (payload + size - 1) / size;
	if (segments <= 1)
		return;
	packet->segments = segments;
	packet->segment_bytes = size == GSO_BY_FRAGS ? (payload + segments - 1) / segments : size;
	packet->header_bytes = header;
}

static __always_inline void measure(struct __sk_buff *skb, const struct metered *metered,
				    struct bucket_packet *packet)
{
	*packet = (struct bucket_packet){ .bytes = skb->len - metered->offset, .segments = 1 };
	if (skb->gso_size != 0)
		measure_gso(skb, metered, packet);
}

static __always_inline struct wire on_wire(const struct bucket_packet *packet)
{
	return (struct wire){
		.packets = packet->segments,
		.bytes = packet->bytes + (packet->segments - 1ull) * packet->header_bytes,
	};
}

/* --- Under the lock --------------------------------------------------------------------------- */

static __always_inline void count_conforming(struct gw_bucket *bucket, const struct wire *wire)
{
	bucket->conforming_packets += wire->packets;
	bucket->conforming_bytes += wire->bytes;
	bucket->conforming_before++;
}

static __always_inline void count_excess(struct gw_bucket *bucket, const struct wire *wire)
{
	bucket->excess_packets += wire->packets;
	bucket->excess_bytes += wire->bytes;
}

static __always_inline void count_dropped(struct gw_bucket *bucket, const struct wire *wire)
{
	bucket->dropped_packets += wire->packets;
	bucket->dropped_bytes += wire->bytes;
}

/*
 * In packets of the mean length, not of this one's: behind long packets, short ones would be dropped
 * long before the queue is full. Longer means need not be known, for HORIZON_NS is less then.
 */
static __always_inline void learn_mean(struct gw_bucket *bucket, __u64 takes_ns)
{
	__u64 mean = bucket->mean_ns, apart;

	if (takes_ns > HORIZON_NS)
		takes_ns = HORIZON_NS;
	if (mean == 0)
		mean = takes_ns;
	apart = takes_ns > mean ? takes_ns - mean : mean - takes_ns;
	bucket->spread_ns = (__u32)((bucket->spread_ns * (MEAN_WEIGHT - 1) + apart) / MEAN_WEIGHT);
	bucket->mean_ns = (__u32)((mean * (MEAN_WEIGHT - 1) + takes_ns) / MEAN_WEIGHT);
}

/* The more packets differ, the less is known of how many the time holds. */
static __always_inline __u64 horizon_of(const struct gw_bucket *bucket)
{
	__u64 mean = bucket->mean_ns, margin = bucket->spread_ns / HORIZON_SPREAD;
	__u64 horizon_ns = (mean > margin ? mean - margin : 0) * HORIZON_PACKETS;

	return horizon_ns < HORIZON_NS ? horizon_ns : HORIZON_NS;
}

/* Who was silent has saved nothing up: its next packet departs now. */
static __always_inline int depart(struct gw_bucket *bucket, __u64 now_ns, __u64 takes_ns,
				  __u64 *ret_at_ns)
{
	__u64 at_ns = bucket->departs_ns > now_ns ? bucket->departs_ns : now_ns;

	if (at_ns - now_ns > horizon_of(bucket))
		return -1;
	bucket->departs_ns = at_ns + takes_ns;
	learn_mean(bucket, takes_ns);
	*ret_at_ns = at_ns;
	return 0;
}

/* --- Rulings ---------------------------------------------------------------------------------- */

static __always_inline enum ruling rule_waited(struct gw_bucket *bucket, const struct wire *wire)
{
	bpf_spin_lock(&bucket->lock);
	count_conforming(bucket, wire);
	bpf_spin_unlock(&bucket->lock);
	return METER_CONFORMS;
}

static __always_inline enum ruling rule_departure(struct __sk_buff *skb,
						  const struct gw_meter *meter,
						  struct gw_bucket *bucket, const struct wire *wire)
{
	__u64 rate_bps = meter->rule.rate_bps, now_ns = meter_clock_ns(), at_ns = 0;
	__u64 takes_ns = (wire->bytes * BITS_PER_BYTE * NS_PER_S + rate_bps / 2) / rate_bps;
	int r;

	bpf_spin_lock(&bucket->lock);
	r = depart(bucket, now_ns, takes_ns, &at_ns);
	if (r == 0)
		count_conforming(bucket, wire);
	else
		count_dropped(bucket, wire);
	bpf_spin_unlock(&bucket->lock);
	if (r != 0)
		return METER_DROPPED;
	/* The socket may have asked for a later one itself. */
	if (skb->tstamp < at_ns)
		skb->tstamp = at_ns;
	return METER_CONFORMS;
}

static __always_inline enum ruling rule_bucket(const struct gw_meter *meter,
					       struct gw_bucket *bucket,
					       const struct bucket_packet *packet,
					       const struct wire *wire)
{
	__u64 charge_bytes = bucket_charge(&meter->rule, packet), now_ns = meter_clock_ns();
	enum ruling excess = meter->action == GW_METER_REMARK ? METER_EXCESS : METER_DROPPED;
	enum ruling ruling = excess;

	bpf_spin_lock(&bucket->lock);
	if (bucket_take(&meter->rule, &bucket->bucket, charge_bytes, now_ns)) {
		count_conforming(bucket, wire);
		ruling = METER_CONFORMS;
	} else if (excess == METER_EXCESS) {
		count_excess(bucket, wire);
	} else {
		count_dropped(bucket, wire);
	}
	bpf_spin_unlock(&bucket->lock);
	return ruling;
}

static __always_inline __u32 class_on_link(const struct gw_meter *meter, __u32 ifindex)
{
	int i;

#pragma unroll
	for (i = 0; i < GW_METER_CLASSES; i++) {
		if (meter->classes[i].ifindex == ifindex)
			return meter->classes[i].minor;
		if (meter->classes[i].ifindex == 0)
			break;
	}
	return 0;
}

static __always_inline int keeps_departures(__u32 ifindex)
{
	const struct gw_link *link = bpf_map_lookup_elem(&links, &ifindex);

	return link && link->flags & GW_LINK_EDT;
}

/*
 * A function of its own, so that the verifier goes through it once, and its price is paid by those who
 * have a rate. Where the meter is gone or not there yet, there is no rate.
 */
__attribute__((noinline)) int meter_packet(struct __sk_buff *skb, struct metered *metered)
{
	struct bucket_packet packet;
	struct gw_bucket *bucket;
	struct gw_meter *meter;
	struct wire wire;
	__u32 flow_id;

	if (!metered)
		return METER_CONFORMS;
	flow_id = metered->flow_id;
	meter = bpf_map_lookup_elem(&meters, &flow_id);
	bucket = bpf_map_lookup_elem(&buckets, &flow_id);
	if (!meter || !bucket)
		return METER_CONFORMS;

	metered->minor = class_on_link(meter, skb->ifindex);
	metered->excess = meter->excess;
	if (metered->again)
		return METER_CONFORMS;
	measure(skb, metered, &packet);
	wire = on_wire(&packet);
	if (meter->action == GW_METER_DELAY) {
		if (metered->minor != 0 || metered->flags & GW_VERDICT_PACED)
			return rule_waited(bucket, &wire);
		if (keeps_departures(skb->ifindex))
			return rule_departure(skb, meter, bucket, &wire);
	}
	return rule_bucket(meter, bucket, &packet, &wire);
}

#endif
