# SPDX-License-Identifier: MIT
"""qos: QoS sockets of Winsock: what it costs to ask, how soon an end is on the wire, and how many there may be."""
import control
import reserving

SET_LIMIT_US = 50
MANY = 10000
MANY_END_LIMIT_MS = 1000  # as long as the death of a process may take to be noticed
GROWTH_LIMIT_BYTES = 8 * MANY  # less than the least that can be lost each time
END_LIMIT_US, KILL_LIMIT_US = 1000, 25000
NEAR, FAR = '10.118.3.1', '10.118.3.2'
ENDS = {
    'closesocket': 'closesocket()',
    'close': 'close()',
    'shutdown-send': 'shutdown(SD_SEND)',
    'shutdown-receive': 'shutdown(SD_RECEIVE)',
    'disconnect': 'WSAConnect(NULL)',
    'no-traffic': 'SIO_SET_QOS, both NOTRAFFIC',
}


def make_pair(here):
    """Two hosts that signal to each other: their places and daemons, and the cable between them."""
    places = [here.place(), here.place()]
    cable = reserving.join(*places, 3)
    return places, [here.daemon(place, reserving.CONFIG.format(f'"{cable}"')) for place in places], cable


def ask(here, program, *words):
    """Of a program that knows both hosts."""
    places, daemons, cable = make_pair(here)
    hosts = [word for place, daemon in zip(places, daemons) for word in (place.namespace, daemon.socket)]
    return control.measure(here.program(program), *words, *hosts, NEAR, FAR, cable,
                           *([daemons[0].process.pid] if program == 'qos_many' else []))


def run_set(here, figures, quick):
    figures.title('qos: what a socket sends, described anew, as the application waits for it; × is the median of '
                  'paired slices to the bare message')
    daemon = here.daemon(more_config='rsvp { enabled = true }\n')
    place = daemon.place
    place.drop_on_arrival()  # what the other end does with it is not ours
    lanes = [('message', 'a bare message with a descriptor, and its answer', 'message', '-', '', '')]
    lanes += [(*lane, '') for lane in control.bus_lane(here, figures, 'qos')]
    lanes += [('setflow', 'QOSSetFlow', 'setflow', place.namespace, daemon.socket, ''),
              ('gqos', 'SIO_SET_QOS, and Path goes out', 'gqos', place.namespace, daemon.socket, place.peer)]
    cases = control.measure(here.program('control_cost'), 20 if quick else 100, 100,
                            *(','.join((name, *rest)) for name, _, *rest in lanes))
    for name, label, *_ in lanes:
        figures.add('qos', label, cases[name], ('median', SET_LIMIT_US, ' µs') if name == 'gqos' else None)


def run_ends(here, figures, quick):
    figures.title('qos: from the end of a socket that sends and receives to its last tear on the cable')
    cases = ask(here, 'qos_ends', 50 if quick else 500, 20 if quick else 100)
    figures.add('qos', 'send() → a datagram of its own', cases['datagram'])
    for name, label in ENDS.items():
        figures.add('qos', label, cases[name], ('p99', END_LIMIT_US, ' µs'))
    figures.add('qos', 'kill -9', cases['kill'], ('p99', KILL_LIMIT_US, ' µs'))


def run_many(here, figures, quick):
    count = MANY // 10 if quick else MANY
    figures.title(f'qos: {count:,} sockets of one process that send and receive')
    cases = ask(here, 'qos_many', 'many', count)
    figures.add('qos', f'{count:,} sockets: opened and described, in all', cases['many-open'])
    figures.add('qos', 'SIO_SET_QOS of a new socket, both directions', cases['many-set'])
    figures.add('qos', "the daemon's resident memory, each socket", cases['many-daemon'])
    figures.add('qos', "the application's resident memory, each socket", cases['many-application'])
    for name, label in ('many-killed', 'kill -9'), ('many-exit', 'exit'):
        figures.add('qos', f'{label} → the tear of the last', cases[name], ('value', MANY_END_LIMIT_MS, ' ms'))
    figures.add('qos', 'left: flows, entries of the kernel, sessions', cases['many-left'], ('value', 0, ''))


def run_toggling(here, figures, quick):
    count = MANY // 10 if quick else MANY
    figures.title(f'qos: a socket begins and ends its QoS {count:,} times, reserved by the other end each time')
    cases = ask(here, 'qos_many', 'toggle', count)
    figures.add('qos', 'begun and ended', cases['toggle'])
    for name, label in ('toggle-daemon', 'the daemon'), ('toggle-application', 'the application'):
        figures.add('qos', f'growth of {label}', cases[name], ('value', GROWTH_LIMIT_BYTES, ' bytes'))
    figures.add('qos', 'more than before: flows, entries, sessions', cases['toggle-left'], ('value', 0, ''))


def run(here, figures, quick):
    run_set(here, figures, quick)
    run_ends(here, figures, quick)
    run_many(here, figures, quick)
    run_toggling(here, figures, quick)
