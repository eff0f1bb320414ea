# SPDX-License-Identifier: MIT
"""RSVP messages of every kind as another program sees them: tshark finds nothing malformed (R-003, R-040)."""
import re
import shutil
import subprocess

import pytest

from conftest import build_directory


@pytest.fixture(scope='module')
def capture():
    program = build_directory() / 'tests/netns/rsvp_pcap'
    if not program.exists():
        pytest.skip('rsvp_pcap is not built')
    if not shutil.which('tshark'):
        pytest.skip('needs tshark')
    return subprocess.run([program], check=True, stdout=subprocess.PIPE, timeout=30).stdout


def tshark(folder, data, *options):
    path = folder / 'messages.pcap'
    path.write_bytes(data)
    return subprocess.run(['tshark', '-r', path, *options], check=True, timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def complaints(text):
    return re.findall(r'.*(?:[Mm]alformed|[Ii]ncorrect|[Ii]nvalid|bogus|should be).*', text)


def test_nothing_is_malformed(capture, tmp_path):
    text = tshark(tmp_path, capture, '-V')
    frames = text.count('Reservation Protocol (46)')
    checksums = re.findall(r'Message Type: (\w+).*\n *Message Checksum: 0x[0-9a-f]{4}(.*)', text)

    assert frames > 30
    assert not complaints(text)
    # It does not look at the checksum of a Bundle, but at those of the messages in it.
    judged = [(kind, verdict) for kind, verdict in checksums if kind != 'BUNDLE']
    assert len(judged) > frames
    assert all(verdict == ' [correct]' for _, verdict in judged)


def test_every_kind_is_there(capture, tmp_path):
    types = tshark(tmp_path, capture, '-T', 'fields', '-e', 'rsvp.msg').split()
    seen = {int(number) for line in types for number in line.split(',')}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 15, 25, 26} <= seen


def test_values(capture, tmp_path):
    """What was meant is what is read."""
    text = tshark(tmp_path, capture, '-V')
    for line in ('Destination address: 192.0.2.99', 'Neighbor address: 192.0.2.3', 'Logical interface: 7',
                 'Refresh interval: 30000 ms (30 seconds)', 'Sender port number: 6000',
                 'Token bucket rate: 125000', 'Token bucket size: 8000', 'Peak data rate: 250000',
                 'Minimum policed unit [m]: 64', 'Maximum packet size [M]: 1500',
                 'Style: Fixed Filter (0x00000a)', 'Style: Shared-Explicit (0x000012)',
                 'Style: Wildcard Filter (0x000011)', 'Error code: Admission Control Failure  (1)',
                 'Error code: Confirmation (0)', 'Epoch: 8238409'):
        assert line in text, line


def test_the_judge_judges(capture, tmp_path):
    """A wrong checksum, and an object that does not fit, are seen."""
    first = 24 + 16 + 20
    wrong = bytearray(capture)
    wrong[first + 2] ^= 1
    assert complaints(tshark(tmp_path, bytes(wrong), '-V', '-Y', 'frame.number == 1'))
    wrong = bytearray(capture)
    wrong[first + 8 + 1] = 2
    assert complaints(tshark(tmp_path, bytes(wrong), '-V', '-Y', 'frame.number == 1'))
