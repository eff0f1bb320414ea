/* SPDX-License-Identifier: MIT */
/*
 * qdisc.h: queueing disciplines on a link. The kinds that hold packets at the leaves of a schedule
 * each have a file of their own behind `struct qdisc_kind`; adding one edits no other.
 */
#ifndef GW_DATAPATH_QDISC_H
#define GW_DATAPATH_QDISC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;
struct tc;

/* IFNAMSIZ, as the kernel has it for names of kinds. */
#define QDISC_KIND_LEN 16

/* What the options of a queue follow from. */
struct queue_size {
	uint64_t rate_bps;    /* at which it is emptied at best */
	uint32_t frame_bytes; /* the largest frame */
	uint32_t max_packets; /* 0: follows from the rate */
	uint32_t split_bytes; /* larger packets are split, by the kind that can */
};

struct qdisc_kind {
	const char *name;
	/* Appends TCA_OPTIONS; the same options are fit for a new queue and for one in use. */
	void (*fill)(struct nlmsghdr *message, const struct queue_size *size);
};

extern const struct qdisc_kind qdisc_fq_codel;
extern const struct qdisc_kind qdisc_fq;
extern const struct qdisc_kind qdisc_pfifo;
extern const struct qdisc_kind qdisc_tbf;

/* How many a plain queue holds. */
uint32_t qdisc_fifo_packets(const struct queue_size *size);

/* NULL: no kind that we put at a leaf. */
const struct qdisc_kind *qdisc_kind_find(const char *name);

/* Where a queueing discipline stands. */
struct qdisc_place {
	uint32_t ifindex;
	uint32_t parent;
	uint32_t handle;
};

/* -ENOENT: the kernel has no such kind. */
int qdisc_create(struct tc *tc, const struct qdisc_place *place, const struct qdisc_kind *kind,
		 const struct queue_size *size);

/* New options in place; packets stay queued. */
int qdisc_change(struct tc *tc, const struct qdisc_place *place, const struct qdisc_kind *kind,
		 const struct queue_size *size);

/* Any kind, with options as a dump gave them; `replace`: whatever stands at that place. */
int qdisc_put_raw(struct tc *tc, const struct qdisc_place *place, const char *kind,
		  const void *options, size_t options_len, bool replace);

int qdisc_delete(struct tc *tc, const struct qdisc_place *place);

/* One that the kernel tells of; pointers are valid during the call. */
struct qdisc_seen {
	struct qdisc_place place;
	const char *kind;
	const void *options; /* NULL: none told */
	size_t options_len;
	uint32_t drops;
	uint32_t backlog_bytes;
};

/* -EBADMSG: not about one that is there. */
int qdisc_parse(const struct nlmsghdr *message, struct qdisc_seen *ret_qdisc);

typedef void qdisc_fn(void *user_data, const struct qdisc_seen *qdisc);

/* All of a link, or of every link (0). */
int qdisc_visit(struct tc *tc, uint32_t ifindex, qdisc_fn *visit, void *user_data);

#endif
