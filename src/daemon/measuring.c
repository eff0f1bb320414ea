/* SPDX-License-Identifier: MIT */
/* measuring.c: see measuring.h. */
#include "daemon/measuring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "host/probe/frames.h"
#include "host/probe/probing.h"

struct measuring_daemon {
	struct event_base *base;
	struct host *host;
	struct config_probe config;
	struct probing *probing; /* NULL: this host takes no part */
	int frames_fd;		 /* -1: none */
	struct log_limit troubles;
};

static bool takes_part(const struct config_probe *config)
{
	return config->initiator || config->sink;
}

static void on_trouble(void *user_data, const char *what)
{
	struct measuring_daemon *measuring = user_data;

	log_limited(&measuring->troubles, time_now_us(), LOG_LEVEL_WARNING, "probe", "%s", what);
}

static bool is_allowed(void *user_data, const char *interface)
{
	const struct measuring_daemon *measuring = user_data;
	const struct config_names *names = &measuring->config.interfaces;

	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->name[i], interface) == 0)
			return true;
	return names->count == 0;
}

static struct prober_config prober_config_of(const struct config_probe *config)
{
	struct prober_config prober;

	prober_config_default(&prober);
	prober.initiator = config->initiator;
	prober.sink = config->sink;
	prober.qlpb.max_sessions = prober.lltd.max_sessions = config->max_sessions;
	prober.qlpb.max_sessions_per_host = config->max_sessions_per_host;
	prober.qlpb.echoes_per_s = config->max_answers_per_s;
	prober.qlpb.echoes_per_s_per_host = config->max_answers_per_s_per_host;
	prober.lltd.answers_per_s = config->max_answers_per_s_per_host;
	return prober;
}

static int begin(struct measuring_daemon *measuring)
{
	const struct probing_options options = {
		.base = measuring->base,
		.host = measuring->host,
		.config = prober_config_of(&measuring->config),
		.frames_fd = measuring->frames_fd,
		.user_data = measuring,
		.is_allowed = is_allowed,
		.on_trouble = on_trouble,
	};

	return takes_part(&measuring->config) ? probing_new(&options, &measuring->probing) : 0;
}

/* A socket that nobody reads would only cost what it keeps. */
static void follow_frames(struct measuring_daemon *measuring)
{
	int r;

	if (!takes_part(&measuring->config)) {
		closep(&measuring->frames_fd);
		measuring->frames_fd = -1;
		return;
	}
	if (measuring->frames_fd >= 0)
		return;
	r = frames_open(&measuring->frames_fd);
	if (r < 0)
		log_warning("probe", "no raw socket (%s): paths are measured by UDP alone%s",
			    strerror(-r),
			    r == -EPERM ? "; it takes CAP_NET_RAW when the daemon starts" : "");
}

int measuring_daemon_new(struct event_base *base, struct host *host,
			 const struct config_probe *config, struct measuring_daemon **ret_measuring)
{
	struct measuring_daemon *measuring = calloc(1, sizeof(*measuring));
	int r;

	if (!measuring)
		return -ENOMEM;
	measuring->base = base;
	measuring->host = host;
	measuring->config = *config;
	measuring->frames_fd = -1;
	measuring->troubles = (struct log_limit)LOG_LIMIT(5, 60 * USEC_PER_SEC);
	follow_frames(measuring);
	r = begin(measuring);
	if (r < 0) {
		measuring_daemon_free(measuring);
		return r;
	}
	*ret_measuring = measuring;
	return 0;
}

struct measuring_daemon *measuring_daemon_free(struct measuring_daemon *measuring)
{
	if (!measuring)
		return NULL;
	probing_free(measuring->probing);
	closep(&measuring->frames_fd);
	free(measuring);
	return NULL;
}

int measuring_daemon_reconfigure(struct measuring_daemon *measuring,
				 const struct config_probe *config)
{
	if (memcmp(&measuring->config, config, sizeof(*config)) == 0)
		return 0;
	measuring->probing = probing_free(measuring->probing);
	measuring->config = *config;
	follow_frames(measuring);
	return begin(measuring);
}

void measuring_daemon_facts(struct measuring_daemon *measuring, const struct fact_visitor *visitor)
{
	if (measuring && measuring->probing)
		probing_facts(measuring->probing, visitor);
}
