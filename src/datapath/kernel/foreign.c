/* SPDX-License-Identifier: MIT */
/* foreign.c: see foreign.h. */
#include "datapath/kernel/foreign.h"

#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "datapath/kernel/htb.h"
#include "datapath/kernel/tc.h"

void foreign_add(struct foreign *foreign, const struct qdisc_seen *qdisc)
{
	if (qdisc->place.parent != TC_H_ROOT) {
		/* The clsact hook is no queue, and stays whatever the root is. */
		foreign->inner += qdisc->place.parent != TC_H_INGRESS && qdisc->place.handle != 0;
		return;
	}
	snprintf(foreign->kind, sizeof(foreign->kind), "%s", qdisc->kind);
	foreign->handle = qdisc->place.handle;
	foreign->has_options = qdisc->options;
	foreign->options_len = FOREIGN_OPTIONS_LEN + 1;
	if (qdisc->options_len > FOREIGN_OPTIONS_LEN)
		return;
	foreign->options_len = (uint32_t)qdisc->options_len;
	if (qdisc->options)
		memcpy(foreign->options, qdisc->options, qdisc->options_len);
	if (strcmp(qdisc->kind, HTB_KIND) == 0) {
		foreign->default_minor = htb_default_of(foreign->options, foreign->options_len);
		htb_make_request_of(foreign->options, foreign->options_len);
	}
}

static void on_qdisc(void *user_data, const struct qdisc_seen *qdisc)
{
	foreign_add(user_data, qdisc);
}

int foreign_from_bytes(const void *bytes, size_t len, struct foreign *ret_foreign)
{
	struct foreign foreign;
	uint8_t has_options;

	if (len != sizeof(foreign))
		return -EINVAL;
	memcpy(&has_options, (const uint8_t *)bytes + offsetof(struct foreign, has_options), 1);
	if (has_options > 1)
		return -EINVAL;
	memcpy(&foreign, bytes, sizeof(foreign));
	if (foreign.kind[0] == 0 || !memchr(foreign.kind, 0, sizeof(foreign.kind)) ||
	    foreign.handle == 0 || TC_H_MIN(foreign.handle) != 0 ||
	    foreign.options_len > FOREIGN_OPTIONS_LEN + 1)
		return -EINVAL;
	*ret_foreign = foreign;
	return 0;
}

struct class_counter {
	uint32_t handle;
	uint32_t count;
};

static int on_class(const struct nlmsghdr *message, void *user_data)
{
	struct class_counter *counter = user_data;
	const struct tcmsg *payload = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(*payload))
		counter->count += TC_H_MAJ(payload->tcm_handle) == counter->handle;
	return MNL_CB_OK;
}

/* A classless kind has no classes, or only some that come by themselves, like the flows of fq_codel. */
static bool makes_own_classes(const char *kind)
{
	static const char *const kinds[] = { "fq_codel", "sfq",	  "mq",	   "cake",  "tbf",
					     "red",	 "netem", "choke", "codel", "fq_pie" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i], kind) == 0)
			return true;
	return false;
}

static int count_classes(struct tc *tc, uint32_t ifindex, uint32_t handle, uint32_t *ret_count)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)ifindex,
		.tcm_parent = handle,
	};
	struct class_counter counter = { .handle = handle };
	char buffer[256] = { 0 };
	int r = tc_talk(tc, tc_begin(buffer, RTM_GETTCLASS, NLM_F_DUMP, &payload), on_class,
			&counter);

	if (r == 0)
		*ret_count = counter.count;
	return r;
}

int foreign_read(struct tc *tc, uint32_t ifindex, struct foreign *ret_foreign)
{
	struct foreign foreign = { 0 };
	uint32_t classes = 0;
	int r = qdisc_visit(tc, ifindex, on_qdisc, &foreign);

	if (r < 0)
		return r;
	if (foreign.handle != 0 && !makes_own_classes(foreign.kind)) {
		r = count_classes(tc, ifindex, foreign.handle, &classes);
		if (r < 0)
			return r;
	}
	foreign.inner += classes;
	*ret_foreign = foreign;
	return 0;
}

bool foreign_is_whole(const struct foreign *foreign)
{
	return foreign->inner == 0 && foreign->options_len <= FOREIGN_OPTIONS_LEN;
}

int foreign_restore(struct tc *tc, uint32_t ifindex, const struct foreign *foreign)
{
	const struct qdisc_place place = {
		.ifindex = ifindex,
		.parent = TC_H_ROOT,
		.handle = foreign->handle,
	};
	bool has_options = foreign->has_options && foreign->options_len <= FOREIGN_OPTIONS_LEN;
	struct foreign now;
	int r;

	r = qdisc_put_raw(tc, &place, foreign->kind, has_options ? foreign->options : NULL,
			  has_options ? foreign->options_len : 0, true);
	if (r < 0)
		return r;
	r = foreign_read(tc, ifindex, &now);
	if (r < 0)
		return r;
	if (strcmp(now.kind, foreign->kind) != 0 || now.handle != foreign->handle)
		return -EBADMSG;
	if (has_options && (now.options_len != foreign->options_len ||
			    memcmp(now.options, foreign->options, now.options_len) != 0))
		return -EBADMSG;
	return 0;
}
