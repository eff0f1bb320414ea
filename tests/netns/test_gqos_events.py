# SPDX-License-Identifier: MIT
"""QoS sockets and what happens around them: another peer, connections that break, addresses and interfaces that go, a
daemon that stops, sockets that others hold, groups with several members, tears that are lost (spec/gqos.md §16)."""
import contextlib
import functools
import itertools
import pathlib
import re
import shutil
import signal

import pytest

from conftest import NOBODY, until
from gqos import (AT_FAR, CONTROLLED_LOAD, CONTROLLED_LOAD_DSCP, FF, FROM_FAR, FROM_NEAR, GENERIC_ERROR,
                  JL_RECEIVER_ONLY, JL_SENDER_ONLY, NO_RECEIVERS, NO_SENDERS, NOCHANGE, NOTRAFFIC, PATH, PATH_TEAR,
                  PLACES, RECEIVERS, RESV, RESV_TEAR, SD_SEND, SENDERS, TCP, UDP, WF, Agent, controlled, hear_nothing,
                  messages)
from netns import TIME_FACTOR
from rsvp import pause
from rsvp_net import FOUR, LEFT, RIGHT, Line, MulticastRouter, made

RATE = 2000
REFRESH_S, LIFETIME_S = 1, 5.25  # R, and (K + 0.5) 1.5 R
RSVP = f'rsvp {{ enabled = true refresh = {REFRESH_S}s refresh-reduction = false settle = 200ms }}'
NEAR, FAR = FOUR['near'], FOUR['far']
SPARE, NEAR_SPARE, IN_SPARE, FAR_SPARE = 'spare', '203.0.113.1', '203.0.113.2', '192.0.2.3'
AGAIN_S = 0.6  # when a tear has gone out once more
ports = itertools.count(10000)


@pytest.fixture(scope='module')
def shared_line(programs):
    """With a second way for one of the far host's addresses, which only this one takes."""
    with made(Line(programs)) as net:
        net.join('near', 'router', SPARE, (NEAR_SPARE + '/24', IN_SPARE + '/24'))
        net['far'].host.must('ip', 'address', 'add', FAR_SPARE + '/24', 'dev', RIGHT)
        net['near'].host.must('ip', 'route', 'add', FAR_SPARE + '/32', 'via', IN_SPARE)
        net['router'].become_router()
        net['router'].host.must('ip', 'route', 'add', '239.0.0.0/8', 'dev', LEFT)
        net.multicast = MulticastRouter(net['router'].host, [LEFT, RIGHT])
        with contextlib.closing(net.multicast):
            net.start(f'link {RIGHT} {{ rate = 10Mbit reservable = 50% }} {RSVP}', RSVP)
            yield net


class Pair:
    """A socket at either host that knows the other; both send and receive, and all of that is reserved."""

    def __init__(self, line, kind='udp4', slot=0, near=None, far=None, addresses=(NEAR, FAR)):
        self.line, self.slot = line, slot
        self.near, self.far = near or Agent(line['near']), far or Agent(line['far'])
        self.here, self.there = next(ports), next(ports)
        self._open(kind, *addresses)
        protocol = TCP if kind.startswith('tcp') else UDP
        self.forth, self.back = (addresses[1], self.there, protocol), (addresses[0], self.here, protocol)
        for agent in self.near, self.far:
            agent.do('qos', slot, CONTROLLED_LOAD, RATE, CONTROLLED_LOAD, 0)
        for agent, code in itertools.product((self.near, self.far), (SENDERS, RECEIVERS)):
            agent.told(code, slot)
        hear_nothing(self.near, self.far)
        line.clear()

    def _open(self, kind, near, far):
        here, there, slot = self.here, self.there, self.slot
        tcp = kind.startswith('tcp')
        first = slot + 500 if tcp else slot
        self.far.do_all([('socket', first, kind), ('bind', first, far, there),
                         ('listen', first) if tcp else ('connect', first, near, here)])
        self.near.do_all([('socket', slot, kind), ('bind', slot, near, here), ('connect', slot, far, there)])
        if tcp:
            self.far.do_all([('accept', slot, first), ('close', first)])

    def hear(self, agent, *codes):
        """That, and nothing else."""
        for code in codes:
            agent.told(code, self.slot)
        agent.hears_nothing()

    def flow(self):
        """Whether what near sends is under traffic control."""
        return any(flow['local'].endswith(f':{self.here}') for flow in controlled(self.line['near'].daemon))


ALL, NONE = {PATH_TEAR, RESV_TEAR}, set()


def torn(line, *pairs):
    """What near has torn down of each, once and the same again."""
    pause(AGAIN_S)
    seen, found = messages(line, PLACES), []
    for pair in pairs:
        found.append(set())
        for kind, session in (PATH_TEAR, pair.forth), (RESV_TEAR, pair.back):
            tears = seen[FROM_NEAR, kind, session]
            assert len(tears) in (0, 2) and len({tear.data for tear in tears}) <= 1
            assert bool(tears) == bool(seen[AT_FAR, kind, session])
            found[-1] |= {kind} if tears else set()
    return found if len(pairs) > 1 else found[0]


def goes_on(line, *pairs):
    """What near sends and reserves now of each."""
    line.clear()
    pause(1.5 * REFRESH_S + 0.1)
    seen = messages(line, PLACES)
    found = [{kind for kind, session in ((PATH, pair.forth), (RESV, pair.back)) if seen[FROM_NEAR, kind, session]}
             for pair in pairs]
    return found if len(pairs) > 1 else found[0]


# ---- who holds it ----

def test_holders(line):
    """G-254, E14: a socket that has been dup'ed or inherited is served until its last holder has closed it"""
    near, far = Agent(line['near']), Agent(line['far'])
    dupped, inherited = Pair(line, 'udp4', 0, near, far), Pair(line, 'tcp4', 1, near, far)
    near.do('dup', 2, 0)
    near.do('close', 0)
    near.do('bequeath', 1)
    near.do('close', 1)
    assert goes_on(line, dupped, inherited) == [{PATH, RESV}, {PATH, RESV}]
    far.hears_nothing()
    near.do('disinherit', 1)
    inherited.hear(far, NO_SENDERS, NO_RECEIVERS)
    assert torn(line, inherited, dupped) == [ALL, NONE] and dupped.flow() and not inherited.flow()
    line.clear()
    near.do('plainclose', 2)
    dupped.hear(far, NO_SENDERS, NO_RECEIVERS)
    assert torn(line, inherited, dupped) == [NONE, ALL] and not dupped.flow()


def test_ordinary_user(line):
    """G-260, G-235: the service does what needs privileges, also in the end"""
    pair = Pair(line, 'tcp4', near=Agent(line['near'], NOBODY), far=Agent(line['far'], NOBODY))
    for agent in pair.near, pair.far:
        status = pathlib.Path(f'/proc/{agent.process.pid}/status').read_text(encoding='ascii')
        assert re.search(r'^CapEff:\t0+$', status, re.MULTILINE)
    assert pair.flow()
    pair.near.end(signal.SIGKILL)
    pair.hear(pair.far, NO_SENDERS, NO_RECEIVERS)
    assert torn(line, pair) == ALL and not pair.flow()


# ---- what others see ----

def listed(node):
    """(direction, local, destination, state, mark) of what its programs have asked for."""
    return {(flow['direction'], flow['local'], flow['destination'], flow['state'], flow['dscp'])
            for flow in node.daemon.flows() if flow['api'] == 'gqos'}


def test_list(line):
    """`greenwave list` shows each session, in which direction it is, and how far it has come"""
    near, far = Agent(line['near']), Agent(line['far'])
    here, there = next(ports), next(ports)
    source, sink = f'{NEAR}:{here}', f'{FAR}:{there}'
    near.do_all([('socket', 0, 'udp4'), ('bind', 0, NEAR, here)])
    far.do_all([('socket', 0, 'udp4'), ('bind', 0, FAR, there), ('qos', 0, NOCHANGE, 0, CONTROLLED_LOAD, 0)])
    near.do('qos', 0, CONTROLLED_LOAD, RATE, NOCHANGE, 0)
    assert listed(line['near']) == {('send', source, None, 'waiting', None)}
    assert listed(line['far']) == {('receive', sink, None, 'waiting', None)}
    near.do('connect', 0, FAR, there)
    near.told(RECEIVERS)
    assert listed(line['near']) == {('send', source, sink, 'reserved', CONTROLLED_LOAD_DSCP)}
    assert listed(line['far']) == {('receive', sink, None, 'reserved', None)}
    assert [flow['rate_bps'] for node in ('near', 'far') for flow in line[node].daemon.flows()] == [8 * RATE] * 2
    far.do('qos', 0, NOCHANGE, 0, NOTRAFFIC, 0)
    near.told(NO_RECEIVERS)
    assert listed(line['near']) == {('send', source, sink, 'transitional', 0)}
    assert listed(line['far']) == set()


# ---- peers ----

def test_another_peer(line):
    """E16, G-236: what was for the old peer ends, the rest of it goes on with the new one"""
    pair = Pair(line)
    near, far, other = pair.near, pair.far, Agent(line['far'])
    there = next(ports)
    other.do_all([('socket', 0, 'udp4'), ('bind', 0, FAR, there), ('connect', 0, NEAR, pair.here),
                  ('qos', 0, CONTROLLED_LOAD, RATE, CONTROLLED_LOAD, 0)])
    until(lambda: len(line['router'].rsvp()['sessions'][1]['senders']) == 2)
    near.hears_nothing()  # it is not its peer
    line.clear()
    near.do('connect', 0, FAR, there)
    pair.hear(far, NO_SENDERS, NO_RECEIVERS)
    pair.hear(other, SENDERS, RECEIVERS)
    pair.hear(near, SENDERS, RECEIVERS)
    pause(AGAIN_S)
    seen = messages(line, PLACES)
    forth = FAR, there, UDP
    assert len(seen[FROM_NEAR, PATH_TEAR, pair.forth]) == 2 and not seen[FROM_NEAR, PATH_TEAR, forth]
    assert seen[FROM_NEAR, PATH, forth]
    for tear in seen[FROM_NEAR, RESV_TEAR, pair.back]:
        assert (tear.style, tear.senders) == (FF, [(FAR, pair.there)])
    last = seen[FROM_NEAR, RESV, pair.back][-1]
    assert (last.style, last.senders) == (FF, [(FAR, there)])
    assert [flow['destination'] for flow in controlled(line['near'].daemon)] == [f'{FAR}:{there}']


def test_a_peer_at_last(line):
    """E16, G-142, G-220: who connects to one of those that it sends to goes on with that one alone, both ways"""
    near, far = Agent(line['near']), Agent(line['far'])
    here, one, other = (next(ports) for _ in range(3))
    near.do_all([('socket', 0, 'udp4'), ('bind', 0, NEAR, here), ('qos', 0, NOCHANGE, 0, CONTROLLED_LOAD, 0)])
    for slot, port in (0, one), (1, other):
        near.do('qos', 0, CONTROLLED_LOAD, RATE, NOCHANGE, 0, 'to', FAR, port)
        far.do_all([('socket', slot, 'udp4'), ('bind', slot, FAR, port),
                    ('qos', slot, CONTROLLED_LOAD, RATE, CONTROLLED_LOAD, 0, 'to', NEAR, here)])
        far.told(SENDERS, slot)
        far.told(RECEIVERS, slot)
    far.hears_nothing()
    line.clear()
    near.do('connect', 0, FAR, one)
    far.told(NO_SENDERS, 1)
    far.told(NO_RECEIVERS, 1)
    pause(AGAIN_S)
    seen, back = messages(line, PLACES), (NEAR, here, UDP)
    assert len(seen[FROM_NEAR, PATH_TEAR, (FAR, other, UDP)]) == 2
    assert not seen[FROM_NEAR, PATH_TEAR, (FAR, one, UDP)]
    assert seen[FROM_NEAR, RESV_TEAR, back][0].style == WF
    first = seen[FROM_NEAR, RESV, back][0]
    assert first.time > seen[FROM_NEAR, RESV_TEAR, back][0].time
    assert (first.style, first.senders) == (FF, [(FAR, one)])


# ---- connections ----

def test_peer_stops_sending(line):
    """E17, G-237: an end of file ends nothing here; what it ends for the peer is the peer's"""
    pair = Pair(line, 'tcp4')
    pair.far.do('shutdown', 0, SD_SEND)
    pair.hear(pair.near, NO_SENDERS)
    assert torn(line, pair) == NONE and goes_on(line, pair) == {PATH} and pair.flow()
    pair.hear(pair.far)


@contextlib.contextmanager
def filtered(line, hook, *rules):
    """Meanwhile the router's kernel does this with packets."""
    if not shutil.which('nft'):
        pytest.skip('needs nft (nftables)')
    nft = functools.partial(line['router'].host.must, 'nft')
    nft(f'add table inet test; add chain inet test held {{ type filter hook {hook} priority -300; }}')
    for rule in rules:
        nft(f'add rule inet test held {rule}')
    yield
    nft('delete table inet test')


def test_broken_connections(line):
    """E18, G-238: with a connection that is reset, or that nobody answers, all ends"""
    near, far = Agent(line['near']), Agent(line['far'])
    reset, silent = Pair(line, 'tcp4', 0, near, far), Pair(line, 'tcp4', 1, near, far)
    near.do('patience', 1, 500)
    with filtered(line, 'forward', f'tcp sport {reset.here} reject with tcp reset', f'tcp sport {silent.here} drop'):
        for pair in reset, silent:
            near.do('send', pair.slot, 100)
        for pair in reset, silent:
            for code in NO_SENDERS, NO_RECEIVERS:
                far.told(code, pair.slot)
    assert torn(line, reset, silent) == [ALL, ALL] and not reset.flow() and not silent.flow()
    near.hears_nothing()


# ---- groups ----

class Group:
    """A group whose data goes from near to far."""

    numbers = itertools.count(1)

    def __init__(self, line):
        self.address, self.port = f'239.2.0.{next(Group.numbers)}', next(ports)
        self.session = self.address, self.port, UDP
        line.multicast.forward(NEAR, self.address, LEFT, [RIGHT])

    def join(self, agent, slot, roles, port=None, rate=RATE, is_open=False):
        """With a socket of its own, unless it is open; from that port if it only sends."""
        asked = CONTROLLED_LOAD, rate, NOCHANGE, 0
        if roles == JL_RECEIVER_ONLY:
            asked = asked[2:] + asked[:2]
        if not is_open:
            agent.do_all([('socket', slot, 'udp4'), ('bind', slot, '0.0.0.0', port or self.port)])
        agent.do('join', slot, self.address, self.port, roles, *asked)


def test_members(line):
    """
    G-133, G-240, G-247, G-248: of several members, on one host and on others, only the last that goes is missed; what
    they reserve shrinks with those that go before
    """
    near, far, router = Agent(line['near']), Agent(line['far']), Agent(line['router'])
    group = Group(line)
    for slot, port in (0, 4001), (1, 4002):
        group.join(near, slot, JL_SENDER_ONLY, port, 3 * RATE)
    group.join(router, 0, JL_RECEIVER_ONLY)
    group.join(far, 0, JL_RECEIVER_ONLY)
    group.join(far, 1, JL_RECEIVER_ONLY, rate=2 * RATE)
    for slot in 0, 1:
        far.told(SENDERS, slot)
        near.told(RECEIVERS, slot, sending=2 * RATE)
    pause(0.2)
    for agent in near, far, router:
        agent.codes()
        agent.events.clear()
    line.clear()
    far.do('close', 0)  # the other one reserves more
    near.hears_nothing()
    far.do('close', 1)
    for slot in 0, 1:
        near.told(RECEIVERS, slot, sending=RATE)  # the router's own
    near.hears_nothing()
    seen = messages(line, PLACES)
    first, last = seen[FROM_FAR, RESV_TEAR, group.session][0], seen[FROM_FAR, RESV, group.session]
    assert first.style == WF and all(message.time < first.time for message in last)
    router.do('close', 0)
    for slot in 0, 1:
        near.told(NO_RECEIVERS, slot)


def test_senders_of_a_group(line):
    """G-239, G-247: who leaves one of two groups stays in the other; of two senders only the last is missed"""
    near, far = Agent(line['near']), Agent(line['far'])
    left, kept = Group(line), Group(line)
    for slot, port in (0, 4003), (1, 4004):
        left.join(near, slot, JL_SENDER_ONLY, port)
    kept.join(near, 0, JL_SENDER_ONLY, is_open=True)
    for slot, group in (0, left), (1, kept):
        group.join(far, slot, JL_RECEIVER_ONLY)
        far.told(SENDERS, slot)
    pause(0.5)
    far.codes()
    far.events.clear()
    line.clear()
    near.do('leave', 0, left.address)
    far.hears_nothing()
    near.do('close', 1)
    far.told(NO_SENDERS, 0)
    far.hears_nothing()
    pause(1.5 * REFRESH_S)
    seen = messages(line, PLACES)
    assert sorted(tear.senders for tear in seen[FROM_NEAR, PATH_TEAR, left.session]) == 2 * [[(NEAR, 4003)]] + 2 * [
        [(NEAR, 4004)]]
    assert not seen[FROM_NEAR, PATH_TEAR, kept.session] and seen[FROM_NEAR, PATH, kept.session]


# ---- what is lost ----

def test_lost_tears(line):
    """G-249: where tears are lost, what they would have ended ends with its lifetime, (K + 0.5) 1.5 R"""
    pair = Pair(line)
    pause(1.5 * REFRESH_S + 0.1)
    with filtered(line, 'prerouting', f'iifname {LEFT} meta l4proto 46 @th,8,8 {{ {PATH_TEAR}, {RESV_TEAR} }} drop'):
        pair.near.do('close', 0)
        told = [pair.far.told(code, timeout=2 * LIFETIME_S)['at'] for code in (NO_SENDERS, NO_RECEIVERS)]
    seen = messages(line, PLACES)
    for kind, tear, session, at in (PATH, PATH_TEAR, pair.forth, told[0]), (RESV, RESV_TEAR, pair.back, told[1]):
        assert len(seen[FROM_NEAR, tear, session]) == 2, 'they came as far as the router'
        took = at - seen[FROM_NEAR, kind, session][-1].time
        print(f'ended {took:.2f} s after the last refresh')
        assert LIFETIME_S - 0.1 < took < LIFETIME_S + 1.5 * TIME_FACTOR


# ---- what goes away; the last two spoil the line for others ----

def test_address_goes(line):
    """E20: with an address ends what is bound to it, and its program is told"""
    line['near'].host.must('ip', 'address', 'add', '198.51.100.9/24', 'dev', LEFT)
    near, far = Agent(line['near']), Agent(line['far'])
    bound, other = Pair(line, 'udp4', 0, near, far, ('198.51.100.9', FAR)), Pair(line, 'udp4', 1, near, far)
    line['near'].host.must('ip', 'address', 'del', '198.51.100.9/24', 'dev', LEFT)
    bound.hear(near, GENERIC_ERROR, GENERIC_ERROR)
    assert torn(line, bound, other) == [ALL, NONE] and not bound.flow() and other.flow()
    bound.hear(far, NO_SENDERS, NO_RECEIVERS)


def test_interface_goes(line):
    """E20: with an interface end its addresses; the other end hears no more of it"""
    near, far = Agent(line['near']), Agent(line['far'])
    on_it = Pair(line, 'udp4', 0, near, far, (NEAR_SPARE, FAR_SPARE))
    other = Pair(line, 'udp4', 1, near, far)
    line['near'].host.must('ip', 'link', 'del', SPARE)
    on_it.hear(near, GENERIC_ERROR, GENERIC_ERROR, NO_SENDERS, NO_RECEIVERS)
    assert not on_it.flow() and other.flow()
    for code in NO_SENDERS, NO_RECEIVERS:
        far.told(code, timeout=2 * LIFETIME_S)
    assert goes_on(line, other) == {PATH, RESV}


def test_service_stops(line):
    """E26: with the service end all sessions, by tears, and the programs are told"""
    near, far = Agent(line['near']), Agent(line['far'])
    pairs = [Pair(line, kind, slot, near, far) for slot, kind in enumerate(('udp4', 'tcp4'))]
    line['near'].daemon.stop()
    for pair in pairs:
        for code in GENERIC_ERROR, GENERIC_ERROR:
            near.told(code, pair.slot)
        for code in NO_SENDERS, NO_RECEIVERS:
            far.told(code, pair.slot)
        near.do('send', pair.slot, 100)  # best effort
    hear_nothing(near, far)
