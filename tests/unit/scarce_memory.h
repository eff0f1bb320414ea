/* SPDX-License-Identifier: MIT */
/*
 * scarce_memory.h: memory that runs out when a test says so, and is counted. The linker puts the functions of
 * scarce_memory.c in the place of the C library's (--wrap).
 */
#ifndef GW_TESTS_SCARCE_MEMORY_H
#define GW_TESTS_SCARCE_MEMORY_H

#include <stdbool.h>

extern unsigned memory_fails_at; /* this allocation from now; 0: none */
extern bool memory_failed;	 /* one has, since the test has cleared it */
extern long memory_blocks;	 /* that live */

#endif
