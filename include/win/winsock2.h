/* SPDX-License-Identifier: MIT */
/*
 * winsock2.h: the Winsock spellings that programs need around QoS, over the sockets of this system.
 *
 * A SOCKET holds a file descriptor, and a descriptor from socket(2) is accepted wherever a SOCKET
 * is. Calls that Winsock shares with POSIX (bind, setsockopt, recv …) are the C library's own: they
 * take the SOCKET as it is and report through errno. The functions declared here report
 * through WSAGetLastError(), which reads the same per-thread value as GetLastError().
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

/* Protocol catalog entries are not offered yet; the names let WSASocket() be declared. */
typedef struct _WSAPROTOCOL_INFOA WSAPROTOCOL_INFOA, *LPWSAPROTOCOL_INFOA;
typedef struct _WSAPROTOCOL_INFOW WSAPROTOCOL_INFOW, *LPWSAPROTOCOL_INFOW;

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
 * needs a WSACleanup(). Nothing else here depends on it: programs that never call it work as well.
 * WSAStartup() returns its error directly: WSAVERNOTSUPPORTED (major version 0), WSAEFAULT (NULL).
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
 * Makes a socket: socket(2) with close-on-exec. Protocol catalog entries are not offered yet, so
 * lpProtocolInfo must be NULL (WSAEPROTONOSUPPORT); g must be 0 (WSAEINVAL); of the flags,
 * WSA_FLAG_OVERLAPPED is accepted and implied, others give WSAEINVAL. INVALID_SOCKET on failure,
 * with the Winsock value of the system's error otherwise. End it with closesocket().
 */
#define WSA_FLAG_OVERLAPPED 0x01

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
 * Connects a socket: connect(2); namelen may exceed the address. Caller and callee data are
 * ignored. Flow specifications (lpSQOS) cannot be satisfied yet and fail with WSAEOPNOTSUPP before
 * anything is sent; lpGQOS must be NULL (WSAEINVAL). 0, or SOCKET_ERROR with the Winsock value of
 * connect's error.
 */
int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
		      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS);

/*
 * Controls a socket. SIO_GET_EXTENSION_FUNCTION_POINTER takes a GUID (mswsock.h) and yields the
 * address of that function, WSAEINVAL if there is none of that name. The QoS codes answer
 * WSAENOPROTOOPT, as for every socket that is not QoS-enabled, and any other code WSAEOPNOTSUPP.
 * WSAENOTSOCK: not a socket; WSAEFAULT: a buffer is missing or too small, or lpcbBytesReturned is
 * NULL. Completes at once; lpOverlapped, if given, is completed as well, and lpCompletionRoutine
 * must be NULL (WSAEOPNOTSUPP).
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
 * send() and sendto() of programs that include this header keep UDP to the rate of the socket's flow
 * where no daemon and no queue of the kernel does (QOSSetOutgoingRate, qos2.h): a blocking socket
 * waits, any other answers EWOULDBLOCK. Signals do not interrupt that wait. In all else they are the
 * C library's; errors are told through errno and through WSAGetLastError().
 */
ssize_t gw_win_send(int fd, const void *buf, size_t len, int flags);
ssize_t gw_win_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
		      socklen_t to_len);
extern __typeof__(send) send __asm__("gw_win_send");
extern __typeof__(sendto) sendto __asm__("gw_win_sendto");

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

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_WINSOCK2_H */
