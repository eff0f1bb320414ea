/* SPDX-License-Identifier: MIT */
/* fake_measuring.c: see fake_measuring.h. */
#include "fake_measuring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static int fake_open(void *user_data, const struct measuring_target *target, struct flow_path *path,
		     struct measured **ret_measured, uint64_t now_us)
{
	struct fake_measuring *fake = user_data;
	struct measured *measured;

	(void)now_us;
	if (fake->open_error < 0)
		return fake->open_error;
	if (fake->n_paths == FAKE_PATHS)
		return -ENOBUFS;
	assert_int_equal(target->destination.port, 0);
	measured = &fake->paths[fake->n_paths++];
	*measured = (struct measured){
		.open = true,
		.path = path,
		.target = *target,
		.fundamentals_status = fake->next_fundamentals,
		.admit_status = -EINPROGRESS,
	};
	*ret_measured = measured;
	return 0;
}

static void fake_close(void *user_data, struct measured *measured, uint64_t now_us)
{
	(void)user_data;
	(void)now_us;
	assert_true(measured->open);
	measured->open = false;
}

static void fake_set_users(void *user_data, struct measured *measured, unsigned trackers,
			   unsigned flows, uint64_t now_us)
{
	(void)user_data;
	(void)now_us;
	assert_true(measured->open);
	measured->trackers = trackers;
	measured->flows = flows;
}

static int fake_add_socket(void *user_data, struct measured *measured,
			   const struct measuring_socket *socket)
{
	(void)user_data;
	assert_true(measured->open);
	for (size_t i = 0; i < measured->n_sockets; i++)
		assert_true(measured->sockets[i] != socket->cookie);
	assert_true(measured->n_sockets < FAKE_SOCKETS);
	measured->sockets[measured->n_sockets++] = socket->cookie;
	return 0;
}

static void fake_remove_socket(void *user_data, struct measured *measured, uint64_t cookie)
{
	(void)user_data;
	assert_true(measured->open);
	for (size_t i = 0; i < measured->n_sockets; i++) {
		if (measured->sockets[i] == cookie) {
			measured->sockets[i] = measured->sockets[--measured->n_sockets];
			return;
		}
	}
	fail_msg("a socket that was not added");
}

static int fake_fundamentals(void *user_data, const struct measured *measured,
			     struct gw_path_info *ret_info, uint64_t now_us)
{
	(void)user_data;
	(void)now_us;
	assert_true(measured->open);
	if (measured->fundamentals_status == 0)
		*ret_info = measured->info;
	return measured->fundamentals_status;
}

static int fake_refresh(void *user_data, struct measured *measured, uint64_t now_us)
{
	(void)user_data;
	(void)now_us;
	assert_true(measured->open);
	measured->n_refreshes++;
	return measured->refresh_status;
}

static enum measuring_state fake_state(void *user_data, const struct measured *measured)
{
	(void)user_data;
	assert_true(measured->open);
	return measured->state;
}

static bool fake_may_tag(void *user_data, const struct measured *measured)
{
	(void)user_data;
	assert_true(measured->open);
	return measured->may_tag;
}

static bool fake_is_attainable(void *user_data, const struct measured *measured,
			       uint64_t current_bps, uint64_t wanted_bps)
{
	(void)user_data;
	assert_true(measured->open);
	assert_true(wanted_bps > current_bps);
	return wanted_bps <= measured->attainable_bps;
}

static int fake_admit(void *user_data, struct measured *measured, const struct measuring_wish *wish,
		      uint64_t now_us)
{
	(void)user_data;
	(void)now_us;
	assert_true(measured->open);
	measured->wishes[measured->n_wishes++ % FAKE_WISHES] = (struct fake_wish){ .wish = *wish };
	return measured->admit_status;
}

static void fake_forget_wish(void *user_data, struct measured *measured, uint64_t token)
{
	(void)user_data;
	assert_true(measured->open);
	for (size_t i = 0; i < measured->n_wishes && i < FAKE_WISHES; i++) {
		if (measured->wishes[i].wish.token == token) {
			assert_false(measured->wishes[i].forgotten);
			measured->wishes[i].forgotten = true;
		}
	}
}

void fake_measuring_init(struct fake_measuring *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->next_fundamentals = -ENODATA;
	fake->table = (struct measuring){
		.user_data = fake,
		.open = fake_open,
		.close = fake_close,
		.set_users = fake_set_users,
		.add_socket = fake_add_socket,
		.remove_socket = fake_remove_socket,
		.fundamentals = fake_fundamentals,
		.refresh = fake_refresh,
		.state = fake_state,
		.may_tag = fake_may_tag,
		.is_attainable = fake_is_attainable,
		.admit = fake_admit,
		.forget_wish = fake_forget_wish,
	};
}

struct measured *fake_measured(struct fake_measuring *fake, const struct address *destination)
{
	struct measured *found = NULL;

	for (size_t i = 0; i < fake->n_paths; i++) {
		struct measured *measured = &fake->paths[i];

		if (!measured->open || memcmp(measured->target.destination.addr, destination->addr,
					      sizeof(destination->addr)) != 0)
			continue;
		assert_null(found);
		found = measured;
	}
	return found;
}

size_t fake_measured_open(const struct fake_measuring *fake)
{
	size_t n = 0;

	for (size_t i = 0; i < fake->n_paths; i++)
		n += fake->paths[i].open;
	return n;
}
