/* SPDX-License-Identifier: MIT */
/*
 * transport.c: see transport.h. The kernel builds all headers: sources that are not ours by IP_TRANSPARENT, the rest
 * by ancillary data; so it fragments too, which it does not where headers are included.
 */
#include "daemon/rsvp/transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BATCH 16
#define BUFFER_LEN 65536
#define CONTROL_LEN 512
#define ROOM_BYTES (4 << 20) /* for the first refreshes of many sessions */
#define MEMBERSHIPS_MAX 65536

#define ALERT_VALUE6 1 /* RFC 2711: RSVP */

/* One for each, as the kernel allows a socket only so many. */
struct membership {
	struct address group;
	uint32_t ifindex;
	uint32_t users;
	int fd;
};

struct transport {
	int fd[TRANSPORT_SOCKETS];
	uint8_t *buffers; /* BATCH of them */
	struct transport_counters counters;
	struct membership *memberships;
	size_t n_memberships;
	uint8_t dscp;
	uint32_t priority;			 /* wanted */
	uint32_t priority_of[TRANSPORT_SOCKETS]; /* in force */
};

/* ---- opening ---- */

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

struct option {
	int level, option, value;
	bool wanted; /* without it there is no point; else it only helps */
};

static int set_all(int fd, const struct option *options, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = set(fd, options[i].level, options[i].option, options[i].value);

		if (r < 0 && options[i].wanted)
			return r;
	}
	return 0;
}

static const struct option options_all[] = {
	{ SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES, false },
	{ SOL_SOCKET, SO_SNDBUFFORCE, ROOM_BYTES, false },
};

static const struct option options4[] = {
	{ IPPROTO_IP, IP_PKTINFO, 1, true },
	{ IPPROTO_IP, IP_RECVTTL, 1, true },
	{ IPPROTO_IP, IP_MULTICAST_LOOP, 0, true },
	{ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, true },
};

static const struct option options6[] = {
	{ IPPROTO_IPV6, IPV6_V6ONLY, 1, false }, /* which raw ones are anyway */
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, true },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, true },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS, 1, true },
	{ IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0, true },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT, true },
};

static const struct option options_raw4[] = {
	{ IPPROTO_IP, IP_ROUTER_ALERT, 1, true },
	{ IPPROTO_IP, IP_RECVOPTS, 1, true },
	{ IPPROTO_IP, IP_TRANSPARENT, 1, true },
};

static const struct option options_raw6[] = {
	{ IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1, true },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, 1, true },
	{ IPPROTO_IPV6, IPV6_CHECKSUM, -1, false }, /* RSVP has its own, without a pseudo-header */
};

static const struct option options_alert6[] = {
	/* Else it would be handed what passes through other network namespaces, too. */
	{ IPPROTO_IPV6, IPV6_ROUTER_ALERT_ISOLATE, 1, true },
	{ IPPROTO_IPV6, IPV6_ROUTER_ALERT, ALERT_VALUE6, true },
};

#define SET_ALL(fd, options) set_all(fd, options, sizeof(options) / sizeof((options)[0]))

static int bind_port(int fd, int family)
{
	struct address any = { .family = (uint16_t)family, .port = RSVP_UDP_PORT };
	struct sockaddr_storage sockaddr;

	address_to_sockaddr(&any, &sockaddr);
	return bind(fd, (const struct sockaddr *)&sockaddr,
		    family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)) <
			       0
		       ? -errno
		       : 0;
}

static bool is_udp(enum transport_socket socket)
{
	return socket == TRANSPORT_UDP4 || socket == TRANSPORT_UDP6;
}

static int family_of(enum transport_socket socket)
{
	return socket == TRANSPORT_RAW4 || socket == TRANSPORT_UDP4 ? AF_INET : AF_INET6;
}

static void apply_priority(struct transport *transport, enum transport_socket which)
{
	(void)set(transport->fd[which], SOL_SOCKET, SO_PRIORITY, (int)transport->priority);
	transport->priority_of[which] = transport->priority;
}

static void apply_dscp(struct transport *transport, enum transport_socket which)
{
	int fd = transport->fd[which], tos = transport->dscp << 2;

	if (fd < 0)
		return;
	if (family_of(which) == AF_INET)
		(void)set(fd, IPPROTO_IP, IP_TOS, tos);
	else
		(void)set(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
	apply_priority(transport, which); /* IP_TOS has changed it */
}

static int open_socket(struct transport *transport, enum transport_socket which)
{
	int family = family_of(which);
	int type = (is_udp(which) ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC | SOCK_NONBLOCK;
	int protocol = which == TRANSPORT_ALERT6 ? IPPROTO_RAW : RSVP_IP_PROTOCOL;
	_cleanup_(closep) int fd = socket(family, type, is_udp(which) ? 0 : protocol);
	int r;

	if (fd < 0)
		return -errno;
	r = SET_ALL(fd, options_all);
	if (r >= 0)
		r = family == AF_INET ? SET_ALL(fd, options4) : SET_ALL(fd, options6);
	if (r >= 0 && which == TRANSPORT_RAW4)
		r = SET_ALL(fd, options_raw4);
	if (r >= 0 && which == TRANSPORT_RAW6)
		r = SET_ALL(fd, options_raw6);
	if (r >= 0 && which == TRANSPORT_ALERT6)
		r = SET_ALL(fd, options_alert6);
	if (r >= 0 && is_udp(which))
		r = bind_port(fd, family);
	if (r < 0)
		return r;
	transport->fd[which] = steal_fd(&fd);
	apply_dscp(transport, which);
	return 0;
}

static void close_socket(struct transport *transport, enum transport_socket which)
{
	if (transport->fd[which] >= 0)
		close(transport->fd[which]);
	transport->fd[which] = -1;
}

int transport_new(struct transport **ret_transport)
{
	struct transport *transport = calloc(1, sizeof(*transport));
	int r;

	if (!transport)
		return -ENOMEM;
	for (int i = 0; i < TRANSPORT_SOCKETS; i++)
		transport->fd[i] = -1;
	transport->priority = TRANSPORT_PRIORITY_USUAL;
	transport->buffers = malloc((size_t)BATCH * BUFFER_LEN);
	r = transport->buffers ? open_socket(transport, TRANSPORT_RAW4) : -ENOMEM;
	if (r >= 0)
		r = open_socket(transport, TRANSPORT_RAW6);
	if (r >= 0)
		r = open_socket(transport, TRANSPORT_ALERT6);
	if (r < 0 && r != -EAFNOSUPPORT) {
		transport_free(transport);
		return r;
	}
	*ret_transport = transport;
	return 0;
}

struct transport *transport_free(struct transport *transport)
{
	if (!transport)
		return NULL;
	for (enum transport_socket i = 0; i < TRANSPORT_SOCKETS; i++)
		close_socket(transport, i);
	for (size_t i = 0; i < transport->n_memberships; i++)
		close(transport->memberships[i].fd);
	free(transport->memberships);
	free(transport->buffers);
	free(transport);
	return NULL;
}

int transport_fd(const struct transport *transport, enum transport_socket socket)
{
	return transport->fd[socket];
}

int transport_set_udp(struct transport *transport, bool on)
{
	int r = 0;

	if (on == (transport->fd[TRANSPORT_UDP4] >= 0))
		return 0;
	if (on)
		r = open_socket(transport, TRANSPORT_UDP4);
	if (on && r >= 0 && transport->fd[TRANSPORT_RAW6] >= 0)
		r = open_socket(transport, TRANSPORT_UDP6);
	if (!on || r < 0) {
		close_socket(transport, TRANSPORT_UDP4);
		close_socket(transport, TRANSPORT_UDP6);
	}
	return r;
}

void transport_set_dscp(struct transport *transport, uint8_t dscp)
{
	transport->dscp = dscp;
	for (enum transport_socket i = 0; i < TRANSPORT_SOCKETS; i++)
		apply_dscp(transport, i);
}

void transport_set_priority(struct transport *transport, uint32_t priority)
{
	transport->priority = priority;
}

const struct transport_counters *transport_counters(const struct transport *transport)
{
	return &transport->counters;
}

/* ---- groups ---- */

struct address transport_group(int family)
{
	static const uint8_t group4[16] = { [10] = 0xff, 0xff, 224, 0, 0, 14 };
	static const uint8_t group6[16] = { 0xff, 0x02, [15] = 0x0e };
	struct address group = { .family = (uint16_t)family };

	memcpy(group.addr, family == AF_INET ? group4 : group6, sizeof(group.addr));
	return group;
}

static struct membership *find_membership(const struct transport *transport,
					  const struct address *group, uint32_t ifindex)
{
	for (size_t i = 0; i < transport->n_memberships; i++) {
		struct membership *membership = &transport->memberships[i];

		if (membership->ifindex == ifindex && membership->group.family == group->family &&
		    memcmp(membership->group.addr, group->addr, sizeof(group->addr)) == 0)
			return membership;
	}
	return NULL;
}

static int open_membership(const struct address *group, uint32_t ifindex, int *ret_fd)
{
	_cleanup_(closep) int fd = socket(group->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ipv6_mreq join6 = { .ipv6mr_interface = ifindex };
	struct ip_mreqn join4 = { .imr_ifindex = (int)ifindex };
	int r;

	if (fd < 0)
		return -errno;
	memcpy(&join4.imr_multiaddr, group->addr + 12, sizeof(join4.imr_multiaddr));
	memcpy(&join6.ipv6mr_multiaddr, group->addr, sizeof(join6.ipv6mr_multiaddr));
	if (group->family == AF_INET)
		r = setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join4, sizeof(join4));
	else
		r = setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &join6, sizeof(join6));
	if (r < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int transport_join(struct transport *transport, const struct address *group, uint32_t ifindex)
{
	struct membership *found = find_membership(transport, group, ifindex), *grown;
	int fd = -1, r;

	if (found) {
		found->users++;
		return 0;
	}
	if (transport->n_memberships == MEMBERSHIPS_MAX)
		return -ENOBUFS;
	grown = reallocarray(transport->memberships, transport->n_memberships + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	transport->memberships = grown;
	r = open_membership(group, ifindex, &fd);
	if (r < 0)
		return r;
	transport->memberships[transport->n_memberships++] =
		(struct membership){ .group = *group, .ifindex = ifindex, .users = 1, .fd = fd };
	return 0;
}

void transport_leave(struct transport *transport, const struct address *group, uint32_t ifindex)
{
	struct membership *found = find_membership(transport, group, ifindex);

	if (!found || --found->users > 0)
		return;
	close(found->fd);
	*found = transport->memberships[--transport->n_memberships];
}

bool transport_is_member(const struct transport *transport, const struct address *group,
			 uint32_t ifindex)
{
	return find_membership(transport, group, ifindex);
}

/* ---- receiving ---- */

union control {
	struct cmsghdr align;
	char bytes[CONTROL_LEN];
};

/* What was told beside the packet. */
struct beside {
	uint32_t ifindex;
	struct address destination;
	int ttl, tos;
	const uint8_t *hop_by_hop;
	size_t hop_by_hop_len;
};

static int control_int(const struct cmsghdr *cmsg)
{
	int value = 0;

	memcpy(&value, CMSG_DATA(cmsg), sizeof(value));
	return value;
}

static void read_control4(const struct cmsghdr *cmsg, struct beside *beside)
{
	struct in_pktinfo info;

	if (cmsg->cmsg_type == IP_PKTINFO) {
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		beside->ifindex = (uint32_t)info.ipi_ifindex;
		beside->destination = (struct address){ .family = AF_INET };
		memset(beside->destination.addr + 10, 0xff, 2);
		memcpy(beside->destination.addr + 12, &info.ipi_addr, 4);
	} else if (cmsg->cmsg_type == IP_TTL) {
		beside->ttl = control_int(cmsg);
	}
}

static void read_control6(const struct cmsghdr *cmsg, struct beside *beside)
{
	struct in6_pktinfo info;

	if (cmsg->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info, CMSG_DATA(cmsg), sizeof(info));
		beside->ifindex = info.ipi6_ifindex;
		beside->destination = (struct address){ .family = AF_INET6 };
		memcpy(beside->destination.addr, &info.ipi6_addr, 16);
	} else if (cmsg->cmsg_type == IPV6_HOPLIMIT) {
		beside->ttl = control_int(cmsg);
	} else if (cmsg->cmsg_type == IPV6_TCLASS) {
		beside->tos = control_int(cmsg);
	} else if (cmsg->cmsg_type == IPV6_HOPOPTS) {
		beside->hop_by_hop = CMSG_DATA(cmsg);
		beside->hop_by_hop_len = cmsg->cmsg_len - CMSG_LEN(0);
	}
}

static void read_control(struct msghdr *header, struct beside *ret_beside)
{
	*ret_beside = (struct beside){ 0 };
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
		if (cmsg->cmsg_level == IPPROTO_IP)
			read_control4(cmsg, ret_beside);
		else if (cmsg->cmsg_level == IPPROTO_IPV6)
			read_control6(cmsg, ret_beside);
	}
}

/* A link-local address is one on the interface. */
static void scope(struct address *address, uint32_t ifindex)
{
	address->scope = address_is_link_local(address) ? ifindex : 0;
}

static int understand(enum transport_socket which, struct msghdr *header, const uint8_t *data,
		      size_t len, struct transport_message *ret_message)
{
	struct transport_message message = { 0 };
	struct beside beside;
	int r = 0;

	if (header->msg_flags & MSG_TRUNC)
		return -EBADMSG;
	read_control(header, &beside);
	message.data = data;
	message.len = len;
	message.tos = (uint8_t)beside.tos;
	message.arrival.ttl = (uint8_t)beside.ttl;
	message.arrival.destination = beside.destination;
	if (address_from_sockaddr(header->msg_name, header->msg_namelen, &message.arrival.source) <
	    0)
		return -EBADMSG;
	if (which == TRANSPORT_RAW4)
		r = transport_parse4(data, len, &message);
	else if (which == TRANSPORT_RAW6 || which == TRANSPORT_ALERT6)
		r = transport_parse6(data, len, beside.hop_by_hop, beside.hop_by_hop_len, &message);
	if (r < 0)
		return r;
	message.arrival.udp = is_udp(which);
	if (message.arrival.udp)
		message.arrival.destination.port = RSVP_UDP_PORT;
	else
		message.arrival.source.port = 0; /* a raw socket tells the protocol there */
	message.arrival.ifindex = beside.ifindex;
	scope(&message.arrival.source, beside.ifindex);
	scope(&message.arrival.destination, beside.ifindex);
	*ret_message = message;
	return 0;
}

/* How many arrived, malformed ones too. */
static unsigned receive_batch(
	struct transport *transport, enum transport_socket socket, unsigned wanted,
	void (*take)(void *user_data, const struct transport_message *message), void *user_data)
{
	struct sockaddr_storage names[BATCH];
	struct mmsghdr headers[BATCH];
	union control controls[BATCH];
	struct iovec parts[BATCH];
	struct transport_message message;
	int n;

	for (unsigned i = 0; i < wanted; i++) {
		parts[i] =
			(struct iovec){ transport->buffers + (size_t)i * BUFFER_LEN, BUFFER_LEN };
		headers[i].msg_hdr = (struct msghdr){
			.msg_name = &names[i],
			.msg_namelen = sizeof(names[i]),
			.msg_iov = &parts[i],
			.msg_iovlen = 1,
			.msg_control = controls[i].bytes,
			.msg_controllen = sizeof(controls[i]),
		};
	}
	n = recvmmsg(transport->fd[socket], headers, wanted, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		transport->counters.received++;
		if (understand(socket, &headers[i].msg_hdr, parts[i].iov_base, headers[i].msg_len,
			       &message) < 0)
			transport->counters.malformed++;
		else
			take(user_data, &message);
	}
	return n < 0 ? 0 : (unsigned)n;
}

bool transport_receive(struct transport *transport, enum transport_socket socket, unsigned most,
		       void (*take)(void *user_data, const struct transport_message *message),
		       void *user_data)
{
	while (most > 0) {
		unsigned wanted = most < BATCH ? most : BATCH;

		if (receive_batch(transport, socket, wanted, take, user_data) < wanted)
			return false;
		most -= wanted;
	}
	return true;
}

/* ---- sending ---- */

static void put(struct msghdr *header, union control *control, int level, int type,
		const void *data, size_t len)
{
	struct cmsghdr *cmsg = (struct cmsghdr *)(control->bytes + header->msg_controllen);

	cmsg->cmsg_level = level;
	cmsg->cmsg_type = type;
	cmsg->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cmsg), data, len);
	header->msg_controllen += CMSG_SPACE(len);
}

/* All that is said of one packet; `tos` -1: as all. */
struct outgoing {
	uint32_t ifindex;
	const struct address *source; /* AF_UNSPEC: the kernel's choice */
	struct address destination;
	int ttl, tos;
	const uint8_t *options;
	size_t options_len;
	const uint8_t *data;
	size_t len;
};

static void say4(struct msghdr *header, union control *control, const struct outgoing *packet)
{
	struct in_pktinfo info = { .ipi_ifindex = (int)packet->ifindex };

	if (packet->source->family == AF_INET)
		memcpy(&info.ipi_spec_dst, packet->source->addr + 12, 4);
	put(header, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	put(header, control, IPPROTO_IP, IP_TTL, &packet->ttl, sizeof(packet->ttl));
	if (packet->tos >= 0)
		put(header, control, IPPROTO_IP, IP_TOS, &packet->tos, sizeof(packet->tos));
	if (packet->options_len > 0)
		put(header, control, IPPROTO_IP, IP_RETOPTS, packet->options, packet->options_len);
}

static void say6(struct msghdr *header, union control *control, const struct outgoing *packet)
{
	struct in6_pktinfo info = { .ipi6_ifindex = packet->ifindex };

	if (packet->source->family == AF_INET6)
		memcpy(&info.ipi6_addr, packet->source->addr, 16);
	put(header, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	put(header, control, IPPROTO_IPV6, IPV6_HOPLIMIT, &packet->ttl, sizeof(packet->ttl));
	if (packet->tos >= 0)
		put(header, control, IPPROTO_IPV6, IPV6_TCLASS, &packet->tos, sizeof(packet->tos));
	if (packet->options_len > 0)
		put(header, control, IPPROTO_IPV6, IPV6_HOPOPTS, packet->options,
		    packet->options_len);
}

static int send_packet(struct transport *transport, bool udp, const struct outgoing *packet)
{
	bool is4 = packet->destination.family == AF_INET;
	enum transport_socket which = udp ? (is4 ? TRANSPORT_UDP4 : TRANSPORT_UDP6)
					  : (is4 ? TRANSPORT_RAW4 : TRANSPORT_RAW6);
	int fd = transport->fd[which];
	struct iovec part = { (void *)packet->data, packet->len };
	struct sockaddr_storage name;
	union control control = { 0 };
	struct msghdr header = {
		.msg_name = &name,
		.msg_namelen = is4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
	};
	struct address destination = packet->destination;

	if (fd < 0)
		return -EAFNOSUPPORT;
	if (packet->options_len > sizeof(control) / 2)
		return -EMSGSIZE;
	if (transport->priority_of[which] != transport->priority)
		apply_priority(transport, which);
	scope(&destination, packet->ifindex);
	if (!udp)
		destination.port = 0;
	address_to_sockaddr(&destination, &name);
	if (is4)
		say4(&header, &control, packet);
	else
		say6(&header, &control, packet);
	return sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int transport_send(struct transport *transport, const struct rsvp_packet *packet)
{
	static const uint8_t alert4[] = { IPOPT_RA, 4, 0, 0 };
	/* The kernel puts the next header in. */
	static const uint8_t alert6[] = { 0, 0, IP6OPT_ROUTER_ALERT, 2, 0, ALERT_VALUE6, 1, 0 };
	bool is4 = packet->destination.family == AF_INET;
	struct outgoing outgoing = {
		.ifindex = packet->ifindex,
		.source = &packet->source,
		.destination = packet->destination,
		.ttl = packet->ttl,
		.tos = -1,
		.data = packet->data,
		.len = packet->len,
	};
	int r;

	if (packet->router_alert && !packet->udp) {
		outgoing.options = is4 ? alert4 : alert6;
		outgoing.options_len = is4 ? sizeof(alert4) : sizeof(alert6);
	}
	r = send_packet(transport, packet->udp, &outgoing);
	if (r < 0)
		transport->counters.failed++;
	else
		transport->counters.sent++;
	return r;
}

int transport_forward(struct transport *transport, const struct transport_message *message)
{
	struct outgoing outgoing = {
		.source = &message->arrival.source,
		.destination = message->arrival.destination,
		.ttl = message->arrival.ttl - 1,
		.tos = message->tos,
		.options = message->options,
		.options_len = message->options_len,
		.data = message->data,
		.len = message->len,
	};
	int r;

	if (message->arrival.ttl <= 1)
		return -ETIME;
	/* What is of one link only does not leave it. */
	if (address_is_link_local(&message->arrival.destination) ||
	    address_is_link_local(&message->arrival.source) ||
	    address_is_multicast(&message->arrival.destination))
		return -EXDEV;
	r = send_packet(transport, false, &outgoing);
	if (r < 0)
		transport->counters.failed++;
	else
		transport->counters.forwarded++;
	return r;
}
