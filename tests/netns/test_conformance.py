# SPDX-License-Identifier: MIT
"""The qWAVE checklist item by item (tests/netns/conformance), at the daemon and in the embedded engine."""
import pathlib
import re

import pytest

from conftest import Daemon

FOLDER = pathlib.Path(__file__).resolve().parent / 'conformance'
ITEM = re.compile(r'^\t\{ "(Q-\d{3})", ', re.MULTILINE)
LINE = re.compile(r'^(ok|FAIL|SKIP) (Q-\d{3}) (.*)$', re.MULTILINE)

ITEMS = sorted({item for source in FOLDER.glob('*.c') for item in ITEM.findall(source.read_text(encoding='utf-8'))})


@pytest.fixture(scope='module', params=['daemon', 'embedded'])
def results(request, programs, shared_net):
    """What the program says of each item: {item: (ok|FAIL|SKIP, title and reason)}."""
    mode, daemon = request.param, None
    environment = programs.environment(mode=mode)
    if mode == 'daemon':
        daemon = Daemon(programs, shared_net.a, shared_net.folder, 'conformance').start()
        environment = programs.environment(daemon.socket_path, mode)
    status, out, error = shared_net.a.run([programs.path('qwave_conformance')], timeout=240, env=environment)
    if daemon:
        daemon.stop()
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
