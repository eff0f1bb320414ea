/* SPDX-License-Identifier: MIT */
/*
 * test_kernel_older.c: a daemon finds in bpffs what one of another version has left. It takes over
 * what means the same to both, replaces all else, and at the end nothing of either is left.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/gw_bpf.h"
#include "kernel_world.h"

#define PATH_LEN 96

static void pin_path(const char *name, char ret_path[static PATH_LEN])
{
	struct stat namespace;

	assert_int_equal(stat("/proc/self/ns/net", &namespace), 0);
	snprintf(ret_path, PATH_LEN, "/sys/fs/bpf/greenwave/%lu/%s",
		 (unsigned long)namespace.st_ino, name);
}

static int open_pin(const char *name)
{
	char path[PATH_LEN];
	int fd;

	pin_path(name, path);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

static void remove_pin(const char *name)
{
	char path[PATH_LEN];

	pin_path(name, path);
	assert_int_equal(unlink(path), 0);
}

static void pin_as(const char *name, int fd)
{
	char path[PATH_LEN];

	remove_pin(name);
	pin_path(name, path);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
}

/* --- What may be found ------------------------------------------------------------------------ */

/* Another shape of one map; 0 where it is as we have it. */
struct shape {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries;
};

static struct bpf_map_info info_of(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info;
}

/* The entry of an array stays as far as there is room: so would an older daemon have written it. */
static void copy_settings(int from, const struct bpf_map_info *old, int to)
{
	char value[128] = { 0 };
	const uint32_t zero = 0;

	assert_true(old->value_size <= sizeof(value));
	assert_int_equal(bpf_map_lookup_elem(from, &zero, value), 0);
	assert_int_equal(bpf_map_update_elem(to, &zero, value, BPF_ANY), 0);
}

static void pin_shape(const struct shape *shape)
{
	int old = open_pin(shape->name), fd;
	struct bpf_map_info info = info_of(old);
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = info.map_flags);

	fd = bpf_map_create(shape->type ? shape->type : info.type, shape->name,
			    shape->key_size ? shape->key_size : info.key_size,
			    shape->value_size ? shape->value_size : info.value_size,
			    shape->max_entries ? shape->max_entries : info.max_entries, &opts);
	assert_true(fd >= 0);
	if (info.type == BPF_MAP_TYPE_ARRAY)
		copy_settings(old, &info, fd);
	close(old);
	pin_as(shape->name, fd);
}

static void change_settings(uint32_t abi, uint64_t netns_cookie_flip)
{
	int fd = open_pin("settings");
	struct gw_settings settings;
	const uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &settings), 0);
	settings.abi = abi;
	settings.netns_cookie ^= netns_cookie_flip;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &settings, BPF_ANY), 0);
	close(fd);
}

/* --- The same way through all ----------------------------------------------------------------- */

struct before {
	struct ear ear;
	int fd;
};

static struct before crash_with_a_mark(void)
{
	struct before before;
	struct datapath_target target;

	ear_open(&before.ear, AF_INET);
	before.fd = mouth_open(AF_INET, &before.ear);
	target = target_for(before.fd, &before.ear);
	assert_int_equal(apply(&target, DSCP), 0);
	datapath = kernel_datapath_abandon(datapath);
	mouth_say(before.fd, NULL);
	assert_int_equal(ear_hear(&before.ear), MARK);
	return before;
}

static void assert_works(struct before *before)
{
	struct datapath_target target = target_for(before->fd, &before->ear);

	assert_int_equal(apply(&target, OTHER_DSCP), 0);
	assert_int_equal(count(), 1);
	mouth_say(before->fd, NULL);
	assert_int_equal(ear_hear(&before->ear), OTHER_MARK);
	close(before->fd);
	assert_int_equal(count(), 0);
	ear_close(&before->ear);
}

static void assert_replaced(struct before *before)
{
	assert_int_equal(open_datapath(), 0);
	assert_false(kernel_datapath_adopted(datapath));
	assert_int_equal(count(), 0);
	mouth_say(before->fd, NULL);
	assert_int_equal(ear_hear(&before->ear), 0);
	assert_works(before);
	/* What we have pinned ourselves now is adopted by the next one. */
	datapath = kernel_datapath_abandon(datapath);
	assert_int_equal(open_datapath(), 0);
	assert_true(kernel_datapath_adopted(datapath));
}

static void assert_nothing_is_left(void)
{
	teardown(NULL);
	assert_false(has_filter("lo"));
	assert_false(has_clsact("lo"));
	assert_false(has_pins());
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_other_version(void **state)
{
	static const uint32_t abis[] = { 0, GW_BPF_ABI - 1, GW_BPF_ABI + 1 };

	for (size_t i = 0; i < sizeof(abis) / sizeof(abis[0]); i++) {
		struct before before = crash_with_a_mark();

		change_settings(abis[i], 0);
		assert_replaced(&before);
	}
	assert_nothing_is_left();
}

static void test_other_shape(void **state)
{
	static const struct shape shapes[] = {
		{ .name = "sockets", .value_size = sizeof(struct gw_socket) - 8 },
		{ .name = "sockets", .value_size = sizeof(struct gw_socket) + 8 },
		{ .name = "sockets", .key_size = 4 },
		{ .name = "sockets", .type = BPF_MAP_TYPE_LRU_HASH },
		{ .name = "sockets", .max_entries = 16 },
		{ .name = "dests", .key_size = sizeof(struct gw_destkey) - 8 },
		{ .name = "tuples", .key_size = sizeof(struct gw_tuplekey) - 4 },
		{ .name = "meters", .value_size = 8 },
		{ .name = "buckets", .value_size = sizeof(struct gw_bucket) - 8 },
		{ .name = "stats", .value_size = 8 },
		{ .name = "closes", .max_entries = 4096 },
		{ .name = "settings", .value_size = GW_SETTINGS_IDENTITY_LEN },
		{ .name = "settings", .value_size = sizeof(struct gw_settings) + 64 },
		{ .name = "settings", .max_entries = 9 },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct before before = crash_with_a_mark();

		pin_shape(&shapes[i]);
		assert_replaced(&before);
	}
	assert_nothing_is_left();
}

static void test_missing(void **state)
{
	struct before before = crash_with_a_mark();

	remove_pin("dests");
	assert_replaced(&before);
	assert_nothing_is_left();
}

/* Under the names of our maps and hooks lies something else. */
static void test_other_objects(void **state)
{
	struct before before = crash_with_a_mark();

	pin_as("sockets", open_pin("hook_state"));
	assert_replaced(&before);

	before = crash_with_a_mark();
	pin_as("hook_release", open_pin("stats"));
	assert_int_equal(open_datapath(), 0);
	assert_true(kernel_datapath_adopted(datapath));
	assert_works(&before);
	assert_nothing_is_left();
}

/*
 * A daemon that no longer serves an interface gives it back, whatever version of us had taken it:
 * else its marks would go on for ever, for nobody writes those maps any more.
 */
static void test_other_version_gives_back(void **state)
{
	static const char *const names[] = { "gwb", NULL };
	struct before before = crash_with_a_mark();

	change_settings(GW_BPF_ABI - 1, 0);
	assert_int_equal(net_run("ip link add gwa type veth peer name gwb"), 0);
	assert_int_equal(open_with(names, 4096), 0);
	assert_false(kernel_datapath_adopted(datapath));
	assert_true(has_filter("gwb"));
	assert_false(has_filter("lo"));
	assert_false(has_clsact("lo"));
	mouth_say(before.fd, NULL);
	assert_int_equal(ear_hear(&before.ear), 0);
	close(before.fd);
	ear_close(&before.ear);
	assert_int_equal(net_run("ip link del gwa"), 0);
	assert_nothing_is_left();
}

/* The folder's name comes round again; what its namespace had says nothing of interfaces here. */
static void test_other_namespace(void **state)
{
	struct before before = crash_with_a_mark();

	change_settings(GW_BPF_ABI, 1);
	assert_replaced(&before);
}

/* Settings that cannot be read are nobody's. */
static void test_unreadable_settings(void **state)
{
	static const struct shape long_one = { .name = "settings", .value_size = 1024 };
	struct before before = crash_with_a_mark();

	pin_shape(&long_one);
	assert_replaced(&before);
	before = crash_with_a_mark();
	pin_as("settings", open_pin("hook_state"));
	assert_replaced(&before);
	before = crash_with_a_mark();
	pin_as("settings", open_pin("stats"));
	assert_replaced(&before);
}

/*
 * Before frames had tags: the same layout, and neither entries nor links say anything of them. They
 * are adopted, the marks stay, and the link is known not to be tagged before anybody asks for tags.
 */
static void test_before_tags(void **state)
{
	const uint32_t lo = if_nametoindex("lo");
	struct before before = crash_with_a_mark();
	int links = open_pin("links");
	struct gw_link link;

	assert_int_equal(bpf_map_lookup_elem(links, &lo, &link), 0);
	assert_true(link.flags & GW_LINK_UNTAGGED);
	link.flags = 0;
	assert_int_equal(bpf_map_update_elem(links, &lo, &link, BPF_ANY), 0);
	assert_int_equal(open_datapath(), 0);
	assert_true(kernel_datapath_adopted(datapath));
	assert_int_equal(count(), 1);
	mouth_say(before.fd, NULL);
	assert_int_equal(ear_hear(&before.ear), MARK);
	assert_int_equal(bpf_map_lookup_elem(links, &lo, &link), 0);
	assert_true(link.flags & GW_LINK_UNTAGGED);
	close(links);
	assert_works(&before);
	assert_nothing_is_left();
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_other_version),
		CASE_CLSACT(test_other_version),
		CASE(test_other_shape),
		CASE_CLSACT(test_other_shape),
		CASE(test_missing),
		CASE_CLSACT(test_missing),
		CASE(test_other_objects),
		CASE_CLSACT(test_other_objects),
		CASE(test_other_version_gives_back),
		CASE_CLSACT(test_other_version_gives_back),
		CASE(test_other_namespace),
		CASE(test_unreadable_settings),
		CASE(test_before_tags),
		CASE_CLSACT(test_before_tags),
	};

	/* Without pins there is nothing to be found. */
	assert_int_equal(open_datapath(), 0);
	if (!kernel_datapath_has(datapath, KERNEL_BPFFS) || !has_pins()) {
		teardown(NULL);
		printf("SKIP: nothing can be pinned at /sys/fs/bpf here\n");
		return 77;
	}
	teardown(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_kernel_tests(run);
}
