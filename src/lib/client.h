/* SPDX-License-Identifier: MIT */
/*
 * client.h: one handle of libgreenwave: a connection to an engine, shared by the threads of a program.
 *
 * There is no thread of the library's own. Whoever waits, reads: of the threads that wait for replies or
 * events, one at a time is the reader; it hands replies to the threads they belong to, and events to the
 * queue or the callback. When it has what it waited for, the next waiting thread takes over.
 */
#ifndef GW_LIB_CLIENT_H
#define GW_LIB_CLIENT_H

#include <greenwave.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#include "proto/msg.h"

struct waiter;
struct telling;
struct queued_event;
struct pending_rate;
struct placed;
struct placed_flow;

/* placed.c */
struct placed_table {
	struct placed_flow *flows; /* hash by identifier */
	struct placed *sockets;	   /* hash by flow and cookie */
	struct placed *loose;	   /* a list: being added, or memory was too short for the hashes */
};

struct gw {
	int fd;
	int epoll_fd; /* what gw_event_fd() gives: the connection and queue_fd */
	int queue_fd; /* eventfd: the queue is not empty */
	pid_t pid; /* of the process that opened it; a forked child must not touch the connection */
	uint32_t host_flags;
	void (*on_event)(const struct gw_event *event, void *user_data);
	void *user_data;

	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t
		changed; /* a reply or event has come, the reader has left, or the handle has ended */
	uint32_t next_serial;
	bool reading; /* a thread is in recv() */
	bool lost;    /* the connection is gone */
	bool ending;
	bool ended;
	struct waiter *waiters;
	struct telling *tellings; /* callbacks that are running */
	uint64_t n_begun;	  /* callbacks */
	uint64_t n_told;	  /* of these, how many are over */
	struct queued_event *queue;
	size_t n_queued;
	uint64_t n_lost;
	bool signalled;		    /* queue_fd is readable */
	struct pending_rate *rates; /* of gw_flow_begin_rate() */
	struct placed_table placed; /* which descriptors flows were given */
};

/* A reply, with room for the message it came in. */
struct reply {
	struct msg msg;
	size_t len;
	unsigned char buf[MSG_MAX];
};

#define ANSWER_US UINT64_C(4000000) /* for so long a daemon may keep a new client waiting */

/*
 * In a forked child, whose copy of the handle is its parent's, and whose copy of the lock may be held for ever by a
 * thread that is not there.
 */
static inline bool client_is_inherited(const struct gw *gw)
{
	return gw->pid != getpid();
}

/* connect.c */

/* Finds an engine, connects gw->fd to it, and introduces the handle. */
int client_open(struct gw *gw, const struct gw_open_options *options, const char *api);

/* call.c */

/*
 * Sends a request with descriptors and waits for its reply. Returns the status in it, or -ESHUTDOWN, -ECHILD,
 * -ECANCELED.
 */
int client_call(struct gw *gw, struct msg *request, const int *fds, size_t n_fds,
		struct reply *reply);

/*
 * The same with copies of descriptors, which it closes before it waits: the reply may take its time, and the program's
 * own close() must be the last.
 */
int client_change(struct gw *gw, struct msg *request, const int *copies, size_t n_copies,
		  struct reply *reply);

/* Only sends, and closes the copies; -EAGAIN: there is no room. Its reply, by client_serial(), finds nobody. */
int client_send(struct gw *gw, struct msg *request, const int *copies, size_t n_copies);
uint32_t client_serial(struct gw *gw); /* lock held */

/*
 * MSG_ADD of a socket that placed_begin() has seen (NULL: it is not kept), and settles it before anything else that
 * comes is looked at: else the news of the flow's end could overtake it.
 */
int client_add(struct gw *gw, struct msg *request, int fd, struct placed *placed,
	       struct reply *reply);

/* As client_call(), for the thread that ends the handle, when nobody else gets in any more. */
int client_last_call(struct gw *gw, struct msg *request, const int *fds, size_t n_fds,
		     struct reply *reply);

/* The first exchange on a connection, before anyone else knows the handle. */
int client_hello(struct gw *gw, const char *api);

/* Sends MSG_END, cancels all who wait, and lets nobody in again. */
void client_end(struct gw *gw);

/* Fills `request` with its type. */
#define REQUEST(type_)                     \
	{                                  \
		.head = {.type = (type_) } \
	}

/* flow.c: a request about one flow, with those of its descriptors that were kept for that */
int flow_change(struct gw *gw, struct msg *request, uint32_t id, struct reply *reply);
/* The mark of what exceeds the flow's rate, where that is another than the flow's; else -1. */
int32_t flow_excess_dscp(struct gw *gw, uint32_t id);

/*
 * rate.c: rates that pend by a token. Lock held, and dropped while sending. True: the message was about one of them,
 * and is for nobody else. That it is over may make an event of its reply: then `msg` is that.
 */
bool rate_moves_on(struct gw *gw, struct msg *msg);
void rate_free_all(struct gw *gw);

/* path.c */
struct gw_path_info path_info_of(const struct msg *msg);

/* events.c */
int event_push(struct gw *gw,
	       const struct gw_event *event); /* lock held; drops and counts when full */
bool event_pop(struct gw *gw, struct gw_event *ret_event); /* lock held */
/* What comes with it is the event's; without memory for that, it tells of an event that was lost. */
void event_from_msg(const struct msg *msg, const void *buf, size_t len, struct gw_event *ret_event);
void event_free_all(struct gw *gw);

/*
 * Waits for one message up to timeout_ms and routes it, as reader or by letting another thread read. Lock held.
 * Returns false when the time is over.
 */
bool client_wait_step(struct gw *gw, int timeout_ms);

/*
 * placed.c: which descriptors the flows of a handle were given. Kept for hosts whose marks are options of the
 * sockets themselves (MSG_HOST_NEEDS_FDS), where every change must bring the descriptors along; for adaptive
 * flows, whose sockets are first marked by a change: any host must then be able to see that they are alive; and for
 * TCP sockets, which are paced by an option: what concerns a rate must bring them along to any host.
 */

/*
 * Before a socket is asked to be added to flow `id` (0: a new one): from now on the end of the handle finds its
 * descriptor. *ret_placed is NULL for sockets that no request will need. -ENOMEM; -ENOBUFS: more sockets than one
 * message carries, where it must carry all.
 */
int placed_begin(struct gw *gw, uint32_t id, int fd, uint32_t flow_flags,
		 struct placed **ret_placed);

/* The answer is there: the flow's identifier or, if there is none, 0. Lock held. */
void placed_settle(struct gw *gw, struct placed *placed, uint32_t id);

void placed_expect_rate(struct gw *gw, uint32_t id); /* before the flow is given one */
void placed_ended(struct gw *gw, uint32_t id);	     /* lock held: the flow has ended by itself */
void placed_drop(struct gw *gw, uint32_t id, uint64_t cookie); /* cookie 0: all of the flow */

/*
 * Copies of those descriptors of a flow that its host needs, or (id 0) of those that are being added;
 * placed_close() them afterwards. Of more than one message carries, the first.
 */
size_t placed_collect(struct gw *gw, uint32_t id, int fds[static MSG_MAX_FDS]);
size_t placed_collect_one(struct gw *gw, uint32_t id, uint64_t cookie, int *ret_fd);
void placed_close(const int *fds, size_t n);

/* A flow that must be removed with its descriptors at hand; 0: none. Forgets the others. For the end. */
uint32_t placed_next(struct gw *gw);
void placed_free_all(struct gw *gw);

uint64_t socket_cookie(int fd); /* 0: not a socket */

/*
 * pace.c: what gw_pace() knows of the flows of this process. Only of those with GW_FLOW_PACES, at hosts whose marks are
 * options of the sockets (MSG_HOST_NEEDS_FDS): others shape in the kernel.
 */

/* A socket was added to the flow; `flow_flags` if that is new. -ENOMEM. */
int pace_add(const struct gw *gw, uint32_t id, int fd, const struct address *destination,
	     uint32_t flow_flags);
void pace_drop(const struct gw *gw, uint32_t id, uint64_t cookie); /* cookie 0: all of the flow */
void pace_end(const struct gw *gw);				   /* all of the handle */
bool pace_knows(const struct gw *gw, uint32_t id);

/* The rate that the host has accepted. `excess_dscp`: -1 if what exceeds it is marked like the rest. */
void pace_set_rate(const struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		   int32_t excess_dscp);
bool pace_marks_excess(const struct gw *gw, uint32_t id); /* by another mark than the flow's */
void pace_set_excess(const struct gw *gw, uint32_t id, int32_t excess_dscp);

/* rsvp.c: one block with all that the record points to; NULL: memory is short, or it is no record. */
struct gw_rsvp_record *rsvp_record_copy(const struct codec_bytes *bytes);

#endif
