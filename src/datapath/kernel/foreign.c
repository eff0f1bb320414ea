/* SPDX-License-Identifier: MIT */
/* foreign.c: see foreign.h. */
#include "datapath/kernel/foreign.h"

#include <linux/pkt_sched.h>
#include <stdio.h>
#include <string.h>

#include "datapath/kernel/htb.h"
#include "datapath/kernel/tc.h"

void foreign_add(struct foreign *foreign, const struct qdisc_seen *qdisc)
{
	if (qdisc->place.parent != TC_H_ROOT)
		return;
	*foreign = (struct foreign){ .handle = qdisc->place.handle };
	snprintf(foreign->kind, sizeof(foreign->kind), "%s", qdisc->kind);
	if (strcmp(qdisc->kind, HTB_KIND) == 0)
		foreign->default_minor = htb_default_of(qdisc->options, qdisc->options_len);
}

bool foreign_is_sound(const struct foreign *foreign)
{
	return foreign->kind[0] != 0 && memchr(foreign->kind, 0, sizeof(foreign->kind)) &&
	       foreign->handle != 0 && TC_H_MIN(foreign->handle) == 0;
}

static void on_qdisc(void *user_data, const struct qdisc_seen *qdisc)
{
	foreign_add(user_data, qdisc);
}

int foreign_read(struct tc *tc, uint32_t ifindex, struct foreign *ret_foreign)
{
	struct foreign foreign = { 0 };
	int r = qdisc_visit(tc, ifindex, on_qdisc, &foreign);

	if (r < 0)
		return r;
	*ret_foreign = foreign;
	return 0;
}
