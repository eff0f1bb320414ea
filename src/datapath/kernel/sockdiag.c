/* SPDX-License-Identifier: MIT */
/*
 * sockdiag.c: see sockdiag.h. The exact question costs the kernel one lookup, but UDP looks it up as if it were
 * a received packet, so source and destination stand swapped there, and any socket that would get such a
 * packet may be the answer.
 */
#include "datapath/kernel/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "datapath/datapath.h"

#define SHUTDOWN_RECEIVE 1 /* the kernel's RCV_SHUTDOWN, SEND_SHUTDOWN */
#define SHUTDOWN_SEND 2

struct sockdiag {
	struct mnl_socket *netlink;
	uint32_t sequence;
};

struct sockdiag *sockdiag_free(struct sockdiag *sockdiag)
{
	if (!sockdiag)
		return NULL;
	if (sockdiag->netlink)
		mnl_socket_close(sockdiag->netlink);
	free(sockdiag);
	return NULL;
}

DEFINE_CLEANUP(struct sockdiag *, sockdiag_free);

int sockdiag_new(struct sockdiag **ret_sockdiag)
{
	_cleanup_(sockdiag_freep) struct sockdiag *sockdiag = calloc(1, sizeof(*sockdiag));

	if (!sockdiag)
		return -ENOMEM;
	sockdiag->netlink = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	if (!sockdiag->netlink || mnl_socket_bind(sockdiag->netlink, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	sockdiag->sequence = (uint32_t)time(NULL);
	*ret_sockdiag = steal_ptr(&sockdiag);
	return 0;
}

static struct inet_diag_req_v2 *put_request(struct sockdiag *sockdiag, void *buffer, int family, int protocol,
					    uint16_t flags, struct nlmsghdr **ret_message)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req_v2 *request;

	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	message->nlmsg_seq = ++sockdiag->sequence;
	request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
	request->sdiag_family = (uint8_t)family;
	request->sdiag_protocol = (uint8_t)protocol;
	request->idiag_states = UINT32_MAX;
	request->idiag_ext = 1 << (INET_DIAG_SHUTDOWN - 1);
	request->id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
	request->id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	*ret_message = message;
	return request;
}

struct receiver {
	void (*report)(void *user_data, const struct sockdiag_state *state);
	void *user_data;
};

static int on_attribute(const struct nlattr *attribute, void *user_data)
{
	struct sockdiag_state *state = user_data;
	uint8_t bits;

	if (mnl_attr_get_type(attribute) != INET_DIAG_SHUTDOWN || mnl_attr_get_payload_len(attribute) < 1)
		return MNL_CB_OK;
	bits = mnl_attr_get_u8(attribute);
	state->directions = (uint8_t)((bits & SHUTDOWN_RECEIVE ? DIRECTION_RECEIVE : 0) |
				      (bits & SHUTDOWN_SEND ? DIRECTION_SEND : 0));
	return MNL_CB_OK;
}

static int on_message(const struct nlmsghdr *message, void *user_data)
{
	const struct inet_diag_msg *payload = mnl_nlmsg_get_payload(message);
	const struct receiver *receiver = user_data;
	struct sockdiag_state state;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY || mnl_nlmsg_get_payload_len(message) < sizeof(*payload))
		return MNL_CB_OK;
	state = (struct sockdiag_state){
		.cookie = (uint64_t)payload->id.idiag_cookie[1] << 32 | payload->id.idiag_cookie[0],
		.tcp_state = payload->idiag_state,
		.connected = payload->idiag_state != TCP_CLOSE && payload->id.idiag_dport != 0,
	};
	mnl_attr_parse(message, sizeof(*payload), on_attribute, &state);
	receiver->report(receiver->user_data, &state);
	return MNL_CB_OK;
}

static int ask(struct sockdiag *sockdiag, struct nlmsghdr *message, const struct receiver *receiver)
{
	_Alignas(struct nlmsghdr) char buffer[16384];
	unsigned port = mnl_socket_get_portid(sockdiag->netlink);
	int r = MNL_CB_OK;
	ssize_t n;

	if (mnl_socket_sendto(sockdiag->netlink, message, message->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(sockdiag->netlink, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)n, sockdiag->sequence, port, on_message, (void *)receiver);
		/* An answer to an exact question is one message without an end mark. */
		if (r >= 0 && !(message->nlmsg_flags & NLM_F_DUMP))
			return 0;
	}
	return r < 0 ? -errno : 0;
}

int sockdiag_scan(struct sockdiag *sockdiag, int family, int protocol,
		  void (*report)(void *user_data, const struct sockdiag_state *state), void *user_data)
{
	const struct receiver receiver = {.report = report, .user_data = user_data};
	char buffer[256] = {0};
	struct nlmsghdr *message;

	put_request(sockdiag, buffer, family, protocol, NLM_F_DUMP, &message);
	return ask(sockdiag, message, &receiver);
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
static void put_address(int family, const struct address *address, __be32 ret_addr[4], __be16 *ret_port)
{
	memset(ret_addr, 0, 4 * sizeof(ret_addr[0]));
	*ret_port = 0;
	if (address->family == AF_UNSPEC)
		return;
	if (family == AF_INET)
		memcpy(ret_addr, address->addr + 12, 4);
	else if (!address_is_unspecified(address))
		memcpy(ret_addr, address->addr, 16);
	*ret_port = htons(address->port);
}

static int find_exact(struct sockdiag *sockdiag, const struct sockdiag_query *query, struct search *search)
{
	const struct receiver receiver = {.report = compare, .user_data = search};
	struct inet_diag_req_v2 *request;
	char buffer[256] = {0};
	struct nlmsghdr *message;
	bool swapped = query->protocol != IPPROTO_TCP;

	request = put_request(sockdiag, buffer, query->family, query->protocol, 0, &message);
	put_address(query->family, swapped ? &query->remote : &query->local, request->id.idiag_src,
		    &request->id.idiag_sport);
	put_address(query->family, swapped ? &query->local : &query->remote, request->id.idiag_dst,
		    &request->id.idiag_dport);
	request->id.idiag_if = query->ifindex;
	return ask(sockdiag, message, &receiver);
}

int sockdiag_find(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		  struct sockdiag_state *ret_state)
{
	struct search search = {.cookie = query->cookie};
	int r = find_exact(sockdiag, query, &search);

	if (r == 0 && !search.found)
		r = -ENOENT;
	if (r == -ENOENT)
		r = sockdiag_scan(sockdiag, query->family, query->protocol, compare, &search);
	if (r < 0)
		return r;
	if (!search.found)
		return -ENOENT;
	*ret_state = search.state;
	return 0;
}
