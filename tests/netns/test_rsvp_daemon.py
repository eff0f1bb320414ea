# SPDX-License-Identifier: MIT
"""RSVP in a daemon that routes: neighbours made by hand (rsvp.py) send it messages; what it sends on, what it
reserves in the kernel, and what is left of it are judged at the links, by tshark too."""
import hmac
import pathlib
import re
import socket
import struct
import tempfile
import time

import netns
import pytest

import rsvp
from conftest import Daemon, remove_folder, sweep_up, until
from netns import TIME_FACTOR
from packets import Wire
from rsvp_net import MulticastRouter

IN, OUT, OTHER = 'inside', 'outside', 'other'
# The addresses of the sender's host, the router's two sides, the receiver's host, and the second way.
FOUR = {'near': '198.51.100.1', 'in': '198.51.100.2', 'out': '192.0.2.1', 'far': '192.0.2.2',
        'out2': '203.0.113.1', 'far2': '203.0.113.2', 'session': '192.0.2.2', 'beyond': '10.9.9.9'}
SIX = {'near': '2001:db8:1::1', 'in': '2001:db8:1::2', 'out': '2001:db8:2::1', 'far': '2001:db8:2::2',
       'out2': '2001:db8:3::1', 'far2': '2001:db8:3::2', 'session': '2001:db8:2::2', 'beyond': '2001:db8:9::9'}
PORT, SENDER_PORT = 5000, 4000
MBIT = 1000000
BYTES = MBIT / 8
AUDIO_VIDEO_DSCP, VOICE_DSCP = 40, 56

CONFIG = f'''link {OUT} {{ rate = 10Mbit reservable = 50% }}
rsvp {{ enabled = true settle = 200ms interface {IN} {{ refresh = 20s }} }}
'''


class Routed:
    """near - router - far, with a second cable between the router and the far host."""

    def __init__(self, programs, folder):
        self.near, self.router, self.far = (netns.Namespace() for _ in range(3))
        netns.join(self.near, self.router, IN, [FOUR['near'] + '/24', SIX['near'] + '/64'],
                   [FOUR['in'] + '/24', SIX['in'] + '/64'])
        netns.join(self.router, self.far, OUT, [FOUR['out'] + '/24', SIX['out'] + '/64'],
                   [FOUR['far'] + '/24', SIX['far'] + '/64'])
        netns.join(self.router, self.far, OTHER, [FOUR['out2'] + '/24', SIX['out2'] + '/64'],
                   [FOUR['far2'] + '/24', SIX['far2'] + '/64'])
        with self.router.entered():
            for path in ('ipv4/ip_forward', 'ipv6/conf/all/forwarding'):
                pathlib.Path('/proc/sys/net', path).write_text('1', encoding='ascii')
            for path in ('all', 'default', IN, OUT, OTHER):
                pathlib.Path(f'/proc/sys/net/ipv4/conf/{path}/rp_filter').write_text('0', encoding='ascii')
        for host, names in (self.near, ('in', 'in')), (self.far, ('out', 'out')):
            host.must('ip', 'route', 'add', 'default', 'via', FOUR[names[0]])
            host.must('ip', '-6', 'route', 'add', 'default', 'via', SIX[names[1]])
        self.sink = self.far.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sink.bind(('::', PORT))
        self.wire = Wire(self.far, OUT)
        self.at_far = rsvp.Listener(self.wire)
        self.at_near = rsvp.Listener(Wire(self.near, IN))
        self.at_other = rsvp.Listener(Wire(self.far, OTHER))
        self.sender = rsvp.Speaker(self.near, IN)
        self.receiver = rsvp.Speaker(self.far, OUT)
        self.daemon = Daemon(programs, self.router, folder)

    def clear(self):
        for listener in self.at_far, self.at_near, self.at_other:
            listener.clear()

    def path(self, a, port=PORT, rate=MBIT / 8, kind=rsvp.PATH, sender_port=SENDER_PORT, lih=7, session=None, ttl=63,
             **more):
        """A Path, or PathTear, of the near host."""
        destination = session or a['session']
        parts = [rsvp.session(destination, port), rsvp.hop(a['near'], lih)]
        if kind == rsvp.PATH:
            parts.append(rsvp.time_values())
        parts += [rsvp.template(a['near'], sender_port), rsvp.tspec(rate, **more)]
        if kind == rsvp.PATH:
            parts.append(rsvp.adspec())
        self.sender.send(rsvp.message(kind, *parts, ttl=ttl), a['near'], destination, ttl, alert=True)

    def resv(self, a, path, flow, style=rsvp.FF, filters=((None, SENDER_PORT),), port=PORT, kind=rsvp.RESV, parts=()):
        """A Resv, or ResvTear, of the far host in answer to a Path that it has received."""
        address, lih = path.hop
        body = [rsvp.session(a['session'], port), rsvp.hop(a['far'], lih)]
        if kind == rsvp.RESV:
            body.append(rsvp.time_values())
        body += [*parts, rsvp.style(style), flow]
        if style != rsvp.WF:
            body += [rsvp.filter_spec(source or a['near'], number) for source, number in filters]
        self.receiver.send(rsvp.message(kind, *body), a['far'], address)

    def mark(self, a, source_port=SENDER_PORT):
        """The DSCP of a datagram of the sender when it arrives."""
        payload = f'data-{time.monotonic_ns()};'.encode()
        with self.near.socket(socket.AF_INET6 if ':' in a['near'] else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((a['near'], source_port))
            sock.sendto(payload, (a['session'], PORT))
            return self.wire.with_payload(payload)[0].dscp

    def counter(self, name):
        return self.daemon.status()['counters'][f'rsvp-{name}']

    def close(self):
        for listener in self.at_far, self.at_near, self.at_other:
            listener.wire.close()
        self.sender.close()
        self.receiver.close()
        self.sink.close()
        for host in self.near, self.router, self.far:
            host.close()


@pytest.fixture
def routed(programs):
    folder = pathlib.Path(tempfile.mkdtemp(prefix='r-', dir=programs.folder))
    folder.chmod(0o755)
    made = Routed(programs, folder)
    try:
        made.daemon.start(CONFIG)
        if not made.daemon.has('tc-egress'):
            pytest.skip('the kernel datapath cannot be used: ' + made.daemon.log())
        made.clear()
        yield made
        if made.daemon.running:
            made.daemon.stop()
        sweep_up(programs, made.router, folder)
        assert not netns.traces(made.router, [IN, OUT, OTHER])
    finally:
        made.close()
        remove_folder(folder)


@pytest.mark.parametrize('a', [FOUR, SIX], ids=['ipv4', 'ipv6'])
def test_path_is_taken_out_and_sent_on(routed, a):
    """R-040..R-042, R-045..R-047, R-051..R-053, R-056, R-060, R-069, R-070, R-073, R-075, R-088, R-089"""
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    assert path.sound and path.alert
    assert (path.source, path.destination) == (a['near'], a['session'])
    assert (path.ttl, path.send_ttl) == (62, 62)
    assert path.tos == 0xc0
    assert path.hop[0] == a['out']
    assert path.refresh_ms == 30000
    assert path.rate == MBIT / 8
    body = path.one(rsvp.ADSPEC)
    assert struct.unpack('!I', body[12:16])[0] == 1, 'IS hops'
    # The share of the link, in bytes a second, and its MTU.
    assert struct.unpack('!f', body[20:24])[0] == 5 * BYTES
    assert struct.unpack('!I', body[36:40])[0] == 1500
    # A refresh changes nothing, and none goes back.
    routed.clear()
    routed.path(a)
    assert not [m for m in routed.at_far.settle(0.3) if m.kind == rsvp.PATH and m.rate != MBIT / 8]
    assert not routed.at_near.settle()
    # One with a TTL that ends here is not forwarded.
    routed.path(a, port=PORT + 1, ttl=1)
    assert not [m for m in routed.at_far.settle(0.2) if m.one(rsvp.SESSION)[-2:] == struct.pack('!H', PORT + 1)]
    routed.clear()
    routed.path(a, kind=rsvp.PATH_TEAR)
    tear, = routed.at_far.wait(rsvp.PATH_TEAR)
    assert tear.sound and tear.alert
    assert (tear.source, tear.destination, tear.ttl, tear.send_ttl) == (a['near'], a['session'], 62, 62)
    assert tear.hop[0] == a['out']
    rsvp.judge(routed.at_far)


def classes(routed):
    """The classes of the scheduled link that have a rate: band or reservation, and which."""
    text = routed.router.must('tc', 'class', 'show', 'dev', OUT)
    return {line for line in re.findall(r'class htb 4757:(\S+) .*? (rate \S+)', text) if line[1] != 'rate 8bit'}


@pytest.mark.parametrize('a', [FOUR, SIX], ids=['ipv4', 'ipv6'])
@pytest.mark.parametrize('service', ['controlled-load', 'guaranteed'])
def test_reservation_is_in_the_kernel(routed, a, service):
    """R-044, R-048, R-074, R-109, R-110, R-113, R-124..R-126, R-213's ground: a class, a mark, and their end"""
    before = classes(routed)
    assert routed.mark(a) == 0
    routed.path(a, lih=77)
    path, = routed.at_far.wait(rsvp.PATH)
    flow = (rsvp.controlled_load(BYTES) if service == 'controlled-load' else
            rsvp.guaranteed(2 * BYTES, BYTES, peak=4 * BYTES))
    routed.resv(a, path, flow)
    resv, = routed.at_near.wait(rsvp.RESV)
    assert resv.sound and not resv.alert
    assert (resv.source, resv.destination) == (a['in'], a['near'])
    assert resv.hop == (a['in'], 77)
    assert resv.refresh_ms == 20000
    assert resv.ttl == resv.send_ttl
    assert resv.rate == BYTES
    rsvp.judge(routed.at_near)
    flow, = routed.daemon.flows()
    assert flow['api'] == 'rsvp'
    assert flow['reserved_bps'] == (MBIT if service == 'controlled-load' else 2 * MBIT)
    assert flow['class'] == ('audio-video' if service == 'controlled-load' else 'voice')
    (_, rate), = classes(routed) - before
    number, unit = re.fullmatch(r'rate (\d+)([KM])bit', rate).groups()
    rate_bps = int(number) * {'K': 1000, 'M': MBIT}[unit]
    assert 1 <= rate_bps / flow['reserved_bps'] < 1.5, 'with the headers of the link'
    assert routed.mark(a) == (AUDIO_VIDEO_DSCP if service == 'controlled-load' else VOICE_DSCP)
    assert routed.mark(a, SENDER_PORT + 1) == 0
    # Again: nothing.
    routed.at_near.clear()
    routed.resv(a, path, rsvp.controlled_load(BYTES) if service == 'controlled-load' else
                rsvp.guaranteed(2 * BYTES, BYTES, peak=4 * BYTES))
    assert [m for m in routed.at_near.settle(0.2) if m.rate != BYTES] == []
    assert len(routed.daemon.flows()) == 1
    # The receiver goes.
    routed.clear()
    routed.resv(a, path, rsvp.controlled_load(BYTES) if service == 'controlled-load' else
                rsvp.guaranteed(2 * BYTES, BYTES, peak=4 * BYTES), kind=rsvp.RESV_TEAR)
    tear, = routed.at_near.wait(rsvp.RESV_TEAR)
    assert (tear.source, tear.destination) == (a['in'], a['near'])
    assert routed.daemon.flows() == []
    assert routed.mark(a) == 0
    until(lambda: classes(routed) == before)
    rsvp.judge(routed.at_near)


def test_path_tear_ends_reservations(routed):
    """R-092, R-094"""
    a = FOUR
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    routed.resv(a, path, rsvp.controlled_load(BYTES))
    routed.at_near.wait(rsvp.RESV)
    assert routed.mark(a) == AUDIO_VIDEO_DSCP
    routed.clear()
    routed.path(a, kind=rsvp.PATH_TEAR)
    routed.at_far.wait(rsvp.PATH_TEAR)
    assert routed.daemon.flows() == []
    assert routed.mark(a) == 0
    assert not [m for m in routed.at_near.settle(0.2) if m.kind in (rsvp.RESV, rsvp.RESV_ERR)]


def test_shared_reservation(routed):
    """Two senders under one meter (SE), and whoever sends (WF): R-105, R-106, R-116."""
    a = FOUR
    for port in SENDER_PORT, SENDER_PORT + 1:
        routed.path(a, sender_port=port)
    path, _ = routed.at_far.wait(rsvp.PATH, 2)
    routed.resv(a, path, rsvp.controlled_load(BYTES), rsvp.SE,
                [(None, SENDER_PORT), (None, SENDER_PORT + 1), (None, SENDER_PORT + 2)])
    resv = routed.at_near.wait(rsvp.RESV)[-1]
    assert len(resv.objects[rsvp.FILTER_SPEC]) == 2
    flows = routed.daemon.flows()
    assert len(flows) == 2 and len({flow['id'] for flow in flows}) == 1
    for port in SENDER_PORT, SENDER_PORT + 1:
        assert routed.mark(a, port) == AUDIO_VIDEO_DSCP
    assert routed.mark(a, SENDER_PORT + 2) == 0
    # One of them leaves.
    routed.path(a, sender_port=SENDER_PORT, kind=rsvp.PATH_TEAR)
    until(lambda: len(routed.daemon.flows()) == 1)
    assert routed.mark(a, SENDER_PORT) == 0
    assert routed.mark(a, SENDER_PORT + 1) == AUDIO_VIDEO_DSCP


def test_wildcard_reservation(routed):
    a = FOUR
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    routed.resv(a, path, rsvp.controlled_load(BYTES), rsvp.WF)
    routed.at_near.wait(rsvp.RESV)
    assert routed.mark(a, SENDER_PORT) == AUDIO_VIDEO_DSCP
    assert routed.mark(a, SENDER_PORT + 5) == AUDIO_VIDEO_DSCP


ESP, AH = 50, 51


def ipsec_mark(routed, a, protocol, spi):
    """The DSCP of a packet of IPsec when it arrives."""
    body = struct.pack('!II', spi, 1) + f'data-{time.monotonic_ns()};'.encode()
    if protocol == AH:
        body = struct.pack('!BBHII', socket.IPPROTO_NONE, 1, 0, spi, 1) + body[8:]
    version = socket.AF_INET6 if ':' in a['near'] else socket.AF_INET
    with routed.near.socket(version, socket.SOCK_RAW, protocol) as sock:
        sock.bind((a['near'], 0))
        sock.sendto(body, (a['session'], 0))
    # The judge reads AH as what it protects, or as it is.
    return routed.wire.wait(lambda packet: body[12:] in packet.frame)[0].dscp


@pytest.mark.parametrize('protocol', [ESP, AH], ids=['esp', 'ah'])
@pytest.mark.parametrize('a', [FOUR, SIX], ids=['ipv4', 'ipv6'])
def test_ipsec_session(routed, a, protocol):
    """R-217, R-219: a reservation of one security association protects its packets, and no other's."""
    spi, virtual_port = 0x89abcdef, 11000
    session = rsvp.ipsec_session(a['session'], virtual_port, protocol)
    routed.sender.send(rsvp.message(rsvp.PATH, session, rsvp.hop(a['near'], 5), rsvp.time_values(),
                                    rsvp.ipsec_sender(rsvp.SENDER_TEMPLATE, a['near'], spi), rsvp.tspec(BYTES),
                                    rsvp.adspec()), a['near'], a['session'], alert=True)
    path, = routed.at_far.wait(rsvp.PATH)
    assert ipsec_mark(routed, a, protocol, spi) == 0
    address, lih = path.hop
    reservation = [session, rsvp.hop(a['far'], lih), rsvp.style(rsvp.FF), rsvp.controlled_load(BYTES),
                   rsvp.ipsec_sender(rsvp.FILTER_SPEC, a['near'], spi)]
    routed.receiver.send(rsvp.message(rsvp.RESV, *reservation[:2], rsvp.time_values(), *reservation[2:]),
                         a['far'], address)
    resv, = routed.at_near.wait(rsvp.RESV)
    assert resv.objects[rsvp.FILTER_SPEC][0][1][-4:] == struct.pack('!I', spi)
    assert len(routed.daemon.flows()) == 1
    assert ipsec_mark(routed, a, protocol, spi) == AUDIO_VIDEO_DSCP
    for other in spi ^ 1, spi ^ 1 << 31, 0x100:
        assert ipsec_mark(routed, a, protocol, other) == 0
    assert ipsec_mark(routed, a, ESP + AH - protocol, spi) == 0
    rsvp.judge(routed.at_far)
    rsvp.judge(routed.at_near)
    routed.receiver.send(rsvp.message(rsvp.RESV_TEAR, *reservation), a['far'], address)
    until(lambda: routed.daemon.flows() == [])
    assert ipsec_mark(routed, a, protocol, spi) == 0


def test_too_much_is_refused(routed):
    """R-119, R-130, R-132, R-133, R-199: 5 Mbit/s can be reserved, and no packet may be longer than the link takes."""
    a = FOUR
    routed.path(a, rate=20 * BYTES)
    path, = routed.at_far.wait(rsvp.PATH)
    routed.resv(a, path, rsvp.controlled_load(8 * BYTES))
    error, = routed.at_far.wait(rsvp.RESV_ERR)
    assert error.error == (a['out'], 0, 1, 2)
    assert (error.source, error.destination) == (a['out'], a['far'])
    assert not error.alert
    assert routed.daemon.flows() == []
    # What fits is there, and stays there when more is refused.
    routed.resv(a, path, rsvp.controlled_load(2 * BYTES))
    routed.at_near.wait(rsvp.RESV)
    routed.clear()
    routed.resv(a, path, rsvp.controlled_load(8 * BYTES))
    error, = routed.at_far.wait(rsvp.RESV_ERR)
    assert error.error == (a['out'], 1, 1, 2), 'in place'
    flow, = routed.daemon.flows()
    assert flow['reserved_bps'] == 2 * MBIT
    rsvp.judge(routed.at_far)


def test_unenforced_link_takes_everything(routed):
    """A link that is not handed over: marked and metered only, and the Adspec says so."""
    a = dict(FOUR, session=FOUR['far2'], far=FOUR['far2'])
    routed.path(a, rate=20 * BYTES)
    path, = routed.at_other.wait(rsvp.PATH)
    body = path.one(rsvp.ADSPEC)
    assert body[5] & 0x80, 'nobody vouches for this link'
    speaker = rsvp.Speaker(routed.far, OTHER)
    routed.receiver, before = speaker, routed.receiver
    routed.resv(a, path, rsvp.controlled_load(2000 * BYTES))
    routed.receiver = before
    routed.at_near.wait(rsvp.RESV)
    flow, = routed.daemon.flows()
    assert flow['api'] == 'rsvp'
    speaker.close()


def packets_in(routed, minor):
    """How many packets have left through a class of the scheduled link."""
    text = routed.router.must('tc', '-s', 'class', 'show', 'dev', OUT, 'classid', f'4757:{minor}')
    return int(re.search(rf'class htb 4757:{minor} .*?Sent \d+ bytes (\d+) pkt', text, re.DOTALL)[1])


def test_messages_go_before_all_else(routed):
    """On a link that is handed over they leave with control: refreshes must arrive however full it is."""
    for a in FOUR, SIX:
        before = packets_in(routed, 15)
        for port in range(PORT, PORT + 5):
            routed.path(a, port=port)
        routed.at_far.wait(rsvp.PATH, 5, match=lambda path, a=a: path.source == a['near'])
        assert packets_in(routed, 15) - before >= 5


def signed(kind, secret, number, sequence, *parts):
    """A message with HMAC-MD5 (RFC 2747): 16 bytes of digest over all of it, with checksum and digest zero."""
    head = struct.pack('!BB', 0x80, 0) + number.to_bytes(6, 'big') + struct.pack('!Q', sequence)
    blank = rsvp.obj(rsvp.INTEGRITY, 1, head + bytes(16))
    data = bytearray(rsvp.message(kind, blank, *parts))
    data[2:4] = bytes(2)
    digest = hmac.new(secret, bytes(data), 'md5').digest()
    return rsvp.message(kind, rsvp.obj(rsvp.INTEGRITY, 1, head + digest), *parts)


def test_keys(routed):
    """R-245..R-249, R-252 on the wire: what is not signed is dropped where there is a key, and we sign there."""
    a = FOUR
    routed.daemon.configure(CONFIG.replace('settle', f"""
        key ours {{ id = 258 secret = "a secret" interface = {IN} }}
        key theirs {{ id = 7 secret = "another" algorithm = hmac-sha256 interface = {OUT} }}
        settle"""))
    routed.daemon.process.send_signal(1)
    until(lambda: 'reloaded' in routed.daemon.log())
    before = routed.counter('bad-integrity')
    routed.path(a)
    until(lambda: routed.counter('bad-integrity') == before + 1)
    assert not routed.at_far.settle(0.1)
    parts = [rsvp.session(a['session'], PORT), rsvp.hop(a['near'], 1), rsvp.time_values(),
             rsvp.template(a['near'], SENDER_PORT), rsvp.tspec(BYTES)]
    for secret, number in (b'a secreT', 258), (b'a secret', 259):
        before = routed.counter('bad-integrity')
        routed.sender.send(signed(rsvp.PATH, secret, number, 1, *parts), a['near'], a['session'], alert=True)
        until(lambda before=before: routed.counter('bad-integrity') == before + 1)
    good = signed(rsvp.PATH, b'a secret', 258, 5, *parts)
    routed.sender.send(good, a['near'], a['session'], alert=True)
    path, = routed.at_far.wait(rsvp.PATH)
    rsvp.judge(routed.at_far)
    # Ours, with the other key: over all, with the checksum and the digest zero.
    body = path.one(rsvp.INTEGRITY)
    assert path.data[8:12] == struct.pack('!HBB', 4 + len(body), rsvp.INTEGRITY, 1), 'it comes first'
    assert len(body) == 16 + 32 and body[2:8] == (7).to_bytes(6, 'big')
    blank = bytearray(path.data)
    blank[2:4] = bytes(2)
    blank[12 + 16:12 + 48] = bytes(32)
    assert hmac.new(b'another', bytes(blank), 'sha256').digest() == body[16:]
    # The same again is not the same.
    before = routed.counter('replayed')
    routed.sender.send(good, a['near'], a['session'], alert=True)
    until(lambda: routed.counter('replayed') == before + 1)


def test_others_messages_pass(routed):
    """R-055: what is neither Path nor ResvConf and for somebody else goes by, with the alert or without."""
    a = FOUR
    data = rsvp.message(rsvp.RESV, rsvp.session(a['beyond'], PORT), rsvp.hop(a['beyond'], 1), rsvp.time_values(),
                        rsvp.style(rsvp.WF), rsvp.controlled_load(BYTES))
    routed.sender.send(data, a['near'], a['far'], 50)
    routed.sender.send(data, a['near'], a['far'], 50, alert=True)
    plain, alert = routed.at_far.wait(rsvp.RESV, 2)
    for message in plain, alert:
        assert (message.source, message.destination, message.ttl) == (a['near'], a['far'], 49)
        assert message.data == data
    assert [plain.alert, alert.alert] == [False, True]


def test_route_change(routed):
    """R-170..R-173: the Path goes the new way once the route has settled, and only once."""
    a = dict(FOUR, session=FOUR['beyond'])
    routed.router.must('ip', 'route', 'add', a['session'] + '/32', 'via', a['far'])
    routed.path(a)
    routed.at_far.wait(rsvp.PATH, 2)  # it is repeated after half a second
    routed.clear()
    changed = time.monotonic()
    routed.router.must('ip', 'route', 'replace', a['session'] + '/32', 'via', a['far2'])
    path = routed.at_other.wait(rsvp.PATH)[0]
    assert time.monotonic() - changed >= 0.15
    assert path.hop[0] == a['out2']
    assert not routed.at_far.settle(0.1)


def test_multicast_tree(routed):
    """R-076, R-077, R-174: Paths go where the kernel's multicast forwarding says, and follow it."""
    a, group = FOUR, '239.1.2.3'
    tree = MulticastRouter(routed.router, (IN, OUT, OTHER))
    tree.forward(a['near'], group, IN, [OUT])
    routed.near.must('ip', 'route', 'add', group, 'dev', IN)
    routed.path(a, session=group)
    path, = routed.at_far.wait(rsvp.PATH)
    assert (path.source, path.destination) == (a['near'], group)
    assert path.alert and path.ttl == 62
    assert path.hop[0] == a['out']
    assert not routed.at_other.settle()
    tree.forward(a['near'], group, IN, [OUT, OTHER])
    path = routed.at_other.wait(rsvp.PATH)[0]
    assert path.hop[0] == a['out2']
    # A receiver at each end, and at the router one reservation for each interface.
    routed.resv(dict(a, session=group), path, rsvp.controlled_load(BYTES))
    resv, = routed.at_near.wait(rsvp.RESV)
    assert resv.destination == a['near']
    flow, = routed.daemon.flows()
    assert flow['destination'] == f'{group}:{PORT}'
    # The branch goes: no Path is sent there any more.
    routed.at_far.settle(0.9)
    tree.forward(a['near'], group, IN, [OTHER])
    time.sleep(0.5 * TIME_FACTOR)
    routed.clear()
    routed.path(a, session=group, rate=2 * BYTES)
    path = routed.at_other.wait(rsvp.PATH, match=lambda path: path.rate == 2 * BYTES)[0]
    assert not routed.at_far.settle(0.2)
    rsvp.judge(routed.at_other)
    tree.close()


def test_udp(routed):
    """R-061..R-063, R-066, R-068: hosts that have nothing but UDP."""
    a = FOUR
    routed.daemon.configure(f'rsvp {{ enabled = true interface {IN} {{ udp = listen }}'
                            f' interface {OUT} {{ udp = on }} }}')
    routed.daemon.process.send_signal(1)
    until(lambda: 'reloaded' in routed.daemon.log())
    routed.clear()
    with routed.near.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((a['near'], 1698))
        data = rsvp.message(rsvp.PATH, rsvp.session(a['session'], PORT), rsvp.hop(a['near'], 9), rsvp.time_values(),
                            rsvp.template(a['near'], SENDER_PORT), rsvp.tspec(BYTES), rsvp.adspec(), ttl=30)
        sock.sendto(data, (a['in'], 1698))
        # On, as ever, and as a copy in UDP.
        path, = routed.at_far.wait(rsvp.PATH)
        assert path.source == a['near'] and path.ttl == 29
        copy, = routed.wire.wait(lambda packet: packet.dport == 1699)
        assert (copy.source, copy.destination, copy.sport) == (a['out'], a['session'], 1698)
        assert copy.payload == path.data
        assert copy.frame[14 + 8] == 1, 'no farther than the link'
        # The sender's host hears of the reservation in UDP.
        routed.resv(a, path, rsvp.controlled_load(BYTES))
        heard = routed.at_near.wire.wait(lambda packet: packet.dport == 1699)[0]
        assert rsvp.read(heard.payload)[0] == rsvp.RESV
    # Where it is not spoken nobody listens.
    before = routed.counter('udp-unwanted')
    with routed.far.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, OTHER.encode() + b'\0')
        sock.sendto(data, (a['out2'], 1698))
    until(lambda: routed.counter('udp-unwanted') == before + 1)


def test_interfaces_that_do_not_take_part(routed):
    """R-057, R-058"""
    a = FOUR
    routed.daemon.stop()
    routed.daemon.start(f'rsvp {{ enabled = true interfaces = {{{OUT}}} }}')
    routed.clear()
    before = routed.counter('disabled')
    routed.path(a)
    until(lambda: routed.counter('disabled') == before + 1)
    assert not routed.at_far.settle(0.2)
    routed.daemon.stop()
    routed.daemon.start(f'rsvp {{ enabled = true interfaces = {{{IN}}} }}')
    routed.clear()
    routed.path(a)
    assert not routed.at_far.settle(0.3)


def test_router_alert_can_be_ignored(routed):
    """R-059: what passes through is left alone, and no more than so many are looked at."""
    a = FOUR
    routed.daemon.configure(f'rsvp {{ enabled = true interface {IN} {{ router-alert = false }} }}')
    routed.daemon.process.send_signal(1)
    until(lambda: 'reloaded' in routed.daemon.log())
    routed.clear()
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    assert path.hop == (a['near'], 7), 'as it was'
    assert path.ttl == 62
    routed.daemon.configure(f'rsvp {{ enabled = true interface {IN} {{ max-alerts-per-second = 3 }} }}')
    routed.daemon.process.send_signal(1)
    until(lambda: routed.daemon.log().count('reloaded') == 2)
    for port in range(PORT, PORT + 40):
        routed.path(a, port=port)
    until(lambda: routed.counter('alerts-dropped') >= 20)
    assert routed.counter('received') > 0


def test_hostile_messages(routed):
    """R-038, R-274's ground: whatever arrives, the daemon serves on, counts it, and keeps nothing of it."""
    a = FOUR
    good = rsvp.message(rsvp.PATH, rsvp.session(a['session'], PORT), rsvp.hop(a['near'], 1), rsvp.time_values(),
                        rsvp.template(a['near'], 1), rsvp.tspec(BYTES))
    for cut in range(0, len(good), 3):
        routed.sender.send(good[:cut], a['near'], a['session'], alert=True)
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 0xff
        routed.sender.send(bytes(bad), a['near'], a['session'], alert=True)
    for data in (b'', bytes(8), b'\xff' * 1400):
        routed.sender.send(data, a['near'], a['in'])
    until(lambda: routed.counter('received') > 100)
    counters = routed.daemon.status()['counters']
    assert counters['rsvp-bad-checksum'] > 50
    assert routed.daemon.json('rsvp')['sessions'] == []
    assert not [message for message in routed.at_far.settle(0) if message.kind == rsvp.PATH]
    routed.clear()
    routed.path(a, port=PORT + 9)
    routed.at_far.wait(rsvp.PATH)
    routed.daemon.check_log()


def test_daemon_ends(routed):
    """Tears leave when it is told to stop; nothing is left in the kernel."""
    a = FOUR
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    routed.resv(a, path, rsvp.controlled_load(BYTES))
    routed.at_near.wait(rsvp.RESV)
    routed.clear()
    assert routed.daemon.stop() < 1 * TIME_FACTOR
    tear, = routed.at_far.wait(rsvp.PATH_TEAR)
    assert tear.alert and tear.source == a['near']
    routed.at_near.wait(rsvp.RESV_TEAR)
    assert not netns.traces(routed.router, [IN, OUT, OTHER])
    # Nobody takes Paths out any more.
    routed.clear()
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    assert path.hop == (a['near'], 7)


def test_daemon_dies(routed):
    """kill -9: what was reserved is gone once it has been started anew, and comes back with the next messages."""
    a = FOUR
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    routed.resv(a, path, rsvp.controlled_load(BYTES))
    routed.at_near.wait(rsvp.RESV)
    routed.daemon.kill()
    routed.daemon.start(CONFIG)
    assert routed.daemon.flows() == []
    assert routed.mark(a) == 0
    routed.clear()
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    routed.resv(a, path, rsvp.controlled_load(BYTES))
    routed.at_near.wait(rsvp.RESV)
    assert routed.mark(a) == AUDIO_VIDEO_DSCP


def test_switched_off_and_on(routed):
    a = FOUR
    routed.daemon.configure('')
    routed.daemon.process.send_signal(1)
    until(lambda: 'reloaded' in routed.daemon.log())
    assert not routed.daemon.has('rsvp')
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    assert path.hop == (a['near'], 7)
    routed.daemon.configure(CONFIG)
    routed.daemon.process.send_signal(1)
    until(lambda: routed.daemon.log().count('reloaded') == 2)
    assert routed.daemon.has('rsvp')
    routed.clear()
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    assert path.hop[0] == a['out']


def test_link_is_given_back(routed):
    """What is reserved stays when a link is not scheduled any more; the Adspec says that nobody vouches for it."""
    a = FOUR
    routed.path(a)
    path, = routed.at_far.wait(rsvp.PATH)
    routed.resv(a, path, rsvp.controlled_load(BYTES))
    routed.at_near.wait(rsvp.RESV)
    routed.clear()
    routed.daemon.configure('rsvp { enabled = true }')
    routed.daemon.process.send_signal(1)
    path = routed.at_far.wait(rsvp.PATH, match=lambda path: path.one(rsvp.ADSPEC)[5] & 0x80)[-1]
    assert struct.unpack('!f', path.one(rsvp.ADSPEC)[20:24])[0] == 0
    assert len(routed.daemon.flows()) == 1
    assert routed.mark(a) == AUDIO_VIDEO_DSCP
