/* SPDX-License-Identifier: MIT */
/*
 * class.h: traffic classes and the marks they put on packets (spec/qwave.md §6.1), per profile.
 */
#ifndef GW_CORE_CLASS_H
#define GW_CORE_CLASS_H

#include <greenwave.h>
#include <stdbool.h>
#include <stdint.h>

/* What a packet gets. The shifted byte exists only where a header is written. */
struct mark {
	bool set_dscp;
	bool set_priority;
	bool tag;	  /* the priority goes into the frame too, in a tag of IEEE 802.1Q */
	uint8_t dscp;	  /* 0..63 */
	uint8_t priority; /* 802.1p user priority, also skb->priority: 0..7 */
};

#define DSCP_MAX 63
#define DSCP_NONE (-1) /* in a profile: the class leaves the field alone */

/* DSCP per class, DSCP_NONE or 0..63. */
struct mark_profile {
	int8_t dscp[GW_CLASS_COUNT];
};

/*
 * The classes under both profiles; the 802.1p column is the same for both (spec/qwave.md §6.1).
 *
 * | class            | windows (default) | rfc4594, and its service class there | 802.1p |
 * |------------------|-------------------|--------------------------------------|--------|
 * | best-effort      | -                 | -                                    | -      |
 * | background       | 8  (CS1)          | 8  (CS1), low-priority data §4.10    | 2      |
 * | excellent-effort | 40 (CS5)          | 18 (AF21), low-latency data §4.7     | 5      |
 * | audio-video      | 40 (CS5)          | 34 (AF41), multimedia conf. §4.3     | 5      |
 * | voice            | 56 (CS7)          | 46 (EF), telephony §4.1              | 7      |
 * | control          | 56 (CS7)          | 40 (CS5), signaling §4.2             | 7      |
 *
 * Control is CS5 and not CS6: RFC 4594 §3 keeps CS6 and CS7 for the network's own routing, and an
 * edge that follows it resets or drops them when they come from a host.
 */
extern const struct mark_profile mark_profile_windows;
extern const struct mark_profile mark_profile_rfc4594;

/* Finds "windows" or "rfc4594"; NULL if unknown. */
const struct mark_profile *mark_profile_find(const char *name);

bool class_is_valid(uint32_t traffic_class);
const char *class_name(enum gw_class traffic_class);
int class_parse(const char *name, enum gw_class *ret_class);

/* The mark of a class under a profile. */
struct mark class_mark(const struct mark_profile *profile, enum gw_class traffic_class);

/* The same with an explicit DSCP instead; 802.1p is unaffected (spec/qwave.md §5.5). */
struct mark class_mark_with_dscp(const struct mark_profile *profile, enum gw_class traffic_class,
				 uint8_t dscp);

/*
 * What excess packets get (spec/qwave.md §7.3): 0 in both fields, written, so that an application's
 * own mark does not promote them. Background keeps its own, since 0 would be a promotion; best
 * effort, which marks nothing, leaves the excess alone too.
 */
struct mark class_mark_nonconformant(const struct mark_profile *profile,
				     enum gw_class traffic_class);

#endif
