# SPDX-License-Identifier: MIT
"""What strangers on the link can do to a daemon that measures, and to what it measures: floods, forgeries, replays,
reflections, sessions that nobody finishes, sinks that lie (spec/probing.md §3.6, §7, §14).

Their frames are put on the wire at the switch, right before the port of whom they are meant for, with any address as
their source. What went in and came out there is in a capture, which tshark reads. Meanwhile a host of good faith measures
the path to the same daemon.
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from conftest import Daemon, until
from liars import HUGE, LLTD, PORT, TICKS_PER_S, LyingSink, LyingStation, Thread, lltd_frame
from netns import TIME_FACTOR
from packets import ones_complement_sum
from segment import CABLE, Segment, capacity_bps

GOOD, VICTIM, LIAR = 1, 2, 3
MBIT = 1000000
RATE = 100 * MBIT
CAPACITY = capacity_bps(RATE)
FORGED = range(100, 180)  # the last octet of addresses that nobody has
FLOODER = 99
LIES_FROM, STATIONS_FROM = 180, 210
ECHOES_PER_S, ECHOES_PER_S_PER_HOST = 4000, 1000
SESSIONS, LLTD_SUMMARIES_PER_S = 32, 50
LLTD_ACK = 7
ETHERNET_MIN = 60  # what is shorter is as long on a wire
# Sanitizers keep what was freed for a while.
RESIDENT_KB, RESIDENT_SANITIZED_KB = 4096, 327680
TEXT = 'probe { initiator = true sink = true }\n'


def mac_of(number, group=0x66):
    return bytes([2, 0, 0, group]) + struct.pack('!H', number)


def address_of(number):
    return Segment.address(number)


class Watched:
    """A daemon, what it costs, and what it says."""

    def __init__(self, daemon):
        self.daemon, self.pid = daemon, daemon.process.pid
        with open(f'/proc/{self.pid}/maps', encoding='ascii') as maps:
            self.sanitized = 'libasan' in maps.read()
        self.limit_kb = RESIDENT_SANITIZED_KB if self.sanitized else RESIDENT_KB
        self.start()

    def resident_kb(self):
        with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
            return next(int(line.split()[1]) for line in file if line.startswith('VmRSS'))

    def cpu_s(self):
        with open(f'/proc/{self.pid}/stat', encoding='ascii') as file:
            fields = file.read().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def counters(self):
        return self.daemon.status()['counters']

    def start(self):
        self.before_kb, self.before_cpu_s, self.begun = self.resident_kb(), self.cpu_s(), time.monotonic()
        self.before = self.counters()
        self.before_lines = self.daemon.log().count('\n')

    def rise(self, name):
        return self.counters()[name] - self.before[name]

    def check(self, cpu_share=0.8, lines=10):
        """Since start(): memory, time of processors, what it wrote into the log; and it answers its own clients."""
        assert self.daemon.running, self.daemon.log()
        wall = time.monotonic() - self.begun
        assert self.cpu_s() - self.before_cpu_s < cpu_share * wall * TIME_FACTOR, 'it is kept busy'
        assert self.resident_kb() - self.before_kb < self.limit_kb, 'it has grown'
        written = self.daemon.log().count('\n') - self.before_lines
        assert written <= lines + wall / 5, self.daemon.log()
        begin = time.monotonic()
        assert self.daemon.status()['mode'] == 'daemon'
        assert time.monotonic() - begin < 2 * TIME_FACTOR


class Capture:
    """Everything that passes a port of the switch, for tshark."""

    def __init__(self, switch, port, path, what):
        self.switch, self.path = switch, path
        self.dump = switch.popen(['tcpdump', '-i', port, '--immediate-mode', '-U', '-B', '65536', '-w', str(path), '-s', '200',
                                  what], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        while b'listening' not in self.dump.stderr.readline():
            assert self.dump.poll() is None

    def end(self):
        if self.dump not in self.switch.children:
            return
        time.sleep(0.3)
        self.dump.terminate()
        self.dump.wait()
        self.dump.stderr.close()
        self.switch.children.remove(self.dump)

    def rows(self, what, *fields):
        self.end()
        command = ['tshark', '-n', '-r', str(self.path), '-Y', what, '-T', 'fields']
        for field in fields:
            command += ['-e', field]
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=60 * TIME_FACTOR)
        return [line.split('\t') for line in done.stdout.splitlines()]


class World:
    """A host of good faith, a daemon that is attacked, a host of liars, and the switch from which attacks come."""

    def __init__(self, programs, folder):
        self.programs, self.folder = programs, folder
        self.segment = Segment(LIAR)
        self.switch = self.segment.switch
        self.daemons = {}
        for number in GOOD, VICTIM:
            self.segment.narrow(number, RATE)
            self.daemons[number] = Daemon(programs, self.host(number), folder, f'host{number}').start(TEXT)
        self.wires = {number: self._wire(number) for number in (GOOD, VICTIM)}
        self.macs = {number: self._mac(number) for number in (GOOD, VICTIM, LIAR)}
        self.n_captures = 0
        # The kernel would ask for each of them otherwise, and nobody would hear the answers.
        self.know(VICTIM, {number: mac_of(number) for number in [*FORGED, FLOODER]})

    def host(self, number):
        return self.segment.hosts[number - 1]

    def _mac(self, number):
        shown = json.loads(self.host(number).must('ip', '-j', 'link', 'show', CABLE))
        return bytes.fromhex(shown[0]['address'].replace(':', ''))

    def _wire(self, number):
        made = self.switch.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        made.bind((self.segment.port(number), 0))
        made.settimeout(5)
        return made

    def know(self, number, macs):
        for last, mac in macs.items():
            self.host(number).must('ip', 'neigh', 'replace', address_of(last), 'lladdr', mac.hex(':'), 'dev', CABLE, 'nud',
                                   'permanent')

    def inject(self, frame, to=VICTIM):
        """Onto the wire right before a host. False: there was no room."""
        try:
            self.wires[to].send(frame)
            return True
        except (BlockingIOError, OSError):
            return False

    @contextlib.contextmanager
    def capture(self, number, what):
        self.n_captures += 1
        made = Capture(self.switch, self.segment.port(number), self.folder / f'{self.n_captures}.pcap', what)
        try:
            yield made
        finally:
            made.end()

    # ---- good faith ----

    def measuring(self, seconds=4, to=VICTIM, address=None):
        """`greenwave probe` of the host of good faith, at work."""
        host, daemon = self.host(GOOD), self.daemons[GOOD]
        return host.popen([self.programs.path('greenwave'), 'probe', '--json', '--time', str(seconds * TIME_FACTOR),
                           address or address_of(to)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=self.programs.environment(daemon.socket_path))

    def measured(self, child, seconds=60):
        """What it says; None: that it cannot be measured. Figures are never impossible."""
        try:
            out, error = child.communicate(timeout=seconds * TIME_FACTOR)
        finally:
            child.kill()
            child.wait()
            self.host(GOOD).children.remove(child)
        assert 'Sanitizer' not in error, error
        if child.returncode != 0:
            assert child.returncode == 1 and error, (child.returncode, error, out)
        if not out:
            return None
        said = json.loads(out)
        check_figures(said)
        return said

    def check_measures(self, tries=3):
        """The path to the daemon that was attacked is as it was, and free. What came last may still be in the figures."""
        for _ in range(tries):
            said = self.measured(self.measuring())
            if said and said['end'] == 'complete' and is_as_it_was(said):
                return
        raise AssertionError(said)

    def close(self):
        try:
            for daemon in self.daemons.values():
                if daemon.running:
                    daemon.stop()
        finally:
            for wire in self.wires.values():
                wire.close()
            self.segment.close()


def is_as_it_was(said):
    capacity, available = said['capacity_bps'] or 0, said['available_bps'] or 0
    return 0.7 * CAPACITY < capacity < 1.15 * CAPACITY and available > 0.7 * capacity


def check_figures(said):
    for one in [said, *said.get('samples', [])]:
        capacity, available, rtt = one.get('capacity_bps'), one.get('available_bps'), one.get('rtt_us')
        assert capacity is None or 0 < capacity <= 10000 * MBIT, said
        assert available is None or capacity is not None and 0 <= available <= capacity, said
        assert rtt is None or 0 < rtt < 10 * 1000000 * TIME_FACTOR, said


@pytest.fixture(scope='module')
def shared_world(programs):
    folder = pathlib.Path(tempfile.mkdtemp(prefix='m-', dir=programs.folder))
    folder.chmod(0o755)
    with contextlib.closing(World(programs, folder)) as made:
        # Sanitizers and the kernel's neighbour tables have their memory from then on.
        made.measured(made.measuring(2))
        yield made


@pytest.fixture
def world(shared_world):
    yield shared_world
    for daemon in shared_world.daemons.values():
        assert daemon.running, daemon.log()
        daemon.check_log()


@pytest.fixture
def victim(world):
    return Watched(world.daemons[VICTIM])


# ---- datagrams ----

def udp_frame(world, last, data, sport=PORT, dport=PORT, ttl=1, to=VICTIM, source=None, mac=None):
    source = source or address_of(last)
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 1, 0x4000, ttl, 17, 0, socket.inet_aton(source),
                         socket.inet_aton(address_of(to)))
    header = header[:10] + struct.pack('!H', 0xffff ^ ones_complement_sum(header)) + header[12:]
    return (world.macs[to] + (mac or mac_of(last)) + b'\x08\0' + header +
            struct.pack('!HHHH', sport, dport, 8 + len(data), 0) + data)


def request(number, extra=b'', version=2, kind=5):
    return struct.pack('!BBBBIQQQ', kind, 0, 0, version, number, 7, 0, 0) + extra


def flood(world, frames, seconds, per_s, to=VICTIM):
    """Sends them in turn, so many a second; how many have left, and how long it took."""
    begin, sent = time.monotonic(), 0
    while (passed := time.monotonic() - begin) < seconds:
        for _ in range(max(1, min(int(per_s * passed) - sent, 200))):
            sent += world.inject(frames[sent % len(frames)], to)
        time.sleep(0.0005)
    return sent, time.monotonic() - begin


def traffic_of(capture, what, mine):
    """By IPv4 address: the lengths of the frames that came from it, and of those that went to it."""
    came, went, mine = collections.defaultdict(list), collections.defaultdict(list), mine.hex(':')
    for station, source, destination, length in capture.rows(what, 'eth.src', 'ip.src', 'ip.dst', 'frame.len'):
        if station == mine:
            went[destination].append(int(length))
        else:
            came[source].append(int(length))
    return came, went


def test_flood_of_forged_requests(world, victim):
    """P-046, spec/probing.md §3.6: eighty sources that nobody is, and one that asks five thousand times a second"""
    forged = [udp_frame(world, last, request(i, bytes(i % 3 * 100))) for i, last in enumerate(FORGED)]
    one = [udp_frame(world, FLOODER, request(i)) for i in range(50)]
    good = world.measuring(6)
    with world.capture(VICTIM, f'udp port {PORT}') as capture:
        sent, seconds = flood(world, one, 2, 5000)
        mixed, longer = flood(world, forged, 2, 12000)
    assert sent > 3000 and mixed > 5000, 'that was no flood'
    victim.check()
    came, went = traffic_of(capture, f'udp.port == {PORT}', world.macs[VICTIM])
    strangers = [address_of(last) for last in [*FORGED, FLOODER]]
    for stranger in strangers:
        assert sum(went[stranger]) <= sum(came[stranger]), stranger
    flooder = address_of(FLOODER)
    assert len(came[flooder]) > 3000
    assert 100 < len(went[flooder]) <= ECHOES_PER_S_PER_HOST * (seconds + 0.3 * TIME_FACTOR) + 101
    answers = sum(len(went[stranger]) for stranger in strangers)
    assert 1000 < answers <= ECHOES_PER_S * (seconds + longer + 0.3 * TIME_FACTOR) + 2 * 401
    assert victim.rise('probe-limited') > 0
    assert victim.rise('probe-received') >= victim.rise('probe-echoed') > 0
    assert victim.daemon.log().count('thrown away') <= 5
    world.measured(good)
    world.check_measures()


def test_datagrams_that_nobody_may_send(world, victim):
    """P-019, P-022, P-042, P-044, P-045, P-100's like: nothing comes back for them, and each is counted"""
    group = ('224.0.0.1', '255.255.255.255', '198.51.100.255', '127.0.0.1', '0.0.0.0', address_of(VICTIM))
    last = FORGED[0]
    whole = request(1)
    wrong = [udp_frame(world, last, whole, source=source) for source in group]
    wrong += [udp_frame(world, last, whole, source='203.0.113.7'), udp_frame(world, last, whole, sport=4000),
              udp_frame(world, last, request(1, version=1)), udp_frame(world, last, request(1, kind=6))]
    wrong += [udp_frame(world, last, whole[:length]) for length in range(32)]
    wrong += [udp_frame(world, last, struct.pack('!BBBBHHI', kind, 0x80, 0, 1, port, 5, 1) + bytes(100), sport=4000)
              for kind in (1, 2) for port in (0, 1, PORT, 65535)]
    dice = random.Random(6)
    wrong += [udp_frame(world, dice.choice(FORGED), dice.randbytes(dice.randrange(1472)), sport=dice.choice((PORT, 4000)))
              for _ in range(2000)]
    with world.capture(VICTIM, f'udp port {PORT}') as capture:
        for frame in wrong:
            world.inject(frame)
            if len(frame) > 1000:
                time.sleep(0.0002)
    _, went = traffic_of(capture, f'udp.port == {PORT} and not ip.addr == {address_of(GOOD)}', world.macs[VICTIM])
    assert not went
    victim.check()
    for counter in 'probe-bad-message', 'probe-no-session', 'probe-off-link', 'probe-unexpected':
        assert victim.rise(counter) > 0, counter


# ---- connections ----

def has_said(made, data):
    with contextlib.suppress(OSError):
        made.send(data)
        return True
    return False


def established(host):
    return {line.split()[3] for line in host.must('ss', '-Htn', 'state', 'established', f'sport = :{PORT}').splitlines()}


@contextlib.contextmanager
def addresses(world, numbers):
    """The host of liars has them all."""
    host = world.host(LIAR)
    for number in numbers:
        host.must('ip', 'address', 'add', f'{address_of(number)}/24', 'dev', CABLE)
    try:
        yield [address_of(number) for number in numbers]
    finally:
        for number in numbers:
            host.must('ip', 'address', 'del', f'{address_of(number)}/24', 'dev', CABLE)


def test_connections_that_hang(world, victim):
    """P-017, P-018, P-047: hundreds that say nothing, or stop in the middle of any message, or go on after the end"""
    stages = (b'', b'\1', b'\1\0', b'\2\0\0', b'\1\0\0\1', b'\2\0\0\1', b'\1\0\0\1\1', b'\0\0\0\1', b'\x96\0\0\3', bytes(5000))
    before, made = len(victim.daemon.descriptors()), []
    established_before = established(world.host(VICTIM))
    with addresses(world, range(30, 70)) as sources, contextlib.ExitStack() as stack, \
            world.capture(VICTIM, f'tcp port {PORT}') as capture:
        for i in range(400):
            one = stack.enter_context(world.host(LIAR).socket(socket.AF_INET, socket.SOCK_STREAM))
            one.bind((sources[i % len(sources)], 0))
            one.setblocking(False)
            one.connect_ex((address_of(VICTIM), PORT))
            made.append((one, stages[i % len(stages)]))
        most, silent = 0, list(made)
        end = time.monotonic() + 3 * TIME_FACTOR
        while time.monotonic() < end:
            silent = [(one, said) for one, said in silent if not has_said(one, said)]
            most = max(most, len(victim.daemon.descriptors()))
            time.sleep(0.02)
        assert most <= before + SESSIONS + 2, 'more connections than may be'
        # Those that have agreed to something may stay for half a minute, and nobody else.
        agreed = {'%s:%d' % one.getsockname() for one, said in made if said in (b'\1\0\0\1', b'\2\0\0\1')}
        until(lambda: established(world.host(VICTIM)) <= agreed | established_before, 10)
        assert established(world.host(VICTIM)) & agreed
        victim.check()
        for counter in 'probe-refused', 'probe-timeouts', 'probe-violations':
            assert victim.rise(counter) > 0, counter
    until(lambda: len(victim.daemon.descriptors()) <= before)
    said = collections.Counter()
    for source, destination, length in capture.rows(f'tcp.port == {PORT} and tcp.len > 0 and not ip.addr == '
                                                    f'{address_of(GOOD)}', 'ip.src', 'ip.dst', 'tcp.len'):
        said[source == address_of(VICTIM)] += int(length)
    # Four octets for four, where it has agreed to anything at all.
    assert said[True] <= 4 * SESSIONS * 4 and said[True] <= said[False]


def tcp_syn(world, last, sport):
    source, to = socket.inet_aton(address_of(last)), socket.inet_aton(address_of(VICTIM))
    segment = struct.pack('!HHIIBBHHH', sport, PORT, 1, 0, 0x50, 2, 1000, 0, 0)
    checksum = 0xffff ^ ones_complement_sum(source + to + struct.pack('!HH', 6, len(segment)) + segment)
    segment = segment[:16] + struct.pack('!H', checksum) + segment[18:]
    header = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 40, 1, 0x4000, 64, 6, 0, source, to)
    header = header[:10] + struct.pack('!H', 0xffff ^ ones_complement_sum(header)) + header[12:]
    return world.macs[VICTIM] + mac_of(last) + b'\x08\0' + header + segment


def test_connections_half_open(world, victim):
    """Who never answers the kernel's answer takes nothing from the daemon, and keeps nobody out"""
    before = len(victim.daemon.descriptors())
    for i in range(2000):
        world.inject(tcp_syn(world, FORGED[i % len(FORGED)], 1024 + i))
    assert len(victim.daemon.descriptors()) == before
    with world.host(LIAR).socket(socket.AF_INET, socket.SOCK_STREAM) as made:
        made.settimeout(5 * TIME_FACTOR)
        made.connect((address_of(VICTIM), PORT))
        made.sendall(b'\1\0\0\1')
        assert made.recv(10) == b'\x1e\0\0\1'
    victim.check(cpu_share=0.9)


# ---- frames ----

def octets(capture, mine):
    """By real station: octets on a wire that came from it, and that went to it; and the frames that went."""
    came, went, frames = collections.Counter(), collections.Counter(), collections.defaultdict(list)
    mine = mine.hex(':')
    for source, destination, length in capture.rows('eth.type == 0x88d9 or vlan.etype == 0x88d9', 'eth.src', 'eth.dst',
                                                    'frame.len'):
        length = max(int(length), ETHERNET_MIN)
        if source == mine:
            went[destination] += length
            frames[destination].append(length)
        else:
            came[source] += length
    return came, went, frames


def test_sessions_that_nobody_finishes(world, victim):
    """P-088, P-092, §14: three hundred stations begin, some of them go on, and none of them ends"""
    own = world.macs[VICTIM]
    stations = [mac_of(number, 0x77) for number in range(300)]
    timed = struct.pack('!QQQBBB', 1, 0, 0, 0, 1, 0) + bytes(5)
    good = world.measuring(5)
    with world.capture(VICTIM, 'ether proto 0x88d9') as capture:
        # Some are there before the crowd.
        for station in stations[:20]:
            world.inject(lltd_frame(own, station, 0, 1, b'\xff'))
        time.sleep(0.2 * TIME_FACTOR)
        for turn in range(10):
            for station in stations:
                world.inject(lltd_frame(own, station, 0, 1 + turn, b'\xff'))
                world.inject(lltd_frame(own, station, 2, 100 + turn, timed))
            for i in range(90):
                for station in stations[:20]:
                    world.inject(lltd_frame(own, station, 2, 1000 + turn * 10 + i % 12, timed))
            time.sleep(0.1)
        time.sleep(0.5 * TIME_FACTOR)
        for station in stations[:20]:
            for _ in range(12):
                world.inject(lltd_frame(own, station, 2, 2000, timed))
            time.sleep(0.005)
        begin = time.monotonic()
        for _ in range(1000):
            for station in stations[:20]:
                world.inject(lltd_frame(own, station, 3, 2000))
            time.sleep(0.0005)
        seconds = time.monotonic() - begin
    victim.check()
    came, went, frames = octets(capture, own)
    strangers = {station.hex(':') for station in stations}
    told = [station for station in strangers if any(length > ETHERNET_MIN for length in frames[station])]
    assert 0 < len(told) <= SESSIONS
    for station in strangers:
        assert went[station] <= came[station], 'more than has come in its name'
        # What is longer than the question is rare, whoever asks.
        longer = [length for length in frames[station] if length > ETHERNET_MIN]
        assert len(longer) <= LLTD_SUMMARIES_PER_S * (seconds + 0.5 * TIME_FACTOR) + 6
    assert victim.rise('lltd-refused') > 0 and victim.rise('lltd-limited') > 0 and victim.rise('lltd-no-session') > 0
    # Where the host of good faith has ended its session, a stranger may have taken the place.
    ended = sum(frame[6:12] == own and frame[17] == LLTD_ACK for frame in frames_of(capture.path))
    assert victim.rise('lltd-sessions') <= SESSIONS + ended
    world.measured(good)
    # Whoever finds all sessions taken measures by datagrams.
    world.check_measures()
    # Else they would stay for two minutes.
    victim.daemon.stop()
    victim.daemon.start()


def test_frames_that_nobody_may_send(world, victim):
    """P-090..P-093, P-100, P-110: cut, random, from groups, from itself; with and without a tag"""
    own, nobody, group = world.macs[VICTIM], mac_of(1, 0x55), b'\1\0\x5e\0\0\1'
    broadcast = b'\xff' * 6
    bodies = {0: b'\xff', 2: struct.pack('!QQQBBB', 1, 2, 3, 1, 0, 0) + bytes(5), 8: b'\3'}
    dice = random.Random(7)
    wrong = []
    for function in range(16):
        body = bodies.get(function, bytes(20))
        whole = lltd_frame(own, nobody, function, 5, body)
        wrong += [lltd_frame(own, group, function, 5, body), lltd_frame(own, broadcast, function, 5, body),
                  lltd_frame(own, nobody, function, 5, body, real=group), lltd_frame(own, nobody, function, 5, body, real=own),
                  lltd_frame(own, nobody, function, 5, body, real=broadcast),
                  lltd_frame(own, nobody, function, 5, body, version=2), lltd_frame(own, nobody, function, 5, body, service=0),
                  own + nobody + whole[12:18] + nobody + whole[24:]]
        wrong += [whole[:length] for length in range(14, min(len(whole), 33))]
        if function != 10:
            wrong.append(lltd_frame(own, nobody, function, 0, body))
        wrong += [frame[:12] + b'\x81\0\xa0\0' + frame[12:] for frame in wrong[-3:]]
    wrong += [own + nobody + b'\x88\xd9\1\2' + dice.randbytes(dice.randrange(1490)) for _ in range(3000)]
    itself = [lltd_frame(own, own, function, 5, bodies.get(function, bytes(20))) for function in range(16)]
    with world.capture(VICTIM, 'ether proto 0x88d9 or vlan') as capture:
        for i, frame in enumerate(wrong + itself):
            world.inject(frame)
            if i % 20 == 0:
                time.sleep(0.001)
    victim.check()
    _, went, frames = octets(capture, own)
    assert nobody.hex(':') not in went and group.hex(':') not in went and broadcast.hex(':') not in went
    # Those of ours that bear its own address are all that does.
    assert len(frames[own.hex(':')]) == len(itself)
    assert victim.rise('lltd-bad-frame') > 0 and victim.rise('lltd-not-for-us') > 0


# ---- replays and reflections ----

class Reflector(Thread):
    """Sends a host its own probes back at once: as they are, and as if their destination had sent them."""

    def __init__(self, world, number):
        super().__init__()
        self.world, self.number = world, number
        self.kept, self.returned = [], 0
        self.socket = world.switch.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((world.segment.port(number), 3))
        self.socket.settimeout(0.05)
        self.thread.start()

    def turn(self):
        with contextlib.suppress(TimeoutError):
            frame, address = self.socket.recvfrom(2048)
            # Nothing that we have returned ourselves.
            if address[2] == 4 or frame[6:12] != self.world.macs[self.number] or not is_of_probing(frame):
                return
            self.kept.append(frame)
            for one in (frame, turned(frame)):
                self.returned += self.world.inject(one, self.number)

    def close(self):
        super().close()
        self.socket.close()


def is_of_probing(frame):
    return frame[12:14] == b'\x88\xd9' or frame[12:14] == b'\x81\0' or (
        frame[12:14] == b'\x08\0' and frame[23] == 17 and PORT in struct.unpack_from('!HH', frame, 34))


def turned(frame):
    """With its source as its destination."""
    turn = frame[6:12] + frame[:6] + frame[12:]
    at = 16 if frame[12:14] == b'\x81\0' else 12
    if frame[at:at + 2] == b'\x88\xd9':
        at += 6
        return turn[:at] + frame[at + 6:at + 12] + frame[at:at + 6] + turn[at + 12:]
    return turn[:26] + frame[30:34] + frame[26:30] + frame[36:38] + frame[34:36] + turn[38:]


def frames_of(path):
    """Those of a capture file (pcap, of this machine's byte order)."""
    data, at, found = path.read_bytes(), 24, []
    while at < len(data):
        length, = struct.unpack_from('=I', data, at + 8)
        found.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return found


def test_replayed(world, victim):
    """P-071, P-102, P-116: all of a measurement again, and again, at both ends; while another one goes on, too"""
    with world.capture(VICTIM, f'ether proto 0x88d9 or udp port {PORT}') as real:
        # Whole frames, unlike for the other tests.
        real.end()
        real = Capture(world.switch, world.segment.port(VICTIM), world.folder / 'whole.pcap',
                       f'ether proto 0x88d9 or udp port {PORT}')
        said = world.measured(world.measuring(3))
        real.end()
    assert said['capacity_bps']
    frames = frames_of(real.path)
    assert len(frames) > 100
    victim.start()
    other = Watched(world.daemons[GOOD])
    good = world.measuring(5)
    with world.capture(VICTIM, 'ether proto 0x88d9') as capture:
        for _ in range(3):
            for i, frame in enumerate(frames):
                world.inject(frame, VICTIM if frame[:6] == world.macs[VICTIM] else GOOD)
                if i % 10 == 0:
                    time.sleep(0.002)
    came, went, _ = octets(capture, world.macs[VICTIM])
    assert sum(went.values()) <= sum(came.values())
    world.measured(good)
    victim.check()
    other.check()
    assert sum(other.rise(name) for name in ('lltd-unexpected', 'probe-unexpected', 'lltd-no-session')) > 0
    world.check_measures()


def test_reflected(world, victim):
    """P-043, P-100: whoever gets back all that it sends does not answer itself, let alone for ever"""
    other = Watched(world.daemons[GOOD])
    with contextlib.closing(Reflector(world, GOOD)) as reflector:
        world.measured(world.measuring(4))
        time.sleep(0.5)
        returned = reflector.returned
        assert returned > 100
        time.sleep(1)
        assert reflector.returned - returned < 100 * TIME_FACTOR, 'it goes on by itself'
    other.check()
    victim.check()
    assert sum(other.rise(name) for name in ('lltd-refused', 'lltd-no-session', 'lltd-unexpected', 'probe-unexpected',
                                             'probe-echoed')) > 0
    world.check_measures()


# ---- sinks that lie ----

SINK_LIES = [
    {'stamps': 'zero'}, {'stamps': 'huge'}, {'stamps': 'constant'}, {'stamps': 'backwards'}, {'stamps': 'residence'},
    {'stamps': 'left before it came'}, {'stamps': 'random'}, {'copies': 2}, {'delay_s': 0.2}, {'delay_s': 3},
    {'delta': 0}, {'delta': 1}, {'delta': HUGE}, {'delta': 1 << 63}, {'speed': 0}, {'speed': 1, 'delta': 1},
    *({'leave': step} for step in ('connected', 'asked', 'half way', 'agreed', 'train', 'half a summary')),
]
STATION_LIES = [
    {'stamps': 'zero'}, {'stamps': 'huge'}, {'stamps': 'constant'}, {'stamps': 'backwards'}, {'stamps': 'random'},
    {'stamps': 'left before it came'}, {'copies': 2}, {'delay_s': 0.09}, {'delay_s': 0.3}, {'frequency': 0},
    {'frequency': 1}, {'frequency': HUGE}, {'spread': 0}, {'spread': 1}, {'spread': 1 << 60}, {'extra_events': 1},
    {'extra_events': 80}, {'speed': 0}, {'speed': 1}, *({'stop': function} for function in (0, 2, 3, 5)),
    *({'refuse': error} for error in (0, 1, 2, 3, 0xffff)),
]


def measure_all(world, watched, lies, begin_lying, impossible, numbers):
    """The paths to all of them at once; and that to a host which does not lie is as it is."""
    before = len(watched.daemon.descriptors())
    with contextlib.ExitStack() as stack:
        liars = [begin_lying(stack, number, lie) for number, lie in zip(numbers, lies)]
        children = [world.measuring(5, address=address_of(number)) for number in numbers]
        results = [world.measured(child) for child in children]
        good = world.measured(world.measuring(4))
        watched.check(lines=20)
        assert all(liar.asked > 0 for liar in liars), [lie for lie, liar in zip(lies, liars) if liar.asked == 0]
    for lie, said in zip(lies, results):
        if lie in impossible:
            assert said is None or said['capacity_bps'] is None, (lie, said)
    assert any(said and said['capacity_bps'] for said in results), 'nobody was believed anything'
    assert good['capacity_bps'] and 0.7 * CAPACITY < good['capacity_bps'] < 1.15 * CAPACITY, good
    # Paths linger, but connections do not.
    until(lambda: len(watched.daemon.descriptors()) <= before + 4, 30)


def test_sinks_that_lie(world):
    """P-048, P-066, P-080..P-082: whatever they say, figures stay what figures can be"""
    watched = Watched(world.daemons[GOOD])
    numbers = range(LIES_FROM, LIES_FROM + len(SINK_LIES))
    with addresses(world, numbers):

        def begin(stack, number, lie):
            return stack.enter_context(contextlib.closing(LyingSink(world.host(LIAR), address_of(number), **lie)))

        # Nothing can be known of a train of which nothing is told.
        impossible = [lie for lie in SINK_LIES if 'leave' in lie or lie.get('delta') in (0, ) or lie.get('delay_s') == 3]
        measure_all(world, watched, SINK_LIES, begin, impossible, numbers)
    assert watched.rise('probe-unexpected') > 0


def test_stations_that_lie(world):
    """P-111, P-115..P-118: the same by frames"""
    watched = Watched(world.daemons[GOOD])
    # Not the addresses of before: for those it is known already how they are measured.
    numbers = range(STATIONS_FROM, STATIONS_FROM + len(STATION_LIES))
    world.know(GOOD, {number: mac_of(number) for number in numbers})

    def begin(stack, number, lie):
        return stack.enter_context(contextlib.closing(LyingStation(world.host(LIAR), CABLE, mac_of(number), **lie)))

    impossible = [lie for lie in STATION_LIES if 'refuse' in lie or 'stop' in lie and lie['stop'] in (0, 3) or
             lie.get('frequency') == 0]
    measure_all(world, watched, STATION_LIES, begin, impossible, numbers)
    assert watched.rise('lltd-unexpected') > 0 and watched.rise('lltd-bad-frame') > 0
    for number in numbers:
        world.host(GOOD).must('ip', 'neigh', 'del', address_of(number), 'dev', CABLE)
    world.check_measures()
