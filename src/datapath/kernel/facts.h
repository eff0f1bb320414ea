/* SPDX-License-Identifier: MIT */
/* facts.h: says in words what was found out about the kernel, for `greenwave doctor`. */
#ifndef GW_DATAPATH_FACTS_H
#define GW_DATAPATH_FACTS_H

#include "datapath/kernel/kernel.h"

/* All mechanisms are missing, not tried. */
void facts_init(struct kernel_facts *facts);

/* `error` 0: it is there. Else a negative errno: why it is not. */
void facts_set(struct kernel_facts *facts, enum kernel_mechanism mechanism, int error);

#endif
