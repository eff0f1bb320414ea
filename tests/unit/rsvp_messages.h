/* SPDX-License-Identifier: MIT */
/* rsvp_messages.h: one message of every kind and form, for unit tests and for another program to judge. */
#ifndef GW_TESTS_RSVP_MESSAGES_H
#define GW_TESTS_RSVP_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#define RSVP_MESSAGES_PATH4 0
#define RSVP_MESSAGES_BUNDLE 1

unsigned rsvp_messages_count(void);

/* The length; 0: it does not fit into `capacity`. */
size_t rsvp_messages_build(unsigned number, uint8_t *buf, size_t capacity);

/* AF_INET or AF_INET6: what of the messages' addresses is. */
int rsvp_messages_family(unsigned number);

#endif
