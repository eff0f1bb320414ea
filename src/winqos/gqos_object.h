/* SPDX-License-Identifier: MIT */
/*
 * gqos_object.h: the ProviderSpecific list of a QOS structure (spec/gqos.md §6).
 *
 * The list is the caller's and may hold anything: nothing behind its stated length is read, and nothing of it is read
 * in place, since objects follow each other by their lengths and may begin anywhere. Pointers inside objects are copied
 * here and followed elsewhere (gqos_reserve.c, gqos_check.c), for they are only worth something during the call.
 *
 * Errors of every gqos_*() function here and in its neighbours are Winsock values; 0 is success.
 */
#ifndef GW_WINQOS_GQOS_OBJECT_H
#define GW_WINQOS_GQOS_OBJECT_H

#include <stdbool.h>
#include <winsock2.h>
#include <qosobjs.h>
#include <qossp.h>

struct gqos_object {
	ULONG type;
	const unsigned char *bytes; /* head included */
	ULONG length;
};

struct gqos_list {
	const unsigned char *at;
	size_t left;
};

/* Begins at the first object. WSA_QOS_EPROVSPECBUF for a length without a buffer. */
int gqos_list_begin(const WSABUF *buffer, struct gqos_list *ret_list);

/*
 * Steps to the next object, whose length is at least that of its type (unknown types: of a head). At the end
 * *ret_object is one of type QOS_OBJECT_END_OF_LIST, also if the list has none. WSA_QOS_EPROVSPECBUF,
 * WSA_QOS_EOBJLENGTH.
 */
int gqos_list_next(struct gqos_list *list, struct gqos_object *ret_object);

/* What a list says. Of several objects of one type the last one goes. */
struct gqos_objects {
	bool has_sd_mode, has_destination, has_reservation, tcp_traffic;
	ULONG sd_mode;	    /* TC_NONCONF_... */
	ULONG shaping_rate; /* bytes per second; 0: none */
	int dscp, priority; /* -1: none */
	QOS_DESTADDR destination;
	RSVP_RESERVE_INFO reservation;
	struct gqos_object policy; /* of RSVP_OBJECT_POLICY_INFO; length 0: none */
};

int gqos_objects_read(const WSABUF *buffer, struct gqos_objects *ret_objects);

#endif
