"""Waiting for a ledger that others keep busy: as long as it takes, and told now and then."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from nvinx.leases.broken_ledger import primary_code

if TYPE_CHECKING:
    from pathlib import Path

_LOOK_AGAIN_S = (0.001, 0.003)
# The second where others were faster each time that SQLite tried to begin.
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL}


def is_busy(error: sqlite3.Error) -> bool:
    """Whether SQLite only says that others use the file, so that it is to be tried again."""
    return primary_code(error) in _BUSY


class Patience:
    """One wait for the ledger, between tries; that others are busy is told, but no failure.

    SQLite itself would sleep up to 100 times as long, and whoever came late would win again and
    again against those that sleep longest. A lock to queue at would be fair, but could not be given
    up when its holder is stopped.
    """

    def __init__(self, path: Path, tell_after_s: float) -> None:
        self._path = path
        self._tell_after_s = tell_after_s
        self._tell_at = time.monotonic() + tell_after_s

    def pause(self) -> None:
        import random

        if time.monotonic() > self._tell_at:
            self._tell_at += self._tell_after_s
            self._tell()
        time.sleep(random.uniform(*_LOOK_AGAIN_S))

    def _tell(self) -> None:
        import logging

        logging.getLogger(__name__).warning(
            "nvinx: other programs have kept %s busy for a long time; still trying", self._path
        )
