# SPDX-License-Identifier: MIT
"""What the parts of the demonstration share: how they write, in colour where somebody sees it, and fail."""
import os
import sys

COLOUR = sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb' and 'NO_COLOR' not in os.environ


class Broken(Exception):
    """Something that the demonstration itself needs did not work."""


def paint(code, text):
    return f'\033[{code}m{text}\033[0m' if COLOUR else text


def bold(text):
    return paint('1', text)


def dim(text):
    return paint('2', text)


def say(text=''):
    print(text, flush=True)


def note(text):
    say(dim('     ' + text))
