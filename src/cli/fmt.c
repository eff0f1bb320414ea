/* SPDX-License-Identifier: MIT */
/* fmt.c: values, flows and events as text and as JSON; table.c has the aligned table of flows. */
#include "cli/fmt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

/* ---- values ---- */

static void format_ipv6(const struct sockaddr_in6 *in6, char buf[static FMT_ADDRESS_LEN])
{
	char host[INET6_ADDRSTRLEN], interface[IF_NAMESIZE], scope[IF_NAMESIZE + 1] = "";

	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	if (in6->sin6_scope_id != 0) {
		if (if_indextoname(in6->sin6_scope_id, interface))
			snprintf(scope, sizeof(scope), "%%%s", interface);
		else
			snprintf(scope, sizeof(scope), "%%%" PRIu32, in6->sin6_scope_id);
	}
	snprintf(buf, FMT_ADDRESS_LEN, "[%s%s]:%u", host, scope, ntohs(in6->sin6_port));
}

const char *fmt_address(const struct sockaddr_storage *address, char buf[static FMT_ADDRESS_LEN])
{
	char host[INET_ADDRSTRLEN];
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	switch (address->ss_family) {
	case AF_INET:
		memcpy(&in, address, sizeof(in));
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
		snprintf(buf, FMT_ADDRESS_LEN, "%s:%u", host, ntohs(in.sin_port));
		return buf;
	case AF_INET6:
		memcpy(&in6, address, sizeof(in6));
		format_ipv6(&in6, buf);
		return buf;
	default:
		return NULL;
	}
}

const char *fmt_rate(uint64_t rate_bps, char buf[static FMT_RATE_LEN])
{
	static const struct {
		uint64_t bps;
		const char *name;
	} units[] = { { 1000000000, "Gbit" }, { 1000000, "Mbit" }, { 1000, "kbit" }, { 1, "bit" } };
	size_t unit = 0;
	uint64_t whole, thousandths;
	int used;

	while (unit < 3 && rate_bps < units[unit].bps)
		unit++;
	whole = rate_bps / units[unit].bps;
	/* At most 10^9 * 1000: no overflow. */
	thousandths = (rate_bps % units[unit].bps * 1000 + units[unit].bps / 2) / units[unit].bps;
	if (thousandths == 1000) {
		whole++;
		thousandths = 0;
	}

	used = snprintf(buf, FMT_RATE_LEN, "%" PRIu64, whole);
	if (thousandths > 0) {
		used += snprintf(buf + used, FMT_RATE_LEN - (size_t)used, ".%03" PRIu64,
				 thousandths);
		while (buf[used - 1] == '0')
			used--;
	}
	snprintf(buf + used, FMT_RATE_LEN - (size_t)used, "%s", units[unit].name);
	return buf;
}

const char *fmt_protocol(int32_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case 0:
		return "any";
	default: /* from a newer library */
		return "other";
	}
}

const char *fmt_class(enum gw_class traffic_class)
{
	const char *name = gw_class_name(traffic_class);

	return name ? name : "unknown";
}

static const char *state_text(enum gw_flow_state state)
{
	const char *name = gw_flow_state_name(state);

	return name ? name : "unknown";
}

const char *fmt_path_state(enum gw_path_state state)
{
	const char *name = gw_path_state_name(state);

	return name ? name : "unknown"; /* from a newer library */
}

const char *fmt_event_name(enum gw_event_type type)
{
	switch (type) {
	case GW_EVENT_FLOW_ADDED:
		return "flow-added";
	case GW_EVENT_FLOW_CHANGED:
		return "flow-changed";
	case GW_EVENT_FLOW_ENDED:
		return "flow-ended";
	case GW_EVENT_COMPLETED:
	case GW_EVENT_LOST:
	case GW_EVENT_DISCONNECTED:
	case GW_EVENT_RSVP_PATH:
	case GW_EVENT_RSVP_RESV:
	case GW_EVENT_RSVP_PATH_ERROR:
	case GW_EVENT_RSVP_RESV_ERROR:
	case GW_EVENT_RSVP_CONFIRM:
	case GW_EVENT_RSVP_MESSAGE:
	case GW_EVENT_RSVP_HOP:
		return NULL;
	}
	return NULL;
}

const char *fmt_plain(const char *text, size_t text_size, char *buf, size_t buf_size)
{
	size_t len = strnlen(text, text_size);

	if (len >= buf_size)
		len = buf_size - 1;
	for (size_t i = 0; i < len; i++)
		buf[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	buf[len] = '\0';
	return buf;
}

/* ---- JSON ---- */

json_t *fmt_json_text(const char *text)
{
	json_t *value;

	if (!text || !*text)
		return json_null();
	value = json_string(text);
	if (!value) { /* not UTF-8, as a program's name may be */
		char plain[256];

		value = json_string(fmt_plain(text, strlen(text), plain, sizeof(plain)));
	}
	return value;
}

static json_t *json_address(const struct sockaddr_storage *address)
{
	char buf[FMT_ADDRESS_LEN];

	return fmt_json_text(fmt_address(address, buf));
}

static json_t *json_fixed_text(const char *text, size_t size)
{
	char buf[64];

	snprintf(buf, sizeof(buf), "%.*s", (int)size, text);
	return fmt_json_text(buf);
}

static json_t *json_number_or_null(uint64_t number)
{
	return number == 0 ? json_null() : json_integer((json_int_t)number);
}

static json_t *json_counted(uint64_t packets, uint64_t bytes)
{
	return json_pack("{s:I, s:I}", "packets", (json_int_t)packets, "bytes", (json_int_t)bytes);
}

static json_t *json_counters(const struct gw_flow_record *record)
{
	if (!record->metered)
		return json_null();
	/* clang-format off */
	return json_pack("{s:o, s:o, s:o}",
		"conforming", json_counted(record->conforming_packets, record->conforming_bytes),
		"excess", json_counted(record->excess_packets, record->excess_bytes),
		"dropped", json_counted(record->dropped_packets, record->dropped_bytes));
	/* clang-format on */
}

static json_t *json_if(int known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *json_path(const struct gw_flow_record *record)
{
	const struct gw_path_info *path = &record->path;

	if (record->path_state == GW_PATH_NONE)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o}", "state", fmt_path_state(record->path_state),
			 "capacity_bps", json_if(path->capacity_known, path->capacity_bps),
			 "available_bps", json_if(path->available_known, path->available_bps),
			 "rtt_us", json_if(path->rtt_known, path->rtt_us));
}

static json_t *json_direction(uint32_t direction)
{
	if (direction == 0)
		return json_null();
	return json_string(direction == GW_QOS_RECEIVING ? "receive" : "send");
}

json_t *fmt_json_record(const struct gw_flow_record *record)
{
	/* clang-format off */
	return json_pack("{s:I, s:I, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o}",
		"id", (json_int_t)record->id,
		"pid", (json_int_t)record->pid,
		"comm", json_fixed_text(record->comm, sizeof(record->comm)),
		"protocol", fmt_protocol(record->protocol),
		"local", json_address(&record->local),
		"destination", json_address(&record->destination),
		"class", fmt_class(record->traffic_class),
		"dscp", record->dscp < 0 ? json_null() : json_integer(record->dscp),
		"rate_bps", json_number_or_null(record->rate_bps),
		"state", state_text(record->state),
		"api", json_fixed_text(record->api, sizeof(record->api)),
		"shaping", fmt_json_text(gw_shaping_method_name(record->shaping)),
		"reserved_bps", json_number_or_null(record->reserved_bps),
		"counters", json_counters(record),
		"path", json_path(record),
		"direction", json_direction(record->direction));
	/* clang-format on */
}

json_t *fmt_json_event(const struct gw_event *event)
{
	/* clang-format off */
	return json_pack("{s:f, s:s, s:o, s:o}",
		"time", (double)event->time_us / 1e6,
		"event", fmt_event_name(event->type),
		"reason", json_fixed_text(event->reason, sizeof(event->reason)),
		"flow", fmt_json_record(&event->flow));
	/* clang-format on */
}

int fmt_json_print(FILE *out, json_t *value)
{
	int r;

	if (!value)
		return -ENOMEM;
	/* 16 digits: microseconds since the epoch, without the noise of the binary fraction. */
	r = json_dumpf(value, out, JSON_COMPACT | JSON_REAL_PRECISION(16));
	json_decref(value);
	fputc('\n', out);
	return r < 0 && !ferror(out) ? -ENOMEM : 0;
}

int fmt_json_print_item(FILE *out, json_t *value, bool more)
{
	int r = value ? json_dumpf(value, out, JSON_COMPACT) : -1;

	json_decref(value);
	if (r < 0)
		return cli_flush_output() ? -ENOMEM : 1;
	if (more)
		fputc(',', out);
	return 0;
}

/* ---- text ---- */

void fmt_wrapped(FILE *out, int indent, const char *text)
{
	int column = indent;

	while (*text) {
		int word = (int)strcspn(text, " ");
		bool first = column == indent;

		if (!first && column + 1 + word >= FMT_WIDTH) {
			fprintf(out, "\n%*s", indent, "");
			column = indent;
			first = true;
		}
		column += fprintf(out, "%s%.*s", first ? "" : " ", word, text);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

void fmt_event_print(FILE *out, const struct gw_event *event)
{
	const struct gw_flow_record *flow = &event->flow;
	char local[FMT_ADDRESS_LEN], destination[FMT_ADDRESS_LEN], comm[sizeof(flow->comm) + 1];
	char api[sizeof(flow->api) + 1], reason[sizeof(event->reason) + 1], clock[16] = "";
	time_t seconds = (time_t)(event->time_us / 1000000);
	const char *from = fmt_address(&flow->local, local),
		   *to = fmt_address(&flow->destination, destination);
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	fmt_plain(event->reason, sizeof(event->reason), reason, sizeof(reason));

	fprintf(out, "%s.%03u %-12s %" PRIu32 " %s", clock,
		(unsigned)(event->time_us / 1000 % 1000), fmt_event_name(event->type), flow->id,
		fmt_class(flow->traffic_class));
	if (from || to)
		fprintf(out, " %s %s -> %s", fmt_protocol(flow->protocol), from ? from : "any",
			to ? to : "any");
	fprintf(out, " %s[%" PRId32 "] %s",
		fmt_plain(flow->comm, sizeof(flow->comm), comm, sizeof(comm)), flow->pid,
		fmt_plain(flow->api, sizeof(flow->api), api, sizeof(api)));
	if (event->type == GW_EVENT_FLOW_ENDED)
		fprintf(out, ": %s", reason);
	else if (flow->path_state != GW_PATH_NONE)
		fprintf(out, ", path %s", fmt_path_state(flow->path_state));
	fputc('\n', out);
}
