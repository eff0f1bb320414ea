/* SPDX-License-Identifier: MIT */
/*
 * link.h: what the kernel knows of one interface of this network namespace, without a list of all. No privilege.
 */
#ifndef GW_DATAPATH_LINK_H
#define GW_DATAPATH_LINK_H

#include <stdint.h>

/* 0: there is no such interface. It is asked for often: by way of a socket of any kind, of this network namespace. */
uint32_t link_mtu(int socket, uint32_t ifindex);

/* Bits per second, as the driver says; 0: nobody knows, as of tunnels, Wi-Fi, and cables that are not in. */
uint64_t link_speed_bps(uint32_t ifindex);

#endif
