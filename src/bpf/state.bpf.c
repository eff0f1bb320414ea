/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * state.bpf.c: what a TCP socket's state says about its ending: the end of sending (a FIN is due),
 * and CLOSE (disconnected, reset, given up). After close() the entry is gone already and nothing is
 * found here.
 */
#include "close.h"

#include <bpf/bpf_tracing.h>

#define SHUT_WR 1

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_state, const struct sock *sk, int oldstate, int newstate)
{
	__u64 cookie = (__u64)sk->__sk_common.skc_cookie.counter;

	if (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK)
		close_socket(cookie, GW_CLOSE_SHUTDOWN, SHUT_WR, GW_SOCKET_END_ON_SHUTDOWN,
			     GW_ORIGIN_STATE);
	else if (newstate == TCP_CLOSE)
		close_socket(cookie, GW_CLOSE_DISCONNECT, 0, GW_SOCKET_END_ON_DISCONNECT,
			     GW_ORIGIN_STATE);
	return 0;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
