/* SPDX-License-Identifier: MIT */
/*
 * test_cli_rsvp.c: `greenwave rsvp` against a fake libgreenwave: this file's gw_ functions take the place of the
 * library's. Each command runs in a child: exit status, output and signals are real.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli_run.h"

/* ---- the fake library ---- */

struct gw {
	int event_fd;
	size_t next_event, lists;
};

static struct {
	int open_error; /* of gw_open() */
	int error;	/* of whatever is asked for */
	struct gw_rsvp_record records[8];
	size_t record_count, count_later; /* at first, and from the second list on; 0: the same */
	struct gw_event events[8];	  /* rsvp points to records */
	size_t event_count;
} fake;

int gw_open(struct gw **ret_gw, const struct gw_open_options *options)
{
	assert_int_equal(options->mode, GW_MODE_DAEMON);
	if (fake.open_error < 0)
		return fake.open_error;
	*ret_gw = calloc(1, sizeof(**ret_gw));
	(*ret_gw)->event_fd = eventfd(0, EFD_CLOEXEC);
	return 0;
}

struct gw *gw_close(struct gw *gw)
{
	fputs("closed\n", stderr);
	close(gw->event_fd);
	free(gw);
	return NULL;
}

int gw_event_fd(const struct gw *gw)
{
	return gw->event_fd;
}

int gw_event_next(struct gw *gw, int timeout_ms, struct gw_event *ret_event)
{
	assert_int_equal(timeout_ms, 0);
	if (gw->next_event == fake.event_count)
		return 0;
	*ret_event = fake.events[gw->next_event++];
	if (ret_event->rsvp) { /* it is the caller's to release */
		ret_event->rsvp = malloc(sizeof(*ret_event->rsvp));
		*ret_event->rsvp = *fake.events[gw->next_event - 1].rsvp;
	}
	return 1;
}

int gw_rsvp_list(struct gw *gw, uint32_t kinds,
		 int (*visit)(const struct gw_rsvp_record *record, void *user_data),
		 void *user_data)
{
	size_t count = gw->lists++ > 0 && fake.count_later > 0 ? fake.count_later
							       : fake.record_count;

	for (size_t i = 0; i < count; i++) {
		int r = 0;

		if (kinds & GW_RSVP_KIND_BIT(fake.records[i].kind))
			r = visit(&fake.records[i], user_data);
		if (r)
			return r;
	}
	return fake.error;
}

static const char *text(const struct sockaddr_storage *address, char *buf)
{
	char host[INET6_ADDRSTRLEN] = "-";
	struct sockaddr_in in;

	memcpy(&in, address, sizeof(in));
	if (in.sin_family == AF_INET)
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof(host));
	sprintf(buf, "%d/%s/%d", in.sin_family, host, ntohs(in.sin_port));
	return buf;
}

static void print_tspec(const struct gw_tspec *tspec)
{
	fprintf(stderr, " r %llu b %llu p %llu m %u M %u", (unsigned long long)tspec->rate_bps,
		(unsigned long long)tspec->depth_bytes, (unsigned long long)tspec->peak_bps,
		tspec->min_bytes, tspec->max_bytes);
}

/* These say on standard error what they were asked for. */
int gw_rsvp_open(struct gw *gw, const struct sockaddr *destination, socklen_t destination_len,
		 int protocol, const char *interface, uint32_t *ret_id)
{
	struct sockaddr_storage to = { 0 };
	char buf[80];

	memcpy(&to, destination, destination_len);
	fprintf(stderr, "open %s protocol %d through %s\n", text(&to, buf), protocol,
		interface ? interface : "-");
	*ret_id = 7;
	return fake.error;
}

int gw_rsvp_send(struct gw *gw, uint32_t id, const struct gw_rsvp_offer *offer)
{
	char buf[80];

	assert_int_equal(id, 7);
	fprintf(stderr, "send from %s", text(&offer->source, buf));
	print_tspec(&offer->tspec);
	fputc('\n', stderr);
	return 0;
}

int gw_rsvp_reserve(struct gw *gw, uint32_t id, const struct gw_rsvp_request *request)
{
	char buf[80];

	assert_int_equal(id, 7);
	fprintf(stderr, "reserve %s %s flags %u dscp %d", gw_rsvp_style_name(request->style),
		gw_rsvp_service_name(request->service), request->flags, request->dscp);
	for (uint32_t i = 0; i < request->n_flows; i++) {
		const struct gw_rsvp_flow *flow = &request->flows[i];

		fprintf(stderr, " [%s", text(&flow->sender.address, buf));
		print_tspec(&flow->tspec);
		fprintf(stderr, " R %llu S %u]", (unsigned long long)flow->rate_bps,
			flow->slack_us);
	}
	fputc('\n', stderr);
	return 0;
}

int gw_rsvp_watch(struct gw *gw)
{
	return fake.error;
}

int gw_rsvp_diagnose(struct gw *gw, const struct gw_rsvp_question *question)
{
	char to[80], from[80];

	fprintf(stderr, "ask %s from %s protocol %d hops %u\n", text(&question->destination, to),
		text(&question->source, from), question->protocol, question->max_hops);
	assert_int_equal(question->token, 1);
	return fake.error;
}

/* ---- running a command ---- */

#define RUN_RSVP(...) RUN((char *)"rsvp" __VA_OPT__(, ) __VA_ARGS__)

static void assert_misuse(const char *message)
{
	assert_int_equal(result.status, CLI_MISUSE);
	assert_string_equal(result.out, "");
	assert_non_null(strstr(result.err, message));
	assert_null(strstr(result.err, "open ")); /* nothing was tried */
}

/* ---- what there is to see ---- */

static struct sockaddr_storage ip4(uint8_t last, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(0xc0000200u + last) };
	struct sockaddr_storage storage = { 0 };

	memcpy(&storage, &in, sizeof(in));
	return storage;
}

static struct gw_rsvp_sender senders[2];

static struct gw_rsvp_record record(enum gw_rsvp_kind kind, uint8_t to)
{
	return (struct gw_rsvp_record){
		.size = sizeof(struct gw_rsvp_record),
		.kind = kind,
		.destination = ip4(to, 5004),
		.protocol = IPPROTO_UDP,
		.senders = kind == GW_RSVP_SESSION ? NULL : senders,
		.n_senders = kind == GW_RSVP_SESSION ? 0 : 1,
		.tspec = { .size = sizeof(struct gw_tspec),
			   .rate_bps = 1000000,
			   .depth_bytes = 12500,
			   .min_bytes = 128,
			   .max_bytes = 1500 },
		.dscp = -1,
		.interface = "eth0",
		.hop = ip4(1, 0),
		.uid = 1000,
		.pid = 42,
	};
}

static struct gw_rsvp_record reservation(uint8_t to)
{
	struct gw_rsvp_record r = record(GW_RSVP_RESERVATION, to);

	r.style = GW_RSVP_FF;
	r.service = GW_RSVP_GUARANTEED;
	r.rate_bps = 2000000;
	return r;
}

/* Two sessions, their things mixed. */
static int set_up(void **state)
{
	memset(&fake, 0, sizeof(fake));
	memset(&result, 0, sizeof(result));
	senders[0] = (struct gw_rsvp_sender){ .address = ip4(8, 5005) };
	senders[1] = (struct gw_rsvp_sender){ .address = ip4(9, 5006) };
	fake.records[0] = reservation(200);
	fake.records[0].style = GW_RSVP_SE;
	fake.records[0].service = GW_RSVP_CONTROLLED_LOAD;
	fake.records[0].n_senders = 2;
	fake.records[0].flags = GW_RSVP_UNENFORCED | GW_RSVP_BLOCKADED;
	fake.records[0].interface[3] = '1';
	fake.records[0].dscp = 46;
	fake.records[1] = record(GW_RSVP_SENDER, 100);
	fake.records[1].flags = GW_RSVP_NON_RSVP;
	fake.records[1].expires_ms = 157500;
	fake.records[2] = reservation(100);
	fake.records[2].flags = GW_RSVP_INSTALLED;
	fake.records[2].slack_us = 3;
	fake.records[3] = record(GW_RSVP_SENDER, 200);
	fake.records[3].hop = (struct sockaddr_storage){ 0 };
	fake.records[3].flags = GW_RSVP_LOCAL;
	fake.records[4] = record(GW_RSVP_SESSION, 200);
	fake.record_count = 5;
	setenv("GREENWAVE_SOCKET", "/nonexistent/socket", 1);
	return 0;
}

static void sessions_as_text(void **state)
{
	RUN_RSVP();
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(
		result.out,
		"192.0.2.100:5004 udp\n"
		"  sender 192.0.2.8:5005 1Mbit from 192.0.2.1 in eth0 non-rsvp-hop expires in 158 s\n"
		"  reservation FF guaranteed 2Mbit slack 3us for 192.0.2.8:5005 to 192.0.2.1 out eth0\n"
		"192.0.2.200:5004 udp\n"
		"  program 42 of user 1000\n"
		"  sender 192.0.2.8:5005 1Mbit in eth0 local\n"
		"  reservation SE controlled-load 2Mbit for 192.0.2.8:5005, 192.0.2.9:5006 to "
		"192.0.2.1 out eth1 dscp 46 unenforced blockaded\n");
	fake.record_count = 0;
	RUN_RSVP();
	assert_string_equal(result.out, "no sessions\n");
}

/* The members that the contract fixes, and where they stand. */
static void sessions_as_json(void **state)
{
	json_t *root, *second, *sender, *reserved;
	const char *destination, *protocol;

	RUN_RSVP("--json");
	assert_int_equal(result.status, CLI_FINE);
	root = json_loads(result.out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(root, "sessions")), 2);
	second = json_array_get(json_object_get(root, "sessions"), 1);
	assert_int_equal(json_unpack(second, "{s:s, s:s}", "destination", &destination, "protocol",
				     &protocol),
			 0);
	assert_string_equal(destination, "192.0.2.200:5004");
	assert_string_equal(protocol, "udp");
	sender = json_array_get(json_object_get(second, "senders"), 0);
	assert_string_equal(json_string_value(json_object_get(sender, "source")), "192.0.2.8:5005");
	assert_string_equal(json_string_value(json_object_get(sender, "interface")), "eth0");
	assert_true(json_is_null(json_object_get(sender, "previous_hop")));
	assert_int_equal(json_integer_value(json_object_get(sender, "rate_bps")), 1000000);
	assert_true(json_is_true(json_object_get(sender, "local")));
	reserved = json_array_get(json_object_get(second, "reservations"), 0);
	assert_string_equal(json_string_value(json_object_get(reserved, "interface")), "eth1");
	assert_string_equal(json_string_value(json_object_get(reserved, "next_hop")), "192.0.2.1");
	assert_string_equal(json_string_value(json_object_get(reserved, "style")), "SE");
	assert_string_equal(json_string_value(json_object_get(reserved, "service")),
			    "controlled-load");
	assert_int_equal(json_integer_value(json_object_get(reserved, "rate_bps")), 2000000);
	assert_true(json_is_true(json_object_get(reserved, "unenforced")));
	assert_true(json_is_true(json_object_get(reserved, "blockaded")));
	assert_true(json_is_false(json_object_get(reserved, "installed")));
	assert_int_equal(json_array_size(json_object_get(reserved, "senders")), 2);
	assert_int_equal(json_array_size(json_object_get(second, "programs")), 1);
	json_decref(root);
	fake.record_count = 0;
	RUN_RSVP("--json");
	assert_string_equal(result.out, "{\"sessions\":[]}\n");
}

/* IPsec sessions, aggregates and protocols without a name. */
static void other_kinds_of_sessions(void **state)
{
	fake.record_count = 2;
	fake.records[0] = record(GW_RSVP_SENDER, 1);
	fake.records[0].form = GW_RSVP_GPI;
	fake.records[0].protocol = 50;
	senders[0].form = GW_RSVP_GPI;
	senders[0].id = 0x1234;
	fake.records[1] = reservation(2);
	fake.records[1].form = GW_RSVP_AGGREGATE;
	fake.records[1].style = GW_RSVP_WF;
	fake.records[1].n_senders = 0;
	RUN_RSVP();
	assert_non_null(strstr(result.out, "192.0.2.1:5004 50 ipsec\n  sender 192.0.2.8:5005 spi "
					   "0x00001234 1Mbit"));
	assert_non_null(strstr(result.out, "192.0.2.2:5004 udp aggregate\n  reservation WF "
					   "guaranteed 2Mbit for any sender"));
	RUN_RSVP("--json");
	assert_non_null(strstr(result.out, "\"protocol\":\"50\""));
	assert_non_null(strstr(result.out, "\"spi\":4660"));
}

static void neighbours(void **state)
{
	fake.records[0] = record(GW_RSVP_NEIGHBOUR, 1);
	fake.records[0].flags = GW_RSVP_REDUCES | GW_RSVP_AUTHENTIC;
	fake.records[0].received = 10;
	fake.records[0].sent = 20;
	fake.records[0].dropped = 30;
	RUN_RSVP("neighbours");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, "192.0.2.1 "));
	assert_non_null(strstr(result.out, "received 10 sent 20 dropped 30 refresh_reduction "
					   "authenticated\n"));
	RUN_RSVP("neighbours", "--json");
	assert_string_equal(result.out,
			    "{\"neighbours\":[{\"address\":\"192.0.2.1\",\"interface\":\"eth0\","
			    "\"received\":10,\"sent\":20,\"dropped\":30,\"refresh_reduction\":true,"
			    "\"udp\":false,\"authenticated\":true}]}\n");
	fake.error = -EACCES;
	RUN_RSVP("neighbours");
	assert_int_equal(result.status, CLI_DENIED);
	assert_string_equal(result.out, "");
}

static void counters(void **state)
{
	fake.records[0] =
		(struct gw_rsvp_record){ .kind = GW_RSVP_COUNTER, .name = "path-sent", .value = 7 };
	fake.records[1] = (struct gw_rsvp_record){ .kind = GW_RSVP_COUNTER,
						   .name = "bad-checksum",
						   .value = 8 };
	RUN_RSVP("counters");
	assert_string_equal(result.out, "bad-checksum  8\npath-sent     7\n");
	RUN_RSVP("counters", "--json");
	assert_string_equal(result.out, "{\"counters\":{\"bad-checksum\":8,\"path-sent\":7}}\n");
}

static void hosts_that_do_not_signal(void **state)
{
	static const char needs[] = "needs rsvp { enabled = true }\n";

	fake.error = -EOPNOTSUPP;
	fake.record_count = 0;
	RUN_RSVP();
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, needs));
	RUN_RSVP("watch");
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, needs));
	RUN_RSVP("trace");
	assert_int_equal(result.status, CLI_FAILED);
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit");
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, needs));
	RUN_RSVP("ping", "--to", "192.0.2.9:1", "--from", "192.0.2.1:1");
	assert_int_equal(result.status, CLI_FAILED);
	fake.open_error = -ENOENT;
	RUN_RSVP();
	assert_int_equal(result.status, CLI_NO_DAEMON);
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit");
	assert_int_equal(result.status, CLI_NO_DAEMON);
}

/* ---- taking part ---- */

static void add_event(enum gw_event_type type, struct gw_rsvp_record *about)
{
	fake.events[fake.event_count++] = (struct gw_event){ .size = sizeof(struct gw_event),
							     .type = type,
							     .token = 7,
							     .time_us = 1000000,
							     .rsvp = about };
}

static void send_shows_reservations(void **state)
{
	static struct gw_rsvp_record refused;

	add_event(GW_EVENT_RSVP_RESV, &fake.records[2]);
	refused = record(GW_RSVP_ERROR, 100);
	refused.error_code = 21;
	refused.error_value = 4;
	refused.error_node = ip4(77, 0);
	add_event(GW_EVENT_RSVP_PATH_ERROR, &refused);
	RUN_RSVP("send", "--to", "192.0.2.100:5004", "--rate", "1Mbit", "--duration", "50ms");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.err, "open 2/192.0.2.100/5004 protocol 17 through -\n"
					"send from 2/0.0.0.0/5004 r 1000000 b 0 p 0 m 0 M 0\n"
					"closed\n");
	assert_non_null(strstr(result.out, " resv reservation FF guaranteed 2Mbit slack 3us for "
					   "192.0.2.8:5005 to 192.0.2.1 out eth0\n"));
	assert_non_null(strstr(result.out, " path-error sender 192.0.2.8:5005 1Mbit"));
	assert_non_null(strstr(result.out, "(21/4) at 192.0.2.77\n"));

	RUN_RSVP("send", "--to=192.0.2.100:1", "--from=192.0.2.5:6", "--protocol=tcp",
		 "--interface=lo", "--rate=1Mbit", "--burst=3000", "--peak=2Mbit", "--min=64",
		 "--max=1000", "--duration=20ms", "--json");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.err,
			    "open 2/192.0.2.100/1 protocol 6 through lo\n"
			    "send from 2/192.0.2.5/6 r 1000000 b 3000 p 2000000 m 64 M 1000\n"
			    "closed\n");
	assert_ptr_equal(strstr(result.out,
				"{\"time\":1.0,\"event\":\"resv\",\"destination\":"
				"\"192.0.2.100:5004\",\"protocol\":\"udp\",\"gone\":false,"
				"\"reservation\":{"),
			 result.out);
	assert_non_null(strstr(result.out, "\"error\":{\"code\":21,\"value\":4,"));
}

static void receive_shows_senders(void **state)
{
	fake.records[1].path = (struct gw_rsvp_path){ .known = 1,
						      .hops = 3,
						      .latency_us = UINT32_MAX,
						      .bandwidth_bps = 75000000,
						      .mtu = 1500 };
	add_event(GW_EVENT_RSVP_PATH, &fake.records[1]);
	add_event(GW_EVENT_RSVP_CONFIRM, &fake.records[2]);
	fake.records[3].flags |= GW_RSVP_GONE;
	add_event(GW_EVENT_RSVP_PATH, &fake.records[3]);
	RUN_RSVP("receive", "--to", "192.0.2.100:5004", "--rate", "64kbit", "--duration", "20ms");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.err,
			       "reserve WF controlled-load flags 0 dscp -1 [0/-/0 r 64000 "
			       "b 0 p 0 m 0 M 0 R 0 S 0]\n"));
	assert_non_null(strstr(result.out,
			       " path sender 192.0.2.8:5005 1Mbit from 192.0.2.1 in eth0 "
			       "non-rsvp-hop hops 3 mtu 1500 bandwidth 75Mbit\n"));
	assert_non_null(strstr(result.out, " confirm reservation FF"));
	assert_non_null(strstr(result.out, " local gone\n"));

	RUN_RSVP("receive", "--to=192.0.2.100:5004", "--from=192.0.2.1:1", "--from=192.0.2.2:2",
		 "--style=se", "--service=guaranteed", "--rate=64kbit", "--reserve=128kbit",
		 "--slack=2ms", "--dscp=46", "--confirm", "--duration=20ms", "--json");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.err,
			       "reserve SE guaranteed flags 1 dscp 46 "
			       "[2/192.0.2.1/1 r 64000 b 0 p 0 m 0 M 0 R 128000 S 2000] "
			       "[2/192.0.2.2/2 r 64000 b 0 p 0 m 0 M 0 R 128000 S 2000]\n"));
	assert_non_null(strstr(result.out, "\"path\":{\"broken\":false,\"hops\":3,"));
	RUN_RSVP("receive", "--to=192.0.2.100:5004", "--from=192.0.2.1:1", "--rate=64kbit",
		 "--duration=20ms");
	assert_non_null(strstr(result.err, "reserve FF controlled-load"));
}

/* However it ends, what it had ends with it. */
static void they_end_by_signals(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	add_event(GW_EVENT_RSVP_RESV, &fake.records[2]);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int out[2], err = memfd_create("err", MFD_CLOEXEC);
		char line[256] = "";
		pid_t pid;

		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		pid = start(out[1], err,
			    (char *[]){ "rsvp", "send", "--to", "192.0.2.9:1", "--rate", "1Mbit",
					NULL });
		close(out[1]);
		assert_true(read(out[0], line, sizeof(line) - 1) > 0);
		kill(pid, signals[i]);
		assert_int_equal(wait_status(pid), CLI_FINE);
		close(out[0]);
		read_back(err, result.err, sizeof(result.err));
		assert_non_null(strstr(result.err, "closed\n"));
	}
}

static void they_end_with_the_daemon_or_the_reader(void **state)
{
	int out[2], err = memfd_create("err", MFD_CLOEXEC);

	add_event(GW_EVENT_RSVP_RESV, &fake.records[2]);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	close(out[0]);
	assert_int_equal(wait_status(start(out[1], err,
					   (char *[]){ "rsvp", "send", "--to", "192.0.2.9:1",
						       "--rate", "1Mbit", NULL })),
			 CLI_FINE);
	close(out[1]);
	read_back(err, result.err, sizeof(result.err));
	assert_non_null(strstr(result.err, "closed\n"));

	add_event(GW_EVENT_DISCONNECTED, NULL);
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit");
	assert_int_equal(result.status, CLI_NO_DAEMON);
	assert_non_null(strstr(result.err, "rsvp send: the daemon went away\n"));
}

static void misuse(void **state)
{
	RUN_RSVP("frobnicate");
	assert_misuse("rsvp: there is no command 'frobnicate'");
	RUN_RSVP("--json", "watch");
	assert_misuse("nothing may follow the options, but 'watch' does");
	RUN_RSVP("send", "--rate", "1Mbit");
	assert_misuse("rsvp send: --to is needed");
	RUN_RSVP("send", "--to", "192.0.2.9:1");
	assert_misuse("rsvp send: --rate is needed");
	RUN_RSVP("send", "--to", "192.0.2.9", "--rate", "1Mbit");
	assert_misuse("rsvp send: --to needs a port");
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--peak", "1kbit");
	assert_misuse("--peak is less than --rate");
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--min", "1501");
	assert_misuse("--min is more than --max");
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--from", "::1");
	assert_misuse("different versions of IP");
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--burst", "0");
	assert_misuse("'0' is no number from 1 to 4294967295");
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--burst", "4294967296");
	assert_misuse("'4294967296' is no number");
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--duration", "10");
	assert_misuse("'10' is no duration");
	RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--duration", "0s");
	assert_misuse("'0s' is out of range");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--style", "xx");
	assert_misuse("'xx' is no style; there are wf, ff, se");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--service", "best");
	assert_misuse("'best' is no service");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--style", "ff");
	assert_misuse("--from is needed");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--style", "wf", "--from",
		 "192.0.2.1:1");
	assert_misuse("--style wf is for all senders");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--from", "192.0.2.1");
	assert_misuse("--from needs the port of the sender");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--slack", "1ms");
	assert_misuse("--reserve and --slack are of --service guaranteed");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--service", "guaranteed",
		 "--reserve", "1kbit");
	assert_misuse("--reserve is less than --rate");
	RUN_RSVP("receive", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--dscp", "64");
	assert_misuse("--dscp is more than 63");
	RUN_RSVP("ping", "--to", "192.0.2.9:1");
	assert_misuse("rsvp ping: --from is needed");
	RUN_RSVP("ping", "--to", "192.0.2.9:1", "--from", "192.0.2.1:1", "--hops", "256");
	assert_misuse("--hops is more than 255");
	RUN_RSVP("trace", "--count", "-1");
	assert_misuse("'-1' is no number");
}

/* What only the host can judge, it is asked. */
static void refused_by_the_host(void **state)
{
	static const struct {
		int error, status;
		const char *message;
	} cases[] = {
		{ -EINVAL, CLI_MISUSE, "RSVP has no such session" },
		{ -ENODEV, CLI_FAILED, "there is no interface 'eth9'" },
		{ -EADDRINUSE, CLI_FAILED, "with other kinds of ports" },
		{ -EADDRNOTAVAIL, CLI_FAILED, "--from is no address of this host" },
		{ -ENOBUFS, CLI_FAILED, "too many sessions" },
		{ -EXDEV, CLI_FAILED, "another network namespace" },
		{ -EACCES, CLI_DENIED, "rsvp send: denied" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.error = cases[i].error;
		RUN_RSVP("send", "--to", "192.0.2.9:1", "--rate", "1Mbit", "--interface", "eth9");
		assert_int_equal(result.status, cases[i].status);
		assert_non_null(strstr(result.err, cases[i].message));
	}
}

static void help(void **state)
{
	static char *const commands[] = { "neighbours", "counters", "watch", "send",
					  "receive",	"trace",    "ping" };

	RUN_RSVP("--help");
	assert_int_equal(result.status, CLI_FINE);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_non_null(strstr(result.out, commands[i]));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		RUN_RSVP(commands[i], "--help");
		assert_int_equal(result.status, CLI_FINE);
		assert_ptr_equal(strstr(result.out, "greenwave rsvp "), result.out);
		assert_non_null(strstr(result.out, "--json"));
	}
}

/* ---- watch, trace, ping ---- */

/* The second list has one reservation less, and a session more. */
static void watch_tells_changes(void **state)
{
	int out[2], err = memfd_create("err", MFD_CLOEXEC);
	char text[4096] = "";
	size_t used = 0;
	pid_t pid;

	fake.record_count = 1;
	fake.count_later = 3;
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = start(out[1], err, (char *[]){ "rsvp", "watch", NULL });
	close(out[1]);
	while (!strstr(text, "reservation-added")) {
		ssize_t n = read(out[0], text + used, sizeof(text) - 1 - used);

		assert_true(n > 0);
		used += (size_t)n;
	}
	kill(pid, SIGINT);
	assert_int_equal(wait_status(pid), CLI_FINE);
	assert_non_null(strstr(text, " sender-added        192.0.2.100:5004 udp sender "));
	assert_non_null(strstr(text, " reservation-added   192.0.2.100:5004 udp reservation FF"));
	assert_null(strstr(text, "192.0.2.200")); /* was there before */
	close(out[0]);
	close(err);
}

static void trace_shows_messages(void **state)
{
	static struct gw_rsvp_record sent, received;

	sent = (struct gw_rsvp_record){ .kind = GW_RSVP_MESSAGE,
					.flags = GW_RSVP_OUTGOING,
					.interface = "eth0",
					.hop = ip4(1, 0),
					.dscp = -1,
					.text = "Path\n\tSESSION\033[2J\n" };
	received = sent;
	received.flags = GW_RSVP_CUT;
	received.interface[3] = '1';
	add_event(GW_EVENT_RSVP_MESSAGE, &sent);
	add_event(GW_EVENT_RSVP_MESSAGE, &received);
	add_event(GW_EVENT_RSVP_MESSAGE, &sent);
	RUN_RSVP("trace", "--count", "2");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, " sent eth0 192.0.2.1\nPath\n\tSESSION?[2J\n"));
	assert_non_null(
		strstr(result.out, " received eth1 192.0.2.1\nPath\n\tSESSION?[2J\n\t...\n"));
	RUN_RSVP("trace", "--count", "1", "--interface", "eth1", "--json");
	assert_string_equal(result.out,
			    "{\"time\":1.0,\"event\":\"message\",\"message\":{\"direction\":\"in\","
			    "\"interface\":\"eth1\",\"peer\":\"192.0.2.1\",\"text\":"
			    "\"Path\\n\\tSESSION\\u001B[2J\\n\"}}\n");
	fake.error = -EACCES;
	RUN_RSVP("trace");
	assert_int_equal(result.status, CLI_DENIED);
}

static void ping_shows_hops(void **state)
{
	static struct gw_rsvp_record hops[2];

	for (int i = 0; i < 2; i++) {
		hops[i] = (struct gw_rsvp_record){ .kind = GW_RSVP_HOP,
						   .dscp = -1,
						   .hop = ip4((uint8_t)(i + 1), 0) };
		add_event(GW_EVENT_RSVP_HOP, &hops[i]);
		fake.events[i].token = 1;
	}
	hops[1].ttl_loss = 3;
	hops[1].error_code = GW_RSVP_HOP_NO_PATH;
	add_event(GW_EVENT_COMPLETED, NULL);
	fake.events[2].token = 1;
	RUN_RSVP("ping", "--to", "192.0.2.9:1", "--from", "192.0.2.1:2", "--hops", "9");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(
		strstr(result.err, "ask 2/192.0.2.9/1 from 2/192.0.2.1/2 protocol 17 hops 9\n"));
	assert_non_null(strstr(result.out, " hop 192.0.2.1\n"));
	assert_non_null(strstr(
		result.out, " hop 192.0.2.2 behind 3 that take no part: no path information (1"));
	fake.events[2].status = -ENODATA;
	RUN_RSVP("ping", "--to", "192.0.2.9:1", "--from", "192.0.2.1:2", "--json");
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, "rsvp ping: the answer is not complete\n"));
	assert_non_null(
		strstr(result.out, "\"event\":\"hop\",\"hop\":{\"address\":\"192.0.2.1\","));
	fake.events[0] = fake.events[2];
	fake.events[0].status = -ETIMEDOUT;
	RUN_RSVP("ping", "--to", "192.0.2.9:1", "--from", "192.0.2.1:2");
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, "rsvp ping: nobody answered\n"));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sessions_as_text),
		TEST(sessions_as_json),
		TEST(other_kinds_of_sessions),
		TEST(neighbours),
		TEST(counters),
		TEST(hosts_that_do_not_signal),
		TEST(send_shows_reservations),
		TEST(receive_shows_senders),
		TEST(they_end_by_signals),
		TEST(they_end_with_the_daemon_or_the_reader),
		TEST(misuse),
		TEST(refused_by_the_host),
		TEST(help),
		TEST(watch_tells_changes),
		TEST(trace_shows_messages),
		TEST(ping_shows_hops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
