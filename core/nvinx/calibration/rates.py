"""Rates from what a program finished and when. Pure."""

from __future__ import annotations

import bisect
import itertools
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Mark = tuple[float, int]


def rate(marks: Sequence[Mark], start: float, end: float) -> float:
    """Iterations per second between two moments, parts of iterations counted as such.

    marks: (seconds, iterations done), rising; they must reach from `start` to `end`, else
    ValueError.
    """
    return (_done(marks, end) - _done(marks, start)) / (end - start)


def rates(marks: Sequence[Mark], start: float, window_s: float, windows: int) -> list[float]:
    """The rates in that many windows, one after the other."""
    edges = [start + k * window_s for k in range(windows + 1)]
    return [rate(marks, a, b) for a, b in itertools.pairwise(edges)]


def slowdown(solo: float, beside: Sequence[float]) -> float:
    """Solo rate over co-run rate, the median of the windows."""
    return statistics.median(solo / each for each in beside)


def spread(values: Sequence[float]) -> float:
    """How far the largest is above the smallest, 0.05 is 5 %."""
    return max(values) / min(values) - 1.0


def _done(marks: Sequence[Mark], at: float) -> float:
    position = bisect.bisect_left(marks, at, key=lambda mark: mark[0])
    if position == len(marks) or (position == 0 and marks[0][0] > at):
        raise ValueError(f"nothing is known about the time {at}")
    after, count = marks[position]
    if position == 0 or after == at:
        return float(count)
    before, fewer = marks[position - 1]
    return fewer + (count - fewer) * (at - before) / (after - before)
