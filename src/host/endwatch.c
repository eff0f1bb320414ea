/* SPDX-License-Identifier: MIT */
/*
 * endwatch.c: see endwatch.h. Of each managed socket it keeps a sight: what the kernel said of it last. What
 * differs the next time has happened in between.
 *
 * | the kernel says                   | before          | what has happened                          |
 * |-----------------------------------|-----------------|--------------------------------------------|
 * | destroyed (a message)             | any             | closed                                     |
 * | there, no descriptor              | any             | closed; TCP is taking its leave            |
 * | there, more directions shut down  | fewer           | shutdown of those; TCP: not by a peer's FIN |
 * | there, not connected              | connected       | disconnected                               |
 * | not there, twice                  | there           | disconnected, see below                    |
 * | not there                         | not there       | nothing: it has no port yet                |
 *
 * A socket can leave the kernel's tables without being closed: TCP when it disconnects or is reset, UDP when it
 * disconnects and the kernel takes back the port that it had chosen. So "not there" alone means disconnected,
 * and the message that the socket was destroyed is waited for. Only where such messages were lost, or are not to
 * be had, it means closed.
 *
 * A question names a socket by its addresses, and these change (bind, connect), or are shared by many
 * (SO_REUSEPORT). A socket that is not found by them is looked for among all of its kind.
 */
#include "host/endwatch.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#include "base/time.h"
#include "datapath/sockdiag.h"
#include "datapath/sockwatch.h"
#include "host/internal.h"
#include "host/sight.h"

#define KINDS 4 /* IPv4 and IPv6, UDP and TCP */

#define ROUND_US USEC_PER_SEC /* each socket once, if the budget allows */
#define ASK_TURN_US 400	      /* of one turn */
#define SCAN_TURN_US 800      /* of one turn, what was asked in it included */
#define IDLE_PER_BUSY 99      /* a hundredth of a core */
#define SCAN_AGAIN_US (200 * USEC_PER_MSEC)
#define MISSES_ENOUGH 2 /* a table that changes while it is read may hide a socket once */

struct kind {
	int family;
	int protocol;
	bool answered;	       /* the kernel answers questions about such sockets */
	bool joined;	       /* the kernel tells when one is destroyed */
	bool unheard;	       /* it never does */
	struct sight *missing; /* not found by their addresses */
	struct sight *sought;  /* those among them that the scan in hand looks for */
};

struct endwatch {
	struct endwatch_options options;
	struct engine *engine;
	struct kind kinds[KINDS];
	struct sockdiag *sockdiag;
	struct sockdiag *scan; /* made when first needed */
	struct kind *scanned;  /* what is being looked through; NULL: nothing */
	struct sockwatch *sockwatch;
	struct event *destroyed;
	struct event *timer;
	struct sights sights;
	uint64_t round;
	uint64_t next_ask_us;
	uint64_t next_scan_us;

	uint64_t losses;     /* how often messages were lost */
	uint64_t loss_added; /* entries_added then */
};

static struct kind *kind_of(struct endwatch *watch, int family, int protocol)
{
	return &watch->kinds[(family == AF_INET6 ? 2 : 0) + (protocol == IPPROTO_TCP ? 1 : 0)];
}

/* ---- what has happened ---- */

/* If the socket still lives the life that the sight is of: what came after is news to it. */
static void report(struct endwatch *watch, const struct sight *sight, unsigned directions,
		   enum end_reason reason)
{
	struct engine_managed managed;

	if (engine_find_socket(watch->engine, sight->cookie, &managed) &&
	    managed.added == sight->added)
		engine_end_socket(watch->engine, sight->cookie, directions, reason, time_now_us());
}

/* The application's doing only: TCP ends receiving also when the peer has ended sending. */
static uint8_t directions_shut(const struct kind *kind, const struct sockdiag_state *state)
{
	bool peer_has_ended = state->tcp_state == TCP_CLOSE_WAIT ||
			      state->tcp_state == TCP_LAST_ACK || state->tcp_state == TCP_CLOSING ||
			      state->tcp_state == TCP_TIME_WAIT;

	if (kind->protocol == IPPROTO_TCP && peer_has_ended)
		return state->directions & (uint8_t)~DIRECTION_RECEIVE;
	return state->directions;
}

static void on_found(struct endwatch *watch, struct sight *sight,
		     const struct sockdiag_state *state)
{
	uint8_t shut = directions_shut(sight->kind, state);
	uint8_t newly_shut = shut & (uint8_t)~sight->directions;
	bool disconnected = sight->connected && !state->connected;

	sight_put(sight, NULL);
	sight->known = true;
	sight->gone = false;
	sight->misses = 0;
	sight->losses = watch->losses;
	sight->query.local = state->local;
	sight->query.remote = state->remote;
	sight->query.ifindex = state->ifindex;
	sight->directions |= shut;
	sight->connected = state->connected;
	if (!state->held) {
		report(watch, sight, DIRECTION_BOTH, END_CLOSED);
		return;
	}
	if (newly_shut && watch->options.shutdowns)
		report(watch, sight, newly_shut, END_SHUTDOWN);
	if (disconnected && watch->options.disconnects)
		report(watch, sight, DIRECTION_BOTH, END_DISCONNECTED);
}

/* May the message that it was destroyed have come to nobody? */
static bool close_unheard(const struct endwatch *watch, const struct sight *sight)
{
	if (!watch->options.closes)
		return false;
	if (!sight->kind->joined)
		return true;
	return sight->added < watch->loss_added && sight->losses != watch->losses;
}

/* Looked for among all sockets, and not there. */
static void on_missed(struct endwatch *watch, struct sight *sight)
{
	sight_put(sight, NULL);
	if (!sight->known || sight->gone)
		return;
	if (++sight->misses < MISSES_ENOUGH) {
		sight_put(sight, &sight->kind->missing);
		return;
	}
	sight->gone = true;
	sight->connected = false;
	if (close_unheard(watch, sight))
		report(watch, sight, DIRECTION_BOTH, END_CLOSED);
	else if (watch->options.disconnects)
		report(watch, sight, DIRECTION_BOTH, END_DISCONNECTED);
}

static void end_destroyed(void *user_data, uint64_t cookie)
{
	struct endwatch *watch = user_data;

	engine_end_socket(watch->engine, cookie, DIRECTION_BOTH, END_CLOSED, time_now_us());
}

/* From now on polling must find the closed sockets. */
static void stop_listening(struct endwatch *watch)
{
	event_free(watch->destroyed);
	watch->destroyed = NULL;
	watch->sockwatch = sockwatch_free(watch->sockwatch);
	for (size_t i = 0; i < KINDS; i++)
		watch->kinds[i].joined = false;
}

static void on_destroyed(evutil_socket_t fd, short what, void *user_data)
{
	struct endwatch *watch = user_data;
	int r;

	(void)fd;
	(void)what;
	r = sockwatch_dispatch(watch->sockwatch, end_destroyed, watch);
	if (r == -ENOBUFS) {
		watch->losses++;
		watch->loss_added = engine_counters(watch->engine)->entries_added;
	} else if (r < 0) {
		stop_listening(watch);
	}
	host_schedule(watch->options.host);
}

/* ---- asking ---- */

static uint32_t count_managed(const struct endwatch *watch)
{
	uint32_t n = 0;

	for (size_t i = 0; i < KINDS; i++)
		n += engine_count_sockets(watch->engine, watch->kinds[i].family,
					  watch->kinds[i].protocol);
	return n;
}

static void look_at(struct endwatch *watch, const struct engine_managed *managed)
{
	struct sockdiag_state state;
	struct sight *sight;

	if (!kind_of(watch, managed->family, managed->protocol)->answered)
		return;
	sight = sights_obtain(&watch->sights, managed,
			      kind_of(watch, managed->family, managed->protocol), watch->round);
	if (!sight)
		return;
	/* A socket without a port is in no table. */
	if (sight->query.local.port != 0 &&
	    sockdiag_ask(watch->sockdiag, &sight->query, &state) == 0)
		on_found(watch, sight, &state);
	else if (!sight->list)
		sight_put(sight, &sight->kind->missing);
}

/* The next few of the round. */
static void ask(struct endwatch *watch, uint64_t started_us, uint32_t n_managed)
{
	struct engine_managed managed;
	uint64_t spent_us = 0, share_us;
	uint32_t n = 0;

	while (n < n_managed && spent_us < ASK_TURN_US &&
	       engine_next_socket(watch->engine, &managed)) {
		if (managed.first)
			watch->round++;
		look_at(watch, &managed);
		n++;
		spent_us = time_now_us() - started_us;
	}
	if (n_managed == 0)
		watch->round++;
	share_us = n_managed ? ROUND_US * n / n_managed : 0;
	watch->next_ask_us = started_us + share_us;
}

/* ---- looking through all sockets of a kind ---- */

static void on_scanned(void *user_data, const struct sockdiag_state *state)
{
	struct endwatch *watch = user_data;
	struct sight *sight = sights_find(&watch->sights, state->cookie);

	if (sight)
		on_found(watch, sight, state);
}

static void scan_end(struct endwatch *watch, int result)
{
	struct kind *kind = watch->scanned;

	watch->scanned = NULL;
	watch->next_scan_us = time_now_us() + SCAN_AGAIN_US;
	if (result < 0)
		watch->scan = sockdiag_free(watch->scan); /* the rest of its answers goes with it */
	while (kind->sought) {
		if (result < 0)
			sight_put(kind->sought, NULL); /* the next question brings it back */
		else
			on_missed(watch, kind->sought);
	}
}

/* The kinds take turns. */
static void scan_begin(struct endwatch *watch)
{
	int r = 0;

	for (size_t i = 0; i < KINDS && !watch->scanned; i++) {
		if (watch->kinds[i].missing)
			watch->scanned = &watch->kinds[i];
	}
	if (!watch->scanned)
		return;

	while (watch->scanned->missing)
		sight_put(watch->scanned->missing, &watch->scanned->sought);
	if (!watch->scan)
		r = sockdiag_new(&watch->scan);
	if (r == 0)
		r = sockdiag_scan_begin(watch->scan, watch->scanned->family,
					watch->scanned->protocol);
	if (r < 0)
		scan_end(watch, r);
}

static void scan(struct endwatch *watch, uint64_t started_us)
{
	uint64_t now_us = time_now_us();
	int r = 1;

	if (!watch->scanned && now_us >= watch->next_scan_us)
		scan_begin(watch);
	while (watch->scanned && r > 0 && now_us - started_us < SCAN_TURN_US) {
		r = sockdiag_scan_next(watch->scan, on_scanned, watch);
		now_us = time_now_us();
		if (r <= 0)
			scan_end(watch, r);
	}
}

/* ---- the clock ---- */

static void arm(struct endwatch *watch, uint64_t wait_us)
{
	const struct timeval wait = { .tv_sec = (time_t)(wait_us / USEC_PER_SEC),
				      .tv_usec = (suseconds_t)(wait_us % USEC_PER_SEC) };

	event_add(watch->timer, &wait);
}

/* Nothing is managed: nothing is listened to, and no timer runs. */
static void sleep_until_kicked(struct endwatch *watch)
{
	for (size_t i = 0; i < KINDS; i++) {
		struct kind *kind = &watch->kinds[i];

		if (kind->joined)
			sockwatch_leave(watch->sockwatch, kind->family, kind->protocol);
		kind->joined = false;
	}
}

static bool something_is_missing(const struct endwatch *watch)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (watch->kinds[i].missing)
			return true;
	}
	return false;
}

/* When there is something to do next. */
static uint64_t next_due_us(const struct endwatch *watch)
{
	if (watch->scanned)
		return 0;
	if (something_is_missing(watch) && watch->next_scan_us < watch->next_ask_us)
		return watch->next_scan_us;
	return watch->next_ask_us;
}

static void on_timer(evutil_socket_t fd, short what, void *user_data)
{
	struct endwatch *watch = user_data;
	uint64_t started_us = time_now_us(), busy_us = time_read_us(CLOCK_THREAD_CPUTIME_ID);
	uint32_t n_managed = count_managed(watch);
	uint64_t now_us, due_us, rest_us;

	(void)fd;
	(void)what;
	if (n_managed == 0 && !watch->sights.by_cookie) {
		sleep_until_kicked(watch);
		return;
	}
	if (started_us >= watch->next_ask_us)
		ask(watch, started_us, n_managed);
	scan(watch, started_us);
	sights_forget_unmanaged(&watch->sights, watch->round);
	host_schedule(watch->options.host);

	/* What others did with the processor meanwhile does not count. */
	rest_us = (time_read_us(CLOCK_THREAD_CPUTIME_ID) - busy_us) * IDLE_PER_BUSY;
	now_us = time_now_us();
	due_us = next_due_us(watch);
	arm(watch, due_us > now_us + rest_us ? due_us - now_us : rest_us);
}

static void join(struct endwatch *watch, struct kind *kind)
{
	if (!watch->sockwatch || !kind->answered || kind->unheard)
		return;
	kind->joined = sockwatch_join(watch->sockwatch, kind->family, kind->protocol) == 0;
	kind->unheard = !kind->joined;
}

void endwatch_kick(struct endwatch *watch)
{
	uint32_t n_managed = 0;

	for (size_t i = 0; i < KINDS; i++) {
		struct kind *kind = &watch->kinds[i];
		uint32_t n = engine_count_sockets(watch->engine, kind->family, kind->protocol);

		n_managed += n;
		if (n > 0 && !kind->joined)
			join(watch, kind);
	}
	if (n_managed > 0 && !event_pending(watch->timer, EV_TIMEOUT, NULL)) {
		watch->next_ask_us = 0;
		arm(watch, ROUND_US);
	}
}

/* ---- life ---- */

static int probe_kinds(struct endwatch *watch)
{
	static const int families[] = { AF_INET, AF_INET6 };
	static const int protocols[] = { IPPROTO_UDP, IPPROTO_TCP };
	int r = -EOPNOTSUPP;

	for (size_t i = 0; i < KINDS; i++) {
		struct kind *kind = &watch->kinds[i];

		kind->family = families[i / 2];
		kind->protocol = protocols[i % 2];
		kind->answered = sockdiag_probe(watch->sockdiag, kind->family, kind->protocol) == 0;
		if (kind->answered)
			r = 0;
	}
	return r;
}

/* Without it, polling must find the closed sockets. */
static int listen_for_destroyed(struct endwatch *watch)
{
	int r = sockwatch_new(&watch->sockwatch);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	watch->destroyed = event_new(watch->options.base, sockwatch_fd(watch->sockwatch),
				     EV_READ | EV_PERSIST, on_destroyed, watch);
	return watch->destroyed && event_add(watch->destroyed, NULL) == 0 ? 0 : -ENOMEM;
}

int endwatch_new(const struct endwatch_options *options, struct endwatch **ret_watch)
{
	struct endwatch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->options = *options;
	watch->engine = host_engine(options->host);
	r = sockdiag_new(&watch->sockdiag);
	if (r == 0)
		r = probe_kinds(watch);
	if (r == 0 && options->closes)
		r = listen_for_destroyed(watch);
	if (r == 0) {
		watch->timer = evtimer_new(options->base, on_timer, watch);
		r = watch->timer ? 0 : -ENOMEM;
	}
	if (r < 0) {
		endwatch_free(watch);
		return r;
	}
	options->host->endwatch = watch;
	endwatch_kick(watch); /* flows may have been taken over from an earlier engine */
	*ret_watch = watch;
	return 0;
}

struct endwatch *endwatch_free(struct endwatch *watch)
{
	if (!watch)
		return NULL;
	if (watch->options.host->endwatch == watch)
		watch->options.host->endwatch = NULL;
	sights_free(&watch->sights);
	if (watch->destroyed)
		event_free(watch->destroyed);
	if (watch->timer)
		event_free(watch->timer);
	sockwatch_free(watch->sockwatch);
	sockdiag_free(watch->scan);
	sockdiag_free(watch->sockdiag);
	free(watch);
	return NULL;
}

bool endwatch_covers(const struct endwatch *watch, int family, int protocol)
{
	return kind_of((struct endwatch *)watch, family, protocol)->answered;
}
