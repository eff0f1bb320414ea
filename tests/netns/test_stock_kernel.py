# SPDX-License-Identifier: MIT
"""What a stock kernel has and a small one may lack: every mechanism of the daemon, endings that the kernel
itself carries out, VLANs, queueing disciplines. `make test-vm` provides such a kernel (GW_STOCK_KERNEL is set
then, and nothing may be missing); elsewhere what is missing is skipped."""
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import struct
import subprocess

import pytest

from conftest import (A4, B4, B6, BACKGROUND, C4, CABLE, DSCP, PRIORITY, VOICE, Daemon, until)
from netns import PATIENCE_S, TIME_FACTOR
from packets import parse

PORT, PORT2 = 5000, 5001
STOCK = bool(os.environ.get('GW_STOCK_KERNEL'))
KEEP_ON_DISCONNECT = 2
MECHANISMS = ('bpf', 'bpffs', 'cgroup2', 'tc-egress', 'sock-release', 'state-tracepoint', 'fentry-shutdown',
              'fentry-disconnect', 'sock-diag')


def need(present, what):
    if present:
        return
    assert not STOCK, f'a stock kernel has {what}'
    pytest.skip(f'needs {what}')


@pytest.fixture
def traced(kernel):
    """The daemon, told by the kernel of shutdown() and of disconnecting."""
    for mechanism in ('fentry-shutdown', 'fentry-disconnect'):
        need(kernel.has(mechanism), mechanism)
    return kernel


def test_every_mechanism(daemon):
    """
    `greenwave doctor` finds everything; tcx came with Linux 6.6, and clsact does as well. Nothing is signalled here,
    and no link has a queue that keeps departure times: test_shaping.py brings one.
    """
    need(STOCK, 'a stock kernel (make test-vm)')
    status, out, _ = daemon.cli('doctor', '--json')
    assert status == 0
    checks = {check['name']: check['present'] for check in json.loads(out)['checks']}
    assert {name for name in MECHANISMS if not checks[name]} == set()
    missing = {name for name, fact in daemon.status()['kernel']['mechanisms'].items() if not fact['present']}
    assert missing <= {'tcx', 'rsvp', 'departure-times'}


# ---- endings, with a daemon that cannot lift a finger ----

@contextlib.contextmanager
def stopped(daemon):
    """The daemon stands still meanwhile: what happens is the kernel's doing."""
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)


def entries(daemon):
    """How many sockets have an entry in the kernel, by its own word."""
    pinned = f'/sys/fs/bpf/greenwave/{daemon.host.inode}/sockets'
    done = subprocess.run(['bpftool', '--json', 'map', 'dump', 'pinned', pinned], check=True,
                          stdout=subprocess.PIPE, env=dict(os.environ, PATH='/usr/sbin:/usr/bin:/sbin:/bin'))
    return len(json.loads(done.stdout))


@pytest.fixture
def bpftool():
    need(shutil.which('bpftool') or shutil.which('/usr/sbin/bpftool'), 'bpftool')


def nothing_ended(endings):
    while (event := endings.agent.ask('event', int(300 * TIME_FACTOR))) != [0]:
        assert event[1] != endings.FLOW_ENDED, event


class Flow:
    """A socket of the test, in a flow of greenwave.h or qos2.h, and another socket that must not notice."""

    def __init__(self, net, agent, sock, api, to=None):
        self.net, self.agent, self.sock, self.api = net, agent, sock, api
        self.given = agent.give(sock)
        self.bystander = net.udp(connect=(B4, PORT2))
        agent.add(agent.give(self.bystander), BACKGROUND)
        if api == 'qos2':
            self.id = agent.add(self.given, VOICE, to)
        else:
            assert agent.number('open') == 0
            result, self.id = agent.ask('add-native', self.given, *(to or ('-', 0)), VOICE, 0)
            assert result == 0

    def others_go_on(self):
        return self.net.mark(self.bystander) == 8


@pytest.fixture
def flow(net, traced, agents, bpftool):
    """Makes a flow; everything is gone after the test."""
    made = []

    def make(sock, api='native', to=None):
        agent = agents(net.a, traced)
        agent.create()
        made.append(Flow(net, agent, sock, api, to))
        assert entries(traced) == 2
        return made[-1]

    yield make
    for one in made:
        one.bystander.close()
        one.agent.close_handle()
        if one.api == 'native':
            one.agent.ask('close-native')


@contextlib.contextmanager
def tcp_pair(net, address=B4):
    with net.listener(address) as listener, \
            net.a.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect((address, listener.getsockname()[1]))
        server, _ = listener.accept()
        with server:
            yield client, server


@contextlib.contextmanager
def udp_pair(net, address=B4):
    with net.udp(6 if ':' in address else 4, connect=(address, PORT)) as sender:
        yield sender, None


PAIRS = {'udp': (udp_pair, B4), 'udp6': (udp_pair, B6), 'tcp': (tcp_pair, B4), 'tcp6': (tcp_pair, B6)}


@pytest.mark.parametrize('how', [socket.SHUT_WR, socket.SHUT_RDWR])
@pytest.mark.parametrize('api', ['native', 'qos2'])
@pytest.mark.parametrize('kind', PAIRS)
def test_shutdown_of_sending(net, traced, flow, endings, kind, api, how):
    """Ends the socket's service inside shutdown(), and only that socket's (Q-213 is the same for handles)"""
    pair, address = PAIRS[kind]
    with pair(net, address) as (sock, _):
        one = flow(sock, api)
        assert net.mark(sock) == 56
        with stopped(traced):
            sock.shutdown(how)
            assert entries(traced) == 1
            assert one.others_go_on()
        until(lambda: [entry['id'] for entry in traced.flows() if entry['class'] == 'voice'] == [])
        if api == 'native':
            assert endings.next() == (one.id, 'shutdown')


@pytest.mark.parametrize('api', ['native', 'qos2'])
@pytest.mark.parametrize('kind', PAIRS)
def test_shutdown_of_receiving(net, traced, flow, endings, kind, api):
    """Ends nothing that is sent"""
    pair, address = PAIRS[kind]
    with pair(net, address) as (sock, _):
        one = flow(sock, api)
        with stopped(traced):
            sock.shutdown(socket.SHUT_RD)
            assert net.mark(sock) == 56
            assert entries(traced) == 2
        assert net.mark(sock) == 56
        assert one.id in [entry['id'] for entry in traced.flows()]
        nothing_ended(endings)
        assert one.others_go_on()


def test_shutdown_of_an_unconnected_socket(net, traced, flow, endings):
    """shutdown() says ENOTCONN, and yet nothing can be sent any more"""
    with net.udp() as sock:
        one = flow(sock, to=(B4, PORT))
        assert net.mark(sock, (B4, PORT)) == 56
        with stopped(traced):
            with pytest.raises(OSError):
                sock.shutdown(socket.SHUT_WR)
            with pytest.raises(BrokenPipeError):
                sock.sendto(b'x', (B4, PORT))
            assert entries(traced) == 1
        assert endings.next() == (one.id, 'shutdown')


def test_shutdown_through_a_copy(net, traced, flow, endings):
    """The socket is shut down, whichever process does it"""
    with net.udp(connect=(B4, PORT)) as sock:
        one = flow(sock)
        with stopped(traced):
            one.agent.ask('shutdown', one.given, socket.SHUT_WR)
            assert entries(traced) == 1
        assert endings.next() == (one.id, 'shutdown')


def disconnect(sock):
    """connect(AF_UNSPEC), which Python has no word for."""
    assert ctypes.CDLL(None).connect(sock.fileno(), bytes(16), 16) == 0


@pytest.mark.parametrize('kind', ['udp', 'udp6'])
def test_udp_disconnect(net, traced, flow, endings, kind):
    """The next packet is unmarked"""
    pair, address = PAIRS[kind]
    with pair(net, address) as (sock, _):
        one = flow(sock)
        assert net.mark(sock) == 56
        with stopped(traced):
            disconnect(sock)
            assert net.mark(sock, (address, PORT)) == 0
            assert entries(traced) == 1
            assert one.others_go_on()
        assert endings.next() == (one.id, 'disconnected')


@pytest.mark.parametrize('kind', ['tcp', 'tcp6'])
def test_tcp_disconnect(net, traced, flow, endings, kind):
    """The same socket, connected anew, is unmarked from its SYN on"""
    pair, address = PAIRS[kind]
    with pair(net, address) as (sock, _), net.listener(address) as other:
        one = flow(sock)
        assert net.mark(sock) == 56
        with stopped(traced):
            disconnect(sock)
            assert entries(traced) == 1
            net.wire.clear()
            port = other.getsockname()[1]
            sock.connect((address, port))
            assert net.mark(sock) == 0
            assert {packet.dscp for packet in net.wire.settle() if packet.dport == port} == {0}
            assert one.others_go_on()
        assert endings.next() == (one.id, 'disconnected')


@pytest.mark.parametrize('kind', ['udp', 'udp6'])
def test_udp_disconnect_keeps_a_captured_destination(net, traced, flow, endings, kind):
    """Q-037: a flow of qos2.h survives, for the destination that it was added with and no other"""
    pair, address = PAIRS[kind]
    with pair(net, address) as (sock, _):
        one = flow(sock, 'qos2')
        with stopped(traced):
            disconnect(sock)
            assert net.mark(sock, (address, PORT)) == 56
            assert net.mark(sock, (address, PORT2)) == 0
            assert entries(traced) == 2
        nothing_ended(endings)
        assert net.mark(sock, (address, PORT)) == 56
        one.agent.remove(one.id)
        assert net.mark(sock, (address, PORT)) == 0


def test_connecting_elsewhere_is_no_end(net, traced, flow, endings):
    """A second connect() of UDP: the first destination keeps its mark, the second has none"""
    with net.udp(connect=(B4, PORT)) as sock:
        flow(sock)
        sock.connect((C4, PORT))
        assert net.mark(sock) == 0
        sock.connect((B4, PORT))
        assert net.mark(sock) == 56
        nothing_ended(endings)


@pytest.mark.parametrize('reset', [False, True])
@pytest.mark.parametrize('kind', PAIRS)
def test_close(net, traced, flow, endings, kind, reset):
    """Q-075: inside close(), also where TCP ends with a reset instead of a FIN"""
    pair, address = PAIRS[kind]
    with pair(net, address) as (sock, _):
        one = flow(sock)
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        assert one.agent.number('close', one.given) == 0
        with stopped(traced):
            assert net.mark(sock) == 56
            sock.close()
            assert entries(traced) == 1
            assert one.others_go_on()
        assert endings.next() == (one.id, 'closed')


def test_shutdown_of_a_listener(net, traced, flow, endings):
    """A listener cannot end sending: nothing happens. When it ends receiving it does not listen any more"""
    with net.listener(B4, host=net.b) as far, net.a.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind((A4, 0))
        sock.listen(1)
        one = flow(sock, to=far.getsockname())
        with stopped(traced):
            sock.shutdown(socket.SHUT_WR)
            assert entries(traced) == 2
        nothing_ended(endings)
        with stopped(traced):
            sock.shutdown(socket.SHUT_RD)
            assert entries(traced) == 1
        assert endings.next() == (one.id, 'disconnected')


# ---- VLANs ----

TAG = 'tag'
TAG_ID = 7
T4, T6 = '198.51.100.2', '2001:db8:7::2'
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4


class Tags:
    """The far end of the cable, where the kernel takes the tag off a frame and tells it beside."""

    def __init__(self, net):
        self.net = net
        self.socket = net.b.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((CABLE, 3))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.settimeout(PATIENCE_S * TIME_FACTOR)

    def of(self, sender, destination):
        """Sends a datagram: (VLAN, priority code point, DSCP) of the frame."""
        payload = self.net.payload()
        sender.sendto(payload, destination)
        while True:
            frame, ancillary, _, _ = self.socket.recvmsg(2048, 256)
            if payload in frame:
                break
        assert [message[:2] for message in ancillary] == [(SOL_PACKET, PACKET_AUXDATA)]
        status, _, _, _, _, tag, _ = struct.unpack('=IIIHHHH', ancillary[0][2])
        assert status & TP_STATUS_VLAN_VALID, 'the frame has no tag'
        return tag & 0xfff, tag >> 13, parse(frame).dscp


@pytest.fixture
def tags(net, kernel):
    """A VLAN on the cable; as usual, priorities become the code points of the same number."""
    for host, last in ((net.a, 1), (net.b, 2)):
        status, _, error = host.run(['ip', 'link', 'add', 'link', CABLE, 'name', TAG, 'type', 'vlan', 'id',
                                     str(TAG_ID), 'egress-qos-map', *(f'{code}:{code}' for code in range(1, 8))])
        need(status == 0, f'VLAN devices: {error}')
        host.must('ip', 'address', 'add', f'198.51.100.{last}/24', 'dev', TAG)
        host.must('ip', 'address', 'add', f'2001:db8:7::{last}/64', 'dev', TAG, 'nodad')
        host.must('ip', 'link', 'set', TAG, 'up')
    until(lambda: 'greenwave' in net.a.must('tc', 'filter', 'show', 'dev', TAG, 'egress'))
    made = Tags(net)
    yield made
    made.socket.close()
    for host in (net.a, net.b):
        host.must('ip', 'link', 'del', TAG)


@pytest.mark.parametrize('family, address', [(4, T4), (6, T6)])
def test_vlan_priority(net, agent, tags, family, address):
    """Q-092: on a VLAN, 802.1p as well as DSCP, for every traffic type; and neither afterwards"""
    with net.udp(family) as sender:
        to = (address, PORT)
        assert tags.of(sender, to) == (TAG_ID, 0, 0)
        given = agent.give(sender)
        for kind, dscp in DSCP.items():
            flow = agent.add(given, kind, to)
            assert tags.of(sender, to) == (TAG_ID, PRIORITY[kind], dscp)
            agent.remove(flow)
            assert tags.of(sender, to) == (TAG_ID, 0, 0)


def test_vlan_priority_of_a_dscp_value(net, agent, tags):
    """Q-127: a DSCP value of its own leaves a flow the priority of its type"""
    with net.udp() as sender:
        flow = agent.add(agent.give(sender), VOICE, (T4, PORT))
        assert agent.ask('set-dscp', 0, flow, 46) == [1, 0]
        assert tags.of(sender, (T4, PORT)) == (TAG_ID, PRIORITY[VOICE], 46)
        agent.remove(flow)


# ---- queueing disciplines that are not ours ----

QUEUES = {
    'fq': 'fq limit 500',
    'fq_codel': 'fq_codel limit 500',
    'netem': 'netem delay 20ms',
    'tbf': 'tbf rate 50mbit burst 20kb latency 50ms',
}


@pytest.mark.parametrize('name', QUEUES)
def test_root_queue_is_left_alone(own_net, programs, agents, tmp, name):
    """Marks pass through what somebody has set up, and the daemon changes nothing of it"""
    net = own_net
    status, _, error = net.a.run(['tc', 'qdisc', 'add', 'dev', CABLE, 'root', 'handle', '1:',
                                  *QUEUES[name].split()])
    need(status == 0, f'the queueing discipline {name}: {error}')

    def root():
        shown = net.a.must('tc', 'qdisc', 'show', 'dev', CABLE).splitlines()
        return [line for line in shown if 'clsact' not in line]

    before = root()
    daemon = Daemon(programs, net.a, tmp).start()
    if not daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used')
    agent = agents(net.a, daemon)
    agent.create()
    with net.udp(connect=(B4, PORT)) as sender:
        agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        assert root() == before
        agent.close_handle()
        assert net.mark(sender) == 0
    daemon.stop()
    assert root() == before
    assert 'clsact' not in net.a.must('tc', 'qdisc', 'show', 'dev', CABLE)


def test_lost_segments(net, kernel, agent):
    """Q-094: what TCP sends again on a link that loses every fifth packet is marked like the rest"""
    status, _, error = net.a.run(['tc', 'qdisc', 'add', 'dev', CABLE, 'root', 'netem', 'loss', '20%'])
    need(status == 0, f'the queueing discipline netem: {error}')
    try:
        with tcp_pair(net) as (client, server):
            flow = agent.add(agent.give(client))
            net.wire.clear()
            client.settimeout(60 * TIME_FACTOR)
            server.settimeout(60 * TIME_FACTOR)
            for _ in range(30):
                client.send(b'x' * 1000)
                left = 1000
                while left:
                    left -= len(server.recv(left))
            port = server.getsockname()[1]
            packets = [packet for packet in net.wire.settle() if packet.dport == port]
            assert len(packets) >= 30
            assert {packet.dscp for packet in packets} == {56}
            agent.remove(flow)
    finally:
        net.a.must('tc', 'qdisc', 'del', 'dev', CABLE, 'root')
