/* SPDX-License-Identifier: MIT */
/* facts.c: what `greenwave status` and `doctor` say of RSVP. */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/rsvp/rsvp_internal.h"

static void count(const struct fact_visitor *visitor, const char *what, uint64_t number)
{
	char name[48];

	snprintf(name, sizeof(name), "rsvp-%s", what);
	fact_tell_counter(visitor, name, number);
}

static void count_transport(const struct fact_visitor *visitor, const struct rsvp_daemon *daemon)
{
	const struct transport_counters *counters = transport_counters(daemon->transport);

	count(visitor, "packets-malformed", counters->malformed);
	count(visitor, "packets-unsent", counters->failed);
	count(visitor, "packets-passed-on", counters->forwarded);
	count(visitor, "alerts-dropped", daemon->alerts_dropped);
	count(visitor, "udp-unwanted", daemon->unwanted);
}

void rsvp_daemon_facts(const struct rsvp_daemon *daemon, const struct fact_visitor *visitor)
{
	unsigned speaking = 0;
	const struct rsvp_link *link;
	struct rsvp_sizes sizes;
	char note[128];

	if (!daemon) {
		fact_tell_mechanism(
			visitor, "rsvp", false,
			"not enabled: QoS sockets have traffic control on this host only, nothing is signalled, and "
			"nothing is reserved beyond it");
		return;
	}
	for (link = daemon->links; link; link = link->next)
		speaking += link->told.enabled && link->told.up;
	sizes = rsvp_sizes(daemon->node);
	snprintf(note, sizeof(note),
		 "spoken on %u interface%s: %" PRIu32 " sessions, %" PRIu32 " reservations",
		 speaking, speaking == 1 ? "" : "s", sizes.sessions, sizes.installed);
	fact_tell_mechanism(visitor, "rsvp", true, note);
	for (int i = 0; i < RSVP_COUNT_COUNT; i++)
		count(visitor, rsvp_counter_name((enum rsvp_counter)i),
		      rsvp_count(daemon->node, (enum rsvp_counter)i));
	count_transport(visitor, daemon);
}
