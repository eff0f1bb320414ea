/* SPDX-License-Identifier: MIT */
/* test_lib_library.c: who finds neither a daemon nor the embedded engine does not search for that one at every call. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <greenwave.h>

static unsigned n_searches;

/* In place of the C library's: there is no such library anywhere. */
void *dlopen(const char *name, int flags) __attribute__((visibility("default")));
void *dlopen(const char *name, int flags)
{
	(void)flags;
	n_searches += name && strstr(name, "embedded");
	return NULL;
}

static void test_missing_library_is_remembered(void **state)
{
	const struct gw_open_options options = { .size = sizeof(options),
						 .mode = GW_MODE_AUTO,
						 .socket_path = "/nonexistent/socket" };
	struct gw *gw = NULL;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(gw_open(&gw, &options), -ELIBACC);
	assert_int_equal(n_searches, 1);
	assert_null(gw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_library_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
