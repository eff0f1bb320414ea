/* SPDX-License-Identifier: MIT */
/*
 * template.h: templates of QoS by name (spec/gqos.md §7.8, §7.9, §15): those that are built in, and how the text of an
 * installed one is read and written. Without a system call.
 */
#ifndef GW_WINQOS_TEMPLATE_H
#define GW_WINQOS_TEMPLATE_H

#include <stdbool.h>
#include <winsock2.h>

#define TEMPLATE_NAME_MAX 64 /* bytes, without the end */
#define TEMPLATE_OBJECTS_MAX 4096
#define TEMPLATE_TEXT_MAX 16384

struct template
{
	char name[TEMPLATE_NAME_MAX + 1];
	FLOWSPEC sending, receiving;
	ULONG objects_length;
	unsigned char objects[TEMPLATE_OBJECTS_MAX];
};

/* Whether these are names of one template; case does not matter. */
bool template_is_named(const char *a, const char *b);

/* Built in, in the order in which they are listed; NULL beyond the last. */
const char *template_builtin_name(size_t i);

/* False if none of that name is built in. */
bool template_builtin(const char *name, struct template *ret_template);

/*
 * 0 or the Winsock value of an error: what may be installed. Objects that point somewhere would point nowhere in
 * another process.
 */
int template_make(const char *name, const QOS *qos, struct template *ret_template);

/* The text that stands for it. Returns its length; `text` has TEMPLATE_TEXT_MAX bytes. */
size_t template_write(const struct template *template, char *text);

/* -EBADMSG for text that is no template, which may be anything. */
int template_read(const char *text, size_t length, struct template *ret_template);

#endif
