/* SPDX-License-Identifier: MIT */
/* agent_path.c: commands about paths: who is tracked, what is known, and being told of congestion. */
#include "agent.h"

#include <string.h>
#include <time.h>

#define REQUESTS_MAX 8

/* Each with an event of its own. What pends points here, so it stays. */
static struct {
	OVERLAPPED overlapped;
	UINT64 target_bps;
	ULONG size;
} requests[REQUESTS_MAX];

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* "unix" is of no family that is tracked. */
static PSOCKADDR host(const struct command *c, struct sockaddr_storage *storage)
{
	if (strcmp(c->argv[2], "unix") != 0)
		return (PSOCKADDR)address(c, 2, storage);
	memset(storage, 0, sizeof(*storage));
	storage->ss_family = AF_UNIX;
	return (PSOCKADDR)storage;
}

/* handle, address, port, flags; how long it took, in milliseconds */
void do_track(const struct command *c)
{
	struct sockaddr_storage storage;
	double began_s = now_s();

	say_result(
		QOSStartTrackingClient(*handle_slot(c, 1), host(c, &storage), (DWORD)number(c, 4)));
	say(" %d", (int)((now_s() - began_s) * 1e3));
}

void do_untrack(const struct command *c)
{
	struct sockaddr_storage storage;

	say_result(
		QOSStopTrackingClient(*handle_slot(c, 1), host(c, &storage), (DWORD)number(c, 4)));
}

/* handle, flow, flags; size, how long it took, and the three pairs of what is set and what it is */
void do_fundamentals(const struct command *c)
{
	QOS_FLOW_FUNDAMENTALS known;
	ULONG size = sizeof(known);
	double began_s = now_s();

	memset(&known, 0xa5, sizeof(known));
	say_result(QOSQueryFlow(*handle_slot(c, 1), (QOS_FLOWID)number(c, 2),
				QOSQueryFlowFundamentals, &size, &known, (DWORD)number(c, 3),
				NULL));
	say(" %u %d %d %llu %d %llu %d %u", (unsigned)size, (int)((now_s() - began_s) * 1e3),
	    known.BottleneckBandwidthSet, (unsigned long long)known.BottleneckBandwidth,
	    known.AvailableBandwidthSet, (unsigned long long)known.AvailableBandwidth, known.RTTSet,
	    (unsigned)known.RTT);
}

/* handle, flow, operation, target, which request */
void do_notify(const struct command *c)
{
	unsigned i = (unsigned)number(c, 5) % REQUESTS_MAX;
	OVERLAPPED *overlapped = &requests[i].overlapped;
	bool available = number(c, 3) == QOSNotifyAvailable;
	HANDLE event = overlapped->hEvent;

	memset(&requests[i], 0, sizeof(requests[i]));
	overlapped->hEvent = event ? event : CreateEvent(NULL, TRUE, FALSE, NULL);
	requests[i].target_bps = (UINT64)number(c, 4);
	requests[i].size = sizeof(requests[i].target_bps);
	SetLastError(SENTINEL);
	say_result(QOSNotifyFlow(*handle_slot(c, 1), (QOS_FLOWID)number(c, 2),
				 (QOS_NOTIFY_FLOW)number(c, 3),
				 available ? &requests[i].size : NULL,
				 available ? &requests[i].target_bps : NULL, 0, overlapped));
}

/*
 * handle, which request, milliseconds of patience: 0 if its event is not set by then, else 1, the result, the error, the
 * bytes, and when it was, in microseconds of the monotonic clock. Then the event is reset: is it set once more?
 */
void do_notified(const struct command *c)
{
	OVERLAPPED *overlapped = &requests[(unsigned)number(c, 2) % REQUESTS_MAX].overlapped;
	DWORD bytes = SENTINEL;
	BOOL result;
	double when_s;

	if (WaitForSingleObject(overlapped->hEvent, (DWORD)number(c, 3)) != WAIT_OBJECT_0) {
		say("0");
		return;
	}
	when_s = now_s();
	SetLastError(SENTINEL);
	result = GetOverlappedResult(*handle_slot(c, 1), overlapped, &bytes, FALSE);
	ResetEvent(overlapped->hEvent);
	say("1 ");
	say_result(result);
	say(" %u %lld", (unsigned)bytes, (long long)(when_s * 1e6));
}

void do_cancel(const struct command *c)
{
	say_result(QOSCancel(*handle_slot(c, 1),
			     &requests[(unsigned)number(c, 2) % REQUESTS_MAX].overlapped));
}
