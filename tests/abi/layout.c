/* SPDX-License-Identifier: MIT */
/*
 * Every row of the layout tables as a static assertion; compiled by check-headers as C11 and as C++,
 * by each compiler. For 32-bit targets GW_QWAVE_ONLY leaves the rows that hold there.
 *
 * Q-199..Q-202; G-001..G-011, G-013..G-019.
 */
#include <qos2.h>
#include <mswsock.h>
#include <qosobjs.h>
#include <qospol.h>
#include <qossp.h>

#include <stddef.h>

#ifdef __cplusplus
#define LAYOUT_ASSERT(condition, text) static_assert(condition, text);
#else
#define LAYOUT_ASSERT(condition, text) __extension__ _Static_assert(condition, text);
#endif

#define LAYOUT_SIZE(type, bytes) LAYOUT_ASSERT(sizeof(type) == (bytes), "sizeof " #type)
#define LAYOUT_FIELD(type, member, offset) \
	LAYOUT_ASSERT(offsetof(type, member) == (offset), "offset of " #member)
#define LAYOUT_VALUE(name, number) LAYOUT_ASSERT((long long)(name) == (number), "value of " #name)

#include "layout_qwave.h"
#ifndef GW_QWAVE_ONLY
#include "layout_base.h"
#include "layout_gqos.h"
#endif
