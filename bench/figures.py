# SPDX-License-Identifier: MIT
"""Figures of one run: printed as they come, and kept for the file of results."""
import json
import os
import pathlib
import platform
import time

WIDTH = 60


def number(value):
    if value >= 10000 or value == int(value):
        return f'{value:,.0f}'
    return f'{value:,.2f}' if value < 100 else f'{value:,.1f}'


class Figures:
    def __init__(self):
        self.cases = []
        self.skipped = []
        self.over = 0
        self.loads = []

    def title(self, text):
        """Others at work on the machine make every figure of time worse, ratios less so: say how busy it is."""
        self.loads.append(os.getloadavg()[0])
        print(f'\n{text}\n  ({os.cpu_count()} processors, load {self.loads[-1]:.1f} before)', flush=True)

    def note(self, text):
        print(f'  {text}', flush=True)

    def skip(self, benchmark, what, reason):
        self.skipped.append({'benchmark': benchmark, 'what': what, 'reason': str(reason)})
        print(f'  SKIP {what}: {reason}', flush=True)

    def add(self, benchmark, label, case, budget=None):
        """`case` as the measuring programs print it; `budget` is (key, limit, unit)."""
        entry = dict(case, benchmark=benchmark, label=label)
        verdict = ''
        if budget:
            key, limit, unit = budget
            entry['budget'] = {'of': key, 'limit': limit}
            entry['over_budget'] = case[key] > limit
            self.over += entry['over_budget']
            word = 'OVER BUDGET' if entry['over_budget'] else 'within budget'
            verdict = f'   {word}: {key} ≤ {number(limit)}{unit}'
        self.cases.append(entry)
        print(f'  {label:<{WIDTH}} {self.text(case)}{verdict}', flush=True)

    @staticmethod
    def text(case):
        unit = case['unit']
        if 'value' in case:
            return f'{number(case["value"]):>10} {unit}'
        text = f'{number(case["median"]):>10} {unit}  p99 {number(case["p99"]):>9}'
        if 'ratio' in case:
            text += f'  {case["ratio"]:6.2f} ×'
        return text

    def write(self, path):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()),
            'kernel': platform.release(),
            'machine': platform.machine(),
            'processors': os.cpu_count(),
            'loads_before': self.loads,
            'cases': self.cases,
            'skipped': self.skipped,
        }, indent=1) + '\n')
        return path
