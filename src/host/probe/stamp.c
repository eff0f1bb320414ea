/* SPDX-License-Identifier: MIT */
/* stamp.c: see stamp.h. */
#include "host/probe/stamp.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

/* What waited longer than that was not stamped by the clock that we compare with: it has been set meanwhile. */
#define WAITED_MAX_NS NS_PER_S

/* Reading both clocks takes less, unless the process had to wait in between. */
#define READ_NS 2000
#define READ_TIMES 8

static uint64_t read_ns(clockid_t clock)
{
	struct timespec ts;

	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t stamp_now_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

/*
 * Who has to wait between two readings finds the clocks further apart, or closer together, by as much as half of that;
 * and a stamp that is too early makes all other packets look as if they had waited. So the closest readings count.
 */
void stamp_clock_read(struct stamp_clock *ret_clock)
{
	uint64_t least_ns = UINT64_MAX;

	for (unsigned i = 0; i < READ_TIMES && least_ns > READ_NS; i++) {
		uint64_t before_ns = stamp_now_ns();
		uint64_t epoch_ns = read_ns(CLOCK_REALTIME);
		uint64_t after_ns = stamp_now_ns();

		ret_clock->now_ns = after_ns;
		if (after_ns - before_ns >= least_ns)
			continue;
		least_ns = after_ns - before_ns;
		ret_clock->from_epoch_ns = (int64_t)(before_ns + least_ns / 2 - epoch_ns);
	}
}

static uint64_t convert(const struct stamp_clock *clock, const struct timespec *stamp)
{
	uint64_t epoch_ns = (uint64_t)stamp->tv_sec * NS_PER_S + (uint64_t)stamp->tv_nsec;
	uint64_t ns = epoch_ns + (uint64_t)clock->from_epoch_ns;

	return ns <= clock->now_ns && clock->now_ns - ns < WAITED_MAX_NS ? ns : clock->now_ns;
}

uint64_t stamp_of(const struct stamp_clock *clock, struct msghdr *message)
{
	struct timespec stamp;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS ||
		    c->cmsg_len < CMSG_LEN(sizeof(stamp)))
			continue;
		memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
		return convert(clock, &stamp);
	}
	return clock->now_ns;
}

int stamp_enable(int fd)
{
	const int on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ? -errno : 0;
}
