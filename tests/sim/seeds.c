/* SPDX-License-Identifier: MIT */
/* seeds.c: see seeds.h. */
#include "seeds.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define FAILURES_MAX 3

static char current[160];
static int current_len;

/* Of the sanitizers, if the program has them: what they find ends the program without a signal. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void name_seed(void)
{
	if (write(STDERR_FILENO, current, (size_t)current_len) < 0)
		return;
}

static void on_abort(int number)
{
	name_seed();
	signal(number, SIG_DFL);
	raise(number);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

void seeds_choose_test(void)
{
	const char *name = getenv("GW_SIM_TEST");

	if (name && *name)
		cmocka_set_test_filter(name);
}

bool seeds_run(const char *name, unsigned count, bool (*test)(uint64_t seed))
{
	uint64_t first = setting("GW_SEED", 1);
	uint64_t n = setting("GW_SIM_SEEDS", getenv("GW_SEED") ? 1 : count);
	unsigned failures = 0;

	if (&__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(name_seed);
	signal(SIGABRT, on_abort);
	for (uint64_t i = 0; i < n && failures < FAILURES_MAX; i++) {
		current_len = snprintf(current, sizeof(current),
				       "again with GW_SIM_TEST=%s GW_SEED=%llu\n", name,
				       (unsigned long long)(first + i));
		if (!test(first + i)) {
			name_seed();
			failures++;
		}
	}
	signal(SIGABRT, SIG_DFL);
	return failures == 0;
}
