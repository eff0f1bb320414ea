/* SPDX-License-Identifier: MIT */
/*
 * msg.h: what an application and its engine say to each other. One SOCK_SEQPACKET packet is one message:
 * a fixed head and a run of fields (codec.h). The application sends requests, each with a serial of its
 * choice; the engine answers each once, with the same type and serial, and sends events at any time.
 * Descriptors of sockets travel beside a request (SCM_RIGHTS).
 *
 * Numbers here are never given a new meaning; new ones are added at the end.
 */
#ifndef GW_PROTO_MSG_H
#define GW_PROTO_MSG_H

#include <greenwave.h>
#include <stdint.h>

#include "core/address.h"
#include "proto/codec.h"

#define MSG_PROTOCOL 1u	 /* of MSG_HELLO; another one is refused with -EPROTONOSUPPORT */
#define MSG_MAX 32768u	 /* bytes of one message */
#define MSG_MAX_FDS 128u /* descriptors beside one message */

enum msg_type {
	MSG_HELLO = 1, /* protocol, api, [fd: see below] -> mode, version, host_flags */
	MSG_END, /* [fds]: ends all that the owner has; all but this is refused then -> -EAGAIN: ask again */
	MSG_ADD,	 /* class, flags, dscp, flow_id (0: new), [address], fd -> flow_id */
	MSG_DETACH,	 /* flow_id, cookie, [fd] -> */
	MSG_REMOVE,	 /* flow_id, [fds] -> */
	MSG_SET_CLASS,	 /* flow_id, class, [fds] -> */
	MSG_SET_DSCP,	 /* flow_id, dscp, [fds] -> */
	MSG_SET_RATE,	 /* flow_id, rate_bps, shaping, reason, [token], [fds] -> flags */
	MSG_QUERY,	 /* flow_id -> info */
	MSG_QUERY_PATH,	 /* flow_id, flags, [token] -> capacity_bps, available_bps, rtt_us, flags */
	MSG_NOTIFY,	 /* flow_id, condition, rate_bps, token -> flags */
	MSG_CANCEL,	 /* token -> */
	MSG_TRACK_START, /* address, [token] -> flags */
	MSG_TRACK_STOP,	 /* address -> */
	MSG_ENUMERATE,	 /* flow_id (after it) -> ids, count */
	MSG_RUN,	 /* class, dscp, flags, [rate_bps] -> flow_id */
	MSG_LIST, /* flow_id, token: where to go on (0), flags -> records ..., more, flow_id, token */
	MSG_STATUS, /* -> mode, version, count, entries */
	MSG_FACTS,  /* count (facts to skip) -> facts ..., more */
	MSG_WATCH,  /* -> */
	/* From here on, and the rate of MSG_RUN: only with MSG_HOST_RATES. */
	MSG_RESERVE, /* flow_id, rate_bps (0: gives back), [depth, peak, min, max], excess, [fds] -> */
	MSG_ADD_TUPLE, /* class, flags, dscp, [source], address, ip_protocol, interface -> flow_id */
	/* From here on: only with MSG_HOST_SIGNALS. What `rsvp` holds: signal.h. */
	MSG_RSVP_OPEN,	  /* address, ip_protocol, [interface] -> session */
	MSG_RSVP_SEND,	  /* session, [rsvp: an offer; none: takes it back] -> */
	MSG_RSVP_RESERVE, /* session, [rsvp: a request; none: releases] -> */
	MSG_RSVP_CLOSE,	  /* session -> */
	MSG_RSVP_LIST, /* flags (kinds), token: where to go on (0) -> rsvp: records ..., more, token */
	MSG_RSVP_WATCH,	   /* -> */
	MSG_RSVP_DIAGNOSE, /* address, source, ip_protocol, [count: hops], token -> */
	/* From here on: only with MSG_HOST_QOS. What `qos` holds: qos.h. */
	MSG_QOS_SET,   /* qos, fd -> */
	MSG_QOS_LOOK,  /* fd -> cookie */
	MSG_QOS_END,   /* flags (GW_QOS_SENDING ...), fd -> */
	MSG_QOS_JOIN,  /* address, flags (directions), [qos], fd -> */
	MSG_QOS_LEAVE, /* address, fd -> */
	MSG_QOS_QUERY, /* fd -> qos: what is known */
	MSG_EVENT = 64 /* event, ... : serial 0 */
};

/*
 * Who has CAP_NET_ADMIN without being root may prove it with the greeting, by any socket with the option SO_DEBUG,
 * which the kernel lets nobody else set.
 */

/*
 * Flags of replies. A request that must wait, and has brought a token, is answered at once, and GW_EVENT_COMPLETED
 * follows; without a token it is answered when it has ended, and other replies may overtake this one.
 */
#define MSG_PENDING 0x1u
/*
 * MSG_SET_RATE that came with descriptors, and has waited: the path has it; asked again at once, with them, it is
 * applied. Also of GW_EVENT_COMPLETED.
 */
#define MSG_GRANTED 0x2u

/* MSG_HELLO host_flags */
#define MSG_HOST_NEEDS_FDS 0x1u /* changes need the flow's descriptors: marks are socket options */
#define MSG_HOST_ELSEWHERE 0x2u /* it serves another network namespace than the caller's */
#define MSG_HOST_RATES 0x4u	/* it knows reservations, tuples, and rates of programs */
#define MSG_HOST_SIGNALS 0x8u	/* it knows the messages of RSVP, though it need not speak it */
#define MSG_HOST_QOS 0x10u	/* it knows the QoS of sockets */

struct msg_head {
	uint16_t type;
	uint16_t pad;
	uint32_t serial;
	int32_t status; /* of a reply: 0 or a negative errno */
};

/* The fields of all messages. The order of the tags is the order of the table in msg.c. */
enum msg_tag {
	TAG_PROTOCOL = 1,
	TAG_MODE,
	TAG_HOST_FLAGS,
	TAG_FLOW_ID,
	TAG_FLAGS,
	TAG_CLASS,
	TAG_DSCP,
	TAG_RATE,
	TAG_SHAPING,
	TAG_REASON,
	TAG_CONDITION,
	TAG_TOKEN,
	TAG_COOKIE,
	TAG_ADDRESS,
	TAG_API,
	TAG_VERSION,
	TAG_SOCKETS,
	TAG_CONFORMANT_DSCP,
	TAG_NONCONFORMANT_DSCP,
	TAG_CONFORMANT_PRIORITY,
	TAG_NONCONFORMANT_PRIORITY,
	TAG_CAPACITY,
	TAG_AVAILABLE,
	TAG_RTT,
	TAG_COUNT,
	TAG_ENTRIES,
	TAG_MORE,
	TAG_IDS,
	TAG_EVENT,
	TAG_TIME,
	TAG_LOST,
	TAG_END_REASON,
	TAG_RECORD, /* repeated: struct gw_flow_record, proto/record.h */
	TAG_FACT,   /* repeated: struct msg_fact */
	TAG_DEPTH,
	TAG_PEAK,
	TAG_MIN_BYTES,
	TAG_MAX_BYTES,
	TAG_EXCESS,
	TAG_SOURCE,
	TAG_IP_PROTOCOL,
	TAG_INTERFACE,
	TAG_SESSION,
	TAG_RSVP, /* in lists repeated; also in events */
	TAG_QOS,
	TAG_LAST
};

struct msg {
	struct msg_head head;
	uint64_t present; /* CODEC_BIT(TAG_...) of the members that are set */

	uint32_t protocol, mode, host_flags;
	uint32_t flow_id, flags, traffic_class;
	int32_t dscp;
	uint64_t rate_bps;
	uint32_t shaping, reason, condition;
	uint64_t token, cookie;
	struct address address;
	char api[16];
	char version[32];
	uint32_t sockets;
	uint32_t conformant_dscp, nonconformant_dscp, conformant_priority, nonconformant_priority;
	uint64_t capacity_bps, available_bps;
	uint32_t rtt_us;
	uint64_t count, entries;
	uint32_t more;
	struct codec_bytes ids; /* uint32_t each */
	uint32_t event;
	uint64_t time_us, lost;
	char end_reason[24];
	struct codec_bytes record; /* the last of them; step through with msg_next() */
	struct codec_bytes fact;
	uint64_t depth_bytes, peak_bps;
	uint32_t min_bytes, max_bytes;
	uint32_t excess; /* enum gw_excess */
	struct address source;
	int32_t ip_protocol;
	uint32_t ifindex;
	uint32_t session;
	struct codec_bytes rsvp;
	struct codec_bytes qos;
};

/* One line of gw_facts(). */
struct msg_fact {
	uint32_t kind;
	char name[48];
	char value[200];
	char note[256];
};

/* Sets a member and its bit. */
#define MSG_SET(message, tag, member, value_) \
	((message)->member = (value_), (void)((message)->present |= CODEC_BIT(tag)))
#define MSG_HAS(message, tag) (((message)->present & CODEC_BIT(tag)) != 0)

/* Writes a message. Returns its length, or -EMSGSIZE. Nested records are appended after it. */
long msg_encode(const struct msg *message, void *buf, size_t capacity);

/* Reads one. -EBADMSG. Byte fields point into `buf`. */
int msg_decode(const void *buf, size_t len, struct msg *ret_message);

/* Steps through the values of a repeated tag of an encoded message; as codec_next(). */
int msg_next(const void *buf, size_t len, uint16_t tag, size_t *position,
	     struct codec_bytes *ret_value);

/* Nested structures; lengths and errors as above. Unknown fields are skipped. */
long record_append(const struct gw_flow_record *record, void *buf, size_t len, size_t capacity);
int record_decode(const struct codec_bytes *bytes, struct gw_flow_record *ret_record);
long fact_append(const struct msg_fact *fact, void *buf, size_t len, size_t capacity);
int fact_decode(const struct codec_bytes *bytes, struct msg_fact *ret_fact);

#endif
