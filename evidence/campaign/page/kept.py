"""What the kept lines say under a key: what was measured, or why there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from campaign.records import NEEDS, PROBLEM, is_measured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from campaign.records import Line


def data(kept: Mapping[str, Line], key: str) -> dict[str, Any]:
    """What was measured under this key; empty where it was not."""
    return kept[key]["data"] if key in kept and is_measured(kept[key]) else {}


def why_not(kept: Mapping[str, Line], key: str) -> str:
    """Why there is nothing, in some words."""
    found = kept.get(key, {}).get("data")
    if found is None:
        return "not measured yet"
    if NEEDS in found:
        return f"needs {found[NEEDS]}"
    return f"failed: {found.get(PROBLEM, '').strip().splitlines()[-1][:120]}"
