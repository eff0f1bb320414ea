/* SPDX-License-Identifier: MIT */
/*
 * options.c: see options.h.
 *
 * What the order of writing rests on: setting IP_TOS overwrites the priority (IPV6_TCLASS does
 * not), so the priority is always written last. Packets to v4-mapped destinations take IP_TOS and
 * not IPV6_TCLASS, so an AF_INET6 socket gets both. The low two bits of either byte are ECN and
 * belong to the transport (RFC 3168); TCP masks them itself, UDP does not.
 */
#include "datapath/socket/options.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define ECN_MASK 0x03
#define DSCP_MASK 0xfc
#define DSCP_SHIFT 2

static int read_int(int fd, int level, int name, int *ret_value)
{
	socklen_t size = sizeof(*ret_value);

	return getsockopt(fd, level, name, ret_value, &size) < 0 ? -errno : 0;
}

static int write_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int socket_options_read(int fd, int family, struct socket_options *ret_options)
{
	struct socket_options options = { 0 };
	int r;

	r = read_int(fd, IPPROTO_IP, IP_TOS, &options.tos);
	if (r < 0)
		return r;
	if (family == AF_INET6) {
		r = read_int(fd, IPPROTO_IPV6, IPV6_TCLASS, &options.traffic_class);
		if (r < 0)
			return r;
	}
	r = read_int(fd, SOL_SOCKET, SO_PRIORITY, &options.priority);
	if (r < 0)
		return r;

	*ret_options = options;
	return 0;
}

static int write_changes(int fd, int family, const struct socket_options *from,
			 const struct socket_options *to)
{
	int r = 0;

	if (to->tos != from->tos)
		r = write_int(fd, IPPROTO_IP, IP_TOS, to->tos);
	if (r == 0 && family == AF_INET6 && to->traffic_class != from->traffic_class)
		r = write_int(fd, IPPROTO_IPV6, IPV6_TCLASS, to->traffic_class);
	if (r == 0 && (to->tos != from->tos || to->priority != from->priority))
		r = write_int(fd, SOL_SOCKET, SO_PRIORITY, to->priority);
	return r;
}

int socket_options_write(int fd, int family, const struct socket_options *current,
			 const struct socket_options *wanted)
{
	struct socket_options halfway;
	int r;

	r = write_changes(fd, family, current, wanted);
	if (r < 0 && socket_options_read(fd, family, &halfway) == 0)
		write_changes(fd, family, &halfway, current);
	return r;
}

/* One byte: ours is undone, what the application wrote over it stays. */
static int own_byte(int current, int saved, int written_dscp)
{
	if (written_dscp >= 0 && current >> DSCP_SHIFT == written_dscp)
		return (saved & DSCP_MASK) | (current & ECN_MASK);
	return current;
}

struct socket_options socket_options_own(const struct socket_options *current,
					 const struct socket_options *saved,
					 const struct written_mark *written)
{
	return (struct socket_options){
		.tos = own_byte(current->tos, saved->tos, written->dscp),
		.traffic_class =
			own_byte(current->traffic_class, saved->traffic_class, written->dscp),
		.priority = current->priority == written->priority ? saved->priority
								   : current->priority,
	};
}

static int marked_byte(int own, int dscp)
{
	return dscp << DSCP_SHIFT | (own & ECN_MASK);
}

struct socket_options socket_options_marked(const struct socket_options *own, int family,
					    const struct mark *mark)
{
	struct socket_options marked = *own;

	if (mark->set_dscp) {
		marked.tos = marked_byte(own->tos, mark->dscp);
		if (family == AF_INET6)
			marked.traffic_class = marked_byte(own->traffic_class, mark->dscp);
	}
	if (mark->set_priority)
		marked.priority = mark->priority;
	return marked;
}

bool socket_priority_permitted(int fd, int priority)
{
	return write_int(fd, SOL_SOCKET, SO_PRIORITY, priority) == 0;
}
