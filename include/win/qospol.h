/* SPDX-License-Identifier: MIT */
/*
 * qospol.h: what policy elements hold that programs write themselves: who they are (RFC 2752).
 *
 * An element is an RSVP_POLICY (qossp.h) of a type below, whose Info is a list of IDPE_ATTR, each padded to a multiple
 * of four bytes. Lengths of attributes are in network byte order, for they travel as they are. Source: spec/gqos.md §6.
 */
#ifndef GW_WIN_QOSPOL_H
#define GW_WIN_QOSPOL_H

#include "qossp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* RSVP_POLICY.Type: of an application. Types that the standards have not assigned are refused. */
#define PE_TYPE_APPID 3

/* What lengths in lists of elements and attributes are rounded up to. */
#define RSVP_BYTE_MULTIPLE(x) (((x) + 3) / 4 * 4)

typedef struct _IDPE_ATTR {
	USHORT PeAttribLength; /* head included, padding not */
	UCHAR PeAttribType;
	UCHAR PeAttribSubType;
	UCHAR PeAttribValue[4];
} IDPE_ATTR, *LPIDPE_ATTR;

#define IDPE_ATTR_HDR_LEN (sizeof(USHORT) + sizeof(UCHAR) + sizeof(UCHAR))

/* PeAttribType, and the PeAttribSubType of each. */
#define PE_ATTRIB_TYPE_POLICY_LOCATOR 1
#define POLICY_LOCATOR_SUB_TYPE_ASCII_DN 1
#define POLICY_LOCATOR_SUB_TYPE_UNICODE_DN 2
#define POLICY_LOCATOR_SUB_TYPE_ASCII_DN_ENC 3
#define POLICY_LOCATOR_SUB_TYPE_UNICODE_DN_ENC 4

#define PE_ATTRIB_TYPE_CREDENTIAL 2
#define CREDENTIAL_SUB_TYPE_ASCII_ID 1
#define CREDENTIAL_SUB_TYPE_UNICODE_ID 2
#define CREDENTIAL_SUB_TYPE_KERBEROS_TKT 3
#define CREDENTIAL_SUB_TYPE_X509_V3_CERT 4
#define CREDENTIAL_SUB_TYPE_PGP_CERT 5

#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_QOSPOL_H */
