# SPDX-License-Identifier: MIT
"""Hosts on one switch, the links to which are as narrow as one wants: for what measures paths.

The switch is a namespace with a bridge. What leaves it toward a host goes through that host's port, which a token bucket
may make narrow: then it is the bottleneck of every path to that host. Where the kernel has netem, a path may also be long,
and take now more time and now less.
"""
import collections
import pathlib
import time

import netns
from netns import TIME_FACTOR

CABLE = 'cable'
MTU = 1500
ETHERNET_HEADER = 14
IN, BACK = 'ifb-in', CABLE  # of a host: what delays on the way to it, behind its port, and on the way from it

# How long packets are under way, more or less, in each direction; and whether what goes to a host is delayed when it has
# left its narrow port, or before it gets there.
Way = collections.namedtuple('Way', 'delay_ms jitter_ms after')


def netem(way):
    """As tc has it. With a rate, one that does not matter, netem lets no packet overtake another."""
    return ['netem', 'limit', '100000', 'delay', f'{way.delay_ms}ms', f'{way.jitter_ms}ms', 'rate', '10gbit']


def why_no_netem():
    """None: this kernel has it."""
    nowhere = netns.Namespace()
    status, _, error = nowhere.run(['tc', 'qdisc', 'add', 'dev', 'lo', 'root', *netem(Way(1, 1, False))])
    nowhere.close()
    return None if status == 0 else f'netem: {error.strip()}'


class Segment:
    """`hosts` are numbered from 1: 198.51.100.N and 2001:db8:51::N, by cables of the same name at each."""

    def __init__(self, hosts=2):
        self.switch = netns.Namespace()
        self.switch.must('ip', 'link', 'add', 'name', 'lan', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0',
                         'mcast_snooping', '0')
        self.switch.must('ip', 'link', 'set', 'lan', 'up')
        self.hosts = [self._join(number) for number in range(1, hosts + 1)]
        for host in self.hosts[1:]:
            self._wait_for(host)

    def _join(self, number):
        host, port = netns.Namespace(), self.port(number)
        host.must('ip', 'link', 'add', 'name', CABLE, 'type', 'veth', 'peer', 'name', port, 'netns', self.switch.path)
        # What the port sees is then what goes over a wire, packet by packet.
        netns.offload_off(host, CABLE)
        netns.offload_off(self.switch, port)
        host.must('ip', 'address', 'add', f'{self.address(number)}/24', 'dev', CABLE)
        host.must('ip', 'address', 'add', f'{self.address(number, 6)}/64', 'dev', CABLE, 'nodad')
        host.must('ip', 'link', 'set', CABLE, 'up')
        self.switch.must('ip', 'link', 'set', port, 'master', 'lan', 'up')
        return host

    def _wait_for(self, host):
        number = self.hosts.index(host) + 1
        for family in 4, 6:
            netns.wait_for(self.hosts[0], host, self.address(number, family))

    @staticmethod
    def port(number):
        return f'port{number}'

    @staticmethod
    def address(number, family=4):
        return f'2001:db8:51::{number}' if family == 6 else f'198.51.100.{number}'

    def narrow(self, number, rate_bps, queue_ms=150, shaper='tbf', way=None):
        """From now on so many bits a second, Ethernet headers included, reach a host; and so much waits before."""
        burst = max(2 * (MTU + ETHERNET_HEADER), rate_bps // 8 // 2000)
        limit = max(rate_bps // 8 * queue_ms // 1000, 20 * MTU)
        place = self._lengthen(number, way)
        if shaper == 'tbf':
            self._queue(number, *place, 'tbf', 'rate', f'{rate_bps}bit', 'burst', burst, 'limit', limit)
            return
        self._queue(number, *place, 'handle', '1:', 'htb', 'default', '1')
        words = ['dev', self.port(number), 'parent', '1:']
        self.switch.must('tc', 'class', 'replace', *words, 'classid', '1:1', 'htb', 'rate', f'{rate_bps}bit', 'burst',
                         str(burst), 'cburst', str(burst), 'quantum', str(MTU + ETHERNET_HEADER))
        self._queue(number, 'parent', '1:1', 'handle', '10:', 'bfifo', 'limit', limit)

    def _lengthen(self, number, way):
        """Where the queue of the port then goes, in words of tc."""
        self.widen(number)
        if not way:
            return ['root']
        self._delay(self.hosts[number - 1], BACK, way)
        if way.after:
            self._delay(self._way_in(number), IN, way)
            return ['root']
        self._queue(number, 'root', 'handle', '9:', *netem(way))
        return ['parent', '9:1']

    def _way_in(self, number):
        """What comes in through the cable passes another device first, which may have a queue."""
        host = self.hosts[number - 1]
        if host.run(['ip', 'link', 'add', 'name', IN, 'type', 'ifb'])[0] == 0:
            host.must('ip', 'link', 'set', IN, 'up')
            host.run(['tc', 'qdisc', 'add', 'dev', CABLE, 'clsact'])
            host.must('tc', 'filter', 'add', 'dev', CABLE, 'ingress', 'matchall', 'action', 'mirred', 'egress', 'redirect',
                      'dev', IN)
        return host

    @staticmethod
    def _delay(host, device, way):
        host.must('tc', 'qdisc', 'replace', 'dev', device, 'root', *netem(way))

    def _queue(self, number, *words):
        self.switch.must('tc', 'qdisc', 'add', 'dev', self.port(number), *map(str, words))

    def widen(self, number):
        self.switch.run(['tc', 'qdisc', 'del', 'dev', self.port(number), 'root'])

    def _counters(self, number):
        with self.switch.entered():
            # /sys shows the devices of the namespace that it was mounted in; this those of the asking thread.
            lines = pathlib.Path('/proc/thread-self/net/dev').read_text(encoding='ascii').splitlines()
        line = next(line for line in lines if line.strip().startswith(f'{self.port(number)}:'))
        return line.split(':')[1].split()

    def sent_bytes(self, number):
        """What has left the switch toward a host, as the kernel counts it: with Ethernet headers."""
        return int(self._counters(number)[8])

    def received_bytes(self, number):
        """What has come from a host."""
        return int(self._counters(number)[0])

    def close(self):
        for host in self.hosts:
            host.close()
        self.switch.close()


def capacity_bps(rate_bps, packet=1496):
    """Of a link of so many bits a second, what is left to IP packets of a size: Ethernet headers count on it."""
    return rate_bps * packet / (packet + ETHERNET_HEADER)


def sleep(seconds):
    time.sleep(seconds * TIME_FACTOR)
