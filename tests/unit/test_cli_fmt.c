/* SPDX-License-Identifier: MIT */
/* How the tool writes flows and events: exactly the JSON that is promised, and aligned text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "cli/fmt.h"

static struct sockaddr_storage v4(const char *host, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_storage address = { 0 };

	assert_int_equal(inet_pton(AF_INET, host, &in.sin_addr), 1);
	memcpy(&address, &in, sizeof(in));
	return address;
}

static struct sockaddr_storage v6(const char *host, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(port),
		.sin6_scope_id = scope,
	};
	struct sockaddr_storage address = { 0 };

	assert_int_equal(inet_pton(AF_INET6, host, &in6.sin6_addr), 1);
	memcpy(&address, &in6, sizeof(in6));
	return address;
}

static struct gw_flow_record voice_record(void)
{
	return (struct gw_flow_record){
		.size = sizeof(struct gw_flow_record),
		.id = 1,
		.uid = 1000,
		.pid = 4711,
		.protocol = IPPROTO_UDP,
		.traffic_class = GW_CLASS_VOICE,
		.state = GW_FLOW_ACTIVE,
		.dscp = 56,
		.socket_cookie = 77,
		.local = v4("192.0.2.1", 5004),
		.destination = v4("192.0.2.2", 5006),
		.comm = "mumble",
		.api = "qwave",
	};
}

/* A program under `greenwave run`. */
static struct gw_flow_record program_record(void)
{
	return (struct gw_flow_record){
		.size = sizeof(struct gw_flow_record),
		.id = 4294967295u,
		.pid = 12,
		.traffic_class = GW_CLASS_BEST_EFFORT,
		.state = GW_FLOW_ACTIVE,
		.dscp = -1,
		.comm = "rsync",
		.api = "run",
	};
}

static char *json_line(json_t *value)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(fmt_json_print(out, value), 0);
	fclose(out);
	return text;
}

static void addresses(void **state)
{
	char buf[FMT_ADDRESS_LEN];
	struct sockaddr_storage address;

	address = v4("192.0.2.1", 5060);
	assert_string_equal(fmt_address(&address, buf), "192.0.2.1:5060");
	address = v6("2001:db8::1", 65535, 0);
	assert_string_equal(fmt_address(&address, buf), "[2001:db8::1]:65535");
	address = v6("fe80::1", 53, 1); /* interface 1 is the loopback of every namespace */
	assert_string_equal(fmt_address(&address, buf), "[fe80::1%lo]:53");
	address = v6("fe80::1", 53, 4000000000u);
	assert_string_equal(fmt_address(&address, buf), "[fe80::1%4000000000]:53");
	memset(&address, 0, sizeof(address));
	assert_null(fmt_address(&address, buf));
}

static void rates(void **state)
{
	char buf[FMT_RATE_LEN];

	assert_string_equal(fmt_rate(0, buf), "0bit");
	assert_string_equal(fmt_rate(999, buf), "999bit");
	assert_string_equal(fmt_rate(64000, buf), "64kbit");
	assert_string_equal(fmt_rate(1500000, buf), "1.5Mbit");
	assert_string_equal(fmt_rate(1234567, buf), "1.235Mbit");
	assert_string_equal(fmt_rate(1050, buf), "1.05kbit");
	assert_string_equal(fmt_rate(10000000000, buf), "10Gbit");
	assert_string_equal(fmt_rate(UINT64_MAX, buf), "18446744073.71Gbit");
}

static void names(void **state)
{
	assert_string_equal(fmt_protocol(IPPROTO_TCP), "tcp");
	assert_string_equal(fmt_protocol(IPPROTO_UDP), "udp");
	assert_string_equal(fmt_protocol(0), "any");
	assert_string_equal(fmt_class(GW_CLASS_AUDIO_VIDEO), "audio-video");
	assert_string_equal(fmt_class((enum gw_class)17), "unknown");
	assert_string_equal(fmt_event_name(GW_EVENT_FLOW_ADDED), "flow-added");
	assert_string_equal(fmt_event_name(GW_EVENT_FLOW_CHANGED), "flow-changed");
	assert_string_equal(fmt_event_name(GW_EVENT_FLOW_ENDED), "flow-ended");
	assert_null(fmt_event_name(GW_EVENT_LOST));
}

/* A program chooses its own name: it must not reach the terminal as control sequences. */
static void plain_text(void **state)
{
	static const char unterminated[4] = { 'a', 'b', 'c', 'd' };
	char buf[16], small[3];

	assert_string_equal(fmt_plain("evil\033[2J\n", 16, buf, sizeof(buf)), "evil?[2J?");
	assert_string_equal(fmt_plain("\x9b\xff\x7f", 16, buf, sizeof(buf)), "???");
	assert_string_equal(fmt_plain(unterminated, 4, buf, sizeof(buf)), "abcd");
	assert_string_equal(fmt_plain("abcd", 16, small, sizeof(small)), "ab");
}

static void sentences_are_wrapped(void **state)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fmt_wrapped(out, 70, "one two three");
	fmt_wrapped(out, 70, "123456789"); /* fits exactly */
	fmt_wrapped(out, 70, "a 12345678");
	fmt_wrapped(out, 70, "longer-than-any-line is");
	fmt_wrapped(out, 2, "");
	fclose(out);
	assert_string_equal(text,
			    "one two\n"
			    "                                                                   "
			    "   three\n"
			    "123456789\n"
			    "a\n"
			    "                                                                   "
			    "   12345678\n"
			    "longer-than-any-line\n"
			    "                                                                   "
			    "   is\n"
			    "\n");
	free(text);
}

static void record_json(void **state)
{
	struct gw_flow_record record = voice_record();
	char *text = json_line(fmt_json_record(&record));

	assert_string_equal(text, "{\"id\":1,\"pid\":4711,\"comm\":\"mumble\",\"protocol\":\"udp\","
				  "\"local\":\"192.0.2.1:5004\",\"destination\":\"192.0.2.2:5006\","
				  "\"class\":\"voice\",\"dscp\":56,\"rate_bps\":null,"
				  "\"state\":\"active\",\"api\":\"qwave\","
				  "\"shaping\":null,\"reserved_bps\":null,\"counters\":null,"
				  "\"path\":null,\"direction\":null}\n");
	free(text);

	record.rate_bps = 64000;
	record.state = GW_FLOW_SHADOWED;
	record.dscp = 0;
	text = json_line(fmt_json_record(&record));
	assert_non_null(strstr(text, "\"dscp\":0,\"rate_bps\":64000,\"state\":\"shadowed\""));
	free(text);
}

/* What stood there before stays as it was; what a meter has counted comes behind it. */
static void metered_json(void **state)
{
	static const enum gw_shaping_method methods[] = { GW_SHAPING_PACED, GW_SHAPING_EDT,
							  GW_SHAPING_CLASS, GW_SHAPING_POLICED };
	static const char *const names[] = { "paced", "edt", "class", "policed" };
	struct gw_flow_record record = voice_record();
	json_t *value;
	char *text;

	record.rate_bps = 64000;
	record.reserved_bps = 80000;
	record.metered = 1;
	record.shaping = GW_SHAPING_CLASS;
	record.conforming_packets = 1;
	record.conforming_bytes = 200;
	record.excess_packets = 3;
	record.excess_bytes = 400;
	record.dropped_packets = 5;
	record.dropped_bytes = 6000000000;
	text = json_line(fmt_json_record(&record));
	assert_string_equal(
		text,
		"{\"id\":1,\"pid\":4711,\"comm\":\"mumble\",\"protocol\":\"udp\","
		"\"local\":\"192.0.2.1:5004\",\"destination\":\"192.0.2.2:5006\","
		"\"class\":\"voice\",\"dscp\":56,\"rate_bps\":64000,"
		"\"state\":\"active\",\"api\":\"qwave\",\"shaping\":\"class\","
		"\"reserved_bps\":80000,\"counters\":{"
		"\"conforming\":{\"packets\":1,\"bytes\":200},"
		"\"excess\":{\"packets\":3,\"bytes\":400},"
		"\"dropped\":{\"packets\":5,\"bytes\":6000000000}},\"path\":null,\"direction\":null}\n");
	free(text);

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		record.shaping = methods[i];
		value = fmt_json_record(&record);
		assert_string_equal(json_string_value(json_object_get(value, "shaping")), names[i]);
		json_decref(value);
	}
	record.shaping = (enum gw_shaping_method)99; /* of a newer daemon */
	value = fmt_json_record(&record);
	assert_true(json_is_null(json_object_get(value, "shaping")));
	json_decref(value);
}

/* An adaptive flow has a path; of what is not known of it there is null. */
static void path_json(void **state)
{
	struct gw_flow_record record = voice_record();
	char *text;

	record.path_state = GW_PATH_UNKNOWN;
	text = json_line(fmt_json_record(&record));
	assert_non_null(strstr(text,
			       "\"path\":{\"state\":\"unknown\",\"capacity_bps\":null,"
			       "\"available_bps\":null,\"rtt_us\":null},\"direction\":null}\n"));
	free(text);

	record.direction = GW_QOS_RECEIVING;
	record.path_state = GW_PATH_CONGESTED;
	record.path = (struct gw_path_info){
		.size = sizeof(record.path),
		.capacity_known = 1,
		.available_known = 1,
		.rtt_known = 1,
		.capacity_bps = 5000000000,
		.available_bps = 0,
		.rtt_us = 1200,
	};
	text = json_line(fmt_json_record(&record));
	assert_non_null(
		strstr(text, "\"path\":{\"state\":\"congested\",\"capacity_bps\":5000000000,"
			     "\"available_bps\":0,\"rtt_us\":1200},\"direction\":\"receive\"}\n"));
	free(text);

	assert_string_equal(fmt_path_state(GW_PATH_UNCONGESTED), "uncongested");
	assert_string_equal(fmt_path_state(GW_PATH_UNSUPPORTED), "unsupported");
	assert_string_equal(fmt_path_state((enum gw_path_state)99), "unknown");
}

static void program_json(void **state)
{
	struct gw_flow_record record = program_record();
	char *text = json_line(fmt_json_record(&record));

	assert_string_equal(text,
			    "{\"id\":4294967295,\"pid\":12,\"comm\":\"rsync\",\"protocol\":\"any\","
			    "\"local\":null,\"destination\":null,\"class\":\"best-effort\","
			    "\"dscp\":null,\"rate_bps\":null,\"state\":\"active\","
			    "\"api\":\"run\","
			    "\"shaping\":null,\"reserved_bps\":null,\"counters\":null,"
			    "\"path\":null,\"direction\":null}\n");
	free(text);
}

/* A name that is not UTF-8 must not lose the flow, one that needs escaping must stay JSON. */
static void odd_names_json(void **state)
{
	struct gw_flow_record record = voice_record();
	json_t *value;

	memcpy(record.comm, "caf\xe9", 5);
	value = fmt_json_record(&record);
	assert_string_equal(json_string_value(json_object_get(value, "comm")), "caf?");
	json_decref(value);

	memcpy(record.comm, "a\"\033b", 5);
	value = fmt_json_record(&record);
	assert_string_equal(json_string_value(json_object_get(value, "comm")), "a\"\033b");
	json_decref(value);

	memset(record.comm, 'x', sizeof(record.comm)); /* not terminated */
	value = fmt_json_record(&record);
	assert_string_equal(json_string_value(json_object_get(value, "comm")), "xxxxxxxxxxxxxxxx");
	json_decref(value);

	assert_int_equal(fmt_json_print(stdout, NULL), -ENOMEM);
}

static struct gw_event ended_event(void)
{
	return (struct gw_event){
		.size = sizeof(struct gw_event),
		.type = GW_EVENT_FLOW_ENDED,
		.time_us = 1700000000123456,
		.reason = "closed",
		.flow = voice_record(),
	};
}

static void event_json(void **state)
{
	struct gw_event event = ended_event();
	char *text = json_line(fmt_json_event(&event));

	assert_ptr_equal(strstr(text, "{\"time\":1700000000.123456,\"event\":\"flow-ended\","
				      "\"reason\":\"closed\",\"flow\":{\"id\":1,\"pid\":4711,"),
			 text);
	free(text);

	event.type = GW_EVENT_FLOW_ADDED;
	event.reason[0] = '\0';
	text = json_line(fmt_json_event(&event));
	assert_non_null(strstr(text, "\"event\":\"flow-added\",\"reason\":null,"));
	free(text);
}

static void event_text(void **state)
{
	struct gw_event event = ended_event();
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	setenv("TZ", "UTC0", 1);
	fmt_event_print(out, &event);
	event.type = GW_EVENT_FLOW_ADDED;
	event.reason[0] = '\0';
	event.flow = program_record();
	fmt_event_print(out, &event);
	fclose(out);
	assert_string_equal(
		text, "22:13:20.123 flow-ended   1 voice udp 192.0.2.1:5004 -> 192.0.2.2:5006 "
		      "mumble[4711] qwave: closed\n"
		      "22:13:20.123 flow-added   4294967295 best-effort rsync[12] run\n");
	free(text);
}

static char *table(const struct gw_flow_record *records, size_t count,
		   const struct fmt_table_style *style)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fmt_records_print(out, records, count, style);
	fclose(out);
	return text;
}

static void table_is_aligned(void **state)
{
	struct gw_flow_record records[2] = { voice_record(), program_record() };
	char *text;

	records[0].rate_bps = 64000;
	records[0].shaping = GW_SHAPING_POLICED;
	text = table(records, 2, &fmt_table_plain);
	assert_string_equal(
		text,
		"        ID   PID  PROGRAM  PROTO  LOCAL           DESTINATION     CLASS        DSCP    RATE  "
		"SHAPING  STATE   API\n"
		"         1  4711  mumble   udp    192.0.2.1:5004  192.0.2.2:5006  voice          56  64kbit  "
		"policed  active  qwave\n"
		"4294967295    12  rsync    any    -               -               best-effort     -       -  "
		"-        active  run\n");
	free(text);
}

/* Two more columns, only where a flow has a path. */
static void table_of_paths(void **state)
{
	struct gw_flow_record records[3] = { voice_record(), voice_record(), program_record() };
	char *text;

	records[0].path_state = GW_PATH_UNSUPPORTED;
	records[1].path_state = GW_PATH_UNCONGESTED;
	records[1].path.available_known = 1;
	records[1].path.available_bps = 4100000;
	text = table(records, 3, &fmt_table_plain);
	assert_string_equal(
		text,
		"        ID   PID  PROGRAM  PROTO  LOCAL           DESTINATION     CLASS        DSCP  RATE  "
		"SHAPING  STATE   API    PATH            FREE\n"
		"         1  4711  mumble   udp    192.0.2.1:5004  192.0.2.2:5006  voice          56     -  "
		"-        active  qwave  unsupported        -\n"
		"         1  4711  mumble   udp    192.0.2.1:5004  192.0.2.2:5006  voice          56     -  "
		"-        active  qwave  uncongested  4.1Mbit\n"
		"4294967295    12  rsync    any    -               -               best-effort     -     -  "
		"-        active  run    -                  -\n");
	free(text);
}

static void table_is_cut(void **state)
{
	struct gw_flow_record record = voice_record();
	struct fmt_table_style style = {
		.width = 10,
		.head = "<",
		.head_end = ">",
		.line_end = "|",
	};
	char *text = table(&record, 1, &style);

	assert_string_equal(text, "<ID   PID  >|\n 1  4711  |\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),	  cmocka_unit_test(rates),
		cmocka_unit_test(names),	  cmocka_unit_test(plain_text),
		cmocka_unit_test(record_json),	  cmocka_unit_test(sentences_are_wrapped),
		cmocka_unit_test(metered_json),	  cmocka_unit_test(program_json),
		cmocka_unit_test(path_json),	  cmocka_unit_test(table_of_paths),
		cmocka_unit_test(odd_names_json), cmocka_unit_test(event_json),
		cmocka_unit_test(event_text),	  cmocka_unit_test(table_is_aligned),
		cmocka_unit_test(table_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
