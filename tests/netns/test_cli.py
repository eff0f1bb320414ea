# SPDX-License-Identifier: MIT
"""The command line tool, with a daemon and without one."""
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from conftest import (A4, B4, BACKGROUND, CLASSES, DSCP, NOBODY, VOICE, until)
from netns import PATIENCE_S, TIME_FACTOR

PORT, PORT2 = 5000, 5001
FINE, FAILED, MISUSE, NO_DAEMON, DENIED = range(5)

FLOW_KEYS = {'id', 'pid', 'comm', 'protocol', 'local', 'destination', 'class', 'dscp', 'rate_bps', 'state', 'api'}

# Sends its second argument to the far host, through bash's own devices.
SHOUT = f'echo -n "$0" > /dev/udp/{B4}/{PORT}'


@contextlib.contextmanager
def running(daemon, *arguments, program='greenwave', **options):
    """A program beside the test; its standard output can be read line by line."""
    options.setdefault('env', daemon.programs.environment(daemon.socket_path))
    child = daemon.host.popen([daemon.programs.path(program), *arguments], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, **options)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
        daemon.host.children.remove(child)


def marks_of(net, payload, count=1):
    return [packet.dscp for packet in net.wire.with_payload(payload.encode(), count)]


# ---- run ----

@pytest.mark.parametrize('kind', range(6))
def test_run_classes(net, kernel, kind):
    """Every class, and the exit status of the program"""
    payload = net.payload().decode()
    status, out, error = kernel.cli('run', '--class', CLASSES[kind], '--', 'bash', '-c', f'{SHOUT}; exit 7', payload)
    assert (status, out, error) == (7, '', '')
    assert marks_of(net, payload) == [DSCP[kind]]
    until(lambda: kernel.flows() == [])


def test_run_static_program(net, kernel, programs):
    """A static program without a C library, its child and its child's child"""
    payload = net.payload().decode()
    status, _, error = kernel.cli('run', '--class', 'voice', '--', programs.path('static_sender'), 'c0000202',
                                  str(PORT), payload)
    assert (status, error) == (23, '')
    assert marks_of(net, payload, 3) == [56, 56, 56]


GO_SENDER = '''package main

import (
	"os"
	"syscall"
)

func main() {
	fd, _ := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	to := &syscall.SockaddrInet4{Port: %d, Addr: [4]byte{192, 0, 2, 2}}
	if syscall.Sendto(fd, []byte(os.Args[1]), 0, to) != nil {
		os.Exit(1)
	}
}
''' % PORT


def test_run_go_program(net, kernel, programs, tmp):
    """A program that makes its system calls by itself"""
    if not shutil.which('go'):
        pytest.skip('needs go')
    source, binary = tmp / 'sender.go', tmp / 'sender'
    source.write_text(GO_SENDER, encoding='utf-8')
    built = subprocess.run(['go', 'build', '-o', str(binary), str(source)], cwd=tmp, check=False, timeout=300,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env=dict(os.environ, CGO_ENABLED='0', GO111MODULE='off', GOFLAGS=''))
    if built.returncode != 0:
        pytest.skip(f'go cannot build: {built.stdout.decode()}')
    payload = net.payload().decode()
    status, _, error = kernel.cli('run', '--class', 'audio-video', '--', str(binary), payload)
    assert (status, error) == (0, '')
    assert marks_of(net, payload) == [40]


def test_run_ends_with_its_last_process(net, kernel):
    """A grandchild that leaves its parents behind stays marked; the flow ends with it"""
    payload = net.payload().decode()
    shout = SHOUT.replace('$0', '$line')
    script = f"(setsid bash -c 'read line; {shout}' <&3 &) 3<&0"
    with running(kernel, 'run', '--class', 'voice', '--', 'bash', '-c', script) as child:
        child.wait(10)
        assert child.returncode == 0
        flows = kernel.flows()
        assert [(flow['class'], flow['dscp'], flow['protocol']) for flow in flows] == [('voice', 56, 'any')]
        child.stdin.write(payload.encode() + b'\n')
        child.stdin.flush()
        assert marks_of(net, payload) == [56]
        until(lambda: kernel.flows() == [])
    assert kernel.status()['kernel']['entries'] == 0


def test_run_beside_a_flow(net, kernel, agents, programs):
    """A flow of a socket wins over the class of its program"""
    payload = net.payload().decode()
    environment = programs.environment(kernel.socket_path)
    script = f'{SHOUT}; exec {programs.path("voice_sender")} -n 2 -e remove {B4}:{PORT2}=voice'
    status, _, error = kernel.cli('run', '--class', 'background', '--', 'bash', '-c', script, payload,
                                  env=environment)
    assert (status, error) == (0, '')
    assert marks_of(net, payload) == [8]
    for phase, dscp in ('before', 8), ('during', 56), ('after', 8):
        assert marks_of(net, phase, 2) == [dscp, dscp]


def test_run_killed_program(kernel):
    """The end by a signal is the program's own"""
    with running(kernel, 'run', '--class', 'voice', '--', 'sleep', '100') as child:
        until(lambda: kernel.flows() != [])
        assert [flow['pid'] for flow in kernel.flows()] == [child.pid]
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == -signal.SIGTERM
    until(lambda: kernel.flows() == [])


def test_run_names_the_program(kernel):
    with running(kernel, 'run', '--class', 'voice', '--', 'sleep', '100'):
        until(lambda: [flow['comm'] for flow in kernel.flows()] == ['sleep'])


def test_run_misuse(daemon):
    for arguments in ([], ['--class', 'voice'], ['--', 'true'], ['--class', 'fast', '--', 'true'],
                      ['--colour', '--', 'true']):
        status, out, error = daemon.cli('run', *arguments)
        assert (status, out) == (MISUSE, '')
        assert error
    status, _, error = daemon.cli('run', '--class', 'voice', '--', '/nonexistent')
    assert status == 127 and '/nonexistent' in error
    status, _, error = daemon.cli('run', '--class', 'voice', '--', '/etc/passwd')
    assert status == 126


def test_run_without_daemon(net, programs, tmp):
    """Warns in one line and runs the program; --strict refuses"""
    payload = net.payload().decode()
    options = {'env': programs.environment(tmp / 'none')}
    command = [programs.path('greenwave'), 'run', '--class', 'voice']
    status, _, error = net.a.run([*command, '--', 'bash', '-c', f'{SHOUT}; exit 7', payload], **options)
    assert status == 7
    assert error.count('\n') == 1 and 'unmarked' in error
    assert marks_of(net, payload) == [0]
    status, _, error = net.a.run([*command, '--strict', '--', 'bash', '-c', SHOUT, 'refused'], **options)
    assert status == NO_DAEMON
    assert error.count('\n') == 1
    assert not [packet for packet in net.wire.settle() if b'refused' in packet.payload]


def test_run_by_plain_user(net, kernel):
    payload = net.payload().decode()
    status, _, error = kernel.cli('run', '--class', 'voice', '--', 'bash', '-c', SHOUT, payload, uid=NOBODY)
    assert (status, error) == (0, '')
    assert marks_of(net, payload) == [56]
    until(lambda: kernel.flows() == [])


# ---- list, watch, status, doctor ----

def test_list(net, kernel, agent):
    """Exactly the keys of the contract, in their forms"""
    assert kernel.json('list') == {'flows': []}
    assert kernel.cli('list')[:2] == (FINE, 'no flows\n')
    with net.udp(bind=(A4, 0), connect=(B4, PORT)) as one, net.udp(6) as two:
        flow = agent.add(agent.give(one))
        second = agent.add(agent.give(two), BACKGROUND, ('2001:db8::2', PORT2))
        listed = kernel.json('list')
        assert set(listed) == {'flows'}
        first = listed['flows'][0]
        assert FLOW_KEYS <= set(first)
        assert {key: first[key] for key in FLOW_KEYS} == {
            'id': flow, 'pid': agent.pid, 'comm': 'agent', 'protocol': 'udp',
            'local': f'{A4}:{one.getsockname()[1]}', 'destination': f'{B4}:{PORT}', 'class': 'voice',
            'dscp': 56, 'rate_bps': None, 'state': 'active', 'api': 'qwave'}
        assert listed['flows'][1]['destination'] == f'[2001:db8::2]:{PORT2}'
        status, out, _ = kernel.cli('list')
        assert status == FINE
        assert len(out.splitlines()) == 3
        assert f'{B4}:{PORT}' in out
        agent.remove(flow)
        agent.remove(second)


def test_list_states(net, kernel, agent):
    """shadowed, unmarked, closed"""
    with net.udp(connect=(B4, PORT)) as sender:
        given = agent.give(sender)
        earlier, later = agent.add(given, BACKGROUND), agent.add(given, VOICE)
        adaptive = agent.add(agent.give(sender), VOICE, to=None, flags=0)
        states = {flow['id']: (flow['state'], flow['dscp']) for flow in kernel.flows()}
        assert states == {earlier: ('shadowed', None), later: ('active', 56), adaptive: ('unmarked', None)}
        for flow in later, earlier, adaptive:
            agent.remove(flow)
    fd = agent.number('socket', 4, 'udp')
    assert agent.number('connect', fd, B4, PORT) == 0
    flow = agent.add(fd)
    assert agent.number('close', fd) == 0
    until(lambda: kernel.flows() == [])
    assert [entry['state'] for entry in kernel.json('list', '--all')['flows']] == ['closed']
    agent.remove(flow)


def test_watch(net, kernel, agents):
    """One object a line for each event, with the reason of each ending"""
    agent = agents(net.a, kernel)
    agent.create()
    with running(kernel, 'watch', '--json') as child, net.udp(connect=(B4, PORT)) as sender:
        given = agent.give(sender)
        events = []

        def next_event():
            events.append(json.loads(child.stdout.readline()))
            return events[-1]

        # Until the first event has come, the watcher may not be listening yet.
        deadline = time.monotonic() + PATIENCE_S * TIME_FACTOR
        while not select.select([child.stdout], [], [], 0.1)[0]:
            assert time.monotonic() < deadline
            agent.remove(agent.add(given))
        time.sleep(0.2)
        flow = agent.add(given, BACKGROUND)
        assert agent.ask('set-type', 0, flow, VOICE) == [1, 0]
        agent.remove(flow)
        while not (events and events[-1]['event'] == 'flow-ended' and events[-1]['flow']['id'] == flow):
            event = next_event()
            assert {'time', 'event', 'reason', 'flow'} <= set(event)
            assert FLOW_KEYS <= set(event['flow'])
            assert abs(event['time'] - time.time()) < 60
        mine = [event for event in events if event['flow']['id'] == flow]
        assert [(event['event'], event['flow']['class']) for event in mine] == [
            ('flow-added', 'background'), ('flow-changed', 'voice'), ('flow-ended', 'voice')]
        assert mine[-1]['reason'] == 'removed'
        second = agent.add(given)
        agent.kill()
        assert next_event()['event'] == 'flow-added'
        ended = next_event()
        assert (ended['event'], ended['flow']['id'], ended['reason']) == ('flow-ended', second, 'owner-died')


def test_watch_ends_with_the_daemon(own_net, own_daemon):
    descriptors = len(own_daemon.descriptors())
    with running(own_daemon, 'watch', stderr=subprocess.PIPE) as child:
        until(lambda: len(own_daemon.descriptors()) > descriptors)
        own_daemon.stop()
        assert child.wait(PATIENCE_S * TIME_FACTOR) == NO_DAEMON
        child.stderr.close()


def test_status(net, kernel, agent):
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        status = kernel.status()
        assert {'mode', 'version', 'flows', 'kernel', 'counters'} <= set(status)
        assert (status['mode'], status['flows'], status['kernel']['entries']) == ('daemon', 1, 1)
        assert status['version'] == '0.1.0'
        assert isinstance(status['kernel']['mechanisms'], dict)
        marked = status['counters']['packets-marked']
        net.arrives(sender)
        assert kernel.status()['counters']['packets-marked'] == marked + 1
        agent.remove(flow)
    code, out, _ = kernel.cli('status')
    assert code == FINE
    assert 'daemon' in out


def test_doctor(kernel):
    code, out, error = kernel.cli('doctor')
    assert (code, error) == (FINE, '')
    assert 'tc-egress' in out
    report = kernel.json('doctor')
    assert report['daemon']['reachable'] is True
    assert {'name', 'present', 'note'} <= set(report['checks'][0])
    present = {check['name']: check['present'] for check in report['checks']}
    assert present['tc-egress'] is True


def test_doctor_tells_of_signalling(kernel, net, programs, tmp):
    """G-256: where nothing is signalled it says what that costs, and how to change it"""
    def rsvp(report):
        return next(check for check in report['checks'] if check['name'] == 'rsvp')

    disabled = rsvp(kernel.json('doctor'))
    assert disabled['present'] is False
    assert 'on this host only' in disabled['note']
    assert 'rsvp { enabled = true }' in disabled['next']
    _, out, _ = net.a.run([programs.path('greenwave'), 'doctor', '--json'],
                          env=programs.environment(tmp / 'none'))
    embedded = rsvp(json.loads(out))
    assert embedded['present'] is False
    assert 'in their own program only' in embedded['note']
    assert 'rsvp { enabled = true }' in embedded['next']


# ---- exit status, environment ----

def test_without_daemon(net, programs, tmp):
    """3 from what needs a daemon; status tells of the engine inside programs"""
    environment = programs.environment(tmp / 'none')

    def run(*arguments):
        return net.a.run([programs.path('greenwave'), *arguments], env=environment)

    for command in ('list', 'watch', 'doctor'):
        code, _, _ = run(command)
        assert code == NO_DAEMON, command
    code, out, _ = run('status', '--json')
    assert code == FINE
    assert json.loads(out)['mode'] == 'embedded'
    code, out, _ = run('doctor', '--json')
    assert code == NO_DAEMON
    assert json.loads(out)['daemon']['reachable'] is False


def test_denied(net, programs, tmp):
    """4: the daemon's socket is not for this user"""
    path = tmp / 'closed'
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o600)
        status, _, error = net.a.run([programs.path('greenwave'), 'list'], NOBODY,
                                     env=programs.environment(path))
        assert status == DENIED
        assert error


def test_misuse(daemon):
    for arguments in (['dance'], ['list', '--colour'], ['list', 'extra'], ['status', '--json=1']):
        status, _, error = daemon.cli(*arguments)
        assert status == MISUSE, arguments
        assert error


def test_modes(net, daemon, agents, programs, tmp):
    """GREENWAVE_MODE and GREENWAVE_SOCKET"""
    environment = programs.environment(daemon.socket_path, 'embedded')
    status, out, _ = net.a.run([programs.path('greenwave'), 'status', '--json'], env=environment)
    assert (status, json.loads(out)['mode']) == (FINE, 'embedded')
    environment = programs.environment(daemon.socket_path, 'auto')
    status, out, _ = net.a.run([programs.path('greenwave'), 'status', '--json'], env=environment)
    assert (status, json.loads(out)['mode']) == (FINE, 'daemon')
    environment = programs.environment(daemon.socket_path, 'sideways')
    status, _, error = net.a.run([programs.path('greenwave'), 'status'], env=environment)
    assert status == FAILED and 'GREENWAVE_MODE' in error


def test_output_to_nowhere(kernel):
    """What cannot be written is an error"""
    with open('/dev/full', 'wb') as full:
        child = kernel.host.popen([kernel.programs.path('greenwave'), 'status'], stdin=subprocess.DEVNULL,
                                  stdout=full, stderr=subprocess.DEVNULL,
                                  env=kernel.programs.environment(kernel.socket_path))
        assert child.wait(10) == FAILED
        kernel.host.children.remove(child)
