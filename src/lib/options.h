/* SPDX-License-Identifier: MIT */
/*
 * options.h: structures that begin with their size, between programs and libraries of different age.
 */
#ifndef GW_LIB_OPTIONS_H
#define GW_LIB_OPTIONS_H

#include <errno.h>
#include <stddef.h>
#include <string.h>

/*
 * Copies a caller's structure over `known`, which holds the defaults. A shorter one leaves the rest at its
 * defaults; a longer one is fine as long as what we do not know is zero (-E2BIG).
 */
static inline int options_read(const void *given, void *known, size_t known_size)
{
	const unsigned char *bytes = given;
	size_t size;

	if (!given)
		return 0;
	memcpy(&size, given, sizeof(size));
	if (size < sizeof(size) || size > 4096)
		return -EINVAL;
	for (size_t i = known_size; i < size; i++) {
		if (bytes[i] != 0)
			return -E2BIG;
	}
	memcpy(known, given, size < known_size ? size : known_size);
	return 0;
}

/* Copies our structure to the caller's as far as that reaches; its size stays as the caller set it. */
static inline int options_write(const void *known, size_t known_size, void *given)
{
	size_t size;

	memcpy(&size, given, sizeof(size));
	if (size < sizeof(size) || size > 4096)
		return -EINVAL;
	memset(given, 0, size);
	memcpy(given, known, size < known_size ? size : known_size);
	memcpy(given, &size, sizeof(size));
	return 0;
}

#endif
