/* SPDX-License-Identifier: MIT */
/*
 * qwave_conformance.c: the qWAVE checklist (spec/qwave.md §17) as a program, one function for each
 * item that does not need a measured path, or a link to shape. It uses loopback only, and reads marks
 * where the packets arrive.
 *
 *	[GREENWAVE_MODE=embedded|daemon] qwave_conformance [--long] [Q-026 ...]
 *
 * Prints one line for each item, `ok`, `FAIL` or `SKIP` and the reason, and a summary. Exit status
 * 1 if an item has failed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "items.h"

bool long_run;

static const struct item *current;
static jmp_buf item_end;
static enum { PASSED, FAILED, SKIPPED } outcome;
static char reason[512];

/* What is pending ends first, for it may be on the stack that is left here. */
static void __attribute__((noreturn)) leave_item(void)
{
	drop_kept();
	longjmp(item_end, 1);
}

void item_failed(const char *file, int line, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	va_list arguments;
	int n;

	n = snprintf(reason, sizeof(reason), "%s:%d: ", base ? base + 1 : file, line);
	va_start(arguments, format);
	vsnprintf(reason + n, sizeof(reason) - (size_t)n, format, arguments);
	va_end(arguments);
	outcome = FAILED;
	if (current)
		leave_item();
	puts(reason);
	exit(1);
}

void item_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	outcome = SKIPPED;
	if (current)
		leave_item();
	puts(reason);
	exit(ROLE_SKIP);
}

unsigned item_number(void)
{
	return (unsigned)strtoul(strchr(current->id, '-') + 1, NULL, 10);
}

void expect_result(const char *file, int line, const char *call, BOOL result, DWORD error)
{
	DWORD last = GetLastError();

	if (error == 0 && (result != TRUE || last != SENTINEL))
		item_failed(file, line, "%s gave %d, last error %u", call, result, last);
	if (error != 0 && (result != FALSE || last != error || (DWORD)WSAGetLastError() != error))
		item_failed(file, line, "%s gave %d, last error %u, not %u", call, result, last,
			    error);
}

static void run_item(const struct item *item, unsigned counts[3])
{
	static const char *const words[] = { "ok", "FAIL", "SKIP" };

	current = item;
	outcome = PASSED;
	if (setjmp(item_end) == 0)
		item->run();
	current = NULL;
	drop_kept();
	counts[outcome]++;
	if (outcome == PASSED)
		printf("ok %s %s\n", item->id, item->title);
	else
		printf("%s %s %s: %s\n", words[outcome], item->id, item->title, reason);
	fflush(stdout);
}

static bool is_chosen(const struct item *item, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], item->id) == 0)
			return true;
	}
	return argc == 0;
}

int main(int argc, char **argv)
{
	static const struct item *const tables[] = {
		handle_items, add_items,   remove_items, marking_items,	  set_items,
		rate_items,   query_items, notify_items, enumerate_items, board_items,
	};
	unsigned counts[3] = { 0 };

	if (argc > 2 && strcmp(argv[1], "--role") == 0)
		return role_main(argc - 2, argv + 2);
	setenv("GREENWAVE_MODE", "embedded", 0);
	argc--;
	argv++;
	if (argc > 0 && strcmp(argv[0], "--long") == 0) {
		long_run = true;
		argc--;
		argv++;
	}
	for (size_t i = 0; i < ARRAYSIZE(tables); i++) {
		for (const struct item *item = tables[i]; item->id; item++) {
			if (is_chosen(item, argc, argv))
				run_item(item, counts);
		}
	}
	printf("%u passed, %u failed, %u skipped\n", counts[PASSED], counts[FAILED],
	       counts[SKIPPED]);
	return counts[FAILED] ? 1 : 0;
}
