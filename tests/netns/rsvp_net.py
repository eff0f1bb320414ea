# SPDX-License-Identifier: MIT
"""A network of hosts and routers that each have a daemon which speaks RSVP, and programs that take part in sessions
by way of `greenwave rsvp`. What goes over the cables is seen where it arrives (rsvp.py)."""
import contextlib
import json
import pathlib
import select
import signal
import socket
import struct
import subprocess
import tempfile
import time

import netns
import pytest

import rsvp
from conftest import Daemon, sweep_up, until
from netns import PATIENCE_S, TIME_FACTOR
from packets import Wire

MBIT = 1000000


class Program:
    """A program that sends or receives; its events, as it prints them."""

    def __init__(self, node, *arguments):
        self.node = node
        self.process = node.host.popen(
            [node.programs.path('greenwave'), 'rsvp', *arguments, '--json'], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=node.programs.environment(node.daemon.socket_path))
        self.rest = b''
        self.events = []
        node.running.append(self)

    def _take(self, seconds):
        readable, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not readable:
            return True
        data = self.process.stdout.read1(65536)
        *lines, self.rest = (self.rest + data).split(b'\n')
        self.events += [json.loads(line) for line in lines]
        return bool(data)

    def wait(self, event, timeout=PATIENCE_S, match=lambda event: True):
        """The first event of a name that matches, and that no wait has returned before."""
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while True:
            for found in self.events:
                if found['event'] == event and match(found):
                    self.events.remove(found)
                    return found
            left = deadline - time.monotonic()
            assert left > 0 and self._take(left), f'no {event} among {self.events}'

    def end(self, number=signal.SIGINT):
        """Ends it by a signal, if it has not ended yet."""
        self.node.running.remove(self)
        self.process.send_signal(number)
        self.process.wait(10 * TIME_FACTOR)
        self.process.stdout.close()
        self.node.host.children.remove(self.process)


class Node:
    """A host or router. `cables`: of its interfaces, the addresses."""

    def __init__(self, programs, folder, name):
        self.name = name
        self.programs = programs
        self.host = netns.Namespace()
        self.daemon = Daemon(programs, self.host, folder, name)
        self.folder = folder
        self.listeners = {}
        self.running = []  # programs

    def start(self, config=''):
        self.daemon.start(config or 'rsvp { enabled = true }')

    def become_router(self):
        with self.host.entered():
            for path in ('ipv4/ip_forward', 'ipv6/conf/all/forwarding'):
                pathlib.Path('/proc/sys/net', path).write_text('1', encoding='ascii')
            for path in pathlib.Path('/proc/sys/net/ipv4/conf').glob('*/rp_filter'):
                path.write_text('0', encoding='ascii')

    def listen(self, interface):
        """What arrives by an interface from now on."""
        if interface not in self.listeners:
            self.listeners[interface] = rsvp.Listener(Wire(self.host, interface))
        return self.listeners[interface]

    def program(self, *arguments):
        return Program(self, *arguments)

    def rsvp(self, *arguments):
        return self.daemon.json('rsvp', *arguments)

    def reload(self, config):
        count = self.daemon.log().count('reloaded')
        self.daemon.configure(config)
        self.daemon.process.send_signal(signal.SIGHUP)
        until(lambda: self.daemon.log().count('reloaded') > count)

    def end(self):
        if self.daemon.running:
            self.daemon.stop()
        sweep_up(self.programs, self.host, self.folder)

    def close(self):
        for listener in self.listeners.values():
            listener.wire.close()
        self.host.close()


class Net:
    """All of them. `join` makes a cable, with the same name at both ends."""

    def __init__(self, programs):
        self.programs = programs
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='n-', dir=programs.folder))
        self.folder.chmod(0o755)
        self.nodes = {}

    def __getitem__(self, name):
        return self.nodes[name]

    def add(self, *names):
        for name in names:
            self.nodes[name] = Node(self.programs, self.folder, name)

    def join(self, a, b, cable, *pairs):
        """`pairs`: for each version of IP the address of either end, with the length of the prefix."""
        netns.join(self[a].host, self[b].host, cable, [pair[0] for pair in pairs], [pair[1] for pair in pairs])

    def clear(self):
        for node in self.nodes.values():
            for listener in node.listeners.values():
                listener.clear()

    def end_programs(self):
        for node in self.nodes.values():
            for program in list(node.running):
                program.end()

    def judge(self):
        """tshark finds nothing wrong with anything that arrived anywhere."""
        judged = 0
        for node in self.nodes.values():
            for listener in node.listeners.values():
                if listener.settle(0):
                    rsvp.judge(listener)
                    judged += 1
        assert judged

    def end(self):
        """As an administrator would; nothing is left behind."""
        self.end_programs()
        for node in self.nodes.values():
            node.end()

    def close(self):
        for node in self.nodes.values():
            node.close()


MRT_BASE = 200
MRT_INIT, _, MRT_ADD_VIF, _, MRT_ADD_MFC = range(MRT_BASE, MRT_BASE + 5)
VIFF_USE_IFINDEX = 8


class MulticastRouter:
    """Multicast routing in the kernel of a router, made as a routing daemon would."""

    def __init__(self, host, interfaces):
        self.numbers = {name: number for number, name in enumerate(interfaces)}
        self.socket = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_IGMP)
        self.socket.setsockopt(socket.IPPROTO_IP, MRT_INIT, 1)
        with host.entered():
            for name, number in self.numbers.items():
                self.socket.setsockopt(socket.IPPROTO_IP, MRT_ADD_VIF, struct.pack(
                    '=HBBIi4s', number, VIFF_USE_IFINDEX, 1, 0, socket.if_nametoindex(name), bytes(4)))

    def forward(self, source, group, coming, leaving):
        out = {self.numbers[name] for name in leaving}
        ttls = bytes(1 if number in out else 0 for number in range(32))
        self.socket.setsockopt(socket.IPPROTO_IP, MRT_ADD_MFC, struct.pack(
            '=4s4sH32s2xIIIi', rsvp.packed(source), rsvp.packed(group), self.numbers[coming], ttls, 0, 0, 0, 0))

    def close(self):
        self.socket.close()


LEFT, RIGHT = 'left', 'right'
FOUR = {'near': '198.51.100.1', 'in': '198.51.100.2', 'out': '192.0.2.1', 'far': '192.0.2.2'}
SIX = {'near': '2001:db8:1::1', 'in': '2001:db8:1::2', 'out': '2001:db8:2::1', 'far': '2001:db8:2::2'}
PORT, SENDER_PORT = 5000, 4000
LINE_LINK = f'link {RIGHT} {{ rate = 10Mbit reservable = 50% }}'
LINE_ROUTER = LINE_LINK + ' rsvp { enabled = true settle = 200ms }'


def endpoint(address, port):
    return f'[{address}]:{port}' if ':' in address else f'{address}:{port}'


class Line(Net):
    """near - router - far. What arrives anywhere is listened to."""

    def __init__(self, programs):
        super().__init__(programs)
        self.add('near', 'router', 'far')
        self.join('near', 'router', LEFT, (FOUR['near'] + '/24', FOUR['in'] + '/24'),
                  (SIX['near'] + '/64', SIX['in'] + '/64'))
        self.join('router', 'far', RIGHT, (FOUR['out'] + '/24', FOUR['far'] + '/24'),
                  (SIX['out'] + '/64', SIX['far'] + '/64'))
        self['router'].become_router()
        for name, way in ('near', 'in'), ('far', 'out'):
            self[name].host.must('ip', 'route', 'add', 'default', 'via', FOUR[way])
            self[name].host.must('ip', '-6', 'route', 'add', 'default', 'via', SIX[way])
        for name, cable in ('near', LEFT), ('router', LEFT), ('router', RIGHT), ('far', RIGHT):
            self[name].listen(cable)

    def start(self, router=LINE_ROUTER, hosts=''):
        self['near'].start(hosts)
        self['router'].start(router)
        self['far'].start(hosts)
        if not self['router'].daemon.has('tc-egress'):
            pytest.skip('the kernel datapath cannot be used: ' + self['router'].daemon.log())

    def sender(self, a, port=PORT, sender_port=SENDER_PORT, rate='1Mbit', *more):
        return self['near'].program('send', '--to', endpoint(a['far'], port), '--from',
                                    endpoint(a['near'], sender_port), '--rate', rate, *more)

    def receiver(self, a, port=PORT, sender_port=SENDER_PORT, rate='1Mbit', *more):
        return self['far'].program('receive', '--to', endpoint(a['far'], port), '--from',
                                   endpoint(a['near'], sender_port), '--rate', rate, *more)


@contextlib.contextmanager
def made(net):
    """Ends it, however that goes; as an administrator would, if all goes well."""
    try:
        yield net
        net.end()
    finally:
        net.close()
