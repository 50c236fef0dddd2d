"""Sizes that can hardly be meant, with the one that may have been. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nvinx.sizes import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

SMALLEST_MB = 100  # of a process with an empty CUDA context
LARGEST_MB = 512_000  # above any card


_TOO_LITTLE = f"is less than the {SMALLEST_MB} MB that an empty CUDA context takes"
_TOO_MUCH = "is more than any card has"


def vram(hints: Mapping[str, Any]) -> str | None:
    """What is odd about the VRAM of a rule's hints, and what to write; None where nothing is."""
    value = hints.get("vram_mb", hints.get("vram"))
    if isinstance(value, str):
        return _of_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if 0 < value < SMALLEST_MB:
        fix = f"write vram_mb={value * 1000:g}, if it is in GB"
        return f"vram_mb={value:g} {_TOO_LITTLE}. Fix: {fix}"
    if value > LARGEST_MB:
        return f"vram_mb={value:g} {_TOO_MUCH}. Fix: write {_likely(value):g}, if that was meant"
    return None


def _of_text(text: str) -> str | None:
    """Of a size with a unit, such as '900gb'; ranges and `auto` are none."""
    try:
        size_mb = parse_bytes(text) / 1e6
    except (OverflowError, ValueError):
        return None
    if 0 < size_mb < SMALLEST_MB:
        return f"vram={text!r} {_TOO_LITTLE}. Fix: write vram='{size_mb:g}GB', if it is in GB"
    if size_mb > LARGEST_MB:
        fix = f"write vram='{size_mb / 1000:g}MB', if it is in MB"
        return f"vram={text!r} {_TOO_MUCH}. Fix: {fix}"
    return None


def _likely(value: float) -> float:
    return value / 1000 if value / 1000 <= LARGEST_MB else round(value / 1e6)
