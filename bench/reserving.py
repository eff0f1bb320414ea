# SPDX-License-Identifier: MIT
"""rsvp: what an RSVP router costs: the engine alone, with messages in memory; and daemons, with real sockets."""
import control
import world

FEW, SOME, MANY = 1000, 10000, 100000  # few fit into the caches of the processor
NEW_LIMIT_US = 50  # 20,000 sessions a second
SHARE_LIMIT = 20  # % of a core, at R = 30 s
REDUCED_SHARE_LIMIT = 2  # the same, with refresh reduction
MEMORY_LIMIT_BYTES = 1536
MESSAGE_LIMIT_US = 10
WAY_LIMIT_US = 5000
FLAT = 1.25
SESSIONS = 20000  # of daemons
CONFIG = 'rsvp {{ enabled = true interfaces = {{{}}} max-messages-per-second = 1000000 }}'


def show_refreshes(figures, cases, sessions):
    figures.add('rsvp', f'{sessions:,} sessions at R = 30 s: share of a core', cases['share'],
                ('mean', SHARE_LIMIT, ' %'))
    figures.add('rsvp', f'{sessions:,} sessions: each message', cases['message'], ('mean', MESSAGE_LIMIT_US, ' µs'))


def measure_reduced(here, figures, seconds, full):
    figures.title('rsvp: the same, neighbours and router reduce refreshes (RFC 2961)')
    cases = control.measure(here.program('rsvp_node'), MANY, seconds, 'reduced')
    figures.add('rsvp', 'reduced: new sessions in a second of a core', cases['new'])
    figures.add('rsvp', 'reduced: resident memory, each session', cases['memory'],
                ('mean', MEMORY_LIMIT_BYTES, ' bytes'))
    figures.add('rsvp', f'reduced: {MANY:,} sessions at R = 30 s: share of a core', cases['share'],
                ('mean', REDUCED_SHARE_LIMIT, ' %'))
    # A summary speaks of hundreds of sessions, so what a message costs says nothing beside that of one session.
    each = {'case': 'reduced-session', 'unit': 'us', 'value': cases['share']['mean'] / 100 * 30e6 / MANY}
    figures.add('rsvp', 'reduced: one session, in each R', each)
    ratio = full['share']['mean'] / cases['share']['mean']
    figures.add('rsvp', 'full refreshes beside reduced ones', {'case': 'reduction', 'unit': '×', 'value': ratio})


def run(here, figures, quick):
    run_node(here, figures, quick)
    run_sockets(here, figures, quick)


def run_node(here, figures, quick):
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
    measure_reduced(here, figures, seconds, many)


# ---- between namespaces ----

def join(upper, lower, net):
    """A cable, with the same name at both ends."""
    name = f'cable{net}'
    world.command('ip', 'link', 'add', name, 'netns', upper.namespace, 'type', 'veth', 'peer', 'name', name, 'netns',
                  lower.namespace)
    for place, last in (upper, 1), (lower, 2):
        place.ip('addr', 'add', f'10.118.{net}.{last}/24', 'dev', name)
        place.ip('link', 'set', name, 'up')
    return name


def let_forward(router):
    for setting in ('net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0'):
        world.command(*router.inside('sysctl', '-qw', setting))


def make_line(here):
    """near - router - far, with a daemon each: the places, and the daemons."""
    near, router, far = (here.place() for _ in range(3))
    let_forward(router)
    first, second = join(near, router, 1), join(router, far, 2)
    near.ip('route', 'add', '10.118.2.0/24', 'via', '10.118.1.2')
    far.ip('route', 'add', '10.118.1.0/24', 'via', '10.118.2.1')
    daemons = [here.daemon(place, CONFIG.format(', '.join(f'"{name}"' for name in names)))
               for place, names in ((near, [first]), (router, [first, second]), (far, [second]))]
    return (near, router, far), daemons


def run_sockets(here, figures, quick):
    figures.title('rsvp: programs, daemons and a router between, in three network namespaces')
    (near, _, far), daemons = make_line(here)
    cases = control.measure(here.program('rsvp_sockets'), near.namespace, daemons[0].socket, far.namespace,
                            daemons[2].socket, '10.118.1.1', '10.118.2.2', SESSIONS // 10 if quick else SESSIONS,
                            daemons[1].process.pid)
    figures.add('rsvp', "the sender's call to its RESV event, two hops", cases['way-sockets'],
                ('p99', WAY_LIMIT_US, ' µs'))
    figures.add('rsvp', 'new sessions in a second, all daemons at work', cases['new-sockets'])
    figures.add('rsvp', "new sessions in a second of the router's core", cases['new-sockets-router'])
