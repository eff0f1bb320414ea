/* SPDX-License-Identifier: MIT */
/* fuzz_config.c: any text is either a configuration or told at least one error of a line that it has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "fuzz.h"

struct errors {
	int count;
	int lines; /* of the text */
};

static void on_error(const char *file, int line, const char *message, void *user)
{
	struct errors *errors = user;

	require(strcmp(file, "fuzz") == 0);
	require(line >= 0 && line <= errors->lines);
	require(*message);
	/* libconfuse's own: what it would object to must have been told before, with what is expected. */
	require(strncmp(message, "unexpected token", strlen("unexpected token")) != 0);
	require(strncmp(message, "no such option", strlen("no such option")) != 0);
	require(strncmp(message, "premature end", strlen("premature end")) != 0);
	require(strncmp(message, "missing ", strlen("missing ")) != 0);
	errors->count++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errors errors = { .lines = 1 };
	struct config *config = NULL;
	int r;

	for (size_t i = 0; i < size; i++)
		errors.lines += data[i] == '\n';
	r = config_parse_buffer("fuzz", (const char *)data, size, &config, on_error, &errors);
	require(r == 0 || r == -EINVAL || (r == -EFBIG && size > CONFIG_FILE_MAX));
	require((r == 0) == (errors.count == 0));
	require((r == 0) == (config != NULL));
	if (config) {
		require(config->max_flows >= 1 && config->max_clients >= 1);
		require(config->administrators.count <= CONFIG_NAMES_MAX);
		require(config->interfaces.count <= CONFIG_NAMES_MAX);
		for (int i = 0; i < GW_CLASS_COUNT; i++)
			require(config->marking.dscp[i] >= DSCP_NONE &&
				config->marking.dscp[i] <= DSCP_MAX);
	}
	config_free(config);
	return 0;
}
