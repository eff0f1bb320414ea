/* SPDX-License-Identifier: MIT */
/*
 * adaptive_sender.c: a program that sends a film, and adapts it to what the path can carry, by qos2.h alone.
 *
 *	adaptive_sender [-t] [-r KBIT] [-m KBIT] [-f FRAMES] [-s SECONDS] HOST PORT
 *
 * It sends FRAMES frames a second (25), over UDP or with -t over TCP, that are together as large as a rate of KBIT
 * kilobits a second (-r, 4000) allows. Before it does, it asks the system to look at the path to the host
 * (QOSStartTrackingClient) and what is known of it (QOSQueryFlow), and then for a rate that is to be had (QOSSetFlow).
 * When the path becomes congested (QOSNotifyFlow) it sends smaller frames, half as large each time, though never less
 * than -m kilobits a second (500); when the path can carry more again it goes back, one step at a time. It ends after
 * SECONDS (30) or on an interrupt.
 *
 * Where the path cannot be measured, for the host is behind a router or nobody there takes part, it sends at the full
 * rate all the same, marked and shaped.
 *
 * adaptive_receiver.c is the other end.
 *
 * Every line begins with the time in seconds. Exit status 0, 1 if something failed, 2 if it was not understood.
 */
#include <qos2.h>
#include <ws2tcpip.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD_BYTES 1200 /* of a datagram */
#define FRAME_MIN 16
#define FRAME_MAX (1 << 20)
#define KNOWN_PATIENCE_S \
	15 /* an answer comes much earlier, even if it is that nothing can be known */
#define KNOWN_AGAIN_MS 250
#define SETTLE_S \
	2.0 /* so long after a change of rate the path may still be congested by what was before */
#define TRIES 5

static struct {
	bool tcp;
	double full_bps, least_bps, seconds;
	int frames_per_s;
	const char *host, *port;
} options = { .full_bps = 4e6, .least_bps = 5e5, .seconds = 30, .frames_per_s = 25 };

/* A request to be told of something, which may be pending. */
struct request {
	const char *what;
	QOS_NOTIFY_FLOW operation;
	OVERLAPPED overlapped;
	UINT64 target_bps; /* of QOSNotifyAvailable */
	bool pending, possible;
};

static struct {
	HANDLE handle;
	QOS_FLOWID flow;
	SOCKADDR_STORAGE host;
	bool tracked;
	struct request congested, available;
} qos = {
	.congested = { .what = "congestion", .operation = QOSNotifyCongested, .possible = true },
	.available = { .what = "more bandwidth", .operation = QOSNotifyAvailable, .possible = true },
};

/* The stream: the rate is that of the frames' bytes; what the path sees is more by the headers. */
static struct {
	SOCKET socket;
	double bps;
	double settled_s; /* when congestion is of interest again */
	char frame[FRAME_MAX];
	size_t left; /* of a frame that TCP had no room for */
	unsigned long frames, skipped;
} stream;

static double began_s;
static volatile sig_atomic_t stopped;

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...)
{
	va_list arguments;

	printf("%7.3f ", now_s() - began_s);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	fflush(stdout);
}

static void fail(const char *what)
{
	tell("%s failed with error %u", what, (unsigned)GetLastError());
	exit(1);
}

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* ---- the path ---- */

static int protocol(void)
{
	return options.tcp ? IPPROTO_TCP : IPPROTO_UDP;
}

/* Whole datagrams, if a frame is more than one: never more than the rate. */
static size_t frame_bytes(double bps)
{
	size_t bytes = (size_t)(bps / 8 / options.frames_per_s);

	if (bytes < FRAME_MIN)
		return FRAME_MIN;
	if (bytes > FRAME_MAX)
		bytes = FRAME_MAX;
	return bytes < PAYLOAD_BYTES ? bytes : bytes - bytes % PAYLOAD_BYTES;
}

/* Of a rate of the stream, what the network sees: rates in qos2.h count headers. */
static UINT64 with_headers(double bps)
{
	size_t bytes = frame_bytes(bps);
	ULONG payload = bytes < PAYLOAD_BYTES ? (ULONG)bytes : PAYLOAD_BYTES;

	return QOS_ADD_OVERHEAD(qos.host.ss_family, protocol(), payload, (UINT64)bps);
}

static double without_headers(UINT64 bps)
{
	return (double)QOS_SUBTRACT_OVERHEAD(qos.host.ss_family, protocol(), PAYLOAD_BYTES, bps);
}

static void announce_host(void)
{
	qos.tracked = QOSStartTrackingClient(qos.handle, (PSOCKADDR)&qos.host, 0);
	if (qos.tracked)
		tell("the path to %s is being measured", options.host);
	else if (GetLastError() == ERROR_NOT_SUPPORTED)
		tell("the path to %s cannot be measured", options.host);
	else if (GetLastError() == ERROR_HOST_UNREACHABLE)
		tell("nobody at %s takes part in measurements", options.host);
	else
		fail("QOSStartTrackingClient");
}

/* What there is of the path to be had, or 0 if that cannot be known. */
static UINT64 ask_what_is_free(void)
{
	double patience_s = now_s() + KNOWN_PATIENCE_S;

	while (now_s() < patience_s && !stopped) {
		QOS_FLOW_FUNDAMENTALS known;
		ULONG size = sizeof(known);

		if (!QOSQueryFlow(qos.handle, qos.flow, QOSQueryFlowFundamentals, &size, &known, 0,
				  NULL)) {
			if (GetLastError() == ERROR_NOT_SUPPORTED)
				break;
			if (GetLastError() != ERROR_NO_DATA)
				fail("QOSQueryFlow");
		} else if (known.BottleneckBandwidthSet && known.AvailableBandwidthSet) {
			tell("the path carries %.0f kbit/s, %.0f of them are free%s",
			     (double)known.BottleneckBandwidth / 1e3,
			     (double)known.AvailableBandwidth / 1e3,
			     known.AvailableBandwidth == 0 ? ": it is congested" : "");
			if (known.RTTSet)
				tell("a packet takes %.3f ms there and back",
				     (double)known.RTT / 1e3);
			return known.AvailableBandwidth;
		}
		Sleep(KNOWN_AGAIN_MS);
	}
	tell("there are no estimates of the path");
	return 0;
}

/* Whether the path has it. Where nothing can be shaped the stream is sent all the same, at its own pace. */
static bool set_rate(double bps, QOS_FLOWRATE_REASON reason)
{
	QOS_FLOWRATE_OUTGOING rate = { .Bandwidth = with_headers(bps),
				       .ShapingBehavior = QOSShapeAndMark,
				       .Reason = reason };

	for (int tries = 0; tries < TRIES && !stopped; tries++) {
		if (QOSSetFlow(qos.handle, qos.flow, QOSSetOutgoingRate, sizeof(rate), &rate, 0,
			       NULL)) {
			stream.bps = bps;
			stream.settled_s = now_s() + SETTLE_S;
			tell("sending at %.0f kbit/s", bps / 1e3);
			return true;
		}
		switch (GetLastError()) {
		case ERROR_RETRY: /* measurements contradict each other */
			Sleep(KNOWN_AGAIN_MS);
			break;
		case ERROR_NETWORK_BUSY:
			tell("the path does not have %.0f kbit/s", bps / 1e3);
			return false;
		case ERROR_NOT_SUPPORTED:
			tell("nothing here can shape this stream: sending at %.0f kbit/s",
			     bps / 1e3);
			stream.bps = bps;
			return true;
		default:
			fail("QOSSetFlow");
		}
	}
	return false;
}

/* The first rate: the full one, or the largest step below it that the path has. */
static void choose_rate(void)
{
	UINT64 free_bps = ask_what_is_free();
	double bps = options.full_bps;

	while (free_bps > 0 && bps > options.least_bps && bps > without_headers(free_bps))
		bps /= 2;
	for (; bps >= options.least_bps; bps /= 2)
		if (set_rate(bps, QOSFlowRateNotApplicable))
			return;
	/* Nobody forbids to send; but it is not marked, and the path would rather not. */
	stream.bps = options.least_bps;
	tell("sending at %.0f kbit/s all the same, unmarked", stream.bps / 1e3);
}

/* ---- being told ---- */

static void ask_to_be_told(struct request *request, UINT64 target_bps)
{
	bool available = request->operation == QOSNotifyAvailable;
	ULONG size = sizeof(request->target_bps);

	if (request->pending || !request->possible)
		return;
	request->target_bps = target_bps;
	if (QOSNotifyFlow(qos.handle, qos.flow, request->operation, available ? &size : NULL,
			  available ? &request->target_bps : NULL, 0, &request->overlapped) ||
	    GetLastError() == ERROR_IO_PENDING) {
		request->pending = true;
		return;
	}
	if (GetLastError() != ERROR_NOT_SUPPORTED)
		fail("QOSNotifyFlow");
	request->possible = false;
	tell("nobody can tell us of %s", request->what);
}

static void become_congested(void)
{
	double bps = stream.bps / 2;

	tell("the path is congested");
	if (bps < options.least_bps)
		bps = options.least_bps;
	if (bps < stream.bps)
		set_rate(bps, QOSFlowRateCongestion);
	stream.settled_s = now_s() + SETTLE_S;
}

static double next_step(void)
{
	return stream.bps * 2 < options.full_bps ? stream.bps * 2 : options.full_bps;
}

static void become_free(void)
{
	double bps = next_step();

	tell("the path can carry %.0f kbit/s again", bps / 1e3);
	/* Somebody else may have been faster. */
	if (!set_rate(bps, QOSFlowRateCongestion))
		stream.settled_s = now_s() + SETTLE_S;
}

/* What pended has been completed. */
static void take(struct request *request, void (*happened)(void))
{
	DWORD bytes;

	request->pending = false;
	ResetEvent(request->overlapped.hEvent);
	if (GetOverlappedResult(qos.handle, &request->overlapped, &bytes, FALSE)) {
		happened();
		return;
	}
	tell("nobody tells us of %s any more: error %u", request->what, (unsigned)GetLastError());
	request->possible = false;
}

/* What is of interest now: how it gets worse and, if we send less than we would like to, how it gets better. */
static void ask_for_news(void)
{
	if (now_s() < stream.settled_s)
		return;
	if (stream.bps > options.least_bps)
		ask_to_be_told(&qos.congested, 0);
	if (stream.bps < options.full_bps)
		ask_to_be_told(&qos.available, with_headers(next_step()));
}

/* Until the time of the next frame. */
static void wait_for_news(double until_s)
{
	HANDLE events[] = { qos.congested.overlapped.hEvent, qos.available.overlapped.hEvent };
	double left_s = until_s - now_s();

	switch (WaitForMultipleObjects(2, events, FALSE,
				       left_s > 0 ? (DWORD)(left_s * 1e3 + 1) : 0)) {
	case WAIT_OBJECT_0:
		take(&qos.congested, become_congested);
		break;
	case WAIT_OBJECT_0 + 1:
		take(&qos.available, become_free);
		break;
	case WAIT_TIMEOUT:
		break;
	default:
		fail("WaitForMultipleObjects");
	}
}

/* ---- the film ---- */

static void send_datagrams(size_t bytes)
{
	while (bytes > 0) {
		size_t piece = bytes < PAYLOAD_BYTES ? bytes : PAYLOAD_BYTES;

		/* A queue without room, and a host where nobody listens, are no reason to stop. */
		if (send(stream.socket, stream.frame, (int)piece, 0) < 0 &&
		    WSAGetLastError() != WSAECONNREFUSED && WSAGetLastError() != WSAECONNRESET &&
		    WSAGetLastError() != WSAENOBUFS)
			fail("send");
		bytes -= piece;
	}
}

/* A frame that the connection has no room for yet goes on later; the next one is left out then. */
static void send_on_stream(void)
{
	while (stream.left > 0) {
		int sent = send(stream.socket, stream.frame, (int)stream.left, 0);

		if (sent < 0 && WSAGetLastError() == WSAEWOULDBLOCK)
			return;
		if (sent < 0)
			fail("send");
		stream.left -= (size_t)sent;
	}
}

static void send_frame(void)
{
	if (!options.tcp) {
		send_datagrams(frame_bytes(stream.bps));
		stream.frames++;
		return;
	}
	send_on_stream();
	if (stream.left > 0) {
		stream.skipped++;
		return;
	}
	stream.left = frame_bytes(stream.bps);
	stream.frames++;
	send_on_stream();
}

static void send_film(void)
{
	double frame_s = 1.0 / options.frames_per_s, begin_s = now_s(), next_s = begin_s;

	while (!stopped && now_s() < begin_s + options.seconds) {
		send_frame();
		next_s += frame_s;
		/* The machine was asleep: frames of then are of no interest. */
		if (next_s < now_s())
			next_s = now_s();
		while (!stopped && now_s() < next_s) {
			ask_for_news();
			wait_for_news(next_s);
		}
	}
	tell("%lu frames were sent, %lu were left out", stream.frames, stream.skipped);
}

/* ---- begin and end ---- */

static void open_stream(void)
{
	struct addrinfo hints = { .ai_socktype = options.tcp ? SOCK_STREAM : SOCK_DGRAM };
	struct addrinfo *found;
	unsigned long yes = 1;
	int error = getaddrinfo(options.host, options.port, &hints, &found);

	if (error != 0) {
		tell("%s %s: %s", options.host, options.port, gai_strerror(error));
		exit(1);
	}
	memcpy(&qos.host, found->ai_addr, found->ai_addrlen);
	stream.socket = socket(found->ai_family, found->ai_socktype, 0);
	if (stream.socket == INVALID_SOCKET)
		fail("socket");
	if (connect(stream.socket, found->ai_addr, (int)found->ai_addrlen) != 0)
		fail("connect");
	/* Datagrams wait for their turn in the shaper; a connection without room costs a frame. */
	if (options.tcp && ioctlsocket(stream.socket, FIONBIO, &yes) != 0)
		fail("ioctlsocket");
	freeaddrinfo(found);
}

static void open_flow(void)
{
	QOS_VERSION version = { 1, 0 };

	if (!QOSCreateHandle(&version, &qos.handle))
		fail("QOSCreateHandle");
	announce_host();
	/* Adaptive, for the flag that says otherwise is not there. */
	if (!QOSAddSocketToFlow(qos.handle, stream.socket, NULL, QOSTrafficTypeAudioVideo, 0,
				&qos.flow))
		fail("QOSAddSocketToFlow");
	qos.congested.overlapped.hEvent = CreateEvent(NULL, TRUE, FALSE, NULL);
	qos.available.overlapped.hEvent = CreateEvent(NULL, TRUE, FALSE, NULL);
	if (!qos.congested.overlapped.hEvent || !qos.available.overlapped.hEvent)
		fail("CreateEvent");
}

/* What pends is given up first: it is completed before its OVERLAPPED may go. */
static void give_up(struct request *request)
{
	DWORD bytes;

	if (request->pending && QOSCancel(qos.handle, &request->overlapped))
		GetOverlappedResult(qos.handle, &request->overlapped, &bytes, TRUE);
	CloseHandle(request->overlapped.hEvent);
}

static void close_flow(void)
{
	give_up(&qos.congested);
	give_up(&qos.available);
	if (!QOSRemoveSocketFromFlow(qos.handle, stream.socket, qos.flow, 0))
		fail("QOSRemoveSocketFromFlow");
	if (qos.tracked && !QOSStopTrackingClient(qos.handle, (PSOCKADDR)&qos.host, 0))
		fail("QOSStopTrackingClient");
	if (!QOSCloseHandle(qos.handle))
		fail("QOSCloseHandle");
	closesocket(stream.socket);
}

/* ---- the command line ---- */

static int misused(void)
{
	fprintf(stderr,
		"usage: adaptive_sender [-t] [-r KBIT] [-m KBIT] [-f FRAMES] [-s SECONDS] HOST PORT\n");
	return 2;
}

static bool read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "tr:m:f:s:")) != -1) {
		if (option == 't')
			options.tcp = true;
		else if (option == 'r')
			options.full_bps = atof(optarg) * 1e3;
		else if (option == 'm')
			options.least_bps = atof(optarg) * 1e3;
		else if (option == 'f')
			options.frames_per_s = atoi(optarg);
		else if (option == 's')
			options.seconds = atof(optarg);
		else
			return false;
	}
	if (optind + 2 != argc || options.frames_per_s < 1 || options.seconds <= 0 ||
	    options.least_bps <= 0 || options.full_bps < options.least_bps)
		return false;
	options.host = argv[optind];
	options.port = argv[optind + 1];
	return true;
}

int main(int argc, char **argv)
{
	/* Not restarted: who waits is to notice. */
	const struct sigaction ending = { .sa_handler = stop };
	WSADATA winsock;

	if (!read_options(argc, argv))
		return misused();
	sigaction(SIGINT, &ending, NULL);
	sigaction(SIGTERM, &ending, NULL);
	began_s = now_s();
	if (WSAStartup(MAKEWORD(2, 2), &winsock) != 0)
		return 1;
	open_stream();
	open_flow();
	choose_rate();
	send_film();
	close_flow();
	WSACleanup();
	return 0;
}
