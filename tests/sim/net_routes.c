/* SPDX-License-Identifier: MIT */
/* net_routes.c: see net_routes.h. */
#include "net_routes.h"

#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		abort();
	return memory;
}

/* ---- shortest paths ---- */

#define NO_INTERFACE 0xff

struct parent {
	uint32_t node; /* that forwards onto the link; NET_NONE: none */
	uint32_t end;
};

/* Towards one link. */
struct net_route_table {
	uint8_t *interfaces;	/* of each node; NO_INTERFACE: it cannot get there */
	struct parent *parents; /* of each link */
};

/* A way for a node to get there. */
struct offer {
	uint32_t node, interface, distance, next;
};

/* Offers are in one list for each distance, modulo the number of lists. */
#define N_LISTS (NET_COST_MAX + 1)

struct search {
	struct net *net;
	struct net_route_table *table;
	uint32_t *distance; /* of each node */
	bool *done;
	struct offer *offers;
	uint32_t n_offers, lists[N_LISTS], waiting;
};

static void offer(struct search *search, uint32_t node, uint32_t interface, uint32_t distance)
{
	uint32_t *list = &search->lists[distance % N_LISTS];

	if (search->done[node] || distance >= search->distance[node])
		return;
	search->distance[node] = distance;
	search->offers[search->n_offers] = (struct offer){ node, interface, distance, *list };
	*list = search->n_offers++;
	search->waiting++;
}

/* The link is `distance` from the destination, through `parent`. */
static void reach_link(struct search *search, uint32_t index, struct parent parent,
		       uint32_t distance)
{
	const struct net_link *link = &search->net->links[index];

	search->table->parents[index] = parent;
	for (uint32_t i = 0; i < link->n_ends; i++)
		if (search->net->nodes[link->ends[i].node]->known_up)
			offer(search, link->ends[i].node, link->ends[i].interface,
			      distance + link->how.cost);
}

static void visit(struct search *search, const struct offer *offer)
{
	const struct net_node *node = search->net->nodes[offer->node];

	if (search->done[offer->node])
		return;
	search->done[offer->node] = true;
	search->table->interfaces[offer->node] = (uint8_t)offer->interface;
	if (node->kind == NET_HOST)
		return;
	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		uint32_t link = node->interfaces[i].link;

		if (i != offer->interface && search->net->links[link].known_up &&
		    search->table->parents[link].node == NET_NONE)
			reach_link(search, link,
				   (struct parent){ node->index, node->interfaces[i].end },
				   offer->distance);
	}
}

static uint32_t count_ends(const struct net *net)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < net->n_links; i++)
		count += net->links[i].n_ends;
	return count;
}

static void run_search(struct search *search)
{
	for (uint32_t distance = 0; search->waiting > 0; distance++) {
		uint32_t *list = &search->lists[distance % N_LISTS];

		while (*list != NET_NONE) {
			const struct offer *offer = &search->offers[*list];

			*list = offer->next;
			search->waiting--;
			visit(search, offer);
		}
	}
}

static struct net_route_table *make_table(struct net *net, uint32_t destination)
{
	struct net_route_table *table = zeroed(1, sizeof(*table));
	struct search search = { .net = net, .table = table };

	table->interfaces = zeroed(net->n_nodes, sizeof(*table->interfaces));
	memset(table->interfaces, NO_INTERFACE, net->n_nodes);
	table->parents = zeroed(net->n_links, sizeof(*table->parents));
	for (uint32_t i = 0; i < net->n_links; i++)
		table->parents[i].node = NET_NONE;
	search.distance = zeroed(net->n_nodes, sizeof(*search.distance));
	memset(search.distance, 0xff, net->n_nodes * sizeof(*search.distance));
	search.done = zeroed(net->n_nodes, sizeof(*search.done));
	search.offers = zeroed(count_ends(net), sizeof(*search.offers));
	memset(search.lists, 0xff, sizeof(search.lists));
	if (net->links[destination].known_up)
		reach_link(&search, destination, (struct parent){ NET_NONE, 0 }, 0);
	run_search(&search);
	free(search.distance);
	free(search.done);
	free(search.offers);
	return table;
}

static const struct net_route_table *table_of(struct net *net, uint32_t link)
{
	if (!net->tables[link])
		net->tables[link] = make_table(net, link);
	return net->tables[link];
}

struct net_hop routes_hop(struct net *net, uint32_t node, uint32_t link)
{
	const struct net_route_table *table = table_of(net, link);
	struct net_hop hop = { .interface = table->interfaces[node], .gateway = NET_NONE };
	const struct parent *parent;
	uint32_t by;

	if (hop.interface == NO_INTERFACE)
		return hop;
	hop.reachable = true;
	by = net->nodes[node]->interfaces[hop.interface].link;
	if (by == link)
		return hop;
	parent = &table->parents[by];
	hop.gateway = parent->node;
	hop.gateway_interface = net->links[by].ends[parent->end].interface;
	return hop;
}

/* ---- multicast trees ---- */

/* From one link. */
struct tree {
	struct tree *next;
	uint32_t link;
	uint32_t n_members;
	uint64_t *out; /* of each node; without the node of the source */
};

struct net_group {
	struct net_group *next;
	uint32_t group;
	bool stale;
	uint16_t *members; /* applications on each node */
	struct tree *trees;
};

static struct net_group *find_group(const struct net *net, uint32_t number)
{
	struct net_group *group = net->groups;

	while (group && group->group != number)
		group = group->next;
	return group;
}

static struct net_group *get_group(struct net *net, uint32_t number)
{
	struct net_group *group = find_group(net, number);

	if (group)
		return group;
	group = zeroed(1, sizeof(*group));
	group->group = number;
	group->members = zeroed(net->n_nodes, sizeof(*group->members));
	group->next = net->groups;
	net->groups = group;
	return group;
}

/* From a member back to the source; what is there already has been walked before. */
static void add_member(struct net *net, struct tree *tree, uint32_t node)
{
	struct net_hop hop = routes_hop(net, node, tree->link);

	if (!hop.reachable)
		return;
	tree->n_members++;
	while (hop.gateway != NET_NONE) {
		uint64_t bit = UINT64_C(1) << hop.gateway_interface;

		if (tree->out[hop.gateway] & bit)
			return;
		tree->out[hop.gateway] |= bit;
		hop = routes_hop(net, hop.gateway, tree->link);
	}
}

static void grow(struct net *net, const struct net_group *group, struct tree *tree)
{
	tree->n_members = 0;
	for (uint32_t i = 0; i < net->n_nodes; i++)
		if (group->members[i] > 0 && net->nodes[i]->known_up)
			add_member(net, tree, i);
}

static struct tree *tree_of(struct net *net, struct net_group *group, uint32_t link)
{
	struct tree *tree = group->trees;

	while (tree && tree->link != link)
		tree = tree->next;
	if (tree)
		return tree;
	tree = zeroed(1, sizeof(*tree));
	tree->link = link;
	tree->out = zeroed(net->n_nodes, sizeof(*tree->out));
	tree->next = group->trees;
	group->trees = tree;
	grow(net, group, tree);
	return tree;
}

uint64_t routes_tree_out(struct net *net, uint32_t number, const struct net_node *source,
			 uint32_t source_interface, const struct net_node *node)
{
	uint32_t link = source->interfaces[source_interface].link;
	struct net_group *group = get_group(net, number);
	const struct tree *tree = tree_of(net, group, link);

	if (node != source)
		return tree->out[node->index];
	/* It sends onto its link if anybody but itself is to hear of it. */
	if (!net->links[link].known_up ||
	    tree->n_members <= (group->members[source->index] > 0 && source->known_up))
		return 0;
	return UINT64_C(1) << source_interface;
}

bool routes_is_member(const struct net *net, uint32_t number, uint32_t node)
{
	const struct net_group *group = find_group(net, number);

	return group && group->members[node] > 0;
}

void routes_join(struct net *net, uint32_t number, uint32_t node)
{
	struct net_group *group = get_group(net, number);

	group->stale |= group->members[node]++ == 0;
}

void routes_leave(struct net *net, uint32_t number, uint32_t node)
{
	struct net_group *group = get_group(net, number);

	if (group->members[node] == 0)
		abort();
	group->stale |= --group->members[node] == 0;
}

static void grow_again(struct net *net, const struct net_group *group, struct tree *tree,
		       void (*notice)(struct net_node *node))
{
	const struct net_link *link = &net->links[tree->link];
	uint32_t old_members = tree->n_members;
	uint64_t *old = tree->out;

	tree->out = zeroed(net->n_nodes, sizeof(*tree->out));
	grow(net, group, tree);
	for (uint32_t i = 0; i < net->n_nodes; i++)
		if (old[i] != tree->out[i])
			notice(net->nodes[i]);
	free(old);
	/* The sources themselves: any of those on the link. */
	for (uint32_t i = 0; old_members != tree->n_members && i < link->n_ends; i++)
		notice(net->nodes[link->ends[i].node]);
}

void routes_update_trees(struct net *net, void (*notice)(struct net_node *node))
{
	for (struct net_group *group = net->groups; group; group = group->next) {
		if (!group->stale)
			continue;
		group->stale = false;
		for (struct tree *tree = group->trees; tree; tree = tree->next)
			grow_again(net, group, tree, notice);
		/* Whether data is for the node itself. */
		for (uint32_t i = 0; i < net->n_nodes; i++)
			if (group->members[i] > 0)
				notice(net->nodes[i]);
	}
}

/* ---- ends ---- */

static void forget_trees(struct net_group *group)
{
	while (group->trees) {
		struct tree *tree = group->trees;

		group->trees = tree->next;
		free(tree->out);
		free(tree);
	}
}

void routes_forget(struct net *net)
{
	for (uint32_t i = 0; i < net->n_links; i++) {
		if (!net->tables[i])
			continue;
		free(net->tables[i]->interfaces);
		free(net->tables[i]->parents);
		free(net->tables[i]);
		net->tables[i] = NULL;
	}
	for (struct net_group *group = net->groups; group; group = group->next) {
		forget_trees(group);
		group->stale = false;
	}
}

void routes_free(struct net *net)
{
	routes_forget(net);
	free(net->tables);
	net->tables = NULL;
	while (net->groups) {
		struct net_group *group = net->groups;

		net->groups = group->next;
		free(group->members);
		free(group);
	}
}
