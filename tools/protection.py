# SPDX-License-Identifier: MIT
"""The protection experiment: a telephone call of 64 kbit/s on a link of 10 Mbit/s, beside what else is sent there.

For the demonstration and the benchmark. Two hosts of its own; what the link's queue is, the caller says.
"""
import collections
import math
import pathlib
import select
import subprocess
import time

import netns
import streams

RATE_MBIT = 10
DEVICE = 'eth0'
A4, B4 = '192.0.2.1', '192.0.2.2'
VOICE_PORT, FLOOD_PORT, BULK_PORT = 5000, 5001, 6000
VOICE_BPS, VOICE_PAYLOAD = 64000, 132  # with its headers 160 bytes, 50 times a second
FLOOD_BPS, FLOOD_PAYLOAD = 20000000, 1172
CONNECTIONS = 8
UNLIMITED = 16 << 20  # bytes that may wait: nothing slows the flood down
LOADS = ('none', 'tcp', 'flood')

# How it went: datagrams sent, the delays in seconds of those that arrived, what the others got (bit/s), and the
# longest that the machine kept the caller waiting (ms).
Call = collections.namedtuple('Call', 'sent delays bulk_bps late_ms')


# The chart: a logarithmic scale of delay, from 10 µs to 10 s.
DECADES, COLUMNS_PER_DECADE = 6, 7
SHORTEST_S = 1e-5
BARS = '▁▂▃▄▅▆▇█'


def loss(call):
    return 1 - len(call.delays) / call.sent


def chart_scale():
    names = ('10 µs', '100 µs', '1 ms', '10 ms', '100 ms', '1 s')
    return ''.join(f'{name:<{COLUMNS_PER_DECADE}}' for name in names)


def chart(delays):
    """How many of the delays lie where on the scale, as a line of bars."""
    counts = [0] * (DECADES * COLUMNS_PER_DECADE)
    for delay in delays:
        column = int(math.log10(max(delay, SHORTEST_S) / SHORTEST_S) * COLUMNS_PER_DECADE)
        counts[min(column, len(counts) - 1)] += 1
    highest = max(counts) or 1
    return ''.join(BARS[(len(BARS) - 1) * count // highest] if count else '·' for count in counts)


class Hosts:
    """a, behind the link, and b. Programs come from a build directory."""

    def __init__(self, build, folder, environment):
        self.build, self.folder, self.environment = pathlib.Path(build), pathlib.Path(folder), environment
        self.a, self.b = netns.Namespace(), netns.Namespace()
        netns.join(self.a, self.b, DEVICE, [f'{A4}/24'], [f'{B4}/24'])
        # It discards what it is sent, and answers nothing.
        self.flooded = streams.Receiver(self.b, B4, FLOOD_PORT)
        self.receiver = streams.Receiver(self.b, B4, VOICE_PORT)
        self.daemon = None

    def stream(self, host, *words, prefix=()):
        program = str(self.build / 'tests/netns/stream')
        if prefix:
            return streams.Stream(host, prefix[0], *prefix[1:], program, *words, env=self.environment)
        return streams.Stream(host, program, *words, env=self.environment)

    # -- what the queue may be --

    def fifo(self):
        """The link as it is: one queue, first come, first served, of 1000 packets as usual."""
        self.tc('qdisc add dev {} root handle 1: htb default 1')
        self.tc('class add dev {} parent 1: classid 1:1 htb rate {}mbit quantum 1514')
        self.tc('qdisc add dev {} parent 1:1 handle 10: pfifo limit 1000')

    def by_hand(self):
        """What an expert would set up for this call, knowing its port."""
        self.tc('qdisc add dev {} root handle 1: htb default 20')
        self.tc('class add dev {} parent 1: classid 1:1 htb rate {}mbit')
        self.tc('class add dev {} parent 1:1 classid 1:10 htb rate 200kbit ceil {}mbit prio 0 quantum 1514')
        self.tc('class add dev {} parent 1:1 classid 1:20 htb rate 9800kbit ceil {}mbit prio 5 quantum 1514')
        self.tc('filter add dev {} parent 1: protocol ip prio 1 u32 match ip dport '
                f'{VOICE_PORT} 0xffff flowid 1:10')

    def tc(self, words):
        self.a.must('tc', *words.replace('{}', DEVICE, 1).replace('{}', str(RATE_MBIT)).split())

    def no_queue(self):
        self.a.run(['tc', 'qdisc', 'del', 'dev', DEVICE, 'root'])

    def greenwave(self):
        """The link is handed over. Returns False if this kernel does not let greenwaved mark and schedule."""
        path, config = self.folder / 'protection.sock', self.folder / 'protection.conf'
        config.write_text(f'link {DEVICE} {{ rate = {RATE_MBIT}Mbit }}\n', encoding='utf-8')
        self.environment = dict(self.environment, GREENWAVE_SOCKET=str(path))
        with open(self.folder / 'protection.log', 'wb') as log:
            self.daemon = self.a.popen(
                [str(self.build / 'src/daemon/greenwaved'), '-f', '-c', str(config), '-s', str(path)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.environment)
        readable, _, _ = select.select([self.daemon.stdout], [], [], 10 * netns.TIME_FACTOR)
        ready = bool(readable) and self.daemon.stdout.readline() == b'ready\n'
        return ready and 'htb 4757:' in self.a.must('tc', 'qdisc', 'show', 'dev', DEVICE)

    def stop_greenwave(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(10 * netns.TIME_FACTOR)
            self.daemon.stdout.close()
            self.a.children.remove(self.daemon)
            self.daemon = None

    # -- the call --

    def call(self, load, seconds, lead, prefix=()):
        """The call, beside a load that begins `lead` seconds before it. `prefix` runs the caller's program."""
        sink = self.stream(self.b, 'sink', B4, BULK_PORT) if load == 'tcp' else None
        noise = self._start(load)
        time.sleep(lead)
        caller = self.stream(self.a, 'send', '-r', VOICE_BPS, '-l', VOICE_PAYLOAD, '-d', seconds, B4, VOICE_PORT,
                             prefix=prefix)
        said = caller.wait()
        # What has been sent by now is still on its way, behind the others' packets.
        others = self.received(sink, noise)
        time.sleep(0.1)
        delays = [one.delay for one in self.receiver.take()]
        return Call(said['datagrams'], delays, others, said['late_ms'])

    def _start(self, load):
        if load == 'tcp':
            return self.stream(self.a, 'bulk', '-c', CONNECTIONS, B4, BULK_PORT)
        if load == 'flood':
            return self.stream(self.a, 'send', '-r', FLOOD_BPS, '-l', FLOOD_PAYLOAD, '-b', UNLIMITED, B4, FLOOD_PORT)
        return None

    def received(self, sink, noise):
        """Ends the others; what they got through, in bit/s."""
        if noise:
            noise.end()
            streams.drain(self.a, DEVICE)
        if sink:
            said = sink.end()
            return said['bytes'] * 8 / max(said['seconds'], 0.001)
        return streams.rate_bps(self.flooded.take())

    def close(self):
        self.stop_greenwave()
        self.receiver.close()
        self.flooded.close()
        self.a.close()
        self.b.close()
