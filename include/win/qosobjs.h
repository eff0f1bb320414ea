/* SPDX-License-Identifier: MIT */
/*
 * qosobjs.h: the provider-specific objects of traffic control: marks, DiffServ rules, names.
 *
 * Source: spec/gqos.md §4.4 and spec/traffic-control-api.md.
 */
#ifndef GW_WIN_QOSOBJS_H
#define GW_WIN_QOSOBJS_H

#include "qos.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QOS_TRAFFIC_GENERAL_ID_BASE 4000
#define QOS_OBJECT_DS_CLASS 4001
#define QOS_OBJECT_TRAFFIC_CLASS 4002
#define QOS_OBJECT_DIFFSERV 4003
#define QOS_OBJECT_TCP_TRAFFIC 4004
#define QOS_OBJECT_FRIENDLY_NAME 4005

typedef struct _QOS_TRAFFIC_CLASS {
	QOS_OBJECT_HDR ObjectHdr;
	ULONG TrafficClass; /* 802.1p, 0..7 */
} QOS_TRAFFIC_CLASS, *LPQOS_TRAFFIC_CLASS;

typedef struct _QOS_DS_CLASS {
	QOS_OBJECT_HDR ObjectHdr;
	ULONG DSField; /* DSCP, 0..63 */
} QOS_DS_CLASS, *LPQOS_DS_CLASS;

typedef struct _QOS_DIFFSERV {
	QOS_OBJECT_HDR ObjectHdr;
	ULONG DSFieldCount;
	UCHAR DiffservRule[1]; /* DSFieldCount times QOS_DIFFSERV_RULE */
} QOS_DIFFSERV, *LPQOS_DIFFSERV;

typedef struct _QOS_DIFFSERV_RULE {
	UCHAR InboundDSField;
	UCHAR ConformingOutboundDSField;
	UCHAR NonConformingOutboundDSField;
	UCHAR ConformingUserPriority;
	UCHAR NonConformingUserPriority;
} QOS_DIFFSERV_RULE, *LPQOS_DIFFSERV_RULE;

typedef struct _QOS_TCP_TRAFFIC {
	QOS_OBJECT_HDR ObjectHdr;
} QOS_TCP_TRAFFIC, *LPQOS_TCP_TRAFFIC;

typedef struct _QOS_FRIENDLY_NAME {
	QOS_OBJECT_HDR ObjectHdr;
	WCHAR FriendlyName[256];
} QOS_FRIENDLY_NAME, *LPQOS_FRIENDLY_NAME;

#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_QOSOBJS_H */
