# SPDX-License-Identifier: MIT
"""Without a daemon: the engine inside the program, as an ordinary user."""
import contextlib
import json
import socket
import time

import pytest

from conftest import (A4, B4, B6, ACCESS_DENIED, BACKGROUND, C4, DSCP, NOBODY, NOT_FOUND, NOT_SUPPORTED,
                      SERVICE_DEPENDENCY_FAIL, VOICE, Stalled, measured, rate_of, until, within)

PORT, PORT2 = 5000, 5001
MBIT = 1000000
SHAPE_ONLY, SHAPE_AND_MARK, USE_NON_CONFORMANT = range(3)


@pytest.fixture
def alone(agents, net):
    """A program of an ordinary user, with the engine in it."""
    agent = agents(net.a, mode='embedded', uid=NOBODY)
    agent.create()
    return agent


@pytest.mark.parametrize('kind', range(6))
@pytest.mark.parametrize('family, address', [(4, B4), (6, B6)])
def test_before_during_after(net, alone, family, address, kind):
    """Q-026, Q-038, Q-077..Q-083 by socket options"""
    with net.udp(family, connect=(address, PORT)) as sender:
        assert net.mark(sender) == 0
        flow = alone.add(alone.give(sender), kind)
        assert net.mark(sender) == DSCP[kind]
        alone.remove(flow)
        assert net.mark(sender) == 0


def test_v4_mapped(net, alone):
    """Q-036"""
    with net.udp(6, connect=(f'::ffff:{B4}', PORT)) as sender:
        flow = alone.add(alone.give(sender))
        packet = net.arrives(sender)
        assert (packet.version, packet.dscp) == (4, 56)
        alone.remove(flow)
        assert net.mark(sender) == 0


def test_whole_socket(net, alone):
    """Q-220: what cannot be told apart is refused, not promised"""
    with net.udp() as sender:
        given = alone.give(sender)
        flow = alone.add(given, VOICE, (B4, PORT))
        assert net.mark(sender, (C4, PORT2)) == 56
        assert alone.add(given, VOICE, (C4, PORT), flow) == flow
        assert alone.try_add(given, BACKGROUND, (B4, PORT2))[:2] == [0, NOT_SUPPORTED]
        assert net.mark(sender, (B4, PORT)) == 56
        alone.remove(flow)
        assert net.mark(sender, (B4, PORT)) == 0


def test_own_values_return(net, alone):
    """What the application had set before is there again"""
    with net.udp(connect=(B4, PORT)) as sender:
        sender.setsockopt(0, 1, 0x68 | 2)  # IP_TOS, with an ECN value
        flow = alone.add(alone.give(sender))
        packet = net.arrives(sender)
        assert (packet.dscp, packet.ecn) == (56, 2)
        alone.remove(flow)
        packet = net.arrives(sender)
        assert (packet.dscp, packet.ecn) == (0x68 >> 2, 2)


def test_close_handle(net, alone):
    """Q-009, Q-213, Q-214"""
    with net.udp(connect=(B4, PORT)) as one, net.udp(6, connect=(B6, PORT)) as two:
        alone.add(alone.give(one))
        alone.add(alone.give(two), BACKGROUND)
        assert (net.mark(one), net.mark(two)) == (56, 8)
        alone.close_handle()
        assert (net.mark(one), net.mark(two)) == (0, 0)


def test_closed_socket(net, alone):
    """Q-075: its descriptor may be another socket by now"""
    fd = alone.number('socket', 4, 'udp')
    assert alone.number('bind', fd, A4, 6300) == 0
    flow = alone.add(fd, VOICE, (B4, PORT))
    assert alone.number('close', fd) == 0
    assert alone.number('socket', 4, 'udp') == fd
    alone.remove(flow)
    payload = net.payload().decode()
    assert alone.number('send', fd, payload, B4, PORT) == len(payload)
    assert net.wire.with_payload(payload.encode())[0].dscp == 0
    assert alone.ask('remove', 0, 0, flow) == [0, NOT_FOUND]


def test_tcp(net, alone):
    """Q-033, Q-094"""
    with net.listener(B4) as listener, contextlib.ExitStack() as stack:
        client = stack.enter_context(net.a.socket(2, 1))
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        stack.enter_context(server)
        flow = alone.add(alone.give(client))
        assert net.mark(client) == 56
        alone.remove(flow)
        assert net.mark(client) == 0


def is_kept(rate, wanted=MBIT):
    """Never more; a sender that a busy machine held up for a moment sends less, and tries again."""
    assert rate <= wanted * 1.02, rate
    return within(rate, wanted, 2)


@pytest.mark.parametrize('behaviour, dscp', [(SHAPE_AND_MARK, DSCP[VOICE]), (SHAPE_ONLY, 0)])
@pytest.mark.parametrize('family, address', [(4, B4), (6, B6)])
def test_datagrams_wait(net, alone, family, address, behaviour, dscp):
    """Q-105, Q-106: 5 Mbit/s are offered, 1 Mbit/s leaves, and none is lost"""
    with net.udp(family, connect=(address, PORT)) as sender:
        given = alone.give(sender)
        flow = alone.add(given, VOICE)
        assert alone.ask('set-rate', 0, flow, MBIT, behaviour) == [1, 0]
        rates = []
        while not rates or not is_kept(rates[-1]):
            assert len(rates) < 4, rates
            net.wire.clear()
            sent = alone.number('flood', given, 1000, 2500)
            packets = [packet for packet in net.wire.settle() if packet.dport == PORT]
            assert len(packets) == sent
            assert {packet.dscp for packet in packets} == {dscp}
            rates.append(rate_of(packets))
        alone.remove(flow)
        net.wire.clear()
        assert alone.number('flood', given, 1000, 200) > 80


def test_excess_is_not_marked(net, alone):
    """Q-107"""
    with net.udp(connect=(B4, PORT)) as sender:
        given = alone.give(sender)
        flow = alone.add(given, VOICE)
        assert alone.ask('set-rate', 0, flow, MBIT, USE_NON_CONFORMANT) == [1, 0]
        net.wire.clear()
        sent = alone.number('flood', given, 1000, 2500)
        packets = [packet for packet in net.wire.settle() if packet.dport == PORT]
        assert len(packets) == sent > 300
        assert {packet.dscp for packet in packets} == {DSCP[VOICE], 0}
        assert within(rate_of([packet for packet in packets if packet.dscp]), MBIT, 5)
        # What exceeds background stays background: anything else would be a promotion.
        assert alone.ask('set-type', 0, flow, BACKGROUND) == [1, 0]
        net.wire.clear()
        assert alone.number('flood', given, 1000, 200) > 20
        assert {packet.dscp for packet in net.wire.settle() if packet.dport == PORT} == {DSCP[BACKGROUND]}


def rate_of_bursts(packets):
    """Near its peer TCP sends up to 64 KiB at once, and then rests: whole bursts are counted, and their rests."""
    counted = [packet for packet in packets if packet.time >= packets[0].time + 1]
    starts = [after.time for before, after in zip(counted, counted[1:]) if after.time - before.time > 0.004]
    whole = [packet for packet in counted if starts[0] <= packet.time < starts[-1]]
    return sum(packet.ip_bytes for packet in whole) * 8 / (starts[-1] - starts[0])


def test_tcp_paces_itself(net, alone, traffic):
    """A stream keeps to its rate; two of one flow share it, and a third is refused"""
    sink = traffic.start(net.b, 'sink', '::', PORT2)

    def connected():
        made = net.a.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.connect((B4, PORT2))
        return made

    def measure(senders, percent):
        net.wire.clear()
        traffic.result(traffic.start(net.a, 'bulk', '-d', 4, fds=[sender.fileno() for sender in senders]))
        data = [packet for packet in net.wire.settle() if packet.dport == PORT2 and packet.payload]
        assert {packet.dscp for packet in data} == {DSCP[VOICE]}
        rate = rate_of_bursts(data)
        assert rate <= 2 * MBIT * (1 + percent / 100), rate
        if not within(rate, 2 * MBIT, percent):
            raise Stalled(f'the machine kept a stream at {rate:.0f} bit/s')

    with connected() as one, connected() as two, connected() as three:
        given = alone.give(one)
        flow = alone.add(given, VOICE)
        assert alone.ask('set-rate', 0, flow, 2 * MBIT, SHAPE_AND_MARK) == [1, 0]
        measured(lambda: measure([one], 2))
        given = alone.give(two)
        assert alone.try_add(given, VOICE, flow=flow)[:2] == [0, NOT_SUPPORTED]
        assert alone.ask('set-rate', 0, flow, 0, SHAPE_AND_MARK) == [1, 0]
        alone.add(given, VOICE, flow=flow)
        assert alone.ask('set-rate', 0, flow, 2 * MBIT, SHAPE_AND_MARK) == [1, 0]
        measured(lambda: measure([one, two], 3))
        assert alone.try_add(alone.give(three), VOICE, flow=flow)[:2] == [0, NOT_SUPPORTED]
        assert alone.ask('set-rate', 0, flow, MBIT, USE_NON_CONFORMANT) == [0, NOT_SUPPORTED]
    sink.close()


def test_child_ends(net, alone):
    """Q-025"""
    with net.udp(connect=(B4, PORT)) as sender:
        flow = alone.add(alone.give(sender))
        for end in 'exit', '_exit', 'close':
            assert alone.number('fork', end) == 0
        assert net.mark(sender) == 56
        alone.remove(flow)
        assert net.mark(sender) == 0


def test_native_flow_ends_by_itself(net, alone):
    """Closing is noticed through sock_diag"""
    assert alone.number('open') == 0
    fd = alone.number('socket', 4, 'udp')
    result, flow = alone.ask('add-native', fd, B4, PORT, VOICE, 0)
    assert result == 0
    assert alone.number('close', fd) == 0
    assert until(lambda: alone.ask('event', 100)[:3])[:3] == [1, 4, flow]


def test_rights(net, alone):
    """Q-113, Q-191: alone with itself a program is still no administrator"""
    with net.udp(connect=(B4, PORT)) as sender:
        flow = alone.add(alone.give(sender))
        assert alone.ask('set-dscp', 0, flow, 46) == [0, ACCESS_DENIED]
        assert alone.ask('enumerate', 0) == [0, ACCESS_DENIED]
        alone.remove(flow)


def test_daemon_only(net, agents):
    """Q-023: 1068 at once where only a daemon would do"""
    agent = agents(net.a, mode='daemon')
    begin = time.monotonic()
    assert agent.ask('create', 0) == [0, SERVICE_DEPENDENCY_FAIL]
    assert time.monotonic() - begin < 5


def test_auto(net, agents, daemon):
    """The daemon if there is one, else the engine inside"""
    with_daemon = agents(net.a, daemon, mode='auto')
    with_daemon.create()
    without = agents(net.a, mode='auto', uid=NOBODY)
    without.create()
    with net.udp(connect=(B4, PORT)) as one, net.udp(connect=(B4, PORT2)) as two:
        listed = with_daemon.add(with_daemon.give(one))
        unlisted = without.add(without.give(two))
        assert [flow['id'] for flow in daemon.flows()] == [listed]
        assert (net.mark(one), net.mark(two)) == (56, 56)
        with_daemon.remove(listed)
        without.remove(unlisted)


ELSEWHERE = r"""
set -e
mount -t tmpfs none /run
"$1" -f >/run/out 2>&1 & daemon=$!
for i in $(seq 100); do grep -qs ready /run/out && break; sleep 0.1; done
"$2" status --json
unshare -n "$2" status --json
GREENWAVE_SOCKET=/run/greenwave/socket unshare -n "$2" status --json
kill $daemon
wait $daemon
"""


def test_daemon_of_another_namespace(own_net, programs):
    """Met by chance at the default place, it is passed over; chosen by name, it is used"""
    environment = programs.environment()
    del environment['GREENWAVE_SOCKET']
    words = ['unshare', '-m', 'sh', '-c', ELSEWHERE, 'sh', programs.path('greenwaved'),
             programs.path('greenwave')]
    status, out, error = own_net.a.run(words, env=environment)
    assert status == 0, error
    assert [json.loads(line)['mode'] for line in out.splitlines()] == ['daemon', 'embedded', 'daemon']
