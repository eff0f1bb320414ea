/* SPDX-License-Identifier: MIT */
/* links.c: see links.h. */
#include "daemon/links.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "datapath/identity.h"

#define MODULE "link"
#define RATE_TEXT_LEN 32

static const char *const state_names[] = {
	[HANDOVER_WAITING] = "waiting",
	[HANDOVER_SCHEDULED] = "scheduled",
	[HANDOVER_REFUSED] = "refused",
	[HANDOVER_REPLACED] = "replaced",
};

size_t links_of_config(const struct config *config,
		       struct handover_link ret_links[static CONFIG_LINKS_MAX])
{
	for (size_t i = 0; i < config->n_links; i++) {
		const struct config_link *link = &config->links[i];

		ret_links[i] = (struct handover_link){
			.rate_bps = link->rate_bps,
			.reservable_percent = link->reservable_percent,
			.force = link->force,
		};
		memcpy(ret_links[i].name, link->name, sizeof(ret_links[i].name));
	}
	return config->n_links;
}

/* Cookies of namespaces do not come round again; inode numbers, which older kernels have alone, do. */
const char *links_folder(char buf[static LINKS_FOLDER_LEN])
{
	uint64_t netns = 0;
	struct stat st;

	if (netns_cookie_read(&netns) < 0 && stat("/proc/thread-self/ns/net", &st) == 0)
		netns = st.st_ino;
	snprintf(buf, LINKS_FOLDER_LEN, "/run/greenwave/queues-%llx", (unsigned long long)netns);
	return buf;
}

/* "100 Mbit/s", "38.5 Mbit/s" */
static const char *rate_text(uint64_t rate_bps, char buf[static RATE_TEXT_LEN])
{
	static const char *const units[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s" };
	double value = (double)rate_bps;
	size_t i = 0;

	while (value >= 1000 && i + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		i++;
	}
	snprintf(buf, RATE_TEXT_LEN, "%.4g %s", value, units[i]);
	return buf;
}

void links_log(const struct handover_report *report)
{
	char rate[RATE_TEXT_LEN];
	const char *name = report->link.name;

	rate_text(report->link.rate_bps, rate);
	switch (report->state) {
	case HANDOVER_WAITING:
		log_notice(MODULE, "%s is not there: waiting for it", name);
		return;
	case HANDOVER_SCHEDULED:
		log_info(MODULE, "%s is scheduled: %s, %u%% reservable%s%s", name, rate,
			 report->link.reservable_percent, report->text[0] ? "; " : "",
			 report->text);
		return;
	case HANDOVER_REFUSED:
		log_warning(MODULE, "%s is not scheduled: %s", name, report->text);
		return;
	case HANDOVER_REPLACED:
		log_warning(MODULE, "%s is not scheduled any more: %s", name, report->text);
		return;
	}
}

static enum admission_setter share_setter(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_links; i++)
		if (strcmp(config->links[i].name, name) == 0 && config->links[i].reservable_is_set)
			return ADMISSION_SET_BY_CONFIGURATION;
	return ADMISSION_SET_BY_DEFAULT;
}

void links_admit(struct engine *engine, const struct config *config,
		 const struct handover_report *report)
{
	const struct admission_link_config link = {
		.rate_bps = report->link.rate_bps,
		.share = report->link.reservable_percent,
		.share_set_by = share_setter(config, report->link.name),
	};
	bool scheduled = report->state == HANDOVER_SCHEDULED;
	uint32_t ifindex = report->ifindex != 0 ? report->ifindex : report->lost;
	int r;

	if (ifindex == 0)
		return;
	r = engine_set_link(engine, ifindex, scheduled ? &link : NULL);
	if (r < 0)
		log_error(MODULE, "%s: nothing can be reserved: %s", report->link.name,
			  strerror(-r));
}

static void describe(const struct handover_report *report, struct engine *engine, char *ret_note,
		     size_t len)
{
	char rate[RATE_TEXT_LEN], reserved[RATE_TEXT_LEN], over[RATE_TEXT_LEN];
	struct admission_books books;
	int n;

	admission_books(engine_admission(engine), report->ifindex, &books);
	n = snprintf(ret_note, len, "%s, %u%% reservable, %s reserved, %u of %u classes free",
		     rate_text(report->link.rate_bps, rate), report->link.reservable_percent,
		     rate_text(books.reserved_bps, reserved),
		     schedule_free_classes(report->schedule), SCHEDULE_POOL_DEFAULT);
	if (books.over_bps > 0 && n > 0 && (size_t)n < len)
		snprintf(ret_note + n, len - (size_t)n, "; %s more than that is reserved",
			 rate_text(books.over_bps, over));
}

void links_tell(const struct handover_report *report, struct engine *engine,
		const struct fact_visitor *visitor)
{
	char note[sizeof(((struct msg_fact *)NULL)->note)];

	if (report->state == HANDOVER_SCHEDULED)
		describe(report, engine, note, sizeof(note));
	else if (report->state == HANDOVER_WAITING)
		snprintf(note, sizeof(note), "no such interface yet");
	else
		snprintf(note, sizeof(note), "%s", report->text);
	fact_tell(visitor, GW_FACT_LINK, report->link.name, state_names[report->state], note);
}
