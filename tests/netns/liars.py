# SPDX-License-Identifier: MIT
"""Who takes part in measurements and means no good: sinks of MS-QLPB and stations of LLTD that lie, each in its way.

They speak the protocols well enough to be believed as far as that goes; what they lie about is up to the test.
"""
import contextlib
import random
import select
import socket
import struct
import threading
import time

PORT = 2177
LLTD = 0x88d9
SUCCESS = b'\x1e\0\0\1'
TICKS_PER_S = 10000000
HUGE = (1 << 64) - 1
READY, PROBE, QUERY, QUERY_RESP, RESET, ERROR, ACK = 1, 2, 3, 4, 5, 6, 7


def now_ticks():
    return time.monotonic_ns() // 100


class Stamps:
    """When a packet came, and when its answer leaves: as it is, or as it is told."""

    def __init__(self, lie='honest'):
        self.lie = lie
        self.told = 1 << 40

    def pair(self):
        now = now_ticks()
        if self.lie == 'backwards':
            self.told -= TICKS_PER_S
            return self.told, self.told - 5
        return {'honest': (now, now + 1), 'zero': (0, 0), 'huge': (HUGE, HUGE), 'constant': (4711, 4711),
                'residence': (1, HUGE), 'left before it came': (now, now - TICKS_PER_S),
                'random': (random.getrandbits(64), random.getrandbits(64))}[self.lie]


class Thread:
    """Does something until it is closed."""

    def __init__(self):
        self.going = True
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while self.going:
            self.turn()

    def turn(self):
        raise NotImplementedError

    def close(self):
        self.going = False
        self.thread.join()


class Later:
    """What is to be sent, after a while."""

    def __init__(self, delay_s):
        self.delay_s, self.waiting = delay_s, []

    def send(self, what):
        self.waiting.append((time.monotonic() + self.delay_s, what))

    def turn(self):
        while self.waiting and self.waiting[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):
                self.waiting.pop(0)[1]()


class LyingSink(Thread):
    """Of MS-QLPB, at one address. `delta` is what it says of a train, `leave` after what it closes the connection."""

    def __init__(self, host, address, stamps='honest', delta=12000, speed=0xffffffff, copies=1, delay_s=0.0, leave=''):
        super().__init__()
        self.stamps, self.copies = Stamps(stamps), copies
        self.delta, self.speed, self.leave = delta, speed, leave
        self.later = Later(delay_s)
        self.udp = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listener = host.socket(socket.AF_INET, socket.SOCK_STREAM)
        for made in self.udp, self.listener:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, PORT))
            made.setblocking(False)
        self.listener.listen(16)
        self.connections = {}  # by the port of who connected: socket, what it wants, the train that is under way
        self.asked = 0
        self.thread.start()

    def turn(self):
        sockets = [self.udp, self.listener] + [entry[0] for entry in self.connections.values()]
        for ready in select.select(sockets, [], [], 0.02)[0]:
            with contextlib.suppress(OSError):
                if ready is self.udp:
                    self._datagram(*self.udp.recvfrom(2048))
                elif ready is self.listener:
                    self._connected(*self.listener.accept())
                else:
                    self._said(ready)
        self.later.turn()

    def _connected(self, made, address):
        self.asked += 1
        if self.leave == 'connected':
            made.close()
            return
        made.setblocking(False)
        self.connections[address[1]] = [made, 0, []]

    def _said(self, made):
        port = next(port for port, entry in self.connections.items() if entry[0] is made)
        data = made.recv(100)
        if not data or self.leave == 'asked':
            self._forget(port)
            return
        self.connections[port][1] = data[0]
        self.later.send(lambda: made.sendall(SUCCESS[:2] if self.leave == 'half way' else SUCCESS))
        if self.leave in ('half way', 'agreed'):
            self.later.send(lambda: self._forget(port))

    def _forget(self, port):
        entry = self.connections.pop(port, None)
        if entry:
            entry[0].close()

    def _datagram(self, data, source):
        if data[0] == 5 and len(data) >= 32:
            for _ in range(self.copies):
                answer = b'\6\0\0\2' + data[4:16] + struct.pack('!QQ', *self.stamps.pair()) + data[32:]
                self.later.send(lambda answer=answer: self.udp.sendto(answer, source))
        elif data[0] in (1, 2) and len(data) >= 12:
            self._probe(*struct.unpack_from('!BBBBHHI', data))

    def _probe(self, kind, flags, _, __, port, size, sequence):
        entry = self.connections.get(port)
        if not entry:
            return
        if kind == 2 and size:
            self._say(port, b'\x14\1\0\1')
        if kind != 1:
            return
        if flags & 0x80:
            entry[2] = [sequence]
        elif entry[2]:
            entry[2].append(sequence)
        if self.leave == 'train' and len(entry[2]) > 2:
            self._forget(port)
        elif len(entry[2]) == size:
            first, entry[2] = entry[2][0], []
            self._say(port, struct.pack('!BBBBIIHH', 0x0a, 0, 0, 1, first, self.speed, 0, size - 1) +
                      struct.pack('!Q', self.delta) * (size - 1))

    def _say(self, port, data):
        made = self.connections[port][0]
        if self.leave == 'half a summary':
            self.later.send(lambda: made.sendall(data[:len(data) // 2]))
            self.later.send(lambda: self._forget(port))
            return
        for _ in range(self.copies):
            self.later.send(lambda: made.sendall(data))

    def close(self):
        super().close()
        for made in [self.udp, self.listener] + [entry[0] for entry in self.connections.values()]:
            made.close()


def lltd_frame(to, sender, function, sequence, body=b'', version=1, service=2, real=None):
    return (to + sender + struct.pack('!HBBBB', LLTD, version, service, 0, function) + to + (real or sender)
            + struct.pack('!H', sequence) + body)


class LyingStation(Thread):
    """Of LLTD, with an address of its own on an interface. `stop` is the function that it does not answer any more."""

    def __init__(self, host, interface, mac, stamps='honest', frequency=TICKS_PER_S, speed=0xffffffff, copies=1,
                 delay_s=0.0, stop=None, refuse=None, spread=1200, extra_events=0):
        super().__init__()
        self.mac, self.stamps, self.frequency, self.speed = mac, Stamps(stamps), frequency, speed
        self.copies, self.stop, self.refuse = copies, stop, refuse
        self.spread, self.extra_events = spread, extra_events
        self.later, self.events, self.asked = Later(delay_s), {}, 0
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(LLTD))
        self.socket.bind((interface, LLTD))
        self.thread.start()

    def turn(self):
        if select.select([self.socket], [], [], 0.02)[0]:
            frame = self.socket.recv(2048)
            if frame[:6] == self.mac and len(frame) >= 32 and frame[12:16] == b'\x88\xd9\1\2':
                self._answer(frame[24:30], frame[17], struct.unpack_from('!H', frame, 30)[0], frame[32:])
        self.later.turn()

    def _answer(self, to, function, sequence, body):
        self.asked += 1
        if function == self.stop:
            return
        if function == 0 and self.refuse is not None:
            self._send(to, ERROR, sequence, struct.pack('!H', self.refuse))
        elif function == 0:
            self._send(to, READY, sequence, struct.pack('!IQ', self.speed, self.frequency))
        elif function == PROBE:
            self._probe(to, sequence, body)
        elif function == QUERY:
            self._tell(to, sequence)
        elif function == RESET:
            self._send(to, ACK, sequence)

    def _probe(self, to, sequence, body):
        sent, _, __, test, number, tag = struct.unpack_from('!QQQBBB', body)
        if test == 0:
            self.events.setdefault(sequence, []).append((sent, number))
        elif test == 1:
            self._send(to, PROBE, sequence, struct.pack('!QQQBBB', sent, *self.stamps.pair(), 2, number, tag) + body[27:])

    def _tell(self, to, sequence):
        noted = self.events.pop(sequence, []) + [(0, 255)] * self.extra_events
        at = self.stamps.pair()[0]
        events = [struct.pack('!QQBB', sent, (at + i * self.spread) % (1 << 64), number, 0)
                  for i, (sent, number) in enumerate(noted[:82])]
        self._send(to, QUERY_RESP, sequence, struct.pack('!H', len(events)) + b''.join(events))

    def _send(self, to, function, sequence, body=b''):
        for _ in range(self.copies):
            self.later.send(lambda: self.socket.send(lltd_frame(to, self.mac, function, sequence, body)))

    def close(self):
        super().close()
        self.socket.close()
