# SPDX-License-Identifier: MIT
"""QoS sockets of Winsock: programs that have them (gqos_agent.c), and what tshark reads of RSVP on the cables."""
import collections
import dataclasses
import json
import select
import signal
import subprocess
import time

from netns import PATIENCE_S, TIME_FACTOR
from packets import tshark
from rsvp import pause
from rsvp_net import LEFT, RIGHT

NOTRAFFIC, BEST_EFFORT, CONTROLLED_LOAD, GUARANTEED, EITHER, NOCHANGE = 0, 1, 2, 3, 5, 6
RECEIVERS, SENDERS, NO_SENDERS, NO_RECEIVERS, CONFIRMED, GENERIC_ERROR = 11005, 11006, 11007, 11008, 11009, 11015
NO_SIGNALLING, NO_TRAFFIC_CONTROL = 0x40000000, 0x81000000
SD_RECEIVE, SD_SEND, SD_BOTH = range(3)
JL_SENDER_ONLY, JL_RECEIVER_ONLY, JL_BOTH = 1, 2, 4
FIXED_FILTER, SHARED_EXPLICIT = 2, 3
CONTROLLED_LOAD_DSCP, GUARANTEED_DSCP = 0x18, 0x28
TCP, UDP = 6, 17
QUIET_S = 0.3  # long enough for what should not come
BATCH = 50  # lines to a program before its answers are read


@dataclasses.dataclass
class Done:
    """What came of a line: 0 or an error, and when it began and ended."""
    code: int
    began: float
    ended: float


class Agent:
    """A program that does with its QoS sockets what it is told (gqos_agent.c)."""

    def __init__(self, node, uid=0):
        self.node = node
        self.process = node.host.popen(
            [node.programs.path('gqos_agent')], uid, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=node.programs.environment(node.daemon.socket_path))
        self.rest = b''
        self.answers = collections.deque()
        self.events = []
        node.running.append(self)

    def _take(self, seconds):
        readable, _, _ = select.select([self.process.stdout], [], [], max(0, seconds))
        if not readable:
            return False
        data = self.process.stdout.read1(65536)
        assert data, 'the program has ended'
        *lines, self.rest = (self.rest + data).split(b'\n')
        for line in map(json.loads, lines):
            if 'done' in line:
                self.answers.append(Done(line['done'], line['began'], line['ended']))
            else:
                self.events.append(line)
        return True

    def _wait(self, find, timeout=PATIENCE_S):
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while not (found := find()):
            left = deadline - time.monotonic()
            if left < 0 or not self._take(left):
                return None
        return found

    # -- what it does --

    def tell(self, *words):
        """What came of it."""
        return self.tell_all([words])[0]

    def tell_all(self, lines):
        done = []
        for first in range(0, len(lines), BATCH):
            batch = lines[first:first + BATCH]
            self.process.stdin.write(''.join(' '.join(map(str, words)) + '\n' for words in batch).encode())
            self.process.stdin.flush()
            for words in batch:
                assert self._wait(lambda: self.answers, 2 * PATIENCE_S), words
                done.append(self.answers.popleft())
        return done

    def do(self, *words):
        self.do_all([words])

    def do_all(self, lines):
        for words, done in zip(lines, self.tell_all(lines)):
            assert done.code == 0, (words, done)

    # -- what it is told --

    def told(self, code, slot=0, timeout=PATIENCE_S, **more):
        """FD_QOS tells of it; each event is returned once."""
        wanted = {'qos': code, 'socket': slot, **more}.items()

        def find():
            return [event for event in self.events if wanted <= event.items()]
        found = self._wait(find, timeout)
        assert found, f'no {dict(wanted)} among {self.events}'
        self.events.remove(found[0])
        return found[0]

    def codes(self):
        """What it has been told so far: socket -> codes."""
        while self._take(0):
            pass
        found = collections.defaultdict(list)
        for event in self.events:
            found[event['socket']].append(event['qos'])
        return found

    def hears_nothing(self):
        hear_nothing(self)

    # -- its end --

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.reap()

    def leave(self):
        """It ends by itself."""
        self.process.stdin.close()
        self.reap()

    def reap(self):
        self.node.running.remove(self)
        self.process.wait(10 * TIME_FACTOR)
        self.process.stdin.close()
        self.process.stdout.close()
        self.node.host.children.remove(self.process)


def hear_nothing(*agents):
    pause(QUIET_S)
    for agent in agents:
        agent.codes()
        assert not agent.events, agent.events


# ---- what is there ----

def controlled(daemon):
    """What is sent under traffic control, as `greenwave list` shows it."""
    return [flow for flow in daemon.flows() if flow['direction'] == 'send' and flow['dscp'] is not None]


# ---- what was seen ----

PATH, RESV, PATH_TEAR, RESV_TEAR = 1, 2, 5, 6
CARRIERS = 0, 46  # of RSVP: options of IPv6, or nothing
WF, FF, SE = 0x11, 0x0a, 0x12
# Where messages arrive on a line: from the near host, passed on by the router, and the other way.
FROM_NEAR, AT_FAR, FROM_FAR, AT_NEAR = ('router', LEFT), ('far', RIGHT), ('router', RIGHT), ('near', LEFT)
PLACES = FROM_NEAR, AT_FAR, FROM_FAR, AT_NEAR
FIELDS = ('frame.number', 'rsvp.msg', 'rsvp.session.ip', 'rsvp.session.destination_address', 'rsvp.session.port',
          'rsvp.session.destination_port', 'rsvp.session.proto', 'rsvp.session.protocol', 'rsvp.sender.ip',
          'rsvp.template_filter.source_address_ipv6', 'rsvp.sender.port', 'rsvp.template_filter.source_port',
          'rsvp.style.style', '_ws.malformed')


@dataclasses.dataclass
class Seen:
    """A message about a session, as tshark reads it."""
    time: float
    kind: int
    session: tuple  # address, port, protocol
    senders: list  # (address, port), of a template or of filters
    style: int
    more: list  # the fields that were asked for besides
    data: bytes


def _listed(*texts):
    return [item for text in texts for item in text.split(',') if item]


def messages(line, places, *fields):
    """What has arrived there about sessions: (place, kind, session) -> messages."""
    arrived = [(place, packet) for place in places for packet in line[place[0]].listen(place[1]).wire.settle(0)
               if packet.protocol in CARRIERS]
    found = collections.defaultdict(list)
    for row in tshark([packet for _, packet in arrived], *FIELDS, *fields, options=['-Y', 'rsvp.session']):
        number, kind, ip4, ip6, port4, port6, proto4, proto6, from4, from6, sport4, sport6, style, *more = row
        assert not more.pop(0), row  # malformed
        place, packet = arrived[int(number) - 1]
        session = ip4 or ip6, int(port4 or port6), int(proto4 or proto6)
        senders = list(zip(_listed(from4, from6), map(int, _listed(sport4, sport6))))
        found[place, int(kind), session].append(
            Seen(packet.time, int(kind), session, senders, int(style or '0', 0), more, packet.payload))
    return found
