# SPDX-License-Identifier: MIT
"""What neighbours may ask a router for: by rules of its configuration, and by keys whose time has come."""
import ctypes
import datetime
import os

import pytest

import rsvp
from conftest import until
from rsvp_net import FOUR, LEFT, LINE_LINK, LINE_ROUTER, MBIT, PORT, RIGHT, SENDER_PORT, SIX, Line, made

POLICY_ERROR, REJECTED, EXCEEDED = 2, 3, 4


@pytest.fixture
def line(programs):
    with made(Line(programs)) as net:
        yield net


def ruled(text):
    return f'{LINE_LINK} rsvp {{ enabled = true settle = 200ms {text} }}'


@pytest.mark.parametrize('a', [FOUR, SIX], ids=['ipv4', 'ipv6'])
def test_paths_are_refused(line, a):
    """R-260: the sender hears of it, the receiver of nothing, and nothing is kept."""
    line.start(ruled(f"rule no {{ accept = false interface = {LEFT} sender = '{a['near']}' }}"))
    sender = line.sender(a)
    error = sender.wait('path-error')
    assert (error['error']['code'], error['error']['value'], error['error']['node']) == (
        POLICY_ERROR, REJECTED, a['in'])
    answer, = line['near'].listen(LEFT).wait(rsvp.PATH_ERR)
    assert answer.error == (a['in'], 0, POLICY_ERROR, REJECTED)
    assert not line['far'].listen(RIGHT).settle(0.1)
    assert line['router'].rsvp()['sessions'] == []
    line.judge()
    sender.end()


def test_reservations_are_refused(line):
    """R-260: no more than so much each, and of some nothing; what stands stays."""
    line.start(ruled(f'rule calls {{ accept = true session = "{FOUR["far"]}" max-rate = 1Mbit }}'
                     f' rule paths {{ accept = true interface = {LEFT} }} accept-others = false'))
    sender = line.sender(FOUR)
    receiver = line.receiver(FOUR, PORT, SENDER_PORT, '1001kbit')
    error = receiver.wait('resv-error')
    assert (error['error']['code'], error['error']['value'], error['error']['node']) == (
        POLICY_ERROR, EXCEEDED, FOUR['out'])
    assert line['router'].daemon.flows() == []
    receiver.end()
    receiver = line.receiver(FOUR, PORT, SENDER_PORT, '1Mbit', '--confirm')
    receiver.wait('confirm')
    assert [flow['reserved_bps'] for flow in line['router'].daemon.flows()] == [MBIT]
    other = line.sender(SIX)
    refused = line.receiver(SIX)
    error = refused.wait('resv-error')
    assert (error['error']['code'], error['error']['value'], error['error']['node']) == (
        POLICY_ERROR, REJECTED, SIX['out'])
    assert not error['error']['in_place']
    line.judge()
    for program in sender, receiver, other, refused:
        program.end()


def test_new_rules_end_what_they_do_not_allow(line):
    """What neighbours refresh in summaries is asked about, too; without messages that allow it its time is up."""
    quick = 'refresh = 1s lifetime-factor = 1'
    line.start(ruled(quick), f'rsvp {{ enabled = true {quick} }}')
    sender = line.sender(FOUR)
    receiver = line.receiver(FOUR, PORT, SENDER_PORT, '1Mbit', '--confirm')
    receiver.wait('confirm')
    line['router'].listen(RIGHT).wait(rsvp.SREFRESH, 2)
    assert len(line['router'].daemon.flows()) == 1
    line['router'].reload(ruled(quick + f' rule no {{ accept = false interface = {RIGHT} }}'))
    error = receiver.wait('resv-error')
    assert (error['error']['code'], error['error']['value']) == (POLICY_ERROR, REJECTED)
    until(lambda: not line['router'].daemon.flows())
    assert len(line['router'].rsvp()['sessions'][0]['senders']) == 1
    # And allowed again.
    line['router'].reload(ruled(quick))
    until(lambda: line['router'].daemon.flows())
    sender.end()
    receiver.end()


# ---- keys ----

def key(name, number, secret, more=''):
    return f'key {name} {{ id = {number} secret = {secret} {more} }}'


def at(seconds):
    """A time of the calendar, from now."""
    then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return then.strftime('%Y-%m-%dT%H:%M:%SZ')


def ids(listener, kind):
    return [int.from_bytes(message.one(rsvp.INTEGRITY)[2:8], 'big') for message in listener.settle(0)
            if message.kind == kind and rsvp.INTEGRITY in message.objects]


def test_keys_are_exchanged_when_their_time_has_come(line):
    """R-256, R-257: both hold for a while, the next one takes over by itself, and nobody misses a message."""
    keys = (key('old', 1, 'first', f"valid-until = '{at(20)}'") +
            key('new', 2, 'second', f"valid-from = '{at(12)}'"))
    config = f'rsvp {{ enabled = true refresh = 1s settle = 200ms refresh-reduction = false {keys} }}'
    line.start(LINE_LINK + config, config)
    sender = line.sender(FOUR)
    receiver = line.receiver(FOUR, PORT, SENDER_PORT, '1Mbit', '--confirm')
    receiver.wait('confirm')
    at_far, at_router = line['far'].listen(RIGHT), line['router'].listen(RIGHT)
    until(lambda: 2 in ids(at_far, rsvp.PATH) and 2 in ids(at_router, rsvp.RESV), 30)
    for found in ids(at_far, rsvp.PATH), ids(at_router, rsvp.RESV):
        assert found == sorted(found) and found[0] == 1
    until(lambda: ids(at_far, rsvp.PATH).count(2) >= 4)
    assert len(line['router'].daemon.flows()) == 1
    for name in 'near', 'router', 'far':
        counters = line[name].rsvp('counters')['counters']
        assert (counters['bad-integrity'], counters['replayed'], counters['expired-key']) == (0, 0, 0), name
    sender.end()
    receiver.end()


class Timex(ctypes.Structure):
    """struct timex, as far as it is used here"""
    _fields_ = [('modes', ctypes.c_uint), ('fields', ctypes.c_long * 8), ('seconds', ctypes.c_long),
                ('fraction', ctypes.c_long), ('rest', ctypes.c_byte * 128)]


def step_clock(seconds, microseconds):
    step = Timex(modes=0x0100, seconds=seconds, fraction=microseconds)  # ADJ_SETOFFSET
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(step)) < 0:
        pytest.skip('the clock cannot be set: ' + os.strerror(ctypes.get_errno()))


def set_clock():
    """By a microsecond, and back: whoever waits for it to be set is told, and nobody else notices."""
    step_clock(0, 1)
    step_clock(-1, 999999)


def test_times_of_keys_follow_the_clock(line):
    """When it is set, they are reckoned anew; what is signed with them goes on."""
    keys = key('only', 1, 'first', f"valid-from = '{at(-100)}' valid-until = '{at(3600)}'")
    config = f'rsvp {{ enabled = true refresh = 1s settle = 200ms {keys} }}'
    line.start(LINE_LINK + config, config)
    sender = line.sender(FOUR)
    receiver = line.receiver(FOUR, PORT, SENDER_PORT, '1Mbit', '--confirm')
    receiver.wait('confirm')
    assert 'the clock was set' not in line['router'].daemon.log()
    set_clock()
    for name in 'near', 'router', 'far':
        until(lambda name=name: 'the clock was set' in line[name].daemon.log())
    receiver.end()
    receiver = line.receiver(FOUR, PORT, SENDER_PORT, '2Mbit', '--confirm')
    receiver.wait('confirm')
    for name in 'near', 'router', 'far':
        counters = line[name].rsvp('counters')['counters']
        assert (counters['bad-integrity'], counters['replayed'], counters['expired-key']) == (0, 0, 0), name
    sender.end()
    receiver.end()
