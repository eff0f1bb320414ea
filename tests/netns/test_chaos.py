# SPDX-License-Identifier: MIT
"""The daemon and its clients are killed at any moment, under load; afterwards nothing is left of it.

GW_CHAOS_SECONDS says for how long (20), GW_CHAOS_SEED with which sequence of accidents.
"""
import collections
import contextlib
import os
import random
import shutil
import signal
import time

import netns
import pytest

from conftest import B4, CABLE, DSCP, Agent, map_entries, until

SECONDS = float(os.environ.get('GW_CHAOS_SECONDS', '20'))
SEED = int(os.environ.get('GW_CHAOS_SEED', '0')) or random.randrange(1, 1 << 31)
CLIENTS = 6


class Client:
    """An agent and the sockets that it shares with the test. It may die in the middle of anything."""

    def __init__(self, programs, net, daemon, dice):
        self.net = net
        self.dice = dice
        self.agent = Agent(programs, net.a, daemon.socket_path)
        self.sockets = {}
        self.flows = []
        self.open = self.answer('create', 0)[:1] == [1]

    def answer(self, *words, fd=None):
        """[] if the agent is gone."""
        try:
            return self.agent.ask(*words, fd=fd)
        except (ChildProcessError, OSError):
            return []

    def act(self):
        """One step of a program's life; errors are all right, for the daemon may be away."""
        action = self.dice.choice(('socket', 'add', 'add', 'add', 'remove', 'type', 'close', 'handle', 'server'))
        port = self.dice.choice(range(5000, 5010))
        given = self.dice.choice(list(self.sockets) or [None])
        if action == 'socket' or given is None:
            made = self.net.udp()
            fd = (self.answer('take', fd=made.fileno()) or [-1])[0]
            self.sockets[fd] = made
        elif action == 'add':
            answer = self.answer('add', 0, given, B4, port, self.dice.randrange(6), 2, 0)
            if answer[:1] == [1]:
                self.flows.append(answer[2])
        elif action == 'remove' and self.flows:
            self.answer('remove', 0, 0, self.flows.pop(self.dice.randrange(len(self.flows))))
        elif action == 'type' and self.flows:
            self.answer('set-type', 0, self.dice.choice(self.flows), self.dice.randrange(6))
        elif action == 'close':
            # Sometimes the test's own copy is the last one, sometimes the agent's.
            self.answer('close', given)
            self.sockets.pop(given).close()
        elif action == 'handle':
            self.answer('close-handle', 0)
            self.flows = []
            self.answer('create', 0)
        elif action == 'server':
            self.answer('voice-server', 0, given, B4, port, 20)

    def send(self):
        for sock in self.sockets.values():
            with contextlib.suppress(OSError):
                sock.sendto(b'chaos', (B4, self.dice.choice(range(5000, 5010))))

    def kill_amid(self):
        """Asks for something long, and does not live to see its end."""
        given = self.dice.choice(list(self.sockets) or [0])
        with contextlib.suppress(OSError):
            self.agent.control.send(f'voice-server 0 {given} {B4} 5000 100000'.encode())
        time.sleep(self.dice.random() * 0.02)
        self.agent.process.send_signal(signal.SIGKILL)

    def close(self):
        for sock in self.sockets.values():
            sock.close()
        self.agent.kill()


def one_accident(dice, daemon, clients, make_client):
    kind = dice.choice(('client', 'client', 'client', 'daemon', 'program'))
    if kind == 'client':
        index = dice.randrange(len(clients))
        clients[index].kill_amid()
        # Its sockets live on with the test for a while: nobody owns their marks.
        clients[index].send()
        clients[index].close()
        clients[index] = make_client()
    elif kind == 'daemon':
        daemon.kill()
        for client in clients:
            client.send()
            client.act()
        daemon.start()
    else:
        status, _, _ = daemon.cli('run', '--class', dice.choice(('voice', 'background')), '--', 'true')
        assert status == 0


def test_chaos(own_net, own_daemon, programs):
    if not own_daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used')
    print(f'chaos for {SECONDS} s with seed {SEED}')
    net, daemon, dice = own_net, own_daemon, random.Random(SEED)

    def make_client():
        return Client(programs, net, daemon, dice)

    # One that has taken over from another holds other things than the first.
    daemon.kill()
    daemon.start()
    # The first program under `greenwave run` makes the folder of all groups.
    assert daemon.cli('run', '--class', 'voice', '--', 'true')[0] == 0
    until(lambda: daemon.flows() == [])
    time.sleep(0.3)
    descriptors = daemon.descriptors()
    clients = [make_client() for _ in range(CLIENTS)]
    accidents = 0
    deadline = time.monotonic() + SECONDS
    try:
        while time.monotonic() < deadline:
            for _ in range(dice.randrange(1, 30)):
                client = dice.choice(clients)
                client.act()
                client.send()
            one_accident(dice, daemon, clients, make_client)
            accidents += 1
            net.wire.clear()
        print(f'{accidents} accidents')
        assert accidents > 0
        nothing_is_left(net, daemon, clients, descriptors)
    finally:
        for client in clients:
            client.close()


def nothing_is_left(net, daemon, clients, descriptors):
    # All owners die; the sockets are still there, and none of them has a mark.
    for client in clients:
        client.agent.process.send_signal(signal.SIGKILL)
        client.agent.process.wait()
    until(lambda: daemon.status()['flows'] == 0)
    assert daemon.status()['kernel']['entries'] == 0
    assert daemon.json('list', '--all') == {'flows': []}
    if shutil.which('bpftool'):
        assert {name: map_entries(net.a, name) for name in ('sockets', 'dests', 'groups')} == {
            'sockets': 0, 'dests': 0, 'groups': 0}
    for client in clients:
        for sock in client.sockets.values():
            for port in (5000, 5004, 5009):
                assert net.mark(sock, (B4, port)) == 0
    with contextlib.suppress(AssertionError):
        until(lambda: daemon.descriptors() == descriptors)
    assert collections.Counter(daemon.descriptors()) == collections.Counter(descriptors)
    assert netns.egress_programs(net.a, CABLE) == 1
    # It serves as on the first day.
    daemon.check_log()
    with net.udp(connect=(B4, 5000)) as sender:
        agent = clients[0].agent = Agent(daemon.programs, net.a, daemon.socket_path)
        agent.create()
        flow = agent.add(agent.give(sender))
        assert net.mark(sender) == DSCP[4]
        agent.remove(flow)
        assert net.mark(sender) == 0
    daemon.stop()
    assert netns.traces(net.a, ['lo', CABLE]) == []
