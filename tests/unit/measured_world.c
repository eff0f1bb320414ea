/* SPDX-License-Identifier: MIT */
/* measured_world.c: see measured_world.h. */
#include "measured_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct world *measured_world_new(struct fake_measuring *ret_measuring)
{
	struct world *world = world_new(NULL);

	world->on_link = true;
	fake_measuring_init(ret_measuring);
	engine_set_measuring(world->engine, &ret_measuring->table, world->now_us);
	return world;
}

void measured_world_end(struct world *world, const struct fake_measuring *measuring)
{
	world_end(world);
	assert_int_equal(fake_measured_open(measuring), 0);
}
