# SPDX-License-Identifier: MIT
"""A network of hosts and routers that each have a daemon which speaks RSVP, and programs that take part in sessions
by way of `greenwave rsvp`. What goes over the cables is seen where it arrives (rsvp.py)."""
import json
import pathlib
import select
import socket
import subprocess
import tempfile
import time

import netns
import rsvp
from conftest import Daemon, sweep_up
from netns import TIME_FACTOR
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

    def _take(self, seconds):
        readable, _, _ = select.select([self.process.stdout], [], [], seconds)
        if not readable:
            return True
        data = self.process.stdout.read1(65536)
        *lines, self.rest = (self.rest + data).split(b'\n')
        self.events += [json.loads(line) for line in lines]
        return bool(data)

    def wait(self, event, timeout=3.0, match=lambda event: True):
        """The first event of a name that matches, and that no wait has returned before."""
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while True:
            for found in self.events:
                if found['event'] == event and match(found):
                    self.events.remove(found)
                    return found
            left = deadline - time.monotonic()
            assert left > 0 and self._take(left), f'no {event} among {self.events}'

    def end(self, number=2):
        """Ends it by a signal (2: as Ctrl-C does)."""
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
        for node in self.nodes.values():
            node.end()

    def close(self):
        for node in self.nodes.values():
            node.close()


def udp_sink(node, port):
    """Takes what is sent to a port, so that nobody answers with an error."""
    sock = node.host.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.bind(('::', port))
    return sock
