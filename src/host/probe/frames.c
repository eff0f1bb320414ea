/* SPDX-License-Identifier: MIT */
/*
 * frames.c: see frames.h. The socket is bound to the EtherType on all interfaces: only such frames are copied for it,
 * and of these a filter lets pass what is of the QoS diagnostics and for us. No interface becomes promiscuous.
 */
#include "host/probe/frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "host/probe/inbox.h"
#include "host/probe/stamp.h"
#include "host/probe/throttle.h"
#include "probe/lltd_wire.h"

#define SEND_BATCH 64
#define READS_PER_S 20000
#define ROOM_BYTES (1 << 20)

#define TAG_AT 12 /* behind the two addresses */
#define VERSION_AT 14
#define VERSION_AND_SERVICE 0x0102

struct frames {
	struct frames_options options;
	struct throttle throttle;
	struct inbox *inbox;
};

/* ---- opening ---- */

/* What is of another version or service (P-093), or was for somebody else, or was sent by us, is none of our business. */
static int attach_filter(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, PACKET_MULTICAST, 3, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, VERSION_AT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, VERSION_AND_SERVICE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, INBOX_PACKET_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

static void set_helpful(int fd, int level, int option, int value)
{
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

int frames_open(int *ret_fd)
{
	const struct sockaddr_ll any = { .sll_family = AF_PACKET,
					 .sll_protocol = htons(LLTD_ETHERTYPE) };
	/* Of no protocol, so that nothing comes before the filter is there. */
	_cleanup_(closep) int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return errno == EACCES ? -EPERM : -errno;
	r = attach_filter(fd);
	if (r < 0)
		return r;
	set_helpful(fd, SOL_PACKET, PACKET_AUXDATA, 1);
	set_helpful(fd, SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES);
	set_helpful(fd, SOL_SOCKET, SO_SNDBUFFORCE, ROOM_BYTES);
	(void)stamp_enable(fd);
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* ---- receiving ---- */

/* The tag that the interface or the kernel has taken out of the frame. */
static bool find_tag(struct msghdr *message, uint16_t *ret_tci)
{
	struct tpacket_auxdata aux;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    c->cmsg_len < CMSG_LEN(sizeof(aux)))
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		*ret_tci = aux.tp_vlan_tci;
		return aux.tp_status & TP_STATUS_VLAN_VALID;
	}
	return false;
}

_Static_assert(LLTD_TAG_LEN <= INBOX_HEADROOM, "a tag fits before a frame");

static uint8_t *put_tag_back(uint8_t *frame, uint16_t tci)
{
	const uint16_t tag[2] = { htons(ETH_P_8021Q), htons(tci) };

	memmove(frame - sizeof(tag), frame, TAG_AT);
	memcpy(frame - sizeof(tag) + TAG_AT, tag, sizeof(tag));
	return frame - sizeof(tag);
}

static void hand_in(void *user_data, const struct inbox_packet *packet)
{
	const struct frames *frames = user_data;
	const struct sockaddr_ll *source = packet->header->msg_name;
	uint8_t *frame = packet->data;
	size_t len = packet->len;
	uint16_t tci;

	if (len >= ETH_HLEN && find_tag(packet->header, &tci)) {
		frame = put_tag_back(frame, tci);
		len += LLTD_TAG_LEN;
	}
	frames->options.arrived(frames->options.user_data, (uint32_t)source->sll_ifindex, frame,
				len, packet->received_ns, packet->now_us);
}

static void on_readable(evutil_socket_t fd, short what, void *user_data)
{
	struct frames *frames = user_data;

	(void)what;
	inbox_read(frames->inbox, fd, &frames->throttle, hand_in, frames);
	frames->options.settled(frames->options.user_data, time_now_us());
}

/* ---- sending ---- */

static int send_some(struct frames *frames, uint32_t ifindex, const struct lltd_frame *items,
		     unsigned n)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(LLTD_ETHERTYPE),
				  .sll_ifindex = (int)ifindex };
	struct mmsghdr messages[SEND_BATCH] = { 0 };
	struct iovec iov[SEND_BATCH];
	unsigned i;
	int r;

	for (i = 0; i < n && i < SEND_BATCH; i++) {
		iov[i] = (struct iovec){ (void *)items[i].data, items[i].len };
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &to,
						       .msg_namelen = sizeof(to),
						       .msg_iov = &iov[i],
						       .msg_iovlen = 1 };
	}
	do
		r = sendmmsg(frames->options.fd, messages, i, MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

int frames_send(struct frames *frames, uint32_t ifindex, const struct lltd_frame *items, unsigned n)
{
	unsigned sent = 0;
	int r;

	while (sent < n) {
		r = send_some(frames, ifindex, items + sent, n - sent);
		if (r <= 0)
			return sent > 0 ? (int)sent : r;
		sent += (unsigned)r;
	}
	return (int)sent;
}

/* ---- life ---- */

struct frames *frames_free(struct frames *frames)
{
	if (!frames)
		return NULL;
	throttle_stop(&frames->throttle);
	inbox_free(frames->inbox);
	free(frames);
	return NULL;
}

DEFINE_CLEANUP(struct frames *, frames_free);

int frames_new(const struct frames_options *options, struct frames **ret_frames)
{
	_cleanup_(frames_freep) struct frames *frames = calloc(1, sizeof(*frames));
	int r;

	if (!frames)
		return -ENOMEM;
	frames->options = *options;
	frames->inbox = inbox_new();
	if (!frames->inbox)
		return -ENOMEM;
	r = throttle_start(&frames->throttle, options->base, options->fd, READS_PER_S, on_readable,
			   frames);
	if (r < 0)
		return r;
	*ret_frames = steal_ptr(&frames);
	return 0;
}

uint64_t frames_rests(const struct frames *frames)
{
	return frames->throttle.rests;
}
