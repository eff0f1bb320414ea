/* SPDX-License-Identifier: MIT */
/* facts.c: what `greenwave status` and `doctor` say of RSVP. */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/rsvp/rsvp_internal.h"

struct facts {
	void (*visit)(const struct msg_fact *fact, void *visit_data);
	void *visit_data;
};

static void tell(const struct facts *facts, enum gw_fact_kind kind, const char *name,
		 const char *value, const char *note)
{
	struct msg_fact fact = { .kind = kind };

	snprintf(fact.name, sizeof(fact.name), "%s", name);
	snprintf(fact.value, sizeof(fact.value), "%s", value);
	snprintf(fact.note, sizeof(fact.note), "%s", note);
	facts->visit(&fact, facts->visit_data);
}

static void count(const struct facts *facts, const char *what, uint64_t number)
{
	char name[48], value[24];

	snprintf(name, sizeof(name), "rsvp-%s", what);
	snprintf(value, sizeof(value), "%" PRIu64, number);
	tell(facts, GW_FACT_COUNTER, name, value, "");
}

static void count_transport(const struct facts *facts, const struct rsvp_daemon *daemon)
{
	const struct transport_counters *counters = transport_counters(daemon->transport);

	count(facts, "packets-malformed", counters->malformed);
	count(facts, "packets-unsent", counters->failed);
	count(facts, "packets-passed-on", counters->forwarded);
	count(facts, "alerts-dropped", daemon->alerts_dropped);
	count(facts, "udp-unwanted", daemon->unwanted);
}

void rsvp_daemon_facts(const struct rsvp_daemon *daemon,
		       void (*visit)(const struct msg_fact *fact, void *visit_data),
		       void *visit_data)
{
	const struct facts facts = { visit, visit_data };
	unsigned speaking = 0;
	const struct rsvp_link *link;
	struct rsvp_sizes sizes;
	char note[128];

	if (!daemon) {
		tell(&facts, GW_FACT_MECHANISM, "rsvp", "no",
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
	tell(&facts, GW_FACT_MECHANISM, "rsvp", "yes", note);
	for (int i = 0; i < RSVP_COUNT_COUNT; i++)
		count(&facts, rsvp_counter_name((enum rsvp_counter)i),
		      rsvp_count(daemon->node, (enum rsvp_counter)i));
	count_transport(&facts, daemon);
}
