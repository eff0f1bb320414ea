/* SPDX-License-Identifier: MIT */
/*
 * embedded.c: libgreenwave-embedded.so, the engine inside an application. libgreenwave loads it when no
 * daemon is reachable, and speaks to it over a socket pair exactly as it would to the daemon.
 *
 * It is one thread with every signal blocked, and one engine for the process. The thread starts with the first
 * handle and stays, idle in its event loop, to the end of the process. Marks are socket options on the
 * descriptors that come with each request, so nothing here needs a privilege.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "datapath/socket/socket.h"
#include "host/endwatch.h"
#include "host/host.h"
#include "host/probe/probing.h"

struct embedded {
	pid_t pid; /* the process that it serves; a forked child starts its own */
	struct event_base *base;
	struct socket_datapath *datapath;
	struct host *host;
	struct endwatch *endwatch; /* NULL: the kernel answers no questions about sockets */
	struct probing *probing;   /* NULL: there is nothing to measure paths with */
	struct event *arrivals;
	int pipe[2]; /* descriptors of new connections, as integers */
};

static pthread_mutex_t lock =
	PTHREAD_MUTEX_INITIALIZER; /* guards `current` while it is being made */
static struct embedded *current;

/* The one symbol of this library, found with dlsym(). Takes `fd` over if it returns 0. */
__attribute__((visibility("default"))) int gw_embedded_serve(int fd);

static bool sees_endings(const struct embedded *embedded)
{
	return embedded->endwatch && endwatch_covers(embedded->endwatch, AF_INET, IPPROTO_UDP) &&
	       endwatch_covers(embedded->endwatch, AF_INET, IPPROTO_TCP);
}

static void facts(void *user_data, const struct fact_visitor *visitor)
{
	const struct embedded *embedded = user_data;
	const char *const *limitation;

	fact_tell_mechanism(visitor, "socket-options", true,
			    "marks are set on the sockets of this program");
	fact_tell_mechanism(
		visitor, "sock-diag", sees_endings(embedded),
		sees_endings(embedded)
			? "close() is noticed at once, shutdown() and disconnecting in a second"
			: "flows of sockets that were closed or shut down stay until removed");
	fact_tell_mechanism(visitor, "pacing", true,
			    "TCP sockets keep to rates, and datagrams of programs that pace them");
	fact_tell_mechanism(
		visitor, "rsvp", false,
		"nothing is signalled from here: QoS sockets have traffic control in this program only");
	if (embedded->probing)
		probing_facts(embedded->probing, visitor);
	for (limitation = socket_datapath_limitations(); *limitation; limitation++)
		fact_tell(visitor, GW_FACT_LIMITATION, "embedded", *limitation, "");
}

static void on_arrival(evutil_socket_t pipe_fd, short what, void *user_data)
{
	struct embedded *embedded = user_data;
	int fd;

	(void)what;
	if (read(pipe_fd, &fd, sizeof(fd)) == sizeof(fd))
		host_accept(embedded->host, fd); /* on failure the caller sees its connection end */
}

static void *thread_main(void *user_data)
{
	struct embedded *embedded = user_data;

	event_base_dispatch(embedded->base);
	return NULL;
}

/* Somebody may be in the middle of gw_embedded_serve() while another thread forks. */
static void lock_for_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void survive_fork(void)
{
	pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
}

/* Identifiers should be unique on the whole host, and no daemon is there to see to it: start at random. */
static uint32_t random_id(void)
{
	uint32_t id = 1;

	if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != sizeof(id))
		id = (uint32_t)getpid() << 10;
	return id;
}

static struct embedded *embedded_free(struct embedded *embedded)
{
	if (embedded->arrivals)
		event_free(embedded->arrivals);
	probing_free(embedded->probing);
	endwatch_free(embedded->endwatch);
	host_free(embedded->host);
	socket_datapath_free(embedded->datapath);
	if (embedded->base)
		event_base_free(embedded->base);
	if (embedded->pipe[0] >= 0) {
		close(embedded->pipe[0]);
		close(embedded->pipe[1]);
	}
	free(embedded);
	return NULL;
}

static int start_thread(struct embedded *embedded)
{
	sigset_t all, before;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, NULL, thread_main, embedded);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	pthread_setname_np(thread, "greenwave");
	pthread_detach(thread);
	return 0;
}

/* Without it, flows of sockets that were closed or shut down are listed until they are removed. */
static void watch_sockets(struct embedded *embedded)
{
	const struct endwatch_options options = {
		.base = embedded->base,
		.host = embedded->host,
		.closes = true,
		.shutdowns = true,
		.disconnects = true,
	};

	if (endwatch_new(&options, &embedded->endwatch) < 0)
		embedded->endwatch = NULL;
}

/*
 * For the flows of this program alone, with the rights it has: by MS-QLPB, and never as a sink. No socket is opened
 * before there is a path to measure. Without it, paths count as such that cannot be measured.
 */
static void measure_paths(struct embedded *embedded)
{
	struct probing_options options = {
		.base = embedded->base,
		.host = embedded->host,
		.frames_fd = -1,
	};

	prober_config_default(&options.config);
	options.config.sink = false;
	if (probing_new(&options, &embedded->probing) < 0)
		embedded->probing = NULL;
}

static int embedded_new(struct embedded **ret_embedded)
{
	struct host_options options = {
		.mode = GW_MODE_EMBEDDED,
		.datapath = &socket_datapath_ops,
		.max_clients = UINT32_MAX,
		.max_clients_per_user = UINT32_MAX,
		.facts = facts,
	};
	struct embedded *embedded = calloc(1, sizeof(*embedded));
	int r = -ENOMEM;

	if (!embedded)
		return -ENOMEM;
	embedded->pid = getpid();
	embedded->pipe[0] = embedded->pipe[1] = -1;
	embedded->base = event_base_new();
	embedded->datapath = socket_datapath_new();
	if (!embedded->base || !embedded->datapath)
		goto fail;
	engine_config_default(&options.engine);
	options.engine.first_flow_id = random_id();
	options.base = embedded->base;
	options.datapath_data = embedded->datapath;
	options.user_data = embedded;
	r = host_new(&options, &embedded->host);
	if (r < 0)
		goto fail;
	watch_sockets(embedded);
	measure_paths(embedded);
	if (pipe2(embedded->pipe, O_CLOEXEC) < 0) {
		r = -errno;
		goto fail;
	}
	r = -ENOMEM;
	embedded->arrivals = event_new(embedded->base, embedded->pipe[0], EV_READ | EV_PERSIST,
				       on_arrival, embedded);
	if (!embedded->arrivals || event_add(embedded->arrivals, NULL) < 0)
		goto fail;
	r = start_thread(embedded);
	if (r < 0)
		goto fail;
	*ret_embedded = embedded;
	return 0;
fail:
	embedded_free(embedded);
	return r;
}

int gw_embedded_serve(int fd)
{
	int r = 0;

	pthread_mutex_lock(&lock);
	/* After a fork there is a copy of everything but the thread: leave it alone and begin anew. */
	if (!current || current->pid != getpid())
		r = embedded_new(&current);
	if (r == 0 && write(current->pipe[1], &fd, sizeof(fd)) != sizeof(fd))
		r = -EIO;
	pthread_mutex_unlock(&lock);
	return r;
}
