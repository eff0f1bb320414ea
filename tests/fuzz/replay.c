/* SPDX-License-Identifier: MIT */
/* replay.c: runs a fuzz target over every file of a folder, so that `make test` needs no clang for it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "fuzz.h"

#define INPUT_MAX (1024 * 1024)

static int replay(const char *folder, const char *name)
{
	_cleanup_(freep) uint8_t *input = NULL;
	_cleanup_(fclosep) FILE *file = NULL;
	char path[4096];
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "re");
	if (!file) {
		perror(path);
		return -1;
	}
	input = malloc(INPUT_MAX);
	if (!input)
		return -1;
	len = fread(input, 1, INPUT_MAX, file);
	/* Exactly as large as it is, so that the sanitizer sees each byte too many. */
	input = realloc(input, len ? len : 1);
	LLVMFuzzerTestOneInput(input, len);
	return 0;
}

int main(int argc, char *argv[])
{
	struct dirent *entry;
	int replayed = 0;
	DIR *folder;

	folder = argc == 2 ? opendir(argv[1]) : NULL;
	if (!folder) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay(argv[1], entry->d_name) < 0)
			return 1;
		replayed++;
	}
	closedir(folder);
	printf("%d inputs\n", replayed);
	return replayed > 0 ? 0 : 1;
}
