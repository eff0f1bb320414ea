/* SPDX-License-Identifier: MIT */
/* fact.c: tells facts. */
#include <inttypes.h>
#include <stdio.h>

#include "proto/fact.h"

void fact_tell(const struct fact_visitor *visitor, enum gw_fact_kind kind, const char *name,
	       const char *value, const char *note)
{
	struct msg_fact fact = { .kind = kind };

	snprintf(fact.name, sizeof(fact.name), "%s", name);
	snprintf(fact.value, sizeof(fact.value), "%s", value);
	snprintf(fact.note, sizeof(fact.note), "%s", note);
	visitor->visit(&fact, visitor->visit_data);
}

void fact_tell_mechanism(const struct fact_visitor *visitor, const char *name, bool works,
			 const char *note)
{
	fact_tell(visitor, GW_FACT_MECHANISM, name, works ? "yes" : "no", note);
}

void fact_tell_counter(const struct fact_visitor *visitor, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	fact_tell(visitor, GW_FACT_COUNTER, name, text, "");
}
