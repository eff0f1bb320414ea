/* SPDX-License-Identifier: MIT */
/* measurer_facts.c: what `greenwave status` and `doctor` show of measuring paths. */
#include <stdio.h>
#include <string.h>

#include "host/probe/measurer_internal.h"

static bool has_service(const struct measurer *measurer)
{
	return datagrams_has(measurer->datagrams, QLPB_SOCKET_SERVICE, AF_INET) ||
	       datagrams_has(measurer->datagrams, QLPB_SOCKET_SERVICE, AF_INET6);
}

static bool is_taken(const struct measurer *measurer)
{
	return measurer->ports_error < 0 && !has_service(measurer);
}

static void udp_fact(const struct measurer *measurer, const struct fact_visitor *visitor)
{
	char note[160];

	if (has_service(measurer)) {
		fact_tell_mechanism(visitor, "probe-udp", true, "UDP port 2177 is ours");
	} else if (is_taken(measurer)) {
		snprintf(note, sizeof(note),
			 "UDP port 2177: %s; how much of a path is free cannot be measured",
			 strerror(-measurer->ports_error));
		fact_tell_mechanism(visitor, "probe-udp", false, note);
	} else {
		fact_tell_mechanism(visitor, "probe-udp", true,
				    "UDP port 2177 is taken when a path is measured");
	}
}

static void tcp_fact(const struct measurer *measurer, const struct fact_visitor *visitor)
{
	bool listens = connections_listens(measurer->connections, AF_INET) ||
		       connections_listens(measurer->connections, AF_INET6);

	if (!measurer->options.config.sink)
		fact_tell_mechanism(visitor, "probe-sink", false,
				    "not asked for: others cannot measure paths to this host");
	else if (listens)
		fact_tell_mechanism(visitor, "probe-sink", true,
				    "others can measure paths to this host");
	else
		fact_tell_mechanism(
			visitor, "probe-sink", false,
			"TCP port 2177 is somebody else's: paths to this host are not measured");
}

static void other_facts(const struct measurer *measurer, const struct fact_visitor *visitor)
{
	fact_tell_mechanism(visitor, "probe-frames", measurer->frames,
			    measurer->frames ? "LLTD is spoken on Ethernets"
					     : "no raw socket: paths are measured by UDP alone");
	fact_tell_mechanism(
		visitor, "probe-stamps", datagrams_has_stamps(measurer->datagrams),
		datagrams_has_stamps(measurer->datagrams)
			? "the kernel says when probes arrive"
			: "the kernel does not say when probes arrive: fast paths are measured "
			  "less well");
	fact_tell_mechanism(
		visitor, "probe-tcp-info", evidence_has_tcp(measurer->evidence),
		evidence_has_tcp(measurer->evidence)
			? "what the kernel knows of TCP connections tells of congestion"
			: "the kernel tells nothing of TCP connections: congestion beyond routers "
			  "is not noticed");
}

static void count_qlpb(const struct measurer *measurer, const struct fact_visitor *visitor)
{
	const struct qlpb *qlpb = prober_qlpb(measurer->prober);
	char name[48];

	for (int i = 0; i < QLPB_COUNT_COUNT; i++) {
		snprintf(name, sizeof(name), "probe-%s", qlpb_counter_name((enum qlpb_counter)i));
		fact_tell_counter(visitor, name, qlpb_count(qlpb, (enum qlpb_counter)i));
	}
	fact_tell_counter(visitor, "probe-rests", datagrams_rests(measurer->datagrams));
}

static void count_lltd(const struct measurer *measurer, const struct fact_visitor *visitor)
{
	char name[48];

	for (int i = 0; i < LLTD_COUNT_COUNT; i++) {
		enum lltd_counter counter = (enum lltd_counter)i;

		snprintf(name, sizeof(name), "lltd-%s", lltd_counter_name(counter));
		fact_tell_counter(visitor, name, prober_lltd_counter(measurer->prober, counter));
	}
	fact_tell_counter(visitor, "lltd-rests", frames_rests(measurer->frames));
}

void measurer_facts(struct measurer *measurer, const struct fact_visitor *visitor)
{
	struct prober_sizes sizes = prober_sizes(measurer->prober);

	udp_fact(measurer, visitor);
	tcp_fact(measurer, visitor);
	other_facts(measurer, visitor);
	fact_tell_counter(visitor, "probe-paths", sizes.paths);
	count_qlpb(measurer, visitor);
	if (measurer->frames)
		count_lltd(measurer, visitor);
}
