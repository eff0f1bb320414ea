# SPDX-License-Identifier: MIT
"""What the demonstration shows of reservations, and checks itself: tools/reservation.py."""
import re
import subprocess
import sys

import pytest

from conftest import TOP, build_directory
from netns import TIME_FACTOR


def test_reservation():
    """A guaranteed stream arrives whole, and each closing event sends what it should (spec/gqos.md §16)."""
    done = subprocess.run([sys.executable, TOP / 'tools/demo', '--only', 'reservation', build_directory()],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
                          timeout=180 * TIME_FACTOR)
    left_out = re.search('Left out: (.*)', done.stdout)
    if left_out:
        pytest.skip(left_out[1])
    assert done.returncode == 0, done.stdout
