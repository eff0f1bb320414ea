/* SPDX-License-Identifier: MIT */
/*
 * Tests of datapath/sockdiag on real sockets over loopback: what the kernel says of them in every state
 * that the hosts want to tell apart. Run twice, as whoever runs the tests and, if that is root, as
 * nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/datapath.h"
#include "datapath/identity.h"
#include "datapath/sockdiag.h"
#include "sockets.h"

#define MANY 400 /* more than the kernel tells of in one packet */
#define PROTOCOL_NOBODY_HAS 253

static struct sockdiag *sockdiag;

static int set_up(void **state)
{
	(void)state;
	return sockdiag_new(&sockdiag);
}

static int tear_down(void **state)
{
	(void)state;
	sockdiag = sockdiag_free(sockdiag);
	return 0;
}

/* What a host knows of the socket. */
static struct sockdiag_query query_of(int fd)
{
	struct socket_identity identity;

	assert_int_equal(socket_identity_read(fd, &identity), 0);
	return (struct sockdiag_query){
		.cookie = identity.cookie,
		.family = identity.family,
		.protocol = identity.protocol,
		.ifindex = identity.bound_ifindex,
		.local = identity.local,
		.remote = identity.peer,
	};
}

/* By its addresses alone. */
static struct sockdiag_state ask(int fd)
{
	struct sockdiag_query query = query_of(fd);
	struct sockdiag_state state;

	assert_int_equal(sockdiag_ask(sockdiag, &query, &state), 0);
	assert_int_equal(state.cookie, query.cookie);
	return state;
}

static void check_addresses(int fd)
{
	struct sockdiag_query query = query_of(fd);
	struct sockdiag_state state = ask(fd);

	assert_true(address_equal(&state.local, &query.local));
	assert_true(address_equal(&state.remote, &query.remote));
	assert_int_equal(state.connected, query.remote.family != AF_UNSPEC);
	assert_true(state.held);
	assert_int_equal(state.directions, 0);
}

static const int families[] = { AF_INET, AF_INET6 };

static void answers_for_what_there_is(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		need_family(families[i]);
		assert_int_equal(sockdiag_probe(sockdiag, families[i], IPPROTO_UDP), 0);
		assert_int_equal(sockdiag_probe(sockdiag, families[i], IPPROTO_TCP), 0);
		assert_int_equal(sockdiag_probe(sockdiag, families[i], PROTOCOL_NOBODY_HAS),
				 -EOPNOTSUPP);
	}
}

static void finds_udp(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		int fds[3];

		need_family(families[i]);
		fds[0] = udp_bound(families[i]);
		fds[1] = udp_connected(families[i]);
		fds[2] = udp_bound_connected(families[i]);
		for (size_t n = 0; n < 3; n++) {
			check_addresses(fds[n]);
			close(fds[n]);
		}
	}
}

/* An IPv6 socket with an IPv4 peer. */
static void finds_mapped_udp(void **unused)
{
	struct sockaddr_in6 peer = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	int fd;

	(void)unused;
	need_family(AF_INET6);
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	memcpy(&peer.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	check_addresses(fd);
	close(fd);
}

static void finds_tcp(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		int client, server;

		need_family(families[i]);
		tcp_pair(families[i], &client, &server);
		check_addresses(client);
		check_addresses(server);
		assert_int_equal(ask(client).tcp_state, TCP_ESTABLISHED);
		close(client);
		close(server);
	}
}

static void tells_shutdown(void **unused)
{
	static const unsigned directions_of[] = {
		[SHUT_RD] = DIRECTION_RECEIVE,
		[SHUT_WR] = DIRECTION_SEND,
		[SHUT_RDWR] = DIRECTION_BOTH,
	};

	(void)unused;
	for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
		int fd = udp_bound(AF_INET), client, server;

		/* It says ENOTCONN, and does it. */
		assert_int_equal(shutdown(fd, how), -1);
		assert_int_equal(ask(fd).directions, directions_of[how]);
		close(fd);

		fd = udp_connected(AF_INET);
		assert_int_equal(shutdown(fd, how), 0);
		assert_int_equal(ask(fd).directions, directions_of[how]);
		close(fd);

		tcp_pair(AF_INET, &client, &server);
		assert_int_equal(shutdown(client, how), 0);
		assert_int_equal(ask(client).directions, directions_of[how]);
		close(client);
		close(server);
	}
}

/* Under the addresses that it had before. */
static void tells_disconnect_of_bound_udp(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct sockdiag_query before;
		struct sockdiag_state state;
		int fd;

		need_family(families[i]);
		fd = udp_bound_connected(families[i]);
		before = query_of(fd);
		disconnect(fd);
		assert_int_equal(sockdiag_ask(sockdiag, &before, &state), 0);
		assert_false(state.connected);
		assert_int_equal(state.remote.family, AF_UNSPEC);
		assert_true(address_equal(&state.local, &before.local));
		close(fd);
	}
}

/* The kernel takes back the port, and the socket is in no table, though open. */
static void loses_sight_of_disconnected_udp(void **unused)
{
	struct sockdiag_query before;
	struct sockdiag_state state;
	int fd = udp_connected(AF_INET);

	(void)unused;
	before = query_of(fd);
	disconnect(fd);
	assert_int_equal(sockdiag_find(sockdiag, &before, &state), -ENOENT);
	udp_send(fd, AF_INET);
	/* Back, under another port. */
	assert_int_equal(sockdiag_find(sockdiag, &before, &state), 0);
	assert_true(state.held && !state.connected && state.local.port != 0);
	close(fd);
}

static void finds_those_with_new_addresses(void **unused)
{
	struct sockdiag_query before;
	struct sockdiag_state state;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)unused;
	assert_true(fd >= 0);
	before = query_of(fd);
	assert_int_equal(before.local.port, 0);
	udp_connect(fd, AF_INET);
	assert_int_equal(sockdiag_ask(sockdiag, &before, &state), -ENOENT);
	assert_int_equal(sockdiag_find(sockdiag, &before, &state), 0);
	assert_true(state.connected);
	close(fd);
}

/* One address, two sockets: the kernel answers with one of them, the scan finds the other. */
static void tells_apart_who_shares_a_port(void **unused)
{
	const int on = 1;
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	struct sockdiag_query query;
	struct sockdiag_state state;
	int fds[2];

	(void)unused;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_true(fds[i] >= 0);
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
		assert_int_equal(bind(fds[i], (struct sockaddr *)&address, len), 0);
		assert_int_equal(getsockname(fds[i], (struct sockaddr *)&address, &len), 0);
	}
	assert_int_equal(shutdown(fds[1], SHUT_WR), -1);
	for (size_t i = 0; i < 2; i++) {
		query = query_of(fds[i]);
		assert_int_equal(sockdiag_find(sockdiag, &query, &state), 0);
		assert_int_equal(state.cookie, cookie_of(fds[i]));
		assert_int_equal(state.directions, i == 1 ? DIRECTION_SEND : 0);
	}
	close(fds[0]);
	close(fds[1]);
}

static void closed_udp_is_not_found(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		struct sockdiag_query query;
		struct sockdiag_state state;
		int fd, copy;

		need_family(families[i]);
		fd = udp_bound_connected(families[i]);
		query = query_of(fd);
		copy = dup(fd);
		close(fd);
		assert_int_equal(sockdiag_find(sockdiag, &query, &state), 0);
		assert_true(state.held);
		close(copy);
		assert_int_equal(sockdiag_find(sockdiag, &query, &state), -ENOENT);
	}
}

/* The peer has not closed: the connection lives on half, and nobody holds it. */
static void closed_tcp_is_held_by_nobody(void **unused)
{
	struct sockdiag_query query;
	struct sockdiag_state state;
	int client, server;

	(void)unused;
	tcp_pair(AF_INET, &client, &server);
	query = query_of(client);
	close(client);
	assert_int_equal(sockdiag_find(sockdiag, &query, &state), 0);
	assert_false(state.held);
	close(server);
}

/* On every kernel alike: what has lost its connection is not found, though its port is still taken. */
static void idle_tcp_is_not_found(void **unused)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockdiag_query query;
	struct sockdiag_state state;

	(void)unused;
	assert_true(fd >= 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	query = query_of(fd);
	assert_int_equal(sockdiag_find(sockdiag, &query, &state), -ENOENT);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(sockdiag_find(sockdiag, &query, &state), 0);
	assert_int_equal(state.tcp_state, TCP_LISTEN);
	close(fd);
}

/* Another socket under the same addresses is not ours. */
static void a_cookie_is_not_mistaken(void **unused)
{
	int fd = udp_bound(AF_INET);
	struct sockdiag_query query = query_of(fd);
	struct sockdiag_state state;

	(void)unused;
	query.cookie = UINT64_MAX - 1;
	assert_int_equal(sockdiag_ask(sockdiag, &query, &state), -ENOENT);
	assert_int_equal(sockdiag_find(sockdiag, &query, &state), -ENOENT);
	close(fd);
}

struct seen {
	uint64_t cookies[MANY];
	bool seen[MANY];
};

static void note(void *user_data, const struct sockdiag_state *state)
{
	struct seen *seen = user_data;

	for (size_t i = 0; i < MANY; i++) {
		if (seen->cookies[i] == state->cookie)
			seen->seen[i] = true;
	}
}

static void scans_many_in_pieces(void **unused)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	int fds[MANY], pieces = 0, r;

	(void)unused;
	assert_non_null(seen);
	for (size_t i = 0; i < MANY; i++) {
		fds[i] = udp_bound(AF_INET);
		seen->cookies[i] = cookie_of(fds[i]);
	}
	assert_int_equal(sockdiag_scan_begin(sockdiag, AF_INET, IPPROTO_UDP), 0);
	do {
		r = sockdiag_scan_next(sockdiag, note, seen);
		pieces++;
	} while (r > 0);
	assert_int_equal(r, 0);
	assert_true(pieces > 1);
	for (size_t i = 0; i < MANY; i++) {
		assert_true(seen->seen[i]);
		close(fds[i]);
	}
	free(seen);
}

/* Q-167's ground: what is known of a connection, by whoever asks. */
static void knows_connections(void **unused)
{
	char data[4096] = { 0 };
	struct sockdiag_query query;
	struct sockdiag_tcp tcp;
	int client, server, udp;

	(void)unused;
	tcp_pair(AF_INET, &client, &server);
	query = query_of(client);
	assert_int_equal(sockdiag_ask_tcp(sockdiag, &query, &tcp), 0);
	assert_int_equal(tcp.segments_sent, 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(send(client, data, sizeof(data), 0), sizeof(data));
		assert_int_equal(recv(server, data, sizeof(data), MSG_WAITALL), sizeof(data));
	}
	assert_int_equal(sockdiag_ask_tcp(sockdiag, &query, &tcp), 0);
	assert_true(tcp.segments_sent >= 20);
	assert_int_equal(tcp.segments_retransmitted, 0);
	assert_true(tcp.rtt_us > 0 && tcp.min_rtt_us <= tcp.rtt_us);
	assert_true(tcp.delivery_rate_bps > 0);
	query.cookie++;
	assert_int_equal(sockdiag_ask_tcp(sockdiag, &query, &tcp), -ENOENT);
	udp = udp_bound_connected(AF_INET);
	query = query_of(udp);
	assert_int_equal(sockdiag_ask_tcp(sockdiag, &query, &tcp), -ENODATA);
	close(udp);
	close(client);
	close(server);
}

/* Kernels that know less of a connection tell less. */
static void reads_what_there_is(void **unused)
{
	uint8_t info[512];
	struct sockdiag_tcp tcp, untouched;

	(void)unused;
	memset(info, 0xff, sizeof(info));
	memset(&tcp, 0xa5, sizeof(tcp));
	untouched = tcp;
	assert_int_equal(sockdiag_read_tcp(NULL, 0, &tcp), -ENODATA);
	assert_int_equal(sockdiag_read_tcp(info, 104, &tcp), -ENODATA);
	assert_memory_equal(&tcp, &untouched, sizeof(tcp));
	assert_int_equal(sockdiag_read_tcp(info, 192, &tcp), 0);
	assert_int_equal(tcp.marked, 0);
	assert_int_equal(tcp.min_rtt_us, 0); /* not measured yet */
	assert_int_equal(sockdiag_read_tcp(info, sizeof(info), &tcp), 0);
	assert_int_equal(tcp.marked, UINT32_MAX);
	assert_true(tcp.app_limited);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_for_what_there_is),
		cmocka_unit_test(finds_udp),
		cmocka_unit_test(finds_mapped_udp),
		cmocka_unit_test(finds_tcp),
		cmocka_unit_test(tells_shutdown),
		cmocka_unit_test(tells_disconnect_of_bound_udp),
		cmocka_unit_test(loses_sight_of_disconnected_udp),
		cmocka_unit_test(finds_those_with_new_addresses),
		cmocka_unit_test(tells_apart_who_shares_a_port),
		cmocka_unit_test(closed_udp_is_not_found),
		cmocka_unit_test(closed_tcp_is_held_by_nobody),
		cmocka_unit_test(idle_tcp_is_not_found),
		cmocka_unit_test(a_cookie_is_not_mistaken),
		cmocka_unit_test(scans_many_in_pieces),
		cmocka_unit_test(knows_connections),
		cmocka_unit_test(reads_what_there_is),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

int main(void)
{
	return run_also_as_nobody(run);
}
