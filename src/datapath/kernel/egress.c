/* SPDX-License-Identifier: MIT */
/* egress.c: see egress.h. */
#include "datapath/kernel/egress.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/pkt_sched.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "bpf/gw_bpf.h"

/*
 * Early, since filters that end the search would hide us; one that another kind holds is passed
 * over.
 */
#define PRIORITY_FIRST 7
#define PRIORITY_LAST 15
#define HANDLE 0x67770001
#define FILTER_NAME "greenwave_mark"

#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)

/* The headers of Debian 12 are older than these. */
#define ATTACH_TCX_EGRESS ((enum bpf_attach_type)47)
#define FLAG_BEFORE_ALL (1u << 3)

#define PIN_NAME_LEN 24

static int program_of(const struct egress *egress, const struct egress_port *port)
{
	return egress->ethernet ? port->programs.ethernet : port->programs.other;
}

/* --- tcx -------------------------------------------------------------------------------------- */

static void pin_name(uint32_t ifindex, char ret_name[static PIN_NAME_LEN])
{
	snprintf(ret_name, PIN_NAME_LEN, "tcx_%" PRIu32, ifindex);
}

static void forget_tcx(struct egress *egress, const struct egress_port *port)
{
	char name[PIN_NAME_LEN];

	if (egress->tcx < 0)
		return;
	pin_name(egress->ifindex, name);
	pins_drop(port->pins, name);
	close(egress->tcx);
	egress->tcx = -1;
}

static int attach_tcx(struct egress *egress, const struct egress_port *port)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = FLAG_BEFORE_ALL);
	int program = program_of(egress, port);
	char name[PIN_NAME_LEN];

	if (egress->tcx >= 0 && bpf_link_update(egress->tcx, program, NULL) == 0)
		return 0;
	/* Its interface was another one of that number. */
	forget_tcx(egress, port);
	egress->tcx = bpf_link_create(program, (int)egress->ifindex, ATTACH_TCX_EGRESS, &opts);
	if (egress->tcx < 0) {
		int r = egress->tcx;

		egress->tcx = -1;
		return r;
	}
	pin_name(egress->ifindex, name);
	return pins_put(port->pins, name, egress->tcx);
}

/* --- clsact ----------------------------------------------------------------------------------- */

static struct tc_filter filter_of(const struct egress *egress)
{
	return (struct tc_filter){
		.ifindex = egress->ifindex,
		.parent = EGRESS,
		.priority = egress->priority,
		.handle = HANDLE,
	};
}

/* An entry stands as long as it says anything; its handle, as long as there is something of clsact. */
static void remember(const struct egress *egress, const struct egress_port *port)
{
	bool clsact = egress->placed || egress->made_clsact;
	const struct gw_link value = {
		.priority = clsact ? egress->priority : 0,
		.handle = clsact ? HANDLE : 0,
		.made_clsact = egress->made_clsact,
		.flags = egress->flags,
	};

	if (clsact || egress->flags != 0)
		bpf_map_update_elem(port->map, &egress->ifindex, &value, BPF_ANY);
	else
		bpf_map_delete_elem(port->map, &egress->ifindex);
}

static void forget_clsact(struct egress *egress, const struct egress_port *port)
{
	egress->placed = false;
	egress->made_clsact = false;
	egress->priority = PRIORITY_FIRST;
	remember(egress, port);
}

static void count_filter(void *user_data, const struct tc_filter *filter, const char *kind)
{
	unsigned *count = user_data;

	(*count)++;
}

/* Filters in both directions; a failure to ask counts as one, so that nothing is destroyed. */
static unsigned count_filters(struct egress_port *port, uint32_t ifindex)
{
	unsigned count = 0;

	if (tc_filter_visit(&port->tc, ifindex, EGRESS, count_filter, &count) < 0 ||
	    tc_filter_visit(&port->tc, ifindex, INGRESS, count_filter, &count) < 0)
		count++;
	return count;
}

static void detach_clsact(struct egress *egress, struct egress_port *port)
{
	const struct tc_filter filter = filter_of(egress);

	if (egress->placed)
		tc_filter_delete(&port->tc, &filter);
	if (egress->made_clsact && count_filters(port, egress->ifindex) == 0)
		tc_clsact_delete(&port->tc, egress->ifindex);
	forget_clsact(egress, port);
}

static int put_filter(struct egress *egress, struct egress_port *port)
{
	struct tc_filter filter;
	int r;

	do {
		filter = filter_of(egress);
		r = tc_filter_put(&port->tc, &filter, program_of(egress, port), FILTER_NAME);
	} while ((r == -EINVAL || r == -EEXIST) && ++egress->priority <= PRIORITY_LAST);
	return r;
}

static int attach_clsact(struct egress *egress, struct egress_port *port)
{
	int r = tc_clsact_create(&port->tc, egress->ifindex);

	if (r < 0 && r != -EEXIST)
		return r;
	if (r == 0) {
		egress->made_clsact = true;
		remember(egress, port);
	}
	r = put_filter(egress, port);
	if (r < 0) {
		egress->placed = false;
		detach_clsact(egress, port);
		return r;
	}
	egress->placed = true;
	remember(egress, port);
	return 0;
}

/* --- Both ------------------------------------------------------------------------------------- */

void egress_init(struct egress *egress, const struct egress_port *port, uint32_t ifindex)
{
	char name[PIN_NAME_LEN];
	struct gw_link known;

	pin_name(ifindex, name);
	*egress = (struct egress){
		.ifindex = ifindex,
		.tcx = pins_get(port->pins, name),
		.priority = PRIORITY_FIRST,
	};
	if (bpf_map_lookup_elem(port->map, &ifindex, &known) < 0)
		return;
	egress->flags = known.flags;
	if (known.handle == HANDLE) {
		egress->placed = true;
		egress->made_clsact = known.made_clsact;
		egress->priority = known.priority;
	}
}

/*
 * One way first, then the other is given up: for a moment a packet may pass both, to the same
 * effect.
 */
int egress_attach(struct egress *egress, struct egress_port *port)
{
	int r = 0;

	if (port->tcx) {
		r = attach_tcx(egress, port);
		if (r == -EINVAL || r == -EOPNOTSUPP)
			port->tcx = false;
	}
	if (!port->tcx)
		r = attach_clsact(egress, port);
	if (r < 0)
		return r;
	if (!port->tcx)
		forget_tcx(egress, port);
	else if (egress->placed || egress->made_clsact)
		detach_clsact(egress, port);
	egress->attached = true;
	return 0;
}

void egress_detach(struct egress *egress, struct egress_port *port)
{
	forget_tcx(egress, port);
	if (egress->placed || egress->made_clsact)
		detach_clsact(egress, port);
	egress->attached = false;
}

void egress_release(struct egress *egress, const struct egress_port *port, bool keep)
{
	if (!keep) {
		forget_tcx(egress, port);
		egress->flags = 0;
		forget_clsact(egress, port);
	}
	closep(&egress->tcx);
	egress->tcx = -1;
}

void egress_set_flags(struct egress *egress, const struct egress_port *port, uint32_t flags)
{
	if (egress->flags == flags)
		return;
	egress->flags = flags;
	remember(egress, port);
}

/* Handle 0: all filters of the priority went together. */
bool egress_lost_filter(struct egress *egress, const struct tc_filter *filter)
{
	if (!egress->placed || filter->parent != EGRESS || filter->priority != egress->priority ||
	    (filter->handle != HANDLE && filter->handle != 0))
		return false;
	egress->placed = false;
	egress->attached = false;
	return true;
}

bool egress_lost_clsact(struct egress *egress)
{
	if (!egress->placed)
		return false;
	egress->placed = false;
	egress->made_clsact = false;
	egress->attached = false;
	return true;
}
