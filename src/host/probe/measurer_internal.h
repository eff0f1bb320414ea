/* SPDX-License-Identifier: MIT */
/* measurer_internal.h: the state of a measurer, shared by the files that are the measurer. */
#ifndef GW_HOST_MEASURER_INTERNAL_H
#define GW_HOST_MEASURER_INTERNAL_H

/* A table that cannot grow is an error like any other. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "datapath/interfaces.h"
#include "host/probe/connections.h"
#include "host/probe/datagrams.h"
#include "host/probe/evidence.h"
#include "host/probe/frames.h"
#include "host/probe/measurer.h"
#include "host/probe/waker.h"

/* A question of admission that is not answered yet, or whose answer has not been told yet. */
struct measured_wish {
	uint64_t token;
	bool answered;
	int status;
	struct measured_wish *prev, *next;
};

/* A TCP socket of a flow that takes the path. */
struct measured_socket {
	uint64_t cookie;
	UT_hash_handle hh;
};

struct measured {
	struct measurer *measurer;
	struct flow_path *path; /* the engine's name for it */
	struct prober_path *prober_path;
	unsigned events; /* a bit for each enum measuring_event that is to be told */
	struct measured_wish *wishes;
	struct measured_socket *sockets;
	bool queued;
	struct measured *prev, *next; /* of those of whom something is to be told */
};

struct measurer {
	struct measurer_options options;
	struct measuring table;
	struct prober *prober;
	struct evidence *evidence;
	struct datagrams *datagrams;
	struct connections *connections;
	struct frames *frames;	       /* NULL: no raw socket */
	struct interfaces *interfaces; /* NULL: nobody needs to know */
	struct event *interfaces_readable;
	struct waker *waker;
	struct event *deliver;
	struct event *retry; /* to take ports that others have */
	int ports_error;     /* why not all of them are open; 0: they are, or are not needed */
	uint64_t complained_rests; /* of floods */
	bool ports_open;	   /* nothing is left to open */
	unsigned n_open;	   /* paths that the engine has open */
	struct measured *queue;	   /* of whom something is to be told */
	struct measured *telling;  /* NULL once it is closed */
};

/* ---- measurer.c ---- */

/* After whatever may have changed when the prober has something to do, or what is to be told. */
void measurer_settle(struct measurer *measurer);
/* Opens what is needed now, and closes what is not. */
void measurer_follow(struct measurer *measurer);
void measurer_trouble(struct measurer *measurer, const char *what);

/* Whether that is one by which paths may be measured; 0: whichever it is. */
bool measurer_allows(const struct measurer *measurer, uint32_t ifindex);

/* ---- measurer_ports.c: what the prober needs of the host ---- */

int measurer_ports_new(struct measurer *measurer);
void measurer_ports_free(struct measurer *measurer);
void measurer_ports_follow(struct measurer *measurer, bool needed);
struct prober_ports measurer_prober_ports(struct measurer *measurer);

/* ---- measurer_told.c: what the prober says, and when the engine hears it ---- */

void measurer_on_event(void *user_data, void *data, enum path_event event);
void measurer_on_refreshed(void *user_data, void *data);
void measurer_on_admitted(void *user_data, void *data, uint64_t token, int status);
void measurer_tell(struct measurer *measurer, uint64_t now_us);
/* It is gone: nothing is told of it any more. */
void measurer_forget(struct measured *measured);

#endif
