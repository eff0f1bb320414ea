# SPDX-License-Identifier: MIT
"""What arrived at the far end of a cable: every frame, taken from the interface itself.

The frames are judged here field by field, and by tshark from a capture file (`Wire.tshark`).
"""
import dataclasses
import ipaddress
import os
import select
import socket
import struct
import subprocess
import tempfile
import time

from netns import PATIENCE_S, TIME_FACTOR

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SNAP_LEN = 70000
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER_BYTES = 64 << 20

# What a datagram of stream.c begins with: its number, and when it was sent.
STAMP = struct.Struct('=4sIq')


def ones_complement_sum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


@dataclasses.dataclass
class Packet:
    """One IP packet. `sound` says whether the checksum of the IPv4 header is right. `time` is the kernel's."""
    frame: bytes
    time: float
    version: int = 0
    dscp: int = -1
    ecn: int = -1
    source: str = ''
    destination: str = ''
    protocol: int = 0
    flow_label: int = 0
    fragment_offset: int = 0
    more_fragments: bool = False
    identification: int = 0
    sound: bool = True
    sport: int = 0
    dport: int = 0
    tcp_flags: str = ''
    payload: bytes = b''

    @property
    def ip_bytes(self):
        return len(self.frame) - 14

    @property
    def stamp(self):
        """(number, seconds from sending to arrival) of a datagram of stream.c, else None."""
        if self.payload[:4] != b'GWst':
            return None
        _, number, sent_ns = STAMP.unpack_from(self.payload)
        return number, self.time - sent_ns / 1e9

    def __repr__(self):
        return (f'<{"tcp" if self.protocol == 6 else self.protocol} {self.source}:{self.sport} -> '
                f'{self.destination}:{self.dport} dscp {self.dscp} ecn {self.ecn} {self.tcp_flags} '
                f'{self.payload[:16]!r}>')


def parse(frame, when=0.0):
    """The packet in an Ethernet frame, or None if it is not IP."""
    ethertype = struct.unpack('!H', frame[12:14])[0]
    packet = Packet(frame, when)
    if ethertype == 0x0800:
        _parse_ipv4(frame[14:], packet)
    elif ethertype == 0x86dd:
        _parse_ipv6(frame[14:], packet)
    else:
        return None
    return packet


def _parse_ipv4(data, packet):
    header_len = (data[0] & 15) * 4
    total, packet.identification, fragment = struct.unpack('!HHH', data[2:8])
    packet.version = 4
    packet.dscp, packet.ecn = data[1] >> 2, data[1] & 3
    packet.more_fragments = bool(fragment & 0x2000)
    packet.fragment_offset = (fragment & 0x1fff) * 8
    packet.protocol = data[9]
    packet.source = socket.inet_ntop(socket.AF_INET, data[12:16])
    packet.destination = socket.inet_ntop(socket.AF_INET, data[16:20])
    packet.sound = ones_complement_sum(data[:header_len]) == 0xffff
    # A segment cut by the network card has no total length yet.
    body = data[header_len:total] if total else data[header_len:]
    _parse_transport(body, packet)


def _parse_ipv6(data, packet):
    word, payload_len, following = struct.unpack('!IHB', data[:7])
    traffic_class = word >> 20 & 255
    packet.version = 6
    packet.dscp, packet.ecn = traffic_class >> 2, traffic_class & 3
    packet.flow_label = word & 0xfffff
    packet.source = socket.inet_ntop(socket.AF_INET6, data[8:24])
    packet.destination = socket.inet_ntop(socket.AF_INET6, data[24:40])
    body = data[40:40 + payload_len] if payload_len else data[40:]
    if following == 44:
        following, fragment, packet.identification = struct.unpack('!BxHI', body[:8])
        packet.fragment_offset = fragment & 0xfff8
        packet.more_fragments = bool(fragment & 1)
        body = body[8:]
    packet.protocol = following
    _parse_transport(body, packet)


def _parse_transport(body, packet):
    if packet.fragment_offset:
        packet.payload = body
    elif packet.protocol == socket.IPPROTO_UDP and len(body) >= 8:
        packet.sport, packet.dport = struct.unpack('!HH', body[:4])
        packet.payload = body[8:]
    elif packet.protocol == socket.IPPROTO_TCP and len(body) >= 20:
        packet.sport, packet.dport = struct.unpack('!HH', body[:4])
        flags = body[13]
        packet.tcp_flags = ''.join(name for bit, name in enumerate('FSRPAUEC') if flags >> bit & 1)
        packet.payload = body[(body[12] >> 4) * 4:]
    else:
        packet.payload = body


class Wire:
    """Listens on an interface of a host from now on. Only what arrives there counts, not what it sends."""

    def __init__(self, host, interface):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, ETH_P_ALL))
        # Thousands of packets may come before somebody looks: more than unprivileged sockets may keep.
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        self.packets = []

    def clear(self):
        self._take()
        self.packets.clear()

    def _take(self):
        while True:
            try:
                frame, ancillary, _, address = self.socket.recvmsg(SNAP_LEN, 64)
            except BlockingIOError:
                return
            if address[2] == PACKET_OUTGOING:
                continue
            seconds, nanoseconds = struct.unpack('qq', ancillary[0][2])
            packet = parse(frame, seconds + nanoseconds / 1e9)
            if packet:
                self.packets.append(packet)

    def wait(self, match, count=1, timeout=PATIENCE_S):
        """The packets that match, as soon as there are `count`; fails if they do not come."""
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while True:
            self._take()
            found = [packet for packet in self.packets if match(packet)]
            if len(found) >= count:
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(f'{len(found)} of {count} packets arrived, among {self.packets[-8:]}')
            select.select([self.socket], [], [], left)

    def with_payload(self, payload, count=1, timeout=PATIENCE_S):
        return self.wait(lambda packet: payload in packet.payload, count, timeout)

    def settle(self, seconds=0.05):
        """Everything that has arrived, and does within a moment."""
        time.sleep(seconds * TIME_FACTOR)
        self._take()
        return list(self.packets)

    def tshark(self, *fields, options=()):
        """What tshark reads in the packets kept so far."""
        return tshark(self.packets, *fields, options=options)

    def close(self):
        self.socket.close()


def tshark(packets, *fields, options=()):
    """What tshark reads in packets: a list of tuples, one for each."""
    with tempfile.NamedTemporaryFile(suffix='.pcap') as file:
        file.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, SNAP_LEN, 1))
        for packet in packets:
            seconds = int(packet.time)
            file.write(struct.pack('<IIII', seconds, int((packet.time - seconds) * 1e6),
                                   len(packet.frame), len(packet.frame)) + packet.frame)
        file.flush()
        command = ['tshark', '-n', '-r', file.name, '-T', 'fields', *options]
        for field in fields:
            command += ['-e', field]
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=30 * TIME_FACTOR,
                              env=dict(os.environ, LD_PRELOAD=''))
    return [tuple(line.split('\t')) for line in done.stdout.splitlines()]


def is_ipv6(address):
    return ipaddress.ip_address(address.partition('%')[0]).version == 6
