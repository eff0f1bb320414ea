/* SPDX-License-Identifier: MIT */
/*
 * measure.h: what the measuring programs share: clocks, series of figures, places (network namespaces) and
 * the one line of JSON per case in which they answer bench/run.
 */
#ifndef GW_BENCH_MEASURE_H
#define GW_BENCH_MEASURE_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* ---- failing: a benchmark that cannot measure says why and ends with 1 ---- */

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the program if `r` is negative; `r` is a negative errno. */
void must(int r, const char *what);

/* The same for calls that set errno. Returns `r`. */
int must_call(int r, const char *what);

/* ---- clocks ---- */

uint64_t wall_ns(void);
uint64_t thread_cpu_ns(void);

/* ---- series ---- */

struct series {
	double *values;
	size_t count;
	size_t room;
};

void series_add(struct series *series, double value);
double series_mean(const struct series *series);
/* 0.5 is the median. Sorts the series. */
double series_quantile(struct series *series, double q);

/* Prints one case. `ratios`, if not NULL, are those of paired slices; their median is printed. */
void report(const char *id, const char *unit, struct series *values, struct series *ratios);

/* Prints one case that is a single figure. */
void report_count(const char *id, const char *unit, uint64_t value);

/* ---- places ---- */

/* The network namespace of the calling thread becomes that of this name ("-": where the program started). */
void enter_namespace(const char *name);

/* As many descriptors as the kernel lets us have. */
void raise_descriptor_limit(void);

int udp_socket(void);
struct sockaddr_in ipv4_address(const char *address, uint16_t port);

/* A socket that takes what is sent to `port` and counts what came with `tos`. */
int receiver_open(const char *namespace, uint16_t port, int receive_buffer_bytes);
/* Waits for `expected` datagrams and returns how many of them came with this TOS byte. */
size_t receiver_count(int fd, size_t expected, uint8_t tos);

/* ---- lanes ---- */

/* One of the ways that are measured side by side: "ID,KIND,NAMESPACE,WHERE,PEER"; the last two may be missing. */
struct lane {
	char *id;
	char *kind;
	char *namespace;
	char *where; /* the address of the peer, the path of the daemon's socket, ...; as KIND needs */
	char *peer; /* the address of another host, where WHERE is something else */
};

struct lane lane_parse(const char *text);

#endif
