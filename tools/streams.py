# SPDX-License-Identifier: MIT
"""Traffic between hosts, and what became of it: for the namespace tests, the demonstration and the benchmarks.

The traffic itself is made by a small program (tests/netns/stream.c); datagrams are judged by the time stamps
that the kernel of the receiving host gives them.
"""
import collections
import json
import signal
import socket
import struct
import subprocess
import time

from netns import TIME_FACTOR

SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
BUFFER_BYTES = 64 << 20
STAMP = struct.Struct('=4sIq')
MAGIC = b'GWst'

# `delay` and `arrived` in seconds.
Datagram = collections.namedtuple('Datagram', 'number delay arrived ip_bytes dscp')


class Stream:
    """The program, at work in a host: send, bulk or sink."""

    def __init__(self, host, program, *words, fds=(), env=None):
        self.host = host
        descriptors = [word for fd in fds for word in ('-f', str(fd))]
        command = [program, words[0], *descriptors, *map(str, words[1:])]
        self.process = host.popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, pass_fds=fds, env=env)
        if words[0] == 'sink' and self.process.stdout.readline() != 'ready\n':
            raise RuntimeError(f'{program}: {self.process.stderr.read()}')

    def wait(self, timeout=60):
        """What it says of itself, when it has come to its end."""
        try:
            out, error = self.process.communicate(timeout=timeout * TIME_FACTOR)
        finally:
            self.close()
        if self.process.returncode != 0:
            raise RuntimeError(f'{self.process.args}: {error}')
        return json.loads(out)

    def end(self):
        """The same, now."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(10)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for file in self.process.stdin, self.process.stdout, self.process.stderr:
            file.close()
        if self.process in self.host.children:
            self.host.children.remove(self.process)


class Receiver:
    """Keeps the datagrams of streams that arrive at a port, until they are taken."""

    def __init__(self, host, address, port):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        self.headers = 48 if family == socket.AF_INET6 else 28
        self.socket = host.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        if family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
        else:
            self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        self.socket.bind((address, port))
        self.socket.setblocking(False)

    def take(self):
        taken = []
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, 256)
            except BlockingIOError:
                return taken
            if data[:4] == MAGIC:
                taken.append(self._read(data, ancillary))

    def _read(self, data, ancillary):
        arrived_ns, tos = 0, 0
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                seconds, nanoseconds = struct.unpack('qq', value)
                arrived_ns = seconds * 1000000000 + nanoseconds
            else:
                tos = value[0]
        _, number, sent_ns = STAMP.unpack_from(data)
        return Datagram(number, (arrived_ns - sent_ns) / 1e9, arrived_ns / 1e9, len(data) + self.headers,
                        tos >> 2)

    def close(self):
        self.socket.close()


def rate_bps(datagrams):
    """At which they have arrived."""
    if len(datagrams) < 2:
        return 0
    return sum(one.ip_bytes for one in datagrams) * 8 / (datagrams[-1].arrived - datagrams[0].arrived)


def drain(host, device):
    """Waits until its queue is empty: two seconds at most, for a FIFO full of packets."""
    deadline = time.monotonic() + 3 * TIME_FACTOR
    while time.monotonic() < deadline:
        shown = host.must('tc', '-s', 'qdisc', 'show', 'dev', device)
        if all(line.split()[1:3] == ['0b', '0p'] for line in shown.splitlines() if 'backlog' in line):
            return
        time.sleep(0.05)


def quantile(values, share):
    """The smallest value that is not exceeded by that share of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
