/* SPDX-License-Identifier: MIT */
/*
 * main.c: greenwaved. Starts its parts in order, runs the event loop, stops them in reverse.
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "daemon/daemon.h"
#include "daemon/measuring.h"
#include "daemon/rsvp/programs.h"
#include "daemon/rsvp/rsvp_daemon.h"
#include "engine/signalling.h"

struct daemon {
	struct daemon_options options;
	struct config *config;
	struct administrators *administrators;
	struct event_base *base;
	struct marker *marker;
	struct host *host;
	struct measuring_daemon *measuring;
	struct rsvp_daemon *rsvp; /* NULL: not enabled */
	struct rsvp_programs *rsvp_programs;
	struct listener *listener;
	struct event *signals[3];
	struct log_limit complaints;
};

/* ---- what the host asks of us ---- */

static bool is_administrator(void *user_data, const struct connection *connection)
{
	struct daemon *daemon = user_data;

	return administrators_contain(daemon->administrators, connection);
}

static int group_create(void *user_data, const struct connection *connection, uint64_t *ret_group)
{
	struct daemon *daemon = user_data;

	return marker_group_create(daemon->marker, connection_peer(connection)->pid, ret_group);
}

static void group_end(void *user_data, uint64_t group)
{
	struct daemon *daemon = user_data;

	marker_group_end(daemon->marker, group);
}

static void facts(void *user_data, const struct fact_visitor *visitor)
{
	struct daemon *daemon = user_data;

	marker_facts(daemon->marker, visitor);
	measuring_daemon_facts(daemon->measuring, visitor);
	rsvp_daemon_facts(daemon->rsvp, visitor);
}

static void on_complaint(void *user_data, const struct ucred *peer, const char *why)
{
	struct daemon *daemon = user_data;

	log_limited(&daemon->complaints, time_now_us(), LOG_LEVEL_WARNING, "client",
		    "disconnected process %d of user %u: %s", (int)peer->pid, (unsigned)peer->uid,
		    why);
}

static void on_refusal(void *user_data, const struct engine_owner_info *info, uint32_t flow_id,
		       const char *why)
{
	(void)user_data;
	log_debug("engine", "process %d of user %u: nothing reserved for flow %u: %s",
		  (int)info->pid, (unsigned)info->uid, (unsigned)flow_id, why);
}

/* ---- configuration ---- */

static void config_error(const char *file, int line, const char *message, void *user_data)
{
	(void)user_data;
	if (line > 0)
		log_error("config", "%s:%d: %s", file, line, message);
	else
		log_error("config", "%s: %s", file, message);
}

static void group_missing(const char *group)
{
	log_debug("config", "administrators: there is no group %s", group);
}

static struct engine_config engine_config_of(const struct config *config)
{
	struct engine_config engine;

	engine_config_default(&engine);
	engine.profile = config->marking;
	engine.marks_ignored = config->marks_ignored;
	engine.max_flows = config->max_flows;
	engine.max_flows_per_user = config->max_flows_per_user;
	engine.max_reserved_per_user = config->max_reserved_per_user;
	return engine;
}

static int load(struct daemon *daemon)
{
	int r;

	r = config_load(daemon->options.config_path, &daemon->config, config_error, NULL);
	if (r < 0)
		return r;
	return administrators_new(&daemon->config->administrators, group_missing,
				  &daemon->administrators);
}

static void links_changed(void *user_data)
{
	struct daemon *daemon = user_data;

	if (daemon->rsvp)
		rsvp_daemon_links_changed(daemon->rsvp);
}

/* Tears have left, and everything is given back, before the host goes. */
static void stop_rsvp(struct daemon *daemon)
{
	daemon->rsvp_programs = rsvp_programs_free(daemon->rsvp_programs);
	daemon->rsvp = rsvp_daemon_free(daemon->rsvp);
}

static int start_rsvp(struct daemon *daemon, const struct config_rsvp *config)
{
	int r = rsvp_daemon_new(daemon->base, daemon->host, config, marker_control_class(),
				&daemon->rsvp);

	if (r == 0)
		r = rsvp_programs_new(daemon->host, daemon->rsvp, &daemon->rsvp_programs);
	if (r < 0)
		stop_rsvp(daemon);
	return r;
}

static void reload_rsvp(struct daemon *daemon, const struct config_rsvp *config)
{
	int r;

	if (daemon->rsvp && config->enabled && rsvp_daemon_reconfigure(daemon->rsvp, config) == 0)
		return;
	stop_rsvp(daemon);
	if (!config->enabled)
		return;
	r = start_rsvp(daemon, config);
	if (r == -EPERM)
		log_warning("config", "rsvp: it is enabled when the daemon is started anew");
	else if (r < 0)
		log_error("rsvp", "not started: %s", strerror(-r));
}

/* A configuration with an error in it changes nothing. */
static void reload(struct daemon *daemon)
{
	struct administrators *administrators;
	struct engine_config engine;
	struct config *config;
	int r;

	if (config_load(daemon->options.config_path, &config, config_error, NULL) < 0) {
		log_error("config", "not reloaded: the configuration in force stays");
		return;
	}
	if (administrators_new(&config->administrators, group_missing, &administrators) < 0) {
		config_free(config);
		return;
	}
	if (memcmp(&config->interfaces, &daemon->config->interfaces, sizeof(config->interfaces)) !=
	    0)
		log_warning("config",
			    "interfaces: a change takes effect when the daemon is started anew");
	if (config->max_flows > daemon->config->max_flows)
		log_warning("config",
			    "max-flows: more than %u takes effect when the daemon is started anew",
			    daemon->config->max_flows);
	administrators_free(daemon->administrators);
	daemon->administrators = administrators;
	engine = engine_config_of(config);
	host_reconfigure(daemon->host, &engine, config->max_clients, config->max_clients_per_user);
	server_configure_qos(host_server(daemon->host), &config->gqos);
	r = marker_reconfigure(daemon->marker, config);
	if (r < 0)
		log_error("config", "links: %s", strerror(-r));
	r = measuring_daemon_reconfigure(daemon->measuring, &config->probe);
	if (r < 0)
		log_error("probe", "not started: %s", strerror(-r));
	reload_rsvp(daemon, &config->rsvp);
	config_free(daemon->config);
	daemon->config = config;
	log_info("config", "reloaded");
}

static void on_reload(evutil_socket_t signal, short what, void *user_data)
{
	(void)signal;
	(void)what;
	reload(user_data);
}

static void on_stop(evutil_socket_t signal, short what, void *user_data)
{
	struct daemon *daemon = user_data;

	(void)signal;
	(void)what;
	event_base_loopbreak(daemon->base);
}

/* ---- start and stop ---- */

static int watch_signals(struct daemon *daemon)
{
	static const struct {
		int number;
		event_callback_fn callback;
	} signals[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload } };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		daemon->signals[i] =
			evsignal_new(daemon->base, signals[i].number, signals[i].callback, daemon);
		if (!daemon->signals[i] || event_add(daemon->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int start_host(struct daemon *daemon)
{
	struct host_options options = {
		.base = daemon->base,
		.mode = GW_MODE_DAEMON,
		.engine = engine_config_of(daemon->config),
		.datapath = marker_ops(daemon->marker),
		.datapath_data = marker_datapath(daemon->marker),
		.strangers = true,
		.max_clients = daemon->config->max_clients,
		.max_clients_per_user = daemon->config->max_clients_per_user,
		.user_data = daemon,
		.is_administrator = is_administrator,
		.group_create = group_create,
		.group_end = group_end,
		.facts = facts,
		.on_refusal = on_refusal,
		.on_complaint = on_complaint,
	};
	int r;

	r = host_new(&options, &daemon->host);
	if (r == 0)
		server_configure_qos(host_server(daemon->host), &daemon->config->gqos);
	return r;
}

static int failed(const char *what, int error)
{
	log_error("daemon", "%s: %s", what, strerror(-error));
	return error;
}

static int start(struct daemon *daemon)
{
	int r;

	sandbox_raise_limits();
	daemon->base = event_base_new();
	if (!daemon->base)
		return failed("event loop", -ENOMEM);
	r = watch_signals(daemon);
	if (r < 0)
		return failed("signals", r);
	r = marker_new(daemon->base, daemon->config, &daemon->marker);
	if (r == -EBUSY)
		log_error("daemon", "another greenwaved serves this network namespace");
	else if (r < 0)
		failed("datapath", r);
	if (r < 0)
		return r;
	r = start_host(daemon);
	if (r < 0)
		return failed("engine", r);
	r = marker_start(daemon->marker, daemon->host);
	if (r < 0)
		return failed("kernel events", r);
	r = measuring_daemon_new(daemon->base, daemon->host, &daemon->config->probe,
				 &daemon->measuring);
	if (r < 0)
		return failed("probe", r);
	if (daemon->config->rsvp.enabled) {
		r = start_rsvp(daemon, &daemon->config->rsvp);
		if (r < 0)
			return failed("rsvp", r);
	}
	marker_on_links(daemon->marker, links_changed, daemon);
	r = listener_new(daemon->base, daemon->options.socket_path, daemon->host,
			 &daemon->listener);
	if (r == -EADDRINUSE)
		log_error("daemon", "%s: another greenwaved serves it",
			  daemon->options.socket_path);
	else if (r < 0)
		failed(daemon->options.socket_path, r);
	if (r < 0)
		return r;
	r = sandbox_enter(daemon->config->rsvp.enabled);
	return r < 0 ? failed("dropping rights", r) : 0;
}

/* Every flow ends while the datapath is still there to end it; then the datapath itself leaves the kernel. */
static void stop(struct daemon *daemon)
{
	listener_free(daemon->listener);
	stop_rsvp(daemon);
	daemon->measuring = measuring_daemon_free(daemon->measuring);
	if (daemon->marker)
		marker_stop(daemon->marker);
	host_free(daemon->host);
	marker_free(daemon->marker);
	for (size_t i = 0; i < sizeof(daemon->signals) / sizeof(daemon->signals[0]); i++) {
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	}
	if (daemon->base)
		event_base_free(daemon->base);
	administrators_free(daemon->administrators);
	config_free(daemon->config);
}

static int serve(struct daemon *daemon)
{
	int r;

	r = start(daemon);
	if (r >= 0) {
#ifdef __GLIBC__
		/* Loading programs took megabytes that are never needed again. */
		malloc_trim(0);
#endif
		log_info("daemon", "serving at %s, marks %s", daemon->options.socket_path,
			 marker_has_kernel(daemon->marker) ? "in the kernel" : "by socket options");
		notify_ready(daemon->options.foreground);
		event_base_dispatch(daemon->base);
		notify_state("STOPPING=1");
	}
	stop(daemon);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* In the background the current folder is another, but a reload must find the same file. */
static const char *absolute(const char *path)
{
	char *folder, *joined;

	if (!path || path[0] == '/')
		return path;
	folder = getcwd(NULL, 0);
	if (!folder || asprintf(&joined, "%s/%s", folder, path) < 0)
		joined = NULL;
	free(folder);
	return joined ? joined : path; /* lives as long as the daemon */
}

int main(int argc, char **argv)
{
	static struct daemon daemon = { .complaints = LOG_LIMIT(10, 10 * USEC_PER_SEC) };
	int r;

	r = options_parse(argc, argv, &daemon.options);
	if (r != 0)
		return r < 0 ? 2 : EXIT_SUCCESS;
	if (load(&daemon) < 0)
		return EXIT_FAILURE;
	if (daemon.options.check) {
		stop(&daemon);
		return EXIT_SUCCESS;
	}
	if (!daemon.options.foreground) {
		daemon.options.config_path = absolute(daemon.options.config_path);
		daemon.options.socket_path = absolute(daemon.options.socket_path);
		if (notify_detach() < 0)
			return EXIT_FAILURE;
	}
	return serve(&daemon);
}
