"""The VRAM of a job that can manage with less, and use more: `vram_mb="2000-6000"`. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from nvinx.errors import HintError
from nvinx.formatting import value_text
from nvinx.sizes import need_from_mb, need_mib, parse_bytes

SIGNAL = "USR1"  # by which a job is told of another budget
_FIX = {"vram_mb": "write it like vram_mb='2000-6000'", "vram": "write it like vram='2-6GB'"}
_MB = r"(?a)\s*(\d{1,15})\s*-\s*(\d{1,15})\s*"
_UNIT = r"(?ai)\s*\d+(?:\.\d+)?\s*(?P<unit>[a-z]*)\s*"


_NONE = (None, None)  # what is meant as a range, and is none


class VramRange(Struct, frozen=True):
    """Whole MiB: the least that a job starts with, and the most that it can make use of."""

    least_mib: int
    most_mib: int

    @property
    def elastic_mib(self) -> int:
        """What it can give back while it runs."""
        return self.most_mib - self.least_mib


def named(rule: str, hint: str, value: object) -> VramRange | None:
    """The range that a value of `vram_mb` or `vram` states; None where it states no range.

    `"2000-6000"` or two numbers for `vram_mb`, `"2-6GB"` or `"900MB-2GB"` for `vram`. Raises
    HintError.
    """
    ends = _ends(hint, value)
    if ends is None:
        return None
    stated = f"{hint}={value_text(value)}"
    try:
        least, most = (_mib(hint, end) for end in ends)
    except (OverflowError, TypeError, ValueError):
        raise HintError(rule, stated, "is not a range of sizes", _FIX[hint]) from None
    if least <= 0:
        problem = "begins at nothing, and a job on a card needs something"
        raise HintError(rule, stated, problem, "begin with the least that the job can make do with")
    if least > most:
        problem = "begins with the larger size"
        raise HintError(rule, stated, problem, f"put the smaller size first: {_FIX[hint]}")
    return VramRange(least, most)


def _ends(hint: str, value: object) -> tuple[object, object] | None:
    if isinstance(value, tuple | list):
        is_pair = hint == "vram_mb" and len(value) == len(_NONE)
        return (value[0], value[1]) if is_pair else _NONE
    if not isinstance(value, str) or "-" not in value.strip()[1:]:
        return None
    if hint == "vram_mb":
        found = re.fullmatch(_MB, value)
        return _NONE if found is None else (int(found[1]), int(found[2]))
    least, _, most = value.partition("-")
    return _with_unit_of(most, least), most


def _with_unit_of(most: str, least: str) -> str:
    """`2-6GB` begins with 2 GB."""
    own, others = (re.fullmatch(_UNIT, size) for size in (least, most))
    if own is None or others is None or own["unit"]:
        return least
    return least.strip() + others["unit"]


def _mib(hint: str, end: object) -> int:
    """Raises ValueError, TypeError and OverflowError where it is no size."""
    if hint == "vram":
        return need_mib(parse_bytes(str(end)))
    if isinstance(end, bool) or not isinstance(end, int | float):
        raise TypeError(end)
    return need_from_mb(end)
