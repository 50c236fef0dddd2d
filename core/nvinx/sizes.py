"""Sizes at the edge, whole MiB inside: what is stated rounds down, what was seen in use rounds up.

Shares that add up to a size so fit into it, whatever they are: the sum of what is rounded down is
never more than the sum, rounded down. `GB` and `MB` are decimal and `GiB` and `MiB` binary, as in
Snakemake's own `mem` and `mem_mib`.
"""

from __future__ import annotations

import math
import re

MIB = 1024 * 1024
CONTEXT_MIB = 300  # of 100 to 500 that one process takes of a card besides what it allocates
_NUMBER_AND_UNIT = r"\s*(\d+(?:\.\d+)?)\s*([kmgt])(i?)b?\s*"
_PREFIXES = "kmgt"


def used_mib(size_bytes: float) -> int:
    """Whole MiB that hold this many bytes, which were seen in use."""
    return math.ceil(size_bytes / MIB)


def capacity_mib(size_bytes: float) -> int:
    """Whole MiB that this many bytes hold."""
    return math.floor(size_bytes / MIB)


def need_mib(size_bytes: float) -> int:
    """Whole MiB of a stated need; of one that is not nothing, 1 at least."""
    return max(math.floor(size_bytes / MIB), math.ceil(min(size_bytes, 1)))


def need_from_mb(size_mb: float) -> int:
    return need_mib(size_mb * 1e6)


def need_from_gb(size_gb: float) -> int:
    return need_mib(size_gb * 1e9)


def capacity_from_gb(size_gb: float) -> int:
    return capacity_mib(size_gb * 1e9)


def capacity_from_mb(size_mb: float) -> int:
    return capacity_mib(size_mb * 1e6)


def gb_from_mib(size_mib: float) -> float:
    return size_mib * MIB / 1e9


def mb_from_mib(size_mib: float) -> float:
    return size_mib * MIB / 1e6


def whole_mb(size_mib: float) -> int:
    """The fewest MB that, stated as a need, are this many MiB."""
    return math.ceil(mb_from_mib(size_mib))


def rounded_gb(size_mib: float) -> float:
    """GB with two digits, never more than there is."""
    return math.floor(gb_from_mib(size_mib) * 100) / 100


def rounded_up(size_mb: float, step_mb: int = 10) -> int:
    """MB to declare: the next multiple of the step, so that nobody reads more into it."""
    return math.ceil(size_mb / step_mb) * step_mb


def parse_bytes(text: str) -> int:
    """Bytes in a text such as `900MB`, `1.5 GB` or `2GiB`.

    Raises ValueError where it is no size, OverflowError where nobody could count so many.
    """
    found = re.fullmatch(_NUMBER_AND_UNIT, text, re.ASCII | re.IGNORECASE)
    if found is None:
        raise ValueError(f"{text!r} is not a size")
    number, prefix, binary = found.groups()
    step = 1024 if binary else 1000
    return int(float(number) * step ** (1 + _PREFIXES.index(prefix.lower())))
