/* SPDX-License-Identifier: MIT */
/* daemon.c: see daemon.h. */
#include "daemon.h"

#include <string.h>

#include "measure.h"

struct gw *daemon_open(const char *socket_path)
{
	const struct gw_open_options how = { .size = sizeof(how),
					     .mode = GW_MODE_DAEMON,
					     .socket_path = socket_path };
	struct gw *gw;

	must(gw_open(&gw, &how), socket_path);
	return gw;
}

uint32_t daemon_session(struct gw *gw, const struct sockaddr_in *destination)
{
	uint32_t id;

	must(gw_rsvp_open(gw, (const struct sockaddr *)destination, sizeof(*destination),
			  IPPROTO_UDP, NULL, &id),
	     "gw_rsvp_open");
	return id;
}

static struct gw_tspec tspec_of(uint64_t rate_bps)
{
	return (struct gw_tspec){ .size = sizeof(struct gw_tspec), .rate_bps = rate_bps };
}

void daemon_reserve(struct gw *gw, uint32_t session, const struct sockaddr_in *sender,
		    uint64_t rate_bps)
{
	struct gw_rsvp_flow flow = { .tspec = tspec_of(rate_bps) };
	const struct gw_rsvp_request request = { .size = sizeof(request),
						 .style = GW_RSVP_FF,
						 .service = GW_RSVP_CONTROLLED_LOAD,
						 .dscp = -1,
						 .n_flows = 1,
						 .flows = &flow };

	memcpy(&flow.sender.address, sender, sizeof(*sender));
	must(gw_rsvp_reserve(gw, session, &request), "gw_rsvp_reserve");
}

void daemon_offer(struct gw *gw, uint32_t session, const struct sockaddr_in *sender,
		  uint64_t rate_bps)
{
	struct gw_rsvp_offer offer = { .size = sizeof(offer), .tspec = tspec_of(rate_bps) };

	memcpy(&offer.source, sender, sizeof(*sender));
	must(gw_rsvp_send(gw, session, &offer), "gw_rsvp_send");
}

void daemon_drain(struct gw *gw)
{
	struct gw_event event = { .size = sizeof(event) };

	while (gw_event_next(gw, 0, &event) > 0) {
		gw_event_release(&event);
		event.size = sizeof(event);
	}
}
