/* SPDX-License-Identifier: MIT */
/* gqos_item.c: see gqos_item.h. Lengths of objects are multiples of 8, so that each begins aligned (spec/gqos.md §2). */
#include "winqos/gqos_item.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "winqos/gqos.h"
#include "winqos/gqos_policy.h"

#define SENDERS_MAX 4096u
#define FILTERS_TOLD_MAX 99u
#define SERVICES_MAX 3u
#define BITS 8u

/* ---- senders ---- */

struct gqos_sender {
	struct sockaddr_in6 destination, address; /* or a sockaddr_in */
};

void gqos_senders_clear(struct gqos_senders *senders)
{
	free(senders->list);
	*senders = (struct gqos_senders){ 0 };
}

static struct gqos_sender sender_of(const struct gw_rsvp_record *record)
{
	struct gqos_sender sender;

	memset(&sender, 0, sizeof(sender));
	memcpy(&sender.destination, &record->destination, sizeof(sender.destination));
	if (record->n_senders > 0)
		memcpy(&sender.address, &record->senders[0].address, sizeof(sender.address));
	return sender;
}

static bool is_group(const struct sockaddr_in6 *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;

	if (address->sin6_family == AF_INET)
		return IN_MULTICAST(ntohl(in->sin_addr.s_addr));
	return IN6_IS_ADDR_MULTICAST(&address->sin6_addr);
}

static bool is_same(const struct sockaddr_in6 *a, const struct sockaddr_in6 *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;

	if (a->sin6_family != b->sin6_family || a->sin6_port != b->sin6_port)
		return false;
	if (a->sin6_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&a->sin6_addr, &b->sin6_addr);
}

/* Each group is received for itself, all addresses of the host as one (§8.2). */
static bool are_heard_together(const struct gqos_sender *a, const struct gqos_sender *b)
{
	bool groups = is_group(&a->destination);

	return groups == is_group(&b->destination) &&
	       (!groups || is_same(&a->destination, &b->destination));
}

static struct gqos_sender *find(struct gqos_senders *senders, const struct gqos_sender *sender)
{
	for (size_t i = 0; i < senders->count; i++) {
		if (is_same(&senders->list[i].address, &sender->address) &&
		    is_same(&senders->list[i].destination, &sender->destination))
			return &senders->list[i];
	}
	return NULL;
}

static void enter(struct gqos_senders *senders, const struct gqos_sender *sender)
{
	if (find(senders, sender) || senders->count == SENDERS_MAX)
		return;
	if (senders->count == senders->capacity) {
		size_t capacity = senders->capacity ? 2 * senders->capacity : 4;
		struct gqos_sender *grown;

		grown = realloc(senders->list, capacity * sizeof(*grown));
		if (!grown)
			return;
		senders->list = grown;
		senders->capacity = capacity;
	}
	senders->list[senders->count++] = *sender;
}

/* Whether nobody is left who is heard together with it. */
static bool leave(struct gqos_senders *senders, const struct gqos_sender *sender)
{
	struct gqos_sender *known = find(senders, sender);

	if (known)
		*known = senders->list[--senders->count];
	for (size_t i = 0; i < senders->count; i++) {
		if (are_heard_together(&senders->list[i], sender))
			return false;
	}
	return true;
}

/* ---- flowspecs ---- */

/* A Tspec's number: bytes, or bytes per second. */
static ULONG number_of(uint64_t number)
{
	return number < NULL_QOS_TYPE ? (ULONG)number : NULL_QOS_TYPE;
}

static ULONG rate_of(uint64_t rate_bps)
{
	uint64_t bytes = rate_bps / BITS + (rate_bps % BITS >= BITS / 2);

	return number_of(bytes);
}

static FLOWSPEC flowspec_of(const struct gw_tspec *tspec, SERVICETYPE service)
{
	FLOWSPEC flowspec = {
		.TokenRate = rate_of(tspec->rate_bps),
		.TokenBucketSize = number_of(tspec->depth_bytes),
		.PeakBandwidth = POSITIVE_INFINITY_RATE,
		.Latency = QOS_NOT_SPECIFIED,
		.DelayVariation = QOS_NOT_SPECIFIED,
		.ServiceType = service,
		.MaxSduSize = number_of(tspec->max_bytes),
		.MinimumPolicedSize = number_of(tspec->min_bytes),
	};

	if (tspec->peak_bps > 0 && tspec->peak_bps / BITS < NULL_QOS_TYPE)
		flowspec.PeakBandwidth = rate_of(tspec->peak_bps);
	return flowspec;
}

static SERVICETYPE service_of_offer(uint32_t services)
{
	const uint32_t both = GW_RSVP_OFFER_CONTROLLED_LOAD | GW_RSVP_OFFER_GUARANTEED;

	if ((services & both) == GW_RSVP_OFFER_CONTROLLED_LOAD)
		return SERVICETYPE_CONTROLLEDLOAD;
	if ((services & both) == GW_RSVP_OFFER_GUARANTEED)
		return SERVICETYPE_GUARANTEED;
	if ((services & both) == 0 && (services & GW_RSVP_OFFER_NULL))
		return SERVICETYPE_QUALITATIVE;
	return SERVICETYPE_GENERAL_INFORMATION;
}

static SERVICETYPE service_of_reservation(uint32_t service)
{
	switch (service) {
	case GW_RSVP_GUARANTEED:
		return SERVICETYPE_GUARANTEED;
	case GW_RSVP_NULL_SERVICE:
		return SERVICETYPE_QUALITATIVE;
	default:
		return SERVICETYPE_CONTROLLEDLOAD;
	}
}

static FLOWSPEC flowspec_of_record(const struct gw_rsvp_record *record)
{
	FLOWSPEC flowspec;

	flowspec = flowspec_of(&record->tspec, service_of_reservation(record->service));
	if (record->service == GW_RSVP_GUARANTEED)
		flowspec.DelayVariation = record->slack_us;
	return flowspec;
}

/* ---- objects ---- */

struct writer {
	unsigned char *at;
	size_t length;
};

/* What its head says is as long as it is, padding included. */
static void write_object(struct writer *writer, const void *object, size_t length)
{
	memcpy(writer->at + writer->length, object, length);
	writer->length += length;
}

static void write_status(struct writer *writer, const struct gqos_status *status)
{
	struct {
		RSVP_STATUS_INFO info;
		ULONG padding;
	} object = { { { RSVP_OBJECT_STATUS_INFO, sizeof(object) },
		       status->code,
		       status->group,
		       status->value },
		     0 };

	write_object(writer, &object, sizeof(object));
}

static unsigned write_services(const struct gw_rsvp_path *path, CONTROL_SERVICE *services)
{
	const CONTROL_SERVICE plain = { .Length = sizeof(plain),
					.Overrides.MinimumLatency = INDETERMINATE_LATENCY };
	unsigned n = 0;

	if (path->services & GW_RSVP_OFFER_GUARANTEED) {
		services[n] = plain;
		services[n].Service = SERVICETYPE_GUARANTEED;
		services[n].Guaranteed = (AD_GUARANTEED){ path->c_total_bytes, path->d_total_us,
							  path->c_since_bytes, path->d_since_us };
		n++;
	}
	if (path->services & GW_RSVP_OFFER_CONTROLLED_LOAD) {
		services[n] = plain;
		services[n++].Service = SERVICETYPE_CONTROLLEDLOAD;
	}
	if (path->services & GW_RSVP_OFFER_NULL) {
		services[n] = plain;
		services[n++].Service = SERVICETYPE_QUALITATIVE;
	}
	return n;
}

/* Services are stepped through by their lengths, and must end where the object ends: the last is padded for it. */
static void write_adspec(struct writer *writer, const struct gw_rsvp_path *path)
{
	unsigned char object[sizeof(RSVP_ADSPEC) + SERVICES_MAX * sizeof(CONTROL_SERVICE)] = { 0 };
	CONTROL_SERVICE services[SERVICES_MAX];
	RSVP_ADSPEC head = { .ObjectHdr.ObjectType = RSVP_OBJECT_ADSPEC };
	size_t length = offsetof(RSVP_ADSPEC, Services), padding = 0;

	head.GeneralParams = (AD_GENERAL_PARAMS){
		.IntServAwareHopCount = path->hops,
		.PathBandwidthEstimate = rate_of(path->bandwidth_bps),
		.MinimumLatency = path->latency_us,
		.PathMTU = path->mtu,
		.Flags = path->broken ? AD_FLAG_BREAK_BIT : 0,
	};
	head.NumberOfServices = write_services(path, services);
	length += head.NumberOfServices * sizeof(CONTROL_SERVICE);
	if (length % 8 != 0) {
		padding = 8 - length % 8;
		services[head.NumberOfServices - 1].Length += (ULONG)padding;
	}
	head.ObjectHdr.ObjectLength = (ULONG)(length + padding);
	memcpy(object, &head, offsetof(RSVP_ADSPEC, Services));
	memcpy(object + offsetof(RSVP_ADSPEC, Services), services,
	       head.NumberOfServices * sizeof(CONTROL_SERVICE));
	write_object(writer, object, length + padding);
}

static RSVP_FILTERSPEC filter_of(const struct sockaddr_in6 *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	RSVP_FILTERSPEC filter;

	memset(&filter, 0, sizeof(filter));
	if (address->sin6_family == AF_INET6) {
		filter.Type = FILTERSPECV6;
		memcpy(&filter.FilterSpecV6.Address, &address->sin6_addr,
		       sizeof(filter.FilterSpecV6.Address));
		filter.FilterSpecV6.Port = address->sin6_port;
	} else {
		filter.Type = FILTERSPECV4;
		filter.FilterSpecV4.Address.Addr = in->sin_addr.s_addr;
		filter.FilterSpecV4.Port = in->sin_port;
	}
	return filter;
}

/* {head; ULONG count; ULONG padding; RSVP_FILTERSPEC[]} (§6) */
static void write_filters(struct writer *writer, const struct gqos_senders *senders)
{
	size_t n = senders->count < FILTERS_TOLD_MAX ? senders->count : FILTERS_TOLD_MAX;
	const ULONG head[4] = { RSVP_OBJECT_FILTERSPEC_LIST,
				(ULONG)(sizeof(head) + n * sizeof(RSVP_FILTERSPEC)), (ULONG)n, 0 };

	if (n == 0)
		return;
	write_object(writer, head, sizeof(head));
	for (size_t i = 0; i < n; i++) {
		RSVP_FILTERSPEC filter = filter_of(&senders->list[i].address);

		write_object(writer, &filter, sizeof(filter));
	}
}

static void write_end(struct writer *writer)
{
	const QOS_OBJECT_HDR end = { QOS_OBJECT_END_OF_LIST, sizeof(end) };

	write_object(writer, &end, sizeof(end));
}

/* ---- items ---- */

/* Room for the status, an ADSPEC, filters, the end, and policy beside its own bytes. */
#define OBJECTS_ROOM                                                                               \
	(sizeof(RSVP_STATUS_INFO) + sizeof(RSVP_ADSPEC) + SERVICES_MAX * sizeof(CONTROL_SERVICE) + \
	 FILTERS_TOLD_MAX * sizeof(RSVP_FILTERSPEC) + 128)

static struct gqos_item *item_new(unsigned direction, const struct gqos_status *status,
				  size_t more_room, struct writer *ret_writer)
{
	struct gqos_item *item = malloc(sizeof(*item) + OBJECTS_ROOM + more_room);

	if (!item)
		return NULL;
	*item = (struct gqos_item){ .direction = direction, .code = status->code };
	item->failure = status->group != GQOS_NO_ERRORCODE;
	*ret_writer = (struct writer){ .at = item->objects };
	write_status(ret_writer, status);
	return item;
}

static struct gqos_item *item_finish(struct gqos_item *item, struct writer *writer)
{
	struct gqos_item *fitting;

	write_end(writer);
	item->objects_length = writer->length;
	fitting = realloc(item, sizeof(*item) + writer->length);
	return fitting ? fitting : item;
}

/* What is told of a sender that has come or changed: its Tspec, and what the way from it is like. */
static struct gqos_item *new_senders(const struct gw_rsvp_record *record,
				     const struct gqos_senders *senders)
{
	const struct gqos_status status = { .code = WSA_QOS_SENDERS };
	struct writer writer;
	struct gqos_item *item = item_new(GQOS_RECEIVING, &status, 0, &writer);

	if (!item)
		return NULL;
	item->flowspec = flowspec_of(&record->tspec, service_of_offer(record->path.services));
	if (record->path.known)
		write_adspec(&writer, &record->path);
	write_filters(&writer, senders);
	return item_finish(item, &writer);
}

/* Without numbers of its own it says what had been asked for. */
static struct gqos_item *new_plain(ULONG code, const FLOWSPEC *flowspec, unsigned direction)
{
	const struct gqos_status status = { .code = code };
	struct writer writer;
	struct gqos_item *item = item_new(direction, &status, 0, &writer);

	if (!item)
		return NULL;
	item->flowspec = *flowspec;
	return item_finish(item, &writer);
}

static struct gqos_item *new_failure(const struct gw_rsvp_record *record, const FLOWSPEC *requested,
				     unsigned direction)
{
	struct gqos_status status = gqos_status_of_error(record->error_code, record->error_value);
	size_t policy_room = record->policy_len + 64;
	struct writer writer;
	struct gqos_item *item = item_new(direction, &status, policy_room, &writer);

	if (!item)
		return NULL;
	item->flowspec = record->service ? flowspec_of_record(record) : *requested;
	if (record->policy_len > 0)
		writer.length += gqos_policy_read(record->policy, record->policy_len,
						  writer.at + writer.length, policy_room);
	return item_finish(item, &writer);
}

static struct gqos_item *new_of_path(const struct gw_rsvp_record *record, const QOS *requested,
				     struct gqos_senders *senders)
{
	struct gqos_sender sender = sender_of(record);

	if (!(record->flags & GW_RSVP_GONE)) {
		enter(senders, &sender);
		return new_senders(record, senders);
	}
	if (!leave(senders, &sender))
		return NULL;
	return new_plain(WSA_QOS_NO_SENDERS, &requested->ReceivingFlowspec, GQOS_RECEIVING);
}

static struct gqos_item *new_of_resv(const struct gw_rsvp_record *record, const QOS *requested)
{
	FLOWSPEC merged;

	if (record->flags & GW_RSVP_GONE)
		return new_plain(WSA_QOS_NO_RECEIVERS, &requested->SendingFlowspec, GQOS_SENDING);
	merged = flowspec_of_record(record);
	return new_plain(WSA_QOS_RECEIVERS, &merged, GQOS_SENDING);
}

struct gqos_item *gqos_item_new(const struct gw_event *event, const QOS *requested,
				struct gqos_senders *senders)
{
	const struct gw_rsvp_record *record = event->rsvp;

	if (!record)
		return NULL;
	switch (event->type) {
	case GW_EVENT_RSVP_PATH:
		return new_of_path(record, requested, senders);
	case GW_EVENT_RSVP_RESV:
		return new_of_resv(record, requested);
	case GW_EVENT_RSVP_PATH_ERROR:
		return new_failure(record, &requested->SendingFlowspec, GQOS_SENDING);
	case GW_EVENT_RSVP_RESV_ERROR:
		return new_failure(record, &requested->ReceivingFlowspec, GQOS_RECEIVING);
	case GW_EVENT_RSVP_CONFIRM: {
		FLOWSPEC confirmed = record->service ? flowspec_of_record(record)
						     : requested->ReceivingFlowspec;

		return new_plain(WSA_QOS_REQUEST_CONFIRMED, &confirmed, GQOS_RECEIVING);
	}
	case GW_EVENT_COMPLETED:
	case GW_EVENT_FLOW_ADDED:
	case GW_EVENT_FLOW_CHANGED:
	case GW_EVENT_FLOW_ENDED:
	case GW_EVENT_LOST:
	case GW_EVENT_DISCONNECTED:
	case GW_EVENT_RSVP_MESSAGE:
	case GW_EVENT_RSVP_HOP:
		break;
	}
	return NULL;
}

struct gqos_item *gqos_item_new_broken(unsigned direction, const QOS *requested)
{
	const struct gqos_status status = { WSA_QOS_GENERIC_ERROR, GQOS_RSVP_SYS, GQOS_OTHER_SYS };
	struct writer writer;
	struct gqos_item *item = item_new(direction, &status, 0, &writer);

	if (!item)
		return NULL;
	item->flowspec = direction == GQOS_SENDING ? requested->SendingFlowspec
						   : requested->ReceivingFlowspec;
	return item_finish(item, &writer);
}

/* ---- answers ---- */

size_t gqos_item_size(const struct gqos_item *item)
{
	return sizeof(QOS) + item->objects_length;
}

void gqos_item_write(const struct gqos_item *item, void *out)
{
	const FLOWSPEC unchanged = { .ServiceType = SERVICETYPE_NOCHANGE };
	bool sending = item->direction == GQOS_SENDING;
	unsigned char *objects = (unsigned char *)out + sizeof(QOS);
	QOS qos = {
		.SendingFlowspec = sending ? item->flowspec : unchanged,
		.ReceivingFlowspec = sending ? unchanged : item->flowspec,
		.ProviderSpecific = { (ULONG)item->objects_length, (CHAR *)objects },
	};

	memcpy(out, &qos, sizeof(qos));
	memcpy(objects, item->objects, item->objects_length);
}
