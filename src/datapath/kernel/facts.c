/* SPDX-License-Identifier: MIT */
/* facts.c: see facts.h. */
#include "datapath/kernel/facts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *use;
	const char *cost; /* of its absence */
} texts[KERNEL_MECHANISM_COUNT] = {
	[KERNEL_BPF] = { "bpf", "programs and maps can be loaded",
			 "marks are set by socket options, which applications can undo" },
	[KERNEL_BPFFS] = { "bpffs", "marks stay in force while the daemon is down",
			   "marks do not survive a crash of the daemon" },
	[KERNEL_CGROUP2] = { "cgroup2", "whole programs can be given a class",
			     "no `greenwave run`, and endings are found by polling" },
	[KERNEL_TC_EGRESS] = { "tc-egress", "packets are marked where they leave",
			       "marks are set by socket options, which applications can undo" },
	[KERNEL_TCX] = { "tcx", "marking takes the short way",
			 "marking hangs on the clsact hook and costs a packet some 50 ns more" },
	[KERNEL_SOCK_RELEASE] = { "sock-release", "marks end inside close()",
				  "the end of a socket is found by polling" },
	[KERNEL_STATE_TRACEPOINT] = { "state-tracepoint",
				      "TCP shutdown and disconnect are noticed at once",
				      "TCP shutdown and disconnect are found by polling" },
	[KERNEL_FENTRY_SHUTDOWN] = { "fentry-shutdown", "shutdown() is noticed at once",
				     "UDP shutdown() is found by polling" },
	[KERNEL_FENTRY_DISCONNECT] = { "fentry-disconnect", "disconnecting is noticed at once",
				       "disconnecting UDP is found by polling" },
	[KERNEL_SOCK_DIAG] = { "sock-diag", "the state of sockets can be asked for",
			       "what no other mechanism reports stays unnoticed until close()" },
	[KERNEL_CLASS_SHAPING] = { "class-shaping",
				   "links that are handed over have a class for each rate and reservation",
				   "no rate is guaranteed, and datagrams beyond a rate are dropped "
				   "instead of delayed" },
	[KERNEL_DEPARTURE_TIMES] = { "departure-times",
				     "there are links whose queue (fq) sends packets when it is their time",
				     "datagrams beyond a rate are dropped instead of delayed, except on "
				     "links that are handed over" },
};

void facts_init(struct kernel_facts *facts)
{
	for (int i = 0; i < KERNEL_MECHANISM_COUNT; i++) {
		facts->mechanism[i] = (struct kernel_fact){ .name = texts[i].name };
		snprintf(facts->mechanism[i].note, KERNEL_NOTE_LEN, "not tried; without it, %s",
			 texts[i].cost);
	}
}

/* In our sense of the mechanism; the kernel's words where we have no better ones. */
static const char *reason(int error)
{
	switch (-error) {
	case EPERM:
	case EACCES:
		return "not permitted here";
	case EBADMSG:
		return "it was tried and had no effect";
	case EOPNOTSUPP:
	case ENOENT:
	case ESRCH:
	case ENODEV:
		return "this kernel or system does not have it";
	default:
		return strerror(-error);
	}
}

void facts_set(struct kernel_facts *facts, enum kernel_mechanism mechanism, int error)
{
	struct kernel_fact *fact = &facts->mechanism[mechanism];

	fact->present = error == 0;
	if (fact->present)
		snprintf(fact->note, sizeof(fact->note), "%s", texts[mechanism].use);
	else
		snprintf(fact->note, sizeof(fact->note), "%s; without it, %s", reason(error),
			 texts[mechanism].cost);
}
