# SPDX-License-Identifier: MIT
"""Every way in which service ends: the next packet is unmarked, the books say so, and why."""
import os
import signal
import socket
import statistics
import time

import pytest

from conftest import (A4, AUDIO_VIDEO, B4, BACKGROUND, C4, INVALID_HANDLE, NOT_FOUND, PATIENCE_MS, VOICE, Stalled,
                      measured, until)
from netns import PATIENCE_S, TIME_FACTOR

PORT, PORT2 = 5000, 5001
LOCAL_PORT = 6100


def marked_socket_of(agent, net, family=4, to=(B4, PORT), kind=VOICE):
    """A connected socket that only the agent holds, in a flow: (descriptor, flow, local port)."""
    fd = agent.number('socket', family, 'udp')
    assert agent.number('bind', fd, A4, LOCAL_PORT) == 0
    assert agent.number('connect', fd, *to) == 0
    return fd, agent.add(fd, kind)


def send_through(agent, net, fd):
    payload = net.payload().decode()
    assert agent.number('send', fd, payload) == len(payload)
    return net.wire.with_payload(payload.encode())[0].dscp


def same_address_is_unmarked(net):
    """A new socket with the address, port and destination of the one that is gone."""
    with net.udp(bind=(A4, LOCAL_PORT), connect=(B4, PORT)) as successor:
        return net.mark(successor) == 0


def test_close_handle(net, kernel, agent):
    """Q-009, Q-013, Q-212..Q-214, Q-016: all flows of the handle and no others; the sockets go on"""
    agent.create(1)
    with net.udp(connect=(B4, PORT)) as one, net.udp() as two, net.udp(connect=(B4, PORT2)) as other:
        agent.add(agent.give(one), VOICE)
        given = agent.give(two)
        flow = agent.add(given, AUDIO_VIDEO, (B4, PORT2))
        agent.add(given, AUDIO_VIDEO, (C4, PORT), flow)
        kept = agent.add(agent.give(other), BACKGROUND, handle=1)
        marks = [net.mark(one), net.mark(two, (B4, PORT2)), net.mark(two, (C4, PORT)), net.mark(other)]
        assert marks == [56, 40, 40, 8]
        agent.close_handle()
        marks = [net.mark(one), net.mark(two, (B4, PORT2)), net.mark(two, (C4, PORT)), net.mark(other)]
        assert marks == [0, 0, 0, 8]
        assert agent.ask('close-handle', 0) == [0, INVALID_HANDLE]
        agent.remove(kept, handle=1)
        assert kernel.status()['kernel']['entries'] == 0


def test_close_handle_again_and_again(net, kernel, agents):
    """Q-235"""
    agent = agents(net.a, kernel)
    with net.udp(connect=(B4, PORT)) as sender:
        given = agent.give(sender)
        for _ in range(300):
            agent.create()
            agent.add(given)
            assert net.mark(sender) == 56
            agent.close_handle()
            assert net.mark(sender) == 0
            net.wire.clear()


def test_close_socket(net, kernel, agent, endings):
    """Q-075, Q-070: the mark goes inside close(); the identifier stays until it is removed"""
    fd, flow = marked_socket_of(agent, net)
    assert send_through(agent, net, fd) == 56
    assert kernel.status()['kernel']['entries'] == 1
    assert agent.number('close', fd) == 0
    assert same_address_is_unmarked(net)
    until(lambda: kernel.status()['kernel']['entries'] == 0)
    until(lambda: kernel.flows() == [])
    agent.remove(flow)
    assert agent.ask('remove', 0, 0, flow) == [0, NOT_FOUND]


def test_close_native_socket(net, kernel, agent, endings):
    """A flow of greenwave.h ends with its socket"""
    assert agent.number('open') == 0
    fd = agent.number('socket', 4, 'udp')
    assert agent.number('connect', fd, B4, PORT) == 0
    result, flow = agent.ask('add-native', fd, '-', 0, VOICE, 0)
    assert result == 0
    assert send_through(agent, net, fd) == 56
    assert agent.number('close', fd) == 0
    assert endings.next() == (flow, 'closed')
    assert kernel.flows() == []
    # The owner has not asked for it, so it is told.
    assert agent.ask('event', 1000) == [1, 4, flow, 'closed']


def test_duplicate_keeps_the_mark(net, kernel, agent):
    """Q-229: the socket counts, not the descriptor; another process sends through it"""
    with net.udp(connect=(B4, PORT)) as sender:
        given = agent.give(sender)
        flow = agent.add(given)
        assert agent.number('close', given) == 0
        time.sleep(0.05)
        assert net.mark(sender) == 56
        agent.remove(flow)
        assert net.mark(sender) == 0


@pytest.mark.parametrize('end', ['exit', 'kill'])
def test_process_ends(net, kernel, agents, endings, end):
    """Q-198, Q-232: with all its sockets"""
    agent = agents(net.a, kernel)
    agent.create()
    fd, flow = marked_socket_of(agent, net)
    assert send_through(agent, net, fd) == 56
    if end == 'exit':
        with pytest.raises((ChildProcessError, ConnectionError)):
            agent.ask('exit', 0)
        agent.process.wait(PATIENCE_S * TIME_FACTOR)
    else:
        agent.kill()
    assert same_address_is_unmarked(net)
    until(lambda: kernel.flows() == [])
    ended, reason = endings.next()
    assert ended == flow
    assert reason in ('closed', 'owner-died')


def test_process_dies_socket_lives(net, kernel, agents):
    """Q-198 and the time between: the socket is alive in another process, its owner is killed"""
    def measure():
        took, pauses = [], []
        for _ in range(15):
            agent = agents(net.a, kernel)
            agent.create()
            agent.add(agent.give(sender))
            assert net.mark(sender) == 56
            net.wire.clear()
            time_ms, pause_ms = time_until_unmarked(net, sender, agent)
            took.append(time_ms)
            pauses.append(pause_ms)
            agent.process.wait(PATIENCE_S * TIME_FACTOR)
        print(f'unmarked after the death of the owner: median {statistics.median(took):.2f} ms, '
              f'worst {max(took):.2f} ms')
        # The machine may be busy with something else once in a while.
        if statistics.median(took) > 10 * TIME_FACTOR or max(took) > 100 * TIME_FACTOR:
            # What keeps us waiting keeps the daemon, too.
            if max(pauses) > PATIENCE_MS * TIME_FACTOR:
                raise Stalled(f'the machine kept the sender waiting for {max(pauses):.0f} ms')
            pytest.fail(f'marked for {took} ms')

    with net.udp(connect=(B4, PORT)) as sender:
        measured(measure)


def time_until_unmarked(net, sender, agent):
    """Kills the agent while packets are sent; the milliseconds until the last marked one, and of the longest pause."""
    sent = {}
    begin = time.monotonic()
    os.kill(agent.pid, signal.SIGKILL)
    while time.monotonic() - begin < 0.12 * TIME_FACTOR:
        payload = net.payload()
        sent[payload] = time.monotonic()
        sender.send(payload)
        time.sleep(0.0005)
    packets = net.wire.wait(lambda packet: packet.payload in sent, len(sent))
    assert packets[-1].dscp == 0
    marked = [sent[packet.payload] for packet in packets if packet.dscp]
    times = [begin, *sent.values()]
    pause = max(after - before for before, after in zip(times, times[1:]))
    return (max(marked) - begin) * 1e3 if marked else 0.0, pause * 1e3


@pytest.mark.parametrize('end', ['exit', '_exit', 'close'])
def test_child_ends(net, kernel, agent, end):
    """Q-025: flows belong to the process that made them"""
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        assert agent.number('fork', end) == 0
        time.sleep(0.05)
        assert net.mark(sender) == 56
        agent.remove(flow)


def test_unbound_by_remove_of_one_socket(net, kernel, agent):
    """Q-061, Q-067, Q-068: one socket leaves a flow, the others stay"""
    with net.udp() as one, net.udp() as two:
        first, second = agent.give(one), agent.give(two)
        flow = agent.add(first, VOICE, (B4, PORT))
        agent.add(first, VOICE, (B4, PORT), flow)
        agent.add(first, VOICE, (C4, PORT), flow)
        agent.add(second, VOICE, (B4, PORT), flow)
        agent.remove(flow, first)
        marks = [net.mark(one, (B4, PORT)), net.mark(one, (C4, PORT)), net.mark(two, (B4, PORT))]
        assert marks == [0, 0, 56]
        assert agent.ask('remove', 0, first, flow) == [0, NOT_FOUND]
        agent.remove(flow, second)
        assert net.mark(two, (B4, PORT)) == 0


# ---- shutdown and disconnection ----

@pytest.mark.parametrize('how', [socket.SHUT_WR, socket.SHUT_RDWR])
def test_tcp_shutdown(net, kernel, agent, how):
    """What the socket still sends by itself, as its acknowledgements, is unmarked"""
    with net.listener(B4) as listener, net.a.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            flow = agent.add(agent.give(client))
            assert net.mark(client) == 56
            client.shutdown(how)
            until(lambda: kernel.flows() == [])
            assert kernel.status()['kernel']['entries'] == 0
            net.wire.clear()
            if how == socket.SHUT_WR:
                server.send(b'more')
                assert net.wire.wait(lambda packet: packet.tcp_flags == 'A')[0].dscp == 0
            agent.remove(flow)


def test_tcp_shutdown_of_receiving(net, kernel, agent):
    """Sending goes on, and so does its mark"""
    with net.listener(B4) as listener, net.a.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            flow = agent.add(agent.give(client))
            client.shutdown(socket.SHUT_RD)
            time.sleep(0.3)
            assert net.mark(client) == 56
            agent.remove(flow)


def test_udp_shutdown(net, kernel, agent, endings):
    """Noticed at once by fentry, or soon by looking"""
    assert agent.number('open') == 0
    with net.udp(connect=(B4, PORT)) as sender:
        result, flow = agent.ask('add-native', agent.give(sender), '-', 0, VOICE, 0)
        assert result == 0
        assert net.mark(sender) == 56
        sender.shutdown(socket.SHUT_WR)
        assert endings.next() == (flow, 'shutdown')
        assert kernel.status()['kernel']['entries'] == 0


def test_udp_disconnect(net, kernel, agent, endings):
    """A native flow ends with the association; one of qos2.h keeps its destination (Q-037)"""
    assert agent.number('open') == 0
    with net.udp(connect=(B4, PORT)) as sender:
        given = agent.give(sender)
        result, flow = agent.ask('add-native', given, '-', 0, VOICE, 0)
        assert result == 0
        assert net.mark(sender) == 56
        assert agent.number('disconnect', given) == 0
        assert endings.next() == (flow, 'disconnected')
        assert net.mark(sender, (B4, PORT)) == 0


def test_tcp_disconnect(net, kernel, agent, endings):
    assert agent.number('open') == 0
    with net.listener(B4) as listener, net.a.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.connect(listener.getsockname())
        given = agent.give(client)
        result, flow = agent.ask('add-native', given, '-', 0, VOICE, 0)
        assert result == 0
        assert net.mark(client) == 56
        assert agent.number('disconnect', given) == 0
        ended, reason = endings.next()
        assert ended == flow
        assert reason in ('disconnected', 'shutdown')


# ---- the books ----

def test_reasons(net, kernel, agents, endings):
    """Each ending is told once, with its reason"""
    agent = agents(net.a, kernel)
    agent.create()
    with net.udp(connect=(B4, PORT)) as sender:
        given = agent.give(sender)
        flow = agent.add(given)
        agent.remove(flow)
        assert endings.next() == (flow, 'removed')
        flow = agent.add(given)
        agent.close_handle()
        assert endings.next() == (flow, 'handle-closed')
        agent.create()
        flow = agent.add(given)
        agent.kill()
        assert endings.next() == (flow, 'owner-died')
        assert endings.agent.ask('event', 100) == [0]


def test_close_latency(net, daemon, agents):
    """From close() until the books no longer show the flow"""
    agent = agents(net.a, daemon)
    assert agent.number('open') == 0
    answer = agent.ask('close-latency', 1000)
    assert answer[0] == 0, 'a flow did not end within 2 s of close()'
    median, p99, worst = (float(value) for value in answer[1:])
    print(f'close() to gone from the list: median {median:.0f} us, p99 {p99:.0f} us, worst {worst:.0f} us')
    # Two cores, sanitizers, and others at work: the budget of 1 ms is the benchmark's to hold.
    assert p99 < 100_000 * TIME_FACTOR
