/* SPDX-License-Identifier: MIT */
/*
 * policy.h: what POLICY_DATA objects hold: options, and elements such as the priority for preemption or who asks
 * (RFC 2750, 2872, 3181, 3182, 6401; spec/rsvp.md §4.2). A node without an interest in it passes the object on as
 * it came.
 */
#ifndef GW_RSVP_POLICY_H
#define GW_RSVP_POLICY_H

#include "rsvp/object.h"

enum rsvp_policy_type {
	RSVP_POLICY_PREEMPTION = 1,
	RSVP_POLICY_USER = 2,
	RSVP_POLICY_APPLICATION = 3,
	RSVP_POLICY_SESSION = 4,
	RSVP_POLICY_ADMISSION = 5,
	RSVP_POLICY_RESOURCE = 6,
};

/* Options are RSVP objects; elements follow them. */
struct rsvp_policy {
	const uint8_t *options;
	size_t options_len;
	const uint8_t *elements;
	size_t elements_len;
};

/* Who it is for: the second hop among the options (RFC 2750 §3.3). False: whoever gets it. */
bool rsvp_policy_destination(const struct rsvp_policy *policy, struct address *ret_destination);

struct rsvp_policy_element {
	uint16_t type;
	const uint8_t *data; /* without the header */
	size_t len;	     /* 0: the element deletes its type */
};

/* -EPROTONOSUPPORT: another C-Type; -EBADMSG: offset, an option or an element does not fit. */
int rsvp_read_policy(const struct rsvp_object *object, struct rsvp_policy *ret_policy);

/* Of a policy that was read. */
bool rsvp_policy_next(const struct rsvp_policy *policy, size_t *position,
		      struct rsvp_policy_element *ret_element);

/* What becomes of priorities where flows are merged (RFC 3181 §5.1). */
enum rsvp_merge_strategy {
	RSVP_MERGE_HIGHEST_QOS = 1,
	RSVP_MERGE_HIGHEST_PRIORITY = 2,
	RSVP_MERGE_EQUAL_ONLY = 3,
};

enum { RSVP_PREEMPTION_PREEMPTED = 1, RSVP_PREEMPTION_HETEROGENEOUS = 2 };

struct rsvp_preemption {
	uint8_t strategy; /* enum rsvp_merge_strategy */
	uint8_t error;	  /* 0: none; RSVP_PREEMPTION_* */
	uint16_t preemption, defending;
};

struct rsvp_admission_priority {
	uint8_t strategy, error, priority;
};

/* -EBADMSG: not of that length, no such strategy, or a preemption above the defending priority. */
int rsvp_read_preemption(const struct rsvp_policy_element *element,
			 struct rsvp_preemption *ret_preemption);
int rsvp_read_admission_priority(const struct rsvp_policy_element *element,
				 struct rsvp_admission_priority *ret_priority);

/* APP_RESOURCE_PRI: 1: there is one, 0: that was all. */
int rsvp_resource_next(const struct rsvp_policy_element *element, size_t *position,
		       uint16_t *ret_namespace, uint8_t *ret_value);

/* AUTH_*: who asks (RFC 3182 §3.3). */
enum rsvp_attribute_type {
	RSVP_ATTRIBUTE_LOCATOR = 1,
	RSVP_ATTRIBUTE_CREDENTIAL = 2,
	RSVP_ATTRIBUTE_SIGNATURE = 3,
	RSVP_ATTRIBUTE_ERROR = 4,
};

struct rsvp_attribute {
	uint8_t type, subtype;
	const uint8_t *value;
	size_t len; /* without the padding */
};

/* 1: there is one, 0: that was all, -EBADMSG: it does not fit. */
int rsvp_attribute_next(const struct rsvp_policy_element *element, size_t *position,
			struct rsvp_attribute *ret_attribute);

/*
 * Making: an object is begun, elements are added, and it is ended; each returns the length so far, or 0 when there
 * is no room (as there is not for what comes after then).
 */
size_t rsvp_policy_begin(uint8_t *buf, size_t capacity, const uint8_t *options, size_t options_len);
size_t rsvp_policy_add(uint8_t *buf, size_t capacity, size_t len, uint16_t type,
		       const uint8_t *data, size_t data_len);
size_t rsvp_policy_add_preemption(uint8_t *buf, size_t capacity, size_t len,
				  const struct rsvp_preemption *preemption);
size_t rsvp_policy_add_admission_priority(uint8_t *buf, size_t capacity, size_t len,
					  const struct rsvp_admission_priority *priority);
/* An attribute for the data of an AUTH_* element, padded; the length of `buf` behind it, or 0. */
size_t rsvp_attribute_add(uint8_t *buf, size_t capacity, size_t len, uint8_t type, uint8_t subtype,
			  const void *value, size_t value_len);
size_t rsvp_policy_end(uint8_t *buf, size_t len);

#endif
