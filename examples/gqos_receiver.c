/* SPDX-License-Identifier: MIT */
/*
 * gqos_receiver.c: a program that reserves what it receives, and says what becomes of that.
 *
 *	gqos_receiver [-t tcp|udp|multicast] [-s SERVICE] [-r BYTES/S] [-c] [-n SECONDS] [-e ENDING] ADDRESS:PORT
 *
 * It receives at the address (of a group: multicast) and wants SERVICE (default controlled-load) of it. As soon as a
 * sender is heard of, "event senders" is printed, and a RESV goes to it: for its own rate, or for that of -r. With -c
 * the network is asked to confirm it. Of TCP one connection is accepted, which inherits what the listening socket has
 * asked for. After SECONDS (default: never), or when the peer has closed, it ends its service in the way of ENDING
 * (default: close), and ends a second later with the number of bytes received. Lines of standard input name endings,
 * too (gqos_words.h).
 */
#include "gqos_words.h"

#include <unistd.h>

static const char *transport = "udp", *ending = "close";
static SERVICETYPE service = SERVICETYPE_CONTROLLEDLOAD;
static ULONG rate = QOS_NOT_SPECIFIED;
static bool confirm;
static unsigned long seconds;
static struct sockaddr_storage address;
static socklen_t address_len;

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "t:s:r:cn:e:")) != -1) {
		if (option == 't')
			transport = optarg;
		else if (option == 's')
			service = service_named(optarg);
		else if (option == 'r')
			rate = (ULONG)strtoul(optarg, NULL, 10);
		else if (option == 'c')
			confirm = true;
		else if (option == 'n')
			seconds = strtoul(optarg, NULL, 10);
		else if (option == 'e')
			ending = optarg;
		else
			misused("see the head of gqos_receiver.c");
	}
	if (optind + 1 != argc)
		misused("one address");
	address_len = address_named(argv[optind], &address);
}

/* The list lies behind the structure, as the documentation of Windows wants it. */
struct wanted {
	QOS qos;
	RSVP_RESERVE_INFO reservation;
	QOS_OBJECT_HDR end;
};

static void want(struct wanted *wanted)
{
	memset(wanted, 0, sizeof(*wanted));
	wanted->qos.SendingFlowspec = flowspec_of(SERVICETYPE_NOTRAFFIC, QOS_NOT_SPECIFIED);
	wanted->qos.ReceivingFlowspec = flowspec_of(service, rate);
	wanted->reservation.ObjectHdr.ObjectType = RSVP_OBJECT_RESERVE_INFO;
	wanted->reservation.ObjectHdr.ObjectLength = sizeof(wanted->reservation);
	wanted->reservation.ConfirmRequest = confirm;
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
	bool tcp = strcmp(transport, "tcp") == 0, group = strcmp(transport, "multicast") == 0;
	const struct sockaddr *at = (const struct sockaddr *)&address;
	struct wanted wanted;
	int one = 1;
	SOCKET s;

	want(&wanted);
	s = qos_socket(address.ss_family, tcp ? IPPROTO_TCP : IPPROTO_UDP,
		       group ? WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF : 0);
	setsockopt((int)s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind((int)s, at, address_len) != 0)
		fail("bind");
	if (group) {
		if (WSAJoinLeaf(s, at, (int)address_len, NULL, NULL, &wanted.qos, NULL,
				JL_RECEIVER_ONLY) == INVALID_SOCKET)
			fail("WSAJoinLeaf");
		return s;
	}
	set_wanted(s, &wanted);
	return tcp ? accept_one(s) : s;
}

/* False: the peer has closed. */
static bool receive_some(SOCKET s, uint64_t *received)
{
	char buffer[65536];
	ssize_t n;

	while ((n = recv((int)s, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		*received += (uint64_t)n;
	return n != 0 || strcmp(transport, "tcp") != 0;
}

int main(int argc, char **argv)
{
	uint64_t end, received = 0;
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
	event = select_events(s, FD_QOS | FD_READ | FD_CLOSE);
	printf("receiving\n");
	fflush(stdout);

	end = seconds ? now_ms() + 1000 * seconds : UINT64_MAX;
	while (open && !(ended && now_ms() > end + 1000)) {
		WSAWaitForMultipleEvents(1, &event, FALSE, 50, FALSE);
		if (WSAEnumNetworkEvents(s, event, &events) == 0 &&
		    (events.lNetworkEvents & FD_QOS))
			say_news(s);
		if (!receive_some(s, &received) && !ended && end == UINT64_MAX)
			end = now_ms();
		if (!ended && now_ms() >= end) {
			ended = true;
			open = end_service(s, ending);
		}
		if (open)
			open = obey_input(s);
	}
	printf("received %llu bytes\n", (unsigned long long)received);
	WSACloseEvent(event);
	WSACleanup();
	return 0;
}
