/* SPDX-License-Identifier: MIT */
/*
 * judge.h: whether a simulated network is as it must be. Each of these says on stderr what is wrong, all of it that
 * fits, and returns whether nothing is.
 */
#ifndef GW_SIM_JUDGE_H
#define GW_SIM_JUDGE_H

#include "net.h"

/*
 * At any time: what traffic control has of each node is what the node says that it has installed, each the least
 * upper bound of what next hops ask for, and no link has more than fits.
 */
bool judge_books(struct net *net);

/*
 * When everything has settled, and as long as everything fits: path state, reservations, traffic control and what
 * applications have heard are what expect.h makes of the network.
 */
bool judge_settled(struct net *net);

/* When everybody has stopped, and time for cleaning up has passed: nothing is left. */
bool judge_quiet(struct net *net);

/* Refreshes of a settled network: no more than R and its jitter make, no fewer, and nothing else. Runs it. */
bool judge_rate(struct net *net, uint64_t for_us);

/* Whatever happens in it, no more messages than a few for each state in each R. Runs it. */
bool judge_no_storm(struct net *net, uint64_t for_us);

/* Every hop from the sender to the receiver has reserved at least what the receiver asks for. */
bool judge_receiver(struct net *net, const struct net_app *receiver, const struct net_app *sender);

/* How long after the last change a network with these settings is settled, and quiet. */
uint64_t judge_settling_us(const struct net *net);

#endif
