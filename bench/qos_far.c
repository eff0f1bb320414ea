/* SPDX-License-Identifier: MIT */
/* qos_far.c: see qos_far.h. */
#include "qos_far.h"

#include <greenwave.h>
#include <string.h>

#include "measure.h"

static struct gw *gw;

void qos_far_open(const char *namespace, const char *daemon_socket)
{
	const struct gw_open_options how = { .size = sizeof(how),
					     .mode = GW_MODE_DAEMON,
					     .socket_path = daemon_socket };

	enter_namespace(namespace);
	must(gw_open(&gw, &how), daemon_socket);
	enter_namespace("-");
}

static uint32_t open_session(const struct sockaddr_in *to)
{
	uint32_t id;

	must(gw_rsvp_open(gw, (const struct sockaddr *)to, sizeof(*to), IPPROTO_UDP, NULL, &id),
	     "gw_rsvp_open");
	return id;
}

struct qos_far qos_far_begin(const struct sockaddr_in *near, const struct sockaddr_in *far)
{
	struct gw_rsvp_flow flow = { .tspec = { .size = sizeof(flow.tspec),
						.rate_bps = QOS_FAR_RATE * 8 } };
	const struct gw_rsvp_request request = { .size = sizeof(request),
						 .style = GW_RSVP_FF,
						 .service = GW_RSVP_CONTROLLED_LOAD,
						 .dscp = -1,
						 .n_flows = 1,
						 .flows = &flow };
	struct gw_rsvp_offer offer = { .size = sizeof(offer), .tspec = flow.tspec };
	struct qos_far sessions = { .receives = open_session(far), .sends = open_session(near) };

	memcpy(&flow.sender.address, near, sizeof(*near));
	memcpy(&offer.source, far, sizeof(*far));
	must(gw_rsvp_reserve(gw, sessions.receives, &request), "gw_rsvp_reserve");
	must(gw_rsvp_send(gw, sessions.sends, &offer), "gw_rsvp_send");
	return sessions;
}

void qos_far_end(const struct qos_far *far)
{
	struct gw_event event = { .size = sizeof(event) };

	must(gw_rsvp_close(gw, far->receives), "gw_rsvp_close");
	must(gw_rsvp_close(gw, far->sends), "gw_rsvp_close");
	/* What it was told meanwhile is of no interest. */
	while (gw_event_next(gw, 0, &event) > 0) {
		gw_event_release(&event);
		event.size = sizeof(event);
	}
}
