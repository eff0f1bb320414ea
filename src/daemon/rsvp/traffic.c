/* SPDX-License-Identifier: MIT */
/* traffic.c: see traffic.h. */
#include "daemon/rsvp/traffic.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>

#include "base/cleanup.h"
#include "base/log.h"

#define MODULE "rsvp"
#define PACKET_MAX 65535 /* bytes of the longest IP packet that is no jumbogram */

/* What a socket of this host sends. */
struct sending_socket {
	bool holds;
	struct signalling_session session;
	struct address source; /* AF_UNSPEC: whatever sends there */
};

struct reservation {
	uint64_t handle;
	uint32_t flow_id; /* 0: no packets are told apart */
	uint32_t service;
	unsigned n_tuples;
	struct datapath_tuple *tuples;
	struct sending_socket socket; /* that has it in place of a flow of its own */
	bool shared;		      /* sockets of this host have the flow in common */
	UT_hash_handle hh;
};

struct traffic {
	struct engine *engine;
	struct owner *owner;
	struct traffic_ports ports;
	struct reservation *reservations;
	uint64_t next_handle;
};

/* ---- life ---- */

int traffic_new(struct engine *engine, const struct traffic_ports *ports,
		struct traffic **ret_traffic)
{
	const struct engine_owner_info info = {
		.pid = getpid(),
		.host = true,
		.comm = "greenwaved",
		.api = "rsvp",
	};
	struct traffic *traffic = calloc(1, sizeof(*traffic));
	int r;

	if (!traffic)
		return -ENOMEM;
	traffic->engine = engine;
	traffic->ports = *ports;
	traffic->next_handle = 1;
	r = engine_owner_add(engine, &info, NULL, &traffic->owner);
	if (r < 0) {
		free(traffic);
		return r;
	}
	*ret_traffic = traffic;
	return 0;
}

static void reservation_free(struct reservation *reservation)
{
	free(reservation->tuples);
	free(reservation);
}

struct traffic *traffic_free(struct traffic *traffic, uint64_t now_us)
{
	struct reservation *reservation, *next;

	if (!traffic)
		return NULL;
	HASH_ITER(hh, traffic->reservations, reservation, next) {
		HASH_DEL(traffic->reservations, reservation);
		reservation_free(reservation);
	}
	engine_owner_remove(traffic->engine, traffic->owner, now_us);
	free(traffic);
	return NULL;
}

/* ---- from RSVP's terms to those of the engine ---- */

static uint64_t bits_of(float bytes)
{
	double bits = ceil((double)bytes * 8);

	return bits < (double)UINT64_MAX ? (uint64_t)bits : UINT64_MAX;
}

static uint64_t bytes_of(float bytes)
{
	double whole = ceil((double)bytes);

	return whole < (double)BUCKET_BYTES_MAX ? (uint64_t)whole : BUCKET_BYTES_MAX;
}

static struct bucket_spec bucket_of(const struct rsvp_tspec *tspec)
{
	struct bucket_spec bucket = {
		.rate_bps = bits_of(tspec->r),
		.depth_bytes = bytes_of(tspec->b),
		.min_bytes = tspec->m,
		.max_bytes = tspec->M < PACKET_MAX ? tspec->M : PACKET_MAX,
	};

	if (bucket.min_bytes > bucket.max_bytes)
		bucket.min_bytes = bucket.max_bytes;
	if (!isinf(tspec->p))
		bucket.peak_bps = bits_of(tspec->p > tspec->r ? tspec->p : tspec->r);
	return bucket;
}

static struct engine_service service_of(const struct rsvp_tc_request *request)
{
	struct engine_service service = {
		.traffic_class = GW_CLASS_EXCELLENT_EFFORT,
		.excess = GW_EXCESS_BEST_EFFORT,
	};

	if (request->flowspec.service == FLOWSPEC_NULL)
		return service;
	service.bucket = bucket_of(&request->tspec);
	service.traffic_class = GW_CLASS_AUDIO_VIDEO;
	service.booked_as = ADMISSION_CONTROLLED_LOAD;
	if (request->flowspec.service == FLOWSPEC_GUARANTEED) {
		service.traffic_class = GW_CLASS_VOICE;
		service.booked_as = ADMISSION_GUARANTEED;
		service.reserved_bps = bits_of(request->flowspec.R);
	}
	return service;
}

/*
 * The virtual port of an IPsec session is in no packet (RFC 2207 §4.1). A flow label is not looked at here: what is
 * reserved is for all from the one host to the port of the other.
 */
static struct datapath_tuple tuple_of(const struct rsvp_tc_request *request,
				      const struct rsvp_sender *sender)
{
	const struct rsvp_session *session = &request->session;
	struct datapath_tuple tuple = {
		.protocol = session->protocol,
		.ifindex = request->ifindex,
		.destination = { .family = session->family },
	};

	memcpy(tuple.destination.addr, session->address, sizeof(session->address));
	if (session->form == RSVP_FORM_PORTS)
		tuple.destination.port = session->port;
	if (!sender)
		return tuple;
	tuple.source.family = sender->family;
	memcpy(tuple.source.addr, sender->address, sizeof(sender->address));
	if (sender->form == RSVP_FORM_PORTS)
		tuple.source.port = (uint16_t)sender->id;
	else if (sender->form == RSVP_FORM_GPI)
		tuple.spi = sender->id;
	return tuple;
}

/* ---- errors ---- */

static int refuse(struct rsvp_error *ret_error, uint8_t code, uint16_t value, int r)
{
	*ret_error = (struct rsvp_error){ .code = code, .value = value };
	return r;
}

static int failed(struct rsvp_error *ret_error, const struct admission_refusal *refusal, int r)
{
	char text[ADMISSION_TEXT_LEN];

	if (r == -EDQUOT) {
		log_debug(MODULE, "refused: %s", admission_refusal_format(refusal, text));
		refuse(ret_error, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH, r);
		/* Bits of the link are more than those of packets: who makes room for so many makes enough. */
		if (refusal->rule == ADMISSION_RULE_SHARE)
			ret_error->missing_bps =
				refusal->reserved_bps + refusal->asked_bps - refusal->limit_bps;
		return r;
	}
	log_debug(MODULE, "refused: %s", strerror(-r));
	if (r == -EINVAL) /* no bucket can be like that */
		return refuse(ret_error, RSVP_ERROR_TRAFFIC, RSVP_TRAFFIC_FLOWSPEC, r);
	return refuse(ret_error, RSVP_ERROR_TRAFFIC_SYSTEM, (uint16_t)-r, r);
}

/* What does not depend on what others have. */
static int check(const struct traffic *traffic, const struct rsvp_tc_request *request, bool is_new,
		 struct rsvp_error *ret_error)
{
	const struct rsvp_flowspec *flowspec = &request->flowspec;
	uint32_t mtu = traffic->ports.mtu_of(traffic->ports.user_data, request->ifindex);

	if (request->session.form == RSVP_FORM_AGGREGATE)
		return refuse(ret_error, RSVP_ERROR_TRAFFIC, RSVP_TRAFFIC_SERVICE, -EOPNOTSUPP);
	if (flowspec->service != FLOWSPEC_GUARANTEED &&
	    flowspec->service != FLOWSPEC_CONTROLLED_LOAD && flowspec->service != FLOWSPEC_NULL)
		return refuse(ret_error, RSVP_ERROR_TRAFFIC, RSVP_TRAFFIC_SERVICE, -EOPNOTSUPP);
	/* A link that has become smaller takes nothing away. */
	if (is_new && mtu != 0 && request->tspec.M > mtu)
		return refuse(ret_error, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_MTU, -EMSGSIZE);
	if (flowspec->service != FLOWSPEC_NULL &&
	    (bits_of(request->tspec.r) > ADMISSION_RATE_MAX_BPS ||
	     bits_of(flowspec->R) > ADMISSION_RATE_MAX_BPS))
		return refuse(ret_error, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH, -EDQUOT);
	return 0;
}

/* ---- tuples ---- */

static int tuples_of(const struct rsvp_tc_request *request, struct datapath_tuple **ret_tuples,
		     unsigned *ret_n)
{
	bool everyone = request->style == RSVP_STYLE_WF;
	unsigned n = everyone ? 1 : request->n_filters;
	struct datapath_tuple *tuples = calloc(n > 0 ? n : 1, sizeof(*tuples));
	unsigned used = 0;

	if (!tuples)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		struct datapath_tuple tuple =
			tuple_of(request, everyone ? NULL : &request->filters[i].sender);
		bool again = false;

		for (unsigned j = 0; j < used; j++)
			again |= memcmp(&tuples[j], &tuple, sizeof(tuple)) == 0;
		if (!again)
			tuples[used++] = tuple;
	}
	*ret_tuples = tuples;
	*ret_n = used;
	return 0;
}

static bool has_tuple(const struct datapath_tuple *tuples, unsigned n,
		      const struct datapath_tuple *tuple)
{
	for (unsigned i = 0; i < n; i++)
		if (memcmp(&tuples[i], tuple, sizeof(*tuple)) == 0)
			return true;
	return false;
}

/* Those of `tuples` that `others` has not. */
static void part_all(struct traffic *traffic, uint32_t flow_id, const struct datapath_tuple *tuples,
		     unsigned n, const struct datapath_tuple *others, unsigned n_others,
		     uint64_t now_us)
{
	for (unsigned i = 0; i < n; i++)
		if (!has_tuple(others, n_others, &tuples[i]))
			engine_part_tuple(traffic->engine, traffic->owner, flow_id, &tuples[i],
					  now_us);
}

/* Joins those that the reservation has not; all or none. */
static int join_all(struct traffic *traffic, const struct reservation *reservation,
		    uint32_t flow_id, const struct datapath_tuple *tuples, unsigned n,
		    uint64_t now_us)
{
	for (unsigned i = 0; i < n; i++) {
		int r;

		if (has_tuple(reservation->tuples, reservation->n_tuples, &tuples[i]))
			continue;
		r = engine_join_tuple(traffic->engine, traffic->owner, flow_id, &tuples[i], now_us);
		if (r < 0) {
			part_all(traffic, flow_id, tuples, i, reservation->tuples,
				 reservation->n_tuples, now_us);
			return r;
		}
	}
	return 0;
}

/* ---- reserving ---- */

/* What is reserved comes last: until then its packets are best effort. */
static int begin_flow(struct traffic *traffic, const struct engine_service *service,
		      const struct datapath_tuple *tuples, unsigned n, uint32_t *ret_flow_id,
		      struct admission_refusal *ret_refusal, uint64_t now_us)
{
	const struct flow_request request = {
		.traffic_class = service->bucket.rate_bps == 0 ? service->traffic_class
							       : GW_CLASS_BEST_EFFORT,
		.dscp = GW_DSCP_FROM_CLASS,
	};
	const struct reservation first = { .tuples = (struct datapath_tuple *)tuples,
					   .n_tuples = 1 };
	uint32_t flow_id;
	int r;

	r = engine_add_tuple(traffic->engine, traffic->owner, &tuples[0], &request, &flow_id,
			     now_us);
	if (r < 0)
		return r;
	r = join_all(traffic, &first, flow_id, tuples, n, now_us);
	if (r == 0)
		r = engine_reserve_service(traffic->engine, traffic->owner, flow_id, service,
					   ret_refusal, now_us);
	if (r < 0) {
		engine_remove(traffic->engine, traffic->owner, flow_id, now_us);
		return r;
	}
	*ret_flow_id = flow_id;
	return 0;
}

/* The new tuples are there before the old ones go, and all of it is taken back if it is refused. */
static int change_flow(struct traffic *traffic, struct reservation *reservation,
		       const struct engine_service *service, const struct datapath_tuple *tuples,
		       unsigned n, struct admission_refusal *ret_refusal, uint64_t now_us)
{
	uint32_t flow_id = reservation->flow_id;
	int r;

	r = join_all(traffic, reservation, flow_id, tuples, n, now_us);
	if (r < 0)
		return r;
	r = engine_reserve_service(traffic->engine, traffic->owner, flow_id, service, ret_refusal,
				   now_us);
	if (r < 0) {
		part_all(traffic, flow_id, tuples, n, reservation->tuples, reservation->n_tuples,
			 now_us);
		return r;
	}
	part_all(traffic, flow_id, reservation->tuples, reservation->n_tuples, tuples, n, now_us);
	return 0;
}

/* What its sockets sent is as it was before; they can be told by its flow alone. */
static void end_flow(struct traffic *traffic, struct reservation *reservation, uint64_t now_us)
{
	const struct provider_shared nobody = {
		.session = { .destination = reservation->tuples[0].destination,
			     .protocol = (uint8_t)reservation->tuples[0].protocol,
			     .ifindex = reservation->tuples[0].ifindex },
		.flow_id = reservation->flow_id,
	};

	if (reservation->shared)
		traffic->ports.share_sockets(traffic->ports.user_data, &nobody, now_us);
	reservation->shared = false;
	engine_remove(traffic->engine, traffic->owner, reservation->flow_id, now_us);
	reservation->flow_id = 0;
}

/* A flow for the tuples, another for others, or none for none. */
static int update_flow(struct traffic *traffic, struct reservation *reservation,
		       const struct engine_service *service, const struct datapath_tuple *tuples,
		       unsigned n, struct admission_refusal *ret_refusal, uint64_t now_us)
{
	uint32_t flow_id = reservation->flow_id;

	if (n > 0 && flow_id != 0)
		return change_flow(traffic, reservation, service, tuples, n, ret_refusal, now_us);
	if (n > 0)
		return begin_flow(traffic, service, tuples, n, &reservation->flow_id, ret_refusal,
				  now_us);
	if (flow_id != 0)
		end_flow(traffic, reservation, now_us);
	return 0;
}

/* ---- sockets ---- */

/* One sender, or whoever it is: it may be a socket of this host. */
static bool sending_socket_of(const struct rsvp_tc_request *request,
			      struct sending_socket *ret_socket)
{
	bool everyone = request->style == RSVP_STYLE_WF;
	struct datapath_tuple tuple;

	if (request->session.form != RSVP_FORM_PORTS || (!everyone && request->n_filters != 1))
		return false;
	tuple = tuple_of(request, everyone ? NULL : &request->filters[0].sender);
	*ret_socket = (struct sending_socket){
		.holds = true,
		.session = { .destination = tuple.destination,
			     .protocol = tuple.protocol,
			     .ifindex = request->ifindex },
		.source = tuple.source,
	};
	return true;
}

static void release_socket(struct traffic *traffic, struct reservation *reservation,
			   uint64_t now_us)
{
	struct sending_socket *socket = &reservation->socket;

	if (socket->holds)
		traffic->ports.reserve_socket(traffic->ports.user_data, &socket->session,
					      &socket->source, NULL, NULL, now_us);
	socket->holds = false;
}

/* -ENOENT: it is not what one socket of this host sends, or not alone: what is shared stays so to its end. */
static int update_socket(struct traffic *traffic, struct reservation *reservation,
			 const struct rsvp_tc_request *request,
			 const struct engine_service *service,
			 struct admission_refusal *ret_refusal, uint64_t now_us)
{
	struct sending_socket socket;
	int r = -ENOENT;

	if (traffic->ports.reserve_socket && !reservation->shared &&
	    sending_socket_of(request, &socket))
		r = traffic->ports.reserve_socket(traffic->ports.user_data, &socket.session,
						  &socket.source, service, ret_refusal, now_us);
	if (r != 0)
		return r;
	if (memcmp(&socket.source, &reservation->socket.source, sizeof(socket.source)) != 0)
		release_socket(traffic, reservation, now_us);
	reservation->socket = socket;
	return 0;
}

/* The flow is there, and what sockets of this host send comes under its meter. */
static int share(struct traffic *traffic, struct reservation *reservation,
		 const struct engine_service *service, const struct datapath_tuple *tuples,
		 unsigned n, uint64_t now_us)
{
	_cleanup_(freep) struct address *sources = NULL;
	struct provider_shared shared = {
		.session = { .destination = tuples[0].destination,
			     .protocol = (uint8_t)tuples[0].protocol,
			     .ifindex = tuples[0].ifindex },
		.n_sources = n,
		.service = *service,
		.flow_id = reservation->flow_id,
	};

	sources = calloc(n, sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		sources[i] = tuples[i].source;
	shared.sources = sources;
	reservation->shared =
		traffic->ports.share_sockets(traffic->ports.user_data, &shared, now_us) > 0;
	return 0;
}

/* What one socket had it keeps until all of them have it in common, unless there is no room for both. */
static int update_tuples(struct traffic *traffic, struct reservation *reservation,
			 const struct rsvp_tc_request *request,
			 const struct engine_service *service, const struct datapath_tuple *tuples,
			 unsigned n, struct admission_refusal *ret_refusal, uint64_t now_us)
{
	bool shares = traffic->ports.share_sockets && request->session.form == RSVP_FORM_PORTS;
	int r = update_flow(traffic, reservation, service, tuples, n, ret_refusal, now_us);

	if (r == -EDQUOT && reservation->socket.holds) {
		release_socket(traffic, reservation, now_us);
		r = update_flow(traffic, reservation, service, tuples, n, ret_refusal, now_us);
	}
	if (r == 0 && n > 0 && shares)
		r = share(traffic, reservation, service, tuples, n, now_us);
	release_socket(traffic, reservation, now_us);
	return r;
}

static int update(struct traffic *traffic, struct reservation *reservation,
		  const struct rsvp_tc_request *request, struct rsvp_error *ret_error,
		  uint64_t now_us)
{
	const struct engine_service service = service_of(request);
	struct admission_refusal refusal = { 0 };
	_cleanup_(freep) struct datapath_tuple *tuples = NULL;
	unsigned n = 0;
	int r;

	r = update_socket(traffic, reservation, request, &service, &refusal, now_us);
	if (r == 0) {
		r = update_flow(traffic, reservation, &service, NULL, 0, &refusal, now_us);
	} else if (r == -ENOENT) {
		r = tuples_of(request, &tuples, &n);
		if (r == 0)
			r = update_tuples(traffic, reservation, request, &service, tuples, n,
					  &refusal, now_us);
	}
	/* Nobody here tells packets by their addresses: where nothing is promised, that is no lie. */
	if (r == -EOPNOTSUPP && !traffic_is_enforced(traffic, request->ifindex, NULL)) {
		n = 0;
		r = 0;
	}
	if (r < 0)
		return failed(ret_error, &refusal, r);
	free(reservation->tuples);
	reservation->tuples = steal_ptr(&tuples);
	reservation->n_tuples = n;
	reservation->service = request->flowspec.service;
	return 0;
}

static struct reservation *find(const struct traffic *traffic, uint64_t handle)
{
	struct reservation *reservation;

	HASH_FIND(hh, traffic->reservations, &handle, sizeof(handle), reservation);
	return reservation;
}

int traffic_reserve(struct traffic *traffic, const struct rsvp_tc_request *request,
		    uint64_t *handle, struct rsvp_error *ret_error, uint64_t now_us)
{
	struct reservation *reservation = *handle != 0 ? find(traffic, *handle) : NULL;
	int r;

	r = check(traffic, request, !reservation, ret_error);
	if (r < 0)
		return r;
	if (reservation)
		return update(traffic, reservation, request, ret_error, now_us);
	reservation = calloc(1, sizeof(*reservation));
	if (!reservation)
		return failed(ret_error, NULL, -ENOMEM);
	reservation->handle = traffic->next_handle++;
	HASH_ADD(hh, traffic->reservations, handle, sizeof(reservation->handle), reservation);
	if (!reservation->hh.tbl) {
		reservation_free(reservation);
		return failed(ret_error, NULL, -ENOMEM);
	}
	r = update(traffic, reservation, request, ret_error, now_us);
	if (r < 0) {
		HASH_DEL(traffic->reservations, reservation);
		reservation_free(reservation);
		return r;
	}
	*handle = reservation->handle;
	return 0;
}

void traffic_release(struct traffic *traffic, uint64_t handle, uint64_t now_us)
{
	struct reservation *reservation = find(traffic, handle);

	if (!reservation)
		return;
	release_socket(traffic, reservation, now_us);
	if (reservation->flow_id != 0)
		end_flow(traffic, reservation, now_us);
	HASH_DEL(traffic->reservations, reservation);
	reservation_free(reservation);
}

/* ---- seeing ---- */

bool traffic_is_enforced(const struct traffic *traffic, uint32_t ifindex, uint64_t *ret_limit_bps)
{
	struct admission_books books;

	admission_books(engine_admission(traffic->engine), ifindex, &books);
	if (ret_limit_bps)
		*ret_limit_bps = books.limit_bps;
	return books.enforced;
}

uint32_t traffic_count(const struct traffic *traffic)
{
	return HASH_COUNT(traffic->reservations);
}
