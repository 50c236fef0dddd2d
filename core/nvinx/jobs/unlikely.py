"""Sizes that can hardly be meant, with the one that may have been. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SMALLEST_MB = 100  # of a process with an empty CUDA context
LARGEST_MB = 512_000  # above any card


def vram_mb(hints: Mapping[str, Any]) -> str | None:
    """What is odd about a rule's `vram_mb`, and what to write; None where nothing is."""
    value = hints.get("vram_mb")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if 0 < value < SMALLEST_MB:
        problem = f"is less than the {SMALLEST_MB} MB that an empty CUDA context takes"
        return f"vram_mb={value:g} {problem}. Fix: write vram_mb={value * 1000:g}, if it is in GB"
    if value > LARGEST_MB:
        problem = "is more than any card has"
        return f"vram_mb={value:g} {problem}. Fix: write {_likely(value):g}, if that was meant"
    return None


def _likely(value: float) -> float:
    return value / 1000 if value / 1000 <= LARGEST_MB else round(value / 1e6)
