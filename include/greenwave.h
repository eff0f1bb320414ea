/* SPDX-License-Identifier: MIT */
/*
 * greenwave.h: quality of service for a program's own sockets.
 *
 * Open the subsystem, put a socket into a flow, and the packets that the socket sends to the flow's
 * destination are marked from the next packet on. When the socket closes, the flow is removed, the
 * handle is closed or the process dies, all of it ends at once.
 *
 *	struct gw *gw = NULL;
 *	uint32_t id;
 *	struct gw_flow_options opt = GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
 *
 *	if (gw_open(&gw, NULL) == 0 && gw_flow_add(gw, fd, NULL, 0, &opt, &id) == 0)
 *		...	// every packet of fd to its peer is now voice
 *	gw_close(gw);
 *
 * Rules that hold for every function, unless its comment says otherwise:
 *
 *  - Errors: 0 is success, a negative errno is failure (enumerated below); nothing is half done after a
 *    failure, and output parameters are not written. errno itself is not part of the interface.
 *  - Threads: every function may be called from any thread, also on the same handle at the same time,
 *    except that gw_close() must be the last call on a handle.
 *  - Ownership: memory that a caller passes in is read during the call only. The library never keeps a
 *    descriptor that was passed to it, and never changes its flags.
 *  - fork(): a child must not use its parent's handles and gets -ECHILD; its exit does not disturb them.
 *  - The library starts no thread and installs no signal handler. (The embedded engine, used when no
 *    daemon is reachable, is one thread with every signal blocked.)
 *
 * Errors common to all functions that talk to the engine:
 *  -ESHUTDOWN   the daemon went away; close the handle, open a new one and add the flows again
 *  -ECHILD      the handle belongs to the parent of this process
 *  -ECANCELED   the handle was ended by another thread
 *  -EINVAL      an argument is malformed
 *  -ENOENT      no such flow of this handle, or the socket is not part of it
 *  -ENOTSOCK    the descriptor is not an open socket
 *  -EAFNOSUPPORT / -EPROTONOSUPPORT  not an IPv4 or IPv6 socket / neither TCP nor UDP
 *  -EACCES      the caller lacks the privilege
 *  -ENOBUFS     a limit is reached (flows per user, flows in all)
 *  -EOPNOTSUPP  this host, or this kind of flow, cannot do that
 *  -EXDEV       the socket lives in another network namespace than the daemon
 *  -ENOMEM
 */
#ifndef GREENWAVE_H
#define GREENWAVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct gw; /* a handle: the owner of flows */

/* ---- traffic classes ---- */

/* The six classes, in the order and with the numbers of QOS_TRAFFIC_TYPE (qos2.h). */
enum gw_class {
	GW_CLASS_BEST_EFFORT = 0, /* no mark; an application's own mark is left alone */
	GW_CLASS_BACKGROUND = 1,
	GW_CLASS_EXCELLENT_EFFORT = 2,
	GW_CLASS_AUDIO_VIDEO = 3,
	GW_CLASS_VOICE = 4,
	GW_CLASS_CONTROL = 5
};
#define GW_CLASS_COUNT 6

/* "best-effort", "background", ... ; NULL for a number that is no class. Static storage. */
const char *gw_class_name(enum gw_class traffic_class);

/* Reads a class name (exact spelling). -EINVAL if it is none. */
int gw_class_parse(const char *name, enum gw_class *ret_class);

/* ---- opening and closing ---- */

enum gw_mode {
	GW_MODE_AUTO = 0,    /* the daemon if it is reachable, else the embedded engine */
	GW_MODE_DAEMON = 1,  /* the daemon only */
	GW_MODE_EMBEDDED = 2 /* the engine inside this process only */
};

struct gw_event;

/* Structures that callers fill begin with their size, so that old programs work with new libraries. */
struct gw_open_options {
	size_t size;
	enum gw_mode mode; /* AUTO obeys GREENWAVE_MODE=auto|daemon|embedded in the environment */
	const char *socket_path; /* NULL: GREENWAVE_SOCKET, else /run/greenwave/socket */
	const char *api;	 /* shown by `greenwave list`: "native" if NULL; at most 15 bytes */
	/*
	 * Called for each event, with no lock held, by whichever thread is inside a function of this
	 * handle when the event arrives. It must not call gw_close(). NULL: events are queued for
	 * gw_event_next().
	 */
	void (*on_event)(const struct gw_event *event, void *user_data);
	void *user_data;
};

/*
 * Opens the subsystem. `options` may be NULL.
 * Errors: -EINVAL; -ENOENT, -ECONNREFUSED (or another error of connect(2)) when only the daemon would do
 * and none answers within 4 s: -ETIMEDOUT; -ELIBACC when the embedded engine is needed and not installed;
 * -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS.
 */
int gw_open(struct gw **ret_gw, const struct gw_open_options *options);

/*
 * Ends everything the handle owns: pending operations and calls blocked in other threads complete with
 * -ECANCELED, flows are removed, the next packet of their sockets is unmarked and the sockets keep working.
 * Complete when it returns. Later calls on the handle return -ECANCELED; only gw_close() remains to be
 * called. For wrappers whose callers may still be inside other functions of the handle.
 */
void gw_end(struct gw *gw);

/*
 * gw_end(), then frees the handle. No other thread may be inside a function of it any more, or call one.
 * NULL is allowed. Always returns NULL.
 */
struct gw *gw_close(struct gw *gw);

/* ---- flows ---- */

/* gw_flow_options.flags */
#define GW_FLOW_ADAPTIVE 0x1u		 /* unmarked until a rate is accepted; one socket only */
#define GW_FLOW_KEEP_ON_DISCONNECT 0x2u	 /* connect(AF_UNSPEC) does not end it */
#define GW_FLOW_KEEP_WHEN_CLOSED 0x4u	 /* the id stays valid after its last socket closed */
#define GW_FLOW_REQUIRE_DESTINATION 0x8u /* else an unconnected socket is -EDESTADDRREQ */
#define GW_FLOW_PACES 0x10u		 /* gw_pace() is asked before each datagram */

#define GW_DSCP_FROM_CLASS (-1)

struct gw_flow_options {
	size_t size;
	enum gw_class traffic_class;
	uint32_t flags;
	int32_t dscp; /* 0..63, privileged; or GW_DSCP_FROM_CLASS */
	/* gw_run_self() only, elsewhere -EINVAL if set: shaped to it, and marked, from the start; 0: not. */
	uint64_t rate_bps;
};
#define GW_FLOW_OPTIONS(...)                                                                    \
	{                                                                                       \
		.size = sizeof(struct gw_flow_options), .dscp = GW_DSCP_FROM_CLASS, __VA_ARGS__ \
	}

/* The same for C++, and for whoever has the class in a variable. */
static inline struct gw_flow_options gw_flow_options_for(enum gw_class traffic_class)
{
	struct gw_flow_options options;

	options.size = sizeof(options);
	options.traffic_class = traffic_class;
	options.flags = 0;
	options.dscp = GW_DSCP_FROM_CLASS;
	options.rate_bps = 0;
	return options;
}

/*
 * Puts a socket into a new flow. `destination` NULL means the peer of a connected socket; for an
 * unconnected socket it means everything the socket sends. The socket must be an IPv4 or IPv6, TCP or UDP
 * socket. A connected socket's destination, if given, must be its peer (-EINVAL).
 * `options` NULL is best effort. *ret_id is a host-wide identifier, never 0.
 * Further errors: -EDESTADDRREQ; -ENETUNREACH, -EHOSTUNREACH (no route); -EACCES (dscp without privilege).
 */
int gw_flow_add(struct gw *gw, int fd, const struct sockaddr *destination,
		socklen_t destination_len, const struct gw_flow_options *options, uint32_t *ret_id);

/*
 * Adds a further socket, or a further destination of the same one, to a flow that is not adaptive (-EINVAL).
 * `flags` may hold GW_FLOW_REQUIRE_DESTINATION. What is in the flow already succeeds and changes nothing.
 */
int gw_flow_attach(struct gw *gw, uint32_t id, int fd, const struct sockaddr *destination,
		   socklen_t destination_len, uint32_t flags);

/* Takes a socket out of a flow, with all its destinations. The last one ends the flow. */
int gw_flow_detach(struct gw *gw, uint32_t id, int fd);

/* Ends a flow. Marks are gone, and operations pending on it are completed, before this returns. */
int gw_flow_remove(struct gw *gw, uint32_t id);

/* Changes the class. An explicit DSCP set before is forgotten, the rate is kept. */
int gw_flow_set_class(struct gw *gw, uint32_t id, enum gw_class traffic_class);

/* Sets an explicit DSCP 0..63: root, CAP_NET_ADMIN or an administrators' group; else -EACCES. */
int gw_flow_set_dscp(struct gw *gw, uint32_t id, uint32_t dscp);

enum gw_shaping {
	GW_SHAPE_ONLY = 0,	     /* delay the excess, no marks */
	GW_SHAPE_AND_MARK = 1,	     /* delay the excess, mark all */
	GW_SHAPE_MARK_CONFORMANT = 2 /* send all at once, mark what conforms */
};

#define GW_RATE_NONE 0u		    /* no shaping and no marks */
#define GW_RATE_MINIMUM 0xffffffffu /* a small default reservation; never delays anything */

/*
 * Sets the flow's rate in bits per second, IP and transport headers included. `reason` (0..4) is recorded
 * only. -EOPNOTSUPP: nothing here can shape this flow (see `greenwave doctor`); the flow is as before.
 *
 * The path of an adaptive flow to a neighbour that takes part in measurements must have what the flow wants to have
 * more than before; finding out takes up to 2 s. -EDQUOT: it does not have it. -EAGAIN: the measurements contradict each
 * other. The flow keeps its earlier rate until then, and after a refusal.
 *
 * All sockets of the flow share the rate. How it is kept to depends on where the packets leave
 * (gw_flow_record.shaping): on a link that is handed over by a class of its queue; where the queue is fq by
 * departure times; TCP elsewhere by the pacing of the socket. UDP elsewhere is policed: what exceeds a bucket
 * of 100 ms is dropped, not delayed.
 *
 * Every rate is accepted. From 10^15 bit/s on no link has it, and nothing is delayed. Below 8 kbit/s a full packet
 * waits longer than it may in a queue that keeps departure times (2 s), and is dropped.
 *
 * The embedded engine paces TCP sockets, and UDP sockets where the queue of their link is fq; several of one flow
 * get equal parts of its rate. For UDP sockets elsewhere, and to mark what conforms, it needs GW_FLOW_PACES.
 */
int gw_flow_set_rate(struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		     uint32_t reason);

/*
 * The same without waiting: returns 0 if it is done, 1 if the request is pending: then an event GW_EVENT_COMPLETED with
 * this `token` follows. -EALREADY: one is pending on the flow. -EBUSY: as of gw_flow_notify(). The embedded engine, which
 * marks sockets by their options, waits all the same.
 */
int gw_flow_begin_rate(struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		       uint32_t reason, uint64_t token);

/* A token bucket, RFC 2215. Bytes and rates count IP packets, their headers included. */
struct gw_tspec {
	size_t size;
	uint64_t rate_bps;    /* r */
	uint64_t depth_bytes; /* b; 0: 100 ms of the rate, two full packets at least */
	uint64_t peak_bps;    /* p; 0: none */
	uint32_t min_bytes;   /* m: smaller packets count as this */
	uint32_t max_bytes;   /* M: larger packets are excess; 0: no limit, which p needs */
};

/* What becomes of packets beyond the bucket. */
enum gw_excess {
	GW_EXCESS_DROP = 0,
	GW_EXCESS_REMARK = 1,	  /* sent with the non-conformant mark, in the order of its class */
	GW_EXCESS_BEST_EFFORT = 2 /* the same mark, in the order of best effort */
};

/*
 * Reserves a rate for the flow, and polices the flow to the bucket. On links that are handed over the rate is
 * guaranteed, whatever else is sent there: -EDQUOT if more than the link's reservable share would be reserved
 * then; nothing has changed, and `greenwave status` shows what is reserved. Elsewhere the flow is policed only.
 * `tspec` NULL gives the reservation back. It takes the place of a rate set before, and the other way round.
 * What it takes of the link is more than the rate, which counts IP only: 38 bytes for each packet, and these are as
 * long as min_bytes, or else max_bytes, or else 1500 bytes. While the flow has no open socket it holds nothing.
 * -EOPNOTSUPP: nothing here can police (no eBPF); adaptive flows.
 */
int gw_flow_reserve(struct gw *gw, uint32_t id, const struct gw_tspec *tspec,
		    enum gw_excess excess);

struct gw_pacing {
	size_t size;
	uint64_t wait_ns; /* 0: send it; else ask again then at the latest */
	int32_t dscp;	  /* to send it with (IP_TOS, IPV6_TCLASS), or -1: as the socket marks it */
};

/*
 * Before a datagram of `payload_bytes` is sent on the socket: may it leave now? If so it is charged to the rate of the
 * socket's flow; if not, nothing is, and the caller waits, or tells whoever wants to send that it would block. For
 * flows with GW_FLOW_PACES at the embedded engine. Anywhere else, and for sockets without a flow or a rate, the answer
 * is always yes; while no flow of the process has a rate, it costs next to nothing. Waits are short, so that a new rate
 * is soon obeyed. It needs no handle, and may be asked by any thread. Returns 0, or -EINVAL.
 */
int gw_pace(int fd, size_t payload_bytes, struct gw_pacing *ret_pacing);

struct gw_flow_info {
	size_t size;
	uint32_t id;
	uint32_t flags;
	enum gw_class traffic_class;
	int32_t dscp_set;  /* the explicit DSCP, or GW_DSCP_FROM_CLASS */
	uint64_t rate_bps; /* last accepted, 0 if none */
	enum gw_shaping shaping;
	uint32_t sockets;	      /* (socket, destination) pairs in force */
	uint32_t conformant_dscp;     /* what packets get now */
	uint32_t nonconformant_dscp;  /* what excess packets get */
	uint32_t conformant_priority; /* 802.1p */
	uint32_t nonconformant_priority;
};

/* Reads a flow. Administrators may read any flow of the host, others only their own handle's. */
int gw_flow_query(struct gw *gw, uint32_t id, struct gw_flow_info *ret_info);

struct gw_path_info {
	size_t size;
	int capacity_known, available_known, rtt_known;
	uint64_t capacity_bps;	/* of the narrowest link */
	uint64_t available_bps; /* currently unused; 0 means congested */
	uint32_t rtt_us;
};

#define GW_PATH_FRESH 0x1u

/*
 * What is known of the path of an adaptive flow. -ENODATA: nothing yet, ask again; -EOPNOTSUPP: it cannot
 * be measured, or the flow is not adaptive. With GW_PATH_FRESH it is measured now, which takes up to 5 s; -EAGAIN: that
 * cannot be had now; -ETIMEDOUT. Of another handle's flow the flag is ignored.
 */
int gw_flow_query_path(struct gw *gw, uint32_t id, uint32_t flags, struct gw_path_info *ret_info);

/*
 * The same without waiting: returns 0 if *ret_info is written, 1 if the request is pending: then it is not, and an event
 * GW_EVENT_COMPLETED with this `token` follows, with the answer in event.flow.path. -EBUSY: as of gw_flow_notify().
 */
int gw_flow_begin_query_path(struct gw *gw, uint32_t id, uint32_t flags, uint64_t token,
			     struct gw_path_info *ret_info);

enum gw_condition {
	GW_CONDITION_CONGESTED = 0,
	GW_CONDITION_UNCONGESTED = 1,
	GW_CONDITION_AVAILABLE = 2 /* the total rate `target_bps` has become attainable */
};

/*
 * Asks to be told, once, when the path of an adaptive flow is in a condition. Returns 0 if it holds
 * already, 1 if the request is pending: then an event GW_EVENT_COMPLETED with this `token` follows.
 * The token is the caller's own and must be unique among the handle's pending requests (-EBUSY).
 * -EEXIST: such a request is pending on the flow already. What is free is known of neighbours that take part in
 * measurements; that a path is congested, also from the flow's own TCP connection. -EOPNOTSUPP: neither; so it ends, too,
 * if nobody turns out to take part; -ECONNRESET if who did has gone.
 */
int gw_flow_notify(struct gw *gw, uint32_t id, enum gw_condition condition, uint64_t target_bps,
		   uint64_t token);

/* Completes a pending request with -ECANCELED. -ENOENT: nothing is pending under this token. */
int gw_cancel(struct gw *gw, uint64_t token);

/*
 * Announces, or takes back, a host that may soon receive adaptive flows, so that its path is measured. The port is
 * ignored. A handle announces a host once, however often it says so, and takes it back with the handle at the latest;
 * what it has not announced itself is taken back of another handle of its user (-ENOENT: there is none). It returns as
 * soon as the host has answered, within 5 s. -EHOSTUNREACH: it does not answer; -EOPNOTSUPP: it is no neighbour.
 */
int gw_track_start(struct gw *gw, const struct sockaddr *host, socklen_t host_len);
int gw_track_stop(struct gw *gw, const struct sockaddr *host, socklen_t host_len);

/*
 * Writes up to `capacity` identifiers of all flows of the host, ascending, and their true number to
 * *ret_count. Needs an administrator (-EACCES).
 */
int gw_flow_enumerate(struct gw *gw, uint32_t *ids, size_t capacity, size_t *ret_count);

/* ---- programs ---- */

/*
 * Moves the calling process into a control group of its own, whose packets, its children's and
 * theirs included, get the class until the last process of it has ended. For `greenwave run`.
 * -EOPNOTSUPP: needs the daemon, with its kernel datapath.
 */
int gw_run_self(struct gw *gw, const struct gw_flow_options *options, uint32_t *ret_id);

/* ---- forwarded packets ---- */

/*
 * Packets by their addresses, for routers: as they leave, after address translation. For administrators
 * (-EACCES). `source` may have no address (family AF_UNSPEC: any source) or no port (any port); so may the
 * destination have no port. `interface` is the one that they leave through.
 */
struct gw_tuple {
	size_t size;
	struct sockaddr_storage source;
	struct sockaddr_storage destination;
	int32_t protocol; /* IPPROTO_... */
	char interface[16];
};

/*
 * Makes a flow of such packets, in place of a socket's. Also what this host sends itself, if no flow of its socket
 * or program says otherwise. -EEXIST: another flow has the same packets. -ENODEV: no such interface.
 * -EOPNOTSUPP: needs the daemon, with its kernel datapath.
 */
int gw_flow_add_tuple(struct gw *gw, const struct gw_tuple *tuple,
		      const struct gw_flow_options *options, uint32_t *ret_id);

/* ---- seeing ---- */

/* How a rate is kept to. */
enum gw_shaping_method {
	GW_SHAPING_NONE = 0,   /* no rate is in force, or its excess is not delayed */
	GW_SHAPING_PACED = 1,  /* by the socket itself */
	GW_SHAPING_EDT = 2,    /* by departure times that fq obeys */
	GW_SHAPING_CLASS = 3,  /* by a class of the link's queue */
	GW_SHAPING_POLICED = 4 /* what exceeds it is dropped or re-marked */
};
/* "paced", "edt", "class", "policed"; NULL for GW_SHAPING_NONE and numbers that are none. Static storage. */
const char *gw_shaping_method_name(enum gw_shaping_method method);

enum gw_flow_state {
	GW_FLOW_ACTIVE = 0,   /* in force */
	GW_FLOW_UNMARKED = 1, /* adaptive, waiting for a rate */
	GW_FLOW_SHADOWED = 2, /* a later flow has the same socket and destination */
	GW_FLOW_CLOSED = 3,   /* its socket is gone; the identifier is still held */
	/* Of the QoS of sockets; what is sent without being signalled is active. */
	GW_FLOW_WAITING = 4,	  /* there is no peer, or no sender, yet */
	GW_FLOW_TRANSITIONAL = 5, /* nothing is reserved yet */
	GW_FLOW_RESERVED = 6
};
const char *gw_flow_state_name(enum gw_flow_state state);

/* What is known of the way that an adaptive flow's packets take. */
enum gw_path_state {
	GW_PATH_NONE = 0,    /* not adaptive, or to no one host */
	GW_PATH_UNKNOWN = 1, /* nothing yet */
	GW_PATH_UNCONGESTED = 2,
	GW_PATH_CONGESTED = 3,
	GW_PATH_UNSUPPORTED = 4 /* it cannot be measured */
};
const char *gw_path_state_name(enum gw_path_state state);

/* One socket and destination of one flow, or one program (socket_cookie 0). */
struct gw_flow_record {
	size_t size;
	uint32_t id;
	uint32_t uid;
	int32_t pid;
	int32_t protocol; /* IPPROTO_TCP, IPPROTO_UDP; 0: any */
	enum gw_class traffic_class;
	enum gw_flow_state state;
	int32_t dscp; /* the mark on the wire now; -1: left alone */
	uint64_t rate_bps;
	uint64_t socket_cookie;
	struct sockaddr_storage local;	     /* family AF_UNSPEC: none */
	struct sockaddr_storage destination; /* likewise: everything the socket sends */
	char comm[16];
	char api[16];
	/*
	 * What the flow's meter has counted, if it has one, of all its sockets together: packets on the wire,
	 * bytes of IP. Excess was sent, re-marked; dropped was not. All zero where nobody counts.
	 */
	uint64_t conforming_packets, conforming_bytes;
	uint64_t excess_packets, excess_bytes;
	uint64_t dropped_packets, dropped_bytes;
	uint64_t reserved_bps; /* guaranteed by the link; 0: nothing */
	enum gw_shaping_method shaping;
	uint32_t metered; /* 1: there is a meter that counts */
	enum gw_path_state path_state;
	struct gw_path_info path; /* of an adaptive flow; not known: zero */
	uint32_t direction;	  /* of the QoS of a socket: GW_QOS_SENDING or _RECEIVING; else 0 */
};

/*
 * Calls `visit` for each flow that the caller may see (its own user's; administrators: all), in ascending
 * order of identifiers. A nonzero return of `visit` stops and is returned. `visit` must not use `gw`.
 */
#define GW_LIST_CLOSED 0x1u /* also flows whose socket is gone */
int gw_list(struct gw *gw, uint32_t flags,
	    int (*visit)(const struct gw_flow_record *record, void *user_data), void *user_data);

struct gw_status {
	size_t size;
	enum gw_mode mode; /* who serves this handle: DAEMON or EMBEDDED */
	char version[32];
	uint64_t flows;		 /* in force */
	uint64_t kernel_entries; /* read from the kernel at this moment */
};
int gw_status(struct gw *gw, struct gw_status *ret_status);

enum gw_fact_kind {
	GW_FACT_MECHANISM = 0,	/* value "yes" or "no"; note: why, and what its absence costs */
	GW_FACT_COUNTER = 1,	/* value: a decimal number */
	GW_FACT_LIMITATION = 2, /* value: one sentence about what this host cannot do */
	/*
	 * A link that is handed over. name: the interface; value: "scheduled", "waiting", "refused" or "replaced";
	 * note: its rate, what is reserved of it, or why it is not scheduled.
	 */
	GW_FACT_LINK = 3
};

/* Calls `visit` for each mechanism, counter, limitation and link of the serving host; as gw_list(). */
int gw_facts(struct gw *gw,
	     int (*visit)(enum gw_fact_kind kind, const char *name, const char *value,
			  const char *note, void *user_data),
	     void *user_data);

/* ---- RSVP ---- */

/*
 * Reservations end to end (RFC 2205): senders say what they send, receivers what of it is to be reserved, and every
 * router between them that takes part does so. Needs a daemon that signals (`rsvp { enabled = true }`), else every
 * function of this section is -EOPNOTSUPP.
 *
 * A session is where the data goes. Whoever takes part in one opens it; its identifier is the handle's own, and what
 * is told of it comes as an event with that identifier as `token`. Several programs may take part in one session.
 * Numbers of styles, services and forms are those of the protocol.
 */

enum gw_rsvp_style {
	GW_RSVP_FF = 0x0a, /* fixed filter: a reservation for each sender */
	GW_RSVP_WF = 0x11, /* wildcard filter: one for all senders together */
	GW_RSVP_SE = 0x12  /* shared explicit: one for the senders that are named */
};

enum gw_rsvp_service {
	GW_RSVP_GUARANTEED = 2,	     /* RFC 2212: a bounded delay */
	GW_RSVP_CONTROLLED_LOAD = 5, /* RFC 2211: as if the network were idle */
	GW_RSVP_NULL_SERVICE = 6     /* RFC 2997: the network decides */
};

/* "FF", "WF", "SE"; "guaranteed", "controlled-load", "null"; NULL for a number that is none. Static storage. */
const char *gw_rsvp_style_name(enum gw_rsvp_style style);
const char *gw_rsvp_service_name(enum gw_rsvp_service service);

/* What an error code of RSVP says (RFC 2205 appendix B), "admission control"; NULL if it is not known. */
const char *gw_rsvp_error_name(uint8_t code);

/* How packets of a session are told apart. Sessions are opened with ports; others are only seen. */
enum gw_rsvp_form {
	GW_RSVP_PORTS = 0,
	/* RFC 2207, for IPsec: senders have an SPI, the destination's port is a virtual one. */
	GW_RSVP_GPI = 1,
	GW_RSVP_FLOW_LABEL = 2, /* of senders */
	GW_RSVP_AGGREGATE = 3	/* RFC 3175: the destination's port is a DSCP */
};

struct gw_rsvp_sender {
	struct sockaddr_storage address; /* family AF_UNSPEC: every sender */
	uint32_t form;			 /* enum gw_rsvp_form */
	uint32_t id;			 /* SPI or flow label, where the form has one */
};

/* What is reserved. Its layout is fixed: arrays are made of it. */
struct gw_rsvp_flow {
	struct gw_rsvp_sender sender; /* of GW_RSVP_WF: none */
	struct gw_tspec tspec;	      /* see gw_rsvp_send() for what 0 stands for */
	uint64_t rate_bps;	      /* of the guaranteed service, R; 0: tspec.rate_bps */
	uint32_t slack_us;	      /* likewise, S */
	uint32_t service; /* enum gw_rsvp_service, of GW_RSVP_FF; 0: as of all that is asked for */
	uint32_t reserved[2]; /* zero */
};

/*
 * Takes part in the session of packets to a destination. A session has a port if its protocol has ports (-EINVAL
 * otherwise). `interface` is the one through which data of a group is sent or received; NULL: as the routes say.
 * -EADDRINUSE: there is a session of the same destination with a port, and this one has none, or the other way round.
 * -ENODEV: no such interface. -ENOBUFS: too many sessions, of the user or in all. -EXDEV: the daemon serves another
 * network namespace.
 */
int gw_rsvp_open(struct gw *gw, const struct sockaddr *destination, socklen_t destination_len,
		 int protocol, const char *interface, uint32_t *ret_id);

/* Ends what the handle has in the session, with tears. Closing the handle does the same. */
int gw_rsvp_close(struct gw *gw, uint32_t id);

#define GW_RSVP_OFFER_GUARANTEED 0x1u
#define GW_RSVP_OFFER_CONTROLLED_LOAD 0x2u
#define GW_RSVP_OFFER_NULL 0x4u

struct gw_rsvp_offer {
	size_t size;
	/* Where the data comes from: an address of this host, or 0.0.0.0, :: (it is chosen then), with its port. */
	struct sockaddr_storage source;
	struct gw_tspec tspec;
	uint32_t services;  /* GW_RSVP_OFFER_*; 0: guaranteed and controlled load */
	uint32_t data_ttl;  /* with which the data is sent; 0: 63 */
	const void *policy; /* whole POLICY_DATA objects; NULL: none */
	size_t policy_len;
};

/*
 * Says what the handle sends to the session; PATH goes out before this returns. Called again it says something else,
 * with NULL nothing any more. In the Tspec of an offer or a reservation, depth 0 stands for 100 ms of the rate (two
 * of the largest packets at least), min_bytes 0 for 128, max_bytes 0 for 1500, peak 0 for none.
 * -EADDRNOTAVAIL: the source is no address of this host. -EADDRINUSE: somebody of this host sends to the session from it
 * already. -ENETUNREACH, -EHOSTUNREACH: no route. -EMSGSIZE: the policy is too long. The `size` of a Tspec inside
 * another structure is not looked at.
 */
int gw_rsvp_send(struct gw *gw, uint32_t id, const struct gw_rsvp_offer *offer);

#define GW_RSVP_CONFIRM 0x1u /* to be told when the reservation is in place */

struct gw_rsvp_request {
	size_t size;
	enum gw_rsvp_style style;
	enum gw_rsvp_service service;
	uint32_t flags; /* GW_RSVP_CONFIRM */
	int32_t dscp;	/* that the sender is asked to mark with (RFC 2996), or -1 */
	uint32_t n_flows; /* GW_RSVP_WF: one; GW_RSVP_SE: of the first comes what is reserved for all */
	const struct gw_rsvp_flow *flows;
	const void *policy; /* whole POLICY_DATA objects; NULL: none */
	size_t policy_len;
};
#define GW_RSVP_FLOWS_MAX 128 /* in one request */

/*
 * Reserves for what the handle receives of the session, now or as soon as a sender is heard of. Called again it
 * reserves something else, with NULL nothing any more. That it was sent is all that success means: what becomes of
 * it is told by events. -ENOBUFS: too many flows. -EMSGSIZE: the policy is too long.
 */
int gw_rsvp_reserve(struct gw *gw, uint32_t id, const struct gw_rsvp_request *request);

enum gw_rsvp_kind {
	GW_RSVP_SESSION = 1,	 /* that a local program takes part in: destination, id, uid, pid */
	GW_RSVP_SENDER = 2,	 /* one sender, its Tspec, its previous hop */
	GW_RSVP_RESERVATION = 3, /* on one interface, for one next hop */
	GW_RSVP_NEIGHBOUR = 4,
	GW_RSVP_COUNTER = 5,
	/* Of events only. */
	GW_RSVP_ERROR = 6,   /* what was asked for, and why it was refused */
	GW_RSVP_MESSAGE = 7, /* as text */
	GW_RSVP_HOP = 8	     /* of a path that was asked about */
};
#define GW_RSVP_KIND_BIT(kind) (1u << (kind))

/* gw_rsvp_record.flags */
#define GW_RSVP_GONE 0x1u	  /* it has ended: of events */
#define GW_RSVP_LOCAL 0x2u	  /* a program of this host sends or reserves */
#define GW_RSVP_NON_RSVP 0x4u	  /* somebody on the way does not take part */
#define GW_RSVP_INSTALLED 0x8u	  /* traffic control has it */
#define GW_RSVP_UNENFORCED 0x10u  /* on a link that is not handed over: marked and metered only */
#define GW_RSVP_BLOCKADED 0x20u	  /* it was refused further on, and is left out for a while */
#define GW_RSVP_REDUCES 0x40u	  /* neighbour: refresh reduction (RFC 2961) */
#define GW_RSVP_UDP 0x80u	  /* neighbour: encapsulated */
#define GW_RSVP_AUTHENTIC 0x100u  /* neighbour: its messages are signed */
#define GW_RSVP_OUTGOING 0x200u	  /* message: sent; else received */
#define GW_RSVP_IN_PLACE 0x400u	  /* error: what was reserved before is still there */
#define GW_RSVP_NOT_GUILTY 0x800u /* error: another reservation, merged with it, was too large */
#define GW_RSVP_MERGED 0x1000u	  /* hop: reservations are merged here */
#define GW_RSVP_CUT 0x2000u	  /* there are more senders, or there is more text or policy */

/* gw_rsvp_record.error_code of a hop (RFC 2745) */
#define GW_RSVP_HOP_NO_PATH 1u	     /* it knows of no such sender */
#define GW_RSVP_HOP_TOO_BIG 2u	     /* what it knows does not fit into a packet */
#define GW_RSVP_HOP_ROUTE_TOO_BIG 4u /* beyond it the way back would be too long */

/* What the way from a sender is like (ADSPEC). */
struct gw_rsvp_path {
	uint32_t known;	 /* 0: nothing was said, and all else is 0 */
	uint32_t broken; /* a router without these services is on the way: the rest is a guess */
	uint32_t hops;
	uint32_t latency_us;	/* UINT32_MAX: not known */
	uint64_t bandwidth_bps; /* 0: not known */
	uint32_t mtu;
	uint32_t services; /* GW_RSVP_OFFER_*: which every router on the way offers */
	uint32_t c_total_bytes, d_total_us, c_since_bytes,
		d_since_us; /* of the guaranteed service */
};

/*
 * What RSVP knows of one thing. Members that its kind does not have are zero. Pointers are good for as long as the
 * record is.
 */
struct gw_rsvp_record {
	size_t size;
	enum gw_rsvp_kind kind;
	uint32_t flags;
	uint32_t id; /* of a session of the handle that asks; 0: it is somebody else's */

	struct sockaddr_storage destination;
	int32_t protocol; /* IPPROTO_... */
	uint32_t form;	  /* enum gw_rsvp_form */

	uint32_t uid; /* of a local program */
	int32_t pid;

	const struct gw_rsvp_sender *senders; /* a reservation of WF has none: it is for all */
	uint32_t n_senders;

	uint32_t style;	  /* enum gw_rsvp_style; 0: none */
	uint32_t service; /* enum gw_rsvp_service; 0: none */
	struct gw_tspec tspec;
	uint64_t rate_bps; /* R; in other services than the guaranteed the rate of the Tspec */
	uint32_t slack_us;
	int32_t dscp; /* that the receivers ask for, or -1 */

	char interface[16]; /* in: of senders; out: of reservations; "": none, or of this host */
	struct sockaddr_storage
		hop; /* previous, next, the neighbour's, or the hop's; AF_UNSPEC: this host */
	struct sockaddr_storage previous,
		leaving;     /* hop: the one before it, and its address on the way on */
	uint32_t ttl_loss;   /* hop: routers between, that do not take part */
	uint64_t expires_ms; /* from now, if not refreshed; 0: does not */

	struct gw_rsvp_path path; /* of senders, in events */

	uint8_t error_code; /* also of hops: 0, or GW_RSVP_HOP_* */
	uint16_t error_value;
	struct sockaddr_storage error_node;

	char name[48]; /* counter */
	uint64_t value;
	uint64_t received, sent, dropped; /* neighbour: messages */

	const char *text;   /* message: lines for people; else NULL */
	const void *policy; /* POLICY_DATA objects; NULL: none */
	size_t policy_len;
};

/*
 * Calls `visit` for each thing of the kinds (GW_RSVP_KIND_BIT(), of the first five) that the caller may see, those of
 * one kind in no particular order: administrators all, others the sessions that their own programs take part in, and
 * what is known of these. Only administrators may ask for neighbours (-EACCES). A nonzero return of `visit` stops and
 * is returned. `visit` must not use `gw`. What comes or goes meanwhile may be missed or seen twice.
 */
int gw_rsvp_list(struct gw *gw, uint32_t kinds,
		 int (*visit)(const struct gw_rsvp_record *record, void *user_data),
		 void *user_data);

/*
 * Asks for every RSVP message that the host sends and receives, as GW_EVENT_RSVP_MESSAGE. For administrators
 * (-EACCES).
 */
int gw_rsvp_watch(struct gw *gw);

struct gw_rsvp_question {
	size_t size;
	struct sockaddr_storage destination;
	struct sockaddr_storage source; /* the sender */
	int32_t protocol;
	uint32_t max_hops;
	uint64_t token;
};

/*
 * Asks each router on the way of a session's data, from its receiver to the sender, what it knows of the session
 * (RFC 2745): a GW_EVENT_RSVP_HOP for each hop that answers, from the receiver on, then GW_EVENT_COMPLETED, both with
 * this `token`. That ends with 0, -ETIMEDOUT (nothing came back), -ENODATA (the answer is not complete) or
 * -ECANCELED. `max_hops` 0: as many as there are. The token is the caller's own and must be unique among the
 * handle's pending requests (-EBUSY). gw_cancel() does not know it: it ends by itself, within seconds.
 */
int gw_rsvp_diagnose(struct gw *gw, const struct gw_rsvp_question *question);

/* ---- QoS of a socket, signalled ---- */

/*
 * A program says of a socket what it will send and what it wants of what it receives, and the host does the rest: it
 * takes part in the sessions of RSVP as soon as their addresses are known, puts what is sent under traffic control,
 * reserves what is received, and tells what becomes of it. Each direction ends by itself: when the program takes it
 * back, when the socket is shut down in that direction, and both when it is closed or disconnected, or its program
 * ends. For TCP, for UDP, connected or not, and for groups. Where nothing is signalled (`rsvp { enabled = false }`,
 * the embedded engine) there is traffic control only.
 * The numbers of services are those of the service types of Winsock 2.
 */
enum gw_qos_service {
	GW_QOS_NONE = 0, /* ends the direction */
	GW_QOS_BEST_EFFORT =
		1, /* ends what is signalled; a rate or a mark that is asked for is applied here */
	GW_QOS_CONTROLLED_LOAD = 2,
	GW_QOS_GUARANTEED = 3,
	GW_QOS_EITHER = 5,	     /* of what is sent: the receiver has the choice */
	GW_QOS_KEEP = 6,	     /* leaves the direction as it is; flags are added */
	GW_QOS_NETWORK_CONTROL = 10, /* of what is sent; for administrators (-EACCES) */
	GW_QOS_QUALITATIVE = 13	     /* the network decides (RFC 2997) */
};

/* gw_qos_direction.flags */
#define GW_QOS_NO_SIGNALLING 0x1u
#define GW_QOS_NO_TRAFFIC_CONTROL 0x2u

/* What becomes of packets beyond the Tspec of what is sent. */
enum gw_qos_excess {
	GW_QOS_EXCESS_DEFAULT = 0, /* guaranteed: they wait; else as BORROW */
	GW_QOS_EXCESS_BORROW = 1,  /* sent as nonconforming */
	GW_QOS_EXCESS_SHAPE = 2,   /* they wait */
	GW_QOS_EXCESS_DISCARD = 3
};

struct gw_qos_direction {
	enum gw_qos_service service;
	uint32_t flags;
	/*
	 * Members of 0 are not stated. Of what is sent the rate must be, except of best effort and qualitative
	 * services; of what is received the sender's own take their place. The guaranteed service reserves rate_bps.
	 */
	struct gw_tspec tspec;
	uint32_t latency_us; /* wanted of the guaranteed service; UINT32_MAX: not stated. Not beside a rate */
	uint32_t slack_us; /* likewise */
};

struct gw_qos {
	size_t size;
	struct gw_qos_direction sending, receiving;

	/* Of what is sent. */
	struct sockaddr_storage
		destination; /* of an unconnected UDP socket, which may have many; AF_UNSPEC: none */
	int32_t dscp;	     /* -1: as the service has it */
	int32_t priority;    /* 802.1p, 0 to 7; -1: likewise */
	enum gw_qos_excess excess;
	uint64_t shaping_bps;	    /* in place of the rate, to wait by; 0: the rate */
	const void *sending_policy; /* whole POLICY_DATA objects; NULL: none */
	size_t sending_policy_len;

	/* Of what is received. */
	uint32_t style; /* enum gw_rsvp_style; 0: the peer alone if there is one, else all senders */
	uint32_t confirm; /* 1: tell when the reservation is in place */
	uint32_t n_flows; /* of FF and SE, as in struct gw_rsvp_request; 0: the peer */
	const struct gw_rsvp_flow *flows;
	const void *receiving_policy;
	size_t receiving_policy_len;
};

/*
 * Says what the program wants of a socket, and replaces what it has said before, each direction but those kept. A
 * direction that cannot begin yet (no peer, no port, no sender) is kept in mind, and begins when it can. What happens
 * is told by the events of RSVP, with `socket` in place of `token`; what the program ends itself, is not. After an
 * error nothing has changed. -EINVAL: numbers that contradict each other, an unbound UDP socket that would send, a
 * destination of a connected one. -EDESTADDRREQ: not a socket of the kind. -ESHUTDOWN: the direction has been shut
 * down. -EDQUOT: this host has not so much to reserve. -EADDRINUSE: another socket between the same addresses
 * (SO_REUSEADDR, SO_REUSEPORT) is signalled as their sender. -ENETUNREACH. -ENOBUFS: too many.
 */
int gw_qos_set(struct gw *gw, int fd, const struct gw_qos *qos);

/*
 * Has the host look at the socket's addresses again: after bind(), connect(), accept(), so that what waits for them
 * begins before this returns. Of a socket without QoS it hears the senders from now on. *ret_socket (it may be NULL):
 * by which events tell of it.
 */
int gw_qos_look(struct gw *gw, int fd, uint64_t *ret_socket);

#define GW_QOS_SENDING 0x1u
#define GW_QOS_RECEIVING 0x2u
#define GW_QOS_SHUT 0x4u /* and they will not begin again: -ESHUTDOWN */

/* Ends directions of a socket, of all its groups and destinations too. None had QoS: also 0. */
int gw_qos_end(struct gw *gw, int fd, uint32_t directions);

/*
 * The socket has become a member of a group, or is about to send there: the QoS of what it sends and receives there
 * (NULL: that of the socket). `directions`: GW_QOS_SENDING, _RECEIVING or both. -EISCONN: it has joined it already.
 */
int gw_qos_join(struct gw *gw, int fd, const struct sockaddr *group, socklen_t group_len,
		uint32_t directions, const struct gw_qos *qos);
int gw_qos_leave(struct gw *gw, int fd, const struct sockaddr *group, socklen_t group_len);

struct gw_qos_info {
	size_t size;
	struct gw_qos_direction sending, receiving; /* as asked for */
	uint32_t signals;	  /* 1: the host speaks RSVP on the interface of the socket */
	uint32_t traffic_control; /* 1: packets can be put under a meter there */
	uint64_t link_bps;	  /* 0: not known */
	uint32_t end_to_end; /* 1: every router takes part, 0: one does not, UINT32_MAX: not known */
	uint32_t sending_reserved; /* 1: a reservation stands for what it sends */
	uint64_t max_unreserved_bps; /* that it may send while nothing is reserved for it; 0: any rate */
};
int gw_qos_query(struct gw *gw, int fd, struct gw_qos_info *ret_info);

/* ---- events ---- */

enum gw_event_type {
	GW_EVENT_COMPLETED = 1,	   /* a request that was pending: token, status */
	GW_EVENT_FLOW_ADDED = 2,   /* after gw_watch() */
	GW_EVENT_FLOW_CHANGED = 3, /* after gw_watch() */
	GW_EVENT_FLOW_ENDED =
		4, /* after gw_watch(), and for each own flow that ended without being asked */
	GW_EVENT_LOST = 5,	   /* `lost` events did not fit, the caller read too slowly */
	GW_EVENT_DISCONNECTED = 6, /* the daemon went away: every flow of the handle has ended */
	/* Of sessions of RSVP: `token` is the session's identifier, `rsvp` what happened. */
	GW_EVENT_RSVP_PATH = 7, /* to who reserves: a sender has come or changed, or GW_RSVP_GONE */
	GW_EVENT_RSVP_RESV = 8, /* to who sends: a reservation likewise */
	GW_EVENT_RSVP_PATH_ERROR = 9,
	GW_EVENT_RSVP_RESV_ERROR = 10,
	GW_EVENT_RSVP_CONFIRM =
		11, /* the reservation was in place, as far as whoever answered knows */
	GW_EVENT_RSVP_MESSAGE = 12, /* after gw_rsvp_watch() */
	GW_EVENT_RSVP_HOP = 13	    /* after gw_rsvp_diagnose(): `token` is that of the question */
};

struct gw_event {
	size_t size;
	enum gw_event_type type;
	int status;
	uint64_t token;
	uint64_t lost;
	uint64_t time_us; /* since the epoch */
	/* of FLOW_ENDED: "closed", "removed", "shutdown", "owner-died", ...; of FLOW_CHANGED "added", "changed", "path" */
	char reason[24];
	/*
	 * Of GW_EVENT_RSVP_..., else NULL. In the callback it is the library's; what gw_event_next() gives belongs to
	 * the caller: gw_event_release().
	 */
	struct gw_rsvp_record *rsvp;
	uint64_t socket; /* of GW_EVENT_RSVP_...: it is about the QoS of this socket, see gw_qos_look(); else 0 */
	uint64_t reserved[2]; /* zero */
	struct gw_flow_record flow;
};

/* Asks for events about every flow that the caller may see. */
int gw_watch(struct gw *gw);

/* A descriptor that polls readable while events may be waiting. Owned by the handle: do not close it. */
int gw_event_fd(const struct gw *gw);

/*
 * Takes one event. Returns 1 with an event, 0 if none came within `timeout_ms` (-1: no limit, 0: no wait).
 * With on_event set, the callback has taken it and *ret_event is not written.
 */
int gw_event_next(struct gw *gw, int timeout_ms, struct gw_event *ret_event);

/* Frees what came with an event of RSVP that gw_event_next() gave; with other events, and NULL, it does nothing. */
void gw_event_release(struct gw_event *event);

/* The version of the library, "0.1.0". */
const char *gw_version(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
