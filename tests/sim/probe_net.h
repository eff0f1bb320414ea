/* SPDX-License-Identifier: MIT */
/*
 * probe_net.h: hosts that measure each other under a virtual clock. Each has a link to a switch and one from it, a
 * clock of its own that is off and drifts, and a program that is not always on time. Two hosts that send to a third
 * share its link. TCP is reliable and in order, cuts and joins what is written as it likes, and has nothing to do
 * with the links but their delay. A host has a node of MS-QLPB, or a whole prober with interface 1.
 */
#ifndef GW_SIM_PROBE_NET_H
#define GW_SIM_PROBE_NET_H

#include "probe/prober.h"
#include "probe_link.h"

#define PROBE_NET_HOSTS 16
#define PROBE_NET_CONNECTIONS 256

struct probe_host_plan {
	struct probe_link_plan up, down; /* to the switch, and from it */
	uint64_t clock_offset_ns;
	double clock_ppm;
	uint64_t late_ns; /* at most, between an event and the program's running */
	uint64_t coalesce_ns; /* packets are stamped all at once every so often; 0: each when it comes */
	struct qlpb_config config;
	bool deaf;  /* nobody listens there: connections are refused */
	bool whole; /* a prober, with the configuration below, and raw sockets or without */
	bool raw;
	struct prober_config prober;
	struct qlpb_link link;
};

struct probe_host;

/* What the program on a host wants to know of its experiments; any may be NULL. */
struct probe_watcher {
	bool (*train)(void *data, const struct probe_train *train);
	void (*gap)(void *data, const struct probe_gap *gap);
	void (*finished)(void *data, const struct qlpb_result *result);
	void (*event)(void *data, enum path_event event);
	void (*refreshed)(void *data);
	void (*admitted)(void *data, uint64_t token, int status);
	bool (*tcp)(uint64_t cookie, struct passive_tcp *ret_tcp);
	void (*frame)(const struct probe_host *host, const struct lltd_frame *frame); /* it sends */
};

struct probe_host {
	struct probe_net *net;
	uint32_t number;
	struct probe_host_plan plan;
	struct address address, other; /* IPv4 and IPv6, or the other way round */
	struct probe_link up, down;
	struct qlpb *qlpb;
	struct prober *prober; /* whose that is; NULL: there is none */
	bool dead;	       /* neither hears nor says anything */
	struct dice dice;
	struct event tick;
	uint64_t busy_until_ns; /* what has arrived is handed in in order */
	uint16_t next_port;
	uint32_t n_sent, n_echoes_asked, n_echoes_sent;
	uint64_t udp_in_bytes, udp_out_bytes; /* payload */
	uint64_t tcp_in_bytes, tcp_out_bytes;
	uint64_t n_frames_sent, frame_out_bytes; /* of raw sockets */
};

/* One end of a TCP connection: who connected (0), and to whom (1). */
struct probe_end {
	struct probe_host *host;
	uint32_t connection; /* its number there; 0: it was opened by hand, or refused */
	bool open;	     /* the program has it */
	uint64_t last_ns;    /* when what was sent last from here arrives */
	uint8_t *inbox;	     /* has arrived, and is not handed in yet */
	size_t inbox_len;
	bool finished; /* nothing follows */
};

struct probe_connection {
	struct probe_net *net;
	uint16_t port;	    /* of who connected */
	unsigned in_flight; /* events */
	bool used;
	struct probe_end ends[2];
};

struct probe_net {
	struct queue queue; /* times are in nanoseconds */
	uint64_t now_ns;
	struct dice dice;
	double tcp_stall; /* probability that something that is written comes 200 ms later */
	bool six;
	unsigned n_hosts;
	struct probe_host hosts[PROBE_NET_HOSTS];
	struct probe_connection connections[PROBE_NET_CONNECTIONS];
	struct probe_watcher watcher;
	/* Every packet that a host sends, before it is on the link. May be NULL. */
	void (*spy)(struct probe_net *net, const struct probe_host *host,
		    const struct qlpb_datagram *datagram);
};

extern const struct probe_host_plan
	probe_host_plan_default; /* 100 Mbit/s, 100 us, nothing goes wrong */

/* IPv4 or IPv6, by the seed. */
struct probe_net *probe_net_new(uint64_t seed);
struct probe_net *probe_net_free(struct probe_net *net);
struct probe_host *probe_net_host(struct probe_net *net, const struct probe_host_plan *plan);

/* Everything that happens until then. */
void probe_net_run(struct probe_net *net, uint64_t ns);

/* The clock of the host, now. */
uint64_t probe_host_stamp_ns(const struct probe_host *host);
uint64_t probe_host_now_us(const struct probe_host *host);
/* Which time of the net a time of the host's clock is. */
uint64_t probe_host_net_ns(const struct probe_host *host, uint64_t stamp_ns);

/* With sink and ifindex filled in. */
int probe_host_start(struct probe_host *host, const struct probe_host *sink,
		     struct qlpb_request request, uint32_t *ret_experiment);
void probe_host_cancel(struct probe_host *host, uint32_t experiment);
/* Its program ends, and another one begins. */
void probe_host_restart(struct probe_host *host);
/* A datagram that bears the address of `claims`. */
void probe_host_forge(struct probe_host *host, const struct probe_host *claims,
		      const struct probe_host *to, uint16_t source_port, const uint8_t *data,
		      size_t len);
/* Opens a connection to the sink by hand, and writes; 0: there are too many. */
struct probe_connection *probe_host_connect(struct probe_host *host, struct probe_host *sink);
void probe_connection_write(struct probe_connection *connection, const uint8_t *data, size_t len);
void probe_connection_close(struct probe_connection *connection);

#endif
