/* SPDX-License-Identifier: MIT */
/* ledger.c: see ledger.h. */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double ledger_rate(const struct rsvp_flowspec *flowspec)
{
	switch ((enum flowspec_service)flowspec->service) {
	case FLOWSPEC_GUARANTEED:
		return flowspec->R;
	case FLOWSPEC_CONTROLLED_LOAD:
		return flowspec->tspec.r;
	case FLOWSPEC_NONE:
	case FLOWSPEC_NULL:
		break;
	}
	return 0;
}

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "traffic control was asked for what cannot be: %s\n", what);
	abort();
}

static struct ledger_entry *entry_of(const struct ledger *ledger, uint64_t handle)
{
	require(handle > 0 && handle <= ledger->room && ledger->entries[handle - 1].used,
		"a handle that was never given, or released before");
	return &ledger->entries[handle - 1];
}

static struct ledger_entry *new_entry(struct ledger *ledger)
{
	uint32_t room = ledger->room ? 2 * ledger->room : 8;

	for (uint32_t i = 0; ledger->count < ledger->room && i < ledger->room; i++)
		if (!ledger->entries[i].used)
			return &ledger->entries[i];
	ledger->entries = realloc(ledger->entries, room * sizeof(*ledger->entries));
	if (!ledger->entries)
		abort();
	memset(ledger->entries + ledger->room, 0, (room - ledger->room) * sizeof(*ledger->entries));
	ledger->room = room;
	return &ledger->entries[ledger->count];
}

static void set_filters(struct ledger_entry *entry, const struct rsvp_tc_request *request)
{
	size_t len = request->n_filters * sizeof(*request->filters);
	struct rsvp_tc_filter *filters = NULL;

	if (len > 0) {
		filters = malloc(len);
		if (!filters)
			abort();
		memcpy(filters, request->filters, len);
	}
	free((void *)entry->request.filters);
	entry->request = *request;
	entry->request.filters = filters;
}

static void check_request(const struct rsvp_tc_request *request)
{
	require(flowspec_check(&request->flowspec) == 0, "a flowspec that is not valid");
	require((request->style == RSVP_STYLE_WF) == (request->n_filters == 0),
		"filters with WF, or none with another style");
	require(request->style != RSVP_STYLE_FF || request->n_filters == 1,
		"FF of several senders");
	for (unsigned i = 0; i < request->n_filters; i++)
		for (unsigned k = 0; k < i; k++)
			require(memcmp(&request->filters[i], &request->filters[k],
				       sizeof(request->filters[i])) != 0,
				"the same sender twice");
}

int ledger_reserve(struct ledger *ledger, struct ledger_line *line,
		   const struct rsvp_tc_request *request, uint64_t *handle,
		   struct rsvp_error *ret_error)
{
	struct ledger_entry *entry = *handle ? entry_of(ledger, *handle) : NULL;
	double rate = ledger_rate(&request->flowspec), old = entry ? entry->rate : 0;

	check_request(request);
	require(!entry || entry->line == line, "a reservation that moves to another interface");
	ledger->changes++;
	if (rate > old && line->reserved_bytes_per_s - old + rate > line->reservable_bytes_per_s) {
		line->refused++;
		*ret_error = (struct rsvp_error){
			.code = RSVP_ERROR_ADMISSION,
			.value = RSVP_ADMISSION_BANDWIDTH,
		};
		return -1;
	}
	if (!entry) {
		entry = new_entry(ledger);
		entry->used = true;
		entry->line = line;
		ledger->count++;
		line->count++;
		*handle = (uint64_t)(entry - ledger->entries) + 1;
	}
	set_filters(entry, request);
	entry->rate = rate;
	line->reserved_bytes_per_s += rate - old;
	return 0;
}

void ledger_release(struct ledger *ledger, uint64_t handle)
{
	struct ledger_entry *entry = entry_of(ledger, handle);

	ledger->changes++;
	ledger->count--;
	entry->line->count--;
	entry->line->reserved_bytes_per_s -= entry->rate;
	free((void *)entry->request.filters);
	*entry = (struct ledger_entry){ 0 };
}

void ledger_clear(struct ledger *ledger)
{
	for (uint32_t i = 0; i < ledger->room; i++)
		if (ledger->entries[i].used)
			ledger_release(ledger, i + 1);
}

void ledger_free(struct ledger *ledger)
{
	ledger_clear(ledger);
	free(ledger->entries);
	*ledger = (struct ledger){ 0 };
}
