/* SPDX-License-Identifier: MIT */
/*
 * writer.h: building an RSVP message in a buffer of the caller's, object by object, in the order in which they
 * are put: that of spec/rsvp.md §5. What does not fit is noted, and rsvp_writer_finish() says so once.
 *
 * INTEGRITY is put with room for the digest, which is computed over the finished message (integrity.h).
 */
#ifndef GW_RSVP_WRITER_H
#define GW_RSVP_WRITER_H

#include "rsvp/diag.h"
#include "rsvp/intserv.h"

struct rsvp_writer {
	uint8_t *buf;
	size_t capacity, len;
	bool overflow;
};

/* `capacity` of RSVP_MESSAGE_MAX is never too small to tell. */
void rsvp_writer_start(struct rsvp_writer *writer, uint8_t *buf, size_t capacity,
		       enum rsvp_type type, uint8_t flags, uint8_t send_ttl);

void rsvp_put_session(struct rsvp_writer *writer, const struct rsvp_session *session,
		      uint8_t flags);
void rsvp_put_hop(struct rsvp_writer *writer, const struct rsvp_hop *hop);
void rsvp_put_time_values(struct rsvp_writer *writer, uint32_t refresh_ms);
void rsvp_put_style(struct rsvp_writer *writer, enum rsvp_style style);
/* SENDER_TEMPLATE, SENDER_TSPEC (NULL: none) */
void rsvp_put_sender(struct rsvp_writer *writer, const struct rsvp_sender *sender,
		     const struct rsvp_sender_tspec *tspec);
void rsvp_put_flowspec(struct rsvp_writer *writer, const struct rsvp_flowspec *flowspec);
void rsvp_put_filter(struct rsvp_writer *writer, const struct rsvp_sender *sender);
void rsvp_put_error(struct rsvp_writer *writer, const struct rsvp_error_spec *error);
void rsvp_put_confirm(struct rsvp_writer *writer, const struct address *receiver);
/* In the order of their numbers, which is the caller's to see to; all of the first one's family. */
void rsvp_put_scope(struct rsvp_writer *writer, const struct address *senders, size_t n_senders);
void rsvp_put_dclass(struct rsvp_writer *writer, const uint8_t *dscps, size_t n_dscps);

void rsvp_put_message_id(struct rsvp_writer *writer, const struct rsvp_message_id *id);
/* RSVP_CTYPE_ACK or RSVP_CTYPE_NACK */
void rsvp_put_ack(struct rsvp_writer *writer, uint8_t ctype, const struct rsvp_message_id *id);
/* All of one kind of list; the addresses that it has are taken of each. */
void rsvp_put_id_list(struct rsvp_writer *writer, enum rsvp_list list, uint32_t epoch,
		      const struct rsvp_listed_id *ids, size_t n_ids);

/* `digest_len` zeros where the digest will be. */
void rsvp_put_integrity(struct rsvp_writer *writer, bool handshake,
			const uint8_t key_id[static RSVP_KEY_ID_LEN], uint64_t sequence,
			size_t digest_len);
void rsvp_put_challenge(struct rsvp_writer *writer, const struct rsvp_challenge *challenge);

void rsvp_put_diagnostic(struct rsvp_writer *writer, const struct rsvp_diagnostic *diagnostic);
void rsvp_put_route(struct rsvp_writer *writer, uint8_t pointer, const struct address *nodes,
		    size_t n_nodes);
void rsvp_put_diag_response(struct rsvp_writer *writer, const struct rsvp_diag_response *response);

/* A whole object as it came. */
void rsvp_put_object(struct rsvp_writer *writer, const struct rsvp_object *object);
/* Whole objects, or in a Bundle whole messages. */
void rsvp_put_raw(struct rsvp_writer *writer, const void *data, size_t len);

/* Sets length and checksum. 0 and the length, or -EMSGSIZE. */
int rsvp_writer_finish(struct rsvp_writer *writer, size_t *ret_len);

/* For who has changed a finished message. */
void rsvp_set_checksum(uint8_t *message, size_t len);

#endif
