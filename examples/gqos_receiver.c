/* SPDX-License-Identifier: MIT */
/*
 * gqos_receiver.c: a program that reserves what it receives, and says what becomes of that.
 *
 *	gqos_receiver [-t tcp|udp|multicast] [-s SERVICE] [-r BYTES/S] [-c] [-p ADDRESS:PORT] [-b] [-n SECONDS] [-e ENDING]
 *		ADDRESS:PORT
 *
 * It receives at the address (of a group: multicast) and wants SERVICE (default controlled-load) of it. As soon as a
 * sender is heard of, "event senders" is printed, and a RESV goes to it: for its own rate, or for that of -r. With -c
 * the network is asked to confirm it. Of UDP it has the peer of -p, if that is given, and no other. Of TCP one
 * connection is accepted, which inherits what the listening socket has asked for. With -b it sends as well, to the peer,
 * as gqos_sender does. After SECONDS (default: never), or when the peer has closed, it ends its service in the way of
 * ENDING (default: close), and ends a second later with the number of bytes received. Lines of standard input name
 * endings, too (gqos_words.h).
 */
#include "gqos_words.h"

/* The list lies behind the structure, as the documentation of Windows wants it. */
struct wanted {
	QOS qos;
	RSVP_RESERVE_INFO reservation;
	QOS_OBJECT_HDR end;
};

static void want(struct wanted *wanted)
{
	memset(wanted, 0, sizeof(*wanted));
	wanted->qos.SendingFlowspec = options.both ? what_is_sent() : nothing();
	wanted->qos.ReceivingFlowspec = flowspec_of(options.service, options.rate);
	wanted->reservation.ObjectHdr.ObjectType = RSVP_OBJECT_RESERVE_INFO;
	wanted->reservation.ObjectHdr.ObjectLength = sizeof(wanted->reservation);
	wanted->reservation.ConfirmRequest = options.confirm;
	wanted->end.ObjectType = QOS_OBJECT_END_OF_LIST;
	wanted->end.ObjectLength = sizeof(wanted->end);
	wanted->qos.ProviderSpecific.buf = (CHAR *)&wanted->reservation;
	wanted->qos.ProviderSpecific.len = sizeof(wanted->reservation) + sizeof(wanted->end);
}

static void set_wanted(SOCKET s, struct wanted *wanted)
{
	DWORD size;

	if (WSAIoctl(s, SIO_SET_QOS, wanted, sizeof(*wanted), NULL, 0, &size, NULL, NULL) != 0)
		fail("SIO_SET_QOS");
}

static void connect_to_peer(SOCKET s)
{
	struct sockaddr_storage peer;
	socklen_t length = address_named(options.peer, &peer);

	if (WSAConnect(s, (struct sockaddr *)&peer, (int)length, NULL, NULL, NULL, NULL) != 0)
		fail("WSAConnect");
}

static SOCKET accept_one(SOCKET listener)
{
	SOCKET s;

	if (listen((int)listener, 1) != 0)
		fail("listen");
	printf("listening\n");
	fflush(stdout);
	s = WSAAccept(listener, NULL, NULL, NULL, 0);
	if (s == INVALID_SOCKET)
		fail("WSAAccept");
	closesocket(listener);
	return s;
}

static SOCKET open_socket(void)
{
	const struct sockaddr *at = (const struct sockaddr *)&options.address;
	SOCKET s = open_qos_socket();
	struct wanted wanted;
	int one = 1;

	want(&wanted);
	setsockopt((int)s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind((int)s, at, options.address_len) != 0)
		fail("bind");
	if (is_group()) {
		if (WSAJoinLeaf(s, at, (int)options.address_len, NULL, NULL, &wanted.qos, NULL,
				options.both ? JL_BOTH : JL_RECEIVER_ONLY) == INVALID_SOCKET)
			fail("WSAJoinLeaf");
		return s;
	}
	if (options.peer)
		connect_to_peer(s);
	set_wanted(s, &wanted);
	return is_tcp() ? accept_one(s) : s;
}

int main(int argc, char **argv)
{
	WSADATA data;

	parse_options(argc, argv, "t:s:r:cp:bn:e:");
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		fail("WSAStartup");
	run(open_socket(), options.both, true);
	WSACleanup();
	return 0;
}
