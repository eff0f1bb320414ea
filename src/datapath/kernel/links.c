/* SPDX-License-Identifier: MIT */
/*
 * links.c: see links.h. Follows what happens to interfaces, and to our filters where they can be
 * deleted by others, and decides which interfaces are to have one; egress.c does it.
 */
#include "datapath/kernel/links.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "bpf/gw_bpf.h"
#include "datapath/kernel/edt.h"
#include "datapath/kernel/egress.h"
#include "datapath/kernel/iface.h"
#include "datapath/kernel/watch.h"

#define MODULE "kernel"

struct link {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	struct egress egress;
	bool seen;     /* by the dump under way */
	bool untagged; /* GW_LINK_UNTAGGED */
	bool requeued; /* its queues may be others than the last look at them found */
	struct edt edt;
	int error;
	struct attempts attempts;
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
	if (!attempts_allow(&link->attempts, time_now_us()))
		return;
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
	egress_init(&link->egress, &links->port, ifindex);
	link->requeued = true;
	HASH_ADD(hh, links->table, ifindex, sizeof(link->ifindex), link);
	return link;
}

/* NULL: not a message about an interface, or no memory. */
static struct link *learn_link(struct links *links, const struct nlmsghdr *message)
{
	struct iface iface;
	struct link *link;

	if (iface_parse(message, &iface) < 0)
		return NULL;
	link = find_link(links, iface.ifindex);
	if (!link)
		link = add_link(links, iface.ifindex);
	if (!link)
		return NULL;
	link->seen = true;
	link->egress.ethernet = iface.ethernet;
	link->untagged = iface.vlan || iface.loopback;
	snprintf(link->name, sizeof(link->name), "%s", iface.name);
	return link;
}

static void on_new_link(struct links *links, const struct nlmsghdr *message)
{
	struct link *link = learn_link(links, message);

	if (!link)
		return;
	/* One that has come up has its default queue only now, and of that nothing else is told. */
	link->requeued = true;
	settle(links, link);
}

static void on_lost_link(struct links *links, const struct nlmsghdr *message)
{
	struct iface iface;
	struct link *link;

	if (iface_parse(message, &iface) < 0)
		return;
	link = find_link(links, iface.ifindex);
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

/* --- Departure times ------------------------------------------------------------------------- */

/*
 * Of the many queues that a root may have only an mq's own count, which cannot be told from others by
 * the message; so those of a link without an mq are passed over.
 */
static void on_queue(struct links *links, const struct nlmsghdr *message)
{
	const struct tcmsg *payload = mnl_nlmsg_get_payload(message);
	struct link *link;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*payload))
		return;
	link = find_link(links, (uint32_t)payload->tcm_ifindex);
	if (link && (payload->tcm_parent == TC_H_ROOT || link->edt.mq))
		link->requeued = true;
}

static void on_any(void *user_data, const struct qdisc_seen *qdisc)
{
	struct link *link = find_link(user_data, qdisc->place.ifindex);

	if (link && link->requeued)
		edt_add(&link->edt, qdisc);
}

static uint32_t flags_of(const struct link *link)
{
	return (edt_kept(&link->edt) ? GW_LINK_EDT : 0u) | (link->untagged ? GW_LINK_UNTAGGED : 0u);
}

/* In a dump: to whoever asks for a single queue the kernel answers so that everyone hears it, us included. */
static void look_at_queues(struct links *links)
{
	struct link *link, *next;
	bool any = false;

	HASH_ITER(hh, links->table, link, next) {
		if (link->requeued)
			link->edt = (struct edt){ 0 };
		any |= link->requeued;
	}
	if (any && qdisc_visit(&links->port.tc, 0, on_any, links) < 0)
		log_debug(MODULE, "queues cannot be looked at");
	HASH_ITER(hh, links->table, link, next) {
		if (link->requeued)
			egress_set_flags(&link->egress, &links->port, flags_of(link));
		link->requeued = false;
	}
}

bool links_departs(const struct links *links, uint32_t ifindex)
{
	const struct link *link = find_link(links, ifindex);

	return link && (link->egress.flags & GW_LINK_EDT);
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
	if (message->nlmsg_type == RTM_NEWQDISC || message->nlmsg_type == RTM_DELQDISC)
		on_queue(links, message);
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
	look_at_queues(links);
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
		link->attempts = (struct attempts){ 0 };
		link->requeued = true;
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
		r = watch_open(&links->monitor);
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
	bool lost;
	int r = watch_read(links->monitor, on_message, links, &lost);

	if (lost)
		r = synchronise(links);
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
