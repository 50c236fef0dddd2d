"""The keys of `nvinx top`: read without waiting for Enter, and what they change of the view."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nvinx.leases.ports import QueuedRequest

QUIT = "q"
HELP = (
    ("q", "quit (Ctrl-C as well)"),
    ("up, down", "move through the queue"),
    ("s", "sort the queue: in order, by wait, by name"),
    ("?", "show or hide these keys"),
)
_ARROWS = {b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down"}
_LETTERS = 64  # of one key, and of a few that came at once

_SORTS: dict[str, Callable[[QueuedRequest], Any] | None] = {
    "as asked": None,
    "by wait": lambda request: request.since,
    "by name": lambda request: request.job.name,
}


@dataclass(frozen=True, slots=True)
class View:
    """What of the queue is shown. first: how many of it lie above. sort: one of `_SORTS`."""

    first: int = 0
    sort: str = "as asked"
    shows_keys: bool = False

    def after(self, key: str, waiting: int) -> View:
        """The view once a key was pressed, with so many in the queue."""
        if key == "?":
            return replace(self, shows_keys=not self.shows_keys)
        if key == "s":
            sorts = list(_SORTS)
            return replace(self, sort=sorts[(sorts.index(self.sort) + 1) % len(sorts)])
        step = {"up": -1, "down": 1}.get(key, 0)
        return replace(self, first=min(max(self.first + step, 0), max(waiting - 1, 0)))

    def of(self, requests: Sequence[QueuedRequest]) -> list[QueuedRequest]:
        by = _SORTS[self.sort]
        ordered = list(requests) if by is None else sorted(requests, key=by)
        return ordered[min(self.first, max(len(ordered) - 1, 0)) :]


class Keys:
    """The keyboard, while the block runs; one that is no terminal has no keys."""

    def __enter__(self) -> Keys:
        self._fd = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        if self._fd is not None:
            self._before = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def next(self, seconds: float) -> str | None:
        """The key that was pressed within so many seconds; None where none was."""
        ready, _, _ = select.select([] if self._fd is None else [self._fd], [], [], seconds)
        if not ready or self._fd is None:
            return None
        raw = os.read(self._fd, _LETTERS)
        if not raw:  # the terminal is gone
            return QUIT
        return _ARROWS.get(raw[:3]) or raw[:1].decode("ascii", "replace").lower()
