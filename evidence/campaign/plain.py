"""Programs of plain Python that share a CPU core, to try the campaign without torch or a card.

They differ in how long they compute at a stretch and how long they rest.
"""

from __future__ import annotations

import time

from nvinx.calibration import ProfileTarget


def greedy() -> ProfileTarget:
    return _program("greedy", 8, 0.0)


def brief() -> ProfileTarget:
    return _program("brief", 1, 0.001)


def restful() -> ProfileTarget:
    return _program("restful", 3, 0.006)


LOADERS = (greedy, brief, restful)
TRIPLES = (("greedy", "brief", "restful"),)
_ONE = 20_000  # additions, about a millisecond


def _program(name: str, stretch: int, rest_s: float) -> ProfileTarget:
    def infer(count: int) -> None:
        total = 0
        for number in range(count):
            total += number
        time.sleep(rest_s)

    return ProfileTarget(name, infer, stretch * _ONE)
