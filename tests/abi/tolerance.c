/* SPDX-License-Identifier: MIT */
/*
 * A unit written for a broken toolchain header: it makes qWAVE's types and macros itself, before and
 * after qos2.h, includes the headers in the usual order and both API families together. It must compile
 * without a warning, as C and as C++ (Q-205, spec/qwave.md §2.6).
 */
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

typedef UINT32 QOS_FLOWID, *PQOS_FLOWID;
#define QOS_NON_ADAPTIVE_FLOW 0x00000002

#include <qos.h>
#include <qossp.h>
#include <qos2.h>

#define QOS_NON_ADAPTIVE_FLOW 0x00000002
typedef UINT32 GW_TEST_FLOWID;

BOOL gw_test_mark(HANDLE qos, SOCKET s, GW_TEST_FLOWID *flow);

BOOL gw_test_mark(HANDLE qos, SOCKET s, GW_TEST_FLOWID *flow)
{
	/* what resolving by name needs: the functions' types spelt out by the program */
	BOOL(WINAPI * add)
	(HANDLE, SOCKET, PSOCKADDR, QOS_TRAFFIC_TYPE, DWORD, PQOS_FLOWID) = QOSAddSocketToFlow;
	BOOL(WINAPI * set)
	(HANDLE, QOS_FLOWID, QOS_SET_FLOW, ULONG, PVOID, DWORD, LPOVERLAPPED) = QOSSetFlow;
	DWORD dscp = 46;

	return add(qos, s, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW, flow) &&
	       set(qos, *flow, QOSSetOutgoingDSCPValue, sizeof(dscp), &dscp, 0, NULL);
}
