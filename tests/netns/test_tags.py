# SPDX-License-Identifier: MIT
"""802.1p only where proven (spec/qwave.md §6.2): which frames leave with a priority tag, as tshark sees them."""
import contextlib
import subprocess
import threading

import pytest

from conftest import B4, B6, CABLE, Daemon, PORTS, until
from netns import TIME_FACTOR
from paths import Flow, MBIT

PORT, STREAM_PORT = PORTS[0], 7000
BEYOND = '203.0.113.9'  # behind the second host
KIND, PRIORITY = 3, 5   # audio-video: what Flow asks for, and its value
SHAPE_ONLY, SHAPE_AND_MARK = 0, 1
TAKES_PART = 'probe { initiator = true sink = true }\n'
PROVEN_S = 15


class Capture:
    """Everything that arrives at the far host, with its tags, in a file."""

    def __init__(self, host, path):
        self.host, self.path = host, path
        self.process = host.popen(['tcpdump', '-i', CABLE, '--immediate-mode', '-U', '-w', str(path), '-s', '256', '-Q',
                                   'in', 'udp or tcp or vlan'], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        while b'listening' not in self.process.stderr.readline():
            assert self.process.poll() is None

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()
        self.host.children.remove(self.process)

    def tags(self, payload):
        return self.read(f'frame contains "{payload.decode()}"')

    def read(self, what):
        """(VLAN, priority) of each frame that tshark finds by it; (None, None) of one without a tag."""
        words = ['tshark', '-n', '-r', str(self.path), '-Y', what, '-T', 'fields', '-e', 'frame.number', '-e',
                 'vlan.id', '-e', 'vlan.priority']
        done = subprocess.run(words, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              timeout=30 * TIME_FACTOR)
        lines = [line.split('\t') for line in done.stdout.splitlines()]
        return [(int(vlan) if vlan else None, int(priority) if priority else None) for _, vlan, priority in lines]


class Hosts:
    def __init__(self, net, daemons, agent, capture):
        self.net, self.daemons, self.agent, self.capture = net, daemons, agent, capture
        self.sent = []

    def flow(self, to=B4, **options):
        return Flow(self.agent, (to, PORT), **options)

    def sends(self, sock, tag, size=0):
        """One datagram, which somebody takes at the far host; its frames are to have this tag."""
        payload = self.net.payload()
        sock.send(payload + bytes(size))
        self.sent.append((payload, tag))
        return payload

    def l2(self, flow):
        """What QOSQueryPacketPriority says."""
        result, error, _, priority = self.agent.ask('priority', 0, flow.id)
        assert (result, error) == (1, 0)
        return priority

    def check(self):
        self.net.wire.wait(lambda packet: self.sent[-1][0] in packet.payload)
        self.capture.close()
        for payload, tag in self.sent:
            assert self.capture.tags(payload) == [tag], payload


NO_TAG, TAG = (None, None), (0, PRIORITY)


@pytest.fixture
def hosts(programs, own_net, agents, tmp):
    daemons = []
    with contextlib.ExitStack() as stack:
        for host, name in ((own_net.a, 'gwa'), (own_net.b, 'gwb')):
            daemon = Daemon(programs, host, tmp, name).start(TAKES_PART)
            stack.callback(lambda daemon=daemon: daemon.stop() if daemon.running else None)
            daemons.append(daemon)
        if not daemons[0].has('tc-egress') or not daemons[0].has('probe-frames'):
            pytest.skip('marks in the kernel, and raw frames, are needed for tags')
        own_net.a.must('ip', 'route', 'add', f'{BEYOND}/32', 'via', B4)
        agent = agents(own_net.a, daemons[0])
        agent.create()
        yield Hosts(own_net, daemons, agent, Capture(own_net.b, tmp / 'tags.pcap'))


def may_send(flow, rate):
    """A rate is accepted, as soon as it is known what is free."""
    until(lambda: flow.known().error == 0, PROVEN_S, 0.1)
    until(lambda: flow.set_rate(rate) == 0, PROVEN_S, 0.1)


def until_proven(hosts, flow):
    until(lambda: hosts.l2(flow) == PRIORITY, PROVEN_S, 0.05)


@pytest.mark.parametrize('family', (4, 6))
def test_tags(hosts, family):
    """Q-085, Q-090: frames of an adaptive flow with a rate have VLAN 0 and its priority, once that is proven, and arrive"""
    takes = hosts.net.sinks[0]
    takes.settimeout(5 * TIME_FACTOR)
    to = B6 if family == 6 else B4
    flow, beyond = hosts.flow(to, family=family), hosts.flow(BEYOND)
    plain = hosts.net.udp(family, connect=(to, PORT))
    fixed = hosts.agent.add(hosts.agent.give(plain), KIND)
    # Without a rate there is no mark, and so no tag.
    until(lambda: flow.known().error == 0, PROVEN_S, 0.1)
    hosts.sends(flow.socket, NO_TAG)
    assert hosts.l2(flow) == 0
    may_send(flow, MBIT)
    assert beyond.set_rate(MBIT) == 0
    until_proven(hosts, flow)
    payload = hosts.sends(flow.socket, TAG)
    while payload not in takes.recv(2000):
        pass
    hosts.sends(flow.socket, TAG, 1400)
    hosts.sends(plain, NO_TAG)
    hosts.sends(beyond.socket, NO_TAG)
    assert hosts.l2(beyond) == 0
    # ShapeOnly does not mark.
    assert flow.set_rate(MBIT, SHAPE_ONLY) == 0
    assert hosts.l2(flow) == 0
    hosts.sends(flow.socket, NO_TAG)
    assert flow.set_rate(MBIT, SHAPE_AND_MARK) == 0
    hosts.sends(flow.socket, TAG)
    # Nothing is left of a flow that has ended, and it is the kernel's.
    hosts.agent.remove(flow.id)
    hosts.sends(flow.socket, NO_TAG)
    hosts.agent.remove(fixed)
    hosts.check()


def test_stream(hosts):
    """Each segment of a connection has the tag, also those that the device cuts, and all of the stream arrives"""
    sent, room = 4 << 20, 1 << 16
    listener = hosts.net.listener(B4, STREAM_PORT)
    flow = Flow(hosts.agent, (B4, STREAM_PORT), tcp=True)
    taker, _ = listener.accept()
    taker.settimeout(10 * TIME_FACTOR)
    may_send(flow, 50 * MBIT)
    until_proven(hosts, flow)
    sender = threading.Thread(target=flow.socket.sendall, args=(bytes(sent), ))
    sender.start()
    taken = 0
    while taken < sent:
        taken += len(taker.recv(room))
    sender.join()
    hosts.capture.close()
    seen = hosts.capture.read(f'tcp.dstport == {STREAM_PORT} && tcp.len > 0')
    assert len(seen) > 40 and set(seen) == {TAG}
    taker.close()
    listener.close()


def test_tags_end_with_the_sink(hosts):
    """Whoever proved it has gone, so it is proven no more; and again when it is back"""
    flow = hosts.flow()
    may_send(flow, MBIT)
    until_proven(hosts, flow)
    hosts.sends(flow.socket, TAG)
    hosts.daemons[1].stop()
    until(lambda: hosts.l2(flow) == 0, 60, 0.1)
    hosts.sends(flow.socket, NO_TAG)
    hosts.daemons[1].start(TAKES_PART)
    until(lambda: hosts.l2(flow) == PRIORITY, 90, 0.2)
    hosts.sends(flow.socket, TAG)
    hosts.check()


def test_not_proven(programs, own_net, agents, tmp):
    """Who speaks MS-QLPB alone, over a link without tags of its own, has proven nothing: what was sent had none"""
    bare = ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw']
    with contextlib.ExitStack() as stack:
        near = Daemon(programs, own_net.a, tmp, 'gwa').start(TAKES_PART, 0, bare)
        stack.callback(near.stop)
        far = Daemon(programs, own_net.b, tmp, 'gwb').start(TAKES_PART)
        stack.callback(far.stop)
        agent = agents(own_net.a, near)
        agent.create()
        made = Hosts(own_net, [near, far], agent, Capture(own_net.b, tmp / 'tags.pcap'))
        flow = made.flow()
        may_send(flow, MBIT)
        until(lambda: flow.known().error == 0, PROVEN_S, 0.1)
        assert made.l2(flow) == 0
        made.sends(flow.socket, NO_TAG)
        made.check()
