/* SPDX-License-Identifier: MIT */
/* fact.h: what a host says of itself, one fact after the other, to whoever asked: gw_facts() in the end. */
#ifndef GW_PROTO_FACT_H
#define GW_PROTO_FACT_H

#include <stdbool.h>

#include "proto/msg.h"

struct fact_visitor {
	void (*visit)(const struct msg_fact *fact, void *visit_data);
	void *visit_data;
};

/* What is longer than its place in struct msg_fact is cut. */
void fact_tell(const struct fact_visitor *visitor, enum gw_fact_kind kind, const char *name,
	       const char *value, const char *note);
void fact_tell_mechanism(const struct fact_visitor *visitor, const char *name, bool works,
			 const char *note);
void fact_tell_counter(const struct fact_visitor *visitor, const char *name, uint64_t value);

#endif
