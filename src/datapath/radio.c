/* SPDX-License-Identifier: MIT */
/* radio.c: see radio.h. The wireless extensions, which drivers of cfg80211 answer, too. */
#include "datapath/radio.h"

#include <linux/wireless.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

bool radio_read(const char *name, uint64_t *ret_rate_bps)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct iwreq request = { 0 };

	*ret_rate_bps = 0;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIWNAME, &request) < 0)
		return false;
	if (ioctl(fd, SIOCGIWRATE, &request) == 0 && request.u.bitrate.value > 0)
		*ret_rate_bps = (uint64_t)request.u.bitrate.value;
	return true;
}
