# SPDX-License-Identifier: MIT
"""Links that are handed over: taken, kept, given back to the byte; foreign queues; and what it is all for:
what matters arrives in time, whatever else is sent."""
import contextlib
import json
import os
import re
import shlex
import signal
import time

import netns
import pytest

from conftest import (B4, B6, CABLE, VOICE, Daemon, rate_of, until, within)
from netns import TIME_FACTOR
from streams import quantile

PORT, PORT2, SINK_PORT = 5000, 5001, 6000
SPARE = 'spare'
MBIT = 1000000
HANDLE = '4757:'


def traffic_control(host, device=CABLE):
    """Everything that tc shows of a device, to the byte."""
    shown = [host.must('tc', '-j', kind, 'show', 'dev', device) for kind in ('qdisc', 'class', 'filter')]
    for block in 'ingress', 'egress':
        shown.append(host.run(['tc', '-j', 'filter', 'show', 'dev', device, block])[1])
    return '\n'.join(shown)


def queues(host, device=CABLE):
    """What tc shows below the root: not clsact, where our marks are while a daemon of a kernel without tcx runs."""
    qdiscs = json.loads(host.must('tc', '-j', 'qdisc', 'show', 'dev', device))
    others = [host.must('tc', '-j', kind, 'show', 'dev', device) for kind in ('class', 'filter')]
    return [qdisc for qdisc in qdiscs if qdisc['kind'] != 'clsact'], others


def root_of(host, device=CABLE):
    """Kind and handle of its root queueing discipline."""
    words = host.must('tc', 'qdisc', 'show', 'dev', device, 'root').split()
    return words[1], words[2]


@pytest.fixture
def start(programs, net, tmp):
    """Starts daemons with a configuration; they end with the test, and the cable is as it was before it."""
    before = traffic_control(net.a)
    daemons = []

    def begin(config, name='gw'):
        daemon = Daemon(programs, net.a, tmp, name)
        daemons.append(daemon)
        daemon.start(config)
        if not daemon.has('tc-egress'):
            pytest.skip('the kernel datapath cannot be used: ' + daemon.log())
        return daemon

    yield begin
    for daemon in daemons:
        if daemon.running:
            daemon.stop()
    net.a.run(['tc', 'qdisc', 'del', 'dev', CABLE, 'root'])
    assert traffic_control(net.a) == before


def handed_over(rate='10Mbit', more='', name=CABLE):
    return f'link {name} {{ rate = {rate} {more} }}\n'


def link(daemon, name=CABLE):
    """What `greenwave status` says of a link: (state, words)."""
    facts = daemon.status()['links'][name]
    return facts['state'], facts['note']


def becomes(daemon, state, name=CABLE):
    until(lambda: link(daemon, name)[0] == state)
    return link(daemon, name)[1]


@contextlib.contextmanager
def foreign(net, *words, more=()):
    """A queue that somebody else has set up."""
    status, _, error = net.a.run(['tc', 'qdisc', 'add', 'dev', CABLE, 'root', *words])
    if status != 0:
        pytest.skip(f'no {words[-1] if len(words) == 1 else " ".join(words)} in this kernel: {error.strip()}')
    for command in more:
        net.a.must('tc', *shlex.split(command))
    yield traffic_control(net.a)
    net.a.run(['tc', 'qdisc', 'del', 'dev', CABLE, 'root'])


FOREIGN = {
    'tbf': (('handle', '7:', 'tbf', 'rate', '50mbit', 'burst', '20k', 'limit', '100k'), ()),
    'prio': (('handle', '7:', 'prio', 'bands', '4'), ()),
    'pfifo': (('handle', '7:', 'pfifo', 'limit', '123'), ()),
    'htb': (('handle', '7:', 'htb', 'default', '20', 'r2q', '40'), (
        f'class add dev {CABLE} parent 7: classid 7:1 htb rate 50mbit burst 15k',
        f'class add dev {CABLE} parent 7:1 classid 7:10 htb rate 10mbit ceil 50mbit prio 1',
        f'class add dev {CABLE} parent 7:1 classid 7:20 htb rate 20mbit ceil 40mbit prio 3 quantum 3000',
        f'qdisc add dev {CABLE} parent 7:10 handle 10: pfifo limit 77',
        f'filter add dev {CABLE} parent 7: protocol ip prio 5 u32 match ip dport 5009 0xffff flowid 7:10')),
}


# ---- taken and given back ----

def test_tree_comes_and_goes(net, start):
    before = traffic_control(net.a)
    daemon = start(handed_over())
    assert root_of(net.a) == ('htb', HANDLE)
    state, words = link(daemon)
    assert state == 'scheduled'
    assert '10 Mbit/s' in words
    classes = net.a.must('tc', 'class', 'show', 'dev', CABLE)
    assert f'class htb {HANDLE}1 root' in classes
    assert all(f'{HANDLE}{0x10 + band:x} ' in classes for band in range(6))
    daemon.stop()
    assert traffic_control(net.a) == before


def test_kill_and_restart(net, start, agents):
    """The tree works on without a daemon; the next one takes it over, and gives back what there was at first"""
    before = traffic_control(net.a)
    daemon = start(handed_over())
    during = traffic_control(net.a)
    daemon.kill()
    assert root_of(net.a) == ('htb', HANDLE)
    with net.udp(connect=(B4, PORT)) as sender:
        assert net.mark(sender) == 0
    daemon.start()
    assert link(daemon)[0] == 'scheduled'
    assert classes_of(traffic_control(net.a)) == classes_of(during)
    agent = agents(net.a, daemon)
    agent.create()
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        agent.remove(flow)
    daemon.stop()
    assert traffic_control(net.a) == before


def classes_of(shown):
    return sorted(re.findall(r'"handle":"4757:[0-9a-f]+"', shown))


def test_daemon_sleeps(net, start):
    """What it asks the kernel must not wake it again: a daemon that has nothing to do needs no processor"""
    daemon = start(handed_over())

    def ticks():
        with open(f'/proc/{daemon.process.pid}/stat', encoding='ascii') as file:
            return sum(map(int, file.read().rpartition(')')[2].split()[11:13]))

    net.a.must('tc', 'qdisc', 'replace', 'dev', 'lo', 'root', 'pfifo')
    net.a.must('tc', 'qdisc', 'del', 'dev', 'lo', 'root')
    time.sleep(0.5)
    before = ticks()
    time.sleep(1)
    assert ticks() - before <= 10 * TIME_FACTOR


def test_links_not_handed_over_are_not_touched(net, start):
    """Their root stays, whatever it is"""
    with foreign(net, *FOREIGN['tbf'][0]):
        qdiscs = net.a.must('tc', '-j', 'qdisc', 'show', 'dev', CABLE, 'root')
        daemon = start('')
        assert net.a.must('tc', '-j', 'qdisc', 'show', 'dev', CABLE, 'root') == qdiscs
        daemon.stop()
        assert net.a.must('tc', '-j', 'qdisc', 'show', 'dev', CABLE, 'root') == qdiscs


def make_spare(net):
    netns.join(net.a, net.b, SPARE, ['203.0.113.1/24'], ['203.0.113.2/24'])


def test_link_that_comes_later(net, start):
    """It is waited for, which the status says; and again when it has gone"""
    daemon = start(handed_over('5Mbit', name=SPARE))
    assert link(daemon, SPARE)[0] == 'waiting'
    try:
        for _ in range(2):
            make_spare(net)
            becomes(daemon, 'scheduled', SPARE)
            assert root_of(net.a, SPARE) == ('htb', HANDLE)
            net.a.must('ip', 'link', 'del', SPARE)
            becomes(daemon, 'waiting', SPARE)
        os.kill(daemon.process.pid, signal.SIGSTOP)
        make_spare(net)
        untouched = traffic_control(net.a, SPARE)
        os.kill(daemon.process.pid, signal.SIGCONT)
        becomes(daemon, 'scheduled', SPARE)
        daemon.stop()
        assert traffic_control(net.a, SPARE) == untouched
    finally:
        net.a.run(['ip', 'link', 'del', SPARE])


def test_no_longer_handed_over(net, start):
    """A reload without the section gives the link back; one with it takes it again"""
    daemon = start(handed_over())
    for config, root in (('', 'noqueue'), (handed_over('20Mbit'), 'htb')):
        daemon.configure(config)
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda wanted=root: root_of(net.a)[0] == wanted)


# ---- other people's queues ----

@pytest.mark.parametrize('kind', FOREIGN)
def test_foreign_root_is_refused(net, start, agents, kind):
    """It stays, the reason is told, and flows are marked all the same"""
    words, more = FOREIGN[kind]
    with foreign(net, *words, more=more) as theirs:
        daemon = start(handed_over())
        state, reason = link(daemon)
        assert state == 'refused'
        assert kind in reason
        assert re.search(f'{CABLE}.*{kind}', daemon.log())
        assert root_of(net.a) == (kind, '7:')
        agent = agents(net.a, daemon)
        agent.create()
        with net.udp(connect=(B4, PORT)) as sender:
            flow = agent.add(agent.give(sender))
            assert net.mark(sender) == 56
            agent.remove(flow)
        daemon.stop()
        assert traffic_control(net.a) == theirs


@pytest.mark.parametrize('crash', [False, True], ids=['stop', 'kill'])
@pytest.mark.parametrize('kind', FOREIGN)
def test_force_gives_back(net, start, kind, crash):
    """What was taken by force comes back exactly, also after a crash"""
    words, more = FOREIGN[kind]
    with foreign(net, *words, more=more) as theirs:
        daemon = start(handed_over(more='force = true'))
        assert link(daemon)[0] == 'scheduled', link(daemon)
        assert root_of(net.a) == ('htb', HANDLE)
        if crash:
            daemon.kill()
            daemon.start()
            assert link(daemon)[0] == 'scheduled', link(daemon)
        daemon.stop()
        assert traffic_control(net.a) == theirs


def test_force_leaves_alone_what_cannot_come_back(net, start):
    """A filter whose program only the kernel holds could not be made again: nothing is touched, and it is named"""
    words, more = FOREIGN['htb']
    more += (f"filter add dev {CABLE} parent 7: prio 9 bpf bytecode '1,6 0 0 4294967295,' flowid 7:10",)
    with foreign(net, *words, more=more) as theirs:
        untouched = queues(net.a)
        daemon = start(handed_over(more='force = true'))
        state, reason = link(daemon)
        assert state == 'refused'
        assert 'filter bpf' in reason
        assert queues(net.a) == untouched
        daemon.stop()
        assert traffic_control(net.a) == theirs


def test_replaced_while_we_run(net, start, agents):
    """Noticed and reported; marks stay; their queue is theirs, to the end and beyond"""
    daemon = start(handed_over())
    agent = agents(net.a, daemon)
    agent.create()
    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        assert net.mark(sender) == 56
        net.a.must('tc', 'qdisc', 'replace', 'dev', CABLE, 'root', *FOREIGN['tbf'][0])
        assert 'tbf' in becomes(daemon, 'replaced')
        assert 'tbf' in daemon.log()
        assert net.mark(sender) == 56
        theirs = net.a.must('tc', '-j', 'qdisc', 'show', 'dev', CABLE, 'root')
        agent.remove(flow)
    daemon.stop()
    assert net.a.must('tc', '-j', 'qdisc', 'show', 'dev', CABLE, 'root') == theirs


def test_replaced_and_taken_back(net, start):
    """With force the link is taken again, and given back as the other one had left it"""
    daemon = start(handed_over(more='force = true'))
    net.a.must('tc', 'qdisc', 'replace', 'dev', CABLE, 'root', *FOREIGN['tbf'][0])
    until(lambda: root_of(net.a) == ('htb', HANDLE))
    becomes(daemon, 'scheduled')
    daemon.stop()
    assert root_of(net.a) == ('tbf', '7:')


def test_removed_while_we_run(net, start):
    """Somebody deletes our tree: noticed, and reported"""
    daemon = start(handed_over())
    net.a.must('tc', 'qdisc', 'del', 'dev', CABLE, 'root')
    until(lambda: link(daemon)[0] in ('replaced', 'scheduled'))
    state, words = link(daemon)
    assert (state == 'scheduled') == (root_of(net.a)[0] == 'htb')
    assert state == 'scheduled' or words


# ---- rates ----

def flood(net, traffic, mbit=20):
    return traffic.start(net.a, 'send', '-r', mbit * MBIT, '-l', 1400, '-b', 16 << 20, B4, PORT2)


def test_reload_changes_the_rate_in_place(net, start, agents, traffic):
    """SIGHUP: the new rate holds, and running flows lose nothing, nor does one packet overtake another"""
    rates = [4, 8, 2]
    daemon = start(handed_over(f'{rates[0]}Mbit'))
    classes = classes_of(traffic_control(net.a))
    agent = agents(net.a, daemon)
    agent.create()

    def hand_over(rate):
        daemon.configure(handed_over(f'{rate}Mbit'))
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: f'{rate} Mbit/s' in link(daemon)[1])

    def measure():
        hand_over(rates[0])
        net.wire.clear()
        noise = flood(net, traffic)
        stream = traffic.start(net.a, 'send', '-r', MBIT // 2, '-l', 500, '-d', len(rates),
                               fds=[sender.fileno()])
        spans = []
        for rate in rates:
            hand_over(rate)
            begin = time.time()
            time.sleep(0.95)
            spans.append((rate, begin + 0.1, begin + 0.9))
        said = traffic.result(stream)
        traffic.result(noise, end=True)
        packets = [packet for packet in net.wire.settle() if packet.protocol == 17]
        mine = [packet.stamp[0] for packet in packets if packet.dport == PORT]
        assert mine == list(range(said['datagrams']))
        for rate, begin, end in spans:
            seen = [packet for packet in packets if begin <= packet.time < end]
            # The rate of a link counts what is around a packet, too.
            assert 0.93 * rate * MBIT < rate_of(seen, 0) < 1.01 * rate * MBIT, (rate, rate_of(seen, 0))

    with net.udp(connect=(B4, PORT)) as sender:
        flow = agent.add(agent.give(sender))
        traffic.measured(measure)
        agent.remove(flow)
    assert classes_of(traffic_control(net.a)) == classes


# ---- configurations that are none ----

@pytest.mark.parametrize('text, line, word', [
    ('\nlink cable { rate = 0Mbit }', 2, 'rate'),
    ('link cable { rate = 0 }', 1, 'rate'),
    ('link cable {\n rate = -1Mbit\n}', 2, 'rate'),
    ('link cable { rate = 10 }', 1, 'rate'),
    ('link cable { rate = 10MB }', 1, 'rate'),
    ('link cable { rate = 99999999Gbit }', 1, 'rate'),
    ('link cable {\n rate = 10Mbit\n reservable = 200%\n}', 3, 'reservable'),
    ('link cable {\n rate = 10Mbit\n reservable = -5%\n}', 3, 'reservable'),
    ('link cable {\n rate = 10Mbit\n reservable = 75\n}', 3, 'reservable'),
    ('link cable { rate = 1Mbit }\nlink cable { rate = 2Mbit }', 2, 'twice'),
    ('\n\nlink cable { reservable = 50% }', 3, 'rate'),
    ('link cable { rate = 1Mbit force = perhaps }', 1, 'force'),
    ('link { rate = 1Mbit }', 1, 'link'),
])
def test_bad_configuration(net, programs, tmp, text, line, word):
    path = tmp / 'bad.conf'
    path.write_text(text, encoding='utf-8')
    status, _, error = net.a.run([programs.path('greenwaved'), '--check', '-c', str(path)])
    assert status == 1
    assert f'{path}:{line}: ' in error
    assert word in error


def test_bad_reload_keeps_what_was(net, start):
    daemon = start(handed_over())
    before = traffic_control(net.a)
    daemon.configure(handed_over('10MB'))
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: '10MB' in daemon.log())
    assert link(daemon)[0] == 'scheduled'
    assert traffic_control(net.a) == before


# ---- protection ----

def voice_beside(net, traffic, sender, noise):
    """400 packets' worth of voice in 3 s: (delays of what arrived, packets sent)."""
    net.wire.clear()
    time.sleep(0.5)
    stream = traffic.start(net.a, 'send', '-r', 64000, '-l', 132, '-d', 3, fds=[sender.fileno()])
    said = traffic.result(stream)
    others = noise.end()
    packets = [packet for packet in net.wire.settle(0.2) if packet.dport == PORT]
    return [packet.stamp[1] for packet in packets], said['datagrams'], others


@pytest.mark.parametrize('family', [4, 6])
@pytest.mark.parametrize('load', ['flood', 'tcp'])
def test_voice_is_protected(net, start, agents, traffic, load, family):
    """64 kbit/s of voice on a link of 10 Mbit/s, beside 20 Mbit/s of datagrams and beside 8 TCP connections"""
    daemon = start(handed_over())
    agent = agents(net.a, daemon)
    agent.create()
    traffic.start(net.b, 'sink', '::', SINK_PORT)

    def measure():
        if load == 'flood':
            noise = flood(net, traffic)
        else:
            noise = traffic.start(net.a, 'bulk', '-c', 8, B4, SINK_PORT)
        delays, sent, _ = voice_beside(net, traffic, sender, noise)
        assert len(delays) == sent
        assert quantile(delays, 0.5) < 0.005 * TIME_FACTOR, quantile(delays, 0.5)
        assert quantile(delays, 0.99) < 0.030 * TIME_FACTOR, quantile(delays, 0.99)
        # The others have what is left: most of it, even of a link whose timers come late.
        if load == 'tcp':
            others = rate_of([packet for packet in net.wire.packets if packet.dport == SINK_PORT])
            assert others > 0.85 * 10 * MBIT, others

    with net.udp(family, connect=(B6 if family == 6 else B4, PORT)) as sender:
        flow = agent.add(agent.give(sender), VOICE)
        traffic.measured(measure)
        agent.remove(flow)


def test_nothing_starves(net, start, agents, traffic):
    """A flood of the highest class leaves the others their guarantees"""
    daemon = start(handed_over())
    agent = agents(net.a, daemon)
    agent.create()

    def measure():
        net.wire.clear()
        noise = traffic.start(net.a, 'send', '-r', 20 * MBIT, '-l', 1400, '-b', 16 << 20, fds=[control.fileno()])
        stream = traffic.start(net.a, 'send', '-r', 64000, '-l', 132, '-d', 2, B4, PORT)
        said = traffic.result(stream)
        noise.end()
        net.wire.wait(lambda packet: packet.dport == PORT and packet.stamp, said['datagrams'], 2)

    with net.udp(connect=(B4, PORT2)) as control:
        flow = agent.add(agent.give(control), 5)
        traffic.measured(measure)
        agent.remove(flow)
