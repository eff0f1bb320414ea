/* SPDX-License-Identifier: MIT */
/*
 * gqos_item.h: what SIO_GET_QOS tells of one event of RSVP (spec/gqos.md §9.4, §12.2, §12.3, §14). Without a system
 * call.
 */
#ifndef GW_WINQOS_GQOS_ITEM_H
#define GW_WINQOS_GQOS_ITEM_H

#include <greenwave.h>
#include <stdbool.h>
#include <winsock2.h>
#include <qossp.h>

/* The senders that a socket knows of. Zeroed: none. */
struct gqos_sender;
struct gqos_senders {
	struct gqos_sender *list;
	size_t count, capacity;
};
void gqos_senders_clear(struct gqos_senders *senders);

/* About one direction of a socket. */
struct gqos_item {
	struct gqos_item *prev, *next;
	unsigned direction; /* GQOS_SENDING, GQOS_RECEIVING (gqos.h) */
	bool failure;	    /* something was refused, or has broken */
	ULONG code;	    /* WSA_QOS_... */
	FLOWSPEC flowspec;
	size_t objects_length;
	unsigned char objects[]; /* the list: RSVP_STATUS_INFO first, QOS_OBJECT_END_OF_LIST last */
};

/*
 * What an event of RSVP is to a program that has asked for `requested`; senders are entered and left out. NULL: it is
 * told nothing, or memory is out.
 */
struct gqos_item *gqos_item_new(const struct gw_event *event, const QOS *requested,
				struct gqos_senders *senders);

/* Signalling has ended by itself: WSA_QOS_GENERIC_ERROR (§16.2, E26). */
struct gqos_item *gqos_item_new_broken(unsigned direction, const QOS *requested);

/* The answer that carries an item: its size, and the answer itself. */
size_t gqos_item_size(const struct gqos_item *item);
void gqos_item_write(const struct gqos_item *item, void *out);

/* The three numbers of an ERROR_SPEC (§12.2). */
struct gqos_status {
	ULONG code, group, value;
};
struct gqos_status gqos_status_of_error(uint8_t error_code, uint16_t error_value);

#endif
