/* SPDX-License-Identifier: MIT */
/* records.h: copies of what gw_list() and gw_facts() show, to be printed only once all of it is
 * there. */
#ifndef GW_CLI_RECORDS_H
#define GW_CLI_RECORDS_H

#include <greenwave.h>
#include <stddef.h>

struct records {
	struct gw_flow_record *items;
	size_t count; /* of items */
	size_t total; /* of records there were; more than `count` if a limit applied */
};

/* Keeps at most `limit` records (0: all). Negative errno on failure; records_free() is due either
 * way. */
int records_fetch(struct gw *gw, uint32_t flags, size_t limit, struct records *records);
void records_free(struct records *records);

struct fact {
	enum gw_fact_kind kind;
	char *name;
	char *value;
	char *note; /* "" if there is none */
};

struct facts {
	struct fact *items;
	size_t count;
};

int facts_fetch(struct gw *gw, struct facts *facts);
void facts_free(struct facts *facts);

#endif
