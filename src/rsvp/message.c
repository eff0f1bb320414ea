/* SPDX-License-Identifier: MIT */
/*
 * message.c: see message.h. One walk over the objects checks the order, decodes what is decoded and notes what
 * is not known; then what is missing, and what does not go together, is looked for (message_together.c).
 */
#include "rsvp/message.h"

#include <errno.h>

#include "rsvp/adspec.h"
#include "rsvp/diag.h"
#include "rsvp/message_walk.h"

#define BIT(class_num) (1ull << (class_num))
#define CHALLENGE_BIT BIT(63) /* its number is 64 */

const struct rsvp_limits rsvp_limits_default = {
	.flows = 256,
	.scope = 1024,
	.kept = 16,
	.kept_bytes = 4096,
	.policy_bytes = 8192,
};

const char *rsvp_reason_text(enum rsvp_reason reason)
{
	static const char *const texts[RSVP_REASON_COUNT] = {
		[RSVP_REASON_NONE] = "nothing",
		[RSVP_REASON_VERSION] = "another version",
		[RSVP_REASON_CHECKSUM] = "wrong checksum",
		[RSVP_REASON_LENGTH] = "wrong length of the message",
		[RSVP_REASON_TYPE] = "unknown message type",
		[RSVP_REASON_OBJECT] = "malformed object",
		[RSVP_REASON_UNKNOWN_CLASS] = "object of unknown class",
		[RSVP_REASON_UNKNOWN_CTYPE] = "object of unknown C-Type",
		[RSVP_REASON_ORDER] = "objects out of order",
		[RSVP_REASON_MISSING] = "object missing",
		[RSVP_REASON_FORBIDDEN] = "object that does not belong there",
		[RSVP_REASON_REPEATED] = "object repeated",
		[RSVP_REASON_FAMILY] = "objects of different kinds of addresses",
		[RSVP_REASON_PORTS] = "port of a sender in a session without",
		[RSVP_REASON_STYLE] = "unknown style",
		[RSVP_REASON_FLOWS] = "flow descriptors do not fit the style",
		[RSVP_REASON_VALUE] = "values that are not valid",
		[RSVP_REASON_LIMIT] = "above a limit",
	};

	return reason < RSVP_REASON_COUNT ? texts[reason] : texts[RSVP_REASON_NONE];
}

/* ---- what messages are made of ---- */

#define PREFIX \
	(BIT(RSVP_CLASS_INTEGRITY) | BIT(RSVP_CLASS_MESSAGE_ID_ACK) | BIT(RSVP_CLASS_MESSAGE_ID))
#define POLICY BIT(RSVP_CLASS_POLICY_DATA)
#define TEMPLATE BIT(RSVP_CLASS_SENDER_TEMPLATE)
#define TSPEC BIT(RSVP_CLASS_SENDER_TSPEC)
#define SCOPE BIT(RSVP_CLASS_SCOPE)
#define STYLE BIT(RSVP_CLASS_STYLE)
#define FLOWS (BIT(RSVP_CLASS_FLOWSPEC) | BIT(RSVP_CLASS_FILTER_SPEC))
#define SESSION BIT(RSVP_CLASS_SESSION)
#define HOP BIT(RSVP_CLASS_HOP)
#define TIMES BIT(RSVP_CLASS_TIME_VALUES)
#define ERROR BIT(RSVP_CLASS_ERROR_SPEC)
#define CONFIRM BIT(RSVP_CLASS_RESV_CONFIRM)
#define ADSPEC BIT(RSVP_CLASS_ADSPEC)
#define DIAGNOSTIC BIT(RSVP_CLASS_DIAGNOSTIC)
#define DIAG_REST \
	(BIT(RSVP_CLASS_ROUTE) | BIT(RSVP_CLASS_DIAG_RESPONSE) | BIT(RSVP_CLASS_DIAG_SELECT))

/* Spec §5. Bundle is none of these. */
static const struct grammar grammars[] = {
	[RSVP_PATH] = { SESSION | HOP | TIMES | TEMPLATE | TSPEC, PREFIX | POLICY | ADSPEC },
	[RSVP_RESV] = { SESSION | HOP | TIMES | STYLE, PREFIX | CONFIRM | SCOPE | POLICY | FLOWS },
	[RSVP_PATH_ERR] = { SESSION | ERROR | TEMPLATE, PREFIX | POLICY | TSPEC | ADSPEC },
	[RSVP_RESV_ERR] = { SESSION | HOP | ERROR | STYLE, PREFIX | SCOPE | POLICY | FLOWS },
	[RSVP_PATH_TEAR] = { SESSION | HOP | TEMPLATE, PREFIX | TSPEC | ADSPEC },
	[RSVP_RESV_TEAR] = { SESSION | HOP | STYLE, PREFIX | SCOPE | FLOWS },
	[RSVP_RESV_CONF] = { SESSION | ERROR | CONFIRM | STYLE, PREFIX | FLOWS },
	[RSVP_DREQ] = { SESSION | HOP | DIAGNOSTIC, BIT(RSVP_CLASS_INTEGRITY) | DIAG_REST },
	[RSVP_DREP] = { SESSION | DIAGNOSTIC, HOP | BIT(RSVP_CLASS_INTEGRITY) | DIAG_REST },
	[RSVP_ACK] = { BIT(RSVP_CLASS_MESSAGE_ID_ACK), BIT(RSVP_CLASS_INTEGRITY) },
	[RSVP_SREFRESH] = { BIT(RSVP_CLASS_MESSAGE_ID_LIST), PREFIX },
	[RSVP_CHALLENGE] = { CHALLENGE_BIT, 0 },
	[RSVP_RESPONSE] = { BIT(RSVP_CLASS_INTEGRITY) | CHALLENGE_BIT, 0 },
};

#define N_TYPES (sizeof(grammars) / sizeof(grammars[0]))
#define MAY_REPEAT                                                                           \
	(FLOWS | POLICY | BIT(RSVP_CLASS_MESSAGE_ID_ACK) | BIT(RSVP_CLASS_MESSAGE_ID_LIST) | \
	 BIT(RSVP_CLASS_DIAG_RESPONSE))

#define ALL_CLASSES                                                                            \
	(PREFIX | POLICY | TEMPLATE | TSPEC | SCOPE | STYLE | FLOWS | SESSION | HOP | TIMES |  \
	 ERROR | CONFIRM | ADSPEC | BIT(RSVP_CLASS_MESSAGE_ID_LIST) | DIAGNOSTIC | DIAG_REST | \
	 CHALLENGE_BIT)

/* 0: a class that is not known. */
static uint64_t class_bit(uint8_t class_num)
{
	if (class_num == RSVP_CLASS_CHALLENGE)
		return CHALLENGE_BIT;
	return class_num < RSVP_OBJECT_SLOTS ? BIT(class_num) & ALL_CLASSES : 0;
}

/*
 * Of Path and Resv, what is not known is answered: after the walk, since the answer needs the rest. The first
 * counts. Any other message is dropped.
 */
static int answer(struct walk *walk, enum rsvp_reason reason, const struct rsvp_object *object,
		  uint8_t code, uint16_t value)
{
	uint8_t type = walk->message->type;

	if (type != RSVP_PATH && type != RSVP_RESV)
		return refuse(walk, reason, object);
	if (walk->unanswered)
		return 0;
	complain(walk->complaint, 0, reason, object);
	walk->complaint->answer = true;
	walk->complaint->code = code;
	walk->complaint->value = value;
	walk->unanswered = true;
	return 0;
}

static int answer_unknown(struct walk *walk, enum rsvp_reason reason,
			  const struct rsvp_object *object)
{
	return answer(walk, reason, object,
		      reason == RSVP_REASON_UNKNOWN_CLASS ? RSVP_ERROR_UNKNOWN_CLASS
							  : RSVP_ERROR_UNKNOWN_CTYPE,
		      (uint16_t)(object->class_num << 8 | object->ctype));
}

/* ---- decoding ---- */

/* Path: what a sender sends. Elsewhere these objects are not looked into. */
static int decode_tspec(struct walk *walk, const struct rsvp_object *object)
{
	int r;

	if (walk->message->type != RSVP_PATH)
		return 0;
	r = rsvp_read_sender_tspec(object, &walk->message->tspec);
	if (r == -EINVAL)
		return answer(walk, RSVP_REASON_VALUE, object, RSVP_ERROR_TRAFFIC,
			      RSVP_TRAFFIC_TSPEC);
	return r;
}

static int decode_adspec(struct walk *walk, const struct rsvp_object *object)
{
	int r;

	if (walk->message->type != RSVP_PATH)
		return 0;
	r = rsvp_read_adspec(object, &walk->message->adspec);
	if (r == -EINVAL)
		return answer(walk, RSVP_REASON_VALUE, object, RSVP_ERROR_TRAFFIC,
			      RSVP_TRAFFIC_ADSPEC);
	return r;
}

static int decode_style(struct walk *walk, const struct rsvp_object *object)
{
	int r = rsvp_read_style(object, &walk->message->style);

	walk->message->flows_at = (size_t)(object->data - walk->message->data) + object->len;
	/* It may be what the error is about. */
	if (r == -ENOTSUP && walk->message->type == RSVP_RESV_ERR)
		return 0;
	if (r == -ENOTSUP)
		return answer(walk, RSVP_REASON_STYLE, object, RSVP_ERROR_STYLE_UNKNOWN, 0);
	return r;
}

static int decode_scope(struct walk *walk, const struct rsvp_object *object)
{
	int r = rsvp_check_scope(object);

	if (r == 0 && rsvp_scope_count(object) > walk->limits->scope)
		return refuse(walk, RSVP_REASON_LIMIT, object);
	return r;
}

static int decode_policy(struct walk *walk, const struct rsvp_object *object)
{
	if (object->ctype != RSVP_CTYPE_ONLY)
		return -EPROTONOSUPPORT;
	walk->policy_bytes += object->len;
	if (walk->policy_bytes > walk->limits->policy_bytes)
		return refuse(walk, RSVP_REASON_LIMIT, object);
	return 0;
}

/* FLOWSPEC: what it holds is a matter of its descriptor, not of the message. */
static int check_intserv_ctype(const struct rsvp_object *object)
{
	return object->ctype == RSVP_CTYPE_INTSERV ? 0 : -EPROTONOSUPPORT;
}

static int decode(struct walk *walk, const struct rsvp_object *object)
{
	struct rsvp_message *message = walk->message;
	struct rsvp_message_id acked;
	struct rsvp_sender filter;
	uint32_t epoch;

	switch (object->class_num) {
	case RSVP_CLASS_SESSION:
		return rsvp_read_session(object, &message->session, &message->session_flags);
	case RSVP_CLASS_HOP:
		return rsvp_read_hop(object, &message->hop);
	case RSVP_CLASS_INTEGRITY:
		return rsvp_read_integrity(object, &message->integrity);
	case RSVP_CLASS_TIME_VALUES:
		return rsvp_read_time_values(object, &message->refresh_ms);
	case RSVP_CLASS_ERROR_SPEC:
		return rsvp_read_error(object, &message->error);
	case RSVP_CLASS_SCOPE:
		return decode_scope(walk, object);
	case RSVP_CLASS_STYLE:
		return decode_style(walk, object);
	case RSVP_CLASS_FLOWSPEC:
		return check_intserv_ctype(object);
	case RSVP_CLASS_FILTER_SPEC:
		return rsvp_read_sender(object, &filter);
	case RSVP_CLASS_SENDER_TEMPLATE:
		return rsvp_read_sender(object, &message->sender);
	case RSVP_CLASS_SENDER_TSPEC:
		return decode_tspec(walk, object);
	case RSVP_CLASS_ADSPEC:
		return decode_adspec(walk, object);
	case RSVP_CLASS_POLICY_DATA:
		return decode_policy(walk, object);
	case RSVP_CLASS_RESV_CONFIRM:
		return rsvp_read_confirm(object, &message->confirm);
	case RSVP_CLASS_MESSAGE_ID:
		return rsvp_read_message_id(object, &message->message_id);
	case RSVP_CLASS_MESSAGE_ID_ACK:
		return rsvp_read_message_id(object, &acked);
	case RSVP_CLASS_MESSAGE_ID_LIST:
		return rsvp_check_id_list(object, &epoch);
	case RSVP_CLASS_CHALLENGE:
		return rsvp_read_challenge(object, &message->challenge);
	case RSVP_CLASS_DIAGNOSTIC:
	case RSVP_CLASS_ROUTE:
	case RSVP_CLASS_DIAG_RESPONSE:
	case RSVP_CLASS_DIAG_SELECT:
		return rsvp_check_diag(object);
	default:
		return 0;
	}
}

/* ---- the walk ---- */

static int check_order(struct walk *walk, const struct rsvp_object *object)
{
	enum phase phase = walk->phase, next = PHASE_BODY;

	switch (object->class_num) {
	case RSVP_CLASS_INTEGRITY:
		walk->phase = PHASE_ACKS;
		return phase == PHASE_START ? 0 : -1;
	case RSVP_CLASS_MESSAGE_ID_ACK:
		walk->phase = PHASE_ACKS;
		return phase <= PHASE_ACKS ? 0 : -1;
	case RSVP_CLASS_MESSAGE_ID:
		walk->phase = PHASE_BODY;
		return phase <= PHASE_ACKS ? 0 : -1;
	case RSVP_CLASS_FLOWSPEC:
	case RSVP_CLASS_FILTER_SPEC:
		return phase == PHASE_FLOWS ? 0 : -1;
	case RSVP_CLASS_STYLE:
		next = PHASE_FLOWS;
		break;
	default:
		break;
	}
	walk->phase = next;
	return phase <= PHASE_BODY ? 0 : -1;
}

static int visit_unknown(struct walk *walk, const struct rsvp_object *object)
{
	if (walk->phase == PHASE_START)
		walk->phase = PHASE_ACKS; /* INTEGRITY would have been first */
	switch (rsvp_class_unknown(object->class_num)) {
	case RSVP_UNKNOWN_REJECT:
		return answer_unknown(walk, RSVP_REASON_UNKNOWN_CLASS, object);
	case RSVP_UNKNOWN_KEEP:
		walk->message->n_kept++;
		walk->kept_bytes += object->len;
		if (walk->message->n_kept > walk->limits->kept ||
		    walk->kept_bytes > walk->limits->kept_bytes)
			return refuse(walk, RSVP_REASON_LIMIT, object);
		if (object->class_num == RSVP_CLASS_DCLASS && rsvp_check_dclass(object) == 0 &&
		    !walk->message->dclass.data)
			walk->message->dclass = *object;
		return 0;
	case RSVP_UNKNOWN_DROP:
	default:
		return 0;
	}
}

static int visit(struct walk *walk, const struct rsvp_object *object)
{
	uint64_t bit = class_bit(object->class_num);
	int r;

	if (object->class_num == RSVP_CLASS_NULL)
		return 0;
	if (!bit)
		return visit_unknown(walk, object);
	if (!(bit & (walk->grammar->required | walk->grammar->optional)))
		return refuse(walk, RSVP_REASON_FORBIDDEN, object);
	if (check_order(walk, object) < 0)
		return refuse(walk, RSVP_REASON_ORDER, object);
	if ((walk->seen & bit) && !(bit & MAY_REPEAT))
		return refuse(walk, RSVP_REASON_REPEATED, object);
	if (!(walk->seen & bit) && object->class_num < RSVP_OBJECT_SLOTS)
		walk->message->object[object->class_num] = *object;
	walk->seen |= bit;

	r = decode(walk, object);
	if (r == -EPROTONOSUPPORT)
		return answer_unknown(walk, RSVP_REASON_UNKNOWN_CTYPE, object);
	if (r == -EBADMSG)
		return refuse(walk, RSVP_REASON_OBJECT, object);
	return r;
}

/* ---- the message ---- */

static int parse_objects(struct rsvp_message *message, const struct rsvp_limits *limits,
			 struct rsvp_complaint *complaint)
{
	struct walk walk = { message, limits, complaint, .grammar = &grammars[message->type] };
	size_t position = RSVP_HEADER_LEN;
	struct rsvp_object object;
	int r;

	while ((r = rsvp_object_next(message->data, message->len, &position, &object)) == 1) {
		r = visit(&walk, &object);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return refuse(&walk, RSVP_REASON_OBJECT, NULL);
	return rsvp_walk_end(&walk);
}

/* Each a message with a length of its own, none a Bundle, and nothing left over (RFC 2961 §3.2). */
static int parse_bundle(const struct rsvp_message *message, struct rsvp_complaint *complaint)
{
	size_t at = RSVP_HEADER_LEN;

	if (message->len == RSVP_HEADER_LEN)
		return complain(complaint, -EBADMSG, RSVP_REASON_MISSING, NULL);
	while (at < message->len) {
		const uint8_t *sub = message->data + at;
		size_t left = message->len - at, len;

		if (left < RSVP_HEADER_LEN)
			return complain(complaint, -EBADMSG, RSVP_REASON_LENGTH, NULL);
		len = get16(sub + 6);
		if (len < RSVP_HEADER_LEN || len > left)
			return complain(complaint, -EBADMSG, RSVP_REASON_LENGTH, NULL);
		if (sub[1] == RSVP_BUNDLE)
			return complain(complaint, -EBADMSG, RSVP_REASON_FORBIDDEN, NULL);
		at += len;
	}
	return 0;
}

static bool checksum_is_good(const uint8_t *data, size_t len, bool required)
{
	uint16_t field = get16(data + 2);

	return field == 0 ? !required : field == rsvp_checksum(data, len);
}

static bool type_is_known(uint8_t type)
{
	return type == RSVP_BUNDLE || (type < N_TYPES && grammars[type].required);
}

int rsvp_message_parse(const uint8_t *data, size_t len, const struct rsvp_limits *limits,
		       struct rsvp_message *ret_message, struct rsvp_complaint *ret_complaint)
{
	if (len < RSVP_HEADER_LEN)
		return complain(ret_complaint, -EBADMSG, RSVP_REASON_LENGTH, NULL);
	if (data[0] >> 4 != RSVP_VERSION)
		return complain(ret_complaint, -EPROTONOSUPPORT, RSVP_REASON_VERSION, NULL);
	if (get16(data + 6) != len || len % 4 != 0)
		return complain(ret_complaint, -EBADMSG, RSVP_REASON_LENGTH, NULL);
	/* RFC 2961 §3.2: what is bundled has checksums of its own. */
	if (!checksum_is_good(data, len, limits->require_checksum && data[1] != RSVP_BUNDLE))
		return complain(ret_complaint, -EBADMSG, RSVP_REASON_CHECKSUM, NULL);
	if (!type_is_known(data[1]))
		return complain(ret_complaint, -EPROTONOSUPPORT, RSVP_REASON_TYPE, NULL);

	memset(ret_message, 0, sizeof(*ret_message));
	ret_message->data = data;
	ret_message->len = len;
	ret_message->flags = data[0] & 0xf;
	ret_message->type = data[1];
	ret_message->send_ttl = data[4];
	if (ret_message->type == RSVP_BUNDLE)
		return parse_bundle(ret_message, ret_complaint);
	return parse_objects(ret_message, limits, ret_complaint);
}
