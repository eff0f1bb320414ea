/* SPDX-License-Identifier: MIT */
/*
 * `greenwave probe` against a fake libgreenwave, whose path answers what a test has written down, one answer for each
 * question.
 */
#include "cli_run.h"
#include "cli/fmt.h"

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <pty.h>
#include <string.h>
#include <sys/eventfd.h>

#define ANSWERS_MAX 64
#define MBIT UINT64_C(1000000)

/* ---- the fake library ---- */

struct gw {
	int event_fd;
	struct gw_event event;
	bool has_event;
};

struct answer {
	int result;
	struct gw_path_info info;
	enum gw_condition becomes; /* what pends for this completes after it */
	bool changes, interrupts;
};

static struct {
	int open_error, track_error, add_error;
	enum gw_mode mode;
	struct answer answers[ANSWERS_MAX]; /* the last one again and again */
	size_t n_answers, next;
	bool pending[2];
	int fresh_result;
	bool fresh_hangs;
} fake;

int gw_open(struct gw **ret_gw, const struct gw_open_options *options)
{
	assert_int_equal(options->mode, GW_MODE_AUTO);
	if (fake.open_error < 0)
		return fake.open_error;
	*ret_gw = calloc(1, sizeof(**ret_gw));
	(*ret_gw)->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return 0;
}

struct gw *gw_close(struct gw *gw)
{
	if (gw)
		close(gw->event_fd);
	free(gw);
	return NULL;
}

int gw_status(struct gw *gw, struct gw_status *ret_status)
{
	ret_status->mode = fake.mode;
	return 0;
}

int gw_track_start(struct gw *gw, const struct sockaddr *host, socklen_t host_len)
{
	assert_true(host->sa_family == AF_INET ? host_len == sizeof(struct sockaddr_in)
					       : host_len == sizeof(struct sockaddr_in6));
	return fake.track_error;
}

/* The socket is connected, and the flow adaptive: the public way to have a path measured. */
int gw_flow_add(struct gw *gw, int fd, const struct sockaddr *destination,
		socklen_t destination_len, const struct gw_flow_options *options, uint32_t *ret_id)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	assert_null(destination);
	assert_int_equal(options->flags, GW_FLOW_ADAPTIVE);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&peer, &len), 0);
	*ret_id = 5;
	return fake.add_error;
}

static void post(struct gw *gw, struct gw_event event)
{
	uint64_t one = 1;

	gw->event = event;
	gw->has_event = true;
	assert_int_equal(write(gw->event_fd, &one, sizeof(one)), sizeof(one));
}

static void complete(struct gw *gw, enum gw_condition condition)
{
	assert_true(fake.pending[condition]);
	fake.pending[condition] = false;
	post(gw, (struct gw_event){ .size = sizeof(gw->event),
				    .type = GW_EVENT_COMPLETED,
				    .token = (uint64_t)condition + 1 });
}

int gw_flow_query_path(struct gw *gw, uint32_t id, uint32_t flags, struct gw_path_info *ret_info)
{
	const struct answer *answer = &fake.answers[fake.next];

	assert_int_equal(id, 5);
	assert_int_equal(flags, 0);
	assert_int_equal(ret_info->size, sizeof(*ret_info));
	if (fake.next + 1 < fake.n_answers)
		fake.next++;
	if (answer->changes)
		complete(gw, answer->becomes);
	if (answer->interrupts)
		raise(SIGINT);
	if (answer->result == 0)
		*ret_info = answer->info;
	return answer->result;
}

/* Comes as an event, with the answer that came last. */
int gw_flow_begin_query_path(struct gw *gw, uint32_t id, uint32_t flags, uint64_t token,
			     struct gw_path_info *ret_info)
{
	assert_int_equal(flags, GW_PATH_FRESH);
	if (fake.fresh_hangs)
		raise(SIGINT); /* the user has no patience, and the path is not measured so soon */
	else if (fake.fresh_result == -EAGAIN)
		return -EAGAIN;
	else
		post(gw, (struct gw_event){ .size = sizeof(gw->event),
					    .type = GW_EVENT_COMPLETED,
					    .status = fake.fresh_result,
					    .token = token,
					    .flow.path = fake.answers[fake.next].info });
	return 1;
}

int gw_flow_notify(struct gw *gw, uint32_t id, enum gw_condition condition, uint64_t target_bps,
		   uint64_t token)
{
	assert_int_equal(target_bps, 0);
	assert_int_equal(token, condition + 1);
	if (fake.pending[condition])
		return -EEXIST;
	fake.pending[condition] = true;
	return 1;
}

int gw_event_fd(const struct gw *gw)
{
	return gw->event_fd;
}

int gw_event_next(struct gw *gw, int timeout_ms, struct gw_event *ret_event)
{
	uint64_t count;

	assert_int_equal(timeout_ms, 0);
	if (!gw->has_event)
		return 0;
	gw->has_event = false;
	assert_int_equal(read(gw->event_fd, &count, sizeof(count)), sizeof(count));
	*ret_event = gw->event;
	return 1;
}

void gw_event_release(struct gw_event *event)
{
}

/* ---- before each test ---- */

static struct gw_path_info info(uint64_t capacity_bps, uint64_t available_bps, uint32_t rtt_us)
{
	return (struct gw_path_info){
		.size = sizeof(struct gw_path_info),
		.capacity_known = capacity_bps > 0,
		.available_known = capacity_bps > 0,
		.rtt_known = rtt_us > 0,
		.capacity_bps = capacity_bps,
		.available_bps = available_bps,
		.rtt_us = rtt_us,
	};
}

static struct answer *then(int answer_result, struct gw_path_info answer_info)
{
	struct answer *answer = &fake.answers[fake.n_answers++];

	assert_true(fake.n_answers <= ANSWERS_MAX);
	*answer = (struct answer){ .result = answer_result, .info = answer_info };
	return answer;
}

static int set_up(void **state)
{
	memset(&fake, 0, sizeof(fake));
	memset(&result, 0, sizeof(result));
	fake.mode = GW_MODE_DAEMON;
	setenv("GREENWAVE_SOCKET", "/nonexistent/socket", 1);
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	return 0;
}

/* An error is one line on standard error, and nothing elsewhere. */
static void assert_refused(int status, const char *message)
{
	assert_string_equal(result.err, message);
	assert_string_equal(result.out, "");
	assert_int_equal(result.status, status);
}

#define FAST "--time", "600ms", "--interval", "50ms"

/* ---- misuse ---- */

static void misuse_is_one_line(void **state)
{
	RUN("probe");
	assert_refused(CLI_MISUSE, "greenwave: probe: which HOST?\n");
	RUN("probe", "a", "b");
	assert_refused(CLI_MISUSE, "greenwave: probe: one HOST at a time\n");
	RUN("probe", "127.0.0.1", "-4", "-6");
	assert_refused(CLI_MISUSE, "greenwave: probe: -4 and -6 exclude each other\n");
	RUN("probe", "--4", "127.0.0.1");
	assert_refused(CLI_MISUSE, "greenwave: probe: there is no option '--4'\n");
	RUN("probe", "-json", "127.0.0.1");
	assert_refused(CLI_MISUSE, "greenwave: probe: there is no option '-json'\n");
	RUN("probe", "--time", "2h", "127.0.0.1");
	assert_refused(CLI_MISUSE,
		       "greenwave: probe: '2h' is no duration: a number with us, ms, s or min "
		       "is needed\n");
	RUN("probe", "--time", "3601", "127.0.0.1");
	assert_refused(CLI_MISUSE, "greenwave: probe: --time is out of range: 500ms to 60min\n");
	RUN("probe", "--interval", "1ms", "127.0.0.1");
	assert_refused(CLI_MISUSE, "greenwave: probe: --interval is out of range: 50ms at least\n");
	RUN("probe", "--time", "1", "--interval", "2", "127.0.0.1");
	assert_refused(CLI_MISUSE, "greenwave: probe: --interval is longer than --time\n");
}

static void help_is_given_on_both_sides(void **state)
{
	RUN("probe", "--help");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, "greenwave probe [OPTION...] HOST: "));
	assert_non_null(strstr(result.out, "  -4  "));
	assert_non_null(strstr(result.out, "  --time TIME  "));
	RUN("probe", "127.0.0.1", "--help");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, "greenwave probe [OPTION...] HOST: "));
}

/* ---- what stands in the way ---- */

static void errors_say_what_to_do(void **state)
{
	RUN("probe", "-6", "192.0.2.1");
	assert_int_equal(result.status, CLI_FAILED);
	assert_memory_equal(result.err, "greenwave: probe: 192.0.2.1: ", 29);

	fake.open_error = -ELIBACC;
	RUN("probe", "127.0.0.1");
	assert_refused(CLI_NO_DAEMON,
		       "greenwave: probe: no daemon at /nonexistent/socket, and no engine to "
		       "measure with is installed\n");
	fake.open_error = -ENOENT; /* GREENWAVE_MODE=daemon */
	RUN("probe", "127.0.0.1");
	assert_refused(CLI_NO_DAEMON,
		       "greenwave: no daemon at /nonexistent/socket: No such file or "
		       "directory\n");
	fake.open_error = -EACCES;
	RUN("probe", "127.0.0.1");
	assert_int_equal(result.status, CLI_DENIED);

	fake.open_error = 0;
	fake.track_error = -EOPNOTSUPP;
	RUN("probe", "127.0.0.1");
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, "127.0.0.1 cannot be measured from here: "));
	fake.track_error = -EHOSTUNREACH;
	RUN("probe", "127.0.0.1");
	assert_refused(
		CLI_FAILED,
		"greenwave: probe: nobody at 127.0.0.1 takes part in measurements; there must run "
		"`greenwaved` with `probe { sink = true }`, and nothing may block port 2177\n");
	fake.track_error = -ESHUTDOWN;
	RUN("probe", "127.0.0.1");
	assert_refused(CLI_NO_DAEMON, "greenwave: probe: the daemon went away\n");
	fake.track_error = 0;
	fake.add_error = -EACCES;
	RUN("probe", "127.0.0.1");
	assert_refused(CLI_DENIED, "greenwave: probe: denied\n");
}

static void one_that_never_answers(void **state)
{
	then(-ENODATA, info(0, 0, 0));
	then(-ENODATA, info(0, 0, 0));
	then(-EOPNOTSUPP, info(0, 0, 0));
	RUN("probe", FAST, "127.0.0.1");
	assert_int_equal(result.status, CLI_FAILED);
	assert_non_null(strstr(result.err, "nobody at 127.0.0.1 takes part"));
	assert_string_equal(result.out, "");
}

/* ---- what is measured ---- */

static json_t *object(void)
{
	json_error_t error;
	json_t *value = json_loads(result.out, 0, &error);

	assert_non_null(value);
	return value;
}

static json_int_t number(json_t *value, const char *key)
{
	assert_true(json_is_integer(json_object_get(value, key)));
	return json_integer_value(json_object_get(value, key));
}

static const char *text(json_t *value, const char *key)
{
	return json_string_value(json_object_get(value, key));
}

static void figures_as_json(void **state)
{
	json_t *value, *spread, *first;

	then(-ENODATA, info(0, 0, 0));
	then(0, (struct gw_path_info){
			.size = sizeof(struct gw_path_info), .rtt_known = 1, .rtt_us = 900 });
	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	then(0, info(10 * MBIT, 6 * MBIT, 1100));
	then(0, info(9900000, 5 * MBIT, 1200));
	RUN("probe", FAST, "--json", "127.0.0.1");
	assert_string_equal(result.err, "");
	assert_int_equal(result.status, CLI_FINE);
	value = object();
	assert_string_equal(text(value, "host"), "127.0.0.1");
	assert_string_equal(text(value, "address"), "127.0.0.1");
	assert_string_equal(text(value, "mode"), "daemon");
	assert_string_equal(text(value, "end"), "complete");
	assert_string_equal(text(value, "state"), "unknown");
	assert_int_equal(number(value, "capacity_bps"), 9900000); /* the last */
	assert_int_equal(number(value, "available_bps"), 5 * MBIT);
	assert_int_equal(number(value, "rtt_us"), 1200);
	spread = json_object_get(value, "available_spread_bps");
	assert_int_equal(number(spread, "min"), 4 * MBIT);
	assert_int_equal(number(spread, "median"), 5 * MBIT);
	assert_int_equal(number(spread, "max"), 6 * MBIT);
	assert_int_equal(number(json_object_get(value, "rtt_spread_us"), "min"), 900);
	assert_true(json_array_size(json_object_get(value, "samples")) >= 4);
	assert_int_equal(json_array_size(json_object_get(value, "changes")), 0);
	first = json_array_get(json_object_get(value, "samples"), 0);
	assert_true(json_is_null(json_object_get(first, "capacity_bps")));
	assert_true(json_is_null(json_object_get(first, "available_bps")));
	assert_int_equal(number(first, "rtt_us"), 900);
	assert_true(json_real_value(json_object_get(first, "time")) == 0);
	assert_string_equal(text(first, "state"), "unknown");
	assert_true(json_real_value(json_object_get(value, "seconds")) >= 0.6);
	json_decref(value);
}

/* What is spare is never more than the capacity that stands beside it, though that has come down meanwhile. */
static void capacity_that_comes_down(void **state)
{
	json_t *value, *spread;

	then(0, info(10 * MBIT, 10 * MBIT, 1000));
	then(0, info(10 * MBIT, 10 * MBIT, 1000));
	then(0, info(9900000, 9900000, 1000));
	RUN("probe", FAST, "--json", "127.0.0.1");
	assert_int_equal(result.status, CLI_FINE);
	value = object();
	assert_int_equal(number(value, "capacity_bps"), 9900000);
	assert_int_equal(number(value, "available_bps"), 9900000);
	spread = json_object_get(value, "available_spread_bps");
	assert_int_equal(number(spread, "max"), 9900000);
	json_decref(value);
}

static void changes_of_state(void **state)
{
	struct answer *answer;
	json_t *value, *changes;

	then(0, info(10 * MBIT, 4 * MBIT, 1000)); /* only now the requests are made */
	answer = then(0, info(10 * MBIT, 4 * MBIT, 1000));
	answer->changes = true;
	answer->becomes = GW_CONDITION_UNCONGESTED;
	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	answer = then(0, info(10 * MBIT, 0, 90000));
	answer->changes = true;
	answer->becomes = GW_CONDITION_CONGESTED;
	then(0, info(10 * MBIT, 0, 90000));
	answer = then(0, info(10 * MBIT, 4 * MBIT, 1000));
	answer->changes = true;
	answer->becomes = GW_CONDITION_UNCONGESTED;
	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	RUN("probe", FAST, "--json", "127.0.0.1");
	assert_int_equal(result.status, CLI_FINE);
	value = object();
	changes = json_object_get(value, "changes");
	assert_int_equal(json_array_size(changes), 3);
	assert_string_equal(text(json_array_get(changes, 0), "state"), "uncongested");
	assert_string_equal(text(json_array_get(changes, 1), "state"), "congested");
	assert_string_equal(text(json_array_get(changes, 2), "state"), "uncongested");
	assert_string_equal(text(value, "state"), "uncongested");
	assert_int_equal(number(json_object_get(value, "available_spread_bps"), "min"), 0);
	json_decref(value);

	fake.next = 0;
	RUN("probe", FAST, "127.0.0.1");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, "  congested        from 0."));
	assert_non_null(strstr(result.out, "\n!: congested\n"));
	assert_null(strchr(result.out, '\033'));
}

static size_t longest_line(const char *lines)
{
	size_t longest = 0;

	for (; *lines; lines += strcspn(lines, "\n") + 1) {
		if (strcspn(lines, "\n") > longest)
			longest = strcspn(lines, "\n");
		if (lines[strcspn(lines, "\n")] == '\0')
			break;
	}
	return longest;
}

static void text_with_a_chart(void **state)
{
	then(0, info(123456789, 61 * MBIT, 1250));
	RUN("probe", FAST, "localhost", "-4");
	assert_int_equal(result.status, CLI_FINE);
	assert_string_equal(result.err, "");
	assert_memory_equal(result.out, "path to localhost (127.0.0.1), seen for 0.", 42);
	assert_non_null(strstr(result.out, "  capacity         123Mbit    the narrowest link"));
	assert_non_null(strstr(result.out, "  spare            61Mbit\n"));
	assert_non_null(strstr(result.out, "  round trip       1.25ms\n"));
	/* Half of it is free: four rows of eight. */
	assert_non_null(strstr(result.out,
			       "   123Mbit |\n           |\n           |\n           |\n"
			       "           |#################"));
	assert_true(longest_line(result.out) < FMT_WIDTH);
	assert_null(strchr(result.out, '\033'));
	assert_true(fake.next == 0); /* of this process: the child has its own */
}

static void not_everything_is_known(void **state)
{
	then(0, (struct gw_path_info){
			.size = sizeof(struct gw_path_info), .rtt_known = 1, .rtt_us = 30 });
	RUN("probe", FAST, "127.0.0.1");
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, "  capacity         not known\n"));
	assert_non_null(strstr(result.out, "  spare            not known\n"));
	assert_non_null(strstr(result.out, "  round trip       30us\n"));
	assert_null(strstr(result.out, "spare bandwidth"));
}

/* ---- ends ---- */

static void an_interrupt_ends_it_with_what_is_known(void **state)
{
	json_t *value;

	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	then(0, info(10 * MBIT, 4 * MBIT, 1000))->interrupts = true;
	RUN("probe", "--time", "60", "--interval", "50ms", "--json", "127.0.0.1");
	assert_int_equal(result.status, CLI_FINE);
	value = object();
	assert_string_equal(text(value, "end"), "interrupted");
	assert_int_equal(number(value, "capacity_bps"), 10 * MBIT);
	json_decref(value);
}

static void an_interrupt_before_anything_is_known(void **state)
{
	then(-ENODATA, info(0, 0, 0))->interrupts = true;
	RUN("probe", "127.0.0.1");
	assert_refused(CLI_FAILED,
		       "greenwave: probe: ended before anything was known of the path to "
		       "127.0.0.1\n");
}

static void the_other_end_goes_away(void **state)
{
	json_t *value;

	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	then(-EOPNOTSUPP, info(0, 0, 0));
	RUN("probe", "--time", "60", "--interval", "50ms", "--json", "127.0.0.1");
	assert_int_equal(result.status, CLI_FAILED);
	assert_string_equal(result.err, "greenwave: probe: 127.0.0.1 does not answer any more\n");
	value = object();
	assert_string_equal(text(value, "end"), "stopped-answering");
	json_decref(value);

	/* What was known may be old: a fresh look tells. */
	fake.n_answers = 1;
	fake.fresh_result = -ETIMEDOUT;
	RUN("probe", FAST, "--json", "127.0.0.1");
	assert_int_equal(result.status, CLI_FAILED);
	value = object();
	assert_string_equal(text(value, "end"), "stopped-answering");
	json_decref(value);

	/* Nobody waits for it longer than he wants to. */
	fake.fresh_hangs = true;
	RUN("probe", FAST, "--json", "127.0.0.1");
	assert_int_equal(result.status, CLI_FINE);
	value = object();
	assert_string_equal(text(value, "end"), "interrupted");
	json_decref(value);
	fake.fresh_hangs = false;

	/* No verdict: a measurement is under way. */
	fake.fresh_result = -EAGAIN;
	RUN("probe", FAST, "--json", "127.0.0.1");
	assert_int_equal(result.status, CLI_FINE);
}

static void the_daemon_goes_away(void **state)
{
	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	then(-ESHUTDOWN, info(0, 0, 0));
	RUN("probe", FAST, "--json", "127.0.0.1");
	assert_refused(CLI_NO_DAEMON, "greenwave: probe: the daemon went away\n");
}

/* ---- on a terminal ---- */

/* Runs it with a terminal for both its outputs; what came there goes to result.out. */
static void run_on_terminal(void)
{
	char *args[] = { (char *)"probe",
			 (char *)"--time",
			 (char *)"600ms",
			 (char *)"--interval",
			 (char *)"50ms",
			 (char *)"127.0.0.1",
			 NULL };
	size_t used = 0;
	int master, terminal;
	ssize_t n;
	pid_t pid;

	assert_int_equal(openpty(&master, &terminal, NULL, NULL, NULL), 0);
	pid = start(terminal, terminal, args);
	close(terminal);
	while (used + 1 < sizeof(result.out) &&
	       (n = read(master, result.out + used, sizeof(result.out) - 1 - used)) > 0)
		used += (size_t)n;
	result.out[used] = '\0';
	close(master);
	result.status = wait_status(pid);
}

static void a_terminal_sees_progress_and_colours(void **state)
{
	then(-ENODATA, info(0, 0, 0));
	then(0, info(10 * MBIT, 4 * MBIT, 1000));
	run_on_terminal();
	assert_int_equal(result.status, CLI_FINE);
	assert_non_null(strstr(result.out, "\rwaiting for 127.0.0.1 to answer ...\033[K"));
	assert_non_null(
		strstr(result.out, " of 1 s: capacity 10Mbit, spare 4Mbit, round trip 1ms\033[K"));
	assert_non_null(strstr(result.out, "\r\033[Kpath to 127.0.0.1, seen for 0."));
	assert_non_null(strstr(result.out, "\033[32m####"));

	setenv("NO_COLOR", "1", 1);
	run_on_terminal();
	assert_non_null(strstr(result.out, "\033[K"));
	assert_null(strstr(result.out, "\033[3"));
	assert_non_null(strstr(result.out, "####"));

	setenv("TERM", "dumb", 1);
	run_on_terminal();
	assert_null(strchr(result.out, '\033'));
	assert_non_null(strstr(result.out, "####"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(misuse_is_one_line, set_up),
		cmocka_unit_test_setup(help_is_given_on_both_sides, set_up),
		cmocka_unit_test_setup(errors_say_what_to_do, set_up),
		cmocka_unit_test_setup(one_that_never_answers, set_up),
		cmocka_unit_test_setup(figures_as_json, set_up),
		cmocka_unit_test_setup(capacity_that_comes_down, set_up),
		cmocka_unit_test_setup(changes_of_state, set_up),
		cmocka_unit_test_setup(text_with_a_chart, set_up),
		cmocka_unit_test_setup(not_everything_is_known, set_up),
		cmocka_unit_test_setup(an_interrupt_ends_it_with_what_is_known, set_up),
		cmocka_unit_test_setup(an_interrupt_before_anything_is_known, set_up),
		cmocka_unit_test_setup(the_other_end_goes_away, set_up),
		cmocka_unit_test_setup(the_daemon_goes_away, set_up),
		cmocka_unit_test_setup(a_terminal_sees_progress_and_colours, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
