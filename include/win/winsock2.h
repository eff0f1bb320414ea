/* SPDX-License-Identifier: MIT */
/*
 * winsock2.h: the Winsock spellings that programs need around QoS, over the sockets of this system.
 *
 * A SOCKET holds a file descriptor, and a descriptor from socket(2) is accepted wherever a SOCKET
 * is. Of the calls that Winsock shares with POSIX, those whose meaning differs, or that QoS and network
 * events have to know of (accept, accept4, bind, connect, listen, recv, recvfrom, send, sendto, setsockopt,
 * shutdown), are functions of this library for code that includes this header; they behave as the C
 * library's but where this header says otherwise, and report through errno and through
 * WSAGetLastError(). All others are the C library's own. WSAGetLastError() reads the same per-thread
 * value as GetLastError().
 *
 * SOCKET value 0 means "no socket" to parts of the Windows API, so WSASocket() never returns it.
 */
#ifndef GW_WIN_WINSOCK2_H
#define GW_WIN_WINSOCK2_H

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "windows.h"
#include "qos.h"

#ifndef WSAAPI
#define WSAAPI
#endif

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef UINT_PTR SOCKET, *PSOCKET;
#define INVALID_SOCKET (~(SOCKET)0)
#define SOCKET_ERROR (-1)

typedef USHORT ADDRESS_FAMILY;
typedef unsigned int GROUP;

typedef struct sockaddr SOCKADDR, *PSOCKADDR, *LPSOCKADDR;
typedef struct sockaddr_in SOCKADDR_IN, *PSOCKADDR_IN, *LPSOCKADDR_IN;
typedef struct sockaddr_in6 SOCKADDR_IN6, *PSOCKADDR_IN6, *LPSOCKADDR_IN6;
typedef struct sockaddr_storage SOCKADDR_STORAGE, *PSOCKADDR_STORAGE, *LPSOCKADDR_STORAGE;
typedef struct in_addr IN_ADDR, *PIN_ADDR, *LPIN_ADDR;
typedef struct in6_addr IN6_ADDR, *PIN6_ADDR, *LPIN6_ADDR;

#define SD_RECEIVE 0
#define SD_SEND 1
#define SD_BOTH 2

/* A buffer of a Winsock call, and the name of one. 16 bytes on 64-bit targets. */
typedef struct _WSABUF {
	ULONG len;
	CHAR *buf;
} WSABUF, *LPWSABUF;

/* What an application asks of both directions of a socket (spec/gqos.md §1). */
typedef struct _QualityOfService {
	FLOWSPEC SendingFlowspec;
	FLOWSPEC ReceivingFlowspec;
	WSABUF ProviderSpecific;
} QOS, *LPQOS;

typedef HANDLE WSAEVENT, *LPWSAEVENT;
typedef OVERLAPPED WSAOVERLAPPED, *LPWSAOVERLAPPED;
typedef void(CALLBACK *LPWSAOVERLAPPED_COMPLETION_ROUTINE)(DWORD dwError, DWORD cbTransferred,
							   LPWSAOVERLAPPED lpOverlapped,
							   DWORD dwFlags);

/*
 * Error values.
 */
#define WSABASEERR 10000
#define WSAEINTR 10004
#define WSAEBADF 10009
#define WSAEACCES 10013
#define WSAEFAULT 10014
#define WSAEINVAL 10022
#define WSAEMFILE 10024
#define WSAEWOULDBLOCK 10035
#define WSAEINPROGRESS 10036
#define WSAEALREADY 10037
#define WSAENOTSOCK 10038
#define WSAEDESTADDRREQ 10039
#define WSAEMSGSIZE 10040
#define WSAEPROTOTYPE 10041
#define WSAENOPROTOOPT 10042
#define WSAEPROTONOSUPPORT 10043
#define WSAESOCKTNOSUPPORT 10044
#define WSAEOPNOTSUPP 10045
#define WSAEPFNOSUPPORT 10046
#define WSAEAFNOSUPPORT 10047
#define WSAEADDRINUSE 10048
#define WSAEADDRNOTAVAIL 10049
#define WSAENETDOWN 10050
#define WSAENETUNREACH 10051
#define WSAENETRESET 10052
#define WSAECONNABORTED 10053
#define WSAECONNRESET 10054
#define WSAENOBUFS 10055
#define WSAEISCONN 10056
#define WSAENOTCONN 10057
#define WSAESHUTDOWN 10058
#define WSAETOOMANYREFS 10059
#define WSAETIMEDOUT 10060
#define WSAECONNREFUSED 10061
#define WSAELOOP 10062
#define WSAENAMETOOLONG 10063
#define WSAEHOSTDOWN 10064
#define WSAEHOSTUNREACH 10065
#define WSASYSNOTREADY 10091
#define WSAVERNOTSUPPORTED 10092
#define WSANOTINITIALISED 10093
#define WSAEDISCON 10101
#define WSATYPE_NOT_FOUND 10109
#define WSAHOST_NOT_FOUND 11001
#define WSATRY_AGAIN 11002
#define WSANO_RECOVERY 11003
#define WSANO_DATA 11004

/* Status and errors of QoS (spec/gqos.md §4.5). Consecutive numbers, not bits. */
#define WSA_QOS_RECEIVERS 11005
#define WSA_QOS_SENDERS 11006
#define WSA_QOS_NO_SENDERS 11007
#define WSA_QOS_NO_RECEIVERS 11008
#define WSA_QOS_REQUEST_CONFIRMED 11009
#define WSA_QOS_ADMISSION_FAILURE 11010
#define WSA_QOS_POLICY_FAILURE 11011
#define WSA_QOS_BAD_STYLE 11012
#define WSA_QOS_BAD_OBJECT 11013
#define WSA_QOS_TRAFFIC_CTRL_ERROR 11014
#define WSA_QOS_GENERIC_ERROR 11015
#define WSA_QOS_ESERVICETYPE 11016
#define WSA_QOS_EFLOWSPEC 11017
#define WSA_QOS_EPROVSPECBUF 11018
#define WSA_QOS_EFILTERSTYLE 11019
#define WSA_QOS_EFILTERTYPE 11020
#define WSA_QOS_EFILTERCOUNT 11021
#define WSA_QOS_EOBJLENGTH 11022
#define WSA_QOS_EFLOWCOUNT 11023
#define WSA_QOS_EUNKNOWNPSOBJ 11024
#define WSA_QOS_EUNKOWNPSOBJ 11024 /* the other spelling in use */
#define WSA_QOS_EPOLICYOBJ 11025
#define WSA_QOS_EFLOWDESC 11026
#define WSA_QOS_EPSFLOWSPEC 11027
#define WSA_QOS_EPSFILTERSPEC 11028
#define WSA_QOS_ESDMODEOBJ 11029
#define WSA_QOS_ESHAPERATEOBJ 11030
#define WSA_QOS_RESERVED_PETYPE 11031

#define WSA_INVALID_HANDLE ERROR_INVALID_HANDLE
#define WSA_NOT_ENOUGH_MEMORY ERROR_NOT_ENOUGH_MEMORY
#define WSA_INVALID_PARAMETER ERROR_INVALID_PARAMETER
#define WSA_OPERATION_ABORTED ERROR_OPERATION_ABORTED
#define WSA_IO_INCOMPLETE ERROR_IO_INCOMPLETE
#define WSA_IO_PENDING ERROR_IO_PENDING

#define WSA_INVALID_EVENT ((WSAEVENT)NULL)
#define WSA_MAXIMUM_WAIT_EVENTS MAXIMUM_WAIT_OBJECTS
#define WSA_WAIT_FAILED WAIT_FAILED
#define WSA_WAIT_EVENT_0 WAIT_OBJECT_0
#define WSA_WAIT_IO_COMPLETION WAIT_IO_COMPLETION
#define WSA_WAIT_TIMEOUT WAIT_TIMEOUT
#define WSA_INFINITE INFINITE

/*
 * WSAStartup() announces the program to Winsock and fills *lpWSAData; calls are counted, and each
 * needs a WSACleanup(). Only the QoS calls depend on it: programs that never call it work as well. The
 * last WSACleanup() ends all QoS; sockets stay open. WSAStartup() returns its error directly: WSAVERNOTSUPPORTED (major version 0), WSAEFAULT (NULL).
 * WSACleanup() beyond the last start: SOCKET_ERROR, WSANOTINITIALISED.
 */
#define WSADESCRIPTION_LEN 256
#define WSASYS_STATUS_LEN 128

typedef struct WSAData {
	WORD wVersion;
	WORD wHighVersion;
	USHORT iMaxSockets;
	USHORT iMaxUdpDg;
	CHAR *lpVendorInfo;
	CHAR szDescription[WSADESCRIPTION_LEN + 1];
	CHAR szSystemStatus[WSASYS_STATUS_LEN + 1];
} WSADATA, *LPWSADATA;

int WSAAPI WSAStartup(WORD wVersionRequired, LPWSADATA lpWSAData);
int WSAAPI WSACleanup(void);

/* The calling thread's last error: GetLastError() and SetLastError() under other names. */
int WSAAPI WSAGetLastError(void);
void WSAAPI WSASetLastError(int iError);

/*
 * Closes a socket; whatever QoS it had ends with it, and overlapped operations pending on it
 * complete with WSA_OPERATION_ABORTED. A socket with such operations must be closed with this call,
 * not with close(2). SOCKET_ERROR with WSAENOTSOCK for anything that is not an open socket (left
 * open).
 */
int WSAAPI closesocket(SOCKET s);

/*
 * Events under their Winsock names: manual-reset, initially not set. WSA_INVALID_EVENT or FALSE on
 * failure, with the errors of CreateEvent(), CloseHandle(), SetEvent(), ResetEvent() and
 * WaitForMultipleObjectsEx().
 */
WSAEVENT WSAAPI WSACreateEvent(void);
BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent);
BOOL WSAAPI WSASetEvent(WSAEVENT hEvent);
BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent);
DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT *lphEvents, BOOL fWaitAll,
				      DWORD dwTimeout, BOOL fAlertable);

/*
 * The protocol catalog: TCP and UDP over IPv4 and IPv6, each as a plain entry and as one with QoS,
 * XP1_QOS_SUPPORTED in dwServiceFlags1.
 */
#define WSAPROTOCOL_LEN 255
#define MAX_PROTOCOL_CHAIN 7
#define BASE_PROTOCOL 1
#define LAYERED_PROTOCOL 0

typedef struct _WSAPROTOCOLCHAIN {
	int ChainLen;
	DWORD ChainEntries[MAX_PROTOCOL_CHAIN];
} WSAPROTOCOLCHAIN, *LPWSAPROTOCOLCHAIN;

typedef struct _WSAPROTOCOL_INFOA {
	DWORD dwServiceFlags1; /* XP1_... */
	DWORD dwServiceFlags2;
	DWORD dwServiceFlags3;
	DWORD dwServiceFlags4;
	DWORD dwProviderFlags; /* PFL_... */
	GUID ProviderId;
	DWORD dwCatalogEntryId;
	WSAPROTOCOLCHAIN ProtocolChain;
	int iVersion;
	int iAddressFamily;
	int iMaxSockAddr;
	int iMinSockAddr;
	int iSocketType;
	int iProtocol;
	int iProtocolMaxOffset;
	int iNetworkByteOrder;
	int iSecurityScheme;
	DWORD dwMessageSize; /* 0: a stream */
	DWORD dwProviderReserved;
	CHAR szProtocol[WSAPROTOCOL_LEN + 1];
} WSAPROTOCOL_INFOA, *LPWSAPROTOCOL_INFOA;

typedef struct _WSAPROTOCOL_INFOW {
	DWORD dwServiceFlags1;
	DWORD dwServiceFlags2;
	DWORD dwServiceFlags3;
	DWORD dwServiceFlags4;
	DWORD dwProviderFlags;
	GUID ProviderId;
	DWORD dwCatalogEntryId;
	WSAPROTOCOLCHAIN ProtocolChain;
	int iVersion;
	int iAddressFamily;
	int iMaxSockAddr;
	int iMinSockAddr;
	int iSocketType;
	int iProtocol;
	int iProtocolMaxOffset;
	int iNetworkByteOrder;
	int iSecurityScheme;
	DWORD dwMessageSize;
	DWORD dwProviderReserved;
	WCHAR szProtocol[WSAPROTOCOL_LEN + 1];
} WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;

#ifdef UNICODE
typedef WSAPROTOCOL_INFOW WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
#else
typedef WSAPROTOCOL_INFOA WSAPROTOCOL_INFO, *LPWSAPROTOCOL_INFO;
#endif

#define XP1_CONNECTIONLESS 0x00000001
#define XP1_GUARANTEED_DELIVERY 0x00000002
#define XP1_GUARANTEED_ORDER 0x00000004
#define XP1_MESSAGE_ORIENTED 0x00000008
#define XP1_PSEUDO_STREAM 0x00000010
#define XP1_GRACEFUL_CLOSE 0x00000020
#define XP1_EXPEDITED_DATA 0x00000040
#define XP1_CONNECT_DATA 0x00000080
#define XP1_DISCONNECT_DATA 0x00000100
#define XP1_SUPPORT_BROADCAST 0x00000200
#define XP1_SUPPORT_MULTIPOINT 0x00000400
#define XP1_MULTIPOINT_CONTROL_PLANE 0x00000800
#define XP1_MULTIPOINT_DATA_PLANE 0x00001000
#define XP1_QOS_SUPPORTED 0x00002000
#define XP1_INTERRUPT 0x00004000
#define XP1_UNI_SEND 0x00008000
#define XP1_UNI_RECV 0x00010000
#define XP1_IFS_HANDLES 0x00020000
#define XP1_PARTIAL_MESSAGE 0x00040000

#define PFL_MULTIPLE_PROTO_ENTRIES 0x00000001
#define PFL_RECOMMENDED_PROTO_ENTRY 0x00000002
#define PFL_HIDDEN 0x00000004
#define PFL_MATCHES_PROTOCOL_ZERO 0x00000008

#define BIGENDIAN 0x0000
#define LITTLEENDIAN 0x0001
#define SECURITY_PROTOCOL_NONE 0x0000

/*
 * Fills lpProtocolBuffer with the entries whose iProtocol is in lpiProtocols, which a 0 ends (NULL:
 * all entries), and returns how many there are. SOCKET_ERROR with WSAENOBUFS if *lpdwBufferLength
 * bytes are too few; the size needed is then stored there, so that a call with 0 asks for it. WSAEFAULT:
 * NULL lpdwBufferLength, or no buffer of that length.
 */
int WSAAPI WSAEnumProtocolsA(LPINT lpiProtocols, LPWSAPROTOCOL_INFOA lpProtocolBuffer,
			     LPDWORD lpdwBufferLength);
int WSAAPI WSAEnumProtocolsW(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
			     LPDWORD lpdwBufferLength);
#ifndef WSAEnumProtocols
#ifdef UNICODE
#define WSAEnumProtocols WSAEnumProtocolsW
#else
#define WSAEnumProtocols WSAEnumProtocolsA
#endif
#endif

/*
 * Makes a socket: socket(2) with close-on-exec. With lpProtocolInfo, an entry that
 * WSAEnumProtocols() gave, FROM_PROTOCOL_INFO or 0 stands for that entry's family, type or protocol.
 * A socket of an entry with XP1_QOS_SUPPORTED is QoS-enabled: on it alone, and on what is accepted
 * from it, the QoS operations are to be had.
 *
 * WSA_FLAG_OVERLAPPED is implied. WSA_FLAG_MULTIPOINT_C_LEAF and _D_LEAF, together and for datagrams,
 * let the socket be used with WSAJoinLeaf(); groups of IP have no roots.
 *
 * INVALID_SOCKET on failure: WSAEINVAL (g not 0, other flags, not an entry of the catalog),
 * WSAEAFNOSUPPORT, WSAEPROTOTYPE, WSAEPROTONOSUPPORT (other than the entry's), or the Winsock value of
 * the system's error. End it with closesocket().
 */
#define FROM_PROTOCOL_INFO (-1)

#define WSA_FLAG_OVERLAPPED 0x01
#define WSA_FLAG_MULTIPOINT_C_ROOT 0x02
#define WSA_FLAG_MULTIPOINT_C_LEAF 0x04
#define WSA_FLAG_MULTIPOINT_D_ROOT 0x08
#define WSA_FLAG_MULTIPOINT_D_LEAF 0x10

SOCKET WSAAPI WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo,
			 GROUP g, DWORD dwFlags);
SOCKET WSAAPI WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
			 GROUP g, DWORD dwFlags);
#ifndef WSASocket
#ifdef UNICODE
#define WSASocket WSASocketW
#else
#define WSASocket WSASocketA
#endif
#endif

/*
 * A socket of another process. Not for QoS-enabled ones (WSAEINVAL), and not offered for others
 * (WSAEOPNOTSUPP): descriptors are handed on as unix(7) has it, or inherited. WSAENOTSOCK, WSAEFAULT
 * (NULL).
 */
int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOA lpProtocolInfo);
int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo);
#ifndef WSADuplicateSocket
#ifdef UNICODE
#define WSADuplicateSocket WSADuplicateSocketW
#else
#define WSADuplicateSocket WSADuplicateSocketA
#endif
#endif

/*
 * Connects a socket: connect(2); namelen may exceed the address. Caller and callee data are
 * ignored. lpSQOS, if given, is set as SIO_SET_QOS does: it is checked before anything is sent, with
 * the errors of SIO_SET_QOS; WSAEOPNOTSUPP: it cannot be satisfied, for lack of resources or because
 * the socket is not QoS-enabled; WSANOTINITIALISED. lpGQOS must be NULL (WSAEINVAL). What was set
 * before begins with the connection. 0, or SOCKET_ERROR with the Winsock value of connect's error;
 * WSAEWOULDBLOCK: it is under way.
 *
 * A NULL name ends the QoS of both directions; lpSQOS must be NULL then (WSAEINVAL). It also ends the
 * association of a datagram socket, which stays bound; a stream stays connected. (WSAEFAULT: a stream
 * that is not QoS-enabled.) For datagrams an address of zeros, or of the family AF_UNSPEC, does the
 * same, with connect() too.
 */
int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
		      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS);

/*
 * The calls of POSIX, which also have QoS begin and end. shutdown() of a datagram socket without a
 * peer succeeds, and has later sends fail with WSAESHUTDOWN. setsockopt() that leaves a group ends the
 * group's QoS. A descriptor from accept() is of a QoS-enabled socket if the listener's is.
 */
int gw_win_accept(int fd, struct sockaddr *address, socklen_t *address_len);
int gw_win_accept4(int fd, struct sockaddr *address, socklen_t *address_len, int flags);
int gw_win_bind(int fd, const struct sockaddr *address, socklen_t address_len);
int gw_win_connect(int fd, const struct sockaddr *address, socklen_t address_len);
int gw_win_listen(int fd, int backlog);
int gw_win_setsockopt(int fd, int level, int name, const void *value, socklen_t value_len);
int gw_win_shutdown(int fd, int how);

/*
 * shutdown() of the sending and of the receiving side. Data to go with it is not conveyed: the buffers
 * must be NULL or empty (WSAEOPNOTSUPP).
 */
int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData);
int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF lpInboundDisconnectData);

/*
 * Accepts a connection; the descriptor is close-on-exec. lpfnCondition, if given, is asked first: of
 * the peer (lpCallerId) and of the local side (lpCalleeId) it sees the addresses, lpGQOS is NULL,
 * lpCallerData and lpCalleeData are empty, *g is 0. lpSQOS is NULL unless QoS has been set on the
 * listener: then it is a copy of that, and what the function makes of its two flow specifications is
 * the connection's. CF_REJECT resets the connection (WSAECONNREFUSED); CF_DEFER leaves it to the next
 * accept() or WSAAccept() (WSATRY_AGAIN). Other errors: WSAENOTSOCK, WSAEFAULT (no room for the
 * address), WSAEINVAL (any other answer of the function; the connection is reset), and the Winsock
 * value of accept's.
 */
#define CF_ACCEPT 0x0000
#define CF_REJECT 0x0001
#define CF_DEFER 0x0002

typedef int(CALLBACK *LPCONDITIONPROC)(LPWSABUF lpCallerId, LPWSABUF lpCallerData, LPQOS lpSQOS,
				       LPQOS lpGQOS, LPWSABUF lpCalleeId, LPWSABUF lpCalleeData,
				       GROUP *g, DWORD_PTR dwCallbackData);

SOCKET WSAAPI WSAAccept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData);

/*
 * Joins a group of IP, as a leaf, and returns s. JL_SENDER_ONLY: to send there; no membership is
 * needed. JL_RECEIVER_ONLY, JL_BOTH: with membership, on the interface of the bound address, or of
 * IP_MULTICAST_IF, or that of the route. An unbound socket is bound first. lpSQOS is for this group
 * alone, NULL: what has been set on the socket. The group is left with closesocket() or setsockopt().
 *
 * INVALID_SOCKET on failure: WSAENOTSOCK; WSAEFAULT (no address); WSAEINVAL (no leaf socket, lpGQOS not
 * NULL, other dwFlags, not a group, port 0); WSAEAFNOSUPPORT (not the socket's family); WSAEISCONN
 * (it has joined); lpSQOS as in WSAConnect(); and the Winsock value of the system's error.
 */
#define JL_SENDER_ONLY 0x01
#define JL_RECEIVER_ONLY 0x02
#define JL_BOTH 0x04

SOCKET WSAAPI WSAJoinLeaf(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
			  LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS, DWORD dwFlags);

/*
 * Network events: what has become possible on a socket, or has happened to it, told through an event
 * object. Each is recorded once and sets the object; it is recorded again after the program has called
 * what re-enables it, at once if its cause is still there:
 *
 *   FD_READ     data                            recv(), recvfrom(), WSARecv(), WSARecvFrom()
 *   FD_WRITE    room to send                    a send that answered WSAEWOULDBLOCK
 *   FD_OOB      urgent data                     recv()
 *   FD_ACCEPT   a connection                    accept(), WSAAccept()
 *   FD_CONNECT  connect() is over               connect()
 *   FD_CLOSE    the peer sends no more (error 0), or the connection is lost; after the data, if FD_READ
 *               is selected too
 *   FD_QOS      news of QoS; the error is the status code, never 0: SIO_GET_QOS, whatever it answers
 *
 * The others are accepted and never raised. read(2), write(2), recvmsg(2) and sendmsg(2) re-enable
 * nothing.
 */
#define FD_READ_BIT 0
#define FD_READ (1 << FD_READ_BIT)
#define FD_WRITE_BIT 1
#define FD_WRITE (1 << FD_WRITE_BIT)
#define FD_OOB_BIT 2
#define FD_OOB (1 << FD_OOB_BIT)
#define FD_ACCEPT_BIT 3
#define FD_ACCEPT (1 << FD_ACCEPT_BIT)
#define FD_CONNECT_BIT 4
#define FD_CONNECT (1 << FD_CONNECT_BIT)
#define FD_CLOSE_BIT 5
#define FD_CLOSE (1 << FD_CLOSE_BIT)
#define FD_QOS_BIT 6
#define FD_QOS (1 << FD_QOS_BIT)
#define FD_GROUP_QOS_BIT 7
#define FD_GROUP_QOS (1 << FD_GROUP_QOS_BIT)
#define FD_ROUTING_INTERFACE_CHANGE_BIT 8
#define FD_ROUTING_INTERFACE_CHANGE (1 << FD_ROUTING_INTERFACE_CHANGE_BIT)
#define FD_ADDRESS_LIST_CHANGE_BIT 9
#define FD_ADDRESS_LIST_CHANGE (1 << FD_ADDRESS_LIST_CHANGE_BIT)
#define FD_MAX_EVENTS 10
#define FD_ALL_EVENTS ((1 << FD_MAX_EVENTS) - 1)

typedef struct _WSANETWORKEVENTS {
	LONG lNetworkEvents; /* FD_... */
	int iErrorCode[FD_MAX_EVENTS];
} WSANETWORKEVENTS, *LPWSANETWORKEVENTS;

/*
 * Selects events of a socket, in place of those selected before, and makes it non-blocking; with
 * lNetworkEvents 0 none. What is the case already is recorded at once. Accepted sockets inherit the
 * selection. SOCKET_ERROR with WSAENOTSOCK, WSAEINVAL (not an event object, other bits), WSAENOBUFS.
 */
int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT hEventObject, LONG lNetworkEvents);

/*
 * What has been recorded since the last time: the bits, and of each of these the error; other elements
 * of iErrorCode are left alone. hEventObject, if not NULL, is reset in the same step. WSAENOTSOCK,
 * WSAEFAULT (NULL), WSAEINVAL (not an event object).
 */
int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT hEventObject,
				LPWSANETWORKEVENTS lpNetworkEvents);

/*
 * Messages to a window, which there are none of: WSAEINVAL. With lEvent 0 it ends what WSAEventSelect()
 * selected, and returns 0. WSAENOTSOCK.
 */
#define WSAGETSELECTEVENT(lParam) LOWORD(lParam)
#define WSAGETSELECTERROR(lParam) HIWORD(lParam)
#define WSAMAKESELECTREPLY(event, error) MAKELONG(event, error)

int WSAAPI WSAAsyncSelect(SOCKET s, HWND hWnd, UINT wMsg, LONG lEvent);

/*
 * Controls a socket. SIO_GET_EXTENSION_FUNCTION_POINTER takes a GUID (mswsock.h) and yields the
 * address of that function, WSAEINVAL if there is none of that name. The QoS codes are explained in
 * gqos(7); they need WSAStartup() (WSANOTINITIALISED) and a QoS-enabled socket (WSAENOPROTOOPT). Any
 * other code answers WSAEOPNOTSUPP. WSAENOTSOCK: not a socket; WSAEFAULT: a buffer is missing or too
 * small, or lpcbBytesReturned and lpOverlapped are both NULL. lpOverlapped, if given, is completed, and
 * lpCompletionRoutine called, as with WSARecv().
 */
#define SIO_GET_EXTENSION_FUNCTION_POINTER 0xC8000006
#define SIO_GET_QOS 0xC8000007
#define SIO_GET_GROUP_QOS 0xC8000008
#define SIO_SET_QOS 0x8800000B
#define SIO_SET_GROUP_QOS 0x8800000C

int WSAAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
		    LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
		    LPWSAOVERLAPPED lpOverlapped,
		    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);

/*
 * FIONBIO (blocking mode off if *argp is not 0), FIONREAD, SIOCATMARK. WSAENOTSOCK, WSAEFAULT (NULL),
 * WSAEINVAL (any other).
 */
#ifndef FIONBIO
#define FIONBIO 0x5421
#endif
#ifndef FIONREAD
#define FIONREAD 0x541B
#endif
#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

int WSAAPI ioctlsocket(SOCKET s, long cmd, unsigned long *argp);

/*
 * Receives into up to 64 buffers. Without lpOverlapped it is recvmsg(2) and follows the socket's
 * blocking mode. With it, data that is there completes the call at once (0, event set); otherwise
 * SOCKET_ERROR and WSA_IO_PENDING, and the data is taken in by a later wait on lpOverlapped->hEvent
 * or a question for the result (windows.h). The WSABUF array is copied, the buffers must stay in
 * place until then. Several receives of one socket complete in the order they were posted. lpFlags
 * is in and out: MSG_PEEK in, MSG_TRUNC out, with WSAEMSGSIZE, for a datagram that did not fit.
 * lpCompletionRoutine, if given, is called in place of the event, in an alertable wait of the thread
 * (windows.h), also for what completes at once. Errors: WSAENOTSOCK, WSAEFAULT (NULL lpBuffers or lpFlags), WSAEINVAL (count 0 or above 64), WSA_OPERATION_ABORTED at closesocket(), and the
 * Winsock value of the system's error.
 */
int WSAAPI WSARecv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
		   LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);

/*
 * The same, and who sent it: lpFrom takes the address, up to *lpFromlen bytes, and *lpFromlen its length;
 * both must stay in place until then. Either both are NULL or neither (WSAEFAULT).
 */
int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
		       LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, struct sockaddr *lpFrom,
		       LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
		       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);

/*
 * send() and sendto() of programs that include this header keep UDP to the rate of the socket's flow
 * where no daemon and no queue of the kernel does (QOSSetOutgoingRate, qos2.h): a blocking socket
 * waits, any other answers EWOULDBLOCK. Signals do not interrupt that wait. In all else they are the
 * C library's; errors are told through errno and through WSAGetLastError().
 */
ssize_t gw_win_send(int fd, const void *buf, size_t len, int flags);
ssize_t gw_win_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len);

/* The C library's, and re-enable FD_READ. */
ssize_t gw_win_recv(int fd, void *buf, size_t len, int flags);
ssize_t gw_win_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *from,
			socklen_t *from_len);

/*
 * Send from up to 64 buffers, to the peer or to lpTo; dwFlags are those of send(2). Without
 * lpOverlapped they follow the socket's blocking mode (WSAEWOULDBLOCK). With it, what can be sent now
 * completes the call at once (0, event set); otherwise SOCKET_ERROR and WSA_IO_PENDING, and it is
 * sent by a later wait on lpOverlapped->hEvent or a question for the result, in the order of the
 * calls. The WSABUF array and the address are copied, the buffers must stay in place until then.
 * lpCompletionRoutine as in WSARecv(). Errors: WSAENOTSOCK, WSAEFAULT (NULL lpBuffers,
 * or lpNumberOfBytesSent without lpOverlapped), WSAEINVAL (count 0 or above 64),
 * WSA_OPERATION_ABORTED at closesocket(), and the Winsock value of the system's error.
 */
int WSAAPI WSASend(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		   DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
		   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
int WSAAPI WSASendTo(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
		     DWORD dwFlags, const struct sockaddr *lpTo, int iTolen,
		     LPWSAOVERLAPPED lpOverlapped,
		     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);

/*
 * The result of an overlapped socket operation; as GetOverlappedResult(), with the operation's
 * flags on top. WSA_IO_INCOMPLETE while it is pending and fWait is FALSE, WSAEFAULT for a NULL
 * pointer, WSAENOTSOCK, or the operation's own error.
 */
BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
				   BOOL fWait, LPDWORD lpdwFlags);

/*
 * Reads a numeric address, with or without a port, into *lpAddress: "192.0.2.1", "192.0.2.1:5000",
 * "2001:db8::1", "fe80::1%2", "[2001:db8::1]:5000". *lpAddressLength is the room there, and the
 * length used afterwards. No names are looked up. 0, or SOCKET_ERROR: WSAEINVAL (not an address of
 * that family, or lpProtocolInfo not NULL), WSAEFAULT (NULL pointer, or no room; the length needed
 * is then stored).
 */
INT WSAAPI WSAStringToAddressA(LPSTR AddressString, INT AddressFamily,
			       LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSOCKADDR lpAddress,
			       LPINT lpAddressLength);
#if !defined(WSAStringToAddress) && !defined(UNICODE)
#define WSAStringToAddress WSAStringToAddressA
#endif

/*
 * QoS by name, as a starting point: fills *lpQOS with the template that lpQOSName names, case does not matter, and
 * copies its objects if lpQOS->ProviderSpecific has room (else its len is 0). With lpQOS NULL or an empty name it
 * lists: the names, each with its end, and an empty one after the last, as many as lpQOSName->len has room for. FALSE:
 * WSANOTINITIALISED, WSAENOTSOCK, WSAEFAULT, WSAENOPROTOOPT (not a QoS socket), WSAEINVAL (no such template),
 * WSAENOBUFS (no room for one name).
 */
BOOL WSAAPI WSAGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS);

/*
 * The names of POSIX for the functions above. A program that wants the C library's under these names defines
 * GW_WIN_PLAIN_SOCKETS before it includes this header. Where the C library has inline versions, only a macro can stand
 * before those.
 */
#ifndef GW_WIN_PLAIN_SOCKETS
extern __typeof__(accept) accept __asm__("gw_win_accept");
#ifdef _GNU_SOURCE
extern __typeof__(accept4) accept4 __asm__("gw_win_accept4");
#endif
extern __typeof__(bind) bind __asm__("gw_win_bind");
extern __typeof__(connect) connect __asm__("gw_win_connect");
extern __typeof__(listen) listen __asm__("gw_win_listen");
extern __typeof__(send) send __asm__("gw_win_send");
extern __typeof__(sendto) sendto __asm__("gw_win_sendto");
extern __typeof__(setsockopt) setsockopt __asm__("gw_win_setsockopt");
extern __typeof__(shutdown) shutdown __asm__("gw_win_shutdown");
#if defined(__USE_FORTIFY_LEVEL) && __USE_FORTIFY_LEVEL > 0
#define recv gw_win_recv
#define recvfrom gw_win_recvfrom
#else
extern __typeof__(recv) recv __asm__("gw_win_recv");
extern __typeof__(recvfrom) recvfrom __asm__("gw_win_recvfrom");
#endif
#endif

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_WINSOCK2_H */
