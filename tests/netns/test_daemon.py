# SPDX-License-Identifier: MIT
"""greenwaved and its clients: who may what, limits, bad input, configuration, and life without rights."""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket

import pytest

from conftest import (ACCESS_DENIED, B4, B6, BACKGROUND, NO_SYSTEM_RESOURCES, NOBODY, NOT_FOUND, NOT_SUPPORTED,
                      VOICE, Daemon, map_entries, until)
from netns import PATIENCE_S, TIME_FACTOR

PORT, PORT2 = 5000, 5001


# ---- who may what ----

def test_plain_user(net, kernel, agents):
    """Q-113, Q-191, Q-145: anyone may ask for a class; a DSCP of one's own and others' flows need an administrator"""
    root, nobody = agents(net.a, kernel), agents(net.a, kernel, uid=NOBODY)
    root.create()
    nobody.create()
    with net.udp(connect=(B4, PORT)) as one, net.udp(connect=(B4, PORT2)) as other:
        theirs, ours = nobody.add(nobody.give(one)), root.add(root.give(other), BACKGROUND)
        assert net.mark(one) == 56
        assert nobody.ask('set-dscp', 0, theirs, 46) == [0, ACCESS_DENIED]
        assert net.mark(one) == 56
        assert nobody.ask('enumerate', 0) == [0, ACCESS_DENIED]
        assert nobody.ask('priority', 0, ours)[:2] == [0, NOT_FOUND]
        assert nobody.ask('remove', 0, 0, ours) == [0, NOT_FOUND]
        assert root.ask('set-dscp', 0, ours, 46) == [1, 0]
        assert net.mark(other) == 46
        assert root.ask('enumerate', 0) == [1, 0, *sorted([theirs, ours])]
        assert root.ask('priority', 0, theirs) == [1, 0, 56, 0]
        # Nobody changes what another owns, not even root.
        assert root.ask('remove', 0, 0, theirs) == [0, NOT_FOUND]
        assert root.ask('set-type', 0, theirs, VOICE) == [0, NOT_FOUND]
        # The lists show the same.
        assert [flow['id'] for flow in kernel.flows()] == sorted([theirs, ours])
        assert [flow['id'] for flow in kernel.flows(uid=NOBODY)] == [theirs]
        nobody.remove(theirs)
        root.remove(ours)


def test_group_of_administrators(own_net, programs, tmp, agents):
    """Q-118: a member of a configured group"""
    daemon = Daemon(programs, own_net.a, tmp).start('administrators = {"nogroup"}\n')
    agent = agents(own_net.a, daemon, uid=NOBODY)
    agent.create()
    with own_net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        assert agent.ask('set-dscp', 0, flow, 46) == [1, 0]
        assert agent.ask('enumerate', 0) == [1, 0, flow]
        if daemon.has('tc-egress'):
            assert own_net.mark(sender) == 46
        agent.remove(flow)
    daemon.stop()


# ---- what is no use ----

@contextlib.contextmanager
def odd_descriptors(net):
    with contextlib.ExitStack() as stack:
        unix = stack.enter_context(net.a.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        raw = stack.enter_context(net.a.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        file = stack.enter_context(open('/dev/null', 'rb'))  # pylint: disable=R1732
        yield unix, raw, file


def test_descriptors_of_other_kinds(net, daemon, agent):
    """Q-043, Q-044: the specified error, and nothing else happens"""
    assert agent.number('open') == 0
    with odd_descriptors(net) as (unix, raw, file):
        for sock, error in (unix, -97), (raw, -93), (file, -88):
            given = agent.give(sock)
            assert agent.number('add-native', given, B4, PORT, VOICE, 0) == error
            assert agent.try_add(given, to=(B4, PORT))[0] == 0
    assert agent.number('add-native', 9999, B4, PORT, VOICE, 0) == -88
    assert daemon.status()['flows'] == 0


def test_socket_of_another_namespace(net, kernel, agent):
    """Refused: it would never be marked there"""
    with net.b.socket(socket.AF_INET, socket.SOCK_DGRAM) as foreign:
        foreign.connect(('192.0.2.1', PORT))
        given = agent.give(foreign)
        assert agent.number('open') == 0
        assert agent.number('add-native', given, '-', 0, VOICE, 0) == -18  # EXDEV
        assert agent.try_add(given)[:2] == [0, NOT_SUPPORTED]
    assert kernel.status()['kernel']['entries'] == 0


# ---- limits ----

def test_limits(own_net, programs, tmp, agents):
    """Too many flows are refused with 1450, counted, and the daemon lives"""
    daemon = Daemon(programs, own_net.a, tmp).start(
        'policy { max-flows-per-user = 3\n max-flows = 5 }\n')
    nobody, root = agents(own_net.a, daemon, uid=NOBODY), agents(own_net.a, daemon)
    nobody.create()
    root.create()
    with own_net.udp() as sender:
        theirs = nobody.give(sender)
        flows = [nobody.add(theirs, to=(B4, 5000 + number)) for number in range(3)]
        assert nobody.try_add(theirs, to=(B4, 5003))[:2] == [0, NO_SYSTEM_RESOURCES]
        # Another handle of the same user is the same user.
        nobody.create(1)
        assert nobody.try_add(theirs, to=(B4, 5003), handle=1)[:2] == [0, NO_SYSTEM_RESOURCES]
        given = root.give(sender)
        ours = [root.add(given, to=(B4, 5004 + number)) for number in range(2)]
        assert root.try_add(given, to=(B4, 5009))[:2] == [0, NO_SYSTEM_RESOURCES]
        counters = daemon.status()['counters']
        assert counters['refused-limit'] == 3
        nobody.remove(flows[0])
        ours.append(root.add(given, to=(B4, 5009)))
        assert own_net.mark(sender, (B4, 5009)) == 56
        assert daemon.status()['flows'] == 5
    daemon.stop()


def test_too_many_clients(own_net, programs, tmp, agents):
    """Those who come too late are turned away, the others do not notice"""
    daemon = Daemon(programs, own_net.a, tmp).start('policy { max-clients-per-user = 4 }\n')
    nobody = agents(own_net.a, daemon, uid=NOBODY)
    for handle in range(4):
        nobody.create(handle)
    assert nobody.ask('create', 5)[0] == 0
    with own_net.udp(connect=(B4, PORT)) as sender:
        flow = nobody.add(nobody.give(sender))
        nobody.remove(flow)
    assert daemon.flows() == []
    nobody.close_handle(3)
    nobody.create(5)
    assert 'too many clients' in daemon.log()
    daemon.stop()


# ---- bad input ----

def stranger(daemon):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(PATIENCE_S * TIME_FACTOR)
    sock.connect(str(daemon.socket_path))
    return sock


def is_disconnected(sock):
    try:
        while sock.recv(65536):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass
    return True


BAD = {
    'short': b'\1\0\0',
    'unknown type': b'\xff\xff\0\0' + b'\0' * 8,
    'request before greeting': b'\2\0\0\0' + b'\0' * 8,
    'field beyond the end': b'\1\0\0\0' + b'\0' * 8 + b'\1\0\xff\xff',
    'noise': random.Random(1).randbytes(300),
    'too long': b'\1\0\0\0' + b'\0' * 40000,
}


@pytest.mark.parametrize('what', BAD)
def test_malformed_message(net, kernel, agent, what):
    """That client is disconnected, with a reason in the log; nobody else notices"""
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        descriptors = kernel.descriptors()
        with stranger(kernel) as sock:
            sock.send(BAD[what])
            assert is_disconnected(sock)
        until(lambda: kernel.descriptors() == descriptors)
        assert net.mark(sender) == 56
        agent.remove(flow)


def test_malformed_descriptors(net, kernel):
    """Many descriptors, and none where one is needed: none of them stays open"""
    descriptors = kernel.descriptors()
    with open('/dev/null', 'rb') as file:
        for count in (1, 100, 200):
            with stranger(kernel) as sock:
                socket.send_fds(sock, [b'\1\0\0\0' + b'\0' * 8], [file.fileno()] * count)
                sock.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    is_disconnected(sock)
    until(lambda: kernel.descriptors() == descriptors)


def test_noise_is_not_repeated_in_the_log(own_net, own_daemon, agents):
    """A thousand malformed messages are a few lines; a client beside them is served"""
    agent = agents(own_net.a, own_daemon)
    agent.create()
    noise = random.Random(2)
    for _ in range(1000):
        with stranger(own_daemon) as sock:
            with contextlib.suppress(OSError):
                sock.send(noise.randbytes(noise.randrange(1, 400)))
    with own_net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        agent.remove(flow)
    lines = [line for line in own_daemon.log().splitlines() if 'disconnected process' in line]
    assert 1 <= len(lines) <= 30
    assert f'process {os.getpid()} of user 0' in lines[0]


def test_client_that_does_not_read(net, daemon, agents):
    """A watcher that never reads holds nobody up"""
    lazy, busy = agents(net.a, daemon), agents(net.a, daemon)
    assert lazy.number('open') == 0
    assert lazy.number('watch') == 0
    busy.create()
    with net.udp() as sender:
        assert busy.number('voice-server', 0, busy.give(sender), B4, PORT, 2000) == 0
    # It is told how much it has missed.
    assert lazy.ask('event', 1000)[0] == 1
    kinds = set()
    while True:
        answer = lazy.ask('event', 100)
        if answer[0] != 1:
            break
        kinds.add(answer[1])
    assert kinds >= {2, 4}


# ---- configuration ----

def check(programs, net, path):
    return net.a.run([programs.path('greenwaved'), '--check', '-c', str(path)], env=programs.environment())


def test_check(programs, net, tmp):
    """Every error with file and line, and what was expected"""
    good, bad = tmp / 'good.conf', tmp / 'bad.conf'
    good.write_text('marking = rfc4594\npolicy { max-flows = 100 }\n', encoding='utf-8')
    assert check(programs, net, good) == (0, '', '')
    bad.write_text('marking = purple\n'
                   '# fine\n'
                   'colour = red\n'
                   'policy { max-flows = many }\n', encoding='utf-8')
    status, _, error = check(programs, net, bad)
    assert status == 1
    for line in (1, 3, 4):
        assert f'{bad}:{line}:' in error
    assert 'expected windows or rfc4594' in error
    assert 'colour' in error
    status, _, error = check(programs, net, tmp / 'missing.conf')
    assert status == 1
    assert 'missing.conf' in error


def test_bad_configuration_at_start(programs, net, tmp):
    daemon = Daemon(programs, net.a, tmp)
    daemon.configure('policy {\n max-flows = 0\n}\n')
    status, out, error = net.a.run(daemon.command(), env=programs.environment())
    assert (status, out) == (1, '')
    assert f'{daemon.config_path}:2:' in error
    assert not daemon.socket_path.exists()


def test_misuse(programs, net):
    for arguments in (['--colour'], ['-s'], ['extra']):
        status, _, error = net.a.run([programs.path('greenwaved'), *arguments], env=programs.environment())
        assert status == 2
        assert error


def test_reload(own_net, own_daemon, own_agent):
    """SIGHUP: flows in force get their new marks; an error changes nothing"""
    net, agent = own_net, own_agent
    if not own_daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used')
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        own_daemon.configure('marking = rfc4594\n')
        own_daemon.process.send_signal(signal.SIGHUP)
        until(lambda: net.mark(sender) == 46)
        own_daemon.configure('marking = rfc4594\nmarking { voice = 99 }\n')
        own_daemon.process.send_signal(signal.SIGHUP)
        until(lambda: 'the configuration in force stays' in own_daemon.log())
        assert f'{own_daemon.config_path}:2:' in own_daemon.log()
        assert net.mark(sender) == 46
        own_daemon.configure('marking { voice = 34 }\n')
        own_daemon.process.send_signal(signal.SIGHUP)
        until(lambda: net.mark(sender) == 34)
        assert agent.ask('priority', 0, flow) == [1, 0, 34, 0]
        own_daemon.configure('policy { application-marks = ignored }\n')
        own_daemon.process.send_signal(signal.SIGHUP)
        until(lambda: net.mark(sender) == 0)
        agent.remove(flow)


def test_marks_ignored(own_net, programs, tmp, agents):
    """Q-093: all calls succeed, nothing is marked"""
    daemon = Daemon(programs, own_net.a, tmp).start('policy { application-marks = ignored }\n')
    agent = agents(own_net.a, daemon)
    agent.create()
    with own_net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        assert own_net.mark(sender) == 0
        agent.remove(flow)
    daemon.stop()


def test_interfaces(own_net, programs, tmp, agents):
    """Marking restricted to some interfaces"""
    daemon = Daemon(programs, own_net.a, tmp).start('interfaces = {"lo"}\n')
    if not daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used')
    agent = agents(own_net.a, daemon)
    agent.create()
    with own_net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        assert own_net.mark(sender) == 0
        agent.remove(flow)
    daemon.stop()


# ---- the kernel's books ----

def test_books_are_true(net, kernel, agents):
    """kernel.entries is what bpftool counts in the maps"""
    if not shutil.which('bpftool'):
        pytest.skip('needs bpftool')

    def true_count():
        return map_entries(net.a, 'sockets') + map_entries(net.a, 'groups')

    agent = agents(net.a, kernel)
    agent.create()
    with contextlib.ExitStack() as stack:
        flows = []
        for number in range(20):
            sender = stack.enter_context(net.udp(connect=(B4, 5000 + number % 10)))
            flows.append(agent.add(agent.give(sender)))
        assert kernel.status()['kernel']['entries'] == true_count() == 20
        for flow in flows[:7]:
            agent.remove(flow)
        assert kernel.status()['kernel']['entries'] == true_count() == 13
        agent.kill()
        until(lambda: kernel.status()['flows'] == 0)
        assert kernel.status()['kernel']['entries'] == true_count() == 0


def test_folder_is_made_for_everyone(own_net, programs, tmp, agents):
    """Whatever the mask of whoever starts it"""
    daemon = Daemon(programs, own_net.a, tmp)
    daemon.socket_path = tmp / 'made' / 'socket'
    daemon.start(prefix=['sh', '-c', 'umask 077; exec "$@"', 'sh'])
    agent = agents(own_net.a, daemon, uid=NOBODY)
    agent.create()
    with own_net.udp(connect=(B4, PORT)) as sender:
        agent.add(agent.give(sender))
        assert [flow['class'] for flow in daemon.flows(uid=NOBODY)] == ['voice']
    daemon.stop()


# ---- without rights ----

def test_daemon_without_rights(own_net, programs, tmp, agents):
    """As a plain user it serves too, by socket options, and says what that means"""
    net = own_net
    folder = tmp / 'private'
    folder.mkdir()
    folder.chmod(0o777)
    daemon = Daemon(programs, net.a, folder)
    daemon.start(uid=NOBODY)
    status = daemon.status()
    assert status['mode'] == 'daemon'
    assert not status['kernel']['mechanisms']['tc-egress']['present']
    assert status['kernel']['entries'] == 0
    agent = agents(net.a, daemon, uid=NOBODY)
    agent.create()
    with net.udp(connect=(B4, PORT)) as sender, net.udp(6, connect=(B6, PORT)) as other:
        given = agent.give(sender)
        flow, second = agent.add(given), agent.add(agent.give(other), BACKGROUND)
        assert net.mark(sender) == 56
        assert net.mark(other) == 8
        assert [entry['id'] for entry in daemon.flows()] == sorted([flow, second])
        assert agent.ask('set-type', 0, flow, BACKGROUND) == [1, 0]
        assert net.mark(sender) == 8
        agent.remove(flow)
        assert net.mark(sender) == 0
        agent.remove(second)
        assert net.mark(other) == 0
    fd = agent.number('socket', 4, 'udp')
    assert agent.number('connect', fd, B4, PORT) == 0
    flow = agent.add(fd)
    assert agent.number('close', fd) == 0
    until(lambda: daemon.flows() == [])
    agent.remove(flow)
    daemon.stop()


def test_runs_with_few_rights(net, kernel):
    """Once it serves it holds four capabilities"""
    for line in pathlib.Path(f'/proc/{kernel.process.pid}/status').read_text(encoding='ascii').splitlines():
        if line.startswith('CapEff:'):
            effective = int(line.split()[1], 16)
        if line.startswith('NoNewPrivs:'):
            assert line.split()[1] == '1'
    dac_override, net_admin, perfmon, bpf = 1, 12, 38, 39
    assert effective == 1 << dac_override | 1 << net_admin | 1 << perfmon | 1 << bpf


def test_descriptors_do_not_leak(net, daemon, agents):
    """A thousand sockets come and go: the daemon holds none of them"""
    before = daemon.descriptors()
    agent = agents(net.a, daemon)
    agent.create()
    assert agent.number('open') == 0
    assert agent.ask('close-latency', 1000)[0] == 0
    agent.end()
    # Those of the test before may have been there still.
    until(lambda: len(daemon.descriptors()) <= len(before))
