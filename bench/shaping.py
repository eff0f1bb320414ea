# SPDX-License-Identifier: MIT
"""shape: how exactly a rate is kept to, in bytes of IP at the receiver, beside a token bucket filter."""
import os
import pathlib
import subprocess
import sys
import time

import world

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))

import netns
import streams

DEVICE = 'eth0'
A4, B4 = '192.0.2.1', '192.0.2.2'
PORT, SINK_PORT = 5000, 6000
LINK = '2Gbit'
# bit/s, bytes of payload
RATES = {'64 kbit/s': (64000, 172), '1 Mbit/s': (1000000, 972), '10 Mbit/s': (10000000, 1172),
         '100 Mbit/s': (100000000, 1472), '1 Gbit/s': (1000000000, 1472)}
QUICK_RATES = ('1 Mbit/s', '100 Mbit/s')
# TCP leaves in pieces of up to 64 KiB: at low rates that is much of a window.
STREAM_RATES = ('1 Mbit/s', '100 Mbit/s', '1 Gbit/s')
COUNTED_FROM_BPS = 50000000  # here a packet more or less in the window is nothing, and to stamp each is too much
WINDOW_S, QUICK_WINDOW_S = 5, 1
SETTLE_S = 1
LIMIT_PERCENT = 1
LATE_MS = 20
ATTEMPTS = 3
ETHERNET_BYTES = 14


class Lab:
    """Two hosts; what leaves the first is shaped."""

    def __init__(self, here):
        self.build, self.folder = here.build, here.folder
        self.environment = dict(os.environ, GREENWAVE_MODE='daemon',
                                GREENWAVE_SOCKET=str(here.folder / 'shaping.sock'))
        self.program = str(self.build / 'tests/netns/stream')
        self.a, self.b = netns.Namespace(), netns.Namespace()
        netns.join(self.a, self.b, DEVICE, [f'{A4}/24'], [f'{B4}/24'])
        self.receiver = streams.Receiver(self.b, B4, PORT)
        self.sink = streams.Stream(self.b, self.program, 'sink', B4, SINK_PORT, env=self.environment)

    def start_daemon(self):
        config = self.folder / 'shaping.conf'
        config.write_text(f'link {DEVICE} {{ rate = {LINK} }}\n')
        daemon = self.a.popen([str(self.build / 'src/daemon/greenwaved'), '-f', '-c', str(config), '-s',
                               self.environment['GREENWAVE_SOCKET']], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        world.wait_for_line(daemon, 'greenwaved')

    def greenwave(self, rate_bps, *words):
        tool = str(self.build / 'src/cli/greenwave')
        return streams.Stream(self.a, tool, 'run', '--class', 'audio-video', '--rate', f'{rate_bps}bit', '--',
                              self.program, *words, env=self.environment)

    def tbf(self, rate_bps, *words):
        """The usual burst: what passes in two ticks of a slow clock, and some packets at least."""
        self.a.must('tc', 'qdisc', 'replace', 'dev', DEVICE, 'root', 'tbf', 'rate', f'{rate_bps}bit', 'burst',
                    str(max(rate_bps // 8 // 250, 5000)), 'limit', '1000000')
        return streams.Stream(self.a, self.program, *words, env=self.environment)

    def no_queue(self):
        self.a.run(['tc', 'qdisc', 'del', 'dev', DEVICE, 'root'])

    def counters(self):
        """(time, bytes of IP, packets) that the far end has received."""
        with self.b.entered():
            text = pathlib.Path('/proc/thread-self/net/dev').read_text()
        line = next(line for line in text.splitlines() if line.strip().startswith(f'{DEVICE}:'))
        received, packets = map(int, line.split(':')[1].split()[:2])
        return time.monotonic(), received - ETHERNET_BYTES * packets, packets

    def window(self, seconds):
        """What arrives in a window: (bit/s of IP, packets/s)."""
        begin = self.counters()
        time.sleep(seconds)
        end = self.counters()
        span = end[0] - begin[0]
        return (end[1] - begin[1]) * 8 / span, (end[2] - begin[2]) / span

    def stamped_window(self, seconds):
        """The same, from the arrival of one datagram to that of another."""
        self.receiver.take()
        time.sleep(seconds)
        arrived = self.receiver.take()
        if len(arrived) < 3:
            return 0, 0
        span = arrived[-1].arrived - arrived[0].arrived
        return sum(one.ip_bytes for one in arrived[1:]) * 8 / span, (len(arrived) - 1) / span

    def close(self):
        self.receiver.close()
        self.a.close()
        self.b.close()


def datagrams(lab, way, rate_bps, payload, window_s):
    """What arrives of half as much again as the rate."""
    stream = getattr(lab, way)(rate_bps, 'send', '-r', rate_bps * 3 // 2, '-l', payload, B4, PORT)
    return judged(lab, way, stream, lab.window if rate_bps >= COUNTED_FROM_BPS else lab.stamped_window, window_s)


def connection(lab, way, rate_bps, window_s):
    return judged(lab, way, getattr(lab, way)(rate_bps, 'bulk', B4, SINK_PORT), lab.window, window_s)


def judged(lab, way, stream, judge, window_s):
    """(bit/s as the way counts them, the longest that the machine kept the sender waiting)"""
    time.sleep(SETTLE_S)
    bps, packets = judge(window_s)
    late_ms = stream.end().get('late_ms', 0)
    time.sleep(0.1)
    lab.receiver.take()
    return bps + (packets * ETHERNET_BYTES * 8 if way == 'tbf' else 0), late_ms


def measure(lab, how, *words):
    for _ in range(ATTEMPTS):
        bps, late_ms = how(lab, *words)
        if late_ms < LATE_MS:
            break
    return bps


def show(figures, name, way, kind, rate_bps, bps):
    error = abs(bps / rate_bps - 1) * 100
    figures.add('shape', f'{way}, {kind} at {name}: off by', {
        'case': f'{way}-{kind}-{rate_bps}', 'unit': '%', 'value': error, 'bps': bps},
                ('value', LIMIT_PERCENT, ' %') if way == 'greenwave' else None)


def run(here, figures, quick):
    figures.title('shape: how far from the rate, in bytes of IP at the receiver (tbf: with Ethernet headers, which it '
                  'counts)')
    window_s = QUICK_WINDOW_S if quick else WINDOW_S
    lab = Lab(here)
    try:
        for way in 'tbf', 'greenwave':
            if way == 'greenwave':
                lab.no_queue()
                lab.start_daemon()
            for name, (rate_bps, payload) in RATES.items():
                if quick and name not in QUICK_RATES:
                    continue
                show(figures, name, way, 'UDP', rate_bps, measure(lab, datagrams, way, rate_bps, payload, window_s))
                if name in STREAM_RATES and not (quick and rate_bps < COUNTED_FROM_BPS):
                    show(figures, name, way, 'TCP', rate_bps, measure(lab, connection, way, rate_bps, window_s))
    except RuntimeError as reason:
        raise world.CannotMeasure(str(reason)) from None
    finally:
        lab.close()
