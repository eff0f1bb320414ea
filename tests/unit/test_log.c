/* SPDX-License-Identifier: MIT */
/* test_log.c: base/log and base/cleanup. Standard error is a file while a message is written. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/time.h"

struct capture {
	int file, kept;
	char text[4096];
};

static void capture_begin(struct capture *capture)
{
	capture->file = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(capture->file >= 0);
	capture->kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(capture->kept >= 0);
	assert_int_equal(dup2(capture->file, STDERR_FILENO), STDERR_FILENO);
}

static const char *capture_end(struct capture *capture)
{
	ssize_t n;

	assert_int_equal(dup2(capture->kept, STDERR_FILENO), STDERR_FILENO);
	n = pread(capture->file, capture->text, sizeof(capture->text) - 1, 0);
	assert_true(n >= 0);
	capture->text[n] = '\0';
	close(capture->kept);
	close(capture->file);
	return capture->text;
}

static int reset(void **state)
{
	unsetenv("JOURNAL_STREAM");
	return log_set_debug("");
}

static void plain_lines(void **state)
{
	struct capture capture;

	capture_begin(&capture);
	log_error("main", "no %s", "luck");
	log_warning("engine", "%d", 7);
	log_notice("engine", "n");
	log_info("engine", "i");
	log_debug("engine", "dropped");
	assert_string_equal(capture_end(&capture), "error: main: no luck\n"
						   "warning: engine: 7\n"
						   "notice: engine: n\n"
						   "info: engine: i\n");
}

static void arguments_of_dropped_messages_are_not_evaluated(void **state)
{
	int evaluated = 0;

	log_debug("engine", "%d", ++evaluated);
	assert_int_equal(evaluated, 0);
}

static void debug_by_module(void **state)
{
	assert_int_equal(log_set_debug("engine,kernel"), 0);
	assert_true(log_enabled(LOG_LEVEL_DEBUG, "engine"));
	assert_true(log_enabled(LOG_LEVEL_DEBUG, "kernel"));
	assert_false(log_enabled(LOG_LEVEL_DEBUG, "engin"));
	assert_false(log_enabled(LOG_LEVEL_DEBUG, "listener"));

	/* A mistake leaves the old choice in force. */
	assert_int_equal(log_set_debug("a,,b"), -EINVAL);
	assert_int_equal(log_set_debug("a,"), -EINVAL);
	assert_int_equal(log_set_debug(","), -EINVAL);
	assert_int_equal(log_set_debug("a-name-of-more-than-thirty-one-bytes"), -EINVAL);
	assert_int_equal(log_set_debug("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"), -E2BIG);
	assert_true(log_enabled(LOG_LEVEL_DEBUG, "kernel"));
	assert_false(log_enabled(LOG_LEVEL_DEBUG, "a"));

	assert_int_equal(log_set_debug("x,all"), 0);
	assert_true(log_enabled(LOG_LEVEL_DEBUG, "listener"));
	assert_int_equal(log_set_debug(""), 0);
	assert_false(log_enabled(LOG_LEVEL_DEBUG, "kernel"));
}

static void journal_gets_priorities(void **state)
{
	struct capture capture;
	char stream[64];
	struct stat st;

	capture_begin(&capture);
	assert_int_equal(fstat(capture.file, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_warning("engine", "one");
	log_error("engine", "two");
	/* The variable of a parent whose stream this is not. */
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_error("engine", "three");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_error("engine", "four");
	assert_string_equal(capture_end(&capture), "<4>engine: one\n"
						   "<3>engine: two\n"
						   "error: engine: three\n"
						   "error: engine: four\n");
}

static void others_cannot_forge_lines(void **state)
{
	struct capture capture;

	capture_begin(&capture);
	log_error("engine", "comm %s", "a\n<3>forged\x1b[31m\x7f");
	assert_string_equal(capture_end(&capture), "error: engine: comm a?<3>forged?[31m?\n");
}

static void long_messages_are_cut(void **state)
{
	struct capture capture;
	char text[3000];
	size_t len;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture_begin(&capture);
	log_error("engine", "%s", text);
	len = strlen(capture_end(&capture));
	assert_in_range(len, 900, 1024);
	assert_int_equal(capture.text[len - 1], '\n');
	assert_int_equal(strcspn(capture.text, "\n"), len - 1);
}

static void errno_survives(void **state)
{
	struct capture capture;

	capture_begin(&capture);
	errno = EBADMSG;
	log_error("engine", "%m");
	assert_int_equal(errno, EBADMSG);
	assert_string_equal(capture_end(&capture), "error: engine: Bad message\n");
}

static void limit_counts(void **state)
{
	struct log_limit limit = LOG_LIMIT(2, USEC_PER_SEC);
	uint64_t now_us = 0, suppressed = 99;

	assert_true(log_limit_allow(&limit, now_us, &suppressed));
	assert_int_equal(suppressed, 0);
	assert_true(log_limit_allow(&limit, now_us + 999998, &suppressed));
	suppressed = 99;
	assert_false(log_limit_allow(&limit, now_us + 999999, &suppressed));
	assert_int_equal(suppressed, 99);
	assert_false(log_limit_allow(&limit, now_us + 999999, &suppressed));

	/* The next interval tells what did not come, once. */
	now_us += USEC_PER_SEC + 1;
	assert_true(log_limit_allow(&limit, now_us, &suppressed));
	assert_int_equal(suppressed, 2);
	assert_true(log_limit_allow(&limit, now_us, &suppressed));
	assert_int_equal(suppressed, 0);
	assert_false(log_limit_allow(&limit, now_us, &suppressed));
}

static void limited_messages(void **state)
{
	struct log_limit limit = LOG_LIMIT(1, USEC_PER_SEC);
	struct capture capture;

	capture_begin(&capture);
	for (int i = 0; i < 5; i++)
		log_limited(&limit, USEC_PER_SEC, LOG_LEVEL_WARNING, "listener", "bad message %d",
			    i);
	log_limited(&limit, 2 * USEC_PER_SEC, LOG_LEVEL_WARNING, "listener", "bad message");
	/* What the level drops does not use the limit up. */
	log_limited(&limit, 3 * USEC_PER_SEC, LOG_LEVEL_DEBUG, "listener", "dropped");
	log_limited(&limit, 3 * USEC_PER_SEC, LOG_LEVEL_WARNING, "listener", "last");
	assert_string_equal(capture_end(&capture),
			    "warning: listener: bad message 0\n"
			    "warning: listener: bad message\n"
			    "warning: listener: 4 similar messages before that one were left out\n"
			    "warning: listener: last\n");
}

static int frees;

static void counted_free(void *p)
{
	frees++;
	free(p);
}
DEFINE_CLEANUP(void *, counted_free);

static void *make(bool keep)
{
	_cleanup_(counted_freep) void *p = malloc(1);
	_cleanup_(counted_freep) void *none = NULL;

	assert_null(none);
	return keep ? steal_ptr(&p) : NULL;
}

static void scope_cleanup(void **state)
{
	int kept, fd = memfd_create("test", MFD_CLOEXEC);

	frees = 0;
	assert_null(make(false));
	assert_int_equal(frees, 1);
	free(make(true));
	assert_int_equal(frees, 1);

	kept = steal_fd(&fd);
	assert_int_equal(fd, -1);
	errno = EBADMSG;
	closep(&fd);
	closep(&kept);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(fcntl(kept, F_GETFD), -1);
}

static void clocks_run(void **state)
{
	uint64_t before_us = time_now_us();

	assert_true(time_now_us() >= before_us);
	assert_true(time_epoch_us() > UINT64_C(1600000000) * USEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(plain_lines, reset, reset),
		cmocka_unit_test_setup_teardown(arguments_of_dropped_messages_are_not_evaluated,
						reset, reset),
		cmocka_unit_test_setup_teardown(debug_by_module, reset, reset),
		cmocka_unit_test_setup_teardown(journal_gets_priorities, reset, reset),
		cmocka_unit_test_setup_teardown(others_cannot_forge_lines, reset, reset),
		cmocka_unit_test_setup_teardown(long_messages_are_cut, reset, reset),
		cmocka_unit_test_setup_teardown(errno_survives, reset, reset),
		cmocka_unit_test(limit_counts),
		cmocka_unit_test_setup_teardown(limited_messages, reset, reset),
		cmocka_unit_test(scope_cleanup),
		cmocka_unit_test(clocks_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
