/* SPDX-License-Identifier: MIT */
/*
 * handle_cost.c: how long QOSCreateHandle() takes.
 *
 *     handle_cost COUNT
 *
 * So many handles, one after the other, each closed before the next one. By the daemon or with the engine in the program,
 * as the environment says. The first one, for which libraries are loaded, is a case of its own.
 */
#include <qos2.h>
#include <stdlib.h>

#include "measure.h"

static void create(struct series *ms)
{
	QOS_VERSION version = { 1, 0 };
	uint64_t begin = wall_ns();
	HANDLE handle;

	if (!QOSCreateHandle(&version, &handle))
		die("QOSCreateHandle: error %u", (unsigned)GetLastError());
	series_add(ms, (double)(wall_ns() - begin) / 1e6);
	if (!QOSCloseHandle(handle))
		die("QOSCloseHandle: error %u", (unsigned)GetLastError());
}

int main(int argc, char **argv)
{
	struct series first = { 0 }, ms = { 0 };

	if (argc != 2)
		die("usage: handle_cost COUNT");
	create(&first);
	for (int i = atoi(argv[1]); i > 0; i--)
		create(&ms);
	report("first-handle", "ms", &first, NULL);
	report("create-handle", "ms", &ms, NULL);
	return 0;
}
