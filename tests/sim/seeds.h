/* SPDX-License-Identifier: MIT */
/*
 * seeds.h: the same test with many seeds. GW_SIM_SEEDS: how many (else what the test names), GW_SEED: the first
 * (1), GW_SIM_TEST: which test of the program alone. With what goes wrong both are named, so that it can be repeated.
 */
#ifndef GW_SIM_SEEDS_H
#define GW_SIM_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* Before the tests run. */
void seeds_choose_test(void);

/* Whether it went well with every seed. Ends after the third with which it did not. */
bool seeds_run(const char *name, unsigned count, bool (*test)(uint64_t seed));

#endif
