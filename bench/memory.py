# SPDX-License-Identifier: MIT
"""memory: what a flow costs the daemon, and what the tables cost the kernel."""
import world

LIMIT_BYTES = 1024
FLOWS = (10000, 100000)
OTHERS = 30000


def plural(count, what):
    return f'{count:,} {what}{"s" * (count != 1)}'


def add_case(figures, label, name, growth, flows, **more):
    figures.add('memory', label, dict(more, case=name, unit='bytes', value=growth / flows, growth_bytes=growth),
                ('value', LIMIT_BYTES, ' bytes'))


def measure_one_handle(here, figures):
    """
    The same daemon, fuller and fuller. What it has used and freed while it started serves the first flows, so the
    step from few flows to many is the truer figure.
    """
    daemon = here.daemon()
    empty = before = daemon.resident_bytes()
    figures.add('memory', 'the daemon without a flow', {'case': 'empty', 'unit': 'bytes', 'value': empty})
    held = 0
    for flows in FLOWS:
        here.hold_flows(daemon, flows - held)
        now = daemon.resident_bytes()
        add_case(figures, f'{plural(flows, "flow")} of few handles, each', f'{flows}', now - empty, flows)
        if held > 0:
            add_case(figures, f'from {held:,} flows to {flows:,}, each', f'{held}-{flows}', now - before,
                     flows - held)
        held, before = flows, now
    figures.add('memory', 'kernel tables then, in all',
                {'case': 'kernel', 'unit': 'bytes', 'value': daemon.map_bytes()})


def measure_many_handles(here, figures):
    """Each flow in a handle, and connection, of its own; what the start has left is used up by others before."""
    most = (world.descriptor_limit() - world.DESCRIPTORS_SPARE) // world.DESCRIPTORS_PER_CLIENT
    flows = min(FLOWS[0], most)
    daemon = here.daemon()
    here.hold_flows(daemon, OTHERS)
    before = daemon.resident_bytes()
    here.hold_flows(daemon, flows, flows)
    add_case(figures, f'{plural(flows, "flow")} of a handle each, each', f'{flows}-handles',
             daemon.resident_bytes() - before, flows)


def run(here, figures, quick):
    figures.title('memory: growth of the daemon\'s resident memory; kernel tables apart')
    measure_one_handle(here, figures)
    measure_many_handles(here, figures)
