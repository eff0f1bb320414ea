/* SPDX-License-Identifier: MIT */
/*
 * datagram_cost.c: what a voice server does that marks each datagram of one unconnected socket by itself: begin,
 * sendto, end, by several ways that take turns. Every datagram is looked at where it arrives; one that came
 * without its mark is a failure. Checklist: Q-063.
 *
 *     datagram_cost DATAGRAMS SINK ADDRESS LANE...
 *
 * They are sent to ADDRESS and arrive in the namespace SINK. KIND is that of a way in way.h, or "message": the mark
 * goes as a control message with the datagram, or "plain": there is no mark. The first lane is compared with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "way.h"

#define PORT 9011
#define PAYLOAD_BYTES 160
#define SLICE 100
#define SLICES_WARM_UP 2
#define RECEIVE_BUFFER_BYTES (4 << 20)
#define VOICE_TOS (56 << 2)

static const char payload[PAYLOAD_BYTES];

struct talker {
	struct lane lane;
	void (*talk)(struct talker *talker);
	const struct way *way;
	void *state;
	int fd;
	uint8_t tos; /* that must arrive */
	struct sockaddr_in peer;
	struct series us;
	struct series ratios;
};

static void talk_plain(struct talker *talker)
{
	must_call((int)sendto(talker->fd, payload, sizeof(payload), 0,
			      (const struct sockaddr *)&talker->peer, sizeof(talker->peer)),
		  "sendto");
}

static void talk_way(struct talker *talker)
{
	talker->way->begin(talker->state);
	talk_plain(talker);
	talker->way->end(talker->state);
}

static void talk_message(struct talker *talker)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (char *)payload, sizeof(payload) };
	struct msghdr head = {
		.msg_name = &talker->peer,
		.msg_namelen = sizeof(talker->peer),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *item = CMSG_FIRSTHDR(&head);
	const int tos = VOICE_TOS;

	item->cmsg_level = IPPROTO_IP;
	item->cmsg_type = IP_TOS;
	item->cmsg_len = CMSG_LEN(sizeof(tos));
	memcpy(CMSG_DATA(item), &tos, sizeof(tos));
	must_call((int)sendmsg(talker->fd, &head, 0), "sendmsg");
}

static void open_talker(struct talker *talker, const char *text, const char *address)
{
	talker->lane = lane_parse(text);
	talker->peer = ipv4_address(address, PORT);
	talker->tos = VOICE_TOS;
	enter_namespace(talker->lane.namespace);
	talker->fd = udp_socket();
	if (strcmp(talker->lane.kind, "plain") == 0) {
		talker->talk = talk_plain;
		talker->tos = 0;
	} else if (strcmp(talker->lane.kind, "message") == 0) {
		talker->talk = talk_message;
	} else {
		talker->talk = talk_way;
		talker->way = way_find(talker->lane.kind);
		talker->state = talker->way->open(&talker->lane, talker->fd, &talker->peer);
	}
	enter_namespace("-");
}

static double slice_us(struct talker *talker, int receiver, int keep)
{
	double sum = 0;
	size_t marked;

	for (int i = 0; i < SLICE; i++) {
		uint64_t begin = wall_ns();
		double us;

		talker->talk(talker);
		us = (double)(wall_ns() - begin) / 1000;
		sum += us;
		if (keep)
			series_add(&talker->us, us);
	}
	marked = receiver_count(receiver, SLICE, talker->tos);
	if (marked != SLICE)
		die("lane %s: %zu of %d datagrams came as they should", talker->lane.id, marked,
		    SLICE);
	return sum / SLICE;
}

static void round_of_all(struct talker *talkers, size_t n, int receiver, int keep)
{
	double base = slice_us(&talkers[0], receiver, keep);

	for (size_t i = 1; i < n; i++) {
		double mean = slice_us(&talkers[i], receiver, keep);

		if (keep)
			series_add(&talkers[i].ratios, mean / base);
	}
}

int main(int argc, char **argv)
{
	struct talker talkers[16] = { 0 };
	size_t slices, n = 0;
	int receiver;

	if (argc < 5 || (size_t)argc - 4 > sizeof(talkers) / sizeof(talkers[0]))
		die("usage: datagram_cost DATAGRAMS SINK ADDRESS LANE...");
	slices = strtoul(argv[1], NULL, 10) / SLICE;
	receiver = receiver_open(argv[2], PORT, RECEIVE_BUFFER_BYTES);
	for (int i = 4; i < argc; i++)
		open_talker(&talkers[n++], argv[i], argv[3]);
	for (size_t i = 0; i < slices + SLICES_WARM_UP; i++)
		round_of_all(talkers, n, receiver, i >= SLICES_WARM_UP);
	for (size_t i = 0; i < n; i++)
		report(talkers[i].lane.id, "us", &talkers[i].us, i > 0 ? &talkers[i].ratios : NULL);
	return EXIT_SUCCESS;
}
