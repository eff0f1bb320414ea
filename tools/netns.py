# SPDX-License-Identifier: MIT
"""Hosts for the namespace tests and the demonstration: network namespaces without a name, joined by veth.

A namespace lives as long as this process, or a process inside it, so that nothing is left behind however
the test ends. Programs are started inside by setns(2) alone: `ip netns exec` would hide /sys from them.
Needs root; nothing outside the namespaces made here is touched.
"""
import contextlib
import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

BPF_PROG_QUERY = 16
BPF_TCX_EGRESS = 47
SYS_BPF = {'x86_64': 321, 'aarch64': 280}.get(os.uname().machine)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17
ETHTOOL_SGSO = 0x24

# How much slower than a usual machine this one is: every limit of time is so much longer.
TIME_FACTOR = float(os.environ.get('GW_TIME_FACTOR', '1'))
# How long what comes at once may take to come, as the machine may be busy with others.
PATIENCE_S = 15

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _own_namespace():
    return os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)


class Namespace:
    """A host of its own."""

    def __init__(self):
        before = _own_namespace()
        try:
            _check(_libc.unshare(CLONE_NEWNET))
            try:
                self.fd = _own_namespace()
                self._set_up()
            finally:
                _check(_libc.setns(before, CLONE_NEWNET))
        finally:
            os.close(before)
        self.children = []

    def _set_up(self):
        # No duplicate address detection: addresses are usable at once.
        for scope in ('all', 'default'):
            with contextlib.suppress(OSError):
                for name, value in (('accept_dad', '0'), ('router_solicitations', '0')):
                    with open(f'/proc/sys/net/ipv6/conf/{scope}/{name}', 'w', encoding='ascii') as file:
                        file.write(value)
        # Port numbers and pings are nobody's privilege here.
        with open('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'w', encoding='ascii') as file:
            file.write('0')
        subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)

    @property
    def path(self):
        """Names the namespace to other programs, while this process lives."""
        return f'/proc/{os.getpid()}/fd/{self.fd}'

    @property
    def inode(self):
        return os.fstat(self.fd).st_ino

    @contextlib.contextmanager
    def entered(self):
        """This thread is inside meanwhile; sockets made there stay there."""
        before = _own_namespace()
        try:
            _check(_libc.setns(self.fd, CLONE_NEWNET))
            try:
                yield
            finally:
                _check(_libc.setns(before, CLONE_NEWNET))
        finally:
            os.close(before)

    def socket(self, family, kind, protocol=0):
        with self.entered():
            return socket.socket(family, kind, protocol)

    def popen(self, command, uid=0, **options):
        """Starts a program inside; it ends with this process at the latest."""

        def enter():
            _check(_libc.setns(self.fd, CLONE_NEWNET))
            if uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            # After the change of user, which clears it.
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

        child = subprocess.Popen(command, preexec_fn=enter, **options)  # pylint: disable=W1509
        self.children.append(child)
        return child

    def run(self, command, uid=0, timeout=20, **options):
        """Runs a program inside to its end; returns (exit status, standard output, standard error)."""
        options.setdefault('stdin', subprocess.DEVNULL)
        child = self.popen(command, uid, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                           **options)
        try:
            out, error = child.communicate(timeout=timeout * TIME_FACTOR)
        finally:
            child.kill()
            child.wait()
            self.children.remove(child)
        return child.returncode, out, error

    def must(self, *command):
        """Runs a program that must succeed; returns what it printed."""
        status, out, error = self.run(list(command))
        if status != 0:
            raise RuntimeError(f'{" ".join(command)}: {error or out}')
        return out

    def close(self):
        for child in self.children:
            child.kill()
            child.wait()
        self.children = []
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _ethtool(interface, command, value):
    value = ctypes.create_string_buffer(struct.pack('II', command, value))
    request = struct.pack('16sP8x', interface.encode(), ctypes.addressof(value))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCETHTOOL, request)


def offload_off(host, interface):
    """Checksums are then computed before the packet leaves, and large packets are cut: a judge may see them."""
    with host.entered():
        _ethtool(interface, ETHTOOL_STXCSUM, 0)
        _ethtool(interface, ETHTOOL_SGSO, 0)


@contextlib.contextmanager
def checksum_offload(host, interface):
    """Meanwhile checksums are the interface's task again."""
    with host.entered():
        _ethtool(interface, ETHTOOL_STXCSUM, 1)
    yield
    with host.entered():
        _ethtool(interface, ETHTOOL_STXCSUM, 0)


def join(a, b, name, addresses_a, addresses_b, offload=False):
    """A cable between two hosts; the interface has the same name at both ends."""
    a.must('ip', 'link', 'add', 'name', name, 'type', 'veth', 'peer', 'name', name, 'netns', b.path)
    for host, addresses in ((a, addresses_a), (b, addresses_b)):
        if not offload:
            offload_off(host, name)
        for address in addresses:
            nodad = ['nodad'] if ':' in address else []
            host.must('ip', 'address', 'add', address, 'dev', name, *nodad)
        host.must('ip', 'link', 'set', name, 'up')
    for address in addresses_b:
        wait_for(a, b, address.partition('/')[0])


def wait_for(a, b, address):
    """The kernel takes up to a second, and longer under load, until it uses a cable for IPv6."""
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    deadline = time.monotonic() + 10 * TIME_FACTOR
    with a.socket(family, socket.SOCK_DGRAM) as sender, b.socket(family, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(0.05)
        bound = False
        while time.monotonic() < deadline:
            try:
                if not bound:
                    receiver.bind((address, 0))
                    bound = True
                sender.sendto(b'ready?', receiver.getsockname())
                receiver.recv(100)
                return
            except OSError:
                time.sleep(0.01)
    raise TimeoutError(f'nothing arrives at {address}')


def _tcx_programs(index):
    """How many programs an interface of this thread's namespace has in its own list; 0 where there is none."""
    ids = (ctypes.c_uint32 * 64)()
    query = ctypes.create_string_buffer(struct.pack('IIIIQI36x', index, BPF_TCX_EGRESS, 0, 0,
                                                    ctypes.addressof(ids), 64))
    if SYS_BPF is None or _libc.syscall(SYS_BPF, BPF_PROG_QUERY, query, len(query.raw)) < 0:
        return 0
    return struct.unpack_from('I', query, 24)[0]


def egress_programs(host, interface):
    """How many of greenwave's programs look at what leaves an interface."""
    text = host.must('tc', 'filter', 'show', 'dev', interface, 'egress')
    with host.entered():
        return text.count('greenwave_mark') + _tcx_programs(socket.if_nametoindex(interface))


def traces(host, interfaces):
    """Everything that a daemon has put into the kernel for a host, in words."""
    found = []
    for interface in interfaces:
        if 'clsact' in host.must('tc', 'qdisc', 'show', 'dev', interface):
            found.append(f'clsact on {interface}')
        programs = egress_programs(host, interface)
        if programs:
            found.append(f'{programs} program{"s" if programs > 1 else ""} on {interface}')
    if pathlib.Path(f'/sys/fs/bpf/greenwave/{host.inode}').exists():
        found.append('pinned maps and links')
    found += [f'control group {path.name}'
              for path in pathlib.Path('/sys/fs/cgroup').glob(f'**/greenwave.{host.inode}*')]
    return found
