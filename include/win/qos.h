/* SPDX-License-Identifier: MIT */
/*
 * qos.h: flow specifications and the general provider-specific objects of Generic QoS (GQoS).
 *
 * Included by winsock2.h, which adds the QOS structure; may be included before it, too.
 * Source: spec/gqos.md §2 and §4. Rates are bytes per second, sizes bytes, times microseconds.
 */
#ifndef GW_WIN_QOS_H
#define GW_WIN_QOS_H

#include "windows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is asked for one direction: a primary type in the low 16 bits, modifiers above. */
typedef ULONG SERVICETYPE;

#define SERVICETYPE_NOTRAFFIC 0x00000000
#define SERVICETYPE_BESTEFFORT 0x00000001
#define SERVICETYPE_CONTROLLEDLOAD 0x00000002
#define SERVICETYPE_GUARANTEED 0x00000003
#define SERVICETYPE_NETWORK_UNAVAILABLE 0x00000004 /* reported only */
#define SERVICETYPE_GENERAL_INFORMATION 0x00000005 /* sending only */
#define SERVICETYPE_NOCHANGE 0x00000006
#define SERVICETYPE_NONCONFORMING 0x00000009
#define SERVICETYPE_NETWORK_CONTROL 0x0000000A
#define SERVICETYPE_QUALITATIVE 0x0000000D

/* Modifiers. The first has two bits; a test must compare with both. */
#define SERVICE_NO_TRAFFIC_CONTROL 0x81000000
#define SERVICE_NO_QOS_SIGNALING 0x40000000

/* An alternate notation that Windows declares and does not support. */
#define SERVICE_BESTEFFORT 0x80010000
#define SERVICE_CONTROLLEDLOAD 0x80020000
#define SERVICE_GUARANTEED 0x80040000
#define SERVICE_QUALITATIVE 0x80200000

#define QOS_NOT_SPECIFIED 0xFFFFFFFF	  /* the provider chooses */
#define POSITIVE_INFINITY_RATE 0xFFFFFFFE /* PeakBandwidth: no limit */
#define NULL_QOS_TYPE 0xFFFFFFFD	  /* 1998 sources */

typedef struct _flowspec {
	ULONG TokenRate;
	ULONG TokenBucketSize;
	ULONG PeakBandwidth;
	ULONG Latency;
	ULONG DelayVariation;
	SERVICETYPE ServiceType;
	ULONG MaxSduSize;
	ULONG MinimumPolicedSize;
} FLOWSPEC, *PFLOWSPEC, *LPFLOWSPEC;

/* The head of every object; ObjectLength counts the whole object, head included. */
typedef struct _QOS_OBJECT_HDR {
	ULONG ObjectType;
	ULONG ObjectLength;
} QOS_OBJECT_HDR, *LPQOS_OBJECT_HDR;

#define QOS_GENERAL_ID_BASE 2000
#define QOS_OBJECT_END_OF_LIST 2001
#define QOS_OBJECT_SD_MODE 2002
#define QOS_OBJECT_SHAPING_RATE 2003
#define QOS_OBJECT_DESTADDR 2004

/* QOS_SD_MODE.ShapeDiscardMode: what happens to packets beyond the flow specification. */
#define TC_NONCONF_BORROW 0
#define TC_NONCONF_SHAPE 1
#define TC_NONCONF_DISCARD 2
#define TC_NONCONF_BORROW_PLUS 3 /* not supported */

typedef struct _QOS_SD_MODE {
	QOS_OBJECT_HDR ObjectHdr;
	ULONG ShapeDiscardMode;
} QOS_SD_MODE, *LPQOS_SD_MODE;

typedef struct _QOS_SHAPING_RATE {
	QOS_OBJECT_HDR ObjectHdr;
	ULONG ShapingRate; /* bytes per second */
} QOS_SHAPING_RATE, *LPQOS_SHAPING_RATE;

#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_QOS_H */
