"""Whether some process holds a lock on a file, as it does until it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from nvinx.host.plain_files import open_plain

if TYPE_CHECKING:
    from pathlib import Path


def is_held(file: Path) -> bool:
    """Whether anybody holds a `flock` on the file, as is assumed where we may not look.

    Raises OSError where there is no such file, and where it is no plain one.
    """
    try:
        fd = open_plain(file)
    except PermissionError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
