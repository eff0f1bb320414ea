/* SPDX-License-Identifier: MIT */
/*
 * fuzz_client.c: libgreenwave hears whatever an engine might say: every call returns, and what it
 * returns is in bounds.
 *
 * An input is a run of messages, each with a byte of how it goes, its length in two bytes, and its
 * text. The first answers the hello. Instead of connecting, the library gets a socket with all of
 * them in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/client.h"

#define MESSAGES_MAX 64

static int given_fd = -1;

int client_open(struct gw *gw, const struct gw_open_options *options, const char *api)
{
	(void)options;
	gw->fd = given_fd;
	return client_hello(gw, api);
}

/* With the odd ones the serial is right: of the call that will be next. */
static void say(int fd, const uint8_t *data, size_t size)
{
	static unsigned char buf[MSG_MAX + 1];
	uint32_t serial = 0;
	size_t at = 0;

	for (int n = 0; n < MESSAGES_MAX && size - at >= 3; n++) {
		unsigned how = data[at];
		size_t len = data[at + 1] | (size_t)data[at + 2] << 8;

		at += 3;
		if (len > size - at)
			len = size - at;
		if (len > sizeof(buf))
			len = sizeof(buf);
		memcpy(buf, data + at, len);
		at += len;
		if ((how & 1) && len >= sizeof(struct msg_head)) {
			memcpy(buf + offsetof(struct msg_head, serial), &serial, sizeof(serial));
			serial++;
		}
		if (send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			break;
	}
	shutdown(fd, SHUT_WR);
}

static int on_record(const struct gw_flow_record *record, void *user_data)
{
	(void)user_data;
	require(record->size == sizeof(*record));
	require(strnlen(record->comm, sizeof(record->comm)) < sizeof(record->comm));
	require(strnlen(record->api, sizeof(record->api)) < sizeof(record->api));
	return 0;
}

static int on_fact(enum gw_fact_kind kind, const char *name, const char *value, const char *note,
		   void *user_data)
{
	(void)kind;
	(void)user_data;
	require(strlen(name) < 48 && strlen(value) < 200 && strlen(note) < 256);
	return 0;
}

/* All that is pointed to is there: it is read. */
static int on_rsvp(const struct gw_rsvp_record *record, void *user_data)
{
	unsigned sum = 0;

	(void)user_data;
	require(record->size == sizeof(*record));
	require(strnlen(record->interface, sizeof(record->interface)) < sizeof(record->interface));
	require(strnlen(record->name, sizeof(record->name)) < sizeof(record->name));
	for (uint32_t i = 0; i < record->n_senders; i++)
		sum += record->senders[i].address.ss_family;
	for (size_t i = 0; i < record->policy_len; i++)
		sum += ((const unsigned char *)record->policy)[i];
	return record->text && strlen(record->text) == sum ? 1 : 0;
}

static void on_event(const struct gw_event *event, void *user_data)
{
	(void)user_data;
	if (event->rsvp)
		on_rsvp(event->rsvp, NULL);
	require(event->size == sizeof(*event));
	require(strnlen(event->reason, sizeof(event->reason)) < sizeof(event->reason));
}

static void call_everything(struct gw *gw)
{
	struct gw_flow_info info = { .size = sizeof(info) };
	struct gw_path_info path = { .size = sizeof(path) };
	struct gw_status status = { .size = sizeof(status) };
	struct gw_event event;
	uint32_t ids[4] = { 1, 2, 3, 4 };
	size_t count;

	gw_flow_query(gw, 1, &info);
	gw_list(gw, 0, on_record, NULL);
	gw_facts(gw, on_fact, NULL);
	gw_flow_enumerate(gw, ids, 4, &count);
	if (gw_status(gw, &status) == 0)
		require(strnlen(status.version, sizeof(status.version)) < sizeof(status.version));
	gw_flow_query_path(gw, 1, 0, &path);
	gw_flow_notify(gw, 1, GW_CONDITION_CONGESTED, 0, 1);
	gw_flow_set_class(gw, 1, GW_CLASS_VOICE);
	gw_flow_remove(gw, 1);
	gw_rsvp_send(gw, 1, NULL);
	gw_rsvp_list(gw, GW_RSVP_KIND_BIT(GW_RSVP_SENDER), on_rsvp, NULL);
	while (gw_event_next(gw, 0, &event) == 1) {
		if (gw->on_event)
			continue;
		on_event(&event, NULL);
		gw_event_release(&event);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_open_options options = { .size = sizeof(options), .mode = GW_MODE_DAEMON };
	int pair[2], large = 1024 * 1024;
	struct gw *gw;

	if (size > 0 && (data[0] & 2))
		options.on_event = on_event;
	require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
	given_fd = pair[0];
	say(pair[1], data, size);
	if (gw_open(&gw, &options) == 0) {
		call_everything(gw);
		gw_close(gw);
	}
	close(pair[1]);
	return 0;
}
