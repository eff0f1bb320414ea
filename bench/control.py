# SPDX-License-Identifier: MIT
"""control and datagram: what an application waits for when it begins and ends a flow."""
import json
import subprocess

import world

FLOWS = (0, 1000, 100000)
PAIR_LIMIT_US = 25
FLAT = 1.25  # 100,000 flows beside none
DATAGRAM_LIMIT_US = 100

BUS_CONFIG = '''<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
'''


def start_bus(here):
    """A bus daemon of our own."""
    world.need('dbus-daemon')
    if 'dbus' not in world.command(here.program('control_cost'), 'ways').split():
        raise world.Unavailable('built without libsystemd')
    config = here.folder / 'bus.conf'
    config.write_text(BUS_CONFIG.format(socket=here.folder / 'bus'))
    with (here.folder / 'bus.log').open('w') as log:
        bus = subprocess.Popen(
            ['dbus-daemon', f'--config-file={config}', '--nofork', '--print-address'],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
    here.callback(world.end, bus)
    return world.wait_for_line(bus, 'dbus-daemon').split(',')[0]


def measure(program, *words):
    done = subprocess.run([program, *map(str, words)], text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise world.CannotMeasure(f'{program.name} failed')
    return {case['case']: case for case in map(json.loads, done.stdout.splitlines())}


def crowded_daemons(here):
    daemons = {}
    for flows in FLOWS:
        daemons[flows] = here.daemon()
        if flows > 0:
            here.hold_flows(daemons[flows], flows)
    return daemons


def bus_lane(here, figures, benchmark):
    label = 'D-Bus, one call with a descriptor'
    try:
        return [('dbus', label, 'dbus', '-', start_bus(here))]
    except (world.Unavailable, world.CannotMeasure) as reason:
        figures.skip(benchmark, label, reason)
        return []


def run_control(here, figures, quick):
    figures.title('control: a flow added and removed, as the application waits for it; × is the median of '
                  'paired slices to the bare messages')
    daemons = crowded_daemons(here)
    empty = daemons[FLOWS[0]]
    lanes = [('bare', 'two bare messages and answers, a descriptor', 'bare', '-', '')]
    lanes += bus_lane(here, figures, 'control')
    lanes += [(f'flows-{flows}', f'greenwaved, {flows:,} other flows', 'native',
               daemon.place.namespace, daemon.socket) for flows, daemon in daemons.items()]
    lanes += [('qwave', 'greenwaved, through qos2.h', 'qwave', empty.place.namespace, empty.socket),
              ('embedded', 'embedded engine', 'native', empty.place.namespace, 'embedded')]
    cases = measure(here.program('control_cost'), 20 if quick else 100, 100,
                    *(f'{name},{kind},{namespace},{where}' for name, _, kind, namespace, where in lanes))
    for name, label, *_ in lanes:
        ours = name.startswith('flows-') or name == 'qwave'
        figures.add('control', label, cases[name], ('median', PAIR_LIMIT_US, ' µs') if ours else None)
    least, most = (cases[f'flows-{flows}']['median'] for flows in (min(FLOWS), max(FLOWS)))
    figures.add('control', f'{max(FLOWS):,} other flows beside none',
                {'case': 'flat', 'unit': '×', 'value': most / least}, ('value', FLAT, ' ×'))


def run_datagram(here, figures, quick):
    figures.title('datagram: one datagram of an unconnected socket in a flow of its own: add, sendto, remove; × '
                  'is to a sendto alone')
    daemon = here.daemon()
    place = daemon.place
    lanes = [('plain', 'sendto, unmarked', 'plain', ''),
             ('message', 'sendmsg with IP_TOS in a control message', 'message', ''),
             ('setsockopt', 'setsockopt(IP_TOS) before and after', 'setsockopt', ''),
             ('qwave', 'greenwaved, through qos2.h (Q-063)', 'qwave', daemon.socket),
             ('native', 'greenwaved', 'native', daemon.socket)]
    cases = measure(here.program('datagram_cost'), 2000 if quick else 10000, here.sink, place.peer,
                    *(f'{name},{kind},{place.namespace},{where}' for name, _, kind, where in lanes))
    for name, label, *_ in lanes:
        ours = name in ('qwave', 'native')
        figures.add('datagram', label, cases[name], ('mean', DATAGRAM_LIMIT_US, ' µs') if ours else None)
    figures.note('every datagram was looked at where it arrived, and had its mark')
