/* SPDX-License-Identifier: MIT */
/* format.h: RSVP messages as text for people, one line for the message and one for each object. */
#ifndef GW_RSVP_FORMAT_H
#define GW_RSVP_FORMAT_H

#include <netinet/in.h>

#include "rsvp/message.h"

/* NULL: there is no such thing. */
const char *rsvp_type_name(uint8_t type);
const char *rsvp_class_name(uint8_t class_num);
const char *rsvp_style_name(enum rsvp_style style);

/* Without port and scope; returns `buf`. */
const char *rsvp_host_format(const struct address *address, char buf[static INET6_ADDRSTRLEN]);

/* "192.0.2.1 port 5004 protocol 17", "192.0.2.1 spi 0x00001234", "192.0.2.1 dscp 46"; returns `buf`. */
#define RSVP_TEXT_LEN 112
const char *rsvp_session_format(const struct rsvp_session *session, char buf[static RSVP_TEXT_LEN]);
const char *rsvp_sender_format(const struct rsvp_sender *sender, char buf[static RSVP_TEXT_LEN]);

/*
 * Lines that end in a newline, each object's behind a tab; never more than `size` bytes with the 0 at the end. What
 * is too long is cut. For a message that was parsed; of one that was refused, give data, len and type. Returns
 * the length written.
 */
size_t rsvp_message_format(const struct rsvp_message *message, char *buf, size_t size);

#endif
