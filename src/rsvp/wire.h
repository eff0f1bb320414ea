/* SPDX-License-Identifier: MIT */
/*
 * wire.h: the numbers of RSVP messages and the things they speak of: sessions, senders, hops, styles, errors
 * (spec/rsvp.md §3, §4, §10; RFC 2205 App. A and B, RFC 2207, 2210, 2745, 2747, 2961, 2996, 3097, 3175).
 *
 * None of the structures has padding, and what is unused in them is zero: the same thing is the same bytes.
 */
#ifndef GW_RSVP_WIRE_H
#define GW_RSVP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/flowspec.h"

#define RSVP_VERSION 1
#define RSVP_HEADER_LEN 8
#define RSVP_OBJECT_HEADER_LEN 4
#define RSVP_MESSAGE_MAX 65535
#define RSVP_IP_PROTOCOL 46

#define RSVP_HEADER_REDUCES 0x1 /* flag: the sender can do refresh reduction (RFC 2961 §2) */

enum rsvp_type {
	RSVP_PATH = 1,
	RSVP_RESV = 2,
	RSVP_PATH_ERR = 3,
	RSVP_RESV_ERR = 4,
	RSVP_PATH_TEAR = 5,
	RSVP_RESV_TEAR = 6,
	RSVP_RESV_CONF = 7,
	RSVP_DREQ = 8,
	RSVP_DREP = 9,
	RSVP_BUNDLE = 12,
	RSVP_ACK = 13,
	RSVP_SREFRESH = 15,
	RSVP_CHALLENGE = 25,
	RSVP_RESPONSE = 26,
};

enum rsvp_class {
	RSVP_CLASS_NULL = 0,
	RSVP_CLASS_SESSION = 1,
	RSVP_CLASS_HOP = 3,
	RSVP_CLASS_INTEGRITY = 4,
	RSVP_CLASS_TIME_VALUES = 5,
	RSVP_CLASS_ERROR_SPEC = 6,
	RSVP_CLASS_SCOPE = 7,
	RSVP_CLASS_STYLE = 8,
	RSVP_CLASS_FLOWSPEC = 9,
	RSVP_CLASS_FILTER_SPEC = 10,
	RSVP_CLASS_SENDER_TEMPLATE = 11,
	RSVP_CLASS_SENDER_TSPEC = 12,
	RSVP_CLASS_ADSPEC = 13,
	RSVP_CLASS_POLICY_DATA = 14,
	RSVP_CLASS_RESV_CONFIRM = 15,
	RSVP_CLASS_MESSAGE_ID = 23,
	RSVP_CLASS_MESSAGE_ID_ACK = 24,
	RSVP_CLASS_MESSAGE_ID_LIST = 25,
	RSVP_CLASS_DIAGNOSTIC = 30,
	RSVP_CLASS_ROUTE = 31,
	RSVP_CLASS_DIAG_RESPONSE = 32,
	RSVP_CLASS_DIAG_SELECT = 33,
	RSVP_CLASS_CHALLENGE = 64,
	RSVP_CLASS_DCLASS = 225, /* 11bbbbbb: who does not know it passes it on */
};

/* What becomes of an object of a class that is not known (RFC 2205 §3.10). */
enum rsvp_unknown {
	RSVP_UNKNOWN_REJECT, /* 0bbbbbbb: the message with it */
	RSVP_UNKNOWN_DROP,   /* 10bbbbbb: as if it were not there */
	RSVP_UNKNOWN_KEEP,   /* 11bbbbbb: goes along unchanged */
};

static inline enum rsvp_unknown rsvp_class_unknown(uint8_t class_num)
{
	if (class_num < 128)
		return RSVP_UNKNOWN_REJECT;
	return class_num < 192 ? RSVP_UNKNOWN_DROP : RSVP_UNKNOWN_KEEP;
}

/* C-Types where the number is not that of the address family: 1 for IPv4, 2 for IPv6. */
#define RSVP_CTYPE_ONLY 1
#define RSVP_CTYPE_INTSERV 2
#define RSVP_CTYPE_ACK 1
#define RSVP_CTYPE_NACK 2

enum rsvp_list { /* C-Types of MESSAGE_ID_LIST */
		 RSVP_LIST_IDS = 1,
		 RSVP_LIST_SOURCE4 = 2,
		 RSVP_LIST_SOURCE6 = 3,
		 RSVP_LIST_GROUP4 = 4,
		 RSVP_LIST_GROUP6 = 5,
};

/* How the flows of a session are told apart. */
enum rsvp_form {
	RSVP_FORM_PORTS = 0,
	RSVP_FORM_GPI,	      /* IPsec: virtual port, and SPI (RFC 2207) */
	RSVP_FORM_FLOW_LABEL, /* of senders in an IPv6 session with ports */
	RSVP_FORM_AGGREGATE,  /* a DSCP (RFC 3175) */
};

struct rsvp_session {
	uint8_t address[16]; /* as in struct address: IPv4 is ::ffff:a.b.c.d */
	uint16_t family;     /* AF_INET, AF_INET6; AF_UNSPEC: none */
	uint16_t port;	     /* or vDstPort, or DSCP */
	uint8_t protocol;    /* of IP; 0 in an aggregate */
	uint8_t form;	     /* enum rsvp_form */
	uint16_t zero;
};

struct rsvp_sender {
	uint8_t address[16];
	uint16_t family;
	uint16_t form; /* enum rsvp_form */
	uint32_t id;   /* port, SPI, or flow label; 0 in an aggregate */
};

struct rsvp_hop {
	struct address address;
	uint32_t lih; /* logical interface handle; 0: none */
};

#define RSVP_SESSION_E_POLICE 0x01 /* flag of the object, no part of what the session is */

/* Sharing and sender selection: the option vector's low 5 bits (RFC 2205 A.7). */
enum rsvp_style {
	RSVP_STYLE_NONE = 0,
	RSVP_STYLE_FF = 0x0a,
	RSVP_STYLE_WF = 0x11,
	RSVP_STYLE_SE = 0x12,
};

enum rsvp_error_code {
	RSVP_ERROR_CONFIRMATION = 0,
	RSVP_ERROR_ADMISSION = 1,
	RSVP_ERROR_POLICY = 2,
	RSVP_ERROR_NO_PATH = 3,
	RSVP_ERROR_NO_SENDER = 4,
	RSVP_ERROR_STYLE_CONFLICT = 5,
	RSVP_ERROR_STYLE_UNKNOWN = 6,
	RSVP_ERROR_DST_PORTS = 7,
	RSVP_ERROR_SRC_PORTS = 8,
	RSVP_ERROR_PREEMPTED = 12,
	RSVP_ERROR_UNKNOWN_CLASS = 13, /* value: class * 256 + C-Type, as with the next */
	RSVP_ERROR_UNKNOWN_CTYPE = 14,
	RSVP_ERROR_API = 20,
	RSVP_ERROR_TRAFFIC = 21,
	RSVP_ERROR_TRAFFIC_SYSTEM = 22,
	RSVP_ERROR_SYSTEM = 23,
	RSVP_ERROR_NEW_AGGREGATE = 26,
};

enum { RSVP_ADMISSION_DELAY = 1, RSVP_ADMISSION_BANDWIDTH = 2, RSVP_ADMISSION_MTU = 3 };

enum {
	RSVP_TRAFFIC_CONFLICT = 1,
	RSVP_TRAFFIC_SERVICE = 2,
	RSVP_TRAFFIC_FLOWSPEC = 3,
	RSVP_TRAFFIC_TSPEC = 4,
	RSVP_TRAFFIC_ADSPEC = 5,
};

enum { /* of RSVP_ERROR_POLICY: RFC 2750 App. A, RFC 4495 */
       RSVP_POLICY_ERROR_REJECT = 3,
       RSVP_POLICY_ERROR_EXCEEDED = 4,
       RSVP_POLICY_ERROR_PREEMPTED = 5,
       RSVP_POLICY_ERROR_EXPIRED = 6,
       RSVP_POLICY_ERROR_MERGE = 8,
       RSVP_POLICY_ERROR_PARTLY_PREEMPTED = 102,
};

#define RSVP_ERROR_IN_PLACE 0x01
#define RSVP_ERROR_NOT_GUILTY 0x02

/* What a sender says it will send. Without the null service null_M is 0; with nothing else the Tspec is zero. */
struct rsvp_sender_tspec {
	struct rsvp_tspec tspec;
	uint32_t null_M;
};

/* What one service has to say of a path. Values that no override gives are those of the path in general. */
struct rsvp_adspec_service {
	bool present;
	bool broken; /* some hop does not offer it */
	uint32_t latency_us, mtu;
	float bandwidth;
};

/* What the Adspec of a Path says, for those who read it. On the way the object itself is composed (adspec.h). */
struct rsvp_adspec {
	bool broken; /* some hop knows no IntServ: every other value is suspect */
	uint32_t hops;
	float bandwidth;     /* bytes/s; 0: not known */
	uint32_t latency_us; /* UINT32_MAX: not known */
	uint32_t mtu;
	uint32_t c_total, d_total, c_since, d_since; /* of the guaranteed service */
	struct rsvp_adspec_service guaranteed, controlled_load, null;
};

struct rsvp_message_id {
	uint32_t epoch; /* 24 bits */
	uint32_t id;
	uint8_t flags;
};

#define RSVP_ID_ACK_DESIRED 0x01

enum rsvp_digest {
	RSVP_DIGEST_HMAC_MD5,
	RSVP_DIGEST_HMAC_SHA1,
	RSVP_DIGEST_HMAC_SHA256,
};

#define RSVP_DIGEST_MAX 32
#define RSVP_KEY_ID_LEN 6

_Static_assert(sizeof(struct rsvp_session) == 24, "compared and hashed by bytes");
_Static_assert(sizeof(struct rsvp_sender) == 24, "compared and hashed by bytes");
_Static_assert(sizeof(struct rsvp_hop) == 28, "compared by bytes");

#endif
