/* SPDX-License-Identifier: MIT */
/* gqos_object.c: walking a ProviderSpecific list, and what each object may hold (spec/gqos.md §6). */
#include "winqos/gqos_object.h"

#include <string.h>

/* Of the SDK of 1998, which real programs still name. The last two are accepted and mean nothing. */
#define OLD_PRIORITY 2000
#define OLD_DROP_MODE 2005
#define OLD_QUEUE_LIMIT 2006

#define DSCP_LIMIT 0x3f
#define PRIORITY_LIMIT 7

/* The shortest that an object of each type may be; 0: no such type. */
static ULONG minimum_length(ULONG type)
{
	switch (type) {
	case RSVP_OBJECT_STATUS_INFO:
		return sizeof(RSVP_STATUS_INFO);
	case RSVP_OBJECT_RESERVE_INFO:
		return sizeof(RSVP_RESERVE_INFO);
	case RSVP_OBJECT_ADSPEC:
		return offsetof(RSVP_ADSPEC, Services);
	case RSVP_OBJECT_POLICY_INFO:
		return offsetof(RSVP_POLICY_INFO, PolicyElement);
	case RSVP_OBJECT_FILTERSPEC_LIST:
		return sizeof(QOS_OBJECT_HDR) + 2 * sizeof(ULONG);
	case QOS_OBJECT_END_OF_LIST:
		return sizeof(QOS_OBJECT_HDR);
	case QOS_OBJECT_SD_MODE:
	case QOS_OBJECT_SHAPING_RATE:
	case QOS_OBJECT_DS_CLASS:
	case QOS_OBJECT_TRAFFIC_CLASS:
	case OLD_PRIORITY:
	case OLD_DROP_MODE:
	case OLD_QUEUE_LIMIT:
		return sizeof(QOS_SD_MODE);
	case QOS_OBJECT_DESTADDR:
		return sizeof(QOS_DESTADDR);
	case QOS_OBJECT_TCP_TRAFFIC:
		return sizeof(QOS_TCP_TRAFFIC);
	case QOS_OBJECT_FRIENDLY_NAME:
		return sizeof(QOS_FRIENDLY_NAME);
	default:
		return 0;
	}
}

int gqos_list_begin(const WSABUF *buffer, struct gqos_list *ret_list)
{
	if (buffer->len > 0 && !buffer->buf)
		return WSA_QOS_EPROVSPECBUF;
	*ret_list = (struct gqos_list){ (const unsigned char *)buffer->buf, buffer->len };
	return 0;
}

int gqos_list_next(struct gqos_list *list, struct gqos_object *ret_object)
{
	QOS_OBJECT_HDR head = { .ObjectType = QOS_OBJECT_END_OF_LIST };

	if (list->left > 0) {
		if (list->left < sizeof(head))
			return WSA_QOS_EPROVSPECBUF;
		memcpy(&head, list->at, sizeof(head));
		if (head.ObjectLength < sizeof(head) || head.ObjectLength > list->left)
			return WSA_QOS_EPROVSPECBUF;
		if (head.ObjectLength < minimum_length(head.ObjectType))
			return WSA_QOS_EOBJLENGTH;
	}
	*ret_object = (struct gqos_object){ head.ObjectType, list->at, head.ObjectLength };
	if (head.ObjectType == QOS_OBJECT_END_OF_LIST) {
		list->left = 0; /* what follows is nothing to us */
	} else {
		list->at += head.ObjectLength;
		list->left -= head.ObjectLength;
	}
	return 0;
}

static ULONG read_number(const struct gqos_object *object)
{
	ULONG number;

	memcpy(&number, object->bytes + sizeof(QOS_OBJECT_HDR), sizeof(number));
	return number;
}

/* *ret_value is not written if the number is beyond `limit`. */
static int read_limited(const struct gqos_object *object, ULONG limit, int *ret_value)
{
	ULONG number = read_number(object);

	if (number > limit)
		return WSA_QOS_EPROVSPECBUF;
	*ret_value = (int)number;
	return 0;
}

static int read_sd_mode(const struct gqos_object *object, struct gqos_objects *objects)
{
	objects->sd_mode = read_number(object);
	objects->has_sd_mode = true;
	return objects->sd_mode > TC_NONCONF_DISCARD ? WSA_QOS_ESDMODEOBJ : 0;
}

/* Its number was that of a traffic class in 1998; no link is shaped to 7 bytes a second. */
static int read_shaping_rate(const struct gqos_object *object, struct gqos_objects *objects)
{
	ULONG rate = read_number(object);

	if (rate == 0)
		return WSA_QOS_ESHAPERATEOBJ;
	if (rate <= PRIORITY_LIMIT && object->length == sizeof(QOS_SHAPING_RATE))
		objects->priority = (int)rate;
	else
		objects->shaping_rate = rate;
	return 0;
}

static int read_object(const struct gqos_object *object, struct gqos_objects *objects)
{
	int unused;

	switch (object->type) {
	case QOS_OBJECT_SD_MODE:
		return read_sd_mode(object, objects);
	case QOS_OBJECT_SHAPING_RATE:
		return read_shaping_rate(object, objects);
	case QOS_OBJECT_DESTADDR:
		memcpy(&objects->destination, object->bytes, sizeof(objects->destination));
		objects->has_destination = true;
		return 0;
	case QOS_OBJECT_DS_CLASS:
		return read_limited(object, DSCP_LIMIT, &objects->dscp);
	case QOS_OBJECT_TRAFFIC_CLASS:
		return read_limited(object, PRIORITY_LIMIT, &objects->priority);
	case OLD_PRIORITY:
		return read_limited(object, PRIORITY_LIMIT, &unused);
	case QOS_OBJECT_TCP_TRAFFIC:
		objects->tcp_traffic = true;
		return 0;
	case RSVP_OBJECT_RESERVE_INFO:
		memcpy(&objects->reservation, object->bytes, sizeof(objects->reservation));
		objects->has_reservation = true;
		return 0;
	case RSVP_OBJECT_POLICY_INFO:
		objects->policy = *object;
		return 0;
	case OLD_DROP_MODE:
	case OLD_QUEUE_LIMIT:
	case QOS_OBJECT_FRIENDLY_NAME:
	case RSVP_OBJECT_STATUS_INFO: /* these three a program has from SIO_GET_QOS */
	case RSVP_OBJECT_ADSPEC:
	case RSVP_OBJECT_FILTERSPEC_LIST:
		return 0;
	default:
		return WSA_QOS_EUNKNOWNPSOBJ;
	}
}

int gqos_objects_read(const WSABUF *buffer, struct gqos_objects *ret_objects)
{
	struct gqos_objects objects = { .dscp = -1, .priority = -1 };
	struct gqos_object object;
	struct gqos_list list;
	int error;

	error = gqos_list_begin(buffer, &list);
	while (!error) {
		error = gqos_list_next(&list, &object);
		if (!error && object.type == QOS_OBJECT_END_OF_LIST)
			break;
		if (!error)
			error = read_object(&object, &objects);
	}
	if (!error)
		*ret_objects = objects;
	return error;
}
