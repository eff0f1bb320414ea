/* SPDX-License-Identifier: MIT */
/*
 * fake_gqos.h: a provider of GQoS (winqos/gqos.h) for tests of the surface alone: it answers what a test has put into
 * `fake_gqos`, and keeps a log of what it was asked, with the descriptors of sockets in it: "check 5,set 5,look 5,".
 */
#ifndef FAKE_GQOS_H
#define FAKE_GQOS_H

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "winqos/gqos.h"
#include "winqos/netevents.h"

static struct {
	char log[4096];
	int check_result, set_result, join_result, ioctl_result;
	bool has_requested;
	QOS requested;		/* of every socket */
	QOS set, inherited;	/* the last ones */
	bool was_inherited;	/* with something from a condition function */
	int pending_code;	/* of every socket */
	int event_fd;		/* 0: none yet */
	int news_fd, news_code; /* what gqos_dispatch() will tell, once */
} fake_gqos;

static inline void fake_gqos_reset(void)
{
	if (fake_gqos.event_fd > 0)
		close(fake_gqos.event_fd);
	memset(&fake_gqos, 0, sizeof(fake_gqos));
}

__attribute__((format(printf, 1, 2))) static void fake_gqos_note(const char *format, ...)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	size_t used;
	va_list args;

	pthread_mutex_lock(&mutex);
	used = strlen(fake_gqos.log);
	va_start(args, format);
	vsnprintf(fake_gqos.log + used, sizeof(fake_gqos.log) - used, format, args);
	va_end(args);
	pthread_mutex_unlock(&mutex);
}

/* What has been asked for since the last time is exactly this, with the sockets in the place of each %d. */
#define assert_asked(...)                                        \
	do {                                                     \
		char wanted_[256];                               \
		snprintf(wanted_, sizeof(wanted_), __VA_ARGS__); \
		assert_string_equal(fake_gqos.log, wanted_);     \
		fake_gqos.log[0] = '\0';                         \
	} while (0)

/* Something has happened to a socket. */
static inline void fake_gqos_news(int fd, int code)
{
	uint64_t one = 1;
	ssize_t n;

	fake_gqos.news_fd = fd;
	fake_gqos.news_code = fake_gqos.pending_code = code;
	n = write(gqos_event_fd(), &one, sizeof(one));
	(void)n;
}

int gqos_check(SOCKET s, const QOS *qos)
{
	fake_gqos_note("check %d,", (int)s);
	return fake_gqos.check_result;
}

int gqos_set(SOCKET s, const QOS *qos)
{
	fake_gqos_note("set %d,", (int)s);
	if (!fake_gqos.set_result)
		fake_gqos.set = *qos;
	return fake_gqos.set_result;
}

bool gqos_requested(SOCKET s, QOS *ret_qos)
{
	if (fake_gqos.has_requested)
		*ret_qos = fake_gqos.requested;
	return fake_gqos.has_requested;
}

void gqos_look(SOCKET s)
{
	fake_gqos_note("look %d,", (int)s);
}

void gqos_end(SOCKET s, unsigned directions, bool shut)
{
	fake_gqos_note("%s %d %s%s,", shut ? "shut" : "end", (int)s,
		       directions & GQOS_SENDING ? "s" : "",
		       directions & GQOS_RECEIVING ? "r" : "");
}

static unsigned fake_port(const struct sockaddr *address)
{
	return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

int gqos_join(SOCKET s, const struct sockaddr *group, socklen_t group_len, unsigned directions,
	      const QOS *qos)
{
	fake_gqos_note("join %d %u %s%s%s,", (int)s, fake_port(group),
		       directions & GQOS_SENDING ? "s" : "", directions & GQOS_RECEIVING ? "r" : "",
		       qos ? " qos" : "");
	return fake_gqos.join_result;
}

void gqos_leave(SOCKET s, const struct sockaddr *group, socklen_t group_len)
{
	fake_gqos_note("leave %d %u,", (int)s, fake_port(group));
}

void gqos_inherit(SOCKET listener, SOCKET accepted, const QOS *from_condition)
{
	fake_gqos_note("inherit %d %d,", (int)listener, (int)accepted);
	fake_gqos.was_inherited = from_condition != NULL;
	if (from_condition)
		fake_gqos.inherited = *from_condition;
}

void gqos_closing(SOCKET s)
{
	fake_gqos_note("closing %d,", (int)s);
}

int gqos_ioctl(const struct gqos_ioctl *ioctl, DWORD *ret_size)
{
	fake_gqos_note("ioctl %d %x,", (int)ioctl->s, ioctl->code);
	if (ioctl->code == SIO_GET_QOS)
		netevents_reenable_qos((int)ioctl->s);
	*ret_size = 4;
	return fake_gqos.ioctl_result;
}

int gqos_pending_code(SOCKET s)
{
	return fake_gqos.pending_code;
}

int gqos_event_fd(void)
{
	if (!fake_gqos.event_fd)
		fake_gqos.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fake_gqos.event_fd;
}

void gqos_dispatch(void)
{
	uint64_t count;

	if (read(gqos_event_fd(), &count, sizeof(count)) != sizeof(count))
		return;
	netevents_raise_qos(fake_gqos.news_fd, fake_gqos.news_code);
}

/* A QoS-enabled socket: of the catalog's entry for this kind. */
static inline SOCKET qos_socket(int family, int type, DWORD flags)
{
	WSAPROTOCOL_INFOA info[16];
	DWORD size = sizeof(info);
	int count = WSAEnumProtocolsA(NULL, info, &size);

	for (int i = 0; i < count; i++) {
		if ((info[i].dwServiceFlags1 & XP1_QOS_SUPPORTED) && info[i].iSocketType == type &&
		    info[i].iAddressFamily == family)
			return WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
					  FROM_PROTOCOL_INFO, &info[i], 0,
					  flags | WSA_FLAG_OVERLAPPED);
	}
	return INVALID_SOCKET;
}

#endif
