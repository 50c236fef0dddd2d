"""Files as they are on this machine."""

from __future__ import annotations

import os
import stat

from nvinx.ports import File


def plain(path: str) -> File | None:
    """The file behind a path, links resolved; None when that is no plain file, or not there."""
    try:
        real = os.path.realpath(path)
        status = os.stat(real)
    except (OSError, ValueError):  # ValueError: no path can have such a character
        return None
    return File(real, status.st_size) if stat.S_ISREG(status.st_mode) else None
