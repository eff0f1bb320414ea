/* SPDX-License-Identifier: MIT */
/* foreign_filter.h: filters of others, from how the kernel tells them to how it wants to be asked for them. */
#ifndef GW_DATAPATH_FOREIGN_FILTER_H
#define GW_DATAPATH_FOREIGN_FILTER_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the order of filters of one parent follows from. */
struct foreign_filter {
	bool table; /* of u32, which others refer to */
	bool root;  /* the table that the kernel makes itself with the first filter of a priority */
};

/*
 * Appends the options as a request has them. -EOPNOTSUPP: such a filter could not be made again; why
 * is said in `ret_why`. -EMSGSIZE: it does not fit.
 */
int foreign_filter_copy(struct nlmsghdr *request, size_t room, const char *kind, uint32_t handle,
			const struct nlattr *options, struct foreign_filter *ret_filter,
			const char **ret_why);

#endif
