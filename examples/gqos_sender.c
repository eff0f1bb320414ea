/* SPDX-License-Identifier: MIT */
/*
 * gqos_sender.c: a program that sends a stream under a reservation, and says what becomes of it.
 *
 *	gqos_sender [-t tcp|udp|multicast] [-s SERVICE] [-r BYTES/S] [-l ADDRESS:PORT] [-b] [-n SECONDS] [-e ENDING]
 *		ADDRESS:PORT
 *
 * It sends packets of 1000 bytes to the address at that rate (default 250000), from the local address if there is one,
 * and offers SERVICE (default controlled-load) for it: PATH messages go to the receiver, and when a RESV comes back,
 * "event receivers" is printed. With -b it wants the same of what comes back. After SECONDS (default: never) it ends its
 * service in the way of ENDING (default: close), and ends a second later with the number of bytes sent. Lines of
 * standard input name endings, too: close, shutdown-send, disconnect, no-sending and so on (gqos_words.h).
 */
#include "gqos_words.h"

static void bind_to_local(SOCKET s)
{
	struct sockaddr_storage local = { .ss_family = options.address.ss_family };
	socklen_t length = options.address_len;

	if (options.local)
		length = address_named(options.local, &local);
	if (bind((int)s, (struct sockaddr *)&local, length) != 0)
		fail("bind");
}

/* What is asked for with the connection goes out with it. */
static SOCKET open_socket(void)
{
	const struct sockaddr *to = (const struct sockaddr *)&options.address;
	int length = (int)options.address_len;
	QOS qos = { .SendingFlowspec = what_is_sent(), .ReceivingFlowspec = nothing() };
	SOCKET s = open_qos_socket();

	if (options.both)
		qos.ReceivingFlowspec = flowspec_of(options.service, QOS_NOT_SPECIFIED);
	if (options.local || !is_tcp())
		bind_to_local(s);
	if (is_group()) {
		if (WSAJoinLeaf(s, to, length, NULL, NULL, &qos, NULL,
				options.both ? JL_BOTH : JL_SENDER_ONLY) == INVALID_SOCKET)
			fail("WSAJoinLeaf");
	} else if (WSAConnect(s, to, length, NULL, NULL, &qos, NULL) != 0) {
		fail("WSAConnect");
	}
	return s;
}

int main(int argc, char **argv)
{
	WSADATA data;

	parse_options(argc, argv, "t:s:r:l:bn:e:");
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		fail("WSAStartup");
	run(open_socket(), true, options.both);
	WSACleanup();
	return 0;
}
