/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * trace.bpf.c: shutdown() and connect(AF_UNSPEC), for which the kernel has no hook of its own, seen
 * at the entry of the functions that carry them out. The loader loads each program alone (a host
 * may refuse one or all of them) and chooses the function where its name differs between kernels.
 */
#include "close.h"

#include <bpf/bpf_tracing.h>

#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2

SEC("fentry/inet_shutdown")
int BPF_PROG(socket_shutdown, struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	__u64 cookie;

	/* The kernel rejects other values. */
	if (how < SHUT_RD || how > SHUT_RDWR || !sk)
		return 0;
	/* To a listener, the end of sending means nothing. */
	if (how == SHUT_WR && sk->__sk_common.skc_state == TCP_LISTEN)
		return 0;
	cookie = (__u64)sk->__sk_common.skc_cookie.counter;
	/* The end of receiving ends nothing that is sent. */
	close_socket(cookie, GW_CLOSE_SHUTDOWN, (__u32)how,
		     how == SHUT_RD ? END_NEVER : GW_SOCKET_END_ON_SHUTDOWN, GW_ORIGIN_SHUTDOWN);
	return 0;
}

static __always_inline int disconnected(struct sock *sk)
{
	close_socket((__u64)sk->__sk_common.skc_cookie.counter, GW_CLOSE_DISCONNECT, 0,
		     GW_SOCKET_END_ON_DISCONNECT, GW_ORIGIN_DISCONNECT);
	return 0;
}

SEC("fentry/__udp_disconnect")
int BPF_PROG(udp_disconnected, struct sock *sk)
{
	return disconnected(sk);
}

SEC("fentry/tcp_disconnect")
int BPF_PROG(tcp_disconnected, struct sock *sk)
{
	return disconnected(sk);
}

char program_license[] SEC("license") = "Dual MIT/GPL";
