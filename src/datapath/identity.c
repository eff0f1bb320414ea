/* SPDX-License-Identifier: MIT */
/*
 * identity.c: see identity.h. Ten short system calls at most, as this is on the path of every
 * request.
 */
#include "datapath/identity.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/datapath.h"

static int read_option(int fd, int level, int name, void *ret_value, socklen_t size)
{
	return getsockopt(fd, level, name, ret_value, &size) < 0 ? -errno : 0;
}

/* An option that older kernels lack reads as 0 there. */
static int read_optional(int fd, int name, void *ret_value, socklen_t size)
{
	int r = read_option(fd, SOL_SOCKET, name, ret_value, size);

	return r == -ENOPROTOOPT ? 0 : r;
}

static int read_kind(int fd, struct socket_identity *identity)
{
	int type, r;

	r = read_option(fd, SOL_SOCKET, SO_DOMAIN, &identity->family, sizeof(identity->family));
	if (r < 0)
		return r;
	if (identity->family != AF_INET && identity->family != AF_INET6)
		return -EAFNOSUPPORT;

	r = read_option(fd, SOL_SOCKET, SO_PROTOCOL, &identity->protocol,
			sizeof(identity->protocol));
	if (r < 0)
		return r;
	r = read_option(fd, SOL_SOCKET, SO_TYPE, &type, sizeof(type));
	if (r < 0)
		return r;

	/* A raw socket may carry either number. */
	if ((identity->protocol == IPPROTO_TCP && type == SOCK_STREAM) ||
	    (identity->protocol == IPPROTO_UDP && type == SOCK_DGRAM))
		return 0;
	return -EPROTONOSUPPORT;
}

static int read_addresses(int fd, struct socket_identity *identity)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int r;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	r = address_from_sockaddr((struct sockaddr *)&ss, len, &identity->local);
	if (r < 0)
		return r;

	len = sizeof(ss);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return errno == ENOTCONN ? 0 : -errno;
	return address_from_sockaddr((struct sockaddr *)&ss, len, &identity->peer);
}

static bool tcp_sends(int state, bool receive_ended)
{
	switch (state) {
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
	case TCP_TIME_WAIT:
		return false;
	case TCP_CLOSE: /* never connected, or reset: only then is receiving over */
		return !receive_ended;
	default:
		return true;
	}
}

static int read_state(int fd, struct socket_identity *identity)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLRDHUP };
	bool receive_ended, sends;

	if (poll(&pollfd, 1, 0) < 0)
		return -errno;
	receive_ended = pollfd.revents & POLLRDHUP;

	if (identity->protocol == IPPROTO_TCP) {
		uint8_t state; /* the first member of struct tcp_info, all that is wanted of it */
		int r = read_option(fd, IPPROTO_TCP, TCP_INFO, &state, sizeof(state));

		if (r < 0)
			return r;
		identity->tcp_state = state;
		sends = tcp_sends(state, receive_ended);
	} else {
		sends = !(pollfd.revents & POLLHUP);
	}

	identity->ended = (receive_ended ? DIRECTION_RECEIVE : 0) | (sends ? 0 : DIRECTION_SEND);
	return 0;
}

int socket_identity_read(int fd, struct socket_identity *ret_identity)
{
	struct socket_identity identity = { 0 };
	int r;

	r = read_kind(fd, &identity);
	if (r < 0)
		return r;
	r = socket_cookie_read(fd, &identity.cookie);
	if (r < 0)
		return r;
	r = read_optional(fd, SO_NETNS_COOKIE, &identity.netns_cookie,
			  sizeof(identity.netns_cookie));
	if (r < 0)
		return r;
	r = read_optional(fd, SO_BINDTOIFINDEX, &identity.bound_ifindex,
			  sizeof(identity.bound_ifindex));
	if (r < 0)
		return r;
	r = read_addresses(fd, &identity);
	if (r < 0)
		return r;
	r = read_state(fd, &identity);
	if (r < 0)
		return r;

	*ret_identity = identity;
	return 0;
}

int socket_cookie_read(int fd, uint64_t *ret_cookie)
{
	return read_option(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, sizeof(*ret_cookie));
}

int netns_cookie_read(uint64_t *ret_cookie)
{
	uint64_t cookie = 0;
	int fd, r;

	/* Any socket tells, and IPv4 is what this product cannot be without. */
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = read_optional(fd, SO_NETNS_COOKIE, &cookie, sizeof(cookie));
	close(fd);
	if (r < 0)
		return r;
	*ret_cookie = cookie;
	return 0;
}

int socket_multicast_read(int fd, int family, uint32_t *ret_ifindex, struct address *ret_source)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct address source = { 0 };
	uint32_t ifindex = 0;
	int r;

	if (family == AF_INET) {
		r = read_option(fd, IPPROTO_IP, IP_MULTICAST_IF, &sin.sin_addr,
				sizeof(sin.sin_addr));
		if (r < 0)
			return r;
		if (sin.sin_addr.s_addr != htonl(INADDR_ANY)) {
			r = address_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &source);
			if (r < 0)
				return r;
		}
	} else {
		r = read_option(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &ifindex, sizeof(ifindex));
		if (r < 0)
			return r;
	}

	*ret_ifindex = ifindex;
	*ret_source = source;
	return 0;
}
