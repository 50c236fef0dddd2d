"""Sizes in a bench file that can hardly be meant, with their lines."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from nvinx.jobs import unlikely

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nvinx.bench.strict_yaml import At

_CARD_GB = unlikely.LARGEST_MB / 1000
_MACHINE_GB = 8192.0
_MOST_GB = {
    "vram_gb": (_CARD_GB, "more than any card has"),
    "ram_gb": (_MACHINE_GB, "more than a machine has"),
    "ram_gb_needed": (_MACHINE_GB, "more than a machine has"),
}


def doubts(at: At) -> Iterator[str]:
    """Every size in GB, however deep it lies, that looks as if it were in MB or in bytes."""
    if isinstance(at.value, list):
        for item in at.value:
            yield from doubts(item)
    elif isinstance(at.value, dict):
        for key, entry in at.value.items():
            yield from _doubt(str(key), entry)
            yield from doubts(entry)


def _doubt(key: str, at: At) -> Iterator[str]:
    most_gb, why = _MOST_GB.get(key, (0.0, ""))
    if not most_gb or isinstance(at.value, bool) or not isinstance(at.value, int | float):
        return
    where = f"{PurePath(at.path).name}, line {at.line}: {key}: {at.value:g}"
    if at.value > most_gb:
        yield f"{where} is {at.value:g} GB, {why}. Fix: write {at.value / 1000:g}, if it is in MB"
