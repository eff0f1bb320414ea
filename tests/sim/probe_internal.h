/* SPDX-License-Identifier: MIT */
/* probe_internal.h: what the files that are the simulated net share. */
#ifndef GW_SIM_PROBE_INTERNAL_H
#define GW_SIM_PROBE_INTERNAL_H

#include "probe_net.h"

/* When the program of a host gets to see what happens now: after what happened before. */
uint64_t probe_host_sees_ns(struct probe_host *host);
/* After every call of the node: its deadline may have changed. */
void probe_host_called(struct probe_host *host);
struct probe_host *probe_net_find(struct probe_net *net, const struct address *address);

/* What a node of MS-QLPB there gets. */
void probe_host_ports(struct probe_host *host, struct qlpb_ports *ret_ports);

/* ---- probe_whole.c ---- */

struct prober *probe_whole_new(struct probe_host *host);
void probe_whole_receive(struct probe_host *host, const struct probe_packet *packet);

/* ---- probe_tcp.c: the ports of that name ---- */

int probe_tcp_connect(struct probe_host *host, uint32_t connection, struct probe_host *sink);
int probe_tcp_write(struct probe_host *host, uint32_t connection, const uint8_t *data, size_t len);
void probe_tcp_close(struct probe_host *host, uint32_t connection);
void probe_tcp_free(struct probe_net *net);

#endif
