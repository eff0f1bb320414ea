/* SPDX-License-Identifier: MIT */
/* paced.c: see paced.h. */
#include "winqos/paced.h"

#include <errno.h>
#include <fcntl.h>
#include <greenwave.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define NSEC_PER_SEC 1000000000u
#define NSEC_PER_USEC 1000u

static void put_byte(struct msghdr *message, struct cmsghdr **at, int level, int type, int value)
{
	struct cmsghdr *head = *at ? CMSG_NXTHDR(message, *at) : CMSG_FIRSTHDR(message);

	head->cmsg_level = level;
	head->cmsg_type = type;
	head->cmsg_len = CMSG_LEN(sizeof(value));
	memcpy(CMSG_DATA(head), &value, sizeof(value));
	*at = head;
}

/* Packets of an IPv6 socket may be of either kind; each takes the value of its own. */
static ssize_t send_marked(int fd, const struct msghdr *message, int flags, int dscp)
{
	union {
		struct cmsghdr align;
		char bytes[2 * CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr marked = *message;
	struct cmsghdr *at = NULL;
	socklen_t length = sizeof(int);
	int family = AF_INET;

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
	marked.msg_control = control.bytes;
	marked.msg_controllen = sizeof(control.bytes);
	put_byte(&marked, &at, IPPROTO_IP, IP_TOS, dscp << 2);
	if (family == AF_INET6)
		put_byte(&marked, &at, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
	else
		marked.msg_controllen = CMSG_SPACE(sizeof(int));
	return sendmsg(fd, &marked, flags);
}

static size_t message_length(const struct msghdr *message)
{
	size_t length = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++)
		length += message->msg_iov[i].iov_len;
	return length;
}

ssize_t paced_send(int fd, const struct msghdr *message, int flags, uint64_t *ret_wait_ns)
{
	struct gw_pacing pacing = { .size = sizeof(pacing) };
	ssize_t n;

	*ret_wait_ns = 0;
	/* What is no datagram, or too long for one, is not held back. */
	if (gw_pace(fd, message_length(message), &pacing) < 0)
		pacing.dscp = -1;
	if (pacing.wait_ns > 0) {
		*ret_wait_ns = pacing.wait_ns;
		return -EAGAIN;
	}
	flags |= MSG_NOSIGNAL;
	n = pacing.dscp < 0 ? sendmsg(fd, message, flags)
			    : send_marked(fd, message, flags, pacing.dscp);
	return n < 0 ? -errno : n;
}

void paced_wait(uint64_t wait_ns)
{
	struct timespec left = { .tv_sec = (time_t)(wait_ns / NSEC_PER_SEC),
				 .tv_nsec = (long)(wait_ns % NSEC_PER_SEC) };

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* How long a send may wait; 0: not at all, UINT64_MAX: for ever. */
static uint64_t patience_ns(int fd, int flags)
{
	struct timeval limit = { 0 };
	socklen_t length = sizeof(limit);

	if ((flags & MSG_DONTWAIT) || (fcntl(fd, F_GETFL) & O_NONBLOCK))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &length) < 0 ||
	    (limit.tv_sec == 0 && limit.tv_usec == 0))
		return UINT64_MAX;
	return (uint64_t)limit.tv_sec * NSEC_PER_SEC + (uint64_t)limit.tv_usec * NSEC_PER_USEC;
}

ssize_t paced_send_blocking(int fd, const struct msghdr *message, int flags)
{
	uint64_t wait_ns, patience = 0;
	bool asked = false;
	ssize_t n;

	while ((n = paced_send(fd, message, flags, &wait_ns)) == -EAGAIN && wait_ns > 0) {
		if (!asked)
			patience = patience_ns(fd, flags);
		asked = true;
		if (patience < wait_ns)
			return -EAGAIN;
		if (patience != UINT64_MAX)
			patience -= wait_ns;
		paced_wait(wait_ns);
	}
	return n;
}
