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
#include "bpf/level.skel.h"
#include "bpf/mark.skel.h"
#include "bpf/release.skel.h"
#include "bpf/state.skel.h"
#include "bpf/trace.skel.h"
#include "datapath/kernel/cgroup.h"

#define MODULE "kernel"

static const char *const pin_names[HOOK_COUNT] = {
	[HOOK_RELEASE] = "hook_release",
	[HOOK_STATE] = "hook_state",
	[HOOK_SHUTDOWN] = "hook_shutdown",
	[HOOK_UDP_DISCONNECT] = "hook_udp_disconnect",
	[HOOK_TCP_DISCONNECT] = "hook_tcp_disconnect",
};

DEFINE_CLEANUP(struct mark_bpf *, mark_bpf__destroy);
DEFINE_CLEANUP(struct release_bpf *, release_bpf__destroy);
DEFINE_CLEANUP(struct state_bpf *, state_bpf__destroy);
DEFINE_CLEANUP(struct trace_bpf *, trace_bpf__destroy);
DEFINE_CLEANUP(struct level_bpf *, level_bpf__destroy);

void programs_init(struct programs *programs)
{
	programs->mark_ethernet = -1;
	programs->mark_other = -1;
	for (int i = 0; i < HOOK_COUNT; i++)
		programs->link[i] = -1;
}

void programs_close(struct programs *programs)
{
	closep(&programs->mark_ethernet);
	closep(&programs->mark_other);
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
	return r;
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
	_cleanup_(closep) int link = pins_get(pins, pin_names[HOOK_RELEASE]);
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

/* `function`: where the program goes if not where it says itself. */
static int attach_trace(const struct tables *tables, const char *name, const char *function,
			int *ret_link)
{
	_cleanup_(trace_bpf__destroyp) struct trace_bpf *object = trace_bpf__open();
	struct bpf_program *program;
	int r = 0;

	if (!object)
		return -errno;
	bpf_object__for_each_program(program, object->obj)
		bpf_program__set_autoload(program, false);
	program = bpf_object__find_program_by_name(object->obj, name);
	bpf_program__set_autoload(program, true);
	if (function)
		r = bpf_program__set_attach_target(program, 0, function);
	if (r == 0)
		r = tables_share(tables, object->obj);
	if (r == 0)
		r = trace_bpf__load(object);
	return r < 0 ? r : attach_tracing(program, ret_link);
}

static int attach_hook(enum hook hook, const struct tables *tables, const struct pins *pins,
		       int cgroup_fd, int *ret_link)
{
	int r;

	switch (hook) {
	case HOOK_RELEASE:
		return cgroup_fd < 0 ? -EOPNOTSUPP
				     : attach_release(tables, pins, cgroup_fd, ret_link);
	case HOOK_STATE:
		return attach_state(tables, ret_link);
	case HOOK_SHUTDOWN:
		return attach_trace(tables, "socket_shutdown", NULL, ret_link);
	case HOOK_UDP_DISCONNECT:
		/* Its name differs between kernels, or the inner one has been inlined. */
		r = attach_trace(tables, "udp_disconnected", NULL, ret_link);
		return r < 0 ? attach_trace(tables, "udp_disconnected", "udp_disconnect", ret_link)
			     : r;
	case HOOK_TCP_DISCONNECT:
		return attach_trace(tables, "tcp_disconnected", NULL, ret_link);
	case HOOK_COUNT:
		break;
	}
	return -EINVAL;
}

int programs_attach(struct programs *programs, enum hook hook, const struct tables *tables,
		    const struct pins *pins, int cgroup_fd)
{
	_cleanup_(closep) int link = -1;
	int r = attach_hook(hook, tables, pins, cgroup_fd, &link);

	if (r < 0) {
		/*
		 * An earlier daemon's hook, with an earlier program: better none than one nobody
		 * vouches for.
		 */
		pins_drop(pins, pin_names[hook]);
		log_debug(MODULE, "%s: error %d", pin_names[hook], -r);
		return r;
	}
	/* Without a pin it works as well, but not longer than we do. */
	r = pins_put(pins, pin_names[hook], link);
	if (r < 0)
		log_debug(MODULE, "%s is not pinned: error %d", pin_names[hook], -r);
	programs->link[hook] = steal_fd(&link);
	return 0;
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
