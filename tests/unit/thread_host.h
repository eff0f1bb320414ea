/* SPDX-License-Identifier: MIT */
/*
 * thread_host.h: a host of the engine in a thread of the test, which programs reach by a socket as they reach the daemon.
 * One at a time.
 */
#ifndef GW_TESTS_THREAD_HOST_H
#define GW_TESTS_THREAD_HOST_H

#include "host/host.h"

/* A host as `options` say, with the usual engine; it may be changed until it is started. */
struct host *thread_host_new(struct host_options options, const char *socket_path);
void thread_host_start(void);

/* Has the thread do something, and waits until it is done. */
void thread_host_order(void (*what)(void));

/* The host is gone when it returns, and its socket still takes connections. Idempotent. */
void thread_host_stop(void);

/* Stops it, if that has not been done, and clears up. */
void thread_host_end(void);

/* A socket to which programs can connect. */
int thread_host_listen(const char *socket_path);

#endif
