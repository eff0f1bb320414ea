/* SPDX-License-Identifier: MIT */
/*
 * conformance.h: what the parts of qwave_conformance share: a table of checklist items
 * (spec/qwave.md §17), the statements that an item is made of, and sockets on loopback whose
 * received marks can be read.
 *
 * Every call is made through EXPECT_TRUE or EXPECT_FAIL. They also prove, for every function and
 * each time, that success is exactly 1 and leaves the last error alone, and that failure is exactly
 * 0 and shows the same code in GetLastError() and WSAGetLastError().
 */
#ifndef QWAVE_CONFORMANCE_H
#define QWAVE_CONFORMANCE_H

#include <qos2.h>
#include <stdbool.h>

struct item {
	const char *id; /* "Q-001" */
	const char *title;
	void (*run)(void);
};

/* Tables, each ended by an item without a name. */
extern const struct item handle_items[], add_items[], remove_items[], marking_items[], set_items[],
	rate_items[], query_items[], notify_items[], enumerate_items[], board_items[];

/* ---- statements ---- */

#define SENTINEL 0xdeadbeef

/* A failure ends the item. */
void item_failed(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
/* So does a reason why it cannot be judged here. */
void item_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
unsigned item_number(void); /* of the one that runs: 147 of Q-147 */

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition))                                          \
			item_failed(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

#define CHECK_EQUAL(a, b)                                                                    \
	do {                                                                                 \
		long long a_ = (long long)(a), b_ = (long long)(b);                          \
		if (a_ != b_)                                                                \
			item_failed(__FILE__, __LINE__, "%s is %lld, not %lld", #a, a_, b_); \
	} while (0)

void expect_result(const char *file, int line, const char *call, BOOL result, DWORD error);

#define EXPECT_FAIL(call, error)                                           \
	do {                                                               \
		SetLastError(SENTINEL);                                    \
		expect_result(__FILE__, __LINE__, #call, (call), (error)); \
	} while (0)
#define EXPECT_TRUE(call) EXPECT_FAIL(call, 0)

/* ---- the world ---- */

extern bool long_run;	  /* --long: items last as long as the checklist says */
bool is_embedded(void);	  /* marks are of whole sockets, and other processes' flows unknown */
bool is_privileged(void); /* an administrator in the sense of §13 */
double clock_seconds(void);

/* Owned by the item: closed when it ends. */
HANDLE new_handle(void);
HANDLE new_event(BOOL manual_reset);
int keep(int fd);

struct sink { /* a bound UDP socket that reads marks */
	int fd;
	socklen_t length;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
};

struct sink new_sink(int family); /* on 127.0.0.1 or ::1; skips if there is none */
struct sink new_sink_at(const char *address);
/*
 * No sink, but the address of a host on the link that answers nothing, so that what is to be known of the path stays
 * unknown for the time of discovery. Each item has its own, which was not known to be silent before: its number in
 * $GW_SILENT_NET, an IPv4 network of 256. Skips if that is not set.
 */
struct sink silent_host(void);
PSOCKADDR address_of(struct sink *sink);
struct sockaddr_in6 mapped(const struct sink *sink); /* as an AF_INET6 socket sees it */

int udp_socket(int family);
int connected_socket(const struct sink *sink);
int tcp_listener(struct sockaddr_in *ret_address);

/* Sends a datagram, to the peer or explicitly; the TOS or traffic class byte of what arrived. */
int byte_received(struct sink *sink);
int byte_sent(int fd, struct sink *sink);
int byte_sent_to(int fd, struct sink *sink, const void *address, socklen_t length);
#define DSCP(byte) ((byte) >> 2)

/*
 * TCP packets on loopback to or from a port (in network order), as a raw socket sees them: IPv4
 * only. Skips the item where raw sockets are not permitted.
 */
enum capture_kind {
	CAPTURE_SYN,
	CAPTURE_ACK, /* nothing but an acknowledgement */
	CAPTURE_DATA
};

struct capture {
	int fd;
	in_port_t port;
	bool from; /* the port is the sender's */
};

struct capture new_capture(in_port_t port, bool from);
int captured_byte(struct capture *capture,
		  enum capture_kind kind); /* of the next one of that kind */

/* A flow of its own, added or the item fails. */
QOS_FLOWID add_flow(HANDLE h, int fd, PSOCKADDR to, QOS_TRAFFIC_TYPE type, DWORD flags);
BOOL set_type(HANDLE h, QOS_FLOWID id, int type);
BOOL set_dscp(HANDLE h, QOS_FLOWID id, DWORD dscp);
BOOL set_rate(HANDLE h, QOS_FLOWID id, UINT64 bandwidth, int shaping, int reason);
BOOL query_rate(HANDLE h, QOS_FLOWID id, UINT64 *ret_rate);
BOOL query_priority(HANDLE h, QOS_FLOWID id, QOS_PACKET_PRIORITY *ret_priority);

/* ---- other processes ---- */

/*
 * Runs this program again in another role, with its standard input and output connected to ours.
 * Roles and their words are in roles.c.
 */
struct child {
	int pid;
	int in, out;
};

struct child start_child(const char *role, const char *argument);
/* Reads one line without its end; fails the item if none comes. */
void child_line(struct child *child, char *line, int size);
/* Closes its standard input, or kills it; waits for it. */
int end_child(struct child *child, bool kill_it);
/* Runs a role to its end: 0, or what it complained of. Exit status 77 skips the item. */
void run_child(const char *role, const char *argument);

int role_main(int argc, char **argv);

#endif
