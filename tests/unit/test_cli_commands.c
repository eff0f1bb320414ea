/* SPDX-License-Identifier: MIT */
/*
 * Whole commands of the tool against a fake libgreenwave: this file's gw_ functions take the place of
 * the library's. Each command runs in a child: exit status, output, signals and the program that is
 * executed are real.
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
#include <pty.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli_run.h"

/* ---- the fake library ---- */

struct gw {
	enum gw_mode mode;
	int event_fd;
	size_t next_event;
};

#define EVENT_SIGNAL 100 /* in place of an event: the user ends the tool */

static struct {
	int daemon_error, embedded_error; /* of gw_open() */
	int run_error, list_error, tuple_error, rate_error;
	bool links;
	struct gw_flow_record records[2];
	size_t record_count;
	struct gw_event events[8];
	size_t event_count;
	int end_error; /* of gw_event_next() after them; 0: there is silence */
} fake;

int gw_open(struct gw **ret_gw, const struct gw_open_options *options)
{
	enum gw_mode mode = options->mode;
	int r;

	if (mode == GW_MODE_AUTO)
		mode = fake.daemon_error ? GW_MODE_EMBEDDED : GW_MODE_DAEMON;
	r = mode == GW_MODE_DAEMON ? fake.daemon_error : fake.embedded_error;
	if (r < 0)
		return r;
	*ret_gw = calloc(1, sizeof(**ret_gw));
	(*ret_gw)->mode = mode;
	(*ret_gw)->event_fd = eventfd(fake.event_count > 0 || fake.end_error, EFD_CLOEXEC);
	return 0;
}

struct gw *gw_close(struct gw *gw)
{
	if (gw)
		close(gw->event_fd);
	free(gw);
	return NULL;
}

int gw_run_self(struct gw *gw, const struct gw_flow_options *options, uint32_t *ret_id)
{
	char number[2] = { (char)('0' + options->traffic_class), '\0' }, name[16];

	assert_int_equal(gw->mode, GW_MODE_DAEMON);
	if (fake.run_error < 0)
		return fake.run_error;
	setenv("FAKE_CLASS", number, 1); /* what the program inherits, as the real one its group */
	prctl(PR_GET_NAME, name);
	setenv("FAKE_NAME", name, 1); /* what the daemon has seen */
	if (options->rate_bps != 0) {
		char rate[32];

		snprintf(rate, sizeof(rate), "%llu", (unsigned long long)options->rate_bps);
		setenv("FAKE_RATE", rate, 1);
	}
	*ret_id = 1;
	return 0;
}

/* Says on standard error what it was asked for. */
int gw_flow_add_tuple(struct gw *gw, const struct gw_tuple *tuple,
		      const struct gw_flow_options *options, uint32_t *ret_id)
{
	struct sockaddr_in source, destination;

	assert_int_equal(gw->mode, GW_MODE_DAEMON);
	assert_int_equal(tuple->size, sizeof(*tuple));
	if (fake.tuple_error < 0)
		return fake.tuple_error;
	memcpy(&source, &tuple->source, sizeof(source));
	memcpy(&destination, &tuple->destination, sizeof(destination));
	fprintf(stderr, "class %d protocol %d from %d:%d to %d:%d out %s\n", options->traffic_class,
		tuple->protocol, source.sin_family, ntohs(source.sin_port), destination.sin_family,
		ntohs(destination.sin_port), tuple->interface);
	*ret_id = 9;
	return 0;
}

int gw_flow_set_rate(struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		     uint32_t reason)
{
	assert_int_equal(id, 9);
	assert_int_equal(shaping, GW_SHAPE_AND_MARK);
	assert_int_equal(reason, 0);
	if (fake.rate_error == 0)
		fprintf(stderr, "rate %llu\n", (unsigned long long)rate_bps);
	return fake.rate_error;
}

int gw_list(struct gw *gw, uint32_t flags,
	    int (*visit)(const struct gw_flow_record *record, void *user_data), void *user_data)
{
	for (size_t i = 0; i < fake.record_count; i++) {
		int r;

		if (fake.records[i].state == GW_FLOW_CLOSED && !(flags & GW_LIST_CLOSED))
			continue;
		r = visit(&fake.records[i], user_data);
		if (r)
			return r;
	}
	return fake.list_error;
}

int gw_status(struct gw *gw, struct gw_status *ret_status)
{
	assert_int_equal(ret_status->size, sizeof(*ret_status));
	ret_status->mode = gw->mode;
	strcpy(ret_status->version, "0.1.0");
	ret_status->flows = fake.record_count;
	ret_status->kernel_entries = gw->mode == GW_MODE_DAEMON ? fake.record_count + 1 : 0;
	return 0;
}

int gw_facts(struct gw *gw,
	     int (*visit)(enum gw_fact_kind kind, const char *name, const char *value,
			  const char *note, void *user_data),
	     void *user_data)
{
	int r;

	if (gw->mode == GW_MODE_EMBEDDED)
		return visit(GW_FACT_LIMITATION, "whole-socket", "marks apply to whole sockets", "",
			     user_data);
	r = visit(GW_FACT_MECHANISM, "marking", "yes", "", user_data);
	if (r == 0)
		r = visit(GW_FACT_MECHANISM, "magic", "no", "not on this host", user_data);
	if (r == 0)
		r = visit(GW_FACT_COUNTER, "refused", "18", "", user_data);
	if (r == 0 && fake.links)
		r = visit(GW_FACT_LINK, "eth0", "scheduled", "100 Mbit/s, 75% reservable",
			  user_data);
	if (r == 0 && fake.links)
		r = visit(GW_FACT_LINK, "eth7", "waiting", "", user_data);
	return r;
}

int gw_watch(struct gw *gw)
{
	return 0;
}

int gw_event_fd(const struct gw *gw)
{
	return gw->event_fd;
}

int gw_event_next(struct gw *gw, int timeout_ms, struct gw_event *ret_event)
{
	assert_int_equal(timeout_ms, 0);
	if (gw->next_event == fake.event_count)
		return fake.end_error;
	*ret_event = fake.events[gw->next_event++];
	if ((int)ret_event->type == EVENT_SIGNAL)
		raise(SIGTERM);
	return 1;
}

/* ---- before each test ---- */

static void set_up_record(struct gw_flow_record *record, uint32_t id, enum gw_flow_state state)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(5004),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	*record = (struct gw_flow_record){
		.size = sizeof(*record),
		.id = id,
		.pid = 42,
		.protocol = IPPROTO_UDP,
		.traffic_class = GW_CLASS_VOICE,
		.state = state,
		.dscp = 56,
		.comm = "caller",
		.api = "native",
	};
	memcpy(&record->local, &in, sizeof(in));
}

static int set_up(void **state)
{
	memset(&fake, 0, sizeof(fake));
	memset(&result, 0, sizeof(result));
	set_up_record(&fake.records[0], 7, GW_FLOW_ACTIVE);
	set_up_record(&fake.records[1], 8, GW_FLOW_CLOSED);
	fake.record_count = 2;
	setenv("GREENWAVE_SOCKET", "/nonexistent/socket", 1);
	unsetenv("FAKE_CLASS");
	unsetenv("FAKE_RATE");
	return 0;
}

/* An error is one line on standard error, and nothing elsewhere. */
static void assert_refused(int status, const char *message)
{
	assert_int_equal(result.status, status);
	assert_string_equal(result.out, "");
	assert_string_equal(result.err, message);
}

#define FLOW_7                                                                                        \
	"{\"id\":7,\"pid\":42,\"comm\":\"caller\",\"protocol\":\"udp\",\"local\":\"127.0.0.1:5004\"," \
	"\"destination\":null,\"class\":\"voice\",\"dscp\":56,\"rate_bps\":null,"                     \
	"\"state\":\"active\",\"api\":\"native\",\"shaping\":null,\"reserved_bps\":null,"             \
	"\"counters\":null,\"path\":null,\"direction\":null}"

/* ---- choosing a command ---- */

static void misuse_is_one_line(void **state)
{
	RUN("frobnicate");
	assert_refused(CLI_MISUSE,
		       "greenwave: there is no command 'frobnicate'; `greenwave --help` "
		       "names them all\n");
	RUN("--frobnicate");
	assert_refused(CLI_MISUSE, "greenwave: there is no option '--frobnicate'; `greenwave "
				   "--help` names them all\n");
	RUN("list", "--frobnicate");
	assert_refused(CLI_MISUSE, "greenwave: list: there is no option '--frobnicate'\n");
	RUN("watch", "7");
	assert_refused(CLI_MISUSE,
		       "greenwave: watch: nothing may follow the options, but '7' does\n");
	RUN("help", "frobnicate");
	assert_refused(CLI_MISUSE, "greenwave: help: there is no command 'frobnicate'\n");
	RUN("run", "true");
	assert_refused(CLI_MISUSE, "greenwave: run: --class is needed\n");
	RUN("run", "--class", "voice");
	assert_refused(CLI_MISUSE, "greenwave: run: no program is given\n");
}

static void help_goes_to_standard_output(void **state)
{
	static char *const commands[] = { "run",    "forward", "list", "watch",
					  "status", "doctor",  "rsvp", "help" };
	char by_option[sizeof(result.out)];

	RUN("--help");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.err, "");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		assert_non_null(strstr(result.out, commands[i]));

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		RUN(commands[i], "--help");
		assert_int_equal(result.status, CLI_FINE);
		assert_non_null(strstr(result.out, "--help"));
		strcpy(by_option, result.out);
		RUN("help", commands[i]);
		assert_int_equal(result.status, CLI_FINE);
		assert_string_equal(result.out, by_option);
	}
	RUN("--version");
	assert_int_equal(result.status, CLI_FINE);
	assert_ptr_equal(strstr(result.out, "greenwave 0."), result.out);
}

/* list, watch and run --strict need the daemon; so do doctor's findings. */
static void no_daemon_is_3(void **state)
{
	static const char message[] =
		"greenwave: no daemon at /nonexistent/socket: No such file or directory\n";

	fake.daemon_error = -ENOENT;
	RUN();
	assert_refused(CLI_NO_DAEMON, message);
	RUN("list", "--json");
	assert_refused(CLI_NO_DAEMON, message);
	RUN("watch");
	assert_refused(CLI_NO_DAEMON, message);
	RUN("run", "--class", "voice", "--strict", "--", "echo", "it ran");
	assert_refused(CLI_NO_DAEMON, message);

	fake.daemon_error = -ETIMEDOUT;
	RUN("list");
	assert_int_equal(result.status, CLI_NO_DAEMON);
	fake.daemon_error = -EACCES;
	RUN("list");
	assert_refused(CLI_DENIED, "greenwave: cannot reach the daemon at /nonexistent/socket: "
				   "Permission denied\n");
	fake.daemon_error = -EMFILE;
	RUN("list");
	assert_int_equal(result.status, CLI_FAILED);
}

/* ---- list ---- */

static void list_prints(void **state)
{
	RUN("list", "--json");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.out, "{\"flows\":[" FLOW_7 "]}\n");

	RUN("list", "--json", "--all");
	assert_non_null(strstr(result.out, FLOW_7 ",{\"id\":8,"));
	assert_non_null(strstr(
		result.out,
		"\"state\":\"closed\",\"api\":\"native\",\"shaping\":null,"
		"\"reserved_bps\":null,\"counters\":null,\"path\":null,\"direction\":null}]}\n"));

	RUN(); /* no arguments are `list` */
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(
		result.out,
		"ID  PID  PROGRAM  PROTO  LOCAL           DESTINATION  CLASS  DSCP  RATE  SHAPING  STATE   API\n"
		" 7   42  caller   udp    127.0.0.1:5004  -            voice    56     -  -        active  native\n");

	fake.record_count = 0;
	RUN("list", "--json");
	assert_string_equal(result.out, "{\"flows\":[]}\n");
	RUN("list");
	assert_string_equal(result.out, "no flows\n");
}

/* Half a list is no list: nothing is printed unless all of it came. */
static void list_fails_whole(void **state)
{
	fake.list_error = -ESHUTDOWN;
	RUN("list", "--json");
	assert_refused(CLI_NO_DAEMON, "greenwave: cannot list the flows: the daemon went away\n");
	fake.list_error = -EACCES;
	RUN("list");
	assert_refused(CLI_DENIED, "greenwave: cannot list the flows: denied\n");
	fake.list_error = -ENOMEM;
	RUN("list");
	assert_int_equal(result.status, CLI_FAILED);
}

static void unwritable_output_is_a_failure(void **state)
{
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);

	assert_true(full >= 0);
	result.status = wait_status(start(full, err, (char *[]){ "list", "--json", NULL }));
	read_back(err, result.err, sizeof(result.err));
	close(full);
	assert_refused(CLI_FAILED, "greenwave: cannot write the output: No space left on device\n");
}

/* ---- run ---- */

static void run_marks_then_executes(void **state)
{
	/* The program sees what gw_run_self() did to the process, and its status is ours. */
	RUN("run", "--class", "voice", "--", "sh", "-c", "echo class $FAKE_CLASS $1; exit 23", "sh",
	    "--strict");
	assert_int_equal(result.status, 23);
	assert_string_equal(result.out, "class 4 --strict\n");
	assert_string_equal(result.err, "");

	RUN("run", "--class=background", "sh", "-c", "exit $FAKE_CLASS"); /* without "--" */
	assert_int_equal(result.status, 1);

	/* Lists show the program's name, not ours. */
	RUN("run", "--class=control", "--", "/bin/sh", "-c", "echo $FAKE_NAME");
	assert_string_equal(result.out, "sh\n");

	RUN("run", "--class", "voice", "--", "sh", "-c", "kill -TERM $$");
	assert_int_equal(result.status, -SIGTERM);
}

static void run_without_marks_warns(void **state)
{
	fake.daemon_error = -ECONNREFUSED;
	RUN("run", "--class", "voice", "--", "sh", "-c", "echo ran${FAKE_CLASS}; exit 5");
	assert_int_equal(result.status, 5);
	assert_string_equal(result.out, "ran\n");
	assert_string_equal(result.err, "greenwave: cannot reach a daemon at /nonexistent/socket "
					"(Connection refused): running sh unmarked\n");

	fake.daemon_error = 0;
	fake.run_error = -EOPNOTSUPP;
	RUN("run", "--class", "voice", "--", "sh", "-c", "exit 6");
	assert_int_equal(result.status, 6);
	assert_string_equal(result.err, "greenwave: the daemon cannot mark programs on this host: "
					"running sh unmarked\n");

	fake.run_error = -ENOBUFS;
	RUN("run", "--class", "voice", "--", "true");
	assert_int_equal(result.status, 0);
	assert_string_equal(result.err, "greenwave: cannot mark the program (No buffer space "
					"available): running true unmarked\n");
}

static void run_strict_refuses(void **state)
{
	fake.run_error = -EOPNOTSUPP;
	RUN("run", "--class", "voice", "--strict", "--", "echo", "it ran");
	assert_refused(CLI_FAILED, "greenwave: echo is not run: the daemon cannot mark programs "
				   "(see greenwave doctor)\n");
	fake.run_error = -EACCES;
	RUN("run", "--class", "voice", "--strict", "--", "echo", "it ran");
	assert_refused(CLI_DENIED, "greenwave: cannot mark the program: denied\n");
	fake.run_error = -ESHUTDOWN;
	RUN("run", "--class", "voice", "--strict", "--", "echo", "it ran");
	assert_int_equal(result.status, CLI_NO_DAEMON);
}

static void run_sets_a_rate(void **state)
{
	static const char script[] = "echo class $FAKE_CLASS rate $FAKE_RATE";

	RUN("run", "--class", "voice", "--rate", "64kbit", "--", "sh", "-c", (char *)script);
	assert_int_equal(result.status, 0);
	assert_string_equal(result.out, "class 4 rate 64000\n");
	RUN("run", "--class=background", "--rate=2.5Mbit", "sh", "-c", (char *)script);
	assert_string_equal(result.out, "class 1 rate 2500000\n");
	/* The number that stands for "a small reservation" in the library is an ordinary rate here. */
	RUN("run", "--class=voice", "--rate=4294967295bit", "sh", "-c", (char *)script);
	assert_string_equal(result.out, "class 4 rate 4294967294\n");
}

/* With --rate, nothing is started that would send at will, and the reason is said. */
static void run_never_goes_without_its_rate(void **state)
{
	static char *const args[] = { "run",   "--class", "voice", "--rate",
				      "1Mbit", "--",	  "echo",  "it ran" };

	fake.run_error = -EOPNOTSUPP;
	RUN(args[0], args[1], args[2], args[3], args[4], args[5], args[6], args[7]);
	assert_refused(CLI_FAILED, "greenwave: echo is not run: the daemon cannot keep programs to "
				   "a rate here (see greenwave doctor)\n");
	fake.run_error = -EACCES;
	RUN(args[0], args[1], args[2], args[3], args[4], args[5], args[6], args[7]);
	assert_refused(CLI_DENIED, "greenwave: cannot keep the program to a rate: denied\n");
	fake.daemon_error = -ENOENT;
	RUN(args[0], args[1], args[2], args[3], args[4], args[5], args[6], args[7]);
	assert_refused(CLI_NO_DAEMON,
		       "greenwave: no daemon at /nonexistent/socket: No such file or directory\n");
}

static void rates_that_are_none(void **state)
{
	static const struct {
		const char *rate, *message;
	} cases[] = {
		{ "64", "greenwave: run: '64' is no rate: a number with bit, kbit, Mbit or Gbit is "
			"needed\n" },
		{ "fast",
		  "greenwave: run: 'fast' is no rate: a number with bit, kbit, Mbit or Gbit "
		  "is needed\n" },
		{ "0kbit", "greenwave: run: '0kbit' is no rate at all\n" },
		{ "0.0Mbit", "greenwave: run: '0.0Mbit' is no rate at all\n" },
		{ "-64kbit", "greenwave: run: '-64kbit' is negative\n" },
		{ "999bit", "greenwave: run: '999bit' is out of range: 1kbit to 1000Gbit\n" },
		{ "1001Gbit", "greenwave: run: '1001Gbit' is out of range: 1kbit to 1000Gbit\n" },
		{ "99999999999999999999Gbit",
		  "greenwave: run: '99999999999999999999Gbit' is out of "
		  "range: 1kbit to 1000Gbit\n" },
		{ "64MB",
		  "greenwave: run: '64MB' is no rate: a number with bit, kbit, Mbit or Gbit "
		  "is needed\n" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN("run", "--class", "voice", "--rate", (char *)cases[i].rate, "--", "echo",
		    "it ran");
		assert_refused(CLI_MISUSE, cases[i].message);
	}
	RUN("run", "--class", "voice", "--rate", "1kbit", "--", "true");
	assert_int_equal(result.status, 0);
	RUN("run", "--class", "voice", "--rate", "1000Gbit", "--", "true");
	assert_int_equal(result.status, 0);
}

static void run_fails_as_shells_do(void **state)
{
	RUN("run", "--class", "voice", "--", "/nonexistent/program");
	assert_refused(CLI_NOT_FOUND, "greenwave: run: cannot execute '/nonexistent/program': No "
				      "such file or directory\n");
	RUN("run", "--class", "voice", "--", "/");
	assert_refused(CLI_CANNOT_EXECUTE,
		       "greenwave: run: cannot execute '/': Permission denied\n");
}

/* ---- forward ---- */

#define FORWARD                                                                                \
	"forward", "--class", "voice", "--to", "192.0.2.1:5060", "--protocol", "udp", "--out", \
		"eth0"

/* Everything is passed on, and the command's status is ours. */
static void forward_while_a_command_runs(void **state)
{
	RUN(FORWARD, "--", "sh", "-c", "echo it ran; exit 7");
	assert_int_equal(result.status, 7);
	assert_string_equal(result.out, "it ran\n");
	assert_string_equal(result.err, "class 4 protocol 17 from 0:0 to 2:5060 out eth0\n");
	RUN("forward", "--class=background", "--from=192.0.2.9:1", "--to=192.0.2.1",
	    "--protocol=47", "--out=wan", "--rate=2Mbit", "true");
	assert_int_equal(result.status, 0);
	assert_string_equal(result.err,
			    "class 1 protocol 47 from 2:1 to 2:0 out wan\nrate 2000000\n");
	RUN(FORWARD, "--", "sh", "-c", "kill -KILL $$");
	assert_int_equal(result.status, 128 + SIGKILL);
	RUN(FORWARD, "--", "/nonexistent/program");
	assert_int_equal(result.status, CLI_NOT_FOUND);
}

/* Starts it with a pipe as its output, reads the first line and ends it by a signal. */
static void forward_until_a_signal(void **state)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		int out[2], err = memfd_create("err", MFD_CLOEXEC);
		char line[64] = "";
		ssize_t n;
		pid_t pid;

		assert_int_equal(pipe2(out, O_CLOEXEC), 0);
		pid = start(out[1], err, (char *[]){ FORWARD, NULL });
		close(out[1]);
		n = read(out[0], line, sizeof(line) - 1);
		assert_true(n > 0);
		assert_string_equal(line, "flow 9 is in force; Ctrl-C ends it\n");
		kill(pid, signals[i]);
		assert_int_equal(wait_status(pid), CLI_FINE);
		close(out[0]);
		close(err);
	}
}

static void forward_passes_signals_on(void **state)
{
	int out[2], err = memfd_create("err", MFD_CLOEXEC);
	char line[64] = "";
	pid_t pid;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = start(out[1], err,
		    (char *[]){ FORWARD, "sh", "-c",
				"trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done",
				NULL });
	close(out[1]);
	assert_true(read(out[0], line, sizeof(line) - 1) > 0);
	assert_string_equal(line, "ready\n");
	kill(pid, SIGTERM);
	assert_int_equal(wait_status(pid), 3);
	close(out[0]);
	close(err);
}

static void add_event(enum gw_event_type type, const char *reason);

/* Without its flow there is no reason to stay; a command goes on, and its status counts. */
static void forward_ends_with_the_flow(void **state)
{
	fake.records[0].id = 9;
	add_event(GW_EVENT_FLOW_ENDED, "revoked");
	RUN(FORWARD);
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, "greenwave: forward: the daemon has ended the flow: "
					   "revoked\n"));
	RUN(FORWARD, "sh", "-c", "sleep 0.2; exit 5");
	assert_int_equal(result.status, 5);
	assert_non_null(strstr(result.err, "revoked\n"));

	fake.event_count = 0;
	add_event(GW_EVENT_DISCONNECTED, "");
	RUN(FORWARD);
	assert_int_equal(result.status, CLI_NO_DAEMON);
	assert_non_null(strstr(result.err, "greenwave: forward: the daemon went away\n"));
}

static void forward_misuse(void **state)
{
	RUN("forward", "--to", "192.0.2.1", "--protocol", "udp", "--out", "eth0");
	assert_refused(CLI_MISUSE, "greenwave: forward: --class is needed\n");
	RUN("forward", "--class", "voice", "--protocol", "udp", "--out", "eth0");
	assert_refused(CLI_MISUSE, "greenwave: forward: --to is needed\n");
	RUN("forward", "--class", "voice", "--to", "192.0.2.1", "--out", "eth0");
	assert_refused(CLI_MISUSE, "greenwave: forward: --protocol is needed\n");
	RUN("forward", "--class", "voice", "--to", "192.0.2.1", "--protocol", "udp");
	assert_refused(CLI_MISUSE, "greenwave: forward: --out is needed\n");
	RUN(FORWARD, "--from", "::1");
	assert_refused(CLI_MISUSE,
		       "greenwave: forward: --from and --to are of different versions of IP\n");
}

/* Nothing is started when it cannot be had, or not at the rate. */
static void forward_that_cannot_be(void **state)
{
	static const struct {
		int tuple_error, rate_error, status;
		const char *message;
	} cases[] = {
		{ -ENODEV, 0, CLI_FAILED, "forward: there is no interface 'eth0'" },
		{ -EEXIST, 0, CLI_FAILED, "forward: another flow has the same packets" },
		{ -EXDEV, 0, CLI_FAILED, "forward: the daemon serves another network namespace" },
		{ -EINVAL, 0, CLI_MISUSE,
		  "forward: there are no such packets: ports need a protocol that has them, "
		  "addresses must be of hosts, those of --to may be groups" },
		{ -EOPNOTSUPP, 0, CLI_FAILED,
		  "forward: the daemon cannot tell such packets apart here (see greenwave doctor)" },
		{ -EACCES, 0, CLI_DENIED, "forward: denied" },
		{ -ESHUTDOWN, 0, CLI_NO_DAEMON, "forward: the daemon went away" },
		{ 0, -EOPNOTSUPP, CLI_FAILED,
		  "forward: the daemon cannot keep such packets to a rate here (see greenwave "
		  "doctor)" },
		{ 0, -EDQUOT, CLI_FAILED, "forward: the link does not have that rate" },
	};
	char message[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake.tuple_error = cases[i].tuple_error;
		fake.rate_error = cases[i].rate_error;
		RUN(FORWARD, "--rate", "1Mbit", "--", "echo", "it ran");
		assert_int_equal(result.status, cases[i].status);
		assert_string_equal(result.out, "");
		snprintf(message, sizeof(message), "greenwave: %s\n", cases[i].message);
		assert_non_null(strstr(result.err, message));
	}
	fake.daemon_error = -ENOENT;
	RUN(FORWARD);
	assert_int_equal(result.status, CLI_NO_DAEMON);
}

/* ---- watch ---- */

static void add_event(enum gw_event_type type, const char *reason)
{
	struct gw_event *event = &fake.events[fake.event_count++];

	*event = (struct gw_event){
		.size = sizeof(*event),
		.type = type,
		.lost = 3,
		.time_us = 1700000000500000,
		.flow = fake.records[0],
	};
	strcpy(event->reason, reason);
}

static void watch_prints_lines(void **state)
{
	add_event(GW_EVENT_FLOW_ADDED, "");
	/* Losses of the second after the first are told together. */
	add_event(GW_EVENT_LOST, "");
	add_event(GW_EVENT_FLOW_ENDED, "closed");
	add_event(GW_EVENT_LOST, "");
	add_event(GW_EVENT_LOST, "");
	fake.end_error = -ESHUTDOWN;
	RUN("watch", "--json");
	assert_string_equal(result.out,
			    "{\"time\":1700000000.5,\"event\":\"flow-added\",\"reason\":null,"
			    "\"flow\":" FLOW_7 "}\n"
			    "{\"time\":1700000000.5,\"event\":\"flow-ended\",\"reason\":\"closed\","
			    "\"flow\":" FLOW_7 "}\n");
	assert_string_equal(result.err,
			    "greenwave: watch: 3 events were lost: they came faster than they were "
			    "read\n"
			    "greenwave: watch: 6 events were lost: they came faster than they were "
			    "read\n"
			    "greenwave: watch: the daemon went away\n");
	assert_int_equal(result.status, CLI_NO_DAEMON);

	setenv("TZ", "UTC0", 1);
	RUN("watch"); /* not a terminal */
	assert_string_equal(result.out, "22:13:20.500 flow-added   7 voice udp 127.0.0.1:5004 -> "
					"any caller[42] native\n"
					"22:13:20.500 flow-ended   7 voice udp 127.0.0.1:5004 -> "
					"any caller[42] native: closed\n");
}

static void watch_ends_with_the_daemon(void **state)
{
	add_event(GW_EVENT_DISCONNECTED, "");
	RUN("watch");
	assert_refused(CLI_NO_DAEMON, "greenwave: watch: the daemon went away\n");
}

static void watch_ends_by_signal(void **state)
{
	add_event(GW_EVENT_FLOW_ADDED, "");
	add_event((enum gw_event_type)EVENT_SIGNAL, "");
	RUN("watch", "--json");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.err, "");
	/* What came before the signal has been written. */
	assert_non_null(strstr(result.out, "\"event\":\"flow-added\""));
}

/* `greenwave watch | head -1`: the reader leaves, and that ends it without a word. */
static void watch_ends_with_its_reader(void **state)
{
	int fds[2], err;

	for (int with_event = 0; with_event < 2; with_event++) {
		if (with_event)
			add_event(GW_EVENT_FLOW_ADDED, "");
		err = memfd_create("err", MFD_CLOEXEC);
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		close(fds[0]);
		result.status = wait_status(start(fds[1], err, (char *[]){ "watch", NULL }));
		close(fds[1]);
		read_back(err, result.err, sizeof(result.err));
		assert_refused(CLI_FINE, "");
	}
}

/* On a terminal: a table on a screen of its own, and the user's screen back whatever happens. */
static void watch_restores_the_terminal(void **state)
{
	static const char leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";
	static const enum gw_event_type endings[] = { (enum gw_event_type)EVENT_SIGNAL,
						      GW_EVENT_DISCONNECTED };

	setenv("TERM", "xterm", 1);
	for (int i = 0; i < 2; i++) {
		struct winsize size = { .ws_row = 10, .ws_col = 60 };
		int master, slave, err = memfd_create("err", MFD_CLOEXEC);
		size_t used = 0;
		ssize_t n;
		pid_t pid;

		fake.event_count = 0;
		add_event(GW_EVENT_FLOW_ADDED, ""); /* the table is drawn, then the end comes */
		add_event(endings[i], "");
		if (openpty(&master, &slave, NULL, NULL, &size) < 0) {
			close(err);
			print_message("SKIP: no terminal to be had: /dev/pts is missing\n");
			skip();
		}
		pid = start(slave, err, (char *[]){ "watch", NULL });
		close(slave);
		while ((n = read(master, result.out + used, sizeof(result.out) - 1 - used)) > 0)
			used += (size_t)n;
		result.out[used] = '\0';
		close(master);
		close(err);
		assert_int_equal(wait_status(pid), i == 0 ? CLI_FINE : CLI_NO_DAEMON);

		assert_ptr_equal(strstr(result.out, "\033[?1049h"), result.out);
		assert_non_null(strstr(result.out, "PROGRAM"));
		assert_non_null(strstr(result.out, "flow-added"));
		assert_true(used > sizeof(leave));
		assert_string_equal(result.out + used - (sizeof(leave) - 1), leave);
	}
}

/* ---- status and doctor ---- */

static void status_of_the_daemon(void **state)
{
	RUN("status", "--json");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.out,
			    "{\"mode\":\"daemon\",\"version\":\"0.1.0\",\"flows\":2,"
			    "\"kernel\":{\"entries\":3,\"mechanisms\":{"
			    "\"marking\":{\"present\":true,\"note\":null},"
			    "\"magic\":{\"present\":false,\"note\":\"not on this host\"}}},"
			    "\"counters\":{\"refused\":18},\"limitations\":[],\"links\":{}}\n");
	RUN("status");
	assert_string_equal(result.out, "mode            daemon\n"
					"version         0.1.0\n"
					"flows           2\n"
					"kernel entries  3\n"
					"\nmechanisms\n"
					"  marking  yes\n"
					"  magic    no  not on this host\n"
					"\ncounters\n"
					"  refused  18\n");
}

/* What the daemon says of links that are handed over, in its own words. */
static void links_are_shown(void **state)
{
	fake.links = true;
	RUN("status", "--json");
	assert_non_null(strstr(result.out, "\"links\":{\"eth0\":{\"state\":\"scheduled\",\"note\":"
					   "\"100 Mbit/s, 75% reservable\"},"
					   "\"eth7\":{\"state\":\"waiting\",\"note\":null}}}\n"));
	RUN("status");
	assert_non_null(strstr(result.out, "\nlinks\n"
					   "  eth0  scheduled  100 Mbit/s, 75% reservable\n"
					   "  eth7  waiting\n"));
	RUN("doctor");
	assert_non_null(strstr(result.out, "ok       eth0     link, scheduled: 100 Mbit/s, 75% "
					   "reservable\n"));
	assert_non_null(strstr(result.out, "MISSING  eth7     link, waiting\n"
					   "                  next: none if the interface comes"));
}

static void status_without_a_daemon(void **state)
{
	fake.daemon_error = -ENOENT;
	RUN("status", "--json");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.out, "{\"mode\":\"embedded\",\"version\":\"0.1.0\",\"flows\":2,"
					"\"kernel\":{\"entries\":0,\"mechanisms\":{}},"
					"\"counters\":{},"
					"\"limitations\":[\"marks apply to whole sockets\"],"
					"\"links\":{}}\n");
	RUN("status");
	assert_int_equal(result.status, CLI_FINE);
	assert_ptr_equal(strstr(result.out, "No daemon is reachable at /nonexistent/socket (No "
					    "such file or directory).\n"),
			 result.out);
	assert_non_null(strstr(result.out, "marks apply to whole sockets"));

	fake.embedded_error = -ELIBACC;
	RUN("status");
	assert_refused(CLI_NO_DAEMON, "greenwave: no daemon at /nonexistent/socket, and the "
				      "embedded engine is not installed\n");
}

/* Something missing is marked, and no failure; the missing thing has a next step. */
static void doctor_with_a_daemon(void **state)
{
	json_t *root, *check;

	RUN("doctor");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, "ok       daemon   greenwaved 0.1.0"));
	assert_non_null(strstr(result.out, "ok       marking\n"));
	assert_non_null(strstr(result.out, "MISSING  magic    not on this host\n"
					   "                  next: "));
	assert_non_null(strstr(result.out, "\n1 of 3 missing\n"));

	RUN("doctor", "--json");
	assert_int_equal(result.status, CLI_FINE);
	root = json_loads(result.out, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	assert_true(json_is_true(json_object_get(json_object_get(root, "daemon"), "reachable")));
	assert_int_equal(json_array_size(json_object_get(root, "checks")), 3);
	check = json_array_get(json_object_get(root, "checks"), 2);
	assert_string_equal(json_string_value(json_object_get(check, "name")), "magic");
	assert_true(json_is_false(json_object_get(check, "present")));
	assert_true(json_is_string(json_object_get(check, "next")));
	json_decref(root);
}

static void doctor_without_a_daemon(void **state)
{
	fake.daemon_error = -ENOENT;
	RUN("doctor");
	assert_int_equal(result.status, CLI_NO_DAEMON);
	assert_string_equal(result.err, "");
	assert_non_null(strstr(result.out, "MISSING  daemon"));
	assert_non_null(strstr(result.out, "systemctl start greenwave"));
	assert_non_null(strstr(result.out, "MISSING  socket    /nonexistent/socket: No such file"));
	assert_non_null(strstr(result.out, "ok       kernel    Linux "));
	assert_non_null(strstr(result.out, "ok       embedded"));
	assert_non_null(
		strstr(result.out, "MISSING  rsvp      needs the daemon: QoS sockets have "));
	assert_non_null(strstr(result.out, "marks apply to whole sockets"));

	fake.daemon_error = -EACCES;
	fake.embedded_error = -ELIBACC;
	RUN("doctor", "--json");
	assert_int_equal(result.status, CLI_DENIED);
	assert_non_null(strstr(result.out, "\"reachable\":false"));
	assert_non_null(strstr(result.out, "libgreenwave-embedded.so"));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(misuse_is_one_line),
		TEST(help_goes_to_standard_output),
		TEST(no_daemon_is_3),
		TEST(list_prints),
		TEST(list_fails_whole),
		TEST(unwritable_output_is_a_failure),
		TEST(run_marks_then_executes),
		TEST(run_without_marks_warns),
		TEST(run_strict_refuses),
		TEST(run_sets_a_rate),
		TEST(run_never_goes_without_its_rate),
		TEST(rates_that_are_none),
		TEST(forward_while_a_command_runs),
		TEST(forward_until_a_signal),
		TEST(forward_passes_signals_on),
		TEST(forward_ends_with_the_flow),
		TEST(forward_misuse),
		TEST(forward_that_cannot_be),
		TEST(run_fails_as_shells_do),
		TEST(watch_prints_lines),
		TEST(watch_ends_with_the_daemon),
		TEST(watch_ends_by_signal),
		TEST(watch_ends_with_its_reader),
		TEST(watch_restores_the_terminal),
		TEST(status_of_the_daemon),
		TEST(links_are_shown),
		TEST(status_without_a_daemon),
		TEST(doctor_with_a_daemon),
		TEST(doctor_without_a_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
