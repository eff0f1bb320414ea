# SPDX-License-Identifier: MIT
"""Reservations, shown: a stream from host to host through a router whose link is full, and every way to end it.

For the demonstration. Three hosts of their own with a daemon each that speaks RSVP, and QoS sockets of Winsock
(examples/gqos_sender.c, gqos_receiver.c) at both ends. Which messages an ending has caused is tcpdump's word.
"""
import collections
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

import netns
import streams
from screen import Broken, dim, note, paint, say

LEFT, RIGHT = 'left', 'right'
A4, LEFT4, RIGHT4, B4 = '198.51.100.1', '198.51.100.2', '192.0.2.1', '192.0.2.2'
SENDER_PORT, PORT, FLOOD_PORT = 4000, 5000, 6000
STREAM_S = 3
FLOOD_BPS, FLOOD_PAYLOAD = 20000000, 1172
UNLIMITED = 16 << 20  # bytes that may wait: nothing slows the flood down
RSVP_PROTOCOL = 46
TEARS = ('PathTear', 'ResvTear')
COPIES = 2  # each tear is sent twice, for one may be lost
QUIET_S = 0.15  # long enough for what should not come
CONFIGS = {'a': f'link {LEFT} {{ rate = 100Mbit }}', 'router': f'link {RIGHT} {{ rate = 10Mbit }}',
           'b': f'link {RIGHT} {{ rate = 100Mbit }}'}
ATTEMPTS = 3  # a busy machine may keep a program waiting until its socket is full

# How a program ends its service, the word for it (gqos_words.h), what ends, and what the program itself is told.
Ending = collections.namedtuple('Ending', 'title word tears told', defaults=([],))
SENDING, RECEIVING = {'PathTear'}, {'ResvTear'}
ENDINGS = [
    Ending('shutdown(SD_SEND)', 'shutdown-send', SENDING),
    Ending('shutdown(SD_RECEIVE)', 'shutdown-receive', RECEIVING),
    Ending('SIO_SET_QOS, sending NOTRAFFIC', 'no-sending', SENDING),
    Ending('SIO_SET_QOS, receiving NOTRAFFIC', 'no-receiving', RECEIVING),
    Ending('shutdown(SD_BOTH)', 'shutdown-both', SENDING | RECEIVING),
    Ending('SIO_SET_QOS, both BESTEFFORT', 'best-effort', SENDING | RECEIVING),
    Ending('WSAConnect(NULL)', 'disconnect', SENDING | RECEIVING),
    Ending('connect(AF_UNSPEC)', 'unconnect', SENDING | RECEIVING),
    Ending('closesocket()', 'close', SENDING | RECEIVING),
    Ending('exit()', 'exit', SENDING | RECEIVING),
    Ending('kill -9', None, SENDING | RECEIVING),
    Ending('greenwaved of A ends', None, SENDING | RECEIVING, ['generic error', 'generic error']),
]


class LeftOut(Exception):
    """This machine has not what it takes."""


class Program:
    """One of the examples, and the lines that it prints."""

    def __init__(self, host, words, environment):
        self.host = host
        self.process = host.popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=environment)
        self.rest = b''
        self.lines = []

    def _take(self, seconds):
        readable, _, _ = select.select([self.process.stdout], [], [], max(0, seconds))
        data = self.process.stdout.read1(65536) if readable else b''
        *lines, self.rest = (self.rest + data).split(b'\n')
        self.lines += [line.decode() for line in lines]
        return bool(data)

    def find(self, beginning, seconds=netns.PATIENCE_S):
        """The rest of the first line that begins so, or None; those before it are done with."""
        deadline = time.monotonic() + seconds * netns.TIME_FACTOR
        while True:
            while self.lines:
                line = self.lines.pop(0)
                if line.startswith(beginning):
                    return line[len(beginning):]
            if not self._take(deadline - time.monotonic()):
                return None

    def wait_for(self, beginning):
        found = self.find(beginning)
        if found is None:
            raise Broken(f'{os.path.basename(self.process.args[0])} does not say "{beginning}"')
        return found

    def told(self, count, seconds=netns.PATIENCE_S):
        """So many events, and what else has come with them, without their numbers."""
        found = []
        while len(found) < count and (line := self.find('event ', seconds)) is not None:
            found.append(line)
        while (line := self.find('event ', 0)) is not None:
            found.append(line)
        return sorted(re.split(r' \(| sending=| receiving=', line)[0] for line in found)

    def do(self, ending):
        self.process.stdin.write(ending.encode() + b'\n')
        self.process.stdin.flush()

    def finish(self, counted):
        """Closes its socket; how many bytes it has counted."""
        self.do('close')
        count = int(self.wait_for(counted).split()[0])
        self.close()
        return count

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.host.children.remove(self.process)


class Capture:
    """The RSVP messages that tcpdump sees on an interface: (name, address and port of the session), as they come."""

    MESSAGE = re.compile(r'RSVPv1 (\w+) Message')
    ADDRESS = re.compile(r'DestAddress: ([^,]+),')
    DESTINATION_PORT = re.compile(r'DestPort (\d+)')

    def __init__(self, host, interface, folder):
        self.path = folder / 'rsvp.pcap'
        self.messages = []
        self.process = host.popen(
            ['tcpdump', '-n', '-v', '-l', '-U', '--immediate-mode', '-Z', 'root', '-i', interface, '--print', '-w',
             str(self.path), 'ip', 'proto', str(RSVP_PROTOCOL)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        while line and 'listening on' not in line:
            line = self.process.stderr.readline()
        if not line:
            raise LeftOut('tcpdump may not listen here')
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        name = address = ''
        for line in self.process.stdout:
            if found := self.MESSAGE.search(line):
                name = found[1]
            elif found := self.ADDRESS.search(line):
                address = found[1]
            elif found := self.DESTINATION_PORT.search(line):
                self.messages.append((name, f'{address}:{found[1]}'))

    def tears(self, wanted, sessions):
        """The tears of some sessions, as soon as those that are wanted have come, and others would have."""
        def found():
            return [name for name, session in list(self.messages) if name in TEARS and session in sessions]
        deadline = time.monotonic() + 5 * netns.TIME_FACTOR
        while not wanted <= set(found()) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(QUIET_S * netns.TIME_FACTOR)
        return found()

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(10)
        self.thread.join()
        self.process.stdout.close()
        self.process.stderr.close()


class Network:
    """a - router - b, with a daemon each."""

    def __init__(self, demo):
        self.demo = demo
        self.hosts = {name: netns.Namespace() for name in CONFIGS}
        self.a, self.router, self.b = self.hosts.values()
        self.daemons, self.environments, self.programs = {}, {}, []
        self.capture = None
        netns.join(self.a, self.router, LEFT, [f'{A4}/24'], [f'{LEFT4}/24'])
        netns.join(self.router, self.b, RIGHT, [f'{RIGHT4}/24'], [f'{B4}/24'])
        with self.router.entered(), open('/proc/sys/net/ipv4/ip_forward', 'w', encoding='ascii') as file:
            file.write('1')
        self.a.must('ip', 'route', 'add', 'default', 'via', LEFT4)
        self.b.must('ip', 'route', 'add', 'default', 'via', RIGHT4)
        self.flooded = streams.Receiver(self.b, B4, FLOOD_PORT)

    def start(self):
        for name in CONFIGS:
            self._start_daemon(name)
        self.capture = Capture(self.b, RIGHT, self.demo.folder)

    def _start_daemon(self, name):
        path, config = self.demo.folder / f'{name}.sock', self.demo.folder / f'{name}.conf'
        config.write_text(f'{CONFIGS[name]}\nrsvp {{ enabled = true }}\n', encoding='utf-8')
        self.environments[name] = dict(self.demo.environment, GREENWAVE_SOCKET=str(path))
        log = self.demo.folder / f'{name}.log'
        with open(log, 'wb') as out:
            daemon = self.hosts[name].popen(
                [self.demo.program('src/daemon/greenwaved'), '-f', '-c', str(config), '-s', str(path)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out, env=self.environments[name])
        self.daemons[name] = daemon
        readable, _, _ = select.select([daemon.stdout], [], [], 10 * netns.TIME_FACTOR)
        if not readable or daemon.stdout.readline() != b'ready\n':
            raise Broken('greenwaved with RSVP does not get ready: ' + log.read_text(errors='replace'))

    def end_daemon(self, name):
        self.daemons[name].send_signal(signal.SIGTERM)

    def end_daemons(self):
        """Those that were started, and have ended well."""
        for name, daemon in self.daemons.items():
            if daemon.poll() is None:
                self.end_daemon(name)
            status = daemon.wait(10 * netns.TIME_FACTOR)
            self.demo.check(status == 0, f'greenwaved of {name} ended with {status}')

    def greenwave(self, name, *words):
        words = [self.demo.program('src/cli/greenwave'), *words]
        status, out, error = self.hosts[name].run(words, env=self.environments[name])
        if status != 0:
            raise Broken(f'{words}: {error}')
        return out

    def program(self, name, example, *words):
        program = Program(self.hosts[name], [self.demo.program(f'examples/{example}'), *words],
                          self.environments[name])
        self.programs.append(program)
        return program

    # -- a stream --

    def stream(self, service):
        """Beside a flood: bytes sent and received, what the flood got through in bit/s, and what the router says."""
        receiver = self.program('b', 'gqos_receiver', '-s', service, f'{B4}:{PORT}')
        receiver.wait_for('receiving')
        sender = self.program('a', 'gqos_sender', '-s', service, '-l', f'{A4}:{SENDER_PORT}', f'{B4}:{PORT}')
        sender.wait_for('event receivers' if service == 'guaranteed' else 'sending')
        seen = self.greenwave('router', 'rsvp')
        flood = streams.Stream(self.a, self.demo.program('tests/netns/stream'), 'send', '-r', FLOOD_BPS, '-l',
                               FLOOD_PAYLOAD, '-b', UNLIMITED, B4, FLOOD_PORT)
        time.sleep(STREAM_S)
        sent = sender.finish('sent ')
        flood.end()
        streams.drain(self.router, RIGHT)
        received = receiver.finish('received ')
        return sent, received, streams.rate_bps(self.flooded.take()), seen

    # -- endings --

    def pair(self, number):
        """A program at either end whose socket sends and receives, with all of it reserved; its sessions."""
        here, there = f'{A4}:{SENDER_PORT + number}', f'{B4}:{PORT + number}'
        far = self.program('b', 'gqos_receiver', '-b', '-p', here, there)
        far.wait_for('receiving')
        near = self.program('a', 'gqos_sender', '-b', '-l', here, there)
        for program in near, far:
            told = program.told(2)
            if told != ['receivers', 'senders']:
                raise Broken(f'no reservation in both directions; told were {told}')
        return near, far, (here, there)

    def stays(self, sessions):
        """What the router still knows of what A sends and receives."""
        known = {session['destination']: session for session in
                 json.loads(self.greenwave('router', 'rsvp', '--json'))['sessions']}
        here, there = (known.get(session) for session in sessions)
        return [word for word, stands in (('sending', there and there['senders']),
                                          ('receiving', here and here['reservations'])) if stands]

    def end(self, ending, number):
        """Ends a new pair so; the tears, what stays, and what B and A are told."""
        near, far, sessions = self.pair(number)
        if ending.word:
            near.do(ending.word)
        elif ending.told:
            self.end_daemon('a')
        else:
            near.kill()
        tears = self.capture.tears(ending.tears, sessions)
        told = far.told(len(ending.tears)), near.told(len(ending.told))
        stays = self.stays(sessions)
        for program in near, far:
            program.close()
        return tears, stays, *told

    def close(self):
        for program in self.programs:
            if program.process in program.host.children:
                program.close()
        if self.capture:
            self.capture.close()
        self.flooded.close()
        for host in self.hosts.values():
            host.close()
        for daemon in self.daemons.values():
            daemon.stdout.close()


# ---- what is shown ----

def amount(count):
    return f'{count / 1000:,.0f} kB'


def show_stream(demo, network):
    demo.scene('Reservation: a stream of 2 Mbit/s through a router whose link of 10 Mbit/s is full')
    say()
    say(f'     host A {dim(A4)} ──── router ──── host B {dim(B4)}')
    note('greenwaved runs in all three, and speaks RSVP. Beside the stream A sends datagrams at 20 Mbit/s.')
    say()
    say(dim('     A$ ') + f'gqos_sender -s guaranteed {B4}:{PORT}')
    say(dim('     B$ ') + f'gqos_receiver -s guaranteed {B4}:{PORT}')
    plain = network.stream('best-effort')
    for _ in range(ATTEMPTS):
        guaranteed = network.stream('guaranteed')
        if guaranteed[0] == guaranteed[1]:
            break
    say(dim('     router$ ') + 'greenwave rsvp')
    for line in guaranteed[3].splitlines():
        say('     ' + paint('36', line))
    say()
    say(dim(f'     {"":24}{"sent":>12}{"arrived":>12}{"lost":>9}'))
    for title, (sent, received, *_) in ('without a reservation', plain), ('guaranteed service', guaranteed):
        verdict = ''
        if title == 'guaranteed service':
            right = received == sent and plain[1] < plain[0] * 0.9
            verdict = '   ' + demo.check(right, f'stream: {sent} bytes sent, {received} arrived; without a '
                                         f'reservation {plain[1]} of {plain[0]}')
        say(f'     {title:24}{amount(sent):>12}{amount(received):>12}{1 - received / sent:>9.1%}{verdict}')
    note(f'The others got {plain[2] / 1e6:.2f} Mbit/s, and {guaranteed[2] / 1e6:.2f} beside the reservation.')


def show_endings(demo, network):
    demo.scene('Every way to end a reservation, and the RSVP messages it sends')
    note('Each time A and B both send and receive, and all of it is reserved. Then A does this:')
    say()
    say(dim(f'     {"":34}{"on the link to B":20}{"stays":11}{"B is told":26}'))
    for number, ending in enumerate(ENDINGS, 1):
        tears, stays, far, near = network.end(ending, number)
        kept = [word for word, ends in (('sending', SENDING), ('receiving', RECEIVING)) if not ends <= ending.tears]
        expected = sorted(['no senders'] * (SENDING <= ending.tears) + ['no receivers'] * (RECEIVING <= ending.tears))
        right = set(tears) == ending.tears and stays == kept and far == expected and near == ending.told
        say(f'     {ending.title:34}{" ".join(sorted(set(tears))) or "-":20}{" ".join(stays) or "-":11}'
            f'{", ".join(far) or "-":26}' +
            demo.check(right, f'{ending.title}: {tears}, {stays} stays, B is told {far}, A {near}'))
    note('Each message goes out twice, half a second apart, for one may be lost; A is told only what it has not done')
    note('itself: of the last one, that its reservations are gone.')


def second_opinion(demo, network):
    """tshark reads what tcpdump has kept."""
    if not shutil.which('tshark'):
        return
    fields = ('rsvp.msg', '_ws.malformed', '_ws.expert.message')
    done = subprocess.run(['tshark', '-r', str(network.capture.path), '-T', 'fields', '-E', 'separator=|',
                           *(word for field in fields for word in ('-e', field))],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    rows = [line.split('|') for line in done.stdout.splitlines()]
    wrong = [row for row in rows if row[1] or re.search('malformed|incorrect|bad', row[2], re.IGNORECASE)]
    say(f'     tshark, of the same link: {len(rows)} messages, {len(wrong)} of them with anything wrong   ' +
        demo.check(rows and not wrong, f'tshark, of RSVP messages: {wrong or "none"}'))


def check_copies(demo, network):
    """Of all messages that end something: nothing is said more often than it should be."""
    stream = f'{B4}:{PORT}'  # which may have been sent more than once
    counts = collections.Counter((name, session) for name, session in network.capture.messages
                                 if name in TEARS and session != stream)
    often = {message: count for message, count in counts.items() if count > COPIES}
    demo.check(not often, f'torn more than twice: {often}')


def check_machine(network):
    if not shutil.which('tcpdump'):
        raise LeftOut('tcpdump is not installed')
    with contextlib.suppress(PermissionError):
        network.router.socket(socket.AF_INET, socket.SOCK_RAW, RSVP_PROTOCOL).close()
        status, _, error = network.router.run(['tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'htb'])
        if status != 0:
            raise LeftOut(f'this kernel has no HTB queue ({error.strip().splitlines()[-1]})')
        return
    raise LeftOut('no raw sockets here, so no RSVP')


def show(demo):
    network = Network(demo)
    try:
        check_machine(network)
        network.start()
        show_stream(demo, network)
        show_endings(demo, network)
        network.end_daemons()
        network.capture.close()
        check_copies(demo, network)
        second_opinion(demo, network)
    except LeftOut as reason:
        demo.scene('Reservation')
        note(f'Left out: {reason}.')
    finally:
        network.close()
