/* SPDX-License-Identifier: MIT */
/*
 * winsock_template.c: templates by name, under their Winsock names (spec/gqos.md §7.8, §7.9): WSAGetQOSByName() and its
 * provider's form, and the three functions of qosname.h. Names come in bytes or in 16 bits a character.
 */
#include <errno.h>
#include <qosname.h>
#include <stdlib.h>
#include <string.h>
#include <ws2spi.h>

#include "winqos/errmap.h"
#include "winqos/socket_table.h"
#include "winqos/template_store.h"
#include "winqos/winsock.h"

enum width { BYTES = 1, WORDS = 2 };

/* ---- names ---- */

static unsigned char_at(const WSABUF *buffer, size_t i, enum width width)
{
	USHORT word;

	if (width == BYTES)
		return (unsigned char)buffer->buf[i];
	memcpy(&word, buffer->buf + i * width, sizeof(word));
	return word;
}

/* Up to its end, or that of the buffer; false for one that no template can have. */
static bool read_name(const WSABUF *buffer, enum width width, char *ret_name)
{
	size_t n = 0;

	for (; n < buffer->len / width; n++) {
		unsigned c = char_at(buffer, n, width);

		if (c == 0)
			break;
		if (n == TEMPLATE_NAME_MAX || c > (width == BYTES ? 0xffu : 0x7fu))
			return false;
		ret_name[n] = (char)c;
	}
	ret_name[n] = '\0';
	return true;
}

/* Names of one byte a character have no zero in second place, or end there. */
static enum width width_of(const WSABUF *buffer)
{
	return buffer->len >= 2 && buffer->len % 2 == 0 && buffer->buf[0] && !buffer->buf[1]
		       ? WORDS
		       : BYTES;
}

/* ---- finding ---- */

/* Installed ones go before those that are built in. */
static int find(const char *name, struct template *ret_template)
{
	int r = template_load(name, ret_template);

	if (r < 0 && template_builtin(name, ret_template))
		return 0;
	return r == -ENOENT ? WSAEINVAL : r < 0 ? (int)errmap_winsock(r) : 0;
}

struct listing {
	WSABUF *buffer;
	enum width width;
	size_t used; /* characters */
	bool full;
};

static void put_char(const struct listing *listing, size_t at, unsigned char c)
{
	const USHORT word = c;

	if (listing->width == BYTES)
		listing->buffer->buf[at] = (char)c;
	else
		memcpy(listing->buffer->buf + at * WORDS, &word, sizeof(word));
}

/* With its end, and room for that of the list. */
static void put_name(struct listing *listing, const char *name)
{
	size_t length = strlen(name);

	if (listing->used + length + 2 > listing->buffer->len / listing->width)
		listing->full = true;
	if (listing->full)
		return;
	for (size_t i = 0; i <= length; i++)
		put_char(listing, listing->used + i, (unsigned char)name[i]);
	listing->used += length + 1;
}

static bool is_builtin(const char *name)
{
	struct template unused;

	return template_builtin(name, &unused);
}

static int list(WSABUF *buffer, enum width width)
{
	struct listing listing = { .buffer = buffer, .width = width };
	const char *builtin;
	char **names;
	size_t n;

	for (size_t i = 0; (builtin = template_builtin_name(i)); i++)
		put_name(&listing, builtin);
	n = template_list(&names);
	for (size_t i = 0; i < n; i++) {
		if (!is_builtin(names[i]))
			put_name(&listing, names[i]);
		free(names[i]);
	}
	free(names);
	if (listing.used == 0)
		return WSAENOBUFS;
	put_char(&listing, listing.used, '\0');
	return 0;
}

static void fill_flowspecs(const struct template *template, QOS *qos)
{
	qos->SendingFlowspec = template->sending;
	qos->ReceivingFlowspec = template->receiving;
}

/* The caller says how much room for objects there is; they are copied whole or not at all. */
static bool fill_objects(const struct template *template, WSABUF *buffer)
{
	if (template->objects_length > 0 &&
	    (buffer->len < template->objects_length || !buffer->buf))
		return false;
	if (template->objects_length > 0)
		memcpy(buffer->buf, template->objects, template->objects_length);
	buffer->len = template->objects_length;
	return true;
}

static int get_by_name(SOCKET s, WSABUF *name, QOS *qos, enum width width)
{
	char text[TEMPLATE_NAME_MAX + 1];
	struct template template;
	int error;

	if (!winsock_is_started())
		return WSANOTINITIALISED;
	if (winsock_fd(s) < 0)
		return WSAENOTSOCK;
	if (!name || !name->buf)
		return WSAEFAULT;
	if (!socket_is_qos((int)s))
		return WSAENOPROTOOPT;
	if (!qos)
		return list(name, width);
	if (!read_name(name, width, text))
		return WSAEINVAL;
	if (!*text)
		return list(name, width);
	error = find(text, &template);
	if (error)
		return error;
	fill_flowspecs(&template, qos);
	if (!fill_objects(&template, &qos->ProviderSpecific))
		qos->ProviderSpecific.len = 0;
	return 0;
}

BOOL WSAAPI WSAGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS)
{
	int error = get_by_name(s, lpQOSName, lpQOS, BYTES);

	return error ? fail_with((DWORD)error) : TRUE;
}

BOOL WSPAPI WSPGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno)
{
	int error = get_by_name(s, lpQOSName, lpQOS, WORDS);

	if (error && lpErrno)
		*lpErrno = error;
	return !error;
}

/* ---- installing ---- */

/* That of the QoS entries of the catalog. */
static bool is_provider(const GUID *id)
{
	WSAPROTOCOL_INFOA entries[16];
	DWORD size = sizeof(entries);
	int n = WSAEnumProtocolsA(NULL, entries, &size);

	for (int i = 0; i < n; i++) {
		if ((entries[i].dwServiceFlags1 & XP1_QOS_SUPPORTED) &&
		    memcmp(&entries[i].ProviderId, id, sizeof(*id)) == 0)
			return true;
	}
	return false;
}

/* What all three check first. */
static int begin(const GUID *provider, const WSABUF *name, char *ret_name)
{
	if (!name || !name->buf)
		return WSAEFAULT;
	if (provider && !is_provider(provider))
		return WSAEINVAL;
	return read_name(name, width_of(name), ret_name) && *ret_name ? 0 : WSAEINVAL;
}

static int error_of(int r)
{
	switch (r) {
	case 0:
		return 0;
	case -EROFS: /* no more permitted than where the folder is another's */
		return WSAEACCES;
	case -ENAMETOOLONG:
		return WSAEINVAL;
	default:
		return (int)errmap_winsock(r);
	}
}

BOOL WSAAPI WSCInstallQOSTemplate(const LPGUID lpProviderId, LPWSABUF lpQOSName, LPQOS lpQOS)
{
	char name[TEMPLATE_NAME_MAX + 1];
	struct template template;
	int error;

	if (!lpQOS)
		return fail_with(WSAEFAULT);
	error = begin(lpProviderId, lpQOSName, name);
	if (!error)
		error = template_make(name, lpQOS, &template);
	if (!error)
		error = error_of(template_save(&template));
	return error ? fail_with((DWORD)error) : TRUE;
}

BOOL WSAAPI WSCRemoveQOSTemplate(const LPGUID lpProviderId, LPWSABUF lpQOSName)
{
	char name[TEMPLATE_NAME_MAX + 1];
	int error = begin(lpProviderId, lpQOSName, name), r;

	if (error)
		return fail_with((DWORD)error);
	r = template_delete(name);
	if (r == -ENOENT)
		error = is_builtin(name) ? WSAEINVAL : WSANO_DATA;
	else
		error = error_of(r);
	return error ? fail_with((DWORD)error) : TRUE;
}

INT WSAAPI WPUGetQOSTemplate(const LPGUID lpProviderId, LPWSABUF lpQOSName, LPQOS lpQOS)
{
	char name[TEMPLATE_NAME_MAX + 1];
	struct template template;
	int error;

	if (!lpQOS) {
		fail_with(WSAEFAULT);
		return SOCKET_ERROR;
	}
	error = begin(lpProviderId, lpQOSName, name);
	if (!error)
		error = find(name, &template);
	if (!error && !fill_objects(&template, &lpQOS->ProviderSpecific)) {
		lpQOS->ProviderSpecific.len = template.objects_length;
		error = WSAENOBUFS;
	}
	if (error) {
		fail_with((DWORD)error);
		return SOCKET_ERROR;
	}
	fill_flowspecs(&template, lpQOS);
	return 0;
}
