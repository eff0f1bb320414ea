/* SPDX-License-Identifier: MIT */
/*
 * list.c: looking at flows and at the host that serves them. Long answers come in pages, one request each, so
 * that the engine never has to keep anything for a slow reader.
 */
#include <errno.h>
#include <string.h>

#include "lib/client.h"
#include "lib/options.h"

static int list_page(const struct reply *reply,
		     int (*visit)(const struct gw_flow_record *record, void *user_data),
		     void *user_data)
{
	struct gw_flow_record record;
	struct codec_bytes nested;
	size_t position = 0;
	int r;

	while ((r = msg_next(reply->buf, reply->len, TAG_RECORD, &position, &nested)) == 1) {
		r = record_decode(&nested, &record);
		if (r == 0)
			r = visit(&record, user_data);
		if (r != 0)
			return r;
	}
	return r;
}

int gw_list(struct gw *gw, uint32_t flags,
	    int (*visit)(const struct gw_flow_record *record, void *user_data), void *user_data)
{
	struct msg request = REQUEST(MSG_LIST);
	struct reply reply;
	int r;

	if (!gw || !visit || (flags & ~GW_LIST_CLOSED))
		return -EINVAL;
	MSG_SET(&request, TAG_FLOW_ID, flow_id, 0);
	MSG_SET(&request, TAG_TOKEN, token, 0);
	MSG_SET(&request, TAG_FLAGS, flags, flags);
	do {
		r = client_call(gw, &request, NULL, 0, &reply);
		if (r == 0)
			r = list_page(&reply, visit, user_data);
		if (r != 0)
			return r;
		request.flow_id = reply.msg.flow_id;
		request.token = reply.msg.token;
	} while (reply.msg.more);
	return 0;
}

int gw_flow_enumerate(struct gw *gw, uint32_t *ids, size_t capacity, size_t *ret_count)
{
	struct msg request = REQUEST(MSG_ENUMERATE);
	struct reply reply;
	size_t count = 0;
	int r;

	if (!gw || !ret_count || (!ids && capacity > 0))
		return -EINVAL;
	MSG_SET(&request, TAG_FLOW_ID, flow_id, 0);
	do {
		size_t n;

		r = client_call(gw, &request, NULL, 0, &reply);
		if (r < 0)
			return r;
		n = reply.msg.ids.len / sizeof(uint32_t);
		for (size_t i = 0; i < n; i++, count++) {
			memcpy(&request.flow_id,
			       (const char *)reply.msg.ids.data + i * sizeof(uint32_t),
			       sizeof(uint32_t));
			if (count < capacity)
				ids[count] = request.flow_id;
		}
	} while (reply.msg.more);
	*ret_count = count;
	return 0;
}

int gw_status(struct gw *gw, struct gw_status *ret_status)
{
	struct msg request = REQUEST(MSG_STATUS);
	struct gw_status status = { 0 };
	struct reply reply;
	int r;

	if (!gw || !ret_status)
		return -EINVAL;
	r = client_call(gw, &request, NULL, 0, &reply);
	if (r < 0)
		return r;
	status.mode = (enum gw_mode)reply.msg.mode;
	memcpy(status.version, reply.msg.version, sizeof(status.version));
	status.flows = reply.msg.count;
	status.kernel_entries = reply.msg.entries;
	return options_write(&status, sizeof(status), ret_status);
}

int gw_facts(struct gw *gw,
	     int (*visit)(enum gw_fact_kind kind, const char *name, const char *value,
			  const char *note, void *user_data),
	     void *user_data)
{
	struct msg request = REQUEST(MSG_FACTS);
	struct reply reply;
	int r;

	if (!gw || !visit)
		return -EINVAL;
	MSG_SET(&request, TAG_COUNT, count, 0);
	do {
		struct codec_bytes nested;
		struct msg_fact fact;
		size_t position = 0;

		r = client_call(gw, &request, NULL, 0, &reply);
		if (r < 0)
			return r;
		while ((r = msg_next(reply.buf, reply.len, TAG_FACT, &position, &nested)) == 1) {
			r = fact_decode(&nested, &fact);
			if (r == 0)
				r = visit((enum gw_fact_kind)fact.kind, fact.name, fact.value,
					  fact.note, user_data);
			if (r != 0)
				return r;
		}
		request.count = reply.msg.count;
	} while (r == 0 && reply.msg.more);
	return r;
}

int gw_watch(struct gw *gw)
{
	struct msg request = REQUEST(MSG_WATCH);
	struct reply reply;

	return gw ? client_call(gw, &request, NULL, 0, &reply) : -EINVAL;
}
