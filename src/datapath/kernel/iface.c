/* SPDX-License-Identifier: MIT */
/* iface.c: see iface.h. */
#include "datapath/kernel/iface.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <linux/wireless.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* IEEE 802.3: preamble and start delimiter, check sequence, gap between frames. */
#define WIRE_BYTES (7 + 1 + 4 + 12)

/* A VLAN device passes frames on without their tag, which the device below adds (IEEE 802.1Q). */
#define VLAN_TAG_BYTES 4

#define PATH_LEN 512

static int on_kind(const struct nlattr *attribute, void *user_data)
{
	struct iface *iface = user_data;

	if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
		iface->vlan = strcmp(mnl_attr_get_str(attribute), "vlan") == 0;
		iface->wireless |= strcmp(mnl_attr_get_str(attribute), "virt_wifi") == 0;
	}
	return MNL_CB_OK;
}

static int on_attribute(const struct nlattr *attribute, void *user_data)
{
	struct iface *iface = user_data;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(iface->name, sizeof(iface->name), "%s",
				 mnl_attr_get_str(attribute));
		break;
	case IFLA_MTU:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			iface->mtu = mnl_attr_get_u32(attribute);
		break;
	case IFLA_WIRELESS:
		iface->wireless = true;
		break;
	case IFLA_LINKINFO:
		mnl_attr_parse_nested(attribute, on_kind, iface);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

int iface_parse(const struct nlmsghdr *message, struct iface *ret_iface)
{
	const struct ifinfomsg *payload = mnl_nlmsg_get_payload(message);

	/* Bridges report their ports in messages of the same type, of another family. */
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*payload) ||
	    payload->ifi_family != AF_UNSPEC)
		return -EBADMSG;
	*ret_iface = (struct iface){
		.ifindex = (uint32_t)payload->ifi_index,
		.loopback = payload->ifi_flags & IFF_LOOPBACK,
		.ethernet = payload->ifi_type == ARPHRD_ETHER ||
			    payload->ifi_type == ARPHRD_LOOPBACK,
	};
	mnl_attr_parse(message, sizeof(*payload), on_attribute, ret_iface);
	return 0;
}

/* --- Wireless --------------------------------------------------------------------------------- */

static bool has_wireless_extensions(const struct iface *iface)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct iwreq request = { 0 };

	memcpy(request.ifr_name, iface->name, sizeof(iface->name));
	return fd >= 0 && ioctl(fd, SIOCGIWNAME, &request) == 0;
}

/* Whether that folder speaks of our interface, and not of one of this name in another namespace. */
static bool shows(const struct iface *iface, const char *sys_folder)
{
	_cleanup_(fclosep) FILE *file = NULL;
	char path[PATH_LEN];
	unsigned ifindex;

	snprintf(path, sizeof(path), "%s/%s/ifindex", sys_folder, iface->name);
	file = fopen(path, "re");
	return file && fscanf(file, "%u", &ifindex) == 1 && ifindex == iface->ifindex;
}

static bool has_radio(const struct iface *iface, const char *sys_folder)
{
	static const char *const signs[] = { "phy80211", "wireless" };
	char path[PATH_LEN];

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s", sys_folder, iface->name, signs[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

bool iface_is_wireless(const struct iface *iface, const char *sys_folder)
{
	return iface->wireless || has_wireless_extensions(iface) ||
	       (shows(iface, sys_folder) && has_radio(iface, sys_folder));
}

const char *iface_refusal(const struct iface *iface)
{
	if (iface->loopback)
		return "loopback carries no traffic to be scheduled";
	if (iface->wireless)
		return "Wi-Fi gets marks and priorities only";
	if (!iface->ethernet)
		return "only Ethernet, VLAN and veth links can be scheduled";
	return NULL;
}

uint16_t iface_overhead_bytes(const struct iface *iface)
{
	return WIRE_BYTES + (iface->vlan ? VLAN_TAG_BYTES : 0);
}
