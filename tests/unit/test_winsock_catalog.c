/* SPDX-License-Identifier: MIT */
/*
 * test_winsock_catalog.c: the protocol catalog, which sockets are QoS-enabled, and what becomes of that.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <sys/wait.h>

#include "fake_gqos.h"
#include "last_error.h"

static int setup(void **state)
{
	WSADATA data;

	fake_gqos_reset();
	return WSAStartup(MAKEWORD(2, 2), &data);
}

static int teardown(void **state)
{
	return WSACleanup();
}

/* ---- the catalog ---- */

/* G-021, G-022, G-023 */
static void sizes_are_asked_for_first(void **state)
{
	const DWORD udp_flags = XP1_CONNECTIONLESS | XP1_MESSAGE_ORIENTED | XP1_SUPPORT_BROADCAST |
				XP1_SUPPORT_MULTIPOINT | XP1_QOS_SUPPORTED;
	const DWORD tcp_flags = XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER |
				XP1_GRACEFUL_CLOSE | XP1_EXPEDITED_DATA | XP1_IFS_HANDLES |
				XP1_QOS_SUPPORTED;
	unsigned plain = 0, udp = 0, tcp = 0;
	WSAPROTOCOL_INFO *info;
	DWORD size = 0, needed;
	int count;

	assert_error(WSAEnumProtocols(NULL, NULL, &size), WSAENOBUFS);
	assert_true(size > 0 && size % sizeof(*info) == 0);
	info = calloc(1, size);
	assert_non_null(info);
	needed = size--;
	assert_error(WSAEnumProtocols(NULL, info, &size), WSAENOBUFS);
	assert_int_equal(size, needed);
	count = WSAEnumProtocols(NULL, info, &size);
	assert_int_equal(count, needed / sizeof(*info));
	for (int i = 0; i < count; i++) {
		assert_true(strlen(info[i].szProtocol) > 0);
		assert_int_equal(info[i].iVersion, 2);
		assert_int_equal(info[i].ProtocolChain.ChainLen, BASE_PROTOCOL);
		if (!(info[i].dwServiceFlags1 & XP1_QOS_SUPPORTED)) {
			/* A search for the first match finds these. */
			assert_int_equal(udp + tcp, 0);
			plain++;
		} else if (info[i].iProtocol == IPPROTO_UDP) {
			assert_int_equal(info[i].dwServiceFlags1 & udp_flags, udp_flags);
			udp++;
		} else {
			assert_int_equal(info[i].iProtocol, IPPROTO_TCP);
			assert_int_equal(info[i].dwServiceFlags1, tcp_flags);
			tcp++;
		}
	}
	assert_int_equal(plain, 4);
	assert_int_equal(udp, 2); /* of both families */
	assert_int_equal(tcp, 2);
	free(info);
	assert_error(WSAEnumProtocols(NULL, NULL, NULL), WSAEFAULT);
	assert_error(WSAEnumProtocols(NULL, NULL, &needed), WSAEFAULT);
}

/* G-024 */
static void protocols_are_chosen(void **state)
{
	INT udp_only[] = { IPPROTO_UDP, 0 }, both[] = { IPPROTO_TCP, IPPROTO_UDP, 0 };
	INT others[] = { IPPROTO_ICMP, 0 };
	WSAPROTOCOL_INFOA info[8];
	WSAPROTOCOL_INFOW wide[8];
	DWORD size = sizeof(info);

	assert_int_equal(WSAEnumProtocolsA(udp_only, info, &size), 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(info[i].iProtocol, IPPROTO_UDP);
	assert_int_equal(WSAEnumProtocolsA(both, info, &size), 8);
	size = 0;
	assert_int_equal(WSAEnumProtocolsA(others, NULL, &size), 0);
	assert_int_equal(WSAEnumProtocolsA(NULL, info, (size = sizeof(info), &size)), 8);
	size = sizeof(wide);
	assert_int_equal(WSAEnumProtocolsW(NULL, wide, &size), 8);
	for (int i = 0; i < 8; i++) {
		assert_memory_equal(&info[i], &wide[i], offsetof(WSAPROTOCOL_INFOA, szProtocol));
		for (size_t j = 0; j <= WSAPROTOCOL_LEN; j++)
			assert_int_equal(info[i].szProtocol[j], wide[i].szProtocol[j]);
	}
}

/* G-025: the surface's part */
static void sockets_of_entries(void **state)
{
	WSAPROTOCOL_INFOA info[8];
	WSAPROTOCOL_INFOW wide[8];
	DWORD size = sizeof(info), bytes;
	SOCKET s;

	assert_int_equal(WSAEnumProtocolsA(NULL, info, &size), 8);
	size = sizeof(wide);
	assert_int_equal(WSAEnumProtocolsW(NULL, wide, &size), 8);
	for (int i = 0; i < 8; i++) {
		int type = 0, family = 0;
		bool qos = info[i].dwServiceFlags1 & XP1_QOS_SUPPORTED;
		socklen_t length = sizeof(int);
		QOS set = { { 0 } };

		s = i % 2 ? WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
				       &info[i], 0, WSA_FLAG_OVERLAPPED)
			  : WSASocketW(info[i].iAddressFamily, info[i].iSocketType, 0, &wide[i], 0,
				       WSA_FLAG_OVERLAPPED);
		assert_true(s != INVALID_SOCKET);
		getsockopt((int)s, SOL_SOCKET, SO_TYPE, &type, &length);
		getsockopt((int)s, SOL_SOCKET, SO_DOMAIN, &family, &length);
		assert_int_equal(type, info[i].iSocketType);
		assert_int_equal(family, info[i].iAddressFamily);
		if (qos)
			assert_int_equal(WSAIoctl(s, SIO_SET_QOS, &set, sizeof(set), NULL, 0,
						  &bytes, NULL, NULL),
					 0);
		else
			assert_error(WSAIoctl(s, SIO_SET_QOS, &set, sizeof(set), NULL, 0, &bytes,
					      NULL, NULL),
				     WSAENOPROTOOPT);
		closesocket(s);
	}
	assert_error((int)WSASocketA(AF_INET6, -1, -1, &info[0], 0, 0), WSAEAFNOSUPPORT);
	assert_error((int)WSASocketA(-1, SOCK_DGRAM, -1, &info[0], 0, 0), WSAEPROTOTYPE);
	assert_error((int)WSASocketA(-1, -1, IPPROTO_UDP, &info[0], 0, 0), WSAEPROTONOSUPPORT);
	info[0].dwCatalogEntryId = 7;
	assert_error((int)WSASocketA(-1, -1, -1, &info[0], 0, 0), WSAEINVAL);
}

static void multipoint_flags(void **state)
{
	const DWORD leaf = WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF;
	static const DWORD wrong[] = { WSA_FLAG_MULTIPOINT_C_LEAF, WSA_FLAG_MULTIPOINT_D_LEAF,
				       WSA_FLAG_MULTIPOINT_C_ROOT | WSA_FLAG_MULTIPOINT_D_LEAF,
				       WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_ROOT };
	SOCKET s = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, leaf);

	assert_true(s != INVALID_SOCKET);
	closesocket(s);
	for (size_t i = 0; i < ARRAYSIZE(wrong); i++)
		assert_error((int)WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, wrong[i]), WSAEINVAL);
	assert_error((int)WSASocket(AF_INET, SOCK_STREAM, 0, NULL, 0, leaf), WSAEINVAL);
}

/* G-029 */
static void sockets_are_not_duplicated(void **state)
{
	SOCKET plain = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0);
	SOCKET qos = qos_socket(AF_INET, SOCK_DGRAM, 0);
	WSAPROTOCOL_INFOA info;
	WSAPROTOCOL_INFOW wide;

	assert_error(WSADuplicateSocketA(qos, 1, &info), WSAEINVAL);
	assert_error(WSADuplicateSocketW(qos, 1, &wide), WSAEINVAL);
	assert_error(WSADuplicateSocket(plain, 1, &info), WSAEOPNOTSUPP);
	assert_error(WSADuplicateSocket(plain, 1, NULL), WSAEFAULT);
	assert_error(WSADuplicateSocket(INVALID_SOCKET, 1, &info), WSAENOTSOCK);
	closesocket(plain);
	closesocket(qos);
}

/* ---- who is QoS-enabled ---- */

static bool is_enabled(int fd)
{
	DWORD bytes;
	bool enabled;

	SetLastError(SENTINEL);
	enabled = WSAIoctl((SOCKET)fd, SIO_SET_QOS, NULL, 0, NULL, 0, &bytes, NULL, NULL) == 0;
	assert_int_equal((DWORD)WSAGetLastError(), enabled ? SENTINEL : WSAENOPROTOOPT);
	return enabled;
}

static void the_next_socket_of_a_number_inherits_nothing(void **state)
{
	int fd = (int)qos_socket(AF_INET, SOCK_STREAM, 0);

	assert_true(is_enabled(fd));
	close(fd); /* not closesocket() */
	assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fd);
	assert_false(is_enabled(fd));
	close(fd);
	assert_int_equal((int)qos_socket(AF_INET, SOCK_STREAM, 0), fd);
	assert_true(is_enabled(fd));
	closesocket((SOCKET)fd);
	assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fd);
	assert_false(is_enabled(fd));
	close(fd);
}

/* G-254: what of it is the surface's */
static void duplicates_are_the_same_socket(void **state)
{
	int fd = (int)qos_socket(AF_INET, SOCK_STREAM, 0), other;
	int copy = dup(fd), copies[2] = { dup(fd), dup(fd) };

	assert_true(is_enabled(copy));
	assert_int_equal(closesocket((SOCKET)fd), 0);
	assert_true(is_enabled(copy));
	assert_int_equal(closesocket((SOCKET)copy), 0);
	/* Also those that nobody has asked about before. */
	assert_true(is_enabled(copies[0]));
	close(copies[0]);
	other = socket(AF_INET, SOCK_STREAM, 0);
	assert_false(is_enabled(other));
	/* Thousands of others later. */
	for (int i = 0; i < 3000; i++)
		closesocket(qos_socket(AF_INET, SOCK_DGRAM, 0));
	assert_true(is_enabled(copies[1]));
	close(copies[1]);
	close(other);
}

static void children_have_them_too(void **state)
{
	int fd = (int)qos_socket(AF_INET, SOCK_STREAM, 0), status;
	int plain = socket(AF_INET, SOCK_STREAM, 0);
	pid_t child = fork();

	if (child == 0)
		_exit(is_enabled(fd) && !is_enabled(plain) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	closesocket((SOCKET)fd);
	close(plain);
}

static void *make_and_close(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		int fd = (int)qos_socket(AF_INET, SOCK_DGRAM, 0);
		DWORD error = WSAIoctl((SOCKET)fd, SIO_GET_GROUP_QOS, NULL, 0, NULL, 0,
				       &(DWORD){ 0 }, NULL, NULL)
				      ? (DWORD)WSAGetLastError()
				      : 0;

		if (error != WSAEOPNOTSUPP)
			return (void *)1;
		if (i % 2)
			close(fd);
		else
			closesocket((SOCKET)fd);
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
	pthread_t threads[4];
	void *failed;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_and_close, NULL), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
}

/* E15 of spec/gqos.md §16.2 */
static void the_last_cleanup_ends_all(void **state)
{
	SOCKET s = qos_socket(AF_INET, SOCK_STREAM, 0);
	WSADATA data;

	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(WSACleanup(), 0);
	assert_asked("%s", "");
	assert_int_equal(WSACleanup(), 0);
	assert_asked("end %d sr,closing %d,", (int)s, (int)s);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &data), 0);
	assert_int_equal(closesocket(s), 0);
	assert_asked("closing %d,", (int)s);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sizes_are_asked_for_first),
		TEST(protocols_are_chosen),
		TEST(sockets_of_entries),
		TEST(multipoint_flags),
		TEST(sockets_are_not_duplicated),
		TEST(the_next_socket_of_a_number_inherits_nothing),
		TEST(duplicates_are_the_same_socket),
		TEST(children_have_them_too),
		TEST(threads_do_not_disturb_each_other),
		TEST(the_last_cleanup_ends_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
