/* SPDX-License-Identifier: MIT */
/*
 * test_lib_calls.c: libgreenwave in front of the embedded engine: what each call answers, and what
 * stands on the sockets themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <greenwave.h>

#define VOICE_TOS (56 << 2)

static struct gw *gw;
static struct sockaddr_in peer;

static struct gw *open_embedded(void (*on_event)(const struct gw_event *event, void *user_data))
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_EMBEDDED,
					   .on_event = on_event };
	struct gw *opened;

	assert_int_equal(gw_open(&opened, &options), 0);
	return opened;
}

static int set_up(void **state)
{
	(void)state;
	peer = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(9),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	gw = open_embedded(NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	gw = gw_close(gw);
	assert_null(gw);
	return 0;
}

static int udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static int tos_of(int fd)
{
	socklen_t len = sizeof(int);
	int tos;

	assert_int_equal(getsockopt(fd, IPPROTO_IP, IP_TOS, &tos, &len), 0);
	return tos;
}

static int add_to(int fd, uint16_t port, uint32_t flags, uint32_t *id)
{
	struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE, .flags = flags);

	peer.sin_port = htons(port);
	return gw_flow_add(gw, fd, (struct sockaddr *)&peer, sizeof(peer), &options, id);
}

static uint32_t add(int fd, uint32_t flags)
{
	uint32_t id;

	assert_int_equal(add_to(fd, 9, flags, &id), 0);
	return id;
}

/* marked at once, unmarked at once; the socket goes on working. */
static void marks_come_and_go(void **state)
{
	struct gw_flow_info info = { .size = sizeof(info) };
	int fd = udp();
	uint32_t id = add(fd, 0);

	(void)state;
	assert_int_equal(tos_of(fd), VOICE_TOS);
	assert_int_equal(gw_flow_set_class(gw, id, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(tos_of(fd), 8 << 2);
	assert_int_equal(gw_flow_query(gw, id, &info), 0);
	assert_int_equal(info.conformant_dscp, 8);
	assert_int_equal(info.sockets, 1);
	assert_int_equal(gw_flow_set_rate(gw, id, 1000000, GW_SHAPE_AND_MARK, 0), -EOPNOTSUPP);
	assert_int_equal(gw_flow_set_rate(gw, id, GW_RATE_NONE, GW_SHAPE_AND_MARK, 0), 0);
	assert_int_equal(tos_of(fd), 0);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_int_equal(gw_flow_remove(gw, id), -ENOENT);
	id = add(fd, 0);
	assert_int_equal(tos_of(fd), VOICE_TOS);
	gw_end(gw);
	assert_int_equal(tos_of(fd), 0);
	assert_int_equal(gw_flow_remove(gw, id), -ECANCELED);
	assert_int_equal(gw_flow_query(gw, id, &info), -ECANCELED);
	gw_end(gw);
	assert_int_equal(sendto(fd, "", 1, 0, (struct sockaddr *)&peer, sizeof(peer)), 1);
	close(fd);
}

/* two handles of one program do not disturb each other. */
static void two_handles(void **state)
{
	struct gw *mine = gw, *other = open_embedded(NULL);
	int fd = udp(), fd2 = udp();
	uint32_t first = add(fd, 0), second;

	(void)state;
	gw = other;
	second = add(fd2, 0);
	assert_int_not_equal(first, second);
	assert_int_equal(gw_flow_remove(other, first), -ENOENT);
	assert_int_equal(gw_flow_attach(other, first, fd2, NULL, 0, 0), -ENOENT);
	add(fd, 0); /* over the first one's */
	assert_int_equal(gw_flow_set_class(mine, first, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(tos_of(fd), VOICE_TOS);
	gw_close(other);
	assert_int_equal(tos_of(fd), 8 << 2);
	assert_int_equal(tos_of(fd2), 0);
	gw = mine;
	close(fd);
	close(fd2);
}

static void what_is_no_socket(void **state)
{
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC), local, raw;
	uint32_t id = 77;

	(void)state;
	assert_int_equal(add_to(-1, 9, 0, &id), -ENOTSOCK);
	assert_int_equal(add_to(file, 9, 0, &id), -ENOTSOCK);
	local = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(add_to(local, 9, 0, &id), -EAFNOSUPPORT);
	raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	if (raw >= 0)
		assert_int_equal(add_to(raw, 9, 0, &id), -EPROTONOSUPPORT);
	assert_int_equal(id, 77);
	close(file);
	close(local);
	if (raw >= 0)
		close(raw);
}

static void malformed_arguments(void **state)
{
	struct gw_flow_options options = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = 9 };
	struct {
		struct gw_flow_options known;
		uint64_t newer;
	} tail = { .known = options, .newer = 1 };
	struct gw_open_options open_options = { .size = sizeof(open_options), .mode = 3 };
	struct gw_flow_info info = { 0 };
	int fd = udp();
	uint32_t id;
	struct gw *other;

	(void)state;
	assert_int_equal(gw_flow_add(NULL, fd, NULL, 0, NULL, &id), -EINVAL);
	assert_int_equal(gw_flow_add(gw, fd, NULL, 0, NULL, NULL), -EINVAL);
	assert_int_equal(gw_flow_add(gw, fd, (struct sockaddr *)&six, sizeof(six), NULL, &id),
			 -EINVAL);
	assert_int_equal(gw_flow_add(gw, fd, (struct sockaddr *)&peer, 4, NULL, &id), -EINVAL);
	tail.known.size = sizeof(tail);
	assert_int_equal(gw_flow_add(gw, fd, NULL, 0, &tail.known, &id), -E2BIG);
	tail.newer = 0;
	assert_int_equal(gw_flow_add(gw, fd, NULL, 0, &tail.known, &id), 0);
	options.size = 3;
	assert_int_equal(gw_flow_add(gw, fd, NULL, 0, &options, &id), -EINVAL);
	assert_int_equal(gw_flow_query(gw, id, &info), -EINVAL);
	assert_int_equal(gw_flow_attach(gw, 0, fd, NULL, 0, 0), -ENOENT);
	assert_int_equal(gw_flow_set_class(gw, id, (enum gw_class)6), -EINVAL);
	assert_int_equal(gw_flow_set_dscp(gw, id, 64), -EINVAL);
	assert_int_equal(gw_open(NULL, NULL), -EINVAL);
	assert_int_equal(gw_open(&other, &open_options), -EINVAL);
	open_options = (struct gw_open_options){ .size = sizeof(open_options), .api = "" };
	assert_int_equal(gw_open(&other, &open_options), -EINVAL);
	open_options.api = "0123456789abcdef";
	assert_int_equal(gw_open(&other, &open_options), -EINVAL);
	assert_int_equal(gw_event_next(NULL, 0, NULL), -EINVAL);
	assert_int_equal(gw_event_fd(NULL), -EINVAL);
	assert_null(gw_close(NULL));
	gw_end(NULL);
	close(fd);
}

/* Nobody there, and only the daemon would do; or one that does not speak. */
static void no_daemon(void **state)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_DAEMON,
					   .socket_path = "/nonexistent/greenwave" };
	char path[120];
	struct gw *other;

	(void)state;
	assert_int_equal(gw_open(&other, &options), -ENOENT);
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	options.socket_path = path;
	assert_int_equal(gw_open(&other, &options), -ENAMETOOLONG);
	options.mode = GW_MODE_AUTO;
	assert_int_equal(gw_open(&other, &options), 0);
	gw_close(other);
	setenv("GREENWAVE_MODE", "sometimes", 1);
	assert_int_equal(gw_open(&other, &options), -EINVAL);
	setenv("GREENWAVE_MODE", "embedded", 1);
	assert_int_equal(gw_open(&other, &options), 0);
	unsetenv("GREENWAVE_MODE");
	gw_close(other);
}

/* Q-061 and beyond: one socket in a flow is one descriptor to keep in mind, whatever its destinations. */
static void many_destinations_of_one_socket(void **state)
{
	int fd = udp();
	uint32_t id = add(fd, 0);

	(void)state;
	for (int i = 0; i < 300; i++) {
		peer.sin_port = htons((uint16_t)(1000 + i % 200));
		assert_int_equal(
			gw_flow_attach(gw, id, fd, (struct sockaddr *)&peer, sizeof(peer), 0), 0);
	}
	assert_int_equal(gw_flow_set_class(gw, id, GW_CLASS_CONTROL), 0);
	assert_int_equal(gw_flow_detach(gw, id, fd), 0);
	assert_int_equal(tos_of(fd), 0);
	assert_int_equal(gw_flow_detach(gw, id, fd), -ENOENT);
	close(fd);
}

/* As many sockets as one message carries; all of them are reached when the flow ends. */
static void many_sockets_in_one_flow(void **state)
{
	enum { MOST = 128 };
	int fds[MOST + 1];
	uint32_t id;

	(void)state;
	for (int i = 0; i <= MOST; i++)
		fds[i] = udp();
	id = add(fds[0], 0);
	for (int i = 1; i < MOST; i++)
		assert_int_equal(gw_flow_attach(gw, id, fds[i], NULL, 0, 0), 0);
	assert_int_equal(gw_flow_attach(gw, id, fds[MOST], NULL, 0, 0), -ENOBUFS);
	assert_int_equal(tos_of(fds[MOST]), 0);
	assert_int_equal(tos_of(fds[MOST - 1]), VOICE_TOS);
	assert_int_equal(gw_flow_set_class(gw, id, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(tos_of(fds[MOST - 1]), 8 << 2);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	for (int i = 0; i <= MOST; i++) {
		assert_int_equal(tos_of(fds[i]), 0);
		close(fds[i]);
	}
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Looking for a socket under another number touches nothing else: files keep their record locks. */
static void record_locks_survive(void **state)
{
	char path[] = "/tmp/gw-lock-XXXXXX";
	struct flock mine = { .l_type = F_WRLCK }, seen = { .l_type = F_WRLCK };
	int file = mkstemp(path), fd = udp(), copy, status, before;
	uint32_t id = add(fd, 0);
	pid_t child;

	(void)state;
	unlink(path);
	assert_int_equal(fcntl(file, F_SETLK, &mine), 0);
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 200);
	close(fd);
	before = open_descriptors();
	assert_int_equal(gw_flow_set_class(gw, id, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(tos_of(copy), 8 << 2);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_int_equal(tos_of(copy), 0);
	assert_int_equal(open_descriptors(), before);
	child = fork();
	if (child == 0)
		_exit(fcntl(file, F_GETLK, &seen) == 0 && seen.l_type == F_WRLCK ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(copy);
	close(file);
}

/* A number that means another socket by now is left alone. Q-075 */
static void closed_and_opened_again(void **state)
{
	int fd = udp(), again;
	uint32_t id = add(fd, GW_FLOW_KEEP_WHEN_CLOSED);

	(void)state;
	close(fd);
	again = udp();
	assert_int_equal(again, fd);
	assert_int_equal(gw_flow_set_class(gw, id, GW_CLASS_BACKGROUND) <= 0, 1);
	assert_int_equal(tos_of(again), 0);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	close(again);
}

/* A child has no part in its parent's handle; it can have its own, with an engine of its own. */
static void children(void **state)
{
	int fd = udp(), status;
	uint32_t id = add(fd, 0);
	pid_t child;

	(void)state;
	usleep(20000); /* the engine's thread is idle: not all allocators survive another one's fork */
	child = fork();
	if (child == 0) {
		struct gw_flow_info info = { .size = sizeof(info) };
		struct gw_open_options options = { .size = sizeof(options),
						   .mode = GW_MODE_EMBEDDED };
		int own_fd = udp(), wrong = 0;
		uint32_t own;

		wrong |= gw_flow_query(gw, id, &info) != -ECHILD;
		wrong |= gw_flow_remove(gw, id) != -ECHILD;
		gw_end(gw);
		gw = gw_close(gw);
		wrong |= gw_open(&gw, &options) != 0;
		wrong |= add_to(own_fd, 9, 0, &own) != 0;
		wrong |= tos_of(own_fd) != VOICE_TOS;
		gw_close(gw);
		wrong |= tos_of(own_fd) != 0;
		_exit(wrong);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(tos_of(fd), VOICE_TOS);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_int_equal(tos_of(fd), 0);
	close(fd);
}

static int enough;

static void *open_and_close(void *user_data)
{
	while (!__atomic_load_n(&enough, __ATOMIC_SEQ_CST))
		gw_close(open_embedded(NULL));
	return user_data;
}

/* Born while other threads are opening: a child finds no lock that nobody will open. */
static void children_of_a_busy_program(void **state)
{
	pthread_t threads[3];

	(void)state;
#ifdef __SANITIZE_ADDRESS__
	print_message("SKIP: AddressSanitizer's own allocator does not survive it\n");
	skip();
#endif
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, NULL), 0);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		int status;

		if (child == 0) {
			alarm(20);
			gw_close(open_embedded(NULL));
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	__atomic_store_n(&enough, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
}

static int count_record(const struct gw_flow_record *record, void *user_data)
{
	uint32_t *last = user_data;

	assert_true(record->id > *last);
	assert_int_equal(record->pid, getpid());
	assert_string_equal(record->api, "native");
	assert_int_equal(record->dscp, 56);
	*last = record->id;
	return 0;
}

static int stop_at_once(const struct gw_flow_record *record, void *user_data)
{
	(void)record;
	++*(int *)user_data;
	return 42;
}

static int count_fact(enum gw_fact_kind kind, const char *name, const char *value, const char *note,
		      void *user_data)
{
	assert_true((unsigned)kind <= GW_FACT_LIMITATION);
	assert_true(*name && *value);
	assert_non_null(note);
	++*(int *)user_data;
	return 0;
}

/* Q-192..Q-194: pages and pages. */
static void seeing(void **state)
{
	enum { N = 500 };
	struct gw_status status = { .size = sizeof(status) };
	uint32_t ids[N], seen[N], last = 0, first = 0;
	int fd = udp(), n = 0, r;
	size_t count;

	(void)state;
	for (int i = 0; i < N; i++)
		assert_int_equal(add_to(fd, (uint16_t)(i + 1), 0, &ids[i]), 0);
	/* Identifiers begin anywhere, and may go round. */
	for (int i = 1; i < N; i++)
		first = ids[i] < ids[i - 1] ? (uint32_t)i : first;
	assert_int_equal(gw_list(gw, 0, count_record, &last), 0);
	assert_int_equal(last, ids[(first + N - 1) % N]);
	assert_int_equal(gw_list(gw, 0, stop_at_once, &n), 42);
	assert_int_equal(n, 1);
	assert_int_equal(gw_list(gw, 2, stop_at_once, &n), -EINVAL);
	r = gw_flow_enumerate(gw, seen, N, &count);
	if (geteuid() == 0) {
		assert_int_equal(r, 0);
		assert_int_equal(count, N);
		assert_int_equal(seen[0], ids[first]);
		assert_int_equal(gw_flow_enumerate(gw, seen, 3, &count), 0);
		assert_int_equal(count, N);
		assert_int_equal(gw_flow_enumerate(gw, NULL, 0, &count), 0);
	} else {
		assert_int_equal(r, -EACCES); /* */
	}
	assert_int_equal(gw_status(gw, &status), 0);
	assert_int_equal(status.mode, GW_MODE_EMBEDDED);
	assert_int_equal(status.flows, N);
	assert_string_equal(status.version, gw_version());
	n = 0;
	assert_int_equal(gw_facts(gw, count_fact, &n), 0);
	assert_true(n > 10);
	close(fd);
}

static void programs_need_the_daemon(void **state)
{
	uint32_t id = 5;

	(void)state;
	assert_int_equal(gw_run_self(gw, NULL, &id), -EOPNOTSUPP);
	assert_int_equal(id, 5);
}

static void names(void **state)
{
	enum gw_class found;

	(void)state;
	for (int c = 0; c < GW_CLASS_COUNT; c++) {
		assert_int_equal(gw_class_parse(gw_class_name((enum gw_class)c), &found), 0);
		assert_int_equal(found, c);
	}
	assert_null(gw_class_name((enum gw_class)6));
	assert_int_equal(gw_class_parse("Voice", &found), -EINVAL);
	assert_int_equal(gw_class_parse(NULL, &found), -EINVAL);
	for (int s = 0; s <= GW_FLOW_CLOSED; s++)
		assert_non_null(gw_flow_state_name((enum gw_flow_state)s));
	assert_null(gw_flow_state_name((enum gw_flow_state)9));
}

/* this host takes no part, and is not tracked. */
static void tracking(void **state)
{
	struct sockaddr_in6 none = { .sin6_family = AF_INET6 };
	int r;

	(void)state;
	assert_int_equal(gw_track_start(gw, NULL, 0), -EINVAL);
	assert_int_equal(gw_track_start(gw, (struct sockaddr *)&none, sizeof(none)), -EINVAL);
	r = gw_track_start(gw, (struct sockaddr *)&peer, sizeof(peer));
	assert_true(r == -EHOSTUNREACH || r == -EOPNOTSUPP);
	assert_int_equal(gw_track_stop(gw, (struct sockaddr *)&peer, sizeof(peer)), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(marks_come_and_go),
		TEST(two_handles),
		TEST(what_is_no_socket),
		TEST(malformed_arguments),
		TEST(no_daemon),
		TEST(many_destinations_of_one_socket),
		TEST(many_sockets_in_one_flow),
		TEST(record_locks_survive),
		TEST(closed_and_opened_again),
		TEST(children),
		TEST(children_of_a_busy_program),
		TEST(seeing),
		TEST(programs_need_the_daemon),
		TEST(names),
		TEST(tracking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
