/* SPDX-License-Identifier: MIT */
/*
 * qos.h: how the QoS of a socket (greenwave.h) travels inside a message, as the value of TAG_QOS. What is not stated
 * does not travel. Unknown fields are skipped.
 */
#ifndef GW_PROTO_QOS_H
#define GW_PROTO_QOS_H

#include <greenwave.h>

#include "proto/codec.h"

/* All that is asked for, and nothing: what a caller's shorter structure leaves out, and what does not travel. */
#define QOS_NOTHING                                                                 \
	{                                                                           \
		.size = sizeof(struct gw_qos), .sending.latency_us = UINT32_MAX,    \
		.sending.slack_us = UINT32_MAX, .receiving.latency_us = UINT32_MAX, \
		.receiving.slack_us = UINT32_MAX, .dscp = -1, .priority = -1        \
	}

/* Its length, or -EMSGSIZE. */
long qos_encode(const struct gw_qos *qos, void *buf, size_t capacity);

struct qos_request {
	struct gw_qos qos;
	struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX];
};

/*
 * -EBADMSG, -ENOBUFS (too many flows). Policies point into the message, flows into *ret_request itself, which must
 * stay where it is.
 */
int qos_decode(const struct codec_bytes *bytes, struct qos_request *ret_request);

long qos_info_encode(const struct gw_qos_info *info, void *buf, size_t capacity);
int qos_info_decode(const struct codec_bytes *bytes, struct gw_qos_info *ret_info);

#endif
