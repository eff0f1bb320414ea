# SPDX-License-Identifier: MIT
"""rsvp: what an RSVP router costs: the engine alone, with messages in memory."""
import control

FEW, SOME, MANY = 1000, 10000, 100000  # few fit into the caches of the processor
NEW_LIMIT_US = 50  # 20,000 sessions a second
SHARE_LIMIT = 20  # % of a core, at R = 30 s
MEMORY_LIMIT_BYTES = 1536
MESSAGE_LIMIT_US = 10
WAY_LIMIT_US = 5000
FLAT = 1.25


def show_refreshes(figures, cases, sessions):
    figures.add('rsvp', f'{sessions:,} sessions at R = 30 s: share of a core', cases['share'],
                ('mean', SHARE_LIMIT, ' %'))
    figures.add('rsvp', f'{sessions:,} sessions: each message', cases['message'], ('mean', MESSAGE_LIMIT_US, ' µs'))


def run(here, figures, quick):
    figures.title('rsvp: one router between two hosts, messages in memory, full refreshes')
    seconds = 10 if quick else 60
    few, some, many = (control.measure(here.program('rsvp_node'), sessions, seconds, 'full')
                       for sessions in (FEW, SOME, MANY))
    new = many['new']['mean']
    figures.add('rsvp', 'new sessions in a second of a core', many['new'])
    figures.add('rsvp', 'one new session: Path and Resv', {'case': 'new-each', 'unit': 'us', 'value': 1e6 / new},
                ('value', NEW_LIMIT_US, ' µs'))
    figures.add('rsvp', 'resident memory, each session', many['memory'], ('mean', MEMORY_LIMIT_BYTES, ' bytes'))
    show_refreshes(figures, few, FEW)
    show_refreshes(figures, some, SOME)
    show_refreshes(figures, many, MANY)
    for sessions, cases, budget in (FEW, few, None), (SOME, some, ('value', FLAT, ' ×')):
        ratio = many['message']['mean'] / cases['message']['mean']
        figures.add('rsvp', f'a message with {MANY:,} sessions beside {sessions:,}',
                    {'case': f'flat-{sessions}', 'unit': '×', 'value': ratio}, budget)
    figures.add('rsvp', 'first Path to the RESV event, two hops', few['way'], ('p99', WAY_LIMIT_US, ' µs'))
