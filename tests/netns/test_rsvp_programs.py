# SPDX-License-Identifier: MIT
"""RSVP from program to program: host - router - host, each with a daemon. What goes over both cables is looked at
where it arrives, by tshark too."""
import json
import signal
import struct

import pytest

import rsvp
from conftest import until
from netns import TIME_FACTOR
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


# ---- sessions ----

def seen(line, name, cable, kind, match=lambda message: True):
    return line[name].listen(cable).wait(kind, match=match)[0]


@pytest.mark.parametrize('a', [FOUR, SIX], ids=['ipv4', 'ipv6'])
def test_from_program_to_program(line, a):
    """R-041..R-050, R-081, R-122, R-142..R-146: what a program asks for goes to the other end and comes back to it."""
    sender = line.sender(a)
    first = seen(line, 'router', LEFT, rsvp.PATH)
    path = seen(line, 'far', RIGHT, rsvp.PATH)
    for message in first, path:
        assert message.sound and message.alert
        assert (message.source, message.destination) == (a['near'], a['far'])
        assert message.ttl == message.send_ttl
    assert (first.hop[0], path.hop[0]) == (a['near'], a['out'])
    assert (first.rate, path.rate) == (MBIT / 8, MBIT / 8)
    receiver = line.receiver(a, PORT, SENDER_PORT, '500kbit', '--confirm')
    heard = receiver.wait('path')
    assert heard['sender']['source'] == endpoint(a['near'], SENDER_PORT)
    assert heard['sender']['rate_bps'] == MBIT and not heard['gone']
    # The link of the sender's host is not handed over.
    assert heard['path']['hops'] == 2 and heard['path']['bandwidth_bps'] is None and heard['path']['broken']
    asked = seen(line, 'router', RIGHT, rsvp.RESV)
    resv = seen(line, 'near', LEFT, rsvp.RESV)
    assert (asked.source, asked.destination, resv.source, resv.destination) == (
        a['far'], a['out'], a['in'], a['near'])
    assert not asked.alert and not resv.alert
    assert asked.hop == (a['far'], path.hop[1]) and resv.hop == (a['in'], first.hop[1])
    told = sender.wait('resv')
    assert (told['reservation']['style'], told['reservation']['rate_bps']) == ('FF', MBIT // 2)
    assert told['reservation']['senders'] == [{'source': endpoint(a['near'], SENDER_PORT)}]
    confirmed = receiver.wait('confirm')
    assert confirmed['reservation']['rate_bps'] == MBIT // 2
    conf = seen(line, 'far', RIGHT, rsvp.RESV_CONF)
    assert conf.alert and conf.destination == a['far']
    assert conf.error == (a['near'], 0, 0, 0)
    # Three sessions of it, and one thing is set aside.
    for name, local in ('near', 1), ('router', 0), ('far', 1):
        session, = line[name].rsvp()['sessions']
        assert session['destination'] == endpoint(a['far'], PORT)
        assert len(session['programs']) == local
    assert [flow['reserved_bps'] for flow in line['router'].daemon.flows()] == [MBIT // 2]
    # More, in place of it.
    line.clear()
    receiver.end()
    gone = sender.wait('resv', match=lambda event: event['gone'])
    assert gone['reservation']['senders'] == [{'source': endpoint(a['near'], SENDER_PORT)}]
    tears = seen(line, 'router', RIGHT, rsvp.RESV_TEAR), seen(line, 'near', LEFT, rsvp.RESV_TEAR)
    assert [(tear.source, tear.destination) for tear in tears] == [(a['far'], a['out']), (a['in'], a['near'])]
    assert line['router'].daemon.flows() == []
    receiver = line.receiver(a)
    receiver.wait('path')
    sender.end()
    left = receiver.wait('path', match=lambda event: event['gone'])
    assert left['sender']['source'] == endpoint(a['near'], SENDER_PORT)
    tear = seen(line, 'far', RIGHT, rsvp.PATH_TEAR)
    assert (tear.source, tear.destination, tear.alert) == (a['near'], a['far'], True)
    line.judge()
    receiver.end()
    for name in 'near', 'router', 'far':
        until(lambda name=name: line[name].rsvp()['sessions'] == [])


def test_programs_that_are_killed(line):
    """kill -9: what they had open ends with tears, as if they had closed it, and others keep theirs."""
    a = FOUR
    sender, receiver = start(line, a)
    receiver.wait('confirm')
    other = line.sender(a, PORT + 2)
    seen(line, 'far', RIGHT, rsvp.PATH, lambda message: message.one(rsvp.SESSION)[-2:] == struct.pack('!H', PORT + 2))
    line.clear()
    receiver.end(signal.SIGKILL)
    seen(line, 'near', LEFT, rsvp.RESV_TEAR)
    assert sender.wait('resv', match=lambda event: event['gone'])
    until(lambda: line['router'].daemon.flows() == [])
    sender.end(signal.SIGKILL)
    tear = seen(line, 'far', RIGHT, rsvp.PATH_TEAR)
    assert tear.one(rsvp.SESSION)[-2:] == struct.pack('!H', PORT)
    until(lambda: [session['destination'] for session in line['far'].rsvp()['sessions']] == [
        endpoint(a['far'], PORT + 2)])
    assert len(line['near'].rsvp()['sessions'][0]['programs']) == 1
    line.judge()
    other.end()


def test_daemons_that_are_killed(line):
    """The programs hear of it. What the daemon had set up elsewhere ends for want of refreshes, or with the next."""
    a = FOUR
    sender, receiver = start(line, a)
    receiver.wait('confirm')
    line['far'].daemon.kill()
    receiver.process.wait(5 * TIME_FACTOR)
    assert receiver.process.returncode == 3
    receiver.end()
    assert len(line['router'].daemon.flows()) == 1, 'it is not known there'
    line['far'].start()
    receiver = line.receiver(a, PORT, SENDER_PORT, '1Mbit', '--confirm')
    receiver.wait('path', 5)
    receiver.wait('confirm', 5)
    receiver.end()
    until(lambda: line['router'].daemon.flows() == [])
    sender.end()
