"""The most VRAM that jobs on simulated cards say they used, as no driver can see it."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from nvinx.host.plain_files import open_plain
from nvinx.sizes import need_from_mb

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "NVINX_SIMULATED_PEAK"  # the file that a job writes it to
_LONGEST = 40  # characters of a number
_LARGEST_MB = 1e9


class SaidPeaks:
    """What jobs write into a file each, a number of MB (10^6 bytes), by the time they end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def file(self, token: str) -> Path:
        return self._folder / f"{token}.peak"

    def watch(self, token: str, cards: tuple[str, ...]) -> None:
        """Nothing is to be done: the job will say it."""

    def count(self, token: str, pid: int) -> None:
        """Nothing is to be done: the process will say it."""

    def take(self, token: str) -> int | None:
        """The job's peak in MiB, None when it said none, or nothing that is a size."""
        try:
            text = _read(self.file(token))
            self.file(token).unlink()
            mb = float(text)
        except (OSError, ValueError):
            return None
        return need_from_mb(mb) if math.isfinite(mb) and 0 < mb <= _LARGEST_MB else None


def _read(file: Path) -> str:
    fd = open_plain(file)
    try:
        return os.read(fd, _LONGEST).decode(errors="replace")
    finally:
        os.close(fd)
