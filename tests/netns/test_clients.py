# SPDX-License-Identifier: MIT
"""What known programs do with qWAVE (tests/abi/client_patterns.c, spec/qwave.md §15), for root and for others."""
import pytest

from conftest import NOBODY


@pytest.mark.parametrize('uid', [0, NOBODY], ids=['root', 'nobody'])
@pytest.mark.parametrize('mode', ['daemon', 'embedded'])
def test_client_patterns(net, daemon, programs, mode, uid):
    """Each gets what it needs"""
    status, out, error = net.a.run([programs.path('client_patterns')], uid=uid, timeout=30,
                                   env=programs.environment(daemon.socket_path, mode))
    assert status == 0, out + error
    assert out.count('ok ') == 10
