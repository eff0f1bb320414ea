/* SPDX-License-Identifier: MIT */
/*
 * Sources from the SDK of 1998 set a member that structures have no longer; with GREENWAVE_SDK98 they compile, and
 * what the library sees has not moved (spec/gqos.md §10). Compiled by check-headers.
 */
#define GREENWAVE_SDK98
#include <winsock2.h>
#include <qossp.h>

#include <stddef.h>

#ifdef __cplusplus
#define HOLDS(condition) static_assert(condition, #condition)
#else
#define HOLDS(condition) __extension__ _Static_assert(condition, #condition)
#endif

HOLDS(sizeof(RSVP_RESERVE_INFO) == 40);
HOLDS(offsetof(RSVP_RESERVE_INFO, NumFlowDesc) == 24);
HOLDS(offsetof(RSVP_RESERVE_INFO, FlowDescList) == 32);

void fill_as_in_1998(RSVP_RESERVE_INFO *info);

void fill_as_in_1998(RSVP_RESERVE_INFO *info)
{
	info->NumPolicyElement = 0;
	info->PolicyElementList = NULL;
}
