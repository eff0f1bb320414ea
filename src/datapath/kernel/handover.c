/* SPDX-License-Identifier: MIT */
/*
 * handover.c: see handover.h. Here: which interface bears which name, and whose queues have changed.
 * What follows from it for a link is in handover_link.c.
 */
#include "datapath/kernel/handover.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "datapath/kernel/handover_internal.h"
#include "datapath/kernel/htb.h"
#include "datapath/kernel/qdisc.h"

#define ORPHANS_MAX 64

/* --- What the kernel tells -------------------------------------------------------------------- */

static void learn_iface(struct handover *handover, const struct iface *iface)
{
	for (size_t i = 0; i < handover->n_links; i++) {
		struct handed *handed = handover->links[i];

		if (strcmp(handed->link.name, iface->name) == 0)
			handed->iface = *iface;
		else if (handed->iface.ifindex == iface->ifindex)
			handed->iface = (struct iface){ 0 };
	}
}

static void lose_iface(struct handover *handover, const struct iface *iface)
{
	for (size_t i = 0; i < handover->n_links; i++) {
		struct handed *handed = handover->links[i];

		if (handed->ifindex == iface->ifindex)
			handed->gone = true;
		if (handed->iface.ifindex == iface->ifindex)
			handed->iface = (struct iface){ 0 };
	}
}

static void on_traffic_control(struct handover *handover, const struct nlmsghdr *message)
{
	const struct tcmsg *payload = mnl_nlmsg_get_payload(message);
	bool filter = message->nlmsg_type == RTM_DELTFILTER;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*payload))
		return;
	/* Not what our own leaves do, of which there are hundreds. */
	if (filter ? payload->tcm_parent != SCHEDULE_HANDLE : payload->tcm_parent != TC_H_ROOT)
		return;
	for (size_t i = 0; i < handover->n_links; i++) {
		struct handed *handed = handover->links[i];

		if (handed->ifindex != (uint32_t)payload->tcm_ifindex)
			continue;
		handed->look |= !filter;
		handed->classify |= filter;
	}
}

static int on_message(const struct nlmsghdr *message, void *user_data)
{
	struct handover *handover = user_data;
	struct iface iface;

	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
		if (iface_parse(message, &iface) == 0)
			learn_iface(handover, &iface);
		break;
	case RTM_DELLINK:
		if (iface_parse(message, &iface) == 0)
			lose_iface(handover, &iface);
		break;
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
	case RTM_DELTFILTER:
		on_traffic_control(handover, message);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void on_dumped(void *user_data, const struct nlmsghdr *message)
{
	on_message(message, user_data);
}

static void settle_all(struct handover *handover)
{
	for (size_t i = 0; i < handover->n_links; i++)
		handed_settle_loss(handover, handover->links[i]);
	for (size_t i = 0; i < handover->n_links; i++)
		handed_settle(handover, handover->links[i]);
}

/* Compares with all there is, as at the beginning and after messages were lost. */
static int synchronise(struct handover *handover)
{
	for (size_t i = 0; i < handover->n_links; i++) {
		handover->links[i]->iface = (struct iface){ 0 };
		handover->links[i]->look = true;
		handover->links[i]->classify = true;
	}
	return tc_link_visit(&handover->tc, on_dumped, handover);
}

/* --- Trees that nobody wants any more --------------------------------------------------------- */

struct orphans {
	uint32_t ifindex[ORPHANS_MAX];
	size_t count;
};

static void on_qdisc(void *user_data, const struct qdisc_seen *qdisc)
{
	struct orphans *orphans = user_data;

	if (qdisc->place.parent == TC_H_ROOT && qdisc->place.handle == SCHEDULE_HANDLE &&
	    strcmp(qdisc->kind, HTB_KIND) == 0 && orphans->count < ORPHANS_MAX)
		orphans->ifindex[orphans->count++] = qdisc->place.ifindex;
}

static bool is_configured(const struct handover *handover, const char *name)
{
	for (size_t i = 0; i < handover->n_links; i++)
		if (strcmp(handover->links[i]->link.name, name) == 0)
			return true;
	return false;
}

/* The configuration may have changed since a daemon before us was killed. */
static int give_back_orphans(struct handover *handover)
{
	struct orphans orphans = { 0 };
	char name[IF_NAMESIZE];
	int r = qdisc_visit(&handover->tc, 0, on_qdisc, &orphans);

	for (size_t i = 0; i < orphans.count; i++)
		if (if_indextoname(orphans.ifindex[i], name) && !is_configured(handover, name))
			handed_give_back_orphan(handover, orphans.ifindex[i], name);
	return r;
}

/* --- The configuration ------------------------------------------------------------------------ */

static bool is_sound(const struct handover_link *links, size_t n_links)
{
	for (size_t i = 0; i < n_links; i++) {
		if (!memchr(links[i].name, 0, sizeof(links[i].name)))
			return false;
		for (size_t k = 0; k < i; k++)
			if (strcmp(links[i].name, links[k].name) == 0)
				return false;
	}
	return true;
}

static struct handed **free_links(struct handed **links, size_t n_links)
{
	for (size_t i = 0; links && i < n_links; i++)
		free(links[i]);
	free(links);
	return NULL;
}

static struct handed **make_links(const struct handover_link *links, size_t n_links)
{
	struct handed **made = calloc(n_links + 1, sizeof(*made));

	for (size_t i = 0; made && i < n_links; i++) {
		made[i] = calloc(1, sizeof(*made[i]));
		if (!made[i])
			return free_links(made, n_links);
		made[i]->link = links[i];
		made[i]->look = true;
	}
	return made;
}

static struct handed *find_name(const struct handover *handover, const char *name)
{
	for (size_t i = 0; i < handover->n_links; i++)
		if (strcmp(handover->links[i]->link.name, name) == 0)
			return handover->links[i];
	return NULL;
}

/* Those that stay move over into the new table. */
static void carry_over(struct handover *handover, struct handed **links,
		       const struct handover_link *wanted, size_t n_links)
{
	for (size_t i = 0; i < n_links; i++) {
		struct handed *old = find_name(handover, wanted[i].name);

		if (!old)
			continue;
		free(links[i]);
		links[i] = old;
		old->kept = true;
	}
	/* Who is told may ask about any link of the old table. */
	for (size_t i = 0; i < handover->n_links; i++) {
		struct handed *old = handover->links[i];

		if (old->kept || !old->schedule)
			continue;
		handed_give_back(handover, old, true);
		old->state = HANDOVER_WAITING;
		handed_tell(handover, old);
	}
	for (size_t i = 0; i < handover->n_links; i++)
		if (!handover->links[i]->kept)
			free(handover->links[i]);
}

int handover_reconfigure(struct handover *handover, const struct handover_link *links,
			 size_t n_links)
{
	struct handed **made;
	int r;

	if (!is_sound(links, n_links))
		return -EINVAL;
	made = make_links(links, n_links);
	if (!made)
		return -ENOMEM;
	carry_over(handover, made, links, n_links);
	free(handover->links);
	handover->links = made;
	handover->n_links = n_links;
	for (size_t i = 0; i < n_links; i++) {
		if (made[i]->kept)
			handed_change(handover, made[i], &links[i]);
		made[i]->kept = false;
	}
	r = synchronise(handover);
	settle_all(handover);
	return r;
}

/* --- Opening and closing ---------------------------------------------------------------------- */

static struct handover *abandon(struct handover *handover)
{
	return handover_close(handover, false);
}

DEFINE_CLEANUP(struct handover *, abandon);

int handover_open(const struct handover_config *config, struct handover **ret_handover)
{
	_cleanup_(abandonp) struct handover *handover = calloc(1, sizeof(*handover));
	int r;

	if (!handover)
		return -ENOMEM;
	if (!is_sound(config->links, config->n_links))
		return -EINVAL;
	handover->classifier_fd = config->classifier_fd;
	handover->changed = config->changed;
	handover->user_data = config->user_data;
	handover->n_links = config->n_links;
	handover->links = make_links(config->links, config->n_links);
	handover->state_folder = config->state_folder ? strdup(config->state_folder) : NULL;
	if (!handover->links || (config->state_folder && !handover->state_folder)) {
		handover->n_links = 0;
		return -ENOMEM;
	}
	r = tc_open(&handover->tc);
	/* First listen, then look: nothing falls between. */
	if (r == 0)
		r = watch_open(&handover->watch);
	if (r == 0)
		r = synchronise(handover);
	if (r == 0)
		r = give_back_orphans(handover);
	if (r < 0)
		return r;
	settle_all(handover);
	*ret_handover = steal_ptr(&handover);
	return 0;
}

struct handover *handover_close(struct handover *handover, bool restore)
{
	if (!handover)
		return NULL;
	for (size_t i = 0; i < handover->n_links; i++)
		handed_give_back(handover, handover->links[i], restore);
	free_links(handover->links, handover->n_links);
	if (handover->watch)
		mnl_socket_close(handover->watch);
	tc_close(&handover->tc);
	free(handover->state_folder);
	free(handover);
	return NULL;
}

/* --- Later ------------------------------------------------------------------------------------ */

int handover_fd(const struct handover *handover)
{
	return mnl_socket_get_fd(handover->watch);
}

int handover_event(struct handover *handover)
{
	bool lost;
	int r = watch_read(handover->watch, on_message, handover, &lost);

	if (lost)
		r = synchronise(handover);
	settle_all(handover);
	return r;
}

bool handover_tick(struct handover *handover)
{
	bool draining = false;

	for (size_t i = 0; i < handover->n_links; i++) {
		struct handed *handed = handover->links[i];
		int r = handed->schedule ? schedule_tick(handed->schedule) : 0;

		draining |= r > 0;
		handed->look |= r < 0;
	}
	return draining;
}

static struct handed *find_ifindex(const struct handover *handover, uint32_t ifindex)
{
	for (size_t i = 0; i < handover->n_links; i++)
		if (handover->links[i]->schedule && handover->links[i]->ifindex == ifindex)
			return handover->links[i];
	return NULL;
}

struct schedule *handover_schedule(const struct handover *handover, uint32_t ifindex)
{
	struct handed *handed = find_ifindex(handover, ifindex);

	return handed ? handed->schedule : NULL;
}

uint32_t handover_overhead_bytes(const struct handover *handover, uint32_t ifindex)
{
	struct handed *handed = find_ifindex(handover, ifindex);

	return handed ? IFACE_HEADER_BYTES + iface_overhead_bytes(&handed->iface) : 0;
}

void handover_visit(const struct handover *handover,
		    void (*visit)(void *user_data, const struct handover_report *report),
		    void *user_data)
{
	for (size_t i = 0; i < handover->n_links; i++) {
		const struct handover_report report = handed_report(handover->links[i]);

		visit(user_data, &report);
	}
}
