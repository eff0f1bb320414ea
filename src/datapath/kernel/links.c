/* SPDX-License-Identifier: MIT */
/*
 * links.c: see links.h. The hook is clsact, which is shared: we make it where it is missing, take
 * it away only if we made it and nobody else has hung anything there, and touch no filter but our
 * own. Ours is known by its priority and handle, fixed so that a successor without any memory finds
 * and replaces it.
 */
#include "datapath/kernel/links.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "datapath/kernel/tc.h"

#define MODULE "kernel"

#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

/*
 * Early, since filters that end the search would hide us; a priority that another kind holds is
 * passed over.
 */
#define PRIORITY_FIRST 7
#define PRIORITY_LAST 15
#define HANDLE 0x67770001
#define FILTER_NAME "greenwave_mark"

/* Against somebody who keeps deleting our filter: we do not fight. */
#define ATTEMPTS_PER_WINDOW 5
#define WINDOW_US (60 * USEC_PER_SEC)

#define RECEIVE_LEN 32768

struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	bool ethernet;
	bool attached;
	bool placed; /* a filter of ours, or of a daemon before us, may stand there */
	bool made_clsact;
	bool seen; /* by the dump under way */
	int error;
	uint32_t priority;
	unsigned attempts; /* in the window */
	uint64_t window_us;
	UT_hash_handle hh;
};

struct links {
	struct tc tc;
	struct mnl_socket *monitor;
	int map;
	struct links_programs programs;
	char **interfaces; /* NULL: all */
	struct link *table;
};

static char **free_names(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free(names);
	return NULL;
}

static int copy_names(const char *const *names, char ***ret_names)
{
	size_t n = 0;
	char **copy;

	while (names[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		copy[i] = strdup(names[i]);
		if (!copy[i]) {
			free_names(copy);
			return -ENOMEM;
		}
	}
	*ret_names = copy;
	return 0;
}

static bool is_wanted(const struct links *links, const struct link *link)
{
	if (!links->interfaces)
		return true;
	for (char **name = links->interfaces; *name; name++)
		if (strcmp(*name, link->name) == 0)
			return true;
	return false;
}

static struct tc_filter filter_of(const struct link *link)
{
	return (struct tc_filter){
		.ifindex = link->ifindex,
		.parent = EGRESS,
		.priority = link->priority,
		.handle = HANDLE,
	};
}

static void remember(struct links *links, const struct link *link)
{
	const struct gw_link value = {
		.priority = link->priority,
		.handle = HANDLE,
		.made_clsact = link->made_clsact,
	};

	bpf_map_update_elem(links->map, &link->ifindex, &value, BPF_ANY);
}

static void forget(struct links *links, struct link *link)
{
	bpf_map_delete_elem(links->map, &link->ifindex);
	HASH_DEL(links->table, link);
	free(link);
}

static void count_filter(void *user_data, const struct tc_filter *filter, const char *kind)
{
	unsigned *count = user_data;

	(*count)++;
}

/*
 * Filters at the hook, both directions; a failure to ask counts as one, so that nothing is
 * destroyed.
 */
static unsigned count_filters(struct links *links, uint32_t ifindex)
{
	unsigned count = 0;

	if (tc_filter_visit(&links->tc, ifindex, EGRESS, count_filter, &count) < 0 ||
	    tc_filter_visit(&links->tc, ifindex, INGRESS, count_filter, &count) < 0)
		count++;
	return count;
}

static void detach(struct links *links, struct link *link)
{
	const struct tc_filter filter = filter_of(link);

	if (link->placed)
		tc_filter_delete(&links->tc, &filter);
	if (link->made_clsact && count_filters(links, link->ifindex) == 0)
		tc_clsact_delete(&links->tc, link->ifindex);
	link->attached = false;
	link->placed = false;
	link->made_clsact = false;
	bpf_map_delete_elem(links->map, &link->ifindex);
}

static int put_filter(struct links *links, struct link *link)
{
	int program = link->ethernet ? links->programs.ethernet : links->programs.other;
	struct tc_filter filter;
	int r;

	do {
		filter = filter_of(link);
		r = tc_filter_put(&links->tc, &filter, program, FILTER_NAME);
	} while ((r == -EINVAL || r == -EEXIST) && ++link->priority <= PRIORITY_LAST);
	return r;
}

static int try_attach(struct links *links, struct link *link)
{
	int r = tc_clsact_create(&links->tc, link->ifindex);

	if (r < 0 && r != -EEXIST)
		return r;
	if (r == 0) {
		link->made_clsact = true;
		remember(links, link);
	}
	r = put_filter(links, link);
	if (r < 0) {
		link->priority = PRIORITY_FIRST;
		detach(links, link);
		return r;
	}
	link->placed = true;
	remember(links, link);
	return 0;
}

static void attach(struct links *links, struct link *link)
{
	uint64_t now = time_now_us();

	if (now - link->window_us >= WINDOW_US) {
		link->window_us = now;
		link->attempts = 0;
	}
	if (link->attempts >= ATTEMPTS_PER_WINDOW)
		return;
	link->attempts++;
	link->error = try_attach(links, link);
	link->attached = link->error == 0;
	log_debug(MODULE, "interface %s (%u): %s", link->name, link->ifindex,
		  link->attached ? "attached" : strerror(-link->error));
}

/* Attached if wanted, detached if not. */
static void settle(struct links *links, struct link *link)
{
	if (is_wanted(links, link)) {
		if (!link->attached)
			attach(links, link);
	} else if (link->placed || link->made_clsact) {
		detach(links, link);
	}
}

static struct link *find_link(const struct links *links, uint32_t ifindex)
{
	struct link *link;

	HASH_FIND(hh, links->table, &ifindex, sizeof(ifindex), link);
	return link;
}

static struct link *add_link(struct links *links, uint32_t ifindex)
{
	struct link *link = calloc(1, sizeof(*link));
	struct gw_link known;

	if (!link)
		return NULL;
	link->ifindex = ifindex;
	link->priority = PRIORITY_FIRST;
	link->window_us = time_now_us();
	if (bpf_map_lookup_elem(links->map, &ifindex, &known) == 0) {
		link->made_clsact = known.made_clsact;
		link->priority = known.priority;
		link->placed = true;
	}
	HASH_ADD(hh, links->table, ifindex, sizeof(link->ifindex), link);
	return link;
}

static int on_name(const struct nlattr *attribute, void *user_data)
{
	const char **name = user_data;

	if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		*name = mnl_attr_get_str(attribute);
	return MNL_CB_OK;
}

/* NULL: not a message about an interface, or no memory. */
static struct link *learn_link(struct links *links, const struct nlmsghdr *message)
{
	const struct ifinfomsg *payload = mnl_nlmsg_get_payload(message);
	const char *name = "";
	struct link *link;

	/* Bridges report their ports in messages of the same type, of another family. */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*payload) ||
	    payload->ifi_family != AF_UNSPEC)
		return NULL;
	mnl_attr_parse(message, sizeof(*payload), on_name, &name);
	link = find_link(links, (uint32_t)payload->ifi_index);
	if (!link)
		link = add_link(links, (uint32_t)payload->ifi_index);
	if (!link)
		return NULL;
	link->seen = true;
	link->ethernet = payload->ifi_type == ARPHRD_ETHER || payload->ifi_type == ARPHRD_LOOPBACK;
	snprintf(link->name, sizeof(link->name), "%s", name);
	return link;
}

static void on_new_link(struct links *links, const struct nlmsghdr *message)
{
	struct link *link = learn_link(links, message);

	if (link)
		settle(links, link);
}

static void on_lost_link(struct links *links, const struct nlmsghdr *message)
{
	const struct ifinfomsg *payload = mnl_nlmsg_get_payload(message);
	struct link *link;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*payload) ||
	    payload->ifi_family != AF_UNSPEC)
		return;
	link = find_link(links, (uint32_t)payload->ifi_index);
	if (link)
		forget(links, link);
}

/* Handle 0: all filters of the priority went together. */
static void on_lost_filter(struct links *links, const struct nlmsghdr *message)
{
	struct tc_filter filter;
	struct link *link;
	const char *kind;

	if (tc_filter_parse(message, &filter, &kind) < 0 || filter.parent != EGRESS)
		return;
	link = find_link(links, filter.ifindex);
	if (!link || !link->attached || filter.priority != link->priority ||
	    (filter.handle != HANDLE && filter.handle != 0))
		return;
	link->attached = false;
	link->placed = false;
	settle(links, link);
}

static void on_lost_qdisc(struct links *links, const struct nlmsghdr *message)
{
	const struct tcmsg *payload = mnl_nlmsg_get_payload(message);
	struct link *link;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*payload) ||
	    payload->tcm_parent != TC_H_CLSACT)
		return;
	link = find_link(links, (uint32_t)payload->tcm_ifindex);
	if (!link || !link->attached)
		return;
	link->attached = false;
	link->placed = false;
	link->made_clsact = false;
	settle(links, link);
}

static int on_message(const struct nlmsghdr *message, void *user_data)
{
	struct links *links = user_data;

	if (message->nlmsg_type == RTM_NEWLINK)
		on_new_link(links, message);
	else if (message->nlmsg_type == RTM_DELLINK)
		on_lost_link(links, message);
	else if (message->nlmsg_type == RTM_DELTFILTER)
		on_lost_filter(links, message);
	else if (message->nlmsg_type == RTM_DELQDISC)
		on_lost_qdisc(links, message);
	return MNL_CB_OK;
}

/* Nothing can be asked in the middle of a dump. */
static void on_dumped(void *user_data, const struct nlmsghdr *message)
{
	learn_link(user_data, message);
}

static void settle_all(struct links *links)
{
	struct link *link, *next;

	HASH_ITER(hh, links->table, link, next)
		settle(links, link);
}

/*
 * Compares with what there is. Also after messages were lost, so filters are put again: an exchange
 * for the same program where they are still there.
 */
static int synchronise(struct links *links)
{
	struct link *link, *next;
	int r;

	HASH_ITER(hh, links->table, link, next) {
		link->seen = false;
		link->attached = false;
		link->attempts = 0;
	}
	r = tc_link_visit(&links->tc, on_dumped, links);
	if (r < 0)
		return r;
	HASH_ITER(hh, links->table, link, next)
		if (!link->seen)
			forget(links, link);
	settle_all(links);
	return 0;
}

static int open_monitor(struct links *links)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_TC };

	links->monitor = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!links->monitor || mnl_socket_bind(links->monitor, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (mnl_socket_setsockopt(links->monitor, NETLINK_ADD_MEMBERSHIP,
					  (void *)&groups[i], sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

static void abandon(struct links *links)
{
	links_close(links, false);
}

DEFINE_CLEANUP(struct links *, abandon);

int links_open(int map, struct links_programs programs, const char *const *interfaces,
	       struct links **ret_links)
{
	_cleanup_(abandonp) struct links *links = calloc(1, sizeof(*links));
	int r;

	if (!links)
		return -ENOMEM;
	links->map = map;
	links->programs = programs;
	r = interfaces ? copy_names(interfaces, &links->interfaces) : 0;
	if (r == 0)
		r = tc_open(&links->tc);
	/* First listen, then look: nothing falls between. */
	if (r == 0)
		r = open_monitor(links);
	if (r == 0)
		r = synchronise(links);
	if (r < 0)
		return r;
	*ret_links = steal_ptr(&links);
	return 0;
}

struct links *links_close(struct links *links, bool take_away)
{
	struct link *link, *next;

	if (!links)
		return NULL;
	HASH_ITER(hh, links->table, link, next) {
		if (take_away && (link->placed || link->made_clsact))
			detach(links, link);
		HASH_DEL(links->table, link);
		free(link);
	}
	if (links->monitor)
		mnl_socket_close(links->monitor);
	tc_close(&links->tc);
	free_names(links->interfaces);
	free(links);
	return NULL;
}

int links_fd(const struct links *links)
{
	return mnl_socket_get_fd(links->monitor);
}

int links_event(struct links *links)
{
	_cleanup_(freep) char *buffer = malloc(RECEIVE_LEN);
	ssize_t n;
	int r = 0;

	if (!buffer)
		return -ENOMEM;
	for (;;) {
		n = mnl_socket_recvfrom(links->monitor, buffer, RECEIVE_LEN);
		if (n >= 0)
			mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, links);
		else if (errno == ENOBUFS)
			r = synchronise(links);
		else if (errno != EINTR)
			break;
	}
	if (errno != EAGAIN)
		r = -errno;
	/* What has failed before, again. */
	settle_all(links);
	return r;
}

void links_visit(const struct links *links,
		 void (*visit)(void *user_data, const struct kernel_link *link), void *user_data)
{
	struct link *link, *next;
	struct kernel_link report;

	HASH_ITER(hh, links->table, link, next) {
		report = (struct kernel_link){
			.ifindex = link->ifindex,
			.name = link->name,
			.attached = link->attached,
			.made_clsact = link->made_clsact,
			.error = link->error,
		};
		visit(user_data, &report);
	}
}
