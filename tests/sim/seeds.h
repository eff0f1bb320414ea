/* SPDX-License-Identifier: MIT */
/*
 * seeds.h: the same test with many seeds. GW_SIM_SEEDS: how many (else what the test names), GW_SEED: the first
 * (1). With what goes wrong the seed is named, so that it can be repeated.
 */
#ifndef GW_SIM_SEEDS_H
#define GW_SIM_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether it went well with every seed. Ends after the third with which it did not. */
bool seeds_run(const char *name, unsigned count, bool (*test)(uint64_t seed));

#endif
