/* SPDX-License-Identifier: MIT */
/*
 * links.c: see links.h. Follows what happens to interfaces, and to our filters where they can be
 * deleted by others, and decides which interfaces are to have one; egress.c does it.
 */
#include "datapath/kernel/links.h"

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
#include "datapath/kernel/egress.h"

#define MODULE "kernel"

/* Against somebody who keeps deleting our filter: we do not fight. */
#define ATTEMPTS_PER_WINDOW 5
#define WINDOW_US (60 * USEC_PER_SEC)

#define RECEIVE_LEN 32768

struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	struct egress egress;
	bool seen; /* by the dump under way */
	int error;
	unsigned attempts; /* in the window */
	uint64_t window_us;
	UT_hash_handle hh;
};

struct links {
	struct egress_port port;
	struct mnl_socket *monitor;
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

static void forget(struct links *links, struct link *link, bool keep)
{
	egress_release(&link->egress, &links->port, keep);
	HASH_DEL(links->table, link);
	free(link);
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
	link->error = egress_attach(&link->egress, &links->port);
	log_debug(MODULE, "interface %s (%u): %s", link->name, link->ifindex,
		  link->egress.attached ? "attached" : strerror(-link->error));
}

/* Attached if wanted, detached if not. */
static void settle(struct links *links, struct link *link)
{
	if (!is_wanted(links, link))
		egress_detach(&link->egress, &links->port);
	else if (!link->egress.attached)
		attach(links, link);
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

	if (!link)
		return NULL;
	link->ifindex = ifindex;
	link->window_us = time_now_us();
	egress_init(&link->egress, &links->port, ifindex);
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
	link->egress.ethernet = payload->ifi_type == ARPHRD_ETHER ||
				payload->ifi_type == ARPHRD_LOOPBACK;
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
		forget(links, link, false);
}

static void on_lost_filter(struct links *links, const struct nlmsghdr *message)
{
	struct tc_filter filter;
	struct link *link;
	const char *kind;

	if (tc_filter_parse(message, &filter, &kind) < 0)
		return;
	link = find_link(links, filter.ifindex);
	if (link && egress_lost_filter(&link->egress, &filter))
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
	if (link && egress_lost_clsact(&link->egress))
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
		link->egress.attached = false;
		link->attempts = 0;
	}
	r = tc_link_visit(&links->port.tc, on_dumped, links);
	if (r < 0)
		return r;
	HASH_ITER(hh, links->table, link, next)
		if (!link->seen)
			forget(links, link, false);
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

int links_open(const struct links_config *config, struct links **ret_links)
{
	_cleanup_(abandonp) struct links *links = calloc(1, sizeof(*links));
	int r;

	if (!links)
		return -ENOMEM;
	links->port = (struct egress_port){
		.pins = config->pins,
		.map = config->map,
		.programs = config->programs,
		.tcx = !config->only_clsact,
	};
	r = config->interfaces ? copy_names(config->interfaces, &links->interfaces) : 0;
	if (r == 0)
		r = tc_open(&links->port.tc);
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

struct links *links_close(struct links *links, bool detach)
{
	struct link *link, *next;

	if (!links)
		return NULL;
	HASH_ITER(hh, links->table, link, next) {
		if (detach)
			egress_detach(&link->egress, &links->port);
		forget(links, link, !detach);
	}
	if (links->monitor)
		mnl_socket_close(links->monitor);
	tc_close(&links->port.tc);
	free_names(links->interfaces);
	free(links);
	return NULL;
}

bool links_use_tcx(const struct links *links)
{
	return links->port.tcx;
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
			.attached = link->egress.attached,
			.made_clsact = link->egress.made_clsact,
			.error = link->error,
		};
		visit(user_data, &report);
	}
}
