/* SPDX-License-Identifier: MIT */
/* rsvp_again.c: see rsvp_again.h. */
#include "rsvp_again.h"

#include "rsvp/writer.h"

static void put_all(struct rsvp_writer *writer, const struct rsvp_message *message,
		    enum rsvp_class class_num)
{
	struct rsvp_object object;
	size_t position = 0;

	while (rsvp_message_next(message, class_num, &position, &object))
		rsvp_put_object(writer, &object);
}

static void put_prefix(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	const struct rsvp_integrity *integrity = &message->integrity;
	struct rsvp_message_id id;
	struct rsvp_object object;
	size_t position = 0;

	if (rsvp_message_has(message, RSVP_CLASS_INTEGRITY)) {
		rsvp_put_integrity(writer, integrity->handshake, integrity->key_id,
				   integrity->sequence, integrity->digest_len);
		if (!writer->overflow)
			memcpy(writer->buf + writer->len - integrity->digest_len, integrity->digest,
			       integrity->digest_len);
	}
	while (rsvp_message_next(message, RSVP_CLASS_MESSAGE_ID_ACK, &position, &object)) {
		rsvp_read_message_id(&object, &id);
		rsvp_put_ack(writer, object.ctype, &id);
	}
	if (rsvp_message_has(message, RSVP_CLASS_MESSAGE_ID))
		rsvp_put_message_id(writer, &message->message_id);
}

static void put_scope(struct rsvp_writer *writer, const struct rsvp_object *scope)
{
	static struct address addresses[1024];
	unsigned n = rsvp_scope_count(scope);

	for (unsigned i = 0; i < n; i++)
		rsvp_scope_get(scope, i, &addresses[i]);
	if (n == 0)
		rsvp_put_object(writer, scope);
	else
		rsvp_put_scope(writer, addresses, n);
}

static void put_lists(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	static struct rsvp_listed_id ids[RSVP_MESSAGE_MAX / 4];
	struct rsvp_object object;
	size_t position = 0;
	uint32_t epoch;

	while (rsvp_message_next(message, RSVP_CLASS_MESSAGE_ID_LIST, &position, &object)) {
		unsigned n = rsvp_id_list_count(&object);

		for (unsigned i = 0; i < n; i++)
			rsvp_id_list_get(&object, i, &ids[i]);
		rsvp_check_id_list(&object, &epoch);
		rsvp_put_id_list(writer, object.ctype, epoch, ids, n);
	}
}

static void put_flows(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	struct rsvp_flow_iter iter = { 0 };
	const uint8_t *written = NULL;
	struct rsvp_flow flow;

	while (rsvp_flow_next(message, &iter, &flow)) {
		/* As left out as it came. */
		if (flow.flowspec_object.data && flow.flowspec_object.data != written) {
			if (flow.error_code != 0 || message->type == RSVP_RESV_TEAR)
				rsvp_put_object(writer, &flow.flowspec_object);
			else
				rsvp_put_flowspec(writer, &flow.flowspec);
			written = flow.flowspec_object.data;
		}
		if (flow.sender.family != AF_UNSPEC)
			rsvp_put_filter(writer, &flow.sender);
	}
}

static void put_diag(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	struct rsvp_diag_response response;
	struct rsvp_diagnostic diagnostic;
	struct rsvp_object object;
	size_t position = 0;

	rsvp_read_diagnostic(&message->object[RSVP_CLASS_DIAGNOSTIC], &diagnostic);
	rsvp_put_diagnostic(writer, &diagnostic);
	put_all(writer, message, RSVP_CLASS_DIAG_SELECT);
	put_all(writer, message, RSVP_CLASS_ROUTE);
	while (rsvp_message_next(message, RSVP_CLASS_DIAG_RESPONSE, &position, &object)) {
		rsvp_read_diag_response(&object, &response);
		rsvp_put_diag_response(writer, &response);
	}
}

static void put_kept(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	struct rsvp_object object;
	size_t position = 0;

	while (rsvp_message_next_kept(message, &position, &object))
		rsvp_put_object(writer, &object);
}

static void put_sender(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	if (message->sender.family == AF_UNSPEC)
		return;
	rsvp_put_sender(writer, &message->sender,
			message->type == RSVP_PATH ? &message->tspec : NULL);
	if (message->type != RSVP_PATH)
		put_all(writer, message, RSVP_CLASS_SENDER_TSPEC);
	put_all(writer, message, RSVP_CLASS_ADSPEC);
}

static void put_body(struct rsvp_writer *writer, const struct rsvp_message *message)
{
	if (rsvp_message_has(message, RSVP_CLASS_SESSION))
		rsvp_put_session(writer, &message->session, message->session_flags);
	if (rsvp_message_has(message, RSVP_CLASS_HOP))
		rsvp_put_hop(writer, &message->hop);
	if (rsvp_message_has(message, RSVP_CLASS_TIME_VALUES))
		rsvp_put_time_values(writer, message->refresh_ms);
	if (rsvp_message_has(message, RSVP_CLASS_ERROR_SPEC))
		rsvp_put_error(writer, &message->error);
	if (message->confirm.family != AF_UNSPEC)
		rsvp_put_confirm(writer, &message->confirm);
	if (rsvp_message_has(message, RSVP_CLASS_SCOPE))
		put_scope(writer, &message->object[RSVP_CLASS_SCOPE]);
	put_all(writer, message, RSVP_CLASS_POLICY_DATA);
	if (rsvp_message_has(message, RSVP_CLASS_DIAGNOSTIC))
		put_diag(writer, message);
	put_kept(writer, message);
	put_sender(writer, message);
	if (message->style != RSVP_STYLE_NONE) {
		rsvp_put_style(writer, message->style);
		put_flows(writer, message);
	} else {
		/* Of a style that nobody knows, as an error about it tells. */
		put_all(writer, message, RSVP_CLASS_STYLE);
		put_all(writer, message, RSVP_CLASS_FLOWSPEC);
		put_all(writer, message, RSVP_CLASS_FILTER_SPEC);
	}
	put_lists(writer, message);
	if (message->type == RSVP_CHALLENGE || message->type == RSVP_RESPONSE)
		rsvp_put_challenge(writer, &message->challenge);
}

size_t rsvp_again(const struct rsvp_message *message, uint8_t *buf, size_t capacity)
{
	struct rsvp_writer writer;
	size_t len;

	rsvp_writer_start(&writer, buf, capacity, message->type, message->flags, message->send_ttl);
	if (message->type == RSVP_BUNDLE) {
		rsvp_put_raw(&writer, message->data + RSVP_HEADER_LEN,
			     message->len - RSVP_HEADER_LEN);
	} else {
		put_prefix(&writer, message);
		put_body(&writer, message);
	}
	return rsvp_writer_finish(&writer, &len) == 0 ? len : 0;
}
