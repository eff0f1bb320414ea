/* SPDX-License-Identifier: MIT */
/* probe.c: see probe.h. */
#include "datapath/kernel/probe.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "datapath/sockdiag.h"

#define TC_ACT_UNSPEC (-1)

struct probe {
	const struct tables *tables;
	uint64_t udp;
	uint64_t tcp;
	struct probe_result result;
};

/* An entry that marks nothing, so that the hooks take notice of the socket. */
static int enter(const struct tables *tables, int fd, uint64_t *ret_cookie)
{
	const struct gw_socket entry = {
		.any_verdict.flags = GW_VERDICT_VALID,
		.generation = (uint16_t)tables->settings->generation,
	};
	socklen_t len = sizeof(*ret_cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &len) < 0)
		return -errno;
	return bpf_map_update_elem(tables->fd[TABLE_SOCKETS], ret_cookie, &entry, BPF_NOEXIST);
}

/* Whether release has taken the entry away; if not, we do. */
static bool has_left(const struct tables *tables, uint64_t cookie)
{
	return bpf_map_delete_elem(tables->fd[TABLE_SOCKETS], &cookie) == -ENOENT;
}

/* Works also where the loopback interface is down. */
static int bind_loopback(int fd, struct sockaddr_in *ret_address)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	const int on = 1;

	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0)
		return -errno;
	*ret_address = address;
	return 0;
}

static int ask_sockdiag(uint64_t cookie, const struct sockaddr_in *bound)
{
	struct sockdiag_query query = { .cookie = cookie,
					.family = AF_INET,
					.protocol = IPPROTO_UDP };
	struct sockdiag_state state;
	struct sockdiag *sockdiag;
	int r = address_from_sockaddr((const struct sockaddr *)bound, sizeof(*bound), &query.local);

	if (r == 0)
		r = sockdiag_new(&sockdiag);
	if (r < 0)
		return r;
	r = sockdiag_find(sockdiag, &query, &state);
	if (r == 0 && state.directions != DIRECTION_BOTH)
		r = -EBADMSG;
	sockdiag_free(sockdiag);
	return r;
}

/* Shutdown, question, disconnect, close of a socket that never was connected. */
static int use_udp(struct probe *probe)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in bound;
	int r;

	if (fd < 0)
		return -errno;
	r = enter(probe->tables, fd, &probe->udp);
	if (r == 0)
		r = bind_loopback(fd, &bound);
	if (r < 0)
		return r;
	/* ENOTCONN is what it says while it does it. */
	shutdown(fd, SHUT_RDWR);
	probe->result.sockdiag = ask_sockdiag(probe->udp, &bound);
	return connect(fd, &none, sizeof(none)) < 0 ? -errno : 0;
}

/*
 * A listening socket that stops listening goes to CLOSE, through the function that also
 * disconnects.
 */
static int use_tcp(struct probe *probe)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in bound;
	int r;

	if (fd < 0)
		return -errno;
	r = enter(probe->tables, fd, &probe->tcp);
	if (r == 0)
		r = bind_loopback(fd, &bound);
	if (r < 0)
		return r;
	if (listen(fd, 1) < 0 || shutdown(fd, SHUT_RD) < 0)
		return -errno;
	return 0;
}

static void on_event(void *user_data, const struct gw_close *event)
{
	struct probe *probe = user_data;

	if (event->cookie == probe->udp && event->origin == GW_ORIGIN_SHUTDOWN)
		probe->result.seen[HOOK_SHUTDOWN] = true;
	else if (event->cookie == probe->udp && event->origin == GW_ORIGIN_DISCONNECT)
		probe->result.seen[HOOK_UDP_DISCONNECT] = true;
	else if (event->cookie == probe->tcp && event->origin == GW_ORIGIN_DISCONNECT)
		probe->result.seen[HOOK_TCP_DISCONNECT] = true;
	else if (event->cookie == probe->tcp && event->origin == GW_ORIGIN_STATE)
		probe->result.seen[HOOK_STATE] = true;
}

int probe_hooks(const struct tables *tables, struct events *events, struct probe_result *ret_result)
{
	struct probe probe = { .tables = tables, .result.sockdiag = -ENOTCONN };
	bool udp_left, tcp_left, lost;
	int r = use_udp(&probe);

	if (r == 0)
		r = use_tcp(&probe);
	/* Both are closed now. */
	udp_left = has_left(tables, probe.udp);
	tcp_left = has_left(tables, probe.tcp);
	if (r == 0)
		r = events_poll(events, tables, on_event, &probe, &lost);
	if (r < 0)
		return r;
	probe.result.seen[HOOK_RELEASE] = udp_left && tcp_left;
	*ret_result = probe.result;
	return 0;
}

int probe_mark(const struct programs *programs, const struct tables *tables)
{
	/* Ethernet, then an IPv4 header that need not be right. */
	char packet[64] = { [12] = 0x08, [14] = 0x45 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof(packet));
	uint64_t before[GW_STAT_COUNT], after[GW_STAT_COUNT];
	int r = tables_read_stats(tables, before);

	if (r == 0)
		r = bpf_prog_test_run_opts(programs->mark_ethernet, &run);
	if (r == 0)
		r = tables_read_stats(tables, after);
	if (r < 0)
		return r;
	return (int)run.retval == TC_ACT_UNSPEC && after[GW_STAT_PACKETS] > before[GW_STAT_PACKETS]
		       ? 0
		       : -EBADMSG;
}
