# SPDX-License-Identifier: MIT
"""A multicast tree of five routers, each with a daemon: what receivers in different branches reserve is merged on its
way to the sender, and who leaves prunes its own branch only.

    s -- r1 -- r2 -- a
         |     +---- r4 -- b
         +---- r3 -- r5 -- c
"""
import collections
import itertools
import re
import socket

import pytest

import rsvp
from conftest import until
from rsvp_net import MBIT, PORT, MulticastRouter, Net, made

GROUP = '239.1.2.3'
# From the sender on.
CABLES = (('s', 'r1'), ('r1', 'r2'), ('r2', 'a'), ('r2', 'r4'), ('r4', 'b'), ('r1', 'r3'), ('r3', 'r5'), ('r5', 'c'))
RECEIVERS = 'a', 'b', 'c'
ROUTERS = 'r1', 'r2', 'r3', 'r4', 'r5'
BYTES = MBIT / 8


def cable(upper, lower):
    return f'{upper}-{lower}'


def address(cable_index, end):
    return f'10.0.{cable_index + 1}.{end + 1}'


# The address of a node on the cable by which it hangs, and of the node above it there.
OWN = {lower: address(index, 1) for index, (_, lower) in enumerate(CABLES)}
ABOVE = {lower: address(index, 0) for index, (_, lower) in enumerate(CABLES)}
UPPER = {lower: upper for upper, lower in CABLES}
SENDER = ABOVE['r1']


def below(node):
    """The node, and all that hangs from it."""
    found = {node}
    for upper, lower in CABLES:
        if upper in found:
            found.add(lower)
    return found


class Tree(Net):
    def __init__(self, programs):
        super().__init__(programs)
        self.add('s', *ROUTERS, *RECEIVERS)
        for index, (upper, lower) in enumerate(CABLES):
            self.join(upper, lower, cable(upper, lower), (address(index, 0) + '/24', address(index, 1) + '/24'))
        self.multicast = {}
        self.port = PORT
        for name in ROUTERS:
            self[name].become_router()
            self._route(name)
        for name in RECEIVERS:
            self[name].host.must('ip', 'route', 'add', 'default', 'via', ABOVE[name])
        self['s'].host.must('ip', 'route', 'add', 'default', 'via', OWN['r1'])
        for upper, lower in CABLES:
            self[upper].listen(cable(upper, lower))
            self[lower].listen(cable(upper, lower))

    def _route(self, name):
        """Down to every cable below, up to all else; and the tree."""
        children = [lower for upper, lower in CABLES if upper == name]
        for child, (index, (upper, _)) in itertools.product(children, enumerate(CABLES)):
            if upper in below(child):
                self[name].host.must('ip', 'route', 'add', f'10.0.{index + 1}.0/24', 'via', OWN[child])
        if name != 'r1':
            self[name].host.must('ip', 'route', 'add', 'default', 'via', ABOVE[name])
        coming, leaving = cable(UPPER[name], name), [cable(name, child) for child in children]
        self.multicast[name] = MulticastRouter(self[name].host, [coming, *leaving])
        self.multicast[name].forward(SENDER, GROUP, coming, leaving)

    def start(self):
        for name in 's', *RECEIVERS:
            self[name].start()
        for name in ROUTERS:
            links = ''.join(f'link {cable(upper, lower)} {{ rate = 20Mbit reservable = 50% }}\n'
                            for upper, lower in CABLES if upper == name)
            self[name].start(links + 'rsvp { enabled = true settle = 200ms }')
            if not self[name].daemon.has('tc-egress'):
                pytest.skip('the kernel datapath cannot be used: ' + self[name].daemon.log())

    def sender(self, port=0, sender_port=4000, rate='8Mbit'):
        return self['s'].program('send', '--to', f'{GROUP}:{port or self.port}', '--from', f'{SENDER}:{sender_port}',
                                 '--rate', rate)

    def receiver(self, name, rate, *more, port=0):
        return self[name].program('receive', '--to', f'{GROUP}:{port or self.port}', '--rate', rate, '--confirm', *more)

    def up(self, lower, kind, match=lambda message: True):
        """What a node has said to the one above it: the last of a kind."""
        upper = UPPER[lower]
        return self[upper].listen(cable(upper, lower)).wait(kind, match=match)[-1]

    def said(self):
        """All that has arrived, wherever: (by cable and direction) the kinds of messages that are no refreshes."""
        found = collections.Counter()
        for upper, lower in CABLES:
            for end, direction in (upper, 'up'), (lower, 'down'):
                for message in self[end].listen(cable(upper, lower)).settle(0):
                    found[cable(upper, lower), direction, message.kind] += 1
        return found

    def classes(self, upper, lower):
        """What the kernel has set aside for reservations on a link: {minor: (Mbit/s, packets that have left by it)}"""
        text = self[upper].host.must('tc', '-s', 'class', 'show', 'dev', cable(upper, lower))
        found = re.findall(r'class htb 4757:([0-9a-f]{3,}) .*? rate (\d+)([KM])bit .*?Sent \d+ bytes (\d+) pkt', text,
                           re.DOTALL)
        return {minor: (int(rate) / {'K': 1000, 'M': 1}[unit], int(packets)) for minor, rate, unit, packets in found}

    def rates(self, upper, lower):
        """In Mbit/s, whole ones; a class may have a little more."""
        return sorted(int(rate) for rate, _ in self.classes(upper, lower).values())

    def everywhere(self):
        return {cable(upper, lower): self.rates(upper, lower) for upper, lower in CABLES if upper != 's'}

    def close(self):
        for router in self.multicast.values():
            router.close()
        super().close()


@pytest.fixture(scope='module')
def shared_tree(programs):
    with made(Tree(programs)) as net:
        net.start()
        yield net


@pytest.fixture
def tree(shared_tree):
    """Shared by the tests, each of which has sessions of its own, and leaves nothing of them."""
    shared_tree.clear()
    shared_tree.port += 10
    yield shared_tree
    shared_tree.end_programs()
    for node in shared_tree.nodes.values():
        # Hosts that have left the group do not hear of the sender's end; its time will be up.
        if node.name not in RECEIVERS:
            until(lambda node=node: node.rsvp()['sessions'] == [])
        assert not [session for session in node.rsvp()['sessions'] if session['reservations']]
        node.daemon.check_log()


@pytest.fixture
def branches(tree):
    """A sender, and a receiver in each branch: 1, 3 and 2 Mbit/s, each of its own sender alone (FF)."""
    sender = tree.sender()
    receivers = {name: tree.receiver(name, f'{rate}Mbit', '--from', f'{SENDER}:4000')
                 for name, rate in (('a', 1), ('b', 3), ('c', 2))}
    for name in RECEIVERS:
        tree.up(name, rsvp.RESV)
    tree.up('r1', rsvp.RESV, lambda message: message.rate == 3 * BYTES)
    return sender, receivers


def settled(tree, wanted):
    until(lambda: tree.everywhere() == wanted, 10, 0.2)


ALL = {'r1-r2': [3], 'r2-a': [1], 'r2-r4': [3], 'r4-b': [3], 'r1-r3': [2], 'r3-r5': [2], 'r5-c': [2]}


def test_branches_are_merged(tree, branches):
    """R-076, R-109, R-112..R-115: what goes up a cable is the most that is wanted below it, and no more is set aside."""
    sender, receivers = branches
    assert [tree.up(name, rsvp.RESV).rate / BYTES for name in ('r2', 'r3', 'r4', 'r5')] == [3, 2, 3, 2]
    settled(tree, ALL)
    # The Path is copied for each branch, with the address of the cable that the copy goes by.
    for index, (upper, lower) in enumerate(CABLES):
        path = tree[lower].listen(cable(upper, lower)).wait(rsvp.PATH)[-1]
        assert path.hop[0] == address(index, 0)
        assert (path.source, path.destination, path.alert) == (SENDER, GROUP, True)
    assert sender.wait('resv', match=lambda event: event['reservation']['rate_bps'] == 3 * MBIT)
    for name in RECEIVERS:
        assert receivers[name].wait('confirm')
    # Data of the sender goes by these classes, in every branch.
    before = {pair: sum(packets for _, packets in tree.classes(*pair).values()) for pair in CABLES if pair[0] != 's'}
    with tree['s'].host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 16)
        sock.bind((SENDER, 4000))
        for number in range(10):
            sock.sendto(f'data-{number}'.encode(), (GROUP, tree.port))
    for name in RECEIVERS:
        tree[name].listen(cable(UPPER[name], name)).wire.with_payload(b'data-9')
    for pair, packets in before.items():
        assert sum(count for _, count in tree.classes(*pair).values()) == packets + 10, pair
    tree.judge()


def test_who_leaves_prunes_its_branch(tree, branches):
    """R-124..R-128: a tear goes no further than to where others want as much; the rest of the tree hears nothing."""
    _, receivers = branches
    settled(tree, ALL)
    tree.clear()
    receivers['b'].end()
    settled(tree, dict(ALL, **{'r1-r2': [1], 'r2-r4': [], 'r4-b': []}))
    assert tree.up('b', rsvp.RESV_TEAR) and tree.up('r4', rsvp.RESV_TEAR)
    # Less is wanted above, not nothing; and at the top the other branch's is the most now.
    assert tree.up('r2', rsvp.RESV).rate == BYTES
    assert tree.up('r1', rsvp.RESV).rate == 2 * BYTES
    said = tree.said()
    torn = {place for place, direction, kind in said if kind == rsvp.RESV_TEAR}
    assert torn == {'r4-b', 'r2-r4'}
    for place in 'r1-r3', 'r3-r5', 'r5-c', 'r2-a':
        assert not [kind for where, _, kind in said if where == place and kind not in (rsvp.PATH, rsvp.SREFRESH)], place
    # One by one, until nothing is left but the Paths.
    receivers['a'].end()
    settled(tree, dict(ALL, **{'r1-r2': [], 'r2-a': [], 'r2-r4': [], 'r4-b': []}))
    receivers['c'].end()
    settled(tree, {place: [] for place in ALL})
    tree.up('r1', rsvp.RESV_TEAR)
    for name in ROUTERS:
        session, = tree[name].rsvp()['sessions']
        assert len(session['senders']) == 1 and session['reservations'] == []
    tree.judge()


def ports(message):
    return sorted(int.from_bytes(body[-2:], 'big') for _, body in message.objects.get(rsvp.FILTER_SPEC, []))


def test_shared_styles(tree):
    """R-106, R-116: of SE the senders of all branches and the most that one wants; of WF whoever sends."""
    for number in 4000, 4001, 4002:
        tree.sender(sender_port=number)
    for name, rate, wanted in ('a', 1, (4000,)), ('b', 3, (4001,)), ('c', 2, (4001, 4002)):
        chosen = [part for number in wanted for part in ('--from', f'{SENDER}:{number}')]
        tree.receiver(name, f'{rate}Mbit', '--style', 'se', *chosen)
    assert ports(tree.up('r4', rsvp.RESV)) == [4001]
    assert ports(tree.up('r2', rsvp.RESV, lambda message: len(ports(message)) == 2)) == [4000, 4001]
    assert ports(tree.up('r3', rsvp.RESV, lambda message: len(ports(message)) == 2)) == [4001, 4002]
    top = tree.up('r1', rsvp.RESV, lambda message: len(ports(message)) == 3 and message.rate == 3 * BYTES)
    assert ports(top) == [4000, 4001, 4002]
    assert top.one(rsvp.STYLE) == bytes((0, 0, 0, rsvp.SE))
    # One for all of its senders on each link.
    settled(tree, ALL)
    # Other styles have no place beside one that is there.
    tree.receiver('a', '1Mbit', port=tree.port + 2)
    tree.sender(port=tree.port + 2)
    first = tree.up('r1', rsvp.RESV, lambda message: message.one(rsvp.STYLE)[-1] == rsvp.WF)
    assert rsvp.FILTER_SPEC not in first.objects
    tree.clear()
    conflict = tree.receiver('b', '1Mbit', '--from', f'{SENDER}:4000', port=tree.port + 2)
    error = conflict.wait('resv-error')
    assert (error['error']['code'], error['error']['value']) == (5, rsvp.WF)
    tree.judge()


def test_too_much_for_one_branch(tree):
    """R-136, R-150, R-158: who wants too much is refused where it is; others keep theirs."""
    tree.sender(rate='30Mbit')
    small = tree.receiver('a', '1Mbit', '--from', f'{SENDER}:4000')
    small.wait('confirm')
    large = tree.receiver('b', '11Mbit', '--from', f'{SENDER}:4000')
    error = large.wait('resv-error')
    assert (error['error']['code'], error['error']['value'], error['error']['node']) == (1, 2, ABOVE['b'])
    assert tree.everywhere() == dict.fromkeys(ALL, []) | {'r1-r2': [1], 'r2-a': [1]}
