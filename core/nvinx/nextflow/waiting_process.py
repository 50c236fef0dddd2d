"""The process for which a lease is wanted: while it lives, waiting makes sense."""

from __future__ import annotations

from pathlib import Path

_STATE, _START = 0, 19  # positions in /proc/PID/stat once "pid (name) " has been cut off


class Heir:
    """One process; dead as soon as it only waits to be collected."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._start = self._started()

    def lives(self) -> bool:
        return self._start is not None and self._started() == self._start

    def _started(self) -> str | None:
        try:
            stat = Path(f"/proc/{self._pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        fields = stat.rpartition(") ")[2].split()
        return None if fields[_STATE] in "ZX" else fields[_START]
