/* SPDX-License-Identifier: MIT */
/*
 * slots.c: a place for each session, which it keeps as long as it lives. So whoever looks at all of them, a few at a
 * time, can go on where it was, whatever has come and gone meanwhile.
 */
#include "rsvp/internal.h"

#include <stdlib.h>

#define SLOTS_MIN 64u

static bool grow(struct slots *slots)
{
	uint32_t capacity = slots->capacity ? 2 * slots->capacity : SLOTS_MIN;
	struct session **at = realloc(slots->at, capacity * sizeof(struct session *));
	uint32_t *empty;

	if (!at)
		return false;
	slots->at = at;
	empty = realloc(slots->empty, capacity * sizeof(*empty));
	if (!empty)
		return false;
	slots->empty = empty;
	slots->capacity = capacity;
	return true;
}

bool slots_take(struct slots *slots, struct session *session)
{
	if (slots->n_empty == 0 && slots->n == slots->capacity && !grow(slots))
		return false;
	session->slot = slots->n_empty > 0 ? slots->empty[--slots->n_empty] : slots->n++;
	slots->at[session->slot] = session;
	return true;
}

void slots_give(struct slots *slots, const struct session *session)
{
	slots->at[session->slot] = NULL;
	slots->empty[slots->n_empty++] = session->slot;
	if (slots->n_empty == slots->n)
		slots->n = slots->n_empty = 0;
}

void slots_free(struct slots *slots)
{
	free(slots->at);
	free(slots->empty);
	*slots = (struct slots){ 0 };
}
