# SPDX-License-Identifier: MIT
"""protect: a telephone call of 64 kbit/s on a link of 10 Mbit/s, beside what else is sent there."""
import os
import pathlib
import sys

import world

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'tools'))

import protection
from streams import quantile

LOADS = {'none': 'nothing', 'tcp': f'{protection.CONNECTIONS} TCP', 'flood': '20 Mbit/s'}
QUEUES = {'fifo': 'plain FIFO', 'by-hand': 'HTB by hand', 'greenwave': 'greenwave'}
CALL_S, QUICK_CALL_S = 8, 2
LEAD_S = 3  # until TCP fills the link and its queue
P99_BEYOND_IDLE_MS = 1
P50_SHARE = 1 / 1000
THROUGHPUT_LOSS = 3  # percent
LATE_MS = 20
ATTEMPTS = 3


def calls(hosts, queue, seconds):
    prefix = ()
    if queue == 'greenwave':
        if not hosts.greenwave():
            raise world.CannotMeasure('greenwaved does not schedule the link')
        prefix = (str(hosts.build / 'src/cli/greenwave'), 'run', '--class', 'voice', '--')
    elif queue == 'by-hand':
        hosts.by_hand()
    else:
        hosts.fifo()
    made = {}
    for load in LOADS:
        for _ in range(ATTEMPTS):
            made[load] = hosts.call(load, seconds, LEAD_S if load == 'tcp' else 1, prefix)
            if made[load].late_ms < LATE_MS:
                break
    if queue == 'greenwave':
        hosts.stop_greenwave()
    else:
        hosts.no_queue()
    return made


def delay(call, share):
    return quantile(call.delays, share) * 1e3 if call.delays else float('inf')


def show(figures, queue, load, call):
    case = f'{queue}-{load}'
    label = f'{QUEUES[queue]}, beside {LOADS[load]}'
    ours = queue == 'greenwave'
    figures.add('protect', f'{label}: lost of {call.sent}', {'case': f'{case}-lost', 'unit': '',
                                                             'value': call.sent - len(call.delays)},
                ('value', 0, '') if ours else None)
    figures.add('protect', label, {'case': f'{case}-delay', 'unit': 'ms', 'count': len(call.delays),
                                   'median': delay(call, 0.5), 'p99': delay(call, 0.99)})


def run(here, figures, quick):
    figures.title('protect: a call of 64 kbit/s on a link of 10 Mbit/s, one-way delay; and what the others get')
    hosts = protection.Hosts(here.build, here.folder, dict(os.environ, GREENWAVE_MODE='daemon'))
    try:
        made = {queue: calls(hosts, queue, QUICK_CALL_S if quick else CALL_S) for queue in QUEUES}
    except RuntimeError as reason:
        raise world.CannotMeasure(str(reason)) from None
    finally:
        hosts.close()
    for load in LOADS:
        for queue in QUEUES:
            show(figures, queue, load, made[queue][load])
    idle = delay(made['greenwave']['none'], 0.99)
    for load in 'tcp', 'flood':
        fifo, ours = made['fifo'][load], made['greenwave'][load]
        figures.add('protect', f'beside {LOADS[load]}: p99 beyond that of the idle link',
                    {'case': f'{load}-beyond-idle', 'unit': 'ms', 'value': delay(ours, 0.99) - idle},
                    ('value', P99_BEYOND_IDLE_MS, ' ms'))
        figures.add('protect', f'beside {LOADS[load]}: p50 as a share of the FIFO\'s',
                    {'case': f'{load}-share', 'unit': '‰', 'value': 1000 * delay(ours, 0.5) / delay(fifo, 0.5)},
                    ('value', 1000 * P50_SHARE, ' ‰'))
        figures.add('protect', f'beside {LOADS[load]}: the others lose of their throughput',
                    {'case': f'{load}-throughput', 'unit': '%', 'fifo_bps': fifo.bulk_bps, 'bps': ours.bulk_bps,
                     'value': 100 * (1 - ours.bulk_bps / fifo.bulk_bps)}, ('value', THROUGHPUT_LOSS, ' %'))
