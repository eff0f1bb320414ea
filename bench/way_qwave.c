/* SPDX-License-Identifier: MIT */
/*
 * way_qwave.c: flows through qos2.h, as a program written for Windows asks for them: one that is added and removed, and
 * one that is changed.
 */
#include <qos2.h>
#include <stdlib.h>
#include <string.h>

#include "way.h"

struct qwave {
	HANDLE handle;
	SOCKET socket;
	PSOCKADDR destination;
	QOS_FLOWID id;
	QOS_TRAFFIC_TYPE type;
};

static void *qwave_open(const struct lane *lane, int fd, const struct sockaddr_in *destination)
{
	int embedded = strcmp(lane->where, "embedded") == 0;
	QOS_VERSION version = { 1, 0 };
	struct qwave *qwave = way_state(sizeof(*qwave));

	setenv("GREENWAVE_MODE", embedded ? "embedded" : "daemon", 1);
	setenv("GREENWAVE_SOCKET", embedded ? "" : lane->where, 1);
	if (!QOSCreateHandle(&version, &qwave->handle))
		die("QOSCreateHandle: error %u", (unsigned)GetLastError());
	qwave->socket = (SOCKET)fd;
	qwave->destination = (PSOCKADDR)destination;
	return qwave;
}

static void qwave_begin(void *state)
{
	struct qwave *qwave = state;

	qwave->id = 0;
	if (!QOSAddSocketToFlow(qwave->handle, qwave->socket, qwave->destination,
				QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW, &qwave->id))
		die("QOSAddSocketToFlow: error %u", (unsigned)GetLastError());
}

static void qwave_end(void *state)
{
	const struct qwave *qwave = state;

	if (!QOSRemoveSocketFromFlow(qwave->handle, qwave->socket, qwave->id, 0))
		die("QOSRemoveSocketFromFlow: error %u", (unsigned)GetLastError());
}

const struct way way_qwave = {
	.kind = "qwave", .open = qwave_open, .begin = qwave_begin, .end = qwave_end
};

static void *setflow_open(const struct lane *lane, int fd, const struct sockaddr_in *destination)
{
	struct qwave *qwave = qwave_open(lane, fd, destination);

	qwave_begin(qwave);
	qwave->type = QOSTrafficTypeVoice;
	return qwave;
}

static void setflow_begin(void *state)
{
	struct qwave *qwave = state;

	qwave->type = qwave->type == QOSTrafficTypeVoice ? QOSTrafficTypeAudioVideo
							 : QOSTrafficTypeVoice;
	if (!QOSSetFlow(qwave->handle, qwave->id, QOSSetTrafficType, sizeof(qwave->type),
			&qwave->type, 0, NULL))
		die("QOSSetFlow: error %u", (unsigned)GetLastError());
}

const struct way way_setflow = { .kind = "setflow", .open = setflow_open, .begin = setflow_begin };
