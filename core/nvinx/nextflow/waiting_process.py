"""The process for which a lease is wanted: while it lives, waiting makes sense."""

from __future__ import annotations

from nvinx.host import proc


class WaitingProcess:
    """One process; dead as soon as it only waits to be collected."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started = proc.started(pid)

    def lives(self) -> bool:
        return proc.runs(self._pid) and proc.started(self._pid) == self._started
