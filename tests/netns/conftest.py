# SPDX-License-Identifier: MIT
"""Fixtures: two hosts, a daemon in the first, programs that ask for QoS, and a judge at the second.

The programs are those of the build directory $GW_BUILD (default: build-test, else build, of this tree).
"""
import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / 'tools'))

import netns  # noqa: E402  pylint: disable=wrong-import-position
import streams  # noqa: E402  pylint: disable=wrong-import-position
from netns import PATIENCE_S, TIME_FACTOR  # noqa: E402  pylint: disable=wrong-import-position
from packets import Wire  # noqa: E402  pylint: disable=wrong-import-position

NOBODY = 65534

# Addresses: the first host has one, the second three.
A4, B4, C4, D4 = '192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'
A6, B6, C6 = '2001:db8::1', '2001:db8::2', '2001:db8::3'
CABLE = 'cable'
PORTS = range(5000, 5010)

# QOS_TRAFFIC_TYPE, and what it looks like on the wire (spec/qwave.md §6.1).
BEST_EFFORT, BACKGROUND, EXCELLENT_EFFORT, AUDIO_VIDEO, VOICE, CONTROL = range(6)
DSCP = {BEST_EFFORT: 0, BACKGROUND: 8, EXCELLENT_EFFORT: 40, AUDIO_VIDEO: 40, VOICE: 56, CONTROL: 56}
PRIORITY = {BEST_EFFORT: 0, BACKGROUND: 2, EXCELLENT_EFFORT: 5, AUDIO_VIDEO: 5, VOICE: 7, CONTROL: 7}
CLASSES = ('best-effort', 'background', 'excellent-effort', 'audio-video', 'voice', 'control')
NON_ADAPTIVE = 2

# Windows errors.
ACCESS_DENIED, INVALID_HANDLE, NOT_SUPPORTED, INVALID_PARAMETER = 5, 6, 50, 87
SERVICE_DEPENDENCY_FAIL, REINITIALIZATION_NEEDED, NOT_FOUND = 1068, 1164, 1168
HOST_UNREACHABLE, NO_SYSTEM_RESOURCES = 1232, 1450

SANITIZER = re.compile(r'\w+Sanitizer\b.*|runtime error: .*')


def pytest_configure(config):
    if os.geteuid() != 0:
        return
    # A shell without a terminal starts what it runs in the background deaf to interrupts, and so would be all programs
    # here, which tests end by them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Programs of the build must tell of what sanitizers find, by failing.
    os.environ.setdefault('ASAN_OPTIONS', 'detect_leaks=1:detect_stack_use_after_return=1')
    os.environ.setdefault('UBSAN_OPTIONS', 'halt_on_error=1:print_stacktrace=1')
    for name in ('GREENWAVE_MODE', 'GREENWAVE_SOCKET'):
        os.environ.pop(name, None)


def pytest_collection_modifyitems(items):
    reason = None
    if os.geteuid() != 0:
        reason = 'needs root: network namespaces'
    else:
        missing = [name for name in ('ip', 'tc') if not shutil.which(name)]
        if missing:
            reason = f'needs {" and ".join(missing)} (iproute2)'
        elif build_directory() is None:
            reason = 'nothing is built: set GW_BUILD'
    if reason:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=reason))


def build_directory():
    candidates = [TOP / 'build-test', TOP / 'build']
    if os.environ.get('GW_BUILD'):
        candidates = [TOP / os.environ['GW_BUILD']]
    for build in candidates:
        if (build / 'src/daemon/greenwaved').exists():
            return build
    return None


def until(condition, timeout=PATIENCE_S, step=0.005):
    """The first true value of a condition; fails after the time-out."""
    deadline = time.monotonic() + timeout * TIME_FACTOR
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, 'it did not happen in time'
        time.sleep(step)


# ---- the programs ----

class Programs:
    """The programs under test, in a folder that any user may read, as if they were installed."""

    def __init__(self, folder):
        self.folder = folder
        folder.chmod(0o755)
        build = build_directory()
        for path in ('src/daemon/greenwaved', 'src/cli/greenwave', 'tests/netns/agent', 'tests/netns/gqos_agent',
                     'tests/netns/gqos_alone', 'tests/netns/probe_agent', 'tests/netns/static_sender',
                     'tests/netns/stream', 'tests/netns/priority.bpf.o', 'tests/netns/qwave_conformance',
                     'tests/abi/client_patterns',
                     'examples/voice_sender', 'examples/cleanup_qos', 'examples/adaptive_sender'):
            if (build / path).exists():
                shutil.copy(build / path, folder)
        for library in ('lib/libgreenwave', 'winqos/libgreenwave-win', 'winqos/libqwave',
                        'embedded/libgreenwave-embedded'):
            for path in build.glob(f'src/{library}.so*'):
                if path.is_file() or path.is_symlink():
                    shutil.copy(path, folder, follow_symlinks=False)

    def path(self, name):
        path = self.folder / name
        if not path.exists():
            pytest.skip(f'{name} is not built')
        return str(path)

    def environment(self, socket_path=None, mode=None, **more):
        environment = dict(os.environ, LD_LIBRARY_PATH=str(self.folder), **more)
        # Never the daemon of this machine.
        environment['GREENWAVE_SOCKET'] = str(socket_path or self.folder / 'no-daemon-here')
        if mode:
            environment['GREENWAVE_MODE'] = mode
        return environment


def remove_folder(folder):
    """Also programs that nobody asked how they ended have told there of what sanitizers found."""
    logs = [log.read_text(encoding='utf-8', errors='replace') for log in folder.rglob('*.log')]
    shutil.rmtree(folder)
    findings = [log for log in logs if SANITIZER.search(log)]
    assert not findings, '\n'.join(findings)


@pytest.fixture(scope='session')
def programs():
    folder = pathlib.Path(tempfile.mkdtemp(prefix='greenwave-test-'))
    yield Programs(folder)
    remove_folder(folder)


@pytest.fixture
def tmp(programs):
    """A folder that any user may read, with a short name: sockets live in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='t-', dir=programs.folder))
    folder.chmod(0o755)
    yield folder
    remove_folder(folder)


# ---- the daemon ----

class Daemon:
    """greenwaved in a host. Ends with the test, however that goes."""

    def __init__(self, programs, host, folder, name='gw'):
        self.programs = programs
        self.host = host
        self.folder = folder
        self.socket_path = folder / f'{name}.sock'
        self.config_path = folder / f'{name}.conf'
        self.log_path = folder / f'{name}.log'
        self.config_path.write_text('', encoding='utf-8')
        self.log_path.write_text('', encoding='utf-8')
        self.process = None

    def configure(self, text):
        self.config_path.write_text(text, encoding='utf-8')

    def command(self):
        return [self.programs.path('greenwaved'), '-f', '-c', str(self.config_path), '-s',
                str(self.socket_path)]

    def launch(self, uid=0, prefix=()):
        with open(self.log_path, 'ab') as log:
            self.process = self.host.popen([*prefix, *self.command()], uid, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.PIPE, stderr=log,
                                           env=self.programs.environment())

    def start(self, config=None, uid=0, prefix=()):
        if config is not None:
            self.configure(config)
        begin = time.monotonic()
        self.launch(uid, prefix)
        readable, _, _ = select.select([self.process.stdout], [], [], 20 * TIME_FACTOR)
        line = self.process.stdout.readline() if readable else b''
        assert line == b'ready\n', f'greenwaved is not ready: {self.log()}'
        self.ready_after = time.monotonic() - begin
        return self

    def log(self):
        return self.log_path.read_text(encoding='utf-8', errors='replace')

    def check_log(self):
        found = SANITIZER.search(self.log())
        assert not found, self.log()

    def stop(self):
        """Ends it as an administrator would; returns how long that took."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self._reap(10)
        took = time.monotonic() - begin
        self.check_log()
        assert status == 0, f'greenwaved ended with {status}: {self.log()}'
        return took

    def kill(self):
        self.process.kill()
        self._reap(10)

    def _reap(self, timeout):
        try:
            return self.process.wait(timeout * TIME_FACTOR)
        finally:
            self.process.stdout.close()
            self.host.children.remove(self.process)
            self.process = None

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    def descriptors(self):
        """What it has open, in words, sorted."""
        folder = f'/proc/{self.process.pid}/fd'
        found = []
        for name in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):
                found.append(re.sub(r'\[\d+\]', '', os.readlink(f'{folder}/{name}')))
        return sorted(found)

    # -- what it says --

    def cli(self, *arguments, uid=0, **options):
        """The command line tool, asking this daemon: (exit status, standard output, standard error)."""
        options.setdefault('env', self.programs.environment(self.socket_path))
        status, out, error = self.host.run([self.programs.path('greenwave'), *arguments], uid, **options)
        assert not SANITIZER.search(error), error
        return status, out, error

    def json(self, *arguments, uid=0):
        status, out, error = self.cli(*arguments, '--json', uid=uid)
        assert status == 0, error
        return json.loads(out)

    def flows(self, uid=0):
        return self.json('list', uid=uid)['flows']

    def status(self):
        return self.json('status')

    def has(self, mechanism):
        return self.status()['kernel']['mechanisms'][mechanism]['present']


def map_entries(host, name):
    """How many entries bpftool finds in a map of the daemon of a host."""
    dump = subprocess.run(['bpftool', '-j', 'map', 'dump', 'pinned',
                           f'/sys/fs/bpf/greenwave/{host.inode}/{name}'], check=True, stdout=subprocess.PIPE)
    return len(json.loads(dump.stdout))


def sweep_up(programs, host, folder):
    """A killed daemon rightly leaves its marks in force; the host of a test must not leave them to the system."""
    pins = pathlib.Path(f'/sys/fs/bpf/greenwave/{host.inode}')
    if pins.exists():
        Daemon(programs, host, folder, 'sweep').start().stop()
    assert not pins.exists(), 'a clean stop left pins behind'


# ---- the hosts ----

class Net:
    """Two hosts and the cable between them; `wire` is its far end."""

    def __init__(self):
        self.a = netns.Namespace()
        self.b = netns.Namespace()
        netns.join(self.a, self.b, CABLE, [f'{A4}/24', f'{A6}/64'],
                   [f'{B4}/24', f'{C4}/24', f'{D4}/24', f'{B6}/64', f'{C6}/64'])
        self.a.must('ip', 'route', 'add', '224.0.0.0/4', 'dev', CABLE)
        # Somebody takes what is sent there, else the sender would hear of it.
        self.sinks = [self.listener('::', port, socket.SOCK_DGRAM) for port in PORTS]
        self.wire = Wire(self.b, CABLE)
        self.serial = 0

    def udp(self, family=4, connect=None, bind=None):
        made = self.a.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        if bind:
            made.bind(bind)
        if connect:
            made.connect(connect)
        return made

    def listener(self, address, port=0, kind=socket.SOCK_STREAM, host=None):
        """A socket at the far host that takes what is sent to it, so that nobody answers with an error."""
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        made = (host or self.b).socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen(16)
        return made

    def payload(self):
        self.serial += 1
        return f'payload-{os.getpid()}-{self.serial};'.encode()

    def arrives(self, sender, destination=None):
        """Sends one datagram or piece of a stream; returns the packet that arrived."""
        payload = self.payload()
        if destination:
            sender.sendto(payload, destination)
        else:
            sender.send(payload)
        return self.wire.with_payload(payload)[0]

    def mark(self, sender, destination=None):
        return self.arrives(sender, destination).dscp

    def close(self):
        self.wire.close()
        for sink in self.sinks:
            sink.close()
        self.a.close()
        self.b.close()


@contextlib.contextmanager
def make_net(programs, folder):
    made = Net()
    try:
        yield made
        sweep_up(programs, made.a, folder)
    finally:
        made.close()


@pytest.fixture(scope='module')
def shared_net(programs):
    folder = pathlib.Path(tempfile.mkdtemp(prefix='m-', dir=programs.folder))
    folder.chmod(0o755)
    with make_net(programs, folder) as made:
        made.folder = folder
        yield made


@pytest.fixture(scope='module')
def shared_daemon(programs, shared_net):
    daemon = Daemon(programs, shared_net.a, shared_net.folder).start()
    yield daemon
    if daemon.running:
        daemon.stop()


@pytest.fixture
def net(shared_net):
    """The hosts, shared by the tests of a file."""
    shared_net.wire.clear()
    return shared_net


@pytest.fixture
def daemon(shared_daemon):
    """The daemon, shared by the tests of a file. Each of them leaves it as it was: without flows."""
    assert shared_daemon.running, shared_daemon.log()
    yield shared_daemon
    until(lambda: shared_daemon.status()['flows'] == 0)
    shared_daemon.check_log()


@pytest.fixture
def kernel(daemon):
    """The daemon, with marks in the kernel."""
    if not daemon.has('tc-egress'):
        pytest.skip('the kernel datapath cannot be used: ' + daemon.log())
    return daemon


@pytest.fixture
def own_net(programs, tmp):
    """Hosts for this test alone, for those that kill what others would need."""
    with make_net(programs, tmp) as made:
        yield made


@pytest.fixture
def own_daemon(programs, own_net, tmp):
    daemon = Daemon(programs, own_net.a, tmp).start()
    yield daemon
    if daemon.running:
        daemon.stop()


# ---- traffic that is judged ----

PATIENCE_MS = 20


class Stalled(Exception):
    """The machine was busy with others: nothing can be said about what arrived."""


def measured(measure, attempts=3):
    """Does it, again if the machine was busy with others just then; gives up without a verdict in the end."""
    reason = None
    for _ in range(attempts):
        try:
            return measure()
        except Stalled as stalled:
            reason = stalled
    return pytest.skip(str(reason))


class Traffic:
    """Streams (stream.c) between the hosts of a test; those that still run end with it."""

    def __init__(self, programs):
        self.programs = programs
        self.running = []
        self.late_ms = 0  # the longest that the machine kept a sender waiting

    def start(self, host, *words, fds=(), env=None):
        stream = streams.Stream(host, self.programs.path('stream'), *words, fds=fds, env=env)
        self.running.append(stream)
        return stream

    def result(self, stream, end=False):
        """What a stream says of itself, at its end or now."""
        said = stream.end() if end else stream.wait()
        self.late_ms = max(self.late_ms, said.get('late_ms', 0))
        return said

    def measured(self, measure):
        """measured(), where what fails while a sender is kept waiting is no failure."""
        before = list(self.running)

        def attempt():
            self.late_ms = 0
            try:
                return measure()
            except AssertionError:
                if self.late_ms <= PATIENCE_MS * TIME_FACTOR:
                    raise
                raise Stalled(f'the machine kept a sender waiting for {self.late_ms:.0f} ms') from None
            finally:
                self.close([stream for stream in self.running if stream not in before])

        return measured(attempt)

    def close(self, which=None):
        for stream in list(self.running) if which is None else which:
            stream.close()
            self.running.remove(stream)


@pytest.fixture
def traffic(programs):
    made = Traffic(programs)
    yield made
    made.close()


def rate_of(packets, skip=0.5):
    """Bits of IP per second, once the beginning with its burst is over."""
    begin = packets[0].time + skip
    counted = [packet for packet in packets if packet.time >= begin]
    assert len(counted) > 10, 'hardly anything has arrived'
    return sum(packet.ip_bytes for packet in counted[1:]) * 8 / (counted[-1].time - counted[0].time)


def queue_is_empty(host, device):
    shown = host.must('tc', '-s', 'qdisc', 'show', 'dev', device)
    return all(line.split()[1:3] == ['0b', '0p'] for line in shown.splitlines() if 'backlog' in line)


def within(value, wanted, percent):
    return abs(value - wanted) <= wanted * percent / 100


# ---- programs that ask for QoS ----

class Agent:
    """A process of tests/netns/agent.c in a host."""

    def __init__(self, programs, host, socket_path=None, mode='daemon', uid=0, prefix=()):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.errors = tempfile.TemporaryFile()
        self.process = host.popen([*prefix, programs.path('agent')], uid, stdin=theirs, stdout=subprocess.DEVNULL,
                                  stderr=self.errors, env=programs.environment(socket_path, mode))
        theirs.close()
        self.host = host
        self.control.settimeout(60 * TIME_FACTOR)
        self.pid = self.process.pid

    def ask(self, *words, fd=None):
        """A command of the agent; the numbers and words of its answer."""
        message = ' '.join(str(word) for word in words).encode()
        if fd is None:
            self.control.send(message)
        else:
            socket.send_fds(self.control, [message], [fd])
        answer = self.control.recv(65536).decode()
        if not answer:
            raise ChildProcessError(f'the agent is gone: {self.error_text()}')
        assert answer != 'unknown', words
        return [int(word) if re.fullmatch(r'-?\d+', word) else word for word in answer.split()]

    def number(self, *words, fd=None):
        return self.ask(*words, fd=fd)[0]

    def give(self, sock):
        """Hands over a copy of a socket; the descriptor that the agent knows it by."""
        return self.number('take', fd=sock.fileno())

    # qos2.h; each must succeed, and leave the last error alone

    def create(self, handle=0):
        assert self.ask('create', handle) == [1, 0]
        return handle

    def add(self, sock, kind=VOICE, to=None, flow=0, flags=NON_ADAPTIVE, handle=0):
        result, error, flow = self.try_add(sock, kind, to, flow, flags, handle)
        assert (result, error) == (1, 0)
        assert flow != 0
        return flow

    def try_add(self, sock, kind=VOICE, to=None, flow=0, flags=NON_ADAPTIVE, handle=0):
        address, port = (to[0], to[1]) if to else ('-', 0)
        return self.ask('add', handle, sock, address, port, kind, flags, flow)

    def remove(self, flow, sock=0, handle=0):
        assert self.ask('remove', handle, sock, flow) == [1, 0]

    def close_handle(self, handle=0):
        assert self.ask('close-handle', handle) == [1, 0]

    # its end

    def error_text(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors='replace')

    def kill(self):
        self.process.kill()
        self._reap()

    def end(self):
        if self.process.poll() is None:
            self.control.close()
            try:
                status = self.process.wait(20 * TIME_FACTOR)
            except subprocess.TimeoutExpired:
                status = None
            text = self.error_text()
            self._reap()
            assert status == 0, f'the agent ended with {status}: {text}'
        else:
            self._reap()

    def _reap(self):
        self.process.kill()
        self.process.wait()
        self.control.close()
        self.errors.close()
        if self.process in self.host.children:
            self.host.children.remove(self.process)


@pytest.fixture
def agents(programs):
    """Starts agents; they end with the test."""
    running = []

    def start(host, daemon=None, mode='daemon', uid=0, prefix=()):
        agent = Agent(programs, host, daemon.socket_path if daemon else None, mode, uid, prefix)
        running.append(agent)
        return agent

    yield start
    for agent in running:
        agent.end()


@pytest.fixture
def agent(agents, net, daemon):
    """A program with an open QOS handle at the daemon."""
    agent = agents(net.a, daemon)
    agent.create()
    return agent


@pytest.fixture
def own_agent(agents, own_net, own_daemon):
    agent = agents(own_net.a, own_daemon)
    agent.create()
    return agent


class Endings:
    """Told of every flow that ends: `next()` is its identifier and the reason."""

    FLOW_ENDED = 4

    def __init__(self, agent):
        self.agent = agent
        assert agent.number('open') == 0
        assert agent.number('watch') == 0

    def next(self, timeout=PATIENCE_S):
        deadline = time.monotonic() + timeout * TIME_FACTOR
        while True:
            left = deadline - time.monotonic()
            assert left > 0, 'no flow has ended'
            answer = self.agent.ask('event', int(left * 1000))
            if answer[0] == 1 and answer[1] == self.FLOW_ENDED:
                return answer[2], answer[3]
            assert answer[0] >= 0, answer


@pytest.fixture
def endings(agents, net, daemon):
    return Endings(agents(net.a, daemon))


@pytest.fixture
def line(shared_line):
    """The hosts of a file's shared_line (rsvp_net.Line). Each test leaves them without programs and sessions."""
    shared_line.clear()
    yield shared_line
    shared_line.end_programs()
    until(lambda: shared_line['router'].rsvp()['sessions'] == [])
