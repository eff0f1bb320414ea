# SPDX-License-Identifier: MIT
"""How paths are measured between real hosts: which packets leave, what a sink answers, and what strangers can do.

The hosts are programs with nothing but the measuring in them (probe_agent.c); peers that misbehave are played here.
"""
import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time

import netns
import pytest

from conftest import TIME_FACTOR, until
from packets import Wire

CABLE = 'cable'
A4, B4, C4 = '192.0.2.1', '192.0.2.2', '192.0.2.3'
A6, B6 = '2001:db8::1', '2001:db8::2'
PORT = 2177
LLTD = 0x88d9
SO_COOKIE = 57
# With all that sanitizers keep; tens of thousands of packets would leave more of anything.
MEMORY_KB = 16384
MBIT = 1000000
IP_TTL_AT, IP6_HOPS_AT = 14 + 8, 14 + 7


class Agent:
    """A host that measures paths."""

    def __init__(self, programs, host, *roles, uid=0, prefix=()):
        self.host = host
        self.events = []
        self.process = host.popen([*prefix, programs.path('probe_agent'), *roles], uid, stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, env=programs.environment())
        self.buffer = b''
        if self.answer().get('status') == 3:
            pytest.skip('no raw sockets here')

    def _line(self, timeout):
        deadline = time.monotonic() + timeout
        while b'\n' not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f'the program has ended: {self.process.wait()}'
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return json.loads(line)

    def answer(self):
        while True:
            line = self._line(10 * TIME_FACTOR)
            assert line is not None, 'no answer'
            if 'event' not in line:
                return line
            self.events.append(line)

    def ask(self, *words):
        self.process.stdin.write((' '.join(map(str, words)) + '\n').encode())
        self.process.stdin.flush()
        return self.answer()

    def open(self, name, address, device=CABLE, flows=1, far=False):
        assert self.ask('open', name, address, device, *(['far'] if far else [])) == {'status': 0}
        assert self.ask('users', name, 0, flows) == {'status': 0}

    def take(self, timeout=0.0):
        line = self._line(timeout)
        if line is not None:
            self.events.append(line)
        return line

    def wait(self, match, timeout=10):
        """The first event that matches, of those that have come already, too."""
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while True:
            for event in self.events:
                if match(event):
                    return event
            assert time.monotonic() < deadline, f'it did not happen, but: {self.events}'
            self.take(0.1)

    def wait_for(self, name, timeout=10):
        return self.wait(lambda event: event['event'] == name, timeout)

    def facts(self):
        return self.ask('facts')

    def count(self, name):
        return int(self.facts()[name][0])

    def works(self, name):
        return self.facts()[name][0] == 'yes'

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))

    def cpu_s(self):
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as file:
            fields = file.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def memory_kb(self):
        with open(f'/proc/{self.process.pid}/status', encoding='ascii') as file:
            return next(int(line.split()[1]) for line in file if line.startswith('VmRSS'))

    def end(self):
        if self.process.poll() is None:
            self.process.stdin.write(b'end\n')
            self.process.stdin.flush()
            assert self.process.wait(10 * TIME_FACTOR) == 0
        self.process.stdin.close()
        self.process.stdout.close()


class Hosts:
    def __init__(self, programs):
        self.programs = programs
        self.a, self.b = netns.Namespace(), netns.Namespace()
        netns.join(self.a, self.b, CABLE, [f'{A4}/24', f'{A6}/64'], [f'{B4}/24', f'{C4}/24', f'{B6}/64'])
        self.agents = []

    def agent(self, host, *roles, uid=0, prefix=()):
        agent = Agent(self.programs, host, *roles, uid=uid, prefix=prefix)
        self.agents.append(agent)
        return agent

    def shape(self, host, rate_mbit):
        burst = max(2000, int(rate_mbit * 125))
        host.must('tc', 'qdisc', 'replace', 'dev', CABLE, 'root', 'tbf', 'rate', f'{rate_mbit}mbit',
                  'burst', str(burst), 'limit', '200000')

    def close(self):
        for agent in self.agents:
            agent.end()
        self.a.close()
        self.b.close()


@pytest.fixture
def hosts(programs):
    made = Hosts(programs)
    yield made
    made.close()


@pytest.fixture
def wire(hosts):
    """What arrives at the second host."""
    made = Wire(hosts.b, CABLE)
    yield made
    made.close()


def probes(wire):
    """Datagrams for the service, in order."""
    return [packet for packet in wire.settle() if packet.protocol == socket.IPPROTO_UDP and packet.dport == PORT]


def request_of(number, stamp=0x1122334455, extra=b'', version=2):
    return struct.pack('!BBBBIQQQ', 5, 0, 0, version, number, stamp, 0, 0) + extra


@contextlib.contextmanager
def udp(host, address, port=PORT):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    with host.socket(family, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        made.settimeout(0.3 * TIME_FACTOR)
        yield made


def heard(made):
    """What arrives within a moment."""
    found = []
    with contextlib.suppress(TimeoutError):
        while True:
            found.append(made.recvfrom(4096))
    return found


def connect(host, address):
    made = host.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(5 * TIME_FACTOR)
    made.connect((address, PORT))
    return made


def listening(host):
    """(protocol, family) of the sockets bound to the service's port."""
    found = set()
    for line in host.must('ss', '-Hlntu', f'sport = :{PORT}').splitlines():
        words = line.split()
        found.add((words[0], 6 if '[' in words[4] else 4))
    return found


ALL_PORTS = {('tcp', 4), ('tcp', 6), ('udp', 4), ('udp', 6)}


# ---- ports ----

def test_ports_are_open_for_a_sink_only(hosts):
    """P-012, and that who measures nothing takes no port."""
    sink = hosts.agent(hosts.b, 'sink')
    assert listening(hosts.b) == ALL_PORTS
    assert sink.works('probe-sink') and sink.works('probe-udp')
    initiator = hosts.agent(hosts.a, 'initiator')
    assert listening(hosts.a) == set()
    assert not initiator.works('probe-sink')
    initiator.open('p', B4)
    assert listening(hosts.a) == {('udp', 4), ('udp', 6)}
    with pytest.raises(ConnectionRefusedError):
        connect(hosts.b, A4)


def test_nothing_is_inherited(hosts):
    """No descriptor outlives an exec."""
    agent = hosts.agent(hosts.b, 'sink', 'initiator', 'frames')
    agent.open('p', A4)
    with connect(hosts.a, B4):
        until(lambda: agent.count('probe-sessions') == 1)
        folder = f'/proc/{agent.process.pid}/fdinfo'
        kept = [name for name in os.listdir(folder) if int(name) > 2 and not flags_of(f'{folder}/{name}') & 0o2000000]
    assert kept == []


def flags_of(path):
    with open(path, encoding='ascii') as file:
        return next(int(line.split()[1], 8) for line in file if line.startswith('flags'))


def test_a_port_that_somebody_else_has(hosts):
    """Two who measure on one host: the second goes without, says so, and takes over when the first has gone."""
    first = hosts.agent(hosts.a, 'initiator', uid=65534)
    first.open('p', B4)
    second = hosts.agent(hosts.a, 'initiator', uid=65533)
    second.open('p', B4)
    assert '2177' in second.wait_for('trouble')['what']
    assert first.works('probe-udp') and not second.works('probe-udp')
    first.end()
    until(lambda: second.works('probe-udp'), timeout=25)


def test_unprivileged(hosts):
    """An engine inside a program needs no right: it measures by MS-QLPB alone (P-120)."""
    hosts.agent(hosts.b, 'sink')
    agent = hosts.agent(hosts.a, 'initiator', uid=65534)
    assert not agent.works('probe-frames')
    agent.open('p', B4)
    agent.wait_for('supported')
    until(lambda: agent.ask('info', 'p')['capacity'] > 0)


# ---- what leaves ----

def test_without_users_nothing_leaves(hosts, wire):
    """Q-190: a path that is open for nobody is not measured; and one that is not measured any more is quiet."""
    hosts.agent(hosts.b, 'sink')
    agent = hosts.agent(hosts.a, 'initiator')
    agent.open('p', B4, flows=0)
    wire.settle(1)
    assert [packet for packet in wire.packets if PORT in (packet.sport, packet.dport)] == []
    agent.ask('users', 'p', 0, 1)
    agent.wait_for('supported')
    agent.ask('users', 'p', 0, 0)
    agent.ask('close', 'p')
    wire.settle(2)
    wire.clear()
    wire.settle(1)
    assert [packet for packet in wire.packets if PORT in (packet.sport, packet.dport)] == []


@pytest.mark.parametrize('six', [False, True])
def test_packets_of_experiments(hosts, wire, six):
    """P-007, P-009, P-050..P-053, P-055, P-063, P-067, P-069: what leaves, octet by octet, and by tshark."""
    hosts.agent(hosts.b, 'sink')
    agent = hosts.agent(hosts.a, 'initiator')
    agent.open('p', B6 if six else B4)
    agent.wait_for('supported')
    until(lambda: len([p for p in probes(wire) if p.payload[0] == 5]) >= 20)
    sent = probes(wire)
    hops = IP6_HOPS_AT if six else IP_TTL_AT
    assert {packet.frame[hops] for packet in sent} == {1}
    if not six:
        assert all(packet.frame[14 + 6] & 0x40 for packet in sent), 'may be fragmented'
    for packet in sent:
        kind = packet.payload[0]
        assert packet.payload[3] == (2 if kind == 5 else 1) and packet.payload[2] == 0
        assert (packet.sport == PORT) == (kind == 5), packet
        checksum = struct.unpack_from('!H', packet.frame, (54 if six else 34) + 6)[0]
        assert six or kind == 5 or checksum == 0
        assert not six or checksum != 0
    check_route_check([p for p in sent if p.payload[0] == 2], six)
    check_train([p for p in sent if p.payload[0] == 1])
    gaps = [p for p in sent if p.payload[0] == 5]
    assert {len(p.payload) for p in gaps} == {32}
    assert {p.payload[16:32] for p in gaps} == {bytes(16)}
    ports = {p.sport for p in wire.packets if p.protocol == socket.IPPROTO_TCP}
    assert {struct.unpack_from('!H', p.payload, 4)[0] for p in sent if p.payload[0] != 5} <= ports
    ttl = 'ipv6.hlim' if six else 'ip.ttl'
    fields = wire.tshark(ttl, 'udp.dstport', 'udp.length', options=('-Y', f'udp.dstport == {PORT}'))
    assert len(fields) >= len(sent) and {row[0] for row in fields} == {'1'}


def check_route_check(group, six):
    assert len(group) >= 5 and len(group) % 5 == 0
    small = 60 if six else 40
    for i, packet in enumerate(group):
        _, flags, _, _, _, train, sequence = struct.unpack_from('!BBBBHHI', packet.payload)
        assert sequence == i + 1
        assert packet.ip_bytes == (1500, 1496, 1496, small, small)[i % 5]
        assert flags == (0x80 if i % 5 == 0 else 0)
        assert train == (5 if i % 5 == 4 else 0)
        assert packet.dscp == (40 if i % 5 in (0, 4) else 0)


def check_train(train):
    assert len(train) >= 8
    assert {packet.ip_bytes for packet in train} == {1496}
    assert {packet.dscp for packet in train} == {0}
    assert len({packet.payload[12:] for packet in train}) == len(train), 'payloads are the same'
    first = [packet for packet in train if packet.payload[1] == 0x80]
    assert first and struct.unpack_from('!H', train[0].payload, 6)[0] >= 8
    # One right after the other: in one system call.
    apart = [b.time - a.time for a, b in zip(train, train[1:]) if b.payload[1] != 0x80]
    assert sorted(apart)[len(apart) // 2] < 0.0005 * TIME_FACTOR


def test_probes_leave_in_time(hosts, wire):
    """P-068's ground: what is to leave every ten milliseconds does, whatever the event loop's own timers can do."""
    hosts.agent(hosts.b, 'sink')
    agent = hosts.agent(hosts.a, 'initiator')
    agent.open('p', B4)
    agent.wait_for('supported')

    def gaps():
        return [p for p in probes(wire) if p.payload[0] == 5]

    until(lambda: len(gaps()) >= 200, timeout=20)
    late = []
    for before, after in zip(gaps(), gaps()[1:]):
        scheduled = (struct.unpack_from('!Q', after.payload, 8)[0] - struct.unpack_from('!Q', before.payload, 8)[0]) / 1e7
        if struct.unpack_from('!I', after.payload, 4)[0] == struct.unpack_from('!I', before.payload, 4)[0] + 1:
            late.append(abs(after.time - before.time - scheduled))
    assert len(late) > 100
    assert sorted(late)[len(late) // 2] < 0.0005 * TIME_FACTOR
    assert sorted(late)[len(late) * 9 // 10] < 0.004 * TIME_FACTOR


@pytest.mark.parametrize('rate', [5, 50])
def test_what_is_measured(hosts, rate):
    """P-074, P-075, P-076, P-082: on a link that is shaped, and otherwise idle."""
    hosts.shape(hosts.a, rate)
    hosts.agent(hosts.b, 'sink')
    agent = hosts.agent(hosts.a, 'initiator')
    agent.open('p', B4)
    agent.wait_for('supported')

    # What the first trains left in the queue is seen at first.
    def seems_idle():
        info = agent.ask('info', 'p')
        return info['capacity'] and info['available'] > 0.85 * info['capacity'] and info

    info = until(seems_idle, timeout=30)
    assert info['status'] == 0 and info['rtt_us'] > 0
    assert 0.85 * rate * MBIT < info['capacity'] <= 1.1 * rate * MBIT, info


def test_nobody_there(hosts):
    """P-073: where nothing listens that is known at once."""
    agent = hosts.agent(hosts.a, 'initiator')
    begin = time.monotonic()
    agent.open('p', B4)
    agent.wait_for('unsupported')
    assert time.monotonic() - begin < 1 * TIME_FACTOR
    assert agent.ask('info', 'p')['status'] == -95
    assert agent.ask('admit', 'p', 0, MBIT, 1)['status'] == -95


# ---- what the host sees anyway ----

class Load:
    """Sends as much as goes, to somebody who reads it."""

    def __init__(self, host, other, address, kind=socket.SOCK_STREAM, port=6000, source=''):
        self.receiver = other.socket(socket.AF_INET, kind)
        self.receiver.bind((address, port))
        if kind == socket.SOCK_STREAM:
            self.receiver.listen(1)
        self.sender = host.socket(socket.AF_INET, kind)
        if source:
            self.sender.bind((source, 0))
        self.sender.connect((address, port))
        self.ends = [self.sender, self.receiver]
        if kind == socket.SOCK_STREAM:
            self.ends.append(self.receiver.accept()[0])
        self.going = True
        self.threads = [threading.Thread(target=self._send), threading.Thread(target=self._receive)]
        for end in self.ends:
            end.settimeout(0.1)
        for thread in self.threads:
            thread.start()

    def _send(self):
        while self.going:
            with contextlib.suppress(TimeoutError, ConnectionError):
                self.sender.send(bytes(1200))
            if self.sender.type == socket.SOCK_DGRAM:
                time.sleep(0.001)

    def _receive(self):
        while self.going:
            with contextlib.suppress(TimeoutError, ConnectionError):
                self.ends[-1].recv(65536)

    @property
    def cookie(self):
        return struct.unpack('Q', self.sender.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]

    def close(self):
        self.going = False
        for thread in self.threads:
            thread.join()
        for end in self.ends:
            end.close()


def test_own_queue_tells(hosts):
    """What waits in front of our own interface is congestion, without any probe: it is noticed, and its end, too."""
    hosts.shape(hosts.a, 5)
    agent = hosts.agent(hosts.a, 'initiator')
    agent.open('p', B4, far=True)
    begin = time.monotonic()
    with contextlib.ExitStack() as loads:
        # One alone would be held up by its own buffer before the queue is long.
        for port in range(6000, 6004):
            loads.enter_context(contextlib.closing(Load(hosts.a, hosts.b, B4, socket.SOCK_DGRAM, port)))
        agent.wait(lambda event: event.get('state') == 'congested', 10)
        assert time.monotonic() - begin < 3 * TIME_FACTOR
    begin = time.monotonic()
    agent.wait(lambda event: event.get('state') == 'uncongested', 10)
    assert time.monotonic() - begin < 6 * TIME_FACTOR


def test_connection_tells(hosts):
    """Beyond a router what the kernel knows of a flow's own connection is all there is: its delay, its losses."""
    router = netns.Namespace()
    try:
        far = netns.Namespace()
        try:
            beyond_a_router(hosts, router, far)
        finally:
            far.close()
    finally:
        router.close()


def beyond_a_router(hosts, router, far):
    netns.join(hosts.a, router, 'near', ['10.1.0.1/24'], ['10.1.0.2/24'])
    netns.join(router, far, 'narrow', ['10.2.0.1/24'], ['10.2.0.2/24'])
    router.must('sysctl', '-qw', 'net.ipv4.ip_forward=1')
    hosts.a.must('ip', 'route', 'add', '10.2.0.0/24', 'via', '10.1.0.2')
    far.must('ip', 'route', 'add', '10.1.0.0/24', 'via', '10.2.0.1')
    router.must('tc', 'qdisc', 'replace', 'dev', 'narrow', 'root', 'tbf', 'rate', '5mbit', 'burst', '3000', 'limit',
                '100000')
    agent = hosts.agent(hosts.a, 'initiator')
    agent.open('p', '10.2.0.2', 'near', far=True)
    with contextlib.closing(Wire(far, 'narrow')) as wire:
        with contextlib.closing(Load(hosts.a, far, '10.2.0.2')) as load:
            port = load.sender.getsockname()[1]
            assert agent.ask('socket', 'p', load.cookie, '10.1.0.1', port, '10.2.0.2', 6000) == {'status': 0}
            agent.wait(lambda event: event.get('state') == 'congested', 15)
        wire.settle()
        assert [packet for packet in wire.packets if PORT in (packet.sport, packet.dport)] == []


# ---- what a sink says ----

def test_answers_of_a_sink(hosts):
    """P-041..P-045: to probegap."""
    hosts.agent(hosts.b, 'sink')
    for own, other in ((A4, B4), (A6, B6)):
        with udp(hosts.a, own) as made:
            made.sendto(request_of(42, extra=b'xyz'), (other, PORT))
            data, source = made.recvfrom(100)
            assert source[:2] == (other, PORT) and data[:16] == b'\x06\0\0\2' + request_of(42)[4:16]
            assert data[32:] == b'xyz'
            received, sent = struct.unpack_from('!QQ', data, 16)
            assert 0 < received <= sent
            for wrong in (request_of(1)[:31], request_of(1, version=1), b'\x06' + request_of(1)[1:], b'', b'\5'):
                made.sendto(wrong, (other, PORT))
            assert heard(made) == []
        with udp(hosts.a, own, 3000) as made:
            made.sendto(request_of(1), (other, PORT))
            assert heard(made) == []


def test_who_gets_no_answer(hosts):
    """Who is not on the link, who asks all at once; and nothing leaves with more octets than have come."""
    sink = hosts.agent(hosts.b, 'sink')
    with hosts.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        made.bind((A4, PORT))
        made.settimeout(0.3)
        made.sendto(request_of(1), ('192.0.2.255', PORT))
        assert heard(made) == []
    hosts.b.must('ip', 'route', 'add', 'default', 'via', A4)
    hosts.a.must('ip', 'address', 'add', '198.51.100.7/32', 'dev', CABLE)
    with udp(hosts.a, '198.51.100.7') as made:
        made.sendto(request_of(2), (B4, PORT))
        assert heard(made) == []
    with pytest.raises(OSError):
        with hosts.a.socket(socket.AF_INET, socket.SOCK_STREAM) as made:
            made.settimeout(5 * TIME_FACTOR)
            made.bind(('198.51.100.7', 0))
            made.connect((B4, PORT))
            made.sendall(b'\1\0\0\1')
            if made.recv(4) == b'':
                raise ConnectionResetError
    assert sink.count('probe-off-link') >= 2
    assert sink.count('probe-echoed') == 0 and sink.count('probe-sent') == 0


def test_control_connection(hosts):
    """P-004, P-011, P-013..P-017, P-040: what is said over TCP."""
    sink = hosts.agent(hosts.b, 'sink')
    for address in (B4, B6):
        for handshake in (b'\1\0\0\1', b'\2\0\xff\1'):
            with connect(hosts.a, address) as made:
                for octet in handshake:
                    made.sendall(bytes([octet]))
                    time.sleep(0.01)
                assert made.recv(100) == b'\x1e\0\0\1'
                made.sendall(b'\1\0\0\1')
                assert closed(made)
    for wrong in (b'\0\0\0\1', b'\x96\0\0\3', b'\x77\0\0\1', b'\1\0\0\2'):
        with connect(hosts.a, B4) as made:
            made.sendall(wrong)
            assert closed(made)
    assert sink.count('probe-violations') == 8


def closed(made):
    try:
        return made.recv(100) == b''
    except ConnectionResetError:
        return True


def test_train_of_a_stranger(hosts):
    """P-029, P-037: a train, by hand, is noted with the times at which the kernel saw it."""
    hosts.agent(hosts.b, 'sink')
    with connect(hosts.a, B4) as made, udp(hosts.a, A4, 0) as sender:
        made.sendall(b'\1\0\0\1')
        assert made.recv(4) == b'\x1e\0\0\1'
        own = made.getsockname()[1]
        for i in range(5):
            sender.sendto(struct.pack('!BBBBHHI', 1, 0 if i else 0x80, 0, 1, own, 5, 7 + i) + bytes(100), (B4, PORT))
            time.sleep(0.01)
        data = made.recv(200)
    assert len(data) == 16 + 4 * 8 and data[:8] == b'\x0a\0\0\1\0\0\0\7'
    deltas = struct.unpack_from('!4Q', data, 16)
    assert sorted(deltas)[1] > 95000 and sorted(deltas)[0] < 200000 * TIME_FACTOR, deltas


# ---- strangers that mean no good ----

def test_unfinished_connections(hosts):
    """P-018, P-047: who connects and says nothing is shown out; others are not, and there is an end to how many."""
    sink = hosts.agent(hosts.b, 'sink')
    before = sink.descriptors()
    with connect(hosts.a, B4) as good:
        good.sendall(b'\1\0\0\1')
        assert good.recv(4) == b'\x1e\0\0\1'
        begin = time.monotonic()
        crowd = [connect(hosts.a, B4) for _ in range(60)]
        until(lambda: sink.count('probe-refused') >= 57)
        assert sink.descriptors() <= before + 1 + 3
        for made in crowd:
            assert closed(made)
            made.close()
        assert 1.5 < time.monotonic() - begin < 4 * TIME_FACTOR
        until(lambda: sink.descriptors() == before + 1)
        good.settimeout(0.2)
        with pytest.raises(TimeoutError):
            good.recv(1)
    until(lambda: sink.descriptors() == before)


def test_flood_of_requests(hosts):
    """P-046: no host is answered more than a thousand times a second, and it costs no more than it may."""
    sink = hosts.agent(hosts.b, 'sink')
    memory = sink.memory_kb()
    busy = sink.cpu_s()
    with udp(hosts.a, A4) as made:
        made.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
        end = time.monotonic() + 2
        sent = 0
        while time.monotonic() < end:
            made.sendto(request_of(sent), (B4, PORT))
            sent += 1
        answers = heard(made)
    assert sent > 5000, 'that was no flood'
    assert 100 < len(answers) <= 2 * 1000 + 200 + 300 * TIME_FACTOR, (sent, len(answers))
    assert sink.count('probe-limited') > 0
    assert sink.cpu_s() - busy < 1.2 * TIME_FACTOR
    assert sink.memory_kb() - memory < MEMORY_KB
    # It serves on.
    time.sleep(0.2)
    with udp(hosts.a, A6) as made:
        made.sendto(request_of(1), (B6, PORT))
        assert len(heard(made)) == 1


def test_flood_of_rubbish(hosts):
    """P-019, P-022: of any length, with any content, at any rate."""
    sink = hosts.agent(hosts.b, 'sink')
    with udp(hosts.a, A4, 4000) as made:
        end = time.monotonic() + 1
        i = 0
        while time.monotonic() < end:
            kind = (1, 2, 5, 6, 0x0a, 0xff)[i % 6]
            made.sendto((struct.pack('!BBBBHHI', kind, i & 255, 0, 1 + i % 2, i & 0xffff, 16, i)
                         + bytes(i % 1400))[:i % 1472], (B4, PORT))
            i += 1
        assert heard(made) == []
    assert sink.count('probe-bad-message') > 0 and sink.count('probe-no-session') > 0
    assert sink.count('probe-sent') == 0


def test_no_descriptors_left(hosts):
    """Somebody who cannot be let in for want of a descriptor does not keep the event loop busy, and gets in later."""
    counted = hosts.agent(hosts.b, 'sink')
    room = counted.descriptors()
    counted.end()
    hosts.agents.remove(counted)
    sink = hosts.agent(hosts.b, 'sink', prefix=['prlimit', f'--nofile={room + 1}'])
    with connect(hosts.a, B4) as first, connect(hosts.a, B4) as second:
        first.sendall(b'\1\0\0\1')
        assert first.recv(4) == b'\x1e\0\0\1'
        busy = sink.cpu_s()
        time.sleep(1)
        assert sink.cpu_s() - busy < 0.2 * TIME_FACTOR
        first.close()
        second.sendall(b'\1\0\0\1')
        assert second.recv(4) == b'\x1e\0\0\1'


class Liar:
    """Listens where a sink would, and answers whoever connects in its own way."""

    def __init__(self, host, address, answer):
        self.listener = host.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, PORT))
        self.listener.listen(8)
        self.listener.settimeout(0.1)
        self.answer = answer
        self.served = 0
        self.going = True
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while self.going:
            with contextlib.suppress(TimeoutError, ConnectionError):
                with self.listener.accept()[0] as taken:
                    taken.settimeout(0.1)
                    self.served += 1
                    end = time.monotonic() + 2
                    data = self.answer
                    while self.going and data is not None and time.monotonic() < end:
                        data = data(taken)

    def close(self):
        self.going = False
        self.thread.join()
        self.listener.close()


SUCCESS = b'\x1e\0\0\1'


def say_nothing(taken):
    with contextlib.suppress(TimeoutError):
        taken.recv(100)
    return say_nothing


def leave(taken):
    taken.recv(4)


def say(*pieces):
    def answer(taken):
        taken.recv(4)
        for piece in pieces:
            taken.sendall(piece)
        return say_nothing
    return answer


def chatter(taken):
    with contextlib.suppress(TimeoutError):
        taken.sendall(SUCCESS + b'\x0a\0\0\1' * 10000)
    return chatter


@pytest.mark.parametrize('answer', [
    say_nothing, leave, chatter, say(b'\x96\0\0\3'), say(SUCCESS, SUCCESS), say(SUCCESS, bytes(5000)),
    say(SUCCESS, struct.pack('!BBBBIIHH', 0x0a, 0, 0, 1, 1, 1, 0, 0xffff) + bytes(8)),
    say(SUCCESS, struct.pack('!BBBBIIHH', 0x0a, 0, 0, 1, 1, 0xffffffff, 0, 15) + bytes(8 * 15))])
def test_sinks_that_lie(hosts, answer):
    """P-048, P-061, P-066, P-081: whatever it says, it costs a connection for a moment, and nothing is believed."""
    agent = hosts.agent(hosts.a, 'initiator')
    before, memory = agent.descriptors(), agent.memory_kb()
    with contextlib.closing(Liar(hosts.b, B4, answer)) as liar:
        agent.open('p', B4)
        agent.wait_for('unsupported', 20)
        assert liar.served >= 1
        assert agent.ask('info', 'p')['status'] == -95
        agent.ask('users', 'p', 0, 0)
        agent.ask('close', 'p')
        # The four of UDP, and what hears of interfaces, stay as long as the path lingers.
        until(lambda: agent.descriptors() <= before + 6)
    assert agent.memory_kb() - memory < MEMORY_KB
    assert agent.cpu_s() < 2 * TIME_FACTOR


# ---- frames ----

@contextlib.contextmanager
def raw(host):
    """Everything of LLTD that reaches the interface."""
    made = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    with made:
        made.bind((CABLE, 3))
        made.settimeout(0.3 * TIME_FACTOR)
        yield made


def station(host):
    return bytes.fromhex(json.loads(host.must('ip', '-j', 'link', 'show', CABLE))[0]['address'].replace(':', ''))


def frame_of(to, sender, function, sequence, body=b'', version=1, service=2, real=None):
    return (to + sender + struct.pack('!HBBBB', LLTD, version, service, 0, function) + to + (real or sender)
            + struct.pack('!H', sequence) + body)


def frames(made):
    """(frame, tagged) of what arrives within a moment."""
    found = []
    with contextlib.suppress(TimeoutError):
        while True:
            data, address = made.recvfrom(4096)
            if address[2] != 4 and struct.unpack_from('!H', data, 12)[0] in (LLTD, 0x8100):
                found.append(data)
    return found


def test_sink_of_frames(hosts):
    """P-084, P-085, P-094, P-098, P-099, P-101: a session by hand, over a real interface."""
    sink = hosts.agent(hosts.b, 'sink', 'frames')
    assert sink.works('probe-frames')
    own, other = station(hosts.a), station(hosts.b)
    with raw(hosts.a) as made:
        made.send(frame_of(other, own, 0, 0x2a, b'\xff'))
        ready = frames(made)
        assert len(ready) == 1
        assert ready[0][:32] == own + other + struct.pack('!HBBBB', LLTD, 1, 2, 0, 1) + own + other + b'\0\x2a'
        assert struct.unpack_from('!Q', ready[0], 36)[0] > 0
        for i in range(3):
            made.send(frame_of(other, own, 2, 0x2b, struct.pack('!QQQBBB', 1000 + i, 0, 0, 0, i, 0) + bytes(5)))
            time.sleep(0.01)
        made.send(frame_of(other, own, 3, 0x2b))
        told = frames(made)
        assert len(told) == 1 and struct.unpack_from('!H', told[0], 32)[0] == 3
        events = [struct.unpack_from('!QQBB', told[0], 34 + 18 * i) for i in range(3)]
        assert [(event[0], event[2]) for event in events] == [(1000, 0), (1001, 1), (1002, 2)]
        assert events[0][1] < events[1][1] < events[2][1]
        for tag, where in ((0, 12), (0x85, 16)):
            made.send(frame_of(other, own, 2, 0x2c, struct.pack('!QQQBBB', 7, 0, 0, 1, 8, tag) + b'\xde\xad'))
            back = frames(made)
            assert len(back) == 1
            # Either in the frame or taken out of it by the interface: the rest is the same.
            rest = back[0][where:] if back[0][12:14] == b'\x81\0' else back[0][12:]
            assert rest[:6] == struct.pack('!HBBBB', LLTD, 1, 2, 0, 2)
            assert rest[44:48] == bytes([2, 8, tag, 0xde])
        made.send(frame_of(other, own, 5, 0x2d))
        assert [data[17] for data in frames(made)] == [7]
        made.send(frame_of(other, own, 5, 0x2e))
        assert frames(made) == []


def test_link_goes_down(hosts):
    """P-104: what was noted for somebody is gone when the link comes back."""
    hosts.agent(hosts.b, 'sink', 'frames')
    own, other = station(hosts.a), station(hosts.b)

    def ask(made, *frame):
        made.send(frame_of(other, own, *frame))
        return [data[17] for data in frames(made)]

    probe = struct.pack('!QQQBBB', 1, 0, 0, 0, 1, 0) + bytes(5)
    with raw(hosts.a) as made:
        assert ask(made, 0, 1, b'\xff') == [1]
        assert ask(made, 2, 2, probe) == [] and ask(made, 3, 2) == [4]
        hosts.b.must('ip', 'link', 'set', CABLE, 'down')
        hosts.b.must('ip', 'link', 'set', CABLE, 'up')
        until(lambda: 'LOWER_UP' in hosts.a.must('ip', 'link', 'show', CABLE))
        until(lambda: ask(made, 0, 3, b'\xff') == [1])
        assert ask(made, 3, 2) == []


def test_counts_of_a_link(hosts):
    """P-105, P-106: what has passed the interface, second by second, as the kernel has counted it."""
    hosts.agent(hosts.b, 'sink', 'frames')
    own, other = station(hosts.a), station(hosts.b)
    with raw(hosts.a) as made:
        made.send(frame_of(other, own, 8, 1, b'\3'))
        assert [data[32] for data in frames(made)] == [0]
        made.send(frame_of(b'\xff' * 6, own, 10, 0))
        with hosts.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(34):
                sender.sendto(bytes(10000), (B4, 9))
                time.sleep(0.1)
        made.send(frame_of(other, own, 8, 2, b'\3'))
        counts = [data for data in frames(made) if data[17] == 9]
    assert len(counts) == 1
    span, byte_scale, packet_scale, history = struct.unpack_from('!BBBB', counts[0], 32)
    assert history == 3 and span > 0
    seconds = [struct.unpack_from('!HHHH', counts[0], 36 + 8 * i) for i in range(history)]
    received = sum(second[0] for second in seconds) * (byte_scale + 1) * 1024 / history
    assert 50000 < received < 150000, seconds
    assert 20 < sum(second[1] for second in seconds) * (packet_scale + 1) / history < 200, seconds


def test_bad_frames(hosts):
    """P-090, P-091, P-093, P-100, P-110: forged, reflected and cut frames, and a flood of them."""
    sink = hosts.agent(hosts.b, 'sink', 'frames')
    own, other = station(hosts.a), station(hosts.b)
    group, nobody = b'\1\0\x5e\0\0\1', b'\2\0\0\0\0\x99'
    good = frame_of(other, own, 0, 1, b'\xff')
    reflected = frame_of(other, own, 2, 1, struct.pack('!QQQBBB', 1, 2, 3, 2, 0, 0) + bytes(5))
    wrong = [frame_of(other, own, 0, 1, b'\xff', version=2), frame_of(other, own, 0, 1, b'\xff', service=1),
             frame_of(other, own, 0, 1, b'\xff', real=group), frame_of(other, own, 0, 1, b'\xff', real=other),
             frame_of(other, own, 0, 0, b'\xff'), other + nobody[:6] + good[12:18] + nobody + good[24:],
             reflected, *(good[:n] for n in range(14, 33))]
    with raw(hosts.a) as made:
        for frame in wrong:
            made.send(frame)
        assert frames(made) == []
        memory, end, i = sink.memory_kb(), time.monotonic() + 1, 0
        busy = sink.cpu_s()
        while time.monotonic() < end:
            i += 1
            made.send(frame_of(other, b'\2\0' + struct.pack('!I', i), i % 11, 1 + i % 65535, b'\xff' * 60))
        made.settimeout(0.05)
        answers = frames(made)
        assert i > 2000 and len(answers) < i / 2
    assert sink.cpu_s() - busy < 1 * TIME_FACTOR
    assert sink.memory_kb() - memory < MEMORY_KB
    assert sink.count('lltd-bad-frame') + sink.count('lltd-not-for-us') > 0


def test_measured_by_frames(hosts):
    """P-111, P-113: with raw sockets at both ends no datagram is needed; and it is found out whose the station is."""
    hosts.shape(hosts.a, 20)
    hosts.agent(hosts.b, 'sink', 'frames')
    agent = hosts.agent(hosts.a, 'initiator', 'frames')
    hosts.a.must('ip', 'neigh', 'flush', 'dev', CABLE)
    with raw(hosts.b) as made, contextlib.closing(Wire(hosts.b, CABLE)) as wire:
        agent.open('p', B4)
        agent.wait_for('supported')
        until(lambda: agent.ask('info', 'p')['available'] >= 0, timeout=20)
        assert any(frame[17] == 2 for frame in frames_so_far(made))
        assert [packet for packet in wire.settle() if PORT in (packet.sport, packet.dport)] == []
    info = agent.ask('info', 'p')
    assert 0.8 * 20 * MBIT < info['capacity'] < 1.15 * 20 * MBIT, info


def frames_so_far(made):
    made.setblocking(False)
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            data, address = made.recvfrom(4096)
            if address[2] != 4 and struct.unpack_from('!H', data, 12)[0] == LLTD:
                found.append(data)
    return found


def test_frames_without_a_sink(hosts):
    """Who does not answer frames is asked by datagrams."""
    hosts.agent(hosts.b, 'sink')
    agent = hosts.agent(hosts.a, 'initiator', 'frames')
    agent.open('p', B4)
    agent.wait_for('supported')
    until(lambda: agent.ask('info', 'p')['capacity'] > 0)
