# SPDX-License-Identifier: MIT
"""RSVP by hand (RFC 2205, RFC 2210): messages are put together and taken apart here byte by byte, without a line
of the code under test, and sent and received by raw sockets of a host."""
import dataclasses
import ipaddress
import re
import shutil
import socket
import struct
import time

from netns import PATIENCE_S, TIME_FACTOR
from packets import ones_complement_sum

PROTOCOL = 46
PATH, RESV, PATH_ERR, RESV_ERR, PATH_TEAR, RESV_TEAR, RESV_CONF = range(1, 8)
DREQ, DREP, SREFRESH = 8, 9, 15
SESSION, HOP, INTEGRITY, TIME_VALUES, ERROR_SPEC, SCOPE, STYLE, FLOWSPEC = 1, 3, 4, 5, 6, 7, 8, 9
FILTER_SPEC, SENDER_TEMPLATE, SENDER_TSPEC, ADSPEC, RESV_CONFIRM, DIAG_RESPONSE = 10, 11, 12, 13, 15, 32
WF, FF, SE = 0x11, 0x0a, 0x12
ALERT4 = b'\x94\x04\0\0'
ALERT6 = b'\x05\x02\0\x01'  # value 1: RSVP
INFINITY = float('inf')
IPV6_FREEBIND = 78

UDP = socket.IPPROTO_UDP


# ---- objects ----

def obj(number, ctype, body):
    return struct.pack('!HBB', 4 + len(body), number, ctype) + body


def family(address):
    return 2 if ':' in address else 1


def packed(address):
    return ipaddress.ip_address(address).packed


def session(destination, port, protocol=UDP):
    return obj(SESSION, family(destination), packed(destination) + struct.pack('!BBH', protocol, 0, port))


def ipsec_session(destination, virtual_port, protocol):
    """RFC 2207: of packets with an SPI in the place of ports."""
    return obj(SESSION, family(destination) + 2, packed(destination) +
               struct.pack('!BBH', protocol, 0, virtual_port))


def ipsec_sender(number, address, spi):
    """SENDER_TEMPLATE or FILTER_SPEC"""
    return obj(number, family(address) + 3, packed(address) + struct.pack('!I', spi))


def hop(address, lih=0):
    return obj(HOP, family(address), packed(address) + struct.pack('!I', lih))


def time_values(milliseconds=30000):
    return obj(TIME_VALUES, 1, struct.pack('!I', milliseconds))


def sender_of(number, address, port):
    gap = 2
    return obj(number, family(address), packed(address) + bytes(gap) + struct.pack('!H', port))


def template(address, port):
    return sender_of(SENDER_TEMPLATE, address, port)


def filter_spec(address, port):
    return sender_of(FILTER_SPEC, address, port)


def bucket(rate, depth=10000.0, peak=INFINITY, least=100, most=1500):
    """Token bucket parameters: bytes, and bytes a second."""
    return struct.pack('!fffII', rate, depth, peak, least, most)


def tspec(*parameters, **more):
    return obj(SENDER_TSPEC, 2, struct.pack('!HHBBHBBH', 0, 7, 1, 0, 6, 127, 0, 5) +
               bucket(*parameters, **more))


def controlled_load(*parameters, **more):
    return obj(FLOWSPEC, 2, struct.pack('!HHBBHBBH', 0, 7, 5, 0, 6, 127, 0, 5) +
               bucket(*parameters, **more))


def guaranteed(reserved, *parameters, **more):
    return obj(FLOWSPEC, 2, struct.pack('!HHBBHBBH', 0, 10, 2, 0, 9, 127, 0, 5) +
               bucket(*parameters, **more) + struct.pack('!BBHfI', 130, 0, 2, reserved, 0))


def adspec():
    """Of a path that has no node behind it yet, with controlled load."""
    return obj(ADSPEC, 2, struct.pack('!HH', 0, 10) + struct.pack('!BBH', 1, 0, 8) +
               struct.pack('!BBHI', 4, 0, 1, 0) + struct.pack('!BBHf', 6, 0, 1, 1e9) +
               struct.pack('!BBHI', 8, 0, 1, 0) + struct.pack('!BBHI', 10, 0, 1, 9000) +
               struct.pack('!BBH', 5, 0, 0))


def style(number):
    return obj(STYLE, 1, struct.pack('!I', number))


def message(kind, *objects, ttl=63, version=1):
    body = b''.join(objects)
    head = struct.pack('!BBHBBH', version << 4, kind, 0, ttl, 0, 8 + len(body))
    checksum = ~ones_complement_sum(head + body) & 0xffff
    return head[:2] + struct.pack('!H', checksum or 0xffff) + head[4:] + body


# ---- what arrived ----

@dataclasses.dataclass
class Message:
    """An RSVP message, in an IP packet as it arrived. `objects`: class -> [(C-Type, body)]."""
    source: str
    destination: str
    ttl: int
    tos: int
    alert: bool
    kind: int
    flags: int
    send_ttl: int
    sound: bool
    objects: dict
    data: bytes

    def one(self, number):
        assert len(self.objects.get(number, [])) == 1, (number, self)
        return self.objects[number][0][1]

    @property
    def hop(self):
        """(address, LIH)"""
        body = self.one(HOP)
        return str(ipaddress.ip_address(body[:-4])), struct.unpack('!I', body[-4:])[0]

    @property
    def refresh_ms(self):
        return struct.unpack('!I', self.one(TIME_VALUES))[0]

    @property
    def error(self):
        """(node, flags, code, value)"""
        body = self.one(ERROR_SPEC)
        return (str(ipaddress.ip_address(body[:-4])), *struct.unpack('!BBH', body[-4:]))

    @property
    def rate(self):
        """r of the first flowspec or of the Tspec"""
        body = (self.objects.get(FLOWSPEC) or self.objects[SENDER_TSPEC])[0][1]
        return struct.unpack('!f', body[12:16])[0]


def read(data):
    """(kind, flags, Send_TTL, whether the checksum and lengths are right, objects)"""
    version_flags, kind, _, send_ttl, _, length = struct.unpack('!BBHBBH', data[:8])
    sound = ones_complement_sum(data) == 0xffff and length == len(data) and version_flags >> 4 == 1
    objects, at = {}, 8
    while at < len(data):
        size, number, ctype = struct.unpack('!HBB', data[at:at + 4])
        assert size >= 4 and size % 4 == 0, data
        objects.setdefault(number, []).append((ctype, data[at + 4:at + size]))
        at += size
    return kind, version_flags & 15, send_ttl, sound, objects


def of_packet(frame):
    """The message in an Ethernet frame, or None if there is none."""
    kind, packet = struct.unpack('!H', frame[12:14])[0], frame[14:]
    if kind == 0x0800:
        header, total = (packet[0] & 15) * 4, struct.unpack('!H', packet[2:4])[0]
        if packet[9] != PROTOCOL:
            return None
        return Message(socket.inet_ntop(socket.AF_INET, packet[12:16]),
                       socket.inet_ntop(socket.AF_INET, packet[16:20]), packet[8], packet[1],
                       ALERT4 in packet[20:header], *read(packet[header:total]), packet[header:total])
    if kind != 0x86dd:
        return None
    following, at, alert = packet[6], 40, False
    end = 40 + struct.unpack('!H', packet[4:6])[0]
    if following == 0:
        size = (packet[41] + 1) * 8
        alert = packet[42:46] == ALERT6
        following, at = packet[40], 40 + size
    if following != PROTOCOL:
        return None
    return Message(socket.inet_ntop(socket.AF_INET6, packet[8:24]),
                   socket.inet_ntop(socket.AF_INET6, packet[24:40]), packet[7],
                   struct.unpack('!H', packet[:2])[0] >> 4 & 255, alert, *read(packet[at:end]), packet[at:end])


class Listener:
    """The messages among what a Wire (packets.py) has seen."""

    def __init__(self, wire):
        self.wire = wire

    def clear(self):
        self.wire.clear()

    def wait(self, kind, count=1, timeout=PATIENCE_S, match=lambda message: True):
        """The messages of a kind, as soon as there are so many."""
        def is_it(packet):
            found = of_packet(packet.frame)
            return found is not None and found.kind == kind and match(found)
        packets = self.wire.wait(is_it, count, timeout)
        return [of_packet(packet.frame) for packet in packets]

    def settle(self, seconds=0.05):
        found = [of_packet(packet.frame) for packet in self.wire.settle(seconds)]
        return [message for message in found if message]


def judge(listener):
    """tshark finds nothing wrong with any message that was seen."""
    if not shutil.which('tshark'):
        return
    rows = listener.wire.tshark('_ws.malformed', 'ip.checksum.status', '_ws.expert.message', 'rsvp.msg',
                                options=['-o', 'ip.check_checksum:TRUE', '-Y', 'rsvp'])
    assert rows
    for malformed, ip_checksum, expert, _ in rows:
        assert not malformed
        assert ip_checksum in ('', '1')
        assert not re.search('malformed|incorrect|bad checksum', expert, re.IGNORECASE), expert


# ---- sending ----

class Speaker:
    """Raw sockets of a host that plays a neighbour; what is sent to it is taken by nobody else."""

    def __init__(self, host, interface):
        self.interface = interface
        self.raw4 = host.socket(socket.AF_INET, socket.SOCK_RAW, PROTOCOL)
        self.raw4.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        self.raw6 = host.socket(socket.AF_INET6, socket.SOCK_RAW, PROTOCOL)
        self.raw6.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        for one in self.raw4, self.raw6:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b'\0')

    def send(self, data, source, destination, ttl=63, alert=False):
        if ':' in destination:
            self._send6(data, source, destination, ttl, alert)
            return
        options = ALERT4 if alert else b''
        header = struct.pack('!BBHHHBBH4s4s', 0x45 + len(options) // 4, 0xc0, 0, 0, 0, ttl, PROTOCOL, 0,
                             packed(source), packed(destination))
        self.raw4.sendto(header + options + data, (destination, 0))

    def _send6(self, data, source, destination, ttl, alert):
        ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, packed(source) + struct.pack('=I', 0)),
                     (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, struct.pack('=i', ttl))]
        if alert:
            ancillary.append((socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, b'\0\0' + ALERT6 + b'\x01\0'))
        self.raw6.sendmsg([data], ancillary, 0, (destination, 0))

    def close(self):
        self.raw4.close()
        self.raw6.close()


def pause(seconds):
    time.sleep(seconds * TIME_FACTOR)
