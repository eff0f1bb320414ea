# SPDX-License-Identifier: MIT
"""RSVP from program to program: host - router - host, each with a daemon. What goes over both cables is looked at
where it arrives, by tshark too."""
import json
import signal
import struct

import pytest

import rsvp
from conftest import until
from rsvp_net import FOUR, LEFT, MBIT, PORT, RIGHT, SENDER_PORT, SIX, Line, endpoint, made


@pytest.fixture
def line(programs):
    with made(Line(programs)) as net:
        net.start()
        yield net


def start(line, a, rate='1Mbit'):
    """A sender, and a receiver that wants to know."""
    return line.sender(a, rate=rate), line.receiver(a, PORT, SENDER_PORT, rate, '--confirm')


def ping(line, name, a, *more, port=PORT):
    """(exit status, hops, standard error)"""
    status, out, error = line[name].daemon.cli(
        'rsvp', 'ping', '--to', endpoint(a['far'], port), '--from', endpoint(a['near'], SENDER_PORT), '--json', *more)
    hops = [json.loads(text) for text in out.splitlines()]
    assert all(hop['event'] == 'hop' for hop in hops)
    return status, hops, error


@pytest.mark.parametrize('a', [FOUR, SIX], ids=['ipv4', 'ipv6'])
def test_every_hop_of_a_path_answers(line, a):
    """R-269: a request goes from the receiver from hop to hop to the sender, and its reply comes back at once."""
    sender, receiver = start(line, a)
    receiver.wait('confirm')
    line.clear()
    status, hops, error = ping(line, 'far', a)
    assert (status, error) == (0, '')
    asked, = line['router'].listen(RIGHT).wait(rsvp.DREQ)
    on, = line['near'].listen(LEFT).wait(rsvp.DREQ)
    reply, = line['far'].listen(RIGHT).wait(rsvp.DREP)
    assert (asked.source, asked.destination) == (a['far'], a['out'])
    assert (on.source, on.destination) == (a['in'], a['near'])
    assert (reply.source, reply.destination) == (a['near'], a['far'])
    assert all(message.sound and not message.alert for message in (asked, on, reply))
    assert [len(message.objects[rsvp.DIAG_RESPONSE]) for message in (asked, on, reply)] == [1, 2, 3]
    line.judge()
    # From the receiver on, each with its addresses, and what is reserved there.
    far, router, near = [hop['hop'] for hop in hops]
    assert (far['address'], far['leaving'], far['previous_hop']) == (a['far'], None, a['out'])
    assert (router['address'], router['leaving'], router['previous_hop']) == (a['in'], a['out'], a['near'])
    assert (near['address'], near['leaving'], near['previous_hop']) == (a['near'], a['near'], None)
    for hop in far, router, near:
        assert (hop['style'], hop['service'], hop['rate_bps']) == ('FF', 'controlled-load', MBIT)
        assert (hop['ttl_loss'], hop['merged']) == (0, False)
    # When each was asked: the middle of the time since 1900, in order and not long ago.
    times = [struct.unpack('!I', body[:4])[0] for _, body in reply.objects[rsvp.DIAG_RESPONSE]]
    assert sorted(times) == times or times[0] > times[-1] + (1 << 31)
    now = int((hops[-1]['time'] + 2208988800) * 65536) & 0xffffffff
    assert 0 <= (now - times[0]) % (1 << 32) < 20 << 16
    # What passes through the router was taken out by nobody else: these are other network namespaces.
    for name in 'near', 'router', 'far':
        assert (line[name].rsvp('counters')['counters']['Path-received'] > 0) == (name != 'near')
    # So far and no farther.
    status, hops, _ = ping(line, 'far', a, '--hops', '2')
    assert status == 0 and [hop['hop']['address'] for hop in hops] == [a['far'], a['in']]
    # The sender's host asks at the other end.
    status, hops, _ = ping(line, 'near', a)
    assert status == 0 and [hop['hop']['address'] for hop in hops] == [a['far'], a['in'], a['near']]
    sender.end()
    receiver.end()


def test_pings_that_find_nothing(line):
    """R-270: who knows of no path says so; where nobody speaks RSVP, nobody answers."""
    a = FOUR
    status, hops, _ = ping(line, 'near', a)
    assert status == 0
    hop, = hops
    assert hop['error'] == {'code': 1, 'value': 0, 'name': 'no path information', 'node': None, 'in_place': False,
                            'not_guilty': False}
    status, out, _ = line['near'].daemon.cli('rsvp', 'ping', '--to', f'{a["far"]}:{PORT}', '--from', f'{a["near"]}:1')
    assert status == 0 and 'no path information' in out
    line['far'].daemon.stop()
    status, hops, error = ping(line, 'near', a)
    assert (status, hops, error) == (1, [], 'greenwave: rsvp ping: nobody answered\n')
    assert len(line['far'].listen(RIGHT).wait(rsvp.DREQ)) == 3 + 2, 'three times, and twice before'
    line['far'].start()


def test_who_asks_may_go(line):
    """Nobody is told any more then, and the daemon serves on."""
    a = FOUR
    line['far'].daemon.stop()
    asking = line['near'].program('ping', '--to', f'{a["far"]}:{PORT}', '--from', f'{a["near"]}:1')
    line['far'].listen(RIGHT).wait(rsvp.DREQ)
    asking.end(signal.SIGKILL)
    # Another, whom the daemon's end finds waiting.
    asking = line['near'].program('ping', '--to', f'{a["far"]}:{PORT}', '--from', f'{a["near"]}:1')
    line['far'].listen(RIGHT).wait(rsvp.DREQ, 2)
    line['near'].daemon.configure('')
    line['near'].daemon.process.send_signal(signal.SIGHUP)
    until(lambda: asking.process.poll() is not None)
    assert asking.process.returncode == 1
    asking.end()
    line['near'].daemon.check_log()
    line['far'].start()
