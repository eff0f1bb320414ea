# SPDX-License-Identifier: MIT
"""mark: what one packet costs its sender, by ways of marking it."""
import json
import subprocess

import world

NFT_ELEMENTS = 10000
U32_FILTERS = 1000
PORT = 9009  # where send_cost sends to
FLOWS = (1, 1000, 100000)
LIMIT = 1.10
EQUAL = 1.05  # 100,000 flows beside one
SLICE = 1000  # packets
ACTIVE = 4000  # sockets that send in turn


def nft_verdict_map(place):
    """A map from address and ports to a chain that sets the DSCP; all traffic is the last element."""
    world.need('nft')
    elements = [f'10.120.{i >> 8}.{i & 255} . {PORT} : goto voice' for i in range(NFT_ELEMENTS - 1)]
    elements.append(f'{place.peer} . {PORT} : goto voice')
    rules = f'''table ip bench {{
        map flows {{
            type ipv4_addr . inet_service : verdict
            elements = {{ {", ".join(elements)} }}
        }}
        chain voice {{
            ip dscp set 56
        }}
        chain output {{
            type filter hook postrouting priority mangle
            ip daddr . udp dport vmap @flows
        }}
    }}'''
    world.command(*place.inside('nft', '-f', '-'), stdin=rules)


def u32_filters(place):
    """One filter per flow, the matching one last. They classify; the DSCP stays as it is."""
    world.need('tc')
    place.tc('qdisc', 'add', 'dev', 'eth0', 'clsact')
    add = 'filter add dev eth0 egress protocol ip prio 1 u32 match ip dst {} match ip dport {} 0xffff ' \
          'flowid 1:1\n'
    others = [add.format(f'10.120.{i >> 8}.{i & 255}', PORT) for i in range(U32_FILTERS - 1)]
    place.tc('-batch', '-', stdin=''.join(others) + add.format(place.peer, PORT))


def alternatives(here, figures):
    """(identifier, label, kind, place) of what needs nothing of ours."""
    plain = here.place()
    lanes = [('unmarked', 'unmarked', 'plain', plain),
             ('setsockopt', 'setsockopt(IP_TOS)', 'setsockopt', plain)]
    for name, label, prepare in (
            ('nft', f'nft verdict map, {NFT_ELEMENTS:,} elements', nft_verdict_map),
            ('u32', f'u32, {U32_FILTERS:,} filters (no mark)', u32_filters)):
        try:
            place = here.place()
            prepare(place)
            lanes.append((name, label, 'plain', place))
        except (world.Unavailable, world.CannotMeasure) as reason:
            figures.skip('mark', label, reason)
    return lanes


def ours(daemons):
    lanes = [(f'flows-{flows}', f'greenwave, {flows:,} flow{"s" * (flows > 1)}',
              f'flow:{daemon.socket}', daemon.place) for flows, daemon in daemons.items()]
    return lanes + [('unmanaged', f'greenwave, {max(daemons):,} flows, none of this socket', 'plain',
                     daemons[max(daemons)].place)]


def measure(here, rounds, lanes, sockets=1):
    words = [f'{name},{kind},{place.namespace},{place.peer}' for name, _, kind, place in lanes]
    for _, _, _, place in lanes:
        place.drop_on_arrival()
    done = subprocess.run([here.program('send_cost'), str(rounds), str(SLICE), str(sockets), *words],
                          text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise world.CannotMeasure('send_cost failed')
    return {case['case']: case for case in map(json.loads, done.stdout.splitlines())}


def run(here, figures, quick):
    figures.title('mark: one send of 64 bytes over UDP and a veth, the time of the sender; × is the median of '
                  'paired slices to unmarked')
    daemons = {}
    for flows in FLOWS:
        daemons[flows] = here.daemon()
        if flows > 1:
            here.hold_flows(daemons[flows], flows - 1)
    lanes = alternatives(here, figures) + ours(daemons)
    rounds = 40 if quick else 250
    cases = measure(here, rounds, lanes)
    for name, label, _, _ in lanes:
        limit = ('ratio', LIMIT, ' ×') if name.startswith('flows-') else None
        figures.add('mark', label, cases[name], limit)
    least, most = (cases[f'flows-{flows}']['ratio'] for flows in (min(FLOWS), max(FLOWS)))
    figures.add('mark', f'{max(FLOWS):,} flows beside {min(FLOWS)}',
                {'case': 'equal', 'unit': '×', 'value': most / least}, ('value', EQUAL, ' ×'))

    # Beyond the budget's case: one socket's entry stays in the processor's cache, those of many do not.
    lanes = [lanes[0]] + [lane for lane in lanes if lane[0] == f'flows-{max(FLOWS)}']
    cases = measure(here, rounds, lanes, ACTIVE)
    for name, label, _, _ in lanes:
        figures.add('mark', f'{label}; {ACTIVE:,} sockets in turn', dict(cases[name], case=f'{name}-active'))
