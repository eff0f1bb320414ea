/* SPDX-License-Identifier: MIT */
/* gqos_lists.h: QOS structures and their lists of objects, for the tests of GQoS. */
#ifndef GQOS_LISTS_H
#define GQOS_LISTS_H

#include <qosobjs.h>
#include <qospol.h>
#include <qossp.h>
#include <string.h>
#include <winsock2.h>

struct list {
	ULONG length;
	_Alignas(8) unsigned char bytes[8192];
};

static inline void list_add(struct list *list, const void *object, size_t length)
{
	memcpy(list->bytes + list->length, object, length);
	list->length += (ULONG)length;
}

/* An object of one number. */
static inline void list_add_number(struct list *list, ULONG type, ULONG number)
{
	const ULONG object[3] = { type, sizeof(object), number };

	list_add(list, object, sizeof(object));
}

static inline void list_end(struct list *list)
{
	const QOS_OBJECT_HDR end = { QOS_OBJECT_END_OF_LIST, sizeof(end) };

	list_add(list, &end, sizeof(end));
}

static inline FLOWSPEC flowspec_unspecified(SERVICETYPE type)
{
	FLOWSPEC flowspec;

	memset(&flowspec, 0xff, sizeof(flowspec));
	flowspec.ServiceType = type;
	return flowspec;
}

static inline FLOWSPEC flowspec_with_rate(SERVICETYPE type, ULONG rate)
{
	FLOWSPEC flowspec = flowspec_unspecified(type);

	flowspec.TokenRate = rate;
	return flowspec;
}

/* What is sent, with a rate, and what is received, without numbers. */
static inline QOS qos_of(SERVICETYPE sending, SERVICETYPE receiving)
{
	return (QOS){
		.SendingFlowspec = flowspec_with_rate(sending, 125000),
		.ReceivingFlowspec = flowspec_unspecified(receiving),
	};
}

static inline QOS qos_with(QOS qos, struct list *list)
{
	qos.ProviderSpecific = (WSABUF){ list->length, (CHAR *)list->bytes };
	return qos;
}

#endif
