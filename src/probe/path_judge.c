/* SPDX-License-Identifier: MIT */
/*
 * path_judge.c: what is free, and whether the path is congested (spec/qwave.md §10), four times a second, from what
 * probes and the host have seen.
 *
 *   state        what is seen                                                              -> state
 *   unknown      an estimate, or evidence that all is well                                 -> uncongested
 *   uncongested  3 times: hardly any probe (5 %) found the path idle                       -> congested
 *   uncongested  2 times: for half a second every probe has waited for many packets        -> congested
 *   uncongested  a tenth of the probes is lost; or what the host sees of its own traffic   -> congested
 *   congested    3 times: probes found it idle (10 %), none of the above                   -> uncongested
 *
 * What is free is told from as long a time as nothing has changed, up to a minute; a short time, of about a second,
 * shows changes.
 */
#include "probe/path_internal.h"

#define SHORT_US (1 * US_PER_S)
#define SHORT_MAX_US (3 * US_PER_S)
#define SHORT_PROBES 20
#define LONG_US (60 * US_PER_S)
/* For "hardly any", so many have to be looked at; of fewer none may be idle by chance. */
#define FULL_PROBES 60
#define FULL_MAX_US (6 * US_PER_S)
/* And so long: the queue of a slow link that is not full takes a while to empty now and then. */
#define FULL_PACKETS 200
#define ESTIMATE_PROBES 20

#define FULL_SHARE 0.05
#define CLEAR_SHARE 0.10
#define FULL_TIMES 3
#define CLEAR_TIMES 3
#define SLOW_TIMES 2
#define MOVED_TIMES 2
/* For half a second nobody waited for less than so many packets, and so long. */
#define SLOW_US (500 * US_PER_MS)
#define SLOW_PROBES 5
/* Of paced trains one alone says nothing. */
#define PACED_MIN 2
#define SLOW_BACK 2
/* Where each probe waits for the one before, so long ones are few, but they say more. */
#define LONG_WAIT_PROBES 3
#define LONG_WAIT_PACKETS 20
#define LONG_WAIT_MIN_NS 20e6
#define LONG_WAIT_BACK 2
/* The last moment alone. */
#define NOW_US (300 * US_PER_MS)
#define SLOW_PACKETS 5.0
/* Delays that vary without any queue are less than that. */
#define SLOW_MIN_NS 2e6
#define LOSS_SHARE 0.10
#define LOSS_PROBES 20
/* With what the host sees, probes must not say the opposite. */
#define PASSIVE_SHARE 0.25
/* Less of the bottleneck is nothing (spec/probing.md §6.2). */
#define NOTHING 0.02
#define TELL_SHARE 0.02

struct views {
	bool has_short, has_full, has_slow, has_long, silent, waits_long;
	struct spare_view shortly, full, slow, loss, lately;
};

static uint64_t ns(uint64_t us)
{
	return us * NS_PER_US;
}

/* A span that holds so many probes, within bounds. */
static uint64_t span_ns(const struct path *path, unsigned probes, uint64_t least_us,
			uint64_t most_us, uint64_t now_us)
{
	uint64_t span = spare_span_of(&path->spare, probes, ns(most_us), ns(now_us));

	return span > ns(least_us) ? span : ns(least_us);
}

/* Of what is lost to the last one nobody says so: nothing comes back. */
static bool is_silent(const struct path *path, uint64_t now_us)
{
	return path->gaps_wanted && path->available_known && now_us > path->heard_us + SHORT_US;
}

/* Those that waited longest are not back yet; those that are lost have found no room. */
static bool look_back(const struct spare *spare, uint64_t span_us, uint64_t packet_ns,
		      uint64_t now_ns, struct spare_view *view)
{
	return spare_look(spare, ns(span_us), packet_ns, now_ns, view) && view->n >= SLOW_PROBES &&
	       view->n - view->lost >= SLOW_BACK;
}

static bool waits_long(const struct path *path, uint64_t now_us)
{
	uint64_t packet_ns = path_packet_ns(path);
	double limit_ns = LONG_WAIT_PACKETS * (double)packet_ns;
	uint64_t span_ns = ns(SLOW_US);
	struct spare_view view;

	if (limit_ns < LONG_WAIT_MIN_NS)
		limit_ns = LONG_WAIT_MIN_NS;
	if (!spare_look(&path->spare, span_ns, packet_ns, ns(now_us), &view) ||
	    view.waited_least_ns <= limit_ns)
		return false;
	/* So that enough of them are back. */
	span_ns += (uint64_t)(LONG_WAIT_BACK * view.waited_least_ns);
	if (span_ns > ns(2 * SLOW_US))
		span_ns = ns(2 * SLOW_US);
	return spare_look(&path->spare, span_ns, packet_ns, ns(now_us), &view) &&
	       view.n - view.lost >= LONG_WAIT_PROBES && view.waited_least_ns > limit_ns;
}

static void look(const struct path *path, uint64_t now_us, struct views *views)
{
	uint64_t packet_ns = path_packet_ns(path), now_ns = ns(now_us);
	uint64_t steady_us = now_us - path->steady_us,
		 full_us = FULL_PACKETS * packet_ns / NS_PER_US;
	const struct spare *spare = &path->spare;

	views->silent = is_silent(path, now_us);
	views->waits_long = waits_long(path, now_us);
	views->has_short = spare_look(spare,
				      span_ns(path, SHORT_PROBES, SHORT_US, SHORT_MAX_US, now_us),
				      packet_ns, now_ns, &views->shortly) &&
			   views->shortly.n >= SHORT_PROBES / 2;
	views->has_full =
		spare_look(spare,
			   span_ns(path, FULL_PROBES, full_us > SHORT_US ? full_us : SHORT_US,
				   FULL_MAX_US, now_us),
			   packet_ns, now_ns, &views->full) &&
		views->full.n >= FULL_PROBES;
	views->has_slow = look_back(spare, SLOW_US, packet_ns, now_ns, &views->slow) ||
			  look_back(spare, 2 * SLOW_US, packet_ns, now_ns, &views->slow);
	spare_look(spare, span_ns(path, LOSS_PROBES, 2 * SHORT_US, SHORT_MAX_US, now_us), packet_ns,
		   now_ns, &views->loss);
	views->has_long = spare_look(spare, ns(path_earlier(steady_us, LONG_US)), packet_ns, now_ns,
				     &views->lately) &&
			  views->lately.n >= ESTIMATE_PROBES;
}

static double loss_of(const struct spare_view *view)
{
	return view->n > 0 ? (double)view->lost / view->n : 0;
}

/* ---- congestion ---- */

static bool is_losing(const struct views *views)
{
	return views->silent ||
	       (views->loss.n >= LOSS_PROBES && loss_of(&views->loss) > LOSS_SHARE);
}

/* What nobody waits for unless there is a queue. */
static double slow_ns(const struct path *path)
{
	double packets_ns = SLOW_PACKETS * (double)path_packet_ns(path);

	return packets_ns > SLOW_MIN_NS ? packets_ns : SLOW_MIN_NS;
}

static bool is_slow(const struct path *path, const struct views *views)
{
	return views->waits_long ||
	       (views->has_slow && views->slow.waited_least_ns > slow_ns(path));
}

/*
 * Hardly anybody found it idle. Where delays vary by more than a packet's time nobody does, full or not; so paced trains
 * are heard first, unless none come through.
 */
static bool is_full(const struct path *path, const struct views *views)
{
	bool heard = path->paced.n >= PACED_MIN || path->paced_begun >= PACED_FIRST ||
		     path->flows == 0;

	return views->has_full && views->full.idle < FULL_SHARE &&
	       views->full.waited_mean_ns > SLOW_MIN_NS && heard && !path->deceived;
}

/* Small packets found it so; or, as they are known to be deceived, they have not waited long, or paced trains did. */
static bool is_idle(const struct path *path, const struct views *views)
{
	struct load_view view;

	if (views->shortly.idle > CLEAR_SHARE)
		return true;
	if (!path->deceived)
		return false;
	load_look(&path->paced, path->entered_us, &view);
	return views->shortly.waited_mean_ns < slow_ns(path) ||
	       (view.n >= PACED_MIN && 1 - view.busy > CLEAR_SHARE);
}

static void count(struct path *path, const struct views *views)
{
	bool slow = is_slow(path, views);
	bool full = is_full(path, views);
	bool idle = is_idle(path, views);
	bool clear = views->has_short && idle && !slow && !is_losing(views);

	path->slow = slow ? path->slow + 1 : 0;
	path->full = full ? path->full + 1 : 0;
	path->clear = clear ? path->clear + 1 : 0;
}

static enum path_state next_state(const struct path *path, const struct views *views,
				  uint64_t now_us)
{
	enum passive_verdict passive = passive_verdict(&path->passive, now_us);
	bool probed = views->has_short || views->has_slow;

	if (path->full >= FULL_TIMES || path->slow >= SLOW_TIMES || is_losing(views))
		return PATH_CONGESTED;
	if (passive == PASSIVE_CONGESTED &&
	    (!views->has_short || views->shortly.idle < PASSIVE_SHARE))
		return PATH_CONGESTED;
	if (path->state == PATH_CONGESTED)
		return path->clear >= CLEAR_TIMES || (!probed && passive == PASSIVE_CLEAR)
			       ? PATH_UNCONGESTED
			       : PATH_CONGESTED;
	if (path->state == PATH_UNKNOWN && !path->available_known && passive != PASSIVE_CLEAR)
		return PATH_UNKNOWN;
	return PATH_UNCONGESTED;
}

static void enter(struct path *path, enum path_state state, uint64_t now_us)
{
	if (state == path->state)
		return;
	path->state = state;
	path->entered_us = now_us;
	path->full = path->slow = path->clear = 0;
	/* What was before the change says nothing about what is free now. */
	path->steady_us = now_us - SHORT_US;
	path_tell(path, state == PATH_CONGESTED ? PATH_EVENT_CONGESTED : PATH_EVENT_UNCONGESTED);
}

/* ---- small packets, and what fills the link ---- */

#define PACED_US (180 * US_PER_S)
/* Small packets that come so long after one, with things as they were, tell of the same. */
#define FOLLOW_US (8 * US_PER_S)
/* What they say by themselves counts from so many on. */
#define PACED_ALONE 3
/* What is free differs by so much of the link, and that cannot be chance. */
#define DECEIVED 0.08
#define SIGMAS 2.5
/*
 * Less is enough where small packets are known to be deceived: by a bucket, or delays that vary by themselves, so that who
 * has not waited is spread over such a share of a packet's time.
 */
#define VARIES_SHARE 0.25
#define KNOWN_SIGMAS 1.0

static double in_bounds(double share)
{
	return share < 0 ? 0 : share > 1 ? 1 : share;
}

static bool is_deceived(const struct path *path, const struct load_view *view)
{
	bool varies = path->spare.idle_ns > VARIES_SHARE * (double)path_packet_ns(path);
	double sigmas = varies || path->capacity.bucket_packets > 0 ? KNOWN_SIGMAS : SIGMAS;
	double difference = 1 - view->busy - view->seemed, variance = view->chance;

	/* Two or three may be alike by chance. */
	if (view->n > PACED_ALONE && view->variance > variance)
		variance = view->variance;
	return (difference > DECEIVED || difference < -DECEIVED) &&
	       difference * difference > sigmas * sigmas * variance;
}

/*
 * What share is free: what small packets say, unless paced trains have said something else at the same time; then
 * what these say, if there are enough since things are as they are, or else what that comes to. In a queue both find
 * the same.
 */
static double believed_share(struct path *path, double share, uint64_t now_us)
{
	uint64_t since_us = now_us > PACED_US ? now_us - PACED_US : 0;
	struct load_view view;

	path->seemed = share;
	load_seems(&path->paced,
		   now_us > path->steady_us + FOLLOW_US ? now_us - FOLLOW_US : path->steady_us,
		   share);
	load_look(&path->paced, since_us > path->entered_us ? since_us : path->entered_us, &view);
	if (view.n >= PACED_MIN)
		path->deceived = is_deceived(path, &view);
	if (!path->deceived || path->state == PATH_CONGESTED)
		return share;
	if (view.n > 0)
		share += 1 - view.busy - view.seemed;
	load_look(&path->paced, since_us > path->steady_us ? since_us : path->steady_us, &view);
	return in_bounds(view.n >= PACED_ALONE ? 1 - view.busy : share);
}

/* ---- what is free ---- */

/* Probes that follow one another see much the same: so many of them tell as much as one. */
#define ALIKE 3

/* Whether the last second or so does not belong to the time before. */
static bool has_moved(const struct views *views)
{
	double before = views->lately.idle, now = views->shortly.idle;
	double difference = now > before ? now - before : before - now;
	double variance = before * (1 - before) * ALIKE / views->shortly.n;
	double beyond = difference - 0.05;

	return beyond > 0 && beyond * beyond > 2.5 * 2.5 * variance;
}

static void follow_changes(struct path *path, const struct views *views, uint64_t now_us)
{
	if (!views->has_short || !views->has_long || views->lately.n < 2 * views->shortly.n) {
		path->moved = 0;
		return;
	}
	path->moved = has_moved(views) ? path->moved + 1 : 0;
	if (path->moved >= MOVED_TIMES) {
		path->steady_us = now_us - SHORT_US;
		path->moved = 0;
	}
}

static void estimate(struct path *path, const struct views *views, uint64_t now_us)
{
	double loss = loss_of(&views->lately), share = views->lately.idle * (1 - loss);
	double own_share = passive_own_share(&path->passive, path->capacity.bps, now_us);
	double capacity_bps = (double)path->capacity.bps, difference;

	if (!views->has_long || path->capacity.bps == 0)
		return;
	share = believed_share(path, share, now_us);
	/* A shaper with a bucket lets small packets pass at once, busy or not. */
	if (own_share < share)
		share = own_share;
	if (loss > LOSS_SHARE || share < NOTHING || path->state == PATH_CONGESTED)
		share = 0;
	/* To applications nothing means that the path is congested; as long as it is not, it is a little. */
	if (share < NOTHING && path->state != PATH_CONGESTED)
		share = NOTHING;
	path->available_bps = (uint64_t)(share * capacity_bps);
	path->available_us = now_us;
	difference = (double)path->available_bps - (double)path->told_bps;
	if (path->available_known && difference < TELL_SHARE * capacity_bps &&
	    difference > -TELL_SHARE * capacity_bps)
		return;
	path->available_known = true;
	path->told_bps = path->available_bps;
	path_tell(path, PATH_EVENT_MEASURED);
}

/* ---- all of it ---- */

/* Something seems to be wrong, or somebody waits: look more closely. */
static bool should_hurry(const struct path *path, const struct views *views)
{
	return path->n_wishes > 0 || path->refresh.wanted || !path->available_known ||
	       (path->state == PATH_UNCONGESTED && views->has_slow && views->slow.idle <= 0);
}

void path_judge(struct path *path, uint64_t now_us)
{
	struct views views = { 0 };

	path->judge_us = path->running[PATH_GAPS] || path->passive.has_tcp ||
					 path->passive.has_queue
				 ? now_us + JUDGE_US
				 : UINT64_MAX;
	spare_learn(&path->spare, path_packet_ns(path), ns(now_us));
	look(path, now_us, &views);
	follow_changes(path, &views, now_us);
	count(path, &views);
	enter(path, next_state(path, &views, now_us), now_us);
	estimate(path, &views, now_us);
	if (path->refresh.gaps == 0 && !path->refresh.train)
		path->refresh.wanted = false;
	path->hurry = path->credit_bits > 0 && should_hurry(path, &views);
	path->losing = is_losing(&views);
	path->troubled = path->state == PATH_CONGESTED || path->losing ||
			 (views.has_slow && views.slow.idle <= 0);
}

void path_unlearn(struct path *path)
{
	spare_clear(&path->spare);
	path->paced = (struct load){ 0 };
	path->paced_begun = 0;
	path->deceived = false;
	path->state = PATH_UNKNOWN;
	path->available_known = false;
	path->refresh.wanted = path->troubled = path->losing = false;
	path->full = path->clear = path->slow = path->moved = 0;
}

bool path_is_queueing(const struct path *path, uint64_t now_us)
{
	struct spare_view view;

	return spare_look(&path->spare, ns(NOW_US), path_packet_ns(path), ns(now_us), &view) &&
	       view.waited_least_ns > slow_ns(path);
}

bool path_free_now(const struct path *path, uint64_t now_us, uint64_t *ret_bps)
{
	struct spare_view view;
	double share, doubt;

	if (!path->available_known || path->capacity.bps == 0)
		return false;
	*ret_bps = path->available_bps;
	if (!spare_look(&path->spare, ns(SLOW_US), path_packet_ns(path), ns(now_us), &view) ||
	    view.n < SLOW_PROBES)
		return true;
	/* As many as that may have been busy by chance. */
	doubt = 1.0 / view.n + 0.1;
	share = view.idle + doubt;
	if (share < 1 && (double)*ret_bps > share * (double)path->capacity.bps)
		*ret_bps = (uint64_t)(share * (double)path->capacity.bps);
	return true;
}
