/* SPDX-License-Identifier: MIT */
/* gqos_status.c: errors of RSVP (RFC 2205 appendix B) as Windows names them (spec/gqos.md §12.2, §14). */
#include "winqos/gqos_item.h"

/* Error codes of RSVP. */
enum {
	ADMISSION = 1,
	POLICY = 2,
	NO_PATH = 3,
	NO_SENDER = 4,
	CONFLICTING_STYLE = 5,
	UNKNOWN_STYLE = 6,
	DESTINATION_PORTS = 7,
	SENDER_PORTS = 8,
	AMBIGUOUS_FILTER = 9,
	PREEMPTED = 12,
	UNKNOWN_CLASS = 13,
	UNKNOWN_CTYPE = 14,
	API = 20,
	TRAFFIC_CONTROL = 21,
	TRAFFIC_CONTROL_SYSTEM = 22,
	RSVP_SYSTEM = 23
};

static ULONG admission_value(uint16_t value)
{
	switch (value) {
	case 1:
		return GQOS_DELAYBND;
	case 2:
		return GQOS_BANDWIDTH;
	case 3:
		return GQOS_MTU;
	case 0x8001:
		return GQOS_FLOW_RATE;
	case 0x8003:
		return GQOS_PEAK_RATE;
	default:
		return GQOS_OTHER;
	}
}

static ULONG policy_value(uint16_t value)
{
	ULONG named = GQOS_NET_POLICY + (ULONG)value;

	if (named > GQOS_POLICY_DO_NOT_SEND && named != GQOS_POLICY_ERROR_USERID)
		return GQOS_POLICY_ERROR_UNKNOWN;
	return named;
}

/* Values of a group count from its number; those that have no name are `other`. */
static ULONG numbered(ULONG group, uint16_t value, ULONG last, ULONG other)
{
	return value > 0 && group + value <= last ? group + value : other;
}

struct gqos_status gqos_status_of_error(uint8_t error_code, uint16_t error_value)
{
	switch (error_code) {
	case ADMISSION:
		return (struct gqos_status){ WSA_QOS_ADMISSION_FAILURE, GQOS_NET_ADMISSION,
					     admission_value(error_value) };
	case POLICY:
		return (struct gqos_status){ WSA_QOS_POLICY_FAILURE, GQOS_NET_POLICY,
					     policy_value(error_value) };
	case NO_PATH:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_RSVP, GQOS_NO_PATH };
	case NO_SENDER:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_RSVP, GQOS_NO_SENDER };
	case CONFLICTING_STYLE:
		return (struct gqos_status){ WSA_QOS_BAD_STYLE, GQOS_RSVP, GQOS_BAD_STYLE };
	case UNKNOWN_STYLE:
		return (struct gqos_status){ WSA_QOS_BAD_STYLE, GQOS_RSVP, GQOS_UNKNOWN_STYLE };
	case DESTINATION_PORTS:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_RSVP, GQOS_BAD_DSTPORT };
	case SENDER_PORTS:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_RSVP, GQOS_BAD_SNDPORT };
	case AMBIGUOUS_FILTER:
		return (struct gqos_status){ WSA_QOS_BAD_OBJECT, GQOS_RSVP, GQOS_AMBIG_FILTER };
	case PREEMPTED:
		return (struct gqos_status){ WSA_QOS_ADMISSION_FAILURE, GQOS_RSVP, GQOS_PREEMPTED };
	case UNKNOWN_CLASS:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_RSVP,
					     GQOS_UNKN_OBJ_CLASS };
	case UNKNOWN_CTYPE:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_RSVP, GQOS_UNKNOWN_CTYPE };
	case API:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_API,
					     numbered(GQOS_API, error_value, GQOS_API_BADSPORT,
						      GQOS_API) };
	case TRAFFIC_CONTROL:
		return (struct gqos_status){ WSA_QOS_TRAFFIC_CTRL_ERROR, GQOS_KERNEL_TC,
					     numbered(GQOS_KERNEL_TC, error_value, GQOS_BAD_ADSPEC,
						      GQOS_KERNEL_TC) };
	case TRAFFIC_CONTROL_SYSTEM:
		return (struct gqos_status){ WSA_QOS_TRAFFIC_CTRL_ERROR, GQOS_KERNEL_TC_SYS,
					     numbered(GQOS_KERNEL_TC_SYS, error_value,
						      GQOS_NO_SYS_RESOURCES, GQOS_TC_GENERIC) };
	case RSVP_SYSTEM:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_RSVP_SYS,
					     numbered(GQOS_RSVP_SYS, error_value,
						      GQOS_SETQOS_NO_LOCAL_APPS, GQOS_OTHER_SYS) };
	default:
		return (struct gqos_status){ WSA_QOS_GENERIC_ERROR, GQOS_ERRORCODE_UNKNOWN,
					     GQOS_ERRORVALUE_UNKNOWN };
	}
}
