"""Whether a split model computed the bits of the whole one and lay where it was planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


def same_bits(one: str, other: str) -> dict[str, int]:
    """How many numbers the arrays of two files have, by name; raises where one bit differs."""
    with np.load(one) as split, np.load(other) as whole:
        if set(split) != set(whole):
            raise ValueError(f"{one} has {sorted(split)}, {other} has {sorted(whole)}")
        for name in split:
            if not _alike(split[name], whole[name]):
                raise ValueError(f"{name} of {one} differs from that of {other}")
        return {name: split[name].size for name in split}


def lay_as_planned(facts: Mapping[str, Any]) -> dict[str, int]:
    """Bytes by tier; raises where they are not those that were planned."""
    found = dict.fromkeys(("card", "RAM", "disk"), 0)
    for _, size, tier in facts["layers"]:
        found[tier] += size
    wanted = facts["planned"].get("here", found)
    if found != wanted:
        raise ValueError(f"{facts['model']} lay at {found}, planned was {wanted}")
    return found


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    same_kind = one.dtype == other.dtype and one.shape == other.shape
    return same_kind and one.tobytes() == other.tobytes()
