/* SPDX-License-Identifier: MIT */
/*
 * admission.h: the books of what is reserved, per link and class, and the answer to whether more fits.
 * Whoever reserves bandwidth of a link asks here: RSVP for its reservations, the engine for flows.
 *
 * A link that was handed over is enforced: what is reserved on it stays within its reservable share
 * (`link eth0 { rate = ... reservable = 75% }`). Any other link is unenforced: everything is accepted,
 * and booked all the same.
 *
 * A holding is one reservation. It lies in whatever owns it (a flow, an RSVP reservation) and names the
 * link that it is booked on, so that committing allocates nothing and releasing needs no search. The books
 * of a link are at all times the sums of its holdings.
 *
 * The rate or the share of a link may change with reservations in force, and a link may be given back or
 * disappear. No holding is ever touched for that: the books then say how much is reserved beyond the limit,
 * nothing new fits until that is gone, and who is to go is for the owners to decide. A holding may always
 * be made smaller.
 *
 * Rates are bits per second of the link: the owner has accounted for overhead (core/rate.h).
 */
#ifndef GW_ENGINE_ADMISSION_H
#define GW_ENGINE_ADMISSION_H

#include <greenwave.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct admission;
struct admission_link;

/* What bandwidth is reserved for: traffic classes keep their numbers, IntServ's services follow. */
#define ADMISSION_CONTROLLED_LOAD GW_CLASS_COUNT
#define ADMISSION_GUARANTEED (GW_CLASS_COUNT + 1)
#define ADMISSION_CLASS_COUNT (GW_CLASS_COUNT + 2)

#define ADMISSION_SHARE_DEFAULT 75 /* percent */

/* 10 Tbit/s, of one holding: more than a million of them can be summed in 64 bits many times over. */
#define ADMISSION_RATE_MAX_BPS UINT64_C(10000000000000)

/* Who set a value. */
enum admission_setter {
	ADMISSION_SET_BY_DEFAULT,	/* nobody: the built-in value */
	ADMISSION_SET_BY_CONFIGURATION, /* the administrator */
};

/* What a request can break. */
enum admission_rule {
	ADMISSION_RULE_RATE,  /* it is faster than the link */
	ADMISSION_RULE_SHARE, /* with what is reserved already, it exceeds the reservable share */
	ADMISSION_RULE_USER, /* with what its user has reserved, it exceeds the share of one user */
};

struct admission_refusal {
	enum admission_rule rule;
	enum admission_setter set_by; /* the limit */
	uint64_t limit_bps;
	uint64_t asked_bps;
	uint64_t reserved_bps; /* by others; of ADMISSION_RULE_USER by other flows of the user */
	uint32_t share; /* percent: of the link's rate, or of what is reservable there (USER) */
};

struct admission_link_config {
	uint64_t rate_bps; /* always the administrator's */
	uint32_t share;	   /* percent that may be reserved */
	enum admission_setter share_set_by;
};

/* One reservation. All zero: holds nothing. Its owner must release it before it goes. */
struct admission_holding {
	struct admission_link *link;
	uint64_t rate_bps;
	uint32_t traffic_class; /* < ADMISSION_CLASS_COUNT */
};

struct admission_books {
	bool enforced;
	uint64_t rate_bps;	/* of the link; 0 if not enforced */
	uint64_t limit_bps;	/* what may be reserved; 0 if not enforced */
	uint64_t reserved_bps;	/* sum of all classes */
	uint64_t available_bps; /* what is left; 0 if not enforced */
	uint64_t over_bps;	/* reserved beyond the limit: over-committed */
	uint64_t class_bps[ADMISSION_CLASS_COUNT];
	uint32_t class_holdings[ADMISSION_CLASS_COUNT];
	uint32_t holdings;
	uint64_t committed, refused, released; /* since the link is known here */
};

/* NULL if memory is short. */
struct admission *admission_new(void);

/* All holdings must have been released. Accepts NULL, returns it. */
struct admission *admission_free(struct admission *admission);

/*
 * Enforces limits on a link from now on, or changes them. Holdings stay; whether they now exceed the limit
 * is in admission_books(). -EINVAL: rate 0, or a share above 100 %. -ERANGE: a rate above
 * ADMISSION_RATE_MAX_BPS. -ENOMEM. After an error the link is as it was.
 */
int admission_link_enforce(struct admission *admission, uint32_t ifindex,
			   const struct admission_link_config *config);

/* The link was given back, or is gone: no limits any more. Forgotten as soon as nothing is booked on it. */
void admission_link_release(struct admission *admission, uint32_t ifindex);

/*
 * Would it fit? What `holding` has is not counted against it (NULL: it has nothing). Nothing is booked.
 * 0; -EDQUOT: no, and *ret_refusal says why (it may be NULL); -EINVAL: no such class, rate 0, no link;
 * -ERANGE: a rate above ADMISSION_RATE_MAX_BPS.
 */
int admission_ask(struct admission *admission, uint32_t ifindex, uint32_t traffic_class,
		  uint64_t rate_bps, const struct admission_holding *holding,
		  struct admission_refusal *ret_refusal);

/*
 * Books it, in place of whatever the holding has, on this link or another, at once. Errors are those of
 * admission_ask(), counted if they are refusals, and -ENOMEM; after one the holding is as it was. Less than
 * it has on the link already is never refused, nor is a change of its class alone.
 */
int admission_commit(struct admission *admission, uint32_t ifindex, uint32_t traffic_class,
		     uint64_t rate_bps, struct admission_holding *holding,
		     struct admission_refusal *ret_refusal);

/* Gives back what the holding has. Idempotent. */
void admission_release(struct admission *admission, struct admission_holding *holding);

/* The link of a holding, or 0. */
uint32_t admission_holding_ifindex(const struct admission_holding *holding);

/* An unknown link has empty books. */
void admission_books(const struct admission *admission, uint32_t ifindex,
		     struct admission_books *ret_books);

/* The smallest interface index above `after` that has books, or 0. */
uint32_t admission_next_link(const struct admission *admission, uint32_t after);

/*
 * "30000000 bit/s asked; 50000000 of 75000000 bit/s are reserved already; reservable = 75% of the link
 * (default)"; returns `buf`.
 */
#define ADMISSION_TEXT_LEN 160
const char *admission_refusal_format(const struct admission_refusal *refusal,
				     char buf[static ADMISSION_TEXT_LEN]);

#endif
