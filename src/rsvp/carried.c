/* SPDX-License-Identifier: MIT */
/*
 * carried.c: objects that a node passes on as they came: the ADSPEC, which is composed anew each time it leaves,
 * POLICY_DATA (RFC 2750 §4.2: R-258) and objects of unknown classes (RFC 2205 §3.10: ).
 */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

static size_t carried_len(const struct carried *carried)
{
	return (size_t)carried->adspec_len + carried->policy_len + carried->kept_len;
}

/* Limits of the parser see to it that it fits. */
static uint16_t append(struct carried *carried, const struct rsvp_object *object)
{
	size_t len = carried_len(carried);

	if (sizeof(*carried) + len + object->len > CARRIED_MAX)
		return 0;
	memcpy(carried->data + len, object->data, object->len);
	return object->len;
}

void rsvp_carried_read(const struct rsvp_message *message, bool adspec, struct carried *ret_carried)
{
	struct rsvp_object object;
	size_t position = 0;

	*ret_carried = (struct carried){ 0 };
	if (adspec && rsvp_message_has(message, RSVP_CLASS_ADSPEC))
		ret_carried->adspec_len = append(ret_carried, &message->object[RSVP_CLASS_ADSPEC]);
	if (rsvp_message_has(message, RSVP_CLASS_POLICY_DATA)) {
		while (rsvp_message_next(message, RSVP_CLASS_POLICY_DATA, &position, &object))
			ret_carried->policy_len += append(ret_carried, &object);
	}
	position = 0;
	while (message->n_kept > 0 && rsvp_message_next_kept(message, &position, &object))
		ret_carried->kept_len += append(ret_carried, &object);
}

bool rsvp_carried_is_empty(const struct carried *carried)
{
	return !carried || carried_len(carried) == 0;
}

bool rsvp_carried_equal(const struct carried *a, const struct carried *b)
{
	if (rsvp_carried_is_empty(a) || rsvp_carried_is_empty(b))
		return rsvp_carried_is_empty(a) && rsvp_carried_is_empty(b);
	return memcmp(a, b, sizeof(*a)) == 0 && memcmp(a->data, b->data, carried_len(a)) == 0;
}

int rsvp_carried_store(struct carried **slot, const struct carried *carried)
{
	struct carried *copy = NULL;

	if (!rsvp_carried_is_empty(carried)) {
		copy = malloc(sizeof(*copy) + carried_len(carried));
		if (!copy)
			return -ENOMEM;
		memcpy(copy, carried, sizeof(*copy) + carried_len(carried));
	}
	free(*slot);
	*slot = copy;
	return 0;
}

const uint8_t *rsvp_carried_adspec(const struct carried *carried, size_t *ret_len)
{
	*ret_len = carried ? carried->adspec_len : 0;
	return carried ? carried->data : NULL;
}

const uint8_t *rsvp_carried_policy(const struct carried *carried, size_t *ret_len)
{
	*ret_len = carried ? carried->policy_len : 0;
	return carried ? carried->data + carried->adspec_len : NULL;
}

const uint8_t *rsvp_carried_kept(const struct carried *carried, size_t *ret_len)
{
	*ret_len = carried ? carried->kept_len : 0;
	return carried ? carried->data + carried->adspec_len + carried->policy_len : NULL;
}

uint8_t rsvp_carried_dscp(const struct carried *carried)
{
	struct rsvp_object object;
	size_t position = 0, len;
	const uint8_t *kept = rsvp_carried_kept(carried, &len);

	while (kept && rsvp_object_find(kept, len, &position, RSVP_CLASS_DCLASS, &object) == 1) {
		if (rsvp_check_dclass(&object) == 0)
			return rsvp_dclass_first(&object);
	}
	return 0xff;
}
