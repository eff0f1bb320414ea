/* SPDX-License-Identifier: MIT */
/*
 * checks.c: examines this host. Mechanisms are not tried from here: only the daemon has the
 * privileges, and it has tried them. What is looked at without one is what keeps a daemon from
 * starting or from being reached.
 */
#include "cli/checks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/host.h"

#define OWN_CHECKS 8 /* at most, besides the mechanisms */

#define START_DAEMON "start the daemon: systemctl start greenwave, or as root: greenwaved -f"

#define TRACING \
	"give greenwaved CAP_PERFMON, on a kernel with BTF and BPF trampolines, not locked down"

#define SIGNALLING \
	"none if nothing is to be signalled; else rsvp { enabled = true } in greenwave.conf, and restart the daemon"

#define MEASURED \
	"none if nobody is to measure paths to this host; else probe { sink = true } in greenwave.conf, and reload"

/* What to do about a mechanism that the daemon could not use. */
static const char *next_step(const char *mechanism)
{
	static const struct {
		const char *mechanism;
		const char *step;
	} steps[] = {
		{ "bpf",
		  "give greenwaved CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, on Linux 5.8 or later" },
		{ "bpffs", "as root: mount -t bpf bpf /sys/fs/bpf, and restart the daemon" },
		{ "cgroup2",
		  "as root: mount -t cgroup2 cgroup2 /sys/fs/cgroup, and restart the daemon" },
		{ "tc-egress", "use a kernel with CONFIG_NET_CLS_ACT and CONFIG_NET_CLS_BPF" },
		{ "sock-release", "mount cgroup2, or use a kernel with CONFIG_CGROUP_BPF" },
		{ "state-tracepoint", TRACING },
		{ "fentry-shutdown", TRACING },
		{ "fentry-disconnect", TRACING },
		{ "class-shaping",
		  "use a kernel with CONFIG_NET_SCH_HTB, or load the module sch_htb" },
		{ "departure-times",
		  "use a kernel with CONFIG_NET_SCH_FQ, or load the module sch_fq; then as root: tc "
		  "qdisc replace dev INTERFACE root fq" },
		{ "sock-diag", "load the modules inet_diag, tcp_diag and udp_diag" },
		{ "rsvp", SIGNALLING },
		{ "probe-udp", "see which program has the port: ss -lunp sport = :2177" },
		{ "probe-sink", MEASURED },
		{ "probe-frames", "give greenwaved CAP_NET_RAW, and restart it" },
		{ "probe-tcp-info",
		  "use a kernel with CONFIG_INET_TCP_DIAG, or load the module tcp_diag" },
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (strcmp(steps[i].mechanism, mechanism) == 0)
			return steps[i].step;
	return "look at the daemon's log: journalctl -u greenwave";
}

/* What to do about a link that was handed over and is not scheduled. */
static const char *next_step_of_link(const char *state)
{
	if (strcmp(state, "waiting") == 0)
		return "none if the interface comes later; else correct its name in greenwave.conf";
	return "remove that queue, or set force = true for the link; then systemctl reload greenwave";
}

static int make_room(struct checks *checks)
{
	checks->items = calloc(checks->facts.count + OWN_CHECKS, sizeof(*checks->items));
	return checks->items ? 0 : -ENOMEM;
}

__attribute__((format(printf, 5, 6))) static void add(struct checks *checks, const char *name,
						      bool present, const char *next,
						      const char *note, ...)
{
	struct check *check = &checks->items[checks->count++];
	va_list args;

	check->name = name;
	check->present = present;
	check->next = present ? NULL : next;
	va_start(args, note);
	vsnprintf(check->note, sizeof(check->note), note, args);
	va_end(args);
}

/* ---- with a daemon ---- */

int checks_with_daemon(struct checks *checks, struct gw *gw)
{
	struct gw_status status = { .size = sizeof(status) };
	int r = gw_status(gw, &status);

	if (r >= 0)
		r = facts_fetch(gw, &checks->facts);
	if (r >= 0)
		r = make_room(checks);
	if (r < 0)
		return r;

	add(checks, "daemon", true, NULL, "greenwaved %s at %s", status.version,
	    host_socket_path());
	for (size_t i = 0; i < checks->facts.count; i++) {
		const struct fact *fact = &checks->facts.items[i];

		if (fact->kind == GW_FACT_MECHANISM)
			add(checks, fact->name, strcmp(fact->value, "yes") == 0,
			    next_step(fact->name), "%s", fact->note);
		else if (fact->kind == GW_FACT_LINK)
			add(checks, fact->name, strcmp(fact->value, "scheduled") == 0,
			    next_step_of_link(fact->value), "link, %s%s%s", fact->value,
			    *fact->note ? ": " : "", fact->note);
	}
	return 0;
}

/* ---- without ---- */

static void check_daemon(struct checks *checks, int open_error)
{
	const char *next = START_DAEMON;

	if (open_error == -EACCES || open_error == -EPERM)
		next = "let your user reach the socket: look at its permissions and its folder's";
	else if (open_error == -ETIMEDOUT || open_error == -EAGAIN)
		next = "something accepts but does not answer: systemctl status greenwave";
	add(checks, "daemon", false, next, "does not serve at %s: %s", host_socket_path(),
	    strerror(-open_error));
}

static void check_socket(struct checks *checks)
{
	const char *path = host_socket_path();
	struct stat st;

	if (stat(path, &st) < 0)
		add(checks, "socket", false, NULL, "%s: %s", path, strerror(errno));
	else if (!S_ISSOCK(st.st_mode))
		add(checks, "socket", false, "set GREENWAVE_SOCKET right, or remove that file",
		    "%s is no socket", path);
	else if (access(path, W_OK) < 0)
		add(checks, "socket", false, "let your user write to it",
		    "%s, mode %04o, owner %u: %s", path, st.st_mode & 07777u, st.st_uid,
		    strerror(errno));
	else
		add(checks, "socket", true, NULL, "%s, mode %04o, owner %u", path,
		    st.st_mode & 07777u, st.st_uid);
}

static void check_kernel(struct checks *checks)
{
	struct utsname name;

	if (uname(&name) == 0)
		add(checks, "kernel", true, NULL, "%s %s", name.sysname, name.release);
	if (access("/sys/kernel/btf/vmlinux", R_OK) == 0)
		add(checks, "btf", true, NULL, "/sys/kernel/btf/vmlinux");
	else
		add(checks, "btf", false,
		    "use a kernel with CONFIG_DEBUG_INFO_BTF, as distributions' are",
		    "/sys/kernel/btf/vmlinux: %s; a daemon could not notice shutdown(2) at once",
		    strerror(errno));
}

/* Finds where a file system of this type is mounted: field 5 of its line; the type follows " - ".
 */
static bool find_mount(const char *type, char *path, size_t path_size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t line_size = 0;
	bool found = false;

	if (!file)
		return false;
	while (!found && getline(&line, &line_size, file) > 0) {
		char point[256], seen[32];
		const char *rest = strstr(line, " - ");

		if (!rest || sscanf(rest, " - %31s", seen) != 1 || strcmp(seen, type) != 0)
			continue;
		if (sscanf(line, "%*s %*s %*s %*s %255s", point) != 1)
			continue;
		snprintf(path, path_size, "%s", point);
		found = true;
	}
	free(line);
	fclose(file);
	return found;
}

static void check_mounts(struct checks *checks)
{
	char path[256];

	if (find_mount("cgroup2", path, sizeof(path)))
		add(checks, "cgroup2", true, NULL, "mounted at %s", path);
	else
		add(checks, "cgroup2", false, "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
		    "not mounted: a daemon could neither mark programs nor end marks in close(2)");
	if (find_mount("bpf", path, sizeof(path)))
		add(checks, "bpffs", true, NULL, "mounted at %s", path);
	else
		add(checks, "bpffs", false,
		    "none if the daemon may mount it; else: mount -t bpf bpf /sys/fs/bpf",
		    "not mounted: marks would not outlive a crash of the daemon");
}

static void check_embedded(struct checks *checks, int open_error)
{
	if (open_error < 0)
		add(checks, "embedded", false,
		    "install libgreenwave-embedded.so beside libgreenwave.so",
		    "%s: programs get no quality of service at all now",
		    open_error == -ELIBACC ? "not installed" : strerror(-open_error));
	else
		add(checks, "embedded", true, NULL,
		    "programs use the engine inside themselves meanwhile");
}

/* What is inside a program speaks to no router. */
static void check_signalling(struct checks *checks)
{
	add(checks, "rsvp", false, START_DAEMON ", with rsvp { enabled = true } in greenwave.conf",
	    "needs the daemon: QoS sockets have traffic control in their own program only, and nothing is "
	    "signalled or reserved beyond it");
}

int checks_without_daemon(struct checks *checks, int open_error)
{
	struct gw *gw = NULL;
	int embedded_error = host_open(GW_MODE_EMBEDDED, "greenwave", &gw);
	int r = embedded_error < 0 ? 0 : facts_fetch(gw, &checks->facts);

	gw_close(gw);
	if (r >= 0)
		r = make_room(checks);
	if (r < 0)
		return r;

	check_daemon(checks, open_error);
	check_socket(checks);
	check_kernel(checks);
	check_mounts(checks);
	check_embedded(checks, embedded_error);
	check_signalling(checks);
	return 0;
}

void checks_free(struct checks *checks)
{
	free(checks->items);
	facts_free(&checks->facts);
	*checks = (struct checks){ 0 };
}
