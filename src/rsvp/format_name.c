/* SPDX-License-Identifier: MIT */
/* format_name.c: see format.h. How messages, objects, styles, sessions and senders are called. */
#include "rsvp/format.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

const char *rsvp_type_name(uint8_t type)
{
	static const char *const names[] = {
		[RSVP_PATH] = "Path",
		[RSVP_RESV] = "Resv",
		[RSVP_PATH_ERR] = "PathErr",
		[RSVP_RESV_ERR] = "ResvErr",
		[RSVP_PATH_TEAR] = "PathTear",
		[RSVP_RESV_TEAR] = "ResvTear",
		[RSVP_RESV_CONF] = "ResvConf",
		[RSVP_DREQ] = "DREQ",
		[RSVP_DREP] = "DREP",
		[RSVP_BUNDLE] = "Bundle",
		[RSVP_ACK] = "Ack",
		[RSVP_SREFRESH] = "Srefresh",
		[RSVP_CHALLENGE] = "Challenge",
		[RSVP_RESPONSE] = "Response",
	};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : NULL;
}

const char *rsvp_class_name(uint8_t class_num)
{
	static const char *const names[256] = {
		[RSVP_CLASS_NULL] = "NULL",
		[RSVP_CLASS_SESSION] = "SESSION",
		[RSVP_CLASS_HOP] = "RSVP_HOP",
		[RSVP_CLASS_INTEGRITY] = "INTEGRITY",
		[RSVP_CLASS_TIME_VALUES] = "TIME_VALUES",
		[RSVP_CLASS_ERROR_SPEC] = "ERROR_SPEC",
		[RSVP_CLASS_SCOPE] = "SCOPE",
		[RSVP_CLASS_STYLE] = "STYLE",
		[RSVP_CLASS_FLOWSPEC] = "FLOWSPEC",
		[RSVP_CLASS_FILTER_SPEC] = "FILTER_SPEC",
		[RSVP_CLASS_SENDER_TEMPLATE] = "SENDER_TEMPLATE",
		[RSVP_CLASS_SENDER_TSPEC] = "SENDER_TSPEC",
		[RSVP_CLASS_ADSPEC] = "ADSPEC",
		[RSVP_CLASS_POLICY_DATA] = "POLICY_DATA",
		[RSVP_CLASS_RESV_CONFIRM] = "RESV_CONFIRM",
		[RSVP_CLASS_MESSAGE_ID] = "MESSAGE_ID",
		[RSVP_CLASS_MESSAGE_ID_ACK] = "MESSAGE_ID_ACK",
		[RSVP_CLASS_MESSAGE_ID_LIST] = "MESSAGE_ID_LIST",
		[RSVP_CLASS_DIAGNOSTIC] = "DIAGNOSTIC",
		[RSVP_CLASS_ROUTE] = "ROUTE",
		[RSVP_CLASS_DIAG_RESPONSE] = "DIAG_RESPONSE",
		[RSVP_CLASS_DIAG_SELECT] = "DIAG_SELECT",
		[RSVP_CLASS_CHALLENGE] = "CHALLENGE",
		[RSVP_CLASS_DCLASS] = "DCLASS",
	};

	return names[class_num];
}

const char *rsvp_style_name(enum rsvp_style style)
{
	switch (style) {
	case RSVP_STYLE_FF:
		return "fixed filter";
	case RSVP_STYLE_WF:
		return "wildcard filter";
	case RSVP_STYLE_SE:
		return "shared explicit";
	case RSVP_STYLE_NONE:
	default:
		return NULL;
	}
}

/* An address without a port. */
const char *rsvp_host_format(const struct address *address, char buf[static INET6_ADDRSTRLEN])
{
	bool is_ip4 = address->family == AF_INET;

	return inet_ntop(is_ip4 ? AF_INET : AF_INET6, address->addr + (is_ip4 ? 12 : 0), buf,
			 INET6_ADDRSTRLEN);
}

const char *rsvp_session_format(const struct rsvp_session *session, char buf[static RSVP_TEXT_LEN])
{
	char name[INET6_ADDRSTRLEN];
	struct address address;

	rsvp_session_address(session, &address);
	rsvp_host_format(&address, name);
	if (session->form == RSVP_FORM_AGGREGATE)
		snprintf(buf, RSVP_TEXT_LEN, "%s dscp %u", name, session->port);
	else if (session->form == RSVP_FORM_GPI)
		snprintf(buf, RSVP_TEXT_LEN, "%s vport %u protocol %u", name, session->port,
			 session->protocol);
	else
		snprintf(buf, RSVP_TEXT_LEN, "%s port %u protocol %u", name, session->port,
			 session->protocol);
	return buf;
}

const char *rsvp_sender_format(const struct rsvp_sender *sender, char buf[static RSVP_TEXT_LEN])
{
	char name[INET6_ADDRSTRLEN];
	struct address address;

	rsvp_sender_address(sender, &address);
	rsvp_host_format(&address, name);
	if (sender->form == RSVP_FORM_GPI)
		snprintf(buf, RSVP_TEXT_LEN, "%s spi 0x%08x", name, sender->id);
	else if (sender->form == RSVP_FORM_FLOW_LABEL)
		snprintf(buf, RSVP_TEXT_LEN, "%s label 0x%05x", name, sender->id);
	else if (sender->form == RSVP_FORM_PORTS)
		snprintf(buf, RSVP_TEXT_LEN, "%s port %u", name, sender->id);
	else
		snprintf(buf, RSVP_TEXT_LEN, "%s", name);
	return buf;
}
