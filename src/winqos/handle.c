/* SPDX-License-Identifier: MIT */
/*
 * handle.c: the process-wide table of HANDLEs.
 *
 * A handle value is a tag, the slot's generation, the slot's index, and two low bits that are 0.
 * The tag sets handles apart from descriptors, pointers and small numbers; the generation grows
 * each time a slot changes hands, so that a value lives once. Free slots are reused oldest first,
 * which makes a stale value stay stale for as long as possible.
 */
#include "winqos/handle.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define INDEX_BITS 20
#define GENERATION_BITS 26
#define LOW_BITS 2
#define TAG ((uint64_t)0x4757) /* "GW": not a canonical address on any 64-bit machine */

#define INDEX_COUNT (1u << INDEX_BITS)
#define GENERATION_MASK ((1u << GENERATION_BITS) - 1)
#define TAG_SHIFT (INDEX_BITS + GENERATION_BITS + LOW_BITS)

_Static_assert(sizeof(HANDLE) == 8, "the layout of handle values needs 64 bits");
_Static_assert(TAG_SHIFT == 48, "the tag fills the rest");

struct slot {
	struct object *object; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* index + 1; 0: last */
};

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct slot *slots;
static uint32_t slot_count;
static uint32_t first_free, last_free; /* index + 1; 0: none */

void object_init(struct object *object, enum object_type type,
		 void (*destroy)(struct object *object))
{
	object->type = type;
	object->destroy = destroy;
	atomic_init(&object->references, 1);
}

void object_ref(struct object *object)
{
	atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}

void object_unref(struct object *object)
{
	if (object && atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) == 1)
		object->destroy(object);
}

void handle_table_lock(void)
{
	pthread_mutex_lock(&table_mutex);
}

void handle_table_unlock(void)
{
	pthread_mutex_unlock(&table_mutex);
}

static void put_free_locked(uint32_t index)
{
	slots[index].next_free = 0;
	if (last_free)
		slots[last_free - 1].next_free = index + 1;
	else
		first_free = index + 1;
	last_free = index + 1;
}

static int grow_locked(void)
{
	uint32_t count = slot_count ? 2 * slot_count : 64;
	struct slot *grown;

	if (count > INDEX_COUNT)
		return -ENOMEM;
	grown = realloc(slots, count * sizeof(*slots));
	if (!grown)
		return -ENOMEM;

	slots = grown;
	for (uint32_t i = slot_count; i < count; i++) {
		slots[i] = (struct slot){ .generation = 1 };
		put_free_locked(i);
	}
	slot_count = count;
	return 0;
}

static HANDLE encode(uint32_t index)
{
	uint64_t value = TAG << TAG_SHIFT |
			 (uint64_t)slots[index].generation << (INDEX_BITS + LOW_BITS) |
			 (uint64_t)index << LOW_BITS;

	return (HANDLE)(uintptr_t)value;
}

/* The live slot that a handle names, or NULL. */
static struct slot *find_locked(HANDLE handle, unsigned types)
{
	uint64_t value = (uintptr_t)handle;
	uint32_t index = (value >> LOW_BITS) & (INDEX_COUNT - 1);
	uint32_t generation = (value >> (INDEX_BITS + LOW_BITS)) & GENERATION_MASK;

	if (value >> TAG_SHIFT != TAG || (value & ((1u << LOW_BITS) - 1)) || index >= slot_count)
		return NULL;
	if (!slots[index].object || slots[index].generation != generation)
		return NULL;
	return slots[index].object->type & types ? &slots[index] : NULL;
}

HANDLE handle_new(struct object *object)
{
	HANDLE handle = NULL;

	handle_table_lock();
	if (first_free || grow_locked() == 0) {
		uint32_t index = first_free - 1;

		first_free = slots[index].next_free;
		if (!first_free)
			last_free = 0;
		slots[index].object = object;
		handle = encode(index);
	}
	handle_table_unlock();

	if (!handle)
		object_unref(object);
	return handle;
}

struct object *handle_get(HANDLE handle, unsigned types)
{
	struct object *object = NULL;
	struct slot *slot;

	handle_table_lock();
	slot = find_locked(handle, types);
	if (slot) {
		object = slot->object;
		object_ref(object);
	}
	handle_table_unlock();
	return object;
}

struct object *handle_take(HANDLE handle, unsigned types)
{
	struct object *object = NULL;
	struct slot *slot;

	handle_table_lock();
	slot = find_locked(handle, types);
	if (slot) {
		object = slot->object;
		slot->object = NULL;
		slot->generation = slot->generation == GENERATION_MASK ? 1 : slot->generation + 1;
		put_free_locked((uint32_t)(slot - slots));
	}
	handle_table_unlock();
	return object;
}

void handle_visit_locked(void (*visit)(struct object *object))
{
	for (uint32_t i = 0; i < slot_count; i++) {
		if (slots[i].object)
			visit(slots[i].object);
	}
}
