/* SPDX-License-Identifier: MIT */
/*
 * handover_link.c: one link that was handed over: taken when it can be, watched, and given back. What
 * happens to interfaces comes from handover.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "datapath/kernel/foreign_tree.h"
#include "datapath/kernel/handover_internal.h"
#include "datapath/kernel/kept.h"

#define MODULE "kernel"
#define SYS_FOLDER "/sys/class/net"

/* What the arithmetic of a schedule takes; interfaces may say more or less. */
#define MTU_MIN 68
#define MTU_MAX 65535

/* First of all filters there. */
#define CLASSIFIER_PRIORITY 1
#define CLASSIFIER_HANDLE 1
#define CLASSIFIER_NAME "greenwave_class"

struct handover_report handed_report(const struct handed *handed)
{
	return (struct handover_report){
		.link = handed->link,
		.ifindex = handed->state == HANDOVER_WAITING ? 0 : handed->iface.ifindex,
		.state = handed->state,
		.text = handed->text.text,
		.schedule = handed->schedule,
	};
}

void handed_tell(const struct handover *handover, const struct handed *handed)
{
	struct handover_report report = handed_report(handed);

	if (handed->state == HANDOVER_WAITING)
		report.lost = handed->ifindex;
	if (handover->changed)
		handover->changed(handover->user_data, &report);
}

static void say(struct handed *handed, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct handed *handed, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(handed->text.text, sizeof(handed->text.text), format, arguments);
	va_end(arguments);
}

/* The text has been said before. */
static void become(const struct handover *handover, struct handed *handed,
		   enum handover_state state)
{
	bool news = handed->state != state;

	handed->state = state;
	log_debug(MODULE, "link %s: state %d%s%s", handed->link.name, (int)state,
		  handed->text.text[0] ? ": " : "", handed->text.text);
	if (news)
		handed_tell(handover, handed);
}

/* --- Giving back ------------------------------------------------------------------------------ */

void handed_give_back(const struct handover *handover, struct handed *handed, bool restore)
{
	struct schedule_text text;

	if (!handed->schedule)
		return;
	handed->schedule = schedule_close(handed->schedule, restore, &text);
	if (text.text[0])
		log_warning(MODULE, "link %s: %s", handed->link.name, text.text);
	if (restore)
		kept_remove(handover->state_folder, handed->link.name);
}

/* What stands there now is not ours, so nothing is put back. */
static void let_go(const struct handover *handover, struct handed *handed)
{
	handed->schedule = schedule_close(handed->schedule, false, NULL);
	kept_remove(handover->state_folder, handed->link.name);
}

/* -ENOENT: there is none; -EINVAL: what there is is not to be trusted. */
static int recall(const struct handover *handover, const char *name, void **ret_foreign,
		  size_t *ret_len)
{
	_cleanup_(freep) struct foreign_tree *foreign = NULL;
	_cleanup_(freep) void *bytes = NULL;
	size_t len;
	int r = kept_read(handover->state_folder, name, &bytes, &len);

	if (r == 0)
		r = foreign_tree_from_bytes(bytes, len, &foreign);
	if (r < 0)
		return r;
	*ret_foreign = steal_ptr(&bytes);
	*ret_len = len;
	return 0;
}

void handed_give_back_orphan(const struct handover *handover, uint32_t ifindex, const char *name)
{
	_cleanup_(freep) void *foreign = NULL;
	struct schedule_text text;
	size_t len = 0;
	int r;

	(void)recall(handover, name, &foreign, &len);
	r = schedule_give_back(ifindex, foreign, len, &text);
	if (r == -ENOENT)
		return;
	log_notice(MODULE, "link %s: was handed over to a daemon before this one: %s%s%s", name,
		   r < 0 ? strerror(-r) : "given back", text.text[0] ? "; " : "", text.text);
	kept_remove(handover->state_folder, name);
}

/* --- The classifier --------------------------------------------------------------------------- */

static int put_classifier(struct handover *handover, const struct handed *handed)
{
	const struct tc_filter filter = {
		.ifindex = handed->ifindex,
		.parent = SCHEDULE_HANDLE,
		.priority = CLASSIFIER_PRIORITY,
		.handle = CLASSIFIER_HANDLE,
		.class_id = SCHEDULE_HANDLE,
	};

	if (handover->classifier_fd >= 0)
		return tc_filter_put(&handover->tc, &filter, handover->classifier_fd,
				     CLASSIFIER_NAME);
	/* One of a daemon before us, which had programs. */
	if (schedule_adopted(handed->schedule))
		(void)tc_filter_delete(&handover->tc, &filter);
	return 0;
}

static void settle_classifier(struct handover *handover, struct handed *handed)
{
	int r;

	if (handover->classifier_fd < 0 || !attempts_allow(&handed->attempts, time_now_us()))
		return;
	r = put_classifier(handover, handed);
	handed->classify = r < 0;
	if (r < 0)
		say(handed, "the classifier is missing: %s", strerror(-r));
	else if (handed->unclassified)
		say(handed, "%s", "");
	handed->unclassified = r < 0;
}

/* --- Taking over ------------------------------------------------------------------------------ */

static uint32_t mtu_of(const struct handed *handed)
{
	uint32_t mtu = handed->iface.mtu;

	if (mtu > MTU_MAX)
		return MTU_MAX;
	return mtu > 0 && mtu < MTU_MIN ? MTU_MIN : mtu;
}

struct keeper {
	const struct handover *handover;
	const struct handed *handed;
	bool written;
};

static int keep(void *user_data, const void *foreign, size_t len)
{
	struct keeper *keeper = user_data;
	int r = kept_write(keeper->handover->state_folder, keeper->handed->link.name, foreign, len);

	keeper->written = r == 0;
	return r;
}

static int open_schedule(struct handover *handover, struct handed *handed, const void *foreign,
			 size_t foreign_len)
{
	struct keeper keeper = { .handover = handover, .handed = handed };
	const struct schedule_config config = {
		.ifindex = handed->iface.ifindex,
		.rate_bps = handed->link.rate_bps,
		.reservable_percent = handed->link.reservable_percent,
		.mtu = mtu_of(handed),
		.overhead_bytes = iface_overhead_bytes(&handed->iface),
		.force = handed->link.force,
		.foreign = foreign,
		.foreign_len = foreign_len,
		.keep = keep,
		.user_data = &keeper,
	};
	int r = schedule_open(&config, &handed->schedule, &handed->text);

	if (r == 0) {
		handed->ifindex = config.ifindex;
		handed->mtu = config.mtu;
		r = put_classifier(handover, handed);
		if (r < 0) {
			handed->schedule = schedule_close(handed->schedule, true, NULL);
			say(handed, "the classifier cannot be attached: %s", strerror(-r));
			keeper.written = true;
		}
	}
	/* As it was, so there is nothing to give back. */
	if (r < 0 && keeper.written)
		kept_remove(handover->state_folder, handed->link.name);
	return r;
}

static bool is_for_good(int error)
{
	return error == -EBUSY || error == -EOPNOTSUPP || error == -EINVAL || error == -ENODEV;
}

static void on_refused(struct handover *handover, struct handed *handed, int error)
{
	bool replaced = handed->state == HANDOVER_REPLACED && error == -EBUSY;

	if (handed->text.text[0] == 0)
		say(handed, "it cannot be scheduled: %s", strerror(-error));
	handed->look = !is_for_good(error);
	become(handover, handed, replaced ? HANDOVER_REPLACED : HANDOVER_REFUSED);
}

static void take(struct handover *handover, struct handed *handed)
{
	_cleanup_(freep) void *foreign = NULL;
	size_t len = 0, had;
	int kept = recall(handover, handed->link.name, &foreign, &len);
	int r = open_schedule(handover, handed, foreign, len);

	if (r < 0) {
		on_refused(handover, handed, r);
		return;
	}
	if (!schedule_foreign(handed->schedule, &had))
		kept_remove(handover->state_folder, handed->link.name);
	if (kept == -EINVAL && schedule_adopted(handed->schedule))
		say(handed,
		    "what is kept of the queue that was there before is damaged and ignored");
	handed->look = false;
	handed->classify = false;
	handed->unclassified = false;
	become(handover, handed, HANDOVER_SCHEDULED);
}

/* --- Watching --------------------------------------------------------------------------------- */

static void check(struct handover *handover, struct handed *handed)
{
	struct schedule_text text;
	int r = schedule_check(handed->schedule, &text);

	handed->look = false;
	if (r == 0)
		return;
	handed->text = text;
	if (r != -EBUSY && r != -ENOENT && r != -ENODEV) {
		say(handed, "its queue cannot be looked at: %s", strerror(-r));
		handed->look = true;
		return;
	}
	let_go(handover, handed);
	if (r == -ENODEV) {
		handed->iface = (struct iface){ 0 };
		return;
	}
	/* One that was only taken away is free for us; another's is left alone without force. */
	handed->look = r == -ENOENT || handed->link.force;
	become(handover, handed, HANDOVER_REPLACED);
}

static void settle_mtu(struct handed *handed)
{
	uint32_t mtu = mtu_of(handed);
	int r;

	if (mtu == handed->mtu)
		return;
	r = schedule_set_mtu(handed->schedule, mtu);
	if (r == 0)
		handed->mtu = mtu;
	else
		say(handed, "it still reckons with packets of %" PRIu32 " bytes: %s", handed->mtu,
		    strerror(-r));
}

void handed_settle_loss(struct handover *handover, struct handed *handed)
{
	bool other = handed->gone || handed->iface.ifindex != handed->ifindex;

	handed->gone = false;
	if (!other)
		return;
	/* Where the interface has gone there is nothing to restore; under another name there is. */
	if (handed->schedule) {
		handed_give_back(handover, handed, true);
		say(handed, "the interface has gone, or has another name");
		become(handover, handed, HANDOVER_WAITING);
	}
	handed->ifindex = handed->iface.ifindex;
	handed->attempts = (struct attempts){ 0 };
	handed->look = handed->iface.ifindex != 0;
}

static void settle_free(struct handover *handover, struct handed *handed)
{
	const char *refusal;

	handed->iface.wireless = iface_is_wireless(&handed->iface, SYS_FOLDER);
	refusal = iface_refusal(&handed->iface);
	if (refusal) {
		say(handed, "%s", refusal);
		handed->look = false;
		become(handover, handed, HANDOVER_REFUSED);
	} else if (attempts_allow(&handed->attempts, time_now_us())) {
		take(handover, handed);
	}
}

void handed_settle(struct handover *handover, struct handed *handed)
{
	if (handed->schedule && handed->look)
		check(handover, handed);
	if (handed->iface.ifindex == 0) {
		say(handed, "there is no such interface now");
		become(handover, handed, HANDOVER_WAITING);
		return;
	}
	if (!handed->schedule) {
		if (handed->look)
			settle_free(handover, handed);
		return;
	}
	settle_mtu(handed);
	if (handed->classify)
		settle_classifier(handover, handed);
}

void handed_change(struct handover *handover, struct handed *handed,
		   const struct handover_link *link)
{
	bool same = handed->link.rate_bps == link->rate_bps &&
		    handed->link.reservable_percent == link->reservable_percent;
	int r = -ENOENT;

	handed->link.force = link->force;
	handed->look = true;
	handed->attempts = (struct attempts){ 0 };
	if (same)
		return;
	if (handed->schedule)
		r = schedule_set_rate(handed->schedule, link->rate_bps, link->reservable_percent);
	/* Without a tree, or after it, the next one has the new figures. */
	if (r < 0 && r != -ENODEV && r != -ENOENT) {
		say(handed, "it keeps its old rate, the new one cannot be had: %s", strerror(-r));
		return;
	}
	handed->link = *link;
	if (r == 0) {
		say(handed, "%s", "");
		handed_tell(handover, handed);
	}
}
