/* SPDX-License-Identifier: MIT */
/* policy.c: see policy.h. */
#include "rsvp/policy.h"

#include <errno.h>

#define FIXED_LEN 8u /* header of the object, offset, reserved */
#define ELEMENT_HEADER_LEN 4u
#define PRIORITY_LEN 8u

static size_t padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* ---- reading ---- */

/* 1, 0, or -EBADMSG. */
static int element_next(const uint8_t *data, size_t len, size_t *position,
			struct rsvp_policy_element *ret_element)
{
	size_t left = len - *position, element_len;
	const uint8_t *p = data + *position;

	if (left == 0)
		return 0;
	if (left < ELEMENT_HEADER_LEN)
		return -EBADMSG;
	element_len = get16(p);
	if (element_len < ELEMENT_HEADER_LEN || element_len % 4 != 0 || element_len > left)
		return -EBADMSG;
	*ret_element = (struct rsvp_policy_element){
		.type = get16(p + 2),
		.data = p + ELEMENT_HEADER_LEN,
		.len = element_len - ELEMENT_HEADER_LEN,
	};
	*position += element_len;
	return 1;
}

int rsvp_read_policy(const struct rsvp_object *object, struct rsvp_policy *ret_policy)
{
	struct rsvp_policy_element element;
	struct rsvp_policy policy;
	struct rsvp_object option;
	size_t offset, position = 0;
	int r;

	if (object->ctype != RSVP_CTYPE_ONLY)
		return -EPROTONOSUPPORT;
	if (object->len < FIXED_LEN)
		return -EBADMSG;
	offset = get16(object->data + 4);
	if (offset < FIXED_LEN || offset % 4 != 0 || offset > object->len)
		return -EBADMSG;
	policy = (struct rsvp_policy){
		.options = object->data + FIXED_LEN,
		.options_len = offset - FIXED_LEN,
		.elements = object->data + offset,
		.elements_len = object->len - offset,
	};
	while ((r = rsvp_object_next(policy.options, policy.options_len, &position, &option)) == 1)
		;
	if (r < 0)
		return r;
	position = 0;
	while ((r = element_next(policy.elements, policy.elements_len, &position, &element)) == 1)
		;
	if (r < 0)
		return r;
	*ret_policy = policy;
	return 0;
}

bool rsvp_policy_destination(const struct rsvp_policy *policy, struct address *ret_destination)
{
	struct rsvp_object object;
	struct rsvp_hop hop = { 0 };
	size_t position = 0;

	for (int i = 0; i < 2; i++) {
		if (rsvp_object_find(policy->options, policy->options_len, &position,
				     RSVP_CLASS_HOP, &object) != 1)
			return false;
	}
	(void)rsvp_read_hop(&object, &hop); /* one that cannot be read is nobody here */
	*ret_destination = hop.address;
	return true;
}

bool rsvp_policy_next(const struct rsvp_policy *policy, size_t *position,
		      struct rsvp_policy_element *ret_element)
{
	return element_next(policy->elements, policy->elements_len, position, ret_element) == 1;
}

static bool strategy_is_known(uint8_t strategy)
{
	return strategy >= RSVP_MERGE_HIGHEST_QOS && strategy <= RSVP_MERGE_EQUAL_ONLY;
}

int rsvp_read_preemption(const struct rsvp_policy_element *element,
			 struct rsvp_preemption *ret_preemption)
{
	struct rsvp_preemption preemption;

	if (element->len != PRIORITY_LEN)
		return -EBADMSG;
	preemption = (struct rsvp_preemption){
		.strategy = element->data[1],
		.error = element->data[2],
		.preemption = get16(element->data + 4),
		.defending = get16(element->data + 6),
	};
	if (!strategy_is_known(preemption.strategy) || preemption.preemption > preemption.defending)
		return -EBADMSG;
	*ret_preemption = preemption;
	return 0;
}

int rsvp_read_admission_priority(const struct rsvp_policy_element *element,
				 struct rsvp_admission_priority *ret_priority)
{
	if (element->len != PRIORITY_LEN || !strategy_is_known(element->data[1]))
		return -EBADMSG;
	*ret_priority = (struct rsvp_admission_priority){
		.strategy = element->data[1],
		.error = element->data[2],
		.priority = element->data[7],
	};
	return 0;
}

int rsvp_resource_next(const struct rsvp_policy_element *element, size_t *position,
		       uint16_t *ret_namespace, uint8_t *ret_value)
{
	const uint8_t *p = element->data + *position;

	if (element->len - *position < 4)
		return 0;
	*ret_namespace = get16(p);
	*ret_value = p[3];
	*position += 4;
	return 1;
}

int rsvp_attribute_next(const struct rsvp_policy_element *element, size_t *position,
			struct rsvp_attribute *ret_attribute)
{
	size_t left = element->len - *position, len;
	const uint8_t *p = element->data + *position;

	if (left == 0)
		return 0;
	if (left < ELEMENT_HEADER_LEN)
		return -EBADMSG;
	len = get16(p);
	if (len < ELEMENT_HEADER_LEN || padded(len) > left)
		return -EBADMSG;
	*ret_attribute = (struct rsvp_attribute){
		.type = p[2],
		.subtype = p[3],
		.value = p + ELEMENT_HEADER_LEN,
		.len = len - ELEMENT_HEADER_LEN,
	};
	*position += padded(len);
	return 1;
}

/* ---- making ---- */

static bool fits(size_t capacity, size_t len, size_t more)
{
	if (capacity > RSVP_MESSAGE_MAX)
		capacity = RSVP_MESSAGE_MAX;
	return len <= capacity && more <= capacity - len;
}

size_t rsvp_policy_begin(uint8_t *buf, size_t capacity, const uint8_t *options, size_t options_len)
{
	if (!fits(capacity, FIXED_LEN, options_len))
		return 0;
	memset(buf, 0, FIXED_LEN);
	put16(buf + 4, (uint16_t)(FIXED_LEN + options_len));
	if (options_len > 0)
		memcpy(buf + FIXED_LEN, options, options_len);
	return FIXED_LEN + options_len;
}

size_t rsvp_policy_add(uint8_t *buf, size_t capacity, size_t len, uint16_t type,
		       const uint8_t *data, size_t data_len)
{
	size_t element_len = ELEMENT_HEADER_LEN + padded(data_len);

	if (len == 0 || !fits(capacity, len, element_len))
		return 0;
	memset(buf + len, 0, element_len);
	put16(buf + len, (uint16_t)element_len);
	put16(buf + len + 2, type);
	if (data_len > 0)
		memcpy(buf + len + ELEMENT_HEADER_LEN, data, data_len);
	return len + element_len;
}

size_t rsvp_policy_add_preemption(uint8_t *buf, size_t capacity, size_t len,
				  const struct rsvp_preemption *preemption)
{
	uint8_t data[PRIORITY_LEN] = { 0, preemption->strategy, preemption->error };

	put16(data + 4, preemption->preemption);
	put16(data + 6, preemption->defending);
	return rsvp_policy_add(buf, capacity, len, RSVP_POLICY_PREEMPTION, data, sizeof(data));
}

size_t rsvp_policy_add_admission_priority(uint8_t *buf, size_t capacity, size_t len,
					  const struct rsvp_admission_priority *priority)
{
	const uint8_t data[PRIORITY_LEN] = {
		[1] = priority->strategy, [2] = priority->error, [7] = priority->priority
	};

	return rsvp_policy_add(buf, capacity, len, RSVP_POLICY_ADMISSION, data, sizeof(data));
}

size_t rsvp_attribute_add(uint8_t *buf, size_t capacity, size_t len, uint8_t type, uint8_t subtype,
			  const void *value, size_t value_len)
{
	size_t attribute_len = ELEMENT_HEADER_LEN + value_len;

	if (value_len > RSVP_MESSAGE_MAX || !fits(capacity, len, padded(attribute_len)))
		return 0;
	memset(buf + len, 0, padded(attribute_len));
	put16(buf + len, (uint16_t)attribute_len);
	buf[len + 2] = type;
	buf[len + 3] = subtype;
	if (value_len > 0)
		memcpy(buf + len + ELEMENT_HEADER_LEN, value, value_len);
	return len + padded(attribute_len);
}

size_t rsvp_policy_end(uint8_t *buf, size_t len)
{
	return len == 0 ? 0 : rsvp_encode_header(buf, len, RSVP_CLASS_POLICY_DATA, RSVP_CTYPE_ONLY);
}
