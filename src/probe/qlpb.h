/* SPDX-License-Identifier: MIT */
/*
 * qlpb.h: one host that speaks MS-QLPB (spec/probing.md part I): as a sink, to whom others measure a path, and as an
 * initiator, who measures one.
 *
 * The node opens no socket and reads no clock. The host has a UDP socket bound to port 2177 (both roles), one bound
 * to a port of its own for probes of route checks and trains, and, for the sink, a TCP socket that listens on 2177
 * (P-012). What arrives is handed in with the time, what leaves goes through struct qlpb_ports. One thread uses a
 * node at a time.
 *
 * A port may be called from within any function of the node and must not call back into it; finished() alone may
 * start and cancel experiments. Connections are numbers, given by the node and not used again: one that the node
 * does not know (any more) is ignored wherever it is handed in.
 *
 * Whatever others send: the node keeps a bounded number of sessions with a bounded amount of memory each, never
 * answers with more bytes than it was sent, and answers nobody who is not on the link.
 */
#ifndef GW_PROBE_QLPB_H
#define GW_PROBE_QLPB_H

#include "core/address.h"
#include "probe/qlpb_stream.h"
#include "probe/sample.h"

struct qlpb;

/* ---- what the host provides ---- */

enum qlpb_socket {
	QLPB_SOCKET_SERVICE, /* bound to 2177: probegap */
	QLPB_SOCKET_PROBE,   /* bound to any other port */
};

/* A UDP datagram that is to leave. */
struct qlpb_datagram {
	enum qlpb_socket socket;
	uint32_t ifindex;	    /* 0: by the routing table */
	struct address source;	    /* port 0; AF_UNSPEC: as the route says */
	struct address destination; /* port 2177 */
	uint8_t hop_limit;
	bool dont_fragment;
	bool omit_checksum; /* where the family allows it, and the host can */
	uint8_t dscp;
	uint8_t priority; /* of 802.1p, where the interface can tag; 0: untagged */
	const uint8_t *data;
	size_t len;
};

struct qlpb_link {
	uint64_t rate_bps; /* of a wireless link: of its physical layer; 0: not known */
	bool wireless;
};

enum qlpb_kind {
	QLPB_ROUTE_CHECK, /* do packets with a priority tag get through */
	QLPB_PACKET_PAIR, /* how narrow is the path */
	QLPB_PROBEGAP,	  /* how busy is it */
	QLPB_FLOOD,	  /* fills it; for people who look for faults */
	QLPB_CLAIM,	  /* only load, which the sink ignores: so that others see it */
};

struct qlpb_result {
	enum qlpb_kind kind;
	/*
	 * 0, or why there is none: -ECONNREFUSED and other errors of the connection: there is no sink; -ETIMEDOUT: it
	 * does not answer; -ECONNRESET: it has gone; -EPROTO: what it says is not of the protocol; -ECANCELED: the
	 * node ends; or the error with which probes could not be sent.
	 */
	int status;
	enum probe_priority priority; /* of a route check */
	unsigned samples;	      /* of a packet pair: trains; of probegap: answers */
	uint64_t bytes;		      /* of a flood or a claim: so many have left */
	uint64_t duration_us;
};

struct qlpb_ports {
	void *user_data;

	/*
	 * Sends them one right after the other, with as few system calls as possible. How many have left, from the first
	 * on; or a negative errno, and none has.
	 */
	int (*send)(void *user_data, const struct qlpb_datagram *datagrams, unsigned n);

	/*
	 * Begins to connect to a sink, and says later how that ended: qlpb_connected() or qlpb_closed(). A negative
	 * errno: it has ended already.
	 */
	int (*connect)(void *user_data, uint32_t connection, const struct address *sink,
		       uint32_t ifindex);
	/* One message in one piece (P-004). 0, or a negative errno (there is no room, too): it is given up then. */
	int (*write)(void *user_data, uint32_t connection, const uint8_t *data, size_t len);
	/* What has been written still leaves; nothing that arrives on it is handed in any more. */
	void (*close)(void *user_data, uint32_t connection);

	/* The same clock as `now_us`, as fine as there is. Arrivals carry it too, whichever clock stamped them. */
	uint64_t (*stamp_ns)(void *user_data);
	uint32_t (*random)(void *user_data);
	/* The interface by which a sink is measured. */
	void (*link)(void *user_data, uint32_t ifindex, struct qlpb_link *ret_link);
	/* Whether that is the address of a host (not a broadcast address) that is reached without a router. */
	bool (*on_link)(void *user_data, const struct address *address, uint32_t ifindex);

	/* With the `data` of the experiment. true: that is enough, no more trains are sent. */
	bool (*train)(void *user_data, void *data, const struct probe_train *train);
	void (*gap)(void *user_data, void *data, const struct probe_gap *gap);
	/* Once for each experiment that was started and not cancelled; it is gone then. */
	void (*finished)(void *user_data, void *data, const struct qlpb_result *result);
};

struct qlpb_config {
	bool sink, initiator;
	uint32_t max_sessions, max_sessions_per_host;
	uint32_t max_experiments;
	uint32_t echoes_per_s, echoes_per_s_per_host;
	uint64_t discard_max_bytes; /* of one flood session; 0: there are none (P-015) */
};

void qlpb_config_default(struct qlpb_config *ret_config);

/* NULL: no memory. */
struct qlpb *qlpb_new(const struct qlpb_ports *ports, const struct qlpb_config *config);
/* Ends what is under way with -ECANCELED, closes connections, frees. NULL is allowed; returns NULL. */
struct qlpb *qlpb_free(struct qlpb *qlpb, uint64_t now_us);

/*
 * The next time at which qlpb_tick() has something to do; UINT64_MAX: never. Each function that takes the time
 * may change it, and it may be now: probes only leave in qlpb_tick().
 */
uint64_t qlpb_deadline_us(const struct qlpb *qlpb);
void qlpb_tick(struct qlpb *qlpb, uint64_t now_us);

/* ---- what arrives ---- */

/* A datagram on the service socket. */
struct qlpb_arrival {
	uint32_t ifindex;
	struct address source, destination; /* the destination's port does not matter */
	bool unicast;			    /* to an address of this host alone */
	uint8_t dscp, priority;
	uint64_t received_ns; /* as early as it was stamped */
};

void qlpb_receive(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
		  size_t len, uint64_t now_us);

/*
 * Somebody has connected to the listening socket. A negative errno: the host closes the connection at once
 * (-EOPNOTSUPP: this is no sink, -ENETUNREACH: not from this link, -EUSERS: there are too many, -ENOMEM).
 */
int qlpb_accept(struct qlpb *qlpb, const struct address *remote, uint32_t ifindex,
		uint32_t *ret_connection, uint64_t now_us);
/* A connection that was asked for stands. */
void qlpb_connected(struct qlpb *qlpb, uint32_t connection, uint16_t local_port, uint64_t now_us);
void qlpb_received(struct qlpb *qlpb, uint32_t connection, const uint8_t *data, size_t len,
		   uint64_t now_us);
/* Nothing that was written waits to be sent any more: for a flood. */
void qlpb_writable(struct qlpb *qlpb, uint32_t connection, uint64_t now_us);
/* The peer has closed it (0), or an error has ended it: a negative errno. The host has closed it, too. */
void qlpb_closed(struct qlpb *qlpb, uint32_t connection, int error, uint64_t now_us);

/* ---- experiments ---- */

struct qlpb_request {
	enum qlpb_kind kind;
	struct address sink; /* its port does not matter */
	uint32_t ifindex;    /* 0: by the routing table */
	void *data;

	/* Of a packet pair; and of a claim its packets. 0: the default. */
	unsigned train_size;   /* 2 to QLPB_TRAIN_MAX; 16 */
	uint32_t packet_bytes; /* of each as an IP packet, at most QLPB_PACKET_MAX_BYTES; 1496 */

	/* Of probegap. 0: the default. */
	uint32_t interval_us; /* at least 1000, which is the default */
	uint32_t vary_us;     /* each is longer by less than that, by chance */
	uint32_t count;	      /* 0: until it is cancelled */

	uint64_t flood_bytes;

	/* Of a claim; or of a packet pair that is one train, paced; else 0. */
	uint64_t rate_bps; /* of IP packets */
	unsigned lead; /* of the train: so many leave at once with the first one that is paced */
	uint32_t duration_us; /* of a claim, at most 1 s */
};

#define QLPB_PACKET_MAX_BYTES 1496

/*
 * Begins. 0, and finished() will be called, though not before this returns: *ret_experiment until then.
 * -EINVAL: no such experiment, or no such address can be a sink's; -EOPNOTSUPP: this is no initiator;
 * -ENETUNREACH: not on the link; -EUSERS: there are too many; -ENOMEM; or connecting has failed at once.
 */
int qlpb_start(struct qlpb *qlpb, const struct qlpb_request *request, uint32_t *ret_experiment,
	       uint64_t now_us);
/* Nothing is told of it any more. One that is not (any more) is allowed. */
void qlpb_cancel(struct qlpb *qlpb, uint32_t experiment);

/* ---- seeing ---- */

enum qlpb_counter {
	QLPB_COUNT_RECEIVED, /* datagrams */
	QLPB_COUNT_SENT,
	QLPB_COUNT_SEND_FAILED,
	QLPB_COUNT_BAD_MESSAGE, /* no message of this protocol, or one that nobody may send here */
	QLPB_COUNT_NO_SESSION,	/* a probe of none, or one that does not fit in */
	QLPB_COUNT_UNEXPECTED,	/* an answer to nothing, or to what was given up */
	QLPB_COUNT_OFF_LINK,
	QLPB_COUNT_LIMITED,
	QLPB_COUNT_ECHOED,
	QLPB_COUNT_SUMMARIES, /* sent */
	QLPB_COUNT_SESSIONS,
	QLPB_COUNT_REFUSED,    /* sessions */
	QLPB_COUNT_TIMEOUTS,   /* sessions that did nothing */
	QLPB_COUNT_VIOLATIONS, /* connections closed for what came over them */
	QLPB_COUNT_COUNT
};
const char *qlpb_counter_name(enum qlpb_counter counter);
uint64_t qlpb_count(const struct qlpb *qlpb, enum qlpb_counter counter);

struct qlpb_sizes {
	uint32_t sessions, experiments;
};
struct qlpb_sizes qlpb_sizes(const struct qlpb *qlpb);

#endif
