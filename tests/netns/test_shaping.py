# SPDX-License-Identifier: MIT
"""Rates that are kept to: on a link that is handed over, where classes of its queue delay the excess, and on one
that is not. What counts is what arrives at the other host, in bytes of IP."""
import contextlib
import json
import pathlib
import socket
import subprocess
import tempfile
import time

import netns
import pytest

from conftest import (AUDIO_VIDEO, B4, B6, BEST_EFFORT, CABLE, VOICE, Daemon, Traffic, make_net,
                      queue_is_empty, rate_of, until, within)
from netns import PATIENCE_S, TIME_FACTOR
from packets import Wire

PORT, PORT2, SINK_PORT = 5000, 5001, 6000
PLAIN = 'plain'
PLAIN_A4, PLAIN_B4, PLAIN_A6, PLAIN_B6 = '198.51.100.1', '198.51.100.2', '2001:db8:1::1', '2001:db8:1::2'
LINK_MBIT = 20
MBIT = 1000000
SHAPE_ONLY, SHAPE_AND_MARK, USE_NON_CONFORMANT = range(3)
PAYLOAD = 1000
EDQUOT = 122


class Lab:
    """Two cables to the same host: one is handed over, the other is not."""

    def __init__(self, net, daemon, programs):
        self.net, self.daemon = net, daemon
        self.traffic = Traffic(programs)
        self.wires = {CABLE: net.wire, PLAIN: Wire(net.b, PLAIN)}
        self.far = {(CABLE, 4): B4, (CABLE, 6): B6, (PLAIN, 4): PLAIN_B4, (PLAIN, 6): PLAIN_B6}
        self.sink = self.traffic.start(net.b, 'sink', '::', SINK_PORT)

    def udp(self, where=CABLE, family=4, port=PORT):
        return self.net.udp(family, connect=(self.far[where, family], port))

    def tcp(self, where, family):
        made = self.net.a.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_STREAM)
        made.connect((self.far[where, family], SINK_PORT))
        return made

    def clear(self):
        for wire in self.wires.values():
            wire.clear()

    def arrived(self, where=CABLE, port=PORT):
        return [packet for packet in self.wires[where].settle() if packet.dport == port]

    def drained(self, where, port, count, timeout=PATIENCE_S):
        """What has arrived, as soon as that many datagrams have."""
        return self.wires[where].wait(lambda packet: packet.dport == port and packet.stamp, count, timeout)

    def record(self, flow):
        """What `greenwave list` says of a flow, by its first entry."""
        return [entry for entry in self.daemon.flows() if entry['id'] == flow][0]

    def counted(self, flow):
        """{what became of them: (packets, bytes)}"""
        return {what: (count['packets'], count['bytes']) for what, count in self.record(flow)['counters'].items()}

    def shaping(self, flow):
        return self.record(flow)['shaping']

    def close(self):
        self.traffic.close()
        self.wires[PLAIN].close()


@pytest.fixture(scope='module')
def shared_lab(programs):
    folder = pathlib.Path(tempfile.mkdtemp(prefix='l-', dir=programs.folder))
    folder.chmod(0o755)
    with make_net(programs, folder) as net:
        netns.join(net.a, net.b, PLAIN, [f'{PLAIN_A4}/24', f'{PLAIN_A6}/64'],
                   [f'{PLAIN_B4}/24', f'{PLAIN_B6}/64'])
        daemon = Daemon(programs, net.a, folder).start(
            f'link {CABLE} {{ rate = {LINK_MBIT}Mbit reservable = 50% }}\n')
        lab = Lab(net, daemon, programs)
        yield lab
        lab.close()
        if daemon.running:
            daemon.stop()


@pytest.fixture
def lab(shared_lab):
    assert shared_lab.daemon.running, shared_lab.daemon.log()
    if not shared_lab.daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used: ' + shared_lab.daemon.log())
    shared_lab.clear()
    yield shared_lab
    until(lambda: shared_lab.daemon.status()['flows'] == 0)
    until(lambda: queue_is_empty(shared_lab.net.a, CABLE))
    shared_lab.daemon.check_log()


@pytest.fixture
def agent(agents, lab):
    agent = agents(lab.net.a, lab.daemon)
    agent.create()
    return agent


def set_rate(agent, flow, rate_bps, behaviour=SHAPE_AND_MARK):
    assert agent.ask('set-rate', 0, flow, rate_bps, behaviour) == [1, 0]


@contextlib.contextmanager
def shaped(lab, agent, sender, rate_bps, behaviour=SHAPE_AND_MARK, kind=AUDIO_VIDEO):
    """A flow of a socket, or of several, with a rate."""
    senders = sender if isinstance(sender, list) else [sender]
    given = [agent.give(one) for one in senders]
    flow = agent.add(given[0], kind)
    for more in given[1:]:
        assert agent.add(more, kind, None, flow) == flow
    set_rate(agent, flow, rate_bps, behaviour)
    try:
        yield flow
    finally:
        agent.remove(flow)
        for one in given:
            agent.ask('close', one)


def numbers(packets):
    return [packet.stamp[0] for packet in packets]


def total(packets):
    return sum(packet.ip_bytes for packet in packets)


def in_order(packets):
    """No datagram is missing, none has overtaken another."""
    found = numbers(packets)
    return found == list(range(len(found)))


def overload(lab, senders, seconds=4.0, mbit=5, *words):
    """Datagrams at 5 Mbit/s; the program that sends them is made to wait by the socket, if by anything."""
    return lab.traffic.start(lab.net.a, 'send', '-r', int(mbit * MBIT), '-l', PAYLOAD, '-d', seconds, *words,
                             fds=[sender.fileno() for sender in senders])


# ---- datagrams ----

@pytest.mark.parametrize('behaviour, dscp', [(SHAPE_AND_MARK, 40), (SHAPE_ONLY, 0)])
@pytest.mark.parametrize('family', [4, 6])
def test_class_delays(lab, agent, family, behaviour, dscp):
    """Q-105, Q-106, Q-130: 5 Mbit/s into 1 Mbit/s on a handed-over link: no loss, no reordering, the rate at the
    receiver, the mark"""
    def measure():
        lab.clear()
        with lab.udp(CABLE, family) as sender, shaped(lab, agent, sender, MBIT, behaviour) as flow:
            assert lab.shaping(flow) == 'class'
            assert agent.ask('query-rate', 0, flow) == [1, 0, MBIT]
            stream = overload(lab, [sender], 4)
            said = lab.traffic.result(stream)
            packets = lab.drained(CABLE, PORT, said['datagrams'])
            # Far from what was offered: the socket was full.
            assert said['datagrams'] * (PAYLOAD + 28) * 8 < 2.5 * MBIT * 4
            assert in_order(packets)
            assert {packet.dscp for packet in packets} == {dscp}
            assert within(rate_of(packets), MBIT, 2), rate_of(packets)
    lab.traffic.measured(measure)


def test_no_class_polices(lab, agent):
    """Q-105: on a link that is not handed over and whose queue knows no departure times, the excess of a datagram
    socket is dropped, and the list says so"""
    def measure():
        lab.clear()
        with lab.udp(PLAIN) as sender, shaped(lab, agent, sender, MBIT) as flow:
            assert lab.shaping(flow) == 'policed'
            said = lab.traffic.result(overload(lab, [sender], 3))
            packets = lab.arrived(PLAIN)
            assert numbers(packets) == sorted(numbers(packets))
            assert len(packets) < said['datagrams'] / 3
            assert {packet.dscp for packet in packets} == {40}
            assert within(rate_of(packets), MBIT, 2), rate_of(packets)
            dropped = said['datagrams'] - len(packets)
            assert lab.counted(flow) == {'conforming': (len(packets), total(packets)), 'excess': (0, 0),
                                         'dropped': (dropped, dropped * (PAYLOAD + 28))}
    lab.traffic.measured(measure)


@pytest.mark.parametrize('where, family', [(CABLE, 4), (CABLE, 6), (PLAIN, 4), (PLAIN, 6)])
def test_non_conformant_markings(lab, agent, where, family):
    """Q-107: everything is sent at once, what conforms has the mark"""
    def measure():
        lab.clear()
        with lab.udp(where, family) as sender, \
                shaped(lab, agent, sender, MBIT, USE_NON_CONFORMANT, VOICE) as flow:
            said = lab.traffic.result(overload(lab, [sender], 3))
            packets = lab.drained(where, PORT, said['datagrams'])
            assert len(packets) == said['datagrams']
            assert {packet.dscp for packet in packets} == {56, 0}
            conforming = [packet for packet in packets if packet.dscp == 56]
            assert within(rate_of(packets), 5 * MBIT, 3), rate_of(packets)
            assert within(rate_of(conforming), MBIT, 5), rate_of(conforming)
            excess = [packet for packet in packets if packet.dscp == 0]
            assert lab.counted(flow) == {'conforming': (len(conforming), total(conforming)),
                                         'excess': (len(excess), total(excess)), 'dropped': (0, 0)}
    lab.traffic.measured(measure)


def test_rate_is_taken_back(lab, agent):
    """Q-108: 0 ends shaping and marks"""
    with lab.udp() as sender, shaped(lab, agent, sender, MBIT) as flow:
        assert lab.net.mark(sender) == 40
        set_rate(agent, flow, 0)
        assert lab.net.mark(sender) == 0
        assert lab.shaping(flow) is None
        lab.clear()
        said = overload(lab, [sender], 1).wait()
        packets = lab.drained(CABLE, PORT, said['datagrams'], 1)
        assert {packet.dscp for packet in packets} == {0}
        assert said['datagrams'] >= 0.9 * 5 * MBIT / 8 / (PAYLOAD + 28)


def test_smallest_reservation(lab, agent):
    """Q-109: 0xFFFFFFFF marks, and delays nothing"""
    with lab.udp() as sender, shaped(lab, agent, sender, 0xffffffff):
        said = overload(lab, [sender], 1).wait()
        packets = lab.drained(CABLE, PORT, said['datagrams'], 1)
        assert in_order(packets)
        assert {packet.dscp for packet in packets} == {40}
        assert said['datagrams'] >= 0.9 * 5 * MBIT / 8 / (PAYLOAD + 28)


def test_headers_count(lab, agent):
    """Q-110: 1.28 Mbit/s pass 1 Mbit/s of payload in datagrams of 100 bytes"""
    def measure():
        lab.clear()
        with lab.udp() as sender, shaped(lab, agent, sender, 1280000):
            stream = lab.traffic.start(lab.net.a, 'send', '-r', 3 * MBIT, '-l', 100, '-d', 3,
                                       fds=[sender.fileno()])
            said = lab.traffic.result(stream)
            packets = lab.drained(CABLE, PORT, said['datagrams'])
            assert in_order(packets)
            payload_bps = rate_of(packets) * 100 / 128
            assert within(payload_bps, MBIT, 2), payload_bps
    lab.traffic.measured(measure)


def test_rate_changes_while_sending(lab, agent):
    """Q-111: in force within 100 ms; no loss, no reordering, no packet without its mark"""
    rates = [1, 4, 2]

    def measure():
        lab.clear()
        with lab.udp() as sender, shaped(lab, agent, sender, rates[0] * MBIT) as flow:
            stream = overload(lab, [sender], len(rates), 8)
            changes = []
            for rate in rates[1:]:
                time.sleep(1)
                set_rate(agent, flow, rate * MBIT)
                changes.append(time.time())
            said = lab.traffic.result(stream)
            packets = lab.drained(CABLE, PORT, said['datagrams'])
            assert in_order(packets)
            assert {packet.dscp for packet in packets} == {40}
            for rate, change in zip(rates[1:], changes):
                seen = [packet for packet in packets if change + 0.1 <= packet.time < change + 0.9]
                assert within(rate_of(seen, 0), rate * MBIT, 4), (rate, rate_of(seen, 0))
    lab.traffic.measured(measure)


def test_many_changes(lab, agent):
    """Q-111: a hundred changes in a second, and still no loss, no reordering, no packet without its mark"""
    with lab.udp() as sender, shaped(lab, agent, sender, 2 * MBIT) as flow:
        stream = overload(lab, [sender], 1)
        for i in range(100):
            set_rate(agent, flow, (1 + i % 4) * MBIT)
            time.sleep(0.008)
        said = stream.wait()
        packets = lab.drained(CABLE, PORT, said['datagrams'])
        assert in_order(packets)
        assert {packet.dscp for packet in packets} == {40}


def test_remove_releases_the_queue(lab, agent):
    """Q-076: what waits on account of the rate leaves at once, without loss"""
    with lab.udp() as sender:
        given = agent.give(sender)
        flow = agent.add(given, AUDIO_VIDEO)
        set_rate(agent, flow, 128000)
        stream = overload(lab, [sender], 0.5)
        said = stream.wait()
        # 50 datagrams and more of 64 ms each wait.
        waiting = said['datagrams'] - len(lab.arrived())
        assert waiting > 20
        agent.remove(flow)
        packets = lab.drained(CABLE, PORT, said['datagrams'], 0.5)
        assert in_order(packets)
        agent.ask('close', given)


def test_sockets_share(lab, agent):
    """Q-105: a flow of two sockets has one rate"""
    def measure():
        lab.clear()
        with lab.udp() as first, lab.udp(port=PORT2) as second, \
                shaped(lab, agent, [first, second], 2 * MBIT) as flow:
            entries = [entry for entry in lab.daemon.flows() if entry['id'] == flow]
            assert [entry['shaping'] for entry in entries] == ['class', 'class']
            senders = [overload(lab, [sender], 3, 3) for sender in (first, second)]
            counts = [lab.traffic.result(sender)['datagrams'] for sender in senders]
            packets = [lab.drained(CABLE, port, count) for port, count in zip((PORT, PORT2), counts)]
            assert in_order(packets[0]) and in_order(packets[1])
            both = sorted(packets[0] + packets[1], key=lambda packet: packet.time)
            assert within(rate_of(both), 2 * MBIT, 2), rate_of(both)
    lab.traffic.measured(measure)


def test_policed_sockets_share(lab, agent):
    """Q-105: the same where the excess is dropped"""
    def measure():
        lab.clear()
        with lab.udp(PLAIN) as first, lab.udp(PLAIN, port=PORT2) as second, \
                shaped(lab, agent, [first, second], 2 * MBIT):
            for sender in [overload(lab, [sender], 2, 3) for sender in (first, second)]:
                lab.traffic.result(sender)
            packets = lab.arrived(PLAIN, PORT) + lab.arrived(PLAIN, PORT2)
            both = sorted(packets, key=lambda packet: packet.time)
            assert within(rate_of(both), 2 * MBIT, 3), rate_of(both)
    lab.traffic.measured(measure)


@pytest.mark.parametrize('where', [CABLE, PLAIN])
def test_segments_are_charged(lab, agent, where):
    """Q-105, Q-110: a large buffer that the kernel cuts (UDP_SEGMENT) counts as what is on the wire"""
    def measure():
        lab.clear()
        with lab.udp(where) as sender, shaped(lab, agent, sender, 2 * MBIT) as flow, \
                netns.checksum_offload(lab.net.a, where):
            stream = overload(lab, [sender], 3, 6, '-g', 5)
            said = lab.traffic.result(stream)
            if where == CABLE:
                until(lambda: sum(segments(packet) for packet in lab.arrived(where)) == said['datagrams'])
            packets = lab.arrived(where)
            # The cable may carry them in one piece; what they are on a real one is what counts.
            late = [packet for packet in packets if packet.time > packets[0].time + 0.5]
            wire_bps = (sum(map(segments, late[1:])) * (PAYLOAD + 28) * 8) / (late[-1].time - late[0].time)
            assert within(wire_bps, 2 * MBIT, 3), wire_bps
            count = sum(map(segments, packets))
            assert lab.counted(flow)['conforming'] == (count, count * (PAYLOAD + 28))
    lab.traffic.measured(measure)


def segments(packet):
    return len(packet.payload) // PAYLOAD


def test_counters(lab, agent):
    """Counters are those of the wire, packet by packet and byte by byte"""
    with lab.udp() as sender, shaped(lab, agent, sender, 2 * MBIT) as flow:
        said = overload(lab, [sender], 1).wait()
        packets = lab.drained(CABLE, PORT, said['datagrams'])
        assert lab.counted(flow) == {'conforming': (len(packets), total(packets)), 'excess': (0, 0),
                                     'dropped': (0, 0)}


@pytest.fixture
def fair_queue(lab):
    """The queue that keeps departure times, on the link that is not handed over."""
    status, _, error = lab.net.a.run(['tc', 'qdisc', 'add', 'dev', PLAIN, 'root', 'fq'])
    if status != 0:
        pytest.skip(f'needs the queueing discipline fq: {error}')
    yield
    lab.net.a.must('tc', 'qdisc', 'del', 'dev', PLAIN, 'root')


@pytest.mark.parametrize('family', [4, 6])
@pytest.mark.parametrize('payload, mbit', [(PAYLOAD, 1), (100, 1), (PAYLOAD, 4)])
def test_departure_times(lab, agent, fair_queue, family, payload, mbit):
    """Q-105, Q-110: where the queue is fq, datagrams get departure times: the rate, no reordering, and no loss as
    long as the socket's buffer holds fewer packets than fq keeps of one flow (100)"""
    def measure():
        lab.clear()
        with lab.udp(PLAIN, family) as sender, shaped(lab, agent, sender, mbit * MBIT) as flow:
            until(lambda: lab.shaping(flow) == 'edt')
            stream = lab.traffic.start(lab.net.a, 'send', '-r', int(2.5 * mbit * MBIT), '-l', payload, '-d', 4,
                                       fds=[sender.fileno()])
            said = lab.traffic.result(stream)
            if payload == PAYLOAD:
                assert in_order(lab.drained(PLAIN, PORT, said['datagrams']))
            packets = lab.arrived(PLAIN)
            assert numbers(packets) == sorted(set(numbers(packets)))
            assert {packet.dscp for packet in packets} == {40}
            assert within(rate_of(packets), mbit * MBIT, 2), rate_of(packets)
    lab.traffic.measured(measure)


def test_departure_times_come_and_go(lab, agent, fair_queue):
    """The list follows the queue: policed without fq, and departure times again with it"""
    with lab.udp(PLAIN) as sender, shaped(lab, agent, sender, MBIT) as flow:
        until(lambda: lab.shaping(flow) == 'edt')
        assert lab.daemon.has('departure-times')
        lab.net.a.must('tc', 'qdisc', 'replace', 'dev', PLAIN, 'root', 'pfifo')
        until(lambda: lab.shaping(flow) == 'policed')
        lab.net.a.must('tc', 'qdisc', 'replace', 'dev', PLAIN, 'root', 'fq')
        until(lambda: lab.shaping(flow) == 'edt')


# ---- streams ----

@pytest.mark.parametrize('family', [4, 6])
@pytest.mark.parametrize('where, method, mbit, percent', [
    (CABLE, 'class', 2, 2),
    # The kernel sends bursts of up to 64 KiB to hosts that are near, however slow the pace.
    (PLAIN, 'paced', 10, 5)])
def test_tcp(lab, agent, where, method, mbit, percent, family):
    """Q-105: a stream keeps to the rate, by the queue's class or by the socket itself; no segment is lost"""
    def measure():
        lab.clear()
        with lab.tcp(where, family) as sender, shaped(lab, agent, sender, mbit * MBIT) as flow:
            assert lab.shaping(flow) == method
            lab.traffic.result(lab.traffic.start(lab.net.a, 'bulk', '-d', 4, fds=[sender.fileno()]))
            data = [packet for packet in lab.arrived(where, SINK_PORT) if packet.payload]
            assert {packet.dscp for packet in data} == {40}
            # What was lost would have come again.
            assert sum(len(packet.payload) for packet in data) <= stream_bytes(data)
            bps = rate_between(data, 1, 4)
            assert within(bps, mbit * MBIT, percent), bps
    lab.traffic.measured(measure)


def rate_between(packets, begin, end):
    """Bits of IP per second, from so many seconds after the first packet to so many."""
    first = packets[0].time
    return total([packet for packet in packets if begin <= packet.time - first < end]) * 8 / (end - begin)


def stream_bytes(packets):
    """How many different bytes the segments hold."""
    def sequence(packet):
        transport = packet.frame[14 + (40 if packet.version == 6 else 20):]
        return int.from_bytes(transport[4:8], 'big')
    first = sequence(packets[0])
    return max((sequence(packet) - first) % (1 << 32) + len(packet.payload) for packet in packets)


def test_tcp_pacing_of_the_application_returns(lab, agent):
    """Q-108: what a program has set for itself is in force again when the rate ends"""
    so_max_pacing_rate = 47
    with lab.tcp(PLAIN, 4) as sender:
        sender.setsockopt(socket.SOL_SOCKET, so_max_pacing_rate, 1234567)
        flow = agent.add(agent.give(sender), AUDIO_VIDEO)
        set_rate(agent, flow, 2 * MBIT)
        assert sender.getsockopt(socket.SOL_SOCKET, so_max_pacing_rate) <= 2 * MBIT // 8
        agent.remove(flow, agent.give(sender))
        assert sender.getsockopt(socket.SOL_SOCKET, so_max_pacing_rate) == 1234567


# ---- programs ----

@pytest.mark.parametrize('where', [CABLE, PLAIN])
def test_program(lab, programs, where):
    """`greenwave run --rate`: what the programs of a group send keeps to the rate, whichever link it takes"""
    def measure():
        lab.clear()
        command = [programs.path('greenwave'), 'run', '--class', 'audio-video', '--rate', '2Mbit', '--',
                   programs.path('stream'), 'send', '-r', str(6 * MBIT), '-l', str(PAYLOAD), '-d', '3',
                   lab.far[where, 4], str(PORT)]
        child = lab.net.a.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=programs.environment(lab.daemon.socket_path))
        try:
            flow = until(lambda: [flow for flow in lab.daemon.flows() if flow['rate_bps']])[0]
            out, error = child.communicate(timeout=20 * TIME_FACTOR)
            assert child.returncode == 0, error
        finally:
            child.kill()
            child.wait()
            lab.net.a.children.remove(child)
        sent = json.loads(out)['datagrams']
        packets = lab.drained(where, PORT, sent) if where == CABLE else lab.arrived(where)
        assert flow['rate_bps'] == 2 * MBIT
        assert where == PLAIN or (in_order(packets) and flow['shaping'] == 'class')
        # At the end of the group what still waits may leave at once.
        assert {packet.dscp for packet in packets if packet.time < packets[0].time + 2.5} == {40}
        bps = rate_between(packets, 0.5, 2.5)
        assert within(bps, 2 * MBIT, 3), bps
    lab.traffic.measured(measure)


# ---- more flows than classes ----

def test_beyond_the_pool(lab, agent):
    """When no class is left, flows are policed, and listed as such; one that ends makes room"""
    pool = 256
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(lab.udp()) for _ in range(pool + 4)]
        flows = []
        for sender in senders:
            given = agent.give(sender)
            flows.append(agent.add(given, AUDIO_VIDEO))
            set_rate(agent, flows[-1], MBIT)
            agent.ask('close', given)
        shaping = {entry['id']: entry['shaping'] for entry in lab.daemon.flows()}
        assert [shaping[flow] for flow in flows] == ['class'] * pool + ['policed'] * 4

        said = overload(lab, [senders[-1]], 1.5).wait()
        packets = lab.arrived()
        assert len(packets) < said['datagrams'] / 2
        assert within(rate_of(packets), MBIT, 5), rate_of(packets)

        agent.remove(flows[0])
        with lab.udp() as late, shaped(lab, agent, late, MBIT) as flow:
            until(lambda: lab.shaping(flow) == 'class' or set_rate(agent, flow, MBIT))
        for flow in flows[1:]:
            agent.remove(flow)


# ---- reservations ----

@pytest.fixture
def native(agent):
    assert agent.number('open') == 0
    yield agent
    agent.ask('close-native')


def reserve(agent, flow, rate_bps, excess=0):
    return agent.number('reserve-native', flow, rate_bps, excess)


def add_native(agent, sender, kind=BEST_EFFORT):
    given = agent.give(sender)
    result, flow = agent.ask('add-native', given, '-', 0, kind, 0)
    assert result == 0
    agent.ask('close', given)
    return flow


def test_reservation_holds_against_a_flood(lab, native):
    """What is reserved arrives whole, in time, beside a flood of the same class of twice what the link carries"""
    def measure():
        lab.clear()
        with lab.udp() as sender, lab.udp(port=PORT2) as flood:
            flow = add_native(native, sender)
            assert reserve(native, flow, 4 * MBIT) == 0
            assert lab.record(flow)['reserved_bps'] == 4 * MBIT
            noise = lab.traffic.start(lab.net.a, 'send', '-r', 2 * LINK_MBIT * MBIT, '-l', 1400, '-b', 16 << 20,
                                      fds=[flood.fileno()])
            time.sleep(0.3)
            stream = overload(lab, [sender], 2, 3.9)
            said = lab.traffic.result(stream)
            noise.end()
            packets = lab.drained(CABLE, PORT, said['datagrams'])
            assert in_order(packets)
            assert within(rate_of(packets), 3.9 * MBIT, 3), rate_of(packets)
            native.ask('remove-native', flow)
    lab.traffic.measured(measure)


def test_reservation_is_policed(lab, native):
    """What exceeds the bucket of a reservation is dropped"""
    with lab.udp() as sender:
        flow = add_native(native, sender)
        assert reserve(native, flow, 2 * MBIT) == 0
        overload(lab, [sender], 2).wait()
        packets = lab.arrived()
        assert within(rate_of(packets), 2 * MBIT, 4), rate_of(packets)
        assert lab.counted(flow)['dropped'][0] > 100
        native.ask('remove-native', flow)


def test_reservations_have_a_limit(lab, native):
    """No more than the reservable half of the link; elsewhere there is no limit, and no guarantee"""
    with lab.udp() as first, lab.udp() as second, lab.udp(PLAIN) as third:
        flows = [add_native(native, sender) for sender in (first, second, third)]
        assert reserve(native, flows[0], 8 * MBIT) == 0
        assert reserve(native, flows[1], 4 * MBIT) == -EDQUOT
        assert lab.record(flows[1])['reserved_bps'] is None
        assert lab.record(flows[0])['reserved_bps'] == 8 * MBIT
        assert reserve(native, flows[2], 100 * MBIT) == 0
        # Room is made by giving back.
        assert reserve(native, flows[0], 0) == 0
        assert reserve(native, flows[1], 4 * MBIT) == 0
        for flow in flows:
            native.ask('remove-native', flow)
