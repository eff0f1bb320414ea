/* SPDX-License-Identifier: MIT */
/* fake_datapath.c: see fake_datapath.h. */
#include "fake_datapath.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool same_target(const struct datapath_target *a, const struct datapath_target *b)
{
	return a->cookie == b->cookie && a->group == b->group &&
	       a->any_destination == b->any_destination &&
	       (a->any_destination || address_equal(&a->destination, &b->destination));
}

static uint32_t digest(const struct datapath_target *target)
{
	uint32_t last;

	memcpy(&last, target->destination.addr + 12, sizeof(last));
	return (uint32_t)(target->cookie * 31 + target->group * 17 + last) ^
	       (uint32_t)target->destination.port << 15;
}

static struct fake_mark *find(struct fake_datapath *datapath, const struct datapath_target *target)
{
	uint32_t wanted = digest(target);

	for (size_t i = 0; i < datapath->n_marks; i++) {
		if (datapath->digests[i] == wanted &&
		    same_target(&datapath->marks[i].target, target))
			return &datapath->marks[i];
	}
	return NULL;
}

static void drop(struct fake_datapath *datapath, struct fake_mark *mark)
{
	size_t last = --datapath->n_marks;

	datapath->digests[mark - datapath->marks] = datapath->digests[last];
	*mark = datapath->marks[last];
}

static bool is_closed(const struct fake_datapath *datapath, uint64_t cookie)
{
	for (size_t i = 0; i < datapath->n_closed; i++) {
		if (datapath->closed[i] == cookie)
			return true;
	}
	return false;
}

static bool fails_now(struct fake_datapath *datapath)
{
	if (datapath->fail_at == 0 || --datapath->fail_at > 0)
		return false;
	if (--datapath->fail_count > 0)
		datapath->fail_at = 1;
	return true;
}

static int fake_apply(void *data, const struct datapath_target *target,
		      const struct datapath_treatment *treatment)
{
	struct fake_datapath *datapath = data;
	struct fake_mark *mark = find(datapath, target);

	assert((target->cookie == 0) != (target->group == 0));
	assert(target->any_destination == (target->destination.family == AF_UNSPEC));
	datapath->applies++;
	if (fails_now(datapath))
		return datapath->fail_with;
	if (target->cookie != 0 && is_closed(datapath, target->cookie))
		return -ENOENT;
	if (!mark) {
		assert(datapath->n_marks < FAKE_MARKS);
		datapath->digests[datapath->n_marks] = digest(target);
		mark = &datapath->marks[datapath->n_marks++];
	}
	*mark = (struct fake_mark){ *target, *treatment };
	return 0;
}

static void fake_clear(void *data, const struct datapath_target *target)
{
	struct fake_datapath *datapath = data;
	struct fake_mark *mark = find(datapath, target);

	datapath->clears++;
	if (mark)
		drop(datapath, mark);
}

static void drop_socket(struct fake_datapath *datapath, uint64_t cookie)
{
	for (size_t i = datapath->n_marks; i-- > 0;) {
		if (datapath->marks[i].target.cookie == cookie)
			drop(datapath, &datapath->marks[i]);
	}
}

static uint64_t fake_count(void *data)
{
	return ((struct fake_datapath *)data)->n_marks;
}

const struct datapath_ops fake_datapath_ops = {
	.apply = fake_apply,
	.clear = fake_clear,
	.count = fake_count,
};

const struct datapath_ops fake_datapath_ops_descriptors = {
	.apply = fake_apply,
	.clear = fake_clear,
	.count = fake_count,
	.needs_descriptor = true,
};

void fake_fail(struct fake_datapath *datapath, unsigned at, unsigned count, int error)
{
	datapath->fail_at = at;
	datapath->fail_count = count;
	datapath->fail_with = error;
}

void fake_close_socket(struct fake_datapath *datapath, uint64_t cookie)
{
	assert(datapath->n_closed < FAKE_CLOSED);
	datapath->closed[datapath->n_closed++] = cookie;
	drop_socket(datapath, cookie);
}

const struct fake_mark *fake_find(const struct fake_datapath *datapath, uint64_t cookie,
				  const struct address *destination)
{
	struct datapath_target target = { .cookie = cookie, .any_destination = !destination };

	if (destination)
		target.destination = *destination;
	return find((struct fake_datapath *)datapath, &target);
}

const struct fake_mark *fake_find_group(const struct fake_datapath *datapath, uint64_t group)
{
	struct datapath_target target = { .group = group, .any_destination = true };

	return find((struct fake_datapath *)datapath, &target);
}

int fake_dscp(const struct fake_datapath *datapath, uint64_t cookie,
	      const struct address *destination)
{
	const struct fake_mark *mark = fake_find(datapath, cookie, destination);

	return mark && mark->treatment.mark.set_dscp ? mark->treatment.mark.dscp : -1;
}
