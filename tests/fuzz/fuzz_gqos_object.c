/* SPDX-License-Identifier: MIT */
/*
 * fuzz_gqos_object.c: any ProviderSpecific list is refused, or becomes a QoS that keeps its bounds. An input is a QOS
 * without its buffer, one byte that says of what kind the socket is, and the list. Pointers inside objects are made to
 * point at descriptors, filters and policy whose bytes are those that follow in the list, in memory of exactly the size
 * that the counts beside them promise; none is promised that a count beyond the limits would have read.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "winqos/gqos_policy.h"
#include "winqos/gqos_translate.h"

#define HEAD (2 * sizeof(FLOWSPEC) + 1)
#define BLOCKS_MAX 512
#define COUNT_MAX 128u

static void *blocks[BLOCKS_MAX];
static size_t n_blocks;

/* Memory of that size, filled from the list's own bytes; NULL if there are too many. */
static void *block(size_t size, const uint8_t *from, size_t left)
{
	uint8_t *made;

	if (n_blocks == BLOCKS_MAX)
		return NULL;
	made = malloc(size > 0 ? size : 1);
	require(made != NULL);
	for (size_t i = 0; i < size; i++)
		made[i] = left > 0 ? from[i % left] : 0;
	blocks[n_blocks++] = made;
	return made;
}

static RSVP_FILTERSPEC *make_filters(ULONG count, const uint8_t *from, size_t left)
{
	return count <= COUNT_MAX ? block(count * sizeof(RSVP_FILTERSPEC), from, left)
				  : block(0, from, left);
}

static FLOWDESCRIPTOR *make_descriptors(ULONG count, const uint8_t *from, size_t left)
{
	FLOWDESCRIPTOR *descriptors;

	if (count > COUNT_MAX)
		return block(0, from, left);
	descriptors = block(count * sizeof(*descriptors), from, left);
	for (ULONG i = 0; descriptors && i < count; i++) {
		descriptors[i].FilterList = descriptors[i].NumFilters == 7
						    ? NULL
						    : make_filters(descriptors[i].NumFilters,
								   from + left / 2, left / 2);
	}
	return descriptors;
}

/* As long as its head says. */
static RSVP_POLICY_INFO *make_policy(const uint8_t *from, size_t left)
{
	QOS_OBJECT_HDR head;
	uint8_t *made;

	if (left < sizeof(head))
		return NULL;
	memcpy(&head, from, sizeof(head));
	head.ObjectType = RSVP_OBJECT_POLICY_INFO;
	head.ObjectLength %= 512;
	made = block(head.ObjectLength > sizeof(head) ? head.ObjectLength : sizeof(head), from,
		     left);
	if (made)
		memcpy(made, &head, sizeof(head));
	return (RSVP_POLICY_INFO *)made;
}

static void point(uint8_t *object, ULONG type, const uint8_t *from, size_t left)
{
	RSVP_RESERVE_INFO reservation;
	QOS_DESTADDR destination;

	if (type == RSVP_OBJECT_RESERVE_INFO) {
		memcpy(&reservation, object, sizeof(reservation));
		reservation.PolicyElementList =
			reservation.PolicyElementList ? make_policy(from, left) : NULL;
		reservation.FlowDescList =
			reservation.FlowDescList
				? make_descriptors(reservation.NumFlowDesc, from, left)
				: NULL;
		memcpy(object, &reservation, sizeof(reservation));
	} else if (type == QOS_OBJECT_DESTADDR) {
		memcpy(&destination, object, sizeof(destination));
		destination.SocketAddressLength %= 64;
		destination.SocketAddress =
			destination.SocketAddress
				? block(destination.SocketAddressLength, from, left)
				: NULL;
		memcpy(object, &destination, sizeof(destination));
	}
}

/* What the list points to stands, and nothing else of it is changed. */
static void point_all(uint8_t *bytes, size_t length)
{
	const WSABUF buffer = { (ULONG)length, (CHAR *)bytes };
	struct gqos_object object;
	struct gqos_list list;

	if (gqos_list_begin(&buffer, &list))
		return;
	while (gqos_list_next(&list, &object) == 0 && object.type != QOS_OBJECT_END_OF_LIST) {
		require(object.bytes >= bytes && object.length >= sizeof(QOS_OBJECT_HDR) &&
			object.bytes + object.length <= bytes + length);
		point((uint8_t *)object.bytes, object.type, list.at, list.left);
	}
}

static void check_policy(const void *policy, size_t length)
{
	unsigned char *info = malloc(length + 64);
	size_t read;

	require(info != NULL);
	require((policy != NULL) == (length > 0) && length <= UINT16_MAX);
	read = gqos_policy_read(policy, length, info, length + 64);
	require(read % 8 == 0 && read <= length + 64);
	require((read > 0) == (length > 0));
	free(info);
}

static void check(const struct gw_qos *qos)
{
	require(qos->dscp >= -1 && qos->dscp <= 63 && qos->priority >= -1 && qos->priority <= 7);
	require(qos->excess <= GW_QOS_EXCESS_DISCARD && qos->confirm <= 1);
	require(qos->n_flows <= GQOS_FILTERS_MAX && (qos->flows != NULL) == (qos->n_flows > 0));
	for (uint32_t i = 0; i < qos->n_flows; i++) {
		require(qos->flows[i].sender.address.ss_family == AF_INET ||
			qos->flows[i].sender.address.ss_family == AF_INET6);
		require(qos->flows[i].sender.form == GW_RSVP_PORTS ||
			qos->flows[i].sender.form == GW_RSVP_FLOW_LABEL);
	}
	check_policy(qos->sending_policy, qos->sending_policy_len);
	check_policy(qos->receiving_policy, qos->receiving_policy_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gqos_socket socket = { .family = AF_INET };
	struct gqos_native native, copy;
	QOS qos = { 0 };
	uint8_t *list;

	if (size < HEAD)
		return 0;
	memcpy(&qos, data, 2 * sizeof(FLOWSPEC));
	socket.family = data[HEAD - 1] & 1 ? AF_INET6 : AF_INET;
	socket.stream = data[HEAD - 1] & 2;
	socket.bound = data[HEAD - 1] & 4;
	socket.connected = data[HEAD - 1] & 8;
	memcpy(&socket.peer, data, sizeof(struct sockaddr_in6));
	socket.peer.ss_family = (sa_family_t)socket.family;

	list = malloc(size - HEAD + 1);
	require(list != NULL);
	memcpy(list, data + HEAD, size - HEAD);
	/* Exactly as long as it is, so that the sanitizer sees each byte too many. */
	list = realloc(list, size > HEAD ? size - HEAD : 1);
	point_all(list, size - HEAD);
	qos.ProviderSpecific = (WSABUF){ (ULONG)(size - HEAD), (CHAR *)list };
	if (gqos_translate(&qos, &socket, &native) == 0) {
		check(&native.qos);
		require(gqos_native_copy(&native, &copy) == 0);
		gqos_native_merge(&copy, &native);
		check(&copy.qos);
		gqos_native_clear(&copy);
	}
	while (n_blocks > 0)
		free(blocks[--n_blocks]);
	free(list);
	return 0;
}
