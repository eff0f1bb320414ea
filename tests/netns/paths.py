# SPDX-License-Identifier: MIT
"""What tests of measured paths need: a street of hosts, programs with adaptive flows, and who listens for probes."""
import collections
import contextlib
import socket
import struct
import time

from conftest import Agent, Daemon
from netns import TIME_FACTOR
import netns
import segment

LLTD, QLPB_PORT = 0x88d9, 2177
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
MBIT = 1000000
CONGESTED, UNCONGESTED, AVAILABLE = range(3)

NETWORK_BUSY, INSUFFICIENT_BUFFER, NO_DATA, OPERATION_ABORTED = 54, 122, 232, 995
IO_PENDING, RETRY, TIMEOUT = 997, 1237, 1460

# What a query of fundamentals answers: what is not set is None.
Known = collections.namedtuple('Known', 'error size ms capacity available rtt at')
Probe = collections.namedtuple('Probe', 'time length frame')


def is_probe(frame):
    """Of either protocol: LLTD, or anything from or to port 2177."""
    ethertype = struct.unpack_from('!H', frame, 12)[0]
    if ethertype == LLTD:
        return True
    if ethertype == 0x0800:
        start, protocol = 14 + (frame[14] & 15) * 4, frame[23]
    elif ethertype == 0x86dd:
        start, protocol = 54, frame[20]
    else:
        return False
    if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP) or len(frame) < start + 4:
        return False
    return QLPB_PORT in struct.unpack_from('!HH', frame, start)


class Sniffer:
    """Keeps the probes that pass an interface, both ways, with the kernel's time."""

    def __init__(self, host, interface):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((interface, 3))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setblocking(False)
        self.seen = []

    def take(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, ancillary, _, _ = self.socket.recvmsg(2048, 64)
                seconds, nanoseconds = struct.unpack('qq', ancillary[0][2])
                if is_probe(frame):
                    self.seen.append(Probe(seconds + nanoseconds / 1e9, len(frame), frame))
        return self.seen

    def between(self, begin, end):
        return [probe for probe in self.take() if begin <= probe.time < end]

    def close(self):
        self.socket.close()


class Flow:
    """An adaptive flow of a program; what it asks, and is told, goes through its agent."""

    def __init__(self, agent, to, tcp=False, family=4, handle=0):
        self.agent, self.handle = agent, handle
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
        self.socket = agent.host.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, kind)
        self.socket.settimeout(10 * TIME_FACTOR)
        self.socket.connect(to)
        self.given = agent.give(self.socket)
        self.id = agent.add(self.given, 3, flags=0, handle=handle)

    def known(self, fresh=False):
        result, error, size, ms, *pairs = self.agent.ask('fundamentals', self.handle, self.id, int(fresh))
        assert result == (error == 0)
        if error:
            return Known(error, size, ms, None, None, None, time.monotonic())
        values = [value if is_set else None for is_set, value in zip(pairs[::2], pairs[1::2])]
        # What is not set is zero.
        assert all(value == 0 for is_set, value in zip(pairs[::2], pairs[1::2]) if not is_set), pairs
        return Known(0, size, ms, *values, time.monotonic())

    def set_rate(self, bps, behaviour=1):
        """The error; 0: it was accepted."""
        result, error = self.agent.ask('set-rate', self.handle, self.id, int(bps), behaviour)
        assert result == (error == 0)
        return error

    def rate(self):
        return self.agent.ask('query-rate', self.handle, self.id)[2]

    def notify(self, operation, target=0):
        """(result, error, a number by which to ask for it)"""
        slot = (operation + 3 * self.handle) % 8
        return *self.agent.ask('notify', self.handle, self.id, operation, int(target), slot), slot

    def pends(self, operation, target=0):
        result, error, slot = self.notify(operation, target)
        assert (result, error) == (0, IO_PENDING)
        return slot

    def told(self, slot, seconds):
        """When it was told, by the monotonic clock; None: it was not. It was told of what it asked for, and no more."""
        answer = self.agent.ask('notified', self.handle, slot, int(seconds * 1000 * TIME_FACTOR))
        if answer == [0]:
            return None
        assert answer[1:4] == [1, 0, 0], answer
        return answer[4] / 1e6

    def close(self):
        self.agent.remove(self.id, handle=self.handle)
        self.agent.number('close', self.given)
        self.socket.close()


class Street:
    """A segment of hosts, of which one routes to a far host; daemons where a test wants some."""

    FAR4, FAR6 = '203.0.113.2', '2001:db8:52::2'

    def __init__(self, programs, folder, hosts, router, routed):
        """By host number `router` the hosts numbered `routed` reach the far one."""
        self.programs, self.folder = programs, folder
        self.segment = segment.Segment(hosts)
        self.far = netns.Namespace()
        self.daemons, self.agents, self.sniffers = {}, [], []
        self._route(self.host(router), router, routed)

    def _route(self, router, number, routed):
        netns.join(router, self.far, 'far', ['203.0.113.1/24', '2001:db8:52::1/64'],
                   [f'{self.FAR4}/24', f'{self.FAR6}/64'])
        for path in ('ipv4/ip_forward', 'ipv6/conf/all/forwarding'):
            router.must('sysctl', '-qw', f'net.{path.replace("/", ".")}=1')
        for family, net, back, gateway in ((4, '203.0.113.0/24', '198.51.100.0/24', '203.0.113.1'),
                                           (6, '2001:db8:52::/64', '2001:db8:51::/64', '2001:db8:52::1')):
            for one in routed:
                self.host(one).must('ip', f'-{family}', 'route', 'add', net, 'via', self.address(number, family))
            self.far.must('ip', f'-{family}', 'route', 'add', back, 'via', gateway)

    def host(self, number):
        return self.segment.hosts[number - 1]

    def address(self, number, family=4):
        return self.segment.address(number, family)

    def daemon(self, number, config):
        daemon = Daemon(self.programs, self.host(number), self.folder, f'host{number}').start(config)
        self.daemons[number] = daemon
        return daemon

    def agent(self, number, mode='daemon', uid=0):
        daemon = self.daemons.get(number)
        agent = Agent(self.programs, self.host(number), daemon.socket_path if daemon else None, mode, uid)
        agent.mode = mode
        self.agents.append(agent)
        agent.create()
        return agent

    def end(self, agent):
        self.agents.remove(agent)
        agent.end()

    def sniffer(self, number):
        """At the port of a host, where everything passes that comes from or goes to it."""
        sniffer = Sniffer(self.segment.switch, self.segment.port(number))
        self.sniffers.append(sniffer)
        return sniffer

    def close(self):
        try:
            for agent in self.agents:
                agent.end()
            for daemon in self.daemons.values():
                if daemon.running:
                    daemon.stop()
        finally:
            for sniffer in self.sniffers:
                sniffer.close()
            self.far.close()
            self.segment.close()
