/* SPDX-License-Identifier: MIT */
/*
 * records.h: what the socket datapath keeps in mind. The sockets that have a mark, each with its targets in a
 * list; the targets by (socket, destination), so that a server with thousands of destinations on one socket finds
 * each at once; and the rates of flows.
 */
#ifndef GW_DATAPATH_SOCKET_RECORDS_H
#define GW_DATAPATH_SOCKET_RECORDS_H

/* Short memory is an error of the call, not the end of the application. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "datapath/pacing.h"
#include "datapath/socket/options.h"
#include "datapath/socket/socket.h"

/* What a socket is to do with all that it sends. */
struct wish {
	struct mark mark;
	uint32_t class_priority; /* a place in a queue, in place of the mark's priority; 0: none */
	uint64_t paced_bps;	 /* 0: no pacing */
};

/* No padding: hashed by bytes. */
struct target_key {
	uint64_t cookie;
	struct address destination;
	uint64_t any_destination;
};

struct target {
	struct target_key key;
	uint32_t flow_id;
	struct target *prev, *next; /* of the same socket */
	UT_hash_handle hh;
};

/* Owns its targets, and exists while it has some. */
struct marked_socket {
	uint64_t cookie;
	int family;
	struct wish wish;	     /* as asked for */
	struct written_mark written; /* as it was granted */
	struct socket_options saved; /* the application's own values */
	struct target *targets;
	UT_hash_handle hh;
};

/* The rate of a flow. */
struct meter {
	uint32_t flow_id;
	struct datapath_meter asked;
	uint32_t class_priority; /* 0: no class */
	unsigned parts;		 /* that the rate is divided into */
	UT_hash_handle hh;
};

struct socket_datapath {
	struct marked_socket *sockets;
	struct target *targets;
	struct meter *meters;
	struct pacing pacing;
	struct socket_classes classes; /* all NULL: no link is scheduled */
};

struct target_key records_key(const struct datapath_target *target);

/* Of each: NULL if there is none, or memory is short. */
struct marked_socket *records_find_socket(struct socket_datapath *datapath, uint64_t cookie);
struct marked_socket *records_add_socket(struct socket_datapath *datapath, uint64_t cookie,
					 int family);
void records_remove_socket(struct socket_datapath *datapath, struct marked_socket *s);

struct target *records_find_target(struct socket_datapath *datapath, const struct target_key *key);
struct target *records_add_target(struct socket_datapath *datapath, struct marked_socket *s,
				  const struct target_key *key);
void records_remove_target(struct socket_datapath *datapath, struct marked_socket *s,
			   struct target *t);

struct meter *records_find_meter(struct socket_datapath *datapath, uint32_t flow_id);
struct meter *records_add_meter(struct socket_datapath *datapath, uint32_t flow_id);
void records_remove_meter(struct socket_datapath *datapath, struct meter *meter);

#endif
