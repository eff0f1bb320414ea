/* SPDX-License-Identifier: MIT */
/*
 * qlpb_echo.c: a sink answers probegap (MS-QLPB §3.2.5.6). There is no session and so nothing that proves who asks:
 * an answer is never longer than the question, goes only to port 2177 of a host on the link that asked this one
 * alone, and to no host, nor to all, more often than the limits say (spec/probing.md §3.6).
 */
#include "probe/qlpb_internal.h"

#include <string.h>

/* The limits are per second; no more than a tenth of that at once. */
static uint32_t burst_of(uint32_t per_s)
{
	return per_s / 10 + 1;
}

/* Routes change. */
#define ASK_AGAIN_US (10 * US_PER_S)

/* Its own entry, or that of whoever has been silent longest. */
static struct echo_host *host_of(struct echo *echo, const struct address *source, uint32_t ifindex)
{
	struct address address = qlpb_host(source);
	struct echo_host *oldest = &echo->hosts[0];

	for (unsigned i = 0; i < ECHO_HOSTS; i++) {
		struct echo_host *host = &echo->hosts[i];

		if (address_equal(&host->address, &address) && host->ifindex == ifindex)
			return host;
		if (host->seen_us < oldest->seen_us)
			oldest = host;
	}
	*oldest = (struct echo_host){ .address = address, .ifindex = ifindex };
	return oldest;
}

static bool may_be_answered(const struct qlpb_arrival *arrival)
{
	return arrival->unicast && arrival->source.family != AF_UNSPEC &&
	       !address_is_unspecified(&arrival->source) && !address_is_multicast(&arrival->source);
}

static bool is_on_link(struct qlpb *qlpb, struct echo_host *host, uint64_t now_us)
{
	if (host->asked_us == 0 || now_us - host->asked_us >= ASK_AGAIN_US) {
		host->on_link =
			qlpb->ports.on_link(qlpb->ports.user_data, &host->address, host->ifindex);
		host->asked_us = now_us > 0 ? now_us : 1;
	}
	return host->on_link;
}

/* Whether there is to be an answer; counts why not. */
static bool admit(struct qlpb *qlpb, const struct qlpb_arrival *arrival, uint64_t now_us)
{
	const struct qlpb_config *config = &qlpb->config;
	struct echo_host *host;

	if (!may_be_answered(arrival)) {
		qlpb_note(qlpb, QLPB_COUNT_OFF_LINK);
		return false;
	}
	host = host_of(&qlpb->echo, &arrival->source, arrival->ifindex);
	host->seen_us = now_us;
	if (!probe_limit_take(&host->limit, config->echoes_per_s_per_host,
			      burst_of(config->echoes_per_s_per_host), now_us)) {
		qlpb_note(qlpb, QLPB_COUNT_LIMITED);
		return false;
	}
	if (!is_on_link(qlpb, host, now_us)) {
		qlpb_note(qlpb, QLPB_COUNT_OFF_LINK);
		return false;
	}
	/* Last, so that what is not answered anyway takes nothing from those who are. */
	if (!probe_limit_take(&qlpb->echo.limit, config->echoes_per_s,
			      burst_of(config->echoes_per_s), now_us)) {
		qlpb_note(qlpb, QLPB_COUNT_LIMITED);
		return false;
	}
	return true;
}

void qlpb_echo(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
	       size_t len, uint64_t now_us)
{
	uint8_t reply[DATAGRAM_MAX];
	struct qlpb_datagram datagram = {
		.socket = QLPB_SOCKET_SERVICE,
		.ifindex = arrival->ifindex,
		.source = qlpb_host(&arrival->destination),
		.destination = arrival->source,
		.hop_limit = HOP_LIMIT,
		.dont_fragment = true,
		.dscp = arrival->dscp,
		.priority = arrival->priority,
		.data = reply,
		.len = len,
	};
	struct qlpb_gap gap;

	if (qlpb_read_gap(data, len, &gap) < 0) {
		qlpb_note(qlpb, QLPB_COUNT_BAD_MESSAGE);
		return;
	}
	if (!admit(qlpb, arrival, now_us))
		return;
	gap.id = QLPB_ID_GAP_REPLY;
	gap.sink_received_100ns = qlpb_wire_time(qlpb, arrival->received_ns);
	memcpy(reply + QLPB_GAP_LEN, data + QLPB_GAP_LEN, len - QLPB_GAP_LEN);
	gap.sink_sent_100ns = qlpb_wire_time(qlpb, qlpb->ports.stamp_ns(qlpb->ports.user_data));
	if (gap.sink_sent_100ns < gap.sink_received_100ns)
		gap.sink_sent_100ns = gap.sink_received_100ns; /* stamps of two sources: P-041 */
	qlpb_put_gap(reply, &gap);
	if (qlpb_send(qlpb, &datagram, 1) == 1)
		qlpb_note(qlpb, QLPB_COUNT_ECHOED);
}
