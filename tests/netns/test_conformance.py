# SPDX-License-Identifier: MIT
"""The qWAVE checklist item by item (tests/netns/conformance), at the daemon and in the embedded engine."""
import pathlib
import re
import subprocess

import pytest

from conftest import CABLE, Daemon
from netns import TIME_FACTOR

FOLDER = pathlib.Path(__file__).resolve().parent / 'conformance'
ITEM = re.compile(r'^\t\{ "(Q-\d{3})", ', re.MULTILINE)
LINE = re.compile(r'^(ok|FAIL|SKIP) (Q-\d{3}) (.*)$', re.MULTILINE)
MODES = ('daemon', 'embedded')
LIMIT_S = 240
SILENT = '192.0.2.'  # on the link, and nobody's but for a few at its beginning

ITEMS = sorted({item for source in FOLDER.glob('*.c') for item in ITEM.findall(source.read_text(encoding='utf-8'))})


@pytest.fixture(scope='module')
def runs(programs, shared_net, tmp_path_factory):
    """The program in both modes at once, for it waits most of the time."""
    folder = tmp_path_factory.mktemp('conformance')
    daemon = Daemon(programs, shared_net.a, shared_net.folder, 'conformance').start()
    neighbours = folder / 'neighbours'
    neighbours.write_text(''.join(
        f'neigh replace {SILENT}{item[2:].lstrip("0")} lladdr 02:00:00:00:02:00 dev {CABLE} nud permanent\n'
        for item in ITEMS if item >= 'Q-100'))
    shared_net.a.must('ip', '-batch', str(neighbours))
    running = {}
    for mode in MODES:
        environment = programs.environment(daemon.socket_path, mode, GW_SILENT_NET=f'{SILENT}0')
        with open(folder / f'{mode}.out', 'wb') as out, open(folder / f'{mode}.err', 'wb') as error:
            running[mode] = shared_net.a.popen([programs.path('qwave_conformance')], stdin=subprocess.DEVNULL,
                                               stdout=out, stderr=error, env=environment)
    for mode, child in running.items():
        try:
            child.wait(LIMIT_S * TIME_FACTOR)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        shared_net.a.children.remove(child)
    yield {mode: (child.returncode, (folder / f'{mode}.out').read_text(encoding='utf-8', errors='replace'),
                  (folder / f'{mode}.err').read_text(encoding='utf-8', errors='replace'))
           for mode, child in running.items()}
    assert daemon.flows() == []
    daemon.stop()


@pytest.fixture(scope='module', params=MODES)
def results(request, runs):
    """What the program says of each item: {item: (ok|FAIL|SKIP, title and reason)}."""
    status, out, error = runs[request.param]
    found = {item: (word, rest) for word, item, rest in LINE.findall(out)}
    # Beyond the items: a crash, or what a sanitizer found.
    assert found, f'ended with {status}: {out[-2000:]}{error[-4000:]}'
    found['end'] = (status, error)
    return found


@pytest.mark.parametrize('item', ITEMS)
def test_item(results, item):
    assert item in results, f'ended before it: {results["end"]}'
    word, text = results[item]
    if word == 'SKIP':
        pytest.skip(text)
    assert word == 'ok', text


def test_end(results):
    """The program ends well: no crash, no leak"""
    status, error = results['end']
    failed = any(result[0] == 'FAIL' for item, result in results.items() if item != 'end')
    assert status == (1 if failed else 0), error[-4000:]
