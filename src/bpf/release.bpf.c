/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * release.bpf.c: runs inside the close() of the last copy of a socket, or in the exit of its
 * process, and takes the socket's entry away before that returns. It works without any daemon.
 */
#include "close.h"

SEC("cgroup/sock_release")
int socket_release(struct bpf_sock *ctx)
{
	close_socket(bpf_get_socket_cookie(ctx), GW_CLOSE_RELEASED, 0, END_ALWAYS,
		     GW_ORIGIN_RELEASE);
	return 1;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
