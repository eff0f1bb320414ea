/* SPDX-License-Identifier: MIT */
/*
 * qos2.h: the qWAVE (QOS2) interface.
 *
 * A program opens the subsystem, puts a socket and a destination into a flow, and the packets that
 * the socket sends there are marked, shaped and measured as the flow asks. All of it ends at once
 * when the flow is removed, the handle is closed or the process ends; the sockets stay open and
 * keep working.
 *
 *	QOS_VERSION version = { 1, 0 };
 *	HANDLE qos = NULL;
 *	QOS_FLOWID flow = 0;
 *
 *	if (QOSCreateHandle(&version, &qos) &&
 *	    QOSAddSocketToFlow(qos, s, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW, &flow))
 *		...	// what s sends to its peer is now voice
 *	QOSCloseHandle(qos);
 *
 * Names, values and layouts are those of Windows; behaviour, error codes and the order of checks
 * follow spec/qwave.md, named in each comment. Rules that hold for every function:
 *
 *  - Errors: TRUE (1) is success and leaves the last error untouched; FALSE (0) is failure, the
 *    reason is in GetLastError(), and nothing was changed. Every function but QOSCreateHandle() may
 *    fail with ERROR_INVALID_HANDLE, and with ERROR_DEVICE_REINITIALIZATION_NEEDED once the daemon
 *    has gone: close the handle, open a new one, and add the flows again. (QOSCloseHandle()
 *    succeeds even then.) ERROR_NOT_ENOUGH_MEMORY and ERROR_NO_SYSTEM_RESOURCES are possible
 *    wherever something is made.
 *  - Threads: every function may be called from any thread, also on the same handle at the same
 *    time.
 *  - Ownership: memory passed in is read during the call only, except the OVERLAPPED and, for
 *    QOSQueryFlow(), the output buffer of an operation that answered ERROR_IO_PENDING. Sockets stay
 *    the caller's; the library keeps no descriptor of them.
 *  - Flows belong to the handle that added them; only through it can they be changed. A flow that
 *    is unknown, gone, or of another handle or process gives ERROR_NOT_FOUND.
 *  - Rates are bits per second and count IP and transport headers, unless said otherwise.
 *  - Overlapped calls (§4.5): with an OVERLAPPED a call may return TRUE, complete already, with the
 *    event set; or FALSE and ERROR_IO_PENDING, and complete later (GetOverlappedResult(),
 *    windows.h). With NULL it blocks until done. An argument error is reported at once and
 *    completes nothing.
 */
#ifndef GW_WIN_QOS2_H
#define GW_WIN_QOS2_H

#include "winsock2.h"
#include "ws2tcpip.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* i386 aligns 64-bit members to 4 bytes; the Windows layout needs 8 everywhere (§2.4). */
#ifdef __i386__
#define GW_WIN_ALIGN_8 __attribute__((aligned(8)))
#else
#define GW_WIN_ALIGN_8
#endif

/*
 * A flow: never 0 while it lives, unique on the host, not reused soon. Some sources make this
 * typedef themselves first (§2.6), and C99 knows no repeated typedef: __extension__ quiets gcc
 * there, the pragma clang.
 */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wtypedef-redefinition"
#endif
__extension__ typedef ULONG QOS_FLOWID, *PQOS_FLOWID;
#ifdef __clang__
#pragma clang diagnostic pop
#endif

/* What kind of traffic a flow carries: DSCP 0, 8, 40, 40, 56, 56 in the default profile (§6.1). */
typedef enum _QOS_TRAFFIC_TYPE {
	QOSTrafficTypeBestEffort = 0,
	QOSTrafficTypeBackground = 1,
	QOSTrafficTypeExcellentEffort = 2,
	QOSTrafficTypeAudioVideo = 3,
	QOSTrafficTypeVoice = 4,
	QOSTrafficTypeControl = 5
} QOS_TRAFFIC_TYPE,
	*PQOS_TRAFFIC_TYPE;

typedef enum _QOS_SET_FLOW {
	QOSSetTrafficType = 0,	    /* QOS_TRAFFIC_TYPE */
	QOSSetOutgoingRate = 1,	    /* QOS_FLOWRATE_OUTGOING */
	QOSSetOutgoingDSCPValue = 2 /* DWORD, 0..63 */
} QOS_SET_FLOW,
	*PQOS_SET_FLOW;

typedef enum _QOS_QUERY_FLOW {
	QOSQueryFlowFundamentals = 0, /* QOS_FLOW_FUNDAMENTALS */
	QOSQueryPacketPriority = 1,   /* QOS_PACKET_PRIORITY */
	QOSQueryOutgoingRate = 2      /* UINT64, bits per second */
} QOS_QUERY_FLOW,
	*PQOS_QUERY_FLOW;

typedef enum _QOS_NOTIFY_FLOW {
	QOSNotifyCongested = 0,
	QOSNotifyUncongested = 1,
	QOSNotifyAvailable = 2 /* UINT64 target, bits per second */
} QOS_NOTIFY_FLOW,
	*PQOS_NOTIFY_FLOW;

/* What happens to packets beyond the rate, and which marks are used (§7.1). */
typedef enum _QOS_SHAPING {
	QOSShapeOnly = 0,		/* delayed; nothing is marked */
	QOSShapeAndMark = 1,		/* delayed; everything is marked */
	QOSUseNonConformantMarkings = 2 /* sent at once with the lower mark */
} QOS_SHAPING,
	*PQOS_SHAPING;

/* Why a rate changes: for the books only, with no effect on the call. */
typedef enum _QOS_FLOWRATE_REASON {
	QOSFlowRateNotApplicable = 0,
	QOSFlowRateContentChange = 1,
	QOSFlowRateCongestion = 2,
	QOSFlowRateHigherContentEncoding = 3,
	QOSFlowRateUserCaused = 4
} QOS_FLOWRATE_REASON,
	*PQOS_FLOWRATE_REASON;

/* Spelt with exactly these tokens, so that a program's own definition is identical (§2.3). */
#define QOS_QUERYFLOW_FRESH 0x00000001
#define QOS_NON_ADAPTIVE_FLOW 0x00000002
#define QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH 0xFFFFFFFF

typedef struct _QOS_VERSION {
	USHORT MajorVersion; /* 1 */
	USHORT MinorVersion; /* 0 */
} QOS_VERSION, *PQOS_VERSION;

/* What is known of a path; a value counts only if its Set member is TRUE, and is 0 otherwise. */
typedef struct _QOS_FLOW_FUNDAMENTALS {
	BOOL BottleneckBandwidthSet;
	GW_WIN_ALIGN_8 UINT64 BottleneckBandwidth; /* bits per second */
	BOOL AvailableBandwidthSet;
	GW_WIN_ALIGN_8 UINT64 AvailableBandwidth; /* bits per second; 0 means congested */
	BOOL RTTSet;
	UINT32 RTT; /* microseconds */
} QOS_FLOW_FUNDAMENTALS, *PQOS_FLOW_FUNDAMENTALS;

typedef struct _QOS_FLOWRATE_OUTGOING {
	GW_WIN_ALIGN_8 UINT64 Bandwidth; /* bits per second, headers included */
	QOS_SHAPING ShapingBehavior;
	QOS_FLOWRATE_REASON Reason;
} QOS_FLOWRATE_OUTGOING, *PQOS_FLOWRATE_OUTGOING;

/* The marks of packets within and beyond the rate: DSCP 0..63, 802.1p 0..7. */
typedef struct _QOS_PACKET_PRIORITY {
	ULONG ConformantDSCPValue;
	ULONG NonConformantDSCPValue;
	ULONG ConformantL2Value;
	ULONG NonConformantL2Value;
} QOS_PACKET_PRIORITY, *PQOS_PACKET_PRIORITY;

/*
 * Opens the subsystem: the daemon if one is reachable, otherwise the embedded engine (unless
 * GREENWAVE_MODE says otherwise). *Version must be 1.0. *QOSHandle receives a handle that the
 * caller owns and ends with QOSCloseHandle(); it is neither NULL nor INVALID_HANDLE_VALUE, and not
 * written on failure. A process may hold any number of handles; a child after fork() has no use of
 * them.
 *
 * ERROR_INVALID_PARAMETER (NULL pointer, other version), ERROR_SERVICE_DEPENDENCY_FAIL (no daemon
 * and none to embed), ERROR_NOT_ENOUGH_MEMORY, ERROR_NO_SYSTEM_RESOURCES, ERROR_GEN_FAILURE. (§5.1)
 */
BOOL WINAPI QOSCreateHandle(PQOS_VERSION Version, PHANDLE QOSHandle);

/*
 * Closes a handle. Before it returns, pending operations and blocked calls on the handle have been
 * completed with ERROR_OPERATION_ABORTED, all flows added with it are removed, so that the next
 * packet is unmarked while the sockets keep working, and its tracked clients are let go. Other
 * handles are not disturbed. The end of the process, of any kind, has the same effects. Other
 * threads may be inside calls on the handle: they return. ERROR_INVALID_HANDLE is the only failure.
 * (§5.2)
 */
BOOL WINAPI QOSCloseHandle(HANDLE QOSHandle);

/*
 * Announces a device (the address; the port is ignored) that may receive flows soon, so that its
 * path is measured in advance. Returns without waiting for measurements; repeating it is harmless.
 * Flags: 0.
 *
 * ERROR_INVALID_PARAMETER (address or flags), ERROR_NOT_SUPPORTED (off-link, or a device without
 * probing), ERROR_HOST_UNREACHABLE (silent), ERROR_BAD_NET_NAME (no neighbour). (§5.9)
 */
BOOL WINAPI QOSStartTrackingClient(HANDLE QOSHandle, PSOCKADDR DestAddr, DWORD Flags);

/*
 * Undoes QOSStartTrackingClient(), also one through another handle; flows to the device go on.
 * Flags: 0. ERROR_INVALID_PARAMETER, ERROR_NOT_FOUND (not tracked). (§5.10)
 */
BOOL WINAPI QOSStopTrackingClient(HANDLE QOSHandle, PSOCKADDR DestAddr, DWORD Flags);

/*
 * Lists the flows of the whole host. *Size is the room at Buffer in bytes and becomes the bytes
 * written, or, with ERROR_INSUFFICIENT_BUFFER, the bytes needed: 4 for each flow; Buffer may be
 * NULL when *Size is 0. The number may grow between two calls. Administrators only.
 *
 * ERROR_ACCESS_DENIED, ERROR_INVALID_PARAMETER (NULL Size, or NULL Buffer with room). (§5.11)
 */
BOOL WINAPI QOSEnumerateFlows(HANDLE QOSHandle, PULONG Size, PVOID Buffer);

/*
 * Binds (Socket, destination) to a flow. Socket is an IPv4 or IPv6, TCP or UDP socket of this
 * process. DestAddr must match a connected socket's peer, and may then be NULL: the peer is
 * captured, and stays the destination if the socket is disconnected later. It is required for an
 * unconnected socket. *FlowId 0 makes a flow of TrafficType and receives its identifier; otherwise
 * it names a non-adaptive flow of this handle to add to. Flags: QOS_NON_ADAPTIVE_FLOW, or 0 for a
 * flow that is measured, marked once it has a rate, and holds one socket. A non-adaptive flow is
 * marked from the next packet on.
 *
 * ERROR_INVALID_PARAMETER (socket, address, type, flags, NULL FlowId, adding to an adaptive flow),
 * ERROR_NOT_FOUND (*FlowId), ERROR_NOT_SUPPORTED (not an IP socket, or a host that cannot mark it),
 * ERROR_HOST_UNREACHABLE (no route), ERROR_ADAP_HDW_ERR, ERROR_BAD_NET_NAME,
 * ERROR_CONNECTION_REFUSED, ERROR_NO_SYSTEM_RESOURCES (a limit). (§5.3)
 */
BOOL WINAPI QOSAddSocketToFlow(HANDLE QOSHandle, SOCKET Socket, PSOCKADDR DestAddr,
			       QOS_TRAFFIC_TYPE TrafficType, DWORD Flags, PQOS_FLOWID FlowId);

/*
 * Takes a socket, with all its destinations, out of a flow, or ends the flow if Socket is 0 or the
 * last. Marks and shaping have ended when it returns, packets held by a shaper are released, and
 * operations pending on a flow that ended complete with ERROR_OPERATION_ABORTED. Flags: 0.
 *
 * ERROR_NOT_FOUND (flow, or socket not part of it), ERROR_INVALID_PARAMETER (flags),
 * ERROR_OPERATION_ABORTED (handle closed meanwhile). (§5.4)
 */
BOOL WINAPI QOSRemoveSocketFromFlow(HANDLE QOSHandle, SOCKET Socket, QOS_FLOWID FlowId,
				    DWORD Flags);

/*
 * Changes a flow; Size is the exact size of what Buffer holds for the operation. Note that Size is
 * a value here and a pointer everywhere else. Flags: 0. May be overlapped; Buffer is not needed
 * after the call has returned.
 *
 * A traffic type takes effect with the next packet and replaces an explicit DSCP value. A rate is
 * replaced as a whole; Bandwidth 0 ends shaping and marking, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH
 * asks for a small default. An explicit DSCP value needs a non-adaptive flow, and an administrator
 * or network operator.
 *
 * ERROR_INVALID_PARAMETER (operation, size, value, flags), ERROR_ACCESS_DENIED (DSCP value),
 * ERROR_NOT_SUPPORTED (DSCP value of an adaptive flow), ERROR_NETWORK_BUSY (rate not available; the
 * previous one stays), ERROR_RETRY, ERROR_BUSY (another overlapped change is pending),
 * ERROR_ACCESS_DISABLED_BY_POLICY, ERROR_NOT_FOUND. (§5.5)
 */
BOOL WINAPI QOSSetFlow(HANDLE QOSHandle, QOS_FLOWID FlowId, QOS_SET_FLOW Operation, ULONG Size,
		       PVOID Buffer, DWORD Flags, LPOVERLAPPED Overlapped);

/*
 * Asks for what is known of a flow. *Size is the room at Buffer in bytes and becomes the bytes
 * written, or, with ERROR_INSUFFICIENT_BUFFER, the bytes needed. Flags: 0, or QOS_QUERYFLOW_FRESH
 * to measure first (fundamentals only). May be overlapped: *Size is then not written after
 * ERROR_IO_PENDING, and Buffer must stay in place until completion. An administrator may query
 * flows of others.
 *
 * ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED (fundamentals of a non-adaptive flow or of a path
 * that cannot be measured), ERROR_NO_DATA (nothing measured yet), ERROR_NOT_FOUND; with
 * QOS_QUERYFLOW_FRESH also ERROR_RETRY and ERROR_TIMEOUT. (§5.6)
 */
BOOL WINAPI QOSQueryFlow(HANDLE QOSHandle, QOS_FLOWID FlowId, QOS_QUERY_FLOW Operation, PULONG Size,
			 PVOID Buffer, DWORD Flags, LPOVERLAPPED Overlapped);

/*
 * Waits, usually overlapped, until the path of an adaptive flow is congested, is not, or has room
 * for the flow to send at a target rate (*Size 8, Buffer to a UINT64 of bits per second, the total
 * wanted; both are NULL for the other operations). Completes once, at once if it holds already;
 * writes nothing to Buffer or Size. One request for each operation of a flow may be pending. Flags:
 * 0.
 *
 * ERROR_INVALID_PARAMETER, ERROR_INSUFFICIENT_BUFFER (*Size below 8; becomes 8),
 * ERROR_NOT_SUPPORTED (non-adaptive flow, or a path that cannot be measured), ERROR_ALREADY_EXISTS
 * (one is pending), ERROR_OPERATION_ABORTED (cancelled, or flow or handle ended), ERROR_NOT_FOUND.
 * (§5.7)
 */
BOOL WINAPI QOSNotifyFlow(HANDLE QOSHandle, QOS_FLOWID FlowId, QOS_NOTIFY_FLOW Operation,
			  PULONG Size, PVOID Buffer, DWORD Flags, LPOVERLAPPED Overlapped);

/*
 * Begins to cancel the pending operation that was started on this handle with that OVERLAPPED; does
 * not wait. The operation completes with ERROR_OPERATION_ABORTED, or with its own result if that
 * came first; its OVERLAPPED must stay in place until then.
 *
 * ERROR_INVALID_PARAMETER (NULL), ERROR_NOT_FOUND (nothing pending there), ERROR_OPERATION_ABORTED
 * (handle closed meanwhile). (§5.8)
 */
BOOL WINAPI QOSCancel(HANDLE QOSHandle, LPOVERLAPPED Overlapped);

/*
 * Header overhead (§2.5): the bytes of IP and transport headers of one packet, for an address
 * family and IPPROTO_TCP or IPPROTO_UDP.
 */
static inline INT QOS_HEADER_OVERHEAD(INT af, INT protocol)
{
	return (af == AF_INET ? 20 : 40) + (protocol == IPPROTO_TCP ? 20 : 8);
}

/*
 * A rate of payload grown to the rate with headers, in bits per second, for packets of
 * targetDataPacketSize bytes of payload (not 0).
 */
static inline UINT64 QOS_ADD_OVERHEAD(INT af, INT protocol, UINT32 targetDataPacketSize,
				      UINT64 dataRate)
{
	double overhead_bits = QOS_HEADER_OVERHEAD(af, protocol) * 8.0;
	double payload_bits = targetDataPacketSize * 8.0;

	return dataRate + (UINT64)(overhead_bits / payload_bits * (double)dataRate);
}

/* The inverse: the rate of payload that a rate with headers leaves. */
static inline UINT64 QOS_SUBTRACT_OVERHEAD(INT af, INT protocol, UINT32 targetDataPacketSize,
					   UINT64 dataRate)
{
	double overhead_bits = QOS_HEADER_OVERHEAD(af, protocol) * 8.0;
	double payload_bits = targetDataPacketSize * 8.0;

	return dataRate -
	       (UINT64)(overhead_bits / (payload_bits + overhead_bits) * (double)dataRate);
}

#undef GW_WIN_ALIGN_8

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_QOS2_H */
