/* SPDX-License-Identifier: MIT */
/*
 * message.h: a received RSVP message, checked as a whole before anything is done about it (spec/rsvp.md §5,
 * §8.1, §16; RFC 2205 §3.1, RFC 2745, 2747, 2961, 3097). What it says is decoded; what is opaque, occurs often
 * or must go on unchanged is left in the message and looked at through iterators. Nothing is allocated.
 */
#ifndef GW_RSVP_MESSAGE_H
#define GW_RSVP_MESSAGE_H

#include "rsvp/intserv.h"

/* Why a message is not processed; each is counted on its own. */
enum rsvp_reason {
	RSVP_REASON_NONE,
	RSVP_REASON_VERSION,
	RSVP_REASON_CHECKSUM,
	RSVP_REASON_LENGTH, /* of the message */
	RSVP_REASON_TYPE,
	RSVP_REASON_OBJECT,	   /* length or contents of one */
	RSVP_REASON_UNKNOWN_CLASS, /* one to be rejected */
	RSVP_REASON_UNKNOWN_CTYPE,
	RSVP_REASON_ORDER,
	RSVP_REASON_MISSING,
	RSVP_REASON_FORBIDDEN, /* no such object in such a message */
	RSVP_REASON_REPEATED,
	RSVP_REASON_FAMILY, /* IPv4 with IPv6, or ports with SPIs */
	RSVP_REASON_PORTS,  /* of the sender, where the session has none */
	RSVP_REASON_STYLE,  /* one that is not known */
	RSVP_REASON_FLOWS,  /* not the descriptors of that style */
	RSVP_REASON_VALUE,  /* Tspec or Adspec */
	RSVP_REASON_LIMIT,
	RSVP_REASON_COUNT
};

const char *rsvp_reason_text(enum rsvp_reason reason);

struct rsvp_complaint {
	enum rsvp_reason reason;
	bool answer; /* with PathErr or ResvErr of this code and value; the message is decoded then */
	uint8_t code;
	uint16_t value;
	struct rsvp_object object; /* data NULL: it is not one object */
};

struct rsvp_limits {
	uint32_t flows; /* descriptors of a message */
	uint32_t scope; /* addresses */
	uint32_t kept;	/* objects of unknown classes that go on unchanged */
	uint32_t kept_bytes;
	uint32_t policy_bytes;
	bool require_checksum; /* else 0 means that there is none */
};

extern const struct rsvp_limits rsvp_limits_default;

#define RSVP_OBJECT_SLOTS (RSVP_CLASS_DIAG_SELECT + 1)

struct rsvp_message {
	const uint8_t *data; /* all of it */
	size_t len;
	uint8_t type; /* enum rsvp_type */
	uint8_t flags;
	uint8_t send_ttl;

	/* The first object of each class; data NULL: none. Of Path and Resv, what is decoded below. */
	struct rsvp_object object[RSVP_OBJECT_SLOTS];
	struct rsvp_object dclass;

	struct rsvp_session session;
	uint8_t session_flags;
	struct rsvp_hop hop;
	uint32_t refresh_ms;
	struct rsvp_error_spec error;
	struct address confirm;		/* receiver; AF_UNSPEC: none */
	struct rsvp_sender sender;	/* of the template; AF_UNSPEC: none */
	struct rsvp_sender_tspec tspec; /* Path */
	struct rsvp_adspec adspec;	/* Path, if it has one */
	enum rsvp_style style;
	struct rsvp_message_id message_id; /* if there is such an object */
	struct rsvp_integrity integrity;   /* the same */
	struct rsvp_challenge challenge;   /* the same */

	unsigned n_flows; /* that rsvp_flow_next() gives */
	unsigned n_kept;
	size_t flows_at; /* what comes behind STYLE */
};

/*
 * 0; or what is wrong is in *ret_complaint (written only then), and
 *  -EPROTONOSUPPORT: version or type is not known; -EBADMSG: malformed; -EMSGSIZE: above a limit;
 *  -EOPNOTSUPP: well-formed, but with something that is not known or not valid, to be answered.
 * *ret_message is only good after 0 and -EOPNOTSUPP. It points into `data`.
 */
int rsvp_message_parse(const uint8_t *data, size_t len, const struct rsvp_limits *limits,
		       struct rsvp_message *ret_message, struct rsvp_complaint *ret_complaint);

static inline bool rsvp_message_has(const struct rsvp_message *message, enum rsvp_class class_num)
{
	return message->object[class_num].data;
}

/* The next object of a class, from *position 0 on. */
bool rsvp_message_next(const struct rsvp_message *message, enum rsvp_class class_num,
		       size_t *position, struct rsvp_object *ret_object);

/* Objects of unknown classes that go on unchanged (R-017..R-020). */
bool rsvp_message_next_kept(const struct rsvp_message *message, size_t *position,
			    struct rsvp_object *ret_object);

/* The messages of a Bundle; each is then parsed on its own. */
bool rsvp_bundle_next(const struct rsvp_message *message, size_t *position,
		      const uint8_t **ret_data, size_t *ret_len);

/*
 * One reservation of a Resv, ResvTear, ResvErr or ResvConf: FF gives its own flowspec with each sender (the one
 * before, where it is left out), SE the same with each, WF one without a sender.
 */
struct rsvp_flow {
	struct rsvp_sender sender;			   /* AF_UNSPEC: every one */
	struct rsvp_flowspec flowspec;			   /* valid only without an error */
	struct rsvp_object flowspec_object, filter_object; /* data NULL: none */
	/* What is wrong with the flowspec: 21 and its sub-code; 0: nothing (or none is there). */
	uint8_t error_code;
	uint16_t error_value;
};

struct rsvp_flow_iter {
	size_t position;
	unsigned given;
	struct rsvp_flow flow;
};

/* Zero the iterator before the first call. */
bool rsvp_flow_next(const struct rsvp_message *message, struct rsvp_flow_iter *iter,
		    struct rsvp_flow *ret_flow);

#endif
