"""nvinx's hints in other cases and letters: `GPU`, `VRAM_MB`, `vramMb`. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nvinx.jobs.hints import HINTS

if TYPE_CHECKING:
    from collections.abc import Mapping

_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def plain(name: str) -> str:
    """The name in small letters, with its words apart: `gpuCount` is `gpu_count`."""
    return _NEW_WORD.sub("_", name).replace("-", "_").lower()


def meant(name: str) -> str | None:
    """The hint that is written otherwise; None for one that is written as it should be."""
    return plain(name) if name not in HINTS and plain(name) in HINTS else None


def respelled(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The resources with each hint as it should be written; one that is written so comes first."""
    own = {name: value for name, value in resources.items() if meant(name) is None}
    others = {hint: value for name, value in resources.items() if (hint := meant(name))}
    return {**others, **own}
