# SPDX-License-Identifier: MIT
"""QoS sockets in numbers: one that begins and ends its QoS again and again, and as many as a user may have."""
import json
import pathlib
import subprocess

import pytest

from conftest import NOBODY, map_entries, until
from gqos import CONTROLLED_LOAD, NO_RECEIVERS, NO_SENDERS, NOTRAFFIC, RECEIVERS, SENDERS, Agent
from rsvp_net import FOUR, PORT, SENDER_PORT, Line, made

RATE = 8000
TIMES = 300
NO_BUFFERS = 10055
PER_USER = 10  # flows, and sessions: a socket that sends and receives takes two of each
BOTH = CONTROLLED_LOAD, RATE, CONTROLLED_LOAD, 0
NEITHER = NOTRAFFIC, 0, NOTRAFFIC, 0


@pytest.fixture
def line(programs):
    with made(Line(programs)) as net:
        yield net


def begin(agent, slot, here, there):
    agent.do('socket', slot, 'udp4')
    agent.do('bind', slot, *here)
    agent.do('connect', slot, *there)


def tables(host):
    """The daemon's hash tables, and how many entries each has."""
    found = {}
    for path in pathlib.Path(f'/sys/fs/bpf/greenwave/{host.inode}').iterdir():
        shown = subprocess.run(['bpftool', '-j', 'map', 'show', 'pinned', path], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, check=False)
        if shown.returncode == 0 and json.loads(shown.stdout)['type'] in ('hash', 'lru_hash'):
            found[path.name] = map_entries(host, path.name)
    return found


def classes(host, link):
    """Those that are given out to nobody have no rate to speak of."""
    shown = host.must('tc', 'class', 'show', 'dev', link).splitlines()
    return sorted(text for text in shown if 'class htb' in text and 'rate 8bit' not in text)


def books(line):
    """All that a daemon may have left over of a socket: at its host, and at the router."""
    near = line['near']
    status = near.daemon.status()
    return {'flows': status['flows'], 'entries': status['kernel']['entries'], 'tables': tables(near.host),
            'descriptors': near.daemon.descriptors(), 'list': near.daemon.flows(),
            'near': near.rsvp()['sessions'], 'router': line['router'].rsvp()['sessions'],
            'classes': classes(near.host, 'left') + classes(line['router'].host, 'right')}


def test_toggling(line):
    """G-250, G-232: hundreds of times, with a peer that reserves each time; nothing is left."""
    line.start(hosts='link left { rate = 100Mbit } link right { rate = 100Mbit } rsvp { enabled = true }')
    here, there = (FOUR['near'], SENDER_PORT), (FOUR['far'], PORT)
    near, far = Agent(line['near']), Agent(line['far'])
    begin(near, 0, here, there)
    begin(far, 0, there, here)
    # What is kept for the next time, of memory and of descriptors, has been made once.
    near.do('qos', 0, *BOTH)
    far.do('qos', 0, *BOTH)
    for agent in near, far:
        agent.told(RECEIVERS)
        agent.told(SENDERS)
    far.do('qos', 0, *NEITHER)
    near.do('qos', 0, *NEITHER)
    until(lambda: line['router'].rsvp()['sessions'] == [])
    before = books(line)
    far.do('qos', 0, *BOTH)
    near.do_all([('qos', 0, *(BOTH if turn % 2 == 0 else NEITHER)) for turn in range(2 * TIMES)])
    # The last time begins and ends as the first did.
    near.do('qos', 0, *BOTH)
    near.told(RECEIVERS)
    near.do('qos', 0, *NEITHER)
    far.told(NO_SENDERS)
    far.told(NO_RECEIVERS)
    far.do('qos', 0, *NEITHER)
    until(lambda: line['router'].rsvp()['sessions'] == [])
    until(lambda: books(line) == before)


def test_as_many_as_a_user_may_have(line):
    """A user's sockets are bound by max-flows-per-user, whoever opens them; those of root are not."""
    line.start(hosts=f'policy {{ max-flows-per-user = {PER_USER} }} rsvp {{ enabled = true }}')
    agents = [Agent(line['near'], NOBODY), Agent(line['near'], NOBODY)]
    root = Agent(line['near'])
    for slot in range(PER_USER // 2 + 1):
        agent = agents[slot % 2]
        begin(agent, slot, (FOUR['near'], SENDER_PORT + slot), (FOUR['far'], PORT + slot))
        done = agent.tell('qos', slot, *BOTH)
        assert done.code == (0 if slot < PER_USER // 2 else NO_BUFFERS), slot
    agents[0].do('close', 0)
    last = PER_USER // 2
    agents[last % 2].do('qos', last, *BOTH)
    for slot in range(PER_USER):
        begin(root, slot, (FOUR['near'], 7000 + slot), (FOUR['far'], 7000 + slot))
        root.do('qos', slot, *BOTH)
