/* SPDX-License-Identifier: MIT */
/*
 * paced.h: sending a message at the rate of its socket's flow, where the embedded engine leaves that to who
 * sends (gw_pace() in greenwave.h).
 */
#ifndef GW_WINQOS_PACED_H
#define GW_WINQOS_PACED_H

#include <stdint.h>
#include <sys/socket.h>

/*
 * sendmsg(2), without SIGPIPE; bytes, or a negative errno. -EAGAIN: *ret_wait_ns says how long the rate holds it back
 * at most, or is 0 if the socket does. `message` carries no control data.
 */
ssize_t paced_send(int fd, const struct msghdr *message, int flags, uint64_t *ret_wait_ns);

/* The same, waiting as the socket's mode and SO_SNDTIMEO have it. */
ssize_t paced_send_blocking(int fd, const struct msghdr *message, int flags);

void paced_wait(uint64_t wait_ns);

#endif
