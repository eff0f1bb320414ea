/* SPDX-License-Identifier: MIT */
/*
 * qosname.h: templates of QoS by name: those that are there, and how an administrator installs more.
 *
 * Goes after winsock2.h, or without it. Programs read templates with WSAGetQOSByName() (winsock2.h). A name is text of
 * one byte or of 16 bits a character: WPU... and WSC... take either. Source: spec/gqos.md §7.8, §7.9, §15.
 */
#ifndef GW_WIN_QOSNAME_H
#define GW_WIN_QOSNAME_H

#include "winsock2.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Built in. "G711" is another name of "G-711". */
#define QT_1 "G711"
#define QT_2 "G723.1"
#define QT_3 "G729"
#define QT_4 "H263QCIF"
#define QT_5 "H263CIF"
#define QT_6 "H261QCIF"
#define QT_7 "H261CIF"
#define QT_8 "GSM6.10"

/* For programs that look the functions up at run time. */
#define WSCINSTALL_QOS_TEMPLATE "WSCInstallQOSTemplate"
#define WSCREMOVE_QOS_TEMPLATE "WSCRemoveQOSTemplate"
#define WPUGET_QOS_TEMPLATE "WPUGetQOSTemplate"

typedef BOOL(APIENTRY *WSC_INSTALL_QOS_TEMPLATE)(const LPGUID Guid, LPWSABUF QosName, LPQOS Qos);
typedef BOOL(APIENTRY *WSC_REMOVE_QOS_TEMPLATE)(const LPGUID Guid, LPWSABUF QosName);
typedef INT(APIENTRY *WPU_GET_QOS_TEMPLATE)(const LPGUID Guid, LPWSABUF QosName, LPQOS Qos);

/*
 * Installs a template for every program of the host, its provider-specific objects included; it takes the place of one
 * of the same name, and hides one that is built in. lpProviderId: NULL, or the identifier of the QoS entries of
 * WSAEnumProtocols(). FALSE: WSAEFAULT (NULL), WSAEINVAL (provider, an empty or too long name, objects that point to
 * memory), WSA_QOS_E... (objects that are malformed), WSAENOBUFS (more than 4096 bytes of objects, no memory),
 * WSAEACCES (not an administrator).
 */
BOOL WSAAPI WSCInstallQOSTemplate(const LPGUID lpProviderId, LPWSABUF lpQOSName, LPQOS lpQOS);

/*
 * Removes an installed template; what it hid is there again. FALSE: WSANO_DATA (there is none of the name), WSAEINVAL
 * (it is built in), and as above.
 */
BOOL WSAAPI WSCRemoveQOSTemplate(const LPGUID lpProviderId, LPWSABUF lpQOSName);

/*
 * Reads a template. 0, or SOCKET_ERROR: WSAEFAULT, WSAEINVAL (provider, unknown name), WSAENOBUFS (the objects need
 * lpQOS->ProviderSpecific.len bytes; it tells now).
 */
INT WSAAPI WPUGetQOSTemplate(const LPGUID lpProviderId, LPWSABUF lpQOSName, LPQOS lpQOS);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif /* GW_WIN_QOSNAME_H */
