/* SPDX-License-Identifier: MIT */
/*
 * client_patterns.c: what known programs do with qWAVE, each in its own manner (spec/qwave.md §15): the order of
 * calls, the casts, the arguments left out, what they expect of failures. Packets go over loopback, and their
 * DSCP is read where they arrive. Compiles as C and as C++, since half of these programs are the one and half
 * the other. Prints a line for each program; exit status 1 if one did not get what it needs.
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

#include <dlfcn.h>
#include <stdio.h>
#include <sys/time.h>

/* As in a unit written for headers that lack it. */
typedef UINT32 QOS_FLOWID, *PQOS_FLOWID;
#include <qos2.h>

#define PATIENCE_S 2
#define NOTHING_CAME (-1)

static const char *program;
static int failures;

#define NEED(condition)                                                                        \
	do {                                                                                   \
		if (!(condition)) {                                                            \
			printf("%s: line %d: not so: %s (last error %u)\n", program, __LINE__, \
			       #condition, GetLastError());                                    \
			failures++;                                                            \
		}                                                                              \
	} while (0)

/* ---- the far end ---- */

struct far_end {
	SOCKET s;
	SOCKADDR_STORAGE address;
	socklen_t length;
};

static struct far_end far_end_open(int family)
{
	struct timeval patience = { PATIENCE_S, 0 };
	struct far_end far;
	int on = 1;

	ZeroMemory(&far, sizeof(far));
	far.s = (SOCKET)socket(family, SOCK_DGRAM, 0);
	far.length = family == AF_INET ? sizeof(SOCKADDR_IN) : sizeof(SOCKADDR_IN6);
	far.address.ss_family = (sa_family_t)family;
	if (family == AF_INET)
		((PSOCKADDR_IN)&far.address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((PSOCKADDR_IN6)&far.address)->sin6_addr = in6addr_loopback;
	if (bind((int)far.s, (PSOCKADDR)&far.address, far.length) != 0 ||
	    getsockname((int)far.s, (PSOCKADDR)&far.address, &far.length) != 0)
		perror("bind");
	setsockopt((int)far.s, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
	setsockopt((int)far.s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return far;
}

/* The DSCP of the next packet that arrives. */
static int arrived(const struct far_end *far)
{
	char control[256], data[256];
	struct iovec iov = { data, sizeof(data) };
	struct cmsghdr *item;
	struct msghdr packet;

	ZeroMemory(&packet, sizeof(packet));
	packet.msg_iov = &iov;
	packet.msg_iovlen = 1;
	packet.msg_control = control;
	packet.msg_controllen = sizeof(control);
	if (recvmsg((int)far->s, &packet, 0) < 0)
		return NOTHING_CAME;
	for (item = CMSG_FIRSTHDR(&packet); item; item = CMSG_NXTHDR(&packet, item))
		if (item->cmsg_level == IPPROTO_IP && item->cmsg_type == IP_TOS)
			return *CMSG_DATA(item) >> 2;
	return 0;
}

static int sent_to(SOCKET s, const struct far_end *far)
{
	if (sendto((int)s, "x", 1, 0, (const struct sockaddr *)&far->address, far->length) != 1)
		perror("sendto");
	return arrived(far);
}

static SOCKET udp(void)
{
	return (SOCKET)socket(AF_INET, SOCK_DGRAM, 0);
}

static HANDLE created(void)
{
	QOS_VERSION version;
	HANDLE handle = NULL;

	version.MajorVersion = 1;
	version.MinorVersion = 0;
	NEED(QOSCreateHandle(&version, &handle));
	return handle;
}

/* ---- the programs ---- */

/* A flow for each datagram, in a DWORD, removed by number alone. */
static void mumble_server(void)
{
	struct far_end far = far_end_open(AF_INET);
	HANDLE hQoS = created();
	SOCKET sock = udp(), wide = (SOCKET)socket(AF_INET6, SOCK_DGRAM, 0);
	DWORD dwFlow;
	int i;

	for (i = 0; i < 50; i++) {
		dwFlow = 0;
		NEED(QOSAddSocketToFlow(hQoS, sock, (struct sockaddr *)&far.address,
					QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW,
					(PQOS_FLOWID)&dwFlow));
		NEED(sent_to(sock, &far) == 56);
		NEED(dwFlow && QOSRemoveSocketFromFlow(hQoS, 0, dwFlow, 0));
		NEED(sent_to(sock, &far) == 0);
	}
	/* A socket of the other family: refused, and nothing is left behind. */
	dwFlow = 0;
	NEED(!QOSAddSocketToFlow(hQoS, wide, (struct sockaddr *)&far.address, QOSTrafficTypeVoice,
				 QOS_NON_ADAPTIVE_FLOW, (PQOS_FLOWID)&dwFlow));
	NEED(GetLastError() == ERROR_INVALID_PARAMETER && dwFlow == 0);
	NEED(QOSCloseHandle(hQoS));
	closesocket(wide);
	closesocket(sock);
	closesocket(far.s);
}

/* Control over TCP, without an address; the result of loading is an HRESULT. */
static void mumble_client(void)
{
	SOCKADDR_IN address;
	socklen_t length = sizeof(address);
	SOCKET listener = (SOCKET)socket(AF_INET, SOCK_STREAM, 0);
	SOCKET tcp = (SOCKET)socket(AF_INET, SOCK_STREAM, 0);
	HANDLE hQoS = created();
	HRESULT hr = hQoS ? S_OK : E_FAIL;
	DWORD dwFlow = 0;

	ZeroMemory(&address, sizeof(address));
	address.sin_family = AF_INET;
	NEED(InetPton(AF_INET, "127.0.0.1", &address.sin_addr) == 1);
	NEED(bind((int)listener, (PSOCKADDR)&address, length) == 0);
	NEED(listen((int)listener, 1) == 0);
	NEED(getsockname((int)listener, (PSOCKADDR)&address, &length) == 0);
	NEED(connect((int)tcp, (PSOCKADDR)&address, length) == 0);
	NEED(SUCCEEDED(hr) && QOSAddSocketToFlow(hQoS, tcp, NULL, QOSTrafficTypeVoice,
						 QOS_NON_ADAPTIVE_FLOW, (PQOS_FLOWID)&dwFlow));
	/* The socket goes first, and the flow's number is still there to be removed. */
	closesocket(tcp);
	NEED(QOSRemoveSocketFromFlow(hQoS, 0, dwFlow, 0));
	NEED(QOSCloseHandle(hQoS));
	closesocket(listener);
}

/* Many destinations in one flow; a DSCP value whose refusal is ignored; after ERROR_NOT_FOUND begins anew. */
static void chromium(void)
{
	struct far_end far[3] = { far_end_open(AF_INET), far_end_open(AF_INET),
				  far_end_open(AF_INET) };
	HANDLE handle = created();
	QOS_FLOWID flow_id = 0;
	SOCKET s = udp();
	DWORD dscp = 46;
	int expected, i;

	for (i = 0; i < 3; i++)
		NEED(QOSAddSocketToFlow(handle, s, (PSOCKADDR)&far[i].address, QOSTrafficTypeVoice,
					QOS_NON_ADAPTIVE_FLOW, &flow_id));
	expected =
		QOSSetFlow(handle, flow_id, QOSSetOutgoingDSCPValue, sizeof(dscp), &dscp, 0, NULL)
			? 46
			: 56;
	NEED(expected == 46 || GetLastError() == ERROR_ACCESS_DENIED);
	for (i = 0; i < 3; i++)
		NEED(sent_to(s, &far[i]) == expected);
	NEED(QOSRemoveSocketFromFlow(handle, 0, flow_id, 0));
	for (i = 0; i < 3; i++)
		NEED(sent_to(s, &far[i]) == 0);
	NEED(!QOSAddSocketToFlow(handle, s, (PSOCKADDR)&far[0].address, QOSTrafficTypeVoice,
				 QOS_NON_ADAPTIVE_FLOW, &flow_id));
	NEED(GetLastError() == ERROR_NOT_FOUND);
	flow_id = 0;
	NEED(QOSAddSocketToFlow(handle, s, (PSOCKADDR)&far[0].address, QOSTrafficTypeVoice,
				QOS_NON_ADAPTIVE_FLOW, &flow_id));
	NEED(sent_to(s, &far[0]) == 56);
	NEED(QOSCloseHandle(handle));
	closesocket(s);
	for (i = 0; i < 3; i++)
		closesocket(far[i].s);
}

/* Looked up at run time; a dual-stack socket connected only to be added, then disconnected and used with addresses. */
static void sunshine(void)
{
	BOOL(WINAPI * create)(PQOS_VERSION, PHANDLE) = NULL;
	BOOL(WINAPI * add)
	(HANDLE, SOCKET, PSOCKADDR, QOS_TRAFFIC_TYPE, DWORD, PQOS_FLOWID) = NULL;
	BOOL(WINAPI * remove)(HANDLE, SOCKET, QOS_FLOWID, DWORD) = NULL;
	HMODULE qwave = dlopen("libqwave.so", RTLD_NOW);
	struct far_end far = far_end_open(AF_INET);
	SOCKET s = (SOCKET)socket(AF_INET6, SOCK_DGRAM, 0);
	QOS_VERSION version = { 1, 0 };
	HANDLE handle = NULL;
	QOS_FLOWID flow = 0;
	SOCKADDR_IN6 mapped;
	SOCKADDR_IN empty;
	int i, off = 0;

	NEED(qwave);
	if (!qwave)
		return;
	*(void **)&create = dlsym(qwave, "QOSCreateHandle");
	*(void **)&add = dlsym(qwave, "QOSAddSocketToFlow");
	*(void **)&remove = dlsym(qwave, "QOSRemoveSocketFromFlow");
	NEED(create && add && remove && create(&version, &handle));

	ZeroMemory(&mapped, sizeof(mapped));
	mapped.sin6_family = AF_INET6;
	mapped.sin6_port = ((PSOCKADDR_IN)&far.address)->sin_port;
	InetPton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
	ZeroMemory(&empty, sizeof(empty)); /* AF_UNSPEC */
	NEED(setsockopt((int)s, IPPROTO_IPV6, IPV6_V6ONLY, (char *)&off, sizeof(off)) == 0);
	NEED(connect((int)s, (PSOCKADDR)&mapped, sizeof(mapped)) == 0);
	NEED(add(handle, s, NULL, QOSTrafficTypeAudioVideo, QOS_NON_ADAPTIVE_FLOW, &flow));
	NEED(connect((int)s, (PSOCKADDR)&empty, sizeof(empty)) == 0);
	for (i = 0; i < 3; i++) {
		sendto((int)s, "x", 1, 0, (PSOCKADDR)&mapped, sizeof(mapped));
		NEED(arrived(&far) == 40);
		usleep(400 *
		       1000); /* disconnecting may be noticed late, and must not end it then either */
	}
	NEED(remove(handle, (SOCKET)NULL, flow, 0));
	sendto((int)s, "x", 1, 0, (PSOCKADDR)&mapped, sizeof(mapped));
	NEED(arrived(&far) == 0);
	NEED(QOSCloseHandle(handle)); /* found either way, it is the same library */
	dlclose(qwave);
	closesocket(s);
	closesocket(far.s);
}

/* ENet of Moonlight: the handle is global and stays open; the peer's address is given though it is connected. */
static void moonlight(void)
{
	static HANDLE qosHandle = INVALID_HANDLE_VALUE;
	struct far_end far = far_end_open(AF_INET);
	QOS_FLOWID qosFlowId = 0;
	SOCKET s = udp();

	NEED(!QOSCloseHandle(qosHandle) && GetLastError() == ERROR_INVALID_HANDLE);
	qosHandle = created();
	NEED(connect((int)s, (PSOCKADDR)&far.address, far.length) == 0);
	NEED(QOSAddSocketToFlow(qosHandle, s, (struct sockaddr *)&far.address,
				QOSTrafficTypeControl, QOS_NON_ADAPTIVE_FLOW, &qosFlowId));
	NEED(send((int)s, "x", 1, 0) == 1 && arrived(&far) == 56);
	NEED(QOSRemoveSocketFromFlow(qosHandle, s, qosFlowId, 0));
	NEED(send((int)s, "x", 1, 0) == 1 && arrived(&far) == 0);
	NEED(QOSCloseHandle(qosHandle));
	closesocket(s);
	closesocket(far.s);
}

/* No address; errors go up as WSAGetLastError() has them; the handle is closed with the flow in it. */
static int baresip_udp_qos(SOCKET fd, QOS_TRAFFIC_TYPE type, PHANDLE qos)
{
	QOS_VERSION qos_version = { 1, 0 };
	QOS_FLOWID qos_id = 0;

	if (!QOSCreateHandle(&qos_version, qos))
		return WSAGetLastError();
	if (!QOSAddSocketToFlow(*qos, fd, NULL, type, QOS_NON_ADAPTIVE_FLOW, &qos_id))
		return WSAGetLastError();
	return 0;
}

static void baresip(void)
{
	struct far_end far = far_end_open(AF_INET);
	HANDLE qos = NULL;
	SOCKET s = udp();

	NEED(baresip_udp_qos(s, QOSTrafficTypeVoice, &qos) == ERROR_INVALID_PARAMETER);
	(void)QOSCloseHandle(qos);
	NEED(connect((int)s, (PSOCKADDR)&far.address, far.length) == 0);
	NEED(baresip_udp_qos(s, QOSTrafficTypeVoice, &qos) == 0);
	NEED(sent_to(s, &far) == 56);
	(void)QOSCloseHandle(qos);
	NEED(sent_to(s, &far) == 0);
	closesocket(s);
	closesocket(far.s);
}

/* Knows the table of marks, and asks whether it holds; sets a value of its own if it may. */
static void cyclonedds(void)
{
	static const ULONG table[] = { 0, 8, 40, 40, 56, 56 };
	struct far_end far = far_end_open(AF_INET);
	HANDLE handle = created();
	SOCKET s = udp();
	DWORD dscp = 26;
	int type;

	for (type = QOSTrafficTypeBestEffort; type <= QOSTrafficTypeControl; type++) {
		QOS_PACKET_PRIORITY priority;
		ULONG size = sizeof(priority);
		QOS_FLOWID flow = 0;

		NEED(QOSAddSocketToFlow(handle, s, (PSOCKADDR)&far.address, (QOS_TRAFFIC_TYPE)type,
					QOS_NON_ADAPTIVE_FLOW, &flow));
		NEED(QOSQueryFlow(handle, flow, QOSQueryPacketPriority, &size, &priority, 0, NULL));
		NEED(size == sizeof(priority) && priority.ConformantDSCPValue == table[type]);
		NEED(sent_to(s, &far) == (int)table[type]);
		if (QOSSetFlow(handle, flow, QOSSetOutgoingDSCPValue, sizeof(dscp), &dscp, 0, NULL))
			NEED(sent_to(s, &far) == 26);
		else
			NEED(GetLastError() == ERROR_ACCESS_DENIED ||
			     GetLastError() == ERROR_ACCESS_DISABLED_BY_POLICY);
		NEED(QOSRemoveSocketFromFlow(handle, s, flow, 0));
	}
	NEED(QOSCloseHandle(handle));
	closesocket(s);
	closesocket(far.s);
}

/* Changes type and rate of a flow; makes it anew after the errors that ask for that. */
static void kmule(void)
{
	struct far_end far = far_end_open(AF_INET);
	HANDLE handle = created();
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeBackground;
	QOS_FLOWRATE_OUTGOING rate;
	QOS_FLOWID flow = 0;
	SOCKET s = udp();
	DWORD dwError;

	NEED(connect((int)s, (PSOCKADDR)&far.address, far.length) == 0);
	NEED(QOSAddSocketToFlow(handle, s, NULL, QOSTrafficTypeBestEffort, QOS_NON_ADAPTIVE_FLOW,
				&flow));
	NEED(QOSSetFlow(handle, flow, QOSSetTrafficType, sizeof(type), &type, 0, NULL));
	NEED(sent_to(s, &far) == 8);
	rate.Bandwidth = 8000000;
	rate.ShapingBehavior = QOSShapeAndMark;
	rate.Reason = QOSFlowRateNotApplicable;
	/* Without a shaper it is told so, and the flow is as it was. */
	NEED(QOSSetFlow(handle, flow, QOSSetOutgoingRate, sizeof(rate), &rate, 0, NULL) ||
	     GetLastError() == ERROR_NOT_SUPPORTED);
	NEED(sent_to(s, &far) == 8);
	NEED(QOSRemoveSocketFromFlow(handle, s, flow, 0));
	NEED(!QOSSetFlow(handle, flow, QOSSetTrafficType, sizeof(type), &type, 0, NULL));
	dwError = GetLastError();
	NEED(dwError == ERROR_NOT_FOUND || dwError == ERROR_DEVICE_REINITIALIZATION_NEEDED ||
	     dwError == ERROR_SYSTEM_POWERSTATE_TRANSITION ||
	     dwError == ERROR_SYSTEM_POWERSTATE_COMPLEX_TRANSITION);
	NEED(QOSCloseHandle(handle));
	closesocket(s);
	closesocket(far.s);
}

/* Adds the same again and again, by the number it has got, and removes it in the same manner. */
static void ortp(void)
{
	struct far_end far = far_end_open(AF_INET);
	HANDLE handle = created();
	QOS_FLOWID flow = 0, first;
	SOCKET s = udp();
	int i;

	NEED(QOSAddSocketToFlow(handle, s, (struct sockaddr *)&far.address,
				QOSTrafficTypeAudioVideo, QOS_NON_ADAPTIVE_FLOW, &flow));
	first = flow;
	for (i = 0; i < 3; i++) {
		NEED(QOSAddSocketToFlow(handle, s, (struct sockaddr *)&far.address,
					QOSTrafficTypeAudioVideo, QOS_NON_ADAPTIVE_FLOW, &flow));
		NEED(flow == first && sent_to(s, &far) == 40);
	}
	NEED(QOSRemoveSocketFromFlow(handle, s, flow, 0));
	NEED(sent_to(s, &far) == 0);
	NEED(!QOSRemoveSocketFromFlow(handle, s, flow, 0) && GetLastError() == ERROR_NOT_FOUND);
	NEED(QOSCloseHandle(handle));
	closesocket(s);
	closesocket(far.s);
}

/* From the typed wrappers of .NET: sizes, and a list of all flows for those who may see it. */
static void vanara(void)
{
	struct far_end far = far_end_open(AF_INET);
	HANDLE handle = created();
	ULONG ids[64], needed = 0, size = sizeof(ids), i;
	QOS_FLOWID flow = 0;
	SOCKET s = udp();
	BOOL found = FALSE;
	UINT64 rate = 1;

	NEED(QOSAddSocketToFlow(handle, s, (PSOCKADDR)&far.address, QOSTrafficTypeExcellentEffort,
				QOS_NON_ADAPTIVE_FLOW, &flow));
	if (!QOSEnumerateFlows(handle, &needed, NULL) &&
	    GetLastError() == ERROR_INSUFFICIENT_BUFFER) {
		NEED(needed >= sizeof(ULONG) && needed <= sizeof(ids));
		NEED(QOSEnumerateFlows(handle, &size, ids));
		for (i = 0; i < size / sizeof(ULONG); i++)
			found = found || ids[i] == flow;
		NEED(found);
	} else {
		NEED(GetLastError() == ERROR_ACCESS_DENIED);
	}
	size = sizeof(rate);
	NEED(QOSQueryFlow(handle, flow, QOSQueryOutgoingRate, &size, &rate, 0, NULL));
	NEED(size == sizeof(rate));
	NEED(QOSCloseHandle(handle));
	closesocket(s);
	closesocket(far.s);
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} programs[] = {
		{ "mumble-server", mumble_server },
		{ "mumble-client", mumble_client },
		{ "chromium", chromium },
		{ "sunshine", sunshine },
		{ "moonlight", moonlight },
		{ "baresip", baresip },
		{ "cyclonedds", cyclonedds },
		{ "kmule", kmule },
		{ "ortp", ortp },
		{ "vanara", vanara },
	};
	WSADATA data;
	size_t i;

	NEED(WSAStartup(MAKEWORD(2, 2), &data) == 0);
	for (i = 0; i < ARRAYSIZE(programs); i++) {
		int before = failures;

		program = programs[i].name;
		programs[i].run();
		if (failures == before)
			printf("ok %s\n", program);
	}
	WSACleanup();
	return failures ? 1 : 0;
}
