/* SPDX-License-Identifier: MIT */
/* kernel_world.c: see kernel_world.h. */
#include "kernel_world.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIP 77
#define TCX_EGRESS ((enum bpf_attach_type)47)

struct kernel_datapath *datapath;
struct kernel_facts facts;
bool only_clsact;

int open_with(const char *const *interfaces, uint32_t max_sockets)
{
	const struct kernel_config config = {
		.interfaces = interfaces,
		.only_clsact = only_clsact,
		.max_sockets = max_sockets,
	};

	return kernel_datapath_open(&config, &facts, &datapath);
}

int open_datapath(void)
{
	return open_with(NULL, 4096);
}

int setup(void **state)
{
	only_clsact = false;
	return open_datapath();
}

int setup_clsact(void **state)
{
	only_clsact = true;
	return open_datapath();
}

int teardown(void **state)
{
	datapath = kernel_datapath_close(datapath);
	return 0;
}

static struct datapath_treatment treatment(uint8_t dscp)
{
	return (struct datapath_treatment){
		.flow_id = 1,
		.mark = { .set_dscp = true, .dscp = dscp, .set_priority = true, .priority = 5 },
	};
}

struct datapath_target target_any(int fd)
{
	return (struct datapath_target){ .cookie = socket_cookie(fd),
					 .fd = fd,
					 .any_destination = true };
}

struct datapath_target target_for(int fd, const struct ear *ear)
{
	struct datapath_target target = { .cookie = socket_cookie(fd), .fd = fd };

	target.destination = ear_address(ear);
	return target;
}

int apply(const struct datapath_target *target, uint8_t dscp)
{
	const struct datapath_treatment wanted = treatment(dscp);

	return kernel_datapath_ops.apply(datapath, target, &wanted);
}

void clear(const struct datapath_target *target)
{
	kernel_datapath_ops.clear(datapath, target);
}

uint64_t count(void)
{
	return kernel_datapath_ops.count(datapath);
}

static void on_close(void *user_data, const struct gw_close *event)
{
	struct seen *seen = user_data;

	if (seen->cookie != 0 && event->cookie != seen->cookie)
		return;
	seen->closes++;
	seen->last = *event;
}

/* As an event loop does; no turn of it takes long. */
struct seen poll_events(uint64_t cookie)
{
	struct pollfd pollfd = { .fd = kernel_datapath_event_fd(datapath), .events = POLLIN };
	struct seen seen = { .cookie = cookie };

	do {
		int before = seen.closes;
		bool lost;

		assert_int_equal(kernel_datapath_poll(datapath, on_close, &seen, &lost), 0);
		assert_true(seen.closes - before <= 256);
		seen.lost = seen.lost || lost;
	} while (poll(&pollfd, 1, 0) > 0);
	return seen;
}

static void on_link(void *user_data, const struct kernel_link *link)
{
	struct wanted_link *wanted = user_data;

	if (strcmp(link->name, wanted->name) != 0)
		return;
	wanted->found = true;
	wanted->link = *link;
}

struct wanted_link find_link(const char *name)
{
	struct wanted_link wanted = { .name = name };

	kernel_datapath_visit_links(datapath, on_link, &wanted);
	return wanted;
}

bool is_attached(const char *name)
{
	return find_link(name).link.attached;
}

/* What the kernel says, not what we believe. The namespace is ours: whoever is there is we. */
bool has_tcx(const char *name)
{
	uint32_t ids[4], attached = 4;

	return bpf_prog_query((int)if_nametoindex(name), TCX_EGRESS, 0, NULL, ids, &attached) ==
		       0 &&
	       attached > 0;
}

bool has_filter(const char *name)
{
	return has_tcx(name) ||
	       net_run("tc filter show dev %s egress | grep -q greenwave_mark", name) == 0;
}

bool has_clsact(const char *name)
{
	return net_run("tc qdisc show dev %s | grep -q clsact", name) == 0;
}

bool has_pins(void)
{
	struct stat namespace, pins;
	char path[64];

	assert_int_equal(stat("/proc/self/ns/net", &namespace), 0);
	snprintf(path, sizeof(path), "/sys/fs/bpf/greenwave/%lu", (unsigned long)namespace.st_ino);
	return stat(path, &pins) == 0;
}

void stream_prepare(struct stream *stream)
{
	socklen_t len = sizeof(stream->address);

	stream->address = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	stream->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	stream->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	stream->server = -1;
	assert_int_equal(bind(stream->listener, (struct sockaddr *)&stream->address, len), 0);
	assert_int_equal(getsockname(stream->listener, (struct sockaddr *)&stream->address, &len),
			 0);
	assert_int_equal(listen(stream->listener, 1), 0);
}

void stream_connect(struct stream *stream)
{
	assert_int_equal(connect(stream->client, (struct sockaddr *)&stream->address,
				 sizeof(stream->address)),
			 0);
	stream->server = accept4(stream->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(stream->server >= 0);
}

void stream_close(struct stream *stream)
{
	close(stream->client);
	close(stream->server);
	close(stream->listener);
}

struct datapath_target stream_target(const struct stream *stream)
{
	struct datapath_target target = { .cookie = socket_cookie(stream->client),
					  .fd = stream->client };

	assert_int_equal(address_from_sockaddr((const struct sockaddr *)&stream->address,
					       sizeof(stream->address), &target.destination),
			 0);
	return target;
}

static void print_facts(void)
{
	for (int i = 0; i < KERNEL_MECHANISM_COUNT; i++)
		printf("%-18s %-3s %s\n", facts.mechanism[i].name,
		       facts.mechanism[i].present ? "yes" : "no", facts.mechanism[i].note);
}

int run_kernel_tests(int (*run)(void))
{
	int r = net_enter();

	if (r < 0) {
		printf("SKIP: no network namespace of our own: %s\n", strerror(-r));
		return SKIP;
	}
	r = open_datapath();
	print_facts();
	if (r < 0) {
		printf("SKIP: no kernel datapath here: %s\n", strerror(-r));
		return SKIP;
	}
	teardown(NULL);
	return run();
}
