/* SPDX-License-Identifier: MIT */
/*
 * qlpb_internal.h: the state of a node, shared by the files that are the node, and by nobody else.
 *
 * A node owns sessions (of others, who connected to it) and experiments (of its own). Both are few, so they are
 * looked for one by one, and so is the next deadline. An experiment that has ended stays until the end of the
 * function that was called (settle), so that nothing disappears under anybody's hands.
 */
#ifndef GW_PROBE_QLPB_INTERNAL_H
#define GW_PROBE_QLPB_INTERNAL_H

#include <utlist.h>

#include "probe/claim.h"
#include "probe/limit.h"
#include "probe/pace.h"
#include "probe/qlpb.h"
#include "probe/qlpb_judge.h"

#define NS_PER_US UINT64_C(1000)
#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)

/* Probes stay on the link. */
#define HOP_LIMIT 1

/* UDP payload of the longest datagram that is looked at: a frame of 1514 octets. */
#define DATAGRAM_MAX 1472

/* ---- sink ---- */

enum session_type {
	SESSION_UNKNOWN, /* no handshake yet */
	SESSION_ROUTE_CHECK,
	SESSION_PACKET_PAIR,
	SESSION_DISCARD,
};

struct session {
	uint32_t connection;
	enum session_type type;
	struct address remote; /* of the connection: its port is the probes' Initiator_Port */
	uint64_t ends_us;      /* if nothing happens until then */
	uint8_t handshake[QLPB_HEADER_LEN];
	size_t handshake_len;
	uint64_t discarded_bytes;
	struct qlpb_route_judge route;
	struct qlpb_train_judge *train; /* of a packet pair, else NULL */
	struct session *prev, *next;
};

/* Who has sent probegap lately, and how much. */
#define ECHO_HOSTS 64

struct echo_host {
	struct address address; /* AF_UNSPEC: nobody */
	uint32_t ifindex;
	bool on_link;
	uint64_t asked_us; /* whether it is on the link */
	uint64_t seen_us;
	struct probe_limit limit;
};

struct echo {
	struct echo_host hosts[ECHO_HOSTS];
	struct probe_limit limit;
};

/* ---- initiator ---- */

struct experiment;

/* What differs between kinds. Each function may end the experiment. */
struct experiment_type {
	bool has_connection;
	enum qlpb_id handshake;
	bool handshake_is_answered;
	/* The sink is ready, or none need be. */
	void (*begin)(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us);
	/* A control message; false: it must not come. NULL: none must. */
	bool (*message)(struct qlpb *qlpb, struct experiment *experiment, const uint8_t *data,
			size_t len, uint64_t now_us);
	/* At experiment->deadline_us; sets the next one. */
	void (*tick)(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us);
	/* The sink has closed the connection while it runs: whether it has what it wants. NULL: it has not. */
	bool (*closed)(const struct experiment *experiment);
	/* The connection has room. May be NULL. */
	void (*writable)(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us);
};

extern const struct experiment_type qlpb_route_check, qlpb_packet_pair, qlpb_probegap, qlpb_flood,
	qlpb_claim;

enum experiment_state {
	EXPERIMENT_CONNECTING,
	EXPERIMENT_HANDSHAKING,
	EXPERIMENT_RUNNING,
	EXPERIMENT_ENDED, /* to be told, and freed */
};

struct route_check {
	uint64_t end_us, next_send_us;
	unsigned groups, summaries;
	enum qlpb_observation previous;
};

#define PAIR_TRAINS_MAX 3

struct packet_pair {
	uint64_t end_us, next_send_us;
	unsigned trains, trains_max;
	uint32_t awaited
		[PAIR_TRAINS_MAX]; /* first sequence of each; 0: nothing more is expected of it */
	int send_error;
	unsigned train_size;
	unsigned sent; /* of the train that is under way; train_size: none is */
	struct pace pace;
	uint32_t packet_bytes;
	uint8_t *probes; /* a whole train */
};

/* Requests whose answers may still come. */
#define GAP_RING 512

struct gap_entry {
	uint64_t scheduled_ns, sent_ns;
};

struct probegap {
	uint64_t next_send_ns, interval_ns, vary_ns;
	uint64_t heard_us;	    /* the last answer, or the beginning */
	uint64_t ends_us;	    /* all are sent; answers are awaited until then */
	uint32_t count;		    /* 0: no end */
	uint32_t first;		    /* sequence number of the first one */
	uint32_t n_sent, n_decided; /* of those, answered or given up */
	int send_error;
	struct gap_entry *ring; /* of number n: n % GAP_RING */
};

struct flood {
	uint64_t left_bytes;
};

struct claiming {
	struct claim pace;
	size_t len;	 /* of each packet's payload */
	uint8_t *probes; /* as many as leave at once */
};

struct experiment {
	uint32_t id; /* also of its connection */
	const struct experiment_type *type;
	enum experiment_state state;
	bool connected; /* there is a connection to close */
	struct address sink;
	uint32_t ifindex;
	void *data;
	uint16_t initiator_port;
	uint32_t sequence; /* of the next probe */
	uint64_t started_us, deadline_us;
	struct qlpb_stream stream;
	union {
		struct route_check route;
		struct packet_pair pair;
		struct probegap gap;
		struct flood flood;
		struct claiming claim;
	};
	struct qlpb_result result;
	struct experiment *prev, *next;
};

/* ---- the node ---- */

struct qlpb {
	struct qlpb_ports ports;
	struct qlpb_config config;
	uint32_t last_id;
	uint64_t epoch_100ns; /* times in messages do not tell how long the host has been up, nor can they be guessed */
	uint64_t noise; /* state of what payloads are made of */
	struct session *sessions;
	struct experiment *experiments;
	struct echo echo;
	struct qlpb_sizes sizes;
	uint64_t counts[QLPB_COUNT_COUNT];
};

/* Of sessions and experiments; never 0, and not one that is in use. */
uint32_t qlpb_new_id(struct qlpb *qlpb);
uint64_t qlpb_wire_time(const struct qlpb *qlpb, uint64_t stamp_ns);
/* Octets that neither compress nor tell anything (P-067). */
void qlpb_fill(struct qlpb *qlpb, uint8_t *buf, size_t len);
/* Counts, too. */
int qlpb_send(struct qlpb *qlpb, const struct qlpb_datagram *datagrams, unsigned n);

static inline void qlpb_note(struct qlpb *qlpb, enum qlpb_counter counter)
{
	qlpb->counts[counter]++;
}

static inline struct address qlpb_host(const struct address *address)
{
	struct address host = *address;

	host.port = 0;
	return host;
}

static inline uint32_t qlpb_ip_overhead(uint16_t family)
{
	return (family == AF_INET ? 20 : 40) + 8;
}

static inline uint64_t qlpb_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- qlpb_session.c ---- */

/* These return whether there is such a session. */
bool qlpb_session_received(struct qlpb *qlpb, uint32_t connection, const uint8_t *data, size_t len,
			   uint64_t now_us);
bool qlpb_session_closed(struct qlpb *qlpb, uint32_t connection);
void qlpb_session_probe(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
			size_t len, uint64_t now_us);
void qlpb_sessions_tick(struct qlpb *qlpb, uint64_t now_us);
uint64_t qlpb_sessions_deadline_us(const struct qlpb *qlpb);
void qlpb_sessions_free(struct qlpb *qlpb);

/* ---- qlpb_echo.c ---- */

void qlpb_echo(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
	       size_t len, uint64_t now_us);

/* ---- qlpb_experiment.c ---- */

void qlpb_finish(struct qlpb *qlpb, struct experiment *experiment, int status, uint64_t now_us);
/* With the header filled in as each probe has it: to the sink's port, staying on the link. */
struct qlpb_datagram qlpb_probe_to(const struct experiment *experiment, enum qlpb_socket socket);
void qlpb_settle(struct qlpb *qlpb);
void qlpb_experiments_tick(struct qlpb *qlpb, uint64_t now_us);
uint64_t qlpb_experiments_deadline_us(const struct qlpb *qlpb);
void qlpb_experiments_free(struct qlpb *qlpb, uint64_t now_us);
struct experiment *qlpb_experiment_find(struct qlpb *qlpb, uint32_t id);
void qlpb_experiment_received(struct qlpb *qlpb, struct experiment *experiment, const uint8_t *data,
			      size_t len, uint64_t now_us);
void qlpb_experiment_closed(struct qlpb *qlpb, struct experiment *experiment, int error,
			    uint64_t now_us);

/* ---- what the kinds are, each in its file ---- */

int qlpb_packet_pair_init(struct experiment *experiment, const struct qlpb_request *request);
int qlpb_probegap_init(struct experiment *experiment, const struct qlpb_request *request);
int qlpb_flood_init(struct experiment *experiment, const struct qlpb_request *request);
int qlpb_claim_init(struct experiment *experiment, const struct qlpb_request *request);
void qlpb_probegap_reply(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
			 size_t len, uint64_t now_us);

#endif
