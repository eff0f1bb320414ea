/* SPDX-License-Identifier: MIT */
/*
 * tc.h: the few requests to the kernel's traffic control that hanging up a classifier takes, each
 * acknowledged. Requests never replace what they did not make.
 */
#ifndef GW_DATAPATH_TC_H
#define GW_DATAPATH_TC_H

#include <libmnl/libmnl.h>
#include <stdint.h>

struct tcmsg;

struct tc {
	struct mnl_socket *netlink;
	uint32_t sequence;
};

/* Where a classifier hangs. */
struct tc_filter {
	uint32_t ifindex;
	uint32_t parent;
	uint32_t priority;
	uint32_t handle;
	uint32_t class_id; /* that it belongs to; 0: none. Not read back */
};

int tc_open(struct tc *tc);
void tc_close(struct tc *tc);

/*
 * Hands over what one read has brought, as mnl_cb_run() does, but only if every message lies in the
 * buffer: libmnl takes a length beyond INT_MAX for a small one. -1 with errno EBADMSG otherwise. Up
 * to a multiple of 4 bytes the buffer has room, which may be looked at.
 */
int tc_run(const void *buffer, size_t len, uint32_t sequence, uint32_t port, mnl_cb_t on_message,
	   void *user_data);

/* --- Requests of any kind --------------------------------------------------------------------- */

/* Begins one in a buffer of zeros. */
struct nlmsghdr *tc_begin(void *buffer, uint16_t type, uint16_t flags, const struct tcmsg *payload);

/* Asks for a change and waits for its acknowledgement. */
int tc_change(struct tc *tc, struct nlmsghdr *message);

/* A dump; when it is disturbed it begins anew, so that `on_message` may see a thing twice. */
int tc_talk(struct tc *tc, struct nlmsghdr *message, mnl_cb_t on_message, void *user_data);

/* --- Classifiers ------------------------------------------------------------------------------ */

/*
 * The hook for classifiers that is not a queue. -EEXIST: it (or "ingress", its ancestor) is there
 * already.
 */
int tc_clsact_create(struct tc *tc, uint32_t ifindex);
int tc_clsact_delete(struct tc *tc, uint32_t ifindex);

/* Adds a direct-action BPF classifier, or exchanges its program at once if that handle is there. */
int tc_filter_put(struct tc *tc, const struct tc_filter *filter, int program_fd, const char *name);
int tc_filter_delete(struct tc *tc, const struct tc_filter *filter);

typedef void tc_filter_fn(void *user_data, const struct tc_filter *filter, const char *kind);
int tc_filter_visit(struct tc *tc, uint32_t ifindex, uint32_t parent, tc_filter_fn *visit,
		    void *user_data);

typedef void tc_link_fn(void *user_data, const struct nlmsghdr *message);
int tc_link_visit(struct tc *tc, tc_link_fn *visit, void *user_data);

/* Reads a message about a filter; `ret_kind` is "" if it names none. -EBADMSG: too short. */
int tc_filter_parse(const struct nlmsghdr *message, struct tc_filter *ret_filter,
		    const char **ret_kind);

#endif
