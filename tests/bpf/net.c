/* SPDX-License-Identifier: MIT */
/* net.c: see net.h. */
#include "net.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAR_TIMEOUT_MS 10000
#define ECN_MASK 3

int net_enter(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd, r = 0;

	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		r = -errno;
	request.ifr_flags |= IFF_UP;
	if (r == 0 && ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		r = -errno;
	close(fd);
	return r;
}

int net_run(const char *format, ...)
{
	char command[512];
	va_list arguments;
	int status;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* --- Datagrams -------------------------------------------------------------------------------- */

void ear_open(struct ear *ear, int family)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	const int on = 1;

	memset(ear, 0, sizeof(*ear));
	ear->len = family == AF_INET ? sizeof(v4) : sizeof(v6);
	memcpy(&ear->address, family == AF_INET ? (void *)&v4 : (void *)&v6, ear->len);
	ear->fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(ear->fd >= 0);
	assert_int_equal(bind(ear->fd, (struct sockaddr *)&ear->address, ear->len), 0);
	assert_int_equal(getsockname(ear->fd, (struct sockaddr *)&ear->address, &ear->len), 0);
	if (family == AF_INET)
		assert_int_equal(setsockopt(ear->fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
	else
		assert_int_equal(
			setsockopt(ear->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on)), 0);
}

void ear_close(struct ear *ear)
{
	close(ear->fd);
	ear->fd = -1;
}

int ear_hear(const struct ear *ear)
{
	char data[16384], control[256];
	struct iovec iov = { .iov_base = data, .iov_len = sizeof(data) };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct pollfd pollfd = { .fd = ear->fd, .events = POLLIN };
	int mark = -1;

	if (poll(&pollfd, 1, HEAR_TIMEOUT_MS) != 1)
		return -1;
	assert_true(recvmsg(ear->fd, &message, 0) >= 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			mark = *CMSG_DATA(c);
		if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			memcpy(&mark, CMSG_DATA(c), sizeof(mark));
	}
	return mark;
}

int mouth_open(int family, const struct ear *ear)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (ear)
		assert_int_equal(connect(fd, (const struct sockaddr *)&ear->address, ear->len), 0);
	return fd;
}

static void say(int fd, const struct ear *ear, size_t len)
{
	static const char words[8192];
	ssize_t sent =
		ear ? sendto(fd, words, len, 0, (const struct sockaddr *)&ear->address, ear->len)
		    : send(fd, words, len, 0);

	assert_int_equal(sent, len);
}

void mouth_say(int fd, const struct ear *ear)
{
	say(fd, ear, 20);
}

int say_and_hear(int fd, const struct ear *ear)
{
	mouth_say(fd, ear);
	return ear_hear(ear);
}

uint64_t socket_cookie(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

struct address ear_address(const struct ear *ear)
{
	struct address address;

	assert_int_equal(address_from_sockaddr((const struct sockaddr *)&ear->address, ear->len,
					       &address),
			 0);
	return address;
}

/* --- Packets ---------------------------------------------------------------------------------- */

int sniffer_open(const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	address.sll_ifindex = (int)if_nametoindex(interface);
	assert_true(address.sll_ifindex > 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

struct sniffed sniffer_read(int fd, int version, int protocol, uint8_t mark)
{
	struct sniffed sniffed = { 0 };
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	uint8_t data[128], tos;
	int next;

	while (recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len) >= 40) {
		len = sizeof(from);
		if (from.sll_pkttype != PACKET_OUTGOING || data[0] >> 4 != version)
			continue;
		next = version == 4 ? data[9] : data[6];
		if (next == IPPROTO_FRAGMENT)
			next = data[40];
		tos = version == 4 ? data[1] : (uint8_t)(data[0] << 4 | data[1] >> 4);
		if (next != protocol)
			continue;
		sniffed.count++;
		sniffed.marked += (tos & ~ECN_MASK) == (mark & ~ECN_MASK);
	}
	return sniffed;
}
