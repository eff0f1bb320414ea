/* SPDX-License-Identifier: MIT */
/*
 * evidence.h: what the kernel knows of links, neighbours, queues and connections, as far as a prober asks for it.
 */
#ifndef GW_HOST_EVIDENCE_H
#define GW_HOST_EVIDENCE_H

#include "engine/measuring.h"
#include "probe/prober.h"

struct evidence;

int evidence_new(struct evidence **ret_evidence);
struct evidence *evidence_free(struct evidence *evidence);

/* TCP sockets of flows, which are asked for by their addresses. Counted: each addition is taken back by a removal. */
int evidence_add_socket(struct evidence *evidence, const struct measuring_socket *socket);
void evidence_remove_socket(struct evidence *evidence, uint64_t cookie);
void evidence_forget_link(struct evidence *evidence, uint32_t ifindex);

bool evidence_has_tcp(const struct evidence *evidence);

/* The rest as of struct prober_ports. */
bool evidence_tcp(struct evidence *evidence, uint64_t cookie, struct passive_tcp *ret_tcp);
bool evidence_queue(struct evidence *evidence, uint32_t ifindex, struct passive_queue *ret_queue,
		    uint64_t now_us);
void evidence_counts(struct evidence *evidence, uint32_t ifindex, struct lltd_counts *ret_counts);
int evidence_station(struct evidence *evidence, const struct address *address, uint32_t ifindex,
		     struct lltd_mac *ret_mac, uint64_t now_us);
bool evidence_is_neighbour(struct evidence *evidence, const struct address *address,
			   uint32_t ifindex);
/* By which interface a host is reached; 0: by none. */
uint32_t evidence_way_to(struct evidence *evidence, const struct address *address);
void evidence_link(uint32_t ifindex, struct qlpb_link *ret_link);

#endif
