# SPDX-License-Identifier: MIT
"""QoS sockets of Winsock from end to end: host - router - host. A program at either end says what it sends and wants,
and each way of closing is seen on both cables, at the other end, and in traffic control (spec/gqos.md §16)."""
import json
import select
import signal
import subprocess
import time

import pytest

from conftest import until
from netns import PATIENCE_S, TIME_FACTOR
from rsvp import PATH_TEAR, RESV_TEAR, pause
from rsvp_net import FOUR, LEFT, PORT, RIGHT, SENDER_PORT, Line, made

NOTRAFFIC, BEST_EFFORT, CONTROLLED_LOAD, GUARANTEED, NOCHANGE = 0, 1, 2, 3, 6
RECEIVERS, SENDERS, NO_SENDERS, NO_RECEIVERS, CONFIRMED = 11005, 11006, 11007, 11008, 11009
NO_SIGNALLING = 0x40000000
SD_RECEIVE, SD_SEND, SD_BOTH = range(3)
RATE = 50000  # bytes a second
QUIET_S = 0.3  # long enough for what should not come


class Agent:
    """A program that does with its QoS sockets what it is told (gqos_agent.c)."""

    def __init__(self, node):
        self.node = node
        self.process = node.host.popen(
            [node.programs.path('gqos_agent')], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=node.programs.environment(node.daemon.socket_path))
        self.rest = b''
        self.lines = []
        node.running.append(self)

    def _take(self, seconds):
        readable, _, _ = select.select([self.process.stdout], [], [], max(0, seconds))
        if not readable:
            return False
        data = self.process.stdout.read1(65536)
        assert data, 'the program has ended'
        *lines, self.rest = (self.rest + data).split(b'\n')
        self.lines += [json.loads(line) for line in lines]
        return True

    def _find(self, match, timeout):
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while True:
            for found in self.lines:
                if match(found):
                    self.lines.remove(found)
                    return found
            left = deadline - time.monotonic()
            if left < 0 or not self._take(left):
                return None

    def tell(self, *words):
        """What came of it: 0 or an error."""
        self.process.stdin.write((' '.join(str(word) for word in words) + '\n').encode())
        self.process.stdin.flush()
        done = self._find(lambda line: 'done' in line, PATIENCE_S)
        assert done, words
        return done['done']

    def do(self, *words):
        assert self.tell(*words) == 0, words

    def told(self, code, slot=0):
        """FD_QOS tells of it."""
        found = self._find(lambda line: line.get('qos') == code and line['socket'] == slot, PATIENCE_S)
        assert found, f'no {code} among {self.lines}'
        return found

    def hears_nothing(self):
        while self._take(QUIET_S):
            pass
        assert not self.lines, self.lines

    def end(self, number=signal.SIGTERM):
        self.node.running.remove(self)
        self.process.send_signal(number)
        self.process.wait(10 * TIME_FACTOR)
        self.process.stdin.close()
        self.process.stdout.close()
        self.node.host.children.remove(self.process)


@pytest.fixture
def line(programs):
    with made(Line(programs)) as net:
        net.start()
        yield net


class Pair:
    """A program at either end of the line, with one socket each that knows the other."""

    count = 0

    def __init__(self, line, kind):
        self.line, self.kind = line, kind
        Pair.count += 1  # ports of connections are not free at once
        here, there = SENDER_PORT + Pair.count, PORT + Pair.count
        self.near, self.far = Agent(line['near']), Agent(line['far'])
        for agent in self.near, self.far:
            agent.do('socket', 0 if agent is self.near or kind == 'udp4' else 1, kind)
        if kind == 'udp4':
            self.near.do('bind', 0, FOUR['near'], here)
            self.far.do('bind', 0, FOUR['far'], there)
            self.near.do('connect', 0, FOUR['far'], there)
            self.far.do('connect', 0, FOUR['near'], here)
        else:
            self.far.do('bind', 1, FOUR['far'], there)
            self.far.do('listen', 1)
            self.near.do('bind', 0, FOUR['near'], here)
            self.near.do('connect', 0, FOUR['far'], there)
            self.far.do('accept', 0, 1)

    def qos(self, agent, sends, receives, *more):
        agent.do('qos', 0, CONTROLLED_LOAD if sends else NOCHANGE, RATE, CONTROLLED_LOAD if receives else NOCHANGE, 0,
                 *more)

    def end(self):
        for agent in self.near, self.far:
            if agent in agent.node.running:
                agent.end()
        until(lambda: self.line['router'].rsvp()['sessions'] == [])

    def begin(self, both):
        """Data goes from near to far; with `both` also back. Returns when all of it is reserved."""
        self.qos(self.near, True, both)
        self.qos(self.far, both, True)
        self.near.told(RECEIVERS)
        self.far.told(SENDERS)
        if both:
            self.far.told(RECEIVERS)
            self.near.told(SENDERS)
        for agent in self.near, self.far:
            agent.hears_nothing()
        self.line.clear()

    def tears(self):
        """Which messages have ended something, each of them seen on both cables and not more than twice."""
        pause(QUIET_S)
        places = [('near', LEFT), ('router', LEFT), ('router', RIGHT), ('far', RIGHT)]
        seen = {place: [message.kind for message in self.line[place[0]].listen(place[1]).settle(0)
                        if message.kind in (PATH_TEAR, RESV_TEAR)] for place in places}
        assert not seen['near', LEFT] and not seen['router', RIGHT], 'only one of them has ended something'
        assert set(seen['router', LEFT]) == set(seen['far', RIGHT]), seen
        for kinds in seen.values():
            assert all(kinds.count(kind) <= 2 for kind in kinds), seen
        return set(seen['far', RIGHT])

    def stands(self):
        """What the router knows: PATH_TEAR if there is something to tear in what near sends, RESV_TEAR if in what it wants."""
        known = self.line['router'].rsvp()
        found = set()
        for session in known['sessions']:
            forth = session['destination'].startswith(FOUR['far'])
            if forth and session['senders']:
                found.add(PATH_TEAR)
            if not forth and session['reservations']:
                found.add(RESV_TEAR)
        return found


CLOSINGS = {
    'E1 closesocket': (('close', 0), {PATH_TEAR, RESV_TEAR}),
    'E1 close': (('plainclose', 0), {PATH_TEAR, RESV_TEAR}),
    'E2 shutdown of sending': (('shutdown', 0, SD_SEND), {PATH_TEAR}),
    'E3 shutdown of receiving': (('shutdown', 0, SD_RECEIVE), {RESV_TEAR}),
    'E4 shutdown of both': (('shutdown', 0, SD_BOTH), {PATH_TEAR, RESV_TEAR}),
    'E6 WSAConnect to nowhere': (('disconnect', 0), {PATH_TEAR, RESV_TEAR}),
    'E8 sends no traffic': (('qos', 0, NOTRAFFIC, 0, NOCHANGE, 0), {PATH_TEAR}),
    'E9 sends best effort': (('qos', 0, BEST_EFFORT, 0, NOCHANGE, 0), {PATH_TEAR}),
    'E10 receives no traffic': (('qos', 0, NOCHANGE, 0, NOTRAFFIC, 0), {RESV_TEAR}),
    'E11 receives best effort': (('qos', 0, NOCHANGE, 0, BEST_EFFORT, 0), {RESV_TEAR}),
    'E12 neither': (('qos', 0, NOTRAFFIC, 0, BEST_EFFORT, 0), {PATH_TEAR, RESV_TEAR}),
    'E14 killed': (None, {PATH_TEAR, RESV_TEAR}),
    'E21 signals no more': (('qos', 0, CONTROLLED_LOAD | NO_SIGNALLING, RATE, NOCHANGE, 0), {PATH_TEAR}),
    'E23 fails': (('qos', 0, 7, 0, NOCHANGE, 0), set()),
    'E24 changes nothing': (('qos', 0, NOCHANGE, 0, NOCHANGE, 0), set()),
}


@pytest.mark.parametrize('kind', ['tcp4', 'udp4'])
def test_closing(line, kind):
    """
    G-209..G-219, G-223..G-227, G-231, G-235, G-243, G-244, G-251..G-253, rows of §16.3: from a socket that sends and
    receives, with everything reserved in both directions
    """
    wrong = {}
    for name, (words, ended) in CLOSINGS.items():
        pair = Pair(line, kind)
        pair.begin(True)
        if words:
            error = pair.near.tell(*words)
            assert (error == 0) == ('E23' not in name), (name, error)
        else:
            pair.near.end(signal.SIGKILL)
        found = pair.tears(), pair.stands()
        if found != (ended, {PATH_TEAR, RESV_TEAR} - ended):
            wrong[name] = found
        if PATH_TEAR in ended:
            pair.far.told(NO_SENDERS)
        if RESV_TEAR in ended:
            pair.far.told(NO_RECEIVERS)
        pair.far.hears_nothing()
        if words:
            pair.near.hears_nothing()
        pair.end()
        line.clear()
    assert not wrong
