/* SPDX-License-Identifier: MIT */
/*
 * signal.c: the tables that say how offers, requests and records of RSVP travel. A table describes a structure that
 * holds the public one and, beside it, what travels in another form: addresses and bytes.
 */
#include "proto/signal.h"

#include <errno.h>
#include <string.h>

#include "proto/signal_wire.h"

#define NO_DSCP (-1)

void wire_address(const struct sockaddr_storage *sa, struct address *ret_address)
{
	*ret_address = (struct address){ 0 };
	if (sa->ss_family != AF_UNSPEC)
		address_from_sockaddr((const struct sockaddr *)sa, sizeof(*sa), ret_address);
}

uint64_t wire_present(const struct codec_field *fields, size_t n_fields, const void *object)
{
	uint64_t present = 0;

	for (size_t i = 0; i < n_fields; i++) {
		const unsigned char *member = (const unsigned char *)object + fields[i].offset;

		for (size_t k = 0; k < fields[i].size; k++) {
			if (member[k] == 0)
				continue;
			present |= CODEC_BIT(fields[i].tag);
			break;
		}
	}
	return present;
}

/* ---- senders and flows: nested values ---- */

struct wire_sender {
	struct address address;
	uint32_t form, id;
};

static const struct codec_field sender_fields[] = {
	CODEC_FIELD(1, struct wire_sender, address, CODEC_ADDRESS),
	CODEC_FIELD(2, struct wire_sender, form, CODEC_NUMBER),
	CODEC_FIELD(3, struct wire_sender, id, CODEC_NUMBER),
};

static void to_wire_sender(const struct gw_rsvp_sender *sender, struct wire_sender *ret_wire)
{
	*ret_wire = (struct wire_sender){ .form = sender->form, .id = sender->id };
	wire_address(&sender->address, &ret_wire->address);
}

static void from_wire_sender(const struct wire_sender *wire, struct gw_rsvp_sender *ret_sender)
{
	*ret_sender = (struct gw_rsvp_sender){ .form = wire->form, .id = wire->id };
	address_to_sockaddr(&wire->address, &ret_sender->address);
}

static long sender_append(const struct gw_rsvp_sender *sender, void *buf, size_t len,
			  size_t capacity)
{
	unsigned char nested[64];
	struct wire_sender wire;
	long r;

	to_wire_sender(sender, &wire);
	r = codec_encode(sender_fields, LENGTH(sender_fields), &wire,
			 wire_present(sender_fields, LENGTH(sender_fields), &wire), nested, 0,
			 sizeof(nested));
	return r < 0 ? r : codec_append(TAG_NESTED, nested, (size_t)r, buf, len, capacity);
}

static int sender_decode(const struct codec_bytes *bytes, struct gw_rsvp_sender *ret_sender)
{
	struct wire_sender wire = { 0 };
	uint64_t present;
	int r;

	r = codec_decode(sender_fields, LENGTH(sender_fields), bytes->data, bytes->len, &wire,
			 &present);
	if (r < 0)
		return r;
	from_wire_sender(&wire, ret_sender);
	return 0;
}

struct wire_flow {
	struct gw_rsvp_flow flow;
	struct wire_sender sender;
};

static const struct codec_field flow_fields[] = {
	CODEC_FIELD(1, struct wire_flow, sender.address, CODEC_ADDRESS),
	CODEC_FIELD(2, struct wire_flow, sender.form, CODEC_NUMBER),
	CODEC_FIELD(3, struct wire_flow, sender.id, CODEC_NUMBER),
	TSPEC_FIELDS(4, struct wire_flow, flow.tspec),
	CODEC_FIELD(9, struct wire_flow, flow.rate_bps, CODEC_NUMBER),
	CODEC_FIELD(10, struct wire_flow, flow.slack_us, CODEC_NUMBER),
	CODEC_FIELD(11, struct wire_flow, flow.service, CODEC_NUMBER),
};

long wire_flow_append(const struct gw_rsvp_flow *flow, void *buf, size_t len, size_t capacity)
{
	struct wire_flow wire = { .flow = *flow };
	unsigned char nested[192];
	long r;

	to_wire_sender(&flow->sender, &wire.sender);
	r = codec_encode(flow_fields, LENGTH(flow_fields), &wire,
			 wire_present(flow_fields, LENGTH(flow_fields), &wire), nested, 0,
			 sizeof(nested));
	return r < 0 ? r : codec_append(TAG_NESTED, nested, (size_t)r, buf, len, capacity);
}

int wire_flow_decode(const struct codec_bytes *bytes, struct gw_rsvp_flow *ret_flow)
{
	struct wire_flow wire = { 0 };
	uint64_t present;
	int r;

	r = codec_decode(flow_fields, LENGTH(flow_fields), bytes->data, bytes->len, &wire,
			 &present);
	if (r < 0)
		return r;
	*ret_flow = wire.flow;
	ret_flow->tspec.size = sizeof(ret_flow->tspec);
	from_wire_sender(&wire.sender, &ret_flow->sender);
	return 0;
}

/* ---- offers ---- */

struct wire_offer {
	struct gw_rsvp_offer offer;
	struct address source;
	struct codec_bytes policy;
};

static const struct codec_field offer_fields[] = {
	CODEC_FIELD(1, struct wire_offer, source, CODEC_ADDRESS),
	TSPEC_FIELDS(2, struct wire_offer, offer.tspec),
	CODEC_FIELD(7, struct wire_offer, offer.services, CODEC_NUMBER),
	CODEC_FIELD(8, struct wire_offer, offer.data_ttl, CODEC_NUMBER),
	CODEC_FIELD(9, struct wire_offer, policy, CODEC_BYTES),
};

long signal_offer_encode(const struct gw_rsvp_offer *offer, void *buf, size_t capacity)
{
	struct wire_offer wire = { .offer = *offer };

	if (offer->policy_len > 0)
		wire.policy = (struct codec_bytes){ offer->policy, offer->policy_len };
	wire_address(&offer->source, &wire.source);
	return codec_encode(offer_fields, LENGTH(offer_fields), &wire,
			    wire_present(offer_fields, LENGTH(offer_fields), &wire), buf, 0,
			    capacity);
}

int signal_offer_decode(const struct codec_bytes *bytes, struct gw_rsvp_offer *ret_offer)
{
	struct wire_offer wire = { 0 };
	uint64_t present;
	int r;

	r = codec_decode(offer_fields, LENGTH(offer_fields), bytes->data, bytes->len, &wire,
			 &present);
	if (r < 0)
		return r;
	*ret_offer = wire.offer;
	ret_offer->size = sizeof(*ret_offer);
	ret_offer->tspec.size = sizeof(ret_offer->tspec);
	address_to_sockaddr(&wire.source, &ret_offer->source);
	ret_offer->policy = wire.policy.len > 0 ? wire.policy.data : NULL;
	ret_offer->policy_len = wire.policy.len;
	return 0;
}

/* ---- requests ---- */

struct wire_request {
	struct gw_rsvp_request request;
	struct codec_bytes policy;
};

#define REQUEST_DSCP 4
static const struct codec_field request_fields[] = {
	CODEC_FIELD(1, struct wire_request, request.style, CODEC_NUMBER),
	CODEC_FIELD(2, struct wire_request, request.service, CODEC_NUMBER),
	CODEC_FIELD(3, struct wire_request, request.flags, CODEC_NUMBER),
	CODEC_FIELD(REQUEST_DSCP, struct wire_request, request.dscp, CODEC_NUMBER),
	CODEC_FIELD(5, struct wire_request, policy, CODEC_BYTES),
};

long signal_request_encode(const struct gw_rsvp_request *request, void *buf, size_t capacity)
{
	struct wire_request wire = { .request = *request };
	uint64_t present;
	long len;

	if (request->policy_len > 0)
		wire.policy = (struct codec_bytes){ request->policy, request->policy_len };
	present = wire_present(request_fields, LENGTH(request_fields), &wire) |
		  CODEC_BIT(REQUEST_DSCP);
	len = codec_encode(request_fields, LENGTH(request_fields), &wire, present, buf, 0,
			   capacity);
	for (uint32_t i = 0; i < request->n_flows && len >= 0; i++)
		len = wire_flow_append(&request->flows[i], buf, (size_t)len, capacity);
	return len;
}

int signal_request_decode(const struct codec_bytes *bytes, struct signal_request *ret_request)
{
	struct wire_request wire = { .request.dscp = NO_DSCP };
	struct gw_rsvp_request *request = &ret_request->request;
	struct codec_bytes nested;
	size_t position = 0;
	uint64_t present;
	uint32_t n = 0;
	int r;

	r = codec_decode(request_fields, LENGTH(request_fields), bytes->data, bytes->len, &wire,
			 &present);
	while (r == 0 &&
	       (r = codec_next(bytes->data, bytes->len, TAG_NESTED, &position, &nested)) == 1)
		r = n < GW_RSVP_FLOWS_MAX ? wire_flow_decode(&nested, &ret_request->flows[n++])
					  : -ENOBUFS;
	if (r < 0)
		return r;
	*request = wire.request;
	request->size = sizeof(*request);
	request->n_flows = n;
	request->flows = ret_request->flows;
	request->policy = wire.policy.len > 0 ? wire.policy.data : NULL;
	request->policy_len = wire.policy.len;
	return 0;
}

/* ---- records ---- */

struct wire_record {
	struct gw_rsvp_record record;
	struct address destination, hop, previous, leaving, error_node;
	struct codec_bytes text;
	struct codec_bytes policy;
};

#define RECORD(tag, member) CODEC_FIELD(tag, struct wire_record, record.member, CODEC_NUMBER)
#define RECORD_ADDRESS(tag, member) CODEC_FIELD(tag, struct wire_record, member, CODEC_ADDRESS)
#define RECORD_STRING(tag, member) CODEC_FIELD(tag, struct wire_record, record.member, CODEC_STRING)
#define RECORD_FLAGS 2
#define RECORD_DSCP 17
static const struct codec_field record_fields[] = {
	RECORD(1, kind),
	RECORD(RECORD_FLAGS, flags),
	RECORD(3, id),
	RECORD_ADDRESS(4, destination),
	RECORD(5, protocol),
	RECORD(6, form),
	RECORD(7, uid),
	RECORD(8, pid),
	RECORD(9, style),
	RECORD(10, service),
	TSPEC_FIELDS(11, struct wire_record, record.tspec),
	RECORD(16, rate_bps),
	RECORD(RECORD_DSCP, dscp),
	RECORD(18, slack_us),
	RECORD_STRING(19, interface),
	RECORD_ADDRESS(20, hop),
	RECORD_ADDRESS(21, previous),
	RECORD_ADDRESS(22, leaving),
	RECORD(23, ttl_loss),
	RECORD(24, expires_ms),
	RECORD(25, path.known),
	RECORD(26, path.broken),
	RECORD(27, path.hops),
	RECORD(28, path.latency_us),
	RECORD(29, path.bandwidth_bps),
	RECORD(30, path.mtu),
	RECORD(31, path.services),
	RECORD(32, path.c_total_bytes),
	RECORD(33, path.d_total_us),
	RECORD(34, path.c_since_bytes),
	RECORD(35, path.d_since_us),
	RECORD(36, error_code),
	RECORD(37, error_value),
	RECORD_ADDRESS(38, error_node),
	RECORD_STRING(39, name),
	RECORD(40, value),
	RECORD(41, received),
	RECORD(42, sent),
	RECORD(43, dropped),
	CODEC_FIELD(44, struct wire_record, text, CODEC_BYTES),
	CODEC_FIELD(45, struct wire_record, policy, CODEC_BYTES),
};

/* All but the senders. */
static long record_fixed(struct wire_record *wire, void *buf, size_t capacity)
{
	uint64_t present;

	present = wire_present(record_fields, LENGTH(record_fields), wire) |
		  CODEC_BIT(RECORD_FLAGS);
	if (wire->record.dscp >= 0)
		present |= CODEC_BIT(RECORD_DSCP);
	else
		present &= ~CODEC_BIT(RECORD_DSCP);
	return codec_encode(record_fields, LENGTH(record_fields), wire, present, buf, 0, capacity);
}

static void to_wire_record(const struct gw_rsvp_record *record, struct wire_record *ret_wire)
{
	*ret_wire = (struct wire_record){ .record = *record };
	wire_address(&record->destination, &ret_wire->destination);
	wire_address(&record->hop, &ret_wire->hop);
	wire_address(&record->previous, &ret_wire->previous);
	wire_address(&record->leaving, &ret_wire->leaving);
	wire_address(&record->error_node, &ret_wire->error_node);
}

/* As much as `wire` holds now, with so many senders. */
static long record_encode(struct wire_record *wire, uint32_t n_senders, void *buf, size_t capacity)
{
	long len = record_fixed(wire, buf, capacity);

	for (uint32_t i = 0; i < n_senders && len >= 0; i++)
		len = sender_append(&wire->record.senders[i], buf, (size_t)len, capacity);
	return len;
}

/* Leaves something out; false: there is nothing left that may be. */
static bool record_shrink(struct wire_record *wire, uint32_t *n_senders)
{
	wire->record.flags |= GW_RSVP_CUT;
	if (wire->policy.len > 0) {
		wire->policy = (struct codec_bytes){ 0 };
		return true;
	}
	if (*n_senders > 0) {
		*n_senders /= 2;
		return true;
	}
	wire->text.len /= 2;
	return wire->text.len > 0;
}

long signal_record_encode(const struct gw_rsvp_record *record, void *buf, size_t capacity)
{
	uint32_t n_senders = record->n_senders;
	struct wire_record wire;
	long len;

	to_wire_record(record, &wire);
	if (record->text)
		wire.text = (struct codec_bytes){ record->text, strlen(record->text) };
	if (record->policy_len > 0)
		wire.policy = (struct codec_bytes){ record->policy, record->policy_len };
	if (n_senders > SIGNAL_SENDERS_MAX) {
		n_senders = SIGNAL_SENDERS_MAX;
		wire.record.flags |= GW_RSVP_CUT;
	}
	do
		len = record_encode(&wire, n_senders, buf, capacity);
	while (len == -EMSGSIZE && record_shrink(&wire, &n_senders));
	return len;
}

static void from_wire_record(const struct wire_record *wire, struct gw_rsvp_record *ret_record)
{
	*ret_record = wire->record;
	ret_record->size = sizeof(*ret_record);
	ret_record->tspec.size = sizeof(ret_record->tspec);
	address_to_sockaddr(&wire->destination, &ret_record->destination);
	address_to_sockaddr(&wire->hop, &ret_record->hop);
	address_to_sockaddr(&wire->previous, &ret_record->previous);
	address_to_sockaddr(&wire->leaving, &ret_record->leaving);
	address_to_sockaddr(&wire->error_node, &ret_record->error_node);
	ret_record->policy = wire->policy.len > 0 ? wire->policy.data : NULL;
	ret_record->policy_len = wire->policy.len;
}

int signal_record_decode(const struct codec_bytes *bytes, struct signal_record *ret_record)
{
	struct wire_record wire = { .record.dscp = NO_DSCP };
	struct codec_bytes nested;
	size_t position = 0;
	uint64_t present;
	uint32_t n = 0;
	int r;

	r = codec_decode(record_fields, LENGTH(record_fields), bytes->data, bytes->len, &wire,
			 &present);
	while (r == 0 &&
	       (r = codec_next(bytes->data, bytes->len, TAG_NESTED, &position, &nested)) == 1)
		r = n < SIGNAL_SENDERS_MAX ? sender_decode(&nested, &ret_record->senders[n++]) : 0;
	if (r < 0)
		return r;
	from_wire_record(&wire, &ret_record->record);
	ret_record->record.n_senders = n;
	ret_record->record.senders = n > 0 ? ret_record->senders : NULL;
	ret_record->text = wire.text;
	return 0;
}
