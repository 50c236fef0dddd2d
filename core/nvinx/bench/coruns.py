"""A file of measured co-runs: who was slowed down by whom, as JSON or YAML."""

from __future__ import annotations

import math

from nvinx.bench.strict_yaml import At, read, table
from nvinx.errors import BenchError
from nvinx.interference.slowdown import CoRun

_PAIR = ("a", "b", "slowdown_a", "slowdown_b")


def parse(text: str, path: str) -> tuple[CoRun, ...]:
    """The co-runs under `pairs:`. Raises BenchError with the line at the first mistake."""
    root = read(text, path)
    if root is None or root.value is None:
        raise BenchError(path, None, "the file is empty", "write `pairs:` with co-runs")
    top = table(root, "the file", ("pairs",), needed=("pairs",))
    return tuple(corun(at, f"pairs[{n}]") for n, at in enumerate(top.items("pairs")))


def corun(at: At, what: str) -> CoRun:
    """One entry with a, b, slowdown_a and perhaps slowdown_b."""
    entry = table(at, what, _PAIR, needed=("a", "b", "slowdown_a"))
    slowdowns = []
    for key in ("slowdown_a", "slowdown_b"):
        value = entry.number(key)
        if value is not None and not 0 < value < math.inf:
            fix = "write time when sharing / time alone, such as 1.3"
            raise entry.entries[key].error(f"{key} is {value:g}", fix)
        slowdowns.append(value)
    return CoRun(entry.text("a") or "", entry.text("b") or "", slowdowns[0] or 1.0, slowdowns[1])
