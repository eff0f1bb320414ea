/* SPDX-License-Identifier: MIT */
/* measurer_ports.c: what a prober needs of the host, and what arrives for it. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/time.h"
#include "host/probe/measurer_internal.h"
#include "host/probe/stamp.h"

/* Somebody else may have the port, and may give it back. */
#define RETRY_S 10

/* ---- what the prober asks for ---- */

static int on_send(void *user_data, const struct qlpb_datagram *items, unsigned n)
{
	const struct measurer *measurer = user_data;

	return datagrams_send(measurer->datagrams, items, n);
}

static int on_connect(void *user_data, uint32_t id, const struct address *sink, uint32_t ifindex)
{
	const struct measurer *measurer = user_data;

	return connections_connect(measurer->connections, id, sink, ifindex);
}

static int on_write(void *user_data, uint32_t id, const uint8_t *data, size_t len)
{
	const struct measurer *measurer = user_data;

	return connections_write(measurer->connections, id, data, len);
}

static void on_close(void *user_data, uint32_t id)
{
	const struct measurer *measurer = user_data;

	connections_close(measurer->connections, id);
}

static void on_link(void *user_data, uint32_t ifindex, struct qlpb_link *ret_link)
{
	(void)user_data;
	evidence_link(ifindex, ret_link);
}

static bool on_on_link(void *user_data, const struct address *address, uint32_t ifindex)
{
	const struct measurer *measurer = user_data;

	return measurer_allows(measurer, ifindex) &&
	       evidence_is_neighbour(measurer->evidence, address, ifindex);
}

static int on_send_frames(void *user_data, uint32_t ifindex, const struct lltd_frame *items,
			  unsigned n)
{
	const struct measurer *measurer = user_data;

	return frames_send(measurer->frames, ifindex, items, n);
}

static void on_counts(void *user_data, uint32_t ifindex, struct lltd_counts *ret_counts)
{
	const struct measurer *measurer = user_data;

	evidence_counts(measurer->evidence, ifindex, ret_counts);
}

static int on_station(void *user_data, const struct address *address, uint32_t ifindex,
		      struct lltd_mac *ret_mac)
{
	const struct measurer *measurer = user_data;

	return evidence_station(measurer->evidence, address, ifindex, ret_mac, time_now_us());
}

static uint64_t on_stamp_ns(void *user_data)
{
	(void)user_data;
	return stamp_now_ns();
}

static uint32_t on_random(void *user_data)
{
	uint32_t number = 0;

	(void)user_data;
	/* Never fails for so few bytes, but while the machine starts. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
		number = (uint32_t)stamp_now_ns();
	return number;
}

static bool on_tcp(void *user_data, uint64_t cookie, struct passive_tcp *ret_tcp)
{
	const struct measurer *measurer = user_data;

	return evidence_tcp(measurer->evidence, cookie, ret_tcp);
}

static bool on_queue(void *user_data, uint32_t ifindex, struct passive_queue *ret_queue)
{
	const struct measurer *measurer = user_data;

	return evidence_queue(measurer->evidence, ifindex, ret_queue, time_now_us());
}

struct prober_ports measurer_prober_ports(struct measurer *measurer)
{
	return (struct prober_ports){
		.user_data = measurer,
		.send = on_send,
		.connect = on_connect,
		.write = on_write,
		.close = on_close,
		.link = on_link,
		.on_link = on_on_link,
		.send_frames = measurer->frames ? on_send_frames : NULL,
		.counts = on_counts,
		.station = on_station,
		.stamp_ns = on_stamp_ns,
		.random = on_random,
		.tcp = on_tcp,
		.queue = on_queue,
		.event = measurer_on_event,
		.refreshed = measurer_on_refreshed,
		.admitted = measurer_on_admitted,
	};
}

/* ---- what arrives ---- */

static void finish_turn(struct measurer *measurer, uint64_t now_us)
{
	measurer_tell(measurer, now_us);
	measurer_settle(measurer);
}

static void on_datagram(void *user_data, const struct qlpb_arrival *arrival, const uint8_t *data,
			size_t len, uint64_t now_us)
{
	const struct measurer *measurer = user_data;

	qlpb_receive(prober_qlpb(measurer->prober), arrival, data, len, now_us);
}

static void on_frame(void *user_data, uint32_t ifindex, const uint8_t *frame, size_t len,
		     uint64_t received_ns, uint64_t now_us)
{
	const struct measurer *measurer = user_data;
	struct lltd *lltd = prober_lltd(measurer->prober, ifindex);

	if (lltd)
		lltd_receive(lltd, frame, len, received_ns, now_us);
}

static void on_settled(void *user_data, uint64_t now_us)
{
	struct measurer *measurer = user_data;
	uint64_t rests = datagrams_rests(measurer->datagrams) +
			 (measurer->frames ? frames_rests(measurer->frames) : 0);

	if (rests != measurer->complained_rests)
		measurer_trouble(measurer, "more probes arrive than anybody could mean: some are "
					   "thrown away");
	measurer->complained_rests = rests;
	finish_turn(measurer, now_us);
}

static int on_accepted(void *user_data, const struct address *remote, uint32_t *ret_id)
{
	struct measurer *measurer = user_data;
	uint32_t ifindex = evidence_way_to(measurer->evidence, remote);
	int r = qlpb_accept(prober_qlpb(measurer->prober), remote, ifindex, ret_id, time_now_us());

	/* Who says nothing is not waited for for ever. */
	measurer_settle(measurer);
	return r;
}

static void on_connected(void *user_data, uint32_t id, uint16_t local_port)
{
	struct measurer *measurer = user_data;
	uint64_t now_us = time_now_us();

	qlpb_connected(prober_qlpb(measurer->prober), id, local_port, now_us);
	finish_turn(measurer, now_us);
}

static void on_received(void *user_data, uint32_t id, const uint8_t *data, size_t len)
{
	struct measurer *measurer = user_data;
	uint64_t now_us = time_now_us();

	qlpb_received(prober_qlpb(measurer->prober), id, data, len, now_us);
	finish_turn(measurer, now_us);
}

static void on_writable(void *user_data, uint32_t id)
{
	struct measurer *measurer = user_data;
	uint64_t now_us = time_now_us();

	qlpb_writable(prober_qlpb(measurer->prober), id, now_us);
	finish_turn(measurer, now_us);
}

static void on_closed(void *user_data, uint32_t id, int error)
{
	struct measurer *measurer = user_data;
	uint64_t now_us = time_now_us();

	qlpb_closed(prober_qlpb(measurer->prober), id, error, now_us);
	finish_turn(measurer, now_us);
}

/* ---- opening and closing ---- */

static void complain(struct measurer *measurer, int error)
{
	char what[160];

	if (error == -EADDRINUSE) {
		measurer_trouble(measurer, "another program has port 2177: paths are measured "
					   "less well, or not at all, until it gives it back");
	} else if (error < 0) {
		snprintf(what, sizeof(what), "sockets for measuring paths: %s", strerror(-error));
		measurer_trouble(measurer, what);
	}
}

static int open_all(struct measurer *measurer)
{
	int r = datagrams_open(measurer->datagrams), listening = 0;

	if (measurer->options.config.sink)
		listening = connections_listen(measurer->connections);
	return r < 0 ? r : listening;
}

void measurer_ports_follow(struct measurer *measurer, bool needed)
{
	const struct timeval retry = { .tv_sec = RETRY_S };
	int r;

	if (!needed) {
		datagrams_close(measurer->datagrams);
		event_del(measurer->retry);
		measurer->ports_open = false;
		measurer->ports_error = 0;
		return;
	}
	if (measurer->ports_open || evtimer_pending(measurer->retry, NULL))
		return;
	r = open_all(measurer);
	measurer->ports_open = r == 0;
	if (r != measurer->ports_error)
		complain(measurer, r);
	measurer->ports_error = r;
	if (r < 0)
		event_add(measurer->retry, &retry);
}

static void on_retry(evutil_socket_t fd, short what, void *user_data)
{
	(void)fd;
	(void)what;
	measurer_follow(user_data);
}

static int new_connections(struct measurer *measurer)
{
	const struct connections_options options = {
		.base = measurer->options.base,
		.user_data = measurer,
		.accepted = on_accepted,
		.connected = on_connected,
		.received = on_received,
		.writable = on_writable,
		.closed = on_closed,
	};

	return connections_new(&options, &measurer->connections);
}

static int new_datagrams(struct measurer *measurer)
{
	const struct datagrams_options options = {
		.base = measurer->options.base,
		.user_data = measurer,
		.arrived = on_datagram,
		.settled = on_settled,
	};

	return datagrams_new(&options, &measurer->datagrams);
}

static int new_frames(struct measurer *measurer)
{
	const struct frames_options options = {
		.base = measurer->options.base,
		.fd = measurer->options.frames_fd,
		.user_data = measurer,
		.arrived = on_frame,
		.settled = on_settled,
	};

	return options.fd < 0 ? 0 : frames_new(&options, &measurer->frames);
}

int measurer_ports_new(struct measurer *measurer)
{
	int r;

	measurer->retry = evtimer_new(measurer->options.base, on_retry, measurer);
	if (!measurer->retry)
		return -ENOMEM;
	r = new_datagrams(measurer);
	if (r == 0)
		r = new_connections(measurer);
	return r == 0 ? new_frames(measurer) : r;
}

void measurer_ports_free(struct measurer *measurer)
{
	frames_free(measurer->frames);
	connections_free(measurer->connections);
	datagrams_free(measurer->datagrams);
	if (measurer->retry)
		event_free(measurer->retry);
}
