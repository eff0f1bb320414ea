/* SPDX-License-Identifier: MIT */
/* pacing.c: see pacing.h. */
#include "datapath/pacing.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif

#define UNLIMITED UINT64_MAX

/* Of TCP over Ethernet with timestamps, as long as nothing better is known. */
#define USUAL_PAYLOAD_BYTES 1448
#define USUAL_PACKET_BYTES 1500

/* Headers that can stand before what TCP carries: IPv6 with an extension or two, and full TCP options. */
#define HEADERS_MAX_BYTES 160
#define TCP_HEADERS_V4_BYTES 52
#define TCP_HEADERS_V6_BYTES 72

/* States of TCP in which the size of its packets is that of this connection. */
#define STATE_ESTABLISHED 1
#define STATE_CLOSE_WAIT 8

struct paced_socket {
	uint64_t cookie;
	uint64_t own; /* what the application wants: bytes each second */
	uint64_t set; /* what we have made of it */
	UT_hash_handle hh;
};

/* --- The option ------------------------------------------------------------------------------- */

/* 64 bits where the kernel has them (4.20, and a word of 64); it tells by the length. */
static int read_rate(int fd, uint64_t *ret_rate, bool *ret_wide)
{
	union {
		uint64_t wide;
		uint32_t narrow;
	} value = { 0 };
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &value, &len) < 0)
		return -errno;
	*ret_wide = len == sizeof(value.wide);
	if (*ret_wide)
		*ret_rate = value.wide;
	else
		*ret_rate = value.narrow == UINT32_MAX ? UNLIMITED : value.narrow;
	return 0;
}

static int write_rate(int fd, uint64_t rate, bool wide)
{
	uint32_t narrow = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
	int r = wide ? setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate))
		     : setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &narrow, sizeof(narrow));

	return r < 0 ? -errno : 0;
}

/* --- The rate --------------------------------------------------------------------------------- */

uint64_t pacing_bytes_per_second(uint64_t rate_bps, uint32_t payload_bytes, uint32_t packet_bytes)
{
	uint64_t rate = rate_bps / 8;

	/* In two steps: any rate times a packet would not fit. */
	rate = rate / packet_bytes * payload_bytes +
	       rate % packet_bytes * payload_bytes / packet_bytes;
	return rate > 0 ? rate : 1;
}

static int read_int(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -errno : value;
}

/*
 * The path's MTU is a packet only where the segment fills it: with a small window, on loopback above all,
 * it does not, and then the headers are guessed.
 */
static uint64_t tcp_rate(int fd, uint64_t rate_bps)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);
	uint32_t headers;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 || info.tcpi_snd_mss == 0 ||
	    (info.tcpi_state != STATE_ESTABLISHED && info.tcpi_state != STATE_CLOSE_WAIT))
		return pacing_bytes_per_second(rate_bps, USUAL_PAYLOAD_BYTES, USUAL_PACKET_BYTES);
	headers = info.tcpi_pmtu - info.tcpi_snd_mss;
	if (info.tcpi_pmtu <= info.tcpi_snd_mss || headers > HEADERS_MAX_BYTES)
		headers = read_int(fd, SO_DOMAIN) == AF_INET6 ? TCP_HEADERS_V6_BYTES
							      : TCP_HEADERS_V4_BYTES;
	return pacing_bytes_per_second(rate_bps, info.tcpi_snd_mss, info.tcpi_snd_mss + headers);
}

/* --- The table -------------------------------------------------------------------------------- */

static struct paced_socket *find(const struct pacing *pacing, uint64_t cookie)
{
	struct paced_socket *paced;

	HASH_FIND(hh, pacing->sockets, &cookie, sizeof(cookie), paced);
	return paced;
}

static void drop(struct pacing *pacing, struct paced_socket *paced)
{
	HASH_DEL(pacing->sockets, paced);
	free(paced);
}

static struct paced_socket *add(struct pacing *pacing, uint64_t cookie, uint64_t own)
{
	struct paced_socket *paced = calloc(1, sizeof(*paced));

	if (!paced)
		return NULL;
	paced->cookie = cookie;
	paced->own = paced->set = own;
	HASH_ADD(hh, pacing->sockets, cookie, sizeof(paced->cookie), paced);
	if (paced->hh.tbl)
		return paced;
	free(paced);
	return NULL;
}

int pacing_set(struct pacing *pacing, int fd, uint64_t cookie, uint64_t rate_bps)
{
	struct paced_socket *paced = find(pacing, cookie);
	bool wide, known = paced;
	uint64_t rate, current;
	int r = read_rate(fd, &current, &wide);

	if (r < 0)
		return r;
	if (!paced)
		paced = add(pacing, cookie, current);
	if (!paced)
		return -ENOMEM;
	/* The application has changed its mind meanwhile. */
	if (current != paced->set)
		paced->own = paced->set = current;
	rate = read_int(fd, SO_PROTOCOL) == IPPROTO_TCP ? tcp_rate(fd, rate_bps)
							: pacing_bytes_per_second(rate_bps, 1, 1);
	if (rate > paced->own)
		rate = paced->own;
	/* A narrow option knows no more than this. */
	if (!wide && rate >= UINT32_MAX)
		rate = UNLIMITED;
	r = rate == current ? 0 : write_rate(fd, rate, wide);
	if (r == 0)
		paced->set = rate;
	else if (!known)
		drop(pacing, paced);
	return r;
}

void pacing_clear(struct pacing *pacing, int fd, uint64_t cookie)
{
	struct paced_socket *paced = find(pacing, cookie);
	uint64_t current;
	bool wide;

	if (!paced)
		return;
	if (read_rate(fd, &current, &wide) == 0 && current == paced->set && current != paced->own)
		(void)write_rate(fd, paced->own, wide);
	drop(pacing, paced);
}

void pacing_forget(struct pacing *pacing, uint64_t cookie)
{
	struct paced_socket *paced = find(pacing, cookie);

	if (paced)
		drop(pacing, paced);
}

void pacing_free(struct pacing *pacing)
{
	struct paced_socket *paced, *next;

	HASH_ITER(hh, pacing->sockets, paced, next)
		drop(pacing, paced);
}
