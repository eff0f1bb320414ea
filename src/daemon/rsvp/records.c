/* SPDX-License-Identifier: MIT */
/*
 * records.c: see records.h. Inside, rates are bytes a second in single precision, as on the wire; outside, bits.
 */
#include "daemon/rsvp/records.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BITS 8.0

/* ---- to the public form ---- */

static uint64_t bits_of(float bytes_per_s)
{
	double bits = (double)bytes_per_s * BITS;

	return isfinite(bits) && bits > 0 && bits < 1e18 ? (uint64_t)(bits + 0.5) : 0;
}

static struct gw_tspec public_tspec(const struct rsvp_tspec *tspec)
{
	return (struct gw_tspec){
		.size = sizeof(struct gw_tspec),
		.rate_bps = bits_of(tspec->r),
		.depth_bytes = bits_of(tspec->b) / 8,
		.peak_bps = bits_of(tspec->p), /* without an end: none */
		.min_bytes = tspec->m,
		.max_bytes = tspec->M,
	};
}

static void public_address(const uint8_t addr[16], uint16_t family, uint16_t port,
			   struct sockaddr_storage *ret_sockaddr)
{
	struct address address = { .family = family, .port = port };

	memcpy(address.addr, addr, sizeof(address.addr));
	address_to_sockaddr(&address, ret_sockaddr);
}

static void public_sender(const struct rsvp_sender *sender, struct gw_rsvp_sender *ret_sender)
{
	bool ports = sender->form == RSVP_FORM_PORTS;

	*ret_sender = (struct gw_rsvp_sender){ .form = sender->form, .id = ports ? 0 : sender->id };
	public_address(sender->address, sender->family, ports ? (uint16_t)sender->id : 0,
		       &ret_sender->address);
}

static void add_senders(struct rsvp_record *out, const struct rsvp_sender *senders, unsigned n)
{
	if (n > RECORD_SENDERS) {
		out->record.flags |= GW_RSVP_CUT;
		n = RECORD_SENDERS;
	}
	for (unsigned i = 0; i < n; i++)
		public_sender(&senders[i], &out->senders[i]);
	out->record.senders = n > 0 ? out->senders : NULL;
	out->record.n_senders = n;
}

static void begin(struct rsvp_record *out, enum gw_rsvp_kind kind)
{
	out->record = (struct gw_rsvp_record){ .size = sizeof(out->record),
					       .kind = kind,
					       .tspec.size = sizeof(struct gw_tspec),
					       .dscp = -1 };
}

static void add_session(struct rsvp_record *out, const struct rsvp_session *session)
{
	out->record.protocol = session->protocol;
	out->record.form = session->form;
	public_address(session->address, session->family, session->port, &out->record.destination);
}

static void add_flowspec(struct rsvp_record *out, const struct rsvp_flowspec *flowspec)
{
	bool guaranteed = flowspec->service == FLOWSPEC_GUARANTEED;

	out->record.service = flowspec->service;
	out->record.tspec = public_tspec(&flowspec->tspec);
	out->record.rate_bps = guaranteed ? bits_of(flowspec->R) : out->record.tspec.rate_bps;
	out->record.slack_us = guaranteed ? flowspec->S : 0;
}

static uint32_t offered(const struct rsvp_adspec_service *service, uint32_t flag)
{
	return service->present && !service->broken ? flag : 0;
}

static struct gw_rsvp_path public_path(const struct rsvp_adspec *adspec)
{
	return (struct gw_rsvp_path){
		.known = 1,
		.broken = adspec->broken,
		.hops = adspec->hops,
		.latency_us = adspec->latency_us,
		.bandwidth_bps = bits_of(adspec->bandwidth),
		.mtu = adspec->mtu,
		.services = offered(&adspec->guaranteed, GW_RSVP_OFFER_GUARANTEED) |
			    offered(&adspec->controlled_load, GW_RSVP_OFFER_CONTROLLED_LOAD) |
			    offered(&adspec->null, GW_RSVP_OFFER_NULL),
		.c_total_bytes = adspec->c_total,
		.d_total_us = adspec->d_total,
		.c_since_bytes = adspec->c_since,
		.d_since_us = adspec->d_since,
	};
}

static void add_error(struct rsvp_record *out, const struct rsvp_error *error)
{
	out->record.error_code = error->code;
	out->record.error_value = error->value;
	if (error->flags & RSVP_ERROR_IN_PLACE)
		out->record.flags |= GW_RSVP_IN_PLACE;
	if (error->flags & RSVP_ERROR_NOT_GUILTY)
		out->record.flags |= GW_RSVP_NOT_GUILTY;
	address_to_sockaddr(&error->node, &out->record.error_node);
}

static void add_path_event(struct rsvp_record *out, const struct rsvp_event *event)
{
	add_senders(out, &event->sender, 1);
	out->record.tspec = public_tspec(&event->tspec);
	out->record.rate_bps = out->record.tspec.rate_bps;
	if (event->adspec)
		out->record.path = public_path(event->adspec);
	if (event->non_rsvp_hop)
		out->record.flags |= GW_RSVP_NON_RSVP;
}

static void add_resv_event(struct rsvp_record *out, const struct rsvp_event *event)
{
	if (event->n_senders > 0)
		add_senders(out, event->senders, event->n_senders);
	else if (event->sender.family != AF_UNSPEC)
		add_senders(out, &event->sender, 1);
	out->record.style = event->style;
	if (event->flowspec)
		add_flowspec(out, event->flowspec);
	if (event->type == RSVP_EVENT_RESV && event->dscp != 0xff)
		out->record.dscp = event->dscp;
}

void record_of_event(const struct rsvp_event *event, struct rsvp_record *ret_record)
{
	bool error = event->type == RSVP_EVENT_PATH_ERROR || event->type == RSVP_EVENT_RESV_ERROR;
	bool path = event->type == RSVP_EVENT_PATH || event->type == RSVP_EVENT_PATH_ERROR;

	begin(ret_record, error ? GW_RSVP_ERROR : path ? GW_RSVP_SENDER : GW_RSVP_RESERVATION);
	add_session(ret_record, &event->session);
	if (path)
		add_path_event(ret_record, event);
	else
		add_resv_event(ret_record, event);
	if (error)
		add_error(ret_record, &event->error);
	if (event->gone)
		ret_record->record.flags |= GW_RSVP_GONE;
	if (event->policy) {
		ret_record->record.policy = event->policy;
		ret_record->record.policy_len = event->policy_len;
	}
}

void record_of_session(const struct rsvp_session *session, struct rsvp_record *ret_record)
{
	begin(ret_record, GW_RSVP_SESSION);
	add_session(ret_record, session);
	ret_record->record.flags = GW_RSVP_LOCAL;
}

static uint64_t left_ms(uint64_t expires_us, uint64_t now_us)
{
	if (expires_us == UINT64_MAX || expires_us == 0)
		return 0;
	return expires_us > now_us ? (expires_us - now_us) / 1000 + 1 : 1;
}

static void add_place(struct rsvp_record *out, const struct rsvp_daemon *daemon, uint32_t ifindex,
		      const struct address *hop)
{
	rsvp_daemon_interface_name(daemon, ifindex, out->record.interface);
	address_to_sockaddr(hop, &out->record.hop);
}

void record_of_sender(const struct rsvp_daemon *daemon, const struct rsvp_sender_info *info,
		      uint64_t now_us, struct rsvp_record *ret_record)
{
	struct gw_rsvp_record *record = &ret_record->record;

	begin(ret_record, GW_RSVP_SENDER);
	add_session(ret_record, &info->session);
	add_senders(ret_record, &info->sender, 1);
	add_place(ret_record, daemon, info->in_ifindex, &info->previous_hop.address);
	record->tspec = public_tspec(&info->tspec);
	record->rate_bps = record->tspec.rate_bps;
	record->flags |= (info->local ? GW_RSVP_LOCAL : 0) |
			 (info->non_rsvp_hop ? GW_RSVP_NON_RSVP : 0);
	record->expires_ms = left_ms(info->expires_us, now_us);
}

void record_of_reservation(const struct rsvp_daemon *daemon,
			   const struct rsvp_reservation_info *info, uint64_t now_us,
			   struct rsvp_record *ret_record)
{
	struct gw_rsvp_record *record = &ret_record->record;
	bool local = info->next_hop.address.family == AF_UNSPEC;

	begin(ret_record, GW_RSVP_RESERVATION);
	add_session(ret_record, &info->session);
	add_senders(ret_record, info->senders, info->n_senders);
	add_place(ret_record, daemon, info->out_ifindex, &info->next_hop.address);
	add_flowspec(ret_record, &info->flowspec);
	record->style = info->style;
	record->flags |= (local ? GW_RSVP_LOCAL : 0) | (info->installed ? GW_RSVP_INSTALLED : 0) |
			 (info->blockaded ? GW_RSVP_BLOCKADED : 0);
	/* Of a program's own reservation nothing leaves here that could be enforced. */
	if (!local && !info->enforced)
		record->flags |= GW_RSVP_UNENFORCED;
	record->expires_ms = left_ms(info->expires_us, now_us);
}

void record_of_neighbour(const struct rsvp_daemon *daemon, const struct rsvp_neighbour_info *info,
			 struct rsvp_record *ret_record)
{
	struct gw_rsvp_record *record = &ret_record->record;

	begin(ret_record, GW_RSVP_NEIGHBOUR);
	add_place(ret_record, daemon, info->ifindex, &info->address);
	record->flags = (info->reduces_refreshes ? GW_RSVP_REDUCES : 0) |
			(info->udp ? GW_RSVP_UDP : 0) |
			(info->authenticated ? GW_RSVP_AUTHENTIC : 0);
	record->received = info->received;
	record->sent = info->sent;
	record->dropped = info->dropped;
}

void record_of_hop(const struct rsvp_session *session, const struct rsvp_hop_report *hop,
		   struct rsvp_record *ret_record)
{
	struct gw_rsvp_record *record = &ret_record->record;

	begin(ret_record, GW_RSVP_HOP);
	add_session(ret_record, session);
	add_senders(ret_record, hop->senders, hop->n_senders);
	/* The sender's own host has no address by which its data comes. */
	address_to_sockaddr(hop->in.family != AF_UNSPEC ? &hop->in : &hop->out, &record->hop);
	address_to_sockaddr(&hop->out, &record->leaving);
	address_to_sockaddr(&hop->previous, &record->previous);
	record->ttl_loss = hop->ttl_loss;
	record->error_code = hop->error;
	record->flags |= hop->merged ? GW_RSVP_MERGED : 0;
	if (hop->flowspec) {
		record->style = hop->style;
		add_flowspec(ret_record, hop->flowspec);
	} else if (hop->tspec) {
		record->tspec = public_tspec(hop->tspec);
	}
}

/* ---- from the public form ---- */

int tspec_from_public(const struct gw_tspec *tspec, struct rsvp_tspec *ret_tspec)
{
	struct rsvp_tspec t = {
		.r = (float)((double)tspec->rate_bps / BITS),
		.b = (float)tspec->depth_bytes,
		.p = tspec->peak_bps ? (float)((double)tspec->peak_bps / BITS) : INFINITY,
		.m = tspec->min_bytes,
		.M = tspec->max_bytes,
	};
	int r = tspec->rate_bps == 0
			? 0
			: tspec_check(&t); /* of the null service nothing counts but M */

	if (r == 0)
		*ret_tspec = t;
	return r;
}

void sender_from_public(const struct gw_rsvp_sender *sender, struct rsvp_sender *ret_sender)
{
	struct address address = { 0 };

	*ret_sender = (struct rsvp_sender){ 0 };
	if (sender->address.ss_family == AF_UNSPEC ||
	    address_from_sockaddr((const struct sockaddr *)&sender->address,
				  sizeof(sender->address), &address) < 0)
		return;
	memcpy(ret_sender->address, address.addr, sizeof(address.addr));
	ret_sender->family = address.family;
	ret_sender->form = RSVP_FORM_PORTS;
	ret_sender->id = address.port;
}

int flowspec_from_public(const struct gw_rsvp_flow *flow, struct rsvp_flowspec *ret_flowspec)
{
	struct rsvp_flowspec spec = { .service = flow->service };
	int r = tspec_from_public(&flow->tspec, &spec.tspec);

	if (r < 0)
		return r;
	if (flow->service == GW_RSVP_GUARANTEED) {
		spec.R = (float)((double)flow->rate_bps / BITS);
		spec.S = flow->slack_us;
	}
	*ret_flowspec = spec;
	return 0;
}
