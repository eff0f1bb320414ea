/* SPDX-License-Identifier: MIT */
/* edt.c: see edt.h. */
#include "datapath/kernel/edt.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

void edt_add(struct edt *edt, const struct qdisc_seen *qdisc)
{
	bool fq = strcmp(qdisc->kind, "fq") == 0;

	if (qdisc->place.parent == TC_H_ROOT) {
		*edt = (struct edt){
			.fq = fq,
			.mq = strcmp(qdisc->kind, "mq") == 0,
			.handle = qdisc->place.handle,
		};
	} else if (edt->mq && TC_H_MAJ(qdisc->place.parent) == edt->handle) {
		/* The kernel's own mq has handle 0, and its queues parents :1, :2 and so on. */
		edt->fq_below += fq;
		edt->others_below += !fq;
	}
}

bool edt_kept(const struct edt *edt)
{
	return edt->fq || (edt->mq && edt->fq_below > 0 && edt->others_below == 0);
}
