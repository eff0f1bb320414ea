# SPDX-License-Identifier: MIT
"""The places that are measured in: network namespaces with veths between them, and daemons of our own.

Everything made here is named after this process, and is gone when the World is closed.
"""
import contextlib
import json
import os
import pathlib
import resource
import select
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))

from netns import TIME_FACTOR  # noqa: E402  pylint: disable=wrong-import-position

SINK_MAC = '02:67:77:00:{:02x}:02'
SOURCE_MAC = '02:67:77:00:{:02x}:01'
NOBODYS_MAC = '02:67:77:00:00:ff'
DESCRIPTORS = 1000000
DESCRIPTORS_PER_HANDLE = 3  # of libgreenwave
DESCRIPTORS_PER_CLIENT = 2  # of greenwaved
DESCRIPTORS_SPARE = 200
PATIENCE_S = 10


class CannotMeasure(Exception):
    pass


class Unavailable(Exception):
    """What an alternative needs is not here; the others are measured without it."""


def command(*words, stdin=None):
    done = subprocess.run(words, input=stdin, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ['no message']
        raise CannotMeasure(f'{" ".join(map(str, words[:6]))}: {said[0]}')
    return done.stdout


def need(tool):
    if not shutil.which(tool):
        raise Unavailable(f'{tool} is not installed')


def end(process, patience_s=PATIENCE_S):
    process.terminate()
    try:
        process.wait(patience_s * TIME_FACTOR)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def wait_for_line(process, what, patience_s=PATIENCE_S):
    """The first line that a child process writes."""
    readable, _, _ = select.select([process.stdout], [], [], patience_s * TIME_FACTOR)
    line = process.stdout.readline().strip() if readable else ''
    if not line:
        raise CannotMeasure(f'{what} did not start')
    return line


def away_s():
    """How long the processors of this machine, if it is a virtual one, were somebody else's, since it began."""
    words = pathlib.Path('/proc/stat').read_text(encoding='ascii').split('\n', 1)[0].split()
    return int(words[8]) / os.sysconf('SC_CLK_TCK')


def raise_descriptor_limit():
    """For our children: 100,000 flows are 100,000 sockets."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (max(DESCRIPTORS, hard), hard):
        with contextlib.suppress(ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return


def descriptor_limit():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


class Place:
    """A namespace with one link, to the sink."""

    def __init__(self, world, number):
        self.world = world
        self.namespace = f'{world.prefix}-{number}'
        self.address = f'10.119.{number}.1'
        self.peer = f'10.119.{number}.2'
        self.number = number
        self.links = 0  # beside the first

    def make(self):
        sink_device = f'sink{self.number}'
        source, sink = SOURCE_MAC.format(self.number), SINK_MAC.format(self.number)
        self.world.add_namespace(self.namespace)
        command('ip', 'link', 'add', 'eth0', 'netns', self.namespace, 'address', source, 'type',
                'veth', 'peer', 'name', sink_device, 'netns', self.world.sink, 'address', sink)
        self.ip('addr', 'add', f'{self.address}/24', 'dev', 'eth0')
        self.ip('link', 'set', 'lo', 'up')
        self.ip('link', 'set', 'eth0', 'up')
        command('ip', '-n', self.world.sink, 'addr', 'add', f'{self.peer}/24', 'dev', sink_device)
        command('ip', '-n', self.world.sink, 'link', 'set', sink_device, 'up')
        # Nobody has to ask for addresses in the middle of a slice.
        self.ip('neigh', 'replace', self.peer, 'lladdr', sink, 'dev', 'eth0', 'nud', 'permanent')

    def add_link(self):
        """One more, to the sink as well: its name, and the address at its other end."""
        self.links += 1
        name, far, net = f'eth{self.links}', f'sink{self.number}x{self.links}', f'10.{121 + self.links}.{self.number}'
        command('ip', 'link', 'add', name, 'netns', self.namespace, 'type', 'veth', 'peer', 'name', far, 'netns',
                self.world.sink)
        self.ip('addr', 'add', f'{net}.1/24', 'dev', name)
        self.ip('link', 'set', name, 'up')
        command('ip', '-n', self.world.sink, 'addr', 'add', f'{net}.2/24', 'dev', far)
        command('ip', '-n', self.world.sink, 'link', 'set', far, 'up')
        return name, f'{net}.2'

    def drop_on_arrival(self):
        """What is sent is received and dropped there at once: the sender pays for as little else as can be."""
        self.ip('neigh', 'replace', self.peer, 'lladdr', NOBODYS_MAC, 'dev', 'eth0', 'nud', 'permanent')

    def ip(self, *words):
        command('ip', '-n', self.namespace, *words)

    def tc(self, *words, stdin=None):
        command('tc', '-n', self.namespace, *words, stdin=stdin)

    def inside(self, *words):
        return ['nsenter', f'--net=/run/netns/{self.namespace}', *map(str, words)]


class Daemon:
    """A greenwaved of our own, in a place."""

    CONFIG = 'policy { max-flows = 150000 max-flows-per-user = 150000 ' \
             'max-clients = 65536 max-clients-per-user = 65536 }\n'

    def __init__(self, place, build, folder, more_config=''):
        self.place = place
        self.build = build
        self.socket = str(folder / f'{place.namespace}.socket')
        config = folder / f'{place.namespace}.conf'
        config.write_text(self.CONFIG + more_config)
        self.log = folder / f'{place.namespace}.log'
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                place.inside(build / 'src/daemon/greenwaved', '-f', '-s', self.socket, '-c', config),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)

    def wait(self):
        try:
            wait_for_line(self.process, 'greenwaved')
        except CannotMeasure as problem:
            said = self.log.read_text().strip().splitlines() or ['no message']
            raise CannotMeasure(f'{problem}: {said[-1]}') from None

    def link(self, name):
        """What it says of a link that is handed over: state and note."""
        status = command(*self.place.inside('env', f'GREENWAVE_SOCKET={self.socket}', self.build / 'src/cli/greenwave',
                                            'status', '--json'))
        return json.loads(status)['links'][name]

    def resident_bytes(self):
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        line = next(line for line in status.splitlines() if line.startswith('VmRSS:'))
        return int(line.split()[1]) * 1024

    def map_bytes(self):
        """What the kernel holds for the maps that the daemon has open."""
        total, seen = 0, set()
        for path in pathlib.Path(f'/proc/{self.process.pid}/fdinfo').iterdir():
            facts = dict(line.split(':', 1) for line in path.read_text().splitlines() if ':' in line)
            if 'map_id' in facts and facts['map_id'] not in seen:
                seen.add(facts['map_id'])
                total += int(facts['memlock'])
        return total

    def pinned(self, name):
        inode = os.stat(f'/run/netns/{self.place.namespace}').st_ino
        path = pathlib.Path(f'/sys/fs/bpf/greenwave/{inode}/{name}')
        return str(path) if path.exists() else None


class World(contextlib.ExitStack):
    def __init__(self, build):
        super().__init__()
        self.build = pathlib.Path(build).resolve()
        self.prefix = f'gwbench{os.getpid()}'
        self.sink = f'{self.prefix}-sink'
        self.places = 0
        raise_descriptor_limit()
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix='gwbench')))
        self.add_namespace(self.sink)
        command('ip', '-n', self.sink, 'link', 'set', 'lo', 'up')

    def add_namespace(self, name):
        command('ip', 'netns', 'add', name)
        self.callback(subprocess.run, ['ip', 'netns', 'del', name], check=False,
                      stderr=subprocess.DEVNULL)

    def place(self):
        self.places += 1
        place = Place(self, self.places)
        place.make()
        return place

    def daemon(self, place=None, more_config=''):
        daemon = Daemon(place or self.place(), self.build, self.folder, more_config)
        self.callback(end, daemon.process)
        daemon.wait()
        return daemon

    def start(self, *words, what):
        """A child process that says when it is ready, and lives as long as its input is open."""
        process = subprocess.Popen(list(map(str, words)), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, text=True)
        self.callback(end, process)
        wait_for_line(process, what, 120)
        return process

    def hold_flows(self, daemon, flows, handles=1):
        """Processes with that many sockets in all, each in a flow; as many as the limit of descriptors asks for."""
        per_flow = 1 + DESCRIPTORS_PER_HANDLE * (handles == flows)
        most = (descriptor_limit() - DESCRIPTORS_SPARE) // per_flow
        while flows > 0:
            batch = min(flows, most)
            self.start(self.program('hold_flows'), daemon.place.namespace, daemon.socket,
                       daemon.place.peer, batch, min(handles, batch), what='hold_flows')
            flows -= batch

    def program(self, name):
        path = self.build / 'bench' / name
        if not path.exists():
            raise CannotMeasure(f'{path} is not built')
        return path
