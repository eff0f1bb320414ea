/* SPDX-License-Identifier: MIT */
/* message_iter.c: see message.h. Looking through a message that was parsed. */
#include "rsvp/message.h"

#include <errno.h>

bool rsvp_message_next(const struct rsvp_message *message, enum rsvp_class class_num,
		       size_t *position, struct rsvp_object *ret_object)
{
	if (*position == 0)
		*position = RSVP_HEADER_LEN;
	return rsvp_object_find(message->data, message->len, position, (uint8_t)class_num,
				ret_object) == 1;
}

bool rsvp_message_next_kept(const struct rsvp_message *message, size_t *position,
			    struct rsvp_object *ret_object)
{
	if (*position == 0)
		*position = RSVP_HEADER_LEN;
	while (rsvp_object_next(message->data, message->len, position, ret_object) == 1) {
		if (rsvp_class_unknown(ret_object->class_num) == RSVP_UNKNOWN_KEEP)
			return true;
	}
	return false;
}

static void take_flowspec(const struct rsvp_message *message, const struct rsvp_object *object,
			  struct rsvp_flow *flow)
{
	int r;

	flow->flowspec_object = *object;
	flow->error_code = 0;
	flow->error_value = 0;
	memset(&flow->flowspec, 0, sizeof(flow->flowspec));
	if (message->type == RSVP_RESV_TEAR) /* */
		return;
	r = rsvp_read_flowspec(object, &flow->flowspec);
	if (r < 0) {
		flow->error_code = RSVP_ERROR_TRAFFIC;
		flow->error_value = r == -EOPNOTSUPP ? RSVP_TRAFFIC_SERVICE : RSVP_TRAFFIC_FLOWSPEC;
	}
}

bool rsvp_flow_next(const struct rsvp_message *message, struct rsvp_flow_iter *iter,
		    struct rsvp_flow *ret_flow)
{
	struct rsvp_object object;

	if (iter->given == message->n_flows)
		return false;
	if (iter->position == 0)
		iter->position = message->flows_at;
	while (rsvp_object_next(message->data, message->len, &iter->position, &object) == 1) {
		if (object.class_num == RSVP_CLASS_FLOWSPEC) {
			take_flowspec(message, &object, &iter->flow);
		} else if (object.class_num == RSVP_CLASS_FILTER_SPEC) {
			iter->flow.filter_object = object;
			memset(&iter->flow.sender, 0, sizeof(iter->flow.sender));
			rsvp_read_sender(&object, &iter->flow.sender);
			break;
		}
	}
	iter->given++;
	*ret_flow = iter->flow;
	return true;
}

bool rsvp_bundle_next(const struct rsvp_message *message, size_t *position,
		      const uint8_t **ret_data, size_t *ret_len)
{
	size_t at = *position ? *position : RSVP_HEADER_LEN;

	if (message->type != RSVP_BUNDLE || message->len - at < RSVP_HEADER_LEN)
		return false;
	*ret_data = message->data + at;
	*ret_len = get16(message->data + at + 6);
	*position = at + *ret_len;
	return true;
}
