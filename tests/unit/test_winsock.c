/* SPDX-License-Identifier: MIT */
/*
 * test_winsock.c: the Winsock spellings and overlapped socket operations, over loopback.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <mswsock.h>
#include <poll.h>
#include <ws2tcpip.h>

#include "last_error.h"

/* A UDP socket that listens on loopback, and one that is connected to it. */
struct pair {
	SOCKET from, to;
};

static SOCKET udp_socket(void)
{
	SOCKET s = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);

	assert_true(s != INVALID_SOCKET && s != 0);
	return s;
}

static struct pair make_pair(void)
{
	struct sockaddr_storage address = { 0 };
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	struct pair pair = { udp_socket(), udp_socket() };
	socklen_t length = sizeof(*in);

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind((int)pair.to, (struct sockaddr *)in, sizeof(*in)), 0);
	assert_int_equal(getsockname((int)pair.to, (struct sockaddr *)in, &length), 0);
	/* The size of the storage, as Windows sources pass it. */
	assert_int_equal(WSAConnect(pair.from, (struct sockaddr *)&address, sizeof(address), NULL,
				    NULL, NULL, NULL),
			 0);
	return pair;
}

static void close_pair(struct pair pair)
{
	closesocket(pair.from);
	closesocket(pair.to);
}

static void startup_is_counted(void **state)
{
	WSADATA data;

	assert_int_equal(WSAStartup(MAKEWORD(0, 2), &data), WSAVERNOTSUPPORTED);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), NULL), WSAEFAULT);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(data.wVersion, MAKEWORD(2, 2));
	assert_int_equal(WSAStartup(MAKEWORD(1, 1), &data), 0);
	assert_int_equal(data.wVersion, MAKEWORD(1, 1));
	assert_int_equal(WSAStartup(MAKEWORD(9, 9), &data), 0);
	assert_int_equal(data.wVersion, MAKEWORD(2, 2));
	for (int i = 0; i < 3; i++)
		assert_int_equal(WSACleanup(), 0);
	assert_error(WSACleanup(), WSANOTINITIALISED);
}

static void sockets_are_made(void **state)
{
	SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, NULL, 0, 0);

	assert_int_equal(fcntl((int)s, F_GETFD), FD_CLOEXEC);
	assert_int_equal(closesocket(s), 0);
	assert_error(closesocket(s), WSAENOTSOCK);
	assert_error((int)WSASocketA(AF_INET, SOCK_DGRAM, 0, NULL, 1, 0), WSAEINVAL);
	assert_error((int)WSASocketA(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0x80), WSAEINVAL);
	assert_error((int)WSASocketA(12345, SOCK_DGRAM, 0, NULL, 0, 0), WSAEAFNOSUPPORT);
}

/* QOSRemoveSocketFromFlow() takes 0 for "all". */
static void a_socket_is_never_zero(void **state)
{
	int saved = dup(0);
	SOCKET s;

	close(0);
	s = udp_socket();
	assert_int_equal(fcntl((int)s, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(0, F_GETFD), -1);
	closesocket(s);
	if (saved >= 0) {
		dup2(saved, 0);
		close(saved);
	}
}

static void closesocket_leaves_other_files_alone(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_error(closesocket((SOCKET)fds[0]), WSAENOTSOCK);
	assert_error(closesocket(INVALID_SOCKET), WSAENOTSOCK);
	assert_true(fcntl(fds[0], F_GETFD) >= 0);
	close(fds[0]);
	close(fds[1]);
}

static void connect_translates_errors(void **state)
{
	struct sockaddr_in nobody = { .sin_family = AF_INET };
	SOCKET s = WSASocket(AF_INET, SOCK_STREAM, 0, NULL, 0, 0), closed = udp_socket();
	struct sockaddr *name = (struct sockaddr *)&nobody;
	WSADATA data;
	QOS qos;

	memset(&qos, 0, sizeof(qos));
	nobody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	nobody.sin_port = htons(1);
	assert_error(WSAConnect(s, name, sizeof(nobody), NULL, NULL, NULL, NULL), WSAECONNREFUSED);
	assert_error(WSAConnect(s, NULL, 0, NULL, NULL, NULL, NULL), WSAEFAULT);
	assert_error(WSAConnect(s, name, sizeof(nobody), NULL, NULL, &qos, NULL),
		     WSANOTINITIALISED);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_error(WSAConnect(s, name, sizeof(nobody), NULL, NULL, &qos, NULL), WSAEOPNOTSUPP);
	WSACleanup();
	assert_error(WSAConnect(s, name, sizeof(nobody), NULL, NULL, NULL, &qos), WSAEINVAL);
	closesocket(closed);
	assert_error(WSAConnect(closed, name, sizeof(nobody), NULL, NULL, NULL, NULL), WSAENOTSOCK);
	closesocket(s);
}

/* ---- addresses ---- */

static int parse(const char *text, int family, void *ret_address)
{
	INT length = sizeof(struct sockaddr_storage);

	return WSAStringToAddressA((LPSTR)text, family, NULL, ret_address, &length);
}

static void numeric_addresses_are_read(void **state)
{
	struct sockaddr_storage address;
	struct sockaddr_in *in = (struct sockaddr_in *)&address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;

	assert_int_equal(parse("192.0.2.1", AF_INET, &address), 0);
	assert_int_equal(in->sin_addr.s_addr, htonl(0xc0000201));
	assert_int_equal(in->sin_port, 0);
	assert_int_equal(parse("192.0.2.1:5000", AF_INET, &address), 0);
	assert_int_equal(SS_PORT(&address), htons(5000));
	assert_int_equal(parse("2001:db8::1", AF_INET6, &address), 0);
	assert_int_equal(in6->sin6_addr.s6_addr[15], 1);
	assert_int_equal(in6->sin6_port, 0);
	assert_int_equal(parse("[2001:db8::2]:65535", AF_INET6, &address), 0);
	assert_int_equal(in6->sin6_addr.s6_addr[15], 2);
	assert_int_equal(SS_PORT(&address), htons(65535));
	assert_int_equal(parse("[::1]", AF_INET6, &address), 0);
	assert_int_equal(parse("fe80::1%1", AF_INET6, &address), 0);
	assert_int_equal(in6->sin6_scope_id, 1);
}

static void other_text_is_refused(void **state)
{
	static const char *const wrong[] = { "",
					     "localhost",
					     "192.0.2.1:",
					     "192.0.2.1:x",
					     "192.0.2.1:65536",
					     "192.0.2.1:-1",
					     "192.0.2.256",
					     "::1" };
	static const char *const wrong6[] = {
		"192.0.2.1", "[::1", "[::1]5", "[::1]:", "::1::", "[]"
	};
	struct sockaddr_storage address;
	char text[] = "::1";
	INT length = 4;

	for (size_t i = 0; i < ARRAYSIZE(wrong); i++)
		assert_error(parse(wrong[i], AF_INET, &address), WSAEINVAL);
	for (size_t i = 0; i < ARRAYSIZE(wrong6); i++)
		assert_error(parse(wrong6[i], AF_INET6, &address), WSAEINVAL);
	assert_error(parse("::1", AF_UNIX, &address), WSAEINVAL);
	assert_error(parse(NULL, AF_INET, &address), WSAEFAULT);
	assert_error(WSAStringToAddressA(text, AF_INET6, NULL, (LPSOCKADDR)&address, &length),
		     WSAEFAULT);
	assert_int_equal(length, sizeof(struct sockaddr_in6));
}

/* ---- WSARecv ---- */

static char inbox[64];

/* Receives into `inbox`; 0, or the last error. */
static int receive(SOCKET s, OVERLAPPED *ov, DWORD *ret_bytes)
{
	WSABUF buffer = { sizeof(inbox), inbox };
	DWORD flags = 0;

	SetLastError(SENTINEL);
	return WSARecv(s, &buffer, 1, ret_bytes, &flags, ov, NULL) == 0 ? 0 : WSAGetLastError();
}

static int result_of(SOCKET s, OVERLAPPED *ov, BOOL wait, DWORD *ret_bytes)
{
	DWORD flags;

	return WSAGetOverlappedResult(s, ov, ret_bytes, wait, &flags) ? 0 : WSAGetLastError();
}

static void say(struct pair pair, const char *text)
{
	assert_int_equal(send((int)pair.from, text, strlen(text), 0), (ssize_t)strlen(text));
}

static void data_that_is_there_completes_at_once(void **state)
{
	struct pair pair = make_pair();
	OVERLAPPED ov = { .hEvent = WSACreateEvent() };
	DWORD bytes = 0;

	say(pair, "one");
	assert_int_equal(receive(pair.to, &ov, &bytes), 0);
	assert_int_equal(bytes, 3);
	assert_int_equal(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
	say(pair, "four");
	assert_int_equal(receive(pair.to, NULL, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_memory_equal(inbox, "four", 4);
	WSACloseEvent(ov.hEvent);
	close_pair(pair);
}

static void data_is_awaited(void **state)
{
	struct pair pair = make_pair();
	OVERLAPPED ov = { .hEvent = CreateEvent(NULL, FALSE, TRUE, NULL) };
	struct pollfd poll_fd = { .events = POLLIN };
	DWORD bytes = 0;

	assert_int_equal(receive(pair.to, &ov, NULL), WSA_IO_PENDING);
	assert_int_equal(WaitForSingleObject(ov.hEvent, 0), WAIT_TIMEOUT);
	assert_int_equal(result_of(pair.to, &ov, FALSE, &bytes), WSA_IO_INCOMPLETE);
	poll_fd.fd = gw_win_event_fd(ov.hEvent);
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	say(pair, "hello");
	assert_int_equal(poll(&poll_fd, 1, 10000), 1);
	assert_int_equal(WaitForSingleObject(ov.hEvent, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(result_of(pair.to, &ov, TRUE, &bytes), 0);
	assert_int_equal(bytes, 5);
	assert_memory_equal(inbox, "hello", 5);
	say(pair, "x"); /* for nobody */
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	CloseHandle(ov.hEvent);
	close_pair(pair);
}

static void receives_complete_in_order(void **state)
{
	struct pair pair = make_pair();
	char text[3][8];
	HANDLE events[3];
	OVERLAPPED ov[3];
	DWORD bytes;

	for (int i = 0; i < 3; i++) {
		WSABUF buffer = { sizeof(text[i]), text[i] };
		DWORD flags = 0;

		ov[i] = (OVERLAPPED){ .hEvent = events[i] = WSACreateEvent() };
		SetLastError(SENTINEL);
		assert_int_equal(WSARecv(pair.to, &buffer, 1, NULL, &flags, &ov[i], NULL),
				 SOCKET_ERROR);
		assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	}
	say(pair, "a");
	/* Waiting for a later one serves the elder. */
	assert_int_equal(WaitForSingleObject(events[2], 20), WAIT_TIMEOUT);
	assert_int_equal(WaitForSingleObject(events[0], 0), WAIT_OBJECT_0);
	say(pair, "b");
	say(pair, "c");
	assert_int_equal(WaitForMultipleObjects(3, events, TRUE, 5000), WAIT_OBJECT_0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(result_of(pair.to, &ov[i], FALSE, &bytes), 0);
		assert_int_equal(text[i][0], 'a' + i);
		CloseHandle(events[i]);
	}
	close_pair(pair);
}

static void truncation_is_told(void **state)
{
	struct pair pair = make_pair();
	char small[2];
	WSABUF buffer = { sizeof(small), small };
	OVERLAPPED ov = { 0 };
	DWORD bytes = 0, flags = MSG_PEEK;

	say(pair, "long");
	assert_error(WSARecv(pair.to, &buffer, 1, &bytes, &flags, NULL, NULL), WSAEMSGSIZE);
	assert_int_equal(flags, MSG_TRUNC);
	assert_int_equal(bytes, 2);
	flags = 0; /* it was only looked at */
	assert_error(WSARecv(pair.to, &buffer, 1, &bytes, &flags, NULL, NULL), WSAEMSGSIZE);

	flags = 0;
	assert_error(WSARecv(pair.to, &buffer, 1, NULL, &flags, &ov, NULL), WSA_IO_PENDING);
	say(pair, "long");
	SetLastError(SENTINEL);
	assert_int_equal(WSAGetOverlappedResult(pair.to, &ov, &bytes, TRUE, &flags), FALSE);
	assert_int_equal(WSAGetLastError(), WSAEMSGSIZE);
	assert_int_equal(flags, MSG_TRUNC);
	close_pair(pair);
}

static void closesocket_aborts(void **state)
{
	struct pair pair = make_pair();
	OVERLAPPED ov = { .hEvent = WSACreateEvent() }, plain = { 0 };
	DWORD bytes;

	assert_int_equal(receive(pair.to, &ov, NULL), WSA_IO_PENDING);
	assert_int_equal(receive(pair.to, &plain, NULL), WSA_IO_PENDING);
	assert_int_equal(closesocket(pair.to), 0);
	assert_int_equal(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
	assert_int_equal(GetOverlappedResult((HANDLE)pair.to, &ov, &bytes, TRUE), FALSE);
	assert_int_equal(GetLastError(), WSA_OPERATION_ABORTED);
	assert_true(HasOverlappedIoCompleted(&plain));
	CloseHandle(ov.hEvent);
	closesocket(pair.from);
}

static void senders_are_named(void **state)
{
	struct pair pair = make_pair();
	OVERLAPPED ov = { .hEvent = WSACreateEvent() };
	WSABUF buffer = { sizeof(inbox), inbox };
	struct sockaddr_in from = { 0 }, sender;
	INT from_len = sizeof(from);
	socklen_t length = sizeof(sender);
	DWORD bytes = 0, flags = 0;

	assert_int_equal(getsockname((int)pair.from, (struct sockaddr *)&sender, &length), 0);
	say(pair, "one");
	assert_int_equal(WSARecvFrom(pair.to, &buffer, 1, &bytes, &flags, (struct sockaddr *)&from,
				     &from_len, NULL, NULL),
			 0);
	assert_int_equal(bytes, 3);
	assert_memory_equal(&from, &sender, sizeof(from));
	assert_int_equal(from_len, sizeof(from));
	memset(&from, 0, sizeof(from));
	assert_error(WSARecvFrom(pair.to, &buffer, 1, NULL, &flags, (struct sockaddr *)&from,
				 &from_len, &ov, NULL),
		     WSA_IO_PENDING);
	say(pair, "two");
	assert_int_equal(result_of(pair.to, &ov, TRUE, &bytes), 0);
	assert_memory_equal(&from, &sender, sizeof(from));
	assert_error(WSARecvFrom(pair.to, &buffer, 1, &bytes, &flags, (struct sockaddr *)&from,
				 NULL, NULL, NULL),
		     WSAEFAULT);
	CloseHandle(ov.hEvent);
	close_pair(pair);
}

static void receive_arguments(void **state)
{
	WSABUF buffer = { sizeof(inbox), inbox };
	SOCKET s = udp_socket();
	OVERLAPPED ov = { 0 };
	DWORD bytes, flags = 0;

	assert_error(WSARecv(INVALID_SOCKET, &buffer, 1, &bytes, &flags, NULL, NULL), WSAENOTSOCK);
	assert_error(WSARecv(s, NULL, 1, &bytes, &flags, NULL, NULL), WSAEFAULT);
	assert_error(WSARecv(s, &buffer, 1, &bytes, NULL, NULL, NULL), WSAEFAULT);
	assert_error(WSARecv(s, &buffer, 0, &bytes, &flags, NULL, NULL), WSAEINVAL);
	assert_error(WSARecv(s, &buffer, 65, &bytes, &flags, NULL, NULL), WSAEINVAL);
	ov.hEvent = (HANDLE)(uintptr_t)0xdeadbeec;
	assert_error(WSARecv(s, &buffer, 1, &bytes, &flags, &ov, NULL), WSA_INVALID_HANDLE);
	assert_int_equal(WSAGetOverlappedResult(s, NULL, &bytes, FALSE, &flags), FALSE);
	assert_int_equal(WSAGetLastError(), WSAEFAULT);
	closesocket(s);
	assert_int_equal(WSAGetOverlappedResult(s, &ov, &bytes, FALSE, &flags), FALSE);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
}

/* ---- WSAIoctl and TransmitPackets ---- */

static LPFN_TRANSMITPACKETS transmit_function(SOCKET s)
{
	GUID id = WSAID_TRANSMITPACKETS;
	LPFN_TRANSMITPACKETS function = NULL;
	DWORD bytes = 0;

	assert_int_equal(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &function,
				  sizeof(function), &bytes, NULL, NULL),
			 0);
	assert_int_equal(bytes, sizeof(function));
	assert_non_null(function);
	return function;
}

static void ioctl_codes(void **state)
{
	WSADATA data;
	static const DWORD qos_codes[] = { SIO_GET_QOS, SIO_SET_QOS, SIO_GET_GROUP_QOS,
					   SIO_SET_GROUP_QOS };
	int plain = socket(AF_INET, SOCK_DGRAM, 0);
	SOCKET s = udp_socket();
	GUID id = { 1, 2, 3, { 4 } };
	void *function;
	DWORD bytes;

	assert_error(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id), &function,
			      sizeof(function), &bytes, NULL, NULL),
		     WSAEINVAL);
	assert_error(WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, 3, &function,
			      sizeof(function), &bytes, NULL, NULL),
		     WSAEFAULT);
	/* G-026, G-027, G-028, in the order of the checks */
	for (size_t i = 0; i < ARRAYSIZE(qos_codes); i++) {
		assert_error(WSAIoctl(INVALID_SOCKET, qos_codes[i], NULL, 0, NULL, 0, &bytes, NULL,
				      NULL),
			     WSANOTINITIALISED);
		assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
		assert_error(WSAIoctl(INVALID_SOCKET, qos_codes[i], NULL, 0, NULL, 0, &bytes, NULL,
				      NULL),
			     WSAENOTSOCK);
		assert_error(WSAIoctl(s, qos_codes[i], NULL, 0, NULL, 0, &bytes, NULL, NULL),
			     WSAENOPROTOOPT);
		assert_error(WSAIoctl((SOCKET)plain, qos_codes[i], NULL, 0, NULL, 0, &bytes, NULL,
				      NULL),
			     WSAENOPROTOOPT);
		assert_int_equal(WSACleanup(), 0);
	}
	assert_error(WSAIoctl(s, 1, NULL, 0, NULL, 0, &bytes, NULL, NULL), WSAEOPNOTSUPP);
	assert_error(WSAIoctl(s, 1, NULL, 0, NULL, 0, NULL, NULL, NULL), WSAEFAULT);
	assert_error(WSAIoctl(INVALID_SOCKET, 1, NULL, 0, NULL, 0, &bytes, NULL, NULL),
		     WSAENOTSOCK);
	close(plain);
	closesocket(s);
}

static TRANSMIT_PACKETS_ELEMENT memory_element(const char *text, ULONG flags)
{
	TRANSMIT_PACKETS_ELEMENT element = { 0 };

	element.dwElFlags = TP_ELEMENT_MEMORY | flags;
	element.pBuffer = (PVOID)text;
	element.cLength = (ULONG)strlen(text);
	return element;
}

static void packets_are_made_of_elements(void **state)
{
	struct pair pair = make_pair();
	TRANSMIT_PACKETS_ELEMENT elements[] = {
		memory_element("ab", 0),
		memory_element("cd", TP_ELEMENT_EOP),
		memory_element("e", TP_ELEMENT_EOP),
	};
	OVERLAPPED ov = { .hEvent = WSACreateEvent() };
	DWORD bytes = 0;

	assert_int_equal(transmit_function(pair.from)(pair.from, elements, 3, 0xFFFFFFFF, &ov,
						      TF_USE_KERNEL_APC),
			 TRUE);
	assert_int_equal(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
	assert_int_equal(result_of(pair.from, &ov, FALSE, &bytes), 0);
	assert_int_equal(bytes, 5);
	assert_int_equal(receive(pair.to, NULL, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_memory_equal(inbox, "abcd", 4);
	assert_int_equal(receive(pair.to, NULL, &bytes), 0);
	assert_int_equal(bytes, 1);
	CloseHandle(ov.hEvent);
	close_pair(pair);
}

/* A stream that the peer does not read fills up; the rest goes when there is room. */
static void a_full_socket_is_awaited(void **state)
{
	enum { SIZE = 4 << 20 };
	TRANSMIT_PACKETS_ELEMENT element = memory_element("", TP_ELEMENT_EOP);
	OVERLAPPED ov = { .hEvent = WSACreateEvent() };
	char *block = calloc(1, SIZE);
	DWORD bytes, total = 0;
	int fds[2];

	assert_non_null(block);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	element.pBuffer = block;
	element.cLength = SIZE;
	assert_int_equal(transmit_function((SOCKET)fds[0])((SOCKET)fds[0], &element, 1, 0, &ov, 0),
			 FALSE);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(WaitForSingleObject(ov.hEvent, 10), WAIT_TIMEOUT);
	while (total < SIZE) {
		ssize_t n = recv(fds[1], block, SIZE, MSG_DONTWAIT);

		if (n > 0)
			total += (DWORD)n;
		WaitForSingleObject(ov.hEvent, 0);
	}
	assert_int_equal(result_of((SOCKET)fds[0], &ov, TRUE, &bytes), 0);
	assert_int_equal(bytes, SIZE);
	free(block);
	close(fds[0]);
	close(fds[1]);
	CloseHandle(ov.hEvent);
}

static void transmit_arguments(void **state)
{
	struct pair pair = make_pair();
	LPFN_TRANSMITPACKETS transmit = transmit_function(pair.from);
	TRANSMIT_PACKETS_ELEMENT element = memory_element("x", TP_ELEMENT_EOP), file = element;

	file.dwElFlags = TP_ELEMENT_FILE;
	assert_int_equal(transmit(pair.from, &element, 0, 0, NULL, 0), FALSE);
	assert_int_equal(WSAGetLastError(), WSAEINVAL);
	assert_int_equal(transmit(pair.from, &element, 1, 0, NULL, 0x1000), FALSE);
	assert_int_equal(WSAGetLastError(), WSAEINVAL);
	assert_int_equal(transmit(pair.from, &file, 1, 0, NULL, 0), FALSE);
	assert_int_equal(WSAGetLastError(), WSAEOPNOTSUPP);
	assert_int_equal(transmit(pair.to, &element, 1, 0, NULL, 0), FALSE);
	assert_int_equal(WSAGetLastError(), WSAENOTCONN);
	assert_int_equal(transmit(INVALID_SOCKET, &element, 1, 0, NULL, 0), FALSE);
	assert_int_equal(WSAGetLastError(), WSAENOTSOCK);
	close_pair(pair);
}

/* ---- sending ---- */

static int send_text(struct pair pair, const char *text, OVERLAPPED *ov, DWORD *ret_bytes)
{
	WSABUF buffers[2] = { { 1, (char *)(uintptr_t)text },
			      { (ULONG)strlen(text) - 1, (char *)(uintptr_t)text + 1 } };

	SetLastError(0);
	if (WSASend(pair.from, buffers, 2, ret_bytes, 0, ov, NULL) == 0)
		return 0;
	return WSAGetLastError();
}

static void assert_received(struct pair pair, const char *text)
{
	DWORD bytes = 0;

	assert_int_equal(receive(pair.to, NULL, &bytes), 0);
	assert_int_equal(bytes, strlen(text));
	assert_memory_equal(inbox, text, bytes);
}

static void hold_back(int waits, unsigned wait_ms)
{
	fake_reset();
	fake.waits = waits;
	fake.wait_ns = wait_ms * UINT64_C(1000000);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void sends_without_a_rate(void **state)
{
	struct pair pair = make_pair();
	struct sockaddr_in to;
	socklen_t length = sizeof(to);
	SOCKET other = udp_socket();
	WSABUF buffer = { 5, (char *)(uintptr_t) "three" };
	OVERLAPPED ov = { .hEvent = WSACreateEvent() };
	DWORD bytes = 0;

	hold_back(0, 0);
	assert_int_equal(getsockname((int)pair.to, (struct sockaddr *)&to, &length), 0);
	assert_int_equal(send((int)pair.from, "one", 3, 0), 3);
	assert_received(pair, "one");
	assert_int_equal(sendto((int)other, "two", 3, 0, (struct sockaddr *)&to, length), 3);
	assert_received(pair, "two");
	assert_int_equal(WSASendTo(other, &buffer, 1, &bytes, 0, (struct sockaddr *)&to,
				   (int)length, NULL, NULL),
			 0);
	assert_int_equal(bytes, 5);
	assert_received(pair, "three");
	assert_int_equal(send_text(pair, "four", &ov, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_int_equal(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
	assert_received(pair, "four");
	CloseHandle(ov.hEvent);
	closesocket(other);
	close_pair(pair);
}

/* delayed, not dropped */
static void a_blocking_send_waits_for_its_rate(void **state)
{
	struct pair pair = make_pair();
	uint64_t began = now_ms();
	DWORD bytes = 0;

	hold_back(3, 10);
	assert_int_equal(send((int)pair.from, "slow", 4, 0), 4);
	assert_true(now_ms() - began >= 29);
	assert_int_equal(fake.paced_bytes, 4);
	assert_received(pair, "slow");
	hold_back(1, 10);
	assert_int_equal(send_text(pair, "slow", NULL, &bytes), 0);
	assert_int_equal(bytes, 4);
	assert_int_equal(fake.waits, 0);
	assert_received(pair, "slow");
	close_pair(pair);
}

static void others_would_block(void **state)
{
	const struct timeval limit = { .tv_usec = 15000 };
	struct pair pair = make_pair();
	DWORD bytes;

	hold_back(100, 10);
	SetLastError(SENTINEL);
	assert_int_equal(send((int)pair.from, "x", 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_int_equal(WSAGetLastError(), WSAEWOULDBLOCK);
	assert_int_equal(setsockopt((int)pair.from, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
			 0);
	hold_back(100, 10);
	assert_error((int)send((int)pair.from, "x", 1, 0), WSAEWOULDBLOCK);
	assert_int_equal(fake.waits, 98); /* one wait fits */
	assert_int_equal(fcntl((int)pair.from, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(send_text(pair, "xx", NULL, &bytes), WSAEWOULDBLOCK);
	assert_error((int)sendto((int)pair.from, "x", 1, 0, NULL, 0), WSAEWOULDBLOCK);
	/* Nothing has left. */
	assert_int_equal(recv((int)pair.to, inbox, sizeof(inbox), MSG_DONTWAIT), -1);
	close_pair(pair);
}

static void overlapped_sends_complete_later(void **state)
{
	struct pair pair = make_pair();
	OVERLAPPED first = { .hEvent = WSACreateEvent() }, second = { .hEvent = WSACreateEvent() };
	struct pollfd poll_fd = { .events = POLLIN };
	DWORD bytes;

	hold_back(3, 10);
	assert_int_equal(send_text(pair, "first", &first, NULL), WSA_IO_PENDING);
	assert_int_equal(send_text(pair, "second", &second, NULL), WSA_IO_PENDING);
	assert_int_equal(WaitForSingleObject(second.hEvent, 0), WAIT_TIMEOUT);
	poll_fd.fd = gw_win_event_fd(second.hEvent);
	/* Not at once, and again and again until it has been sent. */
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	while (!gw_win_overlapped_completed(&second))
		assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	assert_int_equal(WaitForSingleObject(first.hEvent, 0), WAIT_OBJECT_0);
	assert_int_equal(result_of(pair.from, &first, FALSE, &bytes), 0);
	assert_int_equal(bytes, 5);
	assert_int_equal(result_of(pair.from, &second, FALSE, &bytes), 0);
	assert_int_equal(bytes, 6);
	assert_received(pair, "first");
	assert_received(pair, "second");
	CloseHandle(first.hEvent);
	CloseHandle(second.hEvent);
	close_pair(pair);
}

static void packets_are_held_back(void **state)
{
	struct pair pair = make_pair();
	TRANSMIT_PACKETS_ELEMENT elements[] = {
		memory_element("ab", TP_ELEMENT_EOP),
		memory_element("cd", TP_ELEMENT_EOP),
	};
	OVERLAPPED ov = { .hEvent = WSACreateEvent() };
	uint64_t began = now_ms();
	DWORD bytes = 0;

	hold_back(2, 10);
	assert_int_equal(transmit_function(pair.from)(pair.from, elements, 2, 0, &ov, 0), FALSE);
	assert_int_equal(WSAGetLastError(), WSA_IO_PENDING);
	assert_int_equal(result_of(pair.from, &ov, TRUE, &bytes), 0);
	assert_true(now_ms() - began >= 19);
	assert_int_equal(bytes, 4);
	assert_received(pair, "ab");
	assert_received(pair, "cd");
	began = now_ms();
	hold_back(2, 10);
	assert_int_equal(transmit_function(pair.from)(pair.from, elements, 2, 0, NULL, 0), TRUE);
	assert_true(now_ms() - began >= 19);
	CloseHandle(ov.hEvent);
	close_pair(pair);
}

static void closing_aborts_what_is_held_back(void **state)
{
	struct pair pair = make_pair();
	OVERLAPPED ov = { .hEvent = WSACreateEvent() };
	DWORD bytes;

	hold_back(1000, 20);
	assert_int_equal(send_text(pair, "late", &ov, NULL), WSA_IO_PENDING);
	close_pair(pair);
	pair = make_pair();
	assert_int_equal(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
	assert_int_equal(result_of(pair.from, &ov, FALSE, &bytes), WSA_OPERATION_ABORTED);
	CloseHandle(ov.hEvent);
	close_pair(pair);
}

/* what exceeds the rate leaves at once, with the other mark */
static void excess_has_a_mark_of_its_own(void **state)
{
	struct pair pair = make_pair();
	char control[CMSG_SPACE(sizeof(int))], data;
	struct iovec iov = { &data, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	int voice = 56 << 2, yes = 1;

	assert_int_equal(setsockopt((int)pair.from, IPPROTO_IP, IP_TOS, &voice, sizeof(voice)), 0);
	assert_int_equal(setsockopt((int)pair.to, IPPROTO_IP, IP_RECVTOS, &yes, sizeof(yes)), 0);
	for (int excess = -1; excess <= 8; excess++) {
		hold_back(0, 0);
		fake.excess_dscp = excess + 1;
		message.msg_controllen = sizeof(control);
		assert_int_equal(send((int)pair.from, "x", 1, 0), 1);
		assert_int_equal(recvmsg((int)pair.to, &message, 0), 1);
		assert_int_equal(*CMSG_DATA(CMSG_FIRSTHDR(&message)) >> 2,
				 excess < 0 ? 56 : excess);
	}
	close_pair(pair);
}

static void send_arguments(void **state)
{
	struct pair pair = make_pair();
	SOCKET other = udp_socket();
	WSABUF buffer = { 1, inbox };
	DWORD bytes;

	hold_back(0, 0);
	assert_error(WSASend(0x7fffffff, &buffer, 1, &bytes, 0, NULL, NULL), WSAENOTSOCK);
	assert_error(WSASend(pair.from, NULL, 1, &bytes, 0, NULL, NULL), WSAEFAULT);
	assert_error(WSASend(pair.from, &buffer, 1, NULL, 0, NULL, NULL), WSAEFAULT);
	assert_error(WSASend(pair.from, &buffer, 0, &bytes, 0, NULL, NULL), WSAEINVAL);
	assert_error(WSASend(pair.from, &buffer, 65, &bytes, 0, NULL, NULL), WSAEINVAL);
	assert_error(WSASend(other, &buffer, 1, &bytes, 0, NULL, NULL), WSAEDESTADDRREQ);
	closesocket(other);
	close_pair(pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(startup_is_counted),
		cmocka_unit_test(sockets_are_made),
		cmocka_unit_test(a_socket_is_never_zero),
		cmocka_unit_test(closesocket_leaves_other_files_alone),
		cmocka_unit_test(connect_translates_errors),
		cmocka_unit_test(numeric_addresses_are_read),
		cmocka_unit_test(other_text_is_refused),
		cmocka_unit_test(data_that_is_there_completes_at_once),
		cmocka_unit_test(data_is_awaited),
		cmocka_unit_test(receives_complete_in_order),
		cmocka_unit_test(truncation_is_told),
		cmocka_unit_test(closesocket_aborts),
		cmocka_unit_test(senders_are_named),
		cmocka_unit_test(receive_arguments),
		cmocka_unit_test(ioctl_codes),
		cmocka_unit_test(packets_are_made_of_elements),
		cmocka_unit_test(a_full_socket_is_awaited),
		cmocka_unit_test(transmit_arguments),
		cmocka_unit_test(sends_without_a_rate),
		cmocka_unit_test(a_blocking_send_waits_for_its_rate),
		cmocka_unit_test(others_would_block),
		cmocka_unit_test(overlapped_sends_complete_later),
		cmocka_unit_test(packets_are_held_back),
		cmocka_unit_test(closing_aborts_what_is_held_back),
		cmocka_unit_test(excess_has_a_mark_of_its_own),
		cmocka_unit_test(send_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
