# SPDX-License-Identifier: MIT
"""The daemon's part in measuring paths: what its configuration opens and closes, which rights it keeps, what it says."""
import contextlib
import signal
import socket
import struct

import pytest

from conftest import A4, B4, CABLE, Daemon, until
from netns import TIME_FACTOR

PORT = 2177
CAP_NET_RAW = 13
ALL_PORTS = {('tcp', 4), ('tcp', 6), ('udp', 4), ('udp', 6)}


@pytest.fixture
def start(programs, net, tmp):
    """Starts a daemon at the far host."""
    daemons = []

    def begin(config, uid=0, prefix=()):
        daemon = Daemon(programs, net.b, tmp, f'gw{len(daemons)}')
        daemons.append(daemon)
        return daemon.start(config, uid, prefix)

    yield begin
    for daemon in daemons:
        if daemon.running:
            daemon.stop()


def ports(host):
    """(protocol, family) of the sockets bound to the service's port."""
    found = set()
    for line in host.must('ss', '-Hlntu', f'sport = :{PORT}').splitlines():
        words = line.split()
        found.add((words[0], 6 if '[' in words[4] else 4))
    return found


def is_answered(net, address=B4):
    """Whether somebody there answers probegap."""
    with net.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((A4, PORT))
        made.settimeout(0.3 * TIME_FACTOR)
        made.sendto(struct.pack('!BBBBIQQQ', 5, 0, 0, 2, 1, 2, 0, 0), (address, PORT))
        with contextlib.suppress(TimeoutError):
            return made.recv(100)[:1] == b'\6'
        return False


def reload(daemon, config):
    known = daemon.log().count('reloaded')
    daemon.configure(config)
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: daemon.log().count('reloaded') > known)


def has_raw_right(daemon):
    with open(f'/proc/{daemon.process.pid}/status', encoding='ascii') as file:
        kept = next(int(line.split()[1], 16) for line in file if line.startswith('CapPrm'))
    return bool(kept >> CAP_NET_RAW & 1)


def packet_sockets(host):
    return len(host.must('ss', '-H0').splitlines())


def test_takes_no_port_by_itself(net, start):
    """P-012: who is no sink listens nowhere, and who measures nothing has no port; raw frames need no right later on."""
    daemon = start('probe { sink = false }')
    assert ports(net.b) == set()
    assert not is_answered(net)
    assert daemon.has('probe-udp') and daemon.has('probe-frames') and daemon.has('probe-tcp-info')
    assert not daemon.has('probe-sink')
    assert not has_raw_right(daemon)


def test_roles_follow_the_configuration(net, start):
    """P-012, P-042: a sink while the configuration says so, and by those interfaces alone that it names."""
    others = packet_sockets(net.b)
    daemon = start('')
    assert ports(net.b) == ALL_PORTS
    assert is_answered(net) and daemon.has('probe-sink')
    assert packet_sockets(net.b) == others + 1
    reload(daemon, 'probe { sink = true  interfaces = {other} }')
    assert not is_answered(net)
    reload(daemon, f'probe {{ sink = true  interfaces = {{other, {CABLE}}} }}')
    assert is_answered(net)
    reload(daemon, 'probe { sink = true  max-answers-per-second = 10  max-answers-per-second-per-host = 10 }')
    answers = [is_answered(net) for _ in range(4)]
    assert answers[0] and False in answers
    reload(daemon, 'probe { initiator = false  sink = false }')
    assert ports(net.b) == set() and packet_sockets(net.b) == others
    assert 'probe-udp' not in daemon.status()['kernel']['mechanisms']
    reload(daemon, 'probe { sink = true }')
    assert is_answered(net)
    assert not daemon.has('probe-frames') and 'CAP_NET_RAW' in daemon.log()


def test_without_rights(net, start):
    """P-120: a daemon that may not send raw frames measures by datagrams, and is a sink for them."""
    daemon = start('probe { sink = true }', prefix=['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'])
    assert not daemon.has('probe-frames')
    assert is_answered(net)


def test_port_is_somebody_elses(net, start):
    """It serves all the same, says so once, and takes the port when it is free."""
    with net.b.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(('', PORT))
        daemon = start('probe { sink = true }')
        assert daemon.log().count('port 2177') == 1
        assert ports(net.b) == ALL_PORTS
    until(lambda: is_answered(net), timeout=25)
    assert daemon.log().count('port 2177') == 1


def test_a_flood_is_told_of_rarely(net, start):
    """Whoever floods port 2177 makes it neither talkative nor deaf to its clients."""
    daemon = start('probe { sink = true }')
    with net.a.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((A4, PORT))
        for i in range(60000):
            made.sendto(struct.pack('!BBBBIQQQ', 5, 0, 0, 2, i, 2, 0, 0), (B4, PORT))
            if i % 10000 == 0:
                assert daemon.status()['mode'] == 'daemon'
    counters = daemon.status()['counters']
    assert counters['probe-limited'] > 0
    assert daemon.log().count('thrown away') <= 5
