"""What somebody may want to know of: jobs that stand further back than their engine shows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

PATIENCE_S = 5.0  # how long whoever asks waits for an answer


def is_called(name: str, asked: Collection[str]) -> bool:
    """Whether the job has one of these names, or is of one of these rules."""
    return name in asked or name.partition("[")[0] in asked
