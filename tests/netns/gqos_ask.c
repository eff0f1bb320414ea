/* SPDX-License-Identifier: MIT */
/* gqos_ask.c: see gqos_ask.h. */
#include "gqos_ask.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

socklen_t ask_address(const char *host, const char *port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	if (strchr(host, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)atoi(port));
		if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
			exit(2);
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)atoi(port));
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		exit(2);
	return sizeof(*in);
}

static FLOWSPEC flowspec(const char *service, const char *rate)
{
	uint32_t number = (uint32_t)strtoul(rate, NULL, 0);

	return (FLOWSPEC){
		.TokenRate = number ? number : QOS_NOT_SPECIFIED,
		.TokenBucketSize = number ? 10000 : QOS_NOT_SPECIFIED,
		.PeakBandwidth = QOS_NOT_SPECIFIED,
		.Latency = QOS_NOT_SPECIFIED,
		.DelayVariation = QOS_NOT_SPECIFIED,
		.ServiceType = (uint32_t)strtoul(service, NULL, 0),
		.MaxSduSize = QOS_NOT_SPECIFIED,
		.MinimumPolicedSize = QOS_NOT_SPECIFIED,
	};
}

static void add_object(struct ask *ask, const void *object, size_t len)
{
	memcpy(ask->objects + ask->qos.ProviderSpecific.len, object, len);
	ask->qos.ProviderSpecific.len += (ULONG)len;
}

/* A list of one element, whose one attribute says which application it is. */
static size_t make_policy(const char *name, struct ask_policy *ret_policy)
{
	const size_t value = strlen(name), attribute = IDPE_ATTR_HDR_LEN + value,
		     element = RSVP_POLICY_HDR_LEN + RSVP_BYTE_MULTIPLE(attribute);
	const size_t head = offsetof(RSVP_POLICY_INFO, PolicyElement);
	const size_t whole = (head + element + 7) / 8 * 8;
	unsigned char *at = ret_policy->room + head + RSVP_POLICY_HDR_LEN;

	if (whole > sizeof(ret_policy->room))
		exit(2);
	memset(ret_policy, 0, sizeof(*ret_policy));
	ret_policy->info.ObjectHdr = (QOS_OBJECT_HDR){ RSVP_OBJECT_POLICY_INFO, (ULONG)whole };
	ret_policy->info.NumPolicyElement = 1;
	ret_policy->info.PolicyElement[0].Len = (USHORT)element;
	ret_policy->info.PolicyElement[0].Type = PE_TYPE_APPID;
	at[1] = (unsigned char)attribute;
	at[2] = PE_ATTRIB_TYPE_POLICY_LOCATOR;
	at[3] = POLICY_LOCATOR_SUB_TYPE_ASCII_DN;
	memcpy(at + IDPE_ATTR_HDR_LEN, name, value);
	return whole;
}

static RSVP_FILTERSPEC filter(const char *host, const char *port)
{
	RSVP_FILTERSPEC made = { .Type = FILTERSPECV4 };
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (struct sockaddr_in *)&address;

	if (ask_address(host, port, &address) != sizeof(*in))
		exit(2);
	memcpy(&made.FilterSpecV4.Address, &in->sin_addr, sizeof(in->sin_addr));
	made.FilterSpecV4.Port = in->sin_port;
	return made;
}

/* Of a fixed filter each sender has a flow of its own; else they share one. */
static void list_senders(struct ask *ask, RSVP_RESERVE_INFO *info, ULONG n)
{
	bool shared = info->Style == RSVP_SHARED_EXPLICIT_STYLE;

	if (n == 0)
		return;
	info->NumFlowDesc = shared ? 1 : n;
	info->FlowDescList = ask->flows;
	for (ULONG i = 0; i < info->NumFlowDesc; i++)
		ask->flows[i] = (FLOWDESCRIPTOR){ .FlowSpec = ask->qos.ReceivingFlowspec,
						  .NumFilters = shared ? n : 1,
						  .FilterList = &ask->filters[i] };
}

static void add_destination(struct ask *ask, const char *host, const char *port)
{
	const QOS_DESTADDR object = {
		.ObjectHdr = { QOS_OBJECT_DESTADDR, sizeof(object) },
		.SocketAddress = (struct sockaddr *)&ask->destination,
		.SocketAddressLength = ask_address(host, port, &ask->destination),
	};

	add_object(ask, &object, sizeof(object));
}

/* The number of words that it takes. */
static int read_word(struct ask *ask, char **words, RSVP_RESERVE_INFO *info, ULONG *n_senders)
{
	struct ask_policy policy;

	if (strcmp(words[0], "confirm") == 0) {
		info->ConfirmRequest = 1;
		return 1;
	}
	if (strcmp(words[0], "to") == 0) {
		add_destination(ask, words[1], words[2]);
		return 3;
	}
	if (strcmp(words[0], "from") == 0 && *n_senders < ASK_SENDERS) {
		ask->filters[(*n_senders)++] = filter(words[1], words[2]);
		return 3;
	}
	if (strcmp(words[0], "style") == 0) {
		info->Style = (ULONG)atoi(words[1]);
	} else if (strcmp(words[0], "sends-as") == 0) {
		add_object(ask, &policy, make_policy(words[1], &policy));
	} else if (strcmp(words[0], "receives-as") == 0) {
		make_policy(words[1], &ask->receiver);
		info->PolicyElementList = &ask->receiver.info;
	} else {
		exit(2);
	}
	return 2;
}

void ask_read(struct ask *ret_ask, char **words, int n)
{
	RSVP_RESERVE_INFO info = { .ObjectHdr = { RSVP_OBJECT_RESERVE_INFO, sizeof(info) } };
	ULONG n_senders = 0;

	*ret_ask = (struct ask){ .qos = { .SendingFlowspec = flowspec(words[0], words[1]),
					  .ReceivingFlowspec = flowspec(words[2], words[3]) } };
	ret_ask->qos.ProviderSpecific.buf = (CHAR *)ret_ask->objects;
	for (int i = 4; i < n;)
		i += read_word(ret_ask, words + i, &info, &n_senders);
	list_senders(ret_ask, &info, n_senders);
	add_object(ret_ask, &info, sizeof(info));
}
