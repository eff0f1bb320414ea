# SPDX-License-Identifier: MIT
"""probe: what is known of paths against what the links are, how soon congestion is noticed, and what measuring costs.

Hosts on one switch; the port of each is made narrow by a token bucket or a class of HTB. What is said of a path comes from
`greenwave probe` and from a program with an adaptive flow (path_news), as any program would have it.
"""
import collections
import contextlib
import json
import os
import select
import subprocess
import time

import world
from world import TIME_FACTOR  # and from then on what is in tools/ is found, too

import segment
import streams

MBIT = 1000000
RATES = (1, 2, 5, 10, 50, 100, 500)
LOADS = (0, 20, 50, 80)
SIDE_BY_SIDE = 12
SHAPERS = ('tbf', 'htb')
QUICK_LINKS = ((2, 'tbf'), (10, 'htb'), (100, 'tbf'))
CAPACITY_ERROR, SPARE_ERROR = 10, 20  # percent
NOTICED_S, RELIEVED_S = 2, 5
SHARE = 1  # percent
FALSE_ALARMS = 1  # in ten minutes
STEADY_S, QUICK_STEADY_S = 600, 60
NEWS_LATE_MS, CREATE_MS = 1, 50
CROSS_PORT = 5001
LOOK_S, SPARE_S = 12, 45
JUDGED_S = 15  # at the end of that
# Above, links are measured alone; of so many tries the one counts in which the machine was away least.
SLOW_MBIT = 100
TRIES, AWAY_SLOW, AWAY_FAST = 4, 5, 1  # percent that is not worth another one
STEADY_LOAD = 0.7
OVERLOAD = 1.3
ROUNDS, QUICK_ROUNDS = 10, 3
ASKER, OTHERS = 1, 2  # the hosts; from the third on: one for each rate
# What only answers marks nothing: it need not have the kernel verify programs, which takes longest of all.
WITHOUT_PROGRAMS = ['setpriv', '--bounding-set=-bpf,-sys_admin']
CONFIG = 'probe {{ initiator = {} sink = {} }}\n'

# A link of which `load` percent are used; `way`: of the segment, None if all of it is short.
Link = collections.namedtuple('Link', 'mbit shaper load way', defaults=['tbf', 0, None])


class Hosts(contextlib.ExitStack):
    """One that asks, one that sends what else there is, and some behind ports of different width."""

    def __init__(self, here, count):
        super().__init__()
        self.here = here
        self.segment = segment.Segment(2 + count)
        self.callback(self.segment.close)
        self.socket = here.folder / 'probe-1.socket'
        self.sinks = {}
        for number in [ASKER, *range(3, 3 + count)]:
            self._daemon(number)

    def host(self, number):
        return self.segment.hosts[number - 1]

    def _daemon(self, number):
        folder, asks = self.here.folder, number == ASKER
        config, path = folder / f'probe-{number}.conf', folder / f'probe-{number}.socket'
        config.write_text(CONFIG.format(*(('true', 'false') if asks else ('false', 'true'))))
        with open(folder / f'probe-{number}.log', 'wb') as log:
            daemon = self.host(number).popen(
                [*([] if asks else WITHOUT_PROGRAMS), str(self.here.build / 'src/daemon/greenwaved'), '-f', '-c',
                 str(config), '-s', str(path)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
        self.callback(world.end, daemon)
        world.wait_for_line(daemon, 'greenwaved')

    def environment(self, mode='daemon'):
        return dict(os.environ, GREENWAVE_SOCKET=str(self.socket), GREENWAVE_MODE=mode,
                    LD_LIBRARY_PATH=str(self.here.build / 'src/embedded'))

    def narrow(self, number, mbit, shaper='tbf', way=None):
        self.segment.narrow(number, mbit * MBIT, shaper=shaper, way=way)

    @contextlib.contextmanager
    def cross(self, number, bps, seconds):
        """Others send to a host meanwhile, so many bits of IP a second."""
        if bps == 0:
            yield
            return
        sink = streams.Receiver(self.host(number), self.segment.address(number), CROSS_PORT)
        stream = streams.Stream(self.host(OTHERS), str(self.here.build / 'tests/netns/stream'), 'send', '-r', int(bps),
                                '-l', 1000, '-b', 1 << 22, '-d', seconds * TIME_FACTOR, self.segment.address(number),
                                CROSS_PORT)
        try:
            # Some time may pass until a program has started.
            if not select.select([sink.socket], [], [], world.PATIENCE_S * TIME_FACTOR)[0]:
                raise world.CannotMeasure('nothing arrives of what others send')
            yield
        finally:
            stream.close()
            sink.close()

    def look(self, number, mode='daemon', seconds=LOOK_S):
        """`greenwave probe`, at work: by the daemon of its host, or where there is none."""
        return self.host(ASKER if mode == 'daemon' else OTHERS).popen(
            [str(self.here.build / 'src/cli/greenwave'), 'probe', '--json', '--time', str(seconds),
             self.segment.address(number)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=self.environment(mode))


def seen(child):
    out, error = child.communicate(timeout=120 * TIME_FACTOR)
    if child.returncode != 0:
        raise world.CannotMeasure(error.strip() or 'greenwave probe failed')
    return json.loads(out)


def error(value, wanted, of):
    return 100 * abs((value or 0) - wanted) / of


# ---- what is known ----

def judge(figures, what, link, value, wanted, of, most, **more):
    figures.add('probe', f'{words(link)}: {what} {(value or 0) / MBIT:.4g} of {wanted / MBIT:.4g} Mbit/s',
                {'case': f'{what}-{name(link)}', 'unit': '% off', 'is': value, 'should_be': wanted,
                 'value': error(value, wanted, of), **more}, ('value', most, ' %'))


def words(link):
    """For a reader."""
    text = f'{link.mbit} Mbit/s'
    if link.shaper != 'tbf' or link.load:
        text += f' ({link.shaper})'
    if link.way:
        text += f', {way_words(link.way)}'
    if link.load:
        text += f', {link.load} % used'
    return text


def way_words(way):
    return f'{way.delay_ms} ± {way.jitter_ms} ms {"after" if way.after else "before"}' if way else 'short'


def name(link):
    """For a program."""
    way = '-'.join(map(str, [*link.way[:2], 'after' if link.way.after else 'before'])) if link.way else 'short'
    return f'{link.mbit}-{link.shaper}-{link.load}-{way}'


def show_capacities(here, figures, links):
    """All links at once: nobody else sends."""
    with Hosts(here, len(links)) as hosts:
        for number, link in enumerate(links, 3):
            hosts.narrow(number, link.mbit, link.shaper, link.way)
        children = [hosts.look(number) for number in range(3, 3 + len(links))]
        for link, child in zip(links, children):
            show_capacity(figures, 'capacity', link, child)


def show_capacity(figures, what, link, child):
    wanted = segment.capacity_bps(link.mbit * MBIT)
    judge(figures, what, link, seen(child)['capacity_bps'], wanted, wanted, CAPACITY_ERROR)


def show_embedded(here, figures):
    """The engine in the program."""
    with Hosts(here, 1) as hosts:
        hosts.narrow(3, 10)
        show_capacity(figures, 'embedded capacity', Link(10), hosts.look(3, 'embedded'))


def show_spare(here, figures, links):
    """Each at a host of its own: slow links side by side, and fast ones one after the other."""
    slow = [link for link in links if link.mbit <= SLOW_MBIT]
    fast = [link for link in links if link.mbit > SLOW_MBIT]
    for group in [slow[i:i + SIDE_BY_SIDE] for i in range(0, len(slow), SIDE_BY_SIDE)]:
        show_group(here, figures, group, AWAY_SLOW)
    for link in fast:
        show_group(here, figures, [link], AWAY_FAST)


def show_group(here, figures, links, away_most):
    """
    The hosts are one machine. While that is away, nobody sends, and then all at once; a link that carries dozens of
    packets meanwhile is another one than it should be. So it is measured again, if it was; and told in any case.
    """
    tries = []
    while len(tries) < TRIES and (not tries or tries[-1][0] > away_most):
        begun, before = time.monotonic(), world.away_s()
        found = spare_of(here, links)
        share = 100 * (world.away_s() - before) / (time.monotonic() - begun) / os.cpu_count()
        tries.append((share, found))
    share, found = min(tries, key=lambda one: one[0])
    for link, bps in zip(links, found):
        judge_spare(figures, link, bps, tries=len(tries), away_percent=share)


def judge_spare(figures, link, bps, **more):
    capacity = segment.capacity_bps(link.mbit * MBIT)
    judge(figures, 'spare', link, bps, capacity * (1 - link.load / 100), capacity, SPARE_ERROR, **more)


def spare_of(here, group):
    """What is said to be free of each, at the end."""
    with Hosts(here, len(group)) as hosts:
        for number, link in enumerate(group, 3):
            hosts.narrow(number, link.mbit, link.shaper, link.way)
            # Of IP packets of 1028 bytes, so that it is that share of the link.
            bps = link.mbit * MBIT * link.load / 100 * 1028 / (1028 + segment.ETHERNET_HEADER)
            hosts.enter_context(hosts.cross(number, bps, 3 * SPARE_S))
        children = [hosts.look(number, seconds=SPARE_S) for number in range(3, 3 + len(group))]
        late = [[sample['available_bps'] for sample in seen(child)['samples']
                 if sample['time'] > SPARE_S - JUDGED_S and sample['available_bps'] is not None] for child in children]
    return [streams.quantile(values, 0.5) if values else None for values in late]


# ---- congestion ----

class News:
    """path_news: what a program hears of a path."""

    def __init__(self, hosts, number):
        self.hosts = hosts
        self.child = hosts.host(ASKER).popen(
            [str(hosts.here.program('path_news')), str(hosts.socket), hosts.segment.address(number)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=hosts.environment())
        self.heard = []
        world.wait_for_line(self.child, 'path_news', 40)

    def next(self, seconds):
        """The next one, or None if there is none in time."""
        readable, _, _ = select.select([self.child.stdout], [], [], seconds)
        line = self.child.stdout.readline() if readable else ''
        if readable and not line:
            raise world.CannotMeasure('path_news has ended')
        if line:
            self.heard.append(json.loads(line))
        return self.heard[-1] if line else None

    def until(self, congested, seconds):
        """How long it takes until that is told."""
        begun = time.monotonic()
        while (left := begun + seconds - time.monotonic()) > 0:
            news = self.next(left)
            if news and news['congested'] is congested:
                return news['at'] - begun
        return seconds

    def close(self):
        self.child.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.child.wait(5)
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


def show_congestion(here, figures, rounds, way=None):
    """Others send more than there is, for a while, again and again."""
    noticed, relieved, late_us = [], [], []
    with Hosts(here, 1) as hosts:
        hosts.narrow(3, 10, way=way)
        news = News(hosts, 3)
        hosts.callback(news.close)
        for _ in range(rounds):
            with hosts.cross(3, OVERLOAD * 10 * MBIT, 60):
                noticed.append(news.until(True, 10))
                time.sleep(1)
            relieved.append(news.until(False, 20))
            time.sleep(1)
        late_us = [one['late_us'] for one in news.heard if one['late_us'] is not None]
    for values, what, most in (noticed, 'noticed', NOTICED_S), (relieved, 'relieved', RELIEVED_S):
        figures.add('probe', f'{words(Link(10, way=way))}: congestion {what} after',
                    series(f'{what}-{name(Link(10, way=way))}', 's', values), ('worst', most, ' s'))
    if not late_us:
        raise world.CannotMeasure('nothing was told')
    figures.add('probe', 'the application hears of it after', series('news-late', 'ms', [us / 1e3 for us in late_us]),
                ('median', NEWS_LATE_MS, ' ms'))


def series(case, unit, values):
    return {'case': case, 'unit': unit, 'count': len(values), 'median': streams.quantile(values, 0.5),
            'p99': streams.quantile(values, 0.99), 'worst': max(values)}


# ---- a steady load, and what measuring costs ----

def passed(hosts):
    """Bytes toward, and from, each host that is measured."""
    numbers = range(3, len(hosts.segment.hosts) + 1)
    return [(hosts.segment.sent_bytes(number), hosts.segment.received_bytes(number)) for number in numbers]


def alarms(news):
    """How often it was told since one last asked that the path is congested."""
    before = len(news.heard)
    while news.next(0):
        pass
    return sum(one['congested'] for one in news.heard[before:])


def show_steady(here, figures, seconds, ways=(None,), idle=RATES):
    """Links are used to 70 % all the time, one for each way; over the others nothing is sent but probes."""
    with Hosts(here, len(ways) + len(idle)) as hosts, contextlib.ExitStack() as traffic:
        for number, way in enumerate(ways, 3):
            hosts.narrow(number, 10, way=way)
            traffic.enter_context(hosts.cross(number, STEADY_LOAD * 10 * MBIT, seconds + 60))
        for number, mbit in enumerate(idle, 3 + len(ways)):
            hosts.narrow(number, mbit)
        heard = [News(hosts, number) for number in range(3, 3 + len(ways) + len(idle))]
        for news in heard:
            hosts.callback(news.close)
        time.sleep(3)
        for news in heard:
            alarms(news)
        begun, before = time.monotonic(), passed(hosts)
        time.sleep(seconds)
        took, after = time.monotonic() - begun, passed(hosts)
        counts = [alarms(news) for news in heard]
    for way, count in zip(ways, counts):
        link = Link(10, load=round(100 * STEADY_LOAD), way=way)
        figures.add('probe', f'{words(link)}: false alarms in {seconds / 60:.0f} min',
                    {'case': f'false-alarms-{name(link)}', 'unit': '', 'seconds': seconds, 'value': count},
                    ('value', FALSE_ALARMS, ''))
    for mbit, old, new in zip(idle, before[len(ways):], after[len(ways):]):
        bps = max(new[i] - old[i] for i in (0, 1)) * 8 / took
        figures.add('probe', f'{mbit} Mbit/s: measuring takes {bps / 1e3:.1f} kbit/s',
                    {'case': f'cost-{mbit}', 'unit': '%', 'bps': bps, 'value': 100 * bps / (mbit * MBIT)},
                    ('value', SHARE, ' %'))


def show_handles(here, figures, count):
    with Hosts(here, 0) as hosts:
        for mode in 'daemon', 'embedded':
            done = hosts.host(ASKER).run([str(here.program('handle_cost')), str(count)], timeout=60,
                                         env=hosts.environment(mode))
            if done[0] != 0:
                raise world.CannotMeasure(done[2].strip())
            for line in done[1].splitlines():
                case = json.loads(line)
                what = 'the first' if case['case'] == 'first-handle' else 'later ones'
                figures.add('probe', f'QOSCreateHandle, {mode}, {what}', case, ('p99', CREATE_MS, ' ms'))


def run(here, figures, quick):
    figures.title('probe: what is known of paths, how soon, and what it costs')
    try:
        show_handles(here, figures, 20 if quick else 200)
        show_capacities(here, figures, [Link(mbit) for mbit in RATES])
        show_embedded(here, figures)
        links = QUICK_LINKS if quick else [(mbit, shaper) for mbit in RATES for shaper in SHAPERS]
        show_spare(here, figures, [Link(*link, load) for link in links for load in LOADS])
        show_congestion(here, figures, QUICK_ROUNDS if quick else ROUNDS)
        show_steady(here, figures, QUICK_STEADY_S if quick else STEADY_S)
    except (RuntimeError, OSError) as reason:
        raise world.CannotMeasure(str(reason)) from None
