"""One line of a trace, as far as any line of one goes."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from nvinx.formatting import plain

# What a line that is no event may raise, here and where its fields are looked at.
NONSENSE = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
_LONGEST_S = 1e10  # three centuries
_SIZES = ("vram_mib", "ram_mib", "disk_mib", "total_mib", "used_mib", "ram_left_mib", "peak_mib")
_LARGEST = 1 << 40  # MiB


def event(line: str) -> dict[str, Any]:
    """Raises one of NONSENSE."""
    found: dict[str, Any] = json.loads(line, parse_constant=_refuse)
    if not 0 <= found["s"] <= _LONGEST_S:
        raise ValueError("no time in seconds")
    if plain(str(found.get("id", ""))) != str(found.get("id", "")):
        raise ValueError("no id of a job")
    _demand_sizes(found)
    return found


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number")


def _demand_sizes(value: Any) -> None:
    """Every size in it is one, and every number is finite."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _SIZES and inner is not None and not 0 <= inner <= _LARGEST:
                raise ValueError(f"{key} is not a size")
            _demand_sizes(inner)
    elif isinstance(value, list):
        for inner in value:
            _demand_sizes(inner)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("an implausibly large number")
