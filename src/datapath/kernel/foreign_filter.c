/* SPDX-License-Identifier: MIT */
/* foreign_filter.c: see foreign_filter.h. */
#include "datapath/kernel/foreign_filter.h"

#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* Flags that a request may have: the kernel adds others in what it tells. */
#define FLAGS_ASKED (TCA_CLS_FLAGS_SKIP_HW | TCA_CLS_FLAGS_SKIP_SW)

#define U32_OWN_TABLES 0x80000000u

/* Attributes of the kinds; 0: there is none. */
struct filter_kind {
	const char *name;
	uint16_t action, police, flags, counters;
};

static const struct filter_kind kinds[] = {
	{ "u32", TCA_U32_ACT, TCA_U32_POLICE, TCA_U32_FLAGS, TCA_U32_PCNT },
	{ "matchall", TCA_MATCHALL_ACT, 0, TCA_MATCHALL_FLAGS, TCA_MATCHALL_PCNT },
	{ "flower", TCA_FLOWER_ACT, 0, TCA_FLOWER_FLAGS, TCA_FLOWER_IN_HW_COUNT },
	{ "basic", TCA_BASIC_ACT, TCA_BASIC_POLICE, 0, TCA_BASIC_PCNT },
	{ "fw", TCA_FW_ACT, TCA_FW_POLICE, 0, 0 },
};

static const struct filter_kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static bool is(uint16_t type, uint16_t wanted)
{
	return wanted != 0 && type == wanted;
}

struct copying {
	const struct filter_kind *kind;
	struct nlmsghdr *request;
	size_t room;
	uint32_t divisor;
	const char *why;
};

static uint32_t u32_of(const struct nlattr *attribute)
{
	return mnl_attr_get_payload_len(attribute) >= sizeof(uint32_t) ? mnl_attr_get_u32(attribute)
								       : 0;
}

static int on_option(const struct nlattr *attribute, void *user_data)
{
	struct copying *copying = user_data;
	uint16_t type = mnl_attr_get_type(attribute);
	uint32_t flags;

	if (is(type, copying->kind->counters))
		return MNL_CB_OK;
	/* They have counters and numbers of their own, which others may share. */
	if (is(type, copying->kind->action) || is(type, copying->kind->police)) {
		copying->why = "with actions";
		return MNL_CB_OK;
	}
	if (is(type, copying->kind->flags)) {
		flags = u32_of(attribute) & FLAGS_ASKED;
		return flags == 0 || mnl_attr_put_u32_check(copying->request, copying->room, type,
							    flags)
			       ? MNL_CB_OK
			       : MNL_CB_ERROR;
	}
	if (strcmp(copying->kind->name, "u32") == 0 && type == TCA_U32_DIVISOR)
		copying->divisor = u32_of(attribute);
	return mnl_attr_put_check(copying->request, copying->room, attribute->nla_type,
				  mnl_attr_get_payload_len(attribute),
				  mnl_attr_get_payload(attribute))
		       ? MNL_CB_OK
		       : MNL_CB_ERROR;
}

int foreign_filter_copy(struct nlmsghdr *request, size_t room, const char *kind, uint32_t handle,
			const struct nlattr *options, struct foreign_filter *ret_filter,
			const char **ret_why)
{
	struct copying copying = { .kind = find_kind(kind), .request = request, .room = room };
	struct nlattr *nest;

	*ret_why = "";
	if (!copying.kind)
		return -EOPNOTSUPP;
	nest = mnl_attr_nest_start_check(request, room, TCA_OPTIONS);
	if (!nest)
		return -EMSGSIZE;
	if (options && mnl_attr_parse_nested(options, on_option, &copying) < 0)
		return -EMSGSIZE;
	mnl_attr_nest_end(request, nest);
	*ret_filter = (struct foreign_filter){
		.table = copying.divisor > 0,
		.root = copying.divisor == 1 && handle >= U32_OWN_TABLES,
	};
	if (ret_filter->table && !ret_filter->root && handle >= U32_OWN_TABLES)
		copying.why = "with numbers that the kernel has given";
	if (!copying.why)
		return 0;
	*ret_why = copying.why;
	return -EOPNOTSUPP;
}
