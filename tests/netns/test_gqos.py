# SPDX-License-Identifier: MIT
"""QoS sockets of Winsock from end to end: each way of closing, of sockets that send, receive or do both, is seen on
both cables, at the other end, and in traffic control (spec/gqos.md §16)."""
import contextlib
import statistics

import pytest

from gqos import (AT_FAR, AT_NEAR, CONTROLLED_LOAD_DSCP, FROM_FAR, FROM_NEAR, PATH, PATH_TEAR,
                  PLACES, RECEIVERS, RESV, RESV_TEAR, SENDERS)
from gqos_matrix import ROLES, Closing, Play
from netns import PATIENCE_S, TIME_FACTOR
from rsvp_net import endpoint

# Services: 0 no traffic, 1 best effort, 2 controlled load, 6 no change.
SEND, BOTH = (0, 1), ((0, 1), True)
CLOSE = Closing('E1 closesocket', ('close {n}',), *BOTH)
PLAIN_CLOSE = Closing('E1 close', ('plainclose {n}',), *BOTH)
STOP_SENDING = Closing('E2 SD_SEND', ('shutdown {n} 1',), SEND)
STOP_RECEIVING = Closing('E3 SD_RECEIVE', ('shutdown {n} 0',), (), True)
DISCONNECT = Closing('E6 WSAConnect to nobody', ('disconnect {n}',), *BOTH)
SENDS_NOTHING = Closing('E8 sends no traffic', ('qos {n} 0 0 6 0',), SEND)
RECEIVES_NOTHING = Closing('E10 receives no traffic', ('qos {n} 6 0 0 0',), (), True)
KILLED = Closing('E14 killed', 'kill', *BOTH)
OF_EVERY_KIND = (CLOSE, STOP_SENDING, STOP_RECEIVING, DISCONNECT, SENDS_NOTHING, RECEIVES_NOTHING, KILLED)
OF_IPV4 = (
    PLAIN_CLOSE,
    Closing('E4 SD_BOTH', ('shutdown {n} 2',), *BOTH),
    Closing('E4 bit by bit, and closed', ('shutdown {n} 0', 'shutdown {n} 1', 'shutdown {n} 2', 'close {n}'), *BOTH),
    Closing('E9 sends best effort', ('qos {n} 1 0 6 0',), SEND),
    Closing('E11 receives best effort', ('qos {n} 6 0 1 0',), (), True),
    Closing('E12 no traffic', ('qos {n} 0 0 0 0',), *BOTH),
    Closing('E12 no traffic, best effort', ('qos {n} 0 0 1 0',), *BOTH),
    Closing('E12 best effort, no traffic', ('qos {n} 1 0 0 0',), *BOTH),
    Closing('E12 best effort, and closed', ('qos {n} 1 0 1 0', 'close {n}'), *BOTH),
    Closing('E14 ended', 'leave', *BOTH),
    Closing('E15 WSACleanup', 'cleanup', *BOTH),
    Closing('E21 signals no more', ('qos {n} 0x40000006 0 0x40000006 0',), *BOTH, flow=False),
    Closing('E22 no traffic control', ('qos {n} 0x81000006 0 6 0',), flow=True),
    Closing('E23 fails', ('qos {n} 7 0 0 0',), fails=True),
    Closing('E24 changes nothing', ('qos {n} 6 0 6 0',)),
)
OF_CONNECTIONS = (
    Closing('E5 WSASendDisconnect', ('senddisconnect {n}',), SEND),
    Closing('E5 WSARecvDisconnect', ('recvdisconnect {n}',), (), True),
    Closing('E13 receives otherwise', ('qos {n} 0 0 2 1500',), SEND, far_told={'RB': RECEIVERS}),
    Closing('E13 sends otherwise', ('qos {n} 2 1500 0 0',), (), True, far_told={'SRB': SENDERS},
            near_told={'SB': RECEIVERS}),
)
OF_DATAGRAMS = (Closing('E7 connects to zeros', ('connect {n} 0.0.0.0 0',), *BOTH),)
CLOSINGS = {
    'tcp4': OF_EVERY_KIND + OF_IPV4 + OF_CONNECTIONS,
    'udp4': OF_EVERY_KIND + OF_IPV4 + OF_CONNECTIONS + OF_DATAGRAMS,
    'tcp6': OF_EVERY_KIND,
    'udp6': OF_EVERY_KIND,
    'unconnected': OF_EVERY_KIND + OF_IPV4 + OF_DATAGRAMS + (
        Closing('E8 to one of two', ('qos {n} 0 0 6 0 to {far} {port}',), (0,)),
        Closing('E9 to one of two', ('qos {n} 1 0 6 0 to {far} {port}',), (0,))),
    'group': OF_EVERY_KIND + OF_IPV4 + OF_DATAGRAMS + (
        Closing('E19 leaves the group', ('leave {n} {group}',), *BOTH),),
}
ROWS = [(kind, role, closing.name) for kind, closings in CLOSINGS.items() for closing in closings for role in ROLES]


@pytest.fixture(scope='module')
def play(programs):
    played = Play(programs, CLOSINGS)
    with contextlib.closing(played):
        played.run()
        yield played
        played.end()


@pytest.fixture
def row(play, request):
    return play.rows[request.param]


def every_row(function):
    return pytest.mark.parametrize('row', ROWS, indirect=True, ids='-'.join)(function)


@every_row
def test_tears(play, row):
    """
    G-209..G-219, G-221, G-223..G-231, G-234, G-235, G-239, G-241, G-251..G-253, rows of §16.3: exactly what has ended
    is torn down, once, and the same again half a second later
    """
    assert all((done.code == 0) != row.closing.fails for done in row.done), row.done
    for session in {*row.forth, row.back}:
        for kind in PATH_TEAR, RESV_TEAR:
            seen = {place: play.seen[place, kind, session] for place in PLACES}
            assert not seen[FROM_FAR] and not seen[AT_NEAR], 'only one of them has ended something'
            if (kind, session) not in row.ended():
                assert not seen[FROM_NEAR] and not seen[AT_FAR], (kind, session)
                continue
            first, again = seen[FROM_NEAR]
            assert first.data == again.data
            assert 0.4 < again.time - first.time < 0.6 + 0.4 * TIME_FACTOR
            assert 1 <= len(seen[AT_FAR]) <= 2


def after(messages, when):
    return [message for message in messages if message.time > when]


@every_row
def test_what_goes_on(play, row):
    """G-212, G-213, G-223..G-226, G-241: what has not ended is refreshed at both ends, and nothing else"""
    ended, when = row.ended(), row.done[-1].ended + 0.1 * TIME_FACTOR
    for session in row.forth if row.sends else []:
        goes_on = (PATH_TEAR, session) not in ended
        assert bool(after(play.seen[FROM_NEAR, PATH, session], when)) == goes_on
        assert bool(after(play.seen[FROM_FAR, RESV, session], when)) == goes_on
    if row.receives:
        assert bool(after(play.seen[FROM_NEAR, RESV, row.back], when)) == ((RESV_TEAR, row.back) not in ended)
        assert after(play.seen[FROM_FAR, PATH, row.back], when), 'the other end goes on'


def delays(play, slot, began):
    return [event['at'] - began for event in play.far.events if event['socket'] == slot]


def test_is_told_at_once(play):
    """G-244: of all that the other end is told half comes within seconds, though all events happen at once"""
    waits = [delay for row in play.rows.values() for slot in row.slots
             for delay in delays(play, slot, row.done[0].began)]
    assert statistics.median(waits) < PATIENCE_S / 2 * TIME_FACTOR


@every_row
def test_what_is_told(play, row):
    """G-244, G-247, G-248: the other end is told at once, once; who did it is told nothing"""
    far, began = play.told[play.far], row.done[0].began
    for peer, slot in enumerate(row.slots):
        assert sorted(far[slot]) == sorted(row.told_far(peer))
        assert all(delay < PATIENCE_S * TIME_FACTOR for delay in delays(play, slot, began))
    assert play.told.get(row.agent, {}).get(row.number, []) == row.told_near()


@every_row
def test_traffic_control(play, row):
    """
    G-209, G-213, G-223, G-225, G-243, G-251: flows end with what they are for, and marks of both ends with what is
    reserved
    """
    for peer, (address, port, _) in enumerate(row.forth if row.sends else []):
        flow, data = (row.near_port, endpoint(address, port)), (row.near, row.near_port, port)
        assert flow in play.flows_before and play.marks_before[data] == {CONTROLLED_LOAD_DSCP}
        assert (flow in play.flows_after) == (not row.closing.ends_flow(peer))
        if peer in row.closing.sending or row.closing.ends_flow(peer):
            assert play.marks_after[data] <= {0}
        else:
            assert play.marks_after[data] == {CONTROLLED_LOAD_DSCP}
    # Senders of one host that share what is reserved have it all of them.
    for port in row.far_ports if row.receives else []:
        data = row.far, port, row.near_port
        assert play.marks_before[data] == {CONTROLLED_LOAD_DSCP}
        assert play.marks_after[data] <= ({0} if row.closing.receiving else {CONTROLLED_LOAD_DSCP})


def first_tears(play, row):
    """How long after the event began, and after it had ended, each of them was at the router."""
    for kind, session in row.ended():
        when = play.seen[FROM_NEAR, kind, session][0].time
        yield when - row.done[0].began, when - row.done[-1].ended


def shown(name, times):
    times = sorted(times)
    print(f'{name}: {len(times)} tears, median {times[len(times) // 2] * 1e3:.2f} ms, most {times[-1] * 1e3:.2f} ms')
    return times[-1]


def test_how_soon(play):
    """§16.7, G-235: what is torn down by a call is on its way when the call returns, and soon after a program's end"""
    calls, deaths = [], []
    for row in play.rows.values():
        (deaths if row.closing.is_death else calls).extend(first_tears(play, row))
    print()
    assert shown('after a call has begun', [after for after, _ in calls]) < 0.05 * TIME_FACTOR
    assert shown('after a call has ended', [after for _, after in calls]) < 0.05 * TIME_FACTOR
    assert shown('after a program has ended', [after for after, _ in deaths]) < TIME_FACTOR
