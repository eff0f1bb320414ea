/* SPDX-License-Identifier: MIT */
/*
 * datagrams.c: see datagrams.h. What is the same for a row of datagrams stands in options of the socket, and is only
 * set when it changes, so that a train leaves in one system call.
 */
#include "host/probe/datagrams.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "host/probe/inbox.h"
#include "host/probe/stamp.h"
#include "host/probe/throttle.h"
#include "probe/qlpb_wire.h"

#define SOCKETS 2  /* enum qlpb_socket */
#define FAMILIES 2 /* IPv4, IPv6 */

#define SEND_BATCH 64
/* Of all that may be answered, and of trains, several times as much. */
#define READS_PER_S 20000
#define ROOM_BYTES (1 << 20) /* a train of the fastest paths */

/* What is set on a socket; -1: nothing yet. */
struct traits {
	int tos, priority, hop_limit, dont_fragment, omit_checksum;
};

struct udp {
	struct datagrams *datagrams;
	int fd;
	int family;
	bool stamps;
	struct traits traits;
	struct throttle throttle;
};

struct datagrams {
	struct datagrams_options options;
	struct udp udp[SOCKETS][FAMILIES];
	uint64_t rests; /* of sockets that are closed */
	struct inbox *inbox;
};

/* ---- opening ---- */

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The more the better; beyond the usual limit only who may. */
static void make_room(int fd)
{
	if (set(fd, SOL_SOCKET, SO_SNDBUFFORCE, ROOM_BYTES) < 0)
		(void)set(fd, SOL_SOCKET, SO_SNDBUF, ROOM_BYTES);
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES) < 0)
		(void)set(fd, SOL_SOCKET, SO_RCVBUF, ROOM_BYTES);
}

static int ask_for_details(int fd, int family)
{
	int r;

	if (family == AF_INET) {
		r = set(fd, IPPROTO_IP, IP_PKTINFO, 1);
		return r < 0 ? r : set(fd, IPPROTO_IP, IP_RECVTOS, 1);
	}
	r = set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	return r < 0 ? r : set(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
}

/* Nobody has anything to say to the socket that only sends. */
static int hear_nothing(int fd)
{
	struct sock_filter drop = { .code = BPF_RET | BPF_K, .k = 0 };
	const struct sock_fprog program = { .len = 1, .filter = &drop };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static int bind_to(int fd, int family, uint16_t port)
{
	const struct address any = { .family = (uint16_t)family, .port = port };
	struct sockaddr_storage sockaddr;
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);

	address_to_sockaddr(&any, &sockaddr);
	return bind(fd, (const struct sockaddr *)&sockaddr, len) < 0 ? -errno : 0;
}

static bool is_service_port(int fd)
{
	struct sockaddr_storage sockaddr;
	socklen_t len = sizeof(sockaddr);
	struct address address;

	return getsockname(fd, (struct sockaddr *)&sockaddr, &len) == 0 &&
	       address_from_sockaddr((struct sockaddr *)&sockaddr, len, &address) == 0 &&
	       address.port == QLPB_PORT;
}

static int prepare(int fd, int family, enum qlpb_socket which)
{
	int r;

	if (family == AF_INET6) {
		r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		if (r < 0)
			return r;
	}
	make_room(fd);
	if (which == QLPB_SOCKET_PROBE) {
		r = hear_nothing(fd);
		if (r == 0)
			r = bind_to(fd, family, 0);
		/* It must not be that one, and the system chooses from what the administrator allows. */
		return r == 0 && is_service_port(fd) ? -EADDRINUSE : r;
	}
	r = ask_for_details(fd, family);
	return r < 0 ? r : bind_to(fd, family, QLPB_PORT);
}

static void on_readable(evutil_socket_t fd, short what, void *user_data);

static int open_udp(struct udp *udp, enum qlpb_socket which)
{
	_cleanup_(closep) int fd =
		socket(udp->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno;
	r = prepare(fd, udp->family, which);
	if (r < 0)
		return udp->family == AF_INET6 && r == -EADDRNOTAVAIL ? 0 : r;
	if (which == QLPB_SOCKET_SERVICE) {
		udp->stamps = stamp_enable(fd) == 0;
		r = throttle_start(&udp->throttle, udp->datagrams->options.base, fd, READS_PER_S,
				   on_readable, udp);
		if (r < 0)
			return r;
	}
	udp->traits = (struct traits){ -1, -1, -1, -1, -1 };
	udp->fd = steal_fd(&fd);
	return 0;
}

int datagrams_open(struct datagrams *datagrams)
{
	int error = 0, r;

	for (int which = 0; which < SOCKETS; which++) {
		for (int i = 0; i < FAMILIES; i++) {
			struct udp *udp = &datagrams->udp[which][i];

			r = udp->fd < 0 ? open_udp(udp, (enum qlpb_socket)which) : 0;
			if (error == 0)
				error = r;
		}
	}
	return error;
}

static void close_udp(struct udp *udp)
{
	if (udp->fd < 0)
		return;
	udp->datagrams->rests += udp->throttle.rests;
	throttle_stop(&udp->throttle);
	udp->throttle = (struct throttle){ 0 };
	close(udp->fd);
	udp->fd = -1;
}

void datagrams_close(struct datagrams *datagrams)
{
	for (int which = 0; which < SOCKETS; which++)
		for (int i = 0; i < FAMILIES; i++)
			close_udp(&datagrams->udp[which][i]);
}

int datagrams_new(const struct datagrams_options *options, struct datagrams **ret_datagrams)
{
	struct datagrams *datagrams = calloc(1, sizeof(*datagrams));

	if (!datagrams)
		return -ENOMEM;
	datagrams->options = *options;
	for (int which = 0; which < SOCKETS; which++)
		for (int i = 0; i < FAMILIES; i++)
			datagrams->udp[which][i] =
				(struct udp){ .datagrams = datagrams,
					      .fd = -1,
					      .family = i == 0 ? AF_INET : AF_INET6 };
	datagrams->inbox = inbox_new();
	if (!datagrams->inbox) {
		free(datagrams);
		return -ENOMEM;
	}
	*ret_datagrams = datagrams;
	return 0;
}

struct datagrams *datagrams_free(struct datagrams *datagrams)
{
	if (!datagrams)
		return NULL;
	datagrams_close(datagrams);
	inbox_free(datagrams->inbox);
	free(datagrams);
	return NULL;
}

/* ---- receiving ---- */

static void read_packet_info(const struct cmsghdr *c, struct qlpb_arrival *arrival)
{
	struct in_pktinfo info4;
	struct in6_pktinfo info6;
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };

	if (c->cmsg_level == IPPROTO_IP) {
		memcpy(&info4, CMSG_DATA(c), sizeof(info4));
		arrival->ifindex = (uint32_t)info4.ipi_ifindex;
		sin.sin_addr = info4.ipi_addr;
		address_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &arrival->destination);
		/* What is for all comes to one of our addresses all the same, which is another one then. */
		arrival->unicast = info4.ipi_addr.s_addr == info4.ipi_spec_dst.s_addr;
		return;
	}
	memcpy(&info6, CMSG_DATA(c), sizeof(info6));
	arrival->ifindex = info6.ipi6_ifindex;
	sin6.sin6_addr = info6.ipi6_addr;
	sin6.sin6_scope_id = info6.ipi6_ifindex;
	address_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &arrival->destination);
	arrival->unicast = !address_is_multicast(&arrival->destination);
}

static void read_details(struct msghdr *message, struct qlpb_arrival *arrival)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) ||
		    (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)) {
			read_packet_info(c, arrival);
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			arrival->dscp = *CMSG_DATA(c) >> 2;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			int tclass;

			memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
			arrival->dscp = (uint8_t)(tclass >> 2 & 0x3f);
		}
	}
}

static void hand_in(void *user_data, const struct inbox_packet *packet)
{
	struct datagrams *datagrams = user_data;
	struct msghdr *header = packet->header;
	struct qlpb_arrival arrival = { .received_ns = packet->received_ns };

	if (address_from_sockaddr(header->msg_name, header->msg_namelen, &arrival.source) < 0)
		return;
	read_details(header, &arrival);
	datagrams->options.arrived(datagrams->options.user_data, &arrival, packet->data,
				   packet->len, packet->now_us);
}

static void on_readable(evutil_socket_t fd, short what, void *user_data)
{
	struct udp *udp = user_data;
	struct datagrams *datagrams = udp->datagrams;

	(void)what;
	inbox_read(datagrams->inbox, fd, &udp->throttle, hand_in, datagrams);
	datagrams->options.settled(datagrams->options.user_data, time_now_us());
}

/* ---- sending ---- */

static struct udp *socket_of(struct datagrams *datagrams, const struct qlpb_datagram *item)
{
	return &datagrams->udp[item->socket][item->destination.family == AF_INET6];
}

static struct traits traits_of(const struct qlpb_datagram *item)
{
	return (struct traits){
		.tos = item->dscp << 2,
		.priority = item->priority,
		.hop_limit = item->hop_limit,
		.dont_fragment = item->dont_fragment,
		.omit_checksum = item->omit_checksum && item->destination.family == AF_INET,
	};
}

static bool is_same(const struct traits *a, const struct traits *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static int set_changed(int fd, int level, int option, int value, int *in_force)
{
	int r = *in_force == value ? 0 : set(fd, level, option, value);

	if (r == 0)
		*in_force = value;
	return r;
}

static int apply4(struct udp *udp, const struct traits *traits)
{
	struct traits *now = &udp->traits;
	int r = 0;

	if (now->dont_fragment != traits->dont_fragment)
		r = set(udp->fd, IPPROTO_IP, IP_MTU_DISCOVER,
			traits->dont_fragment ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
	if (r == 0)
		now->dont_fragment = traits->dont_fragment;
	/* The priority, too, is another one after that. */
	if (r == 0 && now->tos != traits->tos)
		now->priority = -1;
	if (r == 0)
		r = set_changed(udp->fd, IPPROTO_IP, IP_TOS, traits->tos, &now->tos);
	if (r == 0)
		r = set_changed(udp->fd, IPPROTO_IP, IP_TTL, traits->hop_limit, &now->hop_limit);
	/* It only saves work. */
	(void)set_changed(udp->fd, SOL_SOCKET, SO_NO_CHECK, traits->omit_checksum,
			  &now->omit_checksum);
	return r;
}

static int apply6(struct udp *udp, const struct traits *traits)
{
	struct traits *now = &udp->traits;
	int r = 0;

	if (now->dont_fragment != traits->dont_fragment) {
		r = set(udp->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
			traits->dont_fragment ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT);
		if (r == 0)
			r = set(udp->fd, IPPROTO_IPV6, IPV6_DONTFRAG, traits->dont_fragment);
	}
	if (r == 0)
		now->dont_fragment = traits->dont_fragment;
	if (r == 0)
		r = set_changed(udp->fd, IPPROTO_IPV6, IPV6_TCLASS, traits->tos, &now->tos);
	if (r == 0)
		r = set_changed(udp->fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, traits->hop_limit,
				&now->hop_limit);
	now->omit_checksum = traits->omit_checksum;
	return r;
}

static int apply(struct udp *udp, const struct traits *traits)
{
	int r;

	if (is_same(&udp->traits, traits))
		return 0;
	r = udp->family == AF_INET ? apply4(udp, traits) : apply6(udp, traits);
	/* Where it may not be set, the packet still goes. */
	(void)set_changed(udp->fd, SOL_SOCKET, SO_PRIORITY, traits->priority,
			  &udp->traits.priority);
	udp->traits.priority = traits->priority;
	return r;
}

struct outbox {
	struct mmsghdr messages[SEND_BATCH];
	struct iovec iov[SEND_BATCH];
	struct sockaddr_storage to[SEND_BATCH];
	_Alignas(struct cmsghdr) char control[SEND_BATCH][CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

/* By which interface, and with which of our addresses. */
static size_t put_packet_info(void *control, const struct qlpb_datagram *item)
{
	struct msghdr header = { .msg_control = control,
				 .msg_controllen = CMSG_SPACE(sizeof(struct in6_pktinfo)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);
	bool has_source = item->source.family == item->destination.family;
	struct in_pktinfo info4 = { .ipi_ifindex = (int)item->ifindex };
	struct in6_pktinfo info6 = { .ipi6_ifindex = item->ifindex };

	if (item->destination.family == AF_INET) {
		if (has_source)
			memcpy(&info4.ipi_spec_dst, item->source.addr + 12, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info4));
		memcpy(CMSG_DATA(c), &info4, sizeof(info4));
		return CMSG_SPACE(sizeof(info4));
	}
	if (has_source)
		memcpy(&info6.ipi6_addr, item->source.addr, 16);
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(info6));
	memcpy(CMSG_DATA(c), &info6, sizeof(info6));
	return CMSG_SPACE(sizeof(info6));
}

static void put(struct outbox *outbox, unsigned i, const struct qlpb_datagram *item)
{
	address_to_sockaddr(&item->destination, &outbox->to[i]);
	outbox->iov[i] = (struct iovec){ (void *)item->data, item->len };
	memset(outbox->control[i], 0, sizeof(outbox->control[i]));
	outbox->messages[i] =
		(struct mmsghdr){ .msg_hdr = {
					  .msg_name = &outbox->to[i],
					  .msg_namelen = item->destination.family == AF_INET
								 ? sizeof(struct sockaddr_in)
								 : sizeof(struct sockaddr_in6),
					  .msg_iov = &outbox->iov[i],
					  .msg_iovlen = 1,
					  .msg_control = outbox->control[i],
					  .msg_controllen =
						  put_packet_info(outbox->control[i], item),
				  } };
}

/* As many as go in one call: through one socket, all with the same traits. */
static int send_run(struct datagrams *datagrams, const struct qlpb_datagram *items, unsigned n)
{
	struct udp *udp = socket_of(datagrams, &items[0]);
	struct traits traits = traits_of(&items[0]);
	struct outbox outbox;
	unsigned run = 0;
	int r;

	if (udp->fd < 0)
		return -ENOTCONN;
	for (; run < n && run < SEND_BATCH; run++) {
		struct traits other = traits_of(&items[run]);

		if (socket_of(datagrams, &items[run]) != udp || !is_same(&other, &traits))
			break;
		put(&outbox, run, &items[run]);
	}
	r = apply(udp, &traits);
	if (r < 0)
		return r;
	do
		r = sendmmsg(udp->fd, outbox.messages, run, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int datagrams_send(struct datagrams *datagrams, const struct qlpb_datagram *items, unsigned n)
{
	unsigned sent = 0;
	int r;

	while (sent < n) {
		r = send_run(datagrams, items + sent, n - sent);
		if (r <= 0)
			return sent > 0 ? (int)sent : r;
		sent += (unsigned)r;
	}
	return (int)sent;
}

/* ---- seeing ---- */

bool datagrams_has(const struct datagrams *datagrams, enum qlpb_socket socket, int family)
{
	return datagrams->udp[socket][family == AF_INET6].fd >= 0;
}

bool datagrams_has_stamps(const struct datagrams *datagrams)
{
	for (int i = 0; i < FAMILIES; i++)
		if (datagrams->udp[QLPB_SOCKET_SERVICE][i].fd >= 0 &&
		    !datagrams->udp[QLPB_SOCKET_SERVICE][i].stamps)
			return false;
	return true;
}

uint64_t datagrams_rests(const struct datagrams *datagrams)
{
	uint64_t rests = datagrams->rests;

	for (int i = 0; i < FAMILIES; i++)
		rests += datagrams->udp[QLPB_SOCKET_SERVICE][i].throttle.rests;
	return rests;
}
