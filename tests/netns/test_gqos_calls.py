# SPDX-License-Identifier: MIT
"""What programs ask of QoS sockets, as tshark reads it on the cables, and what becomes of their packets on a link that
is handed over (spec/gqos.md §6 to §11)."""
import itertools

import pytest

from gqos import (AT_FAR, AT_NEAR, BEST_EFFORT, CONTROLLED_LOAD, CONTROLLED_LOAD_DSCP, FF, FIXED_FILTER, FROM_FAR,
                  FROM_NEAR, GUARANTEED, GUARANTEED_DSCP, NOCHANGE, PATH, RECEIVERS, RESV, SE, SENDERS, SHARED_EXPLICIT,
                  TCP, UDP, Agent, messages)
from rsvp_net import FOUR, LEFT, LINE_ROUTER, Line, made

NEAR, FAR = FOUR['near'], FOUR['far']
RATE = 2000
LINK_MBIT, BYTES, BURSTS = 1, 1000, (60, 9, 1)  # of each service; no more than a bucket takes
ports = itertools.count(10000)


@pytest.fixture(scope='module')
def shared_line(programs):
    with made(Line(programs)) as net:
        net['near'].start(f'link {LEFT} {{ rate = {LINK_MBIT}Mbit reservable = 90% }} rsvp {{ enabled = true }}')
        net['router'].start(LINE_ROUTER)
        net['far'].start('rsvp { enabled = true }')
        yield net


@pytest.fixture
def near(line):
    return Agent(line['near'])


@pytest.fixture
def far(line):
    return Agent(line['far'])


def seen(line, place, kind, session, *fields):
    """The messages that have arrived there, once there are any."""
    name, cable = place
    line[name].listen(cable).wait(kind)
    return messages(line, [place], *fields)[place, kind, session]


def segments(line, place, flags):
    return [packet for packet in line[place[0]].listen(place[1]).wire.settle(0) if packet.tcp_flags == flags]


def test_connecting(line, near, far):
    """G-097, G-102: what comes with the connection goes before what was said, and out when there is one"""
    here, there = next(ports), next(ports)
    far.do_all([('socket', 1, 'tcp4'), ('bind', 1, FAR, there), ('listen', 1)])
    near.do_all([('socket', 0, 'tcp4'), ('bind', 0, NEAR, here), ('qos', 0, GUARANTEED, RATE, NOCHANGE, 0)])
    assert not messages(line, [FROM_NEAR])
    near.do('connect', 0, FAR, there, CONTROLLED_LOAD, 2 * RATE, NOCHANGE, 0)
    far.do('accept', 0, 1)
    for path in seen(line, FROM_NEAR, PATH, (FAR, there, TCP), 'rsvp.tspec.token_bucket_rate'):
        assert path.senders == [(NEAR, here)] and float(path.more[0]) == 2 * RATE
        assert path.time > segments(line, FROM_NEAR, 'A')[0].time, 'the handshake comes first'


def test_condition(line, near, far):
    """G-114: what the condition function of the listening side says is sent goes out once it has accepted"""
    here, there = next(ports), next(ports)
    far.do_all([('socket', 1, 'tcp4'), ('bind', 1, FAR, there), ('listen', 1),
                ('qos', 1, NOCHANGE, 0, CONTROLLED_LOAD, 0)])
    near.do_all([('socket', 0, 'tcp4'), ('bind', 0, NEAR, here), ('qos', 0, NOCHANGE, 0, CONTROLLED_LOAD, 0),
                 ('connect', 0, FAR, there)])
    near.hears_nothing()
    far.do('accept', 0, 1, CONTROLLED_LOAD, RATE, CONTROLLED_LOAD, 0)
    near.told(SENDERS)
    far.told(RECEIVERS)
    paths = seen(line, FROM_FAR, PATH, (NEAR, here, TCP), 'rsvp.tspec.token_bucket_rate')
    assert all(path.senders == [(FAR, there)] and float(path.more[0]) == RATE for path in paths)


def test_applications(line, near, far):
    """G-093, G-094: who the application is, is told to all nodes of the path, by the sender and by the receiver"""
    here, there = next(ports), next(ports)
    near.do_all([('socket', 0, 'udp4'), ('bind', 0, NEAR, here), ('connect', 0, FAR, there),
                 ('qos', 0, CONTROLLED_LOAD, RATE, NOCHANGE, 0, 'sends-as', 'APP=camera')])
    far.do_all([('socket', 0, 'udp4'), ('bind', 0, FAR, there), ('connect', 0, NEAR, here),
                ('qos', 0, NOCHANGE, 0, CONTROLLED_LOAD, 0, 'receives-as', 'APP=viewer')])
    near.told(RECEIVERS)
    session = FAR, there, UDP
    # An element of an application (RFC 2872) with one attribute: a locator, an ASCII name (RFC 2752).
    for places, kind, name in ((FROM_NEAR, AT_FAR), PATH, b'APP=camera'), ((FROM_FAR, AT_NEAR), RESV, b'APP=viewer'):
        element = bytes([0, 20, 0, 3, 0, 4 + len(name), 1, 1]) + name + bytes(2)
        for message in itertools.chain(*(seen(line, place, kind, session, 'rsvp.policy.data') for place in places)):
            assert bytes.fromhex(message.more[0]).endswith(element), message


@pytest.mark.parametrize('style, on_wire', [(FIXED_FILTER, FF), (SHARED_EXPLICIT, SE)])
def test_filters(line, near, far, style, on_wire):
    """G-145, G-147, G-153: senders are named on the wire as the receiver has named them"""
    there, senders = next(ports), [(NEAR, 0x1234), (NEAR, 0x5678)]
    named = [word for sender in senders for word in ('from', *sender)]
    far.do_all([('socket', 0, 'udp4'), ('bind', 0, FAR, there),
                ('qos', 0, NOCHANGE, 0, CONTROLLED_LOAD, RATE, 'style', style, *named)])
    for slot, (address, port) in enumerate(senders):
        near.do_all([('socket', slot, 'udp4'), ('bind', slot, address, port),
                     ('qos', slot, CONTROLLED_LOAD, RATE, NOCHANGE, 0, 'to', FAR, there)])
        near.told(RECEIVERS, slot)
    last = seen(line, FROM_FAR, RESV, (FAR, there, UDP))[-1]
    assert last.style == on_wire and sorted(last.senders) == senders


def test_order_of_service(line, near, far):
    """G-198: of what waits for the link, guaranteed service goes first and controlled load next, whenever they came"""
    services, here = (BEST_EFFORT, CONTROLLED_LOAD, GUARANTEED), []
    for slot, service in enumerate(services):
        here.append(next(ports))
        there = next(ports)
        near.do_all([('socket', slot, 'udp4'), ('bind', slot, NEAR, here[slot]), ('connect', slot, FAR, there)])
        far.do_all([('socket', slot, 'udp4'), ('bind', slot, FAR, there)])
        if service != BEST_EFFORT:
            near.do('qos', slot, service, 15 * RATE, NOCHANGE, 0)
            far.do('qos', slot, NOCHANGE, 0, service, 0)
            near.told(RECEIVERS, slot)
    line.clear()
    near.do_all([('send', slot, BYTES) for slot, count in enumerate(BURSTS) for _ in range(count)])
    arrived = line['router'].listen(LEFT).wire.wait(lambda packet: packet.payload == bytes(BYTES), sum(BURSTS))
    order = ''.join('BCG'[here.index(packet.sport)] for packet in arrived)
    print(order)
    # What was on its way when the others came is ahead of them.
    assert order.index('G') < 10 and order[:order.index('G')].count('C') <= BURSTS[1] // 2
    assert order.rindex('C') < sum(BURSTS) // 2 and order.endswith('B' * (BURSTS[0] // 2))
    assert {(here.index(packet.sport), packet.dscp) for packet in arrived} == {
        (0, 0), (1, CONTROLLED_LOAD_DSCP), (2, GUARANTEED_DSCP)}
