# SPDX-License-Identifier: MIT
"""close: from the end of a socket or its process to the end of its marks, and to the daemon's books."""
import control
import world

BOOKS_LIMIT_US = 1000
OWNER_LIMIT_US = 10000  # a socket that lives on elsewhere may take as long; a dead one must not take longer
QUEUED = 'with 100 packets of it still queued at 1 Mbit/s'


def measure(here, what, count, daemon):
    daemon.place.drop_on_arrival()
    pin = daemon.pinned('sockets')
    if not pin:
        raise world.CannotMeasure('greenwaved has no pinned table of sockets (no BPF here?)')
    return control.measure(here.program('close_cost'), what, count, daemon.place.namespace,
                           daemon.socket, daemon.place.peer, pin)


def show_destroy_event(figures, label, cases):
    if 'destroy-event' in cases:
        figures.add('close', label, cases['destroy-event'])
    else:
        figures.skip('close', label, 'this kernel does not announce the end of UDP sockets')


def run(here, figures, quick):
    figures.title('close: from the end of a socket to the end of its marks and to the daemon\'s books')
    daemon = here.daemon()
    cases = measure(here, 'close', 500 if quick else 5000, daemon)
    figures.add('close', f'marks left after close(), of {cases["call"]["count"]:,}', cases['left'],
                ('value', 0, ''))
    figures.add('close', 'close() of a socket in no flow', cases['bare-call'])
    figures.add('close', 'close() of a socket in a flow', cases['call'])
    figures.add('close', 'close() → the daemon\'s books', cases['books'], ('p99', BOOKS_LIMIT_US, ' µs'))
    show_destroy_event(figures, 'close() → destroy event of sock_diag', cases)

    kills = measure(here, 'kill', 50 if quick else 200, daemon)
    figures.add('close', 'kill -9 → no mark', kills['mark'])
    figures.add('close', 'kill -9 → the daemon\'s books', kills['books'], ('p99', OWNER_LIMIT_US, ' µs'))
    figures.add('close', 'kill -9 → hang-up of a connection', kills['hang-up'])

    place = here.place()
    try:
        place.tc('qdisc', 'add', 'dev', 'eth0', 'root', 'tbf', 'rate', '1mbit', 'burst', '5kb', 'limit', '1mb')
    except world.CannotMeasure as reason:
        figures.skip('close', QUEUED, reason)
        return
    cases = measure(here, 'queued', 3 if quick else 6, here.daemon(place))
    figures.note(f'{QUEUED}:')
    figures.add('close', f'marks left after close(), of {cases["call"]["count"]:,}', cases['left'],
                ('value', 0, ''))
    figures.add('close', 'close() → the daemon\'s books', cases['books'], ('p99', BOOKS_LIMIT_US, ' µs'))
    show_destroy_event(figures, 'close() → destroy event of sock_diag', cases)
