"""Whether some process holds a lock on a file, as it does until it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from nvinx.host.plain_files import open_plain

if TYPE_CHECKING:
    from pathlib import Path

_TRIES, _MOMENT_S = 5, 0.0003


def is_held(file: Path) -> bool:
    """Whether anybody holds a `flock` on the file, as is assumed where we may not look.

    Raises OSError where there is no such file, and where it is no plain one.
    """
    try:
        fd = open_plain(file)
    except PermissionError:
        return True
    try:
        return not lock_alone(fd)
    finally:
        os.close(fd)


def lock_alone(fd: int) -> bool:
    """Lock an open file for its holder alone, if nobody else has a `flock` on it; whether it is."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_alone_soon(fd: int) -> bool:
    """The same; who only looks whether the file is locked has it for a moment."""
    for _ in range(_TRIES):
        if lock_alone(fd):
            return True
        time.sleep(_MOMENT_S)
    return False
