/* SPDX-License-Identifier: MIT */
/*
 * winsock_group.c: joining and leaving groups of IP (spec/gqos.md §7.4). WSAJoinLeaf() is the one way to QoS for a group;
 * a group is left with the options of POSIX, or the socket.
 */
#include "winqos/winsock_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "winqos/gqos.h"
#include "winqos/socket_table.h"
#include "winqos/winsock.h"

struct group {
	struct group *prev, *next;
	struct sockaddr_storage address;
	socklen_t length;
};

void groups_free(struct group *groups)
{
	struct group *group, *next;

	DL_FOREACH_SAFE(groups, group, next)
		free(group);
}

/* ---- addresses ---- */

static bool is_multicast(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return IN_MULTICAST(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
	return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* It stands at the same place in both families. */
static in_port_t port_of(const struct sockaddr *address)
{
	return ((const struct sockaddr_in *)address)->sin_port;
}

/* The group alone; `port` too if it is not 0. */
static bool is_group(const struct group *group, const struct sockaddr *address, in_port_t port)
{
	const struct sockaddr *own = (const struct sockaddr *)&group->address;

	if (own->sa_family != address->sa_family || (port && port != port_of(own)))
		return false;
	if (own->sa_family == AF_INET)
		return ((const struct sockaddr_in *)own)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)own)->sin6_addr,
				  &((const struct sockaddr_in6 *)address)->sin6_addr);
}

static int family_of(int fd)
{
	socklen_t length = sizeof(int);
	int family = AF_UNSPEC;

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length);
	return family;
}

static socklen_t length_of_family(int family)
{
	return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* ---- membership ---- */

/* On the interface of the bound address, else that of IP_MULTICAST_IF, else that of the route. */
static int membership4(int fd, int option, const struct sockaddr_in *group)
{
	struct ip_mreqn request = { .imr_multiaddr = group->sin_addr };
	struct sockaddr_in local = { 0 };
	socklen_t length = sizeof(local), option_length = sizeof(request.imr_address);

	if (getsockname(fd, (struct sockaddr *)&local, &length) < 0)
		return -errno;
	request.imr_address = local.sin_addr;
	if (local.sin_addr.s_addr == INADDR_ANY || IN_MULTICAST(ntohl(local.sin_addr.s_addr)))
		(void)getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request.imr_address,
				 &option_length);
	return setsockopt(fd, IPPROTO_IP, option, &request, sizeof(request)) < 0 ? -errno : 0;
}

static int membership6(int fd, int option, const struct sockaddr_in6 *group)
{
	struct ipv6_mreq request = { .ipv6mr_multiaddr = group->sin6_addr,
				     .ipv6mr_interface = group->sin6_scope_id };
	socklen_t length = sizeof(int);
	int index = 0;

	if (!request.ipv6mr_interface &&
	    getsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, &length) == 0)
		request.ipv6mr_interface = (unsigned)index;
	return setsockopt(fd, IPPROTO_IPV6, option, &request, sizeof(request)) < 0 ? -errno : 0;
}

static int join(int fd, const struct sockaddr *group)
{
	if (group->sa_family == AF_INET)
		return membership4(fd, IP_ADD_MEMBERSHIP, (const struct sockaddr_in *)group);
	return membership6(fd, IPV6_JOIN_GROUP, (const struct sockaddr_in6 *)group);
}

static void leave(int fd, const struct sockaddr *group)
{
	if (group->sa_family == AF_INET)
		membership4(fd, IP_DROP_MEMBERSHIP, (const struct sockaddr_in *)group);
	else
		membership6(fd, IPV6_LEAVE_GROUP, (const struct sockaddr_in6 *)group);
}

/* ---- WSAJoinLeaf ---- */

static int check_arguments(int fd, const struct sockaddr *name, int length, const QOS *group_qos,
			   DWORD flags)
{
	struct socket_entry *entry;
	bool leaf;

	if (fd < 0)
		return -ENOTSOCK;
	if (!name || length < (int)sizeof(name->sa_family))
		return -EFAULT;
	entry = socket_entry_get(fd);
	leaf = entry && (atomic_load(&entry->flags) & WSA_FLAG_MULTIPOINT_C_LEAF);
	socket_entry_put(entry);
	if (!leaf || group_qos ||
	    (flags != JL_SENDER_ONLY && flags != JL_RECEIVER_ONLY && flags != JL_BOTH))
		return -EINVAL;
	if (name->sa_family != family_of(fd))
		return -EAFNOSUPPORT;
	if (length < (int)length_of_family(name->sa_family))
		return -EFAULT;
	return is_multicast(name) && port_of(name) != 0 ? 0 : -EINVAL;
}

/* Enters a group into the socket's list; -EISCONN if it is there. */
static int enter(struct socket_entry *entry, const struct sockaddr *name, socklen_t length,
		 struct group **ret_group)
{
	struct group *group = calloc(1, sizeof(*group)), *other;
	int r = 0;

	if (!group)
		return -ENOMEM;
	memcpy(&group->address, name, length);
	group->length = length;
	socket_table_lock();
	DL_FOREACH(entry->groups, other) {
		if (is_group(other, name, port_of(name)))
			r = -EISCONN;
	}
	if (r == 0)
		DL_APPEND(entry->groups, group);
	socket_table_unlock();
	if (r < 0)
		free(group);
	else
		*ret_group = group;
	return r;
}

static void remove_group(struct socket_entry *entry, struct group *group)
{
	socket_table_lock();
	DL_DELETE(entry->groups, group);
	socket_table_unlock();
	free(group);
}

static void bind_if_unbound(int fd, int family)
{
	struct sockaddr_storage local = { .ss_family = (sa_family_t)family };
	socklen_t length = sizeof(local);

	if (getsockname(fd, (struct sockaddr *)&local, &length) == 0 &&
	    port_of((struct sockaddr *)&local) == 0)
		bind(fd, (struct sockaddr *)&local, length);
}

static unsigned directions_of(DWORD flags)
{
	switch (flags) {
	case JL_SENDER_ONLY:
		return GQOS_SENDING;
	case JL_RECEIVER_ONLY:
		return GQOS_RECEIVING;
	default:
		return GQOS_BOTH;
	}
}

/* Membership and QoS of a group that has been entered; 0, or the Winsock value of an error. */
static int join_with_qos(int fd, const struct sockaddr *name, socklen_t length, DWORD flags,
			 const QOS *qos, int *ret_errno)
{
	const bool member = flags != JL_SENDER_ONLY;
	int error, r;

	bind_if_unbound(fd, name->sa_family);
	r = member ? join(fd, name) : 0;
	/* Several ports of a group share one membership. */
	if (r < 0 && r != -EADDRINUSE) {
		*ret_errno = r;
		return 0;
	}
	if (!socket_is_qos(fd))
		return 0;
	error = gqos_join((SOCKET)fd, name, length, directions_of(flags), qos);
	if (error && member && r == 0)
		leave(fd, name);
	return winsock_qos_error(error);
}

SOCKET WSAAPI WSAJoinLeaf(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
			  LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS, DWORD dwFlags)
{
	int fd = winsock_fd(s), error, r;
	struct socket_entry *entry;
	struct group *group;
	socklen_t length;

	r = check_arguments(fd, name, namelen, lpGQOS, dwFlags);
	if (r < 0) {
		winsock_fail(r);
		return INVALID_SOCKET;
	}
	error = winsock_check_qos(fd, lpSQOS);
	if (error) {
		winsock_fail_with((DWORD)error);
		return INVALID_SOCKET;
	}
	length = length_of_family(name->sa_family);
	entry = socket_entry_get(fd);
	r = entry ? enter(entry, name, length, &group) : -ENOTSOCK;
	if (r == 0) {
		error = join_with_qos(fd, name, length, dwFlags, lpSQOS, &r);
		if (error || r < 0)
			remove_group(entry, group);
	}
	socket_entry_put(entry);
	if (error)
		winsock_fail_with((DWORD)error);
	else if (r < 0)
		winsock_fail(r);
	return error || r < 0 ? INVALID_SOCKET : s;
}

/* ---- leaving ---- */

/* The group that an option of setsockopt() leaves; false if it is not such an option. */
static bool group_that_is_left(int level, int option, const void *value, socklen_t length,
			       struct sockaddr_storage *ret_group)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret_group;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_group;

	memset(ret_group, 0, sizeof(*ret_group));
	if (level == IPPROTO_IP && option == IP_DROP_MEMBERSHIP &&
	    length >= sizeof(struct ip_mreq)) {
		in->sin_family = AF_INET;
		in->sin_addr = ((const struct ip_mreq *)value)->imr_multiaddr;
		return true;
	}
	if (level == IPPROTO_IPV6 && option == IPV6_LEAVE_GROUP &&
	    length >= sizeof(struct ipv6_mreq)) {
		in6->sin6_family = AF_INET6;
		in6->sin6_addr = ((const struct ipv6_mreq *)value)->ipv6mr_multiaddr;
		return true;
	}
	if ((level == IPPROTO_IP || level == IPPROTO_IPV6) && option == MCAST_LEAVE_GROUP &&
	    length >= sizeof(struct group_req)) {
		*ret_group = ((const struct group_req *)value)->gr_group;
		return true;
	}
	return false;
}

/* One of the socket's entries for this group, out of its list; NULL if there is none left. */
static struct group *take_group(struct socket_entry *entry, const struct sockaddr *address)
{
	struct group *group;

	socket_table_lock();
	DL_FOREACH(entry->groups, group) {
		if (is_group(group, address, 0))
			break;
	}
	if (group)
		DL_DELETE(entry->groups, group);
	socket_table_unlock();
	return group;
}

/* True: the socket took part in the group. */
static bool has_left(int fd, const struct sockaddr_storage *address)
{
	struct socket_entry *entry = socket_entry_get(fd);
	struct group *group;
	bool any = false;

	while (entry && (group = take_group(entry, (const struct sockaddr *)address))) {
		if (atomic_load(&entry->qos))
			gqos_leave((SOCKET)fd, (struct sockaddr *)&group->address, group->length);
		free(group);
		any = true;
	}
	socket_entry_put(entry);
	return any;
}

int gw_win_setsockopt(int fd, int level, int name, const void *value, socklen_t value_len)
{
	struct sockaddr_storage group;
	bool leaves = value && group_that_is_left(level, name, value, value_len, &group);
	int r = setsockopt(fd, level, name, value, value_len) < 0 ? -errno : 0;

	/* Who only sends to a group is no member of it. */
	if (leaves && (r == 0 || r == -EADDRNOTAVAIL) && has_left(fd, &group))
		r = 0;
	return r < 0 ? winsock_posix_fail(r) : 0;
}
