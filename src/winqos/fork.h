/* SPDX-License-Identifier: MIT */
/*
 * fork.h: telling a process's own objects from those it was born with.
 */
#ifndef GW_WINQOS_FORK_H
#define GW_WINQOS_FORK_H

/* A number that differs between a process and the children that it forks. */
unsigned fork_generation(void);

#endif
