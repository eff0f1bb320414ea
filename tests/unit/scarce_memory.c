/* SPDX-License-Identifier: MIT */
/* scarce_memory.c: see scarce_memory.h. */
#include "scarce_memory.h"

#include <stddef.h>

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void __real_free(void *block);
void __wrap_free(void *block);

unsigned memory_fails_at;
bool memory_failed;
long memory_blocks;

static bool fails_now(void)
{
	if (memory_fails_at == 0 || --memory_fails_at > 0)
		return false;
	memory_failed = true;
	return true;
}

static void *counted(void *block)
{
	memory_blocks += block != NULL;
	return block;
}

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : counted(__real_malloc(size));
}

/* Compilers make it of malloc() and memset(). */
void *__wrap_calloc(size_t n, size_t size)
{
	return fails_now() ? NULL : counted(__real_calloc(n, size));
}

void __wrap_free(void *block)
{
	memory_blocks -= block != NULL;
	__real_free(block);
}
