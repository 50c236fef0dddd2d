"""A trace that many processes write, each of them about its own job of the same run."""

from __future__ import annotations

import contextlib
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from nvinx.runs.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nvinx.bench.resolve import Bench


class SharedTrace(Trace):
    """Events of one run, by the wall clock. What cannot be written is not worth failing a job."""

    def __init__(self, folder: Path, began: str) -> None:
        """folder: where the run was started. began: when, in ISO 8601; now where that is none."""
        super().__init__(time.time, folder)
        self._began = _time(began)
        self._zero = self._began.timestamp()

    def join(self, bench: Bench, command: Sequence[str]) -> None:
        """Write to the run's trace from now on, and begin it if nobody has."""
        with contextlib.suppress(OSError):
            home = self._made()
            path = home / f"trace{self._began:%Y%m%dT%H%M%S%f}p0"
            if not path.exists():
                self._begin_at(path, bench, command)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            self.path = path

    def _begin_at(self, path: Path, bench: Bench, command: Sequence[str]) -> None:
        """Its first line is there whole, or not at all: whoever joins later finds it."""
        self.begin(bench, bench.cores, "", command)
        own, self.path = self.path, None
        self._stop()
        if own is not None:
            with contextlib.suppress(FileExistsError):
                os.link(own, path)
            own.unlink()


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        return datetime.now(UTC).astimezone()
