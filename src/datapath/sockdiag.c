/* SPDX-License-Identifier: MIT */
/*
 * sockdiag.c: see sockdiag.h. The exact question costs the kernel one lookup, but UDP looks it up as if it were
 * a received packet, so source and destination stand swapped there, and any socket that would get such a
 * packet may be the answer.
 */
#include "datapath/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "datapath/datapath.h"
#include "datapath/netlink.h"

/* Without that of bound and otherwise idle TCP sockets, which only some kernels know (6.8). */
#define ALL_STATES ((1u << (TCP_CLOSING + 1)) - 1)

#define SHUTDOWN_RECEIVE 1 /* the kernel's RCV_SHUTDOWN, SEND_SHUTDOWN */
#define SHUTDOWN_SEND 2

struct sockdiag {
	struct netlink *netlink;
};

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 diag;
};

/* What goes with it while the answers to a question come in. */
struct receiver {
	void (*report)(void *user_data, const struct sockdiag_state *state);
	void *user_data;
	struct connection *connection; /* NULL: nobody asked */
};

/* What is known of the connection of the socket that was asked for. */
struct connection {
	uint64_t cookie;
	int status; /* of `tcp` */
	struct sockdiag_tcp tcp;
};

struct sockdiag *sockdiag_free(struct sockdiag *sockdiag)
{
	if (!sockdiag)
		return NULL;
	netlink_free(sockdiag->netlink);
	free(sockdiag);
	return NULL;
}

DEFINE_CLEANUP(struct sockdiag *, sockdiag_free);

int sockdiag_new(struct sockdiag **ret_sockdiag)
{
	_cleanup_(sockdiag_freep) struct sockdiag *sockdiag = calloc(1, sizeof(*sockdiag));
	int r;

	if (!sockdiag)
		return -ENOMEM;
	r = netlink_new(NETLINK_SOCK_DIAG, &sockdiag->netlink);
	if (r < 0)
		return r == -EPROTONOSUPPORT || r == -EAFNOSUPPORT ? -EOPNOTSUPP : r;
	*ret_sockdiag = steal_ptr(&sockdiag);
	return 0;
}

/* ---- asking ---- */

static void fill_request(struct request *request, int family, int protocol, uint16_t flags,
			 uint32_t states)
{
	*request = (struct request){
		.header = {
			.nlmsg_len = sizeof(*request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = flags,
		},
		.diag = {
			.sdiag_family = (uint8_t)family,
			.sdiag_protocol = (uint8_t)protocol,
			.idiag_states = states,
			.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
		},
	};
}

/* ---- answers ---- */

static void read_address(int family, const __be32 addr[4], __be16 port, uint32_t ifindex,
			 struct address *ret_address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = port,
				     .sin6_scope_id = ifindex };

	if (family == AF_INET) {
		memcpy(&sin.sin_addr, addr, sizeof(sin.sin_addr));
		address_from_sockaddr((const struct sockaddr *)&sin, sizeof(sin), ret_address);
	} else {
		memcpy(&sin6.sin6_addr, addr, sizeof(sin6.sin6_addr));
		address_from_sockaddr((const struct sockaddr *)&sin6, sizeof(sin6), ret_address);
	}
}

/* Its payload; NULL: there is none such. */
static const void *find_attribute(const struct nlmsghdr *message, uint16_t type, size_t *ret_len)
{
	const char *end = (const char *)message + message->nlmsg_len;
	const char *at =
		(const char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct inet_diag_msg));

	while (end - at >= NLA_HDRLEN) {
		const struct nlattr *attribute = (const struct nlattr *)at;

		if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > end - at)
			break;
		if (attribute->nla_type == type) {
			*ret_len = attribute->nla_len - (size_t)NLA_HDRLEN;
			return at + NLA_HDRLEN;
		}
		at += NLA_ALIGN(attribute->nla_len);
	}
	return NULL;
}

static uint8_t read_directions(const struct nlmsghdr *message)
{
	size_t len;
	const uint8_t *bits = find_attribute(message, INET_DIAG_SHUTDOWN, &len);

	if (!bits || len == 0)
		return 0;
	return (uint8_t)((*bits & SHUTDOWN_RECEIVE ? DIRECTION_RECEIVE : 0) |
			 (*bits & SHUTDOWN_SEND ? DIRECTION_SEND : 0));
}

bool sockdiag_parse(const struct nlmsghdr *message, struct sockdiag_state *ret_state)
{
	const struct inet_diag_msg *diag = NLMSG_DATA(message);
	const struct inet_diag_sockid *id = &diag->id;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*diag)))
		return false;
	*ret_state = (struct sockdiag_state){
		.cookie = (uint64_t)id->idiag_cookie[1] << 32 | id->idiag_cookie[0],
		.tcp_state = diag->idiag_state,
		.directions = read_directions(message),
		.connected = diag->idiag_state != TCP_CLOSE && id->idiag_dport != 0,
		.held = diag->idiag_inode != 0,
		.ifindex = id->idiag_if,
	};
	read_address(diag->idiag_family, id->idiag_src, id->idiag_sport, id->idiag_if,
		     &ret_state->local);
	if (ret_state->connected)
		read_address(diag->idiag_family, id->idiag_dst, id->idiag_dport, id->idiag_if,
			     &ret_state->remote);
	return true;
}

static void read_connection(const struct nlmsghdr *message, uint64_t cookie,
			    struct connection *connection)
{
	size_t len = 0;
	const void *info = find_attribute(message, INET_DIAG_INFO, &len);

	if (cookie == connection->cookie)
		connection->status = sockdiag_read_tcp(info, len, &connection->tcp);
}

static void take(void *user_data, const struct nlmsghdr *message)
{
	const struct receiver *receiver = user_data;
	struct sockdiag_state state;

	if (!sockdiag_parse(message, &state))
		return;
	receiver->report(receiver->user_data, &state);
	if (receiver->connection)
		read_connection(message, state.cookie, receiver->connection);
}

/* ---- questions ---- */

static void ignore(void *user_data, const struct sockdiag_state *state)
{
	(void)user_data;
	(void)state;
}

int sockdiag_probe(struct sockdiag *sockdiag, int family, int protocol)
{
	struct receiver receiver = { .report = ignore };
	struct request request;
	int r;

	/* Sockets in none of all states: the kernel finds who answers, and has nothing to look through. */
	fill_request(&request, family, protocol, NLM_F_DUMP, 0);
	r = netlink_ask(sockdiag->netlink, &request.header, take, &receiver);
	return r == -ENOENT || r == -EINVAL ? -EOPNOTSUPP : r;
}

struct search {
	uint64_t cookie;
	struct sockdiag_state state;
	bool found;
};

static void compare(void *user_data, const struct sockdiag_state *state)
{
	struct search *search = user_data;

	if (state->cookie != search->cookie)
		return;
	search->state = *state;
	search->found = true;
}

/* In the family of the socket: IPv4 addresses of an IPv6 socket are mapped ones, which is how we keep them. */
static void put_address(int family, const struct address *address, __be32 ret_addr[4],
			__be16 *ret_port)
{
	if (address->family == AF_UNSPEC)
		return;
	if (family == AF_INET)
		memcpy(ret_addr, address->addr + 12, 4);
	else if (!address_is_unspecified(address))
		memcpy(ret_addr, address->addr, 16);
	*ret_port = htons(address->port);
}

/* With what is known of the connection, if that is not NULL. */
static int ask(struct sockdiag *sockdiag, const struct sockdiag_query *query,
	       struct sockdiag_state *ret_state, struct connection *connection)
{
	struct search search = { .cookie = query->cookie };
	struct receiver receiver = { .report = compare,
				     .user_data = &search,
				     .connection = connection };
	bool swapped = query->protocol != IPPROTO_TCP;
	struct inet_diag_sockid *id;
	struct request request;
	int r;

	fill_request(&request, query->family, query->protocol, 0, ALL_STATES);
	if (connection)
		request.diag.idiag_ext = 1 << (INET_DIAG_INFO - 1);
	id = &request.diag.id;
	put_address(query->family, swapped ? &query->remote : &query->local, id->idiag_src,
		    &id->idiag_sport);
	put_address(query->family, swapped ? &query->local : &query->remote, id->idiag_dst,
		    &id->idiag_dport);
	id->idiag_if = query->ifindex;
	r = netlink_ask(sockdiag->netlink, &request.header, take, &receiver);
	if (r < 0)
		return r;
	if (!search.found)
		return -ENOENT;
	*ret_state = search.state;
	return 0;
}

int sockdiag_ask(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		 struct sockdiag_state *ret_state)
{
	return ask(sockdiag, query, ret_state, NULL);
}

int sockdiag_ask_tcp(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		     struct sockdiag_tcp *ret_tcp)
{
	struct connection connection = { .cookie = query->cookie, .status = -ENODATA };
	struct sockdiag_state state;
	int r = ask(sockdiag, query, &state, &connection);

	if (r < 0)
		return r;
	if (connection.status < 0)
		return connection.status;
	*ret_tcp = connection.tcp;
	return 0;
}

int sockdiag_scan_begin(struct sockdiag *sockdiag, int family, int protocol)
{
	struct request request;

	fill_request(&request, family, protocol, NLM_F_DUMP, ALL_STATES);
	return netlink_send(sockdiag->netlink, &request.header);
}

int sockdiag_scan_next(struct sockdiag *sockdiag,
		       void (*report)(void *user_data, const struct sockdiag_state *state),
		       void *user_data)
{
	struct receiver receiver = { .report = report, .user_data = user_data };

	return netlink_receive(sockdiag->netlink, take, &receiver);
}

int sockdiag_find(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		  struct sockdiag_state *ret_state)
{
	struct search search = { .cookie = query->cookie };
	struct receiver receiver = { .report = compare, .user_data = &search };
	struct request request;
	int r = sockdiag_ask(sockdiag, query, ret_state);

	if (r != -ENOENT)
		return r;
	fill_request(&request, query->family, query->protocol, NLM_F_DUMP, ALL_STATES);
	r = netlink_ask(sockdiag->netlink, &request.header, take, &receiver);
	if (r < 0)
		return r;
	if (!search.found)
		return -ENOENT;
	*ret_state = search.state;
	return 0;
}
