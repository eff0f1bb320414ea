# SPDX-License-Identifier: MIT
"""schedule: what a packet costs its sender on a link that is handed over, and what it takes to reserve there."""
import time

import control
import marking
import world

LIMIT = 1.60
RATE = '40Gbit'  # nothing ever waits: only the way through the queue is measured
LINKS = 5
RESERVED = 1000
RESERVE_LIMIT_US = 50
TC_CLASSES = 200


def htb_alone(here):
    """One class, the default: no filter, nothing to decide."""
    place = here.place()
    place.tc('qdisc', 'add', 'dev', 'eth0', 'root', 'handle', '1:', 'htb', 'default', '10')
    place.tc('class', 'add', 'dev', 'eth0', 'parent', '1:', 'classid', '1:10', 'htb', 'rate', RATE.lower(), 'quantum',
             '60000')
    return place


def scheduled(here, place, names=('eth0',), rate=RATE):
    daemon = here.daemon(place, ''.join(f'link {name} {{ rate = {rate} }}\n' for name in names))
    for name in names:
        state = daemon.link(name)
        if state['state'] != 'scheduled':
            raise world.CannotMeasure(f'{name} is {state["state"]}: {state["note"]}')
    return daemon


def packets(here, figures, quick):
    figures.title('schedule: one send of 64 bytes over UDP and a veth, the time of the sender; × is the median of '
                  'paired slices to unmarked')
    daemon = scheduled(here, here.place())
    lanes = [('unmarked', 'unmarked', 'plain', here.place()),
             ('htb', 'HTB, one class', 'plain', htb_alone(here)),
             ('unmanaged', 'greenwave, link handed over, no flow', 'plain', daemon.place),
             ('flow', 'greenwave, link handed over, marked and scheduled', f'flow:{daemon.socket}', daemon.place)]
    cases = marking.measure(here, 40 if quick else 250, lanes)
    for name, label, _, _ in lanes:
        figures.add('schedule', label, cases[name], ('ratio', LIMIT, ' ×') if name == 'flow' else None)


def reservations(here, figures, quick):
    figures.title(f'schedule: a reservation, with {RESERVED:,} in force on {LINKS} links')
    place = here.place()
    names, addresses = ['eth0'], [place.peer]
    for _ in range(LINKS - 1):
        name, address = place.add_link()
        names.append(name)
        addresses.append(address)
    daemon = scheduled(here, place, names, '100Mbit')
    cases = control.measure(here.program('reserve_cost'), place.namespace, daemon.socket, RESERVED, 3 if quick else 25,
                            *addresses)
    figures.add('schedule', 'another call to greenwaved (the class of a flow)', cases['call'])
    figures.add('schedule', 'a flow gets a class', cases['reserve'], ('median', RESERVE_LIMIT_US, ' µs'))
    figures.add('schedule', 'a flow gives it back', cases['give-back'])
    made_and_deleted(here, figures)


def made_and_deleted(here, figures):
    """What it would take if classes were made when they are needed."""
    place = here.place()
    place.tc('qdisc', 'add', 'dev', 'eth0', 'root', 'handle', '1:', 'htb', 'default', '1')

    def batch(action, first, count):
        more = ' htb rate 1mbit quantum 1514' if action == 'add' else ''
        lines = [f'class {action} dev eth0 parent 1: classid 1:{first + i:x}{more}\n' for i in range(count)]
        begin = time.monotonic()
        place.tc('-batch', '-', stdin=''.join(lines))
        return (time.monotonic() - begin) * 1e6 / count

    batch('add', 1, RESERVED)
    took = batch('add', RESERVED + 1, TC_CLASSES)
    figures.add('schedule', f'tc -batch: a class more, beside {RESERVED:,}', {'case': 'tc-add', 'unit': 'us',
                                                                         'value': took})


def run(here, figures, quick):
    packets(here, figures, quick)
    reservations(here, figures, quick)
