/* SPDX-License-Identifier: MIT */
/*
 * gqos_translate.h: what a program has said in a QOS structure, in the words of greenwave.h: bits per second in place
 * of bytes, 0 in place of "not specified", and nothing that points into the program's memory.
 */
#ifndef GW_WINQOS_GQOS_TRANSLATE_H
#define GW_WINQOS_GQOS_TRANSLATE_H

#include <greenwave.h>

#include "winqos/gqos_check.h"

/* What has been asked for. What `qos` points to belongs to it; a zeroed one is empty. */
struct gqos_native {
	struct gw_qos qos;
};

/* Nothing asked for, in either direction. */
void gqos_native_init(struct gqos_native *native);
void gqos_native_clear(struct gqos_native *native);

/*
 * Checks all that a program says of a socket of this kind, in the order of §7.5, and translates it. After an error
 * *ret_native is not written.
 */
int gqos_translate(const QOS *qos, const struct gqos_socket *socket,
		   struct gqos_native *ret_native);

/*
 * Takes over of `next` (which is empty then) the directions that it does not keep, and the flags that it adds to those
 * that it does.
 */
void gqos_native_merge(struct gqos_native *native, struct gqos_native *next);

/* Sets directions to nothing asked for: GW_QOS_SENDING, GW_QOS_RECEIVING. */
void gqos_native_end(struct gqos_native *native, unsigned directions);

/* A copy with memory of its own: 0 or WSAENOBUFS. */
int gqos_native_copy(const struct gqos_native *native, struct gqos_native *ret_copy);

#endif
