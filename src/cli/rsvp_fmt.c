/* SPDX-License-Identifier: MIT */
/* rsvp_fmt.c: sessions, senders, reservations and events of RSVP as text and as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <string.h>
#include <time.h>

#include "cli/fmt.h"
#include "cli/rsvp.h"

/* ---- values ---- */

static void to_storage(const union rsvp_address *address, struct sockaddr_storage *ret_storage)
{
	*ret_storage = (struct sockaddr_storage){ 0 };
	memcpy(ret_storage, address, sizeof(*address));
}

static const char *fmt_compact(const union rsvp_address *address, char buf[static FMT_ADDRESS_LEN])
{
	struct sockaddr_storage storage;

	to_storage(address, &storage);
	return fmt_address(&storage, buf);
}

const char *rsvp_fmt_host(const struct sockaddr_storage *address, char buf[static 80])
{
	socklen_t len = address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						      : sizeof(struct sockaddr_in6);

	if (address->ss_family == AF_UNSPEC ||
	    getnameinfo((const struct sockaddr *)address, len, buf, 80, NULL, 0, NI_NUMERICHOST))
		return NULL;
	return buf;
}

static const char *fmt_compact_host(const union rsvp_address *address, char buf[static 80])
{
	struct sockaddr_storage storage;

	to_storage(address, &storage);
	return rsvp_fmt_host(&storage, buf);
}

#define PROTOCOL_LEN 16
static const char *fmt_number_of_protocol(int32_t protocol, char buf[static PROTOCOL_LEN])
{
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_TCP)
		return fmt_protocol(protocol);
	snprintf(buf, PROTOCOL_LEN, "%" PRId32, protocol);
	return buf;
}

static const char *service_text(uint32_t service)
{
	return gw_rsvp_service_name((enum gw_rsvp_service)service);
}

static const char *style_text(uint32_t style)
{
	return gw_rsvp_style_name((enum gw_rsvp_style)style);
}

/* ---- JSON ---- */

static json_t *json_compact(const union rsvp_address *address)
{
	char buf[FMT_ADDRESS_LEN];

	return fmt_json_text(fmt_compact(address, buf));
}

static json_t *json_compact_host(const union rsvp_address *address)
{
	char buf[80];

	return fmt_json_text(fmt_compact_host(address, buf));
}

static json_t *json_host(const struct sockaddr_storage *address)
{
	char buf[80];

	return fmt_json_text(rsvp_fmt_host(address, buf));
}

static json_t *json_interface(const char interface[16])
{
	char buf[17];

	snprintf(buf, sizeof(buf), "%.16s", interface);
	return fmt_json_text(buf);
}

static json_t *json_or_null(uint64_t number)
{
	return number == 0 ? json_null() : json_integer((json_int_t)number);
}

static json_t *json_tspec(const struct gw_tspec *tspec)
{
	return json_pack("{s:I, s:I, s:o, s:I, s:I}", "rate_bps", (json_int_t)tspec->rate_bps,
			 "depth_bytes", (json_int_t)tspec->depth_bytes, "peak_bps",
			 json_or_null(tspec->peak_bps), "min_bytes", (json_int_t)tspec->min_bytes,
			 "max_bytes", (json_int_t)tspec->max_bytes);
}

int rsvp_json_session(json_t *object, const struct rsvp_item *item)
{
	char protocol[PROTOCOL_LEN];

	return json_object_set_new(object, "destination", json_compact(&item->destination)) |
	       json_object_set_new(object, "protocol",
				   json_string(fmt_number_of_protocol(item->protocol, protocol)));
}

/* An SPI or a flow label, where there is one in place of a port. */
static int add_source_id(json_t *object, const struct rsvp_source *source)
{
	if (source->form == GW_RSVP_GPI)
		return json_object_set_new(object, "spi", json_integer(source->id));
	if (source->form == GW_RSVP_FLOW_LABEL)
		return json_object_set_new(object, "flow_label", json_integer(source->id));
	return 0;
}

json_t *rsvp_json_sender(const struct rsvp_item *item)
{
	static const struct rsvp_source nobody;
	const struct rsvp_source *source = item->n_sources > 0 ? &item->sources[0] : &nobody;
	/* clang-format off */
	json_t *sender = json_pack("{s:o, s:o, s:o, s:I, s:o, s:b, s:b, s:o}",
		"source", json_compact(&source->address),
		"interface", json_interface(item->interface),
		"previous_hop", json_compact_host(&item->hop),
		"rate_bps", (json_int_t)item->tspec.rate_bps,
		"tspec", json_tspec(&item->tspec),
		"local", item->flags & GW_RSVP_LOCAL ? 1 : 0,
		"non_rsvp_hop", item->flags & GW_RSVP_NON_RSVP ? 1 : 0,
		"expires_ms", json_or_null(item->expires_ms));
	/* clang-format on */

	if (sender && add_source_id(sender, source) < 0) {
		json_decref(sender);
		return NULL;
	}
	return sender;
}

static json_t *json_sources(const struct rsvp_item *item)
{
	json_t *sources = json_array();

	for (uint32_t i = 0; sources && i < item->n_sources; i++) {
		json_t *source =
			json_pack("{s:o}", "source", json_compact(&item->sources[i].address));

		if (!source || add_source_id(source, &item->sources[i]) < 0 ||
		    json_array_append_new(sources, source) < 0) {
			json_decref(sources);
			return NULL;
		}
	}
	return sources;
}

json_t *rsvp_json_reservation(const struct rsvp_item *item)
{
	/* clang-format off */
	return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:b, s:b, s:b, s:b, s:o, s:o}",
		"interface", json_interface(item->interface),
		"next_hop", json_compact_host(&item->hop),
		"style", fmt_json_text(style_text(item->style)),
		"service", fmt_json_text(service_text(item->service)),
		"rate_bps", (json_int_t)item->rate_bps,
		"slack_us", (json_int_t)item->slack_us,
		"tspec", json_tspec(&item->tspec),
		"senders", json_sources(item),
		"local", item->flags & GW_RSVP_LOCAL ? 1 : 0,
		"installed", item->flags & GW_RSVP_INSTALLED ? 1 : 0,
		"unenforced", item->flags & GW_RSVP_UNENFORCED ? 1 : 0,
		"blockaded", item->flags & GW_RSVP_BLOCKADED ? 1 : 0,
		"dscp", item->dscp < 0 ? json_null() : json_integer(item->dscp),
		"expires_ms", json_or_null(item->expires_ms));
	/* clang-format on */
}

static json_t *json_path(const struct gw_rsvp_path *path)
{
	if (!path->known)
		return json_null();
	/* clang-format off */
	return json_pack("{s:b, s:I, s:o, s:o, s:I, s:b, s:b, s:I, s:I}",
		"broken", path->broken ? 1 : 0,
		"hops", (json_int_t)path->hops,
		"bandwidth_bps", json_or_null(path->bandwidth_bps),
		"latency_us", path->latency_us == UINT32_MAX ? json_null() :
							     json_integer(path->latency_us),
		"mtu", (json_int_t)path->mtu,
		"guaranteed", path->services & GW_RSVP_OFFER_GUARANTEED ? 1 : 0,
		"controlled_load", path->services & GW_RSVP_OFFER_CONTROLLED_LOAD ? 1 : 0,
		"c_total_bytes", (json_int_t)path->c_total_bytes,
		"d_total_us", (json_int_t)path->d_total_us);
	/* clang-format on */
}

/* What is wrong at a hop has names of its own (RFC 2745 §3.4). */
static const char *error_name(const struct gw_rsvp_record *record)
{
	if (record->kind != GW_RSVP_HOP)
		return gw_rsvp_error_name(record->error_code);
	switch (record->error_code) {
	case GW_RSVP_HOP_NO_PATH:
		return "no path information";
	case GW_RSVP_HOP_TOO_BIG:
		return "what is known there is too much for a packet";
	case GW_RSVP_HOP_ROUTE_TOO_BIG:
		return "too many hops to find the way back";
	default:
		return NULL;
	}
}

static json_t *json_error(const struct gw_rsvp_record *record)
{
	/* clang-format off */
	return json_pack("{s:i, s:i, s:o, s:o, s:b, s:b}",
		"code", record->error_code,
		"value", record->error_value,
		"name", fmt_json_text(error_name(record)),
		"node", json_host(&record->error_node),
		"in_place", record->flags & GW_RSVP_IN_PLACE ? 1 : 0,
		"not_guilty", record->flags & GW_RSVP_NOT_GUILTY ? 1 : 0);
	/* clang-format on */
}

static const char *event_name(enum gw_event_type type)
{
	switch (type) {
	case GW_EVENT_RSVP_PATH:
		return "path";
	case GW_EVENT_RSVP_RESV:
		return "resv";
	case GW_EVENT_RSVP_PATH_ERROR:
		return "path-error";
	case GW_EVENT_RSVP_RESV_ERROR:
		return "resv-error";
	case GW_EVENT_RSVP_CONFIRM:
		return "confirm";
	case GW_EVENT_RSVP_MESSAGE:
		return "message";
	case GW_EVENT_RSVP_HOP:
		return "hop";
	case GW_EVENT_COMPLETED:
	case GW_EVENT_FLOW_ADDED:
	case GW_EVENT_FLOW_CHANGED:
	case GW_EVENT_FLOW_ENDED:
	case GW_EVENT_LOST:
	case GW_EVENT_DISCONNECTED:
		break;
	}
	return "other"; /* a kind that a newer library knows */
}

/* What the event is about, as an object of its own. */
static json_t *json_subject(const struct gw_event *event, const struct rsvp_item *item)
{
	const struct gw_rsvp_record *record = event->rsvp;

	if (event->type == GW_EVENT_RSVP_PATH || event->type == GW_EVENT_RSVP_PATH_ERROR)
		return rsvp_json_sender(item);
	if (event->type == GW_EVENT_RSVP_MESSAGE)
		return json_pack("{s:s, s:o, s:o, s:o}", "direction",
				 record->flags & GW_RSVP_OUTGOING ? "out" : "in", "interface",
				 json_interface(record->interface), "peer", json_host(&record->hop),
				 "text", fmt_json_text(record->text));
	if (event->type == GW_EVENT_RSVP_HOP)
		return json_pack("{s:o, s:o, s:o, s:I, s:b, s:o, s:o, s:I}", "address",
				 json_host(&record->hop), "leaving", json_host(&record->leaving),
				 "previous_hop", json_host(&record->previous), "ttl_loss",
				 (json_int_t)record->ttl_loss, "merged",
				 record->flags & GW_RSVP_MERGED ? 1 : 0, "style",
				 fmt_json_text(style_text(item->style)), "service",
				 fmt_json_text(service_text(item->service)), "rate_bps",
				 (json_int_t)item->rate_bps);
	return rsvp_json_reservation(item);
}

json_t *rsvp_json_event(const struct gw_event *event)
{
	const struct gw_rsvp_record *record = event->rsvp;
	const char *name = event_name(event->type);
	bool reserved = event->type == GW_EVENT_RSVP_RESV ||
			event->type == GW_EVENT_RSVP_RESV_ERROR ||
			event->type == GW_EVENT_RSVP_CONFIRM;
	bool sent = event->type == GW_EVENT_RSVP_PATH || event->type == GW_EVENT_RSVP_PATH_ERROR;
	struct rsvp_item item;
	json_t *object;
	int r;

	if (rsvp_item_read(record, &item) < 0)
		return NULL;
	object = json_pack("{s:f, s:s}", "time", (double)event->time_us / 1e6, "event", name);
	r = object ? 0 : -1;
	if (r == 0 && (reserved || sent))
		r = rsvp_json_session(object, &item) |
		    json_object_set_new(object, "gone", json_boolean(record->flags & GW_RSVP_GONE));
	if (r == 0)
		r = json_object_set_new(object,
					reserved ? "reservation"
					: sent	 ? "sender"
						 : name,
					json_subject(event, &item));
	if (r == 0 && event->type == GW_EVENT_RSVP_PATH)
		r = json_object_set_new(object, "path", json_path(&record->path));
	if (r == 0 && record->error_code != 0)
		r = json_object_set_new(object, "error", json_error(record));
	rsvp_item_free(&item);
	if (r == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* ---- text ---- */

void rsvp_print_time(FILE *out, uint64_t time_us)
{
	time_t seconds = (time_t)(time_us / 1000000);
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fprintf(out, "%s.%03u ", clock, (unsigned)(time_us / 1000 % 1000));
}

void rsvp_print_session(FILE *out, const struct rsvp_item *item)
{
	char address[FMT_ADDRESS_LEN], protocol[PROTOCOL_LEN];
	const char *to = fmt_compact(&item->destination, address);

	fprintf(out, "%s %s", to ? to : "-", fmt_number_of_protocol(item->protocol, protocol));
	if (item->form == GW_RSVP_GPI)
		fputs(" ipsec", out);
	else if (item->form == GW_RSVP_AGGREGATE)
		fputs(" aggregate", out);
}

static void print_source(FILE *out, const struct rsvp_source *source)
{
	char address[FMT_ADDRESS_LEN];
	const char *text = fmt_compact(&source->address, address);

	fputs(text ? text : "any sender", out);
	if (source->form == GW_RSVP_GPI)
		fprintf(out, " spi 0x%08" PRIx32, source->id);
	else if (source->form == GW_RSVP_FLOW_LABEL)
		fprintf(out, " label 0x%05" PRIx32, source->id);
}

static void print_sources(FILE *out, const struct rsvp_item *item)
{
	fputs(item->n_sources > 0 ? " for " : " for any sender", out);
	for (uint32_t i = 0; i < item->n_sources; i++) {
		if (i > 0)
			fputs(", ", out);
		print_source(out, &item->sources[i]);
	}
}

static void print_sender(FILE *out, const struct rsvp_item *item)
{
	char rate[FMT_RATE_LEN], host[80];
	const char *hop = fmt_compact_host(&item->hop, host);

	fputs("sender ", out);
	if (item->n_sources > 0)
		print_source(out, &item->sources[0]);
	fprintf(out, " %s", fmt_rate(item->tspec.rate_bps, rate));
	if (hop)
		fprintf(out, " from %s", hop);
	if (item->interface[0])
		fprintf(out, " in %.16s", item->interface);
	if (item->flags & GW_RSVP_LOCAL)
		fputs(" local", out);
	if (item->flags & GW_RSVP_NON_RSVP)
		fputs(" non-rsvp-hop", out);
}

static void print_reservation(FILE *out, const struct rsvp_item *item)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} remarks[] = {
		{ GW_RSVP_LOCAL, " local" },
		{ GW_RSVP_UNENFORCED, " unenforced" },
		{ GW_RSVP_BLOCKADED, " blockaded" },
	};
	const char *style = style_text(item->style), *service = service_text(item->service);
	char rate[FMT_RATE_LEN], host[80];
	const char *hop = fmt_compact_host(&item->hop, host);

	fprintf(out, "reservation %s", style ? style : "-");
	if (service) /* of one that is gone nothing more is known */
		fprintf(out, " %s %s", service, fmt_rate(item->rate_bps, rate));
	if (item->slack_us > 0)
		fprintf(out, " slack %" PRIu32 "us", item->slack_us);
	print_sources(out, item);
	if (hop)
		fprintf(out, " to %s", hop);
	if (item->interface[0])
		fprintf(out, " out %.16s", item->interface);
	if (item->dscp >= 0)
		fprintf(out, " dscp %" PRId32, item->dscp);
	for (size_t i = 0; i < sizeof(remarks) / sizeof(remarks[0]); i++)
		if (item->flags & remarks[i].flag)
			fputs(remarks[i].text, out);
}

void rsvp_print_item(FILE *out, const struct rsvp_item *item)
{
	if (item->kind == GW_RSVP_SENDER)
		print_sender(out, item);
	else
		print_reservation(out, item);
}

static void print_path(FILE *out, const struct gw_rsvp_path *path)
{
	char rate[FMT_RATE_LEN];

	if (!path->known)
		return;
	fprintf(out, " hops %" PRIu32 " mtu %" PRIu32, path->hops, path->mtu);
	if (path->bandwidth_bps > 0)
		fprintf(out, " bandwidth %s", fmt_rate(path->bandwidth_bps, rate));
	if (path->latency_us != UINT32_MAX)
		fprintf(out, " latency %" PRIu32 "us", path->latency_us);
	if (path->broken)
		fputs(" broken", out);
}

static void print_error(FILE *out, const struct gw_rsvp_record *record)
{
	const char *name = error_name(record);
	char host[80];
	const char *node = rsvp_fmt_host(&record->error_node, host);

	if (record->error_code == 0)
		return;
	fprintf(out, ": %s (%u/%u)", name ? name : "unknown error", record->error_code,
		record->error_value);
	if (node)
		fprintf(out, " at %s", node);
	if (record->flags & GW_RSVP_IN_PLACE)
		fputs(", what was reserved is still there", out);
	if (record->flags & GW_RSVP_NOT_GUILTY)
		fputs(", another reservation was too large", out);
}

/* The text itself, which may be anybody's: only lines and tabs pass. */
static void print_message(FILE *out, const struct gw_rsvp_record *record)
{
	char host[80];
	const char *peer = rsvp_fmt_host(&record->hop, host);

	fprintf(out, "%s %.16s %s\n", record->flags & GW_RSVP_OUTGOING ? "sent" : "received",
		record->interface[0] ? record->interface : "-", peer ? peer : "-");
	for (const char *c = record->text ? record->text : ""; *c; c++)
		fputc((*c >= ' ' && *c <= '~') || *c == '\n' || *c == '\t' ? *c : '?', out);
	if (record->flags & GW_RSVP_CUT)
		fputs("\t...\n", out);
}

static void print_hop(FILE *out, const struct gw_rsvp_record *record, const struct rsvp_item *item)
{
	char host[80];
	const char *address = rsvp_fmt_host(&record->hop, host);

	fprintf(out, "hop %s", address ? address : "-");
	address = rsvp_fmt_host(&record->leaving, host);
	if (address)
		fprintf(out, " leaving %s", address);
	if (record->ttl_loss > 0)
		fprintf(out, " behind %" PRIu32 " that take%s no part", record->ttl_loss,
			record->ttl_loss == 1 ? "s" : "");
	if (item->style != 0) {
		fputs(" ", out);
		print_reservation(out, item);
	}
	print_error(out, record);
	fputc('\n', out);
}

static void print_change(FILE *out, const struct gw_event *event, const struct rsvp_item *item)
{
	bool sent = event->type == GW_EVENT_RSVP_PATH || event->type == GW_EVENT_RSVP_PATH_ERROR;

	fprintf(out, "%s ", event_name(event->type));
	if (sent)
		print_sender(out, item);
	else
		print_reservation(out, item);
	if (event->type == GW_EVENT_RSVP_PATH)
		print_path(out, &event->rsvp->path);
	if (event->rsvp->flags & GW_RSVP_GONE)
		fputs(" gone", out);
	print_error(out, event->rsvp);
	fputc('\n', out);
}

int rsvp_print_event(FILE *out, const struct gw_event *event)
{
	struct rsvp_item item;

	if (rsvp_item_read(event->rsvp, &item) < 0)
		return -ENOMEM;
	rsvp_print_time(out, event->time_us);
	if (event->type == GW_EVENT_RSVP_MESSAGE)
		print_message(out, event->rsvp);
	else if (event->type == GW_EVENT_RSVP_HOP)
		print_hop(out, event->rsvp, &item);
	else
		print_change(out, event, &item);
	rsvp_item_free(&item);
	return 0;
}
