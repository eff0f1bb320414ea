# SPDX-License-Identifier: MIT
"""A router: greenwaved between two hosts marks and schedules what it forwards, told by addresses
(`greenwave forward`)."""
import contextlib
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import netns
import pytest

from conftest import CABLE, NOBODY, Daemon, queue_is_empty, rate_of, sweep_up, until, within
from netns import TIME_FACTOR
from packets import Wire
from streams import quantile

INSIDE = 'inside'
A4, A6 = '198.51.100.1', '2001:db8:1::1'
AA4 = '198.51.100.3'
RA4, RA6 = '198.51.100.2', '2001:db8:1::2'
RB4, RB6 = '192.0.2.1', '2001:db8::1'
B4, B6 = '192.0.2.2', '2001:db8::2'
PORT, PORT2, SINK_PORT = 5000, 5001, 6000
MBIT = 1000000


class Routed:
    """host - router - host; `wire` is the far end."""

    def __init__(self, programs, folder):
        self.near, self.router, self.far = (netns.Namespace() for _ in range(3))
        netns.join(self.near, self.router, INSIDE, [f'{A4}/24', f'{AA4}/24', f'{A6}/64'],
                   [f'{RA4}/24', f'{RA6}/64'])
        netns.join(self.router, self.far, CABLE, [f'{RB4}/24', f'{RB6}/64'], [f'{B4}/24', f'{B6}/64'])
        with self.router.entered():
            for path in ('ipv4/ip_forward', 'ipv6/conf/all/forwarding'):
                pathlib.Path('/proc/sys/net', path).write_text('1', encoding='ascii')
        for host, via4, via6 in (self.near, RA4, RA6), (self.far, RB4, RB6):
            host.must('ip', 'route', 'add', 'default', 'via', via4)
            host.must('ip', '-6', 'route', 'add', 'default', 'via', via6)
        self.sinks = []
        for port in PORT, PORT2:
            sink = self.far.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            sink.bind(('::', port))
            self.sinks.append(sink)
        self.wire = Wire(self.far, CABLE)
        self.daemon = Daemon(programs, self.router, folder)
        self.serial = 0

    def udp(self, address, port=PORT, source=None, source_port=0):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        made = self.near.socket(family, socket.SOCK_DGRAM)
        if source or source_port:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((source or ('::' if family == socket.AF_INET6 else '0.0.0.0'), source_port))
        made.connect((address, port))
        return made

    def arrives(self, sender):
        self.serial += 1
        payload = f'routed-{self.serial};'.encode()
        sender.send(payload)
        return self.wire.with_payload(payload)[0]

    def mark(self, sender):
        return self.arrives(sender).dscp

    def close(self):
        self.wire.close()
        for sink in self.sinks:
            sink.close()
        for host in self.near, self.router, self.far:
            host.close()


@pytest.fixture(scope='module')
def shared_routed(programs):
    folder = pathlib.Path(tempfile.mkdtemp(prefix='r-', dir=programs.folder))
    folder.chmod(0o755)
    made = Routed(programs, folder)
    try:
        made.daemon.start(f'link {CABLE} {{ rate = 10Mbit reservable = 50% }}\n')
        yield made
        if made.daemon.running:
            made.daemon.stop()
        sweep_up(programs, made.router, folder)
    finally:
        made.close()


@pytest.fixture
def routed(shared_routed):
    daemon = shared_routed.daemon
    assert daemon.running, daemon.log()
    if not daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used: ' + daemon.log())
    shared_routed.wire.clear()
    yield shared_routed
    until(lambda: daemon.status()['flows'] == 0)
    until(lambda: queue_is_empty(shared_routed.router, CABLE))
    daemon.check_log()


def place(address, port=None):
    if port is None:
        return address
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


@contextlib.contextmanager
def forwarding(routed, to, *words, kind='voice', source=None, protocol='udp'):
    """`greenwave forward` keeps a flow for as long as it runs: what the list says of it."""
    daemon = routed.daemon
    origin = ['--from', source] if source else []
    known = {flow['id'] for flow in daemon.flows()}
    child = routed.router.popen([daemon.programs.path('greenwave'), 'forward', '--class', kind, '--to', to,
                                 '--protocol', protocol, '--out', CABLE, *origin, *words],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                text=True, env=daemon.programs.environment(daemon.socket_path))

    def added():
        assert child.poll() is None, child.stderr.read()
        return [flow for flow in daemon.flows() if flow['id'] not in known]

    try:
        yield until(added)[0]
    finally:
        child.terminate()
        child.wait()
        child.stderr.close()
        routed.router.children.remove(child)
        until(lambda: {flow['id'] for flow in daemon.flows()} <= known)


@pytest.mark.parametrize('source, destination', [(A4, B4), (A6, B6)])
def test_exact(routed, source, destination):
    """Only the packets of these addresses and ports are marked, from then on until it ends"""
    with routed.udp(destination, PORT, source, 7000) as sender, \
            routed.udp(destination, PORT, source, 7001) as other_port, \
            routed.udp(destination, PORT2, source, 7000) as other_destination:
        assert routed.mark(sender) == 0
        with forwarding(routed, place(destination, PORT), source=place(source, 7000)) as flow:
            assert (flow['class'], flow['dscp']) == ('voice', 56)
            assert routed.mark(sender) == 56
            assert routed.mark(other_port) == 0
            assert routed.mark(other_destination) == 0
        assert routed.mark(sender) == 0


@pytest.mark.parametrize('sources, destination', [((A4, AA4), B4), ((A6, A6), B6)])
def test_any_source(routed, sources, destination):
    """As reservations of the wildcard style need it; a more precise entry goes before it"""
    with routed.udp(destination, PORT, sources[0], 7000) as first, \
            routed.udp(destination, PORT, sources[1], 7002) as second, \
            routed.udp(destination, PORT2, sources[0], 7003) as other:
        with forwarding(routed, place(destination, PORT), kind='audio-video'):
            assert routed.mark(first) == 40
            assert routed.mark(second) == 40
            assert routed.mark(other) == 0
            with forwarding(routed, place(destination, PORT), source=place(sources[0], 7000)):
                assert routed.mark(first) == 56
                assert routed.mark(second) == 40
            assert routed.mark(first) == 40


def test_any_port(routed):
    """Without ports, all of them count"""
    with routed.udp(B4, PORT, A4, 7000) as first, routed.udp(B4, PORT2, A4, 7001) as second, \
            routed.udp(B4, PORT, AA4, 7000) as other:
        with forwarding(routed, B4, source=A4):
            assert routed.mark(first) == 56
            assert routed.mark(second) == 56
            assert routed.mark(other) == 0


def test_same_packets_twice(routed):
    with forwarding(routed, place(B4, PORT)):
        status, _, error = routed.daemon.cli('forward', '--class', 'voice', '--to', place(B4, PORT), '--protocol',
                                             'udp', '--out', CABLE)
        assert status == 1
        assert 'another flow' in error


def test_not_for_everyone(routed):
    status, _, error = routed.daemon.cli('forward', '--class', 'voice', '--to', place(B4, PORT), '--protocol', 'udp',
                                         '--out', CABLE, uid=NOBODY)
    assert status == 4, error


def test_no_such_interface(routed):
    status, _, error = routed.daemon.cli('forward', '--class', 'voice', '--to', place(B4, PORT), '--protocol', 'udp',
                                         '--out', 'nowhere')
    assert status == 1
    assert 'nowhere' in error


@pytest.mark.parametrize('family, source, destination', [(4, A4, B4), (6, A6, B6)])
def test_rate(routed, traffic, family, source, destination):
    """What is forwarded keeps to a rate: a class of the link delays it, and the queue drops what it has no room for"""
    def measure():
        routed.wire.clear()
        with forwarding(routed, place(destination, PORT), '--rate', '2Mbit', kind='audio-video') as flow:
            stream = traffic.start(routed.near, 'send', '-r', 5 * MBIT, '-l', 1000, '-d', 2.5, destination, PORT)
            traffic.result(stream)
            assert [entry['shaping'] for entry in routed.daemon.flows() if entry['id'] == flow['id']] == ['class']
            packets = [packet for packet in routed.wire.settle()
                       if packet.dport == PORT and packet.version == family]
            assert {packet.dscp for packet in packets} == {40}
            assert within(rate_of(packets), 2 * MBIT, 3), rate_of(packets)
    traffic.measured(measure)


def test_voice_is_protected(routed, traffic):
    """A call that is forwarded, beside a flood that is forwarded too"""
    def measure():
        routed.wire.clear()
        noise = traffic.start(routed.near, 'send', '-r', 20 * MBIT, '-l', 1400, B4, PORT2)
        time.sleep(0.3)
        said = traffic.result(traffic.start(routed.near, 'send', '-r', 64000, '-l', 132, '-d', 2, B4, PORT))
        noise.end()
        delays = [packet.stamp[1] for packet in routed.wire.settle(0.2) if packet.dport == PORT]
        assert len(delays) == said['datagrams']
        assert quantile(delays, 0.5) < 0.005 * TIME_FACTOR
        assert quantile(delays, 0.99) < 0.030 * TIME_FACTOR

    with forwarding(routed, place(B4, PORT)):
        traffic.measured(measure)


@pytest.fixture
def translated(routed):
    """The router sends everything on in its own name."""
    if not shutil.which('nft'):
        pytest.skip('needs nft (nftables)')
    rules = f'table ip nat {{ chain out {{ type nat hook postrouting priority 100; oifname "{CABLE}" masquerade; }}; }}'
    status, _, error = routed.router.run(['nft', rules])
    if status != 0:
        pytest.skip(f'no address translation in this kernel: {error.strip()}')
    yield routed
    routed.router.must('nft', 'delete', 'table', 'ip', 'nat')


def test_translated_addresses_count(translated):
    """What counts are the addresses with which packets leave"""
    with translated.udp(B4, PORT, A4, 7000) as sender:
        assert translated.arrives(sender).source == RB4
        with forwarding(translated, place(B4, PORT), source=A4):
            assert translated.mark(sender) == 0
        with forwarding(translated, place(B4, PORT), source=RB4):
            assert translated.mark(sender) == 56
