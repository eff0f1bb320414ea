/* SPDX-License-Identifier: MIT */
/* winsock_events.c: the calls for network events (spec/gqos.md §12.1). */
#include <errno.h>

#include "winqos/errmap.h"
#include "winqos/netevents.h"
#include "winqos/socket_table.h"
#include "winqos/winsock.h"

static void select_nothing(int fd)
{
	struct socket_entry *entry = socket_entry_get(fd);

	if (entry)
		netevents_cancel(entry);
	socket_entry_put(entry);
}

int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT hEventObject, LONG lNetworkEvents)
{
	struct socket_entry *entry;
	int fd = winsock_fd(s), r;
	struct event *event;

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (lNetworkEvents & ~FD_ALL_EVENTS)
		return winsock_fail(-EINVAL);
	if (lNetworkEvents == 0) {
		select_nothing(fd);
		return 0;
	}
	event = event_get(hEventObject, OBJECT_EVENT);
	if (!event)
		return winsock_fail(-EINVAL);
	entry = socket_entry_make(fd);
	if (!entry) {
		event_put(event);
		return winsock_fail(-ENOMEM);
	}
	r = netevents_select(entry, fd, event, lNetworkEvents);
	socket_entry_put(entry);
	return r < 0 ? winsock_fail(r) : 0;
}

int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT hEventObject, LPWSANETWORKEVENTS lpNetworkEvents)
{
	struct socket_entry *entry;
	struct event *event = NULL;
	int fd = winsock_fd(s);
	long events = 0;

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (!lpNetworkEvents)
		return winsock_fail(-EFAULT);
	if (hEventObject && !(event = event_get(hEventObject, OBJECT_EVENT)))
		return winsock_fail(-EINVAL);
	entry = socket_entry_make(fd);
	if (entry)
		netevents_take(entry, event, &events, lpNetworkEvents->iErrorCode);
	socket_entry_put(entry);
	if (event)
		event_put(event);
	if (!entry)
		return winsock_fail(-ENOMEM);
	lpNetworkEvents->lNetworkEvents = (LONG)events;
	return 0;
}

int WSAAPI WSAAsyncSelect(SOCKET s, HWND hWnd, UINT wMsg, LONG lEvent)
{
	int fd = winsock_fd(s);

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (lEvent != 0)
		return winsock_fail(-EINVAL);
	select_nothing(fd);
	return 0;
}
