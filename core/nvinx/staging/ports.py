"""What is read ahead, and by whom; `process` is the real one. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class File:
    """A plain file, links resolved, and how many of its bytes are meant, from the first on."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Warmed:
    """How much was read into the page cache, and in what time; `problem` says what was not."""

    size_bytes: int = 0
    took_s: float = 0.0
    problem: str | None = None


class Stager(Protocol):
    """Reads files into the page cache in the background, and gives way to all other work.

    One thread calls it. Nothing here raises for what a file, or the machine, is like.
    """

    def begin(self, files: Sequence[File], floor_mib: int) -> None:
        """Read these in order while at least this much RAM is left, and nothing else."""
        ...

    def result(self) -> Warmed | None:
        """What came of it, told once; None while it reads, and when there is nothing to tell."""
        ...

    def stop(self) -> None:
        """Read no more, and leave nothing running."""
        ...
