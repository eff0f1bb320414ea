/* SPDX-License-Identifier: MIT */
/*
 * gqos_sender.c: a program that sends a stream under a reservation, and says what becomes of it.
 *
 *	gqos_sender [-t tcp|udp|multicast] [-s SERVICE] [-r BYTES/S] [-l ADDRESS:PORT] [-n SECONDS] [-e ENDING]
 *		ADDRESS:PORT
 *
 * It sends packets of 1000 bytes to the address at that rate (default 250000), from the local address if there is one,
 * and offers SERVICE (default controlled-load) for it: PATH messages go to the receiver, and when a RESV comes back,
 * "event receivers" is printed. After SECONDS (default: never) it ends its service in the way of ENDING (default:
 * close) and goes on sending until standard input ends, or another second has gone. Lines of standard input name
 * endings, too: close, shutdown-send, disconnect, no-sending and so on (gqos_words.h).
 */
#include "gqos_words.h"

#include <unistd.h>

#define PACKET_BYTES 1000

static const char *transport = "udp", *local, *ending = "close";
static SERVICETYPE service = SERVICETYPE_CONTROLLEDLOAD;
static ULONG rate = 250000;
static unsigned long seconds;
static struct sockaddr_storage destination;
static socklen_t destination_len;

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "t:s:r:l:n:e:")) != -1) {
		if (option == 't')
			transport = optarg;
		else if (option == 's')
			service = service_named(optarg);
		else if (option == 'r')
			rate = (ULONG)strtoul(optarg, NULL, 10);
		else if (option == 'l')
			local = optarg;
		else if (option == 'n')
			seconds = strtoul(optarg, NULL, 10);
		else if (option == 'e')
			ending = optarg;
		else
			misused("see the head of gqos_sender.c");
	}
	if (optind + 1 != argc || rate == 0)
		misused("one destination, and a rate");
	destination_len = address_named(argv[optind], &destination);
}

static void bind_to(SOCKET s)
{
	struct sockaddr_storage address = { .ss_family = destination.ss_family };
	socklen_t length = destination_len;

	if (local)
		length = address_named(local, &address);
	if (bind((int)s, (struct sockaddr *)&address, length) != 0)
		fail("bind");
}

static SOCKET open_socket(void)
{
	bool tcp = strcmp(transport, "tcp") == 0, group = strcmp(transport, "multicast") == 0;
	QOS qos = { .SendingFlowspec = flowspec_of(service, rate),
		    .ReceivingFlowspec = flowspec_of(SERVICETYPE_NOTRAFFIC, QOS_NOT_SPECIFIED) };
	const struct sockaddr *to = (const struct sockaddr *)&destination;
	SOCKET s;

	qos.SendingFlowspec.MaxSduSize = PACKET_BYTES;
	s = qos_socket(destination.ss_family, tcp ? IPPROTO_TCP : IPPROTO_UDP,
		       group ? WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF : 0);
	if (local || !tcp)
		bind_to(s);
	if (group) {
		if (WSAJoinLeaf(s, to, (int)destination_len, NULL, NULL, &qos, NULL,
				JL_SENDER_ONLY) == INVALID_SOCKET)
			fail("WSAJoinLeaf");
	} else if (WSAConnect(s, to, (int)destination_len, NULL, NULL, &qos, NULL) != 0) {
		fail("WSAConnect");
	}
	return s;
}

/* What the rate allows since the start. */
static void send_some(SOCKET s, uint64_t elapsed_ms, uint64_t *sent)
{
	static const char packet[PACKET_BYTES];
	const struct sockaddr *to =
		strcmp(transport, "multicast") == 0 ? (const struct sockaddr *)&destination : NULL;

	while (*sent + PACKET_BYTES <= elapsed_ms * rate / 1000) {
		if (sendto((int)s, packet, sizeof(packet), MSG_NOSIGNAL, to,
			   to ? destination_len : 0) < 0)
			return; /* full, or shut down: later, or never */
		*sent += PACKET_BYTES;
	}
}

int main(int argc, char **argv)
{
	uint64_t begun, end, sent = 0;
	bool open = true, ended = false;
	WSANETWORKEVENTS events;
	WSAEVENT event;
	WSADATA data;
	SOCKET s;

	program = argv[0];
	parse_options(argc, argv);
	setvbuf(stdin, NULL, _IONBF, 0); /* what poll() does not see is not there */
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		fail("WSAStartup");
	s = open_socket();
	event = select_events(s, FD_QOS);
	printf("sending\n");
	fflush(stdout);

	begun = now_ms();
	end = seconds ? begun + 1000 * seconds : UINT64_MAX;
	while (open && !(ended && now_ms() > end + 1000)) {
		WSAWaitForMultipleEvents(1, &event, FALSE, 5, FALSE);
		if (WSAEnumNetworkEvents(s, event, &events) == 0 &&
		    (events.lNetworkEvents & FD_QOS))
			say_news(s);
		send_some(s, now_ms() - begun, &sent);
		if (!ended && now_ms() >= end) {
			ended = true;
			open = end_service(s, ending);
		}
		if (open)
			open = obey_input(s);
	}
	printf("sent %llu bytes\n", (unsigned long long)sent);
	WSACloseEvent(event);
	WSACleanup();
	return 0;
}
