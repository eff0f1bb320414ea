/* SPDX-License-Identifier: MIT */
/* records.c: gathers flows and facts into arrays that grow by doubling. */
#include "cli/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more item; returns the array, or NULL with the old one intact. */
static void *grow(void *items, size_t count, size_t item_size)
{
	/* Full exactly when the count is 0 or a power of two from 16 on. */
	if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
		return items;
	return reallocarray(items, count < 16 ? 16 : count * 2, item_size);
}

struct fetch {
	struct records *records;
	size_t limit;
};

static int take_record(const struct gw_flow_record *record, void *user_data)
{
	struct fetch *fetch = user_data;
	struct records *records = fetch->records;
	struct gw_flow_record *items;

	records->total++;
	if (fetch->limit != 0 && records->count == fetch->limit)
		return 0;
	items = grow(records->items, records->count, sizeof(*items));
	if (!items)
		return -ENOMEM;
	records->items = items;
	records->items[records->count++] = *record;
	return 0;
}

int records_fetch(struct gw *gw, uint32_t flags, size_t limit, struct records *records)
{
	struct fetch fetch = { .records = records, .limit = limit };

	*records = (struct records){ 0 };
	return gw_list(gw, flags, take_record, &fetch);
}

void records_free(struct records *records)
{
	free(records->items);
	*records = (struct records){ 0 };
}

static int take_fact(enum gw_fact_kind kind, const char *name, const char *value, const char *note,
		     void *user_data)
{
	struct facts *facts = user_data;
	struct fact *items, *fact;

	items = grow(facts->items, facts->count, sizeof(*items));
	if (!items)
		return -ENOMEM;
	facts->items = items;
	fact = &items[facts->count++];
	*fact = (struct fact){
		.kind = kind,
		.name = strdup(name ? name : ""),
		.value = strdup(value ? value : ""),
		.note = strdup(note ? note : ""),
	};
	return fact->name && fact->value && fact->note ? 0 : -ENOMEM;
}

int facts_fetch(struct gw *gw, struct facts *facts)
{
	*facts = (struct facts){ 0 };
	return gw_facts(gw, take_fact, facts);
}

void facts_free(struct facts *facts)
{
	for (size_t i = 0; i < facts->count; i++) {
		free(facts->items[i].name);
		free(facts->items[i].value);
		free(facts->items[i].note);
	}
	free(facts->items);
	*facts = (struct facts){ 0 };
}
