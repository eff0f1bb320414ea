# SPDX-License-Identifier: MIT
"""The daemon dies, comes back, and leaves: what stays in force, what is taken over, what is left behind."""
import pathlib
import shutil
import subprocess
import time

import netns
import pytest

from conftest import (AUDIO_VIDEO, B4, BACKGROUND, C4, CABLE, DSCP, NOBODY, REINITIALIZATION_NEEDED, VOICE, Daemon,
                      until)
from netns import TIME_FACTOR

PORT = 5000


@pytest.fixture
def own_kernel(own_daemon):
    if not own_daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used: ' + own_daemon.log())
    return own_daemon


def traces(host):
    return netns.traces(host, ['lo', CABLE])


def running_program(daemon, *command, kind='voice', uid=0):
    """A program under `greenwave run`, started and in its class."""
    child = daemon.host.popen([daemon.programs.path('greenwave'), 'run', '--class', kind, '--', *command],
                              uid, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env=daemon.programs.environment(daemon.socket_path))
    return child


# Sends one datagram for each line it reads.
SENDER = ('/usr/bin/python3', '-c', 'import socket, sys\n'
          's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
          'print("started", flush=True)\n'
          f'for line in sys.stdin: s.sendto(line.encode(), ("{B4}", {PORT}))\n')


def mark_of_program(net, child):
    payload = net.payload()
    child.stdin.write(payload + b'\n')
    child.stdin.flush()
    return net.wire.with_payload(payload)[0].dscp


def end_program(host, child):
    child.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    host.children.remove(child)


def test_marks_outlive_a_crash(own_net, own_kernel, own_agent):
    """Marks stay in force without a daemon; close() still ends them; a successor removes what nobody owns.

    Q-024: the old handle says that it is over, closing it succeeds, a new one works.
    """
    net, agent = own_net, own_agent
    with net.udp(connect=(B4, PORT)) as sender, net.udp() as other:
        flow = agent.add(agent.give(sender))
        second = agent.add(agent.give(other), BACKGROUND, (C4, PORT))
        agent.add(agent.give(other), BACKGROUND, (B4, PORT), second)
        short = agent.number('socket', 4, 'udp')
        assert agent.number('bind', short, '0.0.0.0', 6200) == 0
        agent.add(short, VOICE, (B4, PORT))

        own_kernel.kill()
        marks = [net.mark(sender), net.mark(other, (C4, PORT)), net.mark(other, (B4, PORT))]
        assert marks == [56, 8, 8]
        # The kernel ends it by itself.
        assert agent.number('close', short) == 0
        with net.udp(bind=('0.0.0.0', 6200)) as successor:
            assert net.mark(successor, (B4, PORT)) == 0

        own_kernel.start()
        assert own_kernel.flows() == []
        assert own_kernel.status()['kernel']['entries'] == 0
        marks = [net.mark(sender), net.mark(other, (C4, PORT)), net.mark(other, (B4, PORT))]
        assert marks == [0, 0, 0]

        given = agent.give(sender)
        assert agent.try_add(given)[:2] == [0, REINITIALIZATION_NEEDED]
        assert agent.ask('set-type', 0, flow, VOICE) == [0, REINITIALIZATION_NEEDED]
        agent.close_handle()
        agent.create()
        flow = agent.add(given)
        assert net.mark(sender) == 56
        agent.remove(flow)


def test_programs_outlive_a_crash(own_net, own_kernel):
    """`greenwave run` programs stay marked through a crash and a restart, until they end"""
    net = own_net
    child = running_program(own_kernel, *SENDER, uid=NOBODY)
    try:
        assert child.stdout.readline() == b'started\n'
        assert mark_of_program(net, child) == 56
        known = [(flow['pid'], flow['comm'], flow['class'], flow['dscp']) for flow in own_kernel.flows(uid=NOBODY)]
        assert known == [(child.pid, 'python3', 'voice', 56)]
        own_kernel.kill()
        assert mark_of_program(net, child) == 56
        own_kernel.start()
        assert mark_of_program(net, child) == 56
        flows = own_kernel.flows(uid=NOBODY)
        assert [(flow['pid'], flow['comm'], flow['class'], flow['dscp']) for flow in flows] == known
        own_kernel.kill()
        own_kernel.start()
        assert mark_of_program(net, child) == 56
    finally:
        end_program(net.a, child)
    until(lambda: own_kernel.flows() == [])
    own_kernel.stop()
    assert traces(net.a) == []


def test_clean_stop(own_net, own_kernel, own_agent):
    """SIGTERM: marks end, nothing is left, within a second; the same after a crash in between"""
    net, agent = own_net, own_agent
    child = running_program(own_kernel, *SENDER)
    assert child.stdout.readline() == b'started\n'
    with net.udp(connect=(B4, PORT)) as sender:
        agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        assert traces(net.a) != []
        own_kernel.kill()
        assert own_kernel.start().ready_after < 5 * TIME_FACTOR
        agent.close_handle()
        agent.create()
        agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        took = own_kernel.stop()
        assert net.mark(sender) == 0
        assert mark_of_program(net, child) == 0
        assert agent.try_add(agent.give(sender))[:2] == [0, REINITIALIZATION_NEEDED]
    left = [trace for trace in traces(net.a) if 'control group' not in trace]
    assert left == []
    assert not list(own_kernel.folder.glob(own_kernel.socket_path.name + '*'))
    print(f'gone {took * 1e3:.0f} ms after SIGTERM')
    assert took < 3 * TIME_FACTOR  # 1 s without sanitizers
    end_program(net.a, child)
    # A group with a living program in it cannot be removed; a daemon that finds it empty does that.
    own_kernel.start().stop()
    assert traces(net.a) == []


def test_ready_in_time(own_net, own_daemon):
    """`ready` comes within a second, SIGTERM is obeyed within another (longer under sanitizers)"""
    took = own_daemon.stop()
    limit = 1 if 'asan' not in subprocess.run(
        ['ldd', own_daemon.programs.path('greenwaved')], stdout=subprocess.PIPE, text=True,
        check=True).stdout else 3
    limit *= TIME_FACTOR
    times = []
    for _ in range(3):
        own_daemon.start()
        times.append((own_daemon.ready_after, own_daemon.stop()))
    print('ready after, gone after:', ', '.join(f'{a * 1e3:.0f} ms, {b * 1e3:.0f} ms' for a, b in times))
    assert min(ready for ready, _ in times) < limit
    assert min([took, *(gone for _, gone in times)]) < limit


def test_crash_again_and_again(own_net, own_kernel, agents):
    """Ten crashes leave no more behind than one"""
    net = own_net
    with net.udp(connect=(B4, PORT)) as sender:
        for kind in (VOICE, BACKGROUND, AUDIO_VIDEO, VOICE, BACKGROUND):
            agent = agents(net.a, own_kernel)
            agent.create()
            agent.add(agent.give(sender), kind)
            assert net.mark(sender) == DSCP[kind]
            own_kernel.kill()
            assert net.mark(sender) == DSCP[kind]
            own_kernel.start()
            assert net.mark(sender) == 0
            agent.kill()
    assert netns.egress_programs(net.a, CABLE) == 1
    own_kernel.stop()
    assert traces(net.a) == []


def test_adopts_while_socket_closes(own_net, own_kernel, own_agent):
    """A socket that closed while there was no daemon is not waited for"""
    fd = own_agent.number('socket', 4, 'udp')
    assert own_agent.number('connect', fd, B4, PORT) == 0
    own_agent.add(fd)
    own_kernel.kill()
    assert own_agent.number('close', fd) == 0
    own_kernel.start()
    assert own_kernel.status()['kernel']['entries'] == 0
    own_agent.close_handle()


def repin(host, name, *shape):
    """Another map in the place of one that a daemon has pinned."""
    path = pathlib.Path(f'/sys/fs/bpf/greenwave/{host.inode}/{name}')
    path.unlink()
    subprocess.run(['bpftool', 'map', 'create', path, 'name', name, *map(str, shape)], check=True)


@pytest.mark.skipif(not shutil.which('bpftool'), reason='needs bpftool')
def test_layout_of_an_older_version(own_net, own_kernel, own_agent):
    """What a daemon with other maps has left is replaced, its flows end, the log says so, and nothing stays behind"""
    net, agent = own_net, own_agent
    with net.udp(connect=(B4, PORT)) as sender:
        agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        own_kernel.kill()
        repin(net.a, 'sockets', 'type', 'hash', 'key', 8, 'value', 40, 'entries', 64)
        repin(net.a, 'tuples', 'type', 'hash', 'key', 44, 'value', 16, 'entries', 64)
        own_kernel.start()
        assert '9 of 11 as this one' in own_kernel.log() and 'they are replaced' in own_kernel.log()
        assert own_kernel.flows() == []
        assert own_kernel.status()['kernel']['entries'] == 0
        assert net.mark(sender) == 0
        agent.close_handle()
        agent.create()
        agent.add(agent.give(sender))
        assert net.mark(sender) == 56
    own_kernel.stop()
    assert traces(net.a) == []


# ---- what others have put there ----

def snapshot(host):
    """All traffic control objects of a host, without counters."""
    parts = []
    for interface in ('lo', CABLE):
        for command in (('qdisc', 'show', 'dev', interface), ('class', 'show', 'dev', interface),
                        ('filter', 'show', 'dev', interface), ('filter', 'show', 'dev', interface, 'egress'),
                        ('filter', 'show', 'dev', interface, 'ingress')):
            parts.append(host.must('tc', *command))
    return parts


FOREIGN = [
    'qdisc add dev cable root handle 1: htb default 10',
    'class add dev cable parent 1: classid 1:10 htb rate 100mbit',
    'class add dev cable parent 1: classid 1:20 htb rate 10mbit',
    'filter add dev cable parent 1: protocol ip prio 1 u32 match ip dport 9 0xffff flowid 1:20',
    'qdisc add dev cable clsact',
    'filter add dev cable egress protocol ip prio 20 u32 match ip dport 9 0xffff flowid 1:20',
    'filter add dev cable egress protocol all prio 49152 u32 match u32 0 0 flowid 1:20',
    'filter add dev cable ingress protocol ip prio 3 u32 match ip dport 9 0xffff flowid 1:10',
    'qdisc add dev lo root handle 2: tbf rate 1gbit burst 100k latency 10ms',
]


def add_foreign(host):
    for command in FOREIGN:
        host.must('tc', *command.split())


def test_foreign_objects_are_left_alone(own_net, programs, tmp, agents):
    """Filters and queueing disciplines of others are the same before, during and after"""
    net = own_net
    add_foreign(net.a)
    before = snapshot(net.a)
    daemon = Daemon(programs, net.a, tmp).start()
    if not daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used')
    agent = agents(net.a, daemon)
    agent.create()
    with net.udp(connect=(B4, PORT)) as sender:
        agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        during = snapshot(net.a)
        for ours, theirs in zip(during, before):
            assert [line for line in ours.splitlines() if line in theirs.splitlines()] == theirs.splitlines()
        daemon.kill()
        daemon.start()
        daemon.stop()
        assert net.mark(sender) == 0
    assert snapshot(net.a) == before


def has_clsact(host):
    return 'clsact' in host.must('tc', 'qdisc', 'show', 'dev', CABLE)


def test_foreign_objects_added_meanwhile(own_net, own_kernel):
    """What others hang onto our hook while we run stays when we go"""
    net = own_net
    for command in FOREIGN:
        if 'clsact' not in command or not has_clsact(net.a):
            net.a.must('tc', *command.split())
    own_kernel.stop()
    text = net.a.must('tc', 'filter', 'show', 'dev', CABLE, 'egress')
    assert 'pref 20 u32' in text and 'pref 49152 u32' in text
    assert netns.egress_programs(net.a, CABLE) == 0
    assert 'u32' in net.a.must('tc', 'filter', 'show', 'dev', CABLE, 'ingress')


def is_marked(net, sender):
    """A packet may be lost while others change the interface."""
    payload = net.payload()
    sender.send(payload)
    time.sleep(0.05)
    return any(payload in packet.payload and packet.dscp == 56 for packet in net.wire.settle())


def test_our_filter_is_deleted_by_others(own_net, own_kernel, own_agent):
    """It is put back"""
    net = own_net
    with net.udp(connect=(B4, PORT)) as sender:
        own_agent.add(own_agent.give(sender))
        assert net.mark(sender) == 56
        if not has_clsact(net.a):
            # Our program is in a list of its own, and a hook of others may come and go.
            net.a.must('tc', 'qdisc', 'add', 'dev', CABLE, 'clsact')
            assert net.mark(sender) == 56
        for what in (['filter', 'del', 'dev', CABLE, 'egress'], ['qdisc', 'del', 'dev', CABLE, 'clsact']):
            net.a.must('tc', *what)
            until(lambda: is_marked(net, sender), timeout=10, step=0.1)


def test_interface_goes(own_net, own_kernel, own_agent):
    """An interface is removed under a running daemon, and one of the same name comes"""
    net = own_net
    net.a.must('ip', 'link', 'add', 'name', 'other', 'type', 'veth', 'peer', 'name', 'other', 'netns',
               net.b.path)
    until(lambda: netns.egress_programs(net.a, 'other') == 1)
    net.a.must('ip', 'link', 'del', 'other')
    net.a.must('ip', 'link', 'add', 'name', 'other', 'type', 'veth', 'peer', 'name', 'other', 'netns',
               net.b.path)
    until(lambda: netns.egress_programs(net.a, 'other') == 1)
    with net.udp(connect=(B4, PORT)) as sender:
        own_agent.add(own_agent.give(sender))
        assert net.mark(sender) == 56


# ---- more than one ----

def test_two_daemons(own_net, own_kernel, own_agent, programs, tmp, agents):
    """One in each network namespace; neither sees nor disturbs the other"""
    net = own_net
    there = Daemon(programs, net.b, tmp, 'there').start()
    agent = agents(net.b, there)
    agent.create()
    with net.udp(connect=(B4, PORT)) as sender, net.b.socket(2, 2) as answerer:
        flow = own_agent.add(own_agent.give(sender))
        other = agent.add(agent.give(answerer), BACKGROUND, ('192.0.2.1', PORT))
        assert [entry['id'] for entry in own_kernel.flows()] == [flow]
        assert [entry['id'] for entry in there.flows()] == [other]
        assert net.mark(sender) == 56
        there.stop()
        assert net.mark(sender) == 56
        assert traces(net.b) == []
        assert own_kernel.status()['kernel']['entries'] == 1


def test_two_daemons_for_one_socket(own_net, own_kernel, programs):
    """The second refuses, and the first serves on"""
    status, out, error = own_net.a.run(own_kernel.command(), env=programs.environment())
    assert (status, out) == (1, '')
    assert 'another greenwaved' in error
    assert own_kernel.status()['mode'] == 'daemon'


def test_two_daemons_for_one_namespace(own_net, own_kernel, programs, tmp):
    """With a socket of its own the second refuses too, and says why; a stopped one makes room"""
    second = Daemon(programs, own_net.a, tmp, 'second')
    status, out, error = own_net.a.run(second.command(), env=programs.environment())
    assert (status, out) == (1, '')
    assert 'another greenwaved serves this network namespace' in error
    assert own_kernel.status()['kernel']['mechanisms']['tc-egress']['present']
    own_kernel.stop()
    second.start()
    assert second.status()['kernel']['mechanisms']['tc-egress']['present']
    second.stop()
    own_kernel.start()


def test_ip_netns_exec(own_net, programs, tmp, agents, request):
    """Started as strangers do: /sys is then another one"""
    net = own_net
    holder = net.a.popen(['sleep', '1000'])
    name = f'greenwave-test-{holder.pid}'
    subprocess.run(['ip', 'netns', 'attach', name, str(holder.pid)], check=True)
    request.addfinalizer(lambda: subprocess.run(['ip', 'netns', 'del', name], check=True))
    daemon = Daemon(programs, net.a, tmp).start(prefix=['ip', 'netns', 'exec', name])
    mechanisms = daemon.status()['kernel']['mechanisms']
    assert mechanisms['tc-egress']['present']
    agent = agents(net.a, daemon)
    agent.create()
    child = running_program(daemon, *SENDER)
    with net.udp(connect=(B4, PORT)) as sender:
        assert child.stdout.readline() == b'started\n'
        assert mark_of_program(net, child) == 56
        agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        daemon.kill()
        assert net.mark(sender) == 56
        daemon.start(prefix=['ip', 'netns', 'exec', name])
        assert net.mark(sender) == 0
        end_program(net.a, child)
        until(lambda: daemon.flows() == [])
        daemon.stop()
    assert traces(net.a) == []
