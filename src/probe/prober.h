/* SPDX-License-Identifier: MIT */
/*
 * prober.h: all that one host measures: the paths (path.h), the protocols by which they are measured (qlpb.h, lltd.h),
 * and which of them does what for whom. One MS-QLPB node for the host, one LLTD node for each interface that has one.
 *
 * It opens no socket and reads no clock: what arrives is handed to prober_qlpb() and prober_lltd() with the time, what
 * leaves goes through struct prober_ports. One thread. After anything was handed in, the deadline may be another.
 *
 * Paths are found by (interface, destination) and stay for the time to linger after the last user has gone, so
 * that who comes back finds what is known (spec/qwave.md §5.2, §11). They are bounded in number.
 */
#ifndef GW_PROBE_PROBER_H
#define GW_PROBE_PROBER_H

#include "probe/lltd.h"
#include "probe/path.h"
#include "probe/qlpb.h"

struct prober;
struct prober_path;

struct prober_ports {
	void *user_data;

	/* ---- as of struct qlpb_ports ---- */
	int (*send)(void *user_data, const struct qlpb_datagram *datagrams, unsigned n);
	int (*connect)(void *user_data, uint32_t connection, const struct address *sink,
		       uint32_t ifindex);
	int (*write)(void *user_data, uint32_t connection, const uint8_t *data, size_t len);
	void (*close)(void *user_data, uint32_t connection);
	void (*link)(void *user_data, uint32_t ifindex, struct qlpb_link *ret_link);
	bool (*on_link)(void *user_data, const struct address *address, uint32_t ifindex);

	/* ---- as of struct lltd_ports; NULL: there are no raw sockets ---- */
	int (*send_frames)(void *user_data, uint32_t ifindex, const struct lltd_frame *frames,
			   unsigned n);
	void (*counts)(void *user_data, uint32_t ifindex, struct lltd_counts *ret_counts);
	/*
	 * The station that has a neighbour's address. 0; -EAGAIN: it is being asked for, ask again; -EHOSTUNREACH:
	 * nobody has it; -EOPNOTSUPP: the interface has no stations.
	 */
	int (*station)(void *user_data, const struct address *address, uint32_t ifindex,
		       struct lltd_mac *ret_mac);

	uint64_t (*stamp_ns)(void *user_data);
	uint32_t (*random)(void *user_data);

	/* ---- what the host sees anyway; about four times a second for each path that has users ---- */
	/* Of one socket that was added; false: it is not there (any more). */
	bool (*tcp)(void *user_data, uint64_t cookie, struct passive_tcp *ret_tcp);
	bool (*queue)(void *user_data, uint32_t ifindex, struct passive_queue *ret_queue);

	/* ---- what happens to a path that is open, with its `data`; must not call back ---- */
	void (*event)(void *user_data, void *data, enum path_event event);
	/* What prober_refresh() asked for is there, or will not be: see path_fundamentals(). */
	void (*refreshed)(void *user_data, void *data);
	void (*admitted)(void *user_data, void *data, uint64_t token, int status);
};

struct prober_config {
	bool initiator, sink;
	uint32_t max_paths;
	struct qlpb_config qlpb; /* its roles are those above */
	struct lltd_config lltd; /* likewise, of every interface */
};

void prober_config_default(struct prober_config *ret_config);

/* NULL: no memory. */
struct prober *prober_new(const struct prober_ports *ports, const struct prober_config *config,
			  uint64_t now_us);
/* Closes everything: nothing is told of paths any more. NULL is allowed; returns NULL. */
struct prober *prober_free(struct prober *prober, uint64_t now_us);

uint64_t prober_deadline_us(const struct prober *prober);
void prober_tick(struct prober *prober, uint64_t now_us);

/* ---- interfaces ---- */

struct prober_link {
	uint32_t ifindex;
	bool running;
	uint64_t rate_bps; /* 0: not known */
	bool has_stations; /* Ethernet, or what looks like it: LLTD is possible */
	bool tags;	   /* it puts the priority of a datagram into a tag by itself (a VLAN) */
	struct lltd_mac mac;
};

/* A new one, or one that has changed. -ENOMEM, -ENOBUFS. */
int prober_set_link(struct prober *prober, const struct prober_link *link, uint64_t now_us);
void prober_remove_link(struct prober *prober, uint32_t ifindex, uint64_t now_us);

/* To hand in what has arrived; the second is NULL for an interface that has no node. Owned by the prober. */
struct qlpb *prober_qlpb(struct prober *prober);
struct lltd *prober_lltd(struct prober *prober, uint32_t ifindex);

/* ---- paths ---- */

struct prober_target {
	struct address destination; /* port 0 */
	uint32_t ifindex;
	bool on_link;
};

/* `data`: for the ports. Each path is open once. -EALREADY: it is open; -ENOBUFS, -ENOMEM. */
int prober_open(struct prober *prober, const struct prober_target *target, void *data,
		struct prober_path **ret_path, uint64_t now_us);
/* Nothing is told of it any more. It has no users from now on, and lingers. */
void prober_close(struct prober *prober, struct prober_path *path, uint64_t now_us);

void prober_set_users(struct prober *prober, struct prober_path *path, unsigned trackers,
		      unsigned flows, uint64_t now_us);
/* TCP connections over this path: of the first few that are there the figures are looked at. */
int prober_add_socket(struct prober *prober, struct prober_path *path, uint64_t cookie);
void prober_remove_socket(struct prober *prober, struct prober_path *path, uint64_t cookie);

/* refreshed() follows, within 5 s. -EAGAIN: one is under way for this path already; -EOPNOTSUPP: nothing to measure by. */
int prober_refresh(struct prober *prober, struct prober_path *path, uint64_t now_us);
/* As path_admit(); admitted() brings the token. */
int prober_admit(struct prober *prober, struct prober_path *path, uint64_t current_bps,
		 uint64_t wanted_bps, uint64_t token, uint64_t now_us);
void prober_forget(struct prober *prober, struct prober_path *path, uint64_t token);

/* For asking only: path_fundamentals(), path_state() ... */
const struct path *prober_path(const struct prober_path *path);

/* ---- seeing ---- */

struct prober_sizes {
	uint32_t paths, links, open;
};
struct prober_sizes prober_sizes(const struct prober *prober);

/* Of all interfaces that there are, and were: it never falls. */
uint64_t prober_lltd_counter(const struct prober *prober, enum lltd_counter counter);

#endif
