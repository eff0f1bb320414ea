/* SPDX-License-Identifier: MIT */
/*
 * parse.h: text that people write, for the configuration and the command line. Strict and without locale:
 * the whole text must be the value, no blanks, no signs, no leading "0x", units exactly as shown.
 *
 * Every function returns 0, -EINVAL (not of that form) or -ERANGE (of that form, but out of range), and
 * writes its result only in the first case.
 */
#ifndef GW_BASE_PARSE_H
#define GW_BASE_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/* "10000" */
int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value);

/* "64kbit", "2.5Gbit": bit, kbit, Mbit, Gbit, decimal, more than nothing, and a whole number of bits. */
int parse_rate(const char *text, uint64_t *ret_rate_bps);

/* "30s", "1.5ms", "2min": ms, s, min, and a whole number of microseconds. */
int parse_duration(const char *text, uint64_t *ret_duration_us);

/* "75%": 0 to 100. */
int parse_share(const char *text, uint32_t *ret_percent);

/* "yes", "true", "on"; "no", "false", "off". */
int parse_switch(const char *text, bool *ret_on);

/* "46", or a name of RFC 2474, 2597, 3246, 5865, 8622 in either case: CS6, AF41, EF, VA, LE, DF (or BE). */
int parse_dscp(const char *text, uint8_t *ret_dscp);

#endif
