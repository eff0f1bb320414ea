# SPDX-License-Identifier: MIT
"""Adaptive flows over real links: what is known of a path, admission, being told of congestion, tracking (spec/qwave.md
§5.5-§5.10, §10). Hosts on one switch, some of them behind narrow ports; a router with a host behind it; the daemon
and the engine inside a program. What takes a minute goes on beside the other tests, and is judged by the last ones."""
import contextlib
import json
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest

from conftest import NOBODY, NOT_FOUND, NOT_SUPPORTED, HOST_UNREACHABLE, INVALID_PARAMETER, until
from netns import TIME_FACTOR
from packets import Wire
from paths import (AVAILABLE, CONGESTED, IO_PENDING, LLTD, MBIT, NETWORK_BUSY, NO_DATA, RETRY, TIMEOUT, UNCONGESTED,
                   Flow, Street)
from segment import CABLE, capacity_bps, sleep
from streams import Receiver

ASKER, NARROW, OTHERS, ROUTER, SILENT, TRACKED, LINGERING, BARE, PLAIN, ALONE, SHARED, QUIET = range(1, 13)
ASKS = 'probe { initiator = true sink = false }\n'
ANSWERS = 'probe { initiator = false sink = true }\n'
RATE = 10 * MBIT
CAPACITY = capacity_bps(RATE)
PORT, CROSS_PORT, FILM_PORT, TCP_PORT = 5000, 5001, 5002, 6000

KNOWN_S = 8  # from the first question to the first answer
NOTICED_S, RELIEVED_S = 2, 5
LATE_S = 6  # on a machine that is busy with others; how soon it is as a rule is measured by bench/run probe
LINGER_S, PERIOD_S = 30, 10
LLTD_INITIALIZE, LLTD_PROBE, LLTD_RESET = 0, 2, 5
LOAD_S, LOAD_BPS = 60, 64000
DISCOVERY_S, RETRY_S = 10, 60


@pytest.fixture(scope='module')
def street(programs):
    """What lasts begins here: a host is tracked, another one was, a third is silent."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='m-', dir=programs.folder))
    folder.chmod(0o755)
    with contextlib.ExitStack() as stack:
        made = Street(programs, folder, hosts=QUIET, router=ROUTER, routed=(ASKER, ALONE))
        stack.callback(made.close)
        made.receivers = [Receiver(host, address, port) for host, address, port in
                          [(made.host(number), made.address(number), port)
                           for number in (NARROW, SHARED) for port in (PORT, CROSS_PORT, FILM_PORT)] +
                          [(made.host(NARROW), made.address(NARROW, 6), CROSS_PORT)] +
                          [(made.far, made.FAR4, port) for port in (PORT, CROSS_PORT, FILM_PORT)] +
                          [(made.far, made.FAR6, PORT)] +
                          [(made.host(SILENT), made.address(SILENT), PORT)]]
        for receiver in made.receivers:
            stack.callback(receiver.close)
        # One that others send to, one for everything else, and one that is left in peace.
        for number in NARROW, SHARED, QUIET:
            made.segment.narrow(number, RATE)
        made.daemon(ASKER, ASKS)
        for number in NARROW, SHARED, QUIET, TRACKED, LINGERING:
            made.daemon(number, ANSWERS)
        made.daemon(PLAIN, 'probe { initiator = true sink = true }\n')
        begin_what_lasts(made)
        yield made


def begin_what_lasts(street):
    street.sniffed = {number: street.sniffer(number) for number in (TRACKED, LINGERING, PLAIN)}
    tracker, plain, asker = street.agent(ASKER), street.agent(PLAIN), street.agent(ASKER)
    street.tracker = tracker
    street.tracked_at = time.time()
    for handle, number in enumerate((TRACKED, LINGERING)):
        if handle:
            tracker.create(handle)
        assert tracker.ask('track', handle, street.address(number), 1, 0)[:2] == [1, 0]
    # Only flows that are not adaptive.
    with street.host(PLAIN).socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.connect((street.address(NARROW), PORT))
        plain.add(plain.give(made))
    street.silent = Flow(asker, (street.address(SILENT), PORT))
    street.silent_at = time.monotonic()
    street.silent_answers = [street.silent.known()]


@pytest.fixture
def asker(street):
    agent = street.agent(ASKER)
    yield agent
    street.end(agent)


@pytest.fixture(params=['daemon', 'embedded'])
def mode(request):
    return request.param


@pytest.fixture
def any_asker(street, mode):
    """A program of an ordinary user, by the daemon or with the engine in it."""
    agent = street.agent(*((ASKER, ) if mode == 'daemon' else (ALONE, mode, NOBODY)))
    yield agent
    street.end(agent)


@pytest.fixture
def cross(street, traffic):
    """Others send to the narrow host."""

    @contextlib.contextmanager
    def send(bps, seconds=15, to=None):
        stream = traffic.start(street.host(OTHERS), 'send', '-r', int(bps), '-l', 1000, '-b', 1 << 22, '-d',
                               seconds * TIME_FACTOR, to or street.address(NARROW), CROSS_PORT)
        try:
            yield time.monotonic()
        finally:
            traffic.close([stream])

    return send


def narrow_flow(street, agent, number=SHARED, **options):
    return Flow(agent, (street.address(number), PORT), **options)


def is_known(known):
    return known.error == 0 and known.capacity is not None and known.available is not None


def wait_until_known(flow, seconds=KNOWN_S):
    """Polls as programs do; all the answers. Never 1237, never 1460 (Q-136)."""
    answers = [flow.known()]

    def ask():
        answers.append(flow.known())
        return is_known(answers[-1])

    until(ask, seconds, 0.05)
    assert {answer.error for answer in answers} <= {0, NO_DATA}
    check_answers(answers)
    return answers


def check_answers(answers):
    """Q-135: the sizes, the order; Q-222: not half set for longer than 15 s."""
    half_since = None
    for answer in answers:
        if answer.error:
            continue
        assert answer.size == 40
        half = (answer.capacity is None) != (answer.available is None)
        half_since = (half_since or answer.at) if half else None
        assert not half or answer.at - half_since < 15 * TIME_FACTOR
        if answer.capacity is not None and answer.available is not None:
            assert answer.capacity >= answer.available


# ---- a path that nobody has measured before ----

def test_fundamentals(any_asker, street):
    """Q-134..Q-136, Q-147, Q-154, Q-222: nothing, then all of it; the path is not congested"""
    flow = narrow_flow(street, any_asker, NARROW)
    early = flow.pends(CONGESTED)
    answers = wait_until_known(flow)
    assert answers[0].error == NO_DATA
    known = answers[-1]
    assert abs(known.capacity - CAPACITY) < 0.1 * CAPACITY
    known = until(lambda: (now := flow.known()).rtt is not None and now)
    assert 0 < known.rtt < 100000 * TIME_FACTOR
    until(lambda: abs(flow.known().available - CAPACITY) < 0.2 * CAPACITY, 5, 0.1)
    fresh = flow.known(fresh=True)
    assert fresh.error in (0, RETRY) and fresh.ms < 5500 * TIME_FACTOR
    # At once, or in a moment.
    result, error, slot = until_uncongested(flow)
    assert (result, error) in ((1, 0), (0, IO_PENDING))
    assert flow.told(slot, 3) is not None
    assert flow.told(early, 0) is None
    flow.close()


def until_uncongested(flow):
    """The first request that is not refused; the state follows the figures by some estimates."""
    return until(lambda: (answer := flow.notify(UNCONGESTED))[1] != 183 and answer, 5, 0.1)


def test_congestion(any_asker, street, cross):
    """Q-155..Q-158, Q-186, Q-225: both flows are told, once; then of what is free; and again, though nobody tracks"""
    to = street.address(NARROW)
    assert any_asker.ask('track', 0, to, 0, 0)[:2] == [1, 0]
    any_asker.create(1)
    flows = [narrow_flow(street, any_asker, NARROW), narrow_flow(street, any_asker, NARROW, handle=1)]
    for flow in flows:
        wait_until_known(flow)
    assert any_asker.ask('untrack', 0, to, 0, 0) == [1, 0]
    can_shape = flows[0].set_rate(4 * MBIT) == 0
    until_state(flows[0], UNCONGESTED)
    slots = [flow.pends(CONGESTED) for flow in flows]
    with cross(1.3 * RATE) as begun:
        told = [flow.told(slot, LATE_S) for flow, slot in zip(flows, slots)]
        assert None not in told
        noticed = [told[0] - begun]
        assert flows[0].told(slots[0], 0.5) is None
        # Each step is legal inside the one before.
        if can_shape:
            assert flows[0].set_rate(2 * MBIT) == 0
        free = flows[0].pends(AVAILABLE, 4 * MBIT)
        # It is still so: the condition holds at once.
        slot = flows[1].notify(CONGESTED)[2]
        assert flows[1].told(slot, 3) is not None
        assert flows[0].told(free, 0) is None
    ended = time.monotonic()
    told = flows[0].told(free, RELIEVED_S + 1)
    assert told is not None and told - ended < RELIEVED_S * TIME_FACTOR
    if can_shape:
        assert flows[0].set_rate(4 * MBIT) in (0, NETWORK_BUSY)
    until_state(flows[0], UNCONGESTED)
    slot = flows[0].pends(CONGESTED)
    with cross(1.3 * RATE) as begun:
        told = flows[0].told(slot, LATE_S)
        assert told is not None
        noticed.append(told - begun)
    assert min(noticed) < NOTICED_S * TIME_FACTOR, noticed
    until_state(flows[0], UNCONGESTED)
    for flow in flows:
        flow.close()


def test_congestion_by_ipv6(any_asker, street, cross):
    """Q-155..Q-157: the same, where all of it is IPv6"""
    to = street.address(NARROW, 6)
    flow = Flow(any_asker, (to, PORT), family=6)
    wait_until_known(flow)
    # Others measure the same path: it may seem fuller than it is for a moment.
    until(lambda: flow.set_rate(2 * MBIT) in (0, NOT_SUPPORTED), step=0.5)
    until_state(flow, UNCONGESTED)
    slot = flow.pends(CONGESTED)
    with cross(1.3 * RATE, to=to):
        assert flow.told(slot, LATE_S) is not None
        free = flow.pends(AVAILABLE, 4 * MBIT)
        assert flow.told(free, 0.5) is None
    over = time.monotonic()
    told = flow.told(free, RELIEVED_S + 1)
    assert told is not None and told - over < RELIEVED_S * TIME_FACTOR
    until_state(flow, UNCONGESTED)
    flow.close()


def until_state(flow, operation, seconds=RELIEVED_S + 3):
    _, error, slot = flow.notify(operation)
    assert error in (0, IO_PENDING)
    assert flow.told(slot, seconds) is not None


# ---- what needs no measured path ----

def test_tracking_arguments(asker, street):
    """Q-178..Q-180, Q-183: what is no host"""
    asker.create(1)
    for wrong in '- 0', 'unix 0', '224.0.0.1 1', '0.0.0.0 1', '255.255.255.255 1', 'ff02::1 1', '::ffff:192.0.2.1 1':
        for verb in 'track', 'untrack':
            assert asker.ask(verb, 0, *wrong.split(), 0)[:2] == [0, INVALID_PARAMETER], (verb, wrong)
    to = street.address(SHARED)
    for verb in 'track', 'untrack':
        assert asker.ask(verb, 0, to, 1, 1)[:2] == [0, INVALID_PARAMETER]
    assert asker.ask('untrack', 0, to, 1, 0) == [0, NOT_FOUND]


def test_tracking_twice(asker, street):
    """Q-178, Q-184, Q-185: the port is of no interest; one stop for each handle; another handle's stop counts too"""
    asker.create(1)
    to = street.address(SHARED)
    assert asker.ask('track', 0, to, 1, 0)[:2] == [1, 0]
    assert asker.ask('track', 0, to, 7, 0)[:2] == [1, 0]
    assert asker.ask('untrack', 0, to, 2, 0) == [1, 0]
    assert asker.ask('untrack', 0, to, 2, 0) == [0, NOT_FOUND]
    assert asker.ask('track', 0, street.address(SHARED, 6), 0, 0)[:2] == [1, 0]
    assert asker.ask('untrack', 1, street.address(SHARED, 6), 0, 0) == [1, 0]


def test_tracking_begins(street):
    """Q-177: probes are seen within a second"""
    probes = until(lambda: street.sniffed[TRACKED].between(street.tracked_at, float('inf')))
    assert probes[0].time - street.tracked_at < 1 * TIME_FACTOR


@pytest.mark.parametrize('family', [4, 6])
def test_off_link(any_asker, street, family):
    """Q-049, Q-121, Q-133, Q-161, Q-181, Q-085: no measuring, no admission control; marked once there is a rate"""
    far = street.FAR6 if family == 6 else street.FAR4
    with contextlib.closing(Wire(street.far, 'far')) as wire:
        result, error, ms = any_asker.ask('track', 0, far, 1, 0)
        assert (result, error) == (0, NOT_SUPPORTED) and ms < 1000 * TIME_FACTOR
        flow = Flow(any_asker, (far, PORT), family=family)
        for fresh in False, True:
            assert flow.known(fresh).error == NOT_SUPPORTED
        for operation in CONGESTED, UNCONGESTED, AVAILABLE:
            assert flow.notify(operation, MBIT)[:2] == (0, NOT_SUPPORTED)
        for rate, mark in ((None, 0), (1000 * MBIT, 40), (4 * MBIT, 40)):
            if rate:
                error = flow.set_rate(rate)
                # The engine in a program shapes datagrams if the program paces them (libgreenwave(3)).
                assert error == (0 if any_asker.mode == 'daemon' else error) and error in (0, NOT_SUPPORTED)
                if error:
                    break
            flow.socket.send(b'marked?%d' % (rate or 0))
            assert wire.with_payload(b'marked?%d' % (rate or 0))[0].dscp == mark
        flow.close()


def test_tracking_nobody(any_asker, street):
    """Q-050, Q-182: on the link, and nobody takes part there"""
    result, error, ms = any_asker.ask('track', 0, street.address(BARE), 1, 0)
    assert result == 0 and error in (NOT_SUPPORTED, HOST_UNREACHABLE)
    assert ms < 5500 * TIME_FACTOR


# ---- a measured path ----

def test_admission(any_asker, street):
    """Q-119, Q-120, Q-122, Q-131: no more than the path has; what was in force before stays so"""
    wire = Wire(street.host(SHARED), CABLE)
    flow = narrow_flow(street, any_asker)
    wait_until_known(flow)
    assert flow.set_rate(2 * RATE) == NETWORK_BUSY
    flow.socket.send(b'first time;')
    assert wire.with_payload(b'first time;')[0].dscp == 0
    assert flow.rate() == 0
    # Others measure the same path: it may seem fuller than it is for a moment.
    error = until(lambda: (now := flow.set_rate(4 * MBIT)) not in (RETRY, NETWORK_BUSY) and (now, ), step=0.5)[0]
    assert error in (0, NOT_SUPPORTED)
    if error == 0:
        assert flow.set_rate(2 * RATE) == NETWORK_BUSY
        assert flow.rate() == 4 * MBIT
        flow.socket.send(b'second time;')
        assert wire.with_payload(b'second time;')[0].dscp == 40
    flow.close()
    with any_asker.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.connect((street.address(NARROW), PORT))
        given = any_asker.give(plain)
        flow = any_asker.add(given, 3)
        assert any_asker.ask('set-rate', 0, flow, 2 * RATE, 1)[1] in (0, NOT_SUPPORTED)
        any_asker.remove(flow)
    wire.close()


def test_first_query_of_a_tracked_host(street):
    """Q-189: the path is known before there is a flow; and then the handle is closed, without a stop (Q-187, below)"""
    sleep(max(0, street.tracked_at + 5 * TIME_FACTOR - time.time()))
    tracker = street.tracker
    flow = Flow(tracker, (street.address(LINGERING), PORT), handle=1)
    assert is_known(flow.known())
    flow.close()
    tracker.close_handle(1)
    street.left_at = time.time()


def test_tcp_off_link(asker, street, traffic):
    """Q-161, §10: nobody measures, but the connection itself shows when the way is congested, and when it is not"""
    router, far = street.host(ROUTER), street.FAR4
    router.must('tc', 'qdisc', 'add', 'dev', 'far', 'root', 'tbf', 'rate', '8mbit', 'burst', '3100', 'limit', '150000')
    traffic.start(street.far, 'sink', far, TCP_PORT)
    flow = Flow(asker, (far, TCP_PORT), tcp=True)
    assert flow.known().error == NOT_SUPPORTED
    slot = flow.pends(CONGESTED)
    # Some of it, with room to spare.
    for _ in range(20):
        flow.socket.send(bytes(2000))
        sleep(0.05)
    assert flow.told(slot, 0) is None
    fd = flow.socket.fileno()
    with cross_to_far(street, traffic, far):
        bulk = traffic.start(street.host(ASKER), 'bulk', '-d', 8 * TIME_FACTOR, fds=(fd, ))
        assert flow.told(slot, 6) is not None
        traffic.close([bulk])
    flow.close()
    router.must('tc', 'qdisc', 'del', 'dev', 'far', 'root')


@contextlib.contextmanager
def cross_to_far(street, traffic, far):
    stream = traffic.start(street.host(ROUTER), 'send', '-r', 9 * MBIT, '-l', 1000, '-b', 1 << 22, '-d',
                           8 * TIME_FACTOR, far, CROSS_PORT)
    yield
    traffic.close([stream])


# ---- programs ----

def start_cli(street, mode, *words):
    """greenwave, by the daemon of its host, or alone as an ordinary user."""
    programs, alone = street.programs, mode == 'embedded'
    environment = programs.environment(street.daemons[ASKER].socket_path, mode)
    return street.host(ALONE if alone else ASKER).popen(
        [programs.path('greenwave'), *words], NOBODY if alone else 0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=environment)


def ended(street, child, seconds=40):
    try:
        out, error = child.communicate(timeout=seconds * TIME_FACTOR)
    finally:
        child.kill()
        child.wait()
        for host in street.segment.hosts:
            if child in host.children:
                host.children.remove(child)
    assert 'Sanitizer' not in (error or ''), error
    return child.returncode, out, error


def test_probe_command(street):
    """What `greenwave probe` says is what the link is, by the daemon and alone, for IPv4 and IPv6"""
    words = ['probe', '--json', '--time', str(4 * TIME_FACTOR)]
    children = [start_cli(street, mode, *words, f'-{family}', street.address(QUIET, family))
                for mode, family in (('daemon', 6), ('embedded', 4))]
    text = start_cli(street, 'daemon', 'probe', '--time', str(3 * TIME_FACTOR), street.address(QUIET))
    for mode, (status, out, error) in zip(('daemon', 'embedded'), [ended(street, child) for child in children]):
        assert (status, error) == (0, '')
        said = json.loads(out)
        assert (said['mode'], said['end'], said['state']) == (mode, 'complete', 'uncongested')
        assert abs(said['capacity_bps'] - CAPACITY) < 0.1 * CAPACITY, said
        # Those that measure at the same time see one another; how exact it is when alone is the benchmark's affair.
        assert 0.5 * CAPACITY < said['available_spread_bps']['max'] <= said['capacity_bps'], said
        assert 0 < said['available_bps'] <= said['capacity_bps']
        assert len(said['samples']) >= 8 and 0 < said['rtt_us'] < 100000 * TIME_FACTOR
    status, out, error = ended(street, text)
    assert (status, error) == (0, '')
    assert re.search(r'^  capacity +(9|10)(\.\d+)?Mbit ', out, re.MULTILINE), out
    assert '\033' not in out and max(map(len, out.splitlines())) < 80


def test_probe_command_cannot(street):
    """Why it cannot, and what to do"""
    for host, what in ((street.FAR4, 'behind a router'), (street.address(BARE), 'nobody at'),
                       ('does-not-exist.invalid', 'does-not-exist.invalid')):
        status, out, error = ended(street, start_cli(street, 'daemon', 'probe', host))
        assert (status, out) == (1, '') and what in error, error
    interrupted = start_cli(street, 'daemon', 'probe', '--time', '10min', '--json', street.address(QUIET))
    time.sleep(KNOWN_S / 2 * TIME_FACTOR)
    interrupted.send_signal(signal.SIGINT)
    status, out, error = ended(street, interrupted)
    assert (status, error) == (0, '') and json.loads(out)['end'] == 'interrupted'


def test_list_shows_paths(street, asker):
    """What is known of a path stands beside its flow"""
    flow = narrow_flow(street, asker)
    wait_until_known(flow)
    daemon = street.daemons[ASKER]
    found = until(lambda: next((one for one in daemon.flows() if one['id'] == flow.id and
                                one['path']['state'] == 'uncongested'), None))
    assert abs(found['path']['capacity_bps'] - CAPACITY) < 0.1 * CAPACITY
    assert found['path']['available_bps'] <= found['path']['capacity_bps'] and found['path']['rtt_us'] > 0
    silent = next(one for one in daemon.flows() if one['id'] == street.silent.id)
    assert silent['path']['state'] in ('unknown', 'unsupported') and silent['path']['capacity_bps'] is None
    _, out, _ = daemon.cli('list')
    assert out.splitlines()[0].split()[-2:] == ['PATH', 'FREE'] and ' uncongested ' in out
    flow.close()


def start_sender(street, *words, mode='daemon'):
    programs = street.programs
    return street.host(ASKER).popen([programs.path('adaptive_sender'), *map(str, words)], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                    env=programs.environment(street.daemons[ASKER].socket_path, mode))


class Adaptive:
    """The example at work, and what it tells."""

    def __init__(self, street, *words):
        self.street, self.child, self.text = street, start_sender(street, *words), ''

    def wait_for(self, words):
        """When that is told."""
        for line in self.child.stdout:
            self.text += line
            if words in line:
                return time.monotonic()
        raise AssertionError(f'{words}? {self.text}')

    def adapts(self, cross):
        """It is told of congestion, and of its end; then it is interrupted."""
        self.wait_for('sending at 4000 kbit/s')
        sleep(3)  # it does not listen before
        with cross(1.2 * RATE, to=self.street.address(SHARED)) as begun:
            assert self.wait_for('the path is congested') - begun < LATE_S * TIME_FACTOR
            self.wait_for('sending at 2000 kbit/s')
        over = time.monotonic()
        assert self.wait_for('can carry 4000 kbit/s again') - over < (RELIEVED_S + 3) * TIME_FACTOR
        self.child.send_signal(signal.SIGINT)
        status, out, _ = ended(self.street, self.child)
        self.text += out
        assert status == 0, self.text
        assert re.search(r'the path carries (9|10)\d\d\d kbit/s', self.text) and 'frames were sent' in self.text


def test_adaptive_sender(street, cross):
    """Q-217, Q-218: examples/adaptive_sender.c to a far host, and to one on the link that becomes congested"""
    with contextlib.closing(Wire(street.far, 'far')) as wire:
        far = start_sender(street, '-s', 4, '-r', 2000, street.FAR4, FILM_PORT)
        Adaptive(street, '-s', 60 * TIME_FACTOR, '-r', 4000, street.address(SHARED), FILM_PORT).adapts(cross)
        status, out, _ = ended(street, far)
        assert status == 0, out
        assert 'cannot be measured' in out and 'no estimates' in out and 'sending at 2000 kbit/s' in out
        assert 'frames were sent' in out
        film = [packet for packet in wire.settle() if packet.dport == FILM_PORT]
        assert film and {packet.dscp for packet in film} == {40}


@pytest.mark.parametrize('family', [4, 6])
def test_adaptive_sender_by_tcp(street, traffic, cross, family):
    """Q-217, Q-218: the same over a connection, whose own congestion control is in the way of others, too"""
    to = street.address(SHARED, family)
    traffic.start(street.host(SHARED), 'sink', to, TCP_PORT)
    with contextlib.closing(Wire(street.host(SHARED), CABLE)) as wire:
        Adaptive(street, '-t', '-s', 60 * TIME_FACTOR, '-r', 4000, to, TCP_PORT).adapts(cross)
        film = [packet for packet in wire.settle() if packet.dport == TCP_PORT and packet.payload]
    assert film and {packet.version for packet in film} == {family}
    # What its buffer still held when it gave the flow back leaves without a mark, and nothing before.
    marks = [packet.dscp for packet in film]
    assert marks[0] == 40 and marks == [40] * marks.count(40) + [0] * marks.count(0), marks


# ---- what lasts ----

def test_dead_sink(street, asker):
    """Q-136, Q-137: fresh figures cannot be had, within a bound; others never tell 1237 nor 1460"""
    flow = narrow_flow(street, asker)
    wait_until_known(flow)
    sink = street.daemons[SHARED].process
    sink.send_signal(signal.SIGSTOP)
    try:
        answers = [flow.known(fresh=True) for _ in range(2)]
        assert {answer.error for answer in answers} <= {RETRY, TIMEOUT}
        assert all(answer.ms < 5500 * TIME_FACTOR for answer in answers)
        assert flow.known().error in (0, NO_DATA, NOT_SUPPORTED)
    finally:
        sink.send_signal(signal.SIGCONT)
    flow.close()


def test_silence(street):
    """Q-221, Q-223: 232 for at most 10 s, then 50; then there is no admission control, and marks"""
    flow = street.silent
    while (answer := flow.known()).error == NO_DATA:
        assert answer.at - street.silent_at < (DISCOVERY_S + 1) * TIME_FACTOR
        time.sleep(0.1)
    assert answer.error == NOT_SUPPORTED
    assert street.silent_answers[0].error == NO_DATA
    assert flow.set_rate(900 * MBIT) == 0
    with contextlib.closing(Wire(street.host(SILENT), CABLE)) as wire:
        flow.socket.send(b'without a sink;')
        packet = wire.with_payload(b'without a sink;')[0]
    # Untagged: the frame's type is that of IP.
    assert packet.dscp == 40 and packet.frame[12:14] == b'\x08\x00'
    for _ in range(10):
        assert flow.known().error == NOT_SUPPORTED
    street.daemon(SILENT, ANSWERS)
    street.sink_at = time.monotonic()


def test_tracking_costs_little(street):
    """Q-188: less than 64 kbit/s over a minute"""
    time.sleep(max(0, street.tracked_at + LOAD_S - time.time()))
    probes = street.sniffed[TRACKED].between(street.tracked_at, street.tracked_at + LOAD_S)
    assert len(probes) > 10
    assert sum(probe.length for probe in probes) * 8 / LOAD_S < LOAD_BPS


def test_sink_that_comes_later(street):
    """Q-224: within a minute, on the same flow"""
    until(lambda: is_known(street.silent.known()), RETRY_S, 0.2)
    assert time.monotonic() - street.sink_at < RETRY_S * TIME_FACTOR


def test_probing_ends(street):
    """Q-187: with the linger time after the handle, but for one period"""
    over = street.left_at + LINGER_S + PERIOD_S
    time.sleep(max(0, over + 2 - time.time()))
    sniffer = street.sniffed[LINGERING]
    assert sniffer.between(street.tracked_at, street.left_at)
    assert not sniffer.between(over, float('inf'))
    assert street.sniffed[TRACKED].between(over - PERIOD_S, float('inf')), 'who is tracked still is'


def test_plain_flows_cost_nothing(street):
    """Q-190: not one probe, all the time"""
    assert street.sniffed[PLAIN].take() == []


# ---- frames ----

def test_frames(street, asker, tmp):
    """What leaves the host, as tshark sees it: LLTD by the daemon, MS-QLPB by the engine in a program"""
    capture = tmp / 'probes.pcap'
    port = street.segment.port(LINGERING)
    dump = street.segment.switch.popen(['tcpdump', '-i', port, '--immediate-mode', '-U', '-w', str(capture), '-s', '256',
                                        'ether proto 0x88d9 or port 2177'], stderr=subprocess.PIPE,
                                       stdin=subprocess.DEVNULL)
    while b'listening' not in dump.stderr.readline():
        assert dump.poll() is None
    alone = street.agent(ALONE, 'embedded', NOBODY)
    flows = [Flow(agent, (street.address(LINGERING), PORT)) for agent in (asker, alone)]
    for flow in flows:
        wait_until_known(flow)
    for flow in flows:
        flow.close()
    street.end(alone)
    dump.terminate()
    dump.wait()
    dump.stderr.close()
    street.segment.switch.children.remove(dump)

    def seen(what, *fields):
        command = ['tshark', '-n', '-r', str(capture), '-Y', what, '-T', 'fields']
        for field in fields:
            command += ['-e', field]
        done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=30 * TIME_FACTOR)
        return [line.split('\t') for line in done.stdout.splitlines()]

    # MS-QLPB: a connection that agrees on what follows; datagrams that no router forwards, and that are not cut.
    assert seen('tcp.port == 2177 && tcp.len > 0', 'tcp.len')
    datagrams = seen('udp.port == 2177', 'ip.ttl', 'ip.flags.df', 'ip.checksum.status')
    assert len(datagrams) > 20
    assert {ttl for ttl, _, _ in datagrams} == {'1'}
    assert {df.lower() for _, df, _ in datagrams} <= {'1', 'true'}
    # LLTD: of its services this is the one for quality of service.
    frames = seen('eth.type == 0x88d9', 'lltd.version', 'lltd.tos')
    assert len(frames) > 20
    assert {(version, int(service, 0)) for version, service in frames} == {('1', 2)}
    assert not seen('_ws.malformed', 'frame.number')


def test_two_addresses(street, asker):
    """A host's IPv4 and IPv6 address are one station: one session measures both, and nothing else does; whoever ends
    takes nothing from the other"""
    sniffer = street.sniffer(QUIET)
    flows = [Flow(asker, (street.address(QUIET, family), PORT), family=family) for family in (4, 6)]
    for flow in flows:
        known = wait_until_known(flow)[-1]
        assert abs(known.capacity - CAPACITY) < 0.1 * CAPACITY
        until(lambda: abs(flow.known().available - CAPACITY) < 0.2 * CAPACITY, 5, 0.1)

    def sent(function):
        return [probe for probe in sniffer.take()
                if struct.unpack_from('!H', probe.frame, 12)[0] == LLTD and probe.frame[17] == function]

    flows[0].close()
    closed = time.time()
    until(lambda: len([probe for probe in sent(LLTD_PROBE) if probe.time > closed + 1]) > 20, 5, 0.1)
    assert flows[1].known(fresh=True).error in (0, RETRY)
    assert sent(LLTD_RESET) == []
    flows[1].close()
    until(lambda: sent(LLTD_RESET), 5, 0.1)
    # A sink that cannot switch its interrupt moderation off is asked twice (P-117).
    assert len([probe for probe in sent(LLTD_INITIALIZE) if probe.frame[32] == 0]) == 1
    assert len({probe.frame[18:30] for probe in sent(LLTD_INITIALIZE)}) == 1
    assert all(struct.unpack_from('!H', probe.frame, 12)[0] == LLTD for probe in sniffer.take())
