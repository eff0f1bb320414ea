/* SPDX-License-Identifier: MIT */
/* measured_world.h: a world (world.h) of neighbours, to which a host measures the paths (fake_measuring.h). */
#ifndef GW_TESTS_MEASURED_WORLD_H
#define GW_TESTS_MEASURED_WORLD_H

#include "fake_measuring.h"
#include "world.h"

struct world *measured_world_new(struct fake_measuring *ret_measuring);

/* As world_end(); and no path is measured any more. */
void measured_world_end(struct world *world, const struct fake_measuring *measuring);

#endif
