# SPDX-License-Identifier: MIT
"""The closing matrix of QoS sockets (spec/gqos.md §16.3), played once: host - router - host. Every row has a socket at
the near host and its peers at the far one. All of them are reserved first, then each row has its event, and in the end
tshark is asked what went over both cables."""
import collections
import dataclasses
import signal
import time

from gqos import (CONTROLLED_LOAD, FROM_FAR, FROM_NEAR, JL_BOTH, JL_RECEIVER_ONLY, JL_SENDER_ONLY, NO_RECEIVERS,
                  NO_SENDERS, NOCHANGE, PATH_TEAR, PLACES, QUIET_S, RECEIVERS, RESV_TEAR, SENDERS, TCP, UDP, Agent, Done,
                  controlled, messages)
from netns import PATIENCE_S, TIME_FACTOR
from rsvp import pause
from rsvp_net import FOUR, LEFT, RIGHT, SIX, Line, MulticastRouter

RATE = 1000  # bytes a second: all of them together find room
BYTES = 100  # of data at a time
REFRESH_S = 1
# Nothing ends by time.
RSVP = f'rsvp {{ enabled = true refresh = {REFRESH_S}s refresh-reduction = false lifetime-factor = 20 settle = 200ms }}'
ROUTER = f'link {RIGHT} {{ rate = 100Mbit reservable = 50% }} {RSVP}'
ROLES = {'S': (True, False), 'R': (False, True), 'B': (True, True)}
SECOND, LISTENERS = 400, 700  # sockets at the far host


@dataclasses.dataclass(frozen=True)
class Kind:
    name: str
    socket: str
    addresses: dict
    peers: int = 1
    connected: bool = True
    group: bool = False

    @property
    def protocol(self):
        return TCP if self.socket.startswith('tcp') else UDP


KINDS = {kind.name: kind for kind in (
    Kind('tcp4', 'tcp4', FOUR), Kind('udp4', 'udp4', FOUR), Kind('tcp6', 'tcp6', SIX), Kind('udp6', 'udp6', SIX),
    Kind('unconnected', 'udp4', FOUR, peers=2, connected=False),
    Kind('group', 'udp4', FOUR, connected=False, group=True))}


@dataclasses.dataclass(frozen=True)
class Closing:
    """An event: lines to the program, or the end of it, and what that ends: for which of its peers it sends no more."""
    name: str
    event: tuple  # lines; or one word: how the program ends
    sending: tuple = ()
    receiving: bool = False
    flow: bool = None  # whether traffic control ends for what is sent; None: as `sending`
    fails: bool = False
    # What is told besides: the peer, and the one who did it.
    far_told: dict = dataclasses.field(default_factory=dict)
    near_told: dict = dataclasses.field(default_factory=dict)

    @property
    def is_death(self):
        return isinstance(self.event, str)

    def ends_flow(self, peer):
        return peer in self.sending if self.flow is None else self.flow


class Row:
    """A socket at the near host, its peers, and what happens to it."""

    def __init__(self, number, kind, role, closing):
        self.number, self.kind, self.role, self.closing = number, kind, role, closing
        self.sends, self.receives = ROLES[role]
        self.near, self.far = kind.addresses['near'], kind.addresses['far']
        self.group = f'239.1.{number >> 8}.{number & 255}' if kind.group else None
        self.near_port = 10000 + number
        self.slots = [number, SECOND + number][:kind.peers]  # at the far host
        self.far_ports = [20000 + slot for slot in self.slots]
        if kind.group:
            self.near_port = self.far_ports[0]
        self.agent = self.done = None

    def __repr__(self):
        return f'{self.kind.name}-{self.role}-{self.closing.name}'

    @property
    def forth(self):
        """The sessions of what is sent."""
        return [(self.group or self.far, port, self.kind.protocol) for port in self.far_ports]

    @property
    def back(self):
        return self.group or self.near, self.near_port, self.kind.protocol

    def ended(self):
        """The messages that it should cause: (kind, session)."""
        found = {(PATH_TEAR, session) for peer, session in enumerate(self.forth)
                 if self.sends and peer in self.closing.sending}
        if self.closing.receiving and self.receives:
            found.add((RESV_TEAR, self.back))
        return found

    def told_far(self, peer):
        """What that peer should be told."""
        codes = [code for roles, code in self.closing.far_told.items() if self.role in roles]
        if self.sends and peer in self.closing.sending:
            codes.append(NO_SENDERS)
        if self.receives and self.closing.receiving:
            codes.append(NO_RECEIVERS)
        return codes

    def told_near(self):
        """What the one who did it should be told."""
        return [code for roles, code in self.closing.near_told.items() if self.role in roles]

    def lines(self):
        """What the program is told to do."""
        return [line.format(n=self.number, far=self.far, port=self.far_ports[0], group=self.group).split()
                for line in self.closing.event]

    # -- how it begins: lines to the far program, the near one, and the far one again --

    def open_far(self):
        kind = self.kind
        first = LISTENERS + self.number if kind.protocol == TCP else self.slots[0]
        for slot, port in zip([first, *self.slots[1:]], self.far_ports):
            yield 'socket', slot, kind.socket
            yield 'bind', slot, '0.0.0.0' if kind.group else self.far, port
            if kind.protocol == TCP:
                yield 'listen', slot
            elif kind.connected:
                yield 'connect', slot, self.near, self.near_port

    def open_near(self):
        yield 'socket', self.number, self.kind.socket
        yield 'bind', self.number, '0.0.0.0' if self.kind.group else self.near, self.near_port
        if self.kind.connected:
            yield 'connect', self.number, self.far, self.far_ports[0]

    def accept(self):
        if self.kind.protocol == TCP:
            yield 'accept', self.slots[0], LISTENERS + self.number
            yield 'close', LISTENERS + self.number  # E25: what has been accepted does not care

    def _ask(self, slot, sends, receives, to=()):
        asked = (CONTROLLED_LOAD if sends else NOCHANGE, RATE, CONTROLLED_LOAD if receives else NOCHANGE, 0)
        if self.kind.group:
            roles = JL_BOTH if sends and receives else JL_SENDER_ONLY if sends else JL_RECEIVER_ONLY
            return ('join', slot, self.group, self.near_port, roles, *asked)
        return ('qos', slot, *asked, *(('to', *to) if to and sends and not self.kind.connected else ()))

    def ask_near(self):
        for port in self.far_ports if self.sends else [0]:
            yield self._ask(self.number, self.sends, self.receives, (self.far, port))

    def ask_far(self):
        for slot in self.slots:
            yield self._ask(slot, self.receives, self.sends, (self.near, self.near_port))

    # -- data --

    def _to(self, slot, address, port):
        return ('send', slot, BYTES, *(() if self.kind.protocol == TCP else (self.group or address, port)))

    def send_near(self):
        return [self._to(self.number, self.far, port) for port in self.far_ports]

    def send_far(self):
        return [self._to(slot, self.near, self.near_port) for slot in self.slots]


class Play:
    """All rows. `closings`: for each kind of socket, the events."""

    def __init__(self, programs, closings):
        self.line = Line(programs)
        self.multicast = MulticastRouter(self.line['router'].host, [LEFT, RIGHT])
        self.rows = {}
        for kind, events in closings.items():
            for closing in events:
                for role in ROLES:
                    row = Row(len(self.rows), KINDS[kind], role, closing)
                    self.rows[kind, role, closing.name] = row
        self.agents = {}  # at the near host: those that end, by the way that they do, and one that does not

    # -- the beginning --

    def start(self):
        self._route_groups()
        self.line.start(ROUTER, RSVP)
        self.far = Agent(self.line['far'])
        for row in self.rows.values():
            name = row.closing.event if row.closing.is_death else ''
            if name not in self.agents:
                self.agents[name] = Agent(self.line['near'])
            row.agent = self.agents[name]

    def _route_groups(self):
        for row in self.rows.values():
            if row.group:
                self.multicast.forward(FOUR['near'], row.group, LEFT, [RIGHT])
                self.multicast.forward(FOUR['far'], row.group, RIGHT, [LEFT])

    def _lines(self, lines_of, agent=None):
        return [line for row in self.rows.values() if agent in (None, row.agent) for line in lines_of(row)]

    def _near(self, lines_of):
        for agent in self.agents.values():
            agent.do_all(self._lines(lines_of, agent))

    def open(self):
        """Returns when everything is reserved and nobody has anything to say any more."""
        self.far.do_all(self._lines(Row.open_far))
        self._near(Row.open_near)
        self.far.do_all(self._lines(Row.accept))
        self._near(Row.ask_near)
        self.far.do_all(self._lines(Row.ask_far))
        awaited = self._wait(self._awaited)
        assert not awaited, awaited
        pause(2 * QUIET_S)
        for agent in self.far, *self.agents.values():
            agent.codes()
            agent.events.clear()

    @staticmethod
    def _wait(missing):
        """Until nothing is missing any more; what still is."""
        deadline = time.monotonic() + PATIENCE_S * TIME_FACTOR
        while (left := list(missing())) and time.monotonic() < deadline:
            pause(0.1)
        return left

    def _awaited(self):
        """What has not been told yet: (row, socket, code)."""
        far, near_of = self.far.codes(), {agent: agent.codes() for agent in self.agents.values()}
        for row in self.rows.values():
            near = near_of[row.agent][row.number]
            if row.sends and near.count(RECEIVERS) < row.kind.peers:
                yield row, row.number, RECEIVERS
            if row.receives and SENDERS not in near:
                yield row, row.number, SENDERS
            for slot in row.slots:
                if row.sends and SENDERS not in far[slot]:
                    yield row, slot, SENDERS
                if row.receives and RECEIVERS not in far[slot]:
                    yield row, slot, RECEIVERS

    # -- the events --

    def close_rows(self):
        for row in self.rows.values():
            if not row.closing.is_death:
                row.done = row.agent.tell_all(row.lines())
        for how, agent in self.agents.items():
            if how:
                done = self._end(agent, how)
                for row in self.rows.values():
                    if row.agent is agent:
                        row.done = [done]

    @staticmethod
    def _end(agent, how):
        began = time.time()
        if how == 'kill':
            agent.end(signal.SIGKILL)
        elif how == 'leave':
            agent.leave()
        else:
            agent.do(how, 0)
        return Done(0, began, time.time())

    # -- what came of them --

    def flows(self):
        """What is under traffic control at the near host: (port, destination)."""
        return {(int(flow['local'].rpartition(':')[2]), flow['destination'])
                for flow in controlled(self.line['near'].daemon)}

    def marks(self):
        """Code points of data that is sent now, from either host: by (source, its port, destination port)."""
        self.line.clear()
        for agent in self.agents.values():
            if agent in agent.node.running:
                agent.tell_all(self._lines(Row.send_near, agent))
        self.far.tell_all(self._lines(Row.send_far))
        pause(QUIET_S)
        self._read()
        found = collections.defaultdict(set)
        for name, cable in FROM_NEAR, FROM_FAR:
            for packet in self.line[name].listen(cable).wire.settle(0):
                if packet.payload == bytes(BYTES):
                    found[packet.source, packet.sport, packet.dport].add(packet.dscp)
        return found

    def _read(self):
        """Who closes a connection with data that nobody has read resets it."""
        for agent in self.agents.values():
            if agent in agent.node.running:
                agent.tell_all(self._lines(lambda row: [('receive', row.number)], agent))
        self.far.tell_all(self._lines(lambda row: [('receive', slot) for slot in row.slots]))

    def _told(self):
        return {agent: agent.codes() for agent in [self.far, *self.agents.values()] if agent in agent.node.running}

    def _untold(self):
        """What the events should have caused to be told, and is not yet: (row, socket)."""
        told = self._told()
        for row in self.rows.values():
            for peer, slot in enumerate(row.slots):
                if len(told[self.far][slot]) < len(row.told_far(peer)):
                    yield row, slot
            if row.agent in told and len(told[row.agent][row.number]) < len(row.told_near()):
                yield row, row.number

    def hear(self):
        """Waits for all that is to be told, and for what is not; what is missing is found by who compares."""
        self._wait(self._untold)
        pause(QUIET_S)
        self.told = self._told()

    def watch(self):
        """Waits until what is still there must have been refreshed, and reads what the captures hold."""
        pause(1.5 * REFRESH_S + QUIET_S)
        self.seen = messages(self.line, PLACES)

    def run(self):
        self.start()
        self.open()
        self.flows_before, self.marks_before = self.flows(), self.marks()
        self.line.clear()
        self.close_rows()
        self.watch()
        self.hear()
        self.flows_after, self.marks_after = self.flows(), self.marks()

    # -- the end --

    def end(self):
        self.line.end()

    def close(self):
        self.multicast.close()
        self.line.close()
