/* SPDX-License-Identifier: MIT */
/*
 * programs.c: see programs.h. Objects are let go once loaded: programs live as long as what they
 * are attached to.
 */
#include "datapath/kernel/programs.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "bpf/classify.skel.h"
#include "bpf/level.skel.h"
#include "bpf/mark.skel.h"
#include "bpf/release.skel.h"
#include "bpf/state.skel.h"
#include "bpf/trace.skel.h"
#include "datapath/kernel/cgroup.h"

#define MODULE "kernel"

#define FIRST_ENTRY_HOOK HOOK_SHUTDOWN

static const struct {
	const char *pin;
	const char *program;	    /* of trace.bpf.c */
	const char *other_function; /* to try if the one it names does not exist */
} hooks[HOOK_COUNT] = {
	[HOOK_RELEASE] = { "hook_release", NULL, NULL },
	[HOOK_STATE] = { "hook_state", NULL, NULL },
	[HOOK_SHUTDOWN] = { "hook_shutdown", "socket_shutdown", NULL },
	[HOOK_UDP_DISCONNECT] = { "hook_udp_disconnect", "udp_disconnected", "udp_disconnect" },
	[HOOK_TCP_DISCONNECT] = { "hook_tcp_disconnect", "tcp_disconnected", NULL },
};

DEFINE_CLEANUP(struct mark_bpf *, mark_bpf__destroy);
DEFINE_CLEANUP(struct classify_bpf *, classify_bpf__destroy);
DEFINE_CLEANUP(struct release_bpf *, release_bpf__destroy);
DEFINE_CLEANUP(struct state_bpf *, state_bpf__destroy);
DEFINE_CLEANUP(struct trace_bpf *, trace_bpf__destroy);
DEFINE_CLEANUP(struct level_bpf *, level_bpf__destroy);

void programs_init(struct programs *programs)
{
	programs->mark_ethernet = -1;
	programs->mark_other = -1;
	programs->classify = -1;
	for (int i = 0; i < HOOK_COUNT; i++)
		programs->link[i] = -1;
}

void programs_close(struct programs *programs)
{
	closep(&programs->mark_ethernet);
	closep(&programs->mark_other);
	closep(&programs->classify);
	for (int i = 0; i < HOOK_COUNT; i++)
		closep(&programs->link[i]);
	programs_init(programs);
}

static int keep_program(const struct bpf_program *program, int *ret_fd)
{
	int fd = fcntl(bpf_program__fd(program), F_DUPFD_CLOEXEC, 3);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int load_classify(struct programs *programs)
{
	_cleanup_(classify_bpf__destroyp) struct classify_bpf *object =
		classify_bpf__open_and_load();

	return object ? keep_program(object->progs.classify, &programs->classify) : -errno;
}

int programs_load_mark(struct programs *programs, struct tables *tables, const struct pins *pins,
		       uint32_t max_sockets, uint64_t netns_cookie)
{
	_cleanup_(mark_bpf__destroyp) struct mark_bpf *mark = mark_bpf__open();
	int r;

	if (!mark)
		return -errno;
	tables_resize(mark->obj, max_sockets);
	tables_adopt(tables, mark->obj, pins, netns_cookie);
	if (!tables->adopted)
		pins_clear(pins);
	r = tables_share(tables, mark->obj);
	if (r == 0)
		r = mark_bpf__load(mark);
	if (r == 0 && !tables->adopted)
		r = tables_create(tables, mark->obj, pins, netns_cookie);
	if (r == 0)
		r = keep_program(mark->progs.mark_ethernet, &programs->mark_ethernet);
	if (r == 0)
		r = keep_program(mark->progs.mark_other, &programs->mark_other);
	if (r < 0)
		return r;
	r = load_classify(programs);
	if (r < 0)
		log_debug(MODULE, "packets cannot be sorted by their tags: error %d", -r);
	return 0;
}

static bool is_attached_to(int link, uint64_t cgroup)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(link, &info, &len) == 0 &&
	       info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == cgroup;
}

/* Links of control groups can change their program; that spares the moment of two programs. */
static int take_over(const struct pins *pins, int program, uint64_t cgroup, int *ret_link)
{
	_cleanup_(closep) int link = pins_get(pins, hooks[HOOK_RELEASE].pin);
	int r;

	if (link < 0)
		return link;
	if (!is_attached_to(link, cgroup))
		return -ESTALE;
	r = bpf_link_update(link, program, NULL);
	if (r < 0)
		return r;
	*ret_link = steal_fd(&link);
	return 0;
}

static int attach_release(const struct tables *tables, const struct pins *pins, int cgroup_fd,
			  int *ret_link)
{
	_cleanup_(release_bpf__destroyp) struct release_bpf *object = release_bpf__open();
	int program, r, link;
	uint64_t cgroup;

	if (!object)
		return -errno;
	r = tables_share(tables, object->obj);
	if (r == 0)
		r = release_bpf__load(object);
	if (r == 0)
		r = cgroup_id(cgroup_fd, &cgroup);
	if (r < 0)
		return r;
	program = bpf_program__fd(object->progs.socket_release);
	if (take_over(pins, program, cgroup, ret_link) == 0)
		return 0;
	link = bpf_link_create(program, cgroup_fd, BPF_CGROUP_INET_SOCK_RELEASE, NULL);
	if (link < 0)
		return link;
	*ret_link = link;
	return 0;
}

/* A typed tracepoint or function entry: the program knows its target. */
static int attach_tracing(const struct bpf_program *program, int *ret_link)
{
	int link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));

	if (link < 0)
		return link;
	*ret_link = link;
	return 0;
}

static int attach_state(const struct tables *tables, int *ret_link)
{
	_cleanup_(state_bpf__destroyp) struct state_bpf *object = state_bpf__open();
	int r;

	if (!object)
		return -errno;
	r = tables_share(tables, object->obj);
	if (r == 0)
		r = state_bpf__load(object);
	return r < 0 ? r : attach_tracing(object->progs.socket_state, ret_link);
}

/* Without a pin it works as well, but not longer than we do. */
static void keep_link(struct programs *programs, enum hook hook, const struct pins *pins, int link)
{
	int r = pins_put(pins, hooks[hook].pin, link);

	if (r < 0)
		log_debug(MODULE, "%s is not pinned: error %d", hooks[hook].pin, -r);
	programs->link[hook] = link;
}

/* An earlier daemon's program may still be there: better none than one nobody vouches for. */
static int give_up(enum hook hook, const struct pins *pins, int error)
{
	pins_drop(pins, hooks[hook].pin);
	log_debug(MODULE, "%s: error %d", hooks[hook].pin, -error);
	return error;
}

static int keep_or_give_up(struct programs *programs, enum hook hook, const struct pins *pins,
			   int r, int link)
{
	if (r < 0)
		return give_up(hook, pins, r);
	keep_link(programs, hook, pins, link);
	return 0;
}

int programs_attach_release(struct programs *programs, const struct tables *tables,
			    const struct pins *pins, int cgroup_fd)
{
	int link = -1;
	int r = cgroup_fd < 0 ? -EOPNOTSUPP : attach_release(tables, pins, cgroup_fd, &link);

	return keep_or_give_up(programs, HOOK_RELEASE, pins, r, link);
}

int programs_attach_state(struct programs *programs, const struct tables *tables,
			  const struct pins *pins)
{
	int link = -1;
	int r = attach_state(tables, &link);

	return keep_or_give_up(programs, HOOK_STATE, pins, r, link);
}

/* Loads those of the function-entry programs that are in `wanted`, a mask of hooks. */
static int load_entries(const struct tables *tables, unsigned wanted, bool other_name,
			struct trace_bpf **ret_object)
{
	_cleanup_(trace_bpf__destroyp) struct trace_bpf *object = trace_bpf__open();
	struct bpf_program *program;
	int r = 0;

	if (!object)
		return -errno;
	for (int i = FIRST_ENTRY_HOOK; i < HOOK_COUNT && r == 0; i++) {
		program = bpf_object__find_program_by_name(object->obj, hooks[i].program);
		bpf_program__set_autoload(program, wanted & 1u << i);
		if (other_name && hooks[i].other_function)
			r = bpf_program__set_attach_target(program, 0, hooks[i].other_function);
	}
	if (r == 0)
		r = tables_share(tables, object->obj);
	if (r == 0)
		r = trace_bpf__load(object);
	if (r == 0)
		*ret_object = steal_ptr(&object);
	return r;
}

static int attach_entry(struct programs *programs, enum hook hook, const struct pins *pins,
			const struct trace_bpf *object)
{
	int link = -1;
	int r = attach_tracing(bpf_object__find_program_by_name(object->obj, hooks[hook].program),
			       &link);

	return keep_or_give_up(programs, hook, pins, r, link);
}

/* The function may bear another name, or have been inlined into the one of that name. */
static int attach_one_entry(struct programs *programs, enum hook hook, const struct tables *tables,
			    const struct pins *pins)
{
	_cleanup_(trace_bpf__destroyp) struct trace_bpf *object = NULL;
	int r = load_entries(tables, 1u << hook, false, &object);

	if (r < 0 && hooks[hook].other_function)
		r = load_entries(tables, 1u << hook, true, &object);
	return r < 0 ? give_up(hook, pins, r) : attach_entry(programs, hook, pins, object);
}

void programs_attach_entries(struct programs *programs, const struct tables *tables,
			     const struct pins *pins, int ret_outcome[static HOOK_COUNT])
{
	_cleanup_(trace_bpf__destroyp) struct trace_bpf *object = NULL;
	int r = load_entries(tables, ~0u, false, &object);

	for (int i = FIRST_ENTRY_HOOK; i < HOOK_COUNT; i++) {
		enum hook hook = (enum hook)i;

		if (r == 0)
			ret_outcome[i] = attach_entry(programs, hook, pins, object);
		else if (r == -EPERM)
			ret_outcome[i] = give_up(hook, pins, r);
		else
			ret_outcome[i] = attach_one_entry(programs, hook, tables, pins);
	}
}

int programs_current_level(int *ret_level)
{
	_cleanup_(level_bpf__destroyp) struct level_bpf *object = level_bpf__open_and_load();
	LIBBPF_OPTS(bpf_test_run_opts, run);
	int r;

	if (!object)
		return -errno;
	r = bpf_prog_test_run_opts(bpf_program__fd(object->progs.current_level), &run);
	if (r < 0)
		return r;
	if ((int)run.retval < 0)
		return -ENOENT;
	*ret_level = (int)run.retval;
	return 0;
}
