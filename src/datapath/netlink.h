/* SPDX-License-Identifier: MIT */
/*
 * netlink.h: questions to the kernel, one at a time, through one netlink socket that is kept open. libc only, no
 * privilege for asking, a few microseconds a question.
 */
#ifndef GW_DATAPATH_NETLINK_H
#define GW_DATAPATH_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netlink;
struct nlmsghdr;
struct rtattr;

/* NETLINK_ROUTE or another, of the network namespace of the calling thread. A negative errno of socket(2). */
int netlink_new(int protocol, struct netlink **ret_netlink);
struct netlink *netlink_free(struct netlink *netlink);

/*
 * Asks, and hands each message of the answer to `take`. The request has room for the attributes put into it. The
 * kernel's own error is returned as it is; -EBADMSG: that was no answer.
 */
int netlink_ask(struct netlink *netlink, struct nlmsghdr *request,
		void (*take)(void *user_data, const struct nlmsghdr *message), void *user_data);

/* For ioctl() on interfaces. */
int netlink_fd(const struct netlink *netlink);

/* The same in steps. One part of the answer: 1: more may follow; 0: that was all. */
int netlink_send(struct netlink *netlink, struct nlmsghdr *request);
int netlink_receive(struct netlink *netlink,
		    void (*take)(void *user_data, const struct nlmsghdr *message), void *user_data);

/* Something has changed while the last answer was given: its parts may not belong together. */
bool netlink_was_interrupted(const struct netlink *netlink);

void netlink_put(struct nlmsghdr *request, uint16_t type, const void *data, size_t size);

/* The attributes behind a header of `fixed` bytes, by type; those that are not there, or of other types, NULL. */
void netlink_attributes(const struct nlmsghdr *message, size_t fixed, const struct rtattr **ret,
			size_t n);
/* Likewise those within an attribute. */
void netlink_nested(const struct rtattr *attribute, const struct rtattr **ret, size_t n);

#endif
