/* SPDX-License-Identifier: MIT */
/*
 * handle.h: what a HANDLE stands for. The process has one table of objects; a HANDLE names a slot
 * of it and the slot's generation, so that closed handles, sockets and arbitrary integers are
 * recognized without being followed (spec/qwave.md §4.1).
 *
 * Objects are counted: the table holds one reference, each call in progress another, and what is
 * pending on an object one more. Closing takes an object out of the table; the last reference
 * destroys it.
 */
#ifndef GW_WINQOS_HANDLE_H
#define GW_WINQOS_HANDLE_H

#include <stdatomic.h>
#include <windows.h>

/* Bits, so that a lookup can accept several types. */
enum object_type {
	OBJECT_EVENT = 1,
	OBJECT_TIMER = 2,
	OBJECT_QOS = 4,
	/* Never in the table: */
	OBJECT_OPERATION = 8,
	OBJECT_QUEUE = 16,
	OBJECT_SOCKET = 32
};

struct object {
	enum object_type type;
	atomic_uint references;
	void (*destroy)(struct object *object);
};

/* Makes `object` one with a single reference, the caller's. */
void object_init(struct object *object, enum object_type type,
		 void (*destroy)(struct object *object));

void object_ref(struct object *object);

/* Gives a reference back, and with the last one destroys. NULL is allowed. */
void object_unref(struct object *object);

/*
 * Enters an object into the table, which takes over the caller's reference. NULL, with the
 * reference given back, if memory is out. Handles are multiples of 4: their low bits carry meaning
 * in OVERLAPPED.hEvent.
 */
HANDLE handle_new(struct object *object);

/* A new reference to the object of a live handle of one of these types, or NULL. */
struct object *handle_get(HANDLE handle, unsigned types);

/* Takes the object out of the table and hands over the table's reference; NULL as above. */
struct object *handle_take(HANDLE handle, unsigned types);

/* For fork(): holds the table still, and in the child visits what is in it (fork.c). */
void handle_table_lock(void);
void handle_table_unlock(void);
void handle_visit_locked(void (*visit)(struct object *object));

#endif
