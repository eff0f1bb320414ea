# SPDX-License-Identifier: MIT
"""probe-netem: the same as probe, over paths that take their time, and now more and now less of it.

The delay lies beyond the narrow link or before it; packets stay in order, so that those which come after a late one stand
close together. Short paths come first, for comparison: what is off there already is the machine's doing. Needs a kernel
with netem: `make bench-vm` measures in a virtual machine that has it.
"""
import probing
import world
from probing import Link

segment = probing.segment

# Faster links are looked at without other traffic: in an emulated machine, every packet of it takes its time.
RATES, LOADED_RATES = probing.RATES, (2, 10, 20)
DELAYS_MS, JITTERS_MS = (5, 20), (0.5, 1, 2, 5)
PLACES = True, False  # after the narrow link, and before
STEADY_S, QUICK_STEADY_S = probing.STEADY_S, probing.QUICK_STEADY_S
ROUNDS, QUICK_ROUNDS = 5, 2


def ways(delays_ms=DELAYS_MS, jitters_ms=JITTERS_MS):
    return [segment.Way(delay, jitter, after) for delay in delays_ms for jitter in jitters_ms for after in PLACES]


def run(here, figures, quick):
    figures.title('probe-netem: what is known of long and unsteady paths, and how soon')
    reason = segment.why_no_netem()
    if reason:
        figures.skip('probe-netem', 'long and unsteady paths', f'{reason} (make bench-vm)')
        return
    try:
        show(here, figures, quick)
    except (RuntimeError, OSError) as problem:
        raise world.CannotMeasure(str(problem)) from None


def show(here, figures, quick):
    some = ways(jitters_ms=(1,)) if quick else ways()
    for way in [None, *some]:
        probing.show_capacities(here, figures, [Link(mbit, way=way) for mbit in RATES])
    middle = [None, *ways((5,), (1,) if quick else (0.5, 2))]
    probing.show_spare(here, figures, [Link(mbit, load=load, way=way) for way in middle
                                       for mbit in ((10,) if quick else LOADED_RATES) for load in probing.LOADS])
    for way in middle:
        probing.show_congestion(here, figures, QUICK_ROUNDS if quick else ROUNDS, way)
    probing.show_steady(here, figures, QUICK_STEADY_S if quick else STEADY_S, middle, idle=())
