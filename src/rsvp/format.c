/* SPDX-License-Identifier: MIT */
/* format.c: see format.h. What messages say; format_name.c has the names. */
#include "rsvp/format.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/rsvp_error.h"
#include "rsvp/adspec.h"
#include "rsvp/diag.h"
#include "rsvp/policy.h"

struct text {
	char *buf;
	size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	size_t left = text->size - text->len;
	va_list arguments;
	int n;

	if (left <= 1)
		return;
	va_start(arguments, format);
	n = vsnprintf(text->buf + text->len, left, format, arguments);
	va_end(arguments);
	if (n > 0)
		text->len += (size_t)n < left ? (size_t)n : left - 1;
}

static void put_tspec(struct text *text, const struct rsvp_tspec *tspec)
{
	put(text, " r %.9g b %.9g p %.9g m %u M %u", (double)tspec->r, (double)tspec->b,
	    (double)tspec->p, tspec->m, tspec->M);
}

static bool put_sender_tspec(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_sender_tspec tspec;

	if (rsvp_read_sender_tspec(object, &tspec) < 0)
		return false;
	if (tspec.tspec.M > 0)
		put_tspec(text, &tspec.tspec);
	if (tspec.null_M > 0)
		put(text, " null service M %u", tspec.null_M);
	return true;
}

static bool put_flowspec(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_flowspec flowspec;

	if (rsvp_read_flowspec(object, &flowspec) < 0)
		return false;
	if (flowspec.service == FLOWSPEC_NULL) {
		put(text, " null service M %u", flowspec.tspec.M);
		return true;
	}
	put(text, " %s",
	    flowspec.service == FLOWSPEC_GUARANTEED ? "guaranteed" : "controlled load");
	put_tspec(text, &flowspec.tspec);
	if (flowspec.service == FLOWSPEC_GUARANTEED)
		put(text, " R %.9g S %u", (double)flowspec.R, flowspec.S);
	return true;
}

static void put_offer(struct text *text, const char *name,
		      const struct rsvp_adspec_service *service)
{
	if (!service->present)
		return;
	put(text, ", %s%s bandwidth %.9g latency %u mtu %u", name,
	    service->broken ? " (broken)" : "", (double)service->bandwidth, service->latency_us,
	    service->mtu);
}

static bool put_adspec(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_adspec adspec;

	if (rsvp_read_adspec(object, &adspec) < 0)
		return false;
	put(text, "%s hops %u bandwidth %.9g latency %u mtu %u", adspec.broken ? " (broken)" : "",
	    adspec.hops, (double)adspec.bandwidth, adspec.latency_us, adspec.mtu);
	put_offer(text, "guaranteed", &adspec.guaranteed);
	if (adspec.guaranteed.present)
		put(text, " C %u D %u since reshaping C %u D %u", adspec.c_total, adspec.d_total,
		    adspec.c_since, adspec.d_since);
	put_offer(text, "controlled load", &adspec.controlled_load);
	put_offer(text, "null", &adspec.null);
	return true;
}

static bool put_error(struct text *text, const struct rsvp_object *object)
{
	char name[INET6_ADDRSTRLEN];
	struct rsvp_error_spec error;
	const char *what;

	if (rsvp_read_error(object, &error) < 0)
		return false;
	what = rsvp_error_name(error.code);
	put(text, " %s code %u (%s) value %u", rsvp_host_format(&error.node, name), error.code,
	    what ? what : "unknown", error.value);
	put(text, "%s%s", error.flags & RSVP_ERROR_IN_PLACE ? " in place" : "",
	    error.flags & RSVP_ERROR_NOT_GUILTY ? " not guilty" : "");
	return true;
}

static bool put_session(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_session session;
	char line[RSVP_TEXT_LEN];
	uint8_t flags;

	if (rsvp_read_session(object, &session, &flags) < 0)
		return false;
	put(text, " %s%s", rsvp_session_format(&session, line),
	    flags & RSVP_SESSION_E_POLICE ? " police" : "");
	return true;
}

static bool put_sender(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_sender sender;
	char line[RSVP_TEXT_LEN];

	if (rsvp_read_sender(object, &sender) < 0)
		return false;
	put(text, " %s", rsvp_sender_format(&sender, line));
	return true;
}

static bool put_hop(struct text *text, const struct rsvp_object *object)
{
	char name[INET6_ADDRSTRLEN];
	struct rsvp_hop hop;

	if (rsvp_read_hop(object, &hop) < 0)
		return false;
	put(text, " %s lih %u", rsvp_host_format(&hop.address, name), hop.lih);
	return true;
}

static bool put_time_values(struct text *text, const struct rsvp_object *object)
{
	uint32_t refresh_ms;

	if (rsvp_read_time_values(object, &refresh_ms) < 0)
		return false;
	put(text, " %u ms", refresh_ms);
	return true;
}

static bool put_style(struct text *text, const struct rsvp_object *object)
{
	enum rsvp_style style;

	if (rsvp_read_style(object, &style) < 0)
		return false;
	put(text, " %s", rsvp_style_name(style));
	return true;
}

static bool put_confirm(struct text *text, const struct rsvp_object *object)
{
	char name[INET6_ADDRSTRLEN];
	struct address receiver;

	if (rsvp_read_confirm(object, &receiver) < 0)
		return false;
	put(text, " %s", rsvp_host_format(&receiver, name));
	return true;
}

static bool put_scope(struct text *text, const struct rsvp_object *object)
{
	char name[INET6_ADDRSTRLEN];
	struct address address;

	if (rsvp_check_scope(object) < 0)
		return false;
	for (unsigned i = 0; i < rsvp_scope_count(object); i++) {
		rsvp_scope_get(object, i, &address);
		put(text, " %s", rsvp_host_format(&address, name));
	}
	return true;
}

static bool put_message_id(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_message_id id;
	const char *kind = "";

	if (rsvp_read_message_id(object, &id) < 0)
		return false;
	if (object->class_num == RSVP_CLASS_MESSAGE_ID_ACK)
		kind = object->ctype == RSVP_CTYPE_NACK ? " nack" : " ack";
	else if (id.flags & RSVP_ID_ACK_DESIRED)
		kind = " ack desired";
	put(text, "%s epoch 0x%06x id %u", kind, id.epoch, id.id);
	return true;
}

static bool put_id_list(struct text *text, const struct rsvp_object *object)
{
	char name[INET6_ADDRSTRLEN];
	struct rsvp_listed_id id;
	uint32_t epoch;

	if (rsvp_check_id_list(object, &epoch) < 0)
		return false;
	put(text, " epoch 0x%06x", epoch);
	for (unsigned i = 0; i < rsvp_id_list_count(object); i++) {
		rsvp_id_list_get(object, i, &id);
		put(text, " %u", id.id);
		if (id.source.family != AF_UNSPEC)
			put(text, " from %s", rsvp_host_format(&id.source, name));
		if (id.group.family != AF_UNSPEC)
			put(text, " to %s", rsvp_host_format(&id.group, name));
	}
	return true;
}

static void put_key_id(struct text *text, const uint8_t *id)
{
	put(text, " key %02x%02x%02x%02x%02x%02x", id[0], id[1], id[2], id[3], id[4], id[5]);
}

static bool put_integrity(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_integrity integrity;

	if (rsvp_read_integrity(object, &integrity) < 0)
		return false;
	put_key_id(text, integrity.key_id);
	put(text, " sequence %" PRIu64 " digest of %zu bytes%s", integrity.sequence,
	    integrity.digest_len, integrity.handshake ? " handshake" : "");
	return true;
}

static bool put_challenge(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_challenge challenge;

	if (rsvp_read_challenge(object, &challenge) < 0)
		return false;
	put_key_id(text, challenge.key_id);
	put(text, " cookie %016" PRIx64, challenge.cookie);
	return true;
}

static bool put_diagnostic(struct text *text, const struct rsvp_object *object)
{
	char name[INET6_ADDRSTRLEN], line[RSVP_TEXT_LEN];
	struct rsvp_diagnostic diagnostic;

	if (rsvp_read_diagnostic(object, &diagnostic) < 0)
		return false;
	put(text, " request %u hops %u of %u mtu %u offset %u%s last hop %s", diagnostic.request_id,
	    diagnostic.hop_count, diagnostic.max_hops, diagnostic.path_mtu,
	    diagnostic.fragment_offset, diagnostic.more_fragments ? " more" : "",
	    rsvp_host_format(&diagnostic.last_hop, name));
	put(text, " sender %s", rsvp_sender_format(&diagnostic.sender, line));
	put(text, " requester %s", rsvp_sender_format(&diagnostic.requester, line));
	return true;
}

static bool put_diag_response(struct text *text, const struct rsvp_object *object)
{
	char in[INET6_ADDRSTRLEN], out[INET6_ADDRSTRLEN], previous[INET6_ADDRSTRLEN];
	struct rsvp_diag_response response;

	if (rsvp_read_diag_response(object, &response) < 0)
		return false;
	put(text, " in %s out %s previous %s d-ttl %u error %u k %u timer %u s%s",
	    rsvp_host_format(&response.in, in), rsvp_host_format(&response.out, out),
	    rsvp_host_format(&response.previous, previous), response.d_ttl, response.error,
	    response.k, response.timer_s, response.merged ? " merged" : "");
	return true;
}

static bool put_route(struct text *text, const struct rsvp_object *object)
{
	char name[INET6_ADDRSTRLEN];
	struct address address;

	if (rsvp_check_diag(object) < 0)
		return false;
	put(text, " at %u:", rsvp_route_pointer(object));
	for (unsigned i = 0; i < rsvp_route_count(object); i++) {
		rsvp_route_get(object, i, &address);
		put(text, " %s", rsvp_host_format(&address, name));
	}
	return true;
}

static bool put_policy(struct text *text, const struct rsvp_object *object)
{
	struct rsvp_policy_element element;
	struct rsvp_preemption preemption;
	struct rsvp_policy policy;
	size_t position = 0;

	if (rsvp_read_policy(object, &policy) < 0)
		return false;
	while (rsvp_policy_next(&policy, &position, &element)) {
		if (element.type == RSVP_POLICY_PREEMPTION &&
		    rsvp_read_preemption(&element, &preemption) == 0)
			put(text, " preemption %u defending %u strategy %u", preemption.preemption,
			    preemption.defending, preemption.strategy);
		else
			put(text, " element %u of %zu bytes", element.type, element.len);
	}
	return true;
}

static bool put_dclass(struct text *text, const struct rsvp_object *object)
{
	if (rsvp_check_dclass(object) < 0)
		return false;
	for (unsigned i = 7; i < object->len; i += 4)
		put(text, " %u", object->data[i] >> 2);
	return true;
}

static bool (*const put_contents[256])(struct text *text, const struct rsvp_object *object) = {
	[RSVP_CLASS_SESSION] = put_session,
	[RSVP_CLASS_HOP] = put_hop,
	[RSVP_CLASS_INTEGRITY] = put_integrity,
	[RSVP_CLASS_TIME_VALUES] = put_time_values,
	[RSVP_CLASS_ERROR_SPEC] = put_error,
	[RSVP_CLASS_SCOPE] = put_scope,
	[RSVP_CLASS_STYLE] = put_style,
	[RSVP_CLASS_FLOWSPEC] = put_flowspec,
	[RSVP_CLASS_FILTER_SPEC] = put_sender,
	[RSVP_CLASS_SENDER_TEMPLATE] = put_sender,
	[RSVP_CLASS_SENDER_TSPEC] = put_sender_tspec,
	[RSVP_CLASS_ADSPEC] = put_adspec,
	[RSVP_CLASS_POLICY_DATA] = put_policy,
	[RSVP_CLASS_RESV_CONFIRM] = put_confirm,
	[RSVP_CLASS_MESSAGE_ID] = put_message_id,
	[RSVP_CLASS_MESSAGE_ID_ACK] = put_message_id,
	[RSVP_CLASS_MESSAGE_ID_LIST] = put_id_list,
	[RSVP_CLASS_DIAGNOSTIC] = put_diagnostic,
	[RSVP_CLASS_ROUTE] = put_route,
	[RSVP_CLASS_DIAG_RESPONSE] = put_diag_response,
	[RSVP_CLASS_CHALLENGE] = put_challenge,
	[RSVP_CLASS_DCLASS] = put_dclass,
};

static void put_object(struct text *text, const struct rsvp_object *object)
{
	const char *name = rsvp_class_name(object->class_num);

	put(text, "\t");
	if (name)
		put(text, "%s", name);
	else
		put(text, "class %u C-Type %u", object->class_num, object->ctype);
	if (!put_contents[object->class_num] || !put_contents[object->class_num](text, object))
		put(text, " (%u bytes, C-Type %u)", object->len, object->ctype);
	put(text, "\n");
}

static void put_bundled(struct text *text, const struct rsvp_message *message)
{
	const uint8_t *data;
	size_t position = 0, len;

	while (rsvp_bundle_next(message, &position, &data, &len)) {
		const char *name = rsvp_type_name(data[1]);

		put(text, "\t%s of %zu bytes\n", name ? name : "unknown message", len);
	}
}

size_t rsvp_message_format(const struct rsvp_message *message, char *buf, size_t size)
{
	const char *name = rsvp_type_name(message->type);
	struct text text = { buf, size, 0 };
	size_t position = RSVP_HEADER_LEN;
	struct rsvp_object object;

	if (size > 0)
		buf[0] = '\0';
	put(&text, "%s of %zu bytes, ttl %u%s\n", name ? name : "unknown message", message->len,
	    message->send_ttl, message->flags & RSVP_HEADER_REDUCES ? ", reduces refreshes" : "");
	if (message->type == RSVP_BUNDLE) {
		put_bundled(&text, message);
		return text.len;
	}
	while (rsvp_object_next(message->data, message->len, &position, &object) == 1)
		put_object(&text, &object);
	return text.len;
}
