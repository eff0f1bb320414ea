/* SPDX-License-Identifier: MIT */
/* link.c: see link.h. */
#include "datapath/link.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define BITS_PER_MBIT UINT64_C(1000000)
#define WORDS_MAX 127 /* the number of them is a signed byte */

/* Behind the settings the driver lists modes, in three masks of as many words as it has to be told. */
struct settings {
	struct ethtool_link_settings head;
	uint32_t masks[3 * WORDS_MAX];
};

/* A socket to ask with, and the interface's name in the request; -1: there is none. */
static int ask_open(uint32_t ifindex, struct ifreq *ret_request)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ret_request = (struct ifreq){ .ifr_ifindex = (int)ifindex };
	if (fd >= 0 && ioctl(fd, SIOCGIFNAME, ret_request) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

uint32_t link_mtu(int socket, uint32_t ifindex)
{
	struct ifreq request = { .ifr_ifindex = (int)ifindex };

	return ioctl(socket, SIOCGIFNAME, &request) == 0 && ioctl(socket, SIOCGIFMTU, &request) == 0
		       ? (uint32_t)request.ifr_mtu
		       : 0;
}

static bool read_settings(int fd, struct ifreq *request, struct settings *settings)
{
	settings->head.cmd = ETHTOOL_GLINKSETTINGS;
	request->ifr_data = (char *)settings;
	return ioctl(fd, SIOCETHTOOL, request) == 0;
}

uint64_t link_speed_bps(uint32_t ifindex)
{
	struct settings settings = { 0 };
	struct ifreq request;
	_cleanup_(closep) int fd = ask_open(ifindex, &request);

	/* The first answer says, as a negative number, how many words the second question must have room for. */
	if (fd < 0 || !read_settings(fd, &request, &settings) ||
	    settings.head.link_mode_masks_nwords >= 0)
		return 0;
	settings.head.link_mode_masks_nwords = (__s8)-settings.head.link_mode_masks_nwords;
	if (!read_settings(fd, &request, &settings) ||
	    settings.head.speed == (uint32_t)SPEED_UNKNOWN)
		return 0;
	return settings.head.speed * BITS_PER_MBIT;
}
