/* SPDX-License-Identifier: MIT */
/*
 * rtnl.h: questions to rtnetlink, one at a time, through one socket that is kept open. libc only, no privilege for
 * asking, a few microseconds a question.
 */
#ifndef GW_DATAPATH_RTNL_H
#define GW_DATAPATH_RTNL_H

#include <stddef.h>
#include <stdint.h>

struct rtnl;
struct nlmsghdr;
struct rtattr;

/* Serves the network namespace of the calling thread. A negative errno of socket(2). */
int rtnl_new(struct rtnl **ret_rtnl);
struct rtnl *rtnl_free(struct rtnl *rtnl);

/*
 * Asks, and hands each message of the answer to `take`. The request has room for the attributes put into it. The
 * kernel's own error is returned as it is; -EBADMSG: that was no answer.
 */
int rtnl_ask(struct rtnl *rtnl, struct nlmsghdr *request,
	     void (*take)(void *user_data, const struct nlmsghdr *message), void *user_data);

void rtnl_put(struct nlmsghdr *request, uint16_t type, const void *data, size_t size);

/* The attributes behind a header of `fixed` bytes, by type; those that are not there, or of other types, NULL. */
void rtnl_attributes(const struct nlmsghdr *message, size_t fixed, const struct rtattr **ret,
		     size_t n);
/* Likewise those within an attribute. */
void rtnl_nested(const struct rtattr *attribute, const struct rtattr **ret, size_t n);

#endif
