/* SPDX-License-Identifier: MIT */
/* thread_host.c: see thread_host.h. */
#include "thread_host.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

static struct {
	pthread_t thread;
	struct event_base *base;
	struct host *host;
	struct event *arrivals, *orders;
	int listener, orders_pipe[2];
	void (*order)(void);
	sem_t obeyed;
	const char *socket_path;
} d;

/* ---- in the thread ---- */

static void on_arrival(evutil_socket_t listener, short what, void *user_data)
{
	int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	(void)what;
	(void)user_data;
	if (accepted >= 0)
		host_accept(d.host, accepted);
}

static void on_order(evutil_socket_t pipe_fd, short what, void *user_data)
{
	char byte;

	(void)what;
	(void)user_data;
	assert_int_equal(read(pipe_fd, &byte, 1), 1);
	d.order();
	host_schedule(d.host);
	sem_post(&d.obeyed);
}

static void *serve(void *user_data)
{
	(void)user_data;
	event_base_dispatch(d.base);
	d.host = host_free(d.host);
	return NULL;
}

static void stop(void)
{
	event_base_loopbreak(d.base);
}

/* ---- from outside ---- */

int thread_host_listen(const char *socket_path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	unlink(socket_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

struct host *thread_host_new(struct host_options options, const char *socket_path)
{
	d.base = options.base = event_base_new();
	engine_config_default(&options.engine);
	assert_int_equal(host_new(&options, &d.host), 0);
	assert_int_equal(pipe(d.orders_pipe), 0);
	sem_init(&d.obeyed, 0, 0);
	d.socket_path = socket_path;
	d.listener = thread_host_listen(socket_path);
	d.arrivals = event_new(d.base, d.listener, EV_READ | EV_PERSIST, on_arrival, NULL);
	d.orders = event_new(d.base, d.orders_pipe[0], EV_READ | EV_PERSIST, on_order, NULL);
	event_add(d.arrivals, NULL);
	event_add(d.orders, NULL);
	return d.host;
}

void thread_host_start(void)
{
	assert_int_equal(pthread_create(&d.thread, NULL, serve, NULL), 0);
}

void thread_host_order(void (*what)(void))
{
	d.order = what;
	assert_int_equal(write(d.orders_pipe[1], "", 1), 1);
	sem_wait(&d.obeyed);
}

void thread_host_stop(void)
{
	if (!d.thread)
		return;
	thread_host_order(stop);
	pthread_join(d.thread, NULL);
	d.thread = 0;
}

void thread_host_end(void)
{
	thread_host_stop();
	event_free(d.arrivals);
	event_free(d.orders);
	event_base_free(d.base);
	close(d.listener);
	close(d.orders_pipe[0]);
	close(d.orders_pipe[1]);
	sem_destroy(&d.obeyed);
	unlink(d.socket_path);
}
