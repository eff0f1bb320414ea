/* SPDX-License-Identifier: MIT */
/*
 * edt.h: whether the queues of a link keep departure times (earliest departure time first): only fq does,
 * as the root or below each queue of an mq.
 */
#ifndef GW_DATAPATH_EDT_H
#define GW_DATAPATH_EDT_H

#include "datapath/kernel/qdisc.h"

/* All zero: nothing seen yet. */
struct edt {
	bool fq;
	bool mq;
	uint32_t handle; /* of the mq */
	unsigned fq_below;
	unsigned others_below;
};

/* One queue of the link. The root comes before what hangs below it, as the kernel dumps them. */
void edt_add(struct edt *edt, const struct qdisc_seen *qdisc);

bool edt_kept(const struct edt *edt);

#endif
