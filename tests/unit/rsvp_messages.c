/* SPDX-License-Identifier: MIT */
/* rsvp_messages.c: see rsvp_messages.h. */
#include "rsvp_messages.h"

#include <math.h>

#include "rsvp/adspec.h"
#include "rsvp/policy.h"
#include "rsvp/writer.h"

/* What the objects of a message are of. */
struct kind {
	enum rsvp_type type;
	uint16_t family;
	enum rsvp_form form; /* of the session */
	enum rsvp_form sender_form;
	enum rsvp_style style;
	enum flowspec_service service;
	enum rsvp_list list;
};

static const struct kind kinds[] = {
	{ RSVP_PATH, AF_INET, 0, 0, 0, FLOWSPEC_GUARANTEED },
	{ RSVP_BUNDLE, AF_INET },
	{ RSVP_PATH, AF_INET6, 0, 0, 0, FLOWSPEC_GUARANTEED },
	{ RSVP_PATH, AF_INET, 0, 0, 0, FLOWSPEC_NULL },
	{ RSVP_PATH, AF_INET, RSVP_FORM_GPI, RSVP_FORM_GPI, 0, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_PATH, AF_INET6, RSVP_FORM_GPI, RSVP_FORM_GPI, 0, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_PATH, AF_INET6, 0, RSVP_FORM_FLOW_LABEL, 0, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_PATH, AF_INET, RSVP_FORM_AGGREGATE, RSVP_FORM_AGGREGATE, 0, FLOWSPEC_GUARANTEED },
	{ RSVP_PATH, AF_INET6, RSVP_FORM_AGGREGATE, RSVP_FORM_AGGREGATE, 0, FLOWSPEC_GUARANTEED },
	{ RSVP_RESV, AF_INET, 0, 0, RSVP_STYLE_FF, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_RESV, AF_INET, 0, 0, RSVP_STYLE_SE, FLOWSPEC_GUARANTEED },
	{ RSVP_RESV, AF_INET, 0, 0, RSVP_STYLE_WF, FLOWSPEC_NULL },
	{ RSVP_RESV, AF_INET6, 0, 0, RSVP_STYLE_FF, FLOWSPEC_GUARANTEED },
	{ RSVP_RESV, AF_INET6, 0, 0, RSVP_STYLE_SE, FLOWSPEC_NULL },
	{ RSVP_RESV, AF_INET6, 0, 0, RSVP_STYLE_WF, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_PATH_ERR, AF_INET, 0, 0, 0, FLOWSPEC_GUARANTEED },
	{ RSVP_PATH_ERR, AF_INET6, 0, 0, 0, FLOWSPEC_GUARANTEED },
	{ RSVP_RESV_ERR, AF_INET, 0, 0, RSVP_STYLE_WF, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_RESV_ERR, AF_INET6, 0, 0, RSVP_STYLE_SE, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_PATH_TEAR, AF_INET },
	{ RSVP_PATH_TEAR, AF_INET6 },
	{ RSVP_RESV_TEAR, AF_INET, 0, 0, RSVP_STYLE_FF },
	{ RSVP_RESV_TEAR, AF_INET6, 0, 0, RSVP_STYLE_SE },
	{ RSVP_RESV_CONF, AF_INET, 0, 0, RSVP_STYLE_FF, FLOWSPEC_CONTROLLED_LOAD },
	{ RSVP_RESV_CONF, AF_INET6, 0, 0, RSVP_STYLE_SE, FLOWSPEC_GUARANTEED },
	{ RSVP_ACK, AF_INET },
	{ RSVP_SREFRESH, AF_INET, .list = RSVP_LIST_IDS },
	{ RSVP_SREFRESH, AF_INET, .list = RSVP_LIST_SOURCE4 },
	{ RSVP_SREFRESH, AF_INET6, .list = RSVP_LIST_SOURCE6 },
	{ RSVP_SREFRESH, AF_INET, .list = RSVP_LIST_GROUP4 },
	{ RSVP_SREFRESH, AF_INET6, .list = RSVP_LIST_GROUP6 },
	{ RSVP_CHALLENGE, AF_INET },
	{ RSVP_RESPONSE, AF_INET },
	{ RSVP_DREQ, AF_INET },
	{ RSVP_DREP, AF_INET6 },
};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void host(uint8_t address[16], uint16_t family, uint8_t number)
{
	static const uint8_t ip4[16] = { [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2 };
	static const uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8 };

	memcpy(address, family == AF_INET ? ip4 : ip6, 16);
	address[15] = number;
}

static struct address make_address(uint16_t family, uint8_t number)
{
	struct address address = { .family = family };

	host(address.addr, family, number);
	return address;
}

static struct rsvp_session make_session(const struct kind *kind)
{
	struct rsvp_session session = { .family = kind->family, .form = (uint8_t)kind->form };

	host(session.address, kind->family, 99);
	session.port = kind->form == RSVP_FORM_AGGREGATE ? 46 : 5004;
	if (kind->form != RSVP_FORM_AGGREGATE)
		session.protocol = kind->form == RSVP_FORM_GPI ? IPPROTO_ESP : IPPROTO_UDP;
	return session;
}

static struct rsvp_sender make_sender(const struct kind *kind, uint8_t number)
{
	static const uint32_t ids[] = { 6000, 0x12345678, 0xabcde, 0 };
	struct rsvp_sender sender = { .family = kind->family,
				      .form = (uint16_t)kind->sender_form,
				      .id = ids[kind->sender_form] };

	host(sender.address, kind->family, number);
	return sender;
}

static const struct rsvp_tspec bucket = { 125000, 8000, 250000, 64, 1500 };

static void put_policy(struct rsvp_writer *writer)
{
	static const struct rsvp_preemption preemption = { RSVP_MERGE_HIGHEST_QOS, 0, 5, 7 };
	uint8_t policy[64];
	size_t len = rsvp_policy_begin(policy, sizeof(policy), NULL, 0);

	len = rsvp_policy_add_preemption(policy, sizeof(policy), len, &preemption);
	rsvp_put_raw(writer, policy, rsvp_policy_end(policy, len));
}

static void put_flowspec(struct rsvp_writer *writer, const struct kind *kind)
{
	struct rsvp_flowspec flowspec = { .service = kind->service, .tspec = bucket };

	if (kind->service == FLOWSPEC_GUARANTEED) {
		flowspec.R = 150000;
		flowspec.S = 500;
		flowspec.tspec.p = INFINITY;
	} else if (kind->service == FLOWSPEC_NULL) {
		flowspec.tspec = (struct rsvp_tspec){ .M = 1500 };
	}
	rsvp_put_flowspec(writer, &flowspec);
}

static void put_flows(struct rsvp_writer *writer, const struct kind *kind)
{
	struct rsvp_sender first = make_sender(kind, 1), second = make_sender(kind, 2);

	rsvp_put_style(writer, kind->style);
	if (kind->service != FLOWSPEC_NONE)
		put_flowspec(writer, kind);
	if (kind->style == RSVP_STYLE_WF)
		return;
	rsvp_put_filter(writer, &first);
	if (kind->type != RSVP_RESV_ERR || kind->style == RSVP_STYLE_SE)
		rsvp_put_filter(writer, &second);
}

static void put_sender(struct rsvp_writer *writer, const struct kind *kind)
{
	struct rsvp_sender_tspec tspec = { .tspec = bucket };
	struct rsvp_sender sender = make_sender(kind, 1);
	bool null = kind->service == FLOWSPEC_NULL;
	uint8_t adspec[RSVP_ADSPEC_MADE_MAX];

	if (null)
		tspec.null_M = 1500;
	rsvp_put_sender(writer, &sender, kind->service != FLOWSPEC_NONE ? &tspec : NULL);
	if (kind->type == RSVP_PATH)
		rsvp_put_raw(writer, adspec,
			     rsvp_encode_adspec(adspec, kind->service == FLOWSPEC_GUARANTEED, true,
						null));
}

static const struct rsvp_message_id id = { .epoch = 0x7db549, .id = 17, .flags = 1 };
static const struct rsvp_challenge challenge = { { 1, 2, 3, 4, 5, 6 }, 0x123456789abcdef0 };

static void put_prefix(struct rsvp_writer *writer, const struct kind *kind)
{
	if (kind->type == RSVP_PATH && kind->family == AF_INET && kind->form == RSVP_FORM_PORTS) {
		rsvp_put_integrity(writer, true, challenge.key_id, 0x100000002, 16);
		rsvp_put_ack(writer, RSVP_CTYPE_ACK, &id);
		rsvp_put_ack(writer, RSVP_CTYPE_NACK, &id);
		rsvp_put_message_id(writer, &id);
	}
}

static void put_error(struct rsvp_writer *writer, const struct kind *kind)
{
	const struct rsvp_error_spec error = {
		.node = make_address(kind->family, 7),
		.flags = kind->type == RSVP_RESV_ERR ? RSVP_ERROR_IN_PLACE : 0,
		.code = kind->type == RSVP_RESV_CONF ? RSVP_ERROR_CONFIRMATION
						     : RSVP_ERROR_ADMISSION,
		.value = kind->type == RSVP_RESV_CONF ? 0 : RSVP_ADMISSION_BANDWIDTH,
	};

	rsvp_put_error(writer, &error);
}

/* What is about a session. */
static void put_state(struct rsvp_writer *writer, const struct kind *kind)
{
	const struct address scope[] = { make_address(kind->family, 1),
					 make_address(kind->family, 2) };
	const struct rsvp_hop hop = { make_address(kind->family, 3), 7 };
	const struct rsvp_session session = make_session(kind);
	const struct address receiver = make_address(kind->family, 99);
	static const uint8_t dscps[] = { 46, 34 };
	enum rsvp_type type = kind->type;

	put_prefix(writer, kind);
	rsvp_put_session(writer, &session, RSVP_SESSION_E_POLICE);
	if (type != RSVP_PATH_ERR && type != RSVP_RESV_CONF)
		rsvp_put_hop(writer, &hop);
	if (type == RSVP_PATH || type == RSVP_RESV)
		rsvp_put_time_values(writer, 30000);
	if (type == RSVP_PATH_ERR || type == RSVP_RESV_ERR || type == RSVP_RESV_CONF)
		put_error(writer, kind);
	if (type == RSVP_RESV || type == RSVP_RESV_CONF)
		rsvp_put_confirm(writer, &receiver);
	if (kind->style == RSVP_STYLE_WF)
		rsvp_put_scope(writer, scope, 2);
	if (type == RSVP_RESV || type == RSVP_PATH)
		put_policy(writer);
	if (type == RSVP_RESV)
		rsvp_put_dclass(writer, dscps, 2);
	if (kind->style == RSVP_STYLE_NONE)
		put_sender(writer, kind);
	else
		put_flows(writer, kind);
}

static void put_list(struct rsvp_writer *writer, const struct kind *kind)
{
	struct rsvp_listed_id ids[2] = { { .id = 1 }, { .id = UINT32_MAX } };

	for (uint8_t i = 0; i < 2; i++) {
		ids[i].source = make_address(kind->family, i);
		ids[i].group = make_address(kind->family, 9);
	}
	rsvp_put_id_list(writer, kind->list, id.epoch, ids, 2);
}

static void put_diag(struct rsvp_writer *writer, const struct kind *kind)
{
	const struct address route[] = { make_address(kind->family, 4),
					 make_address(kind->family, 5) };
	const struct rsvp_hop hop = { make_address(kind->family, 3), 7 };
	const struct rsvp_session session = make_session(kind);
	const struct rsvp_diagnostic diagnostic = {
		.max_hops = 10,
		.hop_count = 1,
		.more_fragments = true,
		.request_id = 12345,
		.path_mtu = 1500,
		.last_hop = make_address(kind->family, 99),
		.sender = make_sender(kind, 1),
		.requester = make_sender(kind, 8),
	};
	const struct rsvp_diag_response response = {
		.arrival_ntp = 0x12345678,
		.in = make_address(kind->family, 4),
		.out = make_address(kind->family, 5),
		.previous = make_address(kind->family, 6),
		.d_ttl = 1,
		.merged = true,
		.error = RSVP_DIAG_TOO_BIG,
		.k = 3,
		.timer_s = 30,
		.objects = (const uint8_t[]){ 0, 8, 5, 1, 0, 0, 0, 1 },
		.objects_len = 8,
	};

	rsvp_put_session(writer, &session, 0);
	rsvp_put_hop(writer, &hop);
	rsvp_put_diagnostic(writer, &diagnostic);
	rsvp_put_route(writer, 1, route, 2);
	rsvp_put_diag_response(writer, &response);
}

static void put_bundle(struct rsvp_writer *writer)
{
	uint8_t message[1024];

	for (unsigned i = 0; i < N_KINDS; i++) {
		if (kinds[i].type == RSVP_ACK || kinds[i].type == RSVP_RESV_TEAR) {
			size_t len = rsvp_messages_build(i, message, sizeof(message));

			rsvp_put_raw(writer, message, len);
			if (kinds[i].type == RSVP_ACK)
				break;
			while (i + 1 < N_KINDS && kinds[i + 1].type == RSVP_RESV_TEAR)
				i++;
		}
	}
}

static void put_message(struct rsvp_writer *writer, const struct kind *kind)
{
	switch (kind->type) {
	case RSVP_BUNDLE:
		put_bundle(writer);
		break;
	case RSVP_ACK:
		rsvp_put_ack(writer, RSVP_CTYPE_ACK, &id);
		rsvp_put_ack(writer, RSVP_CTYPE_NACK, &id);
		break;
	case RSVP_SREFRESH:
		put_list(writer, kind);
		break;
	case RSVP_RESPONSE:
		rsvp_put_integrity(writer, true, challenge.key_id, 1, 32);
		rsvp_put_challenge(writer, &challenge);
		break;
	case RSVP_CHALLENGE:
		rsvp_put_challenge(writer, &challenge);
		break;
	case RSVP_DREQ:
	case RSVP_DREP:
		put_diag(writer, kind);
		break;
	case RSVP_PATH:
	case RSVP_RESV:
	case RSVP_PATH_ERR:
	case RSVP_RESV_ERR:
	case RSVP_PATH_TEAR:
	case RSVP_RESV_TEAR:
	case RSVP_RESV_CONF:
	default:
		put_state(writer, kind);
		break;
	}
}

unsigned rsvp_messages_count(void)
{
	return N_KINDS;
}

int rsvp_messages_family(unsigned number)
{
	return kinds[number].family;
}

size_t rsvp_messages_build(unsigned number, uint8_t *buf, size_t capacity)
{
	struct rsvp_writer writer;
	size_t len;

	rsvp_writer_start(&writer, buf, capacity, kinds[number].type, RSVP_HEADER_REDUCES, 63);
	put_message(&writer, &kinds[number]);
	return rsvp_writer_finish(&writer, &len) == 0 ? len : 0;
}
