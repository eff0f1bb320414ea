# SPDX-License-Identifier: MIT
"""What is on the wire: the marks of all kinds of packets, and that no others have them."""
import contextlib
import os
import socket
import struct
import threading

import netns
import pytest

import netns
from conftest import (A4, A6, AUDIO_VIDEO, B4, B6, BACKGROUND, BEST_EFFORT, C4, C6, CABLE, CONTROL, D4, DSCP,
                      EXCELLENT_EFFORT, PRIORITY, VOICE, until)
from netns import PATIENCE_S, TIME_FACTOR

PORT, PORT2, PORT3, PORT4 = 5000, 5001, 5002, 5003
ALL_TYPES = [BEST_EFFORT, BACKGROUND, EXCELLENT_EFFORT, AUDIO_VIDEO, VOICE, CONTROL]
IPV6_FLOWINFO_SEND, IPV6_FLOWLABEL_MGR, IPV6_AUTOFLOWLABEL = 33, 32, 70
UDP_SEGMENT = 103


@pytest.mark.parametrize('kind', ALL_TYPES)
def test_before_during_after(net, kernel, agent, kind):
    """Q-026, Q-065, Q-073, Q-077..Q-083"""
    with net.udp(connect=(B4, PORT)) as sender:
        assert net.mark(sender) == 0
        flow = agent.add(agent.give(sender), kind)
        assert net.mark(sender) == DSCP[kind]
        agent.remove(flow)
        assert net.mark(sender) == 0


@pytest.mark.parametrize('kind', [BACKGROUND, AUDIO_VIDEO, VOICE])
def test_before_during_after_ipv6(net, kernel, agent, kind):
    """Q-038"""
    with net.udp(6, connect=(B6, PORT)) as sender:
        assert net.mark(sender) == 0
        flow = agent.add(agent.give(sender), kind)
        assert net.mark(sender) == DSCP[kind]
        agent.remove(flow)
        assert net.mark(sender) == 0


@pytest.mark.parametrize('family, addresses', [(4, (B4, C4, D4, A4)), (6, (B6, C6, B6, A6))])
def test_destinations_of_one_socket(net, kernel, agent, family, addresses):
    """Q-027, Q-060, Q-066, Q-088"""
    first, second, third = (addresses[0], PORT), (addresses[1], PORT), (addresses[2], PORT2)
    with net.udp(family) as sender:
        given = agent.give(sender)
        flow = agent.add(given, VOICE, first)
        for more in second, third:
            assert agent.add(given, VOICE, more, flow) == flow
        for marked in first, second, third:
            assert net.mark(sender, marked) == 56
        # Another port, and another address.
        assert net.mark(sender, (addresses[0], PORT4)) == 0
        assert net.mark(sender, (addresses[1], PORT2)) == 0
        agent.remove(flow)
        for marked in first, second, third:
            assert net.mark(sender, marked) == 0


def test_types_told_apart_on_one_socket(net, kernel, agent):
    """Q-088: each destination of a socket has the mark of its own flow"""
    with net.udp() as sender:
        given = agent.give(sender)
        flows = {kind: agent.add(given, kind, (B4, PORT + kind))
                 for kind in (BACKGROUND, AUDIO_VIDEO, VOICE)}
        for kind in flows:
            assert net.mark(sender, (B4, PORT + kind)) == DSCP[kind]
        agent.remove(flows[AUDIO_VIDEO])
        assert net.mark(sender, (B4, PORT + BACKGROUND)) == 8
        assert net.mark(sender, (B4, PORT + AUDIO_VIDEO)) == 0
        assert net.mark(sender, (B4, PORT + VOICE)) == 56
        agent.remove(flows[BACKGROUND])
        agent.remove(flows[VOICE])


def test_thousand_destinations(net, kernel, agent):
    """Q-060 at the size of a voice server"""
    with net.udp() as sender:
        given = agent.give(sender)
        flow = agent.add(given, VOICE, (B4, 10000))
        for port in range(10001, 11000):
            assert agent.add(given, VOICE, (B4, port), flow) == flow
        for port in 10000, 10001, 10500, 10999:
            sender.sendto(b'x', (B4, port))
            assert net.wire.wait(lambda packet, port=port: packet.dport == port)[0].dscp == 56
        sender.sendto(b'x', (B4, 11000))
        assert net.wire.wait(lambda packet: packet.dport == 11000)[0].dscp == 0
        agent.remove(flow, given)
        net.wire.clear()
        sender.sendto(b'x', (B4, 10500))
        assert net.wire.wait(lambda packet: packet.dport == 10500)[0].dscp == 0


def test_other_sockets(net, kernel, agent):
    """Q-089: even one that shares the address and port of the marked one"""
    with contextlib.ExitStack() as stack:
        twins = []
        for _ in range(2):
            twin = stack.enter_context(net.udp())
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            twin.bind((A4, 6000))
            twins.append(twin)
        other = stack.enter_context(net.udp())
        flow = agent.add(agent.give(twins[0]), VOICE, (B4, PORT))
        assert net.mark(twins[0], (B4, PORT)) == 56
        assert net.mark(twins[1], (B4, PORT)) == 0
        assert net.mark(other, (B4, PORT)) == 0
        agent.remove(flow)


def test_v4_mapped(net, kernel, agent):
    """Q-036, Q-037: an IPv6 socket that sends IPv4, also after it was disconnected"""
    peer = (f'::ffff:{B4}', PORT)
    with net.udp(6, connect=peer) as sender:
        given = agent.give(sender)
        flow = agent.add(given)
        packet = net.arrives(sender)
        assert (packet.version, packet.dscp) == (4, 56)
        assert agent.number('disconnect', given) == 0
        assert net.mark(sender, peer) == 56
        assert net.mark(sender, (f'::ffff:{C4}', PORT)) == 0
        agent.remove(flow)
        assert net.mark(sender, peer) == 0


def test_link_local(net, kernel, agent):
    """Q-039"""
    with net.a.entered():
        index = socket.if_nametoindex(CABLE)
    address = net.b.must('ip', '-6', '-brief', 'address', 'show', 'dev', CABLE, 'scope', 'link')
    peer = (address.split()[2].split('/')[0], PORT, 0, index)
    with net.udp(6) as sender:
        flow = agent.add(agent.give(sender), VOICE, (f'{peer[0]}%{index}', PORT))
        assert net.mark(sender, peer) == 56
        agent.remove(flow)
        assert net.mark(sender, peer) == 0


@pytest.mark.parametrize('family, group', [(4, '239.1.2.3'), (6, 'ff15::1234')])
def test_multicast(net, kernel, agent, family, group):
    """Q-230"""
    with net.udp(family) as sender:
        if family == 6:
            with net.a.entered():
                sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF,
                                  socket.if_nametoindex(CABLE))
        flow = agent.add(agent.give(sender), AUDIO_VIDEO, (group, PORT))
        assert net.mark(sender, (group, PORT)) == 40
        assert net.mark(sender, (group, PORT2)) == 0
        agent.remove(flow)
        assert net.mark(sender, (group, PORT)) == 0


def test_broadcast(net, kernel, agent):
    """Q-230"""
    with net.udp() as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        flow = agent.add(agent.give(sender), AUDIO_VIDEO, ('192.0.2.255', PORT))
        assert net.mark(sender, ('192.0.2.255', PORT)) == 40
        agent.remove(flow)


@pytest.mark.parametrize('family, address', [(4, B4), (6, B6)])
def test_fragments(net, kernel, agent, family, address):
    """Q-083: every fragment of a datagram, of the marked destination only"""
    body = os.urandom(5000)
    with net.udp(family) as sender:
        given = agent.give(sender)
        flow = agent.add(given, VOICE, (address, PORT))
        agent.add(given, VOICE, (address, PORT3), flow)
        for port, dscp in (PORT, 56), (PORT3, 56), (PORT2, 0):
            net.wire.clear()
            sender.sendto(body, (address, port))
            fragments = net.wire.wait(lambda packet: packet.more_fragments or packet.fragment_offset, 4)
            assert sum(len(packet.payload) for packet in fragments) == len(body)
            assert [packet.dscp for packet in fragments] == [dscp] * 4
            assert all(packet.sound for packet in fragments)
        agent.remove(flow)


@pytest.mark.parametrize('ecn', range(4))
@pytest.mark.parametrize('family, address', [(4, B4), (6, B6)])
def test_ecn_is_kept(net, kernel, agent, family, address, ecn):
    """Q-086"""
    with net.udp(family, connect=(address, PORT)) as sender:
        if family == 4:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 10 << 2 | ecn)
        else:
            sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 10 << 2 | ecn)
        flow = agent.add(agent.give(sender))
        packet = net.arrives(sender)
        assert (packet.dscp, packet.ecn, packet.sound) == (56, ecn, True)
        agent.remove(flow)
        packet = net.arrives(sender)
        assert (packet.dscp, packet.ecn) == (10, ecn)


def test_flow_label_is_kept(net, kernel, agent):
    """Q-087"""
    label = 0x4abcd
    with net.udp(6) as sender:
        # A label of one's own must be asked for first (get, with the flag to create it, for anyone).
        request = socket.inet_pton(socket.AF_INET6, B6) + struct.pack('!IBB', label, 0, 255)
        request += struct.pack('=HHHI', 1, 0, 0, 0)
        sender.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, request)
        sender.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1)
        sender.connect((B6, PORT, label, 0))
        before = net.arrives(sender)
        assert (before.flow_label, before.dscp) == (label, 0)
        flow = agent.add(agent.give(sender))
        packet = net.arrives(sender)
        assert (packet.flow_label, packet.dscp) == (label, 56)
        agent.remove(flow)


def test_automatic_flow_label_is_kept(net, kernel, agent):
    """Q-087"""
    with net.udp(6, connect=(B6, PORT)) as sender:
        sender.setsockopt(socket.IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, 1)
        before = net.arrives(sender).flow_label
        flow = agent.add(agent.give(sender))
        packet = net.arrives(sender)
        assert before != 0
        assert (packet.flow_label, packet.dscp) == (before, 56)
        agent.remove(flow)


def test_best_effort_leaves_own_mark(net, kernel, agent):
    """Q-091"""
    with net.udp(connect=(B4, PORT)) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x68)
        flow = agent.add(agent.give(sender), BEST_EFFORT)
        assert net.mark(sender) == 0x68 >> 2
        agent.remove(flow)


def test_own_mark_returns(net, kernel, agent):
    """Q-073: what the application has set is covered, not changed"""
    with net.udp(connect=(B4, PORT)) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x68)
        flow = agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        assert sender.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0x68
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0x20)
        assert net.mark(sender) == 56
        agent.remove(flow)
        assert net.mark(sender) == 8


def test_judged_by_tshark(net, kernel, agent):
    """Q-080..Q-082: whole headers, with checksums, as tshark reads them"""
    with net.udp(connect=(B4, PORT)) as v4, net.udp(6, connect=(B6, PORT2)) as v6:
        flows = [agent.add(agent.give(v4), VOICE), agent.add(agent.give(v6), AUDIO_VIDEO)]
        net.wire.clear()
        net.arrives(v4)
        net.arrives(v6)
        for flow in flows:
            agent.remove(flow)
        net.arrives(v4)
        seen = net.wire.tshark('udp.dstport', 'ip.dsfield.dscp', 'ipv6.tclass.dscp', 'ip.checksum.status',
                               'udp.checksum.status', options=(
                                   '-o', 'ip.check_checksum:TRUE', '-o', 'udp.check_checksum:TRUE',
                                   '-Y', 'udp'))
    # Status 1: the checksum is right.
    assert seen == [(str(PORT), '56', '', '1', '1'), (str(PORT2), '', '40', '', '1'),
                    (str(PORT), '0', '', '1', '1')]


# ---- TCP ----

@contextlib.contextmanager
def connection(net, address, family):
    with net.listener(address) as listener, \
            net.a.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE_S * TIME_FACTOR)
        listener.settimeout(PATIENCE_S * TIME_FACTOR)
        yield listener, client


@pytest.mark.parametrize('family, address', [(4, B4), (6, B6)])
def test_tcp_client(net, kernel, agent, family, address):
    """Q-032, Q-094: the SYN, data, pure ACKs"""
    with connection(net, address, family) as (listener, client):
        port = listener.getsockname()[1]
        given = agent.give(client)
        flow = agent.add(given, VOICE, (address, port))
        client.connect((address, port))
        server, _ = listener.accept()
        with server:
            net.arrives(client)
            server.send(b'from the server')
            client.recv(100)
            packets = net.wire.wait(lambda packet: packet.tcp_flags == 'A', 2)
            packets = [packet for packet in net.wire.settle() if packet.protocol == 6]
            assert packets[0].tcp_flags.startswith('S')
            assert {packet.dscp for packet in packets} == {56}
            assert all(packet.sound for packet in packets)
            agent.remove(flow)
            assert net.mark(client) == 0


def test_tcp_server(net, kernel, agent):
    """Q-033, Q-094: an accepted socket"""
    with net.listener(A4, host=net.a) as listener:
        client = net.b.socket(socket.AF_INET, socket.SOCK_STREAM)
        with client:
            client.connect(listener.getsockname())
            server, _ = listener.accept()
            with server:
                assert net.mark(server) == 0
                flow = agent.add(agent.give(server))
                assert net.mark(server) == 56
                net.wire.clear()
                client.send(b'x')
                ack = net.wire.wait(lambda packet: packet.tcp_flags == 'A')
                assert ack[0].dscp == 56
                agent.remove(flow)
                assert net.mark(server) == 0


def test_tcp_server_answers_marked(net, kernel, programs, daemon):
    """The SYN-ACK of a connection that a program in a class accepts"""
    daemon_python = ('import socket, sys\n'
                     'listener = socket.create_server(("192.0.2.1", 7001))\n'
                     'print("listening", flush=True)\n'
                     'connection, _ = listener.accept()\n'
                     'connection.recv(10)\n')
    child = net.a.popen([programs.path('greenwave'), 'run', '--class', 'voice', '--', '/usr/bin/python3',
                         '-c', daemon_python], stdout=-1, env=programs.environment(daemon.socket_path))
    try:
        assert child.stdout.readline() == b'listening\n'
        with net.b.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.connect((A4, 7001))
            syn_ack = net.wire.wait(lambda packet: packet.tcp_flags[:1] == 'S' and packet.sport == 7001)
            assert syn_ack[0].dscp == 56
            client.send(b'x')
            child.wait(5 * TIME_FACTOR)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        net.a.children.remove(child)


def test_tcp_retransmission(net, kernel, agent):
    """Q-094: a segment that was lost comes again with the mark"""
    with connection(net, B4, 4) as (listener, client):
        port = listener.getsockname()[1]
        client.connect((B4, port))
        server, _ = listener.accept()
        with server:
            flow = agent.add(agent.give(client))
            net.arrives(client)
            # The far end goes silent: what is sent now is not acknowledged.
            net.b.must('ip', 'route', 'add', 'blackhole', f'{A4}/32')
            try:
                payload = net.payload()
                client.send(payload)
                copies = net.wire.with_payload(payload, 2)
            finally:
                net.b.must('ip', 'route', 'del', 'blackhole', f'{A4}/32')
            assert {packet.dscp for packet in copies} == {56}
            agent.remove(flow)


def test_tcp_bulk(net, kernel, agent):
    """Q-083, Q-094: a stream in large pieces, both ways at once, is marked to the last segment"""
    size = 4 << 20
    with connection(net, B4, 4) as (listener, client):
        port = listener.getsockname()[1]
        client.connect((B4, port))
        server, _ = listener.accept()
        with server:
            flow = agent.add(agent.give(client), BACKGROUND)
            net.wire.clear()
            received = []

            def drain():
                while sum(received) < size:
                    received.append(len(server.recv(1 << 16)))

            reader = threading.Thread(target=drain)
            reader.start()
            client.sendall(b'x' * size)
            reader.join(20 * TIME_FACTOR)
            assert sum(received) == size
            marks = {packet.dscp for packet in net.wire.settle() if packet.dport == port}
            assert marks == {8}
            agent.remove(flow)


def test_segmentation_offload(net, kernel, agent):
    """Q-083: one large buffer that is cut into datagrams (UDP_SEGMENT)"""
    # Older kernels cut only what an interface computes the checksums of; the cable then carries it in one piece.
    with net.udp(connect=(B4, PORT)) as sender, netns.checksum_offload(net.a, CABLE):
        flow = agent.add(agent.give(sender))
        net.wire.clear()
        sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 500)
        sender.send(b'y' * 3000)
        until(lambda: sum(len(packet.payload) for packet in net.wire.settle(0) if packet.dport == PORT) == 3000)
        assert {packet.dscp for packet in net.wire.packets if packet.dport == PORT} == {56}
        agent.remove(flow)


# ---- not on the wire ----

@pytest.fixture
def classes(net, programs):
    """Counts packets by skb->priority, as a queueing discipline sees it: {priority: packets}."""
    net.a.must('tc', 'qdisc', 'add', 'dev', CABLE, 'root', 'handle', '1:', 'htb', 'default', '10')
    for priority in range(16):
        net.a.must('tc', 'class', 'add', 'dev', CABLE, 'parent', '1:', 'classid', f'1:{0x10 + priority:x}',
                   'htb', 'rate', '1gbit')
    net.a.must('tc', 'filter', 'add', 'dev', CABLE, 'parent', '1:', 'protocol', 'all', 'prio', '1', 'bpf',
               'da', 'obj', programs.path('priority.bpf.o'), 'sec', 'classifier', 'classid', '1:')

    def count():
        counts = {}
        priority = None
        for line in net.a.must('tc', '-s', 'class', 'show', 'dev', CABLE).splitlines():
            words = line.split()
            if words[:2] == ['class', 'htb']:
                priority = int(words[2].split(':')[1], 16) - 0x10
            elif words[:1] == ['Sent'] and int(words[3]):
                counts[priority] = int(words[3])
        return counts

    yield count
    net.a.must('tc', 'qdisc', 'del', 'dev', CABLE, 'root')


@pytest.mark.parametrize('kind', ALL_TYPES)
def test_priority(net, kernel, agent, classes, kind):
    """Q-092"""
    with net.udp(connect=(B4, PORT)) as sender:
        net.arrives(sender)
        before = classes()
        flow = agent.add(agent.give(sender), kind)
        for _ in range(3):
            net.arrives(sender)
        after = classes()
        agent.remove(flow)
        more = {priority: count - before.get(priority, 0) for priority, count in after.items()}
        assert more.get(PRIORITY[kind], 0) >= 3
        assert sum(more.values()) <= 4  # the neighbour may have been asked for


def test_never_tagged(net, kernel, agent):
    """Q-090"""
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender), VOICE)
        assert net.arrives(sender).frame[12:14] == b'\x08\x00'
        agent.remove(flow)


def test_loopback(net, kernel, agent):
    """Q-062: marked there too"""
    with net.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, net.udp() as sender:
        receiver.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        receiver.settimeout(PATIENCE_S * TIME_FACTOR)
        receiver.bind(('127.0.0.1', 0))
        flow = agent.add(agent.give(sender), VOICE, receiver.getsockname())
        sender.sendto(b'x', receiver.getsockname())
        _, ancillary, _, _ = receiver.recvmsg(100, 100)
        assert ancillary[0][2][0] == 56 << 2
        agent.remove(flow)


def test_later_interface(net, kernel, agent):
    """Marking covers interfaces that appear while the daemon runs"""
    net.a.must('ip', 'link', 'add', 'name', 'later', 'type', 'veth', 'peer', 'name', 'later', 'netns',
               net.b.path)
    try:
        with net.b.entered():
            index = socket.if_nametoindex('later')
        for host, address in (net.a, '198.51.100.1/24'), (net.b, '198.51.100.2/24'):
            host.must('ip', 'address', 'add', address, 'dev', 'later')
            host.must('ip', 'link', 'set', 'later', 'up')
        until(lambda: netns.egress_programs(net.a, 'later') == 1)
        with net.b.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, net.udp() as sender:
            receiver.bind(('198.51.100.2', PORT4 + 100))
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
            receiver.settimeout(PATIENCE_S * TIME_FACTOR)
            assert index
            flow = agent.add(agent.give(sender), VOICE, receiver.getsockname())
            sender.sendto(b'x', receiver.getsockname())
            _, ancillary, _, _ = receiver.recvmsg(100, 100)
            assert ancillary[0][2][0] == 56 << 2
            agent.remove(flow)
    finally:
        net.a.must('ip', 'link', 'del', 'later')


def test_latest_flow_wins(net, kernel, agent):
    """Q-228: and the earlier one comes back"""
    with net.udp(connect=(B4, PORT)) as sender:
        given = agent.give(sender)
        earlier, later = agent.add(given, BACKGROUND), agent.add(given, VOICE)
        assert net.mark(sender) == 56
        agent.remove(later)
        assert net.mark(sender) == 8
        agent.remove(earlier)
        assert net.mark(sender) == 0


def test_change_of_type(net, kernel, agent):
    """Q-095, Q-112, Q-117, Q-127"""
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender), BACKGROUND)
        assert agent.ask('set-type', 0, flow, VOICE) == [1, 0]
        assert net.mark(sender) == 56
        assert agent.ask('set-dscp', 0, flow, 46) == [1, 0]
        assert net.mark(sender) == 46
        assert agent.ask('priority', 0, flow) == [1, 0, 46, 0]
        assert agent.ask('set-type', 0, flow, AUDIO_VIDEO) == [1, 0]
        assert net.mark(sender) == 40
        agent.remove(flow)


def test_adaptive_is_unmarked(net, kernel, agent):
    """Q-084, Q-190: before a rate is set; and nothing but our datagram is sent"""
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender), VOICE, flags=0)
        assert net.mark(sender) == 0
        agent.remove(flow)
        assert {packet.dport for packet in net.wire.settle() if packet.protocol == 17} <= {PORT}


def test_each_datagram(net, kernel, agent):
    """Q-063: add, send, remove for each datagram, as a voice server does"""
    count = 2000
    with net.udp() as sender:
        given = agent.give(sender)
        assert agent.number('voice-server', 0, given, B4, PORT, count) == 0
        packets = net.wire.with_payload(b'datagram-', count)
        assert {packet.dscp for packet in packets} == {56}
        assert net.mark(sender, (B4, PORT)) == 0
