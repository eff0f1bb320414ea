/* SPDX-License-Identifier: MIT */
/* winsock_group.h: the groups that a socket has joined with WSAJoinLeaf(); they belong to its entry. */
#ifndef GW_WINQOS_WINSOCK_GROUP_H
#define GW_WINQOS_WINSOCK_GROUP_H

struct group;

void groups_free(struct group *groups);

#endif
