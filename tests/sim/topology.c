/* SPDX-License-Identifier: MIT */
/* topology.c: see topology.h. */
#include "topology.h"

#include <math.h>
#include <stdlib.h>

#define LAN_ROUTERS_MAX 5

struct maker {
	struct net *net;
	const struct topology_plan *plan;
	struct dice *dice;
};

const char *shape_name(enum shape shape)
{
	static const char *const names[SHAPE_COUNT] = {
		[SHAPE_LINE] = "line", [SHAPE_STAR] = "star", [SHAPE_DUMBBELL] = "dumbbell",
		[SHAPE_TREE] = "tree", [SHAPE_RING] = "ring", [SHAPE_MESH] = "mesh",
		[SHAPE_LANS] = "lans",
	};

	return shape < SHAPE_COUNT ? names[shape] : "?";
}

/* ---- links ---- */

static void join(const struct maker *maker, unsigned n, const uint32_t *nodes)
{
	struct net_link_how how = maker->plan->link;

	if (maker->plan->unequal_costs)
		how.cost = dice_between(maker->dice, 1, 6);
	/* Not all of the same length, so that messages do not keep step. */
	how.delay_us += dice_below(maker->dice, how.delay_us + 1);
	net_add_link(maker->net, &how, n, nodes);
}

static void link_two(const struct maker *maker, uint32_t a, uint32_t b)
{
	join(maker, 2, (uint32_t[]){ a, b });
}

static bool are_connected(const struct net *net, uint32_t a, uint32_t b)
{
	const struct net_node *node = net->nodes[a];

	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		const struct net_link *link = &net->links[node->interfaces[i].link];

		for (uint32_t k = 0; k < link->n_ends; k++)
			if (link->ends[k].node == b)
				return true;
	}
	return false;
}

static bool has_room(const struct net *net, uint32_t node)
{
	return net->nodes[node]->n_interfaces < RSVP_OUT_MAX / 2;
}

static void link_if_new(const struct maker *maker, uint32_t a, uint32_t b)
{
	if (a != b && !are_connected(maker->net, a, b) && has_room(maker->net, a) &&
	    has_room(maker->net, b))
		link_two(maker, a, b);
}

/* ---- shapes ---- */

static void make_line(const struct maker *maker, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i + 1 < to; i++)
		link_two(maker, i, i + 1);
}

static void make_star(const struct maker *maker, uint32_t from, uint32_t to)
{
	for (uint32_t i = from + 1; i < to; i++)
		link_if_new(maker, from, i);
	/* What found no room at the centre. */
	for (uint32_t i = from + 1; i < to; i++)
		if (maker->net->nodes[i]->n_interfaces == 0)
			link_two(maker, i, i - 1);
}

static void make_tree(const struct maker *maker, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint32_t parent = dice_below(maker->dice, i);

		while (!has_room(maker->net, parent))
			parent = dice_below(maker->dice, i);
		link_two(maker, i, parent);
	}
}

static void make_ring(const struct maker *maker, uint32_t n)
{
	make_line(maker, 0, n);
	link_if_new(maker, 0, n - 1);
	for (uint32_t i = 0; i < n / 4; i++)
		link_if_new(maker, dice_below(maker->dice, n), dice_below(maker->dice, n));
}

static void make_mesh(const struct maker *maker, uint32_t n)
{
	double *x = calloc(2 * n, sizeof(*x)), *y = x + n;

	if (!x)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		x[i] = dice_unit(maker->dice);
		y[i] = dice_unit(maker->dice);
	}
	make_tree(maker, n);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < i; k++)
			if (dice_chance(maker->dice, 0.5 * exp(-hypot(x[i] - x[k], y[i] - y[k]) *
							       sqrt(n) * 0.8)))
				link_if_new(maker, i, k);
	free(x);
}

static void make_lans(const struct maker *maker, uint32_t n)
{
	uint32_t nodes[LAN_ROUTERS_MAX], first = 0;

	/* Each LAN begins with the last router of the one before, or with an earlier one. */
	while (first + 1 < n) {
		uint32_t more = dice_between(maker->dice, 1, LAN_ROUTERS_MAX - 1);

		if (more > n - first - 1)
			more = n - first - 1;
		nodes[0] = dice_chance(maker->dice, 0.5) ? first
							 : dice_below(maker->dice, first + 1);
		if (!has_room(maker->net, nodes[0]))
			nodes[0] = first;
		for (uint32_t i = 0; i < more; i++)
			nodes[i + 1] = first + 1 + i;
		join(maker, more + 1, nodes);
		first += more;
	}
	for (uint32_t i = 0; i < n / 4; i++)
		link_if_new(maker, dice_below(maker->dice, n), dice_below(maker->dice, n));
}

static void make_core(const struct maker *maker)
{
	uint32_t n = maker->plan->n_routers;

	switch (maker->plan->shape) {
	case SHAPE_LINE:
		make_line(maker, 0, n);
		break;
	case SHAPE_STAR:
		make_star(maker, 0, n);
		break;
	case SHAPE_DUMBBELL:
		make_star(maker, 0, n / 2);
		make_star(maker, n / 2, n);
		if (n / 2 > 0)
			link_two(maker, 0, n / 2);
		break;
	case SHAPE_TREE:
		make_tree(maker, n);
		break;
	case SHAPE_RING:
		make_ring(maker, n);
		break;
	case SHAPE_MESH:
		make_mesh(maker, n);
		break;
	case SHAPE_LANS:
		make_lans(maker, n);
		break;
	case SHAPE_COUNT:
		abort();
	}
}

/* ---- hosts ---- */

static uint32_t find_place(const struct maker *maker)
{
	uint32_t router = dice_below(maker->dice, maker->plan->n_routers);

	/* Half of the interfaces are for hosts. */
	for (uint32_t i = 0; maker->net->nodes[router]->n_interfaces >= RSVP_OUT_MAX - 1; i++) {
		if (i > 100000)
			abort();
		router = dice_below(maker->dice, maker->plan->n_routers);
	}
	return router;
}

static void place_host(const struct maker *maker, uint32_t host)
{
	uint32_t router = find_place(maker), other;

	link_two(maker, host, router);
	if (!dice_chance(maker->dice, maker->plan->two_homes))
		return;
	other = find_place(maker);
	if (other != router)
		link_two(maker, host, other);
}

struct topology topology_make(struct net *net, const struct topology_plan *plan, struct dice *dice)
{
	const struct maker maker = { net, plan, dice };
	struct topology topology = { .n_routers = plan->n_routers, .n_hosts = plan->n_hosts };

	for (uint32_t i = 0; i < plan->n_routers; i++)
		net_add_node(net, dice_chance(dice, plan->plain) ? NET_PLAIN : NET_ROUTER);
	for (uint32_t i = 0; i < plan->n_hosts; i++)
		net_add_node(net, NET_HOST);
	make_core(&maker);
	topology.n_core_links = net->n_links;
	for (uint32_t i = 0; i < plan->n_hosts; i++)
		place_host(&maker, topology_host(&topology, i));
	return topology;
}
