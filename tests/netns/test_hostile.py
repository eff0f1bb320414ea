# SPDX-License-Identifier: MIT
"""Local users who mean harm: more rights than they have, more than their share, others held up."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from conftest import B4, NOBODY, Daemon, until

PORT = 5000
OTHER = 4711
EACCES, EPERM = -13, -1

# What the messages of src/proto/msg.h need, and no library that would refuse to send them.
CLIENT = r'''
import os, socket, struct, sys, time
HELLO, ADD, SET_DSCP, ENUMERATE, RUN, WATCH = 1, 3, 7, 15, 16, 20

def field(tag, form, value):
    data = struct.pack('<' + form, value)
    return struct.pack('<HH', tag, len(data)) + data

def message(kind, *fields):
    return struct.pack('<HHIi', kind, 0, 1, 0) + b''.join(fields)

class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.ask(message(HELLO, field(1, 'I', 1), field(15, '1s', b'x')))

    def ask(self, text, *descriptors):
        """Returns status and fields of the reply."""
        socket.send_fds(self.socket, [text], descriptors)
        while True:
            reply = self.socket.recv(65536)
            kind, _, _, status = struct.unpack_from('<HHIi', reply)
            if kind != 64:
                return status, reply[12:]

    def add(self, sock):
        status, fields = self.ask(message(ADD, field(4, 'I', 0), field(6, 'I', 4), field(5, 'I', 0),
                                          field(7, 'i', -1)), sock.fileno())
        return status or struct.unpack_from('<I', fields, 4)[0]

    def set_dscp(self, flow):
        return self.ask(message(SET_DSCP, field(4, 'I', flow), field(7, 'i', 46)))[0]

    def run(self):
        return self.ask(message(RUN, field(6, 'I', 4), field(5, 'I', 0), field(7, 'i', -1)))[0]

    def watch(self):
        return self.ask(message(WATCH))[0]

PATH = sys.argv[1]
'''


def script(host, daemon, text, *arguments, uid=NOBODY, prefix=()):
    """Runs a hostile program; returns the numbers that it printed."""
    status, out, error = host.run([*prefix, sys.executable, '-c', CLIENT + text, str(daemon.socket_path), *arguments],
                                  uid, env=daemon.programs.environment())
    assert status == 0, error
    return [int(word) for word in out.split()]


# ---- more rights ----

AFTER_EXEC = r'''
client, udp = Client(PATH), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
flow = client.add(udp)
if os.fork() == 0:
    while not open(f'/proc/{os.getppid()}/comm').read().startswith('sleep'):
        time.sleep(0.1)
    print(client.set_dscp(flow), client.run(), flush=True)
    os._exit(0)
os.execv(sys.argv[2], ['sleep', '4'])
'''


def privileged_program(folder, how):
    path = folder / f'sleep-{how}'
    shutil.copy(shutil.which('sleep'), path)
    path.chmod(0o755)
    if how == 'setuid':
        path.chmod(0o4755)
    else:
        # security.capability, version 2: CAP_NET_ADMIN, permitted and effective
        with contextlib.suppress(OSError):
            os.setxattr(path, 'security.capability', struct.pack('<IIIII', 0x02000001, 1 << 12, 0, 0, 0))
            return path
        pytest.skip('no capabilities of files here')
    return path


@pytest.mark.parametrize('how', ['setuid', 'capability'])
def test_connection_of_a_program_that_gained_rights(net, kernel, tmp, how):
    """A connection does not rise with the process that opened it: another one may have it by now"""
    program = privileged_program(tmp, how)
    assert script(net.a, kernel, AFTER_EXEC, str(program)) == [EACCES, EPERM]
    until(lambda: kernel.flows() == [])


ONE_DSCP = r'''
client, udp = Client(PATH), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print(client.set_dscp(client.add(udp)))
'''


def test_root_of_a_user_namespace(net, kernel):
    """There anyone has every capability; here it counts for nothing"""
    if not shutil.which('unshare') or net.a.run(['unshare', '-Ur', 'true'], NOBODY)[0] != 0:
        pytest.skip('plain users make no user namespaces here')
    assert script(net.a, kernel, ONE_DSCP, prefix=['unshare', '-Ur']) == [EACCES]


def test_capability_without_root(net, kernel, agents):
    """A program with CAP_NET_ADMIN proves it when it connects"""
    if not shutil.which('setpriv'):
        pytest.skip('needs setpriv')
    for capabilities, answer in ('-all,+net_admin', [1, 0]), ('-all,+net_raw', [0, 5]):
        prefix = ['setpriv', f'--reuid={NOBODY}', f'--regid={NOBODY}', '--clear-groups',
                  f'--inh-caps={capabilities}', f'--ambient-caps={capabilities}']
        agent = agents(net.a, kernel, prefix=prefix)
        agent.create()
        with net.udp(connect=(B4, PORT)) as sender:
            flow = agent.add(agent.give(sender))
            assert agent.ask('set-dscp', 0, flow, 46) == answer
            agent.remove(flow)


def test_folder_of_pins_of_another_user(own_net, programs, tmp):
    """Where bpffs is open to everyone, nobody else's maps are taken for those of an earlier daemon"""
    folder = pathlib.Path(f'/sys/fs/bpf/greenwave/{own_net.a.inode}')
    for inside in (False, True):
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
        if inside:
            (folder / 'theirs').mkdir()
        os.chown(folder, NOBODY, NOBODY)
        daemon = Daemon(programs, own_net.a, tmp).start()
        usable = daemon.has('tc-egress')
        if usable:
            assert daemon.has('bpffs') != inside
            assert (folder / 'sockets').exists() != inside
        daemon.stop()
        assert folder.exists() == inside or not usable
        for left in folder / 'theirs', folder:
            with contextlib.suppress(FileNotFoundError):
                left.rmdir()
    if not usable:
        pytest.skip('the kernel datapath cannot be used')


# ---- more than a share ----

HOLD = r'''
clients = []
try:
    for _ in range(100):
        clients.append(Client(PATH))
except OSError:
    pass
print(len(clients), flush=True)
time.sleep(60)
'''


@contextlib.contextmanager
def holder(host, daemon, text, uid):
    """A hostile program that has said how far it came, and goes on."""
    child = host.popen([sys.executable, '-c', CLIENT + text, str(daemon.socket_path)], uid,
                       stdout=subprocess.PIPE)
    try:
        yield int(child.stdout.readline())
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        host.children.remove(child)


def test_clients_are_shared(own_net, programs, tmp):
    """Nobody takes the last connections: neither one user, nor one after the other; root gets in at any rate"""
    daemon = Daemon(programs, own_net.a, tmp).start('policy { max-clients = 20 }\n')
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(holder(own_net.a, daemon, HOLD, uid)) for uid in (NOBODY, OTHER, OTHER + 1)]
        assert taken == [10, 5, 3]
        assert daemon.flows(uid=OTHER + 2) == []
        # Root's are two more than all there are.
        for _ in range(4):
            root = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.enter_context(root)
            root.connect(str(daemon.socket_path))
        assert daemon.flows() == []
    daemon.stop()


def unified_hierarchy():
    """Where control groups version 2 are mounted."""
    with open('/proc/mounts', encoding='utf-8') as mounts:
        for line in mounts:
            _, point, kind = line.split()[:3]
            if kind == 'cgroup2':
                return pathlib.Path(point)
    return pytest.skip('control groups version 2 are not mounted')


@contextlib.contextmanager
def control_group(name):
    path = unified_hierarchy() / f'test-{os.getpid()}' / name
    made = [path.parent, path]
    for folder in made:
        folder.mkdir()
    try:
        yield path
    finally:
        for folder in reversed(made):
            until(lambda folder=folder: not [entry for entry in folder.iterdir() if entry.is_dir()])
            folder.rmdir()


SHOW = """IFS=: read -r _ _ group < <(grep ^0:: /proc/self/cgroup); echo "$group" """


def test_limits_hold_under_run(net, kernel, programs):
    """Who is under `run` stays in his control group, with all limits that were set for it"""
    shout = f'{SHOW}; echo -n "$0" >/dev/udp/192.0.2.2/5000'
    inner = f'{programs.path("greenwave")} run --class background -- bash -c \'{shout}\' $1'
    with control_group('limited') as group:
        outer, within = net.payload().decode(), net.payload().decode()
        command = [programs.path('greenwave'), 'run', '--class', 'voice', '--', 'bash', '-c',
                   f'{shout}; {inner}; echo -n "again-$0" >/dev/udp/192.0.2.2/5000', outer, within]
        status, out, error = net.a.run(
            ['bash', '-c', f'echo $$ >{group}/cgroup.procs; exec setpriv --reuid={NOBODY} --regid={NOBODY} '
             '--clear-groups "$@"', 'bash', *command], env=programs.environment(kernel.socket_path))
        assert (status, error) == (0, '')
        name = rf'/test-{os.getpid()}/limited/greenwave\.{net.a.inode}\.run-\d+'
        assert re.fullmatch(rf'{name}\n{name}/greenwave\.{net.a.inode}\.run-\d+\n', out), out
        # Of groups within each other the inner one counts, while it lasts.
        marks = [net.wire.with_payload(payload.encode())[0].dscp
                 for payload in (outer, within, f'again-{outer}')]
        assert marks == [56, 8, 56]
    until(lambda: kernel.flows() == [])


def test_group_removed_by_others(net, kernel, programs):
    """Who manages the group above ends all in it and removes it at once, as systemd does"""
    for _ in range(5):
        with control_group('managed') as group:
            command = f'echo $$ >{group}/cgroup.procs; exec {programs.path("greenwave")} run --class voice -- sleep 100'
            child = net.a.popen(['bash', '-c', command], env=programs.environment(kernel.socket_path))
            until(lambda: len(kernel.flows()) == 1)
            below, = [entry for entry in group.iterdir() if entry.is_dir()]
            until(lambda below=below: (below / 'cgroup.procs').read_text() != '')
            child.kill()
            child.wait()
            net.a.children.remove(child)
            with contextlib.suppress(FileNotFoundError):
                below.rmdir()
        until(lambda: kernel.flows() == [])


# ---- others held up ----

LINGER = r'''
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
listener.bind(('127.0.0.1', 0))
listener.listen()
clients, kept = [Client(PATH) for _ in range(10)], []
for _ in range(10):
    sender = socket.create_connection(listener.getsockname())
    client = clients.pop()
    kept += [client, listener.accept()]
    sender.setblocking(False)
    try:
        while True:
            sender.send(bytes(65536))
    except BlockingIOError:
        pass
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 20))
    # Behind so many other requests that the last copy is on its way when we close ours.
    for _ in range(50):
        client.socket.send(message(WATCH))
    socket.send_fds(client.socket, [message(ADD, field(4, 'I', 0), field(6, 'I', 4), field(5, 'I', 0),
                                            field(7, 'i', -1))], [sender.fileno()])
    sender.close()
print(0, flush=True)
time.sleep(60)
'''


def test_socket_that_lingers(own_net, own_daemon):
    """close() of what a client has passed may take a minute: nobody else waits for it"""
    with holder(own_net.a, own_daemon, LINGER, NOBODY):
        begin = time.monotonic()
        for _ in range(10):
            assert own_daemon.flows(uid=OTHER) == []
        assert time.monotonic() - begin < 10
    until(lambda: own_daemon.flows() == [])
