/* SPDX-License-Identifier: MIT */
/*
 * fake_qos.h: the part of fake_greenwave.h that is asked about the QoS of sockets. It agrees to everything, unless a
 * test says otherwise, remembers what it was told last, and tells what a test has it tell.
 */
#ifndef FAKE_QOS_H
#define FAKE_QOS_H

#include "fake_greenwave.h"

#define FAKE_FLOWS_MAX 128

static struct {
	int result;	 /* of whatever changes something */
	int list_result; /* -EOPNOTSUPP: nothing is signalled */
	int query_result;
	unsigned n_set, n_look, n_end, n_join, n_leave;
	int fd;
	uint32_t directions;
	bool has_qos; /* the last join brought its own */
	struct gw_qos qos;
	struct gw_rsvp_flow flows[FAKE_FLOWS_MAX];
	unsigned char sending_policy[256], receiving_policy[256];
	struct gw_qos_info info;
} fake_qos;

static inline void fake_qos_reset(void)
{
	memset(&fake_qos, 0, sizeof(fake_qos));
}

static inline void fake_qos_note(const struct gw_qos *qos)
{
	fake_qos.qos = *qos;
	for (uint32_t i = 0; i < qos->n_flows && i < FAKE_FLOWS_MAX; i++)
		fake_qos.flows[i] = qos->flows[i];
	if (qos->sending_policy_len <= sizeof(fake_qos.sending_policy))
		memcpy(fake_qos.sending_policy, qos->sending_policy ? qos->sending_policy : "",
		       qos->sending_policy_len);
	if (qos->receiving_policy_len <= sizeof(fake_qos.receiving_policy))
		memcpy(fake_qos.receiving_policy,
		       qos->receiving_policy ? qos->receiving_policy : "",
		       qos->receiving_policy_len);
}

static inline uint64_t fake_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
	return cookie;
}

int gw_qos_set(struct gw *gw, int fd, const struct gw_qos *qos)
{
	fake_qos.n_set++;
	fake_qos.fd = fd;
	if (fake.health < 0)
		return fake.health;
	if (fake_qos.result == 0)
		fake_qos_note(qos);
	return fake_qos.result;
}

int gw_qos_look(struct gw *gw, int fd, uint64_t *ret_socket)
{
	fake_qos.n_look++;
	fake_qos.fd = fd;
	if (ret_socket)
		*ret_socket = fake_cookie(fd);
	return fake.health < 0 ? fake.health : fake_qos.result;
}

int gw_qos_end(struct gw *gw, int fd, uint32_t directions)
{
	fake_qos.n_end++;
	fake_qos.fd = fd;
	fake_qos.directions = directions;
	return fake.health < 0 ? fake.health : fake_qos.result;
}

int gw_qos_join(struct gw *gw, int fd, const struct sockaddr *group, socklen_t group_len,
		uint32_t directions, const struct gw_qos *qos)
{
	fake_qos.n_join++;
	fake_qos.fd = fd;
	fake_qos.directions = directions;
	fake_qos.has_qos = qos != NULL;
	if (qos && fake_qos.result == 0)
		fake_qos_note(qos);
	return fake.health < 0 ? fake.health : fake_qos.result;
}

int gw_qos_leave(struct gw *gw, int fd, const struct sockaddr *group, socklen_t group_len)
{
	fake_qos.n_leave++;
	fake_qos.fd = fd;
	return fake.health < 0 ? fake.health : fake_qos.result;
}

int gw_qos_query(struct gw *gw, int fd, struct gw_qos_info *ret_info)
{
	if (fake.health < 0 || fake_qos.query_result < 0)
		return fake.health < 0 ? fake.health : fake_qos.query_result;
	*ret_info = fake_qos.info;
	return 0;
}

int gw_rsvp_list(struct gw *gw, uint32_t kinds,
		 int (*visit)(const struct gw_rsvp_record *record, void *user_data),
		 void *user_data)
{
	return fake.health < 0 ? fake.health : fake_qos.list_result;
}

/* The engine tells of a socket; the record must stay until that is read. */
static inline void fake_signal(struct gw *gw, enum gw_event_type type, int fd,
			       struct gw_rsvp_record *record)
{
	pthread_mutex_lock(&gw->mutex);
	gw->events[gw->n_events++] = (struct gw_event){ .size = sizeof(struct gw_event),
							.type = type,
							.socket = fake_cookie(fd),
							.rsvp = record };
	fake_ring(gw);
	pthread_mutex_unlock(&gw->mutex);
}

#endif
